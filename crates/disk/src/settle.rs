//! Hints -> paths to look at now: delayed, coalesced, bounded, backed off.
//!
//! Pure: time is an argument (milliseconds since any start), nothing is read, same calls give same
//! answers. Not the probe that says whether a file is at rest: who looks finds out, and reports
//! [`Settle::busy`]. Called by the daemon's loop between `watch` and `scan`.

mod hidden;
mod pace;

pub use hidden::{Hidden, Left};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::index::Handle;
use engine::path::RelPath;
use engine::proof::{broken, Mutant};

use crate::watch::{Hint, Touched};
use pace::Paces;

/// First wait before a path that was busy is looked at again.
const BUSY_MS_MIN: u64 = 50;
/// Longest wait before a path that was busy is looked at again (decisions R3).
const BUSY_MS_MAX: u64 = 5_000;
/// Subtrees waiting above which everything is one tree.
const TREES_MAX: usize = 1_024;
/// A directory is worth collapsing from this many waiting names on; below, all become one tree.
const COLLAPSE_NAMES_MIN: usize = 16;
/// Hints are numbered from here; below are the numbers of busy paths, which were hinted before
/// every cookie that still waits.
const HEARD_START: u64 = 1 << 48;
/// Files changed through one name that are remembered with it.
const INODES_MAX: usize = 4;
/// Barriers waiting at once; a caller beyond it runs into its own time-out.
const COOKIES_MAX: usize = 1_024;

/// What a folder's settings say.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a change waits for others, counted from the first; 0 delivers at once.
    pub delay_ms: u64,
    /// Names waiting above which a directory's names are collapsed to its tree.
    pub names_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { delay_ms: 0, names_max: 65_536 }
    }
}

/// What to look at now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Single entries (the root itself is the root path), parents before children.
    pub names: Vec<(RelPath, Touched)>,
    /// Whole subtrees, parents before children; none lies inside another.
    pub trees: Vec<RelPath>,
    /// Files that were changed through names: to be looked at under those by which they are known,
    /// too. With a path only if something else or nothing is found there.
    pub inodes: Vec<(Option<RelPath>, Handle)>,
    /// Events were lost; `trees` holds the root.
    pub lost: bool,
    /// Barriers that are reached once this batch has been looked at.
    pub cookies: Vec<Reached>,
}

/// A cookie before which everything has been delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached {
    /// The number in the cookie's name.
    pub cookie: u64,
    /// Paths that are held back because somebody has them open for writing.
    pub open: Vec<RelPath>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Batch { names, trees, inodes, lost: _, cookies } = self;
        names.is_empty() && trees.is_empty() && inodes.is_empty() && cookies.is_empty()
    }
}

/// When something is due, and when it was first heard of; the second makes it unique.
type Turn = (u64, u64);

struct Waiting {
    turn: Turn,
    what: Touched,
    /// What was changed through it.
    inodes: Vec<Handle>,
    busy: bool,
}

impl Waiting {
    /// Whether a look at the name may show another file than the one that was changed through it.
    fn is_another(&self) -> bool {
        is_end(self.what) || self.inodes.len() > 1
    }
}

/// Everything that waits to be looked at.
pub struct Settle {
    options: Options,
    names: BTreeMap<RelPath, Waiting>,
    turns: BTreeMap<Turn, RelPath>,
    per_directory: BTreeMap<RelPath, usize>,
    trees: BTreeMap<RelPath, Turn>,
    /// When each name or tree was first heard of, except busy ones: what a cookie waits for.
    heard: BTreeSet<u64>,
    cookies: VecDeque<(u64, u64)>,
    /// Changed through names that do not wait any more.
    inodes: BTreeSet<Handle>,
    lost: bool,
    paces: Paces,
    last_heard: u64,
    last_busy: u64,
}

