//! Who missed deletions that others have forgotten: everything is compared.

use super::{entries, file_id, life, node_id, versions, Net, Node};
use crate::dot::Dot;
use crate::entry::{Entry, EntryId, Kind, Presence, Rank, Sight, Stamp, Stamped, Timestamp, ROOT};
use crate::index::Index;
use crate::ledger::{self, Author};
use crate::limits::{PULL_LATEST_MS, RANGES_MAX, RANGE_ENTRIES, RETIRE_EVERY_MS};
use crate::message::{Frame, Message};
use crate::range::{self, Range, Sum, LAST};
use crate::register::Version;
use crate::retire::Retire;
use crate::wire::Minted;

impl Node {
    /// Deletes these files, and forgets that it did: all who are waited for know of it.
    pub(super) fn forgets(&mut self, files: impl Iterator<Item = u16>) {
        for n in files {
            self.index.remove_entry(file_id(n));
            let dot = self.facts.mint();
            self.facts.frontier.insert_range(dot.incarnation, 1, dot.counter);
        }
    }

    /// What lives beside its end is found, if anybody has forgotten that.
    pub(super) fn looks_at_deletions(&mut self) {
        let (mut retire, elsewhere) = (Retire::default(), self.exchange.forgotten().clone());
        retire.wake(0);
        retire.turn(RETIRE_EVERY_MS, &mut self.facts, &mut self.index, &[], &elsewhere);
    }

    /// A directory, or a file in it.
    pub(super) fn makes(&mut self, n: u16, kind: Kind, parent: EntryId) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let (mut at, data) = versions(Stamp { rank: Rank::Write, hlc, dot }, n, b'd');
        at.value.parent = parent;
        let mut entry = Entry::new(file_id(n), kind);
        entry.loc.write(at, &[]);
        if kind == Kind::File {
            entry.data.write(data, &[]);
        }
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    /// Puts it into another directory, having seen where it was.
    pub(super) fn moves(&mut self, n: u16, parent: EntryId) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let (mut at, _) = versions(Stamp { rank: Rank::Write, hlc, dot }, n, b'd');
        at.value.parent = parent;
        let mut entry = self.index.entry(file_id(n)).unwrap().entry;
        let seen: Vec<Dot> = entry.loc.dots().collect();
        entry.loc.write(at, &seen);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    /// Deletes it, having seen where it was and what it held.
    pub(super) fn deletes(&mut self, n: u16) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let mut entry = self.index.entry(file_id(n)).unwrap().entry;
        let seen: Vec<Dot> = entry.loc.dots().collect();
        let mut value = entry.loc.versions()[0].value.clone();
        value.stamp = Stamp { rank: Rank::Write, hlc, dot };
        value.state = Presence::Deleted(Sight::Live);
        entry.loc.write(Version { dot, minted: value.mint().into(), value }, &seen);
        let held: Vec<Dot> = entry.data.dots().collect();
        entry.data.supersede(&held);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    /// A directory with its mode, by one operation.
    pub(super) fn makes_with_mode(&mut self, n: u16, mode: u16) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let stamp = Stamp { rank: Rank::Write, hlc, dot };
        let value = Stamped { stamp, value: mode };
        let mut entry = Entry::new(file_id(n), Kind::Dir);
        entry.loc.write(versions(stamp, n, b'd').0, &[]);
        entry.mode.write(Version { dot, minted: value.mint().into(), value }, &[]);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    pub(super) fn changes_mode(&mut self, n: u16, mode: u16) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let value = Stamped { stamp: Stamp { rank: Rank::Write, hlc, dot }, value: mode };
        let stored = self.index.entry(file_id(n)).map(|stored| stored.entry);
        let mut entry = stored.unwrap_or_else(|| Entry::new(file_id(n), Kind::File));
        let seen: Vec<Dot> = entry.mode.dots().collect();
        entry.mode.write(Version { dot, minted: value.mint().into(), value }, &seen);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    pub(super) fn changes_time(&mut self, n: u16, seconds: i64) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let stamp = Stamp { rank: Rank::Write, hlc, dot };
        let value = Stamped { stamp, value: Timestamp { seconds, nanos: 0 } };
        let mut entry = self.index.entry(file_id(n)).unwrap().entry;
        let seen: Vec<Dot> = entry.times.dots().collect();
        entry.times.write(Version { dot, minted: value.mint().into(), value }, &seen);
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
    }

    pub(super) fn times(&self, n: u16) -> Vec<i64> {
        let entry = self.index.entry(file_id(n)).expect("it is known").entry;
        entry.times.versions().iter().map(|version| version.value.value.seconds).collect()
    }

    pub(super) fn modes(&self, n: u16) -> Vec<u16> {
        let entry = self.index.entry(file_id(n)).expect("it is known").entry;
        entry.mode.versions().iter().map(|version| version.value.value).collect()
    }

    pub(super) fn holds(&self, n: u16) -> bool {
        self.index.entry(file_id(n)).is_some_and(|stored| !stored.entry.is_blank())
    }
}

