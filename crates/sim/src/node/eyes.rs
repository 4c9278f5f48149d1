//! The program's eyes: what the kernel told, looks at names and trees. Mirrors
//! `node::folder::look`. Used by `world`.

use super::Program;
use crate::disk::model::{Inode, Model, Told};
use crate::disk::SimDisk;
use crate::kernel::Chance;
use disk::scan::{self, Eyes, Progress, Report, Why};
use disk::watch::{Hint, Touched};
use engine::index::MemIndex;
use engine::observe::{Batch, Found};
use engine::path::RelPath;

/// Names taken out of the settling room at once.
const NAMES_AT_ONCE: usize = 1024;

/// What looks came to.
#[derive(Default)]
pub struct Seen {
    /// Observations, in order.
    pub batches: Vec<Batch>,
    /// Events were lost: everything must be looked at.
    pub lost: bool,
    /// The root is not what it was.
    pub halt: Option<String>,
    /// The walk went through.
    pub complete: bool,
}

impl Seen {
    /// Takes in what was seen afterwards.
    pub fn add(&mut self, later: Seen) {
        self.batches.extend(later.batches);
        self.lost |= later.lost;
        self.halt = self.halt.take().or(later.halt);
    }
}

/// The kernel's words in the folder's own terms; see `disk::watch::fanotify`.
fn hints(model: &Model, root: Inode, told: &Told) -> Vec<Hint> {
    let Some(dir) = model.path_below(root, told.dir) else { return Vec::new() };
    let Some(name) = &told.name else {
        return match (dir.parent(), dir.name()) {
            (Some(parent), Some(name)) => {
                vec![Hint::Name { dir: parent, name: name.clone(), what: told.what }]
            }
            _ => vec![Hint::Root(told.what)],
        };
    };
    let arrived = told.what.intersects(Touched::CREATED | Touched::MOVED_TO);
    let is_tree = arrived && told.what.contains(Touched::DIRECTORY);
    let tree = is_tree.then(|| Hint::Tree(dir.join(name.clone())));
    let hint = Hint::Name { dir, name: name.clone(), what: told.what };
    [hint].into_iter().chain(tree).collect()
}

impl Program {
    fn eyes(&self, reread_volatile: bool) -> Eyes<'_, SimDisk> {
        Eyes {
            fs: &self.disk,
            root: &self.dir,
            ignore: &self.ignore,
            racy_ms: self.racy_ms,
            workers: 0,
            reread_soft: false,
            reread_volatile,
        }
    }

    /// Reads what the kernel has told since the last time; when there is more, if there is.
    pub fn hear_kernel(
        &mut self,
        now_ms: u64,
        root: Inode,
        chance: &mut Chance<'_>,
    ) -> Option<u64> {
        let told = self.disk.with(|model| std::mem::take(&mut model.told));
        let heard = self.events.read(now_ms, told, chance);
        let mut hints: Vec<Hint> = self
            .disk
            .with(|model| heard.told.iter().flat_map(|one| hints(model, root, one)).collect());
        hints.extend(heard.lost.then_some(Hint::Lost));
        hints.into_iter().for_each(|hint| self.settle.push(now_ms, hint));
        heard.next_ms
    }

    /// Looks at all names that are due. Trees that are due are to be walked once what was seen is
    /// in the index.
    pub fn drain(&mut self, now_ms: u64, index: &MemIndex, trees: &mut Vec<RelPath>) -> Seen {
        let mut seen = Seen::default();
        loop {
            let due = self.settle.take_due(now_ms, NAMES_AT_ONCE);
            if due.is_empty() {
                return seen;
            }
            let names = due.names.into_iter().map(|(path, what)| (path, Why::of(what)));
            self.names(now_ms, index, &names.collect::<Vec<_>>(), &mut seen);
            seen.lost |= due.lost;
            if !due.lost {
                trees.extend(due.trees);
            }
        }
    }

    /// Looks at paths that the engine asks for.
    pub fn look(&mut self, now_ms: u64, index: &MemIndex, paths: &[RelPath]) -> Seen {
        let mut seen = Seen::default();
        let mut paths = paths.to_vec();
        paths.sort_unstable();
        paths.dedup();
        let paths: Vec<_> = paths.into_iter().map(|path| (path, Why::Asked)).collect();
        self.names(now_ms, index, &paths, &mut seen);
        seen
    }

    /// Looks at everything in these directories.
    pub fn inside(&mut self, index: &MemIndex, tops: &[RelPath]) -> Seen {
        let mut seen = Seen::default();
        if !tops.is_empty() {
            self.trees(index, tops, (true, false), &mut seen);
        }
        seen
    }

    /// Looks at everything; until one such look is complete, after a power loss what was not known
    /// to be durable is read again.
    pub fn scan(&mut self, index: &MemIndex) -> Seen {
        let mut seen = Seen::default();
        self.trees(index, &[RelPath::root()], (false, self.rereads), &mut seen);
        self.rereads &= !seen.complete;
        seen
    }

    fn names(&mut self, now_ms: u64, index: &MemIndex, paths: &[(RelPath, Why)], seen: &mut Seen) {
        if paths.is_empty() || !self.is_good(index, true, seen) {
            return;
        }
        let mut reports = Vec::new();
        let looked =
            scan::names(&self.eyes(false), index, &Progress::default(), paths, &mut |report| {
                reports.push(report);
                true
            });
        if looked.is_err() {
            return;
        }
        for path in reports.iter().flat_map(busy_paths) {
            self.settle.busy(now_ms, path);
        }
        self.take(reports, seen);
    }

    fn trees(
        &mut self,
        index: &MemIndex,
        paths: &[RelPath],
        (live, rereads): (bool, bool),
        seen: &mut Seen,
    ) {
        if !self.is_good(index, live, seen) {
            return;
        }
        let mut reports = Vec::new();
        let eyes = self.eyes(rereads);
        let looked = scan::trees(&eyes, index, &Progress::default(), paths, &mut |report| {
            reports.push(report);
            true
        });
        seen.complete = looked.is_ok_and(|summary| summary.complete);
        self.take(reports, seen);
    }

    fn is_good(&self, index: &MemIndex, live: bool, seen: &mut Seen) -> bool {
        match self.check_root(index, live) {
            Ok(()) => true,
            Err(why) => {
                seen.halt = Some(why);
                false
            }
        }
    }

    fn take(&mut self, reports: Vec<Report>, seen: &mut Seen) {
        for report in reports {
            self.cache.extend(report.contents);
            seen.batches.push(report.batch);
        }
    }
}

fn busy_paths(report: &Report) -> Vec<RelPath> {
    let looks = report.batch.looks.iter();
    looks.filter(|l| matches!(l.found, Found::Busy(_))).map(|l| l.path.clone()).collect()
}
