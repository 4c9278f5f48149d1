//! Any disk becomes any tree: steps end, and nothing that is needed goes to the trash.

use super::{id, World, E};
use crate::entry::{Entry, EntryId, Kind};
use crate::plan::{Step, Wait};
use crate::view::{self, Shown};
use proptest::prelude::{any, prop, proptest};
use std::collections::{BTreeMap, BTreeSet};

type Seed = (u8, u8, u8, u8, bool, u8);

/// Entries 1..=8, whose kind is fixed; a later seed of the same entry is what became of it.
fn random_entries(seeds: &[Seed]) -> Vec<E> {
    let mut entries: BTreeMap<u8, E> = BTreeMap::new();
    for &(n, parent, called, time, deleted, letter) in seeds {
        let n = n % 8 + 1;
        let kind = [Kind::Dir, Kind::Dir, Kind::File, Kind::Dir][usize::from(n % 4)];
        let parent = [0, 1, 3, 4, 5, 7, 8, 0][usize::from(parent % 8)];
        let parent = if parent == n { 0 } else { parent };
        let blank = E(Entry::new(id(n), kind)).at(
            1 + u64::from(time),
            parent,
            ["a", "b"][usize::from(called % 2)],
        );
        let entry = match kind {
            Kind::Dir => blank,
            _ => {
                blank.holds(0, b'a' + letter % 2).holds(1 + u64::from(time), b'a' + letter / 2 % 3)
            }
        };
        entries.insert(
            n,
            if deleted && time % 2 == 0 { entry.gone(u64::from(time) + 2) } else { entry },
        );
    }
    entries.into_values().collect()
}

proptest! {
    #[test]
    fn steps_always_end_with_the_disk_in_place_and_never_trash_what_is_needed(
        before in prop::collection::vec(any::<Seed>(), 1..16),
        after in prop::collection::vec(any::<Seed>(), 1..16),
    ) {
        let mut world = World::of(&random_entries(&before), &random_entries(&after));
        world.settle();
        let ids: Vec<EntryId> = world.index.entries().map(|stored| stored.entry.id).collect();
        let arriving = |place: Shown| place == Shown::Orphan;
        let orphans: BTreeSet<EntryId> =
            ids.iter().copied().filter(|&id| arriving(view::place(&world.index, id))).collect();
        for id in ids {
            let step = world.decide(id);
            let waits = match step {
                Step::Wait(Wait::Arrival) => orphans.contains(&id),
                Step::Wait(Wait::Entry(_)) => !orphans.is_empty(),
                _ => step == Step::InPlace,
            };
            assert!(waits, "{id:?}: {}\n{}", world.say(&step), world.story());
        }
    }
}
