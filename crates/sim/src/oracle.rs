//! What users wrote, and what each author had seen: who knows that can say what was lost, what rose
//! from the dead, and which conflict was invented. Shares no code with the engine.
//!
//! It hears every call that changes a disk. A user who closes a file with other bytes in it than
//! there were has written a version; its past is every version that these bytes stood for when the
//! file was opened, and their pasts. Bytes that the program brought stand for every version with
//! that content. Who removes or replaces a file gives its versions up, and what had lost to them
//! and lies in the conflict store there, or comes into it before the program knows of the removal.
//! Versions are of one file where they have been at one place, by the names that directories ever
//! had. Kept by `users`, asked by `checkers`.

use crate::disk::deeds::Deed;
use crate::disk::model::{Inode, Model};
use engine::content::Digest;
use engine::path::{Name, RelPath};
use std::collections::{BTreeMap, BTreeSet};

mod authors;
mod paths;
mod program;

use paths::Streets;

/// Numbers a version.
pub type VersionId = usize;
type Versions = BTreeSet<VersionId>;

/// What a user wrote.
#[derive(Clone, Debug)]
pub struct Version {
    /// Where.
    pub node: usize,
    /// Its content.
    pub digest: Digest,
    /// Whether there is anything in it.
    is_empty: bool,
    /// What its author had seen there, and what those authors had.
    past: Versions,
    /// Where it has been.
    places: BTreeSet<RelPath>,
    /// Somebody moved it, or a directory above it.
    moved: bool,
    /// Somebody put it in another file's place, so that what the two had seen is mixed up.
    mixed: bool,
    /// Somebody gave it up knowingly.
    given_up: bool,
    /// Somebody removed it knowingly, on a machine whose program had lived on until then.
    removed: bool,
}

/// What the bytes of an inode stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stands {
    /// Nothing that anybody wrote.
    Nothing,
    /// What a user wrote into it.
    Own(VersionId),
    /// Whatever has this content: the program brought it.
    Copy,
}

#[derive(Clone, Debug)]
struct Held {
    digest: Digest,
    stands: Stands,
    /// What it stood for when a user opened it for writing first, and its content then.
    seen: Option<(Versions, Digest)>,
    writers: u32,
    place: Option<RelPath>,
    /// A user has moved it.
    is_moved: bool,
}

/// A file that users removed, whose removal the program may not know of yet.
#[derive(Clone, Debug)]
struct Removed {
    node: usize,
    inode: Inode,
    places: BTreeSet<RelPath>,
}

/// What the program does and must not.
pub type Fault = String;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    versions: Vec<Version>,
    with: BTreeMap<Digest, Versions>,
    held: BTreeMap<(usize, Inode), Held>,
    /// Contents of the conflict stores.
    kept: BTreeSet<(usize, Digest)>,
    removed: Vec<Removed>,
    /// Where anybody ever removed something.
    gone: BTreeSet<RelPath>,
    streets: Streets,
    /// Every content that anybody ever closed a file with.
    whole: BTreeSet<Digest>,
    /// Machines whose program has died.
    fallen: BTreeSet<usize>,
    /// A machine lost its power, or an index was put back: users' orders may have been undone.
    is_shaken: bool,
    faults: Vec<Fault>,
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

impl Oracle {
    /// Takes in a call that changed a disk; whether the program made it.
    pub fn hear(&mut self, node: usize, ours: bool, deed: Deed, model: &Model) {
        match ours {
            true => self.program(node, deed, model),
            false => self.user(node, deed),
        }
    }

    /// What the program did that it must not, once.
    pub fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    /// The program of a machine died.
    pub fn fell(&mut self, node: usize) {
        self.fallen.insert(node);
    }

    /// The program of a machine has read its index anew: it knows of removals of these no more.
    pub fn heard(&mut self, node: usize, knows: impl Fn(Inode) -> bool) {
        self.removed.retain(|one| one.node != node || knows(one.inode));
    }

    /// An index was put back to an older copy.
    pub fn shaken(&mut self) {
        self.is_shaken = true;
    }

    /// A machine is a copy of another, by what lies there now.
    pub fn copied(&mut self, of: usize, node: usize, model: &mut Model) {
        let held = self.held.iter().filter(|((at, _), _)| *at == of);
        let held: Vec<_> = held.map(|((_, inode), held)| ((node, *inode), held.clone())).collect();
        self.held.extend(held);
        self.lost_power(node, model);
    }

