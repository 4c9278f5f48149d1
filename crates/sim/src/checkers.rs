//! What must hold. At every moment: no byte that a user wrote leaves the machine it was written on,
//! unless a user gave it up there; no name of ours is seen in the tree. At rest: all nodes know and
//! show the same, what nobody gave up is in every tree or conflict store, and nothing more is said.
//!
//! What a tree must show is asked of the engine's own `view` (place, winner, body, whether a thing
//! lives), so a disk that is held against its index says that what was decided was done, not that
//! it was rightly decided. What does not ask it: the census here, what disks show held against one
//! another, and the checkers and the oracle in modules of their own.
//!
//! Panics with the broken promise, in words. Called by `scenario`.

use crate::disk::model::{Inode, Model, TOP};
use crate::node::{Machine, ROOT_NAME, STATE_NAME};
use crate::random::Random;
use crate::refusals;
use crate::swarm::Options;
use crate::world::World;
use disk::fs::{FileKind, OWN_XATTR_PREFIX};
use engine::content::{Content, Digest};
use engine::dot::Dot;
use engine::entry::{EntryId, Kind};
use engine::index::{Attributes, Index, MemIndex};
use engine::observe::path_of;
use engine::path::{Name, RelPath};
use engine::proof;
use engine::view::{self, Shown};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub mod announced;
pub mod book;
pub mod bounds;
pub mod durable;
pub mod history;
pub mod order;
pub mod ranks;

/// Everything that users wrote and what they gave up, by its bytes.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// On which machine what was written.
    wrote: BTreeSet<(usize, Digest)>,
    /// On which machine what was overwritten or removed by a user.
    gave_up: BTreeSet<(usize, Digest)>,
    /// Machines whose program has run, those that were members then, and what was written before
    /// the one, between the two, and after the other.
    begun: BTreeSet<usize>,
    joined: BTreeSet<usize>,
    early: BTreeSet<Digest>,
    between: BTreeSet<Digest>,
    live: BTreeSet<Digest>,
    /// What nobody needs any more, anywhere.
    let_go: BTreeSet<Digest>,
    tokens: u32,
}

/// The digest of bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

impl Census {
    /// New bytes, or in `reuse` percent of cases bytes that were there before; and their name.
    pub fn bytes(&mut self, random: &mut Random, reuse: usize) -> (String, Vec<u8>) {
        let again = self.tokens > 0 && random.below(100) < reuse;
        let token = if again {
            u32::try_from(random.below(self.tokens as usize)).expect("a token")
        } else {
            self.tokens += 1;
            self.tokens - 1
        };
        let line = format!("content {token}\n");
        // Some are too large to ride with their entry, a few are sent in several pieces.
        let lines = match token {
            token if token % 61 == 60 => 60_000,
            token if token % 13 == 12 => 3_000,
            token => token as usize % 3 + 1,
        };
        (format!("#{token}"), line.repeat(lines).into_bytes())
    }

