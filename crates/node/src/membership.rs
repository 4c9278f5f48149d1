//! This node as a member: its key, the cluster's facts, and its invites, kept in the home.
//!
//! Founding and joining write a home once; [`Members`] is what a running daemon shares between its
//! loop and the network layer, and makes every change durable before it is told to anybody. Who
//! counts as a member is decided by engine::cluster_map, not here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::cluster_map::{
    ClusterId, ClusterMap, Draft, Fact, MapError, Outcome, Profile, Record, RecordError, Refused,
    Verify,
};
use engine::dot::NodeId;
use tokio::sync::watch;

use crate::home::{Home, HomeError};
use crate::net::identity::{self, Identity, IdentityError};
use crate::net::invite::{
    CodeError, InviteTerms, Invites, JoinCode, JoinGrant, JoinRefusal, JoinRequest, Wish,
};
use crate::net::join::{self, JoinError, Newcomer};
use crate::net::limits::Timing;
use crate::net::{tls, Authority};

mod book;

/// How long a spent or expired invite is kept to tell people why they are refused.
const INVITE_KEPT_MS: u64 = 7 * 24 * 3600 * 1000;

/// Why this node is no member, or a fact could not be said.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Neither founded nor joined.
    #[error(
        "home {0} has no node yet; nothing was changed; start a cluster with `syncline init`, or \
         join one with `syncline join CODE`; if the node runs as another user, its home is another \
         one: ask as that user (sudo), or name it with --home DIR"
    )]
    NotInitialised(std::path::PathBuf),
    /// Founded or joined already.
    #[error(
        "home {path} is already node {name:?} of cluster {cluster}; nothing was changed; add \
         folders with `syncline folder add`, or give another node its own --home"
    )]
    AlreadyMember {
        /// The home.
        path: std::path::PathBuf,
        /// This node's name there.
        name: String,
        /// The cluster.
        cluster: ClusterId,
    },
    /// The key file.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The kept facts.
    #[error(
        "{what} cannot be used: {why}; nothing was changed; restore the home from a backup, \
             or make a new one and join again"
    )]
    Facts {
        /// Which facts.
        what: String,
        /// Why not.
        why: MapError,
    },
    /// The kept invites.
    #[error(
        "the invites in home {path} are damaged ({why}); nothing was changed; remove the file \
             `invites.json` there, and make new invites"
    )]
    Invites {
        /// The home.
        path: std::path::PathBuf,
        /// Why not.
        why: String,
    },
    /// A fact that cannot be worded.
    #[error("{0}; nothing was changed")]
    Record(#[from] RecordError),
    /// A fact that this node has no right to say.
    #[error(
        "this node may not change what is true for the whole cluster: it was invited without \
         --admin; nothing was changed; do it on a node that may (`syncline node list`)"
    )]
    NotAdmin,
    /// The facts are too many.
    #[error("the cluster's facts are full ({0:?}); nothing was changed")]
    Refused(Refused),
    /// The way in failed.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The join code could not be made.
    #[error("cannot make a join code: {0}; nothing was changed")]
    Code(#[from] CodeError),
    /// The folders that are meant changed while this node was let in.
    #[error(
        "{0}; this node is a member now and holds no folder: start `syncline daemon`, then \
         `syncline folder add NAME PATH`"
    )]
    HoldsNone(String),
    /// Let in, and it could not be written down.
    #[error(
        "the cluster has let this node in, but that could not be written down here: {why}; the \
             node's key stays in home {home}: put that right, then give the same command again \
             with the same code, which costs no further use"
    )]
    NotKept {
        /// What went wrong.
        why: String,
        /// Where the key is.
        home: std::path::PathBuf,
    },
    /// The inviter does not count us in.
    #[error(
        "the inviting node let us in, but its facts do not name us; the node's key stays; ask \
             for a new code"
    )]
    NotNamed,
}

/// Checks ed25519 signatures.
#[derive(Clone, Copy, Debug)]
pub struct Ed25519;

