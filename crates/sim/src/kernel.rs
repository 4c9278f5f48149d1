//! The kernel's queue of events between a disk and the program that watches it: what it tells comes
//! late, merged, twice, out of order between directories, or not at all.
//!
//! Of one directory the order stays. What goes wrong is the run's options' to say. Read by
//! `node::eyes`, which makes hints of what comes out.

use crate::disk::model::Told;
use crate::random::Random;
use crate::swarm::{Counts, Options};
use std::collections::VecDeque;

/// How long a queue is not read, in milliseconds, at most.
const LAG_MS: [usize; 3] = [40, 400, 4_000];

/// What was told and not read yet.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<(u64, Told)>,
}

/// What is read.
#[derive(Debug, Default)]
pub struct Heard {
    /// Events, in order.
    pub told: Vec<Told>,
    /// More came than the queue could hold.
    pub lost: bool,
    /// There is more, but not before this millisecond.
    pub next_ms: Option<u64>,
}

/// What says what goes wrong, and where it is counted.
pub struct Chance<'a> {
    /// How often what goes wrong.
    pub options: Options,
    /// When.
    pub random: &'a mut Random,
    /// What did.
    pub faults: &'a mut Counts,
}

impl Chance<'_> {
    fn strikes(&mut self, permille: usize, kind: &'static str) -> bool {
        let strikes = permille > 0 && self.random.chance(permille);
        if strikes {
            self.faults.add(kind);
        }
        strikes
    }
}

impl Queue {
    /// Takes what a disk has told, and gives what may be read now.
    pub fn read(&mut self, now_ms: u64, told: Vec<Told>, chance: &mut Chance<'_>) -> Heard {
        let lost = self.put(now_ms, told, chance);
        let due = self.waiting.iter().take_while(|(due_ms, _)| *due_ms <= now_ms).count();
        let told = self.waiting.drain(..due).map(|(_, one)| one).collect();
        let next_ms = self.waiting.front().map(|(due_ms, _)| *due_ms);
        Heard { told, lost, next_ms }
    }

    /// True if there was no room for all.
    fn put(&mut self, now_ms: u64, mut told: Vec<Told>, chance: &mut Chance<'_>) -> bool {
        if told.is_empty() {
            return false;
        }
        let Options { overflows, misses, merges, shuffles, lags, .. } = chance.options;
        let lost = chance.strikes(overflows, "event queue overflow");
        if lost {
            told.truncate(chance.random.below(told.len()));
        }
        told.retain(|_| !chance.strikes(misses, "event lost unsaid"));
        merge(&mut told, merges, chance);
        if chance.strikes(shuffles, "events out of order") {
            told = shuffled(told, chance.random);
        }
        let mut due_ms = self.waiting.back().map_or(0, |(due_ms, _)| *due_ms).max(now_ms);
        if chance.strikes(lags, "events late") {
            let most_ms = chance.random.pick(&LAG_MS);
            due_ms += 1 + chance.random.below(most_ms) as u64;
        }
        self.waiting.extend(told.into_iter().map(|one| (due_ms, one)));
        lost
    }
}

/// Of two events of one name the later becomes part of the earlier, or the earlier comes twice.
fn merge(told: &mut Vec<Told>, permille: usize, chance: &mut Chance<'_>) {
    if permille == 0 {
        return;
    }
    let mut merged: Vec<Told> = Vec::new();
    for one in told.drain(..) {
        let same = |other: &&mut Told| is_same_name(other, &one);
        let earlier = merged.iter_mut().rev().find(same);
        match earlier {
            Some(earlier) if chance.strikes(permille, "events merged") => {
                earlier.what |= one.what;
                earlier.changed = earlier.changed.or(one.changed);
            }
            _ => {
                let twice = chance.strikes(permille, "event twice").then(|| one.clone());
                merged.extend([one].into_iter().chain(twice));
            }
        }
    }
    *told = merged;
}

/// What happens to different files at one name is told apart.
fn is_same_name(earlier: &Told, later: &Told) -> bool {
    let is_other =
        earlier.changed.is_some() && later.changed.is_some_and(|c| earlier.changed != Some(c));
    earlier.dir == later.dir && earlier.name == later.name && !is_other
}

/// The events of each directory in their order, those of different ones in any.
fn shuffled(told: Vec<Told>, random: &mut Random) -> Vec<Told> {
    let mut queues: Vec<VecDeque<Told>> = Vec::new();
    for one in told {
        match queues.iter_mut().find(|queue| queue.front().is_some_and(|q| q.dir == one.dir)) {
            Some(queue) => queue.push_back(one),
            None => queues.push(VecDeque::from([one])),
        }
    }
    let mut mixed = Vec::new();
    while !queues.is_empty() {
        let from = random.below(queues.len());
        mixed.extend(queues[from].pop_front());
        queues.retain(|queue| !queue.is_empty());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::{Chance, Queue};
    use crate::disk::model::Told;
    use crate::random::Random;
    use crate::swarm::{Counts, Options};
    use disk::watch::Touched;

    const A: Touched = Touched::CREATED;
    const B: Touched = Touched::CLOSED;

    /// What is read of these events, by directory and kind.
    fn read(options: Options, told: &[(u64, Touched)]) -> (Vec<(u64, Touched)>, bool, bool) {
        let (mut random, mut faults) = (Random::new(1, 1), Counts::default());
        let mut chance = Chance { options, random: &mut random, faults: &mut faults };
        let event = |&(dir, what): &(u64, Touched)| Told { dir, name: None, what, changed: None };
        let heard = Queue::default().read(5, told.iter().map(event).collect(), &mut chance);
        let told = heard.told.iter().map(|one| (one.dir, one.what)).collect();
        (told, heard.lost, heard.next_ms.is_some_and(|at_ms| at_ms > 5))
    }

    #[test]
    fn without_faults_all_is_read_as_it_was_told() {
        let told = [(1, A), (2, A), (1, B)];
        assert_eq!(read(Options::STILL, &told), (told.to_vec(), false, false));
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let (still, told) = (Options::STILL, [(1, A), (2, A), (1, B), (3, A), (2, B)]);
        let (left, lost, _) = read(Options { overflows: 1000, ..still }, &told);
        assert!(lost && left.len() < told.len());
        assert_eq!(read(Options { misses: 1000, ..still }, &told), (vec![], false, false));
        let merged = read(Options { merges: 1000, ..still }, &[(1, A), (2, A), (1, B)]).0;
        assert_eq!(merged, [(1, A), (1, A | B), (2, A), (2, A)]);
        assert_eq!(read(Options { lags: 1000, ..still }, &told), (vec![], false, true));
        let mixed = read(Options { shuffles: 1000, ..still }, &told).0;
        assert_ne!(mixed, told, "this seed would mix them");
        for dir in 1..4 {
            let of = |all: &[(u64, Touched)]| all.iter().filter(|e| e.0 == dir).copied().collect();
            let (before, after): (Vec<_>, Vec<_>) = (of(&told), of(&mixed));
            assert_eq!(before, after, "events of {dir}");
        }
    }
}
