//! From looks to operations, as tables: what the disk showed, what it shows now, what was done.

use super::{classify, row_at, Batch, Circumstances, Found, Observation, Present, Seen, Source};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Stamp, Stamped, Timestamp, ROOT,
};
use crate::index::{
    Attributes, Fingerprint, Handle, Index, Intent, MemIndex, Meta, PendingRow, Phase, SeenDots,
    SeenRow, Volatile, FORMER, ROOT_SLOT, UNDONE,
};
use crate::ledger::{self, Author, Facts};
use crate::path::{Name, RelPath};
use crate::register::Version;
use crate::view;
use crate::wire::Minted;
use std::collections::{BTreeMap, BTreeSet};

mod adopt;
mod lost;
mod names;

/// Wall clock of every batch, unix milliseconds.
const NOW: u64 = 1_000_000;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn digest(letter: u8) -> Content {
    Content::File(Digest([letter; 32]), u64::from(letter))
}

/// The fixture vocabulary: `dir(handle)`, `file(handle, letter)`, `link`, `.changed(ms)`, `.mode`.
fn thing(kind: Kind, handle: u8, content: Option<Content>) -> Present {
    let size = match content {
        Some(Content::File(_, size)) => size,
        _ => 0,
    };
    let time = Timestamp { seconds: 900, nanos: 0 };
    let handle = Handle([handle].as_slice().into());
    Present {
        kind,
        fingerprint: Fingerprint { handle, size, mtime: time, ctime: time },
        attributes: Attributes { mtime: time, mode: 0o644, ..Attributes::default() },
        content,
        soft: false,
        zeros: false,
        alone: false,
    }
}

fn dir(handle: u8) -> Option<Present> {
    Some(thing(Kind::Dir, handle, None))
}

fn file(handle: u8, letter: u8) -> Option<Present> {
    Some(thing(Kind::File, handle, Some(digest(letter))))
}

fn link(handle: u8, to: u8) -> Option<Present> {
    Some(thing(Kind::Symlink, handle, Some(Content::Link([to].as_slice().into()))))
}

fn at_ms(found: Option<Present>, ms: u64) -> Option<Present> {
    let time = Timestamp { seconds: (ms / 1000) as i64, nanos: (ms % 1000) as u32 * 1_000_000 };
    found.map(|mut found| {
        (found.fingerprint.ctime, found.fingerprint.mtime) = (time, time);
        found.attributes.mtime = time;
        found
    })
}

fn with_mode(found: Option<Present>, mode: u16) -> Option<Present> {
    found.map(|mut found| {
        found.attributes.mode = mode;
        found
    })
}

/// When the machine came up again after a power loss.
const BOOT: Timestamp = Timestamp { seconds: 960, nanos: 0 };

type Look = (&'static str, Option<Present>);

struct Node {
    facts: Facts,
    index: MemIndex,
    damaged_boot: bool,
    epoch: u64,
    /// Paths that were gone long ago.
    gone: BTreeMap<RelPath, Source>,
    /// Paths that were not judged before.
    judge: BTreeSet<RelPath>,
}

impl Node {
    fn new(phase: Phase) -> Node {
        let mut index = MemIndex::new(Meta::new(Incarnation([7; 16]), phase, [0; 16]));
        let root = thing(Kind::Dir, 0, None);
        index.put_seen(&SeenRow {
            slot: ROOT_SLOT,
            parent: ROOT_SLOT,
            name: None,
            entry: ROOT,
            kind: Kind::Dir,
            fingerprint: root.fingerprint,
            content: None,
            attributes: root.attributes,
            refused: None,
            dots: SeenDots::default(),
            soft: false,
            volatile: None,
        });
        let (facts, gone, judge) = (Facts::load(&index), BTreeMap::new(), BTreeSet::new());
        Node { facts, index, damaged_boot: false, epoch: FORMER, gone, judge }
    }

    fn look(&mut self, source: Source, looks: &[Look]) -> Seen {
        let mut looks: Vec<Observation> = looks
            .iter()
            .map(|(at, found)| {
                let found = found.clone().map_or(Found::Absent, Found::Present);
                Observation { path: path(at), found }
            })
            .collect();
        looks.sort_by(|a, b| a.path.cmp(&b.path));
        (self.facts.wall_ms, self.facts.written) = (NOW, Vec::new());
        let batch = Batch { source, looks };
        let power_back = self.damaged_boot.then_some(BOOT);
        let (gone, judge) = (self.gone.clone(), std::mem::take(&mut self.judge));
        let epoch = self.epoch;
        let under = Circumstances { power_back, epoch, gone, judge, ..Circumstances::default() };
        classify(&mut self.facts, &mut self.index, batch, &under)
    }

    /// What a batch led to, one line an entry, in the order of their paths.
    fn done(&mut self, source: Source, looks: &[Look]) -> Vec<String> {
        let before = self.index.clone();
        let counter = self.facts.meta.counter;
        self.look(source, looks);
        let mut lines: Vec<String> = Vec::new();
        let written: std::collections::BTreeSet<EntryId> =
            self.facts.written.iter().map(|(id, _)| *id).collect();
        for &id in &written {
            let entry = self.index.entry(id).unwrap().entry;
            let is_new = |dot: &Dot| dot.counter > counter;
            assert!(entry.dots().iter().any(is_new), "no write without a dot");
            if view::is_body(&entry) {
                continue;
            }
            lines.push(self.line(before.entry(id).map(|stored| stored.entry), id));
        }
        lines.sort();
        lines
    }

    fn line(&self, before: Option<Entry>, id: EntryId) -> String {
        let stored = self.index.entry(id).unwrap();
        let place = |entry: &Entry| view::settle(entry, 1).map(|at| (at.parent, at.name));
        let name =
            |at: Option<(EntryId, Name)>| at.map_or(String::new(), |(_, name)| name.to_string());
        let here = name(place(&stored.entry));
        let content = |entry: &Entry| view::winner(&entry.data).map(|data| data.content.clone());
        let letter = match content(&stored.entry) {
            Some(Content::File(digest, _)) => format!("={}", char::from(digest.0[0])),
            Some(Content::Link(to)) => format!(">{}", char::from(to[0])),
            None if stored.entry.kind == Kind::Dir => "/".to_string(),
            None => String::new(),
        };
        let alive = |entry: &Entry| view::settle(entry, 0).is_some_and(|at| at.alive);
        match before.filter(alive) {
            None => format!("{here}{letter} made"),
            Some(_) if !alive(&stored.entry) => format!("{here} deleted"),
            Some(old) if place(&old) != place(&stored.entry) => {
                format!("{} -> {here}", name(place(&old)))
            }
            Some(old) if content(&old) != content(&stored.entry) => {
                format!("{here}{letter} edited")
            }
            Some(_) => format!("{here} changed"),
        }
    }

    fn entry_at(&self, at: &str) -> Entry {
        let row = row_at(&self.index, &path(at)).expect("the path has a row");
        self.index.entry(row.entry).unwrap().entry
    }

    /// A peer's version arrives in S; this disk does not show it yet.
    fn arrives(&mut self, entry: Entry) {
        let dots = entry.dots();
        self.facts.knowledge.merge(&dots.iter().fold(Default::default(), |mut known, &dot| {
            crate::dot::Knowledge::insert(&mut known, dot);
            known
        }));
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Elsewhere, &dots);
    }

    /// Everything is on the platter.
    fn sync(&mut self) {
        self.index.settle_volatile(UNDONE - 1);
    }
}

