//! Machines that are broken on purpose: each is a fault that somebody might make, and the checkers
//! must notice. A checker that lets one pass checks nothing.
//!
//! The rules that are broken stand where they are kept, behind `engine::proof::broken`; here is
//! what a broken machine needs besides, and the hunt for each mutant, whose outcome is the table in
//! `docs/internals/mutants.md`. Used by `world`, `main` and the tests.

use crate::disk::{Lie, SimDisk};
use crate::node::ROOT_NAME;
use crate::scenario::run;
use crate::swarm::Plan;
use disk::fs::{FileKind, Fs};
use engine::path::Name;
use engine::plan::{Act, Expected, Operation, Place};
use engine::proof::{broken, Mutant, VARIABLE};
use std::io;
use std::process::Command;

/// What the disk of a broken machine lies about.
pub fn lie() -> Lie {
    if broken(Mutant::RenameReplaces) {
        return Lie::RenameReplaces;
    }
    if broken(Mutant::NoWriters) {
        return Lie::NoWriters;
    }
    if broken(Mutant::LinksFollowed) {
        return Lie::LinksFollowed;
    }
    Lie::None
}

/// Makes an operation expect what is there now.
pub fn expect_what_is_there(disk: &SimDisk, operation: &mut Operation) {
    match &mut operation.act {
        Act::Install { at, expected, .. } | Act::Remove { at, expected, .. } => {
            look(disk, at, expected);
        }
        _ => {}
    }
}

fn look(disk: &SimDisk, at: &Place, expected: &mut Expected) {
    let root = Name::new(ROOT_NAME).expect("a literal name");
    let dir = disk.open_child(&disk.top(), &root).and_then(|root| disk.open_dir(&root, &at.dir));
    let Ok(stat) = dir.and_then(|dir| disk.stat(&dir, &at.name)) else { return };
    if let (Expected::Exactly { fingerprint, .. }, FileKind::File) = (expected, stat.kind) {
        *fingerprint = stat.fingerprint();
    }
}

/// How a mutant is hunted, and what is claimed of the hunt.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Which.
    pub mutant: Mutant,
    /// Options of the worlds that it is hunted in, beyond what each seed draws.
    pub words: &'static str,
    /// Who catches it.
    pub claim: Claim,
}

/// Who catches a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// A checker, within so many seeds.
    Within(u64),
    /// What it takes is too rare in these worlds, or only costs time in them: a test of the rule.
    Test(&'static str),
}

/// Nodes that are out of reach for longer than they are waited for.
const APART: &str = "apart=60 lies=0 rollback=0";

/// Users who give files more names.
const LINKS: &str = "links=250";

/// Losers stand beside their winners, and nobody takes them away.
const BESIDE: &str = "beside=1 policies=0 verdicts=0 reuse=0 rollback=0 power=0";

