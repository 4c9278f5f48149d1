//! The index in memory: for tests, the simulator, and as the oracle that the stored one is held to.
//!
//! Keeps the committed state beside the open one, so that a simulated crash can forget what was not
//! committed.

use super::{
    Digest, Dot, EntryId, Handle, Incarnation, IncarnationRecord, Index, IndexError, Knowledge,
    Meta, Name, PendingRow, SeenRow, Slot, Stored,
};
use crate::content::Content;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug)]
pub struct MemIndex {
    open: State,
    committed: State,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    meta: Meta,
    knowledge: Knowledge,
    contexts: BTreeMap<u64, Knowledge>,
    incarnations: BTreeMap<Incarnation, IncarnationRecord>,
    entries: BTreeMap<EntryId, Stored>,
    by_dot: BTreeMap<Dot, EntryId>,
    by_place: BTreeSet<(EntryId, Name, EntryId)>,
    conflicted: BTreeSet<EntryId>,
    seen: BTreeMap<Slot, SeenRow>,
    seen_by_entry: BTreeMap<EntryId, Slot>,
    seen_by_name: BTreeMap<(Slot, Name), Slot>,
    seen_by_handle: BTreeSet<(Handle, Slot)>,
    seen_by_digest: BTreeSet<(Digest, Slot)>,
    volatile: BTreeSet<Slot>,
    pending: BTreeMap<EntryId, PendingRow>,
    pending_order: BTreeMap<u64, EntryId>,
    touched: BTreeSet<(Dot, EntryId)>,
    creates: BTreeSet<(Dot, EntryId)>,
    kept: BTreeSet<(EntryId, Digest)>,
}

impl MemIndex {
    /// An empty index with these facts, committed.
    pub fn new(meta: Meta) -> MemIndex {
        let state = State {
            meta,
            knowledge: Knowledge::default(),
            contexts: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            entries: BTreeMap::new(),
            by_dot: BTreeMap::new(),
            by_place: BTreeSet::new(),
            conflicted: BTreeSet::new(),
            seen: BTreeMap::new(),
            seen_by_entry: BTreeMap::new(),
            seen_by_name: BTreeMap::new(),
            seen_by_handle: BTreeSet::new(),
            seen_by_digest: BTreeSet::new(),
            volatile: BTreeSet::new(),
            pending: BTreeMap::new(),
            pending_order: BTreeMap::new(),
            touched: BTreeSet::new(),
            creates: BTreeSet::new(),
            kept: BTreeSet::new(),
        };
        MemIndex { open: state.clone(), committed: state }
    }

    /// Forgets everything since the last commit, as a crash would.
    pub fn crash(&mut self) {
        self.open = self.committed.clone();
    }

    /// Every entry of S, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Stored> {
        self.open.entries.values()
    }

    /// Every row of D, by slot.
    pub fn seen_rows(&self) -> impl Iterator<Item = &SeenRow> {
        self.open.seen.values()
    }
}

/// The digest that a row's file holds.
fn digest_of(row: &SeenRow) -> Option<Digest> {
    match row.content {
        Some(Content::File(digest, _)) => Some(digest),
        _ => None,
    }
}

