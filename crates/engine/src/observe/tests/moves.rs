//! Files go by path, directories by handle: what is a move, and what is not.

use super::{check, digest, dir, file, link, path, peer_write, theirs, unread, Node};
use crate::dot::Dot;
use crate::index::{Index, Phase};
use crate::observe::{classify, row_at, Batch, Change, Circumstances, Found, Observation, Source};
use crate::view;

#[test]
fn files_go_by_path_first() {
    let tree = [("a", file(1, b'x')), ("b", file(2, b'y'))];
    check(&tree, &[("a", file(3, b'z'))], &["a=z edited"]);
    check(&tree, &[("a", None), ("b", file(1, b'x'))], &["a deleted", "b=x edited"]);
    check(&tree, &[("a", file(2, b'y')), ("b", file(1, b'x'))], &["a=y edited", "b=x edited"]);
    check(&tree, &[("a", None), ("c", file(1, b'x'))], &["a -> c"]);
    check(&tree, &[("a", file(3, b'z')), ("c", file(1, b'x'))], &["a=z edited", "c=x made"]);
}

#[test]
fn directories_go_by_handle_first() {
    let tree = [("current", dir(1)), ("current/a", file(2, b'x')), ("new", dir(3))];
    check(
        &tree,
        &[("current", dir(3)), ("new", None), ("old", dir(1))],
        &["current -> old", "new -> current"],
    );
    check(&tree, &[("current", dir(3)), ("new", dir(1))], &["current -> new", "new -> current"]);
    check(&tree, &[("current", None), ("moved", dir(1))], &["current -> moved"]);
}

// Story (simulator, seed 83): a file and a directory were swapped. The file counted as deleted and
// made anew, and what had lost to it went to the trash with it.
#[test]
fn a_file_that_is_swapped_with_a_directory_is_moved() {
    check(
        &[("a", file(1, b'x')), ("d", dir(2)), ("d/in", file(3, b'i'))],
        &[("a", dir(2)), ("d", file(1, b'x'))],
        &["a -> d", "d -> a"],
    );
    check(
        &[("a", file(1, b'x')), ("l", link(2, b't'))],
        &[("a", link(2, b't')), ("l", file(1, b'x'))],
        &["a -> l", "l -> a"],
    );
}

// Story (simulator, seed 26): a directory was renamed while nobody watched, and a file of its old
// name was being written. Its old place was neither gone nor another's, so it counted as new; what
// was in it was not looked at, for the scan knew it, and stayed unseen.
#[test]
fn a_directory_whose_old_name_a_file_being_written_has_is_moved() {
    for now in [Found::Busy(None), Found::Foreign("a socket".into())] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Scan, &[("d", dir(1)), ("d/in", file(2, b'x'))]);
        let there = Found::Present(dir(1).unwrap());
        let looks = [("d", now), ("e", there)];
        let looks = looks.map(|(at, found)| Observation { path: path(at), found });
        let batch = Batch { source: Source::Scan, looks: looks.to_vec() };
        classify(&mut node.facts, &mut node.index, batch, &Circumstances::default());
        assert!(row_at(&node.index, &path("e/in")).is_some());
        assert!(row_at(&node.index, &path("d")).is_none());
    }
}

// Story (simulator, seed 493): one directory was renamed into a directory that was not known yet,
// and another took its old name. The first could not be written down where it was, went back to
// where it had been, and two things had been seen at one place.
#[test]
fn a_directory_whose_new_place_is_not_known_does_not_go_back_to_a_name_that_is_taken() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", dir(1)), ("a/in", file(3, b'x')), ("b", dir(2))]);
    let seen = node.look(Source::Live, &[("a", dir(2)), ("b", None), ("p/q", dir(1))]);
    assert!(seen.again.contains(&path("p/q")), "{:?}", seen.again);
    let names = node.index.seen_rows().filter_map(|row| row.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), [path("a").name().unwrap().clone()]);
    node.look(Source::Live, &[("p", dir(4)), ("p/q", dir(1)), ("p/q/in", file(3, b'x'))]);
    assert!(row_at(&node.index, &path("p/q/in")).is_some());
}

