//! What becomes of conflicts in whole worlds: losers beside their winners, a node that is
//! preferred, policies that change, operators who keep and drop. The checkers do the work; here it
//! is seen that there was some.

use sim::scenario::run;
use sim::swarm::{Counts, Plan};

/// Worlds of each kind; more with SEEDS=N, for figures.
const SEEDS: u64 = 60;

/// Runs seeds with these options; the rare lines that they came by, and what operators did.
fn seen(words: &str) -> Counts {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let mut seen = Counts::default();
    for seed in 0..seeds {
        let run = run(&Plan::of(seed).with(words).expect("options that there are"));
        assert_eq!(run.failed, None, "seed {seed} {words}");
        seen.merge(&run.marks);
    }
    println!("{seeds} seeds of {words}: {seen}");
    seen
}

#[test]
fn losers_stand_beside_their_winners_each_once_and_the_same_everywhere() {
    let seen = seen("beside=1 policies=0 verdicts=0 reuse=0");
    assert!(seen.of("a loser stands beside its winner") > 10);
}

#[test]
fn policies_change_while_there_are_conflicts() {
    let seen = seen("policies=150 verdicts=0");
    assert!(seen.of("a loser stands beside its winner") > 5);
}

#[test]
fn operators_keep_and_drop_losers_while_others_go_on() {
    for words in ["verdicts=400 beside=0 policies=0", "verdicts=400 policies=100"] {
        let seen = seen(words);
        assert!(seen.of("a loser was kept by a person") > 0);
        assert!(seen.of("a loser was dropped by a person") > 0);
    }
}
