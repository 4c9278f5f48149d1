//! Effect -> the worker, session or record that carries it out. Nothing here waits: every hand-over
//! is a queue whose length the engine bounds.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::Arc;

use disk::fs::Fs;
use disk::linux::Linux;
use engine::dot::NodeId;
use engine::engine::{Effect, Event as Happened, Input};
use engine::exchange::Outgoing;
use engine::message::{FolderId, Message};
use engine::path::{Name, RelPath};
use engine::plan::Operation;

use super::cache::ContentCache;
use super::intake::Wanted;
use super::life;
use super::look::Look;
use super::notices::Cause;
use super::serving::Serving;
use super::status::Board;
use super::RootDir;
use crate::net::identity::Identity;
use crate::net::limits::CONTROL_HIGH_BYTES;
use crate::net::{Lane, Link, NetHandle, SendError};
use crate::payload;

/// A control lane with this many bytes queued takes no more frames of entries until it has drained;
/// `Drained` is told of lanes that were half full.
const CONGESTED_BYTES: usize = CONTROL_HIGH_BYTES / 2;

/// Everything that effects go to.
pub struct Effects {
    /// The folder.
    pub folder: FolderId,
    /// Its name, for logs.
    pub name: String,
    /// What signs a new life.
    pub identity: Arc<Identity>,
    /// Peers.
    pub net: NetHandle,
    /// The session that the engine means when it speaks to a peer.
    pub links: BTreeMap<NodeId, Link>,
    /// Small contents read a moment ago.
    pub cache: ContentCache,
    /// The thread that applies.
    pub hands: Sender<Vec<Operation>>,
    /// The thread that syncs.
    pub sync: Sender<u64>,
    /// The thread that looks.
    pub eyes: Sender<Look>,
    /// The thread that scans.
    pub scan: Sender<()>,
    /// The threads that move contents.
    pub serving: Serving,
    /// Contents that were asked for.
    pub wanted: Wanted,
    /// Status.
    pub board: Arc<Board>,
    /// The event log.
    pub log: Sender<Happened>,
    /// For cookies.
    pub fs: Arc<Linux>,
    /// Where cookies are made.
    pub state: RootDir,
    /// Whether events tell of changes at all.
    pub has_events: bool,
    /// How many times looks were asked for.
    pub looks_asked: u64,
    /// What carrying out led to: inputs of the next turn.
    pub own: Vec<Input>,
}

