//! A world of nodes under one seed: what happens when, and whether anything was lost at the end.

use super::frames::Wire;
use super::random::Random;
use super::state::{Dot, Node, Token};
use super::tree::{paths, view, Mode};
use std::collections::{BTreeMap, BTreeSet};

/// How nodes exchange state while the world runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Whole states, joined at once.
    Whole,
    /// Whole states and random parts of them, mixed; whole ones to settle.
    Parts,
    /// Frames only: pushes of single entries and walks that are cut; also to settle.
    Frames,
}

/// The known-bad variants. `None` is the specification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    None,
    /// A restored node goes on counting where the snapshot stood.
    ReuseIncarnation,
    /// Part of a state received claims the whole prefix of each origin in it.
    ClaimPrefix,
    /// Entries that share an unknown dot may travel in different frames.
    SplitFrames,
    /// An edit does not write its location again.
    EditKeepsLocation,
    /// Tombstones are dropped by age, not when every member knows them.
    AgedTombstones,
    /// Frames are joined with the receiver's knowledge alone.
    NoContexts,
    /// A node passes an entry on with its own knowledge only, without the entry's context.
    ContextNotForwarded,
    /// A walk's frames carry the knowledge of its start though the registers are newer.
    ContextOfWalkStart,
    /// Contexts are lost when a node crashes.
    ContextLostInCrash,
    /// The end of a walk claims what the sender knows by then.
    ClaimAtWalkEnd,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub mode: Mode,
    pub transport: Transport,
    pub mutant: Mutant,
    /// Tombstones are collected and members expire and return.
    pub collect: bool,
    /// Nodes are restored from snapshots.
    pub rollback: bool,
    /// Frames of one pair of nodes arrive in the order they were sent.
    pub ordered: bool,
}

/// One write or delete, with everything its author had seen.
pub struct Operation {
    pub token: Option<Token>,
    pub superseded: BTreeSet<Token>,
    pub dot: Dot,
}

/// What the checks found at the end of one world.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outcome {
    /// Versions that nothing superseded and that are nowhere.
    pub lost: usize,
    /// Trees or conflict stores that differ between nodes: 0 or 1.
    pub diverged: usize,
    /// Superseded or deleted versions that the tree shows.
    pub stale: usize,
    /// Superseded or deleted versions that are in the conflict store.
    pub invented: usize,
    /// A rule of the model itself was broken: 0 or 1.
    pub broken: usize,
    /// Versions that must be there.
    pub maximal: usize,
    /// Contexts left when everything has settled.
    pub contexts: usize,
}

impl Outcome {
    pub fn add(&mut self, other: Outcome) {
        self.lost += other.lost;
        self.diverged += other.diverged;
        self.stale += other.stale;
        self.invented += other.invented;
        self.broken += other.broken;
        self.maximal += other.maximal;
        self.contexts += other.contexts;
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lost + self.diverged + self.stale + self.invented + self.broken == 0
    }
}

/// All nodes, and the oracle that knows what every user saw.
pub struct World {
    pub options: Options,
    pub random: Random,
    pub nodes: Vec<Node>,
    pub active: BTreeSet<usize>,
    pub snapshots: BTreeMap<usize, Node>,
    pub tokens: Token,
    pub operations: Vec<Operation>,
    /// What each version's author could see, transitively.
    pub past: BTreeMap<Token, BTreeSet<Token>>,
    /// What each delete removed.
    pub deleted: BTreeMap<Dot, BTreeSet<Token>>,
    pub wire: Wire,
    pub broken: bool,
}

impl World {
    pub fn new(seed: u64, options: Options) -> Self {
        let mut random = Random::new(seed);
        let count = 2 + random.below(4);
        let node = |n| Node { node: n as u8, ..Node::default() };
        World {
            options,
            random,
            nodes: (0..count).map(node).collect(),
            active: (0..count).collect(),
            snapshots: BTreeMap::new(),
            tokens: 0,
            operations: Vec::new(),
            past: BTreeMap::new(),
            deleted: BTreeMap::new(),
            wire: Wire::default(),
            broken: false,
        }
    }

    pub fn is(&self, mutant: Mutant) -> bool {
        self.options.mutant == mutant
    }

