//! How often one path may be looked at: files that change all the time are slowed down.
//!
//! Memory only, and bounded: forgetting a pace costs a few looks too many, never a missed change.
//! Used by `super::Settle` only.

use std::collections::BTreeMap;

use engine::path::RelPath;

/// Deliveries of one path within [`WINDOW_MS`] that stay immediate.
const FREE_DELIVERIES: u32 = 8;
/// The span in which deliveries are counted.
const WINDOW_MS: u64 = 10_000;
/// First and longest distance of two deliveries of a path that changes all the time.
const INTERVAL_MS_MIN: u64 = 1_000;
const INTERVAL_MS_MAX: u64 = 60_000;
/// Paths remembered.
const PATHS_MAX: usize = 16_384;

#[derive(Default)]
struct Pace {
    window_start_ms: u64,
    last_ms: u64,
    deliveries: u32,
    interval_ms: u64,
    busy_wait_ms: u64,
    busy_until_ms: u64,
}

/// The paces of recently delivered paths.
#[derive(Default)]
pub(super) struct Paces(BTreeMap<RelPath, Pace>);

impl Paces {
    /// Before this, a change of `path` is not to be delivered; 0 for most.
    pub(super) fn not_before(&self, path: &RelPath) -> u64 {
        self.0.get(path).map_or(0, |pace| pace.last_ms.saturating_add(pace.interval_ms))
    }

    /// A change of `path` was delivered: counts, and slows down what does not stop.
    pub(super) fn delivered(&mut self, now_ms: u64, path: &RelPath) {
        let pace = self.pace(now_ms, path);
        let quiet_ms = now_ms.saturating_sub(pace.last_ms);
        pace.last_ms = now_ms;
        if pace.interval_ms > 0 {
            // Delivered as soon as it was allowed: it still changes. Twice as late: it has calmed.
            let calm = quiet_ms > pace.interval_ms.saturating_mul(2);
            pace.interval_ms = if calm { 0 } else { (pace.interval_ms * 2).min(INTERVAL_MS_MAX) };
            (pace.window_start_ms, pace.deliveries) = (now_ms, 1);
            return;
        }
        if now_ms.saturating_sub(pace.window_start_ms) > WINDOW_MS {
            (pace.window_start_ms, pace.deliveries) = (now_ms, 0);
        }
        pace.deliveries += 1;
        if pace.deliveries >= FREE_DELIVERIES {
            pace.interval_ms = INTERVAL_MS_MIN;
        }
    }

    /// How long a busy `path` waits now: doubles while it stays busy, starts again after a pause.
    pub(super) fn next_wait_ms(
        &mut self,
        now_ms: u64,
        path: &RelPath,
        min_ms: u64,
        max_ms: u64,
    ) -> u64 {
        let pace = self.pace(now_ms, path);
        // Reported again soon after the re-try was due: still the same writer.
        let same = now_ms <= pace.busy_until_ms.saturating_add(pace.busy_wait_ms);
        pace.busy_wait_ms = match pace.busy_wait_ms {
            wait_ms if same && wait_ms > 0 => wait_ms.saturating_mul(2).min(max_ms),
            _ => min_ms,
        };
        pace.busy_until_ms = now_ms.saturating_add(pace.busy_wait_ms);
        pace.busy_wait_ms
    }

    fn pace(&mut self, now_ms: u64, path: &RelPath) -> &mut Pace {
        if self.0.len() >= PATHS_MAX && !self.0.contains_key(path) {
            self.0.retain(|_, pace| pace.interval_ms > 0 || pace.busy_until_ms > now_ms);
            if self.0.len() >= PATHS_MAX {
                self.0.clear();
            }
        }
        let fresh = || Pace { window_start_ms: now_ms, last_ms: now_ms, ..Pace::default() };
        self.0.entry(path.clone()).or_insert_with(fresh)
    }
}
