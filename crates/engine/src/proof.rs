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

/// A rule that is broken on purpose: a mistake that somebody might make, which a checker must see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mutant {
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
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Mutant] = &[
        Mutant::TakesWhatIsThere,
        Mutant::AnnounceBeforeDurable,
        Mutant::RenameReplaces,
        Mutant::NoWriters,
        Mutant::DeafToTheKernel,
        Mutant::NoFull,
        Mutant::ClaimBeforeCompared,
        Mutant::RetireByAge,
        Mutant::RetireUnderChildren,
        Mutant::TrustsTheNextSync,
    ];
}

#[cfg(feature = "proof")]
thread_local! {
    static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
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
