//! A model of one POSIX filesystem: inodes, names, times, who has what open; and the changes that a
//! kernel would tell a watcher of.
//!
//! Knows nothing of the program: [`super::SimDisk`] offers it as an `Fs`, users work on it
//! directly. Every call is one system call and cannot be interrupted. Errors are the kernel's.

use crate::random::Random;
use disk::fs::FileKind;
use disk::watch::Touched;
use engine::entry::{Owner, Timestamp};
use engine::path::{Name, RelPath};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers an inode, for ever.
pub type Inode = u64;
/// A name in a directory.
pub type Spot = (Inode, Name);

/// The top directory of the filesystem.
pub const TOP: Inode = 1;

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
    /// How many names it has; a directory has one.
    pub links: u32,
    /// A directory's own directory.
    pub parent: Inode,
    /// A directory's names.
    pub children: BTreeMap<Name, Inode>,
    /// How many have it open.
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
}

/// How a rename treats its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// It must be free.
    Free,
    /// It is replaced.
    Replaced,
}

/// The filesystem.
#[derive(Clone, Debug)]
pub struct Model {
    things: BTreeMap<Inode, Thing>,
    /// What a power loss cannot take.
    durable: BTreeMap<Inode, Thing>,
    last: Inode,
    ticks: u32,
    /// The wall clock, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Timestamps move in steps of so many milliseconds; 0: every change has a time of its own.
    pub grain_ms: u64,
    /// The program itself is at work: its changes are told to nobody.
    pub ours: bool,
    /// What a watcher has not read yet.
    pub told: Vec<Told>,
}

impl Model {
    /// An empty filesystem.
    pub fn new(wall_ms: u64) -> Model {
        let mut model = Model {
            things: BTreeMap::new(),
            durable: BTreeMap::new(),
            last: TOP,
            ticks: 0,
            wall_ms,
            grain_ms: 0,
            ours: true,
            told: Vec::new(),
        };
        let mut top = model.blank(FileKind::Dir, 0o755);
        (top.links, top.parent) = (1, TOP);
        model.things.insert(TOP, top);
        model.sync(None);
        model
    }

    /// Makes everything durable; or, as fsync(2) does on a journalling filesystem, all names and
    /// attributes, and the bytes of one file. Bytes of others may still be what they were.
    pub fn sync(&mut self, only: Option<Inode>) {
        let old = std::mem::replace(&mut self.durable, self.things.clone());
        let Some(only) = only else { return };
        let others = self.durable.iter_mut().filter(|(inode, _)| **inode != only);
        for (inode, thing) in others.filter(|(_, thing)| thing.kind == FileKind::File) {
            thing.bytes = old.get(inode).map_or_else(Arc::default, |old| old.bytes.clone());
        }
    }

    /// The power fails and comes back. What was not synced is there or not: all names and
    /// attributes, or those of the last sync; the bytes of each file as they were last, as they
    /// were synced, or zeros of their length. Nobody has anything open. Returns the time.
    pub fn lose_power(&mut self, random: &mut Random) -> Timestamp {
        let last = std::mem::take(&mut self.things);
        if random.chance(500) {
            self.things.clone_from(&last);
            self.sync(Some(TOP));
        }
        self.things.clone_from(&self.durable);
        for (inode, thing) in &mut self.things {
            (thing.opens, thing.writers) = (0, 0);
            let Some(last) = last.get(inode).filter(|last| last.bytes != thing.bytes) else {
                continue;
            };
            match random.below(4) {
                0 | 1 => thing.bytes = last.bytes.clone(),
                2 => thing.bytes = Arc::new(vec![0; last.bytes.len()]),
                _ => {}
            }
        }
        self.things.retain(|_, thing| thing.links > 0);
        self.told.clear();
        self.sync(None);
        self.tick()
    }

    fn blank(&mut self, kind: FileKind, mode: u16) -> Thing {
        let now = self.tick();
        Thing {
            kind,
            bytes: Arc::default(),
            mtime: now,
            ctime: now,
            mode,
            owner: Owner::default(),
            xattrs: BTreeMap::new(),
            links: 0,
            parent: 0,
            children: BTreeMap::new(),
            opens: 0,
            writers: 0,
        }
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
            let thing = self.things.get(&at).filter(|thing| thing.links > 0 && at != TOP)?;
            let above = &self.things.get(&thing.parent)?.children;
            let (name, _) = above.iter().find(|(_, inode)| **inode == at)?;
            names.push(name.clone());
            at = thing.parent;
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
        let has = |(dir, thing): (&Inode, &Thing)| {
            let (name, _) = thing.children.iter().find(|(_, child)| **child == inode)?;
            Some((*dir, name.clone()))
        };
        self.things.iter().find_map(has)
    }

