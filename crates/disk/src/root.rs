//! The folder's root: whether it is still the directory that was added, before anything is
//! believed or done there.
//!
//! Missing is not empty, and empty is not deleted: a root that is gone, emptied, another directory
//! or on another filesystem stops its folder (I5). The root carries a mark, an extended attribute
//! of the directory (a file only where those do not work), so that nothing of ours stands among
//! the user's files. Does not look at what is inside, beyond first names; that is `scan`. Called
//! by the daemon when a folder is added or opened, before each scan and before each batch of
//! deletions.

pub mod mark;
pub mod noted;
pub mod state;

use crate::fs::{Fs, Stat};
use crate::ignore::Ignore;
use crate::store::LastSeen;
use engine::index::{Handle, IndexError, SeenRow, Volatile, FORMER, ROOT_SLOT};
use engine::path::RelPath;
use engine::proof::{broken, reached, Mutant};
use mark::{Mark, Place};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Rows of D asked for at a time.
const ROWS_PAGE: usize = 256;
/// Of a hundred names at the top, so many must be there for a lost mark to be made again.
const PRESENT_PERCENT_MIN: u64 = 95;

/// Why a directory cannot be a folder's root. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Nothing is there.
    #[error("{}: there is no such directory; create it first", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{}: is not a directory; give the directory to synchronise", path.display())]
    NotDirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// We may not work there.
    #[error("{}: cannot be read and written by this user; change its permissions or run \
             syncline as another user", path.display())]
    NoAccess {
        /// The path as given.
        path: PathBuf,
    },
    /// It takes no files.
    #[error("{}: no file can be made there ({error}); nothing was changed; choose a directory of a \
             filesystem that keeps files", path.display())]
    TakesNoFiles {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Folders must not overlap.
    #[error("{}: lies inside the folder at {}, or around it; folders must not overlap",
            path.display(), other.display())]
    Overlaps {
        /// The path as given.
        path: PathBuf,
        /// The root of the folder that is already there.
        other: PathBuf,
    },
    /// It bears another mark.
    #[error("{}: already belongs to {owner}; nothing was changed; remove that folder there first \
             (`syncline folder remove`), or if that node is gone for good take its mark off: \
             `setfattr -x user.syncline.folder {}` (or remove the file .syncline-folder in it)",
            path.display(), path.display())]
    Owned {
        /// The path as given.
        path: PathBuf,
        /// Whose.
        owner: String,
    },
    /// It is not what was added: see the state.
    #[error("{}: {state}; nothing was changed", path.display())]
    NotGood {
        /// The path as configured.
        path: PathBuf,
        /// What it is instead.
        state: RootState,
    },
    /// The machine refused.
    #[error("{}: {error}; nothing was changed", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What was last seen cannot be looked up.
    #[error(transparent)]
    LastSeen(#[from] IndexError),
}

/// What a look at the root shows. All but `Good` stop the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RootState {
    /// It is the directory that was added.
    Good,
    /// Nothing, or no directory, is there.
    Missing,
    /// It is there and has nothing in it, and there was something.
    Emptied,
    /// It belongs to somebody else, or cannot be looked at.
    Foreign {
        /// Why.
        why: String,
    },
    /// Another directory, or another filesystem, is at its path.
    Replaced,
}

impl std::fmt::Display for RootState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RootState::Good => f.write_str("the folder's root is in place"),
            RootState::Missing => f.write_str(
                "the folder's root is missing: mount or restore it, or remove the folder",
            ),
            RootState::Emptied => f.write_str(
                "the folder's root is empty and was not: mount or restore it, or delete its \
                 contents on another node if that is what you want",
            ),
            RootState::Foreign { why } => write!(f, "the folder's root is not ours: {why}"),
            RootState::Replaced => f.write_str(
                "another directory or filesystem is at the folder's path: put the right one \
                 there, or remove the folder and add it again",
            ),
        }
    }
}

