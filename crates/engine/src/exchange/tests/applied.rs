//! What is said to stand on a disk, and who is said to hold what.

use super::{file_id, life, node_id, Net};
use crate::dot::{Dot, NodeId};
use crate::entry::{EntryId, Kind};
use crate::exchange::Exchange;
use crate::index::{Attributes, Fingerprint, Handle, Index, SeenDots, SeenRow, Slot, ROOT_SLOT};
use crate::message::{Frame, Message};

/// A disk that has something of an entry.
fn row(entry: EntryId) -> SeenRow {
    let (mtime, ctime) = Default::default();
    SeenRow {
        slot: Slot(7),
        parent: ROOT_SLOT,
        name: None,
        entry,
        kind: Kind::File,
        fingerprint: Fingerprint { handle: Handle([1].into()), size: 0, mtime, ctime },
        content: None,
        attributes: Attributes::default(),
        refused: None,
        dots: SeenDots::default(),
        soft: false,
        volatile: None,
    }
}

#[test]
fn after_a_start_what_is_in_place_counts_as_applied_when_all_is() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.node(1).write(2, b'b');
    net.settle();
    let two = net.node(2);
    two.index.remove_pending(file_id(1));
    two.exchange = Exchange::default();
    two.exchange.resume(&two.facts, &two.index);
    assert_eq!(two.exchange.applied(&two.facts, &two.index)[&life(1)], 0);
    two.apply_all();
    assert_eq!(two.exchange.applied(&two.facts, &two.index)[&life(1)], 2);
    two.exchange = Exchange::default();
    two.exchange.resume(&two.facts, &two.index);
    assert_eq!(two.exchange.applied(&two.facts, &two.index)[&life(1)], 2);
}

#[test]
fn what_is_told_again_is_no_work() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    net.node(2).apply_all();
    let entries = vec![net.node(1).index.entry(file_id(1)).unwrap().entry];
    let frame = Frame { entries, ..Frame::default() };
    let two = net.node(2);
    two.facts.written.clear();
    assert_eq!(two.hear(1, Message::Frame(frame)), Ok(()));
    assert_eq!((two.index.pending_count(), two.facts.written.len()), (0, 0));
}

// Who waits for an operation to stand everywhere would go on too early.
#[test]
fn an_edit_of_what_stands_here_is_not_applied_before_it_does() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    net.node(2).index.put_seen(&row(file_id(1)));
    net.node(2).apply_all();
    net.settle();
    let has =
        |net: &mut Net, counter| net.node(1).exchange.has_applied(node_id(2), life(1), counter);
    assert!(has(&mut net, 1));
    net.node(1).write(1, b'b');
    net.settle();
    assert!(!has(&mut net, 2), "the old one still stands there");
    net.node(2).apply_all();
    net.settle();
    assert!(has(&mut net, 2));
}

#[test]
fn what_was_applied_is_what_the_peer_said_and_nothing_needs_no_word() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    net.node(2).apply_all();
    net.settle();
    let has = |net: &mut Net, peer, of, counter| {
        net.node(1).exchange.has_applied(node_id(peer), life(of), counter)
    };
    assert!(has(&mut net, 2, 1, 1) && has(&mut net, 2, 1, 0));
    assert!(!has(&mut net, 2, 1, 2) && !has(&mut net, 2, 7, 1));
    assert!(!has(&mut net, 9, 1, 1), "it is not connected");
    assert!(has(&mut net, 9, 1, 0));
    let holders = |net: &mut Net, counter| {
        net.node(1).exchange.holders(Dot { incarnation: life(1), counter })
    };
    assert_eq!(holders(&mut net, 1), [node_id(2)]);
    assert_eq!(holders(&mut net, 2), [] as [NodeId; 0]);
    assert_eq!(net.node(1).exchange.peers().map(|(id, _)| id).collect::<Vec<_>>(), [node_id(2)]);
    net.cut(1, 2);
    assert!(!has(&mut net, 2, 1, 1) && holders(&mut net, 1).is_empty());
}
