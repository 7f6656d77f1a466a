//! A message on its way through the pipeline.

use std::sync::Arc;

use intendant_talk::message::Parse;
use intendant_text::Token;
use intendant_text::offsets::Offsets;
use serde_json::Value;

use crate::language_model::Provided;

/// A text with what the components so far made of it.
pub(crate) struct Message<'a> {
    pub(crate) text: &'a str,
    pub(crate) offsets: Offsets<'a>,
    /// Empty before the tokenizer and for an empty text.
    pub(crate) tokens: Vec<Token>,
    /// Spans of pattern matches: pattern name hash, bytes.
    pub(crate) patterns: Vec<PatternHit>,
    /// Sentence vectors of featurizers; only filled when `wants_vectors`.
    pub(crate) vectors: Vec<Vector>,
    pub(crate) wants_vectors: bool,
    /// Sentence vectors of language models.
    pub(crate) dense: Vec<DenseVector>,
    /// The language model that later components may ask.
    pub(crate) provided: Option<Provided>,
    /// Now, in milliseconds since 1970 UTC; `None` when the caller did not say.
    pub(crate) now_ms: Option<i64>,
    /// What the extractor whose turn it is was told by a server.
    pub(crate) told: Option<&'a [Value]>,
    /// What will be answered.
    pub(crate) parse: Parse,
}

/// A match of a named pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PatternHit {
    /// Column of the pattern.
    pub(crate) pattern: u32,
    /// Hash of the pattern's name.
    pub(crate) name: u64,
    pub(crate) start_bytes: usize,
    pub(crate) end_bytes: usize,
}

/// A featurizer's sparse sentence vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vector {
    /// Position of the featurizer in the pipeline.
    pub(crate) origin: usize,
    pub(crate) items: Vec<(u32, f32)>,
}

/// A language model's sentence vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DenseVector {
    /// Position of the featurizer in the pipeline.
    pub(crate) origin: usize,
    pub(crate) values: Arc<[f32]>,
}

impl<'a> Message<'a> {
    pub(crate) fn new(text: &'a str, wants_vectors: bool) -> Self {
        Self {
            text,
            offsets: Offsets::new(text),
            tokens: Vec::new(),
            patterns: Vec::new(),
            vectors: Vec::new(),
            wants_vectors,
            dense: Vec::new(),
            provided: None,
            now_ms: None,
            told: None,
            parse: Parse::default(),
        }
    }

    /// The characters of a token.
    pub(crate) fn word(&self, token: usize) -> &'a str {
        self.tokens[token].text(self.text)
    }
}
