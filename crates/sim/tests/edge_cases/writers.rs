//! Programs that write while we look, read or replace.

use crate::story::{self, Story};
use disk::fs::FileKind;
use engine::entry::Timestamp;

/// Case 1. A program holds a file open, and a newer version arrives from elsewhere. While it is
/// held nothing is replaced; when it is closed, both versions are there, the later one in place.
#[test]
fn case_01_a_version_that_arrives_waits_for_the_writer() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    let inode = story.world.by_hand(1, |model, root| story::open(model, root, "f"));
    story.write(0, "f", "elsewhere");
    story.world.run_for(20_000);
    story.came_by("a writer has what is to be replaced");
    assert_eq!(story.tree(1)["f"], "first", "nobody takes it from under its writer");
    story.world.by_hand(1, |model, _| model.write(inode, b"half", 0).unwrap());
    story.world.run_for(20_000);
    assert_eq!(story.tree(1)["f"], "halft", "nobody takes it from under its writer");
    story.act(1, |model, _| {
        model.write(inode, b" and half", 4).unwrap();
        model.close(inode, true);
    });
    story.ends(&[("f", "half and half")], &["elsewhere"]);
}

/// Case 1, the worst moment. The file is opened after we saw that nobody has it, written to while
/// it is already out of the tree, and closed: the bytes are found there and published.
#[test]
fn case_01_what_is_written_to_a_displaced_file_is_published() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    story.before(1, "exchange", 1, |model, root| story::write(model, root, "f", "under the hand"));
    story.write(0, "f", "elsewhere");
    story.rest();
    story.came_by("what was displaced had been written to");
    for node in 0..2 {
        let tree = story.tree(node);
        let both: Vec<String> = [tree["f"].clone()].into_iter().chain(story.kept(node)).collect();
        for text in ["elsewhere", "under the hand"] {
            assert!(both.contains(&text.to_string()), "{node} has {both:?}, not {text}");
        }
    }
}

/// Case 2. A program has a file mapped and stores into it: after the first store nothing shows, no
/// time moves. While it is mapped nothing of it is published; when it is unmapped all of it is.
#[test]
fn case_02_what_is_stored_through_a_mapping_is_seen_when_it_ends() {
    let mut story = Story::of(2);
    story.write(0, "f", "0123456789");
    story.rest();
    let inode = story.world.by_hand(0, |model, root| {
        let inode = model.find(root, &story::path("f")).unwrap();
        model.map(inode).unwrap();
        model.store(inode, b"ab", 0).unwrap();
        inode
    });
    story.world.run_for(20_000);
    story.world.rescan();
    story.world.run_for(20_000);
    story.came_by("a file with a writer is not read");
    assert_eq!(story.tree(1)["f"], "0123456789", "nothing of it is published");
    story.world.by_hand(0, |model, _| {
        // The first store after a write-back moves the time, the next does not.
        model.store(inode, b"xx", 4).unwrap();
        let mtime = model.thing(inode).unwrap().mtime;
        model.store(inode, b"cd", 4).unwrap();
        assert_eq!(model.thing(inode).unwrap().mtime, mtime, "nothing but the bytes tells");
    });
    story.world.run_for(20_000);
    assert_eq!(story.tree(1)["f"], "0123456789", "nothing of it is published");
    story.act(0, |model, _| model.close(inode, true));
    story.ends(&[("f", "ab23cd6789")], &[]);
}