/// How a root is recognised later; kept by the daemon beside the folder's path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The directory's inode.
    pub handle: Handle,
    /// The filesystem's id.
    pub volume: [u8; 8],
}

/// Opens the root's path anew: what is at the path may change while we hold the directory.
pub type Door<F> = Box<dyn Fn() -> io::Result<<F as Fs>::Dir> + Send + Sync>;

/// An open root. Keeps the directory open and the filesystem mounted.
pub struct Root<F: Fs> {
    path: PathBuf,
    door: Door<F>,
    dir: F::Dir,
    stat: Stat,
    volume: [u8; 8],
    mark: Mark,
    place: Place,
    /// The machine was started since the folder was open last.
    rebooted: bool,
    /// The mark was lost and has been made again: worth a notice.
    pub remarked: bool,
}

/// What is at a root's path now.
struct AtPath<F: Fs> {
    dir: F::Dir,
    /// It is the directory that we hold.
    same: bool,
    found: Option<(Mark, Place)>,
}

impl<F: Fs> std::fmt::Debug for Root<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Root({})", self.path.display())
    }
}

/// A door for the real filesystem.
pub fn linux_door(path: &Path) -> Door<crate::linux::Linux> {
    let path = path.to_owned();
    Box::new(move || crate::linux::Linux::new().open_root(&path))
}

/// Says whether `path` overlaps one of the roots that this node already serves; all are absolute
/// and without symlinks (as `std::fs::canonicalize` gives them).
pub fn check_overlap(path: &Path, served: &[PathBuf]) -> Result<(), RootError> {
    let overlaps = |other: &&PathBuf| path.starts_with(other) || other.starts_with(path);
    match served.iter().find(overlaps) {
        Some(other) => Err(RootError::Overlaps { path: path.to_owned(), other: other.clone() }),
        None => Ok(()),
    }
}

/// Says whether a directory bears a mark already, for a node that holds nothing yet: no mark can be
/// its own. Writes nothing.
pub fn check_unowned<F: Fs>(fs: &F, path: &Path, door: &Door<F>) -> Result<(), RootError> {
    let refused = |error| opening(path, error);
    let dir = door().map_err(refused)?;
    let Some((found, _)) = mark::read(fs, &dir).map_err(refused)? else { return Ok(()) };
    let nobody = Mark { folder: [0; 16], node: [0; 32], home: [0; 16] };
    let owner = found.words(&nobody);
    Err(RootError::Owned { path: path.to_owned(), owner })
}

/// What an error of opening a root means.
fn opening(path: &Path, error: io::Error) -> RootError {
    let path = path.to_owned();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => RootError::Missing { path },
        Some(Errno::NOTDIR | Errno::LOOP) => RootError::NotDirectory { path },
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => RootError::NoAccess { path },
        _ => RootError::Io { path, error },
    }
}

/// What an error of writing in a root that was opened means: it is there, whatever its filesystem
/// says.
fn unwritable(path: &Path, error: io::Error) -> RootError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            RootError::TakesNoFiles { path: path.to_owned(), error }
        }
        _ => opening(path, error),
    }
}

impl<F: Fs> Root<F> {
    /// Makes a directory a folder's root: marks it. Refuses one that bears another's mark, unless
    /// `takeover`. A directory that bears this very mark is opened as it is.
    pub fn claim(
        fs: &F,
        path: &Path,
        door: Door<F>,
        mark: Mark,
        takeover: bool,
    ) -> Result<Root<F>, RootError> {
        let dir = door().map_err(|error| opening(path, error))?;
        let refused = |error| opening(path, error);
        mark::try_write(fs, &dir).map_err(|error| unwritable(path, error))?;
        let found = mark::read(fs, &dir).map_err(refused)?;
        if let Some((other, _)) = found.filter(|(other, _)| *other != mark && !takeover) {
            let owner = other.words(&mark);
            return Err(RootError::Owned { path: path.to_owned(), owner });
        }
        let place = mark::write(fs, &dir, &mark).map_err(|error| unwritable(path, error))?;
        Root::held(fs, path, door, dir, (mark, place), false)
    }

