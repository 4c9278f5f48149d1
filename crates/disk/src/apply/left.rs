//! What is left in staging with user bytes in it: after a crash, or because a writer would not let
//! go. Looked at again until it can be told what it is; never deleted unhashed.
//!
//! Used by `apply` only.

use super::{Apply, Spot};
use crate::fs::{FileKind, Fs, Lease};
use crate::stage::{read_whole, Ready};
use crate::trash::{Line, Stray};
use engine::path::{Name, RelPath};
use std::io;

/// Staged content on its way in; after an exchange, what was displaced.
pub(super) const SWAP: &str = "swap";
/// What was renamed out of the tree.
pub(super) const ASIDE: &str = "aside";
/// What was shown in the tree for an instant and taken back.
pub(super) const PARKED: &str = "parked";
/// What attributes are tried out on; never anybody's bytes.
pub(super) const SCRATCH: &str = "scratch";

/// One leftover.
pub(super) struct Left {
    name: Name,
    number: u64,
    path: Option<RelPath>,
}

/// The name of number `number`.
pub(super) fn name(prefix: &str, number: u64) -> Name {
    Name::new(format!("{prefix}-{number}").as_bytes()).expect("letters, a dash and digits")
}

/// All leftovers in the staging directory, by number.
pub(super) fn find<F: Fs>(fs: &F, stage: &F::Dir) -> io::Result<Vec<(u64, Name)>> {
    let mut found = Vec::new();
    fs.list(stage, &mut |name, _| {
        let text = std::str::from_utf8(name.as_bytes()).ok();
        let number = text.and_then(|text| {
            let (prefix, number) = text.split_once('-')?;
            let ours = [SWAP, ASIDE, PARKED].contains(&prefix);
            number.parse().ok().filter(|_| ours)
        });
        if let Some(number) = number {
            found.push((number, name));
        }
    })?;
    found.sort_unstable();
    Ok(found)
}

impl<F: Fs> Apply<F> {
    /// Remembers something that stays in staging for now.
    pub(super) fn leave(&mut self, at: &Spot<F>, number: u64, path: &RelPath) {
        self.trash.hold(number);
        self.left.push(Left { name: at.name.clone(), number, path: Some(path.clone()) });
    }

    /// How many things wait in staging for a writer to let go.
    pub fn left_count(&self) -> usize {
        self.left.len()
    }

    /// Looks again at what waits in staging; call it every few seconds while there is something.
    pub fn revisit(&mut self) -> io::Result<()> {
        let lines = self.trash.lines()?;
        let mut trouble = Ok(());
        for left in std::mem::take(&mut self.left) {
            let line = lines.get(&left.number);
            // One that cannot be resolved now neither is forgotten nor keeps the others waiting.
            match self.resolve(&left, line) {
                Ok(true) => {}
                Ok(false) => self.left.push(left),
                Err(error) => {
                    self.left.push(left);
                    trouble = Err(error);
                }
            }
        }
        trouble
    }

    /// User bytes that came to light outside an operation, each once: they lie in the conflict
    /// store and must be published.
    pub fn strays(&mut self) -> Vec<Stray> {
        std::mem::take(&mut self.strays)
    }

    /// After a crash: everything in staging that is no content under its digest.
    pub(super) fn recover(&mut self, found: Vec<(u64, Name)>) -> io::Result<()> {
        let lines = self.trash.lines()?;
        for (number, name) in found {
            let line = lines.get(&number);
            let path = line.map(|line| line.path.clone());
            let left = Left { name, number, path };
            if !self.resolve(&left, line)? {
                self.trash.hold(number);
                self.left.push(left);
            }
        }
        Ok(())
    }

    /// Finds out what a leftover is and puts it where that belongs; `false` while somebody writes.
    fn resolve(&mut self, left: &Left, line: Option<&Line>) -> io::Result<bool> {
        let dir = self.stage.dir().clone();
        let at = (&dir, &left.name);
        let stat = match self.fs.stat(at.0, at.1) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(true),
            other => other?,
        };
        match stat.kind {
            FileKind::File => {}
            // Empty, or it would not have been moved here; if it is not, it stays.
            FileKind::Dir => return Ok(self.fs.remove_dir(at.0, at.1).is_ok()),
            FileKind::Symlink | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                self.trash.retire(at, left.number)?;
                return Ok(true);
            }
        }
        let file = self.fs.open_file(at.0, at.1)?;
        if self.fs.probe(&file) == Lease::Held {
            return Ok(false);
        }
        let (digest, ready) = read_whole(&*self.fs, &file)?;
        if self.fs.probe(&file) == Lease::Held {
            return Ok(false);
        }
        let expected = line.filter(|line| line.expected == Some(digest));
        if expected.is_some_and(|line| line.keep) {
            // The engine takes it for kept; where its content already is, the trash has the rest.
            if !self.kept.put(at, &digest)? {
                self.trash.retire(at, left.number)?;
            }
        } else if line.is_some_and(|line| line.incoming == Some(digest)) {
            drop(file);
            self.stage.give_back(&digest, ready, &left.name)?;
        } else if expected.is_some() {
            self.trash.retire(at, left.number)?;
        } else {
            if !self.kept.put(at, &digest)? {
                self.trash.retire(at, left.number)?;
            }
            let Ready { size, .. } = ready;
            let path = left.path.clone();
            self.strays.push(Stray { path, digest, size, mtime: stat.mtime });
        }
        Ok(true)
    }
}
