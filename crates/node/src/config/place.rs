//! Whether a directory can be a folder's place on this machine, before anything is written down.
//!
//! What only the disk knows (markers, other homes, filesystem abilities) is checked when the folder
//! is opened. Called by `folder add`, `join` and `up`.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

/// O_TMPFILE with O_DIRECTORY, as Linux has it on every architecture it runs this on
/// (asm-generic/fcntl.h): a file without a name, so the probe leaves no trace.
const NAMELESS: i32 = 0o20_200_000;
/// EOPNOTSUPP and EISDIR: the filesystem or kernel cannot make nameless files, which says nothing.
const NO_NAMELESS: [i32; 2] = [95, 21];

/// The directory's real, absolute path, if `name` may be held there.
///
/// # Errors
/// Missing, not a directory, not writable, or inside (or around) the home or another folder.
pub fn check_place(
    home: &Path,
    config: &Config,
    name: &str,
    path: &Path,
) -> Result<PathBuf, ConfigError> {
    let wrong = |what: String| {
        let at = path.display();
        // A joiner's path may be for whatever folder the cluster has.
        let place =
            if name.is_empty() { at.to_string() } else { format!("folder {name:?} at {at}") };
        ConfigError::Value { place, what }
    };
    let real = path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            wrong("there is no such directory; make it first (`mkdir -p`)".to_owned())
        }
        _ => wrong(format!("cannot be opened: {error}")),
    })?;
    if !real.is_dir() {
        return Err(wrong("this is not a directory; name the directory to keep the same".into()));
    }
    if real.to_str().is_none() {
        return Err(wrong("the path of a folder must be UTF-8 (names inside need not be)".into()));
    }
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    if real.starts_with(&home) || home.starts_with(&real) {
        let home = home.display();
        return Err(wrong(format!("it and the node's home {home} lie inside one another")));
    }
    for other in config.folders.iter().filter(|other| other.name != name) {
        let place = other.path.canonicalize().unwrap_or_else(|_| other.path.clone());
        if real.starts_with(&place) || place.starts_with(&real) {
            return Err(wrong(format!(
                "it and folder {:?} at {} lie inside one another; folders must lie apart",
                other.name,
                place.display()
            )));
        }
    }
    let probe = std::fs::OpenOptions::new().write(true).custom_flags(NAMELESS).open(&real);
    match probe {
        Err(e) if !e.raw_os_error().is_some_and(|number| NO_NAMELESS.contains(&number)) => {
            Err(wrong(format!(
                "this user cannot write there ({e}); give it the right, or run as \
                               the user that owns the files"
            )))
        }
        _ => Ok(real),
    }
}
