//! The switchboard: what one turn's inputs lead to, whatever their order.

use super::{Effect, FolderEngine, Input, Now, Opening};
use crate::dot::{Incarnation, NodeId};
use crate::entry::{IncarnationRecord, Kind, Timestamp};
use crate::index::{Attributes, Fingerprint, Handle, MemIndex, Meta, Phase};
use crate::message::{Message, Want};
use crate::observe::Present;

const PEER: NodeId = NodeId([2; 32]);

fn opened() -> (FolderEngine, MemIndex) {
    let life = Incarnation([1; 16]);
    let mut index = MemIndex::new(Meta::new(life, Phase::Importing, [0; 16]));
    let time = Timestamp::default();
    let handle = Handle(Box::new([1]));
    let root = Present {
        kind: Kind::Dir,
        fingerprint: Fingerprint { handle, size: 0, mtime: time, ctime: time },
        attributes: Attributes::default(),
        content: None,
        soft: false,
        zeros: false,
    };
    let fresh =
        IncarnationRecord { incarnation: life, node: NodeId([1; 32]), signature: Vec::new() };
    let opening = Opening { boot: [1; 16], fresh, root, empty: true };
    let engine = FolderEngine::open(&mut index, opening);
    (engine, index)
}

// Story: a session broke and the next began within one turn. What the first had led to went out on
// the second, where the peer took it for an answer to what it had just asked.
#[test]
fn what_was_to_be_said_in_a_broken_session_is_not_said_in_the_next() {
    let (mut engine, mut index) = opened();
    let now = Now { mono_ms: 1, wall_ms: 1 };
    let unknown = Want { digest: crate::content::Digest([9; 32]), size: 1, offset: 0 };
    let asked = Input::Message(PEER, Message::Want(vec![unknown]));
    for input in [Input::PeerUp(PEER), asked, Input::PeerDown(PEER), Input::PeerUp(PEER)] {
        engine.handle(now, &mut index, input);
    }
    engine.turn(now, &mut index);
    let effects = engine.take_effects();
    let said: Vec<&Message> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(outgoing) if outgoing.peer == PEER => Some(&outgoing.message),
            _ => None,
        })
        .collect();
    assert!(matches!(said[..2], [Message::Hello(_), Message::Share(_)]), "{said:?}");
    let again = |message: &&&Message| matches!(message, Message::Hello(_) | Message::Gone(_));
    assert_eq!(said.iter().filter(again).count(), 1, "{said:?}");
}
