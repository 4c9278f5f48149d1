//! Rust source split by line into code and comment, with the insides of strings blanked.
//!
//! Not a parser: just enough that a brace in a string or a rule's name in a comment fools no check.
//! Called by `rust.rs` and `text.rs`.

/// One line of Rust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The code: comments removed, characters inside string and character literals blanked.
    pub code: String,
    /// The text of the comments on this line, their slashes and stars included.
    pub comment: String,
}

/// Splits a whole file. Line `n` of the result is line `n + 1` of the file.
pub fn lines(text: &str) -> Vec<Line> {
    let mut lexer = Lexer { rest: text.chars().collect(), at: 0, lines: vec![Line::default()] };
    while let Some(next) = lexer.peek(0) {
        let previous = lexer.last_code();
        match (next, lexer.peek(1)) {
            ('/', Some('/')) => lexer.line_comment(),
            ('/', Some('*')) => lexer.block_comment(),
            ('"', _) => lexer.string(),
            ('r', Some('"' | '#')) if !is_word(previous) || previous == Some('b') => {
                lexer.raw_string();
            }
            ('\'', _) => lexer.character(),
            _ => lexer.keep(1),
        }
    }
    lexer.lines
}

/// Whether the character continues an identifier.
pub fn is_word(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_alphanumeric() || character == '_')
}

/// Where `word` stands in `code` as a whole identifier, in bytes, the first place only.
pub fn find_word(code: &str, word: &str) -> Option<usize> {
    code.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !is_word(before) && !is_word(after)
    })
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    lines: Vec<Line>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn last_code(&self) -> Option<char> {
        self.lines.last().and_then(|line| line.code.chars().next_back())
    }

    /// Takes one character and files it: a line end opens a new line, the rest goes where asked.
    fn take(&mut self, into: impl FnOnce(&mut Line, char)) {
        let Some(character) = self.peek(0) else { return };
        self.at += 1;
        if character == '\n' {
            self.lines.push(Line::default());
        } else if let Some(line) = self.lines.last_mut() {
            into(line, character);
        }
    }

    fn keep(&mut self, count: usize) {
        for _ in 0..count {
            self.take(|line, character| line.code.push(character));
        }
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            self.take(|line, _| line.code.push(' '));
        }
    }

    fn comment(&mut self, count: usize) {
        for _ in 0..count {
            self.take(|line, character| line.comment.push(character));
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|next| next != '\n') {
            self.comment(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.comment(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.comment(2);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.comment(1),
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.keep(1);
        loop {
            match self.peek(0) {
                Some('\\') => self.blank(2),
                Some('"') => return self.keep(1),
                Some(_) => self.blank(1),
                None => return,
            }
        }
    }

    /// `r"..."`, `r#"..."#`; a raw identifier (`r#type`) has no quote and is kept as code.
    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == Some('#') {
            hashes += 1;
        }
        if self.peek(1 + hashes) != Some('"') {
            return self.keep(1);
        }
        self.keep(hashes + 2);
        while let Some(next) = self.peek(0) {
            let closed = next == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closed {
                return self.keep(hashes + 1);
            }
            self.blank(1);
        }
    }

    /// A character literal is blanked; a lifetime or a label is kept.
    fn character(&mut self) {
        if self.peek(1) == Some('\\') {
            self.blank(3);
            while self.peek(0).is_some_and(|next| next != '\'' && next != '\n') {
                self.blank(1);
            }
            self.blank(1);
        } else if self.peek(2) == Some('\'') {
            self.blank(3);
        } else {
            self.keep(1);
        }
    }
}

#[cfg(test)]
mod tests;
