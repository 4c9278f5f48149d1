//! The index in memory: for tests, the simulator, and as the oracle that the stored one is held to.
//!
//! Remembers what every change since the last commit replaced, so that a simulated crash can forget
//! what was not committed.

use super::{
    Digest, Dot, EntryId, Handle, Incarnation, IncarnationRecord, Index, IndexError, Knowledge,
    Meta, Name, NodeId, PendingRow, SeenRow, Settled, Slot, Standing, Stored,
};
use crate::content::Content;
use crate::entry::Kind;
use crate::path::RelPath;
use crate::view;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

/// See the module's head.
#[derive(Clone, Debug)]
pub struct MemIndex {
    open: State,
}

#[derive(Clone, Debug, Default)]
struct State {
    meta: Table<(), Meta>,
    knowledge: Table<(), Knowledge>,
    contexts: Table<u64, Knowledge>,
    frontier: Table<(), Knowledge>,
    standings: Table<NodeId, Standing>,
    incarnations: Table<Incarnation, IncarnationRecord>,
    unread: Table<RelPath, u64>,
    entries: Table<EntryId, Stored>,
    by_dot: Table<(Dot, EntryId), ()>,
    by_place: Table<(EntryId, Name, EntryId), ()>,
    by_body: Table<(EntryId, EntryId), ()>,
    conflicted: Table<EntryId, ()>,
    deleted: Table<EntryId, ()>,
    seen: Table<Slot, SeenRow>,
    seen_by_entry: Table<EntryId, Slot>,
    seen_by_name: Table<(Slot, Name), Slot>,
    seen_by_handle: Table<(Handle, Slot), ()>,
    seen_by_digest: Table<(Digest, Slot), ()>,
    volatile: Table<Slot, ()>,
    pending: Table<EntryId, PendingRow>,
    pending_order: Table<u64, EntryId>,
    touched: Table<(Dot, EntryId), ()>,
    creates: Table<(Dot, EntryId), ()>,
    kept: Table<(EntryId, Digest), ()>,
}

