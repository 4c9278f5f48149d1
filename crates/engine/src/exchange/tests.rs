//! Conversations without disks: who says what when, and what everybody holds in the end.

use super::{Exchange, Offence, Outgoing};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{
    Data, Entry, EntryId, Hlc, IncarnationRecord, Kind, Location, Presence, Rank, Stamp, ROOT,
};
use crate::index::{Index, MemIndex, Meta, Phase};
use crate::ledger::{self, Author, Facts};
use crate::limits::{PULL_AFTER_MS, PULL_LATEST_MS};
use crate::message::{Ack, DeltaEnd, Frame, Message, Share};
use crate::path::Name;
use crate::register::Version;
use crate::wire::Minted;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod applied;
mod ask;
mod bounds;
mod full;
mod missing;
mod stream;

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

#[test]
fn a_walk_that_was_cut_goes_on_where_it_stood_and_claims_nothing_before_its_end() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    net.cut(1, 2);
    (0..2000).for_each(|n| net.node(1).write(n, b'a'));
    net.node(1).write(0, b'b');
    net.link(1, 2);
    net.deliver(2, 1, usize::MAX);
    net.speak();
    let first = net.deliver(1, 2, 4);
    let arrived = entries(&first).len();
    assert!(0 < arrived && arrived < 2000, "the walk takes several frames: {arrived}");
    let known = net.node(2).facts.knowledge.of(life(1)).unwrap().clone();
    assert!(!known.contains(1), "a superseded dot is not claimed before the walk's end");
    net.cut(1, 2);
    net.link(1, 2);
    net.deliver(2, 1, usize::MAX);
    net.speak();
    let rest = net.deliver(1, 2, usize::MAX);
    assert_eq!(entries(&rest).len(), 2000 - arrived, "nothing is sent twice");
    net.check(&[(0, "b"), (1999, "a")]);
}

#[test]
fn what_is_written_during_a_walk_is_sent_before_the_walk_is_closed() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    net.cut(1, 2);
    (0..10).for_each(|n| net.node(1).write(n, b'a'));
    net.link(1, 2);
    net.deliver(2, 1, usize::MAX);
    let walked = net.node(1).facts.knowledge.clone();
    net.node(1).exchange.congestion(node_id(2), true);
    net.speak();
    net.node(1).write(3, b'b');
    net.node(1).write(77, b'c');
    net.node(1).exchange.congestion(node_id(2), false);
    net.speak();
    let said = net.deliver(1, 2, usize::MAX);
    let end = said.iter().position(|m| matches!(m, Message::DeltaEnd(_))).expect("it ends");
    assert!(entries(&said[..end]).contains(&file_id(77)), "the tail comes before the claim");
    let (phase, frontier) = (Phase::Member, Knowledge::default());
    let claim = DeltaEnd { knowledge: walked, phase, frontier };
    assert_eq!(said[end], Message::DeltaEnd(claim), "and the claim is that of the start");
    net.check(&[(3, "b"), (77, "c")]);
}

/// What 1 knows comes to 2 whole and goes on; to 3 it comes as the test wants.
fn two_of_three_know() -> Net {
    let mut net = Net::new(&[(1, 2), (1, 3), (2, 3)]);
    net.settle();
    (0..6_000).for_each(|n| net.node(1).write(n, b'a'));
    net
}

/// 2 tells 3 what it knows by now; whether 3 asks for that.
fn asks(net: &mut Net) -> bool {
    net.speak();
    net.deliver(2, 3, usize::MAX);
    net.speak();
    let said = net.deliver(3, 2, usize::MAX);
    said.iter().any(|message| matches!(message, Message::Share(_)))
}

// Story: three nodes with the same tree joined at once. The first sent its entries to both others,
// who after 100 ms asked one another for what was still on its way: all came twice.
#[test]
fn what_may_still_be_on_its_way_is_not_asked_for_elsewhere() {
    let mut net = two_of_three_know();
    net.speak();
    assert!(net.deliver(1, 2, usize::MAX).len() > 3, "several frames");
    assert!(!asks(&mut net));
    for _ in 0..2 {
        net.deliver(1, 3, 1);
        assert!(!asks(&mut net), "more of it comes");
        net.now_ms += PULL_LATEST_MS - 1;
        assert!(!asks(&mut net), "it rests");
    }
    net.now_ms += 1;
    assert!(asks(&mut net), "it has been silent for too long");
    net.check(&[(7, "a")]);
}

// Story: on busy machines they rested for longer than that, in the middle of a walk as well.
#[test]
fn what_a_walk_under_way_covers_is_not_asked_for_elsewhere() {
    let mut net = two_of_three_know();
    net.cut(1, 3);
    net.speak();
    net.deliver(1, 2, usize::MAX);
    net.link(1, 3);
    net.speak();
    net.deliver(3, 1, usize::MAX);
    for _ in 0..3 {
        net.speak();
        net.deliver(1, 3, 3);
        assert!(!asks(&mut net));
        net.now_ms += PULL_LATEST_MS - 1;
        assert!(!asks(&mut net), "it rests");
    }
    net.now_ms += 1;
    assert!(asks(&mut net), "it has been silent for too long");
    net.check(&[(7, "a")]);
}

