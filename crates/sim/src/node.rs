//! One machine and the program on it: the engine, its index, and the real code of `disk` over a
//! simulated disk. What the daemon does in threads is done here in line, one call a job.
//!
//! Mirrors `node::folder` (control, hands, look, content) and decides as little: when a job runs,
//! and what comes in between, is the world's choice. Used by `world`.

mod contents;
pub mod eyes;

use crate::checkers;
use crate::disk::model::Model;
use crate::disk::{Open, SimDisk};
use crate::kernel::Queue;
use disk::apply::Apply;
use disk::fs::{Fs, On};
use disk::hash::grants_leases;
use disk::ignore::Ignore;
use disk::root::mark::Mark;
use disk::root::{noted, Door, Identity, Root, RootState};
use disk::serve::Serve;
use disk::settle::{Options, Settle};
use disk::stage::Stage;
use engine::content::Digest;
use engine::dot::{Incarnation, NodeId};
use engine::engine::{Boot, Effect, FolderEngine, Input, Now, Opening, Witness};
use engine::entry::{IncarnationRecord, Kind};
use engine::index::{Index, MemIndex, Meta, Phase, FORMER};
use engine::message::FolderId;
use engine::observe::Present;
use engine::path::Name;
use engine::plan::{OpId, Operation, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The one folder.
pub const FOLDER: FolderId = FolderId([9; 16]);

/// The mode of the first node's root; others add their number. No user gives it such a mode.
const ROOT_MODE: u16 = 0o2770;
/// The directory of the disk that is the folder's root.
pub const ROOT_NAME: &[u8] = b"root";
/// The directory where the program keeps staging, trash and conflict store.
pub const STATE_NAME: &[u8] = b"state";

/// The id of the node with this number.
pub fn node_id(node: usize) -> NodeId {
    NodeId([u8::try_from(node + 1).expect("few nodes"); 32])
}

/// The number of the node with this id.
pub fn number(id: NodeId) -> usize {
    usize::from(id.0[0]) - 1
}

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).expect("a literal name")
}

/// A machine: what is left when its program ends.
pub struct Machine {
    /// Its disk.
    pub disk: SimDisk,
    /// What the program has committed.
    pub index: MemIndex,
    /// How the root is recognised, once it was claimed.
    identity: Option<Identity>,
    /// An older copy of the index, to be put back.
    saved: Option<MemIndex>,
    /// An older copy of disk and index, to be put back.
    copied: Option<(Model, MemIndex)>,
    /// What no copy brings along: the last life and counter, in this start of the machine.
    witness: Option<(Incarnation, u64)>,
    /// Whom the others take it for.
    node: usize,
    /// Which of the machines with this identity it is.
    copy: u8,
    lives: u16,
    /// The power was lost, and no program has looked at all that it left.
    pub unexamined: bool,
    /// The program, while it runs.
    pub program: Option<Program>,
}

/// The program, running.
pub struct Program {
    /// Decides.
    pub engine: FolderEngine,
    disk: SimDisk,
    dir: Arc<Open>,
    state: Arc<Open>,
    root: Root<SimDisk>,
    /// Its hands.
    pub apply: Apply<SimDisk>,
    stage: Arc<Stage<SimDisk>>,
    serve: Serve<SimDisk>,
    ignore: Ignore,
    events: Queue,
    /// Hints that wait to be looked at.
    pub settle: Settle,
    racy_ms: u64,
    leased: bool,
    /// A scan is to read again what a power loss may have undone.
    rereads: bool,
    cache: BTreeMap<Digest, Vec<u8>>,
    /// Contents that were asked for, and their sizes.
    wanted: BTreeMap<Digest, u64>,
    /// Why the folder is stopped, if it is.
    pub halted: Option<String>,
}

impl Machine {
    /// A machine with an empty folder, on which the program was never started. The first node
    /// begins the folder, the others join it.
    pub fn new(node: usize, disk: SimDisk) -> io::Result<Machine> {
        let top = disk.top();
        disk.make_dir(&top, &name(ROOT_NAME))?;
        let root = disk.open_child(&top, &name(ROOT_NAME))?;
        disk.set_mode(On::Dir(&root), ROOT_MODE + u16::try_from(node).expect("few nodes"))?;
        disk.make_dir(&top, &name(STATE_NAME))?;
        let phase = if node == 0 { Phase::Importing } else { Phase::Joining };
        let meta = Meta::new(life((node, 0), 0).incarnation, phase, [0; 16]);
        let index = MemIndex::new(meta);
        Ok(Machine {
            disk,
            index,
            identity: None,
            saved: None,
            copied: None,
            witness: None,
            node,
            copy: 0,
            lives: 0,
            unexamined: false,
            program: None,
        })
    }

