//! `cargo ci`: every check, in order of price, stopping at the first that fails.
//!
//! It runs nothing that a developer cannot run alone: each step prints the command that repeats it.
//! Called by `main.rs` and, with both flags, by `.ci/run`.

use crate::tidy;
use anyhow::{bail, Context, Result};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Which of the long steps to leave out, because the caller has just run them itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Leave out `cargo test --workspace`.
    pub no_test: bool,
    /// Leave out the scripted tour of the demo.
    pub no_demo: bool,
}

impl Choice {
    /// Reads the flags behind `ci`. An unknown flag is an error and runs nothing.
    pub fn parse(flags: &[&str]) -> Result<Choice> {
        let mut choice = Choice::default();
        for flag in flags {
            match *flag {
                "--no-test" => choice.no_test = true,
                "--no-demo" => choice.no_demo = true,
                other => bail!("unknown flag {other:?} of `ci`; known: --no-test, --no-demo"),
            }
        }
        Ok(choice)
    }
}

/// One step: its name and the arguments that cargo gets for it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
}

const FORMAT: Step = Step { name: "format", arguments: &["fmt", "--all", "--check"] };
const TIDY: Step = Step { name: "tidy", arguments: &["tidy"] };
const CLIPPY: Step = Step {
    name: "clippy",
    arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
};
const TEST: Step = Step { name: "test", arguments: &["test", "--workspace"] };
const DEMO: Step = Step { name: "demo", arguments: &["run", "--release", "--", "demo", "--check"] };

fn steps(choice: Choice) -> Vec<Step> {
    let mut steps = vec![FORMAT, TIDY, CLIPPY];
    if !choice.no_test {
        steps.push(TEST);
    }
    if !choice.no_demo {
        steps.push(DEMO);
    }
    steps
}

/// Runs the steps in order.
///
/// # Errors
/// The first step that fails, with the command that runs it alone. Later steps are not run.
pub fn run(root: &Path, choice: Choice) -> Result<()> {
    let begin = Instant::now();
    let steps = steps(choice);
    let count = steps.len();
    for (index, step) in steps.iter().enumerate() {
        let alone = format!("cargo {}", step.arguments.join(" "));
        eprintln!("ci {}/{count} {}: {alone}", index + 1, step.name);
        let step_begin = Instant::now();
        let outcome = if *step == TIDY { tidy::run(root) } else { cargo(root, step.arguments) };
        let seconds = step_begin.elapsed().as_secs_f64();
        outcome.with_context(|| {
            format!("{} failed after {seconds:.1} s; alone: {alone}", step.name)
        })?;
        eprintln!("ci {}/{count} {}: passed in {seconds:.1} s", index + 1, step.name);
    }
    eprintln!("ci: all {count} steps passed in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(program).args(arguments).current_dir(root).status().context("start cargo")?;
    if !status.success() {
        bail!("cargo ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
