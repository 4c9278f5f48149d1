//! What the file holds of rows lately read or written, decoded: an entry on its way into place is
//! looked up dozens of times, and reading it from the file each time was most of an initial sync.
//!
//! It says what the file says with the open transaction, never what waits in the overlay: a flush
//! moves the overlay's rows here. That the file has no such row is kept, too. All is forgotten when
//! it grows beyond its bound. Called by `store::index` and `store::flush` only.

use super::overlay::{digest_of, EntryBase};
use engine::content::Digest;
use engine::entry::EntryId;
use engine::index::{Handle, PendingRow, SeenRow, Slot, Stored};
use engine::path::Name;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Rows kept of each kind, and answers to look-ups: more than the engine has under way at once.
pub const KEPT_MAX: usize = 12_000;

/// An entry in the file.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its rowid and dots.
    pub base: EntryBase,
    /// All of it.
    pub stored: Stored,
}

/// By what rows of D are looked up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SeenKey {
    /// What they show.
    Entry(EntryId),
    /// Where they are.
    Place(Slot, Name),
    /// Their inode.
    Handle(Handle),
}

fn keys_of(row: &SeenRow) -> impl Iterator<Item = SeenKey> {
    let place = row.name.clone().map(|name| SeenKey::Place(row.parent, name));
    let handle = SeenKey::Handle(row.fingerprint.handle.clone());
    [SeenKey::Entry(row.entry), handle].into_iter().chain(place)
}

/// Complete answers to look-ups: what each key leads to, ascending. Whatever is in one is kept
/// itself, so an answer can be kept true when that is replaced.
#[derive(Debug)]
struct Answers<K, V>(HashMap<K, Vec<V>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Answers(HashMap::new())
    }
}

impl<K: Hash + Eq, V: Ord> Answers<K, V> {
    fn remove(&mut self, key: &K, value: &V) {
        if let Some(values) = self.0.get_mut(key) {
            values.retain(|one| one != value);
        }
    }

    fn add(&mut self, key: &K, value: V) {
        if let Some(values) = self.0.get_mut(key) {
            if let Err(at) = values.binary_search(&value) {
                values.insert(at, value);
            }
        }
    }
}

/// See the module's head.
#[derive(Default, Debug)]
pub struct Recent {
    entries: HashMap<EntryId, Option<Held>>,
    named: Answers<(EntryId, Name), EntryId>,
    rows: HashMap<Slot, SeenRow>,
    seen: Answers<SeenKey, Slot>,
    /// Contents that no row shows.
    nowhere: HashSet<Digest>,
    pending: HashMap<EntryId, Option<PendingRow>>,
    /// [`KEPT_MAX`], or less in tests.
    kept_max: Option<usize>,
}

impl Recent {
    /// Tests keep less.
    #[cfg(test)]
    pub fn set_kept_max(&mut self, kept_max: usize) {
        self.kept_max = Some(kept_max);
    }

    /// Forgets what is too much. Called between look-ups, for one may need several rows at once.
    pub fn bound(&mut self) {
        let kept_max = self.kept_max.unwrap_or(KEPT_MAX);
        if self.entries.len().max(self.named.0.len()) > kept_max {
            self.entries.clear();
            self.named.0.clear();
        }
        if self.rows.len().max(self.seen.0.len() / 3) > kept_max {
            self.rows.clear();
            self.seen.0.clear();
        }
        if self.pending.len() > kept_max {
            self.pending.clear();
        }
        if self.nowhere.len() > kept_max {
            self.nowhere.clear();
        }
    }

    /// An entry; the outer `None` says that the file must be asked.
    pub fn entry(&self, id: EntryId) -> Option<Option<&Held>> {
        self.entries.get(&id).map(Option::as_ref)
    }

    /// The file was asked for an entry.
    pub fn learn_entry(&mut self, id: EntryId, held: Option<Held>) {
        self.entries.insert(id, held);
    }

