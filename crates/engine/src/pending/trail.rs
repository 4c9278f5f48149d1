//! Where directories were moved to, and where looks are owed because of that: a name that was
//! changed in a directory may be somewhere else by the time somebody looks.
//!
//! Decides no look's meaning. Used by `pending::Traffic`, which has the looks made.

use crate::limits::{FOLLOWED_MAX, LED_MAX, OWED_MAX};
use crate::path::RelPath;
use crate::proof::{broken, Mutant};
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    /// By where from and as which move: where to, and when.
    moves: BTreeMap<(RelPath, u64), (RelPath, u64)>,
    last_move: u64,
    /// Paths, and the moves that they were followed by. Once is enough: a change that the kernel
    /// told of before the move was made before it, and the look at the other end began after it.
    led: BTreeSet<(RelPath, u64)>,
    /// Paths that later moves lead on from: looks found nothing there, or are owed there.
    open: BTreeMap<RelPath, Open>,
    /// Looks that were owed since this was last short.
    owed: usize,
    /// More was to be followed than is remembered.
    lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since_ms: u64,
    /// Only later moves lead on: this one led there.
    after: u64,
}

impl Trail {
    /// A directory was renamed. Where looks are owed that are owed (`deferred`), or found nothing,
    /// below its old path; and those that found nothing below its new one, where by now something
    /// is known to be.
    pub fn moved(
        &mut self,
        from: RelPath,
        to: RelPath,
        now_ms: u64,
        deferred: &BTreeSet<RelPath>,
    ) -> Vec<RelPath> {
        if self.lost {
            return Vec::new();
        }
        let below = deferred.iter().chain(self.open.keys()).filter(|path| path.is_within(&from));
        let below: BTreeSet<RelPath> = below.cloned().collect();
        let early = self.open.keys().filter(|path| path.is_within(&to) && **path != to);
        let mut owed: Vec<RelPath> = early.cloned().collect();
        let before = self.last_move;
        self.last_move += 1;
        self.moves.insert((from, self.last_move), (to, now_ms));
        for path in below {
            owed.extend(self.lead(path, before, now_ms));
        }
        self.within_bounds(owed)
    }

    /// What is owed, if it is not too much by now.
    fn within_bounds(&mut self, owed: Vec<RelPath>) -> Vec<RelPath> {
        self.owed += owed.len();
        if self.led.len() > LED_MAX || self.owed > OWED_MAX {
            self.give_up();
        }
        if self.lost {
            return Vec::new();
        }
        owed
    }

    /// A look found nothing where nothing was known to be, or is to be repeated: what it was to see
    /// may have been moved with its directory, or will be before the next. Where else it is owed.
    pub fn open(&mut self, path: RelPath, now_ms: u64) -> Vec<RelPath> {
        if self.lost {
            return Vec::new();
        }
        let after = self.open.get(&path).map_or(0, |open| open.after);
        self.open.insert(path.clone(), Open { since_ms: now_ms, after });
        let owed = self.lead(path, after, now_ms);
        self.within_bounds(owed)
    }

    /// Where `path` leads by the renames of directories above it that came after `before`, from
    /// each such place by later ones.
    fn lead(&mut self, path: RelPath, before: u64, now_ms: u64) -> Vec<RelPath> {
        let mut led = Vec::new();
        let is_over = self.lost || broken(Mutant::TrailLost);
        let mut next = if is_over { Vec::new() } else { vec![(path, before)] };
        while let Some((path, before)) = next.pop() {
            let mut above = path.parent();
            while let Some(here) = above {
                let later = (here.clone(), before + 1)..=(here.clone(), u64::MAX);
                for ((_, number), (to, _)) in self.moves.range(later) {
                    if !self.led.insert((path.clone(), *number)) {
                        continue;
                    }
                    let now = path.carried(&here, to).expect("it lies below");
                    let open = self.open.entry(now.clone());
                    let open = open.or_insert(Open { since_ms: now_ms, after: *number });
                    open.since_ms = now_ms;
                    next.push((now.clone(), *number));
                    led.push(now);
                }
                above = here.parent();
            }
            if led.len() > FOLLOWED_MAX {
                self.give_up();
                break;
            }
        }
        led
    }

    /// Directories are moved about so wildly that one name may be anywhere: a scan finds it sooner
    /// than looks do, and it finds all that is to be found until it begins.
    fn give_up(&mut self) {
        *self = Trail { last_move: self.last_move, lost: true, ..Trail::default() };
    }

    /// Whether not everything was followed since this was asked last: only a scan can find it.
    pub fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    /// How much is remembered.
    pub fn len(&self) -> usize {
        self.open.len().max(self.led.len())
    }

    /// Forgets what is older.
    pub fn forget(&mut self, horizon_ms: u64) {
        self.moves.retain(|_, (_, when)| *when >= horizon_ms);
        self.open.retain(|_, open| open.since_ms >= horizon_ms);
        let first = self.moves.keys().map(|(_, number)| *number).min();
        self.owed = 0;
        self.led.retain(|(_, number)| first.is_some_and(|first| *number >= first));
    }
}

#[cfg(test)]
mod tests;
