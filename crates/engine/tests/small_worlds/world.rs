//! Engines on toy disks, links between them, users, and the passing of time: all from one seed.

use super::disk::{handle, Disk, TOP};
use super::hands;
use super::random::Random;
use super::users::{Hint, Oracle, User};
use engine::content::Digest;
use engine::dot::{Incarnation, NodeId};
use engine::engine::{Boot, Effect, FolderEngine, Input, Now, Opening, Origin, Witness};
use engine::entry::IncarnationRecord;
use engine::exchange::Outgoing;
use engine::index::{Index, MemIndex, Meta, Phase, Stored};
use engine::message::{Message, Want};
use engine::observe::{Batch, Found, Source};
use engine::path::RelPath;
use engine::plan::{self, Act, Expected, Operation, Outcome, Step};
use std::collections::{BTreeMap, BTreeSet};

/// The wall clock when a world begins.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// More turns than any world needs.
const TURNS_MAX: u64 = 60_000;

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
    tick_at_ms: Option<u64>,
    /// Where the kernel told of changes that nobody has looked at yet.
    hints: BTreeSet<Hint>,
}

/// Something that a node will have to do or to hear.
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

#[derive(Default)]
struct Link {
    up: bool,
    epoch: u64,
    last_ms: BTreeMap<usize, u64>,
    last_bytes_ms: BTreeMap<usize, u64>,
}