    /// A user closed a file with these bytes.
    pub fn wrote(&mut self, node: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            let digest = digest_of(bytes);
            self.wrote.insert((node, digest));
            self.age(node).insert(digest);
        }
    }

    /// What is written on a machine now goes there.
    fn age(&mut self, node: usize) -> &mut BTreeSet<Digest> {
        match (self.begun.contains(&node), self.joined.contains(&node)) {
            (_, true) => &mut self.live,
            (true, false) => &mut self.between,
            (false, false) => &mut self.early,
        }
    }

    /// The program of a machine runs: what users write there from now on may be no import.
    pub fn begins(&mut self, node: usize) {
        self.begun.insert(node);
    }

    /// A machine is a member, or an older index that is none was put back there: what users write
    /// while it is one is no import.
    pub fn belongs(&mut self, node: usize, is_member: bool) {
        if is_member {
            self.joined.insert(node);
        } else {
            self.joined.remove(&node);
        }
    }

    /// A user gave bytes another name: where the program runs that may be a member's word on that
    /// name, whoever wrote them.
    pub fn named(&mut self, node: usize, bytes: &[u8]) {
        self.age(node).insert(digest_of(bytes));
    }

    /// Whether bytes were only ever there before the program, as far as users wrote them.
    pub fn is_import(&self, digest: &Digest) -> bool {
        let is_later = self.live.contains(digest) || self.between.contains(digest);
        self.early.contains(digest) && !is_later
    }

    /// Whether bytes were only ever written by members.
    pub fn is_live(&self, digest: &Digest) -> bool {
        let is_earlier = self.early.contains(digest) || self.between.contains(digest);
        self.live.contains(digest) && !is_earlier
    }

    /// A user overwrote or removed these bytes. Who writes what is there anyway has written
    /// nothing: all equal writes count.
    pub fn gave_up(&mut self, node: usize, bytes: &[u8]) {
        self.gave_up.insert((node, digest_of(bytes)));
        self.let_go.insert(digest_of(bytes));
    }

    /// These bytes may go from the conflict stores: what they lost to was deleted.
    pub fn let_go(&mut self, bytes: &[u8]) {
        self.let_go.insert(digest_of(bytes));
    }

    /// The same, by their digest.
    pub fn let_go_of(&mut self, digest: Digest) {
        self.let_go.insert(digest);
    }

    /// A power loss took what was not synced from a machine, or an older index what it knew: what
    /// is no longer `here` is not owed by it any more, and by nobody if no other machine has it,
    /// whoever wrote it.
    pub fn lost(&mut self, node: usize, here: &BTreeSet<Digest>, others: &BTreeSet<Digest>) {
        let lost: Vec<Digest> =
            self.owed_by(node).filter(|digest| !here.contains(digest)).collect();
        self.gave_up.extend(lost.into_iter().map(|digest| (node, digest)));
        let gone = |digest: &Digest| !here.contains(digest) && !others.contains(digest);
        self.let_go.extend(self.owed_by_all().into_iter().filter(gone));
    }

    /// The power went again before anybody had looked at what users had written since it was back:
    /// nobody can tell that from what is torn, and it may go to the trash.
    pub fn let_go_unseen(&mut self, node: usize, index: &MemIndex) {
        let unseen: Vec<Digest> =
            self.owed_by(node).filter(|digest| index.seen_digest(digest).is_none()).collect();
        self.let_go.extend(&unseen);
        self.gave_up.extend(unseen.into_iter().map(|digest| (node, digest)));
    }

    /// What users wrote on a machine and have not given up there.
    pub fn owed_by(&self, node: usize) -> impl Iterator<Item = Digest> + '_ {
        let all = self.wrote.iter().filter(move |(at, _)| *at == node);
        all.filter(|one| !self.gave_up.contains(one)).map(|(_, digest)| *digest)
    }

    /// What nobody has let go of.
    pub fn owed_by_all(&self) -> BTreeSet<Digest> {
        let all = self.wrote.iter().map(|(_, digest)| *digest);
        all.filter(|digest| !self.let_go.contains(digest)).collect()
    }
}

/// Entries that are named in the message of a world that had to be ended.
const WAITING_MAX: usize = 10;

type Thing = (Kind, Option<Content>, Attributes);
type Tree = BTreeMap<RelPath, Thing>;

