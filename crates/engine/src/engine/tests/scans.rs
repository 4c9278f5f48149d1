//! When the whole disk is looked at, and what is sure after that.

use super::Side;
use crate::engine::{Effect, Input};
use crate::index::Phase;
use crate::limits::DOUBTS_MAX;
use crate::observe::{Found, Source};

// Story (found by reading): the kernel lost events while a scan was running, which had been to the
// place already. No other scan followed, and the change stayed unseen until the next start.
#[test]
fn what_is_lost_while_a_scan_runs_is_scanned_for_again() {
    let scans = |effects: Vec<Effect>| effects.iter().filter(|e| matches!(e, Effect::Scan)).count();
    let mut side = Side::new(1);
    assert_eq!(scans(side.turn([Input::Rescan])), 1);
    assert_eq!(scans(side.turn([Input::Rescan, Input::Rescan])), 0, "one at a time");
    assert_eq!(scans(side.turn([Input::Scanned(true)])), 1);
    assert_eq!(scans(side.turn([Input::Scanned(true)])), 0);
}

// Story (simulator, EIO at the look that a scan begins with): the first scan of a folder ended
// before it had seen anything. The next was the hourly one, and until then the folder took nothing
// from others and gave them nothing.
#[test]
fn a_scan_that_saw_not_all_is_made_again_after_a_pause() {
    let scans = |effects: Vec<Effect>| effects.iter().filter(|e| matches!(e, Effect::Scan)).count();
    let mut side = Side::first(1, Phase::Importing);
    side.turn([Input::Scanned(false)]);
    assert_eq!(side.engine.meta().phase, Phase::Importing);
    let due = side.engine.deadline().expect("it wants to be woken");
    assert!((1_000..60_000).contains(&(due - side.now.mono_ms)));
    side.now.mono_ms = due;
    assert_eq!(scans(side.turn([Input::Tick])), 1);
    assert_eq!(scans(side.turn([Input::Tick])), 0, "one at a time");
    side.turn([Input::Scanned(true)]);
    assert_eq!(side.engine.meta().phase, Phase::Member);
    side.now.mono_ms += 60_000;
    assert_eq!(scans(side.turn([Input::Tick])), 0);
}

// Story (found by reading): events had been lost and a scan was to make that good; `wait` did not
// wait for it.
#[test]
fn nothing_is_sure_before_the_scan_that_lost_events_ask_for() {
    let mut side = Side::new(1);
    side.turn([Input::Rescan]);
    assert!(!side.engine.has_deferred_looks(), "an hourly scan holds nobody up");
    side.turn([Input::Overlooked]);
    assert!(side.engine.has_deferred_looks());
    side.turn([Input::Scanned(true)]);
    assert!(side.engine.has_deferred_looks(), "that one had begun before");
    side.turn([Input::Scanned(true)]);
    assert!(!side.engine.has_deferred_looks());
    side.turn([Input::Overlooked, Input::Scanned(false)]);
    assert!(side.engine.has_deferred_looks(), "not everything was looked at");
}

// A scan that was under way when the folder was paused has passed by what was changed in the pause.
#[test]
fn a_scan_over_a_pause_is_no_look_at_what_was_done_in_it() {
    let mut side = Side::new(1);
    side.turn([Input::Rescan, Input::Paused(true), Input::Paused(false), Input::Rescan]);
    side.turn([Input::Scanned(true)]);
    assert!(!side.engine.has_scanned() && side.engine.is_scanning(), "once more");
    side.turn([Input::Scanned(true)]);
    assert!(side.engine.has_scanned() && !side.engine.is_scanning());
}

// Story (found by reading): of what could not be read so many paths are remembered; of more than
// that a sync told that all had been seen, and after a power loss what a user had changed there
// would have counted as torn.
#[test]
fn nobody_says_that_all_was_seen_who_cannot_remember_what_was_not() {
    let mut side = Side::new(1);
    let paths: Vec<String> = (0..=DOUBTS_MAX).map(|number| format!("f{number}")).collect();
    let look = |side: &mut Side, path: &String, found| {
        side.look(Source::Scan, path, found);
    };
    for path in &paths {
        look(&mut side, path, Found::Unreadable("no permission".to_string(), None));
    }
    side.turn([Input::Scanned(true)]);
    for path in &paths {
        look(&mut side, path, Found::Absent);
    }
    let reads_all = |side: &mut Side| side.engine.has_read_all(&side.index);
    assert!(!reads_all(&mut side), "a path that was not remembered may be left");
    side.turn([Input::Rescan, Input::Scanned(true)]);
    assert!(reads_all(&mut side));
}
