//! A world in which nothing is left to be done does nothing: also while it is cut in two, or some
//! nodes are off, and something cannot be had.

use super::world::World;

/// Long enough for every pause to be as long as it ever gets.
const SETTLED_MS: u64 = 2 * 3600 * 1000;
/// For so long it is watched.
const HOUR_MS: u64 = 3600 * 1000;
/// Turns of one node in that time that are no work yet: it asks whether deletions can be forgotten,
/// and looks for what it could not get.
const TURNS_MAX: u64 = 60;

/// However the world is cut, its nodes come to rest.
pub fn at_last(world: &mut World) {
    world.run_for(SETTLED_MS);
    let (turns, frames, contents) = (world.turns, world.frames, world.contents);
    world.run_for(HOUR_MS);
    let turns = (world.turns - turns) / world.nodes.len() as u64;
    assert!(turns <= TURNS_MAX, "{turns} turns of each node in an hour of rest");
    assert_eq!(frames, world.frames, "entries are told in an hour of rest");
    assert_eq!(contents, world.contents, "contents are sent in an hour of rest");
}
