//! What an engine wants done becomes events, after a delay.

use super::{number, Event, World};
use crate::check;
use engine::content::Digest;
use engine::engine::{Effect, Input};
use engine::exchange::Outgoing;
use engine::index::Index;
use engine::message::Message;

impl World {
    pub(super) fn turn(&mut self, node: usize) {
        self.turns += 1;
        let now = self.clock();
        let here = &mut self.nodes[node];
        let engine = here.engine.as_mut().expect("only a running node turns");
        engine.turn(now, &mut here.index);
        here.index.commit().unwrap();
        check::nothing_is_hollow(node, &here.index);
        let effects = engine.take_effects();
        let deadline = engine.deadline();
        for effect in effects {
            self.effect(node, effect);
        }
        if let Some(at_ms) = deadline {
            self.tick_at(node, at_ms.max(self.now_ms));
        }
    }

    fn effect(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send(outgoing) => self.send(node, outgoing),
            Effect::Serve(peer, wants) => self.later(node, Event::Serve(number(peer), wants)),
            Effect::Copy(digest, _, origin) => self.later(node, Event::Copy(digest, origin)),
            Effect::Unstage(contents) => {
                let staged = &mut self.nodes[node].disk.staged;
                staged.retain(|digest| !contents.contains(digest));
            }
            Effect::Apply(operations) => {
                for operation in operations {
                    let free = self.nodes[node].hands_free_ms.max(self.now_ms);
                    let at_ms = free + if self.steady { 1 } else { self.random.below(3) as u64 };
                    self.nodes[node].hands_free_ms = at_ms;
                    self.post(at_ms, node, Event::Apply(operation));
                }
            }
            Effect::Observe(paths) => {
                self.tell(|| format!("{node} will look at {paths:?}"));
                self.later(node, Event::Look(paths));
            }
            Effect::ObserveTrees(paths) => {
                self.tell(|| format!("{node} will look inside {paths:?}"));
                self.later(node, Event::LookInside(paths));
            }
            Effect::Scan => self.later(node, Event::Scan),
            Effect::Sync(epoch) => self.later(node, Event::Input(Input::Synced(epoch))),
            Effect::Refuse(peer, why) => panic!("{node} refuses {}: {why}", number(peer)),
            Effect::NewLife
            | Effect::Restart(_)
            | Effect::PutBack
            | Effect::TreePutBack
            | Effect::Twin => {
                panic!("{node} takes its index for an old one")
            }
            Effect::Happened(_) => {}
            Effect::Nameless(what) => self.tell(|| format!("{node}: {what}")),
            Effect::Notice(path, what) => self.tell(|| format!("{node} /{path}: {what}")),
        }
    }

    pub(super) fn send(&mut self, from: usize, outgoing: Outgoing) {
        let to = number(outgoing.peer);
        if !self.link(from, to).up {
            return;
        }
        let delay = self.delay();
        let now_ms = self.now_ms;
        self.frames += u64::from(matches!(outgoing.message, Message::Frame(_)));
        let link = self.link(from, to);
        let epoch = link.epoch;
        let last = link.last_ms.entry(from).or_default();
        *last = (*last).max(now_ms + delay);
        let at_ms = *last;
        let disk = &self.nodes[from].disk;
        let held = |digest: &&Digest| disk.shown().contains(digest) || disk.staged.contains(digest);
        let inline: Vec<Digest> = outgoing.inline.iter().filter(held).copied().collect();
        if !inline.is_empty() && !self.steady && self.random.chance(70) {
            self.post(at_ms, to, Event::Bytes(from, epoch, inline));
        }
        self.post(at_ms, to, Event::Hear(from, epoch, outgoing.message));
    }

    pub(super) fn send_bytes(&mut self, from: usize, to: usize, digests: Vec<Digest>) {
        if !self.link(from, to).up {
            return;
        }
        let delay = self.delay();
        let now_ms = self.now_ms;
        let link = self.link(from, to);
        let epoch = link.epoch;
        let last = link.last_bytes_ms.entry(from).or_default();
        *last = (*last).max(now_ms + delay);
        let at_ms = *last;
        self.contents += digests.len() as u64;
        self.post(at_ms, to, Event::Bytes(from, epoch, digests));
    }
}
