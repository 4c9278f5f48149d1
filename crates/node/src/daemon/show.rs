//! What people and programs are shown, put together from folders, sessions and the cluster's facts.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use disk::store::Store;
use engine::dot::NodeId;
use engine::engine::FolderEngine;
use engine::index::Index;
use engine::message::FolderId;

use super::standing::Stopped;
use super::Daemon;
use crate::control::Items;
use crate::folder::Folder as Held;
use crate::membership::now_unix_ms;
use crate::view::{
    conflict_count, ConflictMode, Event, Folder, FolderState, FolderStatus, Node, NodeStatus,
    PeerStatus, Progress, Status, StoppedThere, Waiting, CONFLICTS_COUNTED,
};

/// Things not yet applied that status shows.
const WAITING_MAX: usize = 10;
/// How often the event stream looks for changes.
const EVENTS_EVERY: Duration = Duration::from_millis(250);

pub(super) fn hex(bytes: &[u8]) -> String {
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
        conflicts: store.conflicts(None, CONFLICTS_COUNTED).len() as u64,
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
        let (conflict_mode, prefer) = self.shown_policy(id);
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
            conflict_mode,
            prefer,
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
            let (mode, prefer) = self.shown_policy(id);
            Folder {
                id: Some(id.to_string()),
                path: here.map(|folder| folder.path.display().to_string()),
                paused: here.is_some_and(|folder| folder.paused),
                delay_ms: here.map_or(0, |folder| folder.delay.0),
                holders: holders.into_iter().map(|node| self.node_name(node)).collect(),
                conflict_mode: Some(mode),
                prefer,
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
        conflict_mode: ConflictMode::default(),
        prefer: None,
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
            let count = conflict_count(folder.conflicts);
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
