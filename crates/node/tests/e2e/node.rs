//! One machine of the lab: its commands, its daemon, its end.
//!
//! Every command runs under a deadline. The environment is empty, as under a service manager.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use node::view::{Conflict, FolderStatus, Status};

use crate::lab::{tool, tools, until, Outcome, FOLDER};

/// Seconds after which a command that hangs is ended.
const COMMAND_LIMIT_S: &str = "120";
/// Names another build of the program to be tried: the one that ships.
const PROGRAM_VARIABLE: &str = "E2E_PROGRAM";
/// The copy of the program that another user runs.
const OWN_BINARY: &str = "syncline-of-this-user";
/// Scans are counted by their lines.
const LOG_LEVEL: &str = "warn,syncline=info,node=info,node::folder::look=debug";
const WATCHES_MAX: &str = "/proc/sys/user/max_inotify_watches";
const LOG_LINES: usize = 15;
const PORT: u16 = 7420;

/// What one run of the program gave.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output, as it came.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Failed with this code and these words.
    pub fn refused(&self, code: i32, words: &[&str]) -> Outcome {
        let lacking: Vec<&&str> =
            words.iter().filter(|word| !self.stderr.contains(**word)).collect();
        if self.code != code || !lacking.is_empty() {
            let text =
                format!("expected exit {code} with {words:?}, got {}: {}", self.code, self.stderr);
            return Err(text.into());
        }
        Ok(())
    }
}

/// The program that is tried.
fn binary() -> PathBuf {
    let other = std::env::var_os(PROGRAM_VARIABLE);
    other.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_syncline")), PathBuf::from)
}

/// One machine.
pub struct Node {
    /// `a`, `b`, `c`.
    pub name: String,
    /// Its filesystem; home and tree lie on it.
    pub place: PathBuf,
    /// The node's home.
    pub home: PathBuf,
    /// What is kept the same.
    pub tree: PathBuf,
    /// Its network namespace.
    pub space: String,
    /// Its address in the lab.
    pub address: String,
    /// Whom daemon and commands run as; root if none.
    pub user: Option<u32>,
    /// How many directories the daemon may watch, if it is to be short of them.
    pub watches_max: Option<u32>,
    process: Option<Child>,
}

impl Node {
    /// A machine with an empty tree.
    pub fn new(name: &str, place: &Path, space: &str, address: &str) -> Outcome<Node> {
        let node = Node {
            name: name.to_owned(),
            place: place.to_owned(),
            home: place.join("home"),
            tree: place.join("tree"),
            space: space.to_owned(),
            address: address.to_owned(),
            user: None,
            watches_max: None,
            process: None,
        };
        std::fs::create_dir(&node.tree)?;
        Ok(node)
    }

    /// A second node on the same machine and tree, with a home of its own.
    pub fn beside(&self, home: &Path) -> Node {
        Node {
            name: format!("{}-beside", self.name),
            place: home.to_owned(),
            home: home.to_owned(),
            tree: self.tree.clone(),
            space: self.space.clone(),
            address: self.address.clone(),
            user: None,
            watches_max: None,
            process: None,
        }
    }

    /// The tree's path.
    pub fn tree_text(&self) -> String {
        self.tree.to_string_lossy().into_owned()
    }

    /// What lasts on this machine until it is started again.
    pub fn runtime(&self) -> PathBuf {
        self.place.join("run")
    }

