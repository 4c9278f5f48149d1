//! What `apply`, `scan` and `stage` rely on, as one suite that every `Fs` must pass: the real one
//! on each filesystem, and the simulator's model. What only other programs do (mappings, chattr) is
//! done through [`Others`], which whoever runs the suite brings along.
//!
//! Panics with the broken promise. Called from tests only (feature `fs_suite` outside this crate).

use crate::fs::{FileKind, Fs, Lease, On};
use engine::entry::Timestamp;
use engine::path::{Name, RelPath};
use std::io;

/// What a filesystem may lack; everything else is promised by all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// Lease probes tell of writers.
    pub leases: bool,
    /// Extended attributes can be set.
    pub xattrs: bool,
    /// Pages of mappings are written back: after that the next store moves the times again.
    pub writes_back: bool,
    /// Inodes can be made immutable.
    pub immutable: bool,
}

/// What programs do for which [`Fs`] has no call.
pub trait Others<F: Fs> {
    /// Maps a file, shared and writable, and closes it; unmapped when dropped.
    fn map(&self, dir: &F::Dir, name: &Name) -> Box<dyn Mapping>;
    /// Forbids or allows any change of a file, as chattr(1) does.
    fn set_immutable(&self, dir: &F::Dir, name: &Name, immutable: bool);
}

/// A shared writable mapping.
pub trait Mapping {
    /// Stores bytes through it.
    fn store(&mut self, offset: usize, bytes: &[u8]);
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a literal name")
}

#[track_caller]
fn refused<T>(result: io::Result<T>, codes: &[i32]) {
    let code = result.err().and_then(|error| error.raw_os_error());
    assert!(code.is_some_and(|code| codes.contains(&code)), "{code:?}, expected one of {codes:?}");
}

fn write<F: Fs>(fs: &F, dir: &F::Dir, text: &str, bytes: &[u8]) {
    let file = fs.create(dir, &name(text)).expect("create");
    fs.write_at(&file, bytes, 0).expect("write");
}

fn read<F: Fs>(fs: &F, dir: &F::Dir, text: &str) -> Vec<u8> {
    let file = fs.open_file(dir, &name(text)).expect("open");
    let mut bytes = vec![0; 4096];
    let count = fs.read_at(&file, &mut bytes, 0).expect("read");
    bytes.truncate(count);
    bytes
}

fn room<F: Fs>(fs: &F, base: &F::Dir, text: &str) -> F::Dir {
    fs.make_dir(base, &name(text)).expect("make a directory");
    fs.open_child(base, &name(text)).expect("open a directory")
}

/// Runs all of it in the empty directory `base`.
pub fn run<F: Fs>(fs: &F, base: &F::Dir, others: &impl Others<F>, abilities: Abilities) {
    renames_never_destroy(fs, &room(fs, base, "renames"));
    handles_follow_the_inode(fs, &room(fs, base, "handles"));
    change_time_moves_and_times_are_exact(fs, &room(fs, base, "times"));
    symlinks_are_not_followed(fs, &room(fs, base, "symlinks"));
    files_hold_what_was_written(fs, &room(fs, base, "files"));
    listing_tells_all_names(fs, &room(fs, base, "listing"));
    what_is_open_outlives_its_name(fs, &room(fs, base, "open"));
    directories_are_what_was_opened(fs, &room(fs, base, "dirs"));
    names_of_one_file_share_all_but_the_name(fs, &room(fs, base, "links"));
    a_mapping_shows_its_first_store_only(fs, &room(fs, base, "maps"), others, abilities);
    if abilities.leases {
        probes_see_writers(fs, &room(fs, base, "leases"));
        probes_see_mappings(fs, &room(fs, base, "mapped"), others);
    }
    if abilities.immutable {
        what_is_immutable_stays(fs, &room(fs, base, "immutable"), others);
    }
    if abilities.xattrs {
        extended_attributes_are_carried(fs, &room(fs, base, "xattrs"));
    }
}

