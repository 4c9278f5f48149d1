//! What a node remembers of one folder: the replicated entries (S), what it has seen (K), and what
//! it last saw on its own disk (D).
//!
//! A synchronous trait, because it may be larger than memory: `disk::store` keeps it in SQLite,
//! [`MemIndex`] in memory for tests, the simulator and as the oracle of the other. All writes go
//! into one open transaction; [`Index::commit`] makes them durable together. Nothing here decides:
//! what is derived from an entry (`settled`, `live_children`, `conflicted`) is computed by `view`
//! and handed in.
//!
//! Reads and writes do not return errors. A store that fails remembers its first error, answers
//! anything, and refuses the commit with it: no effect of such a turn is ever released, and the
//! folder stops.

use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{Entry, EntryId, Hlc, IncarnationRecord, Kind, Owner, Timestamp, Xattrs};
use crate::path::{Name, RelPath};
use std::fmt;

mod mem;

pub use mem::MemIndex;

/// One entry of S with what is derived from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// What is replicated.
    pub entry: Entry,
    /// Where its registers put it, alone, before names and cycles are settled; `None` for the root
    /// and for entries without a location.
    pub settled: Option<Settled>,
    /// For a directory: how many entries settled in it are alive.
    pub live_children: u32,
    /// Whether content siblings wait in the conflict store.
    pub conflicted: bool,
    /// Knowledge beyond ours that this entry already reflects: a key of [`Index::contexts`].
    pub context: Option<u64>,
}

/// The place an entry's location register settles on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// The directory.
    pub parent: EntryId,
    /// The name in it.
    pub name: Name,
    /// Whether it is present there, or deleted and still needed by a live child.
    pub alive: bool,
}

/// A row of D, numbered as it was first seen; stays with its directory through renames.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Slot(pub u64);

/// The folder's root directory.
pub const ROOT_SLOT: Slot = Slot(1);

/// Identifies an inode and its generation on one filesystem: never reused, unlike inode numbers.
/// Opaque bytes made by `disk` (name_to_handle_at, or inode number and birth time).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub Box<[u8]>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What tells without reading that a file is the one last seen, unchanged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// Which inode.
    pub handle: Handle,
    /// Length in bytes; 0 for directories.
    pub size: u64,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of anything; cannot be set back by programs.
    pub ctime: Timestamp,
}

/// The attributes of one thing on a disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// Last change of content, nanoseconds.
    pub mtime: Timestamp,
    /// The twelve permission bits; 0o777 for symlinks.
    pub mode: u16,
    /// Owner and group.
    pub owner: Owner,
    /// Extended attributes that are synchronised.
    pub xattrs: Xattrs,
}

/// Which versions of an entry this disk has shown: what a local operation supersedes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeenDots {
    /// Of the location.
    pub loc: Vec<Dot>,
    /// Of the content: the one shown and every sibling then in the conflict store.
    pub data: Vec<Dot>,
    /// Of the content: those with the bytes that the file shows.
    pub shown: Vec<Dot>,
    /// Of the modification time.
    pub times: Vec<Dot>,
    /// Of the permission bits.
    pub mode: Vec<Dot>,
    /// Of owner and group.
    pub owner: Vec<Dot>,
    /// Of extended attributes.
    pub xattr: Vec<Dot>,
    /// The file that the thing is one name of. All attributes above are of it then; `data` and
    /// `shown` are of the name.
    pub body: Option<BodyDots>,
}

impl SeenDots {
    /// As these of one name, and of the file itself what another name of it has shown.
    pub fn as_name_beside(&self, other: &SeenDots) -> SeenDots {
        let SeenDots { loc, data, shown, .. } = self.clone();
        SeenDots { loc, data, shown, ..other.clone() }
    }
}

/// Which versions of a body's content a disk has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyDots {
    /// The body.
    pub id: EntryId,
    /// As [`SeenDots::data`].
    pub data: Vec<Dot>,
    /// As [`SeenDots::shown`].
    pub shown: Vec<Dot>,
}

