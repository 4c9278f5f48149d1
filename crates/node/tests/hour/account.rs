//! What must hold when nothing is to be done any more, by the simulator's census and by what was
//! seen: every byte that nobody gave up is in the tree or in the conflict store of every node;
//! nothing is shown that nobody wrote; what was nowhere stays nowhere.
//!
//! Shares no code with the engine. Called by the run; the trees are compared by the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use disk::fs::FileKind;
use engine::content::Digest;
use sim::checkers::{digest_of, Census};
use sim::disk::model::Look;

use crate::hands::{look, state, trash, Done, Shown};
use crate::lab::{Lab, Outcome};
use crate::node::Node;

/// How a conflict is listed that only one node has, because a kill came before its path was written
/// down.
const NAMELESS: &str = "unnamed-";

/// What stands in a trash's index for what nothing has replaced.
const REMOVED: &str = "-";

/// What is wrong, and of which content.
pub type Fault = (String, Digest);

/// What was seen so far.
#[derive(Default)]
pub struct Account {
    /// Every content that any file had after a user's step, and the step.
    written: BTreeMap<Digest, usize>,
    /// Those since the last rest.
    recent: BTreeSet<Digest>,
    /// Those that were nowhere at some rest.
    dead: BTreeSet<Digest>,
    /// Names that were taken away on each machine since the last rest. What lost to what is gone
    /// goes with it, also what is kept before the daemon has heard of it.
    unnamed: BTreeMap<usize, BTreeSet<String>>,
    /// How much of each trash was read.
    read: BTreeMap<usize, u64>,
    /// What each trash has ever held: what is old may go from there.
    trashed: BTreeSet<(usize, Digest)>,
    /// Figures for the end.
    pub figures: Figures,
}

/// How much was looked at.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rests at which all was compared.
    pub rests: u64,
    /// Things in a tree, summed over the rests.
    pub things: u64,
    /// Contents that were owed, and of those the ones that only conflict stores had.
    pub owed: u64,
    /// See `owed`.
    pub kept: u64,
    /// Contents that were nowhere at last.
    pub dead: u64,
    /// Conflicts that all nodes list, summed over the rests.
    pub conflicts: u64,
    /// Losers that were read by `conflicts show`.
    pub losers: u64,
    /// Losers that were dropped, and that were made the file again.
    pub dropped: u64,
    pub again: u64,
}

impl Account {
    /// A user has done something.
    pub fn hear(&mut self, at: usize, done: &Done, step: usize, census: &mut Census) {
        for digest in &done.contents {
            self.written.entry(*digest).or_insert(step);
            self.recent.insert(*digest);
        }
        let unnamed = self.unnamed.entry(at).or_default();
        unnamed.extend(done.unnamed.iter().map(|path| path.to_string()));
        if !unnamed.is_empty() {
            done.kept.iter().for_each(|digest| census.let_go_of(*digest));
        }
    }

    /// What was removed with the name it had lost, before anybody could look.
    fn let_go(&mut self, lab: &Lab, kept: &[BTreeSet<Digest>], census: &mut Census) -> Outcome {
        let unnamed = std::mem::take(&mut self.unnamed);
        for (at, node) in lab.nodes.iter().enumerate() {
            let names = unnamed.get(&at).filter(|names| !names.is_empty());
            if names.is_some() {
                kept[at].iter().for_each(|digest| census.let_go_of(*digest));
            }
            let read = self.read.entry(at).or_default();
            let before = *read;
            for line in trash(node)? {
                let mut words = line.splitn(4, ' ');
                let number = words.next().and_then(|number| number.parse::<u64>().ok());
                let Some(number) = number.filter(|number| *number > before) else { continue };
                *read = number.max(*read);
                let [digest, over, path] = [(); 3].map(|()| words.next().unwrap_or_default());
                let Some(digest) = digest_in(digest) else { continue };
                self.trashed.insert((at, digest));
                let is_below = |name: &&String| Path::new(path).starts_with(name);
                let is_gone = names.is_some_and(|names| names.iter().any(|name| is_below(&name)));
                if over == REMOVED && is_gone {
                    census.let_go_of(digest);
                }
            }
        }
        Ok(())
    }

