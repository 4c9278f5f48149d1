//! When the whole disk is looked at, and what it means that it has been.
//!
//! A part of `engine`, which hands it every [`super::Input::Scanned`].

use super::{Effect, FolderEngine};
use crate::entry::{Timestamp, ROOT};
use crate::index::{Attributes, Fingerprint, Index, Phase, SeenDots, SeenRow, ROOT_SLOT};
use crate::observe::Present;
use crate::path::RelPath;
use crate::proof::reached;

/// Pause after a scan that could not look at everything, in milliseconds: twice as long each time.
const SCAN_AGAIN_MS: u64 = 10_000;
/// But not longer.
const SCAN_AGAIN_MS_MAX: u64 = 3_600_000;

/// An older copy is scanned again after this long, in milliseconds, if looks were put off.
const LOOKS_AGAIN_MS: u64 = 1_000;

impl FolderEngine {
    /// Whether a scan is running or due.
    pub fn is_scanning(&self) -> bool {
        self.scanning
    }

    pub(super) fn start_scan(&mut self) {
        if self.facts.meta.phase == Phase::Joining || self.paused {
            return;
        }
        if self.scanning {
            self.scan_again = true;
            return;
        }
        self.scanning = true;
        self.scan_due_ms = None;
        self.effects.push(Effect::Scan);
    }

    /// When another scan begins in place of one that was not complete.
    pub(super) fn scan_due_ms(&self) -> Option<u64> {
        self.scan_due_ms.filter(|_| !self.paused)
    }

    pub(super) fn scan_when_due(&mut self) {
        if self.scan_due_ms().is_some_and(|due| self.now.mono_ms >= due) {
            self.start_scan();
        }
    }

    /// Changes may have been missed: nothing is sure before a scan has ended that began since.
    pub(super) fn overlooked(&mut self) {
        reached("events were lost");
        self.overlooked = true;
        self.start_scan();
    }

    pub(super) fn scanned(&mut self, index: &mut dyn Index, complete: bool) {
        self.scanning = false;
        let again = std::mem::take(&mut self.scan_again);
        if again {
            self.start_scan();
        }
        if complete {
            self.scan_pause_ms = 0;
        } else if !self.scanning {
            let pause_ms = (self.scan_pause_ms * 2).clamp(SCAN_AGAIN_MS, SCAN_AGAIN_MS_MAX);
            self.scan_pause_ms = pause_ms;
            self.scan_due_ms = Some(self.now.mono_ms + pause_ms);
        }
        if std::mem::take(&mut self.is_stale) || !complete {
            return;
        }
        self.count_unseen_anew();
        let is_undone = self.older.is_some() || self.facts.meta.shaken;
        let owes = std::mem::take(&mut self.doubts.owes_undone) || self.owes_looks();
        if is_undone && owes {
            // What is looked at again is what the power left, or of the copy, too.
            self.scan_due_ms = Some(self.now.mono_ms + LOOKS_AGAIN_MS);
            return;
        }
        self.facts.meta.shaken = false;
        self.older = None;
        self.has_scanned = true;
        self.overlooked &= again;
        self.sure(index);
        if self.facts.meta.phase == Phase::Importing {
            let owed: Vec<RelPath> = self.traffic.deferred().cloned().collect();
            self.put_off_import(&owed);
            self.facts.meta.phase = Phase::Member;
            self.exchange.became_member(&self.facts);
        }
        self.facts.stopped_ms = None;
    }
}

/// The root's row before the first scan, which is to find it changed. Who begins a folder gives the
/// root its attributes; who joins has nothing to say of them, and takes them over.
pub(super) fn root_row(found: &Present, phase: Phase) -> SeenRow {
    let fingerprint = Fingerprint { ctime: Timestamp::default(), ..found.fingerprint.clone() };
    let attributes = match phase {
        Phase::Joining => found.attributes.clone(),
        Phase::Importing | Phase::Member => Attributes::default(),
    };
    SeenRow {
        slot: ROOT_SLOT,
        parent: ROOT_SLOT,
        name: None,
        entry: ROOT,
        kind: found.kind,
        fingerprint,
        content: None,
        attributes,
        refused: None,
        dots: SeenDots::default(),
        soft: false,
        volatile: None,
    }
}

#[cfg(test)]
mod tests;
