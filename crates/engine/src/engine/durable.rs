//! When what this disk shows is made durable, and which rows are not so yet (decisions A3).
//!
//! One sync of the filesystem for all rows that became volatile before it began. After a power loss
//! none until the first look: it must hold what is there against what was volatile.

use super::{Effect, FolderEngine, Now};
use crate::entry::Timestamp;
use crate::index::{Index, Meta, Slot, FORMER, OPEN, UNDONE};
use crate::proof::{broken, reached, Mutant};

/// Rows are made durable this long after the first became volatile (decisions A3: 1 to 5 s).
const SYNC_AFTER_MS: u64 = 1_000;
/// Pause after a sync that failed.
const SYNC_AGAIN_MS: u64 = 5_000;

/// Of a filesystem that was put back to an older copy: what was last changed until then may be of
/// that copy. It knows of fewer syncs than are done (docs/decisions/0017).
pub(super) fn older_until(meta: &Meta, noted: Option<u64>) -> Option<Timestamp> {
    let is_older = noted.is_some_and(|noted| noted < meta.synced);
    let is_older = is_older && !broken(Mutant::BelievesAnOldTree);
    if !is_older {
        return None;
    }
    reached("the tree is older than the index");
    let (seconds, ms) = (meta.synced_ms / 1000, meta.synced_ms % 1000);
    let nanos = u32::try_from(ms * 1_000_000 + 999_999).expect("below a second");
    Some(Timestamp { seconds: seconds.cast_signed(), nanos })
}

/// The number of the first change of this run, for its sync: above all that were noted.
pub(super) fn first_epoch(meta: &Meta, noted: Option<u64>) -> u64 {
    let noted = noted.filter(|noted| *noted < UNDONE / 2);
    FORMER.max(meta.synced).max(noted.unwrap_or(0)) + 1
}

/// What was changed so long ago, in milliseconds, has been looked at, or is known to be left.
const SETTLED_MS: u64 = 1_000;

impl FolderEngine {
    /// Rows of an earlier run carry numbers that mean nothing now: the first sync is theirs, too.
    pub(super) fn settle_old_epochs(&mut self, index: &mut dyn Index) {
        let mut after = Slot(0);
        loop {
            let page = index.volatile(after, 1024);
            let Some(last) = page.last() else { return };
            after = last.slot;
            for mut row in page {
                if let Some(volatile) = row.volatile.as_mut().filter(|v| v.epoch < OPEN) {
                    volatile.epoch = FORMER;
                }
                index.put_seen(&row);
            }
        }
    }

    /// What was volatile when this sync began is durable.
    pub(super) fn synced(&mut self, index: &mut dyn Index, epoch: u64, now: Now) {
        index.settle_volatile(epoch);
        let meta = &mut self.facts.meta;
        (meta.synced, meta.synced_ms) = (epoch, self.seen_ms.unwrap_or(meta.synced_ms));
        self.syncing = false;
        self.volatile_since_ms = waits_for_sync(index).then_some(now.mono_ms);
    }

    /// The sync failed; another is tried after a pause.
    pub(super) fn not_synced(&mut self, now: Now) {
        self.syncing = false;
        self.sync_rests_until_ms = now.mono_ms + SYNC_AGAIN_MS;
    }

    /// When rows are to be made durable, if any are volatile.
    pub(super) fn sync_due_ms(&self) -> Option<u64> {
        // What is noted on a filesystem that was put back tells so until it was looked at in full.
        let may_sync = !self.syncing && !self.facts.meta.shaken && self.older.is_none();
        let since = self.volatile_since_ms.filter(|_| may_sync)?;
        Some((since + SYNC_AFTER_MS).max(self.sync_rests_until_ms))
    }

    /// What was changed until then has been seen, by the wall clock; `None`: that is not known.
    fn seen_until_ms(&mut self, index: &dyn Index) -> Option<u64> {
        let sees_all = self.sees_all() && self.has_read_all(index);
        sees_all.then(|| self.now.wall_ms.saturating_sub(SETTLED_MS))
    }

    pub(super) fn sync(&mut self, index: &mut dyn Index) {
        if broken(Mutant::SyncedAtOnce) {
            index.settle_volatile(self.epoch);
        }
        if self.sync_due_ms().is_some_and(|due| self.now.mono_ms >= due) {
            self.syncing = true;
            self.seen_ms = self.seen_until_ms(&*index);
            self.effects.push(Effect::Sync(self.epoch));
            self.epoch += 1;
        }
    }
}

/// Whether any row becomes durable with the next sync.
pub(super) fn waits_for_sync(index: &dyn Index) -> bool {
    let mut after = Slot(0);
    loop {
        let page = index.volatile(after, 1024);
        let Some(last) = page.last() else { return false };
        after = last.slot;
        if page.iter().any(|row| row.volatile.as_ref().is_some_and(|v| v.epoch < OPEN)) {
            return true;
        }
    }
}
