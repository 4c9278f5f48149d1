//! What must be true of a world: always, and when it has come to rest.

use super::disk::digest;
use super::world::{node_id, Node, World};
use engine::content::Content;
use engine::entry::{EntryId, Kind, Presence};
use engine::index::{Attributes, Index, MemIndex};
use engine::ledger::Facts;
use engine::path::RelPath;
use engine::view::{self, Shown};
use std::collections::{BTreeMap, BTreeSet};

type Tree = BTreeMap<RelPath, (Kind, Option<Content>, Attributes)>;

/// The tree that an index says every node must show.
pub fn view_of(index: &MemIndex) -> Tree {
    let mut tree = Tree::new();
    for stored in index.entries() {
        let Some(path) = path(index, stored.entry.id) else { continue };
        let whole = view::whole(index, &stored.entry);
        let desired = view::desired(&whole).expect("what is shown has content");
        let thing = (stored.entry.kind, desired.content, desired.attributes);
        assert!(tree.insert(path.clone(), thing).is_none(), "two entries are shown at /{path}");
    }
    tree
}

/// Which paths every node must show as names of one file.
fn names(index: &MemIndex) -> BTreeSet<BTreeSet<RelPath>> {
    let mut names: BTreeMap<EntryId, BTreeSet<RelPath>> = BTreeMap::new();
    for stored in index.entries() {
        let Some(body) = view::body_of(index, &stored.entry) else { continue };
        names.entry(body.id).or_default().extend(path(index, stored.entry.id));
    }
    names.into_values().filter(|paths| paths.len() > 1).collect()
}

fn path(index: &MemIndex, id: EntryId) -> Option<RelPath> {
    match view::place(index, id) {
        Shown::Root => Some(RelPath::root()),
        Shown::At { parent, name } => Some(path(index, parent)?.join(name)),
        Shown::Gone | Shown::As(_) => None,
        Shown::Orphan => panic!("{id:?} has no place"),
    }
}

/// At rest with all links up: everything is equal everywhere, and nothing is lost.
pub fn at_rest(world: &World) {
    let first = &world.nodes[0];
    for (number, node) in world.nodes.iter().enumerate() {
        let index = &node.index;
        let pending = index.pending_after(0, 10);
        assert!(pending.is_empty(), "{number} forgot what is pending: {}", waits(node));
        assert_eq!(index.knowledge(), first.index.knowledge(), "K of {number}");
        assert!(index.contexts().is_empty(), "{number} keeps contexts");
        same_entries(number, index, &first.index);
        assert_same(&node.disk.tree(), &view_of(index), &format!("disk and view of {number}"));
        assert_eq!(
            node.disk.names(),
            names(index),
            "names on the disk and in the view of {number}"
        );
        derived(index, number);
        let held: BTreeSet<_> = node.disk.shown().union(&node.disk.kept).copied().collect();
        for wanted in world.oracle.wanted() {
            assert!(held.contains(&wanted), "{number} has lost {wanted:?}");
        }
        kept(world, number);
    }
    let minted = minted(&first.index);
    let bound = world.oracle.touches * 2 + 20;
    assert!(minted <= bound, "{minted} dots for {} touched names", world.oracle.touches);
}

/// What an engine knows of what is not in place.
fn waits(node: &Node) -> String {
    let pending = node.index.pending_after(0, 10);
    let engine = node.engine.as_ref().map(|engine| format!("{engine:#?}")).unwrap_or_default();
    let engine = engine.split("pending: Pending").nth(1).unwrap_or_default();
    format!("{pending:?} {engine}")
}

/// How many dots anybody ever minted.
pub fn minted(index: &MemIndex) -> u64 {
    index.knowledge().iter().map(|(_, seen)| seen.max()).sum()
}

fn assert_same(disk: &Tree, view: &Tree, what: &str) {
    for (path, thing) in disk {
        assert_eq!(Some(thing), view.get(path), "{what}, disk first, at /{path}");
    }
    let missing: Vec<_> = view.keys().filter(|path| !disk.contains_key(path)).collect();
    assert!(missing.is_empty(), "{what}: not on the disk: {missing:?}");
}

/// Who knows that all know of a deletion may have forgotten it.
fn same_entries(number: usize, index: &MemIndex, first: &MemIndex) {
    for (one, other) in [(index, first), (first, index)] {
        let frontier = other.frontier();
        for stored in one.entries() {
            let there = other.entry(stored.entry.id).map(|stored| stored.entry);
            let there = there.filter(|entry| !entry.is_blank());
            let forgotten = || {
                let dots = stored.entry.dots();
                !view::is_alive(stored) && dots.iter().all(|dot| frontier.contains(*dot))
            };
            let same = there.as_ref() == Some(&stored.entry) || (there.is_none() && forgotten());
            assert!(same, "S of {number} and 0: {:?} and {there:?}", stored.entry);
        }
    }
}

