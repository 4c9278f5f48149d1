//! Two sorted lists of entries -> what differs. It reads no tree.
//!
//! Called by `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::sorted::Sorted;
use super::Entry;

/// Differences listed; more are only counted.
const DIFFERENCES_MAX: usize = 1000;

/// What was found to differ, over all nodes.
#[derive(Debug, Default)]
pub struct Found {
    /// By path: what, and on which nodes.
    pub listed: BTreeMap<Vec<u8>, (&'static str, BTreeSet<String>)>,
    /// Differences beyond those that are listed.
    pub more: u64,
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

/// Runs along both lists.
///
/// # Errors
/// A list cannot be read.
pub fn run_along(
    ours: &Sorted,
    theirs: impl Iterator<Item = io::Result<Entry>>,
    node: &str,
    found: &mut Found,
) -> io::Result<()> {
    let mut ours = ours.iter()?;
    let mut next = ours.next()?;
    for theirs in theirs {
        let theirs = theirs?;
        while let Some(here) = next.take_if(|here| here.path < theirs.path) {
            found.differs(&here.path, "missing there", node);
            next = ours.next()?;
        }
        match next.take_if(|here| here.path == theirs.path) {
            Some(here) => {
                if let Some(what) = compare(&here, &theirs) {
                    found.differs(&theirs.path, what, node);
                }
                next = ours.next()?;
            }
            None => found.differs(&theirs.path, "missing here", node),
        }
    }
    while let Some(here) = next {
        found.differs(&here.path, "missing there", node);
        next = ours.next()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
