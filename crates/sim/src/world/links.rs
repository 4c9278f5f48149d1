//! What goes over the links: connections that begin and end, bytes on their way, lanes that fill up
//! and stand still, and a member that lies.
//!
//! Mirrors what the daemon makes of its network. When something arrives is `net`'s to say. Used by
//! `world` only.

use super::jobs::Event;
use super::World;
use crate::lies;
use crate::net::Lane;
use crate::node::FOLDER;
use crate::random::Random;
use engine::engine::Input;
use engine::exchange::{self, Outgoing};
use engine::message::Message;
use engine::wire;
use std::collections::BTreeSet;

/// How long a lane stands still, in milliseconds.
const STALL_MS: [u64; 3] = [300, 3_000, 30_000];

/// What all nodes have sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages in both lanes.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Traffic;

    fn sub(self, before: Traffic) -> Traffic {
        let (messages, bytes) = (self.messages - before.messages, self.bytes - before.bytes);
        Traffic { messages, bytes }
    }
}

/// How long nobody dials a peer whom one of the two has refused, in milliseconds.
const REDIAL_MS: u64 = 60_000;

impl World {
    /// Puts up or cuts the link between two nodes.
    pub fn set_link(&mut self, a: usize, b: usize, up: bool) {
        let is_gone = [a, b].iter().any(|node| self.gone == Some(*node));
        if is_gone || self.are_twins(a, b) {
            return;
        }
        if let Some((twin, peer)) = self.rival(a, b).filter(|_| up) {
            self.set_link(twin, peer, false);
        }
        if !self.net.set(a, b, up) {
            return;
        }
        self.tell(|| format!("link {a}-{b} is {}", if up { "up" } else { "cut" }));
        if up {
            self.connect(a, b);
        } else {
            self.fault("cut");
            self.disconnect(a, b);
        }
    }

    /// Cuts a link, but what is under way arrives: each side sends what the other has again.
    pub fn cut_late(&mut self, a: usize, b: usize) {
        if self.net.is_up(a, b) {
            self.fault("cut late");
            self.tell(|| format!("link {a}-{b} takes no more"));
            self.net.linger(a, b);
            self.down_later(a, b);
        }
    }

    /// Nothing that `from` sends reaches `to` for a while, in one lane or in both; some connections
    /// do not survive that.
    pub fn stall(&mut self, from: usize, to: usize, lane: Option<Lane>, chance: &mut Random) {
        let ms = chance.pick(&STALL_MS);
        let what = lane.map_or("everything".to_string(), |lane| format!("{lane:?}"));
        self.tell(|| format!("{what} from {from} to {to} stands still for {ms} ms"));
        self.fault(if lane.is_some() { "lane stalled" } else { "one-way partition" });
        let until_ms = self.now_ms + ms;
        self.net.stall((from, to), lane, until_ms);
        let connection = self.desks[to].connected.get(&from).copied();
        if let Some(connection) = connection.filter(|_| chance.chance(500)) {
            self.post(self.now_ms + ms / 2, to, Event::GiveUp(from, connection));
        }
    }

    /// Which nodes are linked.
    pub fn linked(&self) -> BTreeSet<(usize, usize)> {
        self.net.linked()
    }

