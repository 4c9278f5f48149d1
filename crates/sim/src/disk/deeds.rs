//! What was done to a disk, call by call, by the program and by others: as strace(1) would tell it.
//!
//! Paths are from the top of the disk, as they were when the call was made. Told by `model`, heard
//! by `oracle`, which draws its conclusions from nothing else.

use super::model::{Inode, Model, Spot, TOP};
use disk::fs::FileKind;
use engine::path::RelPath;
use std::sync::Arc;

/// An inode, and what it is.
pub type What = (Inode, FileKind);

/// One call that changed something.
#[allow(missing_docs, reason = "what they are is their names")]
#[derive(Clone, Debug)]
pub enum Deed {
    /// Something was made.
    Made { what: What, at: Option<RelPath>, bytes: Vec<u8> },
    /// A file got one more name.
    Linked { what: What, at: Option<RelPath> },
    /// A name was taken away; how many are left.
    Unnamed { what: What, from: Option<RelPath>, left: u32 },
    /// A rename; what it replaced, and how many names that has left; what lies below a directory.
    Renamed {
        what: What,
        from: Option<RelPath>,
        to: Option<RelPath>,
        over: Option<(What, u32)>,
        below: Vec<What>,
    },
    /// Two names were swapped: what was at the first is at the second now.
    Swapped { first: What, a: Option<RelPath>, second: What, b: Option<RelPath> },
    /// A file was opened for writing.
    Opened { inode: Inode },
    /// Its bytes are others now.
    Changed { inode: Inode, span: Span },
    /// It was closed after that; a name of it, if it has one.
    Closed { inode: Inode, bytes: Arc<Vec<u8>>, at: Option<RelPath> },
    /// Its attributes are others now.
    Dressed { inode: Inode },
}

/// Which bytes of a file were changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// So many, from here on.
    Written(usize, usize),
    /// All beyond this length, or up to it.
    Cut(usize),
}

impl Model {
    /// Notes a call.
    pub(super) fn note_deed(&mut self, deed: Deed) {
        self.deeds.push((self.ours, deed));
    }

    /// What was done since this was asked last, and whether the program did it.
    pub fn take_deeds(&mut self) -> Vec<(bool, Deed)> {
        std::mem::take(&mut self.deeds)
    }

    /// The path of a name from the top.
    pub(super) fn place(&self, spot: &Spot) -> Option<RelPath> {
        Some(self.path_below(TOP, spot.0)?.join(spot.1.clone()))
    }

    /// An inode with its kind.
    pub(super) fn what(&self, inode: Inode) -> What {
        (inode, self.thing(inode).map_or(FileKind::File, |thing| thing.kind))
    }

    /// Everything below what may be a directory.
    pub(super) fn all_below(&self, inode: Inode) -> Vec<What> {
        self.below(inode).into_iter().map(|(_, inode)| self.what(inode)).collect()
    }
}
