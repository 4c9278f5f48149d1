//! The suite on what this machine has, and what only Linux shows: mounts, old kernels.

pub(crate) mod programs;
pub(crate) mod without;

use super::{ignore_sigio, walk, Linux};
use crate::fs::{FileKind, Fs, Lease};
use crate::fs_suite::{run, Abilities};
use engine::path::{Name, RelPath};
use programs::Programs;
use std::path::Path;
use std::sync::atomic::Ordering;
use without::{without, Call};

fn suite_in(place: &Path, linux: &Linux) {
    ignore_sigio();
    let directory = tempfile::tempdir_in(place).unwrap();
    let base = linux.open_root(directory.path()).unwrap();
    run(linux, &base, &Programs, abilities(linux, &base));
}

fn abilities(linux: &Linux, base: &<Linux as Fs>::Dir) -> Abilities {
    // ext4, xfs and btrfs; a tmpfs never writes back, an overlay hides that it does.
    let magic = linux.volume(base).unwrap().magic;
    let writes_back = [0xef53, 0x5846_5342, 0x9123_683e].contains(&magic);
    let immutable = programs::can_be_immutable(linux, base);
    if !immutable {
        eprintln!("SKIPPED: nothing can be made immutable here (filesystem or rights)");
    }
    Abilities { leases: true, xattrs: true, writes_back, immutable }
}

#[test]
fn the_temporary_directory_keeps_every_promise() {
    suite_in(&std::env::temp_dir(), &Linux::new());
}

#[test]
fn shared_memory_keeps_every_promise() {
    let place = Path::new("/dev/shm");
    if place.is_dir() {
        suite_in(place, &Linux::new());
    } else {
        eprintln!("SKIPPED: no tmpfs at /dev/shm");
    }
}

#[test]
fn a_kernel_without_openat2_keeps_every_promise() {
    let linux = Linux::new();
    linux.openat2_missing.store(true, Ordering::Relaxed);
    suite_in(&std::env::temp_dir(), &linux);
}

/// Kernels before 5.6 and 4.11, and containers that filter what they do not know.
#[test]
fn a_kernel_without_the_newer_calls_keeps_every_promise() {
    for calls in [&[Call::Openat2][..], &[Call::Statx], &[Call::Openat2, Call::Statx]] {
        without(calls, || suite_in(&std::env::temp_dir(), &Linux::new()));
    }
}

#[test]
fn a_machine_without_leases_says_so() {
    without(&[Call::Leases], || {
        let directory = tempfile::tempdir().unwrap();
        let linux = Linux::new();
        let base = linux.open_root(directory.path()).unwrap();
        run(&linux, &base, &Programs, Abilities { leases: false, ..abilities(&linux, &base) });
        let file = linux.create(&base, &Name::new(b"f").unwrap()).unwrap();
        assert_eq!(linux.probe(&file), Lease::Unsupported);
    });
}

#[test]
fn no_way_leads_onto_another_mount() {
    let linux = Linux::new();
    let root = linux.open_root(Path::new("/")).unwrap();
    let proc = RelPath::parse(b"proc").unwrap();
    let code = |result: std::io::Result<_>| result.err().unwrap().raw_os_error();
    assert_eq!(code(linux.open_dir(&root, &proc).map(drop)), Some(libc::EXDEV));
    assert_eq!(code(walk(&root, &proc).map(drop)), Some(libc::EXDEV));
    let name = Name::new(b"proc").unwrap();
    let (inside, outside) = (linux.stat(&root, &name).unwrap(), linux.stat_dir(&root).unwrap());
    assert_ne!(inside.mount, outside.mount, "a scan tells mount points by this");
}

#[test]
fn pipes_and_sockets_are_told_apart_and_not_opened() {
    let linux = Linux::new();
    let directory = tempfile::tempdir().unwrap();
    let base = linux.open_root(directory.path()).unwrap();
    let socket = Name::new(b"s").unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(directory.path().join("s")).unwrap();
    assert_eq!(linux.stat(&base, &socket).unwrap().kind, FileKind::Socket);
    assert!(linux.open_file(&base, &socket).is_err());
    let fifo = Name::new(b"p").unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(&base, fifo.as_bytes(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(linux.stat(&base, &fifo).unwrap().kind, FileKind::Fifo);
    let code = linux.open_file(&base, &fifo).err().unwrap().raw_os_error();
    assert_eq!(code, Some(libc::EINVAL));
}
