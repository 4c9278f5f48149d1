//! What `apply` replaced or removed, kept for a while: at most 30 days and a tenth of the
//! filesystem, oldest first, the first thing to go when space runs out.
//!
//! Not for losers of conflicts (those lie in the conflict store) and never for bytes that nobody
//! certified. An item is the displaced inode itself, named `<unix seconds>-<number>`; where it came
//! from stands in `index`, one line per item, written in one append per batch *before* the batch,
//! so that a crash leaves lines without items and never an item without its line. Called by
//! `apply`.

use crate::apply::kept::Kept;
use crate::fs::{FileKind, Fs, Lease};
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
/// Bytes of the index that are not worth writing it anew.
const INDEX_BYTES_FREE: u64 = 64 << 10;
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
    /// What was told to be in the conflict store, and is not: these were in its place.
    pub unkept: Option<Digest>,
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
    /// `None` until the items were counted.
    tally: Option<Tally>,
    /// Nothing that is due could go: what holds it is given so long.
    rests_until_s: u64,
    /// Why it could not, if that was an error.
    trouble: Option<String>,
    /// How long the index was when it was written anew.
    compacted_bytes: u64,
}

/// What lies here, so that nobody need list it to know that nothing is due.
#[derive(Clone, Copy)]
struct Tally {
    count: u64,
    bytes: u64,
    /// When the oldest was retired; the end of time where there is none.
    oldest_s: u64,
}

/// Why items may have to go.
struct Need {
    now_s: u64,
    cap: u64,
    want_bytes: u64,
}

impl Need {
    /// Whether the oldest has to go, this much being freed already, and may.
    fn is_due(&self, tally: &Tally, freed: u64) -> bool {
        let age = self.now_s.saturating_sub(tally.oldest_s);
        let needed = age > AGE_S_MAX || tally.bytes > self.cap || freed < self.want_bytes;
        needed && age >= REST_S_MIN
    }
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
        let mut trash = Trash {
            fs,
            dir,
            index,
            index_bytes: 0,
            next,
            fresh: BTreeMap::new(),
            held: BTreeSet::new(),
            tally: None,
            rests_until_s: 0,
            trouble: None,
            compacted_bytes: 0,
        };
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
        let now_s = self.fs.unix_ms() / 1000;
        let name = item_name(now_s, number);
        self.fs.rename_in(from, (&self.dir, &name))?;
        let tally = self.tally.take();
        let stat = self.fs.stat(&self.dir, &name)?;
        if self.fresh.len() >= FRESH_MAX {
            self.fresh.pop_first();
        }
        self.fresh.insert(number, stat.fingerprint());
        self.tally = tally.map(|tally| Tally {
            count: tally.count + 1,
            bytes: tally.bytes.saturating_add(stat.size),
            oldest_s: tally.oldest_s.min(now_s),
        });
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
    /// freed. What somebody wrote to since it was retired goes to the conflict store instead. To be
    /// called every few seconds: where nothing is due nothing is listed.
    pub fn purge(&mut self, kept: &Kept<F>, want_bytes: u64) -> io::Result<Purged> {
        let now_s = self.fs.unix_ms() / 1000;
        let cap = self.fs.volume(&self.dir)?.total_bytes / SHARE;
        let need = Need { now_s, cap, want_bytes };
        if self.tally.is_some() && now_s < self.rests_until_s {
            let trouble = self.trouble.clone().map(io::Error::other);
            return trouble.map_or(Ok(Purged::default()), Err);
        }
        if self.tally.is_some_and(|tally| !need.is_due(&tally, 0)) {
            return Ok(Purged::default());
        }
        let items = self.list()?;
        let mut tally = self.count(&items)?;
        let (mut purged, mut trouble) = (Purged::default(), None);
        for (tried, item) in items.iter().enumerate() {
            let now = Tally { oldest_s: item.retired_s, ..tally };
            if tried >= PURGE_MAX || !need.is_due(&now, purged.bytes) {
                tally.oldest_s = tally.oldest_s.min(item.retired_s);
                break;
            }
            // One that cannot be judged stays, and keeps no other from going.
            match self.purge_one(kept, item, &mut purged) {
                Ok(Some(bytes)) => {
                    tally.bytes = tally.bytes.saturating_sub(bytes);
                    tally.count -= 1;
                    continue;
                }
                Ok(None) => {}
                Err(error) => trouble = Some(error),
            }
            tally.oldest_s = tally.oldest_s.min(item.retired_s);
        }
        self.tally = Some(tally);
        let fruitless = purged == Purged::default();
        self.rests_until_s = if fruitless { now_s + REST_S_MIN } else { 0 };
        if purged.count > 0 && self.index_bytes > 2 * self.compacted_bytes + INDEX_BYTES_FREE {
            self.compact()?;
        }
        let trouble = trouble.filter(|_| fruitless);
        self.trouble = trouble.as_ref().map(ToString::to_string);
        trouble.map_or(Ok(purged), Err)
    }

    /// Tests only: how many items there are and their bytes, as remembered.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> Option<(u64, u64)> {
        self.tally.map(|tally| (tally.count, tally.bytes))
    }

    /// What these items amount to; `oldest_s` is left for the caller to find. They are looked at
    /// only where what is remembered cannot be right: at first, or if somebody was here.
    fn count(&mut self, items: &[Trashed]) -> io::Result<Tally> {
        let count = items.len() as u64;
        let known = self.tally.take().filter(|tally| tally.count == count);
        let bytes = match known {
            Some(tally) => tally.bytes,
            None => {
                let mut bytes = 0_u64;
                for item in items {
                    bytes = bytes.saturating_add(self.fs.stat(&self.dir, &item.name)?.size);
                }
                bytes
            }
        };
        Ok(Tally { count, bytes, oldest_s: u64::MAX })
    }

    /// Returns the size of what is gone.
    fn purge_one(
        &mut self,
        kept: &Kept<F>,
        item: &Trashed,
        purged: &mut Purged,
    ) -> io::Result<Option<u64>> {
        let stat = self.fs.stat(&self.dir, &item.name)?;
        // Its bytes are still in the tree under another name.
        let shared = stat.links > 1;
        if shared || stat.kind != FileKind::File || self.is_untouched(item)? {
            self.fs.remove_own(&self.dir, &item.name)?;
            purged.count += 1;
            purged.bytes += if shared { 0 } else { stat.size };
        } else {
            let Some(stray) = self.to_kept(kept, item)? else { return Ok(None) };
            purged.strays.push(stray);
        }
        self.fresh.remove(&item.number);
        Ok(Some(stat.size))
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
        Ok(Some(Stray { path, digest, size: ready.size, mtime, unkept: None }))
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
        self.compacted_bytes = self.index_bytes;
        Ok(())
    }
}
