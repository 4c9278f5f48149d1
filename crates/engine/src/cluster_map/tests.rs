//! Who counts, whatever the order of arrival; and that bad bytes are refused.

use super::{
    ClusterId, ClusterMap, Draft, Fact, Hlc, MapError, NodeId, Outcome, Policy, Profile, Record,
    RecordError, Refused, Verify, RECORD_BYTES_MAX, VOID_RECORDS_MAX,
};
use crate::message::FolderId;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest, Strategy};

/// Signatures that only the holder of a "key" in this file can make: enough to tell them apart.
struct Toy;

fn sign(signer: &NodeId, message: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    blake3::Hasher::new_keyed(&signer.0).update(message).finalize_xof().fill(&mut out);
    out
}

impl Verify for Toy {
    fn verify(&self, signer: &NodeId, message: &[u8], signature: &[u8; 64]) -> bool {
        sign(signer, message) == *signature
    }
}

const NONCE: [u8; 16] = [7; 16];

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn cluster() -> ClusterId {
    ClusterId::derive(node(0), &NONCE)
}

fn record(signer: u8, hlc: u64, fact: Fact) -> Record {
    let draft = Draft::new(cluster(), fact, Hlc(hlc), node(signer)).unwrap();
    let signature = sign(&node(signer), &draft.message());
    draft.signed(signature)
}

fn founder() -> Record {
    record(0, 1, Fact::Cluster { nonce: NONCE })
}

fn profile(name: &str) -> Profile {
    Profile { name: name.to_owned(), addresses: vec![format!("{name}:7420")] }
}

fn admit(n: u8, admin: bool) -> Fact {
    Fact::Member { node: node(n), admin, profile: profile(&format!("n{n}")) }
}

fn folder(name: &str, label: &str) -> Fact {
    Fact::Folder { first_name: name.to_owned(), epoch: 0, label: label.to_owned(), removed: false }
}

fn id(name: &str) -> FolderId {
    FolderId::derive(cluster(), name, 0)
}

fn map(records: &[Record]) -> ClusterMap {
    let mut map = ClusterMap::new(cluster());
    for record in records {
        map.apply(record.clone(), &Toy);
    }
    map
}

#[test]
fn founder_admits_a_node_that_then_speaks_for_itself() {
    let mut map = map(&[founder(), record(0, 2, admit(1, false))]);
    assert_eq!(map.members()[&node(1)].profile, profile("n1"));
    let own = record(1, 3, Fact::Profile(profile("web1")));
    assert_eq!(map.apply(own, &Toy), Outcome::Applied);
    let holder = record(1, 3, Fact::Holder { folder: id("web"), holds: true });
    assert_eq!(map.apply(holder, &Toy), Outcome::Applied);
    let member = &map.members()[&node(1)];
    assert_eq!((member.profile.name.as_str(), member.admitted_by), ("web1", node(0)));
    assert_eq!(map.holders(id("web")).into_iter().collect::<Vec<_>>(), [node(1)]);
    let gone = record(1, 4, Fact::Holder { folder: id("web"), holds: false });
    assert_eq!(map.apply(gone.clone(), &Toy), Outcome::Applied);
    assert!(map.holders(id("web")).is_empty());
    assert_eq!(map.apply(gone, &Toy), Outcome::Stale);
}

#[test]
fn a_stranger_and_a_plain_member_change_nothing() {
    let mut map = map(&[founder(), record(0, 2, admit(1, false))]);
    let before = map.standing.clone();
    assert_eq!(map.apply(record(5, 3, admit(6, true)), &Toy), Outcome::Void);
    assert_eq!(map.apply(record(5, 3, admit(5, true)), &Toy), Outcome::Void);
    assert_eq!(map.apply(record(1, 3, admit(6, true)), &Toy), Outcome::Void);
    assert_eq!(map.apply(record(1, 3, folder("web", "web")), &Toy), Outcome::Void);
    assert_eq!(map.apply(record(1, 3, Fact::Removal { node: node(0) }), &Toy), Outcome::Void);
    assert_eq!(map.standing, before);
}

#[test]
fn a_forged_signature_and_another_founder_are_refused() {
    let mut map = map(&[founder()]);
    let digest = map.digest();
    let draft = Draft::new(cluster(), admit(1, true), Hlc(9), node(0)).unwrap();
    let forged = draft.signed([1; 64]);
    assert_eq!(map.apply(forged, &Toy), Outcome::Refused(Refused::Signature));
    let usurper = record(9, 1, Fact::Cluster { nonce: NONCE });
    assert_eq!(map.apply(usurper, &Toy), Outcome::Refused(Refused::OtherCluster));
    assert_eq!(map.digest(), digest);
}

