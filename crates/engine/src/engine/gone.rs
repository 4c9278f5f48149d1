//! What is gone, as far as one look says, and may be elsewhere: it is believed at a later one.
//!
//! A part of `engine::looks`, which says when looks count.

use super::FolderEngine;
use crate::entry::Kind;
use crate::index::{Index, SeenRow};
use crate::limits::{DOUBTS_MAX, DOUBT_MS};
use crate::observe::{self, Seen, Source};
use crate::path::RelPath;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(super) struct Gone {
    /// What is gone, as it was last seen.
    row: SeenRow,
    /// How it was noticed first.
    pub source: Source,
    /// A look that begins now or later is believed.
    pub believed_ms: u64,
    /// When the next look is asked for.
    pub ask_ms: u64,
    /// What was looked at below it meanwhile: it is looked at again afterwards.
    below: BTreeSet<RelPath>,
}

impl Gone {
    /// Where it was last seen by now: its directory may have been renamed. `None`: something else
    /// was seen there since, or itself elsewhere, or it was deleted.
    fn path(&self, index: &dyn Index) -> Option<RelPath> {
        let row = index.seen(self.row.slot)?;
        let is_same = (row.parent, &row.name) == (self.row.parent, &self.row.name)
            && row.fingerprint.handle == self.row.fingerprint.handle;
        is_same.then(|| observe::path_of(index, row.slot))?
    }

    /// Whether it is still what was last seen at the path.
    pub fn is_at(&self, index: &dyn Index, path: &RelPath) -> bool {
        self.path(index).as_ref() == Some(path)
    }
}

impl FolderEngine {
    /// Whether a row, or a directory above it, was seen to be gone, which is not believed yet. What
    /// arrives meanwhile is not on this disk, though the row may hold the very same.
    pub(super) fn is_doubted(&self, index: &dyn Index, row: &SeenRow) -> bool {
        if self.doubts.gone.is_empty() {
            return false;
        }
        let Some(path) = observe::path_of(index, row.slot) else { return false };
        self.gone_at_or_above(index, &path).is_some()
    }

    /// The first name from here upwards whose thing was seen to be gone.
    fn gone_at_or_above(&self, index: &dyn Index, path: &RelPath) -> Option<RelPath> {
        let is_gone =
            |here: &RelPath| self.doubts.gone.get(here).is_some_and(|gone| gone.is_at(index, here));
        std::iter::successors(Some(path.clone()), RelPath::parent).find(is_gone)
    }

    /// Directories above these that were seen to be gone, which is not believed yet.
    pub(super) fn aside<'a>(
        &self,
        index: &dyn Index,
        paths: impl Iterator<Item = &'a RelPath>,
    ) -> BTreeSet<RelPath> {
        if self.doubts.gone.is_empty() {
            return BTreeSet::new();
        }
        let above = paths.filter_map(RelPath::parent);
        above.filter_map(|above| self.gone_at_or_above(index, &above)).collect()
    }

    /// Remembers what cannot be believed yet, and what was not judged because of it.
    pub(super) fn doubt_gone(
        &mut self,
        index: &dyn Index,
        source: Source,
        looked: &[RelPath],
        seen: &Seen,
    ) {
        let open: BTreeSet<&RelPath> = seen.doubted.iter().chain(&seen.below).collect();
        let judged = looked.iter().filter(|path| !open.contains(path));
        let judged: Vec<_> = judged.filter_map(|path| self.doubts.gone.remove(path)).collect();
        let ask_ms = self.now.mono_ms + DOUBT_MS;
        for path in &seen.doubted {
            let Some(row) = observe::row_at(index, path) else {
                // It went with the directory above it. What is there now is in another one.
                self.look_at([path.clone()]);
                continue;
            };
            if self.doubts.gone.get(path).is_some_and(|gone| gone.is_at(index, path)) {
                continue;
            }
            let gone = Gone { row, source, believed_ms: ask_ms, ask_ms, below: BTreeSet::new() };
            self.doubts.gone.insert(path.clone(), gone);
        }
        self.look_at(judged.into_iter().flat_map(|gone| gone.below));
        for path in &seen.below {
            let above = path.parent().and_then(|above| self.gone_at_or_above(index, &above));
            match above.and_then(|above| self.doubts.gone.get_mut(&above)) {
                Some(gone) if gone.below.len() < DOUBTS_MAX => {
                    gone.below.insert(path.clone());
                }
                Some(_) => self.overlooked(),
                None => self.look_at([path.clone()]),
            }
        }
    }

    /// What is gone is followed where its directory goes. Of what has no row any more, or another,
    /// there is nothing left to believe; what is where a directory was is looked at.
    pub(super) fn follow_gone(&mut self, index: &dyn Index) {
        let left = self.doubts.gone.iter().filter(|(path, gone)| !gone.is_at(index, path));
        let left: Vec<RelPath> = left.map(|(path, _)| path.clone()).collect();
        for path in left {
            let Some(mut gone) = self.doubts.gone.remove(&path) else { continue };
            self.look_at(std::mem::take(&mut gone.below));
            match gone.path(index) {
                Some(path) => {
                    self.doubts.gone.insert(path, gone);
                }
                None if gone.row.kind == Kind::Dir => self.look_at([path]),
                None => {}
            }
        }
    }
}
