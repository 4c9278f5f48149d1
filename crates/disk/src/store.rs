//! A folder's index on this disk: the engine's `Index` in one SQLite file, and a reader beside it.
//!
//! Nothing is decided here, and no domain type is stored as itself: rows are this module's own
//! records. Writes gather in memory and reach the file in bulk; [`Index::commit`] makes them
//! durable (WAL, synchronous=FULL). The daemon's control thread owns the [`Store`]; the scanner
//! looks up what was last seen through a [`Reader`]. Files of a newer program, foreign or broken
//! files are refused and left as they are.
//!
//! [`Index::commit`]: engine::index::Index::commit

use engine::dot::Knowledge;
use engine::index::{IndexError, Meta};
use lives::Lives;
use overlay::Overlay;
use recent::Recent;
use record::Counts;
use rusqlite::Connection;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use sums::Sums;

mod schema;

mod lives;

mod record;

mod rows;

mod overlay;

mod recent;

mod file;

mod index;

mod flush;

mod sums;

mod reader;

pub use reader::{LastSeen, Reader};

/// Why an index file could not be made or opened. The file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is one already.
    #[error("{}: an index exists here already; open it, or move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("{}: there is no index here; the folder must be added again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process works on it.
    #[error("{}: another process has this index open; stop it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is something else, or its first page is lost.
    #[error("{}: this is not a folder's index: {why}; it was left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        why: String,
    },
    /// A newer program wrote it.
    #[error(
        "{}: a newer program wrote this index (version {found}, this one knows {supported}); \
         it was left as it is, update this program",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// It is an index, and damaged.
    #[error(
        "{}: this index is damaged: {what}; it was left as it is: move it away and start again, \
         and it is built anew from the files here and what the other nodes know",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What tells.
        what: String,
    },
    /// The system refused.
    #[error("{}: cannot {action} this file: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("{}: cannot {action} this index: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
}

impl StoreError {
    fn io(path: &Path, action: &'static str, source: std::io::Error) -> StoreError {
        StoreError::Io { path: path.into(), action, source }
    }

    fn sql(path: &Path, action: &'static str, source: rusqlite::Error) -> StoreError {
        let damage = [rusqlite::ErrorCode::DatabaseCorrupt, rusqlite::ErrorCode::NotADatabase];
        match source.sqlite_error_code() {
            Some(code) if damage.contains(&code) => {
                StoreError::Corrupt { path: path.into(), what: source.to_string() }
            }
            _ => StoreError::Sql { path: path.into(), action, source },
        }
    }

    fn read(path: &Path, source: ReadError) -> StoreError {
        match source {
            ReadError::Sql(source) => StoreError::sql(path, "read", source),
            other => StoreError::Corrupt { path: path.into(), what: other.to_string() },
        }
    }
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    #[error("a row is not what was written: {0}")]
    Bytes(#[from] prost::DecodeError),
    #[error("a row is not what was written: {0}")]
    Broken(String),
    #[error("a row names life {0}, which is not listed")]
    UnknownLife(u32),
}

/// Rows that wait in memory before they go into the open transaction.
const OVERLAY_ROWS_MAX: usize = 20_000;

/// Keys of the table `fact`.
mod fact {
    pub const META: i64 = 1;
    pub const KNOWLEDGE: i64 = 2;
    pub const COUNTS: i64 = 3;
    pub const SUMS: i64 = 4;
    pub const FRONTIER: i64 = 5;
}

/// What is small and asked for often, kept in memory whole.
struct Facts {
    meta: Meta,
    knowledge: Knowledge,
    contexts: BTreeMap<u64, Knowledge>,
    frontier: Knowledge,
    counts: Counts,
    /// Over the rows of S in the file.
    sums: Sums,
    meta_unsaved: bool,
    knowledge_unsaved: bool,
    frontier_unsaved: bool,
    contexts_unsaved: BTreeSet<u64>,
}

/// What is open in SQLite. Look-ups between two commits share one reading transaction: each by
/// itself would take and give back the file's locks (measured: 600,000 fcntl calls while a node
/// received 2,800 files).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Transaction {
    None,
    Reading,
    Writing,
}

/// A folder's index. See the module's head and [`engine::index::Index`].
pub struct Store {
    path: PathBuf,
    connection: Connection,
    lives: Lives,
    facts: Facts,
    overlay: Overlay,
    /// [`OVERLAY_ROWS_MAX`], or less in tests.
    overlay_rows_max: usize,
    /// The next rowid of an entry.
    next_seq: i64,
    /// No row of D in the file has a higher slot.
    top_slot: u64,
    transaction: Cell<Transaction>,
    /// What the file holds of rows lately read or written.
    recent: RefCell<Recent>,
    /// Whether the conflict store may hold anything: mostly it does not, and is asked all the time.
    keeps: bool,
    /// Every pending row in the file with an order up to this is hidden; forgotten likewise.
    hidden_below: Cell<u64>,
    /// The same for touched and creating counters, by table and life.
    floors: RefCell<HashMap<(bool, u32), u64>>,
    failed: RefCell<Option<IndexError>>,
    /// Held for its lock: one process at a time.
    _owner: schema::Owner,
}

