//! Which start of which machine this is, as the system tells it. Called by `folder` at its opening.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::engine::Boot;
use engine::entry::Timestamp;

/// The start of the machine that this program runs in.
///
/// All containers of one kernel have its start: the machine's own id tells them apart, so that a
/// home that was copied from one into another begins a new life there. What the system does not
/// tell is all zeros: then a start counts as the same as the last, and whatever a power loss may
/// have torn counts as torn by it.
pub fn this() -> Boot {
    let told = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (start, machine) = (told("/proc/sys/kernel/random/boot_id"), told("/etc/machine-id"));
    let up = up_for(&told("/proc/uptime"));
    Boot { id: id_of(&start, &machine), at: up.map_or_else(never, |up| ago(SystemTime::now(), up)) }
}

/// Both are random where they are told at all, so their sum is as good as either.
fn id_of(start: &str, machine: &str) -> [u8; 16] {
    let (start, machine) = (bytes_of(start), bytes_of(machine));
    std::array::from_fn(|at| start[at] ^ machine[at])
}

/// The hex digits, two to a byte.
fn bytes_of(text: &str) -> [u8; 16] {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    id
}

/// The first number of `/proc/uptime`: seconds, with the time asleep.
fn up_for(text: &str) -> Option<Duration> {
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn ago(now: SystemTime, up: Duration) -> Timestamp {
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(up);
    Timestamp { seconds: at.as_secs().cast_signed(), nanos: at.subsec_nanos() }
}

/// After all that is written.
fn never() -> Timestamp {
    Timestamp { seconds: i64::MAX, nanos: 0 }
}

#[cfg(test)]
mod tests;
