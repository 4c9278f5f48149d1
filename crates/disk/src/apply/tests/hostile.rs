//! A user who acts between any two of our steps loses no byte.

use super::bed::{bed, done, Bed};
use crate::apply::Step;
use crate::stage::digest_of;
use engine::content::Content;
use engine::plan::{Act, Expected, Outcome, Retire};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

fn append(path: PathBuf, bytes: &'static [u8]) -> impl FnOnce() + Send {
    move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }
}

fn replacement(bed: &Bed) -> Act {
    bed.write("a", b"old");
    bed.install("a", bed.seen("a"), b"new")
}

fn keeping(mut act: Act) -> Act {
    if let Act::Install { retire, .. } = &mut act {
        *retire = Retire::Keep;
    }
    act
}

/// Somebody opens the file before it is displaced, and somebody else puts a newer one at its name
/// after that. Who opened it writes on.
fn written_to_and_replaced(bed: &mut Bed) -> Receiver<File> {
    let (path, again, temporary) = (bed.path("a"), bed.path("a"), bed.path("tmp"));
    let (give, take) = std::sync::mpsc::channel();
    let mut calls = 0;
    bed.apply.set_between(Some(Box::new(move |step| match step {
        Step::Checked => {
            give.send(std::fs::OpenOptions::new().append(true).open(&path).unwrap()).unwrap();
        }
        Step::Swapped if calls == 0 => {
            calls += 1;
            std::fs::write(&temporary, b"newest").unwrap();
            std::fs::rename(&temporary, &again).unwrap();
        }
        _ => {}
    })));
    take
}

