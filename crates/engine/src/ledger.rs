//! The one way entries are written: what is derived from them stays true, and whatever may now look
//! different on this disk is marked pending.
//!
//! Called by `observe` (local operations) and `exchange` (what peers send). Decides nothing about
//! causality: that is `register`.

use crate::content::Content;
use crate::dot::{Dot, Knowledge};
use crate::entry::{Data, Entry, EntryId, Hlc, Kind, Presence, ROOT};
use crate::index::{BodyDots, Index, Meta, PendingRow, SeenDots, Settled, Slot, Stored};
use crate::limits::CONTEXTS_MAX;
use crate::path::Name;
use crate::proof::{broken, Mutant};
use crate::view;
use std::collections::{BTreeMap, BTreeSet};

/// The folder's small facts, held in memory between turns and written back at the end of one.
#[derive(Clone, Debug)]
pub struct Facts {
    /// See [`Meta`].
    pub meta: Meta,
    /// K.
    pub knowledge: Knowledge,
    /// F, see [`Index::frontier`].
    pub frontier: Knowledge,
    /// Knowledge beyond K that single entries reflect.
    pub contexts: BTreeMap<u64, Knowledge>,
    /// The wall clock of this turn, unix milliseconds.
    pub wall_ms: u64,
    /// What the folder's policy asks of this node.
    pub ways: Ways,
    /// When the last run stopped in good order, unix milliseconds; what the first scan finds was
    /// done since. Forgotten when that scan is over.
    pub stopped_ms: Option<u64>,
    /// Entries marked pending since the last look, in order of marking.
    pub marked: Vec<EntryId>,
    /// Those of them that others have said something new of.
    pub news: Vec<EntryId>,
    /// Entries on which operations were under way when the last run ended: nobody knows what stands
    /// at their places before the disk has been looked at. Their pending rows carry the intents.
    pub unsure: BTreeSet<EntryId>,
    /// Entries that came back after their deletion was forgotten here: to be said again.
    pub returned: BTreeSet<EntryId>,
    /// Those of them that wait for a directory above to be known here.
    pub homeless: BTreeSet<EntryId>,
    /// Deleted directories that something keeps up, and whose deletion nobody is known to have
    /// forgotten, at most [`RISEN_MAX`](crate::limits::RISEN_MAX): said again once somebody has.
    pub risen: BTreeSet<EntryId>,
    /// Deleted directories that were forgotten here, and whose attributes came back as somebody
    /// knew them who had been away, at most as many: to be said again should something keep them
    /// up.
    pub stale: BTreeSet<EntryId>,
    /// What was put into a directory and by others elsewhere, where it is shown: the directory and
    /// the entry, at most [`ASIDE_MAX`](crate::limits::ASIDE_MAX).
    pub aside: BTreeSet<(EntryId, EntryId)>,
    /// Entries of S written since the last look, in order of writing, and by whom.
    pub written: Vec<(EntryId, Author)>,
    /// Which entries the operations of this turn have written.
    minted: Vec<(Dot, EntryId)>,
    saved: Option<(Meta, Knowledge, Knowledge)>,
}

/// What becomes of concurrent edits, as this node is to see to it (decisions A17).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    /// Losers are published as files beside the winners.
    pub beside: bool,
    /// What this node writes wins.
    pub preferred: bool,
}

impl Facts {
    /// Reads the facts out of an index. From now on this run counts as one that crashed.
    pub fn load(index: &dyn Index) -> Facts {
        let mut meta = index.meta();
        Facts {
            stopped_ms: meta.clean_stop_ms.take(),
            meta,
            knowledge: index.knowledge(),
            frontier: index.frontier(),
            contexts: index.contexts().into_iter().collect(),
            wall_ms: 0,
            ways: Ways::default(),
            marked: Vec::new(),
            news: Vec::new(),
            unsure: unsure(index),
            returned: BTreeSet::new(),
            homeless: BTreeSet::new(),
            risen: BTreeSet::new(),
            stale: BTreeSet::new(),
            aside: BTreeSet::new(),
            written: Vec::new(),
            minted: Vec::new(),
            saved: None,
        }
    }

