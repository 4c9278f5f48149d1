//! Machines that are broken on purpose: each is a fault that somebody might make, and the checkers
//! must notice. A checker that lets one pass checks nothing.

use crate::disk::{Lie, SimDisk};
use crate::node::ROOT_NAME;
use disk::fs::{FileKind, Fs};
use engine::path::Name;
use engine::plan::{Act, Expected, Operation, Place};

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// Operations expect whatever is there when they begin: no certification.
    TakesWhatIsThere,
    /// Effects are carried out before the commit they follow from.
    AnnounceBeforeDurable,
    /// A rename to a free name replaces what is there.
    RenameReplaces,
    /// Nobody ever seems to have a file open for writing.
    NoWriters,
    /// Changes that the kernel tells of are not heard.
    DeafToTheKernel,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 5] = [
        Mutant::TakesWhatIsThere,
        Mutant::AnnounceBeforeDurable,
        Mutant::RenameReplaces,
        Mutant::NoWriters,
        Mutant::DeafToTheKernel,
    ];

    /// What its disk lies about.
    pub fn lie(self) -> Lie {
        match self {
            Mutant::RenameReplaces => Lie::RenameReplaces,
            Mutant::NoWriters => Lie::NoWriters,
            _ => Lie::None,
        }
    }

    /// Makes an operation expect what is there now.
    pub fn expect_what_is_there(disk: &SimDisk, operation: &mut Operation) {
        match &mut operation.act {
            Act::Install { at, expected, .. } | Act::Remove { at, expected, .. } => {
                look(disk, at, expected);
            }
            _ => {}
        }
    }
}

fn look(disk: &SimDisk, at: &Place, expected: &mut Expected) {
    let root = Name::new(ROOT_NAME).expect("a literal name");
    let dir = disk.open_child(&disk.top(), &root).and_then(|root| disk.open_dir(&root, &at.dir));
    let Ok(stat) = dir.and_then(|dir| disk.stat(&dir, &at.name)) else { return };
    if let (Expected::Exactly { fingerprint, .. }, FileKind::File) = (expected, stat.kind) {
        *fingerprint = stat.fingerprint();
    }
}
