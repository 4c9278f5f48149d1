//! `wait`: who is waited for, what they are told meanwhile who wait, and when it is true.
//!
//! The barrier itself is the folder's (folder::barrier); here it is put to all folders that are
//! meant, and to the members' roots. Called by `api`, and by `verify` before it reads.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::dot::NodeId;
use engine::message::FolderId;

use super::standing::Refusals;
use super::{show, Daemon, Session};
use crate::control::{Exit, Failure, Items, WaitProgress};
use crate::folder::barrier::Request as Barrier;
use crate::folder::control::Event;
use crate::folder::Folder;
use crate::membership::now_unix_ms;
use crate::view::{time, Progress, Waited};

/// Members lost no longer ago than this are still waited for.
const RECENTLY: Duration = Duration::from_secs(30);
/// How often who waits is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

/// Whether a member is waited for: it is there, or was a moment ago.
fn is_expected(session: &Session) -> bool {
    session.up.is_some() || session.lost_at.is_some_and(|at| at.elapsed() < RECENTLY)
}

/// How far those are that a barrier waits for.
struct Way {
    begun: Instant,
    /// The most that was lacking at any time.
    most: u64,
    meant: Vec<(FolderId, Arc<Folder>)>,
    members: BTreeSet<NodeId>,
}

impl Way {
    /// Waits for `passed`, and tells meanwhile how far everybody is.
    async fn tell<T>(
        &mut self,
        daemon: &Daemon,
        items: Option<&Items>,
        passed: impl Future<Output = T>,
    ) -> T {
        let mut passed = std::pin::pin!(passed);
        loop {
            tokio::select! {
                passed = &mut passed => return passed,
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
            }
            let lacking = self.lacking().await;
            self.most = self.most.max(lacking);
            if let Some(items) = items {
                let absent = self.members.iter().filter_map(|peer| daemon.absent(*peer)).collect();
                let progress = self.progress(lacking);
                items.send(&WaitProgress { progress, absent }).await;
            }
        }
    }

    /// Operations that some member does not show yet, and looks that are still to be taken here.
    async fn lacking(&self) -> u64 {
        let mut lacking = 0;
        for (_, folder) in &self.meant {
            lacking += folder.board.backlog.load(Ordering::Relaxed);
            let Some(figures) = folder.ask(show::figures).await else { continue };
            let behind = figures.behind.iter().filter(|(peer, _)| self.members.contains(peer));
            lacking += behind.map(|(_, count)| count).sum::<u64>();
        }
        lacking
    }

    fn progress(&self, lacking: u64) -> Progress {
        Progress {
            done: self.most - lacking,
            total: Some(self.most),
            elapsed_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..Progress::default()
        }
    }
}

impl Daemon {
    /// Members to wait for in a folder: connected now or a moment ago; all of them with `all`.
    fn awaited(&self, id: FolderId, all: bool) -> Result<BTreeSet<NodeId>, Failure> {
        let me = self.me();
        let mut members = self.members.with(|map| map.holders(id));
        members.remove(&me);
        let others = !members.is_empty();
        if !all {
            let sessions = self.sessions();
            members.retain(|peer| sessions.get(peer).is_some_and(is_expected));
        }
        if others && members.is_empty() {
            let words = format!(
                "folder {:?}: no other node that holds it is connected, so nobody can say (see \
                 `syncline status`); --all waits for all of them",
                self.folder_name(id)
            );
            return Err(Failure::new(Exit::No, words));
        }
        Ok(members)
    }

