//! Names and paths inside a folder: relative, byte-exact, never escaping.
//!
//! Not a filesystem: nothing here looks at a disk. A [`RelPath`] sorts so that a directory comes
//! before everything inside it, which is the order every tree walk and every plan relies on.

use std::fmt;

/// Longest name that Linux filesystems take, in bytes (limits.h NAME_MAX).
pub const NAME_BYTES_MAX: usize = 255;

/// Why bytes are not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// No bytes at all.
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// `.` or `..`, which are places and not names.
    Dots,
    /// A slash or a NUL inside.
    ForbiddenByte,
}

/// One name in one directory: 1 to 255 bytes, no slash, no NUL, not `.` or `..`; not always UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks and takes the bytes.
    pub fn new(bytes: &[u8]) -> Result<Name, NameError> {
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        if bytes.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if bytes == b"." || bytes == b".." {
            return Err(NameError::Dots);
        }
        if bytes.contains(&b'/') || bytes.contains(&0) {
            return Err(NameError::ForbiddenByte);
        }
        Ok(Name(bytes.into()))
    }

    /// The bytes as they stand in the directory.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Control bytes and what is not UTF-8 are escaped: a name can never forge a line of a log.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// A place below the folder's root; no names means the root itself.
///
/// Compared name by name, so a directory sorts before its contents and siblings stay together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<Name>);

impl RelPath {
    /// The root itself.
    pub fn root() -> RelPath {
        RelPath(Vec::new())
    }

    /// A place named from the root downwards.
    pub fn from_names(names: Vec<Name>) -> RelPath {
        RelPath(names)
    }

    /// Splits at slashes; refuses whatever is not a clean relative path (`a/b`, and `` for the
    /// root).
    pub fn parse(bytes: &[u8]) -> Result<RelPath, NameError> {
        if bytes.is_empty() {
            return Ok(RelPath::root());
        }
        bytes.split(|&b| b == b'/').map(Name::new).collect::<Result<_, _>>().map(RelPath)
    }

    /// The names from the root downwards.
    pub fn names(&self) -> &[Name] {
        &self.0
    }

    /// The directory this lies in; `None` for the root.
    pub fn parent(&self) -> Option<RelPath> {
        let (_, above) = self.0.split_last()?;
        Some(RelPath(above.to_vec()))
    }

    /// The last name; `None` for the root.
    pub fn name(&self) -> Option<&Name> {
        self.0.last()
    }

    /// The place called `name` inside this one.
    pub fn join(&self, name: Name) -> RelPath {
        let mut names = self.0.clone();
        names.push(name);
        RelPath(names)
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this lies inside `other` or is `other`.
    pub fn is_within(&self, other: &RelPath) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Where this is once what was at `from` is at `to`; `None` if it lies elsewhere.
    pub fn carried(&self, from: &RelPath, to: &RelPath) -> Option<RelPath> {
        let below = self.0.strip_prefix(from.names())?;
        Some(RelPath([to.names(), below].concat()))
    }

    /// The bytes joined by slashes; empty for the root.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/')
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The root is shown as a dot.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (i, name) in self.0.iter().enumerate() {
            let slash = if i == 0 { "" } else { "/" };
            write!(f, "{slash}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
