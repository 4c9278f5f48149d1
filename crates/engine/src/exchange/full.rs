//! When a delta is not enough: one side tells sums over all that it holds, the other asks for the
//! ranges in which it holds something else, and learns what is not there any more.
//!
//! Who has not seen a deletion that the teller has forgotten may still hold what was deleted. What
//! the teller does not hold and knows of was deleted (decisions R4): those versions go, as if the
//! deletion had been told; whatever the teller has not seen stays. A directory waits until all that
//! was in it has been compared, and one that is still needed then is asserted anew. The claim at
//! the end of the walk counts when every range that differed was answered. Called by `exchange`.

use super::stream::together;
use super::{Offence, Peer, UNASKED};
use crate::dot::{Dot, Knowledge};
use crate::entry::{Entry, EntryId, Kind, Presence, ROOT};
use crate::index::{Index, Stored};
use crate::ledger::{self, Author, Facts};
use crate::limits::{
    ASIDE_MAX, DOOMED_MAX, FRAME_ENTRIES_MAX, FRAME_ENTRY_BYTES, RANGES_MAX, RANGES_WAITING,
    RANGE_OWN_MAX, RISEN_MAX, STIRRED_MAX, SUMS_MAX,
};
use crate::message::{DeltaEnd, Frame, Message};
use crate::proof::{broken, reached, Mutant};
use crate::range::{self, Range, Sum, LAST};
use crate::register::Register;
use crate::view;
use crate::wire::entry_bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Questions about ranges that are under way to one peer.
pub(super) const ASKED_MAX: usize = 8;

/// How far the teller is.
#[derive(Clone, Debug)]
pub(super) enum Sums {
    /// The walk is not over yet, so it is not known whether any are needed.
    Undecided,
    /// The next range begins here.
    From(EntryId),
    /// All were told, or none is needed.
    Told,
}

/// How far the hearer is.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// Ranges that differ and were not asked for yet.
    pub(super) differ: VecDeque<Range>,
    /// Ranges that were asked for, as far as they are not answered.
    asked: VecDeque<Range>,
    /// Directories that the teller knows no place of and that something is in here.
    doomed: BTreeMap<EntryId, Doomed>,
    /// The claim that counts when all is answered.
    end: Option<DeltaEnd>,
    /// What others have told meanwhile, by entry: the teller may have forgotten its end.
    stirred: BTreeMap<EntryId, Vec<Dot>>,
    /// That is more than is remembered.
    all_stirred: bool,
}

/// What is to go of an entry.
#[derive(Clone, Debug)]
struct Doomed {
    /// Versions that the teller does not hold.
    gone: Vec<Dot>,
    /// The places here of a directory that waited. The teller may hold an attribute that came with
    /// one of them.
    places: Vec<Dot>,
}

impl Doomed {
    /// Of an entry that the teller holds nothing of, and nothing here needs.
    fn unheld(gone: Vec<Dot>) -> Doomed {
        Doomed { gone, places: Vec::new() }
    }

    fn is_unheld(&self) -> bool {
        self.places.is_empty()
    }
}

impl Compared {
    fn is_open(&self) -> bool {
        !self.differ.is_empty() || !self.asked.is_empty()
    }
}

impl Peer {
    /// Whether who has seen `has` must be told sums before it may be told that it has all.
    pub(super) fn needs_sums(facts: &Facts, has: &Knowledge) -> bool {
        if broken(Mutant::NoFull) {
            return false;
        }
        // Who has seen nothing holds nothing.
        !has.is_empty() && !facts.frontier.is_within(has)
    }

    /// The next sums, unless too many questions are to be answered first.
    pub(super) fn next_sums(&self, index: &dyn Index, from: EntryId) -> Option<(Message, Sums)> {
        if self.answers.len() > RANGES_WAITING {
            return None;
        }
        let mut sums: Vec<Sum> = Vec::new();
        let mut next = Some(from);
        while let Some(first) = next.filter(|_| sums.len() < SUMS_MAX) {
            let sum = range::sum_from(index, first);
            next = range::next(sum.range.last);
            sums.push(sum);
        }
        reached("exchange: a full reconciliation");
        Some((Message::Sums(sums), next.map_or(Sums::Told, Sums::From)))
    }

