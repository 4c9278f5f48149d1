//! `syncline daemon`: runs the node in the foreground.
//!
//! For unattended starts a home without identity joins first, with the code in `SYNCLINE_JOIN`.

use super::print::Output;
use super::progress::Aside;
use super::{init, join};
use super::{Answer, CliError, Exit0, Globals};
use crate::config::NodeSettings;
use crate::home::Home;
use crate::{daemon, log};

/// Arguments of `daemon`: a code and folders only matter before there is an identity.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Join with this code if the home has no identity yet
    #[arg(long, env = "SYNCLINE_JOIN", hide_env_values = true, value_name = "CODE")]
    join: Option<String>,
    #[command(flatten)]
    with: join::With,
}

/// Runs until it is told to stop.
///
/// # Errors
/// No node in the home and no code, another daemon on it, a port in use.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let path = globals.home_path()?;
    let asked = arguments.with.node.clone();
    if let Some(code) = arguments.join {
        let is_member = path.exists() && Home::open(&path)?.read_cluster_map()?.is_some();
        if !is_member {
            let joining = join::Arguments { code, path: None, with: arguments.with, run: true };
            return join::run(globals, output, joining);
        }
    }
    run_home(globals, &globals.home()?, &asked, |_| ())
}

/// Runs the daemon on a home, with these settings from now on; `ready` is called once it serves its
/// control socket.
pub fn run_home(
    globals: &Globals,
    home: &Home,
    asked: &init::Arguments,
    ready: impl FnOnce(&Home) + Send,
) -> Answer {
    log::start(globals.verbose, globals.quiet, || Aside);
    let lock = home.lock()?;
    if asked.settings() != NodeSettings::default() {
        let (file, _) = init::prepare(home, asked)?;
        file.save()?;
    }
    daemon::run(home, lock, || ready(home))
        .map(|()| Exit0::Done)
        .map_err(|error| CliError::Failed(error.to_string()))
}