/// Every mutant once.
pub const TRIALS: &[Trial] = &[
    trial(Mutant::TakesWhatIsThere, "", 100),
    trial(Mutant::AnnounceBeforeDurable, "kills=200", 100),
    trial(Mutant::RenameReplaces, "", 100),
    trial(Mutant::NoWriters, "", 100),
    trial(Mutant::DeafToTheKernel, "", 100),
    trial(Mutant::NoFull, APART, 400),
    test(
        Mutant::ClaimBeforeCompared,
        "who_was_cut_off_in_between_claims_nothing_and_ends_it_the_next_time",
    ),
    test(Mutant::RetireByAge, "a_deletion_goes_when_all_have_seen_it_and_not_before_its_time"),
    test(
        Mutant::RetireUnderChildren,
        "a_directory_goes_after_what_was_in_it_and_nothing_goes_that_this_disk_shows",
    ),
    trial(
        Mutant::TrustsTheNextSync,
        "eio=900 power=100 kills=0 rollback=0 volumes=0 steps=60",
        1_200,
    ),
    trial(Mutant::JoinRevives, "", 100),
    trial(Mutant::JoinKeepsOld, "", 100),
    trial(Mutant::JoinDropsUnseen, "", 100),
    trial(Mutant::ClaimPrefix, "", 100),
    trial(Mutant::ClaimAtWalkEnd, "", 100),
    trial(Mutant::ClaimContext, "", 100),
    trial(Mutant::TailForgetsOthers, "narrow=500 stalls=200 before=8 chain=1", 200),
    trial(Mutant::NoContexts, "", 600),
    trial(Mutant::NothingBeyond, "", 1_200),
    trial(Mutant::NobodyAsks, "", 100),
    test(
        Mutant::JoinerImportsAtOnce,
        "who_joins_looks_at_its_disk_when_a_member_has_told_it_everything",
    ),
    trial(
        Mutant::RankIgnored,
        "before=8 meets=1 late=1 prefer=0 verdicts=0 beside=0 policies=0",
        400,
    ),
    trial(Mutant::EditSupersedesAll, "", 100),
    trial(Mutant::DeleteSupersedesAll, "", 100),
    trial(Mutant::NoReassert, "", 100),
    trial(Mutant::MoveLeavesContent, "", 400),
    trial(Mutant::AdoptsAnything, "", 100),
    trial(Mutant::LosersForgotten, "", 100),
    test(Mutant::BaseIgnored, "the_latest_content_wins_and_the_others_wait_in_the_conflict_store"),
    trial(Mutant::LatestPlaceCounts, "", 100),
    trial(Mutant::NamesCollide, "", 100),
    trial(Mutant::RivalsForgotten, "", 100),
    trial(Mutant::ChildrenNotCounted, "", 100),
    trial(Mutant::MoveIsTwoThings, "", 100),
    test(Mutant::DirectoriesByName, "a_replaced_directory_takes_with_it_what_was_in_the_old_one"),
    test(Mutant::GoneAtOnce, "a_contested_file_that_was_renamed_keeps_what_lost_to_it"),
    trial(Mutant::LooksNeverDeferred, "between=100", 200),
    test(Mutant::TrailLost, "a_name_is_followed_through_renames_before_and_after_the_look"),
    trial(Mutant::PowerBelieved, "power=200", 100),
    trial(Mutant::SyncedAtOnce, "power=60", 100),
    trial(Mutant::LifeGoesOn, "rollback=80", 100),
    test(Mutant::NoIntents, "a_file_made_just_before_a_kill_and_deleted_since_does_not_come_back"),
    trial(Mutant::EverythingIsNews, "", 100),
    test(Mutant::LosersToTrash, "a_replacement_expects_what_was_last_seen_and_says_where_it_goes"),
    test(
        Mutant::ReleasedForAll,
        "bytes_that_lost_in_two_files_stay_until_both_have_let_go_of_them",
    ),
    test(Mutant::NoHeir, "an_equal_file_inherits_the_row_of_the_one_that_is_deleted"),
    trial(Mutant::NoBarrier, "", 100),
    trial(Mutant::NeverAgain, "", 100),
    trial(Mutant::NobodyWakes, "cuts=300", 800),
    test(Mutant::WaitsForTheGone, "a_lost_peer_owes_nothing_any_more"),
    test(Mutant::StraysForgotten, "a_file_that_was_moved_over_a_symlink_is_no_edit_of_it"),
    trial(Mutant::LooksThenRenames, "", 100),
    trial(Mutant::NothingVerified, "", 1_200),
    test(Mutant::MovesUnverified, "a_move_of_what_was_swapped_in_between_is_undone"),
    trial(Mutant::RemovalsUnverified, "between=100", 800),
    trial(Mutant::NothingDurable, "power=60", 600),
    trial(Mutant::LeftoversDeleted, "kills=200 cuts=300", 400),
    trial(Mutant::DirectoryTimesKept, "", 100),
    trial(Mutant::CopiesUnverified, "", 100),
    trial(Mutant::HashedOnce, "between=100", 200),
    test(Mutant::BusyForgotten, "a_busy_path_comes_again_after_50_ms_doubling_up_to_5_s"),
    trial(Mutant::NewDirectoriesNotEntered, "", 100),
    test(Mutant::OtherPlaceForgotten, "a_move_is_looked_at_on_both_sides_though_one_was_hinted"),
    test(
        Mutant::EndsLeftBeside,
        "what_lives_beside_an_end_that_somebody_has_forgotten_is_said_again",
    ),
    trial(Mutant::FramesSplit, "", 200),
    trial(Mutant::NamesLeftOut, "", 100),
    trial(Mutant::NamesNotHeld, "links=250 apart=60", 2_000),
    trial(Mutant::NamesAreCopies, LINKS, 100),
    trial(Mutant::AnyNameTakesAll, LINKS, 100),
    test(Mutant::NamesNotShared, "what_is_written_through_one_name_is_one_edit_of_all"),
    trial(Mutant::OldNamesFirst, LINKS, 100),
    test(Mutant::DeniesUnseen, "who_has_not_looked_everywhere_denies_nothing"),
    test(Mutant::DeniesWhatIsLeft, "nothing_is_denied_while_something_displaced_was_not_looked_at"),
    test(
        Mutant::NeverQuiet,
        "two_that_write_one_file_all_the_time_leave_five_losers_and_then_wait_for_quiet",
    ),
    trial(Mutant::CopiesApart, BESIDE, 800),
    trial(Mutant::BelievesAnOldTree, "volumes=100", 200),
    trial(Mutant::AbsenceBelieved, "power=200", 100),
    trial(Mutant::OlderBelieved, "power=200", 100),
    trial(Mutant::TornBelieved, "power=60 maps=200 between=60", 400),
    trial(Mutant::LinksFollowed, "hostile=200 between=60", 100),
    trial(Mutant::AnyRootWillDo, "unmounts=100", 100),
    trial(Mutant::RowsLost, "", 100),
    trial(Mutant::StagingKept, "", 100),
    test(Mutant::FarClockFollowed, "a_clock_more_than_five_minutes_ahead_is_not_followed"),
    test(Mutant::UnknownDropped, "a_join_takes_and_gives_up_each_register_and_says_whether_it_did"),
    trial(Mutant::DirectoriesNeverUnite, "", 100),
    trial(Mutant::IdsTwice, "", 100),
    test(Mutant::SilentHoldForEver, "who_was_not_heard_of_for_long_is_not_waited_for"),
    test(
        Mutant::BarrierForEver,
        "a_replacement_goes_ahead_of_creations_whose_content_does_not_come",
    ),
];

