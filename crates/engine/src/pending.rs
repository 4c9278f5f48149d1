//! What is not yet in place on this disk: which entry is taken up when, what it waits for, and what
//! is under way.
//!
//! The entries themselves wait in the index; here is only a bounded window over them, so a crash
//! loses nothing but time. `plan::decide` says what an entry's next step is.

use crate::content::Digest;
use crate::dot::Incarnation;
use crate::entry::EntryId;
use crate::index::{Index, SeenDots};
use crate::limits::{BARRIER_MS_MAX, RETRY_MS_MAX, SEEK_MS_MAX, STALLED_MAX, WINDOW_MAX};
use crate::path::RelPath;
use crate::plan::{Act, Expected, OpId};
use crate::proof::{broken, reached, Mutant};
use pauses::Pauses;
use std::collections::{BTreeMap, BTreeSet};

pub use traffic::Traffic;

mod pauses;
mod traffic;
mod trail;

/// What wakes a waiting entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Wake {
    /// Another entry came into place, or out of the way.
    Entry(EntryId),
    /// Something arrived from a peer.
    Arrival,
    /// There is another peer to ask, or one has learnt more.
    Holder,
    /// This content is staged, or will not come.
    Content(Digest),
    /// There is room for another request.
    Room,
    /// An earlier creation of this life is in place.
    Barrier(Incarnation),
    /// An operation has ended: its names are free for another.
    Landing,
}

/// An operation under way on the disk.
#[derive(Clone, Debug)]
pub struct Flight {
    /// For which entry.
    pub entry: EntryId,
    /// What.
    pub act: Act,
    /// The versions that the disk shows once it is done.
    pub dots: SeenDots,
}

/// How many waiting entries are asked whether a creation is among them.
const IN_THE_WAY_MAX: usize = 256;
/// So often an operation is tried as soon as anything is seen where it failed.
const FREE_ATTEMPTS: u32 = 2;

/// Why an entry pauses.
#[derive(Clone, Copy)]
enum Cause {
    /// Its last step failed.
    Failure,
    /// Its content could not be had.
    Absence,
    /// It waits for quiet.
    Strife,
    /// It waits for earlier creations: one pause, from the first time that it had to.
    Barrier,
}

const CAUSES: usize = Cause::Barrier as usize + 1;

/// The window over what is pending.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// Entries taken up, whatever they wait for.
    taken: BTreeSet<EntryId>,
    /// Those of them that could not be done when they were last decided, and wait for something
    /// that may never come. Others are taken up in their place.
    stalled: BTreeSet<EntryId>,
    /// More have stalled than are remembered: the others are to be taken up once more.
    left: Option<Left>,
    /// Entries to be decided now, in arrival order.
    ready: BTreeSet<(u64, EntryId)>,
    /// The entry that was last given to be decided.
    deciding: Option<(u64, EntryId)>,
    waiting: BTreeMap<Wake, BTreeSet<EntryId>>,
    /// The same the other way round.
    waits: BTreeMap<EntryId, BTreeSet<Wake>>,
    /// Who waits for room, in arrival order: so files come in the order in which they were told of.
    roomless: BTreeSet<(u64, EntryId)>,
    /// For each [`Cause`]: all are woken, ended and waited for alike.
    pauses: [Pauses; CAUSES],
    /// Entries whose pause no mark ends but news: what was tried shows in what is seen, and nothing
    /// else.
    held: BTreeSet<EntryId>,
    /// Entries that wait for earlier creations, as last decided.
    barred: BTreeSet<EntryId>,
    flights: BTreeMap<OpId, Flight>,
    flying: BTreeSet<EntryId>,
    last_op: u64,
    /// Everything up to this arrival order has been taken up.
    cursor: u64,
    /// The highest that it was.
    reached: u64,
}

/// What was left to the index.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    /// When it is taken up again; not known before the clock is looked at.
    again_ms: Option<u64>,
}

impl Pending {
    /// Others have said something new of these: what has failed may be what is to be no more.
    pub fn heard(&mut self, ids: &[EntryId]) {
        for id in ids {
            self.held.remove(id);
        }
    }

