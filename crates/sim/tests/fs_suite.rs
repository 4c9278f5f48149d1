//! The simulated disk keeps the same promises as Linux: one suite for both.

use disk::fs_suite::{run, Abilities};
use sim::disk::{Lie, SimDisk};

#[test]
fn the_simulated_disk_keeps_the_promises_of_a_filesystem() {
    let disk = SimDisk::new(1_800_000_000_000, Lie::None);
    run(&disk, &disk.top(), Abilities { leases: true, xattrs: true });
}
