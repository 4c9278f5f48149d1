//! Many nodes: how soon a change is everywhere, and what it costs each of them, on a random regular
//! graph of links. Nothing goes wrong here; what may go wrong is `scenario`'s.
//!
//! Every message, look and operation takes a random time below [`HOP_MS`], in milliseconds of the
//! simulated clock: time is told in it, not in what this machine needs. Called by `main`.

use crate::checkers;
use crate::disk::model::{Inode, Model};
use crate::node::FOLDER;
use crate::random::Random;
use crate::swarm::Options;
use crate::world::links::Traffic;
use crate::world::World;
use disk::fs::FileKind;
use disk::store::Store;
use engine::dot::Knowledge;
use engine::entry::{EntryId, ROOT};
use engine::index::Index;
use engine::message::{Ack, Message};
use engine::path::Name;
use engine::wire;
use std::fmt::{Display, Formatter, Result as Written};

/// Each message, look and operation takes less than this.
pub const HOP_MS: usize = 10;

/// Links of each node, as in the overlay that large clusters are to have.
pub const DEGREE: usize = 6;

/// Changes that are made one at a time.
const ALONE: usize = 20;

/// All that a change leads to has been said this long after it is everywhere, but for what is told
/// every ten minutes.
const ECHO_MS: u64 = 1_000;

/// As long as it takes until all know that all know of a change.
const STABLE_MS: u64 = 20 * 60 * 1_000;

/// Bytes of each file that is made.
const BYTES: usize = 1_000;

/// Files of the folder whose index is measured.
const FILES: usize = 2_000;

/// What one cluster has shown.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figures {
    /// How many nodes.
    pub nodes: usize,
    /// Milliseconds until the new file of one node is on half of all nodes, and on all: medians.
    pub alone_ms: (u64, u64),
    /// What it took a node to send for one such change, on average.
    pub alone: Share,
    /// Milliseconds until a file of each node, all made at once, is on all nodes.
    pub crowd_ms: u64,
    /// What it took a node to send for one of those changes, on average.
    pub crowd: Share,
    /// What it took a node to tell that all know of all, which is said every ten minutes at most.
    pub stable: Share,
    /// Bytes of a node's Knowledge on the wire.
    pub knowledge: usize,
    /// Bytes of an entry on the wire, on average.
    pub entry: usize,
}

/// What one node sent for one change.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Share {
    /// Messages.
    pub messages: f64,
    /// Bytes.
    pub bytes: f64,
}

impl Share {
    fn of(sent: Traffic, nodes: usize, changes: usize) -> Share {
        let each = |total: u64| total as f64 / (nodes * changes) as f64;
        Share { messages: each(sent.messages), bytes: each(sent.bytes) }
    }
}

impl Figures {
    /// The head of a table of figures.
    pub const HEAD: &'static str = "\
| nodes | a change is on half, on all (ms) | a node sends for it | one change of each at once: on \
all (ms) | a node sends for each | in ten minutes at most | Knowledge (bytes) | an entry (bytes) |
|---|---|---|---|---|---|---|---|";
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let Figures { nodes, alone_ms: (half, all), alone, crowd_ms, crowd, stable, .. } = self;
        write!(f, "| {nodes} | {half}, {all} | {alone} | {crowd_ms} | {crowd} | {stable} ")?;
        write!(f, "| {} | {} |", self.knowledge, self.entry)
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        write!(f, "{:.1} messages, {:.0} bytes", self.messages, self.bytes)
    }
}

/// Lets a cluster of this size live, and measures.
pub fn measure(seed: u64, nodes: usize) -> Figures {
    let mut world = joined(seed, nodes);
    let mut chance = Random::new(seed, 6);
    // What is told every ten minutes at most is told after the first change.
    write(&mut world, 0, 0);
    world.run_for(STABLE_MS);
    let before = world.traffic;
    let mut times = Vec::new();
    for change in 1..=ALONE {
        let author = chance.below(nodes);
        let from_ms = world.now_ms;
        write(&mut world, author, change);
        let half_ms = until(&mut world, change..change + 1, nodes / 2) - from_ms;
        let all_ms = until(&mut world, change..change + 1, nodes) - from_ms;
        world.run_for(ECHO_MS);
        times.push((half_ms, all_ms));
    }
    let alone = Share::of(world.traffic - before, nodes, ALONE);
    let (before, from_ms) = (world.traffic, world.now_ms);
    for author in 0..nodes {
        write(&mut world, author, ALONE + 1 + author);
    }
    let crowd_ms = until(&mut world, ALONE + 1..ALONE + 1 + nodes, nodes) - from_ms;
    world.run_for(ECHO_MS);
    let crowd = Share::of(world.traffic - before, nodes, nodes);
    let before = world.traffic;
    world.run_to_rest();
    let stable = Share::of(world.traffic - before, nodes, 1);
    checkers::at_rest(&world);
    let median = |of: fn(&(u64, u64)) -> u64| {
        let mut times: Vec<u64> = times.iter().map(of).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    let alone_ms = (median(|times| times.0), median(|times| times.1));
    let (knowledge, entry) = sizes(&world);
    Figures { nodes, alone_ms, alone, crowd_ms, crowd, stable, knowledge, entry }
}

/// All have joined the first, and are at rest.
fn joined(seed: u64, nodes: usize) -> World {
    let options = Options { nodes, delay_ms: HOP_MS, ..Options::STILL };
    let mut world = World::new(seed, options);
    for node in 0..nodes {
        world.start(node);
    }
    for (a, b) in graph(nodes, &mut Random::new(seed, 7)) {
        world.set_link(a, b, true);
    }
    world.run_to_rest();
    world
}

/// Rings over all nodes in random orders: each node has [`DEGREE`] links, or fewer where two rings
/// have the same.
fn graph(nodes: usize, chance: &mut Random) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    for _ in 0..DEGREE / 2 {
        let mut ring: Vec<usize> = (0..nodes).collect();
        for place in (1..nodes).rev() {
            ring.swap(place, chance.below(place + 1));
        }
        links.extend((0..nodes).map(|place| (ring[place], ring[(place + 1) % nodes])));
    }
    links.retain(|(a, b)| a != b);
    links
}