/// Case 2, the other end. A version arrives for a file that is mapped here: it waits, and what was
/// stored meanwhile is not lost to it.
#[test]
fn case_02_a_version_that_arrives_waits_for_the_mapping() {
    let mut story = Story::of(2);
    story.write(0, "f", "0123456789");
    story.rest();
    let inode = story.world.by_hand(1, |model, root| {
        let inode = model.find(root, &story::path("f")).unwrap();
        model.map(inode).unwrap();
        inode
    });
    story.write(0, "f", "elsewhere");
    story.world.run_for(20_000);
    story.came_by("a writer has what is to be replaced");
    story.world.by_hand(1, |model, _| model.store(inode, b"ab", 0).unwrap());
    story.world.run_for(20_000);
    assert_eq!(story.tree(1)["f"], "ab23456789", "nobody takes it from under its writer");
    story.act(1, |model, _| model.close(inode, true));
    story.ends(&[("f", "ab23456789")], &["elsewhere"]);
}

/// Case 3. An editor writes a new file and renames it over the old one, another one makes a backup
/// of the old one first: both are edits of the entry, and the new file's name is nobody's business.
#[test]
fn case_03_an_editors_save_is_an_edit() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    story.world.by_hand(0, |model, root| {
        let spot = story::spot(model, root, "f");
        let inode = model.at(spot.0, &spot.1).unwrap();
        model.change(inode, |thing| thing.mode = 0o600).unwrap();
    });
    story.rest();
    let before = story.minted(0);
    story.act(0, |model, root| {
        story::write(model, root, ".f.swp", "second");
        story::rename(model, root, ".f.swp", "f");
    });
    story.came_by("an edit of the path though the inode is new");
    story.ends(&[("f", "second")], &[]);
    // One operation on the file, one for the directory's time.
    assert_eq!(story.minted(0), before + 2, "the temporary file is no operation");
    let mode = story.with(1, |model, root| {
        let inode = model.find(root, &story::path("f")).unwrap();
        model.thing(inode).unwrap().mode
    });
    assert_eq!(mode, 0o644, "attributes are those of the new file");
    story.act(0, |model, root| {
        story::rename(model, root, "f", "f~");
        story::write(model, root, "f", "third");
    });
    story.ends(&[("f", "third"), ("f~", "second")], &[]);
}

/// Case 4. A program cuts a file to nothing and takes its time to write it anew: while it has it
/// open nobody else sees anything of it.
#[test]
fn case_04_a_slow_rewrite_is_not_published_by_halves() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    let inode = story.world.by_hand(0, |model, root| {
        let inode = story::open(model, root, "f");
        model.truncate(inode, 0).unwrap();
        inode
    });
    for piece in 0..20 {
        story.world.run_for(1_000);
        story.world.by_hand(0, |model, _| model.write(inode, b"line", piece * 4).unwrap());
        assert_eq!(story.tree(1)["f"], "first");
    }
    story.world.rescan();
    story.world.run_for(1_000);
    story.act(0, |model, _| model.close(inode, true));
    story.came_by("a file with a writer is not read");
    story.ends(&[("f", &"line".repeat(20))], &[]);
}

/// Case 21. A file changes while it is read to be hashed: what was read is nobody's version, and
/// nothing of it is published.
#[test]
fn case_21_a_file_that_changes_while_it_is_hashed_is_read_again() {
    let mut story = Story::of(2);
    let before = story.minted(0);
    story.before(0, "read_at", 1, |model, root| story::write(model, root, "f", "second"));
    story.write(0, "f", "first");
    story.rest();
    story.came_by("a file changed while it was read");
    story.ends(&[("f", "second")], &[]);
    assert_eq!(story.minted(0), before + 2, "the file once, and its directory's time");
}

/// Case 21, at the other end. A large file changes while it is sent: who asked for it is told that
/// it is gone, and gets the new one.
#[test]
fn case_21_a_file_that_changes_while_it_is_served_is_gone() {
    let mut story = Story::of(2);
    story.part();
    let large = "0123456789abcdef".repeat(40_000);
    story.write(0, "f", &large);
    story.rest();
    let newer = large.replace('0', "-");
    let text = newer.clone();
    story.before(0, "read_at", 2, move |model, root| story::write(model, root, "f", &text));
    story.meet();
    story.came_by("what is asked for is not there any more");
    story.ends(&[("f", &newer)], &[]);
}

