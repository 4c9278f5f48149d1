//! What comes out of a folder's engine: everything that it can want done, and what is worth a line
//! in the log. Declarations only: `engine` makes them, the node carries them out.

use crate::content::Digest;
use crate::dot::{Incarnation, NodeId};
use crate::exchange::Outgoing;
use crate::index::Fingerprint;
use crate::message::Want;
use crate::observe::Change;
use crate::path::RelPath;
use crate::plan::Operation;

/// Everything a folder can want done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send this.
    Send(Outgoing),
    /// Send these contents to a peer; each may lie at the place given.
    Serve(NodeId, Vec<(Want, Origin)>),
    /// Stage content that lies elsewhere on this disk.
    Copy(Digest, u64, Origin),
    /// Remove these from staging, and whatever is there in part: nothing waits for any content.
    Unstage(Vec<Digest>),
    /// Do these; each answers with an outcome.
    Apply(Vec<Operation>),
    /// Look at these paths.
    Observe(Vec<RelPath>),
    /// Look at everything in these directories: nobody has looked inside.
    ObserveTrees(Vec<RelPath>),
    /// Look at everything; answer with [`Input::Scanned`](super::Input::Scanned).
    Scan,
    /// Note this number on the folder's filesystem, then sync it; answer with
    /// [`Input::Synced`](super::Input::Synced) or [`Input::NotSynced`](super::Input::NotSynced).
    Sync(u64),
    /// Break off with a peer: it does not keep to the protocol.
    Refuse(NodeId, &'static str),
    /// Begin the session with a peer anew: what was said in this one no longer holds.
    Restart(NodeId),
    /// Answer with [`Input::Life`](super::Input::Life), before any other input.
    NewLife,
    /// For the operator: the index had been put back to an older copy, and a new life has begun.
    PutBack,
    /// For the operator: the same node runs twice, and a new life has begun.
    Twin,
    /// For the operator: the folder's filesystem had been put back to an older copy.
    TreePutBack,
    /// For the record: what happened to which path.
    Happened(Event),
    /// For the operator: what is wrong with which path.
    Notice(RelPath, String),
    /// For the operator: bytes of users that belong to no path, and what to do with them.
    Nameless(String),
}

impl Effect {
    /// The peer in whose session alone this means something.
    pub fn peer(&self) -> Option<NodeId> {
        match self {
            Effect::Send(Outgoing { peer, .. })
            | Effect::Serve(peer, _)
            | Effect::Refuse(peer, _)
            | Effect::Restart(peer) => Some(*peer),
            _ => None,
        }
    }
}

/// Where a content lies on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// In the tree, as last seen.
    Tree(RelPath, Fingerprint),
    /// In the conflict store.
    Kept,
    /// Staged.
    Staged,
    /// In the trash, or in the conflict store though the index does not say so, if anywhere:
    /// nobody is known to have it elsewhere.
    Trash,
}

/// One line of the folder's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Where.
    pub path: RelPath,
    /// What.
    pub what: Happening,
    /// Where it was before, if it was moved.
    pub from: Option<RelPath>,
    /// Whose operation, where one operation is the cause.
    pub by: Option<Incarnation>,
    /// A program on this node did it; otherwise it was done here for a peer.
    pub local: bool,
}

/// What can happen to a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Happening {
    /// Made.
    Created,
    /// Given other content.
    Replaced,
    /// Given another mode, owner, times or xattrs.
    Attributes,
    /// Given another place.
    Moved,
    /// Removed.
    Removed,
    /// A version lost a conflict and is in the conflict store.
    Conflict,
    /// A version was found under an operation and published.
    Rescued,
    /// Undone by a power loss; its announced version is fetched from peers.
    Damaged,
}

impl From<Change> for Happening {
    fn from(change: Change) -> Happening {
        match change {
            Change::Created => Happening::Created,
            Change::Edited => Happening::Replaced,
            Change::Attributes => Happening::Attributes,
            Change::Moved => Happening::Moved,
            Change::Removed => Happening::Removed,
        }
    }
}
