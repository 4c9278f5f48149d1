//! Kernel events -> [`Hint`]: this name may have changed, this subtree may have, or I lost track.
//!
//! Not a source of truth: a hint says where to look, and only the scan says what is there. Nothing
//! is read from the tree's files here, and nothing is logged per event. Called by the daemon's
//! watch worker (one per folder), which hands the hints to `settle`.
//!
//! Known blind spots, all left to the audit scan: a store through a mapping is seen at munmap only;
//! bytes written through one hard link are hinted for the name that was used, not for the other
//! names; a file kept open for writing is hinted at its creation and at its close, nothing between.

mod fanotify;
mod hint;
mod inotify;
mod sys;
mod wake;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub use hint::{Hint, Touched};
pub use wake::{Stopper, Wake};

use fanotify::Group;
use inotify::Tree;
use wake::Bell;

/// Records in one batch from which on the next read waits [`GATHER`]: three times less CPU for a
/// burst, nothing lost for a lone change (measured, dependencies page section 3).
const BURST_RECORDS: usize = 64;
/// How long a burst is left to gather between two reads.
const GATHER: Duration = Duration::from_millis(2);

/// How changes are noticed, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rung {
    /// One mark on the whole filesystem: complete, whatever the size of the tree.
    FanotifyFilesystem,
    /// One watch per directory: costs a walk, memory, and a limit that can be too small.
    Inotify,
    /// No events at all: only the periodic scan sees changes.
    ScanOnly,
}

/// Why a better rung than the one in use was not taken; for `status` and `doctor`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The rung that did not work.
    pub rung: Rung,
    /// What the kernel said and what would help, as one sentence.
    pub reason: String,
}

/// How to open a [`Watcher`]; the default is what the product uses.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Take this rung or fail, instead of the best one that works.
    pub rung: Option<Rung>,
    /// Report what this very process does, too (inotify cannot tell and always reports it).
    pub keep_own: bool,
    /// Keep the kernel's default queue, which overflows at fs.fanotify.max_queued_events.
    pub small_queue: bool,
}

