//! The next step that brings one entry's place on this disk nearer to what the tree shows.
//!
//! Pure and local: one entry against its row of D. Steps are taken one at a time; after each the
//! entry is decided again, so nothing is remembered but the two states (Dropbox Nucleus: persist
//! observations, not work).

use super::{bodies, knot, Act, Expected, Place, Retire};
use crate::content::{Content, Digest};
use crate::dot::Dot;
use crate::entry::{Data, Entry, EntryId, Kind, ROOT};
use crate::index::{Index, SeenDots, SeenRow, ROOT_SLOT};
use crate::ledger;
use crate::observe::path_of;
use crate::path::Name;
use crate::proof::{broken, Mutant};
use crate::register::Version;
use crate::view::{self, Desired, Shown};

/// What is to happen to an entry next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The disk shows what the tree shows.
    InPlace,
    /// The disk shows it; only which versions that is has to be written down.
    Record(Box<SeenRow>),
    /// A row of D is to show another entry from now on: two directories or equal files became one.
    Rebind(Box<SeenRow>, EntryId),
    /// Something else must happen first.
    Wait(Wait),
    /// This content must be staged first: digest and length in bytes.
    Need(Digest, u64),
    /// This is to be done on the disk; afterwards it shows these versions.
    Do {
        /// The operation.
        act: Box<Act>,
        /// The versions that the disk will then show.
        dots: Box<SeenDots>,
        /// The user operations that it brings, which must not overtake their authors' creations.
        after_creates_of: Vec<Dot>,
    },
}

/// What an entry waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Wait {
    /// Its directory must be in place first.
    Entry(EntryId),
    /// An ancestor or its content has not arrived.
    Arrival,
}

/// See the module's head. `has` says whether a content is staged or kept here.
pub fn decide(index: &dyn Index, id: EntryId, has: &dyn Fn(&Digest) -> bool) -> Step {
    let Some(stored) = index.entry(id) else { return Step::InPlace };
    let alive = view::is_alive(&stored);
    let entry = stored.entry;
    let row = index.seen_of(id);
    if view::is_body(&entry) && row.is_none() {
        // It is on no disk: its names are. Who lies makes one of a file that is: that is gone.
        return Step::InPlace;
    }
    let step = match view::place(index, id) {
        Shown::Root => root(index, &entry),
        Shown::Orphan => return Step::Wait(Wait::Arrival),
        Shown::Gone => row.map_or(Step::InPlace, |row| match heir(index, &row) {
            Some(other) => Step::Rebind(Box::new(row), other),
            None => remove(index, &entry, &row),
        }),
        Shown::As(other) => row.map_or(Step::InPlace, |row| give_way(index, &entry, &row, other)),
        Shown::At { parent, name } => at(index, &entry, row, parent, &name, has),
    };
    if step == Step::InPlace {
        keep_losers(index, &entry, alive, has)
    } else {
        step
    }
}

/// What the disk is expected to show for a row.
pub(super) fn expected(row: &SeenRow) -> Expected {
    Expected::Exactly {
        kind: row.kind,
        fingerprint: row.fingerprint.clone(),
        content: row.content.clone(),
        soft: row.soft,
    }
}

/// `name` in the directory of `dir`.
pub(super) fn place_in(index: &dyn Index, dir: &SeenRow, name: &Name) -> Option<Place> {
    let path = path_of(index, dir.slot)?;
    Some(Place { dir: path, dir_handle: dir.fingerprint.handle.clone(), name: name.clone() })
}

pub(super) fn place_of(index: &dyn Index, row: &SeenRow) -> Option<Place> {
    place_in(index, &index.seen(row.parent)?, row.name.as_ref()?)
}

/// Nobody makes the root: until who began the folder has given it attributes, each has its own.
/// Others may tell of its time before that, when he does not know himself how his root looks.
fn root(index: &dyn Index, entry: &Entry) -> Step {
    let row = index.seen(ROOT_SLOT).filter(|_| !entry.mode.versions().is_empty());
    let Some(row) = row else { return Step::InPlace };
    let desired = Desired { content: None, attributes: view::attributes(entry, &row.attributes) };
    attributes(index, None, entry, &row, &desired)
}

