//! Where looks are owed after directories were renamed, and that it ends.

use super::Trail;
use crate::limits::{FOLLOWED_MAX, LED_MAX, OWED_MAX};
use crate::path::RelPath;
use std::collections::BTreeSet;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn moved(trail: &mut Trail, from: &str, to: &str) -> Vec<String> {
    let owed = trail.moved(path(from), path(to), 1, &BTreeSet::new());
    owed.iter().map(ToString::to_string).collect()
}

fn unknown(trail: &mut Trail, at: &str) -> Vec<String> {
    trail.open(path(at), 1).iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_followed_through_renames_before_and_after_the_look() {
    let mut trail = Trail::default();
    moved(&mut trail, "a", "b");
    assert_eq!(unknown(&mut trail, "a/x"), ["b/x"]);
    assert_eq!(moved(&mut trail, "b", "c"), ["c/x"], "its look may have come too late");
    assert_eq!(unknown(&mut trail, "b/y"), ["c/y"]);
    assert_eq!(unknown(&mut trail, "b"), [""; 0], "a directory is known by its handle");
}

// Story (simulator, seed 1752): a user renamed a directory and removed a file in it. The rename was
// understood late. Where the directory was by then, the file had been looked for when nothing was
// known to be missing; after that it was known, and nobody looked again.
#[test]
fn what_was_looked_for_before_the_rename_was_known_is_looked_for_again() {
    let mut trail = Trail::default();
    assert_eq!(unknown(&mut trail, "b/x"), [""; 0]);
    assert_eq!(unknown(&mut trail, "b"), [""; 0]);
    assert_eq!(moved(&mut trail, "a", "b"), ["b/x"]);
}

#[test]
fn a_look_that_waits_is_owed_where_its_directory_goes() {
    let mut trail = Trail::default();
    let deferred = BTreeSet::from([path("a/d/x"), path("b/x")]);
    assert_eq!(trail.moved(path("a"), path("c"), 1, &deferred), [path("c/d/x")]);
}

// Two directories had the same name one after the other: a name heard of in the first was followed
// to where the second had gone.
#[test]
fn every_directory_that_had_the_name_is_followed() {
    let mut trail = Trail::default();
    moved(&mut trail, "a", "b");
    moved(&mut trail, "a", "c");
    assert_eq!(unknown(&mut trail, "a/x"), ["b/x", "c/x"]);
}

// Story (seeds 10, 54 and 128 of the simulator): directories traded names, or went into one another
// in turn. A name that was nowhere was followed round and round, and with longer and longer paths.
#[test]
fn names_that_are_nowhere_are_not_followed_for_ever() {
    let mut trail = Trail::default();
    moved(&mut trail, "a", "t");
    moved(&mut trail, "b", "a");
    moved(&mut trail, "t", "b");
    let (mut met, mut next) = (0, vec!["a/x".to_string(), "b/x".to_string()]);
    while let Some(at) = next.pop() {
        next.extend(unknown(&mut trail, &at));
        met += 1;
        assert!(met < 20, "{at}");
    }
    let mut trail = Trail::default();
    moved(&mut trail, "b", "a/b");
    moved(&mut trail, "a", "b/a");
    assert_eq!(unknown(&mut trail, "b/x"), ["a/b/x", "b/a/b/x"]);
    assert_eq!(unknown(&mut trail, "b/x"), [""; 0], "once is enough");
}

// Story (small world 51): a directory went round and into another that had its old name. A name
// that was nowhere led into that one, was looked for there, and counted as a new one: from the
// first move on, again and again, each time one directory deeper.
#[test]
fn where_a_move_led_only_later_moves_lead_on() {
    let mut trail = Trail::default();
    moved(&mut trail, "a", "t");
    moved(&mut trail, "t", "d");
    moved(&mut trail, "d", "a/a");
    let (mut met, mut next) = (BTreeSet::new(), vec!["a/x".to_string(), "d/x".to_string()]);
    while let Some(at) = next.pop() {
        next.extend(unknown(&mut trail, &at));
        met.insert(at);
        assert!(met.len() < 20, "{met:?}");
    }
    assert!(met.contains("a/a/x") && !met.contains("a/a/a/x"), "{met:?}");
}

#[test]
fn what_is_followed_is_bounded_and_forgotten() {
    let mut trail = Trail::default();
    for n in 0..=FOLLOWED_MAX {
        moved(&mut trail, "a", &format!("b{n}"));
    }
    assert!(!trail.take_lost());
    assert_eq!(unknown(&mut trail, "a/x"), [""; 0], "a scan finds it");
    assert_eq!(trail.len(), 0);
    assert!(trail.take_lost() && !trail.take_lost());
    moved(&mut trail, "a", "b");
    assert_eq!(unknown(&mut trail, "a/y"), ["b/y"]);
    trail.forget(2);
    assert_eq!(trail.len(), 0);
    assert_eq!(unknown(&mut trail, "a/y"), [""; 0]);
}

// Story (found by a review): a dozen directories were exchanged and moved into one another, a few
// times a second. Each move led every open name on to hundreds of places, each of which the next
// move led on: a node stood at 100 % CPU and a gigabyte of memory for minutes.
#[test]
fn wild_moves_end_in_a_scan_and_not_in_a_flood() {
    let mut trail = Trail::default();
    let names = ["a", "b", "c", "a/b", "b/c", "c/a", "a/b/c", "b/c/a", "c/a/b"];
    let (mut state, mut scans, mut owed) = (1usize, 0, 0);
    for _ in 0..1_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (from, to) = (names[state >> 33 & 7], names[(state >> 40) % names.len()]);
        owed += moved(&mut trail, from, to).len() + unknown(&mut trail, &format!("{to}/x")).len();
        assert!(trail.len() <= LED_MAX, "{}", trail.len());
        scans += usize::from(trail.take_lost());
    }
    assert!(scans > 0 && owed / scans <= OWED_MAX, "{owed} looks and {scans} scans");
}
