//! What is done next, as tables: a disk that shows what was, a tree that says what is to be.
//!
//! The disk is a model that performs each act, strictly: whatever a kernel refuses fails the test.

use super::{decide, Step, Wait};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation};
use crate::entry::{
    Data, Entry, EntryId, Hlc, Kind, Location, Presence, Rank, Sight, Stamp, Stamped, Timestamp,
};
use crate::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, Slot,
    ROOT_SLOT,
};
use crate::ledger::{self, Author, Facts};
use crate::observe::{path_of, row_at};
use crate::path::{Name, RelPath};
use crate::plan::{Act, Expected, Place, Retire};
use crate::register::Version;
use crate::view::{self, Shown};
use crate::wire::Minted;
use std::collections::BTreeSet;
use std::slice::from_ref;

mod circles;
mod names;
mod random;
mod united;

fn id(n: u8) -> EntryId {
    EntryId([n; 16])
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn stamp(n: u8, time: u64) -> Stamp {
    let dot = Dot { incarnation: Incarnation([0xaa; 16]), counter: time * 100 + u64::from(n) + 1 };
    Stamp { rank: Rank::Write, hlc: Hlc(time), dot }
}

/// The fixture vocabulary: `d`, `f`, `l` as in the view's tables; `.mode`, `.holds`, `.gone`.
#[derive(Clone, Debug)]
struct E(Entry);

fn d(n: u8, parent: u8, name: &str) -> E {
    E(Entry::new(id(n), Kind::Dir)).at(0, parent, name)
}

fn f(n: u8, parent: u8, name: &str, letter: u8) -> E {
    E(Entry::new(id(n), Kind::File)).at(0, parent, name).holds(0, letter)
}

fn l(n: u8, parent: u8, name: &str, letter: u8) -> E {
    E(Entry::new(id(n), Kind::Symlink)).at(0, parent, name).holds(0, letter)
}

impl E {
    fn loc(mut self, time: u64, parent: u8, to: &str, state: Presence) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let value = Location { parent: id(parent), name: name(to), stamp, state };
        let minted = value.mint().into();
        self.0.loc.insert(Version { dot: stamp.dot, value, minted });
        self
    }

    fn at(self, time: u64, parent: u8, to: &str) -> E {
        self.loc(time, parent, to, Presence::At(None))
    }

    fn gone(mut self, time: u64) -> E {
        let last = self.0.loc.versions().last().unwrap().value.clone();
        self.0.loc = Default::default();
        let to = last.name.to_string();
        let deleted = Presence::Deleted(Sight::Live);
        let kept = self.loc(time, last.parent.0[0], &to, deleted);
        E(Entry { data: Default::default(), ..kept.0 })
    }

    fn holds(mut self, time: u64, letter: u8) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let content = match self.0.kind {
            Kind::Symlink => Content::Link([letter].as_slice().into()),
            _ => Content::File(Digest([letter; 32]), 1),
        };
        let value = Data { content, stamp, base: Vec::new(), body: None };
        let minted = value.mint().into();
        self.0.data.insert(Version { dot: stamp.dot, value, minted });
        self
    }

    fn changed(mut self, time: u64) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let value = Stamped { stamp, value: Timestamp { seconds: 9, nanos: 0 } };
        self.0.times.insert(Version { dot: stamp.dot, minted: value.mint().into(), value });
        self
    }

    fn mode(mut self, time: u64, mode: u16) -> E {
        let stamp = stamp(self.0.id.0[0], time);
        let value = Stamped { stamp, value: mode };
        self.0.mode.insert(Version { dot: stamp.dot, minted: value.mint().into(), value });
        self
    }
}

struct World {
    facts: Facts,
    index: MemIndex,
    missing: BTreeSet<u8>,
    inodes: u32,
}

impl World {
    fn new() -> World {
        let index = MemIndex::new(Meta::new(Incarnation([9; 16]), Phase::Member, [0; 16]));
        let mut world =
            World { facts: Facts::load(&index), index, missing: BTreeSet::new(), inodes: 0 };
        let root = world.row(ROOT_SLOT, ROOT_SLOT, None, EntryId([0; 16]), Kind::Dir);
        world.index.put_seen(&root);
        world
    }

    /// A disk that shows these entries, then a tree that has become those.
    fn of(before: &[E], after: &[E]) -> World {
        let mut world = World::new();
        world.put(before);
        world.settle();
        world.put(after);
        world
    }

