//! How far long work is, in words.

use super::progress;
use crate::view::Progress;

#[test]
fn progress_tells_rate_and_time_left_once_they_are_known() {
    let mut work = Progress { done: 3, bytes: 2048, ..Progress::default() };
    assert_eq!(progress(&work), "3, 2.0 KiB");
    work.total = Some(9);
    work.bytes_total = Some(6 << 10);
    work.elapsed_ms = 2000;
    assert_eq!(progress(&work), "3 of 9, 2.0 KiB, 1.0 KiB/s, 4.0 s left");
}
