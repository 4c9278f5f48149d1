//! Files of several names: whose content and attributes a name shows.
//!
//! A name says in its content register which body it is one name of; content and attributes stand
//! on the body, an entry without a place (docs/decisions/0011). Read by `view` and `ledger`.

use super::{is_alive, is_placed, winner};
use crate::entry::{Data, Entry, EntryId, Kind};
use crate::index::Index;
use std::borrow::Cow;

/// Whether an entry is what names are names of: content without a place.
pub fn is_body(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.loc.is_empty() && !entry.data.is_empty()
}

/// Whether an entry without a place is what names are names of, and bears what had not been seen by
/// who took away the last name that he knew: that marked its end where that name was.
pub fn is_ended(index: &dyn Index, entry: &Entry) -> bool {
    let is_over = entry.loc.is_empty() || entry.data.is_empty();
    entry.kind == Kind::File
        && !(is_over || is_placed(entry) || index.names_of(entry.id).is_empty())
}

/// The body that an entry is one name of, as the tree has it: none where nobody has told of it yet,
/// or all that was said of it was taken back.
pub fn body_of(index: &dyn Index, entry: &Entry) -> Option<Entry> {
    content_of(index, shows(entry)?)
}

fn content_of(index: &dyn Index, body: EntryId) -> Option<Entry> {
    index.entry(body).map(|stored| stored.entry).filter(|body| !body.data.is_empty())
}

/// Whether the tree shows what a body bears, under any name.
pub fn is_shown(index: &dyn Index, body: EntryId) -> bool {
    let shows = |id: &EntryId| {
        let stored = index.entry(*id).filter(is_alive);
        stored.is_some_and(|stored| shows(&stored.entry) == Some(body))
    };
    index.names_of(body).iter().any(shows)
}

/// The body that an entry is one name of, known or not.
pub fn shows(entry: &Entry) -> Option<EntryId> {
    winner(&entry.data)?.body
}

/// Whether a body bears nothing any more, also where that has been forgotten: who told of its names
/// told of it with them, and nobody may take for a version what others know to be over.
pub(crate) fn is_over(index: &dyn Index, body: EntryId) -> bool {
    content_of(index, body).is_none()
}

/// The entry with the content and the attributes that it shows, whoever bears them.
pub fn whole<'a>(index: &dyn Index, entry: &'a Entry) -> Cow<'a, Entry> {
    let Some(body) = body_of(index, entry) else { return Cow::Borrowed(entry) };
    Cow::Owned(Entry { id: entry.id, loc: entry.loc.clone(), other: entry.other.clone(), ..body })
}

/// What an entry shows, and everything that anybody wrote to it and nobody has replaced: of what it
/// was said to be one name of, all that stands there, unless another name shows it.
pub(crate) fn claims(index: &dyn Index, entry: &Entry) -> Option<(Data, Vec<Data>)> {
    let first = winner(&entry.data)?;
    let mut shown = first.clone();
    let mut all = Vec::new();
    for version in entry.data.versions() {
        let data = &version.value;
        match data.body.and_then(|body| content_of(index, body)) {
            Some(body) if data.body == first.body => {
                shown = winner(&body.data).cloned().unwrap_or(shown);
                all.extend(body.data.versions().iter().map(|version| version.value.clone()));
            }
            Some(body) if is_shown(index, body.id) => {}
            Some(body) => {
                all.extend(body.data.versions().iter().map(|version| version.value.clone()));
            }
            // Taken away with its last name: nobody wants it back.
            None if data.body.is_some_and(|body| is_over(index, body)) => {}
            None => all.push(data.clone()),
        }
    }
    Some((shown, all))
}
