//! Strangers, impostors, garbage and stallers: refused, and nobody else notices.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{any_port, identity, pair, quick, Node, CLUSTER, DEADLINE};
use crate::net::connection::{Connection, LinkError};
use crate::net::dial;
use crate::net::frame::Kind;
use crate::net::hello::{Hello, Purpose, Refusal};
use crate::net::identity::Identity;
use crate::net::limits::{Timing, PAYLOAD_BYTES_MAX, PREAUTH_CONNECTIONS_MAX};
use crate::net::tls::Pin;
use crate::net::{Lane, NetEvent, PeerAddress};

fn hello(purpose: Purpose) -> Hello {
    Hello {
        versions: (1, 1),
        cluster: CLUSTER,
        purpose,
        session: [1; 16],
        process: [2; 16],
        attempt: 1,
        data_connections: 2,
        name: "stranger".into(),
    }
}

async fn raw(identity: &Identity, to: &Node) -> Connection {
    let address = to.net.local_address();
    dial::connect_to(identity, Pin::Node(to.id()), address, DEADLINE).await.unwrap()
}

async fn answer(connection: &mut Connection, said: &Hello) -> Result<Hello, LinkError> {
    connection.write(Kind::Hello, &said.encode()).await.unwrap();
    timeout(DEADLINE, connection.read_hello()).await.unwrap()
}

/// The other end hangs up on us, with or without a word.
async fn hangs_up(connection: &mut Connection) {
    let read = async { while connection.read_preauth().await.is_ok() {} };
    timeout(DEADLINE, read).await.expect("the node hangs up");
}

