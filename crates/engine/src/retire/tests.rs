//! Which deletions are forgotten, and when: never before all that count know of them.

use super::Retire;
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{
    Entry, EntryId, Hlc, IncarnationRecord, Kind, Location, Presence, Rank, Sight, Stamp, ROOT,
};
use crate::index::{Index, MemIndex, Meta, Phase};
use crate::ledger::{self, Author, Facts};
use crate::limits::{DELETION_AGE_MS, MEMBER_EXPIRY_MS, RETIRE_EVERY_MS};
use crate::message::Standing;
use crate::path::Name;
use crate::register::Version;
use crate::wire::Minted;

const START_MS: u64 = 1_800_000_000_000;

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn life(n: u8) -> Incarnation {
    Incarnation([n; 16])
}

/// Node 1 with nodes 2 and 3, and a clock.
struct Lab {
    facts: Facts,
    index: MemIndex,
    retire: Retire,
    now_ms: u64,
}

impl Lab {
    fn new() -> Lab {
        let mut index = MemIndex::new(Meta::new(life(1), Phase::Member, [0; 16]));
        for n in 1..=3 {
            let (node, signature) = (node(n), vec![n]);
            index.put_incarnation(&IncarnationRecord { incarnation: life(n), node, signature });
        }
        let mut facts = Facts::load(&index);
        facts.wall_ms = START_MS;
        Lab { facts, index, retire: Retire::default(), now_ms: 0 }
    }

    /// A deleted thing in a directory; its id and the operation.
    fn deleted(&mut self, kind: Kind, parent: EntryId, name: &[u8]) -> (EntryId, Dot) {
        let name = Name::new(name).unwrap();
        let id = EntryId::derive(parent, kind, &name, None);
        let (dot, hlc) = (self.facts.mint(), Hlc::from_unix_ms(self.facts.wall_ms));
        let stamp = Stamp { rank: Rank::Write, hlc, dot };
        let state = Presence::Deleted(Sight::Live);
        let place = Location { parent, name, stamp, state };
        let mut entry = Entry::new(id, kind);
        entry.loc.insert(Version { dot, minted: place.mint().into(), value: place });
        ledger::put(&mut self.facts, &mut self.index, entry, None, Author::Here, &[dot]);
        (id, dot)
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.facts.wall_ms += ms;
    }

    /// Somebody is heard of, and time passes until all that is due was looked at.
    fn look(&mut self, connected: &[(NodeId, &Knowledge)]) -> Vec<(NodeId, Standing)> {
        self.retire.wake(self.now_ms);
        let mut said = Vec::new();
        let until_ms = self.now_ms + DELETION_AGE_MS + 2 * RETIRE_EVERY_MS;
        while let Some(due_ms) = self.retire.deadline().filter(|due_ms| *due_ms <= until_ms) {
            self.pass(due_ms.saturating_sub(self.now_ms));
            let (facts, index) = (&mut self.facts, &mut self.index);
            said.extend(self.retire.turn(self.now_ms, facts, index, connected));
        }
        said
    }

    fn knows(&self, id: EntryId) -> bool {
        self.index.entry(id).is_some()
    }
}

#[test]
fn a_deletion_goes_when_all_have_seen_it_and_not_before_its_time() {
    let mut lab = Lab::new();
    let (id, dot) = lab.deleted(Kind::File, ROOT, b"a");
    let (all, nothing) = (lab.facts.knowledge.clone(), Knowledge::default());
    lab.look(&[(node(2), &all), (node(3), &nothing)]);
    assert!(lab.knows(id), "node 3 has not seen it");
    lab.pass(DELETION_AGE_MS);
    let began_ms = lab.now_ms;
    lab.look(&[(node(2), &all), (node(3), &all)]);
    assert!(!lab.knows(id));
    assert!(lab.facts.frontier.contains(dot), "who has not seen it compares everything");
    assert!(lab.now_ms - began_ms < 2 * RETIRE_EVERY_MS, "it was old enough already");
    let (young, _) = lab.deleted(Kind::File, ROOT, b"b");
    let all = lab.facts.knowledge.clone();
    let began_ms = lab.now_ms;
    lab.look(&[(node(2), &all), (node(3), &all)]);
    assert!(!lab.knows(young) && lab.now_ms - began_ms >= DELETION_AGE_MS);
}

