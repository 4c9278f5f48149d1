//! Entries in path order, however many: sorted piece by piece in memory, the pieces kept in a file
//! without a name, merged while they are read. It compares nothing.
//!
//! Called by `verify` for a node's own tree and for the answers of others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message;

use super::{Entry, Part};

/// Entries are sorted in memory and written out when they take this much, in bytes.
const PIECE_BYTES: usize = 4 << 20;
/// What one entry takes besides its variable parts, in bytes.
const ENTRY_BYTES: usize = 200;
/// How much of each piece is read at a time, in bytes. No entry is longer than a frame.
const READ_BYTES: usize = 64 << 10;
/// The most that a peer's answer may take on this disk, in bytes: some thirty million entries.
const ANSWER_BYTES_MAX: u64 = 4 << 30;

/// A file that only this process knows: gone with it.
#[derive(Debug)]
struct Spool {
    file: File,
    bytes: u64,
}

impl Spool {
    fn new(directory: &Path) -> io::Result<Spool> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("verify-{}-{number}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Spool { file, bytes: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<Range<u64>> {
        self.file.write_all_at(bytes, self.bytes)?;
        let from = self.bytes;
        self.bytes += bytes.len() as u64;
        Ok(from..self.bytes)
    }
}

/// Takes entries in any order.
#[derive(Debug)]
pub struct Sorter {
    spool: Spool,
    pieces: Vec<Range<u64>>,
    waiting: Vec<Entry>,
    waiting_bytes: usize,
    piece_bytes: usize,
    /// How many entries were read, the root aside.
    pub entries: u64,
    /// How long the files among them are together, in bytes.
    pub bytes: u64,
}

impl Sorter {
    /// `directory` is where large lists go meanwhile.
    ///
    /// # Errors
    /// No file can be made there.
    pub fn new(directory: &Path) -> io::Result<Sorter> {
        Sorter::with_pieces(directory, PIECE_BYTES)
    }

    fn with_pieces(directory: &Path, piece_bytes: usize) -> io::Result<Sorter> {
        Ok(Sorter {
            spool: Spool::new(directory)?,
            pieces: Vec::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            piece_bytes,
            entries: 0,
            bytes: 0,
        })
    }

    /// Takes one.
    ///
    /// # Errors
    /// The disk is full.
    pub fn push(&mut self, entry: Entry) -> io::Result<()> {
        if entry.is_read() {
            self.entries += 1;
            self.bytes += entry.size;
        }
        self.waiting_bytes += ENTRY_BYTES + entry.encoded_len();
        self.waiting.push(entry);
        if self.waiting_bytes >= self.piece_bytes {
            self.write_piece()?;
        }
        Ok(())
    }

    fn write_piece(&mut self) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        piece.sort_by(|a, b| a.path.cmp(&b.path));
        let mut bytes = Vec::new();
        for entry in piece {
            bytes.extend(entry.encode_length_delimited_to_vec());
        }
        let at = self.spool.append(&bytes)?;
        self.pieces.push(at);
        Ok(())
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// The disk is full.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if !self.waiting.is_empty() {
            self.write_piece()?;
        }
        let Sorter { spool, pieces, entries, bytes, .. } = self;
        Ok(Sorted { spool, pieces, entries, bytes })
    }
}

/// Entries in the order of their paths' bytes; may be run through several times.
#[derive(Debug)]
pub struct Sorted {
    spool: Spool,
    pieces: Vec<Range<u64>>,
    /// How many entries there are.
    pub entries: u64,
    /// How long the files among them are together, in bytes.
    pub bytes: u64,
}

impl Sorted {
    /// From the first one on.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn iter(&self) -> io::Result<Merge<'_>> {
        let pieces: Vec<Piece<'_>> = self
            .pieces
            .iter()
            .map(|at| Piece { spool: &self.spool, at: at.clone(), buffer: Vec::new(), read: 0 })
            .collect();
        let mut merge = Merge { pieces, heads: BinaryHeap::new(), entries: BTreeMap::new() };
        for piece in 0..merge.pieces.len() {
            merge.refill(piece)?;
        }
        Ok(merge)
    }
}

