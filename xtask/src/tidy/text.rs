//! The rules for every text file: no unfinished work, no path of one person's machine.
//!
//! Called by `tidy.rs`. Rust is read through `lex.rs`, so that a test may name a word in a string.

use super::lex;
use super::{Fault, Source};

/// Work that was left for later, said in the source. The issue tracker is the place.
const WORDS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Directories that exist on one machine only, and whether a name must follow before it counts:
/// prose may speak of home directories. Split, so that this file does not name them.
const MACHINE_PATHS: &[(&str, bool)] = &[
    (concat!("/wo", "rk/"), false),
    (concat!("/ro", "ot/"), false),
    (concat!("/ho", "me/"), true),
];

/// Every fault of one file.
pub fn check(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if let Some(path) = machine_path(line) {
            let reason = format!("path of one machine ({path}); name it relative or by variable");
            faults.push(Fault::new(&source.path, index + 1, reason));
        }
    }
    for (index, line) in prose(source).iter().enumerate() {
        if let Some(word) = WORDS.iter().find(|word| lex::find_word(line, word).is_some()) {
            let reason = format!("the word {word}; finish it, or file it as an issue");
            faults.push(Fault::new(&source.path, index + 1, reason));
        }
    }
    faults
}

/// The text in which words count: Rust without its strings, Markdown without its code spans.
pub fn prose(source: &Source) -> Vec<String> {
    if source.path.ends_with(".rs") {
        let lines = lex::lines(&source.text).into_iter();
        return lines.map(|line| format!("{} {}", line.code, line.comment)).collect();
    }
    let without_spans = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    source.text.lines().map(without_spans).collect()
}

/// A machine path that begins on this line: nothing that looks like a longer path stands before it.
fn machine_path(line: &str) -> Option<&'static str> {
    let is_there = |path: &str, needs_name: bool| {
        line.match_indices(path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + path.len()..].chars().next();
            let inside = lex::is_word(before) || matches!(before, Some('.' | '-' | '}' | '*'));
            !inside && (!needs_name || lex::is_word(after))
        })
    };
    let found = MACHINE_PATHS.iter().find(|(path, needs_name)| is_there(path, *needs_name));
    found.map(|(path, _)| *path)
}

#[cfg(test)]
mod tests;