    /// In which step a content was written first.
    pub fn step_of(&self, digest: &Digest) -> Option<usize> {
        self.written.get(digest).copied()
    }

    /// Everything is quiet.
    pub fn at_rest(&mut self, lab: &Lab, census: &mut Census) -> Outcome<Vec<Fault>> {
        let shown = lab.nodes.iter().map(look).collect::<Outcome<Vec<Shown>>>()?;
        let kept: Vec<BTreeSet<Digest>> = shown.iter().map(kept_by).collect();
        self.let_go(lab, &kept, census)?;
        let tree = tree_of(&shown[0]);
        let mut faults = self.wrong_in(&tree, &kept);
        for (at, (node, kept)) in lab.nodes.iter().zip(&kept).enumerate() {
            faults.extend(self.lost_on((at, node), census, (&tree, kept))?);
        }
        faults.extend(self.same_conflicts(lab, &kept)?);
        if !faults.is_empty() {
            let nameless = nameless(lab)?;
            faults.retain(|(_, digest)| !nameless.contains(&digest.to_string()));
        }
        let owed = census.owed_by_all();
        self.figures.rests += 1;
        self.figures.things += shown[0].tree.len() as u64;
        self.figures.kept += owed.iter().filter(|digest| !tree.contains(digest)).count() as u64;
        self.figures.owed += owed.len() as u64;
        self.bury(&tree, &kept);
        Ok(faults)
    }

    /// C2: what a machine has destroyed; what is neither in its tree nor in its conflict store.
    fn lost_on(
        &self,
        (at, node): (usize, &Node),
        census: &Census,
        (tree, kept): (&BTreeSet<Digest>, &BTreeSet<Digest>),
    ) -> Outcome<Vec<Fault>> {
        let everywhere = everything(node, tree)?;
        let is_gone =
            |owed: &Digest| !everywhere.contains_key(owed) && !self.trashed.contains(&(at, *owed));
        let destroyed = census.owed_by(at).filter(is_gone);
        let words = format!("C2: {} has destroyed what was written there", node.name);
        let mut faults: Vec<Fault> = destroyed.map(|owed| (words.clone(), owed)).collect();
        for owed in census.owed_by_all() {
            if !tree.contains(&owed) && !kept.contains(&owed) {
                let place = everywhere.get(&owed);
                faults
                    .push((format!("C2: {} neither shows nor keeps: {place:?}", node.name), owed));
            }
        }
        Ok(faults)
    }

    /// A loser can be had on every node.
    fn same_conflicts(&mut self, lab: &Lab, kept: &[BTreeSet<Digest>]) -> Outcome<Vec<Fault>> {
        let (mut faults, mut first) = (Vec::new(), None);
        for (node, kept) in lab.nodes.iter().zip(kept) {
            let listed = node.conflicts()?.into_iter().filter(|one| !one.id.starts_with(NAMELESS));
            let listed: BTreeMap<String, (String, String)> =
                listed.map(|one| (one.id, (one.path, one.hash))).collect();
            let kept: BTreeSet<String> = kept.iter().map(Digest::to_string).collect();
            let is_kept = |hash: &String| hash.is_empty() || kept.contains(hash);
            if let Some((path, hash)) = listed.values().find(|(_, hash)| !is_kept(hash)) {
                let words = format!("{} lists {hash} of {path} and does not keep it", node.name);
                faults.push((words, digest_of(b"")));
            }
            let first = first.get_or_insert_with(|| listed.clone());
            if *first != listed {
                let words = format!("{} lists {listed:?}, a lists {first:?}", node.name);
                faults.push((words, digest_of(b"")));
            }
        }
        self.figures.conflicts += first.map_or(0, |listed| listed.len() as u64);
        Ok(faults)
    }

    /// C14: shown and not written; C5: risen from the dead.
    fn wrong_in(&self, tree: &BTreeSet<Digest>, kept: &[BTreeSet<Digest>]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for digest in tree.iter().chain(kept.iter().flatten()) {
            if !self.written.contains_key(digest) {
                faults.push(("C14: nobody wrote what is there".to_owned(), *digest));
            }
            if self.dead.contains(digest) && !self.recent.contains(digest) {
                faults.push(("C5: risen from the dead".to_owned(), *digest));
            }
        }
        faults
    }