    /// Both sides are told, each when it pleases; then things may arrive.
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if !self.is_running(a) || !self.is_running(b) {
            return;
        }
        let told = [self.now_ms + self.delay(), self.now_ms + self.delay()];
        let connection = self.net.next_connection(a, b, told[0].max(told[1]));
        self.post(told[0], a, Event::Up(b, connection));
        self.post(told[1], b, Event::Up(a, connection));
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        self.net.next_connection(a, b, self.now_ms);
        self.down_later(a, b);
    }

    /// Both sides will notice that the connection is gone, after what still arrives.
    fn down_later(&mut self, a: usize, b: usize) {
        for (here, there) in [(a, b), (b, a)] {
            if let Some(&connection) = self.desks[here].connected.get(&there) {
                let after = self.net.is_current(here, there, connection);
                let last_ms = if after { self.net.last_ms(there, here) } else { 0 };
                let at_ms = last_ms.max(self.now_ms + self.delay());
                self.post(at_ms, here, Event::Down(there, connection));
            }
        }
    }

    /// One side ends a session, and both connect again.
    pub(super) fn restart_session(&mut self, a: usize, b: usize) {
        self.disconnect(a, b);
        if self.net.is_up(a, b) {
            self.connect(a, b);
        }
    }

    /// Nothing has come over a connection for too long.
    pub(super) fn give_up(&mut self, node: usize, peer: usize, connection: u64) {
        if self.desks[node].connected.get(&peer) == Some(&connection) {
            self.restart_session(node, peer);
        }
    }

    /// The engine breaks off with a peer: only with one that lies, or passes a lie on. What a
    /// member says of the lives of others only they can hold against what is true. And who lies is
    /// answered what it said, which is not what its engine has asked.
    pub(super) fn refuse(&mut self, node: usize, peer: usize, why: &str) {
        let passes_on = self.options.lies > 0 && why == exchange::OUTLIVED;
        let has_twin = self.has_twins() && why == exchange::OUTLIVED;
        let is_due = self.is_liar(peer) || passes_on || has_twin;
        let is_answered = self.is_liar(node) && why == exchange::UNASKED;
        assert!(is_due || is_answered, "{node} refuses {peer}: {why}");
        self.tell(|| format!("{node} refuses {peer}: {why}"));
        if has_twin || passes_on {
            // Until another life may begin; the daemon, too, pauses before it dials again.
            if !has_twin {
                self.fault("lie refused");
            }
            self.disconnect(node, peer);
            return self.post(self.now_ms + REDIAL_MS, node, Event::Dial(peer));
        }
        self.fault("lie refused");
        self.restart_session(node, peer);
    }

    /// Whom there was no connection with for a while is tried again.
    pub(super) fn dial(&mut self, node: usize, peer: usize) {
        if self.net.is_up(node, peer) && !self.desks[node].connected.contains_key(&peer) {
            self.connect(node, peer);
        }
    }

    fn is_liar(&self, node: usize) -> bool {
        self.options.lies > 0 && node + 1 == self.nodes.len()
    }

    /// What the engine wants to say.
    pub(super) fn send(&mut self, from: usize, outgoing: Outgoing) {
        let Outgoing { peer, mut message, inline } = outgoing;
        if self.work(from, |program, _| program.pack(&mut message, &inline)).is_none() {
            return;
        }
        self.frames += u64::from(matches!(message, Message::Frame(_)));
        self.book.told(from, &self.nodes[from], &message);
        let bytes = wire::encode(FOLDER, &message);
        self.put_on_wire(from, self.machine_of(from, peer), Lane::Control, bytes);
    }

    /// Sends bytes to a connected peer.
    pub(super) fn put_on_wire(&mut self, from: usize, to: usize, lane: Lane, bytes: Vec<u8>) {
        let Some(&connection) = self.desks[from].connected.get(&to) else { return };
        if !self.net.is_current(from, to, connection) {
            return;
        }
        let chance = (&mut self.random, self.options.delay_ms);
        let Some((at_ms, connection)) = self.net.send((from, to), lane, self.now_ms, chance) else {
            return;
        };
        let bytes = self.said(from, bytes);
        self.traffic.messages += 1;
        self.traffic.bytes += bytes.len() as u64;
        if lane == Lane::Control && self.net.fill((from, to), bytes.len(), self.options.narrow) {
            self.fault("lane full");
            let id = self.id_of(to);
            self.desks[from].own.push(Input::Congested(id, true));
        }
        if let Some(trail) = &mut self.trail {
            trail.sent(from, to, &bytes);
        }
        let run = self.desks[to].run;
        self.sequence += 1;
        let event = Event::Hear(from, connection, lane, bytes);
        self.events.insert((at_ms, self.sequence), (to, run, event));
    }

    /// What really goes out: of a liar sometimes something else.
    fn said(&mut self, from: usize, bytes: Vec<u8>) -> Vec<u8> {
        if self.options.lies == 0 {
            return bytes;
        }
        self.past.push(bytes.clone());
        if !self.is_liar(from) || !self.random.chance(self.options.lies) {
            return bytes;
        }
        self.fault("lie");
        lies::instead(&bytes, &self.past, &mut self.random)
    }

    pub(super) fn up(&mut self, node: usize, peer: usize, connection: u64) {
        if !self.net.is_current(node, peer, connection) {
            return;
        }
        let id = self.id_of(peer);
        let twin = self.stale_twin(node, peer);
        let connected = &mut self.desks[node].connected;
        let stale = twin.and_then(|twin| connected.remove(&twin));
        let before = connected.insert(peer, connection).or(stale);
        let gone = before.map(|_| Input::PeerDown(id));
        let inputs = gone.into_iter().chain([Input::PeerUp(id)]).collect();
        self.inputs(node, inputs);
    }

    pub(super) fn down(&mut self, node: usize, peer: usize, connection: u64) {
        if self.desks[node].connected.get(&peer) == Some(&connection) {
            self.desks[node].connected.remove(&peer);
            self.inputs(node, vec![Input::PeerDown(self.id_of(peer))]);
        }
    }

    /// Bytes have come, if the connection that they were sent over still stands.
    pub(super) fn arrive(
        &mut self,
        node: usize,
        (from, connection): (usize, u64),
        lane: Lane,
        bytes: &[u8],
    ) {
        if !self.net.is_current(node, from, connection) {
            return;
        }
        if lane == Lane::Control && self.net.drain((from, node), bytes.len(), self.options.narrow) {
            self.post(self.now_ms, from, Event::Drained(node, connection));
        }
        if self.desks[node].connected.get(&from) == Some(&connection) {
            self.hear(node, from, lane, bytes);
        }
    }

    /// There is room again for what a peer is to be told.
    pub(super) fn drained(&mut self, node: usize, peer: usize, connection: u64) {
        if self.desks[node].connected.get(&peer) == Some(&connection) {
            self.inputs(node, vec![Input::Congested(self.id_of(peer), false)]);
        }
    }

    fn hear(&mut self, node: usize, from: usize, lane: Lane, bytes: &[u8]) {
        let message = match wire::decode(bytes) {
            Ok((_, message)) => message,
            Err(why) => return self.refuse(node, from, why.0),
        };
        let inputs = match (lane, message) {
            (Lane::Data, Message::Data(pieces)) => {
                self.work(node, |program, _| program.receive(pieces))
            }
            (_, message) => {
                let from = self.id_of(from);
                self.work(node, |program, _| program.unpack(from, message))
            }
        };
        if let Some(inputs) = inputs {
            self.inputs(node, inputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::checkers;
    use crate::net::Lane;
    use crate::node::FOLDER;
    use crate::swarm::Options;
    use crate::world::World;
    use disk::fs::FileKind;
    use engine::content::Digest;
    use engine::message::Message;
    use engine::path::Name;
    use engine::wire;

    // Story (simulator, links=250): a lane was full, and had room again before the program had
    // turned. It heard of the room first, and said nothing to that peer for ever after.
    #[test]
    fn that_a_lane_was_full_is_heard_before_that_it_has_room_again() {
        let mut world = World::new(1, Options { narrow: 1_000, ..Options::STILL });
        (0..2).for_each(|node| world.start(node));
        world.set_link(0, 1, true);
        world.run_to_rest();
        // It fills the lane; what is said of the news later does not.
        let message = wire::encode(FOLDER, &Message::NotNow(vec![Digest([7; 32]); 100]));
        world.put_on_wire(0, 1, Lane::Control, message);
        world.run_to_rest();
        world.by_hand(0, |model, root| {
            let spot = (root, Name::new(b"a").expect("a literal name"));
            model.make(&spot, FileKind::File, 0o644, b"news").expect("a free name");
        });
        world.run_to_rest();
        checkers::at_rest(&world);
    }
}
