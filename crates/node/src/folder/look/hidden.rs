//! Files that were changed through a name which does not show them any more: a second name of a
//! file that was removed at once. Only the file itself says under which names it is known.
//!
//! Plain data, no larger than what was hinted. Used by `look`.

use std::collections::{BTreeMap, BTreeSet};

use engine::index::Handle;
use engine::observe::{Found, Observation};
use engine::path::RelPath;

/// What has to be looked at by itself, after a look at the names.
#[derive(Debug, Default)]
pub struct Hidden {
    if_absent: BTreeMap<RelPath, Handle>,
    hidden: BTreeSet<Handle>,
    asked: BTreeSet<Handle>,
    shown: BTreeSet<Handle>,
}

impl Hidden {
    /// These were changed: with a path, they are hidden only if nothing is found there.
    pub fn of(inodes: Vec<(Option<RelPath>, Handle)>) -> Hidden {
        let mut all = Hidden::default();
        for (at, inode) in inodes {
            all.asked.insert(inode.clone());
            match at {
                Some(path) => drop(all.if_absent.insert(path, inode)),
                None => drop(all.hidden.insert(inode)),
            }
        }
        all
    }

    /// This was found.
    pub fn saw(&mut self, look: &Observation) {
        match &look.found {
            Found::Absent => self.hidden.extend(self.if_absent.remove(&look.path)),
            Found::Present(found) if self.asked.contains(&found.fingerprint.handle) => {
                self.shown.insert(found.fingerprint.handle.clone());
            }
            _ => {}
        }
    }

    /// Those that no name has shown. Who meets a file looks at it under all its names.
    pub fn left(self) -> Vec<Handle> {
        self.hidden.difference(&self.shown).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
