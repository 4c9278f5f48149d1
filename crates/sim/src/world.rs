//! Nodes, links, users and the passing of time: everything that happens, in one thread, in the
//! order that one seed gives it.
//!
//! Decides when; what a job does is `node`'s, what comes of it the engine's. A job runs in one go,
//! but between any two of its calls to the disk users may come in, or the program may be killed.
//! Driven by `scenario`.

mod clocks;
mod copies;
mod disks;
mod jobs;
pub mod links;
mod losses;
pub mod people;
mod turns;
mod twins;

use crate::bystanders::Bystanders;
use crate::checkers::book::Book;
use crate::checkers::order::Order;
use crate::disk::model::{Inode, TOP};
use crate::disk::{Killed, SimDisk};
use crate::mutants;
use crate::net::Net;
use crate::node::eyes::Later;
use crate::node::{Machine, Program, ROOT_NAME, STATE_NAME};
use crate::random::Random;
use crate::swarm::Options;
use crate::trail::Trail;
use crate::users::{Town, ANCHOR};
use clocks::Clock;
use disk::fs::FileKind;
use disk::watch::Hint;
use engine::content::Digest;
use engine::engine::{Boot, Effect, Input};
use engine::index::MemIndex;
use engine::message::Message;
use engine::path::{Name, RelPath};
use engine::proof::{broken, Mutant};
use jobs::Event;
use links::Traffic;
use people::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use turns::Turns;
use twins::Twins;

/// The wall clock when a world begins.
pub const EPOCH_MS: u64 = 1_800_000_000_000;
/// What is put into a root that was empty.
const MENDED: &[u8] = b"mended";
/// Where the kernel tells of changes, everything is looked at this often all the same; see
/// `node::folder::look::rounds`.
const HOUR_MS: u64 = 3_600_000;
/// A disk whose timestamps are coarse moves them in such steps.
const GRAIN_MS: u64 = 4;
/// What `disk::hash::racy_ms` says of such a disk.
const RACY_MS: u64 = 30;

/// A program's queues as the world sees them.
#[derive(Clone, Debug, Default)]
struct Desk {
    /// Counts programs: what was under way at a kill reaches nobody.
    run: u32,
    boot: Boot,
    /// When each worker is done with what it was given.
    hands_free_ms: u64,
    eyes_free_ms: u64,
    /// When the last that was seen reaches the engine.
    seen_ms: u64,
    tick_at_ms: Option<u64>,
    look_at_ms: Option<u64>,
    /// What the engine wants looked at.
    asked: Vec<RelPath>,
    /// Directories whose inside the engine asks for.
    inside: Vec<RelPath>,
    /// To be looked at once all that was seen before is in the index.
    later: Later,
    /// The kernel has told of something that was not heard yet.
    is_told: bool,
    /// It dies when it has committed the next time, before anybody hears of it.
    dies_at_commit: bool,
    /// Inputs were handed in that no turn has ended.
    turn_is_due: bool,
    /// Whom the program was told to be connected with, and over which connection.
    connected: BTreeMap<usize, u64>,
    /// What carrying out effects led to: inputs of the next turn.
    own: Vec<Input>,
}

/// See the module's head.
pub struct World {
    /// What it was made with.
    pub options: Options,
    /// The machines.
    pub nodes: Vec<Machine>,
    roots: Vec<Inode>,
    clocks: Vec<Clock>,
    desks: Vec<Desk>,
    net: Net,
    events: BTreeMap<(u64, u64), (usize, u32, Event)>,
    sequence: u64,
    /// Milliseconds since the beginning.
    pub now_ms: u64,
    /// The world's chance.
    pub random: Random,
    /// The chance of what becomes of events.
    kernels: Random,
    town: Arc<Mutex<Town>>,
    turns: Vec<Turns>,
    /// All that was sent.
    pub traffic: Traffic,
    /// Index messages with entries that were sent.
    pub frames: u64,
    /// Data messages with contents that were sent.
    pub contents: u64,
    /// Bytes that came to light outside of an operation; whether they belong to nothing known.
    pub strays: BTreeMap<Digest, bool>,
    /// Bytes that were not durable when their machine lost its power.
    pub shaky: BTreeSet<Digest>,
    /// What was sent, if somebody is to say it again.
    past: Vec<Vec<u8>>,
    /// What becomes of conflicts.
    pub policy: Policy,
    /// What lies beside the folders, by node; nothing where nothing leads there.
    pub bystanders: Vec<Bystanders>,
    /// What is locked, and where.
    locked: Vec<(usize, Inode)>,
    has_locked: bool,
    reopens: bool,
    /// All that was ever written in any index.
    pub book: Book,
    order: Order,
    /// Who has left for good.
    pub gone: Option<usize>,
    twins: Option<Twins>,
    /// A hash of each step, if somebody wants to compare.
    pub trail: Option<Trail>,
}

