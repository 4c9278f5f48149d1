//! Entries that are not in place are decided, operations go out and come back.

use super::cause::cause;
use super::{digest_of, Effect, FolderEngine, Happening, Origin};
use crate::content::{Content, Digest};
use crate::dot::{Dot, NodeId};
use crate::entry::{EntryId, Kind, Timestamp};
use crate::fetch::Asked;
use crate::index::{
    Attributes, Index, Intent, PendingRow, SeenDots, SeenRow, Stored, Volatile, ROOT_SLOT,
};
use crate::ledger;
use crate::limits::{APPLYING_MAX, APPLY_BATCH_MAX, RETRY_MS_MAX, SEEK_MS_MAX};
use crate::observe::{self, Present, Stray};
use crate::path::RelPath;
use crate::pending::{Flight, Wake};
use crate::plan::{
    self, decide, Act, Expected, OpId, Operation, Outcome, Place, Retire, Step, Wait,
};
use crate::proof::{broken, Mutant};
use crate::view;

/// Entries decided in one turn at most: a turn must end so that its effects can start.
const DECISIONS_PER_TURN: usize = 4096;

impl FolderEngine {
    /// Decides what is ready, and hands the disk what is decided.
    pub(super) fn work(&mut self, index: &mut dyn Index) {
        self.take_marked(index);
        if !self.may_work() {
            return;
        }
        let mut batch = Vec::new();
        for _ in 0..DECISIONS_PER_TURN {
            if self.pending.flights() >= APPLYING_MAX {
                break;
            }
            self.pending.refill(index);
            if self.fetch.has_room() {
                self.pending.wake_for_room(index);
            }
            let Some(id) = self.pending.next() else { break };
            self.step(index, id, &mut batch);
            self.take_marked(index);
            if batch.len() == APPLY_BATCH_MAX {
                self.effects.push(Effect::Apply(std::mem::take(&mut batch)));
            }
        }
        if !batch.is_empty() {
            self.effects.push(Effect::Apply(batch));
        }
    }

    fn take_marked(&mut self, index: &dyn Index) {
        self.pending.heard(&std::mem::take(&mut self.facts.news));
        self.pending.marked(index, &std::mem::take(&mut self.facts.marked));
    }

    fn step(&mut self, index: &mut dyn Index, id: EntryId, batch: &mut Vec<Operation>) {
        self.may_come_home(index, id);
        let fetch = &self.fetch;
        match decide(index, id, &|digest: &Digest| fetch.has(digest)) {
            Step::InPlace => {
                index.remove_pending(id);
                self.pending.done(id);
                for name in plan::unlike(index, id) {
                    ledger::mark(&mut self.facts, index, name, &[]);
                }
                self.in_place(index, id);
            }
            Step::Record(row) if self.is_doubted(index, &row) => {
                self.pending.retry(id, self.now.mono_ms);
            }
            Step::Record(row) => {
                index.put_seen(&row);
                self.pending.again(index, id);
            }
            Step::Rebind(row, other)
                if self.pending.is_flying(other) || self.pending.is_flying(row.entry) =>
            {
                // What is under way will write a row of its own.
                self.pending.retry(id, self.now.mono_ms);
            }
            Step::Rebind(row, other) => {
                self.rebind(index, &row, id, other);
            }
            Step::Wait(Wait::Entry(other)) => self.wait_for_entry(index, id, other),
            Step::Wait(Wait::Arrival) => self.wait_for_arrival(index, id),
            step if brings_in(&step) && self.waits_for_quiet(index, id) => {}
            Step::Do { act, .. }
                if matches!(*act, Act::Remove { .. }) && self.was_moved_since(index, id) =>
            {
                observe::say_again(&mut self.facts, index, id, self.epoch);
                self.pending.again(index, id);
            }
            Step::Need(digest, size) => self.need(index, id, digest, size),
            Step::Do { act, dots, after_creates_of } => {
                let mut brought = after_creates_of.into_iter();
                if let Some(dot) = brought.find(|dot| self.is_barred(index, id, *dot)) {
                    self.pending.wait(id, Wake::Barrier(dot.incarnation));
                    return;
                }
                if let Act::Release { digest, .. } = &*act {
                    if !self.may_release(index, id, digest) {
                        return;
                    }
                }
                if self.traffic.is_at_work(&act) {
                    self.pending.wait(id, Wake::Landing);
                    return;
                }
                self.traffic.begin(&act);
                let intent = intent(index, &act, &dots).filter(|_| !broken(Mutant::NoIntents));
                if let Some(intent) = intent {
                    set_intent(index, id, Some(intent));
                }
                let flight = Flight { entry: id, act: (*act).clone(), dots: *dots };
                let id = self.pending.launch(flight);
                batch.push(Operation { id, act: *act });
            }
        }
    }

