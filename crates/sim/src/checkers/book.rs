//! C9, honest knowledge, and C10, unique dots: a book of every value that any machine ever wrote.
//!
//! C9: every dot in a register is known there; of every dot that is known, the value is there, or
//! a later operation that is known there took it away, or it is, or was taken away, below the
//! frontier under which deletions are forgotten. C10: one dot names one value, on all
//! machines, over crashes and copies put back; nobody hears of a dot that its author has not made
//! durable; who is joining writes nothing. The book knows which operation took away what: it looks
//! at each machine's index when that has written something. Kept by `world`.

use crate::node::{number, Machine};
use engine::dot::{Dot, Incarnation, Knowledge};
use engine::entry::{Entry, EntryId};
use engine::index::{Index, Phase};
use engine::message::{Frame, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Entries that one operation spans at most (decisions A10).
const WIDTH_MAX: usize = engine::limits::DOT_ENTRIES_MAX;
/// After so many of its turns a machine's whole index is held against the book.
const AUDIT_TURNS: u64 = 4;

/// A value in a register of an entry: the register's number and the dot.
type Cell = (u8, Dot);

/// Everything that was written about one entry.
#[derive(Clone, Debug, Default)]
struct Page {
    /// Every value, as it was first written.
    values: BTreeMap<Cell, Arc<[u8]>>,
    /// What each operation took away, or knew to be taken away.
    gone: BTreeMap<Dot, BTreeSet<Cell>>,
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pages: BTreeMap<EntryId, Page>,
    /// Up to which counter each life was looked at.
    read: BTreeMap<Incarnation, u64>,
    turns: u64,
    /// Up to where deletions are forgotten anywhere: who is told so forgets them, too.
    forgotten: Knowledge,
    /// Peers lie: what they claim is believed, and may be wrong.
    is_lied_to: bool,
    /// See [`Book::close`].
    is_closed: bool,
}

fn cells(entry: &Entry) -> Vec<(Cell, Arc<[u8]>)> {
    let mut cells: Vec<(Cell, Arc<[u8]>)> = Vec::new();
    cells.extend(entry.loc.versions().iter().map(|v| ((0, v.dot), v.minted.clone())));
    cells.extend(entry.data.versions().iter().map(|v| ((1, v.dot), v.minted.clone())));
    cells.extend(entry.times.versions().iter().map(|v| ((2, v.dot), v.minted.clone())));
    cells.extend(entry.mode.versions().iter().map(|v| ((3, v.dot), v.minted.clone())));
    cells.extend(entry.owner.versions().iter().map(|v| ((4, v.dot), v.minted.clone())));
    cells.extend(entry.xattr.versions().iter().map(|v| ((5, v.dot), v.minted.clone())));
    cells
}

impl Book {
    /// Nothing is written in it yet.
    pub fn new(is_lied_to: bool) -> Book {
        Book { is_lied_to, ..Book::default() }
    }

    /// One identity lives twice, and dots are given twice: nothing is held against it any more.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// A machine has committed: what it wrote itself is written down.
    pub fn committed(&mut self, node: usize, machine: &Machine) {
        if self.is_closed {
            return;
        }
        let (index, meta) = (&machine.index, machine.index.meta());
        let joins = meta.phase == Phase::Joining && meta.counter > 0;
        assert!(!joins, "C10: {node} writes before it has heard a member");
        // What somebody says that a machine wrote stands beside what it did write, under one dot.
        if self.is_lied_to {
            return;
        }
        let (life, last) = (meta.incarnation, meta.counter);
        let first = self.read.insert(life, last).unwrap_or(0) + 1;
        let known = (first <= last).then(|| index.knowledge());
        for counter in first..=last {
            let dot = Dot { incarnation: life, counter };
            for (_, id) in index.dots(life, counter, counter, WIDTH_MAX) {
                let stored = index.entry(id).expect("it has a dot");
                let mut reflects = known.clone().expect("there is something new");
                let contexts = index.contexts().into_iter();
                contexts.filter(|(id, _)| Some(*id) == stored.context).for_each(|(_, context)| {
                    reflects.merge(&context);
                });
                self.write(node, dot, &stored.entry, &reflects);
            }
        }
        self.forgotten.merge(&index.frontier());
        self.turns += 1;
        if self.turns.is_multiple_of(AUDIT_TURNS) {
            self.audit(node, machine);
        }
    }

    fn write(&mut self, node: usize, dot: Dot, entry: &Entry, known: &Knowledge) {
        let cells = cells(entry);
        let page = self.pages.entry(entry.id).or_default();
        for (cell, value) in cells.iter().filter(|((_, by), _)| *by == dot) {
            same(node, entry.id, *cell, page.values.entry(*cell).or_insert(value.clone()), value);
        }
        let here: BTreeSet<Cell> = cells.into_iter().map(|(cell, _)| cell).collect();
        let gone = page.values.keys().filter(|cell| known.contains(cell.1) && !here.contains(cell));
        let gone: BTreeSet<Cell> = gone.copied().collect();
        page.gone.entry(dot).or_default().extend(gone);
    }

    /// A machine tells others something.
    pub fn told(&self, node: usize, machine: &Machine, message: &Message) {
        let Message::Frame(Frame { entries, .. }) = message else { return };
        if self.is_lied_to || self.is_closed {
            return;
        }
        let durable = machine.durable_dots();
        for entry in entries {
            let page = self.pages.get(&entry.id);
            for (cell, value) in cells(entry) {
                let (_, dot) = cell;
                let is_durable = durable
                    .is_none_or(|(life, last)| life != dot.incarnation || dot.counter <= last);
                assert!(is_durable, "C10: {node} tells of {dot:?}, which it could still lose");
                if let Some(first) = page.and_then(|page| page.values.get(&cell)) {
                    same(node, entry.id, cell, first, &value);
                }
            }
        }
    }

    /// Holds a machine's whole index against the book.
    pub fn audit(&self, node: usize, machine: &Machine) {
        if self.is_lied_to || self.is_closed {
            return;
        }
        let index = &machine.index;
        let known = index.knowledge();
        let contexts: BTreeMap<u64, Knowledge> = index.contexts().into_iter().collect();
        for (id, page) in &self.pages {
            let stored = index.entry(*id);
            let here = stored.as_ref().map(|stored| cells(&stored.entry)).unwrap_or_default();
            // An entry may reflect more than is known of others.
            let context = stored.and_then(|stored| contexts.get(&stored.context?));
            let reflects = |dot: Dot| {
                known.contains(dot) || context.is_some_and(|context| context.contains(dot))
            };
            let here: BTreeSet<Cell> = here.into_iter().map(|(cell, _)| cell).collect();
            let unknown = here.iter().find(|cell| !known.contains(cell.1));
            assert!(
                unknown.is_none(),
                "C9: {node} holds {unknown:?} of {id:?} and does not know it"
            );
            let takers = page.gone.iter();
            let takers =
                takers.filter(|(dot, _)| reflects(**dot) || self.forgotten.contains(**dot));
            let taken: BTreeSet<Cell> = takers.flat_map(|(_, cells)| cells).copied().collect();
            let is_due = |dot: Dot| known.contains(dot) && !self.forgotten.contains(dot);
            let lacks = page
                .values
                .keys()
                .find(|cell| is_due(cell.1) && !here.contains(cell) && !taken.contains(cell));
            assert!(
                lacks.is_none(),
                "C9: {node} claims {lacks:?} of {id:?}, holds neither it nor what took it away"
            );
        }
    }
}

fn same(node: usize, id: EntryId, cell: Cell, first: &Arc<[u8]>, value: &Arc<[u8]>) {
    assert!(
        first == value,
        "C10: {node} holds another value of {cell:?} of {id:?} than its author"
    );
}

/// Whether a machine minted although none of its users did anything: applying is no change.
pub fn minted_by(machine: &Machine) -> u64 {
    let (index, own) = (&machine.index, machine.index.meta().incarnation);
    let lives = index.incarnations();
    let Some(this) = lives.iter().find(|life| life.incarnation == own) else { return 0 };
    let node = number(this.node);
    let own = lives.iter().filter(|life| number(life.node) == node);
    let known = index.knowledge();
    own.map(|life| known.of(life.incarnation).map_or(0, |seen| seen.max())).sum()
}

#[cfg(test)]
mod tests {
    use super::{Book, Page};
    use crate::disk::{Lie, SimDisk};
    use crate::node::Machine;
    use engine::dot::{Dot, Incarnation, Knowledge};
    use engine::entry::EntryId;
    use engine::index::Index;
    use std::panic::{catch_unwind, AssertUnwindSafe};

    // Story (simulator, links=250): a deletion took a value away and was forgotten by all. Who had
    // heard of the value, and missed the deletion, compared everything and dropped the entry: it
    // claims the value, holds neither it nor what took it away, and is right.
    #[test]
    fn what_a_forgotten_deletion_took_away_is_not_due() {
        let dot = |life| Dot { incarnation: Incarnation([life; 16]), counter: 1 };
        let (value, deletion, id) = ((1, dot(1)), dot(2), EntryId([7; 16]));
        let mut page = Page::default();
        page.values.insert(value, [7][..].into());
        page.gone.entry(deletion).or_default().insert(value);
        let mut machine = Machine::new(0, SimDisk::new(0, Lie::None)).expect("an empty disk");
        machine.index.set_knowledge(&Knowledge::from_iter([value.1]));
        let mut book = Book::default();
        book.pages.insert(id, page);
        let is_honest =
            |book: &Book| catch_unwind(AssertUnwindSafe(|| book.audit(0, &machine))).is_ok();
        assert!(!is_honest(&book), "nothing tells yet that the deletion was forgotten");
        book.forgotten.insert(deletion);
        assert!(is_honest(&book));
    }
}
