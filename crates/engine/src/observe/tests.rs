//! From looks to operations, as tables: what the disk showed, what it shows now, what was done.

use super::{
    classify, row_at, Batch, Circumstances, Found, Observation, Present, Seen, Source, Thing,
};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Stamp, Stamped, Timestamp, ROOT,
};
use crate::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, FORMER, OPEN,
    ROOT_SLOT,
};
use crate::ledger::{self, Author, Facts};
use crate::path::{Name, RelPath};
use crate::register::Version;
use crate::view;
use crate::wire::Minted;
use std::collections::{BTreeMap, BTreeSet};

mod adopt;
mod lost;
mod moves;
mod names;
mod older;
mod power;

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

/// It is there, and cannot be read.
fn unread(found: Option<Present>) -> Found {
    let thing = found.map(|found| Thing { kind: found.kind, fingerprint: found.fingerprint });
    Found::Unreadable("no permission".into(), thing)
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
    /// The tree is an older copy, and this is until when it was changed last.
    older: Option<Timestamp>,
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
        let (damaged_boot, older, epoch) = (false, None, FORMER);
        Node { facts, index, damaged_boot, older, epoch, gone, judge }
    }

    fn look(&mut self, source: Source, looks: &[Look]) -> Seen {
        let found = |found: &Option<Present>| found.clone().map_or(Found::Absent, Found::Present);
        let looks = looks.iter().map(|(at, there)| (*at, found(there))).collect();
        self.finds(source, looks)
    }

    fn finds(&mut self, source: Source, looks: Vec<(&str, Found)>) -> Seen {
        let looks = looks.into_iter().map(|(at, found)| Observation { path: path(at), found });
        let mut looks: Vec<Observation> = looks.collect();
        looks.sort_by(|a, b| a.path.cmp(&b.path));
        (self.facts.wall_ms, self.facts.written) = (NOW, Vec::new());
        let batch = Batch { source, looks };
        let power_back = self.damaged_boot.then_some(BOOT);
        let (gone, judge) = (self.gone.clone(), std::mem::take(&mut self.judge));
        let (older, epoch) = (self.older, self.epoch);
        let all = Circumstances::default();
        let booted_at = BOOT;
        let under = Circumstances { power_back, booted_at, older, epoch, gone, judge, ..all };
        classify(&mut self.facts, &mut self.index, batch, &under)
    }

    /// What a batch led to, one line an entry, in the order of their paths.
    fn done(&mut self, source: Source, looks: &[Look]) -> Vec<String> {
        self.does(|node| drop(node.look(source, looks)))
    }

    fn does(&mut self, look: impl FnOnce(&mut Node)) -> Vec<String> {
        let before = self.index.clone();
        let counter = self.facts.meta.counter;
        look(self);
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
        self.index.settle_volatile(OPEN - 1);
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
    node.sync();
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
fn a_vanished_tree_is_one_tombstone_an_entry() {
    let tree = [("d", dir(1)), ("d/e", dir(2)), ("d/e/a", file(3, b'x'))];
    let all = [("d", None), ("d/e", None), ("d/e/a", None)];
    check(&tree, &all, &["a deleted", "d deleted", "e deleted"]);
    check(&tree, &[("d/e", None), ("d/e/a", None)], &["a deleted", "e deleted"]);
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    assert_eq!(node.done(Source::Scan, &[("d", None)]), ["a deleted", "d deleted", "e deleted"]);
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
    let found =
        [Found::Busy(None), Found::Unreadable("EIO".into(), None), Found::Foreign("fifo".into())];
    for found in found {
        let batch =
            Batch { source: Source::Live, looks: vec![Observation { path: path("a"), found }] };
        let before = node.facts.meta.counter;
        let seen = classify(&mut node.facts, &mut node.index, batch, &Circumstances::default());
        assert_eq!(node.facts.meta.counter, before);
        assert!(seen.notices.len() <= 1 && row_at(&node.index, &path("a")).is_some());
    }
}

// Story (simulator, seed 93775): a directory that nobody may list, but look into, was moved into
// the folder, and a file in it was changed. For that the two were looked at again and again, as
// fast as the machine could, until the right was given.
#[test]
fn what_is_in_a_directory_that_cannot_be_read_is_not_looked_at_for_ever() {
    let mut node = Node::new(Phase::Member);
    let there = |handle| Found::Present(thing(Kind::File, handle, Some(digest(b'x'))));
    let below = Found::Present(dir(2).unwrap());
    let looks = vec![
        ("d", Found::Unreadable("EACCES".into(), None)),
        ("d/a", there(1)),
        ("d/e", below),
        ("d/e/a", there(3)),
    ];
    let seen = node.finds(Source::Live, looks);
    assert_eq!(seen.again, []);
    assert_eq!(seen.unread, ["d", "d/a", "d/e", "d/e/a"].map(path));
    assert_eq!(node.facts.written, []);
}
