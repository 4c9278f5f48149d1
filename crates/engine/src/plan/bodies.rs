//! Files of several names on this disk: which inode all names are to have, and who brings it.
//!
//! The names of one body share an inode, and nobody else has it. Where several inodes could be the
//! one, the name with the smallest id that holds the right content decides; where none does, one
//! that has its place gets the content, and the others wait for it. Called by `decide` where a file
//! is in its place, or its place is free.

use super::decide::{expected, last_edits, place_of, retire};
use super::{Act, Expected, Place, Retire, Step, Wait};
use crate::content::Content;
use crate::entry::{Entry, EntryId, Kind, ROOT};
use crate::index::{Index, SeenRow, ROOT_SLOT};
use crate::ledger;
use crate::proof::{broken, Mutant};
use crate::view::{self, Desired, Shown};
use std::collections::BTreeSet;

/// What an entry is one name of: a body, or itself.
fn group(index: &dyn Index, entry: &Entry) -> EntryId {
    view::body_of(index, entry).map_or(entry.id, |body| body.id)
}

/// Whose an inode is of which `row` is one name: of several entries that have it, and are to have
/// a place, the one with the smallest id says.
fn owner(index: &dyn Index, row: &SeenRow) -> Option<EntryId> {
    let rows = index.seen_handle(&row.fingerprint.handle).into_iter();
    let mut entries: Vec<EntryId> = rows.map(|row| row.entry).collect();
    entries.sort_unstable();
    let mut alive = entries.into_iter().filter_map(|id| index.entry(id)).filter(view::is_alive);
    alive.next().map(|stored| group(index, &stored.entry))
}

/// Whether the row's inode is not the entry's to have.
pub(super) fn is_anothers(index: &dyn Index, entry: &Entry, row: &SeenRow) -> bool {
    row.kind == Kind::File
        && index.seen_handle(&row.fingerprint.handle).len() > 1
        && owner(index, row).is_some_and(|owner| owner != group(index, entry))
}

/// The live names of a body, by id.
fn names(index: &dyn Index, body: EntryId) -> Vec<Entry> {
    let stored = index.names_of(body).into_iter().filter_map(|id| index.entry(id));
    let names = stored.filter(view::is_alive).map(|stored| stored.entry);
    names.filter(|entry| group(index, entry) == body).collect()
}

/// The other names of what an entry is one name of.
pub(crate) fn beside(index: &dyn Index, id: EntryId) -> Vec<EntryId> {
    let body = index.entry(id).and_then(|stored| view::body_of(index, &stored.entry));
    let names = body.map(|body| index.names_of(body.id)).unwrap_or_default();
    names.into_iter().filter(|name| *name != id).collect()
}

/// What this disk shows as one file with `id`, which is in its place, though the tree does not, or
/// as another though the tree shows one: it is not as it is to be, and nothing may have been said
/// of it.
pub(crate) fn unlike(index: &dyn Index, id: EntryId) -> Vec<EntryId> {
    let (Some(row), Some(stored)) = (index.seen_of(id), index.entry(id)) else {
        return Vec::new();
    };
    if row.kind != Kind::File || !view::is_alive(&stored) {
        return Vec::new();
    }
    let (handle, group_here) = (&row.fingerprint.handle, group(index, &stored.entry));
    let mut found = BTreeSet::new();
    for other in index.seen_handle(handle).into_iter().filter(|other| other.entry != id) {
        let entry = index.entry(other.entry).filter(view::is_alive);
        if entry.is_some_and(|other| group(index, &other.entry) != group_here) {
            found.insert(other.entry);
        }
    }
    if group_here != id {
        let names = names(index, group_here).into_iter().map(|name| name.id);
        found.extend(names.filter(|name| {
            index.seen_of(*name).is_some_and(|other| other.fingerprint.handle != *handle)
        }));
    }
    let said = index.names_of(group_here).into_iter();
    found.extend(said.filter(|other| has_come(index, *other, group_here)));
    found.into_iter().filter(|other| index.pending(*other).is_none()).collect()
}

/// Whether an entry was also said to be a name of `body`, and what that bears has come onto this
/// disk under another name, of which the entry's row says nothing yet.
fn has_come(index: &dyn Index, id: EntryId, body: EntryId) -> bool {
    let (Some(row), Some(stored)) = (index.seen_of(id), index.entry(id)) else { return false };
    view::is_alive(&stored)
        && group(index, &stored.entry) != body
        && row.dots != ledger::showing(index, &stored.entry)
}

/// The row whose inode all names are to have.
fn carrier(index: &dyn Index, names: &[Entry], content: &Content) -> Option<SeenRow> {
    let rows = names.iter().filter_map(|name| Some((name, index.seen_of(name.id)?)));
    let mut fitting = rows.filter(|(name, row)| {
        row.content.as_ref() == Some(content) && !is_anothers(index, name, row)
    });
    fitting.next().map(|(_, row)| row)
}

/// Whether the name can be given content now: it is in its place, or that is free.
fn is_ready(index: &dyn Index, name: &Entry) -> bool {
    let Shown::At { parent, name: called } = view::place(index, name.id) else { return false };
    let dir = if parent == ROOT { index.seen(ROOT_SLOT) } else { index.seen_of(parent) };
    let Some(dir) = dir else { return false };
    let there = index.seen_named(dir.slot, &called);
    match index.seen_of(name.id) {
        Some(row) => there.is_some_and(|there| there.slot == row.slot),
        None => there.is_none(),
    }
}

/// What an entry that is one name of several has to do for that, if it is, at its place `at`.
pub(super) fn one_more(
    index: &dyn Index,
    entry: &Entry,
    row: Option<&SeenRow>,
    at: &Place,
    desired: &Desired,
) -> Option<Step> {
    let body = view::body_of(index, entry).filter(|_| !broken(Mutant::NamesAreCopies))?;
    let content = desired.content.as_ref()?;
    let names = names(index, body.id);
    let Some(first) = carrier(index, &names, content) else {
        // One that is not here yet first: what is new does not wait for what it replaces elsewhere.
        let ready = names.iter().filter(|name| is_ready(index, name));
        let new_first =
            |name: &&Entry| index.seen_of(name.id).is_some() != broken(Mutant::OldNamesFirst);
        let bringer = ready.min_by_key(new_first)?;
        return (bringer.id != entry.id).then_some(Step::Wait(Wait::Entry(bringer.id)));
    };
    if row.is_some_and(|row| row.fingerprint.handle == first.fingerprint.handle) {
        return None;
    }
    let Some(of) = place_of(index, &first) else { return Some(Step::Wait(Wait::Arrival)) };
    let showing = ledger::showing(index, entry);
    let dots = match &first.dots.body {
        Some(seen) if seen.id == body.id => showing.as_name_beside(&first.dots),
        _ => showing,
    };
    let (there, retired) = match row {
        None => (Expected::Nothing, Retire::Trash),
        Some(row) => (expected(row), retire(index, entry, row)),
    };
    let at = at.clone();
    let act = Act::Link { at, expected: there, of, file: expected(&first), retire: retired };
    Some(Step::Do {
        act: Box::new(act),
        dots: Box::new(dots),
        after_creates_of: row.map_or_else(Vec::new, |row| last_edits(index, entry, row)),
    })
}
