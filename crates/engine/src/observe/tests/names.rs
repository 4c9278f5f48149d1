//! Names of one file: what is done to one, and what the others are then.

use super::{
    at_ms, digest, dir, file, path, peer_place, peer_write, row_at, theirs, Node, Phase, Source,
};
use crate::content::Content;
use crate::dot::Dot;
use crate::entry::{Data, Entry, EntryId, Kind, Location, Presence, Sight, Stamped};
use crate::index::{Index, SeenRow};
use crate::ledger;
use crate::observe::revive;
use crate::register::Version;
use crate::view;
use crate::wire::Minted;

/// A folder with one file under these names.
fn with_names(names: &[&'static str]) -> Node {
    let mut node = Node::new(Phase::Member);
    let looks: Vec<_> = names.iter().map(|name| (*name, file(1, b'x'))).collect();
    node.look(Source::Live, &looks);
    node
}

/// What a name is to show has come onto the disk, in an inode of its own.
fn installed(node: &mut Node, at: &str, letter: u8) {
    let row = row_at(&node.index, &path(at)).unwrap();
    let fingerprint = file(9, letter).unwrap().fingerprint;
    let dots = ledger::showing(&node.index, &node.entry_at(at));
    node.index.put_seen(&SeenRow { content: Some(digest(letter)), dots, fingerprint, ..row });
}

/// What each path shows, and with which others it is one file: `a=x`, `b=x with a`.
fn shows(node: &Node, paths: &[&str]) -> Vec<String> {
    let group = |at: &str| -> Option<EntryId> {
        let row = row_at(&node.index, &path(at))?;
        let entry = node.index.entry(row.entry)?.entry;
        view::body_of(&node.index, &entry).map(|body| body.id)
    };
    let line = |(place, at): (usize, &&str)| {
        let entry = node.entry_at(at);
        let whole = view::whole(&node.index, &entry);
        let letter = match view::winner(&whole.data).map(|data| &data.content) {
            Some(Content::File(digest, _)) => char::from(digest.0[0]),
            _ => '-',
        };
        let mine = group(at);
        let first = paths[..place].iter().find(|other| mine.is_some() && group(other) == mine);
        let with = first.map_or(String::new(), |other| format!(" with {other}"));
        format!("{at}={letter}{with}")
    };
    paths.iter().enumerate().map(line).collect()
}

#[test]
fn a_second_name_is_one_file_under_one_dot() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", file(1, b'x'))]);
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("a", file(1, b'x')), ("b", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "b"]), ["a=x", "b=x with a"]);
    assert_eq!(node.facts.meta.counter, before + 1);
    let dot = node.facts.meta.counter;
    let written = node.index.dots(node.facts.meta.incarnation, dot, dot, 16);
    assert_eq!(written.len(), 3, "both names and what they are names of");
    node.look(Source::Scan, &[("a", file(1, b'x')), ("b", file(1, b'x'))]);
    assert_eq!(node.facts.meta.counter, dot, "and nothing more is to be said of it");
}

#[test]
fn what_is_written_through_one_name_is_one_edit_of_all() {
    let mut node = with_names(&["a", "b", "c"]);
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=y with a", "c=y with a"]);
    for name in ["a", "c"] {
        let row = row_at(&node.index, &path(name)).unwrap();
        assert_eq!(row.content, Some(digest(b'y')), "the disk shows it there, too");
    }
    assert_eq!(node.facts.meta.counter, before + 1);
    node.look(Source::Live, &[("c", file(1, b'z'))]);
    let entry = node.entry_at("a");
    assert!(view::losers(&node.index, &entry).is_empty(), "who writes next has seen it");
}

