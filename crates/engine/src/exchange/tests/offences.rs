//! Messages that no honest node sends.

use super::{file_id, frame, life, node_id, versions, Net, Node};
use crate::dot::{Dot, Knowledge};
use crate::entry::{Entry, Hlc, IncarnationRecord, Kind, Rank, Stamp};
use crate::index::{Index, Phase};
use crate::message::{Ack, DeltaEnd, FolderId, Frame, Message, Share};
use crate::wire::{self, Minted};

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

// Story (simulator, seed 64638): a file had been made from what was one name of several, and what
// was said of it as a name had lost, with no place of its own any more. Who lied said again what it
// had been before, as who has seen the file: so it was at no place, and one name of several. Who
// was told so by a member that was honest broke off with that member.
#[test]
fn what_a_lie_leaves_no_place_is_not_passed_on_as_one_name_of_several() {
    let mut net = Net::new(&[(1, 2), (1, 3)]);
    net.settle();
    let dots = [1, 2].map(|counter| Dot { incarnation: life(2), counter });
    let [name, file] = dots.map(|dot| {
        let hlc = Hlc(dot.counter);
        let (place, mut data) = versions(Stamp { rank: Rank::Write, hlc, dot }, 5, b'x');
        data.value.body = (dot == dots[0]).then(|| file_id(6));
        data.minted = data.value.mint().into();
        (place, data)
    });
    let mut before = Entry::new(file_id(5), Kind::File);
    let mut now = before.clone();
    before.loc.insert(name.0);
    before.data.insert(name.1.clone());
    now.loc.insert(file.0);
    now.data.insert(name.1);
    now.data.insert(file.1);
    let node = net.node(1);
    assert_eq!(node.hear(2, frame(&dots, vec![now])), Ok(()));
    assert_eq!(node.hear(3, frame(&dots, vec![before])), Ok(()));
    let entries = vec![node.index.entry(file_id(5)).unwrap().entry];
    let said = Message::Frame(Frame { entries, ..Frame::default() });
    assert!(wire::decode(&wire::encode(FolderId([0; 16]), &said)).is_ok(), "{said:?}");
}
