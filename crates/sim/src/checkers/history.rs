//! C1, no blind displacement; C2 and C3, conservation and observed deletes; C5, no resurrection;
//! C6, no invented conflict: what the oracle says, held against what stands on the disks at rest.
//!
//! Only where `strict` is asked for, in worlds in which the program can know what users did: a few
//! of them alarm without a mutant, and it is not told yet which of these the oracle is to blame for
//! and which the engine. Called by `checkers`.

use super::{contents, digest_of, inode};
use crate::node::{Machine, ROOT_NAME, STATE_NAME};
use crate::oracle::Oracle;
use engine::content::{Content, Digest};
use engine::index::Index;
use engine::observe::path_of;
use std::collections::BTreeSet;

/// Holds when nothing is to be done any more. Of `strays` nobody knows where they belong.
pub fn at_rest(node: usize, machine: &Machine, oracle: &Oracle, strays: &BTreeSet<Digest>) {
    let (shown, kept) = machine.disk.with(|model| {
        let held = |path: &[&[u8]]| inode(model, path).map(|dir| contents(model, dir));
        let kept = held(&[STATE_NAME, b"kept"]).unwrap_or_default();
        (held(&[ROOT_NAME]).unwrap_or_default(), kept)
    });
    for (version, number) in oracle.owed().into_iter().flatten() {
        let is_there = shown.contains(&version.digest) || kept.contains(&version.digest);
        assert!(
            is_there || strays.contains(&version.digest),
            "{number}: {node} neither shows nor keeps what nobody gave up: {version:?}"
        );
    }
    for version in oracle.buried() {
        assert!(!shown.contains(&version.digest), "C5: {node} shows what was removed: {version:?}");
    }
    conflicts(node, machine, oracle);
}

fn conflicts(node: usize, machine: &Machine, oracle: &Oracle) {
    let index = &machine.index;
    for row in index.seen_rows() {
        let Some(Content::File(..)) = row.content else { continue };
        let kept = index.kept_of(row.entry);
        let Some(path) = path_of(index, row.slot).filter(|_| !kept.is_empty()) else { continue };
        let winner = machine.disk.with(|model| {
            let root = inode(model, &[ROOT_NAME])?;
            let thing = model.thing(model.find(root, &path)?).ok()?;
            Some(digest_of(&thing.bytes))
        });
        let Some(winner) = winner else { continue };
        let invented = kept.iter().find(|loser| oracle.is_invented(loser, &winner));
        assert!(
            invented.is_none(),
            "C6: {node} keeps {invented:?} of /{path} as a conflict with {winner:?}, whose author \
             knew it"
        );
    }
}
