//! When a version is taken for lost, and when not.

use super::super::tests::{meet, node, present, Side};
use crate::content::{Content, Digest};
use crate::dot::Incarnation;
use crate::engine::{Effect, Input};
use crate::entry::{IncarnationRecord, Kind, Timestamp};
use crate::index::Index;
use crate::ledger;
use crate::observe::{self, Batch, Found, Observation, Source, Stray};
use crate::path::RelPath;
use crate::view;

fn path(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).expect("a path")
}

/// After this input what is asked for is nowhere, for so many turns; nobody looks at the disk.
/// Returns whether a person was told of something.
fn nothing_comes(side: &mut Side, mut input: Input, turns: usize) -> bool {
    let (mut copies, mut is_told) = (Vec::new(), false);
    for _ in 0..turns {
        let input = std::mem::replace(&mut input, Input::Tick);
        let effects = side.turn([Input::NotHere(std::mem::take(&mut copies)), input]);
        is_told |= effects.iter().any(|effect| matches!(effect, Effect::Notice(..)));
        copies.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Copy(digest, ..) => Some(digest),
            _ => None,
        }));
        side.now.mono_ms += 100;
    }
    is_told
}

// Story (simulator, seed 1893): while its program was down a file that others had edited, too, was
// moved over another. That it was gone was not believed at once, so its row stood for the inode as
// well, and the other file was to get its bytes anew: copied from where they had been, then asked
// for. Nobody else had them, and their author took its newest version for lost with the power and
// showed the older one everywhere. The bytes, which lay there all the time, went to the trash.
#[test]
fn what_lies_on_this_disk_is_not_lost() {
    for (from, to) in [("b", "d"), ("d", "b")] {
        let mut side = Side::new(1);
        side.look(Source::Live, to, Found::Present(present(Kind::File, 8, Some(b'1'))));
        side.look(Source::Live, from, Found::Present(present(Kind::File, 9, Some(b'2'))));
        let (loser, mtime) = (Digest([b'0'; 32]), Timestamp::default());
        let stray = Stray { path: Some(path(from)), digest: loser, size: 1, mtime, unkept: None };
        side.turn([Input::Stray(stray)]);
        let there = Found::Present(present(Kind::File, 9, Some(b'2')));
        let looks = vec![
            Observation { path: path(from), found: Found::Absent },
            Observation { path: path(to), found: there },
        ];
        let batch = Batch { source: Source::Scan, looks };
        side.turn([Input::Observed(side.now.mono_ms + 1, batch)]);
        let row = observe::row_at(&side.index, &path(to)).expect("it lies there");
        // A peer has changed something of it.
        ledger::mark(&mut side.engine.facts, &mut side.index, row.entry, &[]);
        nothing_comes(&mut side, Input::Tick, 1_000);
        let entry = side.index.entry(row.entry).expect("it has an entry").entry;
        let shown = view::winner(&entry.data).map(|data| data.content.clone());
        assert_eq!(shown, Some(Content::File(Digest([b'2'; 32]), u64::from(b'2'))));
    }
}

// Story (simulator, seed 3077): a machine left for good. Later a user removed what another had
// announced and nobody had fetched; another name of that file stood elsewhere, and was to show it.
// Nobody had it, but the one that had left might have, and so all waited for it for ever.
#[test]
fn who_was_removed_is_not_waited_for() {
    let mut side = Side::new(1);
    side.look(Source::Live, "a", Found::Present(present(Kind::File, 9, Some(b'1'))));
    let life = Incarnation([2; 16]);
    let other = IncarnationRecord { incarnation: life, node: node(2), signature: Vec::new() };
    side.index.put_incarnation(&other);
    let mut side = Side::boot(1, side.index, 2);
    side.look(Source::Scan, "a", Found::Absent);
    let waits = |side: &Side| !side.index.pending_after(0, 1).is_empty();
    assert!(!nothing_comes(&mut side, Input::Scanned(true), 10_000), "it is away, and may have it");
    let another = Input::Removed([node(3)].into());
    assert!(!nothing_comes(&mut side, another, 10_000), "another was removed");
    assert!(waits(&side), "so it is waited for");
    let both = Input::Removed([node(2), node(3)].into());
    assert!(nothing_comes(&mut side, both, 10_000), "nobody has it now");
    assert!(!waits(&side), "and nobody waits");
}

