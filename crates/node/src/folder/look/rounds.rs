//! When everything is looked at only because time has passed. Pure; used by `look`.

/// Where there are no events, or not of everything, in milliseconds.
const SCAN_EVERY_MS: u64 = 10_000;
/// Where events tell of everything: whatever was overlooked all the same is found within this, in
/// milliseconds.
const AUDIT_EVERY_MS: u64 = 3_600_000;

/// The last look at everything.
pub struct Rounds {
    last_ms: u64,
}

impl Rounds {
    /// Everything is looked at now, at this monotonic millisecond: a start begins with a scan.
    pub fn new(now_ms: u64) -> Rounds {
        Rounds { last_ms: now_ms }
    }

    /// Milliseconds until the next round.
    pub fn left_ms(&self, now_ms: u64, has_events: bool) -> u64 {
        let every = if has_events { AUDIT_EVERY_MS } else { SCAN_EVERY_MS };
        (self.last_ms + every).saturating_sub(now_ms)
    }

    /// Whether a round is to begin now; the next is counted from it.
    pub fn take_due(&mut self, now_ms: u64, has_events: bool) -> bool {
        let is_due = self.left_ms(now_ms, has_events) == 0;
        if is_due {
            self.last_ms = now_ms;
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
