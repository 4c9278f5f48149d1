//! Rows of D out of SQLite: the statements that the store and its readers share.
//!
//! Reads only. Called by `store::index` and `store::reader`.

use super::lives::Lives;
use super::record::{read_content, read_seen};
use super::ReadError;
use engine::content::Digest;
use engine::entry::{EntryId, Kind, Timestamp};
use engine::index::{Attributes, Fingerprint, Handle, SeenDots, SeenRow, Slot, Volatile};
use engine::path::Name;
use rusqlite::{Connection, Params, Row};

/// Opens every statement below; its columns are read by [`seen_row`].
macro_rules! select_seen {
    ($rest:literal) => {
        concat!(
            "SELECT s.slot, s.parent, s.name, s.entry, s.handle, s.digest, s.row, \
             v.epoch, v.previous FROM seen s LEFT JOIN volatile v ON v.slot = s.slot WHERE ",
            $rest
        )
    };
}

/// By slot.
pub const BY_SLOT: &str = select_seen!("s.slot = ?1");
/// By entry.
pub const BY_ENTRY: &str = select_seen!("s.entry = ?1 ORDER BY s.slot DESC");
/// By parent and name.
pub const BY_NAME: &str = select_seen!("s.parent = ?1 AND s.name = ?2 ORDER BY s.slot DESC");
/// Everything in a directory after a name (the empty one is before all).
pub const CHILDREN: &str = select_seen!("s.parent = ?1 AND s.name > ?2 ORDER BY s.name");
/// By handle.
pub const BY_HANDLE: &str = select_seen!("s.handle = ?1 ORDER BY s.slot");
/// By content.
pub const BY_DIGEST: &str = select_seen!("s.digest = ?1 ORDER BY s.slot");
/// The volatile ones after a slot.
pub const VOLATILE: &str = "SELECT s.slot, s.parent, s.name, s.entry, s.handle, s.digest, s.row, \
    v.epoch, v.previous FROM volatile v JOIN seen s ON s.slot = v.slot WHERE v.slot > ?1 \
    ORDER BY v.slot";

/// Numbers of the engine in SQLite's signed ones. Those that count from 1 never come near the end;
/// what a peer invents beyond it is found there.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A name out of a column.
pub fn name(bytes: &[u8]) -> Result<Name, ReadError> {
    Name::new(bytes).map_err(|_| ReadError::Broken("a name that cannot be one".into()))
}

/// A number that was stored by [`signed`].
pub fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, ReadError> {
    let number = row.get::<_, i64>(column)?;
    u64::try_from(number).map_err(|_| ReadError::Broken("a negative number".into()))
}

/// Bytes that are not copied.
pub fn bytes<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a [u8]>, ReadError> {
    Ok(row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
}

/// One row of D.
pub fn seen_row(lives: &Lives, row: &Row<'_>) -> Result<SeenRow, ReadError> {
    let digest = row.get::<_, Option<[u8; 32]>>(5)?.map(Digest);
    let volatile = match row.get::<_, Option<i64>>(7)? {
        Some(_) => Some(Volatile {
            epoch: unsigned(row, 7)?,
            previous: bytes(row, 8)?.map(read_content).transpose()?,
        }),
        None => None,
    };
    let zero = Timestamp::default();
    let mut found = SeenRow {
        slot: Slot(unsigned(row, 0)?),
        parent: Slot(unsigned(row, 1)?),
        name: bytes(row, 2)?.map(name).transpose()?,
        entry: EntryId(row.get(3)?),
        kind: Kind::Dir,
        fingerprint: Fingerprint {
            handle: Handle(bytes(row, 4)?.unwrap_or_default().into()),
            size: 0,
            mtime: zero,
            ctime: zero,
        },
        content: None,
        attributes: Attributes::default(),
        refused: None,
        dots: SeenDots::default(),
        soft: false,
        volatile,
    };
    read_seen(lives, &mut found, digest, bytes(row, 6)?.unwrap_or_default())?;
    Ok(found)
}

/// Up to `max` rows of D that a statement finds, less those whose slot is `hidden`.
pub fn seen_rows(
    connection: &Connection,
    lives: &Lives,
    (sql, params): (&str, impl Params),
    max: usize,
    hidden: impl Fn(Slot) -> bool,
) -> Result<Vec<SeenRow>, ReadError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while found.len() < max {
        let Some(row) = rows.next()? else { break };
        if !hidden(Slot(unsigned(row, 0)?)) {
            found.push(seen_row(lives, row)?);
        }
    }
    Ok(found)
}
