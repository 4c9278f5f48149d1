//! Every bound of the network layer: sizes, counts, times. It holds no logic.
//!
//! The modules beside this one read it; what the engine bounds is in the engine's own limits.

use std::time::Duration;

/// Protocol versions this build speaks: lowest and highest.
pub const VERSIONS: (u32, u32) = (1, 1);
/// Largest payload of a frame after the handshake, plain or unpacked: 1 MiB and its envelope.
pub const PAYLOAD_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Largest payload that is read from a connection before its peer is known and admitted.
pub const PREAUTH_PAYLOAD_BYTES_MAX: usize = 4 << 10;
/// Connections that may be between `accept` and admission at once; the oldest goes first.
pub const PREAUTH_CONNECTIONS_MAX: usize = 64;
/// Join requests that may be with the daemon at once.
pub const JOINS_AT_ONCE_MAX: usize = 4;
/// Data connections of one session, beside its control connection.
pub const DATA_CONNECTIONS: usize = 2;
/// Most data connections that a peer may ask for.
pub const DATA_CONNECTIONS_MAX: usize = 16;
/// Longest name of a node, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest reason that is sent to or shown from a peer, in bytes.
pub const REASON_BYTES_MAX: usize = 512;
/// Most addresses in a join code, and in a newcomer's request.
pub const ADDRESSES_MAX: usize = 4;
/// Folders that a newcomer can name in its request.
pub const WISHES_MAX: usize = 8;
/// Longest host name in an address, in bytes.
pub const HOST_BYTES_MAX: usize = 253;

/// Control lane: a send is refused when this much is queued.
pub const CONTROL_HIGH_BYTES: usize = 8 << 20;
/// Control lane: `Drained` is told when the queue is back at this.
pub const CONTROL_LOW_BYTES: usize = 2 << 20;
/// A data connection: a send is refused when this much is queued.
pub const DATA_HIGH_BYTES: usize = 8 << 20;
/// A data connection: `Drained` is told when the queue is back at this.
pub const DATA_LOW_BYTES: usize = 2 << 20;
/// Queued frames that go into one write.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// Payloads under this are never compressed.
pub const COMPRESS_BYTES_MIN: usize = 1 << 10;
/// How much of a payload is compressed to see whether the rest is worth it.
pub const COMPRESS_PROBE_BYTES: usize = 16 << 10;
/// A queue shorter than this is no backlog: compressing would only add delay.
pub const COMPRESS_BACKLOG_BYTES: usize = 512 << 10;
/// Links faster than this, in bytes per second, gain nothing from compression.
pub const COMPRESS_RATE_MAX: u64 = 100_000_000;

/// The times of the network layer; tests shorten them, the daemon takes the default.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From `accept` to admission, and from a session's first connection to its last.
    pub preauth: Duration,
    /// Silence on the control connection after which a ping is sent.
    pub ping_idle: Duration,
    /// Silence from the peer on the control connection after which it counts as dead. Not left to
    /// TCP_USER_TIMEOUT: that also ends a connection whose other end lives and does not read for a
    /// while, which is how a peer with a slow disk pushes back.
    pub dead_after: Duration,
    /// First wait before dialling again.
    pub backoff_min: Duration,
    /// Longest wait before dialling again.
    pub backoff_max: Duration,
    /// One TCP connect with its TLS handshake, per address.
    pub dial: Duration,
    /// How long an orderly end may take to flush what is queued.
    pub flush: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            preauth: Duration::from_secs(5),
            ping_idle: Duration::from_secs(4),
            dead_after: Duration::from_secs(12),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(15),
            dial: Duration::from_secs(5),
            flush: Duration::from_secs(1),
        }
    }
}

/// Data connections are pinged this many times less often: control's liveness covers the session.
pub const DATA_PING_FACTOR: u32 = 6;

const _: () = assert!(PREAUTH_PAYLOAD_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(CONTROL_LOW_BYTES < CONTROL_HIGH_BYTES && DATA_LOW_BYTES < DATA_HIGH_BYTES);
const _: () = assert!(0 < DATA_CONNECTIONS && DATA_CONNECTIONS <= DATA_CONNECTIONS_MAX);
const _: () = assert!(COMPRESS_BYTES_MIN <= COMPRESS_PROBE_BYTES);