    /// The other one is to be in place first.
    fn wait_for_entry(&mut self, index: &mut dyn Index, id: EntryId, other: EntryId) {
        if index.pending(other).is_none() {
            ledger::mark(&mut self.facts, index, other, &[]);
        }
        self.pending.wait(id, Wake::Entry(other));
        if self.pending.depends_on(other, id) {
            // The disk has changed since one of the two was decided: nobody would wake it.
            self.pending.retry(other, self.now.mono_ms);
        }
        self.pending.recall_barred(index, id);
    }

    /// What the entry needs is not known here. Its directory may have been forgotten.
    fn wait_for_arrival(&mut self, index: &dyn Index, id: EntryId) {
        view::missing_above(index, id).into_iter().for_each(|dir| self.exchange.miss(dir));
        self.pending.wait(id, Wake::Arrival);
    }

    /// Whether nobody else needs this content of the conflict store. If somebody does, the entry
    /// lets go of it and it stays.
    fn may_release(&mut self, index: &mut dyn Index, id: EntryId, digest: &Digest) -> bool {
        if self.pending.is_being_kept(digest) {
            self.pending.retry(id, self.now.mono_ms);
            return false;
        }
        index.remove_kept(id, digest);
        if index.is_kept(digest) && !broken(Mutant::ReleasedForAll) {
            self.pending.again(index, id);
            return false;
        }
        index.put_kept(id, digest);
        true
    }

    /// Whether a turn would find something to decide, and could hand on what comes of it.
    pub(super) fn has_work(&self) -> bool {
        let ready =
            self.pending.is_ready() || (self.pending.has_roomless() && self.fetch.has_room());
        ready && self.may_work() && self.pending.flights() < APPLYING_MAX
    }

    /// Whoever waited for this entry may go on.
    fn in_place(&mut self, index: &mut dyn Index, id: EntryId) {
        self.note_contest(index, id);
        self.wake_names(index, id);
        for incarnation in self.pending.barriers() {
            self.pending.wake(index, Wake::Barrier(incarnation));
        }
    }

    /// Whether an earlier creation of the same author is still to come (decisions A19). Held for a
    /// limited time: its content may never come.
    fn is_barred(&mut self, index: &dyn Index, id: EntryId, dot: Dot) -> bool {
        let open = index.create_floor(dot.incarnation).is_some_and(|floor| floor < dot.counter);
        if !open || broken(Mutant::NoBarrier) {
            return false;
        }
        if self.pending.is_in_the_way(index, id) {
            return false;
        }
        let is_early = self.now.mono_ms < self.pending.barred_until(id, self.now.mono_ms);
        if is_early || broken(Mutant::BarrierForEver) {
            return true;
        }
        if let Some(row) = index.seen_of(id) {
            if let Some(path) = observe::path_of(index, row.slot) {
                let what = "applied before earlier files of its author: their content did not come";
                self.effects.push(Effect::Notice(path, what.to_string()));
            }
        }
        false
    }

