//! What is said at once has an end: frames, contents that ride along, questions, and who waits.

use super::{entries, file_id, life, node_id, Net, Node};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Knowledge};
use crate::entry::{Entry, EntryId, Kind, Rank, Stamp, Stamped, Xattrs, ROOT};
use crate::exchange::full::{Sums, ASKED_MAX};
use crate::exchange::{Exchange, Peer};
use crate::index::{Index, Phase};
use crate::ledger::{self, Author};
use crate::limits::{
    ENTRY_BYTES_MAX, FRAME_ENTRIES_MAX, FRAME_ENTRY_BYTES, FRAME_INLINE_BYTES, INLINE_BYTES_MAX,
    RANGES_WAITING, RANGE_ENTRIES, STIRRED_MAX, SUMS_MAX, TAIL_MAX,
};
use crate::message::{Ack, DeltaEnd, Frame, Hello, Message, Share, WIRE_VERSION};
use crate::range::{Range, Sum, LAST};
use crate::register::Version;
use crate::wire::{entry_bytes, Minted};

/// Each frame ends with the entry that fills it, and no frame but the last is nearly empty.
fn check_frames(said: &[Message], files: usize) {
    let frames: Vec<&Frame> = said
        .iter()
        .filter_map(|message| match message {
            Message::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    assert_eq!(entries(said).len(), files);
    for frame in &frames {
        let bytes: Vec<usize> = frame.entries.iter().map(entry_bytes).collect();
        let before_last: usize = bytes[..bytes.len() - 1].iter().sum();
        assert!(before_last < FRAME_ENTRY_BYTES, "{before_last} bytes in one frame");
    }
    let mut but_last = frames.iter().rev().skip(1);
    assert!(but_last.all(|frame| frame.entries.len() >= 200), "a frame is nearly empty");
}

#[test]
fn frames_are_filled_and_bounded_in_walks_tails_and_answers() {
    let files = 6_000;
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    (0..files).for_each(|n| net.node(1).write(n, b'a'));
    net.speak();
    check_frames(&net.deliver(1, 2, usize::MAX), files.into());
    net.link(1, 3);
    net.speak();
    net.deliver(3, 1, usize::MAX);
    net.speak();
    check_frames(&net.deliver(1, 3, usize::MAX), files.into());
    let one = net.node(1);
    let peer = one.exchange.peers.get_mut(&node_id(3)).unwrap();
    peer.differs(Range { first: ROOT, last: LAST }).unwrap();
    net.speak();
    check_frames(&net.deliver_unheard(1, 3), files.into());
}

impl Net {
    /// What is under way, taken off the wire.
    fn deliver_unheard(&mut self, from: u8, to: u8) -> Vec<Message> {
        std::mem::take(self.wires.get_mut(&(from, to)).expect("connected")).into()
    }
}

impl Node {
    /// A user writes a file of this size.
    fn write_sized(&mut self, n: u16, size: u64) {
        self.write(n, b'a');
        let stored = self.index.entry(file_id(n)).unwrap();
        let mut version = stored.entry.data.versions()[0].clone();
        version.value.content = Content::File(Digest([n as u8; 32]), size);
        version.minted = version.value.mint().into();
        let mut entry = stored.entry;
        entry.data.write(version.clone(), &[version.dot]);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[version.dot]);
    }
}

#[test]
fn contents_ride_along_until_the_frame_has_no_room() {
    let inline = |sizes: &[u64]| {
        let mut net = Net::new(&[(1, 2)]);
        net.settle();
        for (n, size) in (0..).zip(sizes) {
            net.node(1).write_sized(n, *size);
        }
        let said = net.node(1).turn(0);
        let riding: Vec<u8> =
            said.into_iter().flat_map(|out| out.inline).map(|digest| digest.0[0]).collect();
        riding
    };
    let (small, most) = (INLINE_BYTES_MAX as u64, FRAME_INLINE_BYTES / INLINE_BYTES_MAX);
    assert_eq!(inline(&[small + 1, small, 0]), [1, 2]);
    let full: Vec<u64> = vec![small; most + 1];
    assert_eq!(inline(&full).len(), most, "the last one has to be asked for");
    let nearly = [&full[..most - 1], &[small - 1, 2, 1]].concat();
    assert_eq!(inline(&nearly).last(), Some(&(most as u8 + 1)), "what still fits rides");
    assert_eq!(inline(&nearly).len(), most + 1);
}

#[test]
fn nothing_is_said_to_whom_the_transport_has_no_room_for() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    let streams = |net: &mut Net| net.node(1).exchange.peer(node_id(2)).unwrap().is_streaming();
    assert!(!streams(&mut net), "all was said");
    net.node(1).exchange.congestion(node_id(2), true);
    net.node(1).write(1, b'a');
    net.speak();
    assert_eq!(entries(&net.deliver(1, 2, usize::MAX)), []);
    assert!(!streams(&mut net), "nobody is to be called for it");
    net.node(1).exchange.congestion(node_id(2), false);
    assert!(streams(&mut net));
    net.speak();
    assert_eq!(entries(&net.deliver(1, 2, usize::MAX)), [file_id(1)]);
    assert!(!streams(&mut net));
    net.node(1).exchange.congestion(node_id(9), true);
    assert!(net.node(1).exchange.peer(node_id(9)).is_none(), "it is not connected");
}

