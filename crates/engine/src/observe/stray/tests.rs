//! What becomes of bytes that nobody has published: at a file's place, at a free one, known ones.

use super::{publish, Published, Stray};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Stamp, Timestamp, ROOT,
};
use crate::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, Slot,
    ROOT_SLOT,
};
use crate::ledger::{self, Author, Facts};
use crate::observe::mint::version;
use crate::path::{Name, RelPath};
use crate::view::{self, Shown};

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

fn content(letter: u8) -> Content {
    Content::File(Digest([letter; 32]), u64::from(letter))
}

/// A root with the file `f`, whose bytes `1` a peer wrote at second 1,000.
fn folder() -> (Facts, MemIndex, EntryId) {
    let mut index = MemIndex::new(Meta::new(Incarnation([7; 16]), Phase::Member, [0; 16]));
    let time = Timestamp { seconds: 900, nanos: 0 };
    index.put_seen(&SeenRow {
        slot: ROOT_SLOT,
        parent: ROOT_SLOT,
        name: None,
        entry: ROOT,
        kind: Kind::Dir,
        fingerprint: Fingerprint {
            handle: Handle([0].as_slice().into()),
            size: 0,
            mtime: time,
            ctime: time,
        },
        content: None,
        attributes: Attributes::default(),
        refused: None,
        dots: SeenDots::default(),
        soft: false,
        volatile: None,
    });
    let mut facts = Facts::load(&index);
    facts.wall_ms = 9_000_000;
    let id = EntryId::derive(ROOT, Kind::File, &name("f"), None);
    let dot = Dot { incarnation: Incarnation([8; 16]), counter: 1 };
    facts.knowledge.insert(dot);
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc::from_unix_ms(1_000_000), dot };
    let mut entry = Entry::new(id, Kind::File);
    let state = Presence::At(None);
    let location = Location { parent: ROOT, name: name("f"), stamp, state };
    entry.loc.write(version(dot, location), &[]);
    let data = Data { content: content(b'1'), stamp, base: Vec::new(), body: None };
    entry.data.write(version(dot, data), &[]);
    ledger::put(&mut facts, &mut index, entry, None, Author::Elsewhere, &[dot]);
    (facts, index, id)
}

fn at(path: &str) -> Published {
    Published::At(RelPath::parse(path.as_bytes()).expect("a path"))
}

fn stray(path: Option<&str>, letter: u8, seconds: i64) -> Stray {
    let path = path.map(|path| RelPath::parse(path.as_bytes()).expect("a path"));
    let mtime = Timestamp { seconds, nanos: 0 };
    Stray { path, digest: Digest([letter; 32]), size: u64::from(letter), mtime, unkept: None }
}

// Story: a program wrote to a file at the very moment in which another version took its name, and
// the machine was killed. The bytes lay in the conflict store, and no node listed them.
#[test]
fn bytes_found_at_the_place_of_a_file_become_its_version_and_older_ones_lose() {
    let (mut facts, mut index, id) = folder();
    let published = publish(&mut facts, &mut index, &stray(Some("f"), b'2', 500));
    assert_eq!(published, at("f"));
    let stored = index.entry(id).expect("the file");
    assert!(stored.conflicted);
    let winner = view::winner(&stored.entry.data).map(|data| data.content.clone());
    assert_eq!(winner, Some(content(b'1')));
    let lost = view::losers(&index, &stored.entry);
    assert_eq!(lost.iter().map(|data| &data.content).collect::<Vec<_>>(), [&content(b'2')]);
    assert!(index.is_kept(&Digest([b'2'; 32])));
    assert!(!facts.written.is_empty(), "peers are told");
}

#[test]
fn bytes_written_later_than_what_took_their_place_win() {
    let (mut facts, mut index, id) = folder();
    publish(&mut facts, &mut index, &stray(Some("f"), b'2', 2_000));
    let stored = index.entry(id).expect("the file");
    let winner = view::winner(&stored.entry.data).map(|data| data.content.clone());
    assert_eq!(winner, Some(content(b'2')));
    assert!(stored.conflicted, "and nobody has seen the other");
}

#[test]
fn a_version_that_is_known_is_not_published_again() {
    let (mut facts, mut index, id) = folder();
    let known = publish(&mut facts, &mut index, &stray(Some("f"), b'1', 500));
    assert_eq!(known, Published::Known);
    assert_eq!(index.entry(id).expect("the file").entry.data.versions().len(), 1);
    publish(&mut facts, &mut index, &stray(Some("f"), b'2', 500));
    let known = publish(&mut facts, &mut index, &stray(Some("f"), b'2', 700));
    assert_eq!(known, Published::Known);
    assert_eq!(index.entry(id).expect("the file").entry.data.versions().len(), 2);
}

#[test]
fn bytes_of_a_place_that_is_gone_become_a_file_in_the_nearest_directory() {
    let (mut facts, mut index, _) = folder();
    let published = publish(&mut facts, &mut index, &stray(Some("gone/g"), b'3', 500));
    assert_eq!(published, at("g"));
    let [id] = index.named(ROOT, &name("g"))[..] else { panic!("one file") };
    assert_eq!(view::place(&index, id), Shown::At { parent: ROOT, name: name("g") });
    assert!(index.pending(id).is_some(), "it is to be put in place");
    let desired = view::desired(&index.entry(id).expect("made").entry).expect("whole");
    assert_eq!(desired.content, Some(content(b'3')));
    assert_eq!(desired.attributes.mode, 0o600, "nobody else reads it unasked");
}

// Story: after a kill what lay in staging without a line came into the tree of all nodes as
// `recovered-<hex>`, although its bytes were a file's of that very tree.
#[test]
fn bytes_of_no_known_place_get_none_in_the_tree() {
    let (mut facts, mut index, id) = folder();
    facts.written.clear();
    let before = index.entry_count();
    let published = publish(&mut facts, &mut index, &stray(None, b'3', 500));
    assert_eq!(published, Published::Nowhere);
    let mut row = index.seen(ROOT_SLOT).expect("the root");
    (row.slot, row.name, row.entry, row.kind) = (Slot(1), Some(name("f")), id, Kind::File);
    row.content = Some(content(b'1'));
    index.put_seen(&row);
    let published = publish(&mut facts, &mut index, &stray(None, b'1', 500));
    assert_eq!(published, Published::Known);
    assert!(index.pending(id).is_some(), "its file lets go of what the conflict store has of it");
    assert_eq!(index.entry_count(), before);
    assert!(facts.written.is_empty(), "no peer hears of either");
}
