//! Whether a licence expression lets us ship: SPDX with OR, AND, WITH, brackets, and the old slash.
//!
//! Called by `graph.rs` for every package of the resolved graph. It does not read licence files.

/// Licences that let everybody use the product under MIT or Apache-2.0.
///
/// MPL-2.0 binds only the files under it, which we do not change. The advertising clause of OpenSSL
/// and every licence that reaches into our own files are left out.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Exceptions that only add permissions to the licence they stand behind.
const ALLOWED_EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Answers whether the expression can be met with allowed licences alone.
///
/// # Errors
/// The expression is not understood; the text says where.
pub fn is_allowed(expression: &str) -> Result<bool, String> {
    let tokens = tokens(expression);
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let allowed = parser.any()?;
    match parser.next() {
        None => Ok(allowed),
        Some(extra) => Err(format!("{extra:?} is not expected in {expression:?}")),
    }
}

fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn eat(&mut self, word: &str) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|token| token == word);
        self.at += usize::from(is_next);
        is_next
    }

    /// `all (OR all)*`: OR binds weakest.
    fn any(&mut self) -> Result<bool, String> {
        let mut allowed = self.all()?;
        while self.eat("OR") {
            allowed |= self.all()?;
        }
        Ok(allowed)
    }

    /// `one (AND one)*`
    fn all(&mut self) -> Result<bool, String> {
        let mut allowed = self.one()?;
        while self.eat("AND") {
            allowed &= self.one()?;
        }
        Ok(allowed)
    }

    /// A bracket, or a licence with perhaps an exception.
    fn one(&mut self) -> Result<bool, String> {
        let name = self.next().ok_or("the licence ends too early")?;
        if name == "(" {
            let allowed = self.any()?;
            return if self.eat(")") { Ok(allowed) } else { Err("a bracket stays open".into()) };
        }
        if matches!(name, ")" | "OR" | "AND" | "WITH") {
            return Err(format!("{name:?} stands where a licence should"));
        }
        let mut allowed = ALLOWED.contains(&name);
        if self.eat("WITH") {
            let exception = self.next().ok_or("nothing stands behind WITH")?;
            allowed &= ALLOWED_EXCEPTIONS.contains(&exception);
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests;
