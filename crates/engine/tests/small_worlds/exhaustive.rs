//! All histories of a few letters, each in a world of its own, and all that must be true of each:
//! nothing is left to chance, and nothing is left out.
//!
//! A search in depth: a world is cloned where histories part. After each letter that changes
//! something the world is put together again, so that shorter histories are among the longer.
//! Histories that differ only in the names of nodes or paths are told once.

use super::alphabet::{letters, Deed, Letter, Path, Until};
use super::check;
use super::lived::lived;
use super::quiet;
use super::world::World;

/// What is there, in place everywhere, when a history begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Nothing,
    /// The file `a`.
    File,
    /// The file `a` and the directory `b` with a file in it.
    Both,
    /// One file, `a` and `b`.
    Names,
}

/// More turns than any node needs to come to rest.
const TURNS_MAX: u64 = 4_000;

/// So many that end badly are enough.
const BAD_MAX: usize = 20;

/// A history that ends badly.
pub struct Bad {
    pub word: Vec<Letter>,
    pub why: String,
}

/// All histories from one beginning.
pub struct Search {
    start: Start,
    letters: Vec<Letter>,
    /// Other names of the nodes, each with paths as they are or exchanged.
    names: Vec<(Vec<usize>, bool)>,
    word: Vec<Letter>,
    /// How many histories there are.
    pub worlds: u64,
    pub bad: Vec<Bad>,
}

const PASSAGES: [Until; 4] = [Until::Seen, Until::Told, Until::Fetched, Until::Rest];

impl Search {
    /// All words of up to `length` letters that are not passages of time, with at most one of those
    /// after each.
    pub fn all(nodes: usize, start: Start, length: usize) -> Search {
        let mirrors: &[bool] = if start == Start::Nothing { &[false, true] } else { &[false] };
        let orders = orders(nodes);
        let names = orders.iter().flat_map(|order| mirrors.iter().map(|m| (order.clone(), *m)));
        let names = names.collect();
        let letters = letters(nodes, start == Start::Names);
        let mut search =
            Search { start, letters, names, word: Vec::new(), worlds: 0, bad: Vec::new() };
        search.extend(&begin(nodes, start), length);
        search
    }

    fn extend(&mut self, world: &World, left: usize) {
        for letter in self.letters.clone() {
            if self.bad.len() == BAD_MAX {
                return;
            }
            self.word.push(letter);
            if self.is_first_of_its_kind() {
                self.follow(world, letter, left - 1);
            }
            self.word.pop();
        }
    }

    fn follow(&mut self, world: &World, letter: Letter, left: usize) {
        let mut next = world.clone();
        let mut happens = false;
        let ended = lived(|| {
            happens = letter.happen(&mut next);
            if happens {
                ENDS.iter().for_each(|end| end(&mut next.clone()));
            }
        });
        self.worlds += u64::from(happens);
        if let Err(why) = ended {
            self.bad.push(Bad { word: self.word.clone(), why });
            return;
        }
        if !happens || left == 0 {
            return;
        }
        self.extend(&next, left);
        for until in PASSAGES {
            let mut next = next.clone();
            let passage = Letter::Run(until);
            self.word.push(passage);
            match lived(|| assert!(passage.happen(&mut next), "time always passes")) {
                Ok(()) => self.extend(&next, left),
                Err(why) => self.bad.push(Bad { word: self.word.clone(), why }),
            }
            self.word.pop();
        }
    }

    /// Of all words that are the same with other names, the first stands for all.
    fn is_first_of_its_kind(&self) -> bool {
        self.names.iter().all(|(nodes, mirror)| {
            let other = self.word.iter().map(|letter| letter.renamed(nodes, *mirror));
            other.cmp(self.word.iter().copied()).is_ge()
        })
    }

    /// Fails with the story of the shortest that ended badly.
    pub fn assert_good(&self, nodes: usize) {
        let Some(bad) = self.bad.iter().min_by_key(|bad| bad.word.len()) else { return };
        let (number, start, word) = (self.bad.len(), self.start, &bad.word);
        let others = self.bad.iter().map(|bad| format!("{:?}: {:.200}", bad.word, bad.why));
        let others: Vec<String> = others.collect();
        let story = story(nodes, start, word).join("\n");
        panic!(
            "{number} of {} end badly:\n{}\n{nodes} nodes, {start:?}, {word:?}:\n{story}",
            self.worlds,
            others.join("\n"),
        );
    }
}

/// All orders of so many things.
fn orders(number: usize) -> Vec<Vec<usize>> {
    if number == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(number - 1) {
        for at in 0..number {
            let mut order = shorter.clone();
            order.insert(at, number - 1);
            all.push(order);
        }
    }
    all
}

/// All nodes are members, each linked to each, and show the same.
fn begin(nodes: usize, start: Start) -> World {
    let mut world = World::new(nodes, 0);
    world.steady = true;
    let mut there = Vec::new();
    if start != Start::Nothing {
        there.push(Deed::Write(Path::A));
    }
    if start == Start::Both {
        there.extend([Deed::Dir(Path::B), Deed::Write(Path::B)]);
    }
    if start == Start::Names {
        there.push(Deed::Name(Path::A));
    }
    for deed in there {
        assert!(Letter::Do(0, deed).happen(&mut world), "the tree is empty");
    }
    for node in 0..nodes {
        world.start(node, false);
    }
    for b in 0..nodes {
        (0..b).for_each(|a| world.set_link(a, b, true));
    }
    world.run_to_rest();
    check::at_rest(&world);
    world
}

/// How a history may end, each in a world of its own.
const ENDS: [fn(&mut World); 2] = [rests_as_it_is, ends_well];

fn rests_as_it_is(world: &mut World) {
    check::honest(world);
    if world.is_apart() {
        quiet::at_last(world);
    }
}

/// Put together again, all is equal and nothing lost.
fn ends_well(world: &mut World) {
    world.heal();
    world.turns_max = world.turns + TURNS_MAX * world.nodes.len() as u64;
    world.run_to_rest();
    check::at_rest(world);
}

/// What happens in one history, and how it ends if it ends badly.
pub fn story(nodes: usize, start: Start, word: &[Letter]) -> Vec<String> {
    let mut world = begin(nodes, start);
    world.story = Some(Vec::new());
    let spell = |world: &mut World| {
        for letter in word {
            assert!(letter.happen(world), "{letter:?} cannot be here");
        }
    };
    let mut why = lived(|| spell(&mut world)).err();
    for end in ENDS {
        if why.is_none() {
            let mut here = world.clone();
            why = lived(|| end(&mut here)).err();
            if why.is_some() {
                world = here;
            }
        }
    }
    let mut lines = world.story.take().unwrap_or_default();
    lines.extend(why);
    lines
}
