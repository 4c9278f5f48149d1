//! Register values as protobuf.

use super::{Minted, WireError};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, EntryId, Hlc, Location, Opaque, Owner, Presence, Rank, Sight, Stamp, Stamped, Timestamp,
    Xattrs, DATA_BASE_MAX, LINK_BYTES_MAX, XATTR_BYTES_MAX,
};
use crate::limits::DOT_ENTRIES_MAX;
use crate::path::Name;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct WireDot {
    #[prost(bytes = "vec", tag = "1")]
    incarnation: Vec<u8>,
    #[prost(uint64, tag = "2")]
    counter: u64,
}

#[derive(Clone, PartialEq, Message)]
struct WireStamp {
    #[prost(uint32, tag = "1")]
    rank: u32,
    #[prost(fixed64, tag = "2")]
    hlc: u64,
    #[prost(message, optional, tag = "3")]
    dot: Option<WireDot>,
}

#[derive(Clone, PartialEq, Message)]
struct WireLocation {
    #[prost(bytes = "vec", tag = "1")]
    parent: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    name: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    stamp: Option<WireStamp>,
    /// 0 present, 1 deleted as seen live, 2 deleted as inferred.
    #[prost(uint32, tag = "4")]
    state: u32,
    #[prost(bytes = "vec", tag = "5")]
    previous_parent: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    previous_name: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireData {
    #[prost(bytes = "vec", tag = "1")]
    digest: Vec<u8>,
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(bytes = "vec", tag = "3")]
    target: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    stamp: Option<WireStamp>,
    #[prost(message, repeated, tag = "5")]
    base: Vec<WireDot>,
    #[prost(bytes = "vec", tag = "6")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireXattr {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// All attribute values share one shape; each register uses its own fields.
#[derive(Clone, PartialEq, Message)]
struct WireAttribute {
    #[prost(message, optional, tag = "1")]
    stamp: Option<WireStamp>,
    #[prost(sint64, tag = "2")]
    seconds: i64,
    #[prost(uint32, tag = "3")]
    nanos: u32,
    #[prost(uint32, tag = "4")]
    mode: u32,
    #[prost(uint32, tag = "5")]
    uid: u32,
    #[prost(uint32, tag = "6")]
    gid: u32,
    #[prost(message, repeated, tag = "7")]
    xattrs: Vec<WireXattr>,
}

/// What every value may carry besides: which other entries its operation wrote.
#[derive(Clone, PartialEq, Message)]
struct WireOthers {
    #[prost(bytes = "vec", tag = "15")]
    ids: Vec<u8>,
}

/// A minted value with a note of which other entries its operation wrote. A later note counts.
pub fn with_others(minted: &[u8], others: &[EntryId]) -> Vec<u8> {
    let ids = others.iter().flat_map(|id| id.0).collect();
    [minted, &WireOthers { ids }.encode_to_vec()].concat()
}

/// Which other entries the operation of a minted value wrote, as far as it says so.
pub fn others(minted: &[u8]) -> Vec<EntryId> {
    let noted = WireOthers::decode(minted).unwrap_or_default();
    let ids = noted.ids.chunks_exact(16).take(DOT_ENTRIES_MAX);
    ids.filter_map(|id| Some(EntryId(id.try_into().ok()?))).collect()
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError("an id of the wrong length"))
}

pub(super) fn write_dot(dot: Dot) -> WireDot {
    WireDot { incarnation: dot.incarnation.0.to_vec(), counter: dot.counter }
}

pub(super) fn read_dot(dot: &WireDot) -> Result<Dot, WireError> {
    if dot.counter == 0 {
        return Err(WireError("a dot counts from 1"));
    }
    Ok(Dot { incarnation: Incarnation(array(&dot.incarnation)?), counter: dot.counter })
}

fn write_stamp(stamp: &Stamp) -> Option<WireStamp> {
    let dot = Some(write_dot(stamp.dot));
    Some(WireStamp { rank: stamp.rank as u32, hlc: stamp.hlc.0, dot })
}

fn read_stamp(stamp: Option<&WireStamp>) -> Result<Stamp, WireError> {
    let stamp = stamp.ok_or(WireError("a value without a stamp"))?;
    let rank = match stamp.rank {
        0 => Rank::Import,
        1 => Rank::Write,
        2 => Rank::Preferred,
        _ => return Err(WireError("an unknown rank")),
    };
    let dot = stamp.dot.as_ref().ok_or(WireError("a stamp without a dot"))?;
    Ok(Stamp { rank, hlc: Hlc(stamp.hlc), dot: read_dot(dot)? })
}

fn read_name(bytes: &[u8]) -> Result<Name, WireError> {
    Name::new(bytes).map_err(|_| WireError("a name that no directory can hold"))
}

fn parse<M: Message + Default>(bytes: &[u8]) -> Result<M, WireError> {
    M::decode(bytes).map_err(|_| WireError("a value that is not protobuf"))
}

