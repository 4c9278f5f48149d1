//! Whatever a damaged index file holds in a row is refused or read, and harms nothing: each record
//! with random bytes, and with the bytes of good rows in which some are flipped or cut off.

use super::{
    content_bytes, counts_bytes, entry_bytes, knowledge_bytes, meta_bytes, pending_bytes,
    read_content, read_counts, read_entry, read_entry_dots, read_knowledge, read_meta,
    read_pending, read_seen, seen_bytes, Counts, EntryColumns,
};
use crate::store::lives::Lives;
use crate::store::tests::rows;
use engine::content::{Content, Digest};
use engine::entry::EntryId;
use engine::index::{Index, MemIndex, Slot};
use proptest::prelude::{any, prop, proptest};

/// An index with one row of everything, and the numbers of its lives.
fn index() -> MemIndex {
    let mut index = MemIndex::new(crate::store::tests::meta());
    rows::museum(&mut index);
    index
}

/// One good record of each kind.
fn good(lives: &mut Lives) -> Vec<Vec<u8>> {
    let index = index();
    let entries = (0..4).filter_map(|n| index.entry(rows::entry_id(n)));
    let mut all: Vec<Vec<u8>> = entries.map(|stored| entry_bytes(lives, &stored)).collect();
    let seen = (1..4).filter_map(|n| index.seen(Slot(n)));
    all.extend(seen.map(|row| seen_bytes(lives, &row)));
    all.extend(index.pending_after(0, 9).iter().map(|row| pending_bytes(lives, row)));
    all.push(content_bytes(&Content::File(Digest([1; 32]), 7)));
    all.push(content_bytes(&Content::Link(b"../target"[..].into())));
    all.push(meta_bytes(&index.meta()));
    all.push(knowledge_bytes(lives, &index.knowledge()));
    all.push(counts_bytes(&Counts { entries: 1, seen: 2, pending: 3 }));
    all
}

/// Reads the bytes as every kind of record: refused or not, nothing panics. How many took them.
fn read_as_everything(lives: &Lives, bytes: &[u8]) -> usize {
    let columns = EntryColumns { id: EntryId([1; 16]), place: None, conflicted: false };
    let mut row = index().seen(Slot(2)).unwrap();
    let read = [
        read_entry(lives, columns, bytes).is_ok(),
        read_entry_dots(bytes).is_ok(),
        read_seen(lives, &mut row, None, bytes).is_ok(),
        read_pending(lives, EntryId([1; 16]), 1, bytes).is_ok(),
        read_content(bytes).is_ok(),
        read_meta(bytes).is_ok(),
        read_knowledge(lives, bytes).is_ok(),
        read_counts(bytes).is_ok(),
    ];
    read.into_iter().filter(|ok| *ok).count()
}

#[test]
fn good_records_are_read() {
    let mut lives = Lives::default();
    let all = good(&mut lives);
    assert!(all.len() >= 12, "{}", all.len());
    assert!(all.iter().all(|bytes| read_as_everything(&lives, bytes) > 0));
}

proptest! {
    #[test]
    fn random_bytes_harm_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut lives = Lives::default();
        good(&mut lives);
        read_as_everything(&lives, &bytes);
    }

    #[test]
    fn flipped_and_cut_records_harm_nothing(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut lives = Lives::default();
        let all = good(&mut lives);
        let mut bytes = all[which.index(all.len())].clone();
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_as_everything(&lives, &bytes);
    }
}
