//! Everything two nodes can say to each other about one folder.

use crate::content::Digest;
use crate::dot::{Incarnation, Knowledge, NodeId};
use crate::entry::{Entry, Hlc, IncarnationRecord};
use crate::index::Phase;
use crate::range::{Range, Sum};

/// Names a folder in a cluster: a hash of the cluster's id, the folder's first name and its epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct FolderId(pub [u8; 16]);

/// The version of this program's messages. A node refuses what is newer than it knows.
pub const WIRE_VERSION: u32 = 1;

/// One statement of one node to another. All but [`Message::Data`] of one folder go in order on one
/// connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Opens the conversation.
    Hello(Hello),
    /// What I have seen: send me the rest.
    Share(Share),
    /// Entries with complete registers.
    Frame(Frame),
    /// You now hold everything that I know.
    DeltaEnd(DeltaEnd),
    /// What I hold in these ranges of entries, summed up: somebody may have missed deletions that I
    /// have forgotten.
    Sums(Vec<Sum>),
    /// I hold something else in this range: tell me all that you hold.
    Differs(Range),
    /// How far another node is that I know.
    Standing(Standing),
    /// What I have seen and what of it stands on my disk.
    Ack(Ack),
    /// Send me these contents.
    Want(Vec<Want>),
    /// Pieces of contents.
    Data(Vec<Piece>),
    /// I do not have these contents (any more).
    Gone(Vec<Digest>),
    /// I cannot give these contents now, and may have them all the same.
    NotNow(Vec<Digest>),
    /// None of these nodes has this content, me included: each said so again and again, with its
    /// trash looked through, to me or to somebody who told me.
    Nowhere(Digest, Vec<NodeId>),
}

impl Message {
    /// Whether it says what somebody has seen.
    pub fn tells_knowledge(&self) -> bool {
        matches!(
            self,
            Message::Share(_) | Message::DeltaEnd(_) | Message::Ack(_) | Message::Standing(_)
        )
    }
}

/// Contents that a peer asked for and does not get.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refused {
    gone: Vec<Digest>,
    unsure: Vec<Digest>,
}

impl Refused {
    /// One more. `is_sure`: it is nowhere on this disk. A version that all deny is taken back by
    /// its author, so a read that failed, or a look that is still owed, denies nothing.
    pub fn add(&mut self, digest: Digest, is_sure: bool) {
        if is_sure { &mut self.gone } else { &mut self.unsure }.push(digest);
    }

    /// What is said of them.
    pub fn into_messages(self) -> impl Iterator<Item = Message> {
        let gone = (!self.gone.is_empty()).then_some(Message::Gone(self.gone));
        let unsure = (!self.unsure.is_empty()).then_some(Message::NotNow(self.unsure));
        gone.into_iter().chain(unsure)
    }
}

/// Opens a folder's conversation on a new connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The highest message version the sender speaks.
    pub wire: u32,
    /// The sender's clock.
    pub hlc: Hlc,
}

/// Everything the sender has seen, and whose lives it knows of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// What it has seen.
    pub knowledge: Knowledge,
    /// The owners of the incarnations in it.
    pub incarnations: Vec<IncarnationRecord>,
    /// The deletions it has forgotten, see [`Index::frontier`](crate::index::Index::frontier).
    pub frontier: Knowledge,
}

/// Entries as they stand at the sender.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// What the sender has seen beyond what it already said on this connection. Together with that
    /// it is the context of every register here.
    pub context: Knowledge,
    /// The entries, registers complete.
    pub entries: Vec<Entry>,
    /// What single entries reflect beyond that, by their position here (docs/decisions/0001).
    pub beyond: Vec<(u32, Knowledge)>,
    /// Small contents of these entries, in live frames only.
    pub contents: Vec<(Digest, Vec<u8>)>,
    /// Owners of incarnations not yet told on this connection.
    pub incarnations: Vec<IncarnationRecord>,
    /// These entries are all that the sender holds in this range.
    pub range: Option<Range>,
}

/// The end of a walk, as a claim: who hears it holds all of this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeltaEnd {
    /// The sender's Knowledge when the walk began; all it committed since has been sent too.
    pub knowledge: Knowledge,
    /// How far the sender itself has come: a joining node receives from a member (decisions A2).
    pub phase: Phase,
    /// The deletions that the sender has forgotten, and now the receiver, too.
    pub frontier: Knowledge,
}

/// How far another node is, as the sender was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Who.
    pub node: NodeId,
    /// What it has seen.
    pub knowledge: Knowledge,
    /// How long ago it was heard of, milliseconds.
    pub age_ms: u64,
}

/// How far the sender is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ack {
    /// What it has seen beyond what it already said on this connection.
    pub knowledge: Knowledge,
    /// Of each incarnation: everything up to this counter stands on its disk.
    pub applied: Vec<(Incarnation, u64)>,
}

/// Asks for the bytes of one content from an offset on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Which.
    pub digest: Digest,
    /// How long it is, in bytes.
    pub size: u64,
    /// From where, in bytes.
    pub offset: u64,
    /// Nobody had it where it should be: look in the trash too.
    pub deep: bool,
}

/// Some bytes of one content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Of which.
    pub digest: Digest,
    /// How long it is, in bytes.
    pub size: u64,
    /// Where these bytes stand in it.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}
