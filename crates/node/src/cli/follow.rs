//! How far a daemon in the foreground is, for the person who started it: what `up` and `join --run`
//! show while folders are read and filled.
//!
//! A client of the daemon like any other, in the same process. It ends with the daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::print::Output;
use super::progress::{words, Shower};
use super::runtime;
use crate::control::{self, Request};
use crate::home::Home;
use crate::view::{FolderState, FolderStatus, Status};

/// How often is asked while something is going on, and otherwise.
const AT_WORK: Duration = Duration::from_millis(500);
const AT_REST: Duration = Duration::from_secs(3);

/// Shows it until the daemon is gone.
pub fn follow(home: &Home, output: &Output) {
    if output.is_quiet() || output.is_json() {
        return;
    }
    let Ok(runtime) = runtime() else { return };
    let mut shower = Shower::new(output);
    let mut busy = BTreeSet::new();
    let ask = || control::call(home, &Request::Status {}, |_: Value| ());
    while let Ok(status) = runtime.block_on(ask()) {
        let status: Status = status;
        let lines: Vec<String> = status.folders.iter().filter_map(at_work).collect();
        if lines.is_empty() {
            shower.finish();
        } else {
            shower.show(lines.join("; "));
        }
        for folder in &status.folders {
            if at_work(folder).is_some() {
                busy.insert(folder.name.clone());
            } else if folder.state == FolderState::Idle && busy.remove(&folder.name) {
                let (name, count) = (&folder.name, folder.entries);
                output.note(&format!("folder {name:?}: {count} entries are in place"));
            }
        }
        let pause = if lines.is_empty() { AT_REST } else { AT_WORK };
        runtime.block_on(async { tokio::time::sleep(pause).await });
    }
}

/// What a folder is doing, while it is worth a line.
fn at_work(folder: &FolderStatus) -> Option<String> {
    let name = &folder.name;
    let far = |at: &Option<_>| at.as_ref().map_or_else(String::new, words);
    match folder.state {
        FolderState::Scanning => Some(format!("{name}: reading {}", far(&folder.scan))),
        FolderState::Syncing if folder.sync.is_some() => {
            Some(format!("{name}: filling {}", far(&folder.sync)))
        }
        _ => None,
    }
}
