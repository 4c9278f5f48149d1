//! How many connections of local programs are open at once, and who goes when it is one more.
//!
//! Whoever connects and says nothing must not keep others out: the longest silent one is sent away
//! for a new one. What is said over a connection is not its affair. Called by `http` and `control`.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{oneshot, OwnedSemaphorePermit, Semaphore};

/// Lets connections in.
#[derive(Debug)]
pub struct Door {
    places: Arc<Semaphore>,
    /// Those that may be sent away, the longest there first.
    silent: VecDeque<oneshot::Sender<()>>,
}

/// The right to be open; it ends with this value.
#[derive(Debug)]
pub struct Guest {
    _place: OwnedSemaphorePermit,
    leave: Option<oneshot::Receiver<()>>,
    is_sent_away: bool,
}

impl Door {
    /// For so many at once.
    pub fn new(places: usize) -> Door {
        Door { places: Arc::new(Semaphore::new(places)), silent: VecDeque::new() }
    }

    /// Lets one more in, when need be for the longest silent one: then as soon as that has gone.
    /// `None` when all places are taken by those that have spoken.
    pub async fn enter(&mut self) -> Option<Guest> {
        self.silent.retain(|guest| !guest.is_closed());
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                while self.silent.pop_front()?.send(()).is_err() {}
                self.places.clone().acquire_owned().await.ok()?
            }
        };
        let (leave, told) = oneshot::channel();
        self.silent.push_back(leave);
        Some(Guest { _place: place, leave: Some(told), is_sent_away: false })
    }
}

impl Guest {
    /// Whether it has to leave; if not yet, `context` is woken when it has to.
    pub fn has_to_leave(&mut self, context: &mut Context<'_>) -> bool {
        let Some(leave) = &mut self.leave else { return self.is_sent_away };
        if let Poll::Ready(told) = Pin::new(leave).poll(context) {
            // A door that is gone sends nobody away.
            self.is_sent_away = told.is_ok();
            self.leave = None;
        }
        self.is_sent_away
    }

    /// Ready when it has to leave.
    pub async fn sent_away(&mut self) {
        let leave = |context: &mut Context<'_>| match self.has_to_leave(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        poll_fn(leave).await;
    }

    /// From now on it is not sent away; false if it has been already, and has to go.
    pub fn spoke(&mut self) -> bool {
        if let Some(mut leave) = self.leave.take() {
            leave.close();
            self.is_sent_away = leave.try_recv().is_ok();
        }
        !self.is_sent_away
    }
}

#[cfg(test)]
mod tests;
