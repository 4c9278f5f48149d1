//! What few users do: write through shared mappings; swap a directory for a symlink that leads out
//! of the folder, and back. Used by `users` only.

use super::{Rest, User};
use crate::bystanders::OUTSIDE;
use crate::disk::model::{Inode, Spot, Target};
use disk::fs::FileKind;
use engine::path::Name;
use std::collections::VecDeque;

/// Where a directory stands while a symlink has its name.
const REAL: &[u8] = b".real";

impl User<'_> {
    /// What the run's options say of such users; what one of them did.
    pub(super) fn rare(&mut self) -> Option<String> {
        let (maps, hostile) = (self.town.options.maps, self.town.options.hostile);
        if maps > 0 && self.town.random.chance(maps) {
            return self.map();
        }
        if hostile > 0 && self.town.random.chance(hostile) {
            return self.swap_for_link();
        }
        None
    }

    /// Maps a file and stores new bytes over those that are there, one piece at a time.
    fn map(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|kind| kind == FileKind::File)?;
        let length = self.model.thing(inode).ok()?.bytes.len();
        if length == 0 || self.is_being_written(inode) {
            return None;
        }
        self.model.map(inode).ok()?;
        self.give_up(inode);
        let (token, bytes) = self.town.census.bytes(&mut self.town.random, 0);
        let mut bytes: Vec<u8> = bytes.into_iter().cycle().take(length).collect();
        let mut pieces = VecDeque::new();
        let mut offset = 0;
        while !bytes.is_empty() {
            let rest = bytes.split_off(self.town.random.below(bytes.len()) + 1);
            let piece = std::mem::replace(&mut bytes, rest);
            let next = offset + piece.len();
            pieces.push_back((offset, piece));
            offset = next;
            if pieces.len() == 3 {
                let last = std::mem::take(&mut bytes);
                pieces.push_back((offset, last));
            }
        }
        self.town.seats[self.node].rests.push_back(Rest::Store { inode, pieces });
        Some(format!("maps {} for {token}", self.path(&spot)))
    }

    /// Stores one piece; after the last the mapping ends.
    pub(super) fn store_on(
        &mut self,
        inode: Inode,
        mut pieces: VecDeque<(usize, Vec<u8>)>,
    ) -> String {
        let Some((offset, piece)) = pieces.pop_front() else { return self.unmap(inode) };
        // Somebody may have cut the file: there is no page to store to.
        let stored = self.model.store(inode, &piece, offset);
        self.town.seats[self.node].rests.push_back(Rest::Store { inode, pieces });
        self.town.touches += 1;
        stored.map_or_else(|_| String::new(), |()| "stores through a mapping".to_string())
    }

    fn unmap(&mut self, inode: Inode) -> String {
        let Ok(thing) = self.model.thing(inode) else { return String::new() };
        let (bytes, named) = (thing.bytes.clone(), thing.links > 0);
        if named {
            self.town.census.wrote(self.node, &bytes);
        }
        let name = self.model.spot_of(inode).map(|spot| self.path(&spot));
        self.model.close(inode, true);
        self.town.touches += 1;
        format!("unmaps {}", name.unwrap_or_else(|| "what has no name".to_string()))
    }

    fn swap_for_link(&mut self) -> Option<String> {
        let (link, dir) = self.pick(|kind| kind == FileKind::Dir)?;
        let real: Spot = (link.0, Name::new(REAL).expect("a literal name"));
        self.town.touches += self.model.below(dir).len() as u64 + 4;
        self.model.rename(&link, &real, Target::Free).ok()?;
        let target = [b"/", OUTSIDE].concat();
        self.model.make(&link, FileKind::Symlink, 0o777, &target).ok()?;
        let what = format!("swaps {} for a symlink", self.path(&link));
        self.town.seats[self.node].rests.push_back(Rest::SwapBack { link, real });
        Some(what)
    }

    pub(super) fn swap_back(&mut self, link: &Spot, real: &Spot) -> String {
        let there = self.model.at(link.0, &link.1).and_then(|inode| self.model.thing(inode));
        if there.is_ok_and(|thing| thing.kind == FileKind::Symlink) {
            self.unlink(link);
        }
        let Ok(dir) = self.model.at(real.0, &real.1) else { return String::new() };
        let below = self.model.below(dir);
        self.town.touches += below.len() as u64 + 4;
        // Whoever saw it gone sees it made again now.
        for thing in below.iter().filter_map(|(_, inode)| self.model.thing(*inode).ok()) {
            self.town.census.named(self.node, &thing.bytes);
        }
        match self.model.rename(real, link, Target::Free) {
            Ok(()) => format!("swaps {} back", self.path(link)),
            Err(_) => String::new(),
        }
    }
}
