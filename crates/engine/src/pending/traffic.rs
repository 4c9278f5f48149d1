//! Which names operations are at work on, and which looks at the disk prove nothing because of it:
//! they are made again.
//!
//! Decides no look's meaning: that is `observe`'s. Used by `engine`, for every look and operation.

use super::trail::Trail;
use crate::path::RelPath;
use crate::plan::Act;
use crate::proof::{broken, Mutant};
use std::collections::{BTreeMap, BTreeSet};

/// Which paths operations are at work on, and when they last were: looks made meanwhile prove
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Paths of operations under way.
    at_work: BTreeMap<RelPath, u32>,
    /// Directories whose entries operations under way change.
    around: BTreeMap<RelPath, u32>,
    /// When an operation on the path ended: looks at it and below it must have begun later.
    changed_ms: BTreeMap<RelPath, u64>,
    /// When the path itself was last settled: looks at it must have begun later.
    settled_ms: BTreeMap<RelPath, u64>,
    /// When another look at the path was asked for that has not come: looks that began before say
    /// nothing, and that they do not needs no third.
    asked_ms: BTreeMap<RelPath, u64>,
    /// Looks that began before this are too old to judge.
    horizon_ms: u64,
    forgot_ms: u64,
    /// See [`Traffic::remembered_ms`].
    remembered_ms: u64,
    deferred: BTreeSet<RelPath>,
    /// Which of those mean something only together.
    bound: Vec<BTreeSet<RelPath>>,
    trail: Trail,
}

/// How long it is remembered when a path was last at work, in milliseconds.
const MEMORY_MS: u64 = 60_000;

impl Traffic {
    /// An operation begins.
    pub fn begin(&mut self, act: &Act) {
        for path in act.paths() {
            if let Some(dir) = path.parent() {
                *self.around.entry(dir).or_default() += 1;
            }
            *self.at_work.entry(path).or_default() += 1;
        }
    }

    /// Whether an operation is under way at a name that this one touches. Were both done, the
    /// second would be without a row of D, which has one for each name.
    pub fn is_at_work(&self, act: &Act) -> bool {
        let renames = !matches!(act, Act::SetAttributes { .. });
        renames && act.paths().iter().any(|path| self.at_work.contains_key(path))
    }

    /// Whether an operation is under way at this very name.
    pub fn is_at_work_at(&self, path: &RelPath) -> bool {
        self.at_work.contains_key(path)
    }

    /// It has ended.
    pub fn end(&mut self, act: &Act, now_ms: u64) {
        for path in act.paths() {
            if let Some(dir) = path.parent() {
                decrease(&mut self.around, &dir);
                self.settled_ms.insert(dir, now_ms);
            }
            decrease(&mut self.at_work, &path);
            self.changed_ms.insert(path, now_ms);
        }
        match act {
            Act::Move { from, to, .. } => self.moved(from.path(), to.path(), now_ms),
            Act::Exchange { a, b, .. } => {
                self.moved(a.path(), b.path(), now_ms);
                self.moved(b.path(), a.path(), now_ms);
            }
            _ => {}
        }
    }

    /// Something was renamed: looks that were owed at or found nothing below its old path are owed
    /// below the new one. What they say only together with others they say so there, too: of a
    /// rename in a directory that we moved, the old end would be looked at before the new one.
    pub fn moved(&mut self, from: RelPath, to: RelPath, now_ms: u64) {
        for group in &mut self.bound {
            let there = group.iter().filter_map(|path| path.carried(&from, &to));
            let there: Vec<RelPath> = there.collect();
            self.deferred.extend(there.iter().cloned());
            group.extend(there);
        }
        let owed = self.trail.moved(from, to, now_ms, &self.deferred);
        self.deferred.extend(owed);
    }

    /// A look found nothing where nothing was known to be: what it was to see may have been moved
    /// with its directory.
    pub fn unknown(&mut self, path: RelPath, now_ms: u64) {
        self.deferred.extend(self.trail.open(path, now_ms));
    }

    /// Whether looks are owed at more places than are remembered: only a scan finds what is there.
    pub fn take_lost(&mut self) -> bool {
        self.trail.take_lost()
    }

    /// Whether a look at `path` that began at `began_ms` says nothing certain. If so it is to be
    /// repeated, or will be already.
    pub fn defer(&mut self, path: &RelPath, began_ms: u64, now_ms: u64) -> bool {
        let stale = |when: Option<&u64>| when.is_some_and(|&when| began_ms <= when);
        let mut doubtful = began_ms < self.horizon_ms
            || self.bound.iter().any(|group| group.contains(path))
            || self.around.contains_key(path)
            || stale(self.settled_ms.get(path));
        let mut above = Some(path.clone());
        while let (false, Some(here)) = (doubtful, above) {
            doubtful = self.at_work.contains_key(&here) || stale(self.changed_ms.get(&here));
            above = here.parent();
        }
        // One that began in the very millisecond may be the one that was asked for.
        let asked_ms = self.asked_ms.get(path).copied();
        doubtful |= asked_ms == Some(began_ms);
        let is_asked = asked_ms.is_some_and(|asked_ms| began_ms < asked_ms);
        if !is_asked {
            self.asked_ms.remove(path);
        }
        if broken(Mutant::LooksNeverDeferred) {
            return false;
        }
        if doubtful {
            self.put_off(path.clone(), now_ms);
        }
        doubtful || is_asked
    }

