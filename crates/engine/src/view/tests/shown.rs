//! What a thing looks like where it is shown, how deep it can lie, and what is told to people.

use super::{d, f, id, l, name, stamp, Node, E};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{Data, Entry, EntryId, Kind, Owner, Stamped, Timestamp, ROOT};
use crate::index::{Attributes, Index, Stored};
use crate::limits::DEPTH_MAX;
use crate::path::RelPath;
use crate::register::Version;
use crate::view::{
    self, circle, desired, is_placed, place, settle, settled_path, united, winner, Shown,
};
use crate::wire::Minted;
use std::collections::BTreeSet;

fn mode(mut e: E, time: u64, value: u16) -> E {
    let stamp = stamp(e.0.id.0[0], time);
    let value = Stamped { stamp, value };
    e.0.mode.insert(Version { dot: stamp.dot, minted: value.mint().into(), value });
    e
}

#[test]
fn of_attributes_the_latest_is_shown_and_what_nobody_gave_is_as_the_kind_has_it() {
    let shown = |e: &E| desired(&e.0).unwrap().attributes.mode;
    assert_eq!(shown(&d(1, 0, "d")), 0o755);
    assert_eq!(shown(&f(1, 0, "f", b'x')), 0o644);
    assert_eq!(shown(&l(1, 0, "l", b'x')), 0o777);
    assert_eq!(shown(&mode(mode(f(1, 0, "f", b'x'), 2, 0o600), 1, 0o640)), 0o600);
    assert_eq!(shown(&mode(d(1, 0, "d"), 1, 0o700)), 0o700);
    assert_eq!(shown(&mode(l(1, 0, "l", b'x'), 1, 0o600)), 0o777, "a symlink has no mode");
    let here = Attributes {
        mtime: Timestamp { seconds: 7, nanos: 8 },
        mode: 0o751,
        owner: Owner { uid: 5, gid: 6 },
        xattrs: [(b"user.k".to_vec(), vec![1])].into(),
    };
    assert_eq!(view::attributes(&d(1, 0, "d").0, &here), here, "nobody has given any");
    let given = view::attributes(&mode(d(1, 0, "d"), 1, 0o700).0, &here);
    assert_eq!(given, Attributes { mode: 0o700, ..here });
}

#[test]
fn what_has_no_content_yet_is_not_shown_but_for_directories() {
    let bare = |kind| E(Entry::new(id(1), kind)).at(0, 0, "a");
    assert!(desired(&bare(Kind::File).0).is_none());
    assert!(desired(&bare(Kind::Symlink).0).is_none());
    assert_eq!(desired(&bare(Kind::Dir).0).map(|desired| desired.content), Some(None));
}

/// Directories in one another, each called `d`, whose ids count up; the last of them.
fn chain(node: &mut Node, length: usize) -> EntryId {
    let nth = |n: usize| EntryId((n as u128).to_be_bytes());
    for n in 1..=length {
        let E(mut entry) = d(1, 0, "d");
        let mut at = entry.loc.versions()[0].clone();
        at.value.parent = nth(n - 1);
        (entry.id, entry.loc) = (nth(n), Default::default());
        entry.loc.insert(at);
        let (settled, context) = (settle(&entry, 0), None);
        let live_children = 0;
        let stored = Stored { entry, settled, live_children, conflicted: false, context };
        node.index.put_entry(&stored);
    }
    nth(length)
}

#[test]
fn what_lies_deeper_than_any_path_goes_counts_as_not_arrived() {
    let mut node = Node::new();
    let last = chain(&mut node, DEPTH_MAX);
    assert_eq!(settled_path(&node.index, last).names().len(), DEPTH_MAX);
    let below = chain(&mut node, DEPTH_MAX + 1);
    assert_eq!(place(&node.index, below), Shown::At { parent: last, name: name("d") });
    assert!(settled_path(&node.index, below).is_root(), "no path for people");
    let deepest = chain(&mut node, DEPTH_MAX + 2);
    assert_eq!(place(&node.index, deepest), Shown::Orphan);
}

#[test]
fn where_a_thing_was_last_is_told_as_a_path() {
    let tree = [d(1, 0, "d"), d(2, 1, "e"), f(3, 2, "a", b'x'), f(4, 9, "b", b'y')];
    let path = |node: &Node, n| settled_path(&node.index, id(n)).to_string();
    let node = Node::of(&tree);
    assert_eq!(path(&node, 3), "d/e/a");
    assert_eq!(settled_path(&node.index, ROOT), RelPath::root());
    assert_eq!(path(&node, 4), ".", "its directory has not arrived");
    assert_eq!(path(&node, 8), ".", "nor has it");
    let node = Node::of(&tree.map(|e| e.gone(1)));
    assert_eq!(path(&node, 3), "d/e/a", "it was deleted from there");
    let a = d(1, 0, "a").moved(1, 2, "a", (0, "a"));
    let b = d(2, 0, "b").moved(2, 1, "b", (0, "b"));
    assert_eq!(path(&Node::of(&[a, b]), 1), ".", "round in a circle");
}

