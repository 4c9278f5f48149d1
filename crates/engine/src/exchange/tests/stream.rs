//! Which entries a frame has, and what goes with them.

use super::super::Peer;
use super::{entries, file_id, life, node_id, Net, Node};
use crate::content::Content;
use crate::dot::{Dot, Knowledge};
use crate::entry::{EntryId, Hlc, IncarnationRecord};
use crate::index::{Index, Stored};
use crate::ledger::{self, Author};
use crate::limits::FRAME_ENTRY_BYTES;
use crate::message::{Frame, Message, Share};
use crate::path::Name;
use crate::wire::{entry_bytes, Minted};

fn stored(node: &Node, n: u16) -> Stored {
    node.index.entry(file_id(n)).expect("it was written")
}

#[test]
fn lives_are_told_once_with_the_first_frame_that_knows_of_them() {
    let mut node = Node::new(1);
    node.write(7, b'a');
    let mut peer = Peer::default();
    let told = |node: &Node, peer: &mut Peer| {
        let frame = peer.frame(&node.facts, &node.index, vec![stored(node, 7)]);
        frame.incarnations.iter().map(|life| life.incarnation).collect::<Vec<_>>()
    };
    assert_eq!(told(&node, &mut peer), [life(1)]);
    assert_eq!(told(&node, &mut peer), []);
    let other = IncarnationRecord { incarnation: life(2), node: node_id(2), signature: vec![2] };
    node.index.put_incarnation(&other);
    node.facts.knowledge.insert(Dot { incarnation: life(2), counter: 1 });
    assert_eq!(told(&node, &mut peer), [life(2)]);
}

#[test]
fn what_an_entry_reflects_beyond_what_is_known_goes_with_it() {
    let mut node = Node::new(1);
    (7..10).for_each(|n| node.write(n, b'a'));
    let known = |counter| Knowledge::from_iter([Dot { incarnation: life(2), counter }]);
    node.facts.contexts.insert(5, known(3));
    node.facts.contexts.insert(6, known(1));
    node.facts.knowledge.merge(&known(1));
    let entries = [(7, None), (8, Some(5)), (9, Some(6))];
    let entries = entries.map(|(n, context)| Stored { context, ..stored(&node, n) });
    let frame = Peer::default().frame(&node.facts, &node.index, entries.to_vec());
    assert_eq!(frame.beyond, [(1, known(3))]);
}

/// How large the entries are that [`Node::write_large`] writes, on the wire.
const LARGE_BYTES: usize = 4_096;
/// So many of them fill a frame to the byte.
const FILL: u16 = (FRAME_ENTRY_BYTES / LARGE_BYTES) as u16;

impl Node {
    /// A user writes a symlink whose entry is as large as any.
    fn write_large(&mut self, n: u16) {
        self.write(n, b'a');
        let target = |bytes: usize| Content::Link(vec![b'x'; bytes].into());
        let small = self.hold(n, target(3_000));
        let large = self.hold(n, target(3_000 + LARGE_BYTES - small));
        assert_eq!(large, LARGE_BYTES);
    }

    /// File `n` holds this; how large its entry is.
    fn hold(&mut self, n: u16, content: Content) -> usize {
        let mut entry = stored(self, n).entry;
        let mut version = entry.data.versions()[0].clone();
        version.value.content = content;
        version.minted = version.value.mint().into();
        let dot = version.dot;
        entry.data = crate::register::Register::default();
        entry.data.write(version, &[]);
        let bytes = entry_bytes(&entry);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
        bytes
    }
}

fn frames(messages: &[Message]) -> Vec<Vec<EntryId>> {
    let frames = messages.iter().filter(|message| matches!(message, Message::Frame(_)));
    frames.map(|frame| entries(std::slice::from_ref(frame))).collect()
}

/// What node 1 tells node 3, which has nothing, in a walk.
fn walked(net: &mut Net) -> Vec<Vec<EntryId>> {
    net.link(1, 3);
    net.deliver(3, 1, usize::MAX);
    net.speak();
    frames(&net.deliver(1, 3, usize::MAX))
}

