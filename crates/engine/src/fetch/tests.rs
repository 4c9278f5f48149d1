//! What is asked of whom, within which bounds, and what follows when it does not come.

use super::{Asked, Fetch};
use crate::content::Digest;
use crate::dot::NodeId;
use crate::limits::{FETCHING_BYTES_MAX, FETCHING_FILES_MAX, STALL_MS, WANTS_MAX};
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

// Story (simulator, events that never come): a file was removed, and nobody had said so. Its
// content was to be copied from where it had been, again and again, as fast as the machine could.
#[test]
fn what_cannot_be_copied_here_is_asked_of_peers_before_it_is_tried_again() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.copying(content(1), 10), Asked::UnderWay);
    assert!(!fetch.is_displaced(&content(1)));
    assert!(fetch.denied(&content(1)) && fetch.is_displaced(&content(1)));
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Search);
    assert!(fetch.denied(&content(1)) && fetch.is_displaced(&content(1)));
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::UnderWay);
    assert!(fetch.denied(&content(1)) && fetch.is_displaced(&content(1)));
    // The round is over: who asks pauses, and then it is tried here once more.
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Nobody);
    assert!(!fetch.is_displaced(&content(1)));
}

// Story (simulator, --power, most seeds that failed): a version was announced and lost with the
// power before its sync. All asked one another for it, for ever.
//
// Story (simulator, seed 4396): what was displaced could not be read, and its own author took that
// for a denial of its own.
#[test]
fn what_all_have_denied_often_enough_is_lost_but_silence_denies_nothing() {
    let mut fetch = Fetch::default();
    let over = |fetch: &mut Fetch, unclear| match unclear {
        true => fetch.failed(&content(1)),
        false => fetch.denied(&content(1)),
    };
    let mut round = |there: bool, here: bool| {
        assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::UnderWay);
        assert!(over(&mut fetch, there));
        assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Search);
        assert!(over(&mut fetch, here));
        fetch.ask(content(1), 10, &[A])
    };
    for (there, here) in [(true, false), (false, true), (true, true)] {
        for _ in 0..2 {
            assert_eq!(round(false, false), Asked::Nobody);
        }
        assert_eq!(round(there, here), Asked::Unclear);
    }
    assert_eq!([(); 2].map(|()| round(false, false)), [Asked::Nobody; 2]);
    assert_eq!(round(false, false), Asked::Lost);
}

// Story (all histories of two nodes, `write a` with only its entry told, the link cut, `move a b`
// at the other): who was alone took nobody's silence for a denial, round after round. The first
// word of the author, who was just moving the file and missed it, made it lost, and with it the
// only copy.
#[test]
fn rounds_without_a_peer_say_nothing_of_that_peer() {
    let mut fetch = Fetch::default();
    let mut round = |peers: &[NodeId]| {
        for _ in peers {
            assert_eq!(fetch.ask(content(1), 10, peers), Asked::UnderWay);
            assert!(fetch.denied(&content(1)));
        }
        assert_eq!(fetch.ask(content(1), 10, peers), Asked::Search);
        assert!(fetch.denied(&content(1)));
        fetch.ask(content(1), 10, peers)
    };
    let mut until_lost = |peers: &[NodeId]| (1..100).find(|_| round(peers) == Asked::Lost);
    assert_eq!(until_lost(&[]), Some(4), "after one that was not deep");
    assert_eq!(until_lost(&[A]), Some(3));
    assert_eq!(until_lost(&[A, B]), Some(3));
    assert_eq!(until_lost(&[A, B]), Some(1), "as before");
}

#[test]
fn what_is_said_of_others_lasts_while_the_content_is_searched_and_its_teller_is_there() {
    let mut fetch = Fetch::default();
    let (far, further) = (NodeId([3; 32]), NodeId([4; 32]));
    let said = |fetch: &Fetch| fetch.hearsay(&content(1)).collect::<Vec<_>>();
    fetch.told(A, &content(1), vec![far]);
    assert_eq!(said(&fetch), [], "nobody searches it");
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::UnderWay);
    assert!(fetch.denied(&content(1)));
    fetch.told(A, &content(1), vec![further]);
    fetch.told(A, &content(1), vec![far]);
    fetch.told(B, &content(1), vec![further]);
    assert_eq!(said(&fetch), [far, further]);
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Search);
    assert!(fetch.denied(&content(1)));
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Nobody);
    assert_eq!(said(&fetch), [far, further], "the next round goes on from there");
    fetch.peer_down(A);
    assert_eq!(said(&fetch), [further]);
    fetch.arrived(content(1));
    assert_eq!(said(&fetch), []);
}

