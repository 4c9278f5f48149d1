//! What differs is named, with the node, and nothing else is.

use super::super::sorted::Sorter;
use super::{run_along, Entry, Found, State, DIFFERENCES_MAX};

fn entry(path: &str, mode: u32) -> Entry {
    Entry { path: path.as_bytes().to_vec(), mode, ..Entry::default() }
}

fn found(ours: &[Entry], theirs: &[Entry]) -> Found {
    let home = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(home.path()).unwrap();
    ours.iter().for_each(|entry| sorter.push(entry.clone()).unwrap());
    let mut found = Found::default();
    let theirs = theirs.iter().cloned().map(Ok);
    run_along(&sorter.finish().unwrap(), theirs, ("a", "b"), &mut found).unwrap();
    found
}

fn words(found: &Found) -> Vec<String> {
    let listed = found.listed.iter();
    listed.map(|(path, (what, _))| format!("{} {what}", String::from_utf8_lossy(path))).collect()
}

#[test]
fn equal_lists_do_not_differ() {
    let list = [entry("a", 1), entry("a/b", 1), entry("c", 1)];
    assert!(words(&found(&list, &list)).is_empty());
    assert!(words(&found(&[], &[])).is_empty());
}

#[test]
fn what_is_missing_or_differs_is_named_at_the_beginning_middle_and_end() {
    let ours = [entry("a", 1), entry("c", 1), entry("d", 1), entry("f", 1)];
    let theirs = [entry("b", 1), entry("c", 2), entry("d", 1), entry("e", 1)];
    let expected =
        ["a missing there", "b missing here", "c mode", "e missing here", "f missing there"];
    assert_eq!(words(&found(&ours, &theirs)), expected);
    assert_eq!(words(&found(&ours[..1], &[])), ["a missing there"]);
    assert_eq!(words(&found(&[], &theirs[..1])), ["b missing here"]);
}

fn other(path: &str, state: State) -> Entry {
    let why = format!("{state:?}");
    Entry { path: path.as_bytes().to_vec(), state: state as i32, why, ..Entry::default() }
}

/// A file that was open for writing on both nodes, with other bytes on each, was left out of both
/// lists, which were then called identical.
#[test]
fn what_was_not_read_is_named_and_nothing_else_said_of_it() {
    let busy = other("log", State::Unread);
    let skipped = |found: &Found| {
        let all = found.skipped.iter();
        all.map(|((path, node), why)| format!("{} {node} {why}", String::from_utf8_lossy(path)))
            .collect::<Vec<_>>()
    };
    for (theirs, expected) in [
        (vec![busy.clone()], vec!["log a Unread", "log b Unread"]),
        (vec![entry("log", 1)], vec!["log a Unread"]),
        (vec![], vec!["log a Unread"]),
    ] {
        let found = found(std::slice::from_ref(&busy), &theirs);
        assert!(words(&found).is_empty(), "{found:?}");
        assert_eq!(skipped(&found), expected);
    }
    // Nothing is known of what is in a directory that could not be read.
    let theirs = [entry("d", 1), entry("d!", 1), entry("d/in", 1), entry("d/in/it", 1)];
    let found = found(&[other("d", State::Unread), entry("d!", 1)], &theirs);
    assert_eq!((words(&found), skipped(&found)), (vec![], vec!["d a Unread".to_owned()]));
}

#[test]
fn what_is_not_ours_counts_only_where_another_node_has_something_of_ours() {
    let socket = [other("socket", State::Foreign)];
    assert!(found(&socket, &[]).skipped.is_empty() && found(&[], &socket).skipped.is_empty());
    assert!(found(&socket, &socket).skipped.is_empty());
    let mount = found(&[other("m", State::Foreign)], &[entry("m", 1), entry("m/file", 1)]);
    assert_eq!((words(&mount).len(), mount.skipped.len()), (0, 1));
}

#[test]
fn differences_beyond_the_list_are_counted() {
    let ours: Vec<Entry> = (0..DIFFERENCES_MAX + 5).map(|n| entry(&format!("{n:05}"), 1)).collect();
    let found = found(&ours, &[]);
    assert_eq!((found.listed.len(), found.more), (DIFFERENCES_MAX, 5));
}
