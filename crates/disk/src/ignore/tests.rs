//! What is left out, and what only looks like it.

use super::{Ignore, MOUNT_POINT};
use crate::fs::{FileKind, Stat};
use engine::entry::{Owner, Timestamp};
use engine::index::Handle;
use engine::path::RelPath;

fn stat(kind: FileKind, mount: u64) -> Stat {
    let at = Timestamp::default();
    Stat {
        kind,
        handle: Handle([1].into()),
        size: 0,
        mtime: at,
        ctime: at,
        mode: 0,
        owner: Owner::default(),
        links: 1,
        inode: 1,
        device: 1,
        mount,
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

#[test]
fn our_names_are_ours_only_in_the_root() {
    let ignore = Ignore::default();
    let probe = ".syncline-probe-0123456789abcdef";
    for own in [".syncline", ".syncline/trash/x", ".syncline-folder", probe] {
        assert!(ignore.is_own(&path(own)), "{own}");
    }
    for other in ["", "a/.syncline", ".syncline2", "syncline", ".syncline-probe", &probe[1..]] {
        assert!(!ignore.is_own(&path(other)), "{other}");
    }
}

/// A user's own directory `.syncline` was left out on all nodes, and nobody was told.
#[test]
fn what_a_user_has_at_a_name_of_ours_is_spoken_of() {
    let mut ignore = Ignore::default();
    ignore.made(super::MARKER_NAME);
    assert!(ignore.reserved(&path(".syncline")).is_some());
    for silent in [".syncline/x", ".syncline-folder", "a/.syncline", "a", ""] {
        assert!(ignore.reserved(&path(silent)).is_none(), "{silent}");
    }
}

#[test]
fn mounts_special_files_and_other_folders_are_foreign() {
    let ignore = Ignore::new([path("a/b")].into());
    let foreign = |at: &str, kind, mount| ignore.foreign(&path(at), &stat(kind, mount), 7);
    for kind in [FileKind::Dir, FileKind::File, FileKind::Symlink] {
        assert_eq!(foreign("a", kind, 7), None);
        assert_eq!(foreign("a", kind, 8), Some(MOUNT_POINT));
    }
    for kind in [FileKind::Fifo, FileKind::Socket, FileKind::Device] {
        assert!(foreign("a", kind, 7).is_some());
    }
    assert!(foreign("a/b", FileKind::Dir, 7).is_some());
    assert_eq!(foreign("a/b", FileKind::File, 7), None);
}
