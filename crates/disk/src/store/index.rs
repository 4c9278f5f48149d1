//! The engine's `Index` on the store: every look-up asks the overlay first, then the file.
//!
//! Rows of the file whose key waits in the overlay are passed over. Called by the engine.

use super::file::each;
use super::overlay::{floor, EntryChange, PendingChange, SeenChange};
use super::recent::SeenKey;
use super::record::knowledge_bytes;
use super::rows::{self, signed};
use super::Store;
use engine::content::Digest;
use engine::dot::{Dot, Incarnation, Knowledge, NodeId};
use engine::entry::{EntryId, IncarnationRecord, Kind};
use engine::index::{
    Handle, Index, IndexError, Meta, PendingRow, SeenRow, Settled, Slot, Standing, Stored,
};
use engine::path::{Name, RelPath};
use rusqlite::Params;
use std::collections::BTreeMap;

/// The first `max` of what the file and the overlay hold, in the order of their keys; the overlay's
/// word counts where both have one.
fn merged<K: Ord, T>(
    file: impl IntoIterator<Item = (K, T)>,
    overlay: impl IntoIterator<Item = (K, T)>,
    max: usize,
) -> Vec<(K, T)> {
    let mut all: BTreeMap<K, T> = file.into_iter().collect();
    all.extend(overlay);
    all.into_iter().take(max).collect()
}

impl Store {
    /// Replaces an entry, or removes it.
    fn change_entry(&mut self, id: EntryId, stored: Option<Stored>) {
        let (seq, base, before) = match self.overlay.take_entry(id) {
            Some(old) => (old.seq, old.base, old.stored.is_some()),
            None => {
                let base = self.file_entry(id, |held| held.base.clone());
                let seq = base.as_ref().map_or(self.next_seq, |base| base.seq);
                self.next_seq += i64::from(base.is_none());
                let before = base.is_some();
                (seq, base, before)
            }
        };
        let count = &mut self.facts.counts.entries;
        *count = (*count + u64::from(stored.is_some())).saturating_sub(u64::from(before));
        if base.is_some() || stored.is_some() {
            self.overlay.put_entry(id, EntryChange { seq, base, stored });
        }
        self.spill();
    }

    /// Replaces a row of D, or removes it.
    fn change_seen(&mut self, slot: Slot, row: Option<SeenRow>) {
        let (in_file, before) = match self.overlay.take_seen(slot) {
            Some(old) => (old.in_file, old.row.is_some()),
            None => {
                let in_file = self.answer(self.is_slot_in_file(slot));
                (in_file, in_file)
            }
        };
        let count = &mut self.facts.counts.seen;
        *count = (*count + u64::from(row.is_some())).saturating_sub(u64::from(before));
        if in_file || row.is_some() {
            self.overlay.put_seen(slot, SeenChange { in_file, row });
        }
        self.spill();
    }

    /// Replaces a pending row, or removes it.
    fn change_pending(&mut self, entry: EntryId, row: Option<PendingRow>) {
        let (base, before) = match self.overlay.take_pending(entry) {
            Some(old) => (old.base, old.row.is_some()),
            None => {
                let base = self.file_pending(entry);
                let before = base.is_some();
                (base, before)
            }
        };
        let count = &mut self.facts.counts.pending;
        *count = (*count + u64::from(row.is_some())).saturating_sub(u64::from(before));
        if base.is_some() || row.is_some() {
            self.overlay.put_pending(entry, PendingChange { base, row });
        }
        self.spill();
    }

    /// Rare writes go straight into the open transaction.
    fn write(&mut self, sql: &str, params: impl Params) {
        let done = self.begin().and_then(|()| {
            self.connection.prepare_cached(sql)?.execute(params)?;
            Ok(())
        });
        if let Err(error) = done {
            self.fail("write", error);
        }
    }
}

impl Index for Store {
    fn commit(&mut self) -> Result<(), IndexError> {
        self.commit_all()
    }

    fn meta(&self) -> Meta {
        self.facts.meta.clone()
    }

    fn set_meta(&mut self, meta: &Meta) {
        if self.facts.meta != *meta {
            self.facts.meta = meta.clone();
            self.facts.meta_unsaved = true;
        }
    }

    fn knowledge(&self) -> Knowledge {
        self.facts.knowledge.clone()
    }

    fn set_knowledge(&mut self, knowledge: &Knowledge) {
        if self.facts.knowledge != *knowledge {
            self.facts.knowledge = knowledge.clone();
            self.facts.knowledge_unsaved = true;
        }
    }

