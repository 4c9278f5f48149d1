//! The letters that the histories of exhaustive worlds are spelled in: what users do at two paths,
//! what befalls nodes and links, and how far the world gets before the next.

use super::disk::{Disk, Inode, Spot, TOP};
use super::users::User;
use super::world::{Held, World};
use engine::entry::Kind;
use engine::path::Name;

/// One of the two paths that users know of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Path {
    A,
    B,
}

/// What a user does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Deed {
    /// Creates the file, or writes into the one that is there; in a directory, the file `x`.
    Write(Path),
    /// The same by a temporary file that is renamed over the old one.
    Save(Path),
    /// With all that is in it.
    Delete(Path),
    /// To the other path, over a file, or into a directory.
    Move(Path),
    Dir(Path),
    Chmod(Path),
    /// The file gets the other path, too, whatever file is there.
    Name(Path),
    /// The two change places.
    Swap,
}

/// How far the world gets, of what is under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Until {
    /// Each node has seen what its users did, but nothing goes over the links.
    Seen,
    /// All has been told, but no content comes, and nothing is done on any disk.
    Told,
    /// Contents have come, too, and wait to be put in place.
    Fetched,
    /// Two minutes have passed.
    Rest,
}

/// One step of a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Letter {
    Do(usize, Deed),
    /// A node is switched off, or on again.
    Power(usize),
    /// A link is cut, or put up again.
    Link(usize, usize),
    Run(Until),
}

const PATHS: [Path; 2] = [Path::A, Path::B];

/// Everything that can happen at once in a world of so many nodes. Where files have several names,
/// nothing else is done than what makes or breaks them, or goes through one.
pub fn letters(nodes: usize, names: bool) -> Vec<Letter> {
    let mut each: Vec<fn(Path) -> Deed> = vec![Deed::Write, Deed::Save, Deed::Delete, Deed::Move];
    each.extend(if names {
        &[Deed::Name as fn(Path) -> Deed][..]
    } else {
        &[Deed::Dir, Deed::Chmod]
    });
    let mut deeds: Vec<Deed> = each.iter().flat_map(|deed| PATHS.map(deed)).collect();
    deeds.extend((!names).then_some(Deed::Swap));
    let mut letters = Vec::new();
    for node in 0..nodes {
        letters.extend(deeds.iter().map(|deed| Letter::Do(node, *deed)));
        letters.push(Letter::Power(node));
        letters.extend((0..node).map(|other| Letter::Link(other, node)));
    }
    letters
}

impl Path {
    fn other(self) -> Path {
        if self == Path::A {
            Path::B
        } else {
            Path::A
        }
    }

    fn spot(self) -> Spot {
        (TOP, name(if self == Path::A { b"a" } else { b"b" }))
    }
}

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).unwrap()
}

impl Deed {
    /// The same with the paths exchanged.
    fn mirrored(self) -> Deed {
        match self {
            Deed::Write(path) => Deed::Write(path.other()),
            Deed::Save(path) => Deed::Save(path.other()),
            Deed::Delete(path) => Deed::Delete(path.other()),
            Deed::Move(path) => Deed::Move(path.other()),
            Deed::Dir(path) => Deed::Dir(path.other()),
            Deed::Chmod(path) => Deed::Chmod(path.other()),
            Deed::Name(path) => Deed::Name(path.other()),
            Deed::Swap => Deed::Swap,
        }
    }
}

impl Letter {
    /// The same with other names for nodes, and for paths.
    pub fn renamed(self, nodes: &[usize], mirror: bool) -> Letter {
        match self {
            Letter::Do(node, deed) => {
                Letter::Do(nodes[node], if mirror { deed.mirrored() } else { deed })
            }
            Letter::Power(node) => Letter::Power(nodes[node]),
            Letter::Link(a, b) => {
                let (a, b) = (nodes[a], nodes[b]);
                Letter::Link(a.min(b), a.max(b))
            }
            Letter::Run(_) => self,
        }
    }

