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
use engine::proof::{broken, Mutant};

/// What the disk of a broken machine lies about.
pub fn lie() -> Lie {
    if broken(Mutant::RenameReplaces) {
        return Lie::RenameReplaces;
    }
    if broken(Mutant::NoWriters) {
        return Lie::NoWriters;
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
    /// It is caught within so many seeds; `None`: it is known to survive.
    pub within: Option<u64>,
}

/// Seeds in which a mutant may survive before it is said that it does.
const SURVIVES: u64 = 300;

impl Trial {
    /// In how many seeds it is hunted at most.
    pub fn most(&self) -> u64 {
        self.within.unwrap_or(SURVIVES)
    }
}

/// Nodes that are out of reach for longer than they are waited for.
const APART: &str = "apart=60 lies=0 rollback=0";

/// Every mutant once.
pub const TRIALS: &[Trial] = &[
    trial(Mutant::TakesWhatIsThere, "", Some(200)),
    trial(Mutant::AnnounceBeforeDurable, "kills=200", Some(200)),
    trial(Mutant::RenameReplaces, "", Some(200)),
    trial(Mutant::NoWriters, "", Some(200)),
    trial(Mutant::DeafToTheKernel, "", Some(200)),
    trial(Mutant::NoFull, APART, Some(400)),
    trial(Mutant::ClaimBeforeCompared, APART, Some(400)),
    trial(Mutant::RetireByAge, APART, Some(400)),
    trial(Mutant::RetireUnderChildren, APART, Some(400)),
    trial(Mutant::TrustsTheNextSync, "eio=500 power=200 kills=0 rollback=0", Some(400)),
    trial(Mutant::JoinRevives, "", Some(200)),
    trial(Mutant::JoinKeepsOld, "", Some(200)),
    trial(Mutant::JoinDropsUnseen, "", Some(200)),
    trial(Mutant::ClaimPrefix, "", Some(600)),
    trial(Mutant::ClaimAtWalkEnd, "", Some(600)),
    trial(Mutant::ClaimContext, "", Some(200)),
    trial(Mutant::TailForgetsOthers, "", None),
    trial(Mutant::NoContexts, "", Some(600)),
    trial(Mutant::NothingBeyond, "", Some(600)),
    trial(Mutant::NobodyAsks, "", Some(200)),
    trial(Mutant::JoinerImportsAtOnce, "", Some(200)),
    trial(Mutant::RankIgnored, "", None),
    trial(Mutant::EditSupersedesAll, "", Some(200)),
    trial(Mutant::DeleteSupersedesAll, "", Some(200)),
    trial(Mutant::NoReassert, "", Some(200)),
    trial(Mutant::MoveLeavesContent, "", Some(200)),
    trial(Mutant::AdoptsAnything, "", Some(200)),
    trial(Mutant::LosersForgotten, "", Some(200)),
    trial(Mutant::BaseIgnored, "", None),
    trial(Mutant::LatestPlaceCounts, "", Some(200)),
    trial(Mutant::NamesCollide, "", Some(200)),
    trial(Mutant::RivalsForgotten, "", Some(200)),
    trial(Mutant::ChildrenNotCounted, "", Some(200)),
    trial(Mutant::MoveIsTwoThings, "", Some(600)),
    trial(Mutant::DirectoriesByName, "", None),
    trial(Mutant::GoneAtOnce, "", None),
    trial(Mutant::LooksNeverDeferred, "", Some(600)),
    trial(Mutant::TrailLost, "", Some(600)),
    trial(Mutant::PowerBelieved, "power=60", Some(200)),
    trial(Mutant::SyncedAtOnce, "power=60", Some(200)),
    trial(Mutant::LifeGoesOn, "rollback=80", Some(200)),
    trial(Mutant::NoIntents, "kills=200", None),
    trial(Mutant::EverythingIsNews, "", Some(200)),
    trial(Mutant::LosersToTrash, "", None),
    trial(Mutant::ReleasedForAll, "", Some(600)),
    trial(Mutant::NoHeir, "", None),
    trial(Mutant::NoBarrier, "", Some(200)),
    trial(Mutant::NeverAgain, "", Some(200)),
    trial(Mutant::NobodyWakes, "", Some(600)),
    trial(Mutant::WaitsForTheGone, "", None),
    trial(Mutant::StraysForgotten, "kills=200", None),
    trial(Mutant::AnybodyTakesBack, "power=60", Some(600)),
    trial(Mutant::LooksThenRenames, "", Some(200)),
    trial(Mutant::NothingVerified, "", Some(600)),
    trial(Mutant::MovesUnverified, "", None),
    trial(Mutant::RemovalsUnverified, "", Some(600)),
    trial(Mutant::NothingDurable, "power=60", Some(600)),
    trial(Mutant::LeftoversDeleted, "kills=200", Some(200)),
    trial(Mutant::WritesOverlooked, "", None),
    trial(Mutant::DirectoryTimesKept, "", Some(200)),
    trial(Mutant::CopiesUnverified, "", Some(200)),
    trial(Mutant::HashedOnce, "", None),
    trial(Mutant::BusyForgotten, "", None),
    trial(Mutant::NewDirectoriesNotEntered, "", Some(200)),
    trial(Mutant::OtherPlaceForgotten, "", None),
    trial(Mutant::FramesSplit, "", None),
    trial(Mutant::NamesLeftOut, "", Some(200)),
];

const fn trial(mutant: Mutant, words: &'static str, within: Option<u64>) -> Trial {
    Trial { mutant, words, within }
}

/// How a mutant was caught.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caught {
    /// The seed in which it was.
    pub seed: u64,
    /// What the checker said.
    pub why: String,
}

/// Runs seeds from 0 on, `most` at most, until one fails that passes without the mutant.
pub fn hunt(trial: &Trial, most: u64) -> Option<Caught> {
    let catch = |seed: u64| {
        let plan = Plan::of(seed).with(trial.words).expect("options");
        let why = run(&Plan { mutant: Some(trial.mutant), ..plan.clone() }).failed?;
        run(&plan).failed.is_none().then_some(Caught { seed, why })
    };
    (0..most).find_map(catch)
}

/// The first lines of the table.
pub const HEAD: &str = "\
# Mutants

Each line is a rule that was broken on purpose, in a world like any other: the checkers must
notice. Caught means that the same seed ends well without the mutant. The hunt begins with seed 0;
the number is how many seeds it took, and how many it may take before a test fails. Where nobody
caught it, a checker is missing, or a fault that would bring it to light.

Written by `cargo sim --mutants --write`.

| mutant | what is broken | worlds | caught by | seeds | at most |
|---|---|---|---|---|---|
";

/// The checker that spoke, in a few words.
fn speaker(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    let mut words = first.split(|sign: char| !sign.is_ascii_alphanumeric());
    let is_number =
        |word: &&str| word.strip_prefix('C').is_some_and(|rest| rest.parse::<u8>().is_ok());
    words.find(is_number).unwrap_or("a bound or an assertion").to_string()
}

/// One line of the table.
pub fn row(trial: &Trial, caught: Option<&Caught>) -> String {
    let Trial { mutant, words, within } = trial;
    let worlds = if words.is_empty() { "as drawn" } else { words };
    let (by, seeds) = match caught {
        Some(Caught { seed, why }) => (speaker(why), (seed + 1).to_string()),
        None => ("nobody".to_string(), "—".to_string()),
    };
    let most = within.map_or("—".to_string(), |within| within.to_string());
    format!("| {mutant:?} | {} | {worlds} | {by} | {seeds} | {most} |", mutant.story())
}
