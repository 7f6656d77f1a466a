//! What the classifier sees of a text: views of hashed features.
//!
//! A view is a bag of features that is weighted and brought to length one by itself, so that the many
//! pieces of words do not drown the few words around an entity.

use intendant_numeric::random::{hash_bytes, mix};

use crate::words::{Kind, Word, Words};

/// Views of a text.
pub(crate) const VIEWS: usize = 5;
/// Words and pairs of neighbours.
const WORDS: usize = 0;
/// The same with negations carried over to what they turn over.
const SCOPED: usize = 1;
/// Pieces of words.
const PIECES: usize = 2;
/// Words by their distance from the entity.
const NEAR: usize = 3;
/// The entity itself and where it stands.
const TARGET: usize = 4;

/// What each view counts.
pub(crate) const VIEW_WEIGHTS: [f32; VIEWS] = [1.0, 1.4, 0.8, 1.0, 1.0];

/// Feature hashes are cut to this many bits; of a million features, six in a hundred share a bucket.
pub(crate) const BUCKET_BITS: u32 = 24;

/// Lengths of pieces in characters.
const PIECE_CHARS: std::ops::RangeInclusive<usize> = 2..=5;

const START: u64 = 0x51A7;
const END: u64 = 0xE17D;

/// The features of a text: buckets by view, sorted, once per occurrence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    pub(crate) views: [Vec<u32>; VIEWS],
}

impl Features {
    /// Replaces what is held by the features of a text.
    pub(crate) fn read(&mut self, words: &Words, target: &str) {
        self.views.iter_mut().for_each(Vec::clear);
        self.read_words(words);
        self.read_scoped(words);
        self.read_pieces(&words.folded);
        self.read_near(words, target);
        self.views.iter_mut().for_each(|view| view.sort_unstable());
    }

    fn push(&mut self, view: usize, hash: u64) {
        let bucket = mix(hash ^ (view as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> (64 - BUCKET_BITS);
        self.views[view].push(bucket as u32);
    }

    fn read_words(&mut self, words: &Words) {
        let mut previous = START;
        for word in words.items.iter().filter(|word| word.kind != Kind::Stop) {
            self.push(WORDS, word.hash);
            self.push(WORDS, pair(previous, word.hash));
            previous = word.hash;
        }
        if previous != START {
            self.push(WORDS, pair(previous, END));
        }
    }

    fn read_scoped(&mut self, words: &Words) {
        let mut previous = None;
        for word in &words.items {
            let hash = if word.is_negated { mix(word.hash ^ 0x7107) } else { word.hash };
            self.push(SCOPED, hash);
            if let Some(previous) = previous {
                self.push(SCOPED, pair(previous, hash));
            }
            previous = Some(hash);
        }
    }

    fn read_pieces(&mut self, folded: &str) {
        let mut padded: Vec<char> = Vec::with_capacity(32);
        for chunk in folded.split_whitespace() {
            padded.clear();
            padded.push(' ');
            padded.extend(chunk.chars());
            padded.push(' ');
            for start in 0..padded.len() {
                let mut state = 0u64;
                for (at, c) in padded[start..].iter().take(*PIECE_CHARS.end()).enumerate() {
                    state = (state.rotate_left(7) ^ u64::from(*c)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    if PIECE_CHARS.contains(&(at + 1)) {
                        self.push(PIECES, state);
                    }
                }
            }
        }
    }

    fn read_near(&mut self, words: &Words, target: &str) {
        let solid: Vec<&Word> = words.items.iter().filter(|word| word.kind != Kind::Stop).collect();
        let Some(first) = solid.iter().position(|word| word.kind == Kind::Mask) else { return };
        for (at, word) in solid.iter().enumerate().filter(|(_, word)| word.kind != Kind::Mask) {
            let distance = match at.abs_diff(first) {
                0..=3 => 1,
                4..=6 => 2,
                _ => 3,
            };
            self.push(NEAR, mix(word.hash ^ distance));
        }
        self.push(TARGET, hash_bytes(1, target.to_lowercase().as_bytes()));
        self.push(TARGET, mix((first * 5 / solid.len()) as u64));
    }
}

fn pair(left: u64, right: u64) -> u64 {
    mix(left.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ right.rotate_left(17))
}
