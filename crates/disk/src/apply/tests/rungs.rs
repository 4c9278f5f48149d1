//! The lower rungs: what holds where names can be exchanged holds where the filesystem knows no
//! exchange, no second names, no leases, no file handles, and on an old kernel.

use super::bed::{bed, done, Bed};
use super::{acts, crashes, hostile};
use crate::apply::{Rung, Step};
use crate::linux::tests::without::{without, Call};
use engine::plan::{Act, Outcome};
use std::ptr::fn_addr_eq;

/// Everything that does not ask for an exchange of two user names or for the name of a writer.
const ALL: &[fn()] = &[
    acts::a_new_file_gets_content_mode_and_time_and_its_directory_keeps_its_own_time,
    acts::a_create_where_something_is_changes_nothing_and_keeps_what_was_staged,
    acts::a_replaced_file_lies_in_the_trash_with_its_path,
    acts::a_replaced_file_that_lost_a_conflict_is_kept_and_can_be_released,
    acts::a_replacement_of_what_changed_since_is_refused,
    acts::content_that_is_not_staged_is_said_to_be_missing,
    acts::one_staged_content_serves_a_whole_batch_and_empty_content_needs_no_staging,
    acts::symlinks_are_made_and_replaced_and_never_followed,
    acts::a_file_replaces_an_empty_directory_and_not_a_full_one,
    acts::directories_are_made_with_their_time_and_removed_only_when_empty,
    acts::a_directory_that_is_another_one_now_is_not_entered,
    acts::moves_keep_the_inode_and_refuse_a_taken_name,
    acts::staged_content_is_kept_on_demand,
    acts::a_directory_keeps_its_time_when_a_symlink_is_made_in_it,
    hostile::bytes_written_between_check_and_exchange_are_kept_and_reported,
    hostile::a_save_by_rename_between_check_and_exchange_is_kept_and_reported,
    hostile::the_same_bytes_written_anew_are_no_news,
    hostile::a_name_taken_between_check_and_create_is_left_alone,
    hostile::a_file_written_to_between_check_and_removal_comes_back,
    hostile::a_file_written_to_while_its_removal_is_undone_and_its_name_taken_is_reported_later,
    hostile::a_move_of_what_was_swapped_in_between_is_undone,
    crashes::before_the_exchange_the_staged_content_is_found_again,
    crashes::after_the_exchange_the_displaced_file_is_certified_by_its_hash_and_retired,
    crashes::bytes_that_nobody_knew_are_kept_and_reported_with_their_path,
    crashes::after_a_crash_numbers_and_trash_go_on,
];

/// What needs leases as well.
const WITH_WRITERS: &[fn()] = &[
    acts::a_file_that_a_program_holds_open_for_writing_is_busy_and_names_it,
    hostile::a_writer_that_opened_after_the_check_gets_its_file_back,
    hostile::a_writer_and_a_newer_file_at_its_name_both_survive,
];

/// Runs them all without these calls, and one replacement that must end on this rung.
fn on(rung: Rung, calls: &[Call], tests: Vec<fn()>) {
    without(calls, move || {
        tests.iter().for_each(|test| test());
        let mut bed = bed();
        bed.write("a", b"old");
        let act = bed.install("a", bed.seen("a"), b"new");
        done(bed.run(act));
        assert_eq!((bed.apply.rung(), bed.read("a")), (rung, b"new".to_vec()));
        assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
    });
}

#[test]
fn without_an_exchange_files_are_replaced_by_way_of_a_second_name() {
    on(Rung::Link, &[Call::Exchange], [ALL, WITH_WRITERS].concat());
}

// Story (simulator, `lacks=1`, 31 of 600 seeds): two names changed places on one node. On another,
// whose filesystem knows no exchange, that was refused, tried again, and refused for ever.
#[test]
fn without_an_exchange_two_names_change_places_all_the_same() {
    without(&[Call::Exchange], || {
        acts::two_directories_change_places_with_all_that_is_in_them();
        let mut bed = bed();
        bed.write("a", b"a");
        std::fs::create_dir(bed.path("d")).unwrap();
        bed.write("d/b", b"b");
        done(bed.run(change_places(&bed, "a", "d/b")));
        assert_eq!((bed.read("a"), bed.read("d/b")), (b"b".to_vec(), b"a".to_vec()));
        assert_eq!(names(&bed), ["a", "d"]);
    });
}

#[test]
fn without_an_exchange_names_that_a_user_takes_meanwhile_are_left_alone() {
    // The name that is free between the first rename and the second, and the one after it.
    for (calls, taken) in [(0, "a"), (1, "b")] {
        without(&[Call::Exchange], move || {
            let mut bed = bed();
            bed.write("a", b"a");
            bed.write("b", b"b");
            let (path, mut met) = (bed.path(taken), 0);
            bed.apply.set_between(Some(Box::new(move |step| {
                if step == Step::Aside {
                    if met == calls {
                        std::fs::write(&path, b"mine").unwrap();
                    }
                    met += 1;
                }
            })));
            let outcome = bed.run(change_places(&bed, "a", "b"));
            assert_eq!(outcome, Outcome::NotAsExpected);
            assert_eq!(bed.read(taken), b"mine");
            let all: Vec<_> = names(&bed).into_iter().map(|name| bed.read(&name)).collect();
            assert!(all.contains(&b"a".to_vec()) && all.contains(&b"b".to_vec()), "{all:?}");
        });
    }
}

fn change_places(bed: &Bed, a: &str, b: &str) -> Act {
    let (a_expected, b_expected) = (bed.seen(a), bed.seen(b));
    Act::Exchange { a: bed.place(a), a_expected, b: bed.place(b), b_expected }
}

fn names(bed: &Bed) -> Vec<String> {
    let all = std::fs::read_dir(&bed.root).unwrap();
    let mut all: Vec<String> =
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    all.sort_unstable();
    all
}

#[test]
fn without_second_names_either_files_step_aside() {
    on(Rung::Aside, &[Call::Exchange, Call::Link], [ALL, WITH_WRITERS].concat());
}

/// As on NFS, and on FUSE filesystems that know no flags. Renames for other nodes are refused there
/// with a reason: none can be made that is sure to overwrite nothing.
#[test]
fn without_any_flag_of_rename_nothing_is_overwritten() {
    let moves: [fn(); 2] = [
        acts::moves_keep_the_inode_and_refuse_a_taken_name,
        hostile::a_move_of_what_was_swapped_in_between_is_undone,
    ];
    let all = [ALL, WITH_WRITERS].concat();
    let rest = all.into_iter().filter(|test| !moves.iter().any(|one| fn_addr_eq(*one, *test)));
    on(Rung::Link, &[Call::Exchange, Call::NoReplace], rest.collect());
    without(&[Call::Exchange, Call::NoReplace], || {
        let mut bed = bed();
        bed.write("a", b"a");
        let (from, expected, to) = (bed.place("a"), bed.seen("a"), bed.place("b"));
        let outcome = bed.run(Act::Move { from, expected, to });
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert_eq!(bed.read("a"), b"a");
    });
}

#[test]
fn without_openat2_statx_and_file_handles_all_holds() {
    let calls = [Call::Openat2, Call::Statx, Call::Handles];
    on(Rung::Exchange, &calls, [ALL, WITH_WRITERS].concat());
}

#[test]
fn without_leases_all_holds_but_who_writes_is_not_known() {
    on(Rung::Exchange, &[Call::Leases], ALL.to_vec());
}
