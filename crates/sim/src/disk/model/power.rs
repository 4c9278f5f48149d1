//! What a power loss takes. Names and attributes are journalled: they come back as they were after
//! one of the operations since the last sync, in order. Bytes are written back when the kernel
//! likes: each block of a file is there, or is what it was, or zeros, or the file is short.
//!
//! As ext4 (data=ordered), xfs and btrfs behave, taken together. A part of `model`.

use super::{Inode, Model, Spot, Thing};
use crate::random::Random;
use disk::fs::FileKind;
use engine::entry::{Owner, Timestamp};
use engine::path::Name;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A kernel begins to write back after seconds (vm.dirty_writeback_centisecs).
const UNSEEN_MS: u64 = 100;
/// Bytes that reach the disk together.
const BLOCK_BYTES: usize = 4096;

/// What takes back one thing that one operation did.
#[derive(Clone, Debug)]
enum Undo {
    /// A name stood for this, or for nothing.
    Name(Spot, Option<Inode>),
    Attributes(Inode, Box<Attributes>),
    /// It was not there.
    Born(Inode),
    /// It was there.
    Gone(Inode, Box<Thing>),
}

#[derive(Clone, Debug)]
struct Attributes {
    mtime: Timestamp,
    ctime: Timestamp,
    mode: u16,
    owner: Owner,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    immutable: bool,
}

impl Attributes {
    fn of(thing: &Thing) -> Attributes {
        Attributes {
            mtime: thing.mtime,
            ctime: thing.ctime,
            mode: thing.mode,
            owner: thing.owner,
            xattrs: thing.xattrs.clone(),
            immutable: thing.immutable,
        }
    }

    fn put_back(self, thing: &mut Thing) {
        let Attributes { mtime, ctime, mode, owner, xattrs, immutable } = self;
        (thing.mtime, thing.ctime, thing.mode, thing.owner) = (mtime, ctime, mode, owner);
        (thing.xattrs, thing.immutable) = (xattrs, immutable);
    }
}

/// What is durable of a file's bytes.
#[derive(Clone, Debug, Default)]
struct Durable {
    bytes: Arc<Vec<u8>>,
    ctime: Timestamp,
    /// When somebody began to change them.
    until_ms: u64,
}

/// What is not durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    /// Since the last sync, oldest first, each with the number of its operation.
    undo: Vec<(u64, Undo)>,
    operation: u64,
    /// Files whose bytes are not durable.
    bytes: BTreeMap<Inode, Durable>,
    /// Files among them that a failed sync has marked clean: no later sync writes them, until
    /// somebody writes to them again.
    forgotten: BTreeSet<Inode>,
    /// What names stood for when all was durable, and did not at a later sync.
    former: BTreeSet<(Spot, Inode)>,
}

impl Journal {
    /// Another operation begins: it is there as a whole, or not.
    pub(super) fn begin(&mut self) {
        self.operation += 1;
    }

    fn note(&mut self, undo: Undo) {
        self.undo.push((self.operation, undo));
    }
}

impl Model {
    pub(super) fn note_name(&mut self, spot: &Spot) {
        let was = self.at(spot.0, &spot.1).ok();
        self.journal.note(Undo::Name(spot.clone(), was));
    }

    pub(super) fn note_attributes(&mut self, inode: Inode) {
        if let Some(thing) = self.things.get(&inode) {
            let were = Box::new(Attributes::of(thing));
            self.journal.note(Undo::Attributes(inode, were));
        }
    }

    pub(super) fn note_born(&mut self, inode: Inode) {
        self.journal.note(Undo::Born(inode));
        self.journal.bytes.insert(inode, Default::default());
    }

    pub(super) fn note_gone(&mut self, inode: Inode, thing: Thing) {
        self.stored.remove(&inode);
        self.free.insert(u32::try_from(super::number_of(inode)).expect("32 bits"));
        self.journal.note(Undo::Gone(inode, Box::new(thing)));
    }

    /// The bytes of a file are about to change.
    pub(super) fn note_bytes(&mut self, inode: Inode) -> Result<(), Errno> {
        let thing = self.thing(inode)?;
        let (bytes, ctime) = (thing.bytes.clone(), thing.ctime);
        let durable = Durable { bytes, ctime, until_ms: self.wall_ms };
        self.journal.bytes.entry(inode).or_insert(durable);
        self.journal.forgotten.remove(&inode);
        Ok(())
    }