    /// Opens a root that was claimed before. A lost mark is made again if all else is as it was
    /// (`remarked` says so); whatever is not `Good` is an error that names the state. If the
    /// machine was `rebooted` since, the power may have taken what was volatile.
    pub fn open(
        fs: &F,
        path: &Path,
        door: Door<F>,
        mark: Mark,
        identity: &Identity,
        last: &impl LastSeen,
        rebooted: bool,
    ) -> Result<Root<F>, RootError> {
        let not_good = |state| RootError::NotGood { path: path.to_owned(), state };
        let refused = |error| opening(path, error);
        let dir = door().map_err(|error| not_good(unopened(&error)))?;
        if broken(Mutant::AnyRootWillDo) {
            let place = mark::write(fs, &dir, &mark).map_err(refused)?;
            return Root::held(fs, path, door, dir, (mark, place), false);
        }
        let handle = fs.stat_dir(&dir).map_err(refused)?.handle;
        let volume = fs.volume(&dir).map_err(refused)?.id;
        let found = mark::read(fs, &dir).map_err(refused)?;
        let state = judge(found.as_ref().map(|(found, _)| found), &mark, handle == identity.handle);
        if state != RootState::Good {
            return Err(not_good(state));
        }
        let lost = |_: &Volatile| rebooted;
        if is_emptied(fs, &dir, last, lost)? {
            return Err(not_good(RootState::Emptied));
        }
        let (place, remarked) = match found {
            Some((_, place)) => (place, false),
            None if volume == identity.volume && is_mostly_there(fs, &dir, last)? => {
                (mark::write(fs, &dir, &mark).map_err(refused)?, true)
            }
            None => return Err(not_good(RootState::Replaced)),
        };
        let root = Root::held(fs, path, door, dir, (mark, place), remarked)?;
        Ok(Root { rebooted, ..root })
    }

    fn held(
        fs: &F,
        path: &Path,
        door: Door<F>,
        dir: F::Dir,
        (mark, place): (Mark, Place),
        remarked: bool,
    ) -> Result<Root<F>, RootError> {
        let stat = fs.stat_dir(&dir).map_err(|error| opening(path, error))?;
        let volume = fs.volume(&dir).map_err(|error| opening(path, error))?.id;
        let path = path.to_owned();
        let rebooted = false;
        Ok(Root { path, door, dir, stat, volume, mark, place, rebooted, remarked })
    }

    /// The open directory.
    pub fn dir(&self) -> &F::Dir {
        &self.dir
    }

    /// The path as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the mark is: the directory itself, or a file in it.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What to keep for [`Root::open`].
    pub fn identity(&self) -> Identity {
        Identity { handle: self.stat.handle.clone(), volume: self.volume }
    }

    /// Whether what is at the path now is still this root, whatever is in it. Half a dozen system
    /// calls: to be asked every other second, and before every batch of operations.
    pub fn look(&self, fs: &F) -> RootState {
        let AtPath { same, found, .. } = match self.look_at_path(fs) {
            Ok(seen) => seen,
            Err(error) => return unopened(&error),
        };
        match judge(found.as_ref().map(|(found, _)| found), &self.mark, same) {
            RootState::Good if found.is_none() => lost_mark(),
            state => state,
        }
    }

    fn look_at_path(&self, fs: &F) -> io::Result<AtPath<F>> {
        let dir = (self.door)()?;
        let now = fs.stat_dir(&dir)?;
        let same = now.handle == self.stat.handle
            && now.mount == self.stat.mount
            && fs.volume(&dir)?.id == self.volume;
        let found = mark::read(fs, &dir)?;
        Ok(AtPath { dir, same, found })
    }

