//! Exchange by frames alone: pushes of single entries, and walks that may be cut anywhere.
//!
//! A frame is one entry with complete registers and the context its sender had for it. The receiver
//! claims exactly the dots it got; the end of a walk claims the knowledge of the walk's start.

use super::state::{join_entry, Entry, Id, Known, Seen};
use super::world::{Mutant, World};

/// One entry on its way.
pub struct Frame {
    from: usize,
    to: usize,
    id: Id,
    entry: Entry,
    context: Known,
}

/// One DELTA: what the sender still has to send, and what the end of it may claim.
pub struct Walk {
    from: usize,
    to: usize,
    start: Known,
    rest: Vec<Id>,
}

/// Everything between the nodes.
#[derive(Default)]
pub struct Wire {
    flight: Vec<Frame>,
    walks: Vec<Walk>,
}

impl Wire {
    /// Connections of `node` break: what was under way is gone.
    pub fn disconnect(&mut self, node: usize) {
        self.flight.retain(|f| f.from != node && f.to != node);
        self.walks.retain(|w| w.from != node && w.to != node);
    }
}

impl World {
    /// One step of a world whose nodes exchange frames only.
    pub fn step_with_frames(&mut self) {
        match self.random.below(100) {
            0..40 => {
                let (at, changed) = self.user();
                self.push(at, &changed);
            }
            40..65 => self.deliver(),
            65..70 if !self.wire.flight.is_empty() => {
                let at = self.random.below(self.wire.flight.len());
                self.wire.flight.remove(at);
            }
            70..93 => self.walk(),
            93..96 if self.options.rollback => self.snapshot_or_restore(),
            96..98 => {
                let at = self.random.below(self.nodes.len());
                self.crash(at);
            }
            98..100 if self.is(Mutant::AgedTombstones) => self.collect_tombstones(),
            _ => {}
        }
    }

    /// Sends what `from` changed to all others, most of the time.
    pub fn push(&mut self, from: usize, changed: &[Id]) {
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for id in changed {
                if self.random.chance(70) {
                    let frame = self.frame(from, to, *id, None);
                    self.wire.flight.push(frame);
                }
            }
        }
    }

    fn frame(&self, from: usize, to: usize, id: Id, start: Option<&Known>) -> Frame {
        let node = &self.nodes[from];
        let entry = &node.state[&id];
        let old = start.filter(|_| self.is(Mutant::ContextOfWalkStart));
        let mut context = old.unwrap_or(&node.known).clone();
        if let Some(own) = entry.context.as_ref().filter(|_| !self.is(Mutant::ContextNotForwarded))
        {
            context.merge(own);
        }
        Frame { from, to, id, entry: entry.registers(), context }
    }

    /// One frame under way arrives.
    pub fn deliver(&mut self) {
        if self.wire.flight.is_empty() {
            return;
        }
        let mut at = self.random.below(self.wire.flight.len());
        if self.options.ordered {
            let (from, to) = (self.wire.flight[at].from, self.wire.flight[at].to);
            let same = |f: &Frame| (f.from, f.to) == (from, to);
            at = self.wire.flight.iter().position(same).unwrap();
        }
        let frame = self.wire.flight.remove(at);
        self.receive(frame);
    }

    fn receive(&mut self, frame: Frame) {
        let clock = self.nodes[frame.from].clock;
        let none = self.is(Mutant::NoContexts);
        let node = &mut self.nodes[frame.to];
        let blank = Entry::blank(frame.entry.directory);
        let mine = node.state.get(&frame.id).unwrap_or(&blank);
        let my = Seen(&node.known, mine.context.as_ref());
        let mut joined = join_entry((mine, my), (&frame.entry, Seen(&frame.context, None)));
        self.broken |= joined.location.is_empty() && !joined.content.is_empty();
        frame.entry.dots().into_iter().for_each(|d| node.known.insert(d));
        joined.widen(Some(&frame.context).filter(|_| !none));
        joined.close_context(&node.known);
        node.clock = node.clock.max(clock);
        match joined.is_empty() {
            false => drop(node.state.insert(frame.id, joined)),
            true => drop(node.state.remove(&frame.id)),
        }
    }

    fn start_walk(&self, from: usize, to: usize) -> Walk {
        let known = &self.nodes[to].known;
        let news = |e: &Entry| e.dots().iter().any(|d| !known.contains(*d));
        let state = &self.nodes[from].state;
        let rest = state.iter().filter(|(_, e)| news(e)).map(|(id, _)| *id).collect();
        Walk { from, to, start: self.nodes[from].known.clone(), rest }
    }

    /// Starts a walk, or takes one under way a step further, or cuts it.
    pub fn walk(&mut self) {
        if self.wire.walks.is_empty() || self.random.chance(20) {
            let mut both: Vec<usize> = (0..self.nodes.len()).collect();
            self.random.shuffle(&mut both);
            let mut walk = self.start_walk(both[0], both[1]);
            self.random.shuffle(&mut walk.rest);
            self.wire.walks.push(walk);
            return;
        }
        let at = self.random.below(self.wire.walks.len());
        if self.random.chance(10) {
            self.wire.walks.remove(at);
            return;
        }
        let mut walk = self.wire.walks.swap_remove(at);
        for _ in 0..1 + self.random.below(3) {
            let Some(id) = walk.rest.pop() else {
                self.end_walk(walk);
                return;
            };
            if self.nodes[walk.from].state.contains_key(&id) {
                let frame = self.frame(walk.from, walk.to, id, Some(&walk.start));
                self.receive(frame);
            }
        }
        self.wire.walks.push(walk);
    }

    fn end_walk(&mut self, walk: Walk) {
        let claim = match self.is(Mutant::ClaimAtWalkEnd) {
            true => self.nodes[walk.from].known.clone(),
            false => walk.start,
        };
        let node = &mut self.nodes[walk.to];
        node.known.merge(&claim);
        let known = &node.known;
        node.state.values_mut().for_each(|e| e.close_context(known));
    }

    /// A whole uncut walk: what settling is made of.
    pub fn walk_to_the_end(&mut self, to: usize, from: usize) {
        self.wire = Wire::default();
        self.walk_uncut(to, from);
    }

    /// A whole walk while other things are under way.
    pub fn walk_uncut(&mut self, to: usize, from: usize) {
        let mut walk = self.start_walk(from, to);
        for id in std::mem::take(&mut walk.rest) {
            let frame = self.frame(from, to, id, Some(&walk.start));
            self.receive(frame);
        }
        self.end_walk(walk);
    }

    fn crash(&mut self, at: usize) {
        self.wire.disconnect(at);
        if self.is(Mutant::ContextLostInCrash) {
            self.nodes[at].state.values_mut().for_each(|e| e.context = None);
        }
    }
}
