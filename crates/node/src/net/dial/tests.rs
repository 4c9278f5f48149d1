//! The back-off curve.

use super::jittered;
use crate::net::limits::Timing;
use std::time::Duration;

#[test]
fn the_wait_doubles_up_to_its_bound_and_never_falls_under_half() {
    let timing = Timing::default();
    let table =
        [(0, 0), (1, 100), (2, 200), (5, 1600), (8, 12_800), (9, 15_000), (u32::MAX, 15_000)];
    for (failures, full_ms) in table {
        assert_eq!(jittered(&timing, failures, u16::MAX), Duration::from_millis(full_ms));
        assert_eq!(jittered(&timing, failures, 0), Duration::from_millis(full_ms / 2));
    }
}
