//! A tree that was put back to an older copy: what that copy lacks or holds is nobody's operation
//! (decisions A7, docs/decisions/0017).
//!
//! What was last changed before the copy was put there is of the copy. It makes way for what the
//! cluster has, and goes to the trash; what is absent comes again. What was changed later is a
//! user's, who had seen the copy and nothing newer. Used by `classify` only.

use super::aftermath::{aftermath, of_older, unshown, Aftermath};
use super::{row_at, Desk};
use crate::entry::{EntryId, Kind, Timestamp};
use crate::index::{SeenRow, FORMER};
use crate::observe::Present;
use crate::path::{Name, RelPath};
use crate::proof::{broken, reached, Mutant};
use crate::view;

impl Desk<'_> {
    /// What a power loss, or an older copy, has to do with what is found of a row.
    pub(super) fn aftermath(&self, row: &SeenRow, found: Option<&Present>) -> Aftermath {
        match self.under.older {
            Some(until) => of_older(until, row, found),
            None => aftermath(self.under.power_back, row, found),
        }
    }

    /// Whether it was found in an older copy, and nobody has changed it since.
    pub(super) fn is_older(&self, found: &Present) -> bool {
        self.under.older.is_some_and(|until| found.fingerprint.ctime <= until)
    }

    /// Whether a power loss took back its rename: whoever renames changes the time of change, too.
    pub(super) fn is_back(&self, row: &SeenRow, found: &Present) -> bool {
        let is_shaken = row.volatile.as_ref().is_some_and(|volatile| volatile.epoch <= FORMER);
        let is_earlier = found.fingerprint.ctime < row.fingerprint.ctime;
        let is_back = self.under.power_back.is_some() && is_shaken && is_earlier;
        is_back && !broken(Mutant::PowerBelieved)
    }

    /// It cannot be read now. Whoever writes there has not seen what an older copy lacks; and what
    /// lies there is not known any more, whatever the tree is to show.
    pub(super) fn unseen(&mut self, path: &RelPath) {
        let row = self.under.older.and_then(|_| row_at(&*self.pen.index, path));
        if let Some(row) = row {
            let mut row = unshown(&row);
            if row.kind != Kind::Dir {
                (row.content, row.fingerprint.ctime) = (None, Timestamp::default());
            }
            self.pen.index.put_seen(&row);
        }
    }

    /// A file is being written to. A directory that was there an older copy does not hold.
    pub(super) fn written_to(&mut self, path: &RelPath) {
        let row = self.under.older.and_then(|_| row_at(&*self.pen.index, path));
        match row.filter(|row| row.kind == Kind::Dir) {
            Some(dir) => self.mend(path, &dir, None),
            None => self.unseen(path),
        }
    }

    /// The place of a row is another's. Who put it there after a power loss, or in an older copy,
    /// may have found the place empty.
    pub(super) fn lose(&mut self, path: &RelPath, row: &SeenRow) {
        match self.aftermath(row, None) {
            Aftermath::Damage => self.mend(path, row, None),
            _ => self.delete_tree(row),
        }
    }

    /// Something without a row that an older copy holds. What the tree shows there takes its place;
    /// what the tree does not show has been deleted or moved away, and goes.
    pub(super) fn make_older(
        &mut self,
        path: &RelPath,
        parent: &SeenRow,
        name: &Name,
        found: &Present,
    ) {
        reached("an older copy holds what nobody has any more");
        let shown = self.shown_at(parent, name, found.kind);
        match shown.or_else(|| self.dead_at(parent, name, found.kind)) {
            Some(id) => self.pen.stand(parent, name, id, found),
            None => self.pen.bury(parent, name, found),
        }
        if found.kind == Kind::Dir {
            self.seen.made.push((path.clone(), found.fingerprint.handle.clone()));
        }
    }

    /// A deleted entry of this kind that was at the name, and has no row.
    fn dead_at(&self, parent: &SeenRow, name: &Name, kind: Kind) -> Option<EntryId> {
        let index = &*self.pen.index;
        let is_dead = |id: &EntryId| {
            let stored = index.entry(*id);
            stored.is_some_and(|s| s.entry.kind == kind && !view::is_alive(&s))
                && index.seen_of(*id).is_none()
        };
        index.named(parent.entry, name).into_iter().find(is_dead)
    }
}
