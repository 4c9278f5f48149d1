//! Looks x what was last seen there -> local operations.
//!
//! Files go by path first (an editor's save by rename is an edit), directories by handle first (a
//! rotated release is a move). Moves are settled before creations, creations before deletions.

use super::mint::Pen;
use super::names::is_name_of;
use super::{Batch, Change, Found, Observation, Present, Source};
use crate::entry::{EntryId, Kind, Rank, Timestamp};
use crate::index::{Handle, Index, SeenRow, Slot, ROOT_SLOT};
use crate::ledger::Facts;
use crate::path::{Name, RelPath};
use crate::proof::{broken, reached, Mutant};
use crate::view::{self, Shown};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

mod aftermath;
mod aside;
mod imports;
mod mend;
mod moves;
mod names;
mod older;

use aftermath::{is_edit, mark_edit, replaced_dir, unshown, Aftermath};
use moves::Met;
use names::all_children;

/// What a batch of looks led to, besides local operations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Paths that must be looked at (again): their directory was not known yet.
    pub again: Vec<RelPath>,
    /// What could not be read or is not ours, for the operator.
    pub notices: Vec<(RelPath, String)>,
    /// What could not be read.
    pub unread: Vec<RelPath>,
    /// What a scan found being written to: to be looked at again.
    pub busy: Vec<RelPath>,
    /// What a power loss did and peers must mend.
    pub damaged: Vec<RelPath>,
    /// Local operations that were born: what, where, and for a move from where.
    pub done: Vec<(Change, RelPath, Option<RelPath>)>,
    /// What has left its place: somebody may wait for that.
    pub freed: Vec<EntryId>,
    /// Directories that were renamed, from where to where.
    pub moved: Vec<(RelPath, RelPath)>,
    /// Nothing is there and nothing was: a hint that came too late, perhaps for a renamed
    /// directory.
    pub unknown: Vec<RelPath>,
    /// Directories that got a row.
    pub made: Vec<(RelPath, Handle)>,
    /// Directories that were moved by a look at their new place alone. What is in them may have
    /// been looked at there while it was another's.
    pub strange: Vec<(RelPath, Handle)>,
    /// Directories that lost theirs.
    pub dropped: Vec<Handle>,
    /// It is gone, and may be elsewhere, or what lost to it would go with it: not deleted yet.
    pub doubted: Vec<RelPath>,
    /// Looks below such names, which say nothing before those are judged.
    pub below: Vec<RelPath>,
    /// What is there was last seen at a place that was not looked at with it: not judged.
    pub unjudged: Vec<RelPath>,
    /// What is there may be what an operation is about to put elsewhere, and where that is: not
    /// judged before it has ended.
    pub awaited: Vec<(RelPath, RelPath)>,
}

/// What a batch is judged under, besides the index.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// When the power was back, if the machine lost it since this index was last in use: volatile
    /// rows prove nothing then.
    pub power_back: Option<Timestamp>,
    /// When the machine came up.
    pub booted_at: Timestamp,
    /// The tree was put back to an older copy: what was last changed until then may be of that.
    pub older: Option<Timestamp>,
    /// See [`crate::index::Volatile`].
    pub epoch: u64,
    /// Paths that were gone before already, long enough ago to be believed now, and how that was
    /// noticed.
    pub gone: BTreeMap<RelPath, Source>,
    /// Directories above what was looked at that may have been put aside: not judged yet.
    pub aside: BTreeSet<RelPath>,
    /// Paths that were not judged before and have to be now.
    pub judge: BTreeSet<RelPath>,
    /// What operations under way are about to put on this disk, and where. It gets its row there:
    /// nothing else can be taken for it meanwhile, or one of the two would be without a row.
    pub coming: BTreeMap<EntryId, RelPath>,
    /// What was found here, or in here, before this node was a member, and not judged then; and
    /// until when, in unix milliseconds, its last change was before that.
    pub imported: BTreeMap<RelPath, u64>,
}

/// The row of D at a path.
pub fn row_at(index: &dyn Index, path: &RelPath) -> Option<SeenRow> {
    let mut row = index.seen(ROOT_SLOT)?;
    for name in path.names() {
        row = index.seen_named(row.slot, name)?;
    }
    Some(row)
}

/// The path of a row of D.
pub fn path_of(index: &dyn Index, slot: Slot) -> Option<RelPath> {
    let mut names: Vec<Name> = Vec::new();
    let mut slot = slot;
    while slot != ROOT_SLOT {
        let row = index.seen(slot)?;
        names.push(row.name?);
        slot = row.parent;
    }
    names.reverse();
    Some(RelPath::from_names(names))
}