/// What stands below a directory.
fn tree(model: &Model, root: Inode) -> Tree {
    let mut tree = Tree::new();
    let top = [(RelPath::root(), root)];
    let below = model
        .below(root)
        .into_iter()
        .filter_map(|((dir, name), inode)| Some((model.path_below(root, dir)?.join(name), inode)));
    for (path, inode) in top.into_iter().chain(below) {
        let thing = model.thing(inode).expect("it has a name");
        let content = match thing.kind {
            FileKind::File => {
                Some(Content::File(digest_of(&thing.bytes), thing.bytes.len() as u64))
            }
            FileKind::Symlink => Some(Content::Link(thing.bytes.as_slice().into())),
            _ => None,
        };
        let xattrs = thing.xattrs.iter().filter(|(name, _)| !name.starts_with(OWN_XATTR_PREFIX));
        let attributes = Attributes {
            mtime: thing.mtime,
            mode: thing.mode,
            owner: thing.owner,
            xattrs: xattrs.map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let kind = thing.kind.entry().expect("users make nothing else");
        tree.insert(path, (kind, content, attributes));
    }
    tree
}

/// What a power loss, or an older copy, has left of what users wrote. Not what bears the name of a
/// content that was about to be installed: the installation was undone, and nobody can tell what
/// was written to it since from what is torn. Nor what peers sent and nobody has installed yet: no
/// user wrote that.
pub fn left_of_users(model: &Model) -> BTreeSet<Digest> {
    let stage = inode(model, &[STATE_NAME, b"stage"]);
    let is_users = |(dir, name): &(Inode, Name)| {
        let is_staged = Some(*dir) == stage && begins_with_digest(name);
        !is_staged && !name.as_bytes().starts_with(b"dressed-")
    };
    let all = model.below(TOP).into_iter().filter(|(spot, _)| is_users(spot));
    let all = all.filter_map(|(_, inode)| model.thing(inode).ok());
    let files = all.filter(|thing| thing.kind == FileKind::File);
    files.map(|thing| digest_of(&thing.bytes)).collect()
}

/// Files anywhere below a directory, by content.
pub fn contents(model: &Model, dir: Inode) -> BTreeSet<Digest> {
    contents_but(model, dir, &BTreeSet::new())
}

/// The same, of all but some.
pub fn contents_but(model: &Model, dir: Inode, but: &BTreeSet<Inode>) -> BTreeSet<Digest> {
    let all = model.below(dir).into_iter().filter(|(_, inode)| !but.contains(inode));
    let all = all.filter_map(|(_, inode)| model.thing(inode).ok());
    let files = all.filter(|thing| thing.kind == FileKind::File);
    files.map(|thing| digest_of(&thing.bytes)).collect()
}

/// Files that a machine shows, by content.
pub fn shown(model: &Model) -> BTreeSet<Digest> {
    inode(model, &[ROOT_NAME]).map_or_else(BTreeSet::new, |root| contents(model, root))
}

/// Files that a machine shows, or keeps because they lost, by content.
pub fn shown_or_kept(model: &Model) -> BTreeSet<Digest> {
    let places = [&[ROOT_NAME][..], &[STATE_NAME, b"kept"]];
    let dirs = places.into_iter().filter_map(|path| inode(model, path));
    dirs.flat_map(|dir| contents(model, dir)).collect()
}

/// The tree that an index says every node must show.
fn view_of(index: &MemIndex) -> Tree {
    let mut tree = Tree::new();
    for id in index.entries().map(|stored| stored.entry.id) {
        assert!(view::place(index, id) != Shown::Orphan, "C7: {id:?} has no place");
    }
    for (path, thing) in places(index) {
        let thing = thing.unwrap_or_else(|| panic!("C7: /{path} is shown and has no content"));
        assert!(tree.insert(path.clone(), thing).is_none(), "C7: two entries are shown at /{path}");
    }
    tree
}

/// What an index says every node must show, and where; without what has no content yet.
fn places(index: &MemIndex) -> impl Iterator<Item = (RelPath, Option<Thing>)> + '_ {
    index.entries().filter_map(|stored| {
        let path = path(index, stored.entry.id)?;
        let desired = view::desired(&view::whole(index, &stored.entry));
        let thing = desired.map(|it| (stored.entry.kind, it.content, it.attributes));
        Some((path, thing))
    })
}

fn path(index: &MemIndex, id: EntryId) -> Option<RelPath> {
    match view::place(index, id) {
        Shown::Root => Some(RelPath::root()),
        Shown::At { parent, name } => Some(path(index, parent)?.join(name)),
        Shown::Gone | Shown::As(_) | Shown::Orphan => None,
    }
}

fn inode(model: &Model, path: &[&[u8]]) -> Option<Inode> {
    let mut at = crate::disk::model::TOP;
    for name in path {
        at = model.at(at, &Name::new(name).ok()?).ok()?;
    }
    Some(at)
}

/// Whether a name is one that only the program makes.
fn is_ours(name: &Name) -> bool {
    let text = String::from_utf8_lossy(name.as_bytes());
    let prefixes = ["swap-", "aside-", "parked-", "released-", ".syncline", "cookie-"];
    begins_with_digest(name)
        || text.ends_with(".part")
        || prefixes.iter().any(|p| text.starts_with(p))
}

/// Whether it is a content on its way to the tree, by its name.
fn begins_with_digest(name: &Name) -> bool {
    let text = name.as_bytes();
    text.len() >= 64 && text.iter().take(64).all(u8::is_ascii_hexdigit)
}

