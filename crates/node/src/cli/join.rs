//! `syncline join`: become a member with a code, and hold folders from the start.
//!
//! The daemon need not run. Places are looked at before anybody is asked, and the inviter lets
//! nobody in whose folders it does not have: a join that is refused changes nothing anywhere, and
//! the same command with other folders works again with the same code.

use std::path::PathBuf;

use clap::Args;
use disk::linux::Linux;
use disk::root::{check_unowned, linux_door};
use engine::cluster_map::ClusterMap;
use serde_json::json;

use super::follow::follow;
use super::print::Output;
use super::{daemon, init};
use super::{runtime, Answer, CliError, Exit0, Globals};
use crate::config::{check_place, Delay, FolderConfig, NodeSettings};
use crate::home::{Home, LOCK_FILE};
use crate::membership::{self, MembershipError};
use crate::net::identity::KEY_FILE;
use crate::net::invite::{JoinCode, Wish};
use crate::net::join::JoinError;
use crate::net::limits::WISHES_MAX;

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

/// Joins, and holds the folders that were named.
///
/// # Errors
/// The code, the way, the folders or the home: each with what to do.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let code = JoinCode::decode(&arguments.code)
        .map_err(|error| CliError::Usage(format!("{error}; nothing was changed")))?;
    let path = globals.home_path()?;
    let (had_home, had_lock) = (path.exists(), path.join(LOCK_FILE).exists());
    let home = Home::create(&path)?;
    let lock = home.lock()?;
    let before = Before { home: path, had_home, had_lock, had_key: home.has_identity() };
    let joined = join(&home, output, &code, &arguments);
    let next = if arguments.run { "" } else { "; next: `syncline daemon`" };
    match joined {
        Ok(joined) => report(output, &joined, next)?,
        Err(error) => {
            if was_not_let_in(&error) {
                before.restore();
            }
            return Err(error);
        }
    }
    drop(lock);
    if arguments.run {
        let output = *output;
        return daemon::run_home(globals, &home, &init::Arguments::default(), move |home| {
            let home = home.clone();
            std::thread::spawn(move || follow(&home, &output));
        });
    }
    Ok(Exit0::Done)
}

/// What came of it.
struct Joined {
    name: String,
    inviter: String,
    folders: Vec<String>,
    map: ClusterMap,
}

fn join(
    home: &Home,
    output: &Output,
    code: &JoinCode,
    arguments: &Arguments,
) -> Result<Joined, CliError> {
    membership::refuse_if_member(home)?;
    let (mut file, config) = init::prepare(home, &arguments.with.node)?;
    let (wish, paths) = wish(arguments)?;
    let mut places = Vec::new();
    for (name, path) in paths {
        let place = check_place(home.path(), &config, name, path)?;
        let door = linux_door(&place);
        let unowned = check_unowned(&Linux::new(), &place, &door);
        unowned.map_err(|error| CliError::Failed(error.to_string()))?;
        places.push(place);
    }
    if arguments.run {
        init::try_port(&config)?;
    }
    if output.is_live() {
        output.note(&format!("asking the inviting node at {}", code.addresses.join(", ")));
    }
    let entering = membership::enter(home, code, init::profile(&config), &wish);
    let entered = runtime()?.block_on(entering)?;
    let meant = membership::meant(entered.map(), &wish);
    let named = NodeSettings { name: Some(config.name.clone()), ..NodeSettings::default() };
    file.set_node(&named);
    let mut folders = Vec::new();
    for (name, place) in meant.iter().flatten().zip(places) {
        let path = check_place(home.path(), &file.check()?, name, &place)?;
        let (delay, paused) = (Delay(0), false);
        file.put_folder(&FolderConfig { name: name.clone(), path, delay, paused });
        folders.push(name.clone());
    }
    file.save()?;
    let inviter = entered.inviter.clone();
    let map = entered.keep(home)?;
    meant.map_err(MembershipError::HoldsNone)?;
    Ok(Joined { name: config.name, inviter, folders, map })
}

/// Where each folder is to be held.
type Places<'a> = Vec<(&'a str, &'a PathBuf)>;

/// What the arguments ask for: for the inviter, and the name and place of each. One path alone is
/// for whatever folder the cluster has.
fn wish(arguments: &Arguments) -> Result<(Wish, Places<'_>), CliError> {
    if let Some(path) = &arguments.path {
        return Ok((Wish::TheOne, vec![("", path)]));
    }
    let all = &arguments.with.folder;
    if all.len() > WISHES_MAX {
        return Err(CliError::Usage(format!(
            "at most {WISHES_MAX} folders can be named here; nothing was changed; add the others \
             later with `syncline folder add`"
        )));
    }
    let paths = all.iter().map(|(name, path)| (name.as_str(), path)).collect();
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    Ok((if names.is_empty() { Wish::Nothing } else { Wish::These(names) }, paths))
}

/// Whether it is sure that the cluster knows nothing of this node: where an answer was lost, or
/// something went wrong behind it, the key must stay for another try.
fn was_not_let_in(error: &CliError) -> bool {
    match error {
        CliError::Membership(MembershipError::Join(error)) => {
            !matches!(error, JoinError::Unreachable(_))
        }
        CliError::Membership(MembershipError::AlreadyMember { .. }) => false,
        CliError::Membership(_) | CliError::Home(_) | CliError::Output(_) => false,
        CliError::Usage(_) | CliError::Config(_) | CliError::Failed(_) => true,
        CliError::Control(_) => false,
    }
}

/// What was there before a join that may be refused; known once the home is taken.
struct Before {
    home: PathBuf,
    had_home: bool,
    had_lock: bool,
    had_key: bool,
}

impl Before {
    /// Takes away what the join made. What cannot go does no harm.
    fn restore(&self) {
        if !self.had_key {
            drop(std::fs::remove_file(self.home.join(KEY_FILE)));
        }
        if !self.had_lock {
            drop(std::fs::remove_file(self.home.join(LOCK_FILE)));
        }
        if !self.had_home {
            drop(std::fs::remove_dir(&self.home));
        }
    }
}

fn report(output: &Output, joined: &Joined, next: &str) -> Result<(), CliError> {
    let Joined { name, inviter, folders, map } = joined;
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
