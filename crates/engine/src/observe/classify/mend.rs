//! What a power loss did to what was announced is put right; what a user wrote is kept.
//!
//! Used by `classify` only. What it did is judged in `aftermath`.

use super::aftermath::unshown;
use super::names::all_children;
use super::Desk;
use crate::entry::{Kind, Rank};
use crate::index::{SeenRow, Volatile, UNDONE};
use crate::ledger;
use crate::observe::Present;
use crate::path::RelPath;

impl Desk<'_> {
    /// A power loss took attributes back: nothing is minted, the announced ones are set again.
    pub(super) fn undone(&mut self, path: &RelPath, row: &SeenRow, found: &Present) {
        self.seen.damaged.push(path.clone());
        let row = SeenRow {
            fingerprint: found.fingerprint.clone(),
            attributes: found.attributes.clone(),
            volatile: row.volatile.clone().map(|old| Volatile::judged(old, self.pen.epoch)),
            ..row.clone()
        };
        self.pen.index.put_seen(&row);
        ledger::mark(self.pen.facts, self.pen.index, row.entry, &[]);
    }

    /// What a user wrote before a power loss, whole or torn: it is kept, and never wins over what
    /// was announced.
    pub(super) fn doubt(&mut self, path: &RelPath, row: &SeenRow, found: &Present) {
        let rank = std::mem::replace(&mut self.pen.rank, Rank::Import);
        self.change(path, &unshown(row), found);
        self.pen.rank = rank;
    }

    /// A power loss undid something here: nothing is minted, the announced version comes back.
    pub(super) fn mend(&mut self, path: &RelPath, row: &SeenRow, found: Option<&Present>) {
        let entry = row.entry;
        self.seen.damaged.push(path.clone());
        match found {
            None => {
                for below in all_children(&*self.pen.index, row.slot) {
                    self.mend(
                        &path.join(below.name.clone().expect("a child has a name")),
                        &below,
                        None,
                    );
                }
                if row.kind == Kind::Dir {
                    self.seen.dropped.push(row.fingerprint.handle.clone());
                }
                self.pen.index.remove_seen(row.slot);
            }
            Some(found) => {
                let mut row = unshown(row);
                row.fingerprint = found.fingerprint.clone();
                row.attributes = found.attributes.clone();
                row.content = found.content.clone().or(row.content);
                row.soft = true;
                if let Some(volatile) = &mut row.volatile {
                    volatile.epoch = UNDONE;
                }
                self.pen.index.put_seen(&row);
            }
        }
        ledger::mark(self.pen.facts, self.pen.index, entry, &[]);
    }
}
