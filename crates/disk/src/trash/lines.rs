//! One line of the trash index: where a displaced thing came from and what it was.
//!
//! Text, so that a person can read it without this program:
//! `<number> <expected digest or -> <incoming digest or -> <path>`, and ` keep` where it belongs in
//! the conflict store; in the path every byte outside `!`..`~`, and `%`, is `%xx`. Used by `trash`
//! only.

use crate::stage::parse_digest;
use engine::content::Digest;
use engine::path::RelPath;

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The number in the names of the staged, displaced and retired thing.
    pub number: u64,
    /// The content that stood there; `None` for symlinks.
    pub expected: Option<Digest>,
    /// The content that was to replace it, if any.
    pub incoming: Option<Digest>,
    /// The loser of a conflict: it goes to the conflict store, not to the trash.
    pub keep: bool,
    /// Where it was, from the folder's root.
    pub path: RelPath,
}

impl Line {
    /// The line with its end.
    pub(super) fn to_text(&self) -> String {
        let digest = |digest: Option<Digest>| digest.map_or("-".into(), |d| d.to_string());
        let mut text =
            format!("{} {} {} ", self.number, digest(self.expected), digest(self.incoming));
        for byte in self.path.to_bytes() {
            if byte.is_ascii_graphic() && byte != b'%' {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02x}"));
            }
        }
        text.push_str(if self.keep { " keep\n" } else { "\n" });
        text
    }

    /// Reads a line without its end; `None` for what is not one.
    pub(super) fn parse(line: &[u8]) -> Option<Line> {
        let mut fields = line.split(|&byte| byte == b' ');
        let number = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let mut digest = || match fields.next()? {
            b"-" => Some(None),
            text => parse_digest(text).map(Some),
        };
        let (expected, incoming) = (digest()?, digest()?);
        let mut path = Vec::new();
        let mut rest = fields.next()?;
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'%' {
                let hex = std::str::from_utf8(after.get(..2)?).ok()?;
                path.push(u8::from_str_radix(hex, 16).ok()?);
                rest = &after[2..];
            } else {
                path.push(byte);
                rest = after;
            }
        }
        let keep = fields.next() == Some(b"keep");
        Some(Line { number, expected, incoming, keep, path: RelPath::parse(&path).ok()? })
    }
}

#[cfg(test)]
mod tests;
