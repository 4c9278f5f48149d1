//! The system calls that no safe binding offers: fanotify_init, fanotify_mark, open_by_handle_at.
//!
//! Nothing is decided here. Used by `fanotify` only.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::linux::sys::{handle, last_errno, HandleRoom};

pub(super) use crate::linux::sys::{HANDLE_BYTES_MAX, HANDLE_HEADER_BYTES};

fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    match RawFd::try_from(result) {
        // SAFETY: the call just returned this descriptor and nobody else knows its number.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(last_errno()),
    }
}

/// fanotify_init(2).
pub(super) fn fanotify_init(flags: libc::c_uint) -> Result<OwnedFd, Errno> {
    let event_flags = libc::c_uint::try_from(libc::O_RDONLY).expect("O_RDONLY is 0");
    // SAFETY: two integers go in, a descriptor or -1 comes out.
    owned(unsafe { libc::fanotify_init(flags, event_flags) }.into())
}

/// fanotify_mark(2): adds `mask` for the whole filesystem that `dir` is on.
pub(super) fn mark_filesystem(
    group: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    mask: u64,
) -> Result<(), Errno> {
    let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
    // SAFETY: both descriptors are open for the call; the path is a static C string.
    let done = unsafe {
        libc::fanotify_mark(group.as_raw_fd(), flags, mask, dir.as_raw_fd(), c".".as_ptr())
    };
    if done == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// The handle of the open directory itself: a whole `struct file_handle`, as events carry it.
pub(super) fn handle_of(dir: BorrowedFd<'_>) -> Result<Box<[u8]>, Errno> {
    Ok(handle(dir, b"")?.0)
}

/// open_by_handle_at(2), O_PATH, on the mount that `mount` (not O_PATH itself) lies on.
/// `handle` is a whole `struct file_handle`; EINVAL if it does not hold what it says.
pub(super) fn open_by_handle(mount: BorrowedFd<'_>, handle: &[u8]) -> Result<OwnedFd, Errno> {
    let mut room = HandleRoom([0; HANDLE_HEADER_BYTES + HANDLE_BYTES_MAX]);
    let opaque = handle.len().checked_sub(HANDLE_HEADER_BYTES).ok_or(Errno::INVAL)?;
    let target = room.0.get_mut(..handle.len()).ok_or(Errno::INVAL)?;
    target.copy_from_slice(handle);
    let says = u32::from_ne_bytes([room.0[0], room.0[1], room.0[2], room.0[3]]);
    if usize::try_from(says) != Ok(opaque) {
        return Err(Errno::INVAL);
    }
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: `room` is aligned and holds at least the bytes its length says (checked above).
    owned(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), room.0.as_mut_ptr(), flags)
    })
}
