//! The second rung: one inotify watch per directory (inotify(7)).
//!
//! Needs no rights, but a walk, about 1 KiB of kernel memory per directory, and a limit that may be
//! too small. It cannot tell our own changes from those of others. Directories on other mounts are
//! not entered. Watch first, then list: what appears in between is found by one or the other, and
//! every directory that appears later is hinted as a whole tree. Used by [`super::Watcher`].

mod nodes;
mod record;

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use engine::path::{Name, RelPath};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;

use super::hint::cookie_number;
use super::{Hint, Touched};
use nodes::Nodes;
use record::Record;

/// Bytes of one read: some thousand records.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of one getdents.
const LIST_BYTES: usize = 32 * 1024;

/// The inotify instance of one folder.
pub(super) struct Tree {
    instance: OwnedFd,
    root: OwnedFd,
    root_watch: i32,
    mount: Mount,
    nodes: Nodes,
    cookie_watch: Option<i32>,
    unwatched: u64,
    bytes: Vec<u8>,
}

/// What tells one mount from another: the mount id, or before Linux 5.8 the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mount {
    id: Option<u64>,
    device: (u32, u32),
}

/// One directory of the walk: its handle, its watch (`None`: refused, everything below is only
/// counted), and the subdirectories still to enter.
struct Level {
    directory: OwnedFd,
    watch: Option<i32>,
    left: Vec<Name>,
}

impl Tree {
    /// Watches every directory below `root` (not O_PATH), or says why none can be watched.
    pub(super) fn open(root: OwnedFd) -> Result<Tree, String> {
        let instance = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .map_err(|errno| explain("inotify_init1", errno))?;
        let mount = mount_of(root.as_fd()).map_err(|errno| explain("statx", errno))?;
        let root_watch = add_watch(&instance, root.as_fd())
            .map_err(|errno| explain("inotify_add_watch", errno))?;
        let mut tree = Tree {
            instance,
            root,
            root_watch,
            mount,
            nodes: Nodes::default(),
            cookie_watch: None,
            unwatched: 0,
            bytes: vec![0; READ_BYTES],
        };
        tree.put(root_watch, None);
        tree.watch_all().map_err(|errno| explain("listing the root", errno))?;
        Ok(tree)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.instance.as_fd()
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// See [`super::Watcher::watch_cookies`].
    pub(super) fn watch_cookies(&mut self, dir: BorrowedFd<'_>) -> Result<(), Errno> {
        // Where the directory lies inside the tree, this is the watch it already has.
        let mut added = add_watch(&self.instance, dir);
        if added == Err(Errno::NOSPC) {
            // The barrier is worth more than the last directory that was watched.
            let last = self.nodes.watches().into_iter().filter(|w| *w != self.root_watch).max();
            for watch in last.map_or_else(Vec::new, |last| self.nodes.take_out(last)) {
                self.remove_watch(watch);
                self.unwatched += 1;
            }
            added = add_watch(&self.instance, dir);
        }
        self.cookie_watch = Some(added?);
        Ok(())
    }

    /// Reads one batch if there is one; how many records it had.
    pub(super) fn read(&mut self, hints: &mut Vec<Hint>) -> Result<usize, Errno> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let read = rustix::io::read(&self.instance, &mut *bytes);
        let mut count = 0;
        if let Ok(length) = read {
            for record in record::records(&bytes[..length]) {
                count += 1;
                match record {
                    Some(record) => self.take(record, hints),
                    None => self.start_again(hints),
                }
            }
        }
        self.bytes = bytes;
        match read {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(count),
            Err(errno) => Err(errno),
        }
    }

