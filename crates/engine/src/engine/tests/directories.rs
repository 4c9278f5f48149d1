//! Directories that are renamed, replaced or gone while what is in them is looked at.

use super::{
    asked, done, installed, looks, meet, operations, paths, present, said,
    with_a_contested_file_gone, with_a_file, Side,
};
use crate::content::{Content, Digest};
use crate::engine::{Effect, Input};
use crate::entry::{Kind, Timestamp};
use crate::limits::DOUBT_MS;
use crate::message::Message;
use crate::observe::{self, Batch, Found, Observation, Present, Source, Stray};
use crate::path::RelPath;
use crate::plan::{Act, Operation, Outcome};
use crate::view;

/// What is to be looked inside.
fn inside(effects: &[Effect]) -> Vec<String> {
    paths(effects, |effect| match effect {
        Effect::ObserveTrees(paths) => Some(paths),
        _ => None,
    })
}

// Story (small worlds, seed 837): a directory was renamed. One look found its old name gone, and it
// was deleted; another, made before that was known, found it at its new name, took it for the known
// one and did not look inside. What was new in it stayed unseen for ever.
#[test]
fn a_directory_that_was_known_when_it_was_looked_at_and_is_new_now_is_looked_inside() {
    for (late, expected) in [(0, vec!["new".to_string()]), (10, vec![])] {
        let mut side = Side::new(1);
        let dir = present(Kind::Dir, 4, None);
        let made = looks(Source::Live, &[("old", Some(dir.clone()))]);
        side.turn([Input::Observed(side.now.mono_ms + 1, made)]);
        let began_ms = side.now.mono_ms + 1 + late;
        let gone = looks(Source::Live, &[("old", None)]);
        side.turn([Input::Observed(side.now.mono_ms + 1, gone)]);
        side.turn([Input::Tick]);
        side.now.mono_ms += late;
        let there = looks(Source::Live, &[("new", Some(dir))]);
        let effects = side.turn([Input::Observed(began_ms, there)]);
        assert_eq!(inside(&effects), expected, "the look began {late} ms later");
    }
}

// Story (found by reading, after seed 63835): while nobody watched, a directory was taken out of
// another, that one was made anew, and it was put back. It went with the old one and was made anew
// in one batch. The scan had known it and not looked inside: what is in it stayed deleted.
#[test]
fn a_directory_that_goes_and_comes_in_one_batch_is_looked_inside() {
    let mut side = Side::new(1);
    let dir = |handle| Some(present(Kind::Dir, handle, None));
    let before = looks(Source::Scan, &[("d", dir(4)), ("d/e", dir(5))]);
    side.turn([Input::Observed(side.now.mono_ms + 1, before)]);
    side.write("d/e/file", b'1');
    let now = looks(Source::Scan, &[("d", dir(6)), ("d/e", dir(5))]);
    side.now.mono_ms += 60_000;
    let effects = side.turn([Input::Observed(side.now.mono_ms, now)]);
    assert_eq!(inside(&effects), ["d/e"]);
}

// Story (simulator, seed 572): a contested file was gone, which is not believed at once; before it
// was, its directory was gone, too, and was deleted with all in it. The file was asked for again
// for ever, and the folder never came to rest.
#[test]
fn what_went_with_its_directory_is_not_asked_for_any_more() {
    let mut side = Side::new(1);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    side.write("d/file", b'1');
    let path = Some(RelPath::parse(b"d/file").expect("a path"));
    let mtime = Timestamp { seconds: 1, nanos: 0 };
    let digest = Digest([b'0'; 32]);
    side.turn([Input::Stray(Stray { path, digest, size: 1, mtime, unkept: None })]);
    side.look(Source::Live, "d/file", Found::Absent);
    side.look(Source::Live, "d", Found::Absent);
    assert!(side.engine.has_deferred_looks(), "what lost to it would go with it");
    side.now.mono_ms += 60_000;
    side.look(Source::Live, "d", Found::Absent);
    side.now.mono_ms += 60_000;
    side.turn([Input::Tick]);
    assert!(!side.engine.has_deferred_looks(), "{:?}", side.engine);
}