    fn contexts(&self) -> Vec<(u64, Knowledge)> {
        self.facts.contexts.iter().map(|(&id, k)| (id, k.clone())).collect()
    }

    fn put_context(&mut self, id: u64, knowledge: &Knowledge) {
        self.facts.contexts.insert(id, knowledge.clone());
        self.facts.contexts_unsaved.insert(id);
    }

    fn remove_context(&mut self, id: u64) {
        if self.facts.contexts.remove(&id).is_some() {
            self.facts.contexts_unsaved.insert(id);
        }
    }

    fn frontier(&self) -> Knowledge {
        self.facts.frontier.clone()
    }

    fn set_frontier(&mut self, frontier: &Knowledge) {
        if self.facts.frontier != *frontier {
            self.facts.frontier = frontier.clone();
            self.facts.frontier_unsaved = true;
        }
    }

    fn standings(&self) -> Vec<Standing> {
        self.answer(self.file_standings(NodeId([0; 32]), NodeId([u8::MAX; 32])))
    }

    fn standing(&self, node: NodeId) -> Option<Standing> {
        self.answer(self.file_standings(node, node)).pop()
    }

    fn put_standing(&mut self, standing: &Standing) {
        let bytes = knowledge_bytes(&mut self.lives, &standing.knowledge);
        let sql = "INSERT OR REPLACE INTO standing (node, knowledge, heard) VALUES (?1, ?2, ?3)";
        self.write(sql, (standing.node.0, bytes, signed(standing.heard_ms)));
    }

    fn incarnations(&self) -> Vec<IncarnationRecord> {
        self.lives.records()
    }

    fn put_incarnation(&mut self, record: &IncarnationRecord) {
        self.lives.put_record(record);
    }

    fn unread(&self) -> Vec<(RelPath, u64)> {
        self.answer(self.file_unread())
    }

    fn put_unread(&mut self, path: &RelPath, until_ms: u64) {
        let sql = "INSERT OR REPLACE INTO unread (path, until) VALUES (?1, ?2)";
        self.write(sql, (path.to_bytes(), signed(until_ms)));
    }

    fn remove_unread(&mut self, path: &RelPath) {
        self.write("DELETE FROM unread WHERE path = ?1", [path.to_bytes()]);
    }

    fn entry(&self, id: EntryId) -> Option<Stored> {
        match self.overlay.entries.get(&id) {
            Some(change) => change.stored.clone(),
            None => self.file_entry(id, |held| held.stored.clone()),
        }
    }

    fn settled(&self, id: EntryId) -> Option<(Kind, Option<Settled>)> {
        let brief = |stored: &Stored| (stored.entry.kind, stored.settled.clone());
        match self.overlay.entries.get(&id) {
            Some(change) => change.stored.as_ref().map(brief),
            None => self.file_entry(id, |held| brief(&held.stored)),
        }
    }

    fn put_entry(&mut self, stored: &Stored) {
        self.change_entry(stored.entry.id, Some(stored.clone()));
    }

    fn remove_entry(&mut self, id: EntryId) {
        self.change_entry(id, None);
    }

    fn deleted(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let mut found = self.answer(self.file_deleted(after, max));
        let here = self.overlay.deleted.iter().copied();
        found.extend(here.filter(|id| after.is_none_or(|a| *id > a)).take(max));
        found.sort_unstable();
        found.truncate(max);
        found
    }

    fn named(&self, parent: EntryId, name: &Name) -> Vec<EntryId> {
        let mut found = self.file_named(&(parent, name.clone()));
        let here = self.overlay.places.range((parent, name.clone(), EntryId([0; 16]))..);
        let here = here.take_while(|(p, n, _)| *p == parent && n == name);
        found.extend(here.map(|&(_, _, id)| id));
        found.sort_unstable();
        found
    }

    fn names_of(&self, body: EntryId) -> Vec<EntryId> {
        let file = self.answer(self.file_names_of(body)).into_iter();
        let says = |id: &EntryId| {
            let bodies = self.file_entry(*id, |held| held.stored.entry.bodies());
            bodies.is_some_and(|bodies| bodies.contains(&body))
        };
        let mut found: Vec<EntryId> = file.filter(says).collect();
        let here = self.overlay.names.range((body, EntryId([0; 16]))..);
        found.extend(here.take_while(|(of, _)| *of == body).map(|&(_, id)| id));
        found.sort_unstable();
        found
    }

