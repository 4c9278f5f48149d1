//! `verify`: every node reads its whole tree, and what they found is compared entry by entry.
//!
//! The disks are read, not the indexes: what an index believes is what is being checked. Each node
//! lists its tree in path order; lists lie in files without a name while they are compared, so that
//! a tree of any size takes little memory, and an answer that comes early holds nothing up. Here is
//! the conversation; `answer` reads a tree, `sorted` holds lists, `compare` compares them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use disk::scan::Progress as Counting;
use engine::dot::NodeId;
use engine::message::FolderId;
use engine::path::RelPath;
use prost::Message;
use tokio::sync::Notify;

use super::{show, Daemon};
use crate::control::{Exit, Failure, Items};
use crate::folder::Folder;
use crate::payload;
use crate::view::{Difference, NotCompared, Progress, Verified};

mod answer;
mod compare;
mod sorted;

use answer::Answer;
use compare::Found;
use sorted::{Inbox, Sorted};

/// A node that says nothing for this long has not answered: well above `answer`'s signs of life.
const SILENCE: Duration = Duration::from_secs(60);
/// How long changes that are under way are waited for before reading begins.
const SETTLE: Duration = Duration::from_secs(20);
/// How often whoever asked is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// What is known of a path: numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum State {
    /// It was read.
    Read = 0,
    /// It could not be: a program has it open for writing, or may not be read.
    Unread = 1,
    /// It is not ours: a socket, a mount point.
    Foreign = 2,
}

/// One entry as it was read from a disk, or why it was not.
#[derive(Clone, PartialEq, Message)]
struct Entry {
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
    #[prost(enumeration = "State", tag = "11")]
    state: i32,
    /// Why it was not read.
    #[prost(string, tag = "12")]
    why: String,
}

/// A question, a part of an answer, or a sign that one is being prepared.
#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(uint64, tag = "1")]
    number: u64,
    /// Of a question: the folder.
    #[prost(bytes = "vec", tag = "2")]
    folder: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<Entry>,
    /// There is no part behind this one.
    #[prost(bool, tag = "4")]
    last: bool,
    /// Why there is no answer.
    #[prost(string, tag = "5")]
    trouble: String,
    /// Which part this is, from 1: they overtake one another. 0 for what is no part.
    #[prost(uint64, tag = "6")]
    sequence: u64,
    /// How many entries have been read so far.
    #[prost(uint64, tag = "7")]
    done: u64,
}

impl Entry {
    /// Whether it is something in the tree whose content is known.
    fn is_read(&self) -> bool {
        self.state() == State::Read && !self.path.is_empty()
    }
}

impl Part {
    fn entries_only(&self) -> Vec<u8> {
        Part { entries: self.entries.clone(), ..Part::default() }.encode_to_vec()
    }
}

/// Answers that are being waited for.
#[derive(Default)]
pub struct Desk(Mutex<BTreeMap<(u64, NodeId), Arc<Waiting>>>);

/// Where one peer's answer comes in.
struct Waiting {
    inbox: Mutex<Inbox>,
    came: Notify,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("no code panics while it holds this lock")
    }
}

/// One peer's answer; it is not waited for any more when this goes.
struct Asked<'a> {
    desk: &'a Desk,
    number: u64,
    peer: NodeId,
    node: String,
    waiting: Arc<Waiting>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.desk.lock().remove(&(self.number, self.peer));
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u64, NodeId), Arc<Waiting>>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }
}

/// How far one folder's comparison is, for whoever asked.
struct Teller<'a> {
    items: &'a Items,
    begun: Instant,
    /// Entries that are to be read, as the index knows.
    total: Option<u64>,
    counting: Arc<Counting>,
}

