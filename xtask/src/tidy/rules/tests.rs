//! References against a small invented page of rules.

use super::super::Source;
use super::check;

const PAGE: (&str, &str) = ("docs/decisions/rules.md", "# Rules\n\n* **A1** One.\n* **B2** Two.\n");

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
    let sources: Vec<Source> = files.iter().map(source).collect();
    check(&sources).into_iter().map(|fault| fault.to_string()).collect()
}

#[track_caller]
fn caught(path: &str, text: &str, reason: &str) {
    let found = faults(&[PAGE, (path, text)]);
    assert!(found.len() == 1 && found[0].contains(reason), "wanted {reason:?}, found {found:?}");
}

#[test]
fn a_rule_that_the_page_has_may_be_named() {
    let text = "//! Head (decisions A1).\n// By rule B2, and decisions A1, B2.\n";
    assert!(faults(&[PAGE, ("a.rs", text), ("a.md", "See decisions B2.")]).is_empty());
}

#[test]
fn a_rule_that_the_page_lacks_is_caught_in_code_and_in_prose() {
    caught("a.rs", "//! Head (decisions A9).\n", "a.rs:1: docs/decisions/rules.md has no rule A9");
    caught("a.md", "One.\n\nAs decision C1 says.\n", "a.md:3: ");
    caught("a.rs", "// Both decisions A1 and B7.\n", "no rule B7");
}

#[test]
fn a_reference_that_a_line_break_divides_is_caught() {
    caught("a.rs", "/// A long sentence (decisions\n/// A12).\n", "a.rs:2: ");
}

#[test]
fn a_number_that_is_no_reference_is_no_fault() {
    let code =
        "//! Head.\nconst A: &str = \"decisions A9\"; // An A4 sheet; decisions: the A4 one\n";
    let prose = "Rows of `decisions A9` fit on A4; two decisions are in A4 format.\n";
    assert!(faults(&[PAGE, ("a.rs", code), ("a.md", prose)]).is_empty());
}

#[test]
fn without_the_page_every_reference_leads_nowhere() {
    assert_eq!(faults(&[("a.rs", "// decisions A1\n")]).len(), 1);
}

#[test]
fn a_rule_that_is_defined_twice_is_caught() {
    let twice = (PAGE.0, "* **A1** One.\n* **A1** Two.\n");
    assert_eq!(faults(&[twice]), ["docs/decisions/rules.md:2: A1 stands here twice"]);
}
