//! A content hash a peer asks for -> its bytes, re-verified.
//!
//! Not a lookup: the caller says where the content was last seen; a peer never names a path. Small
//! files are read whole and hashed before a byte leaves. Ranges of large ones are read under a
//! fingerprint check before and after; the receiver hashes the whole. Called by the daemon's
//! serving workers.

use crate::apply::kept::Kept;
use crate::apply::Apply;
use crate::fs::{Fs, Stat};
use crate::stage::{digest_of, Stage, Staged};
use crate::trash::Finder;
use engine::content::Digest;
use engine::engine::{Input, Origin};
use engine::index::Fingerprint;
use engine::limits::PIECE_BYTES_MAX;
use engine::message::{Piece, Refused, Want};
use engine::path::RelPath;
use engine::proof::{broken, reached, Mutant};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire};
use std::sync::Arc;

/// Up to this size a content is read whole and hashed before it is served, in bytes.
pub const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// One data message is closed at this many bytes of content.
const MESSAGE_CONTENT_BYTES: usize = 512 << 10;
/// What a piece is on the wire beside its bytes, about.
const PIECE_OVERHEAD_BYTES: usize = 64;

/// Where a content was last seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Whereabouts {
    /// In the tree, as D remembers it.
    Tree {
        /// From the folder's root.
        path: RelPath,
        /// What tells that it is still that file, unchanged.
        fingerprint: Fingerprint,
    },
    /// In the conflict store.
    Kept,
    /// In the staging directory, not yet installed.
    Staged,
    /// In the trash, or in the conflict store though the index does not say so, if anywhere.
    Trash,
}

impl Whereabouts {
    /// Whether a content that is not there is nowhere on this disk. Where the tree had it a look is
    /// owed, and what was staged may be in the tree by now.
    fn is_last(&self) -> bool {
        matches!(self, Whereabouts::Kept | Whereabouts::Trash)
    }

    /// The path to look at again when what was seen there is not there.
    fn doubted(&self) -> Option<RelPath> {
        match self {
            Whereabouts::Tree { path, .. } => Some(path.clone()),
            Whereabouts::Kept | Whereabouts::Staged | Whereabouts::Trash => None,
        }
    }
}

impl From<Origin> for Whereabouts {
    fn from(origin: Origin) -> Whereabouts {
        match origin {
            Origin::Tree(path, fingerprint) => Whereabouts::Tree { path, fingerprint },
            Origin::Kept => Whereabouts::Kept,
            Origin::Staged => Whereabouts::Staged,
            Origin::Trash => Whereabouts::Trash,
        }
    }
}

/// What was read for a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Served {
    /// The bytes: all that were asked for, fewer only at the content's end.
    Bytes(Vec<u8>),
    /// That content is not there any more: look at the place again.
    Gone,
}

/// Why a peer is given nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Refusal {
    /// The content is nowhere on this disk, and that is sure.
    is_nowhere: bool,
    /// The path to look at again.
    doubted: Option<RelPath>,
}

/// What became of all that a peer asked for at once.
#[derive(Debug, Default)]
pub struct Given {
    /// What it is not given.
    pub refused: Refused,
    /// The paths to look at again.
    pub doubted: Vec<RelPath>,
    /// Nobody took it to the end.
    pub is_broken_off: bool,
}

/// Serves one folder.
pub struct Serve<F: Fs> {
    fs: Arc<F>,
    root: F::Dir,
    stage: Arc<Stage<F>>,
    kept: Arc<Kept<F>>,
    trash: Finder<F>,
    /// How many things of users lie in staging, and nobody could tell yet what they are.
    left: Arc<AtomicUsize>,
}

impl<F: Fs> Serve<F> {
    /// Serves from where `apply` works.
    pub fn new(apply: &Apply<F>) -> Serve<F> {
        let (fs, root) = apply.tree();
        let (stage, kept) = (apply.stage().clone(), apply.kept().clone());
        Serve { fs, root, stage, kept, trash: apply.trash().finder(), left: apply.left_counter() }
    }

