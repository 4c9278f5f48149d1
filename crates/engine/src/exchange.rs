//! Two nodes: what each has said, what each still lacks; catch-up after absence, and then live.
//!
//! Everything a node sends about a folder's entries is one ordered stream: first a walk over the
//! dots the peer lacks, then everything committed since, then the walk's Knowledge as a claim
//! (DELTA_END), and from then on what is minted here (LIVE is the tail of the same stream,
//! decisions A4). Other nodes' news is not pushed on: an acknowledgement tells that it is here, and
//! who still lacks it after a moment asks (decisions A14). So any connected topology converges.
//!
//! Only dots that are held are claimed, and every entry remembers what its registers reflect beyond
//! that (`index::Stored::context`); why is in docs/decisions/0001.

use crate::content::Digest;
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{Entry, EntryId, Hlc, IncarnationRecord};
use crate::index::{Index, Phase};
use crate::ledger::{self, Author, Facts};
use crate::limits::{ENTRY_BYTES_MAX, TAIL_MAX};
use crate::message::{Ack, DeltaEnd, Frame, Hello, Message, Share, WIRE_VERSION};
use crate::proof::{broken, reached, Mutant};
use crate::range::{Range, Sum};
use crate::wire::entry_bytes;
use claims::Claims;
use full::Compared;
pub use full::{has_aside, is_forgotten, is_kept_up};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stream::Walk;

mod ask;
mod claims;
mod full;
mod missing;
mod stream;

/// A message on its way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// To whom.
    pub peer: NodeId,
    /// What.
    pub message: Message,
    /// Contents that may ride inside, if their bytes are at hand.
    pub inline: Vec<Digest>,
}

/// What a peer sent that an honest peer does not send; the conversation ends, nothing was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offence(pub &'static str);

/// All conversations about one folder.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    peers: BTreeMap<NodeId, Peer>,
    /// Claims of whole Knowledges while entries were pending: applied once those are in place.
    claims: Claims,
    /// The last counter of our life that anybody can know: the last of earlier runs, or what was
    /// streamed in this one.
    told: u64,
    /// The deletions that connected peers have forgotten, as each said when it asked or told all.
    forgotten: Knowledge,
    /// Directories that something here is in and that are not known here.
    missing: BTreeSet<EntryId>,
}

/// One conversation.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// What we have told it that we know.
    said: Knowledge,
    said_applied: BTreeMap<Incarnation, u64>,
    said_lives: BTreeSet<Incarnation>,
    /// What it has told us that it knows.
    pub knows: Knowledge,
    /// The incarnations that it has told us are its own.
    lives: BTreeSet<Incarnation>,
    /// What it has told us stands on its disk.
    pub applied: BTreeMap<Incarnation, u64>,
    /// It has told us what it lacks: the stream may run.
    open: bool,
    walk: Option<Walk>,
    tail: VecDeque<EntryId>,
    in_tail: BTreeSet<EntryId>,
    /// The transport has no room for now.
    congested: bool,
    /// It was not asked yet, or not since more deletions were forgotten here: it hears of that with
    /// the question.
    unasked: bool,
    /// We asked and it has not finished telling.
    pulling: bool,
    /// How far it had come when it last finished telling.
    ended: Option<Phase>,
    /// Entries have come from it since the last turn ended.
    heard: bool,
    /// In the turn that ended then, monotonic milliseconds, the last ones came.
    heard_ms: u64,
    /// Since when it knows something that we do not.
    behind_since_ms: Option<u64>,
    /// When it is to be asked for that.
    ask_at_ms: Option<u64>,
    /// The deletions that it has forgotten.
    frontier: Knowledge,
    /// Ranges of which it is to be told all.
    answers: VecDeque<Range>,
    compared: Compared,
    /// Deleted directories that something in them needs, which others may have forgotten.
    orphaned: BTreeSet<EntryId>,
    /// Directories that it was asked for because they are missing here.
    sought: BTreeSet<EntryId>,
}

impl Exchange {
    /// The conversation with a connected peer.
    pub fn peer(&self, peer: NodeId) -> Option<&Peer> {
        self.peers.get(&peer)
    }

