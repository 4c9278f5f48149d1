//! What a power loss, or an older copy of the tree, has to do with what is found of a row.
//!
//! Pure. Used by `classify` only.

use crate::entry::{Kind, Timestamp};
use crate::index::{SeenRow, FORMER, OPEN};
use crate::observe::Present;
use crate::proof::{broken, reached, Mutant};

/// Whether the attributes that were announced were lost. Whoever changes what is in a directory
/// also changes its ctime, which does not tell who set its mode then: the announced one counts.
pub(super) fn are_undone(power_back: Timestamp, row: &SeenRow, found: &Present) -> bool {
    let (was, now) = (&row.attributes, &found.attributes);
    if row.kind == Kind::Dir {
        return (was.mode, was.owner, &was.xattrs) != (now.mode, now.owner, &now.xattrs);
    }
    was != now && found.fingerprint.ctime <= power_back
}

/// The row without the announced version: whoever writes to what a power loss left has not seen it.
pub(super) fn unshown(row: &SeenRow) -> SeenRow {
    let mut row = row.clone();
    let shown = std::mem::take(&mut row.dots.shown);
    row.dots.data.retain(|dot| !shown.contains(dot));
    // Nor the place that came with it: who removes what is left takes nothing else away.
    row.dots.loc.retain(|dot| !shown.contains(dot));
    // Of one name of a file the version stands on the file.
    if let Some(body) = &mut row.dots.body {
        let shown = std::mem::take(&mut body.shown);
        body.data.retain(|dot| !shown.contains(dot));
    }
    row
}

/// What a power loss has to do with what is found of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aftermath {
    /// Nothing.
    None,
    /// It explains it (decisions A3).
    Damage,
    /// The bytes are as announced, and the attributes as they had been before.
    Undone,
    /// Somebody has written there since, to what it had left.
    Edit,
    /// As damage looks, but changed after what was announced; or as nobody can have changed it, but
    /// through a mapping: a user's, before the power went, and whole or torn.
    Doubt,
}

/// Judges what is found of a row that was volatile when the power went: its file may be what was
/// announced, or anything.
pub(super) fn aftermath(
    power_back: Option<Timestamp>,
    row: &SeenRow,
    found: Option<&Present>,
) -> Aftermath {
    if broken(Mutant::PowerBelieved) {
        return Aftermath::None;
    }
    let is_shaken = |epoch: u64| epoch <= FORMER || epoch >= OPEN;
    let shaken = row.volatile.as_ref().filter(|volatile| is_shaken(volatile.epoch));
    let (Some(power_back), Some(volatile)) = (power_back, shaken) else { return Aftermath::None };
    let Some(found) = found else {
        return if broken(Mutant::AbsenceBelieved) { Aftermath::None } else { Aftermath::Damage };
    };
    if row.kind == Kind::Dir || !is_edit(row, found) {
        return match are_undone(power_back, row, found) {
            true => Aftermath::Undone,
            false => Aftermath::None,
        };
    }
    let was_durable = volatile.epoch == OPEN && volatile.previous == row.content;
    if was_durable && found.fingerprint.ctime > row.fingerprint.ctime {
        // The time tells that somebody wrote on it.
        return Aftermath::None;
    }
    let older = volatile.previous.is_some() && found.content == volatile.previous;
    if older && broken(Mutant::OlderBelieved) {
        return Aftermath::None;
    }
    let (now, was) = (&found.fingerprint, &row.fingerprint);
    // What a user has put in its place since is another inode, and no torn one.
    let torn = now.size == 0 || now.handle == was.handle;
    let shorter = now.size < was.size && torn;
    let earlier = found.attributes.mtime < row.attributes.mtime;
    // Users set the time of what they write as they like (an archive unpacked, rsync), but not when
    // it was changed: what may be theirs is judged by that.
    let untouched = now.ctime <= power_back;
    let unwritten = found.attributes.mtime <= power_back;
    reached("after a power loss it is not what was announced");
    let is_blank = now.size == 0 || found.zeros;
    match untouched && (shorter || earlier) || unwritten && (is_blank || older) {
        // What was announced has no later time of change, nor has what was there before it.
        true if now.ctime > was.ctime && !is_blank && !older => Aftermath::Doubt,
        true => Aftermath::Damage,
        // Nobody has changed it since, unless through a mapping.
        false if now.ctime <= was.ctime && !broken(Mutant::TornBelieved) => Aftermath::Doubt,
        false => Aftermath::Edit,
    }
}

/// The same for an older copy: of it is what was last changed until then.
pub(super) fn of_older(until: Timestamp, row: &SeenRow, found: Option<&Present>) -> Aftermath {
    let Some(found) = found else { return Aftermath::Damage };
    let is_older = found.fingerprint.ctime <= until;
    if row.kind != Kind::Dir && is_edit(row, found) {
        return if is_older { Aftermath::Damage } else { Aftermath::Edit };
    }
    let is_undone = are_undone(until, row, found) || is_older && row.attributes != found.attributes;
    if is_undone {
        Aftermath::Undone
    } else {
        Aftermath::None
    }
}

/// A directory that was removed and made again, or put in another's place.
pub(super) fn replaced_dir(row: &SeenRow, found: &Present) -> bool {
    let is_other = row.fingerprint.handle != found.fingerprint.handle;
    row.kind == Kind::Dir && is_other && !broken(Mutant::DirectoriesByName)
}

pub(super) fn is_edit(row: &SeenRow, found: &Present) -> bool {
    found.content.is_some() && found.content != row.content
}

/// For the simulator: which of the edits this is that are easily missed.
pub(super) fn mark_edit(row: &SeenRow, found: &Present) {
    let (was, now) = (&row.fingerprint, &found.fingerprint);
    if is_edit(row, found) && was.handle != now.handle {
        reached("an edit of the path though the inode is new");
    } else if is_edit(row, found) && (was.size, was.mtime) == (now.size, now.mtime) {
        reached("nothing but the change time tells of an edit");
    }
}
