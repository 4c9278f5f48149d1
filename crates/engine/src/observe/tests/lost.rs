//! What is shown once nobody has a version any more.

use super::{at_ms, digest, file, peer_write, theirs, Node};
use crate::content::{Content, Digest};
use crate::dot::Dot;
use crate::entry::{Data, Entry, EntryId, Kind, Location, Presence, Sight};
use crate::index::{Index, Phase};
use crate::observe::{take_back, Instead, Present, Source};
use crate::register::Version;
use crate::view;
use crate::wire::Minted;

/// `a` showed x if it was `there` before, then y; the power went, and `found` is what it left. What
/// is shown once nobody has y.
fn taken_back(there: bool, found: Option<Present>) -> (Instead, Option<Content>) {
    let mut node = Node::new(Phase::Member);
    if there {
        node.look(Source::Live, &[("a", at_ms(file(1, b'x'), 800_000))]);
        node.sync();
    }
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    let id = node.entry_at("a").id;
    node.damaged_boot = true;
    node.look(Source::Scan, &[("a", found)]);
    node.sync();
    let lost = Digest([b'y'; 32]);
    let before = node.facts.meta.counter;
    let others = take_back(&mut node.facts, &mut node.index, id, &lost, &|_| false);
    assert_eq!((others, node.facts.meta.counter), (None, before), "it is its author's to say");
    let instead = take_back(&mut node.facts, &mut node.index, id, &lost, &|_| true);
    let stored = node.index.entry(id).unwrap();
    let shown = view::winner(&stored.entry.data).map(|data| data.content.clone());
    assert_eq!(view::is_alive(&stored), shown.is_some());
    (instead.unwrap(), shown)
}

// Story (simulator, --power, most seeds that failed): a version was announced and lost with the
// power before its sync, and nobody had fetched it. All asked for it for ever. What the power loss
// left may be torn, and must not take the place of a whole version that others hold.
#[test]
fn what_nobody_has_any_more_is_taken_back_by_its_author() {
    let torn = || at_ms(file(1, b'p'), 900_000);
    assert_eq!(taken_back(true, torn()), (Instead::Other, Some(digest(b'x'))));
    assert_eq!(taken_back(false, torn()), (Instead::Found, Some(digest(b'p'))));
    assert_eq!(taken_back(false, None), (Instead::Nothing, None));
}

// Story (simulator, seed 1200231): the author of a lost version said that the file is where it was,
// and left the content to the version beside it. That one's author was just deleting it: the place
// stayed, with nothing to put there, on every node and for ever.
#[test]
fn what_stands_in_for_a_lost_version_does_not_go_with_its_author() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    let mut entry = node.entry_at("a");
    peer_write(&mut entry, 1, b'x');
    node.arrives(entry.clone());
    let (lost, mine) = (Digest([b'y'; 32]), node.facts.meta.incarnation);
    let is_mine = |dot: Dot| dot.incarnation == mine;
    let instead = take_back(&mut node.facts, &mut node.index, entry.id, &lost, &is_mine);
    assert_eq!(instead, Some(Instead::Other));
    let place = entry.loc.versions()[0].clone();
    let state = Presence::Deleted(Sight::Live);
    let gone = Location { stamp: theirs(2), state, ..place.value };
    let mut entry = node.entry_at("a");
    entry.loc.write(
        Version { dot: theirs(2).dot, minted: gone.mint().into(), value: gone },
        &[place.dot],
    );
    entry.data.supersede(&[theirs(1).dot]);
    node.arrives(entry.clone());
    assert!(view::is_alive(&node.index.entry(entry.id).unwrap()));
    assert_eq!(view::desired(&entry).unwrap().content, Some(digest(b'x')));
}

