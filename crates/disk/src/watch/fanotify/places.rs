//! Directory file handle -> where that directory is below the root, with a small memory.
//!
//! A handle names the directory itself, so it stays right when the directory moves; the remembered
//! path does not, so the owner calls [`Places::forget`] when a directory was moved. A removed
//! directory's handle never comes back (inode and generation), so removals need no forgetting.
//! Used by `super::Group` only.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use engine::path::{Name, RelPath};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::super::sys;

/// Handles remembered in each of the two generations; about 200 bytes each.
const REMEMBERED_MAX: usize = 8_192;
/// Directories to climb from a path too long for readlink(2) before giving up.
const CLIMB_MAX: usize = 4_096;

/// Where a directory is, seen from the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Where {
    /// Below the root, or the root.
    Inside(RelPath),
    /// Somewhere below this, too deep for a path of the kernel's.
    Below(RelPath),
    /// Not in our tree, or gone.
    Outside,
}

/// The resolver and its memory.
pub(super) struct Places {
    root: OwnedFd,
    descriptors: OwnedFd,
    young: HashMap<Box<[u8]>, Where>,
    old: HashMap<Box<[u8]>, Where>,
    look_ups: u64,
}

impl Places {
    /// `root` must not be O_PATH. Fails without /proc, or when handles may not be opened.
    pub(super) fn open(root: OwnedFd) -> Result<Places, String> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptors = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty())
            .map_err(|errno| format!("/proc/self/fd cannot be opened ({errno}); mount /proc"))?;
        let handle = sys::handle_of(root.as_fd())
            .map_err(|errno| format!("the filesystem gives no file handles ({errno})"))?;
        let mut places =
            Places { root, descriptors, young: HashMap::new(), old: HashMap::new(), look_ups: 0 };
        match places.find(&handle) {
            Ok(Where::Inside(path)) if path.is_root() => {}
            Ok(_) => return Err("the root's own file handle leads elsewhere".into()),
            Err(Errno::PERM) => {
                return Err("open_by_handle_at was refused (EPERM): it needs \
                            CAP_DAC_READ_SEARCH; run as root or grant it"
                    .into())
            }
            Err(errno) => return Err(format!("open_by_handle_at does not work here ({errno})")),
        }
        Ok(places)
    }

    /// The root, for marks.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Where the directory of this handle is now, or was when it was last looked up.
    pub(super) fn find(&mut self, handle: &[u8]) -> Result<Where, Errno> {
        if let Some(place) = self.young.get(handle) {
            return Ok(place.clone());
        }
        let place = match self.old.remove(handle) {
            Some(place) => place,
            None => self.look_up(handle)?,
        };
        self.remember(handle, place.clone());
        Ok(place)
    }

    /// Two generations: what is in use moves on to the young one, the rest goes with the old.
    fn remember(&mut self, handle: &[u8], place: Where) {
        if self.young.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(handle.into(), place);
    }

    /// Drops every remembered path: a directory was moved, or events are missing.
    pub(super) fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// How often the kernel was asked, for tests and measurements.
    #[cfg(test)]
    pub(super) fn look_ups(&self) -> u64 {
        self.look_ups
    }

    fn look_up(&mut self, handle: &[u8]) -> Result<Where, Errno> {
        self.look_ups += 1;
        let directory = match sys::open_by_handle(self.root.as_fd(), handle) {
            Ok(directory) => directory,
            Err(Errno::STALE) => return Ok(Where::Outside),
            Err(errno) => return Err(errno),
        };
        let root = self.path_of(self.root.as_fd())?;
        match self.path_of(directory.as_fd()) {
            Ok(path) => {
                if path.as_bytes().ends_with(b" (deleted)") && is_removed(directory.as_fd())? {
                    return Ok(Where::Outside);
                }
                Ok(beneath(root.as_bytes(), path.as_bytes()).map_or(Where::Outside, Where::Inside))
            }
            Err(Errno::NAMETOOLONG) => self.climb(directory, root.as_bytes()),
            Err(errno) => Err(errno),
        }
    }

    /// The nearest directory above whose path the kernel can still spell.
    fn climb(&self, mut directory: OwnedFd, root: &[u8]) -> Result<Where, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for _ in 0..CLIMB_MAX {
            directory = rustix::fs::openat(&directory, c"..", flags, Mode::empty())?;
            match self.path_of(directory.as_fd()) {
                Ok(path) => {
                    return Ok(beneath(root, path.as_bytes()).map_or(Where::Outside, Where::Below))
                }
                Err(Errno::NAMETOOLONG) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    fn path_of(&self, fd: BorrowedFd<'_>) -> Result<CString, Errno> {
        rustix::fs::readlinkat(&self.descriptors, fd.as_raw_fd().to_string(), Vec::new())
    }
}

/// Whether the open directory was removed (its name could also just end like that).
fn is_removed(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let status = rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::NLINK)?;
    Ok(status.stx_nlink == 0)
}

/// The rest of `path` below `root`, both absolute; `None` if it is not below.
fn beneath(root: &[u8], path: &[u8]) -> Option<RelPath> {
    let rest = path.strip_prefix(root)?;
    if rest.is_empty() {
        return Some(RelPath::root());
    }
    let rest = if root == b"/" { rest } else { rest.strip_prefix(b"/")? };
    let names = rest.split(|&byte| byte == b'/').map(Name::new);
    names.collect::<Result<Vec<_>, _>>().ok().map(RelPath::from_names)
}

#[cfg(test)]
mod tests;