#[test]
fn the_root_has_a_place_and_what_was_deleted_has_none() {
    assert!(is_placed(&Entry::new(ROOT, Kind::Dir)));
    assert!(!is_placed(&Entry::new(id(1), Kind::Dir)));
    assert!(is_placed(&d(1, 0, "d").0));
    assert!(!is_placed(&d(1, 0, "d").gone(1).0));
    assert!(is_placed(&d(1, 0, "d").also_gone(1, 0, "d").0));
}

#[test]
fn a_circle_is_those_who_lie_in_one_another_and_nobody_below() {
    let node = Node::of(&[
        d(1, 0, "a").moved(1, 2, "a", (0, "a")),
        d(2, 0, "b").moved(2, 1, "b", (0, "b")),
        d(3, 1, "below"),
        d(4, 0, "out"),
    ]);
    let both = BTreeSet::from([id(1), id(2)]);
    assert_eq!(circle(&node.index, id(1)), Some(both.clone()));
    assert_eq!(circle(&node.index, id(2)), Some(both));
    for other in [3, 4, 9] {
        assert_eq!(circle(&node.index, id(other)), None, "{other}");
    }
}

// Of three that lie in one another only the one moved last leaves; it cannot go back to where it
// was if that is inside of what it takes along, or is no directory.
#[test]
fn a_move_out_of_a_cycle_goes_to_the_root_where_its_former_directory_cannot_hold_it() {
    let around = |before: u8| {
        [
            d(1, 0, "a").moved(1, 2, "a", (0, "a")),
            d(2, 0, "b").moved(2, 1, "b", (before, "before")),
            d(3, 1, "in"),
            f(4, 0, "file", b'x'),
        ]
    };
    let parent = |before: u8| match place(&Node::of(&around(before)).index, id(2)) {
        Shown::At { parent, name } => (parent, name.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(parent(0), (ROOT, "before~02020202".to_string()));
    for before in [1, 2, 3, 4, 9] {
        assert_eq!(parent(before), (ROOT, "b~02020202".to_string()), "{before}");
    }
}

#[test]
fn the_directories_that_are_shown_as_one_are_told_smallest_first() {
    let node = Node::of(&[
        d(3, 0, "d"),
        d(1, 0, "d"),
        d(2, 0, "d").gone(1),
        f(4, 0, "d", b'x'),
        d(5, 0, "e"),
        d(6, 3, "in"),
        d(7, 1, "in"),
    ]);
    assert_eq!(united(&node.index, id(3)), Some(vec![id(1), id(3)]));
    assert_eq!(united(&node.index, id(5)), Some(vec![id(5)]));
    assert_eq!(united(&node.index, id(6)), Some(vec![id(6), id(7)]));
    assert_eq!(united(&node.index, ROOT), Some(vec![ROOT]));
    assert_eq!(united(&node.index, id(4)), None, "a file is no directory");
    assert_eq!(united(&node.index, id(2)), None, "nor is what was deleted");
    assert_eq!(united(&node.index, id(9)), None);
}

#[test]
fn a_directory_taken_out_of_a_cycle_unites_with_nobody() {
    let node = Node::of(&[
        d(1, 0, "a").moved(1, 2, "a", (0, "a")),
        d(2, 0, "b").moved(2, 1, "b", (0, "b")),
        d(3, 1, "b"),
    ]);
    assert_eq!(united(&node.index, id(2)), Some(vec![id(2)]));
    assert_eq!(united(&node.index, id(3)), Some(vec![id(3)]));
    assert_eq!(node.tree(), ["b~02020202/", "b~02020202/a/", "b~02020202/a/b/"]);
}

#[test]
fn of_one_content_alone_and_as_one_name_of_several_the_second_is_shown() {
    let stamp = stamp(1, 1);
    let content = Content::File(Digest([b'x'; 32]), 1);
    let said = |life: u8, body| {
        let value = Data { content: content.clone(), stamp, base: vec![], body };
        let dot = Dot { incarnation: Incarnation([life; 16]), counter: 1 };
        Version { dot, minted: value.mint().into(), value }
    };
    for (alone, named) in [(1, 2), (2, 1)] {
        let mut entry = Entry::new(id(1), Kind::File);
        entry.data.insert(said(alone, None));
        entry.data.insert(said(named, Some(id(7))));
        assert_eq!(winner(&entry.data).and_then(|data| data.body), Some(id(7)));
    }
}
