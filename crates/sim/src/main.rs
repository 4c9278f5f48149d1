//! `cargo sim [SEED]`: prints the story of one run. `--seeds N` and `--minutes N` run many, print
//! those that fail, and tell the first of them. Starts the library, nothing else.

use engine::proof::Mutant;
use sim::mutants::{self, Claim};
use sim::scale::{index_bytes, measure, Figures};
use sim::scenario::{run, Run};
use sim::shrink::{shrink, Shortest};
use sim::soak::{soak, Soak, RANGE};
use sim::swarm::{Counts, Plan};
use std::path::PathBuf;
use std::process::ExitCode;
use std::slice::Iter;
use std::time::{Duration, Instant};

const USAGE: &str = "cargo sim [SEED] [OPTION=VALUE]... [--seeds N] [--minutes N] [--nodes N]
         [--calm] [--power] [--rollback] [--whole]
       cargo sim --mutants [--write]

  cargo sim 7                tells the story of seed 7, and says how it ended; if it failed, tells
                             the shortest one, too, that fails in the same way
  cargo sim --seeds 1000     runs seeds 0 to 999 and names those that fail; tells the first of them
                             at the end, as if it had been asked for alone
  cargo sim 5000 --minutes 5 runs seeds from 5000 on for five minutes
  cargo sim --soak FILE --seeds N [--from SEED] [--jobs 2]
                             a long run: a line in the file for each 500 seeds; what the file has
                             of the same program is not run again

  cargo sim --scale          what a change costs in clusters of 25 to 200 nodes

  OPTION=VALUE               instead of what the seed draws; each story begins with all options
  skip=3,5-9                 leaves parts of the script out
  --nodes N                  as nodes=N
  --whole                    no shorter story is searched
  --calm                     no user comes in between two calls of a program: between=0
  --power                    machines lose their power, too: power=60
  --rollback                 indices are put back to older copies, too: rollback=80
  --mutant NAME              breaks this rule
  --mutants                  hunts each broken rule, and prints how it was caught;
                             with --write into docs/internals/mutants.md";

/// Where the table of mutants stands, from the root of the repository.
const TABLE: &str = "docs/internals/mutants.md";

/// How long a shorter story is searched.
const SEARCH_MAX: Duration = Duration::from_secs(60);

/// What was asked for on the command line.
#[derive(Default)]
struct Asked {
    seed: u64,
    seeds: Option<u64>,
    minutes: Option<u64>,
    words: String,
    whole: bool,
    soak: Option<PathBuf>,
    jobs: Option<usize>,
    mutant: Option<Mutant>,
    mutants: bool,
    write: bool,
    scale: bool,
}

impl Asked {
    fn plan(&self, seed: u64) -> Result<Plan, String> {
        let refused = |word| format!("there is no such option, or no such value: {word}");
        let plan = Plan::of(seed).with(&self.words).map_err(refused)?;
        Ok(Plan { mutant: self.mutant, ..plan })
    }

    fn word(&mut self, word: &str) {
        self.words.extend([" ", word]);
    }

    /// Takes an argument, with its value if it has one.
    fn take(&mut self, argument: &str, rest: &mut Iter<'_, String>) -> Option<()> {
        match argument {
            "--seeds" => self.seeds = Some(rest.next()?.parse().ok()?),
            "--minutes" => self.minutes = Some(rest.next()?.parse().ok()?),
            "--jobs" => self.jobs = Some(rest.next()?.parse().ok()?),
            "--from" => self.seed = rest.next()?.parse().ok()?,
            "--soak" => self.soak = Some(rest.next()?.into()),
            "--whole" => self.whole = true,
            "--mutants" => self.mutants = true,
            "--mutant" => self.mutant = Some(named(rest.next()?)?),
            "--write" => self.write = true,
            "--scale" => self.scale = true,
            "--nodes" => self.word(&format!("nodes={}", rest.next()?)),
            "--power" => self.word("power=60"),
            "--rollback" => self.word("rollback=80"),
            "--calm" => self.word("between=0"),
            option if option.contains('=') => self.word(option),
            seed => self.seed = seed.parse().ok()?,
        }
        Some(())
    }
}

fn named(name: &str) -> Option<Mutant> {
    Mutant::ALL.iter().copied().find(|mutant| format!("{mutant:?}") == name)
}

