//! When a peer is asked: it knows what we do not, and nobody else is about to tell us.
//!
//! What a stream that is heard tells by itself is waited for: all that a walk covers, and what its
//! sender has minted. For anything else there is a short while in which it may come all the same.
//! Who is joining tells by itself once it has joined.
//!
//! Everybody is asked once in any case, for a question opens the stream; one after the other, so
//! that not each of many tells all that was missed.
//! Called by `exchange` at the end of every turn, after everything was told.

use super::{Outgoing, Peer};
use crate::dot::{Knowledge, NodeId};
use crate::index::{Index, Phase};
use crate::ledger::Facts;
use crate::limits::{PULL_AFTER_MS, PULL_LATEST_MS};
use crate::message::{Message, Share};
use crate::proof::{broken, Mutant};
use std::collections::BTreeMap;

/// Asks those whom it is time to ask. Whose own stream owes it comes last, for it has been silent.
pub(super) fn questions(
    facts: &Facts,
    index: &dyn Index,
    peers: &mut BTreeMap<NodeId, Peer>,
    now_ms: u64,
) -> Vec<Outgoing> {
    let mut due = Vec::new();
    for (&peer, state) in peers.iter_mut() {
        if std::mem::take(&mut state.heard) {
            state.heard_ms = now_ms;
        }
        state.ask_at_ms = None;
        if state.knows.is_within(&facts.knowledge) {
            state.behind_since_ms = None;
        } else if !state.pulling && state.ended != Some(Phase::Joining) {
            state.behind_since_ms.get_or_insert(now_ms);
        }
        if !state.pulling && (state.unasked || state.behind_since_ms.is_some()) {
            due.push((!state.tells().is_within(&facts.knowledge), peer));
        }
    }
    if due.is_empty() {
        return Vec::new();
    }
    due.sort_unstable();
    let mut expected = Expected::new(facts, peers, now_ms);
    let mut out = Vec::new();
    for (_, peer) in due {
        let state = peers.get_mut(&peer).expect("it is connected");
        let at_ms = expected.ask_at(state);
        if now_ms < at_ms || broken(Mutant::NobodyAsks) && !state.unasked {
            state.ask_at_ms = Some(at_ms);
            continue;
        }
        (state.unasked, state.pulling, state.heard_ms) = (false, true, now_ms);
        expected.add(state);
        out.push(Outgoing { peer, message: state.share(facts, index), inline: Vec::new() });
    }
    out
}

/// What is about to come without a question.
struct Expected {
    now_ms: u64,
    /// When entries last came, from anybody.
    heard_ms: u64,
    /// Our Knowledge, and what those tell by themselves who are not silent.
    known: Knowledge,
    /// When the first of them counts as silent.
    until_ms: u64,
    /// Whether one of them was asked and has not finished telling.
    is_telling: bool,
}

impl Expected {
    fn new(facts: &Facts, peers: &BTreeMap<NodeId, Peer>, now_ms: u64) -> Expected {
        let heard_ms = peers.values().map(|state| state.heard_ms).max().unwrap_or(0);
        let known = facts.knowledge.clone();
        let mut expected =
            Expected { now_ms, heard_ms, known, until_ms: u64::MAX, is_telling: false };
        peers.values().for_each(|state| expected.add(state));
        expected
    }

    fn add(&mut self, state: &Peer) {
        let silent_ms = state.heard_ms + PULL_LATEST_MS;
        if self.now_ms < silent_ms {
            self.known.merge(&state.tells());
            self.until_ms = self.until_ms.min(silent_ms);
            self.is_telling |= state.pulling;
        }
    }

    /// When a peer is asked for what it knows.
    fn ask_at(&self, state: &Peer) -> u64 {
        if state.unasked && !self.is_telling {
            return self.now_ms;
        }
        if state.knows.is_within(&self.known) {
            return self.until_ms;
        }
        let since_ms = state.behind_since_ms.unwrap_or(self.now_ms);
        (since_ms.max(self.heard_ms) + PULL_AFTER_MS).min(since_ms + PULL_LATEST_MS)
    }
}

impl Peer {
    /// What its stream has told or will tell by itself.
    fn tells(&self) -> Knowledge {
        if self.pulling {
            self.knows.clone()
        } else {
            self.knows.only(&self.lives)
        }
    }

    /// The question: everything that we have; what is lacking is to be told.
    pub(super) fn share(&mut self, facts: &Facts, index: &dyn Index) -> Message {
        self.said.merge(&facts.knowledge);
        let incarnations = index.incarnations();
        self.said_lives.extend(incarnations.iter().map(|life| life.incarnation));
        let (knowledge, frontier) = (facts.knowledge.clone(), facts.frontier.clone());
        Message::Share(Share { knowledge, incarnations, frontier })
    }
}
