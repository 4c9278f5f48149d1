//! A round comes when its time has come, however much else is looked at meanwhile.

use super::{Rounds, AUDIT_EVERY_MS, SCAN_EVERY_MS};

// Story (found by a review): two nodes moved directories at once, one of them overlooked what lay
// in one, and said that all was well until its daemon was started again: while events told of
// changes nothing was ever looked at without one.
#[test]
fn everything_is_looked_at_now_and_then_with_events_too() {
    let mut rounds = Rounds::new(5);
    for (has_events, every) in [(false, SCAN_EVERY_MS), (true, AUDIT_EVERY_MS)] {
        let last = rounds.last_ms;
        assert_eq!(rounds.left_ms(last + 1, has_events), every - 1);
        assert!(!rounds.take_due(last + every - 1, has_events));
        assert!(rounds.take_due(last + every + 7, has_events));
        assert!(!rounds.take_due(last + every + 8, has_events), "once");
        assert_eq!(rounds.last_ms, last + every + 7);
    }
}
