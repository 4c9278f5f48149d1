//! The rules for one Rust file: budgets, heads, words and calls that are not wanted.
//!
//! Called by `tidy.rs` for each file; knows nothing of other files.

use super::lex::{self, Line};
use super::{Fault, Source, COLUMNS_MAX, FILE_LINES_MAX, FILE_LINES_MAX_OF, FUNCTION_LINES_MAX};

/// Every fault of one file.
pub fn check(source: &Source) -> Vec<Fault> {
    let lines = lex::lines(&source.text);
    let test = test_lines(source, &lines);
    let mut faults = Vec::new();
    head(source, &mut faults);
    columns(source, &mut faults);
    file_length(source, &test, &mut faults);
    function_length(source, &lines, &mut faults);
    globs(source, &lines, &mut faults);
    calls(source, &lines, &test, &mut faults);
    commented_code(source, &lines, &mut faults);
    faults
}

/// Whether the whole file exists only for tests.
pub fn is_test_file(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let file = parts.next().unwrap_or_default();
    file == "tests.rs" || parts.any(|part| part == "tests" || part == "benches")
}

/// For each line, whether it belongs to tests: the whole file, or an item behind `cfg(test)`.
fn test_lines(source: &Source, lines: &[Line]) -> Vec<bool> {
    if is_test_file(&source.path) {
        return vec![true; lines.len()];
    }
    let mut test = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let code = lines[at].code.trim_start();
        if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test") {
            let end = item_end(lines, at);
            test[at..=end].fill(true);
            at = end;
        }
        at += 1;
    }
    test
}

/// The last line of the item that begins at line `begin`: its closing brace, or its semicolon.
fn item_end(lines: &[Line], begin: usize) -> usize {
    let mut braces = 0usize;
    let mut others = 0usize;
    for (index, line) in lines.iter().enumerate().skip(begin) {
        for character in line.code.chars() {
            match character {
                '(' | '[' => others += 1,
                ')' | ']' => others = others.saturating_sub(1),
                '{' if others == 0 => braces += 1,
                '}' if others == 0 => {
                    braces = braces.saturating_sub(1);
                    if braces == 0 {
                        return index;
                    }
                }
                ';' if braces == 0 && others == 0 => return index,
                _ => {}
            }
        }
    }
    lines.len().saturating_sub(1)
}

fn head(source: &Source, faults: &mut Vec<Fault>) {
    if !source.text.starts_with("//!") {
        let reason = "the file does not open with `//!`: what it is, what it is not, who calls it";
        faults.push(Fault::new(&source.path, 1, reason));
    }
}

fn columns(source: &Source, faults: &mut Vec<Fault>) {
    for (index, line) in source.text.lines().enumerate() {
        let count = line.chars().count();
        if count > COLUMNS_MAX {
            let reason = format!("{count} columns; the budget is {COLUMNS_MAX}");
            faults.push(Fault::new(&source.path, index + 1, reason));
        }
    }
}

fn file_length(source: &Source, test: &[bool], faults: &mut Vec<Fault>) {
    let own = FILE_LINES_MAX_OF.iter().find(|(path, _)| *path == source.path);
    let budget = own.map_or(FILE_LINES_MAX, |(_, lines)| *lines);
    let production = |index: &usize| !test.get(*index).copied().unwrap_or(false);
    let count = (0..source.text.lines().count()).filter(production).count();
    if count > budget {
        let reason = format!("{count} production lines; the budget of this file is {budget}");
        faults.push(Fault::new(&source.path, budget + 1, reason));
    }
}

fn function_length(source: &Source, lines: &[Line], faults: &mut Vec<Fault>) {
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(&line.code) else { continue };
        let count = function_end(lines, index) - index + 1;
        if count > FUNCTION_LINES_MAX {
            let reason =
                format!("function {name} has {count} lines; the budget is {FUNCTION_LINES_MAX}");
            faults.push(Fault::new(&source.path, index + 1, reason));
        }
    }
}

/// The name behind `fn` on this line; a function pointer type has none.
fn function_name(code: &str) -> Option<&str> {
    let after = &code[lex::find_word(code, "fn")? + 2..];
    let name = after.trim_start();
    let end = name.find(|character| !lex::is_word(Some(character))).unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

/// As `item_end`, but read from the `fn`: what stands before it on its line may close an item.
fn function_end(lines: &[Line], index: usize) -> usize {
    let code = &lines[index].code;
    let begin = lex::find_word(code, "fn").unwrap_or(0);
    let first = Line { code: code[begin..].to_owned(), comment: String::new() };
    let mut own = vec![first];
    own.extend_from_slice(&lines[index + 1..]);
    index + item_end(&own, 0)
}

/// `use` statements with a star, however many lines they take.
fn globs(source: &Source, lines: &[Line], faults: &mut Vec<Fault>) {
    let mut open: Option<usize> = None;
    for (index, line) in lines.iter().enumerate() {
        let code = line.code.trim();
        let bare = code.strip_prefix("pub").map_or(code, |rest| {
            let after = rest.find(')').filter(|_| rest.starts_with('('));
            after.map_or(rest, |at| &rest[at + 1..]).trim_start()
        });
        if bare.starts_with("use ") {
            open = Some(index);
        }
        let Some(begin) = open else { continue };
        let statement = code.split(';').next().unwrap_or_default();
        if statement.contains('*') {
            let reason = "glob import; name what is used, so that a reader can find it";
            faults.push(Fault::new(&source.path, begin + 1, reason));
            open = None;
        } else if code.contains(';') {
            open = None;
        }
    }
}

fn calls(source: &Source, lines: &[Line], test: &[bool], faults: &mut Vec<Fault>) {
    for (index, line) in lines.iter().enumerate() {
        let code = line.code.as_str();
        let mut fault = |reason: &str| faults.push(Fault::new(&source.path, index + 1, reason));
        let is_test = test.get(index).copied().unwrap_or(false);
        if !is_test && code.contains(".unwrap()") {
            fault("unwrap outside tests; answer the error, or `expect` with the invariant");
        }
        if is_test && (code.contains("thread::sleep") || code.contains("time::sleep")) {
            fault("sleep in a test; wait for the event with a deadline");
        }
        if code.contains("#[ignore") || (code.contains("cfg_attr") && code.contains("ignore")) {
            fault("ignored test; a test runs, or is skipped loudly and counted");
        }
        if lex::find_word(code, "unsafe").is_some() && !source.path.starts_with("crates/disk/") {
            fault("unsafe outside `disk`, the only crate that may");
        }
    }
}

/// A heuristic: prose does not end in a semicolon or an opening brace.
fn commented_code(source: &Source, lines: &[Line], faults: &mut Vec<Fault>) {
    for (index, line) in lines.iter().enumerate() {
        let comment = line.comment.trim();
        let is_plain = comment.starts_with("//")
            && !comment.starts_with("///")
            && !comment.starts_with("//!")
            && line.code.trim().is_empty();
        if is_plain && (comment.ends_with(';') || comment.ends_with('{')) {
            let reason = "commented-out code, or a comment that looks like it; history keeps code";
            faults.push(Fault::new(&source.path, index + 1, reason));
        }
    }
}

#[cfg(test)]
mod tests;
