//! `syncline join`: become a member with a code, and hold folders from the start.
//!
//! The daemon need not run. Nothing is written down before it is clear which folders are meant, so
//! the same command with other folders works again with the same code.

use std::path::PathBuf;

use clap::Args;
use engine::cluster_map::ClusterMap;
use serde_json::json;

use super::follow::follow;
use super::print::Output;
use super::{daemon, init};
use super::{runtime, Answer, CliError, Exit0, Globals};
use crate::config::{check_place, Delay, FolderConfig, NodeSettings};
use crate::home::Home;
use crate::membership;
use crate::net::invite::JoinCode;

/// Arguments of `join`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// What `syncline invite` or `syncline up` printed on another node
    #[arg(env = "SYNCLINE_JOIN", hide_env_values = true)]
    pub code: String,
    /// Hold the cluster's one folder here
    #[arg(conflicts_with = "folder")]
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub with: With,
    /// Stay in the foreground as the node's daemon
    #[arg(long)]
    pub run: bool,
}

/// What goes with a join wherever the code comes from.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct With {
    /// Hold this folder here (may be given several times)
    #[arg(long, env = "SYNCLINE_FOLDER", value_name = "NAME=PATH", value_delimiter = ',',
          value_parser = name_and_path)]
    pub folder: Vec<(String, PathBuf)>,
    #[command(flatten)]
    pub node: init::Arguments,
}

fn name_and_path(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err(format!("{text:?} is not NAME=PATH")),
    }
}

/// Joins and returns the names of the folders held from now on.
///
/// # Errors
/// The code, the way, the folders or the home: each with what to do.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let code = JoinCode::decode(&arguments.code)
        .map_err(|error| CliError::Usage(format!("{error}; nothing was changed")))?;
    let home = Home::create(&globals.home_path()?)?;
    let lock = home.lock()?;
    membership::refuse_if_member(&home)?;
    let (mut file, config) = init::prepare(&home, &arguments.with.node)?;
    let asked: Vec<(&str, &PathBuf)> = match &arguments.path {
        Some(path) => vec![("", path)],
        None => arguments.with.folder.iter().map(|(name, path)| (name.as_str(), path)).collect(),
    };
    for (name, path) in &asked {
        check_place(home.path(), &config, name, path)?;
    }
    if arguments.run {
        init::try_port(&config)?;
    }
    if output.is_live() {
        output.note(&format!("asking the inviting node at {}", code.addresses.join(", ")));
    }
    let entering = membership::enter(&home, &code, init::profile(&config));
    let entered = runtime()?.block_on(entering)?;
    let mut names = Vec::new();
    for (name, path) in asked {
        let name = if name.is_empty() { the_one_folder(entered.map())? } else { name.to_owned() };
        if entered.map().folder_called(&name).is_none() {
            return Err(no_such_folder(&name, entered.map()));
        }
        let path = check_place(home.path(), &file.check()?, &name, path)?;
        let (delay, paused) = (Delay(0), false);
        file.put_folder(&FolderConfig { name: name.clone(), path, delay, paused });
        names.push(name);
    }
    let named = NodeSettings { name: Some(config.name.clone()), ..NodeSettings::default() };
    file.set_node(&named);
    file.save()?;
    let inviter = entered.inviter.clone();
    let map = entered.keep(&home)?;
    let next = if arguments.run { "" } else { "; next: `syncline daemon`" };
    report(output, &config.name, &inviter, (&names, next), &map)?;
    drop(lock);
    if arguments.run {
        let output = *output;
        return daemon::run_home(globals, &home, move |home| {
            let home = home.clone();
            std::thread::spawn(move || follow(&home, &output));
        });
    }
    Ok(Exit0::Done)
}

fn report(
    output: &Output,
    name: &str,
    inviter: &str,
    (folders, next): (&[String], &str),
    map: &ClusterMap,
) -> Result<(), CliError> {
    if output.is_json() {
        let cluster = map.cluster().to_string();
        output.json(&json!({ "node": name, "cluster": cluster, "folders": folders }))?;
    }
    let others = map.members().len().saturating_sub(1);
    output.note(&format!("joined as {name:?} through {inviter:?}; {others} other node(s)"));
    if folders.is_empty() {
        let known = labels(map);
        output.note(&format!(
            "no folder is held here yet{}; start `syncline daemon`, then `syncline folder add \
             NAME PATH`",
            if known.is_empty() { String::new() } else { format!(" (the cluster has: {known})") }
        ));
    } else {
        output.note(&format!("holds {}{next}", folders.join(", ")));
    }
    Ok(())
}

fn labels(map: &ClusterMap) -> String {
    let all = map.folders().values().filter(|folder| !folder.removed);
    all.map(|folder| folder.label.as_str()).collect::<Vec<_>>().join(", ")
}

fn the_one_folder(map: &ClusterMap) -> Result<String, CliError> {
    let mut live = map.folders().values().filter(|folder| !folder.removed);
    match (live.next(), live.next()) {
        (Some(folder), None) => Ok(folder.label.clone()),
        (None, _) => Err(CliError::Usage(
            "the cluster has no folder yet; nothing was changed here; join without PATH, or add \
             the folder on its first node before"
                .to_owned(),
        )),
        (Some(_), Some(_)) => Err(CliError::Usage(format!(
            "the cluster has several folders ({}); nothing was changed here; say which with \
             --folder NAME=PATH (the same code works again)",
            labels(map)
        ))),
    }
}

fn no_such_folder(name: &str, map: &ClusterMap) -> CliError {
    let known = labels(map);
    let known = if known.is_empty() { "none".to_owned() } else { known };
    CliError::Usage(format!(
        "the cluster has no folder {name:?} (it has: {known}); nothing was changed here; the same \
         code works again"
    ))
}
