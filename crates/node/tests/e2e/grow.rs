//! Content for the trials: a web tree with everything odd in it, and the system's WordPress.
//!
//! The same seed gives the same tree. Called by the trials.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, lchown, symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::lab::{tool, Outcome};

const SITE_DIRECTORIES: u64 = 24;
const SITE_FILES: u64 = 600;
/// When what is grown was last changed, before jitter: some day in 2020.
const EPOCH_S: u64 = 1_600_000_000;

/// Numbers that look random and are the same for the same seed (splitmix64, public domain, Vigna).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// So many bytes that do not compress.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count + 8);
        while out.len() < count {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(count);
        out
    }
}

/// Sets both times of a file or directory, to the nanosecond. Setting the modification time alone
/// is what the kernel tells of as a write (`fsnotify_change`), and writes are not watched.
pub fn date(path: &Path, nanos_after_epoch: u64) -> io::Result<()> {
    let after = Duration::from_secs(EPOCH_S) + Duration::from_nanos(nanos_after_epoch);
    let time = SystemTime::UNIX_EPOCH + after;
    File::open(path)?.set_times(FileTimes::new().set_modified(time).set_accessed(time))
}

/// Gives a file extended attributes and an access list.
pub fn mark(path: &Path) -> Outcome {
    for line in [
        &["setfattr", "-n", "user.note", "-v", "0x00ff0a", "--"][..],
        &["setfattr", "-n", "user.empty", "--"],
        &["setfacl", "-m", "u:4711:rwx", "--"],
    ] {
        let mut line: Vec<&OsStr> = line.iter().map(OsStr::new).collect();
        line.push(path.as_os_str());
        tool(&line)?;
    }
    Ok(())
}

/// A site of about 600 files.
pub fn site(root: &Path, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let mut directories = vec![root.to_owned()];
    for number in 0..SITE_DIRECTORIES {
        let parent = &directories[random.below(directories.len() as u64) as usize];
        let path = parent.join(format!("section-{number}"));
        fs::create_dir(&path)?;
        directories.push(path);
    }
    for number in 0..SITE_FILES {
        let at = &directories[random.below(directories.len() as u64) as usize];
        let path = at.join(format!("page-{number}.php"));
        // Mostly small, a few large: the shape of a real site.
        let scale = 1 << random.below(17);
        let length = random.below(scale) as usize;
        fs::write(&path, random.bytes(length))?;
        if number % 7 == 0 {
            let mode = [0o600, 0o755, 0o444, 0o4750, 0o2755, 0o000][(number / 7 % 6) as usize];
            let owner = (number % 5) as u32 * 1000;
            chown(&path, Some(owner), Some(33))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        date(&path, random.next() % 1_000_000_000_000_000)?;
    }
    odd(root)?;
    for path in directories[1..].iter().rev() {
        date(path, random.next() % 1_000_000_000_000_000)?;
    }
    Ok(())
}

/// `0.txt`, `1.txt` and so on, each with a line of its own.
pub fn numbered(root: &Path, count: u64) -> Outcome {
    for number in 0..count {
        fs::write(root.join(format!("{number}.txt")), format!("file {number}"))?;
    }
    Ok(())
}

/// Names, kinds and attributes that break programs.
pub fn odd(root: &Path) -> Outcome {
    let at = root.join("odd");
    fs::create_dir(&at)?;
    let long = [b'x'; 255];
    let names: [&[u8]; 8] = [
        b"with space",
        b" leading and trailing ",
        b"new\nline",
        b"not-utf8-\xff\xfe",
        b"-rf",
        b"back\\slash \"quote\" $(x) `y`",
        "caf\u{e9} \u{1f4be}".as_bytes(),
        &long,
    ];
    for name in names {
        fs::write(at.join(OsStr::from_bytes(name)), name)?;
    }
    fs::create_dir(at.join("empty directory"))?;
    fs::create_dir(at.join(OsStr::from_bytes(&[b'd'; 255])))?;
    fs::create_dir_all(at.join("de/ep/er/and/de/ep/er"))?;
    File::create(at.join("empty file"))?;
    for (name, target) in [("to file", "with space"), ("dangling", "no/such"), ("absolute", "/etc")]
    {
        symlink(target, at.join(name))?;
    }
    symlink(OsStr::from_bytes(b"..\xff\n"), at.join("bytes"))?;
    lchown(at.join("dangling"), Some(1234), Some(4321))?;
    fs::write(at.join("marked"), b"marked")?;
    mark(&at.join("marked"))?;
    mark(&at.join("empty directory"))?;
    mark(&at.join("new\nline"))?;
    mark(&at.join(OsStr::from_bytes(b"not-utf8-\xff\xfe")))?;
    fs::set_permissions(at.join("de"), fs::Permissions::from_mode(0o2775))?;
    fs::set_permissions(at.join("de/ep"), fs::Permissions::from_mode(0o1777))?;
    chown(at.join("de/ep"), Some(33), Some(33))?;
    Ok(())
}

/// Debian's WordPress, unpacked once in the temporary directory; or why it cannot be had.
pub fn wordpress() -> Result<PathBuf, String> {
    let cache = std::env::temp_dir().join("syncline-e2e-wordpress");
    let tree = cache.join("tree");
    if tree.is_dir() {
        return Ok(tree);
    }
    let fresh = std::env::temp_dir().join(format!("syncline-e2e-fetch-{}", std::process::id()));
    let fetched = fetch(&fresh).map_err(|error| error.message().unwrap_or("?").to_owned());
    let placed = fetched.and_then(|()| fs::rename(&fresh, &cache).map_err(|e| e.to_string()));
    if placed.is_err() {
        // The reason for the failure says more than a rest that stays behind.
        drop(fs::remove_dir_all(&fresh));
    }
    placed.map(|()| tree)
}

fn fetch(place: &Path) -> Outcome {
    fs::create_dir_all(place)?;
    let text = place.to_string_lossy();
    let line = format!("cd '{text}' && timeout 60 apt-get -q download wordpress");
    tool(&["sh", "-c", &line])?;
    let line = format!("cd '{text}' && dpkg-deb -x wordpress_*.deb tree");
    tool(&["sh", "-c", &line])?;
    Ok(())
}
