//! Conversations without disks: who says what when, and what everybody holds in the end.

use super::{Exchange, Offence, Outgoing};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{
    Data, Entry, EntryId, IncarnationRecord, Kind, Location, Presence, Rank, Stamp, ROOT,
};
use crate::index::{Index, MemIndex, Meta, Phase};
use crate::ledger::{self, Author, Facts};
use crate::message::{Frame, Message};
use crate::path::Name;
use crate::register::Version;
use crate::wire::Minted;
use std::collections::{BTreeMap, VecDeque};

mod applied;
mod ask;
mod bounds;
mod full;
mod joining;
mod missing;
mod offences;
mod pull;
mod returns;
mod stream;
mod walk;

fn node_id(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn life(n: u8) -> Incarnation {
    Incarnation([n; 16])
}

fn file_id(n: u16) -> EntryId {
    let mut id = [1; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    EntryId(id)
}

fn versions(stamp: Stamp, n: u16, letter: u8) -> (Version<Location>, Version<Data>) {
    let name = Name::new(format!("f{n}").as_bytes()).unwrap();
    let at = Location { parent: ROOT, name, stamp, state: Presence::At(None) };
    let content = Content::File(Digest([letter; 32]), 1);
    let data = Data { content, stamp, base: Vec::new(), body: None };
    (
        Version { dot: stamp.dot, minted: at.mint().into(), value: at },
        Version { dot: stamp.dot, minted: data.mint().into(), value: data },
    )
}

/// A folder's engine without a disk: it writes, hears and speaks.
struct Node {
    me: u8,
    facts: Facts,
    index: MemIndex,
    exchange: Exchange,
}

impl Node {
    fn new(me: u8) -> Node {
        let mut index = MemIndex::new(Meta::new(life(me), Phase::Member, [0; 16]));
        let (node, signature) = (node_id(me), vec![me]);
        index.put_incarnation(&IncarnationRecord { incarnation: life(me), node, signature });
        Node { me, facts: Facts::load(&index), index, exchange: Exchange::default() }
    }

    /// A user writes file `n`, having seen all that is here of it.
    fn write(&mut self, n: u16, letter: u8) {
        self.put(n, letter, Rank::Write);
    }

    fn put(&mut self, n: u16, letter: u8, rank: Rank) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let stamp = Stamp { rank, hlc, dot };
        let stored = self.index.entry(file_id(n));
        let context = stored.as_ref().and_then(|stored| stored.context);
        let blank = || Entry::new(file_id(n), Kind::File);
        let mut entry = stored.map_or_else(blank, |stored| stored.entry);
        let (at, data) = versions(stamp, n, letter);
        let (placed, held) = (entry.loc.dots().collect::<Vec<_>>(), entry.data.dots());
        let held: Vec<Dot> = held.collect();
        entry.loc.write(at, &placed);
        entry.data.write(data, &held);
        let (facts, index) = (&mut self.facts, &mut self.index);
        ledger::put(facts, index, entry, context, Author::Here, &[dot]);
    }

    /// One operation writes two files; its dot.
    fn write_both(&mut self, files: [u16; 2], letter: u8) -> Dot {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let stamp = Stamp { rank: Rank::Write, hlc, dot };
        for n in files {
            let stored = self.index.entry(file_id(n)).map(|stored| stored.entry);
            let mut entry = stored.unwrap_or_else(|| Entry::new(file_id(n), Kind::File));
            let (at, data) = versions(stamp, n, letter);
            let seen = entry.dots();
            entry.loc.write(at, &seen);
            entry.data.write(data, &seen);
            let (facts, index) = (&mut self.facts, &mut self.index);
            ledger::put(facts, index, entry, None, Author::Here, &[dot]);
        }
        dot
    }

    fn letters(&self, n: u16) -> String {
        let Some(stored) = self.index.entry(file_id(n)) else { return String::new() };
        let letters = stored.entry.data.versions().iter().map(|v| match v.value.content {
            Content::File(digest, _) => char::from(digest.0[0]),
            Content::Link(_) => '>',
        });
        let mut letters: Vec<char> = letters.collect();
        letters.sort_unstable();
        letters.into_iter().collect()
    }

    /// The end of a turn: everything it wants to say.
    fn turn(&mut self, now_ms: u64) -> Vec<Outgoing> {
        let written = std::mem::take(&mut self.facts.written);
        self.exchange.written(&self.facts, &written);
        self.facts.save(&mut self.index);
        let mut out = Vec::new();
        loop {
            let said = self.exchange.speak(&self.facts, &self.index, now_ms);
            if said.is_empty() {
                return out;
            }
            out.extend(said);
        }
    }

    fn hear(&mut self, from: u8, message: Message) -> Result<(), Offence> {
        let (peer, facts, index) = (node_id(from), &mut self.facts, &mut self.index);
        match message {
            Message::Share(share) => self.exchange.share(facts, index, peer, share),
            Message::Frame(frame) => self.exchange.frame(facts, index, peer, frame),
            Message::DeltaEnd(end) => self.exchange.delta_end(facts, index, peer, end),
            Message::Sums(sums) => self.exchange.sums(index, peer, &sums),
            Message::Differs(range) => self.exchange.differs(index, peer, range),
            Message::Ack(ack) => self.exchange.ack(facts, peer, ack),
            _ => Ok(()),
        }
    }

    /// The disk shows everything.
    fn apply_all(&mut self) {
        for row in self.index.pending_after(0, usize::MAX) {
            self.index.remove_pending(row.entry);
        }
    }
}

/// Nodes and the messages under way on each connection, in order.
struct Net {
    nodes: BTreeMap<u8, Node>,
    wires: BTreeMap<(u8, u8), VecDeque<Message>>,
    now_ms: u64,
}

impl Net {
    fn new(links: &[(u8, u8)]) -> Net {
        let mut net = Net { nodes: BTreeMap::new(), wires: BTreeMap::new(), now_ms: 0 };
        for &(a, b) in links {
            net.link(a, b);
        }
        net
    }

    fn link(&mut self, a: u8, b: u8) {
        for (from, to) in [(a, b), (b, a)] {
            let node = self.nodes.entry(from).or_insert_with(|| Node::new(from));
            let hello = node.exchange.up(&node.facts, node_id(to)).message;
            self.wires.insert((from, to), [hello].into());
        }
        self.speak();
    }

    fn cut(&mut self, a: u8, b: u8) {
        for (from, to) in [(a, b), (b, a)] {
            self.wires.remove(&(from, to));
            self.node(from).exchange.down(node_id(to));
        }
    }

    fn node(&mut self, n: u8) -> &mut Node {
        self.nodes.entry(n).or_insert_with(|| Node::new(n))
    }

    /// Everybody ends a turn; what they say is under way.
    fn speak(&mut self) {
        for (&from, node) in &mut self.nodes {
            for out in node.turn(self.now_ms) {
                let wire = self.wires.get_mut(&(from, out.peer.0[0])).expect("connected");
                wire.push_back(out.message);
            }
        }
    }

    /// The oldest messages of one connection arrive, at most `most`; what they were.
    fn deliver(&mut self, from: u8, to: u8, most: usize) -> Vec<Message> {
        let wire = self.wires.get_mut(&(from, to)).expect("connected");
        let some: Vec<Message> = wire.drain(..most.min(wire.len())).collect();
        for message in &some {
            self.node(to).hear(from, message.clone()).expect("honest");
        }
        some
    }

    /// Until nobody has anything to say, pulls included.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.speak();
            let wires: Vec<(u8, u8)> = self.wires.keys().copied().collect();
            let heard: usize =
                wires.into_iter().map(|(a, b)| self.deliver(a, b, usize::MAX).len()).sum();
            let due = self.nodes.values().filter_map(|node| node.exchange.deadline()).min();
            match due {
                Some(due) => self.now_ms = self.now_ms.max(due),
                None if heard == 0 => return,
                None => {}
            }
        }
        panic!("they talk for ever");
    }

    /// The one helper: everybody holds the same, exactly these letters of each file.
    fn check(&mut self, files: &[(u16, &str)]) {
        self.settle();
        for node in self.nodes.values() {
            for (n, letters) in files {
                assert_eq!(node.letters(*n), *letters, "file {n} on node {}", node.me);
            }
            assert!(node.facts.contexts.is_empty(), "no context outlives the quiet");
        }
        let mut known = self.nodes.values().map(|node| &node.facts.knowledge);
        let first = known.next().expect("somebody");
        assert!(known.all(|other| other == first), "all know the same");
    }
}