    /// Content comes from this disk if it is here under any name, else from a peer that knows of
    /// it.
    fn need(&mut self, index: &mut dyn Index, id: EntryId, digest: Digest, size: u64) {
        let here = self.origin(index, &digest).filter(|_| !self.fetch.is_displaced(&digest));
        let asked = match here {
            Some(origin) => {
                let under_way = self.fetch.is_under_way(&digest);
                let asked = self.fetch.copying(digest, size);
                if asked == Asked::UnderWay && !under_way {
                    self.effects.push(Effect::Copy(digest, size, origin));
                }
                asked
            }
            None if self.is_sought_in_vain(index, id, &digest) => return,
            None => {
                let holders = self.holders(index, id, &digest);
                match self.fetch.ask(digest, size, &holders) {
                    Asked::Lost if self.is_settled(index, id, &digest, &holders) => return,
                    asked => asked,
                }
            }
        };
        match asked {
            Asked::Search => {
                self.effects.push(Effect::Copy(digest, size, Origin::Trash));
                self.pending.wait(id, Wake::Content(digest));
            }
            Asked::UnderWay => self.pending.wait(id, Wake::Content(digest)),
            Asked::Full => self.pending.wait_for_room(),
            Asked::Unclear => self.seek_later(id, digest, RETRY_MS_MAX),
            Asked::Nobody | Asked::Lost => self.seek_later(id, digest, SEEK_MS_MAX),
        }
    }

    fn holders(&self, index: &dyn Index, id: EntryId, digest: &Digest) -> Vec<NodeId> {
        let stored = index.entry(id);
        let bodies = stored.iter().flat_map(|stored| stored.entry.bodies());
        let bodies: Vec<Stored> = bodies.filter_map(|body| index.entry(body)).collect();
        let bearers = stored.iter().chain(&bodies);
        let versions = bearers.flat_map(|stored| stored.entry.data.versions());
        let with = versions.filter(|v| digest_of(Some(&v.value.content)) == Some(*digest));
        let mut holders: Vec<_> = with.flat_map(|v| self.exchange.holders(v.dot)).collect();
        holders.sort_unstable();
        holders.dedup();
        holders
    }

    /// A row stands for another entry from now on.
    fn rebind(&mut self, index: &mut dyn Index, row: &SeenRow, from: EntryId, to: EntryId) {
        let old = row.entry;
        let next = SeenRow { entry: to, dots: SeenDots::default(), ..row.clone() };
        index.remove_seen(row.slot);
        index.put_seen(&next);
        for id in [from, old, to] {
            ledger::mark(&mut self.facts, index, id, &[]);
        }
    }

    /// The whole disk has been looked at: what the last run left under way was found, or was never
    /// done.
    pub(super) fn sure(&mut self, index: &mut dyn Index) {
        for id in std::mem::take(&mut self.facts.unsure) {
            set_intent(index, id, None);
        }
    }

    /// Operations have ended.
    pub(super) fn applied(&mut self, index: &mut dyn Index, outcomes: Vec<(OpId, Outcome)>) {
        for (op, outcome) in outcomes {
            let Some(flight) = self.pending.land(op) else { continue };
            self.traffic.end(&flight.act, self.now.mono_ms);
            self.pending.wake(index, Wake::Landing);
            self.moved_for_a_peer(&flight.act);
            self.land(index, flight, outcome);
        }
    }

