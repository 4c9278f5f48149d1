//! `Fs` on a model of a disk. Between any two calls of the program something else may happen: a
//! user changes the tree, or the program is killed.
//!
//! Held to the same suite as the real one (`disk::fs_suite`). What happens between calls, and which
//! of them fail, is the world's business ([`Between`]). Used by `node`, which runs the program's
//! own code over it.

pub mod deeds;
pub mod model;

use disk::fs::{FileKind, Fs, Lease, On, Stat, Volume, OWN_XATTR_PREFIX};
use engine::entry::{Owner, Timestamp, Xattrs};
use engine::index::Handle;
use engine::path::{Name, RelPath};
use engine::proof;
use model::{number_of, Inode, Model, Spot, Target, Thing, TOP};
use rustix::io::Errno;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes on the disk.
const TOTAL_BYTES: u64 = 1 << 40;
/// The first device and mount; each further filesystem has the next.
const DEVICE: u64 = 7;

/// What becomes of the program at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It goes on.
    Go,
    /// It is killed before the call.
    Kill,
    /// The call fails.
    Fail(Errno),
}

/// Called before each call of the program with the name of the call; may work on the disk.
pub type Between = Box<dyn FnMut(&SimDisk, &'static str) -> Fate + Send>;

/// What a killed program unwinds with.
#[derive(Debug)]
pub struct Killed;

/// How a disk that lies, lies: for mutants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lie {
    /// It does not.
    #[default]
    None,
    /// A rename to a free name replaces what is there.
    RenameReplaces,
    /// Nobody ever seems to have a file open for writing.
    NoWriters,
    /// A symlink leads where it leads.
    LinksFollowed,
}

/// What this filesystem, or this kernel, cannot do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lacks {
    /// Names cannot be swapped.
    pub exchange: bool,
    /// A rename cannot be told to replace nothing.
    pub noreplace: bool,
    /// Files have one name only.
    pub links: bool,
    /// Leases do not tell of writers.
    pub leases: bool,
}

/// What is at the path of the folder's root.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AtRoot {
    /// The root.
    #[default]
    Root,
    /// Nothing.
    Nothing,
    /// Another directory: what the root was mounted on, or what is mounted over it.
    Other(Inode),
}

struct State {
    model: Model,
    between: Option<Between>,
    lie: Lie,
    lacks: Lacks,
    at_root: AtRoot,
    /// Counts mounts: a filesystem that is mounted again is another mount.
    mounts: u64,
}

/// One machine's disk; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

/// An open file or directory.
pub struct Open {
    disk: SimDisk,
    inode: Inode,
    writes: bool,
}

impl Open {
    /// Which inode it is.
    pub fn inode(&self) -> Inode {
        self.inode
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        let ours = std::mem::replace(&mut state.model.ours, true);
        state.model.close(self.inode, self.writes);
        state.model.ours = ours;
    }
}

/// Where a symlink to an absolute path leads; of all else the inode itself.
fn followed(model: &Model, inode: Inode) -> Inode {
    let Ok(thing) = model.thing(inode) else { return inode };
    let target = thing.bytes.strip_prefix(b"/").filter(|_| thing.kind == FileKind::Symlink);
    let path = target.and_then(|target| RelPath::parse(target).ok());
    path.and_then(|path| model.find(TOP, &path)).unwrap_or(inode)
}

