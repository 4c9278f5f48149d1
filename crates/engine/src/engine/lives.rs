//! Which life this node lives in the folder, and when it must begin another.
//!
//! A dot is given once. An index that was put back to an older copy (a snapshot, a volume rolled
//! back, a backup) would give dots again that other nodes know for other operations. The witness
//! tells so at the opening, else a peer does that knows more of this life than the index: then
//! nothing more is minted until the node has signed a new one (docs/decisions/0008). A node that
//! runs twice is told so in the same way (docs/decisions/0012).

use super::{Effect, FolderEngine, Input, Now, Opening, Witness};
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{Data, Entry, EntryId, IncarnationRecord, Location, Presence, Stamped};
use crate::index::{Index, Meta, SeenDots, SeenRow, ROOT_SLOT};
use crate::ledger::{self, Author, Facts};
use crate::limits::LIFE_MS_MIN;
use crate::message::Message;
use crate::proof::{broken, reached, Mutant};
use crate::register::{Register, Version};
use crate::view;
use crate::wire::{self, Minted};
use std::collections::{BTreeMap, BTreeSet};

/// More entries than one operation ever spans (decisions A10: 16).
const ENTRIES_PER_DOT_MAX: usize = 1024;

/// What an opening does with the life that the index names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Course {
    /// It goes on.
    GoesOn,
    /// It is over: nothing proves that its counter can be trusted.
    Ended,
    /// It is over: this index is older than what this node has told.
    PutBack,
}

pub(super) fn course(meta: &Meta, index: &dyn Index, opening: &Opening) -> Course {
    if broken(Mutant::LifeGoesOn) {
        return Course::GoesOn;
    }
    let same_boot = meta.boot == opening.boot.id;
    let is_known = |life| index.incarnations().iter().any(|one| one.incarnation == life);
    match opening.witness {
        Witness::Last(life, counter) if life == meta.incarnation && counter > meta.counter => {
            Course::PutBack
        }
        // The index is older than the beginning of that life.
        Witness::Last(life, _) if !is_known(life) => Course::PutBack,
        Witness::Last(life, _) if life == meta.incarnation && same_boot => Course::GoesOn,
        Witness::NoPlace if same_boot => Course::GoesOn,
        Witness::Last(..) | Witness::Missing | Witness::NoPlace => Course::Ended,
    }
}

/// From the claim that ends a life to the beginning of the next: what comes in between waits, for
/// it might be minted.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    is_under_way: bool,
    /// A life of ours that we never lived was named: somebody else lives under our identity.
    has_twin: bool,
    held: Vec<Input>,
    /// The counter at which this run began: a higher dot of this life was minted in this run.
    floor: u64,
    last_ms: Option<u64>,
    /// What the opening did with the life before.
    course: Course,
    /// Who has said what it knows since.
    met: BTreeSet<NodeId>,
}

impl Renewal {
    pub(super) fn since(floor: u64, course: Course) -> Renewal {
        Renewal {
            is_under_way: false,
            has_twin: false,
            held: Vec::new(),
            floor,
            last_ms: None,
            course,
            met: BTreeSet::new(),
        }
    }

    /// Whether lives of ours that the peer names may be our own before this index was put back:
    /// now, as the opening found, or before an earlier run that ended before it heard of them.
    fn may_have_forgotten(&self, peer: NodeId) -> bool {
        self.course == Course::PutBack || !self.met.contains(&peer)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Lets an input through, or keeps it until the new life has begun.
    pub(super) fn admit(&mut self, input: Input) -> Option<Input> {
        if self.is_under_way && !matches!(input, Input::Life(_)) {
            self.hold(input);
            return None;
        }
        Some(input)
    }

    pub(super) fn hold(&mut self, input: Input) {
        self.held.push(input);
    }
}

impl FolderEngine {
    /// Whether the peer that says this knows more of our life than we have lived, or of a life of
    /// ours that we never lived: a new one is asked for. One that says so again and again is not
    /// believed.
    pub(super) fn outlived(&mut self, index: &dyn Index, peer: NodeId, message: &Message) -> bool {
        let is_strange = self.names_a_strange_life(index, message);
        let has_twin = is_strange && !self.renewal.may_have_forgotten(peer);
        self.facts.meta.has_twin |= has_twin;
        let rests_until_ms = self.renewal.last_ms.map_or(0, |last_ms| last_ms + LIFE_MS_MIN);
        let rests = self.now.mono_ms < rests_until_ms || broken(Mutant::LifeGoesOn);
        if rests || !is_strange && !self.exchange.outlives(&self.facts, message) {
            if matches!(message, Message::Share(_)) {
                self.renewal.met.insert(peer);
            }
            return false;
        }
        if is_strange {
            reached("a life of ours that we never lived");
        }
        (self.renewal.is_under_way, self.renewal.has_twin) = (true, has_twin);
        self.effects.push(Effect::NewLife);
        true
    }

