//! A loser becomes a file of its own: beside the winner, or where a person says.
//!
//! One operation on two entries, under one dot: the new file gets the content, and the old one
//! loses the version. Whoever hears of one half hears of the other (`exchange`), so the bytes are
//! never nowhere. Beside the winner everything about the new file follows from the loser alone:
//! however many nodes publish it, it is one file. Called by `verdict`, and by the engine for
//! folders whose policy wants it.

use super::mint::version;
use super::{revive, row_at};
use crate::calendar::utc;
use crate::content::{Content, Digest};
use crate::dot::Dot;
use crate::entry::{
    Data, Entry, EntryId, Kind, Location, Owner, Presence, Rank, Stamp, Stamped, Timestamp,
    DATA_BASE_MAX,
};
use crate::index::{Attributes, Index, Stored};
use crate::ledger::{self, Author, Facts};
use crate::path::{Name, RelPath};
use crate::proof::{broken, Mutant};
use crate::register::Version;
use crate::view;
use crate::wire;
use std::collections::{BTreeMap, BTreeSet};

/// What nobody but its owner may read before a person has looked at it: bytes of no known file.
const MODE: u16 = 0o600;

/// The entry, if this content has lost in it; and the version that did, the latest.
pub(super) fn contested(
    index: &dyn Index,
    id: EntryId,
    content: &Content,
) -> Option<(Stored, Data)> {
    let stored = index.entry(id).filter(view::is_alive)?;
    let lost = view::losers(index, &stored.entry).into_iter().find(|data| data.content == *content);
    Some((stored, lost?))
}

/// Takes a loser out of its file, with the place that its author had said again: where the winner
/// is deleted meanwhile, nothing must be left that has a place and no content. The dot has to stand
/// somewhere: the permission bits are said again, as they were. The place is not, for who deletes
/// the file means the file.
fn take_out(entry: &mut Entry, lost: &[Dot], dot: Dot) {
    entry.data.supersede(lost);
    let mut left = entry.loc.versions().iter().filter(|version| !lost.contains(&version.dot));
    if left.any(|version| matches!(version.value.state, Presence::At(_))) {
        entry.loc.supersede(lost);
    }
    let newest = entry.mode.versions().iter().max_by_key(|version| version.value.stamp).cloned();
    if let Some(mode) = newest {
        entry.mode.write(Version { dot, ..mode.clone() }, &[mode.dot]);
    } else {
        let value = view::attributes(entry, &unwritten(entry.kind)).mode;
        let stamp = Stamp { rank: Rank::Import, hlc: crate::entry::Hlc::default(), dot };
        entry.mode.write(version(dot, Stamped { stamp, value }), &[]);
    }
}

fn unwritten(kind: Kind) -> Attributes {
    let mode = if kind == Kind::Symlink { 0o777 } else { 0o644 };
    Attributes { mode, ..Attributes::default() }
}

/// Publishes a loser as a file beside the winner. `None`: there is no such loser (any more).
pub fn publish_copy(
    facts: &mut Facts,
    index: &mut dyn Index,
    id: EntryId,
    content: &Content,
) -> Option<RelPath> {
    let (stored, lost) = contested(index, id, content)?;
    let at = stored.settled.clone()?;
    let of = bearer(index, &stored.entry, &lost);
    let (copy, is_published) = copy_of(index, of, &lost);
    let dot = facts.mint();
    if !is_published {
        let apart = broken(Mutant::CopiesApart);
        let apart = apart.then(|| EntryId::derive(of, stored.entry.kind, &at.name, Some(dot)));
        let copy = Copy {
            id: apart.unwrap_or(copy),
            kind: stored.entry.kind,
            parent: at.parent,
            name: name_beside(index, &lost, at.parent, &at.name),
            stamp: lost.stamp,
            base: lost.base.clone(),
            content: content.clone(),
            attributes: attributes_of(index, &stored.entry, &lost),
        };
        copy.write(facts, index, dot);
    }
    without(facts, index, stored, content, dot);
    Some(view::settled_path(index, id))
}

