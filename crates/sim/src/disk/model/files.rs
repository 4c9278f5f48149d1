//! Bytes and attributes: opened, written, stored to through mappings, cut, changed.
//!
//! A mapping is an open file that stays open after its close(2): it counts among `opens` and
//! `writers` until it is unmapped. A part of `model`.

use super::{Inode, Model, Thing};
use crate::disk::deeds::{Deed, Span};
use disk::watch::Touched;
use rustix::io::Errno;
use std::sync::Arc;

impl Model {
    /// Opens an inode.
    pub fn open(&mut self, inode: Inode, writes: bool) -> Result<(), Errno> {
        let thing = self.thing_mut(inode)?;
        if writes && thing.immutable {
            return Err(Errno::PERM);
        }
        thing.opens += 1;
        thing.writers += u32::from(writes);
        if writes {
            self.note_deed(Deed::Opened { inode });
        }
        Ok(())
    }

    /// Maps a file, shared and writable: the first store through it will fault.
    pub fn map(&mut self, inode: Inode) -> Result<(), Errno> {
        self.open(inode, true)?;
        self.stored.remove(&inode);
        Ok(())
    }

    /// Closes it again, or unmaps it.
    pub fn close(&mut self, inode: Inode, writes: bool) {
        // A power loss closes everything; what was open before may still be dropped.
        let Some(thing) = self.things.get_mut(&inode).filter(|thing| thing.opens > 0) else {
            return;
        };
        thing.opens -= 1;
        thing.writers = thing.writers.saturating_sub(u32::from(writes));
        let (bytes, name) = (thing.bytes.clone(), thing.names.first().cloned());
        if writes {
            let at = name.and_then(|name| self.place(&name));
            self.note_deed(Deed::Closed { inode, bytes, at });
            self.tell_of(inode, Touched::CLOSED);
        }
        self.reap(inode);
    }

    /// Writes at `offset`; a gap is filled with zeros.
    pub fn write(&mut self, inode: Inode, bytes: &[u8], offset: usize) -> Result<(), Errno> {
        self.edit(inode, Span::Written(offset, bytes.len()), |content| {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[offset..end].copy_from_slice(bytes);
        })?;
        self.content_changed(inode)
    }

    /// Stores through a shared writable mapping. The first store after a write-back faults and
    /// moves the times; those after it show in nothing. Beyond the end is nothing mapped.
    pub fn store(&mut self, inode: Inode, bytes: &[u8], offset: usize) -> Result<(), Errno> {
        let end = offset + bytes.len();
        if self.thing(inode)?.bytes.len() < end {
            return Err(Errno::FAULT);
        }
        let span = Span::Written(offset, bytes.len());
        self.edit(inode, span, |content| content[offset..end].copy_from_slice(bytes))?;
        if self.stored.insert(inode) {
            self.content_changed(inode)?;
        }
        Ok(())
    }

    /// Cuts or extends a file.
    pub fn truncate(&mut self, inode: Inode, length: usize) -> Result<(), Errno> {
        self.edit(inode, Span::Cut(length), |content| content.resize(length, 0))?;
        self.content_changed(inode)
    }

    fn edit(
        &mut self,
        inode: Inode,
        span: Span,
        edit: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Errno> {
        self.note_bytes(inode)?;
        edit(Arc::make_mut(&mut self.thing_mut(inode)?.bytes));
        self.note_deed(Deed::Changed { inode, span });
        let thing = self.thing(inode)?;
        if thing.writers == 0 {
            // By hand, as with truncate(2): what is there now is whole.
            let (bytes, name) = (thing.bytes.clone(), thing.names.first().cloned());
            let at = name.and_then(|name| self.place(&name));
            self.note_deed(Deed::Closed { inode, bytes, at });
        }
        Ok(())
    }

    fn content_changed(&mut self, inode: Inode) -> Result<(), Errno> {
        self.journal.begin();
        self.note_attributes(inode);
        let now = self.tick();
        let thing = self.thing_mut(inode)?;
        (thing.mtime, thing.ctime) = (now, now);
        Ok(())
    }

    /// Changes attributes.
    pub fn change(&mut self, inode: Inode, edit: impl FnOnce(&mut Thing)) -> Result<(), Errno> {
        if self.thing(inode)?.immutable {
            return Err(Errno::PERM);
        }
        self.journal.begin();
        self.note_attributes(inode);
        edit(self.thing_mut(inode)?);
        self.note_deed(Deed::Dressed { inode });
        self.status_changed(inode);
        self.tell_of(inode, Touched::ATTRIBUTES);
        Ok(())
    }

    /// Forbids any change of an inode, or allows it again, as chattr(1) does: no watcher is told.
    pub fn set_immutable(&mut self, inode: Inode, immutable: bool) -> Result<(), Errno> {
        self.thing(inode)?;
        self.journal.begin();
        self.status_changed(inode);
        self.thing_mut(inode)?.immutable = immutable;
        Ok(())
    }

    /// Keeps the program from opening an inode, or no more: the rights of its process are others.
    pub fn set_locked(&mut self, inode: Inode, locked: bool) {
        if let Some(thing) = self.things.get_mut(&inode) {
            thing.locked = locked;
        }
    }

    /// Puts a directory with nothing in it on another filesystem.
    pub fn set_volume(&mut self, inode: Inode, volume: u8) {
        if let Some(thing) = self.things.get_mut(&inode) {
            thing.volume = volume;
        }
    }
}
