//! Three processes of this program in a temporary directory, and their end.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::ward::Ward;
use crate::cli::print::Output;
use crate::cli::CliError;
use crate::control::{self, ControlError, Request};
use crate::home::Home;
use crate::view::{Done, Invited, Status};

/// The folder's name in the demo.
pub const FOLDER: &str = "demo";
const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(20);

/// One node of the demo.
pub struct DemoNode {
    /// `a`, `b` or `c`.
    pub name: String,
    /// The directory that is kept the same.
    pub tree: PathBuf,
    home: PathBuf,
    process: Option<u32>,
    ward: Arc<Ward>,
}

/// The demo's cluster; its processes end with it, and its directory goes.
pub struct Lab {
    /// In the order in which they joined.
    pub nodes: Vec<DemoNode>,
    /// Ends them.
    pub ward: Arc<Ward>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ward.end();
    }
}

impl Lab {
    /// Three nodes that hold one empty folder and are connected.
    ///
    /// # Errors
    /// A command failed: with what it said.
    pub fn start(output: &Output, runtime: &Runtime, ward: Arc<Ward>) -> Result<Lab, CliError> {
        let directory = ward.make(temporary)?;
        let mut lab = Lab { nodes: Vec::new(), ward };
        for name in ["a", "b", "c"] {
            let tree = directory.join(name);
            std::fs::create_dir(&tree).map_err(|error| failed("make", &tree, &error))?;
            let home = directory.join(format!(".home-{name}"));
            let (name, ward) = (name.to_owned(), lab.ward.clone());
            lab.nodes.push(DemoNode { name, tree, home, process: None, ward });
        }
        let first = &mut lab.nodes[0];
        first.command(&["init", "--name", "a"])?;
        first.start(runtime)?;
        let (name, path) = (FOLDER.to_owned(), first.tree.clone());
        let add = Request::FolderAdd { name, path, delay_ms: 0 };
        let _: Done = runtime.block_on(first.ask(&add))?;
        let invite = Request::Invite { uses: 2, expires_ms: 600_000, admin: false };
        let invited: Invited = runtime.block_on(first.ask(&invite))?;
        for node in &mut lab.nodes[1..] {
            let folder = format!("{FOLDER}={}", node.tree.display());
            let name = node.name.clone();
            node.command(&["join", &invited.code, "--name", &name, "--folder", &folder])?;
            node.start(runtime)?;
        }
        runtime.block_on(lab.meet())?;
        output.note(&format!("three nodes are up in {}", directory.display()));
        Ok(lab)
    }

    /// Waits until every node is connected to the two others.
    ///
    /// # Errors
    /// They do not meet in time.
    pub async fn meet(&self) -> Result<(), CliError> {
        let limit = Instant::now() + START_LIMIT;
        for node in &self.nodes {
            loop {
                let status: Status = node.ask(&Request::Status {}).await?;
                if status.peers.iter().filter(|peer| peer.connected).count() == 2 {
                    break;
                }
                if Instant::now() > limit {
                    return Err(node.trouble("is not connected to the two others"));
                }
                tokio::time::sleep(RETRY).await;
            }
        }
        Ok(())
    }
}

impl DemoNode {
    /// Asks this node's daemon.
    ///
    /// # Errors
    /// As for any client.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, CliError> {
        let home = Home::open(&self.home)?;
        Ok(control::call(&home, request, |_: Value| ()).await?)
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// It ended, or does not answer in time.
    pub fn start(&mut self, runtime: &Runtime) -> Result<(), CliError> {
        let process = self.begin(&["daemon"])?;
        self.process = Some(process);
        let limit = Instant::now() + START_LIMIT;
        loop {
            let ended = self.ward.ended(process)?.is_some();
            if ended || Instant::now() > limit {
                return Err(self.trouble("did not start"));
            }
            let home = Home::open(&self.home)?;
            let asked = control::call::<Status, Value>(&home, &Request::Status {}, |_| ());
            match runtime.block_on(asked) {
                Ok(_) => return Ok(()),
                Err(ControlError::NotRunning { .. }) => std::thread::sleep(RETRY),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stops the daemon in good order.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn stop(&mut self, runtime: &Runtime) -> Result<(), CliError> {
        let _: Done = runtime.block_on(self.ask(&Request::Shutdown {}))?;
        let limit = Instant::now() + STOP_LIMIT;
        while let Some(process) = self.process {
            if self.ward.ended(process)?.is_some() {
                self.process = None;
            } else if Instant::now() > limit {
                return Err(self.trouble("did not stop"));
            } else {
                std::thread::sleep(RETRY);
            }
        }
        Ok(())
    }

    /// Runs a command of this program on the node's home.
    fn command(&self, arguments: &[&str]) -> Result<(), CliError> {
        let place = ["--listen", "127.0.0.1:0", "--http", "off"];
        let process = self.begin(&[arguments, &place[..]].concat())?;
        loop {
            match self.ward.ended(process)? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(self.trouble(&format!("did not {}", arguments[0]))),
                None => std::thread::sleep(RETRY),
            }
        }
    }

    /// Starts this program with these arguments; what it says goes to the node's log.
    fn begin(&self, arguments: &[&str]) -> Result<u32, CliError> {
        let path = self.log();
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| failed("open", &path, &error))?;
        let mut command = self.program()?;
        let started = self.ward.start(command.args(arguments).stdout(Stdio::null()).stderr(log));
        started.map_err(|error| failed("start", &self.home, &error))
    }

    /// This program, away from whatever the caller's environment says about another node.
    fn program(&self) -> Result<Command, CliError> {
        let own = std::env::current_exe().map_err(CliError::Output)?;
        let mut command = Command::new(own);
        let ours = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("SYNCLINE_")));
        for (name, _) in ours {
            command.env_remove(name);
        }
        // Nothing stays behind when the demo's directory goes.
        command.env(crate::folder::life::PLACE_VARIABLE, self.home.join("run"));
        command.arg("--home").arg(&self.home).stdin(Stdio::null());
        Ok(command)
    }

    fn log(&self) -> PathBuf {
        self.home.with_extension("log")
    }

    /// An error with the end of the node's log.
    pub fn trouble(&self, what: &str) -> CliError {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n  ");
        CliError::Failed(format!("node {} {what}; the end of its log:\n  {last}", self.name))
    }
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> CliError {
    CliError::Failed(format!("cannot {action} {}: {error}; nothing was changed", path.display()))
}

/// A new private directory under the system's temporary one.
fn temporary() -> Result<PathBuf, CliError> {
    let parent = std::env::temp_dir();
    for attempt in 0..100 {
        let path = parent.join(format!("syncline-demo-{}-{attempt}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &path, &error)),
        }
    }
    Err(CliError::Failed(format!(
        "no free name for the demo in {}; nothing was changed; remove old syncline-demo-*",
        parent.display()
    )))
}
