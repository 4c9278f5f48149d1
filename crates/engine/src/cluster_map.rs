//! The signed, replicated facts of a cluster: members, folders, and who holds what (decisions C1).
//!
//! A map is a set of records, at most one per signer and thing, and a pure function of that set
//! says what counts. So the order in which records arrive never matters, not even when a record
//! comes before the one that gives its signer the right. Not a transport and no cryptography: the
//! check of a signature is handed in. Called by the daemon, which keeps the bytes and talks to
//! other nodes.
//!
//! Who counts is decided from the founder downwards, by seniority: an admission counts if its
//! signer is a member that may admit; a removal counts only if its signer is *senior* to whom it
//! removes. Otherwise two admins that remove one another, or a removed one that dates its records
//! back, could take a cluster over. Everything a removed member signed is void, whatever its date:
//! who removes a member signs again, under its own key, what shall stand
//! ([`ClusterMap::removal`]).

mod record;

pub use record::{
    is_label, Draft, Fact, Policy, Profile, Record, RecordError, ADDRESSES_MAX, ADDRESS_BYTES_MAX,
    LABEL_BYTES_MAX, RECORD_BYTES_MAX,
};

use crate::dot::NodeId;
use crate::entry::Hlc;
use crate::message::FolderId;
use prost::Message;
use record::{key_of, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Most records that count at once.
pub const RECORDS_MAX: usize = 65_536;
/// Most records kept that do not count (yet): their signer is unknown, removed, or has no right.
pub const VOID_RECORDS_MAX: usize = 1024;
/// Largest encoded map, in bytes.
pub const MAP_BYTES_MAX: usize = 64 << 20;

const MAP_VERSION: u32 = 1;

/// Names a cluster: derived from its founder's key and a nonce, so that nobody else can have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

impl ClusterId {
    /// The id of the cluster that `founder` makes with 16 random bytes.
    pub fn derive(founder: NodeId, nonce: &[u8; 16]) -> ClusterId {
        let mut hasher = blake3::Hasher::new_derive_key("syncline cluster id v1");
        hasher.update(&founder.0);
        hasher.update(nonce);
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        ClusterId(id)
    }
}

impl FolderId {
    /// The id of the folder first called `first_name`: nodes that add one name at the same time
    /// mean one folder. The epoch rises when a name is removed everywhere and made anew.
    pub fn derive(cluster: ClusterId, first_name: &str, epoch: u32) -> FolderId {
        let mut hasher = blake3::Hasher::new_derive_key("syncline folder id v1");
        hasher.update(&cluster.0);
        hasher.update(&epoch.to_le_bytes());
        hasher.update(first_name.as_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        FolderId(id)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Checks ed25519 signatures.
pub trait Verify {
    /// Whether `signature` is what `signer` makes of `message`.
    fn verify(&self, signer: &NodeId, message: &[u8], signature: &[u8; 64]) -> bool;
}

/// A member that was let in and not removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Whether it may admit others and define folders.
    pub admin: bool,
    /// Who let it in; the founder let itself in.
    pub admitted_by: NodeId,
    /// Its name and addresses: its own word, else what it said when it came.
    pub profile: Profile,
}

/// A folder of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// Its name now.
    pub label: String,
    /// Its name when it was first added.
    pub first_name: String,
    /// See [`FolderId::derive`].
    pub epoch: u32,
    /// Whether it was removed everywhere.
    pub removed: bool,
    /// Who said so last.
    pub by: NodeId,
}

/// What became of a record that was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is new and counts: keep it, pass it on.
    Applied,
    /// It is here already, or a newer one of the same signer is.
    Stale,
    /// Kept, but it does not count: its signer is unknown, removed, or has no right to say this.
    Void,
    /// Not kept.
    Refused(Refused),
}

/// Why a record was not kept; the map is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The signature is not the signer's.
    Signature,
    /// Its signer did not found this cluster.
    OtherCluster,
    /// The map is full.
    Full,
}

/// What counts, as worked out from the records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Standing {
    members: BTreeMap<NodeId, Member>,
    removed: BTreeSet<NodeId>,
    folders: BTreeMap<FolderId, Folder>,
    holders: BTreeMap<FolderId, BTreeSet<NodeId>>,
    policies: BTreeMap<FolderId, Policy>,
}

/// The facts of one cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterMap {
    cluster: ClusterId,
    records: BTreeMap<(Key, NodeId), Record>,
    standing: Standing,
}

