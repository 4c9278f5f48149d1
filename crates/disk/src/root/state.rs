//! Where staging, trash and conflict store of a folder lie: outside the tree, on the same mount,
//! in a directory from which a rename into the folder works (decisions B4).
//!
//! Whether it works is tried, not guessed: project quotas answer EXDEV on one and the same mount.
//! On Linux only; the simulator brings its own directory. Called by the daemon when a folder is
//! opened.

use super::mark::{fresh_name, hex, remove};
use super::RootError;
use crate::fs::{Fs, On};
use crate::ignore::STATE_NAME;
use crate::linux::Linux;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Tells backup programs to leave our directories out (bford.info/cachedir).
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by syncline.\n";
const TAG_NAME: &str = "CACHEDIR.TAG";

/// Which place it became, the best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// In the node's home.
    Home,
    /// At the top of the folder's mount.
    MountTop,
    /// Beside the folder.
    Beside,
    /// Inside the folder, for want of anything better: web servers must be told to deny it.
    Inside,
}

/// A folder's state directory.
#[derive(Debug)]
pub struct StateDir {
    /// Open; 0700.
    pub dir: <Linux as Fs>::Dir,
    /// Where it is.
    pub path: PathBuf,
    /// Which place it became.
    pub choice: Choice,
}

/// What the choice depends on. Paths are absolute and without symlinks.
pub struct Wanted<'a> {
    /// The folder's root.
    pub root: &'a Path,
    /// The node's home.
    pub home: &'a Path,
    /// All roots that this node serves.
    pub served: &'a [PathBuf],
    /// The folder's id, which names the directory.
    pub folder: [u8; 16],
}

/// Makes, or finds again, the first place that works. What was made on the way and did not work is
/// removed again.
pub fn choose(
    fs: &Linux,
    root: &<Linux as Fs>::Dir,
    wanted: &Wanted<'_>,
) -> Result<StateDir, RootError> {
    let failed = |error| RootError::Io { path: wanted.root.to_owned(), error };
    let before = fs.stat_dir(root).map_err(failed)?;
    let mut last = None;
    for (choice, base) in candidates(fs, before.mount, wanted) {
        let tried = try_base(fs, (root, before.mount), &base, &wanted.folder);
        // Trying is no user's change of the directory. Where its time cannot be put back, it is
        // wrong, and that is all.
        if fs.stat_dir(root).is_ok_and(|now| now.mtime != before.mtime) {
            let _ = fs.set_mtime(On::Dir(root), before.mtime);
        }
        match tried {
            Ok((dir, path)) => return Ok(StateDir { dir, path, choice }),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.unwrap_or_else(|| io::ErrorKind::NotFound.into())))
}

fn candidates(fs: &Linux, mount: u64, wanted: &Wanted<'_>) -> Vec<(Choice, PathBuf)> {
    let own = OsStr::from_bytes(STATE_NAME);
    let is_free = |base: &Path| !wanted.served.iter().any(|other| base.starts_with(other));
    let mut all = vec![(Choice::Home, wanted.home.join("folders"))];
    if let Some(parent) = wanted.root.parent() {
        let on_mount = |path: &&Path| {
            let stat = fs.open_root(path).and_then(|dir| fs.stat_dir(&dir));
            stat.is_ok_and(|stat| stat.mount == mount)
        };
        if let Some(top) = parent.ancestors().take_while(on_mount).last() {
            all.push((Choice::MountTop, top.join(own)));
        }
        all.push((Choice::Beside, parent.join(own)));
    }
    all.retain(|(_, base)| is_free(base));
    all.push((Choice::Inside, wanted.root.join(own)));
    all
}

fn try_base(
    fs: &Linux,
    (root, mount): (&<Linux as Fs>::Dir, u64),
    base: &Path,
    folder: &[u8; 16],
) -> io::Result<(<Linux as Fs>::Dir, PathBuf)> {
    let base_made = make_private(base)?;
    let path = base.join(hex(folder));
    let made = make_private(&path);
    let tried = made.as_ref().map_err(|error| io::Error::from(error.kind())).and_then(|_| {
        let base_dir = fs.open_root(base)?;
        check_private(fs, &base_dir)?;
        let dir = fs.open_root(&path)?;
        check_private(fs, &dir)?;
        if fs.stat_dir(&dir)?.mount != mount {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        try_rename(fs, &dir, root)?;
        Ok(dir)
    });
    match tried {
        Ok(dir) => {
            if base_made {
                std::fs::write(base.join(TAG_NAME), TAG)?;
            }
            Ok((dir, path))
        }
        Err(error) => {
            // Only what was made here and is empty goes; a failure leaves an empty directory.
            if made.is_ok_and(|made| made) {
                let _ = std::fs::remove_dir(&path);
            }
            if base_made {
                let _ = std::fs::remove_dir(base);
            }
            Err(error)
        }
    }
}

/// Makes a directory, 0700. False if it was there.
fn make_private(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// A directory that others may write to, or made before us, is not ours.
fn check_private(fs: &Linux, dir: &<Linux as Fs>::Dir) -> io::Result<()> {
    let stat = fs.stat_dir(dir)?;
    let ours = stat.owner.uid == rustix::process::geteuid().as_raw();
    if ours && stat.mode & 0o022 == 0 {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// Renames an empty file of ours into the root and removes it.
fn try_rename(fs: &Linux, dir: &<Linux as Fs>::Dir, root: &<Linux as Fs>::Dir) -> io::Result<()> {
    let probe = fresh_name();
    fs.create(dir, &probe)?;
    let renamed = fs.rename_in((dir, &probe), (root, &probe));
    let lies_in = if renamed.is_ok() { root } else { dir };
    remove(fs, lies_in, &probe)?;
    renamed
}

#[cfg(test)]
mod tests;