fn renames_never_destroy<F: Fs>(fs: &F, dir: &F::Dir) {
    let (a, b, d) = (name("a"), name("b"), name("d"));
    write(fs, dir, "a", b"1");
    write(fs, dir, "b", b"2");
    refused(fs.rename_new((dir, &a), (dir, &b)), &[libc::EEXIST]);
    refused(fs.link((dir, &a), (dir, &b)), &[libc::EEXIST]);
    refused(fs.create(dir, &a), &[libc::EEXIST]);
    refused(fs.make_dir(dir, &a), &[libc::EEXIST]);
    refused(fs.make_link(dir, &a, b"x"), &[libc::EEXIST]);
    assert_eq!((read(fs, dir, "a"), read(fs, dir, "b")), (b"1".to_vec(), b"2".to_vec()));
    fs.exchange((dir, &a), (dir, &b)).expect("swap two files");
    assert_eq!((read(fs, dir, "a"), read(fs, dir, "b")), (b"2".to_vec(), b"1".to_vec()));
    let inner = room(fs, dir, "d");
    write(fs, &inner, "x", b"3");
    fs.exchange((dir, &a), (dir, &d)).expect("swap a file with a directory that is not empty");
    assert_eq!(fs.stat(dir, &a).expect("stat").kind, FileKind::Dir);
    assert_eq!((read(fs, dir, "d"), read(fs, &inner, "x")), (b"2".to_vec(), b"3".to_vec()));
    refused(fs.remove_dir(dir, &a), &[libc::ENOTEMPTY]);
    refused(fs.exchange((dir, &a), (dir, &name("none"))), &[libc::ENOENT]);
    refused(fs.rename_new((dir, &name("none")), (dir, &name("c"))), &[libc::ENOENT]);
    fs.rename_new((dir, &b), (dir, &name("c"))).expect("rename to a free name");
    refused(fs.stat(dir, &b), &[libc::ENOENT]);
}

fn handles_follow_the_inode<F: Fs>(fs: &F, dir: &F::Dir) {
    write(fs, dir, "a", b"1");
    let first = fs.stat(dir, &name("a")).expect("stat");
    fs.rename_new((dir, &name("a")), (dir, &name("b"))).expect("rename");
    let file = fs.open_file(dir, &name("b")).expect("open");
    assert_eq!(fs.stat_file(&file).expect("stat").handle, first.handle, "kept by a rename");
    drop(file);
    let mut past = vec![first.handle];
    fs.remove_own(dir, &name("b")).expect("remove");
    for _ in 0..50 {
        write(fs, dir, "a", b"1");
        let handle = fs.stat(dir, &name("a")).expect("stat").handle;
        assert!(!past.contains(&handle), "a handle came again");
        past.push(handle);
        fs.remove_own(dir, &name("a")).expect("remove");
    }
    let child = room(fs, dir, "d");
    let by_name = fs.stat(dir, &name("d")).expect("stat");
    assert_eq!(fs.stat_dir(&child).expect("stat").handle, by_name.handle, "open or by name");
}

fn change_time_moves_and_times_are_exact<F: Fs>(fs: &F, dir: &F::Dir) {
    write(fs, dir, "a", b"1");
    let file = fs.open_file(dir, &name("a")).expect("open");
    let before = fs.stat_file(&file).expect("stat");
    let exact = Timestamp { seconds: 1_234_567_890, nanos: 123_456_789 };
    // Filesystems of older kernels count in ticks of up to 10 ms.
    fs.pause(20);
    fs.set_mtime(On::File(&file), exact).expect("set the time");
    let after = fs.stat_file(&file).expect("stat");
    assert_eq!(after.mtime, exact, "to the nanosecond");
    assert!(after.ctime > before.ctime, "the change time tells");
    fs.set_mode(On::File(&file), 0o4750).expect("set the mode");
    assert_eq!(fs.stat_file(&file).expect("stat").mode, 0o4750);
    fs.set_mtime(On::Dir(dir), exact).expect("set a directory's time");
    assert_eq!(fs.stat_dir(dir).expect("stat").mtime, exact);
    write(fs, dir, "b", b"");
    assert_ne!(fs.stat_dir(dir).expect("stat").mtime, exact, "a new name moves it");
    fs.make_link(dir, &name("l"), b"a").expect("make a link");
    fs.set_mtime(On::Link(dir, &name("l")), exact).expect("set a link's time");
    assert_eq!(fs.stat(dir, &name("l")).expect("stat").mtime, exact);
}

