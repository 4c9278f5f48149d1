//! One run from one seed: what kind of world it is, what happens in it, and how it must end.
//!
//! First safety (users, cuts, kills, checked all the time), then everything is healed and nobody
//! touches anything, then liveness (it comes to rest, everywhere the same). Called by `main` and by
//! the tests.

use crate::checkers;
use crate::random::Random;
use crate::world::{Options, World};
use engine::proof::{self, Mutant};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// What a run showed.
#[derive(Debug, Default)]
pub struct Run {
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// What happened, if it was asked for.
    pub story: Vec<String>,
    /// User operations between two calls of a program.
    pub between: u64,
    /// Programs that died.
    pub kills: u64,
    /// Milliseconds that passed in it.
    pub passed_ms: u64,
    /// Turns of all programs, and the most in one millisecond.
    pub turns: (u64, u64),
    /// Rare lines that it came by, and how often.
    pub marks: BTreeMap<&'static str, u64>,
}

/// What a run is to hold besides what its seed says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Who is broken on purpose.
    pub mutant: Option<Mutant>,
    /// No user comes in between two calls of a program; the seed says the rest.
    pub calm: bool,
    /// Machines lose their power, too.
    pub power: bool,
    /// Indices are put back to older copies, too.
    pub rollback: bool,
    /// Users do not do what is known to go wrong; see [`crate::users::Town`].
    pub spares_known: bool,
    /// Whether the story is to be told.
    pub story: bool,
}

/// What the seed says of disturbances, in permille a user's turn.
#[derive(Clone, Copy, Debug)]
struct Weather {
    cuts: usize,
    kills: usize,
    power: usize,
    rollback: usize,
    users: usize,
}

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

/// Lives through the world of one seed.
pub fn run(seed: u64, wish: Wish) -> Run {
    proof::break_rule(wish.mutant);
    proof::take_marks();
    let mut random = Random::new(seed, 0);
    let options = Options {
        nodes: 2 + random.below(3),
        delay_ms: random.pick(&[3, 12, 60]),
        coarse: random.chance(250),
    };
    let mut weather = Weather {
        cuts: random.pick(&[0, 0, 100, 300]),
        kills: random.pick(&[0, 0, 80, 200]),
        power: if wish.power { 60 } else { 0 },
        rollback: if wish.rollback { 80 } else { 0 },
        users: random.pick(&[0, 5, 20, 60]),
    };
    if wish.calm {
        weather.users = 0;
    }
    let mut world = World::new(seed, options);
    {
        let mut town = world.town();
        town.reuse = random.pick(&[0, 0, 40]);
        town.spares_known = wish.spares_known;
        town.story = wish.story.then(Vec::new);
    }
    world.tell(|| format!("{options:?} {weather:?}"));
    let lived = in_silence(|| live(&mut world, &mut random, weather));
    let failed = lived.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
        text.unwrap_or_else(|| "a panic without words".to_string())
    });
    let mut town = world.town();
    let mut story = town.story.take().unwrap_or_default();
    if failed.is_some() && wish.story {
        let machines = world.nodes.iter().enumerate();
        story.extend(machines.flat_map(|(node, machine)| checkers::describe(node, machine)));
    }
    let between = town.between;
    drop(town);
    let turns = (world.turns, world.turns_at_once);
    proof::break_rule(None);
    let (kills, passed_ms, marks) = (world.kills, world.now_ms, proof::take_marks());
    Run { failed, story, between, kills, passed_ms, turns, marks }
}

fn live(world: &mut World, random: &mut Random, weather: Weather) {
    begin(world, random);
    let wanted: Vec<_> = world.linked().into_iter().collect();
    if random.chance(500) {
        world.run_for(200);
    }
    world.town().permille = weather.users;
    for _ in 0..5 + random.below(40) {
        let node = random.below(world.nodes.len());
        world.user(node);
        check(world);
        let pause_ms = random.pick(&[0, 1, 5, 20, 100]);
        world.run_for(pause_ms);
        check(world);
        disturb(world, random, weather, &wanted);
    }
    heal(world, &wanted);
    world.run_to_rest();
    check(world);
    checkers::at_rest(world);
    checkers::no_echo(world);
    checkers::at_rest(world);
}

/// Users may have been there before the program; nodes start in any order.
fn begin(world: &mut World, random: &mut Random) {
    let nodes = world.nodes.len();
    if random.chance(250) {
        for node in 0..nodes {
            for _ in 0..random.below(8) {
                world.user(node);
            }
        }
    }
    let is_chain = random.chance(200);
    let first = random.below(nodes);
    for place in 0..nodes {
        world.start((first + place) % nodes);
    }
    for a in 0..nodes {
        for b in a + 1..nodes {
            world.set_link(a, b, !is_chain || b == a + 1);
        }
    }
}

fn disturb(world: &mut World, random: &mut Random, weather: Weather, links: &[(usize, usize)]) {
    if random.chance(weather.cuts) {
        let (a, b) = random.pick(links);
        let up = random.chance(500);
        world.set_link(a, b, up);
    }
    if weather.power > 0 && random.chance(weather.power) {
        let node = random.below(world.nodes.len());
        world.lose_power(node);
    }
    if weather.rollback > 0 && random.chance(weather.rollback) {
        let node = random.below(world.nodes.len());
        world.put_back(node);
    }
    if random.chance(weather.kills) {
        let node = random.below(world.nodes.len());
        if !world.is_running(node) {
            world.start(node);
            return;
        }
        match random.below(5) {
            0 => world.kill(node),
            1 => world.stop(node),
            2 => world.doom_at_commit(node),
            _ => world.doom(node, u32::try_from(1 + random.below(150)).expect("small")),
        }
    }
}

/// Users end what they have begun, everybody runs, all links are up.
fn heal(world: &mut World, links: &[(usize, usize)]) {
    world.town().permille = 0;
    world.pardon();
    world.users_finish();
    for node in 0..world.nodes.len() {
        if !world.is_running(node) {
            world.start(node);
        }
    }
    for &(a, b) in links {
        world.set_link(a, b, true);
    }
    world.tell(|| "all is healed".to_string());
}

fn check(world: &World) {
    let town = world.town();
    for (node, machine) in world.nodes.iter().enumerate() {
        checkers::always(node, machine, &town.census);
    }
}
