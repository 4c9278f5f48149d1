//! The directories that a batch works in: opened once, verified by handle, and given back the time
//! that they had, because an apply is not a user's change of a directory.
//!
//! Used by `apply` only.

use crate::fs::Fs;
use engine::entry::Timestamp;
use engine::index::Handle;
use engine::path::RelPath;
use engine::proof::{broken, Mutant};
use std::collections::BTreeMap;
use std::io;

use crate::fs::On;

struct Parent<F: Fs> {
    dir: F::Dir,
    /// What its time was before the batch, or was set to by it.
    mtime: Timestamp,
    /// What its time was after our last change.
    after: Timestamp,
    /// Somebody else changed it too: its time is theirs.
    foreign: bool,
}

/// The open directories of one batch.
pub(super) struct Parents<F: Fs> {
    open: BTreeMap<Handle, Parent<F>>,
}

impl<F: Fs> Parents<F> {
    pub(super) fn new() -> Parents<F> {
        Parents { open: BTreeMap::new() }
    }

    /// The directory with this handle, which must be at `path`; `None` if another is there.
    pub(super) fn enter(
        &mut self,
        fs: &F,
        root: &F::Dir,
        path: &RelPath,
        handle: &Handle,
    ) -> io::Result<Option<F::Dir>> {
        if let Some(parent) = self.open.get_mut(handle) {
            parent.foreign |= fs.stat_dir(&parent.dir)?.mtime != parent.after;
            return Ok(Some(parent.dir.clone()));
        }
        let dir = fs.open_dir(root, path)?;
        let stat = fs.stat_dir(&dir)?;
        if stat.handle != *handle && !broken(Mutant::LinksFollowed) {
            return Ok(None);
        }
        let (mtime, after) = (stat.mtime, stat.mtime);
        let parent = Parent { dir: dir.clone(), mtime, after, foreign: false };
        self.open.insert(handle.clone(), parent);
        Ok(Some(dir))
    }

    /// Call after each operation with the directory that it changed.
    pub(super) fn leave(&mut self, fs: &F, handle: &Handle) {
        if let Some(parent) = self.open.get_mut(handle) {
            match fs.stat_dir(&parent.dir) {
                Ok(stat) => parent.after = stat.mtime,
                Err(_) => parent.foreign = true,
            }
        }
    }

    /// An operation has set this directory's own time: that is what it goes back to.
    pub(super) fn set(&mut self, handle: &Handle, mtime: Timestamp) {
        if let Some(parent) = self.open.get_mut(handle) {
            (parent.mtime, parent.after, parent.foreign) = (mtime, mtime, false);
        }
    }

    /// Ends the batch. A time that cannot be put back is a wrong time, not a failure.
    pub(super) fn restore(&mut self, fs: &F) {
        for (_, parent) in std::mem::take(&mut self.open) {
            let ours = !parent.foreign && parent.after != parent.mtime;
            let ours = ours && !broken(Mutant::DirectoryTimesKept);
            if ours && fs.stat_dir(&parent.dir).is_ok_and(|stat| stat.mtime == parent.after) {
                let _ = fs.set_mtime(On::Dir(&parent.dir), parent.mtime);
            }
        }
    }
}
