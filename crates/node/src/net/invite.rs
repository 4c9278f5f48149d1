//! Join codes and the inviter's book of them: who may become a member (decisions C2).
//!
//! Plain data and pure functions: the clock is an argument and the daemon keeps the book. The
//! secret itself never travels and is not kept: both sides prove that they know it by an HMAC over
//! the TLS exporter, so a proof is worth nothing on another connection. Called by `join`, `listen`
//! and the daemon's `Authority`.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base32::Alphabet;
use engine::dot::NodeId;
use zeroize::Zeroizing;

use super::limits::{ADDRESSES_MAX, HOST_BYTES_MAX};
use super::tls::KeyHash;
use super::ClusterId;

const CODE_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Far above the longest code of this version; longer input is not looked at.
const CODE_CHARS_MAX: usize = 2400;

/// Which invite: derived from the secret, tells nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InviteId(pub [u8; 16]);

/// What a join code holds.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinCode {
    /// The cluster to join.
    pub cluster: ClusterId,
    /// Hash of the inviter's key ([`super::tls::key_hash`]).
    pub inviter: KeyHash,
    /// 128 random bits.
    pub secret: Zeroizing<[u8; 16]>,
    /// Where the inviter listens: `host:port`, 1 to 4 of them.
    pub addresses: Vec<String>,
}

impl std::fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JoinCode(to {:?}, secret withheld)", self.addresses)
    }
}

/// Why a text is no join code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    /// Characters that no code has.
    #[error("this is not a join code: it has characters that no code has; copy it again whole")]
    NotBase32,
    /// A typo, or a part is missing.
    #[error(
        "the join code has a typo or is incomplete (its checksum does not fit); copy it again"
    )]
    Checksum,
    /// Made by a newer version.
    #[error("the join code has version {0}, which this build does not know; upgrade this node")]
    Version(u8),
    /// Whole, but its content makes no sense.
    #[error("the join code is whole but malformed; make a new one with `syncline invite`")]
    Malformed,
    /// An address for a new code that does not fit in one.
    #[error("a join code needs 1 to {ADDRESSES_MAX} addresses of the form host:port")]
    Addresses,
}

impl JoinCode {
    /// The text to hand to a person: groups of base32 characters, no letters that look alike.
    ///
    /// # Errors
    /// `Addresses` if there are none, too many, or one is not `host:port`.
    pub fn encode(&self) -> Result<String, CodeError> {
        if self.addresses.is_empty() || self.addresses.len() > ADDRESSES_MAX {
            return Err(CodeError::Addresses);
        }
        let mut out = Zeroizing::new(vec![CODE_VERSION]);
        out.extend(self.cluster);
        out.extend(self.inviter);
        out.extend(*self.secret);
        out.push(self.addresses.len() as u8);
        for address in &self.addresses {
            put_address(&mut out, address)?;
        }
        let checksum = checksum(&out);
        out.extend(checksum);
        Ok(base32::encode(Alphabet::Crockford, &out).to_lowercase())
    }

    /// Reads a code; case, blanks and hyphens do not matter.
    ///
    /// # Errors
    /// What is wrong with it, worded for the person who typed it.
    pub fn decode(text: &str) -> Result<JoinCode, CodeError> {
        if text.len() > CODE_CHARS_MAX {
            return Err(CodeError::NotBase32);
        }
        let compact: String =
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>();
        let bytes = base32::decode(Alphabet::Crockford, &compact).map(Zeroizing::new);
        let bytes = bytes.ok_or(CodeError::NotBase32)?;
        // The last character has bits to spare: one text for one code, so that a typo there is
        // told like any other.
        let canonical = Zeroizing::new(base32::encode(Alphabet::Crockford, &bytes));
        if !same_characters(&canonical, &compact) {
            return Err(CodeError::Checksum);
        }
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(CodeError::Checksum)?;
        let (body, sum) = bytes.split_at(split);
        if checksum(body) != sum {
            return Err(CodeError::Checksum);
        }
        let (&version, mut rest) = body.split_first().ok_or(CodeError::Malformed)?;
        if version != CODE_VERSION {
            return Err(CodeError::Version(version));
        }
        let cluster = take(&mut rest)?;
        let inviter = take(&mut rest)?;
        let secret = Zeroizing::new(take(&mut rest)?);
        let [count] = take(&mut rest)?;
        if count == 0 || usize::from(count) > ADDRESSES_MAX {
            return Err(CodeError::Malformed);
        }
        let addresses = (0..count).map(|_| take_address(&mut rest)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(CodeError::Malformed);
        }
        Ok(JoinCode { cluster, inviter, secret, addresses })
    }

