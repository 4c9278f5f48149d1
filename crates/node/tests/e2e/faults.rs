//! What goes wrong on purpose: a stopped process, a kill under load, a peer that is no peer.
//!
//! Called by the trials.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::grow::Random;
use crate::lab::Outcome;
use crate::node::Node;

/// What a load has written: the last token of every path, and whether it was deleted since.
pub type Written = BTreeMap<String, Option<String>>;

/// Writes tokens, each under a path that only this load uses: new files, edits, saves by rename,
/// deletes. Every token is in `written` before the next step.
pub fn load(
    at: &Path,
    owner: &str,
    random: &mut Random,
    steps: u64,
    written: &mut Written,
) -> Outcome {
    let directory = at.join(owner);
    fs::create_dir_all(&directory)?;
    for step in 0..steps {
        let name = format!("{owner}/{}", random.below(40));
        let path = at.join(&name);
        let token = format!("token {owner} {step} {}\n", random.next());
        // Of many sizes, so that a torn file cannot look whole.
        let body = token.repeat(1 + random.below(2000) as usize);
        match random.below(4) {
            0 if path.exists() => {
                fs::remove_file(&path)?;
                written.insert(name, None);
                continue;
            }
            1 => {
                let fresh = directory.join(".saving");
                fs::write(&fresh, &body)?;
                fs::rename(&fresh, &path)?;
            }
            _ => fs::write(&path, &body)?,
        }
        written.insert(name, Some(body));
    }
    Ok(())
}

/// Every token is where it was written, whole, and nothing else is there.
pub fn check(at: &Path, owner: &str, written: &Written) -> Outcome {
    for (name, body) in written {
        let found = fs::read_to_string(at.join(name)).ok();
        if found.as_ref() != body.as_ref() {
            let (want, have) = (body.as_ref().map(String::len), found.map(|text| text.len()));
            return Err(format!("{}/{name}: {have:?} bytes, not {want:?}", at.display()).into());
        }
    }
    for entry in fs::read_dir(at.join(owner))? {
        let name = format!("{owner}/{}", entry?.file_name().to_string_lossy());
        if written.get(&name).is_none_or(Option::is_none) {
            return Err(
                format!("{}/{name}: nobody wrote it, or it was deleted", at.display()).into()
            );
        }
    }
    Ok(())
}

/// Sends bytes to a node's port from its own machine and reads until the node hangs up.
///
/// # Errors
/// It does not hang up in time, or cannot be reached.
pub fn shout(node: &Node, bytes: &[u8]) -> Outcome {
    let script = format!("exec 3<>/dev/tcp/{}/7420; cat >&3; cat <&3 >/dev/null", node.address);
    let mut client = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", node.space))
        .args(["timeout", "60", "bash", "-c", &script])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = client.stdin.take() {
        // The node may hang up before all is said; that is what it is asked to do.
        drop(stdin.write_all(bytes));
    }
    let mut said = String::new();
    if let Some(mut stderr) = client.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let code = client.wait()?.code();
    if code == Some(124) || said.contains("refused") {
        return Err(format!("the node did not hang up: {code:?} {said}").into());
    }
    Ok(())
}
