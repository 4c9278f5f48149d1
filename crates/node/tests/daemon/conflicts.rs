//! What lost against another version: listed, kept, dropped, and what a folder does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::node::{until, Node};

/// A kill between an operation and its record left a content in the conflict store that no row
/// named: it was never deleted, and nobody could know of it.
#[test]
fn a_content_that_no_version_names_is_listed_and_readable() {
    let mut node = Node::founded("a");
    let tree = node.tree("web");
    node.start();
    assert_eq!(node.run(&["folder", "add", "web", &tree]).code, 0);
    node.stop();
    let folder = fs::read_dir(node.home().join("folders")).unwrap();
    let folder = folder.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let digest = "5a".repeat(32);
    fs::write(folder.join("kept").join(&digest), b"precious").unwrap();
    node.start();
    let listed = node.json(&["conflicts"]);
    assert_eq!((listed[0]["hash"].as_str(), &listed[0]["bytes"]), (Some(&*digest), &8.into()));
    let id = listed[0]["id"].as_str().unwrap();
    let shown = node.run(&["conflicts", "show", id]);
    assert_eq!((shown.code, shown.stdout.as_str()), (0, "precious"));
    until("the folder was read", || node.run(&["status", "--check"]).code == 0);
    let kept = node.run(&["conflicts", "keep", id]);
    assert_eq!(kept.code, 1, "nobody knows where it belongs: {}", kept.stderr);
    assert_eq!(node.run(&["conflicts", "drop", id]).code, 0);
    until("its bytes are in the trash", || {
        let mut trash = fs::read_dir(folder.join("trash")).unwrap().map(|entry| entry.unwrap());
        trash.any(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes == b"precious"))
    });
    assert_eq!(node.json(&["conflicts"]), Value::Array(Vec::new()));
}

/// Two that write to the same file while they do not hear of one another; what the second lists.
fn contested(nodes: [(&Node, &str, &str); 2], path: &str) -> Vec<Value> {
    for (node, tree, text) in nodes {
        assert_eq!(node.run(&["folder", "pause", "web"]).code, 0);
        fs::write(format!("{tree}/{path}"), text).expect("a tree");
    }
    for (node, ..) in nodes {
        assert_eq!(node.run(&["folder", "resume", "web"]).code, 0);
    }
    let mut listed = Vec::new();
    for (node, ..) in nodes {
        until("the loser is listed, and kept", || {
            listed = node.json(&["conflicts"]).as_array().expect("a list").clone();
            listed.len() == 1 && listed[0]["available"] == true
        });
    }
    listed
}

/// A conflict could be ended only by writing both versions over one another. And after the winner
/// was edited, `conflicts` named the editor as the one that the loser had lost to.
#[test]
fn a_loser_is_kept_or_dropped_by_command_on_every_node() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("web"), b.tree("web"));
    fs::write(format!("{here}/page"), b"before").unwrap();
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    let reads = |text: &str| {
        let path = |tree: &str| fs::read_to_string(format!("{tree}/page")).unwrap();
        path(&here) == text && path(&there) == text
    };
    let none = |node: &Node| node.json(&["conflicts"]) == Value::Array(Vec::new());
    let listed = contested([(&a, &here, "one of a"), (&b, &there, "one of b")], "page");
    let (lost, won) = (listed[0]["node"].clone(), listed[0]["winner_node"].clone());
    assert!(lost != won, "{listed:?}");
    // Whoever wrote the loser edits the winner.
    let tree = if lost == "a" { &here } else { &there };
    until("the winner is everywhere", || reads(&format!("one of {}", won.as_str().unwrap())));
    fs::write(format!("{tree}/page"), "the winner, edited").unwrap();
    until("the edit is everywhere", || reads("the winner, edited"));
    assert_eq!(b.json(&["conflicts"])[0]["winner_node"], won, "it lost to who wrote first");
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(b.run(&["conflicts", "keep", id]).code, 0);
    until("the loser is the file", || reads(&format!("one of {}", lost.as_str().unwrap())));
    until("the conflict is over", || none(&a) && none(&b));
    let listed = contested([(&a, &here, "two of a"), (&b, &there, "two of b")], "page");
    let id = listed[0]["id"].as_str().unwrap();
    let winner = format!("two of {}", listed[0]["winner_node"].as_str().unwrap());
    assert_eq!(a.run(&["conflicts", "drop", id]).code, 0);
    until("the conflict is over", || none(&a) && none(&b));
    until("the winner is the file", || reads(&winner));
    assert_eq!(a.run(&["conflicts", "drop", id]).code, 2, "there is no such conflict");
}

