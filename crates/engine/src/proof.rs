//! What the simulator proves its checkers by: rules that can be broken on purpose, and marks that
//! say which rare lines a run has come by.
//!
//! Both do something only where the feature `proof` is on, which no shipped program has: without it
//! [`broken`] is `false` and [`reached`] nothing, and the compiler leaves both out. State is per
//! thread, for a simulated world lives on one. Called wherever a rule stands that a mutant breaks.

#[cfg(feature = "proof")]
use std::cell::{Cell, RefCell};
#[cfg(feature = "proof")]
use std::collections::BTreeMap;

/// Names the rules that can be broken, each with its story, which the simulator's table tells.
macro_rules! mutants {
    ($($(#[doc = $line:literal])+ $name:ident,)+) => {
        /// A rule that is broken on purpose: a mistake that somebody might make, which a checker
        /// must see.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[doc = $line])+ $name,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$name),+];

            /// What is done wrong, in a sentence.
            pub fn story(self) -> &'static str {
                match self {
                    $(Mutant::$name => concat!($($line),+).trim_ascii(),)+
                }
            }
        }
    };
}

mutants! {
    /// Operations expect whatever is there when they begin: no certification.
    TakesWhatIsThere,
    /// Effects are carried out before the commit that they follow from.
    AnnounceBeforeDurable,
    /// A rename to a free name replaces what is there.
    RenameReplaces,
    /// Nobody ever seems to have a file open for writing.
    NoWriters,
    /// Changes that the kernel tells of are not heard.
    DeafToTheKernel,
    /// Nobody compares everything, whatever was forgotten.
    NoFull,
    /// The end of a walk counts before the ranges that differ were answered.
    ClaimBeforeCompared,
    /// Deletions are forgotten by their age alone.
    RetireByAge,
    /// A directory is forgotten although something in it is remembered.
    RetireUnderChildren,
    /// What could not be made durable is synced once more, and believed then.
    TrustsTheNextSync,
    /// A join takes in a version that is known here to be superseded.
    JoinRevives,
    /// A join leaves standing what the peer has superseded.
    JoinKeepsOld,
    /// A join takes what the peer lacks for superseded, whether the peer has seen it or not.
    JoinDropsUnseen,
    /// With one dot all earlier ones of its life are claimed.
    ClaimPrefix,
    /// A walk ends with the Knowledge of its end, not of its start.
    ClaimAtWalkEnd,
    /// A frame's context is claimed at once, before its entries are all here.
    ClaimContext,
    /// What others write while a walk runs is not told after it.
    TailForgetsOthers,
    /// What single entries reflect beyond what is known is not remembered.
    NoContexts,
    /// What single entries reflect beyond what is known is not told.
    NothingBeyond,
    /// Nobody asks for what a peer is known to have.
    NobodyAsks,
    /// A joining node looks at its own disk before it has heard a member.
    JoinerImportsAtOnce,
    /// What an import finds ranks with what members write.
    RankIgnored,
    /// An edit supersedes all that is known of the file, not what the disk showed.
    EditSupersedesAll,
    /// A delete supersedes all that is known of the entry, not what the disk showed.
    DeleteSupersedesAll,
    /// An edit does not say the file's place again.
    NoReassert,
    /// A move does not take the file's content along.
    MoveLeavesContent,
    /// Other bytes at a place where the tree shows a file are taken for that file's.
    AdoptsAnything,
    /// What lost a conflict is forgotten.
    LosersForgotten,
    /// What another version names as replaced is a conflict all the same.
    BaseIgnored,
    /// Of an edit and a concurrent delete the later counts.
    LatestPlaceCounts,
    /// Two things with one name are both shown under it.
    NamesCollide,
    /// Who claims a name is not asked when another claim on it comes or goes.
    RivalsForgotten,
    /// Children that live are not counted.
    ChildrenNotCounted,
    /// A rename is taken for a delete and a creation.
    MoveIsTwoThings,
    /// A new directory in another's place is taken for that one.
    DirectoriesByName,
    /// A file that lost versions, and is gone, is deleted at once: its new place is not waited for.
    GoneAtOnce,
    /// Looks count that were made while operations were at work there.
    LooksNeverDeferred,
    /// Looks do not follow renamed directories.
    TrailLost,
    /// After a power loss the disk is believed.
    PowerBelieved,
    /// What is to be made durable counts as durable before it is.
    SyncedAtOnce,
    /// An index that was put back to an older copy lives on.
    LifeGoesOn,
    /// What operations were about to put on the disk is not written down.
    NoIntents,
    /// Whatever is looked at counts as changed.
    EverythingIsNews,
    /// What loses a conflict goes to the trash.
    LosersToTrash,
    /// What one entry needs no more leaves the conflict store, whoever else needs it.
    ReleasedForAll,
    /// Of two equal files shown as one, none takes over when the other is deleted.
    NoHeir,
    /// Replacements overtake the creations before them.
    NoBarrier,
    /// What failed is not tried again.
    NeverAgain,
    /// What arrives wakes nobody.
    NobodyWakes,
    /// What a peer that went away was to send is still waited for.
    WaitsForTheGone,
    /// Bytes that came to light outside an operation are not published.
    StraysForgotten,
    /// A file is looked at, then renamed over: what came in between is gone.
    LooksThenRenames,
    /// What was displaced is not verified.
    NothingVerified,
    /// What was moved is not looked at again.
    MovesUnverified,
    /// A removed file is taken for the expected one.
    RemovalsUnverified,
    /// Content is installed before it is durable.
    NothingDurable,
    /// What a crash left in staging is deleted unread.
    LeftoversDeleted,
    /// Directories keep the times that our own changes gave them.
    DirectoryTimesKept,
    /// Content that was copied on this disk is not hashed.
    CopiesUnverified,
    /// A file that moves while it is hashed is taken as it was read.
    HashedOnce,
    /// A file that somebody writes to is not looked at again.
    BusyForgotten,
    /// New directories are not looked into.
    NewDirectoriesNotEntered,
    /// A moved inode is not looked for where it was last seen.
    OtherPlaceForgotten,
    /// What lives beside an end that somebody has forgotten is not said again.
    EndsLeftBeside,
    /// Entries that share a dot are told apart.
    FramesSplit,
    /// Entries of some names are not told, though what they hold is claimed.
    NamesLeftOut,
    /// Who gives a file one more name does not say again what it holds.
    NamesNotHeld,
    /// Each name of a file gets an inode of its own.
    NamesAreCopies,
    /// With any name of a file goes what it holds, whoever else is one.
    AnyNameTakesAll,
    /// What is seen of a file under one name is not written down for the others.
    NamesNotShared,
    /// New content replaces a file under its old names before the new ones are there.
    OldNamesFirst,
    /// Who has not looked everywhere yet denies contents all the same.
    DeniesUnseen,
    /// What may lie in staging, not looked at since it was displaced, is denied all the same.
    DeniesWhatIsLeft,
    /// What comes for a file that conflicts again and again is taken in all the same.
    NeverQuiet,
    /// Each node that publishes a loser makes a file of its own of it.
    CopiesApart,
    /// A tree that was put back to an older copy is believed: what it lacks counts as deleted.
    BelievesAnOldTree,
    /// What a power loss took away counts as deleted by a user.
    AbsenceBelieved,
    /// What a power loss put back counts as written by a user.
    OlderBelieved,
    /// What a power loss tore, and no time tells of, counts as written by a user.
    TornBelieved,
    /// A symlink in a directory's place is followed, and where it leads is taken for the directory.
    LinksFollowed,
    /// Whatever is at the path of the root is taken for it.
    AnyRootWillDo,
    /// Of entries that arrive some are not written, though what they hold is claimed.
    RowsLost,
    /// What nobody waits for any more stays in staging.
    StagingKept,
    /// A clock that is far ahead is followed.
    FarClockFollowed,
    /// What a newer program says of an entry is not passed on.
    UnknownDropped,
    /// Two directories at one path are not shown as one.
    DirectoriesNeverUnite,
    /// A new thing gets the id that its path gives, though one that was moved away has it.
    IdsTwice,
    /// Who is silent for ever holds back for ever what may be forgotten.
    SilentHoldForEver,
    /// A replacement waits for the creations before it, however long.
    BarrierForEver,
}

