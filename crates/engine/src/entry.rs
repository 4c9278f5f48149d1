//! An entry: one file, directory or symlink as all nodes know it.
//!
//! It is found by its id, never by its path, so a directory moves as one record whatever is inside.
//! Location, content and attributes are separate registers: a chmod never fights an edit. A delete
//! is a location too. Not what is on any disk: that is `index::SeenRow`.

use crate::content::Content;
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::path::Name;
use crate::proof::{broken, reached, Mutant};
use crate::register::{Register, Version};
use crate::wire;
use std::collections::BTreeMap;
use std::fmt;

/// Names an entry for ever, on every node: derived from where it was first made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 16]);

/// The root directory's id, the same in every folder of every cluster.
pub const ROOT: EntryId = EntryId([0; 16]);

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl EntryId {
    /// The id of the body that a file becomes the first name of: equal on all nodes, so that two
    /// who give one version of it more names without talking mean one file. `origin` is who first
    /// wrote that.
    pub fn derive_body(of: EntryId, origin: Dot) -> EntryId {
        let name = Name::new(b"body").expect("a literal name");
        // Nothing lies in a file, so no place gives this id.
        EntryId::derive(of, Kind::File, &name, Some(origin))
    }

    /// The id of what is first made as `name` in `parent`: equal on all nodes, so that trees that
    /// were copied in advance meet without talking. `again` is the dot of the creation where that
    /// id already belongs to a live entry that was moved away.
    pub fn derive(parent: EntryId, kind: Kind, name: &Name, again: Option<Dot>) -> EntryId {
        let mut hasher = blake3::Hasher::new_derive_key("syncline entry id v1");
        hasher.update(&parent.0);
        hasher.update(&[kind as u8]);
        let bytes = name.as_bytes();
        let length = u16::try_from(bytes.len()).expect("a name is at most 255 bytes");
        hasher.update(&length.to_le_bytes());
        hasher.update(bytes);
        if let Some(dot) = again {
            hasher.update(&dot.incarnation.0);
            hasher.update(&dot.counter.to_le_bytes());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        EntryId(id)
    }

    /// The id of the file that a loser of `of` becomes beside the winner: equal on all nodes.
    pub fn of_copy(of: EntryId, content: &Content) -> EntryId {
        let mut hasher = blake3::Hasher::new_derive_key("syncline conflict copy id v1");
        hasher.update(&of.0);
        match content {
            Content::File(digest, _) => hasher.update(&digest.0),
            Content::Link(target) => hasher.update(blake3::hash(target).as_bytes()),
        };
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        EntryId(id)
    }
}

/// What kind of thing an entry is, for ever; a type change is another entry at the same name.
/// Ordered by who keeps a name that several claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// A directory.
    Dir = 1,
    /// A regular file.
    File = 2,
    /// A symbolic link.
    Symlink = 3,
}

/// A hybrid logical clock: 48 bits of unix milliseconds, 16 bits of counter. A label that settles
/// which of two concurrent values is shown; it never decides what happened before what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Hlc(pub u64);

/// A remote clock further ahead than this is stored but does not move ours, in milliseconds.
pub const HLC_SKEW_MS_MAX: u64 = 5 * 60 * 1000;

impl Hlc {
    /// The first instant of a unix millisecond.
    pub fn from_unix_ms(ms: u64) -> Hlc {
        Hlc(ms.min((1 << 48) - 1) << 16)
    }

    /// The unix millisecond.
    pub fn unix_ms(self) -> u64 {
        self.0 >> 16
    }

    /// The next reading after `self`, not before the wall clock.
    pub fn next(self, wall_ms: u64) -> Hlc {
        Hlc((self.0.saturating_add(1)).max(Hlc::from_unix_ms(wall_ms).0))
    }

    /// What our clock becomes when it meets `remote`: clocks far ahead do not pull us along.
    pub fn met(self, remote: Hlc, wall_ms: u64) -> Hlc {
        let is_far_ahead = remote.unix_ms() > wall_ms.saturating_add(HLC_SKEW_MS_MAX);
        if is_far_ahead && !broken(Mutant::FarClockFollowed) {
            reached("a clock far ahead is not followed");
            return self;
        }
        self.max(remote)
    }
}