/// A dot and stamp of a peer.
fn theirs(counter: u64) -> Stamp {
    let dot = Dot { incarnation: Incarnation([9; 16]), counter };
    Stamp { rank: Rank::Write, hlc: Hlc::from_unix_ms(counter), dot }
}

fn peer_entry(kind: Kind, called: &str, at: Location) -> Entry {
    let name = Name::new(called.as_bytes()).unwrap();
    let mut entry = Entry::new(EntryId::derive(ROOT, kind, &name, None), kind);
    entry.loc.insert(Version { dot: at.stamp.dot, minted: at.mint().into(), value: at });
    entry
}

/// In the root, where nothing was before.
fn peer_place(called: &str, counter: u64) -> Location {
    let name = Name::new(called.as_bytes()).unwrap();
    Location { parent: ROOT, name, stamp: theirs(counter), state: Presence::At(None) }
}

fn peer_file(called: &str, counter: u64, letter: u8) -> Entry {
    let mut entry = peer_entry(Kind::File, called, peer_place(called, counter));
    peer_write(&mut entry, counter, letter);
    entry
}

fn peer_write(entry: &mut Entry, counter: u64, letter: u8) {
    let stamp = theirs(counter);
    let data = Data { content: digest(letter), stamp, base: Vec::new(), body: None };
    entry.data.insert(Version { dot: stamp.dot, minted: data.mint().into(), value: data });
}

/// The one helper: a disk showed `before`; a live batch of looks shows `now`; the operations.
fn check(before: &[Look], now: &[Look], done: &[&str]) {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, before);
    assert_eq!(node.done(Source::Live, now), done);
    let present: Vec<Look> = now.iter().filter(|(_, found)| found.is_some()).cloned().collect();
    assert_eq!(node.done(Source::Scan, &present), [""; 0], "what was seen is known");
}

#[test]
fn new_things_are_made_and_known_things_change() {
    check(
        &[],
        &[("d", dir(1)), ("d/a", file(2, b'x')), ("l", link(3, b't'))],
        &["a=x made", "d/ made", "l>t made"],
    );
    let tree = [("a", file(2, b'x'))];
    check(&tree, &tree, &[]);
    check(&tree, &[("a", file(2, b'y'))], &["a=y edited"]);
    check(&tree, &[("a", with_mode(file(2, b'x'), 0o600))], &["a changed"]);
    check(&tree, &[("a", at_ms(file(2, b'x'), 950_000))], &["a changed"]);
    check(&tree, &[("a", None)], &["a deleted"]);
}

/// The log said of every path that was looked at, even if nothing had changed there, that it was
/// changed; and nothing of what had been done to it.
#[test]
fn what_was_done_is_told_of_each_path_that_it_was_done_to() {
    let before = [
        ("d", dir(1)),
        ("d/in", file(2, b'i')),
        ("e", file(3, b'e')),
        ("m", file(4, b'm')),
        ("same", file(5, b's')),
    ];
    let mut node = Node::new(Phase::Member);
    let told = |seen: Seen| {
        let lines = seen.done.into_iter().map(|(what, path, from)| {
            let from = from.map_or(String::new(), |from| format!(" from {from}"));
            format!("{what:?} {path}{from}")
        });
        lines.collect::<Vec<_>>()
    };
    let made = told(node.look(Source::Live, &before));
    assert_eq!(made, ["Created d", "Created d/in", "Created e", "Created m", "Created same"]);
    let now = [
        ("d", None),
        ("d/in", None),
        ("D", dir(1)),
        ("e", file(3, b'x')),
        ("m", with_mode(file(4, b'm'), 0o600)),
        ("same", file(5, b's')),
        ("n", None),
    ];
    let done = told(node.look(Source::Live, &now));
    assert_eq!(done, ["Moved D from d", "Edited e", "Attributes m"]);
    assert_eq!(told(node.look(Source::Live, &[("D", None)])), [""; 0], "it may be elsewhere");
    assert_eq!(told(node.look(Source::Scan, &[("D", None)])), ["Removed D/in", "Removed D"]);
}

