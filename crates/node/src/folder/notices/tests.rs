//! A notice stands as long as its trouble, and no longer.

use super::{Cause, Notices};
use disk::stage::StageError;
use engine::content::Digest;
use engine::path::RelPath;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn texts(notices: &Notices) -> Vec<String> {
    notices.list().into_iter().map(|notice| format!("{}: {}", notice.path, notice.text)).collect()
}

/// "Cannot replace ...; it is tried again" stood beside "all is well" as long as the daemon ran.
#[test]
fn what_was_wrong_with_a_path_goes_when_it_is_done_or_nothing_is_left_to_do() {
    let mut notices = Notices::default();
    notices.put(1, Cause::Operation, &path("a"), "first".into());
    notices.put(2, Cause::Operation, &path("a"), "second".into());
    notices.put(3, Cause::Operation, &path("b"), "third".into());
    assert_eq!(texts(&notices), ["a: second", "b: third"]);
    notices.done(&path("a"));
    assert_eq!(texts(&notices), ["b: third"]);
    notices.settled();
    assert!(texts(&notices).is_empty());
}

/// Each content that found no room left a line of its own, with a digest and without a path, which
/// stayed when there was room again.
#[test]
fn a_full_disk_is_one_notice_until_there_is_room() {
    let mut notices = Notices::default();
    for n in 0..50 {
        let full = StageError::Full { digest: Digest([n; 32]), size: 10, free: 4 };
        notices.not_taken(1, &full);
        notices.not_taken(2, &full);
    }
    notices.failed(3, &path("file"), true);
    notices.put(3, Cause::Operation, &path("file"), "cannot create file: no space".into());
    let words = "disk for 50 content(s) of 500 bytes where 4 are free, and 1 change(s)";
    assert_eq!(texts(&notices).len(), 1);
    assert!(texts(&notices)[0].contains(words), "{:?}", texts(&notices));
    notices.taken(&(0..49).map(|n| Digest([n; 32])).collect::<Vec<_>>());
    notices.failed(4, &path("file"), false);
    notices.put(4, Cause::Operation, &path("file"), "forbidden".into());
    assert!(texts(&notices)[0].contains("1 content(s) of 10 bytes"), "{:?}", texts(&notices));
    assert_eq!(texts(&notices)[1], "file: forbidden");
    notices.taken(&[Digest([49; 32])]);
    notices.done(&path("file"));
    assert!(texts(&notices).is_empty());
}

#[test]
fn what_a_look_found_stands_until_a_look_or_a_scan_does_not_find_it() {
    let mut notices = Notices::default();
    notices.put(1, Cause::Look, &path("a"), "forbidden".into());
    // The engine passes it on, and has nothing more to do.
    notices.put(1, Cause::Operation, &path("a"), "forbidden".into());
    notices.settled();
    assert_eq!(texts(&notices), ["a: forbidden"]);
    notices.put(2, Cause::Look, &path("b"), "a socket".into());
    notices.scanned(2);
    assert_eq!(texts(&notices), ["b: a socket"]);
    notices.clear(Cause::Look, &path("b"));
    assert!(texts(&notices).is_empty() && !notices.has_looks());
}

/// `wait` said that everything was on the others, though the only edit was in a file that could not
/// be read.
#[test]
fn what_cannot_be_read_is_told_apart_from_what_is_left_out() {
    let mut notices = Notices::default();
    notices.looked(1, &path("secret"), Some((Cause::Unread, "no permission".into())));
    for n in 0..200 {
        let socket = Some((Cause::Look, "a socket".into()));
        notices.looked(2, &path(&format!("{n}")), socket);
    }
    assert_eq!(notices.unread(), [path("secret")], "however much else there is to say");
    notices.put(3, Cause::Operation, &path("secret"), "no permission".into());
    assert_eq!(texts(&notices).iter().filter(|line| line.contains("secret")).count(), 1);
    notices.looked(4, &path("secret"), Some((Cause::Look, "a socket".into())));
    assert!(notices.unread().is_empty());
    notices.looked(5, &path("secret"), Some((Cause::Unread, "no permission".into())));
    notices.looked(6, &path("secret"), None);
    assert!(notices.unread().is_empty());
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let mut notices = Notices::default();
    for n in 0..=super::NOTICES_MAX {
        notices.put(n as u64, Cause::Look, &path(&format!("{n}")), "a socket".into());
    }
    let list = notices.list();
    assert_eq!((list.len(), list[0].time_ms), (super::NOTICES_MAX, 1));
}
