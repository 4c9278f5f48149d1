//! Which hint comes out when: time is a number here, so every test is exact.

use engine::index::Handle;
use engine::path::{Name, RelPath};
use proptest::prelude::{prop, proptest, Just, Strategy};

use super::{Batch, Options, Settle, BUSY_MS_MAX, INODES_MAX, TREES_MAX};
use crate::watch::{Hint, Touched};

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn named(text: &str, what: Touched) -> Hint {
    let path = path(text);
    Hint::Name { dir: path.parent().unwrap(), name: path.name().unwrap().clone(), what }
}

fn closed(text: &str) -> Hint {
    named(text, Touched::CLOSED)
}

fn settle(delay_ms: u64, names_max: usize) -> Settle {
    Settle::new(Options { delay_ms, names_max })
}

fn names(batch: &Batch) -> Vec<String> {
    batch.names.iter().map(|(path, _)| path.to_string()).collect()
}

fn trees(batch: &Batch) -> Vec<String> {
    batch.trees.iter().map(RelPath::to_string).collect()
}

#[test]
fn without_a_delay_a_change_is_due_at_once_and_only_once() {
    let mut settle = settle(0, 100);
    assert_eq!(settle.deadline(), None);
    settle.push(7, closed("a"));
    assert_eq!(settle.deadline(), Some(7));
    assert_eq!(names(&settle.take_due(7, 10)), ["a"]);
    assert!(settle.take_due(7, 10).is_empty());
    assert_eq!(settle.deadline(), None);
}

#[test]
fn the_delay_counts_from_the_first_change_and_later_ones_join_it() {
    let mut settle = settle(1000, 100);
    settle.push(0, named("a", Touched::CREATED | Touched::MAYBE_OPEN));
    settle.push(900, named("a", Touched::CLOSED | Touched::ATTRIBUTES));
    assert!(settle.take_due(999, 10).is_empty());
    let batch = settle.take_due(1000, 10);
    let all = Touched::CREATED | Touched::CLOSED | Touched::ATTRIBUTES;
    assert_eq!(batch.names, [(path("a"), all)]);
}

#[test]
fn a_batch_is_cut_at_its_size_and_lists_parents_first() {
    let mut settle = settle(0, 100);
    for text in ["d/b", "d", "d/a", "c"] {
        settle.push(0, closed(text));
    }
    assert_eq!(names(&settle.take_due(0, 3)), ["d", "d/a", "d/b"]);
    assert_eq!(names(&settle.take_due(0, 3)), ["c"]);
}

fn inode(text: &str, number: u8) -> Hint {
    Hint::Inode { path: path(text), handle: handle(number) }
}

fn handle(number: u8) -> Handle {
    Handle([number].as_slice().into())
}