#[test]
fn files_go_by_path_first() {
    let tree = [("a", file(1, b'x')), ("b", file(2, b'y'))];
    check(&tree, &[("a", file(3, b'z'))], &["a=z edited"]);
    check(&tree, &[("a", None), ("b", file(1, b'x'))], &["a deleted", "b=x edited"]);
    check(&tree, &[("a", file(2, b'y')), ("b", file(1, b'x'))], &["a=y edited", "b=x edited"]);
    check(&tree, &[("a", None), ("c", file(1, b'x'))], &["a -> c"]);
    check(&tree, &[("a", file(3, b'z')), ("c", file(1, b'x'))], &["a=z edited", "c=x made"]);
}

#[test]
fn directories_go_by_handle_first() {
    let tree = [("current", dir(1)), ("current/a", file(2, b'x')), ("new", dir(3))];
    check(
        &tree,
        &[("current", dir(3)), ("new", None), ("old", dir(1))],
        &["current -> old", "new -> current"],
    );
    check(&tree, &[("current", dir(3)), ("new", dir(1))], &["current -> new", "new -> current"]);
    check(&tree, &[("current", None), ("moved", dir(1))], &["current -> moved"]);
}

// Story (simulator, seed 83): a file and a directory were swapped. The file counted as deleted and
// made anew, and what had lost to it went to the trash with it.
#[test]
fn a_file_that_is_swapped_with_a_directory_is_moved() {
    check(
        &[("a", file(1, b'x')), ("d", dir(2)), ("d/in", file(3, b'i'))],
        &[("a", dir(2)), ("d", file(1, b'x'))],
        &["a -> d", "d -> a"],
    );
    check(
        &[("a", file(1, b'x')), ("l", link(2, b't'))],
        &[("a", link(2, b't')), ("l", file(1, b'x'))],
        &["a -> l", "l -> a"],
    );
}

// Story (simulator, seed 26): a directory was renamed while nobody watched, and a file of its old
// name was being written. Its old place was neither gone nor another's, so it counted as new; what
// was in it was not looked at, for the scan knew it, and stayed unseen.
#[test]
fn a_directory_whose_old_name_a_file_being_written_has_is_moved() {
    for now in [Found::Busy(None), Found::Foreign("a socket".into())] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Scan, &[("d", dir(1)), ("d/in", file(2, b'x'))]);
        let there = Found::Present(dir(1).unwrap());
        let looks = [("d", now), ("e", there)];
        let looks = looks.map(|(at, found)| Observation { path: path(at), found });
        let batch = Batch { source: Source::Scan, looks: looks.to_vec() };
        classify(&mut node.facts, &mut node.index, batch, &Circumstances::default());
        assert!(row_at(&node.index, &path("e/in")).is_some());
        assert!(row_at(&node.index, &path("d")).is_none());
    }
}

// Story (simulator, seed 493): one directory was renamed into a directory that was not known yet,
// and another took its old name. The first could not be written down where it was, went back to
// where it had been, and two things had been seen at one place.
#[test]
fn a_directory_whose_new_place_is_not_known_does_not_go_back_to_a_name_that_is_taken() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", dir(1)), ("a/in", file(3, b'x')), ("b", dir(2))]);
    let seen = node.look(Source::Live, &[("a", dir(2)), ("b", None), ("p/q", dir(1))]);
    assert!(seen.again.contains(&path("p/q")), "{:?}", seen.again);
    let names = node.index.seen_rows().filter_map(|row| row.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), [path("a").name().unwrap().clone()]);
    node.look(Source::Live, &[("p", dir(4)), ("p/q", dir(1)), ("p/q/in", file(3, b'x'))]);
    assert!(row_at(&node.index, &path("p/q/in")).is_some());
}

// Story (simulator, seed 5001199): another directory was moved over the one that it had been in.
// Its row stayed, in a directory that had none, and nothing was ever in place there again.
#[test]
fn a_directory_whose_new_place_is_not_known_does_not_go_back_to_a_directory_that_is_gone() {
    let mut node = Node::new(Phase::Member);
    let before = [("a", dir(1)), ("a/d", dir(2)), ("a/d/in", file(3, b'x')), ("b", dir(4))];
    node.look(Source::Scan, &before);
    let now = [("a", dir(4)), ("a/d", None), ("b", None), ("p/q", dir(2))];
    let seen = node.look(Source::Live, &now);
    assert!(seen.again.contains(&path("p/q")), "{:?}", seen.again);
    assert_eq!(node.index.seen_count(), 2, "the root and what was moved");
    assert!(seen.done.iter().all(|(_, at, _)| !at.is_root()), "{:?}", seen.done);
    node.look(Source::Live, &[("p", dir(5)), ("p/q", dir(2)), ("p/q/in", file(3, b'x'))]);
    assert!(row_at(&node.index, &path("p/q/in")).is_some());
}

#[test]
fn a_replaced_directory_takes_with_it_what_was_in_the_old_one() {
    let tree = [("d", dir(1)), ("d/a", file(2, b'x'))];
    check(&tree, &[("d", dir(4)), ("d/b", file(5, b'y'))], &["a deleted", "b=y made", "d changed"]);
}

