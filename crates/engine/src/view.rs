//! Entries -> the one tree that every node must show: pure, total, deterministic.
//!
//! Everything is local: [`place`] reads one entry, its ancestors and the entries that claim its
//! name, never the whole tree. Liveness, names and winners follow decisions R2; a loser of a
//! conflict is not in the tree (decisions A17).

use crate::content::Content;
use crate::dot::Dot;
use crate::entry::{
    Data, Entry, EntryId, Kind, Location, Owner, Presence, Stamped, Timestamp, Xattrs, ROOT,
};
use crate::index::{Attributes, Index, Settled, Stored};
use crate::limits::DEPTH_MAX;
use crate::path::{Name, RelPath};
use crate::proof::{broken, reached, Mutant};
use crate::register::Register;
use std::collections::BTreeSet;

mod bodies;
mod names;

pub use bodies::{body_of, is_body, is_ended, is_shown, shows, whole};
pub(crate) use bodies::{claims, is_over};
pub use names::suffixed;
pub(crate) use names::{beside, relocated, suffix_of};

/// Where the tree shows an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// As `name` in a directory; `parent` is the entry that represents that directory.
    At {
        /// The directory's representative.
        parent: EntryId,
        /// The name shown, which may carry a suffix.
        name: Name,
    },
    /// It is the root.
    Root,
    /// Nowhere: deleted, and no live child needs it.
    Gone,
    /// At another entry's place, as that entry: a united directory or an equal file.
    As(EntryId),
    /// An ancestor has not arrived yet.
    Orphan,
}

/// Where the location register alone puts an entry; `live_children` says whether a deleted
/// directory is still needed.
pub fn settle(entry: &Entry, live_children: u32) -> Option<Settled> {
    let best = |deleted: bool| {
        let versions = entry.loc.versions().iter().map(|version| &version.value);
        let fitting =
            versions.filter(move |loc| matches!(loc.state, Presence::Deleted(_)) == deleted);
        fitting.max_by_key(|loc| loc.stamp)
    };
    let settled =
        |loc: &Location, alive| Settled { parent: loc.parent, name: loc.name.clone(), alive };
    let needed = entry.kind == Kind::Dir && live_children > 0;
    mark_settled(entry, needed);
    if broken(Mutant::LatestPlaceCounts) {
        let versions = entry.loc.versions().iter().map(|version| &version.value);
        let latest = versions.max_by_key(|loc| loc.stamp)?;
        let alive = !matches!(latest.state, Presence::Deleted(_));
        return Some(settled(latest, alive || needed));
    }
    let there = best(false).map(|loc| settled(loc, has_substance(entry)));
    there.or_else(|| best(true).map(|loc| settled(loc, needed)))
}

/// For the simulator: which of the places this is that only concurrent operations make.
fn mark_settled(entry: &Entry, needed: bool) {
    let versions = entry.loc.versions().iter().map(|version| &version.value);
    let mut alive = versions.filter(|loc| matches!(loc.state, Presence::At(_)));
    match (alive.next(), alive.next()) {
        (None, _) if needed => reached("a deleted directory lives on for what is in it"),
        (Some(a), Some(b)) if (a.parent, &a.name) != (b.parent, &b.name) => {
            reached("one entry was put at two places");
        }
        _ => {}
    }
}

/// Whether the entry is part of the tree at all: has a place in it, or may bear what stands at one.
pub fn is_alive(stored: &Stored) -> bool {
    let placed = stored.settled.as_ref().is_some_and(|at| at.alive);
    stored.entry.id == ROOT || placed || bodies::is_body(&stored.entry)
}

/// Whether it is no part of the tree, or somebody has deleted what others keep.
pub fn is_deleted(stored: &Stored) -> bool {
    !is_alive(stored) || stored.entry.ends().next().is_some()
}

