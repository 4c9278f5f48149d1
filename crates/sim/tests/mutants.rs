//! The proof that the checkers see: each rule that is broken on purpose is noticed, as the page
//! `docs/internals/mutants.md` claims. A quick share; `cargo sim --mutants` is all of it.

use engine::proof::Mutant;
use sim::mutants::{catch, hunt, Claim, Trial, HEAD, TRIALS};
use std::fs;
use std::path::{Path, PathBuf};

/// Mutants that may take more seeds are only held to what the page says of them.
const QUICK_MAX: u64 = 100;
/// So many must be caught by checkers.
const CAUGHT_MIN: usize = 40;

fn path_of(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(path_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of every file below a directory.
fn sources(dir: &str) -> impl Iterator<Item = String> {
    let mut dirs = vec![path_of(dir)];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() { &mut dirs } else { &mut files }.push(path);
        }
    }
    files.into_iter().map(|path| fs::read_to_string(path).expect("text"))
}

/// The cells of the line that the page has for a mutant.
fn line(page: &str, mutant: Mutant) -> Vec<String> {
    let begin = format!("| {mutant:?} |");
    let found = page.lines().find(|line| line.starts_with(&begin));
    let line =
        found.unwrap_or_else(|| panic!("no line for {mutant:?}: cargo sim --mutants --write"));
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_string()).collect()
}

/// The seed that the page says it was caught in.
fn seed(page: &str, trial: &Trial) -> Option<u64> {
    line(page, trial.mutant)[4].parse::<u64>().ok().map(|seeds| seeds - 1)
}

#[test]
fn each_mutant_has_its_trial() {
    let tried: Vec<Mutant> = TRIALS.iter().map(|trial| trial.mutant).collect();
    assert_eq!(tried, Mutant::ALL, "one trial for each, in the same order");
}

#[test]
fn the_page_says_who_catches_each_mutant() {
    let page = read("docs/internals/mutants.md");
    let tests = sources("crates/engine/src").chain(sources("crates/disk/src")).collect::<Vec<_>>();
    assert!(page.starts_with(HEAD), "written by another program: cargo sim --mutants --write");
    for trial in TRIALS {
        let cells = line(&page, trial.mutant);
        assert_eq!(cells[1], trial.mutant.story(), "{:?}", trial.mutant);
        match trial.claim {
            Claim::Within(most) => {
                let seed = seed(&page, trial).expect("caught by a checker in some seed");
                assert!(seed < most, "{:?} took {} seeds of {most}", trial.mutant, seed + 1);
                assert_eq!(cells[5], most.to_string(), "{:?}", trial.mutant);
            }
            Claim::Test(name) => {
                assert!(cells[3].contains(name), "{:?}", trial.mutant);
                let begin = format!("fn {name}()");
                assert!(tests.iter().any(|text| text.contains(&begin)), "no test {name}");
            }
        }
    }
    let caught = TRIALS.iter().filter(|trial| matches!(trial.claim, Claim::Within(_))).count();
    assert!(caught >= CAUGHT_MIN, "only {caught} are caught by checkers");
    assert_eq!(page.lines().count() - HEAD.lines().count(), TRIALS.len(), "a line for each");
}

/// A checker that lets a mutant pass within the seeds that the page states checks too little. The
/// seed that the page names comes first: it changes when the program does, and then all are tried.
#[test]
fn mutants_are_caught_within_the_seeds_that_are_stated() {
    let page = read("docs/internals/mutants.md");
    for trial in TRIALS {
        let Claim::Within(most) = trial.claim else { continue };
        if most <= QUICK_MAX {
            let at_once = seed(&page, trial).and_then(|seed| catch(trial, seed));
            let caught = at_once.or_else(|| hunt(trial, most));
            assert!(caught.is_some(), "{:?} goes unnoticed", trial.mutant);
        }
    }
}