#[test]
fn a_move_with_an_edit_is_both_under_two_dots_of_one_entry() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let id = node.entry_at("a").id;
    node.look(Source::Live, &[("a", None), ("b", file(1, b'y'))]);
    let entry = node.entry_at("b");
    assert_eq!((entry.id, node.facts.meta.counter), (id, 3));
    assert_eq!(view::winner(&entry.data).unwrap().content, digest(b'y'));
}

// Story (simulator, the oracle): a file was moved while an edit of a peer was known that had not
// reached this disk. The move wrote the bytes that the disk still showed anew: every node went back
// to them, and the edit became a loser of a conflict that nobody had made.
#[test]
fn a_move_takes_along_an_edit_that_has_not_reached_this_disk() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let mut newer = node.entry_at("a");
    let shown: Vec<Dot> = newer.data.dots().collect();
    newer.data.supersede(&shown);
    peer_write(&mut newer, 5, b'y');
    node.arrives(newer);
    assert_eq!(node.done(Source::Live, &[("a", None), ("b", file(1, b'x'))]), ["a -> b"]);
    let entry = node.entry_at("b");
    assert_eq!(view::winner(&entry.data).map(|data| &data.content), Some(&digest(b'y')));
    assert!(view::losers(&node.index, &entry).is_empty(), "{:?}", entry.data);
    assert!(entry.data.versions().len() > 1, "a delete that has not seen the move leaves the file");
}

#[test]
fn a_move_into_a_directory_made_in_the_same_batch_stays_a_move() {
    let tree = [("a", file(1, b'x')), ("d", dir(2)), ("d/b", file(3, b'y'))];
    check(&tree, &[("a", None), ("n", dir(4)), ("n/a", file(1, b'x'))], &["a -> a", "n/ made"]);
    check(
        &tree,
        &[("d", None), ("n", dir(4)), ("n/m", dir(5)), ("n/m/d", dir(2))],
        &["d -> d", "m/ made", "n/ made"],
    );
}

#[test]
fn a_vanished_tree_is_one_tombstone_an_entry() {
    let tree = [("d", dir(1)), ("d/e", dir(2)), ("d/e/a", file(3, b'x'))];
    let all = [("d", None), ("d/e", None), ("d/e/a", None)];
    check(&tree, &all, &["a deleted", "d deleted", "e deleted"]);
    check(&tree, &[("d/e", None), ("d/e/a", None)], &["a deleted", "e deleted"]);
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    assert_eq!(node.done(Source::Scan, &[("d", None)]), ["a deleted", "d deleted", "e deleted"]);
}

// Story (simulator, case 20): a file of a directory was asked for that had just been renamed. Who
// looked for it found the directory gone before the kernel had told where it went: all nodes
// deleted it with all that was in it, and got it again under its new name.
#[test]
fn a_directory_that_is_gone_with_all_that_is_in_it_may_have_been_renamed() {
    let tree = [("d", dir(1)), ("d/a", file(3, b'x'))];
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    let seen = node.look(Source::Live, &[("d", None)]);
    assert_eq!((seen.doubted, seen.done), (vec![path("d")], Vec::new()));
    let seen = node.look(Source::Live, &[("d", None), ("e", dir(1))]);
    assert_eq!(seen.moved, [(path("d"), path("e"))]);
}

#[test]
fn a_type_change_is_a_deletion_and_a_creation() {
    check(
        &[("a", file(1, b'x'))],
        &[("a", dir(2)), ("a/b", file(3, b'y'))],
        &["a deleted", "a/ made", "b=y made"],
    );
    check(&[("a", link(1, b't'))], &[("a", file(2, b'x'))], &["a deleted", "a=x made"]);
}

#[test]
fn what_is_made_again_takes_up_its_old_id() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let id = node.entry_at("a").id;
    node.look(Source::Live, &[("a", None)]);
    node.look(Source::Live, &[("a", file(2, b'y'))]);
    assert_eq!(node.entry_at("a").id, id);
    node.look(Source::Live, &[("a", None), ("b", file(2, b'y'))]);
    node.look(Source::Live, &[("a", file(3, b'z'))]);
    assert_ne!(node.entry_at("a").id, id, "the id went with the moved file");
}

#[test]
fn a_local_operation_supersedes_only_what_this_disk_showed() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let seen = node.entry_at("a").data.versions()[0].dot;
    let mut newer = node.entry_at("a");
    peer_write(&mut newer, 5, b'n');
    node.arrives(newer);
    node.look(Source::Live, &[("a", file(1, b'y'))]);
    let data = node.entry_at("a").data;
    assert!(data.get(theirs(5).dot).is_some(), "the version not yet shown here stays");
    assert!(data.get(seen).is_none(), "the version shown here is superseded");
    let seen = node.look(Source::Live, &[("a", None)]);
    assert_eq!(
        seen.doubted,
        [path("a")],
        "it may have been renamed, and what lost would go with it"
    );
    node.gone.insert(path("a"), Source::Live);
    node.look(Source::Live, &[("a", None)]);
    let id = EntryId::derive(ROOT, Kind::File, &Name::new(b"a").unwrap(), None);
    let data = node.index.entry(id).unwrap().entry.data;
    let left: Vec<Dot> = data.dots().collect();
    assert_eq!(left, [theirs(5).dot], "a delete takes away what was seen, nothing else");
}

