//! The semantics of the tree as tables: entries on the left, what every node shows on the right.

use super::{losers, place, suffixed, winner, Shown};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Sight, Stamp, ROOT};
use crate::index::{Index, MemIndex, Meta, Phase};
use crate::ledger::{self, Author, Facts};
use crate::path::Name;
use crate::register::Version;
use crate::wire::Minted;
use proptest::prelude::{any, prop, proptest};
use std::collections::{BTreeMap, BTreeSet};

mod bodies;
mod names;
mod shown;

/// Entry ids are single digits; 0 is the root.
fn id(n: u8) -> EntryId {
    EntryId([n; 16])
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

/// A dot and stamp per time and entry: life 0xaa for even times, 0xbb for odd ones.
fn stamp(n: u8, time: u64) -> Stamp {
    let incarnation = Incarnation([if time.is_multiple_of(2) { 0xaa } else { 0xbb }; 16]);
    let dot = Dot { incarnation, counter: time * 100 + u64::from(n) + 1 };
    Stamp { rank: Rank::Write, hlc: Hlc(time), dot }
}

/// The fixture vocabulary: an entry is made by `d`, `f` or `l` and then told what befell it.
#[derive(Clone, Debug)]
struct E(Entry);

/// A directory at `parent`/`name` since time 0.
fn d(n: u8, parent: u8, name: &str) -> E {
    E(Entry::new(id(n), Kind::Dir)).at(0, parent, name)
}

/// A file with one letter in it.
fn f(n: u8, parent: u8, name: &str, letter: u8) -> E {
    E(Entry::new(id(n), Kind::File)).at(0, parent, name).holds(0, letter)
}

/// A symlink to one letter.
fn l(n: u8, parent: u8, name: &str, letter: u8) -> E {
    E(Entry::new(id(n), Kind::Symlink)).at(0, parent, name).holds(0, letter)
}

impl E {
    fn loc(mut self, time: u64, parent: u8, to: &str, state: Presence, rank: Rank) -> E {
        let stamp = Stamp { rank, ..stamp(self.0.id.0[0], time) };
        let value = Location { parent: id(parent), name: name(to), stamp, state };
        let minted = value.mint().into();
        self.0.loc.insert(Version { dot: stamp.dot, value, minted });
        self
    }

    /// Concurrently put there.
    fn at(self, time: u64, parent: u8, to: &str) -> E {
        self.loc(time, parent, to, Presence::At(None), Rank::Write)
    }

    /// Concurrently found there by a joiner.
    fn imported(self, time: u64, parent: u8, to: &str) -> E {
        self.loc(time, parent, to, Presence::At(None), Rank::Import)
    }

    /// Moved there by somebody who had seen every place before; it was at `before`.
    fn moved(mut self, time: u64, parent: u8, to: &str, before: (u8, &str)) -> E {
        self.0.loc = Default::default();
        let state = Presence::At(Some((id(before.0), name(before.1))));
        self.loc(time, parent, to, state, Rank::Write)
    }

    /// Deleted by somebody who had seen every place before.
    fn gone(mut self, time: u64) -> E {
        let last = self.0.loc.versions().last().unwrap().value.clone();
        self.0.loc = Default::default();
        let (parent, to) = (last.parent.0[0], last.name.to_string());
        self.loc(time, parent, &to, Presence::Deleted(Sight::Live), Rank::Write)
    }

    /// Deleted by somebody who had not seen the places above.
    fn also_gone(self, time: u64, parent: u8, to: &str) -> E {
        self.loc(time, parent, to, Presence::Deleted(Sight::Live), Rank::Write)
    }

    fn data(mut self, time: u64, letter: u8, rank: Rank, base: Vec<Dot>) -> E {
        let stamp = Stamp { rank, ..stamp(self.0.id.0[0], time) };
        let content = match self.0.kind {
            Kind::Symlink => Content::Link([letter].as_slice().into()),
            _ => Content::File(Digest([letter; 32]), 1),
        };
        let value = Data { content, stamp, base, body: None };
        let minted = value.mint().into();
        self.0.data.insert(Version { dot: stamp.dot, value, minted });
        self
    }

    /// A concurrent write.
    fn holds(self, time: u64, letter: u8) -> E {
        self.data(time, letter, Rank::Write, Vec::new())
    }

    /// A concurrent import.
    fn imports(self, time: u64, letter: u8) -> E {
        self.data(time, letter, Rank::Import, Vec::new())
    }

    /// A write by somebody who saw the write of time `over`, here as its sibling.
    fn replaces(self, time: u64, letter: u8, over: u64) -> E {
        let seen = stamp(self.0.id.0[0], over).dot;
        self.data(time, letter, Rank::Write, vec![seen])
    }
}

struct Node {
    facts: Facts,
    index: MemIndex,
}

impl Node {
    fn new() -> Node {
        let index = MemIndex::new(Meta::new(Incarnation([9; 16]), Phase::Member, [0; 16]));
        Node { facts: Facts::load(&index), index }
    }

    fn put(&mut self, entry: &Entry) {
        let dots = entry.dots();
        let (facts, index) = (&mut self.facts, &mut self.index);
        ledger::put(facts, index, entry.clone(), None, Author::Elsewhere, &dots);
    }

    fn of<'a>(entries: impl IntoIterator<Item = &'a E>) -> Node {
        let mut node = Node::new();
        entries.into_iter().for_each(|e| node.put(&e.0));
        node
    }

    fn path(&self, entry: EntryId) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        let mut next = entry;
        loop {
            assert!(names.len() < 50, "no place leads round in a circle ({entry:?})");
            match place(&self.index, next) {
                Shown::Root => break,
                Shown::At { parent, name } => {
                    names.push(name.to_string());
                    next = parent;
                }
                _ if names.is_empty() => return None,
                other => panic!("{entry:?} is shown in {next:?}, which is {other:?}"),
            }
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// Everything shown: `dir/`, `file=letter`, `link>letter`.
    fn tree(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for stored in self.index.entries() {
            let Some(path) = self.path(stored.entry.id) else { continue };
            let content = winner(&stored.entry.data).map(|data| data.content.clone());
            lines.push(match content {
                None => format!("{path}/"),
                Some(Content::File(digest, _)) => format!("{path}={}", char::from(digest.0[0])),
                Some(Content::Link(to)) => format!("{path}>{}", char::from(to[0])),
            });
        }
        lines.sort();
        lines
    }
}

/// The one helper: these entries, in whatever order they come, show this tree.
fn check(entries: &[E], tree: &[&str]) {
    let mut tree = tree.to_vec();
    tree.sort_unstable();
    for turn in 0..entries.len() {
        let (late, early) = entries.split_at(turn);
        assert_eq!(Node::of(early.iter().chain(late)).tree(), tree, "from entry {turn} on");
        let backwards = Node::of(early.iter().chain(late).rev());
        assert_eq!(backwards.tree(), tree, "backwards from entry {turn} on");
    }
}

#[test]
fn an_entry_is_shown_where_its_only_place_says() {
    check(
        &[d(1, 0, "docs"), f(2, 1, "a", b'x'), l(3, 1, "b", b'y')],
        &["docs/", "docs/a=x", "docs/b>y"],
    );
    check(&[f(1, 0, "a", b'x').gone(1)], &[]);
}

#[test]
fn a_deleted_directory_with_a_live_child_lives_at_its_last_place() {
    check(&[d(1, 0, "docs").gone(1), f(2, 1, "a", b'x')], &["docs/", "docs/a=x"]);
    check(&[d(1, 0, "docs").gone(1), f(2, 1, "a", b'x').gone(2)], &[]);
}

#[test]
fn liveness_climbs_through_chains_of_deleted_directories() {
    let chain = [d(1, 0, "p").gone(1), d(2, 1, "q").gone(1), d(3, 2, "r").gone(1)];
    let with = |file: E| [&chain[..], &[file]].concat();
    check(&chain, &[]);
    check(&with(f(4, 3, "a", b'x')), &["p/", "p/q/", "p/q/r/", "p/q/r/a=x"]);
    check(&with(f(4, 3, "a", b'x').gone(2)), &[]);
    check(&with(f(4, 2, "a", b'x')), &["p/", "p/q/", "p/q/a=x"]);
}

#[test]
fn a_concurrent_move_or_edit_keeps_alive_what_a_delete_did_not_see() {
    check(&[f(1, 0, "a", b'x').also_gone(5, 0, "a")], &["a=x"]);
    check(&[d(1, 0, "d").moved(1, 0, "e", (0, "d")).also_gone(2, 0, "d")], &["e/"]);
}

#[test]
fn the_latest_place_wins_and_an_import_never_beats_a_write() {
    check(&[f(1, 0, "a", b'x').at(2, 0, "b").at(1, 0, "c")], &["b=x"]);
    check(&[f(1, 0, "a", b'x').imported(9, 0, "b")], &["a=x"]);
    let joiners = E(Entry::new(id(1), Kind::Dir)).imported(1, 0, "a").imported(2, 0, "b");
    check(&[joiners], &["b/"]);
}

#[test]
fn the_latest_of_two_crossing_moves_is_undone() {
    let a = |time| d(1, 0, "a").moved(time, 2, "a", (0, "a"));
    let b = |time| d(2, 0, "b").moved(time, 1, "b", (0, "b"));
    let inside = [f(3, 1, "x", b'x'), f(4, 2, "y", b'y')];
    let both = |a: E, b: E| [&[a, b], &inside[..]].concat();
    let undone_b = ["b~02020202/", "b~02020202/a/", "b~02020202/a/x=x", "b~02020202/y=y"];
    check(&both(a(1), b(2)), &undone_b);
    let undone_a = ["a~01010101/", "a~01010101/b/", "a~01010101/b/y=y", "a~01010101/x=x"];
    check(&both(a(2), b(1)), &undone_a);
}

#[test]
fn a_directory_taken_out_of_a_cycle_takes_nobodys_name() {
    let a = d(1, 0, "a").moved(1, 2, "a", (0, "a"));
    let b = d(2, 0, "b").moved(2, 1, "b", (0, "b"));
    let taken = f(3, 0, "b~02020202", b'x');
    check(&[a, b, taken], &["b~02020202=x", "b~020202020202/", "b~020202020202/a/"]);
}

#[test]
fn a_cycle_of_three_is_opened_at_its_latest_move() {
    let cycle = [
        d(1, 0, "a").moved(1, 2, "a", (0, "a")),
        d(2, 0, "b").moved(3, 3, "b", (0, "b")),
        d(3, 0, "c").moved(2, 1, "c", (0, "c")),
    ];
    check(&cycle, &["b~02020202/", "b~02020202/a/", "b~02020202/a/c/"]);
}

#[test]
fn a_move_out_of_a_cycle_whose_former_directory_is_gone_goes_to_the_root() {
    let lost = [
        d(1, 0, "a").moved(1, 2, "a", (0, "a")),
        d(2, 0, "b").moved(2, 1, "b", (3, "b")),
        d(3, 0, "old").gone(3),
    ];
    check(&lost, &["b~02020202/", "b~02020202/a/"]);
    let kept = [lost[0].clone(), lost[1].clone(), d(3, 0, "old")];
    check(&kept, &["old/", "old/b~02020202/", "old/b~02020202/a/"]);
}

#[test]
fn deleted_directories_do_not_keep_one_another_alive() {
    let cycle = [
        d(1, 0, "a").moved(1, 2, "a", (0, "a")).gone(3),
        d(2, 0, "b").moved(2, 1, "b", (0, "b")).gone(4),
    ];
    check(&cycle, &[]);
    let mut node = Node::new();
    node.put(&d(1, 0, "a").moved(1, 2, "a", (0, "a")).0);
    node.put(&d(2, 0, "b").moved(2, 1, "b", (0, "b")).0);
    cycle.iter().for_each(|e| node.put(&e.0));
    assert_eq!(node.tree(), [""; 0], "deleted one after the other while they stood in each other");
}

#[test]
fn a_directory_beats_a_file_and_a_file_a_symlink_whatever_their_ids_or_ages() {
    check(
        &[l(1, 0, "n.txt", b'l'), f(2, 0, "n.txt", b'f'), d(3, 0, "n.txt")],
        &["n.txt/", "n~aaaa-0101.txt>l", "n~aaaa-0202.txt=f"],
    );
    check(&[l(1, 0, "n", b'l'), f(2, 0, "n", b'f')], &["n=f", "n~aaaa-0101>l"]);
}

#[test]
fn among_equals_the_smallest_id_keeps_the_name() {
    check(&[f(2, 0, "n", b'y'), f(1, 0, "n", b'x')], &["n=x", "n~aaaa-0202=y"]);
    let moved = f(1, 0, "m", b'x').moved(1, 0, "n", (0, "m"));
    check(&[moved, f(2, 0, "n", b'y')], &["n=x", "n~aaaa-0202=y"]);
}

#[test]
fn a_suffix_that_somebody_claims_grows() {
    let taken = f(3, 0, "n~aaaa-0202", b'z');
    check(
        &[f(1, 0, "n", b'x'), f(2, 0, "n", b'y'), taken],
        &["n=x", "n~aaaa-0202=z", "n~aaaa-02020202=y"],
    );
}

// Story (simulator, seed 3906 with `links=250 rollback=150`): each time that an index was put back,
// what was shown under a suffix was made anew under just that name, and got a longer one. At last
// the longest was claimed as well. Two were shown at one name, and took turns there for ever.
#[test]
fn who_claims_all_suffixes_is_not_shown_with_whom_they_are_of() {
    let suffixes = [2, 4, 8, 16].map(|n| format!("n~aaaa-{}", "02".repeat(n)));
    let mut all = vec![f(1, 0, "n", b'x'), f(2, 0, "n", b'y')];
    all.extend((3..).zip(&suffixes).map(|(id, name)| f(id, 0, name, b'z')));
    let numbered = |n: u8| format!("n~aaaa-{n}-{}", "02".repeat(16));
    let shown = |claimed: &[String], last: String| {
        let mut shown = vec!["n=x".to_string(), format!("{last}=y")];
        shown.extend(claimed.iter().map(|name| format!("{name}=z")));
        shown.sort();
        shown
    };
    let check_all = |all: &[E], shown: Vec<String>| {
        check(all, &shown.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check_all(&all, shown(&suffixes, numbered(1)));
    all.push(f(7, 0, &numbered(1), b'z'));
    check_all(&all, shown(&[&suffixes[..], &[numbered(1)]].concat(), numbered(2)));
}

#[test]
fn equal_files_of_one_name_are_shown_once() {
    check(&[f(1, 0, "n", b'x'), f(2, 0, "n", b'x'), f(3, 0, "n", b'y')], &["n=x", "n~aaaa-0303=y"]);
    let node = Node::of(&[f(1, 0, "n", b'x'), f(2, 0, "n", b'x')]);
    assert_eq!(place(&node.index, id(2)), Shown::As(id(1)));
    let all = [d(4, 0, "n"), f(1, 0, "n", b'x'), f(2, 0, "n", b'x')];
    check(&all, &["n/", "n~aaaa-0101=x"]);
}

#[test]
fn directories_of_one_name_unite_and_so_do_their_directories() {
    let inside = [d(3, 1, "in"), d(4, 2, "in"), f(5, 3, "a", b'x'), f(6, 4, "b", b'y')];
    let outside = [d(1, 0, "out"), d(2, 0, "out")];
    check(&[&outside[..], &inside[..]].concat(), &["out/", "out/in/", "out/in/a=x", "out/in/b=y"]);
    let node = Node::of(outside.iter().chain(&inside));
    assert_eq!(place(&node.index, id(4)), Shown::As(id(3)));
    let clash = [d(1, 0, "out"), d(2, 0, "out"), f(5, 1, "a", b'x'), f(6, 2, "a", b'y')];
    check(&clash, &["out/", "out/a=x", "out/a~aaaa-0606=y"]);
}

#[test]
fn what_lies_in_a_directory_that_has_not_arrived_is_not_shown() {
    check(&[f(2, 1, "a", b'x'), d(3, 1, "d"), f(4, 3, "b", b'y')], &[]);
    let node = Node::of(&[f(2, 1, "a", b'x'), d(3, 1, "d"), f(4, 3, "b", b'y')]);
    for orphan in [2, 3, 4] {
        assert_eq!(place(&node.index, id(orphan)), Shown::Orphan);
    }
    check(&[f(1, 0, "file", b'x'), f(2, 1, "a", b'y')], &["file=x"]);
}

#[test]
fn a_suffix_stands_before_the_extension_and_the_name_stays_a_name() {
    let long = "x".repeat(255);
    let cases = [
        ("a.txt", "a~t.txt".to_string()),
        ("a.tar.gz", "a.tar~t.gz".to_string()),
        ("plain", "plain~t".to_string()),
        (".htaccess", ".htaccess~t".to_string()),
        (&long, format!("{}~t", "x".repeat(253))),
    ];
    for (before, after) in cases {
        assert_eq!(suffixed(&name(before), "t").to_string(), after);
    }
    let long = format!("{}.jpeg", "x".repeat(250));
    let cut = suffixed(&name(&long), "0123-4567");
    assert_eq!(cut.as_bytes().len(), 255);
    assert!(cut.to_string().ends_with("x~0123-4567.jpeg"));
}

/// The winner and then the losers of a file's content.
fn check_content(file: &E, letters: &str) {
    let letter = |data: &Data| match data.content {
        Content::File(digest, _) => char::from(digest.0[0]),
        Content::Link(_) => panic!("a file"),
    };
    let lost = losers(&Node::new().index, &file.0);
    let shown = winner(&file.0.data).into_iter().chain(&lost);
    assert_eq!(shown.map(letter).collect::<String>(), letters);
}

#[test]
fn the_latest_content_wins_and_the_others_wait_in_the_conflict_store() {
    let file = || f(1, 0, "a", b'0');
    check_content(&file(), "0");
    check_content(&file().holds(2, b'2').holds(1, b'1'), "210");
    check_content(&file().holds(2, b'0'), "0");
    check_content(&file().holds(1, b'1').holds(2, b'0').holds(3, b'1'), "10");
    check_content(&file().imports(9, b'9'), "09");
    check_content(&file().replaces(1, b'1', 0), "1");
    check_content(&file().holds(2, b'2').replaces(1, b'1', 0), "21");
    let import = E(Entry::new(id(1), Kind::File)).at(0, 0, "a");
    check_content(&import.imports(1, b'1').imports(2, b'2'), "21");
}

#[test]
fn equal_clocks_are_settled_by_the_dot_alike_everywhere() {
    let write = |incarnation: u8| {
        let dot = Dot { incarnation: Incarnation([incarnation; 16]), counter: 1 };
        let stamp = Stamp { rank: Rank::Write, hlc: Hlc(5), dot };
        let content = Content::File(Digest([incarnation; 32]), 1);
        let value = Data { content, stamp, base: Vec::new(), body: None };
        Version { dot, minted: value.mint().into(), value }
    };
    for order in [[b'p', b'q'], [b'q', b'p']] {
        let mut file = Entry::new(id(1), Kind::File);
        order.iter().for_each(|&i| file.data.insert(write(i)));
        check_content(&E(file), "qp");
    }
}

type Row = (u8, u8, u8, u8, u8, bool);

/// Entries of any shape: several places each, deleted or not, cycles, names that clash.
fn random_entries(rows: &[Row]) -> Vec<E> {
    let mut entries: BTreeMap<u8, E> = BTreeMap::new();
    for &(n, parent, called, time, before, deleted) in rows {
        let n = n % 9 + 1;
        let kind = [Kind::Dir, Kind::Dir, Kind::File, Kind::Symlink][usize::from(n % 4)];
        let (called, time) = (["a", "b.c"][usize::from(called % 2)], u64::from(time));
        let parent = if parent % 10 == n { 0 } else { parent % 10 };
        let state = match (deleted, before % 10) {
            (true, _) => Presence::Deleted(Sight::Live),
            (false, b) if b == n => Presence::At(None),
            (false, b) => Presence::At(Some((id(b), name("a")))),
        };
        let blank = || {
            let blank = E(Entry::new(id(n), kind));
            if kind == Kind::Dir {
                blank
            } else {
                blank.holds(0, b'a' + n % 2)
            }
        };
        let entry = entries.remove(&n).unwrap_or_else(blank);
        entries.insert(n, entry.loc(time, parent, called, state, Rank::Write));
    }
    entries.into_values().collect()
}

fn assert_sound(node: &Node) {
    let mut taken = BTreeSet::new();
    for stored in node.index.entries() {
        match place(&node.index, stored.entry.id) {
            Shown::At { parent, name } => {
                assert!(taken.insert((parent, name.clone())), "{name} twice in {parent:?}");
                node.path(stored.entry.id).expect("what is shown has a path");
            }
            Shown::As(other) => {
                let other = node.index.entry(other).unwrap();
                assert_eq!(other.entry.kind, stored.entry.kind, "shown as its like");
                node.path(other.entry.id).expect("represented by something shown");
            }
            Shown::Gone => assert!(!super::is_alive(&stored.clone())),
            Shown::Orphan => {}
            Shown::Root => panic!("only the root is the root"),
        }
    }
}

proptest! {
    #[test]
    fn any_entries_in_any_order_make_one_sound_tree(
        rows in prop::collection::vec(any::<Row>(), 1..24),
        shuffle in prop::collection::vec(any::<u16>(), 24),
        halves in any::<bool>(),
    ) {
        let entries = random_entries(&rows);
        let straight = Node::of(&entries);
        assert_sound(&straight);
        let mut order: Vec<(u16, &E)> = shuffle.into_iter().zip(&entries).collect();
        order.sort_by_key(|(key, _)| *key);
        let mut other = Node::new();
        let earlier = if halves { random_entries(&rows[..rows.len() / 2]) } else { Vec::new() };
        earlier.iter().for_each(|e| other.put(&e.0));
        order.iter().for_each(|(_, e)| other.put(&e.0));
        assert_sound(&other);
        let shown = |node: &Node| -> Vec<(EntryId, Shown)> {
            let ids = node.index.entries().map(|stored| stored.entry.id);
            ids.map(|id| (id, place(&node.index, id))).collect()
        };
        assert_eq!(shown(&straight), shown(&other));
    }
}

#[test]
fn the_root_is_itself_and_an_unknown_entry_is_nowhere() {
    let node = Node::new();
    assert_eq!(place(&node.index, ROOT), Shown::Root);
    assert_eq!(place(&node.index, id(1)), Shown::Gone);
}
