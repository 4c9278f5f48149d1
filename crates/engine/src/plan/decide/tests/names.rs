//! Files of several names: which inode they come to share, and who brings it.

use super::{d, f, id, stamp, World, E};
use crate::content::{Content, Digest};
use crate::entry::{Data, Entry, Kind};
use crate::index::{Handle, Index, PendingRow, SeenRow};
use crate::plan::{unlike, Act, Expected, Retire, Step};
use crate::register::Version;
use crate::wire::Minted;

/// What names are names of: content without a place.
fn b(n: u8, letter: u8) -> E {
    E(Entry::new(id(n), Kind::File)).holds(0, letter)
}

/// One name of the file `of`, which held the letter when it became one.
fn name_of(of: u8, n: u8, parent: u8, name: &str, letter: u8) -> E {
    E(Entry::new(id(n), Kind::File)).at(0, parent, name).names(0, of, letter)
}

impl E {
    fn names(mut self, time: u64, of: u8, letter: u8) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let content = Content::File(Digest([letter; 32]), 1);
        let value = Data { content, stamp, base: Vec::new(), body: Some(id(of)) };
        let minted = value.mint().into();
        self.0.data.insert(Version { dot: stamp.dot, value, minted });
        self
    }
}

impl World {
    fn handle(&self, n: u8) -> Handle {
        self.index.seen_of(id(n)).expect("it stands").fingerprint.handle
    }

    /// Nothing was said to be done.
    fn forget_pending(&mut self) {
        for row in self.index.pending_after(0, usize::MAX) {
            self.index.remove_pending(row.entry);
        }
    }

    fn unlike(&self, n: u8) -> Vec<u8> {
        unlike(&self.index, id(n)).into_iter().map(|id| id.0[0]).collect()
    }
}

/// The disk shows `before`, the tree has become `after`: the first steps, what the disk shows in
/// the end, and which entries then are one inode.
fn check(before: &[E], after: &[E], steps: &[(u8, &str)], disk: &[&str], one: &[&[u8]]) {
    let mut world = World::of(before, after);
    for (n, step) in steps {
        assert_eq!(world.say(&world.decide(id(*n))), *step, "entry {n}");
    }
    world.settle();
    assert_eq!(world.disk(), disk, "{}", world.story());
    world.forget_pending();
    let inodes: Vec<Handle> = one.iter().map(|names| world.handle(names[0])).collect();
    for (names, inode) in one.iter().zip(&inodes) {
        assert_eq!(inodes.iter().filter(|other| *other == inode).count(), 1, "another's inode");
        for n in *names {
            assert_eq!((&world.handle(*n), world.unlike(*n)), (inode, vec![]), "entry {n}");
        }
    }
}

