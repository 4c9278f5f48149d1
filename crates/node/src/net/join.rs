//! The way into a cluster: the newcomer's call with a code, and the inviter's answer to it.
//!
//! Over one TLS connection whose server key the code pins: HELLO, the newcomer's proof, the
//! inviter's proof with whatever the daemon grants. What is in the grant is not known here.
//! [`join`] is called by the `join` subcommand, `serve` by `listen`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::dot::NodeId;
use tokio::time::timeout;

use super::connection::{Connection, LinkError};
use super::dial;
use super::frame::Kind;
use super::hello::{is_valid_name, Hello, JoinAnswer, JoinAsk, Purpose, Refusal};
use super::identity::Identity;
use super::invite::{same_proof, JoinCode, JoinRefusal, JoinRequest, Transcript, Wish};
use super::limits::{Timing, ADDRESSES_MAX, PAYLOAD_BYTES_MAX, VERSIONS};
use super::pool::Shared;
use super::tls::Pin;

/// The inviter makes its records durable before it answers: that may take this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What a newcomer gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinReply {
    /// Who let it in; its key fits the code.
    pub inviter: NodeId,
    /// The inviter's name.
    pub inviter_name: String,
    /// The address of the code that worked, as the code has it.
    pub address: String,
    /// What it connected to.
    pub socket: SocketAddr,
    /// The daemon's grant.
    pub payload: Vec<u8>,
}

/// Why this node is no member; nothing was changed here.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address of the code answered.
    #[error(
        "cannot reach the inviting node: {0}; is its daemon running, and its port open to here?"
    )]
    Unreachable(Tried),
    /// Somebody answered, with another key.
    #[error(
        "the node at {address} is not the one that made this code: the code is of another \
             cluster or node, or somebody is in the middle; nothing was sent to it"
    )]
    WrongKey {
        /// Which address of the code.
        address: String,
    },
    /// The inviter belongs to another cluster now.
    #[error("the node at {address} belongs to another cluster than this code; ask for a new code")]
    OtherCluster {
        /// Which address of the code.
        address: String,
    },
    /// The inviter said no.
    #[error("not joined: {0}")]
    Refused(JoinRefusal),
    /// The inviter could not prove that it knows the code.
    #[error(
        "not joined: the node at {address} does not know the code that it is said to have made"
    )]
    NotProven {
        /// Which address of the code.
        address: String,
    },
    /// The name or addresses this node would tell are not valid.
    #[error("{0}")]
    Own(&'static str),
}

/// The addresses that were tried, and what each said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried(pub Vec<(String, String)>);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, why)) in self.0.iter().enumerate() {
            write!(f, "{}{address}: {why}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Who wants to join.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// Its key.
    pub identity: &'a Identity,
    /// Its name.
    pub name: &'a str,
    /// Where it will listen: `host:port`, at most 4.
    pub addresses: &'a [String],
    /// What it means to hold.
    pub wish: &'a Wish,
}

/// Joins by `code`: tries its addresses in turn.
///
/// # Errors
/// Distinct by what the person should do; a wrong key outweighs unreachable addresses.
pub async fn join(
    code: &JoinCode,
    newcomer: Newcomer<'_>,
    timing: &Timing,
) -> Result<JoinReply, JoinError> {
    if !is_valid_name(newcomer.name) {
        return Err(JoinError::Own("a node name has 1 to 64 bytes and no control characters"));
    }
    if newcomer.addresses.len() > ADDRESSES_MAX {
        return Err(JoinError::Own("a node tells at most 4 addresses"));
    }
    let mut tried = Vec::new();
    let mut wrong_key = None;
    for address in &code.addresses {
        match join_at(code, newcomer, address, timing).await {
            Ok(reply) => return Ok(reply),
            Err(LinkError::WrongKey) => {
                wrong_key.get_or_insert_with(|| address.clone());
            }
            Err(LinkError::Refused(Refusal::Join(refusal))) => {
                return Err(JoinError::Refused(refusal))
            }
            Err(LinkError::Refused(Refusal::OtherCluster)) => {
                return Err(JoinError::OtherCluster { address: address.clone() })
            }
            Err(LinkError::Refused(refusal)) => {
                return Err(JoinError::Refused(JoinRefusal::Refused(refusal.to_string())))
            }
            Err(LinkError::NotProven) => {
                return Err(JoinError::NotProven { address: address.clone() })
            }
            Err(error) => tried.push((address.clone(), error.to_string())),
        }
    }
    Err(match wrong_key {
        Some(address) => JoinError::WrongKey { address },
        None => JoinError::Unreachable(Tried(tried)),
    })
}

