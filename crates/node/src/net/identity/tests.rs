//! The key file: made once, private, and refused when it is not what it should be.

use super::{verify, Identity, IdentityError, KEY_FILE};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_key_is_the_same_after_opening_and_its_file_is_private() {
    let home = tempfile::tempdir().unwrap();
    let made = Identity::create(home.path()).unwrap();
    let opened = Identity::open(home.path()).unwrap();
    assert_eq!(made.node_id(), opened.node_id());
    let mode = home.path().join(KEY_FILE).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_second_create_leaves_the_first_key_alone() {
    let home = tempfile::tempdir().unwrap();
    let first = Identity::create(home.path()).unwrap();
    assert!(matches!(Identity::create(home.path()), Err(IdentityError::Exists { .. })));
    assert_eq!(Identity::open(home.path()).unwrap().node_id(), first.node_id());
}

#[test]
fn a_signature_holds_for_its_signer_and_bytes_only() {
    let home = tempfile::tempdir().unwrap();
    let other_home = tempfile::tempdir().unwrap();
    let me = Identity::create(home.path()).unwrap();
    let other = Identity::create(other_home.path()).unwrap();
    let signature = me.sign(b"record");
    assert!(verify(&me.node_id(), b"record", &signature));
    assert!(!verify(&me.node_id(), b"recore", &signature));
    assert!(!verify(&other.node_id(), b"record", &signature));
}

#[test]
fn missing_open_to_others_and_damaged_keys_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(Identity::open(home.path()), Err(IdentityError::Missing { .. })));
    Identity::create(home.path()).unwrap();
    let path = home.path().join(KEY_FILE);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let error = Identity::open(home.path()).unwrap_err();
    assert!(matches!(error, IdentityError::Permissions { mode: 0o640, .. }), "{error}");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&path, b"not a key").unwrap();
    assert!(matches!(Identity::open(home.path()), Err(IdentityError::Corrupt { .. })));
}

/// `kill -9` in `join` once left half a key under its final name, and the next `join` called it
/// damaged: it was written there. Now no file gets that name before it is whole.
#[test]
fn a_key_that_cannot_be_written_whole_has_no_name() {
    let home = tempfile::tempdir().unwrap();
    let beside = home.path().join("identity.key.new");
    std::fs::create_dir(&beside).unwrap();
    assert!(matches!(Identity::create(home.path()), Err(IdentityError::Io { .. })));
    assert!(matches!(Identity::open(home.path()), Err(IdentityError::Missing { .. })));
    std::fs::remove_dir(&beside).unwrap();
    std::fs::write(&beside, b"half a k").unwrap();
    let made = Identity::create(home.path()).unwrap();
    assert_eq!(Identity::open(home.path()).unwrap().node_id(), made.node_id());
    assert!(!beside.exists());
}

/// The last step of a creation gives a second name and takes the first one: between the two, death
/// leaves both.
#[test]
fn a_key_with_two_names_survives_another_create() {
    let home = tempfile::tempdir().unwrap();
    let first = Identity::create(home.path()).unwrap();
    let beside = home.path().join("identity.key.new");
    std::fs::hard_link(home.path().join(KEY_FILE), beside).unwrap();
    assert!(matches!(Identity::create(home.path()), Err(IdentityError::Exists { .. })));
    assert_eq!(Identity::open(home.path()).unwrap().node_id(), first.node_id());
}
