//! What a person's word on a loser does on one node. What it does to what others do meanwhile is in
//! the table of conflicts, `tests/laws`.

use super::{decree, Verdict};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Stamp, Stamped, Timestamp, ROOT,
};
use crate::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, Slot,
    ROOT_SLOT,
};
use crate::ledger::{self, Author, Facts};
use crate::observe::mint::version;
use crate::path::{Name, RelPath};
use crate::view;

pub(in crate::observe) fn content(letter: u8) -> Content {
    Content::File(Digest([letter; 32]), 1)
}

/// The file `f` with these versions, each its author's own, the later ones stronger. The disk shows
/// the one of the letter `shown`.
pub(in crate::observe) fn folder(letters: &[u8], shown: u8) -> (Facts, MemIndex, EntryId) {
    let mut index = MemIndex::new(Meta::new(Incarnation([7; 16]), Phase::Member, [0; 16]));
    let mut facts = Facts::load(&index);
    facts.wall_ms = 9_000;
    let name = Name::new(b"f").expect("a name");
    let id = EntryId::derive(ROOT, Kind::File, &name, None);
    let mut entry = Entry::new(id, Kind::File);
    for (ms, &letter) in (1u64..).zip(letters) {
        let dot = Dot { incarnation: Incarnation([letter; 16]), counter: 1 };
        let stamp = Stamp { rank: Rank::Write, hlc: Hlc::from_unix_ms(ms), dot };
        let (parent, name, state) = (ROOT, name.clone(), Presence::At(None));
        entry.loc.write(version(dot, Location { parent, name, stamp, state }), &[]);
        let data = Data { content: content(letter), stamp, base: Vec::new(), body: None };
        entry.data.write(version(dot, data), &[]);
        let value = Timestamp { seconds: i64::from(letter), nanos: 0 };
        entry.times.write(version(dot, Stamped { stamp, value }), &[]);
        facts.knowledge.insert(dot);
    }
    let seen = vec![Dot { incarnation: Incarnation([shown; 16]), counter: 1 }];
    let (loc, data, times) = (seen.clone(), seen.clone(), seen.clone());
    let dots = SeenDots { loc, data, times, shown: seen, ..SeenDots::default() };
    let time = Timestamp::default();
    let handle = |n: u8| Handle([n].as_slice().into());
    let root = SeenRow {
        slot: ROOT_SLOT,
        parent: ROOT_SLOT,
        name: None,
        entry: ROOT,
        kind: Kind::Dir,
        fingerprint: Fingerprint { handle: handle(0), size: 0, mtime: time, ctime: time },
        content: None,
        attributes: Attributes::default(),
        refused: None,
        dots: SeenDots::default(),
        soft: false,
        volatile: None,
    };
    index.put_seen(&root);
    index.put_seen(&SeenRow {
        slot: Slot(2),
        name: Some(name),
        entry: id,
        kind: Kind::File,
        fingerprint: Fingerprint { handle: handle(1), size: 1, mtime: time, ctime: time },
        content: Some(content(shown)),
        dots,
        ..root
    });
    ledger::put(&mut facts, &mut index, entry, None, Author::Elsewhere, &[]);
    (facts, index, id)
}

/// `winner(losers)`.
pub(in crate::observe) fn shows(index: &MemIndex, id: EntryId) -> String {
    let entry = index.entry(id).expect("it is there").entry;
    let whole = view::whole(index, &entry);
    let letter = |data: &Data| match data.content {
        Content::File(digest, _) => char::from(digest.0[0]),
        Content::Link(_) => '>',
    };
    let lost: String = view::losers(index, &entry).iter().map(letter).collect();
    format!("{}({lost})", view::winner(&whole.data).map_or('-', letter))
}

fn check(letters: &[u8], shown: u8, verdict: fn(EntryId, Content) -> Verdict, of: u8, after: &str) {
    let (mut facts, mut index, id) = folder(letters, shown);
    let before = facts.meta.counter;
    let done = decree(&mut facts, &mut index, &verdict(id, content(of)));
    assert_eq!(shows(&index, id), after);
    let minted = facts.meta.counter - before;
    assert_eq!(minted, u64::from(done), "one operation, or none");
    assert_eq!(facts.written.last() == Some(&(id, Author::Here)), done, "peers hear of it");
}

