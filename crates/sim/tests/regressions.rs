//! Seeds that failed once, each with its story. What a seed leads to changes with every change of
//! the simulator or of what it runs, so each story has a test of its own at a lower layer, too; a
//! seed here is one more run that must end well.

use sim::scenario::{run, Wish};

#[track_caller]
fn ends_well(seed: u64) {
    let wish = Wish { calm: true, spares_known: true, ..Wish::default() };
    assert_eq!(run(seed, wish).failed, None);
}

/// An editor's temporary file was seen, and renamed before the index had heard of it. The next look
/// found it gone and said nothing, because the index did not know it; then the first look arrived,
/// and the file stayed in the folder for ever, everywhere but where it was made. (`disk::scan`,
/// `a_hinted_name_that_is_gone_is_told_though_the_index_does_not_know_it`)
#[test]
fn a_file_that_vanishes_behind_the_look_that_saw_it_does_not_stay() {
    ends_well(9);
    ends_well(31);
}

/// A content was given extended attributes for a place where something else stood, went back to the
/// stage, and brought them along to another place, where nobody wanted them. (`disk::apply`,
/// `a_content_that_was_given_back_brings_no_attributes_to_its_next_place`)
#[test]
fn attributes_do_not_travel_with_a_content_to_another_place() {
    ends_well(144);
}
