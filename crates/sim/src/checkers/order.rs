//! C16, order: nobody sees what somebody replaced before what this author had created before that.
//!
//! Judged when operations are handed to the disk, from what the index says: whose operation is
//! brought, and which files of the same life with a lower counter are to be shown and are not
//! there. Not held: what waited as long as decisions A19 allow, what is in the way of a missing
//! creation, what was not in place before that was known; nor renames and removals, which may be in
//! the way through more than can be told here. Kept by `world`.

use crate::node::Machine;
use engine::dot::Dot;
use engine::entry::{Data, Entry, EntryId, Kind, Presence, Stamp, ROOT};
use engine::index::{Index, MemIndex, SeenRow, ROOT_SLOT};
use engine::limits::BARRIER_MS_MAX;
use engine::plan::{Act, Expected, Operation, Place};
use engine::register::Version;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Since when an entry has not been in place on a machine.
    since_ms: BTreeMap<(usize, EntryId), u64>,
}

/// Where an entry was last put, and by which operation; `None` if it is deleted.
fn placed(entry: &Entry) -> Option<(Dot, EntryId, &engine::path::Name)> {
    let here = entry.loc.versions().iter().map(|version| &version.value);
    let here = here.filter(|loc| matches!(loc.state, Presence::At(_)));
    let last = here.max_by_key(|loc| loc.stamp)?;
    Some((last.stamp.dot, last.parent, &last.name))
}

/// The row at a place.
fn row(index: &MemIndex, at: &Place) -> Option<SeenRow> {
    let dirs = index.seen_handle(&at.dir_handle);
    let dir = dirs.into_iter().find(|row| row.kind == Kind::Dir)?;
    index.seen_named(dir.slot, &at.name)
}

/// The user operations that an operation of ours brings, and the entry that they are about: who
/// wrote what the file is to hold last, and who made it a name of the file that holds that, if the
/// disk does not show it yet.
fn brings(index: &MemIndex, act: &Act) -> Option<(EntryId, Vec<Dot>)> {
    let at = match act {
        Act::Install { at, expected: Expected::Exactly { .. }, .. } => at,
        Act::Link { at, expected: Expected::Exactly { .. }, .. } => at,
        _ => return None,
    };
    let row = row(index, at)?;
    let entry = index.entry(row.entry)?.entry;
    let named = newest(&entry)?;
    let body = named.value.body.and_then(|body| index.entry(body)).map(|stored| stored.entry);
    let Some((body, held)) = body.as_ref().and_then(|body| Some((body, newest(body)?))) else {
        return Some((row.entry, vec![named.value.stamp.dot]));
    };
    let shown = row.dots.body.iter().flat_map(|body| &body.shown).chain(&row.dots.shown);
    let shown: BTreeSet<Dot> = shown.copied().collect();
    // Who passes on what somebody wrote gives it a dot of his own, and the disk shows it already,
    // as he or as another said it.
    let is_new = |of: &Entry, stamp: Stamp| {
        let same = of.data.versions().iter().filter(|version| version.value.stamp == stamp);
        let mut dots = same.map(|version| version.dot).chain([stamp.dot]);
        dots.all(|dot| !shown.contains(&dot))
    };
    let said = [(&entry, named.value.stamp), (body, held.value.stamp)];
    let new = said.into_iter().filter(|(of, stamp)| is_new(of, *stamp));
    Some((row.entry, new.map(|(_, stamp)| stamp.dot).collect()))
}

/// What is shown: what a sibling names as replaced is not, however strong it is.
fn newest(entry: &Entry) -> Option<&Version<Data>> {
    let all = entry.data.versions();
    let is_replaced = |dot: &Dot| all.iter().any(|version| version.value.base.contains(dot));
    let standing = all.iter().filter(|version| !is_replaced(&version.value.stamp.dot));
    standing.max_by_key(|version| version.value.stamp)
}

impl Order {
    /// A turn has ended.
    pub fn turned(&mut self, node: usize, machine: &Machine, now_ms: u64) {
        let index = &machine.index;
        self.since_ms.retain(|(at, id), _| *at != node || index.pending(*id).is_some());
        for row in index.pending_after(0, usize::MAX) {
            self.since_ms.entry((node, row.entry)).or_insert(now_ms);
        }
    }

