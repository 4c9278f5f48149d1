//! Operations under way: what they wait for, and what is seen meanwhile.

use super::{
    asked, done, installed, looks, meet, node, operations, present, said,
    with_a_contested_file_gone, with_a_file, Side,
};
use crate::content::{Content, Digest};
use crate::dot::Incarnation;
use crate::engine::{Effect, Input};
use crate::entry::{Kind, Timestamp};
use crate::index::{Attributes, Fingerprint, Index, PendingRow};
use crate::limits::{BARRIER_MS_MAX, RETRY_MS_MAX};
use crate::observe::{self, Found, Present, Source, Stray};
use crate::path::RelPath;
use crate::plan::{Act, Failure, Operation, Outcome};
use crate::view;

// Story: under load an edit arrived while its file was still being put in place. The entry counted
// as a creation for ever, so its own edit waited 30 seconds for it, and everything later of its
// author with it.
#[test]
fn an_edit_that_comes_while_its_file_is_made_does_not_wait_for_itself() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let created = a.write("file", b'1');
    b.hear(1, created);
    let (operation, letter) =
        installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])])));
    assert_eq!(letter, b'1');
    let edited = a.write("file", b'2');
    let early = operations(b.hear(1, edited));
    assert!(early.is_empty(), "one operation at a time: {early:?}");
    let now = vec![present(Kind::File, 5, Some(b'1'))];
    let done = Outcome::Done { now, refused: None, displaced: None };
    let arrived = Input::Staged(vec![Digest([b'2'; 32])]);
    let next = b.turn([Input::Applied(vec![(operation, done)]), arrived]);
    assert_eq!(installed(&operations(next)).1, b'2');
}

// Decisions A19: a replacement waits for what its author had created before, half a minute at most.
#[test]
fn a_replacement_goes_ahead_of_creations_whose_content_does_not_come() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let created = a.write("file", b'1');
    b.hear(1, created);
    let staged = |letter: u8| Input::Staged(vec![Digest([letter; 32])]);
    let (operation, _) = installed(&operations(b.turn([staged(b'1')])));
    b.turn([Input::Applied(vec![(operation, done(present(Kind::File, 5, Some(b'1'))))])]);
    let found = Found::Present(present(Kind::File, 8, Some(b'3')));
    let created = a.look(Source::Live, "new", found);
    b.hear(1, created);
    let edited = a.write("file", b'2');
    b.hear(1, edited);
    let early = operations(b.turn([staged(b'2')]));
    assert!(early.is_empty(), "the new file is not there yet: {early:?}");
    b.now.mono_ms += BARRIER_MS_MAX;
    let effects = b.turn([Input::Tick]);
    let is_notice = |effect: &&Effect| matches!(effect, Effect::Notice(..));
    assert_eq!(effects.iter().filter(is_notice).count(), 1, "and it says so: {effects:?}");
    assert_eq!(installed(&operations(effects)).1, b'2');
}

// Story: a node was killed after it had put a file in place and before that was written down; its
// author deleted the file meanwhile. After the start the entry was dropped as gone, the node said
// so, and then the scan took the file for a new one: it came back on all nodes.
#[test]
fn a_file_made_just_before_a_kill_and_deleted_since_does_not_come_back() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let created = a.write("file", b'1');
    b.hear(1, created);
    installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])])));
    let deleted = a.look(Source::Scan, "file", Found::Absent);
    b.hear(1, deleted);
    let mut b = Side::open(2, b.index);
    a.turn([Input::PeerDown(node(2))]);
    meet(&mut a, &mut b);
    let life = Incarnation([1; 16]);
    assert!(!a.engine.exchange().has_applied(node(2), life, 2), "b cannot know yet");
    let minted = b.engine.meta().counter;
    let found = Found::Present(present(Kind::File, 5, Some(b'1')));
    b.look(Source::Scan, "file", found);
    let next = operations(b.turn([Input::Scanned(true)]));
    assert!(matches!(next[..], [Operation { act: Act::Remove { .. }, .. }]), "{next:?}");
    assert_eq!(b.engine.meta().counter, minted, "b has done nothing of its own");
}

