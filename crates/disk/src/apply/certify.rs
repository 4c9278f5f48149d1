//! Looking before and after: is this what the operation expects, and is nobody writing to it?
//!
//! Used by `apply` only.

use super::{stop, Apply, Spot, Stop, Was};
use crate::fs::{Fs, Lease, On};
use crate::stage::read_whole;
use engine::content::{Content, Digest};
use engine::entry::{Kind, Timestamp, Xattrs};
use engine::index::Fingerprint;
use engine::observe::Present;
use engine::path::Name;
use engine::plan::Expected;
use engine::proof::{broken, reached, Mutant};
use std::io;

/// Pauses between lease probes of a displaced file, in milliseconds: 31 together. A program that is
/// about to close is waited for; any other gets its file back.
const WRITER_PAUSES_MS: [u64; 5] = [1, 2, 4, 8, 16];

/// What the displaced inode turned out to be.
pub(super) enum Verdict {
    /// What was expected, and nobody is writing.
    Certified,
    /// Somebody has it open for writing.
    Writer(Option<String>),
    /// Something else: user data.
    Differs,
}

impl<F: Fs> Apply<F> {
    /// Step 3: what is at `spot` now must be `expected`, with no writer; files are held open.
    /// `None` where nothing is expected, which only the rename itself can tell.
    pub(super) fn check<'a>(
        &self,
        spot: &Spot<F>,
        expected: &'a Expected,
    ) -> Result<Option<Was<'a, F>>, Stop> {
        let Expected::Exactly { kind, fingerprint, content, soft } = expected else {
            return Ok(None);
        };
        let look = |error: io::Error| stop("look at", &spot.path, &error);
        let mut was =
            Was { kind: *kind, fingerprint, content: content.as_ref(), soft: *soft, file: None };
        if *kind == Kind::File {
            let file = self.fs.open_file(&spot.dir, &spot.name).map_err(look)?;
            let stat = self.fs.stat_file(&file).map_err(look)?;
            if stat.fingerprint() != *fingerprint {
                return Err(Stop::NotAsExpected);
            }
            if self.fs.probe(&file) == Lease::Held {
                reached("a writer has what is to be replaced");
                return Err(Stop::Busy(self.fs.writer(&file)));
            }
            was.file = Some(file);
            return Ok(Some(was));
        }
        let stat = self.fs.stat(&spot.dir, &spot.name).map_err(look)?;
        let same = match kind {
            Kind::Dir => stat.handle == fingerprint.handle,
            Kind::Symlink | Kind::File => stat.fingerprint() == *fingerprint,
        };
        if !same || stat.kind.entry() != Some(*kind) {
            return Err(Stop::NotAsExpected);
        }
        Ok(Some(was))
    }

    /// Step 5: what was displaced to `name` in the staging directory.
    pub(super) fn verify(&self, name: &Name, was: &Was<'_, F>) -> Result<Verdict, io::Error> {
        #[cfg(test)]
        if self.blind {
            return Ok(Verdict::Certified);
        }
        if broken(Mutant::NothingVerified) {
            return Ok(Verdict::Certified);
        }
        let stat = self.fs.stat(self.stage.dir(), name)?;
        if stat.handle != was.fingerprint.handle {
            reached("what was displaced is another file");
            return Ok(Verdict::Differs);
        }
        let Some(file) = &was.file else {
            return Ok(Verdict::Certified);
        };
        if self.wait_for_writer(file) == Lease::Held {
            return Ok(Verdict::Writer(self.fs.writer(file)));
        }
        // Only now, after the probe: a writer may have closed since the first look.
        let stat = self.fs.stat_file(file)?;
        if !is_same_content(&stat.fingerprint(), was.fingerprint) {
            reached("what was displaced had been written to");
            return Ok(Verdict::Differs);
        }
        if !was.soft {
            return Ok(Verdict::Certified);
        }
        let digest = read_whole(&*self.fs, file)?.0;
        let same = file_digest(was.content) == Some(digest);
        Ok(if same { Verdict::Certified } else { Verdict::Differs })
    }

    /// Whether a write now could leave this as the time of the last one: where timestamps are
    /// coarse, and what is put in place was written a moment ago on another node.
    pub(super) fn is_racy(&self, mtime: Timestamp) -> bool {
        self.fs.unix_ms().saturating_sub(mtime.unix_ms()) < self.racy_ms
    }

    /// Probes for a short while until nobody has the file open for writing.
    pub(super) fn wait_for_writer(&self, file: &F::File) -> Lease {
        let mut lease = self.fs.probe(file);
        for pause_ms in WRITER_PAUSES_MS {
            if lease != Lease::Held {
                break;
            }
            self.fs.pause(pause_ms);
            lease = self.fs.probe(file);
        }
        lease
    }

    /// Describes a file that stayed the same inode under an operation (moved, or given attributes).
    /// If its bytes changed meanwhile, it is described as it was, so that the change is still to be
    /// seen by the next look.
    pub(super) fn present(&self, spot: &Spot<F>, was: &Was<'_, F>) -> Result<Present, Stop> {
        let look = |error: io::Error| stop("look at", &spot.path, &error);
        let (stat, xattrs, lease) = match was.kind {
            Kind::File => {
                let file = self.fs.open_file(&spot.dir, &spot.name).map_err(look)?;
                let stat = self.fs.stat_file(&file).map_err(look)?;
                let xattrs = self.fs.xattrs(On::File(&file)).map_err(look)?;
                (stat, xattrs, self.fs.probe(&file))
            }
            Kind::Dir => {
                let dir = self.fs.open_child(&spot.dir, &spot.name).map_err(look)?;
                let xattrs = self.fs.xattrs(On::Dir(&dir)).map_err(look)?;
                (self.fs.stat_dir(&dir).map_err(look)?, xattrs, Lease::Free)
            }
            Kind::Symlink => {
                let stat = self.fs.stat(&spot.dir, &spot.name).map_err(look)?;
                (stat, Xattrs::new(), Lease::Free)
            }
        };
        let seen = stat.fingerprint();
        let same = match was.kind {
            Kind::Dir => seen.handle == was.fingerprint.handle,
            Kind::File | Kind::Symlink => is_same_content(&seen, was.fingerprint),
        };
        Ok(Present {
            kind: was.kind,
            fingerprint: if same { seen } else { was.fingerprint.clone() },
            attributes: stat.attributes(xattrs),
            content: was.content.cloned(),
            soft: was.soft || lease != Lease::Free,
            zeros: false,
            alone: false,
        })
    }

    /// Describes a file in the conflict store that was displaced with bytes nobody had seen.
    pub(super) fn displaced(&self, file: &F::File, digest: Digest) -> io::Result<Present> {
        let stat = self.fs.stat_file(file)?;
        let xattrs = self.fs.xattrs(On::File(file))?;
        Ok(Present {
            kind: Kind::File,
            fingerprint: stat.fingerprint(),
            attributes: stat.attributes(xattrs),
            content: Some(Content::File(digest, stat.size)),
            soft: self.fs.probe(file) != Lease::Free,
            zeros: false,
            alone: false,
        })
    }
}

/// Whether two looks at one inode leave no room for a write between them; its change time moves
/// with every rename and says nothing here.
pub(super) fn is_same_content(now: &Fingerprint, then: &Fingerprint) -> bool {
    now.handle == then.handle && now.size == then.size && now.mtime == then.mtime
}

/// The digest, if it is a file's content.
pub(super) fn file_digest(content: Option<&Content>) -> Option<Digest> {
    match content {
        Some(Content::File(digest, _)) => Some(*digest),
        Some(Content::Link(_)) | None => None,
    }
}
