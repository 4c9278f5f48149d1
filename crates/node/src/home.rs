//! The home: the one directory where everything of this node lives that is not user data.
//!
//! ```text
//! HOME/                    0700
//!   identity.key           the node's private key (net::identity), 0600
//!   config.toml            local settings (config)
//!   cluster.map            the cluster's signed facts (engine::cluster_map), replaced whole
//!   home.token             16 random bytes that name this home in folders' markers
//!   invites.json           who may still join by codes made here (membership), 0600
//!   folders/<folder id>/   index.sqlite, events.jsonl: one directory per folder held here
//!   control.sock           the daemon's control socket (control), 0600
//!   lock                   held by the daemon while it runs; holds its process id
//! ```
//!
//! It knows places and exclusive use, not what the files mean. Called by the daemon and every
//! command.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use engine::message::FolderId;

/// The environment variable that names the home.
pub const HOME_VARIABLE: &str = "SYNCLINE_HOME";
const MAP_FILE: &str = "cluster.map";
const CONFIG_FILE: &str = "config.toml";
const TOKEN_FILE: &str = "home.token";
/// Held by whoever works on a home.
pub const LOCK_FILE: &str = "lock";
const SOCKET_FILE: &str = "control.sock";

/// Why the home cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No directory was named and none follows from the environment.
    #[error(
        "no home directory: neither --home, SYNCLINE_HOME, XDG_STATE_HOME nor HOME is set; \
         nothing was changed; give one with --home DIR"
    )]
    Unknown,
    /// A daemon runs on it.
    #[error(
        "another syncline (process {pid}) is running on {path}; nothing was changed; use it \
         (`syncline status`), stop it, or give this one its own --home"
    )]
    Locked {
        /// The home.
        path: PathBuf,
        /// Its process id, or `unknown`.
        pid: String,
    },
    /// Others could read keys, or it is not ours.
    #[error(
        "home {path} is open to others (mode {mode:04o}); nothing was changed; `chmod 700` it"
    )]
    Permissions {
        /// The home.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It went away under a daemon.
    #[error(
        "home {path} was deleted or replaced while its daemon ran: what the node knew is gone; no \
         file of a folder was touched; restore the home from a backup, or make a new node \
         (`syncline init`, or `syncline join` with a new code)"
    )]
    Gone {
        /// The home.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot {action} {path}: {source}; nothing was changed")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

/// A directory known to exist and to be private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// The right to run the daemon on a home; it ends with this value, or with the process.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
    home: PathBuf,
}

impl HomeLock {
    /// Whether the home is still the one that was taken.
    ///
    /// # Errors
    /// `Gone`: its lock is not there, or another one.
    pub fn check(&self) -> Result<(), HomeError> {
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let held = self.file.metadata().map(inode);
        match fs::metadata(self.home.join(LOCK_FILE)).map(inode) {
            Ok(there) if held.is_ok_and(|held| held == there) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It cannot be seen, which does not say that it is gone.
                tracing::warn!(home = %self.home.display(), %error, "the home cannot be seen");
                Ok(())
            }
            _ => Err(HomeError::Gone { path: self.home.clone() }),
        }
    }
}

/// Where the home is: the argument, else `/var/lib/syncline` for root, else the user's state.
/// clap has already put `SYNCLINE_HOME` in the argument's place.
///
/// # Errors
/// `Unknown` when nothing says where.
pub fn locate(argument: Option<&Path>) -> Result<PathBuf, HomeError> {
    if let Some(path) = argument.filter(|path| !path.as_os_str().is_empty()) {
        return std::path::absolute(path).map_err(|source| HomeError::Io {
            action: "find",
            path: path.to_owned(),
            source,
        });
    }
    if is_root() {
        return Ok(PathBuf::from("/var/lib/syncline"));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|h| h.join(".local/state")));
    state.map(|state| state.join("syncline")).ok_or(HomeError::Unknown)
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

