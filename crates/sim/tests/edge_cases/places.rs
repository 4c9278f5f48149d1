//! Moves, names that two things want, and directories that go while we are at work in them.

use crate::story::{self, Story};

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