// Story: one deleted a file, another edited what it had been made from, and the version that had to
// live lay in everybody's trash only. They asked one another for it for ever.
#[test]
fn what_nobody_has_is_searched_for_here_and_then_asked_for_in_everybodys_trash() {
    let mut fetch = Fetch::default();
    for deep in [false, true] {
        let mut heard = BTreeSet::new();
        for _ in 0..2 {
            assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::UnderWay);
            let (peer, wants) = fetch.take_unsent().remove(0);
            assert_eq!(wants[0].deep, deep);
            heard.insert(peer);
            assert!(fetch.denied(&content(1)));
        }
        assert_eq!(heard, [A, B].into(), "who refused is passed over");
        assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::Search);
        assert!(fetch.denied(&content(1)));
        assert_eq!(fetch.ask(content(1), 10, &[A, B]), Asked::Nobody);
    }
    assert!(!fetch.failed(&content(9)), "what was not asked for cannot fail");
    assert_eq!(fetch.ask(content(2), 10, &[]), Asked::Search, "with nobody there, too");
}

// Story (found by a review): a member's disk hung. It kept its connection and sent nothing, and all
// who had asked it waited for ever, though others had the same.
#[test]
fn who_sends_nothing_for_long_is_passed_over() {
    let mut fetch = Fetch::default();
    fetch.tick(1_000);
    for n in 0..2 {
        fetch.ask(content(2 * n), 10, &[A, B]);
    }
    assert_eq!(asked(&mut fetch), [A], "both of the same");
    assert_eq!(fetch.deadline(), Some(1_000 + STALL_MS));
    assert_eq!(fetch.tick(999 + STALL_MS), []);
    fetch.progressed(&content(2));
    assert_eq!(fetch.tick(998 + 2 * STALL_MS), [], "one large content is enough of an answer");
    assert_eq!(fetch.tick(999 + 2 * STALL_MS), [content(0), content(2)]);
    assert_eq!((fetch.under_way(), fetch.deadline()), ((0, 0), None));
    assert_eq!(fetch.ask(content(0), 10, &[A, B]), Asked::UnderWay);
    assert_eq!(asked(&mut fetch), [B]);
}

#[test]
fn what_was_overtaken_or_cut_off_is_left_behind_once() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.take_left_behind(), Some(vec![]), "parts of an earlier run may be there");
    assert_eq!(fetch.take_left_behind(), None);
    fetch.ask(content(1), 10, &[A]);
    fetch.ask(content(2), 10, &[B]);
    fetch.arrived(content(2));
    assert_eq!(fetch.take_left_behind(), None, "one is on its way");
    fetch.peer_down(A);
    assert_eq!(fetch.take_left_behind(), Some(vec![content(2)]));
    assert!(!fetch.has(&content(2)));
    fetch.ask(content(3), 10, &[A]);
    fetch.arrived(content(3));
    fetch.consumed(&content(3));
    assert_eq!(fetch.take_left_behind(), None, "all that came was used");
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
    assert!(!fetch.has_room());
    fetch.arrived(content(0));
    assert!(fetch.has_room(), "what is under way has ended");
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
}

// Story (a rotation, simulator): a content was to be copied from a file on this disk. By then the
// file had been replaced for a peer, and the bytes, in the trash by then, were sent all the same.
#[test]
fn what_cannot_be_copied_from_the_tree_is_looked_for_in_the_trash_before_anybody_is_asked() {
    let mut fetch = Fetch::default();
    assert_eq!(fetch.copying(content(1), 10), Asked::UnderWay);
    assert!(fetch.failed(&content(1)));
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::Search);
    assert!(fetch.failed(&content(1)));
    assert_eq!(fetch.ask(content(1), 10, &[A]), Asked::UnderWay, "it blames no peer");
    assert_eq!(asked(&mut fetch), [A]);
}

/// A content came again, inside a frame, while an operation had taken the first; when that had
/// ended, nobody knew of the second, and it lay in staging until the next start.
#[test]
fn what_came_again_while_the_first_was_taken_is_left_behind() {
    let mut fetch = Fetch::default();
    let digest = content(7);
    (0..3).for_each(|_| fetch.arrived(digest));
    fetch.consumed(&digest);
    fetch.consumed(&digest);
    assert_eq!(fetch.take_left_behind(), Some(vec![digest]));
    assert_eq!(fetch.take_left_behind(), None);
    fetch.arrived(digest);
    fetch.given_back(digest);
    fetch.consumed(&digest);
    assert!(!fetch.has(&digest));
}

/// An operation had not found the content; when that was told, it had just come, and was forgotten.
#[test]
fn what_came_when_it_was_told_to_be_missing_is_left_behind() {
    let mut fetch = Fetch::default();
    fetch.arrived(content(1));
    fetch.missing(&content(1));
    assert!(!fetch.has(&content(1)));
    assert_eq!(fetch.take_left_behind(), Some(vec![content(1)]));
}
