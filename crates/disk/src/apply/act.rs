//! Each act, from its expectation to its outcome.
//!
//! Used by `apply` only.

use super::prepare::Job;
use super::{attributes, certify, done, left, stop, Apply, Spot, Step, Stop, Was};
use crate::fs::{look_at_dir, Fs, Lease, On};
use crate::stage::read_whole;
use engine::content::{Content, Digest};
use engine::entry::{Kind, Xattrs};
use engine::index::Attributes;
use engine::observe::Present;
use engine::path::RelPath;
use engine::plan::{Act, Expected, Outcome, Place, Retire};
use engine::proof::{broken, reached, Mutant};
use std::io;

/// Up to this size a file whose times were set is read again, so that a write in that very instant
/// is seen; a larger one is marked soft instead.
const REREAD_BYTES_MAX: u64 = 1 << 20;

impl<F: Fs> Apply<F> {
    pub(super) fn act(&mut self, act: &Act, job: &mut Job<F>) -> Result<Outcome, Stop> {
        match act {
            Act::MakeDir { at, attributes } => self.make_dir(at, attributes),
            Act::Install { at, expected, attributes, retire, .. } => {
                self.install(at, expected, attributes, *retire, job)
            }
            Act::Link { at, expected, of, file, retire } => {
                self.link((at, expected), (of, file), *retire, job)
            }
            Act::SetAttributes { at, expected, attributes } => {
                self.set_attributes(at.as_ref(), expected, attributes)
            }
            Act::Move { from, expected, to } => self.rename(from, expected, to),
            Act::Exchange { a, a_expected, b, b_expected } => {
                self.exchange((a, a_expected), (b, b_expected))
            }
            Act::Remove { at, expected, retire } => self.remove(at, expected, *retire, job),
            Act::Keep { digest } => self.keep(digest),
            Act::Release { digest, of } => self.release(digest, of, job),
        }
    }

    fn make_dir(&mut self, at: &Place, wanted: &Attributes) -> Result<Outcome, Stop> {
        let spot = self.spot(at)?;
        let failed = |error: io::Error| stop("make the directory", &spot.path, &error);
        self.fs.make_dir(&spot.dir, &spot.name).map_err(failed)?;
        let dir = self.fs.open_child(&spot.dir, &spot.name).map_err(failed)?;
        let before = self.fs.stat_dir(&dir).map_err(failed)?;
        let inherited = self.fs.xattrs(On::Dir(&dir)).map_err(failed)?;
        let before = before.attributes(inherited);
        let agreed = attributes::dress(&*self.fs, On::Dir(&dir), &before, wanted);
        let agreed = agreed.map_err(failed)?;
        self.step(Step::Swapped);
        let now = look_at_dir(&*self.fs, &dir).map_err(failed)?;
        self.dressed(now, &agreed, wanted).map_err(failed)
    }

    fn install(
        &mut self,
        at: &Place,
        expected: &Expected,
        wanted: &Attributes,
        retire: Retire,
        job: &mut Job<F>,
    ) -> Result<Outcome, Stop> {
        let mut dressed = job.take()?;
        let number = job.number.expect("installs are numbered");
        let tried = self.try_install(at, expected, retire, number, &mut dressed);
        let displaced = match tried {
            Ok(displaced) => displaced,
            Err((stop, true)) => {
                job.untake(dressed);
                return Err(stop);
            }
            Err((stop, false)) => return Err(stop),
        };
        self.parents.leave(&*self.fs, &at.dir_handle);
        let after = match &dressed.file {
            // In this order: what comes after the first is seen by the next look.
            Some(file) => {
                let stat = self.fs.stat_file(file);
                stat.and_then(|stat| Ok((stat, self.fs.xattrs(On::File(file))?)))
            }
            None => self
                .spot(at)
                .and_then(|spot| {
                    let look = |error: io::Error| stop("look at", &spot.path, &error);
                    self.fs.stat(&spot.dir, &spot.name).map_err(look)
                })
                .map(|stat| (stat, dressed.attributes.xattrs.clone()))
                .map_err(|_| io::Error::from_raw_os_error(libc::ENOENT)),
        };
        let is_racy = self.is_racy(wanted.mtime);
        let now = dressed.present(after.ok(), is_racy);
        let refused = dressed.refused(wanted);
        Ok(Outcome::Done { now: vec![now], refused, displaced })
    }

