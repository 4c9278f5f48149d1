//! Codes survive people, and the book lets in who it should.

use engine::dot::NodeId;
use proptest::prelude::{any, proptest, ProptestConfig};
use proptest::{collection, prop_assert, prop_assert_eq};
use zeroize::Zeroizing;

use super::{
    same_proof, CodeError, InviteTerms, Invites, JoinCode, JoinRefusal, JoinRequest, Transcript,
    Wish,
};

fn code() -> JoinCode {
    JoinCode {
        cluster: [1; 16],
        inviter: [2; 16],
        secret: Zeroizing::new([3; 16]),
        addresses: vec![
            "192.0.2.7:7420".into(),
            "[2001:db8::1]:7420".into(),
            "web-1.example:65535".into(),
        ],
    }
}

fn request(code: &JoinCode, newcomer: u8) -> JoinRequest {
    let transcript = Transcript {
        exporter: [9; 32],
        newcomer: NodeId([newcomer; 32]),
        inviter: NodeId([8; 32]),
    };
    JoinRequest {
        name: "b".into(),
        addresses: Vec::new(),
        invite: code.invite_id(),
        proof: transcript.newcomer_proof(&code.key()),
        wish: Wish::Nothing,
        transcript,
    }
}

fn book(uses: u32) -> (Invites, JoinCode) {
    let mut book = Invites::default();
    let terms = InviteTerms { uses, expires_unix_ms: 1000, admin: true };
    let text = book.issue([1; 16], [2; 16], vec!["192.0.2.7:7420".into()], terms).unwrap();
    (book, JoinCode::decode(&text).unwrap())
}

#[test]
fn a_code_reads_back_whatever_case_blanks_and_hyphens_it_went_through() {
    let text = code().encode().unwrap();
    assert_eq!(JoinCode::decode(&text), Ok(code()));
    let mangled: String = text
        .to_uppercase()
        .as_bytes()
        .chunks(7)
        .map(|c| format!("{}-\n ", std::str::from_utf8(c).unwrap()))
        .collect();
    assert_eq!(JoinCode::decode(&mangled), Ok(code()));
}

#[test]
fn every_single_typo_and_every_cut_is_noticed() {
    let text = code().encode().unwrap();
    for at in 0..text.len() {
        let mut typo = text.clone().into_bytes();
        typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
        let typo = String::from_utf8(typo).unwrap();
        let read = JoinCode::decode(&typo);
        assert!(matches!(read, Err(CodeError::Checksum)), "{at} {read:?}");
        assert!(JoinCode::decode(&text[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(JoinCode::decode("hello, world!"), Err(CodeError::NotBase32));
}

/// The last character of a code has bits that no byte fills. They were not looked at: up to 31
/// other texts stood for the same code, and a typo there went unnoticed.
#[test]
fn one_code_has_one_text() {
    for addresses in [vec!["a:1".to_owned()], vec!["ab:1".into()], vec!["abc:1".into()]] {
        let code = JoinCode { addresses, ..code() };
        let text = code.encode().unwrap();
        let same = "0123456789abcdefghjkmnpqrstvwxyz".chars().filter(|last| {
            let other = format!("{}{last}", &text[..text.len() - 1]);
            JoinCode::decode(&other).is_ok()
        });
        assert_eq!(same.collect::<String>(), text[text.len() - 1..]);
        assert!(JoinCode::decode(&format!("{text}0")).is_err(), "nor one with more behind it");
    }
}

#[test]
fn addresses_that_do_not_fit_are_refused_when_the_code_is_made() {
    for addresses in [
        vec![],
        vec!["a:1".to_owned(); 5],
        vec!["no-port".into()],
        vec!["a b:1".into()],
        vec!["a:99999".into()],
        vec![format!("{}:1", "h".repeat(254))],
    ] {
        let made = JoinCode { addresses: addresses.clone(), ..code() }.encode();
        assert_eq!(made, Err(CodeError::Addresses), "{addresses:?}");
    }
}

#[test]
fn an_invite_counts_its_uses_but_not_a_repeated_request() {
    let (mut book, code) = book(2);
    assert!(!book.redeem(&request(&code, 1), 0).unwrap().again);
    assert!(book.redeem(&request(&code, 1), 0).unwrap().again);
    assert!(book.redeem(&request(&code, 2), 0).unwrap().admin);
    assert_eq!(book.redeem(&request(&code, 3), 0), Err(JoinRefusal::UsedUp));
    assert!(book.redeem(&request(&code, 2), 999).unwrap().again);
    assert_eq!(book.redeem(&request(&code, 2), 1000), Err(JoinRefusal::Expired));
    book.prune(1500, 1000);
    assert_eq!(book.open.len(), 1);
    book.prune(2000, 1000);
    assert_eq!(book.redeem(&request(&code, 2), 0), Err(JoinRefusal::WrongCode));
}

#[test]
fn a_proof_of_another_secret_connection_or_node_is_worth_nothing() {
    let (mut book, good) = book(1);
    let before = book.clone();
    let mut forged = request(&code(), 1);
    assert_eq!(book.redeem(&forged, 0), Err(JoinRefusal::WrongCode));
    forged.invite = good.invite_id();
    assert_eq!(book.redeem(&forged, 0), Err(JoinRefusal::WrongCode));
    let mut moved = request(&good, 1);
    moved.transcript.exporter = [7; 32];
    assert_eq!(book.redeem(&moved, 5000), Err(JoinRefusal::WrongCode));
    let mut stolen = request(&good, 1);
    stolen.transcript.newcomer = NodeId([2; 32]);
    assert_eq!(book.redeem(&stolen, 0), Err(JoinRefusal::WrongCode));
    let honest = request(&good, 1);
    let mirrored = honest.transcript.inviter_proof(&good.key());
    assert_eq!(
        book.redeem(&JoinRequest { proof: mirrored, ..honest }, 0),
        Err(JoinRefusal::WrongCode)
    );
    assert_eq!(book, before);
}

#[test]
fn the_inviter_proves_back_what_the_newcomer_expects() {
    let (mut book, code) = book(1);
    let request = request(&code, 1);
    let redeemed = book.redeem(&request, 0).unwrap();
    assert!(same_proof(&redeemed.proof, &request.transcript.inviter_proof(&code.key())));
    assert!(!same_proof(&redeemed.proof, &request.proof));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_never_panics(
        text in any::<String>(),
        bytes in collection::vec(any::<u8>(), 0..90),
    ) {
        prop_assert!(JoinCode::decode(&text).is_err());
        let mut summed = vec![1];
        summed.extend(&bytes);
        let sum = super::checksum(&summed);
        summed.extend(sum);
        let text = base32::encode(base32::Alphabet::Crockford, &summed);
        if let Ok(code) = JoinCode::decode(&text) {
            prop_assert_eq!(JoinCode::decode(&code.encode().unwrap()), Ok(code));
        }
    }
}
