//! Some seeds in each test run.
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

/// With the rule broken that a name has one thing, describing how all stood failed, too.
#[test]
fn the_story_of_two_things_at_one_name_is_told_to_its_end() {
    let broken = |seed| Plan { mutant: Some(Mutant::NamesCollide), story: true, ..Plan::of(seed) };
    let both = |line: &String| line.contains("wanted [(") && line.contains("), (");
    let mut runs = (0..20).map(|seed| run(&broken(seed)));
    let told = runs.find(|run| run.failed.is_some() && run.story.iter().any(both));
    assert!(told.is_some(), "no story of 20 names both");
}