#[cfg(feature = "proof")]
thread_local! {
    static BROKEN: Cell<Option<Mutant>> = Cell::new(named_outside());
    static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Names, for all threads of a program with `proof`, the rule that is broken until
/// [`break_rule`] says otherwise: so the tests of a rule are run with it broken.
#[cfg(feature = "proof")]
pub const VARIABLE: &str = "SYNCLINE_BROKEN_RULE";

#[cfg(feature = "proof")]
#[expect(
    clippy::disallowed_methods,
    reason = "for rules broken on purpose: no shipped engine has it"
)]
fn named_outside() -> Option<Mutant> {
    let name = std::env::var(VARIABLE).ok()?;
    let found = Mutant::ALL.iter().copied().find(|mutant| format!("{mutant:?}") == name);
    Some(found.unwrap_or_else(|| panic!("{VARIABLE}: there is no rule {name}")))
}

/// Whether this rule is broken on this thread.
#[inline]
pub fn broken(mutant: Mutant) -> bool {
    #[cfg(feature = "proof")]
    return BROKEN.get() == Some(mutant);
    #[cfg(not(feature = "proof"))]
    {
        let _ = mutant;
        false
    }
}

/// Says that a rare line was come by.
#[inline]
pub fn reached(mark: &'static str) {
    #[cfg(feature = "proof")]
    REACHED.with_borrow_mut(|marks| *marks.entry(mark).or_default() += 1);
    #[cfg(not(feature = "proof"))]
    let _ = mark;
}

/// Breaks one rule on this thread from now on, or none.
#[cfg(feature = "proof")]
pub fn break_rule(mutant: Option<Mutant>) {
    BROKEN.set(mutant);
}

/// Which marks this thread has come by since it was asked last, and how often.
#[cfg(feature = "proof")]
pub fn take_marks() -> BTreeMap<&'static str, u64> {
    REACHED.take()
}