#[test]
fn a_name_that_gets_another_inode_is_a_file_of_its_own() {
    let mut node = with_names(&["a", "b", "c"]);
    node.look(Source::Live, &[("a", file(2, b'y'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=x", "c=x with b"]);
    node.look(Source::Live, &[("b", file(1, b'z')), ("c", file(1, b'z'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=y", "b=z", "c=z with b"]);
}

// Story (simulator, `locks=200 denied=30`, seed 287): while nobody watched, one of two names was
// saved, and something was written through the other. The write was told first, and counted as seen
// and replaced under the name that had been saved: where it lost, nobody kept it.
#[test]
fn who_made_a_name_another_file_has_not_seen_what_is_found_under_the_others_with_it() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Scan, &[("a", file(1, b'y')), ("b", file(2, b'z'))]);
    assert_eq!(shows(&node, &["a", "b"]), ["a=y", "b=z"]);
    let written = view::winner(&node.entry_at("a").data).unwrap().stamp.dot;
    let saved = node.entry_at("b");
    assert!(!view::winner(&saved.data).unwrap().base.contains(&written), "{saved:?}");
}

// Story (simulator, seed 99203): a name was saved, and what the others go on to show was carried
// along under the same operation. Others wrote to that; then it was written to here, where their
// bytes were not yet. This write took the operation for the writer of what it had replaced, and so
// the file that had been saved counted as replaced: where it lost, nobody kept it.
#[test]
fn who_writes_over_what_was_carried_along_replaces_nothing_else_of_that_operation() {
    let mut node = with_names(&["a", "b", "c"]);
    node.look(Source::Live, &[("a", file(1, b'w'))]);
    node.look(Source::Live, &[("a", file(2, b'y'))]);
    let saved = view::winner(&node.entry_at("a").data).unwrap().stamp.dot;
    let name = node.entry_at("b");
    let mut body = view::body_of(&node.index, &name).unwrap();
    let carried: Vec<Dot> = body.data.dots().collect();
    assert_eq!(carried, [saved]);
    body.data.supersede(&carried);
    peer_write(&mut body, 5_000_000, b'p');
    ledger::put(&mut node.facts, &mut node.index, body, None, ledger::Author::Elsewhere, &[]);
    node.look(Source::Live, &[("b", file(1, b'z')), ("c", file(1, b'z'))]);
    let body = view::body_of(&node.index, &name).unwrap();
    let written = body.data.versions().iter().map(|version| &version.value);
    let written = written.filter(|data| data.content == digest(b'z')).collect::<Vec<_>>();
    assert_eq!(written.len(), 1);
    assert!(!written[0].base.contains(&saved), "{written:?}");
}

// Story: others had set a mode on a file, which nothing showed while it was a name of another. It
// became a file of its own by a rename, and what it was to have then was never set on the disk.
#[test]
fn a_name_that_becomes_a_file_of_its_own_takes_on_what_others_had_set_on_it() {
    let mut node = with_names(&["a", "b"]);
    let mut name = node.entry_at("b");
    let stamp = theirs(5_000_000);
    let mode = Stamped { stamp, value: 0o600u16 };
    name.mode.insert(Version { dot: stamp.dot, minted: mode.mint().into(), value: mode });
    let id = name.id;
    node.arrives(name);
    node.index.remove_pending(id);
    node.look(Source::Live, &[("b", file(2, b'y'))]);
    assert!(node.index.pending(id).is_some(), "its mode is to be set");
}

#[test]
fn a_file_is_replaced_by_one_more_name_of_another() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("c", file(3, b'z'))]);
    node.look(Source::Live, &[("a", file(1, b'x')), ("c", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "b", "c"]), ["a=x", "b=x with a", "c=x with a"]);
}

#[test]
fn a_name_that_is_gone_leaves_the_others_and_the_last_takes_all_along() {
    let mut node = with_names(&["a", "b"]);
    let of = row_at(&node.index, &path("a")).unwrap().dots.body.unwrap().id;
    node.look(Source::Live, &[("a", None)]);
    assert_eq!(shows(&node, &["b"]), ["b=x"]);
    assert!(view::is_body(&node.index.entry(of).unwrap().entry));
    node.look(Source::Live, &[("b", None)]);
    let over = node.index.entry(of).unwrap().entry;
    assert!(over.data.is_empty() && !over.loc.is_empty(), "a tombstone like any other");
}

#[test]
fn a_renamed_name_stays_one() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("a", file(1, b'x')), ("b", None), ("c", file(1, b'x'))]);
    assert_eq!(shows(&node, &["a", "c"]), ["a=x", "c=x with a"]);
}

