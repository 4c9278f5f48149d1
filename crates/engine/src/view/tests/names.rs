//! What suffixed names look like, and how the entry that bears one is found again.

use super::{check, d, f, id, name, Node, E};
use crate::entry::{Entry, EntryId, Kind};
use crate::index::Index;
use crate::view::{beside, suffix_of, suffixed};

#[test]
fn an_extension_that_is_none_is_cut_off_and_not_kept_at_the_stems_cost() {
    let extension = |letters: usize| format!("a.{}", "x".repeat(letters));
    let longest = suffixed(&name(&extension(31)), "t").to_string();
    assert_eq!(longest, format!("a~t.{}", "x".repeat(31)));
    assert_eq!(suffixed(&name(&extension(32)), "t").to_string(), "a~t");
    assert_eq!(suffixed(&name("a."), "t").to_string(), "a~t.");
    assert_eq!(suffixed(&name("..b"), "t").to_string(), ".~t.b");
}

/// The single digits of the entries that may be shown under a name.
fn found(called: &str) -> Vec<u8> {
    let entries = [d(0x1a, 0, "a"), f(0x20, 0, "b", b'x'), f(0xff, 0, "c", b'y')];
    let found = suffix_of(&Node::of(&entries).index, &name(called));
    found.into_iter().map(|id| id.0[0]).collect()
}

#[test]
fn who_is_shown_under_a_suffix_is_found_by_it() {
    let cases: [(&str, &[u8]); 16] = [
        ("a~1a1a1a1a", &[0x1a]),
        ("a~1a1a", &[0x1a]),
        ("a~aaaa-2020.txt", &[0x20]),
        ("a~aaaa-ffff", &[0xff]),
        ("a~1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a", &[0x1a]),
        ("a~1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a", &[]),
        ("a~2020~1a1a.tar.gz", &[0x20, 0x1a]),
        ("a~new~aaaa-2020", &[0x20]),
        ("1a1a", &[]),
        ("2020~", &[]),
        ("a~1a", &[]),
        ("a~1a1a1", &[]),
        ("a~1A1A", &[]),
        ("a~1a1g", &[]),
        ("a~1a1:", &[]),
        ("a~1a1b", &[]),
    ];
    for (called, ids) in cases {
        assert_eq!(found(called), ids, "{called}");
    }
}

#[test]
fn a_suffix_is_found_whatever_the_id() {
    for n in 1..=255 {
        let entry = f(n, 0, "b", b'x');
        let index = Node::of([&entry]).index;
        for called in [format!("b~aaaa-{n:02x}{n:02x}"), format!("b~{n:02x}{n:02x}{n:02x}")] {
            assert_eq!(suffix_of(&index, &name(&called)), [id(n)], "{called}");
        }
    }
}

#[test]
fn the_name_of_a_copy_takes_more_digits_where_somebody_has_it() {
    let digits = [0xab; 32];
    let called = |node: &Node, parent: EntryId| {
        beside(&node.index, parent, &name("a.txt"), "mine", &digits).to_string()
    };
    let dirs = [d(1, 0, "d"), d(2, 0, "d")];
    assert_eq!(called(&Node::of(&dirs), id(1)), "a.mine-abab.txt");
    let taken = [&dirs[..], &[f(3, 2, "a.mine-abab.txt", b'x')]].concat();
    assert_eq!(called(&Node::of(&taken), id(1)), "a.mine-abababab.txt", "in a united directory");
    let gone = [&dirs[..], &[f(3, 2, "a.mine-abab.txt", b'x').gone(1)]].concat();
    assert_eq!(called(&Node::of(&gone), id(1)), "a.mine-abab.txt", "nobody has it any more");
    let node = Node::of(&[f(3, 9, "a.mine-abab.txt", b'x')]);
    assert_eq!(called(&node, id(9)), "a.mine-abababab.txt", "in one that has not arrived");
    assert!(node.index.entry(id(9)).is_none());
}

// Story (simulator, seed 1937): somebody lied about a file, and its bytes were taken for those of
// another whose id began alike. Both lost their name to a third and were shown under one, for ever
// in each other's way. Of many files that lose one name two may begin alike without any lie.
#[test]
fn who_loses_a_name_beside_another_whose_id_begins_alike_is_shown_under_one_of_its_own() {
    let alike = |last: u8, time: u64, letter: u8| {
        let mut id = id(2);
        id.0[2] = last;
        E(Entry::new(id, Kind::File)).at(time, 0, "n").holds(time, letter)
    };
    check(
        &[f(1, 0, "n", b'x'), alike(2, 2, b'y'), alike(3, 4, b'z'), f(4, 0, "n", b'w')],
        &["n=x", "n~aaaa-02020202=y", "n~aaaa-02020302=z", "n~aaaa-0404=w"],
    );
}