    fn bury(&mut self, tree: &BTreeSet<Digest>, kept: &[BTreeSet<Digest>]) {
        self.recent.clear();
        let is_there = |digest: &Digest| {
            tree.contains(digest) || kept.iter().any(|kept| kept.contains(digest))
        };
        self.dead = self.written.keys().copied().filter(|digest| !is_there(digest)).collect();
        self.figures.dead = self.dead.len() as u64;
    }

    /// Somebody reads what lost.
    pub fn read_losers(&mut self, node: &Node) -> Outcome {
        let conflicts = node.conflicts()?;
        for one in conflicts.iter().filter(|one| one.link.is_none()).take(2) {
            let shown = node.run(&["conflicts", "show", &one.id])?;
            if shown.code != 0 || digest_of(&shown.stdout).to_string() != one.hash {
                let words = format!("{}: {one:?} is not shown: {}", node.name, shown.stderr);
                return Err(words.into());
            }
            self.figures.losers += 1;
        }
        Ok(())
    }

    /// Somebody says what becomes of one that lost: it is not needed, or it is the file again.
    pub fn decide(&mut self, node: &Node, keeps: bool, census: &mut Census) -> Outcome<String> {
        let conflicts = node.conflicts()?;
        let files = conflicts.iter().filter(|one| one.link.is_none());
        let mut named = files.filter(|one| !one.id.starts_with(NAMELESS));
        let Some(one) = named.next() else { return Ok(String::new()) };
        let (word, gone) = match keeps {
            true => {
                ("keep", fs::read(node.tree.join(&one.path)).ok().map(|bytes| digest_of(&bytes)))
            }
            false => ("drop", digest_in(&one.hash)),
        };
        let said = node.run(&["conflicts", word, &one.id])?;
        if said.code != 0 {
            return Err(format!("{}: {word} of {one:?}: {}", node.name, said.stderr).into());
        }
        *(if keeps { &mut self.figures.again } else { &mut self.figures.dropped }) += 1;
        self.recent.extend(digest_in(&one.hash));
        gone.into_iter().for_each(|digest| census.let_go_of(digest));
        Ok(format!("{} OPERATOR {word} {} of {}", node.name, one.hash, one.path))
    }
}

/// Contents, in hex, that one node alone keeps and says so.
fn nameless(lab: &Lab) -> Outcome<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for node in &lab.nodes {
        let all = node.conflicts()?.into_iter();
        found.extend(all.filter(|one| one.id.starts_with(NAMELESS)).map(|one| one.hash));
    }
    Ok(found)
}

/// A digest from its hex digits.
fn digest_in(text: &str) -> Option<Digest> {
    let pair = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(pair).collect();
    Some(Digest(bytes?.try_into().ok()?))
}

fn tree_of(shown: &Shown) -> BTreeSet<Digest> {
    let is_full = |look: &&Look| look.kind == FileKind::File && !look.bytes.is_empty();
    let files = shown.tree.iter().map(|(_, look)| look).filter(is_full);
    files.map(|look| digest_of(&look.bytes)).collect()
}

fn kept_by(shown: &Shown) -> BTreeSet<Digest> {
    shown.kept.iter().map(|look| digest_of(&look.bytes)).collect()
}

/// Every content on a machine, with one of its places.
fn everything(node: &Node, tree: &BTreeSet<Digest>) -> Outcome<BTreeMap<Digest, String>> {
    let mut found: BTreeMap<Digest, String> =
        tree.iter().map(|digest| (*digest, "the tree".to_owned())).collect();
    let Some(state) = state(node) else { return Ok(found) };
    let mut rest = vec![state];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                rest.push(path);
            } else if metadata.is_file() {
                found.insert(digest_of(&fs::read(&path)?), short(&path));
            }
        }
    }
    Ok(found)
}

/// The last two names of a path.
fn short(path: &Path) -> String {
    let names: Vec<_> = path.iter().rev().take(2).map(|name| name.to_string_lossy()).collect();
    names.into_iter().rev().collect::<Vec<_>>().join("/")
}
