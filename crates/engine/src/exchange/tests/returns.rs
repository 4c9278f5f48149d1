//! What others have forgotten and comes back: it is said again by all who had forgotten it.

use super::full::told_of;
use super::{file_id, life, node_id, versions, Net, Node};
use crate::dot::{Dot, Knowledge};
use crate::entry::{Entry, Kind, Rank, Stamp, ROOT};
use crate::exchange::full::returns;
use crate::index::Index;
use crate::ledger::{self, Author, Facts};
use crate::observe::revive;
use crate::range::{Range, LAST};

// Story (simulator, seed 85): a file was moved by who had not heard of its deletion, and came back
// to nodes that had forgotten both, without its mode and times: they were known to be over there,
// and nowhere else.
#[test]
fn what_comes_back_is_to_be_said_again_with_its_attributes() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(7, b'a');
    net.node(1).changes_mode(7, 0o640);
    net.settle();
    net.cut(1, 2);
    net.node(1).forgets([7].into_iter());
    net.node(2).write(7, b'b');
    net.link(1, 2);
    net.settle();
    assert_eq!(net.node(1).modes(7), [0o640]);
    assert!(net.node(1).facts.returned.contains(&file_id(7)));
    assert!(net.node(2).facts.returned.is_empty());
}

// Story (simulator, seed 54056): the same, and somebody had changed the file's times before it was
// forgotten everywhere: these were all that was left of it, and it counted as remembered.
#[test]
fn what_comes_back_to_who_remembers_an_attribute_alone_is_to_be_said_again_too() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(7, b'a');
    net.node(1).changes_mode(7, 0o640);
    net.settle();
    net.cut(1, 2);
    net.node(1).forgets([7].into_iter());
    net.node(1).changes_mode(7, 0o600);
    net.node(2).write(7, b'b');
    net.link(1, 2);
    net.settle();
    assert_eq!(net.node(1).modes(7), [0o640, 0o600]);
    assert!(net.node(1).facts.returned.contains(&file_id(7)));
}

// Story (simulator, seed 54056): a file was deleted by two who had not heard of each other, and all
// had forgotten the one deletion but not yet the other when who had revived the file beside the
// first was back. The file had not been forgotten, so nobody said it again; and that node went on
// to remember the first deletion, alone.
#[test]
fn what_comes_back_with_a_deletion_that_was_forgotten_is_to_be_said_again() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).makes(7, Kind::File, ROOT);
    net.node(1).deletes(7);
    net.settle();
    net.cut(1, 2);
    let first = net.node(1).index.entry(file_id(7)).unwrap().entry.loc.dots().next();
    net.node(1).facts.frontier.insert(first.expect("it is deleted"));
    net.node(1).index.remove_entry(file_id(7));
    net.node(1).makes(7, Kind::File, ROOT);
    net.node(1).deletes(7);
    let node = net.node(2);
    let mut entry = node.index.entry(file_id(7)).unwrap().entry;
    let (hlc, dot) = (node.facts.tick(), node.facts.mint());
    let (at, data) = versions(Stamp { rank: Rank::Write, hlc, dot }, 7, b'b');
    entry.loc.write(at, &[]);
    entry.data.write(data, &[]);
    ledger::put(&mut node.facts, &mut node.index, entry, None, Author::Here, &[dot]);
    net.link(1, 2);
    net.settle();
    assert!(net.node(1).facts.returned.contains(&file_id(7)));
}

// Story (simulator, seeds 876, 1011 and 1380): a file was made where one had been deleted, by who
// had heard neither of that nor of the mode that it had been given. To who had forgotten the
// deletion the file was all new. Who had not forgotten it yet held the mode still: two nodes knew
// the same and held different entries, and nobody compared them ever again.
#[test]
fn who_remembers_what_others_may_have_forgotten_says_it_again_when_it_comes_back() {
    for forgotten in [true, false] {
        let mut net = Net::new(&[(1, 3)]);
        net.node(1).makes(7, Kind::File, ROOT);
        net.settle();
        net.cut(1, 3);
        net.node(1).deletes(7);
        let dot = net.node(1).facts.mint();
        if forgotten {
            net.node(1).facts.frontier.insert(dot);
        }
        net.node(3).moves(7, file_id(9));
        net.link(1, 3);
        net.settle();
        let returned = &net.node(1).facts.returned;
        assert_eq!(returned.contains(&file_id(7)), forgotten, "{returned:?}");
        assert!(net.node(3).facts.returned.is_empty(), "it was never gone there");
    }
}