/// The inodes that a look is about: the one found there and the one last seen there.
pub fn handles(index: &dyn Index, look: &Observation) -> Vec<Handle> {
    let found = look.found.handle().cloned();
    found.into_iter().chain(row_at(index, &look.path).map(|row| row.fingerprint.handle)).collect()
}

/// Turns a batch of looks into local operations.
pub fn classify(
    facts: &mut Facts,
    index: &mut dyn Index,
    batch: Batch,
    under: &Circumstances,
) -> Seen {
    let rank = imports::rank(facts);
    let contested = !index.conflicts(None, 1).is_empty();
    let pen = Pen { facts, index, source: batch.source, rank, epoch: under.epoch };
    let (files, present) = (BTreeSet::new(), Rc::default());
    let mut desk = Desk { pen, rank, under, contested, files, present, seen: Seen::default() };
    let (mut present, mut absent) = (BTreeMap::new(), Vec::new());
    let (mut looked, mut unread) = (BTreeSet::new(), Vec::new());
    for Observation { path, found } in batch.looks {
        looked.insert(path.clone());
        match found {
            Found::Present(found) => {
                present.insert(path, found);
            }
            Found::Absent => absent.push(path),
            found => unread.push((path, found)),
        }
    }
    absent.sort_unstable();
    let handle = |(path, found): (&RelPath, &Present)| {
        (found.kind == Kind::File).then(|| (found.fingerprint.handle.clone(), path.clone()))
    };
    desk.files = present.iter().filter_map(handle).collect();
    desk.leave_unjudged(&mut present, &mut unread, &absent, &looked);
    desk.move_known(&Met::all(&present, &unread), &present, &absent);
    desk.leave_aside(&mut present, &mut absent, &mut unread);
    for (path, found) in unread {
        desk.unread(path, found);
    }
    desk.present = Rc::new(present);
    for (path, found) in Rc::clone(&desk.present).iter() {
        desk.arrive(path, found);
    }
    for path in absent.iter().rev() {
        desk.vanish(path);
    }
    desk.seen
}

struct Desk<'a> {
    pen: Pen<'a>,
    /// Of what is not known to be otherwise.
    rank: Rank,
    under: &'a Circumstances,
    /// Whether any entry of the folder has lost versions.
    contested: bool,
    /// Which file was found where in this batch.
    files: BTreeSet<(Handle, RelPath)>,
    /// What is found, and is to be judged.
    present: Rc<BTreeMap<RelPath, Present>>,
    seen: Seen,
}

