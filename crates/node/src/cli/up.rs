//! `syncline up`: from nothing to a shared directory, in the foreground, with one command.
//!
//! It founds what is missing, runs the daemon, and is then a client of it like any other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::follow::follow;
use super::print::Output;
use super::{daemon, init, join, runtime, Answer, CliError, Globals};
use crate::config::{check_place, Config, Delay, FolderConfig, NodeSettings};
use crate::control::{self, Request};
use crate::home::Home;
use crate::membership;
use crate::view::{Done, Invited};

const INVITE_USES: u32 = 16;
const INVITE_MS: u64 = 24 * 3600 * 1000;

/// Arguments of `up`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The directory to share
    path: Option<PathBuf>,
    /// The folder's name in the cluster [default: the directory's name]
    #[arg(long = "name", value_name = "FOLDER")]
    folder: Option<String>,
    /// Hold this folder too (may be given several times)
    #[arg(long = "folder", env = "SYNCLINE_FOLDER", value_name = "NAME=PATH",
          value_delimiter = ',', value_parser = join::name_and_path)]
    folders: Vec<(String, PathBuf)>,
    #[command(flatten)]
    place: init::Place,
}

/// Founds, shares, runs.
///
/// # Errors
/// The home or the place cannot be used, or the daemon cannot run.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let home = Home::create(&globals.home_path()?)?;
    let one = arguments.path.iter().map(|path| (arguments.folder.as_deref(), path));
    let more = arguments.folders.iter().map(|(name, path)| (Some(name.as_str()), path));
    let shares = shares(&home, one.chain(more))?;
    // `--name` is the folder's here, so the node's can only come from the environment.
    let name = std::env::var("SYNCLINE_NAME").ok().filter(|name| !name.is_empty());
    let asked = init::Arguments { name, place: arguments.place };
    if home.read_cluster_map()?.is_none() {
        let _lock = home.lock()?;
        let (mut file, config) = init::prepare(&home, &asked)?;
        init::try_port(&config)?;
        let name = Some(config.name.clone());
        file.set_node(&NodeSettings { name, ..NodeSettings::default() });
        file.save()?;
        membership::found(&home, init::profile(&config))?;
    }
    let output = *output;
    let failed = Arc::new(Mutex::new(None));
    let told = failed.clone();
    let ended = daemon::run_home(globals, &home, &asked, move |home| {
        let home = home.clone();
        std::thread::spawn(move || match greet(&home, &output, shares) {
            Ok(()) => follow(&home, &output),
            Err(error) => {
                *told.lock().expect("no code panics while it holds this lock") = Some(error);
                if let Err(error) = end(&home) {
                    eprintln!("syncline: {error}");
                }
            }
        });
    });
    let failed = failed.lock().expect("no code panics while it holds this lock").take();
    failed.map_or(ended, Err)
}

/// What is to be shared, name and place of each, and none inside another.
fn shares<'a>(
    home: &Home,
    asked: impl Iterator<Item = (Option<&'a str>, &'a PathBuf)>,
) -> Result<Vec<(String, PathBuf)>, CliError> {
    let (_, mut config) = init::prepare(home, &init::Arguments::default())?;
    let mut shares = Vec::new();
    for (name, path) in asked {
        let Some((name, path)) = share(home, &config, path, name)? else { continue };
        let folder =
            FolderConfig { name: name.clone(), path: path.clone(), delay: Delay(0), paused: false };
        config.folders.push(folder);
        shares.push((name, path));
    }
    Ok(shares)
}

/// One that is to be shared: nothing if it is already, so that the same command works again.
fn share(
    home: &Home,
    config: &Config,
    path: &Path,
    name: Option<&str>,
) -> Result<Option<(String, PathBuf)>, CliError> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let held = config.folders.iter().find(|folder| folder.path == real);
    if held.is_some_and(|held| name.is_none_or(|name| held.name == name)) {
        return Ok(None);
    }
    let own = || real.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.map(str::to_owned).or_else(own).unwrap_or_else(|| "files".to_owned());
    let place = check_place(home.path(), config, &name, path)?;
    Ok(Some((name, place)))
}

/// Shares the directory and prints how others come in.
fn greet(home: &Home, output: &Output, shares: Vec<(String, PathBuf)>) -> Result<(), CliError> {
    let runtime = runtime()?;
    for (name, path) in shares {
        let request = Request::FolderAdd { name, path, delay_ms: 0 };
        let done: Done = runtime.block_on(control::call(home, &request, |_: Value| ()))?;
        output.note(&done.message);
    }
    let request = Request::Invite { uses: INVITE_USES, expires_ms: INVITE_MS, admin: false };
    let invited: Invited = runtime.block_on(control::call(home, &request, |_: Value| ()))?;
    if output.is_json() {
        return Ok(output.json(&invited)?);
    }
    output.note("on every other machine, for the next 24 hours:");
    output.line(&format!("syncline join {} PATH --run", invited.code))?;
    Ok(())
}

/// What it was started for cannot be done: the daemon ends in order.
fn end(home: &Home) -> Result<(), CliError> {
    let asked = control::call(home, &Request::Shutdown {}, |_: Value| ());
    let _done: Done = runtime()?.block_on(asked)?;
    Ok(())
}
