//! Nodes that come with a tree of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use libtest_mimic::Failed;

use crate::absence::no_conflicts;
use crate::grow;
use crate::lab::{tools, Lab, Outcome};
use crate::node::Node;

/// Records of 650 entries may be sent, twice a node; not the 8 MB of their content.
const SAME_WIRE_BYTES_MAX: u64 = 1 << 20;

/// The same tree is in place on all three: nothing is sent, nothing conflicts.
pub fn same_tree() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    grow::site(&lab.nodes[0].tree, 5)?;
    let from = lab.nodes[0].tree_text();
    for node in &lab.nodes[1..] {
        tools(&format!("cp -a {from}/. {}", node.tree.display()))?;
    }
    lab.found()?;
    lab.join_others()?;
    lab.settle("the same tree on all three")?;
    no_conflicts(&lab)?;
    for at in [1, 2] {
        let bytes = lab.wire_bytes(at)?;
        if bytes > SAME_WIRE_BYTES_MAX {
            let words = format!("{bytes} bytes on the wire for a tree that was there");
            return Err(lab.trouble("join", &words));
        }
    }
    Ok(())
}

/// Files of the directory that one node alone has elsewhere.
const MOVED_FILES: u64 = 10;

/// Partly different trees: the union, and both versions of what differs.
pub fn union() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    for node in &lab.nodes {
        grow_differing(&node.tree, &node.name)?;
    }
    let before: Vec<Contents> =
        lab.nodes.iter().map(|node| contents(&node.tree)).collect::<Outcome<_>>()?;
    lab.found()?;
    lab.join_others()?;
    lab.settle("partly different trees")?;
    for node in &lab.nodes {
        let trouble = |error: Failed| lab.trouble("join", error.message().unwrap_or("?"));
        check_union(node, &before).map_err(trouble)?;
    }
    Ok(())
}

/// What each of them brings: some of it equal, one file with other content, names that are a file
/// here and a directory or a symlink there, equal files in different directories, and a directory
/// that a and b have in one place and c in another.
fn grow_differing(at: &Path, name: &str) -> Outcome {
    fs::create_dir_all(at.join("common"))?;
    fs::write(at.join("common/same.txt"), b"the same on all")?;
    grow::date(&at.join("common/same.txt"), 5)?;
    fs::write(at.join("common/same, later.txt"), b"the same on all, but for the time")?;
    fs::write(at.join("common/differs.txt"), format!("as {name} has it"))?;
    fs::write(at.join(format!("common/only-{name}.txt")), name)?;
    fs::create_dir(at.join(format!("in-{name}")))?;
    fs::write(at.join(format!("in-{name}/equal.bin")), b"equal, in a directory of its own")?;
    grow::date(&at.join(format!("in-{name}/equal.bin")), 7)?;
    match name {
        "a" => fs::write(at.join("kind"), b"a file on a")?,
        "b" => {
            fs::create_dir(at.join("kind"))?;
            fs::write(at.join("kind/inside.txt"), b"in a directory on b")?;
        }
        _ => symlink("a symlink on c", at.join("kind"))?,
    }
    let place = at.join(if name == "c" { "moved" } else { "place" });
    fs::create_dir_all(place.join("deep"))?;
    for number in 0..MOVED_FILES {
        let path = place.join(format!("deep/{number}.txt"));
        fs::write(&path, format!("moved or not {number}"))?;
        grow::date(&path, number)?;
    }
    Ok(())
}

/// What files and symlinks say, by path.
type Contents = BTreeMap<String, String>;

fn contents(root: &Path) -> Outcome<Contents> {
    let mut all = Contents::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?;
            let text = if kind.is_dir() {
                open.push(path);
                continue;
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path)?.display())
            } else {
                fs::read_to_string(&path)?
            };
            all.insert(path.strip_prefix(root)?.to_string_lossy().into_owned(), text);
        }
    }
    Ok(all)
}

/// Everything that somebody brought is at its path; what cannot be there, since another has the
/// path, is beside it under a suffix or in the conflict store. Nothing else is there.
fn check_union(node: &Node, before: &[Contents]) -> Outcome {
    let now = contents(&node.tree)?;
    let mut kept = BTreeSet::new();
    for conflict in node.conflicts()? {
        if conflict.path != "common/differs.txt" {
            return Err(format!("{}: a conflict too many: {conflict:?}", node.name).into());
        }
        kept.insert(node.ok(&["conflicts", "show", &conflict.id])?);
    }
    let brought: BTreeSet<(&String, &String)> = before.iter().flatten().collect();
    let mut found = BTreeSet::new();
    for (path, text) in &now {
        let path = path.split('~').next().unwrap_or(path).to_owned();
        if !brought.contains(&(&path, text)) || !found.insert((path.clone(), text)) {
            return Err(format!("{}: {path}: doubled or of nobody: {text:?}", node.name).into());
        }
    }
    for (path, text) in brought {
        let is_kept = path == "common/differs.txt" && kept.contains(text);
        if !found.contains(&(path.clone(), text)) && !is_kept {
            return Err(format!("{}: {path}: {text:?} is not there", node.name).into());
        }
    }
    let (shown, kept) = (&now["common/differs.txt"], kept.len());
    if kept != 2 || !now.contains_key("kind/inside.txt") {
        return Err(format!("{}: shows {shown:?}, keeps {kept} others", node.name).into());
    }
    Ok(())
}
