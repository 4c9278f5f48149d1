//! The last sync of a folder's filesystem, noted on that filesystem.
//!
//! The note lies in the state directory, on the mount of the tree (decisions B4), and is written
//! before the sync that makes it durable. So a filesystem that was put back to an older copy knows
//! of fewer syncs than the index (docs/decisions/0017). What that means is the engine's to say.
//! Called by who syncs, and at the opening of a folder.

use crate::fs::Fs;
use engine::path::Name;
use rustix::io::Errno;
use std::io;

const NAME: &[u8] = b"synced";
/// What the file begins with.
const MAGIC: [u8; 8] = *b"synclis1";
/// Magic, number (little endian).
const BYTES: usize = 16;

fn name() -> Name {
    Name::new(NAME).expect("a literal name")
}

/// Notes a sync that is about to begin.
pub fn note<F: Fs>(fs: &F, state: &F::Dir, number: u64) -> io::Result<()> {
    let file = match fs.open_own(state, &name()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
            fs.create(state, &name())
        }
        other => other,
    }?;
    fs.write_at(&file, &[MAGIC, number.to_le_bytes()].concat(), 0)
}

/// The last sync that was noted; `None` if there is no note that could be read as one. Where there
/// is none at all, it is begun with the one that the index knows of.
pub fn last<F: Fs>(fs: &F, state: &F::Dir, known: u64) -> io::Result<Option<u64>> {
    let file = match fs.open_own(state, &name()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
            return note(fs, state, known).map(|()| None);
        }
        other => other?,
    };
    let mut bytes = [0; BYTES];
    let is_whole = fs.read_at(&file, &mut bytes, 0)? == BYTES;
    let (magic, number) = bytes.split_at(MAGIC.len());
    let number = number.try_into().ok().filter(|_| is_whole && *magic == MAGIC);
    Ok(number.map(u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::{last, note, NAME};
    use crate::linux::Linux;

    #[test]
    fn what_was_noted_last_is_told_and_nothing_else_is() {
        let (fs, place) = (Linux::new(), tempfile::tempdir().unwrap());
        let state = fs.open_root(place.path()).unwrap();
        assert_eq!(last(&fs, &state, 5).unwrap(), None, "nothing is there");
        assert_eq!(last(&fs, &state, 6).unwrap(), Some(5), "it was begun");
        for number in [1, 7, u64::MAX, 3] {
            note(&fs, &state, number).unwrap();
            assert_eq!(last(&fs, &state, 0).unwrap(), Some(number));
        }
        let file = place.path().join(std::str::from_utf8(NAME).unwrap());
        for torn in [&b""[..], b"synclis1", &[0; 16], b"another program!"] {
            std::fs::write(&file, torn).unwrap();
            assert_eq!(last(&fs, &state, 0).unwrap(), None, "{torn:?}");
        }
    }
}