    /// What both sides derive from the secret.
    pub fn invite_id(&self) -> InviteId {
        InviteId(derive(b"syncline invite id v1", &self.secret)[..16].try_into().expect("16 of 32"))
    }

    /// The newcomer's key for the proofs.
    pub fn key(&self) -> InviteKey {
        InviteKey(derive(b"syncline invite key v1", &self.secret))
    }
}

/// Whether a typed text is this one but for case and the letters that base32 reads as digits.
fn same_characters(canonical: &str, typed: &str) -> bool {
    let read = typed.chars().map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    read.eq(canonical.chars())
}

/// The key that proves knowledge of a code's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteKey(pub [u8; 32]);

impl std::fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteKey(withheld)")
    }
}

impl Drop for InviteKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// What ties a proof to one TLS connection between two nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcript {
    /// TLS exporter of the connection.
    pub exporter: [u8; 32],
    /// Who wants in.
    pub newcomer: NodeId,
    /// Who invited.
    pub inviter: NodeId,
}

impl Transcript {
    /// What the newcomer sends.
    pub fn newcomer_proof(&self, key: &InviteKey) -> [u8; 32] {
        self.prove(key, b"syncline newcomer v1")
    }

    /// What the inviter answers.
    pub fn inviter_proof(&self, key: &InviteKey) -> [u8; 32] {
        self.prove(key, b"syncline inviter v1")
    }

    fn prove(&self, key: &InviteKey, role: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.0));
        context.update(&self.exporter);
        context.update(role);
        context.update(&self.newcomer.0);
        context.update(&self.inviter.0);
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }
}

/// Compares two proofs without telling by the time it takes where they differ.
pub fn same_proof(a: &[u8; 32], b: &[u8; 32]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Which folders a newcomer means to hold from the start: said with its request, so that it is let
/// in only if that can be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Wish {
    /// None.
    #[default]
    Nothing,
    /// The cluster's one folder.
    TheOne,
    /// Those of these names; at most `WISHES_MAX`.
    These(Vec<String>),
}

/// A newcomer's request, its key proven by TLS, its proof not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinRequest {
    /// The newcomer's name for itself: valid, maybe taken.
    pub name: String,
    /// Where the newcomer says that it listens.
    pub addresses: Vec<String>,
    /// Which invite it claims.
    pub invite: InviteId,
    /// Its proof that it knows the secret.
    pub proof: [u8; 32],
    /// What it means to hold.
    pub wish: Wish,
    /// The connection: it holds the newcomer's node id.
    pub transcript: Transcript,
}

/// The daemon's yes to a newcomer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinGrant {
    /// The proof that [`Invites::redeem`] gave.
    pub proof: [u8; 32],
    /// What the newcomer needs: the cluster's records; at most 1 MiB.
    pub payload: Vec<u8>,
}

/// Why a newcomer was not let in; nothing was changed on either side.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinRefusal {
    /// No such invite, or the proof does not fit: the two are not told apart.
    #[error("the inviter does not know this code (withdrawn, or of another node)")]
    WrongCode,
    /// Its uses are spent.
    #[error("the code has been used up; ask for a new one (`syncline invite`)")]
    UsedUp,
    /// It is too old.
    #[error("the code has expired; ask for a new one (`syncline invite`)")]
    Expired,
    /// The folders that it means to hold are not there, or not one.
    #[error("{0}; nothing was changed, and the same code works again")]
    Folders(String),
    /// The inviter has another reason.
    #[error("the inviter refused: {0}")]
    Refused(String),
}

/// One invite as the inviter keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// Names it.
    pub id: InviteId,
    /// Checks the proofs; not the secret itself.
    pub key: InviteKey,
    /// How many more newcomers it lets in.
    pub uses_left: u32,
    /// Unix milliseconds after which it lets nobody in.
    pub expires_unix_ms: u64,
    /// Whether who comes in by it may admit others.
    pub admin: bool,
    /// Who came in by it: such a node may repeat its request if the answer was lost.
    pub used_by: Vec<NodeId>,
}

/// What a redeemed invite gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redeemed {
    /// Whether the newcomer may admit others.
    pub admin: bool,
    /// Goes into [`JoinGrant::proof`].
    pub proof: [u8; 32],
    /// Whether this node had redeemed the invite before: nothing was counted.
    pub again: bool,
}

/// What a new invite should allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InviteTerms {
    /// How many newcomers; at least 1.
    pub uses: u32,
    /// Unix milliseconds of its end.
    pub expires_unix_ms: u64,
    /// Whether they may admit others.
    pub admin: bool,
}

/// All invites of this node. The daemon stores it whenever it changed, before it answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Invites {
    /// In order of issue.
    pub open: Vec<Invite>,
}

