//! One folder's engine: inputs in, effects out. A switchboard that owns no knowledge of its own.
//!
//! The rule of driving it: any number of [`FolderEngine::handle`], then one [`FolderEngine::turn`],
//! then [`Index::commit`], and only when that has succeeded the effects of
//! [`FolderEngine::take_effects`] may be carried out: nothing is announced that is not durable.
//! Then sleep until [`FolderEngine::deadline`] or the next input.

use crate::content::{Content, Digest};
use crate::dot::NodeId;
use crate::entry::{Kind, Timestamp};
use crate::exchange::{Exchange, Offence, Outgoing};
use crate::fetch::Fetch;
use crate::index::{Index, Meta, Phase, ROOT_SLOT};
use crate::ledger::Facts;
use crate::message::Message;
use crate::observe::Stray;
use crate::pending::{Pending, Traffic, Wake};
use crate::proof::reached;
use crate::retire::Retire;

mod beside;
mod cause;
mod durable;
mod effect;
mod forget;
mod gone;
mod input;
mod lives;
mod looks;
mod lost;
mod names;
mod scans;
mod seek;
mod serving;
mod strays;
mod strife;
mod verdicts;
mod waits;
mod work;

use beside::Beside;
use lives::{Course, Renewal};
use looks::Doubts;
use seek::Seek;
use strife::Strife;

pub use effect::{Effect, Event, Happening, Origin};
pub use input::{Boot, Input, Now, Opening, Witness};
pub use waits::{Waiting, Why};

/// See the module's head.
#[derive(Clone, Debug)]
pub struct FolderEngine {
    facts: Facts,
    exchange: Exchange,
    fetch: Fetch,
    pending: Pending,
    traffic: Traffic,
    beside: Beside,
    doubts: Doubts,
    seek: Seek,
    strife: Strife,
    retire: Retire,
    effects: Vec<Effect>,
    now: Now,
    /// The tree is an older copy, which has not been looked at in full; see `durable`.
    older: Option<Timestamp>,
    /// When the machine came up, by the wall clock as it goes now.
    booted_at: Timestamp,
    /// The tree was empty when the folder was first taken up: nothing to import, nothing in the
    /// way.
    empty: bool,
    paused: bool,
    scanning: bool,
    /// Another scan is due: what the one that runs has passed by may have changed unseen since.
    scan_again: bool,
    scan_due_ms: Option<u64>,
    scan_pause_ms: u64,
    /// Changes may have been missed since the last scan began.
    overlooked: bool,
    /// The scan that runs began before a pause: what it passed by may have changed unseen since.
    is_stale: bool,
    /// A whole scan has ended since this run, or a pause, began.
    has_scanned: bool,
    epoch: u64,
    /// To be published once this node is a member that knows its disk.
    strays: Vec<Stray>,
    /// Since when rows are volatile, if any are.
    volatile_since_ms: Option<u64>,
    renewal: Renewal,
    syncing: bool,
    /// For the sync under way: see [`Meta::synced_ms`].
    seen_ms: Option<u64>,
    /// The last sync failed: the next one begins no earlier.
    sync_rests_until_ms: u64,
    woken: bool,
}

