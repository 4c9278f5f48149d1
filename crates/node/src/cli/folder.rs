//! `syncline folder`: what this node holds, and where.

use std::path::PathBuf;

use clap::Subcommand;

use super::print::{self, Output};
use super::{parse_duration, Answer, CliError, Exit0, Globals};
use crate::config::{check_place, Config, DELAY_MS_MAX};
use crate::control::{ControlError, Request};
use crate::view::{ConflictMode, Done, Folder};

/// What can be done with folders.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Share a directory, or hold a folder that the cluster has already
    Add {
        /// The folder's name in the cluster
        name: String,
        /// The directory to keep the same
        path: PathBuf,
        /// How long a change rests before it is sent
        #[arg(long, default_value = "0s", value_parser = parse_duration)]
        delay: u64,
        /// Where losers of concurrent edits go, on all nodes [default: as it is in the cluster, or
        /// store]
        #[arg(long, value_name = "store|beside", value_parser = ["store", "beside"])]
        conflicts: Option<String>,
        /// The node whose writes win against concurrent ones
        #[arg(long, value_name = "NODE")]
        prefer: Option<String>,
    },
    /// Set for the whole cluster what becomes of concurrent edits
    Set {
        /// The folder
        name: String,
        /// conflicts=store, conflicts=beside, prefer=NODE or prefer=none
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// List the folders (also without a daemon)
    List,
    /// Stop holding a folder here; its files stay
    Remove {
        /// The folder
        name: String,
    },
    /// Neither send nor apply anything until resumed
    Pause {
        /// The folder
        name: String,
    },
    /// Go on after a pause
    Resume {
        /// The folder
        name: String,
    },
    /// Read the whole tree again
    Rescan {
        /// The folder
        name: String,
    },
}

/// Does it.
///
/// # Errors
/// A wrong place, no such folder, no daemon.
pub fn run(globals: &Globals, output: &Output, command: Command) -> Answer {
    let mut then = None;
    let request = match command {
        Command::List => return list(globals, output),
        Command::Add { name, path, delay, conflicts, prefer } => {
            if !engine::cluster_map::is_label(&name) {
                return Err(CliError::Usage(format!(
                    "{name:?} cannot name a folder: 1 to 255 bytes, no control characters; nothing \
                     was changed"
                )));
            }
            if delay > DELAY_MS_MAX {
                let words = "--delay is at most 24h; nothing was changed";
                return Err(CliError::Usage(words.to_owned()));
            }
            let home = globals.home()?;
            let path = check_place(home.path(), &Config::read(&home.config())?, &name, &path)?;
            let settings = [("conflicts", conflicts), ("prefer", prefer)];
            let settings =
                settings.into_iter().filter_map(|(key, v)| Some(format!("{key}={}", v?)));
            let settings: Vec<String> = settings.collect();
            let set = Request::FolderSet { name: name.clone(), settings: settings.clone() };
            then = (!settings.is_empty()).then_some(set);
            Request::FolderAdd { name, path, delay_ms: delay }
        }
        Command::Remove { name } => Request::FolderRemove { name },
        Command::Set { name, settings } => Request::FolderSet { name, settings },
        Command::Pause { name } => Request::FolderPause { name },
        Command::Resume { name } => Request::FolderResume { name },
        Command::Rescan { name } => Request::FolderRescan { name },
    };
    for request in std::iter::once(request).chain(then) {
        let done: Done = globals.ask(&request)?;
        if output.is_json() {
            output.json(&done)?;
        }
        output.note(&done.message);
    }
    Ok(Exit0::Done)
}

fn list(globals: &Globals, output: &Output) -> Answer {
    let folders = match globals.ask_list(&Request::FolderList {}) {
        Err(CliError::Control(ControlError::NotRunning { .. })) => {
            output.note("no daemon is running: this is what the configuration says");
            configured(globals)?
        }
        other => other?,
    };
    if output.is_json() {
        output.json(&folders)?;
        return Ok(Exit0::Done);
    }
    let rows: Vec<Vec<String>> = folders.iter().map(row).collect();
    let empty = "no folders; share one with `syncline folder add NAME PATH`";
    output.table(&["name", "path", "state", "delay", "held by", "conflicts"], &rows, empty)?;
    Ok(Exit0::Done)
}

fn row(folder: &Folder) -> Vec<String> {
    let state = match (&folder.path, folder.paused) {
        (None, _) => "not held here",
        (Some(_), true) => "paused",
        (Some(_), false) => "on",
    };
    let holders =
        if folder.holders.is_empty() { "-".to_owned() } else { folder.holders.join(", ") };
    vec![
        folder.name.clone(),
        folder.path.clone().unwrap_or_else(|| "-".to_owned()),
        state.to_owned(),
        print::span(folder.delay_ms),
        holders,
        policy(folder),
    ]
}

fn policy(folder: &Folder) -> String {
    let mode = match folder.conflict_mode {
        None => "-",
        Some(ConflictMode::Store) => "store",
        Some(ConflictMode::Beside) => "beside",
    };
    let prefer = folder.prefer.as_ref().map(|node| format!(", prefer {node}"));
    mode.to_owned() + &prefer.unwrap_or_default()
}

fn configured(globals: &Globals) -> Result<Vec<Folder>, CliError> {
    let config = Config::read(&globals.home()?.config())?;
    let folders = config.folders.into_iter().map(|folder| Folder {
        name: folder.name,
        id: None,
        path: Some(folder.path.to_string_lossy().into_owned()),
        paused: folder.paused,
        delay_ms: folder.delay.0,
        holders: Vec::new(),
        conflict_mode: None,
        prefer: None,
    });
    Ok(folders.collect())
}