async fn join_at(
    code: &JoinCode,
    newcomer: Newcomer<'_>,
    address: &str,
    timing: &Timing,
) -> Result<JoinReply, LinkError> {
    let pin = Pin::Hash(code.inviter);
    let mut connection = dial::connect(newcomer.identity, pin, address, timing.dial).await?;
    timeout(ANSWER_LIMIT, ask(code, newcomer, address, &mut connection))
        .await
        .map_err(|_| LinkError::Silent(ANSWER_LIMIT))?
}

async fn ask(
    code: &JoinCode,
    newcomer: Newcomer<'_>,
    address: &str,
    connection: &mut Connection,
) -> Result<JoinReply, LinkError> {
    let hello = Hello {
        versions: VERSIONS,
        cluster: code.cluster,
        purpose: Purpose::Join,
        session: [0; 16],
        process: [0; 16],
        attempt: 0,
        data_connections: 0,
        name: newcomer.name.to_owned(),
    };
    let transcript = Transcript {
        exporter: connection.exporter()?,
        newcomer: newcomer.identity.node_id(),
        inviter: connection.peer,
    };
    let key = code.key();
    let ask = JoinAsk {
        invite: code.invite_id(),
        proof: transcript.newcomer_proof(&key),
        addresses: newcomer.addresses.to_vec(),
        wish: newcomer.wish.clone(),
    };
    connection.write(Kind::Hello, &hello.encode()).await?;
    let inviter = connection.read_hello().await?;
    connection.write(Kind::JoinAsk, &ask.encode()).await?;
    let frame = connection.read(PAYLOAD_BYTES_MAX).await?;
    let answer = match frame.kind {
        Kind::JoinGrant => JoinAnswer::decode(&frame.payload)?,
        Kind::Refuse => return Err(LinkError::Refused(Refusal::decode(&frame.payload)?)),
        other => return Err(LinkError::Unexpected(other)),
    };
    if !same_proof(&answer.proof, &transcript.inviter_proof(&key)) {
        return Err(LinkError::NotProven);
    }
    Ok(JoinReply {
        inviter: connection.peer,
        inviter_name: inviter.name,
        address: address.to_owned(),
        socket: connection.address,
        payload: answer.payload,
    })
}

/// Answers a newcomer whose HELLO has been read; its key is proven, nothing else.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    mut connection: Connection,
    hello: Hello,
) -> Result<(), LinkError> {
    let limit = shared.config.timing.preauth;
    let ask = timeout(limit, hear(shared, &mut connection));
    let ask = ask.await.map_err(|_| LinkError::Silent(limit))??;
    let request = JoinRequest {
        name: hello.name,
        addresses: ask.addresses,
        invite: ask.invite,
        proof: ask.proof,
        wish: ask.wish,
        transcript: Transcript {
            exporter: connection.exporter()?,
            newcomer: connection.peer,
            inviter: shared.config.identity.node_id(),
        },
    };
    let _slot = shared.joins.acquire().await;
    let authority = shared.authority.clone();
    let granted = tokio::task::spawn_blocking(move || authority.join(request)).await;
    let granted = granted.unwrap_or_else(|_| {
        Err(JoinRefusal::Refused("its daemon failed on the request; see its log".to_owned()))
    });
    match granted {
        Ok(grant) => {
            let answer = JoinAnswer { proof: grant.proof, payload: grant.payload }.encode();
            if answer.len() > PAYLOAD_BYTES_MAX {
                let reason = "the cluster's records do not fit in one answer".to_owned();
                connection.refuse(Refusal::Join(JoinRefusal::Refused(reason)), limit).await;
                return Ok(());
            }
            let sent = timeout(limit, connection.write(Kind::JoinGrant, &answer)).await;
            sent.map_err(|_| LinkError::Silent(limit))?
        }
        Err(refusal) => {
            connection.refuse(Refusal::Join(refusal), limit).await;
            Ok(())
        }
    }
}

async fn hear(shared: &Shared, connection: &mut Connection) -> Result<JoinAsk, LinkError> {
    let answer = shared.hello(Purpose::Join, [0; 16]);
    connection.write(Kind::Hello, &answer.encode()).await?;
    let frame = connection.read_preauth().await?;
    match frame.kind {
        Kind::JoinAsk => Ok(JoinAsk::decode(&frame.payload)?),
        other => Err(LinkError::Unexpected(other)),
    }
}
