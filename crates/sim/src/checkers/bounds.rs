//! C13, bounded: what a program holds never exceeds its limits, and at rest it holds nothing back.
//!
//! At rest next to nothing lies in staging, and nothing is open but a few directories. Called by
//! `checkers`.

use super::inode;
use crate::disk::model::{Model, TOP};
use crate::node::{Machine, STATE_NAME};
use engine::index::Index;
use engine::limits::{CONTEXTS_MAX, FETCHING_BYTES_MAX, FETCHING_FILES_MAX};
use engine::path::Name;

/// Contents that may lie in staging though nobody waits for them: one that comes just when the last
/// was told to be missing is only cleared away with the next.
const STAGED_MAX: usize = 2;
/// Handles that a program may hold while it has nothing to do: its root, its rooms.
const IDLE_HANDLES_MAX: u32 = 16;

/// Holds at every moment.
pub fn always(node: usize, machine: &Machine) {
    let Some(program) = &machine.program else { return };
    let (files, bytes) = program.engine.fetching();
    let is_bounded = files <= FETCHING_FILES_MAX && (files == 1 || bytes <= FETCHING_BYTES_MAX);
    assert!(is_bounded, "C13: {node} has asked for {files} files of {bytes} bytes");
    let contexts = machine.index.contexts().len();
    assert!(contexts <= CONTEXTS_MAX, "C13: {node} keeps {contexts} contexts");
}

/// Holds when nothing is to be done any more. What could not be given back, because the disk
/// `refuses` calls, stays in staging until the next start.
pub fn at_rest(node: usize, machine: &Machine, refuses: bool) {
    machine.disk.with(|model| {
        let staged = inode(model, &[STATE_NAME, b"stage"]).map(|dir| model.below(dir));
        let names = staged.into_iter().flatten().map(|((_, name), _)| name);
        let left: Vec<Name> = names.filter(|name| !is_furniture(name)).collect();
        assert!(
            refuses || left.len() <= STAGED_MAX,
            "C13: {node} has things left in staging: {left:?}"
        );
        let open = open_handles(model);
        assert!(open <= IDLE_HANDLES_MAX, "C13: {node} holds {open} handles at rest");
    });
}

/// What attributes are tried out on, and what tells backup programs to pass this by: they stay.
/// What was prepared and could not be given back, because the disk failed, stays until the next
/// start.
fn is_furniture(name: &Name) -> bool {
    let prefixes: [&[u8]; 2] = [b"scratch-", b"dressed-"];
    let bytes = name.as_bytes();
    prefixes.iter().any(|prefix| bytes.starts_with(prefix)) || bytes == b"CACHEDIR.TAG"
}

fn open_handles(model: &Model) -> u32 {
    let all = model.below(TOP).into_iter().map(|(_, inode)| inode).chain([TOP]);
    all.filter_map(|inode| model.thing(inode).ok()).map(|thing| thing.opens).sum()
}
