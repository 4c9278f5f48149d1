//! Real changes on a real filesystem, on both rungs; a cookie after each change is the barrier, so
//! nothing sleeps. As root on a tmpfs of its own; fanotify is skipped, and says so, without root.

pub(super) mod lab;
mod limits;
mod moves;
mod speed;

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use engine::path::Name;
use lab::{on_each_rung, Lab, Seen};

use crate::fs::Fs;
use crate::linux::Linux;

use super::{Options, Rung, Touched, Wake, WatchError, Watcher};

#[test]
fn a_written_file_is_hinted_as_created_and_closed() {
    on_each_rung(|lab| {
        fs::create_dir(lab.root.join("sub")).unwrap();
        lab.seen();
        fs::write(lab.root.join("sub/a"), b"hello").unwrap();
        let seen = lab.seen_closed(&[b"sub/a"]);
        assert!(seen.what("sub/a").contains(Touched::CREATED), "{seen:?}");
    });
}

#[test]
fn a_file_still_open_after_its_creation_is_marked_as_maybe_open() {
    on_each_rung(|lab| {
        let file = fs::File::create(lab.root.join("a")).unwrap();
        assert!(lab.seen().what("a").contains(Touched::CREATED | Touched::MAYBE_OPEN));
        drop(file);
        lab.seen_closed(&[b"a"]);
    });
}

#[test]
fn an_append_is_hinted_for_the_name_that_was_used() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("a"), b"x").unwrap();
        fs::hard_link(lab.root.join("a"), lab.root.join("other")).unwrap();
        assert!(lab.seen().what("other").contains(Touched::CREATED));
        let mut file = fs::OpenOptions::new().append(true).open(lab.root.join("other")).unwrap();
        std::io::Write::write_all(&mut file, b"y").unwrap();
        drop(file);
        lab.seen_closed(&[b"other"]);
    });
}

#[test]
fn a_change_through_a_name_that_is_gone_tells_which_file_it_was() {
    on_each_rung(|lab| {
        let (first, second) = (lab.root.join("a"), lab.root.join("b"));
        fs::write(&first, b"x").unwrap();
        lab.seen_closed(&[b"a"]);
        fs::hard_link(&first, &second).unwrap();
        fs::set_permissions(&second, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&second).unwrap();
        let seen = lab.seen();
        assert!(seen.what("b").contains(Touched::DELETED), "{seen:?}");
        let linux = Linux::new();
        let root = linux.open_root(&lab.root).unwrap();
        let file = linux.stat(&root, &Name::new(b"a").unwrap()).unwrap().handle;
        // Inotify tells no files, only names.
        let told = (lab.watcher.rung() == Rung::FanotifyFilesystem).then_some(&file);
        assert_eq!(seen.inodes.get(&b"b"[..]), told);
    });
}

#[test]
fn deletes_of_a_file_and_of_a_tree_are_hinted() {
    on_each_rung(|lab| {
        fs::create_dir_all(lab.root.join("d/e")).unwrap();
        fs::write(lab.root.join("d/e/f"), b"x").unwrap();
        fs::write(lab.root.join("d/g"), b"x").unwrap();
        lab.seen();
        fs::remove_file(lab.root.join("d/g")).unwrap();
        assert!(lab.seen().what("d/g").contains(Touched::DELETED));
        fs::remove_dir_all(lab.root.join("d")).unwrap();
        assert!(lab.seen().what("d").contains(Touched::DELETED | Touched::DIRECTORY));
    });
}

#[test]
fn attributes_of_files_directories_and_the_root_are_hinted() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("f"), b"x").unwrap();
        fs::create_dir(lab.root.join("d")).unwrap();
        lab.seen();
        let mode = std::os::unix::fs::PermissionsExt::from_mode;
        fs::set_permissions(lab.root.join("f"), mode(0o600)).unwrap();
        assert_eq!(lab.seen().what("f"), Touched::ATTRIBUTES);
        fs::set_permissions(lab.root.join("d"), mode(0o700)).unwrap();
        let seen = lab.seen();
        assert_eq!(seen.what("d"), Touched::ATTRIBUTES | Touched::DIRECTORY);
        fs::set_permissions(&lab.root, mode(0o711)).unwrap();
        assert_eq!(lab.seen().root, Touched::ATTRIBUTES | Touched::DIRECTORY);
        let flags = rustix::fs::XattrFlags::empty();
        // The user namespace of xattrs came to tmpfs in Linux 6.6; then there is nothing to hint.
        if rustix::fs::setxattr(lab.root.join("f"), "user.k", b"v", flags).is_ok() {
            assert_eq!(lab.seen().what("f"), Touched::ATTRIBUTES);
        }
    });
}

#[test]
fn symlinks_are_hinted_by_their_own_name_only() {
    on_each_rung(|lab| {
        std::os::unix::fs::symlink("nowhere", lab.root.join("s")).unwrap();
        let seen = lab.seen();
        assert!(seen.what("s").contains(Touched::CREATED));
        assert_eq!(seen.names.len(), 1);
    });
}

#[test]
fn a_store_through_a_mapping_is_hinted_when_it_is_unmapped() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("m"), [0u8; 4096]).unwrap();
        lab.seen();
        lab::store_by_mapping(&lab.root.join("m"));
        lab.seen_closed(&[b"m"]);
        assert_eq!(fs::read(lab.root.join("m")).unwrap()[0], b'Z');
    });
}