    fn ids(&self, first: EntryId, last: EntryId, max: usize) -> Vec<EntryId> {
        let mut found = self.answer(self.file_ids(first, last, max));
        let here = self.overlay.entries.iter().filter(|(_, change)| change.stored.is_some());
        found.extend(here.map(|(id, _)| *id).filter(|id| (first..=last).contains(id)));
        found.sort_unstable();
        found.truncate(max);
        found
    }

    fn children(
        &self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
        max: usize,
    ) -> Vec<(Name, EntryId)> {
        let file = self.answer(self.file_children(parent, after, max));
        let here = self.overlay.places_in(parent, after).take(max);
        let here = here.map(|(name, id)| ((name.clone(), id), ()));
        let all = merged(file.into_iter().map(|key| (key, ())), here, max);
        all.into_iter().map(|(key, ())| key).collect()
    }

    fn dots(
        &self,
        incarnation: Incarnation,
        from: u64,
        to: u64,
        max: usize,
    ) -> Vec<(u64, EntryId)> {
        let file = self.answer(self.file_dots(incarnation, (from, to), max));
        let at = |counter| Dot { incarnation, counter };
        let here = self.overlay.dots.range((at(from), EntryId([0; 16]))..);
        let here = here.take_while(|(dot, _)| *dot <= at(to)).take(max);
        let here = here.map(|&(dot, id)| ((dot.counter, id), ()));
        let all = merged(file.into_iter().map(|key| (key, ())), here, max);
        all.into_iter().map(|(key, ())| key).collect()
    }

    fn conflicts(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let mut found = self.answer(self.file_conflicts(after, max));
        let here = self.overlay.conflicted.iter().copied();
        found.extend(here.filter(|id| after.is_none_or(|a| *id > a)).take(max));
        found.sort_unstable();
        found.truncate(max);
        found
    }

    fn entry_count(&self) -> u64 {
        self.facts.counts.entries
    }

    fn seen(&self, slot: Slot) -> Option<SeenRow> {
        if let Some(change) = self.overlay.seen.get(&slot) {
            return change.row.clone();
        }
        if let Some(row) = self.recent.borrow().row(slot) {
            return Some(row.clone());
        }
        let row = self.file_seen(rows::BY_SLOT, [signed(slot.0)], 1).pop()?;
        let mut recent = self.recent.borrow_mut();
        recent.bound();
        recent.learn_row(row.clone());
        Some(row)
    }

    fn seen_of(&self, entry: EntryId) -> Option<SeenRow> {
        match self.overlay.seen_by_entry.get(&entry) {
            Some(&slot) => self.overlay.seen_row(slot).cloned(),
            None => self.file_row(SeenKey::Entry(entry)),
        }
    }

    fn seen_named(&self, parent: Slot, name: &Name) -> Option<SeenRow> {
        let key = (parent, name.clone());
        match self.overlay.seen_by_name.get(&key) {
            Some(&slot) => self.overlay.seen_row(slot).cloned(),
            None => self.file_row(SeenKey::Place(key.0, key.1)),
        }
    }

    fn seen_children(&self, parent: Slot, after: Option<&Name>, max: usize) -> Vec<SeenRow> {
        let from = after.map_or(&[][..], Name::as_bytes);
        let file = self.file_seen(rows::CHILDREN, (signed(parent.0), from), max);
        let file = file.into_iter().filter_map(|row| Some((row.name.clone()?, row)));
        let here = self.overlay.seen_in(parent, after).take(max);
        let here = here
            .filter_map(|(name, slot)| Some((name.clone(), self.overlay.seen_row(slot)?.clone())));
        merged(file, here, max).into_iter().map(|(_, row)| row).collect()
    }

    fn seen_handle(&self, handle: &Handle) -> Vec<SeenRow> {
        let key = SeenKey::Handle(handle.clone());
        self.ask_for_rows(&key);
        let recent = self.recent.borrow();
        let file = recent.rows(&key).into_iter().flatten();
        let file = file.filter(|row| !self.overlay.seen.contains_key(&row.slot));
        let mut found: Vec<SeenRow> = file.cloned().collect();
        let here = self.overlay.seen_by_handle.range((handle.clone(), Slot(0))..);
        let here = here.take_while(|(h, _)| h == handle);
        found.extend(here.filter_map(|(_, slot)| self.overlay.seen_row(*slot).cloned()));
        found.sort_unstable_by_key(|row| row.slot);
        found
    }

