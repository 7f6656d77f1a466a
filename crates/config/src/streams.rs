//! Section `streams`: where messages come from, what scores them, where they go.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One stream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The topic or queue of its messages; the stream's name unless said otherwise.
    pub topic: Option<String>,
    /// Where in a message its key is, with dots between names.
    pub key: Option<String>,
    /// What becomes of messages whose key was handled before.
    #[serde(default)]
    pub repeats: Repeats,
    /// What carries messages; the database unless said otherwise.
    #[serde(default)]
    pub transport: Map<String, Value>,
    /// `postgresql://…` or the path of a SQLite file, for the books and the scored rows.
    #[serde(default = "database")]
    pub database: String,
    /// Where a producer finds items.
    #[serde(default)]
    pub source: Map<String, Value>,
    /// What scores messages.
    #[serde(default)]
    pub score: Score,
    /// Where scored rows are sent besides the table.
    pub output: Option<Output>,
    /// Most messages that are scored at once.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Whether messages are kept beside what came out.
    #[serde(default = "yes")]
    pub keep_input: bool,
    /// How long keys are remembered; for ever unless said otherwise.
    pub remember_days: Option<f64>,
    /// Whether messages can be given to the consumer over HTTP.
    #[serde(default)]
    pub test_hook: bool,
}

/// What becomes of messages whose key was handled before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeats {
    /// They are dropped.
    #[default]
    Skip,
    /// They are scored again if their content differs.
    Update,
}

/// What scores messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Score {
    /// An assistant's model: a file, or a folder of models of which the newest is taken.
    pub assistant: Option<PathBuf>,
    /// Where in a message the text is that the assistant shall understand.
    pub text: Option<String>,
    /// A predictor of the project; the version in use scores.
    pub predictor: Option<String>,
    /// The address of a model server that takes `{"instances": […]}` and gives `{"predictions": […]}`.
    pub url: Option<String>,
    /// Headers of requests to it.
    pub headers: Map<String, Value>,
}

/// Where scored rows are sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The topic or queue.
    pub topic: String,
    /// What carries them; that of the stream unless said otherwise.
    pub transport: Option<Map<String, Value>>,
}

fn database() -> String {
    ".intendant/streams.db".to_owned()
}

fn batch() -> usize {
    100
}

fn yes() -> bool {
    true
}
