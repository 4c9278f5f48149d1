//! Observations gathered into batches of bounded size, in path order, each path once.
//!
//! Knows nothing of disks. Used by `walk`.

use super::{Report, BATCH_BYTES_MAX, CONTENTS_BYTES_MAX, LOOKS_MAX};
use engine::content::{Content, Digest};
use engine::observe::{Batch, Found, Observation, Source};
use engine::path::RelPath;
use std::collections::BTreeMap;

/// Looks that must stay in one batch.
pub(super) type Together = Vec<(RelPath, Found)>;

/// The batch that is being filled.
pub(super) struct Emitter<'a> {
    source: Source,
    looks: BTreeMap<RelPath, Found>,
    looks_bytes: usize,
    contents: Vec<(Digest, Vec<u8>)>,
    contents_bytes: usize,
    hand_on: &'a mut dyn FnMut(Report) -> bool,
    stopped: bool,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(source: Source, hand_on: &'a mut dyn FnMut(Report) -> bool) -> Emitter<'a> {
        Emitter {
            source,
            looks: BTreeMap::new(),
            looks_bytes: 0,
            contents: Vec::new(),
            contents_bytes: 0,
            hand_on,
            stopped: false,
        }
    }

    /// How the looks came about.
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// Whether the receiver wants no more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Adds looks that belong together; a later look at the same path replaces the earlier.
    pub(super) fn add(&mut self, together: Together) {
        let bytes: usize = together.iter().map(|(_, found)| bytes_of(found)).sum();
        let full = self.looks.len() + together.len() > LOOKS_MAX;
        if full || self.looks_bytes + bytes > BATCH_BYTES_MAX {
            self.flush();
        }
        self.looks_bytes += bytes;
        self.looks.extend(together);
    }

    /// Adds small contents that belong to a look just added, as long as there is room.
    pub(super) fn add_content(&mut self, digest: Digest, bytes: Vec<u8>) {
        if self.source == Source::Live && self.contents_bytes + bytes.len() <= CONTENTS_BYTES_MAX {
            self.contents_bytes += bytes.len();
            self.contents.push((digest, bytes));
        }
    }

    /// Hands on what there is.
    pub(super) fn flush(&mut self) {
        let looks = std::mem::take(&mut self.looks);
        let contents = std::mem::take(&mut self.contents);
        self.looks_bytes = 0;
        self.contents_bytes = 0;
        if looks.is_empty() || self.stopped {
            return;
        }
        let looks = looks.into_iter().map(|(path, found)| Observation { path, found }).collect();
        let batch = Batch { source: self.source, looks };
        self.stopped = !(self.hand_on)(Report { batch, contents });
    }
}

/// What a look weighs beyond its fixed size.
fn bytes_of(found: &Found) -> usize {
    match found {
        Found::Present(present) => {
            let xattrs = present.attributes.xattrs.iter();
            let link = match &present.content {
                Some(Content::Link(target)) => target.len(),
                _ => 0,
            };
            link + xattrs.map(|(name, value)| name.len() + value.len()).sum::<usize>()
        }
        _ => 0,
    }
}