#[test]
fn a_loser_that_is_kept_replaces_what_the_disk_shows_and_nothing_else() {
    check(b"lw", b'w', Verdict::Keep, b'l', "l()");
    check(b"klw", b'w', Verdict::Keep, b'l', "l(k)");
    // The winner has not reached this disk: nobody here has seen it.
    check(b"lw", b'l', Verdict::Keep, b'l', "l(w)");
}

#[test]
fn a_loser_that_is_dropped_goes_alone() {
    check(b"lw", b'w', Verdict::Drop, b'l', "w()");
    check(b"klw", b'w', Verdict::Drop, b'k', "w(l)");
}

#[test]
fn what_has_not_lost_is_neither_kept_nor_dropped() {
    for verdict in [Verdict::Keep, Verdict::Drop] {
        check(b"lw", b'w', verdict, b'w', "w(l)");
        check(b"lw", b'w', verdict, b'q', "w(l)");
    }
}

#[test]
fn what_is_kept_has_the_time_of_the_word_and_what_is_dropped_changes_no_time() {
    for (verdict, seconds) in [(Verdict::Keep as fn(_, _) -> _, 9), (Verdict::Drop, 119)] {
        let (mut facts, mut index, id) = folder(b"lw", b'w');
        assert!(decree(&mut facts, &mut index, &verdict(id, content(b'l'))));
        let entry = index.entry(id).expect("it is there").entry;
        let desired = view::desired(&entry).expect("a content");
        assert_eq!(desired.attributes.mtime.seconds, seconds);
    }
}

// Story: after a home had been put back, contents lay in the conflict store that no version named,
// and no command could clear them.
#[test]
fn bytes_that_no_version_names_are_let_go_of() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let digest = Digest([b'u'; 32]);
    assert!(decree(&mut facts, &mut index, &Verdict::DropUnnamed(digest)));
    assert_eq!(index.kept_of(ROOT), [digest], "the root lets go of it");
    assert!(index.pending(ROOT).is_some());
    index.put_kept(id, &Digest([b'k'; 32]));
    assert!(!decree(&mut facts, &mut index, &Verdict::DropUnnamed(Digest([b'k'; 32]))));
}

#[test]
fn a_loser_has_lost_to_the_first_write_that_its_author_had_not_seen() {
    let dot = |n: u8| Dot { incarnation: Incarnation([n; 16]), counter: 1 };
    let data = |n: u8, base: &[u8]| Data {
        content: content(n),
        stamp: Stamp { rank: Rank::Write, hlc: Hlc(u64::from(n)), dot: dot(n) },
        base: base.iter().copied().map(dot).collect(),
        body: None,
    };
    for (winner, loser, first) in [
        (data(5, &[]), data(4, &[]), 5),
        (data(5, &[3, 1]), data(4, &[1]), 3),
        (data(9, &[5, 3, 1]), data(4, &[1]), 3),
        (data(9, &[5, 3]), data(4, &[]), 3),
    ] {
        assert_eq!(view::lost_to(&winner, &loser), dot(first));
    }
}

// Story (real program, `hour` seed 7): what a loser had replaced stood beside it in the register,
// hidden by the loser's base alone. Somebody dropped the loser, and all nodes listed the older
// bytes as a conflict, fetched from a trash.
#[test]
fn what_a_loser_had_replaced_goes_with_it() {
    let of = |letter: u8| Dot { incarnation: Incarnation([letter; 16]), counter: 1 };
    let elsewhere = RelPath::parse(b"g").expect("a path");
    let id = folder(b"klw", b'w').2;
    for (verdict, after) in [
        (Verdict::Drop(id, content(b'l')), "w()"),
        (Verdict::Keep(id, content(b'l')), "l()"),
        (Verdict::KeepAs(Some(id), content(b'l'), elsewhere), "w()"),
    ] {
        let (mut facts, mut index, _) = folder(b"klw", b'w');
        let mut stored = index.entry(id).expect("it is there");
        let data = stored.entry.data.get(of(b'l')).expect("a version").value.clone();
        let again = Dot { counter: 2, ..of(b'l') };
        let data = Data { base: vec![of(b'k')], ..data };
        stored.entry.data.write(version(again, data), &[of(b'l')]);
        ledger::put(&mut facts, &mut index, stored.entry, None, Author::Elsewhere, &[]);
        assert_eq!(shows(&index, id), "w(l)");
        assert!(decree(&mut facts, &mut index, &verdict));
        assert_eq!(shows(&index, id), after);
    }
}
