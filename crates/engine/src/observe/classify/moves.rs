//! What was renamed: a known handle at a new place, whose old place no longer has it.
//!
//! What cannot be read is known by its inode alone, and moved as a directory is. Used by `classify`
//! only, before anything else of a batch is judged.

use super::aftermath::replaced_dir;
use super::{path_of, row_at, Change, Desk};
use crate::entry::Kind;
use crate::index::{Fingerprint, SeenRow, Slot, ROOT_SLOT};
use crate::observe::{Found, Present, Source};
use crate::path::RelPath;
use crate::proof::{broken, reached, Mutant};
use std::collections::{BTreeMap, BTreeSet};

struct Move {
    row: SeenRow,
    /// Where it would be without this one, by those of the directories above it.
    from: RelPath,
    to: RelPath,
}

/// What was met at a path.
pub(super) struct Met<'a> {
    kind: Kind,
    fingerprint: &'a Fingerprint,
    /// Or only looked at from outside.
    is_read: bool,
}

impl<'a> Met<'a> {
    fn read(found: &'a Present) -> Met<'a> {
        Met { kind: found.kind, fingerprint: &found.fingerprint, is_read: true }
    }

    /// What could not be read, if it is known what it is.
    fn unread(found: &'a Found) -> Option<Met<'a>> {
        let Found::Unreadable(_, Some(thing)) = found else { return None };
        Some(Met { kind: thing.kind, fingerprint: &thing.fingerprint, is_read: false })
    }

    /// All that was met in a batch.
    pub fn all(
        present: &'a BTreeMap<RelPath, Present>,
        unread: &'a [(RelPath, Found)],
    ) -> BTreeMap<&'a RelPath, Met<'a>> {
        let unread = unread.iter().filter_map(|(path, found)| Some((path, Met::unread(found)?)));
        present.iter().map(|(path, found)| (path, Met::read(found))).chain(unread).collect()
    }

    /// Whether it goes by what it is, and not by its path: whoever cannot read what a file holds
    /// cannot tell that it is an edit of what was there.
    fn goes_by_handle(&self) -> bool {
        self.kind == Kind::Dir || !self.is_read
    }
}

impl Desk<'_> {
    /// A batch holds a look at where an inode was last seen. If it has another row by now, that
    /// place was not looked at, and whether this is a move cannot be told.
    pub(super) fn leave_unjudged(
        &mut self,
        present: &mut BTreeMap<RelPath, Present>,
        unread: &mut Vec<(RelPath, Found)>,
        absent: &[RelPath],
        looked: &BTreeSet<RelPath>,
    ) {
        let is_judged = |desk: &mut Self, path: &RelPath, row: Option<SeenRow>| {
            let Some(row) = row else { return true };
            let Some(old) = path_of(desk.pen.index, row.slot) else { return true };
            if looked.contains(&old) || desk.under.judge.contains(path) {
                return true;
            }
            desk.seen.unjudged.push(path.clone());
            desk.seen.again.extend([path.clone(), old]);
            false
        };
        present.retain(|path, found| {
            let known = self.known_elsewhere(path, &Met::read(found), absent);
            let row = known.or_else(|| self.named_elsewhere(path, found, looked));
            is_judged(self, path, row)
        });
        unread.retain(|(path, found)| {
            let met = Met::unread(found);
            let row = met.and_then(|met| self.known_elsewhere(path, &met, absent));
            is_judged(self, path, row)
        });
    }

    /// The row of D that has this handle at another path, if this path is free for it to own. Of
    /// several names the one that is gone.
    fn known_elsewhere(
        &self,
        path: &RelPath,
        found: &Met<'_>,
        absent: &[RelPath],
    ) -> Option<SeenRow> {
        let index = &*self.pen.index;
        let here = row_at(index, path);
        if here.as_ref().is_some_and(|row| row.fingerprint.handle == found.fingerprint.handle) {
            return None;
        }
        let same_kind = |row: &SeenRow| row.kind == found.kind;
        if !found.goes_by_handle() && here.as_ref().is_some_and(same_kind) {
            return None;
        }
        let rows = index.seen_handle(&found.fingerprint.handle).into_iter().filter(same_kind);
        let is_there = |row: &SeenRow| {
            let old = path_of(index, row.slot);
            old.is_none_or(|old| absent.binary_search(&old).is_err())
        };
        rows.min_by_key(is_there)
    }

    pub(super) fn move_known(
        &mut self,
        met: &BTreeMap<&RelPath, Met<'_>>,
        present: &BTreeMap<RelPath, Present>,
        absent: &[RelPath],
    ) {
        if broken(Mutant::MoveIsTwoThings) {
            return;
        }
        let mut moves = self.renamed(met, absent);
        self.stayed_behind(met, absent, &mut moves);
        for Move { row, from, to } in moves.iter().filter(|one| one.row.kind == Kind::Dir) {
            reached("a directory was renamed");
            self.seen.moved.push((from.clone(), to.clone()));
            if self.under.judge.contains(to) {
                self.seen.strange.push((to.clone(), row.fingerprint.handle.clone()));
            }
        }
        self.detach(&moves);
        // What is above comes first.
        moves.sort_by(|a, b| a.to.cmp(&b.to));
        for Move { row, from, to } in moves {
            self.make_way(&to, present);
            let is_nobodys = |found| self.is_older(found) || self.is_back(&row, found);
            let is_older = met.get(&to).is_some_and(|met| is_nobodys(met.fingerprint));
            self.attach(&row, &to, from, is_older);
        }
    }

    /// What is at another path now than its row, in their order.
    fn renamed(&self, met: &BTreeMap<&RelPath, Met<'_>>, absent: &[RelPath]) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        for (&path, found) in met {
            let Some(row) = self.known_elsewhere(path, found, absent) else { continue };
            // One of two new names of an inode is where it went, the other is made.
            if moves.iter().any(|moved| moved.row.slot == row.slot) {
                continue;
            }
            let Some(from) = path_of(self.pen.index, row.slot) else { continue };
            let is_unseen = !met.contains_key(&from);
            if has_left(&row, found, &from, met, absent)
                || is_unseen && self.is_moving(&from, &moves)
            {
                moves.push(Move { row, from, to: path.clone() });
            }
        }
        moves
    }