/// What is derived from entries is as if derived anew.
fn derived(index: &MemIndex, number: usize) {
    for stored in index.entries() {
        let id = stored.entry.id;
        let alive = |child: &&engine::index::Stored| {
            child.settled.as_ref().is_some_and(|at| at.parent == id && at.alive)
        };
        if id != engine::entry::ROOT && stored.entry.kind == Kind::Dir {
            let children = index.entries().filter(alive).count() as u32;
            assert_eq!(stored.live_children, children, "children of {id:?} on {number}");
        }
        let settled = view::settle(&stored.entry, stored.live_children);
        assert_eq!(stored.settled, settled, "place of {id:?} on {number}");
    }
}

/// The conflict store holds what lost, and nothing else.
fn kept(world: &World, number: usize) {
    let node = &world.nodes[number];
    let mut lost = BTreeSet::new();
    for stored in node.index.entries().filter(|stored| view::is_alive(stored)) {
        let losers = view::losers(&node.index, &stored.entry);
        lost.extend(losers.iter().filter_map(|data| digest(&data.content)));
    }
    if world.kills == 0 {
        assert_eq!(node.disk.kept, lost, "conflict store of {number}");
    }
    assert!(node.disk.kept.is_superset(&lost), "conflict store of {number} lacks some");
}

/// After each turn. A place without content is shown as nothing (decision 0002), and is forgotten
/// before anything rests. Only who lets go of what lost can make one, and here nobody does: whoever
/// puts a file somewhere brings its content.
pub fn nothing_is_hollow(number: usize, index: &MemIndex) {
    for entry in index.entries().map(|stored| &stored.entry) {
        let mut places = entry.loc.versions().iter();
        let is_put = places.any(|version| matches!(version.value.state, Presence::At(_)));
        let is_hollow = is_put && entry.kind != Kind::Dir && entry.data.is_empty();
        assert!(!is_hollow, "{number} has a place without content: {:?}", entry.id);
    }
}

/// Nobody says that a change stands on its disk when it does not.
pub fn honest(world: &World) {
    for (a, here) in world.nodes.iter().enumerate() {
        let Some(engine) = &here.engine else { continue };
        let life = here.index.meta().incarnation;
        for (b, there) in world.nodes.iter().enumerate().filter(|(b, _)| *b != a) {
            let Some(peer) = engine.exchange().peer(node_id(b)) else { continue };
            let Some(&applied) = peer.applied.get(&life) else { continue };
            // What it takes back at this moment is still on its way.
            let Some(claiming) = &there.engine else { continue };
            let now = claiming.exchange().clone().applied(&Facts::load(&there.index), &there.index);
            let applied = now.get(&life).map_or(0, |&now| now.min(applied));
            for stored in there.index.entries() {
                let [place] = stored.entry.loc.versions() else { continue };
                let at = &place.value;
                let alone = there.index.named(at.parent, &at.name).len() == 1;
                let united = view::united(&there.index, at.parent);
                let alone = alone && united.is_some_and(|dirs| dirs.len() == 1);
                if !alone || !matches!(at.state, Presence::At(_)) {
                    continue;
                }
                let mine = stored.entry.data.dots().chain([place.dot]);
                let mine = mine.filter(|dot| dot.incarnation == life && dot.counter <= applied);
                let mine: Vec<_> = mine.collect();
                let id = stored.entry.id;
                if !mine.contains(&place.dot)
                    || !matches!(view::place(&there.index, id), Shown::At { .. })
                {
                    continue;
                }
                let row = there.index.seen_of(id);
                let row = row
                    .unwrap_or_else(|| panic!("{b} claims {mine:?} but shows nothing of {id:?}"));
                for dot in mine {
                    let shown = row.dots.loc.contains(&dot) || row.dots.data.contains(&dot);
                    assert!(shown, "{b} claims {dot:?} of {a} and does not show it");
                }
            }
        }
    }
}

/// After a scan of everything nobody has minted or said anything.
pub fn no_echo(world: &mut World) {
    let before: Vec<u64> = world.nodes.iter().map(|node| minted(&node.index)).collect();
    let frames = world.frames;
    world.rescan();
    world.run_to_rest();
    let after: Vec<u64> = world.nodes.iter().map(|node| minted(&node.index)).collect();
    assert_eq!(before, after, "a scan of an unchanged disk mints");
    assert_eq!(frames, world.frames, "a scan of an unchanged disk sends");
}
