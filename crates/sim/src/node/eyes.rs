//! The program's eyes: what the kernel told, looks at names and trees. Mirrors
//! `node::folder::look`. Used by `world`.

use super::Program;
use crate::disk::model::{Inode, Model, Told};
use crate::disk::{handle_of, SimDisk};
use crate::kernel::Chance;
use disk::scan::{self, Eyes, Progress, Report, Why};
use disk::settle::{Hidden, Left};
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

/// What is to be looked at once all that was seen before is in the index.
#[derive(Clone, Debug, Default)]
pub struct Later {
    /// To be walked.
    pub trees: Vec<RelPath>,
    /// Changed through names that do not show them.
    pub hidden: Vec<Left>,
}

impl Later {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty() && self.hidden.iter().all(Left::is_empty)
    }
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
    let path = dir.join(name.clone());
    let inode = told.changed.map(|inode| Hint::Inode { path, handle: handle_of(inode) });
    let hint = Hint::Name { dir, name: name.clone(), what: told.what };
    [hint].into_iter().chain(inode).chain(tree).collect()
}

impl Program {
    fn eyes(&self, reread_volatile: bool) -> Eyes<'_, SimDisk> {
        Eyes {
            fs: &self.disk,
            root: &self.dir,
            ignore: &self.ignore,
            racy_ms: self.racy_ms,
            workers: 0,
            reread_soft: self.leased,
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

    /// Looks at all names that are due.
    pub fn drain(&mut self, now_ms: u64, index: &MemIndex, later: &mut Later) -> Seen {
        let mut seen = Seen::default();
        loop {
            let due = self.settle.take_due(now_ms, NAMES_AT_ONCE);
            if due.is_empty() {
                return seen;
            }
            let names = due.names.into_iter().map(|(path, what)| (path, Why::of(what)));
            let mut hidden = Hidden::of(due.inodes);
            let before = seen.batches.len();
            self.names(now_ms, index, &names.collect::<Vec<_>>(), &mut seen);
            seen.batches[before..]
                .iter()
                .flat_map(|batch| &batch.looks)
                .for_each(|look| hidden.saw(look));
            later.hidden.push(hidden.left());
            seen.lost |= due.lost;
            if !due.lost {
                later.trees.extend(due.trees);
            }
        }
    }

    /// Looks at what had to wait.
    pub fn late(&mut self, now_ms: u64, index: &MemIndex, later: &Later) -> Seen {
        let mut seen = Seen::default();
        let names =
            later.hidden.iter().flat_map(|left| left.known_names(index).unwrap_or_default());
        let names: Vec<_> = names.map(|path| (path, Why::Changed)).collect();
        self.names(now_ms, index, &names, &mut seen);
        if !later.trees.is_empty() {
            self.trees(index, &later.trees, (true, false), &mut seen);
        }
        seen
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
