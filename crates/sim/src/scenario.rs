//! One run: what happens in a world of this kind, and how it must end.
//!
//! First safety (users, cuts, kills, checked all the time), then everything is healed and nobody
//! touches anything, then liveness (it comes to rest, everywhere the same). Called by `main` and by
//! the tests.

use crate::checkers;
use crate::net::Lane;
use crate::random::Random;
use crate::swarm::{Counts, Options, Plan};
use crate::trail::Trail;
use crate::world::people::Policy;
use crate::world::World;
use engine::limits::{MEMBER_EXPIRY_MS, RETIRE_EVERY_MS};
use engine::proof;
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// What a run showed.
#[derive(Debug, Default)]
pub struct Run {
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// What happened, if it was asked for.
    pub story: Vec<String>,
    /// What users did.
    pub operations: u64,
    /// What went wrong on purpose, by kind.
    pub faults: Counts,
    /// Milliseconds that passed in it.
    pub passed_ms: u64,
    /// The most turns of one node, and the most of one in a millisecond.
    pub turns: (u64, u64),
    /// Rare lines that it came by, and how often.
    pub marks: Counts,
    /// A hash of each step, if it was asked for.
    pub trail: Option<Trail>,
}

/// Streams of chance from here on belong to the parts of the script, by their number.
const PARTS: u64 = 1 << 32;
/// How many users can do something in one step of the script.
pub const CROWD_MAX: usize = 8;
/// What a step of the script has: users, then a pause, then something that goes wrong.
pub const PARTS_PER_STEP: usize = CROWD_MAX + 2;
/// Users who come in between two calls are numbered from here, as parts of the script.
pub const INTERRUPTIONS: usize = 100_000;
/// How many of them there are at most.
pub const INTERRUPTIONS_MAX: usize = 200;
/// Refused calls have the numbers from here on.
pub const REFUSALS: usize = 200_000;
/// Refused calls of one world.
pub const REFUSALS_MAX: usize = 200;

/// In so many of 1,000 steps one who is connected with one of two twins turns to the other.
const SWAPS: usize = 300;

/// How long a world goes on in which somebody lies.
const HEARS_LIES_MS: u64 = 60_000;