/// One sorted stretch of a spool, being read.
struct Piece<'a> {
    spool: &'a Spool,
    at: Range<u64>,
    buffer: Vec<u8>,
    read: usize,
}

impl Piece<'_> {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let mut rest = &self.buffer[self.read..];
            let whole = prost::decode_length_delimiter(rest)
                .is_ok_and(|n| n.saturating_add(prost::length_delimiter_len(n)) <= rest.len());
            if whole {
                let before = rest.len();
                let entry = Entry::decode_length_delimited(&mut rest).map_err(io::Error::other)?;
                self.read += before - rest.len();
                return Ok(Some(entry));
            }
            if self.at.is_empty() {
                let left = self.buffer.len() - self.read;
                return if left == 0 { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            let more = (self.at.end - self.at.start).min(READ_BYTES as u64);
            let have = self.buffer.len();
            self.buffer.resize(have + usize::try_from(more).expect("at most READ_BYTES"), 0);
            self.spool.file.read_exact_at(&mut self.buffer[have..], self.at.start)?;
            self.at.start += more;
        }
    }
}

/// The merged pieces.
pub struct Merge<'a> {
    pieces: Vec<Piece<'a>>,
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    entries: BTreeMap<usize, Entry>,
}

impl Merge<'_> {
    fn refill(&mut self, piece: usize) -> io::Result<()> {
        if let Some(entry) = self.pieces[piece].next()? {
            self.heads.push(Reverse((entry.path.clone(), piece)));
            self.entries.insert(piece, entry);
        }
        Ok(())
    }

    /// The next entry.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        let Some(Reverse((_, piece))) = self.heads.pop() else { return Ok(None) };
        let entry = self.entries.remove(&piece);
        self.refill(piece)?;
        Ok(entry)
    }
}

/// A peer's answer while it comes in: its parts in any order, kept in a file.
#[derive(Debug)]
pub struct Inbox {
    spool: Spool,
    parts: BTreeMap<u64, Range<u64>>,
    last: Option<u64>,
    /// How many entries the peer has read so far.
    pub done: u64,
    /// Why there is no answer.
    pub trouble: Option<String>,
}

impl Inbox {
    /// An empty one.
    ///
    /// # Errors
    /// No file can be made there.
    pub fn new(directory: &Path) -> io::Result<Inbox> {
        let spool = Spool::new(directory)?;
        Ok(Inbox { spool, parts: BTreeMap::new(), last: None, done: 0, trouble: None })
    }

    /// Takes a part.
    pub fn take(&mut self, part: &Part) {
        self.done = self.done.max(part.done);
        if !part.trouble.is_empty() {
            self.trouble = Some(part.trouble.clone());
        }
        if part.sequence == 0 || self.parts.contains_key(&part.sequence) {
            return;
        }
        if self.spool.bytes > ANSWER_BYTES_MAX {
            self.trouble = Some("its list is too long to be compared".to_owned());
            return;
        }
        if part.last {
            self.last = Some(part.sequence);
        }
        match self.spool.append(&part.entries_only()) {
            Ok(at) => drop(self.parts.insert(part.sequence, at)),
            Err(error) => self.trouble = Some(format!("its list cannot be kept: {error}")),
        }
    }

    /// Whether nothing more is needed.
    pub fn is_complete(&self) -> bool {
        self.trouble.is_some() || self.last.is_some_and(|last| self.parts.len() as u64 == last)
    }

    /// Its entries, in the order in which the peer has sorted them.
    pub fn entries(&self) -> impl Iterator<Item = io::Result<Entry>> + '_ {
        let parts = self.parts.values().map(|at| {
            let mut bytes = vec![0; usize::try_from(at.end - at.start).unwrap_or(0)];
            self.spool.file.read_exact_at(&mut bytes, at.start)?;
            Ok(Part::decode(&bytes[..]).map_err(io::Error::other)?.entries)
        });
        parts.flat_map(|part: io::Result<Vec<Entry>>| match part {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }
}

#[cfg(test)]
mod tests;
