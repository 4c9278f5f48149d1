//! What follows from writing an entry: counts that stay true, marks, contexts.

use super::{mark, places_shown, put, Author, Facts};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge};
use crate::entry::{Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Sight, Stamp, ROOT};
use crate::index::{Index, MemIndex, Meta, Phase};
use crate::path::Name;
use crate::register::Version;
use crate::wire::Minted;

fn id(n: u8) -> EntryId {
    EntryId([n; 16])
}

fn dot(counter: u64) -> Dot {
    Dot { incarnation: Incarnation([7; 16]), counter }
}

fn known(counters: &[u64]) -> Knowledge {
    let mut known = Knowledge::default();
    counters.iter().for_each(|&counter| known.insert(dot(counter)));
    known
}

fn ledger() -> (Facts, MemIndex) {
    let index = MemIndex::new(Meta::new(Incarnation([9; 16]), Phase::Member, [0; 16]));
    (Facts::load(&index), index)
}

/// A directory at or gone from `parent`/`called` since `time`.
fn dir(n: u8, parent: EntryId, called: &str, time: u64, here: bool) -> Entry {
    let mut entry = Entry::new(id(n), Kind::Dir);
    let dot = dot(time * 10 + u64::from(n));
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(time), dot };
    let name = Name::new(called.as_bytes()).unwrap();
    let state = if here { Presence::At(None) } else { Presence::Deleted(Sight::Live) };
    let value = Location { parent, name, stamp, state };
    entry.loc.insert(Version { dot, minted: value.mint().into(), value });
    entry
}

fn write(ledger: &mut (Facts, MemIndex), entry: Entry, author: Author) {
    let dots = entry.dots();
    put(&mut ledger.0, &mut ledger.1, entry, None, author, &dots);
}

/// Who was marked since the last call.
fn marked(ledger: &mut (Facts, MemIndex)) -> Vec<u8> {
    let mut marked: Vec<u8> = ledger.0.marked.drain(..).map(|id| id.0[0]).collect();
    marked.sort_unstable();
    marked.dedup();
    marked
}

#[test]
fn live_children_are_counted_in_whatever_order_entries_come() {
    let entries = [
        dir(1, ROOT, "a", 1, true),
        dir(2, id(1), "b", 1, true),
        dir(3, id(1), "c", 1, true),
        dir(2, id(1), "b", 2, false),
    ];
    for order in [[0, 1, 2, 3], [1, 2, 0, 3], [1, 2, 3, 0], [2, 1, 3, 0]] {
        let mut ledger = ledger();
        order.iter().for_each(|&n: &usize| write(&mut ledger, entries[n].clone(), Author::Here));
        assert_eq!(ledger.1.entry(id(1)).unwrap().live_children, 1, "{order:?}");
    }
}

#[test]
fn what_arrives_is_marked_and_what_was_done_here_is_not() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "a", 1, true), Author::Here);
    assert_eq!(marked(&mut ledger), []);
    write(&mut ledger, dir(2, ROOT, "b", 1, true), Author::Elsewhere);
    assert_eq!(marked(&mut ledger), [2]);
    assert_eq!(ledger.0.news, [id(2)]);
}

#[test]
fn whoever_shares_a_name_is_marked_when_a_rival_comes_or_goes() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "n", 1, true), Author::Here);
    write(&mut ledger, dir(3, id(1), "in", 1, true), Author::Here);
    write(&mut ledger, dir(2, ROOT, "n", 1, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2, 3], "and what lies in directories that became one");
    write(&mut ledger, dir(2, ROOT, "elsewhere", 2, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2, 3]);
}

#[test]
fn a_deleted_directory_that_is_needed_again_is_marked_and_so_are_those_above() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "a", 2, false), Author::Here);
    write(&mut ledger, dir(2, id(1), "b", 2, false), Author::Here);
    assert_eq!(marked(&mut ledger), []);
    write(&mut ledger, dir(3, id(2), "c", 1, true), Author::Elsewhere);
    assert_eq!(marked(&mut ledger), [1, 2, 3]);
}

