//! Whole, verified, resumable; refused when it would not fit.

use super::{digest_of, new_name, part_name, Stage, StageError, Staged, PARTS_MAX};
use crate::fs::Fs;
use crate::linux::Linux;
use engine::content::Digest;
use engine::path::Name;
use std::path::Path;
use std::sync::Arc;

fn stage(place: &Path) -> Stage<Linux> {
    let fs = Arc::new(Linux::new());
    let dir = fs.open_root(place).unwrap();
    Stage::open(fs, dir).unwrap()
}

fn names(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn pieces_in_order_become_a_whole_under_their_digest() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let digest = digest_of(b"onetwo");
    assert_eq!(stage.put(digest, 6, 0, b"").unwrap(), Staged::Progress(0));
    assert_eq!(stage.put(digest, 6, 0, b"one").unwrap(), Staged::Progress(3));
    assert!(stage.complete().is_empty());
    assert_eq!(stage.put(digest, 6, 3, b"two").unwrap(), Staged::Complete);
    assert_eq!(stage.complete(), vec![digest]);
    assert_eq!(names(place.path()), vec![digest.to_string()]);
}

// Story: pieces of one content came over two connections, and those that were early were kept in
// memory up to a bound. When one connection hung for a moment, the bound was passed, the whole
// answer given up, and everything from there on sent once more.
#[test]
fn only_what_goes_on_at_the_end_is_written() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let digest = digest_of(b"onetwo");
    stage.put(digest, 6, 0, b"one").unwrap();
    assert_eq!(stage.put(digest, 6, 4, b"wo").unwrap(), Staged::Progress(3), "too early");
    assert_eq!(stage.put(digest, 6, 0, b"on").unwrap(), Staged::Progress(3), "known");
    assert_eq!(stage.put(digest, 6, 2, b"et").unwrap(), Staged::Progress(4), "half known");
    for (offset, bytes) in [(4, &b"wotwo"[..]), (7, b"x"), (u64::MAX, b"x")] {
        let beyond = stage.put(digest, 6, offset, bytes);
        assert!(matches!(beyond, Err(StageError::Beyond { .. })), "{beyond:?}");
    }
    assert_eq!(stage.put(digest, 6, 4, b"wo").unwrap(), Staged::Complete);
}

// Story: a sender went away in the middle of a large file and its author wrote another version. The
// part lay in staging for as long as the folder lived.
#[test]
fn when_nothing_is_waited_for_no_part_stays() {
    let place = tempfile::tempdir().unwrap();
    let (first, second, whole) = (digest_of(b"first"), digest_of(b"second"), digest_of(b"whole"));
    stage(place.path()).put(first, 5, 0, b"fi").unwrap();
    std::fs::write(place.path().join(format!("{whole}.new")), b"who").unwrap();
    let stage = stage(place.path());
    stage.put(second, 6, 0, b"sec").unwrap();
    stage.put_whole(whole, b"whole").unwrap();
    assert_eq!([first, second].map(|digest| stage.begun(&digest)), [2, 3]);
    stage.clear(&[]).unwrap();
    assert_eq!(names(place.path()), [whole.to_string()], "what is whole goes by name only");
    stage.clear(&[whole]).unwrap();
    assert!(names(place.path()).is_empty());
    assert_eq!(stage.put(second, 6, 0, b"second").unwrap(), Staged::Complete, "from the start");
}

#[test]
fn wrong_bytes_never_get_the_name() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let digest = digest_of(b"right");
    assert_eq!(stage.put(digest, 5, 0, b"wrong").unwrap(), Staged::Mismatch);
    assert_eq!(stage.put_whole(digest, b"wrong").unwrap(), Staged::Mismatch);
    assert!(names(place.path()).is_empty());
}

#[test]
fn a_part_goes_on_at_its_length_after_a_restart_and_a_torn_whole_is_dropped() {
    let place = tempfile::tempdir().unwrap();
    let (digest, torn) = (digest_of(b"onetwo"), digest_of(b"torn"));
    stage(place.path()).put(digest, 6, 0, b"one").unwrap();
    stage(place.path()).put_whole(torn, b"torn").unwrap();
    std::fs::write(place.path().join(torn.to_string()), b"to").unwrap();
    let stage = stage(place.path());
    assert!(stage.complete().is_empty());
    assert_eq!(stage.put(digest, 6, 0, b"").unwrap(), Staged::Progress(3));
    assert_eq!(stage.put(digest, 6, 3, b"two").unwrap(), Staged::Complete);
    assert_eq!(self::stage(place.path()).complete(), vec![digest]);
}

