//! C11, durable order: what an index holds for durable is there after the power was lost.
//!
//! Taken before the power goes: each file that is as its row says, where neither that row nor one
//! of a directory above it is volatile. After it the name and the bytes must be what they were; but
//! not where a user has put a name away and back since it was durable, for the power may take back
//! one of the two. Called by `world`.

use super::digest_of;
use crate::disk::model::{Inode, Model};
use engine::content::{Content, Digest};
use engine::index::{Index, MemIndex, SeenRow, ROOT_SLOT};
use engine::observe::path_of;
use engine::path::RelPath;

/// Files that must outlast the power: where, and what is in them.
pub type Promised = Vec<(RelPath, Digest)>;

fn holds(model: &Model, root: Inode, path: &RelPath) -> Option<Digest> {
    let thing = model.thing(model.find(root, path)?).ok()?;
    Some(digest_of(&thing.bytes))
}

/// Whether neither the row nor a directory above it is volatile: a file is where that is.
fn is_durable(index: &MemIndex, row: &SeenRow) -> bool {
    let above = || index.seen(row.parent).filter(|dir| dir.slot != ROOT_SLOT);
    row.volatile.is_none() && above().is_none_or(|dir| is_durable(index, &dir))
}

/// Whether one of the names on the way there has been put away and back.
fn has_swung(model: &Model, root: Inode, path: &RelPath) -> bool {
    let mut dir = Some(root);
    path.names().iter().any(|name| {
        let here = dir;
        dir = here.and_then(|dir| model.at(dir, name).ok());
        here.is_some_and(|here| model.has_swung(here, name))
    })
}

/// What is promised of a disk.
pub fn promised(model: &Model, root: Inode, index: &MemIndex) -> Promised {
    let rows = index.seen_rows().filter(|row| is_durable(index, row));
    let files = rows.filter_map(|row| {
        let Some(Content::File(digest, _)) = row.content else { return None };
        let path = path_of(index, row.slot)?;
        let inode = model.find(root, &path).filter(|_| !has_swung(model, root, &path))?;
        let thing = model.thing(inode).ok()?;
        let (now, was) =
            ((thing.mtime, thing.ctime), (row.fingerprint.mtime, row.fingerprint.ctime));
        let is_same = row.fingerprint.handle.0[..] == inode.to_be_bytes() && now == was;
        (is_same && digest_of(&thing.bytes) == digest).then_some((path, digest))
    });
    files.collect()
}

/// The power has been lost.
pub fn kept(node: usize, model: &Model, root: Inode, promised: &Promised) {
    for (path, digest) in promised {
        let found = holds(model, root, path);
        assert!(
            found == Some(*digest),
            "C11: {node} held {digest:?} at /{path} for durable, and it is {found:?}"
        );
    }
}
