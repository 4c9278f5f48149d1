//! Engines on toy disks, links between them, users, and the passing of time: all from one seed.

use super::disk::{Disk, TOP};
use super::random::Random;
use super::users::{Hint, Oracle, User};
use engine::content::Digest;
use engine::dot::{Incarnation, NodeId};
use engine::engine::{Boot, FolderEngine, Input, Now, Opening, Origin, Witness};
use engine::entry::IncarnationRecord;
use engine::index::{Index, MemIndex, Meta, Phase};
use engine::message::{Message, Want};
use engine::path::RelPath;
use engine::plan::{self, Operation};
use std::collections::{BTreeMap, BTreeSet};

mod effects;
mod happen;

/// The wall clock when a world begins.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// More turns than any world of chance needs.
const TURNS_MAX: u64 = 60_000;

#[derive(Clone)]
pub struct Node {
    pub disk: Disk,
    pub index: MemIndex,
    pub engine: Option<FolderEngine>,
    /// Counts starts: what was under way at a kill reaches nobody.
    run: u32,
    lives: u8,
    boot: Boot,
    /// When each of its workers is done with what it was given.
    hands_free_ms: u64,
    eyes_free_ms: u64,
    /// What is to be looked at when they are.
    asked: BTreeSet<RelPath>,
    tick_at_ms: Option<u64>,
    /// Where the kernel told of changes that nobody has looked at yet.
    hints: BTreeSet<Hint>,
}

/// Something that a node will have to do or to hear.
#[derive(Clone)]
enum Event {
    Input(Input),
    /// Look at these, then tell.
    Look(Vec<RelPath>),
    /// Look at everything in these.
    LookInside(Vec<RelPath>),
    /// Look at what the kernel told of.
    Hints,
    Scan,
    Apply(Operation),
    Copy(Digest, Origin),
    Serve(usize, Vec<(Want, Origin)>),
    /// From a node, over the link as it was numbered then.
    Hear(usize, u64, Message),
    Bytes(usize, u64, Vec<Digest>),
    Tick,
}

/// What can be held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    Messages,
    Contents,
    /// Operations on any disk.
    Hands,
}

impl Held {
    fn holds(self, event: &Event) -> bool {
        match event {
            Event::Hear(..) => self == Held::Messages,
            Event::Bytes(..) => self == Held::Contents,
            Event::Apply(_) => self == Held::Hands,
            _ => false,
        }
    }
}

#[derive(Clone, Default)]
struct Link {
    up: bool,
    epoch: u64,
    last_ms: BTreeMap<usize, u64>,
    last_bytes_ms: BTreeMap<usize, u64>,
}

#[derive(Clone)]
pub struct World {
    pub nodes: Vec<Node>,
    links: BTreeMap<(usize, usize), Link>,
    events: BTreeMap<(u64, u64), (usize, u32, Event)>,
    sequence: u64,
    pub now_ms: u64,
    pub random: Random,
    pub oracle: Oracle,
    pub turns: u64,
    /// More turns than it needs.
    pub turns_max: u64,
    /// Index messages with entries, and contents, that were sent.
    pub frames: u64,
    pub contents: u64,
    /// A kill can leave a content in the conflict store that nobody knows of.
    pub kills: u64,
    /// Percent of operations that the machine refuses for no reason.
    pub refusals: usize,
    delay_ms: usize,
    /// Nothing is left to chance: each thing takes a millisecond, no content rides along, and each
    /// node makes one look at a time, as the daemon's do.
    pub steady: bool,
    pub story: Option<Vec<String>>,
}

pub fn node_id(node: usize) -> NodeId {
    NodeId([u8::try_from(node).unwrap() + 1; 32])
}

fn number(id: NodeId) -> usize {
    usize::from(id.0[0]) - 1
}

fn life(node: usize, life: u8) -> IncarnationRecord {
    let mut bytes = [0; 16];
    bytes[0] = u8::try_from(node).unwrap() + 1;
    bytes[1] = life;
    IncarnationRecord { incarnation: Incarnation(bytes), node: node_id(node), signature: vec![1] }
}

