//! Directories lately met, decoded: every look at a path climbs through them, and reading each from
//! the file again and again was most of the cost of a small change.
//!
//! Holds nothing that the file and the overlay do not say; cleared when it grows beyond its bound.
//! Called by `store::index` only.

use engine::entry::{EntryId, Kind};
use engine::index::{SeenRow, Slot, Stored};
use engine::path::Name;
use std::collections::HashMap;

/// Directories kept, of each kind.
const KEPT_MAX: usize = 20_000;

/// See the module's head.
#[derive(Default, Debug)]
pub struct Dirs {
    entries: HashMap<EntryId, Stored>,
    rows: HashMap<Slot, SeenRow>,
    by_entry: HashMap<EntryId, Slot>,
    by_name: HashMap<(Slot, Name), Slot>,
}

impl Dirs {
    /// A directory of S.
    pub fn entry(&self, id: EntryId) -> Option<&Stored> {
        self.entries.get(&id)
    }

    /// Keeps an entry if it is a directory.
    pub fn keep_entry(&mut self, stored: &Stored) {
        if stored.entry.kind != Kind::Dir {
            return;
        }
        if self.entries.len() >= KEPT_MAX {
            self.entries.clear();
        }
        self.entries.insert(stored.entry.id, stored.clone());
    }

    /// A directory of D by its slot.
    pub fn row(&self, slot: Slot) -> Option<&SeenRow> {
        self.rows.get(&slot)
    }

    /// The directory of D that shows an entry.
    pub fn row_of(&self, entry: EntryId) -> Option<&SeenRow> {
        self.row(*self.by_entry.get(&entry)?)
    }

    /// The directory of D at a name.
    pub fn row_named(&self, parent: Slot, name: &Name) -> Option<&SeenRow> {
        self.row(*self.by_name.get(&(parent, name.clone()))?)
    }

    /// Keeps a row if it is a directory's.
    pub fn keep_row(&mut self, row: &SeenRow) {
        self.forget_row(row.slot);
        if row.kind != Kind::Dir {
            return;
        }
        if self.rows.len() >= KEPT_MAX {
            self.forget_rows();
        }
        self.by_entry.insert(row.entry, row.slot);
        if let Some(name) = &row.name {
            self.by_name.insert((row.parent, name.clone()), row.slot);
        }
        self.rows.insert(row.slot, row.clone());
    }

    /// The row was changed or removed.
    pub fn forget_row(&mut self, slot: Slot) {
        let Some(old) = self.rows.remove(&slot) else { return };
        if self.by_entry.get(&old.entry) == Some(&slot) {
            self.by_entry.remove(&old.entry);
        }
        if let Some(name) = old.name {
            let key = (old.parent, name);
            if self.by_name.get(&key) == Some(&slot) {
                self.by_name.remove(&key);
            }
        }
    }

    /// Rows were changed by a rule, not one by one.
    pub fn forget_rows(&mut self) {
        self.rows.clear();
        self.by_entry.clear();
        self.by_name.clear();
    }
}
