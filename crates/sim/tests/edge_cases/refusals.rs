//! Disks that refuse: no room, read-only, a sync that fails.

use crate::story::Story;
use rustix::io::Errno;
use sim::checkers;
use sim::disk::Fate;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Calls that need room, or a disk that can be written to.
const WRITES: [&str; 6] =
    ["create", "write_at", "preallocate", "make_dir", "rename_new", "rename_over"];

/// Case 16. In the middle of a batch the disk is full, or the quota is used up, or it can only be
/// read. Nothing that is shown is torn, nothing is taken for done; when there is room again all
/// comes, and nobody had to ask.
#[test]
fn case_16_a_disk_that_is_full_in_the_middle_of_a_batch_shows_nothing_torn() {
    let text = |number: usize| format!("text {number} ").repeat(10 + number * 100);
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS] {
        for after in [0, 7, 25, 60] {
            let mut story = Story::of(2);
            story.make_dir(0, "d");
            story.write(0, "d/1", "first");
            story.rest();
            let refuses = Arc::new(AtomicBool::new(true));
            let (refusing, mut left) = (refuses.clone(), after);
            let between = move |_: &sim::disk::SimDisk, call: &'static str| {
                if !WRITES.contains(&call) || !refusing.load(Ordering::Relaxed) {
                    return Fate::Go;
                }
                if left > 0 {
                    left -= 1;
                    return Fate::Go;
                }
                Fate::Fail(errno)
            };
            story.world.nodes[1].disk.set_between(Some(Box::new(between)));
            (0..30).for_each(|number| story.write(0, &format!("d/{number}"), &text(number)));
            story.world.run_for(30_000);
            let shown = story.tree(1);
            for (path, seen) in &shown {
                let number = path.strip_prefix("d/").and_then(|name| name.parse().ok());
                let Some(number) = number else { continue };
                let is_whole = *seen == text(number) || (number == 1 && seen == "first");
                assert!(is_whole, "{errno} after {after}: /{path} is torn");
            }
            let lacks = shown.values().filter(|seen| !seen.is_empty()).count() < 30;
            if lacks {
                let pending =
                    engine::index::Index::pending_after(&story.world.nodes[1].index, 0, 1);
                assert!(!pending.is_empty(), "{errno} after {after}: taken for done");
            }
            refuses.store(false, Ordering::Relaxed);
            story.rest();
            let whole: BTreeMap<String, String> = (0..30)
                .map(|number| (format!("d/{number}"), text(number)))
                .chain([("d/".to_string(), String::new())])
                .collect();
            assert_eq!(story.tree(1), whole, "{errno} after {after}");
            if errno == Errno::NOSPC && after == 7 {
                story.came_by("the disk refuses what is staged or applied");
            }
            checkers::at_rest(&story.world);
            checkers::no_echo(&mut story.world);
        }
    }
}

/// A sync of what was staged fails once. The kernel says so once, and counts the bytes as written:
/// the next sync says that all is well, and after a power loss they are torn. So the content is not
/// taken for durable; it is written anew before it gets its name.
#[test]
fn a_content_whose_sync_failed_is_written_anew() {
    let mut reached = false;
    for seed in 0..30 {
        let mut story = Story::seeded(seed);
        story.write(0, "f", "first");
        story.rest();
        story.world.run_for(10_000);
        let mut fails = true;
        let between = move |_: &sim::disk::SimDisk, call: &'static str| match call == "sync_file"
            && std::mem::take(&mut fails)
        {
            true => Fate::Fail(Errno::IO),
            false => Fate::Go,
        };
        story.world.nodes[1].disk.set_between(Some(Box::new(between)));
        let second = "second".repeat(2_000);
        story.write(0, "f", &second);
        story.rest();
        story.world.run_for(10_000);
        assert_eq!(story.tree(1)["f"], second);
        reached |= story.has_come_by("what was staged could not be made durable");
        story.world.lose_power(1);
        assert_eq!(story.tree(1)["f"], second, "seed {seed}: it was said to be durable");
        story.world.start(1);
        story.ends(&[("f", &second)], &[]);
    }
    assert!(reached, "no sync has failed");
}
