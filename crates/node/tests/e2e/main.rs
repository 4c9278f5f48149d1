//! Real daemons in network namespaces: every promise that only the whole program can keep.
//!
//! One trial a promise; what it needs and the machine lacks is printed and counted as ignored.
//! `cargo e2e [FILTER]` runs it; `E2E_KEEP=DIR` keeps logs, homes and trees of trials that fail;
//! `E2E_PROGRAM=FILE` tries another build of the program.

mod absence;
mod barrier;
mod cut;
mod faults;
mod grow;
mod joins;
mod journey;
mod lab;
mod node;
mod notice;
mod putback;
mod refusals;
mod roots;
mod tree;
mod volumes;
mod writers;

use libtest_mimic::{Arguments, Trial};

use lab::{Lack, Outcome};

/// One at a time: a program started for one trial would for a moment hold files that another has
/// open for writing, and a daemon rightly waits for those.
const THREADS: usize = 1;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let lack = lab::lack();
    let network = |name, run| trial(name, &lack, run);
    let images = lack.clone().or_else(lab::no_images);
    let volume = |name, run| trial(name, &images, run);
    let listing = arguments.list;
    let wordpress = match (&lack, listing) {
        (None, false) => grow::wordpress().err().map(|why| format!("Debian's wordpress: {why}")),
        (lack, _) => lack.clone(),
    };
    let trials = vec![
        network("a_site_stays_the_same_on_three_machines", journey::site),
        trial("wordpress_is_the_same_on_three_machines", &wordpress, journey::wordpress),
        network("directories_moved_at_once_arrive_with_all_in_them", journey::moved_at_once),
        network("directories_that_change_places_keep_all_in_them", journey::flipped),
        network("what_is_waited_for_can_be_read_on_the_others", barrier::write_wait_read),
        network("wait_does_not_return_while_a_member_cannot_apply", barrier::held_up),
        network("wait_alone_is_no_success", barrier::nobody_there),
        network("a_stopped_node_misses_nothing_and_revives_nothing", absence::stopped_and_back),
        network("kill_9_under_load_loses_nothing", absence::killed_under_load),
        network("what_was_complete_is_not_sent_again_after_a_kill", absence::nothing_sent_twice),
        network("a_large_content_goes_on_where_it_was_cut", absence::goes_on_where_it_was_cut),
        network("a_cut_ends_with_one_winner_and_a_readable_loser", cut::one_winner),
        network("a_chain_of_three_converges", cut::chain),
        network("nodes_with_the_same_tree_join_without_content", joins::same_tree),
        network("nodes_with_different_trees_end_with_the_union", joins::union),
        network("bad_codes_let_nobody_in", refusals::codes),
        network("bad_places_are_no_folders", refusals::places),
        network("bad_homes_run_no_daemon", refusals::daemons),
        network("strangers_change_nothing", refusals::strangers),
        network("a_missing_root_stops_its_folder", roots::missing),
        network("a_new_empty_root_stops_its_folder", roots::emptied),
        network("a_cleared_root_stops_its_folder", roots::cleared),
        network("a_foreign_root_stops_its_folder", roots::foreign),
        network("a_root_that_is_displaced_stops_its_folder_and_nobody_lies", roots::displaced),
        network("events_alone_tell_of_changes_by_fanotify", notice::fanotify),
        network("events_alone_tell_of_changes_by_inotify", notice::inotify),
        network("too_few_watches_leave_nothing_unnoticed", notice::short_of_watches),
        network("verify_finds_what_was_planted_while_paused", notice::verify),
        volume("verify_finds_a_byte_that_flipped_on_the_disk", volumes::rotten),
        volume("wait_does_not_return_while_an_apply_worker_hangs", volumes::frozen),
        network("a_full_disk_holds_up_one_node_and_loses_nothing", volumes::full),
        network("a_full_home_stops_its_folder_and_loses_nothing", volumes::full_home),
        volume("a_read_only_disk_holds_up_one_node_and_loses_nothing", volumes::read_only),
        network("a_node_that_was_put_back_gives_no_dot_twice", putback::witnessed),
        network("a_node_that_was_put_back_is_told_so_by_its_peers", putback::without_witness),
        network("a_folder_that_opens_late_hears_its_peers", putback::opened_late),
        network("a_forbidden_directory_holds_up_only_itself", volumes::forbidden),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: &str, lack: &Lack, run: fn() -> Outcome) -> Trial {
    if let Some(why) = lack {
        eprintln!("e2e: SKIPPED {name}: {why}");
    }
    Trial::test(name, run).with_ignored_flag(lack.is_some())
}