/// The names of a tree's files with their bytes.
fn files(tree: &str) -> BTreeMap<String, String> {
    let all = fs::read_dir(tree).expect("a tree").map(|entry| entry.expect("an entry"));
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Some((name, fs::read_to_string(entry.path()).ok()?))
    };
    all.filter_map(read).collect()
}

#[test]
fn what_becomes_of_conflicts_is_set_on_any_node_for_all() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("web"), b.tree("web"));
    fs::write(format!("{here}/page.txt"), b"before").expect("a tree");
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    for wrong in ["conflicts=nowhere", "prefer=nobody", "delay=1s"] {
        assert_eq!(b.run(&["folder", "set", "web", wrong]).code, 2, "{wrong}");
    }
    // Not only who may admit others.
    assert_eq!(b.run(&["folder", "set", "web", "conflicts=beside"]).code, 0);
    until("a has heard of it", || a.json(&["folder", "list"])[0]["conflict_mode"] == "beside");
    let meet = |texts: [&str; 2]| {
        for (node, tree, text) in [(&a, &here, texts[0]), (&b, &there, texts[1])] {
            assert_eq!(node.run(&["folder", "pause", "web"]).code, 0);
            fs::write(format!("{tree}/page.txt"), text).expect("a tree");
        }
        for node in [&a, &b] {
            assert_eq!(node.run(&["folder", "resume", "web"]).code, 0);
        }
    };
    meet(["one of a", "one of b"]);
    until("the loser is beside the winner, on both", || {
        let (one, other) = (files(&here), files(&there));
        let texts: BTreeSet<&str> = one.values().map(String::as_str).collect();
        one == other && texts == BTreeSet::from(["one of a", "one of b"])
    });
    let copy = files(&here).into_keys().find(|name| name != "page.txt").expect("a copy");
    assert!(copy.starts_with("page.conflict-20") && copy.ends_with(".txt"), "{copy}");
    assert_eq!(a.json(&["conflicts"]), Value::Array(Vec::new()), "it is over");
    assert_eq!(a.run(&["folder", "set", "web", "conflicts=store", "prefer=a"]).code, 0);
    until("b has heard of it", || b.json(&["folder", "list"])[0]["prefer"] == "a");
    meet(["two of a", "two of b, later"]);
    let mut listed = Value::Null;
    until("the loser is in the store, and a has won", || {
        listed = b.json(&["conflicts"]);
        listed[0]["winner_node"] == "a" && listed[0]["available"] == true
    });
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(b.run(&["conflicts", "keep", id, "--as", "page.txt"]).code, 1, "it is taken");
    assert_eq!(b.run(&["conflicts", "keep", id, "--as", "../page"]).code, 2);
    assert_eq!(b.run(&["conflicts", "keep", id, "--as", "other.txt"]).code, 0);
    until("the loser is a file of its own, on both", || {
        let read = |tree: &str, name: &str| files(tree).get(name).cloned().unwrap_or_default();
        let is_there = |tree: &str| {
            read(tree, "other.txt") == "two of b, later" && read(tree, "page.txt") == "two of a"
        };
        is_there(&here) && is_there(&there)
    });
    assert_eq!(b.json(&["conflicts"]), Value::Array(Vec::new()));
}

