//! What the disk was seen to be is taken in: which looks count, and which have to be made again.
//!
//! A part of `engine`, which hands it every [`super::Input::Observed`]. What a look means is
//! `observe`'s; here is only when it can be believed.

use super::gone::Gone;
use super::{Effect, Event, FolderEngine, Happening, Now};
use crate::entry::Kind;
use crate::index::{Handle, Index, Phase};
use crate::limits::{DOUBTS_MAX, DOUBT_RETRY_MS, RETRY_MS_MAX};
use crate::observe::{self, Batch, Circumstances, Found, Observation, Present, Seen, Source};
use crate::path::RelPath;
use crate::pending::Wake;
use crate::plan::{Act, Expected};
use std::collections::{BTreeMap, BTreeSet};

/// What earlier looks leave open for later ones. In memory only: a start begins with a scan.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    /// Directories that lost their row since the last commit.
    leaving: BTreeSet<Handle>,
    /// Directories that lost their row, and when that was committed at the latest: a look that
    /// began before may have taken them for known and not looked inside.
    left: BTreeMap<Handle, u64>,
    turned: bool,
    forgot_ms: u64,
    /// Looks that began before this may know of directories that were forgotten here.
    horizon_ms: u64,
    /// Directories whose inside was asked for, and when: it is asked for again where they go.
    inside: BTreeMap<Handle, u64>,
    /// Where directories were moved to in this turn.
    moved: Vec<RelPath>,
    /// Directories that users renamed, as was understood in this turn: the kernel has their inside
    /// looked at where it told of them.
    renamed: Vec<Handle>,
    /// Where operations of ours have moved directories to, and when.
    carried: BTreeMap<RelPath, u64>,
    /// Where from, and what: whoever walked there meanwhile looked into it neither here nor there.
    taken: BTreeMap<RelPath, (Handle, u64)>,
    /// Directories that were seen to be others, or gone, in looks that did not count: what is in
    /// them says nothing before they are looked at again.
    replaced: BTreeSet<RelPath>,
    /// What is gone, and not believed to be yet.
    pub(super) gone: BTreeMap<RelPath, Gone>,
    /// Paths that were not judged the last time.
    unjudged: BTreeSet<RelPath>,
    /// What was found before this node was a member and is to be looked at again soon, and when: it
    /// stays what was here before, whenever that look comes, but for what was changed since.
    imported: BTreeMap<RelPath, Now>,
    /// What could not be read then: that may last, over restarts, too. Until when by the wall clock
    /// its last change was before that.
    unread: BTreeMap<RelPath, u64>,
    /// What could not be read the last time, and so has not been seen, at most [`DOUBTS_MAX`].
    unseen: BTreeSet<RelPath>,
    /// Whether it was more than that, in the scan that ended last or since.
    unseen_more: bool,
    /// Whether it is since then.
    unseen_more_now: bool,
    /// After a power loss, or in an older copy of the tree: looks were asked for since a scan
    /// ended. What they show is what the power left, or of the copy, too.
    pub(super) owes_undone: bool,
}

/// How long it is remembered that a directory lost its row, in milliseconds: longer than any look
/// takes that walks what it takes for new.
const MEMORY_MS: u64 = 60_000;

impl Doubts {
    /// The turn has ended; its commit comes next.
    pub(super) fn turned(&mut self) {
        self.turned = true;
    }

    /// Whatever was written before the last turn ended is committed by now.
    pub(super) fn committed(&mut self, now_ms: u64) {
        if !std::mem::take(&mut self.turned) {
            return;
        }
        let leaving = std::mem::take(&mut self.leaving);
        self.left.extend(leaving.into_iter().map(|handle| (handle, now_ms)));
        if now_ms >= self.forgot_ms + MEMORY_MS || self.left.len() > DOUBTS_MAX {
            self.forgot_ms = now_ms;
            let horizon = now_ms.saturating_sub(MEMORY_MS);
            let newest = self.left.values().filter(|when| **when < horizon).max().copied();
            self.left.retain(|_, when| *when >= horizon);
            if self.left.len() > DOUBTS_MAX {
                self.horizon_ms = self.left.values().max().map_or(0, |when| when + 1);
                self.left.clear();
            }
            self.horizon_ms = self.horizon_ms.max(newest.map_or(0, |when| when + 1));
        }
    }

