//! All peers together: starting and stopping the layer, the daemon's handle, the table of peers.
//!
//! What happens with one peer is in `peer`; here is only who there is and how to reach its task.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::rand;
use bytes::Bytes;
use engine::dot::NodeId;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{timeout_at, Duration, Instant};
use tokio_rustls::TlsAcceptor;

use super::hello::{is_valid_name, Hello, Purpose};
use super::limits::{DATA_CONNECTIONS, JOINS_AT_ONCE_MAX, VERSIONS};
use super::peer::{Incoming, LaneSlot, PeerTask, Up, Wanted};
use super::{
    listen, tls, Authority, Ears, Lane, Link, NetConfig, NetError, PeerAddress, SendError,
};

/// Greeted connections that may wait for one peer's task.
const INCOMING_MAX: usize = 8;
/// Beyond the flush of a session, how long the end of all tasks may take.
const STOP_SLACK: Duration = Duration::from_secs(1);

/// The network layer; see [`Net::start`].
pub struct Net;

/// What the tasks of the layer share.
pub(super) struct Shared {
    pub(super) config: NetConfig,
    pub(super) authority: Arc<dyn Authority>,
    pub(super) ears: Ears,
    pub(super) joins: Semaphore,
    process: [u8; 16],
    attempts: AtomicU64,
    sessions: AtomicU64,
    stop: watch::Sender<bool>,
    peers: Mutex<BTreeMap<NodeId, Peer>>,
}

struct Peer {
    incoming: mpsc::Sender<Incoming>,
    wanted: watch::Sender<Wanted>,
    lanes: LaneSlot,
    task: JoinHandle<()>,
}

/// The daemon's end of the layer. Clones are the same layer.
#[derive(Clone)]
pub struct NetHandle {
    shared: Arc<Shared>,
    listener: Arc<Mutex<Option<JoinHandle<()>>>>,
    address: SocketAddr,
}

impl Net {
    /// Binds the port and starts accepting; peers are dialled once [`NetHandle::set_peers`] names
    /// them.
    ///
    /// # Errors
    /// The port is taken or not ours to take, or the name is none; nothing runs then.
    pub async fn start(
        config: NetConfig,
        authority: Arc<dyn Authority>,
        ears: Ears,
    ) -> Result<NetHandle, NetError> {
        if !is_valid_name(&config.name) {
            return Err(NetError::Name { name: config.name });
        }
        let acceptor = TlsAcceptor::from(tls::server_config(&config.identity)?);
        let address = config.listen;
        let refused = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => NetError::AddressInUse { address },
            _ => NetError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let shared = Arc::new(Shared {
            config,
            authority,
            ears,
            joins: Semaphore::new(JOINS_AT_ONCE_MAX),
            process: random_token(),
            attempts: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            peers: Mutex::default(),
        });
        let accepting = tokio::spawn(listen::accept(listener, shared.clone(), acceptor));
        let listener = Arc::new(Mutex::new(Some(accepting)));
        Ok(NetHandle { shared, listener, address })
    }
}

impl NetHandle {
    /// Where it listens, with the port that was taken.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Says who all the members are: new ones are dialled, connections of those not named end at
    /// once. This node itself may be among them.
    pub fn set_peers(&self, peers: Vec<PeerAddress>) {
        let me = self.shared.config.identity.node_id();
        let mut named: BTreeMap<NodeId, Vec<String>> =
            peers.into_iter().map(|p| (p.peer, p.addresses)).collect();
        named.remove(&me);
        let mut table = self.shared.lock();
        for (id, peer) in table.iter() {
            if !named.contains_key(id) {
                *peer.lanes.lock().expect("no code panics while it holds this lock") = None;
                peer.want(|wanted| {
                    wanted.member = false;
                    wanted.addresses.clear();
                });
            }
        }
        for (id, addresses) in named {
            let peer = self.shared.entry(&mut table, id);
            peer.want(|wanted| {
                wanted.member = true;
                wanted.addresses = addresses;
            });
        }
    }

    /// Queues a payload and returns how many bytes the lane holds now.
    ///
    /// # Errors
    /// Nothing was queued: no session, a full lane (`Drained` will follow), or too large.
    pub fn send(
        &self,
        to: Link,
        lane: Lane,
        payload: impl Into<Bytes>,
    ) -> Result<usize, SendError> {
        let up = self.up(&to.peer).filter(|(session, _)| *session == to.session);
        let (_, lanes) = up.ok_or(SendError::NotConnected)?;
        lanes.send(lane, payload.into())
    }

