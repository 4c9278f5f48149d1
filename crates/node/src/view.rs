//! What people and programs are shown: the only serde types, with keys that stay.
//!
//! Plain data, filled by the daemon, printed by the commands and, with `--json`, passed on as it
//! is. A key is never renamed or given another meaning; new ones may come. Ids are lower-case hex,
//! times unix milliseconds, sizes bytes, durations milliseconds. A name or path is text with what
//! is not UTF-8, and control characters, escaped.

use engine::calendar::{utc, Utc};
use serde::{Deserialize, Serialize};

/// The answer to `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether nothing is behind and nothing is wrong: exit code 0 or 3.
    pub healthy: bool,
    /// Why not, one line each; empty if healthy.
    pub problems: Vec<String>,
    /// This node.
    pub node: NodeStatus,
    /// The cluster's id.
    pub cluster: String,
    /// The folders held here, by name.
    pub folders: Vec<FolderStatus>,
    /// The other members, by name.
    pub peers: Vec<PeerStatus>,
}

/// This node and its daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The home directory.
    pub home: String,
    /// Where it listens, with the real port.
    pub listen: String,
    /// Where `/healthz` answers, or `off`.
    pub http: String,
    /// How long the daemon has been running.
    pub uptime_ms: u64,
}

/// What a folder is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderState {
    /// Reading the tree for the first time since the start.
    Scanning,
    /// Has work to do: changes to send or to apply.
    Syncing,
    /// Nothing to do.
    Idle,
    /// Waits for `folder resume`.
    Paused,
    /// Stopped itself: see `state_reason`.
    Stopped,
}

/// One folder held here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolderStatus {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Where its tree lies here.
    pub path: String,
    /// What it is doing.
    pub state: FolderState,
    /// Why, and what to do about it; only where the state asks for it.
    pub state_reason: Option<String>,
    /// How changes are noticed: `fanotify`, `inotify` or `scan`.
    pub rung: String,
    /// Why not by a better way.
    pub rung_reason: Option<String>,
    /// Files, directories and symlinks that are there.
    pub entries: u64,
    /// Operations and contents that are still to be applied here.
    pub pending: u64,
    /// Bytes of content still to be fetched.
    pub pending_bytes: u64,
    /// Hints of local changes that are not yet looked at.
    pub backlog: u64,
    /// Files and symlinks with conflicts whose losers wait; 10000 stands for as many or more.
    pub conflicts: u64,
    /// Where losers go.
    #[serde(default)]
    pub conflict_mode: ConflictMode,
    /// The node whose writes win against concurrent ones; without: the later write.
    #[serde(default)]
    pub prefer: Option<String>,
    /// The scan that is running.
    pub scan: Option<Progress>,
    /// The taking over of other nodes' changes that is going on: operations carried out, and
    /// bytes of content that have come.
    #[serde(default)]
    pub sync: Option<Progress>,
    /// The oldest change that is not yet applied here: how long it is known.
    pub lag_ms: u64,
    /// The oldest things that are still to be applied here, and what each waits for; bounded.
    pub waiting: Vec<Waiting>,
    /// Trouble with single paths, newest last; bounded.
    pub notices: Vec<Notice>,
    /// How many files and directories cannot be read here, up to a bound: what was changed there is
    /// on no other node.
    #[serde(default)]
    pub unread: u64,
}

/// Where the loser of two concurrent edits goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictMode {
    /// To the conflict store of every node.
    #[default]
    Store,
    /// Beside the winner, as a file of its own.
    Beside,
}

/// Something that is not yet applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which path.
    pub path: String,
    /// What it waits for.
    pub why: String,
}

/// How far some long work is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Things done.
    pub done: u64,
    /// Things in all, where known.
    pub total: Option<u64>,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, where known.
    pub bytes_total: Option<u64>,
    /// For how long it has been going on.
    pub elapsed_ms: u64,
}

/// Trouble with one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub time_ms: u64,
    /// Relative to the folder; a dot for the folder itself.
    pub path: String,
    /// What is wrong and what to do.
    pub text: String,
}

/// Another member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Its key.
    pub id: String,
    /// Whether there is a session with it.
    pub connected: bool,
    /// The other end's address, or the first one known.
    pub address: String,
    /// Why there is no session, in short.
    pub reason: Option<String>,
    /// Whether it is known to hold everything that this node holds.
    pub in_sync: bool,
    /// Operations that it does not hold yet, over all common folders; not known of one that is not
    /// connected.
    pub behind: Option<u64>,
    /// Common folders that do not work there, by name.
    #[serde(default)]
    pub stopped: Vec<StoppedThere>,
}

/// A folder that another node holds, and where it does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedThere {
    /// Its name.
    pub folder: String,
    /// Why, in that node's words.
    pub why: String,
}

/// One line of `node list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its key.
    pub id: String,
    /// Whether it is this node.
    pub is_self: bool,
    /// Whether it may admit others.
    pub admin: bool,
    /// Whether there is a session with it (true for this node).
    pub connected: bool,
    /// Where it says that it listens.
    pub addresses: Vec<String>,
    /// Names of the folders it holds.
    pub folders: Vec<String>,
}

