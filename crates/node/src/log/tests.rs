//! The event log: bounded, whole lines, filters.

use super::{read, EventLog, Filter, Glob, NEW, OLD};
use crate::view::{LogEntry, LogEvent};
use std::io::Write;

fn entry(n: u64, path: &str) -> LogEntry {
    LogEntry {
        time_ms: n,
        folder: "web".to_owned(),
        event: LogEvent::Edit,
        path: path.to_owned(),
        from: None,
        node: "a".to_owned(),
        local: false,
        detail: None,
    }
}

fn times(directory: &std::path::Path) -> Vec<u64> {
    let mut times = Vec::new();
    read(directory, |entry| {
        times.push(entry.time_ms);
        true
    })
    .unwrap();
    times
}

#[test]
fn an_old_half_is_dropped_and_the_rest_stays_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = EventLog { bytes_max: 1000, ..EventLog::new(dir.path()) };
    for n in 0..100 {
        log.append(&[entry(n, "x")]).unwrap();
    }
    let times = times(dir.path());
    assert!(times.len() < 100 && times.len() > 8, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] + 1 == pair[1]) && times.last() == Some(&99));
    for name in [OLD, NEW] {
        assert!(std::fs::metadata(dir.path().join(name)).unwrap().len() <= 1000);
    }
}

#[test]
fn a_line_cut_off_by_a_crash_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    EventLog::new(dir.path()).append(&[entry(1, "x")]).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join(NEW)).unwrap();
    file.write_all(b"{\"time_ms\":2,").unwrap();
    EventLog::new(dir.path()).append(&[entry(3, "a\nb")]).unwrap();
    assert_eq!(times(dir.path()), [1, 3]);
}

/// A full home cut a line of the log; the folder that was opened again wanted to end that line, had
/// no room for one byte, and stopped with an error that named its tree.
#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NEW);
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut log = EventLog::new(dir.path());
    let full = log.append(&[entry(1, "x")]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"{\"time_ms\":2,").unwrap();
    log.append(&[entry(3, "x")]).unwrap();
    log.append(&[entry(4, "x")]).unwrap();
    assert_eq!(times(dir.path()), [3, 4]);
}

#[test]
fn a_log_that_is_not_there_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(times(&dir.path().join("none")).is_empty());
}

#[test]
fn a_filter_takes_a_rename_by_either_name() {
    let renamed = LogEntry { from: Some("old.php".to_owned()), ..entry(1, "new.txt") };
    let filter = |folder: Option<&str>, glob| Filter {
        folder: folder.map(str::to_owned),
        path: Some(Glob::new(glob)),
    };
    assert!(filter(None, "*.php").wants(&renamed) && filter(Some("web"), "*.txt").wants(&renamed));
    assert!(!filter(Some("mail"), "*.txt").wants(&renamed));
    assert!(!filter(None, "*.css").wants(&renamed));
    assert!(Filter::default().wants(&renamed));
}