// Story (simulator, seeds 124 and 169): a file was being put in place when its peer moved it away
// and made another of its name. That one was put there, too, and a user had removed the first: both
// were done, the row of the second had no place, and it was tried again for ever.
#[test]
fn two_operations_are_never_at_work_at_one_name() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let created = a.write("file", b'1');
    b.hear(1, created);
    let first = installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])])));
    assert_eq!(first.1, b'1');
    let moved = [("file", None), ("other", Some(present(Kind::File, 9, Some(b'1'))))];
    let began_ms = a.now.mono_ms + 1;
    let mut heard = said(a.turn([Input::Observed(began_ms, looks(Source::Live, &moved))]));
    let made = [("file", Some(present(Kind::File, 8, Some(b'2'))))];
    let began_ms = a.now.mono_ms + 1;
    heard.extend(said(a.turn([Input::Observed(began_ms, looks(Source::Live, &made))])));
    b.hear(1, heard);
    let early = operations(b.turn([Input::Staged(vec![Digest([b'2'; 32])])]));
    assert!(early.is_empty(), "the name is at work: {early:?}");
    let now = vec![present(Kind::File, 5, Some(b'1'))];
    let done = Outcome::Done { now, refused: None, displaced: None };
    let next = operations(b.turn([Input::Applied(vec![(first.0, done)])]));
    assert!(matches!(&next[..], [Operation { act: Act::Move { .. }, .. }]), "{next:?}");
    let now = vec![present(Kind::File, 5, Some(b'1'))];
    let done = Outcome::Done { now, refused: None, displaced: None };
    let last = operations(b.turn([Input::Applied(vec![(next[0].id, done)])]));
    let installs = |o: &&Operation| matches!(o.act, Act::Install { .. });
    let last: Vec<Operation> = last.iter().filter(installs).cloned().collect();
    assert_eq!(installed(&last).1, b'2');
}

// Story (simulator, a directory that was immutable for a while): what the machine had refused to
// set was never tried again, and the directory kept its own time on this node for ever.
#[test]
fn what_was_refused_is_tried_again_when_the_thing_has_changed() {
    let mut side = Side::new(1);
    let found = present(Kind::Dir, 5, None);
    side.look(Source::Live, "d", Found::Present(found.clone()));
    let row = side.index.seen_rows().find(|row| row.name.is_some()).expect("a row");
    let (slot, entry) = (row.slot, row.entry);
    let wanted = Attributes { mode: 0o700, ..found.attributes.clone() };
    let mut row = row.clone();
    row.refused = Some(wanted.clone());
    side.index.put_seen(&row);
    side.look(Source::Live, "d", Found::Present(found.clone()));
    assert_eq!(side.index.seen(slot).and_then(|row| row.refused), Some(wanted));
    let later = Timestamp { seconds: 1_900_000, nanos: 0 };
    let fingerprint = Fingerprint { ctime: later, ..found.fingerprint.clone() };
    let minted = side.engine.meta().counter;
    side.look(Source::Live, "d", Found::Present(Present { fingerprint, ..found }));
    assert_eq!(side.index.seen(slot).and_then(|row| row.refused), None);
    assert_eq!(side.engine.meta().counter, minted, "nobody has changed anything");
    assert_eq!(side.index.seen_of(entry).expect("it stays").slot, slot);
}

// Story (simulator, seed 586): a contested file had been moved away while nobody watched. Before
// that was believed, a peer wrote the same bytes to it once more; the row, which held them, was
// said to show that edit, too. Then the old absence was believed, and the deletion took the edit
// along.
#[test]
fn what_arrives_for_a_file_that_is_gone_is_not_deleted_with_it() {
    let (mut a, mut b) = (Side::new(1), with_a_contested_file_gone(2));
    a.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    a.write("d/file", b'1');
    meet(&mut a, &mut b);
    let mut heard = a.write("d/file", b'2');
    heard.extend(a.write("d/file", b'1'));
    b.hear(1, heard);
    b.now.mono_ms += 60_000;
    b.turn([Input::Tick]);
    let before = b.engine.meta().counter;
    b.look(Source::Live, "d/file", Found::Absent);
    assert_eq!(b.engine.meta().counter, before + 1, "the file is deleted");
    let all = b.index.pending_after(0, 10);
    let lives = |row: &PendingRow| b.index.entry(row.entry).is_some_and(|s| view::is_alive(&s));
    assert!(all.iter().any(lives), "and made again as a wrote it: {all:?}");
}

