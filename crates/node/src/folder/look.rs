//! The folder's eyes: kernel events and requests in, observations out. Three threads: one waits for
//! the kernel, one looks at what is hinted, one scans.

use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::Arc;
use std::time::Duration;

use disk::hash::racy_ms;
use disk::ignore::Ignore;
use disk::linux::Linux;
use disk::scan::{self, Eyes, Progress, Report, Why};
use disk::settle::{Hidden, Left, Options, Settle};
use disk::store::{Reader, Store};
use disk::watch::{Hint, Rung, Wake, Watcher};
use engine::engine::{FolderEngine, Input};
use engine::observe::{Found, Observation};
use engine::path::RelPath;

use super::barrier::Reached;
use super::cache::ContentCache;
use super::control::{Clock, Event};
use super::notices::Cause;
use super::root::RootWatch;
use super::status::Board;
use super::RootDir;
use crate::membership::now_unix_ms;

mod rounds;

use rounds::Rounds;

/// Names taken out of the settling room at once.
const NAMES_AT_ONCE: usize = 1024;
/// The index is held against its sums with the first scan after this long, in milliseconds
/// (decisions A20).
const CHECK_EVERY_MS: u64 = 24 * 3_600_000;
/// Threads that help a scan.
const SCAN_WORKERS: usize = 2;

/// What the looking thread is told.
pub enum Look {
    /// The kernel hinted.
    Hints(Vec<Hint>),
    /// The engine asks.
    Paths(Vec<RelPath>),
    /// The engine asks for all that is in these directories.
    Trees(Vec<RelPath>),
    /// Everything asked before has been looked at.
    Fence(u64),
    /// Look at everything, then say that this cookie has come: where there are no events.
    Everything(u64),
}

/// What all looks are made with.
#[derive(Clone)]
pub struct Sight {
    /// The filesystem.
    pub fs: Arc<Linux>,
    /// The root.
    pub dir: RootDir,
    /// Whether the root is still the root.
    pub root: Arc<RootWatch>,
    /// What is not ours.
    pub ignore: Arc<Ignore>,
    /// See [`racy_ms`].
    pub racy_ms: u64,
    /// See [`disk::hash::grants_leases`].
    pub leased: bool,
    /// Small contents go here.
    pub cache: ContentCache,
    /// Observations go here.
    pub control: SyncSender<Event>,
    /// Status.
    pub board: Arc<Board>,
    /// Time.
    pub clock: Clock,
    /// The machine lost power since the index was last in use.
    pub lost_power: bool,
}

impl Sight {
    fn eyes(&self, workers: usize, reread_volatile: bool) -> Eyes<'_, Linux> {
        Eyes {
            fs: &self.fs,
            root: &self.dir,
            ignore: &self.ignore,
            racy_ms: self.racy_ms,
            workers,
            reread_soft: self.leased,
            reread_volatile,
        }
    }

    /// Hands a report on; false when the folder has ended.
    fn hand_on(&self, began_ms: u64, report: Report) -> bool {
        self.board.looked(&report.batch.looks);
        for (digest, bytes) in report.contents {
            self.cache.put(digest, bytes);
        }
        self.tell(Event::Inputs(vec![Input::Observed(began_ms, report.batch)]))
    }

    /// Waits until everything handed on is in the index: a walk misses only what is known there.
    fn catch_up(&self) -> bool {
        let (done, reached) = channel::<()>();
        // The answer is that the question is dropped: asked, or never to be asked.
        let ask = Box::new(move |_: &FolderEngine, _: &Store| drop(done));
        let asked = self.tell(Event::Ask(ask));
        let _: Result<(), _> = reached.recv();
        asked
    }

    fn tell(&self, event: Event) -> bool {
        self.control.send(event).is_ok()
    }

    /// Whether the root is as it should be; stops the folder if not.
    fn is_good(&self, live: bool) -> bool {
        match self.root.check(live) {
            Ok(()) => true,
            Err(why) => {
                self.tell(Event::Halt(why));
                false
            }
        }
    }
}

/// Waits for the kernel until it is stopped.
pub fn watch(mut watcher: Watcher, board: &Board, eyes: &Sender<Look>) {
    let mut hints = Vec::new();
    let mut unwatched = watcher.unwatched();
    loop {
        match watcher.next(&mut hints, None) {
            Ok(Wake::Stopped) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "change events cannot be read; scanning instead");
                hints.push(Hint::Lost);
                drop(eyes.send(Look::Hints(hints)));
                return;
            }
        }
        if watcher.unwatched() != unwatched {
            unwatched = watcher.unwatched();
            show_rung(&watcher, board);
        }
        if !hints.is_empty() && eyes.send(Look::Hints(std::mem::take(&mut hints))).is_err() {
            return;
        }
    }
}