/// A row of D: one thing on this disk as last seen, and which versions of which entry it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenRow {
    /// Its number.
    pub slot: Slot,
    /// The directory it lies in; the root lies in itself.
    pub parent: Slot,
    /// Its name there; the root's is meaningless and `None`.
    pub name: Option<Name>,
    /// The entry it shows.
    pub entry: EntryId,
    /// Its kind.
    pub kind: Kind,
    /// How to recognise it.
    pub fingerprint: Fingerprint,
    /// Its bytes or target; `None` for directories.
    pub content: Option<Content>,
    /// Its attributes as they are on the disk.
    pub attributes: Attributes,
    /// What was asked of the disk and refused (an unprivileged chown): not tried again, not echoed.
    pub refused: Option<Attributes>,
    /// Which versions it shows.
    pub dots: SeenDots,
    /// The fingerprint proves nothing: the content was read while a writer might have been at it.
    pub soft: bool,
    /// Not yet known to be durable: a power loss may undo it.
    pub volatile: Option<Volatile>,
}

impl SeenRow {
    /// Whether a power loss may have undone it, and no look has told yet.
    pub fn is_unjudged(&self) -> bool {
        self.volatile.as_ref().is_some_and(|volatile| volatile.epoch == UNJUDGED)
    }

    /// Whether a power loss has undone it, and what was announced is to come back.
    pub fn is_undone(&self) -> bool {
        self.volatile.as_ref().is_some_and(|volatile| volatile.epoch == UNDONE)
    }
}

/// A change of D that a power loss may undo (decisions A3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volatile {
    /// Durable once a sync numbered at least this has returned.
    pub epoch: u64,
    /// What was there before, if anything.
    pub previous: Option<Content>,
}

impl Volatile {
    /// After one more change, of a row with this content: durable with the later of the two. What
    /// an earlier run left volatile stays so, for it was not looked at yet.
    pub fn renewed(old: Option<Volatile>, epoch: u64, content: Option<&Content>) -> Volatile {
        match old {
            Some(old) if old.epoch <= FORMER => old,
            Some(old) => Volatile { epoch: old.epoch.max(epoch), ..old },
            None => Volatile { epoch, previous: content.cloned() },
        }
    }

    /// After a look at it.
    pub fn judged(old: Volatile, epoch: u64) -> Volatile {
        let epoch = if [OPEN, UNJUDGED].contains(&old.epoch) { epoch } else { old.epoch };
        Volatile { epoch, ..old }
    }
}

/// The epoch of rows that were volatile when the program last ended. No change of this run has it.
pub const FORMER: u64 = 1;

/// The epoch of a row of what could not be looked at after a power loss, for a program has it open,
/// or it, or its directory, could not be read: no sync makes it durable, and it is held against
/// what it was when that is over.
pub const UNJUDGED: u64 = UNDONE - 1;

/// The epoch of a row of a file that a program has open for writing: what it writes may be on the
/// disk before the times that tell of it. No sync changes that before the file was looked at again.
pub const OPEN: u64 = UNJUDGED - 1;

/// The epoch of a row that a power loss has undone: no sync makes that good, and what was there
/// before is remembered until the announced version is back.
pub const UNDONE: u64 = i64::MAX.unsigned_abs();

/// An entry whose place in S is not yet what this disk shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingRow {
    /// The entry.
    pub entry: EntryId,
    /// Arrival order, ascending; kept while the entry stays pending.
    pub order: u64,
    /// The operation that creates it here, if that is what is pending.
    pub create: Option<Dot>,
    /// Every operation that arrived for it since it was last in place, superseded ones too: the
    /// lowest counter of each incarnation.
    pub touched: Vec<Dot>,
    /// What an operation under way is putting there: written down before it begins, so that after a
    /// crash its result is not taken for somebody's edit.
    pub intent: Option<Intent>,
}

/// What a place will hold once the operation on it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The entry of the directory that the place is in.
    pub parent: EntryId,
    /// Its name there.
    pub name: Name,
    /// The content; `None` for a directory.
    pub content: Option<Content>,
    /// The versions that the disk then shows.
    pub dots: SeenDots,
}

/// How far a folder's first meeting with its cluster has come (decisions A2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Others hold this folder and nothing of theirs has arrived: nothing is minted.
    Joining,
    /// The first scan is running: what it finds is an import.
    Importing,
    /// A member: what users do are writes.
    Member,
}

