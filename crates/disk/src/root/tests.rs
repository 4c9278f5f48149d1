//! Each way in which a root can be wrong, on real directories.

use super::mark::{self, Mark, Place, MARK_XATTR};
use super::{check_overlap, check_unowned, linux_door, Identity, Root, RootError, RootState};
use crate::fs::{Fs, On};
use crate::linux::Linux;
use crate::scan::tests::lab::{record, Lab};
use engine::index::{Index, Volatile, ROOT_SLOT};
use engine::path::RelPath;
use std::path::{Path, PathBuf};

const MARK: Mark = Mark { folder: [1; 16], node: [2; 32], home: [3; 16] };

struct Place1 {
    lab: Lab<Linux>,
    home: tempfile::TempDir,
    path: PathBuf,
    rebooted: bool,
}

impl Place1 {
    /// A claimed root with twenty files, all in D.
    fn new() -> (Place1, Root<Linux>) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("www");
        std::fs::create_dir(&path).unwrap();
        for n in 0..20 {
            std::fs::write(path.join(format!("{n}")), b"x").unwrap();
        }
        let root = Root::claim(&Linux::new(), &path, linux_door(&path), MARK, false).unwrap();
        let mut lab = Lab::new(Linux::new(), root.dir().clone());
        let (reports, _) = lab.scan_trees(&[RelPath::root()]);
        let looks = reports.into_iter().flat_map(|report| report.batch.looks);
        looks.for_each(|look| record(&mut lab.index, &look));
        (Place1 { lab, home, path, rebooted: false }, root)
    }

    fn open(&self, identity: &Identity) -> Result<Root<Linux>, RootError> {
        let door = linux_door(&self.path);
        Root::open(&self.lab.fs, &self.path, door, MARK, identity, &self.lab.index, self.rebooted)
    }

    /// A look at the path alone sees the same, but for what is missing inside.
    fn check(&self, root: &Root<Linux>) -> RootState {
        let (state, quick) =
            (root.check(&self.lab.fs, &self.lab.index).unwrap(), root.look(&self.lab.fs));
        let expected = if state == RootState::Emptied { RootState::Good } else { state.clone() };
        assert_eq!(quick, expected);
        state
    }

    fn empty(&self) {
        for n in 0..20 {
            std::fs::remove_file(self.path.join(format!("{n}"))).unwrap();
        }
    }
}

