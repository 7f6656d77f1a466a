//! Training data for language understanding, free of file formats.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::{Entity, Object};

/// Where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Path as the user gave or would give it.
    pub file: String,
    /// One-based; 0 when unknown.
    pub line: usize,
    /// One-based; 0 when unknown.
    pub column: usize,
}

/// All examples, synonyms, regular expressions and lookup tables of a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NluData {
    /// Messages with what they mean, in file order, exact duplicates removed.
    pub examples: Vec<Example>,
    /// Text as written -> canonical value (`spec: training-data.md §2.3`).
    pub synonyms: BTreeMap<String, String>,
    /// Named patterns, sorted by name then pattern.
    pub regexes: Vec<Regex>,
    /// Named phrase lists; the same name may occur several times.
    pub lookups: Vec<Lookup>,
}

/// One message of the training data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// Plain text, annotations removed.
    pub text: String,
    /// Base intent (`faq` of `faq/hours`); `None` for entity-only and end-to-end examples.
    pub intent: Option<String>,
    /// `faq/hours` for examples of retrieval intents.
    pub intent_response_key: Option<String>,
    /// Annotated spans, in code points.
    pub entities: Vec<Entity>,
    /// Intent-level metadata as JSON, `None` when absent.
    pub intent_metadata: Option<serde_json::Value>,
    /// Example-level metadata as JSON, `None` when absent.
    pub metadata: Option<serde_json::Value>,
    /// Where it stands.
    pub source: Source,
}

/// A named regular expression in Python's syntax.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regex {
    /// Feature or entity name.
    pub name: String,
    /// The pattern as written.
    pub pattern: String,
    /// Where it stands.
    pub source: Source,
}

/// A named list of phrases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Feature or entity name.
    pub name: String,
    /// Phrases as written.
    pub elements: Vec<String>,
    /// Where it stands.
    pub source: Source,
}

/// One `{name, options…}` item of a `pipeline:` or `policies:` list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentSpec {
    /// The component's name as written, module path included.
    pub name: String,
    /// All keys but `name`.
    pub options: Object,
    /// Where it stands.
    pub source: Source,
    /// What it needs from outside the project's files, once that was looked for.
    pub resource: Option<Resource>,
}

/// Something from outside the project's files that a component needs, such as a language model.
///
/// Whoever reads it and whoever uses it agree on its type. Equal means one and the same.
#[derive(Clone)]
pub enum Resource {
    /// It was read.
    Ready(Arc<dyn Any + Send + Sync>),
    /// Why it was not, lowercase, no full stop.
    Failed(String),
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(_) => f.write_str("Ready"),
            Self::Failed(why) => f.debug_tuple("Failed").field(why).finish(),
        }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ready(one), Self::Ready(other)) => Arc::ptr_eq(one, other),
            (Self::Failed(one), Self::Failed(other)) => one == other,
            _ => false,
        }
    }
}
