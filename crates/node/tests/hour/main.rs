//! The simulator's users on three real daemons, with daemons killed and cables out, for half a
//! minute, or for as long as is asked: `cargo test -p node --test hour -- --minutes 60 --seed 7`.
//! An option of the simulator that is about users, such as `reuse=40`, may follow.
//!
//! Users, census and chance are the simulator's (`crates/sim`); machines, network and comparison
//! are those of the end-to-end trials. At each rest everything is compared. A run that fails says
//! what differs and what was done there last, and keeps the machines, the logs and the whole story
//! where `HOUR_KEEP` says.

mod account;
mod hands;
#[allow(dead_code, reason = "the end-to-end trials use the rest of it")]
#[path = "../e2e/lab.rs"]
mod lab;
#[allow(dead_code, reason = "the end-to-end trials use the rest of it")]
#[path = "../e2e/node.rs"]
mod node;
mod run;
#[path = "../e2e/tree.rs"]
mod tree;
mod weather;

use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use sim::swarm::Options;

/// How long users work, and which chance they have, if nothing is said.
const SHORT: Duration = Duration::from_secs(30);
const SEED: u64 = 1;

fn main() {
    let (mut length, mut seed, mut rest) = (SHORT, SEED, Vec::new());
    let mut options = Options::STILL;
    let mut words = std::env::args();
    while let Some(word) = words.next() {
        let mut number = |what: &str| {
            let text = words.next().and_then(|text| text.parse().ok());
            text.unwrap_or_else(|| panic!("{what} needs a number"))
        };
        match word.as_str() {
            "--minutes" => length = Duration::from_secs(60 * number("--minutes")),
            "--seed" => seed = number("--seed"),
            other if set(&mut options, other).is_some() => {}
            _ => rest.push(word),
        }
    }
    let lack = lab::lack();
    if let Some(why) = &lack {
        eprintln!("hour: SKIPPED: {why}");
    }
    let run = move || run::run(seed, length, options);
    let trial = Trial::test("users_and_faults_on_real_daemons_lose_nothing", run);
    let trial = trial.with_ignored_flag(lack.is_some());
    libtest_mimic::run(&Arguments::from_iter(rest), vec![trial]).exit();
}

/// Sets an option by `name=value`.
fn set(options: &mut Options, word: &str) -> Option<()> {
    let (name, value) = word.split_once('=')?;
    *options.value(name)? = value.parse().ok()?;
    Some(())
}
