//! The folders held here: which are open, which stopped and why, and with which peers they talk.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::cluster_map::Fact;
use engine::dot::NodeId;
use engine::message::FolderId;

use super::{Daemon, DaemonError};
use crate::config::FolderConfig;
use crate::folder::intake::Heard;
use crate::folder::journal::Names;
use crate::folder::repeats::Repeats;
use crate::folder::{life, Folder, FolderError, Wish};
use crate::membership::MembershipError;

/// Why a folder is not held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The folder itself.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The cluster's facts.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// It would have to be defined first, and this node may not.
    #[error(
        "the cluster has no folder {0:?}, and this node may not define one: it was invited without \
         --admin; nothing was changed; correct the name (`syncline folder list` on any node), or \
         add the folder on a node that may (`syncline node list`) first"
    )]
    Unknown(String),
}

/// See the module's head.
#[derive(Default)]
pub struct Folders {
    state: Mutex<State>,
    logged: Repeats,
}

#[derive(Default)]
struct State {
    open: BTreeMap<FolderId, Arc<Folder>>,
    /// Configured and not open: the name, the root, and why.
    stopped: BTreeMap<FolderId, (String, PathBuf, String)>,
    /// Which talk with which peer. True: the folder was closed since, or was not open yet when the
    /// peer first spoke, and the session must end before the two talk, for the peer goes on from
    /// what was not heard.
    talking: BTreeMap<(FolderId, NodeId), bool>,
}

/// Whether a folder and a peer that is connected talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Talk {
    /// They begin now.
    Begins,
    /// They do already.
    GoesOn,
    /// They did, and the folder was closed since: first the session has to end.
    IsStale,
}

impl State {
    fn take(&mut self, id: FolderId) -> Option<Arc<Folder>> {
        let stale = self.talking.iter_mut().filter(|((folder, _), _)| *folder == id);
        stale.for_each(|(_, stale)| *stale = true);
        self.open.remove(&id)
    }
}

impl Folders {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// An open folder.
    pub fn get(&self, id: FolderId) -> Option<Arc<Folder>> {
        self.lock().open.get(&id).cloned()
    }

    /// All open folders.
    pub fn all(&self) -> Vec<(FolderId, Arc<Folder>)> {
        self.lock().open.iter().map(|(&id, folder)| (id, folder.clone())).collect()
    }

    /// Those that are configured and not open, with name, root and reason.
    pub fn stopped(&self) -> Vec<(FolderId, (String, PathBuf, String))> {
        self.lock().stopped.iter().map(|(&id, why)| (id, why.clone())).collect()
    }

    /// Whether some folder waits to be opened again.
    pub fn any_stopped(&self) -> bool {
        let state = self.lock();
        !state.stopped.is_empty() || state.open.values().any(|folder| folder.board.is_halted())
    }

    /// Remembers that a folder and a peer talk.
    pub fn connect(&self, id: FolderId, peer: NodeId) -> Talk {
        match self.lock().talking.entry((id, peer)) {
            Entry::Vacant(entry) => {
                entry.insert(false);
                Talk::Begins
            }
            Entry::Occupied(entry) if *entry.get() => Talk::IsStale,
            Entry::Occupied(_) => Talk::GoesOn,
        }
    }

    /// A peer spoke to a folder that is not open: what it said is lost, and it will not say it
    /// again in this session.
    pub fn missed(&self, id: FolderId, peer: NodeId) {
        self.lock().talking.insert((id, peer), true);
    }

    /// Peers that a folder talks with.
    pub fn talking(&self, id: FolderId) -> BTreeSet<NodeId> {
        let state = self.lock();
        let fresh = state.talking.iter().filter(|((folder, _), stale)| *folder == id && !**stale);
        fresh.map(|(&(_, peer), _)| peer).collect()
    }

    /// A peer is gone.
    pub async fn disconnect(&self, peer: NodeId) {
        self.lock().talking.retain(|(_, other), _| *other != peer);
        self.hear_all(|| Heard::Down(peer)).await;
    }

    /// Tells every open folder.
    pub async fn hear_all(&self, what: impl Fn() -> Heard) {
        for (_, folder) in self.all() {
            drop(folder.heard.send(what()).await);
        }
    }

    /// Data lanes have room again.
    pub fn data_drained(&self) {
        for (_, folder) in self.all() {
            folder.drained.tell();
        }
    }

    /// Takes a folder out to be stopped.
    pub fn take(&self, id: FolderId) -> Option<Arc<Folder>> {
        let mut state = self.lock();
        state.stopped.remove(&id);
        state.take(id)
    }