// Story (simulator, seed 205): a contested file was gone, which is not believed at once; before it
// was, its directory was renamed for a peer. The file was not asked for any more, neither where it
// had been nor where its directory was now: that it was deleted stayed unseen.
#[test]
fn what_is_gone_is_asked_for_where_its_directory_went() {
    let mut side = with_a_contested_file_gone(1);
    let dir = present(Kind::Dir, 4, None);
    let moved = looks(Source::Live, &[("d", None), ("e", Some(dir))]);
    side.turn([Input::Observed(side.now.mono_ms + 1, moved)]);
    side.now.mono_ms += 60_000;
    let effects = side.turn([Input::Tick]);
    assert_eq!(asked(&effects), ["e/file"]);
    side.look(Source::Live, "e/file", Found::Absent);
    assert!(!side.engine.has_deferred_looks(), "{:?}", side.engine);
}

// Story (simulator, seed 208): what was gone was made again, by an operation of ours. A look at
// what is as it should be tells nothing, so it was asked for every second, for ever.
#[test]
fn what_was_gone_and_is_made_again_is_not_asked_for_any_more() {
    let mut side = with_a_contested_file_gone(1);
    let dir = looks(Source::Live, &[("d", None)]);
    side.turn([Input::Observed(side.now.mono_ms + 1, dir)]);
    side.now.mono_ms += 60_000;
    side.look(Source::Live, "d", Found::Absent);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 5, None)));
    side.look(Source::Live, "d/file", Found::Present(present(Kind::File, 6, Some(b'2'))));
    side.now.mono_ms += 60_000;
    assert_eq!(asked(&side.turn([Input::Tick])), [""; 0]);
    assert!(!side.engine.has_deferred_looks(), "{:?}", side.engine);
}

fn with_a_directory() -> (Side, Side) {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let made = a.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    let made = operations(b.hear(1, made));
    b.turn([Input::Applied(vec![(made[0].id, done(present(Kind::Dir, 4, None)))])]);
    (a, b)
}

// Story (simulator, seed 574): a file was moved into a directory, and the directory was renamed.
// The second came back first, so the first was looked for in a directory that was gone, and its
// file had no row any more: its directory could never be removed.
#[test]
fn what_was_moved_is_written_down_where_its_directory_is_by_now() {
    let (mut a, mut b) = with_a_directory();
    let heard = a.write("f", b'1');
    b.hear(1, heard);
    let install = installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]))).0;
    let file = || present(Kind::File, 9, Some(b'1'));
    b.turn([Input::Applied(vec![(install, done(file()))])]);
    let mut moved = |looked: &[(&str, Option<Present>)]| {
        let looked = Input::Observed(a.now.mono_ms + 1, looks(Source::Live, looked));
        let heard = said(a.turn([looked]));
        let moved = operations(b.hear(1, heard));
        assert!(matches!(moved[..], [Operation { act: Act::Move { .. }, .. }]), "{moved:?}");
        moved[0].id
    };
    let first = moved(&[("f", None), ("d/f", Some(file()))]);
    let second = moved(&[("d", None), ("e", Some(present(Kind::Dir, 4, None)))]);
    b.turn([Input::Applied(vec![(second, done(present(Kind::Dir, 4, None)))])]);
    b.turn([Input::Applied(vec![(first, done(file()))])]);
    let at = RelPath::parse(b"e/f").expect("a path");
    assert!(observe::row_at(&b.index, &at).is_some(), "{:?}", b.index);
}

