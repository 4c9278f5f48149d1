//! What users do in a world: create, edit, delete, move, and the splits that a touch publishes.

use super::state::{derive, Content, Dot, Entry, Id, Location, Name, Stamp, Token, ROOT};
use super::tree::{copy_id, copy_name, places, view, Mode, Shown};
use super::world::{Mutant, Operation, World};
use std::collections::{BTreeMap, BTreeSet};

type Tree = BTreeMap<Id, Shown>;

impl World {
    /// One random user operation on a random node. Returns the node and the entries it changed.
    pub fn user(&mut self) -> (usize, Vec<Id>) {
        let at = self.random.below(self.nodes.len());
        let tree = view(&self.nodes[at].state, self.options.mode);
        let files: Vec<Id> = tree.iter().filter(|(_, s)| !s.directory).map(|(i, _)| *i).collect();
        let mut folders = vec![ROOT];
        folders.extend(tree.iter().filter(|(_, s)| s.directory).map(|(i, _)| *i));
        let changed = match self.random.below(100) {
            0..35 => self.write_at_a_name(at, &tree, &folders),
            35..60 if !files.is_empty() => {
                let id = self.random.pick(&files);
                self.edit(at, id)
            }
            60..75 if !files.is_empty() => {
                let id = self.random.pick(&files);
                self.delete(at, id)
            }
            75..82 if folders.len() > 1 => {
                let top = self.random.pick(&folders[1..]);
                self.delete_tree(at, top, &tree)
            }
            82..100 if !tree.is_empty() => self.move_one(at, &tree, &folders),
            _ => Vec::new(),
        };
        (at, changed)
    }

    fn write_at_a_name(&mut self, at: usize, tree: &Tree, folders: &[Id]) -> Vec<Id> {
        let parent = self.random.pick(folders);
        let name = self.random.pick(&[1, 2, 3]);
        match tree.iter().find(|(_, s)| (s.parent, s.name) == (parent, name)) {
            Some((_, shown)) if shown.directory => Vec::new(),
            Some((id, _)) => self.edit(at, *id),
            None => {
                let directory = !self.random.chance(70);
                self.create(at, parent, name, directory)
            }
        }
    }

    fn delete_tree(&mut self, at: usize, top: Id, tree: &Tree) -> Vec<Id> {
        let mut all = vec![top];
        let mut next = 0;
        while next < all.len() {
            let parent = all[next];
            all.extend(tree.iter().filter(|(_, s)| s.parent == parent).map(|(id, _)| *id));
            next += 1;
        }
        all.into_iter().rev().flat_map(|id| self.delete(at, id)).collect()
    }

    fn move_one(&mut self, at: usize, tree: &Tree, folders: &[Id]) -> Vec<Id> {
        let all: Vec<Id> = tree.keys().copied().collect();
        let id = self.random.pick(&all);
        let parent = self.random.pick(folders);
        let name = self.random.pick(&[1, 2, 3]);
        let mut above = parent;
        while above != ROOT && above != id {
            above = tree[&above].parent;
        }
        if above == id || tree.values().any(|s| (s.parent, s.name) == (parent, name)) {
            return Vec::new();
        }
        let mut changed = self.make_real(at, id);
        let node = &mut self.nodes[at];
        let dot = node.mint();
        let stamp = Stamp { rank: 1, time: node.clock, dot };
        let entry = node.state.get_mut(&id).unwrap();
        let before = std::mem::take(&mut entry.location);
        entry.location.insert(dot, Location { stamp, live: true, parent, name });
        let superseded = self.seen_deletes(before.keys());
        self.record_delete(superseded, dot);
        changed.push(id);
        changed
    }

    /// Publishes the split that the entry's shown state depends on. Store mode has none.
    fn make_real(&mut self, at: usize, id: Id) -> Vec<Id> {
        if self.options.mode == Mode::Store {
            return Vec::new();
        }
        let state = &self.nodes[at].state;
        let copies =
            |e: &Entry, of: Id| e.losers().iter().any(|d| copy_id(of, e.content[d].token) == id);
        let owner = match state.get(&id) {
            None => state.iter().find(|(of, e)| copies(e, **of)).map(|(of, _)| *of),
            Some(entry) => (!entry.losers().is_empty()).then_some(id),
        };
        owner.map_or(Vec::new(), |owner| self.split(at, owner))
    }