impl Settle {
    /// Nothing waits yet.
    pub fn new(options: Options) -> Settle {
        Settle {
            options,
            names: BTreeMap::new(),
            turns: BTreeMap::new(),
            per_directory: BTreeMap::new(),
            trees: BTreeMap::new(),
            heard: BTreeSet::new(),
            cookies: VecDeque::new(),
            inodes: BTreeSet::new(),
            lost: false,
            paces: Paces::default(),
            last_heard: HEARD_START,
            last_busy: 0,
        }
    }

    /// Takes a hint. A cookie makes everything before it due at once: a barrier does not wait for
    /// the folder's delay.
    pub fn push(&mut self, now_ms: u64, hint: Hint) {
        match hint {
            Hint::Name { dir, name, what } => self.push_name(now_ms, dir.join(name), what),
            Hint::Inode { path, handle } => self.push_inode(&path, handle),
            Hint::Root(what) => self.push_name(now_ms, RelPath::root(), what),
            Hint::Tree(path) => self.push_tree(now_ms, path),
            Hint::Lost => {
                self.lost = true;
                self.push_tree(now_ms, RelPath::root());
            }
            Hint::Cookie(cookie) => self.push_cookie(now_ms, cookie),
        }
    }

    /// A path that was delivered has a writer: it comes again after 50 ms, then 100, up to 5 s, or
    /// at once when it is hinted.
    pub fn busy(&mut self, now_ms: u64, path: RelPath) {
        if self.names.contains_key(&path) || broken(Mutant::BusyForgotten) {
            // Hinted again since it was delivered: that look comes first.
            return;
        }
        let wait_ms = self.paces.next_wait_ms(now_ms, &path, BUSY_MS_MIN, BUSY_MS_MAX);
        self.last_busy += 1;
        let turn = (now_ms.saturating_add(wait_ms), self.last_busy);
        let (what, inodes) = (Touched::empty(), Vec::new());
        self.insert(path, Waiting { turn, what, inodes, busy: true });
        self.bound(now_ms);
    }

    /// Takes what is due: at most `max` names (and all due trees), and the cookies that are reached
    /// with it.
    pub fn take_due(&mut self, now_ms: u64, max: usize) -> Batch {
        let mut batch = Batch::default();
        let due = self.trees.iter().filter(|(_, turn)| turn.0 <= now_ms);
        batch.trees = due.map(|(path, _)| path.clone()).collect();
        for path in &batch.trees {
            if let Some(turn) = self.trees.remove(path) {
                self.heard.remove(&turn.1);
            }
        }
        batch.lost = batch.trees.first().is_some_and(RelPath::is_root) && self.lost;
        self.lost &= !batch.lost;
        while batch.names.len() < max {
            let Some((turn, path)) = self.turns.first_key_value() else { break };
            if turn.0 > now_ms {
                break;
            }
            let path = path.clone();
            let Some(waiting) = self.drop_name(&path) else { break };
            if !waiting.busy {
                self.paces.delivered(now_ms, &path);
            }
            let there = (!waiting.is_another()).then(|| path.clone());
            batch.inodes.extend(waiting.inodes.into_iter().map(|inode| (there.clone(), inode)));
            batch.names.push((path, waiting.what));
        }
        batch.names.sort_by(|(a, _), (b, _)| a.cmp(b));
        let inodes = std::mem::take(&mut self.inodes);
        batch.inodes.extend(inodes.into_iter().map(|inode| (None, inode)));
        batch.cookies = self.reached();
        batch
    }

    /// When [`Settle::take_due`] has something next; `None` while nothing waits.
    pub fn deadline(&self) -> Option<u64> {
        if self.cookies.front().is_some_and(|cookie| self.is_reached(cookie.0)) {
            return Some(0);
        }
        let name = self.turns.first_key_value().map(|(turn, _)| turn.0);
        let tree = self.trees.values().map(|turn| turn.0).min();
        name.into_iter().chain(tree).min()
    }

    /// Names and trees that wait, for status.
    pub fn waiting(&self) -> usize {
        self.names.len() + self.trees.len()
    }

    /// Paths held back because somebody has them open for writing.
    pub fn open(&self) -> Vec<RelPath> {
        let busy = self.names.iter().filter(|(_, waiting)| waiting.busy);
        busy.map(|(path, _)| path.clone()).collect()
    }