    /// A copy of a machine, by what the program has committed there: its `copy`th, on that disk.
    /// With its memory, it has what no copy of a disk brings along.
    pub fn twin(of: &Machine, copy: usize, disk: SimDisk, with_memory: bool) -> Machine {
        let mut index = of.index.clone();
        index.crash();
        Machine {
            disk,
            index,
            identity: of.identity.clone(),
            saved: None,
            copied: None,
            witness: of.witness.filter(|_| with_memory),
            node: of.node,
            copy: u8::try_from(copy).expect("few nodes"),
            lives: of.lives,
            unexamined: of.unexamined,
            program: None,
        }
    }

    /// The number of the node that it was set up as.
    pub fn identity(&self) -> usize {
        self.node
    }

    fn mark(&self) -> Mark {
        Mark { folder: FOLDER.0, node: node_id(self.node).0, home: [1; 16] }
    }

    /// Starts the program in this start of the machine.
    ///
    /// # Errors
    /// The root is not in place, in words.
    pub fn start(&mut self, boot: Boot, racy_ms: u64) -> Result<(), String> {
        self.lives += 1;
        let disk = self.disk.clone();
        let failed = |error: io::Error| error.to_string();
        let top = disk.top();
        let door = door(&disk);
        let path = Path::new("/root");
        let first = self.identity.is_none();
        let root = match &self.identity {
            None => Root::claim(&disk, path, door, self.mark(), false),
            Some(identity) => {
                let rebooted = self.index.meta().boot != boot.id;
                Root::open(&disk, path, door, self.mark(), identity, &self.index, rebooted)
            }
        };
        let root = root.map_err(|error| error.to_string())?;
        self.identity = Some(root.identity());
        let mut names = 0;
        disk.list(root.dir(), &mut |_, _| names += 1).map_err(failed)?;
        let dir = root.dir().clone();
        let state = disk.open_child(&top, &name(STATE_NAME)).map_err(failed)?;
        let apply = Apply::open(Arc::new(disk.clone()), dir.clone(), &state, racy_ms);
        let apply = apply.map_err(failed)?;
        let (stage, serve) = (apply.stage().clone(), Serve::new(&apply));
        let opening = Opening {
            boot,
            fresh: life((self.node, self.copy), self.lives),
            witness: self.witness.map_or(Witness::Missing, |(life, n)| Witness::Last(life, n)),
            noted: noted::last(&disk, &state, self.index.meta().synced).map_err(failed)?,
            root: look_at(&disk, &dir).map_err(failed)?,
            empty: first && names == 0,
        };
        let leased = grants_leases(&disk, &state, None);
        let engine = FolderEngine::open(&mut self.index, opening);
        self.program = Some(Program {
            rereads: engine.lost_power(),
            engine,
            disk,
            dir,
            state,
            root,
            apply,
            stage,
            serve,
            ignore: Ignore::default(),
            events: Queue::default(),
            settle: Settle::new(Options::default()),
            racy_ms,
            leased,
            cache: BTreeMap::new(),
            wanted: BTreeMap::new(),
            halted: None,
        });
        Ok(())
    }

    /// Hands inputs to the engine; a turn must follow.
    pub fn handle(&mut self, now: Now, inputs: Vec<Input>) {
        let Some(program) = &mut self.program else { return };
        for input in inputs {
            program.engine.handle(now, &mut self.index, input);
        }
    }

    /// Ends a turn, but for its commit; what is to be carried out after that, and when to come
    /// back.
    pub fn turn(&mut self, now: Now) -> (Vec<Effect>, Option<u64>) {
        let Some(program) = &mut self.program else { return (Vec::new(), None) };
        program.engine.turn(now, &mut self.index);
        (program.engine.take_effects(), program.engine.deadline())
    }

    /// Makes a turn durable.
    pub fn commit(&mut self) {
        self.index.commit().expect("memory does not fail");
        let meta = self.index.meta();
        self.witness = Some((meta.incarnation, meta.counter));
    }

    /// Up to which counter of which life everything is durable; `None` if nobody can tell.
    pub fn durable_dots(&self) -> Option<(Incarnation, u64)> {
        self.witness
    }

    /// A life that this node has not lived yet.
    pub fn next_life(&mut self) -> IncarnationRecord {
        self.lives += 1;
        life((self.node, self.copy), self.lives)
    }

    /// The machine starts anew: what only lasts as long as it runs is gone.
    pub fn reboot(&mut self) {
        self.witness = None;
    }

    /// Makes a copy of what the program has committed.
    pub fn copy_index(&mut self) {
        let mut copy = self.index.clone();
        copy.crash();
        self.saved = Some(copy);
    }

    /// Puts the index back to its copy; the program does not run.
    pub fn put_back(&mut self) {
        self.index = self.saved.take().expect("there is a copy");
    }

