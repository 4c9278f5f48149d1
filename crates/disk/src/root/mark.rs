//! The mark of a folder's root: an extended attribute, or a file where there are none.
//!
//! Text, so that an administrator can read it with getfattr(1). Used by `root`.

use crate::fs::{FileKind, Fs, On};
use crate::ignore::{MARKER_NAME, PROBE_PREFIX};
use engine::path::Name;
use rustix::io::Errno;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

/// The attribute's name.
pub const MARK_XATTR: &[u8] = b"user.syncline.folder";
/// Version, three numbers in hex, blanks and a line end.
const MARK_BYTES_MAX: usize = 256;

/// Whose root a directory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The folder's id.
    pub folder: [u8; 16],
    /// The node's id.
    pub node: [u8; 32],
    /// Random, made once for a home: tells two homes with one copied identity apart.
    pub home: [u8; 16],
}

/// Where a mark is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On the directory.
    Xattr,
    /// In a file in it.
    File,
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let numbers = [&self.folder[..], &self.node[..], &self.home[..]].map(hex);
        format!("1 {}\n", numbers.join(" ")).into_bytes()
    }

    /// `None` for anything that is no mark of this version.
    fn decode(bytes: &[u8]) -> Option<Mark> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split_ascii_whitespace();
        if words.next() != Some("1") {
            return None;
        }
        let folder = unhex(words.next()?)?;
        let node = unhex(words.next()?)?;
        let home = unhex(words.next()?)?;
        words.next().is_none().then_some(Mark { folder, node, home })
    }

    /// Whose this mark is, in words for somebody who expected `wanted`.
    pub fn words(&self, wanted: &Mark) -> String {
        let folder = hex(&self.folder[..4]);
        if self.node != wanted.node {
            return format!("folder {folder} of node {}", hex(&self.node[..4]));
        }
        if self.home != wanted.home {
            return format!("folder {folder} of another home of this node");
        }
        format!("folder {folder} of this node")
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn own_name(bytes: &[u8]) -> Name {
    Name::new(bytes).expect("our names are names")
}

fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

/// A mark that cannot be read is somebody's, not nobody's.
fn unreadable() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "its mark (user.syncline.folder, or .syncline-folder) is not one this version reads",
    )
}

/// The mark of a directory, if it has one.
pub fn read<F: Fs>(fs: &F, dir: &F::Dir) -> io::Result<Option<(Mark, Place)>> {
    match fs.xattr(On::Dir(dir), MARK_XATTR) {
        Ok(Some(bytes)) => {
            return Mark::decode(&bytes).map(|m| Some((m, Place::Xattr))).ok_or_else(unreadable);
        }
        Ok(None) => {}
        Err(error) if errno(&error) == Some(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    let file = match fs.open_file(dir, &own_name(MARKER_NAME)) {
        Ok(file) => file,
        Err(error) if errno(&error) == Some(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; MARK_BYTES_MAX];
    let length = fs.read_at(&file, &mut bytes, 0)?;
    bytes.truncate(length);
    Mark::decode(&bytes).map(|mark| Some((mark, Place::File))).ok_or_else(unreadable)
}

/// Marks a directory, replacing what mark it had.
pub fn write<F: Fs>(fs: &F, dir: &F::Dir, mark: &Mark) -> io::Result<Place> {
    let bytes = mark.encode();
    match fs.set_xattr(On::Dir(dir), MARK_XATTR, &bytes) {
        Ok(()) => return fs.sync_dir(dir).map(|()| Place::Xattr),
        Err(error) if is_unsupported(&error) => {}
        Err(error) => return Err(error),
    }
    let (name, fresh) = (own_name(MARKER_NAME), fresh_name());
    let file = fs.create(dir, &fresh)?;
    fs.write_at(&file, &bytes, 0)?;
    fs.sync_file(&file)?;
    fs.rename_over((dir, &fresh), (dir, &name))?;
    fs.sync_dir(dir).map(|()| Place::File)
}

/// Whether a filesystem says that it keeps no attributes of users.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::OPNOTSUPP | Errno::NOSPC | Errno::NOSYS))
}

/// Takes the mark off: the folder is no longer held here.
pub fn clear<F: Fs>(fs: &F, dir: &F::Dir) -> io::Result<()> {
    match fs.remove_xattr(On::Dir(dir), MARK_XATTR) {
        Ok(()) => {}
        Err(error) if is_unsupported(&error) => {}
        Err(error) => return Err(error),
    }
    // A file of a user's at that name is no mark, and not ours to remove.
    match read(fs, dir) {
        Ok(Some((_, Place::File))) => remove(fs, dir, &own_name(MARKER_NAME)),
        _ => Ok(()),
    }
}

/// A name that nobody has, for a file that is there for an instant.
pub(super) fn fresh_name() -> Name {
    // Keyed by the system's randomness anew for every process.
    let random = RandomState::new().build_hasher().finish();
    own_name(&[PROBE_PREFIX, hex(&random.to_be_bytes()).as_bytes()].concat())
}

/// Whether we may create and remove in a directory; its time is put back. What an earlier try could
/// make and not remove goes, too.
pub(super) fn try_write<F: Fs>(fs: &F, dir: &F::Dir) -> io::Result<()> {
    let before = fs.stat_dir(dir)?.mtime;
    let mut left = Vec::new();
    fs.list(dir, &mut |name, _| {
        left.extend(Some(name).filter(|name| name.as_bytes().starts_with(PROBE_PREFIX)));
    })?;
    for name in left {
        let stat = fs.stat(dir, &name)?;
        // A user's own is not empty.
        if stat.kind == FileKind::File && stat.size == 0 {
            remove(fs, dir, &name)?;
        }
    }
    let probe = fresh_name();
    fs.create(dir, &probe)?;
    remove(fs, dir, &probe)?;
    // Where it cannot be put back it is wrong, and that is all.
    let _ = fs.set_mtime(On::Dir(dir), before);
    Ok(())
}

/// Removes a file that we have made.
pub(super) fn remove<F: Fs>(fs: &F, dir: &F::Dir, name: &Name) -> io::Result<()> {
    match fs.remove_own(dir, name) {
        Err(error) if errno(&error) != Some(Errno::NOENT) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
