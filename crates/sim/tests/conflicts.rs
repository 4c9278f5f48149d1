//! What becomes of conflicts in whole worlds: losers beside their winners, a node that is
//! preferred, policies that change, operators who keep and drop. The checkers do the work; here it
//! is seen that there was some.

use sim::scenario::run;
use sim::swarm::Plan;
use std::collections::BTreeMap;

/// Worlds of each kind; more with SEEDS=N, for figures.
const SEEDS: u64 = 60;

/// Runs seeds with these options; the rare lines that they came by, and what operators did.
fn seen(words: &str) -> BTreeMap<&'static str, u64> {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let mut seen = BTreeMap::new();
    for seed in 0..seeds {
        let run = run(&Plan::of(seed).with(words).expect("options that there are"));
        assert_eq!(run.failed, None, "seed {seed} {words}");
        for (mark, count) in run.marks {
            *seen.entry(mark).or_default() += count;
        }
    }
    println!("{seeds} seeds of {words}: {seen:?}");
    seen
}

#[test]
fn losers_stand_beside_their_winners_each_once_and_the_same_everywhere() {
    let seen = seen("beside=1 policies=0 verdicts=0 reuse=0");
    assert!(seen.get("a loser stands beside its winner").is_some_and(|count| *count > 10));
}

#[test]
fn policies_change_while_there_are_conflicts() {
    let seen = seen("policies=150 verdicts=0");
    assert!(seen.get("a loser stands beside its winner").is_some_and(|count| *count > 5));
}

#[test]
fn operators_keep_and_drop_losers_while_others_go_on() {
    for words in ["verdicts=400 beside=0 policies=0", "verdicts=400 policies=100"] {
        let seen = seen(words);
        assert!(seen.get("a loser was kept by a person").is_some_and(|count| *count > 0));
        assert!(seen.get("a loser was dropped by a person").is_some_and(|count| *count > 0));
    }
}
