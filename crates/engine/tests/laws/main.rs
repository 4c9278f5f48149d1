//! Laws that hold whatever happens: the table of conflicts (decisions R6) on two nodes, and
//! the algebra of entries and of Knowledge.

mod conflicts;
mod node;

use engine::dot::{Dot, Incarnation, Knowledge};
use engine::entry::Entry;
use node::{dir, file, with_mode, Node};
use proptest::prelude::{any, prop, proptest};

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
