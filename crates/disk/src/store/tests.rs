//! The store against its oracle `MemIndex`, through drops, crashes, damage and full disks.

use super::{Reader, Store, StoreError};
use crate::store::LastSeen;
use engine::dot::Incarnation;
use engine::index::{Index, MemIndex, Meta, Phase, Slot};
use proptest::prelude::{any, proptest, ProptestConfig};
use proptest::test_runner::FileFailurePersistence;
use rusqlite::StatementStatus;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) mod rows;

use rows::{assert_alike, museum, name, steps_on, Step};

pub(super) fn meta() -> Meta {
    Meta::new(Incarnation([7; 16]), Phase::Importing, [9; 16])
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("index.sqlite");
    (directory, path)
}

/// What a power loss at this moment leaves: the file and its log, not the shared memory.
fn copy_after_crash(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        let _ = std::fs::remove_file(with(to));
        if with(from).exists() {
            std::fs::copy(with(from), with(to)).unwrap();
        }
    }
    let _ = std::fs::remove_file(format!("{}-shm", to.display()));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_answers_as_the_index_in_memory(
        steps in proptest::collection::vec(any::<[u8; 6]>(), 1..160),
        overlay_rows_max in 1_usize..40,
        recent_max in 0_usize..40,
    ) {
        let (_directory, path) = folder();
        let mut store = Store::create(&path, &meta()).unwrap();
        store.overlay_rows_max = overlay_rows_max;
        store.recent.get_mut().set_kept_max(recent_max);
        let mut oracle = MemIndex::new(meta());
        for (n, bytes) in steps.iter().enumerate() {
            let step = Step::of(n, *bytes);
            match step {
                Step::Commit => {
                    store.commit().unwrap();
                    oracle.commit().unwrap();
                }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(&path).unwrap();
                    store.overlay_rows_max = overlay_rows_max;
                    oracle.crash();
                }
                Step::PowerLoss => {
                    let copy = path.with_file_name("copy").join("index.sqlite");
                    copy_after_crash(&path, &copy);
                    let mut committed = oracle.clone();
                    committed.crash();
                    assert_alike(&Store::open(&copy).unwrap(), &committed);
                }
                step => steps_on(&step, &mut oracle, &mut store),
            }
            if n % 16 == 0 {
                assert_alike(&store, &oracle);
            }
        }
        assert_alike(&store, &oracle);
        store.commit().unwrap();
        drop(store);
        assert_alike(&Store::open(&path).unwrap(), &oracle);
    }
}

#[test]
fn an_index_is_owned_by_one_store_at_a_time() {
    let (_directory, path) = folder();
    let store = Store::create(&path, &meta()).unwrap();
    let second = Store::open(&path).err().unwrap();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("another process has this index open"), "{second}");
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn only_the_owner_may_read_the_files() {
    let (directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    store.set_meta(&Meta { counter: 1, ..meta() });
    store.commit().unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert_eq!(files, 4, "the file, its log, its shared memory and its lock");
}

#[test]
fn what_is_not_an_index_is_refused_and_left_alone() {
    let (_directory, path) = folder();
    assert!(matches!(Store::open(&path), Err(StoreError::Missing { .. })));
    assert!(!path.exists(), "opening makes nothing");
    for content in [&b""[..], b"hello", &[b'x'; 9000]] {
        std::fs::write(&path, content).unwrap();
        let refused = Store::open(&path).err().unwrap();
        assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
        let refused = Store::create(&path, &meta()).err().unwrap();
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let refused = Store::open(&path).err().unwrap();
    assert!(refused.to_string().contains("belongs to another program"), "{refused}");
}

#[test]
fn a_damaged_index_is_refused_by_name() {
    let (_directory, path) = folder();
    drop(Store::create(&path, &meta()).unwrap());
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100..].fill(0xa5);
    std::fs::write(&path, &damaged).unwrap();
    let refused = Store::open(&path).err().unwrap();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("index.sqlite"), "{refused}");
    std::fs::write(&path, &whole[..4096]).unwrap();
    let refused = Store::open(&path).err().unwrap();
    assert!(refused.to_string().contains("ends inside its first page"), "{refused}");
}

