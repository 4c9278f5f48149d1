//! One signed fact of the cluster as a value and as the bytes that were signed.
//!
//! Nothing here decides whether a fact counts: that is [`super::ClusterMap`]. A record is passed on
//! as the bytes that were minted, so that its signature holds whatever program forwards it.

use super::ClusterId;
use crate::dot::NodeId;
use crate::entry::Hlc;
use crate::message::FolderId;
use prost::Message;

/// Longest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 4096;
/// Longest name of a node or a folder, in bytes.
pub const LABEL_BYTES_MAX: usize = 255;
/// Most addresses that a member tells.
pub const ADDRESSES_MAX: usize = 8;
/// Longest address (`host:port`), in bytes.
pub const ADDRESS_BYTES_MAX: usize = 261;

const DOMAIN: &[u8] = b"syncline cluster record v1\0";

const CLUSTER: u32 = 1;
const MEMBER: u32 = 2;
const REMOVAL: u32 = 3;
const PROFILE: u32 = 4;
const FOLDER: u32 = 5;
const HOLDER: u32 = 6;
const POLICY: u32 = 7;

/// Where and under which name a member is found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Profile {
    /// The name that people use for it; not unique by force.
    pub name: String,
    /// `host:port`, best first.
    pub addresses: Vec<String>,
}

/// What becomes of concurrent edits of one file in a folder (decisions A17).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Policy {
    /// The loser is published as a file beside the winner; else it stays in the conflict store.
    pub beside: bool,
    /// What this node writes wins.
    pub prefer: Option<NodeId>,
}

/// What a record says. Who says it is the record's signer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The signer founded the cluster: its id is derived from the signer's key and this nonce.
    Cluster {
        /// 16 random bytes.
        nonce: [u8; 16],
    },
    /// The signer lets `node` in.
    Member {
        /// Who comes in.
        node: NodeId,
        /// Whether it may admit others and define folders.
        admin: bool,
        /// What it said of itself when it came; its own later word goes first.
        profile: Profile,
    },
    /// The signer throws `node` out, for ever; everything that `node` signed is void.
    Removal {
        /// Who goes.
        node: NodeId,
    },
    /// What the signer says of itself.
    Profile(Profile),
    /// A folder of the cluster.
    Folder {
        /// Its name when it was first added; its id is derived from it.
        first_name: String,
        /// Rises when a folder of this name was removed everywhere and is made anew.
        epoch: u32,
        /// Its name now.
        label: String,
        /// Whether it was removed everywhere.
        removed: bool,
    },
    /// Whether the signer holds a folder.
    Holder {
        /// Which one.
        folder: FolderId,
        /// Holds it, or does so no longer.
        holds: bool,
    },
    /// What becomes of conflicts in a folder. Any member may say it; the newest word counts.
    Policy {
        /// Which folder.
        folder: FolderId,
        /// What becomes of them.
        policy: Policy,
    },
    /// A fact of a newer program: kept and passed on, understood by nobody here.
    Other {
        /// Its kind.
        kind: u32,
        /// Its key within the kind.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
}

/// What a record is about: of several records of one signer about one thing the newest counts.
pub(super) type Key = (u32, Vec<u8>);

/// Why bytes are not a record of this cluster. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordError {
    /// Longer than [`RECORD_BYTES_MAX`].
    TooLong,
    /// Not what the format says.
    Malformed,
    /// A name or address that is empty, too long, too many, or has control characters.
    BadText,
    /// It belongs to another cluster.
    OtherCluster,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RecordError::TooLong => "a cluster record is longer than 4096 bytes",
            RecordError::Malformed => "a cluster record is malformed",
            RecordError::BadText => "a cluster record has a name or address that cannot be one",
            RecordError::OtherCluster => "a cluster record belongs to another cluster",
        })
    }
}

impl std::error::Error for RecordError {}