impl Verify for Ed25519 {
    fn verify(&self, signer: &NodeId, message: &[u8], signature: &[u8; 64]) -> bool {
        identity::verify(signer, message, signature)
    }
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn signed(identity: &Identity, map: &ClusterMap, fact: Fact) -> Result<Record, RecordError> {
    let hlc = map.stamp_for(&fact, now_unix_ms());
    let draft = Draft::new(map.cluster(), fact, hlc, identity.node_id())?;
    let signature = identity.sign(&draft.message());
    Ok(draft.signed(signature))
}

/// The identity in the home, made if there is none: an interrupted join keeps its key.
fn own_identity(home: &Home) -> Result<Identity, IdentityError> {
    match Identity::open(home.path()) {
        Err(IdentityError::Missing { .. }) => Identity::create(home.path()),
        other => other,
    }
}

/// Answers with `AlreadyMember` if this home has been founded or joined.
///
/// # Errors
/// It has been, or what is kept is damaged.
pub fn refuse_if_member(home: &Home) -> Result<(), MembershipError> {
    let Some((cluster, map)) = read_map(home)? else { return Ok(()) };
    let id = Identity::open(home.path())?.node_id();
    let name = map.members().get(&id).map(|m| m.profile.name.clone()).unwrap_or_default();
    Err(MembershipError::AlreadyMember { path: home.path().to_owned(), name, cluster })
}

fn read_map(home: &Home) -> Result<Option<(ClusterId, ClusterMap)>, MembershipError> {
    let Some(bytes) = home.read_cluster_map()? else { return Ok(None) };
    let facts = |why| MembershipError::Facts {
        what: format!("the cluster's facts in home {}", home.path().display()),
        why,
    };
    let (cluster, rest) = bytes.split_first_chunk().ok_or_else(|| facts(MapError::Malformed))?;
    let cluster = ClusterId(*cluster);
    let map = ClusterMap::decode(cluster, rest, &Ed25519).map_err(facts)?;
    Ok(Some((cluster, map)))
}

fn write_map(home: &Home, map: &ClusterMap) -> Result<(), HomeError> {
    home.write_cluster_map(&[map.cluster().0.as_slice(), &map.encode()].concat())
}

/// Makes this home the first node of a new cluster. The caller holds the home's lock.
///
/// # Errors
/// A member already, or the home cannot be written.
pub fn found(home: &Home, profile: Profile) -> Result<ClusterId, MembershipError> {
    refuse_if_member(home)?;
    let identity = own_identity(home)?;
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| IdentityError::Generate)?;
    let cluster = ClusterId::derive(identity.node_id(), &nonce);
    let mut map = ClusterMap::new(cluster);
    map.apply(signed(&identity, &map, Fact::Cluster { nonce })?, &Ed25519);
    map.apply(signed(&identity, &map, Fact::Profile(profile))?, &Ed25519);
    write_map(home, &map)?;
    Ok(cluster)
}

/// A cluster that this node has been let into, not yet written down: asking again with the same
/// home and code costs no further use.
#[derive(Debug)]
pub struct Entered {
    map: ClusterMap,
    /// The inviter's name.
    pub inviter: String,
}

impl Entered {
    /// What the cluster knows.
    pub fn map(&self) -> &ClusterMap {
        &self.map
    }

    /// Makes the membership last.
    ///
    /// # Errors
    /// The home cannot be written.
    pub fn keep(self, home: &Home) -> Result<ClusterMap, MembershipError> {
        write_map(home, &self.map)?;
        Ok(self.map)
    }
}

/// The names of the folders that a newcomer means; why not, if they are not there or not one. A
/// folder that nobody holds any more is no choice while there are others.
pub fn meant(map: &ClusterMap, wish: &Wish) -> Result<Vec<String>, String> {
    let all = map.folders().iter().filter(|(_, folder)| !folder.removed);
    let (held, left): (Vec<_>, Vec<_>) = all.partition(|(id, _)| !map.holders(**id).is_empty());
    let known = if held.is_empty() { left } else { held };
    let known = known.into_iter().map(|(_, folder)| folder.label.as_str());
    let known: Vec<&str> = known.collect::<BTreeSet<_>>().into_iter().collect();
    match wish {
        Wish::Nothing => Ok(Vec::new()),
        Wish::TheOne => match &known[..] {
            [] => {
                Err("the cluster has no folder yet: join without PATH, or add the folder on its \
                       first node before"
                    .to_owned())
            }
            [one] => Ok(vec![(*one).to_owned()]),
            several => Err(format!(
                "the cluster has several folders: say which with --folder NAME=PATH ({})",
                several.join(", ")
            )),
        },
        Wish::These(names) => match names.iter().find(|name| map.folder_called(name).is_none()) {
            None => Ok(names.clone()),
            Some(name) if known.is_empty() => Err(format!(
                "the cluster has no folder {name:?}, and no other: join without it, or add it on \
                 the first node before"
            )),
            Some(name) => {
                Err(format!("the cluster has no folder {name:?} (it has: {})", known.join(", ")))
            }
        },
    }
}

