//! The executable model of the replication core, with its known-bad variants.
//!
//! An independent specification: it shares no code with the engine. Each world is a handful of nodes
//! and users under one seed; at the end nothing may be lost, and all must show the same. Every rule
//! that can be left out has a variant that leaves it out, and a test that this is noticed. The
//! figures are printed: `cargo test -p engine --test model -- --nocapture`.

mod model {
    pub mod exchange;
    pub mod frames;
    pub mod random;
    pub mod state;
    pub mod tree;
    pub mod users;
    pub mod world;
}

use model::tree::Mode;
use model::world::{Mutant, Options, Outcome, Transport, World};

/// Worlds of a healthy variant.
const HEALTHY_SEEDS: u64 = 2_000;
/// Worlds of an exchange by frames, where the holes are rarer.
const FRAME_SEEDS: u64 = 5_000;

const STORE: Options = Options {
    mode: Mode::Store,
    transport: Transport::Whole,
    mutant: Mutant::None,
    collect: true,
    rollback: true,
    ordered: false,
};
const BESIDE: Options = Options { mode: Mode::Beside, ..STORE };
const PARTS: Options = Options { transport: Transport::Parts, ..STORE };
const FRAMES: Options = Options { transport: Transport::Frames, collect: false, ..STORE };
const ORDERED: Options = Options { ordered: true, ..FRAMES };

fn run(name: &str, seeds: u64, options: Options) -> (Outcome, Option<u64>) {
    let (mut sum, mut first) = (Outcome::default(), None);
    for seed in 0..seeds {
        let outcome = World::outcome(seed, options);
        sum.add(outcome);
        first = first.or((!outcome.is_clean()).then_some(seed));
    }
    println!("{name}, {:?}, {seeds} seeds: {sum:?}, first bad seed {first:?}", options.mutant);
    (sum, first)
}

fn assert_clean(name: &str, seeds: u64, options: Options) -> Outcome {
    let (sum, first) = run(name, seeds, options);
    assert_eq!(first, None, "{name}: {sum:?}");
    assert!(sum.maximal as u64 > seeds, "{name} hardly wrote anything: {sum:?}");
    sum
}

/// The variant must be noticed within `seeds` worlds that are clean without it.
fn assert_caught(name: &str, seeds: u64, options: Options, mutant: Mutant) -> Outcome {
    assert_clean(name, seeds, Options { mutant: Mutant::None, ..options });
    let (sum, first) = run(name, seeds, Options { mutant, ..options });
    assert!(first.is_some(), "{name}: {mutant:?} was not noticed in {seeds} seeds");
    sum
}

#[test]
fn store_mode_loses_nothing_and_converges() {
    assert_clean("store, whole", HEALTHY_SEEDS, STORE);
    assert_clean("store, parts", HEALTHY_SEEDS, PARTS);
}

#[test]
fn beside_mode_loses_nothing_and_converges() {
    assert_clean("beside, whole", HEALTHY_SEEDS, BESIDE);
    let parts = Options { transport: Transport::Parts, ..BESIDE };
    assert_clean("beside, parts", HEALTHY_SEEDS, parts);
}

#[test]
fn frames_alone_lose_nothing_and_converge() {
    assert_clean("frames in any order", FRAME_SEEDS, FRAMES);
    assert_clean("frames in order", FRAME_SEEDS, ORDERED);
}

#[test]
fn contexts_are_gone_when_all_is_quiet_and_no_node_was_restored() {
    let quiet = Options { rollback: false, ..FRAMES };
    let sum = assert_clean("frames, no restore", HEALTHY_SEEDS, quiet);
    assert_eq!(sum.contexts, 0);
}

#[test]
fn a_reused_incarnation_is_caught() {
    let sum = assert_caught("store, whole", 300, STORE, Mutant::ReuseIncarnation);
    assert!(sum.lost > 0);
    let sum = assert_caught("frames", 300, FRAMES, Mutant::ReuseIncarnation);
    assert!(sum.lost > 0);
}

#[test]
fn claiming_a_prefix_is_caught() {
    let sum = assert_caught("store, parts", 100, PARTS, Mutant::ClaimPrefix);
    assert!(sum.lost > 0);
}

#[test]
fn splitting_a_shared_dot_over_frames_is_caught() {
    let parts = Options { transport: Transport::Parts, ..BESIDE };
    let sum = assert_caught("beside, parts", 200, parts, Mutant::SplitFrames);
    assert!(sum.lost > 0);
}

#[test]
fn an_edit_that_does_not_write_its_location_again_is_caught() {
    let sum = assert_caught("store, whole", 100, STORE, Mutant::EditKeepsLocation);
    assert!(sum.lost > 0);
    let sum = assert_caught("beside, whole", 100, BESIDE, Mutant::EditKeepsLocation);
    assert!(sum.lost > 0);
}

#[test]
fn dropping_tombstones_by_age_is_caught() {
    let sum = assert_caught("frames", 50, FRAMES, Mutant::AgedTombstones);
    assert!(sum.diverged > 0 && sum.stale + sum.invented > 0);
}

#[test]
fn frames_without_contexts_leave_stuck_siblings_and_resurrect_deletes() {
    for (name, options) in [("frames in any order", FRAMES), ("frames in order", ORDERED)] {
        let sum = assert_caught(name, 200, options, Mutant::NoContexts);
        assert!(sum.diverged > 0 && sum.invented > 0 && sum.stale > 0);
    }
}

#[test]
fn passing_an_entry_on_without_its_context_is_caught() {
    let sum = assert_caught("frames", 500, FRAMES, Mutant::ContextNotForwarded);
    assert!(sum.diverged > 0);
}

#[test]
fn a_context_older_than_the_registers_is_caught() {
    let sum = assert_caught("frames", 1_000, FRAMES, Mutant::ContextOfWalkStart);
    assert!(sum.diverged > 0);
}

#[test]
fn losing_contexts_in_a_crash_is_caught_and_loses_no_version() {
    let sum = assert_caught("frames", 1_000, FRAMES, Mutant::ContextLostInCrash);
    assert!(sum.diverged > 0);
    assert_eq!(sum.lost, 0);
}

#[test]
fn claiming_at_the_end_of_a_walk_is_caught() {
    let sum = assert_caught("frames", 50, FRAMES, Mutant::ClaimAtWalkEnd);
    assert!(sum.lost > 0);
}
