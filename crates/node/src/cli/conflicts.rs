//! `syncline conflicts`: what lost against a concurrent edit, where its bytes are, and what is to
//! become of it.

use std::path::Path;

use clap::Subcommand;

use super::print::{self, Output};
use super::{Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::{Conflict, ConflictShown, Done};

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
    /// Make the losing version the file again, on every node; what is there now goes to the trash
    Keep {
        /// From the list
        id: String,
        /// Make it a file of its own instead, at this path in the folder, which must be free
        #[arg(long = "as", value_name = "PATH")]
        as_path: Option<String>,
    },
    /// End conflicts for good: the losing versions go to the trash of every node
    Drop {
        /// From the list
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Does it.
///
/// # Errors
/// No daemon, no such conflict, its bytes are not here yet, or the folder is not at work.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    match arguments.command.unwrap_or(Command::List { folder: None }) {
        Command::List { folder } => list(globals, output, folder),
        Command::Show { id } => show(globals, output, id),
        Command::Keep { id, as_path } => {
            say(globals, output, &[Request::ConflictsKeep { id, as_path }])
        }
        Command::Drop { ids } => {
            let all = ids.into_iter().map(|id| Request::ConflictsDrop { id });
            say(globals, output, &all.collect::<Vec<_>>())
        }
    }
}

/// Hands a person's words on, one after another; the first that is not taken ends it.
fn say(globals: &Globals, output: &Output, words: &[Request]) -> Answer {
    for request in words {
        let done: Done = globals.ask(request)?;
        if output.is_json() {
            output.json(&done)?;
        }
        output.note(&done.message);
    }
    Ok(Exit0::Done)
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
