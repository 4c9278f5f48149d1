//! Why what is not in place is not: for whoever looks at a folder's state. Decides nothing.
//!
//! Called by the node's status, which shows the oldest few.

use super::FolderEngine;
use crate::content::Digest;
use crate::entry::EntryId;
use crate::index::Index;
use crate::limits::DEPTH_MAX;
use crate::observe;
use crate::path::RelPath;
use crate::pending::Wake;
use crate::view::{self, Shown};
use std::fmt;

/// An entry that is not in place on this disk yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Where it is to be, or where it still is if it is to go.
    pub path: RelPath,
    /// What it waits for.
    pub why: Why,
}

/// What an entry waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// Its turn.
    Turn,
    /// An operation on the disk is under way.
    Disk,
    /// Its content is on its way.
    Content(Digest),
    /// Too much is under way, or no connected member has its content.
    Room,
    /// Earlier files of the same author are still to come (decisions A19).
    Earlier,
    /// Something else must come or go first.
    Other(RelPath),
    /// What it belongs to has not been told yet.
    Arrival,
    /// Quiet: too many conflicts in a short time (decisions A17).
    Quiet,
    /// The scan after a start: a crash left open what was done.
    Scan,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Turn => f.write_str("next in turn"),
            Why::Disk => f.write_str("being written"),
            Why::Content(digest) => write!(f, "its content {digest} is on its way"),
            Why::Room => {
                f.write_str("its content cannot come yet: its turn, room here, or who has it")
            }
            Why::Earlier => f.write_str("comes after earlier files of the same node"),
            Why::Other(path) => write!(f, "comes after {path}"),
            Why::Arrival => f.write_str("its directory has not been told of yet"),
            Why::Quiet => f.write_str("waits for quiet: several write it at once, again and again"),
            Why::Scan => f.write_str("the scan after a crash must end first"),
        }
    }
}

impl FolderEngine {
    /// The oldest entries that are not in place, at most `most`.
    pub fn waiting(&self, index: &dyn Index, most: usize) -> Vec<Waiting> {
        let rows = index.pending_after(0, most);
        let waiting = rows.into_iter().map(|row| Waiting {
            path: path_of(index, row.entry),
            why: self.why(index, row.entry),
        });
        waiting.collect()
    }

    fn why(&self, index: &dyn Index, id: EntryId) -> Why {
        if !self.facts.unsure.is_empty() {
            return Why::Scan;
        }
        if self.pending.is_flying(id) {
            return Why::Disk;
        }
        if self.is_resting(id) {
            return Why::Quiet;
        }
        match self.pending.waits_for(id) {
            None => Why::Turn,
            Some(Wake::Entry(other)) => Why::Other(path_of(index, other)),
            Some(Wake::Arrival) => Why::Arrival,
            Some(Wake::Content(digest)) => Why::Content(digest),
            Some(Wake::Room | Wake::Holder) => Why::Room,
            Some(Wake::Barrier(_)) => Why::Earlier,
            Some(Wake::Landing) => Why::Disk,
        }
    }
}

/// Where the tree shows an entry; where this disk has it if the tree does not.
pub(super) fn path_of(index: &dyn Index, id: EntryId) -> RelPath {
    let (mut names, mut here) = (Vec::new(), id);
    for _ in 0..DEPTH_MAX {
        match view::place(index, here) {
            Shown::Root => {
                names.reverse();
                return RelPath::from_names(names);
            }
            Shown::At { parent, name } => {
                names.push(name);
                here = parent;
            }
            Shown::As(other) => here = other,
            Shown::Gone | Shown::Orphan => break,
        }
    }
    let row = index.seen_of(id).and_then(|row| observe::path_of(index, row.slot));
    row.unwrap_or_default()
}
