//! Files of several names: a local operation that makes or breaks a name of one, or works through
//! it, is born here.
//!
//! What several names hold stands on a body, an entry without a place, and each name says whose it
//! is (docs/decisions/0011). All entries that an operation touches get its one dot. Whatever
//! asserts a name asserts the body's content too, so that nobody who lets go of the last name that
//! he knows takes it away from one that he does not know.

use super::mint::{bury, reassert_data, version, write_attributes, write_data, Pen};
use super::{revive, Present, Source};
use crate::content::Content;
use crate::dot::Dot;
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Sight, Stamp, DATA_BASE_MAX,
};
use crate::index::{BodyDots, Index, SeenDots, SeenRow};
use crate::ledger::{self, Facts};
use crate::path::Name;
use crate::proof::{broken, reached, Mutant};
use crate::view;

/// A body, taken out of the index to be written to.
pub(super) struct Borne {
    pub entry: Entry,
    pub context: Option<u64>,
}

impl Borne {
    /// Takes away the mark of its end, if the last name known was taken away meanwhile.
    pub(super) fn begin_again(&mut self) {
        let ends: Vec<Dot> = self.entry.loc.dots().collect();
        self.entry.loc.supersede(&ends);
    }
}

/// Says of an entry that it is one name of `body`, over what its disk showed.
pub(super) fn bind(
    entry: &mut Entry,
    dots: &mut SeenDots,
    content: Option<Content>,
    body: EntryId,
    stamp: Stamp,
    base: Vec<Dot>,
) {
    let Some(content) = content else { return };
    let data = Data { content, stamp, base, body: Some(body) };
    bind_as(entry, dots, data, stamp.dot);
}

fn bind_as(entry: &mut Entry, dots: &mut SeenDots, data: Data, dot: Dot) {
    entry.data.write(version(dot, data), &dots.shown);
    dots.data.retain(|seen| !dots.shown.contains(seen));
    dots.data.push(dot);
    dots.shown = vec![dot];
}

/// Whether a row was last seen to be a name of `body`.
pub(crate) fn is_name_of(row: &SeenRow, body: Option<EntryId>) -> bool {
    row.dots.body.as_ref().map(|body| body.id) == body
}

/// What a name had of its own while it was a file by itself is history.
fn strip(entry: &mut Entry, dots: &SeenDots) {
    entry.times.supersede(&dots.times);
    entry.mode.supersede(&dots.mode);
    entry.owner.supersede(&dots.owner);
    entry.xattr.supersede(&dots.xattr);
}

