//! What users do to a toy disk, and what they knew when they did it: the oracle of what may be
//! lost.

use super::disk::{bytes, digest, Disk, Inode, Spot, TOP};
use super::random::Random;
use engine::content::{Content, Digest};
use engine::entry::Kind;
use engine::index::Attributes;
use engine::path::{Name, RelPath};
use std::collections::BTreeSet;

/// Everything that was ever written, and what nobody needs any more.
#[derive(Clone, Default)]
pub struct Oracle {
    writes: BTreeSet<Digest>,
    replaced: BTreeSet<Digest>,
    tokens: u32,
    /// Percent of writes that write what was written before.
    pub reuse: usize,
    /// Names that users touched, each time: the bound on what may be minted.
    pub touches: u64,
}

impl Oracle {
    /// New bytes, half of the time bytes that were written before.
    fn token(&mut self, random: &mut Random) -> Content {
        if self.tokens > 0 && random.chance(self.reuse) {
            return bytes(random.below(self.tokens as usize) as u32);
        }
        self.tokens += 1;
        bytes(self.tokens - 1)
    }

    fn wrote(&mut self, content: &Content) {
        self.writes.extend(digest(content));
    }

    /// Somebody who saw this content replaced or deleted it. Which of several equal writes was seen
    /// nobody can tell, and who writes what was there anyway has written nothing: all count as
    /// seen.
    fn replaced(&mut self, content: Option<&Content>) {
        self.replaced.extend(content.and_then(digest));
    }

    /// A content came into the conflict store after a user had deleted what it lost to, and before
    /// that was noticed: it goes with it.
    pub fn let_go(&mut self, digest: Digest) {
        self.replaced.insert(digest);
    }

    /// What must still be there: written, and replaced by nobody who saw it.
    pub fn wanted(&self) -> BTreeSet<Digest> {
        self.writes.difference(&self.replaced).copied().collect()
    }
}

/// A user at one disk, for one operation.
pub struct User<'a> {
    pub disk: &'a mut Disk,
    pub oracle: &'a mut Oracle,
    pub random: &'a mut Random,
    /// What was done, in words.
    pub story: String,
    hints: BTreeSet<Hint>,
}

/// A path as it was when the kernel told of it: what is there may have been moved since.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Something happened to it.
    Name(RelPath),
    /// A directory has arrived there: anything in it may have changed.
    Tree(RelPath),
}

const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"d.x"];