#[test]
fn small_contents_ride_along_live_and_not_in_a_walk() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.speak();
    net.deliver(2, 1, usize::MAX);
    let walked = net.node(1).turn(0);
    assert!(walked.iter().all(|out| out.inline.is_empty()), "{walked:?}");
    net.node(1).write(2, b'b');
    let live = net.node(1).turn(0);
    let inline: Vec<Digest> = live.into_iter().flat_map(|out| out.inline).collect();
    assert_eq!(inline, [Digest([b'b'; 32])]);
}

// Story: whoever had imported told everything that was not acknowledged yet once more, to say that
// it was a member now. When it told nothing, who joined by it began without what it had heard from
// others meanwhile (simulator, seed 1809).
#[test]
fn who_becomes_a_member_says_so_and_tells_nothing_twice() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).facts.meta.phase = Phase::Importing;
    net.settle();
    (0..10).for_each(|n| net.node(1).put(n, b'a', Rank::Import));
    net.speak();
    net.link(1, 3);
    net.node(3).write(20, b'b');
    for (from, to) in [(3, 1), (1, 3), (3, 1)] {
        net.speak();
        net.deliver(from, to, usize::MAX);
    }
    net.speak();
    let one = net.node(1);
    assert_eq!(one.letters(20), "b");
    one.facts.meta.phase = Phase::Member;
    one.exchange.became_member(&one.facts);
    net.speak();
    let told = net.deliver(1, 2, usize::MAX);
    let files: BTreeSet<EntryId> = entries(&told).into_iter().collect();
    assert_eq!((entries(&told).len(), files.len()), (11, 11), "once");
    assert!(files.contains(&file_id(20)), "what came from another, too");
    let Some(Message::DeltaEnd(end)) = told.last() else { panic!("{told:?}") };
    assert_eq!(end.phase, Phase::Member);
    assert_eq!(end.knowledge, net.node(1).facts.knowledge);
    net.check(&[(3, "a")]);
}

// Story: two who joined at once told one another what the first node was telling both.
#[test]
fn who_is_joining_tells_what_it_has_heard_once_it_has_joined() {
    let mut net = Net::new(&[(1, 2), (2, 3)]);
    for n in [2, 3] {
        net.node(n).facts.meta.phase = Phase::Joining;
    }
    (0..5).for_each(|n| net.node(1).write(n, b'a'));
    net.settle();
    assert_eq!((net.node(2).letters(4), net.node(3).letters(4)), ("a".into(), String::new()));
    let two = net.node(2);
    two.facts.meta.phase = Phase::Member;
    two.exchange.became_member(&two.facts);
    net.check(&[(4, "a")]);
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

// Story: a node that joined a large cluster was told the whole index by each of its members.
#[test]
fn who_lacks_much_is_told_by_one_and_the_rest_by_others() {
    let mut net = Net::new(&[(1, 2), (1, 3), (2, 3)]);
    (0..3_000).for_each(|n| net.node(1).write(n, b'a'));
    net.settle();
    net.node(3).write(4_000, b'b');
    net.node(4).facts.meta.phase = Phase::Joining;
    (1..=3).for_each(|n| net.link(n, 4));
    let mut told = Vec::new();
    for _ in 0..20 {
        net.speak();
        for n in [1, 2, 3] {
            net.deliver(4, n, usize::MAX);
            told.extend(entries(&net.deliver(n, 4, usize::MAX)));
        }
    }
    assert_eq!(told.len(), 3_001);
    net.node(2).write(4_001, b'c');
    net.check(&[(7, "a"), (4_000, "b"), (4_001, "c")]);
}

// Story: nodes joined with the same tree in place, and the contents of what one of them was still
// importing rode along to the others, which had them.
#[test]
fn what_an_import_finds_is_told_without_contents() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    net.node(1).put(1, b'a', Rank::Import);
    let live = net.node(1).turn(0);
    assert!(!live.is_empty() && live.iter().all(|out| out.inline.is_empty()), "{live:?}");
}

#[test]
fn news_of_others_is_not_pushed_but_asked_for_after_a_moment() {
    let mut net = Net::new(&[(1, 2), (2, 3)]);
    net.settle();
    net.node(1).write(1, b'a');
    net.speak();
    net.deliver(1, 2, usize::MAX);
    net.speak();
    let told = net.deliver(2, 3, usize::MAX);
    assert_eq!(entries(&told), []);
    net.speak();
    assert_eq!(net.node(3).exchange.deadline(), Some(net.now_ms + PULL_AFTER_MS));
    net.now_ms += PULL_AFTER_MS;
    net.speak();
    assert!(matches!(net.wires[&(3, 2)].back(), Some(Message::Share(_))), "it asks");
    net.check(&[(1, "a")]);
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

fn foreign_entry(n: u16, kind: Kind, dot: Dot) -> Entry {
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(1), dot };
    let mut entry = Entry::new(file_id(n), kind);
    entry.loc.insert(versions(stamp, n, b'x').0);
    entry
}

fn frame(dots: &[Dot], entries: Vec<Entry>) -> Message {
    let mut context = Knowledge::default();
    dots.iter().for_each(|&dot| context.insert(dot));
    Message::Frame(Frame { context, entries, ..Frame::default() })
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