/// An ordered map that can go back to where it was: each change notes what it replaced.
#[derive(Clone, Debug)]
struct Table<K, V> {
    rows: BTreeMap<K, V>,
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { rows: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    fn insert(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.rows.remove(key)?;
        self.undo.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    fn range(&self, range: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range(range)
    }

    fn keys_from(&self, key: K) -> impl Iterator<Item = &K> {
        self.rows.range(key..).map(|(key, _)| key)
    }

    fn commit(&mut self) {
        self.undo.clear();
    }

    fn crash(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(value) => drop(self.rows.insert(key, value)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

/// Calls a method of every table.
macro_rules! each_table {
    ($state:expr, $method:ident) => {{
        let state = &mut $state;
        state.meta.$method();
        state.knowledge.$method();
        state.contexts.$method();
        state.frontier.$method();
        state.standings.$method();
        state.incarnations.$method();
        state.unread.$method();
        state.entries.$method();
        state.by_dot.$method();
        state.by_place.$method();
        state.by_body.$method();
        state.conflicted.$method();
        state.deleted.$method();
        state.seen.$method();
        state.seen_by_entry.$method();
        state.seen_by_name.$method();
        state.seen_by_handle.$method();
        state.seen_by_digest.$method();
        state.volatile.$method();
        state.pending.$method();
        state.pending_order.$method();
        state.touched.$method();
        state.creates.$method();
        state.kept.$method();
    }};
}

impl MemIndex {
    /// An empty index with these facts, committed.
    pub fn new(meta: Meta) -> MemIndex {
        let mut index = MemIndex { open: State::default() };
        index.open.meta.insert((), meta);
        index.open.knowledge.insert((), Knowledge::default());
        each_table!(index.open, commit);
        index
    }

    /// Forgets everything since the last commit, as a crash would.
    pub fn crash(&mut self) {
        each_table!(self.open, crash);
    }

    /// Every entry of S, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Stored> {
        self.open.entries.rows.values()
    }

    /// Every row of D, by slot.
    pub fn seen_rows(&self) -> impl Iterator<Item = &SeenRow> {
        self.open.seen.rows.values()
    }
}

/// The digest that a row's file holds.
fn digest_of(row: &SeenRow) -> Option<Digest> {
    row.content.as_ref().and_then(Content::digest)
}

impl State {
    fn unlink_entry(&mut self, id: EntryId) {
        let Some(old) = self.entries.remove(&id) else { return };
        for dot in old.entry.dots() {
            self.by_dot.remove(&(dot, id));
        }
        for body in old.entry.bodies() {
            self.by_body.remove(&(body, id));
        }
        if let Some(at) = old.settled {
            self.by_place.remove(&(at.parent, at.name, id));
        }
        self.conflicted.remove(&id);
        self.deleted.remove(&id);
    }

    fn unlink_seen(&mut self, slot: Slot) {
        let Some(old) = self.seen.remove(&slot) else { return };
        if self.seen_by_entry.get(&old.entry) == Some(&slot) {
            self.seen_by_entry.remove(&old.entry);
        }
        if let Some(digest) = digest_of(&old) {
            self.seen_by_digest.remove(&(digest, slot));
        }
        self.seen_by_handle.remove(&(old.fingerprint.handle, slot));
        if let Some(name) = old.name {
            let key = (old.parent, name);
            if self.seen_by_name.get(&key) == Some(&slot) {
                self.seen_by_name.remove(&key);
            }
        }
        self.volatile.remove(&slot);
    }

    fn unlink_pending(&mut self, entry: EntryId) {
        let Some(old) = self.pending.remove(&entry) else { return };
        self.pending_order.remove(&old.order);
        for dot in old.touched {
            self.touched.remove(&(dot, entry));
        }
        if let Some(dot) = old.create {
            self.creates.remove(&(dot, entry));
        }
    }
}

/// No name sorts before this one: a NUL is in none.
fn first_name() -> Name {
    Name::new(&[1]).expect("one byte that is neither NUL, slash nor dot is a name")
}

/// The lowest counter of an incarnation in a set of dots with their entries.
fn floor(dots: &Table<(Dot, EntryId), ()>, incarnation: Incarnation) -> Option<u64> {
    let from = (Dot { incarnation, counter: 0 }, EntryId([0; 16]));
    let (dot, _) = dots.keys_from(from).next()?;
    (dot.incarnation == incarnation).then_some(dot.counter)
}

impl Index for MemIndex {
    fn commit(&mut self) -> Result<(), IndexError> {
        each_table!(self.open, commit);
        Ok(())
    }

    fn meta(&self) -> Meta {
        self.open.meta.get(&()).expect("new() puts the facts in").clone()
    }

    fn set_meta(&mut self, meta: &Meta) {
        self.open.meta.insert((), meta.clone());
    }

    fn knowledge(&self) -> Knowledge {
        self.open.knowledge.get(&()).expect("new() puts it in").clone()
    }

    fn set_knowledge(&mut self, knowledge: &Knowledge) {
        self.open.knowledge.insert((), knowledge.clone());
    }

    fn contexts(&self) -> Vec<(u64, Knowledge)> {
        self.open.contexts.rows.iter().map(|(&id, k)| (id, k.clone())).collect()
    }

    fn put_context(&mut self, id: u64, knowledge: &Knowledge) {
        self.open.contexts.insert(id, knowledge.clone());
    }

    fn remove_context(&mut self, id: u64) {
        self.open.contexts.remove(&id);
    }

    fn frontier(&self) -> Knowledge {
        self.open.frontier.get(&()).cloned().unwrap_or_default()
    }

    fn set_frontier(&mut self, frontier: &Knowledge) {
        self.open.frontier.insert((), frontier.clone());
    }

    fn standings(&self) -> Vec<Standing> {
        self.open.standings.rows.values().cloned().collect()
    }

    fn standing(&self, node: NodeId) -> Option<Standing> {
        self.open.standings.rows.get(&node).cloned()
    }

    fn put_standing(&mut self, standing: &Standing) {
        self.open.standings.insert(standing.node, standing.clone());
    }

    fn incarnations(&self) -> Vec<IncarnationRecord> {
        self.open.incarnations.rows.values().cloned().collect()
    }

    fn put_incarnation(&mut self, record: &IncarnationRecord) {
        self.open.incarnations.insert(record.incarnation, record.clone());
    }

    fn unread(&self) -> Vec<(RelPath, u64)> {
        self.open.unread.rows.iter().map(|(path, &until_ms)| (path.clone(), until_ms)).collect()
    }

    fn put_unread(&mut self, path: &RelPath, until_ms: u64) {
        self.open.unread.insert(path.clone(), until_ms);
    }

    fn remove_unread(&mut self, path: &RelPath) {
        self.open.unread.remove(path);
    }

    fn entry(&self, id: EntryId) -> Option<Stored> {
        self.open.entries.get(&id).cloned()
    }

    fn settled(&self, id: EntryId) -> Option<(Kind, Option<Settled>)> {
        self.open.entries.get(&id).map(|stored| (stored.entry.kind, stored.settled.clone()))
    }

    fn put_entry(&mut self, stored: &Stored) {
        let id = stored.entry.id;
        self.open.unlink_entry(id);
        for dot in stored.entry.dots() {
            self.open.by_dot.insert((dot, id), ());
        }
        for body in stored.entry.bodies() {
            self.open.by_body.insert((body, id), ());
        }
        if let Some(at) = &stored.settled {
            self.open.by_place.insert((at.parent, at.name.clone(), id), ());
        }
        if stored.conflicted {
            self.open.conflicted.insert(id, ());
        }
        if view::is_deleted(stored) {
            self.open.deleted.insert(id, ());
        }
        self.open.entries.insert(id, stored.clone());
    }

    fn remove_entry(&mut self, id: EntryId) {
        self.open.unlink_entry(id);
    }

    fn deleted(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.open.deleted.range((from, Bound::Unbounded));
        rows.take(max).map(|(id, ())| *id).collect()
    }

    fn named(&self, parent: EntryId, name: &Name) -> Vec<EntryId> {
        let from = (parent, name.clone(), EntryId([0; 16]));
        let rows = self.open.by_place.keys_from(from);
        rows.take_while(|(p, n, _)| *p == parent && n == name).map(|&(_, _, id)| id).collect()
    }

    fn names_of(&self, body: EntryId) -> Vec<EntryId> {
        let rows = self.open.by_body.keys_from((body, EntryId([0; 16])));
        rows.take_while(|(of, _)| *of == body).map(|&(_, id)| id).collect()
    }

    fn children(
        &self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
        max: usize,
    ) -> Vec<(Name, EntryId)> {
        let from = match after {
            Some((name, id)) => Bound::Excluded((parent, name.clone(), id)),
            None => Bound::Included((parent, first_name(), EntryId([0; 16]))),
        };
        let rows = self.open.by_place.range((from, Bound::Unbounded)).map(|(key, ())| key);
        let here = rows.take_while(|(p, ..)| *p == parent);
        here.take(max).map(|(_, name, id)| (name.clone(), *id)).collect()
    }

    fn dots(
        &self,
        incarnation: Incarnation,
        from: u64,
        to: u64,
        max: usize,
    ) -> Vec<(u64, EntryId)> {
        let at = |counter, byte| (Dot { incarnation, counter }, EntryId([byte; 16]));
        let rows = self.open.by_dot.range(at(from, 0)..=at(to, u8::MAX));
        rows.take(max).map(|((dot, id), ())| (dot.counter, *id)).collect()
    }

    fn ids(&self, first: EntryId, last: EntryId, max: usize) -> Vec<EntryId> {
        self.open.entries.rows.range(first..=last).take(max).map(|(id, _)| *id).collect()
    }

    fn conflicts(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.open.conflicted.range((from, Bound::Unbounded));
        rows.take(max).map(|(id, ())| *id).collect()
    }

    fn entry_count(&self) -> u64 {
        self.open.entries.rows.len() as u64
    }

    fn seen(&self, slot: Slot) -> Option<SeenRow> {
        self.open.seen.get(&slot).cloned()
    }

    fn seen_of(&self, entry: EntryId) -> Option<SeenRow> {
        self.seen(*self.open.seen_by_entry.get(&entry)?)
    }

    fn seen_named(&self, parent: Slot, name: &Name) -> Option<SeenRow> {
        self.seen(*self.open.seen_by_name.get(&(parent, name.clone()))?)
    }

    fn seen_children(&self, parent: Slot, after: Option<&Name>, max: usize) -> Vec<SeenRow> {
        let from = match after {
            Some(name) => Bound::Excluded((parent, name.clone())),
            None => Bound::Included((parent, first_name())),
        };
        let rows = self.open.seen_by_name.range((from, Bound::Unbounded));
        let here = rows.take_while(|((p, _), _)| *p == parent);
        here.take(max).filter_map(|(_, &slot)| self.seen(slot)).collect()
    }

    fn seen_handle(&self, handle: &Handle) -> Vec<SeenRow> {
        let rows = self.open.seen_by_handle.keys_from((handle.clone(), Slot(0)));
        rows.take_while(|(h, _)| h == handle).filter_map(|(_, slot)| self.seen(*slot)).collect()
    }

    fn seen_digest(&self, digest: &Digest) -> Option<SeenRow> {
        let (found, slot) = self.open.seen_by_digest.keys_from((*digest, Slot(0))).next()?;
        (found == digest).then(|| self.seen(*slot))?
    }

    fn put_seen(&mut self, row: &SeenRow) {
        self.open.unlink_seen(row.slot);
        self.open.seen_by_entry.insert(row.entry, row.slot);
        if let Some(name) = &row.name {
            self.open.seen_by_name.insert((row.parent, name.clone()), row.slot);
        }
        self.open.seen_by_handle.insert((row.fingerprint.handle.clone(), row.slot), ());
        if let Some(digest) = digest_of(row) {
            self.open.seen_by_digest.insert((digest, row.slot), ());
        }
        if row.volatile.is_some() {
            self.open.volatile.insert(row.slot, ());
        }
        self.open.seen.insert(row.slot, row.clone());
    }

    fn remove_seen(&mut self, slot: Slot) {
        self.open.unlink_seen(slot);
    }

    fn seen_count(&self) -> u64 {
        self.open.seen.rows.len() as u64
    }

    fn volatile(&self, after: Slot, max: usize) -> Vec<SeenRow> {
        let rows = self.open.volatile.keys_from(Slot(after.0 + 1));
        rows.take(max).filter_map(|slot| self.seen(*slot)).collect()
    }

    fn settle_volatile(&mut self, epoch: u64) {
        let slots: Vec<Slot> = self.open.volatile.rows.keys().copied().collect();
        for slot in slots {
            let row = self.open.seen.get(&slot).expect("volatile rows are rows");
            if row.volatile.as_ref().is_some_and(|v| v.epoch <= epoch) {
                let settled = SeenRow { volatile: None, ..row.clone() };
                self.open.seen.insert(slot, settled);
                self.open.volatile.remove(&slot);
            }
        }
    }

    fn pending(&self, entry: EntryId) -> Option<PendingRow> {
        self.open.pending.get(&entry).cloned()
    }

    fn put_pending(&mut self, row: &PendingRow) {
        self.open.unlink_pending(row.entry);
        self.open.pending_order.insert(row.order, row.entry);
        for dot in &row.touched {
            self.open.touched.insert((*dot, row.entry), ());
        }
        if let Some(dot) = row.create {
            self.open.creates.insert((dot, row.entry), ());
        }
        self.open.pending.insert(row.entry, row.clone());
    }

    fn remove_pending(&mut self, entry: EntryId) {
        self.open.unlink_pending(entry);
    }

    fn pending_after(&self, order: u64, max: usize) -> Vec<PendingRow> {
        let rows = self.open.pending_order.range(order + 1..).take(max);
        rows.map(|(_, entry)| self.open.pending.rows[entry].clone()).collect()
    }

    fn pending_count(&self) -> u64 {
        self.open.pending.rows.len() as u64
    }

    fn touched_floor(&self, incarnation: Incarnation) -> Option<u64> {
        floor(&self.open.touched, incarnation)
    }

    fn create_floor(&self, incarnation: Incarnation) -> Option<u64> {
        floor(&self.open.creates, incarnation)
    }

    fn kept_of(&self, entry: EntryId) -> Vec<Digest> {
        let rows = self.open.kept.keys_from((entry, Digest([0; 32])));
        rows.take_while(|(id, _)| *id == entry).map(|&(_, digest)| digest).collect()
    }

    fn keepers(&self, digest: &Digest) -> Vec<EntryId> {
        let rows = self.open.kept.rows.keys().filter(|(_, kept)| kept == digest);
        rows.map(|(entry, _)| *entry).collect()
    }

    fn all_keepers(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let from =
            after.map_or(Bound::Unbounded, |id| Bound::Excluded((id, Digest([u8::MAX; 32]))));
        let mut ids: Vec<EntryId> = Vec::new();
        for ((id, _), ()) in self.open.kept.range((from, Bound::Unbounded)) {
            if ids.last() != Some(id) {
                if ids.len() == max {
                    break;
                }
                ids.push(*id);
            }
        }
        ids
    }

    fn put_kept(&mut self, entry: EntryId, digest: &Digest) {
        self.open.kept.insert((entry, *digest), ());
    }

    fn remove_kept(&mut self, entry: EntryId, digest: &Digest) {
        self.open.kept.remove(&(entry, *digest));
    }
}