/// Both know these files; then each is alone.
fn parted(files: u16) -> Net {
    let mut net = Net::new(&[(1, 2)]);
    (0..files).for_each(|n| net.node(1).write(n, b'a'));
    net.settle();
    net.cut(1, 2);
    net
}

#[test]
fn what_others_have_forgotten_goes_and_all_else_stays() {
    let mut net = parted(500);
    net.node(1).forgets([7, 8, 400].into_iter());
    net.node(1).write(9, b'b');
    net.node(2).write(8, b'c');
    net.node(2).write(501, b'd');
    net.link(1, 2);
    net.check(&[(0, "a"), (7, ""), (8, "c"), (9, "b"), (400, ""), (499, "a"), (501, "d")]);
    assert!(!net.node(2).holds(7) && net.node(1).holds(8));
    let frontier = net.node(1).facts.frontier.clone();
    assert_eq!(net.node(2).facts.frontier, frontier, "who heard it has forgotten it, too");
}

#[test]
fn thousands_that_are_gone_in_one_range_go_in_pieces() {
    let mut net = parted(4_000);
    net.node(1).forgets(0..3_999);
    net.link(1, 2);
    net.settle();
    let index = &net.node(2).index;
    assert_eq!(index.entry_count() - index.deleted(None, 9_999).len() as u64, 1);
    net.check(&[(5, ""), (3_999, "a")]);
}

#[test]
fn who_was_cut_off_in_between_claims_nothing_and_ends_it_the_next_time() {
    for most in 0..12 {
        let mut net = parted(300);
        net.node(1).forgets((0..300).step_by(7));
        net.link(1, 2);
        for _ in 0..most {
            net.deliver(2, 1, 1);
            net.speak();
            net.deliver(1, 2, 1);
            net.speak();
        }
        let forgotten = net.node(1).facts.frontier.clone();
        let all = (0..300).step_by(7).all(|n| !net.node(2).holds(n));
        assert!(all || !forgotten.is_within(&net.node(2).facts.knowledge), "after {most}");
        net.cut(1, 2);
        net.link(1, 2);
        net.check(&[(0, ""), (1, "a"), (7, ""), (294, ""), (299, "a")]);
    }
}

#[test]
fn who_knows_nothing_is_told_all_and_compares_nothing() {
    let mut net = parted(100);
    net.node(1).forgets(0..50);
    net.link(1, 3);
    net.deliver(3, 1, usize::MAX);
    net.speak();
    let said = net.deliver(1, 3, usize::MAX);
    assert_eq!(entries(&said).len(), 50);
    assert!(!said.iter().any(|message| matches!(message, Message::Sums(_))));
    let frontier = net.node(1).facts.frontier.clone();
    assert_eq!(net.node(3).facts.frontier, frontier);
}