/// Why a watcher could not be opened; nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The root directory cannot be listed.
    #[error("cannot open folder root {root} to watch it: {source}; check its permissions")]
    Root {
        /// The folder's root, as the operator wrote it.
        root: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The only rung that was allowed does not work here.
    #[error("cannot watch {root} by {rung:?}, which was asked for: {reason}")]
    Forced {
        /// The folder's root, as the operator wrote it.
        root: PathBuf,
        /// The rung that was asked for.
        rung: Rung,
        /// What the kernel said and what would help.
        reason: String,
    },
    /// No eventfd for the stop handle.
    #[error("cannot create the stop handle of the watcher of {root}: {source}; raise ulimit -n")]
    Stop {
        /// The folder's root, as the operator wrote it.
        root: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

enum Source {
    Fanotify(Box<Group>),
    Inotify(Box<Tree>),
    None,
}

/// The open event source of one folder. Hints count from the moment [`Watcher::open`] returned, so
/// a scan that starts after it misses nothing.
pub struct Watcher {
    source: Source,
    rung: Rung,
    refusals: Vec<Refusal>,
    bell: Bell,
    last_batch_records: usize,
}

impl Watcher {
    /// Opens the best rung that works for the tree below `root` (O_PATH or O_RDONLY); `path` is
    /// used in messages only. On the inotify rung this walks all directories.
    pub fn open(
        root: BorrowedFd<'_>,
        path: &Path,
        options: Options,
    ) -> Result<Watcher, WatchError> {
        let bell = Bell::new()
            .map_err(|source| WatchError::Stop { root: path.into(), source: source.into() })?;
        let listable = || reopen(root);
        listable()
            .map_err(|source| WatchError::Root { root: path.into(), source: source.into() })?;
        let mut refusals = Vec::new();
        let rungs = [Rung::FanotifyFilesystem, Rung::Inotify, Rung::ScanOnly];
        for rung in rungs.into_iter().filter(|rung| options.rung.is_none_or(|one| one == *rung)) {
            match open_rung(rung, listable, options) {
                Ok(source) => {
                    return Ok(Watcher { source, rung, refusals, bell, last_batch_records: 0 })
                }
                Err(reason) if options.rung.is_some() => {
                    return Err(WatchError::Forced { root: path.into(), rung, reason })
                }
                Err(reason) => refusals.push(Refusal { rung, reason }),
            }
        }
        unreachable!("scan-only always opens")
    }

    /// The rung in use.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Why each better rung was refused, and what is incomplete about the one in use.
    pub fn refusals(&self) -> Vec<Refusal> {
        let mut all = self.refusals.clone();
        if self.unwatched() > 0 {
            let reason = format!(
                "{} directories are not watched: the inotify limit is reached; raise sysctl \
                 fs.inotify.max_user_watches, until then only scans see their changes",
                self.unwatched()
            );
            all.push(Refusal { rung: Rung::Inotify, reason });
        }
        all
    }

    /// Directories whose changes only a scan will see; never 0 on the scan-only rung's terms, where
    /// the rung itself says it.
    pub fn unwatched(&self) -> u64 {
        match &self.source {
            Source::Inotify(tree) => tree.unwatched(),
            Source::Fanotify(_) | Source::None => 0,
        }
    }

    /// Whether the source tells our own changes from those of others, so that ours give no hints.
    pub fn drops_own(&self) -> bool {
        matches!(&self.source, Source::Fanotify(group) if !group.keeps_own())
    }

    /// A handle that ends [`Watcher::next`] from any thread.
    pub fn stopper(&self) -> Stopper {
        self.bell.stopper()
    }

    /// From now on, a file `cookie-<decimal u64>` created by anybody in `dir` (the folder's state
    /// directory, on the root's filesystem) comes back as [`Hint::Cookie`], after the hints of all
    /// that happened before it. Fails with EXDEV where events of `dir` would not come through this
    /// queue, and with EOPNOTSUPP on the scan-only rung: there is no barrier then.
    pub fn watch_cookies(&mut self, dir: BorrowedFd<'_>) -> io::Result<()> {
        match &mut self.source {
            Source::Fanotify(group) => Ok(group.watch_cookies(dir)?),
            Source::Inotify(tree) => Ok(tree.watch_cookies(dir)?),
            Source::None => Err(Errno::OPNOTSUPP.into()),
        }
    }

    /// Waits for events, at most `timeout` (`None`: until one comes or the stopper is used), and
    /// appends their hints, one kernel read (at most 256 KiB of records) per call.
    pub fn next(&mut self, buffer: &mut Vec<Hint>, timeout: Option<Duration>) -> io::Result<Wake> {
        if self.last_batch_records >= BURST_RECORDS && self.bell.wait(None, Some(GATHER))? {
            return Ok(Wake::Stopped);
        }
        self.last_batch_records = 0;
        let fd = match &self.source {
            Source::Fanotify(group) => Some(group.fd()),
            Source::Inotify(tree) => Some(tree.fd()),
            Source::None => None,
        };
        if self.bell.wait(fd, timeout)? {
            return Ok(Wake::Stopped);
        }
        let records = match &mut self.source {
            Source::Fanotify(group) => group.read(buffer)?,
            Source::Inotify(tree) => tree.read(buffer)?,
            Source::None => 0,
        };
        self.last_batch_records = records;
        Ok(if records == 0 { Wake::Timeout } else { Wake::Read })
    }
}

/// A descriptor of the same directory that can be listed and used for handles; O_PATH cannot.
fn reopen(root: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(root, c".", flags, Mode::empty())
}

fn open_rung(
    rung: Rung,
    root: impl Fn() -> Result<OwnedFd, Errno>,
    options: Options,
) -> Result<Source, String> {
    let root = || root().map_err(|errno| format!("the root cannot be opened: {errno}"));
    match rung {
        Rung::FanotifyFilesystem => {
            Group::open(root()?, options).map(Box::new).map(Source::Fanotify)
        }
        Rung::Inotify => Tree::open(root()?).map(Box::new).map(Source::Inotify),
        Rung::ScanOnly => Ok(Source::None),
    }
}

#[cfg(test)]
mod tests;