    /// Entries were marked: those already taken up are decided again.
    pub fn marked(&mut self, index: &dyn Index, ids: &[EntryId]) {
        for &id in ids {
            let Some(row) = index.pending(id) else { continue };
            if row.order <= self.reached && !self.held.contains(&id) {
                self.taken.insert(id);
                self.ready.insert((row.order, id));
            }
        }
    }

    /// Takes up more entries while the window has room. What has stalled takes none.
    pub fn refill(&mut self, index: &dyn Index) {
        if self.left.is_some() && self.stalled.len() < STALLED_MAX / 2 {
            self.take_left();
        }
        while self.under_way() < WINDOW_MAX {
            let room = WINDOW_MAX - self.under_way();
            let rows = index.pending_after(self.cursor, room.min(1024));
            let Some(last) = rows.last() else { return };
            self.cursor = last.order;
            self.reached = self.reached.max(last.order);
            for row in rows {
                if self.taken.insert(row.entry) {
                    self.ready.insert((row.order, row.entry));
                }
            }
        }
    }

    fn under_way(&self) -> usize {
        self.taken.len() - self.stalled.len()
    }

    /// The entry could not be done. If too many could not, this one is left to the index.
    fn stall(&mut self, id: EntryId) {
        if self.taken.contains(&id) && self.stalled.insert(id) && self.stalled.len() > STALLED_MAX {
            reached("pending: more has stalled than is remembered");
            self.done(id);
            self.left.get_or_insert_default();
        }
    }

    /// What was left is met again.
    fn take_left(&mut self) {
        self.left = None;
        self.cursor = 0;
    }

    /// The next entry to decide.
    #[expect(clippy::should_implement_trait, reason = "a queue: after `None` there may be more")]
    pub fn next(&mut self) -> Option<EntryId> {
        loop {
            let (order, id) = self.ready.pop_first()?;
            if self.taken.contains(&id) && !self.flying.contains(&id) {
                self.barred.remove(&id);
                self.held.remove(&id);
                self.stalled.remove(&id);
                self.forget_waits(id);
                self.pauses.iter_mut().for_each(|pauses| pauses.woken(id));
                self.deciding = Some((order, id));
                return Some(id);
            }
        }
    }

    /// Whether anything can be decided now.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The entry is in place.
    pub fn done(&mut self, id: EntryId) {
        self.taken.remove(&id);
        self.stalled.remove(&id);
        self.held.remove(&id);
        self.barred.remove(&id);
        self.pauses.iter_mut().for_each(|pauses| pauses.done(id));
        self.forget_waits(id);
    }

    fn pauses_of(&mut self, cause: Cause) -> &mut Pauses {
        &mut self.pauses[cause as usize]
    }

    /// The entry waits.
    pub fn wait(&mut self, id: EntryId, wake: Wake) {
        if matches!(wake, Wake::Barrier(_)) {
            self.barred.insert(id);
        }
        self.waiting.entry(wake).or_default().insert(id);
        self.waits.entry(id).or_default().insert(wake);
        if !matches!(wake, Wake::Content(_) | Wake::Landing | Wake::Room) {
            self.stall(id);
        }
    }

    /// The entry waits for nothing any more: who looks along the chains of those who wait must not
    /// be led on by what it waited for before.
    fn forget_waits(&mut self, id: EntryId) {
        for wake in self.waits.remove(&id).unwrap_or_default() {
            let Some(waiting) = self.waiting.get_mut(&wake) else { continue };
            waiting.remove(&id);
            if waiting.is_empty() {
                self.waiting.remove(&wake);
            }
        }
    }

    /// The entry that is being decided waits for room.
    pub fn wait_for_room(&mut self) {
        self.roomless.extend(self.deciding);
    }

    /// Whether anybody waits for room.
    pub fn has_roomless(&self) -> bool {
        !self.roomless.is_empty()
    }

    /// Until when the entry waits for earlier creations, counted from the first time it had to. It
    /// is taken up again then, if nothing wakes it before.
    pub fn barred_until(&mut self, id: EntryId, now_ms: u64) -> u64 {
        self.pauses_of(Cause::Barrier).once(id, now_ms, BARRIER_MS_MAX)
    }

    /// The entry is left alone until then.
    pub fn rest(&mut self, id: EntryId, until_ms: u64) {
        self.pauses_of(Cause::Strife).until(id, until_ms);
        self.stall(id);
    }