#[test]
fn a_directory_that_something_unknown_is_in_is_wanted_again_the_others_go_from_the_leaves_up() {
    let mut net = Net::new(&[(1, 2)]);
    for n in 1..4 {
        let parent = if n == 1 { ROOT } else { file_id(n - 1) };
        net.node(1).makes(n, Kind::Dir, parent);
        net.node(1).makes(n + 10, Kind::Dir, if n == 1 { ROOT } else { file_id(n + 9) });
    }
    net.settle();
    net.cut(1, 2);
    net.node(1).forgets([1, 2, 3, 11, 12, 13].into_iter());
    net.node(2).makes(20, Kind::File, file_id(3));
    net.link(1, 2);
    net.settle();
    let node = net.node(2);
    assert!((11..14).all(|n| !node.holds(n)), "nothing was in them");
    let wanted: Vec<EntryId> = node.exchange.take_orphaned().into_iter().collect();
    assert_eq!(wanted, [file_id(1), file_id(2), file_id(3)]);
    assert!(wanted.iter().all(|id| node.index.entry(*id).is_some_and(|s| !s.entry.loc.is_empty())));
}

#[test]
fn a_directory_that_something_is_in_and_that_was_moved_is_only_where_it_was_moved() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(1, Kind::Dir, ROOT);
    net.node(1).makes(2, Kind::Dir, ROOT);
    net.node(1).makes(3, Kind::File, file_id(2));
    net.settle();
    net.node(1).moves(2, file_id(1));
    net.settle();
    let moved = net.node(2).index.entry(file_id(2)).unwrap();
    assert_eq!(moved.entry.loc.versions().len(), 1);
    assert_eq!(moved.settled.unwrap().parent, file_id(1));
}

/// Node 2, told by node 1 that it holds something else in this range.
pub(super) fn told_of(range: Range) -> (Net, Sum) {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(5, Kind::Dir, ROOT);
    net.node(1).makes(6, Kind::Dir, file_id(5));
    net.node(1).makes(7, Kind::File, file_id(6));
    net.node(1).makes(8, Kind::Dir, ROOT);
    net.node(1).makes(9, Kind::Dir, ROOT);
    net.node(1).changes_mode(9, 0o700);
    net.node(1).makes(10, Kind::File, file_id(9));
    net.settle();
    (net, Sum { range, count: 9, sum: 7 })
}

#[test]
fn a_question_is_answered_from_its_beginning_to_its_end_and_not_beyond() {
    let range = |first: u16, last: u16| Range { first: file_id(first), last: file_id(last) };
    let (mut net, sum) = told_of(range(10, 20));
    let two = net.node(2);
    assert_eq!(two.exchange.sums(&two.index, node_id(1), &[sum]), Ok(()));
    let peer = two.exchange.peers.get_mut(&node_id(1)).unwrap();
    let mut answer = |range| {
        let (facts, index) = (&mut two.facts, &mut two.index);
        peer.ask_ranges(index, &mut |_| {});
        peer.answered(facts, index, range, &[].into()).is_ok()
    };
    assert!(!answer(range(11, 20)), "its beginning is missing");
    assert!(!answer(range(10, 21)), "more than was asked for");
    assert!(answer(range(10, 14)), "the first part");
    assert!(!answer(range(10, 20)) && !answer(range(15, 20)));
    let rest = Range { first: range::next(file_id(14)).unwrap(), last: file_id(20) };
    assert!(answer(rest) && !answer(rest), "each once: now nothing is asked for");
}

