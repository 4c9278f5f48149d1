//! The one thread that owns a folder's engine and index: inputs in, one commit, effects out.
//!
//! Many inputs share a commit; no effect is carried out before the commit that it follows from
//! (docs: ARCHITECTURE, I2). If the commit fails the folder stops, and nothing was announced.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::store::Store;
use engine::engine::{Effect, FolderEngine, Input, Now};
use engine::index::Index;

use super::barrier::{Barriers, Reached};
use super::effects::Effects;
use super::journal::Names;
use super::life;
use super::status::Board;
use crate::net::Link;

/// Inputs taken into one turn; more wait for the next, so that effects are not held up.
const INPUTS_PER_TURN: usize = 512;
/// Sleep at most this long, so that a clock that jumps cannot hold a deadline back.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A question that is answered on the control thread, between turns.
pub type Ask = Box<dyn FnOnce(&FolderEngine, &Store) + Send>;

/// What reaches the control thread.
pub enum Event {
    /// For the engine, in this order.
    Inputs(Vec<Input>),
    /// A session with a peer has begun: the engine starts afresh with it.
    Up(Link),
    /// For a look at engine and index.
    Ask(Ask),
    /// Somebody waits for everything up to now to be on other nodes' disks.
    Barrier(super::barrier::Request),
    /// A cookie has come through the event queue, and everything before it was looked at.
    Cookie(Reached),
    /// Everything that was to be looked at when this fence was set has been.
    Fence(u64),
    /// The tree cannot be worked on: why, and what to do.
    Halt(String),
    /// An orderly stop.
    Stop,
}

/// The folder's clock: monotonic since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Default for Clock {
    fn default() -> Clock {
        Clock(Instant::now())
    }
}

impl Clock {
    /// Now.
    pub fn now(&self) -> Now {
        Now { mono_ms: self.mono_ms(), wall_ms: crate::membership::now_unix_ms() }
    }

    /// Milliseconds since the clock was made.
    pub fn mono_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Everything the control thread owns.
pub struct Control {
    /// Decides.
    pub engine: FolderEngine,
    /// Remembers.
    pub store: Store,
    /// Tells an older copy of the index from the one that was last in use.
    pub witness: life::Record,
    /// Carries out.
    pub effects: Effects,
    /// Who waits for what.
    pub barriers: Barriers,
    /// What status shows between questions.
    pub board: Arc<Board>,
    /// Whose lives are known, for the log.
    pub names: Names,
    /// Time.
    pub clock: Clock,
}

impl Control {
    /// Runs until stopped.
    pub fn run(mut self, events: &Receiver<Event>) {
        let mut waiting = VecDeque::new();
        loop {
            match self.wait(events) {
                Ok(Some(event)) => waiting.push_back(event),
                Ok(None) => waiting.push_back(Event::Inputs(vec![Input::Tick])),
                Err(()) => break,
            }
            waiting.extend(events.try_iter().take(INPUTS_PER_TURN));
            if !self.turn(&mut waiting) {
                break;
            }
        }
        self.stop();
    }

    /// The next event, `None` when a deadline has come, an error when nobody can send any more.
    fn wait(&mut self, events: &Receiver<Event>) -> Result<Option<Event>, ()> {
        let own = std::mem::take(&mut self.effects.own);
        if !own.is_empty() {
            return Ok(Some(Event::Inputs(own)));
        }
        let now = self.clock.mono_ms();
        let pause = self
            .engine
            .deadline()
            .map_or(SLEEP_MAX, |at| Duration::from_millis(at.saturating_sub(now)).min(SLEEP_MAX));
        match events.recv_timeout(pause) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// One turn over what has come; false to end.
    fn turn(&mut self, waiting: &mut VecDeque<Event>) -> bool {
        let now = self.clock.now();
        let mut asks = Vec::new();
        while let Some(event) = waiting.pop_front() {
            match event {
                Event::Inputs(inputs) => {
                    for input in inputs {
                        self.engine.handle(now, &mut self.store, input);
                    }
                }
                Event::Up(link) => {
                    self.effects.links.insert(link.peer, link);
                    self.engine.handle(now, &mut self.store, Input::PeerUp(link.peer));
                }
                Event::Ask(ask) => asks.push(ask),
                Event::Barrier(request) => self.barriers.begin(request, &self.effects),
                Event::Cookie(reached) => self.barriers.cookie(&reached),
                Event::Fence(number) => self.barriers.fence(number),
                Event::Halt(why) => {
                    self.board.halt(why);
                    self.engine.handle(now, &mut self.store, Input::Paused(true));
                }
                Event::Stop => return false,
            }
        }
        self.engine.turn(self.clock.now(), &mut self.store);
        if let Err(error) = self.store.commit() {
            let cure = "free some space or mend the disk, and it goes on by itself";
            self.board.halt(format!("{error}; {cure}"));
            return false;
        }
        if self.engine.has_scanned() {
            self.board.works();
        }
        let meta = self.engine.meta();
        self.witness.note(meta.incarnation, meta.counter);
        self.names.learn(self.store.incarnations());
        let effects: Vec<Effect> = self.engine.take_effects();
        self.effects.carry_out(effects);
        self.barriers.check(&self.engine, &self.store, &self.effects);
        self.board.update(&self.store);
        for ask in asks {
            ask(&self.engine, &self.store);
        }
        true
    }

    fn stop(&mut self) {
        if self.board.is_halted() {
            return;
        }
        self.engine.stop(self.clock.now(), &mut self.store);
        if let Err(error) = self.store.commit() {
            tracing::error!(%error, "the orderly stop could not be written down");
        }
    }
}
