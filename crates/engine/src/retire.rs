//! Deletions that all nodes know of are forgotten, never by age alone.
//!
//! A deletion is remembered only so that others hear of it. It can go when every node that holds
//! the folder, and was heard of within [`MEMBER_EXPIRY_MS`], has seen it, and this one has seen all
//! that they had seen then: nothing that they did before they knew of it can still arrive (causal
//! stability, as in DottedDB and the move CRDT of Kleppmann et al.). What was forgotten is kept as
//! a frontier, one counter for each life; who has not seen all below it compares everything
//! (`exchange`). Called by the engine at the end of a turn, and for what peers say of others.

use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::EntryId;
use crate::exchange;
use crate::index::{Index, Standing, Stored};
use crate::ledger::Facts;
use crate::limits::{
    DELETION_AGE_MS, MEMBER_EXPIRY_MS, RETIRE_EVERY_MS, RETIRE_PAGE, RETIRE_PAUSE_MS,
    STANDINGS_MAX, STANDING_AGAIN_MS,
};
use crate::message;
use crate::proof::{broken, reached, Mutant};
use crate::view;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Retire {
    /// What others claim to have seen, as long as this node has not seen all of it.
    claims: BTreeMap<NodeId, Knowledge>,
    /// What was told to whom of whom.
    told: BTreeMap<(NodeId, NodeId), Told>,
    /// Where the look at all deletions stands, while one is under way.
    look: Option<Look>,
    /// When the next turn of it, or the next look, begins; monotonic milliseconds.
    due_ms: Option<u64>,
    /// Since when something is too young: a wall clock may stand still.
    young_since: Option<Since>,
}

/// A moment, in milliseconds of both clocks.
#[derive(Clone, Copy, Debug)]
struct Since {
    mono_ms: u64,
    wall_ms: u64,
}

/// One look at all deletions.
#[derive(Clone, Debug)]
struct Look {
    after: Option<EntryId>,
    stable: BTreeMap<Incarnation, u64>,
    /// Something was forgotten in it, and something is left: directories go after what was in them.
    forgot: bool,
    left: bool,
    /// In how many milliseconds the first becomes old enough that is too young.
    again_ms: Option<u64>,
    /// Nothing is too young any more: the wall clock does not go on.
    is_late: bool,
}

/// How far a node was said to be. What it has seen only grows: the number of its dots tells whether
/// it has.
#[derive(Clone, Copy, Debug)]
struct Told {
    dots: u64,
    heard_ms: u64,
}

