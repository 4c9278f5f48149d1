//! Each act where nobody interferes: done as asked, or refused with nothing changed.

use super::bed::{attributes, bed, done, when};
use crate::apply::Step;
use crate::fs::{Fs, On};
use crate::stage::digest_of;
use engine::content::Content;
use engine::entry::Kind;
use engine::path::{Name, RelPath};
use engine::plan::{Act, Expected, Outcome, Retire};
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

fn mtime(path: &std::path::Path) -> (i64, i64) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.mtime(), meta.mtime_nsec())
}

#[test]
pub(super) fn a_new_file_gets_content_mode_and_time_and_its_directory_keeps_its_own_time() {
    let mut bed = bed();
    let before = mtime(&bed.root);
    let act = bed.install("a", Expected::Nothing, b"hello");
    let now = done(bed.run(act));
    assert_eq!(bed.read("a"), b"hello");
    assert_eq!(now[0].attributes, attributes(0o640));
    assert_eq!(mtime(&bed.path("a")), (when().seconds, 123_456_789));
    assert_eq!(std::fs::metadata(bed.path("a")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(mtime(&bed.root), before);
    let Expected::Exactly { fingerprint, content, .. } = bed.seen("a") else { panic!() };
    assert_eq!((&now[0].fingerprint, &now[0].content), (&fingerprint, &content));
    assert!(bed.staging().is_empty());
}

#[test]
pub(super) fn a_create_where_something_is_changes_nothing_and_keeps_what_was_staged() {
    let mut bed = bed();
    bed.write("a", b"theirs");
    let act = bed.install("a", Expected::Nothing, b"ours");
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    assert_eq!(bed.read("a"), b"theirs");
    assert_eq!(bed.apply.stage().complete(), vec![digest_of(b"ours")]);
}

/// A content was dressed for a place where something else stood, given back to the stage, and then
/// installed elsewhere: it kept an extended attribute that nobody had asked for there, and the next
/// scan took it for a user's (found by the simulator).
#[test]
fn a_content_that_was_given_back_brings_no_attributes_to_its_next_place() {
    let mut bed = bed();
    bed.write("a", b"theirs");
    let mut act = bed.install("a", Expected::Nothing, b"ours");
    let Act::Install { attributes: asked, content, .. } = &mut act else { panic!() };
    asked.xattrs.insert(b"user.x".to_vec(), b"1".to_vec());
    let content = content.clone();
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    let now = done(bed.run(bed.install_content("b", Expected::Nothing, content)));
    assert_eq!(now[0].attributes, attributes(0o640));
    let root = bed.fs.open_root(&bed.root).unwrap();
    let file = bed.fs.open_file(&root, &bed.place("b").name).unwrap();
    assert!(bed.fs.xattrs(On::File(&file)).unwrap().is_empty());
}

/// The machine refused to put a content in place, and then to put it back into the stage: it was
/// staged no more, and by the time it was asked for again nobody else had it (found by the
/// simulator).
#[test]
fn a_content_that_could_not_be_given_back_is_found_again() {
    let mut bed = bed();
    bed.write("a", b"theirs");
    let act = bed.install("a", Expected::Nothing, b"ours");
    // A directory has the name that the content is to get back.
    let name = bed.state.join("stage").join(digest_of(b"ours").to_string());
    let at = name.clone();
    let in_the_way = move || std::fs::create_dir(&at).unwrap();
    let blocked = bed.run_with(act.clone(), Step::Durable, in_the_way);
    assert_eq!(blocked, Outcome::NotAsExpected);
    assert!(bed.apply.stage().complete().is_empty());
    std::fs::remove_dir(&name).unwrap();
    std::fs::remove_file(bed.path("a")).unwrap();
    done(bed.run(act));
    assert_eq!(bed.read("a"), b"ours");
}

/// The machine refused to open what had been taken out of the stage, and it was not given back: it
/// was staged no more, and its author had lost it (found by the simulator, seed 1275, `power=60`).
#[test]
fn a_content_that_could_not_be_dressed_stays_staged() {
    let mut bed = bed();
    let act = bed.install("a", Expected::Nothing, b"ours");
    let mut odd = act.clone();
    let Act::Install { attributes: asked, .. } = &mut odd else { panic!() };
    asked.xattrs.insert(b"user.x".to_vec(), vec![0; 100_000]);
    let outcome = bed.run(odd);
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert_eq!(bed.apply.stage().complete().len(), 1);
    done(bed.run(act));
    assert_eq!(bed.read("a"), b"ours");
}

#[test]
pub(super) fn a_replaced_file_lies_in_the_trash_with_its_path() {
    let mut bed = bed();
    bed.write("a b\nc", b"old");
    let act = bed.install("a b\nc", bed.seen("a b\nc"), b"new");
    done(bed.run(act));
    assert_eq!(bed.read("a b\nc"), b"new");
    assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
    let items = bed.apply.trash().list().unwrap();
    let line = items[0].line.clone().unwrap();
    assert_eq!(line.path, RelPath::parse(b"a b\nc").unwrap());
    assert_eq!(line.expected, Some(digest_of(b"old")));
}

#[test]
pub(super) fn a_replaced_file_that_lost_a_conflict_is_kept_and_can_be_released() {
    let mut bed = bed();
    bed.write("a", b"loser");
    let mut act = bed.install("a", bed.seen("a"), b"winner");
    if let Act::Install { retire, .. } = &mut act {
        *retire = Retire::Keep;
    }
    done(bed.run(act));
    assert_eq!(bed.kept_bytes(), vec![b"loser".to_vec()]);
    done(bed.run(Act::Release { digest: digest_of(b"loser"), of: RelPath::parse(b"a").unwrap() }));
    assert!(bed.kept_bytes().is_empty());
    assert_eq!(bed.trash_bytes(), vec![b"loser".to_vec()]);
    // It lay there under no path at all, and a conflict ended without a trace of where it had been.
    let line = bed.apply.trash().list().unwrap()[0].line.clone().unwrap();
    assert_eq!(line.path, RelPath::parse(b"a").unwrap());
}

#[test]
pub(super) fn a_replacement_of_what_changed_since_is_refused() {
    let mut bed = bed();
    bed.write("a", b"old");
    let expected = bed.seen("a");
    bed.write("a", b"newer");
    let act = bed.install("a", expected, b"ours");
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    assert_eq!(bed.read("a"), b"newer");
}

#[test]
pub(super) fn a_file_that_a_program_holds_open_for_writing_is_busy_and_names_it() {
    let mut bed = bed();
    bed.write("a", b"old");
    let act = bed.install("a", bed.seen("a"), b"new");
    let writer = std::fs::OpenOptions::new().append(true).open(bed.path("a")).unwrap();
    let outcome = bed.run(act.clone());
    let Outcome::Busy(Some(who)) = outcome else { panic!("{outcome:?}") };
    assert!(who.contains(&format!("(pid {})", std::process::id())), "{who}");
    assert_eq!(bed.read("a"), b"old");
    drop(writer);
    done(bed.run(act));
    assert_eq!(bed.read("a"), b"new");
}

#[test]
pub(super) fn content_that_is_not_staged_is_said_to_be_missing() {
    let mut bed = bed();
    let content = Content::File(digest_of(b"nowhere"), 7);
    let act = bed.install_content("a", Expected::Nothing, content);
    assert_eq!(bed.run(act), Outcome::NotStaged);
    assert!(!bed.path("a").exists());
}

#[test]
pub(super) fn one_staged_content_serves_a_whole_batch_and_empty_content_needs_no_staging() {
    let mut bed = bed();
    let content = bed.stage(b"same");
    let mut acts: Vec<Act> = ["a", "b", "c"]
        .iter()
        .map(|name| bed.install_content(name, Expected::Nothing, content.clone()))
        .collect();
    let empty = Content::File(digest_of(b""), 0);
    acts.push(bed.install_content("empty", Expected::Nothing, empty));
    bed.run_all(acts).into_iter().for_each(|outcome| assert_eq!(done(outcome).len(), 1));
    for name in ["a", "b", "c"] {
        assert_eq!(bed.read(name), b"same");
        assert_eq!(std::fs::metadata(bed.path(name)).unwrap().nlink(), 1);
    }
    assert_eq!(bed.read("empty"), b"");
}

#[test]
pub(super) fn symlinks_are_made_and_replaced_and_never_followed() {
    let mut bed = bed();
    bed.write("target", b"safe");
    let link = |to: &[u8]| Content::Link(to.into());
    let mut act = bed.install_content("l", Expected::Nothing, link(b"target"));
    if let Act::Install { attributes, .. } = &mut act {
        attributes.mode = 0o777;
    }
    let now = done(bed.run(act));
    assert_eq!(now[0].kind, Kind::Symlink);
    let act = bed.install("l", bed.seen("l"), b"now a file");
    done(bed.run(act));
    assert_eq!(bed.read("l"), b"now a file");
    assert_eq!(bed.read("target"), b"safe");
}

#[test]
pub(super) fn a_file_replaces_an_empty_directory_and_not_a_full_one() {
    let mut bed = bed();
    std::fs::create_dir_all(bed.path("empty")).unwrap();
    std::fs::create_dir_all(bed.path("full")).unwrap();
    bed.write("full/x", b"x");
    let acts = vec![
        bed.install("empty", bed.seen("empty"), b"1"),
        bed.install("full", bed.seen("full"), b"2"),
    ];
    let mut outcomes = bed.run_all(acts);
    assert_eq!(outcomes.pop(), Some(Outcome::NotAsExpected));
    done(outcomes.remove(0));
    assert_eq!(bed.read("empty"), b"1");
    assert_eq!(bed.read("full/x"), b"x");
    assert_eq!(bed.apply.stage().complete(), vec![digest_of(b"2")]);
}

#[test]
pub(super) fn directories_are_made_with_their_time_and_removed_only_when_empty() {
    let mut bed = bed();
    let wanted = attributes(0o2750);
    let now = done(bed.run(Act::MakeDir { at: bed.place("d"), attributes: wanted.clone() }));
    assert_eq!(now[0].attributes, wanted);
    let act = bed.install("d/f", Expected::Nothing, b"x");
    done(bed.run(act));
    assert_eq!(mtime(&bed.path("d")), (when().seconds, 123_456_789));
    assert_eq!(bed.run(bed.remove("d")), Outcome::NotAsExpected);
    done(bed.run(bed.remove("d/f")));
    assert!(done(bed.run(bed.remove("d"))).is_empty());
    assert!(!bed.path("d").exists());
    assert_eq!(bed.trash_bytes(), vec![b"x".to_vec()]);
}

#[test]
pub(super) fn a_directory_that_is_another_one_now_is_not_entered() {
    let mut bed = bed();
    std::fs::create_dir(bed.path("d")).unwrap();
    let act = bed.install("d/f", Expected::Nothing, b"x");
    std::fs::rename(bed.path("d"), bed.path("e")).unwrap();
    std::fs::create_dir(bed.path("d")).unwrap();
    assert_eq!(bed.run(act.clone()), Outcome::NotAsExpected);
    std::fs::remove_dir(bed.path("d")).unwrap();
    symlink("e", bed.path("d")).unwrap();
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    assert_eq!(std::fs::read_dir(bed.path("e")).unwrap().count(), 0);
}

#[test]
pub(super) fn moves_keep_the_inode_and_refuse_a_taken_name() {
    let mut bed = bed();
    bed.write("a", b"a");
    bed.write("taken", b"t");
    let (from, expected) = (bed.place("a"), bed.seen("a"));
    let to_taken =
        Act::Move { from: from.clone(), expected: expected.clone(), to: bed.place("taken") };
    assert_eq!(bed.run(to_taken), Outcome::NotAsExpected);
    let now = done(bed.run(Act::Move { from, expected, to: bed.place("b") }));
    assert_eq!((bed.read("b"), bed.read("taken")), (b"a".to_vec(), b"t".to_vec()));
    let Expected::Exactly { fingerprint, .. } = bed.seen("b") else { panic!() };
    assert_eq!(now[0].fingerprint, fingerprint);
}

#[test]
pub(super) fn two_directories_change_places_with_all_that_is_in_them() {
    let mut bed = bed();
    for name in ["p", "q"] {
        std::fs::create_dir(bed.path(name)).unwrap();
        bed.write(&format!("{name}/{name}"), b"");
    }
    let (a, b) = (bed.place("p"), bed.place("q"));
    let (a_expected, b_expected) = (bed.seen("p"), bed.seen("q"));
    assert_eq!(done(bed.run(Act::Exchange { a, a_expected, b, b_expected })).len(), 2);
    assert!(bed.path("p/q").exists() && bed.path("q/p").exists());
}

/// The other half of seed 10978 (see `link`): a move that was done and could not be looked at was
/// told as not done, and what its name showed from then on would have counted as a user's.
#[test]
pub(super) fn what_cannot_be_looked_at_after_it_moved_is_where_it_was() {
    let mut bed = bed();
    bed.write("a", b"a");
    bed.write("b", b"b");
    // A file cannot be opened as the directory it is taken for.
    let Expected::Exactly { fingerprint, .. } = bed.seen("a") else { panic!() };
    let expected = Expected::Exactly { kind: Kind::Dir, fingerprint, content: None, soft: false };
    let (from, to) = (bed.place("a"), bed.place("c"));
    let moved = bed.run(Act::Move { from: from.clone(), expected: expected.clone(), to });
    assert!(!matches!(moved, Outcome::Done { .. }), "{moved:?}");
    assert_eq!((bed.read("a"), bed.path("c").exists()), (b"a".to_vec(), false));
    let (b, b_expected) = (bed.place("b"), bed.seen("b"));
    let swapped = bed.run(Act::Exchange { a: from, a_expected: expected, b, b_expected });
    assert!(!matches!(swapped, Outcome::Done { .. }), "{swapped:?}");
    assert_eq!((bed.read("a"), bed.read("b")), (b"a".to_vec(), b"b".to_vec()));
}

#[test]
pub(super) fn attributes_are_set_and_what_the_user_changed_since_stays() {
    let mut bed = bed();
    bed.write("a", b"x");
    let mut wanted = attributes(0o4711);
    wanted.xattrs.insert(b"user.k".to_vec(), b"v".to_vec());
    let set = |bed: &super::bed::Bed, expected| {
        let attributes = wanted.clone();
        Act::SetAttributes { at: Some(bed.place("a")), expected, attributes }
    };
    let stale = bed.seen("a");
    let act = set(&bed, stale.clone());
    let now = done(bed.run(act));
    assert_eq!(now[0].attributes, wanted);
    assert!(!now[0].soft, "a small file is read again");
    let again = set(&bed, stale);
    assert_eq!(bed.run(again), Outcome::NotAsExpected, "its change time has moved since");
    bed.set_xattr("a", b"user.other", b"1");
    let act = set(&bed, bed.seen("a"));
    assert_eq!(done(bed.run(act))[0].attributes, wanted, "what is not wanted is removed");
}

/// A user changed the mode of what had just been dressed, before it was looked at: it was taken for
/// what the disk had made of our attributes, and was never seen again. (Seeds 331, 577, 1205 and
/// 1655 of the simulator.)
#[test]
pub(super) fn a_mode_that_a_user_sets_right_after_us_is_still_to_be_seen() {
    let mut bed = bed();
    std::fs::create_dir(bed.path("d")).unwrap();
    bed.write("f", b"x");
    let set = |bed: &super::bed::Bed, path: &str| {
        let (at, expected) = (Some(bed.place(path)), bed.seen(path));
        Act::SetAttributes { at, expected, attributes: attributes(0o711) }
    };
    let (dir, file) = (set(&bed, "d"), set(&bed, "f"));
    let make = Act::MakeDir { at: bed.place("made"), attributes: attributes(0o711) };
    let install = bed.install("new", Expected::Nothing, b"y");
    let acts = [("d", dir, 0o711), ("f", file, 0o711), ("made", make, 0o711)];
    for (path, act, mode) in acts.into_iter().chain([("new", install, 0o640)]) {
        let at = bed.path(path);
        let chmod = move || {
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o700)).unwrap();
        };
        let now = done(bed.run_with(act, Step::Swapped, chmod));
        assert_eq!(now[0].attributes, attributes(mode), "{path} as it was dressed");
        let Expected::Exactly { fingerprint, .. } = bed.seen(path) else { panic!() };
        assert_ne!(now[0].fingerprint, fingerprint, "{path} differs from what is there");
    }
    assert!(bed.staging().is_empty(), "{:?}", bed.staging());
}