impl SimDisk {
    /// An empty disk.
    pub fn new(wall_ms: u64, lie: Lie) -> SimDisk {
        let model = Model::new(wall_ms);
        SimDisk(Arc::new(Mutex::new(State {
            model,
            between: None,
            lie,
            lacks: Lacks::default(),
            at_root: AtRoot::default(),
            mounts: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the disk as somebody else than the program would.
    pub fn with<T>(&self, work: impl FnOnce(&mut Model) -> T) -> T {
        let mut state = self.lock();
        state.model.ours = false;
        let done = work(&mut state.model);
        state.model.ours = true;
        done
    }

    /// Sets what happens between the program's calls.
    pub fn set_between(&self, between: Option<Between>) {
        self.lock().between = between;
    }

    /// Sets what it cannot do.
    pub fn set_lacks(&self, lacks: Lacks) {
        self.lock().lacks = lacks;
    }

    /// Puts something at the path of the folder's root; the root itself comes back as a new mount.
    pub fn set_at_root(&self, at_root: AtRoot) {
        let mut state = self.lock();
        state.at_root = at_root;
        state.mounts += u64::from(at_root == AtRoot::Root);
    }

    /// What is at the path of the folder's root.
    pub fn at_root(&self) -> AtRoot {
        self.lock().at_root
    }

    /// Opens the folder's root by its path, as its operator wrote it: mounts are followed.
    pub fn open_root(&self, name: &Name) -> io::Result<Arc<Open>> {
        let mut state = self.enter("open_root")?;
        let inode = match state.at_root {
            AtRoot::Root => state.model.at(TOP, name)?,
            AtRoot::Nothing => return Err(Errno::NOENT.into()),
            AtRoot::Other(inode) => inode,
        };
        self.open(&mut state.model, inode, false).map(Arc::new)
    }

    /// The top directory.
    pub fn top(&self) -> Arc<Open> {
        let mut state = self.lock();
        state.model.open(TOP, false).expect("the top is always there");
        drop(state);
        Arc::new(Open { disk: self.clone(), inode: TOP, writes: false })
    }

    /// Begins a call of the program.
    fn enter(&self, call: &'static str) -> io::Result<MutexGuard<'_, State>> {
        match self.begin(call) {
            (state, None) => Ok(state),
            (_, Some(errno)) => Err(errno.into()),
        }
    }

    /// Begins a call of the program; with what it is to fail, if it is.
    fn begin(&self, call: &'static str) -> (MutexGuard<'_, State>, Option<Errno>) {
        let mut state = self.lock();
        let Some(mut between) = state.between.take() else { return (state, None) };
        drop(state);
        let fate = between(self, call);
        state = self.lock();
        state.between = Some(between);
        match fate {
            Fate::Go => (state, None),
            Fate::Fail(errno) => (state, Some(errno)),
            Fate::Kill => {
                drop(state);
                resume_unwind(Box::new(Killed));
            }
        }
    }

    fn open(&self, model: &mut Model, inode: Inode, writes: bool) -> io::Result<Open> {
        if model.thing(inode)?.locked {
            return Err(Errno::ACCESS.into());
        }
        model.open(inode, writes)?;
        Ok(Open { disk: self.clone(), inode, writes })
    }
}

fn spot((dir, name): (&Arc<Open>, &Name)) -> Spot {
    (dir.inode, name.clone())
}

/// How the program recognises it.
pub fn handle_of(inode: Inode) -> Handle {
    Handle(inode.to_be_bytes().into())
}

fn stat_of(inode: Inode, thing: &Thing, mounts: u64) -> Stat {
    let device = DEVICE + u64::from(thing.volume);
    Stat {
        kind: thing.kind,
        handle: handle_of(inode),
        size: if thing.kind == FileKind::Dir { 4096 } else { thing.bytes.len() as u64 },
        mtime: thing.mtime,
        ctime: thing.ctime,
        mode: if thing.kind == FileKind::Symlink { 0o777 } else { thing.mode },
        owner: thing.owner,
        links: thing.links,
        inode: number_of(inode),
        device,
        mount: device + 100 * mounts,
    }
}

fn looked(state: &State, inode: Inode) -> io::Result<Stat> {
    Ok(stat_of(inode, state.model.thing(inode)?, state.mounts))
}

/// What a filesystem answers that cannot do it.
fn unless(lacks: bool, errno: Errno) -> Result<(), Errno> {
    if lacks {
        Err(errno)
    } else {
        Ok(())
    }
}

/// The inode that an attribute call is about, and whether it can bear such attributes.
fn subject(model: &Model, on: On<'_, SimDisk>) -> Result<(Inode, bool), Errno> {
    match on {
        On::File(file) => Ok((file.inode, true)),
        On::Dir(dir) => Ok((dir.inode, true)),
        On::Link(dir, name) => {
            let inode = model.at(dir.inode, name)?;
            Ok((inode, model.thing(inode)?.kind != FileKind::Symlink))
        }
    }
}

impl Fs for SimDisk {
    type Dir = Arc<Open>;
    type File = Open;

    fn open_dir(&self, base: &Arc<Open>, path: &RelPath) -> io::Result<Arc<Open>> {
        let mut state = self.enter("open_dir")?;
        let mut inode = base.inode;
        let volume = state.model.thing(inode)?.volume;
        for name in path.names() {
            inode = state.model.at(inode, name)?;
            if state.lie == Lie::LinksFollowed {
                inode = followed(&state.model, inode);
            }
            let thing = state.model.thing(inode)?;
            match thing.kind {
                FileKind::Dir if thing.volume == volume => {}
                FileKind::Dir => return Err(Errno::XDEV.into()),
                FileKind::Symlink => {
                    proof::reached("a symlink in a directory's way is refused");
                    return Err(Errno::LOOP.into());
                }
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        self.open(&mut state.model, inode, false).map(Arc::new)
    }

    fn open_child(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Arc<Open>> {
        self.open_dir(dir, &RelPath::from_names(vec![name.clone()]))
    }

    fn list(
        &self,
        dir: &Arc<Open>,
        each: &mut dyn FnMut(Name, Option<FileKind>),
    ) -> io::Result<u64> {
        let state = self.enter("list")?;
        let dir = state.model.dir(dir.inode)?;
        unless(dir.locked, Errno::ACCESS)?;
        unless(dir.links == 0, Errno::NOENT)?;
        let names = dir.children.clone();
        let kinds: Vec<_> = names
            .into_iter()
            .map(|(name, inode)| (name, state.model.thing(inode).ok().map(|thing| thing.kind)))
            .collect();
        drop(state);
        kinds.into_iter().for_each(|(name, kind)| each(name, kind));
        Ok(0)
    }

    fn stat(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Stat> {
        let state = self.enter("stat")?;
        let inode = state.model.at(dir.inode, name)?;
        looked(&state, inode)
    }

    fn stat_file(&self, file: &Open) -> io::Result<Stat> {
        looked(&*self.enter("stat_file")?, file.inode)
    }

    fn stat_dir(&self, dir: &Arc<Open>) -> io::Result<Stat> {
        looked(&*self.enter("stat_dir")?, dir.inode)
    }

    fn open_file(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Open> {
        let mut state = self.enter("open_file")?;
        let inode = state.model.at(dir.inode, name)?;
        match state.model.thing(inode)?.kind {
            FileKind::File => self.open(&mut state.model, inode, false),
            FileKind::Dir => Err(Errno::ISDIR.into()),
            FileKind::Symlink => Err(Errno::LOOP.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn create(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Open> {
        let mut state = self.enter("create")?;
        let inode = state.model.make(&spot((dir, name)), FileKind::File, 0o600, b"")?;
        self.open(&mut state.model, inode, true)
    }

    fn open_own(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Open> {
        let mut state = self.enter("open_own")?;
        let inode = state.model.at(dir.inode, name)?;
        if state.model.thing(inode)?.kind != FileKind::File {
            return Err(Errno::LOOP.into());
        }
        self.open(&mut state.model, inode, true)
    }

    fn read_at(&self, file: &Open, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.enter("read_at")?;
        let bytes = &state.model.thing(file.inode)?.bytes;
        let from = usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, file: &Open, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
        let (mut state, fails) = self.begin("write_at");
        // What there was room for is written.
        let written = if fails.is_some() { bytes.len() / 2 } else { bytes.len() };
        state.model.write(file.inode, &bytes[..written], offset)?;
        fails.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn preallocate(&self, _: &Open, _: u64) -> io::Result<()> {
        drop(self.enter("preallocate")?);
        Ok(())
    }

    fn copy(&self, from: &Open, to: &Open, size: u64) -> io::Result<u64> {
        let (mut state, fails) = self.begin("copy");
        let bytes = state.model.thing(from.inode)?.bytes.clone();
        let count = usize::try_from(size).map_or(bytes.len(), |size| size.min(bytes.len()));
        let written = if fails.is_some() { count / 2 } else { count };
        state.model.write(to.inode, &bytes[..written], 0)?;
        fails.map_or(Ok(count as u64), |errno| Err(errno.into()))
    }

    fn start_write_back(&self, _: &Open, _: u64, _: u64) {}

    fn sync_file(&self, file: &Open) -> io::Result<()> {
        let (mut state, fails) = self.begin("sync_file");
        let Some(errno) = fails else {
            state.model.sync(Some(file.inode));
            return Ok(());
        };
        state.model.fail_sync(file.inode);
        Err(errno.into())
    }

    fn sync_dir(&self, dir: &Arc<Open>) -> io::Result<()> {
        self.enter("sync_dir")?.model.sync(Some(dir.inode));
        Ok(())
    }

    fn sync_volume(&self, _: &Arc<Open>) -> io::Result<()> {
        self.enter("sync_volume")?.model.sync(None);
        Ok(())
    }

    fn rename_new(&self, from: (&Arc<Open>, &Name), to: (&Arc<Open>, &Name)) -> io::Result<()> {
        let mut state = self.enter("rename_new")?;
        unless(state.lacks.noreplace, Errno::INVAL)?;
        let lies = state.lie == Lie::RenameReplaces;
        let target = if lies { Target::Replaced } else { Target::Free };
        Ok(state.model.rename(&spot(from), &spot(to), target)?)
    }

    fn exchange(&self, a: (&Arc<Open>, &Name), b: (&Arc<Open>, &Name)) -> io::Result<()> {
        let mut state = self.enter("exchange")?;
        unless(state.lacks.exchange, Errno::INVAL)?;
        Ok(state.model.exchange(&spot(a), &spot(b))?)
    }

    fn rename_over(&self, from: (&Arc<Open>, &Name), to: (&Arc<Open>, &Name)) -> io::Result<()> {
        let mut state = self.enter("rename_over")?;
        Ok(state.model.rename(&spot(from), &spot(to), Target::Replaced)?)
    }

    fn link(&self, from: (&Arc<Open>, &Name), to: (&Arc<Open>, &Name)) -> io::Result<()> {
        let mut state = self.enter("link")?;
        unless(state.lacks.links, Errno::PERM)?;
        let inode = state.model.at(from.0.inode, from.1)?;
        Ok(state.model.link(inode, &spot(to))?)
    }

    fn make_dir(&self, dir: &Arc<Open>, name: &Name) -> io::Result<()> {
        let mut state = self.enter("make_dir")?;
        state.model.make(&spot((dir, name)), FileKind::Dir, 0o700, b"")?;
        Ok(())
    }

    fn remove_dir(&self, dir: &Arc<Open>, name: &Name) -> io::Result<()> {
        Ok(self.enter("remove_dir")?.model.remove_dir(&spot((dir, name)))?)
    }

    fn remove_own(&self, dir: &Arc<Open>, name: &Name) -> io::Result<()> {
        Ok(self.enter("remove_own")?.model.unlink(&spot((dir, name)))?)
    }

    fn make_link(&self, dir: &Arc<Open>, name: &Name, target: &[u8]) -> io::Result<()> {
        let mut state = self.enter("make_link")?;
        state.model.make(&spot((dir, name)), FileKind::Symlink, 0o777, target)?;
        Ok(())
    }

    fn read_link(&self, dir: &Arc<Open>, name: &Name) -> io::Result<Vec<u8>> {
        let state = self.enter("read_link")?;
        let thing = state.model.thing(state.model.at(dir.inode, name)?)?;
        if thing.kind != FileKind::Symlink {
            return Err(Errno::INVAL.into());
        }
        Ok(thing.bytes.to_vec())
    }

    fn set_owner(&self, on: On<'_, Self>, owner: Owner) -> io::Result<()> {
        let mut state = self.enter("set_owner")?;
        let (inode, is_no_link) = subject(&state.model, on)?;
        Ok(state.model.change(inode, |thing| {
            thing.owner = owner;
            if is_no_link {
                thing.mode &= 0o1777;
            }
        })?)
    }

    fn set_mode(&self, on: On<'_, Self>, mode: u16) -> io::Result<()> {
        let mut state = self.enter("set_mode")?;
        match subject(&state.model, on)? {
            (inode, true) => Ok(state.model.change(inode, |thing| thing.mode = mode)?),
            (_, false) => Ok(()),
        }
    }

    fn set_mtime(&self, on: On<'_, Self>, mtime: Timestamp) -> io::Result<()> {
        let mut state = self.enter("set_mtime")?;
        let (inode, _) = subject(&state.model, on)?;
        Ok(state.model.change(inode, |thing| thing.mtime = mtime)?)
    }

    fn xattrs(&self, on: On<'_, Self>) -> io::Result<Xattrs> {
        let state = self.enter("xattrs")?;
        let (inode, _) = subject(&state.model, on)?;
        let all = &state.model.thing(inode)?.xattrs;
        let listed = all.iter().filter(|(name, _)| !name.starts_with(OWN_XATTR_PREFIX));
        Ok(listed.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let state = self.enter("xattr")?;
        let (inode, _) = subject(&state.model, on)?;
        Ok(state.model.thing(inode)?.xattrs.get(name).cloned())
    }

    fn set_xattr(&self, on: On<'_, Self>, name: &[u8], value: &[u8]) -> io::Result<()> {
        let mut state = self.enter("set_xattr")?;
        let (inode, is_no_link) = subject(&state.model, on)?;
        if !is_no_link {
            return Err(Errno::PERM.into());
        }
        Ok(state.model.change(inode, |thing| {
            thing.xattrs.insert(name.to_vec(), value.to_vec());
        })?)
    }

    fn remove_xattr(&self, on: On<'_, Self>, name: &[u8]) -> io::Result<()> {
        let mut state = self.enter("remove_xattr")?;
        let (inode, _) = subject(&state.model, on)?;
        Ok(state.model.change(inode, |thing| drop(thing.xattrs.remove(name)))?)
    }

    fn probe(&self, file: &Open) -> Lease {
        let (state, _) = self.begin("probe");
        if state.lacks.leases {
            return Lease::Unsupported;
        }
        let writers = state.model.thing(file.inode).map_or(0, |thing| thing.writers);
        if writers > 0 && state.lie != Lie::NoWriters {
            Lease::Held
        } else {
            Lease::Free
        }
    }

    fn writer(&self, _: &Open) -> Option<String> {
        None
    }

    fn volume(&self, dir: &Arc<Open>) -> io::Result<Volume> {
        let state = self.enter("volume")?;
        let volume = state.model.dir(dir.inode)?.volume;
        let (magic, mut id) = (0xef53, *b"simdisk ");
        id[7] = b'0' + volume;
        Ok(Volume { magic, id, free_bytes: TOTAL_BYTES / 2, total_bytes: TOTAL_BYTES })
    }

    fn unix_ms(&self) -> u64 {
        self.lock().model.wall_ms
    }

    fn pause(&self, ms: u64) {
        let (mut state, _) = self.begin("pause");
        state.model.wall_ms += ms;
    }
}
