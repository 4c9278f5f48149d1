//! What people and programs are shown, put together from folders, sessions and the cluster's facts.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use disk::store::Store;
use engine::content::{Content, Digest};
use engine::dot::NodeId;
use engine::engine::FolderEngine;
use engine::entry::EntryId;
use engine::index::Index;
use engine::message::FolderId;
use engine::view as tree;

use super::standing::Stopped;
use super::Daemon;
use crate::control::{Exit, Failure, Items};
use crate::folder::Folder as Held;
use crate::membership::now_unix_ms;
use crate::view::{
    Conflict, ConflictShown, Event, Folder, FolderState, FolderStatus, Node, NodeStatus,
    PeerStatus, Progress, Status, StoppedThere, Waiting,
};

/// Things not yet applied that status shows.
const WAITING_MAX: usize = 10;
/// Conflicts shown at once.
const CONFLICTS_MAX: usize = 10_000;
/// How often the event stream looks for changes.
const EVENTS_EVERY: Duration = Duration::from_millis(250);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Figures that only the control thread can tell.
pub(super) struct Figures {
    pub(super) entries: u64,
    pending: u64,
    pending_bytes: u64,
    conflicts: u64,
    waiting: Vec<Waiting>,
    scanning: bool,
    joining: bool,
    /// Of each peer: operations of ours and others that it does not show yet.
    pub(super) behind: Vec<(NodeId, u64)>,
}

pub(super) fn figures(engine: &FolderEngine, store: &Store) -> Figures {
    let behind = engine.exchange().peers().map(|(peer, state)| {
        let lacking = engine.knowledge().iter().map(|(life, seen)| {
            seen.max().saturating_sub(state.applied.get(&life).copied().unwrap_or(0))
        });
        (peer, lacking.sum())
    });
    Figures {
        entries: store.seen_count().saturating_sub(1),
        pending: store.pending_count(),
        pending_bytes: engine.fetching().1,
        conflicts: store.conflicts(None, CONFLICTS_MAX).len() as u64,
        waiting: engine.waiting(store, WAITING_MAX).iter().map(shown).collect(),
        scanning: engine.is_scanning(),
        joining: engine.is_joining(),
        behind: behind.collect(),
    }
}

fn shown(waiting: &engine::engine::Waiting) -> Waiting {
    Waiting { path: waiting.path.to_string(), why: waiting.why.to_string() }
}

impl Daemon {
    pub(super) fn node_name(&self, node: NodeId) -> String {
        self.members.name_of(node)
    }

    /// Whether nothing has stopped: what `/healthz` says.
    pub(super) fn is_healthy(&self) -> bool {
        !self.folders.any_stopped()
    }

