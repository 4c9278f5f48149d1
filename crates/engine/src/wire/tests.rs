//! Messages come back as they went, and no bytes whatever do harm.

use super::{decode, encode, others, with_others, Minted};
use crate::content::{Content, Digest};
use crate::dot::{Dot, Incarnation, Knowledge, NodeId};
use crate::entry::{
    Data, Entry, EntryId, Hlc, IncarnationRecord, Kind, Location, Opaque, Owner, Presence, Rank,
    Sight, Stamp, Stamped, Timestamp, Xattrs, ROOT,
};
use crate::index::Phase;
use crate::message::{
    Ack, DeltaEnd, FolderId, Frame, Hello, Message, Piece, Share, Standing, Want,
};
use crate::path::Name;
use crate::range::{Range, Sum};
use crate::register::{Register, Version};
use proptest::prelude::{any, prop, proptest};

fn dot(n: u64) -> Dot {
    Dot { incarnation: Incarnation([n as u8; 16]), counter: n + 1 }
}

fn version<T: Minted>(n: u64, value: T) -> Version<T> {
    Version { dot: dot(n), minted: value.mint().into(), value }
}

fn one<T: Minted + Clone>(n: u64, value: T) -> Register<T> {
    let mut register = Register::default();
    register.insert(version(n, value));
    register
}

fn entry(n: u64) -> Entry {
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(n << 20), dot: dot(n) };
    let kind = [Kind::Dir, Kind::File, Kind::Symlink][n as usize % 3];
    let name = Name::new(&[b'n', 0xff, b'\n']).unwrap();
    let mut entry = Entry::new(EntryId([n as u8 | 1; 16]), kind);
    let state = match n % 4 {
        0 => Presence::At(None),
        1 => Presence::At(Some((ROOT, name.clone()))),
        2 => Presence::Deleted(Sight::Live),
        _ => Presence::Deleted(Sight::Inferred),
    };
    entry.loc = one(n, Location { parent: ROOT, name, stamp, state });
    let content = match kind {
        Kind::File => Some(Content::File(Digest([n as u8; 32]), n)),
        Kind::Symlink => Some(Content::Link(b"../target"[..].into())),
        Kind::Dir => None,
    };
    if let Some(content) = content {
        entry.data = one(n, Data { content, stamp, base: vec![dot(n + 1)], body: None });
    }
    let time = Timestamp { seconds: -5, nanos: 999_999_999 };
    entry.times = one(n, Stamped { stamp, value: time });
    entry.mode = one(n, Stamped { stamp, value: 0o7644 });
    entry.owner = one(n, Stamped { stamp, value: Owner { uid: 33, gid: 0 } });
    let xattrs: Xattrs = [(b"user.k".to_vec(), vec![0, 1, 2])].into();
    entry.xattr = one(n, Stamped { stamp, value: xattrs });
    entry
}

fn knowledge(ranges: &[(u8, u16, u16)]) -> Knowledge {
    let mut knowledge = Knowledge::default();
    for &(i, start, more) in ranges {
        let start = u64::from(start) + 1;
        knowledge.insert_range(Incarnation([i % 5; 16]), start, start + u64::from(more));
    }
    knowledge
}

fn messages(n: u64, k: Knowledge) -> Vec<Message> {
    let owner = IncarnationRecord {
        incarnation: Incarnation([3; 16]),
        node: NodeId([4; 32]),
        signature: vec![5; 64],
    };
    let digest = Digest([n as u8; 32]);
    let frontier = if n.is_multiple_of(2) { knowledge(&[(3, 0, 9)]) } else { Knowledge::default() };
    let range = Range { first: EntryId([n as u8; 16]), last: EntryId([255; 16]) };
    let phases = [Phase::Member, Phase::Importing, Phase::Joining];
    vec![
        Message::Hello(Hello { wire: 1, hlc: Hlc(n) }),
        Message::Share(Share {
            knowledge: k.clone(),
            incarnations: vec![owner.clone()],
            frontier: frontier.clone(),
        }),
        Message::Frame(Frame {
            context: k.clone(),
            entries: (n..n + 5).map(entry).collect(),
            beyond: vec![(3, knowledge(&[(4, 1, 1)]))],
            contents: vec![(digest, vec![7; 100])],
            incarnations: vec![owner],
            range: n.is_multiple_of(2).then_some(range),
        }),
        Message::DeltaEnd(DeltaEnd {
            knowledge: k.clone(),
            phase: phases[n as usize % 3],
            frontier,
        }),
        Message::Ack(Ack { knowledge: k.clone(), applied: vec![(Incarnation([1; 16]), n)] }),
        Message::Want(vec![Want { digest, size: 9 + n, offset: 3, deep: n.is_multiple_of(2) }]),
        Message::Data(vec![Piece { digest, size: 9 + n, offset: 3, bytes: vec![1, 2] }]),
        Message::Gone(vec![digest]),
        Message::Nowhere(digest, vec![NodeId([n as u8; 32]), NodeId([7; 32])]),
        Message::Sums(vec![Sum { range, count: 64, sum: u128::MAX - u128::from(n) }; 3]),
        Message::Differs(range),
        Message::Standing(Standing { node: NodeId([6; 32]), knowledge: k, age_ms: n }),
        Message::NotNow(vec![digest; 2]),
    ]
}

