//! A register: the concurrent values of one attribute of one entry, and how two nodes join theirs.
//!
//! Not a conflict resolver: which value is shown is decided in `view`. A register is an antichain:
//! no value in it supersedes another. It almost always holds exactly one.

use crate::dot::{Dot, Knowledge};
use crate::proof::{broken, reached, Mutant};
use std::sync::Arc;

/// One value with the dot that minted it and the bytes as they were minted.
///
/// The bytes travel on unchanged, so that an old node passes on what it does not understand.
#[derive(Clone, Debug)]
pub struct Version<T> {
    /// The operation that wrote it.
    pub dot: Dot,
    /// What this program understands of it.
    pub value: T,
    /// What the minting node encoded (format: `wire`), at most a frame long.
    pub minted: Arc<[u8]>,
}

/// Two versions are the same when one operation minted the same bytes.
impl<T> PartialEq for Version<T> {
    fn eq(&self, other: &Self) -> bool {
        self.dot == other.dot && self.minted == other.minted
    }
}

impl<T> Eq for Version<T> {}

/// Concurrent versions in the order of their dots. One dot has one value, but where a node ran
/// twice under one identity: then both are there, and both are told to whom lacks one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register<T>(Vec<Version<T>>);

impl<T> Default for Register<T> {
    fn default() -> Self {
        Register(Vec::new())
    }
}

impl<T: Clone> Register<T> {
    /// All versions, in the order of their dots.
    pub fn versions(&self) -> &[Version<T>] {
        &self.0
    }

    /// Whether nothing was ever written or everything was superseded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The dots of all versions, ascending.
    pub fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0.iter().map(|version| version.dot)
    }

    /// The version minted by `dot`, if it is still here.
    pub fn get(&self, dot: Dot) -> Option<&Version<T>> {
        self.0.iter().find(|version| version.dot == dot)
    }

    /// Puts a version in.
    pub fn insert(&mut self, version: Version<T>) {
        let key = |v: &Version<T>| (v.dot, v.minted.clone());
        let at = self.0.partition_point(|v| key(v) < key(&version));
        if self.0.get(at) != Some(&version) {
            self.0.insert(at, version);
        }
    }

    /// A local write: supersedes exactly the versions in `seen` and leaves every other one.
    pub fn write(&mut self, version: Version<T>, seen: &[Dot]) {
        self.supersede(seen);
        self.insert(version);
    }

    /// Writes something into the bytes of what an operation of this turn has minted.
    pub fn amend(&mut self, dot: Dot, amended: &dyn Fn(&[u8]) -> Vec<u8>) {
        for version in self.0.iter_mut().filter(|version| version.dot == dot) {
            version.minted = amended(&version.minted).into();
        }
    }

    /// Takes out the versions in `seen`.
    pub fn supersede(&mut self, seen: &[Dot]) {
        self.0.retain(|v| !seen.contains(&v.dot));
    }

    /// Joins what another node holds. A version survives if both hold it, or if the side that lacks
    /// it has never seen it; otherwise the side that lacks it has superseded it. Commutative,
    /// associative and idempotent together with the union of the Knowledges (Tra, MIT-CSAIL-TR-
    /// 2005-014; WinFS; DottedDB).
    ///
    /// Returns whether anything changed here.
    pub fn join(&mut self, mine: &Knowledge, theirs: &Register<T>, known: &Knowledge) -> bool {
        let before = self.0.len();
        let keeps = |dot: Dot| match () {
            () if broken(Mutant::JoinKeepsOld) => true,
            () if broken(Mutant::JoinDropsUnseen) => false,
            () => !known.contains(dot),
        };
        self.0.retain(|v| theirs.get(v.dot).is_some() || keeps(v.dot));
        let mut changed = self.0.len() != before;
        for version in &theirs.0 {
            let is_here = self.get(version.dot).is_some();
            let is_other = is_here && !self.0.contains(version);
            if is_other {
                reached("one dot has two values");
            }
            let is_new = !mine.contains(version.dot) || broken(Mutant::JoinRevives);
            if is_other || !is_here && is_new {
                self.insert(version.clone());
                changed = true;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests;
