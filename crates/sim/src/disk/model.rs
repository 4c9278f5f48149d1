//! A model of one POSIX filesystem: inodes, names, times, who has what open; and the changes that a
//! kernel would tell a watcher of.
//!
//! Knows nothing of the program: [`super::SimDisk`] offers it as an `Fs`, users work on it
//! directly. Every call is one system call and cannot be interrupted. Errors are the kernel's. No
//! call costs more than what it touches. Names are changed in `names`, bytes in `files`; what a
//! power loss takes is in `power`; how a model follows a real disk in `mirror`.

mod files;
mod mirror;
mod names;
mod power;

use super::deeds::Deed;
use disk::fs::FileKind;
use disk::watch::Touched;
use engine::entry::{Owner, Timestamp};
use engine::path::{Name, RelPath};
use power::Journal;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use mirror::{Look, Mirror};
pub use names::Target;

/// Which inode, for ever: the generation above, the number, which is given again, below.
pub type Inode = u64;
/// A name in a directory.
pub type Spot = (Inode, Name);

/// The top directory of the filesystem.
pub const TOP: Inode = 1;
/// An inode's number is in these bits.
const NUMBER_BITS: u32 = 32;

/// The number that `ls -i` shows: of an inode that is gone the next one may have it.
pub fn number_of(inode: Inode) -> u64 {
    inode & ((1 << NUMBER_BITS) - 1)
}

/// One inode.
#[derive(Clone, Debug)]
pub struct Thing {
    /// What it is.
    pub kind: FileKind,
    /// A file's bytes, a symlink's target.
    pub bytes: Arc<Vec<u8>>,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of anything.
    pub ctime: Timestamp,
    /// Permission bits.
    pub mode: u16,
    /// Owner and group.
    pub owner: Owner,
    /// All extended attributes, by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Nobody may change it (chattr +i).
    pub immutable: bool,
    /// The program may not open it.
    pub locked: bool,
    /// Which filesystem it is on; names do not lead from one to another.
    pub volume: u8,
    /// How many names it has; the top directory has one that nobody sees.
    pub links: u32,
    /// Where they are.
    pub names: BTreeSet<Spot>,
    /// A directory's names.
    pub children: BTreeMap<Name, Inode>,
    /// How many have it open, or mapped.
    pub opens: u32,
    /// How many of them may write.
    pub writers: u32,
}

/// What the kernel tells of a change that a user made.
#[derive(Clone, Debug)]
pub struct Told {
    /// The directory, which may have moved when this is read.
    pub dir: Inode,
    /// The name in it; `None` for the directory itself.
    pub name: Option<Name>,
    /// What happened.
    pub what: Touched,
    /// Which file was written, or given attributes, through that name.
    pub changed: Option<Inode>,
}

/// The filesystem.
#[derive(Clone, Debug)]
pub struct Model {
    things: BTreeMap<Inode, Thing>,
    /// Numbers that are free, and how often each was given.
    free: BTreeSet<u32>,
    generations: Vec<u32>,
    journal: Journal,
    /// Files that were stored to through a mapping since they were mapped or written back: further
    /// stores show in no timestamp.
    stored: BTreeSet<Inode>,
    ticks: u32,
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Timestamps move in steps of so many milliseconds; 0: every change has a time of its own.
    pub grain_ms: u64,
    /// The program itself is at work: its changes are told to nobody.
    pub ours: bool,
    /// What a watcher has not read yet.
    pub told: Vec<Told>,
    /// What was done, and whether the program did it.
    pub(super) deeds: Vec<(bool, Deed)>,
}

impl Model {
    /// An empty filesystem.
    pub fn new(wall_ms: u64) -> Model {
        let mut model = Model {
            things: BTreeMap::new(),
            free: BTreeSet::new(),
            generations: vec![0; 2],
            journal: Journal::default(),
            stored: BTreeSet::new(),
            ticks: 0,
            wall_ms,
            grain_ms: 0,
            ours: true,
            told: Vec::new(),
            deeds: Vec::new(),
        };
        let mut top = model.blank(FileKind::Dir, 0o755, 0);
        top.links = 1;
        model.things.insert(TOP, top);
        model
    }