// Story (found by a mutant that no test saw): what files of several names hold has no place, so it
// never counted as put somewhere anew. It came back with what was written to it, and with its mode
// and times only on nodes that had not forgotten it.
#[test]
fn what_several_names_hold_comes_back_with_its_attributes_too() {
    let mut net = Net::new(&[(1, 2)]);
    let body = file_id(7);
    for letter in [b'a', b'b'] {
        let node = net.node(if letter == b'a' { 1 } else { 2 });
        let (hlc, dot) = (node.facts.tick(), node.facts.mint());
        let data = versions(Stamp { rank: Rank::Write, hlc, dot }, 7, letter).1;
        let entry = node.index.entry(body).map(|stored| stored.entry);
        let mut entry = entry.unwrap_or_else(|| Entry::new(body, Kind::File));
        let seen: Vec<Dot> = entry.data.dots().collect();
        entry.data.write(data, &seen);
        ledger::put(&mut node.facts, &mut node.index, entry, None, Author::Here, &[dot]);
        if letter == b'a' {
            net.node(1).changes_mode(7, 0o640);
            net.settle();
            net.cut(1, 2);
            net.node(1).forgets([7].into_iter());
        }
    }
    net.link(1, 2);
    net.settle();
    assert_eq!((net.node(1).letters(7), net.node(1).modes(7)), ("b".to_string(), vec![0o640]));
    assert!(net.node(1).facts.returned.contains(&body));
    assert_eq!(net.node(2).modes(7), [0o640]);
}

#[test]
fn only_what_was_forgotten_and_is_put_somewhere_anew_comes_back() {
    let mut node = Node::new(1);
    node.makes(7, Kind::File, ROOT);
    let made = node.index.entry(file_id(7)).unwrap().entry;
    let before = node.facts.knowledge.clone();
    node.moves(7, file_id(1));
    node.changes_mode(7, 0o600);
    let theirs = node.index.entry(file_id(7)).unwrap().entry;
    node.deletes(7);
    let gone = node.index.entry(file_id(7)).unwrap().entry;
    let (blank, nobody) = (Entry::new(file_id(7), Kind::File), Knowledge::default());
    let (mut forgotten, remembered) = (node.facts.clone(), node.facts.clone());
    forgotten.frontier = before.clone();
    let back = |facts: &Facts, before: &Knowledge, ours: &Entry, theirs: &Entry| {
        returns(facts, &nobody, before, ours, (theirs, &nobody))
    };
    assert!(back(&forgotten, &before, &blank, &theirs));
    assert!(!back(&remembered, &before, &blank, &theirs), "nothing was forgotten");
    assert!(!back(&forgotten, &before, &made, &theirs), "it is here");
    assert!(!back(&forgotten, &before, &blank, &made), "it was put nowhere anew");
    assert!(!back(&forgotten, &before, &blank, &gone), "it is deleted there, too");
    node.write(8, b'b');
    let news = node.index.entry(file_id(8)).unwrap().entry.data.versions()[0].clone();
    let mut edited = made.clone();
    edited.data.insert(news);
    assert!(!back(&forgotten, &before, &blank, &edited), "what has a place says it, too");
    let bearer = |entry: &Entry| Entry { loc: Default::default(), ..entry.clone() };
    assert!(back(&forgotten, &before, &blank, &bearer(&edited)));
    // Story (simulator, seed 1300, links=60): who wrote to it had heard of its end, which all
    // others forgot meanwhile. It was not said again, and the end stayed with the writer alone.
    let ended = Entry { loc: gone.loc.clone(), ..edited.clone() };
    assert!(back(&forgotten, &before, &blank, &ended), "its end as well");
    assert!(!back(&forgotten, &before, &blank, &bearer(&made)), "nothing was written to it");
    forgotten.frontier.insert_range(life(2), 1, 9);
    let nothing = Default::default();
    assert!(!back(&forgotten, &nothing, &blank, &theirs), "none of it was known");
    let all = node.facts.knowledge.clone();
    assert!(!back(&remembered, &before, &gone, &theirs), "nobody has forgotten that");
    assert!(returns(&remembered, &all, &before, &gone, (&theirs, &nobody)), "others may have");
    assert!(!returns(&remembered, &before, &before, &gone, (&theirs, &nobody)), "not all of it");
    // Story (simulator, seed 42725): of what names show nothing was left but its end where others
    // had forgotten that, too, when somebody made it anew. It has no place to be put to: who held
    // the end held the old attributes beside the new, and those who had forgotten it did not.
    let end = Entry { data: Default::default(), ..gone.clone() };
    let made_anew = bearer(&edited);
    assert!(returns(&remembered, &all, &before, &end, (&made_anew, &nobody)));
    assert!(!returns(&remembered, &before, &before, &end, (&made_anew, &nobody)));
    assert!(
        !returns(&remembered, &all, &before, &bearer(&made), (&made_anew, &nobody)),
        "it is here"
    );
}

