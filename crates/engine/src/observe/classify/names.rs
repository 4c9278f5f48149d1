//! A name of a file that has others is gone: which of them has to be looked at.
//!
//! Used by `classify` only. What names are and become is `observe::names`.

use super::aftermath::{unshown, Aftermath};
use super::{path_of, row_at, Change, Desk, Pen, Present};
use crate::entry::Kind;
use crate::index::{Index, SeenRow, Slot};
use crate::observe::names::is_name_of;
use crate::path::RelPath;
use std::collections::BTreeSet;
use std::rc::Rc;

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

    /// Judges the other names of a file that show another by now: what is told under this one,
    /// nobody who replaced those is known to have seen.
    pub(super) fn part_first(&mut self, found: &Present) {
        let handle = &found.fingerprint.handle;
        let present = Rc::clone(&self.present);
        for row in self.pen.index.seen_handle(handle) {
            let path = path_of(&*self.pen.index, row.slot);
            let there = path.and_then(|path| present.get_key_value(&path));
            if let Some((path, now)) = there.filter(|(_, now)| now.fingerprint.handle != *handle) {
                self.arrive(path, now);
            }
        }
    }

    /// One more name of the file that `first` shows. What a power loss has left of that is judged
    /// as under its first name: the name is one of what was announced.
    pub(super) fn join(
        &mut self,
        what: Change,
        path: &RelPath,
        found: &Present,
        first: &SeenRow,
        act: impl FnOnce(&mut Pen<'_>, &Present, &SeenRow),
    ) {
        let aftermath = self.aftermath(first, Some(found));
        let is_whole =
            matches!(aftermath, Aftermath::None | Aftermath::Undone) && !first.is_undone();
        let stored = self.pen.index.entry(first.entry).filter(|_| !is_whole);
        let announced = stored.and_then(|stored| self.pen.content_of(&stored.entry));
        let Some(announced) = announced else {
            return self.watched(what, path, |pen| act(pen, found, first));
        };
        let first = SeenRow { content: Some(announced), ..first.clone() };
        let (content, attributes) = (first.content.clone(), first.attributes.clone());
        let whole = Present { content, attributes, ..found.clone() };
        self.watched(what, path, |pen| act(pen, &whole, &first));
        let Some(row) = row_at(&*self.pen.index, path) else { return };
        match aftermath {
            Aftermath::Edit => self.change(path, &unshown(&row), found),
            Aftermath::Doubt => self.doubt(path, &row, found),
            Aftermath::Damage | Aftermath::None | Aftermath::Undone => {
                let body = row.dots.body.as_ref().map(|body| body.id);
                let rows = self.pen.index.seen_handle(&found.fingerprint.handle);
                for row in rows.into_iter().filter(|row| is_name_of(row, body)) {
                    if let Some(path) = path_of(&*self.pen.index, row.slot) {
                        self.mend(&path, &row, Some(found));
                    }
                }
            }
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