    /// Gives every loser of `id` an entry of its own beside it, all under one dot.
    pub fn split(&mut self, at: usize, id: Id) -> Vec<Id> {
        let node = &mut self.nodes[at];
        let (parent, name) = places(&node.state)[&id];
        let dot = node.mint();
        let losers = node.state[&id].losers();
        let mut changed = vec![id];
        for loser in losers {
            let content = node.state.get_mut(&id).unwrap().content.remove(&loser).unwrap();
            let copy = copy_id(id, content.token);
            let entry = node.state.entry(copy).or_default();
            if entry.content.is_empty() {
                entry.content = BTreeMap::from([(dot, content)]);
            }
            let name = copy_name(name, content.token);
            let place = Location { stamp: content.stamp, live: true, parent, name };
            entry.location.insert(dot, place);
            entry.touched.insert(dot, ());
            changed.push(copy);
        }
        node.state.get_mut(&id).unwrap().touched.insert(dot, ());
        changed
    }

    fn create(&mut self, at: usize, parent: Id, name: Name, directory: bool) -> Vec<Id> {
        let node = &mut self.nodes[at];
        let parts = [parent, name, u64::from(directory)];
        let mut id = derive(&parts);
        if node.state.contains_key(&id) && places(&node.state).contains_key(&id) {
            let life = (u64::from(node.node) << 8) | u64::from(node.life);
            id = derive(&[parts[0], parts[1], parts[2], life, u64::from(node.counter)]);
        }
        let dot = node.mint();
        let stamp = Stamp { rank: 1, time: node.clock, dot };
        let mut entry = Entry::blank(directory);
        entry.location.insert(dot, Location { stamp, live: true, parent, name });
        let before = node.state.get(&id);
        entry.context = before.and_then(|b| b.context.clone());
        let tombs: Vec<Dot> = before.into_iter().flat_map(|b| b.location.keys().copied()).collect();
        let old = self.seen_deletes(tombs.iter());
        if !directory {
            let token = self.record_write(old, dot);
            entry.content.insert(dot, Content { stamp, token });
        }
        self.nodes[at].state.insert(id, entry);
        vec![id]
    }

    fn record_write(&mut self, superseded: BTreeSet<Token>, dot: Dot) -> Token {
        self.tokens += 1;
        let token = self.tokens;
        self.past.insert(token, superseded.clone());
        self.deleted.insert(dot, superseded.clone());
        self.operations.push(Operation { token: Some(token), superseded, dot });
        token
    }

    fn record_delete(&mut self, superseded: BTreeSet<Token>, dot: Dot) {
        self.deleted.insert(dot, superseded.clone());
        self.operations.push(Operation { token: None, superseded, dot });
    }

    /// What the operations that wrote these locations had seen.
    fn seen_deletes<'a>(&self, dots: impl Iterator<Item = &'a Dot>) -> BTreeSet<Token> {
        dots.filter_map(|d| self.deleted.get(d)).flatten().copied().collect()
    }

    /// `tokens` and everything their authors had seen.
    pub fn closure(&self, tokens: &BTreeSet<Token>) -> BTreeSet<Token> {
        let pasts = tokens.iter().filter_map(|t| self.past.get(t)).flatten();
        pasts.chain(tokens).copied().collect()
    }

    fn edit(&mut self, at: usize, id: Id) -> Vec<Id> {
        let mut changed = self.make_real(at, id);
        let node = &mut self.nodes[at];
        let Some(place) = node.state.get(&id).and_then(Entry::last_place) else {
            self.broken = true;
            return changed;
        };
        let dot = node.mint();
        let stamp = Stamp { rank: 1, time: node.clock, dot };
        let entry = node.state.get_mut(&id).unwrap();
        let mut old = entry.tokens();
        match self.options.mode {
            Mode::Beside => entry.content.clear(),
            Mode::Store => {
                let winner = entry.winner();
                old = winner.into_iter().collect();
                entry.content.retain(|_, c| Some(c.token) != winner);
            }
        }
        let before = entry.location.clone();
        if self.options.mutant != Mutant::EditKeepsLocation {
            entry.location = BTreeMap::from([(dot, Location { live: true, ..place })]);
        }
        let mut superseded = self.closure(&old);
        superseded.extend(self.seen_deletes(before.keys()));
        let token = self.record_write(superseded, dot);
        let entry = self.nodes[at].state.get_mut(&id).unwrap();
        entry.content.insert(dot, Content { stamp, token });
        changed.push(id);
        changed
    }

    fn delete(&mut self, at: usize, id: Id) -> Vec<Id> {
        let mut changed = self.make_real(at, id);
        let node = &mut self.nodes[at];
        let Some(place) = node.state.get(&id).and_then(Entry::last_place) else {
            self.broken = true;
            return changed;
        };
        let dot = node.mint();
        let entry = node.state.get_mut(&id).unwrap();
        let old = entry.tokens();
        entry.content.clear();
        let before = std::mem::take(&mut entry.location);
        entry.location.insert(dot, Location { live: false, ..place });
        let mut superseded = self.closure(&old);
        superseded.extend(self.seen_deletes(before.keys()));
        self.record_delete(superseded, dot);
        changed.push(id);
        changed
    }
}