// Story (small worlds, seed 2228): a program wrote over its file, which was to lose to a peer's,
// the very bytes that the peer had written. Nothing was minted, and the bytes that were overwritten
// stayed a loser that no node could find any more.
#[test]
fn who_writes_the_winning_bytes_over_a_version_that_lost_has_replaced_it() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let lost = node.entry_at("a").data.versions()[0].dot;
    let mut newer = node.entry_at("a");
    peer_write(&mut newer, 5, b'n');
    node.arrives(newer);
    node.look(Source::Live, &[("a", file(1, b'n'))]);
    let entry = node.entry_at("a");
    assert!(entry.data.get(lost).is_none(), "its bytes are nowhere any more");
    assert!(view::losers(&node.index, &entry).is_empty());
}

// Story (simulator, calm, seed 62): who had begun a folder was killed before it had seen its root,
// and two who joined met one another first. What they did made the root known, without a mode; the
// first took over what there was not, and each kept its own.
#[test]
fn who_began_the_folder_gives_the_root_what_it_was_not_given() {
    let mut node = Node::new(Phase::Importing);
    let mut root = Entry::new(ROOT, Kind::Dir);
    let (stamp, value) = (theirs(1), Timestamp::default());
    let mtime = Stamped { stamp, value };
    root.times.insert(Version { dot: stamp.dot, minted: mtime.mint().into(), value: mtime });
    node.arrives(root);
    node.look(Source::Scan, &[("", with_mode(dir(0), 0o2770))]);
    assert_eq!(view::desired(&node.entry_at("")).unwrap().attributes.mode, 0o2770);
}

// Story (small worlds, seed 48235): a user moved a file over another, where a peer had moved the
// very same. Nothing was minted, the peer moved its own back, and that took the file from all.
#[test]
fn who_moves_a_file_over_its_like_means_this_one_to_stay() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x')), ("b", file(2, b'y'))]);
    let mut newer = node.entry_at("b");
    let shown: Vec<Dot> = newer.data.dots().collect();
    newer.data.supersede(&shown);
    peer_write(&mut newer, 5, b'x');
    node.arrives(newer);
    node.look(Source::Live, &[("a", None), ("b", file(1, b'x'))]);
    let mut entry = node.entry_at("b");
    entry.data.supersede(&[theirs(5).dot]);
    assert_eq!(entry.data.versions().len(), 1, "who takes the peer's away has not seen it");
}

// Story (small worlds, seed 2442 and more): the place at which an inode was last seen was given up
// between the look and its being taken in, so no look said whether it had moved.
// Story (simulator, seed 1201054): a file was renamed and got a second name before anybody looked.
// It was moved to both, once with what it had been before the other move: a version that no disk
// held stood beside its own, and was waited for on every node, for ever.
#[test]
fn of_two_new_names_of_a_file_one_is_where_it_went() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let moved = [("a", None), ("b", file(1, b'x')), ("c", file(1, b'x'))];
    assert_eq!(node.done(Source::Live, &moved), ["a -> b", "c=x made"]);
    assert_eq!(node.entry_at("b").data.versions().len(), 1);
    assert_ne!(node.entry_at("b").id, node.entry_at("c").id);
}

#[test]
fn what_was_last_seen_at_a_place_that_was_not_looked_at_is_not_judged_at_first() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("d", dir(1)), ("d/f", file(2, b'x'))]);
    let before = node.facts.meta.counter;
    let seen = node.look(Source::Live, &[("e", dir(1))]);
    assert_eq!(seen.again, [path("e"), path("d")]);
    assert_eq!(seen.unjudged, [path("e")]);
    assert_eq!(node.facts.meta.counter, before);
    let seen = node.look(Source::Live, &[("d", None), ("e", dir(1))]);
    assert_eq!(seen.moved, [(path("d"), path("e"))]);
    assert!(row_at(&node.index, &path("e/f")).is_some(), "what is inside comes along");
}

// Story: `mv live old; mv next live` by one user. `old` was seen alone, twice: the name it had come
// from was at work. The second time it was judged as something new; nobody looked inside, for its
// inode was known. Then `live` was found to be another one, and all that it had held was deleted.
#[test]
fn a_directory_seen_alone_at_its_new_place_has_moved_there() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("live", dir(1)), ("live/f", file(2, b'x')), ("next", dir(3))]);
    let entry = node.entry_at("live/f").id;
    assert!(node.look(Source::Live, &[("old", dir(1))]).moved.is_empty());
    node.judge.insert(path("old"));
    let seen = node.look(Source::Live, &[("old", dir(1))]);
    assert_eq!(seen.moved, [(path("live"), path("old"))]);
    node.look(Source::Live, &[("live", dir(3)), ("next", None)]);
    assert_eq!(node.entry_at("old/f").id, entry);
    assert_eq!(node.index.seen_count(), 4, "the root, two directories and a file");
}

#[test]
fn an_edit_writes_its_place_again_with_the_old_stamp() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let before = node.entry_at("a").loc.versions()[0].clone();
    node.look(Source::Live, &[("a", file(1, b'y'))]);
    let after = node.entry_at("a").loc.versions()[0].clone();
    assert_ne!(before.dot, after.dot);
    assert_eq!(before.value, after.value);
    let data = node.entry_at("a").data.versions()[0].value.clone();
    assert_eq!(data.base, [before.dot], "it names what it replaced");
}

