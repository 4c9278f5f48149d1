//! Bad input: a clear word, the right exit code, and nothing changed.

use std::fs;

use crate::faults;
use crate::lab::{until, Lab, Outcome, FOLDER};
use crate::node::Node;
use crate::tree;

const OVERSIZED_FRAME_BYTES: u32 = 1 << 31;

/// Codes that let nobody in.
pub fn codes() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    lab.found()?;
    fs::write(lab.nodes[1].tree.join("mine.txt"), b"mine")?;
    let before = tree::read(&lab.nodes[1].tree)?;
    let code = lab.nodes[0].invite(&[])?;
    let soon = lab.nodes[0].invite(&["--expires", "1ms"])?;
    let mut typo = code.clone().into_bytes();
    // Another character, not another case: `A` for `a` is the same code, which let this one in
    // one time in 32.
    let at = typo.len() - 5;
    typo[at] = if typo[at].eq_ignore_ascii_case(&b'a') { b'b' } else { b'a' };
    refused_join(&lab.nodes[1], &String::from_utf8(typo)?, 2, &["typo"])?;
    refused_join(&lab.nodes[1], "no code at all!", 2, &["not a join code"])?;
    refused_join(&lab.nodes[1], &soon, 1, &["expired"])?;
    lab.nodes[2].join(&code)?;
    refused_join(&lab.nodes[1], &code, 1, &["used up"])?;
    // The node at the code's address is now that of another cluster.
    let old = lab.nodes[0].invite(&[])?;
    lab.nodes[0].stop()?;
    fs::remove_dir_all(&lab.nodes[0].home)?;
    fs::remove_dir_all(&lab.nodes[0].tree)?;
    fs::create_dir(&lab.nodes[0].tree)?;
    lab.found()?;
    refused_join(&lab.nodes[1], &old, 1, &["another cluster"])?;
    if tree::read(&lab.nodes[1].tree)? != before {
        return Err("a refused join changed the tree".into());
    }
    // And the same machine still gets in with a good one.
    let good = lab.nodes[0].invite(&[])?;
    lab.nodes[1].join(&good)
}

fn refused_join(node: &Node, code: &str, exit: i32, words: &[&str]) -> Outcome {
    let listen = node.listen();
    let place = ["--name", &node.name, "--listen", &listen, "--http", "off"];
    node.run(&[&["join", code, &node.tree_text()][..], &place].concat())?.refused(exit, words)?;
    let after = node.run(&["status"])?;
    if after.code == 0 || !after.stderr.contains("syncline") {
        return Err(format!("a refused join left a member: {}", after.stderr).into());
    }
    Ok(())
}

/// Places that cannot be a folder.
pub fn places() -> Outcome {
    let mut lab = Lab::machines(&["a"])?;
    lab.found()?;
    let node = &lab.nodes[0];
    fs::create_dir(node.tree.join("inside"))?;
    fs::write(node.place.join("file"), b"no directory")?;
    let at = |name: &str| node.place.join(name).to_string_lossy().into_owned();
    for (path, words) in [
        (at("missing"), "no such directory"),
        (at("file"), "not a directory"),
        (at("tree/inside"), "inside one another"),
        (at(""), "inside one another"),
        (at("home"), "inside one another"),
        ("/proc/self".to_owned(), "cannot write"),
    ] {
        node.run(&["folder", "add", "other", &path])?
            .refused(1, &[words])
            .map_err(|error| format!("{path}: {}", error.message().unwrap_or("?")))?;
    }
    // A second home on the same machine wants the same tree.
    let other = node.place.join("other-home");
    let listen = format!("{}:7500", node.address);
    let init =
        node.run_on(&other, &["init", "--name", "o", "--listen", &listen, "--http", "off"])?;
    if init.code != 0 {
        return Err(init.stderr.into());
    }
    let config = fs::read_to_string(other.join("config.toml"))?;
    let folder = format!("{config}\n[[folder]]\nname = \"theirs\"\npath = {:?}\n", node.tree);
    fs::write(other.join("config.toml"), folder)?;
    let found = node.run_on(&other, &["config", "check"])?;
    if found.code != 0 {
        return Err(found.stderr.into());
    }
    owned(&mut lab, &other)
}

/// The daemon of another home stops the folder that is not its own, and says whose it is.
fn owned(lab: &mut Lab, other: &std::path::Path) -> Outcome {
    lab.nodes.push(lab.nodes[0].beside(other));
    lab.nodes[1].start()?;
    until("the folder of two homes is stopped on the second", || {
        let problems = lab.nodes[1].status()?.problems;
        let is_told = problems.iter().any(|problem| problem.contains("already belongs to"));
        Ok(is_told.then_some(()))
    })?;
    lab.nodes[0].ok(&["wait", FOLDER]).map(drop)
}

/// What keeps a daemon from starting.
pub fn daemons() -> Outcome {
    let mut lab = Lab::machines(&["a"])?;
    lab.found()?;
    let node = &lab.nodes[0];
    node.run(&["daemon"])?.refused(1, &["another syncline", "nothing was changed"])?;
    let other = node.place.join("other-home");
    let listen = node.listen();
    node.run_on(&other, &["init", "--name", "o", "--listen", &listen, "--http", "off"])?;
    node.run_on(&other, &["daemon"])?.refused(1, &["in use", &listen])?;
    let config = node.home.join("config.toml");
    let good = fs::read_to_string(&config)?;
    fs::write(&config, format!("{good}\nnonsense = [\n"))?;
    node.run(&["config", "check"])?.refused(1, &["config.toml", "line"])?;
    // The daemon that runs goes on with what it had, also when it is told to read it again.
    node.signal("HUP")?;
    node.ok(&["status", "--json"])?;
    lab.nodes[0].stop()?;
    let node = &lab.nodes[0];
    node.run(&["daemon"])?.refused(1, &["config.toml", "line"])?;
    fs::write(&config, good)?;
    lab.nodes[0].start()
}

/// Peers that speak something else, too much, or nothing.
pub fn strangers() -> Outcome {
    let lab = Lab::three()?;
    lab.settle("three empty nodes")?;
    let node = &lab.nodes[0];
    let oversized = [&OVERSIZED_FRAME_BYTES.to_le_bytes()[..], &[0; 64]].concat();
    let record = [&[0x16, 0x03, 0x01, 0xff, 0xff][..], &[1; 70_000]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0xff; 100_000], &oversized, &record]
    {
        faults::shout(node, bytes)?;
    }
    // One that says nothing at all is hung up on too.
    faults::shout(node, b"")?;
    fs::write(node.tree.join("still.txt"), b"still at work")?;
    lab.settle_after("strangers at the door", &[0])?;
    until("nothing of it is left", || Ok((node.connected()? == 2).then_some(())))?;
    node.ok(&["verify", FOLDER])?;
    Ok(())
}
