//! Founding, letting in, refusing, and surviving a restart; the network is left out.

use super::{found, now_unix_ms, Authority, Fact, Members, MembershipError, Profile};
use crate::config::Config;
use crate::home::Home;
use crate::net::identity::Identity;
use crate::net::invite::{InviteTerms, JoinCode, JoinRefusal, JoinRequest, Transcript, Wish};
use engine::cluster_map::{ClusterId, ClusterMap, Outcome};
use engine::dot::NodeId;
use proptest::prelude::{any, proptest, ProptestConfig};
use proptest::sample::Index;
use proptest::{collection, prop_assert};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn profile(name: &str) -> Profile {
    Profile { name: name.to_owned(), addresses: vec!["10.0.0.1:7420".to_owned()] }
}

fn founded(dir: &std::path::Path) -> (Home, Members) {
    let home = Home::create(&dir.join("a")).unwrap();
    found(&home, profile("a")).unwrap();
    let members = Members::open(&home).unwrap();
    (home, members)
}

fn code(members: &Members, uses: u32, admin: bool) -> JoinCode {
    let terms = InviteTerms { uses, expires_unix_ms: now_unix_ms() + 60_000, admin };
    let text = members.invite(vec!["10.0.0.1:7420".to_owned()], terms).unwrap();
    JoinCode::decode(&text).unwrap()
}

fn request(code: &JoinCode, newcomer: NodeId, inviter: NodeId) -> JoinRequest {
    let transcript = Transcript { exporter: [3; 32], newcomer, inviter };
    JoinRequest {
        name: "b".to_owned(),
        addresses: vec!["10.0.0.2:7420".to_owned()],
        invite: code.invite_id(),
        proof: transcript.newcomer_proof(&code.key()),
        wish: Wish::Nothing,
        transcript,
    }
}

#[test]
fn a_home_is_founded_once_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let empty = Home::create(&dir.path().join("e")).unwrap();
    assert!(matches!(Members::open(&empty), Err(MembershipError::NotInitialised(_))));
    let (home, members) = founded(dir.path());
    let again = found(&home, profile("z")).unwrap_err().to_string();
    assert!(again.contains("already node \"a\""), "{again}");
    let id = members.identity().node_id();
    members.with(|map| assert!(map.members()[&id].admin));
    assert!(members.admit(&id) && !members.admit(&NodeId([1; 32])));
}

#[test]
fn a_code_lets_in_as_many_as_it_says_also_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (home, members) = founded(dir.path());
    let me = members.identity().node_id();
    let code = code(&members, 1, false);
    drop(members);
    let members = Members::open(&home).unwrap();
    let changes = members.changes();
    let mut wrong = request(&code, NodeId([2; 32]), me);
    wrong.proof = [0; 32];
    assert_eq!(members.join(wrong), Err(JoinRefusal::WrongCode));
    let asked = request(&code, NodeId([2; 32]), me);
    let grant = members.join(asked.clone()).unwrap();
    let cluster = ClusterId(code.cluster);
    let map = ClusterMap::decode(cluster, &grant.payload, &super::Ed25519).unwrap();
    assert_eq!(map.members()[&NodeId([2; 32])].profile.name, "b");
    assert!(changes.has_changed().unwrap() && members.admit(&NodeId([2; 32])));
    drop(members);
    let members = Members::open(&home).unwrap();
    assert!(members.join(asked).is_ok(), "the same node may ask again");
    let third = request(&code, NodeId([3; 32]), me);
    assert_eq!(members.join(third), Err(JoinRefusal::UsedUp));
}

/// "Several folders: nothing was changed here" was said by a node that was a member by then, and
/// one that nobody held any more counted among them.
#[test]
fn who_means_folders_that_are_not_there_or_not_one_is_not_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let (_home, members) = founded(dir.path());
    let (me, new) = (members.identity().node_id(), NodeId([2; 32]));
    let code = code(&members, 1, false);
    let ask = |wish: Wish| members.join(JoinRequest { wish, ..request(&code, new, me) });
    let refused = |wish: Wish| match ask(wish) {
        Err(JoinRefusal::Folders(why)) => why,
        other => panic!("{other:?}"),
    };
    let these = |names: &[&str]| Wish::These(names.iter().map(|&name| name.to_owned()).collect());
    assert!(refused(Wish::TheOne).contains("no folder yet"));
    for name in ["one", "two", "old"] {
        let (first_name, label) = (name.to_owned(), name.to_owned());
        members.say(Fact::Folder { first_name, epoch: 0, label, removed: false }).unwrap();
        let folder = members.with(|map| map.folder_called(name).unwrap().0);
        members.say(Fact::Holder { folder, holds: name != "old" }).unwrap();
    }
    assert!(refused(Wish::TheOne).ends_with("(one, two)"));
    assert!(refused(these(&["one", "three"])).contains("no folder \"three\" (it has: one, two)"));
    assert!(!members.admit(&new));
    let two = members.with(|map| map.folder_called("two").unwrap().0);
    members.say(Fact::Holder { folder: two, holds: false }).unwrap();
    ask(Wish::TheOne).unwrap();
    assert!(members.admit(&new), "the code's one use was not spent on what was refused");
    ask(these(&["old"])).unwrap();
}

