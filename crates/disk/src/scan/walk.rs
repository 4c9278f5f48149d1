//! The state of one scan: what is still to be looked at, and where it is told.
//!
//! Lives in the caller's thread, the only one that asks D. Jobs come out (`looks`,
//! `next_directory`), answers go in (`answer::take`). Memory is bounded by the names of the
//! directories on the way down, never by the tree.

use super::emit::{Emitter, Together};
use super::jobs::Job;
use super::look::{unreadable, Lens, Looked};
use super::missing::Gone;
use super::{missing, Eyes, ScanError, Summary, Why};
use crate::fs::{Fs, Stat};
use crate::hash::Reader;
use crate::store::LastSeen;
use engine::content::Digest;
use engine::entry::{Kind, Xattrs};
use engine::index::{Handle, IndexError, SeenRow, Slot, ROOT_SLOT};
use engine::observe::{Found, Present, Source};
use engine::path::{Name, RelPath};
use engine::proof::{broken, Mutant};
use rustix::io::Errno;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Directories with vanished names that are remembered until the end; more need another scan.
const MISSING_MAX: usize = 65_536;
/// Names of one inode that are looked at because one of them changed.
const NAMES_OF_INODE_MAX: usize = 16;

/// A directory being listed.
pub(super) struct Visit {
    pub(super) path: RelPath,
    /// Its row, once it is open.
    pub(super) slot: Option<Slot>,
    pub(super) opened: bool,
    /// Rows in it that names are compared with, in order.
    pub(super) rows: VecDeque<SeenRow>,
    pub(super) after: Option<Name>,
    pub(super) drained: bool,
    /// D has names that the listing has not.
    pub(super) missing: Gone,
}

/// Directories of one directory that are still to be entered; no name means itself.
struct Frame {
    path: RelPath,
    names: VecDeque<(Option<Name>, u64)>,
}

/// A directory opened for a hint, kept for the next hint.
pub(super) struct Near<F: Fs> {
    pub(super) path: RelPath,
    pub(super) dir: F::Dir,
    pub(super) slot: Option<Slot>,
}

/// See the module's head.
pub(super) struct Walk<'a, F: Fs, L: LastSeen> {
    pub(super) eyes: &'a Eyes<'a, F>,
    pub(super) lens: &'a Lens<'a, F>,
    pub(super) last: &'a L,
    pub(super) source: Source,
    pub(super) emitter: Emitter<'a>,
    pub(super) looks: VecDeque<Job<F>>,
    requests: VecDeque<(RelPath, Why, bool)>,
    pub(super) begun: BTreeSet<(RelPath, bool)>,
    /// Told in any case.
    pub(super) asked: BTreeSet<RelPath>,
    frames: Vec<Frame>,
    pub(super) visits: BTreeMap<u64, Visit>,
    last_visit: u64,
    /// Directories that lacked names that D has, and which.
    pub(super) missing: Vec<(Slot, RelPath, Gone)>,
    pub(super) absent: Vec<RelPath>,
    pub(super) near: Option<Near<F>>,
    pub(super) reader: Reader,
    pub(super) summary: Summary,
    failed: OnceCell<IndexError>,
    /// The root itself could not be looked at, or not be listed, or more was gone than is
    /// remembered.
    pub(super) partial: bool,
}

