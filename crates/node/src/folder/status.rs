//! What is shown of a folder between questions: state, notices, scan progress.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};

use disk::scan::Progress as Counting;
use disk::stage::StageError;
use disk::store::Store;
use engine::content::Digest;
use engine::index::Index;
use engine::message::FolderId;
use engine::observe::{Found, Observation};
use engine::path::RelPath;
use engine::plan::{Operation, Outcome};

use super::notices::{Cause, Notices};
use super::repeats::Repeats;
use crate::membership::now_unix_ms;
use crate::view::{Notice, Progress};

/// Shared by the control thread, the workers and whoever shows status.
#[derive(Debug)]
pub struct Board {
    id: FolderId,
    name: String,
    repeats: Repeats,
    state: Mutex<State>,
    /// Hints that wait to be looked at.
    pub backlog: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    halted: Option<String>,
    works: bool,
    notices: Notices,
    rung: String,
    rung_reason: Option<String>,
    unwatched: u64,
    scan: Option<(Arc<Counting>, u64)>,
    bout: Option<Bout>,
}

/// Work on other nodes' changes, from the first one that waits until none does.
#[derive(Debug, Clone, Copy)]
struct Bout {
    since_ms: u64,
    done: u64,
    bytes: u64,
    pending: u64,
}

impl Board {
    /// A folder that nothing is known of yet.
    pub fn new(id: FolderId, name: &str, repeats: Repeats) -> Board {
        let (state, backlog) = (Mutex::default(), AtomicU64::default());
        Board { id, name: name.to_owned(), repeats, state, backlog }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// The folder has stopped itself.
    pub fn halt(&self, why: String) {
        let mut state = self.lock();
        if state.halted.is_none() {
            self.repeats.stopped(self.id, &self.name, &why);
            state.halted = Some(why);
        }
    }

    /// Whether and why it has stopped.
    pub fn halted(&self) -> Option<String> {
        self.lock().halted.clone()
    }

    /// Whether it has stopped.
    pub fn is_halted(&self) -> bool {
        self.lock().halted.is_some()
    }

    /// Trouble with a path; the root's with the folder itself.
    pub fn notice(&self, cause: Cause, path: &RelPath, text: String) {
        self.lock().notices.put(now_unix_ms(), cause, path, text);
    }

    /// That trouble is over.
    pub fn over(&self, cause: Cause, path: &RelPath) {
        self.lock().notices.clear(cause, path);
    }

    /// A content could not be taken.
    pub fn not_taken(&self, error: &StageError) {
        if self.lock().notices.not_taken(now_unix_ms(), error) {
            tracing::warn!(folder = %self.name, %error, "what other nodes have does not fit here");
        }
    }

    /// So many bytes of contents have come.
    pub fn received(&self, bytes: usize) {
        if let Some(bout) = &mut self.lock().bout {
            bout.bytes += bytes as u64;
        }
    }

    /// Contents have arrived.
    pub fn taken(&self, contents: &[Digest]) {
        if !contents.is_empty() {
            self.lock().notices.taken(contents);
        }
    }

    /// What operations met: trouble begins or is over.
    fn judge(&self, batch: &[Operation], outcomes: &[Outcome]) {
        let now_ms = now_unix_ms();
        let notices = &mut self.lock().notices;
        for (operation, outcome) in batch.iter().zip(outcomes) {
            let paths = operation.act.paths();
            match (outcome, paths.last()) {
                (Outcome::Done { .. }, _) => paths.iter().for_each(|path| notices.done(path)),
                (Outcome::Failed(failure), Some(path)) => {
                    notices.failed(now_ms, path, failure.full);
                }
                _ => {}
            }
        }
    }

    /// The folder has been read, and that was written down: what had stopped it is over.
    pub fn works(&self) {
        let was = std::mem::replace(&mut self.lock().works, true);
        if !was {
            self.repeats.over(self.id, &self.name);
        }
    }

    /// What looks found: trouble begins or is over.
    pub fn looked(&self, looks: &[Observation]) {
        let is_trouble =
            |look: &Observation| matches!(look.found, Found::Foreign(_) | Found::Unreadable(..));
        let mut state = self.lock();
        if !state.notices.has_looks() && !looks.iter().any(is_trouble) {
            return;
        }
        let now_ms = now_unix_ms();
        for look in looks {
            let trouble = match &look.found {
                Found::Foreign(why) => Some((Cause::Look, why.clone())),
                Found::Unreadable(why, _) => Some((Cause::Unread, why.clone())),
                _ => None,
            };
            state.notices.looked(now_ms, &look.path, trouble);
        }
    }

    /// Everything has been looked at since then, in unix milliseconds.
    pub fn scanned(&self, since_ms: u64) {
        self.lock().notices.scanned(since_ms);
    }

    /// All notices, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.lock().notices.list()
    }

    /// What cannot be read here; bounded.
    pub fn unread(&self) -> Vec<RelPath> {
        self.lock().notices.unread()
    }

    /// How changes are noticed, why not better, and in how many directories they are not.
    pub fn set_rung(&self, rung: &str, reason: Option<String>, unwatched: u64) {
        let mut state = self.lock();
        state.rung = rung.to_owned();
        state.rung_reason = reason;
        state.unwatched = unwatched;
    }

    /// Directories whose changes no event tells of: scans must.
    pub fn unwatched(&self) -> u64 {
        self.lock().unwatched
    }

    /// See [`Board::set_rung`].
    pub fn rung(&self) -> (String, Option<String>) {
        let state = self.lock();
        (state.rung.clone(), state.rung_reason.clone())
    }

    /// A scan begins, or is over.
    pub fn set_scan(&self, progress: Option<Arc<Counting>>) {
        self.lock().scan = progress.map(|progress| (progress, now_unix_ms()));
    }

    /// The scan that is running, and since when.
    pub fn scan(&self) -> Option<(Arc<Counting>, u64)> {
        self.lock().scan.clone()
    }

    /// Takes figures over after a turn.
    pub fn update(&self, store: &Store) {
        let mut state = self.lock();
        let pending = store.pending_count();
        if pending == 0 {
            state.notices.settled();
            state.bout = None;
            return;
        }
        let fresh = || Bout { since_ms: now_unix_ms(), done: 0, bytes: 0, pending };
        state.bout.get_or_insert_with(fresh).pending = pending;
    }

    /// Operations were carried out.
    pub fn did(&self, batch: &[Operation], outcomes: &[Outcome]) {
        self.judge(batch, outcomes);
        let is_done = |outcome: &&Outcome| matches!(outcome, Outcome::Done { .. });
        let done = outcomes.iter().filter(is_done).count();
        if let Some(bout) = &mut self.lock().bout {
            bout.done += done as u64;
        }
    }

    /// How far the present work on other nodes' changes is.
    pub fn bout(&self) -> Option<Progress> {
        let bout = self.lock().bout?;
        Some(Progress {
            done: bout.done,
            total: Some(bout.done + bout.pending),
            bytes: bout.bytes,
            bytes_total: None,
            elapsed_ms: now_unix_ms().saturating_sub(bout.since_ms),
        })
    }

    /// For how long something has been waiting to be applied, in milliseconds.
    pub fn lag_ms(&self) -> u64 {
        let bout = self.lock().bout;
        bout.map_or(0, |bout| now_unix_ms().saturating_sub(bout.since_ms))
    }
}
