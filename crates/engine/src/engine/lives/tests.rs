//! Indices that were put back to older copies: nobody is told one dot for two operations, everybody
//! ends with the same, and nothing that anybody wrote is missing.

use super::super::tests::{looks, meet, node, present, said, Side};
use super::{course, Course};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge};
use crate::engine::{Boot, Effect, FolderEngine, Input, Now, Opening, Witness};
use crate::entry::{Entry, EntryId, IncarnationRecord, Kind, Timestamp};
use crate::index::{Index, MemIndex, Phase};
use crate::limits::LIFE_MS_MIN;
use crate::message::{Message, Share};
use crate::observe::{Found, Source};
use crate::view;
use std::collections::{BTreeMap, BTreeSet};

fn record(number: u8, life: u8) -> IncarnationRecord {
    IncarnationRecord {
        incarnation: Incarnation([life; 16]),
        node: node(number),
        signature: Vec::new(),
    }
}

fn opening(number: u8, fresh: u8, witness: Witness) -> Opening {
    Opening {
        boot: Boot { id: [1; 16], at: Timestamp::default() },
        fresh: record(number, fresh),
        witness,
        noted: None,
        root: present(Kind::Dir, 0, None),
        empty: false,
    }
}

/// The program is started again on an index.
fn start(number: u8, mut index: MemIndex, fresh: u8, witness: Witness) -> (Side, Vec<Effect>) {
    let engine = FolderEngine::open(&mut index, opening(number, fresh, witness));
    let now = Now { mono_ms: 1, wall_ms: 1_800_000_100_000 };
    let mut side = Side { number, now, engine, index };
    let effects = side.turn([Input::Scanned(true)]);
    (side, effects)
}

fn life_of(side: &Side) -> (u8, u64) {
    (side.engine.meta().incarnation.0[0], side.engine.meta().counter)
}

/// Of each file: the letters of its versions.
fn files(side: &Side) -> BTreeMap<String, String> {
    let files = side.index.entries().filter(|stored| stored.entry.kind == Kind::File);
    let shown = files.map(|stored| {
        let loc = stored.entry.loc.versions().first().expect("it is somewhere");
        let letters = stored.entry.data.versions().iter().map(|data| match &data.value.content {
            Content::File(digest, _) => char::from(digest.0[0]),
            Content::Link(_) => '>',
        });
        (loc.value.name.to_string(), letters.collect())
    });
    shown.collect()
}

fn assert_same(a: &Side, b: &Side) {
    let entries = |side: &Side| -> BTreeMap<EntryId, Entry> {
        side.index.entries().map(|stored| (stored.entry.id, stored.entry.clone())).collect()
    };
    assert_eq!(entries(a), entries(b));
    assert_eq!(a.engine.knowledge(), b.engine.knowledge());
}

/// Two that agree, and then the second's index as it was before the last `lost` of its files.
fn put_back(lost: u8) -> (Side, MemIndex) {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    b.write("old", b'o');
    meet(&mut a, &mut b);
    let copy = b.index.clone();
    for number in 0..lost {
        b.make(&format!("lost{number}"), b'l');
    }
    meet_again(&mut a, &mut b);
    a.turn([Input::PeerDown(node(2))]);
    (a, copy)
}

fn meet_again(a: &mut Side, b: &mut Side) {
    a.turn([Input::PeerDown(node(b.number))]);
    b.turn([Input::PeerDown(node(a.number))]);
    meet(a, b);
}

impl Side {
    /// A new file, on an inode of its own.
    fn make(&mut self, name: &str, letter: u8) {
        let handle = 20 + u8::try_from(self.index.seen_count()).expect("few files");
        self.look(Source::Live, name, Found::Present(present(Kind::File, handle, Some(letter))));
    }
}

#[test]
fn the_course_of_a_life_at_an_opening() {
    let mut side = Side::new(2);
    side.index.put_incarnation(&record(2, 50));
    side.write("a", b'a');
    let (life, other, unknown) = (2, 50, 60);
    let last = |life: u8, counter| Witness::Last(Incarnation([life; 16]), counter);
    for (boot, witness, expected) in [
        (1, Witness::NoPlace, Course::GoesOn),
        (1, last(life, 1), Course::GoesOn),
        (1, last(life, 0), Course::GoesOn),
        (1, last(life, 2), Course::PutBack),
        (1, last(unknown, 0), Course::PutBack),
        (1, last(other, 9), Course::Ended),
        (1, Witness::Missing, Course::Ended),
        (2, Witness::NoPlace, Course::Ended),
        (2, last(life, 1), Course::Ended),
    ] {
        let mut opening = opening(2, 99, witness);
        opening.boot.id = [boot; 16];
        let found = course(side.engine.meta(), &side.index, &opening);
        assert_eq!(found, expected, "boot {boot}, {witness:?}");
    }
}