/// Holds at every moment, of one machine.
pub fn always(node: usize, machine: &Machine, census: &Census) {
    machine.disk.with(|model| {
        let here = contents(model, TOP);
        for owed in census.owed_by(node) {
            assert!(here.contains(&owed), "C2: {node} has destroyed {owed:?}, written there");
        }
        let root = inode(model, &[ROOT_NAME]).expect("the root is there");
        for ((dir, name), _) in model.below(root) {
            let dir = model.path_below(root, dir);
            assert!(!is_ours(&name), "C14: {node} shows a name of ours: {name} in {dir:?}");
        }
    });
}

/// Holds after every commit: no two things were last seen at one place.
pub fn one_row_a_place(node: usize, index: &MemIndex) {
    let mut places = BTreeMap::new();
    for row in index.seen_rows() {
        let Some(name) = row.name.clone() else { continue };
        let other = places.insert((row.parent, name), row.entry);
        let (name, entry) = (&row.name, row.entry);
        assert!(
            other.is_none(),
            "C7: {node} has seen {other:?} and {entry:?} at one place: {name:?}"
        );
    }
}

/// What stands on a disk and what its index has seen there, a line each, for the end of a story.
pub fn describe(node: usize, machine: &Machine) -> Vec<String> {
    let index = &machine.index;
    let disk = machine.disk.with(|model| {
        let root = inode(model, &[ROOT_NAME]).expect("the root is there");
        tree(model, root)
    });
    let rows = index.seen_rows().filter_map(|row| Some((path_of(index, row.slot)?, row)));
    let rows: BTreeMap<_, _> = rows.collect();
    let mut view = BTreeMap::<RelPath, Vec<Thing>>::new();
    for (path, thing) in places(index) {
        view.entry(path).or_default().extend(thing);
    }
    let paths: BTreeSet<_> = disk.keys().chain(rows.keys()).chain(view.keys()).cloned().collect();
    let line = |path: &RelPath| {
        let brief = |thing: &Thing| (thing.0, thing.1.clone());
        let disk = disk.get(path).map(brief);
        let view: Vec<_> = view.get(path).into_iter().flatten().map(brief).collect();
        let row = rows.get(path).map(|row| (row.entry, row.kind, &row.content));
        let row = row.map_or("nothing".to_string(), |row| format!("{row:?}"));
        format!("{node} /{path}: disk {disk:?}, seen {row}, wanted {view:?}")
    };
    let pending = index.pending_after(0, 100).into_iter().map(|row| {
        let stored = index.entry(row.entry);
        let settled = stored.as_ref().map(|stored| stored.settled.clone());
        let entry = stored.map(|stored| (stored.entry.loc, stored.entry.data));
        format!("{node} has not done {row:?}, settled {settled:?}, entry {entry:?}")
    });
    paths.iter().map(line).chain(pending).collect()
}

/// What keeps each machine from its rest, for the message of a world that had to be ended.
pub fn unrest(world: &World) -> String {
    let mut text = String::new();
    for (number, node) in world.nodes.iter().enumerate() {
        let Some(program) = &node.program else { continue };
        let pending = node.index.pending_after(0, WAITING_MAX).len();
        let fetching = program.engine.fetching().0;
        let _ = write!(text, "\n{number}: {pending} pending, {fetching} fetched");
        for waiting in program.engine.waiting(&node.index, WAITING_MAX) {
            let _ = write!(text, ", /{} waits: {}", waiting.path, waiting.why);
        }
        let doubts = program.engine.has_deferred_looks();
        let due = program.engine.deadline();
        let _ = write!(text, ", looks put off: {doubts}, at {} wakes {due:?}", world.now_ms);
    }
    text
}

