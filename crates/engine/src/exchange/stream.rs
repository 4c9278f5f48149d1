//! What a peer is told: the walk over what it lacked, the tail of news, and acknowledgements.
//!
//! One ordered stream for each peer, in frames of bounded size, a few of them in a turn. Called by
//! `exchange` at the end of every turn.

use super::full::Sums;
use super::Peer;
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge};
use crate::entry::{Entry, EntryId, Kind, Rank, ROOT};
use crate::index::{Index, Phase, Stored};
use crate::ledger::Facts;
use crate::limits::{FRAME_ENTRIES_MAX, FRAME_ENTRY_BYTES, FRAME_INLINE_BYTES, INLINE_BYTES_MAX};
use crate::message::{Ack, DeltaEnd, Frame, Message};
use crate::proof::{broken, Mutant};
use crate::view;
use crate::wire::{self, entry_bytes};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Over the dots that the peer lacked when it asked.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    target: Knowledge,
    /// What the peer had seen.
    has: Knowledge,
    lacking: Knowledge,
    pub(super) sums: Sums,
    rest: VecDeque<(Incarnation, u64, u64)>,
    /// Entries that went with others before their own first dot came.
    early: BTreeSet<EntryId>,
}

impl Walk {
    /// Over everything known that a peer lacks which has this. Who is joining has nothing of its
    /// own, and tells what it has heard when it has heard all: most hear it from where it did.
    pub(super) fn over(facts: &Facts, has: &Knowledge) -> Walk {
        let joining = facts.meta.phase == Phase::Joining;
        let target = if joining { Knowledge::default() } else { facts.knowledge.clone() };
        let lacking = target.minus(has);
        let rest = lacking
            .iter()
            .flat_map(|(i, seen)| seen.ranges().iter().map(move |&(from, to)| (i, from, to)));
        let rest = rest.collect();
        let (sums, early) = (Sums::Undecided, BTreeSet::new());
        Walk { target, has: has.clone(), lacking, sums, rest, early }
    }
}

impl Peer {
    /// Begins anew: whatever was to be told is in the walk.
    pub(super) fn start_walk(&mut self, facts: &Facts, has: &Knowledge) {
        self.open = true;
        self.tail.clear();
        self.in_tail.clear();
        self.walk = Some(Walk::over(facts, has));
    }

    pub(super) fn stream(
        &mut self,
        facts: &Facts,
        index: &dyn Index,
        say: &mut impl FnMut(Message, Vec<Digest>),
    ) {
        const FRAMES_PER_TURN: usize = 4;
        for _ in 0..FRAMES_PER_TURN {
            if self.congested || !self.open {
                return;
            }
            if let Some(answer) = self.next_answer(facts, index) {
                say(Message::Frame(answer), Vec::new());
                continue;
            }
            let walked = self.walk.as_ref().is_none_or(|walk| walk.rest.is_empty());
            if walked && self.tail.is_empty() {
                let Some(message) = self.end_walk(facts, index) else { return };
                say(message, Vec::new());
                continue;
            }
            let (entries, inline) = if walked {
                self.next_of_tail(index)
            } else {
                (self.next_of_walk(index), Vec::new())
            };
            if !entries.is_empty() {
                say(Message::Frame(self.frame(facts, index, entries)), inline);
            }
        }
    }

    /// What comes when the walk is through: sums if a delta is not enough, then the claim. Only now
    /// is it known which deletions were forgotten meanwhile.
    fn end_walk(&mut self, facts: &Facts, index: &dyn Index) -> Option<Message> {
        let walk = self.walk.as_mut()?;
        if matches!(walk.sums, Sums::Undecided) {
            let needed = !walk.target.is_empty() && Peer::needs_sums(facts, &walk.has);
            walk.sums = if needed { Sums::From(ROOT) } else { Sums::Told };
        }
        if let Sums::From(first) = walk.sums {
            let (message, sums) = self.next_sums(index, first)?;
            self.walk.as_mut().expect("it is under way").sums = sums;
            return Some(message);
        }
        let walk = self.walk.take().expect("it is under way");
        let late = broken(Mutant::ClaimAtWalkEnd);
        let knowledge = if late { facts.knowledge.clone() } else { walk.target };
        self.said.merge(&knowledge);
        let (phase, frontier) = (facts.meta.phase, facts.frontier.clone());
        Some(Message::DeltaEnd(DeltaEnd { knowledge, phase, frontier }))
    }