    /// Writes back what changed, and drops contexts that K has caught up with.
    pub fn save(&mut self, index: &mut dyn Index) {
        self.note_spans(index);
        let caught_up: Vec<u64> = self
            .contexts
            .iter()
            .filter(|(_, context)| context.is_within(&self.knowledge))
            .map(|(&id, _)| id)
            .collect();
        for id in caught_up {
            self.contexts.remove(&id);
            index.remove_context(id);
        }
        let saved = self.saved.as_ref();
        if saved.is_none_or(|(meta, ..)| *meta != self.meta) {
            index.set_meta(&self.meta);
        }
        if saved.is_none_or(|(_, knowledge, _)| *knowledge != self.knowledge) {
            index.set_knowledge(&self.knowledge);
        }
        if saved.is_none_or(|(.., frontier)| *frontier != self.frontier) {
            index.set_frontier(&self.frontier);
        }
        self.saved = Some((self.meta.clone(), self.knowledge.clone(), self.frontier.clone()));
    }

    /// Notes in all that an operation of this turn wrote which other entries it wrote: who passes
    /// on one of them passes on the others, too, also if they have been written to since. For with
    /// any of them its dot is claimed, and nobody else would tell of the others.
    fn note_spans(&mut self, index: &mut dyn Index) {
        let mut spans: BTreeMap<Dot, BTreeSet<EntryId>> = BTreeMap::new();
        for (dot, id) in std::mem::take(&mut self.minted) {
            spans.entry(dot).or_default().insert(id);
        }
        for (dot, ids) in spans.iter().filter(|(_, ids)| ids.len() > 1) {
            for id in ids {
                let Some(mut stored) = index.entry(*id) else { continue };
                let others: Vec<EntryId> = ids.iter().copied().filter(|one| one != id).collect();
                stored.entry.note_others(*dot, &others);
                index.put_entry(&stored);
            }
        }
    }

    /// The next dot of this life; it counts as seen at once.
    pub fn mint(&mut self) -> Dot {
        self.meta.counter += 1;
        let dot = Dot { incarnation: self.meta.incarnation, counter: self.meta.counter };
        assert!(!self.knowledge.contains(dot), "a dot is minted once ({dot:?})");
        self.knowledge.insert(dot);
        dot
    }

    /// The next reading of our clock.
    pub fn tick(&mut self) -> Hlc {
        self.meta.hlc = self.meta.hlc.next(self.wall_ms);
        self.meta.hlc
    }

    /// A number for a new row of D.
    pub fn slot(&mut self) -> Slot {
        self.meta.last_slot += 1;
        Slot(self.meta.last_slot)
    }

    /// What this entry's registers reflect: K, and beyond it what its context says.
    pub fn known_by(&self, context: Option<u64>) -> Knowledge {
        let mut known = self.knowledge.clone();
        if let Some(context) = context.and_then(|id| self.contexts.get(&id)) {
            known.merge(context);
        }
        known
    }

    /// A number for Knowledge that an entry reflects beyond K; `None` if there is nothing beyond.
    /// Equal contexts share a number. Beyond [`CONTEXTS_MAX`] the entry's older context is dropped,
    /// which can leave a superseded version standing until the peer is heard again, never lose one.
    pub fn context(
        &mut self,
        index: &mut dyn Index,
        old: Option<u64>,
        reflected: &Knowledge,
    ) -> Option<u64> {
        if reflected.is_within(&self.knowledge) || broken(Mutant::NoContexts) {
            return old.filter(|id| self.contexts.contains_key(id));
        }
        let mut whole = reflected.clone();
        if let Some(old) = old.and_then(|id| self.contexts.get(&id)) {
            if self.contexts.len() < CONTEXTS_MAX {
                whole.merge(old);
            }
        }
        if let Some((&id, _)) = self.contexts.iter().rev().find(|(_, known)| **known == whole) {
            return Some(id);
        }
        if self.contexts.len() >= CONTEXTS_MAX {
            return None;
        }
        self.meta.last_context += 1;
        let id = self.meta.last_context;
        index.put_context(id, &whole);
        self.contexts.insert(id, whole);
        Some(id)
    }
}

/// Who wrote the entry that is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Author {
    /// A local operation: this disk already shows it.
    Here,
    /// A peer: this disk does not show it yet.
    Elsewhere,
}