    /// All connected peers.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(&id, peer)| (id, peer))
    }

    /// A peer that holds the folder is connected. It is asked in its turn.
    pub fn up(&mut self, facts: &Facts, peer: NodeId) -> Outgoing {
        self.peers.insert(peer, Peer { unasked: true, ..Peer::default() });
        self.sum_forgotten();
        let message = Message::Hello(Hello { wire: WIRE_VERSION, hlc: facts.meta.hlc });
        Outgoing { peer, message, inline: Vec::new() }
    }

    /// The peer is gone.
    pub fn down(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
        self.sum_forgotten();
    }

    /// Whether the transport takes more for this peer.
    pub fn congestion(&mut self, peer: NodeId, congested: bool) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.congested = congested;
        }
    }

    /// Whether a peer knows more of our life than anybody was told: our index is older than our
    /// announcements.
    pub fn outlives(&self, facts: &Facts, message: &Message) -> bool {
        let is_beyond = |claimed: &Knowledge| own_life(facts, self.told, claimed).is_err();
        match message {
            Message::Share(share) => is_beyond(&share.knowledge),
            Message::DeltaEnd(end) => is_beyond(&end.knowledge),
            Message::Ack(ack) => is_beyond(&ack.knowledge),
            Message::Frame(frame) => is_beyond(&frame.context),
            Message::Hello(_) | Message::Want(_) | Message::Data(_) => false,
            Message::Gone(_) | Message::NotNow(_) | Message::Nowhere(..) => false,
            Message::Sums(_) | Message::Differs(_) | Message::Standing(_) => false,
        }
    }

    /// Our life is a new one: nobody was told anything of it.
    pub fn renew(&mut self) {
        self.told = 0;
    }

    /// What a peer asks for by telling what it has.
    pub fn share(
        &mut self,
        facts: &mut Facts,
        index: &mut dyn Index,
        peer: NodeId,
        share: Share,
    ) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        learn_lives(index, &share.incarnations)?;
        state.lives.extend(of_node(&share.incarnations, peer));
        own_life(facts, self.told, &share.knowledge)?;
        state.knows.merge(&share.knowledge);
        state.frontier = share.frontier;
        state.start_walk(facts, &share.knowledge);
        self.sum_forgotten();
        full::return_risen(facts, &self.forgotten, index);
        Ok(())
    }

    /// Entries from a peer.
    pub fn frame(
        &mut self,
        facts: &mut Facts,
        index: &mut dyn Index,
        peer: NodeId,
        frame: Frame,
    ) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        check_frame(facts, index, self.told, &frame)?;
        learn_lives(index, &frame.incarnations)?;
        state.lives.extend(of_node(&frame.incarnations, peer));
        state.knows.merge(&frame.context);
        let dots: Vec<Vec<Dot>> = frame.entries.iter().map(Entry::dots).collect();
        if dots.iter().flatten().any(|dot| !state.knows.contains(*dot)) {
            return Err(Offence("it sends operations that it does not claim to know"));
        }
        state.heard = true;
        let before = facts.knowledge.clone();
        for dot in dots.iter().flatten() {
            facts.knowledge.insert(*dot);
            if broken(Mutant::ClaimPrefix) {
                facts.knowledge.insert_range(dot.incarnation, 1, dot.counter);
            }
        }
        if broken(Mutant::ClaimContext) {
            facts.knowledge.merge(&state.knows);
        }
        let beyond: BTreeMap<u32, Knowledge> = frame.beyond.into_iter().collect();
        for (position, (theirs, dots)) in (0u32..).zip(frame.entries.iter().zip(&dots)) {
            let new: Vec<Dot> = dots.iter().copied().filter(|d| !before.contains(*d)).collect();
            match (state.doom(facts, index, theirs), beyond.get(&position)) {
                (true, _) => {
                    let known = full::known_of_doomed(index, theirs.id, dots);
                    join(facts, index, &self.forgotten, &before, theirs, &known, &new);
                }
                (false, None) => {
                    join(facts, index, &self.forgotten, &before, theirs, &state.knows, &new)
                }
                (false, Some(beyond)) => {
                    let mut known = state.knows.clone();
                    known.merge(beyond);
                    join(facts, index, &self.forgotten, &before, theirs, &known, &new);
                }
            }
        }
        if let Some(range) = frame.range {
            let held: BTreeSet<EntryId> = frame.entries.iter().map(|entry| entry.id).collect();
            state.answered(facts, index, range, &held)?;
        }
        let ended = state.ended_now(facts);
        full::rise_above(facts, &self.forgotten, index, &frame.entries);
        self.stir(peer, &before, &frame.entries);
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        match ended {
            Some(end) => self.claim(facts, index, peer, &end),
            None if !state.pulling => state.end_doomed(facts, index),
            None => {}
        }
        Ok(())
    }

    /// What connected peers have forgotten.
    pub fn forgotten(&self) -> &Knowledge {
        &self.forgotten
    }

    fn sum_forgotten(&mut self) {
        self.forgotten = Knowledge::default();
        self.peers.values().for_each(|state| self.forgotten.merge(&state.frontier));
    }

    /// The peer has sent everything in this Knowledge.
    pub fn delta_end(
        &mut self,
        facts: &mut Facts,
        index: &mut dyn Index,
        peer: NodeId,
        end: DeltaEnd,
    ) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        own_life(facts, self.told, &end.knowledge)?;
        if let Some(end) = state.may_end(facts, end) {
            self.claim(facts, index, peer, &end);
        }
        Ok(())
    }

    /// Those who are telling all that they hold may have forgotten the end of what came from this
    /// peer.
    fn stir(&mut self, from: NodeId, before: &Knowledge, entries: &[Entry]) {
        let others = self.peers.iter_mut().filter(|(peer, _)| **peer != from);
        for (_, state) in others.filter(|(_, state)| state.pulling) {
            for entry in entries {
                let new = entry.dots().into_iter().filter(|dot| !before.contains(*dot));
                let new: Vec<Dot> = new.collect();
                if !new.is_empty() {
                    reached("exchange: two peers tell at once");
                    state.stir(entry.id, &new);
                }
            }
        }
    }

    /// Everything that the peer holds is here.
    fn claim(&mut self, facts: &mut Facts, index: &mut dyn Index, peer: NodeId, end: &DeltaEnd) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.end_doomed(facts, index);
        let claimed = &end.knowledge;
        state.knows.merge(claimed);
        (state.pulling, state.behind_since_ms) = (false, None);
        state.ended = Some(end.phase);
        let gained = claimed.minus(&facts.knowledge);
        let floors = gained
            .iter()
            .filter_map(|(incarnation, ranges)| Some((incarnation, ranges.ranges().first()?.0)));
        let floors = floors.collect();
        self.claims.add(facts.meta.last_order, floors);
        facts.knowledge.merge(claimed);
        state.frontier.merge(&end.frontier);
        if !end.frontier.is_within(&facts.frontier) {
            facts.frontier.merge(&end.frontier);
            self.forgot(facts);
        }
        self.sum_forgotten();
        full::return_risen(facts, &self.forgotten, index);
    }

    /// Deletions were forgotten here: what rises over one is said again by those who remember it,
    /// and they have to hear of that.
    pub fn forgot(&mut self, facts: &Facts) {
        for state in self.peers.values_mut() {
            state.unasked |= !facts.frontier.is_within(&state.frontier);
        }
    }

    /// What a peer holds in some ranges.
    pub fn sums(&mut self, index: &dyn Index, peer: NodeId, sums: &[Sum]) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        state.hear_sums(index, sums)
    }

    /// A peer holds something else in a range.
    pub fn differs(
        &mut self,
        index: &dyn Index,
        peer: NodeId,
        range: Range,
    ) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        state.find_missed(index, range);
        state.differs(range)
    }

    /// Deleted directories that are needed by something that others do not know of, and may have
    /// been forgotten there: to be asserted anew.
    pub fn take_orphaned(&mut self) -> BTreeSet<EntryId> {
        let orphaned = self.peers.values_mut().map(|state| std::mem::take(&mut state.orphaned));
        orphaned.flatten().collect()
    }

    /// Whether a joining node may look at its own disk now: a member has told it everything. Where
    /// all who can be reached are joining too, one of them must begin.
    pub fn may_import(&self, this: NodeId) -> bool {
        if broken(Mutant::JoinerImportsAtOnce) {
            return true;
        }
        let mut ended = self.peers.values().map(|state| state.ended);
        if ended.any(|phase| phase == Some(Phase::Member)) {
            return true;
        }
        let after_this =
            |(peer, state): (&NodeId, &Peer)| this < *peer && state.ended == Some(Phase::Joining);
        !self.peers.is_empty() && self.peers.iter().all(after_this)
    }

    /// This node has become a member: those whom it told otherwise hear it, and all that they lack.
    /// What it has minted was in their streams, or is about to be, and is not told again.
    pub fn became_member(&mut self, facts: &Facts) {
        let own = facts.knowledge.only(&BTreeSet::from([facts.meta.incarnation]));
        for state in self.peers.values_mut().filter(|state| state.open) {
            let mut told = state.knows.clone();
            if state.walk.is_some() {
                // Of a walk under way nobody knows how much of what is our own it has told.
                state.start_walk(facts, &told);
                continue;
            }
            told.merge(&own);
            state.walk = Some(Walk::over(facts, &told));
        }
    }

    /// How far the peer is.
    pub fn ack(&mut self, facts: &Facts, peer: NodeId, ack: Ack) -> Result<(), Offence> {
        let state = self.peers.get_mut(&peer).ok_or(Offence("it speaks before it is connected"))?;
        own_life(facts, self.told, &ack.knowledge)?;
        state.knows.merge(&ack.knowledge);
        state.applied.extend(ack.applied);
        Ok(())
    }

    /// Entries that this turn wrote: into the streams of those who must hear of them.
    pub fn written(&mut self, facts: &Facts, written: &[(EntryId, Author)]) {
        for state in self.peers.values_mut().filter(|state| state.open) {
            let walking = state.walk.is_some();
            for &(id, author) in written {
                let tells = author == Author::Here || walking && !broken(Mutant::TailForgetsOthers);
                if tells && state.in_tail.insert(id) {
                    state.tail.push_back(id);
                }
            }
            if state.tail.len() > TAIL_MAX {
                let knows = state.knows.clone();
                state.start_walk(facts, &knows);
            }
        }
    }

    /// What goes out at the end of a turn: frames, then claims, acknowledgements and questions.
    pub fn speak(&mut self, facts: &Facts, index: &dyn Index, now_ms: u64) -> Vec<Outgoing> {
        let applied = self.applied(facts, index);
        self.seek_missing(facts, index);
        let mut out = Vec::new();
        for (&peer, state) in &mut self.peers {
            let mut say = |message, inline| out.push(Outgoing { peer, message, inline });
            state.stream(facts, index, &mut say);
            state.ask_ranges(index, &mut |message| say(message, Vec::new()));
            state.acknowledge(facts, &applied, &mut say);
        }
        out.extend(ask::questions(facts, index, &mut self.peers, now_ms));
        let tells =
            |said: &Outgoing| matches!(said.message, Message::Frame(_) | Message::DeltaEnd(_));
        if out.iter().any(tells) {
            self.told = facts.meta.counter;
        }
        out
    }

    /// When a peer that knows more is to be asked.
    pub fn deadline(&self) -> Option<u64> {
        self.peers.values().filter_map(|state| state.ask_at_ms).min()
    }

    /// Of each incarnation: everything up to this counter stands on this disk.
    pub fn applied(&mut self, facts: &Facts, index: &dyn Index) -> BTreeMap<Incarnation, u64> {
        let oldest = index.pending_after(0, 1).first().map_or(u64::MAX, |row| row.order);
        self.claims.in_place_before(oldest);
        let mut applied = BTreeMap::new();
        for (incarnation, seen) in facts.knowledge.iter() {
            let open = [index.touched_floor(incarnation), self.claims.floor(incarnation)];
            let below = open.into_iter().flatten().min().map_or(u64::MAX, |floor| floor - 1);
            applied.insert(incarnation, seen.prefix().min(below));
        }
        applied
    }

    /// After a start with entries still pending, nothing known counts as applied before they are.
    pub fn resume(&mut self, facts: &Facts, index: &dyn Index) {
        self.told = facts.meta.counter;
        if index.pending_count() == 0 {
            return;
        }
        let floors = facts.knowledge.iter().map(|(incarnation, _)| (incarnation, 1)).collect();
        self.claims.add(facts.meta.last_order, floors);
    }

    /// Whether this peer's disk shows every operation of `incarnation` up to `counter`.
    pub fn has_applied(&self, peer: NodeId, incarnation: Incarnation, counter: u64) -> bool {
        let applied = self.peers.get(&peer).and_then(|p| p.applied.get(&incarnation));
        counter == 0 || applied.is_some_and(|&applied| applied >= counter)
    }

    /// Connected peers that know the operation, the likeliest holders of its content.
    pub fn holders(&self, dot: Dot) -> Vec<NodeId> {
        let knowing = self.peers.iter().filter(|(_, state)| state.knows.contains(dot));
        knowing.map(|(&id, _)| id).collect()
    }
}