#[test]
pub(super) fn bytes_written_between_check_and_exchange_are_kept_and_reported() {
    let mut bed = bed();
    let act = replacement(&bed);
    let path = bed.path("a");
    let outcome = bed.run_with(act, Step::Checked, append(path, b"+line"));
    let Outcome::Done { now, displaced: Some(displaced), .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(bed.read("a"), b"new");
    assert_eq!(bed.kept_bytes(), vec![b"old+line".to_vec()]);
    assert_eq!(displaced.content, Some(Content::File(digest_of(b"old+line"), 8)));
    assert_ne!(now[0].content, displaced.content);
}

// Story (simulator, seed 7001232, coarse clocks): a file was put in place a few milliseconds after
// it had been written elsewhere, and a user wrote other bytes of the same length over it within
// that tick. Its times were as they had been set, and the user's bytes went to the trash as ours.
#[test]
fn an_edit_in_the_tick_of_the_time_that_was_put_in_place_is_kept_and_reported() {
    for (racy_ms, is_racy) in [(u64::MAX, true), (0, false)] {
        let mut bed = bed();
        bed.apply.racy_ms = racy_ms;
        let install = bed.install("a", Expected::Nothing, b"ours");
        let now = done_now(bed.run(install));
        assert_eq!(now.soft, is_racy);
        let expected = Expected::Exactly {
            kind: now.kind,
            fingerprint: now.fingerprint,
            content: now.content,
            soft: now.soft,
        };
        let next = bed.install("a", expected, b"next");
        let path = bed.path("a");
        let same_tick = move || {
            let before = std::fs::metadata(&path).unwrap().modified().unwrap();
            std::fs::write(&path, b"mine").unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_modified(before).unwrap();
        };
        let outcome = bed.run_with(next, Step::Checked, same_tick);
        assert_eq!(bed.kept_bytes() == [b"mine"], is_racy, "{outcome:?}");
    }
}

#[test]
pub(super) fn a_save_by_rename_between_check_and_exchange_is_kept_and_reported() {
    let mut bed = bed();
    let act = replacement(&bed);
    let (temporary, path) = (bed.path("tmp"), bed.path("a"));
    let outcome = bed.run_with(act, Step::Checked, move || {
        std::fs::write(&temporary, b"saved").unwrap();
        std::fs::rename(&temporary, &path).unwrap();
    });
    assert!(matches!(outcome, Outcome::Done { displaced: Some(_), .. }), "{outcome:?}");
    assert_eq!(bed.kept_bytes(), vec![b"saved".to_vec()]);
}

#[test]
pub(super) fn the_same_bytes_written_anew_are_no_news() {
    let mut bed = bed();
    let act = replacement(&bed);
    let path = bed.path("a");
    done(bed.run_with(act, Step::Checked, move || std::fs::write(path, b"old").unwrap()));
    assert_eq!((bed.read("a"), bed.trash_bytes()), (b"new".to_vec(), vec![b"old".to_vec()]));
}

#[test]
pub(super) fn a_writer_that_opened_after_the_check_gets_its_file_back() {
    let mut bed = bed();
    let act = replacement(&bed);
    let path = bed.path("a");
    let (give, take) = std::sync::mpsc::channel();
    let outcome = bed.run_with(act, Step::Checked, move || {
        let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        give.send(file).unwrap();
    });
    let Outcome::Busy(Some(_)) = outcome else { panic!("{outcome:?}") };
    let mut writer = take.recv().unwrap();
    writer.write_all(b"+late").unwrap();
    assert_eq!(bed.read("a"), b"old+late");
    assert_eq!(bed.apply.stage().complete(), vec![digest_of(b"new")]);
    assert_eq!(bed.apply.left_count(), 0);
}

#[test]
pub(super) fn a_writer_and_a_newer_file_at_its_name_both_survive() {
    let mut bed = bed();
    let act = replacement(&bed);
    let take = written_to_and_replaced(&mut bed);
    let outcome = bed.run(act);
    assert!(matches!(outcome, Outcome::Busy(_)), "{outcome:?}");
    assert_eq!(bed.read("a"), b"newest");
    assert_eq!(bed.apply.left_count(), 1);
    bed.apply.revisit().unwrap();
    assert_eq!(bed.apply.left_count(), 1, "its writer is still there");
    take.recv().unwrap().write_all(b"+late").unwrap();
    bed.apply.revisit().unwrap();
    assert_eq!(bed.apply.left_count(), 0);
    let strays = bed.apply.strays();
    assert_eq!(strays[0].path.as_ref().unwrap().to_string(), "a");
    assert_eq!(bed.kept_bytes(), vec![b"old+late".to_vec()]);
}

// Story (simulator, seed 400591): a loser was to be kept when something else was installed over it.
// A user wrote to it in the instant before, and its new bytes could not be put into the conflict
// store at once: they were left for later, and the loser was told to be kept. The bytes were
// published in the end; the loser was nowhere, and all others waited for it for ever.
#[test]
pub(super) fn what_is_found_in_the_place_of_what_was_to_be_kept_tells_that_it_is_not() {
    for (is_kept, unkept) in [(false, Some(digest_of(b"old"))), (true, None)] {
        let mut bed = bed();
        if is_kept {
            bed.write("b", b"old");
            let act = keeping(bed.install("b", bed.seen("b"), b"other"));
            done(bed.run(act));
        }
        let act = keeping(replacement(&bed));
        let take = written_to_and_replaced(&mut bed);
        bed.run(act);
        assert_eq!(bed.apply.left_count(), 1);
        take.recv().unwrap().write_all(b"+late").unwrap();
        bed.apply.revisit().unwrap();
        let strays = bed.apply.strays();
        assert_eq!((strays[0].digest, strays[0].unkept), (digest_of(b"old+late"), unkept));
    }
}

#[test]
pub(super) fn a_name_taken_between_check_and_create_is_left_alone() {
    let mut bed = bed();
    let act = bed.install("a", Expected::Nothing, b"ours");
    let path = bed.path("a");
    let outcome = bed.run_with(act, Step::Checked, move || std::fs::write(path, b"t").unwrap());
    assert_eq!((outcome, bed.read("a")), (Outcome::NotAsExpected, b"t".to_vec()));
}

#[test]
pub(super) fn a_file_written_to_between_check_and_removal_comes_back() {
    let mut bed = bed();
    bed.write("a", b"old");
    let (act, path) = (bed.remove("a"), bed.path("a"));
    let outcome = bed.run_with(act, Step::Checked, append(path, b"+line"));
    assert_eq!((outcome, bed.read("a")), (Outcome::NotAsExpected, b"old+line".to_vec()));
}

#[test]
pub(super) fn a_file_written_to_while_its_removal_is_undone_and_its_name_taken_is_reported_later() {
    let mut bed = bed();
    bed.write("a", b"old");
    let (act, path, again) = (bed.remove("a"), bed.path("a"), bed.path("a"));
    bed.apply.set_between(Some(Box::new(move |step| match step {
        Step::Checked => append(path.clone(), b"+line")(),
        Step::Swapped => std::fs::write(&again, b"newer").unwrap(),
        _ => {}
    })));
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    bed.apply.revisit().unwrap();
    assert_eq!(bed.read("a"), b"newer");
    assert_eq!((bed.apply.strays().len(), bed.kept_bytes()), (1, vec![b"old+line".to_vec()]));
}

#[test]
pub(super) fn a_move_of_what_was_swapped_in_between_is_undone() {
    let mut bed = bed();
    bed.write("a", b"meant");
    let (from, expected, to) = (bed.place("a"), bed.seen("a"), bed.place("b"));
    let (path, other) = (bed.path("a"), bed.path("meant"));
    let act = engine::plan::Act::Move { from, expected, to };
    let outcome = bed.run_with(act, Step::Checked, move || {
        std::fs::rename(&path, other).unwrap();
        std::fs::write(path, b"other").unwrap();
    });
    assert_eq!((outcome, bed.read("a")), (Outcome::NotAsExpected, b"other".to_vec()));
    assert!(!bed.path("b").exists());
}

#[test]
pub(super) fn a_write_in_the_instant_of_setting_the_time_is_still_to_be_seen() {
    let mut bed = bed();
    bed.write("a", b"old");
    let expected = bed.seen("a");
    let attributes = super::bed::attributes(0o644);
    let act = engine::plan::Act::SetAttributes { at: Some(bed.place("a")), expected, attributes };
    let path = bed.path("a");
    let write = move || std::fs::write(path, b"new").unwrap();
    let now = done_now(bed.run_with(act, Step::Checked, write));
    let Expected::Exactly { fingerprint, .. } = bed.seen("a") else { panic!() };
    assert_ne!(now.fingerprint, fingerprint, "the next look must not take it for the known file");
}

fn done_now(outcome: Outcome) -> engine::observe::Present {
    match outcome {
        Outcome::Done { mut now, .. } => now.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
pub(super) fn a_directory_time_set_by_a_user_during_a_batch_is_theirs() {
    let mut bed = bed();
    let (one, two) = (bed.stage(b"1"), bed.stage(b"2"));
    let acts = vec![
        bed.install_content("one", Expected::Nothing, one),
        bed.install_content("two", Expected::Nothing, two),
    ];
    let before = std::fs::metadata(&bed.root).unwrap().modified().unwrap();
    let path = bed.path("user");
    bed.apply.set_between(Some(Box::new(move |step| {
        if step == Step::Done {
            std::fs::write(&path, b"").unwrap();
        }
    })));
    bed.run_all(acts).into_iter().for_each(|outcome| drop(done(outcome)));
    assert_ne!(std::fs::metadata(&bed.root).unwrap().modified().unwrap(), before);
}
