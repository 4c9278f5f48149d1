//! A machine that is copied while it runs, so that one identity lives twice: two that know nothing
//! of each other give the same dots to operations of their own (decision 0012).
//!
//! Who else is there has a connection with one of the two at a time, as the daemon has: the newest
//! of an identity. A part of `world`.

use super::{Desk, Turns, World};
use crate::disk::AtRoot;
use crate::node::{node_id, number, Machine};
use crate::random::Random;
use disk::fs::FileKind;
use engine::dot::NodeId;
use engine::path::Name;

/// One identity, two machines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twins {
    first: usize,
    second: usize,
}

impl Twins {
    /// The other of the two.
    fn of(self, node: usize) -> Option<usize> {
        match node {
            node if node == self.first => Some(self.second),
            node if node == self.second => Some(self.first),
            _ => None,
        }
    }
}

impl World {
    /// The machine is copied with all that is on it, and both go on. Once in a world.
    pub fn twin(&mut self, first: usize, chance: &mut Random) {
        let machine = &self.nodes[first];
        let is_whole = machine.is_claimed() && machine.disk.at_root() == AtRoot::Root;
        if self.has_twins() || !is_whole || !self.is_running(first) {
            return;
        }
        let second = self.nodes.len();
        self.fault("lives twice");
        self.tell(|| format!("{first} is copied, and goes on as {second}, too"));
        self.clocks.push(self.clocks[first]);
        self.desks.push(Desk { boot: self.desks[first].boot, ..Desk::default() });
        self.turns.push(Turns::default());
        self.add_machine(second);
        let model = self.nodes[first].disk.with(|model| model.clone());
        let disk = self.nodes[second].disk.clone();
        disk.with(|copy| copy.begin_as(model));
        // Copied with its memory, or started on a machine that never ran it.
        let with_memory = chance.chance(700);
        self.nodes[second] = Machine::twin(&self.nodes[first], second, disk, with_memory);
        self.roots[second] = self.roots[first];
        let beside = self.bystanders.get(first).cloned();
        beside.into_iter().for_each(|beside| self.bystanders[second] = beside);
        let mut town = self.town();
        town.sit_like(second, first);
        self.nodes[second].disk.with(|model| town.oracle.copied(first, second, model));
        drop(town);
        // Whose operation is whose nobody can tell by its dot any more.
        self.book.close();
        self.town().announced.forget(first);
        self.twins = Some(Twins { first, second });
        self.start(second);
    }

    /// Whether one identity lives twice.
    pub fn has_twins(&self) -> bool {
        self.twins.is_some()
    }

    /// Somebody has a connection with the one or with the other of the two.
    pub fn swap_twins(&mut self, chance: &mut Random) {
        let Some(Twins { first, second }) = self.twins else { return };
        let others: Vec<_> = (0..self.nodes.len()).filter(|&n| n != first && n != second).collect();
        let (other, one) = (chance.pick(&others), chance.pick(&[first, second]));
        self.set_link(other, one, true);
    }

    /// Each of the two has a connection that stays, and does something that the other has not done:
    /// two that have given equally many dots and rest would not be found out before.
    pub fn part_twins(&mut self) {
        let Some(Twins { first, second }) = self.twins else { return };
        let other = (0..self.nodes.len()).find(|&node| node != first && node != second);
        self.set_link(other.expect("there are others"), second, true);
        for name in ["one", "more"] {
            self.run_to_rest();
            self.by_hand(second, |model, root| {
                let spot = (root, Name::new(name.as_bytes()).expect("a literal name"));
                model.make(&spot, FileKind::File, 0o644, name.as_bytes()).expect("a free name");
            });
        }
    }

    /// The link that has to go for this one: nobody is connected with both.
    pub(super) fn rival(&self, a: usize, b: usize) -> Option<(usize, usize)> {
        let twins = self.twins?;
        let rival = |node, peer| twins.of(node).map(|twin| (twin, peer));
        rival(a, b).or_else(|| rival(b, a)).filter(|&(twin, peer)| self.net.is_up(twin, peer))
    }

    /// Whether these two are one identity, which never meets itself.
    pub(super) fn are_twins(&self, a: usize, b: usize) -> bool {
        self.twins.is_some_and(|twins| twins.of(a) == Some(b))
    }

    /// Whom the others take a machine for.
    pub(super) fn id_of(&self, node: usize) -> NodeId {
        node_id(self.nodes[node].identity())
    }

    /// The machine that a program means by an id: that with which it is connected.
    pub(super) fn machine_of(&self, here: usize, id: NodeId) -> usize {
        let first = number(id);
        let second = self.twins.filter(|twins| twins.first == first).map(|twins| twins.second);
        let connected = &self.desks[here].connected;
        second.filter(|second| connected.contains_key(second)).unwrap_or(first)
    }

    /// The other machine of a peer's identity, if a program is still connected with that.
    pub(super) fn stale_twin(&self, here: usize, peer: usize) -> Option<usize> {
        let twin = self.twins?.of(peer)?;
        self.desks[here].connected.contains_key(&twin).then_some(twin)
    }
}
