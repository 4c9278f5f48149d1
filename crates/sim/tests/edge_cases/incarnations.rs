//! Case 14: what was put back to an older copy, or lost: the node with its tree, the index alone,
//! the tree alone, the index altogether. (A node that runs twice: `engine::lives`,
//! `a_node_that_runs_twice_loses_nothing`.)

use crate::story::{self, Story};
use engine::dot::Incarnation;
use engine::index::{Index, MemIndex, Meta, Phase};
use sim::disk::model::Model;
use sim::disk::Fate;

/// Two nodes that share a history, and the second's disk as it was in the middle of it.
fn history() -> (Story, Model) {
    let mut story = Story::of(2);
    story.write(0, "theirs", "1");
    story.write(1, "ours", "1");
    story.write(1, "goes", "1");
    story.rest();
    story.world.nodes[1].copy_index();
    let disk = story.world.nodes[1].disk.with(|model| model.clone());
    story.write(0, "theirs", "2");
    story.write(1, "ours", "2");
    story.write(1, "new", "1");
    story.remove(1, "goes");
    story.rest();
    (story, disk)
}

const AFTER: [(&str, &str); 3] = [("new", "1"), ("ours", "2"), ("theirs", "2")];

/// The whole machine is put back, with or without a reboot. It takes back what it had itself told
/// the others, and gives none of its dots twice.
#[test]
fn case_14_a_node_that_was_put_back_takes_its_own_changes_from_the_others() {
    for reboots in [false, true] {
        let (mut story, disk) = history();
        story.part();
        story.world.stop(1);
        story.world.nodes[1].disk.with(|model| *model = disk);
        story.world.nodes[1].put_back();
        if reboots {
            story.world.nodes[1].reboot();
        }
        let life = story.world.nodes[1].index.meta().incarnation;
        story.world.start(1);
        // Before it has heard of anybody: as many dots as were lost, and one more.
        for (name, text) in [("more", "1"), ("even more", "1"), ("ours", "3"), ("last", "1")] {
            story.write(1, name, text);
            story.rest();
        }
        assert_ne!(story.world.nodes[1].index.meta().incarnation, life, "reboots: {reboots}");
        story.meet();
        story.came_by("a life ends at an opening");
        let shown = [("even more", "1"), ("last", "1"), ("more", "1")];
        let shown: Vec<_> = shown.into_iter().chain([AFTER[0], ("ours", "3"), AFTER[2]]).collect();
        story.ends(&shown, &["2"]);
    }
}

/// Only the index is put back; the tree is newer. Nothing in the tree is taken for an edit of what
/// others have said since.
#[test]
fn case_14_an_index_that_was_put_back_finds_its_tree_newer() {
    let (mut story, _) = history();
    story.world.stop(1);
    story.world.nodes[1].put_back();
    story.world.start(1);
    story.came_by("a life ends at an opening");
    story.ends(&AFTER, &[]);
}

/// Only the tree is put back, file by file, by its user: what it holds is what the user wants,
/// everywhere.
#[test]
fn case_14_a_tree_that_its_user_put_back_is_its_users_wish() {
    let (mut story, _) = history();
    story.world.stop(1);
    story.world.by_hand(1, |model, root| {
        ["theirs", "ours", "goes"].iter().for_each(|at| story::write(model, root, at, "1"));
        story::remove(model, root, "new");
    });
    story.world.start(1);
    story.ends(&[("goes", "1"), ("ours", "1"), ("theirs", "1")], &[]);
}