    /// All that is held in the next range that the peer asks for, or the first part of it; and what
    /// shares a new dot with that, wherever it is: it comes again with its own range.
    pub(super) fn next_answer(&mut self, facts: &Facts, index: &dyn Index) -> Option<Frame> {
        let range = *self.answers.front()?;
        let ids = index.ids(range.first, range.last, FRAME_ENTRIES_MAX);
        let mut last = if ids.len() < FRAME_ENTRIES_MAX { range.last } else { ids[ids.len() - 1] };
        let (mut entries, mut bytes, mut met) = (Vec::new(), 0, BTreeSet::new());
        for id in ids {
            let Some(stored) = index.entry(id).filter(|stored| !stored.entry.is_blank()) else {
                continue;
            };
            for one in together(index, stored, &|dot| !self.knows.contains(dot)) {
                if met.insert(one.entry.id) {
                    bytes += entry_bytes(&one.entry);
                    entries.push(one);
                }
            }
            if bytes >= FRAME_ENTRY_BYTES || entries.len() >= FRAME_ENTRIES_MAX {
                last = id;
                break;
            }
        }
        match range::next(last).filter(|_| last < range.last) {
            Some(first) => self.answers[0].first = first,
            None => drop(self.answers.pop_front()),
        }
        let range = Some(Range { first: range.first, last });
        Some(Frame { range, ..self.frame(facts, index, entries) })
    }

    /// The peer holds something else in a range.
    pub(super) fn differs(&mut self, range: Range) -> Result<(), Offence> {
        if self.answers.len() >= RANGES_MAX {
            return Err(Offence("it asks for more than it was told of"));
        }
        self.answers.push_back(range);
        Ok(())
    }

    /// What the peer holds in these ranges.
    pub(super) fn hear_sums(&mut self, index: &dyn Index, sums: &[Sum]) -> Result<(), Offence> {
        self.heard = true;
        let differ = sums.iter().filter(|sum| !range::is_same(index, sum)).map(|sum| sum.range);
        self.compared.differ.extend(differ);
        if self.compared.differ.len() > RANGES_MAX {
            return Err(Offence("it tells of more ranges than it may have"));
        }
        Ok(())
    }

    /// The questions that are due.
    pub(super) fn ask_ranges(&mut self, index: &dyn Index, say: &mut impl FnMut(Message)) {
        let compared = &mut self.compared;
        while compared.asked.len() < ASKED_MAX {
            let Some(range) = compared.differ.pop_front() else { return };
            let (head, rest) = range::cut(index, range, RANGE_OWN_MAX);
            rest.into_iter().for_each(|rest| compared.differ.push_front(rest));
            compared.asked.push_back(head);
            say(Message::Differs(head));
        }
    }

    /// The peer has told all that it holds in a range: what else is held here is judged.
    pub(super) fn answered(
        &mut self,
        facts: &mut Facts,
        index: &mut dyn Index,
        range: Range,
        held: &BTreeSet<EntryId>,
    ) -> Result<(), Offence> {
        let asked = self.compared.asked.front_mut();
        let fits = |asked: &&mut Range| asked.first == range.first && range.last <= asked.last;
        let asked = asked.filter(fits).ok_or(Offence(UNASKED))?;
        match range::next(range.last).filter(|_| range.last < asked.last) {
            Some(first) => asked.first = first,
            None => drop(self.compared.asked.pop_front()),
        }
        for id in index.ids(range.first, range.last, usize::MAX) {
            if id != ROOT && !held.contains(&id) {
                self.judge(facts, index, id);
            }
        }
        Ok(())
    }

    /// An entry that the peer does not hold: the versions of it that the peer knows are gone.
    fn judge(&mut self, facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
        let Some(stored) = index.entry(id) else { return };
        let nothing = Entry::new(id, stored.entry.kind);
        if self.doom(facts, index, &nothing) {
            return;
        }
        let dots = stored.entry.dots();
        let gone: Vec<Dot> = dots.into_iter().filter(|dot| self.knows.contains(*dot)).collect();
        if !gone.is_empty() {
            self.forget(facts, index, id, &Doomed::unheld(gone));
        }
    }

