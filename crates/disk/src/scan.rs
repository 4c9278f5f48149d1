//! Paths -> observations: what the disk shows where it differs from what was last seen there.
//!
//! [`names`] looks at single paths (hints), [`trees`] walks; both are the same code. Every name is
//! compared with its row of D, and only what differs is read. Nothing is decided here: whether a
//! change is an edit, a move or a deletion is `engine::observe`'s. Absence is the one dangerous
//! answer: it is given at the end, once per name, by a look of its own, and never below a directory
//! that could not be listed. Called by the daemon's scan worker and by the simulator.

mod answer;
mod drive;
mod emit;
mod entry;
mod jobs;
mod look;
mod missing;
mod walk;

use crate::fs::Fs;
use crate::ignore::Ignore;
use crate::store::LastSeen;
use crate::watch::Touched;
use emit::Emitter;
use engine::content::Digest;
use engine::index::IndexError;
use engine::observe::{Batch, Source};
use engine::path::RelPath;
use look::Lens;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use walk::Walk;

/// Observations handed on together.
pub const LOOKS_MAX: usize = 1024;
/// Extended attributes and link targets in one batch, in bytes, before it is handed on.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of small contents handed back with one batch.
pub const CONTENTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why nothing, or no more, was looked at. Nothing on the disk is ever changed by a scan.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The folder's root does not answer.
    #[error("cannot look at the folder's root: {0}; nothing was changed; see `syncline status`")]
    Root(#[source] io::Error),
    /// What was last seen cannot be looked up.
    #[error("the scan ended early: {0}")]
    LastSeen(#[source] IndexError),
}

/// Why a path is looked at: how far its fingerprint can be believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// Something in it was hinted: read if the fingerprint differs. If it is in a directory that is
    /// gone, its own absence is not told: nobody has asked.
    Above,
    /// The kernel told of attributes, a rename or a removal and of no writer: unless a lease says
    /// otherwise, the bytes of a file with the same inode, size and mtime need no reading.
    NoWriter,
    /// Something may have changed: read if the fingerprint differs.
    Changed,
    /// A writer closed it: read even if the fingerprint is the same, because an earlier look at
    /// the attributes may have taken over the fingerprint and not the bytes.
    Closed,
    /// The engine asks: read as if a writer had closed it, and told though it is as last seen.
    /// Absence in a directory that is gone is not told: such a name was asked for because it may
    /// have come there, and it has not.
    Asked,
}

impl Why {
    /// What the kernel's words amount to.
    pub fn of(touched: Touched) -> Why {
        if touched.contains(Touched::CLOSED) {
            return Why::Closed;
        }
        let writer = Touched::CREATED | Touched::MAYBE_OPEN;
        if touched == Touched::empty() || touched.intersects(writer) {
            Why::Changed
        } else {
            Why::NoWriter
        }
    }
}

/// What one folder's looks are made with.
pub struct Eyes<'a, F: Fs> {
    /// The filesystem.
    pub fs: &'a F,
    /// The folder's root, checked by `root` just before.
    pub root: &'a F::Dir,
    /// What is not ours.
    pub ignore: &'a Ignore,
    /// See [`crate::hash::racy_ms`].
    pub racy_ms: u64,
    /// Threads besides the caller's that list, look and read; 0 does all in order in the caller's.
    pub workers: usize,
    /// Whether a walk reads again all that was read without proof, though its fingerprint is
    /// unchanged: see [`crate::hash::grants_leases`]. Else only what was read a moment ago.
    pub reread_soft: bool,
    /// Whether a walk reads again what is not known to be durable, though its fingerprint is
    /// unchanged: a power loss may have left the inode and not its bytes.
    pub reread_volatile: bool,
}

/// Counted while it goes on; shared with whoever shows status, or wants it to stop.
#[derive(Default, Debug)]
pub struct Progress {
    /// Names looked at.
    pub entries: AtomicU64,
    /// Files read.
    pub files: AtomicU64,
    /// Bytes read.
    pub bytes: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Ends the scan soon; it then answers `complete: false`.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn add(&self, counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

/// Some observations, and small contents among them that need not be read again to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// At most [`LOOKS_MAX`] looks (a look and those it needs beside it are never parted).
    pub batch: Batch,
    /// At most [`CONTENTS_BYTES_MAX`].
    pub contents: Vec<(Digest, Vec<u8>)>,
}

/// What a scan amounted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Everything was looked at that could be; false after a cancellation, where the root itself
    /// could not be looked at or listed, and where more was gone than a scan remembers.
    pub complete: bool,
    /// Names left out because they are longer than 255 bytes.
    pub names_too_long: u64,
}

/// Looks at single paths that were hinted. Directories that are new, and only they, are walked.
/// Whoever changed lies in a directory whose times changed, so parents are looked at too.
///
/// `hand_on` takes each report and answers whether to go on. Absences come last. After an
/// error, what was reported stays true.
pub fn names<F: Fs, L: LastSeen>(
    eyes: &Eyes<'_, F>,
    last: &L,
    progress: &Progress,
    paths: &[(RelPath, Why)],
    hand_on: &mut dyn FnMut(Report) -> bool,
) -> Result<Summary, ScanError> {
    let requests = paths.iter().map(|(path, why)| (path.clone(), *why, false)).collect();
    let emitter = Emitter::new(Source::Live, hand_on);
    let lens = lens(eyes, progress)?;
    drive::drive(Walk::new(eyes, &lens, last, requests, emitter))
}

/// Walks whole trees (the root path for everything), parents before children; absences come last.
/// `hand_on` and errors as in [`names`].
pub fn trees<F: Fs, L: LastSeen>(
    eyes: &Eyes<'_, F>,
    last: &L,
    progress: &Progress,
    paths: &[RelPath],
    hand_on: &mut dyn FnMut(Report) -> bool,
) -> Result<Summary, ScanError> {
    let requests = paths.iter().map(|path| (path.clone(), Why::Changed, true)).collect();
    let emitter = Emitter::new(Source::Scan, hand_on);
    let lens = lens(eyes, progress)?;
    drive::drive(Walk::new(eyes, &lens, last, requests, emitter))
}

fn lens<'a, F: Fs>(eyes: &Eyes<'a, F>, progress: &'a Progress) -> Result<Lens<'a, F>, ScanError> {
    let root_mount = eyes.fs.stat_dir(eyes.root).map_err(ScanError::Root)?.mount;
    Ok(Lens { fs: eyes.fs, ignore: eyes.ignore, root_mount, progress })
}

#[cfg(test)]
pub(crate) mod tests;
