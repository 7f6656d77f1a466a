//! A text as words: lower case, negations and clauses known, mentions of the entity masked.

use intendant_numeric::random::hash_bytes;
use intendant_text::Token;
use intendant_text::chars::{is_combining, is_emoji, is_word};

/// What stands for the entity that a text is judged about.
pub(crate) const MASK: char = '\u{1}';
/// Words after a negation that it may turn over.
const SCOPE_WORDS: usize = 4;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word.
    Word,
    /// A run of exclamation or question marks, an emoji or a face drawn of signs.
    Mark,
    /// The entity.
    Mask,
    /// Other punctuation, which ends clauses.
    Stop,
}

/// A word of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Its place in [`Words::folded`].
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: Kind,
    /// Hash of its folded characters.
    pub(crate) hash: u64,
    /// Whether a negation before it may turn it over.
    pub(crate) is_negated: bool,
    /// Clauses before its own.
    pub(crate) clause: u32,
    /// Its place in the text, in bytes.
    pub(crate) source: (usize, usize),
}

/// A text cut into words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// The text in lower case with plain apostrophes, mentions as [`MASK`].
    pub(crate) folded: String,
    pub(crate) items: Vec<Word>,
}

impl Words {
    /// Cuts a text; `mentions` are in order and do not overlap.
    pub(crate) fn of(text: &str, mentions: &[Token]) -> Self {
        let mut words = Self { folded: String::with_capacity(text.len() + 8), items: Vec::new() };
        let mut source = 0;
        for mention in mentions {
            if mention.start_bytes < source || mention.end_bytes <= mention.start_bytes {
                continue;
            }
            words.read(text, (source, mention.start_bytes));
            let start = words.folded.len();
            words.folded.push(MASK);
            words.push((start, start + 1), Kind::Mask, (mention.start_bytes, mention.end_bytes));
            source = mention.end_bytes;
        }
        words.read(text, (source, text.len()));
        words.mark_negations();
        words
    }

    /// The words' text.
    pub(crate) fn text(&self, word: &Word) -> &str {
        self.folded.get(word.start..word.end).unwrap_or("")
    }

    fn push(&mut self, (start, end): (usize, usize), kind: Kind, source: (usize, usize)) {
        let hash = hash_bytes(0, &self.folded.as_bytes()[start..end]);
        self.items.push(Word { start, end, kind, hash, is_negated: false, clause: 0, source });
    }

    /// Folds and cuts a stretch of the text without mentions.
    fn read(&mut self, text: &str, (from, to): (usize, usize)) {
        let stretch = text.get(from..to).unwrap_or("");
        let mut run: Option<(Kind, usize, usize)> = None;
        for (at, c) in stretch.char_indices() {
            let at = from + at;
            let start = self.folded.len();
            match c {
                '’' | '‘' | 'ʼ' => self.folded.push('\''),
                MASK => self.folded.push(' '),
                c if c.is_ascii() => self.folded.push(c.to_ascii_lowercase()),
                c => self.folded.extend(c.to_lowercase()),
            }
            let kind = match c {
                c if is_word(c) || is_combining(c) => Some(Kind::Word),
                c if matches!(c, '!' | '?') || is_emoji(c) => Some(Kind::Mark),
                '.' | ',' | ';' | ':' | '(' | ')' | '—' | '–' | '…' | '\n' | '|' | '¡' | '¿' | '«' | '»' => {
                    Some(Kind::Stop)
                }
                _ => None,
            };
            match (run, kind) {
                (Some((of_run, ..)), Some(kind)) if of_run == kind => {}
                _ => {
                    self.finish(run.take(), (start, at));
                    run = kind.map(|kind| (kind, start, at));
                }
            }
        }
        let end = self.folded.len();
        self.finish(run, (end, to));
    }

    /// Ends a run of characters of one kind.
    fn finish(&mut self, run: Option<(Kind, usize, usize)>, (end, source_end): (usize, usize)) {
        let Some((kind, start, source)) = run else { return };
        if kind == Kind::Stop && is_face(&self.folded[start..end]) {
            return self.push((start, end), Kind::Mark, (source, source_end));
        }
        // `don't` is `do` and `not`.
        if &self.folded[start..end] == "t"
            && self.folded[..start].ends_with("n'")
            && let Some(before) =
                self.items.pop_if(|before| before.end + 1 == start && before.kind == Kind::Word)
        {
            if before.end - before.start > 1 {
                self.push((before.start, before.end - 1), Kind::Word, (before.source.0, source_end));
            }
            return self.items.push(Word { hash: not(), ..self.word((start, end), (source, source_end)) });
        }
        self.push((start, end), kind, (source, source_end));
    }

