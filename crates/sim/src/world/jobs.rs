//! What a program's effects become, and what its jobs lead to: effects -> events at a later time,
//! events -> work on the machine -> inputs at a later time.
//!
//! Mirrors which worker of the daemon does what after what. Used by `world` only.

use super::World;
use crate::checkers;
use crate::disk::model::Inode;
use crate::kernel::Chance;
use crate::mutants;
use crate::net::Lane;
use crate::node::eyes::{Later, Seen};
use crate::node::FOLDER;
use crate::swarm::Counts;
use engine::content::Digest;
use engine::engine::{Effect, Input, Origin};
use engine::index::{Handle, Index, Phase, SeenRow};
use engine::message::Want;
use engine::observe::{path_of, Stray};
use engine::plan::{Act, Operation, Outcome};
use engine::proof::{broken, Mutant};
use engine::wire;

/// How often what waits in staging for a writer is looked at again.
const REVISIT_MS: u64 = 5_000;

/// Something that a program will have to do or to hear.
#[derive(Debug)]
pub(super) enum Event {
    /// For the engine.
    Inputs(Vec<Input>),
    /// A peer is connected, or no more, over the connection of this number.
    Up(usize, u64),
    Down(usize, u64),
    /// Bytes from a peer, over the connection of this number.
    Hear(usize, u64, Lane, Vec<u8>),
    /// The lane to a peer has room again.
    Drained(usize, u64),
    /// Nothing has come over this connection for too long.
    GiveUp(usize, u64),
    /// A peer is to be tried again.
    Dial(usize),
    /// The eyes have something to look at: hints, what was put off, what the engine asks for.
    Look,
    Scan,
    Apply(Vec<Operation>),
    Revisit,
    /// The root is looked at.
    Guard,
    /// What has stopped is opened again.
    Reopen,
    Copy(Digest, u64, Origin),
    Serve(usize, Vec<(Want, Origin)>),
    Sync(u64),
    Tick,
}

impl Event {
    /// What it is, in a word.
    /// Whether it starts a program, and needs none.
    pub(super) fn is_start(&self) -> bool {
        matches!(self, Event::Reopen)
    }

    pub(super) fn name(&self) -> String {
        let name = format!("{self:?}");
        name.split(['(', ' ']).next().unwrap_or_default().to_string()
    }
}

