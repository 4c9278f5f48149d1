//! The project's automation: what a developer and the build machine run alike.
//!
//! Not part of the product, and depends on no crate of it. Called through the aliases of
//! `.cargo/config.toml`: `cargo ci`, `cargo tidy`, `cargo xtask`.

mod ci;
mod tidy;

use anyhow::{bail, Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask ci [--no-test] [--no-demo]   everything that must hold before a change lands
       cargo xtask tidy                         budgets, fences, licences, names, paths";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let root = root()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ci", flags @ ..] => ci::run(&root, ci::Choice::parse(flags)?),
        ["tidy"] => tidy::run(&root),
        _ => bail!("not understood: {:?}; nothing was run\n{USAGE}", words.join(" ")),
    }
}

/// The directory that holds the virtual manifest: the parent of this crate's own directory.
///
/// Taken from the environment that cargo sets for `cargo run`, so that a binary built in one clone
/// and run in another looks at the clone it was started in.
fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set; start this with `cargo xtask`")?;
    let own = PathBuf::from(own);
    let root = own.parent().context("the xtask crate has no parent directory")?;
    Ok(root.to_path_buf())
}
