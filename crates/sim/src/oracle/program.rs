//! What the program does to the disks: C1, what leaves the tree; C12, where it works; C14, what it
//! shows.
//!
//! Used by `oracle` only.

use super::paths::{room_of, Room};
use super::{digest_of, Oracle, Stands};
use crate::disk::deeds::{Deed, What};
use crate::disk::model::{Inode, Model};
use disk::fs::FileKind;
use engine::path::RelPath;

impl Oracle {
    pub(super) fn program(&mut self, node: usize, deed: Deed, model: &Model) {
        match deed {
            Deed::Made { what: (inode, kind), at, .. } => {
                self.stays_in(node, at.as_ref());
                if kind == FileKind::File {
                    self.hold(node, inode, at);
                }
            }
            Deed::Closed { inode, bytes, .. } => {
                if let Some(held) = self.held.get_mut(&(node, inode)) {
                    (held.digest, held.stands) = (digest_of(&bytes), Stands::Copy);
                }
            }
            Deed::Opened { .. } | Deed::Changed { .. } | Deed::Dressed { .. } => {}
            Deed::Linked { what, at } => self.carried(node, what, None, at, model),
            Deed::Unnamed { what: (inode, FileKind::File), from, left } => {
                self.stays_in(node, from.as_ref());
                self.out_of_kept(node, inode, from.as_ref());
                if left == 0 {
                    self.destroyed(node, inode, "deletes", model);
                }
            }
            Deed::Unnamed { from, .. } => self.stays_in(node, from.as_ref()),
            Deed::Renamed { what, from, to, over, .. } => {
                if let Some(((other, FileKind::File), 0)) = over {
                    self.destroyed(node, other, "renames over", model);
                }
                self.carried(node, what, from, to, model);
            }
            Deed::Swapped { first, a, second, b } => {
                self.carried(node, first, a.clone(), b.clone(), model);
                self.carried(node, second, b, a, model);
            }
        }
    }

    /// C12: the program works in its two directories, and nowhere else.
    fn stays_in(&mut self, node: usize, path: Option<&RelPath>) {
        if let Some(path) = path.filter(|path| room_of(path) == Room::Outside) {
            self.faults.push(format!("C12: {node} works outside of the folder, at /{path}"));
        }
    }

    fn out_of_kept(&mut self, node: usize, inode: Inode, from: Option<&RelPath>) {
        if from.is_some_and(|path| room_of(path) == Room::Kept) {
            if let Some(held) = self.held.get(&(node, inode)) {
                self.kept.remove(&(node, held.digest));
            }
        }
    }

    /// The program has renamed something.
    fn carried(
        &mut self,
        node: usize,
        (inode, kind): What,
        from: Option<RelPath>,
        to: Option<RelPath>,
        model: &Model,
    ) {
        self.stays_in(node, from.as_ref());
        self.stays_in(node, to.as_ref());
        if kind == FileKind::Dir {
            self.streets.same(from.as_ref(), to.as_ref());
        }
        if kind != FileKind::File {
            return;
        }
        self.out_of_kept(node, inode, from.as_ref());
        let Some(held) = self.held.get_mut(&(node, inode)) else { return };
        let digest = held.digest;
        let was_shown = from.as_ref().is_some_and(|path| room_of(path) == Room::Tree);
        let Some(to) = to else { return };
        match room_of(&to) {
            Room::Tree => {
                held.place = Some(to.clone());
                let is_whole = self.whole.contains(&digest) || held.writers > 0;
                if !was_shown && !is_whole {
                    let why = format!("C14: {node} shows {digest:?} at /{to}, which nobody wrote");
                    self.faults.push(why);
                }
            }
            Room::Kept => {
                self.kept.insert((node, digest));
                let gone = self.removed.iter().filter(|one| one.node == node);
                let gone: Vec<_> = gone.map(|one| one.places.clone()).collect();
                gone.iter().for_each(|places| self.let_go_of(&digest, places));
            }
            Room::Trash => self.destroyed(node, inode, "throws away", model),
            Room::Stage | Room::Outside => {}
        }
    }

    /// C1: what leaves the tree for good is known and superseded, or is elsewhere here.
    fn destroyed(&mut self, node: usize, inode: Inode, how: &str, model: &Model) {
        let Some(held) = self.held.get(&(node, inode)) else { return };
        let Stands::Own(id) = held.stands else { return };
        let version = &self.versions[id];
        // A move may be seen as a removal here and a creation there; and what lost to what somebody
        // removed may go with it, if it was kept there by then.
        let is_in_doubt = version.moved
            || self.with[&version.digest].len() > 1
            || self.streets.meet(&version.places, &self.gone);
        let is_owed = self.is_owed(version) && !is_in_doubt && held.digest == version.digest;
        if self.is_shaken || !is_owed {
            return;
        }
        let others = self.held.iter().filter(|((at, other), _)| *at == node && *other != inode);
        let mut equal = others.filter(|(_, held)| held.digest == version.digest);
        if !equal.any(|((_, other), _)| model.thing(*other).is_ok_and(|thing| thing.links > 0)) {
            let (digest, places) = (version.digest, &version.places);
            let why = format!("C1: {node} {how} {digest:?} of {places:?}, which nobody gave up");
            self.faults.push(why);
        }
    }
}