    fn seen_digest(&self, digest: &Digest) -> Option<SeenRow> {
        let here = self.overlay.seen_by_digest.range((*digest, Slot(0))..).next();
        let here = here.filter(|(found, _)| found == digest).map(|(_, slot)| *slot);
        let file = self.file_digest(digest);
        match here {
            Some(slot) if file.as_ref().is_none_or(|row| slot < row.slot) => {
                self.overlay.seen_row(slot).cloned()
            }
            _ => file,
        }
    }

    fn put_seen(&mut self, row: &SeenRow) {
        self.change_seen(row.slot, Some(row.clone()));
    }

    fn remove_seen(&mut self, slot: Slot) {
        self.change_seen(slot, None);
    }

    fn seen_count(&self) -> u64 {
        self.facts.counts.seen
    }

    fn volatile(&self, after: Slot, max: usize) -> Vec<SeenRow> {
        let file = self.file_seen(rows::VOLATILE, [signed(after.0)], max);
        let file = file.into_iter().map(|row| (row.slot, row));
        let here = self.overlay.volatile.range(Slot(after.0.saturating_add(1))..).take(max);
        let here = here.filter_map(|&slot| Some((slot, self.overlay.seen_row(slot)?.clone())));
        merged(file, here, max).into_iter().map(|(_, row)| row).collect()
    }

    fn settle_volatile(&mut self, epoch: u64) {
        self.overlay.settle_volatile(epoch);
        self.recent.get_mut().settle_volatile(epoch);
        // Often there is nothing to settle: then no transaction, whose commit would cost a sync.
        let mut some = false;
        let sql = "SELECT 1 FROM volatile WHERE epoch <= ?1 LIMIT 1";
        let found = each(self, sql, [signed(epoch)], |_| {
            some = true;
            Ok(false)
        });
        self.answer(found);
        if some {
            self.write("DELETE FROM volatile WHERE epoch <= ?1", [signed(epoch)]);
        }
    }

    fn pending(&self, entry: EntryId) -> Option<PendingRow> {
        match self.overlay.pending.get(&entry) {
            Some(change) => change.row.clone(),
            None => self.file_pending(entry),
        }
    }

    fn put_pending(&mut self, row: &PendingRow) {
        self.change_pending(row.entry, Some(row.clone()));
    }

    fn remove_pending(&mut self, entry: EntryId) {
        self.change_pending(entry, None);
    }

    fn pending_after(&self, order: u64, max: usize) -> Vec<PendingRow> {
        let file = self.answer(self.file_pending_after(order, max));
        let file = file.into_iter().map(|row| (row.order, row));
        let here = self.overlay.pending_by_order.range(order.saturating_add(1)..).take(max);
        let here = here.filter_map(|(&o, _)| Some((o, self.overlay.pending_row(o)?.clone())));
        merged(file, here, max).into_iter().map(|(_, row)| row).collect()
    }

    fn pending_count(&self) -> u64 {
        self.facts.counts.pending
    }

    fn touched_floor(&self, incarnation: Incarnation) -> Option<u64> {
        let file = self.answer(self.file_floor(false, incarnation));
        file.into_iter().chain(floor(&self.overlay.touched, incarnation)).min()
    }

    fn create_floor(&self, incarnation: Incarnation) -> Option<u64> {
        let file = self.answer(self.file_floor(true, incarnation));
        file.into_iter().chain(floor(&self.overlay.creates, incarnation)).min()
    }

    fn kept_of(&self, entry: EntryId) -> Vec<Digest> {
        if !self.keeps {
            return Vec::new();
        }
        self.answer(self.file_kept(entry))
    }

    fn keepers(&self, digest: &Digest) -> Vec<EntryId> {
        if !self.keeps {
            return Vec::new();
        }
        self.answer(self.file_keepers(digest))
    }

    fn all_keepers(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        if !self.keeps {
            return Vec::new();
        }
        self.answer(self.file_all_keepers(after, max))
    }

    fn put_kept(&mut self, entry: EntryId, digest: &Digest) {
        self.keeps = true;
        let sql = "INSERT OR IGNORE INTO kept (entry, digest) VALUES (?1, ?2)";
        self.write(sql, (entry.0, digest.0));
    }

    fn remove_kept(&mut self, entry: EntryId, digest: &Digest) {
        let sql = "DELETE FROM kept WHERE entry = ?1 AND digest = ?2";
        self.write(sql, (entry.0, digest.0));
    }
}
