//! `syncline wait`: the barrier. Exit 0 only when it is true, 3 when nobody is there, 5 too late.

use clap::Args;

use super::print::{self, Output};
use super::progress::{words, Shower};
use super::{parse_duration, Answer, Exit0, Globals};
use crate::control::{Request, WaitProgress};
use crate::view::{Progress, Waited};

/// Arguments of `wait`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Only this folder
    folder: Option<String>,
    /// Give up after this, with exit code 5
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: u64,
    /// Every member, not only those that are connected
    #[arg(long)]
    all: bool,
}

/// Asks the daemon and waits as long as it does.
///
/// # Errors
/// No daemon, timed out, or nobody to wait for.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let Arguments { folder, timeout: timeout_ms, all } = arguments;
    let mut shower = Shower::new(output);
    let request = Request::Wait { folder, timeout_ms, all };
    let waited: Waited = globals.ask_items(&request, |at: WaitProgress| {
        shower.show(on_its_way(&at));
    })?;
    shower.finish();
    if output.is_json() {
        output.json(&waited)?;
    }
    for path in &waited.open_files {
        output.note(&format!("still open for writing, so not covered: {path}"));
    }
    if !waited.not_awaited.is_empty() {
        output.note(&format!(
            "not waited for, because not connected: {} (--all waits for every member)",
            waited.not_awaited.join(", ")
        ));
    }
    for path in &waited.unread {
        output.note(&format!("cannot be read here, so no other node has it as it is: {path}"));
    }
    if !waited.unread.is_empty() {
        return Ok(Exit0::No);
    }
    let span = print::span(waited.elapsed_ms);
    match waited.members.is_empty() {
        true => output.answer("no other node holds it: there is nobody to wait for")?,
        false => {
            let members = waited.members.join(", ");
            output.answer(&format!("everything is on {members} after {span}"))?;
        }
    }
    Ok(Exit0::Done)
}

/// What is lacking: somebody who is not there says more than a count.
fn on_its_way(at: &WaitProgress) -> String {
    // No time left: more may come to what is waited for, and who is away takes none.
    let count = format!("on its way: {}", words(&Progress { elapsed_ms: 0, ..at.progress }));
    let is_all_there = at.progress.total.is_none_or(|total| at.progress.done >= total);
    match (at.absent.is_empty(), is_all_there) {
        (true, _) => count,
        (false, true) => format!("waiting for {}", at.absent.join(", ")),
        (false, false) => format!("{count}; waiting for {}", at.absent.join(", ")),
    }
}

#[cfg(test)]
mod tests;
