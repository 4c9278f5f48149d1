//! The first half of a batch: staged content gets its attributes and becomes durable, before the
//! tree is touched.
//!
//! Used by `apply` only.

use super::{attributes, left, stop, Apply, Stop};
use crate::fs::{Fs, On, Stat};
use crate::stage::Ready;
use engine::content::{Content, Digest};
use engine::entry::{Kind, Xattrs};
use engine::index::Attributes;
use engine::observe::Present;
use engine::path::{Name, RelPath};
use engine::plan::{Act, Operation};
use engine::proof::{broken, reached, Mutant};
use std::collections::BTreeMap;
use std::io;

/// A staged thing that is ready to be given its name.
pub(super) struct Dressed<F: Fs> {
    /// Its name in the staging directory.
    pub(super) name: Name,
    /// Open for reading, where it is a file.
    pub(super) file: Option<F::File>,
    /// What it holds.
    pub(super) content: Content,
    /// What is known of a file's content.
    pub(super) ready: Ready,
    /// As it was looked at when dressed.
    pub(super) stat: Stat,
    /// Its attributes then.
    pub(super) attributes: Attributes,
}

/// One operation with what was prepared for it.
pub(super) struct Job<F: Fs> {
    /// The number in the names of what it stages and displaces; `None` where it does neither.
    pub(super) number: Option<u64>,
    /// Taken by the operation when the tree has it. `None` for operations that install nothing.
    pub(super) dressed: Option<Result<Dressed<F>, Stop>>,
}

impl<F: Fs> Job<F> {
    /// What was prepared, or why it was not.
    pub(super) fn take(&mut self) -> Result<Dressed<F>, Stop> {
        self.dressed.take().unwrap_or(Err(Stop::NotStaged))
    }

    /// Hands back what the tree did not get, for [`Apply::put_back`].
    pub(super) fn untake(&mut self, dressed: Dressed<F>) {
        self.dressed = Some(Ok(dressed));
    }
}

impl<F: Fs> Dressed<F> {
    /// The name under which it is exchanged with what stands in the tree.
    pub(super) fn swap_name(&self, number: u64) -> Name {
        match &self.content {
            Content::File(digest, _) => left::name_of(left::SWAP, number, digest),
            Content::Link(_) => left::name(left::SWAP, number),
        }
    }

    /// What stands in the tree, given a look at it after it got its name. If somebody changed it
    /// already, it is described as it was staged, so that the change is still to be seen. Where
    /// `is_racy`, a write of this very moment may have left its times as they are.
    pub(super) fn present(&self, after: Option<(Stat, Xattrs)>, is_racy: bool) -> Present {
        let same = |(after, xattrs): &(Stat, Xattrs)| {
            after.size == self.stat.size
                && after.mtime == self.stat.mtime
                && after.handle == self.stat.handle
                && (after.mode, after.owner) == (self.stat.mode, self.stat.owner)
                && *xattrs == self.attributes.xattrs
        };
        let stat = after.filter(same).map_or_else(|| self.stat.clone(), |(after, _)| after);
        let kind = stat.kind.entry().expect("files and symlinks only are staged");
        Present {
            kind,
            fingerprint: stat.fingerprint(),
            attributes: stat.attributes(self.attributes.xattrs.clone()),
            content: Some(self.content.clone()),
            soft: is_racy && kind == Kind::File,
            zeros: self.ready.zeros,
            alone: false,
        }
    }

    /// What was asked for, if it is not what the file got.
    pub(super) fn refused(&self, wanted: &Attributes) -> Option<Attributes> {
        (self.attributes != *wanted).then(|| wanted.clone())
    }
}

impl<F: Fs> Apply<F> {
    pub(super) fn prepare(&mut self, batch: &[Operation]) -> Vec<Job<F>> {
        let mut uses: BTreeMap<Digest, usize> = BTreeMap::new();
        for operation in batch {
            match &operation.act {
                Act::Install { content: Content::File(digest, _), .. } | Act::Keep { digest } => {
                    *uses.entry(*digest).or_default() += 1;
                }
                _ => {}
            }
        }
        batch.iter().map(|operation| self.prepare_one(&operation.act, &mut uses)).collect()
    }

    fn prepare_one(&mut self, act: &Act, uses: &mut BTreeMap<Digest, usize>) -> Job<F> {
        match act {
            Act::Install { at, content, attributes, .. } => {
                let number = self.trash.number();
                let dressed = match content {
                    Content::File(digest, size) => {
                        let more = uses.get_mut(digest).expect("counted before");
                        *more -= 1;
                        self.dress_file(number, digest, *size, attributes, *more > 0)
                    }
                    Content::Link(target) => self.dress_link(number, target, attributes),
                };
                let dressed = match dressed {
                    Ok(Some(dressed)) => Ok(dressed),
                    Ok(None) => Err(Stop::NotStaged),
                    Err(error) => Err(stop("prepare", &at.path(), &error)),
                };
                Job { number: Some(number), dressed: Some(dressed) }
            }
            Act::Remove { .. } | Act::Release { .. } | Act::Link { .. } => {
                Job { number: Some(self.trash.number()), dressed: None }
            }
            _ => Job { number: None, dressed: None },
        }
    }