/// Whether its own location puts the entry somewhere; a deleted directory may be shown all the
/// same, for what is in it.
pub fn is_placed(entry: &Entry) -> bool {
    let mut versions = entry.loc.versions().iter();
    let is_at = versions.any(|version| matches!(version.value.state, Presence::At(_)));
    entry.id == ROOT || is_at && has_substance(entry)
}

/// Whether there is anything to show at a place. One wrote a content and said the place again,
/// another let go of that content, a third deleted the rest and had not seen that place: all that
/// the file ever held was given up by somebody who had seen it, and a place alone is no file.
fn has_substance(entry: &Entry) -> bool {
    entry.kind == Kind::Dir || !entry.data.is_empty()
}

/// Where the tree shows the entry called `id`.
pub fn place(index: &dyn Index, id: EntryId) -> Shown {
    if id == ROOT {
        return Shown::Root;
    }
    let Some(stored) = index.entry(id) else { return Shown::Gone };
    if !is_alive(&stored) || bodies::is_body(&stored.entry) {
        return Shown::Gone;
    }
    let at = stored.settled.clone().and_then(|at| location(index, id, stored.entry.kind, at));
    let Some(at) = at else { return Shown::Orphan };
    let Some(parents) = united(index, at.parent) else { return Shown::Orphan };
    if at.relocated {
        let name = relocated(index, &parents, id, &at.name);
        return Shown::At { parent: parents[0], name };
    }
    names::among(index, &stored, &parents, &at.name)
}

/// The directory above an entry that is not known here, if one is not.
pub fn missing_above(index: &dyn Index, id: EntryId) -> Option<EntryId> {
    let mut here = id;
    for _ in 0..DEPTH_MAX {
        match index.settled(here).and_then(|(_, settled)| settled) {
            Some(at) if at.parent == ROOT => return None,
            Some(at) => here = at.parent,
            None => return Some(here).filter(|missing| *missing != id),
        }
    }
    None
}

/// Where an entry was put last, whether it is there still or not: for people. The root's where its
/// directory is not known.
pub fn settled_path(index: &dyn Index, id: EntryId) -> RelPath {
    let (mut names, mut here) = (Vec::new(), id);
    while here != ROOT {
        let settled = index.settled(here).and_then(|(_, settled)| settled);
        let Some(at) = settled.filter(|_| names.len() < DEPTH_MAX) else {
            return RelPath::root();
        };
        names.push(at.name);
        here = at.parent;
    }
    names.reverse();
    RelPath::from_names(names)
}

/// The directories that the tree shows as one with `dir`, smallest id first, which represents them.
/// `None` while an ancestor is missing.
pub fn united(index: &dyn Index, dir: EntryId) -> Option<Vec<EntryId>> {
    if dir == ROOT {
        return Some(vec![ROOT]);
    }
    let at = location(index, dir, Kind::Dir, live_dir(index, dir)?)?;
    if at.relocated {
        return Some(vec![dir]);
    }
    let parents = match climb(index, dir, at.parent) {
        Climb::Root => united_below_root(index, at.parent)?,
        Climb::Cycle(_) => united(index, at.parent)?,
        Climb::Missing => return None,
    };
    Some(group(index, dir, &parents, &at.name))
}

/// The same for a directory from which settled places lead to the root without a cycle.
fn united_below_root(index: &dyn Index, dir: EntryId) -> Option<Vec<EntryId>> {
    if dir == ROOT {
        return Some(vec![ROOT]);
    }
    let at = live_dir(index, dir)?;
    let parents = united_below_root(index, at.parent)?;
    Some(group(index, dir, &parents, &at.name))
}

/// The live directories called `name` in any of `parents`, ascending; `dir` is one of them.
fn group(index: &dyn Index, dir: EntryId, parents: &[EntryId], name: &Name) -> Vec<EntryId> {
    if broken(Mutant::DirectoriesNeverUnite) {
        return vec![dir];
    }
    let named = parents.iter().flat_map(|&parent| index.named(parent, name));
    let mut group: Vec<_> = named.filter(|&id| id == dir || is_plain_live_dir(index, id)).collect();
    group.sort_unstable();
    group
}