    fn word(&self, (start, end): (usize, usize), source: (usize, usize)) -> Word {
        Word { start, end, kind: Kind::Word, hash: 0, is_negated: false, clause: 0, source }
    }

    /// Whether a new clause begins after a sign; commas and the points of abbreviations do not count.
    fn ends_clause(&self, word: &Word) -> bool {
        word.kind == Kind::Stop
            && self.text(word).contains(|c| c != ',')
            && self.folded[word.end..].chars().next().is_none_or(char::is_whitespace)
    }

    /// The clauses of a text that hold a mention, one after the other.
    pub(crate) fn clauses_of_mentions(&self, text: &str) -> String {
        let mut clauses: Vec<&str> = Vec::new();
        for clause in self.items.chunk_by(|a, b| a.clause == b.clause) {
            if clause.iter().any(|word| word.kind == Kind::Mask) {
                let (start, end) = (clause[0].source.0, clause[clause.len() - 1].source.1);
                clauses.extend(text.get(start..end));
            }
        }
        clauses.join(" ")
    }

    fn mark_negations(&mut self) {
        let (mut left, mut clause) = (0_usize, 0);
        let mut items = std::mem::take(&mut self.items);
        for word in &mut items {
            let text = self.text(word);
            let is_contrast = CONTRASTS.contains(&text);
            if word.kind == Kind::Stop || is_contrast {
                left = 0;
            }
            if is_contrast || self.ends_clause(word) {
                clause += 1;
            }
            word.clause = clause;
            word.is_negated = left > 0 && word.kind == Kind::Word;
            left = left.saturating_sub(1);
            if word.hash == not() || (word.kind == Kind::Word && NEGATIONS.contains(&text)) {
                left = SCOPE_WORDS;
            }
        }
        self.items = items;
    }
}

/// The hash of `not`, which `n't` is.
fn not() -> u64 {
    hash_bytes(0, b"not")
}

/// Whether punctuation draws a face, as `:(` does.
fn is_face(signs: &str) -> bool {
    signs.len() > 1 && signs.starts_with([':', ';']) && signs.ends_with([')', '(', '|'])
}

/// Words that turn over what follows, in English, French, German and Spanish.
const NEGATIONS: [&str; 34] = [
    "not", "no", "never", "cannot", "without", "nor", "neither", "nothing", "hardly", "barely", "nobody",
    "none", "ne", "pas", "jamais", "rien", "aucun", "aucune", "sans", "ni", "guère", "plus", "personne",
    "nicht", "kein", "keine", "keinen", "nie", "ohne", "weder", "nunca", "sin", "nada", "tampoco",
];

/// Words after which something contrary is said.
const CONTRASTS: [&str; 22] = [
    "but",
    "however",
    "although",
    "though",
    "yet",
    "while",
    "whereas",
    "despite",
    "except",
    "unlike",
    "mais",
    "cependant",
    "pourtant",
    "néanmoins",
    "toutefois",
    "malgré",
    "tandis",
    "aber",
    "sondern",
    "jedoch",
    "pero",
    "aunque",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negations_reach_until_the_clause_ends() {
        let check = |text: &str, expected: &str| {
            let words = Words::of(text, &[]);
            let shown: Vec<String> = words
                .items
                .iter()
                .filter(|word| word.kind != Kind::Stop)
                .map(|word| {
                    let text = if word.hash == not() { "not" } else { words.text(word) };
                    format!("{}{text}", if word.is_negated { "!" } else { "" })
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{text}");
            for word in &words.items {
                assert!(text.get(word.source.0..word.source.1).is_some_and(|source| !source.is_empty()));
            }
        };
        check("I don’t like it, I love it!!", "i do not !like !it i love it !!");
        check("Can't stop", "ca not !stop");
        check("Ce n'est pas bon mais drôle", "ce n est pas !bon mais drôle");
        check("never a b c d e", "never !a !b !c !d e");
        check("good :( 😀", "good :( 😀");
        check("t n't", "t not");
        check("", "");
    }

    #[test]
    fn mentions_are_masked() {
        let text = "Old Biden wins";
        let mention = Token { start_bytes: 4, end_bytes: 9, start_chars: 4, end_chars: 9 };
        let words = Words::of(text, &[mention]);
        assert_eq!(words.folded, "old \u{1} wins");
        assert_eq!(words.items[1].kind, Kind::Mask);
        assert_eq!(words.items[1].source, (4, 9));
    }
}
