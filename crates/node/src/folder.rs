//! One folder held on this node: opened, its threads started, its questions answered, stopped.
//!
//! The data's way through it: `look` (kernel events, scans) -> `control` (engine, index, commit) ->
//! `effects` -> `intake` and `serving` (bytes from and to peers), `hands` (operations on the tree).
//! Decides nothing: that is `engine`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use disk::apply::kept::Kept;
use disk::apply::Apply;
use disk::fs::{look_at_dir, Fs};
use disk::ignore::Ignore;
use disk::linux::Linux;
use disk::root::mark::Mark;
use disk::root::{linux_door, noted, state, Identity as RootIdentity, Root, RootError};
use disk::serve::Serve;
use disk::store::{Store, StoreError};
use disk::watch::{Options, Rung, Stopper, WatchError, Watcher};
use engine::content::Digest;
use engine::engine::{Event as Happened, FolderEngine, Input, Opening};
use engine::entry::{IncarnationRecord, Owner};
use engine::index::{Handle, Index, Meta, Phase};
use engine::message::{FolderId, Piece};
use engine::path::RelPath;
use engine::plan::Operation;
use tokio::sync::mpsc;

use crate::home::{Home, HomeError};
use crate::net::identity::Identity;
use crate::net::NetHandle;

pub mod barrier;
pub mod boot;
pub mod cache;
pub mod control;
pub mod effects;
pub mod hands;
pub mod intake;
pub mod journal;
pub mod life;
pub mod look;
pub mod notices;
pub mod repeats;
pub mod root;
pub mod serving;
pub mod status;

use barrier::Barriers;
use cache::ContentCache;
use control::{Clock, Control, Event};
use effects::Effects;
use intake::{Heard, Intake, Wanted};
use journal::Journal;
use look::{Look, Sight};
use root::RootWatch;
use serving::{copies, Drained, Serving};
use status::Board;

/// An open directory of the real filesystem.
pub type RootDir = Arc<OwnedFd>;

/// Events waiting for the control thread; then peers and looks wait.
const EVENTS_MAX: usize = 256;
/// Messages of peers waiting to be unpacked.
const HEARD_MAX: usize = 64;
/// Data messages waiting to be written.
const DATA_MAX: usize = 16;

/// Who owns none of our files: whether we get leases on those of others is tried on one of these.
const NOBODY: Owner = Owner { uid: 65_534, gid: 65_534 };

/// A folder's index, in its directory in the home.
const INDEX_FILE: &str = "index.sqlite";

/// Why a folder cannot be worked on; nothing in its tree was changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Its root.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Its index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Watching it.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Its own files in the home.
    #[error("{path}: {source}; nothing was changed", path = path.display())]
    Own {
        /// Which file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
}

/// What a folder is opened with.
pub struct Wish<'a> {
    /// The node's home.
    pub home: &'a Home,
    /// The node's key.
    pub identity: &'a Arc<Identity>,
    /// The folder.
    pub id: FolderId,
    /// Its name, for logs.
    pub name: &'a str,
    /// Its root: absolute and without symlinks.
    pub path: &'a Path,
    /// All roots that this node serves.
    pub served: &'a [PathBuf],
    /// How long changes rest.
    pub delay_ms: u64,
    /// Starts paused.
    pub paused: bool,
    /// Other nodes hold it already: their entries come before anything of ours.
    pub has_holders: bool,
    /// Names of nodes for the log.
    pub names: journal::Names,
    /// What was logged of late.
    pub repeats: repeats::Repeats,
    /// Peers.
    pub net: NetHandle,
}

/// A folder that is being worked on.
pub struct Folder {
    /// Its root.
    pub path: PathBuf,
    /// Status.
    pub board: Arc<Board>,
    /// Where conflict losers lie.
    pub kept: PathBuf,
    /// What lies there.
    pub losers: Arc<Kept<Linux>>,
    /// What peers say goes here.
    pub heard: mpsc::Sender<Heard>,
    /// Contents from peers go here.
    pub data: mpsc::Sender<Vec<Piece>>,
    /// Rings when a data lane has drained.
    pub drained: Drained,
    control: SyncSender<Event>,
    guarded: Guarded,
    stopper: Stopper,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Its directory in the home.
    pub own: PathBuf,
    /// Its files.
    pub tree: Tree,
}

