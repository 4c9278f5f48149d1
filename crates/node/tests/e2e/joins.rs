//! Nodes that come with a tree of their own.

use std::collections::BTreeSet;
use std::fs;

use crate::absence::no_conflicts;
use crate::grow;
use crate::lab::{tools, Lab, Outcome};

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

/// Partly different trees: the union, and both versions of what differs.
pub fn union() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    for node in &lab.nodes {
        let (at, name) = (&node.tree, &node.name);
        fs::create_dir_all(at.join("common"))?;
        fs::write(at.join("common/same.txt"), b"the same on all")?;
        fs::write(at.join("common/differs.txt"), format!("as {name} has it"))?;
        fs::write(at.join(format!("common/only-{name}.txt")), name)?;
        grow::date(&at.join("common/same.txt"), 5)?;
    }
    lab.found()?;
    lab.join_others()?;
    lab.settle("partly different trees")?;
    for node in &lab.nodes {
        for other in ["a", "b", "c"] {
            let text = fs::read_to_string(node.tree.join(format!("common/only-{other}.txt")))?;
            if text != other {
                return Err(lab.trouble("join", &format!("only-{other} reads {text:?}")));
            }
        }
        let mut versions = BTreeSet::new();
        versions.insert(fs::read_to_string(node.tree.join("common/differs.txt"))?);
        for conflict in node.conflicts()? {
            if conflict.path != "common/differs.txt" {
                return Err(lab.trouble("join", &format!("a conflict too many: {conflict:?}")));
            }
            versions.insert(node.ok(&["conflicts", "show", &conflict.id])?);
        }
        let wanted = ["a", "b", "c"].map(|name| format!("as {name} has it"));
        if versions != BTreeSet::from(wanted) {
            return Err(lab.trouble("join", &format!("{} keeps {versions:?}", node.name)));
        }
    }
    Ok(())
}
