//! Rare lines: worlds of chance come by every line that bears a mark, or the checkers that stand
//! over them prove nothing of it.

use sim::scenario::run;
use sim::swarm::Plan;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// So many seeds are run as they are drawn.
const DRAWN: u64 = 40;
/// So many are tried for a line that needs worlds of its own.
const TRIED_MAX: u64 = 200;

/// Lines that are too rare for so few seeds: in which worlds they are come by more often, and a
/// seed that did when this was written.
const RARE: &[(&str, &str, u64)] = &[
    ("a circle of directories is opened", "crowd=8", 35),
    ("a deletion of an earlier life is older than a move of this one", "rollback=200 before=8", 76),
    ("a file that conflicts again and again waits for quiet", "crowd=8 nodes=3", 9),
    ("a life ends at an opening", "rollback=80", 4),
    ("a loser beside its winner had been replaced", "beside=1", 4),
    ("a loser was kept by a person", "verdicts=100", 0),
    ("a name that was missing is there before that is told", "between=100", 4),
    ("a writer has what is to be replaced", "maps=200", 0),
    ("after a power loss it is not what was announced", "power=60", 1),
    ("an older copy holds what nobody has any more", "volumes=100", 52),
    ("exchange: a deleted directory is still needed", APART, 37),
    ("exchange: a full reconciliation", APART, 1),
    ("exchange: absence is a deletion", APART, 3),
    ("exchange: the peer may have forgotten a directory above", APART, 56),
    ("exchange: what was forgotten comes back", APART, 1),
    ("nothing but the change time tells of an edit", "between=100", 37),
    ("one dot has two values", "rollback=80 cuts=300", 149),
    ("one name of several became a file of its own", "links=250", 0),
    ("revive: a deletion is said again", "away=100", 10),
    ("revive: it waits for its directory", APART, 67),
    ("the tree is older than the index", "volumes=100", 32),
    ("what was displaced had been written to", "", 262),
    ("what was displaced is another file", "between=100", 1084),
    ("what was staged could not be made durable", "eio=800 power=200 kills=0 rollback=0", 19),
];

/// Nodes that are out of reach for longer than they are waited for.
const APART: &str = "apart=60 lies=0 rollback=0";

/// Lines that no world of chance comes by, and why.
const STORIES: &[(&str, &str)] = &[
    (
        "a life of ours that we never lived",
        "a node that runs twice is two machines with one identity, which worlds of chance do not \
         have (engine::lives, a_node_that_runs_twice_loses_nothing)",
    ),
    (
        "exchange: extended attributes that lost are let go of",
        "it takes more of them than a world of chance has \
         (engine::exchange, an_entry_that_many_wrote_fits_in_a_frame)",
    ),
    (
        "pending: more has stalled than is remembered",
        "it takes more entries than a world of chance has \
         (engine::pending, what_has_stalled_beyond_what_is_remembered_is_met_again)",
    ),
];

/// Every mark in the programs, and in the checkers that know of rare ends.
fn marks() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut dirs: Vec<_> = ["engine", "disk", "sim"].map(|it| crates.join(it).join("src")).into();
    let mut marks = BTreeSet::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = fs::read_to_string(path).expect("text");
            let called = text.split("reached(\"").skip(1);
            let named = called.filter_map(|rest| Some(rest.split_once('"')?.0.to_string()));
            marks.extend(named);
        }
    }
    marks
}

/// What a run comes by.
fn come_by(seed: u64, words: &str) -> BTreeSet<&'static str> {
    let plan = Plan::of(seed).with(words).expect("options");
    run(&plan).marks.iter().map(|(mark, _)| mark).collect()
}

#[test]
fn worlds_of_chance_come_by_every_rare_line_but_those_that_are_told_in_stories() {
    let mut missing = marks();
    assert!(missing.len() > 40, "the marks are not found: {missing:?}");
    for (mark, _) in STORIES {
        assert!(missing.remove(*mark), "there is no such mark: {mark}");
    }
    for seed in 0..DRAWN {
        let reached = come_by(seed, "");
        missing.retain(|mark| !reached.contains(&**mark));
    }
    for (mark, words, seed) in RARE {
        let mut seeds = [*seed].into_iter().chain(0..TRIED_MAX);
        let found =
            !missing.contains(*mark) || seeds.any(|seed| come_by(seed, words).contains(mark));
        assert!(found, "{mark:?}: not in {TRIED_MAX} seeds with {words:?}");
        missing.remove(*mark);
    }
    assert!(missing.is_empty(), "no world of chance came by {missing:#?}");
}
