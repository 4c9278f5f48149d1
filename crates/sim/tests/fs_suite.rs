//! The simulated disk keeps the same promises as Linux: one suite for both.

use disk::fs::{FileKind, Fs};
use disk::fs_suite::{run, Abilities, Mapping, Others};
use engine::path::Name;
use sim::disk::model::{Inode, TOP};
use sim::disk::{Lie, Open, SimDisk};
use std::sync::Arc;

const EPOCH_MS: u64 = 1_800_000_000_000;

/// Programs on a simulated machine.
struct Programs(SimDisk);

struct Map(SimDisk, Inode);

impl Mapping for Map {
    fn store(&mut self, offset: usize, bytes: &[u8]) {
        self.0.with(|model| model.store(self.1, bytes, offset)).expect("within the file");
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        self.0.with(|model| model.close(self.1, true));
    }
}

impl Others<SimDisk> for Programs {
    fn map(&self, dir: &Arc<Open>, name: &Name) -> Box<dyn Mapping> {
        let inode = self.0.with(|model| {
            let inode = model.at(dir.inode(), name).expect("a file");
            model.map(inode).map(|()| inode)
        });
        Box::new(Map(self.0.clone(), inode.expect("not immutable")))
    }

    fn set_immutable(&self, dir: &Arc<Open>, name: &Name, immutable: bool) {
        self.0.with(|model| {
            let inode = model.at(dir.inode(), name).expect("a file");
            model.set_immutable(inode, immutable).expect("a file");
        });
    }
}

#[test]
fn the_simulated_disk_keeps_the_promises_of_a_filesystem() {
    let disk = SimDisk::new(EPOCH_MS, Lie::None);
    let all = Abilities { leases: true, xattrs: true, writes_back: true, immutable: true };
    run(&disk, &disk.top(), &Programs(disk.clone()), all);
}

#[test]
fn the_number_of_what_is_gone_is_given_again_and_its_handle_is_not() {
    let disk = SimDisk::new(EPOCH_MS, Lie::None);
    let (top, name) = (disk.top(), Name::new(b"a").unwrap());
    let mut seen = Vec::new();
    for _ in 0..3 {
        drop(disk.create(&top, &name).unwrap());
        let stat = disk.stat(&top, &name).unwrap();
        disk.remove_own(&top, &name).unwrap();
        seen.push((stat.inode, stat.handle));
    }
    assert!(seen.iter().all(|(number, _)| *number == seen[0].0), "{seen:?}");
    assert!(seen[0].1 != seen[1].1 && seen[1].1 != seen[2].1 && seen[0].1 != seen[2].1);
}

/// Of what was not synced a power loss may take all or nothing, and anything in between that a
/// journalling filesystem leaves: never a rename without what came before it.
#[test]
fn a_power_loss_takes_names_in_their_order_and_bytes_in_any() {
    let name = |text: &str| Name::new(text.as_bytes()).unwrap();
    let (mut torn, mut kept) = (Vec::new(), Vec::new());
    for seed in 0..400 {
        let disk = SimDisk::new(EPOCH_MS, Lie::None);
        let mut random = sim::random::Random::new(seed, 0);
        let left = disk.with(|model| {
            let file = |model: &mut sim::disk::model::Model, text: &str, bytes: &[u8]| {
                model.make(&(TOP, name(text)), FileKind::File, 0o644, bytes).unwrap()
            };
            let synced = file(model, "synced", b"stays");
            file(model, "old", &[b'o'; 8192]);
            model.sync(None);
            let old = model.at(TOP, &name("old")).unwrap();
            model.write(old, &[b'n'; 8192], 0).unwrap();
            let target = sim::disk::model::Target::Free;
            model.rename(&(TOP, name("old")), &(TOP, name("one")), target).unwrap();
            model.rename(&(TOP, name("one")), &(TOP, name("two")), target).unwrap();
            model.unlink(&(TOP, name("synced"))).unwrap();
            model.lose_power(&mut random, false);
            if let Ok(thing) = model.thing(synced) {
                assert_eq!(**thing.bytes, *b"stays");
            }
            let names: Vec<String> =
                model.dir(TOP).unwrap().children.keys().map(ToString::to_string).collect();
            (names, model.thing(old).unwrap().bytes.to_vec())
        });
        assert!(left.1.iter().all(|byte| b"on\0".contains(byte)), "no byte comes from nowhere");
        torn.push(left.1);
        kept.push(left.0);
    }
    for names in [&["old", "synced"][..], &["one", "synced"], &["synced", "two"], &["two"]] {
        assert!(kept.iter().any(|left| left == names), "{names:?} never happens");
    }
    assert!(kept.iter().all(|left| left.len() == 2 || left == &["two"]), "one name, in order");
    let halves = [&[b'n'; 4096][..], &[b'o'; 4096]].concat();
    assert!(torn.iter().any(|bytes| bytes.is_empty() || bytes.len() == 4096), "short");
    assert!(torn.contains(&vec![0; 8192]), "zeros");
    assert!(torn.contains(&vec![b'o'; 8192]) && torn.contains(&vec![b'n'; 8192]), "old and new");
    assert!(torn.contains(&halves), "of each block one or the other");
}

/// A sync that failed once says nothing the next time, and the bytes are not on the disk.
#[test]
fn what_a_failed_sync_forgot_the_next_does_not_write() {
    let bytes_after = |seed: u64, fails: bool| {
        let disk = SimDisk::new(EPOCH_MS, Lie::None);
        disk.with(|model| {
            let spot = (TOP, Name::new(b"a").unwrap());
            let file = model.make(&spot, FileKind::File, 0o644, b"").unwrap();
            model.write(file, &[b'n'; 4096], 0).unwrap();
            if fails {
                model.fail_sync(file);
            }
            model.sync(Some(file));
            model.sync(None);
            model.lose_power(&mut sim::random::Random::new(seed, 0), false);
            model.thing(file).unwrap().bytes.to_vec()
        })
    };
    assert!((0..50).all(|seed| bytes_after(seed, false) == [b'n'; 4096]));
    assert!((0..50).any(|seed| bytes_after(seed, true) != [b'n'; 4096]));
}
