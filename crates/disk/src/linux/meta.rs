//! Owner, mode, times and extended attributes, by descriptor or, for symlinks, without following.
//!
//! Used by `linux` only.

use super::Linux;
use crate::fs::{On, OWN_XATTR_PREFIX};
use engine::entry::{Owner, Timestamp, Xattrs, XATTR_BYTES_MAX};
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, UTIME_OMIT};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Names of all extended attributes of one inode together (XATTR_LIST_MAX, limits.h).
const LIST_BYTES_MAX: usize = 64 * 1024;

/// The descriptor of a file or directory; symlinks have none.
fn descriptor<'a>(on: On<'a, Linux>) -> Option<BorrowedFd<'a>> {
    match on {
        On::File(file) => Some(file.as_fd()),
        On::Dir(dir) => Some(dir.as_fd()),
        On::Link(..) => None,
    }
}

pub(super) fn set_owner(on: On<'_, Linux>, owner: Owner) -> Result<(), Errno> {
    // All ones means "leave it" to the kernel.
    if owner.uid == u32::MAX || owner.gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    let (uid, gid) = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
    match on {
        On::Link(dir, name) => {
            rustix::fs::chownat(dir, name.as_bytes(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        }
        On::File(file) => rustix::fs::fchown(file, uid, gid),
        On::Dir(dir) => rustix::fs::fchown(dir, uid, gid),
    }
}

pub(super) fn set_mode(on: On<'_, Linux>, mode: u16) -> Result<(), Errno> {
    match descriptor(on) {
        Some(fd) => rustix::fs::fchmod(fd, Mode::from_raw_mode(u32::from(mode) & 0o7777)),
        None => Ok(()),
    }
}

pub(super) fn set_mtime(on: On<'_, Linux>, mtime: Timestamp) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanos.into() },
    };
    match on {
        On::Link(dir, name) => {
            rustix::fs::utimensat(dir, name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)
        }
        On::File(file) => rustix::fs::futimens(file, &times),
        On::Dir(dir) => rustix::fs::futimens(dir, &times),
    }
}

/// Which names are synchronised.
fn is_ours_to_carry(name: &[u8]) -> bool {
    let user = name.starts_with(b"user.") && !name.starts_with(OWN_XATTR_PREFIX);
    user || name == b"system.posix_acl_access" || name == b"system.posix_acl_default"
}

pub(super) fn xattrs(on: On<'_, Linux>) -> Result<Xattrs, Errno> {
    let mut all = Xattrs::new();
    let Some(fd) = descriptor(on) else {
        return Ok(all);
    };
    // Almost every inode has none: one call with a small room settles that.
    let mut small = [0_u8; 256];
    let mut large = Vec::new();
    let names = match rustix::fs::flistxattr(fd, &mut small) {
        Ok(length) => &small[..length],
        Err(Errno::OPNOTSUPP) => return Ok(all),
        Err(Errno::RANGE) => {
            large.resize(LIST_BYTES_MAX, 0);
            let length = rustix::fs::flistxattr(fd, &mut large[..])?;
            &large[..length]
        }
        Err(errno) => return Err(errno),
    };
    let mut total = 0;
    for name in names.split(|&byte| byte == 0).filter(|name| is_ours_to_carry(name)) {
        let Some(value) = xattr(on, name)? else {
            continue;
        };
        total += name.len() + value.len();
        if total > XATTR_BYTES_MAX {
            return Err(Errno::TOOBIG);
        }
        all.insert(name.to_vec(), value);
    }
    Ok(all)
}

pub(super) fn xattr(on: On<'_, Linux>, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let Some(fd) = descriptor(on) else {
        return Ok(None);
    };
    let mut small = [0_u8; 512];
    match rustix::fs::fgetxattr(fd, name, &mut small) {
        Ok(length) => Ok(Some(small[..length].to_vec())),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(Errno::RANGE) => {
            let mut large = vec![0; XATTR_BYTES_MAX];
            let length = rustix::fs::fgetxattr(fd, name, &mut large[..])?;
            large.truncate(length);
            Ok(Some(large))
        }
        Err(errno) => Err(errno),
    }
}

pub(super) fn set_xattr(on: On<'_, Linux>, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    let fd = descriptor(on).ok_or(Errno::OPNOTSUPP)?;
    rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
}

pub(super) fn remove_xattr(on: On<'_, Linux>, name: &[u8]) -> Result<(), Errno> {
    let fd = descriptor(on).ok_or(Errno::OPNOTSUPP)?;
    match rustix::fs::fremovexattr(fd, name) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}
