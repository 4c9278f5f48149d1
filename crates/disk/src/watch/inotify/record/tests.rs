//! Bytes as the kernel writes them, and bytes that nobody should write.

use proptest::prelude::{any, proptest};

use super::{records, Record};

fn event(watch: i32, mask: u32, padded_name: &[u8]) -> Vec<u8> {
    let length = u32::try_from(padded_name.len()).unwrap();
    let words = [mask, 0, length].map(u32::to_ne_bytes).concat();
    [&watch.to_ne_bytes()[..], &words, padded_name].concat()
}

#[test]
fn names_are_read_without_their_padding() {
    let bytes = [event(3, 256, b"a\xff\0\0\0\0\0\0"), event(-1, 16384, b"")].concat();
    let all: Vec<_> = records(&bytes).flatten().collect();
    assert_eq!(all[0], Record { watch: 3, mask: 256, name: b"a\xff" });
    assert_eq!(all[1], Record { watch: -1, mask: 16384, name: b"" });
}

#[test]
fn every_cut_of_a_record_is_noticed_and_ends_the_reading() {
    let whole = event(3, 256, b"name\0\0\0\0");
    for end in 1..whole.len() {
        assert_eq!(records(&whole[..end]).collect::<Vec<_>>(), [None], "{end} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
        assert!(records(&bytes).count() <= bytes.len());
    }
}
