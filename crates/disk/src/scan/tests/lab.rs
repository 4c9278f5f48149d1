//! A folder for tests: a tree changed through `Fs`, D in memory, and looks taken into D.

use crate::fs::{Fs, On};
use crate::ignore::Ignore;
use crate::linux::Linux;
use crate::scan::{names, trees, Eyes, Progress, Report, Summary, Why};
use engine::dot::Incarnation;
use engine::entry::EntryId;
use engine::index::{Index, MemIndex, Meta, Phase, SeenDots, SeenRow, Slot, ROOT_SLOT};
use engine::observe::{Found, Observation, Present, Source};
use engine::path::{Name, RelPath};

pub fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

/// The row of D at a path.
pub fn row(index: &MemIndex, path: &RelPath) -> Option<SeenRow> {
    let mut row = index.seen(ROOT_SLOT)?;
    for name in path.names() {
        row = index.seen_named(row.slot, name)?;
    }
    Some(row)
}

/// Takes one look into D, as the engine would: directories keep their row wherever they go.
pub fn record(index: &mut MemIndex, look: &Observation) {
    let old = row(index, &look.path);
    match &look.found {
        Found::Absent => old.into_iter().for_each(|row| remove(index, &row)),
        Found::Present(found) => {
            let moved = index.seen_handle(&found.fingerprint.handle).into_iter().next();
            let moved = moved.filter(|row| row.kind == found.kind);
            let same = old.filter(|row| {
                let replaced = row.kind != found.kind || moved.is_some();
                if replaced && row.slot != moved.as_ref().map_or(row.slot, |row| row.slot) {
                    remove(index, row);
                }
                row.kind == found.kind
            });
            put(index, &look.path, found, moved.or(same));
        }
        Found::Busy(_) | Found::Foreign(_) | Found::Unreadable(..) => {}
    }
}

/// Takes looks into D as the engine does: what is there first, so that a move is not a deletion.
pub fn record_all(index: &mut MemIndex, looks: &[Observation]) {
    let absent = |look: &&Observation| look.found == Found::Absent;
    looks.iter().filter(|look| !absent(look)).for_each(|look| record(index, look));
    looks.iter().filter(absent).for_each(|look| record(index, look));
}

fn remove(index: &mut MemIndex, row: &SeenRow) {
    for child in index.seen_children(row.slot, None, usize::MAX) {
        remove(index, &child);
    }
    index.remove_seen(row.slot);
}

fn put(index: &mut MemIndex, path: &RelPath, found: &Present, old: Option<SeenRow>) {
    let parent = path.parent().map(|parent| row(index, &parent).expect("parents come first"));
    let (slot, content) = match &old {
        Some(row) => (row.slot, found.content.clone().or(row.content.clone())),
        None if path.is_root() => (ROOT_SLOT, None),
        None => {
            let mut meta = index.meta();
            meta.last_slot += 1;
            index.set_meta(&meta);
            (Slot(meta.last_slot), found.content.clone())
        }
    };
    let mut entry = [0; 16];
    entry[..8].copy_from_slice(&slot.0.to_le_bytes());
    index.put_seen(&SeenRow {
        slot,
        parent: parent.map_or(ROOT_SLOT, |row| row.slot),
        name: path.name().cloned(),
        entry: EntryId(entry),
        kind: found.kind,
        fingerprint: found.fingerprint.clone(),
        content,
        attributes: found.attributes.clone(),
        refused: None,
        dots: SeenDots::default(),
        soft: found.soft,
        volatile: None,
    });
}

/// A folder on any filesystem.
pub struct Lab<F: Fs> {
    pub fs: F,
    pub root: F::Dir,
    pub index: MemIndex,
    pub ignore: Ignore,
    pub workers: usize,
    pub racy_ms: u64,
    pub progress: Progress,
}

/// A folder on this machine's disk; the directory goes with the second value.
pub fn linux() -> (Lab<Linux>, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let fs = Linux::new();
    let root = fs.open_root(home.path()).unwrap();
    (Lab::new(fs, root), home)
}

impl<F: Fs> Lab<F> {
    pub fn new(fs: F, root: F::Dir) -> Lab<F> {
        let meta = Meta::new(Incarnation::default(), Phase::Member, [0; 16]);
        let index = MemIndex::new(meta);
        let progress = Progress::default();
        Lab { fs, root, index, ignore: Ignore::default(), workers: 0, racy_ms: 0, progress }
    }