/// Looks at what is hinted and asked for, until nobody can ask any more.
pub fn look(sight: &Sight, last: &Reader, delay_ms: u64, has_events: bool, asked: &Receiver<Look>) {
    let mut settle = Settle::new(Options { delay_ms, ..Options::default() });
    let mut rounds = Rounds::new(sight.clock.mono_ms());
    loop {
        let now = sight.clock.mono_ms();
        let has_events = has_events && sight.board.unwatched() == 0;
        if rounds.take_due(now, has_events) {
            sight.tell(Event::Inputs(vec![Input::Rescan]));
        }
        let due = settle.deadline().map(|at| at.saturating_sub(now));
        let rest = due.into_iter().chain([rounds.left_ms(now, has_events)]).min();
        let mut next = match asked.recv_timeout(Duration::from_millis(rest.unwrap_or(0))) {
            Ok(look) => Some(look),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut fences = Vec::new();
        let (mut paths, mut tops) = (Vec::new(), Vec::new());
        while let Some(look) = next {
            match look {
                Look::Hints(hints) => {
                    let now = sight.clock.mono_ms();
                    hints.into_iter().for_each(|hint| settle.push(now, hint));
                }
                Look::Paths(more) => paths.extend(more),
                Look::Trees(more) => tops.extend(more),
                Look::Fence(number) => fences.push(number),
                Look::Everything(number) => everything(sight, last, number),
            }
            next = asked.try_recv().ok();
        }
        if !paths.is_empty() {
            paths.sort_unstable();
            paths.dedup();
            let paths: Vec<_> = paths.into_iter().map(|path| (path, Why::Asked)).collect();
            names(sight, last, &mut settle, &paths, &mut |_| ());
        }
        for path in trees(sight, last, &tops) {
            settle.busy(sight.clock.mono_ms(), path);
        }
        drain(sight, last, &mut settle);
        for number in fences {
            if !sight.tell(Event::Fence(number)) {
                return;
            }
        }
    }
}

/// Looks at everything that is due.
fn drain(sight: &Sight, last: &Reader, settle: &mut Settle) {
    loop {
        let batch = settle.take_due(sight.clock.mono_ms(), NAMES_AT_ONCE);
        let waiting = settle.waiting() as u64;
        sight.board.backlog.store(waiting, std::sync::atomic::Ordering::Relaxed);
        if batch.is_empty() {
            return;
        }
        let paths: Vec<_> =
            batch.names.into_iter().map(|(path, what)| (path, Why::of(what))).collect();
        let mut hidden = Hidden::of(batch.inodes);
        let mut busy = names(sight, last, settle, &paths, &mut |look| hidden.saw(look));
        let elsewhere = known_names(sight, last, &hidden.left());
        busy.extend(names(sight, last, settle, &elsewhere, &mut |_| ()));
        if batch.lost {
            sight.tell(Event::Inputs(vec![Input::Overlooked]));
        } else {
            busy.extend(trees(sight, last, &batch.trees));
        }
        for reached in batch.cookies {
            let open = reached.open.iter().chain(&busy).map(|path| path.to_string().into());
            let open = open.collect();
            sight.tell(Event::Cookie(Reached { number: reached.cookie, open }));
        }
    }
}

/// Where files were last seen that were changed through names which do not show them.
fn known_names(sight: &Sight, last: &Reader, left: &Left) -> Vec<(RelPath, Why)> {
    if left.is_empty() || !sight.catch_up() {
        return Vec::new();
    }
    // An index that cannot be read is told of by every look.
    let names = left.known_names(last).unwrap_or_default();
    names.into_iter().map(|path| (path, Why::Changed)).collect()
}

/// Looks at everything in directories; returns what somebody has open for writing.
fn trees(sight: &Sight, last: &Reader, tops: &[RelPath]) -> Vec<RelPath> {
    let mut busy = Vec::new();
    if tops.is_empty() || !sight.is_good(true) || !sight.catch_up() {
        return busy;
    }
    let began_ms = sight.clock.mono_ms();
    let progress = Progress::default();
    let eyes = sight.eyes(0, false);
    let looked = scan::trees(&eyes, last, &progress, tops, &mut |report| {
        busy.extend(busy_paths(&report));
        sight.hand_on(began_ms, report)
    });
    report_trouble(sight, looked.err());
    busy
}

/// Looks at single paths, and shows each look to `saw`; returns those that somebody has open for
/// writing.
fn names(
    sight: &Sight,
    last: &Reader,
    settle: &mut Settle,
    paths: &[(RelPath, Why)],
    saw: &mut dyn FnMut(&Observation),
) -> Vec<RelPath> {
    let mut busy = Vec::new();
    if paths.is_empty() || !sight.is_good(true) {
        return busy;
    }
    let began_ms = sight.clock.mono_ms();
    let progress = Progress::default();
    let eyes = sight.eyes(0, false);
    let looked = scan::names(&eyes, last, &progress, paths, &mut |report| {
        busy.extend(busy_paths(&report));
        report.batch.looks.iter().for_each(&mut *saw);
        sight.hand_on(began_ms, report)
    });
    report_trouble(sight, looked.err());
    let now = sight.clock.mono_ms();
    for path in &busy {
        settle.busy(now, path.clone());
    }
    busy
}

fn busy_paths(report: &Report) -> Vec<RelPath> {
    let looks = report.batch.looks.iter();
    looks.filter(|l| matches!(l.found, Found::Busy(_))).map(|l| l.path.clone()).collect()
}

fn report_trouble(sight: &Sight, error: Option<scan::ScanError>) {
    match error {
        Some(error) => {
            sight.board.notice(Cause::Scan, &RelPath::root(), error.to_string());
        }
        None => sight.board.over(Cause::Scan, &RelPath::root()),
    }
}

/// Looks at everything, then stands for a cookie.
fn everything(sight: &Sight, last: &Reader, number: u64) {
    if sight.is_good(false) {
        walk(sight, last, &Arc::new(Progress::default()), false);
    }
    sight.tell(Event::Cookie(Reached { number, open: Vec::new() }));
}

fn walk(
    sight: &Sight,
    last: &Reader,
    progress: &Arc<Progress>,
    reread_volatile: bool,
) -> Option<scan::Summary> {
    tracing::debug!("the whole folder is scanned");
    let (began_ms, began_unix_ms) = (sight.clock.mono_ms(), now_unix_ms());
    let eyes = sight.eyes(SCAN_WORKERS, reread_volatile);
    let root = [RelPath::root()];
    let walked =
        scan::trees(&eyes, last, progress, &root, &mut |report| sight.hand_on(began_ms, report));
    match walked {
        Ok(summary) => {
            report_trouble(sight, None);
            if summary.names_too_long > 0 {
                let count = summary.names_too_long;
                tracing::warn!("{count} names are longer than 255 bytes and are not synced");
            }
            if summary.complete {
                sight.board.scanned(began_unix_ms);
            }
            Some(summary)
        }
        Err(error) => {
            report_trouble(sight, Some(error));
            None
        }
    }
}

/// Scans each time it is asked, until nobody can ask any more. After a power loss what was not
/// known to be durable is read, until one scan is complete. Never else: bytes that changed under a
/// file whose times did not are rot, and reading would take them for an edit.
pub fn scans(sight: &Sight, last: &Reader, asked: &Receiver<()>) {
    let mut reread = sight.lost_power;
    // The store has just been opened, and was checked then.
    let mut checked_ms = sight.clock.mono_ms();
    while let Ok(()) = asked.recv() {
        if sight.clock.mono_ms() >= checked_ms + CHECK_EVERY_MS {
            checked_ms = sight.clock.mono_ms();
            if let Err(error) = last.check_sums() {
                sight.tell(Event::Halt(error.to_string()));
            }
        }
        let complete = sight.is_good(false) && {
            let progress = Arc::new(Progress::default());
            sight.board.set_scan(Some(progress.clone()));
            let summary = walk(sight, last, &progress, reread);
            sight.board.set_scan(None);
            summary.is_some_and(|summary| summary.complete)
        };
        reread &= !complete;
        if !sight.tell(Event::Inputs(vec![Input::Scanned(complete)])) {
            return;
        }
    }
}

/// Says how changes are noticed, and why not better.
pub fn show_rung(watcher: &Watcher, board: &Board) {
    let rung = match watcher.rung() {
        Rung::FanotifyFilesystem => "fanotify",
        Rung::Inotify => "inotify",
        Rung::ScanOnly => "scan",
    };
    let reasons: Vec<String> = watcher.refusals().into_iter().map(|r| r.reason).collect();
    let reasons = (!reasons.is_empty()).then(|| reasons.join("; "));
    board.set_rung(rung, reasons, watcher.unwatched());
}

/// See [`disk::hash::racy_ms`]; the kernel's release is read here.
pub fn racy(magic: u64) -> u64 {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    racy_ms(release.trim(), magic)
}
