//! `syncline verify`: reads the disks of all nodes and compares, by hash.

use clap::Args;

use super::print::{self, Output};
use super::progress::{words, Shower};
use super::{Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::{NotCompared, Progress, Verified};

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Only this folder
    folder: Option<String>,
}

/// Asks the daemon, shows how far it is, then what differs.
///
/// # Errors
/// No daemon, or the comparison could not be made.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let request = Request::Verify { folder: arguments.folder };
    let mut shower = Shower::new(output);
    let verified: Verified = globals.ask_items(&request, |at: Progress| {
        shower.show(format!("reading {}", words(&at)));
    })?;
    shower.finish();
    let answer = match verified.identical && verified.missing.is_empty() {
        true => Exit0::Done,
        false => Exit0::No,
    };
    if output.is_json() {
        output.json(&verified)?;
        return Ok(answer);
    }
    report(output, &verified)?;
    Ok(answer)
}

fn report(output: &Output, verified: &Verified) -> Result<(), CliError> {
    for difference in &verified.differences {
        let (path, nodes) = (&difference.path, difference.nodes.join(", "));
        let folder = &difference.folder;
        let how = match difference.what.as_str() {
            "missing there" => format!("missing on {nodes}"),
            "missing here" => format!("missing on this node, not on {nodes}"),
            what => format!("{what} differs on {nodes}"),
        };
        output.line(&format!("{folder}: {path}: {how}"))?;
    }
    if verified.more_differences > 0 {
        output.line(&format!("and {} more", verified.more_differences))?;
    }
    for NotCompared { folder, path, node, why } in &verified.not_compared {
        output.line(&format!("{folder}: not compared: {path} on {node} ({why})"))?;
    }
    if verified.more_not_compared > 0 {
        output.line(&format!("and {} more not compared", verified.more_not_compared))?;
    }
    let has_said_why = |node: &String| {
        verified.not_compared.iter().any(|one| one.path == "." && one.node == *node)
    };
    for node in verified.missing.iter().filter(|node| !has_said_why(node)) {
        output.line(&format!(
            "{node}: its copy was not compared: it is not connected, or does not have the folder \
             open; see `syncline status`"
        ))?;
    }
    let read = format!("{} entries, {}", verified.entries, print::bytes(verified.bytes));
    let nodes = verified.nodes.join(", ");
    match (verified.differences.is_empty(), verified.nodes.len() > 1) {
        (true, true) if verified.identical => {
            output.answer(&format!("{read} are identical on {nodes}"))?;
        }
        (true, true) => output.answer(&format!("all else, {read}, is identical on {nodes}"))?,
        (true, false) => {
            output.answer(&format!("{read} were read; there was no other copy to compare with"))?;
        }
        (false, _) => {}
    }
    Ok(())
}
