//! What lost against a concurrent edit: found in the index and in the conflict store, shown, and
//! handed to the engine with a person's word on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest;
use disk::store::Store;
use engine::content::{Content, Digest};
use engine::dot::Dot;
use engine::engine::{FolderEngine, Input};
use engine::entry::EntryId;
use engine::index::Index;
use engine::message::FolderId;
use engine::observe::Verdict;
use engine::path::{Name, RelPath};
use engine::view as tree;

use super::show::hex;
use super::Daemon;
use crate::control::{Exit, Failure, Items};
use crate::folder::Folder;
use crate::view::{Conflict, ConflictShown, Done};

/// A conflict as it is shown, and what it is for the engine.
struct Lost {
    shown: Conflict,
    is: Loser,
}

enum Loser {
    /// A content of this entry.
    Version(EntryId, Content),
    /// Bytes in the conflict store.
    Unnamed(Digest),
}

/// A person's word on a loser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// It is the file again.
    Keep,
    /// It is a file of its own, at this path.
    KeepAs(String),
    /// It is not needed.
    Drop,
}

/// Entries with losers that a folder is asked for at once: its work goes on in between.
const PAGE: usize = 1000;

/// A way through what lost in one folder, page by page.
struct Walk {
    folder: String,
    held: Arc<Folder>,
    /// Entries up to this one, and nothing else; without: all there is.
    last: Option<EntryId>,
    after: Option<EntryId>,
    /// In the conflict store, and named by no version met so far.
    unnamed: BTreeSet<Digest>,
    is_over: bool,
}

impl Walk {
    /// The next losers; `None` when all were told, or the folder is at work no more.
    async fn next(&mut self) -> Option<Vec<Lost>> {
        if self.is_over {
            return None;
        }
        let (folder, after, last) = (self.folder.clone(), self.after, self.last);
        let ask = move |_: &FolderEngine, store: &Store| versions(store, &folder, after, last);
        let (mut all, next) = self.held.ask(ask).await?;
        for lost in &all {
            if let Loser::Version(_, Content::File(digest, _)) = &lost.is {
                self.unnamed.remove(digest);
            }
        }
        self.after = next;
        self.is_over = next.is_none();
        if self.is_over && self.last.is_none() {
            let inside = std::mem::take(&mut self.unnamed);
            let ask = move |_: &FolderEngine, store: &Store| {
                inside.into_iter().filter(|digest| !store.is_kept(digest)).collect()
            };
            let unknown: Vec<Digest> = self.held.ask(ask).await?;
            let (folder, kept) = (self.folder.clone(), self.held.kept.clone());
            let told = tokio::task::spawn_blocking(move || unnamed(&unknown, &folder, &kept));
            all.extend(told.await.unwrap_or_default());
        }
        Some(all)
    }
}

