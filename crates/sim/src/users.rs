//! Programs and people who change any tree at any time: also between any two calls that the program
//! makes. What they wrote and what they gave up goes into the census.
//!
//! They work on the disk's model directly, by inode, and know nothing of the program. Called by the
//! world (a user's turn) and through `SimDisk`'s between (anywhere).

use crate::checkers::announced::Announced;
use crate::checkers::Census;
use crate::disk::model::{Inode, Model, Spot, Target};
use crate::disk::{Fate, SimDisk};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::refusals::Refusals;
use crate::scenario::{INTERRUPTIONS, INTERRUPTIONS_MAX, REFUSALS, REFUSALS_MAX};
use crate::swarm::{Counts, Options};
use disk::fs::FileKind;
use engine::content::Digest;
use engine::entry::Timestamp;
use engine::path::Name;
use std::collections::{BTreeSet, VecDeque};

mod acts;
mod rare;

/// A file at the root of the first node that no user touches. No user removes the last thing in the
/// root either: an emptied root stops its folder at the next start, and that is not what is tried
/// here.
pub const ANCHOR: &[u8] = b"anchor";
/// What a program makes and removes to see what a new root can do. Who takes it away in between
/// keeps the program from starting, and is told so.
const PROBE: &[u8] = b".syncline-probe";
/// How deep users make directories.
const DEPTH_MAX: usize = 3;
/// The names that users give.
const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"d.x"];
/// Where an editor writes before it renames.
pub const TEMPORARY: &[u8] = b".tmp";

/// What a user has begun and not ended.
#[derive(Clone, Debug)]
enum Rest {
    /// A file is open for writing; these pieces are still to come.
    Write { inode: Inode, offset: usize, pieces: VecDeque<Vec<u8>> },
    /// An editor's temporary file is to be renamed over the old one.
    RenameOver { from: Spot, to: Spot },
    /// A file is mapped, and these are still to be stored.
    Store { inode: Inode, pieces: VecDeque<(usize, Vec<u8>)> },
    /// A directory stands under another name, and a symlink in its place.
    SwapBack { link: Spot, real: Spot },
    /// A tree is being removed, deepest first.
    RemoveTree { dir: Inode },
}

/// One machine, as its users see it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The folder's root.
    pub root: Inode,
    /// Where the conflict store's contents lie, once there is one.
    pub state: Inode,
    rests: VecDeque<Rest>,
}

/// All users, with what they share: chance, memory, and a story.
pub struct Town {
    /// The users' chance.
    pub random: Random,
    /// Says before which calls of the program users come in between.
    pub calls: Random,
    /// Those who do not come, by number; see [`INTERRUPTIONS`].
    pub skip: BTreeSet<usize>,
    /// What was written and given up.
    pub census: Census,
    /// What that means for everybody.
    pub oracle: Oracle,
    /// What users have not touched since the power went.
    pub announced: Announced,
    /// By node.
    pub seats: Vec<Seat>,
    /// In so many of 1,000 calls of the program a user comes in between.
    pub permille: usize,
    /// Which calls of the programs fail.
    pub refusals: Refusals,
    /// Contents of files whose time users have set back: after a power loss nobody can tell these
    /// from what it left.
    pub set_back: BTreeSet<Digest>,
    /// How many have.
    pub refused: usize,
    /// A program is killed after so many of its calls.
    pub doom: Option<(usize, u32)>,
    /// What happened, if somebody wants to read it.
    pub story: Option<Vec<String>>,
    /// Milliseconds since the world's beginning, for the story.
    pub now_ms: u64,
    /// What kind of world it is.
    pub options: Options,
    /// What users did.
    pub operations: u64,
    /// What went wrong on purpose.
    pub faults: Counts,
    /// Names that users touched: bounds what may be minted.
    pub touches: u64,
    /// User operations that came in between two calls of a program.
    pub between: usize,
}

impl Town {
    /// A town without users.
    pub fn new(seed: u64, options: Options) -> Town {
        Town {
            random: Random::new(seed, 2),
            calls: Random::new(seed, 3),
            skip: BTreeSet::new(),
            census: Census::default(),
            oracle: Oracle::default(),
            announced: Announced::default(),
            seats: Vec::new(),
            permille: 0,
            refusals: Refusals::new(seed, &options),
            set_back: BTreeSet::new(),
            refused: 0,
            doom: None,
            story: None,
            now_ms: 0,
            options,
            operations: 0,
            faults: Counts::default(),
            touches: 0,
            between: 0,
        }
    }

    /// Adds a node's users.
    pub fn settle(&mut self, root: Inode, state: Inode) {
        self.seats.push(Seat { root, state, rests: VecDeque::new() });
    }

    /// The users of a machine find what those of another have; nobody has begun anything.
    pub fn sit_like(&mut self, node: usize, other: usize) {
        let Seat { root, state, .. } = self.seats[other];
        self.seats[node] = Seat { root, state, rests: VecDeque::new() };
    }