/// One line of `folder list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its name.
    pub name: String,
    /// Its id; unknown (`None`) while no daemon runs.
    pub id: Option<String>,
    /// Where it lies here; `None` if this node does not hold it.
    pub path: Option<String>,
    /// Whether it is paused here.
    pub paused: bool,
    /// How long a change rests before it is sent.
    pub delay_ms: u64,
    /// Names of the nodes that hold it.
    pub holders: Vec<String>,
    /// Where losers of conflicts go; `None` while no daemon runs.
    #[serde(default)]
    pub conflict_mode: Option<ConflictMode>,
    /// The node whose writes win against concurrent ones; without: the later write.
    #[serde(default)]
    pub prefer: Option<String>,
}

/// The answer to `invite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The join code.
    pub code: String,
    /// How many nodes it lets in.
    pub uses: u32,
    /// Until when.
    pub expires_ms: u64,
}

/// The answer to `wait`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// How long it took.
    pub elapsed_ms: u64,
    /// Members that answered, by name.
    pub members: Vec<String>,
    /// Members that hold a folder and were not waited for, for they are not connected; by name.
    #[serde(default)]
    pub not_awaited: Vec<String>,
    /// Files still open for writing here: their last bytes are not covered.
    pub open_files: Vec<String>,
    /// What cannot be read here, so that no other node has what was changed there; bounded. With
    /// any the exit code is 3.
    #[serde(default)]
    pub unread: Vec<String>,
}

/// The answer to `verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Whether everything was read on all nodes that answered, and is the same.
    pub identical: bool,
    /// Entries compared.
    pub entries: u64,
    /// Bytes read and hashed on this node.
    pub bytes: u64,
    /// Nodes compared, by name.
    pub nodes: Vec<String>,
    /// Members that hold the folder and did not answer.
    pub missing: Vec<String>,
    /// What differs; bounded.
    pub differences: Vec<Difference>,
    /// How many more differences there are than are listed.
    #[serde(default)]
    pub more_differences: u64,
    /// What was not compared, because it could not be read; bounded.
    #[serde(default)]
    pub not_compared: Vec<NotCompared>,
    /// How many more paths than are listed were not compared.
    #[serde(default)]
    pub more_not_compared: u64,
}

/// One path that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The folder's name.
    pub folder: String,
    /// The path in it; a dot for the root itself.
    pub path: String,
    /// What differs: `content`, `mode`, `missing there`, ...
    pub what: String,
    /// The nodes that hold something else than this node, or lack it.
    pub nodes: Vec<String>,
}

/// A path of which it is not known whether it is the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompared {
    /// The folder's name.
    pub folder: String,
    /// The path in it; a dot for all of it.
    pub path: String,
    /// The node on which it was not read.
    pub node: String,
    /// Why not.
    pub why: String,
}

/// One line of the event log: what happened to which path, when, from whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it happened here.
    pub time_ms: u64,
    /// The folder's name.
    pub folder: String,
    /// What happened.
    pub event: LogEvent,
    /// The path, escaped.
    pub path: String,
    /// Where it was before, for a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The node whose user did it: its name, or its short id.
    pub node: String,
    /// A program on this node did it; otherwise it was done here for that node.
    #[serde(default)]
    pub local: bool,
    /// More, for conflicts and notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What can happen to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogEvent {
    /// Made.
    Create,
    /// Given other content.
    Edit,
    /// Given another mode, owner, times or xattrs.
    Attributes,
    /// Renamed; `from` says from where.
    Rename,
    /// Deleted.
    Delete,
    /// Two concurrent edits: the loser is in the conflict store.
    Conflict,
    /// An edit was found under an operation of ours, and published.
    Rescued,
    /// Undone by a power loss: the announced version is fetched again.
    Damaged,
}

/// As far as a status counts conflicts.
pub const CONFLICTS_COUNTED: usize = 10_000;

/// Such a count, for people.
pub fn conflict_count(count: u64) -> String {
    let more = if count >= CONFLICTS_COUNTED as u64 { " or more" } else { "" };
    format!("{count}{more}")
}

/// One conflict: the loser of two concurrent edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Names it for `conflicts show`, `keep` and `drop`.
    pub id: String,
    /// The folder's name.
    pub folder: String,
    /// The path that it lost.
    pub path: String,
    /// The node that wrote the loser.
    pub node: String,
    /// When that node wrote it.
    pub time_ms: u64,
    /// The loser's size.
    pub bytes: u64,
    /// The loser's content hash; empty for a symlink.
    pub hash: String,
    /// A symlink's target: such a loser lies in no file.
    #[serde(default)]
    pub link: Option<String>,
    /// The node that wrote what it lost to, whoever has edited that since.
    pub winner_node: String,
    /// Whether the bytes are in this node's conflict store already.
    pub available: bool,
}

/// The answer to `conflicts show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictShown {
    /// The conflict.
    pub conflict: Conflict,
    /// Where its bytes can be read on this node; `None` until they have arrived.
    pub stored_at: Option<String>,
}

/// What the event stream tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// A folder's figures or state changed.
    Folder(Box<FolderStatus>),
    /// A peer came, went, or caught up.
    Peer(PeerStatus),
    /// Something happened to a path.
    Log(LogEntry),
}

/// The answer to commands that only do something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// One line for the person who asked.
    pub message: String,
}

/// A point in time in UTC, as RFC 3339 with milliseconds.
pub fn time(unix_ms: u64) -> String {
    let Utc { year, month, day, hour, minute, second } = utc(unix_ms);
    let ms = unix_ms % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests;