    fn blank(&mut self, kind: FileKind, mode: u16, volume: u8) -> Thing {
        let now = self.tick();
        Thing {
            kind,
            bytes: Arc::default(),
            mtime: now,
            ctime: now,
            mode,
            owner: Owner::default(),
            xattrs: BTreeMap::new(),
            immutable: false,
            locked: false,
            volume,
            links: 0,
            names: BTreeSet::new(),
            children: BTreeMap::new(),
            opens: 0,
            writers: 0,
        }
    }

    /// An inode that never was: the lowest number that is free, as filesystems do.
    fn number(&mut self) -> Inode {
        let number = self.free.pop_first().unwrap_or_else(|| {
            self.generations.push(0);
            u32::try_from(self.generations.len() - 1).expect("few inodes")
        });
        let generation = &mut self.generations[number as usize];
        *generation += 1;
        u64::from(*generation) << NUMBER_BITS | u64::from(number)
    }

    /// The time of a change.
    fn tick(&mut self) -> Timestamp {
        self.ticks = (self.ticks + 1) % 1_000_000;
        let (ms, ticks) = match self.grain_ms {
            0 => (self.wall_ms, self.ticks),
            grain => (self.wall_ms / grain * grain, 0),
        };
        let seconds = i64::try_from(ms / 1000).expect("a wall clock of this age");
        let nanos = u32::try_from(ms % 1000).expect("below 1000") * 1_000_000 + ticks;
        Timestamp { seconds, nanos }
    }

    /// One inode.
    pub fn thing(&self, inode: Inode) -> Result<&Thing, Errno> {
        self.things.get(&inode).ok_or(Errno::STALE)
    }

    fn thing_mut(&mut self, inode: Inode) -> Result<&mut Thing, Errno> {
        self.things.get_mut(&inode).ok_or(Errno::STALE)
    }

    /// The inode called `name` in `dir`.
    pub fn at(&self, dir: Inode, name: &Name) -> Result<Inode, Errno> {
        let dir = self.dir(dir)?;
        dir.children.get(name).copied().ok_or(Errno::NOENT)
    }

    /// A directory.
    pub fn dir(&self, inode: Inode) -> Result<&Thing, Errno> {
        let thing = self.thing(inode)?;
        if thing.kind == FileKind::Dir {
            Ok(thing)
        } else {
            Err(Errno::NOTDIR)
        }
    }

    /// Where a directory lies below `base`; `None` if it does not.
    pub fn path_below(&self, base: Inode, dir: Inode) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != base {
            let (above, name) = self.spot_of(at)?;
            names.push(name);
            at = above;
        }
        names.reverse();
        Some(RelPath::from_names(names))
    }

    /// What lies at a path below `base`.
    pub fn find(&self, base: Inode, path: &RelPath) -> Option<Inode> {
        path.names().iter().try_fold(base, |dir, name| self.at(dir, name).ok())
    }

    /// Every name below `dir`, parents before children.
    pub fn below(&self, dir: Inode) -> Vec<(Spot, Inode)> {
        let mut found = Vec::new();
        let mut rest = vec![dir];
        while let Some(dir) = rest.pop() {
            let Ok(thing) = self.dir(dir) else { continue };
            for (name, &inode) in &thing.children {
                found.push(((dir, name.clone()), inode));
                rest.push(inode);
            }
        }
        found
    }

    /// A name that the inode has, if any.
    pub fn spot_of(&self, inode: Inode) -> Option<Spot> {
        self.things.get(&inode)?.names.first().cloned()
    }

    fn tell(&mut self, dir: Inode, name: Option<&Name>, what: Touched) {
        if !self.ours {
            self.told.push(Told { dir, name: name.cloned(), what, changed: None });
        }
    }

    /// The kernel tells of an inode by the name it has.
    fn tell_of(&mut self, inode: Inode, what: Touched) {
        let is_dir = self.things.get(&inode).is_some_and(|thing| thing.kind == FileKind::Dir);
        let what = if is_dir { what | Touched::DIRECTORY } else { what };
        if is_dir {
            self.tell(inode, None, what);
        } else if let Some((dir, name)) = self.spot_of(inode).filter(|_| !self.ours) {
            self.told.push(Told { dir, name: Some(name), what, changed: Some(inode) });
        }
    }

    fn kind_bit(&self, inode: Inode) -> Touched {
        match self.things.get(&inode) {
            Some(thing) if thing.kind == FileKind::Dir => Touched::DIRECTORY,
            _ => Touched::empty(),
        }
    }
}