    /// Whether a creation waits, perhaps through others, for this entry to be out of its way. Who
    /// is to be decided again does not count: what it waited for may be over.
    pub fn is_in_the_way(&self, index: &dyn Index, id: EntryId) -> bool {
        let mut met = BTreeSet::from([id]);
        let mut next = vec![id];
        while let Some(here) = next.pop() {
            for &other in self.waiting.get(&Wake::Entry(here)).into_iter().flatten() {
                let Some(row) = index.pending(other) else { continue };
                if self.ready.contains(&(row.order, other)) {
                    continue;
                }
                if row.create.is_some() {
                    return true;
                }
                if met.len() < IN_THE_WAY_MAX && met.insert(other) {
                    next.push(other);
                }
            }
        }
        false
    }

    /// Whether `id` waits, perhaps through others, for `other`.
    pub fn depends_on(&self, id: EntryId, other: EntryId) -> bool {
        let mut met = BTreeSet::from([other]);
        let mut next = vec![other];
        while let Some(here) = next.pop() {
            let Some(waiting) = self.waiting.get(&Wake::Entry(here)) else { continue };
            if waiting.contains(&id) {
                return true;
            }
            let room = IN_THE_WAY_MAX.saturating_sub(met.len());
            let further = waiting.iter().filter(|one| !met.contains(one));
            let further: Vec<EntryId> = further.take(room).copied().collect();
            met.extend(&further);
            next.extend(further);
        }
        false
    }

    /// Has those decided again that wait for earlier creations though `id` waits for them, perhaps
    /// through others: they may be in the way of what `id` is.
    pub fn recall_barred(&mut self, index: &dyn Index, id: EntryId) {
        let mut met = BTreeSet::from([id]);
        let mut next = vec![id];
        let mut barred = Vec::new();
        while let Some(here) = next.pop() {
            for wake in self.waits.get(&here).into_iter().flatten() {
                let Wake::Entry(other) = *wake else { continue };
                if met.len() < IN_THE_WAY_MAX && met.insert(other) {
                    barred.extend(self.barred.contains(&other).then_some(other));
                    next.push(other);
                }
            }
        }
        for other in barred {
            self.again(index, other);
        }
    }

    /// Whether somebody waits for this.
    pub fn is_awaited(&self, wake: &Wake) -> bool {
        self.waiting.contains_key(wake)
    }

    /// Wakes who waits for this.
    pub fn wake(&mut self, index: &dyn Index, wake: Wake) {
        if wake == Wake::Arrival && broken(Mutant::NobodyWakes) {
            return;
        }
        for id in self.waiting.remove(&wake).unwrap_or_default() {
            self.again(index, id);
        }
    }

    /// Wakes some of those who wait for this.
    pub fn wake_some(&mut self, index: &dyn Index, wake: Wake, most: usize) {
        for _ in 0..most {
            let Some(waiting) = self.waiting.get_mut(&wake) else { return };
            let Some(id) = waiting.pop_first() else { return };
            self.again(index, id);
        }
    }

    /// Wakes the first of those who wait for room. One at a time: it may need more than there is.
    pub fn wake_for_room(&mut self, index: &dyn Index) {
        if let Some((_, id)) = self.roomless.pop_first() {
            self.again(index, id);
        }
    }

    /// Decides the entry again as soon as may be.
    pub fn again(&mut self, index: &dyn Index, id: EntryId) {
        if let Some(row) = index.pending(id) {
            self.taken.insert(id);
            self.ready.insert((row.order, id));
        } else {
            self.done(id);
        }
    }

    /// The entry is tried again after a pause that doubles each time.
    pub fn retry(&mut self, id: EntryId, now_ms: u64) {
        if !broken(Mutant::NeverAgain) {
            self.pauses_of(Cause::Failure).pause(id, now_ms, RETRY_MS_MAX);
            self.stall(id);
        }
    }

    /// The same, but after some attempts nothing that is seen there ends the pause: trying has
    /// changed what is seen, or had it looked at.
    pub fn retry_held(&mut self, id: EntryId, now_ms: u64) {
        if broken(Mutant::NeverAgain) {
            return;
        }
        if self.pauses_of(Cause::Failure).pause(id, now_ms, RETRY_MS_MAX) > FREE_ATTEMPTS {
            self.held.insert(id);
        }
        self.stall(id);
    }

