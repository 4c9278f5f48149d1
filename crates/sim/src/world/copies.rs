//! Copies of machines: an index or a disk that is put back to an older one, together or alone;
//! and a machine that leaves for good. A part of `world`.

use super::World;
use crate::checkers;
use crate::disk::model::TOP;
use crate::disk::AtRoot;
use crate::node::Machine;
use crate::random::Random;
use engine::content::{Content, Digest};
use engine::index::{Index, MemIndex};
use std::collections::BTreeSet;

impl World {
    /// A copy is made of an index; or the one that there is is put back, and its program started.
    pub fn put_back(&mut self, node: usize) {
        if !self.nodes[node].has_copy() {
            self.tell(|| format!("the index of {node} is copied"));
            return self.nodes[node].copy_index();
        }
        self.kill(node);
        self.town().oracle.shaken();
        self.town().announced.forget(node);
        self.fault("index put back");
        self.tell(|| format!("the index of {node} is put back"));
        self.nodes[node].put_back();
        // It forgets what it was fetching: what only its staging has is nobody's from now on.
        let here = self.nodes[node].disk.with(|model| checkers::left_of_users(model));
        let others = self.contents_but_of(node);
        self.town().census.lost(node, &here, &others);
        self.count_members(node);
        self.start(node);
    }

    /// A copy is made of a machine; or its disk is put back to the copy, with the index or without,
    /// and its program started.
    pub fn put_back_disk(&mut self, node: usize, chance: &mut Random) {
        let machine = &self.nodes[node];
        let (root, is_there) = (self.roots[node], machine.disk.at_root() == AtRoot::Root);
        let is_empty =
            machine.disk.with(|model| model.dir(root).is_ok_and(|dir| dir.children.is_empty()));
        if !machine.is_claimed() || !is_there {
            return;
        }
        let Some(synced) = machine.copied_at() else {
            // A folder whose root is empty stops, and nobody would mend that before the end.
            if !is_empty {
                self.tell(|| format!("{node} is copied"));
                self.nodes[node].copy();
            }
            return;
        };
        let with_index = chance.chance(300);
        // Long enough for what was done since to be synced, mostly.
        self.run_for(chance.pick(&[10, 2_500, 6_000]));
        let machine = &self.nodes[node];
        // What was not synced yet when the older copy came nobody can tell from what users did.
        if !with_index && machine.index.meta().synced < synced + 2 {
            return;
        }
        let reboots = chance.chance(500);
        self.kill(node);
        self.fault(if with_index { "machine put back" } else { "disk put back" });
        self.tell(|| format!("{node} is put back, index: {with_index}, reboots: {reboots}"));
        let unseen = self.nodes[node].unseen_in_copy();
        self.nodes[node].put_copy_back(with_index);
        self.count_members(node);
        // What somebody was writing when the copy was made is all that there is of it now.
        let there = self.nodes[node].disk.with(|model| checkers::shown(model));
        self.town().oracle.came_back(there);
        if reboots {
            self.reboot(node);
        }
        let here = self.nodes[node].disk.with(|model| {
            self.town().announced.forget(node);
            self.town().oracle.lost_power(node, model);
            checkers::left_of_users(model)
        });
        let others = self.shown_or_kept_but_by(node);
        self.town().lose_power(node, &here, &others);
        // It is taken for a part of the copy (docs/decisions/0017): its bytes are in the trash.
        if !with_index && self.options.misses + self.options.lags > 0 {
            unseen.difference(&others).for_each(|one| self.town().census.let_go_of(*one));
        }
        self.run_for(10);
        self.start(node);
    }

    /// The last machine goes, with all that only it knows of, and never comes back.
    pub fn leave(&mut self) {
        let node = self.nodes.len() - 1;
        let has_all = |machine: &Machine| {
            machine.program.is_some() && machine.index.pending_after(0, 1).is_empty()
        };
        // What it alone has, and others were told of, they would wait for for ever.
        if self.gone.is_some() || !self.nodes[..node].iter().all(has_all) {
            return;
        }
        // What only its author may take back, and nobody has, is waited for without it
        // (docs/decisions/0007).
        let others = self.shown_or_kept_but_by(node);
        let is_held = |machine: &Machine| told_of(&machine.index).all(|it| others.contains(&it));
        if !self.nodes.iter().all(is_held) {
            return;
        }
        self.fault("left for good");
        self.tell(|| format!("{node} leaves for good"));
        (0..node).for_each(|other| self.set_link(other, node, false));
        self.kill(node);
        self.gone = Some(node);
        self.town().lose_power(node, &BTreeSet::new(), &others);
    }

    /// What the others have in their trees and conflict stores. For what is on its way, or in a
    /// trash, or on a machine that has left, nobody answers.
    pub(super) fn shown_or_kept_but_by(&self, node: usize) -> BTreeSet<Digest> {
        let is_out = |other: usize| other == node || self.gone == Some(other);
        let others = self.nodes.iter().enumerate().filter(|(other, _)| !is_out(*other));
        others.flat_map(|(_, machine)| machine.disk.with(|m| checkers::shown_or_kept(m))).collect()
    }

    /// What lies on the disks of the others, but for what users there are half through writing.
    pub(super) fn contents_but_of(&self, node: usize) -> BTreeSet<Digest> {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node);
        let whole = |(other, machine): (usize, &Machine)| {
            let halves = self.town().half_written(other);
            machine.disk.with(|model| checkers::contents_but(model, TOP, &halves))
        };
        others.flat_map(whole).collect()
    }
}

/// The contents that an index tells of, but for the empty one, which nobody waits for.
fn told_of(index: &MemIndex) -> impl Iterator<Item = Digest> + '_ {
    let versions = index.entries().flat_map(|stored| stored.entry.data.versions());
    versions.filter_map(|version| match version.value.content {
        Content::File(digest, size) if size > 0 => Some(digest),
        _ => None,
    })
}