/// Content is right: are the attributes, and is it written down?
fn attributes(
    index: &dyn Index,
    at: Option<Place>,
    entry: &Entry,
    row: &SeenRow,
    desired: &Desired,
) -> Step {
    let dots = ledger::showing(index, entry);
    let wanted = &desired.attributes;
    let settled = row.attributes == *wanted || row.refused.as_ref() == Some(wanted);
    if !settled {
        let act = Act::SetAttributes { at, expected: expected(row), attributes: wanted.clone() };
        return Step::Do { act: Box::new(act), dots: Box::new(dots), after_creates_of: Vec::new() };
    }
    if row.dots == dots {
        return Step::InPlace;
    }
    Step::Record(Box::new(SeenRow { dots, ..row.clone() }))
}

/// The entry is not part of the tree: away with what this disk shows of it.
fn remove(index: &dyn Index, entry: &Entry, row: &SeenRow) -> Step {
    if let Some(child) = index.seen_children(row.slot, None, 1).first() {
        return Step::Wait(Wait::Entry(child.entry));
    }
    let Some(at) = place_of(index, row) else { return Step::Wait(Wait::Arrival) };
    Step::Do {
        act: Box::new(Act::Remove {
            at,
            expected: expected(row),
            retire: retire(index, entry, row),
        }),
        dots: Box::default(),
        after_creates_of: last_move(entry),
    }
}

/// The entry that is to be shown where the row is, with the very content of the row, and has no row
/// of its own: two equal files were shown as one, and the other of them was deleted. Its bytes may
/// be nowhere else.
fn heir(index: &dyn Index, row: &SeenRow) -> Option<EntryId> {
    if broken(Mutant::NoHeir) {
        return None;
    }
    let (name, content) = (row.name.as_ref()?, row.content.as_ref()?);
    let parents = view::united(index, index.seen(row.parent)?.entry)?;
    let place = Shown::At { parent: *parents.first()?, name: name.clone() };
    let mut claims = parents.iter().flat_map(|&parent| index.named(parent, name));
    claims.find(|&id| {
        let holds = index.entry(id).is_some_and(|stored| {
            let whole = view::whole(index, &stored.entry);
            let winner = view::winner(&whole.data).map(|data| &data.content);
            stored.entry.kind == row.kind && winner == Some(content)
        });
        holds && index.seen_of(id).is_none() && view::place(index, id) == place
    })
}

/// Where the bytes go that a row shows: to the conflict store if they lost to a sibling.
pub(super) fn retire(index: &dyn Index, entry: &Entry, row: &SeenRow) -> Retire {
    let lost = view::losers(index, entry).iter().any(|l| Some(&l.content) == row.content.as_ref());
    if lost && row.kind == Kind::File && !broken(Mutant::LosersToTrash) {
        Retire::Keep
    } else {
        Retire::Trash
    }
}

/// The entry is shown as `other`, which takes over the row if it has none yet, and then moves it
/// to where it belongs; else the row goes once it is empty. So does one that shows what lost in
/// this entry: who writes over that has seen it as this.
fn give_way(index: &dyn Index, entry: &Entry, row: &SeenRow, other: EntryId) -> Step {
    if index.seen_of(other).is_none() && retire(index, entry, row) != Retire::Keep {
        return Step::Rebind(Box::new(row.clone()), other);
    }
    remove(index, entry, row)
}

/// The entry is shown at `name` in the directory represented by `parent`.
fn at(
    index: &dyn Index,
    entry: &Entry,
    row: Option<SeenRow>,
    parent: EntryId,
    name: &Name,
    has: &dyn Fn(&Digest) -> bool,
) -> Step {
    let whole = view::whole(index, entry);
    let Some(desired) = view::desired(&whole) else { return Step::Wait(Wait::Arrival) };
    let dir = if parent == ROOT { index.seen(ROOT_SLOT) } else { index.seen_of(parent) };
    let Some(dir) = dir else {
        return row.map_or(Step::Wait(Wait::Entry(parent)), |row| wait(index, entry, &row, parent));
    };
    let Some(here) = place_in(index, &dir, name) else { return Step::Wait(Wait::Arrival) };
    let occupant = index.seen_named(dir.slot, name);
    match row {
        None => match occupant {
            Some(other) => occupied(index, entry, &other),
            None => create(index, entry, here, &desired, has),
        },
        Some(row) if row.parent != dir.slot || row.name.as_ref() != Some(name) => {
            match knot::must_leave(index, &row, &dir) {
                Some(inner) => Step::Wait(Wait::Entry(inner)),
                None => rename(index, entry, &row, here, occupant),
            }
        }
        Some(row) => content(index, entry, &row, here, &desired, has),
    }
}

