//! Contents on their way: peers' messages in, staged bytes; peers' wants in, pieces out; copies on
//! this disk. Threads of their own, so that content never holds up the control thread.

use std::collections::BTreeMap;
use std::sync::mpsc::{channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use disk::linux::Linux;
use disk::serve::{Serve, Served, Whereabouts};
use disk::stage::{Stage, StageError, Staged};
use engine::content::Digest;
use engine::dot::NodeId;
use engine::engine::{Input, Origin};
use engine::entry::IncarnationRecord;
use engine::limits::{PIECE_BYTES_MAX, WANTS_MAX};
use engine::message::{FolderId, Message, Piece, Want};
use engine::path::RelPath;
use tokio::sync::mpsc;

use super::control::Event;
use super::life_words;
use super::status::Board;
use crate::net::identity;
use crate::net::{Lane, Link, NetHandle, SendError};
use crate::payload;

/// One data message is closed at this many bytes of content.
const MESSAGE_CONTENT_BYTES: usize = 512 << 10;
/// Pieces kept aside because an earlier one is still on another connection, in bytes per content.
const ASIDE_BYTES_MAX: usize = 32 << 20;
/// A full lane is tried again at least this often, should word of its draining be lost.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// What peers say to this folder, in order.
pub enum Heard {
    /// A peer that holds the folder is connected.
    Up(Link),
    /// It is gone.
    Down(NodeId),
    /// A message on the control lane.
    Message(NodeId, Message),
    /// The control lane has drained.
    Drained(NodeId),
}

/// Contents that were asked for, and their sizes: nobody may fill our disk with others.
#[derive(Clone)]
pub struct Wanted {
    asked: Arc<Mutex<BTreeMap<Digest, u64>>>,
    stage: Arc<Stage<Linux>>,
}

impl Wanted {
    /// Nothing is asked for; what comes goes into this stage.
    pub fn new(stage: Arc<Stage<Linux>>) -> Wanted {
        Wanted { asked: Arc::default(), stage }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.asked.lock().expect("no code panics while it holds this lock")
    }

    /// These are being asked for; what is here of them already need not come again.
    pub fn ask(&self, wants: &mut [Want]) {
        for want in wants.iter_mut().filter(|want| want.size > PIECE_BYTES_MAX as u64) {
            // The last byte comes in any case: its arrival is what has the whole looked at.
            want.offset = self.stage.begun(&want.digest).min(want.size - 1);
        }
        self.lock().extend(wants.iter().map(|want| (want.digest, want.size)));
    }

    /// Nothing is waited for any more.
    pub fn forget(&self, staged: &[Digest]) {
        if let Err(error) = self.stage.clear(staged) {
            tracing::warn!(%error, "cannot clear the staging directory");
        }
    }

    fn contains(&self, piece: &Piece) -> bool {
        self.lock().get(&piece.digest) == Some(&piece.size)
    }

    fn remove(&self, digests: &[Digest]) {
        let mut wanted = self.lock();
        for digest in digests {
            wanted.remove(digest);
        }
    }
}

/// Where what is heard goes.
pub struct Intake {
    /// The folder: what incarnations are signed for.
    pub folder: FolderId,
    /// Where contents are put.
    pub stage: Arc<Stage<Linux>>,
    /// What may come.
    pub wanted: Wanted,
    /// The control thread.
    pub control: SyncSender<Event>,
    /// Status.
    pub board: Arc<Board>,
}

impl Intake {
    /// Takes the control lane's messages until the folder ends. Small contents inside frames are
    /// staged before the engine hears of their entries, so it finds them there.
    pub fn listen(&self, heard: &mut mpsc::Receiver<Heard>) {
        while let Some(next) = heard.blocking_recv() {
            let event = match next {
                Heard::Up(link) => Event::Up(link),
                Heard::Down(peer) => Event::Inputs(vec![Input::PeerDown(peer)]),
                Heard::Drained(peer) => Event::Inputs(vec![Input::Congested(peer, false)]),
                Heard::Message(peer, message) => Event::Inputs(self.unpack(peer, message)),
            };
            if self.control.send(event).is_err() {
                return;
            }
        }
    }

    fn unpack(&self, peer: NodeId, mut message: Message) -> Vec<Input> {
        let mut staged = Vec::new();
        let lives = match &mut message {
            Message::Share(share) => Some(&mut share.incarnations),
            Message::Frame(frame) => Some(&mut frame.incarnations),
            _ => None,
        };
        if let Some(lives) = lives {
            lives.retain(|life| self.is_signed(peer, life));
        }
        if let Message::Frame(frame) = &mut message {
            for (digest, bytes) in std::mem::take(&mut frame.contents) {
                match self.stage.put_whole(digest, &bytes) {
                    Ok(Staged::Complete) => staged.push(digest),
                    Ok(_) => tracing::warn!(?peer, "a peer sends other bytes than it says"),
                    Err(error) => self.trouble(&error),
                }
            }
        }
        let said = Input::Message(peer, message);
        if staged.is_empty() {
            return vec![said];
        }
        vec![Input::Staged(staged), said]
    }

    /// Whether an incarnation's owner says so itself; one that does not stays without an owner.
    fn is_signed(&self, peer: NodeId, life: &IncarnationRecord) -> bool {
        let signature = life.signature.as_slice().try_into();
        let words = life_words(self.folder, life.incarnation);
        let signed = signature.is_ok_and(|s| identity::verify(&life.node, &words, s));
        if !signed {
            tracing::warn!(?peer, ?life, "an incarnation is not signed by its owner");
        }
        signed
    }

    /// Takes the data lane's messages until the folder ends.
    pub fn receive(&self, data: &mut mpsc::Receiver<Vec<Piece>>) {
        let mut aside = BTreeMap::new();
        while let Some(pieces) = data.blocking_recv() {
            let (mut whole, mut failed) = (Vec::new(), Vec::new());
            for piece in pieces {
                if !self.wanted.contains(&piece) {
                    continue;
                }
                let digest = piece.digest;
                match self.take(piece, &mut aside) {
                    Ok(Staged::Complete) => whole.push(digest),
                    Ok(Staged::Progress(_)) => continue,
                    Ok(Staged::Mismatch) => failed.push(digest),
                    Err(error) => {
                        self.trouble(&error);
                        failed.push(digest);
                    }
                }
                aside.remove(&digest);
            }
            self.wanted.remove(&whole);
            self.wanted.remove(&failed);
            let inputs = [Input::Staged(whole), Input::NotStaged(failed)];
            if self.control.send(Event::Inputs(inputs.into())).is_err() {
                return;
            }
        }
    }

    /// Writes a piece where it belongs; one that came too early waits aside.
    fn take(&self, piece: Piece, aside: &mut Aside) -> Result<Staged, StageError> {
        if piece.offset == 0 && piece.bytes.len() as u64 == piece.size {
            return self.stage.put_whole(piece.digest, &piece.bytes);
        }
        let mut next = Some(piece);
        let mut staged = Staged::Progress(0);
        while let Some(piece) = next.take() {
            let Piece { digest, size, offset, bytes } = piece;
            let have = match self.stage.begin(digest, size)? {
                Staged::Progress(have) => have,
                done => return Ok(done),
            };
            let end = offset + bytes.len() as u64;
            if offset > have {
                let waiting = aside.entry(digest).or_default();
                waiting.insert(offset, Piece { digest, size, offset, bytes });
                let held: usize = waiting.values().map(|piece| piece.bytes.len()).sum();
                if held > ASIDE_BYTES_MAX {
                    return Err(StageError::Gap { digest, offset, have });
                }
                return Ok(Staged::Progress(have));
            }
            if end > have {
                let new = usize::try_from(have - offset).expect("within a piece");
                staged = self.stage.append(digest, size, have, &bytes[new..])?;
            }
            if !matches!(staged, Staged::Progress(_)) {
                return Ok(staged);
            }
            next = aside.get_mut(&digest).and_then(|waiting| {
                let first = waiting.first_entry()?;
                (*first.key() <= end.max(have)).then(|| first.remove())
            });
        }
        Ok(staged)
    }

    fn trouble(&self, error: &StageError) {
        self.board.notice(&RelPath::root(), error.to_string());
    }
}

type Aside = BTreeMap<Digest, BTreeMap<u64, Piece>>;

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

/// What a serving thread does: these, for that session and no other.
type Job = (Link, Vec<(Want, Origin)>);

/// The threads that give contents to peers, one per peer that ever asked, and the one that copies
/// on this disk. They end with the folder, so handing them work cannot fail.
pub struct Serving {
    folder: FolderId,
    serve: Arc<Serve<Linux>>,
    net: NetHandle,
    drained: Drained,
    control: SyncSender<Event>,
    threads: BTreeMap<NodeId, Sender<Job>>,
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
            let giver = Giver {
                folder: self.folder,
                serve: self.serve.clone(),
                net: self.net.clone(),
                drained: self.drained.clone(),
                control: self.control.clone(),
            };
            std::thread::spawn(move || giver.run(&jobs));
            sender
        });
        drop(thread.send((link, wants)));
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
}

