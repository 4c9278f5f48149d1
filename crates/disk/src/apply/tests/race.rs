//! The race that decisions R5 is made for: programs append, rewrite and save by rename
//! while versions are installed as fast as they go. Every line that a program wrote is afterwards
//! in the file, in a version that was known when it was replaced, or in the conflict store.

use super::bed::{bed, bed_in, Bed};
use crate::apply::Step;
use engine::plan::Outcome;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the programs write: without a pause no version would ever stand long enough to be
/// seen.
const PACE: Duration = Duration::from_micros(150);
const FILES: [&str; 2] = ["appended", "saved"];

fn lines(bytes: &[u8]) -> impl Iterator<Item = String> + '_ {
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| line.starts_with(b"W"))
        .map(|line| String::from_utf8_lossy(line).into_owned())
}

/// Whether a program goes on, after the pause that it makes anyway: it ends when `stop` closes.
fn goes_on(stop: &Receiver<()>) -> bool {
    stop.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout)
}

/// Appends lines by open, write, close; returns those whose write succeeded.
fn appender(path: PathBuf, stop: Receiver<()>) -> Vec<String> {
    let mut written = Vec::new();
    while goes_on(&stop) {
        let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(&path) else {
            continue;
        };
        std::thread::yield_now();
        let line = format!("Wa{}", written.len());
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
        written.push(line);
    }
    written
}

/// Writes a temporary file with one line and renames it over. What it replaces itself it has seen.
fn saver(path: PathBuf, stop: Receiver<()>, seen: &mut BTreeSet<String>) -> Vec<String> {
    let temporary = path.with_extension("tmp");
    let mut written = Vec::new();
    while goes_on(&stop) {
        let line = format!("Ws{}", written.len());
        std::fs::write(&temporary, format!("{line}\n")).unwrap();
        if let Some(last) = written.last() {
            seen.insert(String::clone(last));
        }
        std::fs::rename(&temporary, &path).unwrap();
        written.push(line);
    }
    written
}

/// Installs as fast as it can; whatever was certified is known, hence published.
fn install_over(bed: &mut Bed, name: &str, round: u64, known: &mut BTreeSet<String>) -> u64 {
    let expected = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let first = bed.seen(name);
        let bytes = bed.read(name);
        (bed.seen(name) == first).then_some((first, bytes))
    }));
    let Ok(Some((expected, bytes))) = expected else {
        return 0;
    };
    let act = bed.install(name, expected, format!("R{round}\n").as_bytes());
    let installed = matches!(bed.run(act), Outcome::Done { .. });
    if installed {
        known.extend(lines(&bytes));
    }
    bed.apply.revisit().unwrap();
    u64::from(installed)
}

struct Result {
    installs: u64,
    written: usize,
    lost: usize,
}

fn race(seconds: u64, blind: bool) -> Result {
    // In memory where there is such a place: there a sync costs nothing and installs come quickly.
    let memory = Path::new("/dev/shm");
    let mut bed = if memory.is_dir() { bed_in(memory) } else { bed() };
    bed.apply.blind = blind;
    // A little time at the critical moment, so that two cores suffice to hit it.
    bed.apply.set_between(Some(Box::new(|step| {
        if step == Step::Checked {
            let end = Instant::now() + Duration::from_micros(50);
            while Instant::now() < end {
                std::thread::yield_now();
            }
        }
    })));
    FILES.iter().for_each(|name| bed.write(name, b"start\n"));
    let (path, (stop_appending, stopped)) = (bed.path("appended"), channel());
    let appending = std::thread::spawn(move || appender(path, stopped));
    let (path, (stop_saving, stopped)) = (bed.path("saved"), channel());
    let saving = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        let written = saver(path, stopped, &mut seen);
        (written, seen)
    });
    let mut known = BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut round, mut installs) = (0, 0);
    while Instant::now() < end {
        for name in FILES {
            round += 1;
            installs += install_over(&mut bed, name, round, &mut known);
        }
    }
    drop((stop_appending, stop_saving));
    let mut written = appending.join().unwrap();
    let (saved, replaced_by_themselves) = saving.join().unwrap();
    written.extend(saved);
    known.extend(replaced_by_themselves);
    bed.apply.revisit().unwrap();
    assert_eq!(bed.apply.left_count(), 0, "every writer has closed");
    FILES.iter().for_each(|name| known.extend(lines(&bed.read(name))));
    bed.kept_bytes().iter().for_each(|bytes| known.extend(lines(bytes)));
    // The staging directory holds nothing that is not accounted for.
    assert!(bed.staging().iter().all(|name| Path::new(name).extension().is_none()));
    let lost = written.iter().filter(|line| !known.contains(*line)).count();
    Result { installs, written: written.len(), lost }
}

#[test]
fn installs_against_appending_and_saving_programs_lose_no_line() {
    let result = race(2, false);
    assert!(result.written > 100, "the programs hardly ran: {} lines", result.written);
    assert!(result.installs > 10, "hardly anything was installed: {}", result.installs);
    assert_eq!(result.lost, 0, "of {} lines", result.written);
}

#[test]
fn without_verification_the_same_race_loses_lines() {
    let result = race(2, true);
    assert!(result.lost > 0, "of {} lines, {} installs", result.written, result.installs);
}
