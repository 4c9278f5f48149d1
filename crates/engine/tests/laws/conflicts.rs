//! The table of conflicts (decisions R6): two nodes do something before either has heard of the
//! other, and then both show the same. Each row is words and the cases that hold it to them.

use super::node::{dir, file, with_mode, Look, Node};
use engine::observe::Verdict;
use engine::path::RelPath;
use engine::view;

/// What a user does at one node.
#[derive(Clone)]
enum Does {
    /// Programs change the disk.
    Sees(Vec<Look>),
    /// `conflicts keep` and `drop`, of the loser with these bytes at this path.
    Keeps(&'static str, u8),
    Drops(&'static str, u8),
    /// `conflicts keep --as`.
    KeepsAs(&'static str, u8, &'static str),
    /// In a folder with `conflicts=beside` it publishes the loser.
    Publishes(&'static str, u8),
}

use Does::{Drops, Keeps, KeepsAs, Publishes, Sees};

/// What both had before.
enum Before {
    /// Just this.
    Tree(Vec<Look>),
    /// The file `f`: `w` has won over `l`, and both disks show that.
    Contested,
}

struct Case {
    before: Before,
    one: Does,
    /// A little later, on the other node.
    other: Does,
    /// What both show: `dir/`, `file=winner(losers)`, with the mode where it is not 644. A star
    /// stands for digits.
    after: Vec<&'static str>,
}

struct Row {
    one: &'static str,
    other: &'static str,
    /// What all nodes show.
    result: &'static str,
    cases: Vec<Case>,
}

impl Before {
    fn node(&self) -> Node {
        let mut first = Node::new(0xaa);
        match self {
            Before::Tree(looks) => first.sees(1, looks),
            Before::Contested => {
                first.sees(1, &[("f", file(1, b'x'))]);
                let (mut loser, mut winner) = (first.twin(0xa0), first.twin(0xb0));
                loser.sees(2, &[("f", file(1, b'l'))]);
                winner.sees(3, &[("f", file(1, b'w'))]);
                winner.join(&loser);
                winner.applies();
                first = winner;
            }
        }
        first
    }
}

impl Does {
    fn at(&self, node: &mut Node, ms: u64) {
        match self {
            Sees(looks) => node.sees(ms, looks),
            Keeps(path, letter) => node.decrees(ms, path, Verdict::Keep, *letter),
            Drops(path, letter) => node.decrees(ms, path, Verdict::Drop, *letter),
            KeepsAs(path, letter, to) => {
                let to = RelPath::parse(to.as_bytes()).expect("clean");
                node.decrees(ms, path, |id, c| Verdict::KeepAs(Some(id), c, to), *letter);
            }
            Publishes(path, letter) => node.publishes(ms, path, *letter),
        }
    }
}

fn tree(before: &[Look], one: &[Look], other: &[Look], after: &[&'static str]) -> Case {
    let before = Before::Tree(before.to_vec());
    Case { before, one: Sees(one.to_vec()), other: Sees(other.to_vec()), after: after.to_vec() }
}

fn contested(one: Does, other: Does, after: &[&'static str]) -> Case {
    Case { before: Before::Contested, one, other, after: after.to_vec() }
}

/// Whether a text is as a pattern says.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((head, tail)) => text.starts_with(head) && text[head.len()..].ends_with(tail),
    }
}

fn check(row: &Row, case: &Case) {
    let first = case.before.node();
    let (mut one, mut other) = (first.twin(0xa1), first.twin(0xb1));
    case.one.at(&mut one, 10);
    case.other.at(&mut other, 20);
    let alone = one.clone();
    one.join(&other);
    other.join(&alone);
    let what = format!("{}, {}", row.one, row.other);
    let (tree, after) = (one.tree(), &case.after);
    let all_fit = tree.iter().zip(after).all(|(line, pattern)| fits(line, pattern));
    assert!(tree.len() == after.len() && all_fit, "{what}: {tree:?}, not {after:?}");
    assert_eq!(tree, other.tree(), "{what}: both show the same");
    let same = one.index.entries().zip(other.index.entries()).all(|(a, b)| a.entry == b.entry);
    assert!(same, "{what}: both hold the same registers");
}

fn contents() -> Vec<Row> {
    let f = [("f", file(1, b'x'))];
    let (gone, edit) = ([("f", None)], [("f", file(1, b'e'))]);
    let moved = [("f", None), ("g", file(1, b'x'))];
    vec![
        Row {
            one: "edits a file",
            other: "edits it, too",
            result: "the later edit has the name; the other one is a conflict",
            cases: vec![tree(&f, &[("f", file(1, b'a'))], &[("f", file(1, b'b'))], &["f=b(a)"])],
        },
        Row {
            one: "edits a file",
            other: "writes the same bytes",
            result: "one version, no conflict",
            cases: vec![tree(&f, &edit, &edit, &["f=e"])],
        },
        Row {
            one: "edits a file",
            other: "deletes it",
            result: "the file lives, with the edit",
            cases: vec![tree(&f, &edit, &gone, &["f=e"]), tree(&f, &gone, &edit, &["f=e"])],
        },
        Row {
            one: "edits a file",
            other: "renames it",
            result: "the edited content is at the new name",
            cases: vec![tree(&f, &edit, &moved, &["g=e"]), tree(&f, &moved, &edit, &["g=e"])],
        },
        Row {
            one: "makes a file",
            other: "makes one of the same name",
            result: "one file, as if both had edited it",
            cases: vec![
                tree(&[], &[("n", file(1, b'a'))], &[("n", file(2, b'b'))], &["n=b(a)"]),
                tree(&[], &[("n", file(1, b'a'))], &[("n", file(2, b'a'))], &["n=a"]),
            ],
        },
        Row {
            one: "changes mode, owner, times or attributes",
            other: "does so, too",
            result: "the later one, each for itself; never a conflict",
            cases: vec![tree(
                &f,
                &[("f", with_mode(file(1, b'x'), 0o600))],
                &[("f", with_mode(file(1, b'x'), 0o640))],
                &["f=x 640"],
            )],
        },
        Row {
            one: "changes mode, owner, times or attributes",
            other: "deletes the file",
            result: "it is deleted",
            cases: vec![tree(&f, &[("f", with_mode(file(1, b'x'), 0o600))], &gone, &[])],
        },
    ]
}

fn places() -> Vec<Row> {
    let f = [("f", file(1, b'x'))];
    let d = [("d", dir(1)), ("d/f", file(2, b'x'))];
    let (gone, edit) = ([("f", None)], [("f", file(1, b'e'))]);
    let moved = [("f", None), ("g", file(1, b'x'))];
    let two = [("a", dir(1)), ("b", dir(2))];
    vec![
        Row {
            one: "renames a file",
            other: "deletes it",
            result: "it lives under the new name",
            cases: vec![tree(&f, &moved, &gone, &["g=x"]), tree(&f, &gone, &moved, &["g=x"])],
        },
        Row {
            one: "renames a file",
            other: "renames it, too",
            result: "the later name; no second copy",
            cases: vec![tree(&f, &moved, &[("f", None), ("h", file(1, b'x'))], &["h=x"])],
        },
        Row {
            one: "makes a directory",
            other: "makes one of the same name",
            result: "one directory with what is in both",
            cases: vec![tree(
                &[],
                &[("n", dir(1)), ("n/a", file(2, b'a'))],
                &[("n", dir(3)), ("n/b", file(4, b'b'))],
                &["n/", "n/a=a", "n/b=b"],
            )],
        },
        Row {
            one: "makes a file",
            other: "makes a directory of the same name",
            result: "the directory has the name; the file is beside it, as `name~digits`",
            cases: vec![tree(&[], &[("n", file(1, b'a'))], &[("n", dir(2))], &["n/", "n~*=a"])],
        },
        Row {
            one: "puts a directory in a file's place",
            other: "edits the file",
            result: "both are there; the file as `name~digits`",
            cases: vec![tree(&f, &[("f", dir(2))], &edit, &["f/", "f~*=e"])],
        },
        Row {
            one: "deletes a directory",
            other: "makes something in it",
            result: "the directory lives with what is new; the rest stays deleted",
            cases: vec![tree(&d, &[("d", None)], &[("d/n", file(3, b'n'))], &["d/", "d/n=n"])],
        },
        Row {
            one: "deletes a directory",
            other: "renames it",
            result: "it is under the new name; what was deleted in it stays deleted",
            cases: vec![tree(&d, &[("d", None)], &[("d", None), ("e", dir(1))], &["e/"])],
        },
        Row {
            one: "moves directory A into B",
            other: "moves B into A",
            result: "the later move is undone, and that directory is called `name~digits`",
            cases: vec![tree(
                &two,
                &[("a", None), ("b/a", dir(1))],
                &[("b", None), ("a/b", dir(2))],
                &["b~*/", "b~*/a/"],
            )],
        },
    ]
}

fn verdicts() -> Vec<Row> {
    let edit = || Sees(vec![("f", file(1, b'e'))]);
    let gone = || Sees(vec![("f", None)]);
    let moved = || Sees(vec![("f", None), ("g", file(1, b'w'))]);
    let (keep, drop) = (|| Keeps("f", b'l'), || Drops("f", b'l'));
    vec![
        Row {
            one: "keeps the loser of a conflict",
            other: "keeps it, too",
            result: "the loser is the file again; no conflict",
            cases: vec![contested(keep(), keep(), &["f=l"])],
        },
        Row {
            one: "keeps the loser",
            other: "drops it",
            result: "the loser is the file again; no conflict",
            cases: vec![contested(keep(), drop(), &["f=l"]), contested(drop(), keep(), &["f=l"])],
        },
        Row {
            one: "drops the loser",
            other: "drops it, too",
            result: "no conflict; the winner stays",
            cases: vec![contested(drop(), drop(), &["f=w"])],
        },
        Row {
            one: "keeps the loser",
            other: "edits the file",
            result: "two edits: the later has the name, the other one is a conflict",
            cases: vec![
                contested(keep(), edit(), &["f=e(l)"]),
                contested(edit(), keep(), &["f=l(e)"]),
            ],
        },
        Row {
            one: "drops the loser",
            other: "edits the file",
            result: "the edit; no conflict",
            cases: vec![contested(drop(), edit(), &["f=e"]), contested(edit(), drop(), &["f=e"])],
        },
        Row {
            one: "keeps the loser",
            other: "deletes the file",
            result: "the file lives, and is what had lost",
            cases: vec![contested(keep(), gone(), &["f=l"]), contested(gone(), keep(), &["f=l"])],
        },
        Row {
            one: "drops the loser",
            other: "deletes the file",
            result: "it is deleted",
            cases: vec![contested(drop(), gone(), &[]), contested(gone(), drop(), &[])],
        },
        Row {
            one: "keeps the loser",
            other: "renames the file",
            result: "what had lost is at the new name; no conflict",
            cases: vec![contested(keep(), moved(), &["g=l"]), contested(moved(), keep(), &["g=l"])],
        },
        Row {
            one: "drops the loser",
            other: "renames the file",
            result: "the winner is at the new name; no conflict",
            cases: vec![contested(drop(), moved(), &["g=w"]), contested(moved(), drop(), &["g=w"])],
        },
    ]
}

fn copies() -> Vec<Row> {
    let edit = || Sees(vec![("f", file(1, b'e'))]);
    let gone = || Sees(vec![("f", None)]);
    let (keep, drop) = (|| Keeps("f", b'l'), || Drops("f", b'l'));
    let publish = || Publishes("f", b'l');
    let keep_as = |to| KeepsAs("f", b'l', to);
    let copy = "f.conflict-*=l";
    vec![
        Row {
            one: "publishes the loser beside the winner",
            other: "publishes it, too",
            result: "one file beside the winner",
            cases: vec![contested(publish(), publish(), &[copy, "f=w"])],
        },
        Row {
            one: "publishes the loser",
            other: "edits the winner",
            result: "the edit, and the loser beside it",
            cases: vec![
                contested(publish(), edit(), &[copy, "f=e"]),
                contested(edit(), publish(), &[copy, "f=e"]),
            ],
        },
        Row {
            one: "publishes the loser",
            other: "deletes the winner",
            result: "the loser alone",
            cases: vec![
                contested(publish(), gone(), &[copy]),
                contested(gone(), publish(), &[copy]),
            ],
        },
        Row {
            one: "publishes the loser",
            other: "keeps it",
            result: "the loser, twice",
            cases: vec![
                contested(publish(), keep(), &[copy, "f=l"]),
                contested(keep(), publish(), &[copy, "f=l"]),
            ],
        },
        Row {
            one: "publishes the loser",
            other: "drops it",
            result: "the winner, and the loser beside it",
            cases: vec![
                contested(publish(), drop(), &[copy, "f=w"]),
                contested(drop(), publish(), &[copy, "f=w"]),
            ],
        },
        Row {
            one: "keeps the loser under another name",
            other: "does so, too",
            result: "one file, or two if the names differ",
            cases: vec![
                contested(keep_as("g"), keep_as("g"), &["f=w", "g=l"]),
                contested(keep_as("g"), keep_as("h"), &["f=w", "g=l", "h=l"]),
            ],
        },
        Row {
            one: "keeps the loser under another name",
            other: "edits the winner",
            result: "the edit, and the loser under that name",
            cases: vec![
                contested(keep_as("g"), edit(), &["f=e", "g=l"]),
                contested(edit(), keep_as("g"), &["f=e", "g=l"]),
            ],
        },
    ]
}

/// The tables by the marks at which the guide shows them.
fn tables() -> [(&'static str, Vec<Row>); 4] {
    [("contents", contents()), ("places", places()), ("verdicts", verdicts()), ("copies", copies())]
}

// Story (simulator): a file had two versions. One node dropped the loser; another, which had not
// seen the loser, deleted the file. The place that the loser's author had said again was left, with
// nothing in it, and every node waited for ever for its content.
#[test]
fn a_dropped_loser_leaves_no_place_behind_where_the_winner_is_deleted() {
    let mut first = Node::new(0xaa);
    first.sees(1, &[("f", file(1, b'x'))]);
    let (mut loser, mut winner) = (first.twin(0xa1), first.twin(0xb1));
    loser.sees(2, &[("f", file(1, b'l'))]);
    winner.sees(3, &[("f", file(1, b'w'))]);
    let mut unaware = winner.twin(0xc1);
    winner.join(&loser);
    winner.applies();
    winner.decrees(4, "f", Verdict::Drop, b'l');
    unaware.sees(5, &[("f", None)]);
    winner.join(&unaware);
    assert!(winner.tree().is_empty(), "{:?}", winner.tree());
}

// Story: a node heard of another's edit before it looked at its own disk, where the same version
// had been edited, too. The loser seemed to have lost to what both had replaced.
#[test]
fn a_loser_has_lost_to_the_concurrent_edit_whoever_heard_of_it_first() {
    let mut first = Node::new(0xaa);
    first.sees(1, &[("f", file(1, b'x'))]);
    let (mut one, mut other) = (first.twin(0xa1), first.twin(0xb1));
    one.sees(2, &[("f", file(1, b'l'))]);
    other.join(&one);
    other.sees(3, &[("f", file(1, b'w'))]);
    let entry = other.index.entries().next().expect("the file").entry.clone();
    let winner = view::winner(&entry.data).expect("one");
    let losers = view::losers(&other.index, &entry);
    let dot = view::lost_to(winner, &losers[0]);
    assert_eq!(dot, winner.stamp.dot);
    let back = view::lost_to(&losers[0], winner);
    assert_eq!(back, losers[0].stamp.dot, "had it been the other way round");
}

#[test]
fn the_table_of_conflicts() {
    for row in tables().iter().flat_map(|(_, rows)| rows) {
        row.cases.iter().for_each(|case| check(row, case));
    }
}

/// The page of the guide with these tables at their marks.
fn with_tables(page: &str) -> String {
    let mut page = page.to_string();
    for (mark, rows) in tables() {
        let (begin, end) = (format!("<!-- table: {mark} -->\n"), "<!-- end of the table -->");
        let start = page.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let length = page[start..].find(end).unwrap_or_else(|| panic!("{mark} has no end"));
        let lines =
            rows.iter().map(|row| format!("| {} | {} | {} |\n", row.one, row.other, row.result));
        let head = "| one node | the other | on all nodes |\n|---|---|---|\n".to_string();
        let table: String = std::iter::once(head).chain(lines).collect();
        page.replace_range(start..start + length, &table);
    }
    page
}

/// The page is made by `SYNCLINE_WRITE_GUIDE=1 cargo test -p engine --test laws guide`.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it writes a page when it is asked to, and only then"
)]
fn the_guide_shows_the_table() {
    let page = include_str!("../../../../docs/guide/conflicts.md");
    let wanted = with_tables(page);
    if std::env::var_os("SYNCLINE_WRITE_GUIDE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/conflicts.md");
        std::fs::write(path, &wanted).expect("the guide can be written");
    }
    let is_same = page == wanted;
    assert!(is_same, "docs/guide/conflicts.md differs; SYNCLINE_WRITE_GUIDE=1 writes it anew");
}
