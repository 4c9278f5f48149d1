//! How often programs have turned: one that goes round and round never comes to rest, and a world
//! has to end whatever its programs do. Used by `world`.

use super::World;
use crate::checkers;

/// More turns than a node of any world needs before a node is out of reach for long (`apart`), from
/// one such time to the next, and after the last: each time programs run for 20 minutes, and what a
/// disk refuses is tried each five seconds, with two or three turns. 12,639 were seen in all.
const TURNS_MAX: u64 = 16_000;
/// More turns than a node of any world needs in one millisecond, but for one with each message
/// that it hears: a lane that stood still for long brings all at once, however much that is. Each
/// message has a delay of its own, so that nothing goes round through the network without time
/// passing. 11 were seen.
const AT_ONCE_MAX: u64 = 60;

/// The turns of one node's programs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    all: u64,
    /// Until a node was out of reach for long the last time.
    before: u64,
    /// In the millisecond of the last turn or message.
    at_once: u64,
    heard: u64,
    last_ms: u64,
    at_once_most: u64,
}

impl Turns {
    fn at(&mut self, now_ms: u64) -> &mut Turns {
        if self.last_ms != now_ms {
            (self.at_once, self.heard, self.last_ms) = (0, 0, now_ms);
        }
        self
    }
}

impl World {
    /// A message comes to a node.
    pub(super) fn count_message(&mut self, node: usize) {
        self.turns[node].at(self.now_ms).heard += 1;
    }

    /// One more turn of a node; not without end.
    pub(super) fn count_turn(&mut self, node: usize) {
        let turns = self.turns[node].at(self.now_ms);
        turns.at_once += 1;
        turns.all += 1;
        let by_itself = turns.at_once.saturating_sub(turns.heard);
        turns.at_once_most = turns.at_once_most.max(by_itself);
        let why = match (turns.all - turns.before < TURNS_MAX, by_itself < AT_ONCE_MAX) {
            (true, true) => return,
            (_, false) => "goes round and no time passes",
            (false, _) => "never comes to rest",
        };
        panic!("{node} {why}{}", checkers::unrest(self));
    }

    /// A node is out of reach for long, and programs run: they turn as often as in a world.
    pub fn allow_turns(&mut self) {
        self.turns.iter_mut().for_each(|turns| turns.before = turns.all);
    }

    /// The most turns of one node, and the most of one in a millisecond but for what it hears.
    pub fn most_turns(&self) -> (u64, u64) {
        let most = |turns: fn(&Turns) -> u64| self.turns.iter().map(turns).max().unwrap_or(0);
        (most(|turns| turns.all), most(|turns| turns.at_once_most))
    }
}

#[cfg(test)]
mod tests {
    use super::{World, AT_ONCE_MAX, TURNS_MAX};
    use crate::swarm::Options;

    fn world() -> World {
        World::new(1, Options { nodes: 1, ..Options::STILL })
    }

    // Story (simulator, seed 36369): a lane stood still for half a minute and then brought more
    // messages in one millisecond than a program was thought to need turns.
    #[test]
    fn what_a_lane_that_stood_still_brings_at_once_is_not_going_round() {
        let mut world = world();
        for _ in 0..4 * AT_ONCE_MAX {
            world.count_message(0);
            world.count_turn(0);
        }
    }

    // Story (seeds 36000 to 38999, with `apart`): what a disk refused was tried for 20 minutes,
    // five times over, and a world in which all went well came close to the bound.
    #[test]
    fn who_is_out_of_reach_again_and_again_has_turns_for_each_time() {
        let mut world = world();
        for now_ms in 0..2 * TURNS_MAX {
            world.now_ms = now_ms;
            if now_ms % (TURNS_MAX / 2) == 0 {
                world.allow_turns();
            }
            world.count_turn(0);
        }
    }

    #[test]
    #[should_panic(expected = "never comes to rest")]
    fn who_turns_on_and_on_never_comes_to_rest() {
        let mut world = world();
        for now_ms in 0..TURNS_MAX {
            world.now_ms = now_ms;
            world.count_turn(0);
        }
    }

    #[test]
    #[should_panic(expected = "goes round and no time passes")]
    fn who_turns_for_no_message_goes_round() {
        let mut world = world();
        for _ in 0..AT_ONCE_MAX {
            world.count_message(0);
            world.count_turn(0);
        }
        for _ in 0..AT_ONCE_MAX {
            world.count_turn(0);
        }
    }
}