    /// Whether a look that began at `began_ms` may have taken the directory for known.
    fn was_known(&self, handle: &Handle, began_ms: u64) -> bool {
        self.leaving.contains(handle)
            || began_ms < self.horizon_ms
            || self.left.get(handle).is_some_and(|left_ms| began_ms <= *left_ms)
    }

    /// Of a run that goes on with an index.
    pub(super) fn resumed(index: &dyn Index) -> Doubts {
        Doubts { unread: index.unread().into_iter().collect(), ..Doubts::default() }
    }

    /// When a path is to be looked at again.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.gone.values().map(|gone| gone.ask_ms).min()
    }
}

impl FolderEngine {
    pub(super) fn observed(&mut self, index: &mut dyn Index, began_ms: u64, mut batch: Batch) {
        if self.facts.meta.phase == Phase::Joining || self.paused {
            return;
        }
        self.walked_past(index, began_ms, &batch);
        self.defer(index, began_ms, &mut batch);
        if batch.looks.is_empty() {
            return;
        }
        let paths: Vec<RelPath> = batch.looks.iter().map(|look| look.path.clone()).collect();
        self.publish_touched(index, &paths);
        let under = self.circumstances(index, began_ms, &batch);
        let source = batch.source;
        let mut seen = observe::classify(&mut self.facts, index, batch, &under);
        for path in &paths {
            self.traffic.settled(path.clone(), self.now.mono_ms);
        }
        let by = Some(self.facts.meta.incarnation);
        for (what, path, from) in std::mem::take(&mut seen.done) {
            let event = Event { path, what: what.into(), from, by, local: true };
            self.effects.push(Effect::Happened(event));
        }
        self.volatile_since_ms.get_or_insert(self.now.mono_ms);
        self.leave_unseen(&*index, &paths, &seen);
        self.imported(index, &paths, &seen);
        self.doubt(index, (began_ms, source), &paths, &seen);
        for id in seen.freed {
            self.pending.wake(index, Wake::Entry(id));
        }
        for path in seen.damaged {
            self.happened(path, Happening::Damaged, None);
        }
        for (from, to) in seen.moved {
            self.traffic.moved(from, to, self.now.mono_ms);
        }
        for path in seen.unknown {
            self.traffic.unknown(path, self.now.mono_ms);
        }
        for (path, what) in seen.notices {
            self.effects.push(Effect::Notice(path, what));
        }
        for (path, there) in seen.awaited {
            let again = seen.again.iter().chain(&seen.busy);
            let inside = again.filter(|again| again.is_within(&path)).cloned();
            let group: BTreeSet<RelPath> = inside.chain([path.clone(), there]).collect();
            self.look_at(group.clone());
            self.traffic.bind(group);
        }
        self.look_at(seen.again.into_iter().chain(seen.busy));
    }

    /// What could not be read has not been seen; nor, in an older copy, what is looked at again.
    /// Of a directory that was known nobody can tell what is absent there.
    fn leave_unseen(&mut self, index: &dyn Index, looked: &[RelPath], seen: &Seen) {
        let is_dir =
            |path: &RelPath| observe::row_at(index, path).is_some_and(|row| row.kind == Kind::Dir);
        if self.older.is_some() || self.facts.meta.shaken {
            let owes = !(seen.again.is_empty() && seen.awaited.is_empty());
            let is_unseen = self.older.is_some() && seen.unread.iter().any(is_dir);
            self.doubts.owes_undone |= owes || is_unseen;
        }
        let unseen = &mut self.doubts.unseen;
        for path in looked {
            unseen.remove(path);
        }
        let room = DOUBTS_MAX.saturating_sub(unseen.len());
        unseen.extend(seen.unread.iter().take(room).cloned());
        let is_more = seen.unread.len() > room;
        self.doubts.unseen_more |= is_more;
        self.doubts.unseen_more_now |= is_more;
    }