    /// Opens what is said to lie there.
    fn open(&self, digest: &Digest, whereabouts: &Whereabouts) -> io::Result<F::File> {
        match whereabouts {
            Whereabouts::Tree { path, .. } => self.open_in_tree(path),
            Whereabouts::Kept => self.kept.open(digest),
            Whereabouts::Staged => self.stage.open_whole(digest),
            Whereabouts::Trash => match self.trash.open(digest) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.kept.open(digest),
                other => other,
            },
        }
    }

    /// Reads what a peer asks for, in order, and hands it on in messages' worth. `take` is told
    /// whether a content ends with the last piece, and says whether anybody still listens.
    pub fn give(
        &self,
        wants: Vec<(Want, Origin)>,
        take: &mut dyn FnMut(Vec<Piece>, bool) -> bool,
    ) -> Given {
        let (mut given, mut pieces, mut bytes) = (Given::default(), Vec::new(), 0);
        for (want, origin) in wants {
            let whereabouts = Whereabouts::from(origin);
            let mut offset = want.offset;
            loop {
                match self.piece(&want, &whereabouts, offset) {
                    Ok(piece) => {
                        bytes += piece.bytes.len() + PIECE_OVERHEAD_BYTES;
                        offset += piece.bytes.len() as u64;
                        pieces.push(piece);
                    }
                    Err(refusal) => {
                        given.refused.add(want.digest, refusal.is_nowhere);
                        given.doubted.extend(refusal.doubted);
                        break;
                    }
                }
                let is_last = offset >= want.size;
                if bytes >= MESSAGE_CONTENT_BYTES {
                    bytes = 0;
                    if !take(std::mem::take(&mut pieces), is_last) {
                        given.is_broken_off = true;
                        return given;
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        given.is_broken_off = !pieces.is_empty() && !take(pieces, true);
        given
    }

    /// The piece of a content that begins at `offset`. What the machine could not read now, and
    /// what ends before its size, is refused like what is gone, but never denied; nor is anything
    /// while something waits in staging that may be it.
    fn piece(&self, want: &Want, whereabouts: &Whereabouts, offset: u64) -> Result<Piece, Refusal> {
        let Want { digest, size, .. } = *want;
        match self.read(&digest, size, whereabouts, offset, PIECE_BYTES_MAX as u64) {
            Ok(Served::Bytes(bytes)) if !bytes.is_empty() || size == 0 => {
                Ok(Piece { digest, size, offset, bytes })
            }
            other => {
                let is_gone = matches!(other, Ok(Served::Gone)) && whereabouts.is_last();
                let is_nowhere = is_gone && !self.may_be_left(whereabouts);
                Err(Refusal { is_nowhere, doubted: whereabouts.doubted() })
            }
        }
    }

    /// The bytes of `digest` from `offset`, at most `length` (itself at most [`WHOLE_BYTES_MAX`]; a
    /// larger wish is cut). `size` is the content's size as the index knows it. An error means that
    /// the machine could not read it now.
    pub(crate) fn read(
        &self,
        digest: &Digest,
        size: u64,
        whereabouts: &Whereabouts,
        offset: u64,
        length: u64,
    ) -> io::Result<Served> {
        let file = match self.open(digest, whereabouts) {
            Err(error) if is_gone(&error, whereabouts) => return Ok(gone()),
            other => other?,
        };
        let before = self.fs.stat_file(&file)?;
        if before.size != size || !is_as_seen(&before, whereabouts) {
            return Ok(gone());
        }
        if size <= WHOLE_BYTES_MAX {
            let bytes = self.read_range(&file, 0, size)?;
            if digest_of(&bytes) != *digest {
                return Ok(gone());
            }
            let from = usize::try_from(offset.min(size)).expect("at most WHOLE_BYTES_MAX");
            let to = usize::try_from(offset.saturating_add(length).min(size)).expect("as above");
            return Ok(Served::Bytes(bytes[from..to].to_vec()));
        }
        let length = length.min(WHOLE_BYTES_MAX).min(size.saturating_sub(offset));
        let bytes = self.read_range(&file, offset, length)?;
        if self.fs.stat_file(&file)? != before {
            return Ok(gone());
        }
        Ok(Served::Bytes(bytes))
    }

    /// Stages a content that lies elsewhere on this disk: copied, or its blocks shared, and
    /// verified. What came of it: what is not where it was seen is to be looked at again.
    pub fn copy(&self, digest: Digest, size: u64, origin: Origin) -> Vec<Input> {
        let whereabouts = Whereabouts::from(origin);
        if whereabouts == Whereabouts::Staged {
            return vec![Input::Staged(vec![digest])];
        }
        let is_here = match self.open(&digest, &whereabouts) {
            Ok(file) => match self.stage.copy_from(&file, digest, size) {
                Ok(Staged::Complete) => return vec![Input::Staged(vec![digest])],
                Ok(Staged::Progress(_) | Staged::Mismatch) => false,
                Err(_) => true,
            },
            Err(error) => !is_gone(&error, &whereabouts),
        };
        let is_sure = !is_here && !self.may_be_left(&whereabouts);
        let input = if is_sure { Input::NotHere } else { Input::NotStaged };
        let doubted = whereabouts.doubted().map(|path| Input::Doubted(vec![path]));
        [input(vec![digest])].into_iter().chain(doubted).collect()
    }

    /// Whether what is not there may wait in staging, where nobody has looked at it yet.
    fn may_be_left(&self, whereabouts: &Whereabouts) -> bool {
        let is_left = self.left.load(Acquire) > 0 && !broken(Mutant::DeniesWhatIsLeft);
        is_left && whereabouts.is_last()
    }

    fn open_in_tree(&self, path: &RelPath) -> io::Result<F::File> {
        let missing = || io::Error::from_raw_os_error(libc::ENOENT);
        let dir = self.fs.open_dir(&self.root, &path.parent().ok_or_else(missing)?)?;
        self.fs.open_file(&dir, path.name().ok_or_else(missing)?)
    }

    fn read_range(&self, file: &F::File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).expect("at most WHOLE_BYTES_MAX")];
        let mut have = 0;
        while have < bytes.len() {
            let count = self.fs.read_at(file, &mut bytes[have..], offset + have as u64)?;
            if count == 0 {
                break;
            }
            have += count;
        }
        bytes.truncate(have);
        Ok(bytes)
    }
}

fn is_as_seen(stat: &Stat, whereabouts: &Whereabouts) -> bool {
    match whereabouts {
        Whereabouts::Tree { fingerprint, .. } => stat.fingerprint() == *fingerprint,
        Whereabouts::Kept | Whereabouts::Staged | Whereabouts::Trash => true,
    }
}

/// Whether an error says that the content is not there. Of the tree that is any that comes when
/// something else has its path; of rooms that nobody but us changes, only that there is nothing.
fn is_gone(error: &io::Error, whereabouts: &Whereabouts) -> bool {
    let nothing = [libc::ENOENT];
    let another = [
        libc::ENOENT,
        libc::ENOTDIR,
        libc::ELOOP,
        libc::EISDIR,
        libc::EINVAL,
        libc::ESTALE,
        libc::EXDEV,
    ];
    let gone = match whereabouts {
        Whereabouts::Tree { .. } => &another[..],
        Whereabouts::Kept | Whereabouts::Staged | Whereabouts::Trash => &nothing[..],
    };
    error.raw_os_error().is_some_and(|code| gone.contains(&code))
}

fn gone() -> Served {
    reached("what is asked for is not there any more");
    Served::Gone
}

#[cfg(test)]
mod tests;
