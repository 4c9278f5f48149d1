//! Walks: cut, written into, shared among peers; what rides along with them.

use super::{entries, file_id, life, node_id, Net};
use crate::content::Digest;
use crate::dot::Knowledge;
use crate::index::Phase;
use crate::message::{DeltaEnd, Message};

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
