//! What is said again, on one node.

use super::{above, again};
use crate::dot::{Dot, Incarnation};
use crate::entry::{EntryId, Hlc, Presence, Sight, ROOT};
use crate::index::Index;
use crate::observe::split::tests::{deleted_directory, put_into};
use crate::observe::verdict::tests::{folder, shows};
use crate::view;

// Story (simulator, seed 995): a file that others had forgotten came back, and its place was said
// again without its content. A deletion that had seen the old place took away the old content: all
// nodes were left with a file that had a place and nothing in it, and waited for ever.
#[test]
fn a_file_is_said_again_with_its_content() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    again(&mut facts, &mut index, id);
    let dot = Dot { incarnation: facts.meta.incarnation, counter: 1 };
    let lost = Dot { incarnation: Incarnation([b'l'; 16]), counter: 1 };
    let entry = index.entry(id).expect("there").entry;
    // Story (by reading, in search of the loss of seed 2266, which was another): the place of the
    // loser was said again with that of the winner. Who deleted the winner and had never had the
    // loser took both away.
    assert_eq!(entry.loc.dots().collect::<Vec<_>>(), [dot, lost], "the loser keeps its place");
    let mut dots: Vec<Dot> = entry.data.dots().collect();
    dots.sort();
    assert_eq!(dots, [dot, lost], "the loser is nobody's to say again");
    assert_eq!(shows(&index, id), "w(l)");
    let seen = index.seen_of(id).expect("shown").dots;
    assert_eq!((seen.loc, seen.data, seen.shown), (vec![dot], vec![dot], vec![dot]));
}

// Story (simulator, clocks a day apart): a file was deleted, edited by another at the same time,
// and removed by the user of a third, which had heard of the deletion, before it had the edit.
// It said the file again, and counted the place as seen: with what the user had removed the edit
// was gone.
#[test]
fn who_does_not_show_what_is_said_again_has_not_seen_its_place() {
    let (mut facts, mut index, id) = folder(b"lw", b'l');
    let before = index.seen_of(id).expect("shown").dots;
    again(&mut facts, &mut index, id);
    assert_eq!(shows(&index, id), "w(l)");
    let seen = index.seen_of(id).expect("shown").dots;
    assert_eq!((seen.loc, seen.data, seen.shown), (before.loc, before.data, before.shown));
}

#[test]
fn a_file_that_nothing_is_known_of_but_its_place_is_not_said_again() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let mut stored = index.entry(id).expect("there");
    let dots: Vec<Dot> = stored.entry.data.dots().collect();
    stored.entry.data.supersede(&dots);
    index.put_entry(&stored);
    again(&mut facts, &mut index, id);
    assert_eq!(facts.meta.counter, 0);
}

// Story (simulator, seed 97932): a file had been deleted, which two of three had forgotten, and the
// third, away for long, deleted what it knew of it, but for a place that it had not shown yet. The
// two joined what they heard to nothing, and had nothing to tell: that place stayed, on the third
// alone.
#[test]
fn the_end_of_a_file_that_was_forgotten_is_said_again() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let mut stored = index.entry(id).expect("there");
    let dots: Vec<Dot> = stored.entry.data.dots().collect();
    stored.entry.data.supersede(&dots);
    let mut end = stored.entry.loc.versions()[0].clone();
    stored.entry.loc.supersede(&[end.dot]);
    (end.dot, end.value.state) = (dots[0], Presence::Deleted(Sight::Live));
    stored.entry.loc.insert(end);
    index.put_entry(&stored);
    again(&mut facts, &mut index, id);
    let entry = index.entry(id).expect("there").entry;
    let dot = Dot { incarnation: facts.meta.incarnation, counter: 1 };
    assert_eq!(entry.ends().collect::<Vec<_>>(), [dot]);
    assert_eq!(entry.loc.versions().len(), 1);
    assert!(!view::is_placed(&entry));
}

// Story (simulator, seed 1595): two deleted directories had been moved into one another. Something
// was put into one of them, and both were said again a thousand times each.
#[test]
fn directories_that_are_in_one_another_are_said_again_once() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let dirs: Vec<EntryId> =
        [b"d", b"e"].map(|name| deleted_directory(&mut facts, &mut index, name)).into();
    put_into(&mut facts, &mut index, dirs[0], dirs[1]);
    put_into(&mut facts, &mut index, dirs[1], dirs[0]);
    put_into(&mut facts, &mut index, id, dirs[0]);
    above(&mut facts, &mut index, id);
    assert!(dirs.iter().all(|dir| view::is_placed(&index.entry(*dir).expect("there").entry)));
    assert_eq!(facts.meta.counter, 2);
}

// Story (simulator, seed 8931): a directory had been moved into another and was deleted there, by
// who had not seen that a third had moved it out again. Said again, it went back to where it was
// deleted last, into what all had forgotten: nobody knew where to put it, or what was in it.
#[test]
fn what_was_put_somewhere_is_said_again_there_and_not_where_it_was_deleted_since() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let mut stored = index.entry(id).expect("there");
    let mut deleted = stored.entry.loc.versions()[0].clone();
    deleted.dot = Dot { incarnation: Incarnation([b'd'; 16]), counter: 1 };
    deleted.value.parent = deleted_directory(&mut facts, &mut index, b"d");
    deleted.value.stamp.hlc = Hlc::from_unix_ms(9_000);
    deleted.value.state = Presence::Deleted(Sight::Live);
    stored.entry.loc.insert(deleted);
    index.put_entry(&stored);
    again(&mut facts, &mut index, id);
    let places = index.entry(id).expect("there").entry.loc;
    let places: Vec<_> = places.versions().iter().map(|place| place.value.parent).collect();
    assert_eq!(places, [ROOT]);
}

// Story (simulator, seed 587): a symlink was said again while its move by another was still to be
// done here, and the user removed it from where it was: with the content that was said again, and
// without the new place, of which the disk had shown nothing. All were left with an empty place.
#[test]
fn who_shows_it_elsewhere_has_seen_neither_the_place_nor_the_content_that_is_said_again() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let dir = deleted_directory(&mut facts, &mut index, b"d");
    put_into(&mut facts, &mut index, id, dir);
    let before = index.seen_of(id).expect("shown").dots;
    again(&mut facts, &mut index, id);
    let seen = index.seen_of(id).expect("shown").dots;
    assert_eq!((seen.loc, seen.data, seen.shown), (before.loc, before.data, before.shown));
}
