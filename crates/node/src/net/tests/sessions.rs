//! Sessions begin, carry frames in order, end, and come back.

use super::{any_port, config, identity, pair, quick, Book, Node};
use crate::net::{Ears, Lane, Net, NetError, NetEvent, PeerAddress, SendError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_exchange_control_frames_in_order() {
    let (mut a, mut b) = pair().await;
    for n in 0..2000u32 {
        a.send(b.id(), Lane::Control, n.to_be_bytes().to_vec()).unwrap();
        b.send(a.id(), Lane::Control, (n + 7).to_be_bytes().to_vec()).unwrap();
    }
    for n in 0..2000u32 {
        assert_eq!(b.frame().await, (Lane::Control, n.to_be_bytes().to_vec().into()));
        assert_eq!(a.frame().await, (Lane::Control, (n + 7).to_be_bytes().to_vec().into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dial_at_once_and_one_session_carries_frames_both_ways() {
    for _ in 0..10 {
        let (mut a, mut b) = (Node::start().await, Node::start().await);
        a.admit(&b);
        b.admit(&a);
        a.net.set_peers(vec![b.address()]);
        b.net.set_peers(vec![a.address()]);
        assert_eq!(a.connected().await, b.id());
        assert_eq!(b.connected().await, a.id());
        a.send(b.id(), Lane::Control, "to b").unwrap();
        assert_eq!(b.frame().await, (Lane::Control, "to b".into()));
        b.send(a.id(), Lane::Control, "to a").unwrap();
        assert_eq!(a.frame().await, (Lane::Control, "to a".into()));
        a.net.shutdown().await;
        assert!(!b.disconnected().await.is_empty());
        assert_eq!(a.disconnected().await, "this node stops");
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let a = Node::start().await;
    let taken = a.net.local_address();
    let (sender, _events) = mpsc::channel(1);
    let config = config(&identity(), taken, quick());
    let ears = Ears { control: sender.clone(), data: sender };
    let Err(error) = Net::start(config, Arc::new(Book::default()), ears).await else {
        panic!("it started")
    };
    assert!(matches!(error, NetError::AddressInUse { address } if address == taken));
    assert!(error.to_string().contains(&taken.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_restarts_on_its_port_is_connected_again() {
    let (mut a, b) = pair().await;
    let (identity, address) = (b.identity.clone(), b.net.local_address());
    b.net.shutdown().await;
    drop(b);
    a.disconnected().await;
    assert_eq!(a.send(identity.node_id(), Lane::Control, "x"), Err(SendError::NotConnected));
    let mut b = Node::start_as(identity, address, quick()).await;
    b.admit(&a);
    assert_eq!(a.connected().await, b.id());
    assert_eq!(b.connected().await, a.id());
    b.send(a.id(), Lane::Data(0), "back").unwrap();
    let (lane, payload) = a.frame().await;
    assert!(matches!(lane, Lane::Data(_)) && payload == "back", "{lane:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_address_is_tried_when_the_first_is_dead() {
    let (mut a, b) = (Node::start().await, Node::start().await);
    a.admit(&b);
    b.admit(&a);
    let dead = std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let mut addresses = vec![dead.to_string()];
    addresses.extend(b.address().addresses);
    a.net.set_peers(vec![PeerAddress { peer: b.id(), addresses }]);
    assert_eq!(a.connected().await, b.id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_is_cut_off_at_once_and_cannot_come_back() {
    let (mut a, mut b) = pair().await;
    a.book.members.lock().unwrap().clear();
    a.net.set_peers(Vec::new());
    assert_eq!(a.send(b.id(), Lane::Control, "x"), Err(SendError::NotConnected));
    assert_eq!(a.disconnected().await, "the peer is no member any more");
    b.disconnected().await;
    b.net.set_peers(vec![a.address()]);
    // A third node gets in after b was refused: nothing of b shows in between.
    let mut c = Node::start().await;
    c.admit(&a);
    a.admit(&c);
    c.net.set_peers(vec![a.address()]);
    assert_eq!(a.connected().await, c.id());
    assert_eq!(c.connected().await, a.id());
    b.net.shutdown().await;
    while let Ok(event) = b.events.try_recv() {
        assert!(matches!(event, NetEvent::NotReached { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_session_is_dialled_again() {
    let (mut a, mut b) = pair().await;
    a.net.close(a.net.link(&b.id()).expect("a session"));
    assert_eq!(a.disconnected().await, "closed by this node");
    b.disconnected().await;
    assert_eq!(a.connected().await, b.id());
    assert_eq!(b.connected().await, a.id());
}

// Story: a node hung up on a peer for what it said. Both dialled again at once, and so it went ten
// times a second, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_broken_off_again_and_again_comes_back_ever_later() {
    async fn connected_at_last(node: &mut Node) {
        loop {
            match node.event().await {
                NetEvent::Connected { .. } => return,
                NetEvent::NotReached { .. } => {}
                other => panic!("neither connected nor refused but {other:?}"),
            }
        }
    }
    let (mut a, mut b) = pair().await;
    for round in 1..=6 {
        let began = Instant::now();
        a.net.break_off(a.net.link(&b.id()).expect("a session"), "it lies");
        assert_eq!(a.disconnected().await, "closed by this node: it lies");
        b.disconnected().await;
        connected_at_last(&mut a).await;
        connected_at_last(&mut b).await;
        // 10, 20, 40, 80, 100 ms, of which at least half is waited for.
        let least = Duration::from_millis(5 << (round - 1)).min(quick().backoff_max / 2);
        assert!(began.elapsed() >= least, "round {round}: {:?}", began.elapsed());
    }
}

// Story: after a kill under load, the end of a delta that was meant for the session that had broken
// went out on the next one. The peer took it for the end of the new delta and believed that it knew
// entries which it had never been sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_meant_for_one_session_never_goes_out_on_the_next() {
    let (mut a, mut b) = pair().await;
    let old = a.net.link(&b.id()).expect("a session");
    b.net.close(b.net.link(&a.id()).expect("a session"));
    for node in [&mut a, &mut b] {
        node.disconnected().await;
        node.connected().await;
    }
    assert_eq!(a.net.send(old, Lane::Control, "stale"), Err(SendError::NotConnected));
    a.net.close(old);
    a.send(b.id(), Lane::Control, "fresh").unwrap();
    assert_eq!(b.frame().await, (Lane::Control, "fresh".into()));
    b.send(a.id(), Lane::Control, "still up").unwrap();
    assert_eq!(a.frame().await, (Lane::Control, "still up".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_at_shutdown_arrives() {
    let (a, mut b) = pair().await;
    for n in 0..200u32 {
        a.send(b.id(), Lane::Control, vec![n as u8; 1000]).unwrap();
    }
    let stopping = tokio::spawn(async move { a.net.shutdown().await });
    for n in 0..200u32 {
        assert_eq!(b.frame().await.1[..], vec![n as u8; 1000][..]);
    }
    assert!(matches!(b.event().await, NetEvent::Disconnected { .. }));
    stopping.await.unwrap();
}
