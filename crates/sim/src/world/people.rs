//! Who works by hand in a folder; and operators: they change what becomes of conflicts in it, and
//! say of losers that they are kept or dropped. Mirrors the daemon's commands. Used by `world` and
//! `scenario`.

use super::World;
use crate::disk::model::{Inode, Model};
use crate::node::node_id;
use crate::random::Random;
use engine::content::{Content, Digest};
use engine::dot::NodeId;
use engine::engine::Input;
use engine::entry::EntryId;
use engine::index::Index;
use engine::ledger::Ways;
use engine::observe::{is_free, Verdict};
use engine::path::{Name, RelPath};
use engine::view;
use std::collections::BTreeSet;

/// What the cluster has been told about conflicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// Losers become files beside the winners.
    pub beside: bool,
    /// Whose writes win.
    pub prefer: Option<usize>,
}

/// A loser as a node lists it.
struct Loser {
    entry: EntryId,
    content: Content,
    is_kept: bool,
}

impl World {
    /// The folder's root on the disk of this node.
    pub fn root(&self, node: usize) -> Inode {
        self.roots[node]
    }

    /// Somebody works by hand in the folder's root on the disk of this node, and the kernel tells.
    pub fn by_hand<T>(&mut self, node: usize, work: impl FnOnce(&mut Model, Inode) -> T) -> T {
        let root = self.roots[node];
        let disk = self.nodes[node].disk.clone();
        let done = disk.with(|model| work(model, root));
        self.audit(node);
        self.town().touches += 4 + disk.with(|model| model.told.len() as u64);
        self.hear_kernel_later(node);
        done
    }

    /// What the folder's policy asks of a node.
    pub(super) fn ways(&self, node: usize) -> Input {
        let Policy { beside, prefer } = self.policy;
        Input::Ways(Ways { beside, preferred: prefer == Some(node) })
    }

    /// Operators remove from the cluster who has left for good: nobody waits for it any more.
    pub fn remove_gone(&mut self) {
        let Some(gone) = self.gone else { return };
        let removed: BTreeSet<NodeId> = [node_id(gone)].into();
        for node in 0..self.nodes.len() {
            if self.is_running(node) {
                self.inputs(node, vec![Input::Removed(removed.clone())]);
            }
        }
    }

    /// Another policy, of which some nodes hear at once, and the others when all is healed.
    pub fn set_policy(&mut self, policy: Policy, chance: &mut Random) {
        self.policy = policy;
        self.tell(|| format!("the policy is {policy:?}"));
        for node in 0..self.nodes.len() {
            if chance.chance(700) {
                self.hear_policy(node);
            }
        }
    }

    /// A node hears of the policy, if its program runs.
    pub fn hear_policy(&mut self, node: usize) {
        if self.is_running(node) {
            let ways = self.ways(node);
            self.inputs(node, vec![ways]);
        }
    }

    /// Somebody at a node says what becomes of one loser.
    pub fn decide(&mut self, node: usize, chance: &mut Random) {
        let ready = self.nodes[node].program.as_ref().is_some_and(|p| p.engine.takes_verdicts());
        let losers = if ready { self.losers(node) } else { Vec::new() };
        if losers.is_empty() {
            return;
        }
        let Loser { entry, content, is_kept } = &losers[chance.below(losers.len())];
        let (entry, content, index) = (*entry, content.clone(), &self.nodes[node].index);
        let name = [&b"a"[..], b"b", b"kept", b"kept.x"][chance.below(4)];
        let path = RelPath::root().join(Name::new(name).expect("a literal name"));
        let here = index.seen_of(entry).and_then(|row| row.content);
        let (verdict, gone) = match chance.below(3) {
            0 => (Verdict::Drop(entry, content.clone()), Some(content)),
            1 if *is_kept => (Verdict::Keep(entry, content), here),
            _ if *is_kept && is_free(index, &path) => {
                (Verdict::KeepAs(Some(entry), content, path), None)
            }
            _ => return,
        };
        if let Some(Content::File(digest, _)) = gone {
            self.let_go(digest);
        }
        self.fault("a loser was decided");
        self.tell(|| format!("{node} OPERATOR {verdict:?}"));
        self.town().touches += 4;
        self.inputs(node, vec![Input::Verdict(verdict)]);
    }

    fn let_go(&self, digest: Digest) {
        self.town().census.let_go_of(digest);
    }

    fn losers(&self, node: usize) -> Vec<Loser> {
        let index = &self.nodes[node].index;
        let mut all = Vec::new();
        for entry in index.conflicts(None, 100) {
            let Some(stored) = index.entry(entry) else { continue };
            for lost in view::losers(index, &stored.entry) {
                let is_kept = match &lost.content {
                    Content::File(digest, _) => index.is_kept(digest),
                    Content::Link(_) => true,
                };
                all.push(Loser { entry, content: lost.content.clone(), is_kept });
            }
        }
        all
    }
}