/// The file beside the winner that a loser of `of` becomes, and whether it has. It may come back to
/// a file after that, when who had not heard of the conflict moves the file. Somebody may have
/// written over the copy meanwhile: who had seen the loser there has given it up; to any other it
/// has lost there, too, and is, or will be, the copy of that copy.
fn copy_of(index: &dyn Index, of: EntryId, lost: &Data) -> (EntryId, bool) {
    let mut id = EntryId::of_copy(of, &lost.content);
    while let Some(there) = index.entry(id).filter(view::is_alive) {
        let data = view::whole(index, &there.entry).data.clone();
        let is_it = view::winner(&data).is_some_and(|data| data.content == lost.content);
        let mut versions = data.versions().iter();
        if is_it || versions.any(|version| version.value.base.contains(&lost.stamp.dot)) {
            return (id, true);
        }
        id = EntryId::of_copy(id, &lost.content);
    }
    (id, false)
}

/// Writes a loser, or bytes that no version names, as a file of its own at a path that nobody has.
/// `false`: there is no such loser, the path is taken, or its directory is not there.
pub(super) fn write_at(
    facts: &mut Facts,
    index: &mut dyn Index,
    of: Option<EntryId>,
    content: &Content,
    path: &RelPath,
) -> bool {
    let Some(at) = free_place(index, path) else { return false };
    let lost = match of.map(|id| contested(index, id, content)) {
        Some(None) => return false,
        Some(Some(lost)) => Some(lost),
        None => None,
    };
    let (hlc, dot) = (facts.tick(), facts.mint());
    let stamp = Stamp { rank: Rank::Write, hlc, dot };
    let kind = match content {
        Content::File(..) => Kind::File,
        Content::Link(_) => Kind::Symlink,
    };
    let derived = EntryId::derive(at.parent, kind, &at.name, None);
    let is_free = index.entry(derived).is_none_or(|stored| !view::is_alive(&stored))
        && index.pending(derived).is_none()
        && index.seen_of(derived).is_none();
    let again = || EntryId::derive(at.parent, kind, &at.name, Some(dot));
    let id = if is_free { derived } else { again() };
    let (mut base, attributes) = match &lost {
        Some((stored, data)) => {
            let base = std::iter::once(data.stamp.dot).chain(data.base.iter().copied());
            (base.collect(), attributes_of(index, &stored.entry, data))
        }
        None => (Vec::new(), Attributes { mode: MODE, owner: at.owner, ..Attributes::default() }),
    };
    base.truncate(DATA_BASE_MAX);
    let (parent, name, content) = (at.parent, at.name, content.clone());
    let copy = Copy { id, kind, parent, name, stamp, base, content: content.clone(), attributes };
    copy.write(facts, index, dot);
    if let Some((stored, _)) = lost {
        without(facts, index, stored, &content, dot);
    }
    true
}

/// Whether something new can be made at a path: its directory is there, and nothing has the name.
pub fn is_free(index: &dyn Index, path: &RelPath) -> bool {
    free_place(index, path).is_some()
}

struct Free {
    parent: EntryId,
    name: Name,
    owner: Owner,
}

/// A path whose directory this disk shows, and that nothing has, here or elsewhere.
fn free_place(index: &dyn Index, path: &RelPath) -> Option<Free> {
    let dir = row_at(index, &path.parent()?).filter(|row| row.kind == Kind::Dir)?;
    let name = path.name()?.clone();
    let parents = view::united(index, dir.entry)?;
    let claims = parents.iter().flat_map(|&parent| index.named(parent, &name));
    let is_claimed = claims.filter_map(|id| index.entry(id)).any(|stored| view::is_alive(&stored));
    let is_free = !is_claimed && index.seen_named(dir.slot, &name).is_none();
    is_free.then_some(Free { parent: dir.entry, name, owner: dir.attributes.owner })
}

/// The old file without the loser; of one name of several, all of them.
pub(super) fn without(
    facts: &mut Facts,
    index: &mut dyn Index,
    stored: Stored,
    content: &Content,
    dot: Dot,
) {
    let id = stored.entry.id;
    for (entry, lost) in losing(index, &stored.entry, content) {
        let context = index.entry(entry.id).and_then(|stored| stored.context);
        let mut entry = entry;
        take_out(&mut entry, &lost, dot);
        ledger::put(facts, index, entry, context, Author::Here, &[dot]);
    }
    ledger::mark(facts, index, id, &[dot]);
}

