//! `trait Fs`: the few dozen filesystem calls this program makes, all relative to an open
//! directory.
//!
//! Not a general filesystem layer: there is no call that takes a whole path, follows a symlink or
//! destroys what lies under a name in a user's tree. [`crate::linux::Linux`] is the real one; the
//! simulator brings a model, tests wrap either to inject faults. `fs_suite` states what every
//! implementation must hold to. Called by `root`, `scan`, `hash`, `stage`, `apply`, `trash`,
//! `serve`.
//!
//! Errors are `io::Error` with the kernel's number in `raw_os_error`; nothing is retried here
//! except an interrupted call.

use engine::entry::{Kind, Owner, Timestamp, Xattrs};
use engine::index::{Attributes, Fingerprint, Handle};
use engine::observe::Present;
use engine::path::{Name, RelPath};
use std::io;

/// Extended attributes whose names start so are our own marks: never listed, never synchronised.
pub const OWN_XATTR_PREFIX: &[u8] = b"user.syncline.";

/// What kind of thing a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe: not synchronised.
    Fifo,
    /// A socket: not synchronised.
    Socket,
    /// A block or character device: not synchronised.
    Device,
}

impl FileKind {
    /// The kind of entry it is, if it is one that folders hold.
    pub fn entry(self) -> Option<Kind> {
        match self {
            FileKind::Dir => Some(Kind::Dir),
            FileKind::File => Some(Kind::File),
            FileKind::Symlink => Some(Kind::Symlink),
            FileKind::Fifo | FileKind::Socket | FileKind::Device => None,
        }
    }
}

/// One look at an inode: statx(2) and name_to_handle_at(2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Which inode, for ever; of inode number and birth time where the filesystem has no handles.
    pub handle: Handle,
    /// Length in bytes, as the kernel says it (for directories some number of its own).
    pub size: u64,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of anything.
    pub ctime: Timestamp,
    /// The twelve permission bits.
    pub mode: u16,
    /// Owner and group.
    pub owner: Owner,
    /// How many names it has.
    pub links: u32,
    /// Inode number: reused at once by some filesystems, so for people and /proc only.
    pub inode: u64,
    /// Device number: lies on overlayfs and btrfs; mounts are told apart by `mount`.
    pub device: u64,
    /// Which mount it was reached through.
    pub mount: u64,
}

impl Stat {
    /// What D remembers of it; the size of a directory counts as 0.
    pub fn fingerprint(&self) -> Fingerprint {
        let size = if self.kind == FileKind::Dir { 0 } else { self.size };
        let (mtime, ctime) = (self.mtime, self.ctime);
        Fingerprint { handle: self.handle.clone(), size, mtime, ctime }
    }

    /// Its attributes, with extended attributes read apart. A symlink's mode counts as 0o777.
    pub fn attributes(&self, xattrs: Xattrs) -> Attributes {
        let mode = if self.kind == FileKind::Symlink { 0o777 } else { self.mode };
        Attributes { mtime: self.mtime, mode, owner: self.owner, xattrs }
    }
}

/// What a lease probe says of a file (fcntl(2) F_SETLEASE; taken and given back at once).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// Nobody has it open for writing or mapped shared and writable.
    Free,
    /// Somebody has.
    Held,
    /// This filesystem, or our rights, cannot tell.
    Unsupported,
}

/// What an attribute call works on. Never a path: an open file, an open directory, or a symlink by
/// its name in an open directory, not followed.
pub enum On<'a, F: Fs + ?Sized> {
    /// An open file.
    File(&'a F::File),
    /// An open directory.
    Dir(&'a F::Dir),
    /// A symlink.
    Link(&'a F::Dir, &'a Name),
}

impl<F: Fs + ?Sized> Clone for On<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Fs + ?Sized> Copy for On<'_, F> {}

/// The filesystem a directory lies on (statfs(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Its magic number.
    pub magic: u64,
    /// Its id, stable while it is mounted, mostly also beyond.
    pub id: [u8; 8],
    /// Bytes that we could still write.
    pub free_bytes: u64,
    /// Bytes it has in all.
    pub total_bytes: u64,
}

/// Whether the filesystem says that it cannot do this kind of rename at all.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}