/// Another row has the name. If its entry is shown as this one, it is this one's row.
fn occupied(index: &dyn Index, entry: &Entry, other: &SeenRow) -> Step {
    let is_ours = view::place(index, other.entry) == Shown::As(entry.id);
    let stored = index.entry(other.entry).filter(|_| is_ours);
    match stored.filter(|stored| retire(index, &stored.entry, other) != Retire::Keep) {
        Some(_) => Step::Rebind(Box::new(other.clone()), entry.id),
        None => Step::Wait(Wait::Entry(other.entry)),
    }
}

fn create(
    index: &dyn Index,
    entry: &Entry,
    at: Place,
    desired: &Desired,
    has: &dyn Fn(&Digest) -> bool,
) -> Step {
    if let Some(step) = bodies::one_more(index, entry, None, &at, desired) {
        return step;
    }
    let attributes = desired.attributes.clone();
    let act = match &desired.content {
        None => Act::MakeDir { at, attributes },
        Some(Content::File(digest, size)) if !has(digest) => return Step::Need(*digest, *size),
        Some(content) => {
            let (content, expected, retire) = (content.clone(), Expected::Nothing, Retire::Trash);
            Act::Install { at, expected, content, attributes, retire }
        }
    };
    Step::Do {
        act: Box::new(act),
        dots: Box::new(ledger::showing(index, entry)),
        after_creates_of: Vec::new(),
    }
}

/// The row is elsewhere: rename it, or swap it with whoever is in the way and must go too.
fn rename(
    index: &dyn Index,
    entry: &Entry,
    row: &SeenRow,
    to: Place,
    occupant: Option<SeenRow>,
) -> Step {
    let Some(from) = place_of(index, row) else { return Step::Wait(Wait::Arrival) };
    let loc = ledger::places_shown(entry, row.content.as_ref(), &row.dots.data);
    let dots = SeenDots { loc, ..row.dots.clone() };
    let act = match occupant {
        None => Act::Move { from, expected: expected(row), to },
        Some(other) if waits_in_a_circle(index, row, &other) => Act::Exchange {
            a: from,
            a_expected: expected(row),
            b: to,
            b_expected: expected(&other),
        },
        Some(other) => return occupied_by(index, entry, row, &other),
    };
    Step::Do { act: Box::new(act), dots: Box::new(dots), after_creates_of: last_move(entry) }
}

/// The operation that last placed the entry.
fn last_move(entry: &Entry) -> Vec<Dot> {
    let newest = entry.loc.versions().iter().max_by_key(|version| version.value.stamp);
    newest.map(|version| version.value.stamp.dot).into_iter().collect()
}

/// The row waits for another entry; if that in turn waits for the row, it steps aside.
fn wait(index: &dyn Index, entry: &Entry, row: &SeenRow, other: EntryId) -> Step {
    let circle = knot::waits_back(index, entry.id, other);
    match circle.then(|| knot::aside(index, row)).flatten() {
        None => Step::Wait(Wait::Entry(other)),
        Some((from, to)) => Step::Do {
            act: Box::new(Act::Move { from, expected: expected(row), to }),
            dots: Box::new(row.dots.clone()),
            after_creates_of: last_move(entry),
        },
    }
}

fn occupied_by(index: &dyn Index, entry: &Entry, row: &SeenRow, other: &SeenRow) -> Step {
    let united = view::place(index, other.entry) == Shown::As(entry.id);
    if united && index.seen_children(row.slot, None, 1).is_empty() && row.kind == Kind::Dir {
        return remove(index, entry, row);
    }
    wait(index, entry, row, other.entry)
}

