//! What is in a file: its digest and size, or the target of a symlink.
//!
//! Types only: `disk::hash` computes, `fetch` decides, `disk::stage` writes.

use std::fmt;

/// The BLAKE3 hash of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Sixty-four hex digits: the form in which people and programs meet a digest.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an entry holds besides its attributes. Directories hold nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Content {
    /// The bytes of a regular file: BLAKE3 digest and length in bytes.
    File(Digest, u64),
    /// The target of a symlink, 1 to 4,095 bytes, any but NUL.
    Link(Box<[u8]>),
}

impl Content {
    /// Of the bytes of a file; a target has none.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Content::File(digest, _) => Some(*digest),
            Content::Link(_) => None,
        }
    }
}
