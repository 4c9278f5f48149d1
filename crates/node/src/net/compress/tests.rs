//! When compression pays, read as a table.

use super::{may_pay, probe, probe_pays, WriteRate};
use std::time::Duration;

#[test]
fn only_large_payloads_on_a_backlogged_slow_link_are_looked_at() {
    let slow = Some(20_000_000);
    let table = [
        (1 << 20, 4 << 20, slow, true),
        (1023, 4 << 20, slow, false),
        (1024, 4 << 20, slow, true),
        (1 << 20, 0, slow, false),
        (1 << 20, 4 << 20, None, false),
        (1 << 20, 4 << 20, Some(100_000_000), false),
        (1 << 20, 4 << 20, Some(99_999_999), true),
    ];
    for (payload, queued, rate, expected) in table {
        assert_eq!(may_pay(payload, queued, rate), expected, "{payload} {queued} {rate:?}");
    }
}

#[test]
fn a_probe_must_save_a_fifth() {
    assert!(probe_pays(1000, 800));
    assert!(!probe_pays(1000, 801));
    assert!(probe(&[7; 40_000]));
    let noise: Vec<u8> = aws_lc_noise(40_000);
    assert!(!probe(&noise));
}

#[test]
fn the_rate_follows_large_writes_and_ignores_small_ones() {
    let mut rate = WriteRate::default();
    rate.add(100, Duration::from_secs(1));
    assert_eq!(rate.bytes_per_second(), None);
    rate.add(1 << 20, Duration::from_secs(1));
    assert_eq!(rate.bytes_per_second(), Some(1 << 20));
    for _ in 0..40 {
        rate.add(1 << 20, Duration::from_millis(1));
    }
    assert!(rate.bytes_per_second().unwrap() > 900 << 20);
}

fn aws_lc_noise(length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    aws_lc_rs::rand::fill(&mut out).unwrap();
    out
}
