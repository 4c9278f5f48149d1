//! The machines' wall clocks: wrong by years, jumping, standing still. What passes in truth is the
//! world's time; programs see their own machine's clock, and time that never goes back beside it.
//!
//! Used by `world` only.

use super::{World, EPOCH_MS};
use crate::random::Random;
use crate::swarm::Options;
use engine::engine::Now;

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;
/// How far a clock jumps, in milliseconds.
const JUMP_MS: [u64; 4] = [1_000, 600_000, DAY_MS, 400 * DAY_MS];
/// How long a node is away, in days.
const AWAY_DAYS: [u64; 3] = [2, 40, 1_100];

/// One machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Ahead of the world's, or behind.
    ahead_ms: i64,
    /// It stands still at this.
    stands_ms: Option<u64>,
}

impl Clock {
    /// A clock that is wrong by so many days at most.
    pub(super) fn new(skew_days: usize, chance: &mut Random) -> Clock {
        let most_ms = skew_days as u64 * DAY_MS;
        let off_ms = chance.bits() % (2 * most_ms + 1);
        Clock { ahead_ms: off_ms.cast_signed() - most_ms.cast_signed(), stands_ms: None }
    }

    /// What it shows when so much of the world's time has passed.
    pub(super) fn wall_ms(self, now_ms: u64) -> u64 {
        self.stands_ms.unwrap_or((EPOCH_MS + now_ms).saturating_add_signed(self.ahead_ms))
    }
}

impl World {
    /// The time as the program of this node sees it.
    pub(super) fn clock(&self, node: usize) -> Now {
        Now { mono_ms: self.now_ms, wall_ms: self.clocks[node].wall_ms(self.now_ms) }
    }

    /// The clock of a machine is so far ahead from now on, or behind.
    pub fn set_clock(&mut self, node: usize, ahead_ms: i64) {
        self.clocks[node].ahead_ms = ahead_ms;
        self.set_clocks();
    }

    /// Brings all machines' clocks to the world's time.
    pub(super) fn set_clocks(&mut self) {
        self.town().now_ms = self.now_ms;
        for (machine, clock) in self.nodes.iter().zip(&self.clocks) {
            let wall_ms = clock.wall_ms(self.now_ms);
            machine.disk.with(|model| model.wall_ms = wall_ms);
        }
    }

    /// A program has worked: what its machine's clock has gone on since has passed for all.
    pub(super) fn pass_work(&mut self, node: usize) {
        let wall_ms = self.nodes[node].disk.with(|model| model.wall_ms);
        self.now_ms += wall_ms.saturating_sub(self.clocks[node].wall_ms(self.now_ms));
        self.set_clocks();
    }

    /// Clocks jump, stop, and go on.
    pub fn disturb_clocks(&mut self, chance: &mut Random) {
        let Options { jumps, stops, coarse, .. } = self.options;
        // With coarse timestamps and a clock that stands still no scan can see that something was
        // written over with as many bytes.
        let stops = if coarse > 0 { 0 } else { stops };
        if chance.chance(jumps) {
            let node = chance.below(self.nodes.len());
            let ms = chance.pick(&JUMP_MS).cast_signed();
            let ms = if chance.chance(500) { ms } else { -ms };
            self.fault("clock jumps");
            self.tell(|| format!("the clock of {node} jumps by {ms} ms"));
            self.clocks[node].ahead_ms += ms;
        }
        if chance.chance(stops) {
            let node = chance.below(self.nodes.len());
            let shown_ms = self.clocks[node].wall_ms(self.now_ms);
            let stood = self.clocks[node].stands_ms.take().is_some();
            if !stood {
                self.fault("clock stands still");
                self.clocks[node].stands_ms = Some(shown_ms);
            }
            self.tell(|| {
                format!("the clock of {node} {}", if stood { "goes on" } else { "stops" })
            });
        }
        self.set_clocks();
    }

    /// A node is away for days or years, and comes back then or later. What others have to do
    /// without it they do in the first minute.
    pub fn be_away(&mut self, node: usize, chance: &mut Random) {
        let days = chance.pick(&AWAY_DAYS);
        self.kill(node);
        self.fault("away for long");
        self.tell(|| format!("{node} is away for {days} days"));
        self.users_finish();
        self.run_for(60_000);
        self.pass(days * DAY_MS);
        if chance.chance(500) {
            self.start(node);
        }
    }
}