    /// Runs `seed` to its end.
    pub fn outcome(seed: u64, options: Options) -> Outcome {
        let mut world = World::new(seed, options);
        let steps = world.random.pick(&[20, 60, 150]);
        for _ in 0..steps {
            match options.transport {
                Transport::Frames => world.step_with_frames(),
                _ => world.step(),
            }
        }
        world.settle();
        world.check()
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..55 => drop(self.user()),
            55..90 => {
                let mut active: Vec<usize> = self.active.iter().copied().collect();
                self.random.shuffle(&mut active);
                if let [to, from, ..] = active[..] {
                    match self.options.transport == Transport::Parts && !self.random.chance(30) {
                        true => self.join_part(to, from),
                        false => self.join_whole(to, from),
                    }
                }
            }
            90..94 if self.options.collect => self.collect_tombstones(),
            94..96 if self.options.collect => {
                if self.active.len() > 2 && self.random.chance(50) {
                    let active: Vec<usize> = self.active.iter().copied().collect();
                    let gone = self.random.pick(&active);
                    self.active.remove(&gone);
                } else {
                    self.active = (0..self.nodes.len()).collect();
                }
            }
            96..98 if self.options.rollback => self.snapshot_or_restore(),
            _ => {}
        }
    }

    /// Takes a snapshot of a node, or brings one back: a new life then, or the mutant's old one.
    pub fn snapshot_or_restore(&mut self) {
        let at = self.random.below(self.nodes.len());
        let half = self.random.chance(50);
        match self.snapshots.get(&at).filter(|_| !half).cloned() {
            None => drop(self.snapshots.insert(at, self.nodes[at].clone())),
            Some(old) => {
                let life = self.nodes[at].life;
                self.nodes[at] = old;
                if !self.is(Mutant::ReuseIncarnation) {
                    self.nodes[at].life = life + 1;
                    self.nodes[at].counter = 0;
                }
                self.wire.disconnect(at);
                let nodes = &self.nodes;
                self.operations.retain(|o| nodes.iter().any(|n| n.known.contains(o.dot)));
            }
        }
    }

    fn settle(&mut self) {
        self.active = (0..self.nodes.len()).collect();
        let count = self.nodes.len();
        for _ in 0..12 {
            for to in 0..count {
                for from in (0..count).filter(|from| *from != to) {
                    match self.options.transport {
                        Transport::Frames => self.walk_to_the_end(to, from),
                        _ => self.join_whole(to, from),
                    }
                }
            }
            if self.nodes.iter().all(|n| n.known == self.nodes[0].known) {
                return;
            }
        }
        self.broken = true;
    }

    fn check(&self) -> Outcome {
        let mode = self.options.mode;
        let trees: Vec<_> = self.nodes.iter().map(|n| paths(&view(&n.state, mode))).collect();
        let stores: Vec<_> = self.nodes.iter().map(stored).collect();
        let (Some(Some(tree)), Some(store)) = (trees.first(), stores.first()) else {
            return Outcome { broken: 1, ..Outcome::default() };
        };
        let same = trees.iter().all(|t| t.as_ref() == Some(tree))
            && (mode == Mode::Beside || stores.iter().all(|s| s == store));
        let superseded: BTreeSet<Token> =
            self.operations.iter().flat_map(|o| o.superseded.iter().copied()).collect();
        let written = self.operations.iter().filter_map(|o| o.token);
        let maximal: BTreeSet<Token> = written.filter(|t| !superseded.contains(t)).collect();
        let shown: BTreeSet<Token> = tree.values().filter_map(|t| *t).collect();
        let store: BTreeSet<Token> = store.iter().copied().collect();
        let kept = if mode == Mode::Store { &store } else { &shown };
        let stale = shown.difference(&maximal).count();
        Outcome {
            lost: maximal.difference(kept).count(),
            diverged: usize::from(!same),
            // Beside the winner a stale copy is possible and harmless (the reaper's case).
            stale: if mode == Mode::Store { stale } else { 0 },
            invented: if mode == Mode::Store { store.difference(&maximal).count() } else { 0 },
            broken: usize::from(self.broken),
            maximal: maximal.len(),
            contexts: self.contexts(),
        }
    }

    fn contexts(&self) -> usize {
        let all = self.nodes.iter().flat_map(|n| n.state.values());
        all.filter(|e| e.context.is_some()).count()
    }
}

fn stored(node: &Node) -> Vec<Token> {
    let all = node.state.values().flat_map(|e| e.content.values());
    let mut tokens: Vec<Token> = all.map(|c| c.token).collect();
    tokens.sort_unstable();
    tokens
}