    fn push_name(&mut self, now_ms: u64, path: RelPath, what: Touched) {
        if let Some(waiting) = self.names.get_mut(&path).filter(|waiting| !waiting.busy) {
            // It keeps its turn: a file that changes all the time is not put off for ever.
            waiting.what |= what;
            return;
        }
        let held_back = self.drop_name(&path);
        // A tree that waits covers it, unless it was held back since before that tree was hinted,
        // or it went: a walk misses only names that the index knows, and the look that saw this one
        // may still be on its way there. Nor where it came by a rename: the two ends of one are
        // looked at together, or it is a deletion and a creation.
        let covered = || path.parent().is_some_and(|parent| self.tree_over(&parent));
        if held_back.is_none() && !is_end(what) && covered() {
            return;
        }
        // Held back until now: it has waited enough.
        let delay_ms = if held_back.is_some() { 0 } else { self.options.delay_ms };
        // It keeps its number: closed after a cookie was made, it was still written before it.
        let held_back = held_back.map(|waiting| (waiting.turn.1, waiting.inodes));
        let (heard, inodes) = held_back.unwrap_or_else(|| (self.next_heard(), Vec::new()));
        let due = now_ms.saturating_add(delay_ms);
        let due = due.max(self.paces.not_before(&path));
        self.insert(path, Waiting { turn: (due, heard), what, inodes, busy: false });
        self.bound(now_ms);
    }

    /// A name that a tree covers keeps none: whoever changed so much in so short a time is met by
    /// the next scan.
    fn push_inode(&mut self, path: &RelPath, handle: Handle) {
        let Some(waiting) = self.names.get_mut(path) else { return };
        if waiting.inodes.contains(&handle) {
            return;
        }
        waiting.inodes.push(handle);
        if waiting.inodes.len() > INODES_MAX {
            self.inodes.insert(waiting.inodes.remove(0));
        }
        if self.inodes.len() > self.options.names_max {
            self.inodes.clear();
            self.lost = true;
            self.push_tree(0, RelPath::root());
        }
    }

    /// A tree takes the place of the names below it, but not of its own: how the entry itself was
    /// touched (a delete seen live) is more than its tree. Nor of what went or came: see
    /// `push_name`.
    fn push_tree(&mut self, now_ms: u64, path: RelPath) {
        self.cover(now_ms, path, |what| !is_end(what));
    }

    /// A tree takes the place of all names below it: there is no room for them.
    fn collapse(&mut self, now_ms: u64, path: RelPath) {
        self.cover(now_ms, path, |_| true);
    }

    fn cover(&mut self, now_ms: u64, path: RelPath, takes: impl Fn(Touched) -> bool) {
        if self.tree_over(&path) && !self.trees.contains_key(&path) {
            return;
        }
        let mut turn = (now_ms.saturating_add(self.options.delay_ms), self.next_heard());
        let inside = |other: &&RelPath| other.is_within(&path);
        let trees: Vec<RelPath> =
            self.trees.range(&path..).map(|(p, _)| p).take_while(inside).cloned().collect();
        for tree in trees {
            if let Some(other) = self.trees.remove(&tree) {
                turn = self.earlier(turn, other);
            }
        }
        let below = self.names.range(&path..).take_while(|(other, _)| other.is_within(&path));
        let names = below
            .filter(|(other, waiting)| **other != path && !waiting.busy && takes(waiting.what));
        let names: Vec<RelPath> = names.map(|(path, _)| path.clone()).collect();
        for name in names {
            if let Some(waiting) = self.drop_name(&name) {
                turn = self.earlier(turn, waiting.turn);
                if waiting.is_another() {
                    self.inodes.extend(waiting.inodes);
                }
            }
        }
        self.heard.insert(turn.1);
        self.trees.insert(path, turn);
        if self.trees.len() > TREES_MAX {
            self.push_tree(now_ms, RelPath::root());
        }
    }

