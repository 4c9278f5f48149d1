//! [`Fs`] on Linux: openat2 beneath the root, statx, file handles, renameat2, leases, syncfs.
//!
//! Nothing is decided here; each call is one or two system calls, with the older call where a
//! kernel or a container lacks the newer one (kernel floor 4.18). Held to its word by `fs_suite`.

mod look;
mod meta;
pub(crate) mod sys;
mod writer;

use crate::fs::{FileKind, Fs, Lease, On, Stat, Volume};
use engine::entry::{Owner, Timestamp, Xattrs};
use engine::path::{Name, RelPath};
use rustix::fs::{AtFlags, FallocateFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{retry_on_intr, Errno};
use std::fs::File as StdFile;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use sys::{end_with_parent, ignore_sigio, raise_descriptor_limit};

/// Bytes of one getdents call: a few hundred names.
const LIST_BYTES: usize = 64 * 1024;
/// Bytes of one step where only read and write can copy.
const COPY_BYTES: usize = 256 * 1024;

/// The real filesystem. Cheap; one per process is enough.
pub struct Linux {
    openat2_missing: AtomicBool,
}

impl Default for Linux {
    fn default() -> Linux {
        Linux::new()
    }
}

impl Linux {
    /// All it remembers is which calls this kernel lacks.
    pub fn new() -> Linux {
        Linux { openat2_missing: AtomicBool::new(false) }
    }

    /// Opens a directory by the path an operator wrote, symlinks and mounts followed: for a
    /// folder's root and the home only. Whatever lies below goes through [`Fs`].
    pub fn open_root(&self, path: &Path) -> io::Result<Arc<OwnedFd>> {
        Ok(Arc::new(open_at(rustix::fs::CWD, path.as_os_str(), DIR_FLAGS)?))
    }

    fn beneath(&self, base: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let flags = DIR_FLAGS | OFlags::NOFOLLOW;
        retry_on_intr(|| rustix::fs::openat2(base, path, flags, Mode::empty(), resolve))
    }
}

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn open_at<P: rustix::path::Arg + Copy>(
    dir: impl AsFd,
    path: P,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| rustix::fs::openat(dir.as_fd(), path, flags, Mode::empty()))
}

/// O_NOATIME wants ownership or a capability; reading must work without.
fn open_quietly(dir: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    match open_at(dir, name, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open_at(dir, name, flags),
        other => other,
    }
}

/// The walk where openat2 is missing: one component at a time, no symlink, no other mount.
fn walk(base: &OwnedFd, path: &RelPath) -> io::Result<OwnedFd> {
    let mount = look::dir(base)?.mount;
    let mut dir = open_at(base, c".", DIR_FLAGS)?;
    for name in path.names() {
        dir = open_at(&dir, name.as_bytes(), DIR_FLAGS | OFlags::NOFOLLOW)?;
        if look::dir(&dir)?.mount != mount {
            return Err(Errno::XDEV.into());
        }
    }
    Ok(dir)
}

fn kind_of(file_type: FileType) -> Option<FileKind> {
    match file_type {
        FileType::Directory => Some(FileKind::Dir),
        FileType::RegularFile => Some(FileKind::File),
        FileType::Symlink => Some(FileKind::Symlink),
        FileType::Fifo => Some(FileKind::Fifo),
        FileType::Socket => Some(FileKind::Socket),
        FileType::BlockDevice | FileType::CharacterDevice => Some(FileKind::Device),
        FileType::Unknown => None,
    }
}

impl Fs for Linux {
    type Dir = Arc<OwnedFd>;
    type File = StdFile;

