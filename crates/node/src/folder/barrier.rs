//! `wait`: until everything changed here before the call stands on other nodes' disks.
//!
//! Three steps. A cookie file is made on the folder's filesystem: when its event comes back, every
//! earlier change has been heard of and looked at. A fence then passes through the looks that were
//! put off because an operation of ours was at work there, and does not before the first scan since
//! the start, or since a pause, has found what changed while nobody watched. What has been minted
//! by then is the target; it is reached when every member says that nothing up to it is still
//! unapplied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use disk::store::Store;
use engine::dot::{Incarnation, NodeId};
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
    stage: Stage,
}

/// How far a call has come.
#[derive(Clone, PartialEq, Eq)]
enum Stage {
    /// The cookie is on its way.
    Cookie,
    /// What was heard has been looked at; looks that were put off may be missing.
    Looked,
    /// A fence of this number is on its way, sent when this many looks had been asked for.
    Fenced(u64, u64),
    /// The fence has passed.
    Passed(u64),
    /// Everything has been minted, in this life and in all earlier ones, up to these counters.
    Target(Incarnation, BTreeMap<Incarnation, u64>),
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
        effects.make_cookie(request.number);
        self.waiting.push(Waiting { request, open: Vec::new(), stage: Stage::Cookie });
    }

    /// A cookie came back.
    pub fn cookie(&mut self, reached: &Reached) {
        let mut all = self.waiting.iter_mut();
        if let Some(waiting) = all.find(|w| w.request.number == reached.number) {
            waiting.open.clone_from(&reached.open);
            waiting.stage = Stage::Looked;
        }
    }

    /// A fence has passed.
    pub fn fence(&mut self, number: u64) {
        for waiting in &mut self.waiting {
            if let Stage::Fenced(sent, asked) = waiting.stage {
                if sent == number {
                    waiting.stage = Stage::Passed(asked);
                }
            }
        }
    }

    /// Called at the end of a turn, when its effects are on their way: a fence sent now passes
    /// after every look that they ask for. A fence that passed counts if no further look was asked
    /// for meanwhile and none is put off.
    pub fn check(&mut self, engine: &FolderEngine, store: &Store, effects: &Effects) {
        let quiet = engine.has_scanned() && !engine.has_deferred_looks();
        let life = engine.meta().incarnation;
        for waiting in &mut self.waiting {
            if let Stage::Passed(asked) = waiting.stage {
                waiting.stage = if quiet && asked == effects.looks_asked {
                    Stage::Target(life, engine.own_dots(store))
                } else {
                    Stage::Looked
                };
            }
            // In a new life some of the dots may have got others.
            if matches!(waiting.stage, Stage::Target(of, _) if of != life) {
                waiting.stage = Stage::Looked;
            }
            if waiting.stage == Stage::Looked && quiet {
                self.last_fence += 1;
                effects.fence(self.last_fence);
                waiting.stage = Stage::Fenced(self.last_fence, effects.looks_asked);
            }
        }
        let reached = |waiting: &Waiting| {
            let Stage::Target(_, target) = &waiting.stage else { return false };
            let mut members = waiting.request.members.iter();
            let exchange = engine.exchange();
            let has = |member| target.iter().all(|(&l, &n)| exchange.has_applied(member, l, n));
            members.all(|&member| has(member))
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
