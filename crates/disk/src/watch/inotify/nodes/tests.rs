//! Directories that move about under their watches.

use engine::path::{Name, RelPath};

use super::Nodes;

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

/// 1 the root, 2 `a`, 3 `a/b`, 4 `c`.
fn tree() -> Nodes {
    let mut nodes = Nodes::default();
    for (watch, above) in [(1, None), (2, Some((1, "a"))), (3, Some((2, "b"))), (4, Some((1, "c")))]
    {
        assert!(nodes.put(watch, above.map(|(parent, text)| (parent, name(text)))).is_empty());
    }
    nodes
}

fn path(nodes: &Nodes, watch: i32) -> Option<String> {
    nodes.path(watch).map(|path: RelPath| path.to_string())
}

#[test]
fn a_watch_seen_at_a_new_place_takes_what_is_below_along() {
    let mut nodes = tree();
    assert!(nodes.put(2, Some((4, name("moved")))).is_empty());
    assert_eq!(path(&nodes, 3).as_deref(), Some("c/moved/b"));
    assert_eq!(nodes.child(1, &name("a")), None);
}

#[test]
fn what_was_thought_to_be_at_a_name_goes_when_another_is_found_there() {
    let mut nodes = tree();
    let mut gone = nodes.put(4, Some((1, name("a"))));
    gone.sort_unstable();
    assert_eq!(gone, [2, 3]);
    assert_eq!(path(&nodes, 4).as_deref(), Some("a"));
    assert_eq!(path(&nodes, 3), None);
}

#[test]
fn a_directory_taken_out_goes_with_all_below_it() {
    let mut nodes = tree();
    nodes.take_out(2);
    assert_eq!((path(&nodes, 2), path(&nodes, 3)), (None, None));
    let mut left = nodes.watches();
    left.sort_unstable();
    assert_eq!(left, [1, 4]);
}

#[test]
fn a_loop_that_no_filesystem_has_is_no_path() {
    let mut nodes = tree();
    assert!(nodes.put(2, Some((3, name("x")))).is_empty());
    assert_eq!(nodes.path(3), None);
}