    pub fn eyes(&self) -> Eyes<'_, F> {
        Eyes {
            fs: &self.fs,
            root: &self.root,
            ignore: &self.ignore,
            racy_ms: self.racy_ms,
            workers: self.workers,
            reread_soft: true,
            reread_volatile: false,
        }
    }

    /// Scans everything; D is as before.
    pub fn scan(&self) -> (Vec<Report>, Summary) {
        self.scan_trees(&[RelPath::root()])
    }

    pub fn scan_trees(&self, paths: &[RelPath]) -> (Vec<Report>, Summary) {
        let mut reports = Vec::new();
        let summary = trees(&self.eyes(), &self.index, &self.progress, paths, &mut |report| {
            assert_eq!(report.batch.source, Source::Scan);
            reports.push(report);
            true
        });
        (reports, summary.unwrap())
    }

    /// Looks at single paths; D is as before.
    pub fn hint(&self, paths: &[(&str, Why)]) -> Vec<Observation> {
        let paths: Vec<_> = paths.iter().map(|(text, why)| (path(text), *why)).collect();
        let mut looks = Vec::new();
        names(&self.eyes(), &self.index, &self.progress, &paths, &mut |report| {
            assert_eq!(report.batch.source, Source::Live);
            looks.extend(report.batch.looks);
            true
        })
        .unwrap();
        looks
    }

    /// Scans and takes everything into D, until a scan shows nothing new.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            let (reports, _) = self.scan();
            let looks: Vec<_> = reports.into_iter().flat_map(|report| report.batch.looks).collect();
            if looks.is_empty() {
                return;
            }
            record_all(&mut self.index, &looks);
        }
        panic!("three scans of a quiet tree all show something new: {:?}", self.scan());
    }

    /// What a scan shows, one line each.
    pub fn shows(&self) -> Vec<String> {
        let (reports, _) = self.scan();
        let looks = reports.into_iter().flat_map(|report| report.batch.looks);
        lines(&looks.collect::<Vec<_>>())
    }

    fn at(&self, text: &str) -> (F::Dir, Name) {
        let path = path(text);
        let dir = self.fs.open_dir(&self.root, &path.parent().unwrap()).unwrap();
        (dir, path.name().unwrap().clone())
    }

    pub fn dir(&self, text: &str) {
        let (dir, name) = self.at(text);
        self.fs.make_dir(&dir, &name).unwrap();
    }

    pub fn file(&self, text: &str, bytes: &[u8]) {
        let (dir, name) = self.at(text);
        let file = self.fs.create(&dir, &name).unwrap();
        self.fs.write_at(&file, bytes, 0).unwrap();
    }

    pub fn edit(&self, text: &str, bytes: &[u8]) {
        self.fs.write_at(&self.open(text), bytes, 0).unwrap();
    }

    pub fn open(&self, text: &str) -> F::File {
        let (dir, name) = self.at(text);
        self.fs.open_own(&dir, &name).unwrap()
    }

    pub fn link(&self, text: &str, target: &str) {
        let (dir, name) = self.at(text);
        self.fs.make_link(&dir, &name, target.as_bytes()).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        let (from, to) = (self.at(from), self.at(to));
        self.fs.rename_new((&from.0, &from.1), (&to.0, &to.1)).unwrap();
    }

    pub fn replace(&self, from: &str, to: &str) {
        let (from, to) = (self.at(from), self.at(to));
        self.fs.rename_over((&from.0, &from.1), (&to.0, &to.1)).unwrap();
    }

    pub fn remove(&self, text: &str) {
        let (dir, name) = self.at(text);
        self.fs.remove_own(&dir, &name).unwrap();
    }

    pub fn remove_dir(&self, text: &str) {
        let (dir, name) = self.at(text);
        self.fs.remove_dir(&dir, &name).unwrap();
    }

    /// Does something to an open file.
    pub fn with(&self, text: &str, change: impl Fn(&F, On<'_, F>)) {
        let file = self.open(text);
        change(&self.fs, On::File(&file));
    }
}

/// `present <kind> <path>` with `read` where the content was read, or what else was found.
pub fn lines(looks: &[Observation]) -> Vec<String> {
    let line = |look: &Observation| match &look.found {
        Found::Present(found) => {
            let read = if found.content.is_some() { " read" } else { "" };
            format!("{:?} {}{read}", found.kind, look.path)
        }
        Found::Absent => format!("absent {}", look.path),
        Found::Busy(_) => format!("busy {}", look.path),
        Found::Foreign(what) => format!("foreign {}: {what}", look.path),
        Found::Unreadable(..) => format!("unreadable {}", look.path),
    };
    looks.iter().map(line).collect()
}
