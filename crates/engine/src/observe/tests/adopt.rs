//! What lies where the cluster has something, when a folder meets its cluster.

use super::{at_ms, digest, dir, file, path, peer_entry, peer_file, peer_place, theirs, Node};
use crate::entry::{Entry, EntryId, Hlc, Kind, Location, Presence, Rank, ROOT};
use crate::index::Phase;
use crate::observe::{row_at, Source};
use crate::view;

#[test]
fn what_lies_where_the_cluster_has_a_file_is_that_file() {
    let mut node = Node::new(Phase::Importing);
    node.arrives(peer_file("same", 1, b'x'));
    node.arrives(peer_file("other", 2, b'x'));
    node.look(Source::Scan, &[("same", file(1, b'x')), ("other", file(2, b'y'))]);
    assert_eq!(node.facts.meta.counter, 1, "equal content mints nothing");
    assert_eq!(row_at(&node.index, &path("same")).unwrap().dots.shown, [theirs(1).dot]);
    let other = node.entry_at("other");
    let data = &other.data;
    assert_eq!(data.versions().len(), 2);
    assert_eq!(view::winner(data).unwrap().content, digest(b'x'), "an import beats no write");
    assert_eq!(view::losers(&node.index, &other).len(), 1, "and is kept");
}

#[test]
fn an_import_is_dated_by_its_mtime() {
    let mut node = Node::new(Phase::Importing);
    node.look(Source::Scan, &[("a", at_ms(file(1, b'x'), 123_000))]);
    let stamp = node.entry_at("a").data.versions()[0].value.stamp;
    assert_eq!((stamp.rank, stamp.hlc), (Rank::Import, Hlc::from_unix_ms(123_000)));
}

fn dir_id(n: u8) -> EntryId {
    EntryId([n; 16])
}

/// A peer's directory of the root that was then moved into another.
fn moved_into(called: &str, n: u8, into: u8) -> Entry {
    let place = peer_place(called, u64::from(n));
    let state = Presence::At(Some((ROOT, place.name.clone())));
    let at = Location { parent: dir_id(into), state, ..place };
    Entry { id: dir_id(n), ..peer_entry(Kind::Dir, called, at) }
}

/// Two directories had been moved into each other; the view takes one of them out under a suffix.
/// A node that had lost its index took what it found there for something new, the other had no
/// place on its disk any more, and nothing below was ever in place again, on all nodes.
#[test]
fn what_is_shown_under_a_suffix_is_known_by_it() {
    let mut node = Node::new(Phase::Importing);
    node.arrives(moved_into("p", 1, 2));
    node.arrives(moved_into("x", 2, 1));
    node.arrives(peer_file("n", 3, b'x'));
    node.arrives(Entry { id: EntryId([0xfe; 16]), ..peer_file("n", 4, b'y') });
    let seen = [
        ("x~02020202", dir(1)),
        ("x~02020202/p", dir(2)),
        ("n", file(3, b'x')),
        ("n~0909-fefe", file(4, b'y')),
    ];
    node.look(Source::Scan, &seen);
    assert_eq!(node.facts.meta.counter, 0, "nothing is new");
    assert_eq!(row_at(&node.index, &path("x~02020202")).unwrap().entry, dir_id(2));
    assert_eq!(row_at(&node.index, &path("x~02020202/p")).unwrap().entry, dir_id(1));
}