// Story (simulator, seed 5001199): another directory was moved over the one that it had been in.
// Its row stayed, in a directory that had none, and nothing was ever in place there again.
#[test]
fn a_directory_whose_new_place_is_not_known_does_not_go_back_to_a_directory_that_is_gone() {
    let mut node = Node::new(Phase::Member);
    let before = [("a", dir(1)), ("a/d", dir(2)), ("a/d/in", file(3, b'x')), ("b", dir(4))];
    node.look(Source::Scan, &before);
    let now = [("a", dir(4)), ("a/d", None), ("b", None), ("p/q", dir(2))];
    let seen = node.look(Source::Live, &now);
    assert!(seen.again.contains(&path("p/q")), "{:?}", seen.again);
    assert_eq!(node.index.seen_count(), 2, "the root and what was moved");
    assert!(seen.done.iter().all(|(_, at, _)| !at.is_root()), "{:?}", seen.done);
    node.look(Source::Live, &[("p", dir(5)), ("p/q", dir(2)), ("p/q/in", file(3, b'x'))]);
    assert!(row_at(&node.index, &path("p/q/in")).is_some());
}

// Story (simulator, seed 63835): an index was put back to before a directory had been renamed and
// another made under its old name, into which what was in the first had gone. By path and handle
// that was where it had always been; its row went along with the renamed directory, and counted as
// deleted there. Made anew where it was, nobody looked inside, for the scan had known it.
#[test]
fn what_is_put_back_under_the_old_name_of_its_directory_is_moved() {
    let before = [
        ("a", dir(1)),
        ("a/d", dir(2)),
        ("a/d/in", file(3, b'i')),
        ("a/f", file(4, b'f')),
        ("a/x", file(5, b'x')),
    ];
    let gone = [("b/d", None), ("b/f", None)];
    let taken = [("a/x", None), ("b/d", file(5, b'x')), ("b/f", None)];
    for source in [Source::Live, Source::Scan] {
        for there in [&gone[..], &taken] {
            let mut node = Node::new(Phase::Member);
            node.look(Source::Scan, &before);
            let ids = ["a/d", "a/d/in", "a/f", "a/x"].map(|at| node.entry_at(at).id);
            let now = [("a", dir(6)), ("a/d", dir(2)), ("a/f", file(4, b'f')), ("b", dir(1))];
            node.look(source, &[&now[..], there].concat());
            let x = if *there == gone { "b/x" } else { "b/d" };
            assert_eq!(["a/d", "a/d/in", "a/f", x].map(|at| node.entry_at(at).id), ids);
            assert_eq!(node.index.seen_count(), 7, "the root, two directories, and what is there");
        }
    }
}

#[test]
fn a_replaced_directory_takes_with_it_what_was_in_the_old_one() {
    let tree = [("d", dir(1)), ("d/a", file(2, b'x'))];
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    let now = [("d", dir(4)), ("d/b", file(5, b'y'))];
    assert_eq!(node.done(Source::Scan, &now), ["a deleted", "b=y made", "d changed"]);
}

#[test]
fn a_move_with_an_edit_is_both_under_two_dots_of_one_entry() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let id = node.entry_at("a").id;
    node.look(Source::Live, &[("a", None), ("b", file(1, b'y'))]);
    let entry = node.entry_at("b");
    assert_eq!((entry.id, node.facts.meta.counter), (id, 3));
    assert_eq!(view::winner(&entry.data).unwrap().content, digest(b'y'));
}

// Story (simulator, the oracle): a file was moved while an edit of a peer was known that had not
// reached this disk. The move wrote the bytes that the disk still showed anew: every node went back
// to them, and the edit became a loser of a conflict that nobody had made.
#[test]
fn a_move_takes_along_an_edit_that_has_not_reached_this_disk() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let mut newer = node.entry_at("a");
    let shown: Vec<Dot> = newer.data.dots().collect();
    newer.data.supersede(&shown);
    peer_write(&mut newer, 5, b'y');
    node.arrives(newer);
    assert_eq!(node.done(Source::Live, &[("a", None), ("b", file(1, b'x'))]), ["a -> b"]);
    let entry = node.entry_at("b");
    assert_eq!(view::winner(&entry.data).map(|data| &data.content), Some(&digest(b'y')));
    assert!(view::losers(&node.index, &entry).is_empty(), "{:?}", entry.data);
    assert!(entry.data.versions().len() > 1, "a delete that has not seen the move leaves the file");
}

#[test]
fn a_move_into_a_directory_made_in_the_same_batch_stays_a_move() {
    let tree = [("a", file(1, b'x')), ("d", dir(2)), ("d/b", file(3, b'y'))];
    check(&tree, &[("a", None), ("n", dir(4)), ("n/a", file(1, b'x'))], &["a -> a", "n/ made"]);
    check(
        &tree,
        &[("d", None), ("n", dir(4)), ("n/m", dir(5)), ("n/m/d", dir(2))],
        &["d -> d", "m/ made", "n/ made"],
    );
}

