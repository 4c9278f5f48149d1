//! `syncline log`: what happened to which path, when, from whom.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::Value;

use super::print::{self, Output};
use super::{Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::{LogEntry, LogEvent};

/// Arguments of `log`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Show what happens from now on (with `-n`, after the last N)
    #[arg(short, long)]
    follow: bool,
    /// Only the last N of what has happened
    #[arg(short = 'n', long = "lines", value_name = "N")]
    last: Option<u64>,
    /// Only this folder
    #[arg(long)]
    folder: Option<String>,
    /// Only these paths: `*` within a name, `**` across directories
    #[arg(long, value_name = "GLOB")]
    path: Option<String>,
}

/// Prints the log, oldest first.
///
/// # Errors
/// No daemon.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let Arguments { follow, last, folder, path: glob } = arguments;
    let last = last.or(follow.then_some(0));
    let mut shown = ControlFlow::Continue(());
    let request = Request::Log { follow, last, folder, glob };
    let _end: Value = globals.ask_items(&request, |entry: LogEntry| {
        if shown.is_continue() {
            let printed = match output.is_json() {
                true => output.json(&entry),
                false => output.line(&line(&entry)),
            };
            if let Err(error) = printed {
                end_if_closed(&error);
                shown = ControlFlow::Break(error);
            }
        }
    })?;
    match shown {
        ControlFlow::Continue(()) => Ok(Exit0::Done),
        ControlFlow::Break(error) => Err(CliError::Output(error)),
    }
}

/// A reader that has gone (`log -f | head`) ends the command at once: with `-f` nothing else would.
fn end_if_closed(error: &std::io::Error) {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
}

fn line(entry: &LogEntry) -> String {
    let event = match entry.event {
        LogEvent::Create => "create",
        LogEvent::Edit => "edit",
        LogEvent::Attributes => "attributes",
        LogEvent::Rename => "rename",
        LogEvent::Delete => "delete",
        LogEvent::Conflict => "conflict",
        LogEvent::Rescued => "rescued",
        LogEvent::Damaged => "damaged",
    };
    let mut out = format!("{} {} ", print::time(entry.time_ms), entry.folder);
    let side = if entry.local { "here" } else { "from" };
    out.push_str(&format!("{side} {:<12} {event:<10} ", entry.node));
    if let Some(from) = &entry.from {
        out.push_str(&format!("{from} -> "));
    }
    out.push_str(&entry.path);
    if let Some(detail) = &entry.detail {
        out.push_str(&format!(": {detail}"));
    }
    out
}
