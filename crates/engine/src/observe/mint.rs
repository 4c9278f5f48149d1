//! A local operation is born: one dot, the registers it concerns, and the row of D that shows it.
//!
//! Each supersedes exactly what this disk had shown (decisions A1); values that have not reached
//! this disk stay as siblings. An edit re-asserts the location, so that a concurrent delete cannot
//! take it away.

use super::names::{is_name_of, origins};
use super::{revive, Present, Source};
use crate::content::Content;
use crate::dot::Dot;
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Owner, Presence, Rank, Sight, Stamp, Stamped,
    Timestamp, Xattrs, ROOT,
};
use crate::index::{Attributes, Index, Intent, SeenDots, SeenRow, Slot, Volatile};
use crate::ledger::{self, Author, Facts};
use crate::path::Name;
use crate::proof::{broken, reached, Mutant};
use crate::register::Version;
use crate::view;
use crate::wire::Minted;

/// Everything a local operation is written with.
pub(super) struct Pen<'a> {
    pub facts: &'a mut Facts,
    pub index: &'a mut dyn Index,
    pub source: Source,
    /// Import or write (decisions A2).
    pub rank: Rank,
    /// What a change made now becomes durable with.
    pub epoch: u64,
}

pub(super) fn version<T: Minted>(dot: Dot, value: T) -> Version<T> {
    Version { dot, minted: value.mint().into(), value }
}

