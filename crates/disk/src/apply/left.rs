//! What is left in staging with user bytes in it: after a crash, or because a writer would not let
//! go. Looked at again until it can be told what it is; never deleted unhashed.
//!
//! Used by `apply` only.

use super::{Apply, Spot};
use crate::fs::{FileKind, Fs, Lease, Stat};
use crate::stage::{parse_digest, read_whole, Ready};
use crate::trash::{Line, Stray};
use engine::content::Digest;
use engine::path::{Name, RelPath};
use engine::proof::{broken, Mutant};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Release};
use std::sync::Arc;

/// What was prepared and nobody has seen: no user's bytes, and torn after a power loss.
pub(super) const DRESSED: &str = "dressed";
/// Durable content about to be exchanged; after that, what was displaced.
pub(super) const SWAP: &str = "swap";
/// What was renamed out of the tree.
pub(super) const ASIDE: &str = "aside";
/// What was shown in the tree for an instant and taken back.
pub(super) const PARKED: &str = "parked";
/// What was in the conflict store, and is not wanted there any more: never what a user has open.
pub(super) const RELEASED: &str = "released";
/// What attributes are tried out on; never anybody's bytes.
pub(super) const SCRATCH: &str = "scratch";

/// One leftover.
struct Left {
    name: Name,
    number: u64,
    path: Option<RelPath>,
}

/// All leftovers, and for others how many they are: while there is one, what is not found on this
/// disk may be in it.
#[derive(Default)]
pub(super) struct Leftovers {
    all: Vec<Left>,
    count: Arc<AtomicUsize>,
}

impl Leftovers {
    fn push(&mut self, left: Left) {
        self.all.push(left);
        self.count.store(self.all.len(), Release);
    }

    /// What is left after another look.
    fn set(&mut self, all: Vec<Left>) {
        self.all = all;
        self.count.store(self.all.len(), Release);
    }
}

/// The name of number `number`.
pub(super) fn name(prefix: &str, number: u64) -> Name {
    Name::new(format!("{prefix}-{number}").as_bytes()).expect("letters, a dash and digits")
}

/// The name of a content of ours on its way into the tree. It says which, so that what bears it can
/// be told from a user's bytes whatever else a crash has left.
pub(super) fn name_of(prefix: &str, number: u64, digest: &Digest) -> Name {
    let name = format!("{prefix}-{number}-{digest}");
    Name::new(name.as_bytes()).expect("letters, dashes and digits")
}

/// The parts of such a name.
fn parse(name: &Name) -> Option<(&str, u64, Option<Digest>)> {
    let text = std::str::from_utf8(name.as_bytes()).ok()?;
    let (prefix, rest) = text.split_once('-')?;
    let (number, digest) = match rest.split_once('-') {
        Some((number, digest)) => (number, Some(parse_digest(digest.as_bytes())?)),
        None => (rest, None),
    };
    let ours = [DRESSED, SWAP, ASIDE, PARKED, RELEASED].contains(&prefix);
    Some((prefix, number.parse().ok()?, digest)).filter(|_| ours)
}

