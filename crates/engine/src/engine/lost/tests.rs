//! When a version is taken for lost, and when not.

use super::super::tests::{present, Side};
use crate::content::{Content, Digest};
use crate::engine::{Effect, Input};
use crate::entry::{Kind, Timestamp};
use crate::index::Index;
use crate::ledger;
use crate::observe::{self, Batch, Found, Observation, Source, Stray};
use crate::path::RelPath;
use crate::view;

fn path(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).expect("a path")
}

/// What is asked for is nowhere, for so many turns; nobody looks at the disk.
fn nothing_comes(side: &mut Side, turns: usize) {
    let mut copies = Vec::new();
    for _ in 0..turns {
        let effects = side.turn([Input::NotHere(std::mem::take(&mut copies)), Input::Tick]);
        copies.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Copy(digest, ..) => Some(digest),
            _ => None,
        }));
        side.now.mono_ms += 100;
    }
}

// Story (simulator, seed 1893): while its program was down a file that others had edited, too, was
// moved over another. That it was gone was not believed at once, so its row stood for the inode as
// well, and the other file was to get its bytes anew: copied from where they had been, then asked
// for. Nobody else had them, and their author took its newest version for lost with the power and
// showed the older one everywhere. The bytes, which lay there all the time, went to the trash.
#[test]
fn what_lies_on_this_disk_is_not_lost() {
    for (from, to) in [("b", "d"), ("d", "b")] {
        let mut side = Side::new(1);
        side.look(Source::Live, to, Found::Present(present(Kind::File, 8, Some(b'1'))));
        side.look(Source::Live, from, Found::Present(present(Kind::File, 9, Some(b'2'))));
        let (loser, mtime) = (Digest([b'0'; 32]), Timestamp::default());
        let stray = Stray { path: Some(path(from)), digest: loser, size: 1, mtime };
        side.turn([Input::Stray(stray)]);
        let there = Found::Present(present(Kind::File, 9, Some(b'2')));
        let looks = vec![
            Observation { path: path(from), found: Found::Absent },
            Observation { path: path(to), found: there },
        ];
        let batch = Batch { source: Source::Scan, looks };
        side.turn([Input::Observed(side.now.mono_ms + 1, batch)]);
        let row = observe::row_at(&side.index, &path(to)).expect("it lies there");
        // A peer has changed something of it.
        ledger::mark(&mut side.engine.facts, &mut side.index, row.entry, &[]);
        nothing_comes(&mut side, 1_000);
        let entry = side.index.entry(row.entry).expect("it has an entry").entry;
        let shown = view::winner(&entry.data).map(|data| data.content.clone());
        assert_eq!(shown, Some(Content::File(Digest([b'2'; 32]), u64::from(b'2'))));
    }
}