    /// A look at the path is to be repeated, also where what was there has been moved.
    pub fn put_off(&mut self, path: RelPath, now_ms: u64) {
        self.deferred.extend(self.trail.open(path.clone(), now_ms));
        self.deferred.insert(path);
    }

    /// The path was looked at and is understood.
    pub fn settled(&mut self, path: RelPath, now_ms: u64) {
        self.settled_ms.insert(path, now_ms);
    }

    /// What these looks were to say they say only together: they are repeated so, unless all of
    /// them were asked for at once, and are still to come.
    pub fn repeat_together(&mut self, paths: BTreeSet<RelPath>, now_ms: u64) {
        let asked_ms = |path: &RelPath| self.asked_ms.get(path).copied();
        let first = paths.first().and_then(asked_ms);
        let are_coming = first.is_some() && paths.iter().all(|path| asked_ms(path) == first);
        if are_coming && paths.is_disjoint(&self.deferred) {
            return;
        }
        paths.iter().for_each(|path| self.put_off(path.clone(), now_ms));
        self.bind(paths);
    }

    /// Looks at these are to be repeated together or not at all.
    pub fn bind(&mut self, paths: BTreeSet<RelPath>) {
        self.bound.push(paths);
    }

    /// Paths to look at again, now that nothing is at work on or around them, nor on or around what
    /// is to be looked at with them. Looks that began before do not count.
    pub fn take_deferred(&mut self, now_ms: u64) -> Vec<RelPath> {
        let is_busy = |path: &RelPath| {
            let mut above = Some(path.clone());
            while let Some(here) = above {
                if self.at_work.contains_key(&here) {
                    return true;
                }
                above = here.parent();
            }
            self.around.contains_key(path)
        };
        let (mut busy, mut free): (BTreeSet<RelPath>, BTreeSet<RelPath>) =
            self.deferred.iter().cloned().partition(is_busy);
        let mut met = usize::MAX;
        while met != busy.len() {
            met = busy.len();
            for group in &self.bound {
                if !group.is_disjoint(&busy) {
                    busy.extend(group.iter().filter(|path| free.contains(*path)).cloned());
                }
            }
            free.retain(|path| !busy.contains(path));
        }
        self.bound.retain(|group| !group.is_disjoint(&busy));
        self.deferred = busy;
        for path in &free {
            self.asked_ms.insert(path.clone(), now_ms);
        }
        free.into_iter().collect()
    }

    /// Where looks were put off and not yet asked for again.
    pub fn deferred(&self) -> impl Iterator<Item = &RelPath> {
        self.deferred.iter()
    }

    /// Whether looks were put off and not yet asked for again.
    pub fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Forgets what no look under way can have begun before.
    pub fn forget(&mut self, now_ms: u64) {
        const KEPT_MAX: usize = 200_000;
        let kept = self.changed_ms.len().max(self.settled_ms.len()).max(self.asked_ms.len());
        let full = kept.max(self.trail.len()) > KEPT_MAX;
        if !full && now_ms < self.forgot_ms + MEMORY_MS {
            return;
        }
        let before = std::mem::replace(&mut self.forgot_ms, now_ms);
        let keep = if full { MEMORY_MS / 8 } else { MEMORY_MS };
        let horizon = now_ms.saturating_sub(keep);
        self.remembered_ms = if full { horizon } else { before };
        for times in [&mut self.changed_ms, &mut self.settled_ms, &mut self.asked_ms] {
            let newest = times.values().filter(|when| **when < horizon).max().copied();
            self.horizon_ms = self.horizon_ms.max(newest.map_or(0, |when| when + 1));
            times.retain(|_, when| *when >= horizon);
        }
        self.trail.forget(self.remembered_ms);
    }

    /// Since when it is remembered which looks are owed that nobody else asks for: for two rounds
    /// of forgetting, however long one takes. To who was held still in the middle of looks they
    /// come as if no time had passed.
    pub fn remembered_ms(&self) -> u64 {
        self.remembered_ms
    }
}

fn decrease(counts: &mut BTreeMap<RelPath, u32>, path: &RelPath) {
    let count = counts.get_mut(path).expect("what ends has begun");
    *count -= 1;
    if *count == 0 {
        counts.remove(path);
    }
}
