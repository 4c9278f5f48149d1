//! The conflict store: content that lost a name but that no user has given up, one file a digest.
//!
//! Which entries need which content is known to the index, not here. Called by `apply`, `trash` and
//! `serve`.

use crate::fs::Fs;
use crate::stage::{parse_digest, whole_name};
use engine::content::Digest;
use engine::path::Name;
use std::io;
use std::sync::Arc;

/// The `kept` directory of one folder.
pub struct Kept<F: Fs> {
    fs: Arc<F>,
    dir: F::Dir,
}

impl<F: Fs> Kept<F> {
    /// `dir` is the directory itself.
    pub fn new(fs: Arc<F>, dir: F::Dir) -> Kept<F> {
        Kept { fs, dir }
    }

    /// The directory.
    pub fn dir(&self) -> &F::Dir {
        &self.dir
    }

    /// All contents, ascending.
    pub fn list(&self) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        self.fs.list(&self.dir, &mut |name, _| found.extend(parse_digest(name.as_bytes())))?;
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a content for reading; ENOENT where it is not kept.
    pub fn open(&self, digest: &Digest) -> io::Result<F::File> {
        self.fs.open_file(&self.dir, &whole_name(digest))
    }

    /// Moves a file whose hash is `digest` in. `false`: its bytes are kept, but the file is still
    /// where it was, because the content was here already or the file has other names, through
    /// which it may yet change.
    pub(crate) fn put(&self, from: (&F::Dir, &Name), digest: &Digest) -> io::Result<bool> {
        let name = whole_name(digest);
        let stat = self.fs.stat(from.0, from.1)?;
        if stat.links > 1 {
            self.copy_in(from, &name, stat.size)?;
            return Ok(false);
        }
        match self.fs.rename_in(from, (&self.dir, &name)) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves a content out.
    pub(crate) fn take(&self, digest: &Digest, to: (&F::Dir, &Name)) -> io::Result<()> {
        self.fs.rename_in((&self.dir, &whole_name(digest)), to)
    }

    fn copy_in(&self, from: (&F::Dir, &Name), name: &Name, size: u64) -> io::Result<()> {
        if self.fs.stat(&self.dir, name).is_ok() {
            return Ok(());
        }
        let part = Name::new(b"copy.part").expect("a name");
        match self.fs.remove_own(&self.dir, &part) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            other => other?,
        }
        let source = self.fs.open_file(from.0, from.1)?;
        let copy = self.fs.create(&self.dir, &part)?;
        if self.fs.copy(&source, &copy, size)? != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.fs.rename_over((&self.dir, &part), (&self.dir, name))
    }
}
