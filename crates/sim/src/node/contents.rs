//! Contents on their way: what peers send is staged, what they ask for is read. Mirrors
//! `node::folder::{intake, serving, effects}`. Used by `world`.

use super::{signature, Program};
use disk::serve::Given;
use disk::stage::Staged;
use engine::content::{Content, Digest};
use engine::dot::NodeId;
use engine::engine::{Input, Origin};
use engine::entry::Entry;
use engine::limits::PIECE_BYTES_MAX;
use engine::message::{Frame, Message, Piece, Share, Want};

impl Program {
    /// Makes a message ready to be sent: wants are noted, small contents go with their entries.
    pub fn pack(&mut self, message: &mut Message, inline: &[Digest]) {
        match message {
            Message::Want(wants) => {
                for want in wants.iter_mut().filter(|want| want.size > PIECE_BYTES_MAX as u64) {
                    want.offset = self.stage.begun(&want.digest).min(want.size - 1);
                }
                self.wanted.extend(wants.iter().map(|want| (want.digest, want.size)));
            }
            Message::Frame(frame) => {
                let cache = &self.cache;
                let with_bytes = inline.iter().filter_map(|d| Some((*d, cache.get(d)?.clone())));
                frame.contents = with_bytes.collect();
            }
            _ => {}
        }
    }

    /// What a message of the control lane is for the engine. Small contents inside frames are
    /// staged before the engine hears of their entries.
    pub fn unpack(&mut self, peer: NodeId, mut message: Message) -> Vec<Input> {
        let mut staged = Vec::new();
        if let Message::Share(Share { incarnations, .. })
        | Message::Frame(Frame { incarnations, .. }) = &mut message
        {
            incarnations.retain(|life| life.signature == signature(life));
        }
        if let Message::Frame(frame) = &mut message {
            let mut contents = std::mem::take(&mut frame.contents);
            contents.retain(|(digest, _)| frame.entries.iter().any(|entry| has(entry, digest)));
            for (digest, bytes) in contents {
                if matches!(self.stage.put_whole(digest, &bytes), Ok(Staged::Complete)) {
                    staged.push(digest);
                }
            }
        }
        let said = Input::Message(peer, message);
        if staged.is_empty() {
            vec![said]
        } else {
            vec![Input::Staged(staged), said]
        }
    }

    /// Takes a message of the data lane.
    pub fn receive(&mut self, pieces: Vec<Piece>) -> Vec<Input> {
        let (mut whole, mut begun, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            if self.wanted.get(&piece.digest) != Some(&piece.size) {
                continue;
            }
            let Piece { digest, size, offset, bytes } = piece;
            match self.stage.put(digest, size, offset, &bytes) {
                Ok(Staged::Complete) => whole.push(digest),
                Ok(Staged::Progress(_)) => begun.push(digest),
                Ok(Staged::Mismatch) | Err(_) => failed.push(digest),
            }
        }
        for digest in whole.iter().chain(&failed) {
            self.wanted.remove(digest);
        }
        vec![Input::Staged(whole), Input::Progress(begun), Input::NotStaged(failed)]
    }

    /// Reads what a peer asks for: data messages in order, and what else became of it.
    pub fn give(&self, wants: Vec<(Want, Origin)>) -> (Vec<Message>, Given) {
        let mut messages = Vec::new();
        let given = self.serve.give(wants, &mut |pieces, _| {
            messages.push(Message::Data(pieces));
            true
        });
        (messages, given)
    }

    /// Stages content that lies elsewhere on this disk; what is not there is to be looked at again.
    pub fn copy(&self, digest: Digest, size: u64, origin: Origin) -> Vec<Input> {
        self.serve.copy(digest, size, origin)
    }
}

/// Whether a version of the entry has this content.
fn has(entry: &Entry, digest: &Digest) -> bool {
    let mut versions = entry.data.versions().iter();
    versions.any(|v| matches!(v.value.content, Content::File(of, _) if of == *digest))
}
