//! Decisions A2: what was on a disk before its program came never wins over what a member wrote.
//!
//! Told by the bytes alone: which were there before the program first ran, which were written while
//! it did. Not held where a person or a policy may say otherwise. Called by `checkers`.

use super::{digest_of, inode};
use crate::node::ROOT_NAME;
use crate::world::World;
use engine::content::Content;
use engine::index::Index;
use engine::observe::path_of;

/// Holds when nothing is to be done any more, of what node 0 shows: all show the same.
pub fn at_rest(world: &World) {
    let options = &world.options;
    if options.prefer + options.policies + options.verdicts + options.beside > 0 {
        return;
    }
    // After a power loss what looks older than the row may be what that left.
    if options.power > 0 && options.jumps + options.stops > 0 {
        return;
    }
    let (machine, town) = (&world.nodes[0], world.town());
    for row in machine.index.seen_rows() {
        let Some(Content::File(..)) = row.content else { continue };
        let kept = machine.index.kept_of(row.entry);
        let Some(path) = path_of(&machine.index, row.slot) else { continue };
        let shown = machine.disk.with(|model| {
            let root = inode(model, &[ROOT_NAME])?;
            let thing = model.thing(model.find(root, &path)?).ok()?;
            Some(digest_of(&thing.bytes))
        });
        let Some(shown) = shown.filter(|shown| town.census.is_import(shown)) else { continue };
        let lost = kept.iter().find(|loser| town.census.is_live(loser));
        assert!(lost.is_none(), "A2: /{path} shows {shown:?}, an import; {lost:?} is a member's");
    }
}
