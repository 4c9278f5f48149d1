//! Laws that hold whatever happens: the table of conflicts (decisions R6) on two nodes, and
//! the algebra of entries and of Knowledge.

use engine::content::{Content, Digest};
use engine::dot::{Dot, Incarnation, Knowledge};
use engine::entry::{Entry, EntryId, Kind, Timestamp, ROOT};
use engine::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, ROOT_SLOT,
};
use engine::ledger::{self, Author, Facts};
use engine::observe::{classify, Batch, Circumstances, Found, Observation, Present, Source};
use engine::path::RelPath;
use engine::view::{self, Shown};
use proptest::prelude::{any, prop, proptest};

type Look = (&'static str, Option<Present>);

fn thing(kind: Kind, handle: u8, letter: Option<u8>) -> Option<Present> {
    let time = Timestamp { seconds: 1, nanos: u32::from(letter.unwrap_or(0)) };
    let handle = Handle([handle].as_slice().into());
    let mode = 0o644;
    Some(Present {
        kind,
        fingerprint: Fingerprint { handle, size: 1, mtime: time, ctime: time },
        attributes: Attributes { mtime: time, mode, ..Attributes::default() },
        content: letter.map(|letter| Content::File(Digest([letter; 32]), 1)),
        soft: false,
        zeros: false,
    })
}

fn dir(handle: u8) -> Option<Present> {
    thing(Kind::Dir, handle, None)
}

fn file(handle: u8, letter: u8) -> Option<Present> {
    thing(Kind::File, handle, Some(letter))
}

fn with_mode(found: Option<Present>, mode: u16) -> Option<Present> {
    found.map(|mut found| {
        found.attributes.mode = mode;
        found
    })
}

#[derive(Clone)]
struct Node {
    facts: Facts,
    index: MemIndex,
}

impl Node {
    fn new(life: u8) -> Node {
        let mut index = MemIndex::new(Meta::new(Incarnation([life; 16]), Phase::Member, [0; 16]));
        let root = dir(0).expect("made");
        index.put_seen(&SeenRow {
            slot: ROOT_SLOT,
            parent: ROOT_SLOT,
            name: None,
            entry: ROOT,
            kind: Kind::Dir,
            fingerprint: root.fingerprint,
            content: None,
            attributes: root.attributes,
            refused: None,
            dots: SeenDots::default(),
            soft: false,
            volatile: None,
        });
        Node { facts: Facts::load(&index), index }
    }

    /// Another life over the same disk and state: a second node that is in sync with this one.
    fn twin(&self, life: u8) -> Node {
        let mut twin = self.clone();
        twin.facts.meta.incarnation = Incarnation([life; 16]);
        twin.facts.meta.counter = 0;
        twin
    }

    /// A user's work as a live batch, at a time in milliseconds.
    fn sees(&mut self, ms: u64, looks: &[Look]) {
        let look = |(path, found): &Look| Observation {
            path: RelPath::parse(path.as_bytes()).expect("clean"),
            found: found.clone().map_or(Found::Absent, Found::Present),
        };
        let mut looks: Vec<Observation> = looks.iter().map(look).collect();
        looks.sort_by(|a, b| a.path.cmp(&b.path));
        self.facts.wall_ms = ms;
        let batch = Batch { source: Source::Live, looks };
        classify(&mut self.facts, &mut self.index, batch, &Circumstances::default());
    }

    /// Joins all that another node holds.
    fn join(&mut self, other: &Node) {
        let (mine, known) = (self.facts.knowledge.clone(), &other.facts.knowledge);
        self.facts.knowledge.merge(known);
        for theirs in other.index.entries() {
            let theirs = &theirs.entry;
            let old = self.index.entry(theirs.id).map(|stored| stored.entry);
            let mut entry = old.unwrap_or_else(|| Entry::new(theirs.id, theirs.kind));
            entry.join(&mine, theirs, known);
            let (facts, index) = (&mut self.facts, &mut self.index);
            ledger::put(facts, index, entry, None, Author::Elsewhere, &theirs.dots());
        }
    }

    fn path(&self, id: EntryId) -> Option<String> {
        match view::place(&self.index, id) {
            Shown::Root => Some(String::new()),
            Shown::At { parent, name } => Some(format!("{}{name}/", self.path(parent)?)),
            _ => None,
        }
    }

    /// What is shown: `dir/`, `file=winner(losers)`, with the mode where it is not 644.
    fn tree(&self) -> Vec<String> {
        let letter = |data: &engine::entry::Data| match data.content {
            Content::File(digest, _) => char::from(digest.0[0]),
            Content::Link(_) => '>',
        };
        let mut lines = Vec::new();
        for stored in self.index.entries() {
            let Some(path) = self.path(stored.entry.id) else { continue };
            let Some(desired) = view::desired(&stored.entry) else { panic!("{path} is empty") };
            let mode = match desired.attributes.mode {
                0o644 => String::new(),
                mode => format!(" {mode:o}"),
            };
            let lost: String = view::losers(&stored.entry.data).into_iter().map(letter).collect();
            lines.push(match view::winner(&stored.entry.data).map(letter) {
                None => format!("{path}{mode}"),
                Some(won) => {
                    let lost = if lost.is_empty() { lost } else { format!("({lost})") };
                    format!("{}={won}{lost}{mode}", path.trim_end_matches('/'))
                }
            });
        }
        lines.sort();
        lines
    }
}

/// The one helper: two nodes share `before`; A works first, B a little later, neither sees
/// the other's work; afterwards both show `after`.
fn check(before: &[Look], a_sees: &[Look], b_sees: &[Look], after: &[&str]) {
    let mut first = Node::new(0xaa);
    first.sees(1, before);
    let (mut a, mut b) = (first.twin(0xa1), first.twin(0xb1));
    a.sees(10, a_sees);
    b.sees(20, b_sees);
    let alone = a.clone();
    a.join(&b);
    b.join(&alone);
    assert_eq!(a.tree(), after, "after A heard B");
    assert_eq!(b.tree(), after, "after B heard A");
    let same = a.index.entries().zip(b.index.entries()).all(|(a, b)| a.entry == b.entry);
    assert!(same, "both hold the same registers");
}

#[test]
fn the_table_of_conflicts() {
    let f = [("f", file(1, b'x'))];
    let d = [("d", dir(1)), ("d/f", file(2, b'x'))];
    let (gone, edit) = ([("f", None)], [("f", file(1, b'e'))]);
    check(&f, &[("f", file(1, b'a'))], &[("f", file(1, b'b'))], &["f=b(a)"]);
    check(&f, &edit, &edit, &["f=e"]);
    check(&f, &edit, &gone, &["f=e"]);
    check(&f, &gone, &edit, &["f=e"]);
    let moved = [("f", None), ("g", file(1, b'x'))];
    check(&f, &moved, &gone, &["g=x"]);
    check(&f, &gone, &moved, &["g=x"]);
    check(&f, &[("f", with_mode(file(1, b'x'), 0o600))], &gone, &[]);
    check(&f, &edit, &moved, &["g=e"]);
    check(&f, &moved, &edit, &["g=e"]);
    check(&f, &moved, &[("f", None), ("h", file(1, b'x'))], &["h=x"]);
    check(&[], &[("n", file(1, b'a'))], &[("n", file(2, b'b'))], &["n=b(a)"]);
    check(&[], &[("n", file(1, b'a'))], &[("n", file(2, b'a'))], &["n=a"]);
    let (one, two) =
        ([("n", dir(1)), ("n/a", file(2, b'a'))], [("n", dir(3)), ("n/b", file(4, b'b'))]);
    check(&[], &one, &two, &["n/", "n/a=a", "n/b=b"]);
    let a_dir = [("d", None)];
    check(&d, &a_dir, &[("d/n", file(3, b'n'))], &["d/", "d/n=n"]);
    check(&d, &a_dir, &[("d", None), ("e", dir(1))], &["e/"]);
    let modes = |mode| [("f", with_mode(file(1, b'x'), mode))];
    check(&f, &modes(0o600), &modes(0o640), &["f=x 640"]);
}

#[test]
fn a_file_and_a_directory_of_one_name_are_both_shown() {
    let (a, b) = ([("n", file(1, b'a'))], [("n", dir(2))]);
    let mut tree = Node::new(0xa1);
    tree.sees(10, &a);
    let mut other = Node::new(0xb1);
    other.sees(20, &b);
    tree.join(&other);
    let id = |entry: &Entry| entry.id.0[..2].iter().map(|b| format!("{b:02x}")).collect::<String>();
    let file = tree.index.entries().find(|stored| stored.entry.kind == Kind::File).expect("there");
    let suffixed = format!("n~a1a1-{}=a", id(&file.entry));
    check(&[], &a, &b, &["n/", &suffixed]);
}

#[test]
fn of_two_directories_moved_into_each_other_the_later_move_is_undone() {
    let d = [("a", dir(1)), ("b", dir(2))];
    let mut first = Node::new(0xaa);
    first.sees(1, &d);
    let (mut a, mut b) = (first.twin(0xa1), first.twin(0xb1));
    a.sees(10, &[("a", None), ("b/a", dir(1))]);
    b.sees(20, &[("b", None), ("a/b", dir(2))]);
    let alone = a.clone();
    a.join(&b);
    b.join(&alone);
    assert_eq!(a.tree(), b.tree());
    let tree = a.tree();
    assert!(tree.len() == 2 && tree[0].starts_with("b~") && tree[1].ends_with("/a/"), "{tree:?}");
}

#[test]
fn a_type_change_and_an_edit_are_both_shown() {
    let mut first = Node::new(0xaa);
    first.sees(1, &[("f", file(1, b'x'))]);
    let (mut a, mut b) = (first.twin(0xa1), first.twin(0xb1));
    a.sees(10, &[("f", dir(2))]);
    b.sees(20, &[("f", file(1, b'e'))]);
    a.join(&b);
    let tree = a.tree();
    assert!(tree[0] == "f/" && tree[1].starts_with("f~") && tree[1].ends_with("=e"), "{tree:?}");
}

const PATHS: [&str; 4] = ["a", "b", "d/a", "d/b"];

/// Three nodes whose users edit, move and delete, and that now and then join another's whole state.
fn replicas(steps: &[(u8, u8, u8, u8)]) -> Vec<Node> {
    let mut first = Node::new(0xaa);
    first.sees(1, &[("a", file(1, b'x')), ("d", dir(9)), ("d/a", file(2, b'x'))]);
    let mut nodes: Vec<Node> = (1..4).map(|life| first.twin(life)).collect();
    for (ms, &(who, what, at, with)) in (2u64..).zip(steps) {
        let path = PATHS[usize::from(at % 4)];
        let node = usize::from(who % 3);
        match what % 5 {
            0 => nodes[node].sees(ms, &[(path, None)]),
            1 | 2 => nodes[node].sees(ms, &[(path, file(10 + with % 90, b'a' + with % 4))]),
            3 => nodes[node].sees(ms, &[(path, with_mode(file(10 + with % 90, b'a'), 0o600))]),
            _ => {
                let other = nodes[usize::from(with % 3)].clone();
                nodes[node].join(&other);
            }
        }
    }
    nodes
}

fn joined(nodes: &[&Node]) -> Vec<Entry> {
    let mut sum = nodes[0].clone();
    nodes[1..].iter().for_each(|node| sum.join(node));
    sum.index.entries().map(|stored| stored.entry.clone()).collect()
}

fn known(ranges: &[(u8, u8, u8)]) -> Knowledge {
    let mut known = Knowledge::default();
    for &(life, from, more) in ranges {
        let from = u64::from(from) + 1;
        known.insert_range(Incarnation([life % 3; 16]), from, from + u64::from(more % 9));
    }
    known
}

proptest! {
    #[test]
    fn joining_whole_states_is_commutative_associative_and_idempotent(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..24),
    ) {
        let nodes = replicas(&steps);
        let [a, b, c] = &nodes[..] else { panic!("three nodes") };
        assert_eq!(joined(&[a, b]), joined(&[b, a]));
        assert_eq!(joined(&[a, a]), joined(&[a]));
        assert_eq!(joined(&[a, b, b]), joined(&[a, b]));
        let mut ab = a.clone();
        ab.join(b);
        let mut bc = b.clone();
        bc.join(c);
        assert_eq!(joined(&[&ab, c]), joined(&[a, &bc]));
        let mut trees = [[a, b, c], [c, b, a], [b, a, c]].map(|[one, two, three]| {
            let mut sum = one.clone();
            sum.join(two);
            sum.join(three);
            sum.tree()
        });
        trees.sort();
        assert_eq!(trees[0], trees[2], "and so is what is shown");
    }

    #[test]
    fn every_dot_of_a_state_is_known_to_it(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..24),
    ) {
        for node in replicas(&steps) {
            let dots = node.index.entries().flat_map(|stored| stored.entry.dots());
            assert!(dots.into_iter().all(|dot| node.facts.knowledge.contains(dot)));
        }
    }

    #[test]
    fn knowledge_is_a_set(
        a in prop::collection::vec(any::<(u8, u8, u8)>(), 0..6),
        b in prop::collection::vec(any::<(u8, u8, u8)>(), 0..6),
        life in 0u8..3,
        counter in 1u64..300,
    ) {
        let (a, b) = (known(&a), known(&b));
        let dot = Dot { incarnation: Incarnation([life; 16]), counter };
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(ab, ba);
        assert_eq!(ab.contains(dot), a.contains(dot) || b.contains(dot));
        assert_eq!(a.minus(&b).contains(dot), a.contains(dot) && !b.contains(dot));
        assert!(a.is_within(&ab) && a.minus(&a).is_empty());
        assert_eq!(a.is_within(&b), a.minus(&b).is_empty());
        let mut back = a.minus(&b);
        back.merge(&b);
        assert_eq!(back, ab);
    }
}