impl FolderEngine {
    /// Opens the folder that `index` remembers. A first opening writes down the root.
    pub fn open(index: &mut dyn Index, opening: Opening) -> FolderEngine {
        let mut facts = Facts::load(index);
        let same_boot = facts.meta.boot == opening.boot.id;
        let crashed = facts.stopped_ms.is_none();
        let first = index.seen(ROOT_SLOT).is_none();
        let course = lives::course(&facts.meta, index, &opening);
        if !first && course != Course::GoesOn {
            reached("a life ends at an opening");
        }
        if first || course != Course::GoesOn {
            facts.meta.incarnation = opening.fresh.incarnation;
            facts.meta.counter = 0;
            index.put_incarnation(&opening.fresh);
        }
        facts.meta.boot = opening.boot.id;
        if first {
            index.put_seen(&scans::root_row(&opening.root, facts.meta.phase));
        }
        let mut exchange = Exchange::default();
        exchange.resume(&facts, index);
        let volatile = durable::waits_for_sync(index);
        // An orderly stop does not say that what it left volatile was ever synced.
        facts.meta.shaken |= !first && !same_boot && (crashed || volatile);
        let older = durable::older_until(&facts.meta, opening.noted);
        let epoch = durable::first_epoch(&facts.meta, opening.noted);
        let mut engine = FolderEngine {
            renewal: Renewal::since(facts.meta.counter, course),
            facts,
            exchange,
            fetch: Fetch::default(),
            pending: Pending::default(),
            traffic: Traffic::default(),
            beside: Beside::default(),
            doubts: Doubts::resumed(index),
            seek: Seek::default(),
            strife: Strife::default(),
            retire: Retire::default(),
            effects: Vec::new(),
            now: Now::default(),
            older,
            booted_at: opening.boot.at,
            empty: first && opening.empty,
            paused: false,
            scanning: false,
            scan_again: false,
            scan_due_ms: None,
            scan_pause_ms: 0,
            overlooked: false,
            is_stale: false,
            has_scanned: false,
            epoch,
            strays: Vec::new(),
            volatile_since_ms: volatile.then_some(0),
            syncing: false,
            seen_ms: None,
            sync_rests_until_ms: 0,
            woken: true,
        };
        engine.settle_old_epochs(index);
        let put_back = !first && course == Course::PutBack;
        if engine.facts.meta.shaken || put_back || older.is_some() {
            engine.forget_kept(index);
        }
        engine.effects.extend(older.map(|_| Effect::TreePutBack));
        if put_back {
            engine.effects.push(Effect::PutBack);
        }
        engine.start_scan();
        engine
    }

    /// Takes one input in.
    pub fn handle(&mut self, now: Now, index: &mut dyn Index, input: Input) {
        let Some(input) = self.renewal.admit(input) else { return };
        self.now = now;
        for digest in self.fetch.tick(now.mono_ms) {
            self.pending.wake(index, Wake::Content(digest));
        }
        self.doubts.committed(now.mono_ms);
        self.facts.wall_ms = now.wall_ms;
        match input {
            Input::PeerUp(peer) => {
                self.effects.push(Effect::Send(self.exchange.up(&self.facts, peer)));
                self.seek_anew(index);
            }
            Input::PeerDown(peer) => {
                self.peer_down(index, peer);
                self.import_if_told(index);
            }
            Input::Congested(peer, congested) => self.exchange.congestion(peer, congested),
            Input::Message(peer, message) => {
                if let Err(Offence(why)) = self.hear(index, peer, message) {
                    self.peer_down(index, peer);
                    self.effects.push(Effect::Refuse(peer, why));
                }
            }
            Input::Observed(began_ms, batch) => self.observed(index, began_ms, batch),
            Input::Scanned(complete) => self.scanned(index, complete),
            Input::Applied(outcomes) => self.applied(index, outcomes),
            Input::Staged(digests) => {
                for digest in digests {
                    self.fetch.arrived(digest);
                    self.pending.wake(index, Wake::Content(digest));
                }
            }
            Input::Progress(digests) => {
                digests.iter().for_each(|digest| self.fetch.progressed(digest));
            }
            Input::NotStaged(digests) => self.not_staged(index, &digests, Fetch::failed),
            Input::NotHere(digests) => self.not_staged(index, &digests, Fetch::denied),
            Input::Stray(stray) => self.strays.push(stray),
            Input::Doubted(paths) => self.look_at(paths),
            Input::Synced(epoch) => self.synced(index, epoch, now),
            Input::NotSynced => self.not_synced(now),
            Input::Paused(paused) => {
                self.paused = paused;
                self.has_scanned &= !paused;
                self.is_stale |= paused && self.scanning;
            }
            Input::Rescan => self.start_scan(),
            Input::Overlooked => self.overlooked(),
            Input::Life(record) => self.begin_life(now, index, &record),
            Input::Ways(ways) => self.take_ways(index, ways),
            Input::Removed(nodes) => self.take_removed(index, nodes),
            Input::Verdict(verdict) => self.decree(index, &verdict),
            Input::Tick => {}
        }
        self.woken = true;
    }