/// How a value came to be; the weaker never beats the stronger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Rank {
    /// Found in place by a joining or rebuilt node: its time is its mtime.
    Import = 0,
    /// Written while this node was a member.
    Write = 1,
    /// Content written by a node that is to win (decisions A17).
    Preferred = 2,
}

/// The total order among concurrent values: rank, then clock, then dot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    /// Import or write.
    pub rank: Rank,
    /// When, by the author's clock.
    pub hlc: Hlc,
    /// Who, the tie-break: the operation that first gave this value.
    pub dot: Dot,
}

/// Where an entry is, or was when it was deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The directory.
    pub parent: EntryId,
    /// The name in it.
    pub name: Name,
    /// When it was put there; a re-assertion by an edit keeps the old stamp and beats no real move.
    pub stamp: Stamp,
    /// Present, or deleted from there.
    pub state: Presence,
}

/// Whether a location says "here" or "gone from here".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is here; before its last move it was at this parent and name.
    At(Option<(EntryId, Name)>),
    /// It was deleted from here.
    Deleted(Sight),
}

/// How a deletion was noticed; holds weigh it (decisions A7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// The kernel told of it.
    Live,
    /// A scan missed it.
    Inferred,
}

/// One content a file or symlink was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    /// The bytes or the target; of one name of several, what all of them held when it was written.
    pub content: Content,
    /// The file that this is a name of, one of several: what they hold, and how, stands there.
    pub body: Option<EntryId>,
    /// Its place in the total order; `stamp.dot` is the operation that first wrote these bytes.
    pub stamp: Stamp,
    /// First writers of what this write replaced, and of what that had replaced: such a sibling (a
    /// concurrent move takes its content along) is no conflict. Latest first, at most
    /// [`DATA_BASE_MAX`].
    pub base: Vec<Dot>,
}

/// Most origins that one write names as replaced.
pub const DATA_BASE_MAX: usize = 16;

/// A point in time as filesystems keep it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Timestamp {
    /// Seconds since 1970, negative before.
    pub seconds: i64,
    /// Nanoseconds, under 1,000,000,000.
    pub nanos: u32,
}

impl Timestamp {
    /// Whole milliseconds since 1970, 0 before.
    pub fn unix_ms(self) -> u64 {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(u64::from(self.nanos / 1_000_000))
    }
}

/// Numeric owner and group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Extended attributes as raw bytes, by full name (`user.x`, `system.posix_acl_access`).
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// All names and values of one entry's extended attributes together, in bytes.
pub const XATTR_BYTES_MAX: usize = 64 * 1024;

/// The longest symlink target, in bytes (PATH_MAX less its NUL).
pub const LINK_BYTES_MAX: usize = 4095;

/// A value settled by its stamp alone: attributes never make a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped<T> {
    /// Its place in the total order.
    pub stamp: Stamp,
    /// The value.
    pub value: T,
}

/// A register of a newer program: kept, joined and passed on as bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opaque;

/// One file, directory or symlink: what every node must come to hold alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name for ever.
    pub id: EntryId,
    /// Its kind for ever.
    pub kind: Kind,
    /// Where it is; empty only for the root.
    pub loc: Register<Location>,
    /// What is in it; empty for directories and tombstones.
    pub data: Register<Data>,
    /// When its content last changed.
    pub times: Register<Stamped<Timestamp>>,
    /// The twelve permission bits.
    pub mode: Register<Stamped<u16>>,
    /// Owner and group.
    pub owner: Register<Stamped<Owner>>,
    /// Extended attributes.
    pub xattr: Register<Stamped<Xattrs>>,
    /// Registers of newer programs by their field number on the wire.
    pub other: BTreeMap<u32, Register<Opaque>>,
}

impl Entry {
    /// An entry nobody has written to yet.
    pub fn new(id: EntryId, kind: Kind) -> Entry {
        Entry {
            id,
            kind,
            loc: Register::default(),
            data: Register::default(),
            times: Register::default(),
            mode: Register::default(),
            owner: Register::default(),
            xattr: Register::default(),
            other: BTreeMap::new(),
        }
    }

    /// Every dot in any register, ascending and once.
    pub fn dots(&self) -> Vec<Dot> {
        let mut dots: Vec<Dot> = self.loc.dots().chain(self.data.dots()).collect();
        dots.extend(self.times.dots().chain(self.mode.dots()).chain(self.owner.dots()));
        dots.extend(self.xattr.dots());
        dots.extend(self.other.values().flat_map(Register::dots));
        dots.sort_unstable();
        dots.dedup();
        dots
    }

