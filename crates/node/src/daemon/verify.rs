//! `verify`: every node reads its whole tree, and what they found is compared entry by entry.
//!
//! The disks are read, not the indexes: what an index believes is what is being checked. Each node
//! lists its tree in path order; the asking node holds its own list and runs along each answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::scan::{self, Eyes, Progress as Counting};
use engine::content::Content;
use engine::dot::{Incarnation, NodeId};
use engine::engine::{FolderEngine, Opening};
use engine::entry::{IncarnationRecord, Kind};
use engine::index::{MemIndex, Meta, Phase};
use engine::message::FolderId;
use engine::observe::{Found, Present};
use engine::path::RelPath;
use prost::Message;
use tokio::sync::mpsc;

use super::Daemon;
use crate::control::{Exit, Failure, Items};
use crate::folder::Folder;
use crate::net::Lane;
use crate::payload;
use crate::view::{Difference, Progress, Verified};

/// Differences listed.
const DIFFERENCES_MAX: usize = 1000;
/// Entries in one part of an answer.
const PART_ENTRIES: usize = 2000;
/// Bytes of paths in one part of an answer.
const PART_BYTES: usize = 512 << 10;
/// A node that says nothing for this long has not answered.
const SILENCE: Duration = Duration::from_secs(120);
/// How long changes that are under way are waited for before reading begins.
const SETTLE: Duration = Duration::from_secs(20);

/// One entry as it was read from a disk.
#[derive(Clone, PartialEq, Message)]
struct Read {
    #[prost(bytes = "vec", tag = "1")]
    path: Vec<u8>,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(uint64, tag = "3")]
    size: u64,
    #[prost(uint32, tag = "4")]
    mode: u32,
    #[prost(uint32, tag = "5")]
    uid: u32,
    #[prost(uint32, tag = "6")]
    gid: u32,
    #[prost(sint64, tag = "7")]
    seconds: i64,
    #[prost(uint32, tag = "8")]
    nanos: u32,
    /// The digest of a file's bytes, or a symlink's target.
    #[prost(bytes = "vec", tag = "9")]
    content: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "10")]
    xattrs: Vec<Vec<u8>>,
}

/// A question, or a part of an answer.
#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(uint64, tag = "1")]
    number: u64,
    /// Of a question: the folder.
    #[prost(bytes = "vec", tag = "2")]
    folder: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<Read>,
    /// The answer is complete.
    #[prost(bool, tag = "4")]
    last: bool,
    /// Why there is no answer.
    #[prost(string, tag = "5")]
    trouble: String,
}

/// Answers that are being waited for.
#[derive(Default)]
pub struct Desk(Mutex<BTreeMap<(u64, NodeId), mpsc::Sender<Part>>>);

/// Reads a whole tree.
fn read_tree(folder: &Folder, counting: &Counting) -> Result<Vec<Read>, String> {
    let last = nothing_seen(folder).map_err(|error| error.to_string())?;
    let eyes = Eyes {
        fs: &*folder.tree.fs,
        root: &folder.tree.dir,
        ignore: &folder.tree.ignore,
        racy_ms: 0,
        workers: 1,
        reread_soft: true,
    };
    let mut all = Vec::new();
    let root = [RelPath::root()];
    let walked = scan::trees(&eyes, &last, counting, &root, &mut |report| {
        for look in report.batch.looks {
            if let (Found::Present(found), false) = (look.found, look.path.is_root()) {
                all.push(read(&look.path, &found));
            }
        }
        true
    });
    walked.map_err(|error| error.to_string())?;
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// An index that has seen nothing but the root: everything is reported, and every file is read.
fn nothing_seen(folder: &Folder) -> std::io::Result<MemIndex> {
    let root = folder.tree.look_at_root()?;
    let life = Incarnation::default();
    let fresh = IncarnationRecord { incarnation: life, node: NodeId([0; 32]), signature: vec![] };
    let mut index = MemIndex::new(Meta::new(life, Phase::Joining, [0; 16]));
    FolderEngine::open(&mut index, Opening { boot: [0; 16], fresh, root, empty: false });
    Ok(index)
}

fn read(path: &RelPath, found: &Present) -> Read {
    let content = match &found.content {
        Some(Content::File(digest, _)) => digest.0.to_vec(),
        Some(Content::Link(target)) => target.to_vec(),
        None => Vec::new(),
    };
    let attributes = &found.attributes;
    let pairs = attributes.xattrs.iter();
    Read {
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
    }
}

/// What differs between two nodes' entries at one path.
fn compare(a: &Read, b: &Read) -> Option<&'static str> {
    let checks = [
        (a.kind != b.kind, "type"),
        (a.content != b.content || a.size != b.size, "content"),
        (a.mode != b.mode, "mode"),
        ((a.uid, a.gid) != (b.uid, b.gid), "owner"),
        ((a.seconds, a.nanos) != (b.seconds, b.nanos), "mtime"),
        (a.xattrs != b.xattrs, "xattrs"),
    ];
    checks.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
}