/// Where a directory of the tree that is not the root is settled.
fn live_dir(index: &dyn Index, id: EntryId) -> Option<Settled> {
    let (kind, settled) = index.settled(id)?;
    settled.filter(|at| kind == Kind::Dir && at.alive)
}

fn is_plain_live_dir(index: &dyn Index, id: EntryId) -> bool {
    let Some(settled) = live_dir(index, id) else { return false };
    location(index, id, Kind::Dir, settled).is_some_and(|at| !at.relocated)
}

struct Located {
    parent: EntryId,
    name: Name,
    /// Taken out of a cycle: shown under its name with a suffix.
    relocated: bool,
}

/// The settled place, or another one if the entry is the directory whose move closed a cycle; who
/// only lies below a cycle is none of it.
/// `None` while an ancestor is missing.
fn location(index: &dyn Index, id: EntryId, kind: Kind, at: Settled) -> Option<Located> {
    let plain = Located { parent: at.parent, name: at.name, relocated: false };
    if kind != Kind::Dir {
        return Some(plain);
    }
    match climb(index, id, plain.parent) {
        Climb::Root => Some(plain),
        Climb::Missing => None,
        Climb::Cycle(members) if latest(index, &members) != id => Some(plain),
        Climb::Cycle(_) => {
            reached("a circle of directories is opened");
            Some(put_back(index, &index.entry(id)?))
        }
    }
}

enum Climb {
    Root,
    Missing,
    Cycle(BTreeSet<EntryId>),
}

/// Follows settled places upwards from `id`, whose directory is `parent`.
fn climb(index: &dyn Index, id: EntryId, parent: EntryId) -> Climb {
    let mut path = vec![id];
    let mut next = parent;
    while next != ROOT {
        if let Some(start) = path.iter().position(|&seen| seen == next) {
            return Climb::Cycle(path[start..].iter().copied().collect());
        }
        let dir = index.settled(next).filter(|(kind, _)| *kind == Kind::Dir);
        let settled = dir.and_then(|(_, settled)| settled);
        let Some(at) = settled.filter(|_| path.len() <= DEPTH_MAX) else { return Climb::Missing };
        path.push(next);
        next = at.parent;
    }
    Climb::Root
}

/// The directories that lie in one another in a circle with `id`, if it is in one.
pub(crate) fn circle(index: &dyn Index, id: EntryId) -> Option<BTreeSet<EntryId>> {
    let at = index.settled(id)?.1?;
    match climb(index, id, at.parent) {
        Climb::Cycle(members) if members.contains(&id) => Some(members),
        _ => None,
    }
}

/// The directory of a cycle that was moved last: its move is the one undone.
fn latest(index: &dyn Index, cycle: &BTreeSet<EntryId>) -> EntryId {
    let stamp = |id: EntryId| {
        let entry = index.entry(id).map(|stored| stored.entry);
        entry.and_then(|e| e.loc.versions().iter().map(|v| v.value.stamp).max())
    };
    let last = cycle.iter().copied().max_by_key(|&id| (stamp(id), id));
    last.expect("a cycle has members")
}

