//! Tables: a tree as last seen, a change, and what a look shows; on real directories.
//!
//! Changes go through `Fs`, so that the same tables can run on the simulated disk.

mod hints;
pub mod lab;
mod troubles;

use crate::fs::Fs;
use engine::content::Content;
use engine::entry::Timestamp;
use engine::observe::Found;
use engine::path::RelPath;
use lab::{lines, linux, path, record, Lab};

/// One change of one kind.
struct Change<F: Fs> {
    what: &'static str,
    before: fn(&Lab<F>),
    change: fn(&Lab<F>),
    shows: &'static [&'static str],
}

fn nothing<F: Fs>(_: &Lab<F>) {}

fn two_files<F: Fs>(lab: &Lab<F>) {
    lab.dir("d");
    lab.file("d/a", b"first");
    lab.file("d/b", b"second");
}

fn tree<F: Fs>(lab: &Lab<F>) {
    two_files(lab);
    lab.dir("d/e");
    lab.file("d/e/c", b"third");
}

const OLD: Timestamp = Timestamp { seconds: 1_000_000_000, nanos: 123_456_789 };

fn file_changes<F: Fs>() -> Vec<Change<F>> {
    vec![
        Change { what: "nothing", before: tree, change: nothing, shows: &[] },
        Change {
            what: "a file is created",
            before: two_files,
            change: |lab| lab.file("d/n", b"new"),
            shows: &["Dir d", "File d/n read"],
        },
        Change {
            what: "an empty file is created",
            before: two_files,
            change: |lab| lab.file("d/n", b""),
            shows: &["Dir d", "File d/n read"],
        },
        Change {
            what: "a file is edited",
            before: two_files,
            change: |lab| lab.edit("d/a", b"longer than before"),
            shows: &["File d/a read"],
        },
        Change {
            what: "a file is edited to the same size and its mtime set back",
            before: |lab| {
                two_files(lab);
                lab.with("d/a", |fs, on| fs.set_mtime(on, OLD).unwrap());
            },
            change: |lab| {
                lab.edit("d/a", b"FIRST");
                lab.with("d/a", |fs, on| fs.set_mtime(on, OLD).unwrap());
            },
            shows: &["File d/a read"],
        },
        Change {
            what: "a file gets another mode",
            before: two_files,
            change: |lab| lab.with("d/a", |fs, on| fs.set_mode(on, 0o4755).unwrap()),
            shows: &["File d/a read"],
        },
        Change {
            what: "a file is touched",
            before: two_files,
            change: |lab| lab.with("d/a", |fs, on| fs.set_mtime(on, OLD).unwrap()),
            shows: &["File d/a read"],
        },
        Change {
            what: "a file gets an extended attribute",
            before: two_files,
            change: |lab| lab.with("d/a", |fs, on| fs.set_xattr(on, b"user.x", b"y").unwrap()),
            shows: &["File d/a read"],
        },
        Change {
            what: "a file is saved by an editor: written beside it and renamed over it",
            before: two_files,
            change: |lab| {
                lab.file("d/a.new", b"saved");
                lab.replace("d/a.new", "d/a");
            },
            shows: &["Dir d", "File d/a read"],
        },
        Change {
            what: "a file is removed",
            before: two_files,
            change: |lab| lab.remove("d/a"),
            shows: &["Dir d", "absent d/a"],
        },
    ]
}