impl Pen<'_> {
    /// The clock of a change: now, or for what a scan found the time of its last change, not before
    /// the last clean stop (a long absence must not make old edits look new).
    pub(super) fn time(&mut self, present: Option<&Present>) -> Hlc {
        match (self.rank, present, self.source) {
            (Rank::Import, Some(found), _) => Hlc::from_unix_ms(found.attributes.mtime.unix_ms()),
            (Rank::Write, Some(found), Source::Scan) => {
                let since = self.facts.stopped_ms.unwrap_or(0);
                let changed = found.fingerprint.ctime.unix_ms();
                let clipped = changed.clamp(since.min(self.facts.wall_ms), self.facts.wall_ms);
                let hlc = Hlc::from_unix_ms(clipped);
                self.facts.meta.hlc = self.facts.meta.hlc.max(hlc);
                hlc
            }
            _ => self.facts.tick(),
        }
    }

    /// The stamp of content: of a node that is to win it is the strongest.
    fn weighed(&self, stamp: Stamp) -> Stamp {
        let preferred = self.facts.ways.preferred && stamp.rank == Rank::Write;
        Stamp { rank: if preferred { Rank::Preferred } else { stamp.rank }, ..stamp }
    }

    pub(super) fn stamp(&self, hlc: Hlc, dot: Dot) -> Stamp {
        Stamp { rank: self.rank, hlc, dot }
    }

    /// A new thing at `name` in the directory of `parent`.
    pub fn create(&mut self, parent: &SeenRow, name: &Name, found: &Present) {
        let hlc = self.time(Some(found));
        let dot = self.facts.mint();
        let id = self.fresh_id(parent.entry, found.kind, name, dot);
        let stored = self.index.entry(id);
        let context = stored.as_ref().and_then(|stored| stored.context);
        let mut entry = stored.map_or_else(|| Entry::new(id, found.kind), |stored| stored.entry);
        let stamp = self.stamp(hlc, dot);
        let seen: Vec<Dot> = entry.loc.dots().collect();
        let state = Presence::At(None);
        let location = Location { parent: parent.entry, name: name.clone(), stamp, state };
        entry.loc.write(version(dot, location), &seen);
        let mut dots = bury(&mut entry);
        dots.loc = vec![dot];
        let weighed = self.weighed(stamp);
        write_data(self.index, &mut entry, &mut dots, found.content.clone(), &[], weighed, dot);
        write_attributes(&mut entry, &mut dots, None, &found.attributes, stamp);
        let slot = self.facts.slot();
        let row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
        self.index.put_seen(&row);
        self.put(entry, context, dot);
        revive::above(self.facts, self.index, id);
    }

    /// The id that the place gives, unless a live entry that was moved away has it.
    pub(super) fn fresh_id(&self, parent: EntryId, kind: Kind, name: &Name, dot: Dot) -> EntryId {
        let derived = EntryId::derive(parent, kind, name, None);
        let usable = |id: EntryId| {
            let dead = self.index.entry(id).is_none_or(|stored| !view::is_alive(&stored));
            dead && self.index.pending(id).is_none() && self.index.seen_of(id).is_none()
        };
        if usable(derived) || broken(Mutant::IdsTwice) {
            return derived;
        }
        EntryId::derive(parent, kind, name, Some(dot))
    }

    /// What lies at a place where the tree shows `id` and this disk had nothing yet: equal content
    /// is that very version; other content is a sibling of what the cluster has (decisions A2).
    pub fn adopt(&mut self, parent: &SeenRow, name: &Name, id: EntryId, found: &Present) {
        let stored = self.index.entry(id).expect("an adopted entry is shown");
        let context = stored.context;
        let mut entry = stored.entry;
        let slot = self.facts.slot();
        let equal = entry.kind == Kind::Dir
            || broken(Mutant::AdoptsAnything)
            || found.content == self.content_of(&entry);
        let showing = ledger::showing(self.index, &entry);
        let data = if equal { showing.data } else { Vec::new() };
        let loc = ledger::places_shown(&entry, found.content.as_ref(), &data);
        let mut dots = SeenDots { loc, data, ..SeenDots::default() };
        if let Some(dots) = self.intended(id, found) {
            let row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
            self.index.put_seen(&row);
            ledger::mark(self.facts, self.index, id, &[]);
            return;
        }
        if equal {
            reached("what a joiner has is what the others have");
            (dots.shown, dots.body) = (showing.shown, showing.body);
            let row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
            self.index.put_seen(&row);
            ledger::mark(self.facts, self.index, id, &[]);
            return;
        }
        let hlc = self.time(Some(found));
        let dot = self.facts.mint();
        let stamp = self.stamp(hlc, dot);
        let here = Some((parent.entry, name.clone()));
        revive::reassert_place(&mut entry, &mut dots, stamp, here);
        let weighed = self.weighed(stamp);
        write_data(self.index, &mut entry, &mut dots, found.content.clone(), &[], weighed, dot);
        write_attributes(&mut entry, &mut dots, None, &found.attributes, stamp);
        let row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
        self.index.put_seen(&row);
        self.put(entry, context, dot);
        ledger::mark(self.facts, self.index, id, &[dot]);
    }

    /// New content, or new attributes, or both, at a place that stays.
    pub fn change(&mut self, row: &SeenRow, found: &Present) {
        let stored = self.index.entry(row.entry);
        let context = stored.as_ref().and_then(|stored| stored.context);
        let mut entry =
            stored.map_or_else(|| Entry::new(row.entry, row.kind), |stored| stored.entry);
        let content = found.content.clone().or_else(|| row.content.clone());
        let edited = content != row.content;
        if edited && (self.was_intended(&entry, row, found) || self.is_applied(&entry, row, found))
        {
            return;
        }
        let changed = edited || differs(row, &found.attributes) || broken(Mutant::EverythingIsNews);
        let all: Vec<Dot> = entry.data.dots().collect();
        // Who has forgotten the deletion has forgotten the attributes, too.
        let was_placed = view::is_placed(&entry);
        let mut dots = row.dots.clone();
        let mut previous = None;
        if changed {
            let hlc = self.time(Some(found));
            let dot = self.facts.mint();
            let stamp = self.stamp(hlc, dot);
            let mut body = self.body_shown(&dots);
            let was_known = body.as_ref().map_or(was_placed, |body| view::is_body(&body.entry));
            if edited {
                previous = row.content.clone();
                let knows = !self.may_stand_on_another(row, found);
                let stamp = self.weighed(stamp);
                self.reassert(&mut entry, &mut dots, stamp, row);
                self.write(&mut entry, body.as_mut(), &mut dots, content.clone(), knows, stamp);
                if broken(Mutant::EditSupersedesAll) {
                    entry.data.supersede(&all);
                }
            }
            let over = Some(row).filter(|_| !edited || was_known);
            let bearer = body.as_mut().map_or(&mut entry, |body| &mut body.entry);
            write_attributes(bearer, &mut dots, over, &found.attributes, stamp);
            match body {
                Some(body) => {
                    self.put(body.entry, body.context, dot);
                    if edited {
                        self.put(entry.clone(), context, dot);
                    }
                }
                None => self.put(entry.clone(), context, dot),
            }
        }
        let mut next =
            self.row(row.slot, row.parent, row.name.clone(), &entry, found, dots, previous);
        next.content = content;
        // What was refused is asked for again when the file has changed: it may be let by now.
        let asks_again = row.refused.is_some() && row.fingerprint.ctime != found.fingerprint.ctime;
        let is_same = !asks_again && !differs(row, &found.attributes);
        next.refused = row.refused.clone().filter(|_| is_same);
        if !edited {
            next.volatile = self.still_volatile(row, found);
        }
        self.index.put_seen(&next);
        self.share(&next);
        if asks_again || self.index.pending(row.entry).is_some() {
            ledger::mark(self.facts, self.index, row.entry, &[]);
        }
    }

    /// What is volatile of a row with the content it had: a power loss takes back attributes that
    /// have changed, and bytes written anew. Times of directories tell of what is in them.
    pub fn still_volatile(&self, row: &SeenRow, found: &Present) -> Option<Volatile> {
        let (was, now) = (&row.attributes, &found.attributes);
        let is_touched = match row.kind {
            Kind::Dir => (was.mode, was.owner, &was.xattrs) != (now.mode, now.owner, &now.xattrs),
            Kind::File | Kind::Symlink => (was, &row.fingerprint) != (now, &found.fingerprint),
        };
        let old = row.volatile.clone().map(|old| Volatile::judged(old, self.epoch));
        let content = row.content.as_ref();
        if is_touched {
            Some(Volatile::renewed(old, self.epoch, content))
        } else {
            old
        }
    }

    /// The versions that an operation of ours was putting at the entry's place, if it is its
    /// content that is found: it was done, and a crash came before that was written down.
    fn intended(&self, id: EntryId, found: &Present) -> Option<SeenDots> {
        let intent = self.index.pending(id)?.intent?;
        (intent.content == found.content).then_some(intent.dots)
    }

    /// The entry without a row that an operation of the last run was to bring to this place, if
    /// what is found is what it was to bring; the tree may show another there by now, or none.
    pub fn left_at(&self, parent: &SeenRow, name: &Name, found: &Present) -> Option<EntryId> {
        let is_left = |id: &&EntryId| {
            let intent = self.index.pending(**id).and_then(|row| row.intent);
            let fits = |intent: Intent| {
                (intent.parent, &intent.name, &intent.content)
                    == (parent.entry, name, &found.content)
            };
            intent.is_some_and(fits)
                && self.index.seen_of(**id).is_none()
                && self.index.entry(**id).is_some()
        };
        self.facts.unsure.iter().find(is_left).copied()
    }

    /// Whether an edit may have been made over what an operation of the last run brought, and not
    /// over what the row shows: a crash came before that was written down, and then somebody wrote
    /// on. Whoever made it has seen one of the two, so it replaces neither.
    fn may_stand_on_another(&self, row: &SeenRow, found: &Present) -> bool {
        self.facts.unsure.contains(&row.entry) && row.fingerprint.handle != found.fingerprint.handle
    }

    pub(super) fn was_intended(&mut self, entry: &Entry, row: &SeenRow, found: &Present) -> bool {
        let Some(dots) = self.intended(row.entry, found) else { return false };
        // What lost to it went to the conflict store with the same operation, if that was what
        // brought it: a user may have, or the power been lost since. It is looked for there.
        let (name, previous) = (row.name.clone(), row.content.clone());
        let next = self.row(row.slot, row.parent, name, entry, found, dots, previous);
        self.index.put_seen(&next);
        ledger::mark(self.facts, self.index, row.entry, &[]);
        true
    }

    /// The very content that the tree is to show: a program wrote the same. Nothing is minted. The
    /// bytes of a loser are not meant: who writes those decides the conflict anew. Neither is it
    /// so where what was overwritten is a version that nobody else has replaced: somebody has now.
    /// And who moved a file here that was known elsewhere means this one to stay, whatever becomes
    /// of its like.
    fn is_applied(&mut self, entry: &Entry, row: &SeenRow, found: &Present) -> bool {
        let whole = view::whole(self.index, entry).into_owned();
        let winner = view::winner(&whole.data).map(|data| &data.content);
        if winner.is_none() || winner != found.content.as_ref() {
            return false;
        }
        let body = view::body_of(self.index, entry).map(|body| body.id);
        if row.dots.body.as_ref().map(|body| body.id) != body {
            return false;
        }
        let on_disk = row.dots.body.as_ref().map_or(&row.dots.shown, |body| &body.shown);
        let known = self.index.seen_handle(&found.fingerprint.handle);
        let is_elsewhere = |other: &SeenRow| {
            other.slot != row.slot && (body.is_none() || !is_name_of(other, body))
        };
        if on_disk.iter().any(|dot| whole.data.get(*dot).is_some())
            || known.iter().any(is_elsewhere)
        {
            return false;
        }
        let shown = shown_dots(&whole, found.content.as_ref());
        let mut dots = row.dots.clone();
        let loc = entry.loc.dots().filter(|d| shown.contains(d) && !row.dots.loc.contains(d));
        dots.loc.extend(loc);
        let (data, now) = match &mut dots.body {
            Some(body) => (&mut body.data, &mut body.shown),
            None => (&mut dots.data, &mut dots.shown),
        };
        let news: Vec<Dot> = shown.iter().filter(|dot| !data.contains(dot)).copied().collect();
        data.extend(news);
        *now = shown;
        let previous = row.content.clone();
        let name = row.name.clone();
        let next = self.row(row.slot, row.parent, name, entry, found, dots, previous);
        self.index.put_seen(&next);
        self.share(&next);
        ledger::mark(self.facts, self.index, row.entry, &[]);
        true
    }

    /// The same thing at another place.
    pub fn relocate(&mut self, row: &SeenRow, parent: &SeenRow, name: &Name) {
        let Some(stored) = self.index.entry(row.entry) else { return };
        let mut entry = stored.entry;
        let hlc = self.time(None);
        let dot = self.facts.mint();
        let stamp = self.stamp(hlc, dot);
        let was_placed = view::is_placed(&entry);
        let before = view::settle(&entry, 1).map(|at| (at.parent, at.name));
        let state = Presence::At(before);
        let location = Location { parent: parent.entry, name: name.clone(), stamp, state };
        entry.loc.write(version(dot, location), &row.dots.loc);
        let mut next = row.clone();
        (next.parent, next.name) = (parent.slot, Some(name.clone()));
        let old = next.volatile.take();
        next.volatile = Some(Volatile::renewed(old, self.epoch, next.content.as_ref()));
        next.dots.loc = vec![dot];
        let leaves = broken(Mutant::MoveLeavesContent);
        if !leaves && !reassert_data(&mut entry, &mut next.dots, dot) {
            let edited = view::winner(&entry.data).cloned();
            match edited.filter(|edited| self.bring_along(edited, row, stamp)) {
                // An edit is known that has not reached this disk: it is moved along, unseen.
                Some(edited) => entry.data.write(version(dot, edited), &[]),
                // Somebody deleted it, and its bytes with it: who moves it wants it to be.
                None => {
                    let content = row.content.clone();
                    write_data(self.index, &mut entry, &mut next.dots, content, &[], stamp, dot);
                    next.dots.body = None;
                }
            }
        }
        if !was_placed && next.dots.body.is_none() {
            write_attributes(&mut entry, &mut next.dots, None, &row.attributes, stamp);
        }
        let of = next.dots.body.as_ref().map(|body| body.id);
        if of.is_some_and(|of| entry.bodies().contains(&of)) {
            self.hold(&mut next, stamp);
        }
        self.index.put_seen(&next);
        self.share(&next);
        self.put(entry, stored.context, dot);
        revive::above(self.facts, self.index, row.entry);
    }

    /// What is found stands for an entry, and shows no version of it: it makes way.
    pub fn stand(&mut self, parent: &SeenRow, name: &Name, id: EntryId, found: &Present) {
        let (slot, dots) = (self.facts.slot(), SeenDots::default());
        let entry = Entry::new(id, found.kind);
        let row = self.row(slot, parent.slot, Some(name.clone()), &entry, found, dots, None);
        self.index.put_seen(&row);
        ledger::mark(self.facts, self.index, id, &[]);
    }

    /// What is found stands for nothing that anybody knows of, and goes: it is deleted for good.
    pub fn bury(&mut self, parent: &SeenRow, name: &Name, found: &Present) {
        let (hlc, dot) = (self.facts.tick(), self.facts.mint());
        let id = self.fresh_id(parent.entry, found.kind, name, dot);
        let stored = self.index.entry(id);
        let context = stored.as_ref().and_then(|stored| stored.context);
        let mut entry = stored.map_or_else(|| Entry::new(id, found.kind), |stored| stored.entry);
        let seen: Vec<Dot> = entry.loc.dots().collect();
        let state = Presence::Deleted(Sight::Inferred);
        let (parent_id, stamp) = (parent.entry, self.stamp(hlc, dot));
        let location = Location { parent: parent_id, name: name.clone(), stamp, state };
        entry.loc.write(version(dot, location), &seen);
        self.put(entry, context, dot);
        self.stand(parent, name, id, found);
    }

    /// What was moved stands where it was before, and goes where it belongs. Who removes it here
    /// has not seen it there.
    pub fn displace(&mut self, row: &SeenRow, parent: &SeenRow, name: &Name) {
        let mut next = row.clone();
        (next.parent, next.name) = (parent.slot, Some(name.clone()));
        (next.dots.loc, next.dots.data, next.dots.shown) = (Vec::new(), Vec::new(), Vec::new());
        self.index.put_seen(&next);
        ledger::mark(self.facts, self.index, row.entry, &[]);
    }

    /// The thing is gone from this disk. Takes away the place and content that the disk had shown,
    /// nothing else; attributes stay with the tombstone, for an edit or move may keep it alive.
    pub fn delete(&mut self, row: &SeenRow) {
        self.index.remove_seen(row.slot);
        let Some(stored) = self.index.entry(row.entry) else { return };
        // What lives without a place is not what this row had shown: a lie.
        let at = view::settle(&stored.entry, 1).filter(|_| view::is_alive(&stored));
        let Some(at) = at else {
            ledger::mark(self.facts, self.index, row.entry, &[]);
            return;
        };
        let mut entry = stored.entry;
        let hlc = self.facts.tick();
        let dot = self.facts.mint();
        let sight = match self.source {
            Source::Live => Sight::Live,
            Source::Scan => Sight::Inferred,
        };
        let location = Location {
            parent: at.parent,
            name: at.name,
            stamp: Stamp { rank: Rank::Write, hlc, dot },
            state: Presence::Deleted(sight),
        };
        let (mut places, mut contents) = ledger::taken_away(self.index, &entry, &row.dots);
        if broken(Mutant::DeleteSupersedesAll) {
            (places, contents) = (entry.loc.dots().collect(), entry.data.dots().collect());
        }
        entry.loc.write(version(dot, location.clone()), &places);
        entry.data.supersede(&contents);
        self.put(entry, stored.context, dot);
        self.leave_body(row, location);
        let alive = self.index.entry(row.entry).is_some_and(|stored| view::is_alive(&stored));
        if alive {
            ledger::mark(self.facts, self.index, row.entry, &[dot]);
        }
    }

    /// Writes the place that this disk shows once more under the new dot.
    pub(super) fn reassert(
        &self,
        entry: &mut Entry,
        dots: &mut SeenDots,
        stamp: Stamp,
        row: &SeenRow,
    ) {
        revive::reassert_place(entry, dots, stamp, revive::shown_place(self.index, row));
    }

    /// The root's own attributes, which the first node gives and every other takes over.
    pub fn root(&mut self, row: &SeenRow, found: &Present) {
        assert!(row.entry == ROOT, "only the root is its own parent");
        self.change(row, found);
    }

    pub(super) fn put(&mut self, entry: Entry, context: Option<u64>, dot: Dot) {
        ledger::put(self.facts, self.index, entry, context, Author::Here, &[dot]);
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn row(
        &self,
        slot: Slot,
        parent: Slot,
        name: Option<Name>,
        entry: &Entry,
        found: &Present,
        dots: SeenDots,
        previous: Option<Content>,
    ) -> SeenRow {
        SeenRow {
            slot,
            parent,
            name,
            entry: entry.id,
            kind: found.kind,
            fingerprint: found.fingerprint.clone(),
            content: found.content.clone(),
            attributes: found.attributes.clone(),
            refused: None,
            dots,
            soft: found.soft,
            volatile: Some(Volatile { epoch: self.epoch, previous }),
        }
    }
}

