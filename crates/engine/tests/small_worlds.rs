//! Whole folders in small: two to four engines on toy disks, with users, cuts, kills and joins, all
//! from one seed; and when it is quiet, everything must be equal everywhere and nothing lost.
//!
//! Not the simulator (`crates/sim`): the disk here is a toy that follows the contracts of
//! `engine::observe` and `engine::plan` to the letter, so what fails here is the engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod small_worlds {
    pub mod alphabet;
    pub mod check;
    pub mod disk;
    pub mod exhaustive;
    pub mod hands;
    pub mod lived;
    pub mod quiet;
    #[path = "../model/random.rs"]
    pub mod random;
    pub mod users;
    pub mod world;
}

use small_worlds::check;
use small_worlds::exhaustive::{Search, Start};
use small_worlds::lived::lived;
use small_worlds::world::World;

/// Everything that happens in the world of one seed.
fn live(world: &mut World, seed: u64) {
    let nodes = world.nodes.len();
    let chain = seed.is_multiple_of(5);
    world.refusals = if seed.is_multiple_of(3) { 10 } else { 0 };
    world.oracle.reuse = if seed.is_multiple_of(2) { 40 } else { 0 };
    let prefilled = seed % 4 == 1;
    if prefilled {
        for node in 0..nodes {
            for _ in 0..world.random.below(6) {
                world.user(node);
            }
        }
    }
    let mut order: Vec<usize> = (0..nodes).collect();
    world.random.shuffle(&mut order);
    for node in order {
        world.start(node, false);
    }
    for a in 0..nodes {
        for b in a + 1..nodes {
            world.set_link(a, b, !chain || b == a + 1);
        }
    }
    let wanted = world.linked();
    if seed.is_multiple_of(2) {
        world.run_for(200);
    }
    let operations = 3 + world.random.below(25);
    for _ in 0..operations {
        let node = world.random.below(nodes);
        world.user(node);
        let pause = [0, 1, 5, 20, 100][world.random.below(5)];
        world.run_for(pause);
        check::honest(world);
        disturb(world, seed, &wanted.iter().copied().collect::<Vec<_>>());
    }
    for node in 0..nodes {
        if world.nodes[node].engine.is_none() {
            world.start(node, false);
        }
    }
    for (a, b) in wanted {
        world.set_link(a, b, true);
    }
    world.run_to_rest();
    check::at_rest(world);
    check::no_echo(world);
    check::at_rest(world);
}

fn disturb(world: &mut World, seed: u64, links: &[(usize, usize)]) {
    let nodes = world.nodes.len();
    if seed % 7 < 4 && world.random.chance(20) {
        let (a, b) = world.random.pick(links);
        let up = world.random.chance(50);
        world.set_link(a, b, up);
    }
    if seed % 3 == 1 && world.random.chance(15) {
        let node = world.random.below(nodes);
        if world.nodes[node].engine.is_none() {
            world.start(node, false);
        } else if world.random.chance(50) {
            world.kill(node);
        } else {
            world.stop(node);
        }
    }
}

fn world_of(seed: u64, story: bool) -> Result<(), Vec<String>> {
    let mut world = World::new(2 + (seed % 11 % 3) as usize, seed);
    world.story = story.then(Vec::new);
    let lived = lived(|| live(&mut world, seed));
    lived.map_err(|why| {
        let mut lines = world.story.take().unwrap_or_default();
        lines.push(why);
        lines
    })
}

/// What a person at a terminal asks of a run.
#[expect(clippy::disallowed_methods, reason = "the test is asked by hand, the engine is not")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Seeds `from..to`; the environment widens the range for a long run by hand.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| asked(name).and_then(|text| text.parse().ok());
    let from = number("SMALL_WORLDS_FROM").unwrap_or(0);
    from..number("SMALL_WORLDS_TO").unwrap_or(from + default)
}

#[test]
fn small_worlds_end_equal_with_nothing_lost() {
    let mut failed = Vec::new();
    for seed in seeds(1_000) {
        if let Err(lines) = world_of(seed, false) {
            let why = lines.last().cloned().unwrap_or_default();
            failed.push((seed, why));
        }
    }
    let about = asked("SMALL_WORLDS_ABOUT").unwrap_or_default();
    let number = failed.len();
    failed.retain(|(_, why)| why.contains(&about));
    let stories = failed.iter().take(60);
    let stories = stories.filter_map(|(seed, _)| Some((seed, world_of(*seed, true).err()?)));
    let shortest = stories.min_by_key(|(_, lines)| lines.len());
    for (seed, why) in failed.iter().take(40) {
        println!("seed {seed}: {}", why.chars().take(300).collect::<String>());
    }
    if let Some((seed, lines)) = shortest {
        panic!("{number} of the seeds fail; the story of {seed}:\n{}", lines.join("\n"));
    }
}

/// The shorter ones first: what is told of is as short as can be.
fn all_end_well(nodes: usize, start: Start, length: usize) {
    let length = asked("SMALL_WORLDS_LETTERS").and_then(|text| text.parse().ok()).unwrap_or(length);
    for length in 1..=length {
        let search = Search::all(nodes, start, length);
        println!("{} worlds of {nodes} nodes from {start:?}, {length} letters", search.worlds);
        search.assert_good(nodes);
    }
}

#[test]
fn all_histories_of_two_nodes_from_nothing_end_well() {
    all_end_well(2, Start::Nothing, 3);
}

#[test]
fn all_histories_of_two_nodes_from_a_file_end_well() {
    all_end_well(2, Start::File, 3);
}

#[test]
fn all_histories_of_two_nodes_from_a_file_and_a_directory_end_well() {
    all_end_well(2, Start::Both, 3);
}

#[test]
fn all_histories_of_two_nodes_from_a_file_of_two_names_end_well() {
    all_end_well(2, Start::Names, 3);
}

#[test]
fn all_histories_of_three_nodes_from_nothing_end_well() {
    all_end_well(3, Start::Nothing, 2);
}

#[test]
fn all_histories_of_three_nodes_from_a_file_end_well() {
    all_end_well(3, Start::File, 2);
}

/// Rules that two letters are enough to see broken: a search that passes these passes anything.
#[cfg(feature = "proof")]
#[test]
fn rules_that_are_broken_are_seen_in_histories_of_two_letters() {
    use engine::proof::{break_rule, Mutant};
    let of_files = [
        Mutant::JoinRevives,
        Mutant::JoinKeepsOld,
        Mutant::JoinDropsUnseen,
        Mutant::EditSupersedesAll,
        Mutant::DeleteSupersedesAll,
        Mutant::NoReassert,
        Mutant::MoveLeavesContent,
        Mutant::LosersForgotten,
    ];
    let of_names = [Mutant::NamesLeftOut, Mutant::NamesAreCopies];
    let of_files = of_files.map(|mutant| (mutant, Start::File));
    for (mutant, start) in of_files.into_iter().chain(of_names.map(|m| (m, Start::Names))) {
        break_rule(Some(mutant));
        let ended = lived(|| assert!(Search::all(2, start, 2).bad.is_empty()));
        break_rule(None);
        assert!(ended.is_err(), "{mutant:?} goes unnoticed");
    }
}
