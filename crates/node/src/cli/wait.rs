//! `syncline wait`: the barrier. Exit 0 only when it is true, 3 when nobody is there, 5 too late.

use clap::Args;

use super::print::{self, Output};
use super::{parse_duration, Answer, Exit0, Globals};
use crate::control::Request;
use crate::view::Waited;

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
    let waited: Waited = globals.ask(&Request::Wait { folder, timeout_ms, all })?;
    if output.is_json() {
        output.json(&waited)?;
    }
    for path in &waited.open_files {
        output.note(&format!("still open for writing, so not covered: {path}"));
    }
    output.note(&format!(
        "everything is on {} after {}",
        waited.members.join(", "),
        print::span(waited.elapsed_ms)
    ));
    Ok(Exit0::Done)
}