/// A content that is to win, as it was first written.
#[test]
fn a_preferred_content_is_read_and_written_as_the_museum_has_it() {
    let stamp = Stamp { rank: Rank::Preferred, hlc: Hlc(7 << 20), dot: dot(7) };
    let content = Content::File(Digest([7; 32]), 7);
    let data = Data { content, stamp, base: vec![dot(8)], body: None };
    let kept = include_bytes!("../../../../testdata/wire-1/preferred.bin");
    assert_eq!(Data::read(kept), Ok(data.clone()));
    assert_eq!(data.mint(), kept);
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_went(
        n in 0u64..100,
        ranges in prop::collection::vec(any::<(u8, u16, u16)>(), 0..9),
    ) {
        for message in messages(n, knowledge(&ranges)) {
            let bytes = encode(FolderId([9; 16]), &message);
            assert_eq!(decode(&bytes), Ok((FolderId([9; 16]), message)));
        }
    }

    #[test]
    fn random_bytes_are_refused_and_harmless(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_message_with_flipped_bytes_is_harmless(
        n in 0u64..8, flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..9),
    ) {
        for message in messages(n, knowledge(&[(1, 2, 3)])) {
            let mut bytes = encode(FolderId([9; 16]), &message);
            for &(at, with) in &flips {
                let at = at % bytes.len();
                bytes[at] ^= with;
            }
            if let Ok((folder, message)) = decode(&bytes) {
                assert_eq!(decode(&encode(folder, &message)), Ok((folder, message)));
            }
        }
    }
}

#[test]
fn registers_and_fields_of_a_newer_program_are_passed_on_as_they_came() {
    let mut newer = entry(1);
    let minted: std::sync::Arc<[u8]> = b"what only the future knows"[..].into();
    let mut register = Register::default();
    register.insert(Version { dot: dot(1), value: Opaque, minted: minted.clone() });
    newer.other.insert(77, register);
    let mut data = newer.data.versions()[0].clone();
    let unknown_field = [0xfa, 0x06, 0x01, 0x2a];
    data.minted = [&data.minted[..], &unknown_field[..]].concat().into();
    newer.data.write(data.clone(), &[data.dot]);
    let frame = Message::Frame(Frame { entries: vec![newer.clone()], ..Frame::default() });
    let (_, back) = decode(&encode(FolderId([0; 16]), &frame)).unwrap();
    let Message::Frame(back) = back else { panic!("a frame came back as {back:?}") };
    assert_eq!(back.entries[0], newer);
    assert_eq!(back.entries[0].other[&77].versions()[0].minted, minted);
    assert_eq!(back.entries[0].data.versions()[0].minted, data.minted);
}

// Story (simulator, a member that lies, and one that was away for long): an entry can be without a
// place, with attributes alone, where its deletion was forgotten. Passed on, it was refused, and
// whoever heard of it broke off with an honest node.
#[test]
fn a_value_says_what_its_operation_wrote_besides_and_is_read_as_it_was() {
    let minted = entry(1).loc.versions()[0].minted.clone();
    assert_eq!(others(&minted), []);
    let ids = [EntryId([7; 16]), EntryId([8; 16])];
    let noted = with_others(&minted, &ids);
    assert_eq!(others(&noted), ids);
    assert_eq!(Location::read(&noted), Location::read(&minted));
    // What is said again under another dot was noted for that of its own.
    let again = with_others(&noted, &ids[1..]);
    assert_eq!(others(&again), ids[1..]);
}

#[test]
fn an_entry_without_a_place_is_passed_on() {
    let placeless = Entry { loc: Register::default(), data: Register::default(), ..entry(1) };
    let frame = Message::Frame(Frame { entries: vec![placeless], ..Frame::default() });
    assert_eq!(decode(&encode(FolderId([0; 16]), &frame)), Ok((FolderId([0; 16]), frame)));
}

