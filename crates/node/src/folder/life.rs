//! This node's lives in a folder: signed by its key, and the witness of how far one has come.
//!
//! The witness is a small file where nothing outlives the machine's start. Who puts the home back
//! to an older copy does not put that back, so it tells an old index from the one that was last in
//! use (docs/decisions/0008). Nothing depends on it where there is no place for it. What it says is
//! judged by the engine; this only signs, writes and reads. Called by `folder` and `control`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use engine::dot::{Incarnation, NodeId};
use engine::engine::Witness;
use engine::entry::IncarnationRecord;
use engine::message::FolderId;

use crate::net::identity::Identity;

/// The environment variable that names the directory for witnesses; empty: there is none.
pub const PLACE_VARIABLE: &str = "SYNCLINE_RUNTIME_DIR";

/// What the file begins with.
const MAGIC: [u8; 8] = *b"synclif1";
/// Magic, incarnation, counter (little endian).
const BYTES: usize = 32;

/// A life that was never lived, signed by this node.
pub fn fresh(identity: &Identity, folder: FolderId) -> IncarnationRecord {
    let incarnation = Incarnation(crate::net::random_token());
    let signature = identity.sign(&words(folder, incarnation)).to_vec();
    IncarnationRecord { incarnation, node: identity.node_id(), signature }
}

/// What a node signs to say that an incarnation in a folder is its own.
pub fn words(folder: FolderId, life: Incarnation) -> Vec<u8> {
    [b"syncline incarnation v1".as_slice(), &folder.0, &life.0].concat()
}

/// The file, while the folder is open.
#[derive(Debug, Default)]
pub struct Record {
    file: Option<File>,
    last: Option<(Incarnation, u64)>,
}

impl Record {
    /// Writes down how far the life has come, before anybody is told of its last dots. Nobody waits
    /// for a disk.
    pub fn note(&mut self, life: Incarnation, counter: u64) {
        let Some(file) = &self.file else { return };
        if self.last == Some((life, counter)) {
            return;
        }
        let bytes = [&MAGIC[..], &life.0, &counter.to_le_bytes()].concat();
        if let Err(error) = file.write_all_at(&bytes, 0) {
            tracing::debug!(%error, "the witness of a folder's life cannot be written");
            self.file = None;
        }
        self.last = Some((life, counter));
    }
}

/// Opens the witness of this node in this folder, and tells what it says.
pub fn open(node: NodeId, folder: FolderId) -> (Record, Witness) {
    open_in(&places(), node, folder)
}

/// Removes the witness: the folder is not held here any more.
pub fn forget(node: NodeId, folder: FolderId) {
    for place in places() {
        // Most places never had one.
        drop(std::fs::remove_file(place.join(name(node, folder))));
    }
}

fn open_in(places: &[PathBuf], node: NodeId, folder: FolderId) -> (Record, Witness) {
    for place in places {
        let Some(file) = open_file(place, &name(node, folder)) else { continue };
        let said = read(&file).map_or(Witness::Missing, |(life, n)| Witness::Last(life, n));
        return (Record { file: Some(file), last: None }, said);
    }
    (Record::default(), Witness::NoPlace)
}

fn open_file(place: &Path, name: &str) -> Option<File> {
    match DirBuilder::new().mode(0o700).create(place) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(place.join(name)).ok()
}

fn read(file: &File) -> Option<(Incarnation, u64)> {
    let mut bytes = [0; BYTES];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (life, counter) = rest.split_first_chunk()?;
    Some((Incarnation(*life), u64::from_le_bytes(counter.try_into().ok()?)))
}

/// Where the file may lie, the best place first.
fn places() -> Vec<PathBuf> {
    if let Some(place) = std::env::var_os(PLACE_VARIABLE) {
        return Some(place)
            .filter(|place| !place.is_empty())
            .map(PathBuf::from)
            .into_iter()
            .collect();
    }
    let system = crate::home::is_root().then(|| PathBuf::from("/run/syncline"));
    let user = std::env::var_os("XDG_RUNTIME_DIR").filter(|place| !place.is_empty());
    system.into_iter().chain(user.map(|place| PathBuf::from(place).join("syncline"))).collect()
}

/// The home's own key is in the name: several homes on one machine may hold one folder.
fn name(node: NodeId, folder: FolderId) -> String {
    let node: String = node.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{node}-{folder}")
}

#[cfg(test)]
mod tests;
