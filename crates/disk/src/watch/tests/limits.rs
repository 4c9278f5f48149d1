//! Bursts, overflows, and trees deeper than a path can say.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::fs::{mkdirat, openat, Mode, OFlags};

use super::super::{Options, Rung};
use super::lab::{few_watches, on_each_rung, skipped, Lab};

/// More than the 16,384 events that the default queues of both rungs hold.
const TOO_MANY: usize = 40_000;

#[test]
fn an_overflowing_queue_says_that_events_are_lost_and_goes_on_afterwards() {
    for rung in [Rung::FanotifyFilesystem, Rung::Inotify] {
        let options = Options { keep_own: true, small_queue: true, ..Options::default() };
        let Some(mut lab) = Lab::open(rung, options) else { continue };
        if queue_max(rung) >= TOO_MANY {
            skipped(&format!("{rung:?}: this machine's queue is longer than usual"));
            continue;
        }
        for n in 0..TOO_MANY {
            fs::write(lab.root.join(format!("f{n}")), b"").unwrap();
        }
        fs::create_dir_all(lab.root.join("made/unseen")).unwrap();
        assert!(lab.seen_until(|seen, _| seen.lost).names.len() < TOO_MANY);
        lab.seen();
        fs::write(lab.root.join("made/unseen/f"), b"x").unwrap();
        lab.seen_closed(&[b"made/unseen/f"]);
    }
}

fn queue_max(rung: Rung) -> usize {
    let which = if rung == Rung::Inotify { "inotify" } else { "fanotify" };
    let path = format!("/proc/sys/fs/{which}/max_queued_events");
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(16_384)
}

#[test]
fn of_a_burst_of_20_000_creates_every_name_is_hinted() {
    on_each_rung(|lab| {
        let root = lab.root.clone();
        // Made while it is read: what is too fast for the watches must come by its tree.
        let writer = std::thread::spawn(move || {
            for d in 0..20 {
                fs::create_dir_all(root.join(format!("d{d}/sub"))).unwrap();
                for n in 0..1000 {
                    fs::write(root.join(format!("d{d}/sub/f{n}")), b"x").unwrap();
                }
            }
            fs::write(root.join("end"), b"x").unwrap();
        });
        let end = |seen: &super::Seen, _| seen.names.contains_key(&b"end"[..]) || seen.lost;
        let seen = lab.seen_until(end);
        writer.join().unwrap();
        let covered = |d: u32, n: u32| seen.lost || seen.covers(&format!("d{d}/sub/f{n}"));
        assert!((0..20).all(|d| (0..1000).all(|n| covered(d, n))));
    });
}

#[test]
fn a_change_deeper_than_any_path_can_say_is_hinted_by_a_tree_above_it_or_by_name() {
    on_each_rung(|lab| {
        let long = "n".repeat(200);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut dir: OwnedFd = fs::File::open(&lab.root).unwrap().into();
        for _ in 0..25 {
            mkdirat(&dir, long.as_str(), Mode::RWXU).unwrap();
            dir = openat(&dir, long.as_str(), flags, Mode::empty()).unwrap();
        }
        lab.seen();
        let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(openat(&dir, "f", create, Mode::RWXU).unwrap());
        let seen = lab.seen();
        let path = [vec![long.as_str(); 25], vec!["f"]].concat().join("/");
        assert!(seen.covers(&path) && !seen.lost, "{seen:?}");
    });
}

#[test]
fn a_tree_that_was_there_before_is_watched_to_its_ends() {
    for rung in [Rung::FanotifyFilesystem, Rung::Inotify] {
        let options = Options { keep_own: true, ..Options::default() };
        let opened = Lab::open_over(rung, options, |root| {
            for d in 0..200 {
                fs::create_dir_all(root.join(format!("d{d}/e/f/g"))).unwrap();
            }
        });
        let Some(mut lab) = opened else { continue };
        assert_eq!(lab.watcher.unwatched(), 0);
        fs::write(lab.root.join("d199/e/f/g/h"), b"x").unwrap();
        lab.seen_closed(&[b"d199/e/f/g/h"]);
    }
}

/// Where the tree took all watches there were, none was left for the cookies: the folder had no
/// barrier, although nearly all of it was watched.
#[test]
fn the_barrier_gets_the_watch_of_a_directory_when_there_are_too_few() {
    const NAME: &str = "the_barrier_gets_the_watch_of_a_directory_when_there_are_too_few";
    if !few_watches(&format!("watch::tests::limits::{NAME}"), 10) {
        return;
    }
    let opened = Lab::open_over(Rung::Inotify, Options::default(), |root| {
        for d in 0..30 {
            fs::create_dir(root.join(format!("d{d}"))).unwrap();
        }
    });
    let mut lab = opened.unwrap();
    // The root and the cookies take one each; eight are left for thirty directories.
    assert_eq!(lab.watcher.unwatched(), 22);
    assert!(lab.watcher.refusals()[0].reason.contains("max_user_watches"));
    fs::write(lab.root.join("f"), b"x").unwrap();
    lab.seen_closed(&[b"f"]);
}
