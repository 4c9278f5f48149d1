//! Operation -> the tree, by the certified exchange: the only code that changes user files.
//!
//! Act only with calls that cannot destroy; then look at what was really displaced; compensate
//! (decisions R5). A name is exchanged with the staged file, so nothing is gone; what came out must
//! be the very inode, size and time that was expected, with no writer on it, before it may be
//! retired. If not, it is user data: put back, or kept and reported. Nothing here decides what is
//! to be where: that is `engine::plan`. Called by the daemon's apply worker, one per folder.

use crate::fs::Fs;
use crate::stage::{is_full, Stage};
use crate::trash::{Line, Stray, Trash};
use engine::content::Content;
use engine::entry::Kind;
use engine::index::Fingerprint;
use engine::observe::Present;
use engine::path::{Name, RelPath};
use engine::plan::{Act, Expected, Failure, Operation, Outcome, Place, Retire};
use engine::proof::reached;
use std::io;
use std::sync::Arc;

mod act;
mod attributes;
mod certify;
mod crash;
pub mod kept;
mod left;
mod link;
mod parents;
mod prepare;
mod rooms;
mod swap;

use kept::Kept;
use parents::Parents;
use prepare::Dressed;

/// Operations done together; a longer batch is cut into such pieces (each holds two descriptors an
/// operation at most).
pub const BATCH_MAX: usize = 256;

/// How files are replaced on this filesystem, best first; shown in status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rung {
    /// renameat2 EXCHANGE: never absent, nothing lost.
    Exchange,
    /// A second name for the old file, then rename over: a rename by a user within microseconds
    /// between the two would be lost.
    Link,
    /// Rename aside, then rename in: the name is absent for microseconds.
    Aside,
}

/// A point between two system calls of an operation, for tests that change the tree there and for
/// crashes on purpose (`SYNCLINE_CRASH_AT=<step>:<n>`, the n-th time, in debug builds only).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The batch's files have their attributes and lie in the staging directory.
    Prepared,
    /// Their content is durable.
    Durable,
    /// The target was found to be as expected, with no writer.
    Checked,
    /// Of two names that change places one has stepped aside, where they cannot at once.
    Aside,
    /// The tree was changed.
    Swapped,
    /// What was displaced was certified.
    Verified,
    /// What was displaced is in the trash or the conflict store.
    Retired,
    /// One operation has come to its outcome.
    Done,
    /// All operations are done; directory times are put back.
    Finished,
}

/// A test's interference.
pub type Between = Box<dyn FnMut(Step) + Send>;

/// Why an operation is not done; becomes its [`Outcome`].
#[derive(Debug)]
enum Stop {
    NotAsExpected,
    Busy(Option<String>),
    NotStaged,
    Failed(Failure),
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Outcome {
        match stop {
            Stop::NotAsExpected => Outcome::NotAsExpected,
            Stop::Busy(who) => Outcome::Busy(who),
            Stop::NotStaged => Outcome::NotStaged,
            Stop::Failed(failure) => Outcome::Failed(failure),
        }
    }
}

/// What a failed call means for the operation: a tree that is not as it was, or a machine that
/// refuses.
fn stop(what: &str, on: &RelPath, error: &io::Error) -> Stop {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EEXIST | libc::ENOTEMPTY) => {
            Stop::NotAsExpected
        }
        Some(libc::EISDIR | libc::ESTALE) => Stop::NotAsExpected,
        Some(libc::EAGAIN | libc::ETXTBSY) => Stop::Busy(None),
        _ => {
            reached("the disk refuses what is staged or applied");
            Stop::Failed(Failure {
                what: format!(
                    "cannot {what} {on}: {error}; nothing was changed, it is tried again"
                ),
                full: is_full(error),
            })
        }
    }
}

/// One name in an open, verified directory.
struct Spot<F: Fs> {
    dir: F::Dir,
    name: Name,
    path: RelPath,
}

impl<F: Fs> Spot<F> {
    fn at(&self) -> (&F::Dir, &Name) {
        (&self.dir, &self.name)
    }
}