fn entries(messages: &[Message]) -> Vec<EntryId> {
    let frames = messages.iter().filter_map(|message| match message {
        Message::Frame(frame) => Some(&frame.entries),
        _ => None,
    });
    frames.flatten().map(|entry| entry.id).collect()
}

// Story (simulator): a loser became a file of its own while a peer was being told what it lacked.
// The old file went with what came earlier, and with the dot of that operation; the new file did
// not, and the peer, which by then knew the dot, never took it.
#[test]
fn what_one_operation_wrote_goes_in_one_frame_whenever_it_was_written() {
    for is_late in [false, true] {
        let mut net = Net::new(&[]);
        (1..=600).for_each(|n| net.node(1).write(n, b'a'));
        let mut shared = (!is_late).then(|| net.node(1).write_both([1, 601], b'b'));
        net.link(1, 2);
        net.speak();
        net.deliver(2, 1, usize::MAX);
        let dot = *shared.get_or_insert_with(|| net.node(1).write_both([1, 601], b'b'));
        net.speak();
        let mut halves = Vec::new();
        for message in net.deliver(1, 2, usize::MAX) {
            let Message::Frame(frame) = message else { continue };
            let with = frame.entries.iter().filter(|entry| entry.dots().contains(&dot));
            halves.extend(Some(with.count()).filter(|count| *count > 0));
        }
        assert!(halves.iter().all(|count| *count == 2) && !halves.is_empty(), "{halves:?}");
        net.check(&[(1, "b"), (600, "a"), (601, "b")]);
    }
}

