//! Names of one file: what is done to one, and what the others are then.

use super::{digest, file, path, row_at, Node, Phase, Source};
use crate::content::Content;
use crate::entry::EntryId;
use crate::index::Index;
use crate::view;

/// A folder with one file under these names.
fn with_names(names: &[&'static str]) -> Node {
    let mut node = Node::new(Phase::Member);
    let looks: Vec<_> = names.iter().map(|name| (*name, file(1, b'x'))).collect();
    node.look(Source::Live, &looks);
    node
}

/// What each path shows, and with which others it is one file: `a=x`, `b=x with a`.
fn shows(node: &Node, paths: &[&str]) -> Vec<String> {
    let group = |at: &str| -> Option<EntryId> {
        let row = row_at(&node.index, &path(at))?;
        let entry = node.index.entry(row.entry)?.entry;
        view::body_of(&node.index, &entry).map(|body| body.id)
    };
    let line = |(place, at): (usize, &&str)| {
        let entry = node.entry_at(at);
        let whole = view::whole(&node.index, &entry);
        let letter = match view::winner(&whole.data).map(|data| &data.content) {
            Some(Content::File(digest, _)) => char::from(digest.0[0]),
            _ => '-',
        };
        let mine = group(at);
        let first = paths[..place].iter().find(|other| mine.is_some() && group(other) == mine);
        let with = first.map_or(String::new(), |other| format!(" with {other}"));
        format!("{at}={letter}{with}")
    };
    paths.iter().enumerate().map(line).collect()
}

#[test]
fn a_second_name_is_one_file_under_one_dot() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", file(1, b'x'))]);
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("a", file(1, b'x')), ("b", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "b"]), ["a=x", "b=x with a"]);
    assert_eq!(node.facts.meta.counter, before + 1);
    let dot = node.facts.meta.counter;
    let written = node.index.dots(node.facts.meta.incarnation, dot, dot, 16);
    assert_eq!(written.len(), 3, "both names and what they are names of");
    node.look(Source::Scan, &[("a", file(1, b'x')), ("b", file(1, b'x'))]);
    assert_eq!(node.facts.meta.counter, dot, "and nothing more is to be said of it");
}

#[test]
fn what_is_written_through_one_name_is_one_edit_of_all() {
    let mut node = with_names(&["a", "b", "c"]);
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=y with a", "c=y with a"]);
    for name in ["a", "c"] {
        let row = row_at(&node.index, &path(name)).unwrap();
        assert_eq!(row.content, Some(digest(b'y')), "the disk shows it there, too");
    }
    assert_eq!(node.facts.meta.counter, before + 1);
    node.look(Source::Live, &[("c", file(1, b'z'))]);
    let entry = node.entry_at("a");
    assert!(view::losers(&node.index, &entry).is_empty(), "who writes next has seen it");
}

#[test]
fn a_name_that_gets_another_inode_is_a_file_of_its_own() {
    let mut node = with_names(&["a", "b", "c"]);
    node.look(Source::Live, &[("a", file(2, b'y'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=x", "c=x with b"]);
    node.look(Source::Live, &[("b", file(1, b'z')), ("c", file(1, b'z'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=z", "c=z with b"]);
}

#[test]
fn a_file_is_replaced_by_one_more_name_of_another() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("c", file(3, b'z'))]);
    node.look(Source::Live, &[("a", file(1, b'x')), ("c", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=x", "b=x with a", "c=x with a"]);
}

#[test]
fn a_name_that_is_gone_leaves_the_others_and_the_last_takes_all_along() {
    let mut node = with_names(&["a", "b"]);
    let of = row_at(&node.index, &path("a")).unwrap().dots.body.unwrap().id;
    node.look(Source::Live, &[("a", None)]);
    assert_eq!(shows(&node, &["b"]), ["b=x"]);
    assert!(view::is_body(&node.index.entry(of).unwrap().entry));
    node.look(Source::Live, &[("b", None)]);
    let over = node.index.entry(of).unwrap().entry;
    assert!(over.data.is_empty() && !over.loc.is_empty(), "a tombstone like any other");
}

#[test]
fn a_renamed_name_stays_one() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("a", file(1, b'x')), ("b", None), ("c", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "c"]), ["a=x", "c=x with a"]);
}

#[test]
fn attributes_are_those_of_the_file_whatever_the_name() {
    let mut node = with_names(&["a", "b"]);
    let mut found = file(1, b'x');
    found.as_mut().unwrap().attributes.mode = 0o600;
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("b", found)]);
    assert_eq!(node.facts.meta.counter, before + 1);
    let entry = node.entry_at("a");
    let whole = view::whole(&node.index, &entry);
    assert_eq!(view::desired(&whole).unwrap().attributes.mode, 0o600);
    assert_eq!(row_at(&node.index, &path("a")).unwrap().attributes.mode, 0o600);
}
