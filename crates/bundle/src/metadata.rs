//! The first file of an archive.

use std::collections::BTreeMap;

use intendant_talk::message::Object;
use serde::{Deserialize, Serialize};

/// The archive format this build writes, and the highest it reads.
pub const ARCHIVE_FORMAT: u32 = 1;

/// What was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingType {
    /// Language understanding only.
    Nlu,
    /// Dialogue only.
    Core,
    /// Both.
    Both,
    /// A predictor.
    Predictor,
}

/// What an archive says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of the archive format.
    pub format: u32,
    /// `assistant`, or the kind of a predictor: `tabular`, `text`, `recommender`, `foreign`.
    pub kind: String,
    /// Hexadecimal id, derived from what the archive holds.
    pub model_id: String,
    /// `assistant_id` of the configuration, or the predictor's name.
    pub assistant_id: String,
    /// What was trained.
    pub training_type: TrainingType,
    /// `language` of the configuration.
    pub language: Option<String>,
    /// Version of the product that trained it.
    pub product_version: String,
    /// Pipeline and policies as used, options included.
    pub config: Object,
    /// Fingerprints of what went in, by part (`nlu`, `core`, `domain`, …), hexadecimal.
    pub fingerprints: BTreeMap<String, String>,
    /// Figures measured on the way, by name.
    pub metrics: Object,
    /// Nodes in pipeline order.
    pub nodes: Vec<String>,
    /// SHA-256 of every other file of the archive, hexadecimal. Filled when written.
    #[serde(default)]
    pub checksums: BTreeMap<String, String>,
}
