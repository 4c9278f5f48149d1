//! The best rung: one fanotify mark on the whole filesystem (fanotify(7), Linux 5.17 for names and
//! renames), filtered down to the folder.
//!
//! Not per directory and not per mount. FAN_MODIFY is not in the mask: it would tax every database
//! write on the filesystem (decisions A21). What this process does itself is dropped before
//! anything is looked up: its own database may lie on this filesystem. Used by [`super::Watcher`].

mod places;
mod record;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use engine::index::Handle;
use engine::path::{Name, RelPath};
use rustix::io::Errno;

use super::hint::cookie_number;
use super::{sys, Hint, Options, Touched};
use places::{Places, Where};
use record::{Place, Record};

/// What is asked of the kernel.
const MASK: u64 = libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_RENAME
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_ATTRIB
    | libc::FAN_ONDIR;
/// Bytes of one read; about 2,500 records.
const READ_BYTES: usize = 256 * 1024;

/// The fanotify group of one folder.
pub(super) struct Group {
    group: OwnedFd,
    places: Places,
    own_pid: i32,
    keep_own: bool,
    cookie_dir: Option<Box<[u8]>>,
    bytes: Vec<u8>,
}

impl Group {
    /// Marks the filesystem of `root` (not O_PATH), or says in one sentence why not.
    pub(super) fn open(root: OwnedFd, options: Options) -> Result<Group, String> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_REPORT_DFID_NAME_TARGET
            | libc::FAN_NONBLOCK
            | libc::FAN_CLOEXEC;
        let unlimited = if options.small_queue { 0 } else { libc::FAN_UNLIMITED_QUEUE };
        let group = match sys::fanotify_init(flags | unlimited) {
            // Without CAP_SYS_ADMIN the queue is bounded; a mark may still be allowed.
            Err(Errno::PERM) if unlimited != 0 => sys::fanotify_init(flags),
            other => other,
        };
        let group = group.map_err(|errno| explain("fanotify_init", errno))?;
        sys::mark_filesystem(group.as_fd(), root.as_fd(), MASK)
            .map_err(|errno| explain("fanotify_mark", errno))?;
        let own_pid = rustix::process::getpid().as_raw_nonzero().get();
        Ok(Group {
            group,
            places: Places::open(root)?,
            own_pid,
            keep_own: options.keep_own,
            cookie_dir: None,
            bytes: vec![0; READ_BYTES],
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    pub(super) fn keeps_own(&self) -> bool {
        self.keep_own
    }

    /// See [`super::Watcher::watch_cookies`].
    pub(super) fn watch_cookies(&mut self, dir: BorrowedFd<'_>) -> Result<(), Errno> {
        let (ours, theirs) = (rustix::fs::fstatfs(self.places.root())?, rustix::fs::fstatfs(dir)?);
        let devices = (rustix::fs::fstat(self.places.root())?, rustix::fs::fstat(dir)?);
        if ours.f_type != theirs.f_type || devices.0.st_dev != devices.1.st_dev {
            return Err(Errno::XDEV);
        }
        self.cookie_dir = Some(sys::handle_of(dir)?);
        Ok(())
    }

    /// Reads one batch if there is one; how many records it had.
    pub(super) fn read(&mut self, hints: &mut Vec<Hint>) -> Result<usize, Errno> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let read = rustix::io::read(&self.group, &mut *bytes);
        let records = match read {
            Ok(length) => self.take_all(&bytes[..length], hints),
            Err(_) => 0,
        };
        self.bytes = bytes;
        match read {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(records),
            Err(errno) => Err(errno),
        }
    }

    fn take_all(&mut self, bytes: &[u8], hints: &mut Vec<Hint>) -> usize {
        let mut count = 0;
        for record in record::records(bytes) {
            count += 1;
            // What cannot be read or resolved (no descriptors, no memory) may be ours: say so.
            let taken = record.map_err(|_| Errno::INVAL).and_then(|r| self.take(&r, hints));
            if taken.is_err() {
                self.places.forget();
                hints.push(Hint::Lost);
            }
        }
        count
    }

    fn take(&mut self, record: &Record<'_>, hints: &mut Vec<Hint>) -> Result<(), Errno> {
        if record.mask & libc::FAN_Q_OVERFLOW != 0 {
            self.places.forget();
            hints.push(Hint::Lost);
            return Ok(());
        }
        let own = record.pid == self.own_pid;
        let directory_moved = record.mask & libc::FAN_RENAME != 0 && is_directory(record);
        if own && directory_moved {
            self.places.forget();
        }
        if let Some(cookie) = self.cookie(record) {
            hints.push(Hint::Cookie(cookie));
        }
        if own && !self.keep_own {
            return Ok(());
        }
        let before = hints.len();
        if let Some(place) = record.at {
            self.hint(place, touched(record), hints)?;
            hints.extend(hints.last().and_then(|hint| inode(record, hint)));
        }
        let directory = touched_kind(record);
        if let Some(place) = record.old {
            self.hint(place, Touched::MOVED_FROM | directory, hints)?;
        }
        if let Some(place) = record.new {
            self.hint(place, Touched::MOVED_TO | directory, hints)?;
        }
        // A move between two places outside of our tree changes no path inside of it.
        if directory_moved && hints.len() > before {
            self.places.forget();
        }
        Ok(())
    }

    fn hint(
        &mut self,
        place: Place<'_>,
        what: Touched,
        hints: &mut Vec<Hint>,
    ) -> Result<(), Errno> {
        let dir = match self.places.find(place.handle)? {
            Where::Outside => return Ok(()),
            Where::Below(top) => {
                hints.push(Hint::Tree(top));
                return Ok(());
            }
            Where::Inside(dir) => dir,
        };
        if place.name == b"." {
            hints.push(itself(dir, what));
            return Ok(());
        }
        // The kernel gives no other names; one that is none cannot be in a tree of ours.
        let Ok(name) = Name::new(place.name) else { return Ok(()) };
        let arrived = what.intersects(Touched::CREATED | Touched::MOVED_TO);
        let tree = (arrived && what.contains(Touched::DIRECTORY)).then(|| dir.join(name.clone()));
        hints.push(Hint::Name { dir, name, what });
        hints.extend(tree.map(Hint::Tree));
        Ok(())
    }

    fn cookie(&self, record: &Record<'_>) -> Option<u64> {
        let (dir, place) = (self.cookie_dir.as_ref()?, record.at?);
        if record.mask & libc::FAN_CREATE == 0 || **dir != *place.handle {
            return None;
        }
        cookie_number(place.name)
    }
}

/// A directory that was touched itself: a name in its parent, except for the root.
fn itself(dir: RelPath, what: Touched) -> Hint {
    match (dir.parent(), dir.name()) {
        (Some(parent), Some(name)) => Hint::Name { dir: parent, name: name.clone(), what },
        _ => Hint::Root(what),
    }
}

/// Which file was changed through the name that is hinted.
fn inode(record: &Record<'_>, hint: &Hint) -> Option<Hint> {
    let is_change = record.mask & (libc::FAN_ATTRIB | libc::FAN_CLOSE_WRITE) != 0;
    let (Hint::Name { dir, name, .. }, true) = (hint, is_change && !is_directory(record)) else {
        return None;
    };
    Some(Hint::Inode { path: dir.join(name.clone()), handle: Handle(record.inode?.into()) })
}

fn is_directory(record: &Record<'_>) -> bool {
    record.mask & libc::FAN_ONDIR != 0
}

fn touched_kind(record: &Record<'_>) -> Touched {
    if is_directory(record) {
        Touched::DIRECTORY
    } else {
        Touched::empty()
    }
}

fn touched(record: &Record<'_>) -> Touched {
    let bits = [
        (libc::FAN_CREATE, Touched::CREATED),
        (libc::FAN_DELETE, Touched::DELETED),
        (libc::FAN_CLOSE_WRITE, Touched::CLOSED),
        (libc::FAN_ATTRIB, Touched::ATTRIBUTES),
    ];
    let set = bits.into_iter().filter(|(bit, _)| record.mask & bit != 0);
    let what = set.fold(touched_kind(record), |what, (_, bit)| what | bit);
    let closed = what.intersects(Touched::CLOSED | Touched::DIRECTORY);
    if what.contains(Touched::CREATED) && !closed {
        return what | Touched::MAYBE_OPEN;
    }
    what
}

fn explain(call: &str, errno: Errno) -> String {
    let why = match errno {
        Errno::PERM => {
            "EPERM: it needs CAP_SYS_ADMIN in the filesystem's user namespace; \
                        run as root or grant it"
        }
        Errno::OPNOTSUPP => {
            "EOPNOTSUPP: this filesystem (overlayfs, most FUSE and network \
                             filesystems) has no file handles; put the folder on a disk \
                             filesystem or a volume"
        }
        Errno::XDEV => {
            "EXDEV: the folder is on a btrfs subvolume; only its top level can be marked"
        }
        Errno::NODEV => "ENODEV: this filesystem has no identity (fsid)",
        Errno::INVAL => "EINVAL: the kernel is older than 5.17",
        Errno::NOSYS => "ENOSYS: the kernel, or a seccomp filter, has no fanotify",
        Errno::MFILE => "EMFILE: too many groups; raise sysctl fs.fanotify.max_user_groups",
        Errno::NOSPC => "ENOSPC: too many marks; raise sysctl fs.fanotify.max_user_marks",
        other => return format!("{call} failed: {other}"),
    };
    format!("{call} was refused, {why}")
}
