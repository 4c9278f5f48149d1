//! Which reasons were logged of late: a folder that stays stopped is tried every few seconds, and
//! one line about it is enough while the reason is the same.
//!
//! Asked by `status` when a folder stops itself, and by the daemon when one cannot be opened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::message::FolderId;

/// The same reason is said again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// A reason that was not met for this long was over: well above the pause between two tries.
const OVER_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Said {
    why: String,
    said: Instant,
    met: Instant,
}

/// Of each folder that stopped, what was said last.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<Mutex<BTreeMap<FolderId, Said>>>);

impl Repeats {
    /// Logs that a folder stopped, unless that was just said.
    pub fn stopped(&self, id: FolderId, name: &str, why: &str) {
        if self.is_news(id, why, Instant::now()) {
            tracing::error!(folder = %name, %why, "folder stopped");
        }
    }

    /// Logs that a folder that had stopped is at work, and forgets why it had.
    pub fn over(&self, id: FolderId, name: &str) {
        let mut all = self.0.lock().expect("no code panics while it holds this lock");
        if all.remove(&id).is_some() {
            tracing::info!(folder = %name, "folder is at work again");
        }
    }

    fn is_news(&self, id: FolderId, why: &str, now: Instant) -> bool {
        let mut all = self.0.lock().expect("no code panics while it holds this lock");
        let fresh = Said { why: why.to_owned(), said: now, met: now };
        let Some(last) = all.get_mut(&id) else {
            all.insert(id, fresh);
            return true;
        };
        let since = |then: Instant| now.saturating_duration_since(then);
        let is_old =
            last.why == why && since(last.met) < OVER_AFTER && since(last.said) < AGAIN_AFTER;
        if is_old {
            last.met = now;
        } else {
            *last = fresh;
        }
        !is_old
    }
}

#[cfg(test)]
mod tests;