#[test]
fn names_that_are_no_text_come_through_byte_for_byte() {
    on_each_rung(|lab| {
        for bytes in [&b"\xff\xfe \x80"[..], b"two\nlines", b"gone (deleted)", &[b'n'; 255]] {
            let name = Path::new(std::ffi::OsStr::from_bytes(bytes));
            fs::create_dir(lab.root.join(name)).unwrap();
            lab.seen();
            fs::write(lab.root.join(name).join(name), b"x").unwrap();
            lab.seen_closed(&[&[bytes, b"/", bytes].concat()]);
        }
    });
}

#[test]
fn what_happens_elsewhere_on_the_filesystem_gives_no_hint() {
    on_each_rung(|lab| {
        let beside = lab.base.join("tree-but-not-ours");
        fs::create_dir_all(beside.join("deep")).unwrap();
        fs::write(beside.join("deep/f"), b"x").unwrap();
        fs::rename(beside.join("deep"), beside.join("deeper")).unwrap();
        fs::remove_dir_all(&beside).unwrap();
        assert_eq!(lab.seen(), Seen::default());
    });
}

#[test]
fn our_own_changes_give_no_hints_but_our_cookies_do() {
    let Some(mut lab) = Lab::open(Rung::FanotifyFilesystem, Options::default()) else { return };
    assert!(lab.watcher.drops_own());
    fs::create_dir(lab.root.join("d")).unwrap();
    fs::write(lab.root.join("d/f"), b"x").unwrap();
    fs::rename(lab.root.join("d"), lab.root.join("e")).unwrap();
    assert_eq!(lab.seen(), Seen::default());
    assert!(lab::by_another_process(&lab.root, "echo x > e/g"));
    lab.seen_closed(&[b"e/g"]);
}

#[test]
fn a_directory_that_we_renamed_ourselves_is_not_remembered_by_its_old_name() {
    let Some(mut lab) = Lab::open(Rung::FanotifyFilesystem, Options::default()) else { return };
    fs::create_dir(lab.root.join("d")).unwrap();
    assert!(lab::by_another_process(&lab.root, "echo x > d/f"));
    lab.seen_closed(&[b"d/f"]);
    fs::rename(lab.root.join("d"), lab.root.join("e")).unwrap();
    assert!(lab::by_another_process(&lab.root, "echo x > e/f"));
    let seen = lab.seen_closed(&[b"e/f"]);
    assert!(!seen.names.contains_key(&b"d/f"[..]));
}

#[test]
fn only_cookies_of_the_cookie_directory_count() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("cookie-7"), b"").unwrap();
        fs::write(lab.state.join("cookie-"), b"").unwrap();
        fs::write(lab.state.join("cookie-1x"), b"").unwrap();
        fs::write(lab.state.join("cookie-99999999999999999999999"), b"").unwrap();
        let seen = lab.seen();
        assert_eq!(seen.names.len(), 1);
        assert!(seen.what("cookie-7").contains(Touched::CREATED));
    });
}

#[test]
fn the_stopper_ends_a_wait_from_another_thread_for_good() {
    on_each_rung(|lab| {
        let stopper = lab.watcher.stopper();
        let thread = std::thread::spawn(move || stopper.stop());
        let mut hints = Vec::new();
        assert_eq!(lab.watcher.next(&mut hints, None).unwrap(), Wake::Stopped);
        thread.join().unwrap();
        assert_eq!(lab.watcher.next(&mut hints, Some(Duration::ZERO)).unwrap(), Wake::Stopped);
    });
}

#[test]
fn a_quiet_tree_gives_a_timeout_and_a_scan_only_watcher_nothing_else() {
    on_each_rung(|lab| {
        let mut hints = Vec::new();
        assert_eq!(lab.watcher.next(&mut hints, Some(Duration::ZERO)).unwrap(), Wake::Timeout);
    });
    let dir = tempfile::tempdir().unwrap();
    let options = Options { rung: Some(Rung::ScanOnly), ..Options::default() };
    let fd = fs::File::open(dir.path()).unwrap();
    let mut watcher = Watcher::open(fd.as_fd(), dir.path(), options).unwrap();
    fs::write(dir.path().join("a"), b"x").unwrap();
    let mut hints = Vec::new();
    assert_eq!(watcher.next(&mut hints, Some(Duration::ZERO)).unwrap(), Wake::Timeout);
    assert!(hints.is_empty());
    assert!(watcher.watch_cookies(fd.as_fd()).is_err(), "no queue, no barrier");
}

#[test]
fn a_filesystem_that_cannot_be_marked_is_refused_with_the_reason() {
    let fd = fs::File::open("/proc/self/task").unwrap();
    let options = Options { rung: Some(Rung::FanotifyFilesystem), ..Options::default() };
    let opened = Watcher::open(fd.as_fd(), Path::new("/proc/self/task"), options);
    let Err(WatchError::Forced { rung, reason, .. }) = opened else { panic!("proc was marked") };
    assert_eq!(rung, Rung::FanotifyFilesystem);
    assert!(reason.contains("was refused") || reason.contains("handle"), "{reason}");
}

#[test]
fn without_the_better_rung_the_next_is_taken_and_says_why() {
    let fd = fs::File::open("/proc/self/attr").unwrap();
    let opened = Watcher::open(fd.as_fd(), Path::new("/proc/self/attr"), Options::default());
    let watcher = opened.unwrap();
    assert_eq!(watcher.rung(), Rung::Inotify);
    assert_eq!(watcher.refusals()[0].rung, Rung::FanotifyFilesystem);
}

#[test]
fn cookies_on_another_filesystem_are_refused_by_fanotify() {
    let options = Options { keep_own: true, ..Options::default() };
    let Some(mut lab) = Lab::open(Rung::FanotifyFilesystem, options) else { return };
    let elsewhere = fs::File::open("/proc/self").unwrap();
    let refused = lab.watcher.watch_cookies(elsewhere.as_fd()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EXDEV));
}
