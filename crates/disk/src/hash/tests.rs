//! Real files that rest, grow, are written and are nearly new.

use super::{grants_leases, racy_ms, Hashing, Reader, SMALL_BYTES_MAX};
use crate::fs::Fs;
use crate::linux::tests::without::{without, Call};
use crate::linux::Linux;
use engine::content::{Content, Digest};
use engine::entry::Owner;
use engine::path::Name;
use std::cell::Cell;
use std::os::unix::fs::FileExt;

struct Place {
    fs: Linux,
    home: tempfile::TempDir,
}

impl Place {
    fn new(bytes: &[u8]) -> Place {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("f"), bytes).unwrap();
        Place { fs: Linux::new(), home }
    }

    fn open(&self) -> <Linux as Fs>::File {
        let dir = self.fs.open_root(self.home.path()).unwrap();
        self.fs.open_file(&dir, &Name::new(b"f").unwrap()).unwrap()
    }

    fn hash(&self, each: &mut dyn FnMut(u64) -> bool) -> Hashing {
        Reader::new(0).hash(&self.fs, &self.open(), each).unwrap()
    }
}

fn content(bytes: &[u8]) -> Content {
    Content::File(Digest(blake3::hash(bytes).into()), bytes.len() as u64)
}

fn done(hashing: Hashing) -> super::Hashed {
    match hashing {
        Hashing::Done(hashed) => *hashed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_any_length_are_what_they_are() {
    let edge = usize::try_from(SMALL_BYTES_MAX).unwrap();
    for length in [0, 1, edge, edge + 1, 256 * 1024, 256 * 1024 + 1, 1_000_000] {
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8 + 1).collect();
        let hashed = done(Place::new(&bytes).hash(&mut |_| true));
        assert_eq!(hashed.content, content(&bytes), "{length}");
        assert_eq!(hashed.bytes, (length <= edge).then(|| bytes.clone()), "{length}");
        assert!(!hashed.zeros);
        assert_eq!(hashed.stat.size, length as u64);
    }
}

#[test]
fn zeros_are_told_and_an_empty_file_is_not_zeros() {
    assert!(done(Place::new(&[0; 300_000]).hash(&mut |_| true)).zeros);
    assert!(!done(Place::new(b"").hash(&mut |_| true)).zeros);
    let mut nearly = vec![0; 300_000];
    nearly[299_999] = 1;
    assert!(!done(Place::new(&nearly).hash(&mut |_| true)).zeros);
}

#[test]
fn a_writer_makes_it_busy_and_closing_ends_that() {
    let place = Place::new(b"text");
    let path = place.home.path().join("f");
    let writer = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    assert!(matches!(place.hash(&mut |_| true), Hashing::Busy(_)));
    drop(writer);
    assert_eq!(done(place.hash(&mut |_| true)).content, content(b"text"));
}

/// A whole write, open to close, while we read: only the fingerprint can tell.
#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let place = Place::new(&vec![1; 600_000]);
    let path = place.home.path().join("f");
    let steps = Cell::new(0);
    let hashing = place.hash(&mut |_| {
        if steps.replace(steps.get() + 1) == 1 {
            let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            writer.write_all_at(b"edited", 0).unwrap();
        }
        true
    });
    let mut after = vec![1; 600_000];
    after[..6].copy_from_slice(b"edited");
    assert_eq!(done(hashing).content, content(&after));
}

#[test]
fn a_file_that_keeps_growing_is_busy() {
    let place = Place::new(&vec![1; 300_000]);
    let path = place.home.path().join("f");
    let hashing = place.hash(&mut |_| {
        use std::io::Write;
        let mut writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        writer.write_all(b"more").unwrap();
        true
    });
    assert!(matches!(hashing, Hashing::Busy(_)));
}

#[test]
fn told_to_stop_it_stops() {
    assert_eq!(Place::new(b"text").hash(&mut |_| false), Hashing::Stopped);
}

#[test]
fn what_changed_within_two_ticks_is_soft_on_old_kernels() {
    let place = Place::new(b"text");
    let soft =
        |racy| done(Reader::new(racy).hash(&place.fs, &place.open(), &mut |_| true).unwrap()).soft;
    assert!(soft(3_600_000), "written less than an hour ago");
    assert!(!soft(0));
}

#[test]
fn timestamps_are_trusted_where_they_are_multigrain() {
    let (ext4, other) = (0xef53, 0x6573_5546);
    assert_eq!(racy_ms("6.13.0-1-amd64", ext4), 0);
    assert_eq!(racy_ms("7.0", ext4), 0);
    assert!(racy_ms("6.12.44", ext4) > 0);
    assert!(racy_ms("4.18.0-553.el8", ext4) > 0);
    assert!(racy_ms("6.13.0", other) > 0);
    assert!(racy_ms("unknown", ext4) > 0);
}

/// Found by reading: a daemon in a container has no CAP_LEASE by default. Its own trial file got a
/// lease, files of the web server did not: each scan would have read all of those again.
#[test]
fn whether_leases_are_granted_is_tried_and_leaves_nothing() {
    let granted = |other: Option<Owner>| {
        let home = tempfile::tempdir().unwrap();
        // Of a program that died while it tried.
        std::fs::write(home.path().join("lease"), b"").unwrap();
        let fs = Linux::new();
        let granted = grants_leases(&fs, &fs.open_root(home.path()).unwrap(), other);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        granted
    };
    let other = Some(Owner { uid: 65_534, gid: 65_534 });
    assert!(granted(None));
    assert_eq!(granted(other), rustix::process::geteuid().is_root());
    without(&[Call::Privilege], move || assert!(granted(None) && !granted(other)));
    without(&[Call::Leases], move || assert!(!granted(None)));
}
