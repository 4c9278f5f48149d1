//! What machines do to us: lost events, pauses, roots that are not there, clocks, power.

use crate::story::{self, path, Story};
use disk::fs::{FileKind, Fs};
use disk::root::mark::{self, Mark};
use disk::root::{Root, RootError};
use engine::engine::Boot;
use engine::path::Name;
use sim::checkers;
use sim::disk::model::{Target, TOP};
use sim::node::{node_id, FOLDER, ROOT_NAME};
use std::collections::BTreeMap;
use std::path::Path;

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

/// Case 5. The kernel has lost events in the middle of a large unpacking: everything is looked at,
/// what was there and is still there is not touched, what is gone is deleted once.
#[test]
fn case_05_lost_events_are_found_by_a_scan() {
    let mut story = Story::of(2);
    story.make_dir(0, "d");
    story.write(0, "d/old", "old");
    story.write(0, "d/gone", "gone");
    story.rest();
    story.world.by_hand(0, |model, root| {
        for number in 0..200 {
            story::make_dir(model, root, &format!("d/{number}"));
            story::write(model, root, &format!("d/{number}/f"), &number.to_string());
        }
        story::remove(model, root, "d/gone");
    });
    story.world.lose_events(0);
    // The unpacking goes on while the scan runs: nothing that moves under it is taken for gone.
    story.before(0, "list", 20, |model, root| {
        story::rename(model, root, "d/150", "d/000");
        story::write(model, root, "d/late", "late");
    });
    story.rest();
    story.came_by("events were lost");
    let mut shown = vec![("d/".to_string(), String::new())];
    for number in 0..200 {
        let dir = if number == 150 { "000".to_string() } else { number.to_string() };
        shown.push((format!("d/{dir}/"), String::new()));
        shown.push((format!("d/{dir}/f"), number.to_string()));
    }
    shown.extend([("d/old", "old"), ("d/late", "late")].map(|(a, b)| (a.into(), b.into())));
    let shown: Vec<_> = shown.iter().map(|(path, text)| (&**path, &**text)).collect();
    story.ends(&shown, &[]);
    assert!(!story.is_in_trash(0, "150"), "what was renamed was not deleted");
}

/// Case 6. While our program was down a directory and a file were renamed, and a third was removed
/// and another made in its place. What has the same inode was moved, and nothing is sent for it;
/// what has another was not.
#[test]
fn case_06_what_was_renamed_while_nobody_watched_is_found_by_its_handle() {
    let mut story = Story::of(2);
    let large = "large".repeat(20_000);
    story.make_dir(0, "d");
    story.write(0, "d/f", &large);
    story.write(0, "x", "first");
    story.rest();
    story.world.stop(0);
    let contents = story.world.contents;
    story.world.by_hand(0, |model, root| {
        story::rename(model, root, "d", "e");
        story::rename(model, root, "e/f", "e/g");
        story::remove(model, root, "x");
        story::write(model, root, "y", "other");
    });
    story.world.start(0);
    story.rest();
    story.came_by("a scan found a directory by its handle");
    story.came_by("a scan found a file by its handle");
    story.ends(&[("e/", ""), ("e/g", &large), ("y", "other")], &[]);
    assert_eq!(story.world.contents, contents + 1, "nothing that is there is sent, but the new");
    assert!(story.is_in_trash(1, "first"));
}

/// Case 15. The root is not mounted when our program starts, or an empty directory is there
/// instead: nothing starts, nothing is deleted; when it is back all goes on.
#[test]
fn case_15_a_root_that_is_not_there_deletes_nothing() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    let aside = (TOP, name("aside"));
    let place = (TOP, Name::new(ROOT_NAME).unwrap());
    for empty in [false, true] {
        story.world.stop(1);
        story.world.nodes[1].disk.with(|model| {
            model.rename(&place, &aside, Target::Free).unwrap();
            if empty {
                model.make(&place, FileKind::Dir, 0o755, b"").unwrap();
            }
        });
        let refused = story.world.nodes[1].start(Boot::default(), 0);
        let expected = if empty { "another directory" } else { "missing" };
        assert!(refused.as_ref().is_err_and(|why| why.contains(expected)), "{refused:?}");
        story.write(0, "g", "meanwhile");
        story.rest();
        assert_eq!(story.tree(0)["f"], "first");
        story.world.nodes[1].disk.with(|model| {
            if empty {
                model.remove_dir(&place).unwrap();
            }
            model.rename(&aside, &place, Target::Free).unwrap();
        });
        story.world.start(1);
        story.rest();
    }
    story.came_by("a root that is not what was added");
    story.ends(&[("f", "first"), ("g", "meanwhile")], &[]);
}

