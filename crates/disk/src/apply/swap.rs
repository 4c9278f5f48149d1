//! Installing over something and removing: displace, verify, retire; or put back; or keep.
//!
//! Used by `apply` only.

use super::certify::{file_digest, Verdict};
use super::prepare::Dressed;
use super::{left, stop, Apply, Rung, Spot, Step, Stop, Was};
use crate::fs::{is_unsupported, FileKind, Fs, Lease};
use crate::stage::{read_whole, whole_name};
use engine::content::Digest;
use engine::entry::Kind;
use engine::observe::Present;
use engine::path::RelPath;
use engine::plan::Retire;
use engine::proof::{broken, Mutant};
use engine::view;
use std::io;

/// What became of something displaced that was not what was expected.
pub(super) enum Salvaged {
    /// Its bytes were the expected ones after all: it is retired.
    Known,
    /// Its bytes lie in the conflict store.
    Kept(Present),
    /// It cannot be read now: a directory, a FIFO, a file with a writer.
    Not(Option<String>),
}

impl<F: Fs> Apply<F> {
    /// Gives what is staged a free name.
    pub(super) fn put_new(&mut self, staged: &Spot<F>, spot: &Spot<F>) -> Result<(), Stop> {
        match self.fs.rename_new(staged.at(), spot.at()) {
            Err(error) if is_unsupported(&error) => {}
            other => return other.map_err(|error| stop("create", &spot.path, &error)),
        }
        // No NOREPLACE here: a second name is refused where one is, too.
        self.fs.link(staged.at(), spot.at()).map_err(|e| stop("create", &spot.path, &e))?;
        let _ = self.fs.remove_own(&staged.dir, &staged.name);
        Ok(())
    }

    /// Where it lies in the staging directory.
    pub(super) fn staged(&self, dressed: &Dressed<F>) -> Spot<F> {
        let (dir, name) = (self.stage.dir().clone(), dressed.name.clone());
        Spot { dir, name, path: RelPath::root() }
    }

    /// Step 4: puts `dressed` at `spot`; where what stood there is now.
    pub(super) fn swap(
        &mut self,
        dressed: &mut Dressed<F>,
        spot: &Spot<F>,
        number: u64,
    ) -> Result<Spot<F>, Stop> {
        let failed = |error: io::Error| stop("replace", &spot.path, &error);
        if self.rung == Rung::Exchange {
            let plain = self.staged(dressed);
            let name = dressed.swap_name(number);
            self.fs.rename_in(plain.at(), (&plain.dir, &name)).map_err(failed)?;
            dressed.name = name;
            let staged = self.staged(dressed);
            if broken(Mutant::LooksThenRenames) {
                self.fs.rename_over(staged.at(), spot.at()).map_err(failed)?;
                return Ok(staged);
            }
            match self.fs.exchange(staged.at(), spot.at()) {
                Err(error) if is_unsupported(&error) => self.rung = Rung::Link,
                Err(error) => return Err(failed(error)),
                Ok(()) => return Ok(staged),
            }
        }
        let staged = &self.staged(dressed);
        let aside = self.aside(left::ASIDE, number);
        if self.rung == Rung::Link {
            match self.fs.link(spot.at(), aside.at()) {
                Ok(()) => {
                    self.fs.rename_over(staged.at(), spot.at()).map_err(failed)?;
                    return Ok(aside);
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    return Err(failed(error));
                }
                Err(_) => self.rung = Rung::Aside,
            }
        }
        self.fs.rename_in(spot.at(), aside.at()).map_err(failed)?;
        if let Err(stop) = self.put_new(staged, spot) {
            self.bring_back(&aside, spot, number);
            return Err(stop);
        }
        Ok(aside)
    }

