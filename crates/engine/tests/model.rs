//! The executable model of the replication core, with its known-bad variants.
//!
//! An independent specification: it shares no code with the engine. Each world is a handful of nodes
//! and users under one seed; at the end nothing may be lost, and all must show the same. Every rule
//! that can be left out has a variant that leaves it out, and a test that this is noticed.

mod model {
    pub mod exchange;
    pub mod frames;
    pub mod random;
    pub mod state;
    pub mod tree;
    pub mod users;
    pub mod world;
}

use model::tree::Mode;
use model::world::{Mutant, Options, Outcome, Transport, World};
use std::ops::Range;

const STORE: Options = Options {
    mode: Mode::Store,
    transport: Transport::Whole,
    mutant: Mutant::None,
    collect: true,
    rollback: true,
    ordered: false,
};

fn run(seeds: Range<u64>, options: Options) -> Outcome {
    let mut sum = Outcome::default();
    for seed in seeds {
        sum.add(World::outcome(seed, options));
    }
    sum
}

#[test]
fn survey() {
    let frames = Options { transport: Transport::Frames, collect: false, ..STORE };
    let show = |name: &str, n, o| {
        let t = std::time::Instant::now();
        let r = run(0..n, o);
        println!("{name:30} {n} {} {r:?} {:?}", r.is_clean(), t.elapsed());
    };
    for rollback in [false, true] {
        for collect in [false, true] {
        for mutant in [Mutant::None, Mutant::NoContexts, Mutant::ContextLostInCrash, Mutant::AgedTombstones, Mutant::ContextCollected, Mutant::ContextOfWalkStart] {
            let o = Options { mutant, rollback, collect, ..frames };
            show(&format!("rollback {rollback} collect {collect} {mutant:?}"), 20000, o);
        }}
    }
}
