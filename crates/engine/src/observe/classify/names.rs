//! A name of a file that has others is gone: which of them has to be looked at.
//!
//! Used by `classify` only. What names are and become is `observe::names`.

use super::{path_of, row_at, Desk, Present};
use crate::entry::Kind;
use crate::index::{Index, SeenRow, Slot};
use crate::path::RelPath;
use std::collections::BTreeSet;

impl Desk<'_> {
    /// A name is gone: what was changed through it, and that it is gone, is seen at another.
    pub(super) fn look_at_another_name(&mut self, row: &SeenRow) {
        if row.kind != Kind::File {
            return;
        }
        let rows = self.pen.index.seen_handle(&row.fingerprint.handle).into_iter();
        let others = rows.filter(|other| other.slot != row.slot);
        let mut paths = others.filter_map(|other| path_of(self.pen.index, other.slot));
        let handle = &row.fingerprint.handle;
        let seen = |path: &RelPath| self.files.contains(&(handle.clone(), path.clone()));
        let Some(path) = paths.next() else { return };
        if !seen(&path) && !paths.any(|other| seen(&other)) {
            self.seen.again.push(path);
        }
    }

    /// What has another file's place now, if it is known under other names, and none of those was
    /// looked at: they were renamed meanwhile.
    pub(super) fn named_elsewhere(
        &self,
        path: &RelPath,
        found: &Present,
        looked: &BTreeSet<RelPath>,
    ) -> Option<SeenRow> {
        let index = &*self.pen.index;
        let here =
            row_at(index, path).filter(|here| (here.kind, found.kind) == (Kind::File, Kind::File));
        let handle = &found.fingerprint.handle;
        if here?.fingerprint.handle == *handle {
            return None;
        }
        let rows = index.seen_handle(handle).into_iter().filter(|row| row.kind == Kind::File);
        let names: Vec<(SeenRow, RelPath)> =
            rows.filter_map(|row| Some((row.clone(), path_of(index, row.slot)?))).collect();
        let is_looked_at = names.iter().any(|(_, name)| looked.contains(name));
        names.into_iter().map(|(row, _)| row).find(|_| !is_looked_at)
    }
}

/// Everything that this disk shows in a directory, by name.
pub(super) fn all_children(index: &dyn Index, slot: Slot) -> Vec<SeenRow> {
    let mut all: Vec<SeenRow> = Vec::new();
    loop {
        let after = all.last().and_then(|row| row.name.clone());
        let page = index.seen_children(slot, after.as_ref(), 1024);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
