//! Rows for the store's tests: random steps applied to two indexes, everything compared.

use engine::content::{Content, Digest};
use engine::dot::{Dot, Incarnation, Knowledge, NodeId};
use engine::entry::{
    Data, Entry, EntryId, Hlc, IncarnationRecord, Kind, Location, Owner, Presence, Rank, Sight,
    Stamp, Stamped, Timestamp, Xattrs, ROOT,
};
use engine::index::{
    Attributes, Fingerprint, Handle, Index, Intent, PendingRow, Phase, SeenDots, SeenRow, Settled,
    Slot, Standing, Stored, Volatile, ROOT_SLOT,
};
use engine::path::{Name, RelPath};
use engine::register::{Register, Version};
use engine::view;
use engine::wire::Minted;

/// How many entries, slots, names, handles and contents the random rows share.
const FEW: u64 = 9;

pub fn entry_id(n: u64) -> EntryId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&n.to_be_bytes());
    EntryId(id)
}

pub fn name(n: u64) -> Name {
    Name::new(format!("name {n}").as_bytes()).unwrap()
}

fn life(n: u64) -> Incarnation {
    Incarnation([n as u8 + 1; 16])
}

fn digest(n: u64) -> Digest {
    Digest([n as u8; 32])
}

fn handle(n: u64) -> Handle {
    Handle(n.to_be_bytes().into())
}

fn time(n: u64) -> Timestamp {
    Timestamp { seconds: n as i64 - 3, nanos: n as u32 }
}

/// Counters of distinct steps differ, so that a dot belongs to one entry.
fn dot(step: u64, of: u64) -> Dot {
    Dot { incarnation: life(of % 3), counter: step * 4 + of % 3 + 1 }
}

fn put<T: Minted + Clone>(register: &mut Register<T>, dot: Dot, value: T) {
    let minted = value.mint().into();
    register.insert(Version { dot, value, minted });
}

fn stamped<T>(dot: Dot, value: T) -> Stamped<T> {
    Stamped { stamp: Stamp { rank: Rank::Write, hlc: Hlc(dot.counter), dot }, value }
}

/// An entry with one to two versions in each register, some of it by `seed`.
pub fn stored(n: u64, step: u64, seed: u64) -> Stored {
    let (one, two) = (dot(step, 0), dot(step, seed));
    let mut entry =
        Entry::new(entry_id(n), if n.is_multiple_of(2) { Kind::Dir } else { Kind::File });
    let stamp = |dot: Dot| Stamp { rank: Rank::Import, hlc: Hlc(seed), dot };
    for at in [one, two] {
        let state = match seed % 3 {
            0 => Presence::At(None),
            1 => Presence::At(Some((ROOT, name(seed)))),
            _ => Presence::Deleted(Sight::Inferred),
        };
        let place = Location { parent: entry_id(seed % 3), name: name(n), stamp: stamp(at), state };
        put(&mut entry.loc, at, place);
        let content = Content::File(digest(seed), seed);
        put(&mut entry.data, at, Data { content, stamp: stamp(at), base: vec![one], body: None });
        put(&mut entry.times, at, stamped(at, time(seed)));
        put(&mut entry.mode, at, stamped(at, 0o4755));
    }
    put(&mut entry.owner, one, stamped(one, Owner { uid: 33, gid: seed as u32 }));
    let xattrs = Xattrs::from([(b"user.x".to_vec(), vec![seed as u8])]);
    put(&mut entry.xattr, two, stamped(two, xattrs));
    let settled = (seed % 4 != 3).then(|| Settled {
        parent: entry_id(seed % 3),
        name: name(seed % 5),
        alive: seed.is_multiple_of(2),
    });
    let context = (seed % 2 == 1).then_some(seed);
    Stored { entry, settled, live_children: seed as u32, conflicted: seed % 3 == 1, context }
}

fn attributes(seed: u64) -> Attributes {
    Attributes {
        mtime: time(seed),
        mode: 0o640,
        owner: Owner { uid: seed as u32, gid: 33 },
        xattrs: Xattrs::from([(b"user.y".to_vec(), vec![1, 2, seed as u8])]),
    }
}

fn seen_dots(seed: u64) -> SeenDots {
    let dots = |n: u64| (0..n % 3).map(|i| dot(seed, i + n)).collect::<Vec<_>>();
    SeenDots {
        loc: dots(seed),
        data: dots(seed + 1),
        shown: dots(seed + 2),
        times: dots(seed + 3),
        mode: dots(seed + 4),
        owner: dots(seed + 5),
        xattr: dots(seed + 6),
        body: None,
    }
}