impl World {
    /// Machines that are not running yet, with no links.
    pub fn new(seed: u64, options: Options) -> World {
        let town = Arc::new(Mutex::new(Town::new(seed, options)));
        let mut clocks = Random::new(seed, 4);
        let mut world = World {
            options,
            nodes: Vec::new(),
            roots: Vec::new(),
            clocks: (0..options.nodes).map(|_| Clock::new(options.skew, &mut clocks)).collect(),
            desks: vec![Desk::default(); options.nodes],
            net: Net::default(),
            events: BTreeMap::new(),
            sequence: 0,
            now_ms: 1,
            random: Random::new(seed, 1),
            kernels: Random::new(seed, 5),
            town,
            turns: vec![Turns::default(); options.nodes],
            traffic: Traffic::default(),
            frames: 0,
            contents: 0,
            strays: BTreeMap::new(),
            shaky: BTreeSet::new(),
            policy: Policy { beside: options.beside > 0, prefer: options.prefer.checked_sub(1) },
            past: Vec::new(),
            bystanders: Vec::new(),
            locked: Vec::new(),
            has_locked: false,
            reopens: World::reopens(&options),
            book: Book::new(options.lies > 0),
            order: Order::default(),
            gone: None,
            twins: None,
            trail: None,
        };
        for node in 0..options.nodes {
            world.add_machine(node);
        }
        world
    }

    fn add_machine(&mut self, node: usize) {
        let lie = mutants::lie();
        let disk = SimDisk::new(self.clocks[node].wall_ms(0), lie);
        let machine = Machine::new(node, disk.clone()).expect("an empty disk");
        let (root, state) = disk.with(|model| {
            let dir = |bytes: &[u8]| model.at(TOP, &Name::new(bytes).expect("a literal name"));
            let found = (dir(ROOT_NAME).expect("just made"), dir(STATE_NAME).expect("just made"));
            if node == 0 {
                let spot = (found.0, Name::new(ANCHOR).expect("a literal name"));
                let made = model.make(&spot, FileKind::File, 0o644, b"do not sink");
                made.expect("an empty directory");
            }
            model.grain_ms = if self.options.coarse > 0 { GRAIN_MS } else { 0 };
            model.told.clear();
            model.sync(None);
            found
        });
        self.town().settle(root, state);
        let town = self.town.clone();
        disk.set_between(Some(Box::new(move |disk, call| {
            town.lock().unwrap_or_else(PoisonError::into_inner).between(node, disk, call)
        })));
        self.roots.push(root);
        self.nodes.push(machine);
        self.furnish(node);
    }