/// Adds or replaces an entry. `arrived` are its dots that are new here.
pub fn put(
    facts: &mut Facts,
    index: &mut dyn Index,
    entry: Entry,
    context: Option<u64>,
    author: Author,
    arrived: &[Dot],
) {
    let id = entry.id;
    if author == Author::Elsewhere && id.0[15] < 16 && broken(Mutant::RowsLost) {
        return;
    }
    let old = index.entry(id);
    let live_children = match &old {
        Some(old) => old.live_children,
        None if entry.kind == Kind::Dir => count_live_children(index, id),
        None => 0,
    };
    let settled = view::settle(&entry, live_children);
    let alive = settled.as_ref().is_some_and(|at| at.alive);
    let conflicted = alive && !view::losers(index, &entry).is_empty();
    let was = old.as_ref().and_then(|old| old.settled.clone());
    let was_conflicted = old.as_ref().is_some_and(|old| old.conflicted);
    let moved = old.as_ref().is_none_or(|old| old.entry.loc != entry.loc);
    let turns = entry.kind == Kind::Dir && moved;
    let circle_before = circle(index, id, turns);
    let content_changed =
        old.as_ref().is_none_or(|old| view::winner(&old.entry.data) != view::winner(&entry.data));
    let shown = view::shows(&entry).filter(|_| alive);
    let was_shown = old.as_ref().filter(|old| view::is_alive(old));
    let was_shown = was_shown.and_then(|old| view::shows(&old.entry));
    let is_other = old.as_ref().is_none_or(|old| old.entry != entry);
    index.put_entry(&Stored {
        entry,
        settled: settled.clone(),
        live_children,
        conflicted,
        context,
    });
    facts.written.push((id, author));
    let own = arrived.iter().filter(|dot| dot.incarnation == facts.meta.incarnation);
    facts.minted.extend(own.map(|dot| (*dot, id)));
    if author == Author::Elsewhere || conflicted || was_conflicted {
        mark(facts, index, id, arrived);
    }
    facts.news.extend((author == Author::Elsewhere).then_some(id));
    if was != settled || content_changed {
        rivals(facts, index, id, was.as_ref(), settled.as_ref());
    }
    if !alive && (is_other || author == Author::Elsewhere) {
        named(facts, index, id, arrived);
    }
    if shown != was_shown {
        // Where that had lost it is lost now, or no more.
        for body in shown.into_iter().chain(was_shown) {
            named(facts, index, body, &[]);
        }
    }
    let circle_after = circle(index, id, turns);
    for member in circle_before.union(&circle_after) {
        turned(facts, index, *member);
    }
    recount(facts, index, was, settled);
    collapse(facts, index, id);
}

/// A body was written: what its names show has changed, and what lost there.
fn named(facts: &mut Facts, index: &mut dyn Index, body: EntryId, arrived: &[Dot]) {
    for name in index.names_of(body) {
        let Some(mut stored) = index.entry(name) else { continue };
        let conflicted = view::is_alive(&stored) && !view::losers(index, &stored.entry).is_empty();
        if conflicted != stored.conflicted {
            stored.conflicted = conflicted;
            index.put_entry(&stored);
        }
        mark(facts, index, name, arrived);
    }
}

/// The directories that lie in one another in a circle with `id`, if that is to be asked at all.
fn circle(index: &dyn Index, id: EntryId, is_asked: bool) -> BTreeSet<EntryId> {
    is_asked.then(|| view::circle(index, id)).flatten().unwrap_or_default()
}

/// Marks a directory of a circle that was opened, closed or changed, and whoever claims its name:
/// which of a circle is shown elsewhere depends on all of them.
fn turned(facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
    let Some(stored) = index.entry(id) else { return };
    mark(facts, index, id, &[]);
    rivals(facts, index, id, None, stored.settled.as_ref());
}

fn unsure(index: &dyn Index) -> BTreeSet<EntryId> {
    const PAGE: usize = 1024;
    let mut unsure = BTreeSet::new();
    let mut after = 0;
    loop {
        let page = index.pending_after(after, PAGE);
        let Some(last) = page.last() else { return unsure };
        after = last.order;
        unsure.extend(page.iter().filter(|row| row.intent.is_some()).map(|row| row.entry));
    }
}

