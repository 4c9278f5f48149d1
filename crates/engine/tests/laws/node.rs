//! One node without a disk: what its users do reaches its registers as looks, and it joins whole
//! states of others. Used by the laws.

use engine::content::{Content, Digest};
use engine::dot::Incarnation;
use engine::entry::{Entry, EntryId, Kind, Timestamp, ROOT};
use engine::index::{
    Attributes, Fingerprint, Handle, Index, MemIndex, Meta, Phase, SeenDots, SeenRow, ROOT_SLOT,
};
use engine::ledger::{self, Author, Facts};
use engine::observe::{
    classify, decree, publish_copy, row_at, Batch, Circumstances, Found, Observation, Present,
    Source, Verdict,
};
use engine::path::RelPath;
use engine::view::{self, Shown};

/// What is looked at, and what is found there.
pub type Look = (&'static str, Option<Present>);

fn thing(kind: Kind, handle: u8, letter: Option<u8>) -> Option<Present> {
    let time = Timestamp { seconds: 1, nanos: u32::from(letter.unwrap_or(0)) };
    let handle = Handle([handle].as_slice().into());
    let mode = 0o644;
    Some(Present {
        kind,
        fingerprint: Fingerprint { handle, size: 1, mtime: time, ctime: time },
        attributes: Attributes { mtime: time, mode, ..Attributes::default() },
        content: letter.map(|letter| Content::File(Digest([letter; 32]), 1)),
        soft: false,
        zeros: false,
        alone: false,
    })
}

/// A directory by its inode.
pub fn dir(handle: u8) -> Option<Present> {
    thing(Kind::Dir, handle, None)
}

/// A file by its inode and its bytes.
pub fn file(handle: u8, letter: u8) -> Option<Present> {
    thing(Kind::File, handle, Some(letter))
}

/// The same with other permission bits.
pub fn with_mode(found: Option<Present>, mode: u16) -> Option<Present> {
    found.map(|mut found| {
        found.attributes.mode = mode;
        found
    })
}

/// See the head.
#[derive(Clone)]
pub struct Node {
    pub facts: Facts,
    pub index: MemIndex,
}

impl Node {
    /// An empty folder.
    pub fn new(life: u8) -> Node {
        let mut index = MemIndex::new(Meta::new(Incarnation([life; 16]), Phase::Member, [0; 16]));
        let root = dir(0).expect("made");
        index.put_seen(&SeenRow {
            slot: ROOT_SLOT,
            parent: ROOT_SLOT,
            name: None,
            entry: ROOT,
            kind: Kind::Dir,
            fingerprint: root.fingerprint,
            content: None,
            attributes: root.attributes,
            refused: None,
            dots: SeenDots::default(),
            soft: false,
            volatile: None,
        });
        Node { facts: Facts::load(&index), index }
    }

    /// Another life over the same disk and state: a second node that is in sync with this one.
    pub fn twin(&self, life: u8) -> Node {
        let mut twin = self.clone();
        twin.facts.meta.incarnation = Incarnation([life; 16]);
        twin.facts.meta.counter = 0;
        twin
    }

    /// A user's work as a live batch, at a time in milliseconds.
    pub fn sees(&mut self, ms: u64, looks: &[Look]) {
        let look = |(path, found): &Look| Observation {
            path: RelPath::parse(path.as_bytes()).expect("clean"),
            found: found.clone().map_or(Found::Absent, Found::Present),
        };
        let mut looks: Vec<Observation> = looks.iter().map(look).collect();
        looks.sort_by(|a, b| a.path.cmp(&b.path));
        self.facts.wall_ms = ms;
        // What is gone, or has another thing in its place, has for long enough to be believed.
        let gone = looks.iter().map(|look| (look.path.clone(), Source::Live)).collect();
        let under = Circumstances { gone, ..Circumstances::default() };
        let batch = Batch { source: Source::Live, looks };
        classify(&mut self.facts, &mut self.index, batch, &under);
    }

    /// A person's word on a loser of this letter, at a time in milliseconds.
    pub fn decrees(
        &mut self,
        ms: u64,
        path: &str,
        verdict: impl FnOnce(EntryId, Content) -> Verdict,
        letter: u8,
    ) {
        self.facts.wall_ms = ms;
        let path = RelPath::parse(path.as_bytes()).expect("clean");
        let id = row_at(&self.index, &path).expect("it is there").entry;
        let verdict = verdict(id, Content::File(Digest([letter; 32]), 1));
        assert!(decree(&mut self.facts, &mut self.index, &verdict), "{path} has no such loser");
    }

    /// The loser of this letter becomes a file beside the winner.
    pub fn publishes(&mut self, ms: u64, path: &str, letter: u8) {
        self.facts.wall_ms = ms;
        let path = RelPath::parse(path.as_bytes()).expect("clean");
        let id = row_at(&self.index, &path).expect("it is there").entry;
        let content = Content::File(Digest([letter; 32]), 1);
        let published = publish_copy(&mut self.facts, &mut self.index, id, &content);
        assert!(published.is_some(), "{path} has no such loser");
    }

    /// The disk shows what is to be shown at the names that it has, and keeps what lost.
    pub fn applies(&mut self) {
        let rows: Vec<SeenRow> =
            self.index.seen_rows().filter(|row| row.entry != ROOT).cloned().collect();
        for row in rows {
            let stored = self.index.entry(row.entry).expect("it was seen");
            for lost in view::losers(&self.index, &stored.entry) {
                let Content::File(digest, _) = &lost.content else { continue };
                self.index.put_kept(row.entry, digest);
            }
            let content = view::desired(&stored.entry).and_then(|desired| desired.content);
            let dots = ledger::showing(&self.index, &stored.entry);
            self.index.put_seen(&SeenRow { content, dots, ..row });
        }
    }

    /// Joins all that another node holds.
    pub fn join(&mut self, other: &Node) {
        let (mine, known) = (self.facts.knowledge.clone(), &other.facts.knowledge);
        self.facts.knowledge.merge(known);
        for theirs in other.index.entries() {
            let theirs = &theirs.entry;
            let old = self.index.entry(theirs.id).map(|stored| stored.entry);
            let mut entry = old.unwrap_or_else(|| Entry::new(theirs.id, theirs.kind));
            entry.join(&mine, theirs, known);
            let (facts, index) = (&mut self.facts, &mut self.index);
            ledger::put(facts, index, entry, None, Author::Elsewhere, &theirs.dots());
        }
    }

    fn path(&self, id: EntryId) -> Option<String> {
        match view::place(&self.index, id) {
            Shown::Root => Some(String::new()),
            Shown::At { parent, name } => Some(format!("{}{name}/", self.path(parent)?)),
            _ => None,
        }
    }

    /// What is shown: `dir/`, `file=winner(losers)`, with the mode where it is not 644.
    pub fn tree(&self) -> Vec<String> {
        let letter = |data: &engine::entry::Data| match data.content {
            Content::File(digest, _) => char::from(digest.0[0]),
            Content::Link(_) => '>',
        };
        let mut lines = Vec::new();
        for stored in self.index.entries() {
            let Some(path) = self.path(stored.entry.id) else { continue };
            let Some(desired) = view::desired(&stored.entry) else { panic!("{path} is empty") };
            let mode = match desired.attributes.mode {
                0o644 => String::new(),
                mode => format!(" {mode:o}"),
            };
            let lost: String =
                view::losers(&self.index, &stored.entry).iter().map(letter).collect();
            lines.push(match view::winner(&stored.entry.data).map(letter) {
                None => format!("{path}{mode}"),
                Some(won) => {
                    let lost = if lost.is_empty() { lost } else { format!("({lost})") };
                    format!("{}={won}{lost}{mode}", path.trim_end_matches('/'))
                }
            });
        }
        lines.sort();
        lines
    }
}