    /// An entry was written.
    pub fn wrote_entry(&mut self, held: Held) {
        let id = held.stored.entry.id;
        let place =
            |stored: &Stored| stored.settled.as_ref().map(|at| (at.parent, at.name.clone()));
        let is = place(&held.stored);
        let old = self.entries.insert(id, Some(held));
        let was = old.flatten().and_then(|old| place(&old.stored));
        if was != is {
            was.inspect(|was| self.named.remove(was, &id));
            is.inspect(|is| self.named.add(is, id));
        }
    }

    /// A flush has removed an entry.
    pub fn removed_entry(&mut self, id: EntryId) {
        let old = self.entries.insert(id, None).flatten();
        if let Some(at) = old.and_then(|old| old.stored.settled) {
            self.named.remove(&(at.parent, at.name), &id);
        }
    }

    /// The entries settled at a name, ascending.
    pub fn named(&self, place: &(EntryId, Name)) -> Option<&[EntryId]> {
        self.named.0.get(place).map(Vec::as_slice)
    }

    /// The file was asked who is settled at a name. They were all learnt before.
    pub fn learn_named(&mut self, place: (EntryId, Name), ids: Vec<EntryId>) {
        debug_assert!(ids.iter().all(|id| self.entries.contains_key(id)));
        self.named.0.insert(place, ids);
    }

    /// A row of D by its slot.
    pub fn row(&self, slot: Slot) -> Option<&SeenRow> {
        self.rows.get(&slot)
    }

    /// The file was asked for a slot, and has this row there.
    pub fn learn_row(&mut self, row: SeenRow) {
        self.rows.insert(row.slot, row);
    }

    /// Rows of D by a key, ascending by slot; `None`: the file must be asked.
    pub fn rows(&self, key: &SeenKey) -> Option<impl DoubleEndedIterator<Item = &SeenRow>> {
        let slots = self.seen.0.get(key)?;
        Some(slots.iter().filter_map(|slot| self.rows.get(slot)))
    }

    /// The file was asked for all rows of a key.
    pub fn learn_rows(&mut self, key: SeenKey, rows: Vec<SeenRow>) {
        let mut slots: Vec<Slot> = rows.iter().map(|row| row.slot).collect();
        slots.sort_unstable();
        self.rows.extend(rows.into_iter().map(|row| (row.slot, row)));
        self.seen.0.insert(key, slots);
    }

    /// A row of D was written, or removed.
    pub fn wrote_row(&mut self, slot: Slot, row: Option<SeenRow>) {
        if let Some(old) = self.rows.remove(&slot) {
            for key in keys_of(&old) {
                self.seen.remove(&key, &slot);
            }
        }
        let Some(row) = row else { return };
        for key in keys_of(&row) {
            self.seen.add(&key, slot);
        }
        if let Some(digest) = digest_of(&row) {
            self.nowhere.remove(&digest);
        }
        self.rows.insert(slot, row);
    }

    /// Rows up to this epoch are durable.
    pub fn settle_volatile(&mut self, epoch: u64) {
        for row in self.rows.values_mut() {
            if row.volatile.as_ref().is_some_and(|volatile| volatile.epoch <= epoch) {
                row.volatile = None;
            }
        }
    }

    /// Whether no row of D shows this content.
    pub fn is_nowhere(&self, digest: &Digest) -> bool {
        self.nowhere.contains(digest)
    }

    /// The file was asked, and no row shows this content.
    pub fn learn_nowhere(&mut self, digest: Digest) {
        self.nowhere.insert(digest);
    }

    /// A pending row; the outer `None` says that the file must be asked.
    pub fn pending(&self, entry: EntryId) -> Option<Option<&PendingRow>> {
        self.pending.get(&entry).map(Option::as_ref)
    }

    /// The file has this pending row, or none.
    pub fn learn_pending(&mut self, entry: EntryId, row: Option<PendingRow>) {
        self.pending.insert(entry, row);
    }
}