    /// A scan has gone by all that cannot be read.
    pub(super) fn count_unseen_anew(&mut self) {
        self.doubts.unseen_more = std::mem::take(&mut self.doubts.unseen_more_now);
    }

    /// Whether all that is on this disk could be read, as far as it was looked at. Where a
    /// directory is gone, what was in it has been looked at elsewhere.
    pub(super) fn has_read_all(&mut self, index: &dyn Index) -> bool {
        let is_known = |dir: RelPath| observe::row_at(index, &dir).is_some();
        self.doubts.unseen.retain(|path| path.parent().is_none_or(is_known));
        self.doubts.unseen.is_empty() && !self.doubts.unseen_more
    }

    /// Has these looked at (again), or where they have gone with their directories.
    pub(super) fn look_at(&mut self, paths: impl IntoIterator<Item = RelPath>) {
        for path in paths {
            self.traffic.put_off(path, self.now.mono_ms);
        }
    }

    /// Looks are made again at these. Before this node is a member, what they find is no news.
    pub(super) fn put_off_import(&mut self, paths: &[RelPath]) {
        if self.facts.meta.phase == Phase::Importing {
            for path in paths.iter().filter(|path| !self.doubts.unread.contains_key(path)) {
                self.doubts.imported.entry(path.clone()).or_insert(self.now);
            }
        }
    }

    /// The same where a look found something that cannot be read, however long that lasts.
    fn unread_import(&mut self, index: &mut dyn Index, paths: &[RelPath]) {
        let is_first = self.facts.meta.phase == Phase::Importing;
        let Doubts { imported, unread, .. } = &mut self.doubts;
        for path in paths {
            let is_import = imported.contains_key(path) || is_first;
            if is_import && unread.len() < DOUBTS_MAX && !unread.contains_key(path) {
                imported.remove(path);
                unread.insert(path.clone(), self.now.wall_ms);
                index.put_unread(path, self.now.wall_ms);
            }
        }
    }

