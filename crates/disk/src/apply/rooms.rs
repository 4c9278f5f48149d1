//! The three directories of a folder in its state directory: `stage`, `trash`, `kept`.
//!
//! Used by `apply` only; where the state directory lies is `root`'s choice.

use crate::fs::Fs;
use engine::path::Name;
use std::io;

/// What backup programs look for (bford.info/cachedir): what is here need not be backed up.
const CACHEDIR_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# Files of a synchronised folder on their way in or out; see its documentation.\n";

/// The open directories.
pub(super) struct Rooms<F: Fs> {
    pub(super) stage: F::Dir,
    pub(super) trash: F::Dir,
    pub(super) kept: F::Dir,
}

/// Opens them, making what is missing: 0700, tagged.
pub(super) fn open<F: Fs>(fs: &F, state: &F::Dir) -> io::Result<Rooms<F>> {
    let room = |name: &str| {
        let name = Name::new(name.as_bytes()).expect("a literal");
        existing(fs.make_dir(state, &name))?;
        let dir = fs.open_child(state, &name)?;
        let tag = Name::new(b"CACHEDIR.TAG").expect("a literal");
        match fs.create(&dir, &tag) {
            Ok(file) => fs.write_at(&file, CACHEDIR_TAG, 0)?,
            Err(error) => existing(Err(error))?,
        }
        Ok::<_, io::Error>(dir)
    };
    Ok(Rooms { stage: room("stage")?, trash: room("trash")?, kept: room("kept")? })
}

fn existing(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}
