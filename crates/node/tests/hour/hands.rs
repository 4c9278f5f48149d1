//! The simulator's users at one real machine: what stands there is shown to them, and what they do
//! to their model of it is done there, system call by system call.
//!
//! The daemon is held still for that long, between any two of its calls, so that what a user gives
//! up is what the oracle believes. What users begin and do not end (a file open for writing, a
//! rename that is to follow) lies between two such steps, with the daemon at work. Called by the
//! run; judges nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use disk::fs::FileKind;
use disk::ignore::STATE_NAME;
use engine::content::Digest;
use engine::entry::Timestamp;
use engine::path::{Name, RelPath};
use rustix::fs::{renameat_with, utimensat, AtFlags, RenameFlags, Timespec, Timestamps, CWD};
use rustix::process::{kill_process, Pid, Signal};
use sim::checkers::digest_of;
use sim::disk::deeds::{Deed, Span};
use sim::disk::model::{Inode, Look, Mirror, Model};

use crate::lab::{Outcome, LIMIT};
use crate::node::Node;

/// What the program makes in the root for a moment; users do not see it.
const OURS: &[u8] = b".syncline";

/// A content in the conflict store bears its digest as its name.
const DIGEST_LETTERS: usize = 64;

/// What a machine shows.
pub struct Shown {
    /// Below the root, parents first.
    pub tree: Vec<(RelPath, Look)>,
    /// What its conflict store holds.
    pub kept: Vec<Look>,
}

/// What came of a user's step.
#[derive(Default)]
pub struct Done {
    /// Every content that a file had after it.
    pub contents: Vec<Digest>,
    /// Names that were taken away, or are another's now.
    pub unnamed: Vec<RelPath>,
    /// What the conflict store held then.
    pub kept: Vec<Digest>,
}

/// One machine, as its users reach it.
#[derive(Default)]
pub struct Hands {
    mirror: Mirror,
    open: BTreeMap<Inode, File>,
    /// A file just made, until it is known whether it is written.
    fresh: Option<(Inode, File)>,
}

/// Holds a daemon still. It goes on when this goes.
struct Still(Option<Pid>);

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It is our child and has not been waited for: the number is still its own.
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}

impl Still {
    fn hold(node: &Node, is_frozen: bool) -> Outcome<Still> {
        if is_frozen || !node.is_running() {
            return Ok(Still(None));
        }
        let number = node.pid()?;
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw).ok_or("no such process")?;
        kill_process(pid, Signal::STOP)?;
        let still = Still(Some(pid));
        let limit = Instant::now() + LIMIT;
        while !stands_still(number)? || holds_lease(number)? {
            if Instant::now() > limit {
                return Err(format!("{} does not stand still", node.name).into());
            }
            if stands_still(number)? {
                kill_process(pid, Signal::CONT)?;
                std::thread::yield_now();
                kill_process(pid, Signal::STOP)?;
            }
            std::thread::yield_now();
        }
        Ok(still)
    }
}