    /// Where peers reach it.
    pub fn listen(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    /// From now on everything here is done as `user`, with a copy of the program: the original may
    /// lie where only root can go.
    pub fn become_user(&mut self, user: u32) -> Outcome {
        std::fs::copy(binary(), self.place.join(OWN_BINARY))?;
        self.user = Some(user);
        Ok(())
    }

    /// The program on this machine; `before` stands in front of it.
    fn program(&self, home: &Path, before: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.space));
        let mut binary = binary();
        if let Some(user) = self.user {
            binary = self.place.join(OWN_BINARY);
            let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
            command.args(["setpriv", &user, &group, "--clear-groups"]);
        }
        command.args(before).arg(binary);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SYNCLINE_RUNTIME_DIR", self.runtime());
        command.arg("--home").arg(home).stdin(Stdio::null());
        command
    }

    /// Runs a command on a home of this machine.
    pub fn run_on(&self, home: &Path, arguments: &[&str]) -> Outcome<Run> {
        let mut command = self.program(home, &["timeout", "-k", "5", COMMAND_LIMIT_S]);
        let output = command.args(arguments).output()?;
        Ok(Run {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command on the node's home.
    pub fn run(&self, arguments: &[&str]) -> Outcome<Run> {
        self.run_on(&self.home, arguments)
    }

    /// Runs a command that must be done.
    pub fn ok(&self, arguments: &[&str]) -> Outcome<String> {
        let run = self.run(arguments)?;
        if run.code != 0 {
            let text = format!("{}: {arguments:?} gave {}: {}", self.name, run.code, run.stderr);
            return Err(text.into());
        }
        Ok(String::from_utf8_lossy(&run.stdout).into_owned())
    }

    /// Runs a script in the tree as the user that the node became.
    pub fn as_user(&self, script: &str) -> Outcome {
        let user = self.user.ok_or("the node is run by root")?;
        let line = format!("cd '{}' && {script}", self.tree_text());
        let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
        tool(&["setpriv", &user, &group, "--clear-groups", "sh", "-c", &line])?;
        Ok(())
    }

    /// A node and a cluster of its own.
    pub fn init(&self) -> Outcome {
        self.ok(&["init", "--name", &self.name, "--listen", &self.listen(), "--http", "off"])?;
        Ok(())
    }

    /// Joins and holds the folder.
    pub fn join(&self, code: &str) -> Outcome {
        let listen = self.listen();
        let folder = format!("{FOLDER}={}", self.tree.display());
        let place = ["--listen", &listen, "--http", "off", "--folder", &folder];
        self.ok(&[&["join", code, "--name", &self.name][..], &place].concat())?;
        Ok(())
    }

    /// A join code.
    pub fn invite(&self, options: &[&str]) -> Outcome<String> {
        Ok(self.ok(&[&["invite"], options].concat())?.trim().to_owned())
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) -> Outcome {
        self.spawn()?;
        until(&format!("{} answers", self.name), || {
            if let Some(ended) = self.process.as_mut().map(Child::try_wait).transpose()?.flatten() {
                return Err(format!("{} ended ({ended}):\n{}", self.name, self.log_end()).into());
            }
            Ok(matches!(self.run(&["status", "--check"])?.code, 0 | 3).then_some(()))
        })
    }

    /// Starts the daemon and waits for nothing.
    pub fn spawn(&mut self) -> Outcome {
        let log = File::options().create(true).append(true).open(self.log())?;
        // The limit belongs to a user namespace; in one of its own nobody else is short of watches.
        let limit = self.watches_max.map(|max| format!("echo {max} >{WATCHES_MAX}; exec \"$@\""));
        let before = limit.as_ref().map(|line| ["unshare", "-r", "sh", "-c", line, "sh"]);
        let mut command = self.program(&self.home, before.as_ref().map_or(&[], |line| &line[..]));
        let level = std::env::var("E2E_LOG").unwrap_or_else(|_| LOG_LEVEL.to_owned());
        command.arg("daemon").env("SYNCLINE_LOG", level).env("RUST_BACKTRACE", "1");
        // Its own group: an interrupt at the terminal ends the trials, and these end the daemons.
        let spawned = command.stdout(Stdio::null()).stderr(log).process_group(0).spawn()?;
        self.process = Some(spawned);
        Ok(())
    }

    /// Whether this side has started it and not ended it.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The daemon's process: `nsenter` and `setpriv` became it.
    pub fn pid(&self) -> Outcome<u32> {
        Ok(self.process.as_ref().ok_or("the daemon is not running")?.id())
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) -> Outcome {
        tools(&format!("kill -{name} {}", self.pid()?))?;
        Ok(())
    }

    /// Stops the daemon in good order.
    pub fn stop(&mut self) -> Outcome {
        self.signal("TERM")?;
        let name = self.name.clone();
        let status = until(&format!("{name} stops"), || {
            Ok(self.process.as_mut().map(Child::try_wait).transpose()?.flatten())
        })?;
        self.process = None;
        if !status.success() {
            return Err(format!("{name} stopped with {status}:\n{}", self.log_end()).into());
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; its status is of no interest any more.
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// What the daemon says of itself.
    pub fn status(&self) -> Outcome<Status> {
        let run = self.run(&["status", "--json"])?;
        serde_json::from_slice(&run.stdout)
            .map_err(|error| format!("{}: status: {error}: {}", self.name, run.stderr).into())
    }

    /// What it says of the folder.
    pub fn folder(&self) -> Outcome<FolderStatus> {
        let found = self.status()?.folders.into_iter().find(|folder| folder.name == FOLDER);
        Ok(found.ok_or_else(|| format!("{} holds no folder {FOLDER}", self.name))?)
    }

    /// Peers that it is connected to.
    pub fn connected(&self) -> Outcome<usize> {
        Ok(self.status()?.peers.iter().filter(|peer| peer.connected).count())
    }

    /// `conflicts list`.
    pub fn conflicts(&self) -> Outcome<Vec<Conflict>> {
        let text = self.ok(&["conflicts", "list", "--json"])?;
        serde_json::from_str(&text).map_err(|error| format!("{error} in {text}").into())
    }

    fn log(&self) -> PathBuf {
        self.place.join("log")
    }

    /// The whole log.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n    ")
    }

    /// Copies log, events, home and tree to where a person can study them after the lab is gone.
    pub fn keep(&self, place: &Path) {
        let place = place.join(&self.name);
        let events = self.run(&["log", "--json"]).map(|run| run.stdout).unwrap_or_default();
        let copied = std::fs::create_dir_all(&place)
            .and_then(|()| std::fs::write(place.join("events"), events))
            .and_then(|()| Command::new("cp").arg("-aT").args([&self.place, &place]).status());
        if let Err(error) = copied {
            eprintln!("e2e: cannot keep what is in {}: {error}", self.place.display());
        }
    }
}
