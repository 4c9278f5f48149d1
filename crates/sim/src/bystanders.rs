//! What lies beside the folder on each machine: never touched by a program, never read into the
//! tree. Symlinks lead there, and other filesystems are mounted over the root.
//!
//! A checker: it knows where these are, and looks at the disk's model only. Called by `scenario`.

use crate::checkers::digest_of;
use crate::disk::model::{Inode, Model, Spot, TOP};
use crate::node::Machine;
use disk::fs::FileKind;
use engine::content::{Content, Digest};
use engine::entry::Timestamp;
use engine::path::Name;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where symlinks of hostile users lead: this name in the top directory.
pub const OUTSIDE: &[u8] = b"outside";

/// One thing as it must stay: its change time moves with whatever is done to it.
type Picture = (Option<Spot>, Inode, Timestamp, Arc<Vec<u8>>);

/// Those of one machine.
#[derive(Clone, Debug)]
pub struct Bystanders {
    /// An empty directory on a filesystem of its own.
    pub hollow: Inode,
    /// A directory with files of somebody else, on a filesystem of its own.
    pub foreign: Inode,
    outside: Inode,
    was: Vec<Picture>,
    digests: BTreeSet<Digest>,
}

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).expect("a literal name")
}

impl Bystanders {
    /// Puts them beside the folder.
    pub fn settle(node: usize, model: &mut Model) -> Bystanders {
        let mut dir = |bytes: &[u8], volume: u8| {
            let made = model.make(&(TOP, name(bytes)), FileKind::Dir, 0o755, b"");
            let made = made.expect("nothing else has the name");
            model.set_volume(made, volume);
            made
        };
        let [outside, hollow, foreign] = [dir(OUTSIDE, 0), dir(b"hollow", 1), dir(b"foreign", 2)];
        for (at, text) in [(outside, "outside"), (foreign, "foreign")] {
            // Names that users of the folder give, too: a path leads here if a link is followed.
            for file in [b"a", b"b", b"c"] {
                let bytes = format!("{text} of {node}, {}\n", file[0]);
                let made = model.make(&(at, name(file)), FileKind::File, 0o644, bytes.as_bytes());
                made.expect("an empty directory");
            }
        }
        let mut all =
            Bystanders { hollow, foreign, outside, was: Vec::new(), digests: BTreeSet::new() };
        model.sync(None);
        all.was = all.picture(model);
        let files = all.was.iter().filter(|(.., bytes)| !bytes.is_empty());
        all.digests = files.map(|(.., bytes)| digest_of(bytes)).collect();
        all
    }

    fn picture(&self, model: &Model) -> Vec<Picture> {
        let mut all = Vec::new();
        for top in [self.outside, self.hollow, self.foreign] {
            let below = model.below(top).into_iter().map(|(spot, inode)| (Some(spot), inode));
            for (spot, inode) in [(None, top)].into_iter().chain(below) {
                let thing = model.thing(inode).expect("it has a name");
                all.push((spot, inode, thing.ctime, thing.bytes.clone()));
            }
        }
        all
    }

    /// Holds at every moment.
    pub fn always(&self, node: usize, machine: &Machine) {
        machine.disk.with(|model| {
            assert!(self.picture(model) == self.was, "C12: {node} has touched what lies beside");
        });
    }

    /// Holds at the end: nothing of theirs is known to this program.
    pub fn at_rest(&self, node: usize, machine: &Machine) {
        for stored in machine.index.entries() {
            let contents = stored.entry.data.versions().iter().map(|one| &one.value.content);
            for content in contents {
                let theirs = match content {
                    Content::File(digest, _) => self.digests.contains(digest),
                    Content::Link(_) => false,
                };
                assert!(
                    !theirs,
                    "C12: {node} has read what lies beside into {:?}",
                    stored.entry.id
                );
            }
        }
    }
}
