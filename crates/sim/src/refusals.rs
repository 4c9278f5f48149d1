//! What a machine refuses: which calls of a program to its disk fail, with which of the kernel's
//! errors, and for how many calls.
//!
//! Each kind is an option of the run, so that each seed has some of them only. A refused call has
//! changed nothing, but for a write that had room for its half (`disk`). Asked by `users`, who come
//! before each call.

use crate::random::Random;
use crate::swarm::Options;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Calls that look.
const LOOKS: &[&str] = &[
    "open_root",
    "open_dir",
    "open_file",
    "list",
    "stat",
    "stat_file",
    "stat_dir",
    "read_at",
    "read_link",
    "xattrs",
    "xattr",
    "volume",
];
/// Calls that take a descriptor.
const OPENS: &[&str] = &["open_root", "open_dir", "open_file", "open_own", "create", "list"];
/// Calls that change names.
const NAMES: &[&str] = &[
    "create",
    "rename_new",
    "exchange",
    "rename_over",
    "link",
    "make_dir",
    "remove_dir",
    "remove_own",
    "make_link",
];
/// Calls that change what is under a name.
const BYTES: &[&str] = &["write_at", "preallocate", "copy"];
const ATTRIBUTES: &[&str] = &["set_owner", "set_mode", "set_mtime", "set_xattr", "remove_xattr"];
/// Calls that need room.
const GROWS: &[&str] = &[
    "create",
    "rename_new",
    "rename_over",
    "link",
    "make_dir",
    "make_link",
    "write_at",
    "preallocate",
    "copy",
];
const SYNCS: &[&str] = &["sync_file", "sync_dir", "sync_volume"];
const OPENS_BY_NAME: &[&str] = &["open_dir", "open_file", "list"];

/// A kind of refusal lasts for fewer calls than this.
const CALLS_MAX: usize = 60;
/// What chance is out of.
const CALLS: usize = 100_000;

/// One kind.
struct Kind {
    name: &'static str,
    errnos: &'static [Errno],
    calls: &'static [&'static [&'static str]],
    /// In so many of [`CALLS`] calls it begins.
    share: fn(&Options) -> usize,
    /// Once begun, it goes on for some calls as often as not.
    lasts: bool,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "EIO",
        errnos: &[Errno::IO],
        calls: &[LOOKS, NAMES, BYTES, ATTRIBUTES, SYNCS],
        share: |options| options.eio,
        lasts: false,
    },
    Kind {
        name: "no space",
        errnos: &[Errno::NOSPC, Errno::DQUOT],
        calls: &[GROWS],
        share: |options| options.full,
        lasts: true,
    },
    Kind {
        name: "EMFILE",
        errnos: &[Errno::MFILE],
        calls: &[OPENS],
        share: |options| options.descriptors,
        lasts: true,
    },
    Kind {
        name: "EROFS",
        errnos: &[Errno::ROFS],
        calls: &[NAMES, BYTES, ATTRIBUTES],
        share: |options| options.readonly,
        lasts: true,
    },
    Kind {
        name: "ESTALE",
        errnos: &[Errno::STALE],
        calls: &[LOOKS, NAMES],
        share: |options| options.stale,
        lasts: false,
    },
    Kind {
        name: "denied",
        errnos: &[Errno::ACCESS, Errno::PERM],
        calls: &[OPENS_BY_NAME, NAMES],
        share: |options| options.denied,
        lasts: true,
    },
    Kind {
        name: "ENAMETOOLONG",
        errnos: &[Errno::NAMETOOLONG],
        calls: &[NAMES],
        share: |options| options.toolong,
        lasts: false,
    },
];

/// Whether calls fail in such a world.
pub fn has_any(options: &Options) -> bool {
    KINDS.iter().any(|kind| (kind.share)(options) > 0)
}

/// See the module's head.
pub struct Refusals {
    chance: Random,
    /// No call is refused for now.
    pub spares: bool,
    shares: Vec<usize>,
    /// Which kind goes on at which machine, with what, and for how many calls.
    begun: BTreeMap<usize, (usize, Errno, usize)>,
}

impl Refusals {
    /// Those of a run.
    pub fn new(seed: u64, options: &Options) -> Refusals {
        let shares = KINDS.iter().map(|kind| (kind.share)(options)).collect();
        Refusals { chance: Random::new(seed, 4), spares: false, shares, begun: BTreeMap::new() }
    }

    /// From now on every call is let through.
    pub fn end(&mut self) {
        self.shares.clear();
        self.begun.clear();
    }

    /// With what this call of the program on this machine fails, if it does, and of which kind that
    /// is.
    pub fn at(&mut self, node: usize, call: &str) -> Option<(&'static str, Errno)> {
        if self.spares {
            return None;
        }
        if let Some((number, errno, left)) = self.begun.get_mut(&node) {
            let kind = &KINDS[*number];
            if !kind.is_at(call) {
                return None;
            }
            let errno = *errno;
            *left -= 1;
            if *left == 0 {
                self.begun.remove(&node);
            }
            return Some((kind.name, errno));
        }
        for (number, &share) in self.shares.iter().enumerate().filter(|(_, share)| **share > 0) {
            let kind = &KINDS[number];
            if !kind.is_at(call) || self.chance.below(CALLS) >= share {
                continue;
            }
            let errno = self.chance.pick(kind.errnos);
            if kind.lasts && self.chance.chance(500) {
                let left = 1 + self.chance.below(CALLS_MAX);
                self.begun.insert(node, (number, errno, left));
            }
            return Some((kind.name, errno));
        }
        None
    }
}

impl Kind {
    fn is_at(&self, call: &str) -> bool {
        self.calls.iter().any(|calls| calls.contains(&call))
    }
}