// Story (simulator, seed 26196): a file was moved into a directory, and written elsewhere at its
// old place, which won. Who had moved it put it back there, still with its old bytes. A user
// removed the directory and wrote the file where it stood. What was said again was the place in the
// directory, since the other had come with bytes that were not shown. When those were given a file
// of their own, the old place went with them, and the file belonged into a directory that nobody
// knew any more.
#[test]
fn an_edit_of_what_stands_where_unseen_bytes_put_it_says_that_place_again() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x')), ("d", dir(2)), ("d/a", file(3, b'y'))]);
    let mut entry = node.entry_at("d/a");
    let theirs_at = Location { stamp: theirs(NOW * 2), ..peer_place("b", 5) };
    let dot = theirs_at.stamp.dot;
    let minted = theirs_at.mint().into();
    entry.loc.insert(Version { dot, minted, value: theirs_at.clone() });
    peer_write(&mut entry, NOW * 2, b'z');
    node.arrives(entry);
    let row = row_at(&node.index, &path("d/a")).unwrap();
    let name = Some(theirs_at.name.clone());
    node.index.put_seen(&SeenRow { parent: ROOT_SLOT, name, ..row });
    node.look(Source::Live, &[("b", file(3, b'n'))]);
    let said = node.entry_at("b").loc;
    assert!(said.get(dot).is_some(), "what came with unseen bytes stays");
    let places: Vec<&Location> = said.versions().iter().map(|version| &version.value).collect();
    assert_eq!(places, [&theirs_at, &theirs_at]);
}

#[test]
fn a_change_found_by_a_scan_is_dated_between_the_last_clean_stop_and_now() {
    for (changed, dated) in [(100_000, 500_000), (700_000, 700_000), (NOW + 5_000, NOW)] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Scan, &[("a", file(1, b'x'))]);
        node.facts.stopped_ms = Some(500_000);
        node.look(Source::Scan, &[("a", at_ms(file(1, b'y'), changed))]);
        let hlc = node.entry_at("a").data.versions()[0].value.stamp.hlc;
        assert_eq!(hlc.unix_ms(), dated);
    }
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'x'), 100_000))]);
    assert_eq!(node.entry_at("a").data.versions()[0].value.stamp.hlc.unix_ms(), NOW);
}

#[test]
fn what_cannot_be_judged_is_looked_at_again_and_changes_nothing() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let unread = Some(thing(Kind::File, 2, None));
    let seen = node.look(Source::Live, &[("b", unread), ("no/such/dir", file(3, b'y'))]);
    assert_eq!(seen.again, [path("b"), path("no/such"), path("no/such/dir")]);
    assert_eq!(node.facts.written, []);
    let found = [Found::Busy(None), Found::Unreadable("EIO".into()), Found::Foreign("fifo".into())];
    for found in found {
        let batch =
            Batch { source: Source::Live, looks: vec![Observation { path: path("a"), found }] };
        let before = node.facts.meta.counter;
        let seen = classify(&mut node.facts, &mut node.index, batch, &Circumstances::default());
        assert_eq!(node.facts.meta.counter, before);
        assert!(seen.notices.len() <= 1 && row_at(&node.index, &path("a")).is_some());
    }
}

/// What was found of an announced version is damage, or an edit: beside it, or over it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum After {
    Damage,
    Beside,
    Over,
}

/// After a power loss: `a` showed x, then y (volatile or not); what is found; what that is.
fn check_aftermath(volatile: bool, found: Option<Present>, after: After) {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'x'), 800_000))]);
    node.sync();
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    let row = row_at(&node.index, &path("a")).unwrap();
    let previous = Some(Volatile { epoch: FORMER, previous: Some(digest(b'x')) });
    assert_eq!(row.volatile, previous);
    if !volatile {
        node.sync();
    }
    (node.damaged_boot, node.epoch) = (true, FORMER + 1);
    let before = node.facts.meta.counter;
    let announced = node.entry_at("a");
    let seen = node.look(Source::Scan, &[("a", found.clone())]);
    let damage = after == After::Damage;
    assert_eq!(seen.damaged.len(), usize::from(damage), "{volatile} {found:?}");
    assert_eq!(node.facts.meta.counter == before, damage, "{volatile} {found:?}");
    let now = node.index.entry(announced.id).unwrap().entry;
    assert_eq!(now == announced, damage);
    let stays = now.data.get(announced.data.versions()[0].dot).is_some();
    assert_eq!(stays, after != After::Over, "{volatile} {found:?}");
    assert_eq!(node.index.pending(announced.id).is_some(), stays, "and is put right");
}

#[test]
fn a_power_loss_spreads_nothing() {
    let zeros = file(1, 0).map(|found| Present { zeros: true, ..found });
    check_aftermath(true, None, After::Damage);
    check_aftermath(true, at_ms(file(1, b'x'), 950_000), After::Damage);
    check_aftermath(true, at_ms(file(1, b'p'), 900_000), After::Damage);
    check_aftermath(true, at_ms(zeros.clone(), 950_000), After::Damage);
    check_aftermath(false, None, After::Over);
    check_aftermath(false, at_ms(file(1, b'x'), 950_000), After::Over);
    check_aftermath(false, at_ms(zeros, 950_000), After::Over);
}

// Story (simulator, --power, seed 215): a power loss took a file that others had, and before the
// program ran again somebody made a symlink in its place: that deleted the file everywhere.
#[test]
fn who_makes_something_else_where_a_power_loss_took_a_file_does_not_delete_it() {
    for volatile in [true, false] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
        if !volatile {
            node.sync();
        }
        let id = node.entry_at("a").id;
        node.damaged_boot = true;
        node.look(Source::Scan, &[("a", link(9, b'l'))]);
        assert_eq!(view::is_alive(&node.index.entry(id).unwrap()), volatile);
        assert_eq!(node.entry_at("a").kind, Kind::Symlink);
    }
}

