//! What a person says of a version that lost: it is the file again, or a file of its own, or not
//! needed.
//!
//! All are operations like any other, so that whatever others do meanwhile stays right: to keep a
//! loser is an edit of what this disk shows, and replaces that and the loser; to drop one replaces
//! the loser and nothing else. What was replaced goes to the trash of every node. Called by
//! `engine`, for the commands of `conflicts`.

use super::mint::{version, Pen};
use super::split::{contested, losing, without, write_at};
use super::{revive, stray, Source};
use crate::content::{Content, Digest};
use crate::entry::{EntryId, Rank, Stamp, Stamped, Timestamp, ROOT};
use crate::index::{Index, Stored};
use crate::ledger::{self, Facts};
use crate::path::RelPath;
use crate::proof::reached;
use crate::view;

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// This loser is the content of its file again.
    Keep(EntryId, Content),
    /// This loser is a file of its own at this path. Without an entry: bytes of the conflict store
    /// that no version of any file names.
    KeepAs(Option<EntryId>, Content, RelPath),
    /// This loser is not needed.
    Drop(EntryId, Content),
    /// Bytes of the conflict store that no version of any file names are not needed.
    DropUnnamed(Digest),
}

/// Makes it an operation. `false`: there is no such loser (any more), or no place for it; nothing
/// was done.
pub fn decree(facts: &mut Facts, index: &mut dyn Index, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Keep(id, content) => keep(facts, index, *id, content).is_some(),
        Verdict::KeepAs(of, content, path) => write_at(facts, index, *of, content, path),
        Verdict::Drop(id, content) => drop_loser(facts, index, *id, content).is_some(),
        Verdict::DropUnnamed(digest) if index.is_kept(digest) => false,
        Verdict::DropUnnamed(digest) => {
            // Whoever is named as the holder of what it does not need lets go of it.
            stray::held(facts, index, ROOT, digest);
            true
        }
    }
}

/// An edit of what this disk shows: what it does not show yet stays beside it.
fn keep(facts: &mut Facts, index: &mut dyn Index, id: EntryId, content: &Content) -> Option<()> {
    let (Stored { mut entry, context, .. }, _) = contested(index, id, content)?;
    reached("a loser was kept by a person");
    let row = index.seen_of(id);
    let at = row.as_ref().and_then(|row| revive::shown_place(index, row));
    let mut dots = row.map(|row| row.dots).unwrap_or_default();
    let lost = losing(index, &entry, content);
    let here = lost.iter().filter(|(bearer, _)| bearer.id == id).flat_map(|(_, lost)| lost);
    dots.loc.extend(here.filter(|dot| entry.loc.get(**dot).is_some()));
    // It is no weaker than what it is to win over.
    let rank =
        view::winner(&view::whole(index, &entry).data).map_or(Rank::Write, |data| data.stamp.rank);
    let (hlc, dot) = (facts.tick(), facts.mint());
    let stamp = Stamp { rank: rank.max(Rank::Write), hlc, dot };
    let now = Stamped { stamp: Stamp { rank: Rank::Write, hlc, dot }, value: now(facts) };
    let (source, rank, epoch) = (Source::Live, Rank::Write, 0);
    let mut pen = Pen { facts, index, source, rank, epoch };
    let mut body = pen.body_shown(&dots);
    for (bearer, versions) in lost {
        let of_body = body.as_mut().filter(|body| body.entry.id == bearer.id);
        of_body.map_or(&mut entry, |body| &mut body.entry).data.supersede(&versions);
    }
    revive::reassert_place(&mut entry, &mut dots, stamp, at);
    pen.write(&mut entry, body.as_mut(), &mut dots, Some(content.clone()), true, stamp);
    let bearer = body.as_mut().map_or(&mut entry, |body| &mut body.entry);
    bearer.times.write(version(dot, now), &dots.times);
    if let Some(body) = body {
        pen.put(body.entry, body.context, dot);
    }
    pen.put(entry, context, dot);
    ledger::mark(pen.facts, pen.index, id, &[dot]);
    Some(())
}

fn now(facts: &Facts) -> Timestamp {
    let seconds = i64::try_from(facts.wall_ms / 1000).unwrap_or(i64::MAX);
    Timestamp { seconds, nanos: u32::try_from(facts.wall_ms % 1000).unwrap_or(0) * 1_000_000 }
}

fn drop_loser(
    facts: &mut Facts,
    index: &mut dyn Index,
    id: EntryId,
    content: &Content,
) -> Option<()> {
    let (stored, _) = contested(index, id, content)?;
    reached("a loser was dropped by a person");
    let dot = facts.mint();
    without(facts, index, stored, content, dot);
    Some(())
}

#[cfg(test)]
pub(super) mod tests;
