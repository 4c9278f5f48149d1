//! Which content, from which peer, when: requests, their bounds, and what to do when one fails.
//!
//! Contents are asked for by digest, many in one message, up to a bound of files and bytes under
//! way. Not the bytes themselves: those go from the session to `disk::stage`, which reports here.

use crate::content::Digest;
use crate::dot::NodeId;
use crate::limits::{FETCHING_BYTES_MAX, FETCHING_FILES_MAX, LOST_ROUNDS_MIN, STALL_MS, WANTS_MAX};
use crate::message::Want;
use crate::proof::{broken, Mutant};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

/// Contents under way to this node and contents that have arrived.
#[derive(Clone, Debug, Default)]
pub struct Fetch {
    staged: BTreeSet<Digest>,
    /// Came so many times more while it was staged: operations may have taken the others already.
    more: BTreeMap<Digest, u32>,
    /// Was missing when it was to be used, and may have come right after that.
    late: BTreeSet<Digest>,
    under_way: BTreeMap<Digest, Request>,
    bytes: u64,
    owing: BTreeMap<NodeId, Owing>,
    now_ms: u64,
    /// A content was refused for want of room, and none has ended since.
    full: bool,
    unsent: BTreeMap<NodeId, Vec<Want>>,
    /// Contents that were not to be had at the first place asked.
    rare: BTreeMap<Digest, Rare>,
    /// No part of anything can lie around: all that was begun in this run has arrived.
    clean: bool,
}

#[derive(Clone, Debug)]
struct Request {
    size: u64,
    /// `None`: copied from this disk.
    from: Option<NodeId>,
}

/// What a peer was asked for and has not sent.
#[derive(Clone, Copy, Debug)]
struct Owing {
    contents: usize,
    /// When something of it came last, or was asked for first.
    heard_ms: u64,
}

/// The search for a content: all who should have it, then this node's trash, then all once more,
/// who look in theirs.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// Who could not give it in this round.
    refused: BTreeSet<NodeId>,
    /// This node's trash was looked through in this round.
    searched: bool,
    /// It was to be copied from a file on this disk that had just been replaced: most often it lies
    /// in the trash now (a rotation).
    displaced: bool,
    /// Everybody has been asked before.
    deep: bool,
    /// Somebody broke off or was silent in this round, or this disk could not be read, which says
    /// nothing of what they have.
    unclear: bool,
    /// In so many deep rounds on end the same peers were asked, and all said that they do not have
    /// it.
    denied: u32,
    /// Who was asked in the last of those.
    deniers: BTreeSet<NodeId>,
    /// Who does not have it either, as peers say of nodes that they can ask.
    hearsay: BTreeMap<NodeId, Vec<NodeId>>,
}

/// What came of asking for a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// It is on its way.
    UnderWay,
    /// Too much is under way; ask again when something has arrived.
    Full,
    /// No connected peer has it: it is to be searched for in the trash here.
    Search,
    /// Nobody who was asked has it; the next round asks more.
    Nobody,
    /// Somebody who may have it did not give it, or there was no room for it here: the next round
    /// may get it.
    Unclear,
    /// It was nowhere again and again, trashes included, said all who were asked.
    Lost,
}

