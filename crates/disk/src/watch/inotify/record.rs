//! The bytes that reading an inotify instance gives -> [`Record`]s, borrowed from those bytes.
//!
//! A pure function over bytes, every length checked (layout: inotify(7)). Called by `super::Tree`.

/// sizeof(struct inotify_event): i32 watch, u32 mask, u32 cookie, u32 length of the name.
const HEADER_BYTES: usize = 16;

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record<'a> {
    /// Which watch; -1 for an overflow.
    pub(super) watch: i32,
    /// IN_* bits.
    pub(super) mask: u32,
    /// The name in the watched directory; empty for the directory itself.
    pub(super) name: &'a [u8],
}

/// The records in `bytes`, until the end or the first that is cut off (yielded as `None` once).
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = Option<Record<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parsed = record(rest);
        rest = parsed.map_or(&[], |(_, after)| after);
        Some(parsed.map(|(record, _)| record))
    })
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, after) = bytes.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| header.get(at..at + 4)?.try_into().ok();
    let name_bytes = usize::try_from(u32::from_ne_bytes(word(12)?)).ok()?;
    let (padded, rest) = after.split_at_checked(name_bytes)?;
    let end = padded.iter().position(|&byte| byte == 0).unwrap_or(padded.len());
    let watch = i32::from_ne_bytes(word(0)?);
    let mask = u32::from_ne_bytes(word(4)?);
    Some((Record { watch, mask, name: &padded[..end] }, rest))
}

#[cfg(test)]
mod tests;
