//! The switchboard: what one turn's inputs lead to, whatever their order.

use super::{Boot, Effect, FolderEngine, Input, Now, Opening, Witness};
use crate::content::{Content, Digest};
use crate::dot::{Incarnation, NodeId};
use crate::entry::{IncarnationRecord, Kind, Timestamp};
use crate::index::{Attributes, Fingerprint, Handle, MemIndex, Meta, Phase};
use crate::message::{Message, Want};
use crate::observe::{Batch, Found, Observation, Present, Source, Stray};
use crate::path::RelPath;
use crate::plan::{Act, OpId, Operation, Outcome};

mod directories;
mod joining;
mod operations;
mod power;
mod scans;

pub(super) fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

pub(super) fn present(kind: Kind, handle: u8, letter: Option<u8>) -> Present {
    let time = Timestamp { seconds: 1_800_000, nanos: u32::from(letter.unwrap_or(0)) };
    let size = u64::from(letter.unwrap_or(0));
    Present {
        kind,
        fingerprint: Fingerprint {
            handle: Handle(Box::new([handle])),
            size,
            mtime: time,
            ctime: time,
        },
        attributes: Attributes { mtime: time, mode: 0o644, ..Attributes::default() },
        content: letter.map(|letter| Content::File(Digest([letter; 32]), size)),
        soft: false,
        zeros: false,
        alone: false,
    }
}

pub(super) struct Side {
    pub(super) number: u8,
    /// Every turn takes a millisecond.
    pub(super) now: Now,
    pub(super) engine: FolderEngine,
    pub(super) index: MemIndex,
}

impl Side {
    /// An engine of an empty tree that was scanned.
    pub(super) fn new(number: u8) -> Side {
        let mut side = Side::first(number, Phase::Importing);
        side.turn([Input::Scanned(true)]);
        side
    }

    /// An engine that opens for the first time; nothing has been scanned.
    pub(super) fn first(number: u8, phase: Phase) -> Side {
        let life = Incarnation([number; 16]);
        Side::open(number, MemIndex::new(Meta::new(life, phase, [0; 16])))
    }

    /// An engine that goes on with an index; nothing has been scanned.
    fn open(number: u8, index: MemIndex) -> Side {
        Side::boot(number, index, 1)
    }

    /// The same after the `boot`th start of the machine.
    pub(super) fn boot(number: u8, mut index: MemIndex, boot: u8) -> Side {
        let life = Incarnation([if boot == 1 { number } else { 100 + boot }; 16]);
        let fresh =
            IncarnationRecord { incarnation: life, node: node(number), signature: Vec::new() };
        let root = present(Kind::Dir, 0, None);
        let boot = Boot { id: [boot; 16], at: Timestamp::default() };
        let opening =
            Opening { boot, fresh, witness: Witness::NoPlace, noted: None, root, empty: true };
        let engine = FolderEngine::open(&mut index, opening);
        let now = Now { mono_ms: 1, wall_ms: 1_800_000_000_000 };
        Side { number, now, engine, index }
    }

    pub(super) fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
        self.now.mono_ms += 1;
        for input in inputs {
            self.engine.handle(self.now, &mut self.index, input);
        }
        self.engine.turn(self.now, &mut self.index);
        self.engine.take_effects()
    }

    /// A program here wrote a file of this letter; returns what is said about it.
    pub(super) fn write(&mut self, path: &str, letter: u8) -> Vec<Message> {
        self.look(Source::Live, path, Found::Present(present(Kind::File, 9, Some(letter))))
    }

    pub(super) fn look(&mut self, source: Source, path: &str, found: Found) -> Vec<Message> {
        let path = RelPath::parse(path.as_bytes()).expect("a path");
        let looks = vec![Observation { path, found }];
        let effects = self.turn([Input::Observed(self.now.mono_ms + 1, Batch { source, looks })]);
        said(effects)
    }

    pub(super) fn hear(&mut self, from: u8, messages: Vec<Message>) -> Vec<Effect> {
        self.turn(messages.into_iter().map(|message| Input::Message(node(from), message)))
    }
}

pub(super) fn said(effects: Vec<Effect>) -> Vec<Message> {
    let messages = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(outgoing) => Some(outgoing.message),
        _ => None,
    });
    messages.collect()
}

pub(super) fn operations(effects: Vec<Effect>) -> Vec<Operation> {
    let batches = effects.into_iter().filter_map(|effect| match effect {
        Effect::Apply(batch) => Some(batch),
        _ => None,
    });
    batches.flatten().collect()
}

/// The two are connected and have told each other everything.
pub(super) fn meet(a: &mut Side, b: &mut Side) {
    let mut to_b = said(a.turn([Input::PeerUp(node(b.number))]));
    let mut to_a = said(b.turn([Input::PeerUp(node(a.number))]));
    for _ in 0..20 {
        let answer = said(b.hear(a.number, std::mem::take(&mut to_b)));
        to_b = said(a.hear(b.number, std::mem::take(&mut to_a)));
        to_a = answer;
    }
    assert!(to_a.is_empty() && to_b.is_empty(), "{to_a:?} {to_b:?}");
}

