//! Whether a folder stands in its place on other members' disks: the last question of `wait`, and
//! one of `status`.
//!
//! What was applied to a directory that has been renamed, unmounted or covered since is on nobody's
//! disk as far as users see, and no operation tells of it: so members look at their root and say.
//! A question and an answer on the control lane; what is lost is asked again. Called by `wait` and
//! `show`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::dot::NodeId;
use engine::message::FolderId;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::{timeout_at, Instant};

use super::Daemon;
use crate::net::Link;
use crate::payload;
use crate::view::StoppedThere;

/// Members that did not answer, or said no, are asked again after this.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Status waits no longer than this for members' answers, and takes what they said for this long.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
const HEARD_FOR: Duration = Duration::from_secs(1);
/// Questions that are looked into at once; who asks more is not answered, and asks again.
const LOOKS_MAX: usize = 64;
/// The most of a peer's reason that is shown, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// A question, or an answer to it.
#[derive(Clone, PartialEq, Message)]
struct Word {
    #[prost(uint64, tag = "1")]
    number: u64,
    /// Of a question: the folder.
    #[prost(bytes = "vec", tag = "2")]
    folder: Vec<u8>,
    /// Of an answer: why it does not stand there; empty if it does.
    #[prost(string, tag = "3")]
    trouble: String,
}

/// Answers that are being waited for.
#[derive(Default)]
pub struct Desk {
    waiting: Mutex<BTreeMap<(u64, NodeId), oneshot::Sender<String>>>,
    heard: Mutex<Option<(Instant, Stopped)>>,
}

/// Of members that are connected: the folders that do not work there.
pub type Stopped = BTreeMap<NodeId, Vec<StoppedThere>>;

impl Desk {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u64, NodeId), oneshot::Sender<String>>> {
        self.waiting.lock().expect("no code panics while it holds this lock")
    }

    fn heard(&self) -> MutexGuard<'_, Option<(Instant, Stopped)>> {
        self.heard.lock().expect("no code panics while it holds this lock")
    }
}

/// Answers of one round; they are not waited for any more when this goes.
struct Round<'a> {
    desk: &'a Desk,
    number: u64,
    answers: BTreeMap<NodeId, oneshot::Receiver<String>>,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut desk = self.desk.lock();
        for peer in self.answers.keys() {
            desk.remove(&(self.number, *peer));
        }
    }
}

/// Members that have not said yes, and why: kept while they are asked again.
pub type Refusals = Mutex<BTreeMap<NodeId, String>>;

impl Daemon {
    /// Returns when all of `members` have said that the folder stands in its place there; asks
    /// until they do.
    pub(super) async fn stand(
        &self,
        id: FolderId,
        members: &BTreeSet<NodeId>,
        refusals: &Refusals,
    ) {
        let mut left = members.clone();
        let silent = left.iter().map(|&peer| (peer, "it has not answered".to_owned()));
        refusals.lock().expect("no code panics while it holds this lock").extend(silent);
        while !left.is_empty() {
            let due = Instant::now() + ASK_EVERY;
            let mut round = self.ask_to_stand(id, &left);
            for (&peer, answer) in &mut round.answers {
                let Ok(Ok(trouble)) = timeout_at(due, answer).await else { continue };
                let mut refusals =
                    refusals.lock().expect("no code panics while it holds this lock");
                if trouble.is_empty() {
                    refusals.remove(&peer);
                    left.remove(&peer);
                } else {
                    refusals.insert(peer, trouble);
                }
            }
            if !left.is_empty() {
                tokio::time::sleep_until(due).await;
            }
        }
    }

    /// What does not work on other members, of the folders held here, as they say at this moment.
    /// Who does not answer in time is not accused.
    pub(super) async fn stopped_elsewhere(&self) -> Stopped {
        let now = Instant::now();
        if let Some((at, heard)) = &*self.standing.heard() {
            if now < *at + HEARD_FOR {
                return heard.clone();
            }
        }
        let connected: BTreeSet<NodeId> = self.connected().iter().map(|link| link.peer).collect();
        let open = self.folders.all().into_iter().map(|(id, _)| id);
        let ids = open.chain(self.folders.stopped().into_iter().map(|(id, _)| id));
        let rounds = ids.map(|id| {
            let holders = self.members.with(|map| map.holders(id));
            (id, self.ask_to_stand(id, &holders.intersection(&connected).copied().collect()))
        });
        let mut rounds: Vec<_> = rounds.collect();
        let mut stopped = Stopped::new();
        for (id, round) in &mut rounds {
            let folder = self.folder_name(*id);
            for (&peer, answer) in &mut round.answers {
                match timeout_at(now + ANSWERED_WITHIN, answer).await {
                    Ok(Ok(why)) if !why.is_empty() => {
                        let folder = folder.clone();
                        stopped.entry(peer).or_default().push(StoppedThere { folder, why });
                    }
                    _ => {}
                }
            }
        }
        stopped.values_mut().for_each(|all| all.sort_by(|a, b| a.folder.cmp(&b.folder)));
        *self.standing.heard() = Some((Instant::now(), stopped.clone()));
        stopped
    }

    fn ask_to_stand(&self, id: FolderId, members: &BTreeSet<NodeId>) -> Round<'_> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let question = Word { number, folder: id.0.to_vec(), trouble: String::new() };
        let question = payload::standing(&question.encode_to_vec());
        let mut round = Round { desk: &self.standing, number, answers: BTreeMap::new() };
        for &peer in members {
            let Some(link) = self.net.link(&peer) else { continue };
            let (sender, answer) = oneshot::channel();
            self.standing.lock().insert((number, peer), sender);
            round.answers.insert(peer, answer);
            self.tell(link, question.clone());
        }
        round
    }

    /// A question is answered beside the loop, for disks may be slow; an answer goes to who waits.
    pub(super) fn standing_message(self: &Arc<Self>, peer: NodeId, bytes: &[u8]) {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        let Ok(word) = Word::decode(bytes) else { return self.close(peer) };
        if word.folder.is_empty() {
            if let Some(waiting) = self.standing.lock().remove(&(word.number, peer)) {
                // Whoever asked may have given up.
                drop(waiting.send(word.trouble.chars().take(REASON_CHARS_MAX).collect()));
            }
            return;
        }
        let Some(link) = self.net.link(&peer) else { return };
        if UNDER_WAY.fetch_add(1, Ordering::Relaxed) >= LOOKS_MAX {
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let daemon = self.clone();
        tokio::task::spawn_blocking(move || {
            daemon.answer_standing(link, word);
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn answer_standing(&self, link: Link, question: Word) {
        let id = question.folder.try_into().ok().map(FolderId);
        let id = id.filter(|id| self.members.with(|map| map.holders(*id).contains(&link.peer)));
        let stands = match id {
            Some(id) => self.stands_here(id),
            None => Err("the folder is not known there".to_owned()),
        };
        let trouble = stands.err().unwrap_or_default();
        let answer = Word { number: question.number, folder: Vec::new(), trouble };
        self.tell(link, payload::standing(&answer.encode_to_vec()));
    }

    /// Whether the folder is at work here, in the directory that was added. Blocks.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn stands_here(&self, id: FolderId) -> Result<(), String> {
        if let Some(folder) = self.folders.get(id) {
            return folder.check();
        }
        let stopped = self.folders.stopped().into_iter().find(|(other, _)| *other == id);
        Err(stopped.map_or_else(|| "the folder is not held there".to_owned(), |(_, (.., why))| why))
    }
}
