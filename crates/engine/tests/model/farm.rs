//! Worlds of nodes with disks: users on the disks, the daemon's observe and apply, and mishaps.

use super::disk::{Disk, Fault, File, Machine, DAMAGE};
use super::state::{Id, Known, Name, Node, State, Token};
use super::tree::{view, Mode};
use super::world::{Options, Outcome, World};
use std::collections::{BTreeMap, BTreeSet};

/// What happens in a farm.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub fault: Fault,
    /// Nodes other than the first start with files of their own and join later.
    pub prefilled: bool,
    /// The daemon is killed between a change of the disk and its record.
    pub kill: bool,
    /// Power is lost; what was not synced may be torn or gone.
    pub power: bool,
    /// Index and knowledge of a node are lost; its disk stays.
    pub rebuild: bool,
}

/// One act of a user on a disk.
struct Claim {
    at: usize,
    token: Option<Token>,
    superseded: BTreeSet<Token>,
    /// Not observed yet.
    pending: bool,
    /// Whether it must be there at the end: a power loss may take what was not observed.
    certain: bool,
}

/// The nodes, their disks and the oracle.
pub struct Farm {
    plan: Plan,
    world: World,
    disks: Vec<Disk>,
    member: Vec<bool>,
    claims: Vec<Claim>,
    past: BTreeMap<Token, BTreeSet<Token>>,
    excused: BTreeSet<Token>,
    /// Contents that users carried to another name and that are not observed there yet.
    carried: BTreeSet<(usize, Token)>,
}

const NAMES: [Name; 5] = [1, 2, 3, 4, 5];

impl Farm {
    fn new(seed: u64, plan: Plan, options: Options) -> Self {
        let world = World::new(seed, options);
        let count = world.nodes.len();
        let mut farm = Farm {
            plan,
            world,
            disks: vec![Disk::default(); count],
            member: vec![!plan.prefilled; count],
            claims: Vec::new(),
            past: BTreeMap::new(),
            excused: BTreeSet::new(),
            carried: BTreeSet::new(),
        };
        farm.member[0] = true;
        for at in 0..count {
            farm.disks[at].joining = plan.prefilled;
            farm.disks[at].sync();
        }
        farm
    }

    /// Runs `seed` to its end.
    pub fn outcome(seed: u64, plan: Plan, options: Options) -> Outcome {
        let mut farm = Farm::new(seed, plan, options);
        if plan.prefilled {
            farm.prefill();
        }
        let steps = farm.world.random.pick(&[40, 100, 250]);
        for _ in 0..steps {
            farm.step();
        }
        farm.settle();
        farm.check()
    }

    /// Equal copies of the first node's tree, some of it moved, join. Returns the dots that the
    /// joiners minted and the files shown beyond those of the first node.
    pub fn equal_join(seed: u64, fault: Fault, options: Options) -> Outcome {
        let plan = Plan { fault, prefilled: true, kill: false, power: false, rebuild: false };
        let mut farm = Farm::new(seed, plan, options);
        for name in NAMES.into_iter().take(3) {
            farm.write(0, name);
        }
        farm.observe(0);
        for _ in 0..farm.world.random.below(4) {
            farm.rename(0);
            farm.observe(0);
        }
        let tree = farm.disks[0].files.clone();
        for at in 1..farm.disks.len() {
            for (name, file) in &tree {
                let inode = farm.disks[at].new_inode();
                farm.disks[at].files.insert(*name, File { inode, ..*file });
            }
            farm.disks[at].sync();
        }
        if fault == Fault::EarlyMint {
            (1..farm.disks.len()).for_each(|at| farm.observe(at));
        }
        farm.settle();
        let mut outcome = farm.check();
        let minted: u32 = farm.world.nodes[1..].iter().map(|n| n.counter).sum();
        let extra = farm.disks[0].files.len().abs_diff(tree.len());
        outcome.invented += minted as usize + extra;
        outcome
    }

    fn prefill(&mut self) {
        for name in NAMES.into_iter().take(3) {
            self.write(0, name);
        }
        let base = self.disks[0].files.clone();
        self.observe(0);
        for at in 1..self.disks.len() {
            for (name, file) in &base {
                if self.world.random.chance(60) {
                    let inode = self.disks[at].new_inode();
                    self.disks[at].files.insert(*name, File { inode, ..*file });
                } else if self.world.random.chance(50) {
                    self.write(at, *name);
                }
            }
            self.excused.extend(self.disks[at].files.values().map(|f| f.token));
            self.disks[at].sync();
        }
    }

