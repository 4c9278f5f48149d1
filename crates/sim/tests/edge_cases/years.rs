//! What takes years: a member that was away, and clocks that are wrong.

use crate::story::{self, Story};
use engine::limits::RETIRE_EVERY_MS;

const YEAR_MS: u64 = 365 * 24 * 3_600_000;

/// Case 13. A member comes back after two years. The others have deleted files, and have forgotten
/// that they did. What it still has as it was is deleted there, into its trash; what it changed
/// lives again, everywhere; nothing else rises from the dead.
#[test]
fn case_13_a_member_that_returns_after_two_years_brings_back_what_it_changed_alone() {
    for stops in [false, true] {
        let mut story = Story::of(3);
        story.make_dir(0, "d");
        for name in ["stays", "goes", "d/goes too", "changes"] {
            story.write(0, name, name);
        }
        story.rest();
        (0..2).for_each(|other| story.world.set_link(2, other, false));
        story.rest();
        if stops {
            story.world.stop(2);
        }
        for name in ["goes", "d/goes too", "d", "changes"] {
            story.remove(0, name);
        }
        story.rest();
        story.write(2, "changes", "in its absence");
        story.write(2, "own", "1");
        story.rest();
        // Nobody waits for it any more.
        story.world.pass(2 * YEAR_MS);
        // The others hear of each other.
        story.write(0, "meanwhile", "0");
        story.write(1, "meanwhile too", "1");
        story.world.run_for(2 * RETIRE_EVERY_MS);
        story.came_by("retire: a deletion is forgotten");
        if stops {
            story.world.start(2);
            story.rest();
        }
        (0..2).for_each(|other| story.world.set_link(2, other, true));
        story.rest();
        story.came_by("exchange: a full reconciliation");
        story.came_by("exchange: absence is a deletion");
        let theirs = [("meanwhile", "0"), ("meanwhile too", "1"), ("stays", "stays")];
        let shown: Vec<_> = [("changes", "in its absence"), ("own", "1")].into();
        let shown: Vec<_> = shown.into_iter().chain(theirs).collect();
        story.ends(&shown, &[]);
        assert!(story.is_in_trash(2, "goes") && story.is_in_trash(2, "d/goes too"));
    }
}

/// Case 17. One clock is years ahead. What is written there wins against what is written at the
/// same time elsewhere; but who has seen it and writes again replaces it, whatever the clocks say.
#[test]
fn case_17_a_wrong_clock_decides_only_between_concurrent_versions() {
    let mut story = Story::of(2);
    story.world.set_clock(1, (10 * YEAR_MS).cast_signed());
    story.write(0, "f", "first");
    story.rest();
    story.apart(&[&|model, root| story::write(model, root, "f", "in our time"), &|model, root| {
        story::write(model, root, "f", "in ten years")
    }]);
    story.ends(&[("f", "in ten years")], &["in our time"]);
    story.write(0, "f", "after both");
    story.rest();
    story.came_by("a clock far ahead is not followed");
    story.ends(&[("f", "after both")], &["in our time"]);
}

/// Case 17, the other way. A clock is put back by years while its machine works: what is written
/// then comes after what was written before, and what is deleted then is deleted.
#[test]
fn case_17_a_clock_that_is_put_back_undoes_nothing() {
    let mut story = Story::of(2);
    story.world.set_clock(0, (10 * YEAR_MS).cast_signed());
    story.write(0, "f", "first");
    story.write(0, "g", "first");
    story.rest();
    for ahead_ms in [0, -(10 * YEAR_MS).cast_signed()] {
        story.world.set_clock(0, ahead_ms);
        story.write(0, "f", &format!("at {ahead_ms}"));
        story.rest();
        story.ends(&[("f", &format!("at {ahead_ms}")), ("g", "first")], &[]);
    }
    // Nobody watches, so that only the times tell.
    story.world.stop(0);
    story.write(0, "f", "last");
    story.remove(0, "g");
    story.world.start(0);
    story.ends(&[("f", "last")], &[]);
}
