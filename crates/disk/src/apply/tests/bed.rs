//! A root, a state directory and an `Apply` on a real filesystem, and short words for tests.

use crate::apply::{Apply, Between, Step};
use crate::fs::{Fs, Lease, On};
use crate::linux::{ignore_sigio, Linux};
use crate::stage::{digest_of, Staged};
use engine::content::Content;
use engine::entry::{Kind, Owner, Timestamp};
use engine::index::Attributes;
use engine::observe::Present;
use engine::path::{Name, RelPath};
use engine::plan::{Act, Expected, OpId, Operation, Outcome, Place, Retire};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Bed {
    pub(super) fs: Arc<Linux>,
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    pub(super) apply: Apply<Linux>,
    temporary: tempfile::TempDir,
}

pub(super) fn bed() -> Bed {
    bed_in(&std::env::temp_dir())
}

pub(super) fn bed_in(place: &Path) -> Bed {
    ignore_sigio();
    let temporary = tempfile::tempdir_in(place).unwrap();
    let (root, state) = (temporary.path().join("root"), temporary.path().join("state"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&state).unwrap();
    let fs = Arc::new(Linux::new());
    let apply = open(&fs, &root, &state);
    Bed { fs, root, state, apply, temporary }
}

fn open(fs: &Arc<Linux>, root: &Path, state: &Path) -> Apply<Linux> {
    let (root, state) = (fs.open_root(root).unwrap(), fs.open_root(state).unwrap());
    Apply::open(fs.clone(), root, &state, 0).unwrap()
}

pub(super) fn when() -> Timestamp {
    Timestamp { seconds: 1_600_000_000, nanos: 123_456_789 }
}

impl Bed {
    /// The same directories after a restart of the program.
    pub(super) fn reopen(self) -> Bed {
        let Bed { fs, root, state, apply, temporary } = self;
        drop(apply);
        let apply = open(&fs, &root, &state);
        Bed { fs, root, state, apply, temporary }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What another test starts as a program of its own holds all that was open here until it is
    /// that program: an operation found the file busy then.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
        let file = File::open(self.path(name)).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while self.fs.probe(&file) == Lease::Held {
            assert!(Instant::now() < until, "{name} stays open for writing");
            std::thread::yield_now();
        }
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(super) fn place(&self, path: &str) -> Place {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let dir = path.parent().unwrap();
        let root = self.fs.open_root(&self.root).unwrap();
        let open = self.fs.open_dir(&root, &dir).unwrap();
        let dir_handle = self.fs.stat_dir(&open).unwrap().handle;
        Place { dir, dir_handle, name: path.name().unwrap().clone() }
    }

    /// What a scan would have last seen at `path`.
    pub(super) fn seen(&self, path: &str) -> Expected {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let root = self.fs.open_root(&self.root).unwrap();
        let dir = self.fs.open_dir(&root, &path.parent().unwrap()).unwrap();
        let name = path.name().unwrap();
        let stat = self.fs.stat(&dir, name).unwrap();
        let kind = stat.kind.entry().unwrap();
        let content = match kind {
            Kind::Dir => None,
            Kind::Symlink => Some(Content::Link(self.fs.read_link(&dir, name).unwrap().into())),
            Kind::File => {
                let bytes =
                    std::fs::read(self.root.join(OsStr::from_bytes(&path.to_bytes()))).unwrap();
                Some(Content::File(digest_of(&bytes), bytes.len() as u64))
            }
        };
        Expected::Exactly { kind, fingerprint: stat.fingerprint(), content, soft: false }
    }

    pub(super) fn stage(&self, bytes: &[u8]) -> Content {
        let digest = digest_of(bytes);
        assert_eq!(self.apply.stage().put_whole(digest, bytes).unwrap(), Staged::Complete);
        Content::File(digest, bytes.len() as u64)
    }

    pub(super) fn install(&self, path: &str, expected: Expected, bytes: &[u8]) -> Act {
        let content = self.stage(bytes);
        self.install_content(path, expected, content)
    }

    pub(super) fn install_content(&self, path: &str, expected: Expected, content: Content) -> Act {
        let (attributes, retire) = (attributes(0o640), Retire::Trash);
        Act::Install { at: self.place(path), expected, content, attributes, retire }
    }

    pub(super) fn remove(&self, path: &str) -> Act {
        Act::Remove { at: self.place(path), expected: self.seen(path), retire: Retire::Trash }
    }

    pub(super) fn run(&mut self, act: Act) -> Outcome {
        self.run_all(vec![act]).remove(0)
    }

    pub(super) fn run_all(&mut self, acts: Vec<Act>) -> Vec<Outcome> {
        let number = |(id, act): (u64, Act)| Operation { id: OpId(id), act };
        let batch: Vec<Operation> = (0..).zip(acts).map(number).collect();
        self.apply.run(&batch)
    }

    /// Runs `act` with `interfere` called the first time that `step` is reached.
    pub(super) fn run_with(
        &mut self,
        act: Act,
        step: Step,
        interfere: impl FnOnce() + Send + 'static,
    ) -> Outcome {
        let mut interfere = Some(interfere);
        let between: Between = Box::new(move |now| {
            if now == step {
                if let Some(interfere) = interfere.take() {
                    interfere();
                }
            }
        });
        self.apply.set_between(Some(between));
        let outcome = self.run(act);
        self.apply.set_between(None);
        outcome
    }

    pub(super) fn trash_bytes(&mut self) -> Vec<Vec<u8>> {
        let items = self.apply.trash().list().unwrap();
        let state = self.state.join("trash");
        let read = |name: &Name| std::fs::read(state.join(name.to_string())).unwrap();
        items.iter().map(|item| read(&item.name)).collect()
    }

    /// Everything in the staging directory but the tag.
    pub(super) fn staging(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state.join("stage")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "CACHEDIR.TAG").collect();
        names.sort();
        names
    }

    pub(super) fn kept_bytes(&self) -> Vec<Vec<u8>> {
        let digests = self.apply.kept().list().unwrap();
        let read = |name: String| std::fs::read(self.state.join("kept").join(name)).unwrap();
        digests.iter().map(|digest| read(digest.to_string())).collect()
    }

    pub(super) fn set_xattr(&self, path: &str, name: &[u8], value: &[u8]) {
        let root = self.fs.open_root(&self.root).unwrap();
        let name_of = Name::new(path.as_bytes()).unwrap();
        let file = self.fs.open_file(&root, &name_of).unwrap();
        self.fs.set_xattr(On::File(&file), name, value).unwrap();
    }
}

pub(super) fn attributes(mode: u16) -> Attributes {
    // Who we are is told by what we create.
    let probe = tempfile::tempfile().unwrap();
    let meta = probe.metadata().unwrap();
    let owner = Owner { uid: meta.uid(), gid: meta.gid() };
    Attributes { mtime: when(), mode, owner, ..Attributes::default() }
}

/// What stands there now, of an operation that is plainly done.
#[track_caller]
pub(super) fn done(outcome: Outcome) -> Vec<Present> {
    match outcome {
        Outcome::Done { now, refused: None, displaced: None } => now,
        other => panic!("expected plainly done: {other:?}"),
    }
}
