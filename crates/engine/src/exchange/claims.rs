//! Claims of whole Knowledges that were made while entries were pending: what they cover counts as
//! applied once those are in place. Kept by `exchange`.
//!
//! One entry may stay pending as long as a program holds its file open, and everything that comes
//! meanwhile ends in a claim. So there are not more than a few: beyond that the newest stands for
//! all that follow, and none of them counts before the last of them does.

use crate::dot::Incarnation;
use crate::limits::CLAIMS_MAX;
use std::collections::{BTreeMap, VecDeque};

/// By order, ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(VecDeque<Claim>);

#[derive(Clone, Debug)]
struct Claim {
    /// The last pending order when it was claimed.
    order: u64,
    /// Of each incarnation: the first counter that was not known before.
    floors: BTreeMap<Incarnation, u64>,
}

impl Claims {
    /// All that is pending up to `order` is to be in place before these counters are applied.
    pub(super) fn add(&mut self, order: u64, floors: BTreeMap<Incarnation, u64>) {
        if floors.is_empty() {
            return;
        }
        let is_full = self.0.len() >= CLAIMS_MAX;
        let Some(last) = self.0.back_mut().filter(|last| is_full || last.order == order) else {
            self.0.push_back(Claim { order, floors });
            return;
        };
        last.order = order;
        for (incarnation, floor) in floors {
            let least = last.floors.entry(incarnation).or_insert(floor);
            *least = floor.min(*least);
        }
    }

    /// Nothing below this order is pending.
    pub(super) fn in_place_before(&mut self, order: u64) {
        self.0.retain(|claim| claim.order >= order);
    }

    /// The first counter of an incarnation that is claimed and may not be applied.
    pub(super) fn floor(&self, incarnation: Incarnation) -> Option<u64> {
        self.0.iter().filter_map(|claim| claim.floors.get(&incarnation)).min().copied()
    }
}

#[cfg(test)]
mod tests;