/// Whether no thread of a process is at work.
fn stands_still(pid: u32) -> Outcome<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while the list is read.
        let Ok(text) = fs::read_to_string(task?.path().join("stat")) else { continue };
        let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        match state {
            Some('T' | 't') => {}
            Some('Z' | 'X') if text.starts_with(&format!("{pid} ")) => {
                return Err("the daemon has ended by itself".into());
            }
            Some('Z' | 'X') => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether a process stands in the middle of a lease probe: who then opens the file for writing
/// waits for it.
fn holds_lease(pid: u32) -> Outcome<bool> {
    let text = fs::read_to_string("/proc/locks")?;
    let mut leases = text.lines().filter(|line| line.contains(" LEASE "));
    Ok(leases.any(|line| line.split_whitespace().nth(4) == Some(&pid.to_string())))
}

impl Hands {
    /// The root and the program's own directory, in the model.
    pub fn seat(&self) -> (Inode, Inode) {
        (self.mirror.root, self.mirror.state)
    }

    /// One step of a user, or more, with the daemon held still.
    pub fn act(
        &mut self,
        node: &Node,
        is_frozen: bool,
        work: impl FnOnce(&mut Model),
    ) -> Outcome<Done> {
        let still = Still::hold(node, is_frozen)?;
        let Shown { tree, kept } = look(node)?;
        let shown: Vec<u64> = tree.iter().map(|(_, look)| look.number).collect();
        let mut aside = Vec::new();
        for file in self.open.values() {
            let metadata = file.metadata()?;
            if metadata.nlink() > 0 && !shown.contains(&metadata.ino()) {
                aside.push(look_of(&metadata, whole(file, &metadata)?));
            }
        }
        self.mirror.follow(&tree, &kept, &aside);
        let places = tree.iter().map(|(path, look)| (look.number, node.tree.join(plain(path))));
        let places: BTreeMap<u64, PathBuf> = places.collect();
        work(&mut self.mirror.model);
        let mut done = self.carry_all(node, &places)?;
        drop(still);
        done.kept = kept.iter().map(|look| digest_of(&look.bytes)).collect();
        Ok(done)
    }

    fn carry_all(&mut self, node: &Node, places: &BTreeMap<u64, PathBuf>) -> Outcome<Done> {
        let (mut done, mut last) = (Done::default(), BTreeMap::new());
        let deeds: Vec<Deed> =
            self.mirror.model.take_deeds().into_iter().map(|(_, deed)| deed).collect();
        for deed in &deeds {
            let (inode, bytes) = match deed {
                Deed::Closed { inode, bytes, .. } => (*inode, bytes.clone()),
                Deed::Changed { inode, .. } => match self.mirror.model.thing(*inode) {
                    Ok(thing) => (*inode, thing.bytes.clone()),
                    Err(_) => continue,
                },
                _ => continue,
            };
            done.contents.push(digest_of(&bytes));
            last.insert(inode, bytes);
        }
        for deed in deeds {
            done.unnamed.extend(unnamed_by(&deed).into_iter().flatten().map(|path| inside(&path)));
            let what = format!("{deed:?}");
            self.carry(&node.tree, deed, places, &last).map_err(|error| {
                let why = error.message().unwrap_or("?").to_owned();
                let what: String = what.chars().take(200).collect();
                format!("{}: the disk refuses what the model allows: {why}: {what}", node.name)
            })?;
        }
        self.fresh = None;
        Ok(done)
    }

    /// Does on the disk what was done to the model.
    fn carry(
        &mut self,
        root: &Path,
        deed: Deed,
        places: &BTreeMap<u64, PathBuf>,
        last: &BTreeMap<Inode, Arc<Vec<u8>>>,
    ) -> Outcome {
        match deed {
            Deed::Made { what: (inode, kind), at, bytes } => {
                let at = place(root, at)?;
                match kind {
                    FileKind::Dir => fs::create_dir(&at)?,
                    FileKind::Symlink => {
                        std::os::unix::fs::symlink(OsStr::from_bytes(&bytes), &at)?;
                    }
                    _ => self.fresh = Some((inode, File::create_new(&at)?)),
                }
                self.mirror.is_numbered(inode, fs::symlink_metadata(&at)?.ino());
            }
            Deed::Linked { what: (inode, _), at } => {
                fs::hard_link(self.found(inode, places)?, place(root, at)?)?;
            }
            Deed::Unnamed { what: (_, FileKind::Dir), from, .. } => {
                fs::remove_dir(place(root, from)?)?;
            }
            Deed::Unnamed { from, .. } => fs::remove_file(place(root, from)?)?,
            Deed::Renamed { from, to, .. } => fs::rename(place(root, from)?, place(root, to)?)?,
            Deed::Swapped { a, b, .. } => {
                let (a, b) = (place(root, a)?, place(root, b)?);
                renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?;
            }
            Deed::Opened { inode } => {
                let fresh = self.fresh.take().filter(|(other, _)| *other == inode);
                let file = match fresh {
                    Some((_, file)) => file,
                    None => open(self.found(inode, places)?)?,
                };
                self.open.insert(inode, file);
            }
            Deed::Changed { inode, span } => {
                let file = self.open.get(&inode).ok_or("nobody has it open")?;
                match span {
                    Span::Cut(length) => file.set_len(length as u64)?,
                    Span::Written(from, length) => {
                        let bytes = last.get(&inode).and_then(|all| all.get(from..from + length));
                        file.write_all_at(bytes.ok_or("nobody knows what")?, from as u64)?;
                    }
                }
            }
            Deed::Closed { inode, .. } => drop(self.open.remove(&inode)),
            Deed::Dressed { inode } => self.dress(inode, self.found(inode, places)?)?,
        }
        Ok(())
    }

    /// Where a thing was when the step began.
    fn found<'a>(&self, inode: Inode, places: &'a BTreeMap<u64, PathBuf>) -> Outcome<&'a Path> {
        let number = self.mirror.number(inode).ok_or("nobody knows what it is")?;
        Ok(places.get(&number).ok_or("it is nowhere")?)
    }

    /// Gives a thing the one attribute that a user has changed.
    fn dress(&self, inode: Inode, at: &Path) -> Outcome {
        let thing = self.mirror.model.thing(inode)?;
        let metadata = fs::symlink_metadata(at)?;
        if u32::from(thing.mode) != metadata.mode() & 0o7777 {
            fs::set_permissions(at, fs::Permissions::from_mode(thing.mode.into()))?;
        }
        for (name, value) in &thing.xattrs {
            rustix::fs::lsetxattr(at, &name[..], value, rustix::fs::XattrFlags::empty())?;
        }
        let Timestamp { seconds, nanos } = thing.mtime;
        if (seconds, i64::from(nanos)) != (metadata.mtime(), metadata.mtime_nsec()) {
            let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanos) };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }
}

