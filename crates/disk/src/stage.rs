//! Incoming content -> whole, verified files on the folder's own filesystem; resumable.
//!
//! Not a cache: what lies here is waiting to be installed. `<hash>.part` is incomplete and never
//! holds user data; `<hash>` is complete and its bytes were hashed. A part survives a restart and
//! goes on at its length; `<hash>.new` is written in one step, and is whole or of no use.
//! Durability is the installer's business (`apply`, one sync per batch).
//! Called by the daemon's transfer workers, several at once, and by `apply`.

use crate::fs::{Fs, Volume};
use engine::content::Digest;
use engine::limits::PIECE_BYTES_MAX;
use engine::path::Name;
use engine::proof::{broken, Mutant};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Written bytes after which the disk is asked to start writing them back.
const WRITE_BACK_BYTES: u64 = 8 << 20;
/// Parts open at once; each holds a descriptor and a hash state. For one more, the one that nobody
/// has used for longest is closed; its bytes stay, and it goes on at their end.
pub const PARTS_MAX: usize = 64;
/// Bytes read in one step while hashing.
const READ_BYTES: usize = 256 * 1024;
/// Bytes left free on the filesystem whatever comes in.
const RESERVE_BYTES: u64 = 64 << 20;
/// Smaller filesystems than this keep a sixteenth free instead of [`RESERVE_BYTES`].
pub(crate) const RESERVE_SHARE: u64 = 16;

/// Why content could not be staged. What was staged before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It would not fit.
    #[error("no room for {size} bytes of {digest}: {free} bytes are free; free some space")]
    Full {
        /// Which content.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Bytes free on the filesystem.
        free: u64,
    },
    /// The piece goes beyond the size that was announced; nothing was written.
    #[error("a piece of {digest} goes beyond its announced {size} bytes; the sender is wrong")]
    Beyond {
        /// Which content.
        digest: Digest,
        /// Its announced size in bytes.
        size: u64,
    },
    /// Too many parts are being written at this moment.
    #[error("{PARTS_MAX} contents are arriving already; {digest} waits")]
    Crowded {
        /// Which content.
        digest: Digest,
    },
    /// The machine refused.
    #[error("cannot {what} {digest} in the staging directory: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which content.
        digest: Digest,
        /// The kernel's word.
        source: io::Error,
    },
}

impl StageError {
    /// Whether space, quota or descriptors ran out: everything waits, not just this content.
    pub fn is_full(&self) -> bool {
        match self {
            StageError::Full { .. } => true,
            StageError::Io { source, .. } => is_full(source),
            StageError::Beyond { .. } | StageError::Crowded { .. } => false,
        }
    }
}

/// Whether an error means that the machine ran out of something that all operations need.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let codes = [libc::ENOSPC, libc::EDQUOT, libc::EMFILE, libc::ENFILE, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// How far a content has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Staged {
    /// This many bytes are here; the next piece begins there.
    Progress(u64),
    /// All are here and their hash is right.
    Complete,
    /// All were here and their hash was wrong: they are gone.
    Mismatch,
}

/// What is known of a complete content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Its length in bytes.
    pub size: u64,
    /// It has bytes and all are zero.
    pub zeros: bool,
}

struct Part<F: Fs> {
    file: F::File,
    hasher: blake3::Hasher,
    length: u64,
    written_back: u64,
    zeros: bool,
}

impl<F: Fs> Part<F> {
    fn absorb(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.zeros = self.zeros && bytes.iter().all(|&byte| byte == 0);
        self.length += bytes.len() as u64;
    }

    fn ready(&self) -> Ready {
        Ready { size: self.length, zeros: self.zeros && self.length > 0 }
    }
}

/// A part that is open, and when it was last asked for, counted up with every use of any.
struct Open<F: Fs> {
    part: Arc<Mutex<Part<F>>>,
    used: u64,
}

type Parts<F> = BTreeMap<Digest, Open<F>>;

