//! What a loser becomes as a file of its own, on one node. What comes of it when others do
//! something meanwhile is in the table of conflicts, `tests/laws`.

use super::publish_copy;
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Sight, Stamp, ROOT};
use crate::index::{Index, MemIndex};
use crate::ledger::{self, Author, Facts};
use crate::observe::mint::version;
use crate::observe::verdict::tests::{content, folder, shows};
use crate::observe::{decree, Verdict};
use crate::path::{Name, RelPath};
use crate::register::Version;
use crate::view::{self, Shown};

fn name(index: &MemIndex, id: EntryId) -> String {
    match view::place(index, id) {
        Shown::At { name, .. } => name.to_string(),
        other => format!("{other:?}"),
    }
}

fn copy_of(id: EntryId, letter: u8) -> EntryId {
    EntryId::of_copy(id, &content(letter))
}

#[test]
fn a_copy_is_named_after_the_time_the_node_and_the_bytes_of_the_loser() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
    let copy = copy_of(id, b'l');
    assert_eq!(name(&index, copy), "f.conflict-19700101-000000-6c6c6c6c-6c6c");
    assert_eq!((shows(&index, id), shows(&index, copy)), ("w()".into(), "l()".into()));
    assert_eq!(index.kept_of(copy), [Digest([b'l'; 32])], "its bytes stay until it is in place");
    assert_eq!(facts.meta.counter, 1, "one operation");
    let dots = |id| index.entry(id).expect("there").entry.dots();
    let shared: Vec<_> = dots(copy).into_iter().filter(|dot| dots(id).contains(dot)).collect();
    assert_eq!(shared.len(), 1, "both halves have its dot");
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_none(), "it is no loser");
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'w')).is_none(), "nor is this");
}

#[test]
fn a_copy_whose_name_is_taken_has_more_digits() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
    let (mut facts, mut other, id) = folder(b"lw", b'w');
    // Somebody made a file of that very name.
    let mut taken = index.entry(copy_of(id, b'l')).expect("there");
    taken.entry.id = EntryId([9; 16]);
    other.put_entry(&taken);
    assert!(publish_copy(&mut facts, &mut other, id, &content(b'l')).is_some());
    assert_eq!(name(&other, copy_of(id, b'l')), "f.conflict-19700101-000000-6c6c6c6c-6c6c6c6c");
}

#[test]
fn a_loser_is_kept_at_a_path_that_nobody_has() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    let keep = |path: &str| {
        let path = RelPath::parse(path.as_bytes()).expect("a path");
        Verdict::KeepAs(Some(id), content(b'l'), path)
    };
    for refused in ["f", "no/g"] {
        assert!(!decree(&mut facts, &mut index, &keep(refused)), "{refused}");
    }
    assert_eq!(facts.meta.counter, 0, "nothing was done");
    assert!(decree(&mut facts, &mut index, &keep("g")));
    let made = index.named(ROOT, &Name::new(b"g").expect("a name"))[0];
    assert_eq!((shows(&index, id), shows(&index, made)), ("w()".into(), "l()".into()));
}

// Story (simulator, `links=250`, seed 216): a file was also said to be a name of another, which
// held two losers. One was published beside the winner; with it went what led to the other, whose
// bytes were in no tree and no conflict store any more.
#[test]
fn of_two_losers_that_a_lost_name_leads_to_one_is_published_and_the_other_stays() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let author = |n: u8| Dot { incarnation: Incarnation([n; 16]), counter: 9 };
    let data = |n: u8, body| {
        let stamp = Stamp { rank: Rank::Import, hlc: Hlc::default(), dot: author(n) };
        version(author(n), Data { content: content(n), stamp, base: Vec::new(), body })
    };
    let mut body = Entry::new(EntryId([5; 16]), Kind::File);
    body.data.write(data(b'k', None), &[]);
    body.data.write(data(b'l', None), &[]);
    let mut file = index.entry(id).expect("there").entry;
    file.data.write(data(b'l', Some(body.id)), &[]);
    for entry in [body, file] {
        ledger::put(&mut facts, &mut index, entry, None, Author::Elsewhere, &[]);
    }
    let losers = |index: &MemIndex| {
        let lost = view::losers(index, &index.entry(id).expect("there").entry);
        lost.into_iter().map(|data| data.content).collect::<Vec<_>>()
    };
    assert_eq!(losers(&index), [content(b'l'), content(b'k')]);
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
    assert_eq!(losers(&index), [content(b'k')]);
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'k')).is_some());
    assert_eq!(losers(&index), []);
}

