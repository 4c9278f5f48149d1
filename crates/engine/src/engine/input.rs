//! What goes into a folder's engine: how it is opened, the time, and everything that can happen.
//! Declarations only: what an input leads to is decided in `engine`. The node makes them.

use crate::content::Digest;
use crate::dot::{Incarnation, NodeId};
use crate::entry::{IncarnationRecord, Timestamp};
use crate::ledger::Ways;
use crate::message::Message;
use crate::observe::{Batch, Present, Stray, Verdict};
use crate::path::RelPath;
use crate::plan::{OpId, Outcome};
use std::collections::BTreeSet;

/// The time of an input: monotonic milliseconds since any start, and the wall clock's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Now {
    /// Never goes back.
    pub mono_ms: u64,
    /// Unix milliseconds; data, never causality.
    pub wall_ms: u64,
}

/// Everything that can happen to a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A member that holds the folder is connected.
    PeerUp(NodeId),
    /// It is gone.
    PeerDown(NodeId),
    /// Its transport has no room for more frames, or has again.
    Congested(NodeId, bool),
    /// It said something ([`Message::Data`] goes to the stage, not here).
    Message(NodeId, Message),
    /// The disk was looked at; the first look began at this monotonic millisecond.
    Observed(u64, Batch),
    /// A whole scan has ended, completely or not.
    Scanned(bool),
    /// Operations have ended.
    Applied(Vec<(OpId, Outcome)>),
    /// Contents are whole, verified and staged.
    Staged(Vec<Digest>),
    /// Some bytes of these have come.
    Progress(Vec<Digest>),
    /// Contents that did not come: the peer broke off, the bytes were wrong, the disk is full, or
    /// could not be read.
    NotStaged(Vec<Digest>),
    /// Contents that this disk does not have where they were to be copied from, and that is sure.
    NotHere(Vec<Digest>),
    /// Bytes of a user that came to light outside an operation, and are in the conflict store now.
    Stray(Stray),
    /// A sync of the folder's filesystem that began after `Effect::Sync` of this number is done,
    /// and that number was noted there before.
    Synced(u64),
    /// It failed: nothing became durable.
    NotSynced,
    /// What was seen at these is not there any more, said who was to read it.
    Doubted(Vec<RelPath>),
    /// Nothing is looked at and nothing applied until further notice.
    Paused(bool),
    /// Look at everything again.
    Rescan,
    /// Events were lost: the whole disk is to be looked at, and until then nothing is sure.
    Overlooked,
    /// A life that was never used, signed: the answer to
    /// [`Effect::NewLife`](super::Effect::NewLife).
    Life(IncarnationRecord),
    /// What the folder's policy asks of this node, first or anew. Without it: the default.
    Ways(Ways),
    /// Members that were removed from the cluster, all of them: nobody waits for what they have.
    Removed(BTreeSet<NodeId>),
    /// A person says what becomes of a version that lost.
    Verdict(Verdict),
    /// A deadline has come.
    Tick,
}

/// One start of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Boot {
    /// No other start has this.
    pub id: [u8; 16],
    /// When it was, by the wall clock as it goes now. What was written later was not lost before.
    pub at: Timestamp,
}

/// What the last run on this index left behind outside of it, where nothing outlives the machine's
/// start: what a copy of the index that was put back does not bring along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Witness {
    /// This machine has no place for it: it says nothing.
    NoPlace,
    /// There is a place, and nothing in it.
    Missing,
    /// The life it lived, and the last counter of it that anybody may have been told.
    Last(Incarnation, u64),
}

/// How a folder is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The machine's start.
    pub boot: Boot,
    /// A life that was never used, signed: taken if the last one must not go on.
    pub fresh: IncarnationRecord,
    /// Whether this index is the one that was last in use.
    pub witness: Witness,
    /// The last sync that is noted on the folder's filesystem itself, if there is such a note.
    pub noted: Option<u64>,
    /// The root directory as it is now.
    pub root: Present,
    /// The root holds nothing that could be imported.
    pub empty: bool,
}
