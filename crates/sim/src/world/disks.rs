//! What goes wrong with a machine's disk as a whole: its root unmounted, things in it locked; and
//! what becomes of a folder that stopped for it. Mirrors `node::folder::root` and the daemon, which
//! opens again every few seconds what has stopped. A part of `world`.

use super::{Event, World};
use crate::bystanders::Bystanders;
use crate::disk::model::{Inode, TOP};
use crate::disk::{AtRoot, Lacks};
use crate::random::Random;
use crate::swarm::Options;
use engine::engine::Input;
use std::collections::BTreeSet;

/// How long a root that is not in place any more may go unnoticed.
const GUARD_MS: usize = 2_000;
/// How often what has stopped is opened again.
const REOPEN_MS: usize = 5_000;

impl World {
    /// Whether what stops is opened again: where nothing that stops it is ever over, a world would
    /// never come to rest.
    pub(super) fn reopens(options: &Options) -> bool {
        let Options { eio, full, descriptors, readonly, stale, denied, toolong, .. } = *options;
        eio + full + descriptors + readonly + stale + denied + toolong + options.unmounts > 0
    }

    /// What the machines of this world cannot do, and what lies beside their folders.
    pub(super) fn furnish(&mut self, node: usize) {
        let disk = self.nodes[node].disk.clone();
        disk.set_lacks(match self.options.lacks {
            1 => Lacks { exchange: true, links: true, ..Lacks::default() },
            2 => Lacks { exchange: true, noreplace: true, ..Lacks::default() },
            3 => Lacks { leases: true, ..Lacks::default() },
            _ => Lacks::default(),
        });
        if self.options.unmounts > 0 || self.options.hostile > 0 {
            let beside = disk.with(|model| Bystanders::settle(node, model));
            self.bystanders.push(beside);
        }
    }

    /// The root goes away, or comes back.
    pub fn unmount(&mut self, node: usize, chance: &mut Random) {
        if !self.nodes[node].is_claimed() {
            return;
        }
        let Some(beside) = self.bystanders.get(node) else { return };
        let disk = &self.nodes[node].disk;
        let (at_root, what) = match (disk.at_root(), chance.below(3)) {
            (AtRoot::Root, 0) => (AtRoot::Nothing, "root missing"),
            (AtRoot::Root, 1) => (AtRoot::Other(beside.hollow), "root unmounted"),
            (AtRoot::Root, _) => (AtRoot::Other(beside.foreign), "root mounted over"),
            _ => (AtRoot::Root, "root back"),
        };
        disk.set_at_root(at_root);
        self.fault(what);
        self.tell(|| format!("{node}: {what}"));
        let at_ms = self.now_ms + chance.below(GUARD_MS) as u64;
        self.post(at_ms, node, Event::Guard);
    }

    /// Something in the folder can be changed by nobody any more, or be opened by the program no
    /// more; or all can again.
    pub fn lock(&mut self, node: usize, chance: &mut Random) {
        if self.locked.iter().any(|(at, _)| *at == node) {
            return self.unlock(Some(node));
        }
        // Where two changes may have one time, nothing tells that a thing may be changed again.
        let is_timed = self.options.coarse == 0 && self.options.stops == 0;
        let root = self.roots[node];
        let picked = self.nodes[node].disk.with(|model| {
            let all = model.below(root);
            let (_, inode) = (!all.is_empty()).then(|| chance.pick(&all))?;
            if !is_timed || chance.chance(500) {
                model.set_locked(inode, true);
                return Some((inode, "locked"));
            }
            model.set_immutable(inode, true).expect("it has a name");
            Some((inode, "immutable"))
        });
        let Some((inode, what)) = picked else { return };
        self.locked.push((node, inode));
        self.has_locked = true;
        self.fault(what);
        self.tell(|| format!("{node}: {inode:x} is {what}"));
    }

    /// A power loss has taken back that something may be changed again. What it put back may be
    /// opened: it was locked later than its name was given, or is free since it was removed.
    pub(super) fn lock_again(&mut self, node: usize) {
        let root = self.roots[node];
        let known = self.locked.iter().filter(|(at, _)| *at == node);
        let known: BTreeSet<Inode> = known.map(|(_, inode)| *inode).collect();
        let again = self.nodes[node].disk.with(|model| {
            let below = |dir| model.below(dir).into_iter().map(|(_, inode)| inode);
            let (all, here): (BTreeSet<Inode>, BTreeSet<Inode>) =
                (below(TOP).collect(), below(root).collect());
            let locked = all.iter().filter(|inode| !here.contains(inode) || !known.contains(inode));
            locked.for_each(|inode| model.set_locked(*inode, false));
            let is_immutable = |inode: &Inode| model.thing(*inode).is_ok_and(|t| t.immutable);
            here.into_iter().filter(is_immutable).collect()
        });
        let again: BTreeSet<Inode> = again;
        self.locked.extend(again.difference(&known).map(|inode| (node, *inode)));
    }

    fn unlock(&mut self, only: Option<usize>) {
        for (node, inode) in std::mem::take(&mut self.locked) {
            if only.is_some_and(|only| only != node) {
                self.locked.push((node, inode));
                continue;
            }
            self.tell(|| format!("{node}: {inode:x} is free again"));
            self.nodes[node].disk.with(|model| {
                model.set_locked(inode, false);
                // It may be gone: an immutable thing cannot, but one that is only locked.
                let _ = model.set_immutable(inode, false);
            });
        }
    }

    /// Whether something may not have been looked at that no event will tell of.
    pub fn has_refused(&self) -> bool {
        self.has_locked || self.town().refused > 0
    }

    /// All disks do what they are asked for again.
    pub fn heal_disks(&mut self) {
        self.town().refusals.end();
        self.unlock(None);
        for machine in &self.nodes {
            if machine.disk.at_root() != AtRoot::Root {
                machine.disk.set_at_root(AtRoot::Root);
            }
        }
    }

    /// The folder stops; it is opened again after a while.
    pub(super) fn halt(&mut self, node: usize, why: String) {
        self.tell(|| format!("{node} halts: {why}"));
        let Some(program) = &mut self.nodes[node].program else { return };
        let is_first = program.halted.is_none();
        program.halted.get_or_insert(why);
        if is_first && self.reopens {
            let at_ms = self.now_ms + self.random.below(REOPEN_MS) as u64;
            self.post(at_ms, node, Event::Reopen);
        }
        self.inputs(node, vec![Input::Paused(true)]);
    }

    /// It could not be opened.
    pub(super) fn refused(&mut self, node: usize, why: &str) {
        self.fault("start refused");
        self.tell(|| format!("{node} does not start: {why}"));
        assert!(self.reopens, "{node} does not start: {why}");
        self.post(self.now_ms + REOPEN_MS as u64, node, Event::Reopen);
    }

    /// What has stopped is opened again.
    pub(super) fn reopen(&mut self, node: usize) {
        if self.is_running(node) {
            self.fall(node);
        }
        self.start(node);
    }

    /// The root is looked at.
    pub(super) fn guard(&mut self, node: usize) {
        let looked = self.work(node, |program, index| program.check_root(index, true));
        if let Some(Err(why)) = looked {
            self.halt(node, why);
        }
    }
}