    fn dress_file(
        &self,
        number: u64,
        digest: &Digest,
        size: u64,
        wanted: &Attributes,
        copy: bool,
    ) -> io::Result<Option<Dressed<F>>> {
        let name = left::name_of(left::DRESSED, number, digest);
        let Some(ready) = self.stage.take(digest, &name, copy)? else {
            return Ok(None);
        };
        let content = Content::File(*digest, size);
        let dressed = self.dress_taken(name.clone(), (content, ready), wanted);
        if dressed.is_err() {
            // What cannot be given back now is found again when it is needed next.
            let _ = self.stage.give_back(digest, ready, &name);
        }
        dressed.map(Some)
    }

    fn dress_taken(
        &self,
        name: Name,
        (content, ready): (Content, Ready),
        wanted: &Attributes,
    ) -> io::Result<Dressed<F>> {
        // Opened for reading: a descriptor of ours for writing would look like a writer.
        let file = self.fs.open_file(self.stage.dir(), &name)?;
        let on = On::File(&file);
        // What an earlier operation gave back to the stage still has that one's attributes.
        let before = self.fs.stat_file(&file)?.attributes(self.fs.xattrs(on)?);
        attributes::dress(&*self.fs, on, &before, wanted)?;
        let stat = self.fs.stat_file(&file)?;
        let none = wanted.xattrs.is_empty() && before.xattrs.is_empty();
        let xattrs = if none { BTreeMap::new() } else { self.fs.xattrs(on)? };
        let attributes = stat.attributes(xattrs);
        Ok(Dressed { name, file: Some(file), content, ready, stat, attributes })
    }

    fn dress_link(
        &self,
        number: u64,
        target: &[u8],
        wanted: &Attributes,
    ) -> io::Result<Option<Dressed<F>>> {
        let name = left::name(left::DRESSED, number);
        let dir = self.stage.dir();
        self.fs.make_link(dir, &name, target)?;
        let on = On::Link(dir, &name);
        let before = self.fs.stat(dir, &name)?.attributes(BTreeMap::new());
        attributes::dress(&*self.fs, on, &before, wanted)?;
        let stat = self.fs.stat(dir, &name)?;
        let attributes = stat.attributes(BTreeMap::new());
        let ready = Ready { size: target.len() as u64, zeros: false };
        let content = Content::Link(target.into());
        Ok(Some(Dressed { name, file: None, content, ready, stat, attributes }))
    }

    /// A lone file is synced alone; more of them by one sync of the filesystem (decisions B2).
    /// Content that cannot be made durable is not installed.
    pub(super) fn make_durable(&mut self, jobs: &mut [Job<F>]) {
        let dressed = |job: &Job<F>| matches!(&job.dressed, Some(Ok(one)) if one.file.is_some());
        let count = jobs.iter().filter(|job| dressed(job)).count();
        let synced = match count {
            0 => Ok(()),
            _ if broken(Mutant::NothingDurable) => Ok(()),
            1 => self.sync_lone(jobs),
            _ => self.fs.sync_volume(self.stage.dir()),
        };
        let Err(error) = synced else {
            return;
        };
        reached("what was staged could not be made durable");
        for job in jobs.iter_mut().filter(|job| dressed(job)) {
            if broken(Mutant::TrustsTheNextSync) {
                self.put_back(job);
            } else {
                self.stage_anew(job);
            }
            let failed = stop("make durable what was staged in", &RelPath::root(), &error);
            job.dressed = Some(Err(failed));
        }
    }

    fn sync_lone(&self, jobs: &[Job<F>]) -> io::Result<()> {
        for job in jobs {
            if let Some(Ok(Dressed { file: Some(file), .. })) = &job.dressed {
                self.fs.sync_file(file)?;
            }
        }
        Ok(())
    }

    /// Gives back to the stage what a sync has failed on.
    fn stage_anew(&self, job: &mut Job<F>) {
        let Some(Ok(dressed)) = job.dressed.take() else {
            return;
        };
        if let Content::File(digest, _) = &dressed.content {
            // What could not be written again is not staged any more, and is asked for anew.
            let _ = self.stage.write_anew(digest, dressed.ready, &dressed.name);
        }
    }

    /// Gives back to the stage what an operation did not use: nobody has seen it.
    pub(super) fn put_back(&mut self, job: &mut Job<F>) {
        let Some(Ok(dressed)) = job.dressed.take() else {
            return;
        };
        let _ = match &dressed.content {
            Content::File(digest, _) => self.stage.give_back(digest, dressed.ready, &dressed.name),
            Content::Link(_) => self.fs.remove_own(self.stage.dir(), &dressed.name),
        };
    }
}
