//! The map against the tree: what the documents name must exist, and what exists must be named.
//!
//! Called by `tidy.rs` with all files at once. It also finds a Rust file that no `mod` line
//! reaches, because its tests would never run.

use super::{lex, rust, Fault, Source, ARCHITECTURE_LINES_MAX};
use std::collections::BTreeSet;

const MAP: &str = "ARCHITECTURE.md";
const DOCUMENTS: &[&str] = &[MAP, "README.md", "CONTRIBUTING.md"];
/// A code span that begins with one of these is a path of the repository.
const ROOTS: &[&str] = &["crates/", "docs/", "xtask/", "fuzz/", "testdata/", ".ci/", ".cargo/"];
/// Marks a line of the code map whose file is not written yet.
const PLANNED: &str = "(planned)";

/// Every fault. `paths` are all files of the repository, the binary ones too.
pub fn check(sources: &[Source], paths: &[String]) -> Vec<Fault> {
    let tree = Tree::new(paths);
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| DOCUMENTS.contains(&source.path.as_str())) {
        spans(source, &tree, &mut faults);
    }
    match sources.iter().find(|source| source.path == MAP) {
        Some(map) => code_map(map, &tree, &mut faults),
        None => faults.push(Fault::new(MAP, 1, "there is no map of the code")),
    }
    for source in sources {
        unreached(source, sources, &mut faults);
    }
    faults
}

/// All files and, with a slash behind them, all directories.
struct Tree<'a> {
    names: BTreeSet<&'a str>,
}

impl<'a> Tree<'a> {
    fn new(paths: &'a [String]) -> Tree<'a> {
        let mut names = BTreeSet::new();
        for path in paths {
            names.insert(path.as_str());
            names.extend(path.match_indices('/').map(|(at, _)| &path[..=at]));
        }
        Tree { names }
    }

    fn has(&self, path: &str) -> bool {
        self.names.contains(path) || self.names.contains(format!("{path}/").as_str())
    }
}

/// Paths in code spans. A span with a star or an ellipsis is a pattern and names no file.
fn spans(source: &Source, tree: &Tree<'_>, faults: &mut Vec<Fault>) {
    for (index, line) in source.text.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2) {
            let path = span.split([' ', ':', '#']).next().unwrap_or_default();
            let is_path = ROOTS.iter().any(|root| path.starts_with(root));
            let is_pattern = path.contains(['*', '<', '{']) || path.contains("...");
            if is_path && !is_pattern && !tree.has(path) {
                let reason = format!("{path} does not exist");
                faults.push(Fault::new(&source.path, index + 1, reason));
            }
        }
    }
}

/// The fenced code map: a directory at the margin, its files indented by two blanks below it.
fn code_map(map: &Source, tree: &Tree<'_>, faults: &mut Vec<Fault>) {
    let mut directory = String::new();
    let mut in_fence = false;
    let mut named = BTreeSet::new();
    for (index, line) in map.text.lines().enumerate() {
        if line.starts_with("```") {
            in_fence = !in_fence;
            directory.clear();
            continue;
        }
        let first = line.split_whitespace().next().unwrap_or_default();
        if !in_fence || first.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if indent == 0 {
            let is_root = ROOTS.iter().any(|root| first.starts_with(root)) && first.ends_with('/');
            directory = if is_root { first.to_owned() } else { String::new() };
        }
        if directory.is_empty() || !matches!(indent, 0 | 2) {
            continue;
        }
        let path = if indent == 0 { directory.clone() } else { format!("{directory}{first}") };
        let reason = match (tree.has(&path), line.contains(PLANNED)) {
            (false, false) => {
                Some(format!("{path} does not exist; mark it {PLANNED} or remove it"))
            }
            (true, true) => Some(format!("{path} exists; take away the mark {PLANNED}")),
            _ => None,
        };
        faults.extend(reason.map(|reason| Fault::new(MAP, index + 1, reason)));
        named.insert(path);
    }
    unnamed(&named, tree, faults);
    let count = map.text.lines().count();
    if count > ARCHITECTURE_LINES_MAX {
        let reason = format!("{count} lines; the budget is {ARCHITECTURE_LINES_MAX}");
        faults.push(Fault::new(MAP, ARCHITECTURE_LINES_MAX + 1, reason));
    }
}

/// Source files at the top of a crate that the map leaves out, and directories without a file of
/// the same name beside them.
fn unnamed(named: &BTreeSet<String>, tree: &Tree<'_>, faults: &mut Vec<Fault>) {
    for path in &tree.names {
        let Some((before, file)) = path.split_once("/src/") else { continue };
        let is_crate = before == "xtask" || before.starts_with("crates/");
        let is_module = file.ends_with(".rs") && !file.contains('/');
        let is_room = file.strip_suffix('/').is_some_and(|room| {
            !room.contains('/') && !tree.has(&format!("{before}/src/{room}.rs"))
        });
        if is_crate && (is_module || is_room) && !named.contains(*path) {
            let reason = format!("the code map does not name {path}");
            faults.push(Fault::new(MAP, 1, reason));
        }
    }
}

/// A module file without a `mod` line in its parent is compiled by nobody.
fn unreached(source: &Source, sources: &[Source], faults: &mut Vec<Fault>) {
    let Some((own, inner)) = source.path.rsplit_once("/src/") else { return };
    let Some(stem) = inner.strip_suffix(".rs") else { return };
    if matches!(stem, "lib" | "main") || stem.starts_with("bin/") {
        return;
    }
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    let (parents, name) = match stem.rsplit_once('/') {
        None => (vec![format!("{own}/src/lib.rs"), format!("{own}/src/main.rs")], stem),
        Some((parent, name)) => {
            (vec![format!("{own}/src/{parent}.rs"), format!("{own}/src/{parent}/mod.rs")], name)
        }
    };
    let declares = |source: &Source| {
        lex::lines(&source.text).iter().any(|line| {
            let found = lex::find_word(&line.code, "mod");
            found.is_some_and(|at| line.code[at + 3..].trim().starts_with(&format!("{name};")))
        })
    };
    let reached = sources.iter().any(|other| parents.contains(&other.path) && declares(other));
    if !reached {
        let what = if rust::is_test_file(&source.path) { "its tests never run" } else { "dead" };
        let reason = format!("no `mod {name};` in {}: {what}", parents.join(" or "));
        faults.push(Fault::new(&source.path, 1, reason));
    }
}

#[cfg(test)]
mod tests;
