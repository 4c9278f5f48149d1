//! Who keeps a name that several live entries claim, and what the others are called.

use super::{hex, is_alive, location, winner, Shown};
use crate::content::Content;
use crate::entry::{Entry, EntryId, Kind};
use crate::index::{Index, Stored};
use crate::path::{Name, NAME_BYTES_MAX};
use crate::proof::{broken, reached, Mutant};

/// Of more entries whose ids begin alike the rest is passed over: the shortest tag has 16 bits.
const TAGGED_MAX: usize = 1024;

/// Where `stored` is shown among all that claim `name` in the directories `parents`, which are one.
/// Directories unite; a directory beats a file, a file beats a symlink, then the smallest id. An
/// equal file is shown once; any other is shown beside it under a suffix.
pub(super) fn among(index: &dyn Index, stored: &Stored, parents: &[EntryId], name: &Name) -> Shown {
    let claims = claimants(index, parents, name);
    let at = |name: Name| Shown::At { parent: parents[0], name };
    let id = stored.entry.id;
    let first = claims.first().expect("the entry itself claims its name");
    if first.id == id || broken(Mutant::NamesCollide) {
        return at(name.clone());
    }
    if first.kind == Kind::Dir && stored.entry.kind == Kind::Dir {
        reached("directories of two ids are shown as one");
        return Shown::As(first.id);
    }
    let mine = content(&stored.entry);
    let mut before = claims.iter().take_while(|claim| claim.id != id);
    let equal = before.find(|c| c.kind == stored.entry.kind && c.content == mine);
    if let Some(equal) = equal {
        return Shown::As(equal.id);
    }
    reached("one name is claimed by several");
    at(free_name(index, parents, &stored.entry, name, &claims))
}

struct Claim {
    kind: Kind,
    id: EntryId,
    content: Option<(Content, Option<EntryId>)>,
}

fn claimants(index: &dyn Index, parents: &[EntryId], name: &Name) -> Vec<Claim> {
    let mut claims = Vec::new();
    for &parent in parents {
        for id in index.named(parent, name) {
            let Some(stored) = index.entry(id).filter(is_alive) else { continue };
            let (kind, content) = (stored.entry.kind, content(&stored.entry));
            let at = stored.settled.and_then(|at| location(index, id, kind, at));
            if at.is_some_and(|at| !at.relocated) {
                claims.push(Claim { kind, id, content });
            }
        }
    }
    claims.sort_by_key(|claim| (claim.kind, claim.id));
    claims
}

/// What makes two claims one: equal bytes, and that both are names of one file or of none.
fn content(entry: &Entry) -> Option<(Content, Option<EntryId>)> {
    winner(&entry.data).map(|data| (data.content.clone(), data.body))
}

/// `stem~<life>-<id>.ext`: the same on all nodes. With so much of the id that no other claimant's
/// begins alike.
fn free_name(
    index: &dyn Index,
    parents: &[EntryId],
    entry: &Entry,
    name: &Name,
    claims: &[Claim],
) -> Name {
    let newest = entry.loc.versions().iter().max_by_key(|version| version.value.stamp);
    let life = newest.map_or(String::new(), |v| hex(&v.value.stamp.dot.incarnation.0[..2]));
    let id = entry.id;
    let alike = |n: usize| claims.iter().any(|c| c.id != id && c.id.0[..n] == id.0[..n]);
    let least = [2, 4, 8].into_iter().find(|n| !alike(*n)).unwrap_or(16);
    unclaimed(index, parents, &id.0, [2, 4, 8, 16].map(|n| least.max(n)), |digits| {
        suffixed(name, &format!("{life}-{digits}"))
    })
}

/// `stem~<id>.ext`: what a directory taken out of a cycle is called, and what steps aside.
pub(crate) fn relocated(index: &dyn Index, parents: &[EntryId], id: EntryId, name: &Name) -> Name {
    unclaimed(index, parents, &id.0, [4, 6, 8, 16], |digits| suffixed(name, digits))
}

/// The name with so many bytes of an id; more of them if somebody claims exactly that name, and if
/// all of those are claimed, a number before them.
fn unclaimed(
    index: &dyn Index,
    parents: &[EntryId],
    id: &[u8],
    lengths: [usize; 4],
    name: impl Fn(&str) -> Name,
) -> Name {
    let taken = |name: &Name| {
        let claims = parents.iter().flat_map(|&parent| index.named(parent, name));
        let mut stored = claims.filter_map(|id| index.entry(id));
        stored.any(|stored| is_alive(&stored))
    };
    let whole = hex(&id[..lengths[3]]);
    let numbered = (1..).map(|number| format!("{number}-{whole}"));
    let tags = lengths.iter().map(|&n| hex(&id[..n])).chain(numbered);
    let free = tags.map(|tag| name(&tag)).find(|name| !taken(name));
    free.expect("there are more numbers than entries")
}

/// `stem.<tag>-<digits>.ext`: what a loser is called beside the winner; more digits where somebody
/// has that name.
pub(crate) fn beside(
    index: &dyn Index,
    parent: EntryId,
    name: &Name,
    tag: &str,
    digits: &[u8; 32],
) -> Name {
    let parents = super::united(index, parent).unwrap_or_else(|| vec![parent]);
    unclaimed(index, &parents, digits, [2, 4, 8, 16], |digits| {
        marked(name, b".", &format!("{tag}-{digits}"))
    })
}

/// The name with `~tag` before its extension, its stem cut so that it still fits.
pub fn suffixed(name: &Name, tag: &str) -> Name {
    marked(name, b"~", tag)
}

fn marked(name: &Name, mark: &[u8], tag: &str) -> Name {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|&b| b == b'.').filter(|&at| at > 0);
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let extension = if extension.len() > 32 { &[][..] } else { extension };
    let room = NAME_BYTES_MAX - extension.len() - tag.len() - 1;
    let cut = stem.len().min(room);
    let whole = [&stem[..cut], mark, tag.as_bytes(), extension].concat();
    Name::new(&whole).expect("cut to fit, and of a name's bytes")
}

/// The entries that may be shown under this name for the sake of its suffix.
pub(crate) fn suffix_of(index: &dyn Index, name: &Name) -> Vec<EntryId> {
    let mut parts = name.as_bytes().split(|&byte| byte == b'~');
    // What stands before the first is the stem.
    parts.next();
    let ranges = parts.filter_map(|part| {
        let tag = part.split(|&byte| byte == b'.').next()?;
        id_range(tag.rsplit(|&byte| byte == b'-').next()?)
    });
    ranges.flat_map(|(first, last)| index.ids(first, last, TAGGED_MAX)).collect()
}

/// The ids that begin with these lower-case hex digits, if that is what they are.
fn id_range(digits: &[u8]) -> Option<(EntryId, EntryId)> {
    let (mut first, mut last) = ([0; 16], [u8::MAX; 16]);
    if !(4..=32).contains(&digits.len()) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    for (at, pair) in digits.chunks_exact(2).enumerate() {
        let byte = value(pair[0])? << 4 | value(pair[1])?;
        (first[at], last[at]) = (byte, byte);
    }
    Some((EntryId(first), EntryId(last)))
}