#[test]
fn who_has_not_asked_is_not_told_and_each_reason_to_speak_counts_alone() {
    let mut net = Net::new(&[]);
    net.node(1).write(1, b'a');
    net.link(1, 2);
    let peer = net.node(1).exchange.peers.get_mut(&node_id(2)).unwrap();
    assert!(!peer.is_streaming(), "it has not said what it lacks");
    peer.answers.push_back(Range { first: ROOT, last: LAST });
    assert!(!peer.is_streaming());
    peer.open = true;
    assert!(peer.is_streaming(), "a range is to be told");
    peer.answers.clear();
    assert!(!peer.is_streaming());
    peer.tail.push_back(file_id(1));
    assert!(peer.is_streaming(), "news is to be told");
}

// A peer that takes nothing for long must not make the news for it grow without end: it is told by
// walking over what it lacks.
#[test]
fn more_news_than_is_remembered_becomes_a_walk() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    let one = net.node(1);
    one.exchange.congestion(node_id(2), true);
    let nth = |n: usize| (EntryId((n as u128).to_be_bytes()), Author::Here);
    let news: Vec<_> = (0..TAIL_MAX).map(nth).collect();
    one.exchange.written(&one.facts, &news);
    one.exchange.written(&one.facts, &news);
    let peer = one.exchange.peer(node_id(2)).unwrap();
    assert!(peer.walk.is_none() && peer.tail.len() == TAIL_MAX, "each once");
    one.exchange.written(&one.facts, &[nth(TAIL_MAX)]);
    let peer = one.exchange.peer(node_id(2)).unwrap();
    assert!(peer.walk.is_some() && peer.tail.is_empty());
}

#[test]
fn ranges_that_differ_are_asked_for_a_few_at_a_time() {
    let mut net = Net::new(&[(1, 2)]);
    net.settle();
    let one = net.node(1);
    let peer = one.exchange.peers.get_mut(&node_id(2)).unwrap();
    let range = |n: u8| Range { first: EntryId([n; 16]), last: EntryId([n; 16]) };
    let differs = |n: u8| Sum { range: range(n), count: 1, sum: 7 };
    let sums: Vec<Sum> = (0..ASKED_MAX as u8 + 2).map(differs).collect();
    assert_eq!(peer.hear_sums(&one.index, &sums), Ok(()));
    let mut asked = Vec::new();
    for _ in 0..2 {
        peer.ask_ranges(&one.index, &mut |message| asked.push(message));
        assert_eq!(asked.len(), ASKED_MAX);
    }
    let answered = peer.answered(&mut one.facts, &mut one.index, range(0), &[].into());
    assert_eq!(answered, Ok(()));
    peer.ask_ranges(&one.index, &mut |message| asked.push(message));
    assert_eq!(asked.last(), Some(&Message::Differs(range(ASKED_MAX as u8))));
}