#[test]
fn a_guest_speaks_for_itself_but_not_for_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let (_home, first) = founded(dir.path());
    let home = Home::create(&dir.path().join("b")).unwrap();
    let guest = Identity::create(home.path()).unwrap().node_id();
    let code = code(&first, 1, false);
    let grant = first.join(request(&code, guest, first.identity().node_id())).unwrap();
    let stored = [code.cluster.as_slice(), &grant.payload].concat();
    home.write_cluster_map(&stored).unwrap();
    let second = Members::open(&home).unwrap();
    let folder = Fact::Folder {
        first_name: "web".to_owned(),
        epoch: 0,
        label: "web".to_owned(),
        removed: false,
    };
    assert!(matches!(second.say(folder.clone()), Err(MembershipError::NotAdmin)));
    second.say(Fact::Profile(profile("b2"))).unwrap();
    first.say(folder).unwrap();
    for (from, to) in [(&first, &second), (&second, &first)] {
        let records = from.with(|map| map.record_bytes().map(<[u8]>::to_vec).collect::<Vec<_>>());
        for bytes in records {
            let outcome = to.apply(&bytes).unwrap();
            assert!(matches!(outcome, Outcome::Applied | Outcome::Stale));
        }
    }
    assert_eq!(first.with(ClusterMap::digest), second.with(ClusterMap::digest));
    first.with(|map| assert_eq!(map.members()[&guest].profile.name, "b2"));
}

/// A home as version 1 left it: on the way out of the repository its files become private again.
fn museum(dir: &Path) -> Home {
    let home = Home::create(&dir.join("museum")).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/home-1");
    for name in FILES {
        let copy = home.path().join(name);
        std::fs::copy(kept.join(name), &copy).expect("testdata/home-1 is part of the repository");
        std::fs::set_permissions(copy, PermissionsExt::from_mode(0o600)).unwrap();
    }
    home
}

const FILES: [&str; 6] =
    ["cluster.map", "config.toml", "events.jsonl", "home.token", "identity.key", "invites.json"];

/// The files never change. A change that cannot read them needs a migration, and a home of its own
/// in the museum.
#[test]
fn the_museums_first_home_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let home = museum(dir.path());
    let members = Members::open(&home).unwrap();
    let id = members.identity().node_id();
    members.with(|map| {
        assert_eq!(map.members()[&id].profile.name, "museum");
        assert_eq!(map.members()[&id].profile.addresses, ["192.0.2.1:7420"]);
        let (folder, web) = map.folders().iter().next().unwrap();
        assert_eq!(web.label, "web");
        assert!(map.holders(*folder).contains(&id));
    });
    let invites = &members.lock().invites;
    assert_eq!((invites.open.len(), invites.open[0].uses_left), (1, 1));
    assert_eq!(home.token().unwrap()[..], std::fs::read(home.path().join("home.token")).unwrap());
    let config = Config::read(&home.config()).unwrap();
    assert_eq!((config.name.as_str(), config.folders[0].name.as_str()), ("museum", "web"));
    let mut paths = Vec::new();
    crate::log::read(home.path(), |entry| {
        paths.push(entry.path);
        true
    })
    .unwrap();
    assert_eq!(paths, ["", "index.html"]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, cases: 200, ..ProptestConfig::default()
    })]

    /// Whatever a disk made of the home's files: it opens, or says which of them is damaged.
    #[test]
    fn a_damaged_home_is_refused_in_words_or_read(
        which in 0..FILES.len(),
        flips in collection::vec((any::<Index>(), 1u8..), 0..4),
        cut in any::<Option<Index>>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let home = museum(dir.path());
        let path = home.path().join(FILES[which]);
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = Members::open(&home) {
            let said = error.to_string();
            prop_assert!(said.contains(&home.path().display().to_string()), "{}", said);
        }
        drop((home.token(), Config::read(&home.config())));
        crate::log::read(home.path(), |_| true).unwrap();
    }
}
