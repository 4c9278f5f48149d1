//! `syncline demo`: three real nodes on this machine, over TLS, in a temporary directory.
//!
//! It starts this very program three times and talks to the three as any client does. With
//! `--check` it plays the scripted tour and exits 0 only if all nodes end identical. Nothing
//! outside the temporary directory is touched, and it is removed at the end.

mod lab;
mod tour;
mod tree;
mod ward;

use std::io::IsTerminal;
use std::time::Duration;

use super::print::Output;
use super::{runtime, Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::Status;
use lab::Lab;
pub use ward::end_with_parent;
use ward::Ward;

const PICTURE_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `demo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Play a scripted tour and answer with the exit code
    #[arg(long)]
    check: bool,
}

/// Builds the cluster and plays, or lets play.
///
/// # Errors
/// A node did not start or a step of the tour failed: with what each node says.
pub fn run(globals: &Globals, output: &Output, arguments: &Arguments) -> Answer {
    refuse_what_does_not_apply(globals, arguments)?;
    let ward = Ward::new()?;
    let runtime = runtime()?;
    let mut lab = Lab::start(output, &runtime, ward)?;
    if arguments.check {
        return tour::run(output, &runtime, &mut lab);
    }
    output.line("three nodes keep these directories the same; change anything in any of them:")?;
    for node in &lab.nodes {
        output.line(&format!("  {}   {}", node.name, node.tree.display()))?;
    }
    output.line("press Ctrl-C to end the demo and remove everything\n")?;
    lab.ward.asked_for();
    runtime.block_on(picture(output, &lab))?;
    Ok(Exit0::Done)
}

/// Its homes are its own, and what it shows is for people.
fn refuse_what_does_not_apply(globals: &Globals, arguments: &Arguments) -> Result<(), CliError> {
    let given = [
        (globals.names_home, "--home"),
        (globals.json, "--json"),
        (globals.quiet && !arguments.check, "--quiet without --check"),
    ];
    match given.iter().find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, what)) => Err(CliError::Usage(format!(
            "`syncline demo` makes three homes of its own and shows them to a person: {what} means \
             nothing here; nothing was changed; leave it out"
        ))),
    }
}

/// One line a node, drawn again and again on a terminal, printed when it changes elsewhere.
async fn picture(output: &Output, lab: &Lab) -> Result<(), CliError> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut last = Vec::new();
    loop {
        let mut lines = Vec::new();
        for node in &lab.nodes {
            let status: Status = node.ask(&Request::Status {}).await?;
            lines.push(line(&status));
        }
        if is_terminal && !last.is_empty() {
            output.line(&format!("\x1b[{}A", lines.len() + 1))?;
        }
        if is_terminal || lines != last {
            for line in &lines {
                output.line(&format!("{line}{}", if is_terminal { "\x1b[K" } else { "" }))?;
            }
        }
        last = lines;
        tokio::time::sleep(PICTURE_EVERY).await;
    }
}

fn line(status: &Status) -> String {
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let behind: u64 = status.peers.iter().filter_map(|peer| peer.behind).sum();
    let mut out = format!("  {}   {connected} peers", status.node.name);
    for folder in &status.folders {
        out.push_str(&format!(
            "   {} entries   {} to apply, {behind} behind   {} conflicts",
            folder.entries, folder.pending, folder.conflicts
        ));
    }
    out
}
