//! What a story is told with: hands on any machine, an interference at any call of a program, and a
//! look at what became of it all.

use disk::fs::FileKind;
use engine::index::Index;
use engine::path::{Name, RelPath};
use engine::proof;
use sim::checkers;
use sim::disk::model::{Inode, Model, Spot, Target, TOP};
use sim::disk::Fate;
use sim::node::STATE_NAME;
use sim::swarm::Options;
use sim::users::ANCHOR;
use sim::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What tells backup programs that a directory of ours need not be kept.
const TAG: &[u8] = b"CACHEDIR.TAG";

/// A world with everything that its story has come by.
pub struct Story {
    pub world: World,
    marks: BTreeMap<&'static str, u64>,
}

/// What somebody does on a machine, given the folder's root.
pub type Act = dyn Fn(&mut Model, Inode);

/// A path in words: names with slashes between them.
pub fn path(text: &str) -> RelPath {
    let names = text.split('/').filter(|name| !name.is_empty());
    RelPath::from_names(names.map(|name| Name::new(name.as_bytes()).unwrap()).collect())
}

/// The spot of a path whose directory is there.
pub fn spot(model: &Model, root: Inode, text: &str) -> Spot {
    let path = path(text);
    let dir = model.find(root, &path.parent().unwrap());
    let dir = dir.unwrap_or_else(|| panic!("no directory for /{text}"));
    (dir, path.name().unwrap().clone())
}

/// Writes a whole file as most programs do: open, cut to nothing, write, close.
pub fn write(model: &mut Model, root: Inode, at: &str, text: &str) {
    let inode = open(model, root, at);
    model.truncate(inode, 0).unwrap();
    model.write(inode, text.as_bytes(), 0).unwrap();
    model.close(inode, true);
}

/// Opens a file for writing; makes it if it is not there.
pub fn open(model: &mut Model, root: Inode, at: &str) -> Inode {
    let spot = spot(model, root, at);
    let inode = match model.at(spot.0, &spot.1) {
        Ok(inode) => inode,
        Err(_) => model.make(&spot, FileKind::File, 0o644, b"").unwrap(),
    };
    model.open(inode, true).unwrap();
    inode
}

pub fn rename(model: &mut Model, root: Inode, from: &str, to: &str) {
    let (from, to) = (spot(model, root, from), spot(model, root, to));
    model.rename(&from, &to, Target::Replaced).unwrap();
}

pub fn make_dir(model: &mut Model, root: Inode, at: &str) {
    let spot = spot(model, root, at);
    model.make(&spot, FileKind::Dir, 0o755, b"").unwrap();
}

pub fn remove(model: &mut Model, root: Inode, at: &str) {
    let spot = spot(model, root, at);
    if model.unlink(&spot).is_err() {
        model.remove_dir(&spot).unwrap();
    }
}

impl Story {
    /// So many nodes, all linked with each other, that have met and are at rest.
    pub fn of(nodes: usize) -> Story {
        Story::told_with(1, Options { nodes, ..Options::STILL })
    }

    /// Two of them, with this seed for all that is left to chance.
    pub fn seeded(seed: u64) -> Story {
        Story::told_with(seed, Options::STILL)
    }

    fn told_with(seed: u64, options: Options) -> Story {
        proof::take_marks();
        let mut world = World::new(seed, options);
        for node in 0..options.nodes {
            world.start(node);
            (0..node).for_each(|other| world.set_link(other, node, true));
        }
        let mut story = Story { world, marks: BTreeMap::new() };
        story.rest();
        story
    }

    /// Until nothing will ever happen again.
    pub fn rest(&mut self) {
        self.world.run_to_rest();
    }

    /// Somebody does something on a machine, and everybody comes to rest.
    pub fn act(&mut self, node: usize, act: impl FnOnce(&mut Model, Inode)) {
        self.world.by_hand(node, act);
        self.rest();
    }

    /// Writes a file on a machine; nothing else happens yet.
    pub fn write(&mut self, node: usize, at: &str, text: &str) {
        self.world.by_hand(node, |model, root| write(model, root, at, text));
    }

    pub fn make_dir(&mut self, node: usize, at: &str) {
        self.world.by_hand(node, |model, root| make_dir(model, root, at));
    }

    pub fn remove(&mut self, node: usize, at: &str) {
        self.world.by_hand(node, |model, root| remove(model, root, at));
    }

    /// Nobody hears of anybody.
    pub fn part(&mut self) {
        self.links(false);
    }

    /// All are linked again, and come to rest.
    pub fn meet(&mut self) {
        self.links(true);
        self.rest();
    }

    fn links(&mut self, up: bool) {
        let nodes = self.world.nodes.len();
        for a in 0..nodes {
            (0..a).for_each(|b| self.world.set_link(b, a, up));
        }
        if !up {
            self.rest();
        }
    }

    /// Every machine does one of these while nobody hears of the others; then they meet.
    pub fn apart(&mut self, acts: &[&Act]) {
        self.part();
        for (node, act) in acts.iter().enumerate() {
            self.world.by_hand(node, |model, root| act(model, root));
            // Whoever acts later is later by the clock, too.
            self.rest();
            self.world.run_for(10);
        }
        self.meet();
    }