    pub(super) async fn wait(
        &self,
        name: Option<String>,
        timeout: Duration,
        all: bool,
        items: Option<&Items>,
    ) -> Result<Waited, Failure> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let begun = Instant::now();
        let mut pending = Vec::new();
        let mut everybody = BTreeSet::new();
        let mut not_awaited = BTreeSet::new();
        let meant = self.meant(name)?;
        meant.iter().try_for_each(|(id, _)| self.is_read_here(*id))?;
        for (id, folder) in meant.clone() {
            self.in_place(id, &folder).await?;
            let members = self.awaited(id, all)?;
            let holders = self.members.with(|map| map.holders(id));
            not_awaited.extend(holders.difference(&members).filter(|peer| **peer != self.me()));
            everybody.extend(members.iter().copied());
            let (done, passed) = tokio::sync::oneshot::channel();
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let barrier = Event::Barrier(Barrier { number, members: members.clone(), done });
            let asked = folder.clone();
            drop(tokio::task::spawn_blocking(move || asked.tell(barrier)).await);
            pending.push((id, folder, members, passed));
        }
        let (mut open_files, mut unread) = (Vec::new(), Vec::new());
        let mut way = Way { begun, most: 0, meant, members: everybody.clone() };
        for (id, folder, members, passed) in pending {
            let left = timeout.saturating_sub(begun.elapsed());
            let refusals = Refusals::default();
            let passing = async {
                let stopped = |_| failed("the folder has stopped; see `syncline status`");
                let passed = passed.await.map_err(stopped)?;
                // Only now: what they say must be true when everything is there.
                self.stand(id, &members, &refusals).await;
                self.in_place(id, &folder).await?;
                Ok(passed)
            };
            match tokio::time::timeout(left, way.tell(self, items, passing)).await {
                Ok(passed) => {
                    open_files.extend(passed?.open.iter().map(|p| p.display().to_string()));
                    unread.extend(folder.board.unread().iter().map(ToString::to_string));
                }
                Err(_) => {
                    self.is_read_here(id)?;
                    return Err(self.too_slow(&folder, id, (&members, &refusals), timeout).await);
                }
            }
        }
        let named = |all: BTreeSet<NodeId>| all.into_iter().map(|peer| self.node_name(peer));
        let (members, not_awaited) = (named(everybody).collect(), named(not_awaited).collect());
        let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Waited { elapsed_ms, members, not_awaited, open_files, unread })
    }

    /// What a pause keeps from being read is on no other node, and nobody can say so but this one.
    fn is_read_here(&self, id: FolderId) -> Result<(), Failure> {
        let name = self.folder_name(id);
        if !self.config().folder(&name).is_some_and(|folder| folder.paused) {
            return Ok(());
        }
        let words = format!(
            "folder {name:?} is paused here: what was changed since then was not read; `syncline \
             folder resume {name}`"
        );
        Err(Failure::new(Exit::No, words))
    }

    /// The name of a member that is not connected, and since when it is not.
    fn absent(&self, peer: NodeId) -> Option<String> {
        let session = self.sessions().get(&peer).cloned().unwrap_or_default();
        if session.up.is_some() {
            return None;
        }
        let since = session.lost_at.map_or_else(
            || "since this daemon was started".to_owned(),
            |at| {
                let ago_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                format!("since {}", time(now_unix_ms().saturating_sub(ago_ms)))
            },
        );
        Some(format!("{} (not connected {since})", self.node_name(peer)))
    }

    /// Whether the folder is at work here, in the directory that was added.
    pub(super) async fn in_place(&self, id: FolderId, folder: &Arc<Folder>) -> Result<(), Failure> {
        let asked = folder.clone();
        let checked = tokio::task::spawn_blocking(move || asked.check()).await.map_err(failed)?;
        checked.map_err(|why| {
            let words = format!("folder {:?} has stopped: {why}", self.folder_name(id));
            Failure::new(Exit::No, words)
        })
    }

    /// Who is not there yet, of those that were waited for, and why as far as they said.
    async fn too_slow(
        &self,
        folder: &Arc<Folder>,
        id: FolderId,
        (members, refusals): (&BTreeSet<NodeId>, &Refusals),
        timeout: Duration,
    ) -> Failure {
        let figures = folder.ask(show::figures).await;
        let behind = figures.map(|figures| figures.behind).unwrap_or_default();
        let refusals =
            std::mem::take(&mut *refusals.lock().expect("no code panics while it holds this lock"));
        let says = |peer: &NodeId| {
            let lacking = behind.iter().find(|(other, _)| other == peer).map_or(0, |(_, n)| *n);
            if let Some(absent) = self.absent(*peer) {
                return Some(absent);
            }
            let why = match refusals.get(peer) {
                Some(why) => format!(" ({why})"),
                None if lacking > 0 => String::new(),
                None => return None,
            };
            Some(self.node_name(*peer) + &why)
        };
        let who: Vec<String> = members.iter().filter_map(says).collect();
        let who = if who.is_empty() { "this node".to_owned() } else { who.join(", ") };
        let name = self.folder_name(id);
        let after = match timeout.is_zero() {
            true => "yet".to_owned(),
            false => format!("after {timeout:?}"),
        };
        let words = format!(
            "folder {name:?}: not everywhere {after}; waiting for {who}; see `syncline status`"
        );
        Failure::new(Exit::Timeout, words)
    }
}
