//! Small contents read a moment ago, so that a change that is announced need not be read again.
//!
//! Bounded by bytes, oldest out first. A miss costs nothing but a request from the peer.

use engine::content::Digest;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Contents kept, in bytes together.
const BYTES_MAX: usize = 16 << 20;

/// Shared by who reads files and who sends frames.
#[derive(Clone, Debug, Default)]
pub struct ContentCache(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    contents: BTreeMap<Digest, Vec<u8>>,
    order: VecDeque<Digest>,
    bytes: usize,
}

impl ContentCache {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// Keeps a content for a while.
    pub fn put(&self, digest: Digest, bytes: Vec<u8>) {
        let mut kept = self.lock();
        kept.bytes += bytes.len();
        if let Some(old) = kept.contents.insert(digest, bytes) {
            kept.bytes -= old.len();
            return;
        }
        kept.order.push_back(digest);
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { return };
            let gone = kept.contents.remove(&oldest).map_or(0, |bytes| bytes.len());
            kept.bytes -= gone;
        }
    }

    /// The content, if it is still here.
    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.lock().contents.get(digest).cloned()
    }
}