/// The root, and what ends its guard when it goes.
struct Guarded {
    root: Arc<RootWatch>,
    _alive: Sender<()>,
}

/// The folder's files as they lie on the disk, for who reads them beside the threads.
#[derive(Clone)]
pub struct Tree {
    /// The filesystem.
    pub fs: Arc<Linux>,
    /// The open root.
    pub dir: RootDir,
    /// What is left out.
    pub ignore: Arc<Ignore>,
}

impl Folder {
    /// Opens the folder and starts its threads.
    ///
    /// # Errors
    /// The root is not in place, or the index cannot be used; see `FolderError`.
    pub fn open(wish: Wish<'_>) -> Result<Folder, FolderError> {
        let fs = Arc::new(Linux::new());
        let own = wish.home.folder(wish.id)?;
        let opened = open_store(&fs, &wish, &own)?;
        let dir = opened.root.dir().clone();
        let wanted = state::Wanted {
            root: wish.path,
            home: wish.home.path(),
            served: wish.served,
            folder: wish.id.0,
        };
        let place = state::choose(&fs, &dir, &wanted)?;
        let io = |source| FolderError::Own { path: place.path.clone(), source };
        let racy_ms = look::racy(fs.volume(&dir).map_err(io)?.magic);
        let apply = Apply::open(fs.clone(), dir.clone(), &place.dir, racy_ms).map_err(io)?;
        let mut watcher = Watcher::open(dir.as_fd(), wish.path, Options::default())?;
        let has_events =
            watcher.rung() != Rung::ScanOnly && watcher.watch_cookies(place.dir.as_fd()).is_ok();
        let ignore = Arc::new(ignore(&wish, &opened.root, &place));
        let tree = Tree { fs, dir, ignore };
        let parts = Parts { own, opened, tree, place, apply, racy_ms, watcher, has_events };
        start(wish, parts)
    }

    /// Whether it has been held here before: its index is there.
    pub fn is_known(home: &Home, id: FolderId) -> bool {
        home.folder(id).is_ok_and(|own| own.join(INDEX_FILE).exists())
    }

    /// Puts an event before the control thread; false when it has ended.
    pub fn tell(&self, event: Event) -> bool {
        self.control.send(event).is_ok()
    }

    /// Gives the engine an input.
    pub fn input(&self, input: Input) -> bool {
        self.tell(Event::Inputs(vec![input]))
    }

    /// Pauses, or goes on: then everything is read, for what changed meanwhile was not.
    pub fn pause(&self, paused: bool) {
        self.input(Input::Paused(paused));
        if !paused {
            self.input(Input::Rescan);
        }
    }

    /// Asks the control thread and waits for the answer; `None` when it has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&FolderEngine, &Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let ask = Box::new(move |engine: &FolderEngine, store: &Store| {
            // Whoever asked may have gone.
            drop(sender.send(question(engine, store)));
        });
        let control = self.control.clone();
        let told = tokio::task::spawn_blocking(move || control.send(Event::Ask(ask)).is_ok());
        if !told.await.unwrap_or(false) {
            return None;
        }
        answer.await.ok()
    }

    /// Whether the folder is at work, in the directory that was added. One that is not in place is
    /// no news to the caller alone: the folder stops. Blocks.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if let Some(why) = self.board.halted() {
            return Err(why);
        }
        self.guarded.root.check(true).inspect_err(|why| {
            self.board.halt(why.clone());
            self.tell(Event::Halt(why.clone()));
        })
    }

    /// Stops in order: what is minted is durable, nothing is left half done.
    pub fn stop(&self) {
        self.stopper.stop();
        drop(self.control.send(Event::Stop));
        let thread = self.thread.lock().expect("no code panics while it holds this lock").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(path = %self.path.display(), "the folder's thread had panicked");
        }
    }

    /// Stops, and takes our mark off the root: it is an ordinary directory again.
    pub fn forget(&self) {
        self.stop();
        if let Err(error) = disk::root::mark::clear(&*self.tree.fs, &self.tree.dir) {
            tracing::warn!(path = %self.path.display(), %error, "our mark stays on the directory");
        }
        let index = self.own.join(INDEX_FILE);
        for name in [INDEX_FILE, "index.sqlite-wal", "index.sqlite-shm", "root"] {
            // What is not there need not go; what cannot go is found again by `folder add`.
            drop(std::fs::remove_file(index.with_file_name(name)));
        }
    }
}

