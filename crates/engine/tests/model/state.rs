//! The replicated state of the model: dots, knowledge, registers, entries, nodes and the join.
//!
//! Written from the specification and sharing no code with the engine: an error in the engine's
//! join must not repeat itself here. Names, ids and contents are numbers.

use super::random::mix;
use std::collections::{BTreeMap, BTreeSet};

/// An entry's identity; [`ROOT`] is the folder itself.
pub type Id = u64;
/// A file name.
pub type Name = u64;
/// A content: every write of a user has its own, unless it repeats one.
pub type Token = u32;
/// The folder's root.
pub const ROOT: Id = 0;

/// One user operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Dot {
    pub node: u8,
    pub life: u8,
    pub counter: u32,
}

/// A set of dots.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Known(BTreeMap<(u8, u8), Vec<u64>>);

impl Known {
    pub fn contains(&self, dot: Dot) -> bool {
        let words = self.0.get(&(dot.node, dot.life));
        let word = words.and_then(|w| w.get(dot.counter as usize / 64));
        word.is_some_and(|w| w >> (dot.counter % 64) & 1 == 1)
    }

    pub fn insert(&mut self, dot: Dot) {
        let words = self.0.entry((dot.node, dot.life)).or_default();
        let at = dot.counter as usize / 64;
        words.resize(words.len().max(at + 1), 0);
        words[at] |= 1 << (dot.counter % 64);
    }

    pub fn merge(&mut self, other: &Known) {
        for (origin, words) in &other.0 {
            let mine = self.0.entry(*origin).or_default();
            mine.resize(mine.len().max(words.len()), 0);
            mine.iter_mut().zip(words).for_each(|(m, w)| *m |= w);
        }
    }

    pub fn is_within(&self, other: &Known) -> bool {
        self.0.iter().all(|(origin, words)| {
            let theirs = other.0.get(origin).map_or(&[][..], Vec::as_slice);
            words.iter().enumerate().all(|(at, w)| w & !theirs.get(at).unwrap_or(&0) == 0)
        })
    }

    /// The dots of `dot`'s incarnation up to and including it.
    pub fn prefix(&self, dot: Dot) -> Vec<Dot> {
        let all = (1..=dot.counter).map(|counter| Dot { counter, ..dot });
        all.filter(|d| self.contains(*d)).collect()
    }
}

/// What decides between siblings: the greatest wins. Rank 0 is an import, rank 1 an edit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    pub rank: u8,
    pub time: u64,
    pub dot: Dot,
}

/// Where an entry is, or was when it was deleted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Location {
    pub stamp: Stamp,
    pub live: bool,
    pub parent: Id,
    pub name: Name,
}

/// A content with the stamp of the write that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Content {
    pub stamp: Stamp,
    pub token: Token,
}

/// A multi-value register.
pub type Register<V> = BTreeMap<Dot, V>;

/// A file or a directory with everything that is replicated of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Entry {
    pub directory: bool,
    pub location: Register<Location>,
    pub content: Register<Content>,
    /// Dots of multi-entry operations this entry took part in.
    pub touched: Register<()>,
    /// What the senders of this entry's frames knew and this node does not claim yet.
    pub context: Option<Known>,
}

impl Entry {
    pub fn blank(directory: bool) -> Self {
        Entry { directory, ..Entry::default() }
    }

    pub fn dots(&self) -> BTreeSet<Dot> {
        let data = self.location.keys().chain(self.content.keys());
        data.chain(self.touched.keys()).copied().collect()
    }

    /// The winning live location.
    pub fn place(&self) -> Option<Location> {
        self.location.values().filter(|l| l.live).max().copied()
    }

    /// The winning location; the last one when the entry is deleted.
    pub fn last_place(&self) -> Option<Location> {
        self.place().or_else(|| self.location.values().max().copied())
    }

    pub fn winner(&self) -> Option<Token> {
        self.content.values().max().map(|c| c.token)
    }

    pub fn tokens(&self) -> BTreeSet<Token> {
        self.content.values().map(|c| c.token).collect()
    }

    /// The dots of the contents that do not win; equal contents are no conflict.
    pub fn losers(&self) -> Vec<Dot> {
        let best = self.winner();
        self.content.iter().filter(|(_, c)| Some(c.token) != best).map(|(d, _)| *d).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.location.is_empty() && self.content.is_empty()
    }

    /// Adds to the context what a sender of this entry knew.
    pub fn widen(&mut self, context: Option<&Known>) {
        if let Some(more) = context {
            self.context.get_or_insert_with(Known::default).merge(more);
        }
    }

    /// Forgets the context when the node's knowledge covers it.
    pub fn close_context(&mut self, known: &Known) {
        self.context = self.context.take().filter(|c| !c.is_within(known));
    }

    /// The registers without what is local to one node.
    pub fn registers(&self) -> Entry {
        Entry { context: None, ..self.clone() }
    }
}

/// What one side of a join knows about one entry: its knowledge and the entry's context.
#[derive(Clone, Copy)]
pub struct Seen<'a>(pub &'a Known, pub Option<&'a Known>);

impl Seen<'_> {
    pub fn contains(self, dot: Dot) -> bool {
        self.0.contains(dot) || self.1.is_some_and(|c| c.contains(dot))
    }
}

fn join_register<V: Clone>(
    (mine, my): (&Register<V>, Seen),
    (theirs, their): (&Register<V>, Seen),
) -> Register<V> {
    let kept = mine.iter().filter(|(d, _)| theirs.contains_key(d) || !their.contains(**d));
    let new = theirs.iter().filter(|(d, _)| mine.contains_key(d) || !my.contains(**d));
    new.chain(kept).map(|(d, v)| (*d, v.clone())).collect()
}

/// The join of one entry: a dot that one side lacks and knows was superseded there.
pub fn join_entry((mine, my): (&Entry, Seen), (theirs, their): (&Entry, Seen)) -> Entry {
    Entry {
        directory: mine.directory,
        location: join_register((&mine.location, my), (&theirs.location, their)),
        content: join_register((&mine.content, my), (&theirs.content, their)),
        touched: join_register((&mine.touched, my), (&theirs.touched, their)),
        context: mine.context.clone(),
    }
}

/// All entries of a node: S.
pub type State = BTreeMap<Id, Entry>;

/// A node's replicated half: S, K and the counters.
#[derive(Clone, Default, Debug)]
pub struct Node {
    pub node: u8,
    pub life: u8,
    pub counter: u32,
    pub clock: u64,
    pub known: Known,
    pub state: State,
}

impl Node {
    pub fn mint(&mut self) -> Dot {
        self.counter += 1;
        self.clock += 1;
        let dot = Dot { node: self.node, life: self.life, counter: self.counter };
        self.known.insert(dot);
        dot
    }
}

/// Two nodes at once, the first to be changed.
pub fn pair(nodes: &mut [Node], to: usize, from: usize) -> (&mut Node, &Node) {
    let (low, high) = nodes.split_at_mut(to.max(from));
    match to < from {
        true => (&mut low[to], &high[0]),
        false => (&mut high[0], &low[from]),
    }
}

/// An id from the parts that derive it.
pub fn derive(parts: &[u64]) -> Id {
    parts.iter().fold(0x5eed, |id, part| mix(id ^ mix(*part))).max(1)
}