/// Asks the inviter of `code` to let this node in. The caller holds the home's lock.
///
/// # Errors
/// A member already, refused, not reachable; the home then has at most a key. Where it is not sure
/// that the cluster knows nothing of that key, it has to stay: see [`is_sure_no`].
pub async fn enter(
    home: &Home,
    code: &JoinCode,
    profile: Profile,
    wish: &Wish,
) -> Result<Entered, MembershipError> {
    refuse_if_member(home)?;
    let identity = own_identity(home)?;
    let Profile { name, addresses } = &profile;
    let newcomer = Newcomer { identity: &identity, name, addresses, wish };
    let reply = join::join(code, newcomer, &Timing::default()).await?;
    let cluster = ClusterId(code.cluster);
    let decoded = ClusterMap::decode(cluster, &reply.payload, &Ed25519);
    let map = decoded.map_err(|why| MembershipError::NotKept {
        why: format!("the cluster's facts from {} cannot be used ({why})", reply.inviter_name),
        home: home.path().to_owned(),
    })?;
    if !map.members().contains_key(&identity.node_id()) {
        return Err(MembershipError::NotNamed);
    }
    Ok(Entered { map, inviter: reply.inviter_name })
}

/// Whether it is sure that the cluster knows nothing of this node after `enter` said no: the
/// inviter itself did, or nobody was asked. An inviter lets a key in again that it let in before.
pub fn is_sure_no(error: &MembershipError) -> bool {
    match error {
        MembershipError::Join(error) => match error {
            JoinError::Refused(_) | JoinError::OtherCluster { .. } | JoinError::Own(_) => true,
            // Some address may have answered before, and the answer was lost.
            JoinError::Unreachable(_) => false,
            JoinError::WrongKey { .. } | JoinError::NotProven { .. } => false,
        },
        _ => false,
    }
}

/// This node's membership while the daemon runs: shared, durable, and the network's [`Authority`].
#[derive(Debug)]
pub struct Members {
    home: Home,
    identity: Arc<Identity>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    map: ClusterMap,
    invites: Invites,
}

impl Members {
    /// Opens the membership of a home.
    ///
    /// # Errors
    /// Not a member, or what is kept is damaged.
    pub fn open(home: &Home) -> Result<Members, MembershipError> {
        let missing = || MembershipError::NotInitialised(home.path().to_owned());
        let (_, map) = read_map(home)?.ok_or_else(missing)?;
        let identity = Arc::new(Identity::open(home.path())?);
        let invites = book::read(home)?;
        let state = Mutex::new(State { map, invites });
        Ok(Members { home: home.clone(), identity, state, changes: watch::Sender::new(0) })
    }

    /// This node's key.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// A number that rises whenever the facts changed: peers and folders may be others now, and
    /// the records that count are to be passed on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Looks at the facts; quick, and never across an await.
    pub fn with<T>(&self, look: impl FnOnce(&ClusterMap) -> T) -> T {
        look(&self.lock().map)
    }

    /// What a node is called. Names may be the same; then the beginning of its id tells it apart.
    pub fn name_of(&self, node: NodeId) -> String {
        self.with(|map| {
            let Some(member) = map.members().get(&node) else { return format!("{node:?}") };
            let name = &member.profile.name;
            let alike = map.members().values().filter(|other| other.profile.name == *name);
            match alike.count() {
                1 => name.clone(),
                _ => format!("{name} ({node:?})"),
            }
        })
    }

    /// Takes a record from a peer. `Applied` is durable here and is to be passed on.
    ///
    /// # Errors
    /// The bytes are none, or the home cannot be written (the record is not applied then).
    pub fn apply(&self, bytes: &[u8]) -> Result<Outcome, MembershipError> {
        let mut state = self.lock();
        let record = Record::decode(state.map.cluster(), bytes)?;
        self.commit(&mut state, record)
    }

