//! Ids that are equal on all nodes, clocks that are not followed blindly, entries that are joined.

use super::{
    Data, Entry, EntryId, Hlc, Kind, Location, Opaque, Owner, Presence, Rank, Stamp, Stamped,
    Timestamp, Xattrs, ROOT,
};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge};
use crate::path::Name;
use crate::register::Version;
use std::collections::BTreeSet;

fn dot(life: u8, counter: u64) -> Dot {
    Dot { incarnation: Incarnation([life; 16]), counter }
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn file(letter: u8) -> Content {
    Content::File(Digest([letter; 32]), 1)
}

/// Trees that were copied in advance meet by these ids: what one version of the program derives,
/// every other one must.
#[test]
fn ids_are_the_same_in_every_version_of_the_program() {
    let again = Some(dot(1, 7));
    let cases = [
        (EntryId::derive(ROOT, Kind::Dir, &name("docs"), None), "ef8cc536"),
        (EntryId::derive(ROOT, Kind::File, &name("docs"), again), "ae83e5f9"),
        (EntryId::derive_body(EntryId([3; 16]), dot(1, 7)), "4cce395c"),
        (EntryId::of_copy(EntryId([3; 16]), &file(b'x')), "db34e56f"),
    ];
    for (id, begins) in cases {
        assert_eq!(format!("{id:?}"), begins);
    }
}

#[test]
fn an_id_says_where_and_as_what_a_thing_was_first_made() {
    let (dir, a) = (EntryId([3; 16]), name("a"));
    let link = |target: &[u8]| Content::Link(target.into());
    let ids = [
        EntryId::derive(ROOT, Kind::File, &a, None),
        EntryId::derive(dir, Kind::File, &a, None),
        EntryId::derive(ROOT, Kind::Dir, &a, None),
        EntryId::derive(ROOT, Kind::File, &name("b"), None),
        EntryId::derive(ROOT, Kind::File, &a, Some(dot(1, 1))),
        EntryId::derive(ROOT, Kind::File, &a, Some(dot(1, 2))),
        EntryId::derive(ROOT, Kind::File, &a, Some(dot(2, 1))),
        EntryId::derive_body(dir, dot(1, 1)),
        EntryId::derive_body(dir, dot(1, 2)),
        EntryId::of_copy(ROOT, &file(b'x')),
        EntryId::of_copy(dir, &file(b'x')),
        EntryId::of_copy(dir, &file(b'y')),
        EntryId::of_copy(dir, &link(b"x")),
        EntryId::of_copy(dir, &link(b"y")),
    ];
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn a_clock_reads_on_whatever_the_wall_clock_does() {
    let at = Hlc::from_unix_ms;
    assert_eq!(at(1_234).unix_ms(), 1_234);
    assert_eq!(at(u64::MAX).unix_ms(), (1 << 48) - 1, "the last there is");
    assert_eq!(at(1_000).next(2_000), at(2_000), "the wall clock leads");
    assert_eq!(at(2_000).next(1_000), Hlc(at(2_000).0 + 1), "it was put back");
    assert_eq!(at(2_000).next(2_000), Hlc(at(2_000).0 + 1), "twice within a millisecond");
    assert_eq!(Hlc(u64::MAX).next(0), Hlc(u64::MAX));
}

#[test]
fn a_clock_more_than_five_minutes_ahead_is_not_followed() {
    let (at, wall_ms) = (Hlc::from_unix_ms, 1_000_000);
    let ours = at(wall_ms);
    assert_eq!(ours.met(at(5), wall_ms), ours, "one behind does not pull us back");
    let last = at(wall_ms + 300_000);
    assert_eq!(ours.met(last, wall_ms), last);
    assert_eq!(ours.met(at(wall_ms + 300_001), wall_ms), ours);
}

#[test]
fn a_timestamp_in_milliseconds_is_never_negative() {
    let ms = |seconds, nanos| Timestamp { seconds, nanos }.unix_ms();
    assert_eq!(ms(0, 0), 0);
    assert_eq!(ms(3, 45_999_999), 3_045);
    assert_eq!(ms(-3, 0), 0);
    assert_eq!(ms(i64::MAX, 999_999_999), u64::MAX);
}

fn version<T>(dot: Dot, value: T) -> Version<T> {
    Version { dot, value, minted: [dot.counter as u8].as_slice().into() }
}

fn stamp(dot: Dot) -> Stamp {
    Stamp { rank: Rank::Write, hlc: Hlc(1), dot }
}

fn place(dot: Dot) -> Version<Location> {
    let (name, state) = (name("a"), Presence::At(None));
    version(dot, Location { parent: ROOT, name, stamp: stamp(dot), state })
}

fn data(dot: Dot, body: Option<EntryId>) -> Version<Data> {
    let (content, base) = (file(b'x'), Vec::new());
    version(dot, Data { content, body, stamp: stamp(dot), base })
}

/// One entry for each of its registers, in which only that one is written.
fn written(dot: Dot) -> Vec<Entry> {
    fn stamped<T>(dot: Dot, value: T) -> Version<Stamped<T>> {
        version(dot, Stamped { stamp: stamp(dot), value })
    }
    let registers: [&dyn Fn(&mut Entry); 7] = [
        &|entry| entry.loc.insert(place(dot)),
        &|entry| entry.data.insert(data(dot, None)),
        &|entry| entry.times.insert(stamped(dot, Timestamp::default())),
        &|entry| entry.mode.insert(stamped(dot, 0o600)),
        &|entry| entry.owner.insert(stamped(dot, Owner::default())),
        &|entry| entry.xattr.insert(stamped(dot, Xattrs::default())),
        &|entry| entry.other.entry(99).or_default().insert(version(dot, Opaque)),
    ];
    let write = |register: &&dyn Fn(&mut Entry)| {
        let mut entry = blank();
        register(&mut entry);
        entry
    };
    registers.iter().map(write).collect()
}

fn blank() -> Entry {
    Entry::new(EntryId([3; 16]), Kind::File)
}

#[test]
fn a_join_takes_and_gives_up_each_register_and_says_whether_it_did() {
    let (seen, nothing) = ([dot(1, 1)].into_iter().collect(), Knowledge::default());
    for theirs in written(dot(1, 1)) {
        assert!(!theirs.is_blank());
        assert_eq!(theirs.dots(), [dot(1, 1)]);
        let mut mine = blank();
        assert!(mine.join(&nothing, &theirs, &seen), "it is new here");
        assert_eq!(mine, theirs);
        assert!(!mine.join(&seen, &theirs, &seen), "it is here already");
        assert_eq!(mine, theirs);
        assert!(!mine.join(&seen, &blank(), &nothing), "they have not heard of it");
        assert_eq!(mine, theirs);
        assert!(mine.join(&seen, &blank(), &seen), "they have superseded it");
        assert_eq!(mine, blank(), "nothing is left of it");
        assert!(!mine.join(&seen, &theirs, &seen), "and it does not come back");
        assert!(mine.is_blank());
    }
}

#[test]
fn the_dots_and_bodies_of_an_entry_are_said_once_in_order() {
    let mut entry = blank();
    for counter in [2, 1] {
        entry.loc.insert(place(dot(1, counter)));
        entry.data.insert(data(dot(1, counter), Some(EntryId([7; 16]))));
    }
    entry.data.insert(data(dot(2, 1), Some(EntryId([5; 16]))));
    entry.data.insert(data(dot(2, 2), None));
    assert_eq!(entry.dots(), [dot(1, 1), dot(1, 2), dot(2, 1), dot(2, 2)]);
    assert_eq!(entry.bodies(), [EntryId([5; 16]), EntryId([7; 16])]);
}