fn name(change: usize) -> Name {
    Name::new(format!("change-{change}").as_bytes()).expect("a short name")
}

fn write(world: &mut World, author: usize, change: usize) {
    world.by_hand(author, |model, root| {
        let bytes = format!("{change:0BYTES$}");
        let made = model.make(&(root, name(change)), FileKind::File, 0o644, bytes.as_bytes());
        made.expect("nobody else makes it");
    });
}

/// Lets time pass until so many nodes show all of these changes; when that is.
fn until(world: &mut World, changes: std::ops::Range<usize>, nodes: usize) -> u64 {
    let mut missing: Vec<usize> = (0..world.nodes.len()).collect();
    let names: Vec<Name> = changes.map(name).collect();
    loop {
        missing.retain(|&node| !shows(world, node, &names));
        if world.nodes.len() - missing.len() >= nodes {
            return world.now_ms;
        }
        assert!(!world.is_at_rest(), "{} nodes lack a change", missing.len());
        world.run_for(1);
    }
}

fn shows(world: &World, node: usize, names: &[Name]) -> bool {
    let root = world.root(node);
    let has = |model: &mut Model, root: Inode| names.iter().all(|n| model.at(root, n).is_ok());
    world.nodes[node].disk.with(|model| has(model, root))
}

/// Bytes of the file of an index for each of the files of a folder, as one of two nodes keeps it
/// that was told of them.
///
/// # Panics
/// There is no room for it among the temporary files.
pub fn index_bytes(seed: u64) -> u64 {
    let mut world = joined(seed, 2);
    (0..FILES).for_each(|change| write(&mut world, 0, change));
    world.run_to_rest();
    let index = &world.nodes[1].index;
    assert!(index.entry_count() > FILES as u64, "the other has not heard of all");
    let dir = std::env::temp_dir().join(format!("scale-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a temporary directory");
    let path = dir.join("index.sqlite");
    let mut store = Store::create(&path, &index.meta()).expect("a temporary file");
    index.incarnations().iter().for_each(|life| store.put_incarnation(life));
    store.set_knowledge(&index.knowledge());
    index.entries().for_each(|stored| store.put_entry(stored));
    index.seen_rows().for_each(|row| store.put_seen(row));
    store.commit().expect("there is room");
    drop(store);
    let bytes = std::fs::metadata(&path).expect("it is closed").len();
    std::fs::remove_dir_all(&dir).expect("ours");
    bytes / FILES as u64
}

/// Bytes of a Knowledge, and of an entry.
fn sizes(world: &World) -> (usize, usize) {
    let index = &world.nodes[0].index;
    let ack = |knowledge| {
        wire::encode(FOLDER, &Message::Ack(Ack { knowledge, applied: Vec::new() })).len()
    };
    let knowledge = ack(index.knowledge()) - ack(Knowledge::default());
    let entries = index.ids(ROOT, EntryId([u8::MAX; 16]), usize::MAX);
    let bytes = entries.iter().filter_map(|id| index.entry(*id));
    let bytes: usize = bytes.map(|stored| wire::entry_bytes(&stored.entry)).sum();
    (knowledge, bytes / entries.len())
}

#[cfg(test)]
mod tests {
    use super::{graph, index_bytes, measure, DEGREE};
    use crate::random::Random;
    use std::collections::BTreeSet;

    #[test]
    fn each_node_has_its_links_and_all_are_reached() {
        let links = graph(50, &mut Random::new(1, 7));
        assert_eq!(links.len(), 50 * DEGREE / 2);
        let mut reached = BTreeSet::from([0]);
        for _ in 0..50 {
            let next = links.iter().filter(|(a, b)| reached.contains(a) || reached.contains(b));
            let next: Vec<usize> = next.flat_map(|&(a, b)| [a, b]).collect();
            reached.extend(next);
        }
        assert_eq!(reached.len(), 50);
    }

    #[test]
    fn an_index_takes_less_than_a_kilobyte_for_a_file() {
        let bytes = index_bytes(0);
        assert!((100..1_000).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn more_nodes_cost_each_of_them_no_more_for_a_change() {
        let (few, many) = (measure(1, 8), measure(1, 24));
        assert!(many.alone.messages < few.alone.messages * 2.0, "{few}\n{many}");
        assert!(many.alone_ms.1 < few.alone_ms.1 * 4, "{few}\n{many}");
    }
}