/// All leftovers in the staging directory, by number.
pub(super) fn find<F: Fs>(fs: &F, stage: &F::Dir) -> io::Result<Vec<(u64, Name)>> {
    let mut found = Vec::new();
    fs.list(stage, &mut |name, _| {
        if let Some((_, number, _)) = parse(&name) {
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
        self.left.all.len()
    }

    /// The same for whoever does not change anything, at any time.
    pub(crate) fn left_counter(&self) -> Arc<AtomicUsize> {
        self.left.count.clone()
    }

    /// Looks again at what waits in staging; call it every few seconds while there is something.
    pub fn revisit(&mut self) -> io::Result<()> {
        let lines = self.trash.lines()?;
        let (mut trouble, mut still) = (Ok(()), Vec::new());
        for left in std::mem::take(&mut self.left.all) {
            let line = lines.get(&left.number);
            // One that cannot be resolved now neither is forgotten nor keeps the others waiting.
            match self.resolve(&left, line, false) {
                Ok(true) => {}
                Ok(false) => still.push(left),
                Err(error) => {
                    still.push(left);
                    trouble = Err(error);
                }
            }
        }
        self.left.set(still);
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
            if broken(Mutant::LeftoversDeleted) {
                let _ = self.fs.remove_own(self.stage.dir(), &name);
                continue;
            }
            let line = lines.get(&number);
            let path = line.map(|line| line.path.clone());
            let left = Left { name, number, path };
            if !self.resolve(&left, line, true)? {
                self.trash.hold(number);
                self.left.push(left);
            }
        }
        Ok(())
    }

    /// What was prepared need not come again if it is whole. Where it has another name, that one is
    /// in the tree: only ours goes.
    fn undress(&self, left: &Left, stat: &Stat) -> io::Result<()> {
        let dir = self.stage.dir();
        if stat.kind == FileKind::File && stat.links == 1 {
            let (digest, ready) = read_whole(&*self.fs, &self.fs.open_file(dir, &left.name)?)?;
            if matches!(parse(&left.name), Some((_, _, Some(named))) if named == digest) {
                return self.stage.give_back(&digest, ready, &left.name);
            }
        }
        self.fs.remove_own(dir, &left.name)
    }

    /// Finds out what a leftover is and puts it where that belongs; `false` while somebody writes.
    /// After a crash the power may have been lost, too.
    fn resolve(&mut self, left: &Left, line: Option<&Line>, crashed: bool) -> io::Result<bool> {
        let dir = self.stage.dir().clone();
        let at = (&dir, &left.name);
        let stat = match self.fs.stat(at.0, at.1) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(true),
            other => other?,
        };
        if matches!(parse(&left.name), Some((DRESSED, ..))) {
            return self.undress(left, &stat).map(|()| true);
        }
        if matches!(parse(&left.name), Some((RELEASED, ..))) {
            // Whole, or torn by a power loss: the tree has not shown it.
            self.trash.retire(at, left.number)?;
            return Ok(true);
        }
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
        drop(file);
        let named = parse(&left.name).and_then(|(_, _, digest)| digest);
        let incoming = named == Some(digest) || line.and_then(|line| line.incoming) == Some(digest);
        let expected = line.filter(|line| line.expected == Some(digest));
        if expected.is_some_and(|line| line.keep) {
            // The engine takes it for kept; where its content already is, the trash has the rest.
            if !self.kept.put(at, &digest)? {
                self.trash.retire(at, left.number)?;
            }
        } else if named == Some(digest) && stat.links > 1 {
            // Never put in place, and a name of what is in the tree.
            self.fs.remove_own(at.0, at.1)?;
        } else if incoming && stat.links == 1 {
            self.stage.give_back(&digest, ready, &left.name)?;
        } else if incoming || expected.is_some() || crashed && is_blank(line, ready) {
            self.trash.retire(at, left.number)?;
        } else {
            if !self.kept.put(at, &digest)? {
                self.trash.retire(at, left.number)?;
            }
            let unkept = self.unkept(line)?;
            let Ready { size, .. } = ready;
            let path = left.path.clone();
            self.strays.push(Stray { path, digest, size, mtime: stat.mtime, unkept });
        }
        Ok(true)
    }

    /// What was to be kept, and a user had replaced in the instant before it was displaced: as that
    /// could not be told then, the engine takes it for kept.
    fn unkept(&mut self, line: Option<&Line>) -> io::Result<Option<Digest>> {
        let expected = line.filter(|line| line.keep).and_then(|line| line.expected);
        match expected {
            Some(expected) if !self.is_kept_whole(&expected)? => Ok(Some(expected)),
            _ => Ok(None),
        }
    }
}

/// Whether nothing but zeros is where something else was: what a power loss leaves of bytes that
/// were never synced.
fn is_blank(line: Option<&Line>, ready: Ready) -> bool {
    (ready.zeros || ready.size == 0) && line.is_some_and(|line| line.expected.is_some())
}
