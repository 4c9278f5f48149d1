//! `wait`: until everything changed here before the call stands on other nodes' disks.
//!
//! Three steps. A cookie file is made on the folder's filesystem: when its event comes back, every
//! earlier change has been heard of and looked at. A fence then passes through the looks that were
//! put off because an operation of ours was at work there. What has been minted by then is the
//! target; it is reached when every member says that nothing up to it is still unapplied.

use std::collections::BTreeSet;
use std::path::PathBuf;

use engine::dot::NodeId;
use engine::engine::FolderEngine;

use super::effects::Effects;

/// A call of `wait`.
pub struct Request {
    /// Its number, unique in this process.
    pub number: u64,
    /// The members to wait for.
    pub members: BTreeSet<NodeId>,
    /// Told once, when it is over.
    pub done: tokio::sync::oneshot::Sender<Passed>,
}

/// What came of it.
#[derive(Debug)]
pub struct Passed {
    /// Files that were open for writing: their last bytes are not covered.
    pub open: Vec<PathBuf>,
}

/// A cookie came back.
#[derive(Debug)]
pub struct Reached {
    /// The request's number.
    pub number: u64,
    /// Paths held back because somebody has them open for writing.
    pub open: Vec<PathBuf>,
}

struct Waiting {
    request: Request,
    open: Vec<PathBuf>,
    /// A fence is on its way through the looks.
    fence: Option<u64>,
    /// The counter to be reached.
    target: Option<u64>,
    /// The cookie has come back.
    looked: bool,
}

/// All calls that are waiting.
#[derive(Default)]
pub struct Barriers {
    waiting: Vec<Waiting>,
    last_fence: u64,
}

impl Barriers {
    /// A call begins: its cookie is made.
    pub fn begin(&mut self, request: Request, effects: &Effects) {
        self.waiting.retain(|waiting| !waiting.request.done.is_closed());
        let number = request.number;
        let open = Vec::new();
        self.waiting.push(Waiting { request, open, fence: None, target: None, looked: false });
        if !effects.make_cookie(number) {
            self.cookie(Reached { number, open: Vec::new() }, effects);
        }
    }

    /// A cookie came back: a fence is sent after the looks that are still to be done.
    pub fn cookie(&mut self, reached: Reached, effects: &Effects) {
        for waiting in &mut self.waiting {
            if waiting.request.number == reached.number {
                waiting.open.clone_from(&reached.open);
                waiting.looked = true;
                self.last_fence += 1;
                waiting.fence = Some(self.last_fence);
                effects.fence(self.last_fence);
            }
        }
    }

    /// A fence has passed: what is minted now is what must be reached, unless looks were put off.
    pub fn fence(&mut self, number: u64, counter: u64) {
        for waiting in &mut self.waiting {
            if waiting.fence == Some(number) {
                waiting.fence = None;
                waiting.target = Some(counter);
            }
        }
    }

    /// Ends the calls whose condition holds.
    pub fn check(&mut self, engine: &FolderEngine, effects: &Effects) {
        let quiet = !engine.has_deferred_looks();
        let life = engine.meta().incarnation;
        for waiting in &mut self.waiting {
            if waiting.looked && waiting.fence.is_none() && !quiet {
                waiting.target = None;
            }
            if waiting.looked && waiting.target.is_none() && waiting.fence.is_none() && quiet {
                self.last_fence += 1;
                waiting.fence = Some(self.last_fence);
                effects.fence(self.last_fence);
            }
        }
        let reached = |waiting: &Waiting| {
            let Some(target) = waiting.target.filter(|_| quiet) else { return false };
            let mut members = waiting.request.members.iter();
            members.all(|&member| engine.exchange().has_applied(member, life, target))
        };
        let all = std::mem::take(&mut self.waiting);
        let (done, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|w| reached(w));
        self.waiting = rest;
        for waiting in done {
            // Whoever asked may have gone; then nobody is to be told.
            drop(waiting.request.done.send(Passed { open: waiting.open }));
        }
    }
}
