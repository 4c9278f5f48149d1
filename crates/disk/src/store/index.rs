//! The engine's `Index` on the store: every look-up asks the overlay first, then the file.
//!
//! Rows of the file whose key waits in the overlay are passed over. Called by the engine.

use super::dirs::Dirs;
use super::overlay::{floor, EntryBase, EntryChange, PendingChange, SeenChange};
use super::record::{read_entry, read_entry_dots, read_pending, EntryColumns};
use super::rows::{self, bytes, name, signed, unsigned};
use super::{ReadError, Store};
use engine::content::Digest;
use engine::dot::{Dot, Incarnation, Knowledge};
use engine::entry::{EntryId, IncarnationRecord};
use engine::index::{Handle, Index, IndexError, Meta, PendingRow, SeenRow, Slot, Stored};
use engine::path::Name;
use rusqlite::{Params, Row};
use std::collections::BTreeMap;

/// Reads every row a statement finds until `take` has enough.
fn each(
    store: &Store,
    sql: &str,
    params: impl Params,
    mut take: impl FnMut(&Row<'_>) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    store.begin_reading()?;
    let mut statement = store.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        if !take(row)? {
            break;
        }
    }
    Ok(())
}

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
    fn file_entry(&self, id: EntryId) -> Result<Option<Stored>, ReadError> {
        let mut found = None;
        let sql = "SELECT seq, parent, name, conflicted, row FROM entry WHERE id = ?1";
        let mut base = None;
        each(self, sql, [id.0], |row| {
            let parent = row.get::<_, Option<[u8; 16]>>(1)?.map(EntryId);
            let place = parent.zip(bytes(row, 2)?.map(name).transpose()?);
            let columns = EntryColumns { id, place, conflicted: row.get(3)? };
            let content = bytes(row, 4)?.unwrap_or_default();
            base = Some(EntryBase { seq: row.get(0)?, dots: read_entry_dots(content)? });
            found = Some(read_entry(&self.lives, columns, content)?);
            Ok(false)
        })?;
        let mut looked = self.looked.borrow_mut();
        if looked.len() >= self.overlay_rows_max {
            looked.clear();
        }
        looked.insert(id, base);
        Ok(found)
    }

    /// What the file holds of an entry that is about to be replaced.
    fn entry_base(&self, id: EntryId) -> Result<Option<EntryBase>, ReadError> {
        if let Some(base) = self.looked.borrow_mut().remove(&id) {
            return Ok(base);
        }
        let mut base = None;
        each(self, "SELECT seq, row FROM entry WHERE id = ?1", [id.0], |row| {
            let dots = read_entry_dots(bytes(row, 1)?.unwrap_or_default())?;
            base = Some(EntryBase { seq: row.get(0)?, dots });
            Ok(false)
        })?;
        Ok(base)
    }

    fn file_named(&self, parent: EntryId, called: &Name) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT id FROM entry WHERE parent = ?1 AND name = ?2 ORDER BY id";
        each(self, sql, (parent.0, called.as_bytes()), |row| {
            let id = EntryId(row.get(0)?);
            found.extend((!self.overlay.entries.contains_key(&id)).then_some(id));
            Ok(true)
        })?;
        Ok(found)
    }

    fn file_children(
        &self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
        max: usize,
    ) -> Result<Vec<(Name, EntryId)>, ReadError> {
        let mut found = Vec::new();
        let (from, id) = after.map_or((&[][..], [0; 16]), |(name, id)| (name.as_bytes(), id.0));
        let sql = "SELECT name, id FROM entry \
                   WHERE parent = ?1 AND (name, id) > (?2, ?3) ORDER BY name, id";
        each(self, sql, (parent.0, from, id), |row| {
            let id = EntryId(row.get(1)?);
            if !self.overlay.entries.contains_key(&id) {
                found.push((name(bytes(row, 0)?.unwrap_or_default())?, id));
            }
            Ok(found.len() < max)
        })?;
        Ok(found)
    }

    fn file_dots(
        &self,
        incarnation: Incarnation,
        (from, to): (u64, u64),
        max: usize,
    ) -> Result<Vec<(u64, EntryId)>, ReadError> {
        let mut found = Vec::new();
        let Some(life) = self.lives.find(incarnation) else { return Ok(found) };
        let sql = "SELECT d.counter, e.id FROM dot d JOIN entry e ON e.seq = d.seq \
                   WHERE d.life = ?1 AND d.counter BETWEEN ?2 AND ?3 ORDER BY d.counter, d.seq";
        each(self, sql, (life, signed(from), signed(to)), |row| {
            let counter = unsigned(row, 0)?;
            // A counter's entries come by rowid; the caller wants them by id.
            let enough = found.len() >= max && found.last().is_some_and(|(c, _)| *c < counter);
            let id = EntryId(row.get(1)?);
            if !enough && !self.overlay.entries.contains_key(&id) {
                found.push((counter, id));
            }
            Ok(!enough)
        })?;
        Ok(found)
    }

    fn file_conflicts(
        &self,
        after: Option<EntryId>,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        let from = after.map_or(Vec::new(), |id| id.0.to_vec());
        let sql = "SELECT id FROM entry WHERE conflicted = 1 AND id > ?1 ORDER BY id";
        each(self, sql, [from], |row| {
            let id = EntryId(row.get(0)?);
            found.extend((!self.overlay.entries.contains_key(&id)).then_some(id));
            Ok(found.len() < max)
        })?;
        Ok(found)
    }

    /// A directory's row as lately met, or from the file.
    fn dir_or(
        &self,
        met: impl Fn(&Dirs) -> Option<SeenRow>,
        file: impl Fn() -> Option<SeenRow>,
    ) -> Option<SeenRow> {
        if let Some(row) = met(&self.dirs.borrow()) {
            return Some(row);
        }
        file().inspect(|row| self.dirs.borrow_mut().keep_row(row))
    }

    /// Rows of D in the file, less those that wait in the overlay.
    fn file_seen(&self, sql: &str, params: impl Params, max: usize) -> Vec<SeenRow> {
        let hidden = |slot| self.overlay.seen.contains_key(&slot);
        let read = || {
            self.begin_reading()?;
            rows::seen_rows(&self.connection, &self.lives, (sql, params), max, hidden)
        };
        self.answer(read())
    }

    fn is_slot_in_file(&self, slot: Slot) -> Result<bool, ReadError> {
        if slot.0 > self.top_slot {
            return Ok(false);
        }
        let mut found = false;
        each(self, "SELECT 1 FROM seen WHERE slot = ?1", [signed(slot.0)], |_| {
            found = true;
            Ok(false)
        })?;
        Ok(found)
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

    fn file_pending(&self, entry: EntryId) -> Result<Option<PendingRow>, ReadError> {
        let mut found = None;
        each(self, "SELECT place, row FROM pending WHERE entry = ?1", [entry.0], |row| {
            let content = bytes(row, 1)?.unwrap_or_default();
            found = Some(read_pending(&self.lives, entry, unsigned(row, 0)?, content)?);
            Ok(false)
        })?;
        Ok(found)
    }

    fn file_pending_after(&self, order: u64, max: usize) -> Result<Vec<PendingRow>, ReadError> {
        let mut found = Vec::new();
        let known = self.hidden_below.get();
        let from = order.max(known);
        let mut hidden_to = from;
        let sql = "SELECT place, entry, row FROM pending WHERE place > ?1 ORDER BY place";
        each(self, sql, [signed(from)], |row| {
            let (order, entry) = (unsigned(row, 0)?, EntryId(row.get(1)?));
            if !self.overlay.pending.contains_key(&entry) {
                let content = bytes(row, 2)?.unwrap_or_default();
                found.push(read_pending(&self.lives, entry, order, content)?);
            } else if found.is_empty() {
                hidden_to = order;
            }
            Ok(found.len() < max)
        })?;
        if order <= known {
            self.hidden_below.set(hidden_to);
        }
        Ok(found)
    }

    /// Replaces a pending row, or removes it.
    fn change_pending(&mut self, entry: EntryId, row: Option<PendingRow>) {
        let (base, before) = match self.overlay.take_pending(entry) {
            Some(old) => (old.base, old.row.is_some()),
            None => {
                let base = self.answer(self.file_pending(entry));
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

    /// The lowest counter in the file's `touched` or `creating` of a row that is not hidden. Where
    /// the last search ended, the next begins: within a transaction rows are only ever hidden.
    fn file_floor(
        &self,
        creating: bool,
        incarnation: Incarnation,
    ) -> Result<Option<u64>, ReadError> {
        let Some(life) = self.lives.find(incarnation) else { return Ok(None) };
        let sql = if creating {
            "SELECT counter, place FROM creating WHERE life = ?1 AND counter >= ?2 \
             ORDER BY counter, place"
        } else {
            "SELECT counter, place FROM touched WHERE life = ?1 AND counter >= ?2 \
             ORDER BY counter, place"
        };
        let from = self.floors.borrow().get(&(creating, life)).copied().unwrap_or(0);
        let mut found = None;
        each(self, sql, (life, signed(from)), |row| {
            if !self.overlay.hidden_orders.contains(&unsigned(row, 1)?) {
                found = Some(unsigned(row, 0)?);
            }
            Ok(found.is_none())
        })?;
        self.floors.borrow_mut().insert((creating, life), found.unwrap_or(i64::MAX as u64));
        Ok(found)
    }

    fn file_kept(&self, entry: EntryId) -> Result<Vec<Digest>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT digest FROM kept WHERE entry = ?1 ORDER BY digest";
        each(self, sql, [entry.0], |row| {
            found.push(Digest(row.get(0)?));
            Ok(true)
        })?;
        Ok(found)
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

    fn incarnations(&self) -> Vec<IncarnationRecord> {
        self.lives.records()
    }

    fn put_incarnation(&mut self, record: &IncarnationRecord) {
        self.lives.put_record(record);
    }

    fn entry(&self, id: EntryId) -> Option<Stored> {
        match self.overlay.entries.get(&id) {
            Some(change) => Some(change.stored.clone()),
            None => {
                if let Some(stored) = self.dirs.borrow().entry(id) {
                    return Some(stored.clone());
                }
                let stored = self.answer(self.file_entry(id));
                stored.inspect(|stored| self.dirs.borrow_mut().keep_entry(stored))
            }
        }
    }

    fn put_entry(&mut self, stored: &Stored) {
        let id = stored.entry.id;
        self.dirs.get_mut().keep_entry(stored);
        let stored = stored.clone();
        let change = match self.overlay.take_entry(id) {
            Some(old) => EntryChange { stored, ..old },
            None => {
                let base = self.answer(self.entry_base(id));
                let seq = base.as_ref().map_or(self.next_seq, |base| base.seq);
                self.next_seq += i64::from(base.is_none());
                self.facts.counts.entries += u64::from(base.is_none());
                EntryChange { seq, base, stored }
            }
        };
        self.overlay.put_entry(change);
        self.spill();
    }

    fn named(&self, parent: EntryId, name: &Name) -> Vec<EntryId> {
        let mut found = self.answer(self.file_named(parent, name));
        let here = self.overlay.places.range((parent, name.clone(), EntryId([0; 16]))..);
        let here = here.take_while(|(p, n, _)| *p == parent && n == name);
        found.extend(here.map(|&(_, _, id)| id));
        found.sort_unstable();
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
        match self.overlay.seen.get(&slot) {
            Some(change) => change.row.clone(),
            None => self.dir_or(
                |dirs| dirs.row(slot).cloned(),
                || self.file_seen(rows::BY_SLOT, [signed(slot.0)], 1).pop(),
            ),
        }
    }

    fn seen_of(&self, entry: EntryId) -> Option<SeenRow> {
        match self.overlay.seen_by_entry.get(&entry) {
            Some(&slot) => self.overlay.seen_row(slot).cloned(),
            None => self.dir_or(
                |dirs| dirs.row_of(entry).cloned(),
                || self.file_seen(rows::BY_ENTRY, [entry.0], 1).pop(),
            ),
        }
    }

    fn seen_named(&self, parent: Slot, name: &Name) -> Option<SeenRow> {
        match self.overlay.seen_by_name.get(&(parent, name.clone())) {
            Some(&slot) => self.overlay.seen_row(slot).cloned(),
            None => self.dir_or(
                |dirs| dirs.row_named(parent, name).cloned(),
                || {
                    let key = (signed(parent.0), name.as_bytes());
                    self.file_seen(rows::BY_NAME, key, 1).pop()
                },
            ),
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
        let mut found = self.file_seen(rows::BY_HANDLE, [&handle.0], usize::MAX);
        let here = self.overlay.seen_by_handle.range((handle.clone(), Slot(0))..);
        let here = here.take_while(|(h, _)| h == handle);
        found.extend(here.filter_map(|(_, slot)| self.overlay.seen_row(*slot).cloned()));
        found.sort_unstable_by_key(|row| row.slot);
        found
    }

    fn seen_digest(&self, digest: &Digest) -> Option<SeenRow> {
        let here = self.overlay.seen_by_digest.range((*digest, Slot(0))..).next();
        let here = here.filter(|(found, _)| found == digest).map(|(_, slot)| *slot);
        let file = self.file_seen(rows::BY_DIGEST, [digest.0], 1).pop();
        match here {
            Some(slot) if file.as_ref().is_none_or(|row| slot < row.slot) => {
                self.overlay.seen_row(slot).cloned()
            }
            _ => file,
        }
    }

    fn put_seen(&mut self, row: &SeenRow) {
        self.dirs.get_mut().keep_row(row);
        self.change_seen(row.slot, Some(row.clone()));
    }

    fn remove_seen(&mut self, slot: Slot) {
        self.dirs.get_mut().forget_row(slot);
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
        self.dirs.get_mut().forget_rows();
        self.overlay.settle_volatile(epoch);
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
            None => self.answer(self.file_pending(entry)),
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
        self.answer(self.file_kept(entry))
    }

    fn is_kept(&self, digest: &Digest) -> bool {
        let mut found = false;
        self.answer(each(self, "SELECT 1 FROM kept WHERE digest = ?1", [digest.0], |_| {
            found = true;
            Ok(false)
        }));
        found
    }

    fn put_kept(&mut self, entry: EntryId, digest: &Digest) {
        let sql = "INSERT OR IGNORE INTO kept (entry, digest) VALUES (?1, ?2)";
        self.write(sql, (entry.0, digest.0));
    }

    fn remove_kept(&mut self, entry: EntryId, digest: &Digest) {
        let sql = "DELETE FROM kept WHERE entry = ?1 AND digest = ?2";
        self.write(sql, (entry.0, digest.0));
    }
}