// What was told of below a name that another thing took is looked at when that has been judged.
#[test]
fn below_a_directory_that_may_have_been_put_aside_nothing_is_judged_before_it() {
    let mut side = Side::new(1);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    side.look(Source::Live, "d/f", Found::Present(present(Kind::File, 9, Some(b'1'))));
    let other = || Found::Present(present(Kind::File, 7, Some(b'2')));
    side.now.mono_ms += 10;
    let minted = side.engine.meta().counter;
    side.look(Source::Live, "d", other());
    side.look(Source::Live, "d/f", Found::Absent);
    assert_eq!(side.engine.meta().counter, minted, "it may be elsewhere");
    side.now.mono_ms += DOUBT_MS;
    assert_eq!(asked(&side.turn([Input::Tick])), ["d"]);
    let found = vec![Observation { path: RelPath::parse(b"d").expect("a path"), found: other() }];
    let batch = Batch { source: Source::Live, looks: found };
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, batch)]);
    assert_eq!(asked(&effects), ["d/f"], "now it can be judged");
    assert_eq!(side.index.seen_rows().count(), 2, "the root, and what is there now");
}

// Story (simulator, `apart=60`, seed 1793): a tree was removed, and at its name a directory made
// with a file where there had been a directory with something in it. When the removal of the tree
// was believed, the file's look was not, for that directory might be elsewhere; but its row went
// with the tree, so nobody looked again: the file was nowhere but on its own disk, for ever.
#[test]
fn what_is_below_a_directory_that_is_believed_to_be_another_one_is_looked_at_again() {
    let mut side = Side::new(1);
    let dir = |handle| Some(present(Kind::Dir, handle, None));
    let file = |handle| Some(present(Kind::File, handle, Some(b'1')));
    let before = [("d", dir(4)), ("d/e", dir(5)), ("d/e/f", file(6))];
    side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &before))]);
    side.now.mono_ms += 10;
    let other = looks(Source::Live, &[("d", dir(7))]);
    side.turn([Input::Observed(side.now.mono_ms + 1, other)]);
    side.now.mono_ms += DOUBT_MS;
    assert_eq!(asked(&side.turn([Input::Tick])), ["d"], "the tree may be elsewhere");
    side.now.mono_ms += 10;
    let now = looks(Source::Live, &[("d", dir(7)), ("d/e", file(8))]);
    let effects = side.turn([Input::Observed(side.now.mono_ms, now)]);
    assert_eq!(asked(&effects), ["d/e"]);
    side.now.mono_ms += 10;
    let now = looks(Source::Live, &[("d/e", file(8))]);
    side.turn([Input::Observed(side.now.mono_ms, now)]);
    let at = RelPath::parse(b"d/e").expect("a path");
    let row = observe::row_at(&side.index, &at);
    assert!(row.is_some_and(|row| row.kind == Kind::File), "{:?}", side.index);
}

// Story (simulator, seed 1294): a file was put into a directory that was being removed, and a user
// removed it before that was. The directory's row went, and the file's stayed without a path.
#[test]
fn no_row_is_left_without_its_directory() {
    let (mut a, mut b) = with_a_directory();
    let heard = a.look(Source::Live, "d/f", Found::Present(present(Kind::File, 9, Some(b'1'))));
    b.hear(1, heard);
    let install = installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]))).0;
    let gone = looks(Source::Scan, &[("d", None)]);
    let heard = said(a.turn([Input::Observed(a.now.mono_ms + 1, gone)]));
    let remove = operations(b.hear(1, heard));
    assert!(matches!(remove[..], [Operation { act: Act::Remove { .. }, .. }]), "{remove:?}");
    let nothing = Outcome::Done { now: Vec::new(), refused: None, displaced: None };
    let file = done(present(Kind::File, 9, Some(b'1')));
    let effects = b.turn([Input::Applied(vec![(install, file), (remove[0].id, nothing)])]);
    let next = operations(effects);
    let effects = b.turn([Input::Applied(vec![(next[0].id, Outcome::NotAsExpected)])]);
    assert_eq!(asked(&effects), ["d", "d/f"]);
    b.now.mono_ms += 10;
    let gone = looks(Source::Scan, &[("d", None), ("d/f", None)]);
    b.turn([Input::Observed(b.now.mono_ms + 1, gone)]);
    assert_eq!(b.index.seen_rows().count(), 1, "the root");
}