/// Whether it has begun to look at its own disk since it was asked last.
fn scans(side: &Side) -> bool {
    side.engine.is_scanning()
}

fn installed(operations: &[Operation]) -> (OpId, u8) {
    match operations {
        [Operation { id, act: Act::Install { content: Content::File(digest, _), .. } }] => {
            (*id, digest.0[0])
        }
        other => panic!("not one install: {other:?}"),
    }
}

// Story: a session broke and the next began within one turn. What the first had led to went out on
// the second, where the peer took it for an answer to what it had just asked.
#[test]
fn what_was_to_be_said_in_a_broken_session_is_not_said_in_the_next() {
    let mut side = Side::new(1);
    let peer = node(2);
    let unknown = Want { digest: Digest([9; 32]), size: 1, offset: 0, deep: false };
    let asked = Input::Message(peer, Message::Want(vec![unknown]));
    let said =
        said(side.turn([Input::PeerUp(peer), asked, Input::PeerDown(peer), Input::PeerUp(peer)]));
    assert!(matches!(said[..2], [Message::Hello(_), Message::Share(_)]), "{said:?}");
    let again = |message: &&Message| matches!(message, Message::Hello(_) | Message::Gone(_));
    assert_eq!(said.iter().filter(again).count(), 1, "{said:?}");
}

pub(super) fn looks(source: Source, looks: &[(&str, Option<Present>)]) -> Batch {
    let looks = looks.iter().map(|(path, found)| {
        let found = found.clone().map_or(Found::Absent, Found::Present);
        Observation { path: RelPath::parse(path.as_bytes()).expect("a path"), found }
    });
    Batch { source, looks: looks.collect() }
}

fn paths(effects: &[Effect], of: fn(&Effect) -> Option<&Vec<RelPath>>) -> Vec<String> {
    effects.iter().filter_map(of).flatten().map(ToString::to_string).collect()
}

/// A directory with a contested file in it that was seen to be gone.
fn with_a_contested_file_gone(number: u8) -> Side {
    let mut side = Side::new(number);
    side.look(Source::Live, "d", Found::Present(present(Kind::Dir, 4, None)));
    side.write("d/file", b'1');
    let path = Some(RelPath::parse(b"d/file").expect("a path"));
    let mtime = Timestamp { seconds: 1, nanos: 0 };
    let digest = Digest([b'0'; 32]);
    side.turn([Input::Stray(Stray { path, digest, size: 1, mtime, unkept: None })]);
    side.look(Source::Live, "d/file", Found::Absent);
    assert!(side.engine.has_deferred_looks(), "what lost to it would go with it");
    side
}

/// What is to be looked at.
fn asked(effects: &[Effect]) -> Vec<String> {
    paths(effects, |effect| match effect {
        Effect::Observe(paths) => Some(paths),
        _ => None,
    })
}

fn done(now: Present) -> Outcome {
    Outcome::Done { now: vec![now], refused: None, displaced: None }
}

/// Two that know a file, which is in place on the second as it is on the first.
pub(super) fn with_a_file(path: &str) -> (Side, Side, Present) {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let heard = a.write(path, b'1');
    b.hear(1, heard);
    let install = installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]))).0;
    let file = present(Kind::File, 9, Some(b'1'));
    b.turn([Input::Applied(vec![(install, done(file.clone()))])]);
    (a, b, file)
}

// Story (a first user): the log of all nodes named who had made a file for whatever others did.
#[test]
fn the_log_names_whose_operation_it_was() {
    let mut sides = [1, 2, 3].map(Side::new);
    let [a, b, c] = &mut sides;
    meet(a, b);
    meet(b, c);
    let created = a.look(Source::Live, "dir", Found::Present(present(Kind::Dir, 4, None)));
    let by = |side: &mut Side, from: u8, heard: Vec<Message>| {
        let operations = operations(side.hear(from, heard));
        let [operation] = &operations[..] else { panic!("{operations:?}") };
        let now = vec![present(Kind::Dir, 4, None)];
        let done = Outcome::Done { now, refused: None, displaced: None };
        let effects = side.turn([Input::Applied(vec![(operation.id, done)])]);
        let events = effects.into_iter().filter_map(|effect| match effect {
            Effect::Happened(event) => event.by,
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    assert_eq!(by(b, 1, created.clone()), [Incarnation([1; 16])]);
    assert_eq!(by(c, 2, created), [Incarnation([1; 16])]);
    let removed = b.look(Source::Live, "dir", Found::Absent);
    assert_eq!(by(c, 2, removed), [Incarnation([2; 16])], "who removed it");
}
