//! A disk per node beside its state: what lies there, what was last seen there.
//!
//! The tree is flat: names and files. Users act on the disk and are observed later; `apply` brings
//! one entry at a time from the state to the disk and checks what it would displace.

use super::state::{
    derive, Content, Dot, Entry, Id, Location, Name, Node, Stamp, State, Token, ROOT,
};
use super::tree::{view, Mode};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that no user wrote: torn, short or empty after a power loss.
pub const DAMAGE: Token = Token::MAX;

/// The known-bad variants of the disk's rules. `None` is the specification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// A local operation supersedes all of S, not only what the disk showed.
    SupersedeAll,
    /// Apply displaces without looking.
    BlindApply,
    /// What a joining node finds on its disk counts as an edit of now.
    ImportAsEdit,
    /// A joiner observes its disk before it holds a member's state.
    EarlyMint,
    /// A new id is derived although a live entry that was moved occupies the path.
    DeriveOccupied,
    /// After a power loss the disk is observed as after any restart.
    AnnounceDamage,
    /// Only the last state before an unsynced change is remembered, not all since the sync.
    RememberLastOnly,
    /// What is older than an unsynced row but was never observed passes for an edit.
    KnownStatesOnly,
    /// Imports are ordered by the time of the import, not by their mtime.
    ImportByClock,
    /// Apply does not write down what it is about to do.
    NoIntent,
}

/// One file on a disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct File {
    pub inode: u32,
    pub token: Token,
}

/// A name and what is there.
pub type Spot = (Name, File);

/// What was last seen of one entry on this disk, and which version it is.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: Name,
    pub file: File,
    place: Location,
    seen_location: BTreeSet<Dot>,
    seen_content: BTreeSet<Dot>,
    shown: BTreeSet<Dot>,
}

impl Row {
    /// The row of `entry` shown at `name` as `file`.
    fn of(entry: &Entry, name: Name, file: File) -> Self {
        let shown = entry.content.iter().filter(|(_, c)| c.token == file.token);
        Row {
            name,
            file,
            place: entry.last_place().unwrap(),
            seen_location: entry.location.keys().copied().collect(),
            seen_content: entry.content.keys().copied().collect(),
            shown: shown.map(|(d, _)| *d).collect(),
        }
    }
}

/// One node's disk, its rows (D), and what is not durable yet.
#[derive(Clone, Default)]
pub struct Disk {
    pub files: BTreeMap<Name, File>,
    pub rows: BTreeMap<Id, Row>,
    pub inodes: u32,
    /// The rows that applies under way would leave behind.
    pub intents: BTreeMap<Id, Row>,
    /// The files as of the last sync, and every state of the disk since, oldest first.
    pub states: Vec<BTreeMap<Name, File>>,
    /// For each entry changed since the last sync: what its spot was before each change.
    pub volatile: BTreeMap<Id, Vec<Option<Spot>>>,
    /// Inodes whose bytes the user wrote since the last sync.
    pub dirty: BTreeSet<u32>,
    /// Whether the node has yet to observe its disk for the first time.
    pub joining: bool,
    /// Conflict siblings that went with the deletes observed last: known here, so meant.
    pub dropped: Vec<Token>,
    /// Contents of applies that nobody can tell ever happened: the user may not have seen them.
    pub doubtful: Vec<Token>,
    /// Contents that the last observation minted.
    pub minted: Vec<Token>,
}

impl Disk {
    pub fn new_inode(&mut self) -> u32 {
        self.inodes += 1;
        self.inodes
    }

    /// Remembers the state after a change.
    pub fn changed(&mut self) {
        self.states.push(self.files.clone());
    }

    /// Everything so far is durable.
    pub fn sync(&mut self) {
        self.states = vec![self.files.clone()];
        self.volatile.clear();
        self.dirty.clear();
    }