// Story (simulator, seed 1035): a directory was seen to be another one, in a look that did not
// count, and nobody looked again: what was in it was put off and asked for, for ever.
#[test]
fn with_what_is_put_off_its_directory_is_asked_for() {
    let mut side = Side::new(1);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    let other = looks(Source::Live, &[("d", Some(present(Kind::Dir, 5, None)))]);
    assert_eq!(asked(&side.turn([Input::Observed(1, other)])), ["d"], "it is too old");
    side.now.mono_ms += 10;
    let inside = looks(Source::Live, &[("d/f", None)]);
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, inside)]);
    assert_eq!(asked(&effects), ["d", "d/f"]);
}

// Story (simulator, seed 6429): a user exchanged two files while their names were looked at, and
// one was seen at both. It was taken for one file of two names: what a peer had put against the one
// was no conflict, for the other had it, and when that had other bytes these were nowhere.
#[test]
fn a_file_of_one_name_that_was_seen_at_two_is_looked_at_again() {
    let seen = |alone| {
        let mut side = Side::new(1);
        let file = |handle, letter| Present { alone, ..present(Kind::File, handle, Some(letter)) };
        let tree = [("b", Some(file(4, b'1'))), ("d", Some(file(5, b'2')))];
        side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &tree))]);
        side.now.mono_ms += 10;
        let raced = [("b", Some(file(4, b'1'))), ("d", Some(file(4, b'1')))];
        let effects =
            side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &raced))]);
        let bodies = side.index.entries().filter(|stored| view::is_body(&stored.entry)).count();
        (asked(&effects), bodies)
    };
    assert_eq!(seen(true), (vec!["b".to_owned(), "d".to_owned()], 0));
    assert_eq!(seen(false), (vec![], 1), "of a file of several names it is no news");
}

// Story (simulator, seed 820): a directory in which another had been seen to be replaced was itself
// replaced by a file. Of the inner one no look could tell any more, and the look that told of the
// outer one was put off for it, for ever.
#[test]
fn a_directory_that_is_replaced_takes_along_what_was_put_off_below_it() {
    let mut side = Side::new(1);
    let dir = |handle| Some(present(Kind::Dir, handle, None));
    let file = Some(present(Kind::File, 6, Some(b'1')));
    let tree = [("d", dir(4)), ("d/e", dir(5)), ("d/e/f", file.clone())];
    side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &tree))]);
    side.turn([Input::Observed(1, looks(Source::Live, &[("d/e", dir(7))]))]);
    side.now.mono_ms += 10;
    let other = Some(present(Kind::File, 8, Some(b'2')));
    let moved = [("d", other), ("d/e/f", None), ("f", file)];
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Scan, &moved))]);
    assert_eq!(asked(&effects), [""; 0]);
    assert!(!side.engine.has_deferred_looks());
}

// Story (simulator, seed 348 with `apart=60`): the same, and that file was being written to. Then
// a look tells of the outer name alone, and with each that came the inner was asked for again:
// without a pause, for as long as somebody wrote.
#[test]
fn what_is_below_a_name_that_is_written_to_is_not_asked_for_again_and_again() {
    let mut side = Side::new(1);
    let dir = |handle| Some(present(Kind::Dir, handle, None));
    let tree = [("d", dir(4)), ("d/e", dir(5))];
    side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &tree))]);
    let early = side.turn([Input::Observed(1, looks(Source::Live, &[("d/e", dir(7))]))]);
    assert_eq!(asked(&early), ["d/e"]);
    side.now.mono_ms += 10;
    let path = RelPath::parse(b"d").expect("a path");
    let looks = vec![Observation { path, found: Found::Busy(None) }];
    let busy = Batch { source: Source::Live, looks };
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, busy)]);
    assert_eq!(asked(&effects), [""; 0]);
    assert!(!side.engine.has_deferred_looks());
}

