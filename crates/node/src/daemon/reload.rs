//! The settings read again while the daemon runs (SIGHUP), and what opens and closes folders.
//!
//! All of it blocks (it opens indexes and joins threads), so it runs beside the daemon's loop, and
//! one at a time: whoever opens or closes folders holds `opening`. Called by `daemon` and `api`.

use std::sync::{Arc, MutexGuard};

use engine::cluster_map::Fact;

use super::{tell_service_manager, Daemon};
use crate::config::{Config, ConfigError};

impl Daemon {
    /// Waits until nobody else opens or closes folders or changes the settings.
    pub(super) fn opening(&self) -> MutexGuard<'_, ()> {
        self.opening.lock().expect("no code panics while it holds this lock")
    }

    /// Does what reads disks beside the loop, which goes on hearing peers; then those are told of
    /// what may have changed.
    pub(super) fn in_background(self: &Arc<Self>, work: impl FnOnce(&Daemon) + Send + 'static) {
        let daemon = self.clone();
        tokio::spawn(async move {
            let working = daemon.clone();
            drop(tokio::task::spawn_blocking(move || work(&working)).await);
            daemon.members_changed().await;
        });
    }

    /// Opens the configured folders at the start. What the cluster believes to be held here and is
    /// not any more (its table was taken out while no daemon ran) is put right.
    pub(super) fn start_folders(&self) {
        let _one = self.opening();
        self.open_folders();
        self.disown();
    }

    /// Tries those that stopped once more, unless somebody is at it.
    pub(super) fn reopen_folders(&self) {
        if let Ok(_one) = self.opening.try_lock() {
            self.open_folders();
        }
    }

    /// Stops all folders for good.
    pub(super) fn stop_folders(&self) {
        let _one = self.opening();
        self.folders.stop_all();
    }

    /// Opens every configured folder that is not open; what cannot be opened says why in status.
    fn open_folders(&self) {
        for folder in &self.config().folders {
            if *self.stop.borrow() {
                return;
            }
            // What cannot be opened has been logged, and status says why.
            drop(self.open_folder(folder));
        }
    }

    /// Reads the settings again and brings the node in line with them: its name and addresses,
    /// folders added, taken out, paused, moved or given another delay. Where it listens counts from
    /// the next start. Returns what to tell whoever asked.
    ///
    /// # Errors
    /// The file is wrong; everything stays as it is.
    pub(super) fn reload(&self) -> Result<String, ConfigError> {
        let _one = self.opening();
        let now = sd_notify::NotifyState::monotonic_usec_now();
        let reloading = std::iter::once(sd_notify::NotifyState::Reloading).chain(now.ok());
        tell_service_manager(&reloading.collect::<Vec<_>>());
        let read = Config::read(&self.home.config());
        let told = read.map(|next| self.follow(next)).inspect_err(|error| {
            tracing::error!(%error, "the settings were not read again");
        });
        tell_service_manager(&[sd_notify::NotifyState::Ready]);
        told
    }

    fn follow(&self, next: Config) -> String {
        let before = std::mem::replace(
            &mut *self.config.lock().expect("no code panics while it holds this lock"),
            next.clone(),
        );
        if let Err(error) = self.introduce() {
            tracing::error!(%error, "the cluster was not told of the new settings");
        }
        self.close_changed(&before, &next);
        self.open_folders();
        self.disown();
        let mut told = "the settings were read again".to_owned();
        if before.listen != next.listen || before.http != next.http {
            told.push_str("; `listen` and `http` count from the next start of the daemon");
        }
        tracing::info!("{told}");
        told
    }

    /// Closes folders that are not held any more or not in the same way, and pauses or resumes.
    fn close_changed(&self, before: &Config, next: &Config) {
        for (id, folder) in self.folders.all() {
            let name = self.folder_name(id);
            let (old, new) = (before.folder(&name), next.folder(&name));
            let same = |a: &crate::config::FolderConfig, b: &crate::config::FolderConfig| {
                a.path == b.path && a.delay == b.delay
            };
            match (old, new) {
                (Some(old), Some(new)) if same(old, new) => {
                    if old.paused != new.paused {
                        folder.pause(new.paused);
                    }
                }
                _ => {
                    if let Some(folder) = self.folders.take(id) {
                        folder.stop();
                    }
                }
            }
        }
        for (id, (name, ..)) in self.folders.stopped() {
            if next.folder(&name).is_none() {
                self.folders.take(id);
            }
        }
    }

    /// Tells the cluster of folders that it believes to be held here and that are not: nobody is to
    /// wait for this node. Index and mark stay, should the folder come back.
    fn disown(&self) {
        let (config, me) = (self.config(), self.me());
        let held = self.members.with(|map| {
            let all = map.folders().iter().filter(|(id, _)| map.holders(**id).contains(&me));
            all.map(|(&id, folder)| (id, folder.label.clone())).collect::<Vec<_>>()
        });
        for (folder, label) in held.into_iter().filter(|(_, l)| config.folder(l).is_none()) {
            tracing::info!(folder = %label, "not in the settings: not held here any more");
            if let Err(error) = self.members.say(Fact::Holder { folder, holds: false }) {
                tracing::error!(%error, "the cluster was not told");
            }
        }
        self.spread();
    }
}