/// Runs along our own list while a peer's comes in.
struct Runner<'a> {
    ours: &'a [Read],
    at: usize,
    found: &'a mut BTreeMap<Vec<u8>, (&'static str, BTreeSet<String>)>,
    node: String,
}

impl Runner<'_> {
    fn differs(&mut self, path: &[u8], what: &'static str) {
        if self.found.len() < DIFFERENCES_MAX || self.found.contains_key(path) {
            let entry = self.found.entry(path.to_vec()).or_insert((what, BTreeSet::new()));
            entry.1.insert(self.node.clone());
        }
    }

    fn take(&mut self, theirs: &Read) {
        while let Some(ours) = self.ours.get(self.at).filter(|ours| ours.path < theirs.path) {
            let path = ours.path.clone();
            self.differs(&path, "missing there");
            self.at += 1;
        }
        match self.ours.get(self.at).filter(|ours| ours.path == theirs.path) {
            Some(ours) => {
                if let Some(what) = compare(ours, theirs) {
                    self.differs(&theirs.path, what);
                }
                self.at += 1;
            }
            None => self.differs(&theirs.path, "missing here"),
        }
    }

    fn end(&mut self) {
        while let Some(ours) = self.ours.get(self.at) {
            let path = ours.path.clone();
            self.differs(&path, "missing there");
            self.at += 1;
        }
    }
}

impl Daemon {
    pub(super) async fn verify(
        self: &Arc<Self>,
        name: Option<String>,
        items: &Items,
    ) -> Result<Verified, Failure> {
        let mut whole = Verified {
            identical: true,
            entries: 0,
            bytes: 0,
            nodes: vec![self.node_name(self.me())],
            missing: Vec::new(),
            differences: Vec::new(),
        };
        for (id, folder) in self.meant(name)? {
            let label = self.folder_name(id);
            // Changes under way would show as differences; what does not settle is compared anyway.
            drop(self.settle(&label).await);
            self.verify_folder(id, &folder, &label, items, &mut whole).await?;
        }
        whole.nodes.sort();
        whole.nodes.dedup();
        whole.missing.sort();
        whole.missing.dedup();
        whole.identical = whole.differences.is_empty();
        Ok(whole)
    }

    async fn settle(&self, label: &str) -> Result<(), Failure> {
        self.wait(Some(label.to_owned()), SETTLE, false).await.map(drop)
    }