/// The names that a call takes away, or gives to something else.
fn unnamed_by(deed: &Deed) -> [Option<RelPath>; 2] {
    match deed {
        Deed::Unnamed { from, .. } => [from.clone(), None],
        Deed::Renamed { from, to, .. } => [from.clone(), to.clone()],
        Deed::Swapped { a, b, .. } => [a.clone(), b.clone()],
        _ => [None, None],
    }
}

/// A path of the model from the root: without the root's own name.
fn inside(path: &RelPath) -> RelPath {
    RelPath::from_names(path.names().iter().skip(1).cloned().collect())
}

/// The same on the disk.
fn place(root: &Path, at: Option<RelPath>) -> Outcome<PathBuf> {
    Ok(root.join(plain(&inside(&at.ok_or("it has no path")?))))
}

fn plain(path: &RelPath) -> PathBuf {
    path.names().iter().map(|name| OsStr::from_bytes(name.as_bytes())).collect()
}

/// Opens a file for writing, and waits for nobody.
fn open(at: &Path) -> io::Result<File> {
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
    File::options().write(true).read(true).custom_flags(nonblock).open(at)
}

/// What a trash says of itself, a line each: number, content, what it made way to, path.
pub fn trash(node: &Node) -> Outcome<Vec<String>> {
    let Some(state) = state(node) else { return Ok(Vec::new()) };
    let text = fs::read(state.join("trash/index"))?;
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

/// What stands on a machine.
pub fn look(node: &Node) -> Outcome<Shown> {
    let mut tree = Vec::new();
    let mut rest = vec![RelPath::root()];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(node.tree.join(plain(&dir)))? {
            let name = entry?.file_name();
            if name.as_bytes().starts_with(OURS) {
                continue;
            }
            let path = dir.join(Name::new(name.as_bytes()).map_err(|_| "no name")?);
            let look = look_at(&node.tree.join(plain(&path)))?;
            if look.kind == FileKind::Dir {
                rest.push(path.clone());
            }
            tree.push((path, look));
        }
    }
    let mut kept = Vec::new();
    if let Some(state) = state(node) {
        for entry in fs::read_dir(state.join("kept"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.len() == DIGEST_LETTERS) {
                kept.push(look_at(&path)?);
            }
        }
    }
    Ok(Shown { tree, kept })
}

/// The directory beside the tree where the program keeps what is no longer in it: in its home, or
/// where that is another filesystem, beside the tree. None before it has run.
pub fn state(node: &Node) -> Option<PathBuf> {
    let beside = node.tree.parent().map(|above| above.join(OsStr::from_bytes(STATE_NAME)));
    let places = [Some(node.home.join("folders")), beside];
    let dirs = places.into_iter().flatten().filter_map(|place| fs::read_dir(place).ok()).flatten();
    let mut dirs = dirs.filter_map(|entry| Some(entry.ok()?.path()));
    dirs.find(|path| path.join("kept").is_dir())
}

fn look_at(at: &Path) -> Outcome<Look> {
    let metadata = fs::symlink_metadata(at)?;
    let bytes = if metadata.is_symlink() {
        fs::read_link(at)?.into_os_string().into_vec()
    } else if metadata.is_file() {
        fs::read(at)?
    } else {
        Vec::new()
    };
    Ok(look_of(&metadata, bytes))
}

fn look_of(metadata: &Metadata, bytes: Vec<u8>) -> Look {
    let kind = match () {
        () if metadata.is_dir() => FileKind::Dir,
        () if metadata.is_symlink() => FileKind::Symlink,
        () => FileKind::File,
    };
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    let mtime = Timestamp { seconds: metadata.mtime(), nanos };
    let mode = u16::try_from(metadata.mode() & 0o7777).expect("twelve bits");
    Look { number: metadata.ino(), kind, bytes: Arc::new(bytes), mode, mtime }
}

fn whole(file: &File, metadata: &Metadata) -> Outcome<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(metadata.len())?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
