//! Joining by code: in, and every way of not getting in.

use std::net::SocketAddr;

use super::{any_port, identity, quick, Node, CLUSTER};
use crate::net::identity::Identity;
use crate::net::invite::{InviteTerms, JoinCode, JoinRefusal, Wish};
use crate::net::join::{join, JoinError, JoinReply, Newcomer};
use crate::net::limits::Timing;
use crate::net::tls::key_hash;

fn invite(inviter: &Node, uses: u32) -> JoinCode {
    let terms = InviteTerms { uses, expires_unix_ms: 1000, admin: false };
    let mut book = inviter.book.invites.lock().unwrap();
    let addresses = inviter.address().addresses;
    JoinCode::decode(&book.issue(CLUSTER, key_hash(&inviter.id()), addresses, terms).unwrap())
        .unwrap()
}

async fn ask(code: &JoinCode, identity: &Identity) -> Result<JoinReply, JoinError> {
    let addresses = ["192.0.2.1:7420".to_owned()];
    let newcomer = Newcomer { identity, name: "new", addresses: &addresses, wish: &Wish::Nothing };
    join(code, newcomer, &quick()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_with_a_code_gets_the_grant_and_is_a_member_then() {
    let mut a = Node::start().await;
    let code = invite(&a, 1);
    let mut b = Node::start().await;
    let reply = ask(&code, &b.identity).await.unwrap();
    assert_eq!(reply.inviter, a.id());
    assert_eq!(reply.payload, b"the member map");
    let joined = a.book.joined.lock().unwrap().clone();
    assert_eq!(joined[0].transcript.newcomer, b.id());
    assert_eq!((joined[0].name.as_str(), joined[0].addresses.len()), ("new", 1));
    b.admit(&a);
    b.net.set_peers(vec![a.address()]);
    assert_eq!(b.connected().await, a.id());
    assert_eq!(a.connected().await, b.id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_up_expired_and_wrong_codes_are_refused_each_in_its_words() {
    let a = Node::start().await;
    let code = invite(&a, 1);
    ask(&code, &identity()).await.unwrap();
    let refused = ask(&code, &identity()).await;
    assert!(matches!(refused, Err(JoinError::Refused(JoinRefusal::UsedUp))), "{refused:?}");
    let code = invite(&a, 1);
    let mut wrong = code.clone();
    wrong.secret[0] ^= 1;
    let refused = ask(&wrong, &identity()).await;
    assert!(matches!(refused, Err(JoinError::Refused(JoinRefusal::WrongCode))), "{refused:?}");
    let mut foreign = code.clone();
    foreign.cluster[0] ^= 1;
    let refused = ask(&foreign, &identity()).await;
    assert!(matches!(refused, Err(JoinError::OtherCluster { .. })), "{refused:?}");
    *a.book.now_unix_ms.lock().unwrap() = 1000;
    let refused = ask(&code, &identity()).await;
    assert!(matches!(refused, Err(JoinError::Refused(JoinRefusal::Expired))), "{refused:?}");
    assert_eq!(a.book.members.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_key_is_noticed_and_learns_nothing() {
    let (a, other) = (Node::start().await, Node::start().await);
    let mut code = invite(&a, 1);
    code.addresses = other.address().addresses;
    let refused = ask(&code, &identity()).await;
    assert!(matches!(refused, Err(JoinError::WrongKey { .. })), "{refused:?}");
    assert!(other.book.joined.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_inviter_that_cannot_be_reached_is_named_with_the_reason() {
    let a = Node::start().await;
    let mut code = invite(&a, 1);
    let dead: SocketAddr = std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    code.addresses = vec![dead.to_string()];
    let error = ask(&code, &identity()).await.unwrap_err();
    assert!(matches!(&error, JoinError::Unreachable(tried) if tried.0.len() == 1), "{error}");
    assert!(error.to_string().contains(&dead.to_string()), "{error}");
    code.addresses.extend(a.address().addresses);
    assert!(ask(&code, &identity()).await.is_ok());
    let long = "x".repeat(65);
    let newcomer = identity();
    let newcomer =
        Newcomer { identity: &newcomer, name: &long, addresses: &[], wish: &Wish::Nothing };
    let refused = join(&code, newcomer, &Timing::default()).await;
    assert!(matches!(refused, Err(JoinError::Own(_))));
}
