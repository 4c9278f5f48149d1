//! Which paths are not ours: our own names, other folders inside this one, other mounts, and kinds
//! of things that folders do not hold.
//!
//! Not the user's exclude patterns. Called by `scan` for every name it meets.

use crate::fs::{FileKind, Stat};
use engine::path::RelPath;
use std::collections::BTreeSet;

/// Our directory inside a root that has no better place for it.
pub const STATE_NAME: &[u8] = b".syncline";
/// The marker file of a root whose filesystem has no extended attributes.
pub const MARKER_NAME: &[u8] = b".syncline-folder";
/// The file whose rename into the root is tried before a state directory is chosen.
pub const PROBE_NAME: &[u8] = b".syncline-probe";

/// What is left out of one folder.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    nested: BTreeSet<RelPath>,
}

impl Ignore {
    /// `nested` are the roots of other folders inside this one.
    pub fn new(nested: BTreeSet<RelPath>) -> Ignore {
        Ignore { nested }
    }

    /// Whether it is a name of ours (they stand directly in the root) or lies inside one: skipped
    /// without a word.
    pub fn is_own(&self, path: &RelPath) -> bool {
        let first = path.names().first().map(engine::path::Name::as_bytes);
        [STATE_NAME, MARKER_NAME, PROBE_NAME].into_iter().any(|own| first == Some(own))
    }

    /// Why what was found at `path` is left out, if it is. `root_mount` is the root's mount id.
    pub fn foreign(&self, path: &RelPath, stat: &Stat, root_mount: u64) -> Option<&'static str> {
        if stat.mount != root_mount {
            return Some(MOUNT_POINT);
        }
        match stat.kind {
            FileKind::Fifo => Some("a named pipe: not synchronised"),
            FileKind::Socket => Some("a socket: not synchronised"),
            FileKind::Device => Some("a device: not synchronised"),
            FileKind::Dir if self.nested.contains(path) => {
                Some("the root of another folder: synchronised as that folder")
            }
            FileKind::Dir | FileKind::File | FileKind::Symlink => None,
        }
    }
}

/// What people are told of a mount point inside a folder.
pub const MOUNT_POINT: &str = "a mount point: left out with all that is below";

#[cfg(test)]
mod tests;
