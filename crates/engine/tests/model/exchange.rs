//! Exchange of whole states, and of random parts of them.

use super::state::{join_entry, pair, Dot, Entry, Id, Location, Seen, Stamp, ROOT};
use super::tree::{places, Mode};
use super::world::{Mutant, World};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// `to` joins everything `from` has: absence there means superseded or deleted.
    pub fn join_whole(&mut self, to: usize, from: usize) {
        let (me, peer) = pair(&mut self.nodes, to, from);
        let ids: BTreeSet<Id> = me.state.keys().chain(peer.state.keys()).copied().collect();
        let (mut out, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for id in ids {
            let (mine, theirs) = (me.state.get(&id), peer.state.get(&id));
            let blank = Entry::blank(mine.or(theirs).is_some_and(|e| e.directory));
            let (mine_or, theirs_or) = (mine.unwrap_or(&blank), theirs.unwrap_or(&blank));
            let my = Seen(&me.known, mine_or.context.as_ref());
            let their = Seen(&peer.known, theirs_or.context.as_ref());
            let mut joined = join_entry((mine_or, my), (theirs_or, their));
            joined.widen(theirs_or.context.as_ref());
            self.broken |= joined.location.is_empty() && !joined.content.is_empty();
            match joined.is_empty() {
                false => drop(out.insert(id, joined)),
                true => drop(gone.insert(id, mine.or(theirs).unwrap().registers())),
            }
        }
        let revived = revive_folders(&mut out, &gone);
        me.known.merge(&peer.known);
        me.clock = me.clock.max(peer.clock);
        me.state = out;
        let known = &me.known;
        me.state.values_mut().for_each(|e| e.close_context(known));
        for (id, place) in revived {
            let dot = me.mint();
            me.state.get_mut(&id).unwrap().location = BTreeMap::from([(dot, place)]);
        }
        if self.options.mode == Mode::Beside {
            self.split_own_losers(to);
        }
    }

    /// The author of a losing version publishes the split.
    fn split_own_losers(&mut self, at: usize) {
        let node = &self.nodes[at];
        let live = places(&node.state);
        let mine = |e: &Entry| e.losers().iter().any(|d| e.content[d].stamp.dot.node == node.node);
        let ids: Vec<Id> = live.keys().filter(|id| mine(&node.state[id])).copied().collect();
        for id in ids {
            self.split(at, id);
        }
    }

    /// `to` joins some entries of `from` and claims only the dots in them.
    pub fn join_part(&mut self, to: usize, from: usize) {
        let (me, peer) = pair(&mut self.nodes, to, from);
        let unknown = |e: &Entry| -> BTreeSet<Dot> {
            e.dots().into_iter().filter(|d| !me.known.contains(*d)).collect()
        };
        let news: BTreeMap<Id, BTreeSet<Dot>> = peer
            .state
            .iter()
            .map(|(id, e)| (*id, unknown(e)))
            .filter(|(_, dots)| !dots.is_empty())
            .collect();
        let mut part: BTreeSet<Id> =
            news.keys().filter(|_| self.random.chance(50)).copied().collect();
        let split = self.options.mutant == Mutant::SplitFrames;
        loop {
            let dots: BTreeSet<Dot> = part.iter().flat_map(|id| news[id].iter().copied()).collect();
            let more = news.iter().filter(|(id, d)| !part.contains(id) && !d.is_disjoint(&dots));
            let more: Vec<Id> = more.map(|(id, _)| *id).collect();
            if more.is_empty() || split {
                break;
            }
            part.extend(more);
        }
        for id in &part {
            let theirs = &peer.state[id];
            let blank = Entry::blank(theirs.directory);
            let mine = me.state.get(id).unwrap_or(&blank);
            let my = Seen(&me.known, mine.context.as_ref());
            let their = Seen(&peer.known, theirs.context.as_ref());
            let mut joined = join_entry((mine, my), (theirs, their));
            if self.options.mutant != Mutant::NoContexts {
                joined.widen(theirs.context.as_ref());
                joined.widen(Some(&peer.known));
            }
            match joined.is_empty() {
                false => drop(me.state.insert(*id, joined)),
                true => drop(me.state.remove(id)),
            }
        }
        for dot in part.iter().flat_map(|id| news[id].iter()) {
            me.known.insert(*dot);
            if self.options.mutant == Mutant::ClaimPrefix {
                peer.known.prefix(*dot).into_iter().for_each(|d| me.known.insert(d));
            }
        }
        me.clock = me.clock.max(peer.clock);
        let known = &me.known;
        me.state.values_mut().for_each(|e| e.close_context(known));
    }

    /// Drops tombstones that every active member knows; the mutant drops any of them.
    pub fn collect_tombstones(&mut self) {
        let known: Vec<_> = self.active.iter().map(|a| self.nodes[*a].known.clone()).collect();
        let aged = self.is(Mutant::AgedTombstones);
        for at in self.active.clone() {
            let state = &mut self.nodes[at].state;
            let parents: BTreeSet<Id> =
                state.values().filter_map(Entry::place).map(|p| p.parent).collect();
            let stable = |e: &Entry| {
                e.context.is_none()
                    && e.location.keys().all(|d| known.iter().all(|k| k.contains(*d)))
            };
            state.retain(|id, e| {
                e.place().is_some() || parents.contains(id) || !(aged || stable(e))
            });
        }
    }
}

/// A folder that the join dropped and a surviving entry still needs comes back.
fn revive_folders(
    out: &mut BTreeMap<Id, Entry>,
    gone: &BTreeMap<Id, Entry>,
) -> BTreeMap<Id, Location> {
    let mut work: Vec<Id> = out.keys().copied().collect();
    let mut revived = BTreeMap::new();
    while let Some(id) = work.pop() {
        let Some(place) = out[&id].place().filter(|p| p.parent != ROOT) else { continue };
        let folder = gone.get(&place.parent).filter(|_| !out.contains_key(&place.parent));
        let Some(last) = folder.and_then(Entry::last_place) else { continue };
        let last = Location { live: true, ..last };
        let placeholder = Dot { node: u8::MAX, life: 0, counter: 0 };
        let mut entry = Entry::blank(true);
        let stamp = Stamp { dot: placeholder, ..last.stamp };
        entry.location.insert(placeholder, Location { stamp, ..last });
        out.insert(place.parent, entry);
        revived.insert(place.parent, last);
        work.push(place.parent);
    }
    revived
}
