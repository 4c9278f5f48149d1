//! Renames, and directories that come, go and change places.

use std::fs;

use rustix::fs::{renameat_with, RenameFlags, CWD};

use super::super::Touched;
use super::lab::{on_each_rung, skipped, Mount};

#[test]
fn a_renamed_file_is_hinted_at_both_names() {
    on_each_rung(|lab| {
        fs::create_dir(lab.root.join("d")).unwrap();
        fs::write(lab.root.join("a"), b"x").unwrap();
        lab.seen();
        fs::rename(lab.root.join("a"), lab.root.join("d/b")).unwrap();
        let seen = lab.seen();
        assert_eq!(seen.what("a"), Touched::MOVED_FROM);
        assert_eq!(seen.what("d/b"), Touched::MOVED_TO);
        assert!(seen.trees.is_empty());
    });
}

#[test]
fn a_save_by_an_editor_is_hinted_at_the_name_it_ends_at() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("page"), b"old").unwrap();
        lab.seen();
        fs::write(lab.root.join(".page.swp"), b"new").unwrap();
        fs::rename(lab.root.join(".page.swp"), lab.root.join("page")).unwrap();
        assert!(lab.seen().what("page").contains(Touched::MOVED_TO));
    });
}

#[test]
fn after_a_directory_was_renamed_its_contents_are_hinted_by_the_new_path() {
    on_each_rung(|lab| {
        fs::create_dir_all(lab.root.join("d/in")).unwrap();
        fs::create_dir(lab.root.join("e")).unwrap();
        fs::write(lab.root.join("d/in/f"), b"x").unwrap();
        lab.seen();
        fs::rename(lab.root.join("d"), lab.root.join("e/d2")).unwrap();
        let seen = lab.seen();
        assert!(seen.what("d").contains(Touched::MOVED_FROM | Touched::DIRECTORY));
        assert!(seen.what("e/d2").contains(Touched::MOVED_TO | Touched::DIRECTORY));
        assert!(seen.trees.contains(&b"e/d2"[..]));
        fs::write(lab.root.join("e/d2/in/f"), b"y").unwrap();
        lab.seen_closed(&[b"e/d2/in/f"]);
    });
}

#[test]
fn a_renamed_root_keeps_its_relative_paths() {
    on_each_rung(|lab| {
        fs::create_dir(lab.root.join("d")).unwrap();
        lab.seen();
        let moved = lab.base.join("tree2");
        fs::rename(&lab.root, &moved).unwrap();
        fs::create_dir(moved.join("new")).unwrap();
        fs::write(moved.join("d/f"), b"x").unwrap();
        let seen = lab.seen_closed(&[b"d/f"]);
        assert!(seen.what("new").contains(Touched::CREATED));
    });
}

#[test]
fn a_directory_moved_in_is_hinted_as_a_tree_and_watched_from_then_on() {
    on_each_rung(|lab| {
        let outside = lab.base.join("made-elsewhere");
        fs::create_dir_all(outside.join("deep/er")).unwrap();
        fs::write(outside.join("deep/er/f"), b"x").unwrap();
        lab.seen();
        fs::rename(&outside, lab.root.join("in")).unwrap();
        let seen = lab.seen();
        assert!(seen.what("in").contains(Touched::MOVED_TO));
        assert!(seen.covers("in/deep/er/f"));
        fs::write(lab.root.join("in/deep/er/f"), b"y").unwrap();
        lab.seen_closed(&[b"in/deep/er/f"]);
    });
}

#[test]
fn a_directory_moved_out_is_not_watched_any_more() {
    on_each_rung(|lab| {
        fs::create_dir_all(lab.root.join("d/e")).unwrap();
        fs::write(lab.root.join("d/e/f"), b"x").unwrap();
        lab.seen();
        fs::rename(lab.root.join("d"), lab.base.join("out")).unwrap();
        assert!(lab.seen().what("d").contains(Touched::MOVED_FROM));
        fs::write(lab.base.join("out/e/f"), b"y").unwrap();
        assert!(lab.seen().names.is_empty());
    });
}

#[test]
fn exchanged_files_are_hinted_at_both_names() {
    on_each_rung(|lab| {
        fs::write(lab.root.join("a"), b"1").unwrap();
        fs::write(lab.root.join("b"), b"2").unwrap();
        lab.seen();
        let (a, b) = (lab.root.join("a"), lab.root.join("b"));
        renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
        let seen = lab.seen();
        assert!(seen.what("a").contains(Touched::MOVED_TO));
        assert!(seen.what("b").contains(Touched::MOVED_TO));
    });
}

#[test]
fn exchanged_directories_are_both_watched_at_their_new_places() {
    on_each_rung(|lab| {
        fs::create_dir_all(lab.root.join("a/of-a")).unwrap();
        fs::create_dir_all(lab.root.join("b/of-b")).unwrap();
        lab.seen();
        let (a, b) = (lab.root.join("a"), lab.root.join("b"));
        renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
        let seen = lab.seen();
        assert!(seen.trees.contains(&b"a"[..]) && seen.trees.contains(&b"b"[..]));
        fs::write(lab.root.join("a/of-b/f"), b"x").unwrap();
        fs::write(lab.root.join("b/of-a/f"), b"x").unwrap();
        let seen = lab.seen_closed(&[b"a/of-b/f", b"b/of-a/f"]);
        assert_eq!(seen.names.len(), 2, "{seen:?}");
    });
}

#[test]
fn a_name_that_is_removed_and_made_again_before_we_look_is_still_watched() {
    on_each_rung(|lab| {
        fs::create_dir_all(lab.root.join("d/e")).unwrap();
        lab.seen();
        fs::remove_dir_all(lab.root.join("d")).unwrap();
        fs::create_dir_all(lab.root.join("d/e")).unwrap();
        lab.seen();
        fs::write(lab.root.join("d/e/f"), b"x").unwrap();
        lab.seen_closed(&[b"d/e/f"]);
    });
}

#[test]
fn another_filesystem_mounted_inside_the_tree_gives_no_hints() {
    if !rustix::process::geteuid().is_root() {
        skipped("both rungs: a mount inside the tree needs root");
        return;
    }
    on_each_rung(|lab| {
        fs::create_dir(lab.root.join("mnt")).unwrap();
        let mount = Mount::tmpfs(&lab.root.join("mnt"));
        fs::create_dir(lab.root.join("beside")).unwrap();
        lab.seen();
        fs::create_dir(lab.root.join("mnt/x")).unwrap();
        fs::write(lab.root.join("mnt/x/f"), b"x").unwrap();
        let seen = lab.seen();
        assert!(seen.names.is_empty() && seen.trees.is_empty(), "{seen:?}");
        drop(mount);
    });
}