#[test]
fn attributes_are_those_of_the_file_whatever_the_name() {
    let mut node = with_names(&["a", "b"]);
    let mut found = file(1, b'x');
    found.as_mut().unwrap().attributes.mode = 0o600;
    let before = node.facts.meta.counter;
    node.look(Source::Live, &[("b", found)]);
    assert_eq!(node.facts.meta.counter, before + 1);
    let entry = node.entry_at("a");
    let whole = view::whole(&node.index, &entry);
    assert_eq!(view::desired(&whole).unwrap().attributes.mode, 0o600);
    assert_eq!(row_at(&node.index, &path("a")).unwrap().attributes.mode, 0o600);
}

// Story (simulator, `links=250`, seed 465): a file was moved where nobody knew yet that it had
// become one of several names elsewhere, and the last of those was removed there. The moved one was
// a name of nothing, held what nobody had, and all waited for that for ever.
#[test]
fn who_moves_a_file_that_has_become_a_name_elsewhere_keeps_what_it_is_a_name_of() {
    for (held, shown) in [(Some(b'z'), "c=z"), (None, "c=x")] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &[("a", file(1, b'x'))]);
        let id = EntryId([5; 16]);
        let mut body = Entry::new(id, Kind::File);
        if let Some(letter) = held {
            peer_write(&mut body, 6, letter);
        } else {
            body.loc = node.entry_at("a").loc;
        }
        node.arrives(body);
        let mut name = node.entry_at("a");
        let (stamp, base) = (theirs(5), name.data.dots().collect());
        let data = Data { content: digest(b'y'), stamp, base, body: Some(id) };
        let replaced: Vec<_> = name.data.dots().collect();
        let minted = data.mint().into();
        name.data.write(Version { dot: stamp.dot, value: data, minted }, &replaced);
        node.arrives(name);
        node.look(Source::Live, &[("a", None), ("c", file(1, b'x'))]);
        assert_eq!(shows(&node, &["c"]), [shown]);
        let own = node.facts.meta.incarnation;
        let body = node.index.entry(id).unwrap().entry;
        let is_held = body.data.dots().any(|dot| dot.incarnation == own);
        assert_eq!(is_held, held.is_some(), "whoever lets go of it has not seen this");
    }
}

// Story (simulator, `links=250`, seed 915): a user wrote through one name and removed it. Another,
// who had not seen that, removed the other. Both were gone, and what was written was in the trash.
#[test]
fn what_was_written_through_a_name_that_is_gone_keeps_another_name() {
    let mut node = with_names(&["a", "b", "c"]);
    let of = row_at(&node.index, &path("a")).unwrap().dots.body.unwrap().id;
    let asserts = |node: &Node, at: &str| {
        let (last, own) = (node.facts.meta.counter, node.facts.meta.incarnation);
        let is_last = |dot: Dot| dot.incarnation == own && dot.counter == last;
        let (name, body) = (node.entry_at(at), node.index.entry(of).unwrap().entry);
        let body: Vec<Dot> = body.data.dots().collect();
        let mut all = name.loc.dots().chain(name.data.dots()).chain(body);
        all.all(is_last)
    };
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    assert!(asserts(&node, "b") && !asserts(&node, "a"), "the name that was written through");
    node.look(Source::Live, &[("b", None)]);
    assert!(asserts(&node, "a") != asserts(&node, "c"), "one that is left");
    assert_eq!(shows(&node, &["a", "c"]), ["a=y", "c=y with a"]);
    let first = if asserts(&node, "a") { "a" } else { "c" };
    node.look(Source::Live, &[(first, file(2, b'z'))]);
    let other = if first == "a" { "c" } else { "a" };
    assert!(asserts(&node, other), "nor is it lost with who becomes a file of its own");
}

