//! A directory that was forgotten here, and that something is in.

use super::{file_id, life, Net};
use crate::entry::{EntryId, Kind, ROOT};
use crate::index::Index;
use crate::message::Message;

/// Node 1 has forgotten a directory that was deleted; node 2 has not, and has put something in it.
fn forgotten() -> Net {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(1, Kind::Dir, ROOT);
    net.node(1).deletes(1);
    net.settle();
    let one = net.node(1);
    one.facts.frontier.insert_range(life(1), 1, one.facts.meta.counter);
    one.index.remove_entry(file_id(1));
    net.node(2).makes(20, Kind::File, file_id(1));
    net
}

fn wanted(net: &mut Net) -> Vec<EntryId> {
    net.node(2).exchange.take_orphaned().into_iter().collect()
}

// Story (simulator, seed 2955): who came back after years told one node of a file, and heard from
// another that the directory was deleted. The first had forgotten that deletion, and the directory:
// it never knew where to put the file.
#[test]
fn who_knows_a_directory_that_is_missing_elsewhere_says_it_again() {
    let mut net = forgotten();
    net.settle();
    assert_eq!(wanted(&mut net), [], "nobody has asked for it");
    net.node(1).exchange.miss(file_id(1));
    net.settle();
    assert_eq!(wanted(&mut net), [file_id(1)]);
    net.node(1).exchange.miss(file_id(1));
    net.settle();
    assert_eq!(wanted(&mut net), [], "it was asked for before");
    net.cut(1, 2);
    net.link(1, 2);
    net.settle();
    // By then it has seen what was forgotten there, or says it again by itself.
    net.node(1).exchange.miss(file_id(1));
    net.settle();
    assert_eq!(wanted(&mut net), [file_id(1)]);
}

#[test]
fn nobody_is_asked_for_what_may_be_on_its_way() {
    let mut net = forgotten();
    net.speak();
    // Its acknowledgement is not heard yet.
    net.deliver(2, 1, usize::MAX);
    net.node(2).makes(21, Kind::File, ROOT);
    net.node(1).exchange.miss(file_id(1));
    net.node(1).makes(22, Kind::File, ROOT);
    net.speak();
    let said = net.deliver(1, 2, usize::MAX);
    assert!(!said.iter().any(|message| matches!(message, Message::Differs(_))));
    net.settle();
    assert_eq!(wanted(&mut net), [file_id(1)]);
}

#[test]
fn what_is_known_or_has_nothing_in_it_is_not_asked_for() {
    let mut net = forgotten();
    net.node(1).exchange.miss(file_id(2));
    net.node(1).exchange.miss(ROOT);
    net.speak();
    net.settle();
    assert_eq!(wanted(&mut net), []);
}
