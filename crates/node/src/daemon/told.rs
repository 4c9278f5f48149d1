//! Which of the cluster's facts every connected peer has been told, so that none stays unsaid.
//!
//! Fact by fact: a fact of our own that is said while a peer's arrives is not yet told when that
//! one is passed on. A new session is given all facts, whatever stands here. Called by `daemon`.

use std::collections::BTreeSet;

/// Records as they are signed.
#[derive(Debug, Default)]
pub struct Told(BTreeSet<Vec<u8>>);

impl Told {
    /// A record was passed on to everybody that it did not come from.
    pub fn passed_on(&mut self, record: &[u8]) {
        self.0.insert(record.to_vec());
    }

    /// Of all records that count now, those that nobody was told of yet; they are told from here
    /// on. What does not count any more is forgotten.
    pub fn news(&mut self, all: BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
        let news = all.difference(&self.0).cloned().collect();
        self.0 = all;
        news
    }
}

#[cfg(test)]
mod tests;
