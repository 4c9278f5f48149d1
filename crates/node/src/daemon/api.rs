//! The control socket's requests, one after another: each does one thing and answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::engine::Input;
use engine::message::FolderId;
use serde::Serialize;
use serde_json::Value;

use super::conflicts::Word;
use super::Daemon;
use crate::address;
use crate::config::{check_place, ConfigFile, Delay, FolderConfig};
use crate::control::{Api, Exit, Failure, Items, Request};
use crate::folder::Folder;
use crate::log::{self, Filter, Glob};
use crate::membership::now_unix_ms;
use crate::net::invite::InviteTerms;
use crate::view::{Done, Invited, LogEntry};

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
            Request::FolderSet { name, settings } => {
                done(beside(daemon, move |daemon| daemon.folder_set(&name, &settings)).await?)
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
                daemon.conflicts(folder, &items).await?;
                done(String::new())
            }
            Request::ConflictsShow { id } => value(&daemon.conflict(&id).await?),
            Request::ConflictsKeep { id, as_path: None } => {
                value(&daemon.decree(&id, Word::Keep).await?)
            }
            Request::ConflictsKeep { id, as_path: Some(path) } => {
                value(&daemon.decree(&id, Word::KeepAs(path)).await?)
            }
            Request::ConflictsDrop { id } => value(&daemon.decree(&id, Word::Drop).await?),
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
            folder.pause(paused);
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
