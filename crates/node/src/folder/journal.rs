//! The folder's event log: what the engine says happened, worded for people and written in batches.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::dot::{Incarnation, NodeId};
use engine::engine::{Event, Happening};
use engine::entry::IncarnationRecord;

use crate::log::EventLog;
use crate::membership::now_unix_ms;
use crate::view::{LogEntry, LogEvent};

/// Entries written with one call.
const BATCH_MAX: usize = 1024;

/// Whose life is whose, and what that node is called now.
#[derive(Clone)]
pub struct Names {
    lives: Arc<Mutex<BTreeMap<Incarnation, NodeId>>>,
    name: Arc<dyn Fn(NodeId) -> String + Send + Sync>,
}

impl Names {
    /// `name` says what a node is called.
    pub fn new(name: Arc<dyn Fn(NodeId) -> String + Send + Sync>) -> Names {
        Names { lives: Arc::default(), name }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Incarnation, NodeId>> {
        self.lives.lock().expect("no code panics while it holds this lock")
    }

    /// Learns whose lives a folder knows of.
    pub fn learn(&self, lives: Vec<IncarnationRecord>) {
        let mut known = self.lock();
        if known.len() != lives.len() {
            *known = lives.into_iter().map(|life| (life.incarnation, life.node)).collect();
        }
    }

    /// The node's name, or the life's short form.
    pub fn name(&self, life: Incarnation) -> String {
        let node = self.lock().get(&life).copied();
        node.map_or_else(|| format!("{life:?}"), |node| (self.name)(node))
    }
}

/// Writes one folder's log.
pub struct Journal {
    log: EventLog,
    folder: String,
    names: Names,
}

impl Journal {
    /// For the log in the folder's directory of the home.
    pub fn new(directory: &Path, folder: &str, names: Names) -> Journal {
        Journal { log: EventLog::new(directory), folder: folder.to_owned(), names }
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
            Happening::Created => (LogEvent::Create, None),
            Happening::Replaced => (LogEvent::Edit, None),
            Happening::Attributes => (LogEvent::Attributes, None),
            Happening::Moved => (LogEvent::Rename, None),
            Happening::Removed => (LogEvent::Delete, None),
            Happening::Conflict => (LogEvent::Conflict, Some("the loser is kept")),
            Happening::Rescued => (LogEvent::Rescued, Some("found under an operation, published")),
            Happening::Damaged => {
                (LogEvent::Damaged, Some("undone by a power loss; fetched again"))
            }
        };
        LogEntry {
            time_ms: now_unix_ms(),
            folder: self.folder.clone(),
            event: what,
            path: event.path.to_string(),
            from: event.from.as_ref().map(ToString::to_string),
            local: event.local,
            node: event.by.map_or_else(|| "-".to_owned(), |life| self.names.name(life)),
            detail: detail.map(str::to_owned),
        }
    }
}
