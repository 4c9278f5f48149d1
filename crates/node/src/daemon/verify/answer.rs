//! A node's own tree, read for `verify`: for this node's comparison, or as an answer to a peer.
//!
//! The disk is read, not the index. Called by `verify`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::fs::look_at_dir;
use disk::scan::{self, Eyes, Progress as Counting};
use engine::content::Content;
use engine::dot::{Incarnation, NodeId};
use engine::engine::{Boot, FolderEngine, Opening, Witness};
use engine::entry::{IncarnationRecord, Kind};
use engine::index::{MemIndex, Meta, Phase};
use engine::observe::{Found, Present};
use engine::path::RelPath;
use prost::Message;

use super::sorted::{Sorted, Sorter};
use super::{Entry, Part, State};
use crate::folder::Folder;
use crate::net::{Lane, Link, NetHandle, SendError};
use crate::payload;

/// Entries in one part of an answer.
const PART_ENTRIES: usize = 2000;
/// Bytes of entries in one part of an answer.
const PART_BYTES: usize = 512 << 10;
/// A node that reads for long says at least this often how far it is.
const SIGN_EVERY: Duration = Duration::from_secs(5);
/// Answers that are prepared at once; further questions are refused.
const ANSWERS_MAX: usize = 4;
/// A full lane is tried again after this.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// Reads a whole tree, if it is the folder's before and after; `go_on` is asked now and then.
pub fn read_tree(
    folder: &Folder,
    home: &Path,
    counting: &Counting,
    mut go_on: impl FnMut() -> bool,
) -> Result<Sorted, String> {
    folder.check()?;
    let spool = |error: std::io::Error| format!("{}: {error}", home.display());
    let root = look_at_dir(&*folder.tree.fs, &folder.tree.dir).map_err(|e| e.to_string())?;
    // Not the root's time: joining does not carry it over before something in it changes.
    let own = Entry { seconds: 0, nanos: 0, ..read_entry(&RelPath::root(), &root) };
    let last = nothing_seen(root);
    let eyes = Eyes {
        fs: &*folder.tree.fs,
        root: &folder.tree.dir,
        ignore: &folder.tree.ignore,
        racy_ms: 0,
        workers: 1,
        reread_soft: true,
        reread_volatile: false,
    };
    let mut sorter = Sorter::new(home).map_err(spool)?;
    let mut kept = sorter.push(own);
    let root = [RelPath::root()];
    let walked = scan::trees(&eyes, &last, counting, &root, &mut |report| {
        for look in report.batch.looks.iter().filter(|look| !look.path.is_root()) {
            if let Some(entry) = entry(&look.path, &look.found) {
                kept = sorter.push(entry);
                if kept.is_err() {
                    return false;
                }
            }
        }
        go_on()
    });
    kept.map_err(spool)?;
    walked.map_err(|error| error.to_string())?;
    folder.check()?;
    sorter.finish().map_err(spool)
}

/// An index that has seen nothing but the root: everything is reported, and every file is read.
fn nothing_seen(root: Present) -> MemIndex {
    let life = Incarnation::default();
    let fresh = IncarnationRecord { incarnation: life, node: NodeId([0; 32]), signature: vec![] };
    let mut index = MemIndex::new(Meta::new(life, Phase::Joining, [0; 16]));
    let (boot, witness) = (Boot::default(), Witness::NoPlace);
    let opening = Opening { boot, fresh, witness, noted: None, root, empty: false };
    FolderEngine::open(&mut index, opening);
    index
}

/// What is told of a path: also that it is there and was not read, lest it count as compared.
fn entry(path: &RelPath, found: &Found) -> Option<Entry> {
    let not_read = |state: State, why: String| {
        Some(Entry { path: path.to_bytes(), state: state.into(), why, ..Entry::default() })
    };
    match found {
        Found::Present(found) => Some(read_entry(path, found)),
        Found::Absent => None,
        Found::Busy(None) => not_read(State::Unread, "open for writing, or changing".to_owned()),
        Found::Busy(Some(who)) => not_read(State::Unread, format!("open for writing by {who}")),
        Found::Unreadable(why, _) => not_read(State::Unread, why.clone()),
        Found::Foreign(why) => not_read(State::Foreign, why.clone()),
    }
}