// Story (simulator, seeds 1011 and 5738): a file was deleted while one was away that had never
// heard of it, and made another of the same name. Some had forgotten the deletion when it came
// back, some remembered it: all knew the same, held different attributes, and compared no more.
#[test]
fn what_rises_over_a_deletion_that_somebody_has_forgotten_is_to_be_said_again() {
    for is_told_before in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).write(7, b'a');
        net.settle();
        net.node(1).deletes(7);
        net.settle();
        net.cut(1, 2);
        net.node(2).index.remove_entry(file_id(7));
        net.node(2).facts.frontier = net.node(2).facts.knowledge.clone();
        net.node(3).write(7, b'c');
        for peer in if is_told_before { [2, 3] } else { [3, 2] } {
            assert!(net.node(1).facts.returned.is_empty());
            net.link(1, peer);
            net.settle();
        }
        net.node(1).looks_at_deletions();
        assert!(net.node(1).facts.returned.contains(&file_id(7)), "{is_told_before}");
    }
}

// Story (simulator, seed 38335): the same of a file that two had made without knowing of each
// other. What had lost a conflict was not said again, and with it neither was what won: one went on
// to remember a deletion, and a mode, that others had forgotten.
#[test]
fn what_rises_over_a_forgotten_deletion_is_the_same_everywhere_also_where_something_lost() {
    for peers in [[(2, 3), (1, 4), (1, 2)], [(1, 4), (2, 3), (1, 2)], [(1, 2), (1, 4), (2, 3)]] {
        let mut net = Net::new(&[(1, 2), (3, 4)]);
        net.node(1).write(7, b'a');
        net.node(1).changes_mode(7, 0o640);
        net.node(1).deletes(7);
        net.node(3).write(7, b'c');
        net.node(4).write(7, b'd');
        net.settle();
        net.cut(1, 2);
        net.cut(3, 4);
        net.node(2).index.remove_entry(file_id(7));
        net.node(2).facts.frontier = net.node(2).facts.knowledge.clone();
        for (a, b) in peers {
            net.link(a, b);
            net.settle();
        }
        for n in 1..=4 {
            let node = net.node(n);
            node.looks_at_deletions();
            for id in std::mem::take(&mut node.facts.returned) {
                revive(&mut node.facts, &mut node.index, id);
            }
        }
        net.settle();
        let held = |n: u8| net.nodes[&n].index.entry(file_id(7)).unwrap().entry;
        assert!((2..=4).all(|n| held(n) == held(1)), "{peers:?}: {:?}, {:?}", held(1), held(2));
    }
}

// Story (the same): only a deletion that somebody has forgotten is to be made good; to say again
// what others are just deleting has lost bytes.
#[test]
fn what_rises_over_a_deletion_that_all_remember_is_not_said_again() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(7, b'a');
    net.node(1).write(8, b'a');
    net.settle();
    net.node(1).deletes(7);
    net.node(3).write(7, b'c');
    net.link(1, 3);
    net.settle();
    net.node(2).forgets([8].into_iter());
    net.cut(1, 2);
    net.link(1, 2);
    net.settle();
    net.node(1).looks_at_deletions();
    assert!(net.node(1).facts.returned.is_empty());
}

// Story (simulator, seeds 1866 and 2434, away for years): the file was there again before somebody
// forgot that it had been deleted, and to who remembered it nobody said so: all knew the same, and
// held different attributes.
#[test]
fn who_forgets_tells_all_who_are_connected() {
    for has_two in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).write(7, b'a');
        net.settle();
        if has_two {
            // Another deletion, which nobody forgets.
            net.node(2).deletes(7);
        }
        net.node(1).deletes(7);
        let counter = net.node(1).facts.meta.counter;
        net.settle();
        net.node(3).write(7, b'c');
        net.link(1, 3);
        net.settle();
        net.node(1).looks_at_deletions();
        assert!(net.node(1).facts.returned.is_empty(), "nobody has forgotten it");
        let two = net.node(2);
        two.facts.frontier.insert_range(life(1), 1, counter);
        two.exchange.forgot(&two.facts);
        net.settle();
        net.node(1).looks_at_deletions();
        assert!(net.node(1).facts.returned.contains(&file_id(7)), "{has_two}");
    }
}