// Story: a mode was set through a second name of a file, which was removed at once. A look at that
// name found nothing, nobody looked at the first, and `wait` said that all was told.
#[test]
fn what_was_changed_through_a_name_that_shows_it_no_more_is_looked_at_by_itself() {
    let mut settle = settle(0, 100);
    for (at, (what, inodes)) in [
        (Touched::ATTRIBUTES, &[1][..]),
        (Touched::ATTRIBUTES | Touched::DELETED, &[2]),
        (Touched::CLOSED | Touched::MOVED_FROM, &[3]),
        (Touched::ATTRIBUTES | Touched::MOVED_TO, &[4]),
        (Touched::CREATED | Touched::CLOSED, &[5, 5]),
        (Touched::ATTRIBUTES, &[6, 7]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = at.to_string();
        for number in inodes {
            settle.push(0, named(&name, what));
            settle.push(0, inode(&name, *number));
        }
    }
    settle.push(0, inode("nobody hinted this", 8));
    let batch = settle.take_due(0, 10);
    let seen = batch.inodes.into_iter().map(|(at, Handle(number))| {
        (at.map_or_else(|| "-".to_owned(), |path| path.to_string()), number[0])
    });
    let told = [("0", 1), ("-", 2), ("-", 3), ("-", 4), ("4", 5), ("-", 6), ("-", 7)];
    assert!(seen.eq(told.map(|(at, number)| (at.to_owned(), number))));
    assert!(settle.take_due(0, 10).is_empty(), "and once");
}

#[test]
fn what_was_changed_through_a_name_is_not_forgotten_with_it() {
    let mut settle = settle(0, 20);
    let change = |settle: &mut Settle, count| {
        for number in 0..count {
            settle.push(0, named("d/one", Touched::ATTRIBUTES));
            settle.push(0, inode("d/one", number));
        }
    };
    change(&mut settle, 15);
    settle.push(0, Hint::Tree(path("d")));
    let batch = settle.take_due(0, 10);
    assert_eq!((batch.inodes.len(), batch.lost), (15, false));
    change(&mut settle, 30);
    let batch = settle.take_due(0, 10);
    assert!(batch.lost && batch.inodes.len() <= 20 + INODES_MAX, "more than that is a scan");
}

// Story: a directory was new, so its tree waited to be walked, and what was deleted in it a moment
// later counted as covered by that. The walk did not miss the file, for the look that had seen it
// was still on its way to the index: the file stayed on all other nodes.
#[test]
fn what_went_is_looked_at_by_name_though_a_tree_waits() {
    let mut settle = settle(0, 100);
    settle.push(0, named("d/early", Touched::MOVED_FROM));
    settle.push(0, Hint::Tree(path("d")));
    settle.push(0, named("d/late", Touched::DELETED));
    settle.push(0, closed("d/there"));
    let batch = settle.take_due(0, 10);
    assert_eq!(names(&batch), ["d/early", "d/late"]);
    assert_eq!(trees(&batch), ["d"]);
}

#[test]
fn a_tree_takes_the_names_below_it_but_not_its_own() {
    let mut settle = settle(0, 100);
    for text in ["d", "d/a", "d/e/f", "d2/a"] {
        settle.push(0, closed(text));
    }
    settle.push(0, Hint::Tree(path("d/e")));
    settle.push(0, Hint::Tree(path("d")));
    settle.push(0, closed("d/later"));
    settle.push(0, Hint::Tree(path("d/inner")));
    let batch = settle.take_due(0, 10);
    assert_eq!((names(&batch), trees(&batch)), (vec!["d".into(), "d2/a".into()], vec!["d".into()]));
    settle.push(0, closed("d/later"));
    assert_eq!(names(&settle.take_due(0, 10)), ["d/later"], "a tree that was taken covers no more");
}

// Story (simulator, moves): a directory was renamed, and a file in it. The tree took the file's
// new name, its old one was looked at alone: it counted as deleted, and was made anew under the new
// one. Who had edited it elsewhere then had two files.
#[test]
fn a_tree_takes_neither_end_of_a_rename() {
    let mut settle = settle(0, 100);
    let moved = |text: &str, what| Hint::Name {
        dir: path(text).parent().unwrap(),
        name: path(text).name().unwrap().clone(),
        what,
    };
    settle.push(0, moved("d/early", Touched::MOVED_TO));
    settle.push(0, Hint::Tree(path("d")));
    settle.push(0, moved("d/old", Touched::MOVED_FROM));
    settle.push(0, moved("d/new", Touched::MOVED_TO));
    assert_eq!(names(&settle.take_due(0, 10)), ["d/early", "d/new", "d/old"]);
}

#[test]
fn lost_events_make_the_whole_root_due_and_say_so_once() {
    let mut settle = settle(0, 100);
    settle.push(0, closed("a/b"));
    settle.push(0, Hint::Lost);
    settle.push(0, Hint::Lost);
    let batch = settle.take_due(0, 10);
    assert!(batch.lost && batch.names.is_empty() && batch.trees == [RelPath::root()]);
    assert!(!settle.take_due(1, 10).lost);
}

#[test]
fn the_root_itself_is_a_name_too() {
    let mut settle = settle(0, 100);
    settle.push(0, Hint::Root(Touched::ATTRIBUTES));
    assert_eq!(settle.take_due(0, 1).names, [(RelPath::root(), Touched::ATTRIBUTES)]);
}

#[test]
fn a_busy_path_comes_again_after_50_ms_doubling_up_to_5_s() {
    let mut settle = settle(0, 100);
    settle.push(0, closed("log"));
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(names(&settle.take_due(now, 1)), ["log"]);
        settle.busy(now, path("log"));
        let due = settle.deadline().unwrap();
        assert!(settle.take_due(due - 1, 1).is_empty());
        waits.push(due - now);
        now = due;
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, BUSY_MS_MAX, BUSY_MS_MAX]);
    settle.take_due(now, 1);
    now += 60_000;
    settle.push(now, closed("log"));
    settle.take_due(now, 1);
    settle.busy(now, path("log"));
    assert_eq!(settle.deadline(), Some(now + 50), "a later writer starts at the beginning");
}