    fn step(&mut self) {
        let at = self.world.random.below(self.disks.len());
        match self.world.random.below(100) {
            0..12 => {
                let name = self.world.random.pick(&NAMES);
                self.write(at, name);
            }
            12..18 => self.remove(at),
            18..25 => self.rename(at),
            25..45 => self.observe(at),
            45..65 => self.apply(at, false),
            65..75 => self.world.deliver(),
            75..85 => self.world.walk(),
            85..89 => self.disks[at].sync(),
            89..91 if self.plan.kill => {
                self.apply(at, true);
                self.world.wire.disconnect(at);
            }
            91..93 if self.plan.power => self.lose_power(at),
            93..97 if !self.member[at] => self.join(at),
            97..98 if self.plan.rebuild && at > 0 => self.rebuild(at),
            _ => {}
        }
    }

    fn claim(&mut self, at: usize, token: Option<Token>, old: Option<Token>) {
        let mut superseded: BTreeSet<Token> = old.into_iter().collect();
        superseded.extend(old.and_then(|t| self.past.get(&t)).into_iter().flatten());
        if let Some(token) = token {
            self.past.insert(token, superseded.clone());
        }
        self.claims.push(Claim { at, token, superseded, pending: true, certain: true });
    }

    fn write(&mut self, at: usize, name: Name) {
        self.world.tokens += 1;
        let token = self.world.tokens;
        let old = self.disks[at].files.get(&name).map(|f| f.token);
        if self.world.random.chance(30) {
            self.disks[at].files.remove(&name);
        }
        self.disks[at].write(name, token);
        self.claim(at, Some(token), old);
    }

    fn remove(&mut self, at: usize) {
        let names: Vec<Name> = self.disks[at].files.keys().copied().collect();
        if names.is_empty() {
            return;
        }
        let name = self.world.random.pick(&names);
        let old = self.disks[at].files.remove(&name).map(|f| f.token);
        self.disks[at].changed();
        self.claim(at, None, old);
    }

    fn rename(&mut self, at: usize) {
        let names: Vec<Name> = self.disks[at].files.keys().copied().collect();
        let to = self.world.random.pick(&NAMES);
        if names.is_empty() || names.contains(&to) {
            return;
        }
        let from = self.world.random.pick(&names);
        let file = self.disks[at].files.remove(&from).unwrap();
        self.carried.insert((at, file.token));
        self.disks[at].files.insert(to, file);
        self.disks[at].changed();
    }

