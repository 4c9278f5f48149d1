//! Giving a file, directory or symlink its attributes, in the one order that works: owner (clears
//! suid), mode, extended attributes (an ACL may alter the mode), times. And telling afterwards
//! whether what is there instead is the machine's doing or a user's.
//!
//! Used by `apply` only.

use super::{left, Apply};
use crate::fs::{look_at_dir, Fs, On};
use engine::entry::{Kind, Timestamp};
use engine::index::Attributes;
use engine::observe::Present;
use engine::path::Name;
use engine::plan::Outcome;
use std::io;

/// Brings `on` from `current` to `wanted` as far as the machine lets us. What it refuses for want
/// of rights or support is no error. Returns what the machine agreed to.
pub(super) fn dress<F: Fs>(
    fs: &F,
    on: On<'_, F>,
    current: &Attributes,
    wanted: &Attributes,
) -> io::Result<Attributes> {
    let mut agreed = wanted.clone();
    let owner_changes = wanted.owner != current.owner;
    if owner_changes && refused(fs.set_owner(on, wanted.owner))? {
        // Another's suid bit on our own file would be a gift of our rights.
        agreed.mode &= 0o1777;
        agreed.owner = current.owner;
    }
    let mode = agreed.mode;
    if (owner_changes || mode != current.mode) && refused(fs.set_mode(on, mode))? {
        agreed.mode = current.mode;
    }
    for (name, value) in &current.xattrs {
        if !wanted.xattrs.contains_key(name) && refused(fs.remove_xattr(on, name))? {
            agreed.xattrs.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in &wanted.xattrs {
        let old = current.xattrs.get(name);
        if old != Some(value) && refused(fs.set_xattr(on, name, value))? {
            agreed.xattrs.remove(name);
            agreed.xattrs.extend(old.map(|old| (name.clone(), old.clone())));
        }
    }
    if wanted.mtime != current.mtime && refused(fs.set_mtime(on, wanted.mtime))? {
        agreed.mtime = current.mtime;
    }
    Ok(agreed)
}

impl<F: Fs> Apply<F> {
    /// The outcome after something was dressed that users can reach. What is neither what the
    /// machine agreed to nor what it makes of that is a user's, who came in between: it is told as
    /// it was dressed, with a time that no look finds, so that the change is still to be seen.
    pub(super) fn dressed(
        &self,
        mut now: Present,
        agreed: &Attributes,
        wanted: &Attributes,
    ) -> io::Result<Outcome> {
        let mut refused = (agreed != wanted).then(|| wanted.clone());
        if now.attributes != *agreed {
            let made = self.make_of(now.kind, agreed)?;
            let before = now.attributes.clone();
            let there = &mut now.attributes;
            keep(&mut there.mtime, &made.mtime, &agreed.mtime);
            keep(&mut there.mode, &made.mode, &agreed.mode);
            keep(&mut there.owner, &made.owner, &agreed.owner);
            keep(&mut there.xattrs, &made.xattrs, &agreed.xattrs);
            if now.attributes != *wanted {
                refused = Some(wanted.clone());
            }
            if now.attributes != before {
                now.fingerprint.ctime = Timestamp::default();
            }
        }
        Ok(Outcome::Done { now: vec![now], refused, displaced: None })
    }

    /// What the filesystem makes of attributes where nobody comes in between.
    fn make_of(&self, kind: Kind, wanted: &Attributes) -> io::Result<Attributes> {
        let (fs, dir) = (&*self.fs, self.stage.dir());
        let name = Name::new(left::SCRATCH.as_bytes()).expect("a literal");
        let clear = || match kind {
            Kind::Dir => fs.remove_dir(dir, &name),
            Kind::File | Kind::Symlink => fs.remove_own(dir, &name),
        };
        // Of a program that died here.
        let _ = fs.remove_dir(dir, &name).or_else(|_| fs.remove_own(dir, &name));
        let made = match kind {
            Kind::Dir => fs.make_dir(dir, &name).and_then(|()| {
                let made = fs.open_child(dir, &name)?;
                dress(fs, On::Dir(&made), &look_at_dir(fs, &made)?.attributes, wanted)?;
                Ok(look_at_dir(fs, &made)?.attributes)
            }),
            Kind::File => fs.create(dir, &name).and_then(|file| {
                let look = || Ok(fs.stat_file(&file)?.attributes(fs.xattrs(On::File(&file))?));
                dress(fs, On::File(&file), &look()?, wanted)?;
                look()
            }),
            Kind::Symlink => fs.make_link(dir, &name, b"scratch").and_then(|()| {
                let look = || Ok(fs.stat(dir, &name)?.attributes(Default::default()));
                dress(fs, On::Link(dir, &name), &look()?, wanted)?;
                look()
            }),
        };
        clear()?;
        made
    }
}

/// What stands there stays if it is what the machine made; else it is a user's.
fn keep<T: PartialEq + Clone>(there: &mut T, made: &T, agreed: &T) {
    if there != made {
        *there = agreed.clone();
    }
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
