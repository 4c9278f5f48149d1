//! Waiting for the kernel's queue, and being told to stop.
//!
//! Not a scheduler: one thread waits here, any thread may ring. Used by [`super::Watcher`] only.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Why [`super::Watcher::next`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Records were read (their hints may be none: events of elsewhere).
    Read,
    /// The time was over.
    Timeout,
    /// The stopper was used; every later call says so, too.
    Stopped,
}

/// Ends a [`super::Watcher::next`] that waits, now or later.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Makes the watcher return [`Wake::Stopped`] from now on.
    pub fn stop(&self) {
        // The counter can only refuse when it is already far above zero, which means stopped.
        let _already_rung = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

/// The eventfd behind a [`Stopper`]; it is never read, so a stop stays.
pub(super) struct Bell(Arc<OwnedFd>);

impl Bell {
    pub(super) fn new() -> Result<Bell, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell(Arc::new(fd)))
    }

    pub(super) fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.0))
    }

    /// Waits until `fd` is readable, the bell rings or the time is over; true if it rang.
    pub(super) fn wait(
        &self,
        fd: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            let left = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let bell = PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN);
            let source = fd.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let mut fds: Vec<PollFd<'_>> = std::iter::once(bell).chain(source).collect();
            match poll(&mut fds, left.as_ref()) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => return Ok(!fds[0].revents().is_empty()),
            }
        }
    }
}