    /// Makes a copy of the machine as it is.
    pub fn copy(&mut self) {
        let mut index = self.index.clone();
        index.crash();
        self.copied = Some((self.disk.with(|model| model.clone()), index));
    }

    /// The last sync that was known when the copy was made, if there is one. The first has the
    /// number after that of all runs before this one.
    pub fn copied_at(&self) -> Option<u64> {
        self.copied.as_ref().map(|(_, index)| index.meta().synced.max(FORMER))
    }

    /// What the copy shows and its program had not seen when it was made.
    pub fn unseen_in_copy(&self) -> BTreeSet<Digest> {
        let Some((model, index)) = &self.copied else { return BTreeSet::new() };
        let shown = checkers::shown(model).into_iter();
        shown.filter(|digest| index.seen_digest(digest).is_none()).collect()
    }

    /// Puts the disk back to its copy, with the index or without; the program does not run.
    pub fn put_copy_back(&mut self, with_index: bool) {
        let (disk, index) = self.copied.take().expect("there is a copy");
        self.disk.with(|model| model.put_back(disk));
        if with_index {
            self.index = index;
        }
    }

    /// Whether its folder has a root by now.
    pub fn is_claimed(&self) -> bool {
        self.identity.is_some()
    }

    /// Whether there is a copy of the index to be put back.
    pub fn has_copy(&self) -> bool {
        self.saved.is_some()
    }

    /// Writes down that the program ends in order.
    pub fn stop(&mut self, now: Now) {
        let Some(program) = &mut self.program else { return };
        program.engine.stop(now, &mut self.index);
        self.index.commit().expect("memory does not fail");
    }

    /// The program is gone, with everything that was not committed.
    pub fn fall(&mut self) {
        let program = self.program.take();
        self.unexamined = program.map_or(self.unexamined, |program| program.rereads);
        self.index.crash();
    }
}

impl Program {
    /// What is staged from an earlier life.
    pub fn staged(&self) -> Vec<Digest> {
        self.stage.complete()
    }

    /// Nothing waits for any content.
    pub fn unstage(&self, contents: &[Digest]) {
        // What cannot be cleared away now is found at the next start.
        let _ = self.stage.clear(contents);
    }

    /// Whether looks may be believed; see `node::folder::root`.
    pub fn check_root(&self, index: &MemIndex, live: bool) -> Result<(), String> {
        let state = if live {
            self.root.look(&self.disk)
        } else {
            self.root.check(&self.disk, index).map_err(|error| error.to_string())?
        };
        match state {
            RootState::Good => Ok(()),
            state => Err(state.to_string()),
        }
    }

    /// Carries out a batch.
    pub fn apply(&mut self, batch: &[Operation]) -> Vec<(OpId, Outcome)> {
        let outcomes = self.apply.run(batch);
        batch.iter().map(|operation| operation.id).zip(outcomes).collect()
    }

    /// Looks again at what waits in staging for a writer to let go.
    pub fn revisit(&mut self) {
        if self.apply.left_count() > 0 {
            // What cannot be told now stays, and is looked at again.
            let _ = self.apply.revisit();
        }
    }

    /// Makes everything durable, or not.
    pub fn sync(&self, epoch: u64) -> Input {
        let noted = noted::note(&self.disk, &self.state, epoch);
        let synced = noted.and_then(|()| self.disk.sync_volume(&self.dir));
        synced.map_or(Input::NotSynced, |()| Input::Synced(epoch))
    }
}

fn door(disk: &SimDisk) -> Door<SimDisk> {
    let disk = disk.clone();
    Box::new(move || disk.open_root(&name(ROOT_NAME)))
}

fn look_at(disk: &SimDisk, dir: &Arc<Open>) -> io::Result<Present> {
    let stat = disk.stat_dir(dir)?;
    let xattrs = disk.xattrs(On::Dir(dir))?;
    Ok(Present {
        kind: Kind::Dir,
        fingerprint: stat.fingerprint(),
        attributes: stat.attributes(xattrs),
        content: None,
        soft: false,
        zeros: false,
        alone: false,
    })
}

/// A life that was never lived, of a machine with the identity of that node.
fn life((node, copy): (usize, u8), life: u16) -> IncarnationRecord {
    let mut bytes = [0; 16];
    bytes[0] = node_id(node).0[0];
    bytes[1..3].copy_from_slice(&life.to_le_bytes());
    bytes[3] = copy;
    let mut record = IncarnationRecord {
        incarnation: Incarnation(bytes),
        node: node_id(node),
        signature: vec![],
    };
    record.signature = signature(&record);
    record
}

/// What stands for a signature: nobody here forges one, but a lie may have changed what is signed.
fn signature(record: &IncarnationRecord) -> Vec<u8> {
    let words = [&record.incarnation.0[..], &record.node.0[..]].concat();
    blake3::hash(&words).as_bytes()[..8].to_vec()
}
