//! When a person's word on a version that lost is taken. What it leads to is decided in `observe`.

use super::FolderEngine;
use crate::index::{Index, Phase};
use crate::observe::{self, Verdict};

impl FolderEngine {
    /// Whether [`Input::Verdict`](super::Input::Verdict) is taken now: this node is a member, knows
    /// what its disk shows, and is at work.
    pub fn takes_verdicts(&self) -> bool {
        self.facts.meta.phase == Phase::Member && self.has_scanned && !self.paused
    }

    /// Takes it, or not: who gave it sees by the conflict whether it is over.
    pub(super) fn decree(&mut self, index: &mut dyn Index, verdict: &Verdict) {
        if self.takes_verdicts() {
            observe::decree(&mut self.facts, index, verdict);
        }
    }
}

#[cfg(test)]
mod tests;
