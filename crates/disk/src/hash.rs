//! A file -> its content, noticing when the file moves under us.
//!
//! Lease probe, look, read, look, lease probe: a content counts only if nobody could write and
//! nothing moved in between (decisions B1). A lease is never held across the reading, so no program
//! waits for us. Where leases do not work the content is `soft`: true when it was read, no proof
//! that it still is. Not the decision when to look (`settle`), and not verification of received
//! bytes (`stage`). Called by `scan`.

use crate::fs::{Fs, Lease, On, Stat};
use engine::content::{Content, Digest};
use engine::entry::Owner;
use engine::path::Name;
use engine::proof::{broken, reached, Mutant};
use std::io;

/// Contents up to this long are handed back as bytes too, so that they can be sent at once.
pub const SMALL_BYTES_MAX: u64 = 32 * 1024;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// How often a file that moves while it is read is tried again before it counts as busy.
const TRIES_MAX: usize = 3;
/// A file changed less than this ago is written back before it is read where no lease can tell of
/// mappings: stores through a mapping show in mtime only after write-back (decisions B1).
const MAPPED_MS: u64 = 60_000;
/// Two ticks of the slowest kernel clock (100 Hz) and one for its coarseness.
const RACY_MS: u64 = 30;

/// `statfs` numbers of filesystems with multigrain timestamps: btrfs, ext4, tmpfs, xfs.
const MULTIGRAIN: [u64; 4] = [0x9123_683e, 0xef53, 0x0102_1994, 0x5846_5342];

/// How fresh a change may be for its timestamps to prove nothing, in milliseconds.
///
/// Before Linux 6.13 timestamps have the grain of a timer tick: a second write within the tick that
/// was looked at shows in nothing. `release` is what uname(2) says.
pub fn racy_ms(release: &str, volume_magic: u64) -> u64 {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>());
    let version = (numbers.next(), numbers.next());
    let multigrain = match version {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (6, 13),
        _ => false,
    };
    if multigrain && MULTIGRAIN.contains(&volume_magic) {
        0
    } else {
        RACY_MS
    }
}

/// Whether leases are granted on the filesystem of `dir`, a directory of ours: only where they are
/// does reading prove anything. What cannot be tried is not granted. Without CAP_LEASE they are for
/// one's own files alone: whoever looks at those of others tries one of `other`.
pub fn grants_leases<F: Fs>(fs: &F, dir: &F::Dir, other: Option<Owner>) -> bool {
    let name = Name::new(b"lease").expect("a literal");
    let tried = || {
        // Of a program that died here.
        if let Err(error) = fs.remove_own(dir, &name) {
            if error.raw_os_error() != Some(libc::ENOENT) {
                return Err(error);
            }
        }
        let file = fs.create(dir, &name)?;
        let given = other.map_or(Ok(()), |other| fs.set_owner(On::File(&file), other));
        // Closed at once: who has it open for writing gets no lease.
        drop(file);
        let lease = given.and_then(|()| Ok(fs.probe(&fs.open_file(dir, &name)?)));
        fs.remove_own(dir, &name)?;
        lease
    };
    tried().is_ok_and(|lease| lease == Lease::Free)
}

/// What is in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hashed {
    /// Digest and length.
    pub content: Content,
    /// The file as it was before and after the reading.
    pub stat: Stat,
    /// The fingerprint does not prove that the content is still this.
    pub soft: bool,
    /// There are bytes and all are zero.
    pub zeros: bool,
    /// The bytes, if there are at most [`SMALL_BYTES_MAX`].
    pub bytes: Option<Vec<u8>>,
}

/// How a reading ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hashing {
    /// With its content.
    Done(Box<Hashed>),
    /// Somebody writes it, or it kept moving; the program's name if known. Look again later.
    Busy(Option<String>),
    /// The caller asked to stop.
    Stopped,
}

/// Reads files one after another through one buffer; one per thread.
pub struct Reader {
    buffer: Vec<u8>,
    racy_ms: u64,
}