    /// What happens between two calls of the program of `node`.
    pub fn between(&mut self, node: usize, disk: &SimDisk, call: &'static str) -> Fate {
        if let Some((doomed, left)) = &mut self.doom {
            if *doomed == node {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.doom = None;
                    self.tell(|| format!("{node} dies before {call}"));
                    return Fate::Kill;
                }
            }
        }
        self.come_between(node, disk, call);
        self.refuse(node, call)
    }

    /// Whether the machine refuses this call.
    fn refuse(&mut self, node: usize, call: &'static str) -> Fate {
        let Some((kind, errno)) = self.refusals.at(node, call) else { return Fate::Go };
        let number = REFUSALS + self.refused;
        self.refused += 1;
        if self.refused > REFUSALS_MAX || self.skip.contains(&number) {
            return Fate::Go;
        }
        self.faults.add(kind);
        self.tell(|| format!("{node} is refused {call}: {errno}"));
        Fate::Fail(errno)
    }

    fn come_between(&mut self, node: usize, disk: &SimDisk, call: &'static str) {
        let comes = self.between < INTERRUPTIONS_MAX && self.calls.chance(self.permille);
        if comes {
            let number = INTERRUPTIONS + self.between;
            self.between += 1;
            // Each has a chance of its own: who does not come changes nothing in what others do.
            let chance = Random::new(self.calls.bits(), 2);
            if self.skip.contains(&number) {
                return;
            }
            self.random = chance;
            self.faults.add("user between two calls");
            disk.with(|model| {
                self.tell(|| format!("{node} before {call}:"));
                self.hear(node, model);
                self.act(node, model);
                self.hear(node, model);
            });
        }
    }

    /// Takes in what was done to a disk since this was asked last.
    pub fn hear(&mut self, node: usize, model: &mut Model) {
        for (ours, deed) in model.take_deeds() {
            if !ours {
                self.announced.touched(node, &deed);
            }
            self.oracle.hear(node, ours, deed, model);
        }
    }

    /// Adds a line to the story.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let ms = self.now_ms;
        if let Some(story) = &mut self.story {
            story.push(format!("{ms:>7} {}", line()));
        }
    }

    /// One step of a user of `node`: something begun goes on, or something new begins.
    pub fn act(&mut self, node: usize, model: &mut Model) {
        let goes_on = !self.seats[node].rests.is_empty() && self.random.chance(600);
        if goes_on {
            self.go_on(node, model);
        } else {
            let mut user = User { town: self, node, model };
            let what = user.begin();
            self.has_done(node, &what);
        }
    }

    /// The machine of `node` has lost its power: its users begin anew, and owe nobody what is gone.
    pub fn lose_power(&mut self, node: usize, here: &BTreeSet<Digest>, others: &BTreeSet<Digest>) {
        self.seats[node].rests.clear();
        self.census.lost(node, here, others);
    }

    /// Files that users of `node` have begun to write, and not ended.
    pub fn half_written(&self, node: usize) -> BTreeSet<Inode> {
        let rests = self.seats[node].rests.iter();
        let inodes = rests.filter_map(|rest| match rest {
            Rest::Write { inode, .. } => Some(*inode),
            _ => None,
        });
        inodes.collect()
    }

    /// Ends everything that users of `node` have begun.
    pub fn finish(&mut self, node: usize, model: &mut Model) {
        while !self.seats[node].rests.is_empty() {
            self.go_on(node, model);
        }
    }

    /// Who deletes a file also lets go of what lost to it and waits in the conflict store, or in
    /// staging as long as the machine would not have it moved there. Which contents those are only
    /// the index knows: all count, but for what is on its way into the tree, as its name says.
    pub fn let_go_of_kept(&mut self, node: usize, model: &Model) {
        let room = |name: &[u8]| {
            let name = Name::new(name).expect("a literal name");
            model.at(self.seats[node].state, &name).map(|dir| model.below(dir)).unwrap_or_default()
        };
        let is_displaced = |name: &Name, bytes: &[u8]| {
            let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
            let is_ours = name.ends_with(&crate::checkers::digest_of(bytes).to_string());
            !is_ours && (name.starts_with("swap-") || name.starts_with("aside-"))
        };
        let mut lost = Vec::new();
        for (_, inode) in room(b"kept") {
            lost.extend(model.thing(inode).ok());
        }
        for ((_, name), inode) in room(b"stage") {
            let thing = model.thing(inode).ok();
            lost.extend(thing.filter(|thing| is_displaced(&name, &thing.bytes)));
        }
        lost.into_iter().for_each(|thing| self.census.let_go(&thing.bytes));
    }

    fn go_on(&mut self, node: usize, model: &mut Model) {
        let Some(rest) = self.seats[node].rests.pop_front() else { return };
        let mut user = User { town: self, node, model };
        let what = user.go_on(rest);
        self.has_done(node, &what);
    }

    fn has_done(&mut self, node: usize, what: &str) {
        if !what.is_empty() {
            self.operations += 1;
            self.tell(|| format!("{node} USER {what}"));
        }
    }
}