impl<'a, F: Fs, L: LastSeen> Walk<'a, F, L> {
    pub(super) fn new(
        eyes: &'a Eyes<'a, F>,
        lens: &'a Lens<'a, F>,
        last: &'a L,
        requests: VecDeque<(RelPath, Why, bool)>,
        emitter: Emitter<'a>,
    ) -> Walk<'a, F, L> {
        Walk {
            eyes,
            lens,
            last,
            source: emitter.source(),
            emitter,
            looks: VecDeque::new(),
            requests,
            begun: BTreeSet::new(),
            asked: BTreeSet::new(),
            frames: Vec::new(),
            visits: BTreeMap::new(),
            last_visit: 0,
            missing: Vec::new(),
            absent: Vec::new(),
            near: None,
            reader: Reader::new(eyes.racy_ms),
            summary: Summary::default(),
            failed: OnceCell::new(),
            partial: false,
        }
    }

    /// Begins requested paths until `max` looks wait. Returns whether there was any.
    pub(super) fn feed(&mut self, max: usize) -> bool {
        let mut any = false;
        while self.looks.len() < max && !self.is_over() {
            let Some((path, why, deep)) = self.requests.pop_front() else { break };
            self.begin(&path, why, deep);
            any = true;
        }
        any
    }

    /// Told to end.
    pub(super) fn is_over(&self) -> bool {
        let failed = self.failed.get().is_some();
        failed || self.lens.progress.is_cancelled() || self.emitter.is_stopped()
    }

    /// How many directories are being listed.
    pub(super) fn listing(&self) -> usize {
        self.visits.len()
    }

    /// Whether a directory waits to be listed.
    pub(super) fn has_directories(&self) -> bool {
        !self.frames.is_empty()
    }

    /// The next directory to list, the deepest first.
    pub(super) fn next_directory(&mut self) -> Option<Job<F>> {
        loop {
            let frame = self.frames.last_mut()?;
            let Some((name, inode)) = frame.names.pop_front() else {
                self.frames.pop();
                continue;
            };
            let path = name.map_or_else(|| frame.path.clone(), |name| frame.path.join(name));
            self.last_visit += 1;
            let visit = Visit {
                path: path.clone(),
                slot: None,
                opened: false,
                rows: VecDeque::new(),
                after: None,
                drained: false,
                missing: Gone::default(),
            };
            self.visits.insert(self.last_visit, visit);
            return Some(Job::List { visit: self.last_visit, path, inode });
        }
    }

    /// Has the directory at `path` listed later.
    pub(super) fn enter(&mut self, path: &RelPath, stat: &Stat) {
        let parent = path.parent().unwrap_or_default();
        let name = path.name().cloned();
        match self.frames.last_mut() {
            Some(frame) if frame.path == parent => frame.names.push_back((name, stat.inode)),
            _ => {
                let names = VecDeque::from([(name, stat.inode)]);
                self.frames.push(Frame { path: parent, names });
            }
        }
    }

    /// The number of a directory that D knows, wherever it was last seen.
    pub(super) fn slot_of(&self, path: &RelPath, handle: &Handle) -> Option<Slot> {
        if path.is_root() {
            return Some(ROOT_SLOT);
        }
        let rows = self.ask(self.last.seen_handle(handle));
        rows.into_iter().find(|row| row.kind == Kind::Dir).map(|row| row.slot)
    }

    /// The answer of a look-up in D. After a failure nothing more is told: an unknown row would
    /// make a moved file a new one.
    pub(super) fn ask<T: Default>(&self, answer: Result<T, IndexError>) -> T {
        answer.unwrap_or_else(|error| {
            // The first failure is the one to tell.
            let _ = self.failed.set(error);
            T::default()
        })
    }

    /// Tells looks that belong together.
    pub(super) fn add(&mut self, together: Together) {
        if self.failed.get().is_none() {
            self.emitter.add(together);
        }
    }

    /// A look's result is told, with what belongs beside it. `parent` is the row of the directory
    /// that `path` is in, if D knows it.
    pub(super) fn looked(&mut self, path: RelPath, parent: Option<Slot>, looked: Looked) {
        match looked {
            Looked::Found(found, small) => self.tell(path, parent, found, small),
            // Seen a moment ago: whoever removed it is still at it.
            Looked::Gone if self.absent.len() < MISSING_MAX => self.absent.push(path),
            Looked::Gone => self.partial = true,
            Looked::Stopped => {}
        }
    }

    pub(super) fn tell(
        &mut self,
        path: RelPath,
        parent: Option<Slot>,
        found: Found,
        small: Option<(Digest, Vec<u8>)>,
    ) {
        let mut together = Vec::new();
        let rows = found.handle().map(|handle| self.ask(self.last.seen_handle(handle)));
        for row in rows.unwrap_or_default().into_iter().take(NAMES_OF_INODE_MAX) {
            let here = if path.is_root() {
                row.slot == ROOT_SLOT
            } else {
                Some(row.parent) == parent && row.name.as_ref() == path.name()
            };
            let is_told = match &found {
                Found::Present(present) => is_news(&row, present) || self.asked.contains(&path),
                _ => true,
            };
            if here && is_told {
                continue;
            }
            if here {
                return;
            }
            together.extend(self.other_place(&row).filter(|(other, _)| *other != path));
        }
        together.push((path, found));
        self.add(together);
        if let Some((digest, bytes)) = small {
            self.emitter.add_content(digest, bytes);
        }
    }

    /// A look at the place where an inode was last seen, now that it was met elsewhere.
    fn other_place(&mut self, row: &SeenRow) -> Option<(RelPath, Found)> {
        if broken(Mutant::OtherPlaceForgotten) {
            return None;
        }
        let path = self.ask(self.last.path_of(row.slot))?;
        let (parent, name) = (path.parent()?, path.name()?);
        let dir = match self.lens.fs.open_dir(self.eyes.root, &parent) {
            Ok(dir) => dir,
            Err(error) if is_absent(&error) => return Some((path, Found::Absent)),
            Err(_) => return None,
        };
        let is_proven = !row.soft && !self.may_be_lost(Some(row));
        match self.lens.fs.stat(&dir, name) {
            Ok(stat) if is_proven && is_same(row, &stat) => {
                return Some((path, Found::Present(still(row))));
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Some((path, Found::Absent)),
            Err(error) => return Some((path, unreadable(&error, None))),
        }
        match self.lens.look(&mut self.reader, &dir, &path, None) {
            Looked::Found(found, _) => Some((path, found)),
            Looked::Gone => Some((path, Found::Absent)),
            Looked::Stopped => None,
        }
    }

    /// A directory was listed to its end and lacks names that D has.
    pub(super) fn remember_missing(&mut self, slot: Slot, path: RelPath, names: Gone) {
        if self.missing.len() < MISSING_MAX {
            self.missing.push((slot, path, names));
        } else {
            self.partial = true;
        }
    }

    /// Tells absences and hands on what is left.
    pub(super) fn finish(mut self) -> Result<Summary, ScanError> {
        if !self.is_over() {
            missing::tell(&mut self);
        }
        if let Some(error) = self.failed.take() {
            return Err(ScanError::LastSeen(error));
        }
        self.emitter.flush();
        self.summary.complete = !self.is_over() && !self.partial;
        Ok(self.summary)
    }
}

