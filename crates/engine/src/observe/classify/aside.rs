//! Directories and files that may have been put aside: something else is where they were, and
//! their new place was not looked at yet. Nothing below such a name is judged before it is.
//!
//! Used by `classify` only. When it is judged says the engine (`engine::gone`).

use super::aftermath::replaced_dir;
use super::{row_at, Desk};
use crate::entry::Kind;
use crate::observe::{Found, Present, Source};
use crate::path::RelPath;
use std::collections::{BTreeMap, BTreeSet};

impl Desk<'_> {
    /// Takes out what says nothing yet: a look at a directory's name that shows something else, and
    /// all below it, and below one that was seen so before, or is written to as a file: that is
    /// judged when it is closed, and takes along what is below.
    pub(super) fn leave_aside(
        &mut self,
        present: &mut BTreeMap<RelPath, Present>,
        absent: &mut Vec<RelPath>,
        unread: &mut Vec<(RelPath, Found)>,
    ) {
        let aside = present.iter().filter(|(path, found)| self.is_put_aside(path, found));
        let aside: BTreeSet<RelPath> = aside.map(|(path, _)| path.clone()).collect();
        let earlier = self.under.aside.iter().filter(|path| !present.contains_key(*path));
        let is_there = |path: &&RelPath| {
            let is_judged = self.under.gone.contains_key(*path);
            !is_judged && row_at(&*self.pen.index, path).is_some()
        };
        let earlier: Vec<RelPath> = earlier.filter(is_there).cloned().collect();
        present.retain(|path, _| !aside.contains(path));
        self.seen.doubted.extend(aside.iter().cloned());
        let written = unread.iter().filter(|(path, found)| self.was_dir(path, found));
        let written = written.map(|(path, _)| path.clone());
        let tops: BTreeSet<RelPath> = aside.into_iter().chain(earlier).chain(written).collect();
        if tops.is_empty() {
            return;
        }
        let is_below = |path: &RelPath| {
            std::iter::successors(path.parent(), RelPath::parent).any(|above| tops.contains(&above))
        };
        let below = &mut self.seen.below;
        let mut is_left = |path: &RelPath| {
            let is_left = is_below(path);
            below.extend(is_left.then(|| path.clone()));
            !is_left
        };
        present.retain(|path, _| is_left(path));
        absent.retain(|path| is_left(path));
        unread.retain(|(path, _)| is_left(path));
    }

    /// Whether a file that is written to is in the place of a directory.
    fn was_dir(&self, path: &RelPath, found: &Found) -> bool {
        let is_dir = || row_at(&*self.pen.index, path).is_some_and(|row| row.kind == Kind::Dir);
        matches!(found, Found::Busy(_)) && !path.is_root() && is_dir()
    }

    /// Whether what may be elsewhere has another kind of thing, or another directory, in its place.
    fn is_put_aside(&self, path: &RelPath, found: &Present) -> bool {
        // No row is looked up for each thing that a scan finds: it tells of both ends.
        if self.pen.source != Source::Live {
            return false;
        }
        let row = row_at(&*self.pen.index, path).filter(|_| !path.is_root());
        let row = row.filter(|row| found.kind != row.kind || replaced_dir(row, found));
        !self.under.gone.contains_key(path) && row.is_some_and(|row| self.may_be_elsewhere(&row))
    }
}
