//! A file of several names after an operation: what its other names are then, on this disk.
//!
//! A part of `engine`, used by `work`. What names are to be is decided in `plan`.

use super::work::{is_same_inode, refused_by};
use super::{digest_of, FolderEngine, Happening};
use crate::content::Content;
use crate::entry::{EntryId, Kind};
use crate::index::{Attributes, Fingerprint, Index, SeenRow, ROOT_SLOT};
use crate::observe::{self, Present};
use crate::path::RelPath;
use crate::pending::{Flight, Wake};
use crate::plan::{self, Place, Retire};

impl FolderEngine {
    /// A file or symlink was put at its place. `retire` says where went what was there, if that was
    /// what the operation expected.
    pub(super) fn stands(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        (at, retire): (&Place, Option<Retire>),
        (content, wanted): (Option<Content>, &Attributes),
        now: &Present,
    ) {
        let id = flight.entry;
        let by = super::cause::cause(index, id, &flight.act);
        let old = index.seen_of(id);
        let lost = old.as_ref().and_then(|row| digest_of(row.content.as_ref()));
        if let (Some(Retire::Keep), Some(lost)) = (retire, lost) {
            index.put_kept(id, &lost);
            self.happened(at.path(), Happening::Conflict, by);
        }
        let what = if old.is_some() { Happening::Replaced } else { Happening::Created };
        self.appear(index, flight, at, content, wanted, now);
        self.happened(at.path(), what, by);
        self.look_at_names_of(index, old.as_ref(), now);
    }

    /// Something was given other attributes, as far as the disk agreed.
    pub(super) fn dressed(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        (at, attributes): (Option<&Place>, &Attributes),
        now: &Present,
        refused: Option<Attributes>,
    ) {
        let id = flight.entry;
        let by = super::cause::cause(index, id, &flight.act);
        let Some(row) = index.seen_of(id).or_else(|| index.seen(ROOT_SLOT)) else { return };
        let path = at.map_or_else(RelPath::root, Place::path);
        if !is_same_inode(&row, now) {
            return self.look_at([path]);
        }
        let refused = refused.or_else(|| refused_by(attributes, now));
        let before = (row.fingerprint.clone(), row.attributes.clone());
        let row = SeenRow { refused, dots: flight.dots.clone(), ..row };
        self.update(index, row, now);
        self.happened(path, Happening::Attributes, by);
        self.tell_names(index, id, (&before.0, &before.1), now);
    }

    /// A file has its times and attributes under all its names: where others are known, they have
    /// changed, and no event tells of what we do ourselves. Who had not been known to be as the
    /// operation found it, is looked at.
    pub(super) fn tell_names(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        before: (&Fingerprint, &Attributes),
        now: &Present,
    ) {
        let handle = &now.fingerprint.handle;
        let Some(row) = index.seen_of(id).filter(|row| row.fingerprint.handle == *handle) else {
            return;
        };
        let body = row.dots.body.as_ref().map(|body| body.id);
        for other in index.seen_handle(handle).into_iter().filter(|other| other.entry != id) {
            let as_found = (&other.fingerprint, &other.attributes) == before;
            if body.is_some() && observe::is_name_of(&other, body) && as_found {
                let dots = other.dots.as_name_beside(&row.dots);
                let refused = row.refused.clone();
                self.update(index, SeenRow { dots, refused, ..other }, now);
            } else if let Some(path) = observe::path_of(index, other.slot) {
                self.look_at([path]);
            }
        }
    }

    /// One of several names of a file went, which its other names' times tell.
    fn look_at_names_of(&mut self, index: &dyn Index, was: Option<&SeenRow>, now: &Present) {
        let Some(was) = was.filter(|was| !is_same_inode(was, now)) else { return };
        self.look_at_rows_of(index, was);
    }

    /// Who waited for an entry may go on; so may who waited for another name of its file: that was
    /// to bring what all names show when it was decided, and this one has.
    pub(super) fn wake_names(&mut self, index: &dyn Index, id: EntryId) {
        self.pending.wake(index, Wake::Entry(id));
        for name in plan::beside(index, id) {
            self.pending.wake(index, Wake::Entry(name));
        }
    }

    pub(super) fn look_at_rows_of(&mut self, index: &dyn Index, was: &SeenRow) {
        let rows = index.seen_handle(&was.fingerprint.handle).into_iter();
        let others = rows.filter(|row| row.entry != was.entry && row.kind == Kind::File);
        let paths = others.filter_map(|row| observe::path_of(index, row.slot));
        self.look_at(paths.collect::<Vec<_>>());
    }
}
