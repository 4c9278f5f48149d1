//! Changes are noticed by events alone, and what no event can tell is found by `verify`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::grow;
use crate::lab::{tool, until, Lab, Outcome, FOLDER};

/// What a daemon logs when it walks the whole tree; only the start asks for it.
const SCAN_LINE: &str = "the whole folder is scanned";

/// Whoever runs nothing as root.
pub const NOBODY: u32 = 65_534;

/// Whatever the rung, the first scan has come to its end; returns how many each node has begun.
fn watched_by(lab: &Lab, rung: &str) -> Outcome<Vec<usize>> {
    for node in &lab.nodes {
        let folder = node.folder()?;
        if folder.rung != rung {
            let words =
                format!("{} watches by {}: {:?}", node.name, folder.rung, folder.rung_reason);
            return Err(lab.trouble("start", &words));
        }
    }
    lab.settle("the first scan")?;
    let begun = scans(lab);
    if begun.contains(&0) {
        return Err(lab.trouble("start", "a node began without a scan, or does not say so"));
    }
    Ok(begun)
}

fn scans(lab: &Lab) -> Vec<usize> {
    lab.nodes.iter().map(|node| node.log_text().matches(SCAN_LINE).count()).collect()
}

/// What arrived since, events alone have told of.
fn no_scan_since(lab: &Lab, begun: &[usize]) -> Outcome {
    let now = scans(lab);
    if now != begun {
        let words = format!("scans so far {now:?}, before the changes {begun:?}");
        return Err(lab.trouble("changes told of by events", &words));
    }
    Ok(())
}

fn by_events(lab: &Lab, rung: &str) -> Outcome {
    let begun = watched_by(lab, rung)?;
    let tree = &lab.nodes[0].tree;
    fs::create_dir_all(tree.join("deep/er"))?;
    fs::write(tree.join("deep/er/new.txt"), b"new")?;
    lab.settle_after("a file in a new directory", &[0])?;
    fs::write(tree.join("deep/er/new.txt"), b"edited")?;
    lab.settle_after("an edit", &[0])?;
    fs::rename(tree.join("deep"), tree.join("moved"))?;
    lab.settle_after("a directory renamed", &[0])?;
    fs::write(tree.join("moved/er/new.txt"), b"edited where it is now")?;
    lab.settle_after("an edit below a renamed directory", &[0])?;
    fs::remove_dir_all(tree.join("moved"))?;
    lab.settle_after("rm -rf", &[0])?;
    no_scan_since(lab, &begun)
}

/// As root: the whole filesystem is watched.
pub fn fanotify() -> Outcome {
    let lab = Lab::three()?;
    by_events(&lab, "fanotify")?;
    let begun = scans(&lab);
    second_names(&lab)?;
    no_scan_since(&lab, &begun)
}

/// A file gets a second name, is changed through it, and the name goes at once: `wait` said that
/// everybody had it, and nobody had been told.
fn second_names(lab: &Lab) -> Outcome {
    let tree = &lab.nodes[0].tree;
    grow::numbered(tree, 20)?;
    lab.settle("20 files")?;
    for number in 0..20 {
        let (file, second) = (tree.join(format!("{number}.txt")), tree.join("second"));
        fs::hard_link(&file, &second)?;
        match number % 2 {
            0 => fs::set_permissions(&second, fs::Permissions::from_mode(0o600))?,
            _ => fs::OpenOptions::new().append(true).open(&second)?.write_all(b"more")?,
        }
        fs::remove_file(&second)?;
    }
    lab.settle_after("changes through names that are gone", &[0])
}

/// As anybody else: every directory is.
pub fn inotify() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    for node in &mut lab.nodes {
        let owner = format!("{NOBODY}:{NOBODY}");
        tool(&["chown", &owner, &node.place.to_string_lossy(), &node.tree_text()])?;
        node.become_user(NOBODY)?;
    }
    lab.found()?;
    lab.join_others()?;
    for node in &lab.nodes {
        // What root leaves in the tree of another user is that user's from here on.
        tool(&["chmod", "2777", &node.tree_text()])?;
    }
    by_events_as_nobody(&lab)
}

fn by_events_as_nobody(lab: &Lab) -> Outcome {
    let begun = watched_by(lab, "inotify")?;
    for (what, script) in [
        ("a file in a new directory", "mkdir -p deep/er && echo new > deep/er/new.txt"),
        ("an edit", "echo edited > deep/er/new.txt"),
        ("a directory renamed", "mv deep moved"),
        ("an edit below a renamed directory", "echo again > moved/er/new.txt"),
        ("rm -rf", "rm -rf moved"),
    ] {
        lab.nodes[0].as_user(script)?;
        lab.settle_after(what, &[0])?;
    }
    no_scan_since(lab, &begun)
}

/// There are too few watches for the tree: scans tell of what no event does, `wait` waits for
/// one, and status says what would help. Found by reading: nobody looked at such directories, and
/// `wait` returned at once.
pub fn short_of_watches() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    for number in 0..30 {
        fs::create_dir(lab.nodes[0].tree.join(number.to_string()))?;
    }
    lab.nodes[0].watches_max = Some(10);
    lab.found()?;
    lab.join_others()?;
    lab.settle("30 directories")?;
    let folder = lab.nodes[0].folder()?;
    let reason = folder.rung_reason.unwrap_or_default();
    if folder.rung != "inotify" || !reason.contains("max_user_watches") {
        return Err(lab.trouble("start", &format!("{}: {reason}", folder.rung)));
    }
    for number in 0..30 {
        fs::write(lab.nodes[0].tree.join(format!("{number}/new.txt")), b"new")?;
    }
    lab.settle_after("a file in each of 30 directories", &[0])?;
    fs::write(lab.nodes[0].tree.join("0/unasked.txt"), b"nobody waits for it")?;
    fs::write(lab.nodes[0].tree.join("29/unasked.txt"), b"nobody waits for it")?;
    until("what nobody waits for arrives", || {
        let there = |at: u32| lab.nodes[1].tree.join(format!("{at}/unasked.txt")).exists();
        Ok((there(0) && there(29)).then_some(()))
    })
}

/// An edit under a paused folder is a difference, named with its path and node; resumed, it syncs.
pub fn verify() -> Outcome {
    let lab = Lab::three()?;
    grow::numbered(&lab.nodes[0].tree, 30)?;
    lab.settle("30 files")?;
    lab.nodes[0].ok(&["verify", FOLDER])?;
    lab.nodes[1].ok(&["folder", "pause", FOLDER])?;
    fs::write(lab.nodes[1].tree.join("13.txt"), b"planted")?;
    let run = lab.nodes[0].run(&["verify", FOLDER])?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    if run.code != 3 || !said.contains("13.txt") || !said.contains("differs on b") {
        let words = format!("verify gave {}: {said:?} {}", run.code, run.stderr);
        return Err(lab.trouble("an edit while paused", &words));
    }
    lab.nodes[1].ok(&["folder", "resume", FOLDER])?;
    lab.settle("resumed")?;
    lab.nodes[2].ok(&["verify", FOLDER])?;
    Ok(())
}