    /// The power of a machine was lost: what lies there now is what it is.
    pub fn lost_power(&mut self, node: usize, model: &mut Model) {
        self.is_shaken = true;
        model.take_deeds();
        let mut left = BTreeSet::new();
        for ((at, inode), held) in &mut self.held {
            let Some(thing) = model.thing(*inode).ok().filter(|_| *at == node) else { continue };
            let digest = digest_of(&thing.bytes);
            // What somebody was writing, and what was never anywhere else, may be all there is; so
            // may what was removed before it was whole, and is back.
            let is_own = match held.stands {
                Stands::Own(_) => true,
                Stands::Nothing => held.place.is_some(),
                Stands::Copy => false,
            };
            if held.writers > 0 || is_own {
                left.insert(digest);
            }
            if digest != held.digest {
                (held.digest, held.stands) = (digest, Stands::Copy);
            }
            (held.seen, held.writers) = (None, 0);
        }
        self.whole.extend(left);
    }

    /// An older copy shows these: what is half written there stays so.
    pub fn came_back(&mut self, shown: BTreeSet<Digest>) {
        self.whole.extend(shown);
    }

    fn stands_for(&self, node: usize, inode: Inode) -> Versions {
        let Some(held) = self.held.get(&(node, inode)) else { return Versions::new() };
        match held.stands {
            Stands::Nothing => Versions::new(),
            Stands::Own(version) => Versions::from([version]),
            Stands::Copy => self.with.get(&held.digest).cloned().unwrap_or_default(),
        }
    }

    fn with_past(&self, versions: &Versions) -> Versions {
        let pasts = versions.iter().flat_map(|version| &self.versions[*version].past);
        pasts.chain(versions).copied().collect()
    }

    fn places_of(&self, versions: &Versions) -> BTreeSet<RelPath> {
        versions.iter().flat_map(|version| self.versions[*version].places.clone()).collect()
    }

    fn hold(&mut self, node: usize, inode: Inode, place: Option<RelPath>) {
        let (digest, stands) = (digest_of(b""), Stands::Nothing);
        let held = Held { digest, stands, seen: None, writers: 0, place, is_moved: false };
        self.held.insert((node, inode), held);
    }

    /// Whether nobody gave a version up, nor the same bytes in the same place: who writes what is
    /// there already, though on another machine, has written nothing else.
    fn is_owed(&self, version: &Version) -> bool {
        let like = self.with.get(&version.digest).into_iter().flatten();
        let mut given_up = like.map(|id| &self.versions[*id]).filter(|like| like.given_up);
        let is_let_go = given_up.any(|like| self.streets.meet(&like.places, &version.places));
        !version.is_empty && !is_let_go
    }

    /// C2, C3: what nobody gave up is shown or kept. `None` where a power loss or an older index
    /// may have undone what users did.
    pub fn owed(&self) -> Option<impl Iterator<Item = (&Version, &'static str)> + '_> {
        let owed = self.versions.iter().filter(|version| self.is_owed(version));
        let number = |version: &Version| {
            let mut removed = self.versions.iter().filter(|other| other.removed);
            let is_removed = removed.any(|other| self.streets.meet(&other.places, &version.places));
            if is_removed {
                "C3"
            } else {
                "C2"
            }
        };
        (!self.is_shaken).then(|| owed.map(move |version| (version, number(version))))
    }

    /// C5: what was removed by one who knew it, and that nobody moved, and whose like nobody wrote.
    pub fn buried(&self) -> impl Iterator<Item = &Version> {
        let alone = |version: &Version| self.with[&version.digest].len() == 1;
        let all = self.versions.iter().filter(|version| version.removed && !self.is_shaken);
        all.filter(move |version| !version.moved && !version.is_empty && alone(version))
    }

    /// C6: whether one content is known to have been written over the other, whoever has either.
    pub fn is_invented(&self, loser: &Digest, winner: &Digest) -> bool {
        if self.is_shaken || !self.fallen.is_empty() {
            return false;
        }
        let (Some(losers), Some(winners)) = (self.with.get(loser), self.with.get(winner)) else {
            return false;
        };
        let knew = |one: &VersionId, other: &VersionId| self.versions[*one].past.contains(other);
        // Of bytes that were written twice nobody can tell which are meant.
        let (Some(lost), Some(won)) = (losers.first(), winners.first()) else { return false };
        let is_mixed = self.versions[*lost].mixed || self.versions[*won].mixed;
        let alone = losers.len() == 1 && winners.len() == 1 && !is_mixed;
        loser == winner || alone && (knew(won, lost) || knew(lost, won))
    }
}

/// The name of a room of the program's.
fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).expect("a literal name")
}
