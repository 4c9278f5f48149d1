//! Full reconciliation: what two nodes hold, compared by sums over ranges of entry ids.
//!
//! Needed where a delta is not enough: who has not seen a deletion that others have forgotten may
//! still hold what was deleted. One side tells sums over its whole S, range after range; the other
//! asks for the ranges that differ. A sum says which versions an entry's registers hold, not their
//! values: one version has one value for ever (range-based set reconciliation, Meyer 2212.13567,
//! with flat ranges: S is read once, whatever differs). Says what is equal; what follows from a
//! difference is `exchange`'s business.

use crate::dot::Dot;
use crate::entry::{Entry, EntryId};
use crate::index::Index;
use crate::limits::RANGE_ENTRIES;

/// Entry ids from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first.
    pub first: EntryId,
    /// The last.
    pub last: EntryId,
}

/// What a node holds in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    /// Where.
    pub range: Range,
    /// How many entries.
    pub count: u32,
    /// Over them all, in any order.
    pub sum: u128,
}

/// The highest id.
pub const LAST: EntryId = EntryId([u8::MAX; 16]);

/// The id after this one.
pub fn next(id: EntryId) -> Option<EntryId> {
    let next = u128::from_be_bytes(id.0).checked_add(1)?;
    Some(EntryId(next.to_be_bytes()))
}

/// The id before this one.
fn before(id: EntryId) -> EntryId {
    EntryId(u128::from_be_bytes(id.0).saturating_sub(1).to_be_bytes())
}

/// One entry's part of a sum; `None` for one that holds nothing.
fn sum_of(entry: &Entry) -> Option<u128> {
    let mut hasher = blake3::Hasher::new_derive_key("syncline range sum v1");
    hasher.update(&entry.id.0);
    let mut is_blank = true;
    let mut register = |number: u32, dots: &mut dyn Iterator<Item = Dot>| {
        for dot in dots {
            is_blank = false;
            hasher.update(&number.to_le_bytes());
            hasher.update(&dot.incarnation.0);
            hasher.update(&dot.counter.to_le_bytes());
        }
    };
    register(0, &mut entry.loc.dots());
    register(1, &mut entry.data.dots());
    register(2, &mut entry.times.dots());
    register(3, &mut entry.mode.dots());
    register(4, &mut entry.owner.dots());
    register(5, &mut entry.xattr.dots());
    for (number, other) in &entry.other {
        register(*number, &mut other.dots());
    }
    let hash = hasher.finalize();
    let sum = u128::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"));
    (!is_blank).then_some(sum)
}

fn sum_up(index: &dyn Index, range: Range, ids: &[EntryId]) -> Sum {
    let entries = ids.iter().filter_map(|id| index.entry(*id));
    let sums = entries.filter_map(|stored| sum_of(&stored.entry));
    let (count, sum) = sums.fold((0, 0u128), |(n, all), one| (n + 1, all.wrapping_add(one)));
    Sum { range, count, sum }
}

/// What is held in the next range that begins at `first`.
pub fn sum_from(index: &dyn Index, first: EntryId) -> Sum {
    let mut ids = index.ids(first, LAST, RANGE_ENTRIES + 1);
    let last = if ids.len() > RANGE_ENTRIES { before(ids[RANGE_ENTRIES]) } else { LAST };
    ids.truncate(RANGE_ENTRIES);
    sum_up(index, Range { first, last }, &ids)
}

/// Whether just the same is held here. Far more entries here are not even added up.
pub fn is_same(index: &dyn Index, theirs: &Sum) -> bool {
    let most = theirs.count as usize + RANGE_ENTRIES;
    let ids = index.ids(theirs.range.first, theirs.range.last, most + 1);
    ids.len() <= most && sum_up(index, theirs.range, &ids) == *theirs
}

/// The beginning of a range, cut off after `most` entries that are held here (at least one), and
/// what is left.
pub fn cut(index: &dyn Index, range: Range, most: usize) -> (Range, Option<Range>) {
    let ids = index.ids(range.first, range.last, most + 1);
    match ids.get(most) {
        Some(&rest) => {
            let head = Range { first: range.first, last: before(rest) };
            (head, Some(Range { first: rest, last: range.last }))
        }
        None => (range, None),
    }
}

#[cfg(test)]
mod tests;