// Story (simulator, `links=250 lacks=0`, seed 664): a user wrote to a file of two names, and saved
// one of them anew. The saved one lost and was published beside the winner; with it went what it
// had replaced, at that name only: what was written was the other name's as well, and was nowhere.
#[test]
fn what_was_replaced_at_one_name_stays_with_the_others_when_the_loser_is_published() {
    let (mut facts, mut index, id) = folder(b"w", b'w');
    let author = |n: u8| Dot { incarnation: Incarnation([n; 16]), counter: 9 };
    let data = |n: u8, base: &[Dot], body| {
        let stamp = Stamp { rank: Rank::Write, hlc: Hlc(u64::from(n)), dot: author(n) };
        version(author(n), Data { content: content(n), stamp, base: base.to_vec(), body })
    };
    let mut body = Entry::new(EntryId([5; 16]), Kind::File);
    body.data.write(data(b't', &[], None), &[]);
    body.data.write(data(b'z', &[], None), &[]);
    let mut file = index.entry(id).expect("there").entry;
    let mut other = Entry { id: EntryId([6; 16]), ..file.clone() };
    let old: Vec<Dot> = file.data.dots().collect();
    file.data.write(data(b'l', &[author(b't')], None), &old);
    for name in [&mut file, &mut other] {
        name.data.write(data(b'z', &[], Some(body.id)), &old);
    }
    for entry in [body, file, other] {
        ledger::put(&mut facts, &mut index, entry, None, Author::Elsewhere, &[]);
    }
    let losers = |index: &MemIndex, id: EntryId| {
        let lost = view::losers(index, &index.entry(id).expect("there").entry);
        lost.into_iter().map(|data| data.content).collect::<Vec<_>>()
    };
    assert_eq!(losers(&index, id), [content(b'l')]);
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
    assert_eq!(losers(&index, EntryId([6; 16])), [content(b't')]);
}

// Story (simulator, `beside=1`, seed 532): one published a loser beside its winner, while another
// gave the file it lost in a second name: there it had lost in what both names show, and was
// published once more. (Seed 2577, `links=250`: and once more for the other of the two names.)
#[test]
fn a_loser_is_one_whether_its_file_had_a_second_name_by_then_or_not() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    let file = index.entry(id).expect("there").entry;
    let lost = |version: &&Version<Data>| version.value.content == content(b'l');
    let lost = file.data.versions().iter().find(lost).expect("it has").value.clone();
    let mut body = Entry::new(EntryId::derive_body(id, lost.stamp.dot), Kind::File);
    let dot = Dot { incarnation: Incarnation([7; 16]), counter: 9 };
    body.data.write(version(dot, lost.clone()), &[]);
    let mut named = file.clone();
    let bound = Data { body: Some(body.id), ..lost.clone() };
    named.data.write(version(dot, bound), &[lost.stamp.dot]);
    let other = Entry { id: EntryId([6; 16]), ..named.clone() };
    body.note_others(dot, &[id, other.id]);
    let ids = [other.id, body.id];
    for entry in [body, named, other] {
        ledger::put(&mut facts, &mut index, entry, None, Author::Elsewhere, &[]);
    }
    for name in [id, ids[0]] {
        assert!(publish_copy(&mut facts, &mut index, name, &content(b'l')).is_some());
        assert_eq!(shows(&index, copy_of(id, b'l')), "l()");
        assert!(ids.iter().all(|of| index.entry(copy_of(*of, b'l')).is_none()));
    }
}