/// A tombstone's id is used again: what is left in its registers is history. Returns the dots that
/// the new writes supersede.
pub(super) fn bury(entry: &mut Entry) -> SeenDots {
    let data: Vec<Dot> = entry.data.dots().collect();
    entry.data.supersede(&data);
    SeenDots {
        times: entry.times.dots().collect(),
        mode: entry.mode.dots().collect(),
        owner: entry.owner.dots().collect(),
        xattr: entry.xattr.dots().collect(),
        ..SeenDots::default()
    }
}

/// A moved file takes its content along under the new dot, stamp and origin as they were: a
/// concurrent delete takes away the content it saw, and the file must live on at its new place.
/// Returns whether it is still there to be taken.
pub(super) fn reassert_data(entry: &mut Entry, dots: &mut SeenDots, dot: Dot) -> bool {
    let shown = entry.data.versions().iter().filter(|v| dots.shown.contains(&v.dot));
    let data = shown.max_by_key(|v| v.value.stamp).map(|v| v.value.clone());
    let Some(data) = data else { return entry.kind == Kind::Dir };
    entry.data.write(version(dot, data), &dots.shown);
    dots.data.retain(|seen| !dots.shown.contains(seen));
    dots.data.push(dot);
    dots.shown = vec![dot];
    true
}

