//! A toy disk: inodes in a tree, with handles, times and tokens for bytes. Enough of POSIX to be
//! observed and changed; no durability.

use engine::content::{Content, Digest};
use engine::entry::{Kind, Owner, Timestamp};
use engine::index::{Attributes, Fingerprint, Handle};
use engine::observe::Present;
use engine::path::{Name, RelPath};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers an inode, for ever.
pub type Inode = u64;

/// The root directory's inode.
pub const TOP: Inode = 1;

#[derive(Clone, Debug)]
pub struct Thing {
    pub kind: Kind,
    pub content: Option<Content>,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub mode: u16,
    pub parent: Inode,
    pub name: Option<Name>,
    /// What else a file is called.
    pub more: BTreeSet<Spot>,
    pub children: BTreeMap<Name, Inode>,
}

/// A name in a directory.
pub type Spot = (Inode, Name);

#[derive(Clone, Debug)]
pub struct Disk {
    pub things: BTreeMap<Inode, Thing>,
    last: Inode,
    /// Wall-clock milliseconds, set by the world.
    pub now_ms: u64,
    ticks: u32,
    /// Contents whole in staging.
    pub staged: BTreeSet<Digest>,
    /// The conflict store.
    pub kept: BTreeSet<Digest>,
    /// Everything that was ever displaced.
    pub trash: BTreeSet<Digest>,
}

/// The bytes called `token`.
pub fn bytes(token: u32) -> Content {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&token.to_be_bytes());
    digest[31] = 1;
    Content::File(Digest(digest), u64::from(token % 7 + 1))
}

/// The digest of a file's bytes.
pub fn digest(content: &Content) -> Option<Digest> {
    match content {
        Content::File(digest, _) => Some(*digest),
        Content::Link(_) => None,
    }
}

/// The handle of an inode.
pub fn handle(inode: Inode) -> Handle {
    Handle(inode.to_be_bytes().into())
}

impl Disk {
    pub fn new(now_ms: u64) -> Disk {
        let mut disk = Disk {
            things: BTreeMap::new(),
            last: TOP,
            now_ms,
            ticks: 0,
            staged: BTreeSet::new(),
            kept: BTreeSet::new(),
            trash: BTreeSet::new(),
        };
        let now = disk.tick();
        let root = Thing {
            kind: Kind::Dir,
            content: None,
            mtime: now,
            ctime: now,
            mode: 0o755,
            parent: TOP,
            name: None,
            more: BTreeSet::new(),
            children: BTreeMap::new(),
        };
        disk.things.insert(TOP, root);
        disk
    }

    /// A time that was never given before.
    pub fn tick(&mut self) -> Timestamp {
        self.ticks = (self.ticks + 1) % 1_000_000;
        let (seconds, ms) = (self.now_ms / 1000, u32::try_from(self.now_ms % 1000).unwrap());
        Timestamp { seconds: i64::try_from(seconds).unwrap(), nanos: ms * 1_000_000 + self.ticks }
    }

    pub fn at(&self, (dir, name): &Spot) -> Option<Inode> {
        self.things.get(dir)?.children.get(name).copied()
    }

    pub fn resolve(&self, path: &RelPath) -> Option<Inode> {
        path.names().iter().try_fold(TOP, |dir, name| self.at(&(dir, name.clone())))
    }

    pub fn path(&self, inode: Inode) -> RelPath {
        let mut names = Vec::new();
        let mut here = inode;
        while here != TOP {
            let thing = &self.things[&here];
            names.push(thing.name.clone().unwrap());
            here = thing.parent;
        }
        names.reverse();
        RelPath::from_names(names)
    }

    pub fn spot(&self, inode: Inode) -> Spot {
        let thing = &self.things[&inode];
        (thing.parent, thing.name.clone().unwrap())
    }

    /// Whether `inode` lies in `dir` or is it.
    pub fn is_within(&self, inode: Inode, dir: Inode) -> bool {
        let mut here = inode;
        loop {
            if here == dir {
                return true;
            }
            if here == TOP {
                return false;
            }
            here = self.things[&here].parent;
        }
    }

    /// All names below `top`, parents first.
    pub fn spots(&self, top: Inode) -> Vec<(Spot, Inode)> {
        let inside = |dir: Inode| {
            let children = self.things[&dir].children.iter();
            children.map(move |(name, inode)| ((dir, name.clone()), *inode))
        };
        let mut all = Vec::new();
        let mut stack: Vec<(Spot, Inode)> = inside(top).collect();
        while let Some((spot, inode)) = stack.pop() {
            all.push((spot, inode));
            stack.extend(inside(inode));
        }
        all
    }

    /// All inodes below `top`, parents first: a file once for each of its names.
    pub fn below(&self, top: Inode) -> Vec<Inode> {
        self.spots(top).into_iter().map(|(_, inode)| inode).collect()
    }

    pub fn path_of(&self, (dir, name): &Spot) -> RelPath {
        self.path(*dir).join(name.clone())
    }

    /// All paths below `top`.
    pub fn paths(&self, top: Inode) -> Vec<RelPath> {
        self.spots(top).iter().map(|(spot, _)| self.path_of(spot)).collect()
    }