// Story (simulator, seed 840): who came back had something in a directory that two had seen deleted
// meanwhile. One had forgotten that, and what it knew of the directory besides; both showed it,
// each with attributes of its own. Told to both at once, nobody told one what the other lacked.
#[test]
fn a_deleted_directory_that_is_kept_up_is_said_again_where_somebody_has_forgotten_it() {
    for is_told_before in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).makes(5, Kind::Dir, ROOT);
        net.node(1).makes(6, Kind::Dir, file_id(5));
        net.link(1, 3);
        net.settle();
        net.cut(1, 3);
        net.node(1).deletes(6);
        net.settle();
        net.node(1).deletes(5);
        net.settle();
        net.node(3).makes(20, Kind::File, file_id(6));
        let forgets = |net: &mut Net| {
            let two = net.node(2);
            let counter = two.facts.knowledge.of(life(1)).map_or(0, |seen| seen.prefix());
            two.facts.frontier.insert_range(life(1), 1, counter);
            two.exchange.forgot(&two.facts);
            net.settle();
        };
        if is_told_before {
            forgets(&mut net);
        }
        net.link(1, 3);
        net.settle();
        let ids = |net: &mut Net| net.node(1).facts.returned.iter().copied().collect::<Vec<_>>();
        assert!(is_told_before || ids(&mut net).is_empty(), "nobody has forgotten it");
        if !is_told_before {
            forgets(&mut net);
        }
        assert_eq!(ids(&mut net), [file_id(5), file_id(6)], "{is_told_before}");
    }
}

// Story (simulator, seed 19811): who had forgotten a file heard that somebody had deleted what
// came back to him, and held that deletion without what else was known of the file. It came back
// once more, with an owner here and with none there.
#[test]
fn a_deletion_of_what_was_forgotten_brings_along_what_was_known_of_it() {
    let mut net = Net::new(&[(1, 2)]);
    net.node(1).write(7, b'a');
    net.node(1).changes_mode(7, 0o640);
    net.settle();
    net.cut(1, 2);
    net.node(1).forgets([7].into_iter());
    net.node(2).deletes(7);
    net.link(1, 2);
    net.settle();
    assert_eq!(net.node(1).modes(7), [0o640]);
    assert_eq!(net.node(2).modes(7), [0o640]);
    assert!(net.node(1).facts.returned.is_empty(), "it is nowhere");
}

// Story (simulator, seed 31384): two came back to two who had forgotten a directory: one had
// deleted it, the other had set its time. Of the forgetful one heard of the deletion first and had
// all that was known of the directory back with it; the other heard of the time first, and had that
// alone. Something in the directory lived: its mode was shown on one disk and not on the other.
#[test]
fn whatever_is_heard_first_of_what_was_forgotten_brings_along_what_was_known_of_it() {
    for order in [[2, 3], [3, 2]] {
        let mut net = Net::new(&[(1, 2), (1, 3)]);
        net.node(1).write(7, b'a');
        net.node(1).changes_mode(7, 0o640);
        net.settle();
        [2, 3].into_iter().for_each(|peer| net.cut(1, peer));
        net.node(1).forgets([7].into_iter());
        net.node(2).deletes(7);
        net.node(3).changes_time(7, 9);
        for peer in order {
            net.link(1, peer);
            net.settle();
        }
        for node in 1..=3 {
            assert_eq!(net.node(node).modes(7), [0o640], "{node} after {order:?}");
            assert_eq!(net.node(node).times(7), [9], "{node} after {order:?}");
        }
    }
}

