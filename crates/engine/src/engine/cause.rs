//! What happened here, and whose operation it was that one of ours carries out, for the log. Used
//! by `engine` and `work`.

use super::{Effect, Event, FolderEngine, Happening};
use crate::dot::Incarnation;
use crate::entry::{Entry, EntryId, Presence, Stamp};
use crate::index::Index;
use crate::path::RelPath;
use crate::plan::Act;
use crate::view;

impl FolderEngine {
    pub(super) fn happened(&mut self, path: RelPath, what: Happening, by: Option<Incarnation>) {
        let event = Event { path, what, from: None, by, local: false };
        self.effects.push(Effect::Happened(event));
    }

    pub(super) fn moved(&mut self, from: RelPath, to: RelPath, by: Option<Incarnation>) {
        let what = Happening::Moved;
        let event = Event { path: to, what, from: Some(from), by, local: false };
        self.effects.push(Effect::Happened(event));
    }
}

/// The life that last wrote the register which `act` brings to the disk. `None`: nobody has.
pub(super) fn cause(index: &dyn Index, id: EntryId, act: &Act) -> Option<Incarnation> {
    let entry = index.entry(id)?.entry;
    let stamp = match act {
        Act::Install { .. } | Act::Keep { .. } => {
            view::winner(&view::whole(index, &entry).data).map(|data| data.stamp)
        }
        Act::Link { .. } => view::winner(&entry.data).map(|data| data.stamp),
        Act::SetAttributes { .. } => attributes(&view::whole(index, &entry)),
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
