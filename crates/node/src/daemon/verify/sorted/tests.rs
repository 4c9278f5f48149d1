//! Long lists come out sorted, from little memory; parts come out in order, whatever way they came.

use super::{Entry, Inbox, Part, Sorter};

fn entry(n: u32) -> Entry {
    let path = format!("{}/{:x}", n % 7, n.wrapping_mul(2_654_435_761)).into_bytes();
    Entry { path, size: n.into(), ..Entry::default() }
}

#[test]
fn many_pieces_are_merged_in_order_and_can_be_read_twice() {
    let home = tempfile::tempdir().unwrap();
    for (count, piece_bytes) in [(0, 1), (1, 1), (500, 1), (5000, 3000), (5000, 1 << 20)] {
        let mut sorter = Sorter::with_pieces(home.path(), piece_bytes).unwrap();
        (0..count).for_each(|n| sorter.push(entry(n)).unwrap());
        let sorted = sorter.finish().unwrap();
        let mut expected: Vec<Entry> = (0..count).map(entry).collect();
        expected.sort_by(|a, b| a.path.cmp(&b.path));
        for _ in 0..2 {
            let mut merge = sorted.iter().unwrap();
            let mut read = Vec::new();
            while let Some(entry) = merge.next().unwrap() {
                read.push(entry);
            }
            assert!(read == expected, "{count} in pieces of {piece_bytes}");
        }
        assert_eq!(sorted.entries, u64::from(count));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing stays behind");
}

fn part(sequence: u64, last: bool) -> Part {
    let entries = (0..3).map(|n| entry(10 * u32::try_from(sequence).unwrap() + n)).collect();
    Part { number: 1, sequence, last, entries, ..Part::default() }
}

#[test]
fn parts_that_overtake_one_another_come_out_in_order_and_each_once() {
    let home = tempfile::tempdir().unwrap();
    let mut inbox = Inbox::new(home.path()).unwrap();
    for (sequence, last) in [(3, true), (1, false), (1, false)] {
        inbox.take(&part(sequence, last));
        assert!(!inbox.is_complete());
    }
    inbox.take(&Part { done: 9, ..Part::default() });
    assert_eq!((inbox.done, inbox.is_complete()), (9, false), "a sign of life is no part");
    inbox.take(&part(2, false));
    assert!(inbox.is_complete());
    let read: Vec<Entry> = inbox.entries().map(Result::unwrap).collect();
    let expected: Vec<Entry> = (1..=3).flat_map(|n| part(n, false).entries).collect();
    assert!(read == expected);
}

#[test]
fn an_answer_with_trouble_is_complete() {
    let home = tempfile::tempdir().unwrap();
    let mut inbox = Inbox::new(home.path()).unwrap();
    inbox.take(&Part { trouble: "it burns".to_owned(), ..Part::default() });
    assert!(inbox.is_complete());
    assert_eq!(inbox.trouble.as_deref(), Some("it burns"));
}