    pub(super) async fn status(&self) -> Status {
        let mut folders = Vec::new();
        let mut behind: Vec<(NodeId, u64)> = Vec::new();
        // Both at once: what is opened or stopped meanwhile is in one of them.
        let (open, not_open) = (self.folders.all(), self.folders.stopped());
        for (id, held) in open {
            let figures = held.ask(figures).await;
            behind.extend(figures.iter().flat_map(|f| f.behind.iter().copied()));
            folders.push(self.folder_status(id, &held, figures));
        }
        for (id, (name, path, why)) in not_open {
            folders.push(stopped(id, name, path.display().to_string(), why));
        }
        folders.sort_by(|a, b| a.name.cmp(&b.name));
        let peers = self.peers(&behind, &self.stopped_elsewhere().await);
        let problems = problems(&folders, &peers);
        let config = self.config();
        Status {
            healthy: problems.is_empty(),
            problems,
            node: NodeStatus {
                id: hex(&self.me().0),
                name: config.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                home: self.home.path().display().to_string(),
                listen: self.net.local_address().to_string(),
                http: self.http.map_or_else(|| "off".to_owned(), |address| address.to_string()),
                uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            cluster: self.members.with(|map| map.cluster().to_string()),
            folders,
            peers,
        }
    }

    fn folder_status(
        &self,
        id: FolderId,
        held: &Arc<Held>,
        figures: Option<Figures>,
    ) -> FolderStatus {
        let board = &held.board;
        let name = self.folder_name(id);
        let paused = self.config().folder(&name).is_some_and(|folder| folder.paused);
        let halted = board.halted();
        let (rung, rung_reason) = board.rung();
        let scan = board.scan().map(|(progress, since)| Progress {
            done: progress.entries.load(Ordering::Relaxed),
            total: None,
            bytes: progress.bytes.load(Ordering::Relaxed),
            bytes_total: None,
            elapsed_ms: now_unix_ms().saturating_sub(since),
        });
        let joining = figures.as_ref().is_some_and(|f| f.joining);
        let state = match &figures {
            _ if halted.is_some() => FolderState::Stopped,
            _ if paused => FolderState::Paused,
            Some(f) if f.scanning => FolderState::Scanning,
            Some(f) if f.pending > 0 || f.joining => FolderState::Syncing,
            Some(_) => FolderState::Idle,
            None => FolderState::Stopped,
        };
        let waits = "waits until a member has told it what the cluster holds".to_owned();
        FolderStatus {
            name,
            id: id.to_string(),
            path: held.path.display().to_string(),
            state,
            state_reason: halted.or_else(|| joining.then_some(waits)),
            rung,
            rung_reason,
            entries: figures.as_ref().map_or(0, |f| f.entries),
            pending: figures.as_ref().map_or(0, |f| f.pending),
            pending_bytes: figures.as_ref().map_or(0, |f| f.pending_bytes),
            backlog: board.backlog.load(Ordering::Relaxed),
            conflicts: figures.as_ref().map_or(0, |f| f.conflicts),
            scan,
            sync: board.bout(),
            lag_ms: board.lag_ms(),
            waiting: figures.map_or_else(Vec::new, |f| f.waiting),
            notices: board.notices(),
            unread: board.unread().len() as u64,
        }
    }

    fn peers(&self, behind: &[(NodeId, u64)], stopped: &Stopped) -> Vec<PeerStatus> {
        let sessions = self.sessions().clone();
        let me = self.me();
        let members = self.members.with(|map| map.members().clone());
        let mut peers: Vec<PeerStatus> = members
            .into_iter()
            .filter(|(id, _)| *id != me)
            .map(|(id, member)| {
                let session = sessions.get(&id).cloned().unwrap_or_default();
                let first = member.profile.addresses.first().cloned().unwrap_or_default();
                let lacking: u64 =
                    behind.iter().filter(|(peer, _)| *peer == id).map(|(_, n)| n).sum();
                let connected = session.up.is_some();
                let stopped = stopped.get(&id).filter(|_| connected).cloned().unwrap_or_default();
                PeerStatus {
                    name: self.node_name(id),
                    id: hex(&id.0),
                    connected,
                    address: session.up.map_or(first, |(_, address)| address.to_string()),
                    reason: session.reason.filter(|_| !connected),
                    in_sync: connected && lacking == 0 && stopped.is_empty(),
                    behind: connected.then_some(lacking),
                    stopped,
                }
            })
            .collect();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        peers
    }

    pub(super) fn show_nodes(&self) -> Vec<Node> {
        let me = self.me();
        let connected: Vec<NodeId> = self.connected().into_iter().map(|l| l.peer).collect();
        let nodes: Vec<(NodeId, Node)> = self.members.with(|map| {
            let nodes = map.members().iter().map(|(&id, member)| {
                let held =
                    map.folders().iter().filter(|(folder, _)| map.holders(**folder).contains(&id));
                let node = Node {
                    name: String::new(),
                    id: hex(&id.0),
                    is_self: id == me,
                    admin: member.admin,
                    connected: id == me || connected.contains(&id),
                    addresses: member.profile.addresses.clone(),
                    folders: held.map(|(_, folder)| folder.label.clone()).collect(),
                };
                (id, node)
            });
            nodes.collect()
        });
        nodes.into_iter().map(|(id, node)| Node { name: self.node_name(id), ..node }).collect()
    }

    pub(super) fn show_folders(&self) -> Vec<Folder> {
        let config = self.config();
        let known = self.members.with(|map| {
            let folders = map.folders().iter().filter(|(_, folder)| !folder.removed);
            let folders = folders.map(|(&id, folder)| (id, folder.label.clone(), map.holders(id)));
            folders.collect::<Vec<_>>()
        });
        let show = |(id, name, holders): (FolderId, String, BTreeSet<NodeId>)| {
            let here = config.folder(&name);
            Folder {
                id: Some(id.to_string()),
                path: here.map(|folder| folder.path.display().to_string()),
                paused: here.is_some_and(|folder| folder.paused),
                delay_ms: here.map_or(0, |folder| folder.delay.0),
                holders: holders.into_iter().map(|node| self.node_name(node)).collect(),
                name,
            }
        };
        let is_known = |name: &str| known.iter().any(|(_, label, _)| label == name);
        let unknown = config.folders.iter().filter(|folder| !is_known(&folder.name));
        // Configured, and the cluster will hear of it when it can be held.
        let unknown = unknown
            .map(|folder| (self.folder_id(&folder.name), folder.name.clone(), BTreeSet::new()));
        let unknown: Vec<_> = unknown.collect();
        known.into_iter().chain(unknown).map(show).collect()
    }

    pub(super) async fn conflicts(&self, name: Option<String>) -> Result<Vec<Conflict>, Failure> {
        let mut all = Vec::new();
        for (id, held) in self.meant(name)? {
            let folder = self.folder_name(id);
            let (kept, losers) = (held.kept.clone(), held.losers.clone());
            let inside = tokio::task::spawn_blocking(move || losers.list()).await;
            let inside = inside.ok().and_then(Result::ok).unwrap_or_default();
            let list = move |_: &FolderEngine, store: &Store| {
                let mut all = list_conflicts(store, &folder);
                let is_known = |digest: &Digest| store.is_kept(digest);
                all.extend(unnamed(&all, &inside, is_known, &folder, &kept));
                all
            };
            let found = held.ask(list).await;
            for mut conflict in found.unwrap_or_default() {
                for node in [&mut conflict.node, &mut conflict.winner_node] {
                    *node = self.name_of_hex(node);
                }
                all.push(conflict);
            }
        }
        Ok(all)
    }

    /// The name of the node whose key is given in hex; what is no key stays.
    fn name_of_hex(&self, key: &str) -> String {
        let all = self.members.with(|map| map.members().keys().copied().collect::<Vec<_>>());
        let found = all.into_iter().find(|id| hex(&id.0) == key);
        found.map_or_else(|| key.to_owned(), |id| self.node_name(id))
    }

    pub(super) async fn conflict(&self, id: &str) -> Result<ConflictShown, Failure> {
        let all = self.conflicts(None).await?;
        let Some(conflict) = all.into_iter().find(|conflict| conflict.id == id) else {
            let words = format!("no conflict {id:?} (see `syncline conflicts list`)");
            return Err(Failure::new(Exit::Usage, words));
        };
        let (_, held) = self.open_one(&conflict.folder)?;
        let path = held.kept.join(&conflict.hash);
        let in_store = conflict.available && conflict.link.is_none();
        let stored_at = in_store.then(|| path.display().to_string());
        Ok(ConflictShown { conflict, stored_at })
    }

    /// Tells of folders and peers whenever something about them has changed, until the client goes.
    pub(super) async fn events(&self, items: &Items) {
        let (mut folders, mut peers) = (Vec::new(), Vec::new());
        loop {
            let status = self.status().await;
            for folder in status.folders.iter().filter(|folder| !folders.contains(*folder)) {
                if !items.send(&Event::Folder(Box::new(folder.clone()))).await {
                    return;
                }
            }
            for peer in status.peers.iter().filter(|peer| !peers.contains(*peer)) {
                if !items.send(&Event::Peer(peer.clone())).await {
                    return;
                }
            }
            (folders, peers) = (status.folders, status.peers);
            tokio::time::sleep(EVENTS_EVERY).await;
        }
    }
}

fn stopped(id: FolderId, name: String, path: String, why: String) -> FolderStatus {
    FolderStatus {
        name,
        id: id.to_string(),
        path,
        state: FolderState::Stopped,
        state_reason: Some(why),
        rung: "none".to_owned(),
        rung_reason: None,
        entries: 0,
        pending: 0,
        pending_bytes: 0,
        backlog: 0,
        conflicts: 0,
        scan: None,
        sync: None,
        lag_ms: 0,
        waiting: Vec::new(),
        notices: Vec::new(),
        unread: 0,
    }
}

fn problems(folders: &[FolderStatus], peers: &[PeerStatus]) -> Vec<String> {
    let mut problems = Vec::new();
    for folder in folders {
        let name = &folder.name;
        match (&folder.state, &folder.state_reason) {
            (FolderState::Stopped, why) => {
                let why = why.as_deref().unwrap_or("see the log");
                problems.push(format!("folder {name:?} has stopped: {why}"));
            }
            (FolderState::Paused, _) if folder.pending > 0 => {
                let count = folder.pending;
                let words =
                    format!("folder {name:?} is paused with {count} change(s) to take over");
                problems.push(words);
            }
            (FolderState::Idle | FolderState::Paused, _) => {}
            (_, Some(why)) => problems.push(format!("folder {name:?} {why}")),
            (FolderState::Scanning, None) => {
                problems.push(format!("folder {name:?} is being read"));
            }
            (FolderState::Syncing, None) => {
                let count = folder.pending;
                problems.push(format!("folder {name:?} has {count} change(s) to take over"));
            }
        }
        if folder.unread > 0 {
            let count = folder.unread;
            problems.push(format!("folder {name:?}: {count} path(s) cannot be read here"));
        }
        if folder.conflicts > 0 {
            let count = folder.conflicts;
            problems
                .push(format!("folder {name:?}: {count} conflict(s): `syncline conflicts list`"));
        }
    }
    for peer in peers {
        if !peer.connected {
            let why = peer.reason.as_deref().unwrap_or("no session yet");
            problems.push(format!("node {:?} is not connected: {why}", peer.name));
        } else if let Some(behind) = peer.behind.filter(|behind| *behind > 0) {
            problems.push(format!("node {:?} is {behind} operation(s) behind", peer.name));
        }
    }
    for peer in peers {
        let stopped = peer.stopped.iter();
        problems.extend(stopped.map(|StoppedThere { folder, why }| {
            format!("node {:?}: folder {folder:?} has stopped there: {why}", peer.name)
        }));
    }
    problems
}

fn list_conflicts(store: &Store, folder: &str) -> Vec<Conflict> {
    let lives = store.incarnations();
    let owner = |dot: engine::dot::Dot| {
        let life = lives.iter().find(|life| life.incarnation == dot.incarnation);
        life.map_or_else(|| format!("{:?}", dot.incarnation), |life| hex(&life.node.0))
    };
    let mut all = Vec::new();
    for id in store.conflicts(None, CONFLICTS_MAX) {
        let Some(stored) = store.entry(id) else { continue };
        let Some(winner) = tree::winner(&stored.entry.data) else { continue };
        let path = path_of(store, id);
        for loser in tree::losers(&stored.entry.data) {
            let (mark, bytes, hash, link, available) = match &loser.content {
                Content::File(digest, size) => {
                    let kept = store.is_kept(digest);
                    (hex(&digest.0[..4]), *size, digest.to_string(), None, kept)
                }
                Content::Link(target) => {
                    let mark = format!("link{}", loser.stamp.dot.counter);
                    let text = String::from_utf8_lossy(target).into_owned();
                    (mark, target.len() as u64, String::new(), Some(text), true)
                }
            };
            all.push(Conflict {
                id: format!("{}-{mark}", hex(&id.0[..4])),
                folder: folder.to_owned(),
                path: path.clone(),
                node: owner(loser.stamp.dot),
                time_ms: loser.stamp.hlc.unix_ms(),
                bytes,
                hash,
                link,
                winner_node: owner(winner.stamp.dot),
                available,
            });
        }
    }
    all
}

/// Contents in the conflict store that no version of any entry names: put there by an operation
/// that a kill cut off before it was written down. Nothing deletes them, so they are listed.
fn unnamed(
    listed: &[Conflict],
    inside: &[Digest],
    is_known: impl Fn(&Digest) -> bool,
    folder: &str,
    kept: &Path,
) -> Vec<Conflict> {
    let mut all = Vec::new();
    for digest in inside.iter().filter(|digest| !is_known(digest)) {
        let hash = digest.to_string();
        let Ok(stat) = std::fs::symlink_metadata(kept.join(&hash)) else { continue };
        if listed.iter().any(|conflict| conflict.hash == hash) {
            continue;
        }
        let written = stat.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        all.push(Conflict {
            id: format!("unnamed-{}", hex(&digest.0[..4])),
            folder: folder.to_owned(),
            path: "(kept when an operation was cut off)".to_owned(),
            node: "-".to_owned(),
            time_ms: written.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(0)),
            bytes: stat.len(),
            hash,
            link: None,
            winner_node: "-".to_owned(),
            available: true,
        });
    }
    all
}

fn path_of(store: &Store, id: EntryId) -> String {
    let row = store.seen_of(id);
    let path = row.and_then(|row| engine::observe::path_of(store, row.slot));
    path.map_or_else(|| "(not in place here)".to_owned(), |path| path.to_string())
}