// Story (simulator, seed 2640 with power=60): of two machines that lost their power at once one had
// written a file, and it was gone. The other had it whole in staging, but under the name that it
// has while it is written; it threw it away, and both agreed that the file was lost.
#[test]
fn what_is_whole_and_lost_only_its_name_is_found() {
    for name in [new_name, part_name] {
        let place = tempfile::tempdir().unwrap();
        let (whole, torn) = (digest_of(b"whole"), digest_of(b"torn"));
        for (digest, bytes) in [(whole, b"whole"), (torn, b"\0\0\0\0\0")] {
            std::fs::write(place.path().join(name(&digest).to_string()), bytes).unwrap();
        }
        let stage = stage(place.path());
        assert_eq!(stage.complete(), [whole]);
        assert!(names(place.path()).contains(&whole.to_string()));
        assert!(!names(place.path()).contains(&name(&whole).to_string()));
    }
}

#[test]
fn content_that_cannot_fit_is_refused_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let refused = stage.put(digest_of(b"x"), u64::MAX, 0, b"").unwrap_err();
    assert!(refused.is_full(), "{refused}");
    assert!(names(place.path()).is_empty());
}

/// Senders that went away left their parts open, and nobody closed them: after 64 of them nothing
/// larger than one piece arrived any more until a restart.
#[test]
fn of_too_many_parts_the_one_unused_for_longest_is_closed_and_goes_on_later() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let digests: Vec<Digest> = (0..=PARTS_MAX).map(|n| digest_of(&n.to_le_bytes())).collect();
    let (last, first) = digests.split_last().unwrap();
    for digest in first {
        stage.put(*digest, 8, 0, &[0; 4]).unwrap();
    }
    let word = 0_usize.to_le_bytes();
    stage.put(first[0], 8, 0, b"").unwrap();
    assert_eq!(stage.put(*last, 8, 0, b"").unwrap(), Staged::Progress(0));
    let open = |digest: &Digest| super::locked(&stage.parts).contains_key(digest);
    assert!(open(&first[0]) && !open(&first[1]) && open(&first[2]) && open(last));
    assert_eq!(super::locked(&stage.parts).len(), PARTS_MAX);
    assert_eq!(stage.put(first[1], 8, 0, b"").unwrap(), Staged::Progress(4), "its bytes stayed");
    assert!(!open(&first[2]));
    assert_eq!(stage.put(first[0], 8, 4, &word[4..]).unwrap(), Staged::Complete);
}

#[test]
fn a_peer_cannot_open_parts_without_end() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let digest = |number: usize| Digest([u8::try_from(number).unwrap(); 32]);
    let at_work: Vec<_> = (0..PARTS_MAX).map(|n| stage.part(digest(n), 10).unwrap()).collect();
    let crowded = stage.put(Digest([255; 32]), 10, 0, b"");
    assert!(matches!(crowded, Err(StageError::Crowded { .. })));
    drop(at_work);
    stage.put(Digest([255; 32]), 10, 0, b"").unwrap();
}

#[test]
fn content_found_in_a_local_file_is_copied_and_verified() {
    let place = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), b"content").unwrap();
    let stage = stage(place.path());
    let fs = Linux::new();
    let root = fs.open_root(dir.path()).unwrap();
    let file = fs.open_file(&root, &Name::new(b"f").unwrap()).unwrap();
    assert_eq!(stage.copy_from(&file, digest_of(b"other"), 7).unwrap(), Staged::Mismatch);
    assert_eq!(stage.copy_from(&file, digest_of(b"content"), 7).unwrap(), Staged::Complete);
    assert_eq!(stage.complete(), vec![digest_of(b"content")]);
}

// Story (found by a newcomer): what did not fit was asked for all the same, crossed the network,
// was thrown away, and was asked for again: 1349 MiB in 20 seconds for a disk of 8.
#[test]
fn what_will_not_find_room_together_is_known_before_it_is_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let stage = stage(place.path());
    let free = stage.fs.volume(stage.dir()).unwrap().free_bytes;
    let most = free / 10 * 6;
    let [one, two, three, half] = [1, 2, 3, 4].map(|n| Digest([n; 32]));
    let rooms = stage.rooms(&[(one, most), (two, most), (three, 1)]);
    assert!(rooms[0].is_ok() && rooms[2].is_ok(), "{rooms:?}");
    assert!(matches!(&rooms[1], Err(StageError::Full { digest, .. }) if *digest == two));
    stage.put(half, free, 0, &[7; 4096]).unwrap_err();
    assert!(stage.rooms(&[(half, u64::MAX)])[0].is_err());
}
