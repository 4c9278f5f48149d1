//! The bytes that reading a fanotify group gives -> [`Record`]s, borrowed from those bytes.
//!
//! A pure function over bytes: every length in them is checked before use, nothing is allocated,
//! nothing is resolved. Layout: fanotify(7), linux/fanotify.h. Called by `super::Group` only.

use super::super::sys::{HANDLE_BYTES_MAX, HANDLE_HEADER_BYTES};

/// sizeof(struct fanotify_event_metadata).
const METADATA_BYTES: usize = 24;
/// FANOTIFY_METADATA_VERSION.
const METADATA_VERSION: u8 = 3;
/// sizeof(struct fanotify_event_info_header): u8 type, u8 pad, u16 length.
const INFO_HEADER_BYTES: usize = 4;
/// sizeof(__kernel_fsid_t), which comes before the file handle.
const FSID_BYTES: usize = 8;

/// A directory and a name in it, as the kernel names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place<'a> {
    /// A whole `struct file_handle` of the directory.
    pub(super) handle: &'a [u8],
    /// The name, without its NUL; `.` is the directory itself.
    pub(super) name: &'a [u8],
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Record<'a> {
    /// FAN_* bits.
    pub(super) mask: u64,
    /// The thread group that did it; 0 if it is in another pid namespace.
    pub(super) pid: i32,
    /// Where it happened; absent for events that know only their inode.
    pub(super) at: Option<Place<'a>>,
    /// A whole `struct file_handle` of what it happened to.
    pub(super) inode: Option<&'a [u8]>,
    /// For FAN_RENAME: from here.
    pub(super) old: Option<Place<'a>>,
    /// For FAN_RENAME: to here.
    pub(super) new: Option<Place<'a>>,
}

/// The bytes are not what this program knows: a newer kernel, or a bug. Events are lost then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// The records in `bytes`, until the end or the first malformed one (which is yielded, then none).
pub(super) fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes }
}

/// Iterator of [`records`].
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((record, rest)) = record(self.rest) else {
            self.rest = &[];
            return Some(Err(Malformed));
        };
        self.rest = rest;
        Some(Ok(record))
    }
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let event_bytes = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
    let version = *bytes.get(4)?;
    let metadata_bytes = usize::from(u16::from_ne_bytes(array(bytes, 6)?));
    if version != METADATA_VERSION || metadata_bytes < METADATA_BYTES {
        return None;
    }
    let (event, rest) = bytes.split_at_checked(event_bytes)?;
    let mut record = Record {
        mask: u64::from_ne_bytes(array(event, 8)?),
        pid: i32::from_ne_bytes(array(event, 20)?),
        ..Record::default()
    };
    let mut infos = event.get(metadata_bytes..)?;
    while !infos.is_empty() {
        let kind = *infos.first()?;
        let info_bytes = usize::from(u16::from_ne_bytes(array(infos, 2)?));
        if info_bytes < INFO_HEADER_BYTES {
            return None;
        }
        let (info, next) = infos.split_at_checked(info_bytes)?;
        match kind {
            libc::FAN_EVENT_INFO_TYPE_FID => record.inode = Some(handle(info)?.0),
            libc::FAN_EVENT_INFO_TYPE_DFID_NAME => record.at = Some(place(info)?),
            libc::FAN_EVENT_INFO_TYPE_OLD_DFID_NAME => record.old = Some(place(info)?),
            libc::FAN_EVENT_INFO_TYPE_NEW_DFID_NAME => record.new = Some(place(info)?),
            _ => {}
        }
        infos = next;
    }
    Some((record, rest))
}

/// The handle in a piece of information, and what comes after it.
fn handle(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let from_handle = info.get(INFO_HEADER_BYTES + FSID_BYTES..)?;
    let opaque_bytes = usize::try_from(u32::from_ne_bytes(array(from_handle, 0)?)).ok()?;
    if opaque_bytes > HANDLE_BYTES_MAX {
        return None;
    }
    from_handle.split_at_checked(HANDLE_HEADER_BYTES + opaque_bytes)
}

fn place(info: &[u8]) -> Option<Place<'_>> {
    let (handle, after) = handle(info)?;
    let end = after.iter().position(|&byte| byte == 0)?;
    Some(Place { handle, name: &after[..end] })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests;