// Story (a reviewer broke the rule, and nothing failed): a contested file that a sync had made
// durable was renamed, and the look at its old name came first. It was deleted with what had lost
// to it, and at its new name was a new file: what a user had written was in a trash only.
#[test]
fn a_contested_file_that_was_renamed_keeps_what_lost_to_it() {
    let mut side = Side::new(1);
    let made = looks(Source::Live, &[("file", Some(present(Kind::File, 9, Some(b'1'))))]);
    side.turn([Input::Observed(side.now.mono_ms + 1, made)]);
    let path = Some(RelPath::parse(b"file").expect("a path"));
    let mtime = Timestamp { seconds: 1, nanos: 0 };
    side.turn([Input::Stray(Stray {
        path,
        digest: Digest([b'0'; 32]),
        size: 1,
        mtime,
        unkept: None,
    })]);
    let contested = side.index.conflicts(None, 1)[0];
    side.now.mono_ms += 10_000;
    let synced = side.turn([Input::Tick]).into_iter().find_map(|effect| match effect {
        Effect::Sync(epoch) => Some(epoch),
        _ => None,
    });
    side.turn([Input::Synced(synced.expect("a row is volatile"))]);
    side.look(Source::Live, "file", Found::Absent);
    let moved = ("moved", Some(present(Kind::File, 9, Some(b'1'))));
    for looked in [&[moved.clone()][..], &[("file", None), moved]] {
        let looked = looks(Source::Live, looked);
        side.turn([Input::Observed(side.now.mono_ms + 1, looked)]);
    }
    let row = observe::row_at(&side.index, &RelPath::parse(b"moved").expect("a path"));
    assert_eq!(row.map(|row| row.entry), Some(contested), "it is the same file");
    assert_eq!(side.index.conflicts(None, 2).len(), 1, "with what lost to it");
}

// Story (simulator, --power, seed 284): the power took a file that had come from elsewhere, and its
// author lost it, too. The one whole copy lay in staging, and was cleared away before the first
// look said what was missing.
#[test]
fn staging_is_not_cleared_before_the_first_look() {
    let left = |effects: Vec<Effect>| effects.iter().any(|e| matches!(e, Effect::Unstage(_)));
    let mut side = Side::new(1);
    side.write("file", b'1');
    let mut side = Side::boot(1, side.index, 2);
    assert!(!left(side.turn([Input::Staged(vec![Digest([b'2'; 32])])])));
    assert!(left(side.turn([Input::Scanned(true)])));
}

// Story (simulator, seeds 135 and 1365): a file arrived for a name that a directory had, and was
// being put beside it when a user moved the directory away and wrote a file at its name. That was
// taken for the one that had arrived, and lost its row to it: what the user had written was known
// to all and stood in no index, and once it was removed everybody asked for it for ever.
#[test]
fn what_a_user_writes_is_not_taken_for_what_is_on_its_way_to_another_name() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    a.write("c", b'1');
    b.look(Source::Live, "c", Found::Present(present(Kind::Dir, 4, None)));
    meet(&mut a, &mut b);
    let install = operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]));
    let [Operation { id, act }] = &install[..] else { panic!("{install:?}") };
    let beside = act.paths().pop().expect("one path");
    let dir = Some(present(Kind::Dir, 4, None));
    let written = [("c", Some(present(Kind::File, 9, Some(b'2')))), ("d", dir)];
    let batch = looks(Source::Live, &written);
    let effects = b.turn([Input::Observed(b.now.mono_ms + 1, batch.clone())]);
    assert_eq!(asked(&effects), [""; 0], "not before that is done");
    let made = done(present(Kind::File, 5, Some(b'1')));
    let moves = operations(b.turn([Input::Applied(vec![(*id, made)])]));
    assert!(matches!(moves[..], [Operation { act: Act::Move { .. }, .. }]), "{moves:?}");
    let effects = b.turn([Input::Applied(vec![(moves[0].id, Outcome::NotAsExpected)])]);
    assert_eq!(asked(&effects), ["c".to_string(), beside.to_string()]);
    b.turn([Input::Observed(b.now.mono_ms + 1, batch)]);
    let path = |path: &[u8]| RelPath::parse(path).expect("a path");
    for (path, letter) in [(beside, b'1'), (path(b"c"), b'2')] {
        let row = observe::row_at(&b.index, &path).expect("it stands there");
        assert_eq!(row.content, Some(Content::File(Digest([letter; 32]), u64::from(letter))));
    }
}