// Story (simulator, seed 119): of two directories that had gone into each other one was shown
// aside. The other was moved out again, which opened the circle; nobody looked at the first any
// more, and it stayed aside on every disk.
#[test]
fn who_lies_in_a_circle_is_marked_when_it_closes_and_when_it_opens() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "a", 1, true), Author::Here);
    write(&mut ledger, dir(2, id(1), "b", 1, true), Author::Here);
    write(&mut ledger, dir(3, ROOT, "rival", 1, true), Author::Here);
    assert_eq!(marked(&mut ledger), []);
    write(&mut ledger, dir(1, id(2), "a", 2, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2]);
    write(&mut ledger, dir(1, ROOT, "a", 3, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2]);
    write(&mut ledger, dir(1, ROOT, "a", 4, true), Author::Here);
    assert_eq!(marked(&mut ledger), []);
}

#[test]
fn a_pending_row_keeps_its_order_and_the_lowest_counter_that_touched_it() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "a", 3, true), Author::Elsewhere);
    write(&mut ledger, dir(2, ROOT, "b", 1, true), Author::Elsewhere);
    let before = ledger.1.pending(id(1)).unwrap();
    assert_eq!((before.create, &before.touched[..]), (Some(dot(31)), &[dot(31)][..]));
    mark(&mut ledger.0, &mut ledger.1, id(1), &[dot(40), dot(20)]);
    let after = ledger.1.pending(id(1)).unwrap();
    assert_eq!((after.order, &after.touched[..]), (before.order, &[dot(20)][..]));
    assert_eq!(ledger.1.touched_floor(Incarnation([7; 16])), Some(12));
}

#[test]
fn contexts_are_shared_while_they_are_equal_and_go_when_known() {
    let (mut facts, mut index) = ledger();
    facts.knowledge = known(&[1]);
    assert_eq!(facts.context(&mut index, None, &known(&[1])), None, "nothing beyond K");
    let one = facts.context(&mut index, None, &known(&[1, 2]));
    assert_eq!(facts.context(&mut index, None, &known(&[1, 2])), one);
    let both = facts.context(&mut index, one, &known(&[1, 3]));
    assert_ne!(both, one);
    assert!(known(&[1, 2, 3]).is_within(&facts.known_by(both)), "a context only grows");
    assert_eq!(facts.context(&mut index, both, &known(&[1])), both, "an old one is kept");
    facts.knowledge.merge(&known(&[2]));
    facts.save(&mut index);
    assert_eq!((facts.contexts.len(), index.contexts().len()), (1, 1));
    facts.knowledge.merge(&known(&[3]));
    facts.save(&mut index);
    assert!(facts.contexts.is_empty() && index.contexts().is_empty());
    assert_eq!(index.knowledge(), known(&[1, 2, 3]));
}

#[test]
fn a_dot_is_minted_once_and_known_at_once() {
    let (mut facts, _) = ledger();
    let (one, two) = (facts.mint(), facts.mint());
    assert_eq!((one.counter, two.counter), (1, 2));
    assert!(facts.knowledge.contains(one) && facts.knowledge.contains(two));
    facts.wall_ms = 5;
    let early = facts.tick();
    facts.wall_ms = 1;
    assert!(facts.tick() > early, "a clock that goes back does not take ours along");
}

// Story (small worlds, seed 7119): a file was renamed here for a peer before its new bytes, which a
// peer had written, were in place. Its row then showed the place that came with these bytes. A user
// deleted the old file, and with that place the edit that nobody here had seen.
#[test]
fn a_place_that_came_with_an_edit_is_shown_only_with_its_bytes() {
    let mut entry = Entry::new(id(1), Kind::File);
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(1), dot: dot(1) };
    let (name, state) = (Name::new(b"f").unwrap(), Presence::At(None));
    let place = Location { parent: ROOT, name, stamp, state };
    entry.loc.insert(Version { dot: dot(2), minted: place.mint().into(), value: place });
    let new = Content::File(Digest([2; 32]), 2);
    let data = Data {
        content: new.clone(),
        stamp: Stamp { dot: dot(2), ..stamp },
        base: vec![],
        body: None,
    };
    entry.data.insert(Version { dot: dot(2), minted: data.mint().into(), value: data });
    let old = Content::File(Digest([1; 32]), 1);
    assert_eq!(places_shown(&entry, Some(&old), &[]), []);
    assert_eq!(places_shown(&entry, Some(&new), &[]), [dot(2)]);
}

