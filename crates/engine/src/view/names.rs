//! Who keeps a name that several live entries claim, and what the others are called.

use super::{hex, is_alive, location, winner, Shown};
use crate::content::Content;
use crate::entry::{Entry, EntryId, Kind};
use crate::index::{Index, Stored};
use crate::path::{Name, NAME_BYTES_MAX};

/// Where `stored` is shown among all that claim `name` in the directories `parents`, which are one.
/// Directories unite; a directory beats a file, a file beats a symlink, then the smallest id. An
/// equal file is shown once; any other is shown beside it under a suffix.
pub(super) fn among(index: &dyn Index, stored: &Stored, parents: &[EntryId], name: &Name) -> Shown {
    let claims = claimants(index, parents, name);
    let at = |name: Name| Shown::At { parent: parents[0], name };
    let id = stored.entry.id;
    let first = claims.first().expect("the entry itself claims its name");
    if first.id == id {
        return at(name.clone());
    }
    if first.kind == Kind::Dir && stored.entry.kind == Kind::Dir {
        return Shown::As(first.id);
    }
    let mine = content(&stored.entry);
    let mut before = claims.iter().take_while(|claim| claim.id != id);
    let equal = before.find(|c| c.kind == stored.entry.kind && c.content == mine);
    if let Some(equal) = equal {
        return Shown::As(equal.id);
    }
    at(free_name(index, parents, &stored.entry, name))
}

struct Claim {
    kind: Kind,
    id: EntryId,
    content: Option<Content>,
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

fn content(entry: &Entry) -> Option<Content> {
    winner(&entry.data).map(|data| data.content.clone())
}

/// `stem~<life>-<id>.ext`: the same on all nodes, longer if somebody claims exactly that name.
fn free_name(index: &dyn Index, parents: &[EntryId], entry: &Entry, name: &Name) -> Name {
    let newest = entry.loc.versions().iter().max_by_key(|version| version.value.stamp);
    let life = newest.map_or(String::new(), |v| hex(&v.value.stamp.dot.incarnation.0[..2]));
    let taken = |name: &Name| {
        let claims = parents.iter().flat_map(|&parent| index.named(parent, name));
        let mut stored = claims.filter_map(|id| index.entry(id));
        stored.any(|stored| is_alive(&stored))
    };
    let lengths = [2, 4, 8, 16];
    let names = lengths.map(|n| suffixed(name, &format!("{life}-{}", hex(&entry.id.0[..n]))));
    let free = names.iter().find(|name| !taken(name));
    free.unwrap_or(&names[3]).clone()
}

/// The name with `~tag` before its extension, its stem cut so that it still fits.
pub fn suffixed(name: &Name, tag: &str) -> Name {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|&b| b == b'.').filter(|&at| at > 0);
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let extension = if extension.len() > 32 { &[][..] } else { extension };
    let room = NAME_BYTES_MAX - extension.len() - tag.len() - 1;
    let cut = stem.len().min(room);
    let whole = [&stem[..cut], b"~", tag.as_bytes(), extension].concat();
    Name::new(&whole).expect("cut to fit, and of a name's bytes")
}

/// The name that this one may be of, with a suffix; not of a name that was cut to fit.
pub(crate) fn unsuffixed(name: &Name) -> Option<Name> {
    let bytes = name.as_bytes();
    let at = bytes.iter().rposition(|&byte| byte == b'~').filter(|&at| at > 0)?;
    let dot = bytes[at..].iter().position(|&byte| byte == b'.').map_or(bytes.len(), |dot| at + dot);
    Name::new(&[&bytes[..at], &bytes[dot..]].concat()).ok()
}
