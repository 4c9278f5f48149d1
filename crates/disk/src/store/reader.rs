//! What was last seen, for threads beside the one that owns the index: the scanner's look-ups.
//!
//! A [`Reader`] has its own connection and sees what is committed, at the moment of each look-up.

use super::lives::Lives;
use super::rows::{self, signed};
use super::sums::Sums;
use super::{schema, ReadError, StoreError};
use engine::content::Digest;
use engine::entry::EntryId;
use engine::index::{Handle, Index, IndexError, SeenRow, Slot, ROOT_SLOT};
use engine::path::{Name, RelPath};
use rusqlite::{Connection, Params};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A path that climbs through more directories than this is a circle: PATH_MAX has no room for it.
const DEPTH_MAX: usize = 4096;

/// Look-ups of D. An error is never "nothing was seen": that would make every file a new one.
pub trait LastSeen {
    /// A row.
    fn seen(&self, slot: Slot) -> Result<Option<SeenRow>, IndexError>;
    /// The row that shows `entry`.
    fn seen_of(&self, entry: EntryId) -> Result<Option<SeenRow>, IndexError>;
    /// The row called `name` in `parent`.
    fn seen_named(&self, parent: Slot, name: &Name) -> Result<Option<SeenRow>, IndexError>;
    /// Rows in `parent` after `after`, by name, at most `max`.
    fn seen_children(
        &self,
        parent: Slot,
        after: Option<&Name>,
        max: usize,
    ) -> Result<Vec<SeenRow>, IndexError>;
    /// The rows with this handle, by slot.
    fn seen_handle(&self, handle: &Handle) -> Result<Vec<SeenRow>, IndexError>;
    /// A row whose file holds these bytes.
    fn seen_digest(&self, digest: &Digest) -> Result<Option<SeenRow>, IndexError>;

    /// Where a row lies; `None` where it or a directory above it is gone.
    fn path_of(&self, slot: Slot) -> Result<Option<RelPath>, IndexError> {
        let mut names = Vec::new();
        let mut at = slot;
        while at != ROOT_SLOT {
            let row = self.seen(at)?;
            let Some((name, parent)) = row.and_then(|row| Some((row.name?, row.parent))) else {
                return Ok(None);
            };
            if names.len() == DEPTH_MAX {
                let what = format!("slot {} lies in itself", slot.0);
                return Err(IndexError { what });
            }
            names.push(name);
            at = parent;
        }
        names.reverse();
        Ok(Some(RelPath::from_names(names)))
    }
}

/// An index answers for itself, what is not committed included; its own failures it keeps for its
/// commit.
impl<T: Index + ?Sized> LastSeen for T {
    fn seen(&self, slot: Slot) -> Result<Option<SeenRow>, IndexError> {
        Ok(Index::seen(self, slot))
    }

    fn seen_of(&self, entry: EntryId) -> Result<Option<SeenRow>, IndexError> {
        Ok(Index::seen_of(self, entry))
    }

    fn seen_named(&self, parent: Slot, name: &Name) -> Result<Option<SeenRow>, IndexError> {
        Ok(Index::seen_named(self, parent, name))
    }

    fn seen_children(
        &self,
        parent: Slot,
        after: Option<&Name>,
        max: usize,
    ) -> Result<Vec<SeenRow>, IndexError> {
        Ok(Index::seen_children(self, parent, after, max))
    }

    fn seen_handle(&self, handle: &Handle) -> Result<Vec<SeenRow>, IndexError> {
        Ok(Index::seen_handle(self, handle))
    }

    fn seen_digest(&self, digest: &Digest) -> Result<Option<SeenRow>, IndexError> {
        Ok(Index::seen_digest(self, digest))
    }
}

/// Reads the committed D of one index. For one thread at a time; more are cheap.
pub struct Reader {
    path: PathBuf,
    connection: Connection,
    lives: RefCell<Lives>,
}

impl Reader {
    /// Opens the index at `path`, which some [`Store`](super::Store) may have open too.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        schema::check_header(path)?;
        let connection = schema::connect_reader(path)?;
        let found = schema::version(&connection, path)?;
        if found != schema::VERSION {
            let supported = schema::VERSION;
            return Err(StoreError::TooNew { path: path.into(), found, supported });
        }
        let lives = Lives::load(&connection).map_err(|e| StoreError::sql(path, "read", e))?;
        Ok(Reader { path: path.into(), connection, lives: RefCell::new(lives) })
    }

    /// Reads all of S and tells whether it is what was written with K; see `store::sums`.
    pub fn check_sums(&self) -> Result<(), StoreError> {
        let checked = self.connection.unchecked_transaction().map_err(ReadError::Sql);
        let checked = checked.and_then(|snapshot| Sums::check(&snapshot));
        checked.map(drop).map_err(|error| StoreError::read(&self.path, error))
    }

    /// Another one, for another thread.
    pub fn another(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    fn rows(
        &self,
        sql: &str,
        params: impl Params + Clone,
        max: usize,
    ) -> Result<Vec<SeenRow>, IndexError> {
        let look = || {
            let lives = self.lives.borrow();
            rows::seen_rows(&self.connection, &lives, (sql, params.clone()), max, |_| false)
        };
        let found = match look() {
            Err(ReadError::UnknownLife(_)) => self.reload().and_then(|()| look()),
            found => found,
        };
        found.map_err(|error| IndexError {
            what: format!("cannot read {}: {error}", self.path.display()),
        })
    }

    /// Lives are listed before rows name them, so a new one is there to be read.
    fn reload(&self) -> Result<(), ReadError> {
        *self.lives.borrow_mut() = Lives::load(&self.connection)?;
        Ok(())
    }
}

impl LastSeen for Reader {
    fn seen(&self, slot: Slot) -> Result<Option<SeenRow>, IndexError> {
        Ok(self.rows(rows::BY_SLOT, [signed(slot.0)], 1)?.pop())
    }

    fn seen_of(&self, entry: EntryId) -> Result<Option<SeenRow>, IndexError> {
        Ok(self.rows(rows::BY_ENTRY, [entry.0], 1)?.pop())
    }

    fn seen_named(&self, parent: Slot, name: &Name) -> Result<Option<SeenRow>, IndexError> {
        Ok(self.rows(rows::BY_NAME, (signed(parent.0), name.as_bytes()), 1)?.pop())
    }

    fn seen_children(
        &self,
        parent: Slot,
        after: Option<&Name>,
        max: usize,
    ) -> Result<Vec<SeenRow>, IndexError> {
        let from = after.map_or(&[][..], Name::as_bytes);
        self.rows(rows::CHILDREN, (signed(parent.0), from), max)
    }

    fn seen_handle(&self, handle: &Handle) -> Result<Vec<SeenRow>, IndexError> {
        self.rows(rows::BY_HANDLE, [&handle.0], usize::MAX)
    }

    fn seen_digest(&self, digest: &Digest) -> Result<Option<SeenRow>, IndexError> {
        Ok(self.rows(rows::BY_DIGEST, [digest.0], 1)?.pop())
    }
}
