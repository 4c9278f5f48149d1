//! The laws of join, and what a local write supersedes.

use super::{Register, Version};
use crate::dot::{Dot, Incarnation, Knowledge};
use proptest::prelude::{any, prop, proptest};

fn dot(node: u8, counter: u64) -> Dot {
    Dot { incarnation: Incarnation([node; 16]), counter }
}

fn version(dot: Dot) -> Version<u8> {
    Version { dot, value: 0, minted: [dot.counter as u8].as_slice().into() }
}

/// Three nodes that write, supersede what they saw, and join whole states.
fn replicas(steps: &[(u8, u8, bool)]) -> Vec<(Register<u8>, Knowledge)> {
    let mut nodes = vec![(Register::default(), Knowledge::default()); 3];
    let mut counters = [0; 3];
    for &(who, other, write) in steps {
        let (who, other) = (usize::from(who % 3), usize::from(other % 3));
        if write {
            counters[who] += 1;
            let d = dot(who as u8, counters[who]);
            let seen: Vec<_> = nodes[who].0.dots().collect();
            nodes[who].0.write(version(d), &seen);
            nodes[who].1.insert(d);
        } else {
            let (register, known) = nodes[other].clone();
            merge(&mut nodes[who], &(register, known));
        }
    }
    nodes
}

fn merge(into: &mut (Register<u8>, Knowledge), from: &(Register<u8>, Knowledge)) {
    into.0.join(&into.1, &from.0, &from.1);
    into.1.merge(&from.1);
}

fn merged(
    a: &(Register<u8>, Knowledge),
    b: &(Register<u8>, Knowledge),
) -> (Register<u8>, Knowledge) {
    let mut out = a.clone();
    merge(&mut out, b);
    out
}

proptest! {
    #[test]
    fn join_is_commutative_associative_and_idempotent(
        steps in prop::collection::vec(any::<(u8, u8, bool)>(), 0..24),
    ) {
        let nodes = replicas(&steps);
        let (a, b, c) = (&nodes[0], &nodes[1], &nodes[2]);
        assert_eq!(merged(a, b), merged(b, a));
        assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
        assert_eq!(merged(a, a), *a);
    }
}

#[test]
fn a_value_absent_inside_the_others_knowledge_was_superseded() {
    let mut mine = Register::default();
    mine.insert(version(dot(1, 1)));
    let mut known = Knowledge::default();
    known.insert(dot(1, 1));
    assert!(mine.join(&known.clone(), &Register::default(), &known));
    assert!(mine.is_empty());
}

#[test]
fn a_write_leaves_what_its_author_had_not_seen() {
    let mut register = Register::default();
    register.insert(version(dot(1, 1)));
    register.insert(version(dot(2, 1)));
    register.write(version(dot(1, 2)), &[dot(1, 1)]);
    assert_eq!(register.dots().collect::<Vec<_>>(), [dot(1, 2), dot(2, 1)]);
}

#[test]
fn what_is_put_in_twice_is_there_once_and_in_the_order_of_dots() {
    let mut register = Register::default();
    for dot in [dot(2, 1), dot(1, 2), dot(1, 1), dot(2, 1), dot(1, 1)] {
        register.insert(version(dot));
    }
    assert_eq!(register.dots().collect::<Vec<_>>(), [dot(1, 1), dot(1, 2), dot(2, 1)]);
}

/// A machine was copied while it ran, and both went on under one identity: one dot has two values.
/// Who had heard one of them never took the other, and the two nodes stayed different for ever.
#[test]
fn two_values_of_one_dot_are_siblings() {
    let twin = |value: u8| Version { dot: dot(1, 1), value, minted: [value].as_slice().into() };
    let mut known = Knowledge::default();
    known.insert(dot(1, 1));
    let holding = |value: u8| {
        let mut register = Register::default();
        register.insert(twin(value));
        (register, known.clone())
    };
    let (a, b) = (holding(1), holding(2));
    assert_eq!(merged(&a, &b), merged(&b, &a));
    assert_eq!(merged(&a, &b).0.versions().len(), 2);
    assert_eq!(merged(&merged(&a, &b), &a), merged(&a, &b));
    let superseded = (Register::default(), known);
    assert!(merged(&merged(&a, &b), &superseded).0.is_empty());
}
