//! The folder's event log: what the engine says happened, worded for people and written in batches.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use engine::dot::Incarnation;
use engine::engine::{Event, Happening};

use crate::log::EventLog;
use crate::membership::now_unix_ms;
use crate::view::{LogEntry, LogEvent};

/// Entries written with one call.
const BATCH_MAX: usize = 1024;

/// Whose life is whose: names of nodes by incarnation, filled as they become known.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<BTreeMap<Incarnation, String>>>);

impl Names {
    /// Learns a name.
    pub fn learn(&self, life: Incarnation, name: String) {
        self.0.lock().expect("no code panics while it holds this lock").insert(life, name);
    }

    /// The name, or the life's short form.
    pub fn name(&self, life: Incarnation) -> String {
        let names = self.0.lock().expect("no code panics while it holds this lock");
        names.get(&life).cloned().unwrap_or_else(|| format!("{life:?}"))
    }
}

/// Writes one folder's log.
pub struct Journal {
    log: EventLog,
    folder: String,
    names: Names,
}

impl Journal {
    /// Opens the log in the folder's directory of the home.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(directory: &Path, folder: &str, names: Names) -> std::io::Result<Journal> {
        Ok(Journal { log: EventLog::open(directory)?, folder: folder.to_owned(), names })
    }

    /// Writes what happens until the folder ends.
    pub fn run(mut self, happened: &Receiver<Event>) {
        while let Ok(first) = happened.recv() {
            let more = happened.try_iter().take(BATCH_MAX - 1);
            let entries: Vec<LogEntry> =
                std::iter::once(first).chain(more).map(|event| self.word(&event)).collect();
            if let Err(error) = self.log.append(&entries) {
                tracing::warn!(%error, "the event log cannot be written");
            }
        }
    }

    fn word(&self, event: &Event) -> LogEntry {
        let (what, detail) = match event.what {
            Happening::Local => (LogEvent::Edit, Some("changed here")),
            Happening::Created => (LogEvent::Create, None),
            Happening::Replaced => (LogEvent::Edit, None),
            Happening::Attributes => (LogEvent::Attributes, None),
            Happening::Moved => (LogEvent::Rename, None),
            Happening::Removed => (LogEvent::Delete, None),
            Happening::Conflict => (LogEvent::Conflict, Some("the loser is kept")),
            Happening::Rescued => (LogEvent::Conflict, Some("found under an operation, published")),
            Happening::Damaged => (LogEvent::Notice, Some("undone by a power loss; fetched again")),
        };
        LogEntry {
            time_ms: now_unix_ms(),
            folder: self.folder.clone(),
            event: what,
            path: event.path.to_string(),
            from: None,
            node: event.by.map_or_else(|| "-".to_owned(), |life| self.names.name(life)),
            bytes: None,
            detail: detail.map(str::to_owned),
        }
    }
}
