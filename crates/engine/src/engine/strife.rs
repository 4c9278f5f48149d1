//! A file that loses versions again and again waits for quiet (decisions A17).
//!
//! Two that write one file all the time, each before it has seen what the other wrote, would
//! leave a loser behind with each exchange. Who stops taking in what comes for it goes on
//! writing over its own version, as the other does: two versions are left, however often both
//! write in between. Counted for each author alone: what many wrote once while they were apart
//! is no strife.

use super::waits::path_of;
use super::{Effect, FolderEngine};
use crate::content::Digest;
use crate::dot::Incarnation;
use crate::entry::EntryId;
use crate::index::Index;
use crate::limits::{QUIET_MS, STRIFE_FILES_MAX, STRIFE_LOSERS_MAX, STRIFE_MS};
use crate::proof::{broken, reached, Mutant};
use std::collections::BTreeMap;

/// When which file lost a version of which author, by the monotonic clock, if that is less than
/// [`STRIFE_MS`] ago. Gone with the program: what is counted then begins at nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Strife {
    losses: BTreeMap<(EntryId, Incarnation), Vec<u64>>,
}

impl Strife {
    /// A version of this author has lost. Whether that is strife and was none before.
    fn lost(&mut self, id: EntryId, author: Incarnation, now_ms: u64) -> bool {
        let was_strife = self.last(id, now_ms).is_some();
        if self.losses.len() >= STRIFE_FILES_MAX {
            self.losses.retain(|_, times| times.iter().any(|&at_ms| is_recent(at_ms, now_ms)));
        }
        if self.losses.len() >= STRIFE_FILES_MAX {
            // So many at once are one great meeting, and no strife about a few.
            return false;
        }
        let times = self.losses.entry((id, author)).or_default();
        times.retain(|&at_ms| is_recent(at_ms, now_ms));
        times.push(now_ms);
        !was_strife && self.last(id, now_ms).is_some()
    }

    /// Until when nothing that comes for this file is taken in, if it rests.
    fn rests_until(&self, id: EntryId, now_ms: u64) -> Option<u64> {
        let until_ms = self.last(id, now_ms).map(|last_ms| last_ms + QUIET_MS);
        until_ms.filter(|&until_ms| now_ms < until_ms && !broken(Mutant::NeverQuiet))
    }

    /// When it lost last, if there is strife about it.
    fn last(&self, id: EntryId, now_ms: u64) -> Option<u64> {
        let from = (id, Incarnation([0; 16]));
        let of_file = self.losses.range(from..).take_while(|((of, _), _)| *of == id);
        let last = of_file.filter_map(|(_, times)| {
            let recent = times.iter().filter(|at_ms| is_recent(**at_ms, now_ms)).count();
            times.last().filter(|_| recent >= STRIFE_LOSERS_MAX).copied()
        });
        last.max()
    }
}

fn is_recent(at_ms: u64, now_ms: u64) -> bool {
    now_ms < at_ms + STRIFE_MS
}

impl FolderEngine {
    /// What the entry showed, or was to be shown as, went to the conflict store.
    pub(super) fn has_lost(&mut self, index: &dyn Index, id: EntryId, loser: &Digest) {
        let Some(stored) = index.entry(id) else { return };
        let mut versions = stored.entry.data.versions().iter().map(|version| &version.value);
        let Some(lost) = versions.find(|data| data.content.digest() == Some(*loser)) else {
            return;
        };
        if self.strife.lost(id, lost.stamp.dot.incarnation, self.now.mono_ms) {
            reached("a file that loses again and again waits for quiet");
            let what = "changed in several places at once, again and again: what others write to \
                        it waits until ten seconds have passed without a conflict";
            self.effects.push(Effect::Notice(path_of(index, id), what.to_string()));
        }
    }

    /// Whether the entry waits for quiet; it is taken up again then.
    pub(super) fn waits_for_quiet(&mut self, id: EntryId) -> bool {
        let until_ms = self.strife.rests_until(id, self.now.mono_ms);
        if let Some(until_ms) = until_ms {
            self.pending.rest(id, until_ms);
        }
        until_ms.is_some()
    }

    /// The same, for whoever asks why it waits.
    pub(super) fn is_resting(&self, id: EntryId) -> bool {
        self.strife.rests_until(id, self.now.mono_ms).is_some()
    }
}

#[cfg(test)]
mod tests;
