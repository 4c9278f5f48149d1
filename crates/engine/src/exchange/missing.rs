//! A directory that something is in and that is not known here is asked for.
//!
//! Whoever tells of something in a deleted directory says the directory again, should the hearer
//! have forgotten it (`full`). But the teller may hear of the deletion later than it tells, and
//! nobody tells what he forgets as he forgets it. So who cannot place something when it knows all
//! that a peer knows asks that peer for the directory, and who still has it says it again. Called
//! by `exchange`.

use super::{full, Exchange, Peer};
use crate::entry::EntryId;
use crate::index::Index;
use crate::ledger::Facts;
use crate::limits::MISSING_MAX;
use crate::range::Range;

impl Exchange {
    /// Something here is in a directory that is not known here.
    pub fn miss(&mut self, dir: EntryId) {
        if self.missing.len() < MISSING_MAX {
            self.missing.insert(dir);
        }
    }

    /// Asks for what is missing, each peer once, and only who has nothing else to tell and has been
    /// told everything: what is on its way may be it.
    pub(super) fn seek_missing(&mut self, facts: &Facts, index: &dyn Index) {
        let is_known =
            |id: EntryId| index.settled(id).is_some_and(|(_, settled)| settled.is_some());
        self.missing.retain(|id| !is_known(*id) && !index.children(*id, None, 1).is_empty());
        if self.missing.is_empty() {
            return;
        }
        let is_even = |peer: &Peer| {
            let (knows, known) = (&peer.knows, &facts.knowledge);
            !peer.pulling && knows.is_within(known) && known.is_within(knows)
        };
        for state in self.peers.values_mut().filter(|state| is_even(state)) {
            let missing = self.missing.iter().filter(|id| state.sought.insert(**id));
            let ranges = missing.map(|id| Range { first: *id, last: *id });
            state.compared.differ.extend(ranges);
        }
    }
}

impl Peer {
    /// The peer asks for one entry, which may be a deleted directory that it has forgotten, and in
    /// which something is.
    pub(super) fn find_missed(&mut self, index: &dyn Index, range: Range) {
        let single = Some(range.first).filter(|first| *first == range.last);
        let asked = single.and_then(|id| index.entry(id));
        if asked.is_some_and(|stored| full::is_kept_up(&stored)) {
            self.orphaned.insert(range.first);
        }
    }
}
