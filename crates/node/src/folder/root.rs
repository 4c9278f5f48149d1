//! Whether the folder's root is still what was added: asked before every look and every batch of
//! operations, by `wait` and `verify`, and every other second, for a change at the root's path
//! makes no event inside it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::linux::Linux;
use disk::root::{Root, RootState};
use disk::store::Reader;

use super::control::Event;

/// How long a root that is not in place any more may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The open root with what is needed to judge it.
pub struct RootWatch {
    root: Root<Linux>,
    fs: Arc<Linux>,
    last: Mutex<Reader>,
}

impl RootWatch {
    /// Watches over `root`; `last` tells what was in it.
    pub fn new(fs: Arc<Linux>, root: Root<Linux>, last: Reader) -> RootWatch {
        RootWatch { root, fs, last: Mutex::new(last) }
    }

    /// Whether looks may be believed and operations carried out. With `live`, the kernel has told
    /// of each deletion, so an empty root is no surprise; a scan that finds it empty stops the
    /// folder.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self, live: bool) -> Result<(), String> {
        let state = if live {
            self.root.look(&self.fs)
        } else {
            let last = self.last.lock().expect("no code panics while it holds this lock");
            self.root.check(&self.fs, &*last).map_err(|error| error.to_string())?
        };
        match state {
            RootState::Good => Ok(()),
            state => Err(format!("{}: {state}; nothing was deleted", self.root.path().display())),
        }
    }
}

/// Looks at the root until the folder ends, or is told to stop because the root is not in place.
pub fn guard(root: &RootWatch, ended: &Receiver<()>, control: &SyncSender<Event>) {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
        if let Err(why) = root.check(true) {
            // Whoever was to be told ends only with the folder.
            drop(control.send(Event::Halt(why)));
            return;
        }
    }
}
