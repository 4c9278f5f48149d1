//! The rows written since they were last flushed into SQLite, with look-ups of their own.
//!
//! A row that is here hides the one of its key in the file. Plain bookkeeping without errors: what
//! the file holds, the store looks up and tells. Called by `store::index` and `store::flush`.

use engine::content::{Content, Digest};
use engine::dot::{Dot, Incarnation};
use engine::entry::EntryId;
use engine::index::{Handle, PendingRow, SeenRow, Slot, Stored};
use engine::path::Name;
use engine::view;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

/// What the file holds of an entry.
#[derive(Clone, Debug)]
pub struct EntryBase {
    /// Its rowid.
    pub seq: i64,
    /// Its dots, as numbers of lives and counters.
    pub dots: Vec<(u32, u64)>,
    /// The sum of its row.
    pub sum: u64,
}

/// An entry to be written or removed.
pub struct EntryChange {
    /// The rowid it has or will have.
    pub seq: i64,
    /// What the file holds of it.
    pub base: Option<EntryBase>,
    /// What it shall hold.
    pub stored: Option<Stored>,
}

/// A row of D to be written or removed.
pub struct SeenChange {
    /// Whether the file holds a row of this slot.
    pub in_file: bool,
    /// What it shall hold.
    pub row: Option<SeenRow>,
}

/// A pending row to be written or removed.
pub struct PendingChange {
    /// What the file holds for this entry.
    pub base: Option<PendingRow>,
    /// What it shall hold.
    pub row: Option<PendingRow>,
}

/// See the module's head.
#[derive(Default)]
pub struct Overlay {
    /// Of S.
    pub entries: HashMap<EntryId, EntryChange>,
    /// Settled places of those.
    pub places: BTreeSet<(EntryId, Name, EntryId)>,
    /// Dots of those.
    pub dots: BTreeSet<(Dot, EntryId)>,
    /// Which of those are names of which files.
    pub names: BTreeSet<(EntryId, EntryId)>,
    /// Which of those are conflicted.
    pub conflicted: BTreeSet<EntryId>,
    /// Which of those are no part of the tree, or were deleted by somebody.
    pub deleted: BTreeSet<EntryId>,
    /// Of D.
    pub seen: BTreeMap<Slot, SeenChange>,
    /// Slots of those by entry.
    pub seen_by_entry: HashMap<EntryId, Slot>,
    /// Slots of those by place.
    pub seen_by_name: BTreeMap<(Slot, Name), Slot>,
    /// Slots of those by handle.
    pub seen_by_handle: BTreeSet<(Handle, Slot)>,
    /// Slots of those by content.
    pub seen_by_digest: BTreeSet<(Digest, Slot)>,
    /// Which of those are volatile.
    pub volatile: BTreeSet<Slot>,
    /// Pending.
    pub pending: HashMap<EntryId, PendingChange>,
    /// Entries of those by order.
    pub pending_by_order: BTreeMap<u64, EntryId>,
    /// Orders of rows in the file that are hidden.
    pub hidden_orders: HashSet<u64>,
    /// What those were touched by.
    pub touched: BTreeSet<(Dot, u64)>,
    /// What those create.
    pub creates: BTreeSet<(Dot, u64)>,
}

/// The digest that a row's file holds.
pub fn digest_of(row: &SeenRow) -> Option<Digest> {
    match row.content {
        Some(Content::File(digest, _)) => Some(digest),
        _ => None,
    }
}

/// The lowest counter of an incarnation in a set of dots.
pub fn floor(dots: &BTreeSet<(Dot, u64)>, incarnation: Incarnation) -> Option<u64> {
    let (dot, _) = dots.range((Dot { incarnation, counter: 0 }, 0)..).next()?;
    (dot.incarnation == incarnation).then_some(dot.counter)
}

impl Overlay {
    /// How many rows wait here.
    pub fn len(&self) -> usize {
        self.entries.len() + self.seen.len() + self.pending.len()
    }

    /// Adds or replaces an entry, or its removal; its base is what the file holds, kept from the
    /// first time.
    pub fn put_entry(&mut self, id: EntryId, change: EntryChange) {
        if let Some(stored) = &change.stored {
            self.find_entry(id, stored);
        }
        self.entries.insert(id, change);
    }

    fn find_entry(&mut self, id: EntryId, stored: &Stored) {
        self.dots.extend(stored.entry.dots().into_iter().map(|dot| (dot, id)));
        if let Some(at) = &stored.settled {
            self.places.insert((at.parent, at.name.clone(), id));
        }
        self.names.extend(stored.entry.bodies().into_iter().map(|body| (body, id)));
        if stored.conflicted {
            self.conflicted.insert(id);
        }
        if view::is_deleted(stored) {
            self.deleted.insert(id);
        }
    }

    /// Takes an entry out, with its look-ups.
    pub fn take_entry(&mut self, id: EntryId) -> Option<EntryChange> {
        let old = self.entries.remove(&id)?;
        let Some(stored) = &old.stored else { return Some(old) };
        for dot in stored.entry.dots() {
            self.dots.remove(&(dot, id));
        }
        if let Some(at) = &stored.settled {
            self.places.remove(&(at.parent, at.name.clone(), id));
        }
        for body in stored.entry.bodies() {
            self.names.remove(&(body, id));
        }
        self.conflicted.remove(&id);
        self.deleted.remove(&id);
        Some(old)
    }

