//! The local control socket: how commands, scripts and tests talk to the daemon.
//!
//! One request a connection: a line of JSON; the answer is lines of JSON: any number of items, then
//! one end. The socket lies in the home, mode 0600: who may open it is the node's own user or root.
//! The daemon implements [`Api`]; nothing is decided here.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, Semaphore};
use tokio::time::timeout;

use crate::door::{Door, Guest};
use crate::home::{Home, HomeError};

/// Longest request line, in bytes.
pub const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// Longest answer line, in bytes.
pub const REPLY_BYTES_MAX: u64 = 16 << 20;
/// Connections open at once. For one more the longest silent one is closed; where all have asked,
/// the new one is told so.
pub const CONNECTIONS_MAX: usize = 128;
/// Requests answered at once; more wait, but not for ever.
pub const CALLS_MAX: usize = 64;
/// How long a connection may take to ask, and its request to have its turn.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Items of one stream that may wait for a slow reader; then the stream waits.
pub const ITEMS_MAX: usize = 256;

/// What the daemon can be asked. `folder: None` means all folders held here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum Request {
    /// [`crate::view::Status`].
    Status {},
    /// The barrier of decisions D1: items of [`WaitProgress`] while it takes long, then
    /// [`crate::view::Waited`].
    Wait {
        /// Which folder.
        folder: Option<String>,
        /// Give up (exit 5) after this.
        timeout_ms: u64,
        /// Every member, not just the connected ones.
        all: bool,
    },
    /// Compares content on all nodes: items of [`crate::view::Progress`], then
    /// [`crate::view::Verified`].
    Verify {
        /// Which folder.
        folder: Option<String>,
    },
    /// Makes a folder, or holds one that the cluster has: [`crate::view::Done`].
    FolderAdd {
        /// Its name.
        name: String,
        /// Where: absolute.
        path: PathBuf,
        /// How long a change rests.
        delay_ms: u64,
    },
    /// Items of [`crate::view::Folder`].
    FolderList {},
    /// Stops holding a folder here; files stay: [`crate::view::Done`].
    FolderRemove {
        /// Its name.
        name: String,
    },
    /// Says for the whole cluster how a folder is to be treated: [`crate::view::Done`].
    FolderSet {
        /// Its name.
        name: String,
        /// As `KEY=VALUE`.
        settings: Vec<String>,
    },
    /// Neither sends nor applies until resumed: [`crate::view::Done`].
    FolderPause {
        /// Its name.
        name: String,
    },
    /// Goes on: [`crate::view::Done`].
    FolderResume {
        /// Its name.
        name: String,
    },
    /// Reads the whole tree again: [`crate::view::Done`].
    FolderRescan {
        /// Its name.
        name: String,
    },
    /// A join code: [`crate::view::Invited`].
    Invite {
        /// How many nodes it lets in.
        uses: u32,
        /// For how long.
        expires_ms: u64,
        /// Whether they may admit others.
        admin: bool,
    },
    /// Items of [`crate::view::Node`].
    NodeList {},
    /// Items of [`crate::view::LogEntry`], oldest first; endless with `follow`.
    Log {
        /// Goes on with what happens from now on.
        follow: bool,
        /// Only so many of what has happened, the newest; all without.
        last: Option<u64>,
        /// Only this folder.
        folder: Option<String>,
        /// Only paths that match.
        glob: Option<String>,
    },
    /// Items of [`crate::view::Conflict`].
    ConflictsList {
        /// Only this folder.
        folder: Option<String>,
    },
    /// [`crate::view::ConflictShown`].
    ConflictsShow {
        /// From the list.
        id: String,
    },
    /// Makes a loser the file again: [`crate::view::Done`].
    ConflictsKeep {
        /// From the list.
        id: String,
        /// Not as the file that it was, but as one of its own: a path in the folder.
        as_path: Option<String>,
    },
    /// Ends a conflict without its loser: [`crate::view::Done`].
    ConflictsDrop {
        /// From the list.
        id: String,
    },
    /// Items of [`crate::view::Event`], until the client goes.
    Events {},
    /// Reads the config again, as SIGHUP does: [`crate::view::Done`].
    Reload {},
    /// An orderly stop: [`crate::view::Done`], sent before it stops.
    Shutdown {},
}