/// Everything is quiet, all links are up, nobody is at work.
pub fn at_rest(world: &World) {
    let spared = spared(world);
    let first = &world.nodes[0];
    let owed = world.town().census.owed_by_all();
    let mut first_shown = None;
    let all = world.nodes.iter().enumerate();
    for (number, node) in all.filter(|(number, _)| world.gone != Some(*number)) {
        let index = &node.index;
        let program = node.program.as_ref().expect("everybody runs at the end");
        assert_eq!(program.halted, None, "C4: {number} is stopped");
        let pending = index.pending_after(0, 10);
        assert!(pending.is_empty(), "C4: {number} has not done all{}", unrest(world));
        assert_eq!(program.apply.left_count(), 0, "C13: {number} has things left in staging");
        assert_eq!(index.knowledge(), first.index.knowledge(), "C4: K of {number}");
        if !world.has_twins() {
            // A dot that was given twice may stay beside its new name, on some.
            same_entries(number, index, &first.index);
        }
        bounds::at_rest(number, node, refusals::has_any(&world.options));
        world.book.audit(number, node);
        if world.options.is_plain() {
            let strays = world.strays.keys().copied().collect();
            history::at_rest(number, node, &world.town().oracle, &strays);
        }
        let (shown, kept, beside) = node.disk.with(|model| {
            let root = inode(model, &[ROOT_NAME]).expect("the root is there");
            let held = |path: &[&[u8]]| inode(model, path).map(|dir| contents(model, dir));
            let kept = held(&[b"state", b"kept"]).unwrap_or_default();
            (tree(model, root), kept, contents(model, root))
        });
        let names = node.disk.with(|model| {
            let root = inode(model, &[ROOT_NAME]).expect("the root is there");
            names_on(model, root)
        });
        assert_eq!(names, names_in(index), "C4: which names are one file, on the disk of {number}");
        same_trees(&shown, &view_of(index), &format!("C4: disk and view of {number}"));
        if !world.has_twins() {
            let of_first = first_shown.get_or_insert_with(|| shown.clone());
            same_trees(&shown, of_first, &format!("C4: disks of {number} and the first"));
        }
        let mode = shown.get(&RelPath::root()).expect("the root is there").2.mode;
        assert!(mode & 0o7 == 0, "C4: who joined gave the root its own mode, {mode:o}");
        for wanted in &owed {
            let there = kept.contains(wanted) || beside.contains(wanted);
            let stray = world.strays.get(wanted) == Some(&true);
            assert!(
                there || stray || spared.contains(wanted),
                "C2: {number} neither shows nor keeps {wanted:?}"
            );
        }
    }
    copies(world, first);
    ranks::at_rest(world);
    if world.has_twins() {
        return;
    }
    let minted = minted(first);
    let decided = world.options.beside + world.options.policies + world.options.verdicts;
    let bound = world.town().touches * if decided > 0 { 4 } else { 2 } + 20;
    assert!(minted <= bound, "C8: {minted} dots for {} touched names", world.town().touches);
}

/// Contents of files that a power loss could tear.
pub fn shaky(model: &Model) -> BTreeSet<Digest> {
    model.unsynced().map(|thing| digest_of(&thing.bytes)).collect()
}

/// What may be in a machine's trash and nowhere else: what was not durable when the power went, and
/// looks as what it was written over may look when it is torn (decisions A3); and what looks older,
/// where clocks jump or its user has set its time.
fn spared(world: &World) -> BTreeSet<Digest> {
    let power = world.options.power > 0;
    let clocks = power && world.options.jumps + world.options.stops > 0;
    let trash = |machine: &Machine| {
        machine.disk.with(|model| {
            inode(model, &[b"state", b"trash"]).map(|dir| contents(model, dir)).unwrap_or_default()
        })
    };
    let all = world.nodes.iter().flat_map(trash);
    let is_old = |digest: &Digest| power && world.town().set_back.contains(digest);
    all.filter(|digest| clocks || world.shaky.contains(digest) || is_old(digest)).collect()
}