impl Home {
    /// Opens the home, making it (0700) if it is not there.
    ///
    /// # Errors
    /// It cannot be made, is no directory, or is open to others.
    pub fn create(path: &Path) -> Result<Home, HomeError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
            HomeError::Io { action: "make the home directory", path: path.to_owned(), source }
        })?;
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if is_empty {
            // Made beforehand with `mkdir`: nothing in it could have been read by others yet. If it
            // is not ours to change, `open` says so.
            drop(fs::set_permissions(path, PermissionsExt::from_mode(0o700)));
        }
        Home::open(path)
    }

    /// Opens a home that is there.
    ///
    /// # Errors
    /// It is missing, no directory, or open to others.
    pub fn open(path: &Path) -> Result<Home, HomeError> {
        let fail = |source| HomeError::Io {
            action: "open the home directory",
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(fail)?;
        if !metadata.is_dir() {
            return Err(fail(io::ErrorKind::NotADirectory.into()));
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(HomeError::Permissions { path: path.to_owned(), mode });
        }
        Ok(Home { path: path.to_owned() })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The local settings.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG_FILE)
    }

    /// Whether there is a node here (an identity, whole or not).
    pub fn has_identity(&self) -> bool {
        self.path.join(crate::net::identity::KEY_FILE).exists()
    }

    /// The directory of one folder's index and event log, made if needed.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self, id: FolderId) -> Result<PathBuf, HomeError> {
        let path = self.path.join("folders").join(id.to_string());
        match DirBuilder::new().recursive(true).mode(0o700).create(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(HomeError::Io { action: "make", path, source }),
        }
    }

    /// 16 random bytes that name this home, made on first use: with them a folder's marker says
    /// whose it is.
    ///
    /// # Errors
    /// It cannot be read, or written the first time.
    pub fn token(&self) -> Result<[u8; 16], HomeError> {
        let path = self.path.join(TOKEN_FILE);
        let fail = |action, source| HomeError::Io { action, path: path.clone(), source };
        match fs::read(&path) {
            Ok(bytes) => bytes
                .try_into()
                .map_err(|_| fail("read", io::Error::new(io::ErrorKind::InvalidData, "damaged"))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut token = [0; 16];
                let filled = aws_lc_rs::rand::fill(&mut token);
                filled.map_err(|_| fail("make", io::Error::other("no random source")))?;
                replace(&path, &token)?;
                Ok(token)
            }
            Err(source) => Err(fail("read", source)),
        }
    }

    /// Takes the home for this process.
    ///
    /// # Errors
    /// `Locked` with the other's process id.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.path.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let fail = |action, source| HomeError::Io { action, path: path.clone(), source };
        let mut file = options.open(&path).map_err(|e| fail("open the lock", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let read = file.take(20).read_to_string(&mut pid).is_ok();
                let known = read && !pid.trim().is_empty();
                let pid = if known { pid.trim().to_owned() } else { "unknown".to_owned() };
                return Err(HomeError::Locked { path: self.path.clone(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(fail("take the lock", source)),
        }
        let written = file.set_len(0).and_then(|()| file.rewind());
        let written = written.and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|e| fail("write the lock", e))?;
        Ok(HomeLock { file, home: self.path.clone() })
    }

    /// Whether the home has room for this many bytes: asked before something is begun that must
    /// be written down in the end.
    ///
    /// # Errors
    /// It has not, or cannot be written at all; nothing stays.
    pub fn try_room(&self, bytes: usize) -> Result<(), HomeError> {
        let path = self.path.join("room.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let filled = options.open(&path).and_then(|mut file| {
            // Without its name from the start: a kill leaves nothing behind.
            fs::remove_file(&path)?;
            file.write_all(&vec![0; bytes])?;
            file.sync_all()
        });
        let path = self.path.clone();
        filled.map_err(|source| HomeError::Io { action: "write in", path, source })
    }

    /// The cluster's facts as kept; `None` before init or join.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_cluster_map(&self) -> Result<Option<Vec<u8>>, HomeError> {
        let path = self.path.join(MAP_FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HomeError::Io { action: "read", path, source }),
        }
    }

    /// Replaces the cluster's facts; durable when this returns.
    ///
    /// # Errors
    /// It cannot be written; the old file is still whole.
    pub fn write_cluster_map(&self, bytes: &[u8]) -> Result<(), HomeError> {
        replace(&self.path.join(MAP_FILE), bytes)
    }

    /// A short path to the control socket whatever the length of the home's (decisions B4): valid
    /// while the returned handle is open.
    ///
    /// # Errors
    /// The home cannot be opened.
    pub fn socket(&self) -> Result<(OwnedFd, PathBuf), HomeError> {
        let directory = File::open(&self.path).map_err(|source| HomeError::Io {
            action: "open the home directory",
            path: self.path.clone(),
            source,
        })?;
        let short = format!("/proc/self/fd/{}/{SOCKET_FILE}", directory.as_raw_fd());
        Ok((directory.into(), PathBuf::from(short)))
    }
}

/// Replaces a file whole: temporary file, fsync, rename, fsync of the directory.
///
/// # Errors
/// A step failed; the file is as it was before, and nothing stays beside it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let io = |source| HomeError::Io { action: "write", path: path.to_owned(), source };
    let temporary = write_beside(path, bytes).map_err(io)?;
    fs::rename(&temporary, path).and_then(|()| sync_parent(path)).map_err(io)
}

/// Makes a file whole where none is: like [`replace`], but what is there already stays. Whoever
/// dies in the middle leaves at most the temporary file, which the next one makes anew. The caller
/// holds the home's lock.
///
/// # Errors
/// `AlreadyExists`, or a step failed; under this name there is then no half of a file.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, bytes)?;
    // A second name is refused where a file is, and a filesystem that has renames without replacing
    // is not needed for it.
    let made = fs::hard_link(&temporary, path);
    let gone = fs::remove_file(&temporary);
    made.and(gone).and_then(|()| sync_parent(path))
}

/// The bytes, durable, under a name that is nobody's.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // A leftover may be a second name of the file itself: it goes, and is not written to.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        // Half a file helps nobody; what cannot go is made anew by the next try.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    Ok(temporary)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests;
