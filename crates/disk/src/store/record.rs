//! The rows of an index file as bytes: the store's own protobuf structs, and the way between them
//! and the engine's types.
//!
//! Not the wire: register values alone are kept as the bytes that their author minted. What a
//! column holds (ids, names, handles, digests) is not repeated in the bytes beside it. A field,
//! once released, keeps its number and meaning.

use super::lives::Lives;
use super::ReadError;
use engine::content::{Content, Digest};
use engine::dot::Dot;
use engine::entry::{Entry, EntryId, Kind, Owner, Timestamp};
use engine::index::{Attributes, BodyDots, Intent, PendingRow, SeenDots, SeenRow, Settled, Stored};
use engine::path::Name;
use engine::register::{Register, Version};
use engine::wire::Minted;
use prost::Message;

mod facts;

pub use facts::{counts_bytes, meta_bytes};
pub use facts::{knowledge_bytes, read_counts, read_knowledge, read_meta, Counts};

#[derive(Clone, PartialEq, Message)]
struct DotRecord {
    #[prost(uint32, tag = "1")]
    life: u32,
    #[prost(uint64, tag = "2")]
    counter: u64,
}

#[derive(Clone, PartialEq, Message)]
struct VersionRecord {
    #[prost(uint32, tag = "1")]
    register: u32,
    #[prost(uint32, tag = "2")]
    life: u32,
    #[prost(uint64, tag = "3")]
    counter: u64,
    #[prost(bytes = "vec", tag = "4")]
    minted: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EntryRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "2")]
    live_children: u32,
    #[prost(uint64, optional, tag = "3")]
    context: Option<u64>,
    #[prost(bool, tag = "4")]
    alive: bool,
    /// Of the registers in [`register`].
    #[prost(message, repeated, tag = "5")]
    versions: Vec<VersionRecord>,
    /// Of registers of newer programs, by their number on the wire.
    #[prost(message, repeated, tag = "6")]
    other: Vec<VersionRecord>,
}