/// Where a directory goes whose move closed a cycle: back to its previous place, or to the root.
fn put_back(index: &dyn Index, stored: &Stored) -> Located {
    let id = stored.entry.id;
    let versions = stored.entry.loc.versions().iter().map(|version| &version.value);
    let previous = versions.max_by_key(|loc| loc.stamp).and_then(|loc| match &loc.state {
        Presence::At(previous) => previous.clone(),
        Presence::Deleted(_) => None,
    });
    let here = stored.settled.as_ref().map(|at| at.name.clone());
    let reachable = |parent: EntryId| {
        parent == ROOT
            || (parent != id
                && live_dir(index, parent).is_some()
                && matches!(climb(index, id, parent), Climb::Root))
    };
    let (parent, name) = match (previous, here) {
        (Some((parent, name)), _) if reachable(parent) => (parent, name),
        (_, Some(name)) => (ROOT, name),
        (Some((_, name)), None) => (ROOT, name),
        (None, None) => unreachable!("an entry in a cycle has a place"),
    };
    Located { parent, name, relocated: true }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the registers say a thing is, where it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Desired {
    /// The winning content; `None` for directories.
    pub content: Option<Content>,
    /// The winning attributes.
    pub attributes: Attributes,
}

/// What an entry is to look like on every disk; `None` for a file or symlink whose content has not
/// arrived.
pub fn desired(entry: &Entry) -> Option<Desired> {
    let content = winner(&entry.data).map(|data| data.content.clone());
    if entry.kind != Kind::Dir && content.is_none() {
        return None;
    }
    let mode = match entry.kind {
        Kind::Dir => 0o755,
        Kind::File => 0o644,
        Kind::Symlink => 0o777,
    };
    let unwritten = Attributes { mode, ..Attributes::default() };
    Some(Desired { content, attributes: attributes(entry, &unwritten) })
}

/// The attributes that were written; of what nobody has written, `unwritten`.
pub fn attributes(entry: &Entry, unwritten: &Attributes) -> Attributes {
    let mode = newest(&entry.mode).unwrap_or(unwritten.mode);
    let xattrs = || unwritten.xattrs.clone();
    Attributes {
        mtime: newest::<Timestamp>(&entry.times).unwrap_or(unwritten.mtime),
        mode: if entry.kind == Kind::Symlink { 0o777 } else { mode },
        owner: newest::<Owner>(&entry.owner).unwrap_or(unwritten.owner),
        xattrs: newest::<Xattrs>(&entry.xattr).unwrap_or_else(xattrs),
    }
}

fn newest<T: Clone>(register: &Register<Stamped<T>>) -> Option<T> {
    let versions = register.versions().iter().map(|version| &version.value);
    versions.max_by_key(|stamped| stamped.stamp).map(|stamped| stamped.value.clone())
}

/// The content that keeps the name: the latest stamp of those that no sibling names as replaced. A
/// total order that does not ask who is alive. Of one content that is said of a file alone, and of
/// it as one name of several, the second.
pub fn winner(data: &Register<Data>) -> Option<&Data> {
    let all = || data.versions().iter().map(|version| &version.value);
    let stands = |one: &&Data| !all().any(|other| other.base.contains(&one.stamp.dot));
    all().filter(stands).max_by_key(|data| (data.stamp, data.body))
}

/// Contents that lost to the winner and nobody has replaced: what the conflict store keeps. Equal
/// bytes are no conflict, and neither is what another sibling names as replaced. Latest first.
pub fn losers(index: &dyn Index, entry: &Entry) -> Vec<Data> {
    let claims = claims(index, entry).filter(|_| !broken(Mutant::LosersForgotten));
    let Some((winner, all)) = claims else { return Vec::new() };
    let ignores = broken(Mutant::BaseIgnored);
    let replaced = |dot: Dot| !ignores && all.iter().any(|other| other.base.contains(&dot));
    let mut losers: Vec<Data> = all
        .iter()
        .filter(|data| data.content != winner.content && !replaced(data.stamp.dot))
        .cloned()
        .collect();
    losers.sort_by_key(|data| std::cmp::Reverse(data.stamp));
    let mut seen = BTreeSet::new();
    losers.retain(|data| seen.insert(data.content.clone()));
    losers
}

/// The write that a loser lost to: of those that led to the winner, the first that the loser's
/// author had not seen.
pub fn lost_to(winner: &Data, loser: &Data) -> Dot {
    let led = std::iter::once(winner.stamp.dot).chain(winner.base.iter().copied());
    led.take_while(|dot| !loser.base.contains(dot)).last().unwrap_or(winner.stamp.dot)
}

#[cfg(test)]
mod tests;