/// The versions with this content.
pub(super) fn shown_dots(entry: &Entry, content: Option<&Content>) -> Vec<Dot> {
    let versions = entry.data.versions().iter();
    versions.filter(|v| Some(&v.value.content) == content).map(|v| v.dot).collect()
}

/// Writes content over versions that its author has seen; other siblings stay.
pub(super) fn write_data(
    index: &dyn Index,
    entry: &mut Entry,
    dots: &mut SeenDots,
    content: Option<Content>,
    replaced: &[Dot],
    stamp: Stamp,
    dot: Dot,
) {
    let Some(content) = content else { return };
    let base = origins(index, entry, replaced);
    entry.data.write(version(dot, Data { content, stamp, base, body: None }), replaced);
    dots.data.retain(|seen| !replaced.contains(seen));
    dots.data.push(dot);
    dots.shown = vec![dot];
}

/// What this disk shows of an entry is said anew at the place where it is, whoever deleted it.
pub fn say_again(facts: &mut Facts, index: &mut dyn Index, id: EntryId, epoch: u64) {
    let Some(row) = index.seen_of(id) else { return };
    let Some((parent, name)) = index.seen(row.parent).zip(row.name.clone()) else { return };
    let mut pen = Pen { facts, index, source: Source::Live, rank: Rank::Write, epoch };
    pen.relocate(&row, &parent, &name);
}