    fn put(&mut self, entries: &[E]) {
        for E(entry) in entries {
            let dots = entry.dots();
            let (facts, index) = (&mut self.facts, &mut self.index);
            ledger::put(facts, index, entry.clone(), None, Author::Elsewhere, &dots);
        }
    }

    fn row(
        &mut self,
        slot: Slot,
        parent: Slot,
        name: Option<Name>,
        entry: EntryId,
        kind: Kind,
    ) -> SeenRow {
        self.inodes += 1;
        let handle = Handle(self.inodes.to_be_bytes().into());
        let (mtime, ctime) = Default::default();
        SeenRow {
            slot,
            parent,
            name,
            entry,
            kind,
            fingerprint: Fingerprint { handle, size: 0, mtime, ctime },
            content: None,
            attributes: Attributes::default(),
            refused: None,
            dots: SeenDots::default(),
            soft: false,
            volatile: None,
        }
    }

    fn decide(&self, id: EntryId) -> Step {
        decide(&self.index, id, &|digest| !self.missing.contains(&digest.0[0]))
    }

    /// Takes steps, each entry in turn, until nobody can take one.
    fn settle(&mut self) {
        let ids: Vec<EntryId> = self.index.entries().map(|stored| stored.entry.id).collect();
        for _round in 0..200 {
            let mut moved = false;
            for &id in &ids {
                moved |= self.take(id);
            }
            if !moved {
                return;
            }
        }
        panic!("steps are taken for ever");
    }

    fn take(&mut self, id: EntryId) -> bool {
        match self.decide(id) {
            Step::InPlace | Step::Wait(_) | Step::Need(..) => return false,
            Step::Record(row) => self.index.put_seen(&row),
            Step::Rebind(row, other) => {
                self.index.remove_seen(row.slot);
                let next = SeenRow { entry: other, dots: SeenDots::default(), ..*row };
                self.index.put_seen(&next);
            }
            Step::Do { act, dots, .. } => self.perform(id, &act, *dots),
        }
        true
    }

    fn dir(&self, at: &Place) -> SeenRow {
        let dir = row_at(&self.index, &at.dir).expect("the directory is there");
        assert_eq!(dir.fingerprint.handle, at.dir_handle, "it is the same directory");
        dir
    }

    fn there(&self, at: &Place) -> Option<SeenRow> {
        self.index.seen_named(self.dir(at).slot, &at.name)
    }

    fn meets(&self, at: &Place, expected: &Expected) -> SeenRow {
        let row = self.there(at).expect("something is there");
        let Expected::Exactly { kind, fingerprint, content, soft } = expected else {
            panic!("nothing was expected where {row:?} is")
        };
        let found = (row.kind, &row.fingerprint, &row.content, row.soft);
        assert_eq!(found, (*kind, fingerprint, content, *soft));
        row
    }

    /// No byte goes to the trash that anybody still needs.
    fn retires(&self, row: &SeenRow, retire: Retire) {
        let Some(content) = row.content.as_ref().filter(|_| retire == Retire::Trash) else {
            return;
        };
        let Some(stored) = self.index.entry(row.entry) else { return };
        let whole = view::whole(&self.index, &stored.entry);
        let mut needed = whole.data.versions().iter();
        let needed = needed.any(|version| version.value.content == *content);
        let is_copy = |other: &SeenRow| other.slot != row.slot && other.content == row.content;
        let needed = needed && !self.index.seen_rows().any(is_copy);
        let shown_elsewhere = matches!(view::place(&self.index, row.entry), Shown::As(_));
        assert!(!needed || shown_elsewhere || row.kind == Kind::Symlink, "{row:?} was needed");
    }