fn read_entry(path: &RelPath, found: &Present) -> Entry {
    let content = match &found.content {
        Some(Content::File(digest, _)) => digest.0.to_vec(),
        Some(Content::Link(target)) => target.to_vec(),
        None => Vec::new(),
    };
    let attributes = &found.attributes;
    let pairs = attributes.xattrs.iter();
    Entry {
        path: path.to_bytes(),
        kind: found.kind as u32,
        size: if found.kind == Kind::Dir { 0 } else { found.fingerprint.size },
        mode: attributes.mode.into(),
        uid: attributes.owner.uid,
        gid: attributes.owner.gid,
        seconds: attributes.mtime.seconds,
        nanos: attributes.mtime.nanos,
        content,
        xattrs: pairs.map(|(name, value)| [&name[..], b"=", &value[..]].concat()).collect(),
        state: State::Read.into(),
        why: String::new(),
    }
}

/// An answer that is being prepared.
pub struct Answer {
    /// The session on which it was asked.
    pub link: Link,
    /// The question's number.
    pub number: u64,
    /// The folder, if it is held here.
    pub folder: Option<Arc<Folder>>,
    /// Where large lists go meanwhile.
    pub home: std::path::PathBuf,
    /// The way back.
    pub net: NetHandle,
}

impl Answer {
    /// Reads and answers, on a thread of its own.
    pub fn start(self) {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        if UNDER_WAY.fetch_add(1, Ordering::Relaxed) >= ANSWERS_MAX {
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
            self.send_trouble("it is busy with other comparisons");
            return;
        }
        std::thread::spawn(move || {
            if let Err(why) = self.run() {
                self.send_trouble(&why);
            }
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn run(&self) -> Result<(), String> {
        let folder = self.folder.as_ref().ok_or("the folder is not held, or has stopped")?;
        let counting = Counting::default();
        let mut signed = Instant::now();
        let go_on = || {
            if signed.elapsed() < SIGN_EVERY {
                return true;
            }
            signed = Instant::now();
            let done = counting.entries.load(Ordering::Relaxed);
            self.send(&Part { number: self.number, done, ..Part::default() })
        };
        let sorted = read_tree(folder, &self.home, &counting, go_on)?;
        self.send_all(&sorted).map_err(|error| error.to_string())
    }

    fn send_all(&self, sorted: &Sorted) -> std::io::Result<()> {
        let fresh = |sequence| {
            let done = sorted.entries;
            Part { number: self.number, sequence, done, ..Part::default() }
        };
        let (mut part, mut bytes) = (fresh(1), 0);
        let mut all = sorted.iter()?;
        while let Some(entry) = all.next()? {
            bytes += entry.encoded_len();
            part.entries.push(entry);
            if part.entries.len() >= PART_ENTRIES || bytes >= PART_BYTES {
                bytes = 0;
                let next = fresh(part.sequence + 1);
                if !self.send(&std::mem::replace(&mut part, next)) {
                    return Ok(());
                }
            }
        }
        self.send(&Part { last: true, ..part });
        Ok(())
    }

    fn send_trouble(&self, why: &str) {
        self.send(&Part { number: self.number, trouble: why.to_owned(), ..Part::default() });
    }

    /// Sends on the data lane, behind which nothing urgent waits; false when the asker has gone.
    fn send(&self, part: &Part) -> bool {
        let bytes = bytes::Bytes::from(payload::verify(&part.encode_to_vec()));
        loop {
            match self.net.send(self.link, Lane::Data(0), bytes.clone()) {
                Ok(_) => return true,
                Err(SendError::Full { .. }) => std::thread::sleep(FULL_PAUSE),
                Err(_) => return false,
            }
        }
    }
}
