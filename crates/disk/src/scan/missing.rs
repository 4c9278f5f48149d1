//! Absence, told last: each name by a look of its own in a directory that was listed to its end.
//!
//! Only directories are remembered during the walk; which of their names are missing is found again
//! here, so that a million deletions need no memory. Used by `walk`.

use super::look::{unreadable, Looked};
use super::walk::{is_absent, is_same, Walk};
use crate::fs::Fs;
use crate::store::LastSeen;
use engine::index::{SeenRow, Slot};
use engine::observe::Found;
use engine::path::{Name, RelPath};
use engine::proof::reached;
use std::io;

/// Rows of D asked for at a time.
const ROWS_PAGE: usize = 256;

/// Which names of a directory are missing, summed up in a few bytes: another sum, other names.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Gone {
    count: u64,
    sum: u64,
}

impl Gone {
    /// The name of this row is one of them.
    pub(super) fn add(&mut self, row: &SeenRow) {
        let name = row.name.as_ref().map_or(&[][..], Name::as_bytes);
        let hash = *blake3::hash(name).as_bytes();
        let first = hash.first_chunk().expect("a digest is longer");
        self.count += 1;
        self.sum = self.sum.wrapping_add(u64::from_le_bytes(*first));
    }
}

/// Tells every absence of the walk.
pub(super) fn tell<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>) {
    for path in std::mem::take(&mut walk.absent) {
        tell_path(walk, path);
    }
    for (slot, path, missed) in std::mem::take(&mut walk.missing) {
        if walk.is_over() {
            return;
        }
        match tell_directory(walk, slot, &path, missed) {
            Ok(()) => {}
            // It went a moment ago: whoever removed it is told of by the kernel.
            Err(error) if is_absent(&error) => {}
            // What is gone from it stays untold, and whoever asked has to know that.
            Err(error) => walk.tell(path, None, unreadable(&error, None), None),
        }
    }
}

fn tell_path<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>, path: RelPath) {
    let Some(parent) = path.parent() else { return };
    match walk.lens.fs.open_dir(walk.eyes.root, &parent) {
        Ok(dir) => tell_name(walk, &dir, None, path),
        Err(error) if is_absent(&error) => walk.add(vec![(path, Found::Absent)]),
        // It cannot be told, or lies below another filesystem: who was hinted is told of that.
        Err(_) => {}
    }
}

/// A name that was missing a moment ago. Somebody may have put something there since: the walk is
/// not over before that is told, too.
fn tell_name<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    dir: &F::Dir,
    slot: Option<Slot>,
    path: RelPath,
) {
    match walk.lens.look(&mut walk.reader, dir, &path, None) {
        Looked::Found(found, small) => walk.tell(path, slot, found, small),
        Looked::Gone => walk.add(vec![(path, Found::Absent)]),
        Looked::Stopped => {}
    }
}

/// These names were missing in the listing of the walk.
fn tell_directory<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    slot: Slot,
    path: &RelPath,
    missed: Gone,
) -> io::Result<()> {
    let fs = walk.lens.fs;
    let dir = fs.open_dir(walk.eyes.root, path)?;
    let row = walk.ask(walk.last.seen(slot));
    let handle = fs.stat_dir(&dir)?.handle;
    // Another directory has taken its place, of which the kernel tells.
    if !row.is_some_and(|row| path.is_root() || row.fingerprint.handle == handle) {
        return Ok(());
    }
    let mut names = Vec::new();
    fs.list(&dir, &mut |name, _| names.push(name))?;
    names.sort_unstable();
    let mut gone = Gone::default();
    each_row(walk, slot, |walk, row, name| {
        if names.binary_search(&name).is_err() {
            gone.add(row);
            tell_name(walk, &dir, Some(slot), path.join(name));
        }
    });
    // Also where as many have gone since as have come.
    if gone != missed {
        reached("a name that was missing is there before that is told");
        each_row(walk, slot, |walk, row, name| {
            let is_same = fs.stat(&dir, &name).is_ok_and(|stat| is_same(row, &stat));
            if !is_same && names.binary_search(&name).is_ok() {
                tell_name(walk, &dir, Some(slot), path.join(name));
            }
        });
    }
    Ok(())
}

/// The rows of D in a directory, by name, until the walk is over.
fn each_row<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    slot: Slot,
    mut take: impl FnMut(&mut Walk<'_, F, L>, &SeenRow, Name),
) {
    let mut after: Option<Name> = None;
    loop {
        let rows = walk.ask(walk.last.seen_children(slot, after.as_ref(), ROWS_PAGE));
        let done = rows.len() < ROWS_PAGE;
        after = rows.last().and_then(|row| row.name.clone());
        for row in &rows {
            if let Some(name) = row.name.clone() {
                take(walk, row, name);
            }
        }
        if done || walk.is_over() {
            return;
        }
    }
}