/// A user at one disk, for one step.
struct User<'a> {
    town: &'a mut Town,
    node: usize,
    model: &'a mut Model,
}

impl User<'_> {
    fn root(&self) -> Inode {
        self.town.seats[self.node].root
    }

    /// Everything that users may touch.
    fn all(&self) -> Vec<(Spot, Inode)> {
        let all = self.model.below(self.root());
        let is_theirs = |name: &[u8]| name != ANCHOR && !name.starts_with(PROBE);
        all.into_iter().filter(|((_, name), _)| is_theirs(name.as_bytes())).collect()
    }

    fn pick(&mut self, fits: impl Fn(FileKind) -> bool) -> Option<(Spot, Inode)> {
        let kind = |inode: Inode| self.model.thing(inode).map(|thing| thing.kind);
        let all = self.all();
        let fitting: Vec<_> =
            all.into_iter().filter(|(_, inode)| kind(*inode).is_ok_and(&fits)).collect();
        (!fitting.is_empty()).then(|| self.town.random.pick(&fitting))
    }

    /// A name that a user might use, free or not.
    fn spot(&mut self) -> Spot {
        let root = self.root();
        let mut dirs = vec![root];
        for (_, inode) in self.all() {
            let path = self.model.dir(inode).ok().and(self.model.path_below(root, inode));
            if path.is_some_and(|path| path.names().len() < DEPTH_MAX) {
                dirs.push(inode);
            }
        }
        let dir = self.town.random.pick(&dirs);
        (dir, Name::new(self.town.random.pick(&NAMES)).expect("a literal name"))
    }

    fn path(&self, (dir, name): &Spot) -> String {
        let dir = self.model.path_below(self.root(), *dir).unwrap_or_default();
        format!("/{}", dir.join(name.clone()))
    }

    /// The time of a file that came from elsewhere.
    fn old_time(&mut self) -> Timestamp {
        let seconds = 1_600_000_000 + self.town.random.below(1000) as i64;
        Timestamp { seconds, nanos: 5 }
    }

    /// Removes a file's or symlink's name, knowing what it holds.
    fn unlink(&mut self, spot: &Spot) {
        let Ok(inode) = self.model.at(spot.0, &spot.1) else { return };
        if self.is_last(spot) {
            return;
        }
        self.lose_name(inode);
        self.town.let_go_of_kept(self.node, self.model);
        if self.model.unlink(spot).is_err() {
            // A directory: it goes if it is empty, as rmdir(1) would have it.
            let _ = self.model.remove_dir(spot);
        }
        self.town.touches += 2;
    }

    /// Whether it is the only thing in the root.
    fn is_last(&self, spot: &Spot) -> bool {
        spot.0 == self.root() && self.model.dir(spot.0).is_ok_and(|dir| dir.children.len() == 1)
    }

    /// Whoever overwrites or removes a file's last name has given up its bytes.
    fn give_up(&mut self, inode: Inode) {
        let Ok(thing) = self.model.thing(inode) else { return };
        if thing.kind == FileKind::File {
            self.town.census.gave_up(self.node, &thing.bytes);
        }
    }

    /// Only who takes a file's last name away has given up its bytes. Of another's every user
    /// elsewhere may think that it is not the last.
    fn lose_name(&mut self, inode: Inode) {
        let Ok(thing) = self.model.thing(inode) else { return };
        let below = self.model.below(self.root());
        // Names that the program has given it for a moment are nobody's.
        if below.into_iter().filter(|(_, other)| *other == inode).count() == 1 {
            self.give_up(inode);
        } else if thing.kind == FileKind::File {
            self.town.census.let_go(&thing.bytes);
        }
    }

    /// What is there has got this name.
    fn named(&mut self, spot: &Spot) {
        let there = self.model.at(spot.0, &spot.1).and_then(|inode| self.model.thing(inode));
        if let Some(thing) = there.ok().filter(|thing| thing.kind == FileKind::File) {
            self.town.census.named(self.node, &thing.bytes);
        }
    }

    fn rename(&mut self, from: &Spot, to: &Spot) -> bool {
        if self.is_last(from) && from.0 != to.0 {
            return false;
        }
        if let Ok(there) = self.model.at(to.0, &to.1) {
            let same = self.model.at(from.0, &from.1) == Ok(there);
            let replaces = self.model.thing(there).is_ok_and(|t| t.kind != FileKind::Dir);
            if replaces && !same {
                self.lose_name(there);
                self.town.let_go_of_kept(self.node, self.model);
            }
        }
        self.town.touches += 4;
        let done = self.model.rename(from, to, Target::Replaced).is_ok();
        if done {
            self.named(to);
        }
        done
    }
}
