//! Rasa's whitespace tokenizer (`spec: nlu.md §2`).
//!
//! It is defined by a substitution with look-around over the raw text, followed by a split at
//! white space. The three alternatives are written out here as a scanner that remembers, for the
//! run of characters it stands in, where the run ends and where its last (non-)space lies, so
//! that it stays linear on any input.

use crate::chars::{is_emoji, is_word};
use crate::token::Token;

/// Cuts a text into tokens; a text without any gives one token that spans it.
pub fn tokenize(text: &str) -> Vec<Token> {
    let chars = Chars::new(text);
    let mut tokens = Vec::with_capacity(text.len() / 5 + 1);
    let mut start: Option<usize> = None;
    let mut idx = 0;
    let mut scanner = Scanner { chars: &chars, loose: Run::EMPTY, strict: Run::EMPTY };
    while idx < chars.len() {
        let removed_until = scanner.removal(idx);
        if removed_until.is_none() && !chars.at(idx).is_whitespace() {
            start.get_or_insert(idx);
            idx += 1;
            continue;
        }
        if let Some(start) = start.take() {
            chars.push(&mut tokens, start, idx);
        }
        idx = removed_until.unwrap_or(idx + 1);
    }
    if let Some(start) = start {
        chars.push(&mut tokens, start, chars.len());
    }
    tokens.retain(|token| !token.text(text).chars().all(is_emoji));
    if tokens.is_empty() {
        tokens.push(Token::whole(text));
    }
    tokens
}

/// Characters with their byte offsets.
struct Chars {
    items: Vec<(usize, char)>,
    bytes: usize,
}

impl Chars {
    fn new(text: &str) -> Self {
        Self { items: text.char_indices().collect(), bytes: text.len() }
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn at(&self, idx: usize) -> char {
        self.items[idx].1
    }

    fn byte(&self, idx: usize) -> usize {
        self.items.get(idx).map_or(self.bytes, |(byte, _)| *byte)
    }

    fn push(&self, tokens: &mut Vec<Token>, start_chars: usize, end_chars: usize) {
        tokens.push(Token {
            start_bytes: self.byte(start_chars),
            end_bytes: self.byte(end_chars),
            start_chars,
            end_chars,
        });
    }
}

/// A maximal run of characters of a class, from some position on.
#[derive(Clone, Copy)]
struct Run {
    end: usize,
    last_space: Option<usize>,
    last_other: Option<usize>,
}

impl Run {
    const EMPTY: Self = Self { end: 0, last_space: None, last_other: None };

    fn extend(chars: &Chars, from: usize, belongs: fn(char) -> bool) -> Self {
        let mut run = Self { end: from, ..Self::EMPTY };
        while run.end < chars.len() && belongs(chars.at(run.end)) {
            if chars.at(run.end).is_whitespace() {
                run.last_space = Some(run.end);
            } else {
                run.last_other = Some(run.end);
            }
            run.end += 1;
        }
        run
    }
}

fn is_loose(c: char) -> bool {
    !is_word(c) && !matches!(c, '#' | '@' | '&')
}

fn is_strict(c: char) -> bool {
    !is_word(c)
        && !matches!(
            c,
            '.' | '~'
                | ':'
                | '/'
                | '?'
                | '#'
                | '['
                | ']'
                | '('
                | ')'
                | '@'
                | '!'
                | '$'
                | '&'
                | '*'
                | '+'
                | ','
                | ';'
                | '='
                | '-'
        )
}

fn is_solid(c: char) -> bool {
    !c.is_ascii_digit() && !c.is_whitespace()
}

struct Scanner<'a> {
    chars: &'a Chars,
    loose: Run,
    strict: Run,
}

impl Scanner<'_> {
    /// The end of the stretch that the substitution removes at `idx`, if it removes one.
    fn removal(&mut self, idx: usize) -> Option<usize> {
        let c = self.chars.at(idx);
        if is_loose(c) {
            if self.loose.end <= idx {
                self.loose = Run::extend(self.chars, idx, is_loose);
            }
            if let Some(end) = self.before_space(idx).or_else(|| self.after_space(idx)) {
                return Some(end);
            }
        }
        if is_strict(c) && idx > 0 && is_solid(self.chars.at(idx - 1)) {
            if self.strict.end <= idx {
                self.strict = Run::extend(self.chars, idx, is_strict);
            }
            return self.end_before_solid(self.strict, idx);
        }
        None
    }

    /// Alternative 1: loose characters followed by white space or the end.
    fn before_space(&self, idx: usize) -> Option<usize> {
        if self.loose.end == self.chars.len() {
            return Some(self.loose.end);
        }
        self.loose.last_space.filter(|space| *space > idx)
    }

    /// Alternative 2: white space or the start, then loose characters followed by a solid one.
    fn after_space(&self, idx: usize) -> Option<usize> {
        let spaced = self.chars.at(idx).is_whitespace() && idx + 1 < self.loose.end;
        let spaced = if spaced { self.end_before_solid(self.loose, idx + 1) } else { None };
        spaced.or_else(|| if idx == 0 { self.end_before_solid(self.loose, idx) } else { None })
    }

    /// The longest non-empty stretch from `from` within `run` that is followed by a solid character.
    fn end_before_solid(&self, run: Run, from: usize) -> Option<usize> {
        if run.end < self.chars.len() && is_solid(self.chars.at(run.end)) {
            return Some(run.end);
        }
        run.last_other.filter(|other| *other > from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let tokens = tokenize(text);
        let words: Vec<&str> = tokens.iter().map(|token| token.text(text)).collect();
        assert_eq!(words, expected, "{text:?}");
        for token in tokens {
            let by_chars: String =
                text.chars().skip(token.start_chars).take(token.end_chars - token.start_chars).collect();
            assert_eq!(by_chars, token.text(text), "{text:?}");
        }
    }

    #[test]
    fn words_are_cut_as_rasa_cuts_them() {
        check("hello world", &["hello", "world"]);
        check("hello,world", &["hello,world"]);
        check("hi!", &["hi"]);
        check("hi !", &["hi"]);
        check("Forecast for LUNCH", &["Forecast", "for", "LUNCH"]);
        check("hey ńöñàśçií how're you?", &["hey", "ńöñàśçií", "how", "re", "you"]);
        check("50 クッキー", &["50", "クッキー"]);
        check("5 - 3", &["5", "3"]);
        check("costs 5,-", &["costs", "5"]);
        check("it was -5 degrees", &["it", "was", "-5", "degrees"]);
        check(
            "https://www.google.com/search?client=safari&q=i+like+rasa",
            &["https://www.google.com/search?client=safari&q=i+like+rasa"],
        );
        check("joselico@yahoo.com for deployment", &["joselico@yahoo.com", "for", "deployment"]);
        check("l'université", &["l", "université"]);
        check("'quoted' (words).", &["quoted", "words"]);
        check("#tag @me &co", &["#tag", "@me", "&co"]);
        check("$5.99", &["$5.99"]);
        check("a–b", &["a", "b"]);
        check("1–2", &["1–2"]);
        check("😀 party", &["party"]);
        check("party😀time", &["party", "time"]);
        check("😀", &["😀"]);
        check("", &[""]);
        check("   ", &["   "]);
        check("...", &["..."]);
        check("/greet now", &["greet", "now"]);
    }

    #[test]
    fn long_runs_of_punctuation_stay_linear() {
        let text = format!("{}5", ".,;!".repeat(50_000));
        assert_eq!(tokenize(&text).len(), 1);
    }
}