/// Where a loser stands, and as which versions: in the entry, or in what it is one name of. What it
/// was also said to be one name of keeps what it holds, for its other names; but where that holds
/// another loser, too, the name is what still leads there, and this one alone is taken from it.
pub(super) fn losing(
    index: &dyn Index,
    entry: &Entry,
    content: &Content,
) -> Vec<(Entry, Vec<Dot>)> {
    let body = view::body_of(index, entry);
    let shown = body.as_ref().map(|body| body.id);
    let losers = view::losers(index, entry);
    let lost = |data: &Data| losers.iter().any(|loser| loser.content == data.content);
    let all = view::claims(index, entry).map(|(_, all)| all).unwrap_or_default();
    let gone = with_replaced(all, content);
    let goes = |version: &Version<Data>| gone.contains(&version.value.stamp.dot);
    let gone_of = |bearer: &Entry| -> Vec<Dot> {
        let versions = bearer.data.versions();
        let gone = if has_other_names(index, bearer.id, entry.id) {
            with_replaced(versions.iter().map(|version| version.value.clone()).collect(), content)
        } else {
            gone.clone()
        };
        let gone = versions.iter().filter(|version| gone.contains(&version.value.stamp.dot));
        gone.map(|version| version.dot).collect()
    };
    let (mut here, mut there) = (Vec::new(), BTreeMap::new());
    for version in entry.data.versions() {
        let of = version.value.body;
        let other = of.filter(|of| Some(*of) != shown && !view::is_shown(index, *of));
        match other.and_then(|other| index.entry(other)).map(|stored| stored.entry) {
            Some(other) => {
                let dots = gone_of(&other);
                let mut rest = other.data.versions().iter().filter(|version| !goes(version));
                match rest.any(|version| lost(&version.value)) {
                    _ if dots.is_empty() => {}
                    true => drop(there.insert(other.id, (other, dots))),
                    false => here.push(version.dot),
                }
            }
            None if of.is_none() && goes(version) => here.push(version.dot),
            None => {}
        }
    }
    if let Some(body) = body {
        let dots = gone_of(&body);
        there.insert(body.id, (body, dots));
    }
    let all = [(entry.clone(), here)].into_iter().chain(there.into_values());
    all.filter(|(_, lost)| !lost.is_empty()).collect()
}

/// Whether a body has names besides this one: what was replaced at this one only is theirs yet.
fn has_other_names(index: &dyn Index, body: EntryId, name: EntryId) -> bool {
    let mut others = index.names_of(body).into_iter().filter(|other| *other != name);
    others.any(|other| index.entry(other).is_some_and(|stored| view::is_alive(&stored)))
}

/// The first dots of a loser, and of what nothing but it names as replaced: who does not need the
/// one does not need what its author had replaced by it.
fn with_replaced(all: Vec<Data>, content: &Content) -> BTreeSet<Dot> {
    let (mut gone, mut rest): (Vec<Data>, Vec<Data>) =
        all.into_iter().partition(|data| data.content == *content);
    loop {
        let names = |by: &[Data], of: &Data| by.iter().any(|d| d.base.contains(&of.stamp.dot));
        let (more, stay): (Vec<Data>, Vec<Data>) =
            rest.iter().cloned().partition(|data| names(&gone, data) && !names(&rest, data));
        if more.is_empty() {
            return gone.iter().map(|data| data.stamp.dot).collect();
        }
        gone.extend(more);
        rest = stay;
    }
}

