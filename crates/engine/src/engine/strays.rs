//! When bytes that came to light outside an operation are published, and what is said of them.
//! What becomes of them is decided in `observe`.

use super::{Effect, FolderEngine, Happening};
use crate::index::{Index, Phase};
use crate::observe::{self, Published, Stray};
use crate::proof::{broken, Mutant};

impl FolderEngine {
    pub(super) fn publish_strays(&mut self, index: &mut dyn Index) {
        let is_shaken = self.facts.meta.shaken || self.older.is_some();
        if self.facts.meta.phase != Phase::Member || is_shaken {
            return;
        }
        for stray in std::mem::take(&mut self.strays) {
            if broken(Mutant::StraysForgotten) {
                continue;
            }
            if let Some(lacking) = &stray.unkept {
                self.not_kept(index, lacking);
            }
            match observe::publish(&mut self.facts, index, &stray) {
                Published::At(path) => {
                    self.happened(path, Happening::Rescued, Some(self.facts.meta.incarnation));
                }
                Published::Nowhere => {
                    self.effects.push(Effect::Nameless(nameless(&stray)));
                }
                Published::Known => {}
            }
        }
    }
}

/// What the operator is told of bytes without a place.
fn nameless(stray: &Stray) -> String {
    format!(
        "{} bytes that an operation left when it was cut off belong to no known file; they are \
         kept on this node only, as conflict unnamed-{} (`syncline conflicts show`)",
        stray.size,
        crate::view::hex(&stray.digest.0[..4]),
    )
}
