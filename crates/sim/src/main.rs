//! `cargo sim [SEED]`: prints the story of one run. `--seeds N` and `--minutes N` run many, and
//! print those that fail. Starts the library, nothing else.

use sim::scenario::{run, Run, Wish};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "cargo sim [SEED] [--seeds N] [--minutes N] [--calm] [--spare] [--power]
         [--rollback]

  cargo sim 7                tells the story of seed 7, and says how it ended
  cargo sim --seeds 1000     runs seeds 0 to 999 and names those that fail
  cargo sim 5000 --minutes 5 runs seeds from 5000 on for five minutes

  --calm                     no user comes in between two calls of a program
  --spare                    users do not do what is known to go wrong
  --power                    machines lose their power, too
  --rollback                 indices are put back to older copies, too";

/// What was asked for on the command line.
#[derive(Default)]
struct Asked {
    seed: u64,
    seeds: Option<u64>,
    minutes: Option<u64>,
    calm: bool,
    spare: bool,
    power: bool,
    rollback: bool,
}

impl Asked {
    fn wish(&self) -> Wish {
        let (calm, spares_known) = (self.calm, self.spare);
        let (power, rollback) = (self.power, self.rollback);
        Wish { calm, spares_known, power, rollback, ..Wish::default() }
    }
}

fn parse(arguments: &[String]) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seeds" => asked.seeds = Some(rest.next()?.parse().ok()?),
            "--power" => asked.power = true,
            "--rollback" => asked.rollback = true,
            "--spare" => asked.spare = true,
            "--calm" => asked.calm = true,
            "--minutes" => asked.minutes = Some(rest.next()?.parse().ok()?),
            seed => asked.seed = seed.parse().ok()?,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(asked) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let failures = match (asked.seeds, asked.minutes) {
        (None, None) => one(&asked),
        _ => many(&asked),
    };
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tells one story; how many failures there were.
fn one(asked: &Asked) -> u64 {
    let wish = Wish { story: true, ..asked.wish() };
    let Run { failed, story, between, kills, passed_ms, turns, .. } = run(asked.seed, wish);
    story.iter().for_each(|line| println!("{line}"));
    println!("seed {}: {passed_ms} ms, {kills} deaths, {between} interferences", asked.seed);
    println!("{} turns, at most {} in one millisecond", turns.0, turns.1);
    match failed {
        None => println!("all nodes agree and nothing is lost"),
        Some(why) => {
            println!("FAILED: {why}");
            return 1;
        }
    }
    0
}

/// Runs seeds from the first on; how many failures there were.
fn many(asked: &Asked) -> u64 {
    let began = Instant::now();
    let until = asked.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let (mut done, mut failures, mut between) = (0, 0, 0);
    let mut most = (0, 0);
    while asked.seeds.is_none_or(|seeds| done < seeds)
        && until.is_none_or(|until| began.elapsed() < until)
    {
        let seed = asked.seed + done;
        let run = run(seed, asked.wish());
        between += run.between;
        if run.failed.is_none() {
            most = (run.turns.0.max(most.0), run.turns.1.max(most.1));
        }
        done += 1;
        if let Some(why) = run.failed {
            failures += 1;
            println!("seed {seed}: {}", why.chars().take(300).collect::<String>());
        }
    }
    let seconds = began.elapsed().as_secs();
    let (turns, at_once) = most;
    println!("at most {turns} turns in a run that ended well, {at_once} in one millisecond");
    println!("{done} runs in {seconds} s, {between} interferences, {failures} failures");
    failures
}