/// A volume was rolled back without a reboot. The node gave its dots a second time: its peers took
/// the new operations for those that they knew, and lost files without a word.
#[test]
fn the_witness_tells_of_an_index_that_was_put_back_before_anything_is_minted() {
    let (mut a, copy) = put_back(3);
    let counter = copy.meta().counter;
    let witness = Witness::Last(copy.meta().incarnation, counter + 3);
    let (mut b, effects) = start(2, copy, 102, witness);
    assert!(effects.contains(&Effect::PutBack));
    assert_eq!(life_of(&b), (102, 0));
    for number in 0..5 {
        b.make(&format!("new{number}"), b'n');
    }
    meet(&mut a, &mut b);
    assert_same(&a, &b);
    assert_eq!(files(&a).len(), 1 + 3 + 5, "{:?}", files(&a));
    let (b, effects) = start(2, b.index, 103, Witness::Last(Incarnation([102; 16]), 5));
    assert!(!effects.contains(&Effect::PutBack), "it is said once");
    assert_eq!(life_of(&b), (102, 5), "a restart goes on");
}

/// The same where there is no place for a witness. As many new operations as were lost, or more,
/// hid the fault: nobody claimed to know more than the counter said.
#[test]
fn a_peer_that_knows_more_of_a_life_than_was_told_begins_another() {
    for (lost, new) in [(3, 0), (3, 2), (3, 3), (3, 7)] {
        let (mut a, copy) = put_back(lost);
        let (mut b, effects) = start(2, copy, 2, Witness::NoPlace);
        assert!(!effects.contains(&Effect::PutBack), "nothing tells yet");
        for number in 0..new {
            b.make(&format!("new{number}"), b'n');
        }
        let hello = said(a.turn([Input::PeerUp(node(2))]));
        b.turn([Input::PeerUp(node(1))]);
        let effects = b.hear(1, hello);
        assert_eq!(effects.last(), Some(&Effect::NewLife), "{lost} {new}: {effects:?}");
        let waits = b.turn([Input::Tick]);
        assert_eq!(waits, [], "nothing is said in between");
        let effects = b.turn([Input::Life(record(2, 102))]);
        assert_eq!(effects.iter().filter(|effect| **effect == Effect::PutBack).count(), 1);
        let restarts = effects.contains(&Effect::Restart(node(1)));
        assert_eq!(restarts, new > 0, "a peer that was told of dots that are others now");
        assert_eq!(life_of(&b), (102, u64::from(new)));
        meet_again(&mut a, &mut b);
        assert_same(&a, &b);
        let files = files(&a);
        assert_eq!(files.len(), 1 + usize::from(lost + new), "{files:?}");
        assert!(files.values().all(|letters| letters.len() == 1), "no conflicts: {files:?}");
    }
}

#[test]
fn what_happens_before_the_new_life_begins_is_minted_in_it() {
    let (mut a, copy) = put_back(2);
    let (mut b, _) = start(2, copy, 2, Witness::NoPlace);
    let old = b.engine.meta().counter;
    let hello = said(a.turn([Input::PeerUp(node(2))]));
    b.turn([Input::PeerUp(node(1))]);
    b.hear(1, hello);
    b.make("meanwhile", b'm');
    assert_eq!(life_of(&b), (2, old), "it waits");
    b.turn([Input::Life(record(2, 102))]);
    assert_eq!(life_of(&b), (102, 1));
    meet_again(&mut a, &mut b);
    assert_same(&a, &b);
    assert!(files(&a).contains_key("meanwhile"));
}

#[test]
fn who_claims_to_know_the_future_again_and_again_is_refused() {
    let mut side = Side::new(2);
    side.turn([Input::PeerUp(node(1))]);
    let claim = |life: u8| {
        let mut knowledge = Knowledge::default();
        knowledge.insert(Dot { incarnation: Incarnation([life; 16]), counter: 9 });
        vec![Message::Share(Share {
            knowledge,
            incarnations: Vec::new(),
            frontier: Knowledge::default(),
        })]
    };
    let effects = side.hear(1, claim(2));
    assert!(effects.contains(&Effect::NewLife));
    side.turn([Input::Life(record(2, 102))]);
    let effects = side.hear(1, claim(102));
    assert!(matches!(effects[..], [Effect::Refuse(..)]), "{effects:?}");
    side.now.mono_ms += LIFE_MS_MIN;
    side.turn([Input::PeerUp(node(1))]);
    assert!(side.hear(1, claim(102)).contains(&Effect::NewLife), "after a while it may be true");
}