/// The filesystem of the tree is put back to an older copy, and its index is not. What the copy
/// lacks comes again, what it holds by that goes to its trash, whether the machine came up anew or
/// not; and nobody else notices anything.
#[test]
fn case_14_a_volume_that_was_put_back_takes_what_the_others_have() {
    for reboots in [false, true] {
        let mut story = Story::of(2);
        for dir in ["d", "d/inner", "e"] {
            story.make_dir(1, dir);
        }
        let before = ["theirs", "ours", "goes", "d/moves", "d/inner/goes", "e/goes", "becomes"];
        before.iter().for_each(|at| story.write(1, at, &format!("{at} 1")));
        story.rest();
        story.world.run_for(10_000);
        let disk = story.world.nodes[1].disk.with(|model| model.clone());
        story.write(0, "theirs", "2");
        story.write(1, "ours", "2");
        story.write(1, "new", "1");
        story.make_dir(1, "f");
        story.rest();
        story.write(0, "f/new", "1");
        for gone in ["goes", "e/goes", "e", "d/inner/goes", "becomes"] {
            story.remove(1, gone);
            story.rest();
        }
        story.make_dir(1, "becomes");
        story.world.by_hand(1, |model, root| {
            story::rename(model, root, "d/moves", "moved");
            story::rename(model, root, "d", "g");
            story::make_dir(model, root, "d");
        });
        story.rest();
        story.world.run_for(10_000);
        let shown = [("becomes/", ""), ("d/", ""), ("f/", ""), ("f/new", "1"), ("g/", "")];
        let shown: Vec<_> = shown.into_iter().chain([("g/inner/", "")]).collect();
        let files = [("moved", "d/moves 1"), ("new", "1"), ("ours", "2"), ("theirs", "2")];
        let shown: Vec<_> = shown.into_iter().chain(files).collect();
        story.ends(&shown, &[]);
        let (others, contents) = (story.minted(0), story.world.contents);
        story.world.stop(1);
        story.world.nodes[1].disk.with(|model| model.put_back(disk));
        if reboots {
            story.world.lose_power(1);
        }
        story.world.start(1);
        story.rest();
        story.came_by("the tree is older than the index");
        story.came_by("an older copy holds what nobody has any more");
        story.ends(&shown, &[]);
        assert_eq!(story.minted(0), others, "the others have done nothing");
        for text in ["theirs 1", "ours 1", "goes 1", "e/goes 1", "becomes 1"] {
            assert!(story.is_in_trash(1, text), "{text} is not in the trash");
        }
        assert!(story.world.contents <= contents + 5, "what is there is not sent");
    }
}

/// After that, before our program runs again, users work in the older copy. What they write is
/// theirs: it stands beside what they have not seen. What they delete comes back.
#[test]
fn case_14_what_users_write_in_a_volume_that_was_put_back_is_theirs() {
    let (mut story, disk) = history();
    story.world.run_for(10_000);
    story.world.stop(1);
    story.world.nodes[1].disk.with(|model| model.put_back(disk));
    story.world.run_for(10);
    story.world.by_hand(1, |model, root| {
        story::write(model, root, "ours", "over the first");
        story::write(model, root, "goes", "again");
        story::write(model, root, "mine", "1");
        story::remove(model, root, "theirs");
    });
    story.world.start(1);
    story.came_by("the tree is older than the index");
    let shown = [("goes", "again"), ("mine", "1"), ("new", "1"), ("ours", "over the first")];
    let shown: Vec<_> = shown.into_iter().chain([("theirs", "2")]).collect();
    story.ends(&shown, &["2"]);
}

/// The program dies in the middle of all that, again and again, and goes on.
#[test]
fn case_14_a_volume_that_was_put_back_stays_so_until_all_of_it_was_looked_at() {
    for calls in 0..60 {
        let (mut story, disk) = history();
        story.world.run_for(10_000);
        story.world.stop(1);
        story.world.nodes[1].disk.with(|model| model.put_back(disk));
        story.world.nodes[1].disk.set_between(None);
        let mut left = calls;
        story.world.nodes[1].disk.set_between(Some(Box::new(move |_, _| {
            left -= 1;
            if left == 0 {
                Fate::Kill
            } else {
                Fate::Go
            }
        })));
        story.world.start(1);
        story.rest();
        if !story.world.is_running(1) {
            story.world.start(1);
        }
        story.came_by("the tree is older than the index");
        story.ends(&AFTER, &[]);
    }
}

/// The index is lost and the tree is not. What is as the others have it is theirs again without a
/// byte sent; what differs stands beside it; nothing is deleted.
#[test]
fn case_14_an_index_that_was_lost_is_made_anew() {
    let (mut story, _) = history();
    story.world.stop(1);
    story.world.by_hand(1, |model, root| {
        story::write(model, root, "ours", "written while nobody watched");
        story::write(model, root, "mine", "1");
    });
    let unused = Meta::new(Incarnation([77; 16]), Phase::Joining, [0; 16]);
    story.world.nodes[1].index = MemIndex::new(unused);
    let contents = story.world.contents;
    story.world.start(1);
    story.rest();
    story.came_by("what a joiner has is what the others have");
    let shown: Vec<_> = AFTER.into_iter().chain([("mine", "1")]).collect();
    story.ends(&shown, &["written while nobody watched"]);
    assert!(story.world.contents <= contents + 2, "what is there is not sent");
}
