//! Some seeds in each test run, and the proof that the checkers see: each mutant must be caught.
//!
//! More seeds: `cargo sim --minutes 5`.

use engine::proof::Mutant;
use sim::scenario::{run, Run};
use sim::swarm::Plan;

#[test]
fn clusters_agree_in_the_end_and_lose_nothing() {
    let failed = (0..60).map(Plan::of).find(|plan| run(plan).failed.is_some());
    if let Some(plan) = failed {
        let Run { story, failed, .. } = run(&Plan { story: true, ..plan.clone() });
        panic!("{plan}:\n{}\n{}", story.join("\n"), failed.unwrap_or_default());
    }
}

/// Caught means: fails where the same seed passes without the mutant.
#[test]
fn every_mutant_is_caught() {
    for &mutant in Mutant::ALL {
        let words = shows_where(mutant);
        let catches = |seed: &u64| {
            let plan = Plan::of(*seed).with(words).expect("an option");
            let mutated = run(&Plan { mutant: Some(mutant), ..plan.clone() });
            mutated.failed.is_some() && run(&plan).failed.is_none()
        };
        let caught = (0..400).find(catches);
        assert!(caught.is_some(), "{mutant:?} goes unnoticed");
    }
}

/// Some show only where programs die, some where a node is out of reach for long.
fn shows_where(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::NoFull
        | Mutant::ClaimBeforeCompared
        | Mutant::RetireByAge
        | Mutant::RetireUnderChildren => "apart=60 lies=0 rollback=0",
        Mutant::TrustsTheNextSync => "eio=500 power=200 kills=0 rollback=0",
        _ => "kills=200",
    }
}

/// Nothing that a run does hangs on anything but its plan: not on addresses, not on hashing, not on
/// the machine it runs on.
#[test]
fn a_plan_leaves_the_same_trail_every_time() {
    let mut steps = 0;
    for seed in 0..6 {
        let plan = Plan { trail: true, story: true, ..Plan::of(seed) };
        let (first, second) = (run(&plan), run(&plan));
        let (trail, again) = (first.trail.expect("asked for"), second.trail.expect("asked for"));
        steps += trail.len();
        assert_eq!(trail.first_difference(&again), None, "{plan}");
        assert_eq!(first.story, second.story, "{plan}");
    }
    assert!(steps > 1000, "only {steps} steps were compared");
}
