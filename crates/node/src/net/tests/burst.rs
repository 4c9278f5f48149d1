//! Much data: intact, bounded, and never in the way of control frames.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{any_port, config, identity, introduced, pair, quick, Node};
use crate::net::limits::{DATA_HIGH_BYTES, PAYLOAD_BYTES_MAX};
use crate::net::{Ears, Lane, NetEvent, SendError};

/// Content that tells its number and fails to compare when damaged; half of it compresses well.
fn block(n: u32) -> Vec<u8> {
    let mut out = vec![n as u8; 1 << 20];
    if n.is_multiple_of(2) {
        aws_lc_rs::rand::fill(&mut out).unwrap();
    }
    out[..4].copy_from_slice(&n.to_be_bytes());
    let sum = sum(&out[..(1 << 20) - 32]);
    out[(1 << 20) - 32..].copy_from_slice(&sum);
    out
}

fn sum(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_arrive_intact_and_each_connection_keeps_their_order() {
    let (mut a, mut b) = pair().await;
    let to = b.id();
    let sending = tokio::spawn(async move {
        for n in 0..50u32 {
            let block = Bytes::from(block(n));
            while let Err(refused) = a.send(to, Lane::Data((n % 2) as u8), block.clone()) {
                assert!(matches!(refused, SendError::Full { .. }), "{refused}");
                assert!(matches!(a.event().await, NetEvent::Drained { lane: Lane::Data(_), .. }));
            }
        }
        a
    });
    let mut next = [(None, 0), (None, 1)];
    for _ in 0..50 {
        let (Lane::Data(connection), payload) = b.frame().await else { panic!("not content") };
        let (body, tail) = payload.split_at(payload.len() - 32);
        assert_eq!(tail, sum(body));
        let n = u32::from_be_bytes(body[..4].try_into().unwrap());
        let (from, next) = &mut next[(n % 2) as usize];
        assert_eq!((*from.get_or_insert(connection), n), (connection, *next), "out of order");
        *next += 2;
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_fills_one_budget_and_no_more() {
    let (mut a, mut b) = pair().await;
    let block = Bytes::from(vec![5; 1 << 20]);
    let mut sent = 0;
    // What fits in b's channel, the sockets and a's queue is far under this.
    let refused = loop {
        match a.send(b.id(), Lane::Data(0), block.clone()) {
            Ok(queued) => assert!(queued <= DATA_HIGH_BYTES + PAYLOAD_BYTES_MAX),
            Err(refused) => break refused,
        }
        sent += 1;
        assert!(sent < 1000, "nothing pushes back");
        tokio::task::yield_now().await;
    };
    let SendError::Full { queued } = refused else { panic!("{refused}") };
    assert!(queued <= DATA_HIGH_BYTES + PAYLOAD_BYTES_MAX);
    for _ in 0..sent {
        assert_eq!(b.frame().await.1.len(), 1 << 20);
    }
    assert!(matches!(a.event().await, NetEvent::Drained { lane: Lane::Data(_), .. }));
    assert!(a.events.try_recv().is_err(), "drained is told once");
    let large = vec![0; PAYLOAD_BYTES_MAX + 1];
    let length = large.len();
    assert_eq!(a.send(b.id(), Lane::Data(0), large), Err(SendError::TooLarge { length }));
}

/// Both lanes ended in one channel. While a folder's disk was slow, contents filled it, and no
/// control frame of any peer came through: changes, acknowledgements, even news of who is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_frames_arrive_while_nobody_takes_contents() {
    let (control, events) = mpsc::channel(4);
    let (data, mut contents) = mpsc::channel(4);
    let (a, identity) = (Node::start().await, identity());
    let config = config(&identity, any_port(), quick());
    let b = Node::start_with(identity, config, Ears { control, data }, events).await;
    let (a, mut b) = introduced(a, b).await;
    let block = Bytes::from(vec![6; 1 << 20]);
    let mut sent = 0;
    while a.send(b.id(), Lane::Data(0), block.clone()).is_ok() {
        sent += 1;
    }
    for n in 0..200u8 {
        a.send(b.id(), Lane::Control, vec![n]).unwrap();
        assert_eq!(b.frame().await, (Lane::Control, vec![n].into()));
    }
    for _ in 0..sent {
        let NetEvent::Frame { lane, .. } = contents.recv().await.unwrap() else { panic!() };
        assert!(matches!(lane, Lane::Data(_)));
    }
}
