//! A small filesystem with a tree, a state directory and a watcher.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use engine::index::Handle;

use super::super::{Hint, Options, Rung, Touched, Watcher};

/// Longer than any machine needs; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was hinted between two cookies.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Seen {
    pub(super) names: BTreeMap<Vec<u8>, Touched>,
    pub(super) trees: BTreeSet<Vec<u8>>,
    pub(super) root: Touched,
    pub(super) inodes: BTreeMap<Vec<u8>, Handle>,
    pub(super) lost: bool,
}

impl Seen {
    pub(super) fn what(&self, path: &str) -> Touched {
        *self.names.get(path.as_bytes()).unwrap_or_else(|| panic!("no hint of {path}: {self:?}"))
    }

    /// Whether the path was hinted, itself or by a tree above it.
    pub(super) fn covers(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        let mut trees = above.chain([path, ""]);
        self.names.contains_key(path.as_bytes())
            || trees.any(|tree| self.trees.contains(tree.as_bytes()))
    }

    fn add(&mut self, hint: Hint) -> Option<u64> {
        match hint {
            Hint::Name { dir, name, what } => {
                *self.names.entry(dir.join(name).to_bytes()).or_default() |= what;
            }
            Hint::Inode { path, handle } => drop(self.inodes.insert(path.to_bytes(), handle)),
            Hint::Root(what) => self.root |= what,
            Hint::Tree(path) => drop(self.trees.insert(path.to_bytes())),
            Hint::Lost => self.lost = true,
            Hint::Cookie(cookie) => return Some(cookie),
        }
        None
    }
}

/// Says so past the test harness, which would swallow what a passing test prints.
pub(in super::super) fn skipped(why: &str) {
    let line = format!("SKIPPED on {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Dropped in this order: the watcher, then the mount, then the directory.
pub(super) struct Lab {
    pub(super) watcher: Watcher,
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    pub(super) base: PathBuf,
    cookies: u64,
    _mount: Option<Mount>,
    _dir: tempfile::TempDir,
}

/// A tmpfs that goes with its owner.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn tmpfs(at: &Path) -> Mount {
        let done = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(at).status().unwrap();
        assert!(done.success(), "mount of a tmpfs at {}", at.display());
        Mount(at.into())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "umount {}", self.0.display());
    }
}

impl Lab {
    /// `None`, with a line that says so, where the rung needs rights that this user lacks.
    pub(super) fn open(rung: Rung, options: Options) -> Option<Lab> {
        Lab::open_over(rung, options, |_| {})
    }

