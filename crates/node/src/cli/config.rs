//! `syncline config`: whether the configuration file is right. Needs no daemon.

use clap::Subcommand;
use serde_json::json;

use super::print::Output;
use super::{Answer, Exit0, Globals};
use crate::config::{check_place, Config};

/// What can be done with the configuration.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Check it: every key, every folder's place
    Check,
}

/// Does it.
///
/// # Errors
/// What is wrong, on which line, and how to put it right.
pub fn run(globals: &Globals, output: &Output, command: &Command) -> Answer {
    let Command::Check = command;
    let home = globals.home()?;
    let config = Config::read(&home.config())?;
    for folder in &config.folders {
        check_place(home.path(), &config, &folder.name, &folder.path)?;
    }
    let path = home.config();
    if output.is_json() {
        let folders = config.folders.len();
        output.json(&json!({ "file": path.to_string_lossy(), "folders": folders }))?;
    }
    output.answer(&format!("{}: in order, {} folder(s)", path.display(), config.folders.len()))?;
    Ok(Exit0::Done)
}