#[test]
fn what_a_peer_heard_in_this_run_is_no_proof() {
    let (mut a, mut b) = (Side::new(1), Side::first(2, Phase::Joining));
    meet(&mut a, &mut b);
    for number in 0..3 {
        b.make(&format!("f{number}"), b'f');
    }
    meet_again(&mut a, &mut b);
    assert_eq!(b.engine.meta().incarnation.0[0], 2);
    assert_eq!(b.engine.own_dots(&b.index).get(&Incarnation([2; 16])), Some(&3));
    let (mut b, _) = start(2, b.index, 102, Witness::Missing);
    b.make("g", b'g');
    let own = b.engine.own_dots(&b.index);
    let own: Vec<(u8, u64)> = own.into_iter().map(|(life, n)| (life.0[0], n)).collect();
    assert_eq!(own, [(2, 3), (102, 1)], "whoever waits, waits for all lives");
}

/// A home was copied while its program ran, and both went on: each gave its dots to operations of
/// its own, and each peer held one of the two for known. Nobody ever asked for the other.
#[test]
fn a_node_that_runs_twice_loses_nothing() {
    for (here, there) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
        let (mut a, mut c) = (Side::new(1), Side::new(3));
        let mut b = Side::new(2);
        b.write("old", b'o');
        meet(&mut a, &mut b);
        meet(&mut a, &mut c);
        let (mut twin, _) = start(2, b.index.clone(), 2, Witness::NoPlace);
        for number in 0..here {
            b.make(&format!("here{number}"), b'h');
        }
        for number in 0..there {
            twin.make(&format!("there{number}"), b't');
        }
        b.write("old", b'1');
        twin.write("old", b'2');
        meet_again(&mut a, &mut b);
        meet(&mut c, &mut twin);
        meet_again(&mut a, &mut c);
        // Each goes on working, and its peer with the other's.
        let mut told = 0;
        for round in 0..6 {
            b.make(&format!("on here{round}"), b'h');
            told += renew(&mut a, &mut b, 100 + round);
            meet_again(&mut a, &mut c);
            told += renew(&mut c, &mut twin, 200 + round);
            meet_again(&mut a, &mut c);
        }
        meet_again(&mut a, &mut b);
        meet_again(&mut c, &mut twin);
        meet_again(&mut a, &mut c);
        meet_again(&mut a, &mut b);
        meet_again(&mut c, &mut twin);
        assert_eq!(told, 1, "one of them is told that it is one of two");
        let files = contents(&b);
        assert_eq!(files.len(), 1 + here + there + 6, "{here} {there}: {files:?}");
        assert_eq!(files["old"], ['1', '2'].into(), "both edits are there");
        for side in [&a, &c, &twin] {
            // A dot that was given twice may be left beside its new name: with the same bytes.
            assert_eq!(contents(side), files, "{here} {there}");
            assert_eq!(side.engine.knowledge(), b.engine.knowledge());
        }
    }
}

// Story (simulator, seed 164 with twins=100): of two machines with one identity one wrote a file,
// and the connection with it was gone before all had the bytes. The other was asked: it did not
// have them, took itself for their author, and said for all that they were lost with the power.
#[test]
fn who_lives_twice_does_not_speak_for_what_the_other_wrote() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    b.write("old", b'o');
    meet(&mut a, &mut b);
    let (mut twin, _) = start(2, b.index.clone(), 77, Witness::Missing);
    meet_again(&mut a, &mut twin);
    twin.make("new", b'n');
    meet_again(&mut a, &mut twin);
    b.write("more", b'm');
    assert_eq!(renew(&mut a, &mut b, 101), 1);
    let lost = vec![Digest([b'n'; 32])];
    for _ in 0..200 {
        b.now.mono_ms += 1_000;
        let denied = Input::Message(node(1), Message::Gone(lost.clone()));
        b.turn([denied, Input::NotHere(lost.clone()), Input::Tick]);
    }
    assert_eq!(files(&b)["new"], "n", "nobody has asked the other");
}

// Story (simulator, seeds 903 and 1985 with power=60): the power was lost, and with it what was
// written last; then the index was put back to before that boot. The peers named the life between,
// and the node took it for that of a twin: what was lost was waited for, for ever.
#[test]
fn lives_that_an_index_forgot_as_it_was_put_back_are_no_twins() {
    let between = Incarnation([102; 16]);
    let put_back = Witness::Last(between, 1);
    for (witness, is_killed) in [(put_back, false), (put_back, true), (Witness::Missing, false)] {
        let (mut a, mut b) = (Side::new(1), Side::new(2));
        b.write("old", b'o');
        meet(&mut a, &mut b);
        let copy = b.index.clone();
        let (mut b, _) = start(2, b.index, 102, Witness::Missing);
        b.make("lost", b'l');
        meet_again(&mut a, &mut b);
        let (mut b, _) = start(2, copy, 103, witness);
        b.make("new", b'n');
        if is_killed {
            (b, _) = start(2, b.index, 104, Witness::Last(Incarnation([103; 16]), 1));
        }
        assert_eq!(renew(&mut a, &mut b, 105), 0, "{witness:?} {is_killed}: it runs once");
        assert!(!b.engine.meta().has_twin, "{witness:?} {is_killed}");
        assert_same(&a, &b);
    }
}