/// The staging directory of one folder.
pub struct Stage<F: Fs> {
    fs: Arc<F>,
    dir: F::Dir,
    parts: Mutex<Parts<F>>,
    ready: Mutex<BTreeMap<Digest, Ready>>,
    /// Complete contents that could not be given their name again, and the names that they have.
    stranded: Mutex<BTreeMap<Digest, (Ready, Name)>>,
    /// Bytes that were lacking for the largest content refused since somebody asked.
    lacking: AtomicU64,
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn part_name(digest: &Digest) -> Name {
    Name::new(format!("{digest}.part").as_bytes()).expect("hex and a suffix")
}

/// The name of content that is written in one step, until it is whole.
fn new_name(digest: &Digest) -> Name {
    Name::new(format!("{digest}.new").as_bytes()).expect("hex and a suffix")
}

/// The content that a file of ours has part of, by the file's name.
fn parse_beginning(name: &[u8], suffix: &[u8]) -> Option<Digest> {
    parse_digest(name.strip_suffix(suffix)?)
}

/// The name of complete content: its digest in hex.
pub(crate) fn whole_name(digest: &Digest) -> Name {
    Name::new(digest.to_string().as_bytes()).expect("64 hex digits")
}

/// The digest that a file name of ours spells.
pub(crate) fn parse_digest(name: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(name).ok().filter(|text| text.len() == 64)?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(Digest(digest)).filter(|digest| digest.to_string() == text)
}

/// The digest of bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

/// Reads an open file to its end: its digest, and what is known of it.
pub(crate) fn read_whole<F: Fs>(fs: &F, file: &F::File) -> io::Result<(Digest, Ready)> {
    let mut hasher = blake3::Hasher::new();
    let (mut size, mut zeros) = (0, true);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = fs.read_at(file, &mut buffer, size)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        zeros = zeros && buffer[..count].iter().all(|&byte| byte == 0);
        size += count as u64;
    }
    Ok((Digest(*hasher.finalize().as_bytes()), Ready { size, zeros: zeros && size > 0 }))
}

/// Closes the part that was used longest ago, if there is one that nobody is at: a sender that went
/// away never comes back for its own.
fn close_one<F: Fs>(parts: &mut Parts<F>) -> bool {
    // Others get hold of a part through this map only, which is locked.
    let idle = parts.iter().filter(|(_, open)| Arc::strong_count(&open.part) == 1);
    let oldest = idle.min_by_key(|(_, open)| open.used).map(|(digest, _)| *digest);
    oldest.is_some_and(|digest| parts.remove(&digest).is_some())
}

impl<F: Fs> Stage<F> {
    /// Opens `dir`, the staging directory itself. What is complete is hashed again: a power loss
    /// may have torn what was never synced. Or it took the name alone from what is whole, and that
    /// may be the last copy there is: what takes no time to hash is looked into.
    pub fn open(fs: Arc<F>, dir: F::Dir) -> io::Result<Stage<F>> {
        let mut found = Vec::new();
        fs.list(&dir, &mut |name, _| {
            let suffixes: [&[u8]; 3] = [b"", b".new", b".part"];
            let digest = suffixes.iter().find_map(|end| parse_beginning(name.as_bytes(), end));
            found.extend(digest.map(|digest| (digest, name.clone())));
        })?;
        let mut ready = BTreeMap::new();
        for (digest, name) in found {
            let (whole, is_part) = (whole_name(&digest), name == part_name(&digest));
            if is_part && fs.stat(&dir, &name)?.size > PIECE_BYTES_MAX as u64 {
                continue;
            }
            let (really, content) = read_whole(&*fs, &fs.open_file(&dir, &name)?)?;
            if really == digest {
                if name != whole {
                    fs.rename_over((&dir, &name), (&dir, &whole))?;
                }
                ready.insert(digest, content);
            } else if !is_part {
                fs.remove_own(&dir, &name)?;
            }
        }
        let (ready, lacking) = (Mutex::new(ready), AtomicU64::new(0));
        let (parts, stranded) = (Mutex::default(), Mutex::default());
        Ok(Stage { fs, dir, parts, ready, stranded, lacking })
    }

    /// The directory.
    pub fn dir(&self) -> &F::Dir {
        &self.dir
    }

    /// All complete contents, ascending.
    pub fn complete(&self) -> Vec<Digest> {
        locked(&self.ready).keys().copied().collect()
    }

    /// Whether this content is here, whole.
    pub fn is_complete(&self, digest: &Digest) -> bool {
        locked(&self.ready).contains_key(digest)
    }

    /// How many bytes of this content are here in a part: from there on it is lacking.
    pub fn begun(&self, digest: &Digest) -> u64 {
        if let Some(open) = locked(&self.parts).get(digest) {
            return locked(&open.part).length;
        }
        self.fs.stat(&self.dir, &part_name(digest)).map_or(0, |stat| stat.size)
    }