    /// As `open`, with something in the tree before it is watched.
    pub(super) fn open_over(
        rung: Rung,
        options: Options,
        prepare: impl FnOnce(&Path),
    ) -> Option<Lab> {
        let is_root = rustix::process::geteuid().is_root();
        if rung == Rung::FanotifyFilesystem && !is_root {
            skipped("fanotify: a filesystem mark needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mount = is_root.then(|| Mount::tmpfs(dir.path()));
        let base = dir.path().canonicalize().unwrap();
        let (root, state) = (base.join("tree"), base.join("state"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&state).unwrap();
        prepare(&root);
        let fd = fs::File::open(&root).unwrap();
        let options = Options { rung: Some(rung), ..options };
        let mut watcher = Watcher::open(fd.as_fd(), &root, options).unwrap();
        let cookie_dir = fs::File::open(&state).unwrap();
        watcher.watch_cookies(cookie_dir.as_fd()).unwrap();
        Some(Lab { watcher, root, state, base, cookies: 0, _mount: mount, _dir: dir })
    }

    /// Everything hinted since the last call, up to a cookie made now.
    pub(super) fn seen(&mut self) -> Seen {
        self.cookies += 1;
        fs::write(self.state.join(format!("cookie-{}", self.cookies)), b"").unwrap();
        self.seen_until(|_, cookie| cookie)
    }

    /// As `seen`, until these files were also hinted as closed: a process that another test started
    /// at that moment may hold a copy of the descriptor a little longer than the test does.
    pub(super) fn seen_closed(&mut self, paths: &[&[u8]]) -> Seen {
        self.cookies += 1;
        fs::write(self.state.join(format!("cookie-{}", self.cookies)), b"").unwrap();
        self.seen_until(|seen, cookie| {
            let closed = |what: &Touched| what.contains(Touched::CLOSED);
            cookie && paths.iter().all(|&path| seen.names.get(path).is_some_and(closed))
        })
    }

    /// As `seen`, but only counts the names, as cheaply as a real reader would.
    pub(super) fn count(&mut self) -> usize {
        self.cookies += 1;
        fs::write(self.state.join(format!("cookie-{}", self.cookies)), b"").unwrap();
        let (mut hints, mut count) = (Vec::new(), 0);
        loop {
            self.watcher.next(&mut hints, Some(PATIENCE)).unwrap();
            assert!(!hints.contains(&Hint::Lost));
            count += hints.iter().filter(|hint| matches!(hint, Hint::Name { .. })).count();
            if hints.contains(&Hint::Cookie(self.cookies)) {
                return count;
            }
            hints.clear();
        }
    }

    /// As `seen`, without a cookie: until `enough` says so, told what came and whether the last
    /// cookie did.
    pub(super) fn seen_until(&mut self, enough: impl Fn(&Seen, bool) -> bool) -> Seen {
        let (mut seen, mut cookie) = (Seen::default(), false);
        let end = Instant::now() + PATIENCE;
        while !enough(&seen, cookie) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing more came: {} names", seen.names.len());
            let mut hints = Vec::new();
            self.watcher.next(&mut hints, Some(left)).unwrap();
            for hint in hints {
                cookie |= seen.add(hint) == Some(self.cookies);
            }
        }
        seen
    }
}

/// Runs a test on fanotify and on inotify, with the events of this very process.
pub(super) fn on_each_rung(test: impl Fn(&mut Lab)) {
    for rung in [Rung::FanotifyFilesystem, Rung::Inotify] {
        let options = Options { keep_own: true, ..Options::default() };
        if let Some(mut lab) = Lab::open(rung, options) {
            assert_eq!(lab.watcher.rung(), rung);
            test(&mut lab);
        }
    }
}

/// Runs the test of this name once more in a process that may have so few inotify watches. Whether
/// this is that process: the other one only judges how it ended.
pub(super) fn few_watches(test: &str, watches_max: u32) -> bool {
    const IS_INSIDE: &str = "SYNCLINE_TEST_FEW_WATCHES";
    if std::env::var_os(IS_INSIDE).is_some() {
        return true;
    }
    // The limit belongs to a user namespace; mounts of its own are what a test's lab needs.
    let script = format!("echo {watches_max} >/proc/sys/user/max_inotify_watches && exec \"$@\"");
    let limited = |line: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-r", "-m", "sh", "-c", &script, "sh"]).args(line).env(IS_INSIDE, "1");
        command.output()
    };
    if !limited(&["true"]).is_ok_and(|output| output.status.success()) {
        skipped("inotify: a limit of watches needs unshare and user namespaces");
        return false;
    }
    let own = std::env::current_exe().unwrap();
    let run = limited(&[own.to_str().unwrap(), "--exact", test, "--nocapture"]).unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && said.contains("1 passed"), "{said} {run:?}");
    false
}

/// A shell command in `dir`: its events bear another pid.
pub(super) fn by_another_process(dir: &Path, command: &str) -> bool {
    Command::new("sh").args(["-c", command]).current_dir(dir).status().unwrap().success()
}

/// One byte, stored through a mapping after the file was closed, then unmapped.
pub(super) fn store_by_mapping(path: &Path) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh shared mapping of 4,096 bytes of a file that has as many, used only here.
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(),
            4096,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(map, libc::MAP_FAILED);
        drop(file);
        map.cast::<u8>().write_volatile(b'Z');
        assert_eq!(libc::munmap(map, 4096), 0);
    }
}