async fn still_works(a: &mut super::Node, b: &mut super::Node) {
    a.send(b.id(), Lane::Control, "still here").unwrap();
    assert_eq!(b.frame().await, (Lane::Control, "still here".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_for_all_but_joining() {
    let (mut a, mut b) = pair().await;
    let stranger = identity();
    for purpose in [Purpose::Control, Purpose::Data] {
        let refused = answer(&mut raw(&stranger, &a).await, &hello(purpose)).await;
        assert!(matches!(refused, Err(LinkError::Refused(Refusal::NotMember))), "{refused:?}");
    }
    let other = Hello { cluster: [0; 16], ..hello(Purpose::Control) };
    let refused = answer(&mut raw(&stranger, &a).await, &other).await;
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::OtherCluster))), "{refused:?}");
    let future = Hello { versions: (2, 3), ..hello(Purpose::Control) };
    let refused = answer(&mut raw(&stranger, &a).await, &future).await;
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::Version))), "{refused:?}");
    still_works(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_at_a_peers_address_is_not_connected() {
    let (a, b, impostor) = (Node::start().await, Node::start().await, Node::start().await);
    let address = impostor.net.local_address();
    let pinned =
        dial::connect_to(&a.identity, Pin::Node(b.id()), address, DEADLINE).await.map(|_| ());
    assert!(matches!(pinned, Err(LinkError::WrongKey)), "{pinned:?}");
    impostor.admit(&a);
    a.admit(&b);
    b.admit(&a);
    let mut a = a;
    let mut addresses = vec![address.to_string()];
    addresses.extend(b.address().addresses);
    a.net.set_peers(vec![PeerAddress { peer: b.id(), addresses }]);
    assert_eq!(a.connected().await, b.id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_before_and_after_tls_hurts_nobody() {
    let (mut a, mut b) = pair().await;
    let mut plain = TcpStream::connect(a.net.local_address()).await.unwrap();
    plain.write_all(&[0x5a; 3000]).await.unwrap();
    let mut sink = Vec::new();
    // An alert or a reset: either way it ends.
    let _ = timeout(DEADLINE, plain.read_to_end(&mut sink)).await.expect("hung up");
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    for identity in [&member, &identity()] {
        let mut oversized = raw(identity, &a).await;
        oversized.write(Kind::Hello, &vec![0; 100_000]).await.ok();
        hangs_up(&mut oversized).await;
        let mut malformed = raw(identity, &a).await;
        malformed.write(Kind::Hello, &[0xff; 100]).await.unwrap();
        hangs_up(&mut malformed).await;
        let mut early = raw(identity, &a).await;
        early.write(Kind::Data, b"content before hello").await.unwrap();
        hangs_up(&mut early).await;
    }
    still_works(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stallers_are_cut_off_and_hold_no_slot() {
    let patient = Timing { preauth: Duration::from_secs(60), ..quick() };
    let mut a = Node::start_as(identity(), any_port(), patient).await;
    let mut stalled = Vec::new();
    for _ in 0..PREAUTH_CONNECTIONS_MAX + 10 {
        stalled.push(TcpStream::connect(a.net.local_address()).await.unwrap());
    }
    let mut b = Node::start().await;
    b.admit(&a);
    a.admit(&b);
    b.net.set_peers(vec![a.address()]);
    assert_eq!(b.connected().await, a.id());
    assert_eq!(a.connected().await, b.id());
    let mut byte = [0];
    let ended = timeout(DEADLINE, stalled[0].read(&mut byte)).await.expect("the oldest is evicted");
    assert!(matches!(ended, Ok(0) | Err(_)));
    let mut quick_node = Node::start().await;
    let mut staller = raw(&identity(), &quick_node).await;
    hangs_up(&mut staller).await;
    assert!(quick_node.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_never_opens_its_data_connections_blocks_only_itself() {
    let (mut a, mut b) = pair().await;
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    let mut control = raw(&member, &a).await;
    answer(&mut control, &hello(Purpose::Control)).await.unwrap();
    let mut foreign = raw(&member, &a).await;
    let other = Hello { session: [9; 16], ..hello(Purpose::Data) };
    let refused = answer(&mut foreign, &other).await;
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::Busy))), "{refused:?}");
    hangs_up(&mut control).await;
    still_works(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_counts_as_dead_and_pings_keep_a_quiet_one_alive() {
    let timing = Timing {
        ping_idle: Duration::from_millis(50),
        dead_after: Duration::from_millis(400),
        ..quick()
    };
    let mut a = Node::start_as(identity(), any_port(), timing).await;
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    let mut connections = Vec::new();
    for purpose in [Purpose::Control, Purpose::Data, Purpose::Data] {
        let mut connection = raw(&member, &a).await;
        answer(&mut connection, &hello(purpose)).await.unwrap();
        connections.push(connection);
    }
    assert_eq!(a.connected().await, member.node_id());
    let control = &mut connections[0];
    for _ in 0..20 {
        let ping = timeout(DEADLINE, control.read_preauth()).await.unwrap().unwrap();
        assert_eq!(ping.kind, Kind::Ping);
        control.write(Kind::Ping, b"").await.unwrap();
    }
    assert!(a.events.try_recv().is_err(), "twenty pings outlast the deadline of silence");
    assert_eq!(a.disconnected().await, "nothing heard for 400ms");
}

async fn session_of(member: &Identity, to: &Node, process: u8, attempt: u64) -> Vec<Connection> {
    let mut connections = Vec::new();
    for purpose in [Purpose::Control, Purpose::Data, Purpose::Data] {
        let mut connection = raw(member, to).await;
        let said = Hello { process: [process; 16], attempt, ..hello(purpose) };
        answer(&mut connection, &said).await.unwrap();
        connections.push(connection);
    }
    connections
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_lost_its_session_takes_over_from_it_but_a_late_proposal_does_not() {
    let mut a = Node::start().await;
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    let mut first = session_of(&member, &a, 1, 5).await;
    assert_eq!(a.connected().await, member.node_id());
    let mut late = raw(&member, &a).await;
    let said = Hello { process: [1; 16], attempt: 4, ..hello(Purpose::Control) };
    let refused = answer(&mut late, &said).await;
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::Busy))), "{refused:?}");
    let _second = session_of(&member, &a, 9, 1).await;
    assert_eq!(a.disconnected().await, "the peer connected anew");
    assert_eq!(a.connected().await, member.node_id());
    hangs_up(&mut first[0]).await;
    a.send(member.node_id(), Lane::Control, "to the second").unwrap();
}

/// An admitted member's frames are bounded too, and it hurts nobody but itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_over_the_bound_ends_its_own_session_on_either_lane() {
    let (mut a, mut b) = pair().await;
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    let length = PAYLOAD_BYTES_MAX as u32 + 1;
    for (attempt, (at, kind)) in [(0, Kind::Control), (1, Kind::Data)].into_iter().enumerate() {
        let mut session = session_of(&member, &a, 10 + attempt as u8, 1).await;
        assert_eq!(a.connected().await, member.node_id());
        // The header alone is enough.
        let header = [&length.to_be_bytes()[..], &[kind as u8, 0]].concat();
        session[at].write_bytes(&header).await.unwrap();
        let reason = a.disconnected().await;
        assert!(reason.contains(&format!("frame of {length} bytes")), "{reason}");
        for connection in &mut session {
            hangs_up(connection).await;
        }
        still_works(&mut a, &mut b).await;
    }
}

/// Part of a TLS record and then silence: the handshake is given up, the others never notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_stops_halfway_is_given_up() {
    let (mut a, mut b) = pair().await;
    let mut stalled = Vec::new();
    for sent in [1, 5, 100] {
        // A handshake record of 512 bytes, of which so many come.
        let record =
            [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc][..], &[3; 500]].concat();
        let mut tcp = TcpStream::connect(a.net.local_address()).await.unwrap();
        tcp.write_all(&record[..sent]).await.unwrap();
        stalled.push(tcp);
    }
    still_works(&mut a, &mut b).await;
    for mut tcp in stalled {
        let mut sink = Vec::new();
        let ended = timeout(DEADLINE, tcp.read_to_end(&mut sink)).await;
        assert!(ended.is_ok(), "it hangs up");
    }
    still_works(&mut a, &mut b).await;
}

/// A member whose session is open and who then neither speaks nor reads holds up nobody else, and
/// in the end its session is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_falls_silent_blocks_nobody_and_is_given_up() {
    let (dead_after, ping_idle) = (Duration::from_secs(1), Duration::from_millis(100));
    let timing = Timing { dead_after, ping_idle, ..quick() };
    let mut a = Node::start_as(identity(), any_port(), timing).await;
    let mut b = Node::start_as(identity(), any_port(), timing).await;
    a.admit(&b);
    b.admit(&a);
    b.net.set_peers(vec![a.address()]);
    assert_eq!(a.connected().await, b.id());
    assert_eq!(b.connected().await, a.id());
    let member = identity();
    a.book.members.lock().unwrap().insert(member.node_id());
    let _silent = session_of(&member, &a, 3, 1).await;
    assert_eq!(a.connected().await, member.node_id());
    // More than sockets take, so that its writers hang too.
    let block = vec![7; 1 << 20];
    while a.send(member.node_id(), Lane::Data(0), block.clone()).is_ok() {}
    still_works(&mut a, &mut b).await;
    loop {
        match a.event().await {
            NetEvent::Disconnected { peer, reason, .. } => {
                assert_eq!((peer, reason.as_str()), (member.node_id(), "nothing heard for 1s"));
                break;
            }
            NetEvent::Drained { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
