//! A plan that fails -> the shortest one found that fails in the same way: fewer kinds of faults,
//! fewer nodes, fewer steps, parts of the script and user operations left out.
//!
//! Greedy: each change that keeps the failure is kept, and all are tried again until none helps any
//! more or there is no time left. Runs plans, and knows nothing of what happens in them. Called by
//! `main`.

use crate::scenario::{run, INTERRUPTIONS, INTERRUPTIONS_MAX, PARTS_PER_STEP};
use crate::scenario::{REFUSALS, REFUSALS_MAX};
use crate::swarm::{Options, Plan};

/// What was found.
#[derive(Debug)]
pub struct Shortest {
    /// It fails.
    pub plan: Plan,
    /// Plans that were tried.
    pub tries: u64,
}

struct Search<'a> {
    best: Plan,
    kind: String,
    tries: u64,
    fails: &'a mut dyn FnMut(&Plan) -> Option<String>,
    goes_on: &'a mut dyn FnMut() -> bool,
}

/// What kind of failure it is: its words, without what is different in each world.
pub fn kind(failed: &str) -> String {
    let line = failed.lines().next().unwrap_or_default();
    let is_word = |word: &&str| word.chars().all(|c| c.is_alphabetic() || c == ',');
    line.split_whitespace().filter(is_word).take(8).collect::<Vec<_>>().join(" ")
}

/// The shortest plan that fails as this one does; `None` if this one does not fail.
pub fn shrink(plan: &Plan, goes_on: &mut dyn FnMut() -> bool) -> Option<Shortest> {
    shortest(plan, &mut |plan| run(plan).failed, goes_on)
}

fn shortest(
    plan: &Plan,
    fails: &mut dyn FnMut(&Plan) -> Option<String>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Option<Shortest> {
    let best = Plan { story: false, trail: false, ..plan.clone() };
    let kind = kind(&fails(&best)?);
    let mut search = Search { best, kind, tries: 0, fails, goes_on };
    while search.round() {}
    Some(Shortest { plan: search.best, tries: search.tries })
}

impl Search<'_> {
    /// Whether anything became shorter.
    fn round(&mut self) -> bool {
        let mut helped = self.still();
        helped |= self.fewer_steps();
        let parts = self.best.options.steps * PARTS_PER_STEP;
        helped |= self.without(0, parts);
        helped |= self.without(INTERRUPTIONS, INTERRUPTIONS_MAX);
        helped |= self.without(REFUSALS, REFUSALS_MAX);
        helped
    }

    /// Takes a plan that is shorter if it fails in the same way.
    fn takes(&mut self, plan: Plan) -> bool {
        if !(self.goes_on)() {
            return false;
        }
        self.tries += 1;
        let same = (self.fails)(&plan).is_some_and(|failed| kind(&failed) == self.kind);
        if same {
            self.best = plan;
        }
        same
    }

    /// Kinds of faults that are not needed, and the smallest number of the others.
    fn still(&mut self) -> bool {
        let (mut helped, mut still) = (false, Options::STILL);
        for name in Options::NAMES.iter().filter(|name| **name != "steps") {
            let least = still.value(name).map_or(0, |value| *value);
            let now = self.best.options.value(name).map_or(0, |value| *value);
            let smaller = [least, least + now.saturating_sub(least) / 2];
            for value in smaller.into_iter().filter(|value| *value != now) {
                let mut plan = self.best.clone();
                plan.options.value(name).into_iter().for_each(|slot| *slot = value);
                if self.takes(plan) {
                    helped = true;
                    break;
                }
            }
        }
        helped
    }

    fn fewer_steps(&mut self) -> bool {
        let mut helped = false;
        let mut less = self.best.options.steps / 2;
        while less > 0 {
            let mut plan = self.best.clone();
            plan.options.steps = plan.options.steps.saturating_sub(less);
            if self.takes(plan) {
                helped = true;
                less = less.min(self.best.options.steps / 2);
            } else {
                less /= 2;
            }
        }
        helped
    }

    /// Leaves out as many as possible of the numbers from `first` on, large pieces first.
    fn without(&mut self, first: usize, count: usize) -> bool {
        let mut helped = false;
        let mut piece = count;
        while piece > 0 {
            for from in (first..first + count).step_by(piece) {
                let mut plan = self.best.clone();
                plan.skip.extend(from..(from + piece).min(first + count));
                if plan.skip.len() > self.best.skip.len() {
                    helped |= self.takes(plan);
                }
            }
            piece /= 2;
        }
        helped
    }
}

#[cfg(test)]
mod tests {
    use super::{kind, shortest, PARTS_PER_STEP};
    use crate::swarm::{Options, Plan};

    #[test]
    fn what_is_not_needed_is_left_out() {
        let plan = Plan::of(1).with("nodes=4 steps=30 cuts=300 kills=200 chain=1").expect("known");
        // It takes three nodes, cuts, and the parts 7 and 20.
        let mut fails = |plan: &Plan| {
            let Options { nodes, cuts, steps, .. } = plan.options;
            let needs = [7, 20]
                .iter()
                .all(|part| !plan.skip.contains(part) && steps * PARTS_PER_STEP > *part);
            (nodes >= 3 && cuts > 0 && needs).then(|| "0 has lost 4f".to_string())
        };
        let found = shortest(&plan, &mut fails, &mut || true).expect("it fails").plan;
        let Options { nodes, cuts, steps, kills, chain, .. } = found.options;
        assert_eq!((nodes, cuts, steps, kills, chain), (3, 1, 3, 0, 0));
        let left: Vec<usize> =
            (0..3 * PARTS_PER_STEP).filter(|part| !found.skip.contains(part)).collect();
        assert_eq!(left, [7, 20]);
    }

    #[test]
    fn another_failure_is_not_the_same() {
        let mut fails = |plan: &Plan| {
            let text = if plan.options.cuts > 0 { "1 has lost 4f" } else { "it goes round" };
            Some(text.to_string())
        };
        let plan = Plan::of(1).with("cuts=300").expect("known");
        let found = shortest(&plan, &mut fails, &mut || true).expect("it fails");
        assert!(found.plan.options.cuts > 0);
    }

    #[test]
    fn the_kind_of_a_failure_names_no_world() {
        let words = "2 has destroyed aa391b47, written there";
        assert_eq!(kind(words), "has destroyed written there");
        assert_eq!(kind("K of 1\n left: 4"), "K of");
    }
}
