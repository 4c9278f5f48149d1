//! A tree that was put back to an older copy: what that copy lacks or holds is nobody's operation
//! (decisions A7, docs/decisions/0017).
//!
//! What was last changed before the copy was put there is of the copy. It makes way for what the
//! cluster has, and goes to the trash; what is absent comes again. What was changed later is a
//! user's, who had seen the copy and nothing newer. Used by `classify` only.

use super::aftermath::{aftermath, of_older, unshown, Aftermath};
use super::{path_of, row_at, Desk};
use crate::entry::{EntryId, Kind, Rank, Timestamp};
use crate::index::{Fingerprint, SeenRow, Slot, Volatile, FORMER, OPEN, UNJUDGED};
use crate::observe::Present;
use crate::path::{Name, RelPath};
use crate::proof::{broken, reached, Mutant};
use crate::view;

impl Desk<'_> {
    /// What a power loss, or an older copy, has to do with what is found of a row.
    pub(super) fn aftermath(&self, row: &SeenRow, found: Option<&Present>) -> Aftermath {
        match self.under.older {
            Some(until) => of_older(until, row, found),
            None => aftermath(self.power_back(row, found), row, found),
        }
    }

    /// When the power was back, for what is to be judged of the row. So late a directory's time
    /// tells who has changed it: that may be long after.
    fn power_back(&self, row: &SeenRow, found: Option<&Present>) -> Option<Timestamp> {
        let is_users = |back: Timestamp| {
            row.kind == Kind::Dir && found.is_some_and(|found| found.fingerprint.ctime > back)
        };
        let late = row.is_unjudged().then_some(self.under.booted_at).filter(|at| !is_users(*at));
        self.under.power_back.or(late)
    }

    /// Whether it was found in an older copy, and nobody has changed it since.
    pub(super) fn is_older(&self, found: &Fingerprint) -> bool {
        self.under.older.is_some_and(|until| found.ctime <= until)
    }

    /// Whether a power loss took back its rename: whoever renames changes the time of change, too.
    pub(super) fn is_back(&self, row: &SeenRow, found: &Fingerprint) -> bool {
        let is_former = row.volatile.as_ref().is_some_and(|volatile| volatile.epoch <= FORMER);
        let is_shaken = self.under.power_back.is_some() && is_former || row.is_unjudged();
        let is_back = is_shaken && found.ctime < row.fingerprint.ctime;
        is_back && !broken(Mutant::PowerBelieved)
    }

    /// It cannot be read now. Whoever writes there has not seen what an older copy lacks; and what
    /// lies there is not known any more, whatever the tree is to show. What a power loss has to do
    /// with it, or with what is in it, is judged when it can be read.
    pub(super) fn unseen(&mut self, path: &RelPath) {
        let Some(mut row) = row_at(&*self.pen.index, path) else { return };
        if self.under.older.is_some() {
            row = unshown(&row);
            if row.kind != Kind::Dir {
                (row.content, row.fingerprint.ctime) = (None, Timestamp::default());
            }
            self.pen.index.put_seen(&row);
        } else if self.under.power_back.is_some() {
            match row.kind {
                Kind::Dir => self.unjudged_in(path),
                _ => self.unjudged(row),
            }
        }
    }

    /// What was volatile when the power went, and cannot be looked at.
    fn unjudged(&mut self, mut row: SeenRow) {
        let former = row.volatile.as_mut();
        let former = former.filter(|v| v.epoch <= FORMER || v.epoch == OPEN);
        let Some(volatile) = former else { return };
        volatile.epoch = UNJUDGED;
        self.pen.index.put_seen(&row);
    }

    /// The same of all below a directory: what is absent there is not told, nor what has changed.
    fn unjudged_in(&mut self, dir: &RelPath) {
        let mut after = Slot(0);
        loop {
            let page = self.pen.index.volatile(after, 1024);
            let Some(last) = page.last() else { return };
            after = last.slot;
            for row in page {
                let path = path_of(&*self.pen.index, row.slot);
                if path.is_some_and(|path| path != *dir && path.is_within(dir)) {
                    self.unjudged(row);
                }
            }
        }
    }

    /// A file is being written to. A directory that was there an older copy does not hold.
    pub(super) fn written_to(&mut self, path: &RelPath) {
        let row = self.under.older.and_then(|_| row_at(&*self.pen.index, path));
        match row.filter(|row| row.kind == Kind::Dir) {
            Some(dir) => self.mend(path, &dir, None),
            None => {
                self.opened(path);
                self.unseen(path);
            }
        }
    }

    /// The row of what is being written to is no proof of its bytes after a power loss, though they
    /// were durable.
    fn opened(&mut self, path: &RelPath) {
        let row = row_at(&*self.pen.index, path).filter(|row| row.kind == Kind::File);
        let Some(mut row) = row.filter(|_| self.under.power_back.is_none()) else { return };
        let previous = match row.volatile {
            Some(volatile) if volatile.epoch >= OPEN => return,
            Some(volatile) => volatile.previous,
            None => row.content.clone(),
        };
        row.volatile = Some(Volatile { epoch: OPEN, previous });
        self.pen.index.put_seen(&row);
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

    /// Whether what is found without a row is what a power loss left of the version that is to be
    /// there: nobody has changed it since, and it has nothing, or that one's time and other bytes.
    pub(super) fn is_left_of(&self, id: EntryId, found: &Present) -> bool {
        let back = self.under.power_back.filter(|_| !broken(Mutant::PowerBelieved));
        let untouched = back.is_some_and(|back| found.fingerprint.ctime <= back);
        // What was there before its program came is a user's, whatever time it has.
        if !untouched || found.kind != Kind::File || self.pen.rank == Rank::Import {
            return false;
        }
        let index = &*self.pen.index;
        let stored = index.entry(id);
        let desired = stored.and_then(|s| view::desired(&view::whole(index, &s.entry)));
        desired.is_some_and(|desired| {
            let is_blank = found.fingerprint.size == 0 || found.zeros;
            let is_torn = desired.attributes.mtime == found.attributes.mtime;
            desired.content != found.content && (is_blank || is_torn)
        })
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
