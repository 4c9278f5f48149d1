//! Incarnations by short numbers: sixteen random bytes in every dot of every row would be most of
//! the file.
//!
//! A number is given when an incarnation is first written and stays for ever. Called by `store` and
//! its records.

use engine::dot::{Incarnation, NodeId};
use engine::entry::IncarnationRecord;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Every incarnation that any row names, and whose life it is where that is known.
#[derive(Default)]
pub struct Lives {
    numbers: HashMap<Incarnation, u32>,
    /// The incarnation numbered n is at n - 1.
    known: Vec<Incarnation>,
    records: BTreeMap<Incarnation, IncarnationRecord>,
    unsaved: BTreeSet<u32>,
}

impl Lives {
    /// Reads all of them.
    pub fn load(connection: &Connection) -> rusqlite::Result<Lives> {
        let mut lives = Lives::default();
        let sql = "SELECT number, incarnation, node, signature FROM life ORDER BY number";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let incarnation = Incarnation(row.get(1)?);
            let number = lives.number(incarnation);
            if row.get::<_, u32>(0)? != number {
                return Err(rusqlite::Error::IntegralValueOutOfRange(0, i64::from(number)));
            }
            if let Some(node) = row.get::<_, Option<[u8; 32]>>(2)? {
                let signature = row.get(3)?;
                let record = IncarnationRecord { incarnation, node: NodeId(node), signature };
                lives.records.insert(incarnation, record);
            }
        }
        lives.unsaved.clear();
        Ok(lives)
    }

    /// Writes what is new since the last time.
    pub fn save(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let sql =
            "INSERT INTO life (number, incarnation, node, signature) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (number) DO UPDATE SET node = ?3, signature = ?4";
        let mut statement = connection.prepare_cached(sql)?;
        for &number in &self.unsaved {
            let incarnation = self.known[number as usize - 1];
            let record = self.records.get(&incarnation);
            let node = record.map(|record| record.node.0);
            let signature = record.map(|record| record.signature.as_slice());
            statement.execute((number, incarnation.0, node, signature))?;
        }
        self.unsaved.clear();
        Ok(())
    }

    /// Whether something waits for [`Lives::save`].
    pub fn is_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// The number of an incarnation; gives it one if it has none.
    pub fn number(&mut self, incarnation: Incarnation) -> u32 {
        if let Some(number) = self.numbers.get(&incarnation) {
            return *number;
        }
        self.known.push(incarnation);
        let number = u32::try_from(self.known.len()).expect("fewer lives than 2^32 fit in memory");
        self.numbers.insert(incarnation, number);
        self.unsaved.insert(number);
        number
    }

    /// The number of an incarnation that has one.
    pub fn find(&self, incarnation: Incarnation) -> Option<u32> {
        self.numbers.get(&incarnation).copied()
    }

    /// The incarnation with this number.
    pub fn incarnation(&self, number: u32) -> Option<Incarnation> {
        self.known.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// Whose lives are known.
    pub fn records(&self) -> Vec<IncarnationRecord> {
        self.records.values().cloned().collect()
    }

    /// Adds or replaces one.
    pub fn put_record(&mut self, record: &IncarnationRecord) {
        if self.records.get(&record.incarnation) != Some(record) {
            let number = self.number(record.incarnation);
            self.unsaved.insert(number);
            self.records.insert(record.incarnation, record.clone());
        }
    }
}
