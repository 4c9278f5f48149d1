//! What two nodes say before anything else: HELLO, refusal, join request and answer, as bytes.
//!
//! The wire structs are private to this file; the rest of `net` sees checked values. No socket.
//! Called by `listen`, `dial`, `peer` and `join`.

use engine::dot::NodeId;
use prost::Message;

use super::invite::{InviteId, JoinRefusal, Wish};
use super::limits::{
    ADDRESSES_MAX, DATA_CONNECTIONS_MAX, HOST_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX,
    VERSIONS, WISHES_MAX,
};
use super::ClusterId;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Control,
    Data,
    Join,
}

/// A checked HELLO. Tokens are random; `attempt` only ever grows within a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hello {
    pub versions: (u32, u32),
    pub cluster: ClusterId,
    pub purpose: Purpose,
    /// Chosen by who dialled the session's control connection; data connections repeat it.
    pub session: [u8; 16],
    /// One life of one network layer: tells a restarted peer from a stale message.
    pub process: [u8; 16],
    /// How many control connections this process had proposed when it said this.
    pub attempt: u64,
    /// How many data connections the session will have, as its dialler says.
    pub data_connections: usize,
    pub name: String,
}

/// Why a connection was refused by the other end, or what it said that is no HELLO.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The two builds have no protocol version in common.
    #[error("no protocol version in common; upgrade the older node")]
    Version,
    /// The peer belongs to another cluster.
    #[error("it belongs to another cluster")]
    OtherCluster,
    /// The peer does not count this node as a member.
    #[error("this node is not a member there")]
    NotMember,
    /// Both dialled at once, or a session is there already.
    #[error("another connection between the two nodes goes first")]
    Busy,
    /// A join that did not succeed.
    #[error(transparent)]
    Join(JoinRefusal),
    /// Anything else, in the peer's words.
    #[error("{0}")]
    Other(String),
}

/// What arrived is not what the protocol has at this point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed {0}")]
pub(super) struct Malformed(pub &'static str);

/// A newcomer's request, as it travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct JoinAsk {
    pub invite: InviteId,
    pub proof: [u8; 32],
    pub addresses: Vec<String>,
    pub wish: Wish,
}

/// The inviter's answer, as it travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct JoinAnswer {
    pub proof: [u8; 32],
    pub payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireHello {
    #[prost(uint32, tag = "1")]
    version_min: u32,
    #[prost(uint32, tag = "2")]
    version_max: u32,
    #[prost(bytes = "vec", tag = "3")]
    cluster: Vec<u8>,
    #[prost(uint32, tag = "4")]
    purpose: u32,
    #[prost(bytes = "vec", tag = "5")]
    session: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    process: Vec<u8>,
    #[prost(uint64, tag = "7")]
    attempt: u64,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(uint32, tag = "9")]
    data_connections: u32,
}