    fn take(&mut self, record: Record<'_>, hints: &mut Vec<Hint>) {
        let mask = ReadFlags::from_bits_retain(record.mask);
        if mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.start_again(hints);
            return;
        }
        if mask.contains(ReadFlags::IGNORED) {
            self.nodes.take_out(record.watch);
            return;
        }
        if Some(record.watch) == self.cookie_watch && mask.contains(ReadFlags::CREATE) {
            hints.extend(cookie_number(record.name).map(Hint::Cookie));
        }
        let Some(dir) = self.nodes.path(record.watch) else { return };
        let what = touched(mask);
        let Ok(name) = Name::new(record.name) else {
            // The directory itself: the watch of the one above reports it, except for the root.
            if dir.is_root() && what.contains(Touched::ATTRIBUTES) {
                hints.push(Hint::Root(what));
            }
            return;
        };
        let directory = what.contains(Touched::DIRECTORY);
        if directory && what.intersects(Touched::MOVED_FROM | Touched::DELETED) {
            self.drop_below(record.watch, &name);
            // Exchanged, or already made anew: what bears the name now must not go unwatched.
            self.enter_new(record.watch, &name, &dir);
        }
        let tree = dir.join(name.clone());
        hints.push(Hint::Name { dir, name: name.clone(), what });
        if directory && what.intersects(Touched::CREATED | Touched::MOVED_TO) {
            self.enter_new(record.watch, &name, &tree.parent().unwrap_or_default());
            hints.push(Hint::Tree(tree));
        }
    }

    /// A directory left its name: its watches are dropped; where it arrives it is watched anew.
    fn drop_below(&mut self, parent: i32, name: &Name) {
        let Some(watch) = self.nodes.child(parent, name) else { return };
        for watch in self.nodes.take_out(watch) {
            self.remove_watch(watch);
        }
    }

    fn remove_watch(&self, watch: i32) {
        if Some(watch) != self.cookie_watch {
            // EINVAL: the kernel dropped it with its directory.
            let _gone_already = inotify::remove_watch(&self.instance, watch);
        }
    }

    /// Watches the directory `name` in `above`, with all below it, if it is there. One that is gone
    /// again is left: its own event, or the scan of its tree, says the rest.
    fn enter_new(&mut self, parent: i32, name: &Name, above: &RelPath) {
        let Ok(above) = self.open_at(above) else { return };
        self.walk(Level { directory: above, watch: Some(parent), left: vec![name.clone()] });
    }

    fn put(&mut self, watch: i32, above: Option<(i32, Name)>) {
        for displaced in self.nodes.put(watch, above) {
            self.remove_watch(displaced);
        }
    }

    /// After an overflow any directory may be missing here or be elsewhere: walk all of it again.
    fn start_again(&mut self, hints: &mut Vec<Hint>) {
        let before = self.nodes.watches();
        self.nodes = Nodes::default();
        self.put(self.root_watch, None);
        self.unwatched = 0;
        let _scan_says = self.watch_all();
        let now: HashSet<i32> = self.nodes.watches().into_iter().collect();
        for watch in before.into_iter().filter(|watch| !now.contains(watch)) {
            self.remove_watch(watch);
        }
        hints.push(Hint::Lost);
    }

    /// Watches all directories below the root.
    fn watch_all(&mut self) -> Result<(), Errno> {
        let directory = self.open_at(&RelPath::root())?;
        let left = subdirectories(directory.as_fd())?;
        self.walk(Level { directory, watch: Some(self.root_watch), left });
        Ok(())
    }

    /// Enters and watches what is left in `top`, downwards; depth costs one open handle each.
    fn walk(&mut self, top: Level) {
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.left.pop() else {
                levels.pop();
                continue;
            };
            let parent = level.watch;
            match open_directory(level.directory.as_fd(), &name) {
                Ok(child) => levels.extend(self.enter(child, parent, &name)),
                // Not a directory, or not there any more.
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {}
                Err(_) => self.unwatched += 1,
            }
        }
    }

    /// Watches one open directory, then lists it; `None` on another mount.
    fn enter(&mut self, directory: OwnedFd, parent: Option<i32>, name: &Name) -> Option<Level> {
        if mount_of(directory.as_fd()) != Ok(self.mount) {
            return None;
        }
        let added = parent.and_then(|parent| {
            let watch = add_watch(&self.instance, directory.as_fd()).ok()?;
            self.put(watch, Some((parent, name.clone())));
            Some(watch)
        });
        let listed = subdirectories(directory.as_fd());
        if added.is_none() || listed.is_err() {
            self.unwatched += 1;
        }
        Some(Level { directory, watch: added, left: listed.ok()? })
    }

    /// Opens a directory below the root, name by name, through no symlink.
    fn open_at(&self, path: &RelPath) -> Result<OwnedFd, Errno> {
        let mut directory = self.root.try_clone().map_err(|_| Errno::MFILE)?;
        for name in path.names() {
            directory = open_directory(directory.as_fd(), name)?;
        }
        Ok(directory)
    }
}