    /// Like [`Root::look`], and whether it has been emptied. To be asked before every scan.
    pub fn check(&self, fs: &F, last: &impl LastSeen) -> Result<RootState, IndexError> {
        let AtPath { dir, same, found } = match self.look_at_path(fs) {
            Ok(seen) => seen,
            Err(error) => return Ok(unopened(&error)),
        };
        let state = judge(found.as_ref().map(|(found, _)| found), &self.mark, same);
        if state != RootState::Good {
            return Ok(state);
        }
        let lost = |volatile: &Volatile| self.rebooted && volatile.epoch <= FORMER;
        match is_emptied(fs, &dir, last, lost) {
            Ok(true) => Ok(RootState::Emptied),
            Ok(false) if found.is_some() => Ok(RootState::Good),
            // Only `open` makes a lost mark again; the folder is opened anew.
            Ok(false) => Ok(lost_mark()),
            Err(RootError::LastSeen(error)) => Err(error),
            Err(error) => Ok(RootState::Foreign { why: error.to_string() }),
        }
    }
}

/// A folder whose mark vanished while it ran is stopped.
fn lost_mark() -> RootState {
    let why = "it lost its mark; it gets a new one when the folder is opened again".to_owned();
    RootState::Foreign { why }
}

/// What a path that does not open means.
fn unopened(error: &io::Error) -> RootState {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => RootState::Missing,
        _ => RootState::Foreign { why: format!("it cannot be looked at: {error}") },
    }
}

/// What mark and inode say; `Good` where no mark is and the inode is the same.
fn judge(found: Option<&Mark>, wanted: &Mark, same: bool) -> RootState {
    if !same || found.is_some_and(|found| found != wanted) {
        reached("a root that is not what was added");
    }
    match found {
        Some(found) if found != wanted => {
            RootState::Foreign { why: format!("it belongs to {}", found.words(wanted)) }
        }
        _ if same => RootState::Good,
        _ => RootState::Replaced,
    }
}

/// Whether nothing but ours is in the root, and D says that there was something.
/// What was `lost` with the power says nothing by its absence: no sync had made it durable.
fn is_emptied<F: Fs>(
    fs: &F,
    dir: &F::Dir,
    last: &impl LastSeen,
    lost: impl Fn(&Volatile) -> bool,
) -> Result<bool, RootError> {
    let first = last.seen_children(ROOT_SLOT, None, ROWS_PAGE)?;
    // One name that is there is enough, and nearly always the first is.
    for name in first.iter().filter_map(|row| row.name.as_ref()) {
        match fs.stat(dir, name) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
            _ => return Ok(false),
        }
    }
    let ignore = Ignore::default();
    let mut others = 0u64;
    let listed = fs.list(dir, &mut |name, _| {
        others += u64::from(!ignore.is_own(&RelPath::from_names(vec![name])));
    });
    listed.map_err(|error| RootError::Io { path: PathBuf::from("the folder's root"), error })?;
    let was_there = |row: &SeenRow| !row.volatile.as_ref().is_some_and(&lost);
    Ok(others == 0 && (first.len() == ROWS_PAGE || first.iter().any(was_there)))
}

/// Whether nearly everything that D has at the top is there.
fn is_mostly_there<F: Fs>(fs: &F, dir: &F::Dir, last: &impl LastSeen) -> Result<bool, RootError> {
    let (mut there, mut all) = (0u64, 0u64);
    let mut after = None;
    loop {
        let rows = last.seen_children(ROOT_SLOT, after.as_ref(), ROWS_PAGE)?;
        let done = rows.len() < ROWS_PAGE;
        for name in rows.iter().filter_map(|row| row.name.as_ref()) {
            all += 1;
            there += u64::from(fs.stat(dir, name).is_ok());
        }
        after = rows.into_iter().last().and_then(|row| row.name);
        if done {
            return Ok(there * 100 >= all * PRESENT_PERCENT_MIN);
        }
    }
}

#[cfg(test)]
mod tests;
