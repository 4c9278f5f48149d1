//! The single things that users do. Used by `users` only.

use super::{Rest, User, TEMPORARY};
use crate::disk::model::{Inode, Spot, Thing};
use disk::fs::FileKind;
use engine::entry::Timestamp;
use engine::path::Name;
use std::collections::VecDeque;

impl User<'_> {
    /// Something new; says what, or nothing if nothing came of it.
    pub(super) fn begin(&mut self) -> String {
        if let Some(done) = self.rare() {
            self.town.touches += 1;
            return done;
        }
        // Nobody gives second names where the filesystem knows none.
        let links = if self.town.options.lacks == 1 { 0 } else { self.town.options.links };
        if links > 0 && self.town.random.chance(links) {
            let done = self.give_name();
            return done.unwrap_or_default();
        }
        let choice = self.town.random.below(100);
        let removes = !matches!(choice, 0..45 | 82..92);
        if self.town.options.gentle > 0 && removes {
            return String::new();
        }
        let done = match choice {
            0..22 => self.create(),
            22..30 => self.make_dir(),
            30..45 => self.write(),
            45..54 => self.delete(),
            54..58 => self.delete_tree(),
            58..74 => self.move_somewhere(),
            74..78 => self.swap(),
            78..82 => self.make_link(),
            82..86 => self.chmod(),
            86..88 => self.touch(),
            88..90 => self.truncate(),
            90..92 => self.set_xattr(),
            _ => self.save(),
        };
        self.town.touches += u64::from(done.is_some());
        done.unwrap_or_default()
    }

    /// Something begun goes on.
    pub(super) fn go_on(&mut self, rest: Rest) -> String {
        match rest {
            Rest::Write { inode, offset, pieces } => self.write_on(inode, offset, pieces),
            Rest::RenameOver { from, to } => {
                if self.model.at(from.0, &from.1).is_err() {
                    return String::new();
                }
                let what = format!("ends saving {}", self.path(&to));
                if !self.rename(&from, &to) {
                    self.unlink(&from);
                }
                what
            }
            Rest::Store { inode, pieces } => self.store_on(inode, pieces),
            Rest::SwapBack { link, real } => self.swap_back(&link, &real),
            Rest::RemoveTree { dir } => self.remove_on(dir),
        }
    }

    fn create(&mut self) -> Option<String> {
        let spot = self.spot();
        let inode = self.model.make(&spot, FileKind::File, 0o644, b"").ok()?;
        self.model.open(inode, true).ok()?;
        let token = self.start_writing(inode, 0);
        Some(format!("creates {} <- {token}", self.path(&spot)))
    }

    /// Writes new bytes, at once or in pieces, and closes.
    fn start_writing(&mut self, inode: Inode, offset: usize) -> String {
        let (reuse, random) = (self.town.options.reuse, &mut self.town.random);
        let (token, bytes) = self.town.census.bytes(random, reuse);
        let slow = random.chance(400);
        let cut = if slow { random.below(bytes.len() + 1) } else { bytes.len() };
        let (first, second) = bytes.split_at(cut);
        let mut pieces = VecDeque::from([first.to_vec()]);
        if slow {
            pieces.push_back(second.to_vec());
        }
        self.write_on(inode, offset, pieces);
        format!("{token}{}", if slow { " slowly" } else { "" })
    }

    fn write_on(&mut self, inode: Inode, offset: usize, mut pieces: VecDeque<Vec<u8>>) -> String {
        let Some(piece) = pieces.pop_front() else { return String::new() };
        self.model.write(inode, &piece, offset).expect("an open file");
        let offset = offset + piece.len();
        let seat = &mut self.town.seats[self.node];
        if !pieces.is_empty() {
            seat.rests.push_back(Rest::Write { inode, offset, pieces });
            return String::new();
        }
        let thing = self.model.thing(inode).expect("an open file");
        let (bytes, named) = (thing.bytes.clone(), thing.links > 0);
        if named {
            self.town.census.wrote(self.node, &bytes);
        }
        let name = self.model.spot_of(inode).map(|spot| self.path(&spot));
        self.model.close(inode, true);
        self.town.touches += 1;
        format!("closes {}", name.unwrap_or_else(|| "what has no name".to_string()))
    }

    pub(super) fn is_being_written(&self, inode: Inode) -> bool {
        self.model.thing(inode).is_ok_and(|thing| thing.writers > 0)
    }

    /// Writes into an existing file: from its start, or with everything that was there gone.
    fn write(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|kind| kind == FileKind::File)?;
        if self.is_being_written(inode) {
            return None;
        }
        self.give_up(inode);
        self.model.open(inode, true).ok()?;
        if self.town.random.chance(500) {
            self.model.truncate(inode, 0).ok()?;
        }
        let token = self.start_writing(inode, 0);
        Some(format!("writes {} <- {token}", self.path(&spot)))
    }

    fn truncate(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|kind| kind == FileKind::File)?;
        if self.is_being_written(inode) {
            return None;
        }
        self.give_up(inode);
        self.model.open(inode, true).ok()?;
        let length = self.model.thing(inode).ok()?.bytes.len() / 2;
        self.model.truncate(inode, length).ok()?;
        let bytes = self.model.thing(inode).ok()?.bytes.clone();
        self.town.census.wrote(self.node, &bytes);
        self.model.close(inode, true);
        Some(format!("cuts {}", self.path(&spot)))
    }

    fn make_dir(&mut self) -> Option<String> {
        let spot = self.spot();
        self.model.make(&spot, FileKind::Dir, 0o755, b"").ok()?;
        Some(format!("makes directory {}", self.path(&spot)))
    }

    fn make_link(&mut self) -> Option<String> {
        let spot = self.spot();
        let target = [b"abc"[self.town.random.below(3)]];
        self.model.make(&spot, FileKind::Symlink, 0o777, &target).ok()?;
        Some(format!("makes symlink {}", self.path(&spot)))
    }

    /// One more name for a file: a free one, or in place of what has it.
    fn give_name(&mut self) -> Option<String> {
        let (from, inode) = self.pick(|kind| kind == FileKind::File)?;
        let to = self.spot();
        let what = format!("links {} to {}", self.path(&from), self.path(&to));
        self.town.touches += 4;
        if self.model.at(to.0, &to.1).is_err() {
            self.model.link(inode, &to).ok()?;
            return Some(what);
        }
        // As ln(1) replaces: under another name first.
        let aside: Spot = (to.0, Name::new(TEMPORARY).expect("a literal name"));
        self.model.link(inode, &aside).ok()?;
        if !self.rename(&aside, &to) || self.model.at(aside.0, &aside.1).is_ok() {
            // A rename of one name of a file to another does nothing.
            self.unlink(&aside);
        }
        Some(what)
    }

    fn delete(&mut self) -> Option<String> {
        let (spot, _) = self.pick(|kind| kind != FileKind::Dir)?;
        let what = format!("removes {}", self.path(&spot));
        self.unlink(&spot);
        Some(what)
    }

    fn delete_tree(&mut self) -> Option<String> {
        let (spot, dir) = self.pick(|kind| kind == FileKind::Dir)?;
        let what = format!("begins to remove all of {}", self.path(&spot));
        self.town.seats[self.node].rests.push_back(Rest::RemoveTree { dir });
        Some(what)
    }

    /// Removes one thing, the deepest first; what appears meanwhile is removed, too.
    fn remove_on(&mut self, dir: Inode) -> String {
        let Some(top) = self.model.spot_of(dir) else { return String::new() };
        let below = self.model.below(dir);
        let leaf = below.into_iter().find(|(_, inode)| {
            self.model.dir(*inode).map_or(true, |thing| thing.children.is_empty())
        });
        let Some((spot, _)) = leaf else {
            let what = format!("has removed {}", self.path(&top));
            self.unlink(&top);
            return what;
        };
        if self.is_last(&spot) {
            return String::new();
        }
        let what = format!("removes {} with its tree", self.path(&spot));
        self.unlink(&spot);
        // What is locked stays, and rm(1) ends there.
        if self.model.at(spot.0, &spot.1).is_err() {
            self.town.seats[self.node].rests.push_back(Rest::RemoveTree { dir });
        }
        what
    }

    fn move_somewhere(&mut self) -> Option<String> {
        let (from, inode) = self.pick(|_| true)?;
        let to = self.spot();
        if self.model.at(to.0, &to.1).is_ok() && self.town.random.chance(500) {
            return None;
        }
        self.town.touches += self.model.below(inode).len() as u64;
        let what = format!("moves {} to {}", self.path(&from), self.path(&to));
        self.rename(&from, &to).then_some(what)
    }

    fn swap(&mut self) -> Option<String> {
        let ((a, first), (b, second)) = (self.pick(|_| true)?, self.pick(|_| true)?);
        self.town.touches += self.model.below(first).len() as u64 + 4;
        self.town.touches += self.model.below(second).len() as u64;
        let what = format!("swaps {} with {}", self.path(&a), self.path(&b));
        self.model.exchange(&a, &b).ok()?;
        [&a, &b].into_iter().for_each(|spot| self.named(spot));
        Some(what)
    }

    fn chmod(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|kind| kind != FileKind::Symlink)?;
        let mode = self.town.random.pick(&[0o700, 0o755, 0o600, 0o640]);
        self.model.change(inode, |thing| thing.mode = mode).ok()?;
        Some(format!("sets mode {mode:o} of {}", self.path(&spot)))
    }

    fn touch(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|_| true)?;
        let mtime = self.old_time();
        self.model.change(inode, |thing| thing.mtime = mtime).ok()?;
        let bytes = &self.model.thing(inode).ok()?.bytes;
        self.town.set_back.insert(crate::checkers::digest_of(bytes));
        Some(format!("sets the time of {}", self.path(&spot)))
    }

    /// Whether another change now has the time of the last one. An extended attribute that is set
    /// then is known not to be found, if no event tells of it.
    fn has_just_changed(&self, inode: Inode) -> bool {
        let ms = |time: Timestamp| {
            u64::try_from(time.seconds).map_or(0, |s| s * 1000 + u64::from(time.nanos / 1_000_000))
        };
        let changed_ms = self.model.thing(inode).map_or(0, |thing| ms(thing.ctime));
        self.model.grain_ms > 0 && changed_ms + self.model.grain_ms > self.model.wall_ms
    }

    fn set_xattr(&mut self) -> Option<String> {
        let (spot, inode) = self.pick(|kind| kind != FileKind::Symlink)?;
        if self.has_just_changed(inode) {
            return None;
        }
        let value = vec![b"0123456789"[self.town.random.below(10)]];
        let set = |thing: &mut Thing| {
            thing.xattrs.insert(b"user.x".to_vec(), value);
        };
        self.model.change(inode, set).ok()?;
        Some(format!("sets an extended attribute of {}", self.path(&spot)))
    }

    /// An editor's save: a temporary file, renamed over the old one now or later.
    fn save(&mut self) -> Option<String> {
        let (to, _) = self.pick(|kind| kind == FileKind::File)?;
        let from: Spot = (to.0, Name::new(TEMPORARY).expect("a literal name"));
        if from == to {
            return None;
        }
        let inode = self.model.make(&from, FileKind::File, 0o644, b"").ok()?;
        self.model.open(inode, true).ok()?;
        let (reuse, random) = (self.town.options.reuse, &mut self.town.random);
        let (token, bytes) = self.town.census.bytes(random, reuse);
        self.write_on(inode, 0, VecDeque::from([bytes]));
        let what = format!("saves {} <- {token}", self.path(&to));
        if self.town.random.chance(400) {
            self.town.seats[self.node].rests.push_back(Rest::RenameOver { from, to });
        } else {
            self.rename(&from, &to);
        }
        Some(what)
    }
}
