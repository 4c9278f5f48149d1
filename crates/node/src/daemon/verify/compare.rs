//! Two sorted lists of entries -> what differs. It reads no tree.
//!
//! Called by `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::sorted::Sorted;
use super::{Entry, State};

/// Differences listed, and paths that were not compared; more are only counted.
const DIFFERENCES_MAX: usize = 1000;
/// Unread paths remembered at once, because what is beneath them cannot be compared either.
const BLIND_MAX: usize = 100_000;
/// The most of a peer's reason that is shown, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What was found to differ, over all nodes.
#[derive(Debug, Default)]
pub struct Found {
    /// By path: what, and on which nodes.
    pub listed: BTreeMap<Vec<u8>, (&'static str, BTreeSet<String>)>,
    /// Differences beyond those that are listed.
    pub more: u64,
    /// By path and node: why it was not compared.
    pub skipped: BTreeMap<(Vec<u8>, String), String>,
    /// Paths beyond those that were not compared.
    pub more_skipped: u64,
}

impl Found {
    fn differs(&mut self, path: &[u8], what: &'static str, node: &str) {
        if self.listed.len() >= DIFFERENCES_MAX && !self.listed.contains_key(path) {
            self.more += 1;
            return;
        }
        let entry = self.listed.entry(path.to_vec()).or_insert((what, BTreeSet::new()));
        entry.1.insert(node.to_owned());
    }

    fn skip(&mut self, entry: &Entry, node: &str) {
        let key = (entry.path.clone(), node.to_owned());
        if self.skipped.len() >= DIFFERENCES_MAX && !self.skipped.contains_key(&key) {
            self.more_skipped += 1;
            return;
        }
        let why = entry.why.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        self.skipped.insert(key, why);
    }
}

/// What differs between two nodes' entries at one path.
fn compare(a: &Entry, b: &Entry) -> Option<&'static str> {
    let checks = [
        (a.kind != b.kind, "type"),
        (a.content != b.content || a.size != b.size, "content"),
        (a.mode != b.mode, "mode"),
        ((a.uid, a.gid) != (b.uid, b.gid), "owner"),
        ((a.seconds, a.nanos) != (b.seconds, b.nanos), "mtime"),
        (a.xattrs != b.xattrs, "xattrs"),
    ];
    checks.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
}

/// Two lists on one walk: this node's, and that of `there`.
struct Walk<'a> {
    here: &'a str,
    there: &'a str,
    found: &'a mut Found,
    /// Paths that one of the two could not read: nothing is known of what is beneath.
    blind: BTreeSet<Vec<u8>>,
}

impl Walk<'_> {
    fn step(&mut self, ours: Option<&Entry>, theirs: Option<&Entry>) {
        let Some(path) = ours.or(theirs).map(|entry| &entry.path) else { return };
        if self.is_blind(path) {
            return;
        }
        let state = |entry: Option<&Entry>| entry.map(Entry::state);
        let states = (state(ours), state(theirs));
        let sides = [(ours, states.1, self.here), (theirs, states.0, self.there)];
        let mut compared = true;
        for (entry, other, node) in sides {
            let Some(entry) = entry.filter(|entry| entry.state() != State::Read) else { continue };
            compared = false;
            // What is not ours is nobody's loss, unless another node has something of ours there.
            if entry.state() == State::Unread || other == Some(State::Read) {
                self.found.skip(entry, node);
                self.blind(path);
            }
        }
        match (ours, theirs) {
            _ if !compared => {}
            (Some(ours), Some(theirs)) => {
                if let Some(what) = compare(ours, theirs) {
                    self.found.differs(path, what, self.there);
                }
            }
            (Some(_), None) => self.found.differs(path, "missing there", self.there),
            (None, _) => self.found.differs(path, "missing here", self.there),
        }
    }

    fn blind(&mut self, path: &[u8]) {
        if !path.is_empty() && self.blind.len() < BLIND_MAX {
            self.blind.insert(path.to_vec());
        }
    }

    /// Whether something above it was not read. Parents come before what is in them.
    fn is_blind(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        !self.blind.is_empty() && ends.into_iter().any(|(end, _)| self.blind.contains(&path[..end]))
    }
}

/// Runs along both lists; `nodes` are the names of this node and the other.
///
/// # Errors
/// A list cannot be read.
pub fn run_along(
    ours: &Sorted,
    theirs: impl Iterator<Item = io::Result<Entry>>,
    nodes: (&str, &str),
    found: &mut Found,
) -> io::Result<()> {
    let mut walk = Walk { here: nodes.0, there: nodes.1, found, blind: BTreeSet::new() };
    let mut ours = ours.iter()?;
    let mut next = ours.next()?;
    for theirs in theirs {
        let theirs = theirs?;
        while let Some(here) = next.take_if(|here| here.path < theirs.path) {
            walk.step(Some(&here), None);
            next = ours.next()?;
        }
        let here = next.take_if(|here| here.path == theirs.path);
        walk.step(here.as_ref(), Some(&theirs));
        if here.is_some() {
            next = ours.next()?;
        }
    }
    while let Some(here) = next {
        walk.step(Some(&here), None);
        next = ours.next()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