    fn put_row(&mut self, id: Id, row: Option<Row>, fault: Fault) {
        let before = self.rows.get(&id).map(|r| (r.name, r.file));
        let after = row.as_ref().map(|r| (r.name, r.file));
        if before != after {
            let history = self.volatile.entry(id).or_default();
            if fault == Fault::RememberLastOnly {
                history.clear();
            }
            history.push(before);
        }
        match row {
            Some(row) => drop(self.rows.insert(id, row)),
            None => drop(self.rows.remove(&id)),
        }
    }

    /// A user rewrites or makes the file at `name`. Returns what was there.
    pub fn write(&mut self, name: Name, token: Token) -> Option<Token> {
        let before = self.files.get(&name).copied();
        let inode = before.map_or_else(|| self.new_inode(), |f| f.inode);
        self.files.insert(name, File { inode, token });
        self.dirty.insert(inode);
        self.changed();
        before.map(|f| f.token)
    }
}

fn shown(state: &State) -> BTreeMap<Id, (Name, Token)> {
    let all = view(state, Mode::Store);
    all.into_iter().filter_map(|(id, s)| Some((id, (s.name, s.token?)))).collect()
}

/// A node with its disk, for one operation.
pub struct Machine<'a> {
    pub node: &'a mut Node,
    pub disk: &'a mut Disk,
    pub fault: Fault,
}