#[derive(Clone, PartialEq, Message)]
struct WireRefusal {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    reason: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireJoinAsk {
    #[prost(bytes = "vec", tag = "1")]
    invite: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    proof: Vec<u8>,
    #[prost(string, repeated, tag = "3")]
    addresses: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    folders: Vec<String>,
    #[prost(bool, tag = "5")]
    the_one_folder: bool,
}

#[derive(Clone, PartialEq, Message)]
struct WireJoinAnswer {
    #[prost(bytes = "vec", tag = "1")]
    proof: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    payload: Vec<u8>,
}

impl Hello {
    pub(super) fn encode(&self) -> Vec<u8> {
        let purpose = match self.purpose {
            Purpose::Control => 1,
            Purpose::Data => 2,
            Purpose::Join => 3,
        };
        WireHello {
            version_min: self.versions.0,
            version_max: self.versions.1,
            cluster: self.cluster.to_vec(),
            purpose,
            session: self.session.to_vec(),
            process: self.process.to_vec(),
            attempt: self.attempt,
            name: self.name.clone(),
            data_connections: self.data_connections as u32,
        }
        .encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Hello, Malformed> {
        let wire = WireHello::decode(bytes).map_err(|_| Malformed("hello"))?;
        let purpose = match wire.purpose {
            1 => Purpose::Control,
            2 => Purpose::Data,
            3 => Purpose::Join,
            _ => return Err(Malformed("purpose in hello")),
        };
        Ok(Hello {
            versions: (wire.version_min, wire.version_max),
            cluster: sized(&wire.cluster, "cluster id in hello")?,
            purpose,
            session: sized(&wire.session, "session in hello")?,
            process: sized(&wire.process, "process in hello")?,
            attempt: wire.attempt,
            data_connections: checked_count(purpose, wire.data_connections)?,
            name: checked_name(wire.name)?,
        })
    }

    /// The highest version that both sides speak.
    pub(super) fn version(&self) -> Option<u32> {
        let highest = self.versions.1.min(VERSIONS.1);
        (highest >= self.versions.0.max(VERSIONS.0)).then_some(highest)
    }
}

impl Refusal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (code, reason) = match self {
            Refusal::Version => (1, ""),
            Refusal::OtherCluster => (2, ""),
            Refusal::NotMember => (3, ""),
            Refusal::Busy => (4, ""),
            Refusal::Other(reason) => (5, reason.as_str()),
            Refusal::Join(JoinRefusal::WrongCode) => (16, ""),
            Refusal::Join(JoinRefusal::UsedUp) => (17, ""),
            Refusal::Join(JoinRefusal::Expired) => (18, ""),
            Refusal::Join(JoinRefusal::Refused(reason)) => (19, reason.as_str()),
            Refusal::Join(JoinRefusal::Folders(reason)) => (20, reason.as_str()),
        };
        WireRefusal { code, reason: shown(reason) }.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Refusal, Malformed> {
        let wire = WireRefusal::decode(bytes).map_err(|_| Malformed("refusal"))?;
        let reason = shown(&wire.reason);
        Ok(match wire.code {
            1 => Refusal::Version,
            2 => Refusal::OtherCluster,
            3 => Refusal::NotMember,
            4 => Refusal::Busy,
            16 => Refusal::Join(JoinRefusal::WrongCode),
            17 => Refusal::Join(JoinRefusal::UsedUp),
            18 => Refusal::Join(JoinRefusal::Expired),
            19 => Refusal::Join(JoinRefusal::Refused(reason)),
            20 => Refusal::Join(JoinRefusal::Folders(reason)),
            _ => Refusal::Other(reason),
        })
    }
}

impl JoinAsk {
    pub(super) fn encode(&self) -> Vec<u8> {
        let folders = match &self.wish {
            Wish::These(names) => names.clone(),
            Wish::Nothing | Wish::TheOne => Vec::new(),
        };
        WireJoinAsk {
            invite: self.invite.0.to_vec(),
            proof: self.proof.to_vec(),
            addresses: self.addresses.clone(),
            folders,
            the_one_folder: self.wish == Wish::TheOne,
        }
        .encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<JoinAsk, Malformed> {
        let wire = WireJoinAsk::decode(bytes).map_err(|_| Malformed("join request"))?;
        if wire.addresses.len() > ADDRESSES_MAX
            || wire.addresses.iter().any(|a| a.len() > HOST_BYTES_MAX + 8 || !is_plain(a))
        {
            return Err(Malformed("addresses in join request"));
        }
        if wire.folders.len() > WISHES_MAX
            || !wire.folders.iter().all(|name| engine::cluster_map::is_label(name))
        {
            return Err(Malformed("folders in join request"));
        }
        let wish = match wire.the_one_folder {
            true => Wish::TheOne,
            false if wire.folders.is_empty() => Wish::Nothing,
            false => Wish::These(wire.folders),
        };
        Ok(JoinAsk {
            invite: InviteId(sized(&wire.invite, "invite in join request")?),
            proof: sized(&wire.proof, "proof in join request")?,
            addresses: wire.addresses,
            wish,
        })
    }
}

impl JoinAnswer {
    pub(super) fn encode(self) -> Vec<u8> {
        WireJoinAnswer { proof: self.proof.to_vec(), payload: self.payload }.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<JoinAnswer, Malformed> {
        let wire = WireJoinAnswer::decode(bytes).map_err(|_| Malformed("join answer"))?;
        let proof = sized(&wire.proof, "proof in join answer")?;
        Ok(JoinAnswer { proof, payload: wire.payload })
    }
}

/// Whether a name is one that a node may have: 1 to 64 bytes, no control characters.
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && is_plain(name)
}

fn checked_count(purpose: Purpose, data_connections: u32) -> Result<usize, Malformed> {
    let least = usize::from(purpose == Purpose::Control);
    usize::try_from(data_connections)
        .ok()
        .filter(|count| (least..=DATA_CONNECTIONS_MAX).contains(count))
        .ok_or(Malformed("number of data connections"))
}

fn checked_name(name: String) -> Result<String, Malformed> {
    if is_valid_name(&name) {
        Ok(name)
    } else {
        Err(Malformed("node name"))
    }
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// A peer's words, fit for a log line: bounded, without control characters.
fn shown(reason: &str) -> String {
    let mut out = String::new();
    for c in reason.chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > REASON_BYTES_MAX {
            break;
        }
        out.push(c);
    }
    out
}

fn sized<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed(what))
}

/// A node's short name for logs and errors: the first eight hex digits of its key.
pub(super) fn short(node: &NodeId) -> String {
    format!("{node:?}")
}

#[cfg(test)]
mod tests;