impl Store {
    /// Makes the index of a folder that has none here. The file appears whole or not at all.
    pub fn create(path: &Path, meta: &Meta) -> Result<Store, StoreError> {
        let owner = schema::own(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: path.into() });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let fresh = PathBuf::from(name);
        for suffix in ["", "-wal", "-shm"] {
            let mut leftover = fresh.as_os_str().to_owned();
            leftover.push(suffix);
            match std::fs::remove_file(&leftover) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io(Path::new(&leftover), "remove", error));
                }
                _ => {}
            }
        }
        schema::make_file(&fresh)?;
        let mut connection = schema::connect(&fresh)?;
        schema::migrate(&mut connection, &fresh)?;
        flush::save_fact(&connection, fact::META, &record::meta_bytes(meta))
            .map_err(|source| StoreError::sql(&fresh, "write", source))?;
        connection.close().map_err(|(_, source)| StoreError::sql(&fresh, "write", source))?;
        schema::publish(&fresh, path)?;
        Store::open_owned(path, owner)
    }

    /// Opens the index of a folder, bringing an older version up to date.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        schema::check_header(path)?;
        let owner = schema::own(path)?;
        Store::open_owned(path, owner)
    }

    fn open_owned(path: &Path, owner: schema::Owner) -> Result<Store, StoreError> {
        let mut connection = schema::connect(path)?;
        schema::migrate(&mut connection, path)?;
        let sql = |source| StoreError::sql(path, "read", source);
        let lives = Lives::load(&connection).map_err(sql)?;
        let facts = load_facts(&connection, &lives).map_err(|e| StoreError::read(path, e))?;
        let top = |query: &str| -> Result<i64, StoreError> {
            connection.query_row(query, [], |row| row.get(0)).map_err(sql)
        };
        let next_seq = top("SELECT coalesce(max(seq), 0) + 1 FROM entry")?;
        let top_slot = top("SELECT coalesce(max(slot), 0) FROM seen")?;
        Ok(Store {
            path: path.into(),
            lives,
            facts,
            overlay: Overlay::default(),
            overlay_rows_max: OVERLAY_ROWS_MAX,
            next_seq,
            top_slot: u64::try_from(top_slot).unwrap_or(0),
            transaction: Cell::new(Transaction::None),
            recent: RefCell::default(),
            keeps: top("SELECT count(*) FROM kept")? > 0,
            hidden_below: Cell::new(0),
            floors: RefCell::default(),
            failed: RefCell::default(),
            _owner: owner,
            connection,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of what is committed, for another thread.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Remembers the first failure; from then on nothing can be committed.
    fn fail(&self, doing: &str, error: impl std::fmt::Display) {
        let mut failed = self.failed.borrow_mut();
        if failed.is_none() {
            let what = format!("cannot {doing} {}: {error}", self.path.display());
            *failed = Some(IndexError { what });
        }
    }

    /// The answer of a look-up, or none and the failure remembered.
    fn answer<T: Default>(&self, found: Result<T, ReadError>) -> T {
        found.unwrap_or_else(|error| {
            self.fail("read", error);
            T::default()
        })
    }
}

fn read_fact(connection: &Connection, key: i64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT value FROM fact WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

fn load_facts(connection: &Connection, lives: &Lives) -> Result<Facts, ReadError> {
    let fact = |key: i64| read_fact(connection, key);
    let meta = fact(fact::META)?.ok_or_else(|| ReadError::Broken("no facts".into()))?;
    let mut contexts = BTreeMap::new();
    let mut statement = connection.prepare("SELECT id, knowledge FROM context")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = rows::bytes(row, 1)?.unwrap_or_default();
        contexts.insert(rows::unsigned(row, 0)?, record::read_knowledge(lives, bytes)?);
    }
    let knowledge = fact(fact::KNOWLEDGE)?.unwrap_or_default();
    Ok(Facts {
        meta: record::read_meta(&meta)?,
        knowledge: record::read_knowledge(lives, &knowledge)?,
        contexts,
        frontier: record::read_knowledge(lives, &fact(fact::FRONTIER)?.unwrap_or_default())?,
        counts: record::read_counts(&fact(fact::COUNTS)?.unwrap_or_default())?,
        sums: Sums::check(connection)?,
        meta_unsaved: false,
        knowledge_unsaved: false,
        frontier_unsaved: false,
        contexts_unsaved: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests;