    /// Every value in any register: its dot, and its bytes as they were minted.
    pub fn minted(&self) -> Vec<(Dot, &[u8])> {
        fn of<T: Clone>(register: &Register<T>) -> impl Iterator<Item = (Dot, &[u8])> {
            register.versions().iter().map(|version| (version.dot, &*version.minted))
        }
        let mut all: Vec<_> = of(&self.loc).chain(of(&self.data)).collect();
        all.extend(of(&self.times).chain(of(&self.mode)).chain(of(&self.owner)));
        all.extend(of(&self.xattr).chain(self.other.values().flat_map(of)));
        all
    }

    /// Notes in all that an operation of this turn has written here which other entries it wrote.
    pub fn note_others(&mut self, dot: Dot, others: &[EntryId]) {
        let amended = |minted: &[u8]| wire::with_others(minted, others);
        self.loc.amend(dot, &amended);
        self.data.amend(dot, &amended);
        self.times.amend(dot, &amended);
        self.mode.amend(dot, &amended);
        self.owner.amend(dot, &amended);
        self.xattr.amend(dot, &amended);
    }

    /// The bodies that any version of its content is a name of, ascending and once.
    pub fn bodies(&self) -> Vec<EntryId> {
        let versions = self.data.versions().iter();
        let mut bodies: Vec<EntryId> = versions.filter_map(|version| version.value.body).collect();
        bodies.sort_unstable();
        bodies.dedup();
        bodies
    }

    /// What says that it is one name of several where no place is said of it, not even one where it
    /// was: none, in all that honest nodes hold.
    pub fn lost_names(&self) -> Vec<Dot> {
        let is_lost = |version: &&Version<Data>| {
            version.value.body.is_some() && (self.kind != Kind::File || self.loc.is_empty())
        };
        self.data.versions().iter().filter(is_lost).map(|version| version.dot).collect()
    }

    /// Extended attributes that others were written over: no node shows them.
    pub fn lost_xattrs(&self) -> Vec<Dot> {
        let newest = self.xattr.versions().iter().max_by_key(|version| version.value.stamp);
        let newest = newest.map(|version| version.dot);
        self.xattr.dots().filter(|dot| Some(*dot) != newest).collect()
    }

    /// The operations that deleted it, as far as is remembered.
    pub fn ends(&self) -> impl Iterator<Item = Dot> + '_ {
        let versions = self.loc.versions().iter();
        let ends = versions.filter(|version| matches!(version.value.state, Presence::Deleted(_)));
        ends.map(|version| version.dot)
    }

    /// Whether nothing is written in any register.
    pub fn is_blank(&self) -> bool {
        self.dots().is_empty()
    }

    /// Whether it has neither a place nor a content: attributes at most, of what was forgotten.
    pub fn is_hollow(&self) -> bool {
        self.loc.is_empty() && self.data.is_empty()
    }

    /// Joins another node's whole entry; see [`Register::join`]. Returns whether anything changed.
    pub fn join(&mut self, mine: &Knowledge, theirs: &Entry, known: &Knowledge) -> bool {
        assert!(self.id == theirs.id && self.kind == theirs.kind, "one id has one kind for ever");
        let mut changed = self.loc.join(mine, &theirs.loc, known);
        changed |= self.data.join(mine, &theirs.data, known);
        changed |= self.times.join(mine, &theirs.times, known);
        changed |= self.mode.join(mine, &theirs.mode, known);
        changed |= self.owner.join(mine, &theirs.owner, known);
        changed |= self.xattr.join(mine, &theirs.xattr, known);
        let empty = Register::default();
        for number in theirs.other.keys() {
            self.other.entry(*number).or_default();
        }
        for (number, register) in &mut self.other {
            changed |= register.join(mine, theirs.other.get(number).unwrap_or(&empty), known);
        }
        let drops = broken(Mutant::UnknownDropped);
        self.other.retain(|_, register| !register.is_empty() && !drops);
        changed
    }
}

/// A life of a node in a folder, and whose life it is: signed by that node's key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncarnationRecord {
    /// The life.
    pub incarnation: Incarnation,
    /// Whose.
    pub node: NodeId,
    /// The node's ed25519 signature over the folder's id and the incarnation.
    pub signature: Vec<u8>,
}

#[cfg(test)]
mod tests;
