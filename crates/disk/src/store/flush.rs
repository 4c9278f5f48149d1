//! From memory into SQLite: what waits in the overlay, in the order of its rowids, then the facts;
//! and the commit.
//!
//! Called by `store::index` when a transaction ends or grows beyond its bound.

use super::overlay::{digest_of, EntryBase, EntryChange, PendingChange, SeenChange};
use super::recent::Held;
use super::record::{
    content_bytes, counts_bytes, entry_bytes, entry_dots, knowledge_bytes, meta_bytes,
    pending_bytes, seen_bytes,
};
use super::rows::signed;
use super::{fact, sums, ReadError, Store, Transaction};
use engine::dot::Dot;
use engine::entry::EntryId;
use engine::index::{IndexError, Slot, Stored};
use engine::view;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Writes one of the folder's single records.
pub fn save_fact(connection: &Connection, key: i64, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO fact (key, value) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute((key, value)).map(drop)
}

impl Store {
    /// Opens SQLite's transaction for writing. A reading one becomes it with the first write:
    /// nobody else writes, so it cannot be too old for that.
    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        if self.transaction.get() == Transaction::None {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        }
        self.transaction.set(Transaction::Writing);
        Ok(())
    }

    /// Opens a reading transaction if none is open.
    pub(super) fn begin_reading(&self) -> rusqlite::Result<()> {
        if self.transaction.get() == Transaction::None {
            self.connection.prepare_cached("BEGIN")?.execute([])?;
            self.transaction.set(Transaction::Reading);
        }
        Ok(())
    }

    /// Keeps the overlay within its bound.
    pub(super) fn spill(&mut self) {
        if self.overlay.len() >= self.overlay_rows_max && self.failed.borrow().is_none() {
            if let Err(error) = self.flush() {
                self.fail("write", error);
            }
        }
    }

    /// Moves the overlay into the open transaction.
    fn flush(&mut self) -> Result<(), ReadError> {
        self.begin()?;
        let overlay = std::mem::take(&mut self.overlay);
        self.floors.borrow_mut().clear();
        self.hidden_below.set(0);
        let mut entries: Vec<(EntryId, EntryChange)> = overlay.entries.into_iter().collect();
        entries.sort_unstable_by_key(|(_, change)| change.seq);
        for (id, change) in entries {
            match change.stored {
                Some(stored) => self.flush_entry(change.seq, change.base, stored)?,
                None => self.flush_removal(id, change.base)?,
            }
        }
        self.flush_seen(overlay.seen)?;
        let mut pending: Vec<_> = overlay.pending.into_iter().collect();
        pending.sort_unstable_by_key(|(_, change)| change.row.as_ref().map(|row| row.order));
        self.flush_pending(pending)
    }

    fn flush_removal(&mut self, id: EntryId, base: Option<EntryBase>) -> Result<(), ReadError> {
        let Some(base) = base else { return Ok(()) };
        self.connection.prepare_cached("DELETE FROM entry WHERE seq = ?1")?.execute([base.seq])?;
        self.unlink_dots(base.seq, base.dots.iter())?;
        // Of what bears the content of several names; it goes after them.
        self.connection.prepare_cached("DELETE FROM name WHERE body = ?1")?.execute([id.0])?;
        self.facts.sums.toggle(&id.0, base.sum);
        self.recent.get_mut().removed_entry(id);
        Ok(())
    }

    fn unlink_dots<'a>(
        &self,
        seq: i64,
        dots: impl Iterator<Item = &'a (u32, u64)>,
    ) -> rusqlite::Result<()> {
        let sql = "DELETE FROM dot WHERE life = ?1 AND counter = ?2 AND seq = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        for &(life, counter) in dots {
            statement.execute((life, signed(counter), seq))?;
        }
        Ok(())
    }

    fn flush_entry(
        &mut self,
        seq: i64,
        base: Option<EntryBase>,
        stored: Stored,
    ) -> Result<(), ReadError> {
        let bytes = entry_bytes(&mut self.lives, &stored);
        let parent = stored.settled.as_ref().map(|at| at.parent.0);
        let name = stored.settled.as_ref().map(|at| at.name.as_bytes());
        let sql = if base.is_some() {
            "UPDATE entry SET id = ?2, parent = ?3, name = ?4, conflicted = ?5, dead = ?6, \
             row = ?7 WHERE seq = ?1"
        } else {
            "INSERT INTO entry (seq, id, parent, name, conflicted, dead, row) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        };
        let id = stored.entry.id.0;
        let dead = view::is_deleted(&stored);
        let row = (seq, id, parent, name, stored.conflicted, dead, &bytes);
        self.connection.prepare_cached(sql)?.execute(row)?;
        let now = entry_dots(&mut self.lives, &stored.entry);
        let before = base.as_ref().map_or(&[][..], |base| &base.dots);
        self.unlink_dots(seq, before.iter().filter(|dot| now.binary_search(dot).is_err()))?;
        let sql = "INSERT OR IGNORE INTO dot (life, counter, seq) VALUES (?1, ?2, ?3)";
        for &(life, counter) in now.iter().filter(|dot| before.binary_search(dot).is_err()) {
            let key = (life, signed(counter), seq);
            self.connection.prepare_cached(sql)?.execute(key)?;
        }
        // Taken out with the body: who asks looks at the entries, and most that were names are so.
        let sql = "INSERT OR IGNORE INTO name (body, entry) VALUES (?1, ?2)";
        for body in stored.entry.bodies() {
            self.connection.prepare_cached(sql)?.execute((body.0, id))?;
        }
        let sum = sums::of_row(&id, &bytes);
        let before = base.as_ref().map_or(0, |base| base.sum);
        self.facts.sums.toggle(&id, sum ^ before);
        let base = EntryBase { seq, dots: now, sum };
        self.recent.get_mut().wrote_entry(Held { base, stored });
        Ok(())
    }

    fn flush_seen(
        &mut self,
        changes: std::collections::BTreeMap<Slot, SeenChange>,
    ) -> Result<(), ReadError> {
        let connection = &self.connection;
        let mut insert = connection.prepare_cached(
            "INSERT INTO seen (slot, parent, name, entry, handle, digest, row) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut update = connection.prepare_cached(
            "UPDATE seen SET parent = ?2, name = ?3, entry = ?4, handle = ?5, digest = ?6, \
             row = ?7 WHERE slot = ?1",
        )?;
        let mut delete = connection.prepare_cached("DELETE FROM seen WHERE slot = ?1")?;
        let mut mark = connection.prepare_cached(
            "INSERT OR REPLACE INTO volatile (slot, epoch, previous) VALUES (?1, ?2, ?3)",
        )?;
        let mut settle = connection.prepare_cached("DELETE FROM volatile WHERE slot = ?1")?;
        for (slot, change) in changes {
            let key = signed(slot.0);
            if let Some(row) = &change.row {
                let bytes = seen_bytes(&mut self.lives, row);
                let name = row.name.as_ref().map(|name| name.as_bytes());
                let digest = digest_of(row).map(|digest| digest.0);
                let handle = &row.fingerprint.handle.0;
                let statement = if change.in_file { &mut update } else { &mut insert };
                let parent = signed(row.parent.0);
                statement.execute((key, parent, name, row.entry.0, handle, digest, bytes))?;
                self.top_slot = self.top_slot.max(slot.0);
            } else if change.in_file {
                delete.execute([key])?;
            }
            if let Some(volatile) = change.row.as_ref().and_then(|row| row.volatile.as_ref()) {
                let previous = volatile.previous.as_ref().map(content_bytes);
                mark.execute((key, signed(volatile.epoch), previous))?;
            } else if change.in_file {
                settle.execute([key])?;
            }
            self.recent.get_mut().wrote_row(slot, change.row);
        }
        Ok(())
    }

    /// Removals first: an order may pass from one entry to another.
    fn flush_pending(&mut self, changes: Vec<(EntryId, PendingChange)>) -> Result<(), ReadError> {
        for (_, change) in &changes {
            self.remove_pending_row(change)?;
        }
        for (entry, change) in changes {
            self.write_pending_row(entry, &change)?;
            self.recent.get_mut().learn_pending(entry, change.row);
        }
        Ok(())
    }

    /// Removes what the file holds and the change does not.
    fn remove_pending_row(&mut self, change: &PendingChange) -> rusqlite::Result<()> {
        let Some(base) = &change.base else { return Ok(()) };
        let order = signed(base.order);
        let row = change.row.as_ref().filter(|row| row.order == base.order);
        if row.is_none() {
            let sql = "DELETE FROM pending WHERE place = ?1";
            self.connection.prepare_cached(sql)?.execute([order])?;
        }
        let sql = "DELETE FROM touched WHERE life = ?1 AND counter = ?2 AND place = ?3";
        let stays = |dot: &&Dot| row.is_some_and(|row| row.touched.contains(dot));
        for dot in base.touched.iter().filter(|dot| !stays(dot)) {
            let key = (self.lives.number(dot.incarnation), signed(dot.counter), order);
            self.connection.prepare_cached(sql)?.execute(key)?;
        }
        let sql = "DELETE FROM creating WHERE life = ?1 AND counter = ?2 AND place = ?3";
        let stays = |dot: &Dot| row.is_some_and(|row| row.create == Some(*dot));
        if let Some(dot) = base.create.filter(|dot| !stays(dot)) {
            let key = (self.lives.number(dot.incarnation), signed(dot.counter), order);
            self.connection.prepare_cached(sql)?.execute(key)?;
        }
        Ok(())
    }

    /// Writes what the change holds and the file does not.
    fn write_pending_row(
        &mut self,
        entry: EntryId,
        change: &PendingChange,
    ) -> rusqlite::Result<()> {
        let Some(row) = &change.row else { return Ok(()) };
        let order = signed(row.order);
        let base = change.base.as_ref().filter(|base| base.order == row.order);
        let bytes = pending_bytes(&mut self.lives, row);
        let sql = match base {
            Some(_) => "UPDATE pending SET row = ?3 WHERE place = ?1 AND entry = ?2",
            None => "INSERT INTO pending (place, entry, row) VALUES (?1, ?2, ?3)",
        };
        self.connection.prepare_cached(sql)?.execute((order, entry.0, bytes))?;
        let sql = "INSERT OR IGNORE INTO touched (life, counter, place) VALUES (?1, ?2, ?3)";
        let has = |dot: &&Dot| base.is_some_and(|base| base.touched.contains(dot));
        for dot in row.touched.iter().filter(|dot| !has(dot)) {
            let key = (self.lives.number(dot.incarnation), signed(dot.counter), order);
            self.connection.prepare_cached(sql)?.execute(key)?;
        }
        let sql = "INSERT OR IGNORE INTO creating (life, counter, place) VALUES (?1, ?2, ?3)";
        let has = |dot: &Dot| base.is_some_and(|base| base.create == Some(*dot));
        if let Some(dot) = row.create.filter(|dot| !has(dot)) {
            let key = (self.lives.number(dot.incarnation), signed(dot.counter), order);
            self.connection.prepare_cached(sql)?.execute(key)?;
        }
        Ok(())
    }

    fn save_facts(&mut self) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.facts.meta_unsaved) {
            save_fact(&self.connection, fact::META, &meta_bytes(&self.facts.meta))?;
        }
        if std::mem::take(&mut self.facts.knowledge_unsaved) {
            let bytes = knowledge_bytes(&mut self.lives, &self.facts.knowledge);
            save_fact(&self.connection, fact::KNOWLEDGE, &bytes)?;
        }
        if std::mem::take(&mut self.facts.frontier_unsaved) {
            let bytes = knowledge_bytes(&mut self.lives, &self.facts.frontier);
            save_fact(&self.connection, fact::FRONTIER, &bytes)?;
        }
        for id in std::mem::take(&mut self.facts.contexts_unsaved) {
            let key = signed(id);
            if let Some(knowledge) = self.facts.contexts.get(&id) {
                let bytes = knowledge_bytes(&mut self.lives, knowledge);
                let sql = "INSERT OR REPLACE INTO context (id, knowledge) VALUES (?1, ?2)";
                self.connection.prepare_cached(sql)?.execute((key, bytes))?;
            } else {
                let sql = "DELETE FROM context WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute([key])?;
            }
        }
        save_fact(&self.connection, fact::COUNTS, &counts_bytes(&self.facts.counts))?;
        save_fact(&self.connection, fact::SUMS, &self.facts.sums.to_bytes())?;
        self.lives.save(&self.connection)
    }

    fn is_unchanged(&self) -> bool {
        self.transaction.get() != Transaction::Writing
            && self.overlay.len() == 0
            && !self.facts.meta_unsaved
            && !self.facts.knowledge_unsaved
            && !self.facts.frontier_unsaved
            && self.facts.contexts_unsaved == BTreeSet::new()
            && !self.lives.is_unsaved()
    }

    fn try_commit(&mut self) -> Result<(), ReadError> {
        self.flush()?;
        self.save_facts()?;
        self.end()
    }

    /// Ends the open transaction, if one is.
    fn end(&self) -> Result<(), ReadError> {
        if self.transaction.get() != Transaction::None {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            self.transaction.set(Transaction::None);
        }
        Ok(())
    }

    /// See [`engine::index::Index::commit`]. After a failure the store answers and commits nothing
    /// more: what is in memory may not be what is in the file.
    pub(super) fn commit_all(&mut self) -> Result<(), IndexError> {
        if self.failed.borrow().is_none() {
            let done = if self.is_unchanged() { self.end() } else { self.try_commit() };
            match done {
                Ok(()) => return Ok(()),
                Err(error) => self.fail("commit to", error),
            }
        }
        if self.transaction.replace(Transaction::None) != Transaction::None {
            // SQLite may have rolled back by itself; then there is nothing left to roll back.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let failed = self.failed.borrow().clone();
        Err(failed.expect("only failures come here"))
    }
}