/// What stood at a place before the operation, held open.
struct Was<'a, F: Fs> {
    kind: Kind,
    fingerprint: &'a Fingerprint,
    content: Option<&'a Content>,
    soft: bool,
    /// Open where it is a file.
    file: Option<F::File>,
}

/// Applies operations to one folder. Its three directories lie in the state directory.
pub struct Apply<F: Fs> {
    fs: Arc<F>,
    root: F::Dir,
    stage: Arc<Stage<F>>,
    trash: Trash<F>,
    kept: Arc<Kept<F>>,
    parents: Parents<F>,
    rung: Rung,
    racy_ms: u64,
    left: left::Leftovers,
    strays: Vec<Stray>,
    crash: crash::Crash,
    between: Option<Between>,
    /// Tests show that without the verification bytes are lost.
    #[cfg(test)]
    blind: bool,
}

impl<F: Fs> Apply<F> {
    /// Opens the directories of `state` (making them if need be) for the folder whose root is
    /// `root`, and looks through what a crash left in staging; see [`Apply::strays`]. Both must lie
    /// on one mount. `racy_ms` as [`crate::hash::racy_ms`] says for their filesystem.
    pub fn open(fs: Arc<F>, root: F::Dir, state: &F::Dir, racy_ms: u64) -> io::Result<Apply<F>> {
        let rooms = rooms::open(&*fs, state)?;
        let leftovers = left::find(&*fs, &rooms.stage)?;
        let next = leftovers.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        let trash = Trash::open(fs.clone(), rooms.trash, next)?;
        let stage = Arc::new(Stage::open(fs.clone(), rooms.stage)?);
        let kept = Arc::new(Kept::new(fs.clone(), rooms.kept));
        let mut apply = Apply {
            fs,
            root,
            stage,
            trash,
            kept,
            parents: Parents::new(),
            rung: Rung::Exchange,
            racy_ms,
            left: left::Leftovers::default(),
            strays: Vec::new(),
            crash: crash::Crash::from_environment(),
            between: None,
            #[cfg(test)]
            blind: false,
        };
        apply.recover(leftovers)?;
        Ok(apply)
    }

    /// Where incoming content is put for this folder.
    pub fn stage(&self) -> &Arc<Stage<F>> {
        &self.stage
    }

    /// The conflict store.
    pub fn kept(&self) -> &Arc<Kept<F>> {
        &self.kept
    }

    /// The filesystem and the folder's root.
    pub(crate) fn tree(&self) -> (Arc<F>, F::Dir) {
        (self.fs.clone(), self.root.clone())
    }

    /// The trash, for listing and finding; [`Apply::purge`] alone takes from it.
    pub fn trash(&self) -> &Trash<F> {
        &self.trash
    }

    /// How files are replaced here.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Purges the trash; see [`Trash::purge`]. Where content was refused for want of room, that
    /// much is wanted in any case. What was written to since is among the [`Apply::strays`], too.
    pub fn purge(&mut self, want_bytes: u64) -> io::Result<crate::trash::Purged> {
        let purged = self.trash.purge(&self.kept, want_bytes.max(self.stage.take_lacking()))?;
        self.strays.extend(purged.strays.iter().cloned());
        Ok(purged)
    }

    /// Tests only, in any crate: called at every step.
    pub fn set_between(&mut self, between: Option<Between>) {
        self.between = between;
    }

    /// Does the operations in order, as far as each is possible; one outcome each.
    pub fn run(&mut self, batch: &[Operation]) -> Vec<Outcome> {
        batch.chunks(BATCH_MAX).flat_map(|piece| self.run_piece(piece)).collect()
    }