// Story (simulator, seed 5881): a symlink was replaced for a peer at the moment at which a user
// moved a file to its name. The file came to light and was published as an edit of the symlink:
// nobody can read such an entry, and the folder stopped.
#[test]
fn a_file_that_was_moved_over_a_symlink_is_no_edit_of_it() {
    let link = |target: &[u8]| Present {
        content: Some(Content::Link(target.into())),
        ..present(Kind::Symlink, 5, None)
    };
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let mut displaced = None;
    for target in [b"one", b"two"] {
        let heard = a.look(Source::Live, "name", Found::Present(link(target)));
        let operations = operations(b.hear(1, heard));
        let [operation] = &operations[..] else { panic!("{operations:?}") };
        let done = Outcome::Done { now: vec![link(target)], refused: None, displaced };
        b.turn([Input::Applied(vec![(operation.id, done)])]);
        displaced = Some(present(Kind::File, 9, Some(b'3')));
    }
    let kinds: Vec<Kind> = b.index.entries().map(|stored| stored.entry.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::File).count(), 1, "a file of its own");
    let files = b.index.entries().flat_map(|stored| {
        let entry = stored.entry.clone();
        let kind = entry.kind;
        entry.data.versions().to_vec().into_iter().map(move |v| (kind, v.value.content))
    });
    for (kind, content) in files {
        assert_eq!(kind == Kind::File, matches!(content, Content::File(..)), "{content:?}");
    }
}

// Story (found by a review): the mode of a file was changed for a peer, and the file had a second
// name here. That had the mode as well, nobody looked, and `wait` said that all were the same.
#[test]
fn where_attributes_are_set_a_files_other_names_have_them_too() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    let file = |handle, mode| {
        let mut file = present(Kind::File, handle, Some(b'1'));
        file.attributes.mode = mode;
        file
    };
    a.look(Source::Live, "f1", Found::Present(file(5, 0o644)));
    meet(&mut a, &mut b);
    let install = operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]));
    b.turn([Input::Applied(vec![(install[0].id, done(file(7, 0o644)))])]);
    let names = [("f1", Some(file(5, 0o644))), ("f2", Some(file(5, 0o644)))];
    let linked = a.turn([Input::Observed(a.now.mono_ms + 1, looks(Source::Live, &names))]);
    let heard = b.hear(1, said(linked));
    let link = operations(heard.clone());
    assert!(matches!(link[..], [Operation { act: Act::Link { .. }, .. }]), "{link:?}");
    a.hear(2, said(heard));
    let applied = b.turn([Input::Applied(vec![(link[0].id, done(file(7, 0o644)))])]);
    a.hear(2, said(applied));
    let changed = b.look(Source::Live, "f1", Found::Present(file(7, 0o600)));
    let set = operations(a.hear(2, changed));
    assert!(matches!(set[0].act, Act::SetAttributes { .. }), "{set:?}");
    a.turn([Input::Applied(vec![(set[0].id, done(file(5, 0o600)))])]);
    for name in ["f1", "f2"] {
        let path = RelPath::parse(name.as_bytes()).expect("a path");
        let row = observe::row_at(&a.index, &path).expect("it has a row");
        assert_eq!(row.attributes.mode, 0o600, "{name}");
    }
}

// Story (simulator, seed 55800): of two directories that were to change places one was immutable,
// and a file in it had a writer. Each attempt failed, and had looked for the file where it would
// have gone; the look brought the next attempt: two hundred a second, as long as it was immutable.
#[test]
fn what_the_disk_refuses_is_not_tried_again_with_each_look() {
    let (mut a, mut b, shown) = with_a_file("file");
    let edited = a.write("file", b'2');
    b.hear(1, edited);
    let mut tried = operations(b.turn([Input::Staged(vec![Digest([b'2'; 32])])]));
    for attempt in 1..=4 {
        let (operation, _) = installed(&tried);
        let failure = Failure { what: "refused".to_string(), full: false };
        b.turn([Input::Applied(vec![(operation, Outcome::Failed(failure))])]);
        b.now.mono_ms += 1;
        let batch = looks(Source::Live, &[("file", Some(shown.clone()))]);
        let seen = Input::Observed(b.now.mono_ms, batch);
        tried = operations(b.turn([seen]));
        if attempt > 2 {
            assert!(tried.is_empty(), "attempt {attempt}: {tried:?}");
            b.now.mono_ms += RETRY_MS_MAX;
            tried = operations(b.turn([Input::Tick]));
        }
    }
}