fn state(result: Result<Root<Linux>, RootError>) -> RootState {
    match result {
        Err(RootError::NotGood { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

fn claim(path: &Path, mark: Mark) -> Result<Root<Linux>, RootError> {
    Root::claim(&Linux::new(), path, linux_door(path), mark, false)
}

#[test]
fn a_root_that_is_as_it_was_is_good_and_opens_again() {
    let (place, root) = Place1::new();
    assert_eq!(place.check(&root), RootState::Good);
    let again = place.open(&root.identity()).unwrap();
    assert!(!again.remarked);
    assert_eq!(again.identity(), root.identity());
    claim(&place.path, MARK).unwrap();
}

#[test]
fn missing_is_not_empty() {
    let (place, root) = Place1::new();
    std::fs::rename(&place.path, place.home.path().join("away")).unwrap();
    assert_eq!(place.check(&root), RootState::Missing);
    assert_eq!(state(place.open(&root.identity())), RootState::Missing);
}

#[test]
fn an_emptied_root_stops_and_a_few_deletions_do_not() {
    let (place, root) = Place1::new();
    std::fs::remove_file(place.path.join("0")).unwrap();
    assert_eq!(place.check(&root), RootState::Good);
    std::fs::write(place.path.join("0"), b"").unwrap();
    place.empty();
    assert_eq!(place.check(&root), RootState::Emptied);
    assert_eq!(state(place.open(&root.identity())), RootState::Emptied);
    std::fs::write(place.path.join("new"), b"somebody works here").unwrap();
    assert_eq!(place.check(&root), RootState::Good);
}

// Story (simulator, --power, seed 100): the power went before the first sync of a new folder, and
// took all that was in it. The folder did not start again, though peers had everything.
#[test]
fn a_root_in_which_nothing_was_durable_yet_opens_empty() {
    let (mut place, root) = Place1::new();
    let rows = place.lab.index.seen_children(ROOT_SLOT, None, 100);
    for mut row in rows.clone() {
        row.volatile = Some(Volatile { epoch: 1, previous: None });
        place.lab.index.put_seen(&row);
    }
    place.empty();
    assert_eq!(place.check(&root), RootState::Emptied, "nothing was lost while the folder is open");
    assert_eq!(state(place.open(&root.identity())), RootState::Emptied, "nor without a reboot");
    place.rebooted = true;
    let root = place.open(&root.identity()).unwrap();
    assert_eq!(place.check(&root), RootState::Good);
    place.lab.index.put_seen(&rows[0]);
    assert_eq!(place.check(&root), RootState::Emptied, "one was durable");
}

#[test]
fn another_directory_at_the_path_is_replaced_even_with_a_copied_mark() {
    let (place, root) = Place1::new();
    std::fs::rename(&place.path, place.home.path().join("away")).unwrap();
    std::fs::create_dir(&place.path).unwrap();
    std::fs::write(place.path.join("0"), b"x").unwrap();
    assert_eq!(place.check(&root), RootState::Replaced);
    assert_eq!(state(place.open(&root.identity())), RootState::Replaced);
    let fs = &place.lab.fs;
    mark::write(fs, &fs.open_root(&place.path).unwrap(), &MARK).unwrap();
    assert_eq!(place.check(&root), RootState::Replaced);
}

#[test]
fn a_lost_mark_is_made_again_only_where_nearly_everything_is_there() {
    let (place, root) = Place1::new();
    let lose = || mark::clear(&place.lab.fs, root.dir()).unwrap();
    lose();
    assert!(matches!(place.check(&root), RootState::Foreign { .. }));
    let again = place.open(&root.identity()).unwrap();
    assert!(again.remarked);
    assert_eq!(place.check(&root), RootState::Good);
    lose();
    std::fs::remove_file(place.path.join("0")).unwrap();
    assert!(place.open(&root.identity()).unwrap().remarked, "19 of 20 are there");
    lose();
    std::fs::remove_file(place.path.join("1")).unwrap();
    assert_eq!(state(place.open(&root.identity())), RootState::Replaced);
}

#[test]
fn a_lost_mark_on_another_filesystem_is_not_made_again() {
    let (place, root) = Place1::new();
    mark::clear(&place.lab.fs, root.dir()).unwrap();
    let mut identity = root.identity();
    identity.volume[0] ^= 1;
    assert_eq!(state(place.open(&identity)), RootState::Replaced);
}

#[test]
fn anothers_mark_is_refused_and_named() {
    let (place, root) = Place1::new();
    let other_home = Mark { home: [9; 16], ..MARK };
    let error = claim(&place.path, other_home).unwrap_err();
    assert!(error.to_string().contains("another home of this node"), "{error}");
    let error = check_unowned(&place.lab.fs, &place.path, &linux_door(&place.path)).unwrap_err();
    assert!(error.to_string().contains("of node 02020202"), "{error}");
    let fresh = tempfile::tempdir().unwrap();
    check_unowned(&place.lab.fs, fresh.path(), &linux_door(fresh.path())).unwrap();
    let other_node = Mark { node: [9; 32], ..MARK };
    let error = claim(&place.path, other_node).unwrap_err();
    assert!(error.to_string().contains("of node 02020202"), "{error}");
    mark::write(&place.lab.fs, root.dir(), &other_node).unwrap();
    assert!(matches!(place.check(&root), RootState::Foreign { .. }));
    let door = linux_door(&place.path);
    Root::claim(&place.lab.fs, &place.path, door, MARK, true).unwrap();
    assert_eq!(place.check(&root), RootState::Good);
}

#[test]
fn a_mark_that_cannot_be_read_is_somebodys() {
    let (place, root) = Place1::new();
    place.lab.fs.set_xattr(On::Dir(root.dir()), MARK_XATTR, b"2 of a newer program").unwrap();
    assert!(matches!(claim(&place.path, MARK), Err(RootError::Io { .. })));
    assert!(matches!(place.check(&root), RootState::Foreign { .. }));
}

#[test]
fn bad_paths_are_refused_by_what_is_wrong_with_them() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing");
    assert!(matches!(claim(&missing, MARK), Err(RootError::Missing { .. })));
    let file = home.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(claim(&file, MARK), Err(RootError::NotDirectory { .. })));
    // "There is no such directory; create it first" was said of it.
    let proc = Path::new("/proc");
    if rustix::process::geteuid().is_root() && proc.is_dir() {
        assert!(matches!(claim(proc, MARK), Err(RootError::TakesNoFiles { .. })));
    }
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    assert!(matches!(claim(home.path(), MARK), Err(RootError::NoAccess { .. })));
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// Adding a folder removed a user's file `.syncline-probe`; removing it, one called
/// `.syncline-folder`.
#[test]
fn a_users_file_at_a_name_of_ours_outlives_adding_and_removing_the_folder() {
    let (place, root) = Place1::new();
    let own = |name: &str| place.path.join(name);
    std::fs::write(own(".syncline-probe"), b"mine").unwrap();
    claim(&place.path, MARK).unwrap();
    if root.place() == Place::Xattr {
        std::fs::write(own(".syncline-folder"), b"mine").unwrap();
    }
    mark::clear(&place.lab.fs, root.dir()).unwrap();
    assert_eq!(std::fs::read(own(".syncline-probe")).unwrap(), b"mine");
    assert_eq!(own(".syncline-folder").exists(), root.place() == Place::Xattr);
}

#[test]
fn folders_do_not_overlap() {
    let served = [PathBuf::from("/srv/www")];
    let check = |path: &str| check_overlap(Path::new(path), &served);
    assert!(check("/srv/www-2").is_ok());
    for path in ["/srv/www", "/srv", "/srv/www/a"] {
        assert!(matches!(check(path), Err(RootError::Overlaps { .. })), "{path}");
    }
}

#[test]
fn the_mark_is_no_file_where_attributes_work() {
    let (place, root) = Place1::new();
    if root.place() == Place::File {
        eprintln!("skipped: {} keeps no attributes", place.home.path().display());
        return;
    }
    assert_eq!(std::fs::read_dir(&place.path).unwrap().count(), 20);
    assert!(place.lab.fs.xattrs(On::Dir(root.dir())).unwrap().is_empty());
}

/// Story (simulator, EIO when a root is claimed): what tells whether files can be made there was
/// made, could not be removed, and stayed in the user's directory for ever.
#[test]
fn what_an_earlier_claim_could_not_remove_goes_with_the_next() {
    let home = tempfile::tempdir().unwrap();
    let probe = home.path().join(".syncline-probe-0123456789abcdef");
    let users = home.path().join(".syncline-probe-fedcba9876543210");
    std::fs::write(&probe, b"").unwrap();
    std::fs::write(&users, b"mine").unwrap();
    claim(home.path(), MARK).unwrap();
    assert!(!probe.exists());
    assert_eq!(std::fs::read(&users).unwrap(), b"mine");
}
