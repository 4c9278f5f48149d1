//! Numbers and columns as people read them.

use super::{bytes, columns, span, time};

#[test]
fn sizes_and_spans_are_short() {
    let sizes: Vec<String> = [0, 1023, 1024, 1536 << 10, 1 << 30, u64::MAX].map(bytes).into();
    assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1.0 GiB", "16.0 EiB"]);
    let spans: Vec<String> = [0, 999, 3250, 240_000, 10_800_000, 172_800_000].map(span).into();
    assert_eq!(spans, ["0 ms", "999 ms", "3.2 s", "4 min", "3 h", "2 d"]);
}

#[test]
fn times_are_utc_and_know_leap_years() {
    assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(951_782_400_123), "2000-02-29T00:00:00.123Z");
    assert_eq!(time(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
    assert_eq!(time(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
}

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let rows = [vec!["a".to_owned(), "x".to_owned()], vec!["längst".to_owned(), String::new()]];
    assert_eq!(columns(&["name", "is"], &rows), "NAME    IS\na       x\nlängst\n");
}