fn parse(arguments: &[String]) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        asked.take(argument, &mut rest)?;
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
    if asked.mutants {
        return hunt(asked.write);
    }
    if asked.scale {
        scale(asked.seed);
        return ExitCode::SUCCESS;
    }
    let failures = match (&asked.soak, asked.seeds, asked.minutes) {
        (Some(_), ..) if asked.minutes.is_some() || asked.mutant.is_some() => {
            Err("--soak takes --seeds, and neither --minutes nor --mutant".to_string())
        }
        (Some(file), seeds, _) => long(&asked, file.clone(), seeds.unwrap_or(RANGE)),
        (None, None, None) => one(&asked, asked.seed),
        _ => many(&asked),
    };
    match failures {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Prints what an index takes, and a table of clusters of different sizes.
fn scale(seed: u64) {
    println!("the index of a node: {} bytes a file\n", index_bytes(seed));
    println!("{}", Figures::HEAD);
    for nodes in [25, 50, 100, 200] {
        println!("{}", measure(seed, nodes));
    }
}

/// A long run; how many failures there were.
fn long(asked: &Asked, file: PathBuf, seeds: u64) -> Result<u64, String> {
    let (from, words) = (asked.seed, asked.words.clone());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = asked.jobs.unwrap_or(cores);
    let sum = soak(&Soak { file, from, seeds, jobs, words }).map_err(|error| error.to_string())?;
    println!("{sum}");
    Ok(sum.violations.len() as u64)
}

/// Hunts all mutants, and writes the table down if that is wanted.
fn hunt(is_written: bool) -> ExitCode {
    let mut text = mutants::HEAD.to_string();
    let mut failures = 0;
    for trial in mutants::TRIALS {
        let found = match trial.claim {
            Claim::Within(most) => mutants::hunt(trial, most),
            Claim::Test(..) => None,
        };
        let survives = match trial.claim {
            Claim::Test(name) => !mutants::test_fails(trial.mutant, name).expect("cargo"),
            Claim::Within(_) => false,
        };
        let row = mutants::row(trial, found.as_ref()).filter(|_| !survives);
        let Some(row) = row else {
            failures += 1;
            eprintln!("{:?} survives", trial.mutant);
            continue;
        };
        println!("{row}");
        text += &format!("{row}\n");
    }
    match is_written.then(|| std::fs::write(TABLE, text)) {
        Some(Err(error)) => {
            eprintln!("cannot write {TABLE}: {error}; run this in the root of the repository");
            ExitCode::FAILURE
        }
        _ if failures > 0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Tells one story, and if it fails the shortest one; how many failures there were.
fn one(asked: &Asked, seed: u64) -> Result<u64, String> {
    let plan = asked.plan(seed)?;
    if tell(&plan) {
        return Ok(0);
    }
    if asked.whole {
        return Ok(1);
    }
    let began = Instant::now();
    let found = shrink(&plan, &mut || began.elapsed() < SEARCH_MAX);
    if let Some(Shortest { plan, tries }) = found {
        println!("\nthe shortest of {tries} others that fails in the same way:\n");
        tell(&plan);
    }
    Ok(1)
}

/// Tells the story of a plan; whether it ended well.
fn tell(plan: &Plan) -> bool {
    let broken = plan.mutant.map_or(String::new(), |mutant| format!(" --mutant {mutant:?}"));
    println!("cargo sim {plan}{broken}");
    let run = run(&Plan { story: true, ..plan.clone() });
    let Run { failed, story, operations, faults, passed_ms, turns, .. } = run;
    story.iter().for_each(|line| println!("{line}"));
    println!("{passed_ms} ms, {operations} user operations, {faults}");
    println!("at most {} turns of a node, {} in one millisecond", turns.0, turns.1);
    match &failed {
        None => println!("all nodes agree and nothing is lost"),
        Some(why) => println!("FAILED: {why}"),
    }
    failed.is_none()
}

/// Runs seeds from the first on, and tells the first that fails; how many failures there were.
fn many(asked: &Asked) -> Result<u64, String> {
    let began = Instant::now();
    let until = asked.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let (mut done, mut failed, mut operations) = (0, Vec::new(), 0);
    let (mut faults, mut marks, mut most) = (Counts::default(), Counts::default(), (0, 0));
    while asked.seeds.is_none_or(|seeds| done < seeds)
        && until.is_none_or(|until| began.elapsed() < until)
    {
        let seed = asked.seed + done;
        let run = run(&asked.plan(seed)?);
        operations += run.operations;
        faults.merge(&run.faults);
        marks.merge(&run.marks);
        if run.failed.is_none() {
            most = (run.turns.0.max(most.0), run.turns.1.max(most.1));
        }
        done += 1;
        if let Some(why) = run.failed {
            failed.push(seed);
            println!("seed {seed}: {}", why.chars().take(300).collect::<String>());
        }
    }
    let seconds = began.elapsed().as_secs();
    let (turns, at_once) = most;
    println!("at most {turns} turns of a node where all ended well, {at_once} in one millisecond");
    println!("{faults}");
    println!("rare lines: {marks}");
    println!("{done} runs in {seconds} s, {operations} user operations, {} failures", failed.len());
    if let Some(&first) = failed.first() {
        println!();
        one(asked, first)?;
    }
    Ok(failed.len() as u64)
}
