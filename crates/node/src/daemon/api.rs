//! The control socket's requests, one after another: each does one thing and answers.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::dot::NodeId;
use engine::engine::Input;
use engine::message::FolderId;
use serde::Serialize;
use serde_json::Value;

use super::standing::Refusals;
use super::{show, Daemon};
use crate::address;
use crate::config::{check_place, ConfigFile, Delay, FolderConfig};
use crate::control::{Api, Exit, Failure, Items, Request};
use crate::folder::barrier::Request as Barrier;
use crate::folder::control::Event;
use crate::folder::Folder;
use crate::log::{self, Filter, Glob};
use crate::membership::now_unix_ms;
use crate::net::invite::InviteTerms;
use crate::view::{Done, Invited, LogEntry, Progress, Waited};

/// Members lost no longer ago than this are still waited for.
const RECENTLY: Duration = Duration::from_secs(30);
/// How often who waits is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How often a follower of the log looks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// The daemon behind its control socket.
pub struct Control(pub Arc<Daemon>);

fn value<T: Serialize>(what: &T) -> Result<Value, Failure> {
    serde_json::to_value(what)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot be shown: {error}")))
}

fn done(message: String) -> Result<Value, Failure> {
    value(&Done { message })
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

/// Does what blocks beside the runtime.
async fn beside<T: Send + 'static>(
    daemon: &Arc<Daemon>,
    work: impl FnOnce(&Daemon) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let working = daemon.clone();
    tokio::task::spawn_blocking(move || work(&working)).await.map_err(failed)?
}

/// Sends each of a list as an item of its own.
async fn listed<T: Serialize>(all: Vec<T>, items: &Items) -> Result<Value, Failure> {
    for one in &all {
        items.send(one).await;
    }
    done(String::new())
}

impl Api for Control {
    async fn call(&self, request: Request, items: Items) -> Result<Value, Failure> {
        let daemon = &self.0;
        match request {
            Request::Status {} => value(&daemon.status().await),
            Request::Wait { folder, timeout_ms, all } => {
                let timeout = Duration::from_millis(timeout_ms);
                value(&daemon.wait(folder, timeout, all, Some(&items)).await?)
            }
            // Nodes that differ are an answer, not a failure: the client shows them and says no.
            Request::Verify { folder } => value(&daemon.verify(folder, &items).await?),
            Request::FolderAdd { name, path, delay_ms } => {
                let add = move |daemon: &Daemon| daemon.folder_add(&name, path, delay_ms);
                let message = beside(daemon, add).await?;
                daemon.connect_folders().await;
                done(message)
            }
            Request::FolderList {} => listed(daemon.show_folders(), &items).await,
            Request::FolderRemove { name } => {
                let (id, _) = daemon.find(&name)?;
                done(beside(daemon, move |daemon| daemon.folder_remove(id, &name)).await?)
            }
            Request::FolderPause { name } => {
                done(beside(daemon, move |daemon| daemon.pause(&name, true)).await?)
            }
            Request::FolderResume { name } => {
                done(beside(daemon, move |daemon| daemon.pause(&name, false)).await?)
            }
            Request::FolderRescan { name } => {
                let (_, folder) = daemon.open_one(&name)?;
                folder.input(Input::Rescan);
                done(format!("folder {name:?} is being read again"))
            }
            Request::Invite { uses, expires_ms, admin } => {
                value(&daemon.invite(uses, expires_ms, admin)?)
            }
            Request::NodeList {} => listed(daemon.show_nodes(), &items).await,
            Request::Log { follow, last, folder, glob } => {
                daemon.log((follow, last), folder, glob.as_deref(), &items).await?;
                done(String::new())
            }
            Request::ConflictsList { folder } => {
                listed(daemon.conflicts(folder).await?, &items).await
            }
            Request::ConflictsShow { id } => value(&daemon.conflict(&id).await?),
            Request::Events {} => {
                daemon.events(&items).await;
                done(String::new())
            }
            Request::Reload {} => {
                let told = beside(daemon, |daemon| daemon.reload().map_err(failed)).await?;
                daemon.members_changed().await;
                done(told)
            }
            Request::Shutdown {} => {
                daemon.stop.send_replace(true);
                done("the daemon is stopping".to_owned())
            }
        }
    }
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
    async fn tell<T>(&mut self, items: Option<&Items>, passed: impl Future<Output = T>) -> T {
        let mut passed = std::pin::pin!(passed);
        loop {
            tokio::select! {
                passed = &mut passed => return passed,
                () = tokio::time::sleep(PROGRESS_EVERY) => {}
            }
            let lacking = self.lacking().await;
            self.most = self.most.max(lacking);
            if let Some(items) = items {
                items.send(&self.progress(lacking)).await;
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
    /// A folder configured here, open or not.
    pub(super) fn find(&self, name: &str) -> Result<(FolderId, Option<Arc<Folder>>), Failure> {
        let known = self.config().folder(name).is_some();
        match known.then(|| self.folder_id(name)) {
            Some(id) => Ok((id, self.folders.get(id))),
            None => Err(Failure::new(
                Exit::Usage,
                format!(
                    "no folder {name:?} is held here (see `syncline folder list`); nothing was \
                     changed"
                ),
            )),
        }
    }

    pub(super) fn open_one(&self, name: &str) -> Result<(FolderId, Arc<Folder>), Failure> {
        let (id, folder) = self.find(name)?;
        let folder = folder.ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                format!("folder {name:?} is stopped: see `syncline status`; nothing was changed"),
            )
        })?;
        Ok((id, folder))
    }

