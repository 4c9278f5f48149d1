//! Where on a disk a path lies; and which paths are one place, because directories were renamed.
//!
//! Used by `oracle` only.

use super::name;
use crate::node::{ROOT_NAME, STATE_NAME};
use engine::path::{Name, RelPath};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a machine's disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// The folder itself.
    Tree,
    /// What is being brought.
    Stage,
    /// What was replaced or removed.
    Trash,
    /// The conflict store.
    Kept,
    /// Anything else.
    Outside,
}

/// Where a path from the top of the disk leads to.
pub(super) fn room_of(path: &RelPath) -> Room {
    let names = path.names();
    let is = |at: usize, bytes: &[u8]| names.get(at) == Some(&name(bytes));
    match () {
        () if is(0, ROOT_NAME) => Room::Tree,
        () if !is(0, STATE_NAME) => Room::Outside,
        () if is(1, b"trash") => Room::Trash,
        () if is(1, b"kept") => Room::Kept,
        () => Room::Stage,
    }
}

/// Directories that were renamed: each name leads to one that stands for all.
#[derive(Clone, Debug, Default)]
pub(super) struct Streets(BTreeMap<RelPath, RelPath>);

/// The name without what is put before its extension where two claim it: no user writes a `~`.
fn plain(name: &Name) -> Name {
    let bytes = name.as_bytes();
    let Some(from) = bytes.iter().position(|&byte| byte == b'~') else { return name.clone() };
    let to = bytes.iter().rposition(|&byte| byte == b'.').filter(|&to| to > from);
    let rest = to.map_or(&[][..], |to| &bytes[to..]);
    Name::new(&[&bytes[..from], rest].concat()).unwrap_or_else(|_| name.clone())
}

impl Streets {
    /// The one name of a path.
    fn canon(&self, path: &RelPath) -> RelPath {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return path.clone() };
        let mut here = self.canon(&parent).join(plain(name));
        while let Some(next) = self.0.get(&here) {
            here = next.clone();
        }
        here
    }

    /// A directory has both names.
    pub(super) fn same(&mut self, one: Option<&RelPath>, other: Option<&RelPath>) {
        let (Some(one), Some(other)) = (one, other) else { return };
        let (one, other) = (self.canon(one), self.canon(other));
        // Never below itself: the way up must end.
        if one != other && !one.is_within(&other) && !other.is_within(&one) {
            let (first, second) = if one < other { (one, other) } else { (other, one) };
            self.0.insert(second, first);
        }
    }

    /// Whether some place is among both.
    pub(super) fn meet(&self, some: &BTreeSet<RelPath>, others: &BTreeSet<RelPath>) -> bool {
        let some: BTreeSet<RelPath> = some.iter().map(|path| self.canon(path)).collect();
        others.iter().any(|path| some.contains(&self.canon(path)))
    }
}
