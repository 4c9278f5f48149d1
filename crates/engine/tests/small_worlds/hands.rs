//! What the daemon's disk workers do, on a toy disk: looks and operations, by the contracts written
//! in `engine::observe` and `engine::plan`.

#![expect(clippy::result_large_err, reason = "only `?` carries it, and a toy may be slow")]

use super::disk::{digest, handle, Disk, Inode, Spot, TOP};
use engine::entry::Kind;
use engine::index::{Attributes, Handle, Index, MemIndex, ROOT_SLOT};
use engine::observe::{self, Found, Observation, Present};
use engine::path::RelPath;
use engine::plan::{Act, Expected, Outcome, Place, Retire};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at single paths as `disk::scan` does: also at the old place of what came from elsewhere,
/// at everything in directories that are new, and at the directories around.
pub fn names(disk: &Disk, index: &MemIndex, paths: &[RelPath]) -> Vec<Observation> {
    let mut looks = BTreeMap::new();
    let mut todo: Vec<RelPath> = paths.to_vec();
    while let Some(path) = todo.pop() {
        if looks.contains_key(&path) {
            continue;
        }
        todo.extend(path.parent());
        let Some(inode) = disk.resolve(&path) else {
            looks.insert(path, Found::Absent);
            continue;
        };
        let rows = index.seen_handle(&handle(inode));
        let kind = disk.things[&inode].kind;
        if kind == Kind::Dir && rows.is_empty() {
            todo.extend(disk.paths(inode));
        }
        todo.extend(rows.iter().filter_map(|row| observe::path_of(index, row.slot)));
        looks.insert(path, Found::Present(disk.present(inode)));
    }
    looks.into_iter().map(|(path, found)| Observation { path, found }).collect()
}

/// These and everything that is in them or was last seen in them.
pub fn inside(disk: &Disk, index: &MemIndex, tops: &[RelPath]) -> Vec<RelPath> {
    let mut paths: BTreeSet<RelPath> = tops.iter().cloned().collect();
    for inode in tops.iter().filter_map(|top| disk.resolve(top)) {
        paths.extend(disk.paths(inode));
    }
    let seen = index.seen_rows().filter_map(|row| observe::path_of(index, row.slot));
    paths.extend(seen.filter(|path| tops.iter().any(|top| path.is_within(top))));
    paths.into_iter().collect()
}

/// Looks at everything that is not as last seen, and at everything that is missing.
pub fn everything(disk: &Disk, index: &MemIndex) -> Vec<Observation> {
    let mut paths: BTreeSet<RelPath> = BTreeSet::new();
    let all = disk.spots(TOP).into_iter().map(|(spot, inode)| (disk.path_of(&spot), inode));
    for (path, inode) in all.chain([(RelPath::root(), TOP)]) {
        let present = disk.present(inode);
        let same = observe::row_at(index, &path).is_some_and(|row| {
            row.fingerprint == present.fingerprint && row.attributes == present.attributes
        });
        if !same {
            paths.insert(path);
        }
    }
    for row in index.seen_rows().filter(|row| row.slot != ROOT_SLOT) {
        let path = observe::path_of(index, row.slot);
        paths.extend(path.filter(|path| disk.resolve(path).is_none()));
    }
    if paths.is_empty() {
        return Vec::new();
    }
    names(disk, index, &paths.into_iter().collect::<Vec<_>>())
}

type Tried<T> = Result<T, Outcome>;

/// Does one operation, or says why not.
pub fn apply(disk: &mut Disk, act: &Act) -> Outcome {
    act_on(disk, act).unwrap_or_else(|outcome| outcome)
}

fn act_on(disk: &mut Disk, act: &Act) -> Tried<Outcome> {
    let now = match act {
        Act::MakeDir { at, attributes } => {
            let spot = free(disk, at)?;
            let inode = disk.make(&spot, Kind::Dir, None);
            disk.set_attributes(inode, attributes);
            vec![disk.present(inode)]
        }
        Act::Install { .. } => vec![install(disk, act)?],
        Act::Link { at, expected, of, file, retire } => {
            vec![link(disk, (at, expected), (of, file), *retire)?]
        }
        Act::SetAttributes { at, expected, attributes } => {
            vec![set_attributes(disk, at.as_ref(), expected, attributes)?]
        }
        Act::Move { from, expected, to } => {
            let inode = same_inode(disk, from, expected)?;
            let (from, to) = (spot(disk, from)?, free(disk, to)?);
            if disk.is_within(to.0, inode) {
                return Err(Outcome::NotAsExpected);
            }
            disk.rename(&from, &to);
            vec![still(disk, inode, expected)]
        }
        Act::Exchange { a, a_expected, b, b_expected } => {
            let first = same_inode(disk, a, a_expected)?;
            let second = same_inode(disk, b, b_expected)?;
            if disk.is_within(first, second) || disk.is_within(second, first) {
                return Err(Outcome::NotAsExpected);
            }
            let (a, b) = (spot(disk, a)?, spot(disk, b)?);
            disk.exchange(&a, &b);
            vec![still(disk, second, b_expected), still(disk, first, a_expected)]
        }
        Act::Remove { at, expected, retire } => {
            let spot = spot(disk, at)?;
            certified(disk, &spot, expected)?;
            retire_to(disk, &spot, *retire);
            Vec::new()
        }
        Act::Keep { digest } => {
            if !disk.kept.contains(digest) && !disk.staged.remove(digest) {
                return Err(Outcome::NotStaged);
            }
            disk.kept.insert(*digest);
            Vec::new()
        }
        Act::Release { digest, .. } => {
            disk.kept.remove(digest);
            disk.trash.insert(*digest);
            Vec::new()
        }
    };
    Ok(Outcome::Done { now, refused: None, displaced: None })
}

