//! What an event costs: kept as tests, so that the figures can be taken again
//! (`cargo test --release -p disk watch::tests::speed -- --nocapture`).

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::super::{Options, Rung};
use super::lab::Lab;

const DIRECTORIES: usize = 100;
const FILES: usize = 100_000;

fn directories(root: &Path) {
    for d in 0..DIRECTORIES {
        fs::create_dir(root.join(format!("d{d}"))).unwrap();
    }
}

/// Time on a processor, of this thread alone (proc(5), schedstat: nanoseconds first).
fn thread_cpu_us() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0) / 1_000
}

/// Reads everything that waits, and says what it cost and how many names it hinted.
fn measure(lab: &mut Lab, what: &str, expected: usize) {
    let (start, cpu) = (Instant::now(), thread_cpu_us());
    let names = lab.count();
    let (wall_us, cpu_us) = (start.elapsed().as_micros(), thread_cpu_us() - cpu);
    println!(
        "{what}: {FILES} files, {:.0} k/s, {:.2} us of CPU each",
        FILES as f64 * 1e3 / wall_us as f64,
        cpu_us as f64 / FILES as f64
    );
    // A close that is read after its create is hinted again; nothing outside ever is.
    assert!((expected..=2 * expected).contains(&names), "{what}: {names}");
}

#[test]
fn one_hundred_thousand_creates_inside_and_outside_are_told_apart() {
    let options = Options { keep_own: true, ..Options::default() };
    let opened = Lab::open_over(Rung::FanotifyFilesystem, options, directories);
    let Some(mut lab) = opened else { return };
    let inside = lab.root.clone();
    write_all(&inside);
    measure(&mut lab, "inside", FILES);
    let outside = lab.base.join("outside");
    fs::create_dir(&outside).unwrap();
    directories(&outside);
    lab.seen();
    write_all(&outside);
    measure(&mut lab, "outside", 0);
}

fn write_all(root: &Path) {
    for n in 0..FILES {
        fs::write(root.join(format!("d{}/f{n}", n % DIRECTORIES)), b"x").unwrap();
    }
}
