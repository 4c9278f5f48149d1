//! How answers look: aligned columns for people, JSON for programs.
//!
//! Called by the subcommands; it knows no command.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::progress::Aside;

pub use crate::view::time;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// As the global flags say.
    pub fn new(json: bool, quiet: bool) -> Output {
        Output { json, quiet }
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nothing but what was asked for is to be printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person watches: progress bars are for them alone.
    pub fn is_live(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// What was asked for: on stdout even with `-q`.
    pub fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }

    /// The answer in words: on stdout, not with `-q` (the exit code says it) or `--json`.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        match self.quiet || self.json {
            true => Ok(()),
            false => self.line(text),
        }
    }

    /// A remark on what was done: on stderr, not with `-q` or `--json`.
    pub fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            // Nobody is left to be told that stderr is closed.
            let _ = Aside.write_all(format!("{text}\n").as_bytes());
        }
    }

    /// A value as one line of JSON.
    pub fn json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        writeln!(io::stdout(), "{text}")
    }

    /// Columns under their names; nothing for an empty table but the remark.
    pub fn table(&self, head: &[&str], rows: &[Vec<String>], empty: &str) -> io::Result<()> {
        if rows.is_empty() {
            self.note(empty);
            return Ok(());
        }
        write!(io::stdout(), "{}", columns(head, rows))
    }
}

fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let mut widths = vec![0; head.len()];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in all() {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A size for people: `512 B`, `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Precision is lost where nobody reads it.
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// A time span for people: `40 ms`, `3.2 s`, `4 min`, `3 h`, `2 d`.
pub fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests;