/// See the module's head. `Dir` is cheap to clone and stays open while any clone lives.
pub trait Fs: Send + Sync + 'static {
    /// An open directory.
    type Dir: Clone + Send + Sync + 'static;
    /// An open regular file.
    type File: Send + Sync + 'static;

    /// Opens the directory at `path` beneath `base`. ELOOP or ENOTDIR where a symlink or a file is
    /// in the way, EXDEV where a mount point is.
    fn open_dir(&self, base: &Self::Dir, path: &RelPath) -> io::Result<Self::Dir>;
    /// Opens the directory called `name` in `dir`; errors as [`Fs::open_dir`].
    fn open_child(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::Dir>;
    /// Calls `each` with every name in `dir` and its kind if listing tells it, in no order. Returns
    /// how many names were left out because they are longer than [`engine::path::NAME_BYTES_MAX`].
    fn list(
        &self,
        dir: &Self::Dir,
        each: &mut dyn FnMut(Name, Option<FileKind>),
    ) -> io::Result<u64>;

    /// Looks at `name` in `dir`, following nothing; ENOENT where nothing is. On a name that changes
    /// hands during the call, handle and rest may be of two inodes: certify through an open file.
    fn stat(&self, dir: &Self::Dir, name: &Name) -> io::Result<Stat>;
    /// Looks at an open file.
    fn stat_file(&self, file: &Self::File) -> io::Result<Stat>;
    /// Looks at an open directory.
    fn stat_dir(&self, dir: &Self::Dir) -> io::Result<Stat>;

    /// Opens a regular file for reading, leaving its atime alone where that is allowed. ELOOP for a
    /// symlink, EISDIR for a directory, EINVAL for anything else that is no regular file.
    fn open_file(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File>;
    /// Makes a new file, 0600, open for reading and writing; EEXIST where anything is.
    fn create(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File>;
    /// Opens a file of ours for reading and writing: only in our own directories.
    fn open_own(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File>;
    /// Reads at `offset`; 0 at the end.
    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Asks for room for `size` bytes without changing the length; a hint, ENOSPC is its only
    /// error.
    fn preallocate(&self, file: &Self::File, size: u64) -> io::Result<()>;
    /// Copies the first `size` bytes of `from` into the empty `to`, sharing blocks where possible.
    /// Returns how many there were.
    fn copy(&self, from: &Self::File, to: &Self::File, size: u64) -> io::Result<u64>;

    /// Starts writing a range back to the disk without waiting; a hint.
    fn start_write_back(&self, file: &Self::File, offset: u64, length: u64);
    /// Makes a file's content durable.
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;
    /// Makes a directory's names durable.
    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()>;
    /// Makes everything on the filesystem of `dir` durable.
    fn sync_volume(&self, dir: &Self::Dir) -> io::Result<()>;

    /// Renames to a name that is free; EEXIST where anything is.
    fn rename_new(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()>;
    /// Swaps two names of any kinds in one step; EINVAL or ENOSYS where this cannot be done.
    fn exchange(&self, a: (&Self::Dir, &Name), b: (&Self::Dir, &Name)) -> io::Result<()>;
    /// Renames over whatever is there: the target is in one of our own directories, or its inode
    /// has another name that keeps it (the ladder of `apply`).
    fn rename_over(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()>;
    /// Renames into one of our own directories, where nobody else makes names, to a name that is
    /// free; EEXIST where anything is. Works where the kernel cannot look before it renames.
    fn rename_in(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()> {
        match self.rename_new(from, to) {
            Err(error) if is_unsupported(&error) => {}
            other => return other,
        }
        match self.stat(to.0, to.1) {
            Ok(_) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => self.rename_over(from, to),
            Err(error) => Err(error),
        }
    }
    /// Gives an inode a second name that is free; EEXIST where anything is.
    fn link(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()>;
    /// Makes a directory, 0700; EEXIST where anything is.
    fn make_dir(&self, dir: &Self::Dir, name: &Name) -> io::Result<()>;
    /// Removes an empty directory; ENOTEMPTY otherwise.
    fn remove_dir(&self, dir: &Self::Dir, name: &Name) -> io::Result<()>;
    /// Removes a file or symlink: only in our own directories.
    fn remove_own(&self, dir: &Self::Dir, name: &Name) -> io::Result<()>;
    /// Makes a symlink; EEXIST where anything is.
    fn make_link(&self, dir: &Self::Dir, name: &Name, target: &[u8]) -> io::Result<()>;
    /// The target of a symlink; EINVAL where something else is.
    fn read_link(&self, dir: &Self::Dir, name: &Name) -> io::Result<Vec<u8>>;

    /// Sets owner and group; EPERM without the right. Clears suid and sgid, so it goes before mode.
    fn set_owner(&self, on: On<'_, Self>, owner: Owner) -> io::Result<()>;
    /// Sets the twelve permission bits; does nothing to a symlink.
    fn set_mode(&self, on: On<'_, Self>, mode: u16) -> io::Result<()>;
    /// Sets the modification time to the nanosecond and leaves atime alone.
    fn set_mtime(&self, on: On<'_, Self>, mtime: Timestamp) -> io::Result<()>;
    /// The extended attributes that are synchronised: `user.*` but our own, and POSIX ACLs. None
    /// for symlinks and where the filesystem has none. At most `XATTR_BYTES_MAX` together, E2BIG
    /// beyond.
    fn xattrs(&self, on: On<'_, Self>) -> io::Result<Xattrs>;
    /// One extended attribute by its full name, ours too.
    fn xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<Option<Vec<u8>>>;
    /// Sets one extended attribute.
    fn set_xattr(&self, on: On<'_, Self>, name: &[u8], value: &[u8]) -> io::Result<()>;
    /// Removes one extended attribute, there or not.
    fn remove_xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<()>;

    /// Whether anybody has the file open for writing, or mapped writable.
    fn probe(&self, file: &Self::File) -> Lease;
    /// Who has the file open for writing, for a person to read; best effort and bounded.
    fn writer(&self, file: &Self::File) -> Option<String>;
    /// The filesystem a directory lies on.
    fn volume(&self, dir: &Self::Dir) -> io::Result<Volume>;

    /// The wall clock, in milliseconds since 1970: a label for what is retired, never an order.
    fn unix_ms(&self) -> u64;
    /// Lets other programs run for this many milliseconds (at most 50 in a row).
    fn pause(&self, ms: u64);
}

/// A look at an open directory itself.
pub fn look_at_dir<F: Fs>(fs: &F, dir: &F::Dir) -> io::Result<Present> {
    let stat = fs.stat_dir(dir)?;
    let xattrs = fs.xattrs(On::Dir(dir))?;
    Ok(Present {
        kind: Kind::Dir,
        fingerprint: stat.fingerprint(),
        attributes: stat.attributes(xattrs),
        content: None,
        soft: false,
        zeros: false,
        alone: false,
    })
}
