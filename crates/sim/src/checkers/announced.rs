//! C15, nothing from a power loss: what is torn, older or absent after it takes nothing away that
//! had been announced.
//!
//! Taken before the power goes: each file that is on the disk what its row says, and so holds
//! nothing of a user's that was not seen yet. Until a user does something to it there, or another
//! machine says something of it, this one has no cause to write of it anything but what was
//! announced: neither other bytes, unless they lose to these, nor another place, nor that it is
//! gone. Not held: what nobody has any more (docs/decisions/0007), what had lost versions or was to
//! be replaced, files of several names, and worlds whose clocks jump or stand still, where nobody
//! can tell what was seen.
//!
//! Told by the index's values and by disk/deeds alone. Kept by `users` and `world`.

use crate::disk::deeds::{Deed, What};
use crate::disk::model::{Inode, Model, Spot, TOP};
use crate::node::{number, Machine, ROOT_NAME};
use engine::content::{Content, Digest};
use engine::dot::Dot;
use engine::entry::{Entry, EntryId, Presence};
use engine::index::{Index, MemIndex, SeenRow};
use engine::observe::path_of;
use engine::path::{Name, RelPath};
use std::collections::{BTreeMap, BTreeSet};

/// A file that was what its row says when the power went.
#[derive(Clone, Debug)]
struct Guard {
    announced: Digest,
    parent: EntryId,
    name: Name,
    /// What had been said of its place and its content.
    known: BTreeSet<Dot>,
    /// It, and what the power has put in its place since.
    inodes: BTreeSet<Inode>,
    /// The directory it was in, and under which name.
    spot: Spot,
    /// Where it has been since, from the top of the disk, and where that directory has.
    paths: BTreeSet<RelPath>,
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    guards: BTreeMap<(usize, EntryId), Guard>,
}

fn root() -> RelPath {
    RelPath::from_names(vec![Name::new(ROOT_NAME).expect("a literal name")])
}

/// The path of a row from the top of the disk.
fn from_top(index: &MemIndex, row: &SeenRow) -> Option<RelPath> {
    let path = path_of(index, row.slot)?;
    Some(path.names().iter().fold(root(), |dir, name| dir.join(name.clone())))
}

/// Who said something of a place or a content, also where another says it again.
fn said(entry: &Entry) -> BTreeSet<Dot> {
    let places = entry.loc.versions().iter().map(|version| [version.dot, version.value.stamp.dot]);
    let contents = entry.data.versions().iter();
    let contents = contents.map(|version| [version.dot, version.value.stamp.dot]);
    places.chain(contents).flatten().collect()
}

fn is_of(content: &Content, digest: &Digest) -> bool {
    matches!(content, Content::File(other, _) if other == digest)
}

impl Guard {
    /// The guard of a row, if its file is on the disk what the row says, and nothing else.
    fn of(index: &MemIndex, model: &Model, row: &SeenRow) -> Option<Guard> {
        let Some(Content::File(announced, _)) = row.content else { return None };
        let path = from_top(index, row)?;
        let inode = model.find(TOP, &path)?;
        let thing = model.thing(inode).ok()?;
        let (now, was) = ((thing.mtime, thing.ctime), &row.fingerprint);
        let is_same = was.handle.0[..] == inode.to_be_bytes() && now == (was.mtime, was.ctime);
        let is_at_rest = thing.writers == 0 && thing.links == 1;
        if !is_same || !is_at_rest || super::digest_of(&thing.bytes) != announced {
            return None;
        }
        let entry = index.entry(row.entry)?.entry;
        let ([place], [data]) = (entry.loc.versions(), entry.data.versions()) else { return None };
        if !is_of(&data.value.content, &announced) {
            return None;
        }
        let (parent, name) = (place.value.parent, place.value.name.clone());
        let spot = (model.find(TOP, &path.parent()?)?, path.name()?.clone());
        let (known, paths) = (said(&entry), BTreeSet::from([path]));
        let inodes = BTreeSet::from([inode]);
        Some(Guard { announced, parent, name, known, inodes, spot, paths })
    }

    fn is_at(&self, path: &RelPath) -> bool {
        self.paths.iter().any(|own| own.is_within(path))
    }

    /// What one of these says of the file that was not announced.
    fn fault(&self, entry: &Entry, new: &BTreeSet<Dot>) -> Option<String> {
        let places = entry.loc.versions().iter().filter(|version| new.contains(&version.dot));
        for place in places.map(|version| &version.value) {
            let is_here = (place.parent, &place.name) == (self.parent, &self.name);
            if matches!(place.state, Presence::Deleted(_)) || !is_here {
                return Some(format!("is now {:?} at {}", place.state, place.name));
            }
        }
        let contents = entry.data.versions().iter();
        let is_announced = |content: &Content| is_of(content, &self.announced);
        let last = contents.max_by_key(|version| version.value.stamp)?;
        let other = Some(&last.value.content).filter(|content| !is_announced(content));
        other.map(|content| format!("is now {content:?}"))
    }
}