// Story (simulator, `away=60`, seed 5363): a directory was forgotten where its time was heard of
// later, and so it was there again, without a place. Who had put something into it had its place
// from the operation that had given it its mode, was told of that mode, and took it for word that
// the place was over. All held what was in it, and nobody the directory.
#[test]
fn a_directory_of_which_its_mode_alone_is_told_keeps_its_place_until_all_is_compared() {
    for is_empty in [true, false] {
        let mut net = Net::new(&[(1, 2), (1, 3)]);
        net.node(1).makes_with_mode(1, 0o700);
        net.node(1).makes(2, Kind::File, file_id(1));
        net.settle();
        [2, 3].into_iter().for_each(|peer| net.cut(1, peer));
        net.node(1).forgets([2, 1].into_iter());
        net.node(3).changes_time(1, 9);
        net.link(1, 3);
        net.settle();
        assert_eq!((net.node(1).modes(1), net.node(1).times(1)), (vec![0o700], vec![9]));
        if !is_empty {
            net.node(2).makes(4, Kind::File, file_id(1));
        }
        net.link(1, 2);
        net.settle();
        let two = net.node(2);
        assert_eq!(two.index.entry(file_id(1)).unwrap().entry.loc.is_empty(), is_empty);
        assert_eq!(two.exchange.take_orphaned().contains(&file_id(1)), !is_empty);
        assert_eq!((two.modes(1), two.times(1)), (vec![0o700], vec![9]));
    }
}

// Story (simulator, seed 2505 with `apart=60`): a file was moved out of a directory, which was
// deleted and forgotten; who came back had written to the file where it had been. It was shown
// where others had moved it, so nothing was in the directory, which went; and somebody deleted the
// file who had not heard of what was written. Then its place was in a directory that nobody knew.
#[test]
fn a_directory_in_which_something_was_put_that_is_shown_elsewhere_is_wanted_again() {
    for is_put in [true, false] {
        let mut net = Net::new(&[(1, 2)]);
        net.node(1).makes(5, Kind::Dir, ROOT);
        net.node(1).makes(6, Kind::Dir, ROOT);
        net.node(1).makes(20, Kind::File, file_id(5));
        net.settle();
        net.cut(1, 2);
        match is_put {
            true => net.node(2).moves(20, file_id(5)),
            false => net.node(2).changes_mode(20, 0o640),
        }
        for _ in 0..9 {
            net.node(1).facts.tick();
        }
        net.node(1).moves(20, file_id(6));
        net.node(1).forgets([5].into_iter());
        net.link(1, 2);
        net.settle();
        let two = net.node(2);
        assert_eq!(two.index.entry(file_id(20)).unwrap().settled.unwrap().parent, file_id(6));
        assert_eq!((two.holds(5), two.exchange.take_orphaned().len()), (is_put, is_put.into()));
    }
}

// Story (simulator, seed 31384): who had deleted something compared all with one who had forgotten
// it and had not heard that. What it had besides went here, and came back there with that news.
#[test]
fn what_the_teller_gets_back_with_news_of_what_it_had_forgotten_stays_here_too() {
    for is_told_before in [true, false] {
        let (mut net, sum) = told_of(Range { first: ROOT, last: LAST });
        let knows = net.node(1).facts.knowledge.clone();
        let two = net.node(2);
        two.deletes(10);
        two.deletes(9);
        assert_eq!(two.exchange.sums(&two.index, node_id(1), &[sum]), Ok(()));
        let peer = two.exchange.peers.get_mut(&node_id(1)).unwrap();
        peer.frontier = knows;
        peer.ask_ranges(&two.index, &mut |_| {});
        if is_told_before {
            peer.knows.merge(&two.facts.knowledge);
        }
        let answered = peer.answered(&mut two.facts, &mut two.index, sum.range, &[].into());
        assert_eq!(answered, Ok(()));
        let modes: &[u16] = if is_told_before { &[] } else { &[0o700] };
        assert_eq!(two.modes(9), modes);
        assert_eq!(two.index.entry(file_id(9)).unwrap().entry.loc.is_empty(), is_told_before);
    }
}

// Story (simulator, seed 61073): who told all that it held had forgotten a file only after it had
// asked, so that nobody knew of that yet. Who had written to the file meanwhile let go of its mode,
// and another kept it, who had been told in time.
#[test]
fn what_who_tells_all_does_not_hold_is_said_again_where_something_of_it_is_news() {
    let (mut net, sum) = told_of(Range { first: ROOT, last: LAST });
    let two = net.node(2);
    two.write(9, b'n');
    assert_eq!(two.exchange.sums(&two.index, node_id(1), &[sum]), Ok(()));
    let peer = two.exchange.peers.get_mut(&node_id(1)).unwrap();
    assert!(peer.frontier.is_empty());
    peer.ask_ranges(&two.index, &mut |_| {});
    let answered = peer.answered(&mut two.facts, &mut two.index, sum.range, &[].into());
    assert_eq!(answered, Ok(()));
    assert_eq!(two.modes(9), [0o700]);
    assert_eq!(two.facts.returned.iter().copied().collect::<Vec<_>>(), [file_id(9)]);
}