/// Losers that are to be beside their winners are, each once; what node 0 shows all show.
fn copies(world: &World, first: &Machine) {
    let index = &first.index;
    let left = index.conflicts(None, 10);
    assert!(!world.policy.beside || left.is_empty(), "not published beside: {left:?}");
    let replaced: BTreeSet<Dot> = index
        .entries()
        .flat_map(|stored| stored.entry.data.versions())
        .flat_map(|version| version.value.base.clone())
        .collect();
    for stored in index.entries().filter(|stored| view::is_alive(stored)) {
        let name = stored.settled.as_ref().map(|at| at.name.to_string()).unwrap_or_default();
        let Some(data) = view::winner(&stored.entry.data) else { continue };
        if name.contains(".conflict-") {
            proof::reached("a loser stands beside its winner");
            if replaced.contains(&data.stamp.dot) {
                proof::reached("a loser beside its winner had been replaced");
            }
        }
    }
    let Options { reuse, verdicts, rollback, power, .. } = world.options;
    if reuse + verdicts + rollback + power > 0 {
        return;
    }
    // A loser is what one operation wrote: the same bytes, put over another file, too, may have
    // lost there as well. What bears the name of another file or loser, users have put there; and
    // where two such names are of one file, users have linked them.
    let mut losers: BTreeMap<(String, Dot), (RelPath, Option<EntryId>)> = BTreeMap::new();
    for stored in index.entries() {
        let Some(path) = path(index, stored.entry.id) else { continue };
        let whole = view::whole(index, &stored.entry);
        let name = path.name().map(Name::to_string).unwrap_or_default();
        let tag = tag_beside(&name).map(str::to_string);
        let (Some(tag), Some(data)) = (tag, view::winner(&whole.data)) else { continue };
        let body = view::body_of(index, &stored.entry).map(|body| body.id);
        let Some((other, its_body)) = losers.insert((tag, data.stamp.dot), (path.clone(), body))
        else {
            continue;
        };
        let is_one_file = body.is_some() && body == its_body;
        assert!(is_one_file, "one loser is beside its winner twice: {other}, {path}");
    }
}

/// The name that a loser has beside its winner, with no more digits than it has where that is free.
fn tag_beside(name: &str) -> Option<&str> {
    const LONG: usize = ".conflict-yyyymmdd-hhmmss-nodenode-hash".len();
    name.get(..name.find(".conflict-")? + LONG)
}

/// Which paths are names of one file on a disk, of files with several.
fn names_on(model: &Model, root: Inode) -> BTreeSet<BTreeSet<RelPath>> {
    let mut names: BTreeMap<Inode, BTreeSet<RelPath>> = BTreeMap::new();
    for ((dir, name), inode) in model.below(root) {
        let path = model.path_below(root, dir).expect("it is below").join(name);
        names.entry(inode).or_default().insert(path);
    }
    names.into_values().filter(|paths| paths.len() > 1).collect()
}

/// Which paths every node must show as names of one file.
fn names_in(index: &MemIndex) -> BTreeSet<BTreeSet<RelPath>> {
    let mut names: BTreeMap<EntryId, BTreeSet<RelPath>> = BTreeMap::new();
    for stored in index.entries() {
        let Some(body) = view::body_of(index, &stored.entry) else { continue };
        names.entry(body.id).or_default().extend(path(index, stored.entry.id));
    }
    names.into_values().filter(|paths| paths.len() > 1).collect()
}

fn same_entries(number: usize, index: &MemIndex, first: &MemIndex) {
    for (one, other) in [(index, first), (first, index)] {
        let frontier = other.frontier();
        for stored in one.entries() {
            let there = other.entry(stored.entry.id).map(|stored| stored.entry);
            let there = there.filter(|entry| !entry.is_blank());
            // Who knows that all know of a deletion may have forgotten it.
            let forgotten = || {
                let dots = stored.entry.dots();
                !view::is_alive(stored) && dots.iter().all(|dot| frontier.contains(*dot))
            };
            let same = there.as_ref() == Some(&stored.entry) || (there.is_none() && forgotten());
            assert!(same, "C4: S of {number} and 0: {:?} and {there:?}", stored.entry);
        }
    }
}

fn same_trees(disk: &Tree, view: &Tree, what: &str) {
    let mut differs = String::new();
    for path in disk.keys().chain(view.keys()).collect::<BTreeSet<_>>() {
        if disk.get(path) != view.get(path) {
            let _ = write!(differs, "\n/{path}\n  {:?}\n  {:?}", disk.get(path), view.get(path));
        }
    }
    assert!(differs.is_empty(), "{what} differ, disk first:{differs}");
}

/// How many dots anybody ever minted, as far as this machine knows.
pub fn minted(machine: &Machine) -> u64 {
    machine.index.knowledge().iter().map(|(_, seen)| seen.max()).sum()
}

/// After a scan of everything nobody has minted or said anything.
pub fn no_echo(world: &mut World) {
    let before: Vec<u64> = world.nodes.iter().map(minted).collect();
    let frames = world.frames;
    world.rescan();
    world.run_to_rest();
    let after: Vec<u64> = world.nodes.iter().map(minted).collect();
    assert_eq!(before, after, "C8: a scan of an unchanged disk mints");
    assert_eq!(frames, world.frames, "C8: a scan of an unchanged disk sends");
}