impl Pen<'_> {
    /// What the tree shows of an entry.
    pub(super) fn content_of(&self, entry: &Entry) -> Option<Content> {
        let whole = view::whole(self.index, entry);
        view::winner(&whole.data).map(|data| data.content.clone())
    }

    /// The body that a row was last seen to be a name of.
    pub(super) fn body_shown(&self, dots: &SeenDots) -> Option<Borne> {
        let stored = self.index.entry(dots.body.as_ref()?.id)?;
        Some(Borne { entry: stored.entry, context: stored.context })
    }

    /// New content over what the disk showed, where it was known at all: of the entry, or of what
    /// it is one name of. That it is a name of that is asserted.
    pub(super) fn write(
        &mut self,
        entry: &mut Entry,
        body: Option<&mut Borne>,
        dots: &mut SeenDots,
        content: Option<Content>,
        knows: bool,
        stamp: Stamp,
    ) {
        let dot = stamp.dot;
        let (Some(body), Some(mut seen)) = (body, dots.body.take()) else {
            let replaced = if knows { dots.shown.clone() } else { Vec::new() };
            return write_data(self.index, entry, dots, content, &replaced, stamp, dot);
        };
        let base = origins(self.index, entry, &dots.shown);
        bind(entry, dots, content.clone(), seen.id, stamp, base);
        let mut of_body = SeenDots { data: seen.data, shown: seen.shown, ..SeenDots::default() };
        let replaced = if knows { of_body.shown.clone() } else { Vec::new() };
        body.begin_again();
        write_data(self.index, &mut body.entry, &mut of_body, content, &replaced, stamp, dot);
        (seen.data, seen.shown) = (of_body.data, of_body.shown);
        dots.body = Some(seen);
    }

    /// One more look at an inode tells of it under all its names.
    pub(super) fn share(&mut self, row: &SeenRow) {
        let Some(body) = row.dots.body.as_ref().filter(|_| !broken(Mutant::NamesNotShared)) else {
            return;
        };
        for other in self.index.seen_handle(&row.fingerprint.handle) {
            if other.slot == row.slot || !is_name_of(&other, Some(body.id)) {
                continue;
            }
            let dots = other.dots.as_name_beside(&row.dots);
            let (slot, parent, name) = (other.slot, other.parent, other.name.clone());
            let entry = other.entry;
            self.index.put_seen(&SeenRow { slot, parent, name, entry, dots, ..row.clone() });
        }
    }

    /// Writes what the row shows of its body once more, under the dot of an operation on a name.
    pub(super) fn hold(&mut self, row: &mut SeenRow, stamp: Stamp) {
        let Some(mut borne) = self.body_shown(&row.dots) else { return };
        let Some(seen) = row.dots.body.take() else { return };
        let dot = stamp.dot;
        let is_over = !view::is_body(&borne.entry);
        borne.begin_again();
        let body = &mut borne.entry;
        let mut dots = SeenDots { data: seen.data, shown: seen.shown, ..SeenDots::default() };
        if !reassert_data(body, &mut dots, dot) {
            match view::winner(&body.data).cloned() {
                // Replaced, and not on this disk yet: it stays what it is.
                Some(newer) => body.data.write(version(dot, newer), &[]),
                None => {
                    write_data(self.index, body, &mut dots, row.content.clone(), &[], stamp, dot)
                }
            }
        }
        if is_over {
            // Who has forgotten its end has forgotten the attributes, too.
            write_attributes(body, &mut row.dots, None, &row.attributes, stamp);
        }
        row.dots.body = Some(BodyDots { id: seen.id, data: dots.data, shown: dots.shown });
        self.put(borne.entry, borne.context, dot);
    }

    /// Whether there is anything in what somebody wrote to an entry, which this disk does not show,
    /// and is moved along with it. What it is a name of is held, for others may let go of it.
    pub(super) fn bring_along(&mut self, edited: &Data, row: &SeenRow, stamp: Stamp) -> bool {
        let Some(id) = edited.body.filter(|id| !is_name_of(row, Some(*id))) else { return true };
        let Some(stored) = self.index.entry(id) else { return true };
        let Some(newest) = view::winner(&stored.entry.data).cloned() else { return false };
        let mut borne = Borne { entry: stored.entry, context: stored.context };
        if !view::is_body(&borne.entry) {
            // Who has forgotten its end has forgotten the attributes, too.
            let mut dots = SeenDots::default();
            write_attributes(&mut borne.entry, &mut dots, None, &row.attributes, stamp);
        }
        borne.begin_again();
        borne.entry.data.write(version(stamp.dot, newest), &[]);
        self.put(borne.entry, borne.context, stamp.dot);
        true
    }

    /// Makes a file with one name a body with one: `row` is that name's.
    fn found_body(&mut self, row: &mut SeenRow, stamp: Stamp) {
        let Some(stored) = self.index.entry(row.entry) else { return };
        let (mut entry, dot) = (stored.entry, stamp.dot);
        let shown = entry.data.versions().iter().filter(|v| row.dots.shown.contains(&v.dot));
        let shown = shown.max_by_key(|v| v.value.stamp).map(|v| v.value.clone());
        let unwritten = || {
            let base = Vec::new();
            row.content.clone().map(|content| Data { content, stamp, base, body: None })
        };
        let Some(data) = shown.or_else(unwritten) else { return };
        let id = self.body_id(row.entry, data.stamp.dot, dot);
        let borne = self.index.entry(id);
        let context = borne.as_ref().and_then(|stored| stored.context);
        let body = borne.map_or_else(|| Entry::new(id, Kind::File), |stored| stored.entry);
        let mut borne = Borne { entry: body, context };
        borne.begin_again();
        let Borne { entry: mut body, context } = borne;
        // Its place as well: who takes out what loses to this takes the place that that asserts.
        let mut seen = row.dots.clone();
        self.reassert(&mut entry, &mut seen, stamp, row);
        row.dots = seen;
        let mut dots = bury(&mut body);
        body.data.write(version(dot, Data { body: None, ..data.clone() }), &[]);
        write_attributes(&mut body, &mut dots, None, &row.attributes, stamp);
        strip(&mut entry, &row.dots);
        bind_as(&mut entry, &mut row.dots, Data { body: Some(id), ..data }, dot);
        let body_dots = BodyDots { id, data: vec![dot], shown: vec![dot] };
        let SeenDots { loc, data, shown, .. } = std::mem::take(&mut row.dots);
        row.dots = SeenDots { loc, data, shown, body: Some(body_dots), ..dots };
        self.put(body, context, dot);
        self.put(entry, stored.context, dot);
    }

    /// The id that the first name gives with what it holds, unless it is in use.
    fn body_id(&self, of: EntryId, origin: Dot, dot: Dot) -> EntryId {
        let derived = EntryId::derive_body(of, origin);
        let is_bare = |id| self.index.entry(id).is_none_or(|stored| stored.entry.data.is_empty());
        match is_bare(derived) && self.index.names_of(derived).is_empty() {
            true => derived,
            false => EntryId::derive_body(of, dot),
        }
    }

    /// The row's inode gets one more name by an operation: its body is asserted, or made.
    fn give_name(&mut self, first: &SeenRow, stamp: Stamp) -> SeenRow {
        let mut row = first.clone();
        if row.dots.body.is_some() {
            if !broken(Mutant::NamesNotHeld) {
                self.hold(&mut row, stamp);
            }
        } else {
            self.found_body(&mut row, stamp);
        }
        self.index.put_seen(&row);
        self.share(&row);
        row
    }

    /// A new name of the file that `first` shows: ln(1).
    pub fn create_name(&mut self, parent: &SeenRow, name: &Name, found: &Present, first: &SeenRow) {
        let hlc = self.time(Some(found));
        let dot = self.facts.mint();
        let stamp = self.stamp(hlc, dot);
        let first = self.give_name(first, stamp);
        let Some(body) = first.dots.body.as_ref().map(|body| body.id) else { return };
        let id = self.fresh_id(parent.entry, Kind::File, name, dot);
        let stored = self.index.entry(id);
        let context = stored.as_ref().and_then(|stored| stored.context);
        let mut entry = stored.map_or_else(|| Entry::new(id, Kind::File), |stored| stored.entry);
        let seen: Vec<Dot> = entry.loc.dots().collect();
        let state = Presence::At(None);
        let location = Location { parent: parent.entry, name: name.clone(), stamp, state };
        entry.loc.write(version(dot, location), &seen);
        let buried = bury(&mut entry);
        strip(&mut entry, &buried);
        let mut dots =
            SeenDots { loc: vec![dot], data: Vec::new(), shown: Vec::new(), ..first.dots.clone() };
        bind(&mut entry, &mut dots, first.content.clone(), body, stamp, Vec::new());
        let slot = self.facts.slot();
        let mut row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
        (row.content, row.attributes) = (first.content.clone(), first.attributes.clone());
        self.index.put_seen(&row);
        self.put(entry, context, dot);
        revive::above(self.facts, self.index, id);
        // What was written through either name since the last look.
        self.change(&row, found);
        ledger::mark(self.facts, self.index, id, &[]);
    }

    /// An entry's name has become one of the file that `first` shows: ln(1) with force.
    pub fn turn_into_name(&mut self, row: &SeenRow, found: &Present, first: &SeenRow) {
        let Some(stored) = self.index.entry(row.entry) else { return };
        if self.was_intended(&stored.entry, row, found) {
            return;
        }
        let hlc = self.time(Some(found));
        let dot = self.facts.mint();
        let stamp = self.stamp(hlc, dot);
        let first = self.give_name(first, stamp);
        let Some(body) = first.dots.body.as_ref().map(|body| body.id) else { return };
        let Some(stored) = self.index.entry(row.entry) else { return };
        let mut entry = stored.entry;
        let mut dots = row.dots.clone();
        self.reassert(&mut entry, &mut dots, stamp, row);
        let base = self.replaced(row, &entry);
        if dots.body.is_none() {
            strip(&mut entry, &dots);
        }
        bind(&mut entry, &mut dots, first.content.clone(), body, stamp, base);
        let dots = dots.as_name_beside(&first.dots);
        let previous = row.content.clone();
        let mut next =
            self.row(row.slot, row.parent, row.name.clone(), &entry, found, dots, previous);
        (next.content, next.attributes) = (first.content.clone(), first.attributes.clone());
        self.index.put_seen(&next);
        self.put(entry.clone(), stored.context, dot);
        self.leave_here(row, &entry, stamp);
        self.change(&next, found);
        ledger::mark(self.facts, self.index, row.entry, &[]);
    }

    /// A name has another inode than the others now: it is a file of its own.
    pub fn part(&mut self, row: &SeenRow, found: &Present) {
        let Some(stored) = self.index.entry(row.entry) else { return };
        if self.was_intended(&stored.entry, row, found) {
            return;
        }
        reached("one name of several became a file of its own");
        let hlc = self.time(Some(found));
        let dot = self.facts.mint();
        let stamp = self.stamp(hlc, dot);
        let mut entry = stored.entry;
        let SeenDots { loc, data, shown, .. } = row.dots.clone();
        let mut dots = SeenDots { loc, data, shown, ..SeenDots::default() };
        self.reassert(&mut entry, &mut dots, stamp, row);
        let base = self.replaced(row, &entry);
        let content = found.content.clone().or_else(|| row.content.clone());
        if let Some(content) = content {
            bind_as(&mut entry, &mut dots, Data { content, stamp, base, body: None }, dot);
        }
        write_attributes(&mut entry, &mut dots, None, &found.attributes, stamp);
        let (name, previous) = (row.name.clone(), row.content.clone());
        let mut next = self.row(row.slot, row.parent, name, &entry, found, dots, previous);
        next.content = next.content.or_else(|| row.content.clone());
        self.index.put_seen(&next);
        self.put(entry.clone(), stored.context, dot);
        self.leave_here(row, &entry, stamp);
        // What others wrote to it as to a file of its own was not shown before, and is now.
        ledger::mark(self.facts, self.index, row.entry, &[]);
    }

    /// First writers of what is overwritten at a row.
    fn replaced(&self, row: &SeenRow, entry: &Entry) -> Vec<Dot> {
        match (&row.dots.body, self.body_shown(&row.dots)) {
            (Some(seen), Some(body)) => origins(self.index, &body.entry, &seen.shown),
            _ => origins(self.index, entry, &row.dots.shown),
        }
    }

    /// The row is a name of its body no more, though the name stays.
    fn leave_here(&mut self, row: &SeenRow, entry: &Entry, stamp: Stamp) {
        let Some(at) = view::settle(entry, 0) else { return };
        let state = Presence::Deleted(Sight::Live);
        let end = Location { parent: at.parent, name: at.name, stamp, state };
        self.leave_body(row, end);
    }

    /// A name is gone. With the last that anybody is known to have given goes what it showed, but
    /// for what was written through a name that shows something else now, and lost there; `end`
    /// marks the body as a tombstone.
    pub(super) fn leave_body(&mut self, row: &SeenRow, end: Location) {
        let (Some(seen), Some(mut borne)) = (&row.dots.body, self.body_shown(&row.dots)) else {
            return;
        };
        let names = self.index.names_of(seen.id).into_iter().filter_map(|id| self.index.entry(id));
        let names =
            names.filter(|stored| view::is_alive(stored) && !broken(Mutant::AnyNameTakesAll));
        let mut names: Vec<Entry> = names.map(|stored| stored.entry).collect();
        let is_left = is_left_behind(row, seen, &borne.entry, &names);
        if is_left {
            names.extend(self.unaware(row, seen, &borne.entry, &names));
        }
        // Also who has become something else, and still is one here.
        let is_name = |entry: &&Entry| {
            let here = self.index.seen_of(entry.id).filter(|here| here.slot != row.slot);
            view::shows(entry) == Some(seen.id)
                || here.is_some_and(|here| is_name_of(&here, Some(seen.id)))
        };
        if names.iter().any(|entry| is_name(&entry)) {
            if is_left {
                self.pass_on(row, seen, &names, end.stamp);
            }
            return;
        }
        let dot = end.stamp.dot;
        let is_held = |dot: &&Dot| names.iter().any(|entry| entry.data.get(**dot).is_some());
        let gone: Vec<Dot> = seen.data.iter().filter(|dot| !is_held(dot)).copied().collect();
        borne.entry.data.supersede(&gone);
        let ends: Vec<Dot> = borne.entry.loc.dots().collect();
        borne.entry.loc.write(version(dot, end), &ends);
        self.put(borne.entry, borne.context, dot);
    }

    /// What this disk shows as names of a body beside the row, and others have made something else
    /// having seen nothing of what that shows; it is not here yet. Without those that are `known`.
    fn unaware(&self, row: &SeenRow, seen: &BodyDots, body: &Entry, known: &[Entry]) -> Vec<Entry> {
        let rows = self.index.seen_handle(&row.fingerprint.handle).into_iter();
        let names = rows.filter(|here| here.slot != row.slot && is_name_of(here, Some(seen.id)));
        let new = names.filter(|here| known.iter().all(|entry| entry.id != here.entry));
        let stored = new.filter_map(|here| self.index.entry(here.entry)).filter(view::is_alive);
        let writer = |dot: &Dot| body.data.get(*dot).map_or(*dot, |data| data.value.stamp.dot);
        let shown: Vec<Dot> = seen.shown.iter().map(writer).collect();
        let is_aware = |entry: &Entry| {
            let mut versions = entry.data.versions().iter();
            versions.any(|version| shown.iter().any(|dot| version.value.base.contains(dot)))
        };
        stored.map(|stored| stored.entry).filter(|entry| !is_aware(entry)).collect()
    }

    /// Who wrote through a name has asserted that one. When it goes, another that this disk shows
    /// is asserted in its place: who removes that, and knows nothing of what was written, must not
    /// leave it without a name.
    fn pass_on(&mut self, row: &SeenRow, seen: &BodyDots, names: &[Entry], stamp: Stamp) {
        let rows = names.iter().filter_map(|entry| Some((entry, self.index.seen_of(entry.id)?)));
        let here =
            rows.filter(|(_, here)| here.slot != row.slot && is_name_of(here, Some(seen.id)));
        // What others have made of a name meanwhile is in conflict with this.
        let first = here.min_by_key(|(entry, _)| (view::shows(entry) != Some(seen.id), entry.id));
        let Some((entry, mut next)) = first else { return };
        let mut entry = entry.clone();
        let context = self.index.entry(entry.id).and_then(|stored| stored.context);
        let mut dots = next.dots.clone();
        self.reassert(&mut entry, &mut dots, stamp, &next);
        if !reassert_data(&mut entry, &mut dots, stamp.dot) {
            bind(&mut entry, &mut dots, next.content.clone(), seen.id, stamp, Vec::new());
        }
        next.dots = dots;
        self.hold(&mut next, stamp);
        self.index.put_seen(&next);
        self.share(&next);
        self.put(entry, context, stamp.dot);
    }
}

