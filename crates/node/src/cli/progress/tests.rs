//! How far long work is, in words.

use super::words;
use crate::view::Progress;

#[test]
fn progress_tells_rate_and_time_left_once_they_are_known() {
    let known = |done, total, bytes, bytes_total, elapsed_ms| {
        words(&Progress { done, total, bytes, bytes_total, elapsed_ms })
    };
    assert_eq!(known(3, None, 2048, None, 900), "3, 2.0 KiB");
    assert_eq!(known(3, None, 2048, None, 2000), "3, 2.0 KiB, 1.0 KiB/s");
    let all = known(3, Some(9), 2048, Some(6 << 10), 2000);
    assert_eq!(all, "3 of 9 (33 %), 2.0 KiB, 1.0 KiB/s, 5.0 s left");
    let unknown = known(3, Some(9), 2048, None, 2000);
    assert_eq!(unknown, "3 of 9 (33 %), 2.0 KiB, 1.0 KiB/s", "the rest may be of any size");
    let counts = known(300, Some(1200), 0, None, 10_000);
    assert_eq!(counts, "300 of 1200 (25 %), 30/s, 31.0 s left");
    assert_eq!(known(0, Some(0), 0, None, 5000), "0");
    assert_eq!(known(9, Some(9), 0, None, 5000), "9 of 9 (100 %), 1/s");
    let huge = known(u64::MAX, Some(u64::MAX), u64::MAX, Some(u64::MAX), u64::MAX);
    assert!(huge.contains("(100 %)"), "{huge}");
    assert!(known(1, Some(u64::MAX), 0, None, u64::MAX).ends_with("left"));
}