impl Effects {
    /// Carries out what a committed turn led to.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(outgoing) => self.send(outgoing),
                Effect::Serve(peer, wants) => {
                    if let Some(&link) = self.links.get(&peer) {
                        self.serving.serve(link, wants);
                    }
                }
                Effect::Copy(digest, size, origin) => self.serving.copy(digest, size, origin),
                Effect::Unstage(contents) => self.wanted.forget(&contents),
                Effect::Apply(batch) => hand(&self.hands, batch),
                Effect::Observe(paths) => {
                    self.looks_asked += 1;
                    hand(&self.eyes, Look::Paths(paths));
                }
                Effect::ObserveTrees(paths) => {
                    self.looks_asked += 1;
                    hand(&self.eyes, Look::Trees(paths));
                }
                Effect::Scan => hand(&self.scan, ()),
                Effect::Sync(epoch) => hand(&self.sync, epoch),
                Effect::Refuse(peer, why) => {
                    tracing::warn!(?peer, why, "breaking off with a peer");
                    if let Some(&link) = self.links.get(&peer) {
                        self.net.break_off(link, why);
                    }
                }
                Effect::Restart(peer) => self.close(peer),
                Effect::NewLife => {
                    self.own.push(Input::Life(life::fresh(&self.identity, self.folder)));
                }
                Effect::PutBack => self.put_back(),
                Effect::Twin => self.twin(),
                Effect::TreePutBack => self.tree_put_back(),
                Effect::Happened(event) => hand(&self.log, event),
                Effect::Nameless(text) => {
                    self.board.notice(Cause::Nameless, &RelPath::root(), text);
                }
                Effect::Notice(path, text) => {
                    self.board.notice(Cause::Operation, &path, text);
                }
            }
        }
    }

    fn send(&mut self, outgoing: Outgoing) {
        let Outgoing { peer, mut message, inline } = outgoing;
        if let Message::Want(wants) = &mut message {
            let refused = self.wanted.ask(wants);
            refused.iter().for_each(|(_, error)| self.board.not_taken(error));
            if !refused.is_empty() {
                let refused = refused.into_iter().map(|(digest, _)| digest).collect();
                self.own.push(Input::NotStaged(refused));
            }
            if wants.is_empty() {
                return;
            }
        }
        if let Message::Frame(frame) = &mut message {
            let with_bytes = inline.into_iter().filter_map(|d| Some((d, self.cache.get(&d)?)));
            frame.contents = with_bytes.collect();
        }
        let Some(&link) = self.links.get(&peer) else { return };
        match self.net.send(link, Lane::Control, payload::folder(self.folder, &message)) {
            Ok(queued) if queued >= CONGESTED_BYTES => {
                self.own.push(Input::Congested(peer, true));
            }
            Ok(_) => {}
            Err(SendError::NotConnected) => {}
            Err(error) => {
                tracing::warn!(?peer, %error, "control lane overrun; starting the session over");
                self.net.close(link);
            }
        }
    }

    fn put_back(&self) {
        let name = &self.name;
        let text = format!(
            "this node's state of the folder {name:?} had been put back to an older copy (a \
             snapshot or a backup); what it lacks it takes from the other nodes, and nothing of \
             the folder was lost by it; nothing is to be done"
        );
        tracing::warn!(folder = %name, "{text}");
        self.board.notice(Cause::PutBack, &RelPath::root(), text);
    }

    fn tree_put_back(&self) {
        let name = &self.name;
        let text = format!(
            "the filesystem of the folder {name:?} had been put back to an older copy (a snapshot \
             or a backup of the volume): what it lacks comes again from the other nodes, and what \
             it holds by that goes to the trash; to get older versions back, copy them from there"
        );
        tracing::warn!(folder = %name, "{text}");
        self.board.notice(Cause::TreePutBack, &RelPath::root(), text);
    }

    fn twin(&self) {
        let name = &self.name;
        let text = format!(
            "another program works in the folder {name:?} with this node's identity (a machine or \
             a home that was copied while it was in use); nothing was lost by it, but stop one of \
             the two and give it a home of its own: `syncline join` with an empty --home"
        );
        tracing::error!(folder = %name, "{text}");
        self.board.notice(Cause::Twin, &RelPath::root(), text);
    }

    fn close(&self, peer: NodeId) {
        if let Some(&link) = self.links.get(&peer) {
            self.net.close(link);
        }
    }

    /// Makes a cookie whose event will come back after everything that happened before. Where there
    /// are no events, or not of all directories, a look at everything takes its place.
    pub fn make_cookie(&self, number: u64) {
        if !self.has_events || self.board.unwatched() > 0 {
            return hand(&self.eyes, Look::Everything(number));
        }
        let name = Name::new(format!("cookie-{number}").as_bytes()).expect("a plain name");
        let made = self.fs.create(&self.state, &name);
        let gone = self.fs.remove_own(&self.state, &name);
        if let Err(error) = made.map(drop).and(gone) {
            tracing::warn!(%error, "no cookie can be made; looking at everything instead");
            hand(&self.eyes, Look::Everything(number));
        }
    }

    /// Sends a fence after the looks that are to be done.
    pub fn fence(&self, number: u64) {
        hand(&self.eyes, Look::Fence(number));
    }
}

/// Hands something to a worker. A worker ends only with the folder; then nobody minds.
fn hand<T>(worker: &Sender<T>, what: T) {
    drop(worker.send(what));
}