// Story (simulator, seed 1744): one operation wrote two files, and one of them was written to
// again. A peer that was told of the other one claimed the operation, and had heard of neither
// state of the first: nobody but the teller would ever have told it.
#[test]
fn who_hears_of_an_operation_hears_of_all_that_it_wrote_as_that_is_now() {
    let mut net = Net::new(&[]);
    let dot = net.node(1).write_both([1, 2], b'a');
    // More than a frame holds.
    (3..=2000).for_each(|n| net.node(1).write(n, b'c'));
    net.speak();
    net.node(1).write(2, b'b');
    net.link(1, 2);
    net.speak();
    net.deliver(2, 1, usize::MAX);
    net.speak();
    let mut frames = 0;
    while !net.node(2).letters(2000).contains('c') {
        net.deliver(1, 2, 1);
        frames += u32::from(!net.node(2).letters(3).is_empty());
        if net.node(2).facts.knowledge.contains(dot) {
            assert_eq!((&*net.node(2).letters(1), &*net.node(2).letters(2)), ("a", "b"));
        }
    }
    assert!(frames > 1, "all came at once");
    net.check(&[(1, "a"), (2, "b")]);
}

#[test]
fn two_nodes_catch_up_and_then_follow_each_other() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.node(2).write(2, b'b');
    net.node(2).write(1, b'c');
    net.check(&[(1, "ac"), (2, "b")]);
    net.node(1).write(1, b'd');
    net.check(&[(1, "d"), (2, "b")]);
}

#[test]
fn a_chain_and_a_ring_converge() {
    for links in [&[(1, 2), (2, 3), (3, 4)][..], &[(1, 2), (2, 3), (3, 1)][..]] {
        let mut net = Net::new(links);
        let nodes: Vec<u8> = net.nodes.keys().copied().collect();
        for round in 0..3 {
            for &n in &nodes {
                net.node(n).write(u16::from(n), b'a' + round);
                net.node(n).write(9, b'a' + n);
            }
            net.speak();
        }
        net.settle();
        net.node(3).write(9, b'z');
        net.check(&[(1, "c"), (2, "c"), (3, "c"), (9, "z")]);
    }
}