/// Case 22. A file is put back from a backup with its old time, and has the same size: its inode or
/// its change time tells.
#[test]
fn case_22_an_old_time_hides_nothing() {
    let mut story = Story::of(2);
    let old = Timestamp { seconds: 1_500_000_000, nanos: 7 };
    story.act(0, |model, root| {
        let inode = story::open(model, root, "f");
        model.write(inode, b"first", 0).unwrap();
        model.close(inode, true);
        model.change(inode, |thing| thing.mtime = old).unwrap();
    });
    story.ends(&[("f", "first")], &[]);
    // Offline, so that only the scan can tell.
    story.world.stop(0);
    story.world.by_hand(0, |model, root| {
        let inode = model.find(root, &story::path("f")).unwrap();
        model.open(inode, true).unwrap();
        model.write(inode, b"other", 0).unwrap();
        model.close(inode, true);
        model.change(inode, |thing| thing.mtime = old).unwrap();
    });
    story.world.start(0);
    story.rest();
    story.came_by("nothing but the change time tells of an edit");
    story.ends(&[("f", "other")], &[]);
}

/// Case 23. A file of three names is written to through one of them on one machine, and another of
/// them is saved by rename on the other: that is a file of its own from then on, and all others
/// hold what was written.
#[test]
fn case_23_a_name_that_is_replaced_leaves_the_others_what_was_written() {
    let mut story = Story::of(2);
    story.act(0, |model, root| {
        story::write(model, root, "f", "first");
        let inode = model.find(root, &story::path("f")).unwrap();
        for name in ["g", "h"] {
            let spot = story::spot(model, root, name);
            model.link(inode, &spot).unwrap();
        }
    });
    let edits = |model: &mut _, root| story::write(model, root, "f", "edited");
    let saves = |model: &mut _, root| {
        story::write(model, root, ".g.swp", "own");
        story::rename(model, root, ".g.swp", "g");
    };
    story.apart(&[&edits, &saves]);
    story.came_by("one name of several became a file of its own");
    story.ends(&[("f", "edited"), ("g", "own"), ("h", "edited")], &[]);
    for node in 0..2 {
        let inodes = story.with(node, |model, root| {
            ["f", "g", "h"].map(|name| model.find(root, &story::path(name)).unwrap())
        });
        assert!(inodes[0] == inodes[2] && inodes[0] != inodes[1], "{node}: {inodes:?}");
    }
}

/// Case 24. Lock files and temporary files that are made and gone within one look are nobody's
/// business; a rotation is edits whose bytes are already everywhere, and moves none.
#[test]
fn case_24_storms_leave_nothing_behind() {
    let mut story = Story::of(2);
    // Too large to ride with its entry.
    let today = "today".repeat(10_000);
    for (name, text) in [("log", &*today), ("log.1", "yesterday"), ("index", "0")] {
        story.write(0, name, text);
    }
    story.rest();
    let before = story.minted(0);
    story.world.by_hand(0, |model, root| {
        for round in 0..100 {
            story::write(model, root, "index.lock", &round.to_string());
            story::rename(model, root, "index.lock", "index");
            story::write(model, root, "scratch", "x");
            story::remove(model, root, "scratch");
        }
    });
    story.rest();
    story.came_by("a name that came and went is no operation");
    assert!(story.minted(0) <= before + 3, "{} operations", story.minted(0) - before);
    let contents = story.world.contents;
    story.act(0, |model, root| {
        story::rename(model, root, "log.1", "log.2");
        story::rename(model, root, "log", "log.1");
        let spot = story::spot(model, root, "log");
        model.make(&spot, FileKind::File, 0o644, b"").unwrap();
    });
    story.ends(&[("index", "99"), ("log", ""), ("log.1", &today), ("log.2", "yesterday")], &[]);
    assert_eq!(story.world.contents, contents, "bytes that are there are not sent");
}
