//! Crashes on purpose: `SYNCLINE_CRASH_AT=<step>:<n>` ends the process the n-th time that a step is
//! reached, as a power failure of the program would. Debug builds only.
//!
//! Used by `apply` only.

use super::Step;

/// Where to crash, if anywhere.
pub(super) struct Crash {
    at: Option<(String, u64)>,
}

impl Crash {
    pub(super) fn from_environment() -> Crash {
        let text = std::env::var("SYNCLINE_CRASH_AT").ok().filter(|_| cfg!(debug_assertions));
        let at = text.and_then(|text| {
            let (step, count) = text.split_once(':')?;
            Some((step.to_owned(), count.parse().ok()?))
        });
        Crash { at }
    }

    pub(super) fn at(&mut self, step: Step) {
        if let Some((name, count)) = &mut self.at {
            if *name == format!("{step:?}").to_lowercase() {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    std::process::abort();
                }
            }
        }
    }
}
