//! What a power loss, and the syncs before it, mean for the looks that follow.

use super::{looks, present, Side};
use crate::content::{Content, Digest};
use crate::engine::{Effect, Input};
use crate::entry::Kind;
use crate::index::{Index, Slot, FORMER};
use crate::observe::{self, Found, Source};
use crate::path::RelPath;

// Story (found by reading): a long scan after a power loss was overtaken by a sync of the
// filesystem, which made the rows durable that the scan was still to doubt: what the loss had
// undone was then taken for what users had done.
#[test]
fn after_a_power_loss_nothing_becomes_durable_before_the_scan() {
    let is_sync = |effects: Vec<Effect>| effects.iter().any(|e| matches!(e, Effect::Sync(_)));
    let mut side = Side::new(1);
    side.write("file", b'1');
    let mut side = Side::boot(1, side.index, 2);
    side.now.mono_ms += 60_000;
    assert!(!is_sync(side.turn([Input::Tick])), "nothing has been looked at");
    let scanned = side.turn([Input::Scanned(true)]);
    side.now.mono_ms += 60_000;
    let later = side.turn([Input::Tick]);
    assert!(is_sync(scanned) || is_sync(later));
}

// Story (simulator, power=60, seed 2324): the power took a directory's rename back, and cut off a
// file in it. Whether that file had been moved nobody could tell before its old place was looked
// at, too; by then the scan had ended, and the empty file was an edit that won everywhere.
#[test]
fn what_is_looked_at_again_after_a_power_loss_is_what_that_left() {
    let mut side = Side::new(1);
    side.look(Source::Live, "b", Found::Present(present(Kind::Dir, 4, None)));
    side.write("b/file", b'1');
    let mut side = Side::boot(1, side.index, 2);
    let cut = || Some(present(Kind::File, 9, Some(0)));
    let found = looks(
        Source::Scan,
        &[
            ("a", Some(present(Kind::Dir, 4, None))),
            ("a/file", cut()),
            ("b", Some(present(Kind::File, 7, Some(b'2')))),
        ],
    );
    side.turn([Input::Observed(side.now.mono_ms + 1, found), Input::Scanned(true)]);
    assert!(side.engine.lost_power(), "not all has been looked at");
    let again = looks(Source::Live, &[("a/file", cut()), ("b/file", None)]);
    side.now.mono_ms += 1_000;
    side.turn([Input::Observed(side.now.mono_ms + 1, again)]);
    let id = observe::row_at(&side.index, &RelPath::parse(b"a/file").expect("a path"));
    let entry = side.index.entry(id.expect("it was seen").entry).expect("it was made").entry;
    let announced = Content::File(Digest([b'1'; 32]), u64::from(b'1'));
    let mut contents = entry.data.versions().iter().map(|version| &version.value.content);
    assert!(contents.any(|content| *content == announced), "nothing has superseded it: {entry:?}");
    side.now.mono_ms += 60_000;
    side.turn([Input::Tick, Input::Scanned(true)]);
    assert!(!side.engine.lost_power());
}

// Story: a node stopped in good order, was started again, applied a file while its first scan was
// still running, and lost power. The stop before counted as this run's: what the loss had truncated
// was taken for a user's edit, and went to all nodes.
#[test]
fn a_power_loss_before_the_first_scan_is_over_is_one_all_the_same() {
    let mut side = Side::new(1);
    side.engine.stop(side.now, &mut side.index);
    let mut side = Side::open(1, side.index);
    side.turn([Input::Tick]);
    let side = Side::boot(1, side.index, 2);
    assert!(side.engine.lost_power());
}

// Story (simulator, power=60, seed 2137): a machine lost its power, and its program was killed
// before it had looked at all. The next start was in the same boot and took what was torn for
// users' edits.
#[test]
fn a_power_loss_is_not_forgotten_before_all_was_looked_at() {
    let mut side = Side::new(1);
    side.write("file", b'1');
    let mut side = Side::boot(1, side.index, 2);
    side.turn([Input::Tick]);
    let mut side = Side::boot(1, side.index, 2);
    assert!(side.engine.lost_power());
    side.turn([Input::Scanned(true)]);
    let side = Side::boot(1, side.index, 2);
    assert!(!side.engine.lost_power());
}

// Story: one sync of the filesystem failed, on a full disk. No other was ever tried, so nothing
// that the folder did until its next start was safe from a power loss, and nobody was told.
#[test]
fn a_sync_that_failed_is_tried_again_after_a_pause_and_settles_nothing() {
    let epoch = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Sync(epoch) => Some(epoch),
            _ => None,
        })
    };
    let volatile = |side: &Side| side.index.volatile(Slot(0), 9).len();
    let mut side = Side::new(1);
    side.write("file", b'1');
    side.now.mono_ms += 60_000;
    assert!(epoch(side.turn([Input::Tick])).is_some());
    assert_eq!(epoch(side.turn([Input::NotSynced])), None, "not at once");
    assert_eq!(volatile(&side), 1);
    let due = side.engine.deadline().expect("it is tried again");
    assert!(due > side.now.mono_ms + 1_000, "after a pause");
    side.now.mono_ms = due;
    let again = epoch(side.turn([Input::Tick])).expect("a sync");
    side.turn([Input::Synced(again)]);
    assert_eq!(volatile(&side), 0);
}

// Story (found by reading): the daemon was stopped in order while syncs failed, and then the power
// went. The stop was taken for a proof that everything was durable.
#[test]
fn what_no_sync_made_durable_is_doubted_after_a_reboot_though_the_stop_was_orderly() {
    for synced in [true, false] {
        let mut side = Side::new(1);
        side.write("file", b'1');
        side.now.mono_ms += 60_000;
        side.turn([Input::Tick]);
        side.turn([if synced { Input::Synced(FORMER + 1) } else { Input::NotSynced }]);
        side.engine.stop(side.now, &mut side.index);
        let side = Side::boot(1, side.index, 2);
        assert_eq!(side.engine.lost_power(), !synced);
    }
}

// Story (found by reading): until the scan after a power loss was over no sync was due, but its
// time had come, so the loop woke up again and again.
#[test]
fn until_the_scan_after_a_power_loss_nobody_wakes_for_a_sync() {
    let mut side = Side::new(1);
    side.write("file", b'1');
    let mut side = Side::boot(1, side.index, 2);
    side.now.mono_ms += 60_000;
    side.turn([Input::Tick]);
    assert_eq!(side.engine.deadline(), None);
}
