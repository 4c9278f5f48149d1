//! User bytes that came to light outside an operation become a version that all nodes hear of.
//!
//! After a crash, or once a writer has let go, `disk::apply` finds in staging what nobody has seen,
//! and moves it to the conflict store. Where it was is known at best by name, and what its author
//! had seen is not known at all: so it replaces nothing, and is a sibling of what is there. What
//! has no name gets none: it stays in the conflict store, for a person. Called by `engine`.

use super::mint::version;
use super::revive::any_place;
use super::{revive, row_at};
use crate::content::{Content, Digest};
use crate::dot::Dot;
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Stamp, Stamped, Timestamp,
};
use crate::index::{Index, SeenRow, ROOT_SLOT};
use crate::ledger::{self, Author, Facts};
use crate::path::{Name, RelPath};
use crate::view;

/// Bytes in the conflict store that no version says anything of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stray {
    /// Where they were in the tree, if that is known.
    pub path: Option<RelPath>,
    /// Which.
    pub digest: Digest,
    /// Their length.
    pub size: u64,
    /// When they were last written.
    pub mtime: Timestamp,
    /// What an operation was said to have kept, and has not: these were in its place.
    pub unkept: Option<Digest>,
}

/// What nobody but its owner may read before a person has looked at it.
const MODE: u16 = 0o600;

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Published {
    /// It is a version of the file there.
    At(RelPath),
    /// Its bytes are one already.
    Known,
    /// Nobody knows where it belongs: it is in the conflict store of this node only.
    Nowhere,
}

/// Publishes it.
pub fn publish(facts: &mut Facts, index: &mut dyn Index, stray: &Stray) -> Published {
    let content = Content::File(stray.digest, stray.size);
    let Some(path) = stray.path.as_ref().filter(|path| !path.is_root()) else {
        return nameless(facts, index, &stray.digest);
    };
    let (dir, name) = nearest(index, path);
    let there = claimant(index, &dir, &name);
    let entry = there.and_then(|id| index.entry(id)).map(|stored| stored.entry);
    let known = |entry: &Entry| {
        let whole = view::whole(index, entry);
        let known = whole.data.versions().iter().any(|v| v.value.content == content);
        known
    };
    if let Some(entry) = entry.as_ref().filter(|entry| known(entry)) {
        held(facts, index, entry.id, &stray.digest);
        return Published::Known;
    }
    let dot = facts.mint();
    let ms = stray.mtime.unix_ms().min(facts.wall_ms);
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc::from_unix_ms(ms), dot };
    let entry = match entry {
        Some(entry) => beside(entry, dot),
        None => alone(index, &dir, &name, stray, stamp),
    };
    let id = entry.id;
    index.put_kept(id, &stray.digest);
    let written = match view::body_of(index, &entry) {
        // One name of several: a version of what they all hold.
        Some(body) => vec![with_data(body, content, stamp), named_again(entry, dot)],
        None => vec![with_data(entry, content, stamp)],
    };
    for entry in written {
        let context = index.entry(entry.id).and_then(|stored| stored.context);
        ledger::put(facts, index, entry, context, Author::Elsewhere, &[dot]);
    }
    revive::above(facts, index, id);
    let above = super::path_of(index, dir.slot).unwrap_or_else(RelPath::root);
    Published::At(above.join(name))
}

/// Bytes of no known place.
fn nameless(facts: &mut Facts, index: &mut dyn Index, digest: &Digest) -> Published {
    let shown = index.seen_digest(digest).map(|row| row.entry);
    match shown.or_else(|| where_it_lost(index, digest)) {
        Some(id) => held(facts, index, id, digest),
        None if !index.is_kept(digest) => return Published::Nowhere,
        None => {}
    }
    Published::Known
}

/// The entry of which a content is a loser that is looked for.
fn where_it_lost(index: &dyn Index, digest: &Digest) -> Option<EntryId> {
    const PAGE: usize = 1024;
    let is_it = |data: &Data| matches!(&data.content, Content::File(lost, _) if lost == digest);
    let lost_in = |id: &EntryId| {
        let entry = index.entry(*id).map(|stored| stored.entry);
        entry.is_some_and(|entry| view::losers(index, &entry).iter().any(is_it))
    };
    let mut after = None;
    loop {
        let page = index.conflicts(after, PAGE);
        if let Some(id) = page.iter().find(|id| lost_in(id)) {
            return Some(*id);
        }
        after = Some(*page.last()?);
    }
}

/// The conflict store has a content of this entry, which lets go of it if it is no loser's.
pub(super) fn held(facts: &mut Facts, index: &mut dyn Index, id: EntryId, digest: &Digest) {
    index.put_kept(id, digest);
    ledger::mark(facts, index, id, &[]);
}

/// The deepest directory of the path that this disk shows, and the last name.
fn nearest(index: &dyn Index, path: &RelPath) -> (SeenRow, Name) {
    let name = path.name().expect("it is not the root").clone();
    let mut above = path.parent();
    while let Some(here) = above {
        if let Some(row) = row_at(index, &here).filter(|row| row.kind == Kind::Dir) {
            return (row, name);
        }
        above = here.parent();
    }
    (index.seen(ROOT_SLOT).expect("the root is known from the start"), name)
}

/// The live file that this disk shows, or that is to be shown, at the name.
fn claimant(index: &dyn Index, dir: &SeenRow, name: &Name) -> Option<EntryId> {
    let row = index.seen_named(dir.slot, name).filter(|row| row.kind == Kind::File);
    let alive = |id: &EntryId| {
        let stored = index.entry(*id);
        stored.is_some_and(|s| s.entry.kind == Kind::File && view::is_alive(&s))
    };
    let named = || index.named(dir.entry, name).into_iter().find(alive);
    row.map(|row| row.entry).filter(alive).or_else(named)
}

/// A version beside those of a file; it stays where it is.
fn beside(mut entry: Entry, dot: Dot) -> Entry {
    if let Some(location) = any_place(&entry) {
        entry.loc.write(version(dot, location), &[]);
    }
    entry
}

/// A name that says once more whose it is: its last deletion has not seen this.
pub(super) fn named_again(mut entry: Entry, dot: Dot) -> Entry {
    if let Some(data) = view::winner(&entry.data).cloned() {
        entry.data.write(version(dot, data), &[]);
    }
    entry
}

/// A file of its own, at a name that no live file has.
fn alone(index: &dyn Index, dir: &SeenRow, name: &Name, stray: &Stray, stamp: Stamp) -> Entry {
    let dot = stamp.dot;
    let derived = EntryId::derive(dir.entry, Kind::File, name, None);
    let free = index.entry(derived).is_none() && index.seen_of(derived).is_none();
    let again = EntryId::derive(dir.entry, Kind::File, name, Some(dot));
    let mut entry = Entry::new(if free { derived } else { again }, Kind::File);
    let (parent, name, state) = (dir.entry, name.clone(), Presence::At(None));
    entry.loc.write(version(dot, Location { parent, name, stamp, state }), &[]);
    entry.times.write(version(dot, Stamped { stamp, value: stray.mtime }), &[]);
    entry.mode.write(version(dot, Stamped { stamp, value: MODE }), &[]);
    entry.owner.write(version(dot, Stamped { stamp, value: dir.attributes.owner }), &[]);
    entry
}

fn with_data(mut entry: Entry, content: Content, stamp: Stamp) -> Entry {
    let data = Data { content, stamp, base: Vec::new(), body: None };
    entry.data.write(version(stamp.dot, data), &[]);
    entry
}

#[cfg(test)]
mod tests;
