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
/// What the names of files begin with whose rename into the root is tried before a state directory
/// is chosen; [`PROBE_DIGITS`] of hex follow.
pub const PROBE_PREFIX: &[u8] = b".syncline-probe-";
/// See [`PROBE_PREFIX`].
pub const PROBE_DIGITS: usize = 16;

/// What is left out of one folder.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    nested: BTreeSet<RelPath>,
    made: BTreeSet<&'static [u8]>,
}

impl Ignore {
    /// `nested` are the roots of other folders inside this one.
    pub fn new(nested: BTreeSet<RelPath>) -> Ignore {
        Ignore { nested, made: BTreeSet::new() }
    }

    /// What stands under this name in the root was made by us.
    pub fn made(&mut self, name: &'static [u8]) {
        self.made.insert(name);
    }

    /// Whether it is a name of ours (they stand directly in the root) or lies inside one: skipped.
    pub fn is_own(&self, path: &RelPath) -> bool {
        let Some(first) = path.names().first().map(engine::path::Name::as_bytes) else {
            return false;
        };
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_probe = |rest: &[u8]| rest.len() == PROBE_DIGITS && rest.iter().all(is_digit);
        [STATE_NAME, MARKER_NAME].contains(&first)
            || first.strip_prefix(PROBE_PREFIX).is_some_and(is_probe)
    }

    /// What to say of something that stands at a name of ours and was not made by us.
    pub fn reserved(&self, path: &RelPath) -> Option<&'static str> {
        let [name] = path.names() else { return None };
        (self.is_own(path) && !self.made.contains(name.as_bytes())).then_some(RESERVED)
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

/// What people are told of their own file at a name of ours.
const RESERVED: &str = "this name, at the top of a folder, is one that syncline uses itself: left \
    out with all that is below; rename it to have it synchronised, or remove it";

/// What people are told of a mount point inside a folder.
pub const MOUNT_POINT: &str = "a mount point: left out with all that is below";

#[cfg(test)]
mod tests;
