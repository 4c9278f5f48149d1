//! One look at one thing whose name was just met: attributes, and content where it must be read.
//!
//! Certified through the open file, never by name: what is answered was true of one inode at one
//! moment. Used by `jobs` (files) and `walk` (directories).

use super::Progress;
use crate::fs::{FileKind, Fs, Lease, On, Stat};
use crate::hash::{Hashing, Reader};
use crate::ignore::{Ignore, MOUNT_POINT};
use engine::content::{Content, Digest};
use engine::entry::{Kind, Xattrs};
use engine::index::Fingerprint;
use engine::observe::{Found, Present, Thing};
use engine::path::{Name, RelPath};
use rustix::io::Errno;
use std::io;

/// How often a name that changes hands under the look is looked at again.
const TRIES_MAX: usize = 3;

/// What all looks of one scan have in common.
pub(super) struct Lens<'a, F: Fs> {
    pub(super) fs: &'a F,
    pub(super) ignore: &'a Ignore,
    pub(super) root_mount: u64,
    pub(super) progress: &'a Progress,
}

/// How a look ended.
#[expect(clippy::large_enum_variant, reason = "handed on at once; a box would cost every look")]
#[derive(Debug)]
pub(super) enum Looked {
    /// With something to tell.
    Found(Found, Option<(Digest, Vec<u8>)>),
    /// The name is gone; absence is not told by this look.
    Gone,
    /// The scan was told to end.
    Stopped,
}

/// One attempt: an answer, or the thing changed hands meanwhile.
#[expect(clippy::large_enum_variant, reason = "handed on at once; a box would cost every look")]
enum Attempt {
    Answer(Looked),
    Moved,
}

fn present(kind: Kind, stat: &Stat, xattrs: Xattrs, content: Option<Content>) -> Present {
    Present {
        kind,
        fingerprint: stat.fingerprint(),
        attributes: stat.attributes(xattrs),
        content,
        soft: false,
        zeros: false,
        alone: kind == Kind::File && stat.links == 1,
    }
}

fn found(found: Found) -> Looked {
    Looked::Found(found, None)
}

/// What stands at a name that was met as this.
fn thing(stat: &Stat) -> Option<Thing> {
    let kind = match stat.kind {
        FileKind::Dir => Kind::Dir,
        FileKind::File => Kind::File,
        FileKind::Symlink => Kind::Symlink,
        FileKind::Fifo | FileKind::Socket | FileKind::Device => return None,
    };
    Some(Thing { kind, fingerprint: stat.fingerprint() })
}

/// What an error of a look at a name means. ENOENT: gone. A kind that changed: again.
fn failed(error: &io::Error, stat: &Stat) -> Attempt {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Attempt::Answer(Looked::Gone),
        Some(Errno::LOOP | Errno::ISDIR | Errno::NOTDIR | Errno::INVAL | Errno::NXIO) => {
            Attempt::Moved
        }
        Some(Errno::XDEV) => Attempt::Answer(found(Found::Foreign(MOUNT_POINT.to_owned()))),
        _ => Attempt::Answer(found(unreadable(error, thing(stat)))),
    }
}

/// Something could not be read: what people are told, and what it is, as far as that is known.
pub(super) fn unreadable(error: &io::Error, what: Option<Thing>) -> Found {
    let reason = match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => {
            "no permission to read it; it stays as it is everywhere until the right is given"
        }
        Some(Errno::TOOBIG) => {
            "its extended attributes are larger than 64 KiB together; remove some of them"
        }
        _ => {
            let reason = format!("cannot be read: {error}; tried again later");
            return Found::Unreadable(reason, what);
        }
    };
    Found::Unreadable(reason.to_owned(), what)
}