// Story (simulator, case 20): a file of a directory was asked for that had just been renamed. Who
// looked for it found the directory gone before the kernel had told where it went: all nodes
// deleted it with all that was in it, and got it again under its new name.
#[test]
fn a_directory_that_is_gone_with_all_that_is_in_it_may_have_been_renamed() {
    let tree = [("d", dir(1)), ("d/a", file(3, b'x'))];
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    let seen = node.look(Source::Live, &[("d", None)]);
    assert_eq!((seen.doubted, seen.done), (vec![path("d")], Vec::new()));
    let seen = node.look(Source::Live, &[("d", None), ("e", dir(1))]);
    assert_eq!(seen.moved, [(path("d"), path("e"))]);
}

// Story (simulator, `power=60`, seed 5759): a user renamed a directory and put a symlink in its
// place. The name was looked at before the new one: the whole tree counted as removed, and was let
// go of by all. Then the power took the rename back, and what of the tree was not durable.
#[test]
fn a_directory_in_whose_place_something_else_is_may_have_been_renamed() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("d", dir(1)), ("d/a", file(3, b'x'))]);
    node.sync();
    let seen = node.look(Source::Live, &[("d", link(4, b't')), ("d/a", None)]);
    assert_eq!((seen.doubted, seen.below), (vec![path("d")], vec![path("d/a")]));
    assert_eq!(seen.done, []);
    let seen = node.look(Source::Live, &[("d", link(4, b't')), ("e", dir(1))]);
    assert_eq!(seen.moved, [(path("d"), path("e"))]);
    assert!(row_at(&node.index, &path("e/a")).is_some(), "with what is in it");
    let seen = node.look(Source::Live, &[("e", dir(5)), ("e/a", file(6, b'y'))]);
    assert_eq!((seen.doubted, seen.below), (vec![path("e")], vec![path("e/a")]));
    node.gone.insert(path("e"), Source::Live);
    let seen = node.look(Source::Live, &[("e", dir(5))]);
    assert_eq!(seen.doubted, [], "now it is believed");
    assert!(row_at(&node.index, &path("e/a")).is_none(), "with what was in it");
}

// Story (simulator, seeds 31844 and 32989): a user moved a file that had just been written and told
// of. Where it had been was looked at before where it went: it counted as removed, and everybody
// forgot its content. Then the power took the move and the bytes, which nobody had any more.
#[test]
fn a_file_that_is_gone_before_it_was_durable_may_have_been_renamed() {
    let tree = [("a", file(3, b'x'))];
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    let seen = node.look(Source::Live, &[("a", None)]);
    assert_eq!((seen.doubted, seen.done), (vec![path("a")], Vec::new()));
    let seen = node.look(Source::Live, &[("a", None), ("b", file(3, b'x'))]);
    assert_eq!(seen.done, [(Change::Moved, path("b"), Some(path("a")))]);
    node.sync();
    let seen = node.look(Source::Live, &[("b", None)]);
    assert_eq!(seen.done, [(Change::Removed, path("b"), None)], "its bytes come back with it");
    // An editor's temporary file, renamed over what it was written for.
    node.look(Source::Scan, &[("c", file(4, b'y')), ("c.tmp", file(5, b'z'))]);
    let seen = node.look(Source::Live, &[("c", file(5, b'z')), ("c.tmp", None)]);
    assert_eq!(seen.doubted, [], "it is seen where it went");
}

// Story (simulator, seed 73395 with `late=1 jumps=300`): the same, and a directory was made where
// the file had been. It counted as removed at once: both disks lost its only bytes with the power.
#[test]
fn a_file_in_whose_place_something_else_is_before_it_was_durable_may_have_been_renamed() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(3, b'x'))]);
    let seen = node.look(Source::Live, &[("a", dir(4))]);
    assert_eq!((seen.doubted, seen.done), (vec![path("a")], Vec::new()));
    let seen = node.look(Source::Live, &[("a", dir(4)), ("b", file(3, b'x'))]);
    let moved = (Change::Moved, path("b"), Some(path("a")));
    assert_eq!(seen.done, [moved, (Change::Created, path("a"), None)]);
}

// Story (small worlds, seed 48235): a user moved a file over another, where a peer had moved the
// very same. Nothing was minted, the peer moved its own back, and that took the file from all.
#[test]
fn who_moves_a_file_over_its_like_means_this_one_to_stay() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x')), ("b", file(2, b'y'))]);
    let mut newer = node.entry_at("b");
    let shown: Vec<Dot> = newer.data.dots().collect();
    newer.data.supersede(&shown);
    peer_write(&mut newer, 5, b'x');
    node.arrives(newer);
    node.look(Source::Live, &[("a", None), ("b", file(1, b'x'))]);
    let mut entry = node.entry_at("b");
    entry.data.supersede(&[theirs(5).dot]);
    assert_eq!(entry.data.versions().len(), 1, "who takes the peer's away has not seen it");
}