    /// More is waiting to be said at once.
    pub fn is_streaming(&self) -> bool {
        let waits = self.walk.is_some() || !self.tail.is_empty() || !self.answers.is_empty();
        self.open && !self.congested && waits
    }

    pub(super) fn frame(&mut self, facts: &Facts, index: &dyn Index, stored: Vec<Stored>) -> Frame {
        let context = facts.knowledge.minus(&self.said);
        self.said.merge(&context);
        let unsaid = facts.knowledge.iter().any(|(life, _)| !self.said_lives.contains(&life));
        let mut incarnations = if unsaid { index.incarnations() } else { Vec::new() };
        incarnations.retain(|life| self.said_lives.insert(life.incarnation));
        let contexts = (0u32..).zip(&stored).filter_map(|(position, stored)| {
            let context = stored.context.and_then(|id| facts.contexts.get(&id))?;
            let beyond = context.minus(&facts.knowledge);
            let is_told = !beyond.is_empty() && !broken(Mutant::NothingBeyond);
            is_told.then_some((position, beyond))
        });
        let beyond = contexts.collect();
        self.find_orphaned(index, &stored);
        let entries = stored.into_iter().map(|stored| stored.entry).collect();
        Frame { context, entries, beyond, contents: Vec::new(), incarnations, range: None }
    }

    /// The next entries of the walk. An entry that holds several lacking dots goes with the first,
    /// or with another that shares one of them.
    fn next_of_walk(&mut self, index: &dyn Index) -> Vec<Stored> {
        const PAGE: usize = 256;
        let (walk, knows) = (self.walk.as_mut().expect("a walk is under way"), &self.knows);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some((life, from, to)) = walk.rest.pop_front() {
            let page = index.dots(life, from, to, PAGE);
            let full = page.len() == PAGE;
            // Of the last dot there may be more entries than the page holds.
            let end = page.last().filter(|_| full).map(|&(last, _)| last);
            let mut next = end.unwrap_or(to.saturating_add(1));
            for (counter, id) in page.into_iter().filter(|(counter, _)| Some(*counter) != end) {
                if bytes >= FRAME_ENTRY_BYTES || entries.len() >= FRAME_ENTRIES_MAX {
                    next = counter;
                    break;
                }
                if walk.early.remove(&id) {
                    continue;
                }
                let Some(stored) = index.entry(id) else { continue };
                if broken(Mutant::NamesLeftOut) && is_left_out(&stored) {
                    continue;
                }
                let dot = Dot { incarnation: life, counter };
                let first = stored.entry.dots().into_iter().find(|d| walk.lacking.contains(*d));
                if first == Some(dot) {
                    // Also of what came here since the walk began: the entry says that, too.
                    let lacks = |dot: Dot| !knows.contains(dot);
                    for one in together(index, stored, &lacks) {
                        if one.entry.id != id {
                            walk.early.insert(one.entry.id);
                        }
                        bytes += entry_bytes(&one.entry);
                        entries.push(one);
                    }
                }
            }
            let stopped = bytes >= FRAME_ENTRY_BYTES || entries.len() >= FRAME_ENTRIES_MAX;
            if next <= to && (full || stopped) {
                walk.rest.push_front((life, next, to));
            }
            if stopped || (full && entries.len() >= PAGE) {
                break;
            }
        }
        entries
    }