thread_local! {
    /// A checker that finds something panics; what it found is told in another way.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may panic, without the panic's words on the terminal.
fn in_silence<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                loud(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(false);
    done
}

fn words_of(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
    text.unwrap_or_else(|| "a panic without words".to_string())
}

/// Lives through one world.
pub fn run(plan: &Plan) -> Run {
    proof::break_rule(plan.mutant);
    proof::take_marks();
    let mut world = World::new(plan.seed, plan.options);
    world.town().story = plan.story.then(Vec::new);
    world.town().skip.clone_from(&plan.skip);
    world.trail = plan.trail.then(Trail::default);
    let lived = in_silence(|| live(&mut world, plan));
    let failed = lived.err().map(words_of);
    let mut town = world.town();
    let mut story = town.story.take().unwrap_or_default();
    // What somebody lied about has no place that could be described.
    if failed.is_some() && plan.story && plan.options.lies == 0 {
        for (node, machine) in world.nodes.iter().enumerate() {
            // It may have failed for the very reason that this is not told, either.
            let told = in_silence(|| checkers::describe(node, machine)).map_err(words_of);
            let untold = |why| vec![format!("{node} cannot be described: {why}")];
            story.extend(told.unwrap_or_else(untold));
        }
    }
    let (operations, faults) = (town.operations, std::mem::take(&mut town.faults));
    drop(town);
    let turns = world.most_turns();
    proof::break_rule(None);
    let (passed_ms, marks) = (world.now_ms, proof::take_marks().into());
    let trail = world.trail.take();
    Run { failed, story, operations, faults, passed_ms, turns, marks, trail }
}

fn live(world: &mut World, plan: &Plan) {
    begin(world, plan);
    let links: Vec<_> = world.linked().into_iter().collect();
    if plan.options.meets > 0 {
        world.run_for(200);
    }
    world.town().permille = plan.options.between;
    for step in 0..plan.options.steps {
        for part in 0..PARTS_PER_STEP {
            let number = step * PARTS_PER_STEP + part;
            let chance = Random::new(plan.seed, PARTS + number as u64);
            world.draw_from(&chance);
            if !plan.skip.contains(&number) {
                happen(world, part, chance, &links);
            }
        }
    }
    world.draw_from(&Random::new(plan.seed, 1));
    heal(world, &links);
    if plan.options.lies > 0 {
        // What a member may say is believed, so that nobody has to agree in the end.
        world.run_for(HEARS_LIES_MS);
        return check(world);
    }
    world.run_to_rest();
    if plan.options.misses > 0 || world.has_refused() {
        world.pass_an_hour();
        world.run_to_rest();
    }
    check(world);
    checkers::at_rest(world);
    checkers::no_echo(world);
    checkers::at_rest(world);
    for (node, beside) in world.bystanders.iter().enumerate() {
        beside.at_rest(node, &world.nodes[node]);
    }
}

/// One part of the script. Its chance is its own: leaving out another changes nothing in it.
fn happen(world: &mut World, part: usize, mut chance: Random, links: &[(usize, usize)]) {
    match part {
        0..CROWD_MAX if part < world.options.crowd => {
            let node = chance.below(world.nodes.len());
            world.user(node);
        }
        0..CROWD_MAX => {}
        CROWD_MAX => {
            let pause_ms = chance.pick(&[0, 1, 5, 20, 100]);
            world.run_for(pause_ms);
            check(world);
        }
        _ => {
            disturb(world, &mut chance, links);
            operate(world, &mut chance);
        }
    }
}

/// Users may have been there before the program; nodes start in any order.
fn begin(world: &mut World, plan: &Plan) {
    let Options { nodes, before, chain, late, .. } = plan.options;
    let mut chance = Random::new(plan.seed, 0);
    for node in 0..nodes {
        for _ in 0..chance.below(before.max(1)) {
            world.user(node);
        }
    }
    let first = chance.below(nodes);
    for node in (0..nodes).map(|place| (first + place) % nodes) {
        if late > 0 && node == nodes - 1 {
            world.fault("joins late");
        } else {
            world.start(node);
        }
    }
    for a in 0..nodes {
        for b in a + 1..nodes {
            world.set_link(a, b, chain == 0 || b == a + 1);
        }
    }
}

fn disturb(world: &mut World, chance: &mut Random, links: &[(usize, usize)]) {
    let Options { kills, power, rollback, away, late, apart, .. } = world.options;
    disturb_links(world, chance, links);
    disturb_disks(world, chance);
    disturb_machines(world, chance);
    world.disturb_clocks(chance);
    if chance.chance(away) {
        let node = chance.below(world.nodes.len());
        world.be_away(node, chance);
    }
    let last = world.nodes.len() - 1;
    if late > 0 && !world.is_running(last) && chance.chance(100) {
        world.start(last);
    }
    if chance.chance(power) {
        let node = chance.below(world.nodes.len());
        world.lose_power(node);
    }
    if chance.chance(rollback) {
        let node = chance.below(world.nodes.len());
        world.put_back(node);
    }
    if chance.chance(apart) {
        be_apart(world, chance);
    }
    if chance.chance(kills) {
        let node = chance.below(world.nodes.len());
        if !world.is_running(node) {
            world.start(node);
            return;
        }
        match chance.below(5) {
            0 => world.kill(node),
            1 => world.stop(node),
            2 => world.doom_at_commit(node),
            _ => world.doom(node, u32::try_from(1 + chance.below(150)).expect("small")),
        }
    }
}

/// A disk, or a whole machine, is put back to an older copy; or a machine leaves for good.
fn disturb_machines(world: &mut World, chance: &mut Random) {
    let Options { volumes, leaves, twins, .. } = world.options;
    let Options { jumps, stops, misses, nodes, chain, late, power, .. } = world.options;
    // What is of an older copy is told by its times, and by what had been seen.
    if jumps + stops + misses == 0 && chance.chance(volumes) {
        let node = chance.below(world.nodes.len());
        if world.gone != Some(node) {
            world.put_back_disk(node, chance);
        }
    }
    // What a power loss took is waited for while anybody who ever wrote here may have it (0007).
    if nodes > 2 && chain + late + power == 0 && chance.chance(leaves) {
        world.leave();
    }
    if nodes > 2 && chain + late + leaves == 0 && chance.chance(twins) {
        let node = chance.below(world.nodes.len());
        world.twin(node, chance);
    }
    if world.has_twins() && chance.chance(SWAPS) {
        world.swap_twins(chance);
    }
}

/// What operators do about conflicts.
fn operate(world: &mut World, chance: &mut Random) {
    let Options { policies, verdicts, .. } = world.options;
    if policies > 0 && chance.chance(policies) {
        let prefer = chance.below(world.nodes.len() + 1).checked_sub(1);
        world.set_policy(Policy { beside: chance.chance(500), prefer }, chance);
    }
    if verdicts > 0 && chance.chance(verdicts) {
        let node = chance.below(world.nodes.len());
        world.decide(node, chance);
    }
}

/// Things in a tree are locked, and roots go away; or that is over.
fn disturb_disks(world: &mut World, chance: &mut Random) {
    let Options { locks, unmounts, .. } = world.options;
    if chance.chance(locks) {
        let node = chance.below(world.nodes.len());
        world.lock(node, chance);
    }
    if chance.chance(unmounts) {
        let node = chance.below(world.nodes.len());
        world.unmount(node, chance);
    }
}

fn disturb_links(world: &mut World, chance: &mut Random, links: &[(usize, usize)]) {
    let Options { cuts, late_cuts, stalls, one_way, .. } = world.options;
    if chance.chance(cuts) {
        let (a, b) = chance.pick(links);
        match (chance.chance(500), chance.chance(late_cuts)) {
            (false, true) => world.cut_late(a, b),
            (up, _) => world.set_link(a, b, up),
        }
    }
    for (permille, is_whole) in [(stalls, false), (one_way, true)] {
        if chance.chance(permille) {
            let (a, b) = chance.pick(links);
            let (from, to) = if chance.chance(500) { (a, b) } else { (b, a) };
            let lane = if chance.chance(500) { Lane::Control } else { Lane::Data };
            world.stall(from, to, (!is_whole).then_some(lane), chance);
        }
    }
}

/// A node is out of reach, its program running or not, until nobody waits for it any more; users go
/// on everywhere.
fn be_apart(world: &mut World, chance: &mut Random) {
    let away = chance.below(world.nodes.len());
    world.tell(|| format!("{away} is out of reach"));
    world.town().faults.add("out of reach for long");
    let links: Vec<_> =
        world.linked().into_iter().filter(|&(a, b)| a == away || b == away).collect();
    links.iter().for_each(|&(a, b)| world.set_link(a, b, false));
    if chance.chance(300) {
        world.stop(away);
    }
    for _ in 0..chance.below(8) {
        let node = chance.below(world.nodes.len());
        world.user(node);
        world.run_for(chance.pick(&[1, 20, 100]));
    }
    world.pass(MEMBER_EXPIRY_MS);
    world.allow_turns();
    world.run_for(2 * RETIRE_EVERY_MS);
    world.allow_turns();
    links.iter().for_each(|&(a, b)| world.set_link(a, b, true));
}

/// Users end what they have begun, operators mend what has stopped, everybody runs, links are up.
fn heal(world: &mut World, links: &[(usize, usize)]) {
    world.town().permille = 0;
    world.pardon();
    world.heal_disks();
    world.users_finish();
    for node in 0..world.nodes.len() {
        world.mend_root(node);
        if !world.is_running(node) {
            world.start(node);
        }
        world.hear_policy(node);
    }
    for &(a, b) in links {
        world.set_link(a, b, true);
    }
    world.remove_gone();
    world.tell(|| "all is healed".to_string());
    world.part_twins();
}

fn check(world: &World) {
    let town = world.town();
    for (node, machine) in world.nodes.iter().enumerate() {
        checkers::always(node, machine, &town.census);
    }
    for (node, beside) in world.bystanders.iter().enumerate() {
        beside.always(node, &world.nodes[node]);
    }
}
