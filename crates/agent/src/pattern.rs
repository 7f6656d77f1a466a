//! Phrases with gaps: words that must stand there, and entities between them.

use crate::lexicon::{Mention, kind_of};
use crate::values::Phrase;
use crate::words::Words;

/// The most words that a gap for anything takes.
const GAP_WORDS_MAX: usize = 40;
/// The most pieces of a pattern; longer phrases are compared as a whole only.
const PIECES_MAX: usize = 60;
/// The most steps of one comparison.
const STEPS_MAX: usize = 4_000;

/// A phrase with gaps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A word.
    Word(String),
    /// An entity.
    Gap { kind: String, alias: String },
}

/// What stood in a gap.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capture {
    pub(crate) kind: String,
    pub(crate) alias: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Pattern {
    /// The pattern of a phrase whose parts are marked.
    pub(crate) fn of_phrase(phrase: &Phrase) -> Self {
        if phrase.is_template {
            return Self::of_template(&phrase.text());
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        for part in &phrase.parts {
            match (&part.meta, &part.alias) {
                (Some(meta), Some(alias)) if !alias.is_empty() && !part.text.trim().is_empty() => {
                    add_words(&mut pieces, &std::mem::take(&mut literal));
                    pieces.push(Piece::Gap { kind: kind_of(meta), alias: alias.clone() });
                }
                _ => literal.push_str(&part.text),
            }
        }
        add_words(&mut pieces, &literal);
        Self { pieces }
    }

    /// The pattern of a text that names entities: `add @sys.number:count @tool:tool`.
    pub(crate) fn of_template(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        for token in text.split_inclusive(char::is_whitespace) {
            let word = token.trim_end();
            let named =
                word.strip_prefix('@').map(|name| name.trim_end_matches(|c: char| ",;!?".contains(c)));
            match named.filter(|name| name.chars().next().is_some_and(char::is_alphabetic)) {
                Some(name) => {
                    add_words(&mut pieces, &std::mem::take(&mut literal));
                    let (kind, alias) = name.split_once(':').unwrap_or((name, name));
                    let alias = alias.trim_start_matches("sys.").to_owned();
                    pieces.push(Piece::Gap { kind: kind_of(kind), alias });
                }
                None => literal.push_str(token),
            }
        }
        add_words(&mut pieces, &literal);
        Self { pieces }
    }

    /// Whether there is a gap.
    pub(crate) fn names_entities(&self) -> bool {
        self.kinds().next().is_some()
    }

    /// The kinds of the gaps.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Gap { kind, .. } => Some(kind.as_str()),
            Piece::Word(_) => None,
        })
    }

    /// The number of words.
    pub(crate) fn words(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Word(_))).count()
    }

    /// What stands in the gaps if the whole text is like this; gaps of open kinds take anything.
    pub(crate) fn match_all(
        &self,
        text: &Words<'_>,
        mentions: &[Mention],
        is_open: &dyn Fn(&str) -> bool,
    ) -> Option<Vec<Capture>> {
        let run = Run { text, mentions, is_open, ends_with_text: true };
        self.run(&run, 0).map(|(_, captures)| captures)
    }

    /// The same from a word on, wherever it ends; also says where.
    pub(crate) fn match_at(
        &self,
        text: &Words<'_>,
        start: usize,
        mentions: &[Mention],
        is_open: &dyn Fn(&str) -> bool,
    ) -> Option<(usize, Vec<Capture>)> {
        self.run(&Run { text, mentions, is_open, ends_with_text: false }, start)
    }

    fn run(&self, run: &Run<'_>, start: usize) -> Option<(usize, Vec<Capture>)> {
        if self.pieces.is_empty() || self.pieces.len() > PIECES_MAX {
            return None;
        }
        let (mut captures, mut steps) = (Vec::new(), STEPS_MAX);
        let end = run.rest(&self.pieces, start, &mut captures, &mut steps)?;
        captures.reverse();
        Some((end, captures))
    }
}

struct Run<'a> {
    text: &'a Words<'a>,
    mentions: &'a [Mention],
    is_open: &'a dyn Fn(&str) -> bool,
    ends_with_text: bool,
}

impl Run<'_> {
    /// Where the pieces end if they stand at a word; captures are noted from last to first.
    fn rest(
        &self,
        pieces: &[Piece],
        at: usize,
        captures: &mut Vec<Capture>,
        steps: &mut usize,
    ) -> Option<usize> {
        *steps = steps.checked_sub(1)?;
        let Some((piece, rest)) = pieces.split_first() else {
            return (!self.ends_with_text || at == self.text.len()).then_some(at);
        };
        match piece {
            Piece::Word(word) => {
                let there = self.text.words.get(at)?;
                if there.norm != *word {
                    return None;
                }
                self.rest(rest, at + 1, captures, steps)
            }
            Piece::Gap { kind, alias } => {
                let mut ends: Vec<usize> = self
                    .mentions
                    .iter()
                    .filter(|mention| mention.kind == *kind && mention.start == at)
                    .map(|mention| mention.end)
                    .collect();
                if (self.is_open)(kind) {
                    ends.extend(at + 1..=(at + GAP_WORDS_MAX).min(self.text.len()));
                }
                for end in ends {
                    if let Some(last) = self.rest(rest, end, captures, steps) {
                        let (kind, alias) = (kind.clone(), alias.clone());
                        captures.push(Capture { kind, alias, start: at, end });
                        return Some(last);
                    }
                }
                None
            }
        }
    }
}

fn add_words(pieces: &mut Vec<Piece>, text: &str) {
    pieces.extend(Words::of(text).words.into_iter().map(|word| Piece::Word(word.norm)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_matched() {
        let pattern = Pattern::of_template("call me @sys.any:name, please @tool");
        assert_eq!(pattern.kinds().collect::<Vec<_>>(), ["sys.any", "tool"]);
        assert_eq!(pattern.words(), 3);
        assert!(!Pattern::of_template("mail me@home.org @ 5").names_entities());
        let text = Words::of("Call me Anna Maria, please saw!");
        let mentions = [Mention {
            kind: "tool".to_owned(),
            start: 5,
            end: 6,
            value: serde_json::json!("saw"),
            original: "saw".to_owned(),
        }];
        let captures = pattern.match_all(&text, &mentions, &|kind| kind == "sys.any").unwrap();
        let spans: Vec<_> = captures.iter().map(|c| (c.alias.as_str(), c.start, c.end)).collect();
        assert_eq!(spans, [("name", 2, 4), ("tool", 5, 6)]);
        assert!(pattern.match_all(&text, &[], &|kind| kind == "sys.any").is_none());
    }

    #[test]
    fn comparing_ends_whatever_the_text() {
        let pattern = Pattern::of_template(&"@sys.any:a ".repeat(30));
        let text = "x ".repeat(29);
        assert!(pattern.match_all(&Words::of(&text), &[], &|_| true).is_none());
    }
}
