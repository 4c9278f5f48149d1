//! When a reason is said again.

use super::{Repeats, AGAIN_AFTER, OVER_AFTER};
use engine::message::FolderId;
use std::time::{Duration, Instant};

/// A folder whose home was full was opened every five seconds, said that it was at work again, and
/// stopped at its first commit: why was said once, that it worked twelve times a minute.
#[test]
fn what_had_stopped_a_folder_is_over_once_it_has_been_read() {
    let repeats = Repeats::default();
    let web = FolderId([1; 16]);
    repeats.stopped(web, "web", "full");
    assert!(!repeats.is_news(web, "full", Instant::now()));
    repeats.over(web, "web");
    assert!(repeats.is_news(web, "full", Instant::now()));
}

/// A folder whose disk was unmounted over night filled the journal: one ERROR every five seconds.
#[test]
fn the_same_reason_is_said_once_an_hour() {
    let (repeats, begun) = (Repeats::default(), Instant::now());
    let (web, mail, try_every) = (FolderId([1; 16]), FolderId([2; 16]), Duration::from_secs(5));
    let mut said = Vec::new();
    let mut tries = 0;
    while try_every * tries <= AGAIN_AFTER * 2 {
        let now = begun + try_every * tries;
        if repeats.is_news(web, "gone", now) {
            said.push(now - begun);
        }
        tries += 1;
    }
    assert_eq!(said, [Duration::ZERO, AGAIN_AFTER, AGAIN_AFTER * 2]);
    let now = begun + AGAIN_AFTER * 2;
    assert!(repeats.is_news(mail, "gone", now), "another folder");
    assert!(repeats.is_news(web, "replaced", now), "another reason");
    assert!(!repeats.is_news(web, "replaced", now + try_every));
    assert!(repeats.is_news(web, "replaced", now + try_every + OVER_AFTER), "it had worked again");
}