    /// Undoes [`Apply::swap`]: what was displaced gets its name again, and `dressed` is in staging
    /// again, if nobody has touched either since. Returns whether it is.
    pub(super) fn unswap(
        &mut self,
        displaced: &Spot<F>,
        spot: &Spot<F>,
        dressed: &Dressed<F>,
        number: u64,
    ) -> bool {
        let staged = self.staged(dressed);
        let mut ours = &staged;
        let parked = self.aside(left::PARKED, number);
        if displaced.name == staged.name {
            match self.fs.exchange(displaced.at(), spot.at()) {
                Ok(()) => {}
                // The user has removed what we had installed: the name is free.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    self.bring_back(displaced, spot, number);
                    return false;
                }
                Err(_) => {
                    self.leave(displaced, number, &spot.path);
                    return false;
                }
            }
        } else {
            if self.fs.rename_in(spot.at(), parked.at()).is_ok() {
                ours = &parked;
            }
            self.bring_back(displaced, spot, number);
        }
        if self.is_untouched(ours, dressed) {
            return ours.name == staged.name || self.fs.rename_in(ours.at(), staged.at()).is_ok();
        }
        // A user replaced what we had installed in the instant it was there: theirs is the newest
        // and belongs at the name; what it had replaced waits for its writer.
        if self.fs.exchange(ours.at(), spot.at()).is_ok() {
            self.leave(ours, number, &spot.path);
            return false;
        }
        // No exchange here, or the name is free by now: what was brought back steps aside again.
        if self.fs.rename_in(spot.at(), displaced.at()).is_ok() {
            self.leave(displaced, number, &spot.path);
        }
        self.bring_back(ours, spot, number);
        false
    }

    /// Whether what we had shown for an instant is as we made it, with nobody writing to it.
    fn is_untouched(&self, at: &Spot<F>, dressed: &Dressed<F>) -> bool {
        let Ok(stat) = self.fs.stat(&at.dir, &at.name) else {
            return false;
        };
        let same = stat.handle == dressed.stat.handle
            && stat.size == dressed.stat.size
            && stat.mtime == dressed.stat.mtime;
        same && dressed.file.as_ref().is_none_or(|file| self.fs.probe(file) != Lease::Held)
    }

    /// Renames back to a name that ought to be free. If it is not, somebody has made a newer thing
    /// there, and this one stays in staging to be looked at again.
    pub(super) fn bring_back(&mut self, aside: &Spot<F>, spot: &Spot<F>, number: u64) -> bool {
        let back = match self.fs.rename_new(aside.at(), spot.at()) {
            Err(error) if is_unsupported(&error) => self.bring_back_plainly(aside, spot),
            other => other,
        };
        if back.is_err() {
            self.leave(aside, number, &spot.path);
        }
        back.is_ok()
    }

    /// Where a rename cannot look first: a second name is refused where one is. A directory can
    /// have none, but its rename replaces nothing that is not an empty directory (rename(2)).
    fn bring_back_plainly(&self, aside: &Spot<F>, spot: &Spot<F>) -> io::Result<()> {
        if self.fs.stat(&aside.dir, &aside.name)?.kind == FileKind::Dir {
            return self.fs.rename_over(aside.at(), spot.at());
        }
        self.fs.link(aside.at(), spot.at())?;
        self.fs.remove_own(&aside.dir, &aside.name)
    }

    /// Two names of the tree change places. Where that cannot be done in one step the first steps
    /// aside in its directory, under a name that the next look knows it by whatever comes between.
    pub(super) fn swap_names(&mut self, first: &Spot<F>, second: &Spot<F>) -> io::Result<()> {
        match self.fs.exchange(first.at(), second.at()) {
            Err(error) if is_unsupported(&error) => {}
            other => return other,
        }
        let tag = format!("swap{}", self.trash.number());
        let name = view::suffixed(&first.name, &tag);
        let aside = (&first.dir, &name);
        self.fs.rename_new(first.at(), aside)?;
        self.step(Step::Aside);
        if let Err(error) = self.fs.rename_new(second.at(), first.at()) {
            // If somebody has the name by now, it stays where it is: theirs is the newer.
            let _ = self.fs.rename_new(aside, first.at());
            return Err(error);
        }
        self.step(Step::Aside);
        let last = self.fs.rename_new(aside, second.at());
        if last.is_err() && self.fs.rename_new(first.at(), second.at()).is_ok() {
            let _ = self.fs.rename_new(aside, first.at());
        }
        last
    }

    /// Step 8: a certified thing goes where it is to go. An error leaves it in staging, for later.
    pub(super) fn retire(
        &mut self,
        from: &Spot<F>,
        number: u64,
        was: &Was<'_, F>,
        retire: Retire,
    ) -> io::Result<()> {
        if was.kind == Kind::Dir {
            return self.fs.remove_dir(&from.dir, &from.name);
        }
        if let (Retire::Keep, Some(digest)) = (retire, file_digest(was.content)) {
            let mut is_in = self.kept.put(from.at(), &digest)?;
            if !is_in && !self.is_kept_whole(&digest)? {
                is_in = self.kept.put(from.at(), &digest)?;
            }
            if is_in {
                self.step(Step::Retired);
                return Ok(());
            }
        }
        // One name of several: the bytes are in the tree yet, or where somebody put them.
        let is_one_of_several =
            was.kind == Kind::File && self.fs.stat(&from.dir, &from.name)?.links > 1;
        if is_one_of_several {
            self.fs.remove_own(&from.dir, &from.name)?;
        } else {
            self.trash.retire(from.at(), number)?;
        }
        self.step(Step::Retired);
        Ok(())
    }

    /// Whether the conflict store has a content, whole. What a power loss has torn there, or a
    /// program has changed that had it open, goes to the trash.
    pub(super) fn is_kept_whole(&mut self, digest: &Digest) -> io::Result<bool> {
        let file = match self.kept.open(digest) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(false),
            other => other?,
        };
        if read_whole(&*self.fs, &file)?.0 == *digest {
            return Ok(true);
        }
        let number = self.trash.number();
        self.trash.retire((self.kept.dir(), &whole_name(digest)), number)?;
        Ok(false)
    }

    /// Step 6: something displaced that is not what was expected is user data.
    pub(super) fn salvage(
        &mut self,
        from: &Spot<F>,
        number: u64,
        was: &Was<'_, F>,
        retire: Retire,
    ) -> io::Result<Salvaged> {
        if self.fs.stat(&from.dir, &from.name)?.kind != FileKind::File {
            return Ok(Salvaged::Not(None));
        }
        let file = self.fs.open_file(&from.dir, &from.name)?;
        if self.wait_for_writer(&file) == Lease::Held {
            return Ok(Salvaged::Not(self.fs.writer(&file)));
        }
        let before = self.fs.stat_file(&file)?;
        let digest = read_whole(&*self.fs, &file)?.0;
        let after = self.fs.stat_file(&file)?;
        if before != after || self.fs.probe(&file) == Lease::Held {
            return Ok(Salvaged::Not(self.fs.writer(&file)));
        }
        if file_digest(was.content) == Some(digest) {
            self.retire(from, number, was, retire)?;
            return Ok(Salvaged::Known);
        }
        if !self.kept.put(from.at(), &digest)? {
            self.trash.retire(from.at(), number)?;
        }
        Ok(Salvaged::Kept(self.displaced(&file, digest)?))
    }

    /// Decides over what was displaced by an install or removal. `Ok(None)`: retired. `Err`: it is
    /// to be put back (`Verdict::Writer`) or was something that cannot be kept.
    pub(super) fn settle(
        &mut self,
        displaced: &Spot<F>,
        number: u64,
        was: &Was<'_, F>,
        retire: Retire,
    ) -> io::Result<Result<Option<Present>, Stop>> {
        match self.verify(&displaced.name, was)? {
            Verdict::Certified => {
                self.step(Step::Verified);
                match self.retire(displaced, number, was, retire) {
                    // A directory that is not empty after all.
                    Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) => {
                        Ok(Err(Stop::NotAsExpected))
                    }
                    other => other.map(|()| Ok(None)),
                }
            }
            Verdict::Writer(who) => Ok(Err(Stop::Busy(who))),
            Verdict::Differs => match self.salvage(displaced, number, was, retire)? {
                Salvaged::Known => Ok(Ok(None)),
                Salvaged::Kept(present) => Ok(Ok(Some(present))),
                Salvaged::Not(None) => Ok(Err(Stop::NotAsExpected)),
                Salvaged::Not(who) => Ok(Err(Stop::Busy(who))),
            },
        }
    }
}
