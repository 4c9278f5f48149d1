//! One node: its directory, its commands, its daemon, which ends with it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is how they fail")]

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until something is so; each look starts a program, so this does not spin.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "not in time: {what}");
    }
}

/// What one start of the program gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Every word stands in the error output.
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {:?}", self.stderr);
        }
    }
}

/// Sends a signal to a process.
pub fn signal(id: u32, name: &str) {
    let id = id.to_string();
    let sent = Command::new("sh").args(["-c", "kill -$0 $1", name, &id]).status().unwrap();
    assert!(sent.success());
}

/// Processes that run and carry in their environment that this demo started them.
pub fn started_by(demo: u32) -> Vec<String> {
    let mark = format!("SYNCLINE_DEMO_PARENT={demo}");
    let is_ours = |path: &Path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|path| is_ours(path)).map(|path| path.display().to_string()).collect()
}

/// See the module's head.
pub struct Node {
    pub name: String,
    dir: tempfile::TempDir,
    process: Option<Child>,
}

/// A command that is running.
pub struct Watching {
    pub lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Node {
    /// Nothing but a directory.
    pub fn new(name: &str) -> Node {
        let dir = tempfile::tempdir().unwrap();
        Node { name: name.to_owned(), dir, process: None }
    }

    /// The first node of a cluster, its daemon not started.
    pub fn founded(name: &str) -> Node {
        let node = Node::new(name);
        let listen = ["--listen", "127.0.0.1:0", "--http", "off"];
        let run = node.run(&[&["init", "--name", name], &listen[..]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        node
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn path(&self, text: &str) -> PathBuf {
        Path::new(text).to_owned()
    }

    /// A directory beside the home, made.
    pub fn tree(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path.canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        command.args(arguments).env_clear().env("SYNCLINE_HOME", self.home());
        command.env("SYNCLINE_RUNTIME_DIR", self.dir.path().join("run"));
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).env("SYNCLINE_HTTP", "off").output().unwrap())
    }

    /// What a command says in JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&run.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", run.stderr))
    }

    /// Starts the daemon and waits for nothing.
    pub fn spawn(&mut self) {
        let log = std::fs::File::create(self.log()).unwrap();
        let process = self.command(&["daemon"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.process = Some(process);
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        self.spawn();
        until("the daemon answers", || self.run(&["status", "--check"]).code != 1);
    }

    /// Runs where no file may become longer than 64 KiB.
    pub fn run_with_little_room(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new("sh");
        let limited = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
        command.args(["-c", limited, env!("CARGO_BIN_EXE_syncline")]).args(arguments);
        command.env_clear().env("SYNCLINE_HOME", self.home()).env("PATH", "/usr/bin:/bin");
        Run::from(command.stdin(Stdio::null()).output().unwrap())
    }

    /// Starts a demo that makes its directory in `temporary`.
    pub fn demo(&self, temporary: &str) -> Child {
        let mut command = self.command(&["demo", "--check"]);
        command.env("TMPDIR", temporary).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Runs in the foreground; returns the first line it prints.
    pub fn up(&mut self, arguments: &[&str]) -> String {
        self.up_with(arguments, &[])
    }

    /// As `up`, with more in the environment.
    pub fn up_with(&mut self, arguments: &[&str], more: &[(&str, &str)]) -> String {
        let mut command = self.command(arguments);
        command.envs(more.iter().copied());
        let log = std::fs::File::create(self.log()).unwrap();
        command.env("SYNCLINE_HTTP", "off").stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.process = Some(process);
        line
    }

    /// What a command prints, line by line, while it runs.
    pub fn watch(&self, arguments: &[&str]) -> Watching {
        let mut command = self.command(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Watching { lines, process }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// What the daemon, or `up`, said on stderr.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    /// Joins the cluster of `other`, holds its one folder, and starts.
    pub fn join(&mut self, other: &Node, tree: &str) {
        let code = other.json(&["invite"])["code"].as_str().unwrap().to_owned();
        let listen = ["--listen", "127.0.0.1:0", "--name", &self.name];
        let run = self.run(&[&["join", &code, tree], &listen[..]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        self.start();
        // Until the other has heard who holds the folder, its `wait` has nobody to wait for.
        until("they are connected and know what each holds", || {
            let nodes = other.json(&["node", "list"]);
            let is_there = |node: &Value| {
                let holds = !node["folders"].as_array().unwrap().is_empty();
                node["is_self"] == false && node["connected"] == true && holds
            };
            nodes.as_array().unwrap().iter().any(is_there)
        });
    }

    fn signal(&self, name: &str) {
        signal(self.process.as_ref().unwrap().id(), name);
    }

    /// Sends a SIGHUP now: no program is started for it, which would take its time.
    pub fn hang_up(&self) {
        let id = i32::try_from(self.process.as_ref().unwrap().id()).unwrap();
        let process = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) {
        self.signal("TERM");
        assert!(self.process.take().unwrap().wait().unwrap().success());
    }

    /// Waits until the daemon ends by itself; returns its exit code.
    pub fn ended(&mut self) -> i32 {
        let mut process = self.process.take().unwrap();
        let mut code = None;
        until("the daemon ends", || {
            code = process.try_wait().unwrap();
            std::thread::park_timeout(Duration::from_millis(20));
            code.is_some()
        });
        code.and_then(|code| code.code()).unwrap()
    }

    /// Puts other settings in place and has them read.
    pub fn reload(&self, settings: &str) {
        std::fs::write(self.home().join("config.toml"), settings).unwrap();
        self.signal("HUP");
    }
}
