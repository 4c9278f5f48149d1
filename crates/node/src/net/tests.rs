//! Two and more nodes over loopback: every test waits on events with a deadline.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engine::dot::NodeId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::identity::Identity;
use super::invite::{Invites, JoinGrant, JoinRefusal, JoinRequest};
use super::limits::Timing;
use super::{
    Authority, ClusterId, Ears, Lane, Net, NetConfig, NetEvent, NetHandle, PeerAddress, SendError,
};

mod burst;
mod hostile;
mod joining;
mod sessions;

const CLUSTER: ClusterId = [42; 16];
const DEADLINE: Duration = Duration::from_secs(20);

/// A member map and an invite book, as simple as can be.
#[derive(Default)]
struct Book {
    members: Mutex<BTreeSet<NodeId>>,
    invites: Mutex<Invites>,
    now_unix_ms: Mutex<u64>,
    joined: Mutex<Vec<JoinRequest>>,
}

impl Authority for Book {
    fn admit(&self, peer: &NodeId) -> bool {
        self.members.lock().unwrap().contains(peer)
    }

    fn join(&self, request: JoinRequest) -> Result<JoinGrant, JoinRefusal> {
        let now = *self.now_unix_ms.lock().unwrap();
        let redeemed = self.invites.lock().unwrap().redeem(&request, now)?;
        self.members.lock().unwrap().insert(request.transcript.newcomer);
        self.joined.lock().unwrap().push(request);
        Ok(JoinGrant { proof: redeemed.proof, payload: b"the member map".to_vec() })
    }
}

struct Node {
    identity: Arc<Identity>,
    book: Arc<Book>,
    net: NetHandle,
    events: mpsc::Receiver<NetEvent>,
}

fn identity() -> Arc<Identity> {
    let home = tempfile::tempdir().unwrap();
    Arc::new(Identity::create(home.path()).unwrap())
}

fn quick() -> Timing {
    Timing {
        preauth: Duration::from_secs(2),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(100),
        ..Timing::default()
    }
}

fn config(identity: &Arc<Identity>, listen: SocketAddr, timing: Timing) -> NetConfig {
    let name = format!("node-{:?}", identity.node_id());
    NetConfig { identity: identity.clone(), cluster: CLUSTER, listen, name, timing }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Node {
    async fn start() -> Node {
        Node::start_as(identity(), any_port(), quick()).await
    }

    async fn start_as(identity: Arc<Identity>, listen: SocketAddr, timing: Timing) -> Node {
        let (sender, events) = mpsc::channel(32);
        let ears = Ears { control: sender.clone(), data: sender };
        let config = config(&identity, listen, timing);
        Node::start_with(identity, config, ears, events).await
    }

    async fn start_with(
        identity: Arc<Identity>,
        config: NetConfig,
        ears: Ears,
        events: mpsc::Receiver<NetEvent>,
    ) -> Node {
        let book = Arc::new(Book::default());
        let net = Net::start(config, book.clone(), ears).await.unwrap();
        Node { identity, book, net, events }
    }

    fn id(&self) -> NodeId {
        self.identity.node_id()
    }

    fn address(&self) -> PeerAddress {
        let addresses = vec![self.net.local_address().to_string()];
        PeerAddress { peer: self.id(), addresses }
    }

    fn admit(&self, other: &Node) {
        self.book.members.lock().unwrap().insert(other.id());
    }

    fn send(
        &self,
        peer: NodeId,
        lane: Lane,
        payload: impl Into<Bytes>,
    ) -> Result<usize, SendError> {
        let link = self.net.link(&peer).ok_or(SendError::NotConnected)?;
        self.net.send(link, lane, payload)
    }

    async fn event(&mut self) -> NetEvent {
        loop {
            let event = timeout(DEADLINE, self.events.recv()).await.expect("an event in time");
            match event.expect("a channel") {
                NetEvent::NotReached { .. } => {}
                event => return event,
            }
        }
    }

    async fn connected(&mut self) -> NodeId {
        match self.event().await {
            NetEvent::Connected { link, .. } => link.peer,
            other => panic!("not connected but {other:?}"),
        }
    }

    async fn disconnected(&mut self) -> String {
        match self.event().await {
            NetEvent::Disconnected { reason, .. } => reason,
            other => panic!("not disconnected but {other:?}"),
        }
    }

    async fn frame(&mut self) -> (Lane, Bytes) {
        match self.event().await {
            NetEvent::Frame { lane, payload, .. } => (lane, payload),
            other => panic!("no frame but {other:?}"),
        }
    }
}

/// Two nodes that admit each other; the first dials the second.
async fn pair() -> (Node, Node) {
    introduced(Node::start().await, Node::start().await).await
}

async fn introduced(mut a: Node, mut b: Node) -> (Node, Node) {
    a.admit(&b);
    b.admit(&a);
    a.net.set_peers(vec![b.address()]);
    assert_eq!(a.connected().await, b.id());
    assert_eq!(b.connected().await, a.id());
    (a, b)
}
