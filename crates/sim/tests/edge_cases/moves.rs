//! Moves against all that can happen at the same time elsewhere, as a table. Each row is told three
//! times: with programs that watch, and with either program down while its user moves things.

use crate::story::{self, Act, Story};

/// What stands in the beginning: directories `a` and `b`, in each a file and a directory with one.
const BEGINNING: [(&str, &str); 8] = [
    ("a/", ""),
    ("a/f", "f of a"),
    ("a/in/", ""),
    ("a/in/g", "g of a"),
    ("b/", ""),
    ("b/f", "f of b"),
    ("b/in/", ""),
    ("b/in/g", "g of b"),
];

fn begin() -> Story {
    let mut story = Story::of(2);
    for (at, text) in BEGINNING {
        match at.strip_suffix('/') {
            Some(dir) => story.make_dir(0, dir),
            None => story.write(0, at, text),
        }
    }
    story.rest();
    story
}

/// The beginning with paths renamed and texts changed: `from => to`; an empty `to` removes.
fn changed(changes: &[(&str, &str)], texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut tree: Vec<(String, String)> =
        BEGINNING.iter().map(|(at, text)| (at.to_string(), text.to_string())).collect();
    for (from, to) in changes {
        tree.retain(|(at, _)| !to.is_empty() || !at.starts_with(from));
        for (at, _) in &mut tree {
            if let Some(rest) = at.strip_prefix(from) {
                *at = format!("{to}{rest}");
            }
        }
    }
    for (at, text) in texts {
        tree.retain(|(other, _)| other != at);
        tree.push((at.to_string(), text.to_string()));
    }
    tree
}

struct Row {
    what: &'static str,
    /// On the first node, then, later by the clock, on the second.
    acts: [&'static Act; 2],
    renamed: &'static [(&'static str, &'static str)],
    texts: &'static [(&'static str, &'static str)],
    kept: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        what: "a directory is moved, a file in it is edited",
        acts: [&|m, r| story::rename(m, r, "a", "c"), &|m, r| story::write(m, r, "a/f", "new")],
        renamed: &[("a/", "c/")],
        texts: &[("c/f", "new")],
        kept: &[],
    },
    Row {
        what: "a directory is moved and a file in it edited, elsewhere edited, too",
        acts: [
            &|m, r| {
                story::rename(m, r, "a", "b/a");
                story::write(m, r, "b/a/f", "one");
            },
            &|m, r| story::write(m, r, "a/f", "two"),
        ],
        renamed: &[("a/", "b/a/")],
        texts: &[("b/a/f", "two")],
        kept: &["one"],
    },
    Row {
        what: "a directory is moved, another is made in it and a file is moved into that",
        acts: [&|m, r| story::rename(m, r, "a", "c"), &|m, r| {
            story::make_dir(m, r, "a/new");
            story::rename(m, r, "b/f", "a/new/f");
        }],
        renamed: &[("a/", "c/"), ("b/f", "c/new/f")],
        texts: &[("c/new/", "")],
        kept: &[],
    },
    Row {
        what: "a directory is moved to two places",
        acts: [&|m, r| story::rename(m, r, "a", "c"), &|m, r| story::rename(m, r, "a", "d")],
        renamed: &[("a/", "d/")],
        texts: &[],
        kept: &[],
    },
    Row {
        what: "a directory is moved, and elsewhere removed with all that is in it",
        acts: [&|m, r| story::rename(m, r, "a", "c"), &|m, r| {
            ["a/f", "a/in/g", "a/in", "a"].iter().for_each(|at| story::remove(m, r, at));
        }],
        renamed: &[("a/f", ""), ("a/in/", ""), ("a/", "c/")],
        texts: &[],
        kept: &[],
    },
    Row {
        what: "an inner directory is moved out, its outer one removed",
        acts: [&|m, r| story::rename(m, r, "a/in", "in"), &|m, r| {
            ["a/f", "a/in/g", "a/in", "a"].iter().for_each(|at| story::remove(m, r, at));
        }],
        renamed: &[("a/in/g", ""), ("a/in/", "in/"), ("a/", "")],
        texts: &[],
        kept: &[],
    },
    Row {
        what: "two directories are swapped, a file in each is edited",
        acts: [
            &|m, r| {
                story::rename(m, r, "a", "x");
                story::rename(m, r, "b", "a");
                story::rename(m, r, "x", "b");
            },
            &|m, r| {
                story::write(m, r, "a/f", "new of a");
                story::write(m, r, "b/in/g", "new of b");
            },
        ],
        renamed: &[("a/", "x/"), ("b/", "a/"), ("x/", "b/")],
        texts: &[("b/f", "new of a"), ("a/in/g", "new of b")],
        kept: &[],
    },
    Row {
        what: "one file is moved to two places, and edited at one",
        acts: [&|m, r| story::rename(m, r, "a/f", "b/h"), &|m, r| {
            story::rename(m, r, "a/f", "a/h");
            story::write(m, r, "a/h", "new");
        }],
        renamed: &[("a/f", "a/h")],
        texts: &[("a/h", "new")],
        kept: &[],
    },
    Row {
        what: "two files are moved to one name",
        acts: [&|m, r| story::rename(m, r, "a/f", "n"), &|m, r| story::rename(m, r, "a/in/g", "n")],
        renamed: &[("a/f", "n"), ("a/in/g", "n~0201-34d6")],
        texts: &[],
        kept: &[],
    },
    Row {
        what: "a directory and its outer one are turned inside out",
        acts: [
            &|m, r| {
                story::rename(m, r, "a/in", "c");
                story::rename(m, r, "a", "c/a");
            },
            &|m, r| story::write(m, r, "a/in/g", "new"),
        ],
        renamed: &[("a/in/", "c/"), ("a/", "c/a/")],
        texts: &[("c/g", "new")],
        kept: &[],
    },
    Row {
        what: "names change their case alone, to and fro",
        acts: [
            &|m, r| {
                story::rename(m, r, "a", "A");
                story::rename(m, r, "A/f", "A/F");
            },
            &|m, r| {
                story::rename(m, r, "b/in", "b/IN");
                story::write(m, r, "a/f", "new");
            },
        ],
        renamed: &[("a/f", "A/F"), ("a/", "A/"), ("b/in/", "b/IN/")],
        texts: &[("A/F", "new")],
        kept: &[],
    },
];

#[test]
fn moves_meet_everything() {
    for row in ROWS {
        for down in [None, Some(0), Some(1)] {
            let mut story = begin();
            story.part();
            for (node, act) in row.acts.iter().enumerate() {
                if down == Some(node) {
                    story.world.stop(node);
                }
                story.world.by_hand(node, |model, root| act(model, root));
                story.rest();
                story.world.run_for(10);
                if down == Some(node) {
                    story.world.start(node);
                    story.rest();
                }
            }
            story.meet();
            println!("{}, down: {down:?}", row.what);
            let shown = changed(row.renamed, row.texts);
            let shown: Vec<_> = shown.iter().map(|(at, text)| (&**at, &**text)).collect();
            story.ends(&shown, row.kept);
        }
    }
}