fn symlinks_are_not_followed<F: Fs>(fs: &F, dir: &F::Dir) {
    let inner = room(fs, dir, "real");
    write(fs, &inner, "f", b"1");
    fs.make_link(dir, &name("l"), b"real").expect("make a link");
    assert_eq!(fs.read_link(dir, &name("l")).expect("read a link"), b"real");
    assert_eq!(fs.stat(dir, &name("l")).expect("stat").kind, FileKind::Symlink);
    let not_there = [libc::ELOOP, libc::ENOTDIR];
    refused(fs.open_child(dir, &name("l")), &not_there);
    room(fs, &inner, "deep");
    let through = RelPath::parse(b"l/deep").expect("a path");
    refused(fs.open_dir(dir, &through), &not_there);
    let straight = RelPath::parse(b"real/deep").expect("a path");
    fs.open_dir(dir, &straight).expect("open without a link in the way");
    refused(fs.open_file(dir, &name("l")), &[libc::ELOOP]);
    refused(fs.open_file(dir, &name("real")), &[libc::EISDIR]);
    refused(fs.open_dir(dir, &RelPath::parse(b"none/deep").expect("a path")), &[libc::ENOENT]);
}

fn files_hold_what_was_written<F: Fs>(fs: &F, dir: &F::Dir) {
    let file = fs.create(dir, &name("a")).expect("create");
    fs.preallocate(&file, 1000).expect("preallocate");
    assert_eq!(fs.stat_file(&file).expect("stat").size, 0, "a hint changes no length");
    fs.write_at(&file, b"hello", 0).expect("write");
    fs.write_at(&file, b"world", 5).expect("write");
    fs.start_write_back(&file, 0, 10);
    fs.sync_file(&file).expect("sync a file");
    fs.sync_dir(dir).expect("sync a directory");
    fs.sync_volume(dir).expect("sync the filesystem");
    assert_eq!(read(fs, dir, "a"), b"helloworld");
    let copy = fs.create(dir, &name("b")).expect("create");
    assert_eq!(fs.copy(&file, &copy, 10).expect("copy"), 10);
    assert_eq!(read(fs, dir, "b"), b"helloworld");
    fs.rename_over((dir, &name("a")), (dir, &name("b"))).expect("rename over our own");
    assert!(fs.volume(dir).expect("statfs").total_bytes > 0);
}

fn listing_tells_all_names<F: Fs>(fs: &F, dir: &F::Dir) {
    let mut made: Vec<Name> = (0..500).map(|n| name(&format!("{n:0200}"))).collect();
    made.push(Name::new(b"new\nline \xff").expect("a name"));
    made.sort();
    made.iter().for_each(|name| drop(fs.create(dir, name).expect("create")));
    for _ in 0..2 {
        let mut found = Vec::new();
        fs.list(dir, &mut |name, kind| {
            assert!(kind.is_none_or(|kind| kind == FileKind::File));
            found.push(name);
        })
        .expect("list");
        found.sort();
        assert_eq!(found, made, "every time, each once");
    }
}

fn what_is_open_outlives_its_name<F: Fs>(fs: &F, dir: &F::Dir) {
    write(fs, dir, "a", b"old");
    write(fs, dir, "b", b"new");
    let held = fs.open_file(dir, &name("a")).expect("open");
    let before = fs.stat_file(&held).expect("stat");
    fs.rename_over((dir, &name("b")), (dir, &name("a"))).expect("rename over it");
    let mut bytes = [0; 8];
    assert_eq!(fs.read_at(&held, &mut bytes, 0).expect("read"), 3);
    assert_eq!((&bytes[..3], read(fs, dir, "a")), (&b"old"[..], b"new".to_vec()));
    let after = fs.stat_file(&held).expect("stat");
    assert_eq!((after.handle, after.links), (before.handle, 0), "the same, without a name");
    let writer = fs.open_own(dir, &name("a")).expect("open");
    fs.rename_new((dir, &name("a")), (dir, &name("c"))).expect("rename");
    fs.write_at(&writer, b"more", 3).expect("write to what was renamed");
    assert_eq!(read(fs, dir, "c"), b"newmore");
    fs.remove_own(dir, &name("c")).expect("remove");
    fs.write_at(&writer, b"x", 0).expect("write to what was removed");
    assert_eq!(fs.stat_file(&writer).expect("stat").size, 7);
    assert_eq!(fs.read_at(&writer, &mut bytes, 8).expect("read beyond the end"), 0);
}