    /// Whether a name stands for what it once stood for when all was durable, did not in between,
    /// and need not after a power loss.
    pub fn has_swung(&self, dir: Inode, name: &Name) -> bool {
        let first = self.journal.undo.iter().find_map(|(_, undo)| match undo {
            Undo::Name(spot, was) if (spot.0, &spot.1) == (dir, name) => Some(*was),
            _ => None,
        });
        let (Some(first), now) = (first, self.at(dir, name).ok()) else { return false };
        let is_former = |now| self.journal.former.contains(&((dir, name.clone()), now));
        first == now || now.is_some_and(is_former)
    }

    /// What was durable of names and is no more when all is, now.
    fn note_former(&mut self) {
        let mut former = std::mem::take(&mut self.journal.former);
        let mut met = BTreeSet::new();
        for (_, undo) in &self.journal.undo {
            let Undo::Name(spot, was) = undo else { continue };
            if met.insert(spot) {
                former.extend(was.map(|was| (spot.clone(), was)));
            }
        }
        former.retain(|(spot, was)| self.at(spot.0, &spot.1).ok() != Some(*was));
        self.journal.former = former;
    }

    /// Makes everything durable; or, as fsync(2) does on a journalling filesystem, all names and
    /// attributes, and the bytes of one file. Stores through mappings show in times again.
    pub fn sync(&mut self, only: Option<Inode>) {
        self.note_former();
        let journal = &mut self.journal;
        journal.undo.clear();
        let things = &self.things;
        match only {
            Some(only) => {
                self.stored.remove(&only);
                let forgotten = &journal.forgotten;
                journal.bytes.retain(|inode, _| {
                    things.contains_key(inode) && (*inode != only || forgotten.contains(inode))
                });
            }
            None => {
                self.stored.clear();
                let forgotten = &journal.forgotten;
                journal
                    .bytes
                    .retain(|inode, _| things.contains_key(inode) && forgotten.contains(inode));
            }
        }
        journal.forgotten.retain(|inode| journal.bytes.contains_key(inode));
    }

    /// Files whose bytes are not all durable.
    pub fn unsynced(&self) -> impl Iterator<Item = &Thing> {
        self.journal.bytes.keys().filter_map(|inode| self.things.get(inode))
    }

    /// A sync of one file fails: its bytes are not on the disk, and no later sync will know.
    pub fn fail_sync(&mut self, only: Inode) {
        self.stored.remove(&only);
        if self.journal.bytes.contains_key(&only) {
            self.journal.forgotten.insert(only);
        }
    }

    /// The power fails and comes back; nobody has anything open. Returns the time. With
    /// `only_dated`, other bytes come with another time: those that nobody could tell from what was
    /// durable, but by reading all there is, do not reach the disk. Nor do those that were begun a
    /// moment ago: a kernel takes longer to write back than a program to see that they are coming.
    pub fn lose_power(&mut self, random: &mut Random, only_dated: bool) -> Timestamp {
        let journal = std::mem::take(&mut self.journal);
        self.journal.operation = journal.operation;
        let first = journal.undo.first().map_or(journal.operation, |(first, _)| first - 1);
        let span = usize::try_from(journal.operation - first).expect("few operations");
        // As often as not all or nothing of it is there.
        let last = match random.below(4) {
            0 => first,
            1 => journal.operation,
            _ => first + random.below(span + 1) as u64,
        };
        for (_, undo) in journal.undo.into_iter().rev().take_while(|(at, _)| *at > last) {
            self.undo(undo);
        }
        for (inode, Durable { bytes: durable, ctime, until_ms }) in journal.bytes {
            let Some(thing) = self.things.get_mut(&inode) else { continue };
            if thing.kind == FileKind::File {
                let is_forgotten = journal.forgotten.contains(&inode);
                let left = if is_forgotten && random.chance(500) {
                    durable.clone()
                } else {
                    left_of(&thing.bytes, &durable, random)
                };
                let only_dated = only_dated || self.wall_ms.saturating_sub(until_ms) < UNSEEN_MS;
                thing.bytes = if only_dated && thing.ctime == ctime { durable } else { left };
            }
        }
        self.journal = Journal { operation: self.journal.operation, ..Journal::default() };
        self.forget_opens();
        self.tick()
    }

