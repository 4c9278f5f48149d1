//! Who did what, and what a node has seen: node ids, incarnations, dots and Knowledge.
//!
//! A dot names one user operation for ever. Knowledge is the only causality in the program: there
//! is no version vector per file and no clock that decides what happened before what (concise
//! server-wide causality, as in Tra, WinFS and DottedDB). Nothing here does IO.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An ed25519 public key: the identity of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 32]);

/// One life of one node in one folder: 128 random bits, bound to a [`NodeId`] by a signed record.
///
/// A new one is taken whenever counters could otherwise repeat (machine boot, lost or restored
/// index): a reused dot is the one thing that the data model cannot survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Incarnation(pub [u8; 16]);

/// One user operation on one entry: the n-th of an incarnation, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who: the incarnation that minted it.
    pub incarnation: Incarnation,
    /// Which: contiguous from 1 within the incarnation.
    pub counter: u64,
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0[..4])
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0[..4])
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.incarnation, self.counter)
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Ordered, disjoint, non-adjacent closed ranges of counters.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// The closed ranges, ascending; no two touch.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Whether `n` is in one of the ranges.
    pub fn contains(&self, n: u64) -> bool {
        let at = self.0.partition_point(|&(_, end)| end < n);
        self.0.get(at).is_some_and(|&(start, _)| start <= n)
    }

    /// Adds the closed range `start..=end`, merging what it touches.
    pub fn insert(&mut self, start: u64, end: u64) {
        assert!(0 < start && start <= end, "ranges count from 1 and are not empty");
        let first = self.0.partition_point(|&(_, e)| e.saturating_add(1) < start);
        let last = self.0.partition_point(|&(s, _)| s <= end.saturating_add(1));
        let merged = self.0[first..last]
            .iter()
            .fold((start, end), |(s, e), &(s2, e2)| (s.min(s2), e.max(e2)));
        self.0.splice(first..last, [merged]);
    }

    /// The ranges of `self` that `other` does not cover.
    pub fn minus(&self, other: &Intervals) -> Intervals {
        let mut out = Vec::new();
        for &(start, end) in &self.0 {
            let mut from = start;
            let first = other.0.partition_point(|&(_, e)| e < start);
            for &(s, e) in &other.0[first..] {
                if s > end || from > end {
                    break;
                }
                if s > from {
                    out.push((from, s - 1));
                }
                from = from.max(e.saturating_add(1));
            }
            if from <= end {
                out.push((from, end));
            }
        }
        Intervals(out)
    }

    /// The largest n such that all of 1..=n is here; 0 if 1 is missing.
    pub fn prefix(&self) -> u64 {
        match self.0.first() {
            Some(&(1, end)) => end,
            _ => 0,
        }
    }

    /// The largest counter here, or 0.
    pub fn max(&self) -> u64 {
        self.0.last().map_or(0, |&(_, end)| end)
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a node has seen: for every dot in it, the node holds that operation's value or a
/// superseder.
///
/// Absence of a dot's value inside Knowledge therefore means that it was superseded or deleted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Knowledge(BTreeMap<Incarnation, Intervals>);

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(i, r)| (i, r.ranges()))).finish()
    }
}

impl FromIterator<Dot> for Knowledge {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Knowledge {
        let mut knowledge = Knowledge::default();
        dots.into_iter().for_each(|dot| knowledge.insert(dot));
        knowledge
    }
}

impl Knowledge {
    /// How many dots have been seen.
    pub fn dots(&self) -> u64 {
        let ranges = self.0.values().flat_map(Intervals::ranges);
        ranges.map(|(start, end)| (end - start).saturating_add(1)).fold(0, u64::saturating_add)
    }

    /// Whether `dot` has been seen.
    pub fn contains(&self, dot: Dot) -> bool {
        self.0.get(&dot.incarnation).is_some_and(|r| r.contains(dot.counter))
    }

    /// Adds one dot.
    pub fn insert(&mut self, dot: Dot) {
        self.insert_range(dot.incarnation, dot.counter, dot.counter);
    }

    /// Adds the closed range of counters of one incarnation.
    pub fn insert_range(&mut self, incarnation: Incarnation, start: u64, end: u64) {
        self.0.entry(incarnation).or_default().insert(start, end);
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Knowledge) {
        for (&incarnation, ranges) in &other.0 {
            let mine = self.0.entry(incarnation).or_default();
            for &(start, end) in ranges.ranges() {
                mine.insert(start, end);
            }
        }
    }

    /// What is here and not in `other`.
    pub fn minus(&self, other: &Knowledge) -> Knowledge {
        let none = Intervals::default();
        let rest = self.0.iter().map(|(&i, r)| (i, r.minus(other.0.get(&i).unwrap_or(&none))));
        Knowledge(rest.filter(|(_, r)| !r.is_empty()).collect())
    }

    /// What is here of these incarnations.
    pub fn only(&self, incarnations: &BTreeSet<Incarnation>) -> Knowledge {
        let some = incarnations.iter().filter_map(|life| Some((*life, self.0.get(life)?.clone())));
        Knowledge(some.collect())
    }

    /// Whether everything here is in `other` too.
    pub fn is_within(&self, other: &Knowledge) -> bool {
        self.minus(other).is_empty()
    }

    /// Whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counters seen of one incarnation.
    pub fn of(&self, incarnation: Incarnation) -> Option<&Intervals> {
        self.0.get(&incarnation)
    }

    /// All incarnations seen with their counters, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Incarnation, &Intervals)> {
        self.0.iter().map(|(&incarnation, ranges)| (incarnation, ranges))
    }
}

#[cfg(test)]
mod tests;
