//! The folder's hands: operations carried out on its tree, and its filesystem synced. Two threads,
//! so that a sync of much holds up no operation. Called by `folder` when it starts.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use disk::apply::Apply;
use disk::fs::Fs;
use disk::linux::Linux;
use engine::engine::Input;
use engine::path::RelPath;
use engine::plan::Operation;

use super::control::Event;
use super::status::Board;
use super::RootDir;

/// How often what waits in staging is looked at again, and the trash is kept within its bounds.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Applies batches until nobody hands any more.
pub fn apply_batches(
    mut apply: Apply<Linux>,
    batches: &Receiver<Vec<Operation>>,
    control: &SyncSender<Event>,
    board: &Board,
) {
    let mut tidied = Instant::now();
    publish_strays(&mut apply, board);
    loop {
        match batches.recv_timeout(TIDY_EVERY) {
            Ok(batch) => {
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
        }
    }
}

/// Looks again at what waits in staging for its writer, and purges the trash.
fn tidy(apply: &mut Apply<Linux>, board: &Board) {
    if apply.left_count() > 0 {
        if let Err(error) = apply.revisit() {
            board.notice(&RelPath::root(), format!("what waits in staging: {error}"));
        }
    }
    if let Err(error) = apply.purge(0) {
        board.notice(&RelPath::root(), format!("the trash cannot be purged: {error}"));
    }
    publish_strays(apply, board);
}

/// User bytes that came to light outside an operation lie in the conflict store; say so.
fn publish_strays(apply: &mut Apply<Linux>, board: &Board) {
    for stray in apply.strays() {
        let path = stray.path.unwrap_or_default();
        let digest = stray.digest;
        board.notice(
            &path,
            format!("an unpublished version is kept in the conflict store as {digest}"),
        );
    }
}

/// Syncs the filesystem until nobody asks any more.
pub fn syncs(fs: &Linux, dir: &RootDir, epochs: &Receiver<u64>, control: &SyncSender<Event>) {
    while let Ok(epoch) = epochs.recv() {
        match fs.sync_volume(dir) {
            Ok(()) => {
                if control.send(Event::Inputs(vec![Input::Synced(epoch)])).is_err() {
                    return;
                }
            }
            Err(error) => tracing::error!(%error, "the filesystem cannot be synced"),
        }
    }
}
