//! What is said is what is heard; what is malformed is refused without a panic.

use bytes::BytesMut;
use proptest::prelude::{any, proptest, ProptestConfig};
use proptest::{collection, prop_assert, prop_assert_eq};

use super::{Hello, JoinAnswer, JoinAsk, Purpose, Refusal};
use crate::net::frame::{put_header, take, Kind};
use crate::net::invite::{InviteId, JoinCode, JoinRefusal, Wish};
use crate::net::limits::{
    ADDRESSES_MAX, HOST_BYTES_MAX, PREAUTH_PAYLOAD_BYTES_MAX, REASON_BYTES_MAX, WISHES_MAX,
};

fn hello() -> Hello {
    Hello {
        versions: (1, 1),
        cluster: [1; 16],
        purpose: Purpose::Data,
        session: [2; 16],
        process: [3; 16],
        attempt: 4,
        data_connections: 2,
        name: "web-1".into(),
    }
}

fn ask(addresses: Vec<String>) -> JoinAsk {
    JoinAsk { invite: InviteId([5; 16]), proof: [6; 32], addresses, wish: Wish::Nothing }
}

#[test]
fn what_is_said_is_what_is_heard() {
    assert_eq!(Hello::decode(&hello().encode()), Ok(hello()));
    let addresses = vec!["10.0.0.1:7420".into(), "web.example:7420".into()];
    for wish in [Wish::Nothing, Wish::TheOne, Wish::These(vec!["www".into(), "x y".into()])] {
        let ask = JoinAsk { wish, ..ask(addresses.clone()) };
        assert_eq!(JoinAsk::decode(&ask.encode()), Ok(ask));
    }
    let refusals = [
        Refusal::Version,
        Refusal::OtherCluster,
        Refusal::NotMember,
        Refusal::Busy,
        Refusal::Other("disk full".into()),
        Refusal::Join(JoinRefusal::WrongCode),
        Refusal::Join(JoinRefusal::UsedUp),
        Refusal::Join(JoinRefusal::Expired),
        Refusal::Join(JoinRefusal::Refused("name taken".into())),
        Refusal::Join(JoinRefusal::Folders("there are two".into())),
    ];
    for refusal in refusals {
        assert_eq!(Refusal::decode(&refusal.encode()), Ok(refusal));
    }
}

#[test]
fn versions_meet_at_the_highest_common_one_or_not_at_all() {
    assert_eq!(Hello { versions: (1, 9), ..hello() }.version(), Some(1));
    assert_eq!(Hello { versions: (2, 9), ..hello() }.version(), None);
    assert_eq!(Hello { versions: (0, 0), ..hello() }.version(), None);
}

#[test]
fn names_and_reasons_cannot_forge_log_lines() {
    for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(65)] {
        let bytes = Hello { name: name.into(), ..hello() }.encode();
        assert!(Hello::decode(&bytes).is_err(), "{name:?}");
    }
    let loud = Refusal::Other(format!("a\nb{}", "é".repeat(1000)));
    let Ok(Refusal::Other(heard)) = Refusal::decode(&loud.encode()) else { panic!("not other") };
    assert!(heard.starts_with("ab") && heard.len() <= REASON_BYTES_MAX);
}

#[test]
fn a_session_has_at_least_one_data_connection_and_not_too_many() {
    for (purpose, count, good) in [
        (Purpose::Control, 0, false),
        (Purpose::Control, 1, true),
        (Purpose::Control, 17, false),
        (Purpose::Join, 0, true),
    ] {
        let said = Hello { purpose, data_connections: count, ..hello() };
        assert_eq!(Hello::decode(&said.encode()).is_ok(), good, "{purpose:?} {count}");
    }
}

#[test]
fn a_request_with_too_many_addresses_or_folders_is_refused() {
    assert!(JoinAsk::decode(&ask(vec!["a:1".into(); 5]).encode()).is_err());
    let longest = "w".repeat(255);
    for (folders, good) in [
        (vec![longest.clone(); WISHES_MAX], true),
        (vec![longest; WISHES_MAX + 1], false),
        (vec![String::new()], false),
    ] {
        let host = format!("{}:65535", "h".repeat(HOST_BYTES_MAX));
        let asked = JoinAsk { wish: Wish::These(folders), ..ask(vec![host; ADDRESSES_MAX]) };
        let said = asked.encode();
        assert_eq!(JoinAsk::decode(&said).is_ok(), good);
        assert!(said.len() <= PREAUTH_PAYLOAD_BYTES_MAX, "{} bytes", said.len());
    }
}

/// What version 1 said before a session: payloads, the frame around the first, and a join code.
const FIRST: [&[u8]; 6] = [
    include_bytes!("../../../../../testdata/wire-1/net-hello.bin"),
    include_bytes!("../../../../../testdata/wire-1/net-refusal.bin"),
    include_bytes!("../../../../../testdata/wire-1/net-join-ask.bin"),
    include_bytes!("../../../../../testdata/wire-1/net-join-answer.bin"),
    include_bytes!("../../../../../testdata/wire-1/net-frame.bin"),
    include_bytes!("../../../../../testdata/wire-1/net-join-code.txt"),
];

/// The files never change: a program that cannot read them, or says the same in other bytes, speaks
/// another version.
#[test]
fn the_museums_first_handshake_is_read_and_said_the_same() {
    let ask = ask(vec!["h:7".into()]);
    let answer = || JoinAnswer { proof: [7; 32], payload: b"the facts".to_vec() };
    let refusal = Refusal::Join(JoinRefusal::Refused("name taken".into()));
    let code = JoinCode {
        cluster: [1; 16],
        inviter: [2; 16],
        secret: [3; 16].into(),
        addresses: vec!["192.0.2.7:7420".into(), "web-1.example:7420".into()],
    };
    let mut framed = BytesMut::new();
    put_header(&mut framed, Kind::Hello, 0, hello().encode().len());
    framed.extend_from_slice(&hello().encode());
    let said = [
        hello().encode(),
        refusal.encode(),
        ask.encode(),
        answer().encode(),
        framed.to_vec(),
        code.encode().unwrap().into_bytes(),
    ];
    assert_eq!(said.each_ref().map(Vec::as_slice), FIRST);
    assert_eq!(Hello::decode(FIRST[0]), Ok(hello()));
    assert_eq!(Refusal::decode(FIRST[1]), Ok(refusal));
    assert_eq!(JoinAsk::decode(FIRST[2]), Ok(ask));
    assert_eq!(JoinAnswer::decode(FIRST[3]).map(JoinAnswer::encode), Ok(answer().encode()));
    let frame = take(&mut BytesMut::from(FIRST[4]), 4096).unwrap().unwrap();
    assert_eq!((frame.kind, &frame.payload[..]), (Kind::Hello, FIRST[0]));
    assert_eq!(JoinCode::decode(std::str::from_utf8(FIRST[5]).unwrap()), Ok(code));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_and_damaged_bytes_never_panic(
        noise in collection::vec(any::<u8>(), 0..300),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut damaged = hello().encode();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        for bytes in [&noise, &damaged] {
            if let Ok(heard) = Hello::decode(bytes) {
                prop_assert_eq!(Hello::decode(&heard.encode()), Ok(heard));
            }
            if let Ok(heard) = JoinAsk::decode(bytes) {
                prop_assert!(heard.addresses.len() <= 4);
            }
            drop((Refusal::decode(bytes), JoinAnswer::decode(bytes)));
        }
    }
}