    /// Takes a folder out that has stopped itself, to open it again: until then it stays in the
    /// list with what stopped it.
    fn take_halted(&self, config: &FolderConfig, id: FolderId, why: String) -> Option<Arc<Folder>> {
        let mut state = self.lock();
        state.stopped.insert(id, (config.name.clone(), config.path.clone(), why));
        state.take(id)
    }

    /// Stops all, in order.
    pub fn stop_all(&self) {
        let open = std::mem::take(&mut self.lock().open);
        for (_, folder) in open {
            folder.stop();
        }
    }
}

impl Daemon {
    /// Opens a configured folder; one that is open and works stays as it is. What cannot be opened
    /// is remembered with its reason.
    pub(super) fn open_folder(&self, config: &FolderConfig) -> Result<(), HoldError> {
        let id = self.folder_id(&config.name);
        if let Some(folder) = self.folders.get(id) {
            let Some(why) = folder.board.halted() else { return Ok(()) };
            if let Some(folder) = self.folders.take_halted(config, id, why) {
                folder.stop();
            }
        }
        let opened = self.try_open(id, config);
        let mut state = self.folders.lock();
        match opened {
            Ok(folder) => {
                state.stopped.remove(&id);
                state.open.insert(id, Arc::new(folder));
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                self.folders.logged.stopped(id, &config.name, &why);
                state.stopped.insert(id, (config.name.clone(), config.path.clone(), why));
                Err(error)
            }
        }
    }

    fn try_open(&self, id: FolderId, config: &FolderConfig) -> Result<Folder, HoldError> {
        let me = self.me();
        let holders = self.members.with(|map| map.holders(id));
        let facts = self.facts_of(id, &config.name, holders.contains(&me));
        for fact in &facts {
            self.members.may_say(fact).map_err(|error| match (error, fact) {
                (MembershipError::NotAdmin, Fact::Folder { .. }) => {
                    HoldError::Unknown(config.name.clone())
                }
                (error, _) => error.into(),
            })?;
        }
        let is_new = !Folder::is_known(&self.home, id);
        let members = self.members.clone();
        let names = Names::new(Arc::new(move |node| members.name_of(node)));
        let folder = Folder::open(Wish {
            home: &self.home,
            identity: self.members.identity(),
            id,
            name: &config.name,
            path: &config.path,
            served: &self.served(),
            delay_ms: config.delay.0,
            paused: config.paused,
            has_holders: holders.iter().any(|holder| *holder != me),
            names,
            repeats: self.folders.logged.clone(),
            net: self.net.clone(),
        })?;
        for input in self.tidings(id) {
            folder.input(input);
        }
        // Said only now: a folder that could not be held anywhere would stand in everybody's list.
        for fact in facts {
            if let Err(error) = self.members.say(fact) {
                if is_new {
                    folder.forget();
                    life::forget(me, id);
                } else {
                    folder.stop();
                }
                return Err(error.into());
            }
        }
        self.spread();
        Ok(folder)
    }

    /// What the cluster has to be told when a folder is held here.
    fn facts_of(&self, id: FolderId, name: &str, is_held: bool) -> Vec<Fact> {
        let is_defined = self.members.with(|map| map.folder_called(name).is_some());
        let (first_name, label) = (name.to_owned(), name.to_owned());
        let define = Fact::Folder { first_name, epoch: 0, label, removed: false };
        let hold = Fact::Holder { folder: id, holds: true };
        let facts = [(!is_defined).then_some(define), (!is_held).then_some(hold)];
        facts.into_iter().flatten().collect()
    }

    /// The folder of this name; what it will be if the cluster has none yet.
    pub(super) fn folder_id(&self, name: &str) -> FolderId {
        self.members.with(|map| match map.folder_called(name) {
            Some((id, _)) => id,
            None => FolderId::derive(map.cluster(), name, 0),
        })
    }

    /// A folder's name in the cluster, or its id.
    pub(super) fn folder_name(&self, id: FolderId) -> String {
        let label = self.members.with(|map| map.folders().get(&id).map(|f| f.label.clone()));
        label.unwrap_or_else(|| id.to_string())
    }

    /// Stops holding a folder: files stay, nothing is deleted anywhere.
    pub(super) fn drop_folder(&self, id: FolderId) -> Result<(), DaemonError> {
        if let Some(folder) = self.folders.take(id) {
            folder.forget();
        }
        life::forget(self.me(), id);
        if self.members.with(|map| map.holders(id).contains(&self.me())) {
            self.members.say(Fact::Holder { folder: id, holds: false })?;
            self.spread();
        }
        Ok(())
    }
}