/// Marks an entry as perhaps not what this disk shows. What does not stand here at all is touched
/// by all its operations: it may have stood here, and have come back since it was deleted.
pub fn mark(facts: &mut Facts, index: &mut dyn Index, id: EntryId, arrived: &[Dot]) {
    let old = index.pending(id);
    let order = old.as_ref().map_or_else(
        || {
            facts.meta.last_order += 1;
            facts.meta.last_order
        },
        |old| old.order,
    );
    let mut touched: BTreeMap<_, u64> = BTreeMap::new();
    let lacking = lacking(index, id);
    let all = lacking.as_ref().map(Entry::dots).unwrap_or_default();
    let before = old.iter().flat_map(|old| &old.touched);
    for dot in before.chain(arrived).chain(&all) {
        let lowest = touched.entry(dot.incarnation).or_insert(dot.counter);
        *lowest = dot.counter.min(*lowest);
    }
    let touched =
        touched.into_iter().map(|(incarnation, counter)| Dot { incarnation, counter }).collect();
    let intent = old.as_ref().and_then(|old| old.intent.clone());
    let create = lacking.as_ref().and_then(create_dot);
    let row = PendingRow { entry: id, order, create, touched, intent };
    if old.as_ref() != Some(&row) {
        index.put_pending(&row);
    }
    facts.marked.push(id);
}

/// The versions an entry holds now: what its place shows once it is right. Of content that lost
/// only what is already in the conflict store, and of what it was also said to be one name of only
/// what this disk shows under another name: nobody has seen what is nowhere on this disk yet, nor
/// the place that such an edit asserts.
pub fn showing(index: &dyn Index, entry: &Entry) -> SeenDots {
    let kept = index.kept_of(entry.id);
    let lost = view::losers(index, entry);
    let is_lost = |data: &Data| match &data.content {
        Content::File(digest, _) => {
            !kept.contains(digest) && lost.iter().any(|loser| loser.content == data.content)
        }
        Content::Link(_) => false,
    };
    let shown = view::winner(&entry.data).map(|data| (&data.content, data.body));
    let versions = entry.data.versions().iter();
    let is_shown = |data: &Data| Some((&data.content, data.body)) == shown;
    let of_shown = shown.and_then(|(_, body)| body);
    let is_unseen = |data: &Data| {
        let other = data.body.filter(|body| Some(*body) != of_shown);
        match other.and_then(|body| index.entry(body)).map(|stored| stored.entry) {
            Some(body) if view::is_shown(index, body.id) => !is_on_disk(index, &body),
            Some(body) => body.data.versions().iter().any(|version| is_lost(&version.value)),
            None => is_lost(data),
        }
    };
    let unseen = versions.clone().filter(|v| is_unseen(&v.value) && !is_shown(&v.value));
    let unseen: Vec<Dot> = unseen.map(|version| version.dot).collect();
    let body = view::body_of(index, entry);
    let bearer = body.as_ref().unwrap_or(entry);
    SeenDots {
        loc: entry.loc.dots().filter(|dot| !unseen.contains(dot)).collect(),
        data: entry.data.dots().filter(|dot| !unseen.contains(dot)).collect(),
        shown: versions.filter(|v| is_shown(&v.value)).map(|v| v.dot).collect(),
        times: bearer.times.dots().collect(),
        mode: bearer.mode.dots().collect(),
        owner: bearer.owner.dots().collect(),
        xattr: bearer.xattr.dots().collect(),
        body: body.as_ref().map(|body| {
            let content = view::winner(&body.data).map(|data| &data.content);
            let versions = body.data.versions().iter();
            let seen = versions.clone().filter(|version| !is_lost(&version.value));
            let shown = versions.filter(|v| Some(&v.value.content) == content);
            let (data, shown) = (seen.map(|v| v.dot).collect(), shown.map(|v| v.dot).collect());
            BodyDots { id: body.id, data, shown }
        }),
    }
}

/// The versions of place and content that go with a file whose row is this: what its disk had seen.
pub fn taken_away(index: &dyn Index, entry: &Entry, dots: &SeenDots) -> (Vec<Dot>, Vec<Dot>) {
    let left = out_of_sight(index, entry, dots);
    let taken = |dots: &[Dot]| dots.iter().filter(|dot| !left.contains(dot)).copied().collect();
    (taken(&dots.loc), taken(&dots.data))
}

