//! Names: made, given, taken away, exchanged. Each call checks all before it changes anything.
//!
//! A part of `model`.

use super::{Inode, Model, Spot};
use crate::disk::deeds::Deed;
use disk::fs::FileKind;
use disk::watch::Touched;
use engine::path::Name;
use rustix::io::Errno;
use std::sync::Arc;

/// How a rename treats its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// It must be free.
    Free,
    /// It is replaced.
    Replaced,
}

impl Model {
    /// Names of a directory changed.
    fn names_changed(&mut self, dir: Inode) {
        self.note_attributes(dir);
        let now = self.tick();
        if let Some(dir) = self.things.get_mut(&dir) {
            (dir.mtime, dir.ctime) = (now, now);
        }
    }

    pub(super) fn status_changed(&mut self, inode: Inode) {
        self.note_attributes(inode);
        let now = self.tick();
        if let Some(thing) = self.things.get_mut(&inode) {
            thing.ctime = now;
        }
    }

    /// A directory whose names may be changed.
    fn open_to_change(&self, dir: Inode) -> Result<(), Errno> {
        let thing = self.dir(dir)?;
        if thing.immutable {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// An inode whose names may be changed.
    fn may_move(&self, inode: Inode) -> Result<(), Errno> {
        if self.thing(inode)?.immutable {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// Makes something at a free name.
    pub fn make(
        &mut self,
        spot: &Spot,
        kind: FileKind,
        mode: u16,
        bytes: &[u8],
    ) -> Result<Inode, Errno> {
        let (dir, name) = spot;
        let above = self.dir(*dir)?;
        if above.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        if above.links == 0 {
            return Err(Errno::NOENT);
        }
        let volume = above.volume;
        self.open_to_change(*dir)?;
        self.journal.begin();
        let inode = self.number();
        let mut thing = self.blank(kind, mode, volume);
        thing.bytes = Arc::new(bytes.to_vec());
        self.things.insert(inode, thing);
        self.note_born(inode);
        self.give_name(spot, inode);
        self.names_changed(*dir);
        let (what, at) = ((inode, kind), self.place(spot));
        self.note_deed(Deed::Made { what, at, bytes: bytes.to_vec() });
        let what = Touched::CREATED | self.kind_bit(inode);
        let open = if kind == FileKind::File { Touched::MAYBE_OPEN } else { Touched::empty() };
        self.tell(*dir, Some(name), what | open);
        Ok(inode)
    }

    /// Gives a file one more name.
    pub fn link(&mut self, inode: Inode, spot: &Spot) -> Result<(), Errno> {
        let (dir, name) = spot;
        let thing = self.thing(inode)?;
        if thing.kind == FileKind::Dir {
            return Err(Errno::PERM);
        }
        if self.dir(*dir)?.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        self.same_volume(inode, *dir)?;
        self.may_move(inode)?;
        self.open_to_change(*dir)?;
        self.journal.begin();
        self.give_name(spot, inode);
        self.names_changed(*dir);
        self.status_changed(inode);
        self.note_deed(Deed::Linked { what: self.what(inode), at: self.place(spot) });
        self.tell(*dir, Some(name), Touched::CREATED);
        Ok(())
    }

    /// Removes a name of a file or symlink.
    pub fn unlink(&mut self, spot: &Spot) -> Result<(), Errno> {
        let inode = self.at(spot.0, &spot.1)?;
        if self.thing(inode)?.kind == FileKind::Dir {
            return Err(Errno::ISDIR);
        }
        self.may_move(inode)?;
        self.open_to_change(spot.0)?;
        self.journal.begin();
        self.forget_name(spot, inode);
        self.tell(spot.0, Some(&spot.1), Touched::DELETED);
        Ok(())
    }

    /// Removes an empty directory.
    pub fn remove_dir(&mut self, spot: &Spot) -> Result<(), Errno> {
        let inode = self.at(spot.0, &spot.1)?;
        if !self.dir(inode)?.children.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.may_move(inode)?;
        self.open_to_change(spot.0)?;
        self.journal.begin();
        self.forget_name(spot, inode);
        self.tell(spot.0, Some(&spot.1), Touched::DELETED | Touched::DIRECTORY);
        Ok(())
    }

    fn forget_name(&mut self, spot: &Spot, inode: Inode) {
        let (what, from) = (self.what(inode), self.place(spot));
        self.drop_name(spot);
        let left = self.names_of(inode);
        self.note_deed(Deed::Unnamed { what, from, left });
    }

    fn names_of(&self, inode: Inode) -> u32 {
        self.thing(inode).map_or(0, |thing| thing.links)
    }

    /// Renames. What is replaced is gone, as with rename(2).
    pub fn rename(&mut self, from: &Spot, to: &Spot, target: Target) -> Result<(), Errno> {
        let inode = self.at(from.0, &from.1)?;
        let there = self.dir(to.0)?.children.get(&to.1).copied();
        if there.is_some() && target == Target::Free {
            return Err(Errno::EXIST);
        }
        if self.dir(to.0)?.links == 0 {
            return Err(Errno::NOENT);
        }
        if there == Some(inode) {
            return Ok(());
        }
        self.same_volume(inode, to.0)?;
        let is_dir = self.thing(inode)?.kind == FileKind::Dir;
        if is_dir && self.path_below(inode, to.0).is_some() {
            return Err(Errno::INVAL);
        }
        if let Some(there) = there {
            let other = self.thing(there)?;
            match (is_dir, other.kind == FileKind::Dir) {
                (true, false) => return Err(Errno::NOTDIR),
                (false, true) => return Err(Errno::ISDIR),
                (true, true) if !other.children.is_empty() => return Err(Errno::NOTEMPTY),
                _ => self.may_move(there)?,
            }
        }
        self.may_move(inode)?;
        self.open_to_change(from.0)?;
        self.open_to_change(to.0)?;
        self.journal.begin();
        let (old, new) = (self.place(from), self.place(to));
        let replaced = there.map(|there| self.what(there));
        let below = if self.ours { Vec::new() } else { self.all_below(inode) };
        if there.is_some() {
            self.drop_name(to);
        }
        self.take_name(from);
        self.put(inode, to);
        self.names_changed(from.0);
        let over = replaced.map(|what| (what, self.names_of(what.0)));
        let what = self.what(inode);
        self.note_deed(Deed::Renamed { what, from: old, to: new, over, below });
        let kind = self.kind_bit(inode);
        self.tell(from.0, Some(&from.1), Touched::MOVED_FROM | kind);
        self.tell(to.0, Some(&to.1), Touched::MOVED_TO | kind);
        Ok(())
    }

    /// Swaps two names.
    pub fn exchange(&mut self, a: &Spot, b: &Spot) -> Result<(), Errno> {
        let (first, second) = (self.at(a.0, &a.1)?, self.at(b.0, &b.1)?);
        if first == second {
            return Ok(());
        }
        self.same_volume(first, b.0)?;
        self.same_volume(second, a.0)?;
        let inside = |top: Inode, spot: &Spot| self.path_below(top, spot.0).is_some();
        if inside(first, b) || inside(second, a) {
            return Err(Errno::INVAL);
        }
        for (inode, spot) in [(first, a), (second, b)] {
            self.may_move(inode)?;
            self.open_to_change(spot.0)?;
        }
        self.journal.begin();
        let (first_what, second_what) = (self.what(first), self.what(second));
        let (at_a, at_b) = (self.place(a), self.place(b));
        self.note_deed(Deed::Swapped { first: first_what, a: at_a, second: second_what, b: at_b });
        self.take_name(a);
        self.take_name(b);
        self.put(first, b);
        self.put(second, a);
        for (inode, spot) in [(first, a), (second, b)] {
            let kind = self.kind_bit(inode);
            self.tell(spot.0, Some(&spot.1), Touched::MOVED_FROM | kind);
        }
        for (inode, spot) in [(second, a), (first, b)] {
            let kind = self.kind_bit(inode);
            self.tell(spot.0, Some(&spot.1), Touched::MOVED_TO | kind);
        }
        Ok(())
    }

    fn same_volume(&self, inode: Inode, dir: Inode) -> Result<(), Errno> {
        if self.thing(inode)?.volume == self.dir(dir)?.volume {
            Ok(())
        } else {
            Err(Errno::XDEV)
        }
    }

    fn put(&mut self, inode: Inode, to: &Spot) {
        self.give_name(to, inode);
        self.names_changed(to.0);
        self.status_changed(inode);
    }

    /// Removes a name, and what bore it if that was the last and nobody has it open.
    fn drop_name(&mut self, spot: &Spot) {
        let Some(inode) = self.take_name(spot) else { return };
        self.names_changed(spot.0);
        self.status_changed(inode);
        self.reap(inode);
    }

    fn give_name(&mut self, spot: &Spot, inode: Inode) {
        self.note_name(spot);
        self.set_name(spot, Some(inode));
    }

    fn take_name(&mut self, spot: &Spot) -> Option<Inode> {
        self.note_name(spot);
        self.set_name(spot, None)
    }

    /// Lets a name stand for something, or for nothing; what it stood for.
    pub(super) fn set_name(&mut self, spot: &Spot, to: Option<Inode>) -> Option<Inode> {
        let (dir, name): (Inode, &Name) = (spot.0, &spot.1);
        let children = &mut self.things.get_mut(&dir)?.children;
        let was = match to {
            Some(inode) => children.insert(name.clone(), inode),
            None => children.remove(name),
        };
        for (inode, is_named) in
            was.map(|was| (was, false)).into_iter().chain(to.map(|to| (to, true)))
        {
            let Some(thing) = self.things.get_mut(&inode) else { continue };
            if is_named {
                thing.names.insert(spot.clone());
            } else {
                thing.names.remove(spot);
            }
            thing.links = u32::try_from(thing.names.len()).expect("few names");
        }
        was
    }

    /// What has no name and is not open is no more.
    pub(super) fn reap(&mut self, inode: Inode) {
        if self.things.get(&inode).is_some_and(|thing| thing.links == 0 && thing.opens == 0) {
            let thing = self.things.remove(&inode).expect("looked up before");
            self.note_gone(inode, thing);
        }
    }
}