#[derive(Clone, PartialEq, Message)]
struct WireRecord {
    #[prost(bytes = "vec", tag = "1")]
    body: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireBody {
    #[prost(bytes = "vec", tag = "1")]
    cluster: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    signer: Vec<u8>,
    #[prost(uint64, tag = "3")]
    hlc: u64,
    #[prost(uint32, tag = "4")]
    kind: u32,
    #[prost(bytes = "vec", tag = "5")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WireMember {
    #[prost(bool, tag = "1")]
    admin: bool,
    #[prost(message, optional, tag = "2")]
    profile: Option<WireProfile>,
}

#[derive(Clone, PartialEq, Message)]
struct WireProfile {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "2")]
    addresses: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct WireFolder {
    #[prost(string, tag = "1")]
    first_name: String,
    #[prost(uint32, tag = "2")]
    epoch: u32,
    #[prost(string, tag = "3")]
    label: String,
    #[prost(bool, tag = "4")]
    removed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct WirePolicy {
    #[prost(bool, tag = "1")]
    beside: bool,
    /// Nobody, or a key.
    #[prost(bytes = "vec", tag = "2")]
    prefer: Vec<u8>,
}

/// A fact that waits for its signature.
#[derive(Clone, Debug)]
pub struct Draft {
    fact: Fact,
    hlc: Hlc,
    signer: NodeId,
    cluster: ClusterId,
    body: Vec<u8>,
}

impl Draft {
    /// Words a fact for `signer` to sign.
    ///
    /// # Errors
    /// `TooLong` or `BadText`: the fact cannot be said.
    pub fn new(
        cluster: ClusterId,
        fact: Fact,
        hlc: Hlc,
        signer: NodeId,
    ) -> Result<Draft, RecordError> {
        check_texts(&fact)?;
        let (kind, key) = key_of(cluster, &fact);
        let body = WireBody {
            cluster: cluster.0.to_vec(),
            signer: signer.0.to_vec(),
            hlc: hlc.0,
            kind,
            key,
            value: value_of(&fact),
        }
        .encode_to_vec();
        if body.len() + 80 > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        Ok(Draft { fact, hlc, signer, cluster, body })
    }

    /// The bytes to sign.
    pub fn message(&self) -> Vec<u8> {
        message(&self.body)
    }

    /// The record, with the signer's ed25519 signature over [`Draft::message`].
    pub fn signed(self, signature: [u8; 64]) -> Record {
        let bytes = WireRecord { body: self.body.clone(), signature: signature.to_vec() };
        Record {
            key: key_of(self.cluster, &self.fact),
            fact: self.fact,
            hlc: self.hlc,
            signer: self.signer,
            body: self.body,
            signature,
            bytes: bytes.encode_to_vec(),
        }
    }
}

/// A fact with its signature, not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    key: Key,
    fact: Fact,
    hlc: Hlc,
    signer: NodeId,
    body: Vec<u8>,
    signature: [u8; 64],
    bytes: Vec<u8>,
}

