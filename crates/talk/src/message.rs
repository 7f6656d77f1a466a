//! What understanding makes of one message.

use serde_json::{Map, Value};

/// Open JSON object, key order kept.
pub type Object = Map<String, Value>;

/// An intent with its confidence, as in `intent` and `intent_ranking`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// The intent's name; `None` when nothing was recognised.
    pub name: Option<String>,
    /// Probability in `0..=1`; `None` only for external events, which carry no confidence.
    pub confidence: Option<f64>,
    /// Other keys, such as `full_retrieval_intent_name`.
    pub extra: Object,
}

impl Intent {
    /// An intent with a confidence and nothing else.
    pub fn new(name: impl Into<String>, confidence: f64) -> Self {
        Self { name: Some(name.into()), confidence: Some(confidence), extra: Object::new() }
    }

    /// The answer of a pipeline that recognised nothing: no name, confidence 0.
    pub fn none() -> Self {
        Self { name: None, confidence: Some(0.0), extra: Object::new() }
    }
}

/// An entity found in a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entity {
    /// The entity type.
    pub entity: String,
    /// The value, possibly normalised by a synonym or an extractor.
    pub value: Value,
    /// First code point of the span.
    pub start_chars: Option<usize>,
    /// One past the last code point of the span.
    pub end_chars: Option<usize>,
    /// The role label.
    pub role: Option<String>,
    /// The group label.
    pub group: Option<String>,
    /// Name of the component that found it.
    pub extractor: Option<String>,
    /// Other keys: `confidence_entity`, `confidence_role`, `processors`, `additional_info`, ….
    pub extra: Object,
}

/// The parse result of one message (`spec: nlu.md §9`).
///
/// `None` fields are absent from the JSON; `text`, `intent` and `entities` are always there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parse {
    /// The text that was parsed.
    pub text: Option<String>,
    /// The winning intent.
    pub intent: Intent,
    /// Entities in the order in which the extractors found them.
    pub entities: Vec<Entity>,
    /// Token spans in code points, `[start, end)`.
    pub text_tokens: Option<Vec<(usize, usize)>>,
    /// All intents considered, best first.
    pub intent_ranking: Option<Vec<Intent>>,
    /// The output of the response selectors, as in the wire format (`spec: nlu.md §6`).
    pub response_selector: Option<Object>,
    /// Keys of other components and of posted parse data.
    pub extra: Object,
}

impl Parse {
    /// The winning intent's name, or the empty string.
    pub fn intent_name(&self) -> &str {
        self.intent.name.as_deref().unwrap_or("")
    }
}
