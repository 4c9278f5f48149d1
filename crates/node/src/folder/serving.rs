//! What peers want: bytes of contents, read and sent as their lanes take them; and copies on this
//! disk. Threads of their own, so that content never holds up the control thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use disk::linux::Linux;
use disk::serve::Serve;
use engine::content::Digest;
use engine::dot::NodeId;
use engine::engine::{Input, Origin};
use engine::limits::{FETCHING_FILES_MAX, WANTS_MAX};
use engine::message::{FolderId, Message, Want};

use super::control::Event;
use crate::net::{Lane, Link, NetHandle, SendError};
use crate::payload;

/// A full lane is tried again at least this often, should word of its draining be lost.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// Wakes serving threads when a data lane has drained.
#[derive(Clone, Default)]
pub struct Drained(Arc<(Mutex<u64>, Condvar)>);

impl Drained {
    /// Some data lane has room again.
    pub fn tell(&self) {
        let (count, bell) = &*self.0;
        *count.lock().expect("no code panics while it holds this lock") += 1;
        bell.notify_all();
    }

    fn wait(&self) {
        let (count, bell) = &*self.0;
        let guard = count.lock().expect("no code panics while it holds this lock");
        drop(bell.wait_timeout(guard, FULL_PAUSE));
    }
}

/// Contents that one peer may have asked for and not been given; what it asks for beyond is
/// refused. An honest peer asks for at most [`FETCHING_FILES_MAX`] and asks again when they stall.
const SERVING_MAX: usize = 4 * FETCHING_FILES_MAX;

/// What a serving thread does: these, for that session and no other.
type Job = (Link, Vec<(Want, Origin)>);

/// A serving thread, and how many contents it is still to give.
struct Thread {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// The threads that give contents to peers, one per peer that ever asked, and the one that copies
/// on this disk. They end with the folder, so handing them work cannot fail.
pub struct Serving {
    folder: FolderId,
    serve: Arc<Serve<Linux>>,
    net: NetHandle,
    drained: Drained,
    control: SyncSender<Event>,
    threads: BTreeMap<NodeId, Thread>,
    copies: Sender<(Digest, u64, Origin)>,
}

impl Serving {
    /// `copies` is the thread that copies.
    pub fn new(
        folder: FolderId,
        serve: Arc<Serve<Linux>>,
        net: NetHandle,
        drained: Drained,
        control: SyncSender<Event>,
        copies: Sender<(Digest, u64, Origin)>,
    ) -> Serving {
        Serving { folder, serve, net, drained, control, threads: BTreeMap::new(), copies }
    }

    /// Gives these to a peer, in order, as its data lane takes them.
    pub fn serve(&mut self, link: Link, wants: Vec<(Want, Origin)>) {
        let thread = self.threads.entry(link.peer).or_insert_with(|| {
            let (sender, jobs) = channel();
            let waiting = Arc::new(AtomicUsize::new(0));
            let giver = Giver {
                folder: self.folder,
                serve: self.serve.clone(),
                net: self.net.clone(),
                drained: self.drained.clone(),
                control: self.control.clone(),
                waiting: waiting.clone(),
            };
            std::thread::spawn(move || giver.run(&jobs));
            Thread { jobs: sender, waiting }
        });
        if thread.waiting.load(Ordering::Relaxed) + wants.len() > SERVING_MAX {
            let all = wants.into_iter().map(|(want, _)| want.digest).collect();
            let payload = payload::folder(self.folder, &Message::NotNow(all));
            // A session that cannot even take this is about to end.
            let _ = self.net.send(link, Lane::Control, payload);
            return;
        }
        thread.waiting.fetch_add(wants.len(), Ordering::Relaxed);
        drop(thread.jobs.send((link, wants)));
    }

    /// Stages content that lies elsewhere on this disk.
    pub fn copy(&self, digest: Digest, size: u64, origin: Origin) {
        drop(self.copies.send((digest, size, origin)));
    }
}

struct Giver {
    folder: FolderId,
    serve: Arc<Serve<Linux>>,
    net: NetHandle,
    drained: Drained,
    control: SyncSender<Event>,
    waiting: Arc<AtomicUsize>,
}

impl Giver {
    /// Gives what is asked until the folder ends. When a session breaks, what is left of its job is
    /// dropped, and only that: jobs of the next session may be waiting behind it, and whoever asked
    /// in the old one asks again.
    fn run(&self, jobs: &Receiver<Job>) {
        while let Ok((link, wants)) = jobs.recv() {
            debug_assert!(wants.len() <= WANTS_MAX);
            let count = wants.len();
            if !self.give(link, wants) {
                tracing::debug!(?link, "the session ended while contents were given");
            }
            self.waiting.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// False when the session is over. Messages take the data connections in turn, but a content
    /// that goes over the end of one stays where it began, so that its pieces come in order.
    fn give(&self, link: Link, wants: Vec<(Want, Origin)>) -> bool {
        let mut connection = 0;
        let given = self.serve.give(wants, &mut |pieces, is_end| {
            let is_sent = self.send(link, Lane::Data(connection), Message::Data(pieces));
            connection ^= u8::from(is_end);
            is_sent
        });
        if !given.doubted.is_empty() {
            // Whoever was to be told ends only with the folder.
            drop(self.control.send(Event::Inputs(vec![Input::Doubted(given.doubted)])));
        }
        !given.is_broken_off
            && given.refused.into_messages().all(|said| self.send(link, Lane::Control, said))
    }

    /// Sends, waiting while the lane is full; false when the session is over.
    fn send(&self, link: Link, lane: Lane, message: Message) -> bool {
        let payload = bytes::Bytes::from(payload::folder(self.folder, &message));
        loop {
            match self.net.send(link, lane, payload.clone()) {
                Ok(_) => return true,
                Err(SendError::Full { .. }) => self.drained.wait(),
                Err(_) => return false,
            }
        }
    }
}

/// Copies contents into the stage until nobody can ask any more.
pub fn copies(
    serve: &Serve<Linux>,
    asked: &Receiver<(Digest, u64, Origin)>,
    control: &SyncSender<Event>,
) {
    while let Ok((digest, size, origin)) = asked.recv() {
        if control.send(Event::Inputs(serve.copy(digest, size, origin))).is_err() {
            return;
        }
    }
}