    fn tell(&mut self, dir: Inode, name: Option<&Name>, what: Touched) {
        if !self.ours {
            self.told.push(Told { dir, name: name.cloned(), what });
        }
    }

    /// The kernel tells of an inode by the name it has.
    fn tell_of(&mut self, inode: Inode, what: Touched) {
        let is_dir = self.things.get(&inode).is_some_and(|thing| thing.kind == FileKind::Dir);
        let what = if is_dir { what | Touched::DIRECTORY } else { what };
        if is_dir {
            self.tell(inode, None, what);
        } else if let Some((dir, name)) = self.spot_of(inode) {
            self.tell(dir, Some(&name), what);
        }
    }

    fn kind_bit(&self, inode: Inode) -> Touched {
        match self.things.get(&inode) {
            Some(thing) if thing.kind == FileKind::Dir => Touched::DIRECTORY,
            _ => Touched::empty(),
        }
    }

    /// Names of a directory changed.
    fn names_changed(&mut self, dir: Inode) {
        let now = self.tick();
        if let Some(dir) = self.things.get_mut(&dir) {
            (dir.mtime, dir.ctime) = (now, now);
        }
    }

    fn status_changed(&mut self, inode: Inode) {
        let now = self.tick();
        if let Some(thing) = self.things.get_mut(&inode) {
            thing.ctime = now;
        }
    }

    /// Makes something at a free name.
    pub fn make(
        &mut self,
        (dir, name): &Spot,
        kind: FileKind,
        mode: u16,
        bytes: &[u8],
    ) -> Result<Inode, Errno> {
        let above = self.dir(*dir)?;
        if above.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        if above.links == 0 {
            return Err(Errno::NOENT);
        }
        self.last += 1;
        let inode = self.last;
        let mut thing = self.blank(kind, mode);
        (thing.links, thing.parent, thing.bytes) = (1, *dir, Arc::new(bytes.to_vec()));
        self.things.insert(inode, thing);
        self.thing_mut(*dir)?.children.insert(name.clone(), inode);
        self.names_changed(*dir);
        let what = Touched::CREATED | self.kind_bit(inode);
        let open = if kind == FileKind::File { Touched::MAYBE_OPEN } else { Touched::empty() };
        self.tell(*dir, Some(name), what | open);
        Ok(inode)
    }

    /// Gives a file one more name.
    pub fn link(&mut self, inode: Inode, (dir, name): &Spot) -> Result<(), Errno> {
        if self.thing(inode)?.kind == FileKind::Dir {
            return Err(Errno::PERM);
        }
        if self.dir(*dir)?.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        self.thing_mut(*dir)?.children.insert(name.clone(), inode);
        self.thing_mut(inode)?.links += 1;
        self.names_changed(*dir);
        self.status_changed(inode);
        self.tell(*dir, Some(name), Touched::CREATED);
        Ok(())
    }

    /// Removes a name of a file or symlink.
    pub fn unlink(&mut self, (dir, name): &Spot) -> Result<(), Errno> {
        let inode = self.at(*dir, name)?;
        if self.thing(inode)?.kind == FileKind::Dir {
            return Err(Errno::ISDIR);
        }
        self.drop_name(*dir, name);
        self.tell(*dir, Some(name), Touched::DELETED);
        Ok(())
    }

    /// Removes an empty directory.
    pub fn remove_dir(&mut self, (dir, name): &Spot) -> Result<(), Errno> {
        let inode = self.at(*dir, name)?;
        if !self.dir(inode)?.children.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.drop_name(*dir, name);
        self.tell(*dir, Some(name), Touched::DELETED | Touched::DIRECTORY);
        Ok(())
    }

    fn drop_name(&mut self, dir: Inode, name: &Name) {
        let above = self.things.get_mut(&dir).expect("looked up before");
        let inode = above.children.remove(name).expect("looked up before");
        self.names_changed(dir);
        self.status_changed(inode);
        let thing = self.things.get_mut(&inode).expect("it had a name");
        thing.links -= 1;
        self.reap(inode);
    }

    fn reap(&mut self, inode: Inode) {
        if self.things.get(&inode).is_some_and(|thing| thing.links == 0 && thing.opens == 0) {
            self.things.remove(&inode);
        }
    }