/// Follows who stands in whose way; true if it leads back to `row` and the two can be swapped.
fn waits_in_a_circle(index: &dyn Index, row: &SeenRow, first: &SeenRow) -> bool {
    if knot::is_inside(index, row, first) || knot::is_inside(index, first, row) {
        return false;
    }
    let mut other = first.clone();
    for _ in 0..16 {
        let Shown::At { parent, name } = view::place(index, other.entry) else { return false };
        let dir = if parent == ROOT { index.seen(ROOT_SLOT) } else { index.seen_of(parent) };
        let Some(dir) = dir else { return false };
        match index.seen_named(dir.slot, &name) {
            Some(next) if next.slot == row.slot => return true,
            Some(next) if next.slot != other.slot => other = next,
            _ => return false,
        }
    }
    false
}

/// The row is where it belongs: does it hold what it should?
fn content(
    index: &dyn Index,
    entry: &Entry,
    row: &SeenRow,
    at: Place,
    desired: &Desired,
    has: &dyn Fn(&Digest) -> bool,
) -> Step {
    if let Some(step) = bodies::one_more(index, entry, Some(row), &at, desired) {
        return step;
    }
    if desired.content == row.content && !bodies::is_anothers(index, entry, row) {
        return attributes(index, Some(at), entry, row, desired);
    }
    let content = desired.content.clone().expect("a directory's row holds no content either");
    if let Content::File(digest, size) = &content {
        if !has(digest) {
            return Step::Need(*digest, *size);
        }
    }
    Step::Do {
        act: Box::new(Act::Install {
            at,
            expected: expected(row),
            content,
            attributes: desired.attributes.clone(),
            retire: retire(index, entry, row),
        }),
        dots: Box::new(ledger::showing(index, entry)),
        after_creates_of: last_edits(index, entry, row),
    }
}

/// The operation that last wrote what the entry shows. Of one name of several also who made it one:
/// what of both its row does not show yet. An operation on a name writes to both, and may say of
/// the file again what this disk does not show.
pub(super) fn last_edits(index: &dyn Index, entry: &Entry, row: &SeenRow) -> Vec<Dot> {
    let newest = |entry: &Entry, seen: &[Dot]| {
        let shown = view::winner(&entry.data)?;
        let is_seen = |version: &Version<Data>| seen.contains(&version.dot);
        let mut same = entry.data.versions().iter().filter(|version| version.value == *shown);
        (!same.any(is_seen)).then_some(shown.stamp.dot)
    };
    let Some(body) = view::body_of(index, entry) else {
        return newest(entry, &[]).into_iter().collect();
    };
    let of_body = row.dots.body.as_ref().map_or(&[][..], |seen| &seen.shown);
    [newest(entry, &row.dots.shown), newest(&body, of_body)].into_iter().flatten().collect()
}

/// The place is right; the conflict store must hold what lost, and nothing else.
fn keep_losers(
    index: &dyn Index,
    entry: &Entry,
    alive: bool,
    has: &dyn Fn(&Digest) -> bool,
) -> Step {
    let losers = if alive { view::losers(index, entry) } else { Vec::new() };
    let lost: Vec<(Digest, u64)> = losers
        .iter()
        .filter_map(|data| match data.content {
            Content::File(digest, size) => Some((digest, size)),
            Content::Link(_) => None,
        })
        .collect();
    let kept = index.kept_of(entry.id);
    let step =
        |act| Step::Do { act: Box::new(act), dots: Box::default(), after_creates_of: Vec::new() };
    for &(digest, size) in &lost {
        if !kept.contains(&digest) {
            let ready = has(&digest) || index.is_kept(&digest);
            return if ready { step(Act::Keep { digest }) } else { Step::Need(digest, size) };
        }
    }
    let over = kept.into_iter().find(|digest| !lost.iter().any(|(lost, _)| lost == digest));
    over.map_or(Step::InPlace, |digest| {
        step(Act::Release { digest, of: view::settled_path(index, entry.id) })
    })
}

#[cfg(test)]
mod tests;
