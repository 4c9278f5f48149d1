//! Looking at an inode: statx and its file handle, or what older kernels offer instead.
//!
//! Used by `linux` only.

use super::{kind_of, sys};
use crate::fs::{FileKind, Stat, Volume};
use engine::entry::{Owner, Timestamp};
use engine::index::Handle;
use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// First byte of a handle that is inode number and birth time; real ones start with their length,
/// which is below 129.
const NO_HANDLE: u8 = 0xff;

/// Looks at `name` in `dir`, following nothing.
pub(super) fn name(dir: &OwnedFd, name: &[u8]) -> Result<Stat, Errno> {
    look(dir.as_fd(), name)
}

/// Looks at an open directory.
pub(super) fn dir(dir: &OwnedFd) -> Result<Stat, Errno> {
    look(dir.as_fd(), b"")
}

/// Looks at whatever is open.
pub(super) fn open(file: BorrowedFd<'_>) -> Result<Stat, Errno> {
    look(file, b"")
}

fn look(at: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID;
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let (mut stat, birth) = match rustix::fs::statx(at, name, flags, mask) {
        Err(Errno::NOSYS | Errno::PERM) => (from_fstatat(at, name, flags)?, None),
        other => from_statx(&other?),
    };
    match sys::handle(at, name) {
        Ok((handle, mount)) => {
            stat.handle = Handle(handle);
            if stat.mount == 0 {
                stat.mount = mount;
            }
        }
        Err(Errno::NOENT) if !name.is_empty() => return Err(Errno::NOENT),
        // No handles on this filesystem (overlayfs, FUSE), or the call is filtered.
        Err(_) => {
            let mut bytes = vec![NO_HANDLE];
            bytes.extend(stat.inode.to_ne_bytes());
            let birth = birth.unwrap_or_default();
            bytes.extend(birth.seconds.to_ne_bytes());
            bytes.extend(birth.nanos.to_ne_bytes());
            stat.handle = Handle(bytes.into());
        }
    }
    Ok(stat)
}

fn kind(raw_mode: u32) -> FileKind {
    kind_of(FileType::from_raw_mode(raw_mode)).unwrap_or(FileKind::Device)
}

fn permissions(raw_mode: u32) -> u16 {
    u16::try_from(raw_mode & 0o7777).expect("twelve bits")
}

fn from_statx(found: &rustix::fs::Statx) -> (Stat, Option<Timestamp>) {
    let time = |t: rustix::fs::StatxTimestamp| Timestamp { seconds: t.tv_sec, nanos: t.tv_nsec };
    let has = |flag: StatxFlags| found.stx_mask & flag.bits() != 0;
    let mode = u32::from(found.stx_mode);
    let stat = Stat {
        kind: kind(mode),
        handle: Handle(Box::new([])),
        size: found.stx_size,
        mtime: time(found.stx_mtime),
        ctime: time(found.stx_ctime),
        mode: permissions(mode),
        owner: Owner { uid: found.stx_uid, gid: found.stx_gid },
        links: found.stx_nlink,
        inode: found.stx_ino,
        device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        mount: if has(StatxFlags::MNT_ID) { found.stx_mnt_id } else { 0 },
    };
    (stat, has(StatxFlags::BTIME).then(|| time(found.stx_btime)))
}

fn from_fstatat(at: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> Result<Stat, Errno> {
    let found = rustix::fs::statat(at, name, flags)?;
    let nanos = |n: u64| u32::try_from(n).unwrap_or(0);
    Ok(Stat {
        kind: kind(found.st_mode),
        handle: Handle(Box::new([])),
        size: u64::try_from(found.st_size).unwrap_or(0),
        mtime: Timestamp { seconds: found.st_mtime, nanos: nanos(found.st_mtime_nsec as u64) },
        ctime: Timestamp { seconds: found.st_ctime, nanos: nanos(found.st_ctime_nsec as u64) },
        mode: permissions(found.st_mode),
        owner: Owner { uid: found.st_uid, gid: found.st_gid },
        links: u32::try_from(found.st_nlink).unwrap_or(u32::MAX),
        inode: found.st_ino,
        device: found.st_dev,
        mount: 0,
    })
}

/// The filesystem a directory lies on. Free is what we may use, root's reserve only for root.
pub(super) fn volume(dir: &OwnedFd) -> Result<Volume, Errno> {
    let raw = rustix::fs::fstatfs(dir)?;
    let counts = rustix::fs::fstatvfs(dir)?;
    Ok(Volume {
        magic: (raw.f_type as u64) & 0xffff_ffff,
        id: counts.f_fsid.to_ne_bytes(),
        free_bytes: counts.f_bavail.saturating_mul(counts.f_frsize),
        total_bytes: counts.f_blocks.saturating_mul(counts.f_frsize),
    })
}