#[test]
fn an_index_of_a_newer_program_is_refused() {
    let (_directory, path) = folder();
    drop(Store::create(&path, &meta()).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refused = Store::open(&path).err().unwrap();
    assert!(matches!(refused, StoreError::TooNew { found: 99, .. }), "{refused}");
    assert!(matches!(Reader::open(&path), Err(StoreError::TooNew { found: 99, .. })));
}

#[test]
fn damage_met_while_reading_is_kept_for_the_commit() {
    let (_directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    museum(&mut store);
    store.commit().unwrap();
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE seen SET row = x'ff' WHERE slot = 2", []).unwrap();
    drop(connection);
    let mut store = Store::open(&path).unwrap();
    assert_eq!(Index::seen(&store, Slot(2)), None);
    let error = store.commit().unwrap_err();
    assert!(error.what.contains("index.sqlite"), "{error}");
    assert_eq!(store.commit().unwrap_err(), error, "the first failure stays");
    let reader = store.reader().unwrap();
    assert!(reader.seen(Slot(2)).is_err(), "a reader does not say that nothing was seen");
    assert!(reader.seen(Slot(1)).unwrap().is_some());
}

// What this node claims to know and does not hold counts as deleted here: rows that are lost must
// never look like that to the other nodes (decisions A20).
#[test]
fn knowledge_is_not_believed_without_its_entries() {
    for damage in [
        "DELETE FROM entry",
        "DELETE FROM entry WHERE seq = 1",
        "UPDATE entry SET row = (SELECT row FROM entry WHERE seq = 1) WHERE seq = 2",
    ] {
        let (_directory, path) = folder();
        let mut store = Store::create(&path, &meta()).unwrap();
        museum(&mut store);
        store.commit().unwrap();
        let reader = store.reader().unwrap();
        reader.check_sums().unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        assert!(connection.execute(damage, []).unwrap() > 0, "{damage}");
        drop(connection);
        let told = reader.check_sums().unwrap_err();
        drop(store);
        let refused = Store::open(&path).err().unwrap();
        assert_eq!(refused.to_string(), told.to_string());
        assert!(refused.to_string().contains("entries are missing"), "{refused}");
    }
}

#[test]
fn a_reader_sees_what_is_committed_and_nothing_else() {
    let (_directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    let reader = store.reader().unwrap();
    store.overlay_rows_max = 1;
    museum(&mut store);
    assert_eq!(reader.seen(Slot(2)).unwrap(), None);
    store.commit().unwrap();
    let row = Index::seen(&store, Slot(3)).unwrap();
    assert_eq!(reader.seen(Slot(3)).unwrap(), Some(row.clone()));
    assert_eq!(reader.seen_of(row.entry).unwrap(), Some(row.clone()));
    let called = row.name.clone().unwrap();
    assert_eq!(reader.seen_named(row.parent, &called).unwrap(), Some(row.clone()));
    assert_eq!(reader.seen_children(row.parent, None, 9).unwrap(), std::slice::from_ref(&row));
    assert_eq!(reader.seen_children(row.parent, Some(&called), 9).unwrap(), []);
    assert_eq!(reader.seen_handle(&row.fingerprint.handle).unwrap(), std::slice::from_ref(&row));
    let digest = super::overlay::digest_of(&row).unwrap();
    assert_eq!(reader.seen_digest(&digest).unwrap(), Some(row.clone()));
    let path = reader.path_of(Slot(3)).unwrap().unwrap();
    assert_eq!(path.names(), [name(2), name(3)]);
    assert_eq!(reader.path_of(Slot(77)).unwrap(), None);
    let another = reader.another().unwrap();
    let seen = std::thread::spawn(move || another.seen(Slot(3)).unwrap()).join().unwrap();
    assert_eq!(seen, Some(row));
}

#[test]
fn a_commit_of_nothing_writes_nothing() {
    let (_directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    museum(&mut store);
    store.commit().unwrap();
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let before = std::fs::read(&log).unwrap();
    store.set_meta(&store.meta());
    store.set_knowledge(&store.knowledge());
    store.settle_volatile(0);
    store.commit().unwrap();
    assert_eq!(std::fs::read(&log).unwrap(), before);
}

/// An initial sync spent half of its time in SQLite's parser: statements came out of the cache and
/// were prepared again for each value.
#[test]
fn a_statement_is_prepared_once_whatever_is_looked_up_with_it() {
    let (_directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    museum(&mut store);
    store.commit().unwrap();
    let reader = super::schema::connect_reader(&path).unwrap();
    for connection in [&store.connection, &reader] {
        for slot in [0, 1, 2, 1, 77] {
            let mut statement = connection.prepare_cached(super::rows::BY_SLOT).unwrap();
            statement.query([slot]).unwrap().next().unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "slot {slot}");
        }
    }
}

/// A tmpfs of one mebibyte, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at.path());
        mount.output().ok()?.status.success().then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_fails_the_commit_and_keeps_the_one_before() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    };
    let path = disk.0.path().join("index.sqlite");
    let mut store = Store::create(&path, &meta()).unwrap();
    let mut oracle = MemIndex::new(meta());
    museum(&mut store);
    museum(&mut oracle);
    store.commit().unwrap();
    oracle.commit().unwrap();
    let row = Index::seen(&store, Slot(2)).unwrap();
    for n in 100..20_000 {
        let mut row = row.clone();
        row.slot = Slot(n);
        row.entry = rows::entry_id(n);
        row.name = Some(rows::name(n));
        store.put_seen(&row);
    }
    let error = store.commit().unwrap_err();
    assert!(error.what.contains("index.sqlite"), "{error}");
    assert!(error.what.contains("full"), "{error}");
    assert_eq!(store.commit().unwrap_err(), error);
    drop(store);
    assert_alike(&Store::open(&path).unwrap(), &oracle);
}

fn schema_of(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Where the museum keeps the file of a version. A new one is made once, by the program that has
/// that version, with `museum` and a commit; then it is copied there and never changes.
fn kept(version: u32) -> PathBuf {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/store"));
    root.join(format!("v{version}.sqlite"))
}

/// The file was made by version 1 of the tables and never changes. A change of the tables or of a
/// record that cannot read it needs a migration, and its own file in the museum.
#[test]
fn the_museums_first_index_opens_and_reads() {
    let (_directory, path) = folder();
    std::fs::copy(kept(1), &path).expect("testdata/store/v1.sqlite is part of the repository");
    let mut oracle = MemIndex::new(meta());
    museum(&mut oracle);
    let store = Store::open(&path).unwrap();
    assert_alike(&store, &oracle);
    drop(store);
    let fresh = path.with_file_name("fresh.sqlite");
    drop(Store::create(&fresh, &meta()).unwrap());
    assert_eq!(schema_of(&path), schema_of(&fresh), "the tables changed without a migration");
}

#[test]
fn a_row_of_one_name_of_several_comes_back_as_it_was() {
    let (_directory, path) = folder();
    let mut store = Store::create(&path, &meta()).unwrap();
    let mut row = rows::seen(3, 1, 5, 7);
    let of = engine::entry::EntryId([9; 16]);
    let (data, shown) = (row.dots.data.clone(), row.dots.loc.clone());
    row.dots.body = Some(engine::index::BodyDots { id: of, data, shown });
    store.put_seen(&row);
    store.commit().unwrap();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(Index::seen(&store, row.slot), Some(row));
}
