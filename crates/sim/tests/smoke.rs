//! Some seeds in each test run, and the proof that the checkers see: each mutant must be caught.
//!
//! More seeds: `cargo sim --minutes 5`.

use engine::proof::Mutant;
use sim::scenario::{run, Run, Wish};

#[test]
fn clusters_agree_in_the_end_and_lose_nothing() {
    let wish = Wish::default();
    let failed = (0..60).find(|seed| run(*seed, wish).failed.is_some());
    if let Some(seed) = failed {
        let Run { story, failed, .. } = run(seed, Wish { story: true, ..wish });
        panic!("seed {seed}:\n{}\n{}", story.join("\n"), failed.unwrap_or_default());
    }
}

/// Caught means: fails where the same seed passes without the mutant.
#[test]
fn every_mutant_is_caught() {
    for &mutant in Mutant::ALL {
        let catches = |seed: &u64| {
            let mutated = run(*seed, Wish { mutant: Some(mutant), ..Wish::default() });
            mutated.failed.is_some() && run(*seed, Wish::default()).failed.is_none()
        };
        let caught = (0..400).find(catches);
        assert!(caught.is_some(), "{mutant:?} goes unnoticed");
    }
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let wish = Wish { story: true, ..Wish::default() };
    assert_eq!(run(3, wish).story, run(3, wish).story);
}
