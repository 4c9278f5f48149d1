//! Content that nobody in reach has: when it is looked for again.
//!
//! Each time costs a question to every peer and a search of the trash, for every file that waits.
//! So the pauses grow to minutes while all is silent. Whoever says something new may have it: then
//! all is looked for again, but no more often than every few seconds, however much is said.

use super::FolderEngine;
use crate::content::Digest;
use crate::dot::NodeId;
use crate::entry::EntryId;
use crate::fetch::Fetch;
use crate::index::Index;
use crate::limits::{RETRY_MS_MAX, RETRY_MS_MIN};
use crate::pending::Wake;
use std::collections::{BTreeMap, BTreeSet};

/// So many are looked for at once when somebody says something new; the others a little later.
const AT_ONCE: usize = 64;

/// When all content that could not be had was looked for last, and whether there is news since.
#[derive(Clone, Debug, Default)]
pub(super) struct Seek {
    last_ms: u64,
    has_news: bool,
    /// Contents that have just been looked for everywhere, until when that says enough, and the
    /// longest pause of who needs them.
    over: BTreeMap<Digest, (u64, u64)>,
    /// Who is no member any more: nobody waits for their word.
    pub(super) removed: BTreeSet<NodeId>,
}

impl Seek {
    /// When all is to be looked for again.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.has_news.then_some(self.last_ms + RETRY_MS_MAX)
    }
}

impl FolderEngine {
    /// Whether the content has just been looked for everywhere, for another file that needs it: who
    /// was woken because that is over would begin again, and wake the other, and so on.
    pub(super) fn is_sought_in_vain(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        digest: &Digest,
    ) -> bool {
        let now_ms = self.now.mono_ms;
        let over = self.seek.over.get(digest).filter(|(until_ms, _)| now_ms < *until_ms);
        let Some(&(_, pause_ms_max)) = over else { return false };
        if !self.is_settled_too(index, id, digest) {
            self.pending.seek(id, *digest, now_ms, pause_ms_max);
        }
        true
    }

    /// Nobody in reach has the content that the entry needs.
    pub(super) fn seek_later(&mut self, id: EntryId, digest: Digest, pause_ms_max: u64) {
        let now_ms = self.now.mono_ms;
        self.seek.over.retain(|_, (until_ms, _)| now_ms < *until_ms);
        self.seek.over.insert(digest, (now_ms + RETRY_MS_MIN, pause_ms_max));
        self.pending.seek(id, digest, now_ms, pause_ms_max);
    }

    /// There is another peer to ask.
    pub(super) fn seek_anew(&mut self, index: &dyn Index) {
        self.seek.over.clear();
        self.pending.seek_anew(index);
    }

    /// A peer has said what it knows: it may have what nobody had.
    pub(super) fn news_of_content(&mut self, index: &dyn Index) {
        if self.pending.is_seeking() {
            self.seek.has_news = true;
            self.pending.wake_some(index, Wake::Holder, AT_ONCE);
        }
    }

    /// These have not come. They are asked for elsewhere.
    pub(super) fn not_staged(
        &mut self,
        index: &mut dyn Index,
        digests: &[Digest],
        over: fn(&mut Fetch, &Digest) -> bool,
    ) {
        for digest in digests {
            if over(&mut self.fetch, digest) {
                self.pending.wake(index, Wake::Content(*digest));
            }
        }
    }

    /// All is looked for again when that is due.
    pub(super) fn seek_all(&mut self, index: &dyn Index) {
        let now_ms = self.now.mono_ms;
        if self.seek.deadline().is_some_and(|due_ms| due_ms <= now_ms) {
            (self.seek.last_ms, self.seek.has_news) = (now_ms, false);
            self.pending.wake(index, Wake::Holder);
        }
    }

    /// A peer says that these nodes do not have a content: if that is news, it may be certain by
    /// now that it is lost.
    pub(super) fn hear_nowhere(
        &mut self,
        index: &dyn Index,
        peer: NodeId,
        lost: &Digest,
        nodes: Vec<NodeId>,
    ) {
        let before: BTreeSet<NodeId> = self.fetch.hearsay(lost).collect();
        self.hear_of_lost(index, peer, lost, nodes);
        let is_news = self.fetch.hearsay(lost).any(|node| !before.contains(&node));
        if is_news {
            self.pending.wake(index, Wake::Content(*lost));
        }
    }
}

#[cfg(test)]
mod tests;