    /// Ends a turn: what the inputs led to is decided and put into effects.
    pub fn turn(&mut self, now: Now, index: &mut dyn Index) {
        if self.renewal.is_under_way() {
            return self.facts.save(index);
        }
        self.now = now;
        self.facts.wall_ms = now.wall_ms;
        self.traffic.forget(now.mono_ms);
        self.pending.expire(index, now.mono_ms);
        self.seek_all(index);
        self.publish_strays(index);
        self.publish_due(index);
        self.revive_orphaned(index);
        self.work(index);
        self.unstage(&*index);
        let written = std::mem::take(&mut self.facts.written);
        self.exchange.written(&self.facts, &written);
        if !written.is_empty() {
            self.retire.wake(now.mono_ms);
        }
        // A directory may be back because something was put into it here.
        let is_dir = |id| index.entry(id).is_some_and(|stored| stored.entry.kind == Kind::Dir);
        let is_awaited = self.pending.is_awaited(&Wake::Arrival);
        if is_awaited && written.iter().any(|(id, _)| is_dir(*id)) {
            self.pending.wake(index, Wake::Arrival);
        }
        self.retire(index);
        self.facts.save(index);
        let out = self.exchange.speak(&self.facts, index, now.mono_ms);
        self.effects.extend(out.into_iter().map(Effect::Send));
        for (peer, wants) in self.fetch.take_unsent() {
            let message = Message::Want(wants);
            self.effects.push(Effect::Send(Outgoing { peer, message, inline: Vec::new() }));
        }
        if self.traffic.take_lost() {
            self.overlooked();
        }
        self.scan_when_due();
        let again = self.traffic.take_deferred(now.mono_ms);
        self.put_off_import(&again);
        if !again.is_empty() && !self.paused {
            self.effects.push(Effect::Observe(again));
        }
        self.look_again(&*index);
        self.doubts.turned();
        self.sync(index);
        self.woken = false;
    }

    /// What is to be carried out once the index is committed.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Tick`] is due, in monotonic milliseconds; now, if more waits to be done.
    pub fn deadline(&self) -> Option<u64> {
        if self.renewal.is_under_way() {
            return None;
        }
        let streaming = self.exchange.peers().any(|(_, peer)| peer.is_streaming());
        if self.woken || streaming || self.has_work() {
            return Some(self.now.mono_ms);
        }
        let sync = self.sync_due_ms();
        let doubt = self.doubts.deadline().filter(|_| !self.paused);
        let stall = self.fetch.deadline();
        let beside = self.beside.deadline().filter(|_| self.takes_verdicts());
        let (pending, exchange) = (self.pending.deadline(), self.exchange.deadline());
        let retire = self.retire.deadline().filter(|_| self.may_retire());
        let (scan, seek) = (self.scan_due_ms(), self.seek.deadline());
        let due = [pending, exchange, stall, sync, doubt, beside, scan, retire, seek];
        due.into_iter().flatten().min()
    }

    /// An orderly stop: everything minted is durable, and the next start need not suspect damage.
    pub fn stop(&mut self, now: Now, index: &mut dyn Index) {
        self.facts.meta.clean_stop_ms = Some(now.wall_ms);
        self.facts.save(index);
    }

    /// The folder's facts, for views.
    pub fn meta(&self) -> &Meta {
        &self.facts.meta
    }

    /// All conversations, for views and barriers.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// What this node has seen.
    pub fn knowledge(&self) -> &crate::dot::Knowledge {
        &self.facts.knowledge
    }

    /// Contents and bytes under way to this node.
    pub fn fetching(&self) -> (usize, u64) {
        self.fetch.under_way()
    }

    /// Whether looks at changed paths were put off because operations are at work there, or what
    /// they showed is not believed yet, or only a scan tells where to look.
    pub fn has_deferred_looks(&self) -> bool {
        self.owes_looks() || self.overlooked
    }

    /// Whether something is to be looked at again.
    fn owes_looks(&self) -> bool {
        self.traffic.has_deferred() || self.doubts.deadline().is_some()
    }

    /// Whether the index knows all that lies on this disk: no look is owed.
    fn sees_all(&self) -> bool {
        self.has_scanned && !self.paused && !self.has_deferred_looks()
    }

    /// Whether what changed while nobody watched has been found, before this run or in a pause.
    pub fn has_scanned(&self) -> bool {
        self.has_scanned
    }

    /// Whether the machine lost power since the index was in use, and no scan has told yet what
    /// that did.
    pub fn lost_power(&self) -> bool {
        self.facts.meta.shaken
    }