    /// The filesystem is as it was when a copy of it was made; nobody has anything open.
    pub fn put_back(&mut self, copy: Model) {
        let Model { things, mut free, .. } = copy;
        // No inode has the number and generation of another that was there meanwhile.
        let numbers = 2..u32::try_from(self.generations.len()).expect("32 bits");
        let used: BTreeSet<u32> =
            things.keys().map(|inode| super::number_of(*inode)).map(|n| n as u32).collect();
        free.extend(numbers.filter(|number| !used.contains(number)));
        (self.things, self.free) = (things, free);
        for thing in self.things.values_mut() {
            (thing.immutable, thing.locked) = (false, false);
        }
        self.journal = Journal { operation: self.journal.operation, ..Journal::default() };
        self.forget_opens();
    }

    /// The filesystem is a copy of another, of that moment; nobody has anything open.
    pub fn begin_as(&mut self, copy: Model) {
        *self = copy;
        self.forget_opens();
    }

    /// The time.
    pub fn now(&mut self) -> Timestamp {
        self.tick()
    }

    /// Nobody has anything open, and what has no name is gone.
    fn forget_opens(&mut self) {
        self.stored.clear();
        let nameless: Vec<Inode> = self
            .things
            .iter_mut()
            .filter_map(|(inode, thing)| {
                (thing.opens, thing.writers) = (0, 0);
                (thing.links == 0).then_some(*inode)
            })
            .collect();
        nameless.into_iter().for_each(|inode| self.reap(inode));
        self.told.clear();
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Name(spot, was) => {
                self.set_name(&spot, was);
            }
            Undo::Attributes(inode, were) => {
                if let Some(thing) = self.things.get_mut(&inode) {
                    were.put_back(thing);
                }
            }
            Undo::Born(inode) => {
                self.things.remove(&inode);
                self.free.insert(u32::try_from(super::number_of(inode)).expect("32 bits"));
            }
            Undo::Gone(inode, thing) => {
                self.free.remove(&u32::try_from(super::number_of(inode)).expect("32 bits"));
                self.things.insert(inode, *thing);
            }
        }
    }
}

/// What is left of bytes that were not durable: all, those from before, zeros, a part, or of each
/// block one or the other.
fn left_of(last: &Arc<Vec<u8>>, durable: &Arc<Vec<u8>>, random: &mut Random) -> Arc<Vec<u8>> {
    let length = last.len();
    match random.below(8) {
        0..3 => last.clone(),
        3 => durable.clone(),
        4 => Arc::new(vec![0; length]),
        5 => {
            let blocks = length.div_ceil(BLOCK_BYTES);
            let cut = (random.below(blocks + 1) * BLOCK_BYTES).min(length);
            Arc::new(last[..cut].to_vec())
        }
        _ => {
            let mut torn = last.to_vec();
            for (at, block) in torn.chunks_mut(BLOCK_BYTES).enumerate() {
                if random.chance(500) {
                    continue;
                }
                let old = durable.get(at * BLOCK_BYTES..).unwrap_or_default();
                let old = &old[..old.len().min(block.len())];
                block.fill(0);
                block[..old.len()].copy_from_slice(old);
            }
            Arc::new(torn)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Model;
    use crate::disk::model::names::Target;
    use crate::disk::model::TOP;
    use disk::fs::FileKind;
    use engine::path::Name;

    // Story (simulator, seed 44685): a user put a directory aside, and a symlink in its place. A
    // sync made that durable, the user put it back, and the power went before the program had seen
    // any of it: its files were held for durable there (C11), which they had been.
    #[test]
    fn a_name_that_was_put_away_and_back_has_swung_though_a_sync_came_between() {
        let spot = |name: &[u8]| (TOP, Name::new(name).unwrap());
        let (here, aside) = (spot(b"c"), spot(b".real"));
        for synced_between in [false, true] {
            let mut model = Model::new(0);
            model.make(&here, FileKind::Dir, 0o755, b"").unwrap();
            model.sync(None);
            assert!(!model.has_swung(TOP, &here.1), "it is durable");
            model.rename(&here, &aside, Target::Free).unwrap();
            model.make(&here, FileKind::Symlink, 0o777, b"/outside").unwrap();
            if synced_between {
                model.sync(None);
            }
            assert!(!model.has_swung(TOP, &here.1), "it is something else");
            model.unlink(&here).unwrap();
            model.rename(&aside, &here, Target::Free).unwrap();
            assert!(model.has_swung(TOP, &here.1), "{synced_between}");
            model.sync(None);
            assert!(!model.has_swung(TOP, &here.1), "it is durable again");
        }
    }
}
