//! Takes the answers of jobs: names of a listing are merged with the rows of D, looks are told.
//!
//! Runs in the caller's thread. Used by `drive`.

use super::entry::Met;
use super::jobs::{Answer, Entry};
use super::look::unreadable;
use super::missing::Gone;
use super::walk::{is_absent, is_same, Visit, Walk};
use super::Why;
use crate::fs::{FileKind, Fs, Stat};
use crate::store::LastSeen;
use engine::index::SeenRow;
use engine::observe::Source;
use engine::path::Name;
use std::cmp::Ordering;

/// Rows of D asked for at a time.
const ROWS_PAGE: usize = 256;

/// Takes one answer. Returns whether to go on.
pub(super) fn take<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>, answer: Answer<F>) -> bool {
    match answer {
        Answer::Looked { path, parent, looked } => walk.looked(path, parent, looked),
        Answer::Chunk { visit, dir, here, entries } => {
            let Some(mut at) = walk.visits.remove(&visit) else { return false };
            if !at.opened {
                at.opened = true;
                at.slot = walk.slot_of(&at.path, &here.handle);
                at.drained = at.slot.is_none();
            }
            for entry in entries {
                take_name(walk, &mut at, &dir, entry);
            }
            walk.visits.insert(visit, at);
        }
        Answer::Listed { visit, names_too_long } => {
            let Some(mut at) = walk.visits.remove(&visit) else { return false };
            fill(walk, &mut at);
            while !at.rows.is_empty() {
                std::mem::take(&mut at.rows).iter().for_each(|row| at.missing.add(row));
                fill(walk, &mut at);
            }
            walk.summary.names_too_long += names_too_long;
            if let (true, Some(slot)) = (at.missing != Gone::default(), at.slot) {
                walk.remember_missing(slot, at.path, at.missing);
            }
        }
        Answer::NotListed { visit, error } => {
            let Some(at) = walk.visits.remove(&visit) else { return false };
            walk.partial |= at.path.is_root();
            walk.tell(at.path, None, unreadable(&error, None), None);
        }
        Answer::Replaced { visit } => {
            walk.visits.remove(&visit);
        }
    }
    !walk.is_over()
}

fn take_name<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    at: &mut Visit,
    dir: &F::Dir,
    (name, stat): Entry,
) {
    let row = row_named(walk, at, &name);
    let stat = match stat {
        Ok(stat) => stat,
        Err(error) if is_absent(&error) => {
            row.iter().for_each(|row| at.missing.add(row));
            return;
        }
        Err(error) => {
            return walk.tell(at.path.join(name), at.slot, unreadable(&error, None), None)
        }
    };
    if row.as_ref().is_some_and(|row| is_quiet(walk, row, &stat)) {
        return;
    }
    let path = at.path.join(name);
    if walk.eyes.ignore.is_own(&path) {
        return walk.reserved(path);
    }
    let met = Met { dir, parent: at.slot, path, row, stat, why: Why::Changed };
    walk.met(met, false, walk.source == Source::Scan);
}

/// The usual case, before any path is put together: a file that is as it was.
fn is_quiet<F: Fs, L: LastSeen>(walk: &Walk<'_, F, L>, row: &SeenRow, stat: &Stat) -> bool {
    let doubtful = row.soft || walk.may_be_lost(Some(row));
    let doubtful = doubtful || stat.mount != walk.lens.root_mount || stat.kind == FileKind::Dir;
    !doubtful && is_same(row, stat)
}

fn fill<F: Fs, L: LastSeen>(walk: &Walk<'_, F, L>, at: &mut Visit) {
    let (Some(slot), true, false) = (at.slot, at.rows.is_empty(), at.drained) else { return };
    let page = walk.ask(walk.last.seen_children(slot, at.after.as_ref(), ROWS_PAGE));
    at.drained = page.len() < ROWS_PAGE;
    at.after = page.last().and_then(|row| row.name.clone());
    at.rows.extend(page);
}

/// The row of a name; rows before it are of names that are missing. Names come in order.
fn row_named<F: Fs, L: LastSeen>(
    walk: &Walk<'_, F, L>,
    at: &mut Visit,
    name: &Name,
) -> Option<SeenRow> {
    loop {
        fill(walk, at);
        let next = at.rows.front()?;
        match next.name.as_ref().cmp(&Some(name)) {
            Ordering::Less => {
                at.missing.add(next);
                at.rows.pop_front();
            }
            Ordering::Equal => return at.rows.pop_front(),
            Ordering::Greater => return None,
        }
    }
}
