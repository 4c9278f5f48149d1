//! A model that follows a real disk: before users act, what stands there is taken over; what they
//! then did to the model, as [`Deed`]s, is done there. So the same users drive the simulator and
//! the real program.
//!
//! Knows what is what by the inode numbers of the real disk. The real program is held still
//! meanwhile. Used by the trials of the binary (`crates/node/tests/hour`); a part of `model`.
//!
//! [`Deed`]: crate::disk::deeds::Deed

use super::{Inode, Model, Spot, TOP};
use crate::node::{ROOT_NAME, STATE_NAME};
use disk::fs::FileKind;
use engine::entry::Timestamp;
use engine::path::{Name, RelPath};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The conflict store, below the program's own directory.
const KEPT_NAME: &[u8] = b"kept";
/// Where open files are that the program has taken out of the tree.
const ASIDE_NAME: &[u8] = b"stage";

/// One thing on the real disk.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its inode's number there.
    pub number: u64,
    /// What it is.
    pub kind: FileKind,
    /// A file's bytes, a symlink's target.
    pub bytes: Arc<Vec<u8>>,
    /// Permission bits.
    pub mode: u16,
    /// Last change of content.
    pub mtime: Timestamp,
}

/// See the module's head.
pub struct Mirror {
    /// What users act on.
    pub model: Model,
    /// The folder's root.
    pub root: Inode,
    /// The program's own directory.
    pub state: Inode,
    kept: Inode,
    aside: Inode,
    numbers: BTreeMap<u64, Inode>,
}

impl Default for Mirror {
    fn default() -> Mirror {
        let mut model = Model::new(0);
        let mut dir = |above: Inode, name: &[u8]| {
            let spot: Spot = (above, Name::new(name).expect("a literal name"));
            model.make(&spot, FileKind::Dir, 0o755, b"").expect("an empty disk")
        };
        let (root, state) = (dir(TOP, ROOT_NAME), dir(TOP, STATE_NAME));
        let (kept, aside) = (dir(state, KEPT_NAME), dir(state, ASIDE_NAME));
        model.ours = false;
        Mirror { model, root, state, kept, aside, numbers: BTreeMap::new() }
    }
}

impl Mirror {
    /// Takes over what stands in the tree, parents first; what lost and is kept; and what users
    /// have open that is elsewhere.
    pub fn follow(&mut self, tree: &[(RelPath, Look)], kept: &[Look], aside: &[Look]) {
        for dir in [self.root, self.state] {
            for (spot, inode) in self.model.below(dir) {
                if ![self.kept, self.aside].contains(&inode) {
                    self.model.set_name(&spot, None);
                }
            }
        }
        for (path, look) in tree {
            let dir = path.parent().and_then(|dir| self.model.find(self.root, &dir));
            if let (Some(dir), Some(name)) = (dir, path.name()) {
                self.stand((dir, name.clone()), look);
            }
        }
        for (dir, looks) in [(self.kept, kept), (self.aside, aside)] {
            for look in looks {
                let name = Name::new(look.number.to_string().as_bytes()).expect("digits");
                self.stand((dir, name), look);
            }
        }
        self.forget();
    }

    /// What users made in the model has this number there.
    pub fn is_numbered(&mut self, inode: Inode, number: u64) {
        self.numbers.insert(number, inode);
    }

    /// The number there of what was shown.
    pub fn number(&self, inode: Inode) -> Option<u64> {
        self.numbers.iter().find(|(_, other)| **other == inode).map(|(number, _)| *number)
    }

    fn stand(&mut self, spot: Spot, look: &Look) {
        let same = |inode: &Inode| self.model.thing(*inode).is_ok_and(|it| it.kind == look.kind);
        let known = self.numbers.get(&look.number).copied().filter(same);
        let inode = known.unwrap_or_else(|| {
            let inode = self.model.number();
            let thing = self.model.blank(look.kind, look.mode, 0);
            self.model.things.insert(inode, thing);
            self.numbers.insert(look.number, inode);
            inode
        });
        let thing = self.model.things.get_mut(&inode).expect("just put there");
        (thing.bytes, thing.mode, thing.mtime) = (look.bytes.clone(), look.mode, look.mtime);
        thing.xattrs.clear();
        self.model.set_name(&spot, Some(inode));
    }

    /// What is neither there nor open any more is forgotten, and how all this came about.
    fn forget(&mut self) {
        let things: Vec<Inode> =
            self.model.things.keys().copied().filter(|inode| *inode != TOP).collect();
        things.into_iter().for_each(|inode| self.model.reap(inode));
        let things = &self.model.things;
        self.numbers.retain(|_, inode| things.contains_key(inode));
        self.model.sync(None);
        self.model.told.clear();
        self.model.take_deeds();
    }
}

#[cfg(test)]
mod tests;
