//! What becomes of the bytes of a loser that a person drops.

use super::super::tests::{present, Side};
use crate::content::{Content, Digest};
use crate::engine::{Effect, Input};
use crate::entry::{Kind, Timestamp};
use crate::observe::{self, Found, Source, Stray, Verdict};
use crate::path::RelPath;
use crate::plan::Act;

const LOSER: Digest = Digest([b'0'; 32]);

/// `path` is written, and the loser loses to it.
fn contested(side: &mut Side, path: &str, letter: u8) {
    let found = Found::Present(present(Kind::File, letter, Some(letter)));
    side.look(Source::Live, path, found);
    let path = Some(RelPath::parse(path.as_bytes()).expect("a path"));
    let mtime = Timestamp::default();
    side.turn([Input::Stray(Stray { path, digest: LOSER, size: 48, mtime, unkept: None })]);
}

/// The loser of `path` is dropped; whether its bytes are let go of.
fn drops(side: &mut Side, path: &str) -> bool {
    let path = RelPath::parse(path.as_bytes()).expect("a path");
    let id = observe::row_at(&side.index, &path).expect("it lies there").entry;
    let verdict = Verdict::Drop(id, Content::File(LOSER, 48));
    let effects = side.turn([Input::Verdict(verdict)]);
    effects.iter().any(|effect| match effect {
        Effect::Apply(batch) => batch.iter().any(
            |operation| matches!(&operation.act, Act::Release { digest, .. } if *digest == LOSER),
        ),
        _ => false,
    })
}

// The conflict store has each content once, whoever lost with it.
#[test]
fn bytes_that_lost_in_two_files_stay_until_both_have_let_go_of_them() {
    let mut side = Side::new(1);
    contested(&mut side, "a", b'1');
    contested(&mut side, "b", b'2');
    assert!(!drops(&mut side, "a"), "the other file needs them");
    assert!(drops(&mut side, "b"));
}