#[test]
fn a_name_that_was_not_written_through_goes_alone() {
    let mut node = with_names(&["a", "b", "c"]);
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    let before = ["b", "c"].map(|name| node.entry_at(name));
    node.look(Source::Live, &[("a", None)]);
    assert_eq!(["b", "c"].map(|name| node.entry_at(name)), before);
    assert_eq!(shows(&node, &["b", "c"]), ["b=y", "c=y with b"]);
}

// Story (simulator, `links=250`, seed 1188): a user wrote through `b` and had removed `a`, its
// other name, which was believed a moment later. By then somebody else's `b` had won, and `a` was
// the last name of what was written: it was deleted with it, and was a loser of `b` no more.
#[test]
fn what_lost_at_a_name_it_was_written_through_stays_when_the_last_other_name_goes() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    let mut entry = node.entry_at("b");
    peer_write(&mut entry, 5_000_000, b'z');
    node.arrives(entry.clone());
    installed(&mut node, "b", b'z');
    assert_eq!(shows(&node, &["a", "b"]), ["a=y", "b=z"]);
    node.look(Source::Live, &[("a", None)]);
    let losers = view::losers(&node.index, &node.entry_at("b"));
    assert_eq!(losers.iter().map(|data| &data.content).collect::<Vec<_>>(), [&digest(b'y')]);
}

// Story (simulator, seed 15914): the other way round. A user removed `b`, where somebody else's had
// won, and another replaced `a` meanwhile: each left what had been written through `b` to the other
// name, and it was in the trash only.
#[test]
fn who_removes_what_won_at_a_name_leaves_what_was_written_through_it() {
    let mut node = with_names(&["a", "b"]);
    node.look(Source::Live, &[("b", file(1, b'y'))]);
    let mut entry = node.entry_at("b");
    peer_write(&mut entry, 5_000_000, b'z');
    node.arrives(entry.clone());
    installed(&mut node, "b", b'z');
    node.sync();
    node.look(Source::Live, &[("b", None)]);
    let left = node.index.entry(entry.id).unwrap().entry;
    assert!(view::is_placed(&left), "the name stays");
    assert_eq!(view::winner(&left.data).map(|data| &data.content), Some(&digest(b'y')));
    assert_eq!(view::shows(&left), view::shows(&node.entry_at("a")));
}

// Story (simulator, `links=250`, seed 699): the same, and the other had replaced `a` having seen
// nothing of what was written: no version said any more that `a` was a name of that file. It was
// shown there, and nowhere when the place was given to what it was replaced by.
#[test]
fn what_is_still_shown_at_a_name_that_others_replaced_is_left_to_that_if_they_had_not_seen_it() {
    for has_seen in [false, true] {
        let mut node = with_names(&["a", "b"]);
        node.look(Source::Live, &[("b", file(1, b'y'))]);
        let written = node.entry_at("b").data.versions()[0].dot;
        let mut entry = node.entry_at("a");
        let seen: Vec<Dot> = entry.data.dots().collect();
        entry.data.supersede(&seen);
        let (stamp, base) = (theirs(5_000_000), has_seen.then_some(written).into_iter().collect());
        let data = Data { content: digest(b'z'), stamp, base, body: None };
        entry.data.insert(Version { dot: stamp.dot, minted: data.mint().into(), value: data });
        node.arrives(entry.clone());
        node.look(Source::Live, &[("b", None)]);
        let left = node.index.entry(entry.id).unwrap().entry;
        let shown = view::winner(&left.data).map(|data| data.content.clone());
        let lost = view::losers(&node.index, &left).into_iter().map(|data| data.content);
        let mut all: Vec<Content> = shown.into_iter().chain(lost).collect();
        all.sort();
        let kept = [digest(b'y'), digest(b'z')];
        assert_eq!(all, kept[usize::from(has_seen)..], "{has_seen}");
    }
}