// Story (simulator, seed 2651 with power=60): two files held the same bytes, each written on
// another node, and both nodes lost them with the power. Each asked for them again and again for
// the file of the other, which was not its own to take back, and its own waited for that to end.
#[test]
fn of_two_files_with_one_lost_content_each_is_taken_back_by_its_author() {
    let (mut side, mut peer) = (Side::new(1), Side::new(2));
    meet(&mut side, &mut peer);
    let heard = peer.write("e", b'1');
    side.hear(2, heard);
    side.look(Source::Live, "e", Found::Present(present(Kind::File, 8, Some(b'1'))));
    side.look(Source::Live, "f", Found::Present(present(Kind::File, 9, Some(b'1'))));
    let mut side = Side::boot(1, side.index, 2);
    for lost in ["e", "f"] {
        side.look(Source::Scan, lost, Found::Absent);
    }
    nothing_comes(&mut side, Input::Scanned(true), 1_000);
    let waits = |side: &Side| side.index.pending_after(0, 9).len();
    assert_eq!(waits(&side), 2, "the other one is away, and may have it");
    nothing_comes(&mut side, Input::Removed([node(2)].into()), 10_000);
    assert_eq!(waits(&side), 1, "of the two one is its own");
}

// Story (simulator, seed 23 with `volumes=300`): a disk was put back, and its conflict store did
// not hold what the index said. One file was to let go of it, as somebody had kept another version,
// and one had just lost the same bytes. The one waited for the other to keep them, the other found
// nothing to keep and yet took them for kept, for the one: neither ever ended.
#[test]
fn what_the_conflict_store_lacks_is_kept_for_nobody() {
    let mut side = Side::new(1);
    side.look(Source::Live, "a", Found::Present(present(Kind::File, 8, Some(b'1'))));
    let row = observe::row_at(&side.index, &path("a")).expect("it lies there");
    let lacking = Digest([b'0'; 32]);
    side.index.put_kept(row.entry, &lacking);
    side.engine.not_kept(&mut side.index, &lacking);
    assert!(!side.index.is_kept(&lacking));
}

// Story (simulator, seed 35292): what had lost was put back in its place by a person, so that the
// conflict store was to let go of it, and the power went before that. What the store held had not
// been synced and was lost; the index believed it, as nothing conflicted any more. Then the same
// bytes lost once more: the node took them for kept, and the other asked for them for ever.
#[test]
fn a_power_loss_leaves_nothing_believed_of_what_was_to_be_released() {
    let mut side = Side::new(1);
    side.look(Source::Live, "a", Found::Present(present(Kind::File, 8, Some(b'1'))));
    let row = observe::row_at(&side.index, &path("a")).expect("it lies there");
    assert!(side.index.conflicts(None, 9).is_empty());
    let kept = Digest([b'0'; 32]);
    side.index.put_kept(row.entry, &kept);
    let side = Side::boot(1, side.index, 2);
    assert!(!side.index.is_kept(&kept));
    assert!(side.index.pending(row.entry).is_some(), "and is looked at");
}

// Story (simulator, seed 400591): an operation that was to keep a loser could not tell what it had
// displaced, and a user had written over that a moment before. The loser counted as kept, was
// nowhere, and its author, who alone could have taken it back, did not look for it.
#[test]
fn what_was_found_in_the_place_of_a_loser_says_that_it_is_not_kept() {
    let mut side = Side::new(1);
    side.look(Source::Live, "a", Found::Present(present(Kind::File, 8, Some(b'1'))));
    let row = observe::row_at(&side.index, &path("a")).expect("it lies there");
    let (lacking, mtime) = (Digest([b'0'; 32]), Timestamp::default());
    side.index.put_kept(row.entry, &lacking);
    let (path, digest) = (Some(path("a")), Digest([b'2'; 32]));
    side.turn([Input::Stray(Stray { path, digest, size: 1, mtime, unkept: Some(lacking) })]);
    assert_eq!(side.index.kept_of(row.entry), [digest]);
}
