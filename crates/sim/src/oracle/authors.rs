//! What users do to the disks: what they write, and had seen then; what they give up, and where
//! what they wrote has been.
//!
//! Used by `oracle` only.

use super::paths::{room_of, Room};
use super::{digest_of, Held, Oracle, Removed, Stands, Version, Versions};
use crate::disk::deeds::{Deed, What};
use crate::disk::model::Inode;
use crate::users::TEMPORARY;
use disk::fs::FileKind;
use engine::content::Digest;
use engine::path::RelPath;
use std::collections::BTreeSet;

impl Oracle {
    pub(super) fn user(&mut self, node: usize, deed: Deed) {
        match deed {
            Deed::Made { at: Some(at), .. } if room_of(&at) != Room::Tree => {}
            Deed::Made { what: (inode, FileKind::File), at, bytes } => {
                self.hold(node, inode, at.clone());
                self.whole.insert(digest_of(&bytes));
                if !bytes.is_empty() {
                    self.closed(node, inode, &bytes, at);
                }
            }
            Deed::Made { .. } | Deed::Dressed { .. } => {}
            Deed::Linked { what: (inode, _), at } => self.been_at(node, inode, at),
            Deed::Opened { inode } => self.opened(node, inode),
            Deed::Changed { inode, .. } => {
                let seen = self.held.get(&(node, inode)).and_then(|held| held.seen.clone());
                let seen = seen.map_or_else(|| self.stands_for(node, inode), |(seen, _)| seen);
                self.give_up(&seen);
            }
            Deed::Closed { inode, bytes, at } => self.closed(node, inode, &bytes, at),
            Deed::Unnamed { what: (inode, FileKind::File), from, left: 0 } => {
                self.remove(node, inode, from, true);
            }
            Deed::Unnamed { .. } => {}
            Deed::Renamed { what, from, to, over, below } => {
                self.moved(node, what, from, to, &below, over);
            }
            Deed::Swapped { first, a, second, b } => {
                let mixed = first.1 != second.1;
                for ((inode, kind), from, to) in [(first, &a, &b), (second, &b, &a)] {
                    let swapped = self.stands_for(node, inode);
                    self.mix(&swapped);
                    self.been_moved(node, inode, to.clone());
                    if kind == FileKind::Dir {
                        self.streets.same(from.as_ref(), to.as_ref());
                        self.all_moved(node, from.as_ref());
                    } else if mixed {
                        let places = self.places_of(&self.stands_for(node, inode));
                        self.let_go(node, inode, places);
                    }
                }
            }
        }
    }

    fn opened(&mut self, node: usize, inode: Inode) {
        let seen = self.stands_for(node, inode);
        let Some(held) = self.held.get_mut(&(node, inode)) else { return };
        held.writers += 1;
        let (digest, is_moved) = (held.digest, held.is_moved);
        held.seen.get_or_insert((seen, digest));
        if is_moved {
            self.gone_for_now(node, inode);
        }
    }

    /// A file that was moved is being written: until it is closed nobody can look at it there,
    /// and where it was it counts as removed before long.
    fn gone_for_now(&mut self, node: usize, inode: Inode) {
        let places = self.places_of(&self.with_past(&self.stands_for(node, inode)));
        self.let_go(node, inode, places);
    }

    fn closed(&mut self, node: usize, inode: Inode, bytes: &[u8], at: Option<RelPath>) {
        let digest = digest_of(bytes);
        self.whole.insert(digest);
        let Some(held) = self.held.get_mut(&(node, inode)) else { return };
        held.writers = held.writers.saturating_sub(1);
        let seen = if held.writers == 0 { held.seen.take() } else { held.seen.clone() };
        let (seen, before) = seen.unwrap_or((Versions::new(), held.digest));
        held.digest = digest;
        if at.is_none() && digest != before && held.stands == Stands::Copy {
            // Without a name it is nobody's; a power loss may bring it back, whole or torn.
            held.stands = Stands::Nothing;
        }
        if at.is_none() || digest == before && held.stands != Stands::Nothing {
            return;
        }
        let id = self.versions.len();
        held.stands = Stands::Own(id);
        let place = held.place.clone().or(at);
        let past = self.with_past(&seen);
        let mut places = self.places_of(&past);
        places.extend(place);
        let (is_empty, moved) = (bytes.is_empty(), false);
        let (given_up, removed) = (false, false);
        let version = Version {
            node,
            digest,
            is_empty,
            past,
            places,
            moved,
            mixed: false,
            given_up,
            removed,
        };
        self.versions.push(version);
        self.with.entry(digest).or_default().insert(id);
    }