#[test]
fn a_frame_ends_when_it_is_full_to_the_byte_and_the_next_goes_on_from_there() {
    let all: Vec<EntryId> = (0..2 * FILL + 3).map(file_id).collect();
    let fill = usize::from(FILL);
    let full: Vec<Vec<EntryId>> = all.chunks(fill).map(<[EntryId]>::to_vec).collect();
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    (0..2 * FILL + 3).for_each(|n| net.node(1).write_large(n));
    net.speak();
    assert_eq!(frames(&net.deliver(1, 2, usize::MAX)), full, "live");
    assert_eq!(walked(&mut net), full, "in a walk");
}

#[test]
fn a_walk_puts_into_a_frame_what_comes_to_it_whoever_wrote_it() {
    let mut net = Net::new(&[(1, 2)]);
    (0..400).for_each(|n| net.node(1).write(n, b'a'));
    (400..410).for_each(|n| net.node(2).write(n, b'a'));
    net.settle();
    let told = walked(&mut net);
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [410]);
}

#[test]
fn who_hears_of_one_thing_that_an_operation_wrote_hears_of_the_other_though_its_turn_is_later() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    net.node(1).write(0, b'a');
    (1..2 * FILL).for_each(|n| net.node(1).write_large(n));
    net.node(1).write_both([0, 1_000], b'b');
    net.speak();
    let told = frames(&net.deliver(1, 2, usize::MAX));
    assert!(told.len() > 1 && told[0].contains(&file_id(1_000)), "{told:?}");
}

#[test]
fn no_name_is_left_out() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    let node = net.node(1);
    node.write(7, b'a');
    let mut entry = stored(node, 7).entry;
    let mut version = entry.loc.versions()[0].clone();
    let dot = version.dot;
    version.value.name = Name::new(b"a").unwrap();
    version.minted = version.value.mint().into();
    entry.loc = crate::register::Register::default();
    entry.loc.write(version, &[]);
    ledger::put(&mut node.facts, &mut node.index, entry, None, Author::Here, &[dot]);
    net.speak();
    assert_eq!(frames(&net.deliver(1, 2, usize::MAX)), [[file_id(7)]], "live");
    assert_eq!(walked(&mut net), [[file_id(7)]], "in a walk");
}

#[test]
fn what_others_write_while_a_walk_runs_is_told_after_it_and_else_not_by_itself() {
    for walks in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.settle();
        net.node(1).write(7, b'a');
        net.settle();
        let one = net.node(1);
        let peer = one.exchange.peers.get_mut(&node_id(2)).unwrap();
        if walks {
            peer.start_walk(&one.facts, &Knowledge::default());
        }
        let before = peer.tail.len();
        one.exchange.written(&one.facts, &[(file_id(7), Author::Elsewhere)]);
        let after = one.exchange.peers[&node_id(2)].tail.len();
        assert_eq!(after - before, usize::from(walks));
    }
}

#[test]
fn a_clock_follows_what_it_hears_and_only_a_peers_own_lives_are_its_own() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    let late = Hlc(Hlc::from_unix_ms(1_000).0 + 7);
    net.node(1).facts.wall_ms = 1_000;
    net.node(2).facts.wall_ms = 1_000;
    net.node(1).facts.meta.hlc = late;
    net.node(1).write(7, b'a');
    net.settle();
    assert!(net.node(2).facts.tick() > late);
    let lives = [1, 9].map(|n| IncarnationRecord {
        incarnation: life(n),
        node: node_id(n),
        signature: vec![n],
    });
    let share = |knowledge| Share {
        knowledge,
        incarnations: lives.to_vec(),
        frontier: Knowledge::default(),
    };
    let known = net.node(1).facts.knowledge.clone();
    let mut fresh = Node::new(2);
    fresh.exchange.up(&fresh.facts, node_id(1));
    fresh.hear(1, Message::Share(share(known.clone()))).unwrap();
    assert_eq!(fresh.exchange.peers[&node_id(1)].lives, [life(1)].into());
    let mut fresh = Node::new(2);
    fresh.exchange.up(&fresh.facts, node_id(1));
    let frame = Frame { context: known, incarnations: lives.to_vec(), ..Frame::default() };
    fresh.hear(1, Message::Frame(frame)).unwrap();
    assert_eq!(fresh.exchange.peers[&node_id(1)].lives, [life(1)].into());
}
