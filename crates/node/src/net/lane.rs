//! What is queued for a peer on one connection: bounded by bytes.
//!
//! A queue with a memory of having been more than half full, so that `Drained` is told once. It
//! writes nothing. Called by `NetHandle::send` on one side and a writer of `session` on the other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use super::limits::{
    BATCH_BYTES_MAX, CONTROL_HIGH_BYTES, CONTROL_LOW_BYTES, DATA_HIGH_BYTES, DATA_LOW_BYTES,
};
use super::{Lane, SendError};

/// A connection's queue. Bytes count until they are written to the socket.
pub(super) struct Queue {
    high: usize,
    low: usize,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    told_full: bool,
    finished: bool,
}

/// What a writer gets to write next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Payloads in order, and how many bytes stay queued behind them.
    Batch(Vec<Bytes>, usize),
    /// Everything is written and nothing more will come.
    Finished,
}

impl Queue {
    pub(super) fn new(lane: Lane) -> Queue {
        let (high, low) = match lane {
            Lane::Control => (CONTROL_HIGH_BYTES, CONTROL_LOW_BYTES),
            Lane::Data(_) => (DATA_HIGH_BYTES, DATA_LOW_BYTES),
        };
        Queue { high, low, state: Mutex::default(), wake: Notify::new() }
    }

    /// Queues a payload and returns the bytes queued now; refuses it when full or finished.
    pub(super) fn push(&self, payload: Bytes) -> Result<usize, SendError> {
        let mut state = self.lock();
        if state.finished {
            return Err(SendError::NotConnected);
        }
        if state.bytes >= self.high {
            state.told_full = true;
            return Err(SendError::Full { queued: state.bytes });
        }
        state.bytes += cost(&payload);
        state.frames.push_back(payload);
        let queued = state.bytes;
        state.told_full |= queued >= self.high / 2;
        drop(state);
        self.wake.notify_one();
        Ok(queued)
    }

    /// The next batch: at least one payload, at most [`BATCH_BYTES_MAX`] if it is more than one.
    pub(super) async fn next(&self) -> Next {
        loop {
            let woken = self.wake.notified();
            if let Some(next) = self.try_next() {
                return next;
            }
            woken.await;
        }
    }

    fn try_next(&self) -> Option<Next> {
        let mut state = self.lock();
        let mut batch = Vec::new();
        let mut size = 0;
        while let Some(front) = state.frames.front() {
            if !batch.is_empty() && size + front.len() > BATCH_BYTES_MAX {
                break;
            }
            size += front.len();
            batch.extend(state.frames.pop_front());
        }
        if batch.is_empty() {
            state.finished.then_some(Next::Finished)
        } else {
            Some(Next::Batch(batch, state.bytes))
        }
    }

    /// Takes a written batch off the account; `Some(queued)` when a full queue has drained.
    pub(super) fn written(&self, batch: &[Bytes]) -> Option<usize> {
        let mut state = self.lock();
        state.bytes -= batch.iter().map(cost).sum::<usize>();
        let drained = state.told_full && state.bytes <= self.low;
        state.told_full &= !drained;
        drained.then_some(state.bytes)
    }

    /// No more is accepted; the writer ends when it has written what is queued.
    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

/// Bytes that a queued payload is accounted as: empty payloads are not free either.
fn cost(payload: &Bytes) -> usize {
    payload.len() + 64
}

#[cfg(test)]
mod tests;