// Story (small worlds, seed 2442 and more): the place at which an inode was last seen was given up
// between the look and its being taken in, so no look said whether it had moved.
// Story (simulator, seed 1201054): a file was renamed and got a second name before anybody looked.
// It was moved to both, once with what it had been before the other move: a version that no disk
// held stood beside its own, and was waited for on every node, for ever.
#[test]
fn of_two_new_names_of_a_file_one_is_where_it_went() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("a", file(1, b'x'))]);
    let moved = [("a", None), ("b", file(1, b'x')), ("c", file(1, b'x'))];
    assert_eq!(node.done(Source::Live, &moved), ["a -> b", "c=x made"]);
    assert_eq!(node.entry_at("b").data.versions().len(), 1);
    assert_ne!(node.entry_at("b").id, node.entry_at("c").id);
}

#[test]
fn what_was_last_seen_at_a_place_that_was_not_looked_at_is_not_judged_at_first() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("d", dir(1)), ("d/f", file(2, b'x'))]);
    let before = node.facts.meta.counter;
    let seen = node.look(Source::Live, &[("e", dir(1))]);
    assert_eq!(seen.again, [path("e"), path("d")]);
    assert_eq!(seen.unjudged, [path("e")]);
    assert_eq!(node.facts.meta.counter, before);
    let seen = node.look(Source::Live, &[("d", None), ("e", dir(1))]);
    assert_eq!(seen.moved, [(path("d"), path("e"))]);
    assert!(row_at(&node.index, &path("e/f")).is_some(), "what is inside comes along");
}

// Story: `mv live old; mv next live` by one user. `old` was seen alone, twice: the name it had come
// from was at work. The second time it was judged as something new; nobody looked inside, for its
// inode was known. Then `live` was found to be another one, and all that it had held was deleted.
#[test]
fn a_directory_seen_alone_at_its_new_place_has_moved_there() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &[("live", dir(1)), ("live/f", file(2, b'x')), ("next", dir(3))]);
    let entry = node.entry_at("live/f").id;
    assert!(node.look(Source::Live, &[("old", dir(1))]).moved.is_empty());
    node.judge.insert(path("old"));
    let seen = node.look(Source::Live, &[("old", dir(1))]);
    assert_eq!(seen.moved, [(path("live"), path("old"))]);
    node.look(Source::Live, &[("live", dir(3)), ("next", None)]);
    assert_eq!(node.entry_at("old/f").id, entry);
    assert_eq!(node.index.seen_count(), 4, "the root, two directories and a file");
}

// Story (simulator, seed 66931): a user moved a file that the program might not read. Where it had
// been was nothing, and what was at its new place counted as nothing, too: it was deleted on all
// nodes. Then that machine was put back to an older copy, and took the deletion from the others.
#[test]
fn what_cannot_be_read_is_moved_all_the_same() {
    let tree = [("a", file(1, b'x')), ("b", file(2, b'y')), ("d", dir(3)), ("d/f", file(4, b'f'))];
    let check = |looks: Vec<(&str, Found)>, lines: &[&str]| {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Scan, &tree);
        let done = node.does(|node| drop(node.finds(Source::Live, looks)));
        assert_eq!(done, lines);
        node
    };
    let gone = || Found::Absent;
    let node = check(vec![("a", gone()), ("c", unread(file(1, b'?')))], &["a -> c"]);
    assert!(row_at(&node.index, &path("c")).is_some_and(|row| row.content == Some(digest(b'x'))));
    let node = check(vec![("d", gone()), ("e", unread(dir(3)))], &["d -> e"]);
    assert!(row_at(&node.index, &path("e/f")).is_some());
    // What it holds is not known, and so not to be an edit of what was there.
    check(vec![("a", gone()), ("b", unread(file(1, b'?')))], &["a -> b", "b deleted"]);
    let swapped = [("a", unread(file(2, b'?'))), ("b", unread(file(1, b'?')))];
    check(swapped.to_vec(), &["a -> b", "b -> a"]);
    // Of what stays where it is, or is new, nothing is known.
    check(vec![("a", unread(file(1, b'?'))), ("c", unread(file(7, b'?')))], &[]);
    check(vec![("a", unread(file(7, b'?')))], &[]);
    let mut node = Node::new(Phase::Member);
    node.look(Source::Scan, &tree);
    let seen = node.finds(Source::Live, vec![("c", unread(file(1, b'?')))]);
    assert_eq!((seen.unjudged, seen.again), (vec![path("c")], vec![path("c"), path("a")]));
}