/// Whether nothing is at a path, judged by the error of a look or of opening its directory.
pub(super) fn is_absent(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Whether a look shows exactly what D has. Mode and owner are compared too: where timestamps are
/// coarse, they may have been changed within the tick in which the row was made.
pub(super) fn is_same(row: &SeenRow, stat: &Stat) -> bool {
    let size = if row.kind == Kind::Dir { 0 } else { stat.size };
    let (seen, was) = (&row.fingerprint, &row.attributes);
    let is = stat.attributes(Xattrs::default());
    stat.kind.entry() == Some(row.kind)
        && (seen.size, seen.mtime, seen.ctime) == (size, stat.mtime, stat.ctime)
        && seen.handle == stat.handle
        && (was.mode, was.owner) == (is.mode, is.owner)
}

/// Whether a full look tells more than D has; after a power loss also that nothing has changed.
fn is_news(row: &SeenRow, present: &Present) -> bool {
    row.is_unjudged()
        || row.kind != present.kind
        || row.fingerprint != present.fingerprint
        || row.attributes != present.attributes
        || row.soft != present.soft
        || (present.content.is_some() && row.content != present.content)
}

/// What is still where it was.
fn still(row: &SeenRow) -> Present {
    Present {
        kind: row.kind,
        fingerprint: row.fingerprint.clone(),
        attributes: row.attributes.clone(),
        content: None,
        soft: row.soft,
        zeros: false,
        alone: false,
    }
}