    async fn verify_folder(
        self: &Arc<Self>,
        id: FolderId,
        folder: &Arc<Folder>,
        label: &str,
        items: &Items,
        whole: &mut Verified,
    ) -> Result<(), Failure> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let talking = self.folders.talking(id);
        let mut answers = Vec::new();
        for peer in &talking {
            let (sender, answer) = mpsc::channel(4);
            self.verifying.lock().insert((number, *peer), sender);
            let ask = Part { number, folder: id.0.to_vec(), ..Part::default() };
            if let Some(link) = self.net.link(peer) {
                self.tell(link, payload::verify(&ask.encode_to_vec()));
            }
            answers.push((*peer, answer));
        }
        let me = self.me();
        let holders = self.members.with(|map| map.holders(id));
        let absent = holders.into_iter().filter(|peer| *peer != me && !talking.contains(peer));
        whole.missing.extend(absent.map(|peer| self.node_name(peer)));
        let ours = self.read_own(folder, items).await?;
        whole.entries += ours.len() as u64;
        whole.bytes += ours.iter().map(|entry| entry.size).sum::<u64>();
        let mut found = BTreeMap::new();
        for (peer, answer) in answers {
            let node = self.node_name(peer);
            let runner = Runner { ours: &ours, at: 0, found: &mut found, node: node.clone() };
            match run_along(runner, answer).await {
                Ok(()) => whole.nodes.push(node),
                Err(why) => {
                    tracing::warn!(%node, %why, "verify: no answer");
                    whole.missing.push(node);
                }
            }
            self.verifying.lock().remove(&(number, peer));
        }
        for (path, (what, nodes)) in found {
            let path = RelPath::parse(&path).map_or_else(|_| "?".to_owned(), |p| p.to_string());
            let (what, nodes) = (what.to_owned(), nodes.into_iter().collect());
            whole.differences.push(Difference { folder: label.to_owned(), path, what, nodes });
        }
        Ok(())
    }

    async fn read_own(&self, folder: &Arc<Folder>, items: &Items) -> Result<Vec<Read>, Failure> {
        let counting = Arc::new(Counting::default());
        let (reading, counts) = (folder.clone(), counting.clone());
        let begun = std::time::Instant::now();
        let mut task = tokio::task::spawn_blocking(move || read_tree(&reading, &counts));
        loop {
            tokio::select! {
                read = &mut task => {
                    let read = read.map_err(|error| error.to_string()).and_then(|read| read);
                    return read.map_err(|why| Failure::new(Exit::Failed, why));
                }
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    let progress = Progress {
                        done: counting.entries.load(Ordering::Relaxed),
                        bytes: counting.bytes.load(Ordering::Relaxed),
                        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(0),
                        ..Progress::default()
                    };
                    items.send(&progress).await;
                }
            }
        }
    }

    /// A question is answered by a thread of its own; an answer goes to who waits for it.
    pub(super) async fn verify_message(&self, peer: NodeId, bytes: &[u8]) {
        let Ok(part) = Part::decode(bytes) else {
            return self.close(peer);
        };
        if part.folder.is_empty() {
            let waiting = self.verifying.lock().get(&(part.number, peer)).cloned();
            if let Some(waiting) = waiting {
                drop(waiting.send(part).await);
            }
            return;
        }
        let folder = part.folder.try_into().ok().and_then(|id| self.folders.get(FolderId(id)));
        let Some(link) = self.net.link(&peer) else { return };
        let (net, number) = (self.net.clone(), part.number);
        std::thread::spawn(move || {
            let read = match &folder {
                Some(folder) => read_tree(folder, &Counting::default()),
                None => Err("the folder is not held, or has stopped".to_owned()),
            };
            for part in parts(number, read) {
                let bytes = payload::verify(&part.encode_to_vec());
                while let Err(crate::net::SendError::Full { .. }) =
                    net.send(link, Lane::Control, bytes.clone())
                {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
    }
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, NodeId), mpsc::Sender<Part>>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }
}

fn parts(number: u64, read: Result<Vec<Read>, String>) -> Vec<Part> {
    let entries = match read {
        Ok(entries) => entries,
        Err(trouble) => return vec![Part { number, last: true, trouble, ..Part::default() }],
    };
    let mut parts = Vec::new();
    let mut part = Part { number, ..Part::default() };
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.encoded_len();
        part.entries.push(entry);
        if part.entries.len() >= PART_ENTRIES || bytes >= PART_BYTES {
            bytes = 0;
            parts.push(std::mem::replace(&mut part, Part { number, ..Part::default() }));
        }
    }
    parts.push(Part { last: true, ..part });
    parts
}

async fn run_along(mut runner: Runner<'_>, mut answer: mpsc::Receiver<Part>) -> Result<(), String> {
    loop {
        let part = match tokio::time::timeout(SILENCE, answer.recv()).await {
            Ok(Some(part)) => part,
            Ok(None) => return Err("the session ended".to_owned()),
            Err(_) => return Err("it is silent".to_owned()),
        };
        if !part.trouble.is_empty() {
            return Err(part.trouble);
        }
        part.entries.iter().for_each(|theirs| runner.take(theirs));
        if part.last {
            runner.end();
            return Ok(());
        }
    }
}
