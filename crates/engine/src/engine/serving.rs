//! What peers ask for: where each content lies on this disk, and what is said of what does not.
//!
//! A version that all deny is taken back by its author: this node denies what it is sure of, and no
//! more.

use super::{Effect, FolderEngine, Origin};
use crate::content::Digest;
use crate::dot::NodeId;
use crate::exchange::Outgoing;
use crate::index::Index;
use crate::message::{Refused, Want};
use crate::observe;
use crate::proof::{broken, Mutant};

impl FolderEngine {
    /// Finds where each content lies; what lies nowhere is refused at once.
    pub(super) fn serve(&mut self, index: &dyn Index, peer: NodeId, wants: Vec<Want>) {
        let (mut found, mut refused) = (Vec::new(), Refused::default());
        let is_sure = self.sees_all() || broken(Mutant::DeniesUnseen);
        for want in wants {
            let trash = want.deep.then_some(Origin::Trash);
            match self.origin(index, &want.digest).or(trash) {
                Some(origin) => found.push((want, origin)),
                None => {
                    let is_known = index.seen_digest(&want.digest).is_some();
                    refused.add(want.digest, is_sure && !is_known);
                }
            }
        }
        if !found.is_empty() {
            self.effects.push(Effect::Serve(peer, found));
        }
        for message in refused.into_messages() {
            self.effects.push(Effect::Send(Outgoing { peer, message, inline: Vec::new() }));
        }
    }

    /// Where a content lies here.
    pub(super) fn origin(&self, index: &dyn Index, digest: &Digest) -> Option<Origin> {
        let row = index.seen_digest(digest);
        let placed = row.and_then(|row| Some((observe::path_of(index, row.slot)?, row)));
        if let Some((path, row)) = placed {
            return Some(Origin::Tree(path, row.fingerprint));
        }
        if index.is_kept(digest) {
            return Some(Origin::Kept);
        }
        self.fetch.has(digest).then_some(Origin::Staged)
    }
}

#[cfg(test)]
mod tests;
