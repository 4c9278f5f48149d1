//! What is to be done on the disk: operations that carry what they expect to find.

use crate::content::{Content, Digest};
use crate::entry::Kind;
use crate::index::{Attributes, Fingerprint, Handle, SeenRow};
use crate::observe::Present;
use crate::path::{Name, RelPath};

/// Numbers an operation while it is under way; not persistent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct OpId(pub u64);

/// One name in one directory that is expected to be a certain inode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The directory's path from the root, as last seen.
    pub dir: RelPath,
    /// The directory's inode: if another is found there, nothing is done.
    pub dir_handle: Handle,
    /// The name in it.
    pub name: Name,
}

impl Place {
    /// The whole path.
    pub fn path(&self) -> RelPath {
        self.dir.join(self.name.clone())
    }
}

/// What must be at a place for the operation to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Nothing.
    Nothing,
    /// Exactly this; directories are recognised by their handle alone.
    Exactly {
        /// Its kind.
        kind: Kind,
        /// Its fingerprint; with `soft`, its content is read again before it is certified.
        fingerprint: Fingerprint,
        /// Its content as last seen.
        content: Option<Content>,
        /// The fingerprint alone proves nothing.
        soft: bool,
    },
}

impl Expected {
    /// Whether a row of D is of the inode that is expected.
    pub fn is_of(&self, row: &SeenRow) -> bool {
        match self {
            Expected::Nothing => false,
            Expected::Exactly { fingerprint, .. } => fingerprint.handle == row.fingerprint.handle,
        }
    }
}

/// Where a certified displaced file goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retire {
    /// Replaced or deleted with its author's knowledge: into the trash.
    Trash,
    /// It lost a conflict: into the conflict store, by its digest.
    Keep,
}

/// One step on the disk. `disk::apply` does it or says why not; it never destroys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Makes a directory where nothing is.
    MakeDir {
        /// Where.
        at: Place,
        /// With which attributes.
        attributes: Attributes,
    },
    /// Puts staged content (a file by its digest, or a symlink) at a place.
    Install {
        /// Where.
        at: Place,
        /// What is there now.
        expected: Expected,
        /// What is to be there.
        content: Content,
        /// With which attributes.
        attributes: Attributes,
        /// Where what was there goes.
        retire: Retire,
    },
    /// Puts one more name of a file at a place.
    Link {
        /// Where.
        at: Place,
        /// What is there now.
        expected: Expected,
        /// Where the file is.
        of: Place,
        /// What is there: the very inode, with its content as last seen.
        file: Expected,
        /// Where what was there goes.
        retire: Retire,
    },
    /// Sets attributes; content and inode stay.
    SetAttributes {
        /// Where; `None` is the root directory.
        at: Option<Place>,
        /// What is there now.
        expected: Expected,
        /// What they are to be.
        attributes: Attributes,
    },
    /// Renames to a name that is free.
    Move {
        /// From where.
        from: Place,
        /// What is there.
        expected: Expected,
        /// To where.
        to: Place,
    },
    /// Swaps two names.
    Exchange {
        /// One.
        a: Place,
        /// What is there.
        a_expected: Expected,
        /// The other.
        b: Place,
        /// What is there.
        b_expected: Expected,
    },
    /// Removes: files and symlinks into the trash or conflict store, directories only when empty.
    Remove {
        /// Where.
        at: Place,
        /// What is there.
        expected: Expected,
        /// Where it goes.
        retire: Retire,
    },
    /// Moves staged content into the conflict store.
    Keep {
        /// Which.
        digest: Digest,
    },
    /// Moves content that no conflict needs any longer from the conflict store to the trash.
    Release {
        /// Which.
        digest: Digest,
        /// The file that it was a version of, for whoever looks for it in the trash.
        of: RelPath,
    },
}

impl Act {
    /// Which content it brings into the conflict store.
    pub fn keeps(&self) -> Option<Digest> {
        match self {
            Act::Keep { digest } => Some(*digest),
            Act::Install { expected, retire: Retire::Keep, .. }
            | Act::Link { expected, retire: Retire::Keep, .. }
            | Act::Remove { expected, retire: Retire::Keep, .. } => match expected {
                Expected::Exactly { content, .. } => content.as_ref()?.digest(),
                Expected::Nothing => None,
            },
            _ => None,
        }
    }

    /// The paths that it works on.
    pub fn paths(&self) -> Vec<RelPath> {
        match self {
            Act::MakeDir { at, .. } | Act::Install { at, .. } | Act::Remove { at, .. } => {
                vec![at.path()]
            }
            Act::SetAttributes { at, .. } => {
                vec![at.as_ref().map_or_else(RelPath::root, Place::path)]
            }
            Act::Link { at, of, .. } => vec![at.path(), of.path()],
            Act::Move { from, to, .. } => vec![from.path(), to.path()],
            Act::Exchange { a, b, .. } => vec![a.path(), b.path()],
            Act::Keep { .. } | Act::Release { .. } => Vec::new(),
        }
    }
}

/// An operation under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Its number.
    pub id: OpId,
    /// What to do.
    pub act: Act,
}

/// What became of an operation.
#[expect(clippy::large_enum_variant, reason = "nearly all are `Done`, and none lives long")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done. What stands there now (for an exchange: at `a`, then at `b`; nothing after a removal).
    Done {
        /// As looked at after the operation, through the held file.
        now: Vec<Present>,
        /// What the disk refused to set, where that does not stop the operation (chown without the
        /// right): the attributes that were asked for.
        refused: Option<Attributes>,
        /// User bytes that nobody had seen yet came to light under the operation; they are in the
        /// conflict store by this digest and must be published.
        displaced: Option<Present>,
    },
    /// Something else is there; nothing was changed. Look first, then plan again.
    NotAsExpected,
    /// A local program has it open for writing (named if known); nothing was changed.
    Busy(Option<String>),
    /// The staged content is not there (any more); nothing was changed.
    NotStaged,
    /// The machine refused; nothing was changed. Tried again later.
    Failed(Failure),
}

/// Why the machine refused an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What failed, on what, in words for a person.
    pub what: String,
    /// Space, quota or descriptors ran out: everything waits, not just this entry.
    pub full: bool,
}

mod bodies;
mod decide;
mod knot;

pub(crate) use bodies::{beside, unlike};
pub use decide::{decide, Step, Wait};
