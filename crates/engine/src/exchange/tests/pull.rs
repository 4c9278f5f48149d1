//! What a peer is known to have, and does not tell by itself.

use super::{asks, entries, Net};
use crate::limits::{PULL_AFTER_MS, PULL_LATEST_MS};
use crate::message::Message;

/// What 1 knows comes to 2 whole and goes on; to 3 it comes as the test wants.
fn two_of_three_know() -> Net {
    let mut net = Net::new(&[(1, 2), (1, 3), (2, 3)]);
    net.settle();
    (0..6_000).for_each(|n| net.node(1).write(n, b'a'));
    net
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
