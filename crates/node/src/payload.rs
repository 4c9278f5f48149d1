//! What travels in the network layer's frames: one byte says what the rest is.

use engine::dot::NodeId;
use engine::message::{FolderId, Message};
use engine::wire::{self, WireError};

const FOLDER: u8 = 0;
const RECORD: u8 = 1;
const VERIFY: u8 = 2;
const STANDING: u8 = 3;

/// What a peer sent.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// A folder's message, still encoded; which folder is inside.
    Folder(&'a [u8]),
    /// One record of the cluster's facts.
    Record(&'a [u8]),
    /// A part of `verify`.
    Verify(&'a [u8]),
    /// Whether a folder stands in its place.
    Standing(&'a [u8]),
}

/// A folder's message, ready to be sent.
pub fn folder(folder: FolderId, message: &Message) -> Vec<u8> {
    tagged(FOLDER, &wire::encode(folder, message))
}

/// A record of the cluster's facts, ready to be sent.
pub fn record(bytes: &[u8]) -> Vec<u8> {
    tagged(RECORD, bytes)
}

/// A part of `verify`, ready to be sent.
pub fn verify(bytes: &[u8]) -> Vec<u8> {
    tagged(VERIFY, bytes)
}

/// A question whether a folder stands in its place, or an answer, ready to be sent.
pub fn standing(bytes: &[u8]) -> Vec<u8> {
    tagged(STANDING, bytes)
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + bytes.len());
    out.push(tag);
    out.extend_from_slice(bytes);
    out
}

/// Tells what a payload is; `None` for what a newer program may say.
pub fn read(bytes: &[u8]) -> Option<Payload<'_>> {
    let (tag, rest) = bytes.split_first()?;
    match *tag {
        FOLDER => Some(Payload::Folder(rest)),
        RECORD => Some(Payload::Record(rest)),
        VERIFY => Some(Payload::Verify(rest)),
        STANDING => Some(Payload::Standing(rest)),
        _ => None,
    }
}

/// Reads a folder's message.
///
/// # Errors
/// The bytes are none: the peer `from` is to be cut off.
pub fn message(bytes: &[u8], from: NodeId) -> Result<(FolderId, Message), WireError> {
    wire::decode(bytes).inspect_err(|error| {
        tracing::warn!(?from, %error, "a peer sends what is no message");
    })
}