// Story (simulator, seed 22497): the same, and a file had been moved out of the inner directory
// before all was removed. With each look at its new place came one at the old, which waited for a
// look at the inner directory: without a pause, for as long as somebody wrote.
#[test]
fn what_was_moved_out_of_what_is_written_to_as_a_file_is_where_it_was_found() {
    let mut side = Side::new(1);
    let dir = |handle| Some(present(Kind::Dir, handle, None));
    let file = |handle| Some(present(Kind::File, handle, Some(b'1')));
    let tree = [("d", dir(4)), ("d/e", dir(5)), ("d/e/x", file(6)), ("d/y", file(7))];
    side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &tree))]);
    let early = side.turn([Input::Observed(1, looks(Source::Live, &[("d/e", None)]))]);
    assert_eq!(asked(&early), ["d/e"]);
    side.now.mono_ms += 10;
    let shown = [("d/e/x", None), ("d/y", None), ("x", file(6))];
    let mut batch = looks(Source::Live, &shown);
    let path = RelPath::parse(b"d").expect("a path");
    batch.looks.push(Observation { path, found: Found::Busy(None) });
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, batch)]);
    let at = |path: &str| observe::row_at(&side.index, &RelPath::parse(path.as_bytes()).unwrap());
    assert!(at("d/e/x").is_none() && at("x").is_some(), "it was moved");
    assert!(at("d/y").is_some(), "it goes with its directory, or is where that went");
    assert_eq!(asked(&effects), ["d/e/x", "d/y"], "what is there is looked at once more");
    assert!(!side.engine.has_deferred_looks());
}

// Story (simulator, seed 22497): what had been seen gone from a directory just before was asked for
// each second for as long as somebody wrote to the file in its place.
#[test]
fn what_is_gone_and_not_told_of_is_asked_for_ever_more_rarely() {
    let mut side = with_a_contested_file_gone(1);
    let mut asked_ms = Vec::new();
    for _ in 0..300 {
        side.now.mono_ms += 100;
        if !asked(&side.turn([Input::Tick])).is_empty() {
            asked_ms.push(side.now.mono_ms);
        }
    }
    let pauses = asked_ms.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000);
    assert_eq!(pauses.collect::<Vec<u64>>(), [1, 1, 2, 4, 5, 5, 5, 5]);
}

// Story (simulator, seed 1273): a directory was renamed while its old and its new place were looked
// at, and seen at both. It got two rows, what was in it was known below one of them, and went with
// it when that place was found empty: a file that stood there was in no index.
#[test]
fn a_directory_that_was_seen_at_two_places_is_looked_at_again() {
    let mut side = Side::new(1);
    let dir = || Some(present(Kind::Dir, 4, None));
    let file = Some(present(Kind::File, 5, Some(b'1')));
    let tree = [("d", dir()), ("d/f", file)];
    side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, &tree))]);
    let raced = [("d", None), ("e", dir()), ("f", dir()), ("f/f", None)];
    let raced = looks(Source::Live, &raced);
    let effects = side.turn([Input::Observed(side.now.mono_ms + 1, raced)]);
    assert_eq!(asked(&effects), ["d", "e", "f", "f/f"]);
    side.now.mono_ms += 10;
    let calm = looks(Source::Live, &[("d", None), ("e", None), ("f", dir())]);
    side.turn([Input::Observed(side.now.mono_ms + 1, calm)]);
    let at = RelPath::parse(b"f/f").expect("a path");
    assert!(observe::row_at(&side.index, &at).is_some(), "{:?}", side.index);
    assert_eq!(side.index.seen_rows().count(), 3);
}