    fn land(&mut self, index: &mut dyn Index, flight: Flight, outcome: Outcome) {
        let id = flight.entry;
        set_intent(index, id, None);
        let unused = !matches!(outcome, Outcome::Done { .. } | Outcome::NotStaged);
        if let Some(digest) = staged_content(&flight.act).filter(|_| unused) {
            // Another of the same batch may have been given a copy of it.
            self.fetch.given_back(digest);
        }
        match outcome {
            Outcome::Done { now, refused, displaced } => {
                let before = index.seen_of(id);
                self.record(index, &flight, &now, refused, displaced.is_none());
                if flight.act.keeps().is_some() {
                    self.has_lost(index, id);
                }
                if let Some(found) = displaced {
                    self.rescue(index, &flight, before, &found);
                }
                // Marked afresh: an edit may have come meanwhile, and what stands here now is no
                // creation that others, or the edit itself, would have to wait for.
                ledger::mark(&mut self.facts, index, id, &[]);
                self.wake_names(index, id);
            }
            Outcome::NotAsExpected => {
                self.look_at(flight.act.paths());
                if let Act::Remove {
                    at, expected: Expected::Exactly { kind: Kind::Dir, .. }, ..
                } = &flight.act
                {
                    // It is not empty: something in it is unknown here.
                    self.effects.push(Effect::ObserveTrees(vec![at.path()]));
                }
                self.pending.retry_held(id, self.now.mono_ms);
            }
            Outcome::Busy(who) => {
                let who = who.unwrap_or_else(|| "a program".to_string());
                let what = format!("waits: {who} has it open for writing");
                self.notice(&flight.act, what);
                self.pending.retry(id, self.now.mono_ms);
            }
            Outcome::NotStaged => {
                if let Some(digest) = staged_content(&flight.act) {
                    self.fetch.missing(&digest);
                }
                if let Act::Keep { digest } = &flight.act {
                    self.not_kept(index, digest);
                }
                self.pending.again(index, id);
            }
            Outcome::Failed(failure) => {
                self.notice(&flight.act, failure.what);
                self.pending.retry_held(id, self.now.mono_ms);
            }
        }
    }

    fn notice(&mut self, act: &Act, what: String) {
        let path = act.paths().pop().unwrap_or_else(RelPath::root);
        self.effects.push(Effect::Notice(path, what));
    }

    /// Writes down what the disk shows after an operation.
    fn record(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        now: &[Present],
        refused: Option<Attributes>,
        as_expected: bool,
    ) {
        let id = flight.entry;
        let by = cause(index, id, &flight.act);
        self.volatile_since_ms.get_or_insert(self.now.mono_ms);
        match &flight.act {
            Act::MakeDir { at, attributes } => {
                self.appear(index, flight, at, None, attributes, &now[0]);
                self.happened(at.path(), Happening::Created, by);
            }
            Act::Install { at, content, attributes, retire, .. } => {
                if let Some(digest) = digest_of(Some(content)) {
                    self.fetch.consumed(&digest);
                }
                let content = (Some(content.clone()), attributes);
                let retire = as_expected.then_some(*retire);
                self.stands(index, flight, (at, retire), content, &now[0]);
            }
            Act::Link { at, file, retire, .. } => {
                let Expected::Exactly { content, fingerprint, .. } = file else { return };
                let retire = as_expected.then_some(*retire);
                let wanted = (content.clone(), &now[0].attributes);
                self.stands(index, flight, (at, retire), wanted, &now[0]);
                self.tell_names(index, id, (fingerprint, &now[0].attributes), &now[0]);
            }
            Act::SetAttributes { at, attributes, .. } => {
                self.dressed(index, flight, (at.as_ref(), attributes), &now[0], refused);
            }
            Act::Move { from, to, .. } => {
                self.move_row(index, id, to, &now[0], Some(&flight.dots));
                self.moved(from.path(), to.path(), by);
            }
            Act::Exchange { a, b, .. } => self.swap(index, flight, a, b, now),
            Act::Remove { at, retire, expected } => {
                let Some(row) = index.seen_of(id).filter(|row| expected.is_of(row)) else {
                    return self.look_at([at.path()]);
                };
                if !index.seen_children(row.slot, None, 1).is_empty() {
                    // What was put in it meanwhile is gone, too: a user removed it. The look tells.
                    return self.look_at([at.path()]);
                }
                if let (Retire::Keep, Some(lost)) = (retire, digest_of(row.content.as_ref())) {
                    index.put_kept(id, &lost);
                }
                index.remove_seen(row.slot);
                self.look_at_rows_of(index, &row);
                self.happened(at.path(), Happening::Removed, by);
            }
            Act::Keep { digest } => {
                self.fetch.consumed(digest);
                index.put_kept(id, digest);
                let row = index.seen_of(id);
                let path = row.and_then(|row| observe::path_of(index, row.slot));
                self.happened(path.unwrap_or_default(), Happening::Conflict, by);
            }
            Act::Release { digest, .. } => index.remove_kept(id, digest),
        }
    }

