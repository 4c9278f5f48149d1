//! When what this disk shows is made durable, and which rows are not so yet (decisions A3).
//!
//! One sync of the filesystem for all rows that became volatile before it began. After a power loss
//! none until the first look: it must hold what is there against what was volatile.

use super::{Effect, FolderEngine, Now};
use crate::index::{Index, Slot, FORMER, UNDONE};
use crate::proof::{broken, Mutant};

/// Rows are made durable this long after the first became volatile (decisions A3: 1 to 5 s).
const SYNC_AFTER_MS: u64 = 1_000;
/// Pause after a sync that failed.
const SYNC_AGAIN_MS: u64 = 5_000;

impl FolderEngine {
    /// Rows of an earlier run carry numbers that mean nothing now: the first sync is theirs, too.
    pub(super) fn settle_old_epochs(&mut self, index: &mut dyn Index) {
        let mut after = Slot(0);
        loop {
            let page = index.volatile(after, 1024);
            let Some(last) = page.last() else { return };
            after = last.slot;
            for mut row in page {
                if let Some(volatile) = row.volatile.as_mut().filter(|v| v.epoch != UNDONE) {
                    volatile.epoch = FORMER;
                }
                index.put_seen(&row);
            }
        }
    }

    /// What was volatile when this sync began is durable.
    pub(super) fn synced(&mut self, index: &mut dyn Index, epoch: u64, now: Now) {
        index.settle_volatile(epoch);
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
        let may_sync = !self.syncing && !self.damaged_boot;
        let since = self.volatile_since_ms.filter(|_| may_sync)?;
        Some((since + SYNC_AFTER_MS).max(self.sync_rests_until_ms))
    }

    pub(super) fn sync(&mut self, index: &mut dyn Index) {
        if broken(Mutant::SyncedAtOnce) {
            index.settle_volatile(self.epoch);
        }
        if self.sync_due_ms().is_some_and(|due| self.now.mono_ms >= due) {
            self.syncing = true;
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
        if page.iter().any(|row| row.volatile.as_ref().is_some_and(|v| v.epoch != UNDONE)) {
            return true;
        }
    }
}
