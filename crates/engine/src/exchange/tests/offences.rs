//! Messages that no honest node sends.

use super::{file_id, frame, life, node_id, versions, Net, Node};
use crate::dot::{Dot, Knowledge};
use crate::entry::{Entry, Hlc, IncarnationRecord, Kind, Rank, Stamp};
use crate::index::Phase;
use crate::message::{Ack, DeltaEnd, Frame, Message, Share};

fn foreign_entry(n: u16, kind: Kind, dot: Dot) -> Entry {
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(1), dot };
    let mut entry = Entry::new(file_id(n), kind);
    entry.loc.insert(versions(stamp, n, b'x').0);
    entry
}

/// What an honest peer does not say is refused, and nothing of it is kept.
fn check_offence(message: Message) {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    let node = net.node(1);
    let before = (node.facts.knowledge.clone(), node.facts.contexts.clone());
    let entries: Vec<_> = node.index.entries().cloned().collect();
    assert!(node.hear(2, message.clone()).is_err(), "{message:?}");
    assert_eq!((node.facts.knowledge.clone(), node.facts.contexts.clone()), before, "{message:?}");
    assert_eq!(node.index.entries().cloned().collect::<Vec<_>>(), entries, "{message:?}");
}

#[test]
fn offences_are_refused_and_leave_nothing() {
    let theirs = |counter| Dot { incarnation: life(2), counter };
    let ours = |counter| Dot { incarnation: life(1), counter };
    let mut future = Knowledge::default();
    future.insert(ours(9));
    let owner = |node| IncarnationRecord { incarnation: life(1), node, signature: vec![] };
    let good = foreign_entry(5, Kind::File, theirs(1));
    let two_kinds = foreign_entry(1, Kind::Dir, theirs(2));
    let beyond = vec![(0, future.clone())];
    let known = good.dots().into_iter().fold(Knowledge::default(), |mut known, dot| {
        known.insert(dot);
        known
    });
    let own_beyond =
        Frame { context: known, entries: vec![good.clone()], beyond, ..Frame::default() };
    let frontier = Knowledge::default();
    let share = |knowledge, incarnations| {
        Message::Share(Share { knowledge, incarnations, frontier: frontier.clone() })
    };
    for message in [
        frame(&[], vec![good.clone()]),
        frame(&[ours(9)], vec![]),
        frame(&[theirs(1), theirs(2)], vec![good.clone(), two_kinds]),
        frame(&[theirs(1), theirs(2)], vec![good, foreign_entry(5, Kind::Dir, theirs(2))]),
        Message::Frame(own_beyond),
        Message::DeltaEnd(DeltaEnd {
            knowledge: future.clone(),
            phase: Phase::Member,
            frontier: frontier.clone(),
        }),
        Message::Ack(Ack { knowledge: future.clone(), applied: vec![] }),
        share(future, vec![]),
        share(Knowledge::default(), vec![owner(node_id(2))]),
    ] {
        check_offence(message);
    }
    let mut stranger = Node::new(1);
    assert!(stranger.hear(2, frame(&[], vec![])).is_err(), "before it is connected");
}
