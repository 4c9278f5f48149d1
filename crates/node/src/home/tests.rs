//! The home is private, has one daemon, and replaces files whole.

use super::{locate, Home, HomeError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_new_home_is_private_and_an_open_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let home = Home::create(&path).unwrap();
    let mode = std::fs::metadata(home.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(Home::create(&path).is_ok(), "an empty directory is made private");
    std::fs::write(path.join("lock"), b"").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(matches!(Home::open(&path), Err(HomeError::Permissions { mode: 0o755, .. })));
}

#[test]
fn a_second_daemon_is_told_who_has_the_home() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let first = home.lock().unwrap();
    let second = home.lock().unwrap_err().to_string();
    assert!(second.contains(&std::process::id().to_string()), "{second}");
    drop(first);
    home.lock().unwrap();
}

#[test]
fn cluster_facts_are_absent_then_what_was_written_last() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    assert_eq!(home.read_cluster_map().unwrap(), None);
    home.write_cluster_map(b"one, long").unwrap();
    home.write_cluster_map(b"two").unwrap();
    assert_eq!(home.read_cluster_map().unwrap().unwrap(), b"two");
    assert!(!home.has_identity());
}

#[test]
fn an_argument_wins_and_becomes_absolute() {
    assert_eq!(locate(Some(Path::new("/x/y"))).unwrap(), Path::new("/x/y"));
    assert!(locate(Some(Path::new("y"))).unwrap().is_absolute());
}

#[test]
fn a_home_keeps_its_token_and_no_two_have_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let home = |name| Home::create(&dir.path().join(name)).unwrap();
    let token = home("a").token().unwrap();
    assert_eq!(home("a").token().unwrap(), token);
    assert_ne!(home("b").token().unwrap(), token);
    std::fs::write(dir.path().join("a/home.token"), b"short").unwrap();
    assert!(home("a").token().is_err());
}

#[test]
fn a_home_that_is_deleted_or_replaced_under_its_lock_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::create(&place.path().join("home")).unwrap();
    let lock = home.lock().unwrap();
    lock.check().unwrap();
    std::fs::remove_dir_all(home.path()).unwrap();
    assert!(matches!(lock.check(), Err(HomeError::Gone { .. })));
    let other = Home::create(home.path()).unwrap();
    other.lock().unwrap().check().unwrap();
    assert!(matches!(lock.check(), Err(HomeError::Gone { .. })));
}
