//! Marks come back as they were written, and anybody may write anything into an attribute.

use super::Mark;
use proptest::prelude::{any, proptest};

/// What version 1 wrote: the text never changes.
const FIRST: &str = "1 01010101010101010101010101010101 \
    0202020202020202020202020202020202020202020202020202020202020202 \
    03030303030303030303030303030303\n";

#[test]
fn the_first_version_s_mark_is_read_and_written_the_same() {
    let mark = Mark { folder: [1; 16], node: [2; 32], home: [3; 16] };
    assert_eq!(Mark::decode(FIRST.as_bytes()), Some(mark));
    assert_eq!(mark.encode(), FIRST.as_bytes());
}

#[test]
fn what_is_no_mark_of_this_version_is_none() {
    for text in ["", "1", "2 00 00 00", &FIRST.replacen('1', "2", 1), &format!("{FIRST} more")] {
        assert_eq!(Mark::decode(text.as_bytes()), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_mark_or_none(bytes in any::<Vec<u8>>()) {
        assert_eq!(Mark::decode(&bytes), None);
    }

    #[test]
    fn a_mark_comes_back_and_a_cut_one_does_not(
        folder in any::<[u8; 16]>(), node in any::<[u8; 32]>(), home in any::<[u8; 16]>(),
        cut in 0usize..130,
    ) {
        let mark = Mark { folder, node, home };
        let bytes = mark.encode();
        assert_eq!(Mark::decode(&bytes), Some(mark));
        assert_eq!(Mark::decode(&bytes[..cut.min(bytes.len() - 2)]), None);
    }
}