fn directories_are_what_was_opened<F: Fs>(fs: &F, dir: &F::Dir) {
    let (a, b) = (name("a"), name("b"));
    let held = room(fs, dir, "a");
    let handle = fs.stat_dir(&held).expect("stat").handle;
    fs.rename_new((dir, &a), (dir, &b)).expect("rename a directory");
    fs.make_link(dir, &a, b"/").expect("make a link in its place");
    write(fs, &held, "x", b"1");
    let moved = fs.open_child(dir, &b).expect("open");
    assert_eq!(read(fs, &moved, "x"), b"1", "what is held is the directory, not its name");
    assert_eq!(fs.stat_dir(&held).expect("stat").handle, handle);
    let inner = room(fs, &held, "inner");
    refused(fs.rename_new((dir, &b), (&inner, &b)), &[libc::EINVAL]);
    refused(fs.exchange((dir, &b), (&inner, &name("none"))), &[libc::ENOENT]);
    write(fs, &inner, "y", b"2");
    refused(fs.exchange((dir, &b), (&inner, &name("y"))), &[libc::EINVAL]);
    fs.remove_own(&inner, &name("y")).expect("remove");
    refused(fs.rename_over((dir, &a), (dir, &b)), &[libc::EISDIR]);
    refused(fs.rename_over((dir, &b), (dir, &a)), &[libc::ENOTDIR]);
    refused(fs.remove_own(dir, &b), &[libc::EISDIR, libc::EPERM]);
    refused(fs.remove_dir(dir, &a), &[libc::ENOTDIR]);
    fs.remove_dir(&held, &name("inner")).expect("remove a directory that is held");
    refused(fs.create(&inner, &name("z")), &[libc::ENOENT]);
    refused(fs.rename_new((&held, &name("x")), (&inner, &name("x"))), &[libc::ENOENT]);
    refused(fs.list(&inner, &mut |_, _| ()), &[libc::ENOENT]);
}

fn names_of_one_file_share_all_but_the_name<F: Fs>(fs: &F, dir: &F::Dir) {
    let (a, b) = (name("a"), name("b"));
    write(fs, dir, "a", b"1");
    let before = fs.stat(dir, &a).expect("stat");
    fs.pause(20);
    fs.link((dir, &a), (dir, &b)).expect("a second name");
    let (first, second) = (fs.stat(dir, &a).expect("stat"), fs.stat(dir, &b).expect("stat"));
    assert_eq!((&first, first.links), (&second, 2), "one inode");
    assert_eq!(first.mtime, before.mtime);
    assert!(first.ctime > before.ctime, "a further name moves the change time");
    let writer = fs.open_own(dir, &b).expect("open");
    fs.write_at(&writer, b"22", 0).expect("write");
    drop(writer);
    assert_eq!(read(fs, dir, "a"), b"22");
    fs.rename_over((dir, &a), (dir, &b)).expect("one name over the other");
    assert!(fs.stat(dir, &a).is_ok() && fs.stat(dir, &b).is_ok(), "that does nothing");
    fs.remove_own(dir, &a).expect("remove");
    let left = fs.stat(dir, &b).expect("stat");
    assert_eq!((left.links, left.handle), (1, before.handle));
    let inner = room(fs, dir, "d");
    refused(fs.link((dir, &name("d")), (&inner, &name("x"))), &[libc::EPERM]);
    fs.make_link(dir, &name("l"), b"b").expect("make a link");
    fs.link((dir, &name("l")), (dir, &name("m"))).expect("a second name of a symlink");
    assert_eq!(fs.read_link(dir, &name("m")).expect("read a link"), b"b");
}

fn a_mapping_shows_its_first_store_only<F: Fs>(
    fs: &F,
    dir: &F::Dir,
    others: &impl Others<F>,
    abilities: Abilities,
) {
    write(fs, dir, "a", &[b'a'; 4096]);
    let file = fs.open_file(dir, &name("a")).expect("open");
    // What was written before it is mapped would be written back, too.
    fs.sync_file(&file).expect("sync");
    let times = || fs.stat_file(&file).map(|stat| (stat.mtime, stat.ctime)).expect("stat");
    let mut map = others.map(dir, &name("a"));
    let (untouched, _) = (times(), fs.pause(20));
    map.store(0, b"1");
    assert!(times() > untouched, "the first store moves the times");
    // Other programs sync the filesystem, too, and the kernel writes back when it pleases: then the
    // second is a first one again. Not every time.
    let mut is_silent = || {
        map.store(0, b"1");
        let (before, _) = (times(), fs.pause(20));
        map.store(1, b"2");
        times() == before
    };
    assert!((0..50).any(|_| is_silent()), "the second does not");
    let first = times();
    assert_eq!(read(fs, dir, "a")[..3], *b"12a", "though it is read");
    if abilities.writes_back {
        fs.sync_file(&file).expect("sync");
        fs.pause(20);
        map.store(2, b"3");
        assert!(times() > first, "the first store after a write-back does");
    }
    let last = times();
    drop(map);
    assert_eq!(times(), last, "the end of a mapping does not");
    let mut map = others.map(dir, &name("a"));
    fs.pause(20);
    map.store(3, b"4");
    assert!(times() > last, "the first store of another mapping does");
}