    /// Whether the peer has heard of a life of this node that this index has not: the node runs
    /// twice, and the other has begun it, or this is an older copy. Of no interest while nothing
    /// was minted that somebody else may have minted, too; so a node whose index was lost hears of
    /// its former lives.
    fn names_a_strange_life(&self, index: &dyn Index, message: &Message) -> bool {
        let named = match message {
            Message::Share(share) => &share.incarnations,
            Message::Frame(frame) => &frame.incarnations,
            _ => return false,
        };
        if named.is_empty() || self.facts.meta.counter == 0 {
            return false;
        }
        let lives = index.incarnations();
        let this = lives.iter().find(|life| life.incarnation == self.facts.meta.incarnation);
        let is_known = |named: &Incarnation| lives.iter().any(|life| life.incarnation == *named);
        let own = named.iter().filter(|life| this.is_some_and(|this| this.node == life.node));
        own.into_iter().any(|life| !is_known(&life.incarnation))
    }

    /// The new life begins; what waited for it is taken in.
    pub(super) fn begin_life(&mut self, now: Now, index: &mut dyn Index, next: &IncarnationRecord) {
        if !std::mem::replace(&mut self.renewal.is_under_way, false) {
            return;
        }
        self.renewal.last_ms = Some(now.mono_ms);
        let from = std::mem::take(&mut self.renewal.floor);
        let last = std::mem::replace(&mut self.facts.meta.incarnation, next.incarnation);
        let to = std::mem::replace(&mut self.facts.meta.counter, 0);
        index.put_incarnation(next);
        self.exchange.renew();
        self.effects.push(match self.renewal.has_twin {
            true => Effect::Twin,
            false => Effect::PutBack,
        });
        if to > from {
            self.facts.meta.counter = to - from;
            Renamed { last, next: next.incarnation, from, to }.carry_out(&mut self.facts, index);
            let peers: Vec<_> = self.exchange.peers().map(|(peer, _)| peer).collect();
            for peer in peers {
                self.peer_down(index, peer);
                self.effects.push(Effect::Restart(peer));
            }
        }
        for input in std::mem::take(&mut self.renewal.held) {
            self.handle(now, index, input);
        }
    }

    /// Whether an earlier life of ours deleted this entry, and a directory that it lies in was
    /// moved in this life: then it was moved with it. Such a deletion comes back to an index that
    /// was put back, and who said it had perhaps not heard of the move yet. That others say they
    /// deleted it proves nothing: theirs may be put back as well, and have found what they had done
    /// for us. What has a place all the same goes for another reason: another stands for it there.
    pub(super) fn was_moved_since(&self, index: &dyn Index, id: EntryId) -> bool {
        let this = self.facts.meta.incarnation;
        let mut above = index.seen_of(id).and_then(|row| index.seen(row.parent));
        let is_moved = |dir: &SeenRow| dir.dots.loc.iter().any(|dot| dot.incarnation == this);
        while let Some(dir) = above.take_if(|dir| !is_moved(dir) && dir.slot != ROOT_SLOT) {
            above = index.seen(dir.parent);
        }
        // Hardly ever: whose lives they are is looked up after that.
        let stored = above.filter(is_moved).and_then(|_| index.entry(id));
        let Some(stored) = stored.filter(|stored| !view::is_placed(&stored.entry)) else {
            return false;
        };
        let own = self.own_dots(index);
        let is_earlier = |life: &Incarnation| *life != this && own.contains_key(life);
        let mut ends = stored.entry.loc.versions().iter();
        let is_deleted_before = ends.any(|v| {
            matches!(v.value.state, Presence::Deleted(_)) && is_earlier(&v.dot.incarnation)
        });
        if is_deleted_before {
            reached("a deletion of an earlier life is older than a move of this one");
        }
        is_deleted_before
    }

