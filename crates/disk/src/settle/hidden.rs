//! Files that were changed through a name which does not show them any more: a second name of a
//! file that was removed at once. Only the file itself says under which names it is known.
//!
//! Plain data, no larger than what was hinted. Used by who looks at what is settled.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::LastSeen;
use engine::index::{Handle, IndexError};
use engine::observe::{Found, Observation};
use engine::path::RelPath;

/// What has to be looked at by itself, after a look at the names.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Changed through this name, of which no look has told.
    untold: BTreeMap<RelPath, Handle>,
    hidden: BTreeSet<Handle>,
    asked: BTreeSet<Handle>,
    shown: BTreeSet<Handle>,
}

/// Files that no look has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    hidden: Vec<Handle>,
    /// Only if they are not known under this name: nothing new was to be told of it, or it was
    /// another file's from one moment to the next.
    untold: Vec<(RelPath, Handle)>,
}

impl Hidden {
    /// These were changed: with a path, they are hidden only if something else or nothing is found
    /// there.
    pub fn of(inodes: Vec<(Option<RelPath>, Handle)>) -> Hidden {
        let mut all = Hidden::default();
        for (at, inode) in inodes {
            all.asked.insert(inode.clone());
            match at {
                Some(path) => drop(all.untold.insert(path, inode)),
                None => drop(all.hidden.insert(inode)),
            }
        }
        all
    }

    /// This was found.
    pub fn saw(&mut self, look: &Observation) {
        if let Found::Present(found) = &look.found {
            if self.asked.contains(&found.fingerprint.handle) {
                self.shown.insert(found.fingerprint.handle.clone());
            }
        }
        let is_clear = !matches!(look.found, Found::Busy(_) | Found::Unreadable(..));
        self.hidden.extend(is_clear.then(|| self.untold.remove(&look.path)).flatten());
    }

    /// Those that no name has shown. Who meets a file looks at it under all its names.
    pub fn left(self) -> Left {
        let is_left = |(_, inode): &(RelPath, Handle)| !self.shown.contains(inode);
        Left {
            hidden: self.hidden.difference(&self.shown).cloned().collect(),
            untold: self.untold.into_iter().filter(is_left).collect(),
        }
    }
}

impl Left {
    /// Whether all was shown.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.untold.is_empty()
    }

    /// Where they were last seen, each path once: to be looked at. All that was looked at before
    /// must be in `last` by now.
    pub fn known_names(&self, last: &impl LastSeen) -> Result<Vec<RelPath>, IndexError> {
        let mut all = BTreeSet::new();
        for inode in &self.hidden {
            all.extend(names_of(last, inode)?);
        }
        for (told, inode) in &self.untold {
            let names = names_of(last, inode)?;
            if !names.contains(told) {
                all.extend(names);
            }
        }
        Ok(all.into_iter().collect())
    }
}

fn names_of(last: &impl LastSeen, inode: &Handle) -> Result<Vec<RelPath>, IndexError> {
    let rows = last.seen_handle(inode)?;
    rows.iter().filter_map(|row| last.path_of(row.slot).transpose()).collect()
}

#[cfg(test)]
mod tests;