/// A row of D.
pub fn seen(slot: u64, parent: u64, entry: u64, seed: u64) -> SeenRow {
    SeenRow {
        slot: Slot(slot),
        parent: Slot(parent),
        name: (slot != ROOT_SLOT.0).then(|| name(seed % FEW)),
        entry: entry_id(entry),
        kind: [Kind::Dir, Kind::File, Kind::Symlink][seed as usize % 3],
        fingerprint: Fingerprint {
            handle: handle(seed % 4),
            size: seed,
            mtime: time(seed + 1),
            ctime: time(seed + 2),
        },
        content: match seed % 3 {
            0 => None,
            1 => Some(Content::File(digest(seed % 5), seed)),
            _ => Some(Content::Link(Box::from(&b"../target"[..]))),
        },
        attributes: attributes(seed),
        refused: seed.is_multiple_of(5).then(|| attributes(seed + 7)),
        dots: seen_dots(seed),
        soft: seed.is_multiple_of(2),
        volatile: seed.is_multiple_of(2).then(|| Volatile {
            epoch: seed % 6,
            previous: seed.is_multiple_of(4).then(|| Content::File(digest(seed), 3)),
        }),
    }
}

fn knowledge(seed: u64) -> Knowledge {
    let mut knowledge = Knowledge::default();
    for i in 0..seed % 4 {
        knowledge.insert_range(life(i), 1 + seed + i * 2, 9 + seed * 3);
    }
    knowledge.insert_range(life(0), 900, 900 + seed);
    knowledge
}

fn record(n: u64, seed: u64) -> IncarnationRecord {
    let signature = vec![seed as u8; 64];
    IncarnationRecord { incarnation: life(n), node: NodeId([n as u8; 32]), signature }
}

/// One random step. The numbers choose among few rows, so that steps meet.
#[derive(Debug)]
pub enum Step {
    Commit,
    Reopen,
    PowerLoss,
    Facts { seed: u64 },
    Entry { n: u64, step: u64, seed: u64 },
    Forget { n: u64 },
    Stands { seed: u64 },
    Seen { slot: u64, parent: u64, entry: u64, seed: u64 },
    Unsee { slot: u64 },
    Settle { epoch: u64 },
    Pending { n: u64, step: u64, seed: u64 },
    InPlace { n: u64 },
    Kept { n: u64, seed: u64 },
    Unkept { n: u64, seed: u64 },
}

impl Step {
    /// The step that these bytes stand for, as the n-th.
    pub fn of(n: usize, bytes: [u8; 6]) -> Step {
        let [which, a, b, c, d, _] = bytes.map(u64::from);
        let step = n as u64 + 1;
        match which % 32 {
            0..=1 => Step::Commit,
            2 => Step::Reopen,
            3 => Step::PowerLoss,
            4..=5 => Step::Facts { seed: a % 16 },
            6 => Step::Forget { n: a % FEW },
            7 => Step::Stands { seed: a % 16 },
            8..=12 => Step::Entry { n: a % FEW, step, seed: b % 16 },
            13..=20 => {
                Step::Seen { slot: 1 + a % FEW, parent: 1 + b % 3, entry: c % FEW, seed: d % 32 }
            }
            21..=22 => Step::Unsee { slot: 1 + a % FEW },
            23 => Step::Settle { epoch: a % 6 },
            24..=27 => Step::Pending { n: a % FEW, step, seed: b % 16 },
            28..=29 => Step::InPlace { n: a % FEW },
            30 => Step::Kept { n: a % 3, seed: b % 3 },
            _ => Step::Unkept { n: a % 3, seed: b % 3 },
        }
    }
}

/// Applies a step to both.
pub fn steps_on(step: &Step, oracle: &mut dyn Index, store: &mut dyn Index) {
    // Two rows never show one entry or lie at one name: who puts such a row removes the other.
    let mut in_the_way = Vec::new();
    let mut order = None;
    if let Step::Seen { slot, parent, entry, seed } = *step {
        let row = seen(slot, parent, entry, seed);
        let there = row.name.as_ref().and_then(|name| oracle.seen_named(row.parent, name));
        let others = oracle.seen_of(row.entry).into_iter().chain(there);
        in_the_way.extend(others.map(|row| row.slot).filter(|other| *other != row.slot));
    }
    if let Step::Pending { n, seed, .. } = *step {
        order = oracle.pending(entry_id(n)).map(|row| row.order).filter(|_| seed.is_multiple_of(2));
    }
    let both: [&mut dyn Index; 2] = [oracle, store];
    for index in both {
        in_the_way.iter().for_each(|slot| index.remove_seen(*slot));
        apply(step, order, index);
    }
}