fn tree_changes<F: Fs>() -> Vec<Change<F>> {
    vec![
        Change {
            what: "a file is renamed",
            before: two_files,
            change: |lab| lab.rename("d/a", "d/z"),
            shows: &["Dir d", "absent d/a", "File d/z read"],
        },
        Change {
            what: "a directory is renamed: one record, nothing inside is read",
            before: tree,
            change: |lab| lab.rename("d", "x"),
            shows: &["Dir .", "absent d", "Dir x"],
        },
        Change {
            what: "a directory is renamed and a file in it edited",
            before: tree,
            change: |lab| {
                lab.rename("d", "x");
                lab.edit("x/e/c", b"edited");
            },
            shows: &["Dir .", "absent d", "Dir x", "File x/e/c read"],
        },
        Change {
            what: "a file is replaced by a directory",
            before: two_files,
            change: |lab| {
                lab.remove("d/a");
                lab.dir("d/a");
                lab.file("d/a/inside", b"");
            },
            shows: &["Dir d", "Dir d/a", "File d/a/inside read"],
        },
        Change {
            what: "a directory is replaced by a file",
            before: tree,
            change: |lab| {
                lab.remove("d/e/c");
                lab.remove_dir("d/e");
                lab.file("d/e", b"now a file");
            },
            shows: &["Dir d", "File d/e read"],
        },
        Change {
            what: "a tree is removed: its top is absent, which says it all",
            before: tree,
            change: |lab| {
                lab.remove("d/e/c");
                lab.remove_dir("d/e");
            },
            shows: &["Dir d", "absent d/e"],
        },
    ]
}

fn name_changes<F: Fs>() -> Vec<Change<F>> {
    vec![
        Change {
            what: "a symlink is pointed elsewhere",
            before: |lab| lab.link("l", "here"),
            change: |lab| {
                lab.remove("l");
                lab.link("l", "there");
            },
            shows: &["Dir .", "Symlink l read"],
        },
        Change {
            what: "an empty directory is made",
            before: nothing,
            change: |lab| lab.dir("empty"),
            shows: &["Dir .", "Dir empty"],
        },
        Change {
            what: "names that are hard to write",
            before: nothing,
            change: |lab| {
                lab.file("a b\nc", b"1");
                lab.file(&"n".repeat(255), b"2");
            },
            shows: &["Dir .", "File a b\\nc read", LONG],
        },
        Change {
            what: "our own names",
            before: nothing,
            change: |lab| {
                lab.dir(".syncline");
                lab.file(".syncline/state", b"ours");
                lab.file(".syncline-folder", b"ours");
            },
            shows: &["Dir ."],
        },
    ]
}

const LONG: &str = concat!(
    "File nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn read"
);

/// Makes a laboratory, hands it over, and takes its ground away afterwards.
type NewLab<F> = dyn Fn(&mut dyn FnMut(Lab<F>));

/// Every change shows as it should, in order and with helpers, and nothing shows once it is known.
fn check<F: Fs>(changes: &[Change<F>], new: &NewLab<F>) {
    for workers in [0, 2] {
        for Change { what, before, change, shows } in changes {
            new(&mut |mut lab| {
                lab.workers = workers;
                lab.ignore.made(crate::ignore::STATE_NAME);
                lab.ignore.made(crate::ignore::MARKER_NAME);
                before(&lab);
                lab.settle();
                change(&lab);
                assert_eq!(lab.shows(), *shows, "{what}, {workers} workers");
                lab.settle();
            });
        }
    }
}

fn on_linux(run: &mut dyn FnMut(Lab<crate::linux::Linux>)) {
    let (lab, _home) = linux();
    run(lab);
}

#[test]
fn every_change_of_a_file_shows_and_nothing_else() {
    check(&file_changes(), &on_linux);
}

#[test]
fn every_change_of_a_tree_shows_and_nothing_else() {
    check(&tree_changes(), &on_linux);
    check(&name_changes(), &on_linux);
}

