//! What is asked of whom, within which bounds, and what follows when it does not come.

use super::{Asked, Fetch};
use crate::content::Digest;
use crate::dot::NodeId;
use crate::limits::{FETCHING_BYTES_MAX, FETCHING_FILES_MAX, WANTS_MAX};
use std::collections::BTreeSet;

const A: NodeId = NodeId([1; 32]);
const B: NodeId = NodeId([2; 32]);

fn content(n: u16) -> Digest {
    let mut digest = [0; 32];
    digest[0] = n as u8;
    digest[1..3].copy_from_slice(&n.to_be_bytes());
    Digest(digest)
}

/// Whom the requests that are to be sent now go to.
fn asked(fetch: &mut Fetch) -> Vec<NodeId> {
    fetch.take_unsent().into_iter().map(|(peer, _)| peer).collect()
}

#[test]
fn a_content_is_asked_for_once_until_it_comes_and_is_used() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::UnderWay);
    assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::UnderWay);
    assert_eq!(asked(&mut fetch), [A]);
    assert_eq!((asked(&mut fetch), fetch.under_way()), (vec![], (1, 10)));
    fetch.arrived(content(1));
    assert!(fetch.has(&content(1)) && !fetch.is_under_way(&content(1)));
    assert_eq!(fetch.under_way(), (0, 0));
    fetch.consumed(&content(1));
    assert!(!fetch.has(&content(1)));
}

#[test]
fn who_refused_is_passed_over_until_everybody_has() {
    let mut fetch = Fetch::default();
    let mut heard = BTreeSet::new();
    for _ in 0..2 {
        assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::UnderWay);
        heard.extend(asked(&mut fetch));
        assert!(fetch.failed(&content(1)));
    }
    assert_eq!(heard, [A, B].into());
    assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::Nobody);
    assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::UnderWay, "and then from the start");
    assert!(!fetch.failed(&content(9)), "what was not asked for cannot fail");
    assert_eq!(fetch.ask(content(2), 10, &[]), Asked::Nobody);
}

#[test]
fn a_lost_peer_owes_nothing_any_more() {
    let mut fetch = Fetch::default();
    fetch.ask(content(1), 10, &[A]);
    fetch.ask(content(2), 10, &[B]);
    assert_eq!(fetch.peer_down(A), [content(1)]);
    assert_eq!((asked(&mut fetch), fetch.under_way()), (vec![B], (1, 10)));
}

#[test]
fn requests_are_bounded_in_files_and_bytes_and_one_large_file_goes_alone() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.ask(content(0), FETCHING_BYTES_MAX * 9, &[A]), Asked::UnderWay);
    assert_eq!(fetch.ask(content(1), 1, &[A]), Asked::Full);
    assert_eq!(fetch.copying(content(1), 1), Asked::Full);
    assert_eq!(asked(&mut fetch), [A]);
    fetch.arrived(content(0));
    for n in 0..FETCHING_FILES_MAX as u16 {
        assert_eq!(fetch.ask(content(n + 1), 1, &[A]), Asked::UnderWay);
    }
    assert_eq!(fetch.ask(content(9999), 1, &[A]), Asked::Full);
    let sent = fetch.take_unsent();
    assert!(sent.iter().all(|(_, wants)| wants.len() <= WANTS_MAX));
    assert_eq!(sent.iter().map(|(_, wants)| wants.len()).sum::<usize>(), FETCHING_FILES_MAX);
}

#[test]
fn load_is_spread_over_all_holders() {
    let mut fetch = Fetch::default();
    (0..100).for_each(|n| assert_eq!(fetch.ask(content(n), 1, &[A, B]), Asked::UnderWay));
    let sent = fetch.take_unsent();
    assert!(sent.iter().all(|(_, wants)| wants.len() == 50), "{sent:?}");
}

#[test]
fn what_is_copied_here_is_asked_of_nobody() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.copying(content(1), 5), Asked::UnderWay);
    assert_eq!(fetch.copying(content(1), 5), Asked::UnderWay);
    assert_eq!((asked(&mut fetch), fetch.under_way()), (vec![], (1, 5)));
    assert!(fetch.failed(&content(1)));
    assert_eq!(fetch.ask(content(1), 5, &[A]), Asked::UnderWay, "a failed copy blames no peer");
}
