//! What several entries of one name are on a disk: one row where they are shown as one.

use super::{check, d, f};
use std::slice::from_ref;

#[test]
fn united_directories_become_one_row_whichever_was_there_first() {
    let late = [d(1, 0, "d"), f(3, 1, "a", b'x')];
    let here = [d(2, 0, "d"), f(4, 2, "b", b'y')];
    let shown = ["d/", "d/a=x", "d/b=y"];
    check(&here, &late, &[(2, "d is 1"), (1, "d is 1")], &shown);
    check(&late, &here, &[(2, "in place")], &shown);
    let moved = [d(1, 0, "e"), f(3, 1, "a", b'x'), d(2, 0, "d"), f(4, 2, "b", b'y')];
    check(&moved, &[d(1, 0, "e").at(1, 0, "d")], &[], &shown);
}

#[test]
fn an_empty_directory_goes_when_it_is_to_be_one_with_another_a_file_waits_for_that() {
    let dirs = [d(1, 0, "e"), d(2, 0, "d")];
    check(&dirs, &[d(1, 0, "e").at(1, 0, "d")], &[(1, "remove e")], &["d/"]);
    let files = [f(1, 0, "e", b'x'), f(2, 0, "d", b'x')];
    check(&files, &[f(1, 0, "e", b'x').at(1, 0, "d")], &[(1, "wait for 2")], &["d=x"]);
}

#[test]
fn an_equal_file_is_shown_once_and_the_row_changes_its_entry() {
    let (one, two) = (f(1, 0, "a", b'x'), f(2, 0, "a", b'x'));
    check(from_ref(&two), from_ref(&one), &[(2, "a is 1"), (1, "a is 1")], &["a=x"]);
    check(&[one], &[two], &[(2, "in place")], &["a=x"]);
}

// Story (small worlds, seed 6424): of two equal files of one name the one was deleted that had the
// row. Its bytes went to the trash, and the other, which was shown there from then on, could not
// get them from anybody.
#[test]
fn an_equal_file_inherits_the_row_of_the_one_that_is_deleted() {
    let both = [f(1, 0, "a", b'x'), f(2, 0, "a", b'x')];
    let gone = f(1, 0, "a", b'x').gone(1);
    check(&both, from_ref(&gone), &[(1, "a is 2"), (2, "wait for 1")], &["a=x"]);
    let other = [f(1, 0, "a", b'x'), f(2, 0, "a", b'y')];
    check(&other, from_ref(&gone), &[(1, "remove a"), (2, "wait for 1")], &["a=y"]);
}

#[test]
fn a_name_clash_gives_way_before_the_name_is_taken() {
    let steps = [(1, "wait for 2"), (2, "a -> a~aaaa-0202")];
    check(&[f(2, 0, "a", b'x')], &[d(1, 0, "a")], &steps, &["a/", "a~aaaa-0202=x"]);
}

#[test]
fn who_holds_something_else_or_stands_elsewhere_inherits_no_row() {
    let steps = [(1, "remove a"), (2, "wait for 1")];
    let gone = f(1, 0, "a", b'x').gone(1);
    check(&[f(1, 0, "a", b'x')], &[gone.clone(), f(2, 0, "a", b'y')], &steps, &["a=y"]);
    let both = [f(1, 0, "a", b'x'), f(2, 0, "b", b'x')];
    check(&both, &[gone, f(2, 0, "b", b'x').at(1, 0, "a")], &steps, &["a=x"]);
}

#[test]
fn a_row_that_shows_what_lost_is_not_taken_over_by_an_equal_of_the_winner() {
    let after = [f(1, 0, "a", b'y'), f(2, 0, "a", b'x').holds(1, b'y')];
    let steps = [(1, "wait for 2"), (2, "remove a, keep it")];
    check(&[f(2, 0, "a", b'x')], &after, &steps, &["!x", "a=y"]);
}

// What was moved to where another already is becomes that one's row in its next step: whoever waits
// for its name waits, though what is in it waits for the waiting one in turn.
#[test]
fn nobody_steps_aside_for_a_row_that_is_about_to_be_taken_over() {
    let before = [d(5, 0, "q"), f(6, 5, "c", b'x'), f(7, 0, "x", b'y')];
    let after = [
        d(2, 0, "d"),
        d(5, 0, "q").at(1, 0, "d"),
        f(6, 5, "c", b'x').at(1, 0, "x"),
        f(7, 0, "x", b'y').at(1, 0, "q"),
    ];
    let steps = [(5, "q is 2"), (6, "wait for 7"), (7, "wait for 5")];
    check(&before, &after, &steps, &["d/", "q=y", "x=x"]);
}