#[test]
fn a_look_tells_digest_size_attributes_and_zeros() {
    let (lab, _home) = linux();
    lab.file("zeros", &[0; 3000]);
    lab.file("text", b"hello");
    lab.with("text", |fs, on| fs.set_xattr(on, b"user.colour", b"red").unwrap());
    lab.with("text", |fs, on| fs.set_mode(on, 0o640).unwrap());
    let (reports, summary) = lab.scan();
    assert!(summary.complete);
    let looks = &reports[0].batch.looks;
    let found = |name: &str| {
        let look = looks.iter().find(|look| look.path == path(name)).unwrap();
        let Found::Present(found) = &look.found else { panic!("{look:?}") };
        found.clone()
    };
    let text = found("text");
    let digest = engine::content::Digest(blake3::hash(b"hello").into());
    assert_eq!(text.content, Some(Content::File(digest, 5)));
    assert_eq!(text.attributes.mode, 0o640);
    let red = (b"user.colour".to_vec(), b"red".to_vec());
    assert_eq!(text.attributes.xattrs.into_iter().collect::<Vec<_>>(), [red]);
    assert!(!text.zeros && found("zeros").zeros);
}

#[test]
fn ten_thousand_names_come_in_bounded_batches_parents_first_and_go_again() {
    let (mut lab, _home) = linux();
    lab.workers = 2;
    lab.dir("d");
    for n in 0..10_000 {
        lab.file(&format!("d/{n}"), b"");
    }
    let (reports, _) = lab.scan();
    assert!(reports.iter().all(|r| r.batch.looks.len() <= super::LOOKS_MAX));
    // Panics unless parents come before what is in them.
    reports.iter().flat_map(|r| &r.batch.looks).for_each(|look| record(&mut lab.index, look));
    assert_eq!(lab.shows(), Vec::<String>::new());
    for n in 0..10_000 {
        lab.remove(&format!("d/{n}"));
    }
    let shown = lab.shows();
    assert_eq!(shown.len(), 10_001);
    assert_eq!(shown.iter().filter(|line| line.starts_with("absent")).count(), 10_000);
}

#[test]
fn only_the_tree_that_was_asked_for_is_walked() {
    let (mut lab, _home) = linux();
    tree(&lab);
    lab.settle();
    lab.file("outside", b"");
    lab.file("d/e/inside", b"");
    let (reports, _) = lab.scan_trees(&[path("d")]);
    assert_eq!(lines(&reports[0].batch.looks), ["Dir d/e", "File d/e/inside read"]);
    let (reports, _) = lab.scan_trees(&[RelPath::root()]);
    assert_eq!(reports[0].batch.looks.len(), 4);
}

/// The figures of the brief, printed with `--nocapture`; run it in release, alone.
#[test]
fn a_large_tree_is_walked_as_a_small_one() {
    let (mut lab, home) = linux();
    lab.workers = 2;
    let (dirs, files) = if cfg!(debug_assertions) { (20, 10) } else { (1000, 100) };
    for d in 0..dirs {
        let dir = home.path().join(format!("{}/{d}", d % 10));
        std::fs::create_dir_all(&dir).unwrap();
        for f in 0..files {
            std::fs::write(dir.join(format!("{f}")), vec![(f % 7) as u8; 2000 + d * 13]).unwrap();
        }
    }
    let started = std::time::Instant::now();
    let (reports, summary) = lab.scan();
    let first = started.elapsed();
    let looks: Vec<_> = reports.into_iter().flat_map(|report| report.batch.looks).collect();
    assert!(summary.complete);
    assert_eq!(looks.len(), 1 + 10 + dirs + dirs * files);
    lab::record_all(&mut lab.index, &looks);
    let all = looks.len() as f64;
    println!("first scan, all read: {first:?}, {:.0} entries/s", all / first.as_secs_f64());
    for workers in [0, 1, 2] {
        lab.workers = workers;
        let started = std::time::Instant::now();
        assert!(lab.scan().0.is_empty());
        let again = started.elapsed();
        let rate = all / again.as_secs_f64();
        println!("unchanged, {workers} workers: {again:?}, {rate:.0} entries/s");
    }
}

#[test]
fn not_utf8_is_a_name_like_any_other() {
    let (mut lab, home) = linux();
    use std::os::unix::ffi::OsStrExt;
    std::fs::write(home.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"x").unwrap();
    assert_eq!(lab.shows(), ["Dir .", "File \\xff\\xfe read"]);
    lab.settle();
}