impl World {
    pub fn new(nodes: usize, seed: u64) -> World {
        let mut world = World {
            nodes: Vec::new(),
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            now_ms: 1,
            random: Random::new(seed),
            oracle: Oracle::default(),
            turns: 0,
            turns_max: TURNS_MAX,
            frames: 0,
            contents: 0,
            kills: 0,
            refusals: 0,
            delay_ms: 12,
            steady: false,
            story: None,
        };
        for node in 0..nodes {
            let phase = if node == 0 { Phase::Importing } else { Phase::Joining };
            let meta = Meta::new(life(node, 0).incarnation, phase, [0; 16]);
            world.nodes.push(Node {
                disk: Disk::new(EPOCH_MS),
                index: MemIndex::new(meta),
                engine: None,
                run: 0,
                lives: 0,
                boot: Boot::default(),
                hands_free_ms: 0,
                eyes_free_ms: 0,
                asked: BTreeSet::new(),
                tick_at_ms: None,
                hints: BTreeSet::new(),
            });
        }
        world
    }

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(story) = &mut self.story {
            story.push(format!("{now_ms:>6} {}", line()));
        }
    }

    fn delay(&mut self) -> u64 {
        if self.steady {
            return 1;
        }
        self.random.below(self.delay_ms) as u64
    }

    fn post(&mut self, at_ms: u64, node: usize, event: Event) {
        self.sequence += 1;
        let run = self.nodes[node].run;
        self.events.insert((at_ms, self.sequence), (node, run, event));
    }

    fn later(&mut self, node: usize, event: Event) {
        let at_ms = self.now_ms + self.delay();
        self.post(at_ms, node, event);
    }

    fn link(&mut self, a: usize, b: usize) -> &mut Link {
        self.links.entry((a.min(b), a.max(b))).or_default()
    }

    /// Starts a node, after a kill or for the first time; `reboot` gives it a new boot.
    pub fn start(&mut self, node: usize, reboot: bool) {
        let here = &mut self.nodes[node];
        here.run += 1;
        here.lives += 1;
        if reboot {
            here.boot = Boot { id: here.boot.id.map(|byte| byte + 1), at: here.disk.tick() };
        }
        let opening = Opening {
            boot: here.boot,
            fresh: life(node, here.lives),
            witness: Witness::NoPlace,
            noted: None,
            root: here.disk.present(TOP),
            empty: here.disk.things[&TOP].children.is_empty(),
        };
        here.engine = Some(FolderEngine::open(&mut here.index, opening));
        (here.hands_free_ms, here.eyes_free_ms) = (self.now_ms, self.now_ms);
        here.tick_at_ms = None;
        here.hints.clear();
        here.asked.clear();
        self.tell(|| format!("{node} starts"));
        self.turn(node);
        for other in 0..self.nodes.len() {
            if other != node && self.link(node, other).up {
                self.connect(node, other);
            }
        }
    }

    /// Ends a node at once: what was not committed is gone.
    pub fn kill(&mut self, node: usize) {
        self.tell(|| format!("{node} is killed"));
        self.kills += 1;
        self.nodes[node].engine = None;
        self.nodes[node].run += 1;
        self.nodes[node].index.crash();
        for other in 0..self.nodes.len() {
            if other != node && self.link(node, other).up {
                self.disconnect(node, other);
            }
        }
    }

    /// Ends a node in order.
    pub fn stop(&mut self, node: usize) {
        let now = self.clock();
        let here = &mut self.nodes[node];
        if let Some(engine) = &mut here.engine {
            engine.stop(now, &mut here.index);
            here.index.commit().unwrap();
        }
        self.kill(node);
    }

    /// Puts up or cuts the link between two nodes.
    pub fn set_link(&mut self, a: usize, b: usize, up: bool) {
        if self.link(a, b).up == up {
            return;
        }
        self.link(a, b).up = up;
        self.tell(|| format!("link {a}-{b} is {}", if up { "up" } else { "cut" }));
        if up {
            self.connect(a, b);
        } else {
            self.disconnect(a, b);
        }
    }

    fn connect(&mut self, a: usize, b: usize) {
        if self.nodes[a].engine.is_none() || self.nodes[b].engine.is_none() {
            return;
        }
        self.link(a, b).epoch += 1;
        self.input(a, Input::PeerUp(node_id(b)));
        self.input(b, Input::PeerUp(node_id(a)));
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        self.link(a, b).epoch += 1;
        for (here, there) in [(a, b), (b, a)] {
            if self.nodes[here].engine.is_some() {
                self.input(here, Input::PeerDown(node_id(there)));
            }
        }
    }

    fn clock(&self) -> Now {
        Now { mono_ms: self.now_ms, wall_ms: EPOCH_MS + self.now_ms }
    }

    /// Hands one input in; sometimes the turn waits for the next.
    fn input(&mut self, node: usize, input: Input) {
        self.handle(node, input);
        if self.steady || self.random.chance(80) {
            self.turn(node);
        } else {
            self.tick_at(node, self.now_ms + 1);
        }
    }

    fn handle(&mut self, node: usize, input: Input) {
        let now = self.clock();
        let here = &mut self.nodes[node];
        let engine = here.engine.as_mut().expect("only a running node hears");
        engine.handle(now, &mut here.index, input);
    }

    fn tick_at(&mut self, node: usize, at_ms: u64) {
        if self.nodes[node].tick_at_ms.is_none_or(|old| old > at_ms) {
            self.nodes[node].tick_at_ms = Some(at_ms);
            self.post(at_ms, node, Event::Tick);
        }
    }

    /// Lets the next thing happen. `false`: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some((at, what)) = self.events.pop_first() else {
            return false;
        };
        self.begin(at.0, what);
        true
    }

    fn begin(&mut self, at_ms: u64, (node, run, event): (usize, u32, Event)) {
        assert!(self.turns < self.turns_max, "it never comes to rest: {:#?}", self.undone());
        self.pass(at_ms.saturating_sub(self.now_ms));
        let alive = self.nodes[node].engine.is_some() && self.nodes[node].run == run;
        if alive {
            self.happen(node, event);
        }
    }

    /// Time passes, and nothing happens.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let wall_ms = EPOCH_MS + self.now_ms;
        self.nodes.iter_mut().for_each(|node| node.disk.now_ms = wall_ms);
    }

    /// A user does something by chance.
    pub fn user(&mut self, node: usize) {
        let here = &mut self.nodes[node];
        let (hints, what) = User::new(&mut here.disk, &mut self.oracle, &mut self.random).act();
        self.did(node, &what, hints);
    }

    /// A user has done something; the kernel tells a running node of it.
    pub fn did(&mut self, node: usize, what: &str, hints: Vec<Hint>) {
        self.tell(|| format!("{node} USER {what}"));
        if self.nodes[node].engine.is_some() && !hints.is_empty() {
            if self.nodes[node].hints.is_empty() {
                let delay =
                    if self.steady { 1 } else { self.random.below(3 * self.delay_ms) as u64 };
                let at_ms = self.now_ms + delay;
                self.post(at_ms, node, Event::Hints);
            }
            self.nodes[node].hints.extend(hints);
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.events.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= until) {
            self.step();
        }
        self.pass(until - self.now_ms);
    }

    /// Lets time pass, and holds back what is of these kinds.
    pub fn run_without(&mut self, ms: u64, held: &[Held]) {
        let until = self.now_ms + ms;
        loop {
            let due = self.events.range(..=(until, u64::MAX));
            let mut free = due.filter(|(_, (_, _, event))| !held.iter().any(|h| h.holds(event)));
            let Some((&at, _)) = free.next() else { break };
            let what = self.events.remove(&at).expect("it is to happen");
            self.begin(at.0, what);
        }
        self.pass(until - self.now_ms);
    }

    /// What each node would do next.
    fn undone(&self) -> Vec<String> {
        let mut undone = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let has = |digest: &Digest| node.disk.staged.contains(digest);
            for row in node.index.pending_after(0, 3) {
                let step = plan::decide(&node.index, row.entry, &has);
                undone.push(format!("{number}: {:?} {:.400}", row.entry, format!("{step:?}")));
            }
        }
        undone
    }

    /// Until nothing will ever happen again.
    pub fn run_to_rest(&mut self) {
        while self.step() {}
    }

    /// Which nodes are linked, whether or not they run.
    pub fn linked(&self) -> BTreeSet<(usize, usize)> {
        self.links.iter().filter(|(_, link)| link.up).map(|(&ends, _)| ends).collect()
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        (0..self.nodes.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect()
    }

    /// Whether a node is off or a link is cut.
    pub fn is_apart(&self) -> bool {
        let off = self.nodes.iter().any(|node| node.engine.is_none());
        off || self.linked().len() < self.pairs().len()
    }

    /// All nodes run, and each is linked to each.
    pub fn heal(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].engine.is_none() {
                self.start(node, false);
            }
        }
        for (a, b) in self.pairs() {
            self.set_link(a, b, true);
        }
    }

    /// Everybody looks at everything again.
    pub fn rescan(&mut self) {
        for node in 0..self.nodes.len() {
            self.input(node, Input::Rescan);
        }
    }
}
