//! What is said to peers who ask for contents that do not lie here.

use super::super::tests::{node, present, said, Side};
use crate::content::Digest;
use crate::engine::Input;
use crate::entry::{Kind, Timestamp};
use crate::index::Phase;
use crate::message::{Message, Refused, Want};
use crate::observe::{Found, Source, Stray};
use crate::path::RelPath;

/// What a peer is told that asks for the content of this letter.
fn answer(side: &mut Side, letter: u8) -> Vec<Message> {
    let want = Want { digest: Digest([letter; 32]), size: 1, offset: 0, deep: false };
    let said = said(side.turn([Input::Message(node(2), Message::Want(vec![want]))]));
    let is_refusal = |said: &Message| matches!(said, Message::Gone(_) | Message::NotNow(_));
    said.into_iter().filter(is_refusal).collect()
}

fn gone(letter: u8) -> Vec<Message> {
    vec![Message::Gone(vec![Digest([letter; 32])])]
}

fn not_now(letter: u8) -> Vec<Message> {
    vec![Message::NotNow(vec![Digest([letter; 32])])]
}

// Story (found by reading, after the simulator's seed 1893): a node whose index was new, and whose
// first scan was still running, told the author of a version that it did not have it. It had: the
// author, who had lost it with the power, took it back, and the whole bytes went to the trash.
#[test]
fn who_has_not_looked_everywhere_denies_nothing() {
    let mut side = Side::first(1, Phase::Member);
    side.turn([Input::PeerUp(node(2))]);
    assert_eq!(answer(&mut side, b'7'), not_now(b'7'));
    side.turn([Input::Scanned(true)]);
    assert_eq!(answer(&mut side, b'7'), gone(b'7'));
    side.write("file", b'1');
    let path = Some(RelPath::parse(b"file").expect("a path"));
    let stray = Stray {
        path,
        digest: Digest([b'0'; 32]),
        size: 1,
        mtime: Timestamp::default(),
        unkept: None,
    };
    side.turn([Input::Stray(stray)]);
    assert_eq!(answer(&mut side, b'7'), gone(b'7'));
    side.look(Source::Live, "file", Found::Absent);
    assert_eq!(answer(&mut side, b'7'), not_now(b'7'), "where it has gone is not known");
    side.look(Source::Live, "file", Found::Present(present(Kind::File, 9, Some(b'1'))));
    assert_eq!(answer(&mut side, b'7'), gone(b'7'));
}

#[test]
fn what_is_sure_and_what_is_not_are_said_apart() {
    let said = |refused: Refused| refused.into_messages().collect::<Vec<_>>();
    assert_eq!(said(Refused::default()), []);
    let mut refused = Refused::default();
    refused.add(Digest([1; 32]), true);
    refused.add(Digest([2; 32]), false);
    refused.add(Digest([3; 32]), true);
    let gone = Message::Gone(vec![Digest([1; 32]), Digest([3; 32])]);
    assert_eq!(said(refused), [gone, Message::NotNow(vec![Digest([2; 32])])]);
}
