//! What goes wrong on purpose: a peer that is no peer.
//!
//! Called by the trials.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::lab::Outcome;
use crate::node::Node;

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
