//! Whether the folder's root is still what was added, asked before every look.

use std::sync::{Arc, Mutex};

use disk::linux::Linux;
use disk::root::{Root, RootState};
use disk::store::Reader;

/// The open root with what is needed to judge it.
pub struct RootWatch {
    /// The root.
    pub root: Root<Linux>,
    fs: Arc<Linux>,
    last: Mutex<Reader>,
}

impl RootWatch {
    /// Watches over `root`; `last` tells what was in it.
    pub fn new(fs: Arc<Linux>, root: Root<Linux>, last: Reader) -> RootWatch {
        RootWatch { root, fs, last: Mutex::new(last) }
    }

    /// Whether looks may be believed. With `live`, the kernel has told of each deletion, so an
    /// empty root is no surprise; a scan that finds it empty stops the folder.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self, live: bool) -> Result<(), String> {
        let last = self.last.lock().expect("no code panics while it holds this lock");
        match self.root.check(&self.fs, &*last) {
            Ok(RootState::Good) => Ok(()),
            Ok(RootState::Emptied) if live => Ok(()),
            Ok(state) => {
                Err(format!("{}: {state}; nothing was deleted", self.root.path().display()))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
