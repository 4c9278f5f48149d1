//! Machines that are broken on purpose: each is a fault that somebody might make, and the checkers
//! must notice. A checker that lets one pass checks nothing.

use crate::disk::{Lie, SimDisk};
use crate::node::ROOT_NAME;
use disk::fs::{FileKind, Fs};
use engine::path::Name;
use engine::plan::{Act, Expected, Operation, Place};
use engine::proof::{broken, Mutant};

/// What the disk of a broken machine lies about.
pub fn lie() -> Lie {
    if broken(Mutant::RenameReplaces) {
        return Lie::RenameReplaces;
    }
    if broken(Mutant::NoWriters) {
        return Lie::NoWriters;
    }
    Lie::None
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

fn look(disk: &SimDisk, at: &Place, expected: &mut Expected) {
    let root = Name::new(ROOT_NAME).expect("a literal name");
    let dir = disk.open_child(&disk.top(), &root).and_then(|root| disk.open_dir(&root, &at.dir));
    let Ok(stat) = dir.and_then(|dir| disk.stat(&dir, &at.name)) else { return };
    if let (Expected::Exactly { fingerprint, .. }, FileKind::File) = (expected, stat.kind) {
        *fingerprint = stat.fingerprint();
    }
}
