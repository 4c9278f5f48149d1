//! Watch numbers -> directories: a tree of names, so that a moved directory is one changed link.
//!
//! Pure bookkeeping: no system calls. Used by `super::Tree` only.

use std::collections::{BTreeMap, HashMap};

use engine::path::{Name, RelPath};

struct Node {
    /// The watch of the directory above and the name there; `None` for the root.
    above: Option<(i32, Name)>,
    children: BTreeMap<Name, i32>,
}

/// The watched directories.
#[derive(Default)]
pub(super) struct Nodes {
    by_watch: HashMap<i32, Node>,
}

impl Nodes {
    /// Takes note that `watch` is the directory `name` in `parent` (`None`: the root). A watch
    /// that was known elsewhere has moved here, with everything below it. The watches that are
    /// forgotten because another directory was thought to be at this name.
    #[must_use]
    pub(super) fn put(&mut self, watch: i32, above: Option<(i32, Name)>) -> Vec<i32> {
        self.unlink(watch);
        let displaced = above.as_ref().and_then(|(parent, name)| self.child(*parent, name));
        let gone = displaced.map_or_else(Vec::new, |other| self.take_out(other));
        if let Some((parent, name)) = &above {
            if let Some(parent) = self.by_watch.get_mut(parent) {
                parent.children.insert(name.clone(), watch);
            }
        }
        match self.by_watch.get_mut(&watch) {
            Some(node) => node.above = above,
            None => {
                self.by_watch.insert(watch, Node { above, children: BTreeMap::new() });
            }
        }
        gone
    }

    /// The directory's place; `None` for an unknown watch or one whose directory was taken out.
    pub(super) fn path(&self, watch: i32) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut node = self.by_watch.get(&watch)?;
        while let Some((parent, name)) = &node.above {
            names.push(name.clone());
            // A chain longer than there are nodes would be a loop; it cannot be a path.
            if names.len() > self.by_watch.len() {
                return None;
            }
            node = self.by_watch.get(parent)?;
        }
        names.reverse();
        Some(RelPath::from_names(names))
    }

    /// The watch of `name` in `parent`.
    pub(super) fn child(&self, parent: i32, name: &Name) -> Option<i32> {
        self.by_watch.get(&parent)?.children.get(name).copied()
    }

    /// Forgets `watch` and everything below it; the forgotten watches.
    pub(super) fn take_out(&mut self, watch: i32) -> Vec<i32> {
        self.unlink(watch);
        let (mut waiting, mut gone) = (vec![watch], Vec::new());
        while let Some(watch) = waiting.pop() {
            if let Some(node) = self.by_watch.remove(&watch) {
                waiting.extend(node.children.into_values());
                gone.push(watch);
            }
        }
        gone
    }

    /// All watches.
    pub(super) fn watches(&self) -> Vec<i32> {
        self.by_watch.keys().copied().collect()
    }

    fn unlink(&mut self, watch: i32) {
        let Some((parent, name)) = self.by_watch.get(&watch).and_then(|n| n.above.clone()) else {
            return;
        };
        let Some(parent) = self.by_watch.get_mut(&parent) else { return };
        if parent.children.get(&name) == Some(&watch) {
            parent.children.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests;
