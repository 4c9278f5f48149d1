//! When what was replaced goes for good: by age, by its share of the filesystem, when room runs
//! out; never within its first minute, and never if somebody has written to it since.

use super::bed::{bed, bed_in, done, Bed};
use crate::linux::tests::without::{without, Call};
use crate::serve::{Serve, Served, Whereabouts};
use crate::stage::{digest_of, StageError, RESERVE_SHARE};
use crate::trash::{Purged, AGE_S_MAX, REST_S_MIN, SHARE};
use engine::engine::{Input, Origin};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Replaces `old` by something else, so that it is in the trash.
fn retire(bed: &mut Bed, name: &str, old: &[u8]) {
    bed.write(name, old);
    let act = bed.install(name, bed.seen(name), name.as_bytes());
    done(bed.run(act));
}

/// After a restart, all that is in the trash has been there for this long.
fn aged(bed: Bed, age_s: u64) -> Bed {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let trash = bed.state.join("trash");
    for entry in std::fs::read_dir(&trash).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some((_, number)) = name.split_once('-') {
            let older = trash.join(format!("{}-{number}", now_s - age_s));
            std::fs::rename(trash.join(&name), older).unwrap();
        }
    }
    bed.reopen()
}

#[test]
fn what_is_older_than_its_age_goes_and_what_is_younger_stays() {
    let mut bed = bed();
    retire(&mut bed, "a", b"ancient");
    let index = bed.state.join("trash/index");
    let mut torn = std::fs::OpenOptions::new().append(true).open(&index).unwrap();
    torn.write_all(&b"torn\n".repeat(20_000)).unwrap();
    let mut bed = aged(bed, AGE_S_MAX + 10);
    retire(&mut bed, "b", b"old");
    let mut bed = {
        let purged = bed.apply.purge(0).unwrap();
        assert_eq!(purged, Purged { count: 1, bytes: 7, strays: Vec::new() });
        aged(bed, AGE_S_MAX - 1000)
    };
    assert_eq!(bed.apply.purge(0).unwrap(), Purged::default());
    assert_eq!(bed.trash_bytes(), vec![b"old".to_vec()]);
    let lines = bed.apply.trash().list().unwrap();
    assert_eq!(lines[0].line.as_ref().unwrap().path.to_string(), "b");
    assert!(std::fs::metadata(&index).unwrap().len() < 1_000, "the index was written anew");
}

#[test]
fn what_somebody_wrote_to_since_is_kept_whatever_its_age() {
    let mut bed = bed();
    retire(&mut bed, "a", b"old");
    let item = bed.apply.trash().list().unwrap()[0].name.to_string();
    let inode = bed.state.join("trash").join(item);
    let mut late = std::fs::OpenOptions::new().append(true).open(inode).unwrap();
    late.write_all(b"+late").unwrap();
    let mut bed = aged(bed, AGE_S_MAX + 10);
    assert_eq!(bed.apply.purge(0).unwrap(), Purged::default(), "its writer is still there");
    drop(late);
    assert_eq!(bed.apply.purge(0).unwrap(), Purged::default(), "it is given a minute");
    let mut bed = bed.reopen();
    let purged = bed.apply.purge(0).unwrap();
    assert_eq!((purged.count, purged.strays.len()), (0, 1));
    assert_eq!(purged.strays[0].digest, digest_of(b"old+late"));
    assert_eq!(bed.apply.strays(), purged.strays, "or nobody would list it");
    assert_eq!(bed.kept_bytes(), vec![b"old+late".to_vec()]);
    assert!(bed.trash_bytes().is_empty());
}

/// With 30,000 items a thirtieth of a core went into listing them every five seconds.
#[test]
fn where_nothing_is_due_nothing_is_listed() {
    let mut bed = bed();
    retire(&mut bed, "a", b"old");
    assert_eq!(bed.apply.purge(0).unwrap(), Purged::default());
    assert_eq!(bed.apply.trash().counted(), Some((1, 3)));
    retire(&mut bed, "b", b"older");
    assert_eq!(bed.apply.trash().counted(), Some((2, 8)));
    let ancient = bed.state.join("trash/1000-1000");
    std::fs::write(&ancient, b"of 1970").unwrap();
    assert_eq!(bed.apply.purge(0).unwrap(), Purged::default());
    assert!(ancient.exists(), "nobody looked");
    let mut bed = bed.reopen();
    assert_eq!(bed.apply.purge(0).unwrap().strays.len(), 1);
    assert!(!ancient.exists());
    assert_eq!(bed.apply.trash().counted(), Some((2, 8)));
}

