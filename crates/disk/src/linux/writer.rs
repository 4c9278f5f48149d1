//! Who has a file open for writing, told from /proc: a name for a person, never a decision.
//!
//! Best effort: other users' descriptors are hidden from the unprivileged, and mappings are not
//! looked for. Used by `linux` only.

use std::fs::{read_dir, read_link, read_to_string, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Descriptors looked at before giving up.
const DESCRIPTORS_MAX: usize = 65_536;

/// The program's name and process id.
pub(super) fn find(file: &File) -> Option<String> {
    let wanted = file.metadata().ok()?;
    let shown = read_link(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))).ok()?;
    let mut looked_at = 0;
    for process in read_dir("/proc").ok()?.flatten() {
        let directory = process.path();
        let Some(id) = process.file_name().to_str().and_then(|text| text.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = read_dir(directory.join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            looked_at += 1;
            if looked_at > DESCRIPTORS_MAX {
                return None;
            }
            let path = descriptor.path();
            // The name first: a stat through a descriptor of a dead network mount would hang.
            let named_alike =
                read_link(&path).is_ok_and(|target| target.file_name() == shown.file_name());
            let same = named_alike
                && std::fs::metadata(&path)
                    .is_ok_and(|found| found.ino() == wanted.ino() && found.dev() == wanted.dev());
            let number = descriptor.file_name();
            if same && writes(&directory.join("fdinfo").join(number)) {
                let name = read_to_string(directory.join("comm")).unwrap_or_default();
                return Some(format!("{} (pid {id})", name.trim_end().escape_debug()));
            }
        }
    }
    None
}

/// Whether `/proc/<pid>/fdinfo/<n>` says O_WRONLY or O_RDWR (octal flags, proc(5)).
fn writes(info: &Path) -> bool {
    let text = read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    flags.is_some_and(|bits| bits & 0b11 != 0)
}
