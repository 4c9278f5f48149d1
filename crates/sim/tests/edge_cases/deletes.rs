//! Deletions, against everything that somebody else does meanwhile.

use crate::story::{self, Story};

/// Case 7. One deletes a file, one edits it: the edit lives, in the directory that was deleted with
/// it, and comes back to who deleted it. A change of its mode does not save it.
#[test]
fn case_07_an_edit_outlives_a_deletion() {
    let mut story = Story::of(2);
    story.make_dir(0, "d");
    story.make_dir(0, "d/e");
    story.write(0, "d/e/f", "first");
    story.write(0, "d/e/g", "gone");
    story.rest();
    story.apart(&[
        &|model, root| {
            for name in ["d/e/f", "d/e/g", "d/e", "d"] {
                story::remove(model, root, name);
            }
        },
        &|model, root| {
            story::write(model, root, "d/e/f", "second");
            let inode = model.find(root, &story::path("d/e/g")).unwrap();
            model.change(inode, |thing| thing.mode = 0o600).unwrap();
        },
    ]);
    story.came_by("a deleted directory lives on for what is in it");
    story.ends(&[("d/", ""), ("d/e/", ""), ("d/e/f", "second")], &[]);
    assert!(story.is_in_trash(1, "gone"));
}

/// Case 8. One removes a directory with all that is in it, one makes a new file there: the
/// directory lives with the new file alone.
#[test]
fn case_08_a_new_file_keeps_its_directory() {
    let mut story = Story::of(2);
    story.make_dir(0, "d");
    story.write(0, "d/old", "old");
    story.rest();
    story.apart(&[
        &|model, root| {
            story::remove(model, root, "d/old");
            story::remove(model, root, "d");
        },
        &|model, root| story::write(model, root, "d/new", "new"),
    ]);
    story.came_by("a deleted directory lives on for what is in it");
    story.ends(&[("d/", ""), ("d/new", "new")], &[]);
}

/// Case 8, at the worst moment: the file is made between the look at the empty directory and its
/// removal. That it is not empty is no error.
#[test]
fn case_08_a_directory_that_is_not_empty_after_all_stays() {
    let mut story = Story::of(2);
    story.make_dir(0, "d");
    story.rest();
    story.before(1, "remove_dir", 1, |model, root| story::write(model, root, "d/new", "new"));
    story.remove(0, "d");
    story.rest();
    story.came_by("a directory to be removed is not empty");
    story.ends(&[("d/", ""), ("d/new", "new")], &[]);
}