    /// The error says whether what was staged is still unseen in staging.
    pub(super) fn try_install(
        &mut self,
        at: &Place,
        expected: &Expected,
        retire: Retire,
        number: u64,
        dressed: &mut super::Dressed<F>,
    ) -> Result<Option<Present>, (Stop, bool)> {
        let spot = self.spot(at).map_err(|stop| (stop, true))?;
        let Some(was) = self.check(&spot, expected).map_err(|stop| (stop, true))? else {
            self.step(Step::Checked);
            let put = self.put_new(&self.staged(dressed), &spot);
            if matches!(put, Err(Stop::NotAsExpected)) {
                reached("somebody was faster at a free name");
            }
            put.map_err(|stop| (stop, true))?;
            self.step(Step::Swapped);
            return Ok(None);
        };
        self.step(Step::Checked);
        let displaced = self.swap(dressed, &spot, number).map_err(|stop| (stop, true))?;
        self.step(Step::Swapped);
        match self.settle(&displaced, number, &was, retire) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(stop)) => {
                let back = self.unswap(&displaced, &spot, dressed, number);
                Err((stop, back))
            }
            // It cannot be told now what it is: it stays in staging, and the install stands.
            Err(_) => {
                self.leave(&displaced, number, &spot.path);
                Ok(None)
            }
        }
    }

    fn remove(
        &mut self,
        at: &Place,
        expected: &Expected,
        retire: Retire,
        job: &Job<F>,
    ) -> Result<Outcome, Stop> {
        let spot = self.spot(at)?;
        let was = self.check(&spot, expected)?.ok_or(Stop::NotAsExpected)?;
        let failed = |error: io::Error| stop("remove", &spot.path, &error);
        self.step(Step::Checked);
        if was.kind == Kind::Dir {
            let removed = self.fs.remove_dir(&spot.dir, &spot.name);
            if matches!(&removed, Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY)) {
                reached("a directory to be removed is not empty");
            }
            removed.map_err(failed)?;
            self.step(Step::Swapped);
            return Ok(done(Vec::new()));
        }
        let number = job.number.expect("removals are numbered");
        let aside = self.aside(left::ASIDE, number);
        self.fs.rename_in(spot.at(), aside.at()).map_err(failed)?;
        self.step(Step::Swapped);
        // Something else than expected goes back to its name; only if that is taken is it kept.
        let unseen = broken(Mutant::RemovalsUnverified);
        let verdict =
            if unseen { Ok(certify::Verdict::Certified) } else { self.verify(&aside.name, &was) };
        let settled = match verdict {
            Ok(certify::Verdict::Certified) => {
                self.step(Step::Verified);
                self.retire(&aside, number, &was, retire)
            }
            Ok(certify::Verdict::Writer(who)) => {
                self.bring_back(&aside, &spot, number);
                return Err(Stop::Busy(who));
            }
            Ok(certify::Verdict::Differs) | Err(_) => {
                self.bring_back(&aside, &spot, number);
                return Err(Stop::NotAsExpected);
            }
        };
        if settled.is_err() {
            self.leave(&aside, number, &spot.path);
        }
        Ok(done(Vec::new()))
    }

    /// Only which inode it is matters: a rename harms no writer and no bytes.
    fn check_inode(&self, spot: &Spot<F>, expected: &Expected) -> Result<(), Stop> {
        let Expected::Exactly { fingerprint, .. } = expected else {
            return Err(Stop::NotAsExpected);
        };
        let look = |error: io::Error| stop("look at", &spot.path, &error);
        let stat = self.fs.stat(&spot.dir, &spot.name).map_err(look)?;
        if stat.handle == fingerprint.handle {
            return Ok(());
        }
        Err(Stop::NotAsExpected)
    }

    fn rename(&mut self, from: &Place, expected: &Expected, to: &Place) -> Result<Outcome, Stop> {
        let (source, target) = (self.spot(from)?, self.spot(to)?);
        self.check_inode(&source, expected)?;
        self.step(Step::Checked);
        let failed = |error: io::Error| stop("rename", &source.path, &error);
        self.fs.rename_new(source.at(), target.at()).map_err(failed)?;
        self.step(Step::Swapped);
        let moved = self.check_inode(&target, expected);
        let moved = if broken(Mutant::MovesUnverified) { Ok(()) } else { moved };
        let was = was_of(expected)?;
        let now = moved.and_then(|()| self.present(&target, &was));
        if now.is_err() {
            // What was moved is not what was meant, or nobody can say what it is: told as not done,
            // it must not be. If its name was taken meanwhile it stays here, visible; the next look
            // finds it.
            let _ = self.fs.rename_new(target.at(), source.at());
        }
        Ok(done(vec![now?]))
    }

    fn exchange(
        &mut self,
        (a, a_expected): (&Place, &Expected),
        (b, b_expected): (&Place, &Expected),
    ) -> Result<Outcome, Stop> {
        let (first, second) = (self.spot(a)?, self.spot(b)?);
        self.check_inode(&first, a_expected)?;
        self.check_inode(&second, b_expected)?;
        self.step(Step::Checked);
        let failed = |error: io::Error| stop("swap", &first.path, &error);
        self.swap_names(&first, &second).map_err(failed)?;
        self.step(Step::Swapped);
        let now = self.swapped((&first, b_expected), (&second, a_expected));
        if now.is_err() {
            // As in a rename: told as not done, it must not be.
            let _ = self.swap_names(&first, &second);
        }
        now
    }

    /// What two names show that changed places, if it is what was meant.
    fn swapped(
        &self,
        (first, at_first): (&Spot<F>, &Expected),
        (second, at_second): (&Spot<F>, &Expected),
    ) -> Result<Outcome, Stop> {
        self.check_inode(first, at_first)?;
        self.check_inode(second, at_second)?;
        let first = self.present(first, &was_of(at_first)?)?;
        Ok(done(vec![first, self.present(second, &was_of(at_second)?)?]))
    }

    fn set_attributes(
        &mut self,
        at: Option<&Place>,
        expected: &Expected,
        wanted: &Attributes,
    ) -> Result<Outcome, Stop> {
        let Some(at) = at else {
            let root = self.root.clone();
            return self.dress_dir(&root, &RelPath::root(), expected, wanted);
        };
        let spot = self.spot(at)?;
        let was: Was<'_, F> = was_of(expected)?;
        let failed = |error: io::Error| stop("set attributes of", &spot.path, &error);
        if was.kind == Kind::Dir {
            let dir = self.fs.open_child(&spot.dir, &spot.name).map_err(failed)?;
            return self.dress_dir(&dir, &spot.path, expected, wanted);
        }
        let was = self.check_quiet(&spot, expected, wanted)?;
        self.step(Step::Checked);
        let on = match &was.file {
            Some(file) => On::File(file),
            None => On::Link(&spot.dir, &spot.name),
        };
        let stat = match &was.file {
            Some(file) => self.fs.stat_file(file),
            None => self.fs.stat(&spot.dir, &spot.name),
        };
        let before = stat.and_then(|stat| Ok(stat.attributes(self.fs.xattrs(on)?)));
        let before = before.map_err(failed)?;
        let agreed = attributes::dress(&*self.fs, on, &before, wanted).map_err(failed)?;
        self.step(Step::Swapped);
        let timed = wanted.mtime != before.mtime;
        let now = self.present_dressed(&spot, &was, timed).map_err(failed)?;
        self.dressed(now, &agreed, wanted).map_err(failed)
    }

    /// As [`Apply::check`], but a writer is no hindrance unless the time is to be set, which would
    /// hide what it writes.
    fn check_quiet<'a>(
        &self,
        spot: &Spot<F>,
        expected: &'a Expected,
        wanted: &Attributes,
    ) -> Result<Was<'a, F>, Stop> {
        let mut was = was_of(expected)?;
        if was.kind != Kind::File || wanted.mtime != was.fingerprint.mtime {
            return self.check(spot, expected)?.ok_or(Stop::NotAsExpected);
        }
        let look = |error: io::Error| stop("look at", &spot.path, &error);
        let file = self.fs.open_file(&spot.dir, &spot.name).map_err(look)?;
        if self.fs.stat_file(&file).map_err(look)?.fingerprint() != *was.fingerprint {
            return Err(Stop::NotAsExpected);
        }
        was.file = Some(file);
        Ok(was)
    }

    /// A file or symlink after its attributes were set. A write in the same instant as the setting
    /// of its time would be invisible ever after: so it is read again, or marked soft.
    fn present_dressed(
        &self,
        spot: &Spot<F>,
        was: &Was<'_, F>,
        timed: bool,
    ) -> io::Result<Present> {
        let (stat, xattrs) = match &was.file {
            Some(file) => (self.fs.stat_file(file)?, self.fs.xattrs(On::File(file))?),
            None => (self.fs.stat(&spot.dir, &spot.name)?, Xattrs::new()),
        };
        let mut same = stat.size == was.fingerprint.size
            && stat.handle == was.fingerprint.handle
            && (timed || stat.mtime == was.fingerprint.mtime);
        let mut soft = was.soft;
        if let Some(file) = &was.file {
            soft |= self.fs.probe(file) != Lease::Free;
            if timed && stat.size <= REREAD_BYTES_MAX {
                let digest = read_whole(&*self.fs, file)?.0;
                same &= certify::file_digest(was.content).is_none_or(|then| then == digest);
            } else if timed {
                soft = true;
            }
        }
        Ok(Present {
            kind: was.kind,
            fingerprint: if same { stat.fingerprint() } else { was.fingerprint.clone() },
            attributes: stat.attributes(xattrs),
            content: was.content.cloned(),
            soft,
            zeros: false,
            alone: false,
        })
    }

    fn dress_dir(
        &mut self,
        dir: &F::Dir,
        path: &RelPath,
        expected: &Expected,
        wanted: &Attributes,
    ) -> Result<Outcome, Stop> {
        let failed = |error: io::Error| stop("set attributes of", path, &error);
        let was: Was<'_, F> = was_of(expected)?;
        let stat = self.fs.stat_dir(dir).map_err(failed)?;
        if stat.handle != was.fingerprint.handle {
            return Err(Stop::NotAsExpected);
        }
        self.step(Step::Checked);
        let xattrs = self.fs.xattrs(On::Dir(dir)).map_err(failed)?;
        let before = stat.attributes(xattrs);
        let agreed = attributes::dress(&*self.fs, On::Dir(dir), &before, wanted);
        let agreed = agreed.map_err(failed)?;
        self.step(Step::Swapped);
        let now = look_at_dir(&*self.fs, dir).map_err(failed)?;
        self.parents.set(&now.fingerprint.handle, now.attributes.mtime);
        self.dressed(now, &agreed, wanted).map_err(failed)
    }

    fn keep(&mut self, digest: &Digest) -> Result<Outcome, Stop> {
        let failed = |error: io::Error| stop("keep a content of", &RelPath::root(), &error);
        if self.is_kept_whole(digest).map_err(failed)? {
            // Another entry had it kept. Whoever asks takes what was staged for used.
            self.stage.discard(digest).map_err(failed)?;
            return Ok(done(Vec::new()));
        }
        let number = self.trash.number();
        let name = left::name_of(left::DRESSED, number, digest);
        let taken = self.stage.take(digest, &name, false).map_err(failed)?;
        taken.ok_or(Stop::NotStaged)?;
        self.kept.put((self.stage.dir(), &name), digest).map_err(failed)?;
        Ok(done(Vec::new()))
    }

    fn release(&mut self, digest: &Digest, of: &RelPath, job: &Job<F>) -> Result<Outcome, Stop> {
        let failed = |error: io::Error| stop("release a content of", of, &error);
        let number = job.number.expect("releases are numbered");
        let aside = self.aside(left::RELEASED, number);
        match self.kept.take(digest, aside.at()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                return Ok(done(Vec::new()));
            }
            other => other.map_err(failed)?,
        }
        self.trash.retire(aside.at(), number).map_err(failed)?;
        Ok(done(Vec::new()))
    }
}

pub(super) fn was_of<F: Fs>(expected: &Expected) -> Result<Was<'_, F>, Stop> {
    match expected {
        Expected::Exactly { kind, fingerprint, content, soft } => {
            let content: Option<&Content> = content.as_ref();
            Ok(Was { kind: *kind, fingerprint, content, soft: *soft, file: None })
        }
        Expected::Nothing => Err(Stop::NotAsExpected),
    }
}
