//! What a crash leaves in staging is told apart at the next start: user bytes are never lost, and
//! what was staged need not come again.

use super::bed::{bed, done, Bed};
use crate::apply::Step;
use crate::stage::digest_of;
use engine::plan::{Act, Expected, Retire};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Stops the program's work at a step, as a kill would: what is in memory is forgotten.
fn crash_at(bed: Bed, act: Act, step: Step) -> Bed {
    stopped_at(bed, act, step).reopen()
}

/// The same before the next start.
fn stopped_at(mut bed: Bed, act: Act, step: Step) -> Bed {
    let crashed =
        catch_unwind(AssertUnwindSafe(|| bed.run_with(act, step, || panic!("crash on purpose"))));
    assert!(crashed.is_err(), "the step was not reached");
    bed
}

/// Killed before the line of what was prepared was written, the next start took our own download
/// for a user's bytes: up to 256 files `recovered-...` appeared in the tree on all nodes.
#[test]
pub(super) fn before_the_exchange_the_staged_content_is_found_again() {
    for step in [Step::Prepared, Step::Durable, Step::Checked] {
        for old in [true, false] {
            let bed = bed();
            let expected = match old {
                true => {
                    bed.write("a", b"old");
                    bed.seen("a")
                }
                false => Expected::Nothing,
            };
            let act = bed.install("a", expected, b"new");
            let mut bed = crash_at(bed, act, step);
            assert_eq!(bed.path("a").exists(), old, "{step:?}");
            assert_eq!(bed.staging(), [digest_of(b"new").to_string()], "{step:?}");
            assert_eq!(bed.apply.stage().complete(), [digest_of(b"new")], "{step:?}");
            assert!(bed.kept_bytes().is_empty() && bed.apply.strays().is_empty(), "{step:?}");
        }
    }
}

/// Found by reading: a power loss may undo the unsynced line, or tear content that was not synced.
#[test]
pub(super) fn what_a_power_loss_leaves_of_prepared_content_is_no_users() {
    let staged = |bed: &Bed| bed.state.join("stage").join(&bed.staging()[0]);
    let bed = bed();
    let act = bed.install("a", Expected::Nothing, b"torn");
    let bed = stopped_at(bed, act, Step::Prepared);
    std::fs::write(staged(&bed), b"to").unwrap();
    let mut bed = bed.reopen();
    assert!(bed.staging().is_empty() && bed.kept_bytes().is_empty());
    assert!(bed.apply.strays().is_empty(), "no user wrote it");
    bed.write("a", b"old");
    let act = bed.install("a", bed.seen("a"), b"new");
    let bed = stopped_at(bed, act, Step::Checked);
    let (name, to) = (staged(&bed), bed.staging()[0].replace("dressed", "swap"));
    std::fs::rename(&name, name.with_file_name(to)).unwrap();
    std::fs::write(bed.state.join("trash/index"), b"").unwrap();
    let mut bed = bed.reopen();
    assert_eq!(bed.apply.stage().complete(), [digest_of(b"new")]);
    assert!(bed.kept_bytes().is_empty() && bed.apply.strays().is_empty());
}

/// Story (simulator, seed 7779): a loser was on its way from the conflict store to the trash when
/// the power went, which tore it. The next start took that for a user's bytes, and showed it.
#[test]
fn what_was_on_its_way_from_the_conflict_store_is_no_news() {
    let bed = bed();
    std::fs::write(bed.state.join("stage/released-7"), b"torn").unwrap();
    let mut bed = bed.reopen();
    assert!(bed.staging().is_empty() && bed.kept_bytes().is_empty());
    assert!(bed.apply.strays().is_empty(), "the tree has not shown it");
    let all = std::fs::read_dir(bed.state.join("trash")).unwrap();
    assert!(all.into_iter().any(|one| std::fs::read(one.unwrap().path()).unwrap() == b"torn"));
}

