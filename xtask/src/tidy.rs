//! `cargo tidy`: the rules of this project that no compiler and no lint sees.
//!
//! Every fault is printed as `file:line: reason`. Each rule lives in the module that reads its kind
//! of text; the budgets stand here, so that a change of one is a change of one line. They are a
//! ratchet: they may be lowered. Called by `main.rs` and `ci.rs`.

mod graph;
mod lex;
mod licence;
mod names;
mod rules;
mod rust;
mod text;

use anyhow::{bail, Context, Result};
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Lines of one function, from `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Characters of one line of Rust.
pub const COLUMNS_MAX: usize = 100;
/// Lines of one file outside tests.
pub const FILE_LINES_MAX: usize = 600;
/// Files with a budget of their own. The switchboard of the engine owns no knowledge.
pub const FILE_LINES_MAX_OF: &[(&str, usize)] = &[("crates/engine/src/engine.rs", 500)];
/// Lines of ARCHITECTURE.md: one sitting.
pub const ARCHITECTURE_LINES_MAX: usize = 300;
/// Files larger than this are data, not text that a person wrote; they are not read.
pub const TEXT_BYTES_MAX: u64 = 2 << 20;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Relative to the root of the repository.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Fault {
    /// A fault at a line counted from one.
    pub fn new(file: &str, line: usize, reason: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), line, reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// One text file of the repository.
pub struct Source {
    /// Relative to the root, with forward slashes.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// Checks the whole repository and prints what is wrong.
///
/// # Errors
/// At least one rule is broken, or the repository could not be read. Nothing is changed either way.
pub fn run(root: &Path) -> Result<()> {
    let begin = Instant::now();
    let paths = list(root)?;
    let sources = read(root, &paths)?;
    let mut faults = Vec::new();
    for source in &sources {
        faults.extend(text::check(source));
        if source.path.ends_with(".rs") {
            faults.extend(rust::check(source));
        }
    }
    faults.extend(names::check(&sources, &paths));
    faults.extend(rules::check(&sources));
    faults.extend(graph::check(root, &sources)?);
    faults.sort();
    faults.dedup();
    for fault in &faults {
        println!("{fault}");
    }
    let milliseconds = begin.elapsed().as_millis();
    if !faults.is_empty() {
        bail!("tidy: {} faults in {} files, {milliseconds} ms", faults.len(), sources.len());
    }
    println!("tidy: {} files in order, {milliseconds} ms", sources.len());
    Ok(())
}

/// Every file that is, or with the next `git add` would be, part of the repository.
fn list(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("start git, which says what belongs to the repository")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut paths = Vec::new();
    for name in output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name =
            std::str::from_utf8(name).context("a file name in the repository is no UTF-8")?;
        if root.join(name).is_file() {
            paths.push(name.to_owned());
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The text files among `paths`; binary and very large ones are left out.
fn read(root: &Path, paths: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let file = root.join(path);
        let size = file.metadata().with_context(|| format!("look at {path}"))?.len();
        if size > TEXT_BYTES_MAX {
            continue;
        }
        let bytes = std::fs::read(&file).with_context(|| format!("read {path}"))?;
        if bytes.contains(&0) {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.clone(), text });
        }
    }
    Ok(sources)
}