    /// Operations go to the disk.
    pub fn check(&self, node: usize, machine: &Machine, operations: &[Operation], now_ms: u64) {
        let index = &machine.index;
        for Operation { act, .. } in operations {
            let Some((id, dots)) = brings(index, act) else { continue };
            let Some(&since_ms) = self.since_ms.get(&(node, id)) else { continue };
            if since_ms + BARRIER_MS_MAX <= now_ms {
                continue;
            }
            let known =
                self.since_ms.iter().filter(|((at, _), ms)| *at == node && **ms <= since_ms);
            let known: Vec<EntryId> = known.map(|((_, missing), _)| *missing).collect();
            let missing = |dot: &Dot| known.iter().find(|id| is_before(index, **id, *dot));
            let Some((dot, missing)) = dots.iter().find_map(|dot| Some((dot, missing(dot)?)))
            else {
                continue;
            };
            let paths = act.paths();
            assert!(
                self.is_in_the_way(node, index, id),
                "C16: {node} does {paths:?} of {dot:?} before {missing:?} of its author is there"
            );
        }
    }

    /// Whether a creation waits, perhaps through others, for this entry to leave its place.
    fn is_in_the_way(&self, node: usize, index: &MemIndex, id: EntryId) -> bool {
        let pending = self.since_ms.keys().filter(|(at, _)| *at == node).map(|(_, id)| *id);
        let mut rest: Vec<EntryId> = pending.filter(|other| *other != id).collect();
        let mut way = BTreeSet::from([id]);
        loop {
            let (stuck, free): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|other| waits_for(index, *other, &way));
            if stuck.iter().any(|other| is_missing(index, *other)) {
                return true;
            }
            if stuck.is_empty() {
                return false;
            }
            way.extend(stuck);
            rest = free;
        }
    }
}

/// Whether an entry cannot be put where it belongs before one of these has left its place.
fn waits_for(index: &MemIndex, id: EntryId, way: &BTreeSet<EntryId>) -> bool {
    let Some(entry) = index.entry(id).map(|stored| stored.entry) else { return false };
    let inside = |row: SeenRow| {
        let below = index.seen_children(row.slot, None, usize::MAX);
        below.iter().any(|child| way.contains(&child.entry))
    };
    let Some((_, parent, name)) = placed(&entry) else {
        return index.seen_of(id).is_some_and(inside);
    };
    let dir = if parent == ROOT { index.seen(ROOT_SLOT) } else { index.seen_of(parent) };
    // A directory without a row may be shown as another: then the name alone must do.
    let is_taken = |other: &EntryId| {
        let row = index.seen_of(*other).filter(|row| row.name.as_ref() == Some(name));
        row.is_some_and(|row| dir.as_ref().is_none_or(|dir| dir.slot == row.parent))
    };
    way.contains(&parent) || way.iter().any(is_taken)
}

/// Whether an entry is to be here and nothing of it is, nor under way to the disk.
fn is_missing(index: &MemIndex, id: EntryId) -> bool {
    let is_placed = index.entry(id).is_some_and(|stored| placed(&stored.entry).is_some());
    let is_under_way = index.pending(id).is_some_and(|row| row.intent.is_some());
    is_placed && !is_under_way && index.seen_of(id).is_none()
}

/// Whether `missing` was created by the author of `dot` before it, and is to be here, in a
/// directory that is, at a name that is free.
fn is_before(index: &MemIndex, missing: EntryId, dot: Dot) -> bool {
    let Some(entry) = index.entry(missing).map(|stored| stored.entry) else { return false };
    let Some((by, parent, name)) = placed(&entry) else { return false };
    if by.incarnation != dot.incarnation || by.counter >= dot.counter || !is_missing(index, missing)
    {
        return false;
    }
    let dir = if parent == ROOT { index.seen(ROOT_SLOT) } else { index.seen_of(parent) };
    dir.is_some_and(|dir| index.seen_named(dir.slot, name).is_none())
}
