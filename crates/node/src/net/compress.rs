//! Whether compressing a payload pays, as pure functions of what the writer measured.
//!
//! The packing itself is in `frame`. Called by the writers of `session`.

use super::limits::{
    COMPRESS_BACKLOG_BYTES, COMPRESS_BYTES_MIN, COMPRESS_PROBE_BYTES, COMPRESS_RATE_MAX,
};

/// Whether it is worth looking at this payload at all.
///
/// `queued` is what the lane still holds, in bytes; `rate` what the connection writes, in bytes per
/// second, `None` while it has not been measured.
pub fn may_pay(payload: usize, queued: usize, rate: Option<u64>) -> bool {
    payload >= COMPRESS_BYTES_MIN
        && queued >= COMPRESS_BACKLOG_BYTES
        && rate.is_some_and(|rate| rate < COMPRESS_RATE_MAX)
}

/// Whether the start of a payload, `sample` bytes, got small enough to go on: a fifth at least.
pub fn probe_pays(sample: usize, packed: usize) -> bool {
    packed.saturating_mul(5) <= sample.saturating_mul(4)
}

/// Compresses the first 16 KiB and says whether the rest promises to shrink as well.
pub fn probe(payload: &[u8]) -> bool {
    let sample = &payload[..payload.len().min(COMPRESS_PROBE_BYTES)];
    super::frame::pack(sample).is_some_and(|packed| probe_pays(sample.len(), packed.len()))
}

/// A running mean of the rate at which a connection takes bytes, in bytes per second.
#[derive(Default, Debug)]
pub struct WriteRate(Option<u64>);

impl WriteRate {
    /// Adds one write of `bytes` that took `elapsed`; small writes say nothing about the link.
    pub fn add(&mut self, bytes: usize, elapsed: std::time::Duration) {
        const TELLING_BYTES: usize = 64 << 10;
        if bytes < TELLING_BYTES {
            return;
        }
        let nanoseconds = elapsed.as_nanos().max(1);
        let now = u64::try_from(bytes as u128 * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX);
        self.0 = Some(match self.0 {
            None => now,
            Some(before) => before - before / 4 + now / 4,
        });
    }

    /// The mean, or `None` before the first telling write.
    pub fn bytes_per_second(&self) -> Option<u64> {
        self.0
    }
}

#[cfg(test)]
mod tests;
