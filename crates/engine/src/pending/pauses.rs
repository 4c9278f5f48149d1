//! When an entry is decided again though nothing has woken it: one pause for each entry, however
//! often it is woken meanwhile, and each longer than the last.
//!
//! Knows nothing of what is waited for. Used by `pending`.

use crate::entry::EntryId;
use crate::limits::RETRY_MS_MIN;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    due: BTreeSet<(u64, EntryId)>,
    pauses: BTreeMap<EntryId, Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    ms: u64,
    until_ms: u64,
    count: u32,
}

impl Pauses {
    /// The entry's next pause begins, in place of the one that may be running; no longer than this.
    /// How many it has had with it.
    pub fn pause(&mut self, id: EntryId, now_ms: u64, ms_max: u64) -> u32 {
        self.woken(id);
        let last = self.pauses.get(&id);
        let ms = last.map_or(RETRY_MS_MIN, |pause| (pause.ms * 2).min(ms_max));
        let count = last.map_or(0, |pause| pause.count).saturating_add(1);
        self.pauses.insert(id, Pause { ms, until_ms: now_ms + ms, count });
        self.due.insert((now_ms + ms, id));
        count
    }

    /// The entry's one pause of this length begins, or goes on if it is not over. Until when.
    pub fn once(&mut self, id: EntryId, now_ms: u64, ms: u64) -> u64 {
        let fresh = Pause { ms, until_ms: now_ms + ms, count: 1 };
        let until_ms = self.pauses.entry(id).or_insert(fresh).until_ms;
        if until_ms > now_ms {
            self.due.insert((until_ms, id));
        }
        until_ms
    }

    /// The entry's pause lasts until then, whatever it was; the next is the shortest again.
    pub fn until(&mut self, id: EntryId, until_ms: u64) {
        self.woken(id);
        self.pauses.insert(id, Pause { ms: RETRY_MS_MIN / 2, until_ms, count: 1 });
        self.due.insert((until_ms, id));
    }

    /// The entry is decided before its pause is over, if one is running.
    pub fn woken(&mut self, id: EntryId) {
        if let Some(pause) = self.pauses.get(&id) {
            self.due.remove(&(pause.until_ms, id));
        }
    }

    /// The entry waits for nothing any more, or will begin afresh.
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
