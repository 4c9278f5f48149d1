//! Each rule catches its sin, and lets the nearest innocent pass.

use super::super::{Source, COLUMNS_MAX, FILE_LINES_MAX, FUNCTION_LINES_MAX};
use super::check;

/// The lines and reasons of the faults of `text`, which gets a proper head as its line one.
fn faults(path: &str, text: &str) -> Vec<(usize, String)> {
    let source = Source { path: path.to_owned(), text: format!("//! Head.\n{text}") };
    check(&source).into_iter().map(|fault| (fault.line, fault.reason)).collect()
}

#[track_caller]
fn caught(path: &str, text: &str, line: usize, reason: &str) {
    let found = faults(path, text);
    assert!(
        found.len() == 1 && found[0].0 == line && found[0].1.contains(reason),
        "wanted line {line} {reason:?}, found {found:?}"
    );
}

#[track_caller]
fn clean(path: &str, text: &str) {
    assert_eq!(faults(path, text), []);
}

const HERE: &str = "crates/node/src/a.rs";

#[test]
fn a_file_without_a_head_is_caught() {
    let source = Source { path: HERE.to_owned(), text: "use std::fs;\n".to_owned() };
    assert!(check(&source)[0].reason.contains("//!"));
}

#[test]
fn a_function_over_budget_is_caught_and_one_on_budget_is_not() {
    let body = |lines: usize| format!("pub fn long(\n) {{\n{}}}\n", "    call();\n".repeat(lines));
    clean(HERE, &body(FUNCTION_LINES_MAX - 3));
    caught(HERE, &body(FUNCTION_LINES_MAX - 2), 2, "function long has 71 lines");
}

#[test]
fn braces_in_strings_and_array_types_do_not_shift_the_end_of_a_function() {
    let filler = "fn small() {}\n".repeat(FUNCTION_LINES_MAX + 5);
    clean(HERE, &format!("fn a(x: [u8; {{ 1 }}]) {{ f(\"{{\", '{{'); }}\n{filler}"));
    clean(HERE, &format!("trait T {{\n fn a(&self) -> [u8; 3];\n}}\n{filler}"));
    clean(HERE, &format!("struct S(fn(u8) -> u8);\n{filler}"));
}

#[test]
fn a_line_over_budget_is_caught() {
    let line = |columns: usize| format!("// {}\n", "é".repeat(columns - 3));
    clean(HERE, &line(COLUMNS_MAX));
    caught(HERE, &line(COLUMNS_MAX + 1), 2, "101 columns");
}

#[test]
fn production_lines_are_counted_without_the_tests_among_them() {
    let lines = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX - 1);
    clean(HERE, &lines);
    clean(HERE, &format!("{lines}#[cfg(test)]\nmod tests {{\n    fn a() {{}}\n}}\n"));
    clean("crates/node/src/a/tests.rs", &format!("{lines}{lines}"));
    caught(HERE, &format!("{lines}const B: u8 = 1;\n"), FILE_LINES_MAX + 1, "601 production");
}

#[test]
fn the_switchboard_has_a_budget_of_its_own() {
    let lines = "const A: u8 = 1;\n".repeat(500);
    caught("crates/engine/src/engine.rs", &lines, 501, "501 production lines");
}

#[test]
fn unwrap_is_caught_in_production_and_allowed_in_tests() {
    let call = "fn a() {\n    b().unwrap();\n}\n";
    caught(HERE, call, 3, "unwrap");
    clean("crates/node/tests/e2e/lab.rs", call);
    clean(HERE, &format!("#[cfg(test)]\nmod tests {{\n{call}}}\n"));
    clean(HERE, "fn a() {\n    b().unwrap_or(1); // .unwrap()\n}\n");
    caught(HERE, &format!("#[cfg(test)]\nmod tests;\n{call}"), 5, "unwrap");
}

#[test]
fn a_glob_import_is_caught_everywhere_also_over_several_lines() {
    caught(HERE, "use std::fs::*;\n", 2, "glob");
    caught("crates/node/src/a/tests.rs", "use super::*;\n", 2, "glob");
    caught(HERE, "pub(crate) use std::{\n    fs,\n    io::*,\n};\n", 2, "glob");
    clean(HERE, "use std::fs;\nconst A: u8 = 2 * 3;\n");
}

#[test]
fn an_ignored_test_is_caught() {
    caught("a/tests.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n", 3, "ignored");
}

#[test]
fn a_sleep_is_caught_in_tests_only() {
    let sleep = "fn a() {\n    std::thread::sleep(pause);\n}\n";
    caught("crates/node/tests/e2e/main.rs", sleep, 3, "sleep");
    caught("a/tests.rs", "async fn a() {\n    tokio::time::sleep(pause).await;\n}\n", 3, "sleep");
    clean(HERE, sleep);
}

#[test]
fn unsafe_is_caught_outside_disk() {
    let text = "fn a() {\n    unsafe { b() }\n}\n";
    caught(HERE, text, 3, "unsafe");
    clean("crates/disk/src/linux.rs", text);
    clean(HERE, "#![deny(unsafe_code)]\n");
}

#[test]
fn commented_out_code_is_caught_and_prose_is_not() {
    caught(HERE, "// let a = 1;\n", 2, "commented-out");
    caught(HERE, "    // if a {\n", 2, "commented-out");
    clean(HERE, "/// let a = 1;\n// Prose, with a point.\nconst A: u8 = 1; // unit;\n");
}