/// The same with an extended attribute of what had just been installed: it went down in the index
/// with the time of that change and without it, and no look found it. (Simulator, seed 1590.)
#[test]
pub(super) fn an_extended_attribute_that_a_user_sets_right_after_us_is_still_to_be_seen() {
    let mut bed = bed();
    let (fs, root) = (bed.fs.clone(), bed.root.clone());
    let set = move || {
        let root = fs.open_root(&root).unwrap();
        let file = fs.open_file(&root, &Name::new(b"new").unwrap()).unwrap();
        fs.set_xattr(On::File(&file), b"user.x", b"1").unwrap();
    };
    let install = bed.install("new", Expected::Nothing, b"y");
    let now = done(bed.run_with(install, Step::Swapped, set));
    assert_eq!(now[0].attributes.xattrs, Default::default());
    let Expected::Exactly { fingerprint, .. } = bed.seen("new") else { panic!() };
    assert_ne!(now[0].fingerprint, fingerprint, "it differs from what is there");
}

#[test]
pub(super) fn the_root_and_directories_take_attributes_by_handle() {
    let mut bed = bed();
    let root = bed.fs.open_root(&bed.root).unwrap();
    let fingerprint = bed.fs.stat_dir(&root).unwrap().fingerprint();
    let expected = Expected::Exactly { kind: Kind::Dir, fingerprint, content: None, soft: false };
    let act = Act::SetAttributes { at: None, expected, attributes: attributes(0o755) };
    let create = bed.install("later", Expected::Nothing, b"x");
    bed.run_all(vec![act, create]).into_iter().for_each(|outcome| drop(done(outcome)));
    assert_eq!(mtime(&bed.root), (when().seconds, 123_456_789));
}

