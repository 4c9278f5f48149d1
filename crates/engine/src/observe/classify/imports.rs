//! What was on the disk before its program came: it never wins over what a member wrote (decisions
//! A2).

use super::aftermath::Aftermath;
use super::Desk;
use crate::entry::{Kind, Rank};
use crate::index::{Phase, SeenRow, ROOT_SLOT};
use crate::ledger::{self, Facts};
use crate::observe::{Change, Present};
use crate::path::RelPath;
use crate::proof::{broken, Mutant};

/// What operations are worth that are born now.
pub(super) fn rank(facts: &Facts) -> Rank {
    if facts.meta.phase == Phase::Member {
        Rank::Write
    } else {
        imports()
    }
}

fn imports() -> Rank {
    if broken(Mutant::RankIgnored) {
        Rank::Write
    } else {
        Rank::Import
    }
}

impl Desk<'_> {
    /// What an operation at the path is worth. That the root was put off says nothing of what is
    /// in it. What was changed since is no more what was here before.
    pub(super) fn rank_at(&self, path: &RelPath, found: &Present) -> Rank {
        let imported = &self.under.imported;
        let changed_ms = found.attributes.mtime.unix_ms();
        let is_since = |until_ms: u64| found.kind != Kind::Dir && changed_ms > until_ms;
        let mut above = Some(path.clone()).filter(|_| !imported.is_empty());
        while let Some(here) = above {
            let until = imported.get(&here).filter(|_| here == *path || !here.is_root());
            if until.is_some_and(|until_ms| !is_since(*until_ms)) {
                return imports();
            }
            above = here.parent();
        }
        self.rank
    }

    pub(super) fn arrive_root(&mut self, found: &Present) {
        let row = self.pen.index.seen(ROOT_SLOT).expect("the root is known from the start");
        let stored = self.pen.index.entry(row.entry);
        let given = stored.is_some_and(|stored| !stored.entry.mode.versions().is_empty());
        if self.pen.rank == Rank::Import && given {
            let adopted = SeenRow {
                volatile: self.pen.still_volatile(&row, found),
                fingerprint: found.fingerprint.clone(),
                attributes: found.attributes.clone(),
                ..row
            };
            self.pen.index.put_seen(&adopted);
            ledger::mark(self.pen.facts, self.pen.index, adopted.entry, &[]);
            return;
        }
        // What nobody has ever said no power loss and no older copy has taken back.
        if given && self.aftermath(&row, Some(found)) == Aftermath::Undone {
            return self.undone(&RelPath::root(), &row, found);
        }
        self.watched(Change::Attributes, &RelPath::root(), |pen| pen.root(&row, found));
    }
}
