//! The node's key: made once, kept in the home, never shared (decisions C1).
//!
//! Knows the file and the two operations, sign and verify; who may do what is the member map's
//! affair. Called by the daemon at start, by `tls` for the handshake, by whoever signs records.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use engine::dot::NodeId;
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::tls;
use crate::home;

/// File name of the key inside the home.
pub const KEY_FILE: &str = "identity.key";
/// An ed25519 PKCS8 document has 48 (v1) or 83 (v2) bytes; more is not ours.
const KEY_FILE_BYTES_MAX: u64 = 1024;

/// Why the identity could not be created or opened. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no key: this home was never initialised.
    #[error("no node key at {path}: this home has no identity; run `syncline init` or `join`")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A key exists already; it was left alone.
    #[error(
        "a node key already exists at {path}; it was not touched (a new one needs a new home)"
    )]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// Somebody else could read the private key.
    #[error(
        "node key {path} has mode {mode:04o}: it must be 0600; `chmod 600` it, and make a new \
             home if others may have read it"
    )]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is there, but it holds no ed25519 key.
    #[error("node key {path} is damaged ({why}); restore it from a backup or make a new home")]
    Corrupt {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file system said no.
    #[error("cannot {action} node key {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The key file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The cryptographic library failed.
    #[error("cannot generate a node key: the system's random source failed; nothing was written")]
    Generate,
}

/// A node's private key with its public face.
pub struct Identity {
    node_id: NodeId,
    key_pair: Ed25519KeyPair,
    certified: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.node_id)
    }
}

impl Identity {
    /// Makes a new key in the home: 0600, durable when this returns.
    ///
    /// # Errors
    /// `Exists` if there is one already, `Io`: there is never a half-written key.
    pub fn create(directory: &Path) -> Result<Identity, IdentityError> {
        let path = directory.join(KEY_FILE);
        let key_pair = Ed25519KeyPair::generate().map_err(|_| IdentityError::Generate)?;
        let document = key_pair.to_pkcs8().map_err(|_| IdentityError::Generate)?;
        match home::create(&path, document.as_ref()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(IdentityError::Exists { path })
            }
            Err(source) => return Err(IdentityError::Io { action: "write", path, source }),
        }
        Identity::from_pkcs8(document.as_ref()).map_err(|why| IdentityError::Corrupt { path, why })
    }

    /// Opens the key of `home`.
    ///
    /// # Errors
    /// Missing, readable by others, damaged, or not readable: each with what to do.
    pub fn open(home: &Path) -> Result<Identity, IdentityError> {
        let path = home.join(KEY_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(IdentityError::Missing { path })
            }
            Err(source) => return Err(IdentityError::Io { action: "open", path, source }),
        };
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(source) => return Err(IdentityError::Io { action: "examine", path, source }),
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(IdentityError::Permissions { path, mode: metadata.mode() & 0o7777 });
        }
        let mut document = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX as usize));
        if let Err(source) = file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut document) {
            return Err(IdentityError::Io { action: "read", path, source });
        }
        Identity::from_pkcs8(&document).map_err(|why| IdentityError::Corrupt { path, why })
    }

    fn from_pkcs8(document: &[u8]) -> Result<Identity, String> {
        let key_pair = Ed25519KeyPair::from_pkcs8(document).map_err(|e| e.to_string())?;
        let public: [u8; 32] =
            key_pair.public_key().as_ref().try_into().map_err(|_| "not ed25519".to_owned())?;
        let node_id = NodeId(public);
        let signing =
            any_eddsa_type(&PrivatePkcs8KeyDer::from(document)).map_err(|e| e.to_string())?;
        let spki = CertificateDer::from(tls::spki(&node_id).to_vec());
        let certified = Arc::new(CertifiedKey::new(vec![spki], signing));
        Ok(Identity { node_id, key_pair, certified })
    }

    /// The public key: who this node is.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Signs `bytes`; callers put a domain name in front of what they sign.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.key_pair.sign(bytes).as_ref());
        out
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

/// Whether `signature` is what `signer` makes of `bytes`.
pub fn verify(signer: &NodeId, bytes: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&signature::ED25519, &signer.0).verify(bytes, signature).is_ok()
}

#[cfg(test)]
mod tests;