/// How far a barrier is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitProgress {
    /// Of what is on its way.
    pub progress: crate::view::Progress,
    /// Who is waited for and is not connected: the name, and since when.
    pub absent: Vec<String>,
}

/// The exit codes of the contract, as the daemon chooses among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// 1: it failed.
    Failed,
    /// 2: it was asked wrongly (no such folder, ...).
    Usage,
    /// 3: asked, and the answer is no.
    No,
    /// 5: timed out.
    Timeout,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::No => 3,
            Exit::Timeout => 5,
        }
    }
}

/// A request that was not done, worded for people: what, on what, what changed, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The class.
    pub exit: Exit,
    /// The words.
    pub message: String,
}

impl Failure {
    /// A failure with its words.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Item(Value),
    Done(Value),
    Failed(Failure),
}

/// Why a request could not be put to a daemon; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "no syncline daemon is running on {home}; nothing was changed; start it with \
         `syncline daemon` (or `syncline up PATH` for a first folder), or name its home with --home"
    )]
    NotRunning {
        /// The home.
        home: PathBuf,
    },
    /// The home has a problem.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The socket has one.
    #[error("cannot talk to the daemon on {home}: {source}; what was asked may have been done")]
    Io {
        /// The home.
        home: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The other end is no daemon of this version.
    #[error(
        "the daemon on {home} answered what this version does not understand ({why}); \
             run the same version of both"
    )]
    Garbled {
        /// The home.
        home: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The daemon said no.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Where a streaming request puts its items.
#[derive(Clone, Debug)]
pub struct Items(mpsc::Sender<Value>);

impl Items {
    /// Sends an item; waits while the reader is slow. `false` when it has gone.
    pub async fn send<T: Serialize>(&self, item: &T) -> bool {
        match serde_json::to_value(item) {
            Ok(value) => self.0.send(value).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// What the daemon implements. A call is dropped when its client goes away.
pub trait Api: Send + Sync + 'static {
    /// Does what is asked; the value is what [`Request`] names.
    fn call(
        &self,
        request: Request,
        items: Items,
    ) -> impl Future<Output = Result<Value, Failure>> + Send;
}

/// The listening socket of a running daemon; removed from the home with this value.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    _directory: std::os::fd::OwnedFd,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A socket that stays behind is harmless: the next daemon replaces it.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Server {
    /// Listens in `home`. The caller holds the home's lock, so what lies there is a leftover.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn bind(home: &Home) -> Result<Server, ControlError> {
        let (directory, path) = home.socket()?;
        let fail = |source| ControlError::Io { home: home.path().to_owned(), source };
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
        // Between bind and chmod the home's 0700 keeps others out.
        let listener = UnixListener::bind(&path).map_err(fail)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(fail)?;
        Ok(Server { listener, path, _directory: directory })
    }

    /// Serves until it is dropped. A connection may take `patience` to ask, and its request to have
    /// its turn.
    pub async fn run<A: Api>(self, api: Arc<A>, patience: Duration) {
        let desk = Desk { api, calls: Arc::new(Semaphore::new(CALLS_MAX)), patience };
        let mut door = Door::new(CONNECTIONS_MAX);
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match door.enter().await {
                    Some(guest) => drop(tokio::spawn(desk.clone().serve(stream, guest))),
                    // What was asked has not even been read.
                    None => refuse(&stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Where requests are taken and answered.
struct Desk<A> {
    api: Arc<A>,
    calls: Arc<Semaphore>,
    patience: Duration,
}

impl<A> Clone for Desk<A> {
    fn clone(&self) -> Desk<A> {
        let (api, calls) = (self.api.clone(), self.calls.clone());
        Desk { api, calls, patience: self.patience }
    }
}

impl<A: Api> Desk<A> {
    async fn serve(self, stream: UnixStream, mut guest: Guest) {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        let asked = tokio::select! {
            asked = timeout(self.patience, read_line(&mut read, REQUEST_BYTES_MAX)) => asked,
            () = guest.sent_away() => return,
        };
        if !guest.spoke() {
            return;
        }
        let unread = |why: &dyn std::fmt::Display| {
            Some(no(format!("the request cannot be read ({why}); nothing was changed")))
        };
        let end = match asked {
            Ok(Ok(Some(line))) => match serde_json::from_str(&line) {
                Ok(request) => self.take_turn(request, &mut read, &mut write).await,
                Err(error) => Some(no(format!(
                    "the daemon does not understand the request ({error}); nothing was changed"
                ))),
            },
            Ok(Ok(None)) => None,
            Ok(Err(error)) => unread(&error),
            Err(late) => unread(&late),
        };
        if let Some(end) = end {
            // A client that has gone does not want to know.
            drop(write_line(&mut write, &end).await);
        }
    }

    async fn take_turn(
        self,
        request: Request,
        read: &mut BufReader<OwnedReadHalf>,
        write: &mut OwnedWriteHalf,
    ) -> Option<Reply> {
        match timeout(self.patience, self.calls.acquire()).await {
            Ok(Ok(_turn)) => answer(request, read, write, self.api).await,
            _ => Some(busy()),
        }
    }
}

fn no(message: String) -> Reply {
    Reply::Failed(Failure::new(Exit::Usage, message))
}

fn busy() -> Reply {
    let message = format!(
        "the daemon is answering {CALLS_MAX} other commands; nothing was changed; end some that go \
         on and on (`log --follow`, `wait`), then try again"
    );
    Reply::Failed(Failure::new(Exit::Failed, message))
}

/// Tells a connection that there is no place for it, without waiting for it to listen.
fn refuse(stream: &UnixStream) {
    if let Ok(mut line) = serde_json::to_vec(&busy()) {
        line.push(b'\n');
        // A client that has gone does not want to know.
        drop(stream.try_write(&line));
    }
}

/// Runs a call and passes its items on; `None` when the client has gone.
async fn answer<A: Api>(
    request: Request,
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    api: Arc<A>,
) -> Option<Reply> {
    let (sender, mut items) = mpsc::channel(ITEMS_MAX);
    let mut call = std::pin::pin!(api.call(request, Items(sender)));
    let mut byte = [0; 1];
    let end = loop {
        tokio::select! {
            biased;
            Some(item) = items.recv() => write_line(write, &Reply::Item(item)).await.ok()?,
            end = &mut call => break end,
            // A client says nothing more: whatever comes here, it has gone.
            _ = read.read(&mut byte) => return None,
        }
    };
    while let Ok(item) = items.try_recv() {
        write_line(write, &Reply::Item(item)).await.ok()?;
    }
    Some(match end {
        Ok(value) => Reply::Done(value),
        Err(failure) => Reply::Failed(failure),
    })
}

async fn write_line(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await
}

async fn read_line(
    read: &mut BufReader<OwnedReadHalf>,
    bytes_max: u64,
) -> io::Result<Option<String>> {
    let mut line = String::new();
    let taken = read.take(bytes_max).read_line(&mut line).await?;
    if taken == 0 {
        return Ok(None);
    }
    if !line.ends_with('\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long or cut off"));
    }
    Ok(Some(line))
}

/// Asks the daemon of `home`; every item goes through `item`. Waits as long as the daemon does.
///
/// # Errors
/// No daemon, a broken connection, or the daemon's own no.
pub async fn call<T: DeserializeOwned, I: DeserializeOwned>(
    home: &Home,
    request: &Request,
    mut item: impl FnMut(I),
) -> Result<T, ControlError> {
    let path = home.path().to_owned();
    let fail = |source| ControlError::Io { home: path.clone(), source };
    let garbled = |why: String| ControlError::Garbled { home: path.clone(), why };
    let (directory, socket) = home.socket()?;
    let stream = UnixStream::connect(&socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning { home: path.clone() }
        }
        _ => fail(error),
    })?;
    drop(directory);
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request).map_err(|e| garbled(e.to_string()))?;
    line.push(b'\n');
    // A daemon that has no place for another connection says so and hangs up before it is asked.
    let mut unsent = write.write_all(&line).await.err();
    let mut read = BufReader::new(read);
    loop {
        let Some(line) = read_line(&mut read, REPLY_BYTES_MAX).await.map_err(fail)? else {
            let cut = || io::ErrorKind::UnexpectedEof.into();
            return Err(fail(unsent.take().unwrap_or_else(cut)));
        };
        match serde_json::from_str(&line).map_err(|e| garbled(e.to_string()))? {
            Reply::Item(value) => {
                item(serde_json::from_value(value).map_err(|e| garbled(e.to_string()))?);
            }
            Reply::Done(value) => {
                return serde_json::from_value(value).map_err(|e| garbled(e.to_string()));
            }
            Reply::Failed(failure) => return Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests;