// Story (simulator, --power, seed 356): an edit of a peer was lost with the power, and before the
// program ran again somebody exchanged the file, which was the old one again, and a directory. The
// directory had moved to the file's place, and the file with the edit was deleted everywhere.
#[test]
fn who_moves_something_to_where_a_power_loss_took_a_file_does_not_delete_it() {
    for volatile in [true, false] {
        let mut node = Node::new(Phase::Member);
        let made = [("a", at_ms(file(1, b'y'), 900_000)), ("c", dir(5))];
        node.look(Source::Live, &made);
        if !volatile {
            node.sync();
        }
        let id = node.entry_at("a").id;
        node.damaged_boot = true;
        node.look(Source::Scan, &[("a", dir(5)), ("c", at_ms(file(7, b'p'), 800_000))]);
        assert_eq!(view::is_alive(&node.index.entry(id).unwrap()), volatile);
        assert_eq!(node.entry_at("a").kind, Kind::Dir);
    }
}

// Stories (simulator, --power, seeds 16 and 74): before the program ran again a user saved a
// shorter file, or cut it off in place. Both were taken for torn, and went to the trash. (Seed 23):
// a user wrote to what the power loss had left, and took away what was announced, and others had.
#[test]
fn who_writes_after_a_power_loss_loses_nothing_and_takes_nothing_away() {
    check_aftermath(true, at_ms(file(2, b'p'), 950_000), After::Beside);
    check_aftermath(true, at_ms(file(1, b'p'), 970_000), After::Beside);
    check_aftermath(true, at_ms(file(1, b'x'), 970_000), After::Beside);
    check_aftermath(true, at_ms(file(1, b'z'), 970_000), After::Beside);
}

// Story (simulator, power=60, seeds 264, 326, 516, 517, 567): before the program ran again somebody
// unpacked an archive over a file that was as announced, which sets old times. It was older than
// what had been announced, so it was taken for what the power had left, and went to the trash.
#[test]
fn who_writes_after_a_power_loss_may_set_any_time() {
    for handle in [1, 2] {
        let found = at_ms(file(handle, b'z'), 970_000).map(|mut found| {
            found.attributes.mtime = Timestamp { seconds: 7, nanos: 0 };
            found
        });
        check_aftermath(true, found, After::Beside);
        check_aftermath(true, at_ms(file(handle, b'z'), 850_000), After::Damage);
    }
}

// Story (simulator, power=60, seed 1665): a file that had been made durable was renamed, and its
// row counted as durable still. The power took the rename back, which looked as if somebody had
// renamed it back: all nodes heard of that (decisions A3).
#[test]
fn a_rename_that_a_power_loss_took_back_is_no_rename() {
    let (x, y) = (at_ms(file(1, b'x'), 800_000), at_ms(dir(5), 800_000));
    let later = |found: &Option<Present>| {
        found.clone().map(|mut found| {
            found.fingerprint.ctime.seconds += 100;
            found
        })
    };
    for (found, by_user) in [(&x, false), (&y, false), (&later(&later(&x)), true)] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &[("a", x.clone()), ("d", y.clone())]);
        node.sync();
        let (old, new) = if found == &y { ("d", "e") } else { ("a", "b") };
        let first = if found == &y { &y } else { &x };
        node.look(Source::Live, &[(old, None), (new, later(first))]);
        let id = node.entry_at(new).id;
        (node.damaged_boot, node.epoch) = (true, FORMER + 1);
        let before = node.facts.meta.counter;
        node.look(Source::Scan, &[(old, found.clone()), (new, None)]);
        assert_eq!(node.facts.meta.counter != before, by_user, "{found:?}");
        assert_eq!(node.index.seen_of(id).unwrap().name, path(old).name().cloned());
        assert_eq!(node.index.pending(id).is_some(), !by_user, "and is renamed again");
    }
}

// Story (simulator, power=60, seed 537): a user cut a file off, all was synced for the sake of
// others, and the power went before anybody had looked. It was shorter than what had been
// announced, so it was taken for torn, and was in a trash alone.
#[test]
fn what_a_user_wrote_just_before_a_power_loss_is_kept_and_does_not_win() {
    for handle in [1, 2] {
        let found = at_ms(file(handle, b'p'), 950_000);
        let earlier = found.clone().map(|mut found| {
            found.attributes.mtime = Timestamp { seconds: 7, nanos: 0 };
            found
        });
        for found in [found, earlier] {
            check_aftermath(true, found, After::Beside);
        }
    }
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    node.damaged_boot = true;
    node.look(Source::Scan, &[("a", at_ms(file(1, b'p'), 950_000))]);
    let winner = view::winner(&node.entry_at("a").data).map(|data| data.content.clone());
    assert_eq!(winner, Some(digest(b'y')));
}

// Story (simulator, power=60, seeds 17 and 32): what a peer had written was put in place, and the
// power left it as long and as old as it had been, with zeros for a part of it. It was taken for
// what a user had written since, and as the disk's time of change was later, it won.
#[test]
fn what_is_torn_and_as_old_as_what_was_announced_never_wins() {
    check_aftermath(true, at_ms(file(1, b'z'), 900_000), After::Beside);
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    node.damaged_boot = true;
    node.look(Source::Scan, &[("a", at_ms(file(1, b'z'), 900_000))]);
    let data = node.entry_at("a").data;
    let torn = data.versions().iter().find(|version| version.value.content == digest(b'z'));
    assert_eq!(torn.map(|version| version.value.stamp.rank), Some(Rank::Import));
}

// Story (simulator, power=60, seed 2088): the power cut a file off, and before the program ran
// again somebody made it immutable. It had been changed since, and had no bytes: an edit that won.
#[test]
fn a_file_that_the_power_cut_off_is_no_edit_whoever_sets_its_attributes() {
    let cut = at_ms(file(1, 0), 970_000).map(|mut found| {
        found.attributes.mtime = Timestamp { seconds: 900, nanos: 0 };
        found
    });
    check_aftermath(true, cut, After::Damage);
}