    /// The open folders meant by an optional name. Without one, all that are configured are meant:
    /// one that has stopped makes the answer a no, rather than being passed over or a failure.
    pub(super) fn meant(
        &self,
        name: Option<String>,
    ) -> Result<Vec<(FolderId, Arc<Folder>)>, Failure> {
        let asked = name.as_deref();
        let stopped = self.folders.stopped();
        let stopped =
            stopped.iter().find(|(_, (name, ..))| asked.is_none_or(|asked| asked == name));
        if let Some((_, (name, _, why))) = stopped {
            return Err(Failure::new(Exit::No, format!("folder {name:?} has stopped: {why}")));
        }
        match asked {
            Some(name) => Ok(vec![self.open_one(name)?]),
            None => Ok(self.folders.all()),
        }
    }

    fn folder_add(&self, name: &str, path: PathBuf, delay_ms: u64) -> Result<String, Failure> {
        let _one = self.opening();
        let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string());
        let config = self.config();
        if let Some(held) = config.folder(name) {
            let words = format!("folder {name:?} is already held here at {}", held.path.display());
            return Err(Failure::new(Exit::Usage, format!("{words}; nothing was changed")));
        }
        let path = check_place(self.home.path(), &config, name, &path).map_err(|e| usage(&e))?;
        let folder = FolderConfig {
            name: name.to_owned(),
            path: path.clone(),
            delay: Delay(delay_ms),
            paused: false,
        };
        let mut file = ConfigFile::open(&self.home.config()).map_err(failed)?;
        file.put_folder(&folder);
        let next = file.check().map_err(failed)?;
        let before = std::mem::replace(
            &mut *self.config.lock().expect("no code panics while it holds this lock"),
            next,
        );
        if let Err(error) = self.open_folder(&folder) {
            self.folders.take(self.folder_id(name));
            *self.config.lock().expect("no code panics while it holds this lock") = before;
            return Err(failed(error));
        }
        file.save().map_err(failed)?;
        Ok(format!(
            "folder {name:?} is held at {}; how far it is read and filled: `syncline status \
             --watch`",
            path.display()
        ))
    }

    fn folder_remove(&self, id: FolderId, name: &str) -> Result<String, Failure> {
        let _one = self.opening();
        let mut file = ConfigFile::open(&self.home.config()).map_err(failed)?;
        file.remove_folder(name);
        let config = file.save().map_err(failed)?;
        *self.config.lock().expect("no code panics while it holds this lock") = config;
        self.drop_folder(id).map_err(failed)?;
        Ok(format!("folder {name:?} is no longer held here; its files stay, here and elsewhere"))
    }

    fn pause(&self, name: &str, paused: bool) -> Result<String, Failure> {
        let _one = self.opening();
        let (_, folder) = self.find(name)?;
        let mut file = ConfigFile::open(&self.home.config()).map_err(failed)?;
        if let Some(settings) = self.config().folder(name) {
            file.put_folder(&FolderConfig { paused, ..settings.clone() });
        }
        let config = file.save().map_err(failed)?;
        *self.config.lock().expect("no code panics while it holds this lock") = config;
        if let Some(folder) = folder {
            folder.input(Input::Paused(paused));
            if !paused {
                folder.input(Input::Rescan);
            }
        }
        let state =
            if paused { "paused: nothing is read or applied here" } else { "at work again" };
        Ok(format!("folder {name:?} is {state}"))
    }

    fn invite(&self, uses: u32, expires_ms: u64, admin: bool) -> Result<Invited, Failure> {
        let addresses = address::advertised(&self.config(), self.net.local_address());
        let expires_unix_ms = now_unix_ms().saturating_add(expires_ms);
        let terms = InviteTerms { uses, expires_unix_ms, admin };
        let code = self.members.invite(addresses, terms).map_err(failed)?;
        Ok(Invited { code, uses, expires_ms: expires_unix_ms })
    }

    /// Members to wait for in a folder: connected now or a moment ago; all of them with `all`.
    fn awaited(&self, id: FolderId, all: bool) -> Result<BTreeSet<NodeId>, Failure> {
        let me = self.me();
        let mut members = self.members.with(|map| map.holders(id));
        members.remove(&me);
        let others = !members.is_empty();
        if !all {
            let sessions = self.sessions();
            members.retain(|peer| {
                sessions.get(peer).is_some_and(|session| {
                    session.up.is_some()
                        || session.lost_at.is_some_and(|at| at.elapsed() < RECENTLY)
                })
            });
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
        let meant = self.meant(name)?;
        for (id, folder) in meant.clone() {
            self.in_place(id, &folder).await?;
            let members = self.awaited(id, all)?;
            everybody.extend(members.iter().copied());
            let (done, passed) = tokio::sync::oneshot::channel();
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let barrier = Event::Barrier(Barrier { number, members: members.clone(), done });
            let asked = folder.clone();
            drop(tokio::task::spawn_blocking(move || asked.tell(barrier)).await);
            pending.push((id, folder, members, passed));
        }
        let mut open_files = Vec::new();
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
            match tokio::time::timeout(left, way.tell(items, passing)).await {
                Ok(passed) => {
                    open_files.extend(passed?.open.iter().map(|p| p.display().to_string()))
                }
                Err(_) => {
                    return Err(self.too_slow(&folder, id, (&members, &refusals), timeout).await)
                }
            }
        }
        let members = everybody.into_iter().map(|peer| self.node_name(peer)).collect();
        let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Waited { elapsed_ms, members, open_files })
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
        let connected: BTreeSet<NodeId> = self.connected().iter().map(|link| link.peer).collect();
        let says = |peer: &NodeId| {
            let lacking = behind.iter().find(|(other, _)| other == peer).map_or(0, |(_, n)| *n);
            let why = match refusals.get(peer) {
                Some(why) => format!(" ({why})"),
                None if !connected.contains(peer) => " (not connected)".to_owned(),
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
            "folder {name:?}: not everywhere {after}; still at work: {who}; see `syncline status`"
        );
        Failure::new(Exit::Timeout, words)
    }

    async fn log(
        &self,
        (follow, last): (bool, Option<u64>),
        folder: Option<String>,
        glob: Option<&str>,
        items: &Items,
    ) -> Result<(), Failure> {
        let filter = Filter { folder: folder.clone(), path: glob.map(Glob::new) };
        let mut shown: Vec<usize> = Vec::new();
        let mut most = last.map_or(usize::MAX, |last| usize::try_from(last).unwrap_or(usize::MAX));
        loop {
            let mut entries: Vec<LogEntry> = Vec::new();
            for (nth, (id, _)) in self.meant(folder.clone())?.into_iter().enumerate() {
                let directory = self.home.folder(id).map_err(failed)?;
                if shown.len() <= nth {
                    shown.push(0);
                }
                let (skip, mut count) = (shown[nth], 0);
                log::read(&directory, |entry| {
                    count += 1;
                    if count > skip && filter.wants(&entry) {
                        entries.push(entry);
                    }
                    true
                })
                .map_err(failed)?;
                shown[nth] = count;
            }
            entries.sort_by_key(|entry| entry.time_ms);
            let passed_over = entries.len().saturating_sub(most);
            most = usize::MAX;
            for entry in &entries[passed_over..] {
                if !items.send(entry).await {
                    return Ok(());
                }
            }
            if !follow {
                return Ok(());
            }
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}
