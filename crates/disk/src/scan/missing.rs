//! Absence, told last: each name by a look of its own in a directory that was listed to its end.
//!
//! Only directories are remembered during the walk; which of their names are missing is found again
//! here, so that a million deletions need no memory. Used by `walk`.

use super::look::unreadable;
use super::walk::{is_absent, Walk};
use crate::fs::Fs;
use crate::store::LastSeen;
use engine::index::Slot;
use engine::observe::Found;
use engine::path::{Name, RelPath};
use std::io;

/// Rows of D asked for at a time.
const ROWS_PAGE: usize = 256;

/// Tells every absence of the walk.
pub(super) fn tell<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>) {
    for path in std::mem::take(&mut walk.absent) {
        tell_path(walk, path);
    }
    for (slot, path) in std::mem::take(&mut walk.missing) {
        if walk.is_over() {
            return;
        }
        match tell_directory(walk, slot, &path) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => walk.summary.again = true,
            // What is gone from it stays untold, and whoever asked has to know that.
            Err(error) => walk.tell(path, None, unreadable(&error), None),
        }
    }
}

fn tell_path<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>, path: RelPath) {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return };
    let fs = walk.lens.fs;
    let looked = fs.open_dir(walk.eyes.root, &parent).and_then(|dir| fs.stat(&dir, name));
    match looked {
        Err(error) if is_absent(&error) => walk.add(vec![(path, Found::Absent)]),
        // It is back, or cannot be told: whoever put it there is hinted, or found by a scan.
        _ => walk.summary.again = true,
    }
}

fn tell_directory<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    slot: Slot,
    path: &RelPath,
) -> io::Result<()> {
    let fs = walk.lens.fs;
    let dir = fs.open_dir(walk.eyes.root, path)?;
    let row = walk.ask(walk.last.seen(slot));
    let handle = fs.stat_dir(&dir)?.handle;
    if !row.is_some_and(|row| path.is_root() || row.fingerprint.handle == handle) {
        walk.summary.again = true;
        return Ok(());
    }
    let mut names = Vec::new();
    fs.list(&dir, &mut |name, _| names.push(name))?;
    names.sort_unstable();
    let mut after: Option<Name> = None;
    loop {
        let rows = walk.ask(walk.last.seen_children(slot, after.as_ref(), ROWS_PAGE));
        let done = rows.len() < ROWS_PAGE;
        after = rows.last().and_then(|row| row.name.clone());
        let gone = rows.into_iter().filter_map(|row| row.name);
        for name in gone.filter(|name| names.binary_search(name).is_err()) {
            match fs.stat(&dir, &name) {
                Err(error) if is_absent(&error) => {
                    walk.add(vec![(path.join(name), Found::Absent)]);
                }
                _ => walk.summary.again = true,
            }
        }
        if done || walk.is_over() {
            return Ok(());
        }
    }
}