    /// The next entries of the tail, and which small contents may ride along. What the peer knows
    /// has come from there, or from where it was told as well.
    fn next_of_tail(&mut self, index: &dyn Index) -> (Vec<Stored>, Vec<Digest>) {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let (mut inline, mut room) = (Vec::new(), FRAME_INLINE_BYTES as u64);
        let mut met = BTreeSet::new();
        let mut rest: Vec<Stored> = Vec::new();
        while !rest.is_empty() || (bytes < FRAME_ENTRY_BYTES && entries.len() < FRAME_ENTRIES_MAX) {
            if rest.is_empty() {
                let Some(id) = self.tail.pop_front() else { break };
                self.in_tail.remove(&id);
                let Some(stored) = index.entry(id).filter(|_| !met.contains(&id)) else { continue };
                if broken(Mutant::NamesLeftOut) && is_left_out(&stored) {
                    continue;
                }
                if stored.entry.dots().iter().all(|dot| self.knows.contains(*dot)) {
                    continue;
                }
                rest = together(index, stored, &|dot| !self.knows.contains(dot));
            }
            let Some(stored) = rest.pop().filter(|one| met.insert(one.entry.id)) else { continue };
            let live = self.walk.is_none();
            if let (true, Some((digest, size))) = (live, just_written(&stored.entry)) {
                if size <= room.min(INLINE_BYTES_MAX as u64) {
                    inline.push(digest);
                    room -= size;
                }
            }
            bytes += entry_bytes(&stored.entry);
            entries.push(stored);
        }
        (entries, inline)
    }

    pub(super) fn acknowledge(
        &mut self,
        facts: &Facts,
        applied: &BTreeMap<Incarnation, u64>,
        say: &mut impl FnMut(Message, Vec<Digest>),
    ) {
        let unsaid = applied.iter().filter(|(i, n)| self.said_applied.get(i) != Some(n));
        let unsaid: Vec<_> = unsaid.map(|(&incarnation, &n)| (incarnation, n)).collect();
        let knowledge = facts.knowledge.minus(&self.said);
        if knowledge.is_empty() && unsaid.is_empty() {
            return;
        }
        self.said.merge(&knowledge);
        self.said_applied.extend(unsaid.iter().copied());
        say(Message::Ack(Ack { knowledge, applied: unsaid }), Vec::new());
    }
}

/// The entry, and all that an operation wrote together with it that the peer lacks, or with one of
/// those: who hears of a dot must hear of all that it wrote, as that stands now (decisions A10).
/// Directories are written alone.
pub(super) fn together(
    index: &dyn Index,
    stored: Stored,
    lacks: &dyn Fn(Dot) -> bool,
) -> Vec<Stored> {
    let mut all = vec![stored];
    let mut met: BTreeSet<EntryId> = all.iter().map(|one| one.entry.id).collect();
    let mut next = 0;
    while let Some(one) = all.get(next).filter(|_| !broken(Mutant::FramesSplit)) {
        next += 1;
        if one.entry.kind == Kind::Dir {
            continue;
        }
        let values = one.entry.minted().into_iter().filter(|(dot, _)| lacks(*dot));
        let others = values.flat_map(|(_, minted)| wire::others(minted));
        let others: Vec<EntryId> = others.filter(|id| met.insert(*id)).collect();
        let others = others.into_iter().filter_map(|id| index.entry(id));
        all.extend(others.filter(|other| other.entry.dots().into_iter().any(lacks)));
    }
    all.reverse();
    all
}

/// For the mutant that selects in S what is told: all that is called `a`.
fn is_left_out(stored: &Stored) -> bool {
    stored.settled.as_ref().is_some_and(|at| at.name.as_bytes() == b"a")
}

/// The content that a user has just written. What an import found may well be at the peer too.
fn just_written(entry: &Entry) -> Option<(Digest, u64)> {
    let newest = view::winner(&entry.data).filter(|data| data.stamp.rank >= Rank::Write)?;
    if newest.body.is_some() {
        // What it holds rides with its body.
        return None;
    }
    match newest.content {
        Content::File(digest, size) => Some((digest, size)),
        Content::Link(_) => None,
    }
}
