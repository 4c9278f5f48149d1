//! Entries that wait for one another: somebody steps aside, and never into itself.

use super::{check, d, f};

#[test]
fn a_directory_takes_the_place_of_the_one_it_lay_in() {
    let nested = [d(1, 0, "w"), d(2, 1, "w"), f(3, 2, "a", b'x')];
    let flat = [d(1, 0, "w").gone(1), d(2, 1, "w").at(1, 0, "w")];
    check(&nested, &flat, &[(1, "wait for 2"), (2, "w/w -> w~02020202")], &["w/", "w/a=x"]);
    let file = [d(1, 0, "w"), f(2, 1, "w", b'x')];
    let flat = [d(1, 0, "w").gone(1), f(2, 1, "w", b'x').at(1, 0, "w")];
    check(&file, &flat, &[(1, "wait for 2")], &["w=x"]);
}

#[test]
fn directories_that_change_places_inside_one_another_do_not_lock() {
    let nested = [d(1, 0, "a"), d(2, 1, "b"), f(3, 1, "x", b'x'), f(4, 2, "y", b'y')];
    let turned = [d(1, 0, "a").at(1, 2, "b"), d(2, 1, "b").at(1, 0, "a")];
    check(&nested, &turned, &[(1, "wait for 2")], &["a/", "a/b/", "a/b/x=x", "a/y=y"]);
    let others = [d(1, 0, "a"), d(2, 1, "b"), d(3, 0, "c")];
    let round = [d(1, 0, "a").gone(1), d(2, 1, "b").at(1, 0, "c"), d(3, 0, "c").at(1, 0, "a")];
    check(&others, &round, &[], &["a/", "c/"]);
}

#[test]
fn who_steps_aside_goes_above_what_it_has_to_let_out_first() {
    let nested = [d(1, 0, "r"), d(2, 1, "d"), d(3, 2, "p")];
    let turned = [
        d(1, 0, "r").at(1, 4, "in"),
        d(2, 1, "d").at(1, 0, "d"),
        d(3, 2, "p").at(1, 0, "r"),
        d(4, 2, "p"),
    ];
    let steps = [(1, "r -> in~01010101"), (2, "r/d -> d"), (3, "r/d/p -> r~03030303")];
    check(&nested, &turned, &steps, &["d/", "d/p/", "d/p/in/", "r/"]);
}

// Story (simulator, seed 6392): a directory had stepped aside. Somebody renamed another into it, so
// that elsewhere its name aside was that of a deleted directory which lived on for what was in it.
// The one that had stepped aside belonged below that. It stood at the very name and had nowhere to
// step to: all waited for one another for ever.
#[test]
fn who_stands_at_its_own_name_aside_steps_on_if_another_is_to_have_that() {
    let before = [d(1, 0, "a~01010101")];
    let after = [d(1, 0, "a~01010101").at(1, 3, "a"), d(2, 0, "a~01010101"), d(3, 2, "b")];
    let steps = [(1, "a~01010101 -> a~010101010101"), (2, "wait for 1")];
    let disk = ["a~01010101/", "a~01010101/b/", "a~01010101/b/a/"];
    check(&before, &after, &steps, &disk);
}

// Who lies in the other cannot change places with it: no kernel does that.
#[test]
fn nobody_swaps_places_with_what_lies_in_it_though_each_wants_the_place_of_the_other() {
    let nested = [d(1, 0, "a"), d(2, 1, "m"), d(3, 2, "c")];
    let turned =
        [d(1, 0, "a").at(1, 2, "c"), d(2, 1, "m").at(1, 0, "z"), d(3, 2, "c").at(1, 0, "a")];
    let steps = [(1, "wait for 2"), (3, "wait for 1")];
    check(&nested, &turned, &steps, &["a/", "z/", "z/c/"]);
}

#[test]
fn places_are_swapped_below_the_root_as_in_it() {
    let before = [d(5, 0, "d"), f(1, 5, "a", b'x'), f(2, 5, "b", b'y'), f(3, 0, "a", b'z')];
    let after = [f(1, 5, "a", b'x').at(1, 5, "b"), f(2, 5, "b", b'y').at(1, 5, "a")];
    check(&before, &after, &[(1, "d/a <-> d/b")], &["a=z", "d/", "d/a=y", "d/b=x"]);
}
