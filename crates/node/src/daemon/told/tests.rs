//! What is still to be told, as facts are said here and come from peers.

use super::Told;
use std::collections::BTreeSet;

fn all(records: &[&str]) -> BTreeSet<Vec<u8>> {
    records.iter().map(|record| record.as_bytes().to_vec()).collect()
}

/// A node was renamed on all three nodes at once, and two kept the old name of one for ever: while
/// its own new name waited to be spread, a peer's came in, was passed on, and all facts that stood
/// here counted as told by that.
#[test]
fn a_fact_of_a_peer_does_not_hide_one_of_our_own() {
    let mut told = Told::default();
    assert_eq!(told.news(all(&["a", "b"])).len(), 2);
    told.passed_on(b"b2");
    assert_eq!(told.news(all(&["a2", "b2"])), [b"a2"]);
    assert_eq!(told.news(all(&["a2", "b2"])), [b""; 0]);
}

#[test]
fn what_counts_no_more_is_forgotten() {
    let mut told = Told::default();
    told.news(all(&["a", "b"]));
    told.news(all(&["b"]));
    assert_eq!(told.news(all(&["a", "b"])), [b"a"]);
}
