//! What the disk shows: the observations that `disk::scan` makes and the engine classifies.

use crate::content::Content;
use crate::entry::Kind;
use crate::index::{Attributes, Fingerprint, Handle};
use crate::path::RelPath;

/// One look at one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// Where, from the folder's root.
    pub path: RelPath,
    /// What was there.
    pub found: Found,
}

/// What a look at a path showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing, and the directory it would be in was readable.
    Absent,
    /// A file, directory or symlink.
    Present(Present),
    /// A local program has the file open for writing; look again later. Names it if known.
    Busy(Option<String>),
    /// Something that is not ours: a mount point, a socket, a FIFO, a device, a nested folder.
    Foreign(String),
    /// It could not be read: why, and what it is, if that much is known. Nothing follows from that
    /// but a notice, and that what is known elsewhere has moved here.
    Unreadable(String, Option<Thing>),
}

impl Found {
    /// The inode that stands there, if that much is known.
    pub fn handle(&self) -> Option<&Handle> {
        match self {
            Found::Present(found) => Some(&found.fingerprint.handle),
            Found::Unreadable(_, what) => what.as_ref().map(|thing| &thing.fingerprint.handle),
            Found::Absent | Found::Busy(_) | Found::Foreign(_) => None,
        }
    }
}

/// What stands at a name, read or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thing {
    /// Its kind.
    pub kind: Kind,
    /// How to recognise it.
    pub fingerprint: Fingerprint,
}

/// A file, directory or symlink on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    /// Its kind.
    pub kind: Kind,
    /// How to recognise it.
    pub fingerprint: Fingerprint,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its bytes or target. `None` for directories, and for files that need no reading because no
    /// writer was there since they were last seen.
    pub content: Option<Content>,
    /// The content was read where no lease could prove that nobody was writing.
    pub soft: bool,
    /// The file has bytes and all are zero: what a power loss leaves.
    pub zeros: bool,
    /// The machine says that this file has one name: what has it elsewhere was looked at before or
    /// after it was renamed.
    pub alone: bool,
}

/// How a batch of observations came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The kernel told of a change.
    Live,
    /// A scan came by.
    Scan,
}

/// Looks made together. If a name is present whose handle was last seen elsewhere, the batch also
/// holds a look at that other place, so that a move is not taken for a creation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// How it came about.
    pub source: Source,
    /// In path order, each path once.
    pub looks: Vec<Observation>,
}

/// What a local operation did to a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Made it.
    Created,
    /// Gave it other content.
    Edited,
    /// Gave it another mode, owner, times or xattrs.
    Attributes,
    /// Gave it this place.
    Moved,
    /// Removed it.
    Removed,
}

mod classify;
mod lost;
mod mint;
mod names;
mod revive;
mod split;
mod stray;
mod verdict;

pub use classify::{classify, handles, path_of, row_at, Circumstances, Seen};
pub use lost::{take_back, Instead};
pub use mint::say_again;
pub(crate) use names::is_name_of;
pub use names::publish_beside;
pub use revive::again as revive;
pub use split::{is_free, publish_copy};
pub use stray::{publish, Published, Stray};
pub use verdict::{decree, Verdict};

#[cfg(test)]
mod tests;
