//! Messages and register values as bytes, and back: protobuf, refused before memory is taken.
//!
//! The domain types know nothing of this. A value is encoded once, where it is minted; afterwards
//! its bytes are passed on as they are. Decoding trusts nothing: every count, length and range is
//! bounded by `limits`, every name is checked, every enum is closed.

use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{FolderId, Message};
use std::fmt;

mod entry;
mod message;
mod value;

pub use entry::entry_bytes;
pub use value::{others, with_others};

/// Why bytes are not a message or a value; nothing was changed by looking at them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WireError(pub &'static str);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed message: {}", self.0)
    }
}

impl std::error::Error for WireError {}

/// A register value that can be minted into bytes and read again.
pub trait Minted: Sized {
    /// The bytes that travel for ever.
    fn mint(&self) -> Vec<u8>;
    /// Understands them; fields of newer programs are passed over (and kept in the bytes).
    fn read(bytes: &[u8]) -> Result<Self, WireError>;
}

/// One folder's message as bytes.
pub fn encode(folder: FolderId, message: &Message) -> Vec<u8> {
    message::encode(folder, message)
}

/// The message in the bytes.
pub fn decode(bytes: &[u8]) -> Result<(FolderId, Message), WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError("longer than a message may be"));
    }
    message::decode(bytes)
}

#[cfg(test)]
mod tests;