#[test]
pub(super) fn after_the_exchange_the_displaced_file_is_certified_by_its_hash_and_retired() {
    for step in [Step::Swapped, Step::Verified] {
        let bed = bed();
        bed.write("a", b"old");
        let act = bed.install("a", bed.seen("a"), b"new");
        let mut bed = crash_at(bed, act, step);
        assert_eq!(bed.read("a"), b"new");
        assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
        assert!(bed.apply.strays().is_empty() && bed.kept_bytes().is_empty());
    }
}

/// A conflict's loser went to the trash if we died before it was in the conflict store: the engine
/// took it for kept and listed it, and a month later the trash dropped the only copy.
#[test]
pub(super) fn after_a_crash_the_loser_of_a_conflict_is_kept_and_not_in_the_trash() {
    for step in [Step::Swapped, Step::Verified] {
        for removed in [false, true] {
            let bed = bed();
            bed.write("a", b"loser");
            let mut act = match removed {
                true => bed.remove("a"),
                false => bed.install("a", bed.seen("a"), b"winner"),
            };
            if let Act::Install { retire, .. } | Act::Remove { retire, .. } = &mut act {
                *retire = Retire::Keep;
            }
            let mut bed = crash_at(bed, act, step);
            assert_eq!(bed.kept_bytes(), vec![b"loser".to_vec()], "{step:?} {removed}");
            assert!(bed.trash_bytes().is_empty() && bed.apply.strays().is_empty());
            assert!(bed.staging().is_empty(), "{:?}", bed.staging());
        }
    }
}

#[test]
pub(super) fn bytes_that_nobody_knew_are_kept_and_reported_with_their_path() {
    let bed = bed();
    bed.write("a", b"old");
    let act = bed.install("a", bed.seen("a"), b"new");
    let mut bed = crash_with(bed, act, b"late bytes");
    assert_eq!(bed.kept_bytes(), vec![b"late bytes".to_vec()]);
    let strays = bed.apply.strays();
    assert_eq!(strays.len(), 1);
    assert_eq!(strays[0].path.as_ref().unwrap().to_string(), "a");
}

// Story (simulator, power=60, seed 1146): a file was on its way to the trash when the power went,
// and its bytes had never been synced. What was left of them, zeros, was published as a user's.
#[test]
pub(super) fn what_a_power_loss_blanked_on_its_way_to_the_trash_is_nobodys() {
    for left in [&b""[..], &[0; 3]] {
        let bed = bed();
        bed.write("a", b"old");
        let act = bed.install("a", bed.seen("a"), b"new");
        let mut bed = crash_with(bed, act, left);
        assert_eq!((bed.trash_bytes(), bed.kept_bytes()), (vec![left.to_vec()], vec![]));
        assert!(bed.apply.strays().is_empty());
    }
}

/// Dies right after the exchange, with these bytes in what was displaced.
fn crash_with(mut bed: Bed, act: Act, left: &'static [u8]) -> Bed {
    let state = bed.state.clone();
    let crashed = catch_unwind(AssertUnwindSafe(|| {
        bed.run_with(act, Step::Swapped, move || {
            let stage = std::fs::read_dir(state.join("stage")).unwrap();
            let displaced = stage.map(|e| e.unwrap().path()).find(|p| !p.ends_with("CACHEDIR.TAG"));
            std::fs::write(displaced.unwrap(), left).unwrap();
            panic!("crash on purpose");
        })
    }));
    assert!(crashed.is_err());
    bed.reopen()
}

#[test]
pub(super) fn after_a_crash_numbers_and_trash_go_on() {
    let bed = bed();
    bed.write("a", b"1");
    let act = bed.install("a", bed.seen("a"), b"2");
    let mut bed = crash_at(bed, act, Step::Retired);
    let act = bed.install("a", bed.seen("a"), b"3");
    done(bed.run(act));
    let act = bed.install("b", Expected::Nothing, b"4");
    done(bed.run(act));
    assert_eq!(bed.trash_bytes(), vec![b"1".to_vec(), b"2".to_vec()]);
    assert!(bed.apply.trash().list().unwrap().iter().all(|item| item.line.is_some()));
}
