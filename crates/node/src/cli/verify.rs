//! `syncline verify`: reads the disks of all nodes and compares, by hash.

use clap::Args;

use super::print::{self, Output};
use super::progress::{words, Shower};
use super::{Answer, Exit0, Globals};
use crate::control::Request;
use crate::view::{Progress, Verified};

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
    for difference in &verified.differences {
        let nodes = difference.nodes.join(", ");
        output.line(&format!(
            "{}: {}: {} differs on {nodes}",
            difference.folder, difference.path, difference.what
        ))?;
    }
    if verified.more_differences > 0 {
        output.line(&format!("and {} more", verified.more_differences))?;
    }
    for node in &verified.missing {
        output.note(&format!("{node} did not answer: its copy was not compared"));
    }
    if verified.identical && verified.nodes.len() > 1 {
        output.note(&format!(
            "{} entries, {} are identical on {}",
            verified.entries,
            print::bytes(verified.bytes),
            verified.nodes.join(", ")
        ));
    } else if verified.identical {
        output.note(&format!(
            "{} entries, {} were read; there was no other copy to compare with",
            verified.entries,
            print::bytes(verified.bytes)
        ));
    }
    Ok(answer)
}
