//! When a tree that is an older copy has been looked at, and what a sync says has been seen.

use super::LOOKS_AGAIN_MS;
use crate::engine::tests::{present, Side};
use crate::engine::{Effect, Input};
use crate::entry::{Kind, Timestamp};
use crate::observe::{Found, Source};

fn unreadable() -> Found {
    Found::Unreadable("cannot be read".to_string(), None)
}

/// A tree that was put back to an older copy: all that is found there now is of the copy.
fn older() -> Side {
    let mut side = Side::new(1);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 8, None)));
    side.look(Source::Live, "d/file", Found::Present(present(Kind::File, 9, Some(b'1'))));
    side.engine.older = Some(Timestamp { seconds: i64::MAX, nanos: 0 });
    side.turn([Input::Rescan]);
    side
}

fn is_older(side: &Side) -> bool {
    side.engine.older.is_some()
}

fn scans(side: &mut Side) -> bool {
    side.now.mono_ms += LOOKS_AGAIN_MS;
    side.turn([Input::Tick]).iter().any(|effect| matches!(effect, Effect::Scan))
}

// Story (simulator, seeds 97 and 1281 with `volumes`): a scan of an older copy could not look into
// a directory, or found something in one that was not known yet. It had ended, and what was looked
// at there a moment later was taken for what users had done since: a file that the copy lacked was
// removed everywhere, one that it held older replaced the newer.
#[test]
fn an_older_copy_is_looked_at_until_nothing_is_owed() {
    let new = Found::Present(present(Kind::File, 7, Some(b'2')));
    for (path, found) in [("d", unreadable()), ("e/new", new)] {
        let mut side = older();
        side.look(Source::Scan, path, found);
        side.turn([Input::Scanned(true)]);
        assert!(is_older(&side), "{path}");
        assert!(scans(&mut side), "{path}: it is looked at again");
        side.turn([Input::Scanned(true)]);
        assert!(!is_older(&side), "{path}");
    }
}

// Story (simulator, seed 97 with `volumes=60`): events were lost while an older copy was looked at.
// The scan that was to find what they had told did not count as long as it had not been made, and
// the folder was scanned each second for ever.
#[test]
fn a_scan_finds_what_was_overlooked_in_an_older_copy() {
    let mut side = older();
    side.turn([Input::Overlooked]);
    side.turn([Input::Scanned(true)]);
    side.turn([Input::Scanned(true)]);
    assert!(!is_older(&side));
}

// Story (simulator, seed 1386 with `volumes=100`): a new file could not be read at first, and a
// sync said that all had been seen. The tree was put back to a copy that held the file: it was
// taken for a part of the copy that nobody has any more, and went to the trash.
#[test]
fn what_could_not_be_read_was_not_seen_by_a_sync() {
    for is_read in [true, false] {
        let mut side = Side::new(1);
        let found = Found::Present(present(Kind::File, 9, Some(b'1')));
        side.look(Source::Live, "file", unreadable());
        if is_read {
            side.look(Source::Live, "file", found);
        }
        side.now.mono_ms += 10_000;
        let effects = side.turn([Input::Tick]);
        let synced = effects.iter().find_map(|effect| match effect {
            Effect::Sync(epoch) => Some(*epoch),
            _ => None,
        });
        side.turn([Input::Synced(synced.expect("a row is volatile"))]);
        assert_eq!(side.engine.meta().synced_ms > 0, is_read);
    }
}