    /// Lets it happen. `false`: it cannot, or nothing would come of it.
    pub fn happen(self, world: &mut World) -> bool {
        match self {
            Letter::Do(node, deed) => return world.does(node, deed),
            Letter::Power(node) => {
                if world.nodes[node].engine.is_some() {
                    world.kill(node);
                } else {
                    world.start(node, false);
                }
            }
            Letter::Link(a, b) => {
                let up = world.linked().contains(&(a, b));
                world.set_link(a, b, !up);
            }
            Letter::Run(until) => world.run_until(until),
        }
        true
    }
}

impl World {
    fn does(&mut self, node: usize, deed: Deed) -> bool {
        self.pass(1);
        let disk = &mut self.nodes[node].disk;
        let user = User::new(disk, &mut self.oracle, &mut self.random);
        let Some((hints, what)) = user.does(deed) else { return false };
        self.did(node, &what, hints);
        true
    }

    fn run_until(&mut self, until: Until) {
        self.tell(|| format!("until {until:?}"));
        match until {
            Until::Seen => self.run_without(50, &[Held::Messages, Held::Contents]),
            Until::Told => self.run_without(300, &[Held::Contents, Held::Hands]),
            Until::Fetched => self.run_without(300, &[Held::Hands]),
            Until::Rest => self.run_for(120_000),
        }
    }
}

impl User<'_> {
    /// Does exactly this. `None`: it cannot be done.
    fn does(mut self, deed: Deed) -> Option<(Vec<super::users::Hint>, String)> {
        match deed {
            Deed::Write(path) => self.write_at(&path.spot())?,
            Deed::Save(path) => {
                self.file_at(&path.spot())?;
                self.save(&path.spot());
            }
            Deed::Delete(path) => {
                let inode = self.disk.at(&path.spot())?;
                self.say("rm -r", inode);
                self.remove_tree(&path.spot());
            }
            Deed::Move(path) => self.move_to(&path.spot(), &path.other().spot())?,
            Deed::Dir(path) => self.dir_at(&path.spot())?,
            Deed::Chmod(path) => {
                let inode = self.disk.at(&path.spot())?;
                let mode = self.disk.things[&inode].mode ^ 0o055;
                self.chmod(&path.spot(), mode);
            }
            Deed::Name(path) => {
                let (of, to) = (path.spot(), path.other().spot());
                let inode = self.file_at(&of)?;
                let other = self.disk.at(&to);
                if other.is_some_and(|there| there == inode || kind(self.disk, there) != Kind::File)
                {
                    return None;
                }
                self.give_name(&of, &to);
            }
            Deed::Swap => {
                let [a, b] = PATHS.map(|path| path.spot());
                self.disk.at(&a).and(self.disk.at(&b))?;
                self.swap(&a, &b);
            }
        }
        Some(self.done())
    }

    fn file_at(&self, spot: &Spot) -> Option<Inode> {
        self.disk.at(spot).filter(|inode| kind(self.disk, *inode) == Kind::File)
    }

    fn write_at(&mut self, spot: &Spot) -> Option<()> {
        let dir = self.disk.at(spot).filter(|inode| kind(self.disk, *inode) == Kind::Dir);
        let spot = dir.map_or_else(|| spot.clone(), |dir| (dir, name(b"x")));
        if self.disk.at(&spot).is_some() {
            self.file_at(&spot)?;
            self.write(&spot);
        } else {
            self.create(&spot);
        }
        Some(())
    }

    fn dir_at(&mut self, spot: &Spot) -> Option<()> {
        self.disk.at(spot).is_none().then(|| self.make_dir(spot))
    }

    fn move_to(&mut self, from: &Spot, to: &Spot) -> Option<()> {
        self.disk.at(from)?;
        let dir = self.disk.at(to).filter(|inode| kind(self.disk, *inode) == Kind::Dir);
        let to = dir.map_or_else(|| to.clone(), |dir| (dir, from.1.clone()));
        self.rename(from, &to).then_some(())
    }
}

fn kind(disk: &Disk, inode: Inode) -> Kind {
    disk.things[&inode].kind
}