    /// Something stands at a place where an operation put it.
    pub(super) fn appear(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        at: &Place,
        content: Option<Content>,
        wanted: &Attributes,
        now: &Present,
    ) {
        let old = index.seen_of(flight.entry);
        let Some(parent) = dir_of(index, at) else { return self.look_at([at.path()]) };
        let there = index.seen_named(parent.slot, &at.name).map(|row| row.slot);
        if there.is_some_and(|slot| old.as_ref().is_none_or(|row| row.slot != slot)) {
            // What was last seen there is gone, or this is: the next look tells which.
            return self.look_at([at.path()]);
        }
        let slot = old.as_ref().map_or_else(|| self.facts.slot(), |row| row.slot);
        let previous = old.and_then(|row| row.content);
        let row = SeenRow {
            slot,
            parent: parent.slot,
            name: Some(at.name.clone()),
            entry: flight.entry,
            kind: now.kind,
            fingerprint: now.fingerprint.clone(),
            content,
            attributes: now.attributes.clone(),
            refused: refused_by(wanted, now),
            dots: flight.dots.clone(),
            soft: now.soft,
            volatile: Some(Volatile { epoch: self.epoch, previous }),
        };
        index.put_seen(&row);
    }

    pub(super) fn update(&mut self, index: &mut dyn Index, row: SeenRow, now: &Present) {
        let old = row.volatile.clone();
        let volatile = Some(Volatile::renewed(old, self.epoch, row.content.as_ref()));
        index.put_seen(&SeenRow {
            fingerprint: now.fingerprint.clone(),
            attributes: now.attributes.clone(),
            volatile,
            ..row
        });
    }

    /// A rename changes nothing but the name. What a program changed before it was told of at the
    /// old name, where nobody finds it any more: it is looked for at the new one, and written down
    /// with a time that no look finds, so that a scan sees it too.
    fn move_row(
        &mut self,
        index: &mut dyn Index,
        id: EntryId,
        to: &Place,
        now: &Present,
        dots: Option<&SeenDots>,
    ) {
        let row = index.seen_of(id).filter(|row| is_same_inode(row, now));
        let dir = dir_of(index, to);
        let dir = dir.filter(|dir| index.seen_named(dir.slot, &to.name).is_none());
        let (Some(mut row), Some(dir)) = (row, dir) else {
            // Somebody was faster, and the row is no more: what was moved must not be forgotten.
            return self.look_at([to.path()]);
        };
        (row.parent, row.name) = (dir.slot, Some(to.name.clone()));
        // It can be moved by now: perhaps what was refused is let, too.
        row.refused = None;
        if let Some(dots) = dots {
            row.dots = dots.clone();
        }
        let mut known = now.clone();
        if known.attributes != row.attributes {
            known.attributes = row.attributes.clone();
            known.fingerprint.ctime = Timestamp::default();
        }
        self.update(index, row, &known);
        self.look_at([to.path()]);
    }