// Story (simulator, --power, seed 14): the power took back the mode that a joined root had got,
// and the root's own went to all.
#[test]
fn attributes_that_a_power_loss_took_back_are_no_change() {
    for (at, mints) in [(950_000, false), (970_000, true)] {
        // What is in the directory may have been changed since the power was back.
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &[("d", dir(1)), ("a", file(2, b'x'))]);
        (node.damaged_boot, node.epoch) = (true, FORMER + 1);
        let before = node.facts.meta.counter;
        let changed = |found| at_ms(with_mode(found, 0o700), at);
        let looks = [("d", changed(dir(1))), ("a", changed(file(2, b'x')))];
        let seen = node.look(Source::Scan, &looks);
        assert_eq!(node.facts.meta.counter > before, mints, "changed at {at}");
        assert_eq!(seen.damaged.len(), if mints { 1 } else { 2 });
        assert!(node.index.pending(node.entry_at("d").id).is_some());
        assert_eq!(node.index.pending(node.entry_at("a").id).is_some(), !mints, "and is put right");
    }
}

// Story (found by reading): a second save while the first look after the loss goes on was judged
// like the first, and a shorter one was damage.
#[test]
fn what_was_written_since_is_over_what_was_written_since() {
    let mut node = Node::new(Phase::Member);
    (node.damaged_boot, node.epoch) = (true, FORMER + 1);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 970_000))]);
    let seen = node.look(Source::Live, &[("a", at_ms(file(1, b'p'), 980_000))]);
    assert!(seen.damaged.is_empty());
    assert_eq!(node.entry_at("a").data.versions().len(), 1);
}

#[test]
fn a_volatile_directory_that_a_power_loss_took_leaves_no_rows_behind() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("d", dir(1)), ("d/a", file(2, b'x'))]);
    node.damaged_boot = true;
    let before = node.facts.meta.counter;
    node.look(Source::Scan, &[("d", None)]);
    assert_eq!(node.facts.meta.counter, before);
    assert_eq!(node.index.seen_count(), 1, "only the root is left");
    assert_eq!(node.index.pending_count(), 2, "both come back");
    assert!(node.facts.written.is_empty());
}

#[test]
fn an_edit_of_a_damaged_file_leaves_the_announced_version() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    let announced = node.entry_at("a").data.versions()[0].dot;
    node.damaged_boot = true;
    node.look(Source::Scan, &[("a", at_ms(file(1, b'b'), 800_000))]);
    node.damaged_boot = false;
    node.look(Source::Live, &[("a", at_ms(file(1, b'z'), 990_000))]);
    let data = node.entry_at("a").data;
    assert!(data.get(announced).is_some(), "nobody here saw the announced version");
}

/// A node was killed after it had put a's version 1 in place and before it wrote that down;
/// meanwhile version 2 came in. The scan took version 1 for a local edit, dated it now, and it won:
/// all nodes went back to it, and version 2 was a conflict that nobody had made.
#[test]
fn a_version_put_in_place_before_a_kill_is_not_a_local_edit_after_it() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", file(1, b'0'))]);
    let mut entry = node.entry_at("a");
    let (id, seen) = (entry.id, node.index.seen_of(entry.id).unwrap().dots);
    peer_write(&mut entry, 1, b'1');
    entry.data.supersede(&seen.data);
    node.arrives(entry.clone());
    let intent = Intent {
        parent: ROOT,
        name: Name::new(b"a").unwrap(),
        content: Some(digest(b'1')),
        dots: ledger::showing(&node.index, &entry),
    };
    let pending = node.index.pending(id).unwrap();
    node.index.put_pending(&PendingRow { intent: Some(intent), ..pending });
    let first: Vec<Dot> = entry.data.dots().collect();
    peer_write(&mut entry, 2, b'2');
    entry.data.supersede(&first);
    node.arrives(entry);
    let minted = node.facts.meta.counter;
    node.look(Source::Scan, &[("a", file(2, b'1'))]);
    assert_eq!(node.facts.meta.counter, minted, "nothing is minted");
    assert_eq!(node.index.seen_of(id).unwrap().dots.shown, first);
}

// Story (`kill_9_under_load_loses_nothing`, seed 2): a node was killed after it had put the winner
// in the place of a loser and before it wrote that down, and a user added a line to the winner
// before the scan. Taken for an edit of the loser, it replaced that, and a's and b's lines in the
// loser were nowhere but in the trash.
#[test]
fn an_edit_of_what_was_put_in_place_before_a_kill_does_not_replace_what_was_there_before_that() {
    for (handle, is_kept) in [(1, false), (2, true)] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &[("a", file(1, b'0'))]);
        let mut entry = node.entry_at("a");
        let (id, loser) = (entry.id, entry.data.versions()[0].dot);
        peer_write(&mut entry, NOW, b'1');
        node.arrives(entry.clone());
        let intent = Intent {
            parent: ROOT,
            name: Name::new(b"a").unwrap(),
            content: Some(digest(b'1')),
            dots: ledger::showing(&node.index, &entry),
        };
        let pending = node.index.pending(id).unwrap();
        node.index.put_pending(&PendingRow { intent: Some(intent), ..pending });
        node.facts.unsure.insert(id);
        node.look(Source::Live, &[("a", file(handle, b'2'))]);
        let data = node.entry_at("a").data;
        assert!(data.get(theirs(NOW).dot).is_some(), "the winner is not known to be replaced");
        assert_eq!(data.get(loser).is_some(), is_kept, "only an inode that stayed tells");
    }
}
