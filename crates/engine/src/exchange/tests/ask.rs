//! When whom is asked, as tables: what a peer is like, what others are about to tell, and when it
//! is asked.

use super::super::ask::questions;
use super::super::Peer;
use super::{life, node_id, Node};
use crate::dot::{Dot, Knowledge, NodeId};
use crate::index::Phase;
use crate::limits::{PULL_AFTER_MS, PULL_LATEST_MS};
use std::collections::{BTreeMap, BTreeSet};

const NOW_MS: u64 = 1_000_000;

/// One operation in the life of each of these.
fn known(lives: &[u8]) -> Knowledge {
    lives.iter().map(|n| Dot { incarnation: life(*n), counter: 1 }).collect()
}

/// A peer that knows one operation of each of these lives, the first of which is its own.
fn peer(lives: &[u8]) -> Peer {
    let own: BTreeSet<_> = lives.first().map(|n| life(*n)).into_iter().collect();
    Peer { knows: known(lives), lives: own, ..Peer::default() }
}

/// Whom node 1, which knows nothing, asks at once, and when it means to ask the others.
fn asked(peers: &[(u8, Peer)]) -> (Vec<u8>, Vec<(u8, u64)>) {
    let node = Node::new(1);
    let mut peers: BTreeMap<NodeId, Peer> =
        peers.iter().map(|(n, peer)| (node_id(*n), peer.clone())).collect();
    let out = questions(&node.facts, &node.index, &mut peers, NOW_MS);
    let asked: Vec<u8> = out.iter().map(|out| out.peer.0[0]).collect();
    for (peer, state) in &peers {
        assert_eq!(asked.contains(&peer.0[0]), state.pulling && state.heard_ms == NOW_MS);
    }
    let later = peers.iter().filter_map(|(peer, state)| Some((peer.0[0], state.ask_at_ms?)));
    (asked, later.collect())
}

#[test]
fn who_is_behind_asks_after_a_moment_without_news_and_at_the_latest_after_a_while() {
    // What somebody else wrote is told by nobody's own stream.
    for (since_ms, heard_ms, at_ms) in [
        (None, 0, NOW_MS + PULL_AFTER_MS),
        (Some(NOW_MS - 30), 0, NOW_MS - 30 + PULL_AFTER_MS),
        (Some(NOW_MS - 30), NOW_MS - 10, NOW_MS - 10 + PULL_AFTER_MS),
        (Some(NOW_MS - PULL_LATEST_MS + 7), NOW_MS - 10, NOW_MS + 7),
    ] {
        let told = peer(&[2, 9]);
        let mut other = peer(&[3]);
        other.heard_ms = heard_ms;
        // Nothing is expected of it.
        other.knows = Knowledge::default();
        let behind = Peer { behind_since_ms: since_ms, ..told };
        assert_eq!(asked(&[(2, behind), (3, other)]), (vec![], vec![(2, at_ms)]));
    }
    let due = Peer { behind_since_ms: Some(NOW_MS - PULL_AFTER_MS), ..peer(&[2, 9]) };
    assert_eq!(asked(&[(2, due)]), (vec![2], vec![]));
    assert_eq!(asked(&[(2, peer(&[]))]), (vec![], vec![]), "nothing is lacking");
    let joining = Peer { ended: Some(Phase::Joining), ..peer(&[2, 9]) };
    assert_eq!(asked(&[(2, joining)]), (vec![], vec![]), "it has told what it has");
}

#[test]
fn what_streams_tell_by_themselves_is_asked_for_only_when_they_are_silent() {
    // Its own operations; those of another who is not silent; those of one who was asked.
    let heard = |heard_ms, peer| Peer { heard_ms, ..peer };
    let own = heard(NOW_MS - 1, peer(&[2]));
    let silent_ms = NOW_MS - 1 + PULL_LATEST_MS;
    assert_eq!(asked(&[(2, own.clone())]), (vec![], vec![(2, silent_ms)]));
    let passed_on = Peer { lives: BTreeSet::new(), ..peer(&[2]) };
    let both = vec![(2, silent_ms), (3, silent_ms)];
    assert_eq!(asked(&[(2, own), (3, passed_on)]), (vec![], both));
    let telling = heard(NOW_MS - 5, Peer { pulling: true, ..peer(&[2, 3]) });
    let silent_ms = NOW_MS - 5 + PULL_LATEST_MS;
    let lacking = peer(&[3, 2]);
    let later = vec![(3, silent_ms)];
    assert_eq!(asked(&[(2, telling.clone()), (3, lacking.clone())]), (vec![], later));
    // Silence begins to the millisecond.
    let silent = heard(NOW_MS - PULL_LATEST_MS, telling);
    let lacking = heard(NOW_MS - PULL_LATEST_MS, lacking);
    let later = vec![(3, NOW_MS + PULL_AFTER_MS)];
    assert_eq!(asked(&[(2, silent), (3, lacking)]), (vec![], later));
}

#[test]
fn who_was_never_asked_is_asked_at_once_but_one_after_another() {
    let unasked = |peer| Peer { unasked: true, ..peer };
    assert_eq!(asked(&[(2, unasked(peer(&[])))]), (vec![2], vec![]));
    // Whose own stream owes something comes last.
    let (asks, later) = asked(&[(2, unasked(peer(&[2]))), (3, unasked(peer(&[])))]);
    assert_eq!((asks, later.len()), (vec![3], 1));
    let telling = Peer { pulling: true, heard_ms: NOW_MS - 1, ..peer(&[2]) };
    let (asks, _) = asked(&[(2, telling.clone()), (3, unasked(peer(&[])))]);
    assert_eq!(asks, [], "somebody is telling");
    let silent = Peer { heard_ms: NOW_MS - PULL_LATEST_MS, ..telling };
    assert_eq!(asked(&[(2, silent), (3, unasked(peer(&[])))]).0, [3], "he has fallen silent");
}
