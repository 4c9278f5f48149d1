//! `syncline verify`: reads the disks of all nodes and compares, by hash.

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::print::{self, Output};
use super::status::progress;
use super::{Answer, Exit0, Globals};
use crate::control::Request;
use crate::view::{Progress, Verified};

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Only this folder
    folder: Option<String>,
}

/// Asks the daemon, shows how far it is, then what differs.
///
/// # Errors
/// No daemon, or the comparison could not be made.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let request = Request::Verify { folder: arguments.folder };
    let mut shower = Shower::new(output);
    let verified: Verified = globals.ask_items(&request, |at: Progress| shower.show(&at))?;
    shower.finish();
    let answer = match verified.identical && verified.missing.is_empty() {
        true => Exit0::Done,
        false => Exit0::No,
    };
    if output.is_json() {
        output.json(&verified)?;
        return Ok(answer);
    }
    for difference in &verified.differences {
        let nodes = difference.nodes.join(", ");
        output.line(&format!(
            "{}: {}: {} differs on {nodes}",
            difference.folder, difference.path, difference.what
        ))?;
    }
    for node in &verified.missing {
        output.note(&format!("{node} did not answer: its copy was not compared"));
    }
    if verified.identical {
        output.note(&format!(
            "{} entries, {} are identical on {}",
            verified.entries,
            print::bytes(verified.bytes),
            verified.nodes.join(", ")
        ));
    }
    Ok(answer)
}

/// A bar for a terminal, a line now and then elsewhere.
struct Shower<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    last: Instant,
}

impl Shower<'_> {
    fn new(output: &Output) -> Shower<'_> {
        let bar = output.is_live().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Shower { output, bar, last: Instant::now() }
    }

    fn show(&mut self, at: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(progress(at));
            bar.tick();
        } else if self.last.elapsed() >= PLAIN_EVERY {
            self.last = Instant::now();
            self.output.note(&progress(at));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