/// The few facts about the folder here that are not entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Our present life in this folder.
    pub incarnation: Incarnation,
    /// The last counter minted by it.
    pub counter: u64,
    /// Our clock.
    pub hlc: Hlc,
    /// The last slot given out.
    pub last_slot: u64,
    /// The last context id given out.
    pub last_context: u64,
    /// The last pending order given out.
    pub last_order: u64,
    /// How far joining has come.
    pub phase: Phase,
    /// The machine boot this index was last open in.
    pub boot: [u8; 16],
    /// Unix milliseconds of the last orderly stop; `None` while running or after a crash.
    pub clean_stop_ms: Option<u64>,
    /// The last sync of the folder's filesystem that is known to be done; over all runs.
    pub synced: u64,
    /// What was changed on this disk until then had been seen before that sync, in unix
    /// milliseconds.
    pub synced_ms: u64,
    /// Another machine lives, or lived, under this node's identity: what that wrote is not here.
    pub has_twin: bool,
    /// The power went while rows were volatile, and what it left has not been looked at in full:
    /// by this run or by those before it.
    pub shaken: bool,
}

impl Meta {
    /// A folder that starts a new life; `phase` is [`Phase::Importing`] where no other node holds
    /// it.
    pub fn new(incarnation: Incarnation, phase: Phase, boot: [u8; 16]) -> Meta {
        Meta {
            incarnation,
            counter: 0,
            hlc: Hlc::default(),
            last_slot: ROOT_SLOT.0,
            last_context: 0,
            last_order: 0,
            phase,
            boot,
            clean_stop_ms: None,
            synced: 0,
            synced_ms: 0,
            has_twin: false,
            shaken: false,
        }
    }
}

/// How far another node that holds the folder is, as far as this one knows: what says when all have
/// seen a deletion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Who.
    pub node: NodeId,
    /// What it has seen; all of it this node has seen, too.
    pub knowledge: Knowledge,
    /// When it was last heard of, by this node's wall clock, unix milliseconds.
    pub heard_ms: u64,
}

/// Why the store could not do its work; nothing of the open transaction is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexError {
    /// What failed, on which file, in the store's words.
    pub what: String,
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index: {}; nothing of this step was kept", self.what)
    }
}

impl std::error::Error for IndexError {}

/// See the module's head. Lists come in the order of their key, at most `max` of them.
pub trait Index {
    /// Makes everything written since the last commit durable, or nothing of it.
    fn commit(&mut self) -> Result<(), IndexError>;

    /// The folder's facts.
    fn meta(&self) -> Meta;
    /// Replaces the folder's facts.
    fn set_meta(&mut self, meta: &Meta);

    /// K.
    fn knowledge(&self) -> Knowledge;
    /// Replaces K.
    fn set_knowledge(&mut self, knowledge: &Knowledge);
    /// Knowledge beyond K that single entries reflect, by number.
    fn contexts(&self) -> Vec<(u64, Knowledge)>;
    /// Adds or replaces a context.
    fn put_context(&mut self, id: u64, knowledge: &Knowledge);
    /// Forgets a context: rows that still name it are within K.
    fn remove_context(&mut self, id: u64);
    /// F: of each incarnation, the highest counter of a deletion that is no longer in S. Who has
    /// not seen all of it may hold what was deleted, and compares everything.
    fn frontier(&self) -> Knowledge;
    /// Replaces F.
    fn set_frontier(&mut self, frontier: &Knowledge);
    /// How far others are, by node.
    fn standings(&self) -> Vec<Standing>;
    /// How far one is.
    fn standing(&self, node: NodeId) -> Option<Standing>;
    /// Adds or replaces one.
    fn put_standing(&mut self, standing: &Standing);
    /// Whose lives are known.
    fn incarnations(&self) -> Vec<IncarnationRecord>;
    /// Adds or replaces one.
    fn put_incarnation(&mut self, record: &IncarnationRecord);
    /// What was found before this node was a member and has not been readable since, by path. What
    /// was last changed until then, in unix milliseconds, is of that time.
    fn unread(&self) -> Vec<(RelPath, u64)>;
    /// Adds or replaces one.
    fn put_unread(&mut self, path: &RelPath, until_ms: u64);
    /// It was read, or is gone.
    fn remove_unread(&mut self, path: &RelPath);