struct Opened {
    store: Store,
    root: Root<Linux>,
    fresh: IncarnationRecord,
    empty: bool,
}

/// Opens the index and the root, or makes them on the first time.
fn open_store(fs: &Linux, wish: &Wish<'_>, own: &Path) -> Result<Opened, FolderError> {
    let path = own.join(INDEX_FILE);
    let note = own.join("root");
    let mark =
        Mark { folder: wish.id.0, node: wish.identity.node_id().0, home: wish.home.token()? };
    let fresh = life::fresh(wish.identity, wish.id);
    let door = linux_door(wish.path);
    if path.exists() {
        let store = Store::open(&path)?;
        let (identity, reader) = (read_identity(&note)?, store.reader()?);
        let rebooted = store.meta().boot != boot::this().id;
        let root = Root::open(fs, wish.path, door, mark, &identity, &reader, rebooted)?;
        return Ok(Opened { store, root, fresh, empty: false });
    }
    let root = Root::claim(fs, wish.path, door, mark, false)?;
    write_identity(&note, &root.identity())?;
    let phase = if wish.has_holders { Phase::Joining } else { Phase::Importing };
    let store = Store::create(&path, &Meta::new(fresh.incarnation, phase, [0; 16]))?;
    let io = |source| FolderError::Own { path: wish.path.to_owned(), source };
    let mut names = 0;
    fs.list(root.dir(), &mut |_, _| names += 1).map_err(io)?;
    Ok(Opened { store, root, fresh, empty: names == 0 })
}

fn write_identity(path: &Path, identity: &RootIdentity) -> Result<(), FolderError> {
    let bytes = [&identity.volume[..], &identity.handle.0].concat();
    crate::home::replace(path, &bytes)?;
    Ok(())
}

