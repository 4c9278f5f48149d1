//! Starts the binary with a home of its own and an empty environment.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is how they fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

use node::net::invite::JoinCode;

/// What one start of the program gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Every word stands in the error output.
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {:?}", self.stderr);
        }
    }
}

/// A home that is not there until a command makes it.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        Home { dir: tempfile::tempdir().unwrap() }
    }

    pub fn founded() -> Home {
        let home = Home::new();
        let run = home.run(&["init", "--name", "a", "--listen", "127.0.0.1:0"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        home
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A directory beside the home, made.
    pub fn outside(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let output = Command::new(Path::new(env!("CARGO_BIN_EXE_syncline")))
            .args(arguments)
            .env_clear()
            .env("SYNCLINE_HOME", self.path())
            .env("SYNCLINE_RUNTIME_DIR", "")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A well-formed code of a cluster that does not exist.
pub fn code(address: &str) -> String {
    let code = JoinCode {
        cluster: [1; 16],
        inviter: [2; 16],
        secret: [3; 16].into(),
        addresses: vec![address.to_owned()],
    };
    code.encode().unwrap()
}
