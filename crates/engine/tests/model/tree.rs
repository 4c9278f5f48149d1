//! The tree that everybody must show for a state: liveness, cycles, name clashes, conflict copies.
//!
//! Pure and total over any state, also over half a transfer.

use super::state::{derive, Entry, Id, Name, State, Token, ROOT};
use std::collections::{BTreeMap, BTreeSet};

/// Whether losers stay in the register or are shown beside the winner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Store,
    Beside,
}

const CLASH: u64 = 1 << 40;
const ORPHAN: u64 = 2 << 40;
const CYCLE: u64 = 3 << 40;
const COPY: u64 = 4 << 40;
const COPY_NAME: u64 = 5 << 40;

/// One line of the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    pub parent: Id,
    pub name: Name,
    pub directory: bool,
    pub token: Option<Token>,
}

/// The id of the conflict copy of `token` beside `id`: the same on every node.
pub fn copy_id(id: Id, token: Token) -> Id {
    derive(&[COPY, id, u64::from(token)])
}

/// The name of a conflict copy.
pub fn copy_name(name: Name, token: Token) -> Name {
    derive(&[COPY_NAME, name, u64::from(token)])
}

/// Where every live entry is: parent and name, before clashes are settled.
pub fn places(state: &State) -> BTreeMap<Id, (Id, Name)> {
    let at = |e: &Entry| e.place().map(|l| (l.parent, l.name));
    let mut live: BTreeMap<Id, (Id, Name)> =
        state.iter().filter_map(|(id, e)| at(e).map(|p| (*id, p))).collect();
    let mut work: Vec<Id> = live.keys().copied().collect();
    while let Some(id) = work.pop() {
        let parent = live[&id].0;
        if parent == ROOT || live.contains_key(&parent) {
            continue;
        }
        if let Some(last) = state.get(&parent).and_then(Entry::last_place) {
            live.insert(parent, (last.parent, last.name));
            work.push(parent);
        }
    }
    let ids: BTreeSet<Id> = live.keys().copied().collect();
    for (id, place) in &mut live {
        if place.0 != ROOT && !ids.contains(&place.0) {
            *place = (ROOT, derive(&[ORPHAN, *id]));
        }
    }
    while let Some(cycle) = find_cycle(&live) {
        let stamp = |id: &Id| state[id].last_place().map(|l| l.stamp);
        let last = cycle.into_iter().max_by_key(|id| (stamp(id), *id)).unwrap();
        live.insert(last, (ROOT, derive(&[CYCLE, last])));
    }
    live
}

fn find_cycle(live: &BTreeMap<Id, (Id, Name)>) -> Option<Vec<Id>> {
    let mut good = BTreeSet::from([ROOT]);
    for id in live.keys() {
        let mut path = Vec::new();
        let mut at = *id;
        while !good.contains(&at) {
            if let Some(start) = path.iter().position(|p| *p == at) {
                return Some(path.split_off(start));
            }
            path.push(at);
            at = live[&at].0;
        }
        good.extend(path);
    }
    None
}

/// The whole tree by id.
pub fn view(state: &State, mode: Mode) -> BTreeMap<Id, Shown> {
    let places = places(state);
    let mut shown = BTreeMap::new();
    for (id, &(parent, name)) in &places {
        let entry = &state[id];
        let directory = entry.directory;
        let token = if directory { None } else { entry.winner() };
        shown.insert(*id, Shown { parent, name, directory, token });
        for loser in entry.losers().iter().filter(|_| mode == Mode::Beside) {
            let token = entry.content[loser].token;
            let name = copy_name(name, token);
            if !places.contains_key(&copy_id(*id, token)) {
                let line = Shown { parent, name, directory: false, token: Some(token) };
                shown.insert(copy_id(*id, token), line);
            }
        }
    }
    rename_clashes(&mut shown);
    shown
}

fn rename_clashes(shown: &mut BTreeMap<Id, Shown>) {
    let mut order: Vec<(bool, Id)> = shown.iter().map(|(id, s)| (!s.directory, *id)).collect();
    order.sort_unstable();
    let mut taken = BTreeSet::new();
    for (_, id) in order {
        let line = shown.get_mut(&id).unwrap();
        if !taken.insert((line.parent, line.name)) {
            line.name = derive(&[CLASH, line.name, id]);
        }
    }
}

/// The tree as a user sees it: path to content, a directory having none. None if two paths clash.
pub fn paths(shown: &BTreeMap<Id, Shown>) -> Option<BTreeMap<Vec<Name>, Option<Token>>> {
    let path = |mut id: Id| {
        let mut names = Vec::new();
        while id != ROOT {
            names.push(shown[&id].name);
            id = shown[&id].parent;
        }
        names.reverse();
        names
    };
    let all: BTreeMap<_, _> = shown.iter().map(|(id, s)| (path(*id), s.token)).collect();
    (all.len() == shown.len()).then_some(all)
}
