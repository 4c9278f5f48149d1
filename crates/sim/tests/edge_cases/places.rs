//! Moves, names that two things want, and directories that go while we are at work in them.

use crate::story::{self, Story};
use disk::fs::FileKind;
use sim::checkers;
use sim::disk::model::Model;
use std::collections::BTreeSet;

/// Case 9. Two directories are moved into each other: the later move is undone (with a suffix:
/// docs/decisions/0004), nothing is lost.
#[test]
fn case_09_directories_moved_into_each_other_stay_in_the_tree() {
    let mut story = Story::of(2);
    for dir in ["a", "b"] {
        story.make_dir(0, dir);
        story.write(0, &format!("{dir}/of {dir}"), dir);
    }
    story.rest();
    story.apart(&[&|model, root| story::rename(model, root, "a", "b/a"), &|model, root| {
        story::rename(model, root, "b", "a/b")
    }]);
    story.came_by("a circle of directories is opened");
    let shown = [
        ("b~72e2efc0/", ""),
        ("b~72e2efc0/a/", ""),
        ("b~72e2efc0/a/of a", "a"),
        ("b~72e2efc0/of b", "b"),
    ];
    story.ends(&shown, &[]);
}

/// Case 10. A directory is moved to two places while files in it are edited: it is at one of them,
/// with the edits, and at no other.
#[test]
fn case_10_a_directory_moved_to_two_places_is_at_one() {
    let mut story = Story::of(3);
    story.make_dir(0, "d");
    story.write(0, "d/f", "first");
    story.write(0, "d/g", "first of g");
    story.rest();
    story.apart(&[
        &|model, root| story::rename(model, root, "d", "x"),
        &|model, root| {
            story::rename(model, root, "d", "y");
            story::write(model, root, "y/f", "second");
        },
        &|model, root| story::write(model, root, "d/g", "second of g"),
    ]);
    story.came_by("one entry was put at two places");
    story.ends(&[("y/", ""), ("y/f", "second"), ("y/g", "second of g")], &[]);
}

/// Case 11. A user makes a file where we are about to put one, a moment before we do: nothing is
/// replaced, and the two are two versions of what was made twice.
#[test]
fn case_11_what_is_made_a_moment_before_ours_is_not_replaced() {
    let mut story = Story::of(2);
    story.before(1, "rename_new", 1, |model, root| story::write(model, root, "f", "a user's"));
    story.write(0, "f", "ours");
    story.rest();
    story.came_by("somebody was faster at a free name");
    for node in 0..2 {
        let both: BTreeSet<String> =
            story.tree(node).into_values().chain(story.kept(node)).collect();
        assert_eq!(both, ["a user's", "ours"].map(String::from).into(), "{node}");
    }
    checkers::at_rest(&story.world);
}

/// Case 11. One name is given to a file, a directory and a symlink on three nodes at once: all
/// three are shown, the directory under its own name.
#[test]
fn case_11_one_name_for_three_kinds() {
    let mut story = Story::of(3);
    story.apart(&[
        &|model, root| story::write(model, root, "n.txt", "a file"),
        &|model, root| {
            story::make_dir(model, root, "n.txt");
            story::write(model, root, "n.txt/in", "inside");
        },
        &|model, root| {
            let spot = story::spot(model, root, "n.txt");
            model.make(&spot, FileKind::Symlink, 0o777, b"target").unwrap();
        },
    ]);
    story.came_by("one name is claimed by several");
    let tree = story.tree(0);
    assert_eq!(tree["n.txt/in"], "inside");
    let others: Vec<&String> = tree.keys().filter(|path| !path.starts_with("n.txt/")).collect();
    assert_eq!(others.len(), 2, "{others:?}");
    assert!(others.iter().all(|path| path.starts_with("n~")), "{others:?}");
    checkers::at_rest(&story.world);
}

/// Case 12. A name that differs from the old one in case alone is another name: of a file, of a
/// directory with something in it, to and fro. The disks of these worlds keep names by their bytes.
/// What the case says of directories that fold case (a local alias for the second of two names, a
/// rename in place by way of a third name) is not built, and waits for the disk issue.
#[test]
fn case_12_a_rename_of_case_alone_is_a_rename() {
    let mut story = Story::of(2);
    let large = "x".repeat(50_000);
    story.make_dir(0, "dir");
    story.write(0, "dir/file", &large);
    story.rest();
    let contents = story.world.contents;
    story.act(0, |model, root| {
        story::rename(model, root, "dir/file", "dir/File");
        story::rename(model, root, "dir", "Dir");
    });
    story.ends(&[("Dir/", ""), ("Dir/File", &large)], &[]);
    story.apart(&[&|model, root| story::rename(model, root, "Dir", "dir"), &|model, root| {
        story::rename(model, root, "Dir/File", "Dir/FILE")
    }]);
    story.came_by("a directory was renamed");
    story.ends(&[("dir/", ""), ("dir/FILE", &large)], &[]);
    assert_eq!(story.world.contents, contents, "nothing is sent for a rename");
}

/// Case 20. A directory with many files is renamed while they are hashed, while they are served,
/// and while they are installed elsewhere: each is there once, at its new place.
#[test]
fn case_20_a_large_directory_is_renamed_under_our_hands() {
    const FILES: u32 = 200;
    let text = |number: u32| format!("{number:05}").repeat(8_000);
    for (node, call) in [(0, "stat_file"), (0, "read_at"), (1, "rename_new")] {
        let mut story = Story::of(2);
        story.part();
        let rename = |model: &mut Model, root| story::rename(model, root, "d", "e");
        if call == "stat_file" {
            story.before(node, call, FILES / 2, rename);
        }
        story.world.by_hand(0, |model, root| {
            story::make_dir(model, root, "d");
            for number in 0..FILES {
                story::write(model, root, &format!("d/{number}"), &text(number));
            }
        });
        story.rest();
        if call != "stat_file" {
            story.before(node, call, FILES / 2, rename);
        }
        story.meet();
        if call == "read_at" {
            story.came_by("a directory was renamed");
        }
        let files = (0..FILES).map(|number| (format!("e/{number}"), text(number)));
        let shown: Vec<_> = files.chain([("e/".to_string(), String::new())]).collect();
        let shown: Vec<_> = shown.iter().map(|(path, text)| (&**path, &**text)).collect();
        story.ends(&shown, &[]);
    }
}