    /// The users.
    pub fn town(&self) -> MutexGuard<'_, Town> {
        self.town.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the story.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let mut town = self.town();
        if let Some(story) = &mut town.story {
            story.push(format!("{:>7} {}", self.now_ms, line()));
        }
    }

    /// All chance is drawn from here on now: four streams that this one leads to.
    pub fn draw_from(&mut self, chance: &Random) {
        let mut chance = chance.clone();
        let seed = chance.bits();
        self.random = Random::new(seed, 1);
        self.kernels = Random::new(seed, 5);
        let mut town = self.town();
        town.random = Random::new(seed, 2);
        town.calls = Random::new(seed, 3);
    }

    /// Something goes wrong on purpose.
    pub fn fault(&self, kind: &'static str) {
        self.town().faults.add(kind);
    }

    fn delay(&mut self) -> u64 {
        self.random.below(self.options.delay_ms) as u64
    }

    fn post(&mut self, at_ms: u64, node: usize, event: Event) {
        self.sequence += 1;
        let run = self.desks[node].run;
        self.events.insert((at_ms, self.sequence), (node, run, event));
    }

    fn later(&mut self, node: usize, event: Event) {
        let at_ms = self.now_ms + self.delay();
        self.post(at_ms, node, event);
    }

    /// Whether the program of a node runs.
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].program.is_some()
    }

    /// A program at work: what it waited for has passed when it is done, and it may be dead.
    fn work<T>(
        &mut self,
        node: usize,
        job: impl FnOnce(&mut Program, &MemIndex) -> T,
    ) -> Option<T> {
        let machine = &mut self.nodes[node];
        let index = &machine.index;
        let program = machine.program.as_mut()?;
        let done = catch_unwind(AssertUnwindSafe(|| job(program, index)));
        self.after_work(node);
        self.survived(node, done)
    }

    fn after_work(&mut self, node: usize) {
        self.audit(node);
        self.pass_work(node);
        self.hear_kernel_later(node);
    }

    fn survived<T>(&mut self, node: usize, done: std::thread::Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(why) if why.is::<Killed>() => {
                self.fault("killed at a call");
                self.fall(node);
                None
            }
            Err(why) => resume_unwind(why),
        }
    }

    /// Starts a program; it may die at once.
    pub fn start(&mut self, node: usize) {
        if self.gone == Some(node) {
            return;
        }
        let desk = &mut self.desks[node];
        desk.run += 1;
        let (run, boot) = (desk.run, desk.boot);
        *desk = Desk { run, boot, ..Desk::default() };
        (desk.hands_free_ms, desk.eyes_free_ms) = (self.now_ms, self.now_ms);
        self.tell(|| format!("{node} starts"));
        self.nodes[node].disk.with(|model| model.told.clear());
        let racy_ms = if self.options.coarse > 0 { RACY_MS } else { 0 };
        let machine = &mut self.nodes[node];
        // A folder that is refused when it is added is its operator's, who adds it again.
        let is_spared = !machine.is_claimed();
        self.town.lock().unwrap_or_else(PoisonError::into_inner).refusals.spares = is_spared;
        let started = catch_unwind(AssertUnwindSafe(|| machine.start(boot, racy_ms)));
        self.town().refusals.spares = false;
        self.town().census.begins(node);
        self.after_work(node);
        match self.survived(node, started) {
            Some(Ok(())) => {}
            Some(Err(why)) => return self.refused(node, &why),
            None => return,
        }
        let staged = self.nodes[node].program.as_ref().map(Program::staged);
        let ways = self.ways(node);
        self.inputs(node, vec![ways, Input::Staged(staged.unwrap_or_default())]);
        for other in 0..self.nodes.len() {
            if other != node && self.net.is_up(node, other) {
                self.connect(node, other);
            }
        }
    }

    /// Ends a program at once.
    pub fn kill(&mut self, node: usize) {
        if self.is_running(node) {
            self.fault("killed");
            self.tell(|| format!("{node} is killed"));
            self.fall(node);
        }
    }

    /// The machine of a node comes up anew.
    fn reboot(&mut self, node: usize) {
        self.nodes[node].reboot();
        let at = self.nodes[node].disk.with(|model| model.now());
        let boot = &mut self.desks[node].boot;
        *boot = Boot { id: boot.id.map(|byte| byte + 1), at };
    }

    /// Ends a program in order.
    pub fn stop(&mut self, node: usize) {
        if self.is_running(node) {
            self.fault("stopped");
            self.tell(|| format!("{node} stops"));
            let now = self.clock(node);
            self.turn(node);
            self.nodes[node].stop(now);
            self.fall(node);
        }
    }

    /// The program is gone. What it had sent still arrives, then its peers see it gone.
    fn fall(&mut self, node: usize) {
        self.nodes[node].fall();
        self.audit(node);
        self.town().oracle.fell(node);
        self.desks[node].run += 1;
        for other in 0..self.nodes.len() {
            if let Some(&connection) = self.desks[other].connected.get(&node) {
                let at_ms = self.net.last_ms(node, other).max(self.now_ms + self.delay());
                self.post(at_ms, other, Event::Down(node, connection));
            }
        }
    }

    /// Hands inputs in; sometimes the turn waits for more.
    fn inputs(&mut self, node: usize, inputs: Vec<Input>) {
        let now = self.clock(node);
        // What the program had noticed by itself before comes first: that a lane was full, say.
        let mut all = std::mem::take(&mut self.desks[node].own);
        all.extend(inputs);
        self.nodes[node].handle(now, all);
        self.desks[node].turn_is_due = true;
        if self.random.chance(800) {
            self.turn(node);
        } else {
            self.tick_at(node, self.now_ms + 1);
        }
    }

    fn tick_at(&mut self, node: usize, at_ms: u64) {
        if self.desks[node].tick_at_ms.is_none_or(|old| old > at_ms) {
            self.desks[node].tick_at_ms = Some(at_ms);
            self.post(at_ms, node, Event::Tick);
        }
    }

    /// Ends a turn: commit, and only then the effects.
    fn turn(&mut self, node: usize) {
        self.count_turn(node);
        let now = self.clock(node);
        self.desks[node].turn_is_due = false;
        let (effects, deadline) = self.nodes[node].turn(now);
        let announces = |effect: &Effect| match effect {
            Effect::Send(outgoing) => matches!(outgoing.message, Message::Frame(_)),
            _ => false,
        };
        let dies = self.desks[node].dies_at_commit && effects.iter().any(announces);
        self.desks[node].dies_at_commit &= !dies;
        let early = broken(Mutant::AnnounceBeforeDurable);
        if dies && early {
            effects.into_iter().for_each(|effect| self.effect(node, effect));
            self.fault("killed at a commit");
            self.tell(|| format!("{node} dies before a commit"));
            return self.fall(node);
        }
        self.nodes[node].commit();
        self.committed(node);
        if dies {
            self.fault("killed at a commit");
            self.tell(|| format!("{node} dies after a commit"));
            return self.fall(node);
        }
        let run = self.desks[node].run;
        effects.into_iter().for_each(|effect| self.effect(node, effect));
        self.take_own(node);
        if let Some(at_ms) = deadline.filter(|_| self.desks[node].run == run) {
            self.tick_at(node, at_ms.max(self.now_ms));
        }
    }

    fn take_own(&mut self, node: usize) {
        let own = std::mem::take(&mut self.desks[node].own);
        if !own.is_empty() {
            let now = self.clock(node);
            self.nodes[node].handle(now, own);
            self.desks[node].turn_is_due = true;
            self.tick_at(node, self.now_ms);
        }
    }

    /// Lets the next thing happen. `false`: nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(((at_ms, _), (node, run, event))) = self.events.pop_first() else {
            return false;
        };
        self.now_ms = self.now_ms.max(at_ms);
        self.set_clocks();
        if self.desks[node].run == run && (self.is_running(node) || event.is_start()) {
            let what = self.trail.as_ref().map(|_| event.name());
            self.happen(node, event);
            if let (Some(trail), Some(what)) = (&mut self.trail, what) {
                trail.step(self.now_ms, &what, (node, &self.nodes[node]), &self.random);
            }
        }
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.events.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= until) {
            self.step();
        }
        self.now_ms = self.now_ms.max(until);
        self.set_clocks();
    }

    /// A long time passes at once: what was due in it is late, but for the kernels' own write-back.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.set_clocks();
        self.nodes.iter().for_each(|machine| machine.disk.with(|model| model.sync(None)));
    }

    /// Until nothing will ever happen again.
    pub fn run_to_rest(&mut self) {
        while self.step() {}
    }

    /// Whether nothing will ever happen again.
    pub fn is_at_rest(&self) -> bool {
        self.events.is_empty()
    }

    /// A user of this node does something.
    pub fn user(&mut self, node: usize) {
        if self.gone == Some(node) {
            return;
        }
        let disk = self.nodes[node].disk.clone();
        disk.with(|model| self.town().act(node, model));
        self.audit(node);
        self.hear_kernel_later(node);
    }

    /// What the kernel had to tell this node is lost, and it says so.
    pub fn lose_events(&mut self, node: usize) {
        self.nodes[node].disk.with(|model| model.told.clear());
        let now_ms = self.now_ms;
        if let Some(program) = &mut self.nodes[node].program {
            program.settle.push(now_ms, Hint::Lost);
            self.look_at(node, now_ms);
        }
    }

    /// A folder that has stopped because its root is empty is given something, and its program is
    /// started again. A root may be empty without a user's doing: the program removes what peers
    /// removed, too.
    pub fn mend_root(&mut self, node: usize) {
        let halted = self.nodes[node].program.as_ref().is_some_and(|p| p.halted.is_some());
        let (root, disk) = (self.roots[node], self.nodes[node].disk.clone());
        let empty = disk.with(|model| model.dir(root).is_ok_and(|dir| dir.children.is_empty()));
        if empty && (halted || !self.is_running(node)) {
            let spot = (root, Name::new(MENDED).expect("a literal name"));
            let made = disk.with(|model| model.make(&spot, FileKind::File, 0o644, b"mended"));
            made.expect("an empty directory");
            self.town().touches += 1;
        }
        if halted {
            self.stop(node);
        }
    }

    /// Users end what they have begun.
    pub fn users_finish(&mut self) {
        for node in 0..self.nodes.len() {
            let disk = self.nodes[node].disk.clone();
            disk.with(|model| self.town().finish(node, model));
            self.audit(node);
            self.hear_kernel_later(node);
        }
    }

    /// The program of `node` dies after so many more of its calls to the disk.
    pub fn doom(&mut self, node: usize, calls: u32) {
        self.town().doom = Some((node, calls));
    }

    /// The program of `node` dies when it has committed the next time, before anybody hears of it.
    pub fn doom_at_commit(&mut self, node: usize) {
        self.desks[node].dies_at_commit = true;
    }

    /// Nobody is to die any more.
    pub fn pardon(&mut self) {
        self.town().doom = None;
        self.desks.iter_mut().for_each(|desk| desk.dies_at_commit = false);
    }

    /// What no event told of is found when everybody looks at everything, as they do each hour.
    pub fn pass_an_hour(&mut self) {
        self.run_for(HOUR_MS);
        self.rescan();
    }

    /// Everybody looks at everything again.
    pub fn rescan(&mut self) {
        for node in 0..self.nodes.len() {
            self.inputs(node, vec![Input::Rescan]);
        }
    }
}