    /// Whether the peer knows of no place of a directory in which something is here, or was put by
    /// some: what is to go of it waits until all that is in it was compared.
    pub(super) fn doom(&mut self, facts: &Facts, index: &dyn Index, theirs: &Entry) -> bool {
        if theirs.kind != Kind::Dir || !theirs.loc.is_empty() || theirs.id == ROOT {
            return false;
        }
        let is_needed =
            |stored: &Stored| stored.live_children > 0 || has_aside(facts, index, theirs.id);
        let Some(stored) = index.entry(theirs.id).filter(is_needed) else { return false };
        let stays = |dot: Dot| !self.knows.contains(dot);
        if stored.entry.loc.is_empty() || stored.entry.loc.dots().any(stays) {
            return false;
        }
        if self.compared.doomed.len() >= DOOMED_MAX {
            self.orphaned.insert(theirs.id);
            return true;
        }
        let held = theirs.dots();
        let gone = |dot: &Dot| self.knows.contains(*dot) && !held.contains(dot);
        let gone = stored.entry.dots().into_iter().filter(gone).collect();
        let places = stored.entry.loc.dots().collect();
        self.compared.doomed.insert(theirs.id, Doomed { gone, places });
        true
    }

    /// Directories above what is told that are deleted, and that the peer may have forgotten: it
    /// would not know where to put it.
    pub(super) fn find_orphaned(&mut self, index: &dyn Index, told: &[Stored]) {
        if self.frontier.is_empty() {
            return;
        }
        let mut met = BTreeSet::from([ROOT]);
        for stored in told.iter().filter(|stored| view::is_alive(stored)) {
            let mut next = stored.settled.as_ref().map(|at| at.parent);
            while let Some(id) = next.filter(|id| met.insert(*id)) {
                let Some(above) = index.entry(id).filter(|above| !view::is_placed(&above.entry))
                else {
                    break;
                };
                if above.entry.loc.dots().all(|dot| self.frontier.contains(dot)) {
                    reached("exchange: the peer may have forgotten a directory above");
                    self.orphaned.insert(id);
                }
                next = above.settled.map(|at| at.parent);
            }
        }
    }

    /// Somebody else has told of these versions while this peer is telling.
    pub(super) fn stir(&mut self, id: EntryId, dots: &[Dot]) {
        let compared = &mut self.compared;
        if compared.stirred.len() < STIRRED_MAX {
            compared.stirred.entry(id).or_default().extend(dots);
        } else {
            compared.all_stirred = true;
        }
    }

    /// The claim that ends the walk, if nothing is left to be compared; else it waits.
    pub(super) fn may_end(&mut self, facts: &Facts, end: DeltaEnd) -> Option<DeltaEnd> {
        self.knows.merge(&end.knowledge);
        self.compared.end = Some(end);
        self.ended_now(facts)
    }

    /// The claim that waited, if nothing is left to be compared any more. What others told of
    /// meanwhile, and the teller knows, is compared, too, if there are deletions that it has
    /// forgotten and nobody has told here: what it says nothing of may be over.
    pub(super) fn ended_now(&mut self, facts: &Facts) -> Option<DeltaEnd> {
        let compared = &mut self.compared;
        let end = compared.end.as_ref()?;
        let stirred = std::mem::take(&mut compared.stirred);
        let all = std::mem::take(&mut compared.all_stirred);
        if !end.frontier.is_within(&facts.knowledge) {
            let is_known = |dots: &Vec<Dot>| dots.iter().any(|dot| end.knowledge.contains(*dot));
            let ids = stirred.into_iter().filter(|(_, dots)| is_known(dots)).map(|(id, _)| id);
            compared.differ.extend(ids.map(|id| Range { first: id, last: id }));
            compared.differ.extend(all.then_some(Range { first: ROOT, last: LAST }));
        }
        if compared.is_open() && !broken(Mutant::ClaimBeforeCompared) {
            return None;
        }
        compared.end.take()
    }