/// Who is connected, and what they say that they have seen.
pub type Connected<'a> = &'a [(NodeId, &'a Knowledge)];

impl Retire {
    /// When it is to be called.
    pub fn deadline(&self) -> Option<u64> {
        self.due_ms
    }

    /// Something was written, or somebody was heard of: deletions may be due some time later.
    pub fn wake(&mut self, now_ms: u64) {
        self.due_ms.get_or_insert(now_ms + RETIRE_EVERY_MS);
    }

    /// A connected node says how far another is.
    pub fn hear(&mut self, facts: &Facts, index: &mut dyn Index, said: message::Standing) {
        if Some(said.node) == own_node(facts, index) {
            return;
        }
        let heard_ms = facts.wall_ms.saturating_sub(said.age_ms);
        self.stands(facts, index, said.node, &said.knowledge, heard_ms);
    }

    /// Looks at the next deletions, if it is time; what is to be told to whom.
    pub fn turn(
        &mut self,
        now_ms: u64,
        facts: &mut Facts,
        index: &mut dyn Index,
        connected: Connected<'_>,
        elsewhere: &Knowledge,
    ) -> Vec<(NodeId, message::Standing)> {
        if self.due_ms.is_none_or(|due_ms| now_ms < due_ms) {
            return Vec::new();
        }
        let mut out = Vec::new();
        if self.look.is_none() {
            for (node, knowledge) in connected {
                self.stands(facts, index, *node, knowledge, facts.wall_ms);
            }
            out = self.tell(facts, index, connected);
            self.begin(now_ms, facts, index);
        }
        self.due_ms = self.go_on(facts, index, elsewhere).map(|pause_ms| now_ms + pause_ms);
        out
    }

    /// Another node was heard of. What it has seen counts once this one has seen all of it, too.
    fn stands(
        &mut self,
        facts: &Facts,
        index: &mut dyn Index,
        node: NodeId,
        knowledge: &Knowledge,
        heard_ms: u64,
    ) {
        let old = index.standing(node);
        if old.is_none() && index.standings().len() >= STANDINGS_MAX {
            return;
        }
        let nothing = || Standing { node, knowledge: Knowledge::default(), heard_ms };
        let mut standing = old.clone().unwrap_or_else(nothing);
        standing.heard_ms = standing.heard_ms.max(heard_ms);
        for claim in [self.claims.remove(&node).as_ref(), Some(knowledge)].into_iter().flatten() {
            if claim.is_within(&facts.knowledge) {
                standing.knowledge.merge(claim);
            }
        }
        if !knowledge.is_within(&facts.knowledge) {
            self.claims.insert(node, knowledge.clone());
        }
        if old.as_ref() != Some(&standing) {
            index.put_standing(&standing);
        }
    }

    /// What others have not been told yet of how far nodes are.
    fn tell(
        &mut self,
        facts: &Facts,
        index: &dyn Index,
        connected: Connected<'_>,
    ) -> Vec<(NodeId, message::Standing)> {
        let mut out = Vec::new();
        let standings = index.standings().into_iter();
        let standings: Vec<_> =
            standings.map(|standing| (standing.knowledge.dots(), standing)).collect();
        for (peer, _) in connected {
            for (dots, standing) in standings.iter().filter(|(_, standing)| standing.node != *peer)
            {
                let told = self.told.get(&(*peer, standing.node));
                let is_news = told.is_none_or(|told| {
                    told.dots != *dots || told.heard_ms + STANDING_AGAIN_MS <= standing.heard_ms
                });
                if is_news {
                    let Standing { node, knowledge, heard_ms } = standing.clone();
                    self.told.insert((*peer, node), Told { dots: *dots, heard_ms });
                    let age_ms = facts.wall_ms.saturating_sub(heard_ms);
                    out.push((*peer, message::Standing { node, knowledge, age_ms }));
                }
            }
        }
        out
    }

    /// A peer is gone: the next connection begins anew.
    pub fn peer_down(&mut self, peer: NodeId) {
        self.told.retain(|(to, _), _| *to != peer);
    }

    fn begin(&mut self, now_ms: u64, facts: &Facts, index: &mut dyn Index) {
        let (after, forgot, left, again_ms) = (None, false, false, None);
        let now = Since { mono_ms: now_ms, wall_ms: facts.wall_ms };
        let waited =
            self.young_since.filter(|since| since.mono_ms + DELETION_AGE_MS <= now.mono_ms);
        // Where it does, it tells what is old by now, and what was deleted since.
        let is_late = waited.is_some_and(|since| now.wall_ms < since.wall_ms + DELETION_AGE_MS);
        self.young_since = self.young_since.filter(|_| waited.is_none()).or(Some(now));
        let stable = stable(facts, index);
        self.look = Some(Look { after, stable, forgot, left, again_ms, is_late });
    }

    /// One page of a look; in how many milliseconds the next is due, if anything is to come.
    fn go_on(
        &mut self,
        facts: &mut Facts,
        index: &mut dyn Index,
        elsewhere: &Knowledge,
    ) -> Option<u64> {
        let look = self.look.as_mut()?;
        let page = index.deleted(look.after, RETIRE_PAGE);
        for id in &page {
            match judge(facts, index, look, elsewhere, *id) {
                Verdict::Goes(dots) => {
                    reached("retire: a deletion is forgotten");
                    for dot in dots {
                        facts.frontier.insert_range(dot.incarnation, 1, dot.counter);
                    }
                    index.remove_entry(*id);
                    look.forgot = true;
                }
                Verdict::In(ms) => look.again_ms = look.again_ms.into_iter().chain([ms]).min(),
                Verdict::After => look.left = true,
                Verdict::Returns => {
                    reached("retire: somebody may have forgotten an end of what lives");
                    facts.returned.insert(*id);
                }
                Verdict::Stays => {}
            }
        }
        look.after = page.last().copied();
        if look.after.is_some() {
            return Some(RETIRE_PAUSE_MS);
        }
        let again_ms = (look.left && look.forgot).then_some(RETIRE_PAUSE_MS).or(look.again_ms);
        if again_ms.is_none() {
            self.young_since = None;
        }
        self.look = None;
        again_ms
    }
}

enum Verdict {
    /// It can be forgotten; these are its operations.
    Goes(Vec<Dot>),
    /// Not before so many milliseconds have passed.
    In(u64),
    /// Not before what was in it.
    After,
    /// It lives, and somebody may have forgotten one that deleted it: it is said again, so that all
    /// remember the same of it.
    Returns,
    /// Some node may not know of it, or this one has not done with it.
    Stays,
}

fn judge(
    facts: &Facts,
    index: &mut dyn Index,
    look: &Look,
    elsewhere: &Knowledge,
    id: EntryId,
) -> Verdict {
    let Some(stored) = index.entry(id) else { return Verdict::Stays };
    if !view::is_deleted(&stored) {
        // Listed by an index of an older program.
        index.put_entry(&stored);
        return Verdict::Stays;
    }
    // What several names show has no place, and lives by its names.
    if view::is_alive(&stored) || view::is_shown(index, id) {
        let returns = exchange::is_forgotten(facts, elsewhere, &stored.entry)
            && !exchange::is_kept_up(&stored)
            && !broken(Mutant::EndsLeftBeside);
        return if returns { Verdict::Returns } else { Verdict::Stays };
    }
    let dots = stored.entry.dots();
    let is_stable =
        |dot: &Dot| look.stable.get(&dot.incarnation).is_some_and(|n| dot.counter <= *n);
    if !dots.iter().all(is_stable) && !broken(Mutant::RetireByAge) {
        return Verdict::Stays;
    }
    if index.pending(id).is_some() || index.seen_of(id).is_some() {
        return Verdict::In(RETIRE_EVERY_MS);
    }
    // A context that is within K by now is no more.
    let reflects_more = stored.context.is_some_and(|id| facts.contexts.contains_key(&id));
    if reflects_more || !index.kept_of(id).is_empty() {
        return Verdict::Stays;
    }
    // Who has not heard that this is over still says so of a name: it is to be told.
    if !index.names_of(id).is_empty() {
        return Verdict::After;
    }
    // What was put there, too, may be shown there when it goes from where it is.
    let is_needed = exchange::has_aside(facts, index, id);
    let has_more = is_needed || !index.children(id, None, 1).is_empty();
    if has_more && !broken(Mutant::RetireUnderChildren) {
        return Verdict::After;
    }
    match too_young_for_ms(facts, &stored).filter(|_| !look.is_late) {
        Some(ms) => Verdict::In(ms),
        None => Verdict::Goes(dots),
    }
}

/// How long it is to be remembered yet, in milliseconds. A deletion from the future, by our clock,
/// is as old as any.
fn too_young_for_ms(facts: &Facts, stored: &Stored) -> Option<u64> {
    let stamps = stored.entry.loc.versions().iter().map(|version| version.value.stamp.hlc);
    let deleted_ms = stamps.max()?.unix_ms();
    let old_ms = deleted_ms + DELETION_AGE_MS;
    (deleted_ms <= facts.wall_ms && facts.wall_ms < old_ms).then(|| old_ms - facts.wall_ms)
}

/// Of each life: every node that counts has seen everything up to this counter, and this one has
/// seen all that they had.
fn stable(facts: &Facts, index: &mut dyn Index) -> BTreeMap<Incarnation, u64> {
    let mut stable: BTreeMap<Incarnation, u64> =
        facts.knowledge.iter().map(|(life, seen)| (life, seen.prefix())).collect();
    let own = own_node(facts, index);
    let standings = index.standings();
    let known: BTreeSet<NodeId> = standings.iter().map(|standing| standing.node).collect();
    let owners: BTreeSet<NodeId> = index.incarnations().iter().map(|life| life.node).collect();
    let mut away: Vec<Standing> = Vec::new();
    for node in owners.into_iter().filter(|node| Some(*node) != own && !known.contains(node)) {
        // From now on it is waited for.
        let standing = Standing { node, knowledge: Knowledge::default(), heard_ms: facts.wall_ms };
        index.put_standing(&standing);
        away.push(standing);
    }
    let counts = |standing: &&Standing| {
        let is_silent = standing.heard_ms + MEMBER_EXPIRY_MS <= facts.wall_ms;
        !is_silent || broken(Mutant::SilentHoldForEver)
    };
    for standing in standings.iter().chain(&away).filter(counts) {
        for (life, counter) in &mut stable {
            let seen = standing.knowledge.of(*life).map_or(0, |seen| seen.prefix());
            *counter = seen.min(*counter);
        }
    }
    stable
}

fn own_node(facts: &Facts, index: &dyn Index) -> Option<NodeId> {
    let lives = index.incarnations();
    lives.iter().find(|life| life.incarnation == facts.meta.incarnation).map(|life| life.node)
}

#[cfg(test)]
mod tests;