#[test]
fn the_first_name_brings_the_content_and_the_others_are_links_to_it() {
    let names = [b(9, b'x'), name_of(9, 1, 0, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let steps = [(1, "install a"), (2, "wait for 1"), (9, "in place")];
    check(&[], &names, &steps, &["a=x", "b=x"], &[&[1, 2]]);
    let late = [b(9, b'x'), name_of(9, 1, 8, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let steps = [(1, "wait for arrival"), (2, "install b")];
    check(&[], &late, &steps, &["b=x"], &[&[2]]);
}

#[test]
fn who_cannot_come_into_its_place_yet_does_not_bring_the_content() {
    let other = f(3, 0, "a", b'z');
    let names = |dir: u8| [b(9, b'x'), name_of(9, 1, dir, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let away = [&names(0)[..], &[other.clone().at(1, 0, "c")]].concat();
    let steps = [(1, "wait for 3"), (2, "install b")];
    check(&[other], &away, &steps, &["a=x", "b=x", "c=z"], &[&[1, 2], &[3]]);
    let inside = [&names(4)[..], &[d(4, 0, "d")]].concat();
    let steps = [(1, "wait for 4"), (2, "install b")];
    check(&[], &inside, &steps, &["b=x", "d/", "d/a=x"], &[&[1, 2]]);
}

#[test]
fn what_became_one_file_is_linked_to_the_one_with_the_smallest_id_that_holds_it() {
    let names = [b(9, b'x'), name_of(9, 1, 0, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let steps = [(1, "record"), (2, "link a to b")];
    check(&[f(1, 0, "a", b'x')], &names, &steps, &["a=x", "b=x"], &[&[1, 2]]);
    let steps = [(1, "link b to a"), (2, "record")];
    check(&[f(2, 0, "b", b'x')], &names, &steps, &["a=x", "b=x"], &[&[1, 2]]);
    let both = [f(1, 0, "a", b'x'), f(2, 0, "b", b'x')];
    check(&both, &names, &[(1, "record"), (2, "link a to b")], &["a=x", "b=x"], &[&[1, 2]]);
    let old = [f(1, 0, "a", b'w'), both[1].clone()];
    let edited = E(Entry::new(id(1), Kind::File)).at(0, 0, "a").names(1, 9, b'x');
    let names = [b(9, b'x'), edited, names[2].clone()];
    let steps = [(1, "link b to a"), (2, "record")];
    check(&old, &names, &steps, &["a=x", "b=x"], &[&[1, 2]]);
}

#[test]
fn new_content_comes_by_one_name_and_the_others_follow_it() {
    let names = [name_of(9, 1, 0, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let before = [&[b(9, b'x')], &names[..]].concat();
    let steps = [(1, "install a over x"), (2, "wait for 1")];
    check(
        &before,
        &[E(Entry::new(id(9), Kind::File)).holds(1, b'y')],
        &steps,
        &["a=y", "b=y"],
        &[&[1, 2]],
    );
    let more = [name_of(9, 3, 0, "c", b'x')];
    check(&before, &more, &[(3, "link a to c")], &["a=x", "b=x", "c=x"], &[&[1, 2, 3]]);
    check(&before, &[more[0].clone().gone(1)], &[(3, "in place")], &["a=x", "b=x"], &[&[1, 2]]);
}

// Story (simulator, `links=250`, seed 12): a user gave a file a second name and then wrote through
// the first. A peer replaced the first, since it had the smaller id, and only then made the second.
#[test]
fn new_content_comes_by_a_name_that_is_new_and_replaces_the_others_afterwards() {
    let old = [b(9, b'x'), name_of(9, 1, 0, "a", b'x')];
    let edited = E(Entry::new(id(9), Kind::File)).holds(1, b'y');
    let after = [edited, name_of(9, 2, 0, "b", b'x')];
    let steps = [(2, "install b"), (1, "wait for 2")];
    check(&old, &after, &steps, &["a=y", "b=y"], &[&[1, 2]]);
    let mut world = World::of(&old, &after);
    assert!(world.take(id(2)), "it is made");
    let Step::Do { after_creates_of, .. } = world.decide(id(1)) else { panic!("a link") };
    assert_eq!(after_creates_of, [stamp(9, 1).dot], "that it is a name is shown already");
}

// Story (simulator, seed 1920, links=60): a user wrote through one name and made this one; another
// wrote through this one meanwhile, whose node had not got the first write yet, and said that again
// with its own. The disk showed the one operation of the two, and took the other for seen as well:
// what was written did not wait for what its author had created before.
#[test]
fn what_was_said_again_of_a_file_is_not_shown_because_the_name_is_that_was_said_with_it() {
    let mut world = World::of(&[b(9, b'x'), name_of(9, 1, 0, "a", b'x')], &[]);
    let mut body = E(Entry::new(id(9), Kind::File)).holds(7, b'y').0;
    let again = stamp(1, 5).dot;
    let newest = Version { dot: again, ..body.data.versions()[0].clone() };
    body.data.insert(newest);
    world.put(&[E(body), name_of(9, 1, 0, "a", b'x').names(5, 9, b'x')]);
    let mut row = world.index.seen_of(id(1)).expect("it stands");
    row.dots.shown.push(again);
    world.index.put_seen(&row);
    let Step::Do { after_creates_of, .. } = world.decide(id(1)) else { panic!("an install") };
    assert_eq!(after_creates_of, [stamp(9, 7).dot]);
}

#[test]
fn a_name_that_becomes_a_file_of_its_own_leaves_the_inode_to_the_others() {
    let names = [name_of(9, 1, 0, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    let before = [&[b(9, b'x')], &names[..]].concat();
    let apart = |n: u8, name| E(Entry::new(id(n), Kind::File)).at(0, 0, name).holds(1, b'x');
    let steps = [(1, "in place"), (2, "install b over x")];
    check(&before, &[apart(2, "b")], &steps, &["a=x", "b=x"], &[&[1], &[2]]);
    check(&before, &[apart(1, "a")], &[(2, "install b over x")], &["a=x", "b=x"], &[&[1], &[2]]);
}

#[test]
fn a_link_expects_the_very_inode_and_brings_the_others_attributes() {
    let names = [b(9, b'x').mode(1, 0o600), name_of(9, 1, 0, "a", b'x'), d(4, 0, "d")];
    let mut world = World::of(&names, &[name_of(9, 2, 0, "b", b'x')]);
    let Step::Do { act, dots, after_creates_of } = world.decide(id(2)) else { panic!("a link") };
    let Act::Link { at, expected, of, file, .. } = &*act else { panic!("{act:?}") };
    assert_eq!((at.path().to_string(), of.path().to_string()), ("b".into(), "a".into()));
    let row = world.index.seen_of(id(1)).unwrap();
    assert!(*expected == Expected::Nothing && file.is_of(&row));
    let other = world.index.seen_of(id(4)).unwrap();
    assert!(!file.is_of(&other) && !Expected::Nothing.is_of(&row));
    assert_eq!(act.paths(), [at.path(), of.path()]);
    assert_eq!(after_creates_of, [], "it takes nothing away");
    assert_eq!(dots.data, [stamp(2, 0).dot], "of the name itself");
    assert_eq!((&dots.mode, &dots.body), (&row.dots.mode, &row.dots.body), "of the file");
    world.settle();
    assert_eq!(world.say(&world.decide(id(2))), "in place");
    world.put(&[f(3, 0, "c", b'y')]);
    world.settle();
    world.put(&[E(Entry::new(id(3), Kind::File)).at(0, 0, "c").names(4, 9, b'x')]);
    let Step::Do { act, after_creates_of, .. } = world.decide(id(3)) else { panic!("a link") };
    let brought = [stamp(3, 4).dot, stamp(9, 0).dot];
    assert_eq!(after_creates_of, brought, "who made it a name of that, and who wrote that");
    let Act::Link { retire, .. } = *act else { panic!("{act:?}") };
    assert_eq!(retire, Retire::Trash);
}

// The inode shows what was last put there, whatever has been said since: so does a new name of it.
#[test]
fn a_new_name_shows_what_the_inode_shows_and_not_what_is_to_be() {
    let names = [b(9, b'x').mode(1, 0o600), name_of(9, 1, 0, "a", b'x')];
    let linked = |after: &[E]| {
        let world = World::of(&names, after);
        let Step::Do { act, dots, .. } = world.decide(id(2)) else { panic!("a link") };
        assert!(matches!(*act, Act::Link { .. }), "{act:?}");
        dots
    };
    let second = name_of(9, 2, 0, "b", b'x');
    let dots = linked(&[b(9, b'x').mode(5, 0o640), second.clone()]);
    assert_eq!(dots.mode, [stamp(9, 1).dot], "the old mode, which is to be set");
    let other = [b(7, b'x'), E(Entry::new(id(1), Kind::File)).at(0, 0, "a").names(3, 7, b'x')];
    let dots = linked(&[&other[..], &[name_of(7, 2, 0, "b", b'x')]].concat());
    assert_eq!(dots.body.map(|body| body.id), Some(id(7)), "it was another file's inode until now");
    assert_eq!(dots.mode, [], "whose mode says nothing of this one");
}

#[test]
fn what_this_disk_shows_as_one_and_the_tree_does_not_is_unlike_and_the_other_way_round() {
    let mut world = World::of(&[f(1, 0, "a", b'x'), f(2, 0, "b", b'x'), d(3, 0, "d")], &[]);
    world.forget_pending();
    assert_eq!((world.unlike(1), world.unlike(3), world.unlike(8)), (vec![], vec![], vec![]));
    let (one, two) = (world.index.seen_of(id(1)).unwrap(), world.index.seen_of(id(2)).unwrap());
    let joined = SeenRow { fingerprint: one.fingerprint.clone(), ..two.clone() };
    world.index.put_seen(&joined);
    assert_eq!((world.unlike(1), world.unlike(2)), (vec![2], vec![1]), "one inode, two files");
    world.put(&[f(2, 0, "b", b'x').gone(1)]);
    world.forget_pending();
    assert_eq!((world.unlike(1), world.unlike(2)), (vec![], vec![]), "one is to go");
    let names = [b(9, b'x'), name_of(9, 1, 0, "a", b'x'), name_of(9, 2, 0, "b", b'x')];
    world.put(&names);
    world.forget_pending();
    assert_eq!((world.unlike(1), world.unlike(2)), (vec![], vec![]), "one inode, one file");
    world.index.put_seen(&two);
    assert_eq!((world.unlike(1), world.unlike(2)), (vec![2], vec![1]), "two inodes, one file");
    let (entry, create, intent) = (id(2), None, None);
    let row = PendingRow { entry, order: 99, create, touched: vec![], intent };
    world.index.put_pending(&row);
    assert_eq!((world.unlike(1), world.unlike(2)), (vec![], vec![1]), "2 is known not to be right");
}

// Story (simulator, `links=250`, seeds 725 and 1484): a file was written to through `b`, where it
// also had the name `a`; elsewhere `b` became another file. A third node was told of all that, had
// the old bytes at `a`, and counted the writing as seen: it stood at `a`, in the tree. Its user
// removed `b`, and what was written was nowhere.
#[test]
fn what_a_name_was_also_a_name_of_is_seen_once_this_disk_shows_it() {
    let old = [b(9, b'x'), name_of(9, 1, 0, "a", b'x')];
    let both = E(Entry::new(id(2), Kind::File)).at(1, 0, "b").names(1, 9, b'y');
    let both = both.at(2, 0, "b").holds(2, b'z');
    let mut world = World::of(&old, &[E(Entry::new(id(9), Kind::File)).holds(1, b'y'), both]);
    assert!(world.take(id(2)), "it is made");
    let of_other = stamp(2, 1).dot;
    let seen = |world: &World| {
        let dots = world.index.seen_of(id(2)).unwrap().dots;
        (dots.loc.contains(&of_other), dots.data.contains(&of_other))
    };
    assert_eq!(
        (world.say(&world.decide(id(2))), seen(&world)),
        ("in place".into(), (false, false))
    );
    world.forget_pending();
    assert!(world.take(id(1)), "what was written is brought to the other name");
    assert_eq!(world.unlike(1), [2]);
    assert_eq!(world.say(&world.decide(id(2))), "record");
    world.settle();
    assert_eq!((seen(&world), world.unlike(1)), ((true, true), vec![]));
}

// Story (simulator, seed 19889): who lied took the place of a file and left it a content, as what
// names are names of has one. Its row stayed on a disk, at a name that was another's by now: who
// waited for it had it decided, and it was in place, and so on without end.
#[test]
fn a_file_on_the_disk_that_has_lost_its_place_goes_as_if_it_was_deleted() {
    check(&[f(1, 0, "a", b'x')], &[b(1, b'z')], &[(1, "remove a")], &[], &[]);
    let other = f(2, 0, "a", b'y');
    let steps = [(1, "remove a"), (2, "wait for 1")];
    check(&[f(1, 0, "a", b'x')], &[b(1, b'z'), other], &steps, &["a=y"], &[]);
}