impl<'a> User<'a> {
    pub fn new(disk: &'a mut Disk, oracle: &'a mut Oracle, random: &'a mut Random) -> User<'a> {
        User { disk, oracle, random, story: String::new(), hints: BTreeSet::new() }
    }

    /// One random operation; returns the names that the kernel tells of.
    pub fn act(mut self) -> (Vec<Hint>, String) {
        match self.random.below(100) {
            0..22 => self.write_somewhere(),
            22..30 => self.make_dir_somewhere(),
            30..42 => self.edit(),
            42..52 => self.delete_file(),
            52..56 => self.delete_tree(),
            56..76 => self.rename_something(),
            76..80 => self.swap_two(),
            80..84 => self.link(),
            84..88 => self.chmod_something(),
            88..91 => self.touch(),
            91..96 => self.save_something(),
            _ => self.retype(),
        }
        self.done()
    }

    /// What the kernel tells of it, and what it was, in words.
    pub fn done(self) -> (Vec<Hint>, String) {
        self.oracle.touches += self.hints.len() as u64;
        (self.hints.into_iter().collect(), self.story)
    }

    fn pick(&mut self, fits: impl Fn(&Disk, Inode) -> bool) -> Option<Inode> {
        let all = self.disk.below(TOP);
        let fitting: Vec<Inode> = all.into_iter().filter(|i| fits(self.disk, *i)).collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting))
    }

    fn file(&mut self) -> Option<Inode> {
        self.pick(|disk, inode| disk.things[&inode].kind == Kind::File)
    }

    fn spot(&mut self) -> Spot {
        let mut dirs = vec![TOP];
        let below = self.disk.below(TOP);
        dirs.extend(below.into_iter().filter(|i| self.disk.things[i].kind == Kind::Dir));
        dirs.retain(|dir| self.disk.path(*dir).names().len() < 4);
        let dir = self.random.pick(&dirs);
        (dir, Name::new(self.random.pick(&NAMES)).unwrap())
    }

    pub fn say(&mut self, what: &str, inode: Inode) {
        let content = self.disk.things[&inode].content.as_ref().and_then(digest);
        let content = content.map_or(String::new(), |digest| format!("({digest:?}) "));
        self.story += &format!("{what} /{} {content}", self.disk.path(inode));
    }

    fn hint(&mut self, spot: &Spot) {
        let path = self.disk.path_of(spot);
        self.hints.extend(path.parent().map(Hint::Name));
        self.hints.insert(Hint::Name(path));
    }

    fn changed_names(&mut self, spot: &Spot) {
        self.hint(spot);
        self.disk.touch(spot.0);
    }

    fn make(&mut self, spot: &Spot, kind: Kind, content: Option<Content>) -> Inode {
        let inode = self.disk.make(spot, kind, content.clone());
        content.iter().for_each(|content| self.oracle.wrote(content));
        self.changed_names(spot);
        inode
    }

    /// Who deletes a file also lets go of what lost to it and is in the conflict store. One of
    /// several names counts for all: others may remove the rest, and not know of this.
    fn unlink(&mut self, spot: &Spot) {
        self.oracle.replaced.extend(self.disk.kept.iter().copied());
        let content = self.disk.unlink(spot);
        self.oracle.replaced(content.as_ref());
        self.changed_names(spot);
    }

    pub fn remove_tree(&mut self, top: &Spot) {
        let inside = self.disk.at(top).map(|inode| self.disk.spots(inode)).unwrap_or_default();
        for (below, _) in inside.iter().rev() {
            self.unlink(below);
        }
        self.unlink(top);
    }

    fn write_somewhere(&mut self) {
        let spot = self.spot();
        match self.disk.at(&spot) {
            None => self.create(&spot),
            Some(inode) if self.disk.things[&inode].kind == Kind::File => self.write(&spot),
            Some(_) => {}
        }
    }

    pub fn create(&mut self, spot: &Spot) {
        let content = self.oracle.token(self.random);
        let inode = self.make(spot, Kind::File, Some(content));
        self.say("create", inode);
    }

    /// Writes into the file that is there.
    pub fn write(&mut self, spot: &Spot) {
        let inode = self.disk.at(spot).unwrap();
        let content = self.oracle.token(self.random);
        self.say("write", inode);
        self.story += &format!("<- {content:?}");
        let old = self.disk.things.get_mut(&inode).unwrap().content.replace(content.clone());
        self.disk.trash.extend(old.as_ref().and_then(digest));
        self.oracle.replaced(old.as_ref());
        self.oracle.wrote(&content);
        self.disk.touch(inode);
        self.hint(spot);
    }

    fn edit(&mut self) {
        if let Some(inode) = self.file() {
            self.write(&self.disk.spot(inode));
        }
    }

    fn make_dir_somewhere(&mut self) {
        let spot = self.spot();
        if self.disk.at(&spot).is_none() {
            self.make_dir(&spot);
        }
    }

    pub fn make_dir(&mut self, spot: &Spot) {
        let inode = self.make(spot, Kind::Dir, None);
        self.say("mkdir", inode);
    }

    fn link(&mut self) {
        let spot = self.spot();
        if self.disk.at(&spot).is_none() {
            let target = [b'a' + self.random.below(3) as u8];
            let content = Content::Link(target.as_slice().into());
            let inode = self.make(&spot, Kind::Symlink, Some(content));
            self.say("symlink", inode);
        }
    }

    fn delete_file(&mut self) {
        if let Some(inode) = self.pick(|disk, inode| disk.things[&inode].kind != Kind::Dir) {
            self.say("rm", inode);
            self.unlink(&self.disk.spot(inode));
        }
    }

    fn delete_tree(&mut self) {
        if let Some(inode) = self.pick(|disk, inode| disk.things[&inode].kind == Kind::Dir) {
            self.say("rm -r", inode);
            self.remove_tree(&self.disk.spot(inode));
        }
    }

    fn rename_something(&mut self) {
        let Some(inode) = self.pick(|_, _| true) else { return };
        let to = self.spot();
        self.rename(&self.disk.spot(inode), &to);
    }

    /// To a free name, over a file, over an empty directory. Whether that can be.
    pub fn rename(&mut self, from: &Spot, to: &Spot) -> bool {
        let inode = self.disk.at(from).unwrap();
        if self.disk.is_within(to.0, inode) {
            return false;
        }
        let is_dir = self.disk.things[&inode].kind == Kind::Dir;
        if let Some(other) = self.disk.at(to) {
            let there = &self.disk.things[&other];
            let same_sort = (there.kind == Kind::Dir) == is_dir;
            if other == inode || !same_sort || !there.children.is_empty() {
                return false;
            }
        }
        self.say("rename", inode);
        self.hint_inside(inode);
        if self.disk.at(to).is_some() {
            self.unlink(to);
        }
        self.disk.rename(from, to);
        self.changed_names(from);
        self.changed_names(to);
        self.arrived(inode);
        self.say("to", inode);
        true
    }

    fn arrived(&mut self, inode: Inode) {
        if self.disk.things[&inode].kind == Kind::Dir {
            self.hints.insert(Hint::Tree(self.disk.path(inode)));
        }
    }

    /// A rename is one event, but the bound of what may be minted knows what is inside.
    fn hint_inside(&mut self, inode: Inode) {
        self.oracle.touches += self.disk.below(inode).len() as u64;
    }

    fn swap_two(&mut self) {
        let (Some(a), Some(b)) = (self.pick(|_, _| true), self.pick(|_, _| true)) else { return };
        if !self.disk.is_within(a, b) && !self.disk.is_within(b, a) {
            self.swap(&self.disk.spot(a), &self.disk.spot(b));
        }
    }

    pub fn swap(&mut self, first: &Spot, second: &Spot) {
        let [a, b] = [first, second].map(|spot| self.disk.at(spot).unwrap());
        self.say("swap", a);
        self.say("with", b);
        self.disk.exchange(first, second);
        self.changed_names(first);
        self.changed_names(second);
        self.hint_inside(a);
        self.hint_inside(b);
        self.arrived(a);
        self.arrived(b);
    }

    fn chmod_something(&mut self) {
        if let Some(inode) = self.pick(|disk, i| disk.things[&i].kind != Kind::Symlink) {
            let mode = self.random.pick(&[0o700, 0o755, 0o600]);
            self.chmod(&self.disk.spot(inode), mode);
        }
    }

    pub fn chmod(&mut self, spot: &Spot, mode: u16) {
        let inode = self.disk.at(spot).unwrap();
        self.say("chmod", inode);
        let mtime = self.disk.things[&inode].mtime;
        let wanted = Attributes { mtime, mode, ..Attributes::default() };
        self.disk.set_attributes(inode, &wanted);
        self.hint(spot);
    }

    fn touch(&mut self) {
        if let Some(inode) = self.pick(|_, _| true) {
            self.say("touch", inode);
            self.disk.touch(inode);
            self.hint(&self.disk.spot(inode));
        }
    }

    fn save_something(&mut self) {
        if let Some(inode) = self.file() {
            self.save(&self.disk.spot(inode));
        }
    }

    /// One more name for a file, also over another.
    pub fn give_name(&mut self, of: &Spot, to: &Spot) {
        let inode = self.disk.at(of).unwrap();
        self.say("link", inode);
        if self.disk.at(to).is_some() {
            self.unlink(to);
        }
        self.disk.link(inode, to);
        self.hint(of);
        self.changed_names(to);
        self.story += &format!("to /{}", self.disk.path_of(to));
    }

    /// An editor's save: a temporary file renamed over the old one.
    pub fn save(&mut self, spot: &Spot) {
        self.say("save", self.disk.at(spot).unwrap());
        let temporary = (spot.0, Name::new(b".tmp").unwrap());
        if self.disk.at(&temporary).is_some() {
            return;
        }
        let content = self.oracle.token(self.random);
        self.story += &format!("<- {content:?}");
        self.make(&temporary, Kind::File, Some(content));
        self.unlink(spot);
        self.disk.rename(&temporary, spot);
        self.changed_names(spot);
    }

    /// A file becomes a directory with something in it, or a directory a file.
    fn retype(&mut self) {
        let Some(inode) = self.pick(|_, _| true) else { return };
        self.say("retype", inode);
        let (spot, kind) = (self.disk.spot(inode), self.disk.things[&inode].kind);
        self.remove_tree(&spot);
        let content = self.oracle.token(self.random);
        self.story += &format!("<- {content:?}");
        if kind == Kind::Dir {
            self.make(&spot, Kind::File, Some(content));
        } else {
            let dir = self.make(&spot, Kind::Dir, None);
            self.make(&(dir, Name::new(b"a").unwrap()), Kind::File, Some(content));
        }
    }
}
