//! Sentence and token vectors of BERT-like encoders.
//!
//! Bytes of a model folder in the Hugging Face layout go in, vectors come out; nothing here knows
//! the disk, and nothing in a folder is executed. `nlu` uses the vectors as features; `train`
//! reads folders. An encoder of our own, because it is a few hundred lines where the frameworks
//! that load such models weigh as much as the rest of the product, and because its answers must
//! not depend on batches and threads.

mod config;
mod encoder;
mod kernel;
mod tokenizer;
mod weights;

use std::collections::BTreeMap;

pub use encoder::{Encoder, Encoding};

/// The files of a folder, by path below it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files that make an encoder. Others of a folder are not looked at.
pub const FILES: [&str; 8] = [
    "config.json",
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
];

/// Why files do not make an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was expected and what was found, lowercase, no full stop.
    pub message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