    /// Which of the paths, and of the directories above them, were found before this node was a
    /// member.
    fn imports<'a>(&self, paths: impl Iterator<Item = &'a RelPath>) -> BTreeMap<RelPath, u64> {
        let Doubts { imported, unread, .. } = &self.doubts;
        let mut found = BTreeMap::new();
        if imported.is_empty() && unread.is_empty() {
            return found;
        }
        for path in paths {
            let mut above = Some(path.clone());
            while let Some(path) = above {
                above = path.parent();
                let until_ms = imported.get(&path).map(|found| found.wall_ms);
                if let Some(until_ms) = until_ms.or_else(|| unread.get(&path).copied()) {
                    found.insert(path, until_ms);
                }
            }
        }
        found
    }

    /// What is judged by now is imported. A directory that was new to this disk stays for what is
    /// in it.
    fn imported(&mut self, index: &mut dyn Index, looked: &[RelPath], seen: &Seen) {
        self.unread_import(index, &seen.unread);
        let Doubts { imported, unread, .. } = &mut self.doubts;
        if imported.is_empty() && unread.is_empty() {
            return;
        }
        let horizon = self.traffic.remembered_ms();
        imported.retain(|_, found| found.mono_ms >= horizon);
        let awaited = seen.awaited.iter().map(|(path, _)| path);
        let made = seen.made.iter().map(|(path, _)| path);
        let open =
            seen.again.iter().chain(&seen.busy).chain(&seen.unjudged).chain(awaited).chain(made);
        let open: BTreeSet<&RelPath> = open.chain(&seen.unread).chain(&seen.below).collect();
        for path in looked.iter().filter(|path| !open.contains(path)) {
            imported.remove(path);
            if unread.remove(path).is_some() {
                index.remove_unread(path);
            }
        }
    }

    /// Takes out the looks that prove nothing because operations were at work there, and those that
    /// mean something only together with them: the two ends of a move, and what is in a directory
    /// that may be another one by now.
    fn defer(&mut self, index: &dyn Index, began_ms: u64, batch: &mut Batch) {
        let looks = std::mem::take(&mut batch.looks);
        self.doubts.replaced.retain(|path| observe::row_at(index, path).is_some());
        let twice = seen_twice(&looks);
        for look in &looks {
            if is_another(index, look) || twice.get(&look.path) == Some(&Kind::Dir) {
                self.doubts.replaced.insert(look.path.clone());
            } else {
                self.doubts.replaced.remove(&look.path);
            }
        }
        let now_ms = self.now.mono_ms;
        let doubtful = |look: &Observation| {
            let is_twice = twice.contains_key(&look.path);
            if is_twice {
                self.traffic.put_off(look.path.clone(), now_ms);
            }
            self.traffic.defer(&look.path, began_ms, now_ms) || is_twice
        };
        let (mut out, mut rest): (Vec<_>, Vec<_>) = looks.into_iter().partition(doubtful);
        let mut ends: BTreeMap<Handle, BTreeSet<RelPath>> = BTreeMap::new();
        let mut replaced = self.doubts.replaced.clone();
        let mut to_ask = BTreeSet::new();
        for look in &rest {
            // With a directory that is another one now goes what was below it.
            let all_below = is_another(index, look);
            let told =
                |path: &RelPath| *path == look.path || all_below && path.is_within(&look.path);
            replaced.retain(|path| !told(path));
        }
        loop {
            for look in &out {
                for handle in observe::handles(index, look) {
                    ends.entry(handle).or_default().insert(look.path.clone());
                }
                if self.doubts.replaced.contains(&look.path) {
                    replaced.insert(look.path.clone());
                }
            }
            let related = |look: &Observation| {
                observe::handles(index, look).iter().any(|handle| ends.contains_key(handle))
                    || tops_of(&look.path, &replaced).next().is_some()
            };
            (out, rest) = rest.into_iter().partition(related);
            for look in &out {
                self.traffic.put_off(look.path.clone(), now_ms);
                to_ask.extend(tops_of(&look.path, &replaced).cloned());
            }
            if out.is_empty() {
                break;
            }
        }
        // They are asked for, too, or all below them would be put off again and again. Not where
        // nothing is: what is below a name may not be told of while that is written to.
        self.look_at(to_ask);
        self.doubts.replaced = replaced;
        for group in ends.into_values().filter(|group| group.len() > 1) {
            self.traffic.repeat_together(group, now_ms);
        }
        batch.looks = rest;
    }

    fn circumstances(&mut self, index: &dyn Index, began_ms: u64, batch: &Batch) -> Circumstances {
        let mut under = Circumstances {
            power_back: self.facts.meta.shaken.then_some(self.booted_at),
            booted_at: self.booted_at,
            older: self.older,
            epoch: self.epoch,
            gone: BTreeMap::new(),
            aside: self.aside(index, batch.looks.iter().map(|look| &look.path)),
            judge: std::mem::take(&mut self.doubts.unjudged),
            coming: self.pending.coming(),
            imported: self.imports(batch.looks.iter().map(|look| &look.path)),
        };
        let full = self.doubts.gone.len() >= DOUBTS_MAX;
        for Observation { path, .. } in &batch.looks {
            match self.doubts.gone.get(path).filter(|gone| gone.is_at(index, path)) {
                Some(gone) if began_ms >= gone.believed_ms => {
                    under.gone.insert(path.clone(), gone.source);
                }
                None if full => {
                    under.gone.insert(path.clone(), batch.source);
                }
                _ => {}
            }
        }
        under
    }

    /// Remembers what cannot be believed yet, and asks for what was not looked at.
    fn doubt(
        &mut self,
        index: &dyn Index,
        (began_ms, source): (u64, Source),
        looked: &[RelPath],
        seen: &Seen,
    ) {
        self.doubt_gone(index, source, looked, seen);
        self.doubts.unjudged.extend(seen.unjudged.iter().cloned());
        // What lost its row in this very batch, and got another, had been taken for known, too.
        self.doubts.leaving.extend(seen.dropped.iter().cloned());
        let unseen = |(_, handle): &&(RelPath, Handle)| self.doubts.was_known(handle, began_ms);
        let unseen = seen.made.iter().filter(unseen).chain(&seen.strange);
        let unseen: Vec<&(RelPath, Handle)> = unseen.collect();
        let handles = unseen.iter().map(|(_, handle)| (handle.clone(), self.now.mono_ms));
        self.doubts.inside.extend(handles);
        let unseen: Vec<RelPath> = unseen.into_iter().map(|(path, _)| path.clone()).collect();
        self.renamed(index, &seen.moved);
        if !unseen.is_empty() {
            self.effects.push(Effect::ObserveTrees(unseen));
        }
    }

    /// Users have renamed directories. Whoever walks one where the kernel told of it finds nothing
    /// if an operation of ours has carried it away from there, then or later: it is looked into
    /// where it is.
    fn renamed(&mut self, index: &dyn Index, moved: &[(RelPath, RelPath)]) {
        for (_, to) in moved {
            self.doubts.moved.push(to.clone());
            let Some(row) = observe::row_at(index, to) else { continue };
            let handle = row.fingerprint.handle;
            if self.doubts.carried.keys().any(|carried| to.is_within(carried)) {
                self.doubts.inside.insert(handle, self.now.mono_ms);
            } else {
                self.doubts.renamed.push(handle);
            }
        }
    }

    /// An operation of ours has moved something: of interest is a directory, for what is in it.
    pub(super) fn moved_for_a_peer(&mut self, act: &Act) {
        let moved = match act {
            Act::Move { from, to, expected } => vec![(from, to, expected)],
            Act::Exchange { a, a_expected, b, b_expected } => {
                vec![(a, b, a_expected), (b, a, b_expected)]
            }
            _ => return,
        };
        let now_ms = self.now.mono_ms;
        for (from, to, what) in moved {
            if let Expected::Exactly { kind: Kind::Dir, fingerprint, .. } = what {
                self.doubts.carried.insert(to.path(), now_ms);
                self.doubts.taken.insert(from.path(), (fingerprint.handle.clone(), now_ms));
                self.doubts.moved.push(to.path());
            }
        }
    }

    /// A walk found directories gone that operations of ours carry, or carried while it was under
    /// way: what it was to find in them is looked for where they go.
    fn walked_past(&mut self, index: &dyn Index, began_ms: u64, batch: &Batch) {
        let is_gone = |look: &&Observation| look.found == Found::Absent;
        let is_walk = batch.source == Source::Scan;
        for look in batch.looks.iter().filter(|_| is_walk).filter(is_gone) {
            let row = Some(&look.path).filter(|path| self.traffic.is_at_work_at(path));
            let row = row.and_then(|path| observe::row_at(index, path));
            let row = row.filter(|row| row.kind == Kind::Dir);
            let taken = self.doubts.taken.get(&look.path).filter(|(_, when)| began_ms <= *when);
            let taken = taken.map(|(handle, _)| handle.clone());
            let there = taken.iter().flat_map(|handle| index.seen_handle(handle));
            let there = there.filter_map(|row| observe::path_of(index, row.slot));
            self.doubts.moved.extend(there);
            let inside = row.map(|row| row.fingerprint.handle).into_iter().chain(taken);
            self.doubts.inside.extend(inside.map(|handle| (handle, self.now.mono_ms)));
        }
    }

    /// Directories that were moved before anybody looked inside are looked into where they are now.
    fn look_inside_again(&mut self, index: &dyn Index) {
        let moved = std::mem::take(&mut self.doubts.moved);
        let now_ms = self.now.mono_ms;
        let horizon = self.traffic.remembered_ms();
        self.doubts.inside.retain(|_, asked_ms| *asked_ms >= horizon);
        self.doubts.carried.retain(|_, when| *when >= horizon);
        self.doubts.taken.retain(|_, (_, when)| *when >= horizon);
        if !moved.is_empty() {
            let rows = self.doubts.inside.keys().flat_map(|handle| index.seen_handle(handle));
            let paths = rows.filter_map(|row| observe::path_of(index, row.slot));
            let paths = paths.filter(|path| moved.iter().any(|to| path.is_within(to)));
            let paths: Vec<RelPath> = paths.collect();
            if !paths.is_empty() {
                self.effects.push(Effect::ObserveTrees(paths));
            }
        }
        let renamed = std::mem::take(&mut self.doubts.renamed);
        self.doubts.inside.extend(renamed.into_iter().map(|handle| (handle, now_ms)));
    }

    /// Asks for looks at what was gone and is now to be believed.
    pub(super) fn look_again(&mut self, index: &dyn Index) {
        self.look_inside_again(index);
        let now_ms = self.now.mono_ms;
        if self.paused || self.doubts.deadline().is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        self.follow_gone(index);
        let due = self.doubts.gone.iter_mut().filter(|(_, gone)| gone.ask_ms <= now_ms);
        let due = due.map(|(path, gone)| {
            // It is not told of while what a directory above it was is written to.
            let waited_ms = now_ms.saturating_sub(gone.believed_ms);
            gone.ask_ms = now_ms + waited_ms.clamp(DOUBT_RETRY_MS, RETRY_MS_MAX);
            path.clone()
        });
        let due: Vec<RelPath> = due.collect();
        if !due.is_empty() {
            self.effects.push(Effect::Observe(due));
        }
    }
}

