//! Claims that wait for what is pending.

use super::Claims;
use crate::dot::Incarnation;
use crate::limits::CLAIMS_MAX;

fn life(number: u8) -> Incarnation {
    Incarnation([number; 16])
}

// With one file that somebody held open each delta that ended left a claim, and each turn went
// through all of them.
#[test]
fn while_one_entry_is_pending_no_more_claims_are_kept_than_there_is_room_for() {
    let mut claims = Claims::default();
    for nth in 1..=10_000 {
        claims.in_place_before(1);
        claims.add(nth, [(life(1), nth), (life(2), 10_001 - nth)].into());
    }
    assert_eq!(claims.0.len(), CLAIMS_MAX);
    assert_eq!((claims.floor(life(1)), claims.floor(life(2))), (Some(1), Some(1)));
    claims.in_place_before(CLAIMS_MAX as u64);
    assert_eq!(claims.floor(life(1)), Some(CLAIMS_MAX as u64), "the last of all, from there on");
    claims.in_place_before(10_000);
    assert_eq!(claims.floor(life(2)), Some(1), "not before all that it covers is in place");
    claims.in_place_before(10_001);
    assert_eq!((claims.floor(life(1)), claims.floor(life(2))), (None, None));
}

#[test]
fn what_is_claimed_while_nothing_more_is_pending_waits_for_the_same() {
    let mut claims = Claims::default();
    for counter in [7, 5, 9] {
        claims.add(3, [(life(1), counter)].into());
    }
    claims.add(4, [(life(2), 1)].into());
    assert_eq!((claims.0.len(), claims.floor(life(1))), (2, Some(5)));
    claims.in_place_before(4);
    assert_eq!((claims.floor(life(1)), claims.floor(life(2))), (None, Some(1)));
}