impl State {
    fn unlink_entry(&mut self, id: EntryId) {
        let Some(old) = self.entries.remove(&id) else { return };
        for dot in old.entry.dots() {
            self.by_dot.remove(&dot);
        }
        if let Some(at) = old.settled {
            self.by_place.remove(&(at.parent, at.name, id));
        }
        self.conflicted.remove(&id);
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

/// The lowest counter of an incarnation in a set of dots with their entries.
fn floor(dots: &BTreeSet<(Dot, EntryId)>, incarnation: Incarnation) -> Option<u64> {
    let from = (Dot { incarnation, counter: 0 }, EntryId([0; 16]));
    let (dot, _) = dots.range(from..).next()?;
    (dot.incarnation == incarnation).then_some(dot.counter)
}

impl Index for MemIndex {
    fn commit(&mut self) -> Result<(), IndexError> {
        self.committed = self.open.clone();
        Ok(())
    }

    fn meta(&self) -> Meta {
        self.open.meta.clone()
    }

    fn set_meta(&mut self, meta: &Meta) {
        self.open.meta = meta.clone();
    }

    fn knowledge(&self) -> Knowledge {
        self.open.knowledge.clone()
    }

    fn set_knowledge(&mut self, knowledge: &Knowledge) {
        self.open.knowledge = knowledge.clone();
    }

    fn contexts(&self) -> Vec<(u64, Knowledge)> {
        self.open.contexts.iter().map(|(&id, k)| (id, k.clone())).collect()
    }

    fn put_context(&mut self, id: u64, knowledge: &Knowledge) {
        self.open.contexts.insert(id, knowledge.clone());
    }

    fn remove_context(&mut self, id: u64) {
        self.open.contexts.remove(&id);
    }

    fn incarnations(&self) -> Vec<IncarnationRecord> {
        self.open.incarnations.values().cloned().collect()
    }

    fn put_incarnation(&mut self, record: &IncarnationRecord) {
        self.open.incarnations.insert(record.incarnation, record.clone());
    }

    fn entry(&self, id: EntryId) -> Option<Stored> {
        self.open.entries.get(&id).cloned()
    }

    fn put_entry(&mut self, stored: &Stored) {
        let id = stored.entry.id;
        self.open.unlink_entry(id);
        for dot in stored.entry.dots() {
            self.open.by_dot.insert(dot, id);
        }
        if let Some(at) = &stored.settled {
            self.open.by_place.insert((at.parent, at.name.clone(), id));
        }
        if stored.conflicted {
            self.open.conflicted.insert(id);
        }
        self.open.entries.insert(id, stored.clone());
    }

    fn named(&self, parent: EntryId, name: &Name) -> Vec<EntryId> {
        let from = (parent, name.clone(), EntryId([0; 16]));
        let rows = self.open.by_place.range(from..);
        rows.take_while(|(p, n, _)| *p == parent && n == name).map(|&(_, _, id)| id).collect()
    }

    fn children(
        &self,
        parent: EntryId,
        after: Option<(&Name, EntryId)>,
        max: usize,
    ) -> Vec<(Name, EntryId)> {
        let all = self.open.by_place.iter().skip_while(|(p, ..)| *p < parent);
        let here = all.take_while(|(p, ..)| *p == parent);
        let rest = here.filter(|(_, n, id)| after.is_none_or(|(m, i)| (n, *id) > (m, i)));
        rest.take(max).map(|(_, name, id)| (name.clone(), *id)).collect()
    }

    fn dots(
        &self,
        incarnation: Incarnation,
        from: u64,
        to: u64,
        max: usize,
    ) -> Vec<(u64, EntryId)> {
        let at = |counter| Dot { incarnation, counter };
        let rows = self.open.by_dot.range(at(from)..=at(to));
        rows.take(max).map(|(dot, &id)| (dot.counter, id)).collect()
    }

    fn conflicts(&self, after: Option<EntryId>, max: usize) -> Vec<EntryId> {
        let rows = self.open.conflicted.iter().copied();
        rows.filter(|id| after.is_none_or(|a| *id > a)).take(max).collect()
    }

    fn entry_count(&self) -> u64 {
        self.open.entries.len() as u64
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
        let all = self.open.seen_by_name.iter().skip_while(|((p, _), _)| *p < parent);
        let here = all.take_while(|((p, _), _)| *p == parent);
        let rest = here.filter(|((_, name), _)| after.is_none_or(|a| name > a));
        rest.take(max).filter_map(|(_, &slot)| self.seen(slot)).collect()
    }

    fn seen_handle(&self, handle: &Handle) -> Vec<SeenRow> {
        let rows = self.open.seen_by_handle.range((handle.clone(), Slot(0))..);
        rows.take_while(|(h, _)| h == handle).filter_map(|(_, slot)| self.seen(*slot)).collect()
    }

    fn seen_digest(&self, digest: &Digest) -> Option<SeenRow> {
        let (found, slot) = self.open.seen_by_digest.range((*digest, Slot(0))..).next()?;
        (found == digest).then(|| self.seen(*slot))?
    }

    fn put_seen(&mut self, row: &SeenRow) {
        self.open.unlink_seen(row.slot);
        self.open.seen_by_entry.insert(row.entry, row.slot);
        if let Some(name) = &row.name {
            self.open.seen_by_name.insert((row.parent, name.clone()), row.slot);
        }
        self.open.seen_by_handle.insert((row.fingerprint.handle.clone(), row.slot));
        if let Some(digest) = digest_of(row) {
            self.open.seen_by_digest.insert((digest, row.slot));
        }
        if row.volatile.is_some() {
            self.open.volatile.insert(row.slot);
        }
        self.open.seen.insert(row.slot, row.clone());
    }

    fn remove_seen(&mut self, slot: Slot) {
        self.open.unlink_seen(slot);
    }

    fn seen_count(&self) -> u64 {
        self.open.seen.len() as u64
    }

    fn volatile(&self, after: Slot, max: usize) -> Vec<SeenRow> {
        let rows = self.open.volatile.range(Slot(after.0 + 1)..);
        rows.take(max).filter_map(|slot| self.seen(*slot)).collect()
    }

    fn settle_volatile(&mut self, epoch: u64) {
        for slot in std::mem::take(&mut self.open.volatile) {
            let row = self.open.seen.get_mut(&slot).expect("volatile rows are rows");
            if row.volatile.as_ref().is_some_and(|v| v.epoch <= epoch) {
                row.volatile = None;
            } else {
                self.open.volatile.insert(slot);
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
            self.open.touched.insert((*dot, row.entry));
        }
        if let Some(dot) = row.create {
            self.open.creates.insert((dot, row.entry));
        }
        self.open.pending.insert(row.entry, row.clone());
    }

    fn remove_pending(&mut self, entry: EntryId) {
        self.open.unlink_pending(entry);
    }

    fn pending_after(&self, order: u64, max: usize) -> Vec<PendingRow> {
        let rows = self.open.pending_order.range(order + 1..).take(max);
        rows.map(|(_, entry)| self.open.pending[entry].clone()).collect()
    }

    fn pending_count(&self) -> u64 {
        self.open.pending.len() as u64
    }

    fn touched_floor(&self, incarnation: Incarnation) -> Option<u64> {
        floor(&self.open.touched, incarnation)
    }

    fn create_floor(&self, incarnation: Incarnation) -> Option<u64> {
        floor(&self.open.creates, incarnation)
    }

    fn kept_of(&self, entry: EntryId) -> Vec<Digest> {
        let rows = self.open.kept.range((entry, Digest([0; 32]))..);
        rows.take_while(|(id, _)| *id == entry).map(|&(_, digest)| digest).collect()
    }

    fn is_kept(&self, digest: &Digest) -> bool {
        self.open.kept.iter().any(|(_, kept)| kept == digest)
    }

    fn put_kept(&mut self, entry: EntryId, digest: &Digest) {
        self.open.kept.insert((entry, *digest));
    }

    fn remove_kept(&mut self, entry: EntryId, digest: &Digest) {
        self.open.kept.remove(&(entry, *digest));
    }
}