impl<F: Fs> Lens<'_, F> {
    /// Looks at `name` in `dir`, which is at `path`. `known` is the fingerprint whose content need
    /// not be read again if a lease says that nobody writes.
    pub(super) fn look(
        &self,
        reader: &mut Reader,
        dir: &F::Dir,
        path: &RelPath,
        known: Option<&Fingerprint>,
    ) -> Looked {
        let name = path.name().expect("only named things are looked at by name");
        for _ in 0..TRIES_MAX {
            let stat = match self.fs.stat(dir, name) {
                Ok(stat) => stat,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
                    return Looked::Gone;
                }
                Err(error) => return found(unreadable(&error, None)),
            };
            if let Some(why) = self.ignore.foreign(path, &stat, self.root_mount) {
                return found(Found::Foreign(why.to_owned()));
            }
            let attempt = match stat.kind {
                FileKind::Dir => self.dir(dir, name),
                FileKind::Symlink => self.link(dir, name, &stat),
                _ => self.file(reader, dir, name, known),
            };
            match attempt {
                Ok(Attempt::Answer(looked)) => return looked,
                Ok(Attempt::Moved) => {}
                Err(error) => match failed(&error, &stat) {
                    Attempt::Answer(looked) => return looked,
                    Attempt::Moved => {}
                },
            }
        }
        found(Found::Busy(None))
    }

    fn dir(&self, dir: &F::Dir, name: &Name) -> io::Result<Attempt> {
        let child = self.fs.open_child(dir, name)?;
        self.open_dir(&child)
    }

    /// The root directory itself.
    pub(super) fn root(&self, root: &F::Dir) -> Looked {
        for _ in 0..TRIES_MAX {
            match self.open_dir(root) {
                Ok(Attempt::Answer(looked)) => return looked,
                Ok(Attempt::Moved) => {}
                Err(error) => return found(unreadable(&error, None)),
            }
        }
        found(Found::Busy(None))
    }

    fn open_dir(&self, dir: &F::Dir) -> io::Result<Attempt> {
        let before = self.fs.stat_dir(dir)?;
        let xattrs = self.fs.xattrs(On::Dir(dir))?;
        let after = self.fs.stat_dir(dir)?;
        // Names come and go under the look; only attributes are told here.
        if (before.mode, before.owner) != (after.mode, after.owner) {
            return Ok(Attempt::Moved);
        }
        // The older fingerprint: whatever happened since is seen again.
        let there = present(Kind::Dir, &before, xattrs, None);
        Ok(Attempt::Answer(found(Found::Present(there))))
    }

    fn link(&self, dir: &F::Dir, name: &Name, before: &Stat) -> io::Result<Attempt> {
        let target = self.fs.read_link(dir, name)?;
        let after = self.fs.stat(dir, name)?;
        if after.fingerprint() != before.fingerprint() {
            return Ok(Attempt::Moved);
        }
        let content = Some(Content::Link(target.into()));
        let there = present(Kind::Symlink, &after, Xattrs::new(), content);
        Ok(Attempt::Answer(found(Found::Present(there))))
    }

    fn file(
        &self,
        reader: &mut Reader,
        dir: &F::Dir,
        name: &Name,
        known: Option<&Fingerprint>,
    ) -> io::Result<Attempt> {
        let file = self.fs.open_file(dir, name)?;
        if let Some(known) = known {
            if let Some(attempt) = self.unread(&file, known)? {
                return Ok(attempt);
            }
        }
        let hashed = match self.read(reader, &file)? {
            Hashing::Done(hashed) => hashed,
            Hashing::Busy(who) => return Ok(Attempt::Answer(found(Found::Busy(who)))),
            Hashing::Stopped => return Ok(Attempt::Answer(Looked::Stopped)),
        };
        let xattrs = self.fs.xattrs(On::File(&file))?;
        if self.fs.stat_file(&file)?.fingerprint() != hashed.stat.fingerprint() {
            return Ok(Attempt::Moved);
        }
        let small = match (hashed.bytes, &hashed.content) {
            (Some(bytes), Content::File(digest, _)) => Some((*digest, bytes)),
            _ => None,
        };
        let mut there = present(Kind::File, &hashed.stat, xattrs, Some(hashed.content));
        there.soft = hashed.soft;
        there.zeros = hashed.zeros;
        Ok(Attempt::Answer(Looked::Found(Found::Present(there), small)))
    }

    fn read(&self, reader: &mut Reader, file: &F::File) -> io::Result<Hashing> {
        let progress = self.progress;
        progress.add(&progress.files, 1);
        reader.hash(self.fs, file, &mut |bytes| {
            progress.add(&progress.bytes, bytes);
            !progress.is_cancelled()
        })
    }

    /// Only the attributes, if bytes cannot have changed: same inode, size and mtime, no writer.
    fn unread(&self, file: &F::File, known: &Fingerprint) -> io::Result<Option<Attempt>> {
        let before = self.fs.stat_file(file)?.fingerprint();
        if (&before.handle, before.size, before.mtime) != (&known.handle, known.size, known.mtime) {
            return Ok(None);
        }
        match self.fs.probe(file) {
            Lease::Free => {}
            Lease::Held => {
                let who = self.fs.writer(file);
                return Ok(Some(Attempt::Answer(found(Found::Busy(who)))));
            }
            Lease::Unsupported => return Ok(None),
        }
        let xattrs = self.fs.xattrs(On::File(file))?;
        let after = self.fs.stat_file(file)?;
        if after.fingerprint() != before {
            return Ok(Some(Attempt::Moved));
        }
        let there = present(Kind::File, &after, xattrs, None);
        Ok(Some(Attempt::Answer(found(Found::Present(there)))))
    }
}