    pub fn present(&self, inode: Inode) -> Present {
        let thing = &self.things[&inode];
        let size = match &thing.content {
            Some(Content::File(_, size)) => *size,
            Some(Content::Link(target)) => target.len() as u64,
            None => 0,
        };
        Present {
            kind: thing.kind,
            fingerprint: Fingerprint {
                handle: handle(inode),
                size,
                mtime: thing.mtime,
                ctime: thing.ctime,
            },
            attributes: Attributes {
                mtime: thing.mtime,
                mode: if thing.kind == Kind::Symlink { 0o777 } else { thing.mode },
                owner: Owner::default(),
                xattrs: BTreeMap::new(),
            },
            content: thing.content.clone(),
            soft: false,
            zeros: false,
            alone: false,
        }
    }

    /// Makes something new; `spot` is free.
    pub fn make(&mut self, spot: &Spot, kind: Kind, content: Option<Content>) -> Inode {
        assert!(self.at(spot).is_none());
        self.last += 1;
        let now = self.tick();
        let thing = Thing {
            kind,
            content,
            mtime: now,
            ctime: now,
            mode: if kind == Kind::Dir { 0o755 } else { 0o644 },
            parent: spot.0,
            name: Some(spot.1.clone()),
            more: BTreeSet::new(),
            children: BTreeMap::new(),
        };
        self.things.insert(self.last, thing);
        self.things.get_mut(&spot.0).unwrap().children.insert(spot.1.clone(), self.last);
        self.last
    }

    /// Takes the thing at `spot` away, or one of its names; a directory must be empty.
    pub fn unlink(&mut self, spot: &Spot) -> Option<Content> {
        let inode = self.leave(spot);
        let now = self.tick();
        let thing = self.things.get_mut(&inode).unwrap();
        let content = thing.content.clone();
        if thing.name.is_some() {
            thing.ctime = now;
        } else {
            assert!(thing.children.is_empty());
            self.things.remove(&inode);
            self.trash.extend(content.as_ref().and_then(digest));
        }
        content
    }

    /// One more name for a file.
    pub fn link(&mut self, inode: Inode, to: &Spot) {
        assert!(self.at(to).is_none());
        self.place(inode, to);
    }

    /// Renames to a free name.
    pub fn rename(&mut self, from: &Spot, to: &Spot) {
        assert!(self.at(to).is_none());
        let inode = self.leave(from);
        self.place(inode, to);
    }

    pub fn exchange(&mut self, a: &Spot, b: &Spot) {
        let (first, second) = (self.leave(a), self.leave(b));
        self.place(first, b);
        self.place(second, a);
    }

    /// The inode that has a name, without it.
    fn leave(&mut self, spot: &Spot) -> Inode {
        let inode = self.things.get_mut(&spot.0).unwrap().children.remove(&spot.1).unwrap();
        let thing = self.things.get_mut(&inode).unwrap();
        if !thing.more.remove(spot) {
            thing.name = None;
            if let Some((parent, name)) = thing.more.pop_first() {
                (thing.parent, thing.name) = (parent, Some(name));
            }
        }
        inode
    }

    fn place(&mut self, inode: Inode, to: &Spot) {
        let now = self.tick();
        let thing = self.things.get_mut(&inode).unwrap();
        thing.ctime = now;
        if thing.name.is_none() {
            (thing.parent, thing.name) = (to.0, Some(to.1.clone()));
        } else {
            thing.more.insert(to.clone());
        }
        self.things.get_mut(&to.0).unwrap().children.insert(to.1.clone(), inode);
    }

    /// A user changed the names in a directory: its time is now.
    pub fn touch(&mut self, inode: Inode) {
        let now = self.tick();
        let thing = self.things.get_mut(&inode).unwrap();
        (thing.mtime, thing.ctime) = (now, now);
    }

    pub fn set_attributes(&mut self, inode: Inode, wanted: &Attributes) {
        let now = self.tick();
        let thing = self.things.get_mut(&inode).unwrap();
        (thing.mtime, thing.mode, thing.ctime) = (wanted.mtime, wanted.mode, now);
    }

    /// Everything a person could compare: kind, content, mode, time of every path.
    pub fn tree(&self) -> BTreeMap<RelPath, (Kind, Option<Content>, Attributes)> {
        let show = |path: RelPath, inode: Inode| {
            let present = self.present(inode);
            (path, (present.kind, present.content, present.attributes))
        };
        let all = self.spots(TOP).into_iter().map(|(spot, inode)| show(self.path_of(&spot), inode));
        all.chain([show(RelPath::root(), TOP)]).collect()
    }

    /// Which paths are names of one file.
    pub fn names(&self) -> BTreeSet<BTreeSet<RelPath>> {
        let mut names: BTreeMap<Inode, BTreeSet<RelPath>> = BTreeMap::new();
        for (spot, inode) in self.spots(TOP) {
            names.entry(inode).or_default().insert(self.path_of(&spot));
        }
        names.into_values().filter(|paths| paths.len() > 1).collect()
    }

    /// Every file's bytes in the tree.
    pub fn shown(&self) -> BTreeSet<Digest> {
        let contents = self.things.values().filter_map(|thing| thing.content.as_ref());
        contents.filter_map(digest).collect()
    }
}