    /// Whether a joining folder still waits for its first member's entries.
    pub fn is_joining(&self) -> bool {
        self.facts.meta.phase == Phase::Joining
    }

    fn peer_down(&mut self, index: &mut dyn Index, peer: NodeId) {
        self.exchange.down(peer);
        self.retire.peer_down(peer);
        // What was to be said in this session must not be said in the next.
        self.effects.retain(|effect| effect.peer() != Some(peer));
        for digest in self.fetch.peer_down(peer) {
            self.pending.wake(index, Wake::Content(digest));
        }
    }

    fn hear(
        &mut self,
        index: &mut dyn Index,
        peer: NodeId,
        message: Message,
    ) -> Result<(), Offence> {
        if self.exchange.peer(peer).is_none() {
            // On its way when the conversation ended.
            return Ok(());
        }
        if self.outlived(&*index, peer, &message) {
            self.renewal.hold(Input::Message(peer, message));
            return Ok(());
        }
        if message.tells_knowledge() {
            self.retire.wake(self.now.mono_ms);
        }
        match message {
            Message::Hello(hello) => {
                self.facts.meta.hlc = self.facts.meta.hlc.met(hello.hlc, self.now.wall_ms);
                Ok(())
            }
            Message::Share(share) => {
                self.exchange.share(&mut self.facts, index, peer, share)?;
                self.news_of_content(index);
                Ok(())
            }
            Message::Frame(frame) => {
                self.exchange.frame(&mut self.facts, index, peer, frame)?;
                self.import_if_told(index);
                self.pending.wake(index, Wake::Arrival);
                self.news_of_content(index);
                Ok(())
            }
            Message::DeltaEnd(end) => {
                self.exchange.delta_end(&mut self.facts, index, peer, end)?;
                self.import_if_told(index);
                self.news_of_content(index);
                Ok(())
            }
            Message::Sums(sums) => self.exchange.sums(index, peer, &sums),
            Message::Differs(range) => self.exchange.differs(index, peer, range),
            Message::Standing(said) => {
                self.retire.hear(&self.facts, index, said);
                Ok(())
            }
            Message::Ack(ack) => {
                self.exchange.ack(&self.facts, peer, ack)?;
                self.news_of_content(index);
                Ok(())
            }
            Message::Want(wants) => {
                self.serve(index, peer, wants);
                Ok(())
            }
            Message::Gone(digests) => {
                self.not_staged(index, &digests, Fetch::denied);
                Ok(())
            }
            Message::NotNow(digests) => {
                self.not_staged(index, &digests, Fetch::failed);
                Ok(())
            }
            Message::Nowhere(digest, nodes) => {
                self.hear_nowhere(index, peer, &digest, nodes);
                Ok(())
            }
            Message::Data(_) => Err(Offence("it sends contents where only index frames go")),
        }
    }

    /// A joining node that has been told what the cluster holds looks at its own disk: at the end
    /// of a member's walk, or after the last answer that this end waited for.
    fn import_if_told(&mut self, index: &dyn Index) {
        if self.facts.meta.phase != Phase::Joining {
            return;
        }
        let own = self.facts.meta.incarnation;
        let owners = index.incarnations();
        let Some(own) = owners.iter().find(|life| life.incarnation == own) else { return };
        if self.exchange.may_import(own.node) {
            self.facts.meta.phase = Phase::Importing;
            self.start_scan();
        }
    }

    fn unstage(&mut self, index: &dyn Index) {
        // Before the first look nobody knows what is missing here, and this may be the only copy.
        if self.has_scanned && index.pending_after(0, 1).is_empty() {
            self.effects.extend(self.fetch.take_left_behind().map(Effect::Unstage));
        }
    }

    /// Before the first look nobody knows what was renamed meanwhile: a change would find it gone.
    fn may_work(&self) -> bool {
        let ready = match self.facts.meta.phase {
            Phase::Member => self.has_scanned,
            Phase::Joining | Phase::Importing => {
                let is_shaken = self.facts.meta.shaken || self.older.is_some();
                self.empty && !is_shaken && self.facts.unsure.is_empty()
            }
        };
        ready && !self.paused
    }
}

/// The digest of a file's content.
fn digest_of(content: Option<&Content>) -> Option<Digest> {
    content.and_then(Content::digest)
}

#[cfg(test)]
mod tests;