/// One file that our user may not read, and the trash was never purged again.
#[test]
fn what_cannot_be_read_keeps_nothing_else_from_going() {
    without(&[Call::Privilege], || {
        let mut bed = bed();
        retire(&mut bed, "a", b"locked");
        retire(&mut bed, "b", b"old");
        let items = bed.apply.trash().list().unwrap();
        let locked = bed.state.join("trash").join(items[0].name.to_string());
        std::fs::set_permissions(locked, PermissionsExt::from_mode(0o0)).unwrap();
        let mut bed = aged(bed, AGE_S_MAX + 10);
        assert_eq!(bed.apply.purge(0).unwrap().count, 1);
        assert!(bed.apply.purge(0).is_err(), "it is still there, and said");
        assert_eq!(bed.apply.trash().list().unwrap().len(), 1);
    });
}

/// A filesystem of one megabyte that goes with its owner.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        let place = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let done = Command::new("mount").args(mount).arg(place.path()).output();
        if !done.is_ok_and(|output| output.status.success()) {
            let line = b"SKIPPED on a small filesystem: mounting one needs root\n";
            std::io::stderr().write_all(line).unwrap();
            return None;
        }
        Some(Small(place))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "umount {}", self.path().display());
    }
}

#[test]
fn more_than_its_share_of_the_filesystem_goes_oldest_first_after_its_rest() {
    let Some(small) = Small::mount() else { return };
    let mut bed = bed_in(small.path());
    let cap = (1 << 20) / SHARE;
    for number in 0..5_u8 {
        retire(&mut bed, &number.to_string(), &vec![number; 30 << 10]);
    }
    assert_eq!(bed.apply.purge(0).unwrap().count, 0, "all of it has just come");
    let mut bed = aged(bed, REST_S_MIN - 5);
    assert_eq!(bed.apply.purge(0).unwrap().count, 0, "a minute is not over");
    let mut bed = aged(bed, REST_S_MIN + 5);
    assert_eq!(bed.apply.purge(0).unwrap().count, 2);
    assert_eq!(bed.apply.trash().counted(), Some((3, 3 * (30 << 10))));
    let left: Vec<u8> = bed.trash_bytes().iter().map(|bytes| bytes[0]).collect();
    assert_eq!(left, vec![2, 3, 4]);
    assert!((3 * (30 << 10)..4 * (30 << 10)).contains(&cap));
}

/// Found by reading: nobody ever asked the trash for room, so a full disk stayed full for as long
/// as the trash was within its share. What was freed is counted and not used: a process that
/// another test starts at this instant may hold the removed file open, and its blocks with it.
#[test]
fn content_that_found_no_room_has_the_trash_make_it() {
    let Some(small) = Small::mount() else { return };
    let mut bed = bed_in(small.path());
    retire(&mut bed, "a", &vec![1; 90 << 10]);
    let mut bed = aged(bed, REST_S_MIN + 5);
    std::fs::write(small.path().join("filler"), vec![0; 800 << 10]).unwrap();
    let wanted = vec![2; 100 << 10];
    let digest = digest_of(&wanted);
    let refused = bed.apply.stage().put_whole(digest, &wanted).unwrap_err();
    let StageError::Full { size, free, .. } = refused else { panic!("{refused}") };
    let purged = bed.apply.purge(0).unwrap();
    assert_eq!((purged.count, purged.bytes), (1, 90 << 10));
    assert!(free + purged.bytes >= size + (1 << 20) / RESERVE_SHARE, "room for it: {free}");
    assert_eq!(bed.apply.purge(0).unwrap().count, 0, "asked for once");
}

// Story: a version that was to live was in the trash of every node and nowhere else; nobody looked.
#[test]
fn what_was_retired_is_found_in_the_trash_by_its_content() {
    let mut bed = bed();
    let serve = Serve::new(&bed.apply);
    let digest = digest_of(b"retired");
    let read = || serve.read(&digest, 7, &Whereabouts::Trash, 0, 7).unwrap();
    assert_eq!(read(), Served::Gone);
    bed.write("file", b"retired");
    let remove = bed.remove("file");
    done(bed.run(remove));
    assert_eq!(read(), Served::Bytes(b"retired".to_vec()));
    let stage = bed.apply.stage().clone();
    assert_eq!(serve.copy(digest, 7, Origin::Trash), [Input::Staged(vec![digest])]);
    assert!(stage.is_complete(&digest));
}