    fn open_dir(&self, base: &Self::Dir, path: &RelPath) -> io::Result<Self::Dir> {
        if path.is_root() {
            return Ok(base.clone());
        }
        if !self.openat2_missing.load(Ordering::Relaxed) {
            match self.beneath(base, &path.to_bytes()) {
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.openat2_missing.store(true, Ordering::Relaxed);
                }
                // One path longer than PATH_MAX: the walk has no such bound.
                Err(Errno::NAMETOOLONG) => {}
                other => return Ok(Arc::new(other?)),
            }
        }
        walk(base, path).map(Arc::new)
    }

    fn open_child(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::Dir> {
        self.open_dir(dir, &RelPath::from_names(vec![name.clone()]))
    }

    fn list(
        &self,
        dir: &Self::Dir,
        each: &mut dyn FnMut(Name, Option<FileKind>),
    ) -> io::Result<u64> {
        // A descriptor of its own: the position in a directory belongs to the open file.
        let own = open_quietly(dir, b".", DIR_FLAGS)?;
        let mut buffer = vec![MaybeUninit::uninit(); LIST_BYTES];
        let mut entries = rustix::fs::RawDir::new(own, &mut buffer);
        let mut too_long = 0;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                bytes => match Name::new(bytes) {
                    Ok(name) => each(name, kind_of(entry.file_type())),
                    Err(_) => too_long += 1,
                },
            }
        }
        Ok(too_long)
    }

    fn stat(&self, dir: &Self::Dir, name: &Name) -> io::Result<Stat> {
        Ok(look::name(dir, name.as_bytes())?)
    }

    fn stat_file(&self, file: &Self::File) -> io::Result<Stat> {
        Ok(look::open(file.as_fd())?)
    }

    fn stat_dir(&self, dir: &Self::Dir) -> io::Result<Stat> {
        Ok(look::dir(dir)?)
    }

    fn open_file(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = open_quietly(dir, name.as_bytes(), flags)?;
        match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(StdFile::from(file)),
            FileType::Directory => Err(Errno::ISDIR.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn create(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = retry_on_intr(|| rustix::fs::openat(dir, name.as_bytes(), flags, mode))?;
        Ok(StdFile::from(fd))
    }

    fn open_own(&self, dir: &Self::Dir, name: &Name) -> io::Result<Self::File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(StdFile::from(open_at(dir, name.as_bytes(), flags)?))
    }

    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(file, &mut *buffer, offset))?)
    }

    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn preallocate(&self, file: &Self::File, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::KEEP_SIZE;
        match retry_on_intr(|| rustix::fs::fallocate(file, flags, 0, size)) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Err(errno.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn copy(&self, from: &Self::File, to: &Self::File, size: u64) -> io::Result<u64> {
        if rustix::fs::ioctl_ficlone(to, from).is_ok() {
            return Ok(rustix::fs::fstat(to)?.st_size.cast_unsigned().min(size));
        }
        copy_range(from, to, size)
    }

    fn start_write_back(&self, file: &Self::File, offset: u64, length: u64) {
        sys::start_write_back(file.as_fd(), offset, length);
    }

    fn sync_file(&self, file: &Self::File) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fdatasync(file))?)
    }

    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fsync(dir))?)
    }

    fn sync_volume(&self, dir: &Self::Dir) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::syncfs(dir))?)
    }

    fn rename_new(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()> {
        rename(from, to, RenameFlags::NOREPLACE)
    }

    fn exchange(&self, a: (&Self::Dir, &Name), b: (&Self::Dir, &Name)) -> io::Result<()> {
        rename(a, b, RenameFlags::EXCHANGE)
    }

    fn rename_over(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()> {
        Ok(rustix::fs::renameat(from.0, from.1.as_bytes(), to.0, to.1.as_bytes())?)
    }

    fn link(&self, from: (&Self::Dir, &Name), to: (&Self::Dir, &Name)) -> io::Result<()> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(from.0, from.1.as_bytes(), to.0, to.1.as_bytes(), flags)?)
    }

    fn make_dir(&self, dir: &Self::Dir, name: &Name) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(dir, name.as_bytes(), Mode::RWXU)?)
    }

    fn remove_dir(&self, dir: &Self::Dir, name: &Name) -> io::Result<()> {
        match rustix::fs::unlinkat(dir, name.as_bytes(), AtFlags::REMOVEDIR) {
            // Some filesystems say EEXIST, as POSIX allows.
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY.into()),
            other => Ok(other?),
        }
    }

    fn remove_own(&self, dir: &Self::Dir, name: &Name) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(dir, name.as_bytes(), AtFlags::empty())?)
    }

    fn make_link(&self, dir: &Self::Dir, name: &Name, target: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, dir, name.as_bytes())?)
    }

    fn read_link(&self, dir: &Self::Dir, name: &Name) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(dir, name.as_bytes(), Vec::new())?.into_bytes())
    }

    fn set_owner(&self, on: On<'_, Self>, owner: Owner) -> io::Result<()> {
        Ok(meta::set_owner(on, owner)?)
    }

    fn set_mode(&self, on: On<'_, Self>, mode: u16) -> io::Result<()> {
        Ok(meta::set_mode(on, mode)?)
    }

    fn set_mtime(&self, on: On<'_, Self>, mtime: Timestamp) -> io::Result<()> {
        Ok(meta::set_mtime(on, mtime)?)
    }

    fn xattrs(&self, on: On<'_, Self>) -> io::Result<Xattrs> {
        Ok(meta::xattrs(on)?)
    }

    fn xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(meta::xattr(on, name)?)
    }

    fn set_xattr(&self, on: On<'_, Self>, name: &[u8], value: &[u8]) -> io::Result<()> {
        Ok(meta::set_xattr(on, name, value)?)
    }

    fn remove_xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<()> {
        Ok(meta::remove_xattr(on, name)?)
    }

    fn probe(&self, file: &Self::File) -> Lease {
        sys::probe(file.as_fd())
    }

    fn writer(&self, file: &Self::File) -> Option<String> {
        writer::find(file)
    }

    fn volume(&self, dir: &Self::Dir) -> io::Result<Volume> {
        Ok(look::volume(dir)?)
    }

    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn pause(&self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms.min(50)));
    }
}

fn rename(
    from: (&Arc<OwnedFd>, &Name),
    to: (&Arc<OwnedFd>, &Name),
    flags: RenameFlags,
) -> io::Result<()> {
    let (old, new) = (from.1.as_bytes(), to.1.as_bytes());
    Ok(rustix::fs::renameat_with(from.0, old, to.0, new, flags)?)
}

fn copy_range(from: &StdFile, to: &StdFile, size: u64) -> io::Result<u64> {
    let mut done = 0;
    while done < size {
        let step = usize::try_from(size - done).unwrap_or(usize::MAX).min(1 << 30);
        let (mut read, mut write) = (done, done);
        let (read, write) = (Some(&mut read), Some(&mut write));
        match rustix::fs::copy_file_range(from, read, to, write, step) {
            Ok(0) => return Ok(done),
            Ok(n) => done += n as u64,
            Err(Errno::INTR) => {}
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::IO)) => return Err(errno.into()),
            Err(_) => break,
        }
    }
    let mut buffer = vec![0; COPY_BYTES];
    while done < size {
        let step = usize::try_from(size - done).unwrap_or(usize::MAX).min(COPY_BYTES);
        let n = retry_on_intr(|| rustix::io::pread(from, &mut buffer[..step], done))?;
        if n == 0 {
            break;
        }
        to.write_all_at(&buffer[..n], done)?;
        done += n as u64;
    }
    Ok(done)
}

#[cfg(test)]
pub(crate) mod tests;