impl Announced {
    /// The power of a machine is about to go.
    pub fn power_goes(&mut self, node: usize, index: &MemIndex, model: &Model) {
        for row in index.seen_rows() {
            if let Some(guard) = Guard::of(index, model, row) {
                self.guards.insert((node, row.entry), guard);
            }
        }
    }

    /// It is back: a directory may be where it was before, and what a user makes in it there is as
    /// good as made where the file was; and so is what a user does to what has its name again.
    pub fn power_is_back(&mut self, node: usize, model: &Model) {
        let own = self.guards.iter_mut().filter(|((at, _), _)| *at == node);
        for (_, guard) in own {
            let (dir, name) = &guard.spot;
            guard.paths.extend(model.path_below(TOP, *dir).map(|dir| dir.join(name.clone())));
            guard.inodes.extend(guard.paths.iter().filter_map(|path| model.find(TOP, path)));
        }
    }

    /// A user did something to a disk.
    pub fn touched(&mut self, node: usize, deed: &Deed) {
        if self.guards.is_empty() {
            return;
        }
        let (inodes, paths) = about(deed);
        self.guards.retain(|(at, _), guard| {
            let is_meant = inodes.iter().any(|inode| guard.inodes.contains(inode))
                || paths.iter().any(|p| guard.is_at(p));
            *at != node || !is_meant
        });
    }

    /// Disk or index of a machine were put back to an older copy.
    pub fn forget(&mut self, node: usize) {
        self.guards.retain(|(at, _), _| *at != node);
    }

    /// A machine has committed. `is_left` says whether anybody else has a content.
    pub fn committed(&mut self, node: usize, machine: &Machine, is_left: impl Fn(&Digest) -> bool) {
        let index = &machine.index;
        let lives = index.incarnations();
        let own = lives.iter().filter(|life| number(life.node) == machine.identity());
        let own: BTreeSet<_> = own.map(|life| life.incarnation).collect();
        let none = EntryId([0; 16]);
        let ids = self.guards.range((node, none)..(node + 1, none)).map(|((_, id), _)| *id);
        for id in ids.collect::<Vec<_>>() {
            let guard = self.guards.get_mut(&(node, id)).expect("just listed");
            let row = index.seen_of(id);
            guard.paths.extend(row.and_then(|row| from_top(index, &row)));
            let entry = index.entry(id).map(|stored| stored.entry);
            let new = entry.as_ref().map(|entry| &said(entry) - &guard.known).unwrap_or_default();
            if new.is_empty() && entry.is_some() {
                continue;
            }
            let is_own = new.iter().all(|dot| own.contains(&dot.incarnation));
            let fault = entry.and_then(|entry| guard.fault(&entry, &new)).filter(|_| is_own);
            let (paths, announced) = (&guard.paths, guard.announced);
            if let Some(fault) = fault.filter(|_| is_left(&announced)) {
                panic!(
                    "C15: {node} had announced {announced:?} at {paths:?} when the power went; \
                     no user has touched it since, and by {new:?} it {fault}"
                );
            }
            if is_own && is_left(&announced) {
                guard.known.extend(new);
            } else {
                self.guards.remove(&(node, id));
            }
        }
    }
}

/// Which inodes and names a call was about.
fn about(deed: &Deed) -> (Vec<Inode>, Vec<RelPath>) {
    let inodes = |all: &[&What]| all.iter().map(|(inode, _)| *inode).collect::<Vec<_>>();
    let paths = |all: &[&Option<RelPath>]| all.iter().copied().flatten().cloned().collect();
    match deed {
        Deed::Made { what, at, .. } | Deed::Linked { what, at } => (inodes(&[what]), paths(&[at])),
        Deed::Unnamed { what, from, .. } => (inodes(&[what]), paths(&[from])),
        Deed::Renamed { what, from, to, over, below } => {
            let over = over.as_ref().map(|(over, _)| over);
            let all: Vec<&What> = below.iter().chain(over).chain([what]).collect();
            (inodes(&all), paths(&[from, to]))
        }
        Deed::Swapped { first, a, second, b } => (inodes(&[first, second]), paths(&[a, b])),
        Deed::Closed { inode, at, .. } => (vec![*inode], paths(&[at])),
        Deed::Opened { inode } | Deed::Changed { inode, .. } | Deed::Dressed { inode } => {
            (vec![*inode], Vec::new())
        }
    }
}