/// What a row has of files that its own was another name of, and lost as that, and who removes it
/// does not take away: what was written through it and holds its file up where all other names are
/// removed, and what lay here under another name, and is nowhere on this disk now.
fn out_of_sight(index: &dyn Index, entry: &Entry, dots: &SeenDots) -> Vec<Dot> {
    let of_shown = dots.body.as_ref().map(|body| body.id);
    let is_others =
        |(dot, body): &(Dot, EntryId)| Some(*body) != of_shown && !dots.shown.contains(dot);
    let versions = entry.data.versions().iter();
    let of_bodies = versions.filter_map(|version| Some((version.dot, version.value.body?)));
    let lost: Vec<(Dot, EntryId)> = of_bodies.filter(is_others).collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let seen = showing(index, entry).data;
    let holds_up = |dot: Dot, body: EntryId| {
        let borne = index.entry(body).map(|stored| stored.entry);
        let is_written = borne.is_some_and(|borne| borne.data.get(dot).is_some());
        is_written && view::is_shown(index, body)
    };
    let is_left = |(dot, body): &(Dot, EntryId)| !seen.contains(dot) || holds_up(*dot, *body);
    lost.into_iter().filter(is_left).map(|(dot, _)| dot).collect()
}

/// Whether this disk shows what a body bears, under any name.
fn is_on_disk(index: &dyn Index, body: &Entry) -> bool {
    let content = view::winner(&body.data).map(|data| &data.content);
    let rows = index.names_of(body.id).into_iter().filter_map(|name| index.seen_of(name));
    let mut of_body =
        rows.filter(|row| row.dots.body.as_ref().map(|seen| seen.id) == Some(body.id));
    of_body.any(|row| row.content.as_ref() == content)
}

/// The places of an entry that a disk shows which holds `content` of it, and has seen the versions
/// `seen` of its data: all but those that came with an edit of which it knows nothing. Who deletes
/// or moves the file there has not seen it.
pub fn places_shown(entry: &Entry, content: Option<&Content>, seen: &[Dot]) -> Vec<Dot> {
    let unseen = |dot: &Dot| {
        let edit = entry.data.get(*dot).filter(|_| !seen.contains(dot));
        edit.is_some_and(|version| Some(&version.value.content) != content)
    };
    entry.loc.dots().filter(|dot| !unseen(dot)).collect()
}

/// The entry, if it is to be here and this disk does not show it.
fn lacking(index: &dyn Index, id: EntryId) -> Option<Entry> {
    let stored = index.entry(id).filter(view::is_alive)?;
    index.seen_of(id).is_none().then_some(stored.entry)
}

/// The operation that puts the entry where it is; not a later one that deleted it for nothing.
fn create_dot(entry: &Entry) -> Option<Dot> {
    let versions = entry.loc.versions().iter().map(|version| &version.value);
    let here = versions.filter(|loc| matches!(loc.state, Presence::At(_)));
    here.max_by_key(|loc| loc.stamp).map(|loc| loc.stamp.dot)
}

fn count_live_children(index: &dyn Index, dir: EntryId) -> u32 {
    let mut count = 0;
    let mut after: Option<(Name, EntryId)> = None;
    loop {
        let page = index.children(dir, after.as_ref().map(|(name, id)| (name, *id)), 1024);
        for (_, child) in &page {
            count += u32::from(index.entry(*child).is_some_and(|stored| view::is_alive(&stored)));
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return count,
        }
    }
}

/// Keeps the count of live children true after an entry went from one place to another, upwards for
/// as long as deleted directories come back or go because of it.
fn recount(facts: &mut Facts, index: &mut dyn Index, was: Option<Settled>, is: Option<Settled>) {
    let alive_in = |at: Option<Settled>| at.filter(|at| at.alive).map(|at| at.parent);
    let (from, to) = (alive_in(was), alive_in(is));
    if from == to || broken(Mutant::ChildrenNotCounted) {
        return;
    }
    for (parent, more) in [(from, false), (to, true)] {
        let Some(mut stored) = parent.filter(|id| *id != ROOT).and_then(|id| index.entry(id))
        else {
            continue;
        };
        let count = stored.live_children;
        stored.live_children = if more { count + 1 } else { count.saturating_sub(1) };
        let was = stored.settled.clone();
        stored.settled = view::settle(&stored.entry, stored.live_children);
        let is = stored.settled.clone();
        let id = stored.entry.id;
        index.put_entry(&stored);
        if was != is {
            mark(facts, index, id, &[]);
            rivals(facts, index, id, was.as_ref(), is.as_ref());
            recount(facts, index, was, is);
        } else if !more {
            collapse(facts, index, id);
        }
    }
}

