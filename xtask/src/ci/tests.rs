//! The choice of steps. What the steps do is theirs to test.

use super::{steps, Choice, CLIPPY, DEMO, FORMAT, TEST, TIDY};

#[test]
fn without_flags_everything_runs_cheapest_first() {
    let choice = Choice::parse(&[]).unwrap();
    assert_eq!(steps(choice), [FORMAT, TIDY, CLIPPY, TEST, DEMO]);
}

#[test]
fn each_flag_leaves_out_exactly_its_step() {
    assert_eq!(steps(Choice::parse(&["--no-test"]).unwrap()), [FORMAT, TIDY, CLIPPY, DEMO]);
    assert_eq!(steps(Choice::parse(&["--no-demo"]).unwrap()), [FORMAT, TIDY, CLIPPY, TEST]);
}

#[test]
fn an_unknown_flag_is_refused_and_the_known_ones_are_named() {
    let message = Choice::parse(&["--fast"]).unwrap_err().to_string();
    assert!(message.contains("--fast") && message.contains("--no-demo"), "{message}");
}