/// A symlink's loser was counted as a conflict, and no command listed it.
#[test]
fn the_losing_target_of_a_symlink_is_listed_and_printed_on_every_node() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("web"), b.tree("web"));
    let link = |tree: &str, target: &str| {
        let path = format!("{tree}/link");
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).unwrap();
        }
        std::os::unix::fs::symlink(target, path).unwrap();
    };
    link(&here, "first");
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    for (node, tree, target) in [(&a, &here, "one"), (&b, &there, "two")] {
        assert_eq!(node.run(&["folder", "pause", "web"]).code, 0);
        link(tree, target);
    }
    for node in [&a, &b] {
        assert_eq!(node.run(&["folder", "resume", "web"]).code, 0);
    }
    for node in [&a, &b] {
        let mut listed = Value::Null;
        until("the loser is listed", || {
            listed = node.json(&["conflicts"]);
            listed.as_array().unwrap().len() == 1
        });
        assert_eq!(listed[0]["path"], "link");
        let loser = listed[0]["link"].as_str().unwrap().to_owned();
        let shown = node.run(&["conflicts", "show", listed[0]["id"].as_str().unwrap()]);
        assert_eq!((shown.code, shown.stdout.trim_end()), (0, &*loser));
        let winner = if loser == "one" { "two" } else { "one" };
        until("the winner has the name", || {
            [&here, &there].iter().all(|tree| {
                let target = fs::read_link(format!("{tree}/link"));
                target.is_ok_and(|target| target.to_str() == Some(winner))
            })
        });
    }
}

/// Who joins with a tree of its own reads it as the first of its changes, in the same order as any
/// other who does: two losing symlinks were called by the number of the change, and so alike. Only
/// one of them could be named, and dropping it was said to have failed after it was done.
#[test]
fn each_of_several_losing_targets_can_be_named() {
    let (mut a, mut b, mut c) = (Node::founded("a"), Node::new("b"), Node::new("c"));
    a.start();
    let tree = |node: &Node, target: &str| {
        let tree = node.tree("web");
        std::os::unix::fs::symlink(target, format!("{tree}/link")).unwrap();
        tree
    };
    let here = tree(&a, "one");
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    let there = tree(&b, "two");
    b.join(&a, &there);
    let yonder = tree(&c, "three");
    c.join(&a, &yonder);
    let ids = || {
        let listed = a.json(&["conflicts"]);
        let all = listed.as_array().unwrap().iter();
        all.map(|lost| lost["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until("both losers are listed", || ids().len() == 2);
    let all = ids();
    assert!(all[0] != all[1], "{all:?}");
    for (nth, id) in all.iter().enumerate() {
        let dropped = a.run(&["conflicts", "drop", id]);
        assert_eq!(dropped.code, 0, "{}", dropped.stderr);
        assert_eq!(ids(), all[nth + 1..]);
    }
}

/// The list ended after the losers of ten thousand files without a word, and no others could be
/// named.
#[test]
fn conflicts_are_all_listed_however_many() {
    const COUNT: usize = 10_001;
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let tree = |node: &Node, target: &str| {
        let tree = node.tree("web");
        for nth in 0..COUNT {
            std::os::unix::fs::symlink(target, format!("{tree}/link{nth}")).unwrap();
        }
        tree
    };
    let here = tree(&a, "one");
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    let there = tree(&b, "two");
    b.join(&a, &there);
    let mut listed = Value::Null;
    until("all are listed", || {
        listed = b.json(&["conflicts"]);
        listed.as_array().unwrap().len() >= COUNT
    });
    let last = listed[COUNT - 1]["id"].as_str().unwrap();
    assert_eq!(b.run(&["conflicts", "show", last]).code, 0);
    assert!(b.run(&["status"]).stdout.contains("10000 or more"));
}