    fn perform(&mut self, entry: EntryId, act: &Act, dots: SeenDots) {
        match act {
            Act::Link { at, expected, of, file, retire } => {
                let inode = self.meets(of, file);
                match expected {
                    Expected::Nothing => assert_eq!(self.there(at), None),
                    expected => {
                        let row = self.meets(at, expected);
                        self.retires(&row, *retire);
                        self.keep(entry, &row, *retire);
                    }
                }
                let attributes = &inode.attributes;
                self.appear(entry, Kind::File, at, inode.content.clone(), attributes, dots);
                let row = self.there(at).unwrap();
                self.index.put_seen(&SeenRow { fingerprint: inode.fingerprint, ..row });
            }
            Act::MakeDir { at, attributes } => {
                assert_eq!(self.there(at), None);
                self.appear(entry, Kind::Dir, at, None, attributes, dots);
            }
            Act::Install { at, expected, content, attributes, retire } => {
                match expected {
                    Expected::Nothing => assert_eq!(self.there(at), None),
                    expected => {
                        let row = self.meets(at, expected);
                        assert_eq!(row.entry, entry, "only its own row is replaced");
                        self.retires(&row, *retire);
                        self.keep(entry, &row, *retire);
                    }
                }
                let kind = match content {
                    Content::File(..) => Kind::File,
                    Content::Link(_) => Kind::Symlink,
                };
                self.appear(entry, kind, at, Some(content.clone()), attributes, dots);
            }
            Act::SetAttributes { at, expected, attributes } => {
                let row = self.meets(at.as_ref().unwrap(), expected);
                let attributes = attributes.clone();
                self.index.put_seen(&SeenRow { attributes, dots, ..row });
            }
            Act::Move { from, expected, to } => {
                let row = self.meets(from, expected);
                assert_eq!(self.there(to), None, "a rename never replaces");
                assert!(!to.dir.is_within(&from.path()), "EINVAL: {} into itself", from.path());
                let (parent, name) = (self.dir(to).slot, Some(to.name.clone()));
                self.index.put_seen(&SeenRow { parent, name, dots, ..row });
            }
            Act::Exchange { a, a_expected, b, b_expected } => {
                let (one, two) = (self.meets(a, a_expected), self.meets(b, b_expected));
                let nested = a.path().is_within(&b.path()) || b.path().is_within(&a.path());
                assert!(!nested, "EINVAL: {} and {} lie in each other", a.path(), b.path());
                self.index.put_seen(&SeenRow { name: None, ..two.clone() });
                let (parent, name) = (two.parent, two.name.clone());
                self.index.put_seen(&SeenRow { parent, name, dots, ..one.clone() });
                self.index.put_seen(&SeenRow { parent: one.parent, name: one.name, ..two });
            }
            Act::Remove { at, expected, retire } => {
                let row = self.meets(at, expected);
                assert!(self.index.seen_children(row.slot, None, 1).is_empty(), "ENOTEMPTY");
                self.retires(&row, *retire);
                self.keep(entry, &row, *retire);
                self.index.remove_seen(row.slot);
            }
            Act::Keep { digest } => self.index.put_kept(entry, digest),
            Act::Release { digest, .. } => self.index.remove_kept(entry, digest),
        }
    }

    fn keep(&mut self, entry: EntryId, row: &SeenRow, retire: Retire) {
        if let (Retire::Keep, Some(Content::File(digest, _))) = (retire, &row.content) {
            self.index.put_kept(entry, digest);
        }
    }

    fn appear(
        &mut self,
        entry: EntryId,
        kind: Kind,
        at: &Place,
        content: Option<Content>,
        attributes: &Attributes,
        dots: SeenDots,
    ) {
        let parent = self.dir(at).slot;
        let slot = self.there(at).map_or_else(|| self.facts.slot(), |row| row.slot);
        let row = self.row(slot, parent, Some(at.name.clone()), entry, kind);
        self.index.put_seen(&SeenRow { content, attributes: attributes.clone(), dots, ..row });
    }

    /// Everything on the disk: `dir/`, `file=letter`, `link>letter`; `!letter` in the store.
    fn disk(&self) -> Vec<String> {
        let rows = self.index.seen_rows().filter(|row| row.slot != ROOT_SLOT);
        let mut lines: Vec<String> = rows
            .map(|row| {
                let path = path_of(&self.index, row.slot).expect("every row has a path");
                match &row.content {
                    None => format!("{path}/"),
                    Some(Content::File(digest, _)) => format!("{path}={}", letter(digest)),
                    Some(Content::Link(to)) => format!("{path}>{}", char::from(to[0])),
                }
            })
            .collect();
        let ids = self.index.entries().map(|stored| stored.entry.id);
        let kept = ids.flat_map(|id| self.index.kept_of(id));
        lines.extend(kept.map(|digest| format!("!{}", letter(&digest))));
        lines.sort();
        lines
    }

    /// Where everything is and where it is to be, for a failed test.
    fn story(&self) -> String {
        let ids = self.index.entries().map(|stored| stored.entry.id);
        let line = |id: EntryId| {
            let here = self.index.seen_of(id).map(|row| self.path(&row));
            let step = self.say(&self.decide(id));
            format!("{} {here:?} {:?}: {step}", id.0[0], view::place(&self.index, id))
        };
        ids.map(line).collect::<Vec<_>>().join("\n")
    }

