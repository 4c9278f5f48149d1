//! What a directory holds, to compare the demo's three by.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One thing in a tree: mode with its type, mtime in nanoseconds, content hash or link target.
type Thing = (u32, i128, Vec<u8>);

/// Everything below a directory.
///
/// # Errors
/// It cannot be read.
pub fn read(root: &Path) -> io::Result<BTreeMap<PathBuf, Thing>> {
    let mut things = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory))? {
            let name = directory.join(entry?.file_name());
            let path = root.join(&name);
            let metadata = fs::symlink_metadata(&path)?;
            let content = if metadata.is_symlink() {
                fs::read_link(&path)?.into_os_string().into_encoded_bytes()
            } else if metadata.is_file() {
                // SHA-256 of the bytes, so that three trees fit in memory.
                let bytes = fs::read(&path)?;
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
                digest.as_ref().to_vec()
            } else {
                open.push(name.clone());
                Vec::new()
            };
            let nanos = i128::from(metadata.mtime()) * 1_000_000_000;
            let time = nanos + i128::from(metadata.mtime_nsec());
            things.insert(name, (metadata.permissions().mode(), time, content));
        }
    }
    Ok(things)
}

/// The first paths that are not alike, with a word each.
pub fn differences(
    a: &BTreeMap<PathBuf, Thing>,
    b: &BTreeMap<PathBuf, Thing>,
) -> Vec<(PathBuf, &'static str)> {
    let all: std::collections::BTreeSet<&PathBuf> = a.keys().chain(b.keys()).collect();
    let mut found = Vec::new();
    for path in all {
        let what = match (a.get(path), b.get(path)) {
            (Some(_), None) | (None, Some(_)) => "missing",
            (Some(a), Some(b)) if a.2 != b.2 => "content",
            (Some(a), Some(b)) if a.0 != b.0 => "mode",
            (Some(a), Some(b)) if a.1 != b.1 => "time",
            _ => continue,
        };
        found.push((path.clone(), what));
    }
    found
}

#[cfg(test)]
mod tests;