impl Fetch {
    /// Whether the content lies staged here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.staged.contains(digest)
    }

    /// Asks for a content from one of `holders`; they are taken in turn by digest, so that load
    /// spreads, and a peer that refused is passed over until all have.
    pub fn ask(&mut self, digest: Digest, size: u64, holders: &[NodeId]) -> Asked {
        if self.under_way.contains_key(&digest) {
            return Asked::UnderWay;
        }
        if self.is_full(size) {
            return Asked::Full;
        }
        let rare = self.rare.get(&digest);
        let willing = holders.iter().filter(|peer| rare.is_none_or(|r| !r.refused.contains(peer)));
        let willing: Vec<NodeId> = willing.copied().collect();
        let deep = rare.is_some_and(|rare| rare.deep);
        let is_near = rare.is_some_and(|rare| rare.displaced && !rare.searched);
        if willing.is_empty() || is_near {
            return self.search(digest, size);
        }
        let from = willing[usize::from(digest.0[0]) % willing.len()];
        self.start(digest, size, Some(from));
        self.unsent.entry(from).or_default().push(Want { digest, size, offset: 0, deep });
        Asked::UnderWay
    }

    fn search(&mut self, digest: Digest, size: u64) -> Asked {
        let rare = self.rare.entry(digest).or_default();
        if rare.searched {
            let is_same = rare.refused == rare.deniers;
            let before = if is_same { rare.denied } else { 0 };
            let denied = if rare.deep && !rare.unclear { before + 1 } else { 0 };
            let (deniers, hearsay) = (take(&mut rare.refused), take(&mut rare.hearsay));
            let unclear = rare.unclear;
            *rare = Rare { deep: true, denied, deniers, hearsay, ..Rare::default() };
            return match denied {
                _ if unclear => Asked::Unclear,
                ..LOST_ROUNDS_MIN => Asked::Nobody,
                _ => Asked::Lost,
            };
        }
        rare.searched = true;
        self.start(digest, size, None);
        Asked::Search
    }

    /// A peer says that these nodes do not have it either. Of interest only while it is searched.
    pub fn told(&mut self, peer: NodeId, digest: &Digest, nodes: Vec<NodeId>) {
        if let Some(rare) = self.rare.get_mut(digest) {
            rare.hearsay.insert(peer, nodes);
        }
    }

    /// Who does not have it, as connected peers have said of others.
    pub fn hearsay(&self, digest: &Digest) -> impl Iterator<Item = NodeId> + '_ {
        let said = self.rare.get(digest).into_iter().flat_map(|rare| rare.hearsay.values());
        said.flatten().copied()
    }

    /// Who has denied it, if that was often enough for it to be lost.
    pub fn deniers(&self, digest: &Digest) -> Option<Vec<NodeId>> {
        let rare = self.rare.get(digest).filter(|rare| rare.denied >= LOST_ROUNDS_MIN)?;
        Some(rare.deniers.iter().copied().collect())
    }

    /// Whether it could not be copied from the tree in this round: it is to be asked for.
    pub fn is_displaced(&self, digest: &Digest) -> bool {
        self.rare.get(digest).is_some_and(|rare| rare.displaced)
    }

    /// The content is being copied on this disk.
    pub fn copying(&mut self, digest: Digest, size: u64) -> Asked {
        if self.under_way.contains_key(&digest) {
            return Asked::UnderWay;
        }
        if self.is_full(size) {
            return Asked::Full;
        }
        self.start(digest, size, None);
        Asked::UnderWay
    }

    /// Whether there may be room for another content, of some size.
    pub fn has_room(&self) -> bool {
        !self.full
    }

    fn is_full(&mut self, size: u64) -> bool {
        let alone = self.under_way.is_empty();
        self.full = self.under_way.len() >= FETCHING_FILES_MAX
            || (!alone && self.bytes.saturating_add(size) > FETCHING_BYTES_MAX);
        self.full
    }

    fn start(&mut self, digest: Digest, size: u64, from: Option<NodeId>) {
        self.bytes += size;
        if let Some(peer) = from {
            let fresh = Owing { contents: 0, heard_ms: self.now_ms };
            self.owing.entry(peer).or_insert(fresh).contents += 1;
        }
        self.under_way.insert(digest, Request { size, from });
    }

    fn end(&mut self, digest: &Digest) -> Option<Request> {
        let request = self.under_way.remove(digest)?;
        self.bytes -= request.size;
        if let Some(peer) = request.from {
            let owing = self.owing.get_mut(&peer).expect("it was asked");
            (owing.contents, owing.heard_ms) = (owing.contents - 1, self.now_ms);
            if owing.contents == 0 {
                self.owing.remove(&peer);
            }
        }
        self.full = false;
        Some(request)
    }

    /// Some bytes of it have come.
    pub fn progressed(&mut self, digest: &Digest) {
        let from = self.under_way.get(digest).and_then(|request| request.from);
        if let Some(owing) = from.and_then(|peer| self.owing.get_mut(&peer)) {
            owing.heard_ms = self.now_ms;
        }
    }

    /// It is this monotonic millisecond. What a peer owes that has sent nothing for [`STALL_MS`]
    /// counts as refused by it; returns that.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Digest> {
        self.now_ms = now_ms;
        let late = |owing: &Owing| owing.heard_ms + STALL_MS <= now_ms;
        if !self.owing.values().any(late) {
            return Vec::new();
        }
        let owing = |request: &Request| request.from.and_then(|peer| self.owing.get(&peer));
        let stalled = self.under_way.iter().filter(|(_, r)| owing(r).is_some_and(late));
        let stalled: Vec<Digest> = stalled.map(|(&digest, _)| digest).collect();
        for digest in &stalled {
            self.failed(digest);
        }
        stalled
    }

    /// When a peer has owed something for too long.
    pub fn deadline(&self) -> Option<u64> {
        self.owing.values().map(|owing| owing.heard_ms + STALL_MS).min()
    }

    /// The content is whole, verified and staged.
    pub fn arrived(&mut self, digest: Digest) {
        self.end(&digest);
        self.rare.remove(&digest);
        if !self.staged.insert(digest) {
            *self.more.entry(digest).or_default() += 1;
        }
    }

    /// An operation did not use the content: it is staged, whatever became of it for others.
    pub fn given_back(&mut self, digest: Digest) {
        self.staged.insert(digest);
    }

    /// The content was installed.
    pub fn consumed(&mut self, digest: &Digest) {
        match self.more.get_mut(digest) {
            Some(more) if *more > 1 => *more -= 1,
            Some(_) => drop(self.more.remove(digest)),
            None => drop(self.staged.remove(digest)),
        }
    }

    /// The content is not staged any more.
    pub fn missing(&mut self, digest: &Digest) {
        self.more.remove(digest);
        self.late.insert(*digest);
        self.staged.remove(digest);
    }

    /// A peer does not give it, what came was not it, or this disk could not be read. Whether it
    /// was on its way at all.
    pub fn failed(&mut self, digest: &Digest) -> bool {
        self.over(digest, true)
    }

    /// A peer says that it does not have it, or it was looked for here and is not. Whether it was
    /// on its way at all.
    pub fn denied(&mut self, digest: &Digest) -> bool {
        self.over(digest, false)
    }

    fn over(&mut self, digest: &Digest, unclear: bool) -> bool {
        let Some(request) = self.end(digest) else { return false };
        self.clean = false;
        let rare = self.rare.entry(*digest).or_default();
        rare.unclear |= unclear;
        match request.from {
            Some(from) => drop(rare.refused.insert(from)),
            None => rare.displaced = true,
        }
        true
    }

    /// A peer is gone: what it was to send must be asked for again.
    pub fn peer_down(&mut self, peer: NodeId) -> Vec<Digest> {
        if broken(Mutant::WaitsForTheGone) {
            return Vec::new();
        }
        self.unsent.remove(&peer);
        for rare in self.rare.values_mut() {
            rare.hearsay.remove(&peer);
        }
        let lost = self.under_way.iter().filter(|(_, request)| request.from == Some(peer));
        let lost: Vec<Digest> = lost.map(|(&digest, _)| digest).collect();
        for digest in &lost {
            self.end(digest);
        }
        self.clean &= lost.is_empty();
        lost
    }

    /// Requests to be sent now, in messages of at most [`WANTS_MAX`].
    pub fn take_unsent(&mut self) -> Vec<(NodeId, Vec<Want>)> {
        let mut out = Vec::new();
        for (peer, wants) in take(&mut self.unsent) {
            out.extend(wants.chunks(WANTS_MAX).map(|chunk| (peer, chunk.to_vec())));
        }
        out
    }

    /// When nobody waits for anything: what is staged all the same, once; `None` if nothing can be
    /// left behind. A later version overtook it, or its sender went away and it came from another.
    pub fn take_left_behind(&mut self) -> Option<Vec<Digest>> {
        let nothing = self.clean && self.staged.is_empty() && self.late.is_empty();
        if nothing || !self.under_way.is_empty() {
            return None;
        }
        self.clean = true;
        self.rare.clear();
        self.more.clear();
        self.staged.append(&mut self.late);
        Some(take(&mut self.staged).into_iter().collect())
    }

    /// Whether the content is on its way.
    pub fn is_under_way(&self, digest: &Digest) -> bool {
        self.under_way.contains_key(digest)
    }

    /// Contents and bytes under way.
    pub fn under_way(&self) -> (usize, u64) {
        (self.under_way.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests;