impl Invites {
    /// Makes a new invite with a random secret, enters it, and returns the code to hand out.
    ///
    /// # Errors
    /// `Addresses` if a code cannot hold them; nothing is entered then.
    pub fn issue(
        &mut self,
        cluster: ClusterId,
        inviter: KeyHash,
        addresses: Vec<String>,
        terms: InviteTerms,
    ) -> Result<String, CodeError> {
        let mut secret = Zeroizing::new([0; 16]);
        rand::fill(&mut *secret).expect("the system's random source does not fail after start");
        let code = JoinCode { cluster, inviter, secret, addresses };
        let text = code.encode()?;
        self.open.push(Invite {
            id: code.invite_id(),
            key: code.key(),
            uses_left: terms.uses.max(1),
            expires_unix_ms: terms.expires_unix_ms,
            admin: terms.admin,
            used_by: Vec::new(),
        });
        Ok(text)
    }

    /// Checks a request and counts a use.
    ///
    /// # Errors
    /// Why not; nothing is counted then. Only who knows the secret learns more than `WrongCode`.
    pub fn redeem(
        &mut self,
        request: &JoinRequest,
        now_unix_ms: u64,
    ) -> Result<Redeemed, JoinRefusal> {
        let found = self.open.iter_mut().find(|invite| {
            constant_time::verify_slices_are_equal(&invite.id.0, &request.invite.0).is_ok()
        });
        let invite = found.ok_or(JoinRefusal::WrongCode)?;
        let expected = request.transcript.newcomer_proof(&invite.key);
        if !same_proof(&expected, &request.proof) {
            return Err(JoinRefusal::WrongCode);
        }
        if now_unix_ms >= invite.expires_unix_ms {
            return Err(JoinRefusal::Expired);
        }
        let newcomer = request.transcript.newcomer;
        let again = invite.used_by.contains(&newcomer);
        if !again {
            invite.uses_left = invite.uses_left.checked_sub(1).ok_or(JoinRefusal::UsedUp)?;
            invite.used_by.push(newcomer);
        }
        let proof = request.transcript.inviter_proof(&invite.key);
        Ok(Redeemed { admin: invite.admin, proof, again })
    }

    /// Forgets invites that ended more than `keep_ms` ago; until then people learn why they are
    /// refused.
    pub fn prune(&mut self, now_unix_ms: u64, keep_ms: u64) {
        self.open.retain(|invite| invite.expires_unix_ms.saturating_add(keep_ms) > now_unix_ms);
    }
}

fn derive(domain: &[u8], secret: &[u8; 16]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(domain);
    context.update(secret);
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let sum = digest::digest(&digest::SHA256, bytes);
    sum.as_ref()[..CHECKSUM_BYTES].try_into().expect("4 of 32")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodeError> {
    let (head, tail) = rest.split_first_chunk().ok_or(CodeError::Malformed)?;
    *rest = tail;
    Ok(*head)
}

fn put_address(out: &mut Vec<u8>, address: &str) -> Result<(), CodeError> {
    if let Ok(socket) = address.parse::<SocketAddr>() {
        match socket.ip() {
            IpAddr::V4(ip) => {
                out.push(4);
                out.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(6);
                out.extend(ip.octets());
            }
        }
        out.extend(socket.port().to_be_bytes());
        return Ok(());
    }
    let (host, port) = address.rsplit_once(':').ok_or(CodeError::Addresses)?;
    let port: u16 = port.parse().map_err(|_| CodeError::Addresses)?;
    if !is_host(host) {
        return Err(CodeError::Addresses);
    }
    out.push(0);
    out.push(host.len() as u8);
    out.extend(host.as_bytes());
    out.extend(port.to_be_bytes());
    Ok(())
}

fn take_address(rest: &mut &[u8]) -> Result<String, CodeError> {
    let [tag] = take(rest)?;
    let host = match tag {
        4 => IpAddr::from(take::<4>(rest)?).to_string(),
        6 => format!("[{}]", IpAddr::from(take::<16>(rest)?)),
        0 => {
            let [length] = take(rest)?;
            let host = rest.split_at_checked(length.into()).ok_or(CodeError::Malformed)?;
            *rest = host.1;
            let host = std::str::from_utf8(host.0).map_err(|_| CodeError::Malformed)?;
            if !is_host(host) {
                return Err(CodeError::Malformed);
            }
            host.to_owned()
        }
        _ => return Err(CodeError::Malformed),
    };
    Ok(format!("{host}:{}", u16::from_be_bytes(take(rest)?)))
}

fn is_host(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(plain)
}

#[cfg(test)]
mod tests;