    fn run_piece(&mut self, batch: &[Operation]) -> Vec<Outcome> {
        let mut dressed = self.prepare(batch);
        self.step(Step::Prepared);
        self.make_durable(&mut dressed);
        self.step(Step::Durable);
        if let Err(error) = self.note(batch, &dressed) {
            let failed = stop("write the trash index before changing", &RelPath::root(), &error);
            for one in &mut dressed {
                self.put_back(one);
            }
            let outcome = Outcome::from(failed);
            return batch.iter().map(|_| outcome.clone()).collect();
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for (operation, mut job) in batch.iter().zip(dressed) {
            let outcome = match self.act(&operation.act, &mut job) {
                Ok(done) => done,
                Err(stop) => stop.into(),
            };
            self.put_back(&mut job);
            for place in places(&operation.act) {
                self.parents.leave(&*self.fs, &place.dir_handle);
            }
            self.step(Step::Done);
            outcomes.push(outcome);
        }
        self.parents.restore(&*self.fs);
        self.step(Step::Finished);
        outcomes
    }

    /// One write for all that may be displaced by this batch.
    fn note(&mut self, batch: &[Operation], jobs: &[prepare::Job<F>]) -> io::Result<()> {
        let lines: Vec<Line> =
            batch.iter().zip(jobs).filter_map(|(op, job)| line(op, job)).collect();
        self.trash.note(&lines)
    }

    fn step(&mut self, step: Step) {
        self.crash.at(step);
        if let Some(between) = &mut self.between {
            between(step);
        }
    }

    fn spot(&mut self, at: &Place) -> Result<Spot<F>, Stop> {
        let found = self.parents.enter(&*self.fs, &self.root, &at.dir, &at.dir_handle);
        let dir = found.map_err(|error| stop("open the directory", &at.dir, &error))?;
        let dir = dir.ok_or(Stop::NotAsExpected)?;
        Ok(Spot { dir, name: at.name.clone(), path: at.path() })
    }

    /// A name in the staging directory.
    fn aside(&self, prefix: &str, number: u64) -> Spot<F> {
        Spot {
            dir: self.stage.dir().clone(),
            name: left::name(prefix, number),
            path: RelPath::root(),
        }
    }
}

/// The places that an act changes.
fn places(act: &Act) -> Vec<&Place> {
    match act {
        Act::MakeDir { at, .. } | Act::Install { at, .. } | Act::Remove { at, .. } => vec![at],
        Act::Link { at, .. } => vec![at],
        Act::Move { from, to, .. } => vec![from, to],
        Act::Exchange { a, b, .. } => vec![a, b],
        Act::SetAttributes { .. } | Act::Keep { .. } | Act::Release { .. } => Vec::new(),
    }
}

/// The index line of an operation that may displace something.
fn line<F: Fs>(operation: &Operation, job: &prepare::Job<F>) -> Option<Line> {
    let number = job.number?;
    let file = |content: Option<&Content>| match content {
        Some(Content::File(digest, _)) => Some(*digest),
        Some(Content::Link(_)) | None => None,
    };
    let was = |expected: &Expected| match expected {
        Expected::Exactly { content, .. } => file(content.as_ref()),
        Expected::Nothing => None,
    };
    let (path, expected, incoming, retire) = match &operation.act {
        // Where nothing is, nothing is displaced.
        Act::Install { expected: Expected::Nothing, .. }
        | Act::Link { expected: Expected::Nothing, .. } => return None,
        Act::Install { at, expected, content, retire, .. } => {
            (at.path(), was(expected), file(Some(content)), *retire)
        }
        Act::Link { at, expected, file, retire, .. } => {
            (at.path(), was(expected), was(file), *retire)
        }
        Act::Remove { at, expected, retire } => (at.path(), was(expected), None, *retire),
        Act::Release { digest, of } => (of.clone(), Some(*digest), None, Retire::Trash),
        Act::MakeDir { .. } | Act::SetAttributes { .. } => return None,
        Act::Move { .. } | Act::Exchange { .. } | Act::Keep { .. } => return None,
    };
    let keep = retire == Retire::Keep;
    Some(Line { number, expected, incoming, keep, path })
}

/// An outcome without anything special.
fn done(now: Vec<Present>) -> Outcome {
    Outcome::Done { now, refused: None, displaced: None }
}

#[cfg(test)]
mod tests;