/// What an honest peer's frame never holds; looked for before anything of it is kept, for K must
/// not name dots whose entries were refused.
fn check_frame(facts: &Facts, index: &dyn Index, told: u64, frame: &Frame) -> Result<(), Offence> {
    own_life(facts, told, &frame.context)?;
    // What an entry reflects beyond that may come from what we said that we know.
    let counter = facts.meta.counter;
    frame.beyond.iter().try_for_each(|(_, beyond)| own_life(facts, counter, beyond))?;
    let mut kinds = BTreeMap::new();
    for entry in &frame.entries {
        let known = || index.entry(entry.id).map_or(entry.kind, |stored| stored.entry.kind);
        if *kinds.entry(entry.id).or_insert_with(known) != entry.kind {
            return Err(Offence("it gives one entry two kinds"));
        }
    }
    Ok(())
}

/// Joins one entry of a peer into ours. `before` is K before the frame; `known` is the peer's;
/// `elsewhere` is what connected peers have forgotten.
fn join(
    facts: &mut Facts,
    index: &mut dyn Index,
    elsewhere: &Knowledge,
    before: &Knowledge,
    theirs: &Entry,
    known: &Knowledge,
    arrived: &[Dot],
) {
    let old = index.entry(theirs.id);
    let old_context = old.as_ref().and_then(|old| old.context);
    let mut entry = old.map_or_else(|| Entry::new(theirs.id, theirs.kind), |old| old.entry);
    let returns = full::returns(facts, elsewhere, before, &entry, (theirs, known));
    // What comes back to an attribute alone is said again, whole.
    let is_lacking = entry.is_blank() || returns && entry.is_hollow();
    let was_forgotten = is_lacking && full::is_news_of_forgotten(&facts.frontier, before, theirs);
    let beyond = old_context.and_then(|id| facts.contexts.get(&id)).map(|context| {
        let mut mine = before.clone();
        mine.merge(context);
        mine
    });
    let changed = entry.join(beyond.as_ref().unwrap_or(before), theirs, known);
    // Who lies can say of a name what leaves it no place: passed on, that would be refused as if it
    // was our lie.
    let lost = entry.lost_names();
    entry.data.supersede(&lost);
    if entry.xattr.versions().len() > 1 && entry_bytes(&entry) > ENTRY_BYTES_MAX {
        // Many wrote long ones without having seen each other's: all together no frame would hold.
        reached("exchange: extended attributes that lost are let go of");
        entry.xattr.supersede(&entry.lost_xattrs());
    }
    full::note_aside(facts, &entry);
    if was_forgotten {
        full::take_attributes(&mut entry, theirs);
        full::note_stale(facts, &entry);
    }
    if returns {
        facts.returned.insert(theirs.id);
    }
    let context = facts.context(index, old_context, known);
    for version in theirs.loc.versions() {
        meet(facts, version.value.stamp.hlc);
    }
    for version in theirs.data.versions() {
        meet(facts, version.value.stamp.hlc);
    }
    if entry.is_blank() && !changed {
        return;
    }
    if changed || context != old_context {
        ledger::put(facts, index, entry, context, Author::Elsewhere, arrived);
    }
}

