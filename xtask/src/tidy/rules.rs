//! References to rules: "decisions A3" must name a rule that the page of rules has.
//!
//! Called by `tidy.rs` with all files at once. What stands in a string, or in a code span of
//! prose, is no reference; neither is a number without the word before it.

use super::text::prose;
use super::{Fault, Source};
use std::collections::BTreeSet;

const PAGE: &str = "docs/decisions/rules.md";
/// The words that a rule's name follows.
const BEFORE: &[&str] = &["decision", "decisions", "rule", "rules"];
/// The kinds of rules that the page has.
const LETTERS: &[char] = &['A', 'B', 'C', 'D', 'R'];

/// Every fault: a reference that leads nowhere, a rule that is there twice.
pub fn check(sources: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut rules = BTreeSet::new();
    let page = sources.iter().filter(|source| source.path == PAGE);
    for (index, line) in page.flat_map(|page| page.text.lines()).enumerate() {
        let Some(rule) = defined(line) else { continue };
        if !rules.insert(rule) {
            faults.push(Fault::new(PAGE, index + 1, format!("{rule} stands here twice")));
        }
    }
    for source in sources {
        for (line, rule) in references(source) {
            if !rules.contains(rule.as_str()) {
                let reason = format!("{PAGE} has no rule {rule}; name the one that is meant");
                faults.push(Fault::new(&source.path, line, reason));
            }
        }
    }
    faults
}

/// The rule that a line of the page defines: `* **A3** ...`.
fn defined(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("* **")?.split_once("**")?;
    is_rule(name).then_some(name)
}

fn is_rule(word: &str) -> bool {
    let digits = word.strip_prefix(LETTERS).unwrap_or_default();
    matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The rules that a file names, each with its line counted from one: what follows the word, several
/// of them in a row too (`decisions A3, B1 and C2`), and on the next line if it is broken there.
fn references(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut follows = false;
    for (index, line) in prose(source).iter().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words {
            if BEFORE.contains(&word) {
                follows = true;
            } else if follows && is_rule(word) {
                found.push((index + 1, word.to_owned()));
            } else if word != "and" && word != "or" {
                follows = false;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