/// [`EntryRecord`] for who wants its dots alone: the rest is passed over unread.
#[derive(Clone, PartialEq, Message)]
struct EntryDotsRecord {
    #[prost(message, repeated, tag = "5")]
    versions: Vec<VersionDotRecord>,
    #[prost(message, repeated, tag = "6")]
    other: Vec<VersionDotRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct VersionDotRecord {
    #[prost(uint32, tag = "2")]
    life: u32,
    #[prost(uint64, tag = "3")]
    counter: u64,
}

#[derive(Clone, PartialEq, Message)]
struct TimeRecord {
    #[prost(sint64, tag = "1")]
    seconds: i64,
    #[prost(uint32, tag = "2")]
    nanos: u32,
}

#[derive(Clone, PartialEq, Message)]
struct XattrRecord {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributesRecord {
    #[prost(message, required, tag = "1")]
    mtime: TimeRecord,
    #[prost(uint32, tag = "2")]
    mode: u32,
    #[prost(uint32, tag = "3")]
    uid: u32,
    #[prost(uint32, tag = "4")]
    gid: u32,
    #[prost(message, repeated, tag = "5")]
    xattrs: Vec<XattrRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct ContentRecord {
    #[prost(bytes = "vec", optional, tag = "1")]
    digest: Option<Vec<u8>>,
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(bytes = "vec", optional, tag = "3")]
    target: Option<Vec<u8>>,
}

/// Each list names places in `table`, so that the usual single dot is written once.
#[derive(Clone, PartialEq, Message)]
struct SeenDotsRecord {
    #[prost(message, repeated, tag = "1")]
    table: Vec<DotRecord>,
    #[prost(uint32, repeated, tag = "2")]
    loc: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    data: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    shown: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    times: Vec<u32>,
    #[prost(uint32, repeated, tag = "6")]
    mode: Vec<u32>,
    #[prost(uint32, repeated, tag = "7")]
    owner: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    xattr: Vec<u32>,
    /// The body that the thing is one name of.
    #[prost(bytes = "vec", optional, tag = "9")]
    body: Option<Vec<u8>>,
    #[prost(uint32, repeated, tag = "10")]
    body_data: Vec<u32>,
    #[prost(uint32, repeated, tag = "11")]
    body_shown: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct SeenRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(message, required, tag = "3")]
    mtime: TimeRecord,
    #[prost(message, required, tag = "4")]
    ctime: TimeRecord,
    /// Of a file without its digest, which is a column.
    #[prost(message, optional, tag = "5")]
    content: Option<ContentRecord>,
    #[prost(message, required, tag = "6")]
    attributes: AttributesRecord,
    #[prost(message, optional, tag = "7")]
    refused: Option<AttributesRecord>,
    #[prost(message, required, tag = "8")]
    dots: SeenDotsRecord,
    #[prost(bool, tag = "9")]
    soft: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PendingRecord {
    #[prost(message, optional, tag = "1")]
    create: Option<DotRecord>,
    #[prost(message, repeated, tag = "2")]
    touched: Vec<DotRecord>,
    #[prost(message, optional, tag = "3")]
    intent: Option<IntentRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct IntentRecord {
    #[prost(message, optional, tag = "1")]
    content: Option<ContentRecord>,
    #[prost(message, required, tag = "2")]
    dots: SeenDotsRecord,
    #[prost(bytes, required, tag = "3")]
    parent: Vec<u8>,
    #[prost(bytes, required, tag = "4")]
    name: Vec<u8>,
}

/// Numbers of the registers of [`Entry`] in the file.
mod register {
    pub const LOC: u32 = 1;
    pub const DATA: u32 = 2;
    pub const TIMES: u32 = 3;
    pub const MODE: u32 = 4;
    pub const OWNER: u32 = 5;
    pub const XATTR: u32 = 6;
}

fn broken(what: &str) -> ReadError {
    ReadError::Broken(what.into())
}

fn dot(lives: &Lives, life: u32, counter: u64) -> Result<Dot, ReadError> {
    let incarnation = lives.incarnation(life).ok_or(ReadError::UnknownLife(life))?;
    Ok(Dot { incarnation, counter })
}

fn read_kind(number: u32) -> Result<Kind, ReadError> {
    match number {
        1 => Ok(Kind::Dir),
        2 => Ok(Kind::File),
        3 => Ok(Kind::Symlink),
        _ => Err(broken("an unknown kind of entry")),
    }
}

fn push<T: Clone>(to: &mut Vec<VersionRecord>, lives: &mut Lives, number: u32, from: &Register<T>) {
    for version in from.versions() {
        to.push(VersionRecord {
            register: number,
            life: lives.number(version.dot.incarnation),
            counter: version.dot.counter,
            minted: version.minted.to_vec(),
        });
    }
}

fn take<T: Minted + Clone>(
    to: &mut Register<T>,
    at: Dot,
    minted: Vec<u8>,
) -> Result<(), ReadError> {
    let value = T::read(&minted).map_err(|error| ReadError::Broken(error.to_string()))?;
    to.insert(Version { dot: at, value, minted: minted.into() });
    Ok(())
}

/// The bytes of an entry, less its id, place and mark of conflict.
pub fn entry_bytes(lives: &mut Lives, stored: &Stored) -> Vec<u8> {
    let entry = &stored.entry;
    let mut versions = Vec::with_capacity(6);
    push(&mut versions, lives, register::LOC, &entry.loc);
    push(&mut versions, lives, register::DATA, &entry.data);
    push(&mut versions, lives, register::TIMES, &entry.times);
    push(&mut versions, lives, register::MODE, &entry.mode);
    push(&mut versions, lives, register::OWNER, &entry.owner);
    push(&mut versions, lives, register::XATTR, &entry.xattr);
    let mut other = Vec::new();
    for (number, register) in &entry.other {
        push(&mut other, lives, *number, register);
    }
    let record = EntryRecord {
        kind: entry.kind as u32,
        live_children: stored.live_children,
        context: stored.context,
        alive: stored.settled.as_ref().is_some_and(|at| at.alive),
        versions,
        other,
    };
    record.encode_to_vec()
}

/// The columns of an entry beside its bytes.
pub struct EntryColumns {
    /// Its id.
    pub id: EntryId,
    /// Where it is settled.
    pub place: Option<(EntryId, Name)>,
    /// Whether it is marked.
    pub conflicted: bool,
}

/// The entry of these columns and bytes.
pub fn read_entry(lives: &Lives, columns: EntryColumns, bytes: &[u8]) -> Result<Stored, ReadError> {
    let record = EntryRecord::decode(bytes)?;
    let mut entry = Entry::new(columns.id, read_kind(record.kind)?);
    for version in record.versions {
        let at = dot(lives, version.life, version.counter)?;
        match version.register {
            register::LOC => take(&mut entry.loc, at, version.minted)?,
            register::DATA => take(&mut entry.data, at, version.minted)?,
            register::TIMES => take(&mut entry.times, at, version.minted)?,
            register::MODE => take(&mut entry.mode, at, version.minted)?,
            register::OWNER => take(&mut entry.owner, at, version.minted)?,
            register::XATTR => take(&mut entry.xattr, at, version.minted)?,
            _ => return Err(broken("an unknown register")),
        }
    }
    for version in record.other {
        let at = dot(lives, version.life, version.counter)?;
        take(entry.other.entry(version.register).or_default(), at, version.minted)?;
    }
    let alive = record.alive;
    Ok(Stored {
        entry,
        settled: columns.place.map(|(parent, name)| Settled { parent, name, alive }),
        live_children: record.live_children,
        conflicted: columns.conflicted,
        context: record.context,
    })
}

/// The dots of an entry, once each, as numbers of lives and counters. Numbers that are missing are
/// given.
pub fn entry_dots(lives: &mut Lives, entry: &Entry) -> Vec<(u32, u64)> {
    let dots = entry.dots().into_iter();
    let mut dots: Vec<_> = dots.map(|dot| (lives.number(dot.incarnation), dot.counter)).collect();
    dots.sort_unstable();
    dots
}

/// The same of an entry's bytes.
pub fn read_entry_dots(bytes: &[u8]) -> Result<Vec<(u32, u64)>, ReadError> {
    let record = EntryDotsRecord::decode(bytes)?;
    let versions = record.versions.iter().chain(&record.other);
    let mut dots: Vec<_> = versions.map(|version| (version.life, version.counter)).collect();
    dots.sort_unstable();
    dots.dedup();
    Ok(dots)
}

fn time_record(time: Timestamp) -> TimeRecord {
    TimeRecord { seconds: time.seconds, nanos: time.nanos }
}

fn read_time(record: TimeRecord) -> Timestamp {
    Timestamp { seconds: record.seconds, nanos: record.nanos }
}

fn attributes_record(attributes: &Attributes) -> AttributesRecord {
    let xattrs = attributes.xattrs.iter();
    AttributesRecord {
        mtime: time_record(attributes.mtime),
        mode: u32::from(attributes.mode),
        uid: attributes.owner.uid,
        gid: attributes.owner.gid,
        xattrs: xattrs
            .map(|(name, value)| XattrRecord { name: name.clone(), value: value.clone() })
            .collect(),
    }
}

fn read_attributes(record: AttributesRecord) -> Result<Attributes, ReadError> {
    Ok(Attributes {
        mtime: read_time(record.mtime),
        mode: u16::try_from(record.mode).map_err(|_| broken("a mode beyond 16 bits"))?,
        owner: Owner { uid: record.uid, gid: record.gid },
        xattrs: record.xattrs.into_iter().map(|xattr| (xattr.name, xattr.value)).collect(),
    })
}

fn content_record(content: &Content, with_digest: bool) -> ContentRecord {
    match content {
        Content::File(digest, size) => ContentRecord {
            digest: with_digest.then(|| digest.0.to_vec()),
            size: *size,
            target: None,
        },
        Content::Link(target) => {
            ContentRecord { digest: None, size: 0, target: Some(target.to_vec()) }
        }
    }
}

fn content_of(record: ContentRecord, column: Option<Digest>) -> Result<Content, ReadError> {
    if let Some(target) = record.target {
        return Ok(Content::Link(target.into()));
    }
    let inside = record.digest.and_then(|bytes| bytes.try_into().ok()).map(Digest);
    let digest = column.or(inside).ok_or_else(|| broken("a file without a digest"))?;
    Ok(Content::File(digest, record.size))
}

/// The bytes of one content.
pub fn content_bytes(content: &Content) -> Vec<u8> {
    content_record(content, true).encode_to_vec()
}

/// The content of these bytes.
pub fn read_content(bytes: &[u8]) -> Result<Content, ReadError> {
    content_of(ContentRecord::decode(bytes)?, None)
}

fn seen_dots_record(lives: &mut Lives, dots: &SeenDots) -> SeenDotsRecord {
    let mut table: Vec<DotRecord> = Vec::new();
    let mut places = |list: &[Dot]| -> Vec<u32> {
        list.iter()
            .map(|dot| {
                let record =
                    DotRecord { life: lives.number(dot.incarnation), counter: dot.counter };
                let place = table.iter().position(|known| *known == record);
                let place = place.unwrap_or_else(|| {
                    table.push(record);
                    table.len() - 1
                });
                u32::try_from(place).expect("a row with 2^32 dots does not fit in memory")
            })
            .collect()
    };
    let place = (places(&dots.loc), places(&dots.data), places(&dots.shown));
    let (times, mode) = (places(&dots.times), places(&dots.mode));
    let (owner, xattr) = (places(&dots.owner), places(&dots.xattr));
    let of_body = dots.body.as_ref();
    let body_data = of_body.map_or(Vec::new(), |body| places(&body.data));
    let body_shown = of_body.map_or(Vec::new(), |body| places(&body.shown));
    let body = of_body.map(|body| body.id.0.to_vec());
    let (loc, data, shown) = place;
    SeenDotsRecord {
        table,
        loc,
        data,
        shown,
        times,
        mode,
        owner,
        xattr,
        body,
        body_data,
        body_shown,
    }
}

fn read_seen_dots(lives: &Lives, record: SeenDotsRecord) -> Result<SeenDots, ReadError> {
    let table = record.table.iter().map(|known| dot(lives, known.life, known.counter));
    let table = table.collect::<Result<Vec<Dot>, _>>()?;
    let list = |places: Vec<u32>| -> Result<Vec<Dot>, ReadError> {
        let dots = places.iter().map(|&place| table.get(place as usize).copied());
        dots.collect::<Option<_>>().ok_or_else(|| broken("a dot outside its table"))
    };
    let body = match record.body {
        None => None,
        Some(id) => {
            let id = EntryId(id.try_into().map_err(|_| broken("an id of the wrong length"))?);
            let (data, shown) = (list(record.body_data)?, list(record.body_shown)?);
            Some(BodyDots { id, data, shown })
        }
    };
    Ok(SeenDots {
        body,
        loc: list(record.loc)?,
        data: list(record.data)?,
        shown: list(record.shown)?,
        times: list(record.times)?,
        mode: list(record.mode)?,
        owner: list(record.owner)?,
        xattr: list(record.xattr)?,
    })
}

/// The bytes of a row of D, less its columns and its volatile mark.
pub fn seen_bytes(lives: &mut Lives, row: &SeenRow) -> Vec<u8> {
    let record = SeenRecord {
        kind: row.kind as u32,
        size: row.fingerprint.size,
        mtime: time_record(row.fingerprint.mtime),
        ctime: time_record(row.fingerprint.ctime),
        content: row.content.as_ref().map(|content| content_record(content, false)),
        attributes: attributes_record(&row.attributes),
        refused: row.refused.as_ref().map(attributes_record),
        dots: seen_dots_record(lives, &row.dots),
        soft: row.soft,
    };
    record.encode_to_vec()
}

/// Completes a row of D, whose columns the caller has filled in, from its bytes.
pub fn read_seen(
    lives: &Lives,
    row: &mut SeenRow,
    digest: Option<Digest>,
    bytes: &[u8],
) -> Result<(), ReadError> {
    let record = SeenRecord::decode(bytes)?;
    row.kind = read_kind(record.kind)?;
    row.fingerprint.size = record.size;
    row.fingerprint.mtime = read_time(record.mtime);
    row.fingerprint.ctime = read_time(record.ctime);
    row.content = record.content.map(|content| content_of(content, digest)).transpose()?;
    row.attributes = read_attributes(record.attributes)?;
    row.refused = record.refused.map(read_attributes).transpose()?;
    row.dots = read_seen_dots(lives, record.dots)?;
    row.soft = record.soft;
    Ok(())
}

/// The bytes of a pending row, less its entry and order.
pub fn pending_bytes(lives: &mut Lives, row: &PendingRow) -> Vec<u8> {
    let mut record =
        |dot: &Dot| DotRecord { life: lives.number(dot.incarnation), counter: dot.counter };
    let create = row.create.as_ref().map(&mut record);
    let touched = row.touched.iter().map(record).collect();
    let intent = row.intent.as_ref().map(|intent| IntentRecord {
        parent: intent.parent.0.to_vec(),
        name: intent.name.as_bytes().to_vec(),
        content: intent.content.as_ref().map(|content| content_record(content, true)),
        dots: seen_dots_record(lives, &intent.dots),
    });
    PendingRecord { create, touched, intent }.encode_to_vec()
}

/// The pending row of these columns and bytes.
pub fn read_pending(
    lives: &Lives,
    entry: EntryId,
    order: u64,
    bytes: &[u8],
) -> Result<PendingRow, ReadError> {
    let record = PendingRecord::decode(bytes)?;
    let read = |record: &DotRecord| dot(lives, record.life, record.counter);
    Ok(PendingRow {
        entry,
        order,
        create: record.create.as_ref().map(read).transpose()?,
        touched: record.touched.iter().map(read).collect::<Result<_, _>>()?,
        intent: record.intent.map(|intent| read_intent(lives, intent)).transpose()?,
    })
}

fn read_intent(lives: &Lives, record: IntentRecord) -> Result<Intent, ReadError> {
    Ok(Intent {
        parent: EntryId(record.parent.try_into().map_err(|_| broken("an entry id"))?),
        name: Name::new(&record.name).map_err(|_| broken("a name"))?,
        content: record.content.map(|content| content_of(content, None)).transpose()?,
        dots: read_seen_dots(lives, record.dots)?,
    })
}

#[cfg(test)]
mod tests;
