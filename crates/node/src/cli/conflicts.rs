//! `syncline conflicts`: what lost against a concurrent edit, and where its bytes are.

use std::path::Path;

use clap::Subcommand;

use super::print::{self, Output};
use super::{Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::{Conflict, ConflictShown};

/// Arguments of `conflicts`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be done with conflicts.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// List them
    List {
        /// Only this folder
        #[arg(long)]
        folder: Option<String>,
    },
    /// Write the losing version's bytes to stdout (of a symlink: its target); with --json: say
    /// where they are
    Show {
        /// From the list
        id: String,
    },
}

/// Does it.
///
/// # Errors
/// No daemon, no such conflict, or its bytes are not here yet.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    match arguments.command.unwrap_or(Command::List { folder: None }) {
        Command::List { folder } => list(globals, output, folder),
        Command::Show { id } => show(globals, output, id),
    }
}

fn list(globals: &Globals, output: &Output, folder: Option<String>) -> Answer {
    let conflicts: Vec<Conflict> = globals.ask_list(&Request::ConflictsList { folder })?;
    if output.is_json() {
        output.json(&conflicts)?;
        return Ok(Exit0::Done);
    }
    let rows: Vec<Vec<String>> = conflicts.iter().map(row).collect();
    let head = ["id", "folder", "path", "written by", "at", "size", "lost to"];
    output.table(&head, &rows, "no conflicts")?;
    Ok(Exit0::Done)
}

fn row(conflict: &Conflict) -> Vec<String> {
    vec![
        conflict.id.clone(),
        conflict.folder.clone(),
        conflict.path.clone(),
        conflict.node.clone(),
        print::time(conflict.time_ms),
        print::bytes(conflict.bytes),
        conflict.winner_node.clone(),
    ]
}

fn show(globals: &Globals, output: &Output, id: String) -> Answer {
    let shown: ConflictShown = globals.ask(&Request::ConflictsShow { id })?;
    if output.is_json() {
        output.json(&shown)?;
        return Ok(Exit0::Done);
    }
    let conflict = &shown.conflict;
    if let Some(target) = &conflict.link {
        output.line(target)?;
        return Ok(Exit0::Done);
    }
    let Some(place) = &shown.stored_at else {
        return Err(CliError::Failed(format!(
            "the bytes of conflict {} ({}) are not on this node yet; nothing was changed; they \
             come when a node that has them is connected (`syncline node list`)",
            conflict.id, conflict.path
        )));
    };
    let mut file = std::fs::File::open(Path::new(place)).map_err(|error| {
        CliError::Failed(format!("cannot read {place}: {error}; nothing was changed"))
    })?;
    std::io::copy(&mut file, &mut std::io::stdout())?;
    Ok(Exit0::Done)
}