fn meet(facts: &mut Facts, hlc: Hlc) {
    facts.meta.hlc = facts.meta.hlc.met(hlc, facts.wall_ms);
}

/// Why a peer is refused that answers another question than ours.
pub const UNASKED: &str = "it answers what it was not asked";

/// Why a peer is refused that knows too much of our life.
pub const OUTLIVED: &str = "it knows changes of this node that this node's index does not";

/// Nobody can know more of our life than anybody was told, unless our index is older than our
/// announcements.
fn own_life(facts: &Facts, told: u64, claimed: &Knowledge) -> Result<(), Offence> {
    let seen = claimed.of(facts.meta.incarnation).map_or(0, |ranges| ranges.max());
    if seen > told && !broken(Mutant::LifeGoesOn) {
        return Err(Offence(OUTLIVED));
    }
    Ok(())
}

/// Those of these lives that are this node's.
fn of_node(
    lives: &[IncarnationRecord],
    node: NodeId,
) -> impl Iterator<Item = Incarnation> + use<'_> {
    lives.iter().filter(move |life| life.node == node).map(|life| life.incarnation)
}

fn learn_lives(index: &mut dyn Index, lives: &[IncarnationRecord]) -> Result<(), Offence> {
    if lives.is_empty() {
        return Ok(());
    }
    let known: BTreeMap<Incarnation, NodeId> =
        index.incarnations().into_iter().map(|life| (life.incarnation, life.node)).collect();
    for life in lives {
        match known.get(&life.incarnation) {
            None => index.put_incarnation(life),
            Some(node) if *node == life.node => {}
            Some(_) => return Err(Offence("it gives one incarnation two owners")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
