//! What the file holds, less what waits in the overlay: single rows through `store::recent`, lists
//! out of SQLite.
//!
//! Reads only. Called by `store::index`.

use super::overlay::EntryBase;
use super::recent::{Held, SeenKey};
use super::record::{read_entry, read_entry_dots, read_knowledge, read_pending, EntryColumns};
use super::rows::{self, bytes, name, signed, unsigned};
use super::{sums, ReadError, Store};
use engine::content::Digest;
use engine::dot::{Incarnation, NodeId};
use engine::entry::EntryId;
use engine::index::{PendingRow, SeenRow, Slot, Standing};
use engine::path::{Name, RelPath};
use rusqlite::{Params, Row, ToSql};

/// Reads every row a statement finds until `take` has enough.
pub(super) fn each(
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

impl Store {
    /// An entry out of the columns `seq, id, parent, name, conflicted, row`.
    pub(super) fn read_held(&self, row: &Row<'_>) -> Result<Held, ReadError> {
        let parent = row.get::<_, Option<[u8; 16]>>(2)?.map(EntryId);
        let place = parent.zip(bytes(row, 3)?.map(name).transpose()?);
        let id = row.get(1)?;
        let columns = EntryColumns { id: EntryId(id), place, conflicted: row.get(4)? };
        let content = bytes(row, 5)?.unwrap_or_default();
        let (dots, sum) = (read_entry_dots(content)?, sums::of_row(&id, content));
        let base = EntryBase { seq: row.get(0)?, dots, sum };
        Ok(Held { base, stored: read_entry(&self.lives, columns, content)? })
    }

    /// What the file holds of an entry.
    pub(super) fn file_entry<T>(&self, id: EntryId, take: impl FnOnce(&Held) -> T) -> Option<T> {
        if let Some(known) = self.recent.borrow().entry(id) {
            return known.map(take);
        }
        let mut held = None;
        let sql = "SELECT seq, id, parent, name, conflicted, row FROM entry WHERE id = ?1";
        self.answer(each(self, sql, [id.0], |row| {
            held = Some(self.read_held(row)?);
            Ok(false)
        }));
        let mut recent = self.recent.borrow_mut();
        recent.bound();
        let taken = held.as_ref().map(take);
        recent.learn_entry(id, held);
        taken
    }

    /// The entries that the file has settled at a name, less those that wait in the overlay.
    pub(super) fn file_named(&self, place: &(EntryId, Name)) -> Vec<EntryId> {
        if self.recent.borrow().named(place).is_none() {
            let mut found = Vec::new();
            let sql = "SELECT seq, id, parent, name, conflicted, row FROM entry \
                       WHERE parent = ?1 AND name = ?2 ORDER BY id";
            self.answer(each(self, sql, (place.0 .0, place.1.as_bytes()), |row| {
                found.push(self.read_held(row)?);
                Ok(true)
            }));
            let mut recent = self.recent.borrow_mut();
            recent.bound();
            let ids = found.iter().map(|held| held.stored.entry.id).collect();
            for held in found {
                recent.learn_entry(held.stored.entry.id, Some(held));
            }
            recent.learn_named(place.clone(), ids);
        }
        let recent = self.recent.borrow();
        let ids = recent.named(place).unwrap_or_default().iter();
        ids.copied().filter(|id| !self.overlay.entries.contains_key(id)).collect()
    }

    pub(super) fn file_children(
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

    pub(super) fn file_dots(
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

    /// Who was ever said to be a name of `body`.
    pub(super) fn file_names_of(&self, body: EntryId) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT entry FROM name WHERE body = ?1 ORDER BY entry";
        each(self, sql, [body.0], |row| {
            let id = EntryId(row.get(0)?);
            found.extend((!self.overlay.entries.contains_key(&id)).then_some(id));
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn file_ids(
        &self,
        first: EntryId,
        last: EntryId,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT id FROM entry WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        each(self, sql, [first.0, last.0], |row| {
            let id = EntryId(row.get(0)?);
            found.extend((!self.overlay.entries.contains_key(&id)).then_some(id));
            Ok(found.len() < max)
        })?;
        Ok(found)
    }

    pub(super) fn file_deleted(
        &self,
        after: Option<EntryId>,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        self.file_page("SELECT id FROM entry WHERE dead = 1 AND id > ?1 ORDER BY id", after, max)
    }

    pub(super) fn file_conflicts(
        &self,
        after: Option<EntryId>,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        let sql = "SELECT id FROM entry WHERE conflicted = 1 AND id > ?1 ORDER BY id";
        self.file_page(sql, after, max)
    }

    /// The next entries of a list, as far as they are not replaced in memory.
    fn file_page(
        &self,
        sql: &str,
        after: Option<EntryId>,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        // Any id comes after no bytes.
        let from = after.as_ref().map_or(&[][..], |id| &id.0);
        each(self, sql, [from], |row| {
            let id = EntryId(row.get(0)?);
            found.extend((!self.overlay.entries.contains_key(&id)).then_some(id));
            Ok(found.len() < max)
        })?;
        Ok(found)
    }

    /// How far these nodes are.
    pub(super) fn file_standings(
        &self,
        first: NodeId,
        last: NodeId,
    ) -> Result<Vec<Standing>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT node, knowledge, heard FROM standing WHERE node BETWEEN ?1 AND ?2 \
                   ORDER BY node";
        each(self, sql, [first.0, last.0], |row| {
            let node = NodeId(row.get(0)?);
            let knowledge = read_knowledge(&self.lives, bytes(row, 1)?.unwrap_or_default())?;
            found.push(Standing { node, knowledge, heard_ms: unsigned(row, 2)? });
            Ok(true)
        })?;
        Ok(found)
    }

    /// What could not be read yet, by path.
    pub(super) fn file_unread(&self) -> Result<Vec<(RelPath, u64)>, ReadError> {
        let mut found = Vec::new();
        each(self, "SELECT path, until FROM unread ORDER BY path", [], |row| {
            let path = bytes(row, 0)?.unwrap_or_default();
            let broken = |_| ReadError::Broken("a path that is none".into());
            let path = RelPath::parse(path).map_err(broken)?;
            found.push((path, unsigned(row, 1)?));
            Ok(true)
        })?;
        Ok(found)
    }

    /// The row of D in the file that a key leads to; of several the one made last.
    pub(super) fn file_row(&self, key: SeenKey) -> Option<SeenRow> {
        self.ask_for_rows(&key);
        let recent = self.recent.borrow();
        let mut rows = recent.rows(&key).into_iter().flatten().rev();
        rows.find(|row| !self.overlay.seen.contains_key(&row.slot)).cloned()
    }

    /// Sees to it that what the file holds for a key is at hand.
    pub(super) fn ask_for_rows(&self, key: &SeenKey) {
        if self.recent.borrow().rows(key).is_some() {
            return;
        }
        let read = || {
            self.begin_reading()?;
            let (connection, lives) = (&self.connection, &self.lives);
            let find = |sql, params: &dyn ToSql, more: Option<&[u8]>| match more {
                None => rows::seen_rows(connection, lives, (sql, [params]), usize::MAX, |_| false),
                Some(more) => {
                    let params: [&dyn ToSql; 2] = [params, &more];
                    rows::seen_rows(connection, lives, (sql, params), usize::MAX, |_| false)
                }
            };
            match key {
                SeenKey::Entry(entry) => find(rows::BY_ENTRY, &entry.0, None),
                SeenKey::Handle(handle) => find(rows::BY_HANDLE, &handle.0, None),
                SeenKey::Place(parent, name) => {
                    find(rows::BY_NAME, &signed(parent.0), Some(name.as_bytes()))
                }
            }
        };
        let rows = self.answer(read());
        let mut recent = self.recent.borrow_mut();
        recent.bound();
        recent.learn_rows(key.clone(), rows);
    }

    /// Rows of D in the file, less those that wait in the overlay.
    pub(super) fn file_seen(&self, sql: &str, params: impl Params, max: usize) -> Vec<SeenRow> {
        let hidden = |slot| self.overlay.seen.contains_key(&slot);
        let read = || {
            self.begin_reading()?;
            rows::seen_rows(&self.connection, &self.lives, (sql, params), max, hidden)
        };
        self.answer(read())
    }

    pub(super) fn file_digest(&self, digest: &Digest) -> Option<SeenRow> {
        if self.recent.borrow().is_nowhere(digest) {
            return None;
        }
        let mut any = false;
        let sql = "SELECT 1 FROM seen WHERE digest = ?1";
        self.answer(each(self, sql, [digest.0], |_| {
            any = true;
            Ok(false)
        }));
        if !any {
            let mut recent = self.recent.borrow_mut();
            recent.bound();
            recent.learn_nowhere(*digest);
            return None;
        }
        self.file_seen(rows::BY_DIGEST, [digest.0], 1).pop()
    }

    pub(super) fn is_slot_in_file(&self, slot: Slot) -> Result<bool, ReadError> {
        if slot.0 > self.top_slot {
            return Ok(false);
        }
        if self.recent.borrow().row(slot).is_some() {
            return Ok(true);
        }
        let mut found = false;
        each(self, "SELECT 1 FROM seen WHERE slot = ?1", [signed(slot.0)], |_| {
            found = true;
            Ok(false)
        })?;
        Ok(found)
    }

    pub(super) fn file_pending(&self, entry: EntryId) -> Option<PendingRow> {
        if let Some(known) = self.recent.borrow().pending(entry) {
            return known.cloned();
        }
        let mut found = None;
        let sql = "SELECT place, row FROM pending WHERE entry = ?1";
        self.answer(each(self, sql, [entry.0], |row| {
            let content = bytes(row, 1)?.unwrap_or_default();
            found = Some(read_pending(&self.lives, entry, unsigned(row, 0)?, content)?);
            Ok(false)
        }));
        let mut recent = self.recent.borrow_mut();
        recent.bound();
        recent.learn_pending(entry, found.clone());
        found
    }

    pub(super) fn file_pending_after(
        &self,
        order: u64,
        max: usize,
    ) -> Result<Vec<PendingRow>, ReadError> {
        let mut found = Vec::new();
        let known = self.hidden_below.get();
        let from = order.max(known);
        let mut hidden_to = from;
        let sql = "SELECT place, entry, row FROM pending WHERE place > ?1 ORDER BY place";
        each(self, sql, [signed(from)], |row| {
            let (order, entry) = (unsigned(row, 0)?, EntryId(row.get(1)?));
            if !self.overlay.pending.contains_key(&entry) {
                let content = bytes(row, 2)?.unwrap_or_default();
                let row = read_pending(&self.lives, entry, order, content)?;
                self.recent.borrow_mut().learn_pending(entry, Some(row.clone()));
                found.push(row);
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

    /// The lowest counter in the file's `touched` or `creating` of a row that is not hidden. Where
    /// the last search ended, the next begins: within a transaction rows are only ever hidden.
    pub(super) fn file_floor(
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

    pub(super) fn file_kept(&self, entry: EntryId) -> Result<Vec<Digest>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT digest FROM kept WHERE entry = ?1 ORDER BY digest";
        each(self, sql, [entry.0], |row| {
            found.push(Digest(row.get(0)?));
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn file_all_keepers(
        &self,
        after: Option<EntryId>,
        max: usize,
    ) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        // Any id comes after no bytes.
        let from = after.as_ref().map_or(&[][..], |id| &id.0);
        let sql = "SELECT DISTINCT entry FROM kept WHERE entry > ?1 ORDER BY entry";
        each(self, sql, [from], |row| {
            found.push(EntryId(row.get(0)?));
            Ok(found.len() < max)
        })?;
        Ok(found)
    }

    pub(super) fn file_keepers(&self, digest: &Digest) -> Result<Vec<EntryId>, ReadError> {
        let mut found = Vec::new();
        let sql = "SELECT entry FROM kept WHERE digest = ?1 ORDER BY entry";
        each(self, sql, [digest.0], |row| {
            found.push(EntryId(row.get(0)?));
            Ok(true)
        })?;
        Ok(found)
    }
}