#[test]
fn who_was_not_heard_of_for_long_is_not_waited_for() {
    let mut lab = Lab::new();
    let (id, _) = lab.deleted(Kind::File, ROOT, b"a");
    let all = lab.facts.knowledge.clone();
    lab.look(&[(node(2), &all)]);
    assert!(lab.knows(id), "node 3 counts from the moment it is known");
    lab.pass(MEMBER_EXPIRY_MS);
    lab.look(&[(node(2), &all)]);
    assert!(!lab.knows(id));
}

#[test]
fn what_others_say_of_a_node_counts_and_is_passed_on_once() {
    let mut lab = Lab::new();
    let (id, _) = lab.deleted(Kind::File, ROOT, b"a");
    let all = lab.facts.knowledge.clone();
    let said = Standing { node: node(3), knowledge: all.clone(), age_ms: 5 };
    lab.retire.hear(&lab.facts, &mut lab.index, said);
    let told = lab.look(&[(node(2), &all)]);
    assert!(!lab.knows(id));
    let to: Vec<_> = told.iter().map(|(peer, said)| (*peer, said.node)).collect();
    assert_eq!(to, [(node(2), node(3))], "nobody is told of itself");
    assert!(lab.look(&[(node(2), &all)]).is_empty(), "it was told");
    let myself = Standing { node: node(1), knowledge: Knowledge::default(), age_ms: 0 };
    lab.retire.hear(&lab.facts, &mut lab.index, myself);
    assert!(lab.index.standings().iter().all(|standing| standing.node != node(1)));
}

// What a node did before it knew of the deletion may still be on its way: only when all of it has
// arrived nothing can need the deletion any more.
#[test]
fn a_claim_counts_when_all_that_it_names_has_arrived() {
    let mut lab = Lab::new();
    let (id, _) = lab.deleted(Kind::Dir, ROOT, b"a");
    let all = lab.facts.knowledge.clone();
    let mut more = all.clone();
    more.insert(Dot { incarnation: life(2), counter: 1 });
    lab.look(&[(node(2), &more), (node(3), &all)]);
    assert!(lab.knows(id), "something of node 2 is still on its way");
    lab.facts.knowledge.merge(&more);
    let later = {
        let mut later = more.clone();
        later.insert(Dot { incarnation: life(2), counter: 2 });
        later
    };
    lab.look(&[(node(2), &later), (node(3), &all)]);
    assert!(!lab.knows(id), "what it said before has arrived by now");
}

#[test]
fn a_directory_goes_after_what_was_in_it_and_nothing_goes_that_this_disk_shows() {
    let mut lab = Lab::new();
    let (dir, _) = lab.deleted(Kind::Dir, ROOT, b"dir");
    let (inner, _) = lab.deleted(Kind::Dir, dir, b"inner");
    let (file, dot) = lab.deleted(Kind::File, inner, b"file");
    ledger::mark(&mut lab.facts, &mut lab.index, file, &[dot]);
    let all = lab.facts.knowledge.clone();
    lab.look(&[(node(2), &all), (node(3), &all)]);
    assert!(lab.knows(dir) && lab.knows(inner) && lab.knows(file), "the file is not done with");
    lab.index.remove_pending(file);
    lab.look(&[(node(2), &all), (node(3), &all)]);
    assert!(!lab.knows(dir) && !lab.knows(inner) && !lab.knows(file));
    assert_eq!(lab.index.entry_count(), 0);
}