const fn trial(mutant: Mutant, words: &'static str, within: u64) -> Trial {
    Trial { mutant, words, claim: Claim::Within(within) }
}

const fn test(mutant: Mutant, name: &'static str) -> Trial {
    Trial { mutant, words: "", claim: Claim::Test(name) }
}

/// How a mutant was caught.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caught {
    /// The seed in which it was.
    pub seed: u64,
    /// What the checker said.
    pub why: String,
}

/// Whether this seed fails with the mutant, and ends well without it.
pub fn catch(trial: &Trial, seed: u64) -> Option<Caught> {
    let plan = Plan::of(seed).with(trial.words).expect("options");
    let why = run(&Plan { mutant: Some(trial.mutant), ..plan.clone() }).failed?;
    run(&plan).failed.is_none().then_some(Caught { seed, why })
}

/// Runs seeds from 0 on, `most` at most, until one catches the mutant.
pub fn hunt(trial: &Trial, most: u64) -> Option<Caught> {
    (0..most).find_map(|seed| catch(trial, seed))
}

/// Whether a test of `engine` or `disk` passes, and does no more with the rule broken.
///
/// # Errors
/// There is no cargo.
pub fn test_fails(mutant: Mutant, name: &str) -> io::Result<bool> {
    let passes = |broken: Option<Mutant>| {
        let mut tests = Command::new("cargo");
        tests.args(["test", "-q", "-p", "engine", "-p", "disk", "--lib"]);
        tests.args(["--features", "engine/proof", "--", name]);
        tests.env_remove(VARIABLE);
        tests.envs(broken.map(|mutant| (VARIABLE, format!("{mutant:?}"))));
        Ok::<bool, io::Error>(tests.output()?.status.success())
    };
    Ok(passes(None)? && !passes(Some(mutant))?)
}

/// The first lines of the table.
pub const HEAD: &str = "\
# Mutants

Each line is a rule that was broken on purpose, in worlds like any others: the checkers must notice.
Caught means that the same seed ends well without the mutant. The hunt begins with seed 0; the
number is how many seeds it took, and how many it may take: `crates/sim/tests/mutants.rs` hunts
where that is 100 at most, `cargo sim --mutants` all. Where what it takes is too rare in such
worlds, or only costs time in them, the test is named that fails; `cargo sim --mutants` runs it with
the rule broken, as does `SYNCLINE_BROKEN_RULE=NoHeir cargo test -p engine --features proof NAME`.

Written by `cargo sim --mutants --write`.

| mutant | what is broken | worlds | caught by | seeds | at most |
|---|---|---|---|---|---|
";

/// The checker that spoke, in a few words.
fn speaker(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    let mut words = first.split(|sign: char| !sign.is_ascii_alphanumeric());
    let is_number = |word: &&str| {
        let rest = word.strip_prefix(['A', 'C']);
        rest.is_some_and(|rest| rest.parse::<u8>().is_ok())
    };
    words.find(is_number).unwrap_or("a bound or an assertion").to_string()
}

/// One line of the table; `None` if the mutant survives in the worlds that it is hunted in.
pub fn row(trial: &Trial, caught: Option<&Caught>) -> Option<String> {
    let Trial { mutant, words, claim } = trial;
    let begin = format!("| {mutant:?} | {} |", mutant.story());
    let worlds = if words.is_empty() { "as drawn" } else { words };
    match (claim, caught) {
        (Claim::Test(name), _) => Some(format!("{begin} — | `{name}` | — | — |")),
        (Claim::Within(most), Some(Caught { seed, why })) => {
            let by = speaker(why);
            Some(format!("{begin} {worlds} | {by} | {} | {most} |", seed + 1))
        }
        (Claim::Within(_), None) => None,
    }
}
