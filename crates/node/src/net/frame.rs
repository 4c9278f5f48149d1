//! Bytes on a connection <-> frames: u32 length, u8 kind, u8 flags, payload.
//!
//! The length is checked against a bound before anything is allocated. What a payload means is not
//! known here. Called by `connection` and by the writers and readers of `session`.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::limits::PAYLOAD_BYTES_MAX;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 6;
/// Flag: the payload is a u32 plain length and a zstd frame.
pub const FLAG_ZSTD: u8 = 1;
const LEVEL: i32 = 1;

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// First frame of both sides on every connection.
    Hello = 0,
    /// The connection is not wanted, with a reason; the last frame.
    Refuse = 1,
    /// Nothing to say, still here.
    Ping = 2,
    /// The daemon's own control or index message.
    Control = 3,
    /// The daemon's own content message.
    Data = 4,
    /// A newcomer's request.
    JoinAsk = 5,
    /// The inviter's answer.
    JoinGrant = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        let kinds = [
            Kind::Hello,
            Kind::Refuse,
            Kind::Ping,
            Kind::Control,
            Kind::Data,
            Kind::JoinAsk,
            Kind::JoinGrant,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame, its payload unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// Its content, at most the bound it was read with.
    pub payload: Bytes,
}

/// What a peer sent that is no frame; the connection ends, nothing else changes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than allowed at this point.
    #[error("frame of {length} bytes where at most {bound} are allowed")]
    TooLong {
        /// What the header says, or the packed payload.
        length: usize,
        /// The bound in force.
        bound: usize,
    },
    /// A kind or flag of a version that this node does not speak.
    #[error("unknown frame kind {kind} or flags {flags:#04x}")]
    Unknown {
        /// Kind byte.
        kind: u8,
        /// Flag byte.
        flags: u8,
    },
    /// A packed payload that does not unpack to what it claims.
    #[error("damaged compressed frame")]
    Damaged,
}

/// Writes a header in front of a payload of `length` bytes.
pub fn put_header(out: &mut BytesMut, kind: Kind, flags: u8, length: usize) {
    debug_assert!(length <= PAYLOAD_BYTES_MAX);
    out.put_u32(length as u32);
    out.put_u8(kind as u8);
    out.put_u8(flags);
}

/// Takes the next whole frame out of `buffer`; `None` if it has not all arrived.
///
/// Room for the rest is reserved once the length is known to be within `bound`.
///
/// # Errors
/// The peer does not keep to the protocol; the connection must end.
pub fn take(buffer: &mut BytesMut, bound: usize) -> Result<Option<Frame>, FrameError> {
    if buffer.len() < HEADER_BYTES {
        return Ok(None);
    }
    let length = (&buffer[..4]).get_u32() as usize;
    let (kind, flags) = (buffer[4], buffer[5]);
    if length > bound {
        return Err(FrameError::TooLong { length, bound });
    }
    let known = Kind::of(kind).filter(|_| flags & !FLAG_ZSTD == 0);
    let known = known.ok_or(FrameError::Unknown { kind, flags })?;
    let whole = HEADER_BYTES + length;
    if buffer.len() < whole {
        buffer.reserve(whole - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    let payload = buffer.split_to(length).freeze();
    let payload = if flags & FLAG_ZSTD == 0 { payload } else { unpack(payload, bound)? };
    Ok(Some(Frame { kind: known, payload }))
}

/// Compresses a payload into the form that [`FLAG_ZSTD`] announces; `None` if it gets no smaller.
pub fn pack(payload: &[u8]) -> Option<Bytes> {
    let mut out = vec![0; payload.len()];
    out[..4].copy_from_slice(&(payload.len() as u32).to_be_bytes());
    let packed = zstd::bulk::compress_to_buffer(payload, &mut out[4..], LEVEL).ok()?;
    out.truncate(4 + packed);
    Some(Bytes::from(out))
}

fn unpack(mut packed: Bytes, bound: usize) -> Result<Bytes, FrameError> {
    if packed.len() < 4 {
        return Err(FrameError::Damaged);
    }
    let length = packed.get_u32() as usize;
    if length > bound {
        return Err(FrameError::TooLong { length, bound });
    }
    let mut plain = vec![0; length];
    match zstd::bulk::decompress_to_buffer(&packed, &mut plain) {
        Ok(written) if written == length => Ok(Bytes::from(plain)),
        _ => Err(FrameError::Damaged),
    }
}

#[cfg(test)]
mod tests;
