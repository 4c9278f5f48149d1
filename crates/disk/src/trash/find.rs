//! A content's digest -> its item in the trash: the last place to look when it is nowhere else.
//!
//! Reads what `trash` writes and changes nothing. The index is read when somebody asks and it has
//! changed since; what is remembered of it is 40 bytes an item. Used by `serve`.

use super::{index_name, item_name, parse_item, read_lines};
use crate::fs::Fs;
use engine::content::Digest;
use engine::index::Fingerprint;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module's head.
pub struct Finder<F: Fs> {
    fs: Arc<F>,
    dir: F::Dir,
    known: Mutex<Known>,
}

/// What the index said when it was read last.
#[derive(Default)]
struct Known {
    read: Option<Fingerprint>,
    /// Under which numbers it was to be retired: an operation that noted one may not have come to
    /// that.
    numbers: BTreeMap<Digest, BTreeSet<u64>>,
}

impl<F: Fs> Finder<F> {
    pub(super) fn new(fs: Arc<F>, dir: F::Dir) -> Finder<F> {
        Finder { fs, dir, known: Mutex::default() }
    }

    /// Opens the item that had this content when it was retired; ENOENT where there is none. The
    /// caller verifies: somebody may have written to it since.
    pub fn open(&self, digest: &Digest) -> io::Result<F::File> {
        let missing = || io::Error::from_raw_os_error(libc::ENOENT);
        let numbers = self.numbers(digest)?;
        if numbers.is_empty() {
            return Err(missing());
        }
        let mut found = None;
        self.fs.list(&self.dir, &mut |name, _| {
            let item = parse_item(&name).filter(|(_, number)| numbers.contains(number));
            found = found.max(item);
        })?;
        let (retired_s, number) = found.ok_or_else(missing)?;
        self.fs.open_file(&self.dir, &item_name(retired_s, number))
    }

    fn numbers(&self, digest: &Digest) -> io::Result<BTreeSet<u64>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.fs.open_file(&self.dir, &index_name())?;
        let stat = self.fs.stat_file(&index)?;
        if known.read.as_ref() != Some(&stat.fingerprint()) {
            let lines = read_lines(&*self.fs, &index, stat.size)?;
            known.numbers.clear();
            for line in lines.values().filter(|line| !line.keep) {
                let Some(expected) = line.expected else { continue };
                known.numbers.entry(expected).or_default().insert(line.number);
            }
            known.read = Some(stat.fingerprint());
        }
        Ok(known.numbers.get(digest).cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
