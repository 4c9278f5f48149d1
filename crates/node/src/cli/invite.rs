//! `syncline invite`: a join code, alone on stdout.

use clap::Args;

use super::print::{self, Output};
use super::{parse_duration, Answer, Exit0, Globals};
use crate::control::Request;
use crate::view::Invited;

/// No code is good for longer than this, in milliseconds.
const EXPIRES_MS_MAX: u64 = 366 * 24 * 3600 * 1000;

/// Arguments of `invite`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// How many nodes it lets in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    uses: u32,
    /// How long it is good for
    #[arg(long, default_value = "1h", value_parser = lifetime)]
    expires: u64,
    /// Who comes in by it may admit others and define folders
    #[arg(long)]
    admin: bool,
}

fn lifetime(text: &str) -> Result<u64, String> {
    match parse_duration(text)? {
        0 => Err("a code that has expired lets nobody in".to_owned()),
        EXPIRES_MS_MAX.. => Err("a code is good for less than 366 days".to_owned()),
        ms => Ok(ms),
    }
}

/// Asks the daemon for a code.
///
/// # Errors
/// No daemon, or this node may not admit.
pub fn run(globals: &Globals, output: &Output, arguments: &Arguments) -> Answer {
    let Arguments { uses, expires: expires_ms, admin } = *arguments;
    let invited: Invited = globals.ask(&Request::Invite { uses, expires_ms, admin })?;
    if output.is_json() {
        output.json(&invited)?;
        return Ok(Exit0::Done);
    }
    output.note(&format!(
        "lets in {} node(s) until {}; on the other machine: syncline join CODE PATH",
        invited.uses,
        print::time(invited.expires_ms)
    ));
    // Last, so that a script that takes both streams finds it.
    output.line(&invited.code)?;
    Ok(Exit0::Done)
}
