//! The command line: arguments in, one subcommand called, an exit code out.
//!
//! Exit codes are the contract's: 0 done, 1 failed, 2 wrong usage, 3 asked and the answer is no,
//! 5 timed out. What a command shows goes to stdout, everything else to stderr. Nothing is decided
//! here; called by `main.rs`.

mod config;
mod conflicts;
mod daemon;
mod demo;
mod folder;
mod follow;
mod init;
mod invite;
mod join;
mod log;
mod node;
mod print;
mod progress;
mod status;
mod up;
mod verify;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::ConfigError;
use crate::control::{self, ControlError, Exit, Request};
use crate::home::{self, Home, HomeError};
use crate::membership::MembershipError;
use crate::net::invite::JoinRefusal;
use crate::net::join::JoinError;
use print::Output;

/// Shown under the list of commands.
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 asked, and the answer is no; 5 timed out.
Errors go to stderr and say what failed, whether anything was changed, and what to do.";

/// Keeps folders the same on every machine of a cluster, in real time, in every direction.
#[derive(Parser, Debug)]
#[command(name = "syncline", version, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// The node's home directory [default: /var/lib/syncline for root, else
    /// $XDG_STATE_HOME/syncline]
    #[arg(long, global = true, env = home::HOME_VARIABLE, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Whether the home was named by an argument.
    #[arg(skip)]
    names_home: bool,
    /// Print JSON with stable keys
    #[arg(long, global = true)]
    json: bool,
    /// Print nothing but errors and what was asked for
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log more (twice: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Three nodes on this machine, to try it out
    Demo(demo::Arguments),
    /// Share a directory from here and run in the foreground
    Up(up::Arguments),
    /// Run the node in the foreground
    Daemon(daemon::Arguments),
    /// Join a cluster with a code from `syncline invite`
    Join(join::Arguments),
    /// Create a node and a new cluster in the home
    Init(init::Arguments),
    /// Print a join code
    Invite(invite::Arguments),
    /// Add, list, set, remove, pause, resume, rescan folders
    #[command(subcommand)]
    Folder(folder::Command),
    /// List the nodes of the cluster
    #[command(subcommand)]
    Node(node::Command),
    /// Folders, nodes, lag, health; exit 3 when something is behind or wrong
    Status(status::Arguments),
    /// Return once every change made here before is on the other members
    Wait(wait::Arguments),
    /// Compare content on all nodes, by hash; exit 3 if anything differs
    Verify(verify::Arguments),
    /// What happened to which path, when, from whom
    Log(log::Arguments),
    /// List (that is the default), show, keep and drop what lost against a concurrent edit
    Conflicts(conflicts::Arguments),
    /// Check the configuration file
    #[command(subcommand)]
    Config(config::Command),
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments make no sense together, or name what is not there.
    #[error("{0}")]
    Usage(String),
    /// The machine got in the way.
    #[error("{0}")]
    Failed(String),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The membership.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The daemon, or the way to it.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// What a command that was done tells the shell.
pub type Answer = Result<Exit0, CliError>;

/// 0 or 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit0 {
    /// Done.
    Done,
    /// Asked, and the answer is no.
    No,
}

impl CliError {
    fn exit(&self) -> u8 {
        match self {
            CliError::Usage(_) => Exit::Usage.code(),
            CliError::Control(ControlError::Failed(failure)) => failure.exit.code(),
            CliError::Membership(MembershipError::Join(JoinError::Refused(
                JoinRefusal::Folders(_),
            ))) => Exit::Usage.code(),
            _ => Exit::Failed.code(),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    demo::end_with_parent();
    let matches = Cli::command().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // What the environment says about another node is nothing that the demo was asked for.
    cli.globals.names_home = matches.value_source("home") == Some(ValueSource::CommandLine);
    let output = Output::new(cli.globals.json, cli.globals.quiet);
    match run(cli, &output) {
        Ok(Exit0::Done) => ExitCode::SUCCESS,
        Ok(Exit0::No) => ExitCode::from(Exit::No.code()),
        // The reader of a pipe has seen enough: `syncline log | head`.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("syncline: {error}");
            ExitCode::from(error.exit())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Answer {
    let globals = &cli.globals;
    match cli.command {
        Command::Demo(arguments) => demo::run(globals, output, &arguments),
        Command::Up(arguments) => up::run(globals, output, arguments),
        Command::Daemon(arguments) => daemon::run(globals, output, arguments),
        Command::Join(arguments) => join::run(globals, output, arguments),
        Command::Init(arguments) => init::run(globals, output, arguments),
        Command::Invite(arguments) => invite::run(globals, output, &arguments),
        Command::Folder(command) => folder::run(globals, output, command),
        Command::Node(command) => node::run(globals, output, &command),
        Command::Status(arguments) => status::run(globals, output, &arguments),
        Command::Wait(arguments) => wait::run(globals, output, arguments),
        Command::Verify(arguments) => verify::run(globals, output, arguments),
        Command::Log(arguments) => log::run(globals, output, arguments),
        Command::Conflicts(arguments) => conflicts::run(globals, output, arguments),
        Command::Config(command) => config::run(globals, output, &command),
    }
}

impl Globals {
    fn home_path(&self) -> Result<PathBuf, HomeError> {
        home::locate(self.home.as_deref())
    }

    /// The home of a node that is expected to be there.
    fn home(&self) -> Result<Home, CliError> {
        let path = self.home_path()?;
        if !path.exists() {
            return Err(MembershipError::NotInitialised(path).into());
        }
        Ok(Home::open(&path)?)
    }

    /// Asks the daemon, handing every item on.
    fn ask_items<T: DeserializeOwned, I: DeserializeOwned>(
        &self,
        request: &Request,
        item: impl FnMut(I),
    ) -> Result<T, CliError> {
        let home = self.home()?;
        if home.read_cluster_map()?.is_none() {
            return Err(MembershipError::NotInitialised(home.path().to_owned()).into());
        }
        Ok(runtime()?.block_on(control::call(&home, request, item))?)
    }

    /// Asks the daemon for one answer.
    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, CliError> {
        self.ask_items(request, |_: Value| ())
    }

    /// Asks the daemon for a list.
    fn ask_list<I: DeserializeOwned>(&self, request: &Request) -> Result<Vec<I>, CliError> {
        let mut list = Vec::new();
        let _end: Value = self.ask_items(request, |item| list.push(item))?;
        Ok(list)
    }
}

/// A small runtime for one command.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| CliError::Failed(format!("cannot start: {error}; nothing was changed")))
}

fn parse_duration(text: &str) -> Result<u64, String> {
    crate::config::duration_ms(text)
        .ok_or_else(|| format!("{text:?} is no duration; write a number with ms, s, m, h or d"))
}