    /// The turn of something that takes two others' place.
    fn earlier(&mut self, one: Turn, other: Turn) -> Turn {
        self.heard.remove(&one.1);
        self.heard.remove(&other.1);
        (one.0.min(other.0), one.1.min(other.1))
    }

    fn push_cookie(&mut self, now_ms: u64, cookie: u64) {
        if self.cookies.len() >= COOKIES_MAX {
            return;
        }
        let heard = self.next_heard();
        self.cookies.push_back((heard, cookie));
        for turn in self.trees.values_mut() {
            turn.0 = turn.0.min(now_ms);
        }
        let late = self.turns.range((now_ms.saturating_add(1), 0)..);
        let late: Vec<(Turn, RelPath)> = late.map(|(t, p)| (*t, p.clone())).collect();
        for (turn, path) in late {
            let Some(waiting) = self.names.get_mut(&path).filter(|waiting| !waiting.busy) else {
                continue;
            };
            waiting.turn.0 = now_ms;
            self.turns.remove(&turn);
            self.turns.insert(waiting.turn, path);
        }
    }

    fn is_reached(&self, heard: u64) -> bool {
        self.heard.first().is_none_or(|first| *first > heard)
    }

    fn reached(&mut self) -> Vec<Reached> {
        let mut reached = Vec::new();
        while let Some(&(heard, cookie)) = self.cookies.front() {
            if !self.is_reached(heard) {
                break;
            }
            self.cookies.pop_front();
            reached.push(Reached { cookie, open: self.open() });
        }
        reached
    }

    /// Whether a waiting tree covers all that lies inside `dir`.
    fn tree_over(&self, dir: &RelPath) -> bool {
        let mut above = Some(dir.clone());
        while let Some(path) = above {
            if self.trees.contains_key(&path) {
                return true;
            }
            above = path.parent();
        }
        false
    }

    fn next_heard(&mut self) -> u64 {
        self.last_heard += 1;
        self.last_heard
    }

    fn insert(&mut self, path: RelPath, waiting: Waiting) {
        if !waiting.busy {
            self.heard.insert(waiting.turn.1);
        }
        self.turns.insert(waiting.turn, path.clone());
        *self.per_directory.entry(path.parent().unwrap_or_default()).or_default() += 1;
        self.names.insert(path, waiting);
    }

    fn drop_name(&mut self, path: &RelPath) -> Option<Waiting> {
        let waiting = self.names.remove(path)?;
        self.turns.remove(&waiting.turn);
        self.heard.remove(&waiting.turn.1);
        let directory = path.parent().unwrap_or_default();
        if let Some(count) = self.per_directory.get_mut(&directory) {
            *count -= 1;
            if *count == 0 {
                self.per_directory.remove(&directory);
            }
        }
        Some(waiting)
    }

    /// Too many names: the fullest directory becomes a tree, and if none is full, everything does.
    fn bound(&mut self, now_ms: u64) {
        if self.names.len() <= self.options.names_max {
            return;
        }
        let fullest = self.per_directory.iter().max_by_key(|(_, count)| **count);
        let fullest = fullest.filter(|(_, count)| **count >= COLLAPSE_NAMES_MIN);
        let path = fullest.map_or_else(RelPath::root, |(path, _)| path.clone());
        self.collapse(now_ms, path);
        if self.names.len() > self.options.names_max {
            self.collapse(now_ms, RelPath::root());
            self.drop_busy_below_bound();
        }
    }

    /// Only busy names are left, and too many: the root's tree, which waits, will find them.
    fn drop_busy_below_bound(&mut self) {
        while self.names.len() > self.options.names_max {
            let Some((_, path)) = self.turns.last_key_value() else { return };
            let path = path.clone();
            self.drop_name(&path);
        }
    }
}

/// Whether a name went, or something came to it by a rename.
fn is_end(what: Touched) -> bool {
    what.intersects(Touched::DELETED | Touched::MOVED_FROM | Touched::MOVED_TO)
}

#[cfg(test)]
mod tests;
