//! Entries as protobuf: the envelope is rebuilt, the values travel as they were minted.

use super::value::{array, read_dot, write_dot, WireDot};
use super::{Minted, WireError};
use crate::content::Content;
use crate::entry::{Data, Entry, EntryId, Kind, Opaque, ROOT};
use crate::limits::{OTHER_REGISTERS_MAX, SIBLINGS_MAX};
use crate::register::{Register, Version};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct WireVersion {
    #[prost(message, optional, tag = "1")]
    dot: Option<WireDot>,
    #[prost(bytes = "vec", tag = "2")]
    minted: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireRegister {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(message, repeated, tag = "2")]
    versions: Vec<WireVersion>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WireEntry {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(message, repeated, tag = "3")]
    registers: Vec<WireRegister>,
}

const LOC: u32 = 1;
const DATA: u32 = 2;
const TIMES: u32 = 3;
const MODE: u32 = 4;
const OWNER: u32 = 5;
const XATTR: u32 = 6;

fn write_register<T: Clone>(number: u32, register: &Register<T>) -> Option<WireRegister> {
    let versions = register.versions().iter();
    let versions: Vec<_> = versions
        .map(|v| WireVersion { dot: Some(write_dot(v.dot)), minted: v.minted.to_vec() })
        .collect();
    (!versions.is_empty()).then_some(WireRegister { number, versions })
}

fn read_register<T: Minted + Clone>(wire: WireRegister) -> Result<Register<T>, WireError> {
    if wire.versions.len() > SIBLINGS_MAX {
        return Err(WireError("too many versions of one register"));
    }
    let mut register = Register::default();
    for version in wire.versions {
        let dot = read_dot(version.dot.as_ref().ok_or(WireError("a version without a dot"))?)?;
        let value = T::read(&version.minted)?;
        register.insert(Version { dot, value, minted: version.minted.into() });
    }
    Ok(register)
}

pub(super) fn write(entry: &Entry) -> WireEntry {
    let known = [
        write_register(LOC, &entry.loc),
        write_register(DATA, &entry.data),
        write_register(TIMES, &entry.times),
        write_register(MODE, &entry.mode),
        write_register(OWNER, &entry.owner),
        write_register(XATTR, &entry.xattr),
    ];
    let other = entry.other.iter().map(|(&number, register)| write_register(number, register));
    let registers = known.into_iter().chain(other).flatten().collect();
    WireEntry { id: entry.id.0.to_vec(), kind: entry.kind as u32, registers }
}

pub(super) fn read(wire: WireEntry) -> Result<Entry, WireError> {
    let kind = match wire.kind {
        1 => Kind::Dir,
        2 => Kind::File,
        3 => Kind::Symlink,
        _ => return Err(WireError("an unknown kind of entry")),
    };
    let mut entry = Entry::new(EntryId(array(&wire.id)?), kind);
    for register in wire.registers {
        match register.number {
            LOC => entry.loc = read_register(register)?,
            DATA => entry.data = read_register(register)?,
            TIMES => entry.times = read_register(register)?,
            MODE => entry.mode = read_register(register)?,
            OWNER => entry.owner = read_register(register)?,
            XATTR => entry.xattr = read_register(register)?,
            0 => return Err(WireError("a register without a number")),
            number if entry.other.len() < OTHER_REGISTERS_MAX => {
                entry.other.insert(number, read_register::<Opaque>(register)?);
            }
            _ => return Err(WireError("too many unknown registers")),
        }
    }
    check(&entry)?;
    Ok(entry)
}

/// What no honest node says: a root that is somewhere, a file with a symlink's content, and so on.
fn check(entry: &Entry) -> Result<(), WireError> {
    let is_root = entry.id == ROOT;
    if is_root && (!entry.loc.is_empty() || entry.kind != Kind::Dir) {
        return Err(WireError("a root that lies in another directory"));
    }
    let fits = |content: &Content| {
        matches!(
            (entry.kind, content),
            (Kind::File, Content::File(..)) | (Kind::Symlink, Content::Link(_))
        )
    };
    if !entry.data.versions().iter().all(|v| fits(&v.value.content)) {
        return Err(WireError("content of another kind than its entry"));
    }
    let is_body = |data: &Data| data.body == Some(entry.id);
    if entry.data.versions().iter().any(|v| is_body(&v.value)) {
        return Err(WireError("a file that is one name of itself"));
    }
    if !entry.lost_names().is_empty() {
        return Err(WireError("one name of several without a place, or of no file"));
    }
    if entry.loc.versions().iter().any(|v| v.value.parent == entry.id) {
        return Err(WireError("a directory that lies in itself"));
    }
    Ok(())
}

/// How many bytes the entry takes in a frame; beyond `limits::ENTRY_BYTES_MAX` it cannot travel.
pub fn entry_bytes(entry: &Entry) -> usize {
    write(entry).encoded_len()
}
