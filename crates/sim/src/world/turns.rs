//! How often programs have turned: one that goes round and round never comes to rest, and a world
//! has to end whatever its programs do. Used by `world`.

use super::World;
use crate::checkers;

/// More turns than a node of any world needs.
const TURNS_MAX: u64 = 8_000;
/// More turns than a node of any world needs in one millisecond, but for what it hears from all. A
/// lane that stood still for seconds brings all at once: 120 were seen (seeds 3060 and 4259).
const AT_ONCE_MAX: u64 = 160;
/// How far all are is told at once by all of them, and comes to each over several links.
const AT_ONCE_EACH: u64 = 10;

/// The turns of one node's programs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    all: u64,
    /// In the millisecond of the last turn.
    at_once: u64,
    last_ms: u64,
    at_once_most: u64,
}

impl World {
    /// One more turn of a node; not without end.
    pub(super) fn count_turn(&mut self, node: usize) {
        let (now_ms, nodes) = (self.now_ms, self.nodes.len() as u64);
        let turns = &mut self.turns[node];
        turns.at_once = if turns.last_ms == now_ms { turns.at_once + 1 } else { 1 };
        turns.last_ms = now_ms;
        turns.at_once_most = turns.at_once_most.max(turns.at_once);
        turns.all += 1;
        let why = match (turns.all < TURNS_MAX, turns.at_once < AT_ONCE_MAX + nodes * AT_ONCE_EACH)
        {
            (true, true) => return,
            (_, false) => "goes round and no time passes",
            (false, _) => "never comes to rest",
        };
        panic!("{node} {why}{}", checkers::unrest(self));
    }

    /// The most turns of one node, and the most of one in a millisecond.
    pub fn most_turns(&self) -> (u64, u64) {
        let most = |turns: fn(&Turns) -> u64| self.turns.iter().map(turns).max().unwrap_or(0);
        (most(|turns| turns.all), most(|turns| turns.at_once_most))
    }
}
