//! Content that nobody in reach has: when it is looked for again.
//!
//! Each time costs a question to every peer and a search of the trash, for every file that waits.
//! So the pauses grow to minutes while all is silent. Whoever says something new may have it: then
//! all is looked for again, but no more often than every few seconds, however much is said.

use super::FolderEngine;
use crate::content::Digest;
use crate::dot::NodeId;
use crate::fetch::Fetch;
use crate::index::Index;
use crate::limits::RETRY_MS_MAX;
use crate::pending::Wake;
use std::collections::BTreeSet;

/// So many are looked for at once when somebody says something new; the others a little later.
const AT_ONCE: usize = 64;

/// When all content that could not be had was looked for last, and whether there is news since.
#[derive(Clone, Debug, Default)]
pub(super) struct Seek {
    last_ms: u64,
    has_news: bool,
}

impl Seek {
    /// When all is to be looked for again.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.has_news.then_some(self.last_ms + RETRY_MS_MAX)
    }
}

impl FolderEngine {
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
            self.seek = Seek { last_ms: now_ms, has_news: false };
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
