//! Long work as it goes: one line that is kept up to date for a person at a terminal, a line now
//! and then for everybody else.
//!
//! Whatever else is written to stderr meanwhile goes through [`Aside`], so that it does not tear
//! the live line. Called by the subcommands that wait; knows no command.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::print::{self, Output};
use crate::view::Progress;

/// Where nobody watches, a line appears this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Rates and times left are guesses before this.
const GUESS_AFTER_MS: u64 = 1000;

static LIVE: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn live() -> MutexGuard<'static, Option<ProgressBar>> {
    LIVE.lock().expect("no code panics while it holds this lock")
}

/// Shows how far something is.
pub struct Shower {
    output: Output,
    bar: Option<ProgressBar>,
    last: Instant,
}

impl Shower {
    /// Shows nothing yet: what is done at once needs no progress.
    pub fn new(output: &Output) -> Shower {
        Shower { output: *output, bar: None, last: Instant::now() }
    }

    /// This is how far it is now.
    pub fn show(&mut self, text: String) {
        if self.output.is_live() {
            let bar = self.bar.get_or_insert_with(bar);
            bar.set_message(text);
            bar.tick();
        } else if self.last.elapsed() >= PLAIN_EVERY {
            self.last = Instant::now();
            self.output.note(&text);
        }
    }

    /// It is over.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            *live() = None;
        }
        self.last = Instant::now();
    }
}

impl Drop for Shower {
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    *live() = Some(bar.clone());
    bar
}

/// Standard error beside a live line, which is drawn again below what is written.
pub struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bar = live().clone();
        match bar {
            Some(bar) => bar.suspend(|| io::stderr().write_all(bytes))?,
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Counts, bytes, rate and time left of some long work, as far as they are known:
/// `120 of 2500 (4 %), 3.0 MiB, 1.2 MiB/s, 40 s left`.
pub fn words(progress: &Progress) -> String {
    let Progress { done, total, bytes, bytes_total, elapsed_ms } = *progress;
    let mut out = match total {
        Some(total) if total > 0 => {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            format!("{done} of {total} ({percent} %)")
        }
        Some(_) | None => done.to_string(),
    };
    if bytes > 0 {
        out.push_str(&format!(", {}", print::bytes(bytes)));
    }
    if elapsed_ms < GUESS_AFTER_MS {
        return out;
    }
    let per_second = |count: u64| {
        let rate = u128::from(count) * 1000 / u128::from(elapsed_ms);
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    if bytes > 0 {
        out.push_str(&format!(", {}/s", print::bytes(per_second(bytes))));
    } else if done > 0 {
        out.push_str(&format!(", {}/s", per_second(done)));
    }
    let (done, total) = match bytes_total {
        Some(total) => (bytes, Some(total)),
        // Nobody knows how many bytes are still to come: the next file may be the large one.
        None if bytes > 0 => (done, None),
        None => (done, total),
    };
    if let Some(left) = total.and_then(|total| left_ms(done, total, elapsed_ms)) {
        out.push_str(&format!(", {} left", print::span(left)));
    }
    out
}

/// How long the rest takes if it goes on as it went; nothing if none is left or none is done.
fn left_ms(done: u64, total: u64, elapsed_ms: u64) -> Option<u64> {
    let left = total.checked_sub(done).filter(|left| *left > 0 && done > 0)?;
    let left_ms = u128::from(elapsed_ms) * u128::from(left) / u128::from(done);
    // Tenths of a second would be a promise.
    Some(u64::try_from(left_ms / 1000).unwrap_or(u64::MAX).saturating_add(1).saturating_mul(1000))
}

#[cfg(test)]
mod tests;
