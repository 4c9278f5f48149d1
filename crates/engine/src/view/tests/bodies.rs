//! Files of several names: what a name shows, and what lost there.

use super::{f, id, stamp, Node, E};
use crate::content::{Content, Digest};
use crate::entry::{Data, Entry, Kind, Opaque, Stamped};
use crate::register::Version;
use crate::view::{body_of, is_body, is_shown, losers, shows, whole};
use crate::wire::Minted;
use std::slice::from_ref;

/// What names are names of: content without a place.
fn b(n: u8, time: u64, letter: u8) -> E {
    E(Entry::new(id(n), Kind::File)).holds(time, letter)
}

/// A body that is known, and bears nothing any more.
fn over(n: u8) -> E {
    E(Entry::new(id(n), Kind::File))
}

/// A name in the root of whose content nothing is said yet.
fn bare(n: u8, called: &str) -> E {
    E(Entry::new(id(n), Kind::File)).at(0, 0, called)
}

impl E {
    /// Concurrently said to be one name of `body`, which held the letter then.
    fn names(mut self, time: u64, body: u8, letter: u8) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let content = Content::File(Digest([letter; 32]), 1);
        let value = Data { content, stamp, base: Vec::new(), body: Some(id(body)) };
        let minted = value.mint().into();
        self.0.data.insert(Version { dot: stamp.dot, value, minted });
        self
    }
}

/// What lost in the name 1, latest first.
fn lost(entries: &[E]) -> String {
    let node = Node::of(entries);
    let losers = losers(&node.index, &entries[0].0);
    let letter = |data: &Data| match data.content {
        Content::File(digest, _) => char::from(digest.0[0]),
        Content::Link(_) => '>',
    };
    losers.iter().map(letter).collect()
}

#[test]
fn what_lost_in_a_file_lost_in_each_of_its_names() {
    let name = bare(1, "a").names(1, 9, b'x');
    assert_eq!(lost(&[name.clone(), b(9, 1, b'x')]), "");
    assert_eq!(lost(&[name.clone(), b(9, 2, b'y')]), "", "what it held then is no claim");
    let contested = b(9, 2, b'y').holds(3, b'z');
    assert_eq!(lost(&[name.clone(), contested.clone()]), "y");
    let twice = name.names(2, 9, b'x');
    assert_eq!(lost(&[twice, contested]), "y", "however often that was said");
}

#[test]
fn a_name_of_two_files_shows_the_latest_and_the_other_lost_unless_it_is_shown_elsewhere() {
    let name = bare(1, "a").names(1, 8, b'w').names(2, 9, b'x');
    let bodies = [b(8, 5, b'v'), b(9, 2, b'x')];
    let with = |more: &[E]| lost(&[from_ref(&name), &bodies[..], more].concat());
    assert_eq!(with(&[]), "v", "though it was written later");
    let other = bare(2, "b").names(1, 8, b'w');
    assert_eq!(with(from_ref(&other)), "");
    assert_eq!(with(&[other.clone().gone(3)]), "v", "not where a name is that was deleted");
    assert_eq!(with(&[other.names(2, 9, b'x')]), "v", "nor where it lost as well");
}

// Story (simulator, seed 39287 with `apart=60`): two names of a file were removed where they had
// been made, and their removal was forgotten there before others heard of it. One of these said a
// name again, as a loser. Who remembered that its file was over did not want it, its author, who
// did not, looked for it for ever, and nobody else could take it back.
#[test]
fn what_went_with_its_last_name_is_not_wanted_back_nor_where_that_is_forgotten() {
    let name = bare(1, "a").names(1, 8, b'w').names(2, 9, b'x');
    assert_eq!(lost(&[name.clone(), b(9, 2, b'x'), over(8)]), "");
    assert_eq!(lost(&[name.clone(), b(9, 2, b'x')]), "", "who told of the name told of it");
    assert_eq!(lost(&[name.clone(), over(8)]), "", "the one that is shown is unknown");
    assert_eq!(lost(&[name, b(8, 1, b'w')]), "w");
    let alone = bare(1, "a").holds(1, b'w').names(2, 9, b'x');
    assert_eq!(lost(&[alone.clone(), b(9, 2, b'x')]), "w", "written to this name alone");
    assert_eq!(lost(&[alone, over(9)]), "w");
}

#[test]
fn a_name_shows_the_content_and_attributes_of_its_file_at_its_own_place() {
    let mut name = bare(1, "a").names(1, 9, b'x');
    let unknown = Version { dot: stamp(1, 7).dot, value: Opaque, minted: [7].as_slice().into() };
    name.0.other.entry(77).or_default().insert(unknown);
    let mut body = b(9, 2, b'y');
    let (stamp, value) = (stamp(9, 3), 0o600_u16);
    let value = Stamped { stamp, value };
    body.0.mode.insert(Version { dot: stamp.dot, minted: value.mint().into(), value });
    let node = Node::of(&[name.clone(), body.clone()]);
    let shown = whole(&node.index, &name.0).into_owned();
    assert_eq!((shown.id, &shown.loc, &shown.other), (id(1), &name.0.loc, &name.0.other));
    assert_eq!((&shown.data, &shown.mode), (&body.0.data, &body.0.mode));
    assert_eq!(shows(&name.0), Some(id(9)));
    assert_eq!(body_of(&node.index, &name.0), Some(body.0));
    for entries in [vec![], vec![over(9)]] {
        let node = Node::of(&entries);
        assert_eq!(whole(&node.index, &name.0).into_owned(), name.0, "what it held then");
        assert_eq!(body_of(&node.index, &name.0), None);
    }
}

#[test]
fn a_body_is_content_without_a_place_and_is_shown_by_any_live_name() {
    assert!(is_body(&b(9, 1, b'x').0));
    assert!(!is_body(&over(9).0) && !is_body(&f(1, 0, "a", b'x').0) && !is_body(&bare(1, "a").0));
    assert!(!is_body(&E(Entry::new(id(9), Kind::Symlink)).holds(1, b'x').0));
    let name = bare(1, "a").names(1, 9, b'x');
    let shown = |entries: &[E]| is_shown(&Node::of(entries).index, id(9));
    assert!(shown(from_ref(&name)) && shown(&[name.clone(), b(9, 1, b'x')]));
    assert!(!shown(&[b(9, 1, b'x')]), "it has no name");
    assert!(!shown(&[name.clone().gone(2)]));
    assert!(!shown(&[name.clone().names(2, 8, b'y')]), "it lost to another");
    assert!(shown(&[name.clone().gone(2), bare(2, "b").names(1, 9, b'x')]));
}