    /// Everything was compared: directories that nothing is in any more go, from the leaves up. The
    /// others are needed by what the teller has not seen.
    pub(super) fn end_doomed(&mut self, facts: &mut Facts, index: &mut dyn Index) {
        let mut doomed = std::mem::take(&mut self.compared.doomed);
        let mut ready: Vec<EntryId> = doomed.keys().copied().collect();
        while let Some(id) = ready.pop() {
            let is_free =
                |stored: &Stored| stored.live_children == 0 && !has_aside(facts, index, id);
            let Some(stored) = index.entry(id).filter(is_free) else { continue };
            let Some(doomed) = doomed.remove(&id) else { continue };
            self.forget(facts, index, id, &doomed);
            ready.extend(stored.settled.map(|at| at.parent));
        }
        for (id, Doomed { places, .. }) in doomed {
            let stored = index.entry(id).filter(view::is_alive);
            // Of one that was put somewhere since the peer is told.
            if stored.is_some_and(|one| one.entry.loc.dots().all(|dot| places.contains(&dot))) {
                reached("exchange: a deleted directory is still needed");
                self.orphaned.insert(id);
            }
        }
    }

    /// Versions that the peer knows and does not hold any more. What stays of the entry is news to
    /// the peer; where that brings the attributes back, they stay here, too.
    fn forget(&self, facts: &mut Facts, index: &mut dyn Index, id: EntryId, doomed: &Doomed) {
        reached("exchange: absence is a deletion");
        let known: Knowledge = doomed.gone.iter().copied().collect();
        let Some(Stored { entry: before, context, .. }) = index.entry(id) else { return };
        let (mut entry, nothing) = (before.clone(), Entry::new(id, before.kind));
        entry.join(&facts.knowledge, &nothing, &known);
        entry.loc.supersede(&doomed.places);
        if entry == before {
            return;
        }
        let is_left = doomed.is_unheld() && !entry.is_blank();
        if is_left || is_news_of_forgotten(&self.frontier, &self.knows, &before) {
            take_attributes(&mut entry, &before);
        }
        if is_left {
            facts.returned.insert(id);
        }
        ledger::put(facts, index, entry, context, Author::Elsewhere, &[]);
    }
}

/// What the teller is taken to know of a directory until it is known whether that goes: what it
/// holds of it. The places here may have come with the same operations, and are not over yet.
pub(super) fn known_of_doomed(index: &dyn Index, id: EntryId, held: &[Dot]) -> Knowledge {
    let stored = index.entry(id);
    let is_place = |dot: Dot| stored.as_ref().is_some_and(|s| s.entry.loc.get(dot).is_some());
    held.iter().copied().filter(|dot| !is_place(*dot)).collect()
}

/// Whether an entry comes back whose deletion was forgotten here, or may be elsewhere: somebody put
/// it somewhere, or, if it bears what several names show, wrote to it, without having seen that.
/// What it had besides was forgotten with it, and is known to be over where that was; others still
/// hold it. So it is to be said again, by all who had forgotten it, and by all who had not and know
/// that others may have, or hear of it from one who missed what was forgotten meanwhile (`known` is
/// all that one has seen).
pub(super) fn returns(
    facts: &Facts,
    elsewhere: &Knowledge,
    before: &Knowledge,
    ours: &Entry,
    (theirs, known): (&Entry, &Knowledge),
) -> bool {
    let is_new = |dot: Dot| !before.contains(dot);
    let is_put = view::is_placed(theirs) && theirs.loc.dots().any(is_new);
    // Of what names show also who holds its end beside what was written since.
    let is_bare = theirs.kind == Kind::File && !view::is_placed(theirs);
    let is_written = is_bare && theirs.data.dots().any(is_new);
    if ours.is_hollow() {
        return (is_put || is_written) && is_news_of_forgotten(&facts.frontier, before, theirs);
    }
    // Another deletion than theirs may be all that is remembered here.
    let is_missing = |dot: Dot| ours.loc.get(dot).is_none() && facts.frontier.contains(dot);
    let is_over = !facts.frontier.is_within(known)
        || is_forgotten(facts, elsewhere, ours)
        || theirs.ends().any(|end| before.contains(end) && is_missing(end));
    let is_gone = !view::is_placed(ours);
    (is_put || is_written && ours.data.is_empty()) && is_gone && is_over
}

/// Somebody may have forgotten more than was known: what rose over that is to be said again.
pub(super) fn return_risen(facts: &mut Facts, elsewhere: &Knowledge, index: &dyn Index) {
    for id in std::mem::take(&mut facts.risen) {
        let Some(stored) = index.entry(id) else { continue };
        if !is_forgotten(facts, elsewhere, &stored.entry) {
            facts.risen.insert(id);
        } else if is_kept_up(&stored) {
            facts.returned.insert(id);
        }
    }
}