impl World {
    /// Carries an effect out, or has it carried out later.
    pub(super) fn effect(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send(outgoing) => self.send(node, outgoing),
            Effect::Serve(peer, wants) => {
                self.later(node, Event::Serve(self.machine_of(node, peer), wants))
            }
            Effect::Copy(digest, size, origin) => {
                self.later(node, Event::Copy(digest, size, origin));
            }
            Effect::Unstage(contents) => {
                self.work(node, |program, _| program.unstage(&contents));
            }
            Effect::Apply(operations) => {
                if !self.has_twins() {
                    self.order.check(node, &self.nodes[node], &operations, self.now_ms);
                }
                let free_ms = self.desks[node].hands_free_ms.max(self.now_ms);
                let at_ms = free_ms + self.delay() / 2;
                self.desks[node].hands_free_ms = at_ms;
                self.post(at_ms, node, Event::Apply(operations));
            }
            Effect::Observe(paths) => {
                self.desks[node].asked.extend(paths);
                let at_ms = self.now_ms + 1 + self.delay() / 4;
                self.look_at(node, at_ms);
            }
            Effect::ObserveTrees(paths) => {
                self.desks[node].inside.extend(paths);
                let at_ms = self.now_ms + 1 + self.delay() / 4;
                self.look_at(node, at_ms);
            }
            Effect::Scan => self.later(node, Event::Scan),
            Effect::Sync(epoch) => self.later(node, Event::Sync(epoch)),
            Effect::Refuse(peer, why) => self.refuse(node, self.machine_of(node, peer), why),
            Effect::Restart(peer) => self.restart_session(node, self.machine_of(node, peer)),
            Effect::NewLife => {
                let life = self.nodes[node].next_life();
                self.inputs(node, vec![Input::Life(life)]);
            }
            Effect::PutBack => self.tell(|| format!("{node} begins a new life")),
            Effect::TreePutBack => self.tell(|| format!("{node} finds an older copy of its tree")),
            Effect::Twin => self.tell(|| format!("{node} runs twice, and begins a new life")),
            Effect::Happened(_) => {}
            Effect::Nameless(what) => {
                self.tell(|| format!("{node} notes {what}"));
                for (digest, is_nameless) in &mut self.strays {
                    *is_nameless |= what.contains(&format!("unnamed-{digest:?}"));
                }
            }
            Effect::Notice(path, what) => self.tell(|| format!("{node} notes /{path}: {what}")),
        }
    }

    /// Whether a machine is a member, as its index says, which may be put back.
    pub(super) fn count_members(&self, node: usize) {
        let is_member = self.nodes[node].index.meta().phase == Phase::Member;
        self.town().census.belongs(node, is_member);
    }

    /// A machine has committed: what holds after every commit is checked.
    pub(super) fn committed(&mut self, node: usize) {
        let machine = &self.nodes[node];
        checkers::one_row_a_place(node, &machine.index);
        checkers::bounds::always(node, machine);
        self.book.committed(node, machine);
        let handle = |inode: Inode| Handle(inode.to_be_bytes().into());
        let knows = |inode: Inode| !machine.index.seen_handle(&handle(inode)).is_empty();
        self.town().oracle.heard(node, knows);
        self.count_members(node);
        let is_left = |digest: &Digest| self.shown_or_kept_but_by(node).contains(digest);
        self.town().announced.committed(node, machine, is_left);
        self.order.turned(node, machine, self.now_ms);
    }

    /// The oracle hears what was done to a disk, and says what must not have been.
    pub(super) fn audit(&mut self, node: usize) {
        let disk = self.nodes[node].disk.clone();
        let mut town = self.town();
        disk.with(|model| town.hear(node, model));
        let faults = town.oracle.take_faults();
        drop(town);
        let is_told = |fault: &String| self.options.is_plain() || !fault.starts_with("C1:");
        let faults: Vec<String> = faults.into_iter().filter(is_told).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Something happens at a running program.
    pub(super) fn happen(&mut self, node: usize, event: Event) {
        match event {
            Event::Inputs(inputs) => self.inputs(node, inputs),
            Event::Up(peer, connection) => self.up(node, peer, connection),
            Event::Down(peer, connection) => self.down(node, peer, connection),
            Event::Hear(from, connection, lane, bytes) => {
                self.count_message(node);
                self.arrive(node, (from, connection), lane, &bytes);
            }
            Event::Drained(peer, connection) => self.drained(node, peer, connection),
            Event::GiveUp(peer, connection) => self.give_up(node, peer, connection),
            Event::Dial(peer) => self.dial(node, peer),
            Event::Look => {
                if self.desks[node].look_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.desks[node].look_at_ms = None;
                    self.look(node);
                }
            }
            Event::Scan => self.scan(node),
            Event::Apply(operations) => self.apply(node, operations),
            Event::Revisit => self.revisit(node),
            Event::Guard => self.guard(node),
            Event::Reopen => self.reopen(node),
            Event::Copy(digest, size, origin) => {
                let inputs = self.work(node, |program, _| program.copy(digest, size, origin));
                self.answer(node, inputs.unwrap_or_default());
            }
            Event::Serve(peer, wants) => self.serve(node, peer, wants),
            Event::Sync(epoch) => {
                let synced = self.work(node, |program, _| program.sync(epoch));
                self.answer(node, synced.into_iter().collect());
            }
            Event::Tick => {
                if self.desks[node].tick_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.desks[node].tick_at_ms = None;
                    let now = self.clock(node);
                    self.nodes[node].handle(now, vec![Input::Tick]);
                    self.turn(node);
                }
            }
        }
    }

    /// What a worker answers reaches the engine after a while.
    fn answer(&mut self, node: usize, inputs: Vec<Input>) {
        if !inputs.is_empty() {
            self.later(node, Event::Inputs(inputs));
        }
    }

    /// Workers see only what is committed.
    fn end_turn(&mut self, node: usize) {
        if self.desks[node].turn_is_due {
            self.turn(node);
        }
    }

    /// The kernel will tell what it has to tell.
    pub(super) fn hear_kernel_later(&mut self, node: usize) {
        let told = self.nodes[node].disk.with(|model| !model.told.is_empty());
        if !told || !self.is_running(node) {
            return;
        }
        if broken(Mutant::DeafToTheKernel) {
            return;
        }
        if !self.desks[node].is_told {
            self.desks[node].is_told = true;
            let at_ms = self.now_ms + self.delay();
            self.look_at(node, at_ms);
        }
    }

    /// The eyes look when they have time, but not before this.
    pub(super) fn look_at(&mut self, node: usize, at_ms: u64) {
        let desk = &mut self.desks[node];
        let at_ms = at_ms.max(desk.eyes_free_ms);
        if desk.look_at_ms.is_none_or(|old| old > at_ms) {
            desk.look_at_ms = Some(at_ms);
            self.post(at_ms, node, Event::Look);
        }
    }

    /// One round of the eyes: all that waits for them, at once. Trees are walked when all that was
    /// seen before is in the index, for a walk misses only what is known there; until then nothing
    /// else is looked at.
    fn look(&mut self, node: usize) {
        self.desks[node].is_told = false;
        self.end_turn(node);
        let (now_ms, root) = (self.now_ms, self.roots[node]);
        let asked = std::mem::take(&mut self.desks[node].asked);
        let late = std::mem::take(&mut self.desks[node].later);
        let trees = std::mem::take(&mut self.desks[node].inside);
        let mut later = Later { trees, ..Later::default() };
        let options = self.options;
        let (mut random, mut faults) = (self.kernels.clone(), Counts::default());
        let mut told_ms = None;
        let seen = self.work(node, |program, index| {
            let mut seen = program.late(now_ms, index, &late);
            let mut chance = Chance { options, random: &mut random, faults: &mut faults };
            told_ms = program.hear_kernel(now_ms, root, &mut chance);
            seen.add(program.look(now_ms, index, &asked));
            seen.add(program.drain(now_ms, index, &mut later));
            seen
        });
        self.kernels = random;
        self.town().faults.merge(&faults);
        self.seen(node, now_ms, seen);
        if !self.is_running(node) {
            return;
        }
        if !later.is_empty() {
            self.desks[node].later = later;
            let desk = &mut self.desks[node];
            desk.eyes_free_ms = desk.eyes_free_ms.max(desk.seen_ms);
            self.look_at(node, self.now_ms);
        }
        let due = self.nodes[node].program.as_ref().and_then(|program| program.settle.deadline());
        if let Some(due_ms) = due.into_iter().chain(told_ms).min() {
            self.look_at(node, due_ms.max(self.now_ms));
        }
    }

    /// Observations reach the engine in the order they were made in.
    fn seen(&mut self, node: usize, began_ms: u64, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        self.desks[node].eyes_free_ms = self.now_ms + 1 + self.delay() / 4;
        let at_ms = self.desks[node].eyes_free_ms + self.delay() / 4;
        let at_ms = at_ms.max(self.desks[node].seen_ms);
        self.desks[node].seen_ms = at_ms;
        let mut inputs: Vec<Input> = Vec::new();
        for batch in seen.batches {
            self.tell(|| {
                let looks: Vec<_> = batch.looks.iter().map(brief_look).collect();
                format!("{node} sees ({:?}) {}", batch.source, looks.join(", "))
            });
            inputs.push(Input::Observed(began_ms, batch));
        }
        inputs.extend(seen.lost.then_some(Input::Overlooked));
        for input in inputs {
            self.post(at_ms, node, Event::Inputs(vec![input]));
        }
        if let Some(why) = seen.halt {
            self.halt(node, why);
        }
    }

    fn scan(&mut self, node: usize) {
        self.end_turn(node);
        self.tell(|| format!("{node} scans"));
        let began_ms = self.now_ms;
        let seen = self.work(node, |program, index| program.scan(index));
        let Some(complete) = seen.as_ref().map(|seen| seen.complete) else { return };
        self.seen(node, began_ms, seen);
        let at_ms = self.desks[node].seen_ms;
        self.post(at_ms, node, Event::Inputs(vec![Input::Scanned(complete)]));
    }

    fn apply(&mut self, node: usize, mut operations: Vec<Operation>) {
        self.let_go_of_what_was_deleted(node);
        if broken(Mutant::TakesWhatIsThere) {
            let disk = self.nodes[node].disk.clone();
            let expect = |one| mutants::expect_what_is_there(&disk, one);
            self.work(node, |_, _| operations.iter_mut().for_each(expect));
        }
        let applied = self.work(node, |program, index| {
            program.check_root(index, true)?;
            Ok(program.apply(&operations))
        });
        let outcomes = match applied {
            None => return,
            Some(Err(why)) => return self.halt(node, why),
            Some(Ok(outcomes)) => outcomes,
        };
        for (operation, (_, outcome)) in operations.iter().zip(&outcomes) {
            self.tell(|| format!("{node} {}: {}", brief(&operation.act), brief_end(outcome)));
        }
        self.let_go_of_what_was_deleted(node);
        self.take_strays(node);
        self.answer(node, vec![Input::Applied(outcomes)]);
        self.revisit_later(node);
    }

    fn revisit_later(&mut self, node: usize) {
        let Some(program) = &self.nodes[node].program else { return };
        if program.apply.left_count() > 0 {
            self.post(self.now_ms + REVISIT_MS, node, Event::Revisit);
        }
    }

    fn revisit(&mut self, node: usize) {
        if self.work(node, |program, _| program.revisit()).is_some() {
            self.take_strays(node);
            self.revisit_later(node);
        }
    }

    pub(super) fn take_strays(&mut self, node: usize) {
        let Some(program) = &mut self.nodes[node].program else { return };
        let mut inputs = Vec::new();
        for stray in program.apply.strays() {
            let disk::trash::Stray { path, digest, size, mtime, unkept } = stray;
            self.strays.entry(digest).or_default();
            self.tell(|| format!("{node} finds {digest:?} astray, of {path:?}"));
            inputs.push(Input::Stray(Stray { path, digest, size, mtime, unkept }));
        }
        self.answer(node, inputs);
    }

    /// A deletion that the engine has not heard of yet, or a move, which may become one: what comes
    /// into the conflict store until then goes with it.
    fn let_go_of_what_was_deleted(&mut self, node: usize) {
        let machine = &self.nodes[node];
        let index = &machine.index;
        machine.disk.with(|model| {
            let is_there = |row: &SeenRow| {
                let Some(path) = path_of(index, row.slot) else { return false };
                let bytes = <[u8; 8]>::try_from(&*row.fingerprint.handle.0);
                let inode = u64::from_be_bytes(bytes.expect("the disk's own handle"));
                model.find(self.roots[node], &path) == Some(inode)
            };
            if !index.seen_rows().all(is_there) {
                self.town().let_go_of_kept(node, model);
            }
        });
    }

    fn serve(&mut self, node: usize, peer: usize, wants: Vec<(Want, Origin)>) {
        let given = self.work(node, |program, _| program.give(wants));
        let Some((messages, given)) = given else { return };
        if !given.doubted.is_empty() {
            self.answer(node, vec![Input::Doubted(given.doubted)]);
        }
        self.contents += messages.len() as u64;
        for message in messages {
            let bytes = wire::encode(FOLDER, &message);
            self.put_on_wire(node, peer, Lane::Data, bytes);
        }
        for message in given.refused.into_messages() {
            let bytes = wire::encode(FOLDER, &message);
            self.put_on_wire(node, peer, Lane::Control, bytes);
        }
    }
}

fn brief_look(look: &engine::observe::Observation) -> String {
    use engine::observe::Found;
    let found = match &look.found {
        Found::Absent => "absent".to_string(),
        Found::Present(there) => match &there.content {
            Some(content) => format!("{content:?}"),
            None => format!("{:?}", there.kind),
        },
        Found::Busy(_) => "busy".to_string(),
        Found::Foreign(why) | Found::Unreadable(why, _) => why.clone(),
    };
    format!("/{} {found}", look.path)
}

fn brief(act: &Act) -> String {
    let name = format!("{act:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default().to_string();
    let paths: Vec<String> = act.paths().iter().map(|path| format!("/{path}")).collect();
    let content = match act {
        Act::Install { content, .. } => format!("{content:?}"),
        Act::Keep { digest } | Act::Release { digest, .. } => format!("{digest:?}"),
        _ => String::new(),
    };
    format!("{name} {} {content}", paths.join(" "))
}

fn brief_end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { displaced: None, .. } => "done".to_string(),
        Outcome::Done { displaced: Some(found), .. } => format!("done over {:?}", found.content),
        other => format!("{other:?}"),
    }
}