    /// Before the program of `node` makes its `nth` call of this name from now on, counted from 1,
    /// somebody does something there.
    pub fn before(
        &mut self,
        node: usize,
        call: &'static str,
        nth: u32,
        act: impl FnOnce(&mut Model, Inode) + Send + 'static,
    ) {
        self.interfere(node, move |made| made == call, nth, act);
    }

    /// The same before its `nth` call of any name.
    pub fn before_any(
        &mut self,
        node: usize,
        nth: u32,
        act: impl FnOnce(&mut Model, Inode) + Send + 'static,
    ) {
        self.interfere(node, |_| true, nth, act);
    }

    fn interfere(
        &mut self,
        node: usize,
        fits: impl Fn(&str) -> bool + Send + 'static,
        nth: u32,
        act: impl FnOnce(&mut Model, Inode) + Send + 'static,
    ) {
        let root = self.world.by_hand(node, |_, root| root);
        let (mut act, mut left) = (Some(act), nth);
        let between = move |disk: &sim::disk::SimDisk, made: &'static str| {
            if left > 0 && fits(made) {
                left -= 1;
                if let Some(act) = (left == 0).then(|| act.take()).flatten() {
                    disk.with(|model| act(model, root));
                }
            }
            Fate::Go
        };
        self.world.nodes[node].disk.set_between(Some(Box::new(between)));
    }

    pub fn with<T>(&self, node: usize, look: impl FnOnce(&mut Model, Inode) -> T) -> T {
        let disk = &self.world.nodes[node].disk;
        disk.with(|model| {
            let root = Name::new(sim::node::ROOT_NAME).unwrap();
            let root = model.at(TOP, &root).unwrap();
            look(model, root)
        })
    }

    /// What users of a machine see: files with their text, directories with a slash at the end,
    /// symlinks with their target behind an arrow.
    pub fn tree(&self, node: usize) -> BTreeMap<String, String> {
        self.with(node, |model, root| {
            let mut tree = BTreeMap::new();
            for ((dir, name), inode) in model.below(root) {
                let path = model.path_below(root, dir).unwrap().join(name.clone());
                let thing = model.thing(inode).unwrap();
                let text = String::from_utf8_lossy(&thing.bytes).to_string();
                match thing.kind {
                    _ if name.as_bytes() == ANCHOR => None,
                    FileKind::Dir => tree.insert(format!("{path}/"), String::new()),
                    FileKind::Symlink => tree.insert(format!("{path} -> {text}"), String::new()),
                    _ => tree.insert(path.to_string(), text),
                };
            }
            tree
        })
    }

    /// What lies in a directory of ours on a machine, files by their text.
    fn room(&self, node: usize, room: &str) -> BTreeSet<String> {
        self.with(node, |model, _| {
            let state = model.at(TOP, &Name::new(STATE_NAME).unwrap()).unwrap();
            let Some(dir) = model.find(state, &path(room)) else { return BTreeSet::new() };
            let files = model.below(dir).into_iter().filter_map(|((_, name), inode)| {
                let thing = model.thing(inode).ok()?;
                let is_file = thing.kind == FileKind::File && name.as_bytes() != TAG;
                is_file.then(|| String::from_utf8_lossy(&thing.bytes).to_string())
            });
            files.collect()
        })
    }

    /// The contents of a machine's conflict store.
    pub fn kept(&self, node: usize) -> BTreeSet<String> {
        self.room(node, "kept")
    }

    /// Whether a machine's trash holds a file with this text.
    pub fn is_in_trash(&self, node: usize, text: &str) -> bool {
        self.room(node, "trash").contains(text)
    }

    /// The story is over: everybody is at rest, shows exactly these and keeps exactly these in the
    /// conflict store; a scan of everything finds nothing new.
    #[track_caller]
    pub fn ends(&mut self, shown: &[(&str, &str)], kept: &[&str]) {
        self.rest();
        let shown: BTreeMap<String, String> =
            shown.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        let kept: BTreeSet<String> = kept.iter().map(|text| text.to_string()).collect();
        for node in 0..self.world.nodes.len() {
            assert_eq!(self.tree(node), shown, "what {node} shows");
            assert_eq!(self.kept(node), kept, "what {node} keeps");
        }
        checkers::at_rest(&self.world);
        checkers::no_echo(&mut self.world);
    }

    /// The line that the story is about was come by.
    #[track_caller]
    pub fn came_by(&mut self, mark: &str) {
        let reached = self.has_come_by(mark);
        assert!(reached, "{mark:?} was not reached, but {:?}", self.marks);
    }

    /// Whether the line was come by.
    pub fn has_come_by(&mut self, mark: &str) -> bool {
        for (mark, times) in proof::take_marks() {
            *self.marks.entry(mark).or_default() += times;
        }
        self.marks.contains_key(mark)
    }

    /// How many operations this node has minted in all its lives.
    pub fn minted(&self, node: usize) -> u64 {
        let index = &self.world.nodes[node].index;
        let id = sim::node::node_id(node);
        let lives = index.incarnations().into_iter().filter(|life| life.node == id);
        let seen = |life: engine::entry::IncarnationRecord| {
            index.knowledge().of(life.incarnation).map_or(0, |seen| seen.max())
        };
        lives.map(seen).sum()
    }
}
