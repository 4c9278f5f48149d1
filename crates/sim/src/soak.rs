//! A long run: ranges of seeds, one line in a file of results as each ends, so that a cut loses one
//! range. What the file has already is not run again, if it was the same program that ran it.
//!
//! Threads share nothing but which range is next: a world lives on one of them. Called by `main`.

use crate::scenario::run;
use crate::shrink::kind;
use crate::swarm::{Counts, Plan};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as Written};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::time::Instant;

/// Seeds of one line.
pub const RANGE: u64 = 500;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Soak {
    /// The file of results.
    pub file: PathBuf,
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// On so many cores.
    pub jobs: usize,
    /// Options that are the same in all runs.
    pub words: String,
}

/// One line of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    first: u64,
    last: u64,
    /// Which program with which options it was.
    version: String,
    operations: u64,
    /// On one core.
    ms: u64,
    /// Seeds that failed, and how.
    violations: Vec<String>,
    /// What went wrong on purpose, and how often.
    faults: BTreeMap<String, u64>,
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let Line { first, last, version, operations, ms, violations, faults } = self;
        let faults: Vec<_> = faults.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
        let violations = violations.join("; ");
        write!(f, "{first}-{last}\t{version}\t{operations} operations\t{ms} ms\t")?;
        write!(f, "violations: {violations}\t{}", faults.join(", "))
    }
}

impl Line {
    /// Understands what was written; `None` for what is no whole line.
    fn read(text: &str) -> Option<Line> {
        let fields: Vec<&str> = text.split('\t').collect();
        let &[range, version, operations, ms, violations, faults] = &fields[..] else {
            return None;
        };
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.split(' ').next()?.parse().ok();
        let violations = violations.strip_prefix("violations: ")?;
        let violations = violations.split("; ").filter(|one| !one.is_empty());
        let mut counts = BTreeMap::new();
        for one in faults.split(", ").filter(|one| !one.is_empty()) {
            let (kind, count) = one.rsplit_once('=')?;
            counts.insert(kind.to_string(), count.parse().ok()?);
        }
        Some(Line {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            version: version.to_string(),
            operations: number(operations)?,
            ms: number(ms)?,
            violations: violations.map(str::to_string).collect(),
            faults: counts,
        })
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// Seeds that were run.
    pub seeds: u64,
    /// What users did.
    pub operations: u64,
    /// On one core.
    pub ms: u64,
    /// Seeds that failed, and how.
    pub violations: Vec<String>,
    /// What went wrong on purpose, and how often.
    pub faults: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, line: &Line) {
        self.seeds += line.last - line.first + 1;
        self.operations += line.operations;
        self.ms += line.ms;
        self.violations.extend(line.violations.iter().cloned());
        for (kind, count) in &line.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }
}

impl Display for Sum {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let Sum { seeds, operations, ms, violations, faults } = self;
        for (kind, count) in faults {
            writeln!(f, "{count:>12} {kind}")?;
        }
        for violation in violations {
            writeln!(f, "violation: {violation}")?;
        }
        let rate = operations * 1000 / (*ms).max(1);
        write!(f, "{seeds} seeds, {operations} user operations, {} s of one core, ", ms / 1000)?;
        write!(f, "{rate} operations a second and core, {} violations", violations.len())
    }
}