impl Teller<'_> {
    /// The slowest node says how far all are.
    async fn tell(&self, asked: &[Asked<'_>]) {
        let own = self.counting.entries.load(Ordering::Relaxed);
        let slowest = asked
            .iter()
            .map(|asked| asked.waiting.lock())
            .filter(|inbox| !inbox.is_complete() && inbox.done > 0)
            .map(|inbox| inbox.done)
            .fold(own, u64::min);
        let progress = Progress {
            done: slowest,
            total: self.total.map(|total| total.max(slowest)),
            bytes: self.counting.bytes.load(Ordering::Relaxed),
            bytes_total: None,
            elapsed_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.items.send(&progress).await;
    }
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("the folder cannot be compared: {why}"))
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
            more_differences: 0,
            not_compared: Vec::new(),
            more_not_compared: 0,
        };
        for (id, folder) in self.meant(name)? {
            let label = self.folder_name(id);
            self.in_place(id, &folder).await?;
            // Changes under way would show as differences; what does not settle is compared anyway.
            drop(self.wait(Some(label.clone()), SETTLE, false, None).await);
            self.verify_folder(id, &folder, &label, items, &mut whole).await?;
        }
        whole.nodes.sort();
        whole.nodes.dedup();
        whole.missing.sort();
        whole.missing.dedup();
        whole.identical = whole.differences.is_empty() && whole.not_compared.is_empty();
        Ok(whole)
    }

    async fn verify_folder(
        self: &Arc<Self>,
        id: FolderId,
        folder: &Arc<Folder>,
        label: &str,
        items: &Items,
        whole: &mut Verified,
    ) -> Result<(), Failure> {
        let asked = self.ask_peers(id)?;
        let me = self.me();
        let holders = self.members.with(|map| map.holders(id));
        let is_asked = |peer: &NodeId| asked.iter().any(|asked| asked.peer == *peer);
        let absent = holders.into_iter().filter(|peer| *peer != me && !is_asked(peer));
        whole.missing.extend(absent.map(|peer| self.node_name(peer)));
        let total = folder.ask(show::figures).await.map(|figures| figures.entries);
        let counting = Arc::new(Counting::default());
        let teller = Teller { items, begun: Instant::now(), total, counting };
        let ours = self.read_own(folder, &teller, &asked).await?;
        whole.entries += ours.entries;
        whole.bytes += ours.bytes;
        let mut complete = Vec::new();
        for one in &asked {
            match wait_for(one, &asked, &teller).await {
                Ok(()) => {
                    whole.nodes.push(one.node.clone());
                    complete.push((one.node.clone(), one.waiting.clone()));
                }
                Err(why) => {
                    tracing::warn!(node = %one.node, %why, "verify: no answer");
                    whole.missing.push(one.node.clone());
                    let (folder, path) = (label.to_owned(), RelPath::root().to_string());
                    let skipped = NotCompared { folder, path, node: one.node.clone(), why };
                    whole.not_compared.push(skipped);
                }
            }
        }
        let own = self.node_name(me);
        let compared = tokio::task::spawn_blocking(move || {
            let mut found = Found::default();
            for (node, waiting) in complete {
                let nodes = (own.as_str(), node.as_str());
                compare::run_along(&ours, waiting.lock().entries(), nodes, &mut found)?;
            }
            std::io::Result::Ok(found)
        });
        let found = compared.await.map_err(failed)?.map_err(failed)?;
        report(found, label, whole);
        Ok(())
    }

    /// Asks every holder that the folder talks with to read its tree. Who held it once has no copy
    /// of what is in it now.
    fn ask_peers(&self, id: FolderId) -> Result<Vec<Asked<'_>>, Failure> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let desk = &self.verifying;
        let mut all = Vec::new();
        let holders = self.members.with(|map| map.holders(id));
        for peer in self.folders.talking(id).intersection(&holders).copied() {
            let inbox = Mutex::new(Inbox::new(self.home.path()).map_err(failed)?);
            let waiting = Arc::new(Waiting { inbox, came: Notify::new() });
            desk.lock().insert((number, peer), waiting.clone());
            all.push(Asked { desk, number, peer, node: self.node_name(peer), waiting });
            let ask = Part { number, folder: id.0.to_vec(), ..Part::default() };
            if let Some(link) = self.net.link(&peer) {
                self.tell(link, payload::verify(&ask.encode_to_vec()));
            }
        }
        Ok(all)
    }

    async fn read_own(
        &self,
        folder: &Arc<Folder>,
        teller: &Teller<'_>,
        asked: &[Asked<'_>],
    ) -> Result<Sorted, Failure> {
        let (folder, counting) = (folder.clone(), teller.counting.clone());
        let home: PathBuf = self.home.path().to_owned();
        let (reader, wanted) = tokio::sync::oneshot::channel::<()>();
        let mut task = tokio::task::spawn_blocking(move || {
            answer::read_tree(&folder, &home, &counting, || !reader.is_closed())
        });
        let read = loop {
            tokio::select! {
                read = &mut task => break read,
                () = tokio::time::sleep(PROGRESS_EVERY) => teller.tell(asked).await,
            }
        };
        // Held until here: whoever asked and goes away ends the reading with it.
        drop(wanted);
        read.map_err(failed)?.map_err(failed)
    }

    /// A question is answered by a thread of its own; an answer goes to who waits for it.
    pub(super) fn verify_message(&self, peer: NodeId, bytes: &[u8]) {
        let Ok(part) = Part::decode(bytes) else {
            return self.close(peer);
        };
        if part.folder.is_empty() {
            let waiting = self.verifying.lock().get(&(part.number, peer)).cloned();
            if let Some(waiting) = waiting {
                waiting.lock().take(&part);
                waiting.came.notify_one();
            }
            return;
        }
        let id = part.folder.try_into().ok().map(FolderId);
        let holders = id.map(|id| self.members.with(|map| map.holders(id))).unwrap_or_default();
        let folder = id.filter(|_| holders.contains(&peer)).and_then(|id| self.folders.get(id));
        let Some(link) = self.net.link(&peer) else { return };
        let (home, net) = (self.home.path().to_owned(), self.net.clone());
        Answer { link, number: part.number, folder, home, net }.start();
    }
}

/// What was found in one folder, for whoever asked.
fn report(found: Found, label: &str, whole: &mut Verified) {
    whole.more_differences += found.more;
    whole.more_not_compared += found.more_skipped;
    let shown =
        |path: &[u8]| RelPath::parse(path).map_or_else(|_| "?".to_owned(), |path| path.to_string());
    for (path, (what, nodes)) in found.listed {
        let (path, what, nodes) = (shown(&path), what.to_owned(), nodes.into_iter().collect());
        whole.differences.push(Difference { folder: label.to_owned(), path, what, nodes });
    }
    for ((path, node), why) in found.skipped {
        let (folder, path) = (label.to_owned(), shown(&path));
        whole.not_compared.push(NotCompared { folder, path, node, why });
    }
}

/// Until a peer's answer is complete.
async fn wait_for(one: &Asked<'_>, all: &[Asked<'_>], teller: &Teller<'_>) -> Result<(), String> {
    let mut heard = Instant::now();
    loop {
        {
            let inbox = one.waiting.lock();
            match &inbox.trouble {
                Some(why) => return Err(why.clone()),
                None if inbox.is_complete() => return Ok(()),
                None => {}
            }
        }
        tokio::select! {
            () = one.waiting.came.notified() => heard = Instant::now(),
            () = tokio::time::sleep(PROGRESS_EVERY) => teller.tell(all).await,
        }
        if heard.elapsed() >= SILENCE {
            return Err("it is silent".to_owned());
        }
    }
}
