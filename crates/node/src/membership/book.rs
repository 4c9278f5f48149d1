//! The inviter's book of invites as a file: so that uses stay counted across restarts.
//!
//! JSON in the home, 0600, replaced whole. It holds keys that prove knowledge of a code, not codes.

use engine::dot::NodeId;
use serde::{Deserialize, Serialize};

use super::MembershipError;
use crate::home::{self, Home, HomeError};
use crate::net::invite::{Invite, InviteId, InviteKey, Invites};

const FILE: &str = "invites.json";

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    open: Vec<KeptInvite>,
}

#[derive(Serialize, Deserialize)]
struct KeptInvite {
    id: [u8; 16],
    key: [u8; 32],
    uses_left: u32,
    expires_unix_ms: u64,
    admin: bool,
    used_by: Vec<[u8; 32]>,
}

pub(super) fn read(home: &Home) -> Result<Invites, MembershipError> {
    let path = home.path().join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Invites::default()),
        Err(source) => return Err(HomeError::Io { action: "read", path, source }.into()),
    };
    let damaged = |why: String| MembershipError::Invites { path: home.path().to_owned(), why };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if kept.version != 1 {
        return Err(damaged(format!("version {}", kept.version)));
    }
    let open = kept.open.into_iter().map(|invite| Invite {
        id: InviteId(invite.id),
        key: InviteKey(invite.key),
        uses_left: invite.uses_left,
        expires_unix_ms: invite.expires_unix_ms,
        admin: invite.admin,
        used_by: invite.used_by.into_iter().map(NodeId).collect(),
    });
    Ok(Invites { open: open.collect() })
}

pub(super) fn write(home: &Home, invites: &Invites) -> Result<(), HomeError> {
    let open = invites.open.iter().map(|invite| KeptInvite {
        id: invite.id.0,
        key: invite.key.0,
        uses_left: invite.uses_left,
        expires_unix_ms: invite.expires_unix_ms,
        admin: invite.admin,
        used_by: invite.used_by.iter().map(|node| node.0).collect(),
    });
    let kept = Kept { version: 1, open: open.collect() };
    let bytes = serde_json::to_vec(&kept).expect("plain numbers and lists always have a JSON form");
    home::replace(&home.path().join(FILE), &bytes)
}
