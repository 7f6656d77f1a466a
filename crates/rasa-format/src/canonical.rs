//! A project's content as texts that differ exactly when training could: what fingerprints are
//! made of. Where things stand, comments and the way in which they are written do not matter.

use std::fmt::Write as _;

use intendant_talk::data::Example;
use serde_json::{Value, json};

use crate::project::Project;
use crate::write::{Form, stories_yaml};

/// The parts of a project, each as a canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// Recipe, language, pipeline and policies.
    pub config: String,
    /// The completed domain without its responses.
    pub domain: String,
    /// The responses of the domain.
    pub responses: String,
    /// Language data, with the texts that stories add to it.
    pub language: String,
    /// Stories and rules.
    pub stories: String,
}

impl Project {
    /// Writes the project's content canonically. The assistant's id is left out: it changes no
    /// weight.
    pub fn canonical(&self) -> Canonical {
        let config: Vec<(&str, &Value)> = ["recipe", "language", "pipeline", "policies"]
            .iter()
            .filter_map(|key| Some((*key, self.config.dict.get(*key)?)))
            .collect();
        let mut domain = self.domain.dict.clone();
        let responses = domain.shift_remove("responses").unwrap_or_default();
        Canonical {
            config: json!(config).to_string(),
            domain: Value::Object(domain).to_string(),
            responses: responses.to_string(),
            language: self.language_lines(),
            stories: stories_yaml(&self.stories, Form::Test),
        }
    }

    fn language_lines(&self) -> String {
        let mut lines = String::new();
        for example in self.nlu.examples.iter().chain(&self.end_to_end) {
            push_line(&mut lines, &example_json(example));
        }
        push_line(&mut lines, &json!(self.nlu.synonyms));
        for regex in &self.nlu.regexes {
            push_line(&mut lines, &json!([regex.name, regex.pattern]));
        }
        for lookup in &self.nlu.lookups {
            push_line(&mut lines, &json!([lookup.name, lookup.elements]));
        }
        lines
    }
}

fn push_line(lines: &mut String, value: &Value) {
    let _ = writeln!(lines, "{value}");
}

fn example_json(example: &Example) -> Value {
    let entities: Vec<Value> = example.entities.iter().map(crate::wire::entity_to_json).collect();
    json!([
        example.text,
        example.intent,
        example.intent_response_key,
        entities,
        example.intent_metadata,
        example.metadata
    ])
}