    fn give_up(&mut self, versions: &Versions) {
        for version in self.with_past(versions) {
            self.versions[version].given_up = true;
        }
    }

    /// A user took a file's last name away, or replaced it.
    fn remove(&mut self, node: usize, inode: Inode, from: Option<RelPath>, is_removed: bool) {
        let versions = self.stands_for(node, inode);
        self.give_up(&versions);
        let is_sure = is_removed && versions.len() == 1 && !self.fallen.contains(&node);
        for version in versions.iter().filter(|_| is_sure) {
            self.versions[*version].removed = true;
        }
        let mut places = self.places_of(&self.with_past(&versions));
        places.extend(from);
        if is_removed {
            self.let_go(node, inode, places);
        }
    }

    /// What lost to a file that is removed goes with it, also what comes before that is known.
    fn let_go(&mut self, node: usize, inode: Inode, places: BTreeSet<RelPath>) {
        let kept = self.kept.iter().filter(|(at, _)| *at == node);
        let kept: Vec<Digest> = kept.map(|(_, digest)| *digest).collect();
        kept.iter().for_each(|digest| self.let_go_of(digest, &places));
        self.gone.extend(places.iter().cloned());
        self.removed.push(Removed { node, inode, places });
    }

    pub(super) fn let_go_of(&mut self, digest: &Digest, places: &BTreeSet<RelPath>) {
        for version in self.with.get(digest).cloned().unwrap_or_default() {
            if self.streets.meet(&self.versions[version].places, places) {
                self.versions[version].given_up = true;
            }
        }
    }

    fn mix(&mut self, versions: &Versions) {
        for version in versions {
            self.versions[*version].mixed = true;
        }
    }

    fn been_at(&mut self, node: usize, inode: Inode, place: Option<RelPath>) {
        for version in self.stands_for(node, inode) {
            self.versions[version].places.extend(place.clone());
        }
        if let Some(held) = self.held.get_mut(&(node, inode)) {
            held.place = place;
        }
    }

    fn been_moved(&mut self, node: usize, inode: Inode, to: Option<RelPath>) {
        for version in self.stands_for(node, inode) {
            self.versions[version].moved = true;
        }
        self.been_at(node, inode, to);
        let Some(held) = self.held.get_mut(&(node, inode)) else { return };
        held.is_moved = true;
        if held.writers > 0 {
            self.gone_for_now(node, inode);
        }
    }

    /// Everything that was ever below a directory which is moved counts as moved.
    fn all_moved(&mut self, node: usize, from: Option<&RelPath>) {
        let Some(from) = from else { return };
        let is_below = |held: &Held| held.place.as_ref().is_some_and(|at| at.is_within(from));
        let below = self.held.iter().filter(|((at, _), held)| *at == node && is_below(held));
        let below: Vec<Inode> = below.map(|((_, inode), _)| *inode).collect();
        for inode in below {
            for version in self.stands_for(node, inode) {
                self.versions[version].moved = true;
            }
        }
    }

    fn moved(
        &mut self,
        node: usize,
        (inode, kind): What,
        from: Option<RelPath>,
        to: Option<RelPath>,
        below: &[What],
        over: Option<(What, u32)>,
    ) {
        if kind == FileKind::Dir {
            self.streets.same(from.as_ref(), to.as_ref());
            for (inode, _) in below {
                for version in self.stands_for(node, *inode) {
                    self.versions[version].moved = true;
                }
            }
            return;
        }
        let moving = self.stands_for(node, inode);
        let replaced = over.filter(|((_, kind), left)| *kind == FileKind::File && *left == 0);
        if let Some(((other, _), _)) = replaced {
            let is_saved = kind == FileKind::File && from.as_ref().is_some_and(is_temporary);
            let was_moved = self.held.get(&(node, other)).is_some_and(|held| held.is_moved);
            let lost = self.with_past(&self.stands_for(node, other));
            self.remove(node, other, None, false);
            if is_saved {
                // Who saves over a file has seen it.
                moving.iter().for_each(|id| self.versions[*id].past.extend(&lost));
            }
            if !is_saved || was_moved {
                // Who puts something where a file was has removed that, unless it is a save; and
                // one that was moved just before is missed where it had been.
                self.let_go(node, other, self.places_of(&lost));
            }
            self.mix(&moving);
            // Its own name is gone, and with it what lost to it there.
            let mut places = self.places_of(&moving);
            places.extend(from);
            self.let_go(node, inode, places);
        }
        self.been_moved(node, inode, to);
    }
}

/// Whether an editor writes here before it renames.
fn is_temporary(path: &RelPath) -> bool {
    path.name().is_some_and(|name| name.as_bytes() == TEMPORARY)
}
