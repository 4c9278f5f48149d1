//! A content that no node has any more: its author settles what is shown in its place.
//!
//! After a power loss an announced version can be nowhere: its author lost it before the first
//! sync, and nobody had fetched it. When every node that ever wrote here is connected and has said
//! so, a few times over, the author, and nobody else, takes its word back
//! (docs/decisions/0007-what-nobody-has-is-taken-back.md). What is found on its disk stays.

use super::waits::path_of;
use super::{Effect, FolderEngine};
use crate::content::Digest;
use crate::dot::{Dot, NodeId};
use crate::entry::EntryId;
use crate::index::Index;
use crate::observe::{self, Instead};
use std::collections::BTreeMap;

impl FolderEngine {
    /// Nobody of `asked` has the content, nor does this disk. Whether another takes its place now.
    pub(super) fn take_back(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        lost: &Digest,
        asked: &[NodeId],
    ) -> bool {
        let lives: BTreeMap<_, _> =
            index.incarnations().into_iter().map(|life| (life.incarnation, life.node)).collect();
        let Some(&own) = lives.get(&self.facts.meta.incarnation) else { return false };
        if lives.values().any(|node| *node != own && !asked.contains(node)) {
            return false;
        }
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
            "its content {lost} was lost with the power, before it was safe on any disk, and no \
             node has it: {what}. Look at it, and write it again if you can"
        );
        self.effects.push(Effect::Notice(path, what));
        true
    }

    /// After a power loss the conflict store may lack what the index says it holds, or hold it
    /// torn: each content is looked for and verified anew.
    pub(super) fn forget_kept(&mut self, index: &mut dyn Index) {
        let mut after = None;
        loop {
            let page = index.conflicts(after, 1024);
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