#[derive(Clone, PartialEq, Message)]
struct WireMap {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", repeated, tag = "2")]
    records: Vec<Vec<u8>>,
}

/// Why bytes are no map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// Longer than [`MAP_BYTES_MAX`] or more than [`RECORDS_MAX`] records.
    TooLong,
    /// Not what the format says.
    Malformed,
    /// Of a newer program.
    Version(u32),
    /// A record in it is bad.
    Record(RecordError),
    /// A record in it was refused.
    Refused(Refused),
    /// No founder in it, so nobody in it counts.
    NoFounder,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::TooLong => f.write_str("the cluster's facts are larger than 64 MiB"),
            MapError::Malformed => f.write_str("the cluster's facts are malformed"),
            MapError::Version(version) => {
                write!(f, "the cluster's facts have version {version}; upgrade this node")
            }
            MapError::Record(why) => why.fmt(f),
            MapError::Refused(why) => write!(f, "a cluster record was refused: {why:?}"),
            MapError::NoFounder => f.write_str("the cluster's facts name no founder"),
        }
    }
}

impl std::error::Error for MapError {}

impl ClusterMap {
    /// A map that knows nothing but which cluster it is about.
    pub fn new(cluster: ClusterId) -> ClusterMap {
        ClusterMap { cluster, records: BTreeMap::new(), standing: Standing::default() }
    }

    /// Which cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Takes a record, whoever brought it.
    pub fn apply(&mut self, record: Record, verify: &dyn Verify) -> Outcome {
        let slot = (record.key().clone(), record.signer());
        if self.records.get(&slot).is_some_and(|have| have.stamp() >= record.stamp()) {
            return Outcome::Stale;
        }
        if let Fact::Cluster { nonce } = record.fact() {
            if ClusterId::derive(record.signer(), nonce) != self.cluster {
                return Outcome::Refused(Refused::OtherCluster);
            }
        }
        if !verify.verify(&record.signer(), &record.message(), record.signature()) {
            return Outcome::Refused(Refused::Signature);
        }
        if !self.records.contains_key(&slot) && self.is_full(&record) {
            return Outcome::Refused(Refused::Full);
        }
        let counts_at = slot.clone();
        self.records.insert(slot, record);
        self.standing = self.work_out();
        match self.records.get(&counts_at) {
            Some(record) if self.counts(record) => Outcome::Applied,
            _ => Outcome::Void,
        }
    }

    fn is_full(&self, record: &Record) -> bool {
        if self.records.len() >= RECORDS_MAX {
            return true;
        }
        !matches!(record.fact(), Fact::Cluster { .. })
            && !self.counts(record)
            && self.records.values().filter(|r| !self.counts(r)).count() >= VOID_RECORDS_MAX
    }

    /// Whether the signer is a member and may say this. Removals count by seniority as well.
    fn counts(&self, record: &Record) -> bool {
        let Some(signer) = self.standing.members.get(&record.signer()) else { return false };
        match record.fact() {
            Fact::Cluster { .. } | Fact::Profile(_) | Fact::Holder { .. } => true,
            Fact::Policy { .. } => true,
            Fact::Member { .. } | Fact::Folder { .. } | Fact::Other { .. } => signer.admin,
            Fact::Removal { node } => self.standing.removed.contains(node) && signer.admin,
        }
    }

    /// From the founder downwards, the most senior first: whoever is met is decided for good.
    fn work_out(&self) -> Standing {
        let mut standing = Standing::default();
        let mut waiting = BTreeSet::new();
        for record in self.records.values() {
            if matches!(record.fact(), Fact::Cluster { .. }) {
                waiting.insert((Hlc(0), record.signer(), record.signer()));
            }
        }
        while let Some((rank, node, by)) = waiting.pop_first() {
            let decided = standing.members.contains_key(&node) || standing.removed.contains(&node);
            if decided {
                continue;
            }
            if self.is_removed(&standing, node) {
                standing.removed.insert(node);
                continue;
            }
            let admin = node == by || self.is_admin(&standing, node);
            let profile = self.profile_of(node, by);
            standing.members.insert(node, Member { admin, admitted_by: by, profile });
            if admin {
                for (hlc, newcomer) in self.admitted_by(node) {
                    let junior = Hlc(hlc.0.max(rank.0.saturating_add(1)));
                    waiting.insert((junior, newcomer, node));
                }
            }
        }
        self.work_out_folders(&mut standing);
        standing
    }