fn probes_see_mappings<F: Fs>(fs: &F, dir: &F::Dir, others: &impl Others<F>) {
    write(fs, dir, "a", &[b'a'; 4096]);
    let file = fs.open_file(dir, &name("a")).expect("open");
    let map = others.map(dir, &name("a"));
    assert_eq!(fs.probe(&file), Lease::Held, "by a mapping whose file is closed");
    fs.rename_new((dir, &name("a")), (dir, &name("b"))).expect("rename");
    assert_eq!(fs.probe(&file), Lease::Held, "by a mapping of what was renamed");
    drop(map);
    assert_eq!(fs.probe(&file), Lease::Free, "after its end");
}

fn what_is_immutable_stays<F: Fs>(fs: &F, dir: &F::Dir, others: &impl Others<F>) {
    let (a, b) = (name("a"), name("b"));
    write(fs, dir, "a", b"1");
    write(fs, dir, "b", b"2");
    others.set_immutable(dir, &a, true);
    let file = fs.open_file(dir, &a).expect("it can be read");
    let refusals = [
        fs.open_own(dir, &a).map(drop),
        fs.rename_new((dir, &a), (dir, &name("c"))),
        fs.rename_over((dir, &b), (dir, &a)),
        fs.exchange((dir, &a), (dir, &b)),
        fs.link((dir, &a), (dir, &name("c"))),
        fs.remove_own(dir, &a),
        fs.set_mode(On::File(&file), 0o600),
        fs.set_mtime(On::File(&file), Timestamp { seconds: 1, nanos: 0 }),
    ];
    for (at, refusal) in refusals.into_iter().enumerate() {
        let code = refusal.err().and_then(|error| error.raw_os_error());
        assert!(matches!(code, Some(libc::EPERM | libc::EACCES)), "{at}: {code:?}");
    }
    assert_eq!((read(fs, dir, "a"), read(fs, dir, "b")), (b"1".to_vec(), b"2".to_vec()));
    others.set_immutable(dir, &a, false);
    fs.remove_own(dir, &a).expect("afterwards all is allowed");
}

fn probes_see_writers<F: Fs>(fs: &F, dir: &F::Dir) {
    write(fs, dir, "a", b"1");
    let file = fs.open_file(dir, &name("a")).expect("open");
    assert_eq!(fs.probe(&file), Lease::Free);
    let writer = fs.open_own(dir, &name("a")).expect("open for writing");
    assert_eq!(fs.probe(&file), Lease::Held, "by a writer");
    fs.rename_new((dir, &name("a")), (dir, &name("b"))).expect("rename");
    assert_eq!(fs.probe(&file), Lease::Held, "by a writer, renamed");
    drop(writer);
    assert_eq!(fs.probe(&file), Lease::Free, "after its close");
    assert_eq!(fs.probe(&file), Lease::Free, "a probe leaves nothing behind");
}

fn extended_attributes_are_carried<F: Fs>(fs: &F, dir: &F::Dir) {
    write(fs, dir, "a", b"1");
    let file = fs.open_file(dir, &name("a")).expect("open");
    let on = On::File(&file);
    assert!(fs.xattrs(on).expect("list").is_empty());
    fs.set_xattr(on, b"user.k", b"v\0w").expect("set");
    fs.set_xattr(on, b"user.long", &[7; 1000]).expect("set");
    fs.set_xattr(on, b"user.syncline.mark", b"ours").expect("set");
    let all = fs.xattrs(on).expect("list");
    assert_eq!(all.get(&b"user.k"[..]), Some(&b"v\0w".to_vec()));
    assert_eq!((all.len(), all[&b"user.long"[..]].len()), (2, 1000), "ours is not listed");
    let ours = fs.xattr(on, b"user.syncline.mark").expect("get");
    assert_eq!(ours, Some(b"ours".to_vec()));
    fs.remove_xattr(on, b"user.k").expect("remove");
    fs.remove_xattr(on, b"user.k").expect("remove what is not there");
    assert_eq!(fs.xattr(on, b"user.k").expect("get"), None);
    fs.set_xattr(On::Dir(dir), b"user.d", b"1").expect("set on a directory");
    assert_eq!(fs.xattrs(On::Dir(dir)).expect("list").len(), 1);
}