    /// Adds or replaces a row of D, or its removal.
    pub fn put_seen(&mut self, slot: Slot, change: SeenChange) {
        if let Some(row) = &change.row {
            self.seen_by_entry.insert(row.entry, slot);
            if let Some(name) = &row.name {
                self.seen_by_name.insert((row.parent, name.clone()), slot);
            }
            self.seen_by_handle.insert((row.fingerprint.handle.clone(), slot));
            if let Some(digest) = digest_of(row) {
                self.seen_by_digest.insert((digest, slot));
            }
            if row.volatile.is_some() {
                self.volatile.insert(slot);
            }
        }
        self.seen.insert(slot, change);
    }

    /// Takes a row of D out, with its look-ups; a look-up that meanwhile leads elsewhere stays.
    pub fn take_seen(&mut self, slot: Slot) -> Option<SeenChange> {
        let old = self.seen.remove(&slot)?;
        let Some(row) = &old.row else { return Some(old) };
        if self.seen_by_entry.get(&row.entry) == Some(&slot) {
            self.seen_by_entry.remove(&row.entry);
        }
        if let Some(name) = &row.name {
            let key = (row.parent, name.clone());
            if self.seen_by_name.get(&key) == Some(&slot) {
                self.seen_by_name.remove(&key);
            }
        }
        self.seen_by_handle.remove(&(row.fingerprint.handle.clone(), slot));
        if let Some(digest) = digest_of(row) {
            self.seen_by_digest.remove(&(digest, slot));
        }
        self.volatile.remove(&slot);
        Some(old)
    }

    /// The row of D that waits here under a slot.
    pub fn seen_row(&self, slot: Slot) -> Option<&SeenRow> {
        self.seen.get(&slot)?.row.as_ref()
    }

    /// Clears the volatile mark of the rows here.
    pub fn settle_volatile(&mut self, epoch: u64) {
        for slot in std::mem::take(&mut self.volatile) {
            let row = self.seen.get_mut(&slot).and_then(|change| change.row.as_mut());
            let row = row.expect("the volatile list names rows that are here");
            if row.volatile.as_ref().is_some_and(|volatile| volatile.epoch <= epoch) {
                row.volatile = None;
            } else {
                self.volatile.insert(slot);
            }
        }
    }

    /// Adds or replaces a pending row, or its removal.
    pub fn put_pending(&mut self, entry: EntryId, change: PendingChange) {
        if let Some(base) = &change.base {
            self.hidden_orders.insert(base.order);
        }
        if let Some(row) = &change.row {
            self.pending_by_order.insert(row.order, entry);
            self.touched.extend(row.touched.iter().map(|dot| (*dot, row.order)));
            self.creates.extend(row.create.map(|dot| (dot, row.order)));
        }
        self.pending.insert(entry, change);
    }

    /// Takes a pending row out, with its look-ups.
    pub fn take_pending(&mut self, entry: EntryId) -> Option<PendingChange> {
        let old = self.pending.remove(&entry)?;
        let Some(row) = &old.row else { return Some(old) };
        self.pending_by_order.remove(&row.order);
        for dot in &row.touched {
            self.touched.remove(&(*dot, row.order));
        }
        if let Some(dot) = row.create {
            self.creates.remove(&(dot, row.order));
        }
        Some(old)
    }

    /// The pending row that waits here with an order.
    pub fn pending_row(&self, order: u64) -> Option<&PendingRow> {
        self.pending.get(self.pending_by_order.get(&order)?)?.row.as_ref()
    }

    /// Settled places in a directory after a name and id.
    pub fn places_in<'a>(
        &'a self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
    ) -> impl Iterator<Item = (&'a Name, EntryId)> + 'a {
        let from = match after {
            Some((name, id)) => Bound::Excluded((parent, name.clone(), id)),
            None => Bound::Included((parent, first_name(), EntryId([0; 16]))),
        };
        let here = self.places.range((from, Bound::Unbounded));
        here.take_while(move |(p, ..)| *p == parent).map(|(_, name, id)| (name, *id))
    }

    /// Rows of D in a directory after a name.
    pub fn seen_in<'a>(
        &'a self,
        parent: Slot,
        after: Option<&Name>,
    ) -> impl Iterator<Item = (&'a Name, Slot)> + 'a {
        let from = match after {
            Some(name) => Bound::Excluded((parent, name.clone())),
            None => Bound::Included((parent, first_name())),
        };
        let here = self.seen_by_name.range((from, Bound::Unbounded));
        here.take_while(move |((p, _), _)| *p == parent).map(|((_, name), slot)| (name, *slot))
    }
}

/// No name sorts before this one: a NUL is in none.
fn first_name() -> Name {
    Name::new(&[1]).expect("one byte that is neither NUL, slash nor dot is a name")
}
