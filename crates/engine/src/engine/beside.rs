//! When losers are published as files beside the winners, in folders whose policy wants it: by whom
//! and how soon, so that mostly one node does it. What is written then is decided in `observe`.
//!
//! The author of a loser publishes at once; a node whose user changes the file before that does;
//! anybody else after a while, for the author may be gone. Only what is in the conflict store here
//! is published: its bytes are safe.

use super::{Effect, Event, FolderEngine, Happening};
use crate::content::Content;
use crate::dot::Incarnation;
use crate::entry::EntryId;
use crate::index::Index;
use crate::ledger::Ways;
use crate::limits::{BESIDE_MS_MAX, BESIDE_MS_MIN};
use crate::observe;
use crate::path::RelPath;
use crate::view;
use std::collections::{BTreeMap, BTreeSet};

/// When the losers of which entry are to be published, in monotonic milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside(BTreeMap<EntryId, u64>);

impl Beside {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.values().min().copied()
    }
}

impl FolderEngine {
    /// The policy is told, or is another one.
    pub(super) fn take_ways(&mut self, index: &dyn Index, ways: Ways) {
        if ways == self.facts.ways {
            return;
        }
        self.facts.ways = ways;
        self.beside = Beside::default();
        if ways.beside {
            for id in conflicts(index) {
                self.note_contest(index, id);
            }
        }
    }

    /// The entry is in place, and what lost in it is in the conflict store.
    pub(super) fn note_contest(&mut self, index: &dyn Index, id: EntryId) {
        if !self.facts.ways.beside {
            return;
        }
        let Some(stored) = index.entry(id).filter(|stored| stored.conflicted) else {
            self.beside.0.remove(&id);
            return;
        };
        let now_ms = self.now.mono_ms;
        let own = self.own_lives(index);
        let losers = view::losers(index, &stored.entry);
        if losers.iter().any(|data| own.contains(&data.stamp.dot.incarnation)) {
            self.beside.0.insert(id, now_ms);
            return;
        }
        let due_ms = now_ms + BESIDE_MS_MIN + self.jitter(id) % (BESIDE_MS_MAX - BESIDE_MS_MIN);
        self.beside.0.entry(id).or_insert(due_ms);
    }

    fn own_lives(&self, index: &dyn Index) -> BTreeSet<Incarnation> {
        let (own, lives) = (self.facts.meta.incarnation, index.incarnations());
        let node = lives.iter().find(|life| life.incarnation == own).map(|life| life.node);
        let all = lives.iter().filter(|life| Some(life.node) == node);
        all.map(|life| life.incarnation).chain([own]).collect()
    }

    /// The same for one entry and life, another for another.
    fn jitter(&self, id: EntryId) -> u64 {
        let seed = [&id.0[..], &self.facts.meta.incarnation.0[..]].concat();
        let hash = blake3::hash(&seed);
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
    }

    /// Publishes what is due.
    pub(super) fn publish_due(&mut self, index: &mut dyn Index) {
        let now_ms = self.now.mono_ms;
        if !self.takes_verdicts() || self.beside.deadline().is_none_or(|due| due > now_ms) {
            return;
        }
        let due: Vec<EntryId> =
            self.beside.0.iter().filter(|(_, due)| **due <= now_ms).map(|(id, _)| *id).collect();
        for id in due {
            self.beside.0.remove(&id);
            self.publish_losers(index, id);
        }
    }

    /// Something was changed at these paths by a user, who is to find what lost beside it.
    pub(super) fn publish_touched(&mut self, index: &mut dyn Index, paths: &[RelPath]) {
        if !self.facts.ways.beside || !self.takes_verdicts() {
            return;
        }
        for id in conflicts(index) {
            let row = index.seen_of(id);
            let path = row.and_then(|row| observe::path_of(index, row.slot));
            if path.is_some_and(|path| paths.iter().any(|touched| path.is_within(touched))) {
                self.publish_losers(index, id);
            }
        }
    }

    fn publish_losers(&mut self, index: &mut dyn Index, id: EntryId) {
        let Some(stored) = index.entry(id) else { return };
        let kept = index.kept_of(id);
        let is_safe = |content: &Content| match content {
            Content::File(digest, _) => kept.contains(digest),
            Content::Link(_) => true,
        };
        let losers = view::losers(index, &stored.entry).into_iter();
        let losers: Vec<Content> =
            losers.map(|data| data.content.clone()).filter(is_safe).collect();
        for content in losers {
            let published = observe::publish_copy(&mut self.facts, index, id, &content);
            if let Some(path) = published {
                let by = Some(self.facts.meta.incarnation);
                let what = Happening::Conflict;
                let event = Event { path, what, from: None, by, local: true };
                self.effects.push(Effect::Happened(event));
            }
        }
    }
}

/// Entries with losers, not more than are worth a look at once.
fn conflicts(index: &dyn Index) -> Vec<EntryId> {
    const MOST: usize = 10_000;
    index.conflicts(None, MOST)
}
