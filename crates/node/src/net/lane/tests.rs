//! The queue's bounds and its one `Drained`.

use bytes::Bytes;

use super::{Next, Queue};
use crate::net::limits::{BATCH_BYTES_MAX, DATA_HIGH_BYTES, DATA_LOW_BYTES};
use crate::net::{Lane, SendError};

fn batch(queue: &Queue) -> Vec<Bytes> {
    match queue.try_next() {
        Some(Next::Batch(batch, _)) => batch,
        other => panic!("no batch: {other:?}"),
    }
}

#[test]
fn a_full_queue_refuses_and_tells_once_when_it_has_drained() {
    let queue = Queue::new(Lane::Data(0));
    let mega = Bytes::from(vec![0; 1 << 20]);
    let mut accepted = 0;
    while queue.push(mega.clone()).is_ok() {
        accepted += 1;
        assert!(accepted < 100);
    }
    assert_eq!(accepted, DATA_HIGH_BYTES >> 20);
    let mut told = Vec::new();
    for _ in 0..accepted {
        told.extend(queue.written(&batch(&queue)));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0] <= DATA_LOW_BYTES && told[0] > DATA_LOW_BYTES - (2 << 20));
    assert!(queue.push(mega).is_ok());
}

#[test]
fn small_frames_share_a_batch_and_keep_their_order() {
    let queue = Queue::new(Lane::Control);
    for n in 0..1000u32 {
        queue.push(Bytes::copy_from_slice(&[n.to_be_bytes(); 256].concat())).unwrap();
    }
    let mut seen = 0u32;
    while seen < 1000 {
        let batch = batch(&queue);
        assert!(batch.iter().map(Bytes::len).sum::<usize>() <= BATCH_BYTES_MAX);
        assert!(batch.len() > 1);
        for frame in &batch {
            assert_eq!(frame[..4], seen.to_be_bytes());
            seen += 1;
        }
        queue.written(&batch);
    }
}

#[test]
fn a_finished_queue_gives_what_it_holds_and_then_ends() {
    let queue = Queue::new(Lane::Control);
    queue.push(Bytes::from_static(b"last")).unwrap();
    queue.finish();
    assert_eq!(queue.push(Bytes::from_static(b"late")), Err(SendError::NotConnected));
    assert_eq!(batch(&queue), [Bytes::from_static(b"last")]);
    assert_eq!(queue.try_next(), Some(Next::Finished));
    assert_eq!(queue.try_next(), Some(Next::Finished));
}