fn install(disk: &mut Disk, act: &Act) -> Tried<Present> {
    let Act::Install { at, expected, content, attributes, retire } = act else { unreachable!() };
    let staged = digest(content);
    if staged.is_some_and(|digest| !disk.staged.contains(&digest)) {
        return Err(Outcome::NotStaged);
    }
    let spot = cleared(disk, at, expected, *retire)?;
    let kind = if staged.is_some() { Kind::File } else { Kind::Symlink };
    staged.map(|digest| disk.staged.remove(&digest));
    let inode = disk.make(&spot, kind, Some(content.clone()));
    disk.set_attributes(inode, attributes);
    Ok(disk.present(inode))
}

/// A place that is free, or from which what is expected there was taken.
fn cleared(disk: &mut Disk, at: &Place, expected: &Expected, retire: Retire) -> Tried<Spot> {
    if *expected == Expected::Nothing {
        return free(disk, at);
    }
    let spot = spot(disk, at)?;
    certified(disk, &spot, expected)?;
    retire_to(disk, &spot, retire);
    Ok(spot)
}

fn link(
    disk: &mut Disk,
    (at, expected): (&Place, &Expected),
    (of, file): (&Place, &Expected),
    retire: Retire,
) -> Tried<Present> {
    let source = spot(disk, of)?;
    certified(disk, &source, file)?;
    let inode = disk.at(&source).ok_or(Outcome::NotAsExpected)?;
    let spot = cleared(disk, at, expected, retire)?;
    disk.link(inode, &spot);
    Ok(disk.present(inode))
}

fn set_attributes(
    disk: &mut Disk,
    at: Option<&Place>,
    expected: &Expected,
    attributes: &Attributes,
) -> Tried<Present> {
    let inode = match at {
        None => TOP,
        Some(at) => {
            let spot = spot(disk, at)?;
            let inode = disk.at(&spot).ok_or(Outcome::NotAsExpected)?;
            if disk.things[&inode].kind != Kind::Dir {
                certified(disk, &spot, expected)?;
            }
            inode
        }
    };
    if handle(inode) != *expected_handle(expected) {
        return Err(Outcome::NotAsExpected);
    }
    disk.set_attributes(inode, attributes);
    Ok(disk.present(inode))
}

fn expected_handle(expected: &Expected) -> &Handle {
    let Expected::Exactly { fingerprint, .. } = expected else { panic!("something is expected") };
    &fingerprint.handle
}

/// The spot of a place whose directory is still the one meant.
fn spot(disk: &Disk, at: &Place) -> Tried<Spot> {
    let dir = disk.resolve(&at.dir).filter(|dir| handle(*dir) == at.dir_handle);
    let dir = dir.filter(|dir| disk.things[dir].kind == Kind::Dir);
    dir.map(|dir| (dir, at.name.clone())).ok_or(Outcome::NotAsExpected)
}

fn free(disk: &Disk, at: &Place) -> Tried<Spot> {
    let spot = spot(disk, at)?;
    if disk.at(&spot).is_some() {
        return Err(Outcome::NotAsExpected);
    }
    Ok(spot)
}

/// Only the inode counts where nothing is displaced.
fn same_inode(disk: &Disk, at: &Place, expected: &Expected) -> Tried<Inode> {
    let spot = spot(disk, at)?;
    let inode = disk.at(&spot).ok_or(Outcome::NotAsExpected)?;
    (handle(inode) == *expected_handle(expected)).then_some(inode).ok_or(Outcome::NotAsExpected)
}

/// What is to be displaced is exactly what was last seen; a directory is empty.
fn certified(disk: &Disk, spot: &Spot, expected: &Expected) -> Tried<()> {
    let Expected::Exactly { kind, fingerprint, .. } = expected else {
        return Err(Outcome::NotAsExpected);
    };
    let inode = disk.at(spot).ok_or(Outcome::NotAsExpected)?;
    let present = disk.present(inode);
    let same = match kind {
        Kind::Dir => {
            present.fingerprint.handle == fingerprint.handle
                && disk.things[&inode].children.is_empty()
        }
        Kind::File | Kind::Symlink => present.fingerprint == *fingerprint,
    };
    (same && present.kind == *kind).then_some(()).ok_or(Outcome::NotAsExpected)
}

fn retire_to(disk: &mut Disk, spot: &Spot, retire: Retire) {
    let content = disk.unlink(spot);
    if retire == Retire::Keep {
        disk.kept.extend(content.as_ref().and_then(digest));
    }
}

/// A thing that stayed the same inode under an operation; if its bytes changed meanwhile it is
/// described as it was, so that the change is still to be seen.
fn still(disk: &Disk, inode: Inode, expected: &Expected) -> Present {
    let Expected::Exactly { fingerprint, content, .. } = expected else {
        panic!("something is expected")
    };
    let now = disk.present(inode);
    let same = now.kind == Kind::Dir
        || (now.fingerprint.size, now.fingerprint.mtime) == (fingerprint.size, fingerprint.mtime);
    let fingerprint = if same { now.fingerprint.clone() } else { fingerprint.clone() };
    Present { fingerprint, content: content.clone(), ..now }
}
