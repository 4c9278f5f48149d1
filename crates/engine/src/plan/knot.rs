//! Entries that wait for one another in a circle: who waits for whom, and the way out.
//!
//! Called by `decide` where a rename cannot go ahead. `mv w/w t; rmdir w; mv t w` leaves on another
//! node an inner directory that waits for the name of the outer one, which waits to be empty. The
//! way out is a rename aside: into the nearest directory above the destination, under a name that
//! nobody claims. From there the entry is in nobody's way.

use super::decide::{place_in, place_of};
use super::Place;
use crate::entry::{EntryId, ROOT};
use crate::index::{Index, SeenRow, ROOT_SLOT};
use crate::view::{self, Shown};

/// Longest circle that is looked for; a longer one waits until others have shortened it.
const CIRCLE_MAX: usize = 1024;

/// Whether `first`, for whom `id` would wait, itself waits for `id` in the end.
pub(super) fn waits_back(index: &dyn Index, id: EntryId, first: EntryId) -> bool {
    let mut next = first;
    for _ in 0..CIRCLE_MAX {
        if next == id {
            return true;
        }
        match waits_for(index, next) {
            Some(other) => next = other,
            None => return false,
        }
    }
    false
}

/// The row of a directory.
fn dir_row(index: &dyn Index, parent: EntryId) -> Option<SeenRow> {
    if parent == ROOT {
        index.seen(ROOT_SLOT)
    } else {
        index.seen_of(parent)
    }
}

/// The one entry that must come into place or go before `id` can take its next step.
fn waits_for(index: &dyn Index, id: EntryId) -> Option<EntryId> {
    let row = index.seen_of(id);
    let child = |row: &SeenRow| Some(index.seen_children(row.slot, None, 1).first()?.entry);
    let (parent, name) = match view::place(index, id) {
        Shown::Gone => return child(&row?),
        Shown::As(other) if index.seen_of(other).is_none() => return None,
        Shown::As(_) => return child(&row?),
        Shown::At { parent, name } => (parent, name),
        Shown::Root | Shown::Orphan => return None,
    };
    let Some(dir) = dir_row(index, parent) else { return Some(parent) };
    if let Some(inner) = row.as_ref().and_then(|row| must_leave(index, row, &dir)) {
        return Some(inner);
    }
    let occupant = index.seen_named(dir.slot, &name)?;
    let rebinds = view::place(index, occupant.entry) == Shown::As(id);
    (occupant.entry != id && !(rebinds && row.is_none())).then_some(occupant.entry)
}

/// If `dir`, where `row` is to go, lies inside `row` on this disk: the directory on the way to it
/// that has to get out first.
pub(super) fn must_leave(index: &dyn Index, row: &SeenRow, dir: &SeenRow) -> Option<EntryId> {
    if !is_inside(index, dir, row) {
        return None;
    }
    let mut next = dir.clone();
    loop {
        let Shown::At { parent, .. } = view::place(index, next.entry) else { return None };
        match dir_row(index, parent) {
            Some(above) if next.parent == above.slot => next = above,
            _ => return Some(next.entry),
        }
    }
}

/// Whether `inner` lies in `outer` on this disk, or is it.
pub(super) fn is_inside(index: &dyn Index, inner: &SeenRow, outer: &SeenRow) -> bool {
    let mut slot = inner.slot;
    while slot != outer.slot {
        match index.seen(slot) {
            Some(row) if slot != ROOT_SLOT => slot = row.parent,
            _ => return false,
        }
    }
    true
}

/// From where to where `row` steps aside; `None` if it already did, or the name is taken. Who made
/// something in it there has made that name one of the tree: somebody may come to claim it.
pub(super) fn aside(index: &dyn Index, row: &SeenRow) -> Option<(Place, Place)> {
    let Shown::At { parent, name } = view::place(index, row.entry) else { return None };
    let mut above = parent;
    let dir = loop {
        match dir_row(index, above) {
            Some(dir) if !is_inside(index, &dir, row) => break dir,
            _ => match view::place(index, above) {
                Shown::At { parent, .. } => above = parent,
                _ => return None,
            },
        }
    };
    let parents = view::united(index, above)?;
    let free = view::relocated(index, &parents, row.entry, &name);
    let taken = index.seen_named(dir.slot, &free).is_some();
    (!taken).then(|| Some((place_of(index, row)?, place_in(index, &dir, &free)?)))?
}
