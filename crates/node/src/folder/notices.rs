//! Trouble that status shows: one notice for each path and cause, and gone when it is over.
//!
//! A full disk is one trouble however much waits for room. Plain data: `status` holds it under its
//! lock and tells the time. It judges nothing: who reports a trouble reports its end.

use std::collections::{BTreeMap, BTreeSet};

use disk::stage::StageError;
use engine::content::Digest;
use engine::path::RelPath;

use crate::view::Notice;

/// Notices kept; the oldest go first.
const NOTICES_MAX: usize = 100;
/// What waits for room is counted up to here.
const FULL_MAX: usize = 100_000;

/// Where a trouble came up: who finds it over says so with the same cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// A look at the path: it is left out.
    Look,
    /// A look at the path: it cannot be read, and what was changed there is on no other node.
    Unread,
    /// An operation there.
    Operation,
    /// A content on its way.
    Arrival,
    /// Looking at the folder at all.
    Scan,
    /// What waits in staging for its writer.
    Left,
    /// The trash.
    Trash,
    /// Bytes that belong to no path: lasts until the folder is opened again.
    Nameless,
    /// Making the filesystem durable.
    Sync,
    /// The index was put back: lasts until the folder is opened again.
    PutBack,
    /// The tree was put back: lasts until the folder is opened again.
    TreePutBack,
    /// Another program runs with this node's identity: lasts until the folder is opened again.
    Twin,
}

/// What looks find; before all others in the order of causes.
const LOOKS: [Cause; 2] = [Cause::Look, Cause::Unread];

/// All that is wrong now.
#[derive(Debug, Default)]
pub struct Notices {
    all: BTreeMap<(Cause, RelPath), (u64, String)>,
    full: Full,
}

/// What there is no room for.
#[derive(Debug, Default)]
struct Full {
    time_ms: u64,
    contents: BTreeMap<Digest, u64>,
    paths: BTreeSet<RelPath>,
    free_bytes: Option<u64>,
}

impl Notices {
    /// Something is wrong with a path; the root's for the folder itself. What was wrong there by
    /// the same cause is forgotten.
    pub fn put(&mut self, time_ms: u64, cause: Cause, path: &RelPath, text: String) {
        if cause == Cause::Operation && self.full.paths.contains(path) {
            return;
        }
        for look in LOOKS {
            // The engine passes on what a look found.
            if let Some(looked) = self.all.get_mut(&(look, path.clone())) {
                if looked.1 == text {
                    looked.0 = time_ms;
                    return;
                }
            }
        }
        self.all.insert((cause, path.clone()), (time_ms, text));
        if self.all.len() > NOTICES_MAX {
            let rank = |cause: Cause| cause == Cause::Unread;
            let oldest = self.all.iter().min_by_key(|((cause, _), (at, _))| (rank(*cause), *at));
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.all.remove(&key);
            }
        }
    }

    /// It is over.
    pub fn clear(&mut self, cause: Cause, path: &RelPath) {
        if !self.all.is_empty() {
            self.all.remove(&(cause, path.clone()));
        }
    }

    /// What a look found: trouble, or none any more.
    pub fn looked(&mut self, time_ms: u64, path: &RelPath, trouble: Option<(Cause, String)>) {
        for look in LOOKS {
            if trouble.as_ref().is_none_or(|(cause, _)| *cause != look) {
                self.clear(look, path);
            }
        }
        if let Some((cause, text)) = trouble {
            self.put(time_ms, cause, path, text);
        }
    }

    /// Whether some look found trouble that is not known to be over.
    pub fn has_looks(&self) -> bool {
        self.all.keys().next().is_some_and(|(cause, _)| LOOKS.contains(cause))
    }

    /// Everything was looked at since then: what was not found again is over.
    pub fn scanned(&mut self, since_ms: u64) {
        self.all.retain(|(cause, _), (at, _)| !LOOKS.contains(cause) || *at >= since_ms);
    }

    /// What cannot be read here.
    pub fn unread(&self) -> Vec<RelPath> {
        let unread = self.all.keys().filter(|(cause, _)| *cause == Cause::Unread);
        unread.map(|(_, path)| path.clone()).collect()
    }

    /// An operation was carried out.
    pub fn done(&mut self, path: &RelPath) {
        self.clear(Cause::Operation, path);
        self.full.paths.remove(path);
    }

    /// An operation failed, for want of room or not; why is told by [`Notices::put`].
    pub fn failed(&mut self, time_ms: u64, path: &RelPath, is_full: bool) {
        self.done(path);
        if is_full && self.full.paths.len() < FULL_MAX {
            self.full.time_ms = time_ms;
            self.full.paths.insert(path.clone());
        }
    }

    /// A content could not be taken. Whether that is the first for want of room.
    pub fn not_taken(&mut self, time_ms: u64, error: &StageError) -> bool {
        if !error.is_full() {
            self.put(time_ms, Cause::Arrival, &RelPath::root(), error.to_string());
            return false;
        }
        let is_first = self.full.contents.is_empty();
        let (digest, size) = match error {
            StageError::Full { digest, size, free } => {
                self.full.free_bytes = Some(*free);
                (*digest, *size)
            }
            StageError::Beyond { digest, .. }
            | StageError::Crowded { digest }
            | StageError::Io { digest, .. } => (*digest, 0),
        };
        if self.full.contents.len() < FULL_MAX {
            self.full.time_ms = time_ms;
            self.full.contents.insert(digest, size);
        }
        is_first
    }

    /// Contents have arrived.
    pub fn taken(&mut self, contents: &[Digest]) {
        self.clear(Cause::Arrival, &RelPath::root());
        for digest in contents {
            self.full.contents.remove(digest);
        }
    }

    /// Nothing is still to be done here.
    pub fn settled(&mut self) {
        self.full = Full::default();
        self.all.retain(|(cause, _), _| !matches!(cause, Cause::Operation | Cause::Arrival));
    }

    /// What is shown, newest last.
    pub fn list(&self) -> Vec<Notice> {
        let single = self.all.iter().map(|((_, path), (time_ms, text))| Notice {
            time_ms: *time_ms,
            path: path.to_string(),
            text: text.clone(),
        });
        let mut list: Vec<Notice> = single.chain(self.full.shown()).collect();
        list.sort_by_key(|notice| notice.time_ms);
        list
    }
}

impl Full {
    fn shown(&self) -> Option<Notice> {
        let (contents, operations) = (self.contents.len(), self.paths.len());
        let bytes: u64 = self.contents.values().sum();
        let free = self.free_bytes.map(|free| format!(" where {free} are free"));
        let free = free.unwrap_or_default();
        let what = match (contents, operations) {
            (0, 0) => return None,
            (0, _) => format!("{operations} change(s)"),
            (_, 0) => format!("{contents} content(s) of {bytes} bytes{free}"),
            _ => {
                format!("{contents} content(s) of {bytes} bytes{free}, and {operations} change(s)")
            }
        };
        let text = format!(
            "no room on the folder's disk for {what}; free some space, and they come by themselves"
        );
        Some(Notice { time_ms: self.time_ms, path: RelPath::root().to_string(), text })
    }
}

#[cfg(test)]
mod tests;
