//! Sums over ranges: equal where the same is held, different where one version is not.

use super::{cut, is_same, next, sum_from, Range, LAST};
use crate::dot::{Dot, Incarnation};
use crate::entry::{Entry, EntryId, Hlc, Kind, Rank, Stamp, Stamped, ROOT};
use crate::index::{Index, MemIndex, Meta, Phase, Stored};
use crate::limits::RANGE_ENTRIES;
use crate::register::Version;
use crate::wire::Minted;

fn id(n: u8) -> EntryId {
    EntryId([n; 16])
}

fn put(index: &mut MemIndex, n: u8, counter: u64) {
    let dot = Dot { incarnation: Incarnation([1; 16]), counter };
    let value =
        Stamped { stamp: Stamp { rank: Rank::Write, hlc: Hlc(counter), dot }, value: 0o644_u16 };
    let mut entry = Entry::new(id(n), Kind::File);
    entry.mode.insert(Version { dot, minted: value.mint().into(), value });
    put_entry(index, entry);
}

fn put_entry(index: &mut MemIndex, entry: Entry) {
    let (settled, context) = (None, None);
    index.put_entry(&Stored { entry, settled, live_children: 0, conflicted: false, context });
}

fn index(numbers: impl Iterator<Item = u8>) -> MemIndex {
    let mut index = MemIndex::new(Meta::new(Incarnation([1; 16]), Phase::Member, [0; 16]));
    numbers.for_each(|n| put(&mut index, n, u64::from(n)));
    index
}

#[test]
fn ranges_cover_all_ids_and_hold_a_bounded_number_of_entries() {
    let index = index(0..200);
    let (mut from, mut counts) = (Some(ROOT), Vec::new());
    while let Some(first) = from {
        let sum = sum_from(&index, first);
        assert_eq!(sum.range.first, first);
        counts.push(sum.count as usize);
        from = next(sum.range.last);
    }
    assert_eq!(counts, [RANGE_ENTRIES, RANGE_ENTRIES, RANGE_ENTRIES, 200 - 3 * RANGE_ENTRIES]);
}

#[test]
fn a_range_that_is_just_full_is_the_last() {
    let most = RANGE_ENTRIES as u8;
    let full = sum_from(&index(0..most), ROOT);
    assert_eq!((full.count, full.range.last), (u32::from(most), LAST));
    let more = sum_from(&index(0..most + 1), ROOT);
    assert_eq!((more.count, next(more.range.last)), (u32::from(most), Some(id(most))));
}

#[test]
fn equal_holdings_have_equal_sums_and_any_difference_shows() {
    let one = index(0..50);
    let sum = sum_from(&one, ROOT);
    assert!(is_same(&index(0..50), &sum));
    assert!(!is_same(&index(0..49), &sum), "an entry is missing");
    assert!(!is_same(&index(0..51), &sum), "an entry is too many");
    let mut other = index(0..50);
    put(&mut other, 7, 99);
    assert!(!is_same(&other, &sum), "another version");
    put(&mut other, 7, 7);
    put_entry(&mut other, Entry::new(id(60), Kind::File));
    assert!(is_same(&other, &sum), "an entry that holds nothing does not count");
    let blank = |n| Entry::new(id(n), Kind::File);
    let nothing = sum_from(&index(0..0), ROOT);
    assert_eq!((nothing.count, nothing.range.last), (0, LAST));
    assert!(!is_same(&index(0..250), &nothing), "far more than there");
    let mut blanks = index(0..0);
    (0..RANGE_ENTRIES as u8).for_each(|n| put_entry(&mut blanks, blank(n)));
    assert!(is_same(&blanks, &nothing), "many that hold nothing do not count either");
    put(&mut blanks, 200, 1);
    assert!(!is_same(&blanks, &nothing), "one that does is not overlooked behind them");
}

#[test]
fn a_range_is_cut_where_enough_is_held_here() {
    let index = index(0..100);
    let all = Range { first: ROOT, last: LAST };
    let (head, rest) = cut(&index, all, 10);
    let rest = rest.unwrap();
    assert_eq!((next(head.last), rest.first, rest.last), (Some(rest.first), id(10), LAST));
    assert_eq!(index.ids(head.first, head.last, 100).len(), 10);
    assert_eq!(cut(&index, all, 100), (all, None));
}