#[test]
fn a_superseded_version_that_comes_late_does_not_stay() {
    let mut net = Net::new(&[(1, 2), (2, 3), (1, 3)]);
    net.settle();
    net.node(1).write(7, b'c');
    net.speak();
    net.deliver(1, 2, usize::MAX);
    net.node(2).write(7, b'e');
    net.speak();
    net.deliver(2, 3, usize::MAX);
    assert_eq!(net.node(3).letters(7), "e");
    let late = net.deliver(1, 3, usize::MAX);
    assert_eq!(entries(&late), [file_id(7)], "the older push is still on its way");
    assert_eq!(net.node(3).letters(7), "e", "the entry remembers what it reflects");
    net.check(&[(7, "e")]);
}

#[test]
fn a_context_goes_on_with_its_entry() {
    let mut net = Net::new(&[(1, 2), (2, 3)]);
    net.settle();
    net.node(1).write(7, b'c');
    net.speak();
    net.deliver(1, 2, usize::MAX);
    net.node(2).write(7, b'e');
    net.node(2).write(8, b'x');
    net.speak();
    net.deliver(2, 3, usize::MAX);
    net.node(3).write(7, b'f');
    net.cut(2, 3);
    net.link(3, 4);
    net.settle();
    assert_eq!(net.node(4).letters(7), "f");
    net.link(1, 4);
    net.link(2, 3);
    net.check(&[(7, "f"), (8, "x")]);
}

/// 2 tells 3 what it knows by now; whether 3 asks for that.
fn asks(net: &mut Net) -> bool {
    net.speak();
    net.deliver(2, 3, usize::MAX);
    net.speak();
    let said = net.deliver(3, 2, usize::MAX);
    said.iter().any(|message| matches!(message, Message::Share(_)))
}

// Story: while a walk was under way, all that came in was put behind it, and so the peer was told
// what it had just told.
#[test]
fn nobody_is_told_what_it_has_told() {
    let mut net = Net::new(&[]);
    (0..10).for_each(|n| net.node(1).write(n, b'a'));
    net.link(1, 2);
    net.deliver(2, 1, usize::MAX);
    net.speak();
    assert_eq!(entries(&net.deliver(1, 2, usize::MAX)).len(), 10);
    net.speak();
    assert_eq!(entries(&net.deliver(2, 1, usize::MAX)), []);
    net.check(&[(7, "a")]);
}

#[test]
fn what_is_said_to_be_applied_stands_on_the_disk() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    net.node(1).write(1, b'a');
    net.node(1).write(2, b'b');
    net.settle();
    let applied = |net: &mut Net, counter| {
        net.settle();
        net.node(1).exchange.has_applied(node_id(2), life(1), counter)
    };
    assert!(!applied(&mut net, 1), "known is not applied");
    net.node(2).index.remove_pending(file_id(2));
    assert!(!applied(&mut net, 1) && !applied(&mut net, 2));
    net.node(2).apply_all();
    assert!(applied(&mut net, 2));
    net.node(1).write(1, b'c');
    net.node(1).write(1, b'd');
    assert!(applied(&mut net, 2) && !applied(&mut net, 3) && !applied(&mut net, 4));
    net.node(2).apply_all();
    assert!(applied(&mut net, 4), "superseded operations count once their successor stands");
    // Story: a directory stood, was deleted, and came back because of what somebody had put into it
    // meanwhile: it was to be made again, and still counted as standing.
    let two = net.node(2);
    ledger::mark(&mut two.facts, &mut two.index, file_id(1), &[]);
    assert!(!applied(&mut net, 4), "it is to be made again");
}

#[test]
fn after_a_start_nothing_known_counts_as_applied_while_anything_is_pending() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    let node = net.node(2);
    node.exchange = Exchange::default();
    node.exchange.resume(&node.facts, &node.index);
    assert_eq!(node.exchange.applied(&node.facts, &node.index)[&life(1)], 0);
    node.apply_all();
    assert_eq!(node.exchange.applied(&node.facts, &node.index)[&life(1)], 1);
}

fn frame(dots: &[Dot], entries: Vec<Entry>) -> Message {
    let mut context = Knowledge::default();
    dots.iter().for_each(|&dot| context.insert(dot));
    Message::Frame(Frame { context, entries, ..Frame::default() })
}
