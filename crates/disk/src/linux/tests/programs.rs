//! What other programs do on a real filesystem, for the suite: mappings and chattr(1).

#![allow(unsafe_code)]

use crate::fs::Fs;
use crate::fs_suite::{Mapping, Others};
use crate::linux::Linux;
use engine::path::Name;
use rustix::fs::{ioctl_getflags, ioctl_setflags, IFlags};
use rustix::io::Errno;
use std::os::fd::AsRawFd;

type Dir = <Linux as Fs>::Dir;

/// Programs of this machine.
pub(crate) struct Programs;

/// Bytes of a mapping.
const BYTES: usize = 4096;

struct Map(*mut u8);

impl Mapping for Map {
    fn store(&mut self, offset: usize, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            assert!(offset + at < BYTES);
            // SAFETY: within the mapping, which lives as long as this.
            unsafe { self.0.add(offset + at).write_volatile(*byte) };
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody else has.
        assert_eq!(unsafe { libc::munmap(self.0.cast(), BYTES) }, 0);
    }
}

fn set(dir: &Dir, name: &Name, immutable: bool) -> Result<(), Errno> {
    let file = Linux::new().open_file(dir, name).expect("open");
    let mut flags = ioctl_getflags(&file)?;
    flags.set(IFlags::IMMUTABLE, immutable);
    ioctl_setflags(&file, flags)
}

/// Whether this filesystem, and our rights, let us make a file immutable.
pub(crate) fn can_be_immutable(linux: &Linux, dir: &Dir) -> bool {
    let name = Name::new(b"immutable-probe").expect("a name");
    linux.create(dir, &name).expect("create");
    let can = set(dir, &name, true).and_then(|()| set(dir, &name, false)).is_ok();
    linux.remove_own(dir, &name).expect("remove");
    can
}

impl Others<Linux> for Programs {
    fn map(&self, dir: &Dir, name: &Name) -> Box<dyn Mapping> {
        let file = Linux::new().open_own(dir, name).expect("open");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (length, fd) = (BYTES, file.as_raw_fd());
        // SAFETY: a fresh shared mapping of a file that has as many bytes, used through `Map` only.
        let map = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, 0)
        };
        assert_ne!(map, libc::MAP_FAILED);
        Box::new(Map(map.cast()))
    }

    fn set_immutable(&self, dir: &Dir, name: &Name, immutable: bool) {
        set(dir, name, immutable).expect("tried before");
    }
}