#[test]
fn a_hint_of_a_busy_path_makes_it_due_at_once() {
    let mut settle = settle(3000, 100);
    settle.busy(0, path("a"));
    assert_eq!(settle.open(), [path("a")]);
    settle.push(10, closed("a"));
    assert_eq!(names(&settle.take_due(10, 1)), ["a"]);
    assert_eq!((settle.open(), settle.waiting()), (vec![], 0));
}

#[test]
fn a_path_hinted_since_it_was_delivered_is_not_put_off_by_a_late_busy() {
    let mut settle = settle(0, 100);
    settle.push(0, closed("a"));
    settle.take_due(0, 1);
    settle.push(1, closed("a"));
    settle.busy(2, path("a"));
    assert_eq!(names(&settle.take_due(2, 1)), ["a"]);
}

#[test]
fn a_file_that_changes_all_the_time_is_slowed_down_from_1_s_to_60_s_and_freed_when_it_calms() {
    let mut settle = settle(0, 100);
    let mut delivered = Vec::new();
    for now in (0..400_000).step_by(100) {
        settle.push(now, closed("counter"));
        settle.push(now, closed(&format!("other{now}")));
        if names(&settle.take_due(now, 10)).contains(&"counter".to_string()) {
            delivered.push(now);
        }
    }
    let gaps: Vec<u64> = delivered.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[..7], [100; 7], "the first changes are immediate");
    assert_eq!(gaps[7..14], [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
    settle.take_due(600_000, 10);
    settle.push(1_000_000, closed("counter"));
    assert_eq!(names(&settle.take_due(1_000_000, 10)), ["counter"]);
    settle.push(1_000_001, closed("counter"));
    assert_eq!(names(&settle.take_due(1_000_001, 10)), ["counter"]);
}

#[test]
fn a_cookie_is_reached_with_the_last_of_what_came_before_it() {
    let mut settle = settle(0, 100);
    settle.push(0, closed("a"));
    settle.push(0, closed("b"));
    settle.push(0, Hint::Cookie(9));
    settle.push(0, closed("c"));
    assert!(settle.take_due(0, 1).cookies.is_empty());
    let batch = settle.take_due(0, 1);
    assert_eq!((names(&batch), batch.cookies[0].cookie), (vec!["b".into()], 9));
    assert_eq!(settle.take_due(0, 1).cookies, []);
}

#[test]
fn a_cookie_does_not_wait_for_the_delay_nor_for_a_slow_pace() {
    let mut settle = settle(3_600_000, 100);
    settle.push(0, closed("a"));
    settle.push(0, Hint::Tree(path("t")));
    settle.push(5, Hint::Cookie(1));
    settle.push(5, closed("later"));
    let batch = settle.take_due(5, 10);
    assert_eq!((names(&batch), trees(&batch)), (vec!["a".into()], vec!["t".into()]));
    assert_eq!(batch.cookies.len(), 1);
    assert_eq!(settle.deadline(), Some(3_600_005));
}

#[test]
fn a_cookie_passes_files_that_are_open_and_names_them() {
    let mut settle = settle(0, 100);
    settle.push(0, closed("log"));
    settle.take_due(0, 1);
    settle.busy(0, path("log"));
    settle.push(1, Hint::Cookie(3));
    assert_eq!(settle.deadline(), Some(0), "nothing to wait for");
    let batch = settle.take_due(1, 10);
    assert_eq!((batch.cookies[0].cookie, &batch.cookies[0].open), (3, &vec![path("log")]));
}

#[test]
fn a_tree_waits_in_the_place_of_the_names_it_took_for_a_cookie_too() {
    let mut settle = settle(1000, 100);
    settle.push(0, closed("d/a"));
    settle.push(0, Hint::Cookie(1));
    settle.push(500, Hint::Tree(path("d")));
    let batch = settle.take_due(500, 10);
    assert_eq!((trees(&batch), batch.cookies.len()), (vec!["d".into()], 1));
}

#[test]
fn too_many_names_collapse_the_fullest_directory_and_then_everything() {
    let mut settle = settle(0, 40);
    settle.push(0, closed("small/x"));
    for n in 0..40 {
        settle.push(0, closed(&format!("big/{n}")));
    }
    let batch = settle.take_due(0, 100);
    assert_eq!((names(&batch), trees(&batch)), (vec!["small/x".into()], vec!["big".into()]));
    for n in 0..41 {
        settle.push(0, closed(&format!("d{n}/x")));
    }
    let batch = settle.take_due(0, 100);
    assert_eq!((names(&batch).len(), batch.trees), (0, vec![RelPath::root()]));
    assert!(!batch.lost, "nothing was lost, it was only much");
}

#[test]
fn too_many_trees_or_busy_files_become_the_root() {
    let mut settle = settle(0, 40);
    for n in 0..=TREES_MAX {
        settle.push(0, Hint::Tree(path(&format!("t{n}"))));
    }
    assert_eq!(settle.take_due(0, 1).trees, [RelPath::root()]);
    for n in 0..41 {
        settle.busy(0, path(&format!("busy{n}")));
    }
    assert_eq!(settle.waiting(), 41, "40 names and the root's tree");
    assert_eq!(settle.take_due(0, 1).trees, [RelPath::root()]);
}

/// One call of the interface.
#[derive(Clone, Debug)]
enum Step {
    Push(RelPath),
    Tree(RelPath),
    Busy(RelPath),
    Cookie,
    Take(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = (0u8..4).prop_map(|n| Name::new(&[b'a' + n]).unwrap());
    let place = prop::collection::vec(name, 1..4).prop_map(RelPath::from_names);
    let step = proptest::prop_oneof![
        8 => place.clone().prop_map(Step::Push),
        1 => place.clone().prop_map(Step::Tree),
        2 => place.prop_map(Step::Busy),
        1 => Just(Step::Cookie),
        2 => (0usize..5).prop_map(Step::Take),
        2 => (0u64..400).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..80)
}

/// Takes off the list what a batch delivers.
fn deliver(batch: &Batch, owed: &mut Vec<(usize, RelPath)>) {
    owed.retain(|(_, path)| {
        let parent = path.parent().unwrap_or_default();
        !batch.names.iter().any(|(name, _)| name == path)
            && !batch.trees.iter().any(|tree| parent.is_within(tree))
    });
}

proptest! {
    /// Every name pushed is delivered, by itself or by a tree above it, and a cookie never
    /// overtakes one that was pushed before it and is not busy.
    #[test]
    fn nothing_is_forgotten_and_no_cookie_overtakes(steps in steps(), delay_ms in 0u64..500) {
        let mut settle = settle(delay_ms, 12);
        let (mut now, mut owed, mut cookies) = (0, Vec::new(), Vec::new());
        let check = |settle: &mut Settle, now, max, owed: &mut Vec<_>, cookies: &mut Vec<_>| {
            let batch = settle.take_due(now, max);
            deliver(&batch, owed);
            for reached in &batch.cookies {
                let (asked, at): (u64, usize) = cookies.remove(0);
                assert_eq!(asked, reached.cookie);
                let open = |path| reached.open.contains(path);
                assert!(owed.iter().all(|(pushed, path)| *pushed > at || open(path)));
            }
        };
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(path) => {
                    let (dir, name) = (path.parent().unwrap(), path.name().unwrap().clone());
                    settle.push(now, Hint::Name { dir, name, what: Touched::CLOSED });
                    owed.push((at, path));
                }
                Step::Tree(path) => settle.push(now, Hint::Tree(path)),
                Step::Busy(path) => {
                    owed.push((at, path.clone()));
                    settle.busy(now, path);
                }
                Step::Cookie => {
                    cookies.push((at as u64, at));
                    settle.push(now, Hint::Cookie(at as u64));
                }
                Step::Take(max) => check(&mut settle, now, max, &mut owed, &mut cookies),
                Step::Pass(ms) => now += ms,
            }
        }
        let mut rounds = 0;
        while let Some(due) = settle.deadline() {
            now = now.max(due);
            check(&mut settle, now, 3, &mut owed, &mut cookies);
            rounds += 1;
            assert!(rounds < 1000, "the deadline promises work that does not come");
        }
        assert!(owed.is_empty() && cookies.is_empty(), "left: {owed:?} {cookies:?}");
        assert_eq!(settle.waiting(), 0);
    }
}
