//! What an event tells, in the folder's own terms.
//!
//! Not an observation: nothing here was looked at. Made by the rungs, used by `settle`.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use engine::index::Handle;
use engine::path::{Name, RelPath};

/// Where to look next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hint {
    /// This name in this directory may have changed, appeared or gone.
    Name {
        /// The directory as it is called now, from the folder's root.
        dir: RelPath,
        /// The name in it.
        name: Name,
        /// What the kernel said happened, as far as it said.
        what: Touched,
    },
    /// This file was written or given attributes through this name, which has just been hinted. It
    /// may have others, and that one may be gone by the time anybody looks.
    Inode {
        /// From the folder's root.
        path: RelPath,
        /// Which file.
        handle: Handle,
    },
    /// The root directory's own attributes may have changed (it has no name inside itself).
    Root(Touched),
    /// Anything in this directory or below may have changed.
    Tree(RelPath),
    /// Events are missing: anything may have changed.
    Lost,
    /// The cookie of this number was created; everything before it has been hinted.
    Cookie(u64),
}

/// A set of things that happened to a name; their order is unknown (the kernel merges events).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Touched(u8);

impl Touched {
    /// A writer closed it: it may be at rest now.
    pub const CLOSED: Touched = Touched(1);
    /// Mode, owner, times, xattrs or link count.
    pub const ATTRIBUTES: Touched = Touched(1 << 1);
    /// The name appeared: created or linked.
    pub const CREATED: Touched = Touched(1 << 2);
    /// The name was removed, seen live.
    pub const DELETED: Touched = Touched(1 << 3);
    /// It was renamed away from here (or exchanged).
    pub const MOVED_FROM: Touched = Touched(1 << 4);
    /// It was renamed to here (or exchanged).
    pub const MOVED_TO: Touched = Touched(1 << 5);
    /// The thing that was touched is a directory.
    pub const DIRECTORY: Touched = Touched(1 << 6);
    /// Created, and no close seen with it: a writer may still have it open.
    pub const MAYBE_OPEN: Touched = Touched(1 << 7);

    const NAMES: [(Touched, &'static str); 8] = [
        (Touched::CLOSED, "closed"),
        (Touched::ATTRIBUTES, "attributes"),
        (Touched::CREATED, "created"),
        (Touched::DELETED, "deleted"),
        (Touched::MOVED_FROM, "moved-from"),
        (Touched::MOVED_TO, "moved-to"),
        (Touched::DIRECTORY, "directory"),
        (Touched::MAYBE_OPEN, "maybe-open"),
    ];

    /// Nothing known.
    pub fn empty() -> Touched {
        Touched(0)
    }

    /// Whether all of `other` is in this set.
    pub fn contains(self, other: Touched) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in this set.
    pub fn intersects(self, other: Touched) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Touched {
    type Output = Touched;
    fn bitor(self, other: Touched) -> Touched {
        Touched(self.0 | other.0)
    }
}

/// Later events of one name add up; a close ends the doubt that a creation left.
impl BitOrAssign for Touched {
    fn bitor_assign(&mut self, other: Touched) {
        self.0 |= other.0;
        if other.contains(Touched::CLOSED) {
            self.0 &= !Touched::MAYBE_OPEN.0;
        }
    }
}

impl fmt::Debug for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = Touched::NAMES.iter().filter(|(bit, _)| self.contains(*bit));
        f.write_str(&set.map(|(_, name)| *name).collect::<Vec<_>>().join("|"))
    }
}

/// The number in `cookie-<decimal u64>`; `None` for any other name.
pub(super) fn cookie_number(name: &[u8]) -> Option<u64> {
    let digits = name.strip_prefix(b"cookie-")?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
