//! What kind of world a run is: its size, its users, and what goes wrong in it. Each seed switches
//! a random part of all that on, and draws how often it happens, so that no kind of fault hides
//! another for ever (swarm testing).
//!
//! Plain numbers; what they lead to is the business of those who read them. A seed and its options
//! are a whole run: a `Plan` is written in one line, and read back from it. To add a kind of fault,
//! add a line to the table of options, and ask for it where it is to happen. Used by all of the
//! crate.

use crate::random::Random;
use crate::refusals;
use engine::proof::Mutant;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result as Written};

/// One line an option: what it is; its value in a world where nothing is wrong; how a seed draws
/// it. Each option is drawn from a stream of its own: a new one leaves the others what they were.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $still:literal, $draw:expr;)*) => {
        /// See the module's head.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Options {
            $($(#[$doc])* pub $name: usize,)*
        }

        impl Options {
            /// The names of all options.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
            /// A world where nothing is wrong.
            pub const STILL: Options = Options { $($name: $still,)* };

            /// What this seed draws.
            pub fn of(seed: u64) -> Options {
                Options { $($name: draw(seed, stringify!($name), $draw),)* }
            }

            /// The value of the option with this name.
            pub fn value(&mut self, name: &str) -> Option<&mut usize> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

options! {
    /// How many nodes.
    nodes: 2, |chance| 2 + chance.below(3);
    /// The longest delay of anything, in milliseconds.
    delay_ms: 3, |chance| chance.pick(&[3, 12, 60]);
    /// How many users do something in a step, at most [`crate::scenario::CROWD_MAX`].
    crowd: 1, |chance| chance.pick(&[1, 1, 3, 8]);
    /// Steps of the script: in each users do something, time passes, something goes wrong.
    steps: 20, |chance| 5 + chance.below(40);
    /// Whether each node is linked to the next only.
    chain: 0, |chance| some(chance, 200, &[1]);
    /// Before the programs first run, users of each node do fewer things than this.
    before: 0, |chance| some(chance, 250, &[8]);
    /// Whether users do nothing before the nodes have met.
    meets: 1, |chance| some(chance, 500, &[1]);
    /// Percent of writes that write what was written before.
    reuse: 0, |chance| some(chance, 333, &[40]);
    /// In so many of 1,000 things that a user does, a file gets one more name.
    links: 0, |chance| some(chance, 200, &[60]);
    /// Whether users remove, move and replace nothing, so that all that loses has to be kept. Not
    /// drawn: for single rounds of the trial of the real program.
    gentle: 0, |_| 0;
    /// In so many of 1,000 calls of a program to its disk a user comes in between.
    between: 0, |chance| some(chance, 750, &[5, 20, 60]);
    /// Whether timestamps are coarse, as before Linux 6.13.
    coarse: 0, |chance| some(chance, 250, &[1]);
    /// Of 1,000 times that the kernel's events are read, so many show an overflow.
    overflows: 0, |chance| some(chance, 150, &[20, 100]);
    /// Of 1,000 events so many never come, and nobody says so.
    misses: 0, |chance| some(chance, 150, &[20, 200]);
    /// Of 1,000 events so many are merged with an earlier one of the same name, or come twice.
    merges: 0, |chance| some(chance, 300, &[100, 500]);
    /// Of 1,000 times that events are read, in so many the order holds in each directory only.
    shuffles: 0, |chance| some(chance, 300, &[100, 500]);
    /// Of 1,000 times that events are read, so many are late.
    lags: 0, |chance| some(chance, 250, &[50, 300]);
    /// In so many of 1,000 steps a link is cut or put up.
    cuts: 0, |chance| some(chance, 500, &[100, 300]);
    /// Of 1,000 cuts so many let arrive what is under way.
    late_cuts: 0, |chance| some(chance, 500, &[300, 700]);
    /// In so many of 1,000 steps one lane of a link stands still for a while, in one direction.
    stalls: 0, |chance| some(chance, 250, &[50, 200]);
    /// In so many of 1,000 steps a link carries nothing in one direction for a while.
    one_way: 0, |chance| some(chance, 250, &[50, 200]);
    /// A control lane with so many bytes in it takes no more entries; 0 has room for all.
    narrow: 0, |chance| some(chance, 250, &[300, 3_000]);
    /// Of 1,000 messages of the last node so many are not what it means to say.
    lies: 0, |chance| some(chance, 60, &[30, 100]);
    /// Whether losers become files beside the winners, from the beginning.
    beside: 0, |chance| some(chance, 300, &[1]);
    /// Whose writes win, from the beginning: the number of a node, from 1; 0: nobody's.
    prefer: 0, |chance| some(chance, 200, &[1, 2]);
    /// In so many of 1,000 steps what becomes of conflicts is changed.
    policies: 0, |chance| some(chance, 200, &[50, 150]);
    /// In so many of 1,000 steps somebody keeps or drops a loser.
    verdicts: 0, |chance| some(chance, 300, &[100, 400]);
    /// In so many of 1,000 steps a program ends, in one of many ways, or is started again.
    kills: 0, |chance| some(chance, 500, &[80, 200]);
    /// Whether the last node joins later, with what its users have made until then.
    late: 0, |chance| some(chance, 150, &[1]);
    /// In so many of 1,000 steps a node goes away for days or years.
    away: 0, |chance| some(chance, 150, &[20, 60]);
    /// Wall clocks are wrong by so many days at most.
    skew: 0, |chance| some(chance, 300, &[1, 400, 4_000]);
    /// In so many of 1,000 steps a wall clock jumps.
    jumps: 0, |chance| some(chance, 150, &[30, 150]);
    /// In so many of 1,000 steps a wall clock stops, or goes on.
    stops: 0, |chance| some(chance, 150, &[30, 150]);
    /// In so many of 100,000 calls of a program to its disk begins: EIO.
    eio: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: no space, or the quota is used up.
    full: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: no more descriptors.
    descriptors: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: the filesystem can only be read.
    readonly: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: what is held is stale.
    stale: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: no permission.
    denied: 0, |chance| some(chance, 150, &[20, 100, 500]);
    /// The same: the name is too long here.
    toolong: 0, |chance| some(chance, 150, &[20, 100]);
    /// In so many of 1,000 steps something in a tree is made immutable or unreadable, or is not so
    /// any more.
    locks: 0, |chance| some(chance, 150, &[50, 200]);
    /// In so many of 1,000 steps the root of a machine goes away or comes back.
    unmounts: 0, |chance| some(chance, 150, &[30, 100]);
    /// In so many of 1,000 things that users do one swaps a directory for a symlink.
    hostile: 0, |chance| some(chance, 150, &[50, 200]);
    /// In so many of 1,000 things that users do one writes through a mapping.
    maps: 0, |chance| some(chance, 200, &[50, 200]);
    /// What disks cannot do: 1: swap, link; 2: swap, look before they rename; 3: leases. Drawn is
    /// the first: without the second renames are refused, without the third what is read may be
    /// torn.
    lacks: 0, |chance| some(chance, 100, &[1]);
    /// In so many of 1,000 steps a machine loses its power.
    power: 0, |chance| some(chance, 150, &[60]);
    /// In so many of 1,000 steps an index is copied, or put back to its copy.
    rollback: 0, |chance| some(chance, 100, &[40, 80]);
    /// In so many of 1,000 steps a machine is copied, or its disk is put back to the copy, with its
    /// index or without.
    volumes: 0, |chance| some(chance, 150, &[60]);
    /// In so many of 1,000 steps the last node leaves for good.
    leaves: 0, |chance| some(chance, 100, &[20, 60]);
    /// In so many of 1,000 steps a machine is copied while it runs, and both go on; once.
    twins: 0, |_| 0;
    /// In so many of 1,000 steps a node is out of reach for longer than it is waited for.
    apart: 0, |chance| some(chance, 150, &[60]);
    /// Whether all that the oracle says counts, too; see [`crate::checkers::history`].
    strict: 0, |_| 0;
}

impl Options {
    /// Whether the program can tell what users did: it lives, and is told of everything in time. In
    /// other worlds it may take one thing for another, as a rename for a removal and a creation.
    pub fn is_plain(&self) -> bool {
        let Options { kills, lies, misses, overflows, shuffles, lags, power, .. } = *self;
        let Options { rollback, reuse, away, apart, hostile, unmounts, locks, .. } = *self;
        let Options { beside, policies, verdicts, stops, .. } = *self;
        let Options { volumes, leaves, twins, .. } = *self;
        let faults = kills + lies + misses + overflows + shuffles + lags + power + rollback;
        let absences = reuse + away + apart + hostile + unmounts + locks + stops;
        let orders = beside + policies + verdicts + volumes + leaves + twins;
        faults + absences + orders == 0 && !refusals::has_any(self) && self.strict > 0
    }
}

fn draw(seed: u64, name: &str, draw: fn(&mut Random) -> usize) -> usize {
    // A name's own stream, far from those of the world (0 to 2) and of the steps.
    let fold = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    draw(&mut Random::new(seed, name.bytes().fold(0xcbf2_9ce4_8422_2325, fold)))
}

/// One of these values in `permille` of 1,000 seeds, else 0.
fn some(chance: &mut Random, permille: usize, values: &[usize]) -> usize {
    if chance.chance(permille) {
        chance.pick(values)
    } else {
        0
    }
}

impl Display for Options {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let mut all = *self;
        for (place, name) in Options::NAMES.iter().enumerate() {
            let value = all.value(name).map_or(0, |value| *value);
            write!(f, "{}{name}={value}", if place > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// With fewer there is no link, and nobody who could differ.
const NODES_MIN: usize = 2;

/// A whole run, and what is wanted of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All chance comes from this.
    pub seed: u64,
    /// What kind of world it is.
    pub options: Options,
    /// Parts of the script that are left out, by their number.
    pub skip: BTreeSet<usize>,
    /// Who is broken on purpose.
    pub mutant: Option<Mutant>,
    /// Whether the story is to be told.
    pub story: bool,
    /// Whether a hash of each step is to be kept.
    pub trail: bool,
}

impl Plan {
    /// What this seed draws, and nothing else.
    pub fn of(seed: u64) -> Plan {
        let options = Options::of(seed);
        let (skip, mutant) = (BTreeSet::new(), None);
        Plan { seed, options, skip, mutant, story: false, trail: false }
    }

    /// The same with some options set, in words: "nodes=3 skip=1,4-9".
    ///
    /// # Errors
    /// The word that names no option, or no value of it.
    pub fn with(mut self, words: &str) -> Result<Plan, String> {
        for word in words.split_whitespace() {
            self.set(word).ok_or_else(|| word.to_string())?;
        }
        Ok(self)
    }

    fn set(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=')?;
        if name == "skip" {
            for part in value.split(',') {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
                self.skip.extend(first..=last);
            }
            return Some(());
        }
        let value = value.parse().ok()?;
        let is_cluster = name != "nodes" || value >= NODES_MIN;
        *self.options.value(name).filter(|_| is_cluster)? = value;
        Some(())
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        write!(f, "{} {}", self.seed, self.options)?;
        let mut rest = self.skip.iter().copied().peekable();
        let mut sign = " skip=";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if(|next| *next == last + 1).is_some() {
                last += 1;
            }
            write!(f, "{sign}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            sign = ",";
        }
        Ok(())
    }
}

/// How often what happened, by its kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// It happened once more.
    pub fn add(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// Takes in what was counted elsewhere.
    pub fn merge(&mut self, other: &Counts) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// All kinds, and how often each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }

    /// How often this happened.
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or(0)
    }
}

impl From<BTreeMap<&'static str, u64>> for Counts {
    fn from(counts: BTreeMap<&'static str, u64>) -> Counts {
        Counts(counts)
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        for (place, (kind, count)) in self.0.iter().enumerate() {
            write!(f, "{}{kind}={count}", if place > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Plan};

    #[test]
    fn a_plan_is_read_back_from_its_line() {
        let plan = Plan::of(77).with("skip=0,3-5,9 nodes=4").expect("all known");
        let line = plan.to_string();
        let (seed, words) = line.split_once(' ').expect("options");
        let again = Plan::of(seed.parse().expect("a number")).with(words).expect("all known");
        assert_eq!(again.to_string(), line);
        assert_eq!((again.options, again.skip), (plan.options, plan.skip));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for word in ["node=3", "nodes", "nodes=x", "nodes=0", "nodes=1", "skip=4-"] {
            assert_eq!(Plan::of(1).with(word).err().as_deref(), Some(word));
        }
    }

    #[test]
    fn each_option_is_drawn_in_some_seeds_only() {
        let drawn: Vec<Options> = (0..100).map(Options::of).collect();
        let with = drawn.iter().filter(|options| options.kills > 0).count();
        assert!((20..80).contains(&with), "{with} of 100");
        let both = drawn.iter().any(|options| options.kills > 0 && options.cuts == 0);
        assert!(both, "one kind of fault never comes alone");
    }
}
