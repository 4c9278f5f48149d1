//! A version whose bytes are nowhere is taken back by its author: what is shown in its place.
//!
//! A new operation that supersedes the author's own lost version and nothing that others wrote. Who
//! may do this, and when, is `engine`'s to say.

use super::mint::version;
use super::revive::any_place;
use crate::content::{Content, Digest};
use crate::dot::Dot;
use crate::entry::{Data, Entry, EntryId, Location, Presence, Rank, Sight, Stamp, DATA_BASE_MAX};
use crate::index::{Index, SeenRow};
use crate::ledger::{self, Author, Facts};
use crate::view;

/// What is shown in the place of a lost version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    /// A whole version: one beside it, or the one that it had replaced on this disk.
    Other,
    /// What lies on this disk: there never was another version.
    Found,
    /// Nothing: there never was another version, and nothing lies there.
    Nothing,
}

/// Supersedes this node's own versions with the content `lost` in one entry. `None`: it has none.
pub fn take_back(
    facts: &mut Facts,
    index: &mut dyn Index,
    id: EntryId,
    lost: &Digest,
    is_own: &dyn Fn(Dot) -> bool,
) -> Option<Instead> {
    let name = index.entry(id)?.entry;
    let is_lost = |data: &Data| matches!(&data.content, Content::File(digest, _) if digest == lost);
    let seen = &*index;
    let mine_of = |entry: &Entry| -> Vec<Dot> {
        let all = entry.data.versions().iter();
        // What is left of a name shows what it held as a file of its own would.
        let stands = |data: &Data| data.body.is_none_or(|body| view::is_over(seen, body));
        let bears = |data: &Data| stands(data) && is_lost(data);
        all.filter(|v| is_own(v.dot) && bears(&v.value)).map(|v| v.dot).collect()
    };
    // Of one name of several it stands on its body, or on what it was also said to be a name of.
    let shown = view::body_of(index, &name).map_or(id, |body| body.id);
    let mut bearers = [shown, id].into_iter().chain(name.bodies());
    let has_mine = |bearer: &EntryId| {
        index.entry(*bearer).is_some_and(|stored| !mine_of(&stored.entry).is_empty())
    };
    let bearer = bearers.find(has_mine)?;
    let stored = index.entry(bearer)?;
    let mut entry = stored.entry;
    let mine = mine_of(&entry);
    let row = index.seen_of(id);
    let hlc = facts.tick();
    let dot = facts.mint();
    let stamp = Stamp { rank: Rank::Write, hlc, dot };
    let origins = entry.data.versions().iter().map(|v| v.value.stamp.dot);
    let base: Vec<Dot> = origins.take(DATA_BASE_MAX).collect();
    entry.data.supersede(&mine);
    // Not another's of the same bytes: those are as lost, and its own to take back.
    let beside = entry.data.versions().iter().map(|v| &v.value).filter(|data| !is_lost(data));
    let beside = beside.max_by_key(|data| data.stamp).cloned();
    let (instead, data) = match (beside, row) {
        // Said again under the dot of the place: its author may be about to delete it, and what has
        // a place has to have a content.
        (Some(beside), _) => (Instead::Other, Some(beside)),
        (None, _) if bearer != id && bearer != shown => (Instead::Other, None),
        (None, None) => (Instead::Nothing, None),
        (None, Some(row)) => {
            let (instead, content) = in_place_of(index, row, lost);
            (instead, content.map(|content| Data { content, stamp, base, body: None }))
        }
    };
    if let Some(data) = data {
        entry.data.write(version(dot, data), &[]);
    }
    if bearer == id {
        place(&mut entry, instead, stamp, &mine);
    } else {
        let context = index.entry(id).and_then(|stored| stored.context);
        // The dot has to stand where it took something away, also beside what others lost as well.
        if let Some(here) = any_place(&name).filter(|_| entry.data.get(dot).is_none()) {
            let ends: Vec<Dot> = entry.loc.dots().collect();
            let state = Presence::Deleted(Sight::Inferred);
            entry.loc.write(version(dot, Location { stamp, state, ..here }), &ends);
        }
        if bearer == shown {
            let mut name = super::stray::named_again(name, dot);
            place(&mut name, instead, stamp, &mine);
            ledger::put(facts, index, name, context, Author::Elsewhere, &[dot]);
        }
    }
    ledger::put(facts, index, entry, stored.context, Author::Elsewhere, &[dot]);
    Some(instead)
}

/// What a row gives: what was there before the lost version, once; then what is there.
fn in_place_of(
    index: &mut dyn Index,
    mut row: SeenRow,
    lost: &Digest,
) -> (Instead, Option<Content>) {
    let whole = |content: &Content| !matches!(content, Content::File(of, _) if of == lost);
    let previous = row.volatile.as_mut().and_then(|volatile| volatile.previous.take());
    let found = row.content.clone();
    index.put_seen(&row);
    match previous.filter(whole) {
        Some(previous) => (Instead::Other, Some(previous)),
        None => match found.filter(whole) {
            Some(found) => (Instead::Found, Some(found)),
            None => (Instead::Nothing, None),
        },
    }
}

/// Writes the entry's place under the new dot, or its end.
fn place(entry: &mut Entry, instead: Instead, stamp: Stamp, mine: &[Dot]) {
    let Some(here) = any_place(entry) else { return };
    let dot = stamp.dot;
    if instead == Instead::Nothing {
        let all: Vec<Dot> = entry.loc.dots().collect();
        let state = Presence::Deleted(Sight::Inferred);
        entry.loc.write(version(dot, Location { stamp, state, ..here }), &all);
    } else {
        let best = entry.loc.versions().iter().filter(|v| mine.contains(&v.dot));
        let best = best.max_by_key(|v| v.value.stamp).map(|v| v.value.clone());
        entry.loc.write(version(dot, best.unwrap_or(here)), mine);
    }
}