#[test]
fn what_is_not_held_there_goes_at_once_but_for_directories_that_something_is_in() {
    let (mut net, sum) = told_of(Range { first: ROOT, last: LAST });
    let two = net.node(2);
    two.moves(9, file_id(5));
    assert_eq!(two.exchange.sums(&two.index, node_id(1), &[sum]), Ok(()));
    let peer = two.exchange.peers.get_mut(&node_id(1)).unwrap();
    peer.ask_ranges(&two.index, &mut |_| {});
    let held = [file_id(7), file_id(10)].into();
    let answered = peer.answered(&mut two.facts, &mut two.index, sum.range, &held);
    assert_eq!(answered, Ok(()));
    assert!(two.holds(5) && two.holds(6) && two.holds(7), "until all is compared");
    assert!(!two.holds(8), "nothing was in it");
    assert!(two.holds(9) && two.modes(9) == [0o700], "one that was moved here stays whole");
}

#[test]
fn what_the_teller_has_not_seen_stays_of_a_directory_that_goes_in_the_end() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(1, Kind::Dir, ROOT);
    net.node(1).makes(2, Kind::Dir, file_id(1));
    net.settle();
    net.cut(1, 2);
    net.node(1).forgets([1, 2].into_iter());
    net.node(2).changes_mode(1, 0o700);
    net.link(1, 2);
    net.settle();
    let one = net.node(2).index.entry(file_id(1)).unwrap().entry;
    assert!(one.loc.is_empty() && !net.node(2).holds(2));
    assert_eq!(net.node(2).modes(1), [0o700]);
}

#[test]
fn an_entry_of_which_nothing_is_left_is_written_down_as_that() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(7, Kind::File, ROOT);
    net.node(1).changes_mode(7, 0o600);
    let old = net.node(1).index.entry(file_id(7)).unwrap().entry.mode;
    net.node(1).changes_mode(7, 0o640);
    net.settle();
    let over = Entry { mode: old, ..Entry::new(file_id(7), Kind::File) };
    let frame = Frame { entries: vec![over], ..Frame::default() };
    assert_eq!(net.node(1).hear(2, Message::Frame(frame)), Ok(()));
    assert!(!net.node(1).holds(7), "it knows all of it, and tells of something older alone");
}

// News can bring it as well: nothing is being compared then, and nothing more is waited for. While
// the peer tells all that it holds, something that keeps the directory may be yet to come.
#[test]
fn a_directory_that_news_brings_without_a_place_is_wanted_again_at_once() {
    for (pulling, wanted) in [(false, vec![file_id(5)]), (true, vec![])] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).makes(5, Kind::Dir, ROOT);
        net.node(1).makes(6, Kind::File, file_id(5));
        net.settle();
        let two = net.node(2);
        two.changes_mode(5, 0o700);
        let mode = two.index.entry(file_id(5)).unwrap().entry.mode;
        let placeless = Entry { mode, ..Entry::new(file_id(5), Kind::Dir) };
        let context = placeless.dots().into_iter().collect();
        let frame = Frame { context, entries: vec![placeless], ..Frame::default() };
        let one = net.node(1);
        one.exchange.peers.get_mut(&node_id(2)).unwrap().pulling = pulling;
        assert_eq!(one.hear(2, Message::Frame(frame)), Ok(()));
        assert_eq!(one.exchange.take_orphaned(), wanted.into_iter().collect(), "{pulling}");
    }
}

// All had heard of a deletion, and who had forgotten it is told of something in that directory.
#[test]
fn a_deleted_directory_above_what_is_told_is_wanted_again_where_the_peer_may_have_forgotten_it() {
    for has_forgotten in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).makes(1, Kind::Dir, ROOT);
        net.node(1).makes(2, Kind::Dir, file_id(1));
        net.node(1).makes(3, Kind::Dir, file_id(2));
        net.node(1).deletes(3);
        net.node(1).deletes(2);
        net.settle();
        net.cut(1, 2);
        let one = net.node(1);
        if has_forgotten {
            one.facts.frontier.insert_range(life(1), 1, one.facts.meta.counter);
            [2, 3].into_iter().for_each(|n| one.index.remove_entry(file_id(n)));
        }
        net.node(2).makes(20, Kind::File, file_id(3));
        net.link(1, 2);
        net.settle();
        let wanted: Vec<EntryId> = net.node(2).exchange.take_orphaned().into_iter().collect();
        let both = vec![file_id(2), file_id(3)];
        assert_eq!(wanted, if has_forgotten { both } else { vec![] });
    }
}

