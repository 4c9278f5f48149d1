//! Knowledge as a set of dots, held against the plainest set there is.

use super::{Dot, Incarnation, Intervals, Knowledge};
use proptest::prelude::{any, prop, proptest};
use std::collections::BTreeSet;

fn flat(intervals: &Intervals) -> BTreeSet<u64> {
    intervals.ranges().iter().flat_map(|&(s, e)| s..=e).collect()
}

fn built(ranges: &[(u8, u8)]) -> (Intervals, BTreeSet<u64>) {
    let mut intervals = Intervals::default();
    let mut set = BTreeSet::new();
    for &(start, len) in ranges {
        let (start, end) = (u64::from(start) + 1, u64::from(start) + 1 + u64::from(len % 8));
        intervals.insert(start, end);
        set.extend(start..=end);
    }
    (intervals, set)
}

proptest! {
    #[test]
    fn intervals_are_the_set_of_their_numbers(
        a in prop::collection::vec(any::<(u8, u8)>(), 0..12),
        b in prop::collection::vec(any::<(u8, u8)>(), 0..12),
    ) {
        let ((a, a_set), (b, b_set)) = (built(&a), built(&b));
        assert_eq!(flat(&a), a_set);
        assert_eq!(flat(&a.minus(&b)), a_set.difference(&b_set).copied().collect());
        assert!(a.ranges().windows(2).all(|w| w[0].1 + 1 < w[1].0), "disjoint and not adjacent");
        assert!((1..300).all(|n| a.contains(n) == a_set.contains(&n)));
        let prefix = (1..).take_while(|n| a_set.contains(n)).last().unwrap_or(0);
        assert_eq!(a.prefix(), prefix);
    }
}

#[test]
fn knowledge_says_what_another_lacks() {
    let dot = |i: u8, counter| Dot { incarnation: Incarnation([i; 16]), counter };
    let mut mine = Knowledge::default();
    mine.insert_range(Incarnation([1; 16]), 1, 9);
    mine.insert(dot(2, 4));
    let mut theirs = Knowledge::default();
    theirs.insert_range(Incarnation([1; 16]), 3, 5);
    let lacking = mine.minus(&theirs);
    assert!(
        lacking.contains(dot(1, 2)) && lacking.contains(dot(1, 6)) && lacking.contains(dot(2, 4))
    );
    assert!(!lacking.contains(dot(1, 4)));
    theirs.merge(&lacking);
    assert_eq!(mine, theirs);
    assert!(mine.is_within(&theirs) && mine.minus(&theirs).is_empty());
}
