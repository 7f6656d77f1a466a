//! A token: a span of a text in bytes and in code points.

/// A span of a text. Both pairs describe the same characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// First byte.
    pub start_bytes: usize,
    /// One past the last byte.
    pub end_bytes: usize,
    /// First code point.
    pub start_chars: usize,
    /// One past the last code point.
    pub end_chars: usize,
}

impl Token {
    /// The token's characters in the text it was cut from.
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start_bytes..self.end_bytes).unwrap_or("")
    }

    /// A token that spans a whole text.
    pub fn whole(text: &str) -> Self {
        Self { start_bytes: 0, end_bytes: text.len(), start_chars: 0, end_chars: text.chars().count() }
    }
}
