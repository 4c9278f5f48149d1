//! What `apply`, `scan` and `stage` rely on, as one suite that every `Fs` must pass: the real one
//! on each filesystem, and the simulator's model.
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
pub fn run<F: Fs>(fs: &F, base: &F::Dir, abilities: Abilities) {
    renames_never_destroy(fs, &room(fs, base, "renames"));
    handles_follow_the_inode(fs, &room(fs, base, "handles"));
    change_time_moves_and_times_are_exact(fs, &room(fs, base, "times"));
    symlinks_are_not_followed(fs, &room(fs, base, "symlinks"));
    files_hold_what_was_written(fs, &room(fs, base, "files"));
    listing_tells_all_names(fs, &room(fs, base, "listing"));
    if abilities.leases {
        probes_see_writers(fs, &room(fs, base, "leases"));
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