impl Minted for Location {
    fn mint(&self) -> Vec<u8> {
        let (state, previous) = match &self.state {
            Presence::At(previous) => (0, previous.clone()),
            Presence::Deleted(Sight::Live) => (1, None),
            Presence::Deleted(Sight::Inferred) => (2, None),
        };
        let (previous_parent, previous_name) = previous
            .map_or((Vec::new(), Vec::new()), |(p, n)| (p.0.to_vec(), n.as_bytes().to_vec()));
        WireLocation {
            parent: self.parent.0.to_vec(),
            name: self.name.as_bytes().to_vec(),
            stamp: write_stamp(&self.stamp),
            state,
            previous_parent,
            previous_name,
        }
        .encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Location, WireError> {
        let wire: WireLocation = parse(bytes)?;
        let state = match wire.state {
            0 if wire.previous_name.is_empty() => Presence::At(None),
            0 => {
                let parent = EntryId(array(&wire.previous_parent)?);
                Presence::At(Some((parent, read_name(&wire.previous_name)?)))
            }
            1 => Presence::Deleted(Sight::Live),
            2 => Presence::Deleted(Sight::Inferred),
            _ => return Err(WireError("an unknown kind of presence")),
        };
        Ok(Location {
            parent: EntryId(array(&wire.parent)?),
            name: read_name(&wire.name)?,
            stamp: read_stamp(wire.stamp.as_ref())?,
            state,
        })
    }
}

impl Minted for Data {
    fn mint(&self) -> Vec<u8> {
        let (digest, size, target) = match &self.content {
            Content::File(digest, size) => (digest.0.to_vec(), *size, Vec::new()),
            Content::Link(target) => (Vec::new(), 0, target.to_vec()),
        };
        let base = self.base.iter().map(|&dot| write_dot(dot)).collect();
        let stamp = write_stamp(&self.stamp);
        let body = self.body.map_or(Vec::new(), |body| body.0.to_vec());
        WireData { digest, size, target, stamp, base, body }.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Data, WireError> {
        let wire: WireData = parse(bytes)?;
        let content = if wire.digest.is_empty() {
            let target = wire.target.as_slice();
            if target.is_empty() || target.len() > LINK_BYTES_MAX || target.contains(&0) {
                return Err(WireError("a symlink target that no symlink can hold"));
            }
            Content::Link(target.into())
        } else {
            Content::File(Digest(array(&wire.digest)?), wire.size)
        };
        if wire.base.len() > DATA_BASE_MAX {
            return Err(WireError("too many replaced versions named"));
        }
        let base = wire.base.iter().map(read_dot).collect::<Result<_, _>>()?;
        let body = match wire.body.is_empty() {
            true => None,
            false => Some(EntryId(array(&wire.body)?)),
        };
        Ok(Data { content, stamp: read_stamp(wire.stamp.as_ref())?, base, body })
    }
}

fn read_attribute(bytes: &[u8]) -> Result<(WireAttribute, Stamp), WireError> {
    let wire: WireAttribute = parse(bytes)?;
    let stamp = read_stamp(wire.stamp.as_ref())?;
    Ok((wire, stamp))
}

impl Minted for Stamped<Timestamp> {
    fn mint(&self) -> Vec<u8> {
        let (stamp, time) = (write_stamp(&self.stamp), self.value);
        let (seconds, nanos) = (time.seconds, time.nanos);
        WireAttribute { stamp, seconds, nanos, ..Default::default() }.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (wire, stamp) = read_attribute(bytes)?;
        if wire.nanos >= 1_000_000_000 {
            return Err(WireError("nanoseconds beyond a second"));
        }
        Ok(Stamped { stamp, value: Timestamp { seconds: wire.seconds, nanos: wire.nanos } })
    }
}

impl Minted for Stamped<u16> {
    fn mint(&self) -> Vec<u8> {
        let (stamp, mode) = (write_stamp(&self.stamp), u32::from(self.value));
        WireAttribute { stamp, mode, ..Default::default() }.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (wire, stamp) = read_attribute(bytes)?;
        let mode = u16::try_from(wire.mode).ok().filter(|mode| *mode <= 0o7777);
        Ok(Stamped { stamp, value: mode.ok_or(WireError("more than twelve mode bits"))? })
    }
}

impl Minted for Stamped<Owner> {
    fn mint(&self) -> Vec<u8> {
        let (stamp, Owner { uid, gid }) = (write_stamp(&self.stamp), self.value);
        WireAttribute { stamp, uid, gid, ..Default::default() }.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (wire, stamp) = read_attribute(bytes)?;
        if wire.uid == u32::MAX || wire.gid == u32::MAX {
            return Err(WireError("an owner that chown takes for 'leave it'"));
        }
        Ok(Stamped { stamp, value: Owner { uid: wire.uid, gid: wire.gid } })
    }
}

impl Minted for Stamped<Xattrs> {
    fn mint(&self) -> Vec<u8> {
        let pairs = self.value.iter();
        let xattrs =
            pairs.map(|(name, value)| WireXattr { name: name.clone(), value: value.clone() });
        let (stamp, xattrs) = (write_stamp(&self.stamp), xattrs.collect());
        WireAttribute { stamp, xattrs, ..Default::default() }.encode_to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (wire, stamp) = read_attribute(bytes)?;
        let total: usize = wire.xattrs.iter().map(|x| x.name.len() + x.value.len()).sum();
        let bad = |x: &WireXattr| x.name.is_empty() || x.name.len() > 255 || x.name.contains(&0);
        if total > XATTR_BYTES_MAX || wire.xattrs.iter().any(bad) {
            return Err(WireError("extended attributes that no file can hold"));
        }
        let value = wire.xattrs.into_iter().map(|x| (x.name, x.value)).collect();
        Ok(Stamped { stamp, value })
    }
}

impl Minted for Opaque {
    fn mint(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(_bytes: &[u8]) -> Result<Self, WireError> {
        Ok(Opaque)
    }
}
