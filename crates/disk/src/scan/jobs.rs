//! The two jobs that need no look-up in D, so that any thread can do them: list a directory with a
//! look at each name, and look at one thing in full.
//!
//! Used by `drive`, which decides on which thread; answers go to `walk`.

use super::look::{Lens, Looked};
use crate::fs::{Fs, Stat};
use crate::hash::Reader;
use engine::index::{Fingerprint, Slot};
use engine::path::{Name, RelPath};
use rustix::io::Errno;
use std::io;

/// Names looked at before they are handed over.
const CHUNK_NAMES: usize = 256;

/// Something to do.
pub(super) enum Job<F: Fs> {
    /// List the directory at `path` beneath the root.
    List {
        visit: u64,
        path: RelPath,
        /// The inode number seen before: another one there now is not entered.
        inode: u64,
    },
    /// Look at one thing; see `Lens::look`.
    Look {
        dir: F::Dir,
        /// The row of `dir`, handed through.
        parent: Option<Slot>,
        path: RelPath,
        known: Option<Fingerprint>,
    },
}

/// A name with a look at it.
pub(super) type Entry = (Name, io::Result<Stat>);

/// What came out.
#[expect(clippy::large_enum_variant, reason = "handed on at once; a box would cost every look")]
pub(super) enum Answer<F: Fs> {
    /// Some more names of a directory, in order. `here` is the directory itself.
    Chunk { visit: u64, dir: F::Dir, here: Box<Stat>, entries: Vec<Entry> },
    /// A directory is listed to its end.
    Listed { visit: u64, names_too_long: u64 },
    /// A directory could not be listed; of what it holds nothing is known.
    NotListed { visit: u64, error: io::Error },
    /// Another directory is there now, or none.
    Replaced { visit: u64 },
    /// A look.
    Looked { path: RelPath, parent: Option<Slot>, looked: Looked },
}

/// Does `job`, handing each answer to `answer` until that says to stop.
pub(super) fn run<F: Fs>(
    lens: &Lens<'_, F>,
    root: &F::Dir,
    reader: &mut Reader,
    job: Job<F>,
    answer: &mut dyn FnMut(Answer<F>) -> bool,
) {
    match job {
        Job::Look { dir, parent, path, known } => {
            let looked = lens.look(reader, &dir, &path, known.as_ref());
            answer(Answer::Looked { path, parent, looked });
        }
        Job::List { visit, path, inode } => {
            let last = match list(lens, root, (visit, &path, inode), answer) {
                Ok(last) => last,
                Err(error) if is_gone(&error) => Some(Answer::Replaced { visit }),
                Err(error) => Some(Answer::NotListed { visit, error }),
            };
            if let Some(last) = last {
                answer(last);
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV))
}

/// Lists and looks; the last answer, or `None` if it was told to stop.
fn list<F: Fs>(
    lens: &Lens<'_, F>,
    root: &F::Dir,
    (visit, path, inode): (u64, &RelPath, u64),
    answer: &mut dyn FnMut(Answer<F>) -> bool,
) -> io::Result<Option<Answer<F>>> {
    let dir = lens.fs.open_dir(root, path)?;
    let here = lens.fs.stat_dir(&dir)?;
    if here.inode != inode {
        return Ok(Some(Answer::Replaced { visit }));
    }
    let mut names = Vec::new();
    let names_too_long = lens.fs.list(&dir, &mut |name, _| names.push(name))?;
    names.sort_unstable();
    // Some filesystems show a name twice while its directory is being rearranged.
    names.dedup();
    let mut names = names.into_iter();
    loop {
        let chunk = names.by_ref().take(CHUNK_NAMES);
        let look = |name: Name| {
            let stat = lens.fs.stat(&dir, &name);
            (name, stat)
        };
        let entries: Vec<Entry> = chunk.map(look).collect();
        let done = entries.len() < CHUNK_NAMES;
        lens.progress.add(&lens.progress.entries, entries.len() as u64);
        let chunk =
            Answer::Chunk { visit, dir: dir.clone(), here: Box::new(here.clone()), entries };
        if !answer(chunk) || lens.progress.is_cancelled() {
            return Ok(None);
        }
        if done {
            return Ok(Some(Answer::Listed { visit, names_too_long }));
        }
    }
}