impl Record {
    /// Reads a record of `cluster`. The signature is not looked at.
    ///
    /// # Errors
    /// Why it is none; see [`RecordError`].
    pub fn decode(cluster: ClusterId, bytes: &[u8]) -> Result<Record, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let wire = WireRecord::decode(bytes).map_err(|_| RecordError::Malformed)?;
        let body = WireBody::decode(wire.body.as_slice()).map_err(|_| RecordError::Malformed)?;
        if body.cluster != cluster.0 {
            return Err(RecordError::OtherCluster);
        }
        let fact = fact_of(&body)?;
        check_texts(&fact)?;
        let key = (body.kind, body.key);
        if key_of(cluster, &fact) != key {
            return Err(RecordError::Malformed);
        }
        Ok(Record {
            key,
            fact,
            hlc: Hlc(body.hlc),
            signer: NodeId(sized(&body.signer)?),
            signature: sized(&wire.signature)?,
            body: wire.body,
            bytes: bytes.to_vec(),
        })
    }

    /// The bytes as minted.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says.
    pub fn fact(&self) -> &Fact {
        &self.fact
    }

    /// When it was said, by the signer's clock.
    pub fn hlc(&self) -> Hlc {
        self.hlc
    }

    /// Who says it.
    pub fn signer(&self) -> NodeId {
        self.signer
    }

    /// What the signature is over.
    pub fn message(&self) -> Vec<u8> {
        message(&self.body)
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Its place among the records of one signer about one thing: total, so that order of arrival
    /// never matters.
    pub(super) fn stamp(&self) -> (Hlc, NodeId, &[u8]) {
        (self.hlc, self.signer, &self.bytes)
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}

/// What a fact is about. Facts of a signer about itself need no key: the signer is the key.
pub(super) fn key_of(cluster: ClusterId, fact: &Fact) -> Key {
    match fact {
        Fact::Cluster { .. } => (CLUSTER, Vec::new()),
        Fact::Member { node, .. } => (MEMBER, node.0.to_vec()),
        Fact::Removal { node } => (REMOVAL, node.0.to_vec()),
        Fact::Profile(_) => (PROFILE, Vec::new()),
        Fact::Folder { first_name, epoch, .. } => {
            (FOLDER, FolderId::derive(cluster, first_name, *epoch).0.to_vec())
        }
        Fact::Holder { folder, .. } => (HOLDER, folder.0.to_vec()),
        Fact::Policy { folder, .. } => (POLICY, folder.0.to_vec()),
        Fact::Other { kind, key, .. } => (*kind, key.clone()),
    }
}

fn value_of(fact: &Fact) -> Vec<u8> {
    let wire = |profile: &Profile| WireProfile {
        name: profile.name.clone(),
        addresses: profile.addresses.clone(),
    };
    match fact {
        Fact::Cluster { nonce } => nonce.to_vec(),
        Fact::Member { admin, profile, .. } => {
            WireMember { admin: *admin, profile: Some(wire(profile)) }.encode_to_vec()
        }
        Fact::Removal { .. } => Vec::new(),
        Fact::Profile(profile) => wire(profile).encode_to_vec(),
        Fact::Folder { first_name, epoch, label, removed } => WireFolder {
            first_name: first_name.clone(),
            epoch: *epoch,
            label: label.clone(),
            removed: *removed,
        }
        .encode_to_vec(),
        Fact::Holder { holds, .. } => vec![u8::from(*holds)],
        Fact::Policy { policy, .. } => {
            let prefer = policy.prefer.map(|node| node.0.to_vec()).unwrap_or_default();
            WirePolicy { beside: policy.beside, prefer }.encode_to_vec()
        }
        Fact::Other { value, .. } => value.clone(),
    }
}

fn fact_of(body: &WireBody) -> Result<Fact, RecordError> {
    let malformed = |_| RecordError::Malformed;
    let value = body.value.as_slice();
    let profile = |wire: WireProfile| Profile { name: wire.name, addresses: wire.addresses };
    Ok(match body.kind {
        CLUSTER => Fact::Cluster { nonce: sized(value)? },
        MEMBER => {
            let wire = WireMember::decode(value).map_err(malformed)?;
            Fact::Member {
                node: NodeId(sized(&body.key)?),
                admin: wire.admin,
                profile: profile(wire.profile.ok_or(RecordError::Malformed)?),
            }
        }
        REMOVAL => Fact::Removal { node: NodeId(sized(&body.key)?) },
        PROFILE => Fact::Profile(profile(WireProfile::decode(value).map_err(malformed)?)),
        FOLDER => {
            let wire = WireFolder::decode(value).map_err(malformed)?;
            Fact::Folder {
                first_name: wire.first_name,
                epoch: wire.epoch,
                label: wire.label,
                removed: wire.removed,
            }
        }
        HOLDER => match value {
            [holds @ (0 | 1)] => {
                Fact::Holder { folder: FolderId(sized(&body.key)?), holds: *holds == 1 }
            }
            _ => return Err(RecordError::Malformed),
        },
        POLICY => {
            let wire = WirePolicy::decode(value).map_err(malformed)?;
            let prefer = match wire.prefer.as_slice() {
                [] => None,
                key => Some(NodeId(sized(key)?)),
            };
            let policy = Policy { beside: wire.beside, prefer };
            Fact::Policy { folder: FolderId(sized(&body.key)?), policy }
        }
        kind => Fact::Other { kind, key: body.key.clone(), value: body.value.clone() },
    })
}

fn check_texts(fact: &Fact) -> Result<(), RecordError> {
    let right = match fact {
        Fact::Member { profile, .. } | Fact::Profile(profile) => {
            is_label(&profile.name)
                && profile.addresses.len() <= ADDRESSES_MAX
                && profile.addresses.iter().all(|address| is_text(address, ADDRESS_BYTES_MAX))
        }
        Fact::Folder { first_name, label, .. } => is_label(first_name) && is_label(label),
        Fact::Cluster { .. } | Fact::Removal { .. } | Fact::Holder { .. } => true,
        Fact::Policy { .. } | Fact::Other { .. } => true,
    };
    if right {
        Ok(())
    } else {
        Err(RecordError::BadText)
    }
}

/// Whether a text may name a node or a folder: 1 to 255 bytes without control characters.
pub fn is_label(text: &str) -> bool {
    is_text(text, LABEL_BYTES_MAX)
}

fn is_text(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Malformed)
}
