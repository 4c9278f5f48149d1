//! Deletions that all know of are forgotten; directories that others may have forgotten and that
//! something is in are asserted anew.
//!
//! When is decided by `retire` and `exchange`; here they are given what they ask for. Used by
//! `engine` only.

use super::{Effect, FolderEngine};
use crate::dot::{Knowledge, NodeId};
use crate::entry::EntryId;
use crate::exchange::Outgoing;
use crate::index::{Index, Phase};
use crate::limits::RISEN_MAX;
use crate::message::Message;
use crate::observe;
use crate::proof::reached;
use crate::view;

impl FolderEngine {
    pub(super) fn retire(&mut self, index: &mut dyn Index) {
        if !self.may_retire() {
            return;
        }
        let connected = self.exchange.peers().map(|(id, peer)| (id, &peer.knows));
        let connected: Vec<(NodeId, &Knowledge)> = connected.collect();
        let before = self.facts.frontier.dots();
        let elsewhere = self.exchange.forgotten();
        let said =
            self.retire.turn(self.now.mono_ms, &mut self.facts, index, &connected, elsewhere);
        if self.facts.frontier.dots() > before {
            self.exchange.forgot(&self.facts);
        }
        let said = said.into_iter().map(|(peer, standing)| {
            let message = Message::Standing(standing);
            Effect::Send(Outgoing { peer, message, inline: Vec::new() })
        });
        self.effects.extend(said);
    }

    /// Before the first look nobody knows what this disk still shows of what was deleted.
    pub(super) fn may_retire(&self) -> bool {
        self.facts.meta.phase == Phase::Member && self.has_scanned
    }

    /// Who is not a member says nothing; what the others tell is not of its making.
    pub(super) fn revive_orphaned(&mut self, index: &mut dyn Index) {
        let mut orphaned = self.exchange.take_orphaned();
        orphaned.append(&mut self.facts.returned);
        if self.facts.meta.phase == Phase::Member {
            for id in orphaned {
                self.revive(index, id);
            }
        }
    }

    /// Said again in a directory that nobody here can place, it would be nobody's to take away: who
    /// still knows that directory may delete both. It waits for the directory.
    fn revive(&mut self, index: &mut dyn Index, id: EntryId) {
        let is_homeless = view::missing_above(index, id).is_some();
        if is_homeless && self.facts.homeless.len() < RISEN_MAX {
            reached("revive: it waits for its directory");
            self.facts.homeless.insert(id);
        } else {
            observe::revive(&mut self.facts, index, id);
        }
    }

    /// It is looked at again: its directory may have come.
    pub(super) fn may_come_home(&mut self, index: &mut dyn Index, id: EntryId) {
        if self.facts.homeless.remove(&id) && self.facts.meta.phase == Phase::Member {
            self.revive(index, id);
        }
    }
}