    fn swap(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        a: &Place,
        b: &Place,
        now: &[Present],
    ) {
        let other = dir_of(index, b).and_then(|dir| index.seen_named(dir.slot, &b.name));
        let other = other.filter(|row| row.entry != flight.entry && is_same_inode(row, &now[0]));
        let Some(other) = other else {
            return self.look_at([a.path(), b.path()]);
        };
        let mut parked = other.clone();
        parked.name = None;
        index.put_seen(&parked);
        self.move_row(index, flight.entry, b, &now[1], Some(&flight.dots));
        self.move_row(index, other.entry, a, &now[0], None);
        ledger::mark(&mut self.facts, index, other.entry, &[]);
        // It has left its name, too, for which somebody may wait, and need not be in place yet.
        self.wake_names(index, other.entry);
        let by = cause(index, flight.entry, &flight.act);
        self.moved(a.path(), b.path(), by);
    }

    /// User bytes came to light that nobody had seen: they are published as an edit of what this
    /// disk showed before, concurrent to what took their place, and are in the conflict store.
    fn rescue(
        &mut self,
        index: &mut dyn Index,
        flight: &Flight,
        before: Option<SeenRow>,
        found: &Present,
    ) {
        let (Some(content), Some(before)) = (found.content.clone(), before) else { return };
        let path = flight.act.paths().pop().unwrap_or_else(RelPath::root);
        if before.kind != found.kind {
            // Moved there by a user: it is no edit of what the row shows.
            if let Content::File(digest, size) = content {
                let mtime = found.attributes.mtime;
                let path = Some(path);
                self.strays.push(Stray { path, digest, size, mtime, unkept: None });
            }
            return;
        }
        let hlc = self.facts.tick();
        observe::publish_beside(&mut self.facts, index, &before, content.clone(), hlc);
        if let Some(digest) = digest_of(Some(&content)) {
            index.put_kept(flight.entry, &digest);
        }
        self.happened(path, Happening::Rescued, Some(self.facts.meta.incarnation));
    }
}

/// The row of the directory that an operation worked in, by what it is: it may have another path by
/// now, by an operation that came back earlier.
fn dir_of(index: &dyn Index, at: &Place) -> Option<SeenRow> {
    if at.dir.is_root() {
        return index.seen(ROOT_SLOT);
    }
    index.seen_handle(&at.dir_handle).into_iter().find(|row| row.kind == Kind::Dir)
}

/// What an operation puts where, if it puts anything.
fn intent(index: &dyn Index, act: &Act, dots: &SeenDots) -> Option<Intent> {
    let (at, content) = match act {
        Act::Install { at, content, .. } => (at, Some(content.clone())),
        Act::Link { at, file: Expected::Exactly { content, .. }, .. } => (at, content.clone()),
        Act::MakeDir { at, .. } => (at, None),
        _ => return None,
    };
    let parent = dir_of(index, at)?.entry;
    Some(Intent { parent, name: at.name.clone(), content, dots: dots.clone() })
}

fn set_intent(index: &mut dyn Index, id: EntryId, intent: Option<Intent>) {
    if let Some(row) = index.pending(id).filter(|row| row.intent != intent) {
        index.put_pending(&PendingRow { intent, ..row });
    }
}

/// What was asked for and is not so: the disk cannot, and is not asked again.
pub(super) fn refused_by(wanted: &Attributes, now: &Present) -> Option<Attributes> {
    (now.attributes != *wanted).then(|| wanted.clone())
}

/// Whether a row is still of the inode that an operation worked on.
pub(super) fn is_same_inode(row: &SeenRow, now: &Present) -> bool {
    row.fingerprint.handle == now.fingerprint.handle
}

fn staged_content(act: &Act) -> Option<Digest> {
    match act {
        Act::Install { content, .. } => digest_of(Some(content)),
        Act::Keep { digest } => Some(*digest),
        _ => None,
    }
}

/// Whether it takes in what others wrote. To let go of what is superseded is no such thing.
fn brings_in(step: &Step) -> bool {
    match step {
        Step::Need(..) => true,
        Step::Do { act, .. } => !matches!(**act, Act::Release { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
