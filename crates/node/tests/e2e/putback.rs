//! A node whose state was put back to an older copy, without a reboot: a volume rolled back, a
//! snapshot restored. It gives no dot twice, and everybody ends with everything.

use std::collections::BTreeSet;
use std::fs;

use crate::lab::{tool, until, Lab, Outcome, FOLDER};
use crate::node::Node;

/// The machine keeps the witness; the other nodes come up after much was done here.
pub fn witnessed() -> Outcome {
    let mut lab = start()?;
    put_back(&mut lab, "with a witness", 60, false)
}

/// There is no place for a witness: a peer's word is all that tells.
pub fn without_witness() -> Outcome {
    let mut lab = start()?;
    let b = &mut lab.nodes[1];
    b.stop()?;
    // A file where the directory would be.
    tool(&["rm", "-rf", &b.runtime().to_string_lossy()])?;
    fs::write(b.runtime(), b"")?;
    b.start()?;
    lab.meet()?;
    lab.settle("b has no place for a witness")?;
    put_back(&mut lab, "peers are up", 2, true)?;
    put_back(&mut lab, "peers come up later", 60, false)
}

/// A folder that could not be opened at the start is opened while the daemon runs. What its peers
/// had said by then it has not heard.
pub fn opened_late() -> Outcome {
    let mut lab = start()?;
    lab.nodes[2].stop()?;
    let tree = lab.nodes[2].tree.clone();
    let aside = tree.with_file_name("aside");
    fs::rename(&tree, &aside)?;
    lab.nodes[2].start()?;
    lab.meet()?;
    fs::write(lab.nodes[0].tree.join("meanwhile.txt"), b"meanwhile")?;
    fs::rename(&aside, &tree)?;
    until("c has what a wrote meanwhile", || {
        Ok(tree.join("meanwhile.txt").exists().then_some(()))
    })?;
    lab.meet()?;
    lab.settle("the folder is opened")?;
    until("nobody is thought to be behind", || {
        let peers = lab.nodes[2].status()?.peers;
        Ok(peers.iter().all(|peer| peer.in_sync).then_some(()))
    })
}

fn start() -> Outcome<Lab> {
    let lab = Lab::three()?;
    for number in 0..20 {
        fs::write(lab.nodes[0].tree.join(format!("base{number}")), format!("base {number}"))?;
    }
    lab.settle("20 files")?;
    Ok(lab)
}

/// b is copied, changes things that everybody hears of, is put back to the copy, and makes `new`
/// files; the others are there meanwhile or come up then.
fn put_back(lab: &mut Lab, what: &str, new: usize, others_are_up: bool) -> Outcome {
    lab.nodes[1].stop()?;
    keep_copy(&lab.nodes[1])?;
    lab.nodes[1].start()?;
    lab.meet()?;
    let tree = lab.nodes[1].tree.clone();
    for number in 0..10 {
        fs::write(tree.join(format!("{what}, late{number}")), format!("late {number}"))?;
    }
    fs::write(tree.join("base0"), format!("{what}, edited on b"))?;
    fs::write(lab.nodes[0].tree.join(format!("{what}, of a")), b"of a")?;
    lab.settle(&format!("{what}: what will be lost"))?;
    lab.nodes[1].stop()?;
    if !others_are_up {
        lab.nodes[0].stop()?;
        lab.nodes[2].stop()?;
    }
    put_copy_back(&lab.nodes[1])?;
    let before = lab.nodes[1].log_text().len();
    lab.nodes[1].start()?;
    let here: BTreeSet<String> = (0..new).map(|number| format!("{what}, after{number}")).collect();
    for name in &here {
        fs::write(tree.join(name), name)?;
    }
    if !others_are_up {
        until("b has seen its new files", || {
            let entries = lab.nodes[1].folder()?.entries;
            Ok((entries >= u64::try_from(20 + new)?).then_some(()))
        })?;
        lab.nodes[0].start()?;
        lab.nodes[2].start()?;
    }
    until("b takes back what it lost", || {
        Ok(tree.join(format!("{what}, late9")).exists().then_some(()))
    })?;
    lab.meet()?;
    lab.settle(&format!("{what}: b was put back"))?;
    for node in &lab.nodes {
        let edited = fs::read_to_string(node.tree.join("base0"))?;
        if edited != format!("{what}, edited on b") {
            return Err(lab.trouble(what, &format!("{}: base0 is {edited:?}", node.name)));
        }
        if let Some(name) = here.iter().find(|name| !node.tree.join(name).exists()) {
            return Err(lab.trouble(what, &format!("{name} is not on {}", node.name)));
        }
    }
    let notices = lab.nodes[1].folder()?.notices;
    if notices.iter().filter(|notice| notice.text.contains("put back")).count() != 1 {
        return Err(lab.trouble(what, &format!("what status says: {notices:?}")));
    }
    let log = lab.nodes[1].log_text();
    let ends = log[before..].matches("disconnected").count();
    if log[before..].contains("breaking off") || ends > 8 {
        return Err(lab.trouble(what, &format!("{ends} sessions ended")));
    }
    let verified = lab.nodes[0].run(&["verify", FOLDER])?;
    if verified.code != 0 {
        return Err(lab.trouble(what, &format!("verify: {}", verified.stderr)));
    }
    crate::absence::no_conflicts(lab)
}

fn keep_copy(node: &Node) -> Outcome {
    let copy = node.place.join("copy");
    tool(&["rm", "-rf", &copy.to_string_lossy()])?;
    fs::create_dir(&copy)?;
    for (from, name) in [(&node.home, "home"), (&node.tree, "tree")] {
        let to = copy.join(name);
        tool(&["cp", "-aT", &from.to_string_lossy(), &to.to_string_lossy()])?;
    }
    Ok(())
}

fn put_copy_back(node: &Node) -> Outcome {
    let copy = node.place.join("copy");
    for (to, name) in [(&node.home, "home"), (&node.tree, "tree")] {
        // The directories themselves stay: the root is known by its inode.
        tool(&["find", &to.to_string_lossy(), "-mindepth", "1", "-delete"])?;
        let from = copy.join(name);
        tool(&["cp", "-aT", &from.to_string_lossy(), &to.to_string_lossy()])?;
    }
    Ok(())
}
