//! A deleted directory that something is put into, or is still in, is asserted anew; so is what
//! comes back to who has forgotten it.
//!
//! The tree shows a deleted directory while something in it is alive, on all who remember it. Who
//! has forgotten the deletion, because all nodes knew of it, would not know where to put what is in
//! it. So whoever puts something there says the directory again, all of it, under a new dot. Called
//! by `mint`, and by the engine for what a full reconciliation has found.

use super::mint::version;
use crate::dot::Dot;
use crate::entry::{Data, Entry, EntryId, Kind, Location, Presence, Rank, Stamp, Stamped, ROOT};
use crate::index::{Index, SeenDots, SeenRow, Stored};
use crate::ledger::{self, Author, Facts};
use crate::path::Name;
use crate::proof::{broken, reached, Mutant};
use crate::register::Register;
use crate::view;
use crate::wire::Minted;
use std::collections::BTreeSet;

/// The deleted directories above an entry, each once: they may be in one another.
pub(super) fn above(facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
    let mut next = index.settled(id).and_then(|(_, settled)| settled);
    let mut deleted = Vec::new();
    let mut met = BTreeSet::from([ROOT]);
    while let Some(at) = next.filter(|at| met.insert(at.parent)) {
        let Some(stored) = index.entry(at.parent) else { break };
        if view::is_placed(&stored.entry) {
            break;
        }
        deleted.push(at.parent);
        next = stored.settled;
    }
    for id in deleted {
        reached("revive: something is put into a deleted directory");
        again(facts, index, id);
    }
}

/// Says a directory again, at its last place, with all that is known of it.
pub fn again(facts: &mut Facts, index: &mut dyn Index, id: EntryId) {
    let Some(stored) = index.entry(id) else { return };
    if stored.entry.kind != Kind::Dir && stored.entry.data.is_empty() {
        return end_again(facts, index, stored);
    }
    let mut entry = stored.entry;
    let row = index.seen_of(id);
    let shown = row.as_ref().and_then(|row| shown_place(index, row));
    let is_body = view::is_body(&entry) || view::is_ended(index, &entry);
    if entry.loc.is_empty() && shown.is_none() && !is_body {
        return;
    }
    let (hlc, dot) = (facts.tick(), facts.mint());
    let stamp = Stamp { rank: Rank::Write, hlc, dot };
    let place = shown.clone().map(|(parent, name)| here(parent, name, stamp));
    let location = any_place(&entry).or(place).filter(|_| !is_body);
    let is_there = location.as_ref().is_some_and(|at| shown == Some((at.parent, at.name.clone())));
    let places = places_of_winner(&entry);
    match location {
        Some(location) => entry.loc.write(version(dot, location), &places),
        None => entry.loc.supersede(&places),
    }
    let mut dots = row.as_ref().map(|row| row.dots.clone()).unwrap_or_default();
    let is_shown = say_content_again(&mut entry, &mut dots, dot, is_there);
    say_again(&mut entry.times, &mut dots.times, dot);
    say_again(&mut entry.mode, &mut dots.mode, dot);
    say_again(&mut entry.owner, &mut dots.owner, dot);
    say_again(&mut entry.xattr, &mut dots.xattr, dot);
    if let Some(row) = row {
        if is_shown {
            dots.loc = vec![dot];
        }
        index.put_seen(&SeenRow { dots, ..row });
    }
    ledger::put(facts, index, entry, stored.context, Author::Here, &[dot]);
    ledger::mark(facts, index, id, &[]);
}

/// Says once more that a file is deleted. Of what others put there this node knows that it is over,
/// since it had forgotten the file; that they are told by no deletion that is remembered anywhere.
fn end_again(facts: &mut Facts, index: &mut dyn Index, stored: Stored) {
    let mut entry = stored.entry;
    let seen: Vec<Dot> = entry.ends().collect();
    let ends = seen.iter().filter_map(|dot| entry.loc.get(*dot)).map(|end| &end.value);
    let Some(end) = ends.max_by_key(|end| end.stamp).cloned() else { return };
    reached("revive: a deletion is said again");
    let dot = facts.mint();
    entry.loc.write(version(dot, end), &seen);
    ledger::put(facts, index, entry, stored.context, Author::Here, &[dot]);
}

