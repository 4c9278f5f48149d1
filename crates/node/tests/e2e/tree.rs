//! What a directory holds, in full: kind, mode, size, owner, time, attributes, target, content.
//!
//! Reads with the system's own tools and calls, not with the program's. Called by `Lab::compare`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lab::{tool, Outcome};

/// One thing in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thing {
    /// With the bits of its type.
    mode: u32,
    /// Bytes of a file.
    size: u64,
    owner: (u32, u32),
    mtime_ns: i128,
    /// SHA-256 of a file, the target of a symlink.
    content: Vec<u8>,
    /// `name=0x...`, sorted.
    attributes: BTreeSet<String>,
}

/// Everything below a directory, by path.
pub type Tree = BTreeMap<PathBuf, Thing>;

/// Reads all of it.
pub fn read(root: &Path) -> Outcome<Tree> {
    let mut tree = Tree::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory))? {
            let path = directory.join(entry?.file_name());
            let thing = look(&root.join(&path))?;
            if thing.mode & 0o170_000 == 0o040_000 {
                open.push(path.clone());
            }
            tree.insert(path, thing);
        }
    }
    attributes(root, &mut tree)?;
    Ok(tree)
}

fn look(path: &Path) -> Outcome<Thing> {
    let metadata = fs::symlink_metadata(path)?;
    let content = if metadata.is_symlink() {
        fs::read_link(path)?.into_os_string().into_vec()
    } else if metadata.is_file() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(path)?);
        digest.as_ref().to_vec()
    } else {
        Vec::new()
    };
    let seconds = i128::from(metadata.mtime()) * 1_000_000_000;
    Ok(Thing {
        mode: metadata.mode(),
        size: if metadata.is_file() { metadata.len() } else { 0 },
        owner: (metadata.uid(), metadata.gid()),
        mtime_ns: seconds + i128::from(metadata.mtime_nsec()),
        content,
        attributes: BTreeSet::new(),
    })
}

fn attributes(root: &Path, tree: &mut Tree) -> Outcome {
    let text = root.to_string_lossy();
    let wanted = r"^(user\.|system\.posix_acl)";
    let all = ["getfattr", "-R", "-P", "-h", "-d", "-e", "hex", "--absolute-names", "-m", wanted];
    let said = tool(&[&all[..], &["--", &text]].concat())?;
    let mut at = None;
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("# file: ") {
            let path = PathBuf::from(std::ffi::OsString::from_vec(plain(name.as_bytes())));
            at = path.strip_prefix(root).ok().map(Path::to_owned);
        } else if let Some(thing) = at.as_ref().and_then(|path| tree.get_mut(path)) {
            if !line.is_empty() {
                thing.attributes.insert(line.to_owned());
            }
        }
    }
    Ok(())
}

/// Takes back the `\ooo` of getfattr.
fn plain(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|d| d.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        rest = match digits {
            Some(digits) if first == b'\\' => {
                let value =
                    digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                out.push((value & 0xff) as u8);
                &tail[3..]
            }
            _ => {
                out.push(first);
                tail
            }
        };
    }
    out
}

/// What is not the same, one line each.
pub fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let all: BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    let mut found = Vec::new();
    for path in all {
        let name = path.as_os_str().as_bytes().escape_ascii();
        match (one.get(path), other.get(path)) {
            (Some(_), None) => found.push(format!("{name}: is missing")),
            (None, Some(_)) => found.push(format!("{name}: is there, but not on the first")),
            (Some(a), Some(b)) if a != b => found.push(format!("{name}: {}", unlike(a, b))),
            _ => {}
        }
    }
    found
}

fn unlike(a: &Thing, b: &Thing) -> String {
    let mut words = Vec::new();
    if a.mode != b.mode {
        words.push(format!("mode {:o} and {:o}", a.mode, b.mode));
    }
    if a.size != b.size || a.content != b.content {
        words.push(format!("content ({} and {} bytes)", a.size, b.size));
    }
    if a.owner != b.owner {
        words.push(format!("owner {:?} and {:?}", a.owner, b.owner));
    }
    if a.mtime_ns != b.mtime_ns {
        words.push(format!("time {} and {}", a.mtime_ns, b.mtime_ns));
    }
    if a.attributes != b.attributes {
        words.push(format!("attributes {:?} and {:?}", a.attributes, b.attributes));
    }
    words.join(", ")
}