fn unread(seed: u64) -> RelPath {
    RelPath::parse(format!("d/{seed}").as_bytes()).expect("a path")
}

fn apply(step: &Step, order: Option<u64>, index: &mut dyn Index) {
    match *step {
        Step::Facts { seed } => {
            let mut meta = index.meta();
            meta.counter += seed;
            meta.phase = [Phase::Joining, Phase::Importing, Phase::Member][seed as usize % 3];
            meta.clean_stop_ms = seed.is_multiple_of(2).then_some(seed);
            index.set_meta(&meta);
            index.set_knowledge(&knowledge(seed));
            index.put_context(seed % 3, &knowledge(seed + 1));
            index.remove_context(seed % 2 + 1);
            index.put_incarnation(&record(seed % 5, seed));
        }
        Step::Entry { n, step, seed } => {
            index.put_entry(&stored(n, step, seed));
        }
        Step::Forget { n } => index.remove_entry(entry_id(n)),
        Step::Stands { seed } => {
            index.set_frontier(&knowledge(seed));
            index.put_unread(&unread(seed % 4), seed);
            index.remove_unread(&unread(seed % 3));
            let node = NodeId([seed as u8 % 4; 32]);
            let knowledge = knowledge(seed + 2);
            index.put_standing(&Standing { node, knowledge, heard_ms: seed });
        }
        Step::Seen { slot, parent, entry, seed } => {
            index.put_seen(&seen(slot, parent, entry, seed));
        }
        Step::Unsee { slot } => index.remove_seen(Slot(slot)),
        Step::Settle { epoch } => index.settle_volatile(epoch),
        Step::Pending { n, step, seed } => {
            let touched = (0..seed % 3 + 1).map(|i| dot(seed + i, i)).collect();
            let create = seed.is_multiple_of(3).then(|| dot(seed, seed));
            let order = order.unwrap_or(step);
            let intent = (seed % 7 == 5).then(|| Intent {
                parent: entry_id(seed),
                name: Name::new(format!("name {seed}").as_bytes()).unwrap(),
                content: (seed % 2 == 1).then_some(Content::File(Digest([seed as u8; 32]), seed)),
                dots: seen_dots(seed),
            });
            let entry = entry_id(n);
            index.put_pending(&PendingRow { entry, order, create, touched, intent });
        }
        Step::InPlace { n } => index.remove_pending(entry_id(n)),
        Step::Kept { n, seed } => index.put_kept(entry_id(n), &digest(seed)),
        Step::Unkept { n, seed } => index.remove_kept(entry_id(n), &digest(seed)),
        Step::Commit | Step::Reopen | Step::PowerLoss => unreachable!("steps of the test itself"),
    }
}

/// Compares every look-up, over every key that the rows here use.
pub fn assert_alike(store: &dyn Index, oracle: &dyn Index) {
    assert_eq!(store.meta(), oracle.meta());
    assert_eq!(store.knowledge(), oracle.knowledge());
    assert_eq!(store.contexts(), oracle.contexts());
    assert_eq!(store.incarnations(), oracle.incarnations());
    assert_eq!(store.unread(), oracle.unread());
    assert_eq!(store.frontier(), oracle.frontier());
    assert_eq!(store.standings(), oracle.standings());
    for standing in oracle.standings() {
        assert_eq!(store.standing(standing.node), Some(standing));
    }
    assert_eq!(store.entry_count(), oracle.entry_count());
    assert_eq!(store.seen_count(), oracle.seen_count());
    assert_eq!(store.pending_count(), oracle.pending_count());
    for after in [None, Some(entry_id(0))] {
        for max in [1, 9] {
            assert_eq!(store.all_keepers(after, max), oracle.all_keepers(after, max));
        }
    }
    for n in 0..FEW + 2 {
        let id = entry_id(n);
        assert_eq!(store.entry(id), oracle.entry(id));
        assert_eq!(values(store, id), values(oracle, id));
        assert_eq!(store.seen_of(id), oracle.seen_of(id));
        assert_eq!(store.pending(id), oracle.pending(id));
        assert_eq!(store.kept_of(id), oracle.kept_of(id));
        assert_eq!(store.seen(Slot(n)), oracle.seen(Slot(n)));
        assert_eq!(store.seen_handle(&handle(n)), oracle.seen_handle(&handle(n)));
        assert_eq!(store.seen_digest(&digest(n)), oracle.seen_digest(&digest(n)));
        assert_eq!(store.keepers(&digest(n)), oracle.keepers(&digest(n)));
        for m in 0..FEW {
            assert_eq!(store.named(id, &name(m)), oracle.named(id, &name(m)));
            let at = (Slot(n), &name(m));
            assert_eq!(store.seen_named(at.0, at.1), oracle.seen_named(at.0, at.1));
        }
    }
    for n in 0..4 {
        assert_eq!(store.touched_floor(life(n)), oracle.touched_floor(life(n)));
        assert_eq!(store.create_floor(life(n)), oracle.create_floor(life(n)));
    }
    for max in [1, 2, 1000] {
        assert_lists_alike(store, oracle, max);
    }
}

