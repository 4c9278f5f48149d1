//! The network between nodes: two ordered lanes a direction, delay, cuts. Within a lane nothing
//! overtakes; between lanes everything may. What is under way when a link is cut is lost.
//!
//! Only says whether and when something arrives; what it is, is the world's business.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// Which of a link's streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Everything but contents, in order.
    Control,
    /// Contents.
    Data,
}

#[derive(Clone, Debug, Default)]
struct Link {
    up: bool,
    /// Counts connections: what was sent over an earlier one never arrives.
    epoch: u64,
    /// When the last thing arrives, by sender and lane.
    last_ms: BTreeMap<(usize, bool), u64>,
    /// It is down, but what is under way arrives.
    lingers: bool,
    /// Bytes of the control lane under way, by sender, and whether the sender was told to wait.
    queued: BTreeMap<usize, (usize, bool)>,
}

/// All links.
#[derive(Clone, Debug, Default)]
pub struct Net {
    links: BTreeMap<(usize, usize), Link>,
}

impl Net {
    fn link(&mut self, a: usize, b: usize) -> &mut Link {
        self.links.entry((a.min(b), a.max(b))).or_default()
    }

    /// Whether there is a way from `a` to `b`.
    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.links.get(&(a.min(b), a.max(b))).is_some_and(|link| link.up)
    }

    /// Puts up or cuts the way between two nodes; false if it was so already.
    pub fn set(&mut self, a: usize, b: usize, up: bool) -> bool {
        let link = self.link(a, b);
        let changed = link.up != up;
        link.up = up;
        changed
    }

    /// A new connection begins, or the old one ends: its number. Nothing arrives on it before
    /// `from_ms`.
    pub fn next_connection(&mut self, a: usize, b: usize, from_ms: u64) -> u64 {
        let link = self.link(a, b);
        link.epoch += 1;
        link.lingers = false;
        link.queued.clear();
        for (sender, data) in [(a, false), (a, true), (b, false), (b, true)] {
            link.last_ms.insert((sender, data), from_ms);
        }
        link.epoch
    }

    /// Whether a connection still stands.
    pub fn is_current(&mut self, a: usize, b: usize, connection: u64) -> bool {
        let link = self.link(a, b);
        (link.up || link.lingers) && link.epoch == connection
    }

    /// Cuts a link that lets arrive what is under way.
    pub fn linger(&mut self, a: usize, b: usize) {
        let link = self.link(a, b);
        (link.up, link.lingers) = (false, true);
    }

    /// Nothing from `from` to `to` arrives before this, in one lane or in both.
    pub fn stall(&mut self, (from, to): (usize, usize), lane: Option<Lane>, until_ms: u64) {
        let link = self.link(from, to);
        for one in [Lane::Control, Lane::Data] {
            if lane.is_none_or(|lane| lane == one) {
                let last = link.last_ms.entry((from, one == Lane::Data)).or_default();
                *last = (*last).max(until_ms);
            }
        }
    }

    /// More goes into the control lane; true if with that it is full, and was not before.
    pub fn fill(&mut self, (from, to): (usize, usize), bytes: usize, room: usize) -> bool {
        let (queued, full) = self.link(from, to).queued.entry(from).or_default();
        *queued += bytes;
        let fills = room > 0 && *queued >= room && !*full;
        *full |= fills;
        fills
    }

    /// Something has come out of the control lane; true if it was full, and has room again.
    pub fn drain(&mut self, (from, to): (usize, usize), bytes: usize, room: usize) -> bool {
        let (queued, full) = self.link(from, to).queued.entry(from).or_default();
        *queued = queued.saturating_sub(bytes);
        let drains = *full && *queued < room.div_ceil(2);
        *full &= !drains;
        drains
    }

    /// When something sent now arrives, and over which connection; `None` if there is none.
    pub fn send(
        &mut self,
        (from, to): (usize, usize),
        lane: Lane,
        now_ms: u64,
        (random, delay_ms): (&mut Random, usize),
    ) -> Option<(u64, u64)> {
        let link = self.link(from, to);
        if !link.up {
            return None;
        }
        let at_ms = now_ms + random.below(delay_ms) as u64;
        let last = link.last_ms.entry((from, lane == Lane::Data)).or_default();
        *last = (*last).max(at_ms);
        Some((*last, link.epoch))
    }

    /// When the last that `from` sent to `to` arrives.
    pub fn last_ms(&self, from: usize, to: usize) -> u64 {
        let link = self.links.get(&(from.min(to), from.max(to)));
        let last = |data| link.and_then(|link| link.last_ms.get(&(from, data)).copied());
        last(false).max(last(true)).unwrap_or(0)
    }

    /// Which nodes are linked.
    pub fn linked(&self) -> BTreeSet<(usize, usize)> {
        self.links.iter().filter(|(_, link)| link.up).map(|(&ends, _)| ends).collect()
    }
}