    /// Writes what is new of the piece at `offset`; a part begins or goes on. A piece that does not
    /// go on where the part ends is the rest of an answer that was given up: it is left out, for
    /// what was asked for since begins at the end. The size comes from a peer: it is compared with
    /// the free space before anything is written.
    pub fn put(
        &self,
        digest: Digest,
        size: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Staged, StageError> {
        if offset == 0 && bytes.len() as u64 == size {
            return self.put_whole(digest, bytes);
        }
        if self.is_complete(&digest) {
            return Ok(Staged::Complete);
        }
        if bytes.len() as u64 > size.saturating_sub(offset) {
            return Err(StageError::Beyond { digest, size });
        }
        let part = self.part(digest, size)?;
        let mut part = locked(&part);
        let known = part.length.checked_sub(offset).and_then(|known| usize::try_from(known).ok());
        let new = known.and_then(|known| bytes.get(known..)).unwrap_or_default();
        if !new.is_empty() {
            let (end, io) =
                (part.length, |source| StageError::Io { what: "write", digest, source });
            self.fs.write_at(&part.file, new, end).map_err(io)?;
            part.absorb(new);
        }
        if part.length - part.written_back >= WRITE_BACK_BYTES {
            let (from, length) = (part.written_back, part.length - part.written_back);
            self.fs.start_write_back(&part.file, from, length);
            part.written_back = part.length;
        }
        self.settle(digest, size, &mut part)
    }

    /// Stages a content in one step.
    pub fn put_whole(&self, digest: Digest, bytes: &[u8]) -> Result<Staged, StageError> {
        if self.is_complete(&digest) {
            return Ok(Staged::Complete);
        }
        if digest_of(bytes) != digest {
            return Ok(Staged::Mismatch);
        }
        let size = bytes.len() as u64;
        self.make_room(digest, size)?;
        let new = new_name(&digest);
        let io = |what| move |source| StageError::Io { what, digest, source };
        let file = self.create(&new).map_err(io("create"))?;
        self.fs.write_at(&file, bytes, 0).map_err(io("write"))?;
        drop(file);
        let zeros = !bytes.is_empty() && bytes.iter().all(|&byte| byte == 0);
        self.finish(digest, &new, Ready { size, zeros })
    }

    /// Stages content that was found in a local file: shares its blocks where the filesystem can,
    /// copies otherwise, and hashes the copy. [`Staged::Mismatch`]: it is not that content.
    pub fn copy_from(
        &self,
        source: &F::File,
        digest: Digest,
        size: u64,
    ) -> Result<Staged, StageError> {
        if self.is_complete(&digest) {
            return Ok(Staged::Complete);
        }
        self.make_room(digest, size)?;
        let new = new_name(&digest);
        let io = |what| move |source| StageError::Io { what, digest, source };
        let file = self.create(&new).map_err(io("create"))?;
        self.fs.copy(source, &file, size).map_err(io("copy into"))?;
        let (really, ready) = read_whole(&*self.fs, &file).map_err(io("read"))?;
        let is_other = really != digest || ready.size != size;
        if is_other && !broken(Mutant::CopiesUnverified) {
            self.fs.remove_own(&self.dir, &new).map_err(io("remove"))?;
            return Ok(Staged::Mismatch);
        }
        drop(file);
        self.finish(digest, &new, ready)
    }

    /// Forgets a content, complete or not, there or not.
    pub fn discard(&self, digest: &Digest) -> io::Result<()> {
        locked(&self.parts).remove(digest);
        locked(&self.ready).remove(digest);
        let stranded = locked(&self.stranded).remove(digest).map(|(_, name)| name);
        for name in [part_name(digest), whole_name(digest)].into_iter().chain(stranded) {
            match self.fs.remove_own(&self.dir, &name) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Forgets these, and every part: nobody waits for anything. What is being written at this
    /// moment stays.
    pub fn clear(&self, contents: &[Digest]) -> io::Result<()> {
        if broken(Mutant::StagingKept) {
            return Ok(());
        }
        contents.iter().try_for_each(|digest| self.discard(digest))?;
        let mut parts = locked(&self.parts);
        // Others get hold of a part through this map only, which is locked.
        parts.retain(|_, open| Arc::strong_count(&open.part) > 1);
        let mut idle = Vec::new();
        self.fs.list(&self.dir, &mut |name, _| {
            idle.extend(parse_beginning(name.as_bytes(), b".part"));
        })?;
        idle.retain(|digest| !parts.contains_key(digest));
        idle.iter().try_for_each(|digest| self.fs.remove_own(&self.dir, &part_name(digest)))
    }

    /// Opens a complete content for reading.
    pub fn open_whole(&self, digest: &Digest) -> io::Result<F::File> {
        self.fs.open_file(&self.dir, &whole_name(digest))
    }

    /// Takes a complete content out, to the name `to` in the same directory; `None` if it is not
    /// here. With `copy`, a copy is taken and the content stays. Empty content is always here.
    pub(crate) fn take(&self, digest: &Digest, to: &Name, copy: bool) -> io::Result<Option<Ready>> {
        self.find_again(digest)?;
        let Some(ready) = locked(&self.ready).get(digest).copied() else {
            if *digest != digest_of(b"") {
                return Ok(None);
            }
            self.fs.create(&self.dir, to)?;
            return Ok(Some(Ready { size: 0, zeros: false }));
        };
        if !copy {
            self.fs.rename_over((&self.dir, &whole_name(digest)), (&self.dir, to))?;
            locked(&self.ready).remove(digest);
            return Ok(Some(ready));
        }
        let source = self.open_whole(digest)?;
        let file = self.fs.create(&self.dir, to)?;
        let copied = self.fs.copy(&source, &file, ready.size)?;
        if copied != ready.size {
            self.fs.remove_own(&self.dir, to)?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(ready))
    }

    /// Puts back what [`Stage::take`] gave out and nobody has seen.
    pub(crate) fn give_back(&self, digest: &Digest, ready: Ready, from: &Name) -> io::Result<()> {
        locked(&self.stranded).insert(*digest, (ready, from.clone()));
        self.find_again(digest)
    }

    /// What lies in staging under another name, if it does, gets its own: the machine may have
    /// refused that before.
    fn find_again(&self, digest: &Digest) -> io::Result<()> {
        let Some((ready, from)) = locked(&self.stranded).get(digest).cloned() else {
            return Ok(());
        };
        self.fs.rename_over((&self.dir, &from), (&self.dir, &whole_name(digest)))?;
        locked(&self.stranded).remove(digest);
        locked(&self.ready).insert(*digest, ready);
        Ok(())
    }

    /// Puts back what [`Stage::take`] gave out and a sync has failed on, as a file of its own: what
    /// the kernel could not write it has marked as written, and no later sync would write it. What
    /// does not read as it should by now, or cannot be written, is gone, and comes again.
    pub(crate) fn write_anew(&self, digest: &Digest, ready: Ready, from: &Name) -> io::Result<()> {
        let new = new_name(digest);
        let copied = self.copy_read(from, &new);
        self.fs.remove_own(&self.dir, from)?;
        if copied.as_ref().is_ok_and(|really| really == digest) {
            self.fs.rename_over((&self.dir, &new), (&self.dir, &whole_name(digest)))?;
            locked(&self.ready).insert(*digest, ready);
            return Ok(());
        }
        self.fs.remove_own(&self.dir, &new)?;
        copied.map(drop)
    }

    /// Copies byte by byte, so that no block is shared; what was read has this digest.
    fn copy_read(&self, from: &Name, to: &Name) -> io::Result<Digest> {
        let (source, file) = (self.fs.open_file(&self.dir, from)?, self.create(to)?);
        let mut hasher = blake3::Hasher::new();
        let (mut buffer, mut offset) = (vec![0; READ_BYTES], 0);
        loop {
            let count = self.fs.read_at(&source, &mut buffer, offset)?;
            if count == 0 {
                return Ok(Digest(*hasher.finalize().as_bytes()));
            }
            self.fs.write_at(&file, &buffer[..count], offset)?;
            hasher.update(&buffer[..count]);
            offset += count as u64;
        }
    }

    /// Bytes to be freed so that what was refused since the last call fits; once.
    pub(crate) fn take_lacking(&self) -> u64 {
        self.lacking.swap(0, Ordering::Relaxed)
    }

    /// Whether contents of these sizes will find room together; one answer each, in order. For who
    /// is about to ask for them: what is refused when it comes has crossed the network in vain.
    pub fn rooms(&self, contents: &[(Digest, u64)]) -> Vec<Result<(), StageError>> {
        // What cannot be measured now is told when it comes.
        let Ok(volume) = self.fs.volume(&self.dir) else {
            return contents.iter().map(|_| Ok(())).collect();
        };
        let mut taken = 0;
        let room = |&(digest, size): &(Digest, u64)| {
            // A smaller one comes in one piece: no part of it is here.
            let here = if size > PIECE_BYTES_MAX as u64 { self.begun(&digest) } else { 0 };
            let missing = size.saturating_sub(here);
            let fits = self.fits(&volume, digest, size, missing.saturating_add(taken));
            taken += if fits.is_ok() { missing } else { 0 };
            fits
        };
        contents.iter().map(room).collect()
    }

    fn make_room(&self, digest: Digest, size: u64) -> Result<(), StageError> {
        let volume = self.fs.volume(&self.dir);
        let volume = volume.map_err(|source| StageError::Io { what: "measure", digest, source })?;
        self.fits(&volume, digest, size, size)
    }

    /// Whether there are `more` bytes for a content of `size`.
    fn fits(
        &self,
        volume: &Volume,
        digest: Digest,
        size: u64,
        more: u64,
    ) -> Result<(), StageError> {
        let reserve = RESERVE_BYTES.min(volume.total_bytes / RESERVE_SHARE);
        let needed = more.saturating_add(reserve);
        if needed > volume.free_bytes {
            self.lacking.fetch_max(needed - volume.free_bytes, Ordering::Relaxed);
            return Err(StageError::Full { digest, size, free: volume.free_bytes });
        }
        Ok(())
    }

    /// A new file; what an earlier attempt left under the name goes.
    fn create(&self, part: &Name) -> io::Result<F::File> {
        match self.fs.create(&self.dir, part) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.fs.remove_own(&self.dir, part)?;
                self.fs.create(&self.dir, part)
            }
            other => other,
        }
    }

    fn part(&self, digest: Digest, size: u64) -> Result<Arc<Mutex<Part<F>>>, StageError> {
        let mut parts = locked(&self.parts);
        let used = parts.values().map(|open| open.used + 1).max().unwrap_or(0);
        if let Some(open) = parts.get_mut(&digest) {
            open.used = used;
            return Ok(open.part.clone());
        }
        if parts.len() >= PARTS_MAX && !close_one(&mut parts) {
            return Err(StageError::Crowded { digest });
        }
        let io = |source| StageError::Io { what: "open", digest, source };
        let resumed = self.resume(&digest, size).map_err(io)?;
        let part = match resumed {
            Some(part) => part,
            None => {
                self.make_room(digest, size)?;
                let file = self.create(&part_name(&digest)).map_err(io)?;
                self.fs.preallocate(&file, size).map_err(io)?;
                let hasher = blake3::Hasher::new();
                Part { file, hasher, length: 0, written_back: 0, zeros: true }
            }
        };
        let part = Arc::new(Mutex::new(part));
        parts.insert(digest, Open { part: part.clone(), used });
        Ok(part)
    }

    /// What an earlier life left of this content, hashed again; `None` if there is nothing of use.
    fn resume(&self, digest: &Digest, size: u64) -> io::Result<Option<Part<F>>> {
        let file = match self.fs.open_own(&self.dir, &part_name(digest)) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            other => other?,
        };
        let hasher = blake3::Hasher::new();
        let mut part = Part { file, hasher, length: 0, written_back: 0, zeros: true };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = self.fs.read_at(&part.file, &mut buffer, part.length)?;
            if count == 0 {
                break;
            }
            part.absorb(&buffer[..count]);
        }
        part.written_back = part.length;
        Ok(Some(part).filter(|part| part.length <= size))
    }

    fn settle(&self, digest: Digest, size: u64, part: &mut Part<F>) -> Result<Staged, StageError> {
        if part.length < size {
            return Ok(Staged::Progress(part.length));
        }
        locked(&self.parts).remove(&digest);
        let name = part_name(&digest);
        if *part.hasher.finalize().as_bytes() == digest.0 {
            return self.finish(digest, &name, part.ready());
        }
        let io = |source| StageError::Io { what: "remove", digest, source };
        self.fs.remove_own(&self.dir, &name).map_err(io)?;
        Ok(Staged::Mismatch)
    }

    fn finish(&self, digest: Digest, part: &Name, ready: Ready) -> Result<Staged, StageError> {
        let io = |source| StageError::Io { what: "name", digest, source };
        let whole = whole_name(&digest);
        self.fs.rename_over((&self.dir, part), (&self.dir, &whole)).map_err(io)?;
        locked(&self.ready).insert(digest, ready);
        Ok(Staged::Complete)
    }
}

#[cfg(test)]
mod tests;
