//! One name met, by hint or in a listing: compared with its row, and looked at if it differs.
//!
//! Used by `walk` (hints) and `answer` (listings).

use super::jobs::Job;
use super::look::{unreadable, Looked};
use super::walk::{is_absent, is_same, Near, Walk};
use super::Why;
use crate::fs::{FileKind, Fs, Stat};
use crate::store::LastSeen;
use engine::entry::Kind;
use engine::index::{Fingerprint, SeenRow, Slot, ROOT_SLOT};
use engine::observe::{Found, Present, Source};
use engine::path::RelPath;
use engine::proof::{broken, Mutant};
use rustix::io::Errno;
use std::io;

/// A name met: where, what D has there, and what a look shows.
pub(super) struct Met<'a, F: Fs> {
    pub(super) dir: &'a F::Dir,
    /// The row of `dir`, if D knows it.
    pub(super) parent: Option<Slot>,
    pub(super) path: RelPath,
    pub(super) row: Option<SeenRow>,
    pub(super) stat: Stat,
    pub(super) why: Why,
}

impl<F: Fs, L: LastSeen> Walk<'_, F, L> {
    /// Looks at a path by itself; `deep` walks what is below whether it is new or not.
    pub(super) fn begin(&mut self, path: &RelPath, why: Why, deep: bool) {
        if !self.begun.insert((path.clone(), deep)) {
            return;
        }
        if self.eyes.ignore.is_own(path) {
            let name = path.name().filter(|_| path.names().len() == 1);
            if name.is_some_and(|name| self.lens.fs.stat(self.eyes.root, name).is_ok()) {
                self.reserved(path.clone());
            }
            return;
        }
        if why == Why::Asked {
            self.asked.insert(path.clone());
        }
        let Some(parent) = path.parent() else { return self.begin_root(deep) };
        let name = path.name().expect("only the root has no parent");
        let (dir, slot) = match self.near(&parent) {
            Ok((dir, Some(slot))) => (dir, slot),
            // A directory that D does not know is new, and will be walked with this name in it.
            Ok((dir, None)) => {
                self.begin(&parent, Why::Above, false);
                if self.lens.fs.stat(&dir, name).is_err_and(|error| is_absent(&error)) {
                    self.absent.push(path.clone());
                }
                return;
            }
            Err(error) if is_in_the_way(&error) => {
                // Told by itself, too: its directory may have been renamed before anybody looked
                // at this name, and the engine follows it there.
                if !matches!(why, Why::Above | Why::Asked) {
                    self.absent.push(path.clone());
                }
                return self.begin(&parent, Why::Above, false);
            }
            Err(error) => return self.tell(path.clone(), None, unreadable(&error, None), None),
        };
        let row = self.ask(self.last.seen_named(slot, name));
        match self.lens.fs.stat(&dir, name) {
            Ok(stat) => {
                self.lens.progress.add(&self.lens.progress.entries, 1);
                let path = path.clone();
                let met = Met { dir: &dir, parent: Some(slot), path, row, stat, why };
                self.met(met, true, deep);
            }
            Err(error) if is_absent(&error) => {
                // Told though D may have no row: an earlier look that saw it can still be on its
                // way to the index.
                self.absent.push(path.clone());
                self.begin(&parent, Why::Above, false);
            }
            Err(error) => self.tell(path.clone(), Some(slot), unreadable(&error, None), None),
        }
    }

    /// Something stands at a name of ours: its user is told that it is left out.
    pub(super) fn reserved(&mut self, path: RelPath) {
        if let Some(why) = self.eyes.ignore.reserved(&path) {
            self.tell(path, None, Found::Foreign(why.to_owned()), None);
        }
    }

    fn begin_root(&mut self, deep: bool) {
        let root = RelPath::root();
        let stat = match self.lens.fs.stat_dir(self.eyes.root) {
            Ok(stat) => stat,
            Err(error) => {
                self.partial = true;
                return self.tell(root, None, unreadable(&error, None), None);
            }
        };
        let row = self.ask(self.last.seen(ROOT_SLOT));
        if self.asked.contains(&root) || !row.is_some_and(|row| is_same(&row, &stat)) {
            let looked = self.lens.root(self.eyes.root);
            self.partial |= matches!(looked, Looked::Found(Found::Unreadable(..), _));
            self.looked(root.clone(), None, looked);
        }
        if deep {
            self.enter(&root, &stat);
        }
    }

    /// Opens a directory for a look at a name in it, and finds its row by what it is, not by its
    /// name: D may not have heard yet that it moved.
    fn near(&mut self, path: &RelPath) -> io::Result<(F::Dir, Option<Slot>)> {
        if let Some(near) = self.near.as_ref().filter(|near| near.path == *path) {
            return Ok((near.dir.clone(), near.slot));
        }
        let dir = self.lens.fs.open_dir(self.eyes.root, path)?;
        let handle = self.lens.fs.stat_dir(&dir)?.handle;
        let slot = self.slot_of(path, &handle);
        self.near = Some(Near { path: path.clone(), dir: dir.clone(), slot });
        Ok((dir, slot))
    }

    /// Compares what was met with its row. `alone`: it was hinted, so its directory is not being
    /// listed. `deep`: a directory is walked whether it is new or not.
    pub(super) fn met(&mut self, met: Met<'_, F>, alone: bool, deep: bool) {
        let mount = self.lens.root_mount;
        if let Some(why) = self.eyes.ignore.foreign(&met.path, &met.stat, mount) {
            return self.tell(met.path, met.parent, Found::Foreign(why.to_owned()), None);
        }
        let unchanged = met.row.as_ref().is_some_and(|row| is_same(row, &met.stat));
        let is_judged = met.row.as_ref().is_none_or(|row| !row.is_unjudged());
        let same = unchanged && is_judged && !self.is_hinted(met.why);
        let hinted = self.source == Source::Live && alone && met.why > Why::Above;
        if let (true, true, Some(above)) = (same, hinted, met.path.parent()) {
            // It may have been seen when its directory's time was not yet what its coming made it.
            self.begin(&above, Why::Above, false);
        }
        if met.stat.kind == FileKind::Dir {
            return self.met_dir(met, same, alone, deep);
        }
        let doubts = self.doubts(&met);
        if same && !doubts {
            return;
        }
        if let (true, Some(above)) = (alone, met.path.parent()) {
            self.begin(&above, Why::Above, false);
        }
        let is_read = if unchanged { doubts } else { met.why != Why::NoWriter };
        let known = if is_read { None } else { unread(&met) };
        let (dir, parent) = (met.dir.clone(), met.parent);
        self.looks.push_back(Job::Look { dir, parent, path: met.path, known });
    }

    fn met_dir(&mut self, met: Met<'_, F>, same: bool, alone: bool, deep: bool) {
        let mut entered = deep;
        if !same {
            if let (true, Some(above)) = (alone, met.path.parent()) {
                self.begin(&above, Why::Above, false);
            }
            let looked = self.lens.look(&mut self.reader, met.dir, &met.path, None);
            match &looked {
                Looked::Found(Found::Present(Present { kind: Kind::Dir, fingerprint, .. }), _) => {
                    // One that D knows keeps its contents wherever it goes.
                    entered |= self.slot_of(&met.path, &fingerprint.handle).is_none();
                }
                _ => entered = false,
            }
            self.looked(met.path.clone(), met.parent, looked);
        }
        if entered && !(alone && broken(Mutant::NewDirectoriesNotEntered)) {
            self.enter(&met.path, &met.stat);
        }
    }

    /// Whether an unchanged fingerprint does not keep a hinted name from being looked at: where
    /// timestamps are coarse, two changes of attributes may have the same.
    fn is_hinted(&self, why: Why) -> bool {
        let coarse = self.source == Source::Live && self.eyes.racy_ms > 0;
        why == Why::Asked || coarse && why > Why::Above
    }

    /// Whether a power loss may have taken the bytes and left the fingerprint.
    pub(super) fn may_be_lost(&self, row: Option<&SeenRow>) -> bool {
        row.is_some_and(|row| {
            self.eyes.reread_volatile && row.volatile.is_some() || row.is_unjudged()
        })
    }

    /// Whether an unchanged fingerprint is not enough. What was read without proof may have been
    /// changed since: who was told of that may have been cut off, or not have believed it before he
    /// was, and events get lost. Where no reading proves anything, a walk would read all files each
    /// time: there it is what was read a moment ago.
    fn doubts(&self, met: &Met<'_, F>) -> bool {
        let soft = met.row.as_ref().is_some_and(|row| row.soft);
        let is_file = met.stat.kind == FileKind::File;
        let is_fresh = met.row.as_ref().is_some_and(|row| row.volatile.is_some());
        let reread = match self.source {
            Source::Scan => soft && (is_fresh || self.eyes.reread_soft),
            Source::Live => soft || met.why >= Why::Closed,
        };
        is_file && (reread || self.may_be_lost(met.row.as_ref()))
    }
}

/// The fingerprint whose content stands, if nobody wrote.
fn unread<F: Fs>(met: &Met<'_, F>) -> Option<Fingerprint> {
    let row = met.row.as_ref()?;
    (row.kind == Kind::File && !row.soft).then(|| row.fingerprint.clone())
}

/// Whether a directory is not there, or something else is: it has to be looked at itself.
fn is_in_the_way(error: &io::Error) -> bool {
    is_absent(error) || Errno::from_io_error(error) == Some(Errno::XDEV)
}
