//! When content that could not be had is looked for again: one pause for each entry, however often
//! it is woken meanwhile, and each longer than the last.
//!
//! Knows nothing of peers. Used by `pending`.

use crate::entry::EntryId;
use crate::limits::RETRY_MS_MIN;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeks {
    due: BTreeSet<(u64, EntryId)>,
    pauses: BTreeMap<EntryId, Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    ms: u64,
    until_ms: u64,
}

impl Seeks {
    /// The entry's next pause begins, in place of the one that may be running; no longer than this.
    pub fn pause(&mut self, id: EntryId, now_ms: u64, ms_max: u64) {
        self.woken(id);
        let last = self.pauses.get(&id);
        let ms = last.map_or(RETRY_MS_MIN, |pause| (pause.ms * 2).min(ms_max));
        self.pauses.insert(id, Pause { ms, until_ms: now_ms + ms });
        self.due.insert((now_ms + ms, id));
    }

    /// The entry is decided before its pause is over, if one is running.
    pub fn woken(&mut self, id: EntryId) {
        if let Some(pause) = self.pauses.get(&id) {
            self.due.remove(&(pause.until_ms, id));
        }
    }

    /// The entry looks for nothing any more, or will begin afresh.
    pub fn done(&mut self, id: EntryId) {
        self.woken(id);
        self.pauses.remove(&id);
    }

    /// Whose pause is over.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<EntryId> {
        let mut over = Vec::new();
        while let Some(&(until_ms, id)) = self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.due.remove(&(until_ms, id));
            over.push(id);
        }
        over
    }

    /// When the next pause is over.
    pub fn deadline(&self) -> Option<u64> {
        self.due.first().map(|(until_ms, _)| *until_ms)
    }
}
