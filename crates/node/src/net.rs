//! The network layer: opaque frames between authenticated nodes. It decides nothing about folders.
//!
//! The daemon starts it, says who the peers are, sends payloads and takes events; what a payload
//! means is the engine's affair and who may connect is asked of the daemon ([`Authority`]).
//!
//! A *session* with a peer is one control connection, strictly ordered, and a few data connections
//! over which data frames spread. It lives and dies as a whole: when one of its connections ends,
//! all end, and `Disconnected` says that whatever was in flight may be lost.
//!
//! In reading order: `frame` and `hello` are the bytes, `identity` and `tls` the keys, `invite` and
//! `join` the way in, `lane` what is queued, `connection` one TLS stream, `listen` and `dial` its
//! two beginnings, `peer` the one task per peer that picks among them, `session` the running of it,
//! `pool` all peers together.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use engine::dot::NodeId;
use tokio::sync::mpsc;

pub mod compress;
mod connection;
mod dial;
pub mod frame;
pub mod hello;
pub mod identity;
pub mod invite;
pub mod join;
mod lane;
pub mod limits;
mod listen;
mod peer;
mod pool;
mod session;
pub mod tls;

pub use pool::{random_token, Net, NetHandle};

use identity::Identity;
use invite::{JoinGrant, JoinRefusal, JoinRequest};

/// Names a cluster for ever: 128 random bits.
pub type ClusterId = [u8; 16];

/// What [`Net::start`] needs to know.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// This node's key.
    pub identity: Arc<Identity>,
    /// The cluster: connections of any other are refused.
    pub cluster: ClusterId,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// This node's name as peers are shown it.
    pub name: String,
    /// Deadlines and intervals.
    pub timing: limits::Timing,
}

/// Where the daemon is told. Two channels, so that a daemon that is slow with contents (a slow
/// disk) still hears everything else at once. Each should hold a few dozen: while one is full, that
/// lane of every peer is not read.
#[derive(Clone, Debug)]
pub struct Ears {
    /// `Connected`, `Disconnected`, and what the control lane brings.
    pub control: mpsc::Sender<NetEvent>,
    /// What data lanes bring: their frames, and that they have drained.
    pub data: mpsc::Sender<NetEvent>,
}

impl Ears {
    fn of(&self, lane: Lane) -> &mpsc::Sender<NetEvent> {
        match lane {
            Lane::Control => &self.control,
            Lane::Data(_) => &self.data,
        }
    }
}

/// What the daemon is asked. Implementations must not call back into the network layer.
pub trait Authority: Send + Sync + 'static {
    /// Whether this node is a member now. Asked right after the handshake: must be quick.
    fn admit(&self, peer: &NodeId) -> bool;

    /// A newcomer with a code; may block (it runs on a blocking thread). What it grants must be
    /// durable before it returns. `Invites::redeem` checks the proof.
    ///
    /// # Errors
    /// Why not: told to the newcomer.
    fn join(&self, request: JoinRequest) -> Result<JoinGrant, JoinRefusal>;
}

/// Which of a session's connections a payload takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Strictly in order; never behind content.
    Control,
    /// Content: in order among what has the same number, which always takes the same one of a
    /// session's data connections. The other end may give it another number.
    Data(u8),
}

/// A member and where it may be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// Its key.
    pub peer: NodeId,
    /// `host:port`, tried in turn; empty if this node only waits to be dialled.
    pub addresses: Vec<String>,
}

/// One session with a peer. The next session with the same peer is another link, so nothing that
/// was meant for one can slip into the other: engines start afresh with every session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Link {
    /// Who.
    pub peer: NodeId,
    /// Counts the sessions of this process, from 1.
    pub session: u64,
}

/// What the daemon is told. For one peer: `Connected`, then control frames, then `Disconnected`, in
/// order. Data frames come in no order with these, and may come late: after `Disconnected`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetEvent {
    /// A session is complete: sends are possible.
    Connected {
        /// With whom, and which.
        link: Link,
        /// Its name for itself.
        name: String,
        /// The protocol version both speak.
        version: u32,
        /// The other end of the control connection.
        address: SocketAddr,
    },
    /// The session is over; what was sent and not answered may be lost.
    Disconnected {
        /// Who.
        peer: NodeId,
        /// Why, for logs and status.
        reason: String,
    },
    /// A dial failed; it is tried again. Only for showing: told if there is room, between sessions.
    NotReached {
        /// Who.
        peer: NodeId,
        /// Why, with the address.
        reason: String,
    },
    /// A payload arrived.
    Frame {
        /// From whom.
        peer: NodeId,
        /// On which lane.
        lane: Lane,
        /// At most [`limits::PAYLOAD_BYTES_MAX`] bytes.
        payload: Bytes,
    },
    /// A lane that was full takes payloads again. May arrive after `Disconnected`: then ignore it.
    Drained {
        /// Who.
        peer: NodeId,
        /// Which lane.
        lane: Lane,
        /// Bytes still queued.
        queued: usize,
    },
}

/// Why the network layer could not start; nothing is running then.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Somebody else listens there.
    #[error(
        "{address} is in use by another program (a second daemon?); nothing was changed; stop it, \
         or set another `listen` in the settings"
    )]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {address}: {source}; nothing was changed")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The name cannot be told to peers.
    #[error("{name:?} is no node name: 1 to 64 bytes without control characters")]
    Name {
        /// The name asked for.
        name: String,
    },
    /// The TLS library refused the configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a payload was not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// There is no session, or another one than was meant.
    #[error("not connected")]
    NotConnected,
    /// The lane is full; `Drained` will be told.
    #[error("queue full with {queued} bytes")]
    Full {
        /// Bytes queued.
        queued: usize,
    },
    /// More than a frame holds.
    #[error("payload of {length} bytes where a frame holds {} ", limits::PAYLOAD_BYTES_MAX)]
    TooLarge {
        /// Its bytes.
        length: usize,
    },
}

#[cfg(test)]
mod tests;
