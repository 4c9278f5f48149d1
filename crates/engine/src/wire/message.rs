//! Messages as protobuf.

use super::entry::{read as read_entry, write as write_entry, WireEntry};
use super::value::array;
use super::WireError;
use crate::content::Digest;
use crate::dot::{Incarnation, Knowledge, NodeId};
use crate::entry::{EntryId, Hlc, IncarnationRecord};
use crate::index::Phase;
use crate::limits::{
    DENIERS_MAX, FRAME_ENTRIES_MAX, INLINE_BYTES_MAX, KNOWLEDGE_RANGES_MAX, PIECE_BYTES_MAX,
    RANGE_ENTRIES, SUMS_MAX, WANTS_MAX,
};
use crate::message::{
    Ack, DeltaEnd, FolderId, Frame, Hello, Message, Piece, Share, Standing, Want,
};
use crate::range::{Range, Sum};
use prost::Message as _;

#[derive(Clone, PartialEq, prost::Message)]
struct WireSeen {
    #[prost(bytes = "vec", tag = "1")]
    incarnation: Vec<u8>,
    /// Pairs of a gap after the last range and a length less one, ascending.
    #[prost(uint64, repeated, tag = "2")]
    ranges: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireOwner {
    #[prost(bytes = "vec", tag = "1")]
    incarnation: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    node: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
}

/// What the entry at this position reflects beyond the frame's context.
#[derive(Clone, PartialEq, prost::Message)]
struct WireBeyond {
    #[prost(uint32, tag = "1")]
    position: u32,
    #[prost(message, repeated, tag = "2")]
    knowledge: Vec<WireSeen>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WirePiece {
    #[prost(bytes = "vec", tag = "1")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(uint64, tag = "3")]
    offset: u64,
    #[prost(bytes = "vec", tag = "4")]
    bytes: Vec<u8>,
    #[prost(bool, tag = "5")]
    deep: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireApplied {
    #[prost(bytes = "vec", tag = "1")]
    incarnation: Vec<u8>,
    #[prost(uint64, tag = "2")]
    counter: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireRange {
    #[prost(bytes = "vec", tag = "1")]
    first: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    last: Vec<u8>,
    #[prost(uint32, tag = "3")]
    count: u32,
    #[prost(bytes = "vec", tag = "4")]
    sum: Vec<u8>,
}

/// One flat shape for all messages: `kind` says which fields mean something.
#[derive(Clone, PartialEq, prost::Message)]
struct WireMessage {
    #[prost(bytes = "vec", tag = "1")]
    folder: Vec<u8>,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(uint32, tag = "3")]
    version: u32,
    #[prost(fixed64, tag = "4")]
    hlc: u64,
    #[prost(message, repeated, tag = "5")]
    knowledge: Vec<WireSeen>,
    #[prost(message, repeated, tag = "6")]
    entries: Vec<WireEntry>,
    #[prost(message, repeated, tag = "7")]
    owners: Vec<WireOwner>,
    #[prost(message, repeated, tag = "8")]
    pieces: Vec<WirePiece>,
    #[prost(message, repeated, tag = "9")]
    applied: Vec<WireApplied>,
    #[prost(message, repeated, tag = "10")]
    beyond: Vec<WireBeyond>,
    #[prost(uint32, tag = "11")]
    phase: u32,
    #[prost(bytes = "vec", repeated, tag = "12")]
    nodes: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "13")]
    frontier: Vec<WireSeen>,
    #[prost(message, repeated, tag = "14")]
    ranges: Vec<WireRange>,
    #[prost(uint64, tag = "15")]
    age_ms: u64,
}

const HELLO: u32 = 1;
const SHARE: u32 = 2;
const FRAME: u32 = 3;
const DELTA_END: u32 = 4;
const ACK: u32 = 5;
const WANT: u32 = 6;
const DATA: u32 = 7;
const GONE: u32 = 8;
const NOWHERE: u32 = 9;
const SUMS: u32 = 10;
const DIFFERS: u32 = 11;
const STANDING: u32 = 12;
const NOT_NOW: u32 = 13;

fn write_knowledge(knowledge: &Knowledge) -> Vec<WireSeen> {
    let seen = knowledge.iter().map(|(incarnation, intervals)| {
        let mut ranges = Vec::new();
        let mut last = 0;
        for &(start, end) in intervals.ranges() {
            ranges.extend([start - last, end - start]);
            last = end;
        }
        WireSeen { incarnation: incarnation.0.to_vec(), ranges }
    });
    seen.collect()
}

fn read_knowledge(wire: &[WireSeen]) -> Result<Knowledge, WireError> {
    let total: usize = wire.iter().map(|seen| 1 + seen.ranges.len() / 2).sum();
    if total > KNOWLEDGE_RANGES_MAX {
        return Err(WireError("knowledge of too many ranges"));
    }
    let mut knowledge = Knowledge::default();
    for seen in wire {
        let incarnation = Incarnation(array(&seen.incarnation)?);
        let mut last = 0u64;
        for pair in seen.ranges.chunks(2) {
            let &[gap, more] = pair else { return Err(WireError("half a range")) };
            let start = last.checked_add(gap).ok_or(WireError("a counter beyond 64 bits"))?;
            let end = start.checked_add(more).ok_or(WireError("a counter beyond 64 bits"))?;
            if gap == 0 {
                return Err(WireError("ranges that touch"));
            }
            knowledge.insert_range(incarnation, start, end);
            last = end;
        }
    }
    Ok(knowledge)
}

fn write_owners(records: &[IncarnationRecord]) -> Vec<WireOwner> {
    let owners = records.iter().map(|record| WireOwner {
        incarnation: record.incarnation.0.to_vec(),
        node: record.node.0.to_vec(),
        signature: record.signature.clone(),
    });
    owners.collect()
}

fn read_owners(wire: Vec<WireOwner>) -> Result<Vec<IncarnationRecord>, WireError> {
    if wire.len() > KNOWLEDGE_RANGES_MAX {
        return Err(WireError("too many incarnations"));
    }
    let records = wire.into_iter().map(|owner| {
        if owner.signature.len() > 64 {
            return Err(WireError("a signature of the wrong length"));
        }
        let incarnation = Incarnation(array(&owner.incarnation)?);
        let node = NodeId(array(&owner.node)?);
        Ok(IncarnationRecord { incarnation, node, signature: owner.signature })
    });
    records.collect()
}

fn write_phase(phase: Phase) -> u32 {
    match phase {
        Phase::Member => 0,
        Phase::Importing => 1,
        Phase::Joining => 2,
    }
}

fn read_phase(wire: u32) -> Result<Phase, WireError> {
    match wire {
        0 => Ok(Phase::Member),
        1 => Ok(Phase::Importing),
        2 => Ok(Phase::Joining),
        _ => Err(WireError("an unknown phase")),
    }
}

fn write_piece(digest: &Digest, size: u64, offset: u64, bytes: &[u8]) -> WirePiece {
    let deep = false;
    WirePiece { digest: digest.0.to_vec(), size, offset, bytes: bytes.to_vec(), deep }
}

fn write_frame(wire: &mut WireMessage, frame: &Frame) {
    wire.kind = FRAME;
    wire.knowledge = write_knowledge(&frame.context);
    wire.entries = frame.entries.iter().map(write_entry).collect();
    let beyond = frame.beyond.iter().map(|(position, knowledge)| WireBeyond {
        position: *position,
        knowledge: write_knowledge(knowledge),
    });
    wire.beyond = beyond.collect();
    let contents = frame.contents.iter();
    wire.pieces = contents.map(|(d, b)| write_piece(d, b.len() as u64, 0, b)).collect();
    wire.owners = write_owners(&frame.incarnations);
    wire.ranges = frame.range.iter().map(write_range).collect();
}

pub(super) fn encode(folder: FolderId, message: &Message) -> Vec<u8> {
    let mut wire = WireMessage { folder: folder.0.to_vec(), ..Default::default() };
    match message {
        Message::Hello(hello) => {
            (wire.kind, wire.version, wire.hlc) = (HELLO, hello.wire, hello.hlc.0);
        }
        Message::Share(share) => {
            wire.kind = SHARE;
            wire.knowledge = write_knowledge(&share.knowledge);
            wire.owners = write_owners(&share.incarnations);
            wire.frontier = write_knowledge(&share.frontier);
        }
        Message::Frame(frame) => write_frame(&mut wire, frame),
        Message::DeltaEnd(end) => {
            (wire.kind, wire.knowledge) = (DELTA_END, write_knowledge(&end.knowledge));
            wire.phase = write_phase(end.phase);
            wire.frontier = write_knowledge(&end.frontier);
        }
        Message::Sums(sums) => {
            wire.kind = SUMS;
            wire.ranges = sums.iter().map(write_sum).collect();
        }
        Message::Differs(range) => {
            (wire.kind, wire.ranges) = (DIFFERS, vec![write_range(range)]);
        }
        Message::Standing(standing) => {
            (wire.kind, wire.nodes) = (STANDING, vec![standing.node.0.to_vec()]);
            wire.knowledge = write_knowledge(&standing.knowledge);
            wire.age_ms = standing.age_ms;
        }
        Message::Ack(ack) => {
            (wire.kind, wire.knowledge) = (ACK, write_knowledge(&ack.knowledge));
            let applied = ack.applied.iter();
            wire.applied = applied
                .map(|(i, counter)| WireApplied { incarnation: i.0.to_vec(), counter: *counter })
                .collect();
        }
        Message::Want(wants) => {
            wire.kind = WANT;
            let wants = wants.iter();
            wire.pieces = wants
                .map(|w| WirePiece {
                    deep: w.deep,
                    ..write_piece(&w.digest, w.size, w.offset, &[])
                })
                .collect();
        }
        Message::Data(pieces) => {
            wire.kind = DATA;
            let pieces = pieces.iter();
            wire.pieces =
                pieces.map(|p| write_piece(&p.digest, p.size, p.offset, &p.bytes)).collect();
        }
        Message::Gone(digests) => (wire.kind, wire.pieces) = (GONE, write_digests(digests)),
        Message::NotNow(digests) => (wire.kind, wire.pieces) = (NOT_NOW, write_digests(digests)),
        Message::Nowhere(digest, nodes) => {
            (wire.kind, wire.pieces) = (NOWHERE, vec![write_piece(digest, 0, 0, &[])]);
            wire.nodes = nodes.iter().map(|node| node.0.to_vec()).collect();
        }
    }
    wire.encode_to_vec()
}

fn write_digests(digests: &[Digest]) -> Vec<WirePiece> {
    digests.iter().map(|digest| write_piece(digest, 0, 0, &[])).collect()
}

fn write_range(range: &Range) -> WireRange {
    let (first, last) = (range.first.0.to_vec(), range.last.0.to_vec());
    WireRange { first, last, ..WireRange::default() }
}

fn write_sum(sum: &Sum) -> WireRange {
    let bytes = sum.sum.to_le_bytes().to_vec();
    WireRange { count: sum.count, sum: bytes, ..write_range(&sum.range) }
}

fn read_range(wire: &WireRange) -> Result<Range, WireError> {
    let range = Range { first: EntryId(array(&wire.first)?), last: EntryId(array(&wire.last)?) };
    if range.first > range.last {
        return Err(WireError("a range that ends before it begins"));
    }
    Ok(range)
}

fn read_only_range(wire: &[WireRange]) -> Result<Range, WireError> {
    let [range] = wire else { return Err(WireError("not one range")) };
    read_range(range)
}

fn read_sums(wire: &[WireRange]) -> Result<Vec<Sum>, WireError> {
    if wire.len() > SUMS_MAX {
        return Err(WireError("too many sums in one message"));
    }
    let sums = wire.iter().map(|wire| {
        let sum = u128::from_le_bytes(array(&wire.sum)?);
        if wire.count as usize > RANGE_ENTRIES {
            return Err(WireError("a sum over too many entries"));
        }
        Ok(Sum { range: read_range(wire)?, count: wire.count, sum })
    });
    sums.collect()
}

fn read_standing(wire: &WireMessage) -> Result<Standing, WireError> {
    let [node] = &wire.nodes[..] else { return Err(WireError("not one node that stands")) };
    let (node, knowledge) = (NodeId(array(node)?), read_knowledge(&wire.knowledge)?);
    Ok(Standing { node, knowledge, age_ms: wire.age_ms })
}

fn read_piece(wire: WirePiece) -> Result<Piece, WireError> {
    let end = wire.offset.checked_add(wire.bytes.len() as u64);
    if wire.bytes.len() > PIECE_BYTES_MAX || end.is_none_or(|end| end > wire.size) {
        return Err(WireError("a piece that lies outside its content"));
    }
    let digest = Digest(array(&wire.digest)?);
    Ok(Piece { digest, size: wire.size, offset: wire.offset, bytes: wire.bytes })
}

fn read_frame(wire: WireMessage) -> Result<Frame, WireError> {
    if wire.entries.len() > FRAME_ENTRIES_MAX || wire.pieces.len() > FRAME_ENTRIES_MAX {
        return Err(WireError("too many entries in one frame"));
    }
    let contents = wire.pieces.into_iter().map(|piece| {
        let piece = read_piece(piece)?;
        if piece.offset != 0 || piece.bytes.len() as u64 != piece.size {
            return Err(WireError("an inline content that is not whole"));
        }
        if piece.bytes.len() > INLINE_BYTES_MAX {
            return Err(WireError("an inline content that is too long"));
        }
        Ok((piece.digest, piece.bytes))
    });
    if wire.beyond.len() > wire.entries.len() {
        return Err(WireError("more contexts than entries"));
    }
    let entries = wire.entries.len();
    let beyond = wire.beyond.iter().map(|beyond| {
        if beyond.position as usize >= entries {
            return Err(WireError("a context for no entry"));
        }
        Ok((beyond.position, read_knowledge(&beyond.knowledge)?))
    });
    Ok(Frame {
        context: read_knowledge(&wire.knowledge)?,
        beyond: beyond.collect::<Result<_, _>>()?,
        entries: wire.entries.into_iter().map(read_entry).collect::<Result<_, _>>()?,
        contents: contents.collect::<Result<_, _>>()?,
        incarnations: read_owners(wire.owners)?,
        range: match &wire.ranges[..] {
            [] => None,
            ranges => Some(read_only_range(ranges)?),
        },
    })
}

fn read_pieces(wire: Vec<WirePiece>) -> Result<Vec<Piece>, WireError> {
    if wire.len() > FRAME_ENTRIES_MAX {
        return Err(WireError("too many pieces in one message"));
    }
    wire.into_iter().map(read_piece).collect()
}

fn read_digests(wire: Vec<WirePiece>) -> Result<Vec<Digest>, WireError> {
    Ok(read_pieces(wire)?.into_iter().map(|piece| piece.digest).collect())
}

fn read_wants(wire: Vec<WirePiece>) -> Result<Vec<Want>, WireError> {
    if wire.len() > WANTS_MAX {
        return Err(WireError("too many contents wanted at once"));
    }
    let wants = wire.into_iter().map(|wire| {
        let deep = wire.deep;
        let Piece { digest, size, offset, .. } = read_piece(wire)?;
        Ok(Want { digest, size, offset, deep })
    });
    wants.collect()
}

fn read_nowhere(wire: WireMessage) -> Result<Message, WireError> {
    if wire.nodes.len() > DENIERS_MAX {
        return Err(WireError("too many nodes that lack a content"));
    }
    let [piece]: [WirePiece; 1] =
        wire.pieces.try_into().map_err(|_| WireError("not one content that is nowhere"))?;
    let nodes = wire.nodes.iter().map(|node| Ok(NodeId(array(node)?)));
    Ok(Message::Nowhere(read_piece(piece)?.digest, nodes.collect::<Result<_, _>>()?))
}

fn read_ack(wire: &WireMessage) -> Result<Ack, WireError> {
    if wire.applied.len() > KNOWLEDGE_RANGES_MAX {
        return Err(WireError("too many incarnations"));
    }
    let applied = wire.applied.iter();
    let applied = applied.map(|a| Ok((Incarnation(array(&a.incarnation)?), a.counter)));
    Ok(Ack {
        knowledge: read_knowledge(&wire.knowledge)?,
        applied: applied.collect::<Result<_, _>>()?,
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<(FolderId, Message), WireError> {
    let wire = WireMessage::decode(bytes).map_err(|_| WireError("not protobuf"))?;
    let folder = FolderId(array(&wire.folder)?);
    let message = match wire.kind {
        HELLO => Message::Hello(Hello { wire: wire.version, hlc: Hlc(wire.hlc) }),
        SHARE => Message::Share(Share {
            knowledge: read_knowledge(&wire.knowledge)?,
            incarnations: read_owners(wire.owners)?,
            frontier: read_knowledge(&wire.frontier)?,
        }),
        FRAME => Message::Frame(read_frame(wire)?),
        DELTA_END => Message::DeltaEnd(DeltaEnd {
            knowledge: read_knowledge(&wire.knowledge)?,
            phase: read_phase(wire.phase)?,
            frontier: read_knowledge(&wire.frontier)?,
        }),
        SUMS => Message::Sums(read_sums(&wire.ranges)?),
        DIFFERS => Message::Differs(read_only_range(&wire.ranges)?),
        STANDING => Message::Standing(read_standing(&wire)?),
        ACK => Message::Ack(read_ack(&wire)?),
        WANT => Message::Want(read_wants(wire.pieces)?),
        DATA => Message::Data(read_pieces(wire.pieces)?),
        GONE => Message::Gone(read_digests(wire.pieces)?),
        NOT_NOW => Message::NotNow(read_digests(wire.pieces)?),
        NOWHERE => read_nowhere(wire)?,
        _ => return Err(WireError("an unknown kind of message")),
    };
    Ok((folder, message))
}