/// Deleted directories that something in them keeps up, of which a peer tells: who has forgotten
/// that they were deleted has forgotten what they had besides, too.
pub(super) fn rise_above(
    facts: &mut Facts,
    elsewhere: &Knowledge,
    index: &dyn Index,
    told: &[Entry],
) {
    let mut met = BTreeSet::from([ROOT]);
    for theirs in told {
        let mut next = Some(theirs.id);
        while let Some(id) = next.filter(|id| met.insert(*id)) {
            let Some(stored) = index.entry(id) else { break };
            if is_kept_up(&stored) {
                let is_stale = facts.stale.remove(&id);
                if is_stale || is_forgotten(facts, elsewhere, &stored.entry) {
                    facts.returned.insert(id);
                } else if facts.risen.len() < RISEN_MAX {
                    facts.risen.insert(id);
                }
            } else if id != theirs.id {
                break;
            }
            next = stored.settled.map(|at| at.parent);
        }
    }
}

/// Remembers of what is deleted that its attributes may not be those that others know.
pub(super) fn note_stale(facts: &mut Facts, entry: &Entry) {
    let is_deleted = entry.kind == Kind::Dir && !view::is_placed(entry);
    if is_deleted && facts.stale.len() < RISEN_MAX {
        facts.stale.insert(entry.id);
    }
}

/// Remembers where an entry was put besides the place at which it is shown. Should somebody who has
/// not heard of these places delete it there, it is shown at one of them.
pub(super) fn note_aside(facts: &mut Facts, entry: &Entry) {
    let parents: BTreeSet<EntryId> = places(entry).collect();
    if parents.len() > 1 && facts.aside.len() + parents.len() <= ASIDE_MAX {
        facts.aside.extend(parents.into_iter().map(|parent| (parent, entry.id)));
    }
}

/// Whether something was put into this directory that is shown elsewhere.
pub fn has_aside(facts: &Facts, index: &dyn Index, dir: EntryId) -> bool {
    let mut noted = facts.aside.range((dir, ROOT)..=(dir, LAST)).map(|(_, id)| *id);
    noted.any(|id| {
        let stored = index.entry(id).filter(|stored| view::is_placed(&stored.entry));
        stored.is_some_and(|stored| places(&stored.entry).any(|parent| parent == dir))
    })
}

/// The directories in which it was put.
fn places(entry: &Entry) -> impl Iterator<Item = EntryId> + '_ {
    let versions = entry.loc.versions().iter().map(|version| &version.value);
    versions.filter(|at| matches!(at.state, Presence::At(_))).map(|at| at.parent)
}

/// Whether it is a deleted directory that something in it keeps up.
pub fn is_kept_up(stored: &Stored) -> bool {
    let is_deleted = stored.entry.kind == Kind::Dir && !view::is_placed(&stored.entry);
    is_deleted && view::is_alive(stored)
}

/// Whether somebody may have forgotten the end of what is remembered here.
pub fn is_forgotten(facts: &Facts, elsewhere: &Knowledge, ours: &Entry) -> bool {
    ours.ends().any(|end| facts.frontier.contains(end) || elsewhere.contains(end))
}

/// Whether this was forgotten where `before` was known and `frontier` forgotten, and somebody has
/// written to it since, and be it an attribute: what it had besides came there once, and went with
/// all that was forgotten. Its attributes come back with that news.
pub(super) fn is_news_of_forgotten(
    frontier: &Knowledge,
    before: &Knowledge,
    theirs: &Entry,
) -> bool {
    let dots = theirs.dots();
    let is_over = |dot: &Dot| before.contains(*dot) && frontier.contains(*dot);
    dots.iter().any(|dot| !before.contains(*dot)) && dots.iter().any(is_over)
}

/// The attributes of what was forgotten and is told of again, beside those that it was given here
/// since.
pub(super) fn take_attributes(entry: &mut Entry, theirs: &Entry) {
    reached("exchange: what was forgotten comes back");
    take(&mut entry.times, &theirs.times);
    take(&mut entry.mode, &theirs.mode);
    take(&mut entry.owner, &theirs.owner);
    take(&mut entry.xattr, &theirs.xattr);
}

fn take<T: Clone>(register: &mut Register<T>, theirs: &Register<T>) {
    theirs.versions().iter().for_each(|version| register.insert(version.clone()));
}
