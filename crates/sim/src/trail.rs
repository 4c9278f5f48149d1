//! The trail of a run: one hash a step, over everything that the step left behind (the disk and the
//! index of the machine it was on, the messages it sent, the state of chance). Two runs of one plan
//! have the same trail; if they have not, the first step that differs is named.
//!
//! Costs more than the run itself, so it is kept only where it is asked for. Kept by `world`,
//! compared by the tests.

use crate::disk::model::{Model, TOP};
use crate::node::Machine;
use crate::random::Random;
use blake3::Hasher;
use std::fmt::{Debug, Write};

/// What is left of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    at_ms: u64,
    node: usize,
    what: String,
    hash: [u8; 32],
}

/// All steps of a run.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    steps: Vec<Step>,
    sent: Hasher,
}

/// Hashes what is printed.
struct Printed<'a>(&'a mut Hasher);

impl Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

fn print(hasher: &mut Hasher, what: &impl Debug) {
    // Printing into a hash cannot fail.
    let _ = write!(Printed(hasher), "{what:?}");
}

fn print_disk(hasher: &mut Hasher, model: &Model) {
    print(hasher, &model.wall_ms);
    for (spot, inode) in model.below(TOP) {
        let Ok(thing) = model.thing(inode) else { continue };
        let times = (thing.mtime, thing.ctime, thing.mode, thing.owner);
        let holders = (thing.links, thing.opens, thing.writers, &thing.xattrs);
        print(hasher, &(spot, inode, thing.kind, times, holders));
        hasher.update(&thing.bytes);
    }
}

impl Trail {
    /// These bytes were sent.
    pub fn sent(&mut self, from: usize, to: usize, bytes: &[u8]) {
        print(&mut self.sent, &(from, to, bytes.len()));
        self.sent.update(bytes);
    }

    /// A step has ended.
    pub fn step(&mut self, at_ms: u64, what: &str, machine: (usize, &Machine), chance: &Random) {
        let (node, machine) = machine;
        let mut hasher = std::mem::take(&mut self.sent);
        print(&mut hasher, chance);
        print(&mut hasher, &machine.index);
        machine.disk.with(|model| print_disk(&mut hasher, model));
        let hash = *hasher.finalize().as_bytes();
        self.steps.push(Step { at_ms, node, what: what.to_string(), hash });
    }

    /// How many steps there were.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The first step that is not the same in another run, in words.
    pub fn first_difference(&self, other: &Trail) -> Option<String> {
        let both = self.steps.iter().zip(&other.steps);
        let differs = both.enumerate().find(|(_, (here, there))| here != there);
        if let Some((number, (here, there))) = differs {
            let words = |step: &Step| format!("{} at {} ({} ms)", step.what, step.node, step.at_ms);
            return Some(format!("step {number}: {}, then {}", words(here), words(there)));
        }
        let (here, there) = (self.len(), other.len());
        (here != there).then(|| format!("{here} steps, then {there}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Trail;
    use crate::disk::model::{Model, TOP};
    use crate::disk::{Lie, SimDisk};
    use crate::node::Machine;
    use crate::random::Random;

    /// Steps at one machine; in the last of them something may be different.
    fn trail(sends: &[u8], mode: u16) -> Trail {
        let disk = SimDisk::new(1, Lie::None);
        let machine = Machine::new(0, disk.clone()).expect("an empty disk");
        let mut trail = Trail::default();
        trail.step(1, "Tick", (0, &machine), &Random::new(1, 1));
        trail.sent(0, 1, sends);
        let change = |model: &mut Model| {
            let (_, inode) = model.below(TOP)[0];
            model.change(inode, |thing| thing.mode = mode)
        };
        disk.with(change).expect("the root");
        trail.step(2, "Look", (0, &machine), &Random::new(1, 1));
        trail
    }

    #[test]
    fn equal_runs_have_equal_trails_and_what_differs_is_named() {
        let first = trail(b"hello", 0o700);
        assert_eq!(first.first_difference(&trail(b"hello", 0o700)), None);
        for other in [trail(b"hullo", 0o700), trail(b"hello", 0o755)] {
            let found = first.first_difference(&other).expect("they differ");
            assert!(found.starts_with("step 1: Look at 0"), "{found}");
        }
        let none = Trail::default().first_difference(&first).expect("they differ");
        assert_eq!(none, "0 steps, then 2");
    }
}
