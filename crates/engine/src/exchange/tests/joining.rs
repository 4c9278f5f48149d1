//! What who joins has heard, and tells when it is a member.

use super::{entries, file_id, Net};
use crate::entry::{EntryId, Rank};
use crate::index::Phase;
use crate::message::Message;
use std::collections::BTreeSet;

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
