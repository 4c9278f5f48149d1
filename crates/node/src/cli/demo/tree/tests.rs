//! Every kind of difference is seen, and a tree is like itself.

use super::{differences, read};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn make(root: &Path) {
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d/f"), b"x").unwrap();
    std::os::unix::fs::symlink("d/f", root.join("l")).unwrap();
    make_time(root);
}

fn make_time(root: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(9);
    for name in ["d/f", "d"] {
        fs::File::open(root.join(name)).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn content_mode_time_and_absence_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    make(&a);
    make(&b);
    let whats = |a: &Path, b: &Path| -> Vec<String> {
        let found = differences(&read(a).unwrap(), &read(b).unwrap());
        // Links cannot be given a time by the standard library: the two may differ, or not.
        let found = found.into_iter().filter(|(path, _)| path != Path::new("l"));
        found.map(|(path, what)| format!("{} {what}", path.display())).collect()
    };
    assert_eq!(whats(&a, &b), [""; 0]);
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(10);
    fs::File::open(b.join("d")).unwrap().set_modified(later).unwrap();
    assert_eq!(whats(&a, &b), ["d time"]);
    make_time(&b);
    fs::set_permissions(b.join("d/f"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(whats(&a, &b), ["d/f mode"]);
    fs::write(b.join("d/f"), b"y").unwrap();
    assert_eq!(whats(&a, &b), ["d/f content"]);
    fs::remove_file(b.join("d/f")).unwrap();
    assert!(whats(&a, &b).contains(&"d/f missing".to_owned()));
}