// Story (found by reading): two nodes had written the same bytes, and both lost them. Each said the
// other's version again under a dot of its own, which was then its own to take back, for ever.
#[test]
fn what_another_lost_as_well_is_not_said_again() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'y'), 900_000))]);
    let mut entry = node.entry_at("a");
    peer_write(&mut entry, 1, b'y');
    node.arrives(entry.clone());
    let (lost, mine) = (Digest([b'y'; 32]), node.facts.meta.incarnation);
    let is_mine = |dot: Dot| dot.incarnation == mine;
    let mut take = || take_back(&mut node.facts, &mut node.index, entry.id, &lost, &is_mine);
    assert_eq!(take(), Some(Instead::Nothing));
    assert_eq!(take(), None, "nothing is left that is its own");
    assert!(!view::is_alive(&node.index.entry(entry.id).unwrap()), "and no place without content");
}

// Story (simulator, `links=250`, seed 1549): a file with two names was known of from a machine
// whose index was put back, and whose user had removed both. The author took back what nobody had,
// with one name; the other was a name of nothing, and all waited for what it had held for ever.
#[test]
fn what_is_lost_is_taken_back_under_all_its_names() {
    let mut node = Node::new(Phase::Member);
    let found = || at_ms(file(1, b'y'), 900_000);
    node.look(Source::Live, &[("a", found()), ("b", found())]);
    let ids = ["a", "b"].map(|name| node.entry_at(name).id);
    node.damaged_boot = true;
    node.look(Source::Scan, &[("a", None), ("b", None)]);
    let lost = Digest([b'y'; 32]);
    for id in ids {
        let instead = take_back(&mut node.facts, &mut node.index, id, &lost, &|_| true);
        assert_eq!(instead, Some(Instead::Nothing));
        assert!(!view::is_alive(&node.index.entry(id).unwrap()));
    }
}

// Story (simulator, seed 39287 with `apart=60`): the removal of a file with two names had been
// forgotten by its author when somebody who had not heard of it said one of them again. The author
// no longer knew what that was a name of, took back nothing, and all waited for ever.
#[test]
fn what_is_lost_is_taken_back_where_it_is_forgotten_that_it_was_one_name_of_several() {
    let mut node = Node::new(Phase::Member);
    let found = || at_ms(file(1, b'y'), 900_000);
    node.look(Source::Live, &[("a", found()), ("b", found())]);
    let ids = ["a", "b"].map(|name| node.entry_at(name).id);
    let name = node.index.entry(ids[1]).unwrap().entry;
    let body = view::body_of(&node.index, &name).unwrap().id;
    node.look(Source::Scan, &[("a", None), ("b", None)]);
    [body, ids[0], ids[1]].into_iter().for_each(|id| node.index.remove_entry(id));
    node.arrives(name);
    let lost = Digest([b'y'; 32]);
    let instead = take_back(&mut node.facts, &mut node.index, ids[1], &lost, &|_| true);
    assert_eq!(instead, Some(Instead::Nothing));
    assert!(!view::is_alive(&node.index.entry(ids[1]).unwrap()));
}

// Story (simulator, `links=250 lacks=0`, seed 1206): two nodes had written the same bytes to what a
// name was also said to be a name of, and both lost them. Who took its own back left nothing of
// that there but what the other had lost: others claimed to know what they could not tell of.
#[test]
fn what_is_taken_back_beside_what_another_lost_leaves_its_dot_there() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", at_ms(file(1, b'x'), 900_000))]);
    let mut body = Entry::new(EntryId([5; 16]), Kind::File);
    peer_write(&mut body, 1, b'y');
    peer_write(&mut body, 2, b'y');
    let mut name = node.entry_at("a");
    let data = Data { content: digest(b'y'), stamp: theirs(1), base: vec![], body: Some(body.id) };
    let minted = data.mint().into();
    name.data.insert(Version { dot: theirs(1).dot, minted, value: data });
    [body.clone(), name.clone()].into_iter().for_each(|entry| node.arrives(entry));
    let lost = Digest([b'y'; 32]);
    let is_mine = |dot: Dot| dot == theirs(1).dot;
    let instead = take_back(&mut node.facts, &mut node.index, name.id, &lost, &is_mine);
    assert_eq!(instead, Some(Instead::Other));
    let own = node.facts.meta.incarnation;
    let left = node.index.entry(body.id).unwrap().entry;
    assert_eq!(left.data.dots().collect::<Vec<_>>(), [theirs(2).dot]);
    assert!(left.dots().iter().any(|dot| dot.incarnation == own));
}