// Story (simulator, seed 2180): a file was renamed here for a peer, whose content won. Its row
// still held the content that lost, which was not in the conflict store yet, and so not the place
// that had come with it. A user deleted the file: its content went, that place stayed, and an entry
// was shown that had no content.
#[test]
fn the_place_that_came_with_the_bytes_on_the_disk_is_shown_though_they_lost() {
    let mut entry = Entry::new(id(1), Kind::File);
    let mut write = |time: u64| {
        let stamp = Stamp { rank: Rank::Write, hlc: Hlc(time), dot: dot(time) };
        let content = Content::File(Digest([u8::try_from(time).unwrap(); 32]), 1);
        let data = Data { content: content.clone(), stamp, base: vec![], body: None };
        entry.data.insert(Version { dot: dot(time), minted: data.mint().into(), value: data });
        let (name, state) = (Name::new(b"f").unwrap(), Presence::At(None));
        let place = Location { parent: ROOT, name, stamp, state };
        entry.loc.insert(Version { dot: dot(time), minted: place.mint().into(), value: place });
        content
    };
    let (loser, winner) = (write(1), write(2));
    assert_eq!(places_shown(&entry, Some(&loser), &[]), [dot(1)]);
    assert_eq!(places_shown(&entry, Some(&winner), &[]), [dot(2)]);
    // Story (simulator, seed 2696): the loser was in the conflict store when the file was renamed
    // here for a peer. A user deleted it: the lost content went, its place stayed.
    assert_eq!(places_shown(&entry, Some(&winner), &[dot(1), dot(2)]), [dot(1), dot(2)]);
}

// Story (simulator, seed 2475): of two files of one name one was shown under a longer suffix, for a
// third was called just as the short one. That was deleted, and on no disk the name was shortened.
#[test]
fn who_is_shown_under_a_suffix_is_marked_when_that_very_name_comes_or_goes() {
    let mut ledger = ledger();
    write(&mut ledger, dir(1, ROOT, "n.x", 1, true), Author::Here);
    write(&mut ledger, dir(2, ROOT, "n~0a-0101.x", 1, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1]);
    write(&mut ledger, dir(2, ROOT, "n~0a-0101.x", 2, false), Author::Here);
    assert_eq!(marked(&mut ledger), [1]);
}

// Story (simulator, seed 496): two directories of one name were shown as one, and so were the two
// called `n` in them. One of the outer two went elsewhere. What was in the inner two belonged to
// other directories from then on, and stayed where it was on one disk.
#[test]
fn where_directories_cease_to_be_one_so_do_those_in_them() {
    let mut ledger = ledger();
    for (n, parent, called) in [(1, ROOT, "d"), (2, ROOT, "d")] {
        write(&mut ledger, dir(n, parent, called, 1, true), Author::Here);
    }
    for (n, parent, called) in [(3, id(1), "n"), (4, id(2), "n"), (5, id(3), "x"), (6, id(4), "y")]
    {
        write(&mut ledger, dir(n, parent, called, 1, true), Author::Here);
    }
    marked(&mut ledger);
    write(&mut ledger, dir(2, ROOT, "e", 2, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2, 3, 4, 5, 6]);
}

// Story (simulator, seed 27005): as before, but the outer directory went into the one that it was
// shown as one with, beside the inner ones: it had been gone through already, and so the inner ones
// were not. A file stayed where it was on two disks.
#[test]
fn a_directory_that_goes_beside_those_in_it_does_not_keep_them_from_being_marked() {
    let mut ledger = ledger();
    for (n, parent, called) in [(1, ROOT, "d"), (2, ROOT, "d"), (3, id(1), "n"), (4, id(2), "n")] {
        write(&mut ledger, dir(n, parent, called, 1, true), Author::Here);
    }
    write(&mut ledger, dir(6, id(4), "y", 1, true), Author::Here);
    marked(&mut ledger);
    write(&mut ledger, dir(2, id(1), "n", 2, true), Author::Here);
    assert_eq!(marked(&mut ledger), [1, 2, 3, 4, 6]);
}

// Story (simulator, seed 3): an edit and a concurrent delete of a file, which lives. Its creation
// was taken for one of who had deleted it, and what its author replaced later overtook it
// (decisions A19).
#[test]
fn what_is_created_anew_is_created_by_who_placed_it_not_by_who_deleted_it() {
    let mut ledger = ledger();
    let (mut entry, gone) = (dir(1, ROOT, "a", 1, true), dir(1, ROOT, "a", 2, false));
    entry.loc.insert(gone.loc.versions()[0].clone());
    write(&mut ledger, entry, Author::Elsewhere);
    assert_eq!(ledger.1.pending(id(1)).unwrap().create, Some(dot(11)));
}
