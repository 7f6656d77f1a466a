//! Texts as words that can be compared: lower case, without accents, with their place in the text.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is compared.
    pub(crate) norm: String,
    /// First byte in the text.
    pub(crate) start: usize,
    /// After the last byte.
    pub(crate) end: usize,
}

/// A text with its words.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    pub(crate) raw: &'a str,
    pub(crate) words: Vec<Word>,
}

impl<'a> Words<'a> {
    /// Splits a text. Letters of scripts that put no spaces between words are words of their own.
    pub(crate) fn of(raw: &'a str) -> Self {
        let mut words = Vec::new();
        let mut begun: Option<usize> = None;
        let mut push = |from: usize, to: usize| {
            words.push(Word { norm: fold(&raw[from..to]), start: from, end: to });
        };
        for (at, c) in raw.char_indices() {
            let belongs = c.is_alphanumeric() || is_combining_mark(c);
            if let Some(from) = begun
                && (!belongs || is_unspaced(c))
            {
                push(from, at);
                begun = None;
            }
            if belongs && is_unspaced(c) {
                push(at, at + c.len_utf8());
            } else if belongs && begun.is_none() {
                begun = Some(at);
            }
        }
        if let Some(from) = begun {
            push(from, raw.len());
        }
        words.retain(|word| !word.norm.is_empty());
        Self { raw, words }
    }

    /// How many words there are.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The text of the words from `start` to before `end`, as written.
    pub(crate) fn original(&self, start: usize, end: usize) -> &'a str {
        match (self.words.get(start), end.checked_sub(1).and_then(|last| self.words.get(last))) {
            (Some(first), Some(last)) if first.start <= last.end => &self.raw[first.start..last.end],
            _ => "",
        }
    }

    /// The words that a piece of the text touches, if it touches some.
    pub(crate) fn touched(&self, start_byte: usize, end_byte: usize) -> Option<(usize, usize)> {
        let first = self.words.iter().position(|word| word.end > start_byte)?;
        let last = self.words.iter().rposition(|word| word.start < end_byte)?;
        (first <= last).then_some((first, last + 1))
    }

    /// By what equal texts are recognised: the words, or for want of them the signs.
    pub(crate) fn key(&self) -> String {
        if self.words.is_empty() {
            return self.raw.trim().to_lowercase();
        }
        let words: Vec<&str> = self.words.iter().map(|word| word.norm.as_str()).collect();
        words.join(" ")
    }
}

/// The key of a text, see [`Words::key`].
pub(crate) fn key(text: &str) -> String {
    Words::of(text).key()
}

/// Lower case without accents.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.to_lowercase();
    let letters = lower.nfkd().filter(|c| !is_combining_mark(*c) || is_mark_of_its_own(*c));
    let mut folded = String::with_capacity(lower.len());
    for c in letters {
        match c {
            'ß' => folded.push_str("ss"),
            c => folded.push(c),
        }
    }
    folded
}

/// Voicing marks of Japanese make other letters, not accents.
fn is_mark_of_its_own(c: char) -> bool {
    matches!(c, '\u{3099}' | '\u{309a}')
}

/// Letters that are written without spaces between words.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff
        | 0x31f0..=0x31ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0xff66..=0xff9d | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_and_levelled() {
        let check = |text: &str, expected: &str| assert_eq!(key(text), expected, "{text}");
        check("  What's UP, Ünïcode? ", "what s up unicode");
        check("Straße", "strasse");
        check("予定は?", "予 定 は");
        check("GDGの予定", "gdg の 予 定");
        check("?!", "?!");
        check("", "");
        let text = Words::of("The HÉLLO World!");
        assert_eq!(text.original(1, 3), "HÉLLO World");
        assert_eq!(text.original(2, 1), "");
        assert_eq!(text.touched(4, 10), Some((1, 2)));
    }
}