/// The last that can be on a disk is read, and the first that cannot is refused.
#[test]
fn values_that_no_disk_can_hold_are_refused() {
    fn read<T: Minted>(value: &T) -> bool {
        T::read(&value.mint()).is_ok()
    }
    let stamp = Stamp { rank: Rank::Write, hlc: Hlc(1), dot: dot(1) };
    let link = |target: &[u8]| {
        let content = Content::Link(target.into());
        read(&Data { content, stamp, base: vec![], body: None })
    };
    assert!(link(&[b'x'; 4095]) && !link(&[b'x'; 4096]) && !link(b"") && !link(b"a\0b"));
    let replaces = |most: usize| {
        let content = Content::File(Digest([7; 32]), 7);
        read(&Data { content, stamp, base: vec![dot(8); most], body: None })
    };
    assert!(replaces(16) && !replaces(17));
    let time = |nanos| read(&Stamped { stamp, value: Timestamp { seconds: -1, nanos } });
    assert!(time(999_999_999) && !time(1_000_000_000));
    let mode = |value: u16| read(&Stamped { stamp, value });
    assert!(mode(0o7777) && !mode(0o10000));
    let owner = |uid, gid| read(&Stamped { stamp, value: Owner { uid, gid } });
    assert!(owner(u32::MAX - 1, 0) && !owner(u32::MAX, 0) && !owner(0, u32::MAX));
    let xattr = |name: &[u8], bytes: usize| {
        let value: Xattrs = [(name.to_vec(), vec![7; bytes])].into();
        read(&Stamped { stamp, value })
    };
    assert!(xattr(b"user.k", 65_530) && !xattr(b"user.k", 65_531), "64 KiB with their names");
    assert!(xattr(&[b'x'; 255], 0) && !xattr(&[b'x'; 256], 0));
    assert!(!xattr(b"", 1) && !xattr(b"user\0", 1));
}

/// What version 1 said, as it went over the wire: one message of each kind.
const FIRST: [&[u8]; 13] = [
    include_bytes!("../../../../testdata/wire-1/hello.bin"),
    include_bytes!("../../../../testdata/wire-1/share.bin"),
    include_bytes!("../../../../testdata/wire-1/frame.bin"),
    include_bytes!("../../../../testdata/wire-1/delta-end.bin"),
    include_bytes!("../../../../testdata/wire-1/ack.bin"),
    include_bytes!("../../../../testdata/wire-1/want.bin"),
    include_bytes!("../../../../testdata/wire-1/data.bin"),
    include_bytes!("../../../../testdata/wire-1/gone.bin"),
    include_bytes!("../../../../testdata/wire-1/nowhere.bin"),
    include_bytes!("../../../../testdata/wire-1/sums.bin"),
    include_bytes!("../../../../testdata/wire-1/differs.bin"),
    include_bytes!("../../../../testdata/wire-1/standing.bin"),
    include_bytes!("../../../../testdata/wire-1/not-now.bin"),
];

/// The files never change: a program that cannot read them, or says the same in other bytes, speaks
/// another version.
#[test]
fn the_museums_first_messages_are_read_and_said_the_same() {
    let said = messages(3, knowledge(&[(1, 0, 9), (2, 4, 0), (2, 9, 300)]));
    assert_eq!(said.len(), FIRST.len());
    for (message, kept) in said.into_iter().zip(FIRST) {
        let bytes = encode(FolderId([9; 16]), &message);
        assert_eq!(decode(kept), Ok((FolderId([9; 16]), message)));
        assert_eq!(bytes, kept);
    }
}

/// Two names of one file, and what they are names of, as they went over the wire first.
#[test]
fn the_museums_first_names_of_one_file_are_read_and_said_the_same() {
    let stamp = |n: u64| Stamp { rank: Rank::Write, hlc: Hlc(n << 20), dot: dot(n) };
    let place = |n: u64, name: &[u8]| Location {
        parent: ROOT,
        name: Name::new(name).unwrap(),
        stamp: stamp(n),
        state: Presence::At(None),
    };
    let content = Content::File(Digest([7; 32]), 3);
    let body = EntryId([5; 16]);
    let data = |body| Data { content: content.clone(), stamp: stamp(2), base: vec![], body };
    let named = |id: u8, name: &[u8]| {
        let mut entry = Entry::new(EntryId([id; 16]), Kind::File);
        entry.loc = one(2, place(2, name));
        entry.data = one(2, data(Some(body)));
        entry
    };
    let mut bearer = Entry::new(body, Kind::File);
    bearer.data = one(2, data(None));
    bearer.mode = one(2, Stamped { stamp: stamp(2), value: 0o640 });
    let frame = Frame {
        context: knowledge(&[(1, 0, 9)]),
        entries: vec![named(3, b"a"), named(4, b"b"), bearer],
        beyond: vec![],
        contents: vec![],
        incarnations: vec![],
        range: None,
    };
    let message = Message::Frame(frame);
    let kept = include_bytes!("../../../../testdata/wire-1/frame-names.bin");
    assert_eq!(encode(FolderId([9; 16]), &message), kept);
    assert_eq!(decode(kept), Ok((FolderId([9; 16]), message)));
}