#[test]
fn sums_are_told_in_messages_of_bounded_size_and_not_while_many_answers_are_due() {
    let mut node = Node::new(1);
    let ranges = SUMS_MAX + 1;
    (0..ranges * RANGE_ENTRIES).for_each(|n| node.write(n as u16, b'a'));
    let mut peer = Peer::default();
    let whole = Range { first: ROOT, last: LAST };
    peer.answers.extend(vec![whole; RANGES_WAITING + 1]);
    assert!(peer.next_sums(&node.index, ROOT).is_none());
    peer.answers.pop_back();
    let (message, next) = peer.next_sums(&node.index, ROOT).expect("few enough");
    let Message::Sums(sums) = message else { panic!("{message:?}") };
    assert_eq!(sums.len(), SUMS_MAX);
    let Sums::From(first) = next else { panic!("{next:?}") };
    assert_eq!(first, file_id((SUMS_MAX * RANGE_ENTRIES) as u16));
    let (message, next) = peer.next_sums(&node.index, first).expect("the rest");
    let Message::Sums(sums) = message else { panic!("{message:?}") };
    assert_eq!((sums.len(), sums[0].count as usize, sums[0].range.last), (1, RANGE_ENTRIES, LAST));
    assert!(matches!(next, Sums::Told));
}

// A range that is called answered before all of it was told would be taken for deleted.
#[test]
fn an_answer_ends_where_its_entries_do_whatever_lies_between() {
    let mut node = Node::new(1);
    let last = FRAME_ENTRIES_MAX as u16;
    for n in 0..last {
        let blank = Entry::new(file_id(n), Kind::File);
        ledger::put(&mut node.facts, &mut node.index, blank, None, Author::Here, &[]);
    }
    node.write(last, b'a');
    let mut peer = Peer::default();
    peer.answers.push_back(Range { first: ROOT, last: LAST });
    let first = peer.next_answer(&node.facts, &node.index).unwrap();
    let second = peer.next_answer(&node.facts, &node.index).unwrap();
    assert!(peer.next_answer(&node.facts, &node.index).is_none());
    assert_eq!((first.entries.len(), second.entries.len()), (0, 1));
    let (first, second) = (first.range.unwrap(), second.range.unwrap());
    assert_eq!((first.first, first.last), (ROOT, file_id(last - 1)));
    assert_eq!((crate::range::next(first.last), second.last), (Some(second.first), LAST));
}

#[test]
fn beyond_what_is_remembered_of_others_all_is_compared() {
    let node = Node::new(1);
    let theirs = |life_of| -> Knowledge {
        [Dot { incarnation: life(life_of), counter: 1 }].into_iter().collect()
    };
    // It has forgotten a deletion that nobody has told here, and knows nothing of what others told.
    let (knowledge, frontier, phase) = (theirs(3), theirs(3), Phase::Member);
    let end = DeltaEnd { knowledge, phase, frontier };
    let (mut peer, dot) = (Peer::default(), Dot { incarnation: life(2), counter: 1 });
    let most = STIRRED_MAX as u16;
    (0..most).for_each(|n| peer.stir(file_id(n), &[dot]));
    assert_eq!(peer.may_end(&node.facts, end.clone()), Some(end.clone()));
    (0..=most).for_each(|n| peer.stir(file_id(n), &[dot]));
    assert_eq!(peer.may_end(&node.facts, end), None, "something may be over of which it was told");
    let mut asked = Vec::new();
    peer.ask_ranges(&node.index, &mut |message| asked.push(message));
    assert_eq!(asked, [Message::Differs(Range { first: ROOT, last: LAST })]);
}

/// Everything in which a peer can say what it knows.
fn claims(knowledge: Knowledge) -> [Message; 4] {
    let (phase, frontier) = (Phase::Member, Knowledge::default());
    [
        Message::Frame(Frame { context: knowledge.clone(), ..Frame::default() }),
        Message::DeltaEnd(DeltaEnd {
            knowledge: knowledge.clone(),
            phase,
            frontier: frontier.clone(),
        }),
        Message::Ack(Ack { knowledge: knowledge.clone(), applied: vec![] }),
        Message::Share(Share { knowledge, incarnations: vec![], frontier }),
    ]
}