/// Case 15, while our program runs: another filesystem is mounted over the root. The folder stops
/// at the next look, and takes nothing for deleted.
#[test]
fn case_15_another_root_stops_the_folder() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    let place = (TOP, Name::new(ROOT_NAME).unwrap());
    story.world.nodes[1].disk.with(|model| {
        model.rename(&place, &(TOP, name("under")), Target::Free).unwrap();
        model.make(&place, FileKind::Dir, 0o755, b"").unwrap();
    });
    story.world.rescan();
    story.write(0, "f", "second");
    story.rest();
    let halted = story.world.nodes[1].program.as_ref().unwrap().halted.clone();
    assert!(halted.is_some_and(|why| why.contains("another directory")));
    story.came_by("a root that is not what was added");
    assert_eq!(story.tree(0)["f"], "second");
    assert!(story.tree(1).is_empty(), "nothing is put into another's directory");
}

/// Case 18. A hostile user puts a symlink in a directory's place between any two of our calls: what
/// we do goes to the directory that was meant, or fails; nothing outside the root is touched.
#[test]
fn case_18_no_call_follows_a_symlink_that_was_put_in_its_way() {
    let mut refused = Vec::new();
    for nth in 1..40 {
        let mut story = Story::of(2);
        story.make_dir(0, "d");
        story.write(0, "d/f", "first");
        story.rest();
        story.world.nodes[1].disk.with(|model| {
            let outside = model.make(&(TOP, name("outside")), FileKind::Dir, 0o755, b"").unwrap();
            let inode = model.make(&(outside, name("f")), FileKind::File, 0o600, b"secret");
            inode.unwrap();
        });
        story.before_any(1, nth, |model, root| {
            let spot = story::spot(model, root, "d");
            let aside = story::spot(model, root, "aside");
            if model.at(spot.0, &spot.1).is_err() {
                return;
            }
            model.rename(&spot, &aside, Target::Free).unwrap();
            model.make(&spot, FileKind::Symlink, 0o777, b"../outside").unwrap();
        });
        story.write(0, "d/f", "second");
        story.write(0, "d/g", "new");
        story.rest();
        story.world.nodes[1].disk.with(|model| {
            let outside = model.find(TOP, &path("outside")).unwrap();
            let all = model.below(outside);
            assert_eq!(all.len(), 1, "call {nth}: something was made outside");
            let thing = model.thing(all[0].1).unwrap();
            assert_eq!((&thing.bytes[..], thing.mode), (&b"secret"[..], 0o600), "call {nth}");
        });
        assert!(!story.tree(0).values().any(|text| text == "secret"), "call {nth}");
        checkers::at_rest(&story.world);
        if story.has_come_by("a symlink in a directory's way is refused") {
            refused.push(nth);
        }
    }
    assert!(refused.len() > 1, "only at {refused:?} was it in the way of a call");
}

/// Case 19. The power goes when a new version was just put in place. Afterwards every node has it
/// whole, or what was there before it; nothing torn is taken for a user's.
#[test]
fn case_19_power_loss_after_the_exchange() {
    let mut reached = false;
    for seed in 0..40 {
        let mut story = Story::seeded(seed);
        story.write(0, "f", &"first".repeat(2_000));
        story.write(0, "g", "stays");
        story.rest();
        story.world.run_for(10_000);
        let whole = "second".repeat(2_000);
        story.write(0, "f", &whole);
        story.world.run_for(seed % 20);
        story.world.lose_power(1);
        story.world.start(1);
        story.rest();
        checkers::at_rest(&story.world);
        let shown: BTreeMap<String, String> =
            [("f", &*whole), ("g", "stays")].map(|(at, text)| (at.into(), text.into())).into();
        assert_eq!(story.tree(0), shown);
        assert_eq!(story.tree(1), shown, "seed {seed}");
        // Where the trash lost its list, nobody knows whose bytes came to light: they are kept.
        let kept = story.kept(1);
        assert!(kept.iter().all(|text| *text == "first".repeat(2_000)), "seed {seed}: {kept:?}");
        reached |= story.has_come_by("after a power loss it is not what was announced");
    }
    assert!(reached, "no power loss undid an exchange");
}

/// Case 25. A directory that belongs to one node's folder is not taken by another, and where the
/// mark changes under us (one volume mounted at two members), the folder stops.
#[test]
fn case_25_a_tree_has_one_owner() {
    let mut story = Story::of(2);
    story.write(0, "f", "first");
    story.rest();
    let mark = Mark { folder: FOLDER.0, node: node_id(1).0, home: [1; 16] };
    let disk = story.world.nodes[0].disk.clone();
    let root = disk.open_child(&disk.top(), &Name::new(ROOT_NAME).unwrap()).unwrap();
    let door_disk = disk.clone();
    let door =
        Box::new(move || door_disk.open_child(&door_disk.top(), &Name::new(ROOT_NAME).unwrap()));
    let claimed = Root::claim(&disk, Path::new("/root"), door, mark, false);
    assert!(matches!(claimed, Err(RootError::Owned { .. })));
    // The other node had its way all the same.
    mark::write(&disk, &root, &mark).unwrap();
    story.world.rescan();
    story.write(0, "g", "ours?");
    story.rest();
    let halted = story.world.nodes[0].program.as_ref().unwrap().halted.clone();
    assert!(halted.is_some_and(|why| why.contains("not ours")));
    story.came_by("a root that is not what was added");
    assert!(!story.tree(1).contains_key("g"));
}