    /// The content that the entry needs could not be had: it is looked for again when there is
    /// somebody else to ask, and after a pause that doubles each time, up to this.
    pub fn seek(&mut self, id: EntryId, digest: Digest, now_ms: u64, pause_ms_max: u64) {
        if !broken(Mutant::NeverAgain) {
            self.pauses_of(Cause::Absence).pause(id, now_ms, pause_ms_max);
        }
        self.wait(id, Wake::Content(digest));
        self.wait(id, Wake::Holder);
    }

    /// Whether content is looked for that nobody in reach has.
    pub fn is_seeking(&self) -> bool {
        self.waiting.contains_key(&Wake::Holder)
    }

    /// There is another peer to ask: what could not be had is looked for as if for the first time.
    pub fn seek_anew(&mut self, index: &dyn Index) {
        for id in self.waiting.get(&Wake::Holder).into_iter().flatten() {
            self.pauses[Cause::Absence as usize].done(*id);
        }
        self.wake(index, Wake::Holder);
    }

    /// Takes up again whose pause is over, and whom the barrier has held too long.
    pub fn expire(&mut self, index: &dyn Index, now_ms: u64) {
        let due = self.pauses.each_mut().map(|pauses| pauses.take_due(now_ms));
        for id in due.into_iter().flatten() {
            self.again(index, id);
        }
        let Some(left) = &mut self.left else { return };
        if *left.again_ms.get_or_insert(now_ms + SEEK_MS_MAX) <= now_ms {
            self.take_left();
        }
    }

    /// When the next pause is over.
    pub fn deadline(&self) -> Option<u64> {
        let left = self.left.map(|left| left.again_ms.unwrap_or(0));
        self.pauses.iter().filter_map(Pauses::deadline).chain(left).min()
    }

    /// An operation goes to the disk.
    pub fn launch(&mut self, flight: Flight) -> OpId {
        self.last_op += 1;
        let id = OpId(self.last_op);
        self.flying.insert(flight.entry);
        self.flights.insert(id, flight);
        id
    }

    /// An operation has come back.
    pub fn land(&mut self, op: OpId) -> Option<Flight> {
        let flight = self.flights.remove(&op)?;
        self.flying.remove(&flight.entry);
        Some(flight)
    }

    /// Whether an operation under way brings this content into the conflict store.
    pub fn is_being_kept(&self, digest: &Digest) -> bool {
        self.flights.values().any(|flight| flight.act.keeps() == Some(*digest))
    }

    /// What operations under way are about to make, and where.
    pub fn coming(&self) -> BTreeMap<EntryId, RelPath> {
        let makes = self.flights.values().filter_map(|flight| match &flight.act {
            Act::MakeDir { at, .. }
            | Act::Install { at, expected: Expected::Nothing, .. }
            | Act::Link { at, expected: Expected::Nothing, .. } => Some((flight.entry, at.path())),
            _ => None,
        });
        makes.collect()
    }

    /// Whether an operation is under way for the entry.
    pub fn is_flying(&self, id: EntryId) -> bool {
        self.flying.contains(&id)
    }

    /// What the entry waits for, if it waits.
    pub fn waits_for(&self, id: EntryId) -> Option<Wake> {
        let mut waits = self.waiting.iter().filter(|(_, ids)| ids.contains(&id));
        let roomless = || self.roomless.iter().any(|(_, waiting)| *waiting == id);
        waits.next().map(|(wake, _)| *wake).or_else(|| roomless().then_some(Wake::Room))
    }

    /// How many operations are under way.
    pub fn flights(&self) -> usize {
        self.flights.len()
    }

    /// Incarnations whose creations somebody waits for.
    pub fn barriers(&self) -> Vec<Incarnation> {
        let wakes = self.waiting.keys();
        let barriers = wakes.filter_map(|wake| match wake {
            Wake::Barrier(incarnation) => Some(*incarnation),
            _ => None,
        });
        barriers.collect()
    }
}

#[cfg(test)]
mod tests;
