//! Conversion between byte and code point offsets of one text.

/// Converts offsets of one text; costs one pass, and nothing for ASCII.
pub struct Offsets<'a> {
    text: &'a str,
    /// Byte offset of each code point and of the end; empty when the text is ASCII.
    bytes: Vec<usize>,
}

impl<'a> Offsets<'a> {
    /// Prepares the conversion.
    pub fn new(text: &'a str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect()
        };
        Self { text, bytes }
    }

    /// The code point index of a byte offset that lies on a character boundary.
    pub fn chars(&self, byte: usize) -> usize {
        if self.bytes.is_empty() {
            return byte.min(self.text.len());
        }
        self.bytes.partition_point(|start| *start < byte).min(self.bytes.len() - 1)
    }

    /// The byte offset of a code point index; beyond the end, the end.
    pub fn bytes(&self, chars: usize) -> usize {
        if self.bytes.is_empty() {
            return chars.min(self.text.len());
        }
        self.bytes[chars.min(self.bytes.len() - 1)]
    }

    /// The characters between two code point indices; empty when they are out of order.
    pub fn slice(&self, start_chars: usize, end_chars: usize) -> &'a str {
        self.text.get(self.bytes(start_chars)..self.bytes(end_chars)).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_convert_both_ways() {
        let check = |text: &str, byte: usize, chars: usize| {
            let offsets = Offsets::new(text);
            assert_eq!(offsets.chars(byte), chars, "{text:?}");
            assert_eq!(offsets.bytes(chars), byte, "{text:?}");
        };
        check("abc", 2, 2);
        check("äbc", 2, 1);
        check("a😀b", 5, 2);
        check("a😀b", 6, 3);
        check("", 0, 0);
        assert_eq!(Offsets::new("äöü").slice(1, 2), "ö");
        assert_eq!(Offsets::new("äöü").slice(2, 1), "");
        assert_eq!(Offsets::new("äöü").slice(2, 9), "ü");
    }
}