impl Machine<'_> {
    /// Brings the entry from the state to the disk, if what lies there is what was last seen.
    /// With `dies`, the daemon is killed between the change and its record.
    pub fn apply(&mut self, id: Id, dies: bool) {
        let blind = self.fault == Fault::BlindApply;
        let row = self.disk.rows.get(&id).cloned();
        let as_left = |r: &Row| self.disk.files.get(&r.name) == Some(&r.file);
        if row.as_ref().is_some_and(|r| !as_left(r)) && !blind {
            return;
        }
        let Some((name, token)) = shown(&self.node.state).get(&id).copied() else {
            if let Some(row) = row {
                self.disk.files.remove(&row.name);
                self.disk.changed();
                self.disk.put_row(id, None, self.fault);
            }
            return;
        };
        let here = row.as_ref().map(|r| (r.name, r.file.token));
        if here != Some((name, token)) && !self.make_room(id, name) && !blind {
            return;
        }
        let same = row.as_ref().filter(|r| r.file.token == token).map(|r| r.file.inode);
        let inode = same.unwrap_or_else(|| self.disk.new_inode());
        let file = File { inode, token };
        let next = Row::of(&self.node.state[&id], name, file);
        if here != Some((name, token)) {
            if self.fault != Fault::NoIntent {
                self.disk.intents.insert(id, next.clone());
            }
            row.map(|r| self.disk.files.remove(&r.name));
            self.disk.files.insert(name, file);
            self.disk.changed();
            if dies {
                return;
            }
        }
        self.disk.intents.remove(&id);
        self.disk.put_row(id, Some(next), self.fault);
    }

    /// Takes another entry out of the way if it lies there as last seen; its own apply brings it
    /// back. False if an unobserved file is there.
    fn make_room(&mut self, id: Id, name: Name) -> bool {
        if self.disk.intents.iter().any(|(other, r)| *other != id && r.name == name) {
            return false;
        }
        let Some(file) = self.disk.files.get(&name).copied() else {
            return !self.disk.rows.iter().any(|(other, r)| *other != id && r.name == name);
        };
        match self.disk.rows.iter().find(|(_, r)| r.name == name).map(|(o, r)| (*o, r.file)) {
            Some((owner, _)) if owner == id => true,
            Some((owner, seen)) if seen == file => {
                self.disk.files.remove(&name);
                self.disk.changed();
                self.disk.put_row(owner, None, self.fault);
                true
            }
            _ => false,
        }
    }

    /// Compares the disk with the rows and mints what users did. Returns the entries changed.
    pub fn observe(&mut self) -> Vec<Id> {
        let mut changed = Vec::new();
        for (id, intent) in std::mem::take(&mut self.disk.intents) {
            if self.disk.files.values().any(|f| f.inode == intent.file.inode) {
                self.disk.put_row(id, Some(intent), self.fault);
            } else {
                self.disk.doubtful.push(intent.file.token);
            }
        }
        for (name, file) in self.disk.files.clone() {
            let owner = self.disk.rows.iter().find(|(_, r)| r.name == name).map(|(id, _)| *id);
            let moved = |r: &Row| {
                r.file.inode == file.inode
                    && self.disk.files.get(&r.name).is_none_or(|f| f.inode != file.inode)
            };
            let source = self.disk.rows.iter().find(|(_, r)| moved(r)).map(|(id, _)| *id);
            let id = match (owner, source) {
                (Some(id), _) if self.disk.rows[&id].file == file => continue,
                (Some(id), _) => {
                    self.edit(id, file);
                    id
                }
                (None, Some(id)) => {
                    self.rename(id, name);
                    if self.disk.rows[&id].file.token != file.token {
                        self.edit(id, file);
                    }
                    id
                }
                (None, None) => match self.find_new(name, file) {
                    Some(id) => id,
                    None => continue,
                },
            };
            changed.push(id);
        }
        let missing = |r: &Row| !self.disk.files.contains_key(&r.name);
        let gone = self.disk.rows.iter().filter(|(_, r)| missing(r)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<Id>>() {
            self.delete(id);
            changed.push(id);
        }
        self.disk.joining = false;
        changed
    }

    /// The stamp of a content found on the disk; tokens grow, so they stand for the mtime.
    fn stamp(&mut self, dot: Dot, token: Token) -> Stamp {
        let import = self.disk.joining && self.fault != Fault::ImportAsEdit;
        let by_mtime = import && self.fault != Fault::ImportByClock;
        let time = if by_mtime { u64::from(token) } else { self.node.clock };
        Stamp { rank: u8::from(!import), time, dot }
    }

    fn edit(&mut self, id: Id, file: File) {
        let mut row = self.disk.rows[&id].clone();
        if self.node.state[&id].winner() == Some(file.token) {
            let known = Row::of(&self.node.state[&id], row.name, file);
            return self.disk.put_row(id, Some(known), self.fault);
        }
        let dot = self.node.mint();
        let stamp = self.stamp(dot, file.token);
        let entry = self.node.state.get_mut(&id).unwrap();
        if self.fault == Fault::SupersedeAll {
            entry.content.clear();
            entry.location.clear();
        }
        entry.content.retain(|d, _| !row.shown.contains(d));
        entry.content.insert(dot, Content { stamp, token: file.token });
        self.disk.minted.push(file.token);
        entry.location.retain(|d, _| !row.seen_location.contains(d));
        entry.location.insert(dot, Location { live: true, ..row.place });
        row.file = file;
        row.seen_content.retain(|d| !row.shown.contains(d));
        row.seen_content.insert(dot);
        row.shown = BTreeSet::from([dot]);
        row.seen_location = BTreeSet::from([dot]);
        self.disk.put_row(id, Some(row), self.fault);
    }

    fn rename(&mut self, id: Id, name: Name) {
        let mut row = self.disk.rows[&id].clone();
        let dot = self.node.mint();
        let stamp = Stamp { rank: 1, time: self.node.clock, dot };
        let entry = self.node.state.get_mut(&id).unwrap();
        if self.fault == Fault::SupersedeAll {
            entry.location.clear();
        }
        row.place = Location { stamp, live: true, parent: ROOT, name };
        entry.location.retain(|d, _| !row.seen_location.contains(d));
        entry.location.insert(dot, row.place);
        row.name = name;
        row.seen_location = BTreeSet::from([dot]);
        self.disk.put_row(id, Some(row), self.fault);
    }

    fn delete(&mut self, id: Id) {
        let row = self.disk.rows[&id].clone();
        let dot = self.node.mint();
        let entry = self.node.state.get_mut(&id).unwrap();
        let seen = entry.content.iter().filter(|(d, _)| row.seen_content.contains(d));
        let dropped: Vec<Token> = seen.map(|(_, c)| c.token).collect();
        if self.fault == Fault::SupersedeAll {
            entry.content.clear();
            entry.location.clear();
        }
        entry.content.retain(|d, _| !row.seen_content.contains(d));
        entry.location.retain(|d, _| !row.seen_location.contains(d));
        entry.location.insert(dot, Location { live: false, ..row.place });
        self.disk.dropped.extend(dropped);
        self.disk.put_row(id, None, self.fault);
    }

    /// A file where no row is: an observation of the entry shown there, or a new entry.
    fn find_new(&mut self, name: Name, file: File) -> Option<Id> {
        let derived = derive(&[ROOT, name]);
        let tree = shown(&self.node.state);
        let there = tree.iter().find(|(_, s)| s.0 == name).map(|(id, s)| (*id, s.1));
        let there = there.filter(|(id, _)| !self.disk.rows.contains_key(id));
        let there = there.filter(|(id, _)| self.fault != Fault::DeriveOccupied || *id == derived);
        if let Some((id, _)) = there.filter(|(_, token)| *token == file.token) {
            let row = Row::of(&self.node.state[&id], name, file);
            self.disk.put_row(id, Some(row), self.fault);
            return None;
        }
        let dot = self.node.mint();
        let stamp = self.stamp(dot, file.token);
        let fresh = match tree.contains_key(&derived) || self.disk.rows.contains_key(&derived) {
            true => derive(&[
                ROOT,
                name,
                u64::from(dot.node),
                u64::from(dot.life),
                u64::from(dot.counter),
            ]),
            false => derived,
        };
        let id = there.map_or(fresh, |(id, _)| id);
        let entry = self.node.state.entry(id).or_default();
        if entry.content.is_empty() {
            entry.location.clear();
        }
        let fallback = Location { stamp, live: true, parent: ROOT, name };
        let place = entry.place().unwrap_or(fallback);
        entry.location.insert(dot, place);
        entry.content.insert(dot, Content { stamp, token: file.token });
        self.disk.minted.push(file.token);
        let own = BTreeSet::from([dot]);
        let (seen_content, shown) = (own.clone(), own.clone());
        let row = Row { name, file, place, seen_location: own, seen_content, shown };
        self.disk.put_row(id, Some(row), self.fault);
        Some(id)
    }

    /// After a power loss: what an unsynced row no longer finds as it left it, and what is there is
    /// nothing, damage or an earlier state, is not a user's act. It goes away; apply brings the
    /// announced version back.
    pub fn recover(&mut self) {
        let volatile = std::mem::take(&mut self.disk.volatile);
        let as_left = |disk: &Disk, id: &Id| {
            disk.rows.get(id).is_some_and(|r| disk.files.get(&r.name) == Some(&r.file))
        };
        let bad: Vec<Id> = volatile.keys().filter(|id| !as_left(self.disk, id)).copied().collect();
        for id in &bad {
            let row = self.disk.rows.get(id).map(|r| (r.name, r.file));
            for (name, file) in volatile[id].iter().flatten().copied().chain(row) {
                if self.is_leftover(*id, name, file) {
                    self.disk.files.remove(&name);
                }
            }
        }
        let (rows, files) = (&mut self.disk.rows, &self.disk.files);
        rows.retain(|id, r| !bad.contains(id) || files.contains_key(&r.name));
    }

    /// Whether what lies at `name` is damage or a state of `id` from before its row.
    fn is_leftover(&self, id: Id, name: Name, file: File) -> bool {
        let Some(found) = self.disk.files.get(&name).copied() else { return false };
        let mut others = self.disk.rows.iter().filter(|(other, _)| **other != id);
        if others.any(|(_, r)| (r.name, r.file) == (name, found) || r.file.inode == found.inode) {
            return false;
        }
        let row = self.disk.rows.get(&id).filter(|r| r.name == name);
        let older = row.is_some_and(|r| found.token < r.file.token);
        let damaged = File { token: DAMAGE, ..file };
        found == file || found == damaged || (older && self.fault != Fault::KnownStatesOnly)
    }
}
