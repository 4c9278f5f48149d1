//! What `apply` replaced or removed, kept for a while: at most 30 days and a tenth of the
//! filesystem, oldest first, the first thing to go when space runs out.
//!
//! Not for losers of conflicts (those lie in the conflict store) and never for bytes that nobody
//! certified. An item is the displaced inode itself, named `<unix seconds>-<number>`; where it came
//! from stands in `index`, one line per item, written in one append per batch *before* the batch,
//! so that a crash leaves lines without items and never an item without its line. Called by
//! `apply`.

use crate::apply::kept::Kept;
use crate::fs::{FileKind, Fs, Lease, Stat};
use crate::stage::read_whole;
use engine::content::Digest;
use engine::entry::Timestamp;
use engine::index::Fingerprint;
use engine::path::{Name, RelPath};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

mod find;
mod lines;

pub use find::Finder;
pub use lines::Line;

/// An item is not purged earlier than this after it was retired, whatever the need (decisions B3).
pub const REST_S_MIN: u64 = 60;
/// How old an item may become.
pub const AGE_S_MAX: u64 = 30 * 24 * 3600;
/// The share of the filesystem that all items together may take: one part in so many.
pub const SHARE: u64 = 10;
/// Items that one purge removes; the next goes on.
const PURGE_MAX: usize = 10_000;
/// Retirements whose whole fingerprint is remembered; older ones are hashed again before they go.
const FRESH_MAX: usize = 10_000;

/// One item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trashed {
    /// Its name in the trash directory.
    pub name: Name,
    /// When it was retired, in seconds since 1970.
    pub retired_s: u64,
    /// Its number: unique in this folder's state directory.
    pub number: u64,
    /// What the index says of it: where it came from and what it was.
    pub line: Option<Line>,
}

/// Something with bytes that nobody has published: it lies in the conflict store by its digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stray {
    /// Where it was in the tree, if known.
    pub path: Option<RelPath>,
    /// Its bytes.
    pub digest: Digest,
    /// Their length.
    pub size: u64,
    /// When they were last written.
    pub mtime: Timestamp,
}

/// What a purge did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Items removed.
    pub count: u64,
    /// Bytes that were freed.
    pub bytes: u64,
    /// Items that somebody had written to after they were retired.
    pub strays: Vec<Stray>,
}

/// The trash directory of one folder.
pub struct Trash<F: Fs> {
    fs: Arc<F>,
    dir: F::Dir,
    index: F::File,
    index_bytes: u64,
    next: u64,
    fresh: BTreeMap<u64, Fingerprint>,
    held: BTreeSet<u64>,
}

fn item_name(retired_s: u64, number: u64) -> Name {
    Name::new(format!("{retired_s}-{number}").as_bytes()).expect("digits and a dash")
}

fn parse_item(name: &Name) -> Option<(u64, u64)> {
    let (seconds, number) = std::str::from_utf8(name.as_bytes()).ok()?.split_once('-')?;
    Some((seconds.parse().ok()?, number.parse().ok()?))
}

fn index_name() -> Name {
    Name::new(b"index").expect("a name")
}

fn read_lines<F: Fs>(fs: &F, index: &F::File, bytes: u64) -> io::Result<BTreeMap<u64, Line>> {
    let mut text = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    let mut have = 0;
    while have < text.len() {
        let count = fs.read_at(index, &mut text[have..], have as u64)?;
        if count == 0 {
            break;
        }
        have += count;
    }
    let lines = text[..have].split(|&byte| byte == b'\n').filter_map(Line::parse);
    Ok(lines.map(|line| (line.number, line)).collect())
}

