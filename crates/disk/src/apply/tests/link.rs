//! One more name for a file: at a free place, over another file, and where the file is not the one
//! that is meant.

use super::bed::{bed, done, Bed};
use crate::apply::Step;
use engine::plan::{Act, Expected, Outcome, Retire};
use std::os::unix::fs::MetadataExt;

fn link(bed: &Bed, of: &str, at: &str, expected: Expected) -> Act {
    let (file, retire) = (bed.seen(of), Retire::Trash);
    Act::Link { at: bed.place(at), expected, of: bed.place(of), file, retire }
}

fn inode(bed: &Bed, name: &str) -> (u64, u64) {
    let meta = std::fs::symlink_metadata(bed.path(name)).unwrap();
    (meta.ino(), meta.nlink())
}

#[test]
fn a_file_gets_one_more_name() {
    let mut bed = bed();
    bed.write("a", b"x");
    let now = done(bed.run(link(&bed, "a", "b", Expected::Nothing)));
    assert_eq!(inode(&bed, "a"), inode(&bed, "b"));
    assert_eq!(inode(&bed, "a").1, 2);
    let Expected::Exactly { fingerprint, content, .. } = bed.seen("b") else { panic!() };
    assert_eq!((&now[0].fingerprint, &now[0].content), (&fingerprint, &content));
    assert!(bed.staging().is_empty());
}

#[test]
fn a_file_gives_way_to_one_more_name_of_another_and_goes_to_the_trash() {
    let mut bed = bed();
    bed.write("a", b"x");
    bed.write("b", b"old");
    done(bed.run(link(&bed, "a", "b", bed.seen("b"))));
    assert_eq!(inode(&bed, "a"), inode(&bed, "b"));
    assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
    assert!(bed.staging().is_empty());
}

#[test]
fn nothing_is_done_where_the_file_or_the_place_is_not_as_expected() {
    let mut bed = bed();
    bed.write("a", b"x");
    let act = link(&bed, "a", "b", Expected::Nothing);
    bed.write("b", b"theirs");
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    assert_eq!((bed.read("b"), inode(&bed, "a").1), (b"theirs".to_vec(), 1));
    let act = link(&bed, "a", "b", bed.seen("b"));
    std::fs::remove_file(bed.path("a")).unwrap();
    bed.write("a", b"another");
    assert_eq!(bed.run(act), Outcome::NotAsExpected);
    assert_eq!((bed.read("b"), inode(&bed, "a").1), (b"theirs".to_vec(), 1));
    assert!(bed.staging().is_empty());
}

/// Story (simulator, seed 10978): a link was made and could not be looked at then, which was told
/// as not done; what its name showed from then on counted as a user's.
#[test]
fn what_was_linked_is_done_though_it_cannot_be_looked_at() {
    let mut bed = bed();
    bed.write("a", b"x");
    bed.write("b", b"old");
    let (act, path) = (link(&bed, "a", "b", bed.seen("b")), bed.path("b"));
    let expected = bed.seen("a");
    let now = done(bed.run_with(act, Step::Retired, move || std::fs::remove_file(path).unwrap()));
    let Expected::Exactly { fingerprint, content, .. } = expected else { panic!() };
    assert_eq!((&now[0].fingerprint, &now[0].content), (&fingerprint, &content));
    assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
}

/// Live files are never in the trash: what is written through another name would change there.
#[test]
fn one_name_of_several_is_removed_and_the_trash_gets_nothing() {
    let mut bed = bed();
    bed.write("a", b"x");
    std::fs::hard_link(bed.path("a"), bed.path("b")).unwrap();
    done(bed.run(bed.remove("b")));
    assert_eq!(inode(&bed, "a").1, 1);
    assert!(bed.trash_bytes().is_empty() && !bed.path("b").exists());
    done(bed.run(bed.remove("a")));
    assert_eq!(bed.trash_bytes(), vec![b"x".to_vec()]);
}
