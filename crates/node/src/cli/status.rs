//! `syncline status`: what is going on, what is wrong, what to do about it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;

use super::print::{self, Output};
use super::progress::words;
use super::{runtime, Answer, CliError, Exit0, Globals};
use crate::control::Request;
use crate::view::{conflict_count, FolderState, FolderStatus, PeerStatus, Status};

/// From when on it is told what the oldest changes wait for: what is applied at once is no news.
const LATE_MS: u64 = 5_000;
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Go on until interrupted, once a second
    #[arg(long, conflicts_with = "check")]
    watch: bool,
    /// Print nothing: answer with the exit code alone
    #[arg(long)]
    check: bool,
}

/// Asks and shows.
///
/// # Errors
/// No daemon.
pub fn run(globals: &Globals, output: &Output, arguments: &Arguments) -> Answer {
    loop {
        let status: Status = globals.ask(&Request::Status {})?;
        if arguments.watch && !output.is_json() && io::stdout().is_terminal() {
            output.line("\x1b[H\x1b[2J")?;
        }
        if !arguments.check {
            show(output, &status)?;
        }
        if !arguments.watch {
            return Ok(if status.healthy { Exit0::Done } else { Exit0::No });
        }
        runtime()?.block_on(async { tokio::time::sleep(WATCH_EVERY).await });
    }
}

fn show(output: &Output, status: &Status) -> Result<(), CliError> {
    if output.is_json() {
        return Ok(output.json(status)?);
    }
    let node = &status.node;
    output.line(&format!(
        "node {}  cluster {}  listens on {}  up {}",
        node.name,
        status.cluster.get(..8).unwrap_or(&status.cluster),
        node.listen,
        print::span(node.uptime_ms)
    ))?;
    let rows: Vec<Vec<String>> = status.folders.iter().map(folder_row).collect();
    let head = ["folder", "state", "entries", "to apply", "conflicts", "watch", "path"];
    output.line("")?;
    output.table(&head, &rows, "no folders; share one with `syncline folder add NAME PATH`")?;
    let rows: Vec<Vec<String>> = status.peers.iter().map(peer_row).collect();
    output.line("")?;
    output.table(&["peer", "state", "in sync", "behind", "address"], &rows, "no other nodes")?;
    details(output, status)
}

fn details(output: &Output, status: &Status) -> Result<(), CliError> {
    for folder in &status.folders {
        if let Some(reason) = &folder.rung_reason {
            output.line(&format!("{}: watched by {}: {reason}", folder.name, folder.rung))?;
        }
        // The reason before those who suffer from it: a full disk holds up all that waits.
        let (whole, single): (Vec<_>, Vec<_>) =
            folder.notices.iter().partition(|notice| notice.path == ".");
        for notice in whole {
            output.line(&format!("{}: {}", folder.name, notice.text))?;
        }
        for notice in single {
            output.line(&format!("{}: {}: {}", folder.name, notice.path, notice.text))?;
        }
        let late = folder.waiting.iter().filter(|_| folder.lag_ms >= LATE_MS);
        for waiting in late {
            output.line(&format!("{}: {}: waits: {}", folder.name, waiting.path, waiting.why))?;
        }
    }
    for problem in &status.problems {
        output.line(&format!("! {problem}"))?;
    }
    if status.healthy {
        output.line("all is well")?;
    }
    Ok(())
}

fn folder_row(folder: &FolderStatus) -> Vec<String> {
    vec![
        folder.name.clone(),
        state(folder),
        folder.entries.to_string(),
        match (folder.pending, folder.pending_bytes) {
            (0, _) => "-".to_owned(),
            (count, 0) => count.to_string(),
            (count, bytes) => format!("{count} ({})", print::bytes(bytes)),
        },
        conflict_count(folder.conflicts),
        folder.rung.clone(),
        folder.path.clone(),
    ]
}

fn state(folder: &FolderStatus) -> String {
    let word = match folder.state {
        FolderState::Scanning => "scanning",
        FolderState::Syncing => "syncing",
        FolderState::Idle => "idle",
        FolderState::Paused => "paused",
        FolderState::Stopped => "STOPPED",
    };
    let at = folder.scan.as_ref().or(folder.sync.as_ref());
    let is_at_work = matches!(folder.state, FolderState::Scanning | FolderState::Syncing);
    match at.filter(|_| is_at_work) {
        Some(at) => format!("{word} ({})", words(at)),
        None => word.to_owned(),
    }
}

fn peer_row(peer: &PeerStatus) -> Vec<String> {
    let state = match (&peer.reason, peer.connected) {
        (_, true) if peer.stopped.is_empty() => "connected".to_owned(),
        (_, true) => {
            let stopped: Vec<&str> = peer.stopped.iter().map(|it| it.folder.as_str()).collect();
            format!("connected, STOPPED: {}", stopped.join(", "))
        }
        (Some(reason), false) => format!("not connected: {reason}"),
        (None, false) => "not connected".to_owned(),
    };
    vec![
        peer.name.clone(),
        state,
        if peer.in_sync { "yes" } else { "no" }.to_owned(),
        peer.behind.map_or_else(|| "?".to_owned(), |behind| behind.to_string()),
        peer.address.clone(),
    ]
}
