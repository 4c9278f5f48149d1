//! `syncline join`: become a member with a code, and hold folders from the start.
//!
//! The daemon need not run. Places and the home are tried before anybody is asked, and the inviter
//! lets nobody in whose folders it does not have: a join that is refused changes nothing anywhere,
//! and the same command with other folders works again with the same code. Once the cluster knows
//! this node its key stays, whatever happens.

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
use crate::config::{check_place, Config, ConfigFile, Delay, FolderConfig, NodeSettings};
use crate::home::{self, Home, LOCK_FILE};
use crate::membership::{self, Entered, MembershipError};
use crate::net::identity::KEY_FILE;
use crate::net::invite::{JoinCode, Wish};
use crate::net::limits::WISHES_MAX;

/// A home must have this much room before anybody is asked: for the settings, the facts of a
/// cluster of some hundred nodes, and an index to begin with. In bytes.
const ROOM_BYTES: usize = 256 << 10;

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

/// Reads `NAME=PATH`.
///
/// # Errors
/// It is something else.
pub fn name_and_path(text: &str) -> Result<(String, PathBuf), String> {
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
    let ready = Ready::new(&home, &arguments).inspect_err(|_| before.restore())?;
    if output.is_live() {
        output.note(&format!("asking the inviting node at {}", code.addresses.join(", ")));
    }
    let entering = membership::enter(&home, &code, init::profile(&ready.config), &ready.wish);
    let entered = runtime()?.block_on(entering);
    let entered = entered.inspect_err(|error| {
        if membership::is_sure_no(error) {
            before.restore();
        }
    })?;
    let joined = ready.write_down(&home, entered)?;
    let next = if arguments.run { "" } else { "; next: `syncline daemon`" };
    report(output, &joined, next)?;
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

/// A join of which everything has been tried that can be, short of asking.
struct Ready {
    file: ConfigFile,
    config: Config,
    wish: Wish,
    places: Vec<PathBuf>,
}

impl Ready {
    fn new(home: &Home, arguments: &Arguments) -> Result<Ready, CliError> {
        membership::refuse_if_member(home)?;
        let (mut file, config) = init::prepare(home, &arguments.with.node)?;
        let named = NodeSettings { name: Some(config.name.clone()), ..NodeSettings::default() };
        file.set_node(&named);
        let (wish, paths) = wish(arguments)?;
        let places = places(home, &config, paths)?;
        if arguments.run {
            init::try_port(&config)?;
        }
        home.try_room(ROOM_BYTES)?;
        Ok(Ready { file, config, wish, places })
    }

    /// The cluster knows this node by now: settings and facts are written, or the key stays and
    /// the same command is to be given again.
    fn write_down(mut self, home: &Home, entered: Entered) -> Result<Joined, CliError> {
        let meant = membership::meant(entered.map(), &self.wish);
        let mut folders = Vec::new();
        for (name, path) in meant.iter().flatten().zip(self.places) {
            let (delay, paused) = (Delay(0), false);
            self.file.put_folder(&FolderConfig { name: name.clone(), path, delay, paused });
            folders.push(name.clone());
        }
        let settings = std::fs::read(home.config()).ok();
        self.file.save().map_err(|error| not_kept(home, &error))?;
        let inviter = entered.inviter.clone();
        let map = entered.keep(home).map_err(|error| {
            put_back(home, settings.as_deref());
            not_kept(home, &error)
        })?;
        meant.map_err(MembershipError::HoldsNone)?;
        Ok(Joined { name: self.config.name, inviter, folders, map })
    }
}

/// The places of all folders: each fit for it, and apart from the others.
fn places(home: &Home, config: &Config, paths: Places<'_>) -> Result<Vec<PathBuf>, CliError> {
    let mut places = Vec::new();
    let mut config = config.clone();
    for (at, (name, path)) in paths.iter().enumerate() {
        if paths[..at].iter().any(|(other, _)| other == name) {
            let words = format!("folder {name:?} is named twice; nothing was changed; keep one");
            return Err(CliError::Usage(words));
        }
        let place = check_place(home.path(), &config, name, path)?;
        let door = linux_door(&place);
        let unowned = check_unowned(&Linux::new(), &place, &door);
        unowned.map_err(|error| CliError::Failed(error.to_string()))?;
        config.folders.retain(|folder| folder.name != *name);
        let (name, path) = ((*name).to_owned(), place.clone());
        config.folders.push(FolderConfig { name, path, delay: Delay(0), paused: false });
        places.push(place);
    }
    Ok(places)
}

/// What went wrong behind the gate. Each step says of itself that it changed nothing; the whole
/// did.
fn not_kept(home: &Home, error: &dyn std::error::Error) -> MembershipError {
    let why = error.to_string().replace("; nothing was changed", "");
    MembershipError::NotKept { why, home: home.path().to_owned() }
}

/// The settings as they were: with half of a join in them the same command would trip over it.
fn put_back(home: &Home, settings: Option<&[u8]>) {
    match settings {
        // What cannot be put back is told by the next command that reads it.
        Some(bytes) => drop(home::replace(&home.config(), bytes)),
        None => drop(std::fs::remove_file(home.config())),
    }
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
