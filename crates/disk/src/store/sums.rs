//! Sums over the rows of S: what was written is what is read, and no row is missing.
//!
//! They are stored in the transaction that stores K, for K without its S is a lie that deletes on
//! other machines: what this node claims to know and does not hold counts as deleted here
//! (decisions A20). Damage is told from health, not from malice. Called by `store`, `store::flush`
//! and `store::reader`.

use super::{fact, ReadError};
use rusqlite::Connection;

/// Entries are summed up by the first four bits of their ids.
const BUCKETS: usize = 16;

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sums([u64; BUCKETS]);

/// The sum of one row: 64 bits of a hash of its id and its bytes.
pub fn of_row(id: &[u8; 16], row: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id).update(row);
    let hash = hasher.finalize();
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"))
}

impl Sums {
    /// Adds a row's sum, or takes it out again.
    pub fn toggle(&mut self, id: &[u8; 16], sum: u64) {
        self.0[usize::from(id[0] >> 4)] ^= sum;
    }

    /// As they are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Sums> {
        let (chunks, rest) = bytes.as_chunks();
        let sums: Vec<u64> = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        Some(Sums(sums.try_into().ok()?)).filter(|_| rest.is_empty())
    }

    /// Reads every row of S and compares with what is stored; an index of before there were sums
    /// has none to compare.
    pub fn check(connection: &Connection) -> Result<Sums, ReadError> {
        let mut found = Sums::default();
        let mut statement = connection.prepare("SELECT id, row FROM entry")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, bytes) = (row.get(0)?, super::rows::bytes(row, 1)?.unwrap_or_default());
            found.toggle(&id, of_row(&id, bytes));
        }
        let Some(bytes) = super::read_fact(connection, fact::SUMS)? else { return Ok(found) };
        if Sums::from_bytes(&bytes).as_ref() != Some(&found) {
            let what = "entries are missing, or are not what was written";
            return Err(ReadError::Broken(what.into()));
        }
        Ok(found)
    }
}