/// Of each file: its contents, however many versions have them.
// Story (simulator, seed 32007): a user moved a directory, and that it was gone had been seen and
// said, but not yet where it was, when the index was put back to a copy of before. The scan found
// the directory at its new place with all that was in it; then the others told that what was in it
// was deleted, and it was removed there.
#[test]
fn what_was_moved_with_its_directory_outlives_what_an_earlier_life_said_of_it() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    let dir = || present(Kind::Dir, 4, None);
    let file = || present(Kind::File, 9, Some(b'1'));
    b.look(Source::Live, "d", Found::Present(dir()));
    b.look(Source::Live, "d/f", Found::Present(file()));
    meet(&mut a, &mut b);
    let copy = b.index.clone();
    b.look(Source::Scan, "d", Found::Absent);
    meet_again(&mut a, &mut b);
    assert!(!is_alive(&a, Kind::File));
    a.turn([Input::PeerDown(node(2))]);
    let meta = b.engine.meta();
    let (mut b, _) = start(2, copy, 102, Witness::Last(meta.incarnation, meta.counter));
    let moved = looks(Source::Scan, &[("d", None), ("e", Some(dir())), ("e/f", Some(file()))]);
    b.turn([Input::Observed(b.now.mono_ms + 1, moved)]);
    meet(&mut a, &mut b);
    assert!(is_alive(&a, Kind::File) && is_alive(&b, Kind::File), "{:?}", files(&b));
    assert_same(&a, &b);
}

// Story (simulator, seed 46109): as above, but meanwhile another had moved one of two directories
// to the name of the second, which was said anew. Both are there, as one; the row of one of the two
// was in the way, and instead of being removed it was said anew, again and again.
#[test]
fn what_was_moved_with_its_directory_and_is_shown_as_another_is_not_said_again() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    let dir = |handle| present(Kind::Dir, handle, None);
    for (name, handle) in [("d", 4), ("d/s", 5), ("d/x", 6)] {
        a.look(Source::Live, name, Found::Present(dir(handle)));
        b.look(Source::Live, name, Found::Present(dir(handle)));
    }
    meet(&mut a, &mut b);
    let copy = b.index.clone();
    b.look(Source::Scan, "d", Found::Absent);
    a.look(Source::Live, "d/s", Found::Absent);
    let moved = looks(Source::Live, &[("d/x", None), ("d/s", Some(dir(6)))]);
    a.turn([Input::Observed(a.now.mono_ms + 1, moved)]);
    meet_again(&mut a, &mut b);
    a.turn([Input::PeerDown(node(2))]);
    let meta = b.engine.meta();
    let (mut b, _) = start(2, copy, 102, Witness::Last(meta.incarnation, meta.counter));
    let found = [("d", None), ("e", Some(dir(4))), ("e/s", Some(dir(5))), ("e/x", Some(dir(6)))];
    b.turn([Input::Observed(b.now.mono_ms + 1, looks(Source::Scan, &found))]);
    meet(&mut a, &mut b);
    assert!(life_of(&b).1 < 10, "{} operations", life_of(&b).1);
}

fn is_alive(side: &Side, kind: Kind) -> bool {
    side.index.entries().any(|stored| stored.entry.kind == kind && view::is_alive(stored))
}

fn contents(side: &Side) -> BTreeMap<String, BTreeSet<char>> {
    files(side).into_iter().map(|(name, letters)| (name, letters.chars().collect())).collect()
}

/// They meet; whoever asks for a new life gets it, and they meet again. How often the second was
/// told that it runs twice.
fn renew(a: &mut Side, b: &mut Side, fresh: u8) -> usize {
    a.turn([Input::PeerDown(node(b.number))]);
    b.turn([Input::PeerDown(node(a.number))]);
    let hello = said(a.turn([Input::PeerUp(node(b.number))]));
    b.turn([Input::PeerUp(node(a.number))]);
    let effects = b.hear(a.number, hello);
    let mut twins = 0;
    if effects.contains(&Effect::NewLife) {
        let effects = b.turn([Input::Life(record(b.number, fresh))]);
        twins = effects.iter().filter(|effect| **effect == Effect::Twin).count();
    }
    meet_again(a, b);
    twins
}
