//! Features of a sentence for intent models: words, neighbours, pairs, stems and pieces of words.
//!
//! Richer than what the configured featurizers give at their defaults, and measured to be better
//! (see `BENCHMARKS.md`): words, pairs of neighbours with the sentence's ends, unordered pairs of
//! stems within a short window, stems, and pieces of two to five characters of the padded words.

use intendant_numeric::random::{hash_bytes, mix};
use intendant_text::chars::{base_letter, is_combining, is_word};

/// Words on each side that a pair of stems may lie apart.
const PAIR_WINDOW: usize = 6;
/// Piece lengths in characters.
const PIECES: std::ops::RangeInclusive<usize> = 2..=5;

const WORD: u64 = 1;
const NEIGHBOURS: u64 = 2;
const PAIR: u64 = 3;
const STEM: u64 = 4;
const PIECE: u64 = 5;
/// The word before the first and after the last one.
const EDGE: u64 = 0x5EED;

/// The bit of a hash that tells pieces from words: both are brought to the same length, so that
/// the many pieces do not drown the few words.
pub(crate) const PIECE_BLOCK: u64 = 1;

/// Calls `emit` with the hash of every feature of a text, once per occurrence.
pub(crate) fn emit(text: &str, mut emit: impl FnMut(u64)) {
    let folded = level_numbers(fold(text));
    let mut words: Vec<(u64, u64)> = Vec::with_capacity(16);
    for word in folded.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()) {
        words.push((hash_bytes(WORD, word.as_bytes()), hash_bytes(STEM, stem(word).as_bytes())));
    }
    let mut previous = EDGE;
    for (at, (word, stem)) in words.iter().enumerate() {
        emit(*word & !PIECE_BLOCK);
        emit(*stem & !PIECE_BLOCK);
        emit(both(NEIGHBOURS, previous, *word));
        previous = *word;
        for (_, other) in words.iter().skip(at + 1).take(PAIR_WINDOW) {
            emit(both(PAIR, *stem.min(other), *stem.max(other)));
        }
    }
    if !words.is_empty() {
        emit(both(NEIGHBOURS, previous, EDGE));
    }
    let mut padded: Vec<char> = Vec::with_capacity(32);
    for word in folded.split_whitespace() {
        padded.clear();
        padded.push(' ');
        padded.extend(word.chars());
        padded.push(' ');
        pieces(&padded, &mut emit);
    }
}

/// Numbers of the same length become one, as Rasa's `__NUMBER__`: which digits they have tells nothing.
pub(crate) fn level_numbers(folded: String) -> String {
    if !folded.bytes().any(|byte| byte.is_ascii_digit()) {
        return folded;
    }
    let mut leveled = String::with_capacity(folded.len());
    for word in folded.split_inclusive(|c: char| !is_word(c)) {
        let digits = word.trim_end_matches(|c: char| !is_word(c));
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            leveled.extend(std::iter::repeat_n('0', digits.len()));
            leveled.push_str(&word[digits.len()..]);
        } else {
            leveled.push_str(word);
        }
    }
    leveled
}

/// Pieces of one padded word; a word shorter than a piece is emitted once, whole.
fn pieces(padded: &[char], emit: &mut impl FnMut(u64)) {
    for start in 0..padded.len() {
        let mut state = PIECE;
        for (at, c) in padded[start..].iter().take(*PIECES.end()).enumerate() {
            state = (state.rotate_left(7) ^ u64::from(*c)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if PIECES.contains(&(at + 1)) {
                emit(mix(state) | PIECE_BLOCK);
            }
        }
    }
}

fn both(kind: u64, left: u64, right: u64) -> u64 {
    mix(left.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ right.rotate_left(17) ^ kind) & !PIECE_BLOCK
}

/// Lower case without accents; typographic apostrophes become plain ones.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return folded;
    }
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '’' | '‘' | 'ʼ' => folded.push('\''),
            'ß' => folded.push_str("ss"),
            c if is_combining(c) => {}
            c => folded.push(base_letter(c)),
        }
    }
    folded
}

/// The words of a folded text joined by single spaces, by which equal messages are recognised.
pub(crate) fn normal_form(text: &str) -> String {
    let folded = fold(text);
    let mut normal = String::with_capacity(folded.len());
    for word in folded.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()) {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(word);
    }
    if normal.is_empty() { text.trim().to_owned() } else { normal }
}

/// Cuts common English endings; for other languages it merely cuts, which pieces make up for.
fn stem(word: &str) -> &str {
    for ending in ["ing", "edly", "ed", "es", "s", "ly", "er"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 3
        {
            return stem;
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_levels_case_accents_and_apostrophes() {
        assert_eq!(fold("HÉLLO l’Été Straße"), "hello l'ete strasse");
        assert_eq!(fold("e\u{301}"), "e");
        assert_eq!(normal_form("Are you a bot?"), "are you a bot");
        assert_eq!(normal_form("  I'm — fine "), "i m fine");
        assert_eq!(normal_form(" ?! "), "?!");
    }

    #[test]
    fn numbers_of_one_length_are_one() {
        assert_eq!(level_numbers("nr 4711, b2b 12:30".into()), "nr 0000, b2b 00:00");
        assert_eq!(level_numbers("none".into()), "none");
    }

    #[test]
    fn equal_texts_share_all_features_and_others_few() {
        let features = |text: &str| {
            let mut features = Vec::new();
            emit(text, |hash| features.push(hash));
            features.sort_unstable();
            features
        };
        assert_eq!(features("Book a table"), features("book  a TABLE"));
        let (left, right) = (features("book a table"), features("cancel my order"));
        assert!(left.iter().filter(|hash| right.contains(hash)).count() * 4 < left.len());
        assert!(features("").is_empty());
        assert!(!features("😀").is_empty());
    }
}
