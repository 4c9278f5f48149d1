//! Path patterns: `?` one character, `*` any of one name, `**` any across names, `**/` any
//! directories or none.
//!
//! A pattern without a slash is tried on the last name alone, as `find -name` and ignore files do.
//! Not the exclude language. Called by the log's filter.

/// A pattern that is matched in time proportional to pattern times path, whatever the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Just(char),
    One,
    Name,
    Deep,
    Directories,
}

impl Glob {
    /// Reads a pattern; every text is one.
    pub fn new(pattern: &str) -> Glob {
        let mut rest = pattern.strip_prefix('/').unwrap_or(pattern);
        let whole = rest.contains('/') || rest.contains("**");
        let mut parts = Vec::new();
        while let Some(c) = rest.chars().next() {
            let stars = rest.len() - rest.trim_start_matches('*').len();
            let at_start = matches!(parts.last(), None | Some(Part::Just('/')));
            let (part, length) = match (c, stars) {
                ('?', _) => (Part::One, 1),
                (c, 0) => (Part::Just(c), c.len_utf8()),
                (_, 1) => (Part::Name, 1),
                _ if at_start && rest[stars..].starts_with('/') => (Part::Directories, stars + 1),
                _ => (Part::Deep, stars),
            };
            parts.push(part);
            rest = &rest[length..];
        }
        Glob { parts, whole }
    }

    /// Whether the path matches; paths are relative, with slashes.
    pub fn matches(&self, path: &str) -> bool {
        let text = if self.whole { path } else { path.rsplit('/').next().unwrap_or(path) };
        // places[n]: the first n parts match what has been read so far.
        let mut places = vec![false; self.parts.len() + 1];
        self.reach(&mut places, 0);
        for c in text.chars() {
            let mut next = vec![false; places.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| places[*at]) {
                match part {
                    Part::Just(wanted) if *wanted == c => self.reach(&mut next, at + 1),
                    Part::One if c != '/' => self.reach(&mut next, at + 1),
                    Part::Name if c != '/' => self.reach(&mut next, at),
                    Part::Deep => self.reach(&mut next, at),
                    Part::Directories if c == '/' => self.reach(&mut next, at),
                    // Inside a name: no way on before its slash.
                    Part::Directories => next[at] = true,
                    Part::Just(_) | Part::One | Part::Name => {}
                }
            }
            places = next;
        }
        places[self.parts.len()]
    }

    /// Marks a place, and those behind it that stars reach without reading anything.
    fn reach(&self, places: &mut [bool], at: usize) {
        for (at, place) in places.iter_mut().enumerate().skip(at) {
            *place = true;
            let star =
                matches!(self.parts.get(at), Some(Part::Name | Part::Deep | Part::Directories));
            if !star {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
