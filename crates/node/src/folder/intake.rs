//! What peers send: the control lane's messages for the engine, contents for the stage. Threads of
//! their own, so that content never holds up the control thread. What is given to peers: `serving`.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard};

use disk::linux::Linux;
use disk::stage::{Stage, StageError, Staged};
use engine::content::{Content, Digest};
use engine::dot::NodeId;
use engine::engine::Input;
use engine::entry::{Entry, IncarnationRecord};
use engine::limits::PIECE_BYTES_MAX;
use engine::message::{FolderId, Message, Piece, Want};
use tokio::sync::mpsc;

use super::control::Event;
use super::life;
use super::status::Board;
use crate::net::identity;
use crate::net::Link;

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

    /// These are being asked for, but what there is no room for; that is told in the order of its
    /// asking. What is here of them already need not come again.
    pub fn ask(&self, wants: &mut Vec<Want>) -> Vec<(Digest, StageError)> {
        let contents: Vec<_> = wants.iter().map(|want| (want.digest, want.size)).collect();
        let mut rooms = self.stage.rooms(&contents).into_iter();
        let mut refused = Vec::new();
        wants.retain(|want| match rooms.next() {
            Some(Err(error)) => {
                refused.push((want.digest, error));
                false
            }
            _ => true,
        });
        for want in wants.iter_mut().filter(|want| want.size > PIECE_BYTES_MAX as u64) {
            // The last byte comes in any case: its arrival is what has the whole looked at.
            want.offset = self.stage.begun(&want.digest).min(want.size - 1);
            tracing::debug!(content = %want.digest, at = want.offset, "asking for a large one");
        }
        self.lock().extend(wants.iter().map(|want| (want.digest, want.size)));
        refused
    }

    /// Nothing is waited for any more.
    pub fn forget(&self, staged: &[Digest]) {
        tracing::debug!(contents = staged.len(), "clearing the staging directory");
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
            let mut contents = std::mem::take(&mut frame.contents);
            contents.retain(|(digest, _)| frame.entries.iter().any(|entry| has(entry, digest)));
            for (digest, bytes) in contents {
                self.board.received(bytes.len());
                match self.stage.put_whole(digest, &bytes) {
                    Ok(Staged::Complete) => staged.push(digest),
                    Ok(_) => tracing::warn!(?peer, "a peer sends other bytes than it says"),
                    Err(error) => self.trouble(&error),
                }
            }
        }
        let said = Input::Message(peer, message);
        self.board.taken(&staged);
        if staged.is_empty() {
            return vec![said];
        }
        vec![Input::Staged(staged), said]
    }

    /// Whether an incarnation's owner says so itself; one that does not stays without an owner.
    fn is_signed(&self, peer: NodeId, said: &IncarnationRecord) -> bool {
        let signature = said.signature.as_slice().try_into();
        let words = life::words(self.folder, said.incarnation);
        let signed = signature.is_ok_and(|s| identity::verify(&said.node, &words, s));
        if !signed {
            tracing::warn!(?peer, life = ?said, "an incarnation is not signed by its owner");
        }
        signed
    }

    /// Takes the data lane's messages until the folder ends.
    pub fn receive(&self, data: &mut mpsc::Receiver<Vec<Piece>>) {
        while let Some(pieces) = data.blocking_recv() {
            let (mut whole, mut begun, mut failed) = (Vec::new(), Vec::new(), Vec::new());
            let mut received = 0;
            for piece in pieces {
                if !self.wanted.contains(&piece) {
                    continue;
                }
                let Piece { digest, size, offset, bytes } = piece;
                received += bytes.len();
                match self.stage.put(digest, size, offset, &bytes) {
                    Ok(Staged::Complete) => whole.push(digest),
                    Ok(Staged::Progress(_)) => {
                        begun.push(digest);
                        continue;
                    }
                    Ok(Staged::Mismatch) => failed.push(digest),
                    Err(error) => {
                        self.trouble(&error);
                        failed.push(digest);
                    }
                }
            }
            self.board.received(received);
            self.board.taken(&whole);
            self.wanted.remove(&whole);
            self.wanted.remove(&failed);
            let inputs = [Input::Staged(whole), Input::Progress(begun), Input::NotStaged(failed)];
            if self.control.send(Event::Inputs(inputs.into())).is_err() {
                return;
            }
        }
    }

    fn trouble(&self, error: &StageError) {
        self.board.not_taken(error);
    }
}

/// Whether a version of the entry has this content.
fn has(entry: &Entry, digest: &Digest) -> bool {
    let mut versions = entry.data.versions().iter();
    versions.any(|v| matches!(v.value.content, Content::File(of, _) if of == *digest))
}