    /// Everything that this node has minted and still knows, by life: up to this counter.
    pub fn own_dots(&self, index: &dyn Index) -> BTreeMap<Incarnation, u64> {
        let lives = index.incarnations();
        let this = lives.iter().find(|life| life.incarnation == self.facts.meta.incarnation);
        let own = lives.iter().filter(|life| this.is_some_and(|this| this.node == life.node));
        let seen = |life: &IncarnationRecord| self.facts.knowledge.of(life.incarnation);
        own.filter_map(|life| Some((life.incarnation, seen(life)?.prefix()))).collect()
    }
}

/// The dots that this run has given and that are others' already: `from + 1..=to` of the last
/// life become `1..` of the next. Who claimed more of that life was told nothing of them yet, for
/// that claim is the first that it says.
struct Renamed {
    last: Incarnation,
    next: Incarnation,
    from: u64,
    to: u64,
}

impl Renamed {
    fn carry_out(&self, facts: &mut Facts, index: &mut dyn Index) {
        let mut taken = Knowledge::default();
        taken.insert_range(self.last, self.from + 1, self.to);
        facts.knowledge = facts.knowledge.minus(&taken);
        facts.knowledge.insert_range(self.next, 1, self.to - self.from);
        for counter in self.from + 1..=self.to {
            for (_, id) in index.dots(self.last, counter, counter, ENTRIES_PER_DOT_MAX) {
                self.entry(facts, index, id);
            }
        }
    }

    fn entry(&self, facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
        let Some(stored) = index.entry(id) else { return };
        let old = stored.entry;
        let entry = Entry {
            id,
            kind: old.kind,
            loc: self.register(&old.loc),
            data: self.register(&old.data),
            times: self.register(&old.times),
            mode: self.register(&old.mode),
            owner: self.register(&old.owner),
            xattr: self.register(&old.xattr),
            other: old.other,
        };
        for shown in index.names_of(id).into_iter().chain([id]) {
            let Some(mut row) = index.seen_of(shown) else { continue };
            let SeenDots { loc, data, shown, times, mode, owner, xattr, body } = &mut row.dots;
            let of_body = body.iter_mut().flat_map(|body| [&mut body.data, &mut body.shown]);
            for dots in [loc, data, shown, times, mode, owner, xattr].into_iter().chain(of_body) {
                dots.iter_mut().for_each(|dot| *dot = self.dot(*dot));
            }
            index.put_seen(&row);
        }
        ledger::put(facts, index, entry, stored.context, Author::Here, &[]);
    }

    fn register<T: Dotted + Minted + Clone>(&self, old: &Register<T>) -> Register<T> {
        let mut new = Register::default();
        for version in old.versions() {
            let mut value = version.value.clone();
            let mut is_same = self.dot(version.dot) == version.dot;
            for dot in value.dots() {
                is_same &= self.dot(*dot) == *dot;
                *dot = self.dot(*dot);
            }
            new.insert(if is_same {
                version.clone()
            } else {
                let others = wire::others(&version.minted);
                let minted = wire::with_others(&value.mint(), &others).into();
                Version { dot: self.dot(version.dot), minted, value }
            });
        }
        new
    }

    fn dot(&self, dot: Dot) -> Dot {
        if dot.incarnation != self.last || dot.counter <= self.from || dot.counter > self.to {
            return dot;
        }
        Dot { incarnation: self.next, counter: dot.counter - self.from }
    }
}

/// A value that names operations.
trait Dotted {
    fn dots(&mut self) -> Vec<&mut Dot>;
}

impl Dotted for Location {
    fn dots(&mut self) -> Vec<&mut Dot> {
        vec![&mut self.stamp.dot]
    }
}

impl Dotted for Data {
    fn dots(&mut self) -> Vec<&mut Dot> {
        let mut dots: Vec<_> = self.base.iter_mut().collect();
        dots.push(&mut self.stamp.dot);
        dots
    }
}

impl<T> Dotted for Stamped<T> {
    fn dots(&mut self) -> Vec<&mut Dot> {
        vec![&mut self.stamp.dot]
    }
}

#[cfg(test)]
mod tests;
