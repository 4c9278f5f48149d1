//! What is found in an older copy of the tree.

use super::{at_ms, dir, file, path, with_mode, Found, Node, Phase, Source};
use crate::content::Content;
use crate::entry::{Data, Timestamp};
use crate::view;

/// What was changed until then is of the copy.
const COPIED: Timestamp = Timestamp { seconds: 950, nanos: 0 };

/// The letters of all that a path holds, and nobody has replaced.
fn versions(node: &Node, at: &str) -> String {
    let entry = node.entry_at(at);
    let whole = view::whole(&node.index, &entry);
    let winner = view::winner(&whole.data).cloned();
    let all = view::losers(&node.index, &entry).into_iter().chain(winner);
    let letter = |data: Data| match data.content {
        Content::File(digest, _) => char::from(digest.0[0]),
        Content::Link(_) => '-',
    };
    let mut letters: Vec<char> = all.map(letter).collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

// Story (simulator, seed 3430 with `volumes=60`): since the copy a file had got a second name, and
// been cut off. Who wrote to the older one counted as having seen that, since it stands on what
// both are names of, and no node kept it.
#[test]
fn who_writes_to_one_name_in_an_older_copy_has_not_seen_what_the_file_was() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("a", file(1, b'y')), ("b", file(1, b'y'))]);
    node.older = Some(COPIED);
    node.look(Source::Scan, &[("a", at_ms(file(1, b'z'), 970_000)), ("b", None)]);
    assert_eq!(versions(&node, "a"), "yz");
}

// Story (simulator, seed 1281 with `volumes=100`): since the copy a directory had been renamed, and
// a file in it replaced. In the copy somebody was writing to that file when it was found. What was
// not known at its name was not doubted, and the directory's rename came after that: when it had
// been closed, it counted as an edit of the newer version, which no node kept.
#[test]
fn what_is_being_written_to_in_an_older_copy_is_doubted_where_its_directory_is() {
    let mut node = Node::new(Phase::Member);
    node.look(Source::Live, &[("e", dir(1)), ("e/a", file(2, b'y'))]);
    node.older = Some(COPIED);
    let there = dir(1).map(Found::Present).unwrap();
    let looks = vec![("d", there), ("d/a", Found::Busy(None)), ("e", Found::Absent)];
    let seen = node.finds(Source::Scan, looks);
    assert_eq!(seen.busy, [path("d/a")]);
    node.older = None;
    node.look(Source::Live, &[("d/a", at_ms(file(3, b'z'), 970_000))]);
    assert_eq!(versions(&node, "d/a"), "yz");
}

// Story (simulator, seed 1036 with `volumes=300`): a folder's first scan could not list its root,
// and then its disk was put back. The root differed from what nobody had said of it yet, which
// counted as taken back, and no node could ever show it.
#[test]
fn an_older_copy_has_taken_back_nothing_of_a_root_that_nobody_has_told_of() {
    for (older, damaged_boot) in [(Some(COPIED), false), (None, true)] {
        let mut node = Node { older, damaged_boot, ..Node::new(Phase::Importing) };
        node.look(Source::Scan, &[("", with_mode(dir(0), 0o2770))]);
        assert_eq!(view::desired(&node.entry_at("")).unwrap().attributes.mode, 0o2770);
    }
}
