//! The few single records of an index file as bytes: the folder's facts, Knowledge, and counts.

use super::broken;
use crate::store::lives::Lives;
use crate::store::ReadError;
use engine::dot::{Incarnation, Knowledge};
use engine::entry::Hlc;
use engine::index::{Meta, Phase};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct MetaRecord {
    #[prost(bytes = "vec", tag = "1")]
    incarnation: Vec<u8>,
    #[prost(uint64, tag = "2")]
    counter: u64,
    #[prost(uint64, tag = "3")]
    hlc: u64,
    #[prost(uint64, tag = "4")]
    last_slot: u64,
    #[prost(uint64, tag = "5")]
    last_context: u64,
    #[prost(uint64, tag = "6")]
    last_order: u64,
    #[prost(uint32, tag = "7")]
    phase: u32,
    #[prost(bytes = "vec", tag = "8")]
    boot: Vec<u8>,
    #[prost(uint64, optional, tag = "9")]
    clean_stop_ms: Option<u64>,
    #[prost(uint64, tag = "10")]
    synced: u64,
    #[prost(uint64, tag = "11")]
    synced_ms: u64,
    #[prost(bool, tag = "12")]
    has_twin: bool,
    #[prost(bool, tag = "13")]
    shaken: bool,
}

/// Ends of ranges are written as lengths, which are short.
#[derive(Clone, PartialEq, Message)]
struct LifeRanges {
    #[prost(uint32, tag = "1")]
    life: u32,
    #[prost(message, repeated, tag = "2")]
    ranges: Vec<RangeRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct RangeRecord {
    #[prost(uint64, tag = "1")]
    start: u64,
    #[prost(uint64, tag = "2")]
    more: u64,
}

#[derive(Clone, PartialEq, Message)]
struct KnowledgeRecord {
    #[prost(message, repeated, tag = "1")]
    lives: Vec<LifeRanges>,
}

/// How many rows the large tables hold, so that nobody has to count them.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Counts {
    /// Entries of S.
    #[prost(uint64, tag = "1")]
    pub entries: u64,
    /// Rows of D.
    #[prost(uint64, tag = "2")]
    pub seen: u64,
    /// Pending rows.
    #[prost(uint64, tag = "3")]
    pub pending: u64,
}

/// The bytes of the folder's facts.
pub fn meta_bytes(meta: &Meta) -> Vec<u8> {
    let record = MetaRecord {
        incarnation: meta.incarnation.0.to_vec(),
        counter: meta.counter,
        hlc: meta.hlc.0,
        last_slot: meta.last_slot,
        last_context: meta.last_context,
        last_order: meta.last_order,
        phase: match meta.phase {
            Phase::Joining => 1,
            Phase::Importing => 2,
            Phase::Member => 3,
        },
        boot: meta.boot.to_vec(),
        clean_stop_ms: meta.clean_stop_ms,
        synced: meta.synced,
        synced_ms: meta.synced_ms,
        has_twin: meta.has_twin,
        shaken: meta.shaken,
    };
    record.encode_to_vec()
}

/// The facts of these bytes.
pub fn read_meta(bytes: &[u8]) -> Result<Meta, ReadError> {
    let record = MetaRecord::decode(bytes)?;
    let sixteen = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).map_err(|_| broken("a short id"));
    Ok(Meta {
        incarnation: Incarnation(sixteen(record.incarnation)?),
        counter: record.counter,
        hlc: Hlc(record.hlc),
        last_slot: record.last_slot,
        last_context: record.last_context,
        last_order: record.last_order,
        phase: match record.phase {
            1 => Phase::Joining,
            2 => Phase::Importing,
            3 => Phase::Member,
            _ => return Err(broken("an unknown phase")),
        },
        boot: sixteen(record.boot)?,
        clean_stop_ms: record.clean_stop_ms,
        synced: record.synced,
        synced_ms: record.synced_ms,
        has_twin: record.has_twin,
        shaken: record.shaken,
    })
}

/// The bytes of a Knowledge.
pub fn knowledge_bytes(lives: &mut Lives, knowledge: &Knowledge) -> Vec<u8> {
    let mut record = KnowledgeRecord::default();
    for (incarnation, intervals) in knowledge.iter() {
        let ranges = intervals.ranges().iter();
        let ranges = ranges.map(|&(start, end)| RangeRecord { start, more: end - start });
        record.lives.push(LifeRanges { life: lives.number(incarnation), ranges: ranges.collect() });
    }
    record.encode_to_vec()
}

/// The Knowledge of these bytes.
pub fn read_knowledge(lives: &Lives, bytes: &[u8]) -> Result<Knowledge, ReadError> {
    let mut knowledge = Knowledge::default();
    for life in KnowledgeRecord::decode(bytes)?.lives {
        let incarnation = lives.incarnation(life.life);
        let incarnation = incarnation.ok_or(ReadError::UnknownLife(life.life))?;
        for range in life.ranges {
            let end = range.start.checked_add(range.more);
            let end = end.filter(|_| range.start > 0).ok_or_else(|| broken("a bad range"))?;
            knowledge.insert_range(incarnation, range.start, end);
        }
    }
    Ok(knowledge)
}

/// The bytes of the counts.
pub fn counts_bytes(counts: &Counts) -> Vec<u8> {
    counts.encode_to_vec()
}

/// The counts of these bytes.
pub fn read_counts(bytes: &[u8]) -> Result<Counts, ReadError> {
    Ok(Counts::decode(bytes)?)
}