// Story (simulator, seed 4459): a loser was published beside its winner. Who had not heard of it
// moved the file and said with that again what had lost, which was published once more wherever
// the copy was another file by then: whether who wrote to it had seen the loser there or not.
#[test]
fn a_loser_that_comes_back_is_what_its_copy_has_become() {
    for (has_seen, copies) in [(true, 1), (false, 2)] {
        let (mut facts, mut index, id) = folder(b"lw", b'w');
        let lost = index.entry(id).expect("there").entry;
        let lost = lost.data.versions().iter().find(|data| data.value.content == content(b'l'));
        let lost = lost.expect("it has").value.clone();
        assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
        let copy = copy_of(id, b'l');
        let (stamp, dot) = (Stamp { hlc: Hlc::from_unix_ms(9), ..lost.stamp }, facts.mint());
        let base = lost.stamp.dot;
        let base = if has_seen { vec![base] } else { Vec::new() };
        let data = Data { content: content(b'e'), stamp: Stamp { dot, ..stamp }, base, body: None };
        let mut edited = index.entry(copy).expect("there").entry;
        let seen: Vec<Dot> = edited.data.dots().filter(|_| has_seen).collect();
        edited.data.write(version(dot, data), &seen);
        ledger::put(&mut facts, &mut index, edited, None, Author::Elsewhere, &[]);
        if !has_seen {
            assert!(publish_copy(&mut facts, &mut index, copy, &content(b'l')).is_some());
        }
        let mut moved = index.entry(id).expect("there").entry;
        moved.data.write(version(facts.mint(), lost), &[]);
        ledger::put(&mut facts, &mut index, moved, None, Author::Elsewhere, &[]);
        assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
        assert_eq!(shows(&index, id), "w()");
        assert_eq!(index.entries().count(), 1 + copies);
    }
}

// Story: bytes of no known file could only be copied out by hand.
#[test]
fn bytes_that_no_version_names_become_a_file_that_its_owner_alone_reads() {
    let (mut facts, mut index, _) = folder(b"w", b'w');
    let path = RelPath::parse(b"found").expect("a path");
    let verdict = Verdict::KeepAs(None, content(b'u'), path);
    assert!(decree(&mut facts, &mut index, &verdict));
    let made = index.named(ROOT, &Name::new(b"found").expect("a name"))[0];
    let desired = view::desired(&index.entry(made).expect("there").entry).expect("a content");
    assert_eq!((desired.content, desired.attributes.mode), (Some(content(b'u')), 0o600));
    assert_eq!(index.kept_of(made), [Digest([b'u'; 32])]);
}

#[test]
fn copies_of_one_loser_have_one_id_and_of_others_another() {
    let of = |n: u8| EntryId([n; 16]);
    let link = Content::Link(b"l"[..].into());
    let all = [copy_of(of(b'f'), b'l'), copy_of(of(b'f'), b'k'), copy_of(of(b'g'), b'l')];
    assert_eq!(all[0], copy_of(of(b'f'), b'l'));
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert!(EntryId::of_copy(of(b'f'), &link) != all[0]);
}

// Story (simulator, seed 681): a loser was published beside its winner in a directory that only the
// winner kept alive. Who had forgotten the deletion of the directory was told of the copy, and not
// of where it belongs.
#[test]
fn a_copy_in_a_deleted_directory_asserts_the_directory() {
    let (mut facts, mut index, id) = folder(b"lw", b'w');
    let dir = deleted_directory(&mut facts, &mut index, b"d");
    put_into(&mut facts, &mut index, id, dir);
    assert!(publish_copy(&mut facts, &mut index, id, &content(b'l')).is_some());
    assert!(view::is_placed(&index.entry(dir).expect("there").entry));
}

/// An entry is elsewhere, by the same operations, present or deleted.
pub(in crate::observe) fn put_into(
    facts: &mut Facts,
    index: &mut MemIndex,
    id: EntryId,
    dir: EntryId,
) {
    let mut stored = index.entry(id).expect("there");
    let versions = stored.entry.loc.versions().to_vec();
    for mut version in versions {
        version.value.parent = dir;
        stored.entry.loc.write(version.clone(), &[version.dot]);
    }
    ledger::put(facts, index, stored.entry, None, Author::Elsewhere, &[]);
}

pub(in crate::observe) fn deleted_directory(
    facts: &mut Facts,
    index: &mut MemIndex,
    name: &[u8],
) -> EntryId {
    let name = Name::new(name).expect("a name");
    let mut entry = Entry::new(EntryId::derive(ROOT, Kind::Dir, &name, None), Kind::Dir);
    let dot = Dot { incarnation: Incarnation([b'd'; 16]), counter: 1 };
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc::default(), dot };
    let state = Presence::Deleted(Sight::Live);
    entry.loc.write(version(dot, Location { parent: ROOT, name, stamp, state }), &[]);
    let id = entry.id;
    ledger::put(facts, index, entry, None, Author::Elsewhere, &[]);
    id
}
