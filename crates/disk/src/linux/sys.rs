//! The system calls that no safe binding offers: name_to_handle_at, F_SETLEASE, sync_file_range,
//! signal(SIGIO).
//!
//! Nothing is decided here. Used by `linux`; of these `watch` uses what concerns handles, and has
//! its own few.

#![allow(unsafe_code)]

use crate::fs::Lease;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes of `struct file_handle` before the opaque handle: u32 length, i32 type (fcntl.h).
pub(crate) const HANDLE_HEADER_BYTES: usize = 8;
/// Longest opaque handle (MAX_HANDLE_SZ, exportfs.h).
pub(crate) const HANDLE_BYTES_MAX: usize = 128;

/// A `struct file_handle` with room for the longest handle, aligned as the kernel wants it.
#[repr(C, align(8))]
pub(crate) struct HandleRoom(pub(crate) [u8; HANDLE_HEADER_BYTES + HANDLE_BYTES_MAX]);

pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// name_to_handle_at(2) of `name` in `dir`, not followed (empty: of `dir` itself): a whole
/// `struct file_handle`, as fanotify carries it too, and the id of the mount.
pub(crate) fn handle(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(Box<[u8]>, u64), Errno> {
    let mut path = [0_u8; 256];
    path.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
    if name.len() >= path.len() {
        return Err(Errno::NAMETOOLONG);
    }
    let mut room = HandleRoom([0; HANDLE_HEADER_BYTES + HANDLE_BYTES_MAX]);
    let capacity = u32::try_from(HANDLE_BYTES_MAX).expect("128 fits");
    room.0[..4].copy_from_slice(&capacity.to_ne_bytes());
    let mut mount_id: libc::c_int = 0;
    // SAFETY: `path` ends in NUL (checked); `room` is aligned and says its true capacity; both and
    // `mount_id` outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_raw_fd(),
            path.as_ptr(),
            room.0.as_mut_ptr(),
            &raw mut mount_id,
            libc::AT_EMPTY_PATH,
        )
    };
    if done != 0 {
        return Err(last_errno());
    }
    let length = u32::from_ne_bytes([room.0[0], room.0[1], room.0[2], room.0[3]]);
    let end = usize::try_from(length).map_or(usize::MAX, |n| n.saturating_add(HANDLE_HEADER_BYTES));
    let handle = room.0.get(..end).map(Box::from).ok_or(Errno::OVERFLOW)?;
    Ok((handle, u64::from(mount_id.cast_unsigned())))
}

/// Takes a read lease and gives it back at once. Nobody waits for it, and no signal can come:
/// the kernel sends one only while the lease is held, and then SIGIO is ignored.
pub(super) fn probe(file: BorrowedFd<'_>) -> Lease {
    // SAFETY: integers only.
    let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if taken != 0 {
        let busy = last_errno() == Errno::AGAIN;
        return if busy { Lease::Held } else { Lease::Unsupported };
    }
    // SAFETY: integers only. Giving back a lease that was just taken cannot fail.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    Lease::Free
}

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: starts write-back, waits for nothing.
pub(super) fn start_write_back(file: BorrowedFd<'_>, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return;
    };
    let flags = libc::SYNC_FILE_RANGE_WRITE;
    // SAFETY: integers only; a failure leaves the work to the later sync.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
}

/// Ignores SIGIO for the whole process; call it once at start, before any other thread. A program
/// that opens a file between the two halves of a lease probe makes the kernel send one, and its
/// default action ends the process.
pub fn ignore_sigio() {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
}

/// Raises the soft limit of open files to the hard one: a batch of operations holds hundreds open.
/// Where that is refused the limit stays, and batches that meet it are tried again.
pub fn raise_descriptor_limit() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let _stays = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Has the kernel kill this process when the thread that started it ends, as it does with the whole
/// parent; false where the parent is not `parent` (any more), or the kernel cannot. Call it once at
/// start (prctl(2), PR_SET_PDEATHSIG).
pub fn end_with_parent(parent: u32) -> bool {
    use rustix::process::{getppid, set_parent_process_death_signal, Signal};
    let set = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // Looked at only now: who ended before the call above has told nobody.
    set && getppid().is_some_and(|id| u32::try_from(id.as_raw_pid()) == Ok(parent))
}