/// Deleted directories that lie in one another in a circle (crossing moves, then deleted) count one
/// another as live children. Where nothing else needs them, they go.
fn collapse(facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
    let needed_only = |stored: &Stored| {
        let mut versions = stored.entry.loc.versions().iter();
        stored.live_children == 1 && versions.all(|v| matches!(v.value.state, Presence::Deleted(_)))
    };
    if !index.entry(id).is_some_and(|stored| view::is_alive(&stored) && needed_only(&stored)) {
        return;
    }
    let circle = view::circle(index, id).into_iter().flatten();
    let circle: Vec<Stored> = circle.filter_map(|member| index.entry(member)).collect();
    if !circle.iter().all(needed_only) {
        return;
    }
    for mut stored in circle {
        let (id, was) = (stored.entry.id, stored.settled.clone());
        stored.live_children = 0;
        stored.settled = view::settle(&stored.entry, 0);
        let is = stored.settled.clone();
        index.put_entry(&stored);
        mark(facts, index, id, &[]);
        rivals(facts, index, id, was.as_ref(), is.as_ref());
    }
}

/// Marks whoever claims the same name as an entry that came, went or changed; and where directories
/// begin or cease to be one, everything in them.
fn rivals(
    facts: &mut Facts,
    index: &mut dyn Index,
    id: EntryId,
    was: Option<&Settled>,
    is: Option<&Settled>,
) {
    let mut others = BTreeSet::new();
    for at in [was, is].into_iter().flatten() {
        let parents = view::united(index, at.parent).unwrap_or_else(|| vec![at.parent]);
        others.extend(parents.iter().flat_map(|&parent| index.named(parent, &at.name)));
        // Who is shown under a suffix gives way to a name that is just so.
        for other in view::suffix_of(index, &at.name) {
            mark(facts, index, other, &[]);
        }
    }
    others.remove(&id);
    if others.is_empty() || broken(Mutant::RivalsForgotten) {
        return;
    }
    others.insert(id);
    let is_dir = |id: EntryId| index.entry(id).is_some_and(|s| s.entry.kind == Kind::Dir);
    let dirs: Vec<EntryId> = others.iter().copied().filter(|&id| is_dir(id)).collect();
    for other in others {
        mark(facts, index, other, &[]);
    }
    mark_inside(facts, index, dirs);
}

/// Marks everything in directories that begin or cease to be shown as one; and in those in them
/// that are therefore shown as one, too, or no more. One that was moved from beside another into it
/// is in two such groups.
fn mark_inside(facts: &mut Facts, index: &mut dyn Index, dirs: Vec<EntryId>) {
    let mut met: BTreeSet<Vec<EntryId>> = BTreeSet::new();
    let mut groups = vec![dirs];
    while let Some(mut group) = groups.pop() {
        group.sort_unstable();
        if group.len() < 2 || !met.insert(group.clone()) {
            continue;
        }
        let mut inner: BTreeMap<Name, Vec<EntryId>> = BTreeMap::new();
        for dir in group {
            for (name, child) in mark_children(facts, index, dir) {
                inner.entry(name).or_default().push(child);
            }
        }
        groups.extend(inner.into_values());
    }
}

/// Marks everything in a directory; returns the directories in it.
fn mark_children(facts: &mut Facts, index: &mut dyn Index, dir: EntryId) -> Vec<(Name, EntryId)> {
    let mut dirs = Vec::new();
    let mut after: Option<(Name, EntryId)> = None;
    loop {
        let page = index.children(dir, after.as_ref().map(|(name, id)| (name, *id)), 1024);
        for (name, child) in &page {
            mark(facts, index, *child, &[]);
            if index.entry(*child).is_some_and(|stored| stored.entry.kind == Kind::Dir) {
                dirs.push((name.clone(), *child));
            }
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return dirs,
        }
    }
}

#[cfg(test)]
mod tests;
