//! A content that no node has any more: its author settles what is shown in its place.
//!
//! After a power loss an announced version can be nowhere: its author lost it before the first
//! sync, and nobody had fetched it. When every node that ever wrote here and is still a member has
//! said so, a few times over, to the author or to others who pass it on, the author, and nobody
//! else, takes its word back (docs/decisions/0007-what-nobody-has-is-taken-back.md). What is found
//! on its disk stays.

use super::waits::path_of;
use super::{Effect, FolderEngine};
use crate::content::Digest;
use crate::dot::{Dot, NodeId};
use crate::entry::EntryId;
use crate::exchange::Outgoing;
use crate::index::Index;
use crate::limits::DENIERS_MAX;
use crate::message::Message;
use crate::observe::{self, Instead};
use std::collections::{BTreeMap, BTreeSet};

impl FolderEngine {
    /// None of the peers that were `asked` has the content, nor does this disk. Whether another
    /// takes its place now; who is not its author tells all peers, who may not be connected to all.
    pub(super) fn is_settled(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        lost: &Digest,
        asked: &[NodeId],
    ) -> bool {
        let Some(lacking) = self.lacking(index, lost, asked) else { return false };
        if self.take_back(index, id, lost, &lacking) {
            return true;
        }
        let nodes: Vec<NodeId> = lacking.into_iter().take(DENIERS_MAX).collect();
        for peer in self.peers() {
            let message = Message::Nowhere(*lost, nodes.clone());
            self.effects.push(Effect::Send(Outgoing { peer, message, inline: Vec::new() }));
        }
        false
    }

    /// The same for one more entry with this content, which has just been looked for in vain for
    /// another: that may be of an author who does the same, and waits for this one.
    pub(super) fn is_settled_too(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        lost: &Digest,
    ) -> bool {
        let Some(asked) = self.fetch.deniers(lost) else { return false };
        let lacking = self.lacking(index, lost, &asked);
        lacking.is_some_and(|lacking| self.take_back(index, id, lost, &lacking))
    }

    /// Who does not have a content that none of those who were `asked` has; `None`: it may lie
    /// here.
    fn lacking(
        &self,
        index: &dyn Index,
        lost: &Digest,
        asked: &[NodeId],
    ) -> Option<BTreeSet<NodeId>> {
        let own = self.own_node(index)?;
        // Only one of two twins can be asked, and neither knows what the other has.
        if self.facts.meta.has_twin {
            return None;
        }
        // What no look has found gone lies here, and what a look is owed for may.
        if index.seen_digest(lost).is_some() || !self.sees_all() {
            return None;
        }
        let peers = self.peers();
        // Who can be asked speaks for itself.
        let others = self.fetch.hearsay(lost).filter(|node| !peers.contains(node));
        Some(others.chain(asked.iter().copied()).chain([own]).collect())
    }

    /// A peer says that these nodes do not have a content. Of interest is who cannot be asked.
    pub(super) fn hear_of_lost(
        &mut self,
        index: &dyn Index,
        peer: NodeId,
        lost: &Digest,
        mut nodes: Vec<NodeId>,
    ) {
        let (peers, lives) = (self.peers(), index.incarnations());
        nodes.retain(|node| !peers.contains(node) && lives.iter().any(|life| life.node == *node));
        self.fetch.told(peer, lost, nodes);
    }

    /// Who was removed is not asked any more: what waited for its word is looked for anew.
    pub(super) fn take_removed(&mut self, index: &dyn Index, removed: BTreeSet<NodeId>) {
        if self.seek.removed != removed {
            self.seek.removed = removed;
            self.seek_anew(index);
        }
    }

    fn peers(&self) -> BTreeSet<NodeId> {
        self.exchange.peers().map(|(peer, _)| peer).collect()
    }

    fn own_node(&self, index: &dyn Index) -> Option<NodeId> {
        let own = self.facts.meta.incarnation;
        index.incarnations().into_iter().find(|life| life.incarnation == own).map(|life| life.node)
    }

    /// Whether this node is the author, and nobody else is left who may have it.
    fn take_back(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        lost: &Digest,
        lacking: &BTreeSet<NodeId>,
    ) -> bool {
        let lives: BTreeMap<_, _> =
            index.incarnations().into_iter().map(|life| (life.incarnation, life.node)).collect();
        let says_so = |node: &NodeId| lacking.contains(node) || self.seek.removed.contains(node);
        if !lives.values().all(says_so) {
            return false;
        }
        let Some(&own) = lives.get(&self.facts.meta.incarnation) else { return false };
        let is_own = |dot: Dot| lives.get(&dot.incarnation) == Some(&own);
        let path = path_of(index, id);
        let taken = observe::take_back(&mut self.facts, index, id, lost, &is_own);
        let Some(instead) = taken else { return false };
        let what = match instead {
            Instead::Other => "the version that it replaced or was in conflict with is shown again",
            Instead::Found => "what the disk holds is shown everywhere",
            Instead::Nothing => "it is removed",
        };
        let what = format!(
            "its content {lost} was lost before it was safe on any disk, as a rule with the power, \
             and no node has it: {what}. Look at it, and write it again if you can"
        );
        self.effects.push(Effect::Notice(path, what));
        true
    }

    /// The conflict store does not hold what the index says it does, for nobody: also not for those
    /// that were only to have it released.
    pub(super) fn not_kept(&mut self, index: &mut dyn Index, digest: &Digest) {
        for id in index.keepers(digest) {
            index.remove_kept(id, digest);
            crate::ledger::mark(&mut self.facts, index, id, &[]);
        }
    }

    /// After a power loss the conflict store may lack what the index says it holds, or hold it
    /// torn: each content is looked for and verified anew. Also what is about to be released: it
    /// may lose once more before it is.
    pub(super) fn forget_kept(&mut self, index: &mut dyn Index) {
        let mut after = None;
        loop {
            let page = index.all_keepers(after, 1024);
            let Some(last) = page.last() else { return };
            after = Some(*last);
            for id in page {
                for digest in index.kept_of(id) {
                    index.remove_kept(id, &digest);
                }
                crate::ledger::mark(&mut self.facts, index, id, &[]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
