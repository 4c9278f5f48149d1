//! The documents against small invented trees.

use super::super::Source;
use super::check;

/// The faults of a repository given as (path, text), without their line where it is one.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
    let sources: Vec<Source> = files.iter().map(source).collect();
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    check(&sources, &paths).into_iter().map(|fault| fault.to_string()).collect()
}

#[track_caller]
fn caught(files: &[(&str, &str)], reason: &str) {
    let found = faults(files);
    assert!(found.len() == 1 && found[0].contains(reason), "wanted {reason:?}, found {found:?}");
}

const LIB: (&str, &str) = ("crates/engine/src/lib.rs", "pub mod dot;\n");
const DOT: (&str, &str) = ("crates/engine/src/dot.rs", "//! Dot.\n");
const MAP: &str =
    "```\ncrates/engine/src/   what is decided\n  lib.rs   the tour\n  dot.rs   who\n";

#[test]
fn a_map_that_is_true_passes() {
    assert!(faults(&[LIB, DOT, ("ARCHITECTURE.md", MAP)]).is_empty());
}

#[test]
fn a_missing_map_is_caught() {
    caught(&[("README.md", "")], "there is no map");
}

#[test]
fn a_file_on_the_map_that_does_not_exist_is_caught_unless_it_is_planned() {
    let wrong = format!("{MAP}  path.rs   names\n");
    caught(
        &[LIB, DOT, ("ARCHITECTURE.md", &wrong)],
        "ARCHITECTURE.md:5: crates/engine/src/path.rs",
    );
    let planned = format!("{MAP}  path.rs   names (planned)\n");
    assert!(faults(&[LIB, DOT, ("ARCHITECTURE.md", &planned)]).is_empty());
    let stale = MAP.replace("who", "who (planned)");
    caught(&[LIB, DOT, ("ARCHITECTURE.md", &stale)], "take away the mark");
}

#[test]
fn a_file_or_room_that_the_map_leaves_out_is_caught() {
    let short = MAP.replace("  dot.rs   who\n", "");
    caught(&[LIB, DOT, ("ARCHITECTURE.md", &short)], "does not name crates/engine/src/dot.rs");
    let room = ("crates/engine/src/net/mod.rs", "//! Net.\n");
    let lib = (LIB.0, "pub mod dot;\nmod net;\n");
    caught(&[lib, DOT, room, ("ARCHITECTURE.md", MAP)], "does not name crates/engine/src/net/");
}

#[test]
fn a_map_over_budget_is_caught() {
    let long = format!("{MAP}```\n{}", "\n".repeat(300));
    caught(&[LIB, DOT, ("ARCHITECTURE.md", &long)], "the budget is 300");
}

#[test]
fn a_path_in_prose_that_does_not_exist_is_caught_and_a_pattern_is_not() {
    let map = ("ARCHITECTURE.md", MAP);
    caught(&[LIB, DOT, map, ("README.md", "See `docs/lost.md`.")], "README.md:1: docs/lost.md");
    let text = "See `crates/engine/`, `crates/engine/src/dot.rs`, `docs/*.md`, docs/bare.md.";
    assert!(faults(&[LIB, DOT, map, ("CONTRIBUTING.md", text)]).is_empty());
}

#[test]
fn a_file_that_no_module_reaches_is_caught() {
    let map = ("ARCHITECTURE.md", MAP);
    caught(&[(LIB.0, "// mod dot;\n"), DOT, map], "no `mod dot;`");
    let tests = ("crates/engine/src/dot/tests.rs", "//! Tests.\n");
    caught(&[LIB, DOT, tests, map], "its tests never run");
    let dot = (DOT.0, "//! Dot.\n#[cfg(test)]\nmod tests;\n");
    assert!(faults(&[LIB, dot, tests, map]).is_empty());
}