    fn machine(&mut self, at: usize) -> Machine<'_> {
        let (node, disk) = (&mut self.world.nodes[at], &mut self.disks[at]);
        Machine { node, disk, fault: self.plan.fault }
    }

    fn observe(&mut self, at: usize) {
        if !self.member[at] && self.plan.fault != Fault::EarlyMint {
            return;
        }
        let changed = self.machine(at).observe();
        self.world.push(at, &changed);
        self.excused.extend(std::mem::take(&mut self.disks[at].doubtful));
        for token in std::mem::take(&mut self.disks[at].minted) {
            // Old bytes under another name are a user's act, whatever happened to them elsewhere.
            if self.carried.contains(&(at, token)) {
                self.excused.insert(token);
            }
        }
        self.carried.retain(|(node, _)| *node != at);
        for token in std::mem::take(&mut self.disks[at].dropped) {
            self.claim(at, None, Some(token));
        }
        for claim in self.claims.iter_mut().filter(|c| c.at == at) {
            claim.pending = false;
        }
    }

    fn apply(&mut self, at: usize, dies: bool) {
        let ids: Vec<Id> = self.world.nodes[at].state.keys().copied().collect();
        if self.disks[at].joining || ids.is_empty() {
            return;
        }
        let id = self.world.random.pick(&ids);
        self.machine(at).apply(id, dies);
    }

    fn join(&mut self, at: usize) {
        let from = (0..self.disks.len()).find(|from| self.member[*from] && *from != at);
        if let Some(from) = from {
            self.world.walk_uncut(at, from);
            self.member[at] = true;
        }
    }

    fn lose_power(&mut self, at: usize) {
        let disk = &mut self.disks[at];
        let cut = self.world.random.below(disk.states.len());
        disk.files = disk.states[cut].clone();
        for (name, file) in &mut disk.files {
            let announced = disk.rows.values().any(|r| (r.name, r.file) == (*name, *file));
            if announced && disk.dirty.contains(&file.inode) && self.world.random.chance(50) {
                file.token = DAMAGE;
            }
        }
        if self.plan.fault != Fault::AnnounceDamage {
            self.machine(at).recover();
        }
        // Unobserved bytes that came back are a file like any other; they supersede nothing.
        let nodes = &self.world.nodes;
        let tokens = self.disks[at].files.values().map(|f| f.token);
        let unknown = tokens.filter(|t| !nodes.iter().any(|n| holds(&n.state, *t)));
        let rows = &self.disks[at].rows;
        self.excused.extend(unknown.filter(|t| !rows.values().any(|r| r.file.token == *t)));
        self.disks[at].sync();
        self.world.nodes[at].life += 1;
        self.world.nodes[at].counter = 0;
        self.world.wire.disconnect(at);
        for claim in self.claims.iter_mut().filter(|c| c.at == at && c.pending) {
            (claim.pending, claim.certain) = (false, false);
        }
    }

    fn rebuild(&mut self, at: usize) {
        let node = &mut self.world.nodes[at];
        let contents = node.state.values().flat_map(|e| e.content.values()).map(|c| c.token);
        let contents: BTreeSet<Token> = contents.collect();
        let life = node.life + 1;
        *node = Node { node: node.node, life, clock: node.clock, ..Node::default() };
        let disk = &mut self.disks[at];
        let there: BTreeSet<Token> = disk.files.values().map(|f| f.token).collect();
        (disk.rows, disk.intents) = (BTreeMap::new(), BTreeMap::new());
        disk.joining = true;
        disk.sync();
        self.member[at] = false;
        self.world.wire.disconnect(at);
        let nodes = &self.world.nodes;
        for claim in &mut self.claims {
            // The only copy was in this node's conflict store: the bytes are there, unlisted.
            let only_here = claim.token.is_some_and(|t| {
                contents.contains(&t)
                    && !there.contains(&t)
                    && !nodes.iter().any(|n| holds(&n.state, t))
            });
            claim.certain &= !only_here;
            if claim.at == at || only_here {
                self.excused.extend(&claim.superseded);
            }
        }
        self.excused.extend(there);
    }

    fn settle(&mut self) {
        let count = self.disks.len();
        for _ in 0..20 {
            (0..count)
                .filter(|at| !self.member[*at])
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|at| self.join(at));
            let before: Vec<Known> = self.world.nodes.iter().map(|n| n.known.clone()).collect();
            (0..count).for_each(|at| self.observe(at));
            for to in 0..count {
                (0..count).filter(|f| *f != to).for_each(|f| self.world.walk_to_the_end(to, f));
            }
            for at in 0..count {
                let ids: Vec<Id> = self.world.nodes[at].state.keys().copied().collect();
                (0..4).flat_map(|_| ids.iter()).for_each(|id| self.machine(at).apply(*id, false));
            }
            let quiet = self.world.nodes.iter().zip(&before).all(|(n, k)| n.known == *k);
            if quiet && (0..count).all(|at| self.is_applied(at)) {
                return;
            }
        }
        self.world.broken = true;
    }

    fn is_applied(&self, at: usize) -> bool {
        let tree = view(&self.world.nodes[at].state, Mode::Store);
        let want: BTreeMap<Name, Token> =
            tree.values().filter_map(|s| Some((s.name, s.token?))).collect();
        want == self.tree(at)
    }

    fn tree(&self, at: usize) -> BTreeMap<Name, Token> {
        self.disks[at].files.iter().map(|(name, file)| (*name, file.token)).collect()
    }

    fn check(&self) -> Outcome {
        let nodes = &self.world.nodes;
        let state = &nodes[0].state;
        let same = (1..nodes.len())
            .all(|at| self.tree(at) == self.tree(0) && stored(&nodes[at].state) == stored(state));
        let gone = |certain_only: bool| -> BTreeSet<Token> {
            let claims = self.claims.iter().filter(|c| c.certain || !certain_only);
            claims.flat_map(|c| c.superseded.iter().copied()).collect()
        };
        let (any, sure) = (gone(false), gone(true));
        let written = self.claims.iter().filter(|c| c.certain).filter_map(|c| c.token);
        let maximal: BTreeSet<Token> = written.filter(|t| !any.contains(t)).collect();
        let old = |t: &Token| sure.contains(t) && !self.excused.contains(t);
        let beaten = state.values().filter(|e| {
            let winner = e.winner();
            let over = |c: Token| {
                self.past.get(&c).is_some_and(|p| winner.is_some_and(|w| p.contains(&w)))
            };
            e.tokens().into_iter().any(|t| Some(t) != winner && maximal.contains(&t) && over(t))
        });
        // What a rebuilt node imports never beats an edit, though it may be newer.
        let beaten = if self.plan.rebuild { 0 } else { beaten.count() };
        let tree = self.tree(0);
        let store = stored(state);
        Outcome {
            lost: maximal.iter().filter(|t| !holds(state, **t)).count(),
            diverged: usize::from(!same),
            stale: tree.values().filter(|t| old(t)).count() + beaten,
            invented: store.iter().filter(|t| old(t) || **t == DAMAGE).count(),
            broken: usize::from(self.world.broken),
            maximal: maximal.len(),
            contexts: 0,
        }
    }
}

fn holds(state: &State, token: Token) -> bool {
    state.values().any(|e| e.content.values().any(|c| c.token == token))
}

fn stored(state: &State) -> BTreeSet<Token> {
    state.values().flat_map(|e| e.tokens()).collect()
}