fn read_identity(path: &Path) -> Result<RootIdentity, FolderError> {
    let own = |source| FolderError::Own { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(own)?;
    let (volume, handle) =
        bytes.split_first_chunk().ok_or_else(|| own(std::io::ErrorKind::InvalidData.into()))?;
    Ok(RootIdentity { handle: Handle(handle.into()), volume: *volume })
}

struct Parts {
    own: PathBuf,
    opened: Opened,
    tree: Tree,
    place: state::StateDir,
    apply: Apply<Linux>,
    racy_ms: u64,
    watcher: Watcher,
    has_events: bool,
}

/// Starts the threads.
fn start(wish: Wish<'_>, parts: Parts) -> Result<Folder, FolderError> {
    let Parts { own, opened, tree, place, apply, racy_ms, watcher, has_events } = parts;
    let board = Arc::new(Board::new(wish.id, wish.name, wish.repeats.clone()));
    look::show_rung(&watcher, &board);
    let (clock, losers) = (Clock::default(), apply.kept().clone());
    let (engine, store, root, witness) = go_on(&wish, opened, &tree, &place, &apply, clock)?;
    let (control, events) = sync_channel(EVENTS_MAX);
    let (cache, stopper) = (ContentCache::default(), watcher.stopper());
    let root = Arc::new(RootWatch::new(tree.fs.clone(), root, store.reader()?));
    let sight = Sight {
        fs: tree.fs.clone(),
        dir: tree.dir.clone(),
        root: root.clone(),
        ignore: tree.ignore.clone(),
        racy_ms,
        leased: disk::hash::grants_leases(&*tree.fs, &place.dir, Some(NOBODY)),
        cache: cache.clone(),
        control: control.clone(),
        board: board.clone(),
        clock,
        lost_power: engine.lost_power(),
    };
    let threads = Threads { wish: &wish, tree: &tree, control: &control, board: &board };
    let Contents { serving, wanted, heard, data, drained } = threads.start_contents(&apply)?;
    let (eyes, scan) = threads.start_eyes(watcher, sight, &store, has_events)?;
    let (hands, sync) = threads.start_hands(apply, &root, &place)?;
    let guarded = threads.start_guard(root)?;
    let log = threads.start_log(&own)?;
    let effects = Effects {
        folder: wish.id,
        name: wish.name.to_owned(),
        identity: wish.identity.clone(),
        net: wish.net.clone(),
        links: BTreeMap::new(),
        cache,
        hands,
        sync,
        eyes,
        scan,
        serving,
        wanted,
        board: board.clone(),
        log,
        fs: tree.fs.clone(),
        state: place.dir,
        has_events,
        looks_asked: 0,
        own: Vec::new(),
    };
    let (barriers, names) = (Barriers::default(), wish.names.clone());
    let worker =
        Control { engine, store, witness, effects, barriers, board: board.clone(), names, clock };
    let thread = Mutex::new(Some(threads.spawn("control", move || run_control(worker, &events))?));
    Ok(Folder {
        path: wish.path.to_owned(),
        board,
        kept: place.path.join("kept"),
        losers,
        heard,
        data,
        drained,
        control,
        guarded,
        stopper,
        thread,
        own,
        tree,
    })
}

/// An engine that goes on where the index, and what was left outside of it, say that it was.
fn go_on(
    wish: &Wish<'_>,
    opened: Opened,
    tree: &Tree,
    place: &state::StateDir,
    apply: &Apply<Linux>,
    clock: Clock,
) -> Result<(FolderEngine, Store, Root<Linux>, life::Record), FolderError> {
    let io = |source| FolderError::Own { path: wish.path.to_owned(), source };
    let Opened { mut store, root, fresh, empty } = opened;
    let (record, witness) = life::open(wish.identity.node_id(), wish.id);
    let root_now = look_at_dir(&*tree.fs, &tree.dir).map_err(io)?;
    let noted = noted::last(&*tree.fs, &place.dir, store.meta().synced).map_err(io)?;
    let opening = Opening { boot: boot::this(), fresh, witness, noted, root: root_now, empty };
    let here = already_here(apply).map_err(io)?;
    let engine = open_engine(&mut store, opening, clock, here, wish.paused);
    Ok((engine, store, root, record))
}

/// Contents that are staged, and those in the conflict store.
fn already_here(apply: &Apply<Linux>) -> std::io::Result<(Vec<Digest>, Vec<Digest>)> {
    Ok((apply.stage().complete(), apply.kept().list()?))
}

/// An engine is told before anything else of contents that need not be fetched. Some of those in
/// the conflict store no row names: a kill came between an operation and its record. Whose loser
/// one is, the engine finds and writes down.
fn open_engine(
    store: &mut Store,
    opening: Opening,
    clock: Clock,
    (mut here, kept): (Vec<Digest>, Vec<Digest>),
    paused: bool,
) -> FolderEngine {
    let mut engine = FolderEngine::open(store, opening);
    here.extend(kept.into_iter().filter(|digest| !store.is_kept(digest)));
    engine.handle(clock.now(), store, Input::Staged(here));
    if paused {
        engine.handle(clock.now(), store, Input::Paused(true));
    }
    engine
}

/// What the threads of a folder share. Each ends when nobody is left to hand it work, but the one
/// that waits for the kernel, which is told.
struct Threads<'a> {
    wish: &'a Wish<'a>,
    tree: &'a Tree,
    control: &'a SyncSender<Event>,
    board: &'a Arc<Board>,
}

/// The near ends of the threads that move contents.
struct Contents {
    serving: Serving,
    wanted: Wanted,
    heard: mpsc::Sender<Heard>,
    data: mpsc::Sender<Vec<Piece>>,
    drained: Drained,
}