#[test]
fn what_a_removed_member_signs_is_void_even_when_dated_back() {
    let mut map = map(&[
        founder(),
        record(0, 10, admit(1, true)),
        record(1, 20, admit(2, false)),
        record(1, 21, folder("web", "web")),
    ]);
    let facts = map.removal(node(0), node(1)).unwrap();
    assert_eq!(facts.len(), 3, "the admission, the folder, the removal");
    for fact in facts {
        let hlc = map.stamp_for(&fact, 0).0.max(30);
        assert_eq!(map.apply(record(0, hlc, fact), &Toy), Outcome::Applied);
    }
    assert!(map.is_removed_member(node(1)) && !map.members().contains_key(&node(1)));
    assert_eq!(map.members()[&node(2)].admitted_by, node(0), "its guest stays");
    assert_eq!(map.folders()[&id("web")].by, node(0), "its folder stays");
    assert_eq!(map.apply(record(1, 11, admit(3, true)), &Toy), Outcome::Void);
    assert_eq!(map.apply(record(1, 11, Fact::Removal { node: node(0) }), &Toy), Outcome::Void);
    assert!(map.members().contains_key(&node(0)) && !map.members().contains_key(&node(3)));
}

#[test]
fn only_a_senior_removes() {
    let map = map(&[founder(), record(0, 10, admit(1, true)), record(1, 20, admit(2, true))]);
    assert!(map.removal(node(2), node(1)).is_none());
    assert!(map.removal(node(1), node(0)).is_none());
    assert!(map.removal(node(1), node(2)).is_some());
    assert!(map.removal(node(8), node(2)).is_none());
}

#[test]
fn two_admins_who_remove_one_another_end_alike_everywhere() {
    let records = [
        founder(),
        record(0, 10, admit(1, true)),
        record(0, 11, admit(2, true)),
        record(1, 30, Fact::Removal { node: node(2) }),
        record(2, 20, Fact::Removal { node: node(1) }),
    ];
    let forwards = map(&records);
    let backwards = map(&records.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(forwards, backwards);
    let left: Vec<NodeId> = forwards.members().keys().copied().collect();
    assert_eq!(left, [node(0), node(1)], "the senior of the two stays");
}

#[test]
fn the_same_name_added_twice_is_one_folder_and_a_rename_changes_the_label() {
    let mut map = map(&[
        founder(),
        record(0, 2, admit(1, true)),
        record(0, 3, folder("web", "web")),
        record(1, 3, folder("web", "web")),
    ]);
    assert_eq!(map.folders().len(), 1);
    assert_eq!(map.apply(record(1, 4, folder("web", "site")), &Toy), Outcome::Applied);
    assert_eq!(map.folder_called("site").unwrap().0, id("web"));
    assert!(map.folder_called("web").is_none());
}

#[test]
fn a_map_survives_its_bytes_and_a_changed_byte_does_not_pass() {
    let map = map(&[
        founder(),
        record(0, 2, admit(1, true)),
        record(1, 3, folder("web", "web")),
        record(1, 3, Fact::Other { kind: 99, key: vec![1], value: vec![2; 40] }),
    ]);
    let bytes = map.encode();
    assert_eq!(ClusterMap::decode(cluster(), &bytes, &Toy).unwrap(), map);
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let read = ClusterMap::decode(cluster(), &bad, &Toy);
        assert!(read.is_err() || read.is_ok_and(|read| read == map), "byte {at}");
    }
}

#[test]
fn a_map_of_another_cluster_or_without_a_founder_is_refused() {
    let bytes = map(&[founder()]).encode();
    let other = ClusterId([9; 16]);
    assert_eq!(
        ClusterMap::decode(other, &bytes, &Toy),
        Err(MapError::Record(RecordError::OtherCluster))
    );
    let empty = ClusterMap::new(cluster()).encode();
    assert_eq!(ClusterMap::decode(cluster(), &empty, &Toy), Err(MapError::NoFounder));
}