    /// Says a fact in this node's name; durable when it returns.
    ///
    /// # Errors
    /// This node has no right to, or the home cannot be written.
    pub fn say(&self, fact: Fact) -> Result<(), MembershipError> {
        let mut state = self.lock();
        self.say_in(&mut state, fact)
    }

    /// Whether this node has the right to say a fact.
    ///
    /// # Errors
    /// It has not.
    pub fn may_say(&self, fact: &Fact) -> Result<(), MembershipError> {
        self.may_say_in(&self.lock(), fact)
    }

    fn may_say_in(&self, state: &State, fact: &Fact) -> Result<(), MembershipError> {
        let open_to_all =
            matches!(fact, Fact::Profile(_) | Fact::Holder { .. } | Fact::Policy { .. });
        let me = state.map.members().get(&self.identity.node_id());
        match me.is_some_and(|me| me.admin || open_to_all) {
            true => Ok(()),
            false => Err(MembershipError::NotAdmin),
        }
    }

    fn say_in(&self, state: &mut State, fact: Fact) -> Result<(), MembershipError> {
        self.may_say_in(state, &fact)?;
        let record = signed(&self.identity, &state.map, fact)?;
        match self.commit(state, record)? {
            Outcome::Applied | Outcome::Stale => Ok(()),
            Outcome::Void => Err(MembershipError::NotAdmin),
            Outcome::Refused(why) => Err(MembershipError::Refused(why)),
        }
    }

    fn commit(&self, state: &mut State, record: Record) -> Result<Outcome, MembershipError> {
        let mut next = state.map.clone();
        let outcome = next.apply(record, &Ed25519);
        if outcome == Outcome::Applied {
            write_map(&self.home, &next)?;
        }
        state.map = next;
        if outcome == Outcome::Applied {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(outcome)
    }

    /// Makes a join code; the invite is durable when it returns.
    ///
    /// # Errors
    /// This node may not admit, has no address, or the home cannot be written.
    pub fn invite(
        &self,
        addresses: Vec<String>,
        terms: InviteTerms,
    ) -> Result<String, MembershipError> {
        let mut state = self.lock();
        let id = self.identity.node_id();
        if !state.map.members().get(&id).is_some_and(|me| me.admin) {
            return Err(MembershipError::NotAdmin);
        }
        let mut invites = state.invites.clone();
        invites.prune(now_unix_ms(), INVITE_KEPT_MS);
        let cluster = state.map.cluster().0;
        let code = invites.issue(cluster, tls::key_hash(&id), addresses, terms)?;
        book::write(&self.home, &invites)?;
        state.invites = invites;
        Ok(code)
    }

    fn let_in(&self, request: JoinRequest) -> Result<JoinGrant, JoinRefusal> {
        let mut state = self.lock();
        let mut invites = state.invites.clone();
        let redeemed = invites.redeem(&request, now_unix_ms())?;
        let node = request.transcript.newcomer;
        let refuse = |error: MembershipError| JoinRefusal::Refused(error.to_string());
        if state.map.is_removed_member(node) {
            let words = "this node was removed from the cluster; join with a new home";
            return Err(JoinRefusal::Refused(words.to_owned()));
        }
        meant(&state.map, &request.wish).map_err(JoinRefusal::Folders)?;
        // The use is counted before the admission is made: a crash between the two admits nobody,
        // and the newcomer may ask again.
        book::write(&self.home, &invites).map_err(|error| refuse(error.into()))?;
        state.invites = invites;
        if !state.map.members().contains_key(&node) {
            let profile = Profile { name: request.name, addresses: request.addresses };
            let fact = Fact::Member { node, admin: redeemed.admin, profile };
            self.say_in(&mut state, fact).map_err(refuse)?;
        }
        Ok(JoinGrant { proof: redeemed.proof, payload: state.map.encode() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

impl Authority for Members {
    fn admit(&self, peer: &NodeId) -> bool {
        self.with(|map| map.members().contains_key(peer))
    }

    fn join(&self, request: JoinRequest) -> Result<JoinGrant, JoinRefusal> {
        self.let_in(request)
    }
}

#[cfg(test)]
mod tests;