impl Threads<'_> {
    fn spawn(
        &self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, FolderError> {
        let name = format!("{}-{name}", self.wish.name);
        std::thread::Builder::new().name(name).spawn(run).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: std::io::Error) -> FolderError {
        FolderError::Own { path: self.wish.path.to_owned(), source }
    }

    /// Those that look; looks and scans are asked of them.
    fn start_eyes(
        &self,
        watcher: Watcher,
        sight: Sight,
        store: &Store,
        has_events: bool,
    ) -> Result<(Sender<Look>, Sender<()>), FolderError> {
        let (eyes, asked) = channel();
        let (scan, scans) = channel();
        let (last_look, last_scan) = (store.reader()?, store.reader()?);
        let (hints, delay_ms, looking) = (eyes.clone(), self.wish.delay_ms, sight.clone());
        let board = self.board.clone();
        self.spawn("watch", move || look::watch(watcher, &board, &hints))?;
        self.spawn("look", move || {
            look::look(&looking, &last_look, delay_ms, has_events, &asked);
        })?;
        self.spawn("scan", move || look::scans(&sight, &last_scan, &scans))?;
        Ok((eyes, scan))
    }

    /// Those that change the tree and sync it; operations and syncs are asked of them.
    fn start_hands(
        &self,
        apply: Apply<Linux>,
        root: &Arc<RootWatch>,
        place: &state::StateDir,
    ) -> Result<(Sender<Vec<Operation>>, Sender<u64>), FolderError> {
        let (hands, batches) = channel();
        let (sync, epochs) = channel();
        let (control, board, root) = (self.control.clone(), self.board.clone(), root.clone());
        self.spawn("apply", move || {
            hands::apply_batches(apply, &batches, &root, &control, &board);
        })?;
        let (control, board, tree) = (self.control.clone(), self.board.clone(), self.tree.clone());
        let state = place.dir.clone();
        self.spawn("sync", move || {
            hands::syncs(&tree.fs, (&tree.dir, &state), &epochs, &control, &board);
        })?;
        Ok((hands, sync))
    }

    /// The one that looks at the root; it ends when what is returned goes.
    fn start_guard(&self, root: Arc<RootWatch>) -> Result<Guarded, FolderError> {
        let (alive, ended) = channel();
        let (looked_at, control) = (root.clone(), self.control.clone());
        self.spawn("root", move || root::guard(&looked_at, &ended, &control))?;
        Ok(Guarded { root, _alive: alive })
    }

    /// Those that take contents from peers, give them, and copy them on this disk.
    fn start_contents(&self, apply: &Apply<Linux>) -> Result<Contents, FolderError> {
        let (copy, copying) = channel();
        let (heard, mut hearing) = mpsc::channel(HEARD_MAX);
        let (data, mut arriving) = mpsc::channel(DATA_MAX);
        let stage = apply.stage().clone();
        let (wanted, drained) = (Wanted::new(stage.clone()), Drained::default());
        let serve = Arc::new(Serve::new(apply));
        let (control, copier) = (self.control.clone(), serve.clone());
        self.spawn("copy", move || copies(&copier, &copying, &control))?;
        let intake = Arc::new(Intake {
            folder: self.wish.id,
            stage,
            wanted: wanted.clone(),
            control: self.control.clone(),
            board: self.board.clone(),
        });
        let control_lane = intake.clone();
        self.spawn("hear", move || control_lane.listen(&mut hearing))?;
        self.spawn("data", move || intake.receive(&mut arriving))?;
        let Wish { id, net, .. } = self.wish;
        let control = self.control.clone();
        let serving = Serving::new(*id, serve, net.clone(), drained.clone(), control, copy);
        Ok(Contents { serving, wanted, heard, data, drained })
    }

    /// The one that writes the event log.
    fn start_log(&self, own: &Path) -> Result<Sender<Happened>, FolderError> {
        let (log, happened) = channel();
        let journal = Journal::new(own, self.wish.name, self.wish.names.clone());
        self.spawn("log", move || journal.run(&happened))?;
        Ok(log)
    }
}

/// A folder that trips an assertion stops alone (decisions A9).
fn run_control(control: Control, events: &Receiver<Event>) {
    let board = control.board.clone();
    let run = std::panic::AssertUnwindSafe(|| control.run(events));
    if std::panic::catch_unwind(run).is_err() {
        board.halt("an internal check failed; nothing more is done; see the log".to_string());
    }
}

/// Roots of other folders inside this one are left out, and what we have made there.
fn ignore(wish: &Wish<'_>, root: &Root<Linux>, place: &state::StateDir) -> Ignore {
    use std::os::unix::ffi::OsStrExt;
    let inside = wish.served.iter().filter_map(|other| other.strip_prefix(wish.path).ok());
    let inside = inside.filter(|rest| !rest.as_os_str().is_empty());
    let nested: BTreeSet<_> =
        inside.filter_map(|rest| RelPath::parse(rest.as_os_str().as_bytes()).ok()).collect();
    let mut ignore = Ignore::new(nested);
    if place.choice == state::Choice::Inside {
        ignore.made(disk::ignore::STATE_NAME);
    }
    if root.place() == disk::root::mark::Place::File {
        ignore.made(disk::ignore::MARKER_NAME);
    }
    ignore
}