impl Giver {
    /// Gives what is asked until the folder ends. When a session breaks, what is left of its job is
    /// dropped, and only that: jobs of the next session may be waiting behind it, and whoever asked
    /// in the old one asks again.
    fn run(&self, jobs: &Receiver<Job>) {
        while let Ok((link, wants)) = jobs.recv() {
            debug_assert!(wants.len() <= WANTS_MAX);
            if !self.give(link, wants) {
                tracing::debug!(?link, "the session ended while contents were given");
            }
        }
    }

    /// False when the session is over.
    fn give(&self, link: Link, wants: Vec<(Want, Origin)>) -> bool {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        let (mut gone, mut doubted) = (Vec::new(), Vec::new());
        for (want, origin) in wants {
            let whereabouts = whereabouts(origin);
            let mut offset = want.offset;
            loop {
                let length = PIECE_BYTES_MAX as u64;
                let read = self.serve.read(&want.digest, want.size, &whereabouts, offset, length);
                let content = match read {
                    Ok(Served::Bytes(content)) if !content.is_empty() || want.size == 0 => content,
                    _ => {
                        gone.push(want.digest);
                        doubted.extend(place(&whereabouts));
                        break;
                    }
                };
                let (digest, size) = (want.digest, want.size);
                bytes += content.len() + 64;
                let next = offset + content.len() as u64;
                pieces.push(Piece { digest, size, offset, bytes: content });
                if bytes >= MESSAGE_CONTENT_BYTES {
                    bytes = 0;
                    if !self.send(link, Lane::Data, Message::Data(std::mem::take(&mut pieces))) {
                        return false;
                    }
                }
                offset = next;
                if offset >= want.size {
                    break;
                }
            }
        }
        if !doubted.is_empty() {
            // Whoever was to be told ends only with the folder.
            drop(self.control.send(Event::Inputs(vec![Input::Doubted(doubted)])));
        }
        (pieces.is_empty() || self.send(link, Lane::Data, Message::Data(pieces)))
            && (gone.is_empty() || self.send(link, Lane::Control, Message::Gone(gone)))
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

/// The path to look at again when what was seen there is not there.
fn place(whereabouts: &Whereabouts) -> Option<RelPath> {
    match whereabouts {
        Whereabouts::Tree { path, .. } => Some(path.clone()),
        Whereabouts::Kept | Whereabouts::Staged | Whereabouts::Trash => None,
    }
}

fn whereabouts(origin: Origin) -> Whereabouts {
    match origin {
        Origin::Tree(path, fingerprint) => Whereabouts::Tree { path, fingerprint },
        Origin::Kept => Whereabouts::Kept,
        Origin::Staged => Whereabouts::Staged,
        Origin::Trash => Whereabouts::Trash,
    }
}

/// Copies contents into the stage until nobody can ask any more.
pub fn copies(
    serve: &Serve<Linux>,
    stage: &Stage<Linux>,
    asked: &Receiver<(Digest, u64, Origin)>,
    control: &SyncSender<Event>,
) {
    while let Ok((digest, size, origin)) = asked.recv() {
        let staged = serve.stage_from(stage, &digest, size, &whereabouts(origin));
        let input = match staged {
            Ok(Staged::Complete) => Input::Staged(vec![digest]),
            _ => Input::NotStaged(vec![digest]),
        };
        if control.send(Event::Inputs(vec![input])).is_err() {
            return;
        }
    }
}