/// Those of `tops` that are directories above the path.
fn tops_of<'a>(
    path: &RelPath,
    tops: &'a BTreeSet<RelPath>,
) -> impl Iterator<Item = &'a RelPath> + use<'a> {
    let above = path.parent().filter(|_| !tops.is_empty());
    std::iter::successors(above, RelPath::parent).filter_map(|above| tops.get(&above))
}

/// Where one thing was seen at several places that has one: it was renamed while they were looked
/// at. Which of them it has left is not known, nor what was seen missing below a directory.
fn seen_twice(looks: &[Observation]) -> BTreeMap<RelPath, Kind> {
    let mut places: BTreeMap<&Handle, Vec<(&RelPath, &Present)>> = BTreeMap::new();
    for Observation { path, found } in looks {
        if let Found::Present(found) = found {
            places.entry(&found.fingerprint.handle).or_default().push((path, found));
        }
    }
    let has_one = |(_, found): &(&RelPath, &Present)| found.kind == Kind::Dir || found.alone;
    let several = places.into_values().filter(|at| at.len() > 1 && at.iter().any(has_one));
    several.flatten().map(|(path, found)| (path.clone(), found.kind)).collect()
}

/// Whether the look shows that a directory is another one now, or none. What is written to is a
/// file.
fn is_another(index: &dyn Index, look: &Observation) -> bool {
    let Some(row) = observe::row_at(index, &look.path) else { return false };
    let same = match &look.found {
        Found::Present(found) => found.fingerprint.handle == row.fingerprint.handle,
        Found::Absent | Found::Busy(_) => false,
        Found::Foreign(_) | Found::Unreadable(..) => true,
    };
    row.kind == Kind::Dir && !look.path.is_root() && !same
}
