//! What differs is named, with the node, and nothing else is.

use super::super::sorted::Sorter;
use super::{run_along, Entry, Found, DIFFERENCES_MAX};

fn entry(path: &str, mode: u32) -> Entry {
    Entry { path: path.as_bytes().to_vec(), mode, ..Entry::default() }
}

fn found(ours: &[Entry], theirs: &[Entry]) -> Found {
    let home = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(home.path()).unwrap();
    ours.iter().for_each(|entry| sorter.push(entry.clone()).unwrap());
    let mut found = Found::default();
    let theirs = theirs.iter().cloned().map(Ok);
    run_along(&sorter.finish().unwrap(), theirs, "b", &mut found).unwrap();
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

#[test]
fn differences_beyond_the_list_are_counted() {
    let ours: Vec<Entry> = (0..DIFFERENCES_MAX + 5).map(|n| entry(&format!("{n:05}"), 1)).collect();
    let found = found(&ours, &[]);
    assert_eq!((found.listed.len(), found.more), (DIFFERENCES_MAX, 5));
}