pub struct World {
    pub nodes: Vec<Node>,
    links: BTreeMap<(usize, usize), Link>,
    events: BTreeMap<(u64, u64), (usize, u32, Event)>,
    sequence: u64,
    pub now_ms: u64,
    pub random: Random,
    pub oracle: Oracle,
    turns: u64,
    /// Index messages with entries, and contents, that were sent.
    pub frames: u64,
    pub contents: u64,
    /// A kill can leave a content in the conflict store that nobody knows of.
    pub kills: u64,
    /// Percent of operations that the machine refuses for no reason.
    pub refusals: usize,
    delay_ms: usize,
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
            frames: 0,
            contents: 0,
            kills: 0,
            refusals: 0,
            delay_ms: 12,
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
        let now = self.clock();
        let here = &mut self.nodes[node];
        let engine = here.engine.as_mut().expect("only a running node hears");
        engine.handle(now, &mut here.index, input);
        if self.random.chance(80) {
            self.turn(node);
        } else {
            self.tick_at(node, self.now_ms + 1);
        }
    }

    fn tick_at(&mut self, node: usize, at_ms: u64) {
        if self.nodes[node].tick_at_ms.is_none_or(|old| old > at_ms) {
            self.nodes[node].tick_at_ms = Some(at_ms);
            self.post(at_ms, node, Event::Tick);
        }
    }

    fn turn(&mut self, node: usize) {
        self.turns += 1;
        let now = self.clock();
        let here = &mut self.nodes[node];
        let engine = here.engine.as_mut().expect("only a running node turns");
        engine.turn(now, &mut here.index);
        here.index.commit().unwrap();
        let effects = engine.take_effects();
        let deadline = engine.deadline();
        for effect in effects {
            self.effect(node, effect);
        }
        if let Some(at_ms) = deadline {
            self.tick_at(node, at_ms.max(self.now_ms));
        }
    }

    fn effect(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send(outgoing) => self.send(node, outgoing),
            Effect::Serve(peer, wants) => self.later(node, Event::Serve(number(peer), wants)),
            Effect::Copy(digest, _, origin) => self.later(node, Event::Copy(digest, origin)),
            Effect::Unstage(contents) => {
                let staged = &mut self.nodes[node].disk.staged;
                staged.retain(|digest| !contents.contains(digest));
            }
            Effect::Apply(operations) => {
                for operation in operations {
                    let free = self.nodes[node].hands_free_ms.max(self.now_ms);
                    let at_ms = free + self.random.below(3) as u64;
                    self.nodes[node].hands_free_ms = at_ms;
                    self.post(at_ms, node, Event::Apply(operation));
                }
            }
            Effect::Observe(paths) => {
                self.tell(|| format!("{node} will look at {paths:?}"));
                self.later(node, Event::Look(paths));
            }
            Effect::ObserveTrees(paths) => {
                self.tell(|| format!("{node} will look inside {paths:?}"));
                self.later(node, Event::LookInside(paths));
            }
            Effect::Scan => self.later(node, Event::Scan),
            Effect::Sync(epoch) => self.later(node, Event::Input(Input::Synced(epoch))),
            Effect::Refuse(peer, why) => panic!("{node} refuses {}: {why}", number(peer)),
            Effect::NewLife
            | Effect::Restart(_)
            | Effect::PutBack
            | Effect::TreePutBack
            | Effect::Twin => {
                panic!("{node} takes its index for an old one")
            }
            Effect::Happened(_) => {}
            Effect::Nameless(what) => self.tell(|| format!("{node}: {what}")),
            Effect::Notice(path, what) => self.tell(|| format!("{node} /{path}: {what}")),
        }
    }

    fn send(&mut self, from: usize, outgoing: Outgoing) {
        let to = number(outgoing.peer);
        if !self.link(from, to).up {
            return;
        }
        let delay = self.delay();
        let now_ms = self.now_ms;
        self.frames += u64::from(matches!(outgoing.message, Message::Frame(_)));
        let link = self.link(from, to);
        let epoch = link.epoch;
        let last = link.last_ms.entry(from).or_default();
        *last = (*last).max(now_ms + delay);
        let at_ms = *last;
        let disk = &self.nodes[from].disk;
        let held = |digest: &&Digest| disk.shown().contains(digest) || disk.staged.contains(digest);
        let inline: Vec<Digest> = outgoing.inline.iter().filter(held).copied().collect();
        if !inline.is_empty() && self.random.chance(70) {
            self.post(at_ms, to, Event::Bytes(from, epoch, inline));
        }
        self.post(at_ms, to, Event::Hear(from, epoch, outgoing.message));
    }

    fn send_bytes(&mut self, from: usize, to: usize, digests: Vec<Digest>) {
        if !self.link(from, to).up {
            return;
        }
        let delay = self.delay();
        let now_ms = self.now_ms;
        let link = self.link(from, to);
        let epoch = link.epoch;
        let last = link.last_bytes_ms.entry(from).or_default();
        *last = (*last).max(now_ms + delay);
        let at_ms = *last;
        self.contents += digests.len() as u64;
        self.post(at_ms, to, Event::Bytes(from, epoch, digests));
    }

    /// Lets the next thing happen. `false`: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(((at_ms, _), (node, run, event))) = self.events.pop_first() else {
            return false;
        };
        assert!(self.turns < TURNS_MAX, "it never comes to rest: {:#?}", self.undone());
        self.now_ms = self.now_ms.max(at_ms);
        let wall_ms = EPOCH_MS + self.now_ms;
        self.nodes.iter_mut().for_each(|node| node.disk.now_ms = wall_ms);
        let alive = self.nodes[node].engine.is_some() && self.nodes[node].run == run;
        if alive {
            self.happen(node, event);
        }
        true
    }

    fn happen(&mut self, node: usize, event: Event) {
        match event {
            Event::Input(input) => {
                self.tell_seen(node, &input);
                self.input(node, input);
            }
            Event::Look(paths) => self.look(node, &paths),
            Event::LookInside(paths) => {
                let here = &self.nodes[node];
                let paths = hands::inside(&here.disk, &here.index, &paths);
                self.look(node, &paths);
            }
            Event::Hints => {
                let paths = self.hinted(node);
                self.look(node, &paths);
            }
            Event::Scan => {
                let here = &self.nodes[node];
                let looks = hands::everything(&here.disk, &here.index);
                self.observed(node, looks, Source::Scan);
                let at_ms = self.now_ms + self.delay_ms as u64;
                self.post(at_ms, node, Event::Input(Input::Scanned(true)));
            }
            Event::Apply(operation) => self.apply(node, operation),
            Event::Copy(digest, origin) => {
                let came = self.read(node, &digest, &origin);
                if came {
                    self.nodes[node].disk.staged.insert(digest);
                }
                let digests = vec![digest];
                let input = if came { Input::Staged(digests) } else { Input::NotStaged(digests) };
                self.later(node, Event::Input(input));
            }
            Event::Serve(peer, wants) => {
                let (mut found, mut gone) = (Vec::new(), Vec::new());
                for (want, origin) in wants {
                    let there = self.read(node, &want.digest, &origin);
                    if there { &mut found } else { &mut gone }.push(want.digest);
                }
                self.send_bytes(node, peer, found);
                if !gone.is_empty() {
                    let (peer, message) = (node_id(peer), Message::Gone(gone));
                    self.send(node, Outgoing { peer, message, inline: Vec::new() });
                }
            }
            Event::Bytes(from, epoch, digests) => {
                if self.link(from, node).epoch == epoch && !digests.is_empty() {
                    self.nodes[node].disk.staged.extend(digests.iter().copied());
                    self.input(node, Input::Staged(digests));
                }
            }
            Event::Tick => {
                if self.nodes[node].tick_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.nodes[node].tick_at_ms = None;
                    self.turn(node);
                }
            }
            Event::Hear(from, epoch, message) => {
                if self.link(from, node).epoch == epoch {
                    self.input(node, Input::Message(node_id(from), message));
                }
            }
        }
    }

    fn tell_seen(&mut self, node: usize, input: &Input) {
        let Input::Observed(began_ms, batch) = input else { return };
        self.tell(|| {
            let seen = batch.looks.iter().map(|look| match &look.found {
                Found::Present(found) => {
                    format!("/{} {:?} {:?}", look.path, found.fingerprint.handle, found.content)
                }
                other => format!("/{} {other:?}", look.path),
            });
            format!("{node} saw at {began_ms}: {}", seen.collect::<Vec<_>>().join(", "))
        });
    }

    fn look(&mut self, node: usize, paths: &[RelPath]) {
        let here = &self.nodes[node];
        let looks = hands::names(&here.disk, &here.index, paths);
        self.observed(node, looks, Source::Live);
    }

    fn observed(&mut self, node: usize, looks: Vec<engine::observe::Observation>, source: Source) {
        if looks.is_empty() {
            return;
        }
        let began_ms = self.now_ms;
        self.tell(|| {
            let paths: Vec<_> = looks.iter().map(|look| &look.path).collect();
            format!("{node} looks ({source:?}) at {paths:?}")
        });
        let here = &mut self.nodes[node];
        let delay = self.random.below(self.delay_ms) as u64;
        here.eyes_free_ms = here.eyes_free_ms.max(self.now_ms + delay);
        let (at_ms, batch) = (here.eyes_free_ms, Batch { source, looks });
        self.post(at_ms, node, Event::Input(Input::Observed(began_ms, batch)));
    }

    /// Whether a content can be read where it is said to lie.
    fn read(&mut self, node: usize, digest: &Digest, origin: &Origin) -> bool {
        let disk = &self.nodes[node].disk;
        match origin {
            Origin::Tree(path, fingerprint) => {
                let there = disk.resolve(path).map(|inode| disk.present(inode));
                let same = there.is_some_and(|there| there.fingerprint == *fingerprint);
                if !same {
                    let paths = vec![path.clone()];
                    self.later(node, Event::Look(paths));
                }
                same
            }
            Origin::Kept => disk.kept.contains(digest),
            Origin::Staged => disk.staged.contains(digest),
            Origin::Trash => disk.trash.contains(digest) || disk.kept.contains(digest),
        }
    }

    fn apply(&mut self, node: usize, operation: Operation) {
        let outcome = if self.random.chance(self.refusals) {
            Outcome::Busy(None)
        } else {
            hands::apply(&mut self.nodes[node].disk, &operation.act)
        };
        let here = &self.nodes[node];
        let gone = |row: &engine::index::SeenRow| {
            let mut handles = here.disk.things.keys().map(|inode| handle(*inode));
            !handles.any(|handle| handle == row.fingerprint.handle)
        };
        if here.index.seen_rows().any(gone) {
            let kept = here.disk.kept.iter().copied().collect::<Vec<_>>();
            kept.into_iter().for_each(|digest| self.oracle.let_go(digest));
        }
        self.tell(|| {
            let done = match &outcome {
                Outcome::Done { .. } => "done".to_string(),
                other => format!("{other:?}"),
            };
            format!("{node} {}: {done}", brief(&operation.act))
        });
        self.later(node, Event::Input(Input::Applied(vec![(operation.id, outcome)])));
    }

    /// All that the kernel's words since the last look mean.
    fn hinted(&mut self, node: usize) -> Vec<RelPath> {
        let here = &mut self.nodes[node];
        let (mut paths, mut trees) = (Vec::new(), Vec::new());
        for hint in std::mem::take(&mut here.hints) {
            match hint {
                Hint::Name(path) => paths.push(path),
                Hint::Tree(path) => trees.push(path),
            }
        }
        paths.extend(hands::inside(&here.disk, &here.index, &trees));
        paths
    }

    /// A user does something; the kernel tells a running node of it.
    pub fn user(&mut self, node: usize) {
        let here = &mut self.nodes[node];
        let (hints, what) = User::new(&mut here.disk, &mut self.oracle, &mut self.random).act();
        self.tell(|| format!("{node} USER {what}"));
        if self.nodes[node].engine.is_some() && !hints.is_empty() {
            if self.nodes[node].hints.is_empty() {
                let at_ms = self.now_ms + self.random.below(3 * self.delay_ms) as u64;
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
        self.now_ms = until;
    }

    /// What each node would do next.
    fn undone(&self) -> Vec<(usize, Option<Stored>, Step)> {
        let mut undone = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let has = |digest: &Digest| node.disk.staged.contains(digest);
            for row in node.index.pending_after(0, 3) {
                let stored = node.index.entry(row.entry);
                undone.push((number, stored, plan::decide(&node.index, row.entry, &has)));
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
}

fn brief(act: &Act) -> String {
    let name = format!("{act:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default().to_string();
    let paths: Vec<String> = act.paths().iter().map(|path| format!("/{path}")).collect();
    let content = match act {
        Act::Install { content, expected, .. } => match expected {
            Expected::Nothing => format!("{content:?}"),
            Expected::Exactly { content: old, .. } => format!("{old:?} -> {content:?}"),
        },
        Act::Remove { expected: Expected::Exactly { content, .. }, .. } => format!("{content:?}"),
        Act::Keep { digest } | Act::Release { digest, .. } => format!("{digest:?}"),
        _ => String::new(),
    };
    format!("{name} {} {content}", paths.join(" "))
}

impl World {
    /// Everybody looks at everything again.
    pub fn rescan(&mut self) {
        for node in 0..self.nodes.len() {
            self.input(node, Input::Rescan);
        }
    }
}
