//! The folder's hands: operations carried out on its tree, and its filesystem synced. Two threads,
//! so that a sync of much holds up no operation. Called by `folder` when it starts.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use disk::apply::Apply;
use disk::fs::Fs;
use disk::linux::Linux;
use disk::root::noted;
use engine::engine::Input;
use engine::observe::Stray;
use engine::path::RelPath;
use engine::plan::Operation;

use super::control::Event;
use super::notices::Cause;
use super::root::RootWatch;
use super::status::Board;
use super::RootDir;

/// How often what waits in staging is looked at again, and the trash is kept within its bounds.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Applies batches until nobody hands any more. Nothing is done in a root that is not in place: the
/// folder stops then, and what it had under way is decided anew when it is opened again.
pub fn apply_batches(
    mut apply: Apply<Linux>,
    batches: &Receiver<Vec<Operation>>,
    root: &RootWatch,
    control: &SyncSender<Event>,
    board: &Board,
) {
    let mut tidied = Instant::now();
    if !publish_strays(&mut apply, control) {
        return;
    }
    loop {
        match batches.recv_timeout(TIDY_EVERY) {
            Ok(batch) => {
                if let Err(why) = root.check(true) {
                    if control.send(Event::Halt(why)).is_err() {
                        return;
                    }
                    continue;
                }
                let ids: Vec<_> = batch.iter().map(|operation| operation.id).collect();
                let outcomes = apply.run(&batch);
                board.did(&batch, &outcomes);
                let outcomes = ids.into_iter().zip(outcomes).collect();
                if control.send(Event::Inputs(vec![Input::Applied(outcomes)])).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if tidied.elapsed() >= TIDY_EVERY {
            tidied = Instant::now();
            tidy(&mut apply, board);
            if !publish_strays(&mut apply, control) {
                return;
            }
        }
    }
}

/// Looks again at what waits in staging for its writer, and purges the trash.
fn tidy(apply: &mut Apply<Linux>, board: &Board) {
    let left = if apply.left_count() > 0 { apply.revisit() } else { Ok(()) };
    let say = |cause: Cause, done: Result<(), String>| match done {
        Ok(()) => board.over(cause, &RelPath::root()),
        Err(text) => board.notice(cause, &RelPath::root(), text),
    };
    say(Cause::Left, left.map_err(|error| format!("what waits in staging: {error}")));
    let purged = apply.purge(0).map(drop);
    say(Cause::Trash, purged.map_err(|error| format!("the trash cannot be purged: {error}")));
}

/// User bytes that came to light outside an operation lie in the conflict store; all nodes are to
/// hear of them. False when the folder has ended.
fn publish_strays(apply: &mut Apply<Linux>, control: &SyncSender<Event>) -> bool {
    let strays = apply.strays().into_iter().map(|stray| {
        let disk::trash::Stray { path, digest, size, mtime, unkept } = stray;
        Input::Stray(Stray { path, digest, size, mtime, unkept })
    });
    let strays: Vec<Input> = strays.collect();
    strays.is_empty() || control.send(Event::Inputs(strays)).is_ok()
}

/// Syncs the filesystem, and notes on it that it does, until nobody asks any more. While it cannot,
/// a notice says so.
pub fn syncs(
    fs: &Linux,
    (dir, state): (&RootDir, &RootDir),
    epochs: &Receiver<u64>,
    control: &SyncSender<Event>,
    board: &Board,
) {
    while let Ok(epoch) = epochs.recv() {
        let synced = noted::note(fs, state, epoch).and_then(|()| fs.sync_volume(dir));
        let input = match synced {
            Ok(()) => {
                board.over(Cause::Sync, &RelPath::root());
                Input::Synced(epoch)
            }
            Err(error) => {
                tracing::error!(%error, "the filesystem cannot be synced");
                board.notice(Cause::Sync, &RelPath::root(), unsynced(&error));
                Input::NotSynced
            }
        };
        if control.send(Event::Inputs(vec![input])).is_err() {
            return;
        }
    }
}

fn unsynced(error: &std::io::Error) -> String {
    format!(
        "the filesystem cannot be synced: {error}; nothing was lost, but a power loss now could \
         undo the latest changes on this node; look after the disk (space, health); it is tried \
         again every few seconds"
    )
}
