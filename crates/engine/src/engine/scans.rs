//! When the whole disk is looked at, and what it means that it has been.
//!
//! A part of `engine`, which hands it every [`super::Input::Scanned`].

use super::{Effect, FolderEngine};
use crate::index::{Index, Phase};
use crate::proof::reached;

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
        self.effects.push(Effect::Scan);
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
        if std::mem::take(&mut self.is_stale) || !complete {
            return;
        }
        self.damaged_boot = false;
        self.has_scanned = true;
        self.overlooked &= again;
        self.sure(index);
        if self.facts.meta.phase == Phase::Importing {
            self.facts.meta.phase = Phase::Member;
            self.exchange.became_member(&self.facts);
        }
        self.facts.stopped_ms = None;
    }
}