    fn say(&self, step: &Step) -> String {
        let after = |expected: &Expected| match expected {
            Expected::Nothing => String::new(),
            Expected::Exactly { content: Some(Content::File(digest, _)), .. } => {
                format!(" over {}", letter(digest))
            }
            Expected::Exactly { .. } => " over it".to_string(),
        };
        match step {
            Step::InPlace => "in place".to_string(),
            Step::Record(_) => "record".to_string(),
            Step::Rebind(row, to) => format!("{} is {}", self.path(row), to.0[0]),
            Step::Wait(Wait::Entry(other)) => format!("wait for {}", other.0[0]),
            Step::Wait(Wait::Arrival) => "wait for arrival".to_string(),
            Step::Need(digest, _) => format!("need {}", letter(digest)),
            Step::Do { act, .. } => match &**act {
                Act::MakeDir { at, .. } => format!("mkdir {}", at.path()),
                Act::Link { at, of, .. } => format!("link {} to {}", of.path(), at.path()),
                Act::Install { at, expected, retire, .. } => {
                    format!("install {}{}{}", at.path(), after(expected), keeps(*retire))
                }
                Act::SetAttributes { at, attributes, .. } => {
                    let path = at.as_ref().map_or_else(RelPath::root, Place::path);
                    format!("chmod {path} {:o}", attributes.mode)
                }
                Act::Move { from, to, .. } => format!("{} -> {}", from.path(), to.path()),
                Act::Exchange { a, b, .. } => format!("{} <-> {}", a.path(), b.path()),
                Act::Remove { at, retire, .. } => format!("remove {}{}", at.path(), keeps(*retire)),
                Act::Keep { digest } => format!("keep {}", letter(digest)),
                Act::Release { digest, of } => format!("release {} of {of}", letter(digest)),
            },
        }
    }

    fn path(&self, row: &SeenRow) -> String {
        path_of(&self.index, row.slot).unwrap().to_string()
    }
}

fn letter(digest: &Digest) -> char {
    char::from(digest.0[0])
}

fn keeps(retire: Retire) -> &'static str {
    match retire {
        Retire::Keep => ", keep it",
        Retire::Trash => "",
    }
}

/// The one helper: the disk shows `before`, the tree has become `after`: the first step of each
/// entry, and what the disk shows when no more steps are left.
fn check(before: &[E], after: &[E], steps: &[(u8, &str)], disk: &[&str]) {
    let mut world = World::of(before, after);
    for (n, step) in steps {
        assert_eq!(world.say(&world.decide(id(*n))), *step, "entry {n}");
    }
    world.settle();
    assert_eq!(world.disk(), disk);
}

#[test]
fn what_is_missing_is_made_parents_first() {
    let tree = [d(1, 0, "d"), f(2, 1, "a", b'x'), l(3, 1, "l", b't')];
    check(
        &[],
        &tree,
        &[(1, "mkdir d"), (2, "wait for 1"), (3, "wait for 1")],
        &["d/", "d/a=x", "d/l>t"],
    );
    check(
        &tree,
        &[],
        &[(1, "in place"), (2, "in place"), (3, "in place")],
        &["d/", "d/a=x", "d/l>t"],
    );
}

#[test]
fn content_is_staged_before_anything_changes() {
    let mut world = World::of(&[f(1, 0, "a", b'x')], &[f(1, 0, "a", b'x').holds(1, b'y')]);
    world.missing.insert(b'y');
    assert_eq!(world.say(&world.decide(id(1))), "need y");
    world.settle();
    assert_eq!(world.disk(), ["a=x"]);
}

#[test]
fn a_replacement_expects_what_was_last_seen_and_says_where_it_goes() {
    let (old, new) = (f(1, 0, "a", b'x'), E(Entry::new(id(1), Kind::File)).at(0, 0, "a"));
    check(from_ref(&old), &[new.holds(1, b'y')], &[(1, "install a over x")], &["a=y"]);
    let conflict = old.clone().holds(1, b'y');
    check(&[old], &[conflict], &[(1, "install a over x, keep it")], &["!x", "a=y"]);
}

