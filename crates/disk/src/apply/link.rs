//! One more name for a file of the tree, at a free place or over what stands there.
//!
//! The file gets its name in the staging directory first, and what has got one is looked at: then
//! that name is put in place as staged content is. Used by `apply` only.

use super::act::was_of;
use super::certify::is_same_content;
use super::prepare::{Dressed, Job};
use super::{left, stop, Apply, Spot, Step, Stop, Was};
use crate::fs::{FileKind, Fs, On};
use crate::stage::Ready;
use engine::content::Content;
use engine::index::Fingerprint;
use engine::observe::Present;
use engine::plan::{Expected, Outcome, Place, Retire};
use std::io;

impl<F: Fs> Apply<F> {
    pub(super) fn link(
        &mut self,
        (at, expected): (&Place, &Expected),
        (of, file): (&Place, &Expected),
        retire: Retire,
        job: &Job<F>,
    ) -> Result<Outcome, Stop> {
        let number = job.number.expect("links are numbered");
        let was: Was<'_, F> = was_of(file)?;
        let source = self.spot(of)?;
        let mut dressed = self.second_name(&source, &was, number)?;
        self.step(Step::Prepared);
        let displaced = match self.try_install(at, expected, retire, number, &mut dressed) {
            Ok(displaced) => displaced,
            Err((stop, is_unseen)) => {
                if is_unseen {
                    // A file of the tree, and never to be taken for staged content.
                    let _ = self.fs.remove_own(self.stage.dir(), &dressed.name);
                }
                return Err(stop);
            }
        };
        self.parents.leave(&*self.fs, &at.dir_handle);
        let spot = self.spot(at)?;
        // It is done, whatever refuses to be looked at now: the next look tells what has changed.
        let now = self.present(&spot, &was).unwrap_or_else(|_| Present {
            kind: was.kind,
            fingerprint: was.fingerprint.clone(),
            attributes: dressed.attributes.clone(),
            content: was.content.cloned(),
            soft: was.soft,
            zeros: false,
            alone: false,
        });
        Ok(Outcome::Done { now: vec![now], refused: None, displaced })
    }

    /// Gives the file a name in the staging directory, if it is the one that is meant.
    fn second_name(
        &self,
        source: &Spot<F>,
        was: &Was<'_, F>,
        number: u64,
    ) -> Result<Dressed<F>, Stop> {
        let failed = |error: io::Error| stop("give another name to", &source.path, &error);
        let Some(content @ Content::File(digest, size)) = was.content else {
            return Err(Stop::NotAsExpected);
        };
        let dir = self.stage.dir();
        let name = left::name_of(left::DRESSED, number, digest);
        self.fs.link(source.at(), (dir, &name)).map_err(failed)?;
        match self.named(&name, was.fingerprint) {
            Ok(Some((file, stat))) => {
                let attributes = stat.attributes(self.fs.xattrs(On::File(&file)).map_err(failed)?);
                let ready = Ready { size: *size, zeros: false };
                let (file, content) = (Some(file), content.clone());
                Ok(Dressed { name, file, content, ready, stat, attributes })
            }
            other => {
                // Whatever it is, it has the name by which it was found.
                let _ = self.fs.remove_own(dir, &name);
                other.map_err(failed)?;
                Err(Stop::NotAsExpected)
            }
        }
    }

    fn named(
        &self,
        name: &engine::path::Name,
        expected: &Fingerprint,
    ) -> io::Result<Option<(F::File, crate::fs::Stat)>> {
        let dir = self.stage.dir();
        if self.fs.stat(dir, name)?.kind != FileKind::File {
            return Ok(None);
        }
        let file = self.fs.open_file(dir, name)?;
        let stat = self.fs.stat_file(&file)?;
        Ok(is_same_content(&stat.fingerprint(), expected).then_some((file, stat)))
    }
}