/// Runs what the file does not have yet.
///
/// # Errors
/// The file cannot be read or written; an option is not one.
pub fn soak(soak: &Soak) -> io::Result<Sum> {
    let refused = |word: String| io::Error::other(format!("there is no such option: {word}"));
    Plan::of(0).with(&soak.words).map_err(refused)?;
    let version = version(&soak.words)?;
    let old = read(soak, &version)?;
    let mut file = OpenOptions::new().create(true).append(true).open(&soak.file)?;
    let is_done = |first: &u64| old.iter().any(|line| line.first <= *first && *first <= line.last);
    let firsts = (soak.from..soak.from + soak.seeds).step_by(RANGE as usize);
    let todo: Vec<u64> = firsts.filter(|first| !is_done(first)).collect();
    let mut sum = Sum::default();
    old.iter().for_each(|line| sum.add(line));
    let (next, (lines, ended)) = (AtomicUsize::new(0), channel());
    std::thread::scope(|scope| {
        for _ in 0..soak.jobs.max(1) {
            let (lines, next, todo, version) = (lines.clone(), &next, &todo, &version);
            scope.spawn(move || work(soak, version, (todo, next), &lines));
        }
        drop(lines);
        for line in ended {
            writeln!(file, "{line}")?;
            file.flush()?;
            println!("{line}");
            sum.add(&line);
        }
        Ok(sum)
    })
}

/// Runs range after range until there is none left.
fn work(soak: &Soak, version: &str, todo: (&[u64], &AtomicUsize), lines: &Sender<Line>) {
    let (todo, next) = todo;
    while let Some(&first) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
        let last = (first + RANGE).min(soak.from + soak.seeds) - 1;
        if lines.send(range(soak, version, first, last)).is_err() {
            return;
        }
    }
}

fn range(soak: &Soak, version: &str, first: u64, last: u64) -> Line {
    let began = Instant::now();
    let (mut operations, mut faults, mut violations) = (0, Counts::default(), Vec::new());
    for seed in first..=last {
        let plan = Plan::of(seed).with(&soak.words).expect("tried before");
        let run = run(&plan);
        operations += run.operations;
        faults.merge(&run.faults);
        violations.extend(run.failed.map(|why| format!("{seed} {}", kind(&why))));
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let faults = faults.iter().map(|(kind, count)| (kind.to_string(), count)).collect();
    let version = version.to_string();
    Line { first, last, version, operations, ms, violations, faults }
}

/// Names the program that runs, and its options: results of another are others.
fn version(words: &str) -> io::Result<String> {
    let program = std::fs::read(std::env::current_exe()?)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&program).update(words.as_bytes());
    Ok(hasher.finalize().to_hex()[..12].to_string())
}

/// What the file has of the same program. A line that was cut off is as good as none.
fn read(soak: &Soak, version: &str) -> io::Result<Vec<Line>> {
    let text = match std::fs::read_to_string(&soak.file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.lines().filter_map(Line::read).filter(|line| line.version == version);
    let ends = soak.from + soak.seeds;
    Ok(lines.filter(|line| soak.from <= line.first && line.last < ends).collect())
}

#[cfg(test)]
mod tests {
    use super::{soak, Line, Soak};

    #[test]
    fn a_line_is_read_back_and_half_a_line_is_not() {
        let text = "0-499\tab12\t33010 operations\t5100 ms\tviolations: 7 it goes round; 9 K of\t\
                    cut=3, killed at a call=5";
        let line = Line::read(text).expect("a line");
        assert_eq!(line.to_string(), text);
        assert_eq!((line.first, line.operations, line.violations.len()), (0, 33010, 2));
        assert_eq!(line.faults.get("killed at a call"), Some(&5));
        assert_eq!(Line::read(&text[..text.len() / 2]), None);
    }

    /// A long run was cut, and began again where it had been.
    #[test]
    fn what_was_run_is_not_run_again() {
        let file = std::env::temp_dir().join(format!("soak-{}.tsv", std::process::id()));
        let words = "steps=3 between=0 before=0".to_string();
        let asked = Soak { file: file.clone(), from: 10, seeds: 4, jobs: 2, words };
        let first = soak(&asked).expect("a file");
        let text = std::fs::read_to_string(&file).expect("it was written");
        let second = soak(&asked).expect("a file");
        let again = std::fs::read_to_string(&file).expect("it was written");
        std::fs::remove_file(&file).expect("ours");
        assert_eq!((first.seeds, &first.violations[..]), (4, &[][..]));
        assert!(first.operations > 0);
        assert_eq!((second, again), (first, text));
    }
}
