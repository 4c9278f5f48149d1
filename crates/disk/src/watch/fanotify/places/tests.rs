//! Paths from handles, on the temporary directory's own filesystem.

use std::fs;

use crate::watch::tests::lab::skipped;

use super::{beneath, sys, AsFd, OwnedFd, Places, RelPath, Where, REMEMBERED_MAX};

fn places(dir: &std::path::Path) -> Option<Places> {
    let opened = Places::open(OwnedFd::from(fs::File::open(dir).unwrap()));
    if !rustix::process::geteuid().is_root() {
        skipped("fanotify: open_by_handle_at needs root");
        assert!(opened.is_err_and(|reason| reason.contains("handle")));
        return None;
    }
    Some(opened.unwrap())
}

fn handle(dir: &std::path::Path) -> Box<[u8]> {
    sys::handle_of(fs::File::open(dir).unwrap().as_fd()).unwrap()
}

#[test]
fn a_path_is_beneath_only_when_the_root_ends_at_a_slash() {
    let inside = |path: &str| RelPath::parse(path.as_bytes()).unwrap();
    assert_eq!(beneath(b"/srv/a", b"/srv/a/b/c"), Some(inside("b/c")));
    assert_eq!(beneath(b"/srv/a", b"/srv/a"), Some(RelPath::root()));
    assert_eq!(beneath(b"/srv/a", b"/srv/ab"), None);
    assert_eq!(beneath(b"/srv/a", b"/srv"), None);
    assert_eq!(beneath(b"/", b"/srv"), Some(inside("srv")));
    assert_eq!(beneath(b"/", b"/"), Some(RelPath::root()));
}

#[test]
fn a_directory_outside_costs_one_look_up_however_often_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("root/in")).unwrap();
    let Some(mut places) = places(&dir.path().join("root")) else { return };
    let (outside, inside) = (handle(dir.path()), handle(&dir.path().join("root/in")));
    let before = places.look_ups();
    for _ in 0..1000 {
        assert_eq!(places.find(&outside), Ok(Where::Outside));
        assert!(matches!(places.find(&inside), Ok(Where::Inside(_))));
    }
    assert_eq!(places.look_ups(), before + 2);
}

#[test]
fn a_removed_directory_is_nowhere_even_while_somebody_holds_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut places) = places(dir.path()) else { return };
    let child = dir.path().join("child");
    fs::create_dir(&child).unwrap();
    let held = fs::File::open(&child).unwrap();
    let handle = handle(&child);
    fs::remove_dir(&child).unwrap();
    assert_eq!(places.find(&handle), Ok(Where::Outside));
    drop(held);
}

#[test]
fn memory_is_bounded_and_what_is_in_use_stays_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut places) = places(dir.path()) else { return };
    let often = dir.path().join("often");
    fs::create_dir(&often).unwrap();
    let often = handle(&often);
    places.find(&often).unwrap();
    let before = places.look_ups();
    for n in 0..3 * REMEMBERED_MAX {
        places.remember(&n.to_ne_bytes(), Where::Outside);
        if n % 100 == 0 {
            places.find(&often).unwrap();
            assert!(places.young.len() + places.old.len() <= 2 * REMEMBERED_MAX);
        }
    }
    assert_eq!(places.look_ups(), before);
}
