//! Which place is chosen, on real directories.

use super::{choose, Choice, StateDir, Wanted};
use crate::linux::Linux;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn try_choose(root: &Path, home: &Path, served: &[PathBuf]) -> StateDir {
    let fs = Linux::new();
    let dir = fs.open_root(root).unwrap();
    choose(&fs, &dir, &Wanted { root, home, served, folder: [7; 16] }).unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs with a filesystem of its own mounted, or says that it may not.
fn on_mount(run: impl FnOnce(&Path)) {
    let top = tempfile::tempdir().unwrap();
    let mount = |program: &str, args: &[&str]| {
        let done = std::process::Command::new(program).args(args).arg(top.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !is_root() || !mount("mount", &["-t", "tmpfs", "none"]) {
        eprintln!("skipped: may not mount");
        return;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(top.path())));
    assert!(mount("umount", &["-l"]));
    result.unwrap();
}

#[test]
fn the_home_is_best_and_private_and_found_again() {
    let place = tempfile::tempdir().unwrap();
    let (root, home) = (place.path().join("www"), place.path().join("home"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&home).unwrap();
    let first = try_choose(&root, &home, std::slice::from_ref(&root));
    assert_eq!(first.choice, Choice::Home);
    assert_eq!(first.path, home.join("folders").join("07".repeat(16)));
    assert_eq!(std::fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&first.path).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    assert_eq!(try_choose(&root, &home, std::slice::from_ref(&root)).path, first.path);
}

/// Every start of the daemon removed a user's file `.syncline-probe`, and changed the time of the
/// folder's root, on all nodes.
#[test]
fn a_start_leaves_the_root_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let (root, home) = (place.path().join("www"), place.path().join("home"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&home).unwrap();
    std::fs::write(root.join(".syncline-probe"), b"mine").unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 5);
    std::fs::File::open(&root).unwrap().set_modified(then).unwrap();
    for _ in 0..2 {
        try_choose(&root, &home, std::slice::from_ref(&root));
        assert_eq!(std::fs::read(root.join(".syncline-probe")).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
        assert_eq!(std::fs::metadata(&root).unwrap().modified().unwrap(), then);
    }
}

#[test]
fn on_another_mount_its_top_is_chosen_and_the_home_left_clean() {
    on_mount(|top| {
        let home = tempfile::tempdir().unwrap();
        let root = top.join("a/www");
        std::fs::create_dir_all(&root).unwrap();
        let found = try_choose(&root, home.path(), std::slice::from_ref(&root));
        assert_eq!(
            (found.choice, found.path.starts_with(top.join(".syncline"))),
            (Choice::MountTop, true)
        );
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_served_top_is_not_used_and_a_mounted_root_keeps_its_state_inside() {
    on_mount(|top| {
        let home = tempfile::tempdir().unwrap();
        let found = try_choose(top, home.path(), &[top.to_owned()]);
        assert_eq!(found.choice, Choice::Inside);
        assert_eq!(found.path.parent().unwrap(), top.join(".syncline"));
    });
}

#[test]
fn a_directory_that_others_may_write_is_not_trusted() {
    on_mount(|top| {
        let home = tempfile::tempdir().unwrap();
        let root = top.join("a/www");
        std::fs::create_dir_all(&root).unwrap();
        let trap = top.join(".syncline");
        std::fs::create_dir(&trap).unwrap();
        std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o777)).unwrap();
        let found = try_choose(&root, home.path(), std::slice::from_ref(&root));
        assert_eq!(found.choice, Choice::Beside);
        assert_eq!(std::fs::read_dir(&trap).unwrap().count(), 0);
    });
}
