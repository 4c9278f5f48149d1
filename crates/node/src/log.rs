//! What the daemon writes down: its own lines on stderr, and each folder's event log.
//!
//! The event log says what happened to which path, when, from whom: JSON lines in the folder's
//! directory of the home, at most two files of [`FILE_BYTES_MAX`]; the older half is dropped. It
//! is for people, and nothing is decided from it: a line that cannot be written is a warning.
//! Called by the daemon; read by `syncline log` through it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;

use crate::view::LogEntry;

mod glob;

pub use glob::Glob;

/// A log file is closed and becomes the older half at this size, in bytes.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest line that is read back, in bytes.
pub const LINE_BYTES_MAX: u64 = 64 << 10;

const NEW: &str = "events.jsonl";
const OLD: &str = "events.1.jsonl";

/// Starts the daemon's own log on stderr: under systemd without times, which the journal has.
/// `stderr` gives the way there, so that a line of progress is not torn.
/// `-v` shows more, `-q` only errors; the variable `SYNCLINE_LOG` takes a tracing filter.
pub fn start<W: Write + 'static>(
    verbose: u8,
    quiet: bool,
    stderr: impl Fn() -> W + Send + Sync + 'static,
) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,syncline=info,node=info",
        (false, 1) => "info,syncline=debug,node=debug",
        (false, _) => "debug,syncline=trace,node=trace",
    };
    let filter = EnvFilter::try_from_env("SYNCLINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(!journal && io::stderr().is_terminal());
    // A second start in one process (tests) keeps the first: there is one stderr.
    let _first = if journal { lines.without_time().try_init() } else { lines.try_init() };
}

/// The event log of one folder, for its one writer.
#[derive(Debug)]
pub struct EventLog {
    directory: PathBuf,
    bytes_max: u64,
    /// `None` before the first line, and after one that could not be written.
    end: Option<End>,
}

/// Where the next line goes.
#[derive(Debug)]
struct End {
    file: File,
    bytes: u64,
    /// The last line was cut off, by a crash or a full disk: it has to be ended first.
    is_torn: bool,
}

impl EventLog {
    /// The log in the folder's directory of the home. Nothing is opened before the first line: a
    /// home without room costs lines, not the folder.
    pub fn new(directory: &Path) -> EventLog {
        EventLog { directory: directory.to_owned(), bytes_max: FILE_BYTES_MAX, end: None }
    }

    /// Appends entries with one write. Not synced: the log may lose its last lines at a power cut.
    ///
    /// # Errors
    /// The disk said no; some entries may be missing. The next call opens the file anew.
    pub fn append(&mut self, entries: &[LogEntry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let end = match self.end.take() {
            Some(end) => end,
            None => End::open(&self.directory)?,
        };
        let end = if end.bytes > 0 && end.bytes + lines.len() as u64 > self.bytes_max {
            std::fs::rename(self.directory.join(NEW), self.directory.join(OLD))?;
            End::open(&self.directory)?
        } else {
            end
        };
        self.end = Some(end.append(lines)?);
        Ok(())
    }
}

impl End {
    fn open(directory: &Path) -> io::Result<End> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = options.open(directory.join(NEW))?;
        let bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        if bytes > 0 {
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, bytes - 1)?;
        }
        Ok(End { file, bytes, is_torn: last != [b'\n'] })
    }

    fn append(mut self, mut lines: Vec<u8>) -> io::Result<End> {
        if self.is_torn {
            lines.insert(0, b'\n');
        }
        self.file.write_all(&lines)?;
        Ok(End { bytes: self.bytes + lines.len() as u64, is_torn: false, ..self })
    }
}

/// Reads a folder's log from its oldest line; `show` says whether it wants more. Lines that are
/// damaged are left out.
///
/// # Errors
/// A file cannot be read. A log that is not there is empty.
pub fn read(directory: &Path, mut show: impl FnMut(LogEntry) -> bool) -> io::Result<()> {
    for name in [OLD, NEW] {
        let file = match File::open(directory.join(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if let Ok(entry) = serde_json::from_slice(&line) {
                if !show(entry) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Which entries a reader wants.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this folder.
    pub folder: Option<String>,
    /// Only paths that match, before or after a rename.
    pub path: Option<Glob>,
}

impl Filter {
    /// Whether the reader wants this one.
    pub fn wants(&self, entry: &LogEntry) -> bool {
        if self.folder.as_ref().is_some_and(|folder| *folder != entry.folder) {
            return false;
        }
        let Some(glob) = &self.path else { return true };
        glob.matches(&entry.path) || entry.from.as_ref().is_some_and(|from| glob.matches(from))
    }
}

#[cfg(test)]
mod tests;