    /// Renames. What is replaced is gone, as with rename(2).
    pub fn rename(&mut self, from: &Spot, to: &Spot, target: Target) -> Result<(), Errno> {
        let inode = self.at(from.0, &from.1)?;
        let there = self.dir(to.0)?.children.get(&to.1).copied();
        if there.is_some() && target == Target::Free {
            return Err(Errno::EXIST);
        }
        if self.dir(to.0)?.links == 0 {
            return Err(Errno::NOENT);
        }
        if there == Some(inode) {
            return Ok(());
        }
        let is_dir = self.thing(inode)?.kind == FileKind::Dir;
        if is_dir && self.path_below(inode, to.0).is_some() {
            return Err(Errno::INVAL);
        }
        if let Some(there) = there {
            let other = self.thing(there)?;
            match (is_dir, other.kind == FileKind::Dir) {
                (true, false) => return Err(Errno::NOTDIR),
                (false, true) => return Err(Errno::ISDIR),
                (true, true) if !other.children.is_empty() => return Err(Errno::NOTEMPTY),
                _ => self.drop_name(to.0, &to.1),
            }
        }
        self.thing_mut(from.0)?.children.remove(&from.1);
        self.put(inode, to);
        self.names_changed(from.0);
        let kind = self.kind_bit(inode);
        self.tell(from.0, Some(&from.1), Touched::MOVED_FROM | kind);
        self.tell(to.0, Some(&to.1), Touched::MOVED_TO | kind);
        Ok(())
    }

    fn put(&mut self, inode: Inode, to: &Spot) {
        let above = self.things.get_mut(&to.0).expect("looked up before");
        above.children.insert(to.1.clone(), inode);
        self.names_changed(to.0);
        self.status_changed(inode);
        let thing = self.things.get_mut(&inode).expect("looked up before");
        if thing.kind == FileKind::Dir {
            thing.parent = to.0;
        }
    }

    /// Swaps two names.
    pub fn exchange(&mut self, a: &Spot, b: &Spot) -> Result<(), Errno> {
        let (first, second) = (self.at(a.0, &a.1)?, self.at(b.0, &b.1)?);
        if first == second {
            return Ok(());
        }
        let inside = |top: Inode, spot: &Spot| self.path_below(top, spot.0).is_some();
        if inside(first, b) || inside(second, a) {
            return Err(Errno::INVAL);
        }
        self.put(first, b);
        self.put(second, a);
        for (inode, spot) in [(first, a), (second, b)] {
            let kind = self.kind_bit(inode);
            self.tell(spot.0, Some(&spot.1), Touched::MOVED_FROM | kind);
        }
        for (inode, spot) in [(second, a), (first, b)] {
            let kind = self.kind_bit(inode);
            self.tell(spot.0, Some(&spot.1), Touched::MOVED_TO | kind);
        }
        Ok(())
    }

    /// Opens an inode.
    pub fn open(&mut self, inode: Inode, writes: bool) -> Result<(), Errno> {
        let thing = self.thing_mut(inode)?;
        thing.opens += 1;
        thing.writers += u32::from(writes);
        Ok(())
    }

    /// Closes it again.
    pub fn close(&mut self, inode: Inode, writes: bool) {
        let Some(thing) = self.things.get_mut(&inode) else { return };
        thing.opens -= 1;
        thing.writers -= u32::from(writes);
        if writes {
            self.tell_of(inode, Touched::CLOSED);
        }
        self.reap(inode);
    }

    /// Writes at `offset`; a gap is filled with zeros.
    pub fn write(&mut self, inode: Inode, bytes: &[u8], offset: usize) -> Result<(), Errno> {
        let now = self.tick();
        let thing = self.thing_mut(inode)?;
        let content = Arc::make_mut(&mut thing.bytes);
        let end = offset + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
        (thing.mtime, thing.ctime) = (now, now);
        Ok(())
    }

    /// Cuts or extends a file.
    pub fn truncate(&mut self, inode: Inode, length: usize) -> Result<(), Errno> {
        let now = self.tick();
        let thing = self.thing_mut(inode)?;
        Arc::make_mut(&mut thing.bytes).resize(length, 0);
        (thing.mtime, thing.ctime) = (now, now);
        Ok(())
    }

    /// Changes attributes.
    pub fn change(&mut self, inode: Inode, edit: impl FnOnce(&mut Thing)) -> Result<(), Errno> {
        edit(self.thing_mut(inode)?);
        self.status_changed(inode);
        self.tell_of(inode, Touched::ATTRIBUTES);
        Ok(())
    }
}