/// Whether a disk's attributes are not those of the row.
pub(super) fn differs(row: &SeenRow, found: &Attributes) -> bool {
    row.attributes != *found
}

/// Writes the attributes that changed; all of them for something new.
pub(super) fn write_attributes(
    entry: &mut Entry,
    dots: &mut SeenDots,
    over: Option<&SeenRow>,
    found: &Attributes,
    stamp: Stamp,
) {
    let old = over.map(|row| &row.attributes);
    let dot = stamp.dot;
    if old.is_none_or(|old| old.mtime != found.mtime) {
        let value: Stamped<Timestamp> = Stamped { stamp, value: found.mtime };
        entry.times.write(version(dot, value), &dots.times);
        dots.times = vec![dot];
    }
    if old.is_none_or(|old| old.mode != found.mode) {
        let value: Stamped<u16> = Stamped { stamp, value: found.mode };
        entry.mode.write(version(dot, value), &dots.mode);
        dots.mode = vec![dot];
    }
    if old.is_none_or(|old| old.owner != found.owner) {
        let value: Stamped<Owner> = Stamped { stamp, value: found.owner };
        entry.owner.write(version(dot, value), &dots.owner);
        dots.owner = vec![dot];
    }
    if old.is_none_or(|old| old.xattrs != found.xattrs) {
        let value: Stamped<Xattrs> = Stamped { stamp, value: found.xattrs.clone() };
        entry.xattr.write(version(dot, value), &dots.xattr);
        dots.xattr = vec![dot];
    }
}