#[test]
fn who_knows_more_of_our_life_than_was_told_outlives_our_index() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(1, b'a');
    net.settle();
    net.node(1).write(2, b'b');
    let one = net.node(1);
    let known = |counter| [Dot { incarnation: life(1), counter }].into_iter().collect();
    let outlives = |one: &Node, counter| {
        let all = claims(known(counter)).map(|m| one.exchange.outlives(&one.facts, &m));
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        all[0]
    };
    assert!(!outlives(one, 1), "it was told");
    assert!(outlives(one, 2), "minted, and told to nobody yet");
    assert!(outlives(one, 3));
    let harmless = [
        Message::Hello(Hello { wire: WIRE_VERSION, hlc: one.facts.meta.hlc }),
        Message::Gone(vec![]),
        Message::Sums(vec![]),
    ];
    assert!(!harmless.iter().any(|message| one.exchange.outlives(&one.facts, message)));
    one.exchange.renew();
    assert!(outlives(one, 1), "of a new life nobody knows anything");
    net.speak();
    net.speak();
    let one = net.node(1);
    one.write(3, b'c');
    net.speak();
    let one = net.node(1);
    assert!(!outlives(one, 3), "whatever was told to anybody may come back");
}

#[test]
fn who_joins_begins_when_a_member_has_told_all_or_as_the_first_of_those_who_join() {
    let with = |phases: &[(u8, Option<Phase>)]| {
        let mut exchange = Exchange::default();
        for (n, ended) in phases {
            exchange.peers.insert(node_id(*n), Peer { ended: *ended, ..Peer::default() });
        }
        exchange.may_import(node_id(5))
    };
    let (member, joining) = (Some(Phase::Member), Some(Phase::Joining));
    assert!(!with(&[]), "nobody is there");
    assert!(with(&[(1, member)]) && with(&[(1, None), (2, joining), (3, member)]));
    assert!(!with(&[(6, None)]) && !with(&[(6, Some(Phase::Importing))]));
    assert!(with(&[(6, joining), (7, joining)]), "all others come after it");
    assert!(!with(&[(4, joining), (6, joining)]), "one of them comes before");
    assert!(!with(&[(6, joining), (7, None)]), "one of them may be a member");
    assert!(!with(&[(5, joining)]), "nobody comes after itself");
}

// Story (a reviewer): eighteen had made the same file, each with 60 KB of extended attributes. All
// versions together were longer than a message may be: whoever was to be told of the file lost the
// connection, again and again.
#[test]
fn an_entry_that_many_wrote_fits_in_a_frame() {
    let writers = 18;
    let mut net = Net::new(&[]);
    let mut versions = Vec::new();
    for n in 1..=writers {
        let node = net.nodes.entry(n).or_insert_with(|| Node::new(n));
        node.write(7, b'a');
        let (hlc, dot) = (node.facts.tick(), node.facts.mint());
        let stamp = Stamp { rank: Rank::Write, hlc, dot };
        let long = (b"user.long".to_vec(), vec![n; 60_000]);
        let value = Stamped { stamp, value: Xattrs::from_iter([long]) };
        let mut entry = node.index.entry(file_id(7)).unwrap().entry;
        entry.xattr.write(Version { dot, minted: value.mint().into(), value }, &[]);
        ledger::put(&mut node.facts, &mut node.index, entry, None, Author::Here, &[dot]);
        versions.push((stamp, dot));
    }
    for n in 2..=writers {
        net.link(1, n);
        net.settle();
    }
    let newest = versions.iter().max().unwrap().1;
    for n in 1..=writers {
        let entry = net.node(n).index.entry(file_id(7)).unwrap().entry;
        assert!(entry_bytes(&entry) <= ENTRY_BYTES_MAX, "{n}: {} bytes", entry_bytes(&entry));
        assert!(entry.xattr.get(newest).is_some());
    }
}
