//! Whose operation it was that one of ours carries out here, for the log. Used by `work`.

use crate::dot::Incarnation;
use crate::entry::{Entry, EntryId, Presence, Stamp};
use crate::index::Index;
use crate::plan::Act;
use crate::view;

/// The life that last wrote the register which `act` brings to the disk. `None`: nobody has.
pub(super) fn cause(index: &dyn Index, id: EntryId, act: &Act) -> Option<Incarnation> {
    let entry = index.entry(id)?.entry;
    let stamp = match act {
        Act::Install { .. } | Act::Keep { .. } => view::winner(&entry.data).map(|data| data.stamp),
        Act::SetAttributes { .. } => attributes(&entry),
        Act::MakeDir { .. } | Act::Move { .. } | Act::Exchange { .. } => place(&entry, false),
        _ => place(&entry, true).or_else(|| place(&entry, false)),
    };
    stamp.map(|stamp| stamp.dot.incarnation)
}

fn place(entry: &Entry, deleted: bool) -> Option<Stamp> {
    let places = entry.loc.versions().iter().map(|version| &version.value);
    let fitting = places.filter(|place| matches!(place.state, Presence::Deleted(_)) == deleted);
    fitting.map(|place| place.stamp).max()
}

fn attributes(entry: &Entry) -> Option<Stamp> {
    let times = entry.times.versions().iter().map(|version| version.value.stamp);
    let modes = entry.mode.versions().iter().map(|version| version.value.stamp);
    let owners = entry.owner.versions().iter().map(|version| version.value.stamp);
    let xattrs = entry.xattr.versions().iter().map(|version| version.value.stamp);
    times.chain(modes).chain(owners).chain(xattrs).max()
}