    /// One entry of S.
    fn entry(&self, id: EntryId) -> Option<Stored>;
    /// The kind of an entry and where it is settled: what climbing through directories needs, and
    /// cheaper than the whole.
    fn settled(&self, id: EntryId) -> Option<(Kind, Option<Settled>)> {
        self.entry(id).map(|stored| (stored.entry.kind, stored.settled))
    }
    /// Adds or replaces one; look-ups by dot and by settled place follow it.
    fn put_entry(&mut self, stored: &Stored);
    /// Forgets one, with its look-ups.
    fn remove_entry(&mut self, id: EntryId);
    /// Entries that are no part of the tree, or that somebody has deleted and others keep, after
    /// `after`. An index of an older program may list others, too, until they are written the next
    /// time.
    fn deleted(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId>;
    /// Every entry settled at `name` in `parent`, dead or alive, by id.
    fn named(&self, parent: EntryId, name: &Name) -> Vec<EntryId>;
    /// Entries that some version of says are names of `body`, by id.
    fn names_of(&self, body: EntryId) -> Vec<EntryId>;
    /// Entries with an id of `first..=last`.
    fn ids(&self, first: EntryId, last: EntryId, max: usize) -> Vec<EntryId>;
    /// Entries settled in `parent` after the given name and id.
    fn children(
        &self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
        max: usize,
    ) -> Vec<(Name, EntryId)>;
    /// Entries that hold one of the counters `from..=to` of an incarnation, with the counter.
    fn dots(&self, incarnation: Incarnation, from: u64, to: u64, max: usize)
        -> Vec<(u64, EntryId)>;
    /// Entries marked conflicted, after `after`.
    fn conflicts(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId>;
    /// How many entries S holds, tombstones included.
    fn entry_count(&self) -> u64;

    /// A row of D.
    fn seen(&self, slot: Slot) -> Option<SeenRow>;
    /// The row that shows `entry`.
    fn seen_of(&self, entry: EntryId) -> Option<SeenRow>;
    /// The row called `name` in `parent`.
    fn seen_named(&self, parent: Slot, name: &Name) -> Option<SeenRow>;
    /// Rows in `parent` after `after`, by name.
    fn seen_children(&self, parent: Slot, after: Option<&Name>, max: usize) -> Vec<SeenRow>;
    /// The rows with this handle (several names of one inode), by slot.
    fn seen_handle(&self, handle: &Handle) -> Vec<SeenRow>;
    /// A row whose file holds these bytes.
    fn seen_digest(&self, digest: &Digest) -> Option<SeenRow>;
    /// Adds or replaces a row.
    fn put_seen(&mut self, row: &SeenRow);
    /// Forgets a row.
    fn remove_seen(&mut self, slot: Slot);
    /// How many rows D holds, the root included.
    fn seen_count(&self) -> u64;
    /// Rows still volatile after `after`, by slot.
    fn volatile(&self, after: Slot, max: usize) -> Vec<SeenRow>;
    /// Clears the mark of every row volatile with an epoch of at most `epoch`.
    fn settle_volatile(&mut self, epoch: u64);

    /// The pending row of `entry`.
    fn pending(&self, entry: EntryId) -> Option<PendingRow>;
    /// Adds or replaces one.
    fn put_pending(&mut self, row: &PendingRow);
    /// The entry is in place.
    fn remove_pending(&mut self, entry: EntryId);
    /// Pending rows that arrived after `order`.
    fn pending_after(&self, order: u64, max: usize) -> Vec<PendingRow>;
    /// How many entries are pending.
    fn pending_count(&self) -> u64;
    /// The lowest counter of `incarnation` that any pending row was touched by.
    fn touched_floor(&self, incarnation: Incarnation) -> Option<u64>;
    /// The lowest counter of `incarnation` among pending creates.
    fn create_floor(&self, incarnation: Incarnation) -> Option<u64>;

    /// The contents kept in the conflict store for `entry`.
    fn kept_of(&self, entry: EntryId) -> Vec<Digest>;
    /// The entries that the conflict store holds something for, after `after`, by id.
    fn all_keepers(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId>;
    /// The entries that the conflict store holds this content for, by id.
    fn keepers(&self, digest: &Digest) -> Vec<EntryId>;
    /// Whether the conflict store holds this content for any entry.
    fn is_kept(&self, digest: &Digest) -> bool {
        !self.keepers(digest).is_empty()
    }
    /// The conflict store now holds this content for `entry`.
    fn put_kept(&mut self, entry: EntryId, digest: &Digest);
    /// `entry` no longer needs this content.
    fn remove_kept(&mut self, entry: EntryId, digest: &Digest);
}

#[cfg(test)]
mod tests;