#[test]
fn names_and_records_are_bounded() {
    let bad = |fact| Draft::new(cluster(), fact, Hlc(1), node(0)).map(|_| ());
    let named = |name: String| Fact::Profile(Profile { name, addresses: vec![] });
    assert_eq!(bad(named(String::new())), Err(RecordError::BadText));
    assert_eq!(bad(named("a\nb".to_owned())), Err(RecordError::BadText));
    assert_eq!(bad(named("a".repeat(256))), Err(RecordError::BadText));
    let long = Fact::Other { kind: 77, key: vec![], value: vec![0; RECORD_BYTES_MAX] };
    assert_eq!(bad(long), Err(RecordError::TooLong));
    let bytes = vec![0; RECORD_BYTES_MAX + 1];
    assert_eq!(Record::decode(cluster(), &bytes), Err(RecordError::TooLong));
}

#[test]
fn strangers_cannot_fill_the_map() {
    let mut map = map(&[founder()]);
    let holder = |n: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_le_bytes());
        record(5, 1, Fact::Holder { folder: FolderId(id), holds: true })
    };
    for n in 0..VOID_RECORDS_MAX {
        assert_eq!(map.apply(holder(n), &Toy), Outcome::Void);
    }
    let last = map.apply(holder(VOID_RECORDS_MAX), &Toy);
    assert_eq!(last, Outcome::Refused(Refused::Full));
    assert_eq!(map.apply(record(0, 2, admit(1, false)), &Toy), Outcome::Applied);
}

fn any_record() -> impl Strategy<Value = Record> {
    (0..5_u8, 1..20_u64, 0..6_u8, 0..5_u8, any::<bool>()).prop_map(|(signer, hlc, kind, n, yes)| {
        let fact = match kind {
            0 | 1 => admit(n, yes),
            2 => Fact::Removal { node: node(n) },
            3 => Fact::Profile(profile(if yes { "x" } else { "y" })),
            4 => folder("web", if yes { "a" } else { "b" }),
            _ => Fact::Holder { folder: id("web"), holds: yes },
        };
        record(signer, hlc, fact)
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (records, shuffled) in prop::collection::vec(any_record(), 0..24)
            .prop_map(|mut records| { records.insert(0, founder()); records })
            .prop_flat_map(|records| {
                (proptest::strategy::Just(records.clone()),
                 proptest::strategy::Just(records).prop_shuffle())
            })
    ) {
        let (one, two) = (map(&records), map(&shuffled));
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(one.digest(), two.digest());
        prop_assert!(one.members().contains_key(&node(0)), "nobody can remove the founder");
        let read = ClusterMap::decode(cluster(), &one.encode(), &Toy).unwrap();
        prop_assert_eq!(read.digest(), one.digest());
        prop_assert_eq!(read.standing.members, one.standing.members);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(cluster(), &bytes);
        let _ = ClusterMap::decode(cluster(), &bytes, &Toy);
    }
}

#[test]
fn a_policy_is_read_and_said_as_the_museum_has_it() {
    let policy = Policy { beside: true, prefer: Some(node(1)) };
    let said = record(0, 5, Fact::Policy { folder: id("web"), policy });
    let kept = include_bytes!("../../../../testdata/wire-1/policy.bin");
    assert_eq!(said.bytes(), kept);
    assert_eq!(Record::decode(cluster(), kept).expect("a record"), said);
}

#[test]
fn what_becomes_of_conflicts_is_what_any_member_said_last() {
    let (beside, store) = (Policy { beside: true, prefer: Some(node(1)) }, Policy::default());
    let says =
        |signer, hlc, policy| record(signer, hlc, Fact::Policy { folder: id("web"), policy });
    let records = [founder(), record(0, 2, admit(1, false)), says(0, 5, store), says(1, 9, beside)];
    let mut map = map(&records);
    assert_eq!((map.policy(id("web")), map.policy(id("db"))), (beside, store));
    assert_eq!(map.apply(says(1, 7, store), &Toy), Outcome::Stale);
    assert_eq!(map.apply(says(2, 20, store), &Toy), Outcome::Void, "2 is no member");
    let again = ClusterMap::decode(cluster(), &map.encode(), &Toy).expect("its own bytes");
    assert_eq!(again.policy(id("web")), beside);
    let left = map.removal(node(0), node(1)).expect("the founder may");
    assert!(left.contains(&Fact::Policy { folder: id("web"), policy: beside }), "it stands");
    assert_eq!(map.apply(says(0, 21, store), &Toy), Outcome::Applied);
    assert_eq!(map.policy(id("web")), store);
}