/// Every entry that is no part of the tree, or that somebody has deleted, in pages. What else an
/// index of an older program lists is left out.
fn deleted(index: &dyn Index, max: usize) -> Vec<EntryId> {
    let mut found: Vec<EntryId> = Vec::new();
    loop {
        let page = index.deleted(found.last().copied(), max);
        if page.is_empty() {
            found.retain(|id| index.entry(*id).is_some_and(|stored| view::is_deleted(&stored)));
            return found;
        }
        found.extend(page);
    }
}

/// What equality of versions leaves out: the values that were read out of the bytes.
fn values(index: &dyn Index, id: EntryId) -> String {
    format!("{:?}", index.entry(id))
}

fn assert_lists_alike(store: &dyn Index, oracle: &dyn Index, max: usize) {
    for n in 0..FEW {
        let id = entry_id(n);
        let (mut after, mut seen_after): (Option<(Name, EntryId)>, Option<Name>) = (None, None);
        loop {
            let from = after.as_ref().map(|(name, id)| (name, *id));
            let list = oracle.children(id, from, max);
            assert_eq!(store.children(id, from, max), list);
            match list.last() {
                Some(last) => after = Some(last.clone()),
                None => break,
            }
        }
        loop {
            let list = oracle.seen_children(Slot(n), seen_after.as_ref(), max);
            assert_eq!(store.seen_children(Slot(n), seen_after.as_ref(), max), list);
            match list.last() {
                Some(last) => seen_after = last.name.clone(),
                None => break,
            }
        }
        for last in [id, EntryId([u8::MAX; 16])] {
            assert_eq!(store.ids(id, last, max), oracle.ids(id, last, max));
        }
        let conflicts = oracle.conflicts(Some(id), max);
        assert_eq!(store.conflicts(Some(id), max), conflicts);
        let volatile = oracle.volatile(Slot(n), max);
        assert_eq!(store.volatile(Slot(n), max), volatile);
        let pending = oracle.pending_after(n * 9, max);
        assert_eq!(store.pending_after(n * 9, max), pending);
    }
    assert_eq!(deleted(store, max), deleted(oracle, max));
    assert_eq!(store.conflicts(None, max), oracle.conflicts(None, max));
    assert_eq!(store.pending_after(0, max), oracle.pending_after(0, max));
    for (n, from, to) in [(0, 0, u64::MAX), (1, 40, 300), (2, 1, 200), (9, 0, u64::MAX)] {
        let list = oracle.dots(life(n), from, to, max);
        assert_eq!(store.dots(life(n), from, to, max), list);
    }
}

/// The fixed content of the museum's files: one row of everything.
pub fn museum(index: &mut dyn Index) {
    for seed in [3, 6] {
        apply(&Step::Facts { seed }, None, index);
    }
    for n in 0..4 {
        index.put_entry(&stored(n, n + 1, n + 1));
    }
    let mut root = seen(1, 1, 0, 0);
    root.volatile = None;
    index.put_seen(&root);
    index.put_seen(&SeenRow { name: Some(name(2)), ..seen(2, 1, 1, 8) });
    index.put_seen(&SeenRow { name: Some(name(3)), ..seen(3, 2, 2, 7) });
    apply(&Step::Pending { n: 1, step: 1, seed: 3 }, None, index);
    apply(&Step::Pending { n: 2, step: 2, seed: 4 }, None, index);
    apply(&Step::Kept { n: 1, seed: 2 }, None, index);
}