    /// A directory was renamed, and what was in it is in another one that has its old name now: it
    /// is where it was, and did not go where its row goes with that of the directory.
    fn stayed_behind(
        &self,
        met: &BTreeMap<&RelPath, Met<'_>>,
        absent: &[RelPath],
        moves: &mut Vec<Move>,
    ) {
        if moves.iter().all(|moved| moved.row.kind != Kind::Dir) {
            return;
        }
        let goals = moves.iter().map(|moved| (moved.row.slot, moved.to.clone()));
        let mut goals: BTreeMap<Slot, RelPath> = goals.collect();
        for (&path, found) in met {
            let row = row_at(&*self.pen.index, path).filter(|row| {
                row.fingerprint.handle == found.fingerprint.handle && row.kind == found.kind
            });
            let Some(row) = row else { continue };
            let Some(from) = self.goal(&row, &goals).filter(|from| from != path) else { continue };
            if !goals.contains_key(&row.slot) && has_left(&row, found, &from, met, absent) {
                goals.insert(row.slot, path.clone());
                moves.push(Move { row, from, to: path.clone() });
            }
        }
    }

    /// Where a row goes when these go there.
    fn goal(&self, row: &SeenRow, goals: &BTreeMap<Slot, RelPath>) -> Option<RelPath> {
        let (mut below, mut row) = (Vec::new(), row.clone());
        let top = loop {
            match goals.get(&row.slot) {
                Some(goal) => break goal.clone(),
                None if row.slot == ROOT_SLOT => break RelPath::root(),
                None => {
                    below.push(row.name?);
                    row = self.pen.index.seen(row.parent)?;
                }
            }
        };
        Some(below.into_iter().rev().fold(top, |path, name| path.join(name)))
    }

    /// Makes the new directories of this batch that something was moved into, top down.
    fn make_way(&mut self, path: &RelPath, present: &BTreeMap<RelPath, Present>) {
        let mut above = RelPath::root();
        for name in path.names() {
            let known = row_at(&*self.pen.index, &above);
            let found = present.get(&above).filter(|found| found.kind == Kind::Dir);
            let stands = |row: &SeenRow, found| row.kind == Kind::Dir && !replaced_dir(row, found);
            if let Some(found) = found.filter(|f| !known.is_some_and(|row| stands(&row, f))) {
                self.arrive(&above, found);
            }
            above = above.join(name.clone());
        }
    }

    /// Whether a directory above `old` is itself being moved in this batch.
    fn is_moving(&self, old: &RelPath, moves: &[Move]) -> bool {
        moves.iter().any(|moved| old.is_within(&moved.from))
    }

    /// Takes the moved rows off their names first, so that exchanges and rotations do not collide.
    fn detach(&mut self, moves: &[Move]) {
        for Move { row, .. } in moves {
            self.seen.freed.push(row.entry);
            let mut row = row.clone();
            row.name = None;
            self.pen.index.put_seen(&row);
        }
    }

    fn attach(&mut self, row: &SeenRow, path: &RelPath, old: RelPath, is_older: bool) {
        self.pen.rank = self.rank;
        let Some((parent, name)) = self.parent_of(path) else {
            // Back to where it was; if that has been taken, or is gone with the directory it was
            // in, it will be found as something new.
            let index = &mut *self.pen.index;
            let there = row.name.as_ref().and_then(|n| index.seen_named(row.parent, n));
            let is_free = there.is_none_or(|other| other.slot == row.slot);
            if is_free && index.seen(row.parent).is_some() {
                index.put_seen(row);
            } else {
                self.lose(path, row);
            }
            self.seen.again.push(path.clone());
            return;
        };
        if let Some(other) = self.pen.index.seen_named(parent.slot, &name) {
            self.lose(path, &other);
        }
        if is_older {
            return self.pen.displace(row, &parent, &name);
        }
        if self.pen.source == Source::Scan {
            match row.kind {
                Kind::Dir => reached("a scan found a directory by its handle"),
                _ => reached("a scan found a file by its handle"),
            }
        }
        self.pen.relocate(row, &parent, &name);
        self.seen.done.push((Change::Moved, path.clone(), Some(old)));
    }
}

/// Whether what has the row's inode is not at `old` any more.
fn has_left(
    row: &SeenRow,
    found: &Met<'_>,
    old: &RelPath,
    met: &BTreeMap<&RelPath, Met<'_>>,
    absent: &[RelPath],
) -> bool {
    match met.get(old) {
        Some(now) => {
            (found.goes_by_handle() || now.kind != row.kind)
                && now.fingerprint.handle != found.fingerprint.handle
        }
        // A directory has one place.
        None => row.kind == Kind::Dir || absent.binary_search(old).is_ok(),
    }
}
