//! Giving a file, directory or symlink its attributes, in the one order that works: owner (clears
//! suid), mode, extended attributes (an ACL may alter the mode), times.
//!
//! Used by `apply` only.

use crate::fs::{Fs, On};
use engine::index::Attributes;
use std::io;

/// Brings `on` from `current` to `wanted` as far as the machine lets us. What it refuses for want
/// of rights or support is no error: the caller looks afterwards and compares.
pub(super) fn dress<F: Fs>(
    fs: &F,
    on: On<'_, F>,
    current: &Attributes,
    wanted: &Attributes,
) -> io::Result<()> {
    let mut mode = wanted.mode;
    let owner_changes = wanted.owner != current.owner;
    if owner_changes && refused(fs.set_owner(on, wanted.owner))? {
        // Another's suid bit on our own file would be a gift of our rights.
        mode &= 0o1777;
    }
    if owner_changes || mode != current.mode {
        refused(fs.set_mode(on, mode))?;
    }
    for name in current.xattrs.keys().filter(|name| !wanted.xattrs.contains_key(*name)) {
        refused(fs.remove_xattr(on, name))?;
    }
    for (name, value) in &wanted.xattrs {
        if current.xattrs.get(name) != Some(value) {
            refused(fs.set_xattr(on, name, value))?;
        }
    }
    if wanted.mtime != current.mtime {
        refused(fs.set_mtime(on, wanted.mtime))?;
    }
    Ok(())
}

/// Whether the machine said that it will never do this, as opposed to not now.
fn refused(result: io::Result<()>) -> io::Result<bool> {
    let never = [libc::EPERM, libc::EACCES, libc::EOPNOTSUPP, libc::EINVAL, libc::ENOSYS];
    match result {
        Ok(()) => Ok(false),
        Err(error) if error.raw_os_error().is_some_and(|code| never.contains(&code)) => Ok(true),
        Err(error) => Err(error),
    }
}
