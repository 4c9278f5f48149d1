//! What is tried in thousands, and of which only the shortest failure is to be told.

use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Tries it; what it panics with is not printed, but returned.
pub fn lived(try_it: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !SILENT.get() {
                loud(info);
            }
        }));
    });
    let before = SILENT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(try_it));
    SILENT.set(before);
    outcome.map_err(|panic| {
        let why = panic.downcast_ref::<String>().cloned();
        why.or_else(|| panic.downcast_ref::<&str>().map(|why| why.to_string())).unwrap_or_default()
    })
}