/// All places but those that came with content that lost: who deletes what is shown elsewhere has
/// not seen that, and it is to keep a place of its own.
fn places_of_winner(entry: &Entry) -> Vec<Dot> {
    let winner = view::winner(&entry.data).map(|data| (&data.content, data.body));
    let lost = |dot: &Dot| {
        let written = entry.data.get(*dot).map(|version| &version.value);
        written.is_some_and(|data| Some((&data.content, data.body)) != winner)
    };
    entry.loc.dots().filter(|dot| !lost(dot)).collect()
}

/// Where this disk shows something.
pub(super) fn shown_place(index: &dyn Index, row: &SeenRow) -> Option<(EntryId, Name)> {
    Some((index.seen(row.parent)?.entry, row.name.clone()?))
}

/// The place of an entry that this disk shows although its own location was superseded: where it
/// is, or else where it last was, present again. Who deleted it later than it was put there had
/// not seen that.
pub(super) fn any_place(entry: &Entry) -> Option<Location> {
    let places = entry.loc.versions().iter().map(|version| &version.value);
    let is_there = |place: &Location| matches!(place.state, Presence::At(_));
    let last = places.max_by_key(|place| (is_there(place), place.stamp))?;
    Some(Location { state: Presence::At(None), ..last.clone() })
}

/// A place that nothing was at before.
pub(super) fn here(parent: EntryId, name: Name, stamp: Stamp) -> Location {
    Location { parent, name, stamp, state: Presence::At(None) }
}

/// Writes the place that this disk shows once more under the new dot, its stamp as it was: that
/// is `here`, if anybody put the entry there, though perhaps with bytes that are not shown yet.
/// So it is for an entry that others have forgotten altogether.
pub(super) fn reassert_place(
    entry: &mut Entry,
    dots: &mut SeenDots,
    stamp: Stamp,
    here: Option<(EntryId, Name)>,
) {
    if broken(Mutant::NoReassert) {
        return;
    }
    let dot = stamp.dot;
    let seen = std::mem::take(&mut dots.loc);
    let is_here = |at: &Location| here.as_ref() == Some(&(at.parent, at.name.clone()));
    let versions = entry.loc.versions().iter();
    let present = versions.filter(|v| matches!(v.value.state, Presence::At(_)));
    let shown = present.filter(|v| seen.contains(&v.dot) || is_here(&v.value));
    let best = shown.map(|v| v.value.clone()).max_by_key(|at| (is_here(at), at.stamp));
    let row = || here.clone().map(|(parent, name)| self::here(parent, name, stamp));
    let Some(location) = best.or_else(|| any_place(entry)).or_else(row) else { return };
    entry.loc.write(version(dot, location), &seen);
    dots.loc = vec![dot];
}

/// The content that counts, under another dot: who deletes what was here before takes away the
/// content that was there, and the place that is said again must not be left without any. Whether
/// this disk shows it at that place: else who deletes the file here has seen neither.
fn say_content_again(entry: &mut Entry, seen: &mut SeenDots, dot: Dot, is_there: bool) -> bool {
    let Some(data) = view::winner(&entry.data).cloned() else { return is_there };
    let is_equal = |other: &Data| (&other.content, other.body) == (&data.content, data.body);
    let equal = entry.data.versions().iter().filter(|v| is_equal(&v.value));
    let equal: Vec<Dot> = equal.map(|version| version.dot).collect();
    let is_shown = is_there && equal.iter().all(|dot| seen.shown.contains(dot));
    if is_shown {
        seen.data.retain(|dot| !equal.contains(dot));
        seen.data.push(dot);
        seen.shown = vec![dot];
    }
    entry.data.write(version(dot, data), &equal);
    is_shown
}

/// The value that counts, under another dot; this disk shows it if it has shown all.
fn say_again<T: Clone>(register: &mut Register<Stamped<T>>, seen: &mut Vec<Dot>, dot: Dot)
where
    Stamped<T>: Minted,
{
    let versions = register.versions().iter();
    let Some(value) = versions.map(|v| &v.value).max_by_key(|v| v.stamp).cloned() else { return };
    let all: Vec<Dot> = register.dots().collect();
    if all.iter().all(|dot| seen.contains(dot)) {
        *seen = vec![dot];
    }
    register.write(version(dot, value), &all);
}

#[cfg(test)]
mod tests;
