//! The tables of an index file, its versions, and how such a file is made, recognised and opened.
//!
//! No row is read or written here. Called by `store` and `store::reader`.

use super::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{flock, FlockOperation};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version of the tables that this program writes; `PRAGMA user_version` of the file.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// "SyLn": tells an index from any other SQLite file.
const APPLICATION_ID: u32 = 0x5379_4c6e;

const HEADER_BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Statement n brings the tables from version n to n + 1. Released ones never change: the museum in
/// `testdata/store` holds a file of each.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5];

/// Rows are numbered in the order they arrive, so that the large tables grow at their end; only the
/// narrow indexes take keys at random. `life` gives incarnations short numbers, used everywhere.
const VERSION_1: &str = "
CREATE TABLE fact (key INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE context (id INTEGER PRIMARY KEY, knowledge BLOB NOT NULL) STRICT;
CREATE TABLE life (
    number INTEGER PRIMARY KEY,
    incarnation BLOB NOT NULL UNIQUE,
    node BLOB,
    signature BLOB
) STRICT;
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    parent BLOB,
    name BLOB,
    conflicted INTEGER NOT NULL,
    row BLOB NOT NULL
) STRICT;
CREATE INDEX entry_place ON entry(parent, name, id) WHERE parent IS NOT NULL;
CREATE INDEX entry_conflicted ON entry(id) WHERE conflicted = 1;
CREATE TABLE dot (
    life INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (life, counter, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    slot INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    name BLOB,
    entry BLOB NOT NULL,
    handle BLOB NOT NULL,
    digest BLOB,
    row BLOB NOT NULL
) STRICT;
CREATE INDEX seen_place ON seen(parent, name) WHERE name IS NOT NULL;
CREATE INDEX seen_entry ON seen(entry);
CREATE INDEX seen_handle ON seen(handle);
CREATE INDEX seen_digest ON seen(digest) WHERE digest IS NOT NULL;
CREATE TABLE volatile (
    slot INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    previous BLOB
) STRICT;
CREATE TABLE pending (
    place INTEGER PRIMARY KEY,
    entry BLOB NOT NULL UNIQUE,
    row BLOB NOT NULL
) STRICT;
CREATE TABLE touched (
    life INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (life, counter, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE creating (
    life INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (life, counter, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE kept (
    entry BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (entry, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_digest ON kept(digest);
";

/// Entries that are no part of the tree can be listed, to be forgotten when all nodes know of their
/// deletion. The older ones count as such until they are looked at: their rows only the program can
/// read. And how far other nodes are.
const VERSION_2: &str = "
ALTER TABLE entry ADD COLUMN dead INTEGER NOT NULL DEFAULT 1;
CREATE INDEX entry_dead ON entry(id) WHERE dead = 1;
CREATE TABLE standing (
    node BLOB PRIMARY KEY,
    knowledge BLOB NOT NULL,
    heard INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Which entries are, or were once said to be, names of which file.
const VERSION_3: &str = "
CREATE TABLE name (
    body BLOB NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (body, entry)
) STRICT, WITHOUT ROWID;
";

/// What a joiner found and could not read.
const VERSION_4: &str = "
CREATE TABLE unread (path BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What somebody has deleted and others keep is listed as dead, too. Which the older ones are shows
/// when they are looked at.
const VERSION_5: &str = "UPDATE entry SET dead = 1;";

/// The file whose lock says that a process owns the index at `path`.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Holds an index for this process until it is dropped.
pub struct Owner(File);

impl Drop for Owner {
    /// Closing alone would not do: a child that another thread is just starting holds a copy of the
    /// file until its exec.
    fn drop(&mut self) {
        // There is nobody to tell; the lock goes with the process at the latest.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the index at `path` for this process, until the returned value is dropped. A lock of its
/// own, because SQLite's locks come and go with transactions and readers must stay welcome.
pub fn own(path: &Path) -> Result<Owner, StoreError> {
    let lock = lock_path(path);
    let failed = |source| StoreError::io(&lock, "lock", source);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Owner(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.into() }),
        Err(error) => Err(failed(error.into())),
    }
}

/// Looks at the file's first bytes only: enough to tell a foreign or torn file from an index before
/// SQLite could take an empty file for a new database. A large file is not read.
pub fn check_header(path: &Path) -> Result<(), StoreError> {
    let mut file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => StoreError::Missing { path: path.into() },
        _ => StoreError::io(path, "open", source),
    })?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let mut start = (&mut file).take(HEADER_BYTES as u64);
    start.read_to_end(&mut header).map_err(|source| StoreError::io(path, "read", source))?;
    let foreign = |why: &str| StoreError::Foreign { path: path.into(), why: why.into() };
    if header.len() < HEADER_BYTES {
        return Err(foreign("it is too short"));
    }
    if !header.starts_with(MAGIC) {
        return Err(foreign("it is not an SQLite database"));
    }
    if header[68..72] != APPLICATION_ID.to_be_bytes() {
        return Err(foreign("it belongs to another program"));
    }
    let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65536,
        bytes => bytes,
    };
    let length = file.metadata().map_err(|source| StoreError::io(path, "inspect", source))?.len();
    if length < page_bytes {
        return Err(foreign("it ends inside its first page"));
    }
    Ok(())
}

/// Keeps this many prepared statements, and each as it was prepared: without its "planner stability
/// guarantee" SQLite parses many a statement anew each time it comes out of the cache, in case
/// another value has a better plan. That was half of all work of an initial sync.
fn prepare_once(connection: &Connection, statements: usize) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(statements);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Opens an existing file for writing, with the settings that its durability rests on.
///
/// A commit that leaves 1,000 pages (8 MiB) in the write-ahead log also copies them into the file:
/// bulk commits seldom pay, and the one that does is brief. SQLite passes over a copy that fails (a
/// full disk, a reader in the way): what was committed is durable without it.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::sql(path, "open", source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare_once(&connection, 64).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA page_size = 8192;
             PRAGMA busy_timeout = 10000;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 1000;
             PRAGMA cache_size = -16384;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(failed)?;
    Ok(connection)
}

/// Opens an existing file for reading what is committed.
pub fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::sql(path, "open", source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare_once(&connection, 16).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA busy_timeout = 10000;
             PRAGMA query_only = ON;
             PRAGMA cache_size = -8192;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(failed)?;
    Ok(connection)
}

/// The version of the tables in an open file.
pub fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| StoreError::sql(path, "read the version of", source))
}

/// Brings the tables to [`VERSION`], one version at a time, each step whole or not at all.
pub fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(connection, path)?;
    if found > VERSION {
        return Err(StoreError::TooNew { path: path.into(), found, supported: VERSION });
    }
    for (from, statements) in (0..).zip(MIGRATIONS).skip(found as usize) {
        step(connection, from + 1, statements)
            .map_err(|source| StoreError::sql(path, "migrate", source))?;
    }
    Ok(())
}

fn step(connection: &mut Connection, to: u32, statements: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(statements)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}

/// Makes an empty file, readable by its owner only; what SQLite puts beside it takes the same mode.
pub fn make_file(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::io(path, "create", source))
}

/// Gives a finished file its name, durably.
pub fn publish(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io(to, "create", source);
    File::open(from).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(from, to).map_err(failed)?;
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory).and_then(|file| file.sync_all()).map_err(failed)
}