impl Desk<'_> {
    /// A name beside `path` of the same file, found there in this batch, and last seen there, too:
    /// not yet known to be a name of what `row` is one of.
    fn beside(&self, path: &RelPath, found: &Present, row: Option<&SeenRow>) -> Option<SeenRow> {
        let index = &*self.pen.index;
        let handle = &found.fingerprint.handle;
        let body = row.and_then(|row| row.dots.body.as_ref()).map(|body| body.id);
        let rows = index.seen_handle(handle).into_iter().filter(|row| row.kind == Kind::File);
        let mut others = rows.filter(|other| {
            let there = path_of(index, other.slot).filter(|there| there != path);
            there.is_some_and(|there| self.files.contains(&(handle.clone(), there)))
                && (body.is_none() || !is_name_of(other, body))
        });
        // What a power loss put back under another name says nothing of what has stayed.
        let has_stayed = row.is_some_and(|row| row.fingerprint.handle == *handle);
        others.find(|other| other.content.is_some() && !(has_stayed && other.is_undone()))
    }

    /// The row of the directory a path lies in, and its last name.
    fn parent_of(&self, path: &RelPath) -> Option<(SeenRow, Name)> {
        let parent = row_at(&*self.pen.index, &path.parent()?)?;
        let name = path.name()?.clone();
        (parent.kind == Kind::Dir).then_some((parent, name))
    }

    fn arrive(&mut self, path: &RelPath, found: &Present) {
        self.pen.rank = self.rank_at(path, found);
        if path.is_root() {
            return self.arrive_root(found);
        }
        let Some((parent, name)) = self.parent_of(path) else {
            if path.parent().is_some_and(|above| self.seen.unread.contains(&above)) {
                // It has no name there that we know of, for as long as that lasts.
                return self.seen.unread.push(path.clone());
            }
            // Both: if the directory turns out to be a renamed one, nobody looks inside again.
            self.seen.again.extend(path.parent().into_iter().chain([path.clone()]));
            return;
        };
        match self.pen.index.seen_named(parent.slot, &name) {
            Some(row) if row.kind == found.kind && !replaced_dir(&row, found) => {
                match self.aftermath(&row, Some(found)) {
                    Aftermath::Damage => self.mend(path, &row, Some(found)),
                    Aftermath::Undone => self.undone(path, &row, found),
                    Aftermath::Edit => self.change(path, &unshown(&row), found),
                    Aftermath::Doubt => self.doubt(path, &row, found),
                    Aftermath::None => self.change(path, &row, found),
                }
            }
            Some(row) => {
                self.lose(path, &row);
                self.make(path, &parent, &name, found);
            }
            None => self.make(path, &parent, &name, found),
        }
    }

    /// It could not be read. Where its directory has gone is known by now.
    fn unread(&mut self, path: RelPath, found: Found) {
        match found {
            // The kernel tells of the end of it under the name that was written through, which may
            // be another one.
            Found::Busy(_) => {
                self.written_to(&path);
                let is_scan = self.pen.source == Source::Scan;
                self.seen.busy.extend(is_scan.then_some(path));
            }
            Found::Foreign(what) => {
                self.unseen(&path);
                self.seen.notices.push((path, what));
            }
            Found::Unreadable(what, _) => {
                self.unseen(&path);
                self.seen.unread.push(path.clone());
                self.seen.notices.push((path, what));
            }
            Found::Absent | Found::Present(_) => {}
        }
    }

    fn change(&mut self, path: &RelPath, row: &SeenRow, found: &Present) {
        let what = if is_edit(row, found) { Change::Edited } else { Change::Attributes };
        mark_edit(row, found);
        if found.kind != Kind::File {
            return self.watched(what, path, |pen| pen.change(row, found));
        }
        if row.fingerprint.handle != found.fingerprint.handle {
            self.look_at_another_name(row);
        } else if row.dots.body.is_some() {
            self.part_first(found);
        }
        if let Some(first) = self.beside(path, found, Some(row)) {
            return self.join(Change::Edited, path, found, &first, |pen, found, first| {
                pen.turn_into_name(row, found, first);
            });
        }
        if row.dots.body.is_some() && row.fingerprint.handle != found.fingerprint.handle {
            return self.watched(Change::Edited, path, |pen| pen.part(row, found));
        }
        self.watched(what, path, |pen| pen.change(row, found));
    }

    /// Tells of an operation if one was born: what is found may also be what was there already.
    fn watched(&mut self, what: Change, path: &RelPath, act: impl FnOnce(&mut Pen<'_>)) {
        let before = self.pen.facts.meta.counter;
        act(&mut self.pen);
        if self.pen.facts.meta.counter != before {
            self.seen.done.push((what, path.clone(), None));
        }
    }

    /// Something new to this disk: what the tree already shows at this place, or a creation.
    fn make(&mut self, path: &RelPath, parent: &SeenRow, name: &Name, found: &Present) {
        if found.content.is_none() && found.kind != Kind::Dir {
            self.seen.again.push(path.clone());
            return;
        }
        if self.is_older(&found.fingerprint) {
            return self.make_older(path, parent, name, found);
        }
        let ours = self.pen.left_at(parent, name, found);
        let known = ours.or_else(|| self.shown_at(parent, name, found.kind));
        if let Some(there) = known.and_then(|id| self.under.coming.get(&id)) {
            return self.seen.awaited.push((path.clone(), there.clone()));
        }
        match known {
            Some(id) if self.is_left_of(id, found) => {
                self.seen.damaged.push(path.clone());
                self.pen.stand(parent, name, id, found);
            }
            Some(id) => {
                let is_file = found.kind == Kind::File;
                let first = is_file.then(|| self.beside(path, found, None)).flatten();
                let adopt = |pen: &mut Pen<'_>| {
                    let before = pen.facts.meta.counter;
                    pen.adopt(parent, name, id, found);
                    let row = pen.index.seen_of(id).filter(|_| pen.facts.meta.counter != before);
                    if let (Some(row), Some(first)) = (row, first) {
                        pen.turn_into_name(&row, found, &first);
                    }
                };
                self.watched(Change::Edited, path, adopt);
            }
            None => {
                let first = (found.kind == Kind::File).then(|| self.beside(path, found, None));
                match first.flatten() {
                    Some(first) => {
                        self.join(Change::Created, path, found, &first, |pen, found, first| {
                            pen.create_name(parent, name, found, first)
                        })
                    }
                    None => {
                        self.pen.create(parent, name, found);
                        self.seen.done.push((Change::Created, path.clone(), None));
                    }
                }
            }
        }
        if found.kind == Kind::Dir {
            self.seen.made.push((path.clone(), found.fingerprint.handle.clone()));
        }
    }

    /// The entry of this kind that the tree shows at `name` in the directory and that has no row
    /// yet.
    fn shown_at(&self, parent: &SeenRow, name: &Name, kind: Kind) -> Option<EntryId> {
        let index = &*self.pen.index;
        let parents = view::united(index, parent.entry)?;
        let claims = parents.iter().flat_map(|&parent| index.named(parent, name));
        let mut fitting = claims.chain(view::suffix_of(index, name)).filter(|&id| {
            let stored = index.entry(id);
            stored.is_some_and(|s| s.entry.kind == kind && view::is_alive(&s))
                && index.seen_of(id).is_none()
        });
        let here = Shown::At { parent: parents[0], name: name.clone() };
        fitting.find(|&id| view::place(index, id) == here)
    }

    fn vanish(&mut self, path: &RelPath) {
        self.pen.rank = self.rank;
        let Some(row) = row_at(&*self.pen.index, path).filter(|_| !path.is_root()) else {
            reached("a name that came and went is no operation");
            self.seen.unknown.push(path.clone());
            return;
        };
        if self.aftermath(&row, None) == Aftermath::Damage {
            return self.mend(path, &row, None);
        }
        let source = self.pen.source;
        match self.under.gone.get(path) {
            Some(first) => self.pen.source = *first,
            None if self.is_contested(&row) || self.may_be_elsewhere(&row) => {
                self.look_at_another_name(&row);
                return self.seen.doubted.push(path.clone());
            }
            None => {}
        }
        self.delete_tree(&row);
        self.pen.source = source;
    }

    /// Whether this may be one end of a rename, whose other end tells in a moment: a directory with
    /// something in it that is gone was hardly removed in no time. As a deletion and a creation it
    /// would be a tree sent anew, and what others edit in it meanwhile would bring the old one
    /// back. Nor is a file let go of at once whose bytes no sync has made durable: others would
    /// forget them, and if the power goes before the other end is seen, they are nowhere. Of
    /// several names each has them.
    fn may_be_elsewhere(&self, row: &SeenRow) -> bool {
        if self.pen.source != Source::Live {
            return false;
        }
        let has_rows = || !self.pen.index.seen_children(row.slot, None, 1).is_empty();
        if row.kind == Kind::Dir && has_rows() {
            reached("a directory is gone with all that is in it");
            return true;
        }
        let handle = &row.fingerprint.handle;
        let first = (handle.clone(), RelPath::root());
        let is_found = || self.files.range(first..).next().is_some_and(|(at, _)| at == handle);
        let is_one = row.kind == Kind::File && row.dots.body.is_none();
        is_one && row.volatile.is_some() && !is_found()
    }

    /// Whether something has lost to what is at the row or below it. A deletion would take that
    /// along; a rename, whose other end was not looked at, must not.
    fn is_contested(&self, row: &SeenRow) -> bool {
        let is_asked = self.contested && !broken(Mutant::GoneAtOnce);
        let mut stack = if is_asked { vec![row.clone()] } else { Vec::new() };
        while let Some(row) = stack.pop() {
            if self.pen.index.entry(row.entry).is_some_and(|stored| stored.conflicted) {
                return true;
            }
            if row.kind == Kind::Dir {
                stack.extend(all_children(&*self.pen.index, row.slot));
            }
        }
        false
    }

    /// Deletes a row and everything below it, children first.
    fn delete_tree(&mut self, row: &SeenRow) {
        let mut stack = vec![(row.clone(), false)];
        while let Some((row, emptied)) = stack.pop() {
            if row.kind == Kind::Dir && !emptied {
                let slot = row.slot;
                stack.push((row, true));
                let children = all_children(&*self.pen.index, slot);
                stack.extend(children.into_iter().map(|child| (child, false)));
            } else {
                self.seen.freed.push(row.entry);
                self.look_at_another_name(&row);
                if row.kind == Kind::Dir {
                    self.seen.dropped.push(row.fingerprint.handle.clone());
                }
                // What was on its way has no path, and is told of where it arrives.
                match path_of(&*self.pen.index, row.slot) {
                    Some(path) => self.watched(Change::Removed, &path, |pen| pen.delete(&row)),
                    None => self.pen.delete(&row),
                }
            }
        }
    }
}