/// Whether what a body shows was written through the row, and no other of these names says it.
fn is_left_behind(row: &SeenRow, seen: &BodyDots, body: &Entry, names: &[Entry]) -> bool {
    let is_said = |dot: &Dot| names.iter().any(|entry| entry.loc.get(*dot).is_some());
    let held = seen.shown.iter().filter(|dot| body.data.get(**dot).is_some());
    held.filter(|dot| row.dots.loc.contains(dot)).any(|dot| !is_said(dot))
}

/// Publishes bytes that an operation displaced and nobody had seen: an edit of what this disk
/// showed, concurrent to everything else. They are in the conflict store; the tree does not show
/// them.
pub fn publish_beside(
    facts: &mut Facts,
    index: &mut dyn Index,
    before: &SeenRow,
    content: Content,
    hlc: Hlc,
) {
    let Some(stored) = index.entry(before.entry) else { return };
    let mut entry = stored.entry;
    let dot = facts.mint();
    let stamp = Stamp { rank: Rank::Write, hlc, dot };
    let epoch = 0;
    let mut pen = Pen { facts, index, source: Source::Live, rank: Rank::Write, epoch };
    let mut dots = before.dots.clone();
    let mut body = pen.body_shown(&dots);
    pen.reassert(&mut entry, &mut dots, stamp, before);
    pen.write(&mut entry, body.as_mut(), &mut dots, Some(content), true, stamp);
    if let Some(body) = body {
        pen.put(body.entry, body.context, dot);
    }
    pen.put(entry, stored.context, dot);
    ledger::mark(pen.facts, pen.index, before.entry, &[dot]);
}

