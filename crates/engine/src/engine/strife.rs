//! A file that conflicts again and again waits for quiet (decisions A17).
//!
//! Two that write one file all the time, each before it has seen what the other wrote, would leave
//! a loser behind with each exchange. Who stops taking in what comes for it goes on writing over
//! its own version, as the other does: two versions are left, however often both write. Only what
//! is written here counts, and each version once, however many it met: what others have among
//! themselves, and what many wrote while they were apart, is taken in at once.

use super::waits::path_of;
use super::{Effect, FolderEngine};
use crate::dot::Dot;
use crate::entry::EntryId;
use crate::index::Index;
use crate::limits::{QUIET_MS, STRIFE_FILES_MAX, STRIFE_MS, STRIFE_VERSIONS_MAX};
use crate::proof::{broken, reached, Mutant};
use std::collections::BTreeMap;

/// What is known of files that conflicted less than [`STRIFE_MS`] ago, by the monotonic clock. Gone
/// with the program: what is counted then begins at nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Strife {
    files: BTreeMap<EntryId, File>,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// Our versions that met others', and when.
    met: Vec<(Dot, u64)>,
    rest: Option<Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    since_ms: u64,
    /// Our last version, and when we saw that it was this.
    own: Dot,
    seen_ms: u64,
}

impl Strife {
    /// Our version has met another: one of the two lost. Whether the file is in strife from now on,
    /// and was not before.
    fn met(&mut self, id: EntryId, own: Dot, now_ms: u64) -> bool {
        let is_counted = self.files.contains_key(&id);
        if !is_counted && self.files.len() >= STRIFE_FILES_MAX {
            self.files.retain(|_, file| file.met.iter().any(|met| is_recent(met.1, now_ms)));
        }
        if !is_counted && self.files.len() >= STRIFE_FILES_MAX {
            // So many at once are one great meeting, and no strife about a few.
            return false;
        }
        let file = self.files.entry(id).or_default();
        if file.met.iter().any(|(dot, _)| *dot == own) {
            return false;
        }
        file.met.retain(|(_, at_ms)| is_recent(*at_ms, now_ms));
        let was_strife = file.met.len() >= STRIFE_VERSIONS_MAX;
        file.met.push((own, now_ms));
        let is_strife = file.met.len() >= STRIFE_VERSIONS_MAX;
        if is_strife && file.rest.is_none() && !broken(Mutant::NeverQuiet) {
            file.rest = Some(Rest { since_ms: now_ms, own, seen_ms: now_ms });
        }
        is_strife && !was_strife
    }

    /// Until when nothing that comes for this file is taken in, if it rests: until we have written
    /// nothing for [`QUIET_MS`], and no longer than [`STRIFE_MS`]. All that has come is taken in
    /// then.
    fn rests_until(&mut self, id: EntryId, own: Option<Dot>, now_ms: u64) -> Option<u64> {
        let file = self.files.get_mut(&id)?;
        let rest = file.rest.as_mut()?;
        let until_ms = (rest.seen_ms + QUIET_MS).min(rest.since_ms + STRIFE_MS);
        if now_ms < until_ms {
            return Some(until_ms);
        }
        let last = own.unwrap_or(rest.own);
        if last != rest.own && is_recent(rest.since_ms, now_ms) {
            (rest.own, rest.seen_ms) = (last, now_ms);
            return Some((now_ms + QUIET_MS).min(rest.since_ms + STRIFE_MS));
        }
        file.rest = None;
        // Whatever this one meets now was there before: it is no new conflict.
        if file.met.iter().all(|(dot, _)| *dot != last) {
            file.met.push((last, now_ms));
        }
        None
    }

    fn is_resting(&self, id: EntryId) -> bool {
        self.files.get(&id).is_some_and(|file| file.rest.is_some())
    }
}

fn is_recent(at_ms: u64, now_ms: u64) -> bool {
    now_ms < at_ms + STRIFE_MS
}

impl FolderEngine {
    /// What the entry showed, or was to be shown as, went to the conflict store.
    pub(super) fn has_lost(&mut self, index: &dyn Index, id: EntryId) {
        let Some(own) = self.own_version(index, id) else { return };
        if self.strife.met(id, own, self.now.mono_ms) {
            reached("a file that conflicts again and again waits for quiet");
            let what = "changed in several places at once, again and again: what others write to \
                        it waits until nobody here has written it for two seconds, or a minute \
                        has passed";
            self.effects.push(Effect::Notice(path_of(index, id), what.to_string()));
        }
    }

    /// Whether the entry waits for quiet; it is taken up again then.
    pub(super) fn waits_for_quiet(&mut self, index: &dyn Index, id: EntryId) -> bool {
        if !self.strife.is_resting(id) {
            return false;
        }
        let own = self.own_version(index, id);
        let until_ms = self.strife.rests_until(id, own, self.now.mono_ms);
        if let Some(until_ms) = until_ms {
            self.pending.rest(id, until_ms);
        }
        until_ms.is_some()
    }

    /// The same, for whoever asks why it waits.
    pub(super) fn is_resting(&self, id: EntryId) -> bool {
        self.strife.is_resting(id)
    }

    /// What was last written here, if it is one of the versions that the file has.
    fn own_version(&self, index: &dyn Index, id: EntryId) -> Option<Dot> {
        let stored = index.entry(id)?;
        let dots = stored.entry.data.versions().iter().map(|version| version.value.stamp.dot);
        dots.filter(|dot| dot.incarnation == self.facts.meta.incarnation).max()
    }
}

#[cfg(test)]
mod tests;