// Story (simulator, seeds 6497, 6570 and 9617): a program wrote into a file that was being renamed
// for a peer. The kernel told of it at the old name; when somebody looked there the file was gone,
// and nobody looked at the new one. A mode set at that moment was even taken for what was known,
// and set back.
#[test]
fn what_was_changed_under_a_rename_for_a_peer_is_found_at_the_new_name() {
    let (mut a, mut b, file) = with_a_file("f");
    let moved = looks(Source::Live, &[("f", None), ("g", Some(file.clone()))]);
    let heard = said(a.turn([Input::Observed(a.now.mono_ms + 1, moved)]));
    let rename = operations(b.hear(1, heard));
    assert!(matches!(rename[..], [Operation { act: Act::Move { .. }, .. }]), "{rename:?}");
    let mut changed = present(Kind::File, 9, Some(b'2'));
    changed.attributes.mode = 0o600;
    let attributes = changed.attributes.clone();
    let now = Present { attributes, ..file };
    assert_eq!(asked(&b.turn([Input::Applied(vec![(rename[0].id, done(now))])])), ["g"]);
    let row = observe::row_at(&b.index, &RelPath::parse(b"g").expect("a path")).expect("moved");
    assert_eq!(row.fingerprint.ctime, Timestamp::default(), "after a kill a scan finds it");
    b.now.mono_ms += 10;
    let said = b.look(Source::Live, "g", Found::Present(changed));
    let frame = said.iter().find_map(|message| match message {
        Message::Frame(frame) => Some(frame),
        _ => None,
    });
    let entry = &frame.expect("it is an edit, and a change of its mode").entries[0];
    let (data, mode) = (view::winner(&entry.data), entry.mode.versions());
    let content = Content::File(Digest([b'2'; 32]), u64::from(b'2'));
    assert_eq!(data.map(|data| &data.content), Some(&content));
    assert_eq!(mode.iter().map(|mode| mode.value.value).collect::<Vec<_>>(), [0o600]);
}

// Story (simulator, seed 603): a user moved a directory into another one, which was being renamed
// for a peer. The kernel told of the new place, under the old name of that other one: who went to
// walk it found nothing, and a file that had just been made in it was in no index.
#[test]
fn a_renamed_directory_that_was_carried_on_is_looked_into_where_it_is() {
    for is_late in [true, false] {
        let (mut a, mut b) = with_a_directory();
        b.look(Source::Live, "e", Found::Present(present(Kind::Dir, 5, None)));
        let dir = |handle| Some(present(Kind::Dir, handle, None));
        let heard = looks(Source::Live, &[("d", None), ("x", dir(4))]);
        let heard = said(a.turn([Input::Observed(a.now.mono_ms + 1, heard)]));
        let see = |b: &mut Side, at: &str| {
            b.now.mono_ms += 10;
            let seen = looks(Source::Live, &[("e", None), (at, dir(5))]);
            inside(&b.turn([Input::Observed(b.now.mono_ms + 1, seen)]))
        };
        if !is_late {
            assert_eq!(see(&mut b, "d/e"), [""; 0], "it is walked where the kernel told of it");
        }
        let carry = operations(b.hear(1, heard));
        let carried = done(present(Kind::Dir, 4, None));
        let asked = inside(&b.turn([Input::Applied(vec![(carry[0].id, carried)])]));
        let asked = if is_late { see(&mut b, "x/e") } else { asked };
        assert_eq!(asked, ["x/e"]);
    }
}

// Story (simulator, seed 2846): a user made a file in a directory, and swapped the one above for a
// symlink and back. The kernel had that one walked, which covered the file; meanwhile the inner
// directory was moved out of it for a peer, and the file was in no index.
#[test]
fn a_directory_that_was_carried_away_from_a_walk_is_looked_into_where_it_is() {
    for is_late in [true, false] {
        let (mut a, mut b) = with_a_directory();
        let moved = looks(Source::Live, &[("d", None), ("x", Some(present(Kind::Dir, 4, None)))]);
        let heard = said(a.turn([Input::Observed(a.now.mono_ms + 1, moved)]));
        let carry = operations(b.hear(1, heard));
        b.now.mono_ms += 10;
        let walk = Input::Observed(b.now.mono_ms, looks(Source::Scan, &[("d", None)]));
        let carried = done(present(Kind::Dir, 4, None));
        let carried = Input::Applied(vec![(carry[0].id, carried)]);
        let inputs = if is_late { [carried, walk] } else { [walk, carried] };
        let asked: Vec<String> =
            inputs.into_iter().flat_map(|input| inside(&b.turn([input]))).collect();
        assert_eq!(asked, ["x"], "late: {is_late}");
        b.now.mono_ms += 10;
        let later = Input::Observed(b.now.mono_ms, looks(Source::Scan, &[("d", None)]));
        assert_eq!(inside(&b.turn([later])), [""; 0], "a walk that began since saw all");
    }
}