// Story (found by reading): while everything was compared, one operation wrote two files. The range
// of the first was told with its new version, and the connection broke: the peer knew the
// operation, and was never told of the second.
#[test]
fn what_one_operation_wrote_while_ranges_are_told_goes_together_and_each_range_is_whole() {
    for pair in [[1, 250], [250, 1], [3, 4]] {
        let mut net = parted(300);
        net.node(1).forgets([7, 260].into_iter());
        net.link(1, 2);
        let asks = |message: &Message| matches!(message, Message::Differs(_));
        while !net.deliver(2, 1, usize::MAX).iter().any(asks) {
            net.speak();
            net.deliver(1, 2, usize::MAX);
            net.speak();
        }
        let dot = net.node(1).write_both(pair, b'b');
        net.speak();
        let mut halves = Vec::new();
        for message in net.deliver(1, 2, usize::MAX) {
            let Message::Frame(Frame { entries, range, .. }) = message else { continue };
            let with = entries.iter().filter(|entry| entry.dots().contains(&dot)).count();
            halves.push((with, range.is_some()));
            let told: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
            let Some(range) = range else { continue };
            let held = net.node(1).index.ids(range.first, range.last, usize::MAX);
            assert!(held.iter().all(|id| told.contains(id)), "a part of {range:?} is missing");
        }
        assert!(halves.contains(&(2, true)), "told while ranges were: {halves:?}");
        assert!(halves.iter().all(|(with, _)| [0, 2].contains(with)), "{halves:?}");
        net.check(&[(7, ""), (260, ""), (pair[0], "b"), (pair[1], "b"), (5, "a")]);
    }
}

// Story (simulator, seed 771): who knew nothing was told all by one that had forgotten a deletion,
// and meanwhile by one that had missed it. The first had nothing to say of what was deleted, and no
// sums for who holds nothing: its claim covered what the second had told, which stayed for ever.
#[test]
fn what_another_tells_meanwhile_is_compared_too() {
    let mut net = parted(10);
    net.node(1).forgets([7].into_iter());
    net.link(1, 3);
    net.speak();
    net.deliver(3, 1, usize::MAX);
    net.link(2, 3);
    net.now_ms += PULL_LATEST_MS;
    net.speak();
    net.deliver(3, 2, usize::MAX);
    net.speak();
    net.deliver(2, 3, usize::MAX);
    assert!(net.node(3).holds(7), "it was told");
    net.settle();
    assert!(!net.node(3).holds(7) && net.node(3).holds(8));
    assert!(!net.node(2).holds(7), "who had missed it hears of it");
}

#[test]
fn answers_that_nobody_asked_for_and_floods_are_refused() {
    let net = || {
        let mut net = parted(10);
        net.link(1, 2);
        net.settle();
        net
    };
    let whole = Range { first: ROOT, last: LAST };
    let answer = Frame { range: Some(whole), ..Frame::default() };
    assert!(net().node(2).hear(1, Message::Frame(answer)).is_err());
    assert!(net().node(2).holds(3), "nothing of it was believed");
    let mut asked = net();
    let flood = (0..=RANGES_MAX).find(|_| asked.node(2).hear(1, Message::Differs(whole)).is_err());
    assert_eq!(flood, Some(RANGES_MAX));
    let mut told = net();
    let sums = vec![Sum { range: whole, count: RANGE_ENTRIES as u32, sum: 1 }; 64];
    let flood =
        (0..=RANGES_MAX).find(|_| told.node(2).hear(1, Message::Sums(sums.clone())).is_err());
    assert_eq!(flood, Some(RANGES_MAX / 64));
}