impl Daemon {
    /// Sends all that is listed, as it is found.
    pub(super) async fn conflicts(
        &self,
        name: Option<String>,
        items: &Items,
    ) -> Result<(), Failure> {
        for (id, held) in self.meant(name)? {
            let mut walk = self.walk(id, held, None).await;
            while let Some(page) = walk.next().await {
                for lost in page {
                    if !items.send(&self.with_names(lost.shown)).await {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Through all that lost in a folder, or through those that can be called so.
    async fn walk(&self, id: FolderId, held: Arc<Folder>, called: Option<&str>) -> Walk {
        let begin = called.and_then(|called| called.split_once('-')).map(|(begin, _)| begin);
        let begin = begin.and_then(|begin| u32::from_str_radix(begin, 16).ok());
        let first = begin.map(|begin| u128::from(begin) << 96);
        let mut unnamed = BTreeSet::new();
        if first.is_none() {
            let losers = held.losers.clone();
            let inside = tokio::task::spawn_blocking(move || losers.list()).await;
            unnamed.extend(inside.ok().and_then(Result::ok).unwrap_or_default());
        }
        let entry = |number: u128| EntryId(number.to_be_bytes());
        Walk {
            folder: self.folder_name(id),
            held,
            last: first.map(|first| entry(first | u128::MAX >> 32)),
            after: first.and_then(|first| first.checked_sub(1)).map(entry),
            unnamed,
            is_over: false,
        }
    }

    /// With nodes called by their names.
    fn with_names(&self, mut shown: Conflict) -> Conflict {
        for node in [&mut shown.node, &mut shown.winner_node] {
            *node = self.name_of_hex(node);
        }
        shown
    }

    /// The name of the node whose key is given in hex; what is no key stays.
    fn name_of_hex(&self, key: &str) -> String {
        let all = self.members.with(|map| map.members().keys().copied().collect::<Vec<_>>());
        let found = all.into_iter().find(|id| hex(&id.0) == key);
        found.map_or_else(|| key.to_owned(), |id| self.node_name(id))
    }

    async fn lost_in(&self, folder: FolderId, held: &Arc<Folder>, id: &str) -> Option<Lost> {
        let mut walk = self.walk(folder, held.clone(), Some(id)).await;
        while let Some(page) = walk.next().await {
            if let Some(mut lost) = page.into_iter().find(|lost| lost.shown.id == id) {
                lost.shown = self.with_names(lost.shown);
                return Some(lost);
            }
        }
        None
    }

    async fn lost_called(&self, id: &str) -> Result<(Lost, FolderId, Arc<Folder>), Failure> {
        for (folder, held) in self.meant(None)? {
            if let Some(lost) = self.lost_in(folder, &held, id).await {
                return Ok((lost, folder, held));
            }
        }
        let words =
            format!("no conflict {id:?} (see `syncline conflicts list`); nothing was changed");
        Err(Failure::new(Exit::Usage, words))
    }

    /// One of them, and where its bytes lie.
    pub(super) async fn conflict(&self, id: &str) -> Result<ConflictShown, Failure> {
        let (Lost { shown: conflict, .. }, _, held) = self.lost_called(id).await?;
        let path = held.kept.join(&conflict.hash);
        let in_store = conflict.available && conflict.link.is_none();
        let stored_at = in_store.then(|| path.display().to_string());
        Ok(ConflictShown { conflict, stored_at })
    }

    /// Hands a person's word to the engine, and sees whether it was taken.
    pub(super) async fn decree(&self, id: &str, word: Word) -> Result<Done, Failure> {
        let (lost, folder, held) = self.lost_called(id).await?;
        let failed = |words: String| {
            Err(Failure::new(Exit::Failed, format!("conflict {id}: {words}; nothing was changed")))
        };
        let message = done(&lost.shown, &word);
        let verdict = match (lost.is, word) {
            (Loser::Version(..), Word::Keep | Word::KeepAs(_)) if !lost.shown.available => {
                return failed(
                    "its bytes are not on this node yet; they come when a node that has them is \
                     connected (`syncline node list`)"
                        .to_owned(),
                );
            }
            (Loser::Version(entry, content), Word::Keep) => Verdict::Keep(entry, content),
            (Loser::Version(entry, content), Word::Drop) => Verdict::Drop(entry, content),
            (Loser::Unnamed(digest), Word::Drop) => Verdict::DropUnnamed(digest),
            (Loser::Unnamed(_), Word::Keep) => {
                return failed(format!(
                    "nobody knows which file these bytes were; say where they belong \
                     (`syncline conflicts keep {id} --as PATH`)"
                ));
            }
            (is, Word::KeepAs(path)) => {
                let Some(to) = free_path(&held, &path).await? else {
                    return failed(format!(
                        "{path:?} is taken, or its directory is not there; name another path"
                    ));
                };
                match is {
                    Loser::Version(entry, content) => Verdict::KeepAs(Some(entry), content, to),
                    Loser::Unnamed(digest) => {
                        let content = Content::File(digest, lost.shown.bytes);
                        Verdict::KeepAs(None, content, to)
                    }
                }
            }
        };
        let ready = held.ask(|engine, _| engine.takes_verdicts()).await;
        if ready != Some(true) {
            return failed(format!(
                "folder {:?} is paused, stopped, or still being read (`syncline status`)",
                lost.shown.folder
            ));
        }
        held.input(Input::Verdict(verdict));
        if self.lost_in(folder, &held, id).await.is_some() {
            return failed("it has just changed; look at it again, and repeat".to_owned());
        }
        Ok(Done { message })
    }
}

/// A path in the folder at which nothing is, here or in what all nodes show.
async fn free_path(held: &Folder, path: &str) -> Result<Option<RelPath>, Failure> {
    let wrong = || {
        let words = format!("{path:?} is no path in the folder; nothing was changed");
        Failure::new(Exit::Usage, words)
    };
    let to = RelPath::parse(path.as_bytes()).map_err(|_| wrong())?;
    let is_ours = |name: &Name| name.as_bytes().starts_with(b".syncline");
    if to.is_root() || to.names().first().is_some_and(is_ours) {
        return Err(wrong());
    }
    let on_disk = held.path.join(path);
    let there = tokio::task::spawn_blocking(move || std::fs::symlink_metadata(on_disk).is_ok());
    if there.await.unwrap_or(true) {
        return Ok(None);
    }
    let asked = to.clone();
    let free = held.ask(move |_, store| engine::observe::is_free(store, &asked)).await;
    Ok((free == Some(true)).then_some(to))
}

fn done(conflict: &Conflict, word: &Word) -> String {
    let Conflict { path, node, .. } = conflict;
    match word {
        Word::Keep => format!(
            "{path} is the version of {node} again, soon on every node; what was there goes to \
             the trash"
        ),
        Word::KeepAs(to) => format!("the version of {node} of {path} is {to}, soon on every node"),
        Word::Drop => {
            format!("the version of {node} of {path} is dropped; its bytes go to the trash")
        }
    }
}

/// What lost in the next entries after one, up to `last`, and after which to go on.
fn versions(
    store: &Store,
    folder: &str,
    after: Option<EntryId>,
    last: Option<EntryId>,
) -> (Vec<Lost>, Option<EntryId>) {
    let lives = store.incarnations();
    let owner = |dot: Dot| {
        let life = lives.iter().find(|life| life.incarnation == dot.incarnation);
        life.map_or_else(|| format!("{:?}", dot.incarnation), |life| hex(&life.node.0))
    };
    let page = store.conflicts(after, PAGE);
    let is_meant = |id: &EntryId| last.is_none_or(|last| *id <= last);
    let next = page.last().copied().filter(|id| page.len() == PAGE && is_meant(id));
    let mut all = Vec::new();
    for id in page.into_iter().filter(is_meant) {
        let Some(stored) = store.entry(id) else { continue };
        let whole = tree::whole(store, &stored.entry);
        let Some(winner) = tree::winner(&whole.data) else { continue };
        let path = path_of(store, id);
        for loser in tree::losers(store, &stored.entry) {
            // Of those of one entry each holds something else: by that it is named.
            let (mark, bytes, hash, link, available) = match &loser.content {
                Content::File(digest, size) => {
                    let kept = store.is_kept(digest);
                    (hex(&digest.0[..4]), *size, digest.to_string(), None, kept)
                }
                Content::Link(target) => {
                    let mark = digest::digest(&digest::SHA256, target);
                    let mark = format!("link{}", hex(&mark.as_ref()[..4]));
                    let text = String::from_utf8_lossy(target).into_owned();
                    (mark, target.len() as u64, String::new(), Some(text), true)
                }
            };
            let shown = Conflict {
                id: format!("{}-{mark}", hex(&id.0[..4])),
                folder: folder.to_owned(),
                path: path.clone(),
                node: owner(loser.stamp.dot),
                time_ms: loser.stamp.hlc.unix_ms(),
                bytes,
                hash,
                link,
                winner_node: owner(tree::lost_to(winner, &loser)),
                available,
            };
            all.push(Lost { shown, is: Loser::Version(id, loser.content.clone()) });
        }
    }
    (all, next)
}

/// Contents in the conflict store that no version of any entry names: put there by an operation
/// that a kill cut off before it was written down. Nothing deletes them, so they are listed.
fn unnamed(inside: &[Digest], folder: &str, kept: &Path) -> Vec<Lost> {
    let mut all = Vec::new();
    for digest in inside {
        let hash = digest.to_string();
        let Ok(stat) = std::fs::symlink_metadata(kept.join(&hash)) else { continue };
        let written = stat.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let shown = Conflict {
            id: format!("unnamed-{}", hex(&digest.0[..4])),
            folder: folder.to_owned(),
            path: "(kept when an operation was cut off)".to_owned(),
            node: "-".to_owned(),
            time_ms: written.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(0)),
            bytes: stat.len(),
            hash,
            link: None,
            winner_node: "-".to_owned(),
            available: true,
        };
        all.push(Lost { shown, is: Loser::Unnamed(*digest) });
    }
    all
}

fn path_of(store: &Store, id: EntryId) -> String {
    let row = store.seen_of(id);
    let path = row.and_then(|row| engine::observe::path_of(store, row.slot));
    path.map_or_else(|| "(not in place here)".to_owned(), |path| path.to_string())
}