/// First writers of these versions of a content, and of what they had replaced.
pub(super) fn origins(index: &dyn Index, entry: &Entry, replaced: &[Dot]) -> Vec<Dot> {
    let left = |dot: &Dot| entry.data.get(*dot).map(|version| &version.value);
    // What others have replaced meanwhile is named as well, as far as it is known by then.
    let origins = replaced.iter().filter_map(|dot| match left(dot) {
        Some(data) => Some(data.stamp.dot),
        None => Some(*dot).filter(|dot| !wrote_another(index, entry.id, *dot)),
    });
    let before = replaced.iter().filter_map(left).flat_map(|data| data.base.iter().copied());
    let mut base: Vec<Dot> = Vec::new();
    for origin in origins.chain(before) {
        if base.len() < DATA_BASE_MAX && !base.contains(&origin) {
            base.push(origin);
        }
    }
    base
}

/// Whether an operation wrote the content of another entry than this: here it carried along what
/// was there. Who took that for what it wrote here would name the other's content as replaced.
fn wrote_another(index: &dyn Index, here: EntryId, dot: Dot) -> bool {
    let entries = index.dots(dot.incarnation, dot.counter, dot.counter, usize::MAX).into_iter();
    let mut others = entries.filter(|(_, id)| *id != here).filter_map(|(_, id)| index.entry(id));
    others.any(|other| {
        let mut versions = other.entry.data.versions().iter().map(|version| &version.value);
        versions.any(|data| data.stamp.dot == dot && data.body.is_none())
    })
}