/// inotify takes paths only; this one leads to the open directory whatever it is called by now.
fn add_watch(instance: &OwnedFd, directory: BorrowedFd<'_>) -> Result<i32, Errno> {
    let flags = WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::ATTRIB
        | WatchFlags::ONLYDIR
        | WatchFlags::EXCL_UNLINK;
    inotify::add_watch(instance, format!("/proc/self/fd/{}", directory.as_raw_fd()), flags)
}

fn open_directory(above: BorrowedFd<'_>, name: &Name) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name.as_bytes(), flags, Mode::empty())
}

fn mount_of(directory: BorrowedFd<'_>) -> Result<Mount, Errno> {
    let wanted = StatxFlags::MNT_ID | StatxFlags::BASIC_STATS;
    let status = rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, wanted)?;
    let given = StatxFlags::from_bits_retain(status.stx_mask);
    let id = given.contains(StatxFlags::MNT_ID).then_some(status.stx_mnt_id);
    Ok(Mount { id, device: (status.stx_dev_major, status.stx_dev_minor) })
}

/// The names in an open directory that may be directories.
fn subdirectories(directory: BorrowedFd<'_>) -> Result<Vec<Name>, Errno> {
    let mut names = Vec::new();
    // A handle of its own: the position in a directory belongs to the open file.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    let mut room = [MaybeUninit::uninit(); LIST_BYTES];
    let mut entries = RawDir::new(listing, &mut room);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let maybe = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
        // `.` and `..` are no names.
        if let (true, Ok(name)) = (maybe, Name::new(entry.file_name().to_bytes())) {
            names.push(name);
        }
    }
    Ok(names)
}

fn touched(mask: ReadFlags) -> Touched {
    let bits = [
        (ReadFlags::CREATE, Touched::CREATED),
        (ReadFlags::DELETE, Touched::DELETED),
        (ReadFlags::CLOSE_WRITE, Touched::CLOSED),
        (ReadFlags::ATTRIB, Touched::ATTRIBUTES),
        (ReadFlags::MOVED_FROM, Touched::MOVED_FROM),
        (ReadFlags::MOVED_TO, Touched::MOVED_TO),
        (ReadFlags::ISDIR, Touched::DIRECTORY),
    ];
    let set = bits.into_iter().filter(|(bit, _)| mask.contains(*bit));
    let what = set.fold(Touched::empty(), |what, (_, bit)| what | bit);
    if what.contains(Touched::CREATED) && !what.contains(Touched::DIRECTORY) {
        return what | Touched::MAYBE_OPEN;
    }
    what
}

fn explain(call: &str, errno: Errno) -> String {
    match errno {
        Errno::NOSPC => format!(
            "{call} was refused, ENOSPC: no inotify watch is left; \
             raise sysctl fs.inotify.max_user_watches"
        ),
        Errno::MFILE => format!(
            "{call} was refused, EMFILE: raise sysctl fs.inotify.max_user_instances or ulimit -n"
        ),
        Errno::NOENT => format!("{call} was refused, ENOENT: /proc is not mounted"),
        other => format!("{call} failed: {other}"),
    }
}