#[test]
fn a_loser_is_fetched_and_kept_and_released_when_the_conflict_is_over() {
    let mut world = World::of(&[f(1, 0, "a", b'x').holds(1, b'y')], &[]);
    assert_eq!(world.disk(), ["!x", "a=y"]);
    world.put(&[E(Entry::new(id(1), Kind::File)).at(0, 0, "a").holds(1, b'y')]);
    assert_eq!(world.say(&world.decide(id(1))), "record");
    world.settle();
    assert_eq!(world.disk(), ["a=y"]);
    let mut world = World::of(&[f(1, 0, "a", b'x')], &[f(1, 0, "a", b'x').holds(1, b'y')]);
    world.missing.insert(b'x');
    world.settle();
    assert_eq!(world.disk(), ["!x", "a=y"], "the displaced file itself is kept");
}

#[test]
fn what_is_released_goes_to_the_trash_under_the_path_of_its_file() {
    let dir = d(2, 0, "d");
    let file = f(1, 2, "a", b'x').holds(1, b'y');
    let mut world = World::of(&[dir, file.clone()], &[file.gone(5)]);
    assert_eq!(world.say(&world.decide(id(1))), "remove d/a");
    let row = world.index.seen_of(id(1)).unwrap();
    world.index.remove_seen(row.slot);
    assert_eq!(world.say(&world.decide(id(1))), "release x of d/a");
}

#[test]
fn attributes_are_set_in_place_and_what_was_refused_is_not_asked_again() {
    let (old, new) = (f(1, 0, "a", b'x'), f(1, 0, "a", b'x').mode(1, 0o600));
    check(from_ref(&old), from_ref(&new), &[(1, "chmod a 600")], &["a=x"]);
    let mut world = World::of(&[old], from_ref(&new));
    let row = world.index.seen_of(id(1)).unwrap();
    let refused = Some(view::desired(&new.0).unwrap().attributes);
    world.index.put_seen(&SeenRow { refused, ..row });
    assert_eq!(world.say(&world.decide(id(1))), "record");
}

// Story (simulator, seed 2886): who had begun a folder was killed before it had given the root its
// attributes, and those who joined meanwhile gave theirs 755 and the owner root.
#[test]
fn the_root_keeps_what_nobody_has_given_it() {
    let bare = E(Entry::new(id(0), Kind::Dir));
    let mut world = World::of(&[], from_ref(&bare));
    assert_eq!(world.say(&world.decide(id(0))), "in place");
    // Seed 101332: who had begun it could not look at its root, and heard of its time from others.
    // It was given that, and the mode and the owner of a row that told of nothing yet.
    let bare = bare.changed(1);
    world.put(from_ref(&bare));
    assert_eq!(world.say(&world.decide(id(0))), "in place");
    world.put(&[bare.mode(1, 0o700)]);
    assert_eq!(world.say(&world.decide(id(0))), "chmod . 700");
}

#[test]
fn a_deleted_tree_goes_from_the_leaves_upwards() {
    let tree = [d(1, 0, "d"), d(2, 1, "e"), f(3, 2, "a", b'x')];
    let gone = tree.clone().map(|e| e.gone(1));
    check(&tree, &gone, &[(1, "wait for 2"), (2, "wait for 3"), (3, "remove d/e/a")], &[]);
}

#[test]
fn a_directory_moves_as_one_with_all_that_is_in_it() {
    let tree = [d(1, 0, "d"), f(2, 1, "a", b'x')];
    let steps = [(1, "d -> e"), (2, "in place")];
    check(&tree, &[d(1, 0, "d").at(1, 0, "e")], &steps, &["e/", "e/a=x"]);
}

#[test]
fn a_rename_waits_for_its_name_and_a_circle_of_renames_is_an_exchange() {
    let files = [f(1, 0, "a", b'x'), f(2, 0, "b", b'y'), f(3, 0, "c", b'z')];
    let chain = [f(1, 0, "a", b'x').at(1, 0, "b"), f(2, 0, "b", b'y').at(1, 0, "d")];
    check(&files, &chain, &[(1, "wait for 2"), (2, "b -> d")], &["b=x", "c=z", "d=y"]);
    let swap = [f(1, 0, "a", b'x').at(1, 0, "b"), f(2, 0, "b", b'y').at(1, 0, "a")];
    check(&files, &swap, &[(1, "a <-> b"), (2, "b <-> a")], &["a=y", "b=x", "c=z"]);
    let circle = [
        f(1, 0, "a", b'x').at(1, 0, "b"),
        f(2, 0, "b", b'y').at(1, 0, "c"),
        f(3, 0, "c", b'z').at(1, 0, "a"),
    ];
    check(&files, &circle, &[(1, "a <-> b")], &["a=z", "b=x", "c=y"]);
    let gone = [f(1, 0, "a", b'x').at(1, 0, "b"), f(2, 0, "b", b'y').gone(1)];
    check(&files, &gone, &[(1, "wait for 2"), (2, "remove b")], &["b=x", "c=z"]);
}