#[test]
pub(super) fn staged_content_is_kept_on_demand() {
    let mut bed = bed();
    bed.stage(b"loser from afar");
    let digest = digest_of(b"loser from afar");
    done(bed.run(Act::Keep { digest }));
    done(bed.run(Act::Keep { digest }));
    assert_eq!(bed.kept_bytes(), vec![b"loser from afar".to_vec()]);
}

// Story (simulator, power=60, seed 1568): a file that lost was torn in the conflict store by a
// power loss. It came again from a peer, was not put there because something was, and could not be
// given to anybody: two nodes waited for it for ever.
#[test]
fn what_is_torn_in_the_conflict_store_makes_way_for_what_is_whole() {
    let digest = digest_of(b"loser");
    for staged in [true, false] {
        let mut bed = bed();
        std::fs::write(bed.state.join("kept").join(digest.to_string()), b"los").unwrap();
        if staged {
            bed.stage(b"loser");
            done(bed.run(Act::Keep { digest }));
        } else {
            assert_eq!(bed.run(Act::Keep { digest }), Outcome::NotStaged);
            bed.write("a", b"loser");
            let mut act = bed.remove("a");
            if let Act::Remove { retire, .. } = &mut act {
                *retire = Retire::Keep;
            }
            done(bed.run(act));
        }
        assert_eq!(bed.kept_bytes(), vec![b"loser".to_vec()]);
        assert_eq!(bed.trash_bytes(), vec![b"los".to_vec()]);
    }
}

/// An upload of files and one symlink left its directory with the time of the apply: the look at
/// the new symlink entered the directory once more, and took our own rename for somebody else's
/// change.
#[test]
pub(super) fn a_directory_keeps_its_time_when_a_symlink_is_made_in_it() {
    let mut bed = bed();
    let before = mtime(&bed.root);
    let content = Content::Link(b"target"[..].into());
    let mut act = bed.install_content("l", Expected::Nothing, content);
    if let Act::Install { attributes, .. } = &mut act {
        attributes.mode = 0o777;
    }
    done(bed.run(act));
    assert_eq!(mtime(&bed.root), before);
}