/// Whose loser it is, as all names of one file have it: what it stands on, or the file itself. What
/// a file held when it was given its second name lost in that file: who had not heard of the other
/// name means the same loser.
fn bearer(index: &dyn Index, entry: &Entry, lost: &Data) -> EntryId {
    let holds = |body: &EntryId| {
        let versions = index.entry(*body).map(|stored| stored.entry.data);
        let mut versions = versions.iter().flat_map(|data| data.versions());
        versions.any(|version| version.value.content == lost.content)
    };
    let shown = view::body_of(index, entry).map(|body| body.id);
    let mut bodies = shown.into_iter().chain(entry.bodies());
    let Some(body) = bodies.find(holds) else { return entry.id };
    let versions = index.entry(body).map(|stored| stored.entry.data);
    let versions = versions.iter().flat_map(|data| data.versions());
    let same = versions.filter(|version| version.value.stamp.dot == lost.stamp.dot);
    // The name that it was first may be one no more, as far as it was taken out there before.
    let written_with = same.flat_map(|version| wire::others(&version.minted));
    let mut names = written_with.chain(index.names_of(body));
    let founded = |name: &EntryId| EntryId::derive_body(*name, lost.stamp.dot) == body;
    names.find(founded).unwrap_or(body)
}

/// Those of the file, and the time at which the loser was written.
fn attributes_of(index: &dyn Index, entry: &Entry, lost: &Data) -> Attributes {
    let ms = lost.stamp.hlc.unix_ms();
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let nanos = u32::try_from(ms % 1000).unwrap_or(0) * 1_000_000;
    let mtime = Timestamp { seconds, nanos };
    Attributes { mtime, ..view::attributes(&view::whole(index, entry), &unwritten(entry.kind)) }
}

/// `stem.conflict-<when>-<node>-<digits>.ext`.
fn name_beside(index: &dyn Index, lost: &Data, parent: EntryId, name: &Name) -> Name {
    let at = utc(lost.stamp.hlc.unix_ms());
    let life = lost.stamp.dot.incarnation;
    let owner = index.incarnations().into_iter().find(|record| record.incarnation == life);
    let node = owner.map_or_else(|| view::hex(&life.0[..4]), |o| view::hex(&o.node.0[..4]));
    let tag = format!(
        "conflict-{:04}{:02}{:02}-{:02}{:02}{:02}-{node}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    );
    let digits = match &lost.content {
        Content::File(Digest(bytes), _) => *bytes,
        Content::Link(target) => *blake3::hash(target).as_bytes(),
    };
    view::beside(index, parent, name, &tag, &digits)
}

/// A file that a loser becomes.
struct Copy {
    id: EntryId,
    kind: Kind,
    parent: EntryId,
    name: Name,
    stamp: Stamp,
    base: Vec<Dot>,
    content: Content,
    attributes: Attributes,
}

impl Copy {
    /// Its bytes are here, and stay until it is in place.
    fn write(self, facts: &mut Facts, index: &mut dyn Index, dot: Dot) {
        let Copy { id, kind, parent, name, stamp, base, content, attributes } = self;
        let before = index.entry(id);
        let context = before.as_ref().and_then(|stored| stored.context);
        let old = before.map_or_else(|| Entry::new(id, kind), |stored| stored.entry);
        let seen = old.dots();
        let mut entry = old;
        let location = Location { parent, name, stamp: placed(stamp), state: Presence::At(None) };
        entry.loc.write(version(dot, location), &seen);
        if let Content::File(digest, _) = &content {
            index.put_kept(id, digest);
        }
        entry.data.supersede(&seen);
        entry.data.write(version(dot, Data { content, stamp, base, body: None }), &seen);
        let stamp = placed(stamp);
        entry.times.write(version(dot, Stamped { stamp, value: attributes.mtime }), &seen);
        entry.mode.write(version(dot, Stamped { stamp, value: attributes.mode }), &seen);
        entry.owner.write(version(dot, Stamped { stamp, value: attributes.owner }), &seen);
        entry.xattr.write(version(dot, Stamped { stamp, value: attributes.xattrs }), &seen);
        ledger::put(facts, index, entry, context, Author::Here, &[dot]);
        ledger::mark(facts, index, id, &[dot]);
        revive::above(facts, index, id);
    }
}

/// Nobody's places or attributes are stronger than others'.
fn placed(stamp: Stamp) -> Stamp {
    Stamp { rank: stamp.rank.min(Rank::Write), ..stamp }
}

#[cfg(test)]
pub(super) mod tests;