#[test]
fn what_has_no_ancestor_waits_for_arrival() {
    check(&[], &[f(3, 2, "b", b'x')], &[(3, "wait for arrival")], &[]);
}

// Story (simulator, seeds 16425 and 19163): one saved a file, and with that said its place again.
// What was saved lost, and an operator dropped it. Another deleted the file, and had seen no more
// than what had won. The place was left without any content, and all waited for one for ever.
#[test]
fn a_place_without_content_is_no_file_and_a_name_that_others_may_have() {
    let empty = || E(Entry::new(id(1), Kind::File)).at(0, 0, "a");
    check(&[], &[empty()], &[(1, "in place")], &[]);
    check(&[f(1, 0, "a", b'x')], &[empty()], &[(1, "remove a")], &[]);
    let made = || f(2, 0, "a", b'y');
    check(&[], &[empty(), made()], &[(2, "install a")], &["a=y"]);
}

#[test]
fn replacing_renaming_and_removing_do_not_overtake_but_creating_may() {
    let barrier = |before: &[E], after: &[E]| {
        let Step::Do { after_creates_of, .. } = World::of(before, after).decide(id(1)) else {
            panic!("a step on the disk")
        };
        after_creates_of
    };
    let file = [f(1, 0, "a", b'x')];
    assert_eq!(barrier(&[], &file), []);
    let edited = [E(Entry::new(id(1), Kind::File)).at(0, 0, "a").holds(3, b'y')];
    assert_eq!(barrier(&file, &edited), [stamp(1, 3).dot]);
    assert_eq!(barrier(&file, &[f(1, 0, "a", b'x').at(4, 0, "b")]), [stamp(1, 4).dot]);
    assert_eq!(barrier(&file, &[f(1, 0, "a", b'x').gone(5)]), [stamp(1, 5).dot]);
    assert_eq!(barrier(&file, &[f(1, 0, "a", b'x').mode(6, 0o600)]), []);
}

// Story (simulator, `links=250 lacks=0`, seed 1117): a write of the node that is to win had been
// replaced, and a sibling still held it. What replaced it waited for what that one's author had
// created before, and not for its own author's.
#[test]
fn what_is_shown_waits_for_its_own_author_and_not_for_a_stronger_version_that_was_replaced() {
    let mut after = f(1, 0, "a", b'x').holds(9, b'p').holds(5, b'q').0;
    let replaced = stamp(1, 9).dot;
    let mut value = after.data.get(stamp(1, 5).dot).unwrap().value.clone();
    value.base = vec![replaced, stamp(1, 0).dot];
    let minted = value.mint().into();
    after.data.write(Version { dot: stamp(1, 5).dot, value, minted }, &[stamp(1, 5).dot]);
    let world = World::of(&[f(1, 0, "a", b'x')], &[E(after)]);
    let Step::Do { act, after_creates_of, .. } = world.decide(id(1)) else { panic!("an install") };
    let Act::Install { content, .. } = &*act else { panic!("{act:?}") };
    assert_eq!(*content, Content::File(Digest([b'q'; 32]), 1));
    assert_eq!(after_creates_of, [stamp(1, 5).dot]);
}

#[test]
fn after_an_install_the_row_shows_every_version_the_entry_holds() {
    let mut world = World::of(&[f(1, 0, "a", b'x').holds(1, b'y')], &[]);
    let (x, y) = (stamp(1, 0).dot, stamp(1, 1).dot);
    let row = world.index.seen_of(id(1)).unwrap();
    assert_eq!((row.dots.loc, row.dots.data, row.dots.shown), (vec![x], vec![x, y], vec![y]));
    world.put(&[f(1, 0, "a", b'x').holds(1, b'y').at(2, 0, "b")]);
    let Step::Do { dots, .. } = world.decide(id(1)) else { panic!("a rename") };
    assert_eq!(dots.loc, [x, stamp(1, 2).dot], "at once: a user may go on from there");
    world.settle();
    let row = world.index.seen_of(id(1)).unwrap();
    assert_eq!(row.dots.loc, [x, stamp(1, 2).dot]);
}
