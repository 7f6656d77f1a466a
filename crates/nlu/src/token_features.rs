//! Features of tokens for taggers, as hashes.

use intendant_numeric::random::{hash_bytes, mix};
use intendant_text::chars::{is_digits, is_title, is_upper, shape};

use crate::message::Message;
use crate::ngrams::fold;
use crate::word_classes::Classes;

/// Which features are extracted.
#[derive(Clone, Debug)]
pub(crate) enum Extraction {
    /// The full set of our own.
    Rich,
    /// Named features by position in a window around the token.
    Windows(Vec<Vec<String>>),
}

/// A feature of the token at an offset from the current one.
pub(crate) fn at(offset: isize, feature: u64) -> u64 {
    mix(feature ^ (offset as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// The hash of a named feature with a text value.
pub(crate) fn text_hash(name: &str, value: &str) -> u64 {
    mix(hash_bytes(1, name.as_bytes()) ^ hash_bytes(2, value.as_bytes()))
}

/// Feature hashes of every token; `hint` is the hash of the intent that the message seems to have.
pub(crate) fn extract(message: &Message<'_>, hint: Option<u64>, extraction: &Extraction) -> Vec<Vec<u64>> {
    match extraction {
        Extraction::Rich => rich(message, hint),
        Extraction::Windows(windows) => windowed(message, windows),
    }
}

/// What one token looks like by itself.
struct Looks {
    word: u64,
    shape: u64,
    affixes: Vec<u64>,
    flags: u64,
}

fn looks(word: &str) -> Looks {
    let folded = fold(word);
    let chars: Vec<char> = folded.chars().collect();
    let mut affixes = Vec::with_capacity(8);
    for length in 1..=4.min(chars.len()) {
        let prefix: String = chars[..length].iter().collect();
        let suffix: String = chars[chars.len() - length..].iter().collect();
        affixes.push(text_hash("prefix", &prefix));
        affixes.push(text_hash("suffix", &suffix));
    }
    let flags = u64::from(is_title(word)) | u64::from(is_upper(word)) << 1 | u64::from(is_digits(word)) << 2;
    Looks {
        word: text_hash("word", &folded),
        shape: text_hash("shape", &shape(word)),
        affixes,
        flags: mix(flags ^ 0xF1A6),
    }
}

fn rich(message: &Message<'_>, hint: Option<u64>) -> Vec<Vec<u64>> {
    const BEFORE: u64 = 0xB05;
    const AFTER: u64 = 0xE05;
    let looks: Vec<Looks> = (0..message.tokens.len()).map(|token| looks(message.word(token))).collect();
    let word = |position: isize| match usize::try_from(position) {
        Err(_) => BEFORE,
        Ok(position) => looks.get(position).map_or(AFTER, |looks| looks.word),
    };
    (0..looks.len())
        .map(|token| {
            let here = &looks[token];
            let position = token as isize;
            let mut features = Vec::with_capacity(48);
            features.push(0xB1A5);
            for offset in -2..=2 {
                features.push(at(offset, word(position + offset)));
            }
            let pair =
                |kind: u64, left: u64, right: u64| mix(mix(left ^ kind).wrapping_add(right.rotate_left(23)));
            features.push(pair(1, word(position - 1), here.word));
            features.push(pair(2, here.word, word(position + 1)));
            features.extend(here.affixes.iter().map(|affix| at(0, *affix)));
            features.push(pair(3, word(position - 1), word(position + 1)));
            features.push(pair(4, word(position - 2), word(position - 1)));
            features.push(pair(5, word(position + 1), word(position + 2)));
            if let Some(hint) = hint {
                features.push(mix(hint));
                features.push(pair(6, hint, word(position - 1)));
                features.push(pair(7, hint, here.word));
                features.push(pair(8, hint, here.shape));
                features.extend(here.affixes.last().map(|suffix| pair(9, hint, *suffix)));
            }
            features.push(at(0, here.shape));
            features.push(at(0, here.flags));
            for offset in [-1isize, 1] {
                let neighbour = usize::try_from(position + offset).ok().and_then(|at| looks.get(at));
                if let Some(neighbour) = neighbour {
                    features.push(at(offset, neighbour.shape));
                    features.extend(neighbour.affixes.iter().skip(4).map(|affix| at(offset, *affix)));
                }
            }
            patterns(message, token, &mut features);
            features
        })
        .collect()
}

/// Which regexes and lookup tables match here and next to here.
fn patterns(message: &Message<'_>, token: usize, features: &mut Vec<u64>) {
    for offset in [-1isize, 0, 1] {
        let neighbour = usize::try_from(token as isize + offset).ok().and_then(|at| message.tokens.get(at));
        let Some(neighbour) = neighbour else { continue };
        for hit in &message.patterns {
            if hit.start_bytes < neighbour.end_bytes && neighbour.start_bytes < hit.end_bytes {
                let feature = at(offset, mix(hit.name ^ 0x9A77));
                if !features.contains(&feature) {
                    features.push(feature);
                }
            }
        }
    }
}

/// Adds the classes of each token's word and of its neighbours'.
pub(crate) fn add_classes(classes: &[Option<Classes>], features: &mut [Vec<u64>]) {
    for (token, features) in features.iter_mut().enumerate() {
        for offset in [-1isize, 0, 1] {
            let neighbour = usize::try_from(token as isize + offset).ok().and_then(|at| classes.get(at));
            for (level, class) in neighbour.copied().flatten().iter().flatten().enumerate() {
                features.push(at(offset, mix(u64::from(*class) << 8 | level as u64 | 0xC1A5 << 32)));
            }
        }
    }
}

/// The features that `CRFEntityExtractor` is configured with.
fn windowed(message: &Message<'_>, windows: &[Vec<String>]) -> Vec<Vec<u64>> {
    let middle = windows.len() as isize / 2;
    let count = message.tokens.len();
    (0..count)
        .map(|token| {
            let mut features = Vec::with_capacity(24);
            for (window, names) in windows.iter().enumerate() {
                let offset = window as isize - middle;
                let position = token as isize + offset;
                let neighbour = usize::try_from(position).ok().filter(|position| *position < count);
                let Some(neighbour) = neighbour else {
                    let edge = if position < 0 { 0xB05 } else { 0xE05 };
                    if !features.contains(&edge) {
                        features.push(edge);
                    }
                    continue;
                };
                let word = message.word(neighbour);
                for name in names {
                    if name == "pattern" {
                        let span = message.tokens[neighbour];
                        for hit in &message.patterns {
                            if hit.start_bytes < span.end_bytes && span.start_bytes < hit.end_bytes {
                                features.push(at(offset, mix(hit.name ^ 0x9A77)));
                            }
                        }
                    } else if let Some(value) = named(name, word, (neighbour, count)) {
                        features.push(at(offset, text_hash(name, &value)));
                    }
                }
            }
            features
        })
        .collect()
}

/// The value of a configured feature; `None` when it is off.
fn named(name: &str, word: &str, (position, count): (usize, usize)) -> Option<String> {
    let flag = |is_on: bool| is_on.then(String::new);
    let prefix = |length: usize| Some(word.chars().take(length).collect());
    let suffix = |length: usize| {
        let skipped = word.chars().count().saturating_sub(length);
        Some(word.chars().skip(skipped).collect())
    };
    match name {
        "low" => Some(word.to_lowercase()),
        "title" => flag(is_title(word)),
        "upper" => flag(is_upper(word)),
        "digit" => flag(is_digits(word)),
        "bias" => flag(true),
        "BOS" => flag(position == 0),
        "EOS" => flag(position + 1 == count),
        "prefix5" => prefix(5),
        "prefix2" => prefix(2),
        "suffix5" => suffix(5),
        "suffix3" => suffix(3),
        "suffix2" => suffix(2),
        "suffix1" => suffix(1),
        _ => None,
    }
}