    /// The session that is up with a peer now.
    pub fn link(&self, peer: &NodeId) -> Option<Link> {
        let (session, _) = self.up(peer)?;
        Some(Link { peer: *peer, session })
    }

    fn up(&self, peer: &NodeId) -> Option<Up> {
        let slot = self.shared.lock().get(peer).map(|p| p.lanes.clone())?;
        let up = slot.lock().expect("no code panics while it holds this lock").clone();
        up
    }

    /// Ends this session; its peer is dialled again if it is still a member with an address.
    pub fn close(&self, link: Link) {
        if let Some(peer) = self.shared.lock().get(&link.peer) {
            peer.want(|wanted| wanted.closed = wanted.closed.max(link.session));
        }
    }

    /// Ends this session because of what the peer said; the next one waits as after a failed dial.
    pub fn break_off(&self, link: Link, why: &'static str) {
        if let Some(peer) = self.shared.lock().get(&link.peer) {
            peer.want(|wanted| {
                if wanted.closed < link.session {
                    wanted.closed = link.session;
                    wanted.offence = Some((link.session, why));
                }
            });
        }
    }

    /// Stops: no more connections, what is queued is flushed for a moment, all tasks end. Returns
    /// when they have. The ears' channels should still be read meanwhile.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        let deadline = Instant::now() + self.shared.config.timing.flush + STOP_SLACK;
        let mut accepting =
            self.listener.lock().expect("no code panics while it holds this lock").take();
        // Kept until the end: a task whose channels close would take this for a removal.
        let mut peers = std::mem::take(&mut *self.shared.lock());
        let tasks = peers.values_mut().map(|peer| &mut peer.task);
        for task in accepting.iter_mut().chain(tasks) {
            if timeout_at(deadline, &mut *task).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Peer {
    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        self.wanted.send_if_modified(|wanted| {
            let before = wanted.clone();
            change(wanted);
            *wanted != before
        });
    }
}

impl Shared {
    /// Returns when the layer stops.
    pub(super) async fn stopped(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// What this node says first on a connection.
    pub(super) fn hello(&self, purpose: Purpose, session: [u8; 16]) -> Hello {
        Hello {
            versions: VERSIONS,
            cluster: self.config.cluster,
            purpose,
            session,
            process: self.process,
            attempt: self.attempts.load(Ordering::SeqCst),
            data_connections: DATA_CONNECTIONS,
            name: self.config.name.clone(),
        }
    }

    /// A number that no session of this process has.
    pub(super) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Called before each proposal, so that its HELLO carries a number of its own.
    pub(super) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::SeqCst);
    }

    /// Hands an admitted connection to its peer's task.
    pub(super) async fn deliver(self: &Arc<Self>, incoming: Incoming) {
        let sender = {
            let mut table = self.lock();
            if *self.stop.borrow() {
                return;
            }
            let peer = self.entry(&mut table, incoming.connection.peer);
            peer.want(|wanted| wanted.member = true);
            peer.incoming.clone()
        };
        if sender.send(incoming).await.is_err() {
            tracing::debug!("a connection arrived while the layer stops");
        }
    }

    fn entry<'a>(
        self: &Arc<Self>,
        table: &'a mut BTreeMap<NodeId, Peer>,
        id: NodeId,
    ) -> &'a mut Peer {
        table.entry(id).or_insert_with(|| {
            let (sender, incoming) = mpsc::channel(INCOMING_MAX);
            let wanted = watch::Sender::new(Wanted::default());
            let lanes = LaneSlot::default();
            let task = PeerTask::new(self.clone(), id, incoming, wanted.subscribe(), lanes.clone());
            Peer { incoming: sender, wanted, lanes, task: tokio::spawn(task.run()) }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Peer>> {
        self.peers.lock().expect("no code panics while it holds this lock")
    }
}

/// 128 random bits that name a session or a process.
pub fn random_token() -> [u8; 16] {
    let mut token = [0; 16];
    rand::fill(&mut token).expect("the system's random source does not fail after start");
    token
}