impl<F: Fs> Trash<F> {
    /// Opens `dir`, the trash directory itself.
    /// `next` is above every number that is in use in the staging directory.
    pub fn open(fs: Arc<F>, dir: F::Dir, next: u64) -> io::Result<Trash<F>> {
        let index = match fs.open_own(&dir, &index_name()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                fs.create(&dir, &index_name())?
            }
            other => other?,
        };
        let (fresh, held) = (BTreeMap::new(), BTreeSet::new());
        let mut trash = Trash { fs, dir, index, index_bytes: 0, next, fresh, held };
        trash.index_bytes = trash.fs.stat_file(&trash.index)?.size;
        let last_item = trash.items()?.iter().map(|&(_, number)| number).max();
        let last_line = trash.lines()?.keys().next_back().copied();
        let used = last_item.max(last_line).unwrap_or(0);
        trash.next = trash.next.max(used.saturating_add(1));
        Ok(trash)
    }

    /// A number for the next displaced thing.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Keeps the index line of something that still waits in staging.
    pub(crate) fn hold(&mut self, number: u64) {
        self.held.insert(number);
    }

    /// Writes down what is about to be retired, before it is touched. Not synced: it survives us,
    /// and after a power loss an item without a line is still an item.
    pub(crate) fn note(&mut self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let text: String = lines.iter().map(Line::to_text).collect();
        self.fs.write_at(&self.index, text.as_bytes(), self.index_bytes)?;
        self.index_bytes += text.len() as u64;
        Ok(())
    }

    /// Takes in a certified file or symlink.
    pub(crate) fn retire(&mut self, from: (&F::Dir, &Name), number: u64) -> io::Result<()> {
        let name = item_name(self.fs.unix_ms() / 1000, number);
        self.fs.rename_in(from, (&self.dir, &name))?;
        let stat = self.fs.stat(&self.dir, &name)?;
        if self.fresh.len() >= FRESH_MAX {
            self.fresh.pop_first();
        }
        self.fresh.insert(number, stat.fingerprint());
        Ok(())
    }

    /// All items, oldest first.
    pub fn list(&self) -> io::Result<Vec<Trashed>> {
        let mut lines = self.lines()?;
        let items = self.items()?.into_iter();
        Ok(items
            .map(|(retired_s, number)| Trashed {
                name: item_name(retired_s, number),
                retired_s,
                number,
                line: lines.remove(&number),
            })
            .collect())
    }

    /// What finds contents here, beside this.
    pub fn finder(&self) -> Finder<F> {
        Finder::new(self.fs.clone(), self.dir.clone())
    }

    /// Opens an item for reading.
    pub fn open_item(&self, name: &Name) -> io::Result<F::File> {
        self.fs.open_file(&self.dir, name)
    }

    /// Removes what is too old, what is too much, and beyond that the oldest until `want_bytes` are
    /// freed. What somebody wrote to since it was retired goes to the conflict store instead.
    pub fn purge(&mut self, kept: &Kept<F>, want_bytes: u64) -> io::Result<Purged> {
        let now = self.fs.unix_ms() / 1000;
        let mut sized = Vec::new();
        let mut total = 0_u64;
        for item in self.list()? {
            let stat = self.fs.stat(&self.dir, &item.name)?;
            total = total.saturating_add(stat.size);
            sized.push((item, stat));
        }
        let cap = self.fs.volume(&self.dir)?.total_bytes / SHARE;
        let (mut purged, mut trouble) = (Purged::default(), None);
        for (item, stat) in sized.into_iter().take(PURGE_MAX) {
            let age = now.saturating_sub(item.retired_s);
            let needed = age > AGE_S_MAX || total > cap || purged.bytes < want_bytes;
            if !needed || age < REST_S_MIN {
                break;
            }
            // One that cannot be judged stays, and keeps no other from going.
            match self.purge_one(kept, &item, &stat, &mut purged) {
                Ok(()) => total = total.saturating_sub(stat.size),
                Err(error) => trouble = Some(error),
            }
        }
        if purged.count > 0 {
            self.compact()?;
        }
        match trouble {
            Some(error) if purged == Purged::default() => Err(error),
            _ => Ok(purged),
        }
    }

    fn purge_one(
        &mut self,
        kept: &Kept<F>,
        item: &Trashed,
        stat: &Stat,
        purged: &mut Purged,
    ) -> io::Result<()> {
        // Its bytes are still in the tree under another name.
        let shared = stat.links > 1;
        if shared || stat.kind != FileKind::File || self.is_untouched(item)? {
            self.fs.remove_own(&self.dir, &item.name)?;
            purged.count += 1;
            purged.bytes += if shared { 0 } else { stat.size };
        } else if let Some(stray) = self.to_kept(kept, item)? {
            purged.strays.push(stray);
        }
        self.fresh.remove(&item.number);
        Ok(())
    }

    /// Whether an item is still what was certified: by its fingerprint if we retired it in this
    /// life, by its hash otherwise.
    fn is_untouched(&self, item: &Trashed) -> io::Result<bool> {
        let file = self.fs.open_file(&self.dir, &item.name)?;
        if self.fs.probe(&file) == Lease::Held {
            return Ok(false);
        }
        if let Some(fingerprint) = self.fresh.get(&item.number) {
            return Ok(self.fs.stat_file(&file)?.fingerprint() == *fingerprint);
        }
        let Some(digest) = item.line.as_ref().and_then(|line| line.expected) else {
            return Ok(false);
        };
        Ok(read_whole(&*self.fs, &file)?.0 == digest)
    }

    /// Moves a written-to item into the conflict store; `None` while somebody still writes.
    fn to_kept(&self, kept: &Kept<F>, item: &Trashed) -> io::Result<Option<Stray>> {
        let file = self.fs.open_file(&self.dir, &item.name)?;
        if self.fs.probe(&file) == Lease::Held {
            return Ok(None);
        }
        let (digest, ready) = read_whole(&*self.fs, &file)?;
        let mtime = self.fs.stat_file(&file)?.mtime;
        if !kept.put((&self.dir, &item.name), &digest)? {
            self.fs.remove_own(&self.dir, &item.name)?;
        }
        let path = item.line.as_ref().map(|line| line.path.clone());
        Ok(Some(Stray { path, digest, size: ready.size, mtime }))
    }

    fn items(&self) -> io::Result<Vec<(u64, u64)>> {
        let mut items = Vec::new();
        self.fs.list(&self.dir, &mut |name, _| items.extend(parse_item(&name)))?;
        items.sort_unstable();
        Ok(items)
    }

    /// The index by number; lines that a power loss tore are left out.
    pub(crate) fn lines(&self) -> io::Result<BTreeMap<u64, Line>> {
        read_lines(&*self.fs, &self.index, self.index_bytes)
    }

    /// Writes the index anew with the lines of what is still here.
    fn compact(&mut self) -> io::Result<()> {
        let new = Name::new(b"index.new").expect("a name");
        let items: BTreeSet<u64> = self.items()?.into_iter().map(|(_, number)| number).collect();
        let lines = self.lines()?;
        let needed = |number: &u64| items.contains(number) || self.held.contains(number);
        let kept = lines.iter().filter(|(number, _)| needed(number));
        let text: String = kept.map(|(_, line)| line.to_text()).collect();
        match self.fs.remove_own(&self.dir, &new) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            other => other?,
        }
        let file = self.fs.create(&self.dir, &new)?;
        self.fs.write_at(&file, text.as_bytes(), 0)?;
        self.fs.sync_file(&file)?;
        self.fs.rename_over((&self.dir, &new), (&self.dir, &index_name()))?;
        self.index = file;
        self.index_bytes = text.len() as u64;
        Ok(())
    }
}