// Story (simulator, `links=250`, seed 1): the names of a file had got new content, all but one
// whose place was to show another file by then. A user set the time of what was still there: all
// nodes set that on the file, but for the one where it was done, which had written it down as seen.
#[test]
fn what_is_set_on_an_old_inode_of_a_file_is_to_be_set_on_its_other_names_here() {
    let mut node = with_names(&["a", "b"]);
    let id = node.entry_at("b").id;
    let of = row_at(&node.index, &path("a")).unwrap().dots.body.unwrap().id;
    let mut body = node.index.entry(of).unwrap().entry;
    peer_write(&mut body, 5_000_000, b'y');
    node.arrives(body);
    installed(&mut node, "b", b'y');
    node.index.remove_pending(id);
    node.look(Source::Live, &[("a", at_ms(file(1, b'x'), 5000))]);
    assert!(node.index.pending(id).is_some(), "its time is to be set");
}

// Story (simulator, `links=250`, seed 108): a user linked a file over another. Before that was
// looked at, the program renamed the linked one; its new name was not looked at with the other. So
// the link was an edit to the same bytes, and two files were one on that disk for ever.
#[test]
fn a_name_in_another_files_place_is_judged_with_the_names_it_has_by_now() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("b", file(1, b'x')), ("c", file(2, b'y'))]);
    let minted = node.facts.meta.counter;
    let seen = node.look(Source::Live, &[("a", None), ("c", file(1, b'x'))]);
    assert_eq!((seen.unjudged, seen.again), (vec![path("c")], vec![path("c"), path("b")]));
    assert_eq!(node.facts.meta.counter, minted, "nothing is minted");
    node.look(Source::Live, &[("b", file(1, b'x')), ("c", file(1, b'x'))]);
    assert_eq!(shows(&node, &["b", "c"]), ["b=x", "c=x with b"]);
    let seen = node.look(Source::Live, &[("b", file(1, b'x')), ("c", file(3, b'z'))]);
    assert_eq!(seen.unjudged, []);
}

// Story (simulator, seed 36489): a user wrote through one name of a file and removed the directory
// that it was in, with all in it. Nobody looked at its other name, which showed what was written on
// that disk alone. So it was where the name that was written through was saved over.
#[test]
fn what_was_written_through_a_name_that_goes_is_looked_for_at_another() {
    let names = [("a", file(1, b'x')), ("d", dir(2)), ("d/b", file(1, b'x'))];
    for (gone, found) in [("d", None), ("d/b", None), ("d/b", file(3, b'z'))] {
        let mut node = Node::new(Phase::Member);
        node.look(Source::Live, &names);
        let seen = node.look(Source::Scan, &[(gone, found)]);
        assert_eq!(seen.again, [path("a")], "{gone}");
    }
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &names);
    let seen = node.look(Source::Scan, &[("a", file(1, b'y')), ("d", None)]);
    assert_eq!(seen.again, [], "it was looked at");
}

// Story (simulator, `links=250`, seed 2762): a user replaced the last name of a file that he knew,
// and had not seen what another had written through one. The file came back so to who had forgotten
// it, and was said again: with the place of its end, as if it were a file there. Then it was linked
// like one: a file of several names that was itself a name of another, which its peers refused.
#[test]
fn what_names_are_names_of_is_said_again_without_a_place_though_its_end_was_marked() {
    let mut node = with_names(&["a", "b"]);
    let of = row_at(&node.index, &path("a")).unwrap().dots.body.unwrap().id;
    let mut body = node.index.entry(of).unwrap().entry;
    let end = Location { state: Presence::Deleted(Sight::Live), ..peer_place("b", 5) };
    body.loc.insert(Version { dot: end.stamp.dot, minted: end.mint().into(), value: end });
    node.arrives(body);
    revive::again(&mut node.facts, &mut node.index, of);
    let again = node.index.entry(of).unwrap().entry;
    assert!(view::is_body(&again), "it has no place");
    assert_eq!(view::winner(&again.data).map(|data| &data.content), Some(&digest(b'x')));
}