/// One pass over a file.
struct Pass {
    digest: Digest,
    length: u64,
    zeros: bool,
    bytes: Option<Vec<u8>>,
}

impl Reader {
    /// `racy_ms` as [`racy_ms`] says for the folder's filesystem.
    pub fn new(racy_ms: u64) -> Reader {
        Reader { buffer: Vec::new(), racy_ms }
    }

    /// Reads and hashes an open file. `go_on` is told the bytes of each step and answers whether to
    /// continue. Errors are those of reading.
    pub fn hash<F: Fs>(
        &mut self,
        fs: &F,
        file: &F::File,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<Hashing> {
        for _ in 0..TRIES_MAX {
            let before = fs.probe(file);
            if before == Lease::Held {
                return busy(fs, file);
            }
            let first = fs.stat_file(file)?;
            let age_ms = fs.unix_ms().saturating_sub(first.mtime.unix_ms());
            if before == Lease::Unsupported && age_ms < MAPPED_MS {
                fs.sync_file(file)?;
            }
            let Some(pass) = self.read(fs, file, first.size, go_on)? else {
                return Ok(Hashing::Stopped);
            };
            // Asked before the last look: what a writer of a later moment does, changes the ctime.
            let after = fs.probe(file);
            let second = fs.stat_file(file)?;
            if after == Lease::Held {
                return busy(fs, file);
            }
            let moves = first.fingerprint() != second.fingerprint() || pass.length != first.size;
            if moves && !broken(Mutant::HashedOnce) {
                reached("a file changed while it was read");
                continue;
            }
            let proven = before == Lease::Free && after == Lease::Free;
            let soft = !proven || self.is_racy(fs, &second);
            return Ok(Hashing::Done(Box::new(Hashed {
                content: Content::File(pass.digest, pass.length),
                stat: second,
                soft,
                zeros: pass.zeros,
                bytes: pass.bytes,
            })));
        }
        Ok(Hashing::Busy(fs.writer(file)))
    }

    /// Whether the last change is so fresh that another one in the same tick would not show.
    fn is_racy<F: Fs>(&self, fs: &F, stat: &Stat) -> bool {
        let changed_ms = stat.mtime.unix_ms().max(stat.ctime.unix_ms());
        fs.unix_ms().saturating_sub(changed_ms) < self.racy_ms
    }

    /// Reads to the end, or until it is clear that the file has grown. `None` if told to stop.
    fn read<F: Fs>(
        &mut self,
        fs: &F,
        file: &F::File,
        size: u64,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<Option<Pass>> {
        // No larger than it has to be: most looks are at one small file.
        let room = usize::try_from(size).map_or(BUFFER_BYTES, |size| size.min(BUFFER_BYTES));
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let mut hasher = blake3::Hasher::new();
        let mut length = 0u64;
        let mut zeros = true;
        let mut bytes = (size <= SMALL_BYTES_MAX).then(Vec::new);
        while length < size {
            let got = fs.read_at(file, &mut self.buffer, length)?;
            if got == 0 {
                break;
            }
            let chunk = &self.buffer[..got];
            hasher.update(chunk);
            zeros = zeros && chunk.iter().all(|&byte| byte == 0);
            length += got as u64;
            if length > SMALL_BYTES_MAX {
                bytes = None;
            }
            if let Some(bytes) = &mut bytes {
                bytes.extend_from_slice(chunk);
            }
            if !go_on(got as u64) {
                return Ok(None);
            }
        }
        let digest = Digest(hasher.finalize().into());
        Ok(Some(Pass { digest, length, zeros: zeros && length > 0, bytes }))
    }
}

/// Somebody writes or has a writable mapping: written back, a later store shows in mtime again.
fn busy<F: Fs>(fs: &F, file: &F::File) -> io::Result<Hashing> {
    reached("a file with a writer is not read");
    fs.sync_file(file)?;
    Ok(Hashing::Busy(fs.writer(file)))
}

#[cfg(test)]
mod tests;