    fn is_removed(&self, standing: &Standing, node: NodeId) -> bool {
        standing.members.iter().any(|(&signer, member)| {
            let slot = (key_of(self.cluster, &Fact::Removal { node }), signer);
            member.admin && self.records.contains_key(&slot)
        })
    }

    fn is_admin(&self, standing: &Standing, node: NodeId) -> bool {
        standing.members.iter().any(|(&signer, member)| {
            member.admin
                && matches!(self.admission(node, signer), Some(Fact::Member { admin: true, .. }))
        })
    }

    fn admission(&self, node: NodeId, signer: NodeId) -> Option<&Fact> {
        let fact = Fact::Member { node, admin: false, profile: Profile::default() };
        let slot = (key_of(self.cluster, &fact), signer);
        self.records.get(&slot).map(Record::fact)
    }

    fn admitted_by(&self, signer: NodeId) -> impl Iterator<Item = (Hlc, NodeId)> + '_ {
        self.records.values().filter(move |record| record.signer() == signer).filter_map(|record| {
            match record.fact() {
                Fact::Member { node, .. } => Some((record.hlc(), *node)),
                _ => None,
            }
        })
    }

    fn profile_of(&self, node: NodeId, by: NodeId) -> Profile {
        let own = (key_of(self.cluster, &Fact::Profile(Profile::default())), node);
        if let Some(Fact::Profile(profile)) = self.records.get(&own).map(Record::fact) {
            return profile.clone();
        }
        match self.admission(node, by) {
            Some(Fact::Member { profile, .. }) => profile.clone(),
            _ => Profile::default(),
        }
    }

    fn work_out_folders(&self, standing: &mut Standing) {
        let mut newest: BTreeMap<FolderId, (Hlc, NodeId)> = BTreeMap::new();
        let mut policies: BTreeMap<FolderId, (Hlc, NodeId)> = BTreeMap::new();
        for record in self.records.values() {
            let Some(member) = standing.members.get(&record.signer()) else { continue };
            match record.fact() {
                Fact::Folder { first_name, epoch, label, removed } if member.admin => {
                    let id = FolderId::derive(self.cluster, first_name, *epoch);
                    let stamp = (record.hlc(), record.signer());
                    if newest.get(&id).is_some_and(|have| *have >= stamp) {
                        continue;
                    }
                    newest.insert(id, stamp);
                    let folder = Folder {
                        label: label.clone(),
                        first_name: first_name.clone(),
                        epoch: *epoch,
                        removed: *removed,
                        by: record.signer(),
                    };
                    standing.folders.insert(id, folder);
                }
                Fact::Holder { folder, holds: true } => {
                    standing.holders.entry(*folder).or_default().insert(record.signer());
                }
                Fact::Policy { folder, policy } => {
                    let stamp = (record.hlc(), record.signer());
                    if policies.get(folder).is_none_or(|have| *have < stamp) {
                        policies.insert(*folder, stamp);
                        standing.policies.insert(*folder, *policy);
                    }
                }
                _ => {}
            }
        }
    }

    /// The members by key: let in and not removed.
    pub fn members(&self) -> &BTreeMap<NodeId, Member> {
        &self.standing.members
    }

    /// Whether `node` was a member and was thrown out.
    pub fn is_removed_member(&self, node: NodeId) -> bool {
        self.standing.removed.contains(&node)
    }

    /// Whoever was a member and was thrown out.
    pub fn removed_members(&self) -> &BTreeSet<NodeId> {
        &self.standing.removed
    }

    /// Every folder, the removed ones too.
    pub fn folders(&self) -> &BTreeMap<FolderId, Folder> {
        &self.standing.folders
    }

    /// The folder that people call `label` now, with its id; the older id if two have one label.
    pub fn folder_called(&self, label: &str) -> Option<(FolderId, &Folder)> {
        let mut all = self.standing.folders.iter();
        all.find(|(_, folder)| !folder.removed && folder.label == label).map(|(id, f)| (*id, f))
    }

    /// The members that hold `folder`.
    pub fn holders(&self, folder: FolderId) -> BTreeSet<NodeId> {
        self.standing.holders.get(&folder).cloned().unwrap_or_default()
    }

    /// What becomes of conflicts in `folder`.
    pub fn policy(&self, folder: FolderId) -> Policy {
        self.standing.policies.get(&folder).copied().unwrap_or_default()
    }

    /// The bytes of every record that counts, in a fixed order.
    pub fn record_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.records.values().filter(|record| self.counts(record)).map(Record::bytes)
    }

    /// Equal on two nodes exactly when the same records count on both.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("syncline cluster map digest v1");
        for bytes in self.record_bytes() {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        *hasher.finalize().as_bytes()
    }

    /// The time to put on a new record of `signer`: it beats what is here about the same thing.
    pub fn stamp_for(&self, fact: &Fact, wall_ms: u64) -> Hlc {
        let key = key_of(self.cluster, fact);
        let same = self.records.range((key.clone(), NodeId([0; 32]))..);
        let newest = same.take_while(|(slot, _)| slot.0 == key).map(|(_, r)| r.hlc()).max();
        newest.unwrap_or_default().next(wall_ms)
    }

    /// What `remover` has to sign to remove `node`: what the leaver signed and shall stand first,
    /// the removal last. `None` if the remover is not senior to it or may not remove anybody.
    pub fn removal(&self, remover: NodeId, node: NodeId) -> Option<Vec<Fact>> {
        let signed_by_it = self.records.values().filter(|record| record.signer() == node);
        let mut facts: Vec<Fact> = signed_by_it
            .filter(|record| self.counts(record))
            .map(Record::fact)
            .filter(|fact| match fact {
                Fact::Member { .. } | Fact::Folder { .. } | Fact::Other { .. } => true,
                Fact::Policy { folder, policy } => self.policy(*folder) == *policy,
                _ => false,
            })
            .cloned()
            .collect();
        facts.push(Fact::Removal { node });
        let senior = self.seniority();
        let place = |who: NodeId| senior.iter().position(|have| *have == who);
        let may = self.standing.members.get(&remover).is_some_and(|member| member.admin);
        (may && place(remover)? < place(node)?).then_some(facts)
    }

    /// The members, the most senior first.
    fn seniority(&self) -> Vec<NodeId> {
        let mut ranks: BTreeMap<NodeId, Hlc> = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        for (&node, member) in &self.standing.members {
            if member.admitted_by == node {
                waiting.insert((Hlc(0), node));
            }
        }
        let mut order = Vec::new();
        while let Some((rank, node)) = waiting.pop_first() {
            let Some(member) = self.standing.members.get(&node) else { continue };
            if ranks.contains_key(&node) {
                continue;
            }
            ranks.insert(node, rank);
            order.push(node);
            if member.admin {
                for (hlc, newcomer) in self.admitted_by(node) {
                    waiting.insert((Hlc(hlc.0.max(rank.0.saturating_add(1))), newcomer));
                }
            }
        }
        order
    }

    /// The map as bytes: what is kept in the home, and what a newcomer gets.
    pub fn encode(&self) -> Vec<u8> {
        let records = self.record_bytes().map(<[u8]>::to_vec).collect();
        WireMap { version: MAP_VERSION, records }.encode_to_vec()
    }

    /// Reads a map of `cluster`, checking every signature.
    ///
    /// # Errors
    /// Too long, malformed, of a newer version, a bad record, or without the founder of `cluster`.
    pub fn decode(
        cluster: ClusterId,
        bytes: &[u8],
        verify: &dyn Verify,
    ) -> Result<ClusterMap, MapError> {
        if bytes.len() > MAP_BYTES_MAX {
            return Err(MapError::TooLong);
        }
        let wire = WireMap::decode(bytes).map_err(|_| MapError::Malformed)?;
        if wire.version != MAP_VERSION {
            return Err(MapError::Version(wire.version));
        }
        if wire.records.len() > RECORDS_MAX {
            return Err(MapError::TooLong);
        }
        let mut map = ClusterMap::new(cluster);
        for bytes in &wire.records {
            let record = Record::decode(cluster, bytes).map_err(MapError::Record)?;
            if !verify.verify(&record.signer(), &record.message(), record.signature()) {
                return Err(MapError::Refused(Refused::Signature));
            }
            if let Fact::Cluster { nonce } = record.fact() {
                if ClusterId::derive(record.signer(), nonce) != cluster {
                    return Err(MapError::Refused(Refused::OtherCluster));
                }
            }
            let slot = (record.key().clone(), record.signer());
            let newer = map.records.get(&slot).is_some_and(|have| have.stamp() >= record.stamp());
            if !newer {
                map.records.insert(slot, record);
            }
        }
        map.standing = map.work_out();
        if map.standing.members.is_empty() {
            return Err(MapError::NoFounder);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests;
