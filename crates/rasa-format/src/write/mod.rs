//! Values back to Rasa's YAML.

pub mod append;
mod nlu;
mod stories;
mod tree;

use intendant_talk::domain::Domain;
use intendant_talk::message::Object;
use serde_json::Value;

pub use nlu::{annotated_text, nlu_yaml};
pub use stories::{Form, conversation_story, stories_yaml, stories_yaml_with_comments};

use crate::reader::FORMAT_VERSION;
use tree::Tree;

/// Writes a domain as `GET /domain` answers it to those who ask for YAML.
pub fn domain_yaml(domain: &Domain) -> String {
    let mut dict = Object::from_iter([("version".to_owned(), FORMAT_VERSION.into())]);
    dict.extend(
        domain
            .dict
            .iter()
            .filter(|(key, _)| *key != "version")
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    object_yaml(&dict)
}

/// Writes an object as a YAML document in Rasa's style: its format version always in quotes.
pub fn object_yaml(object: &Object) -> String {
    let entry = |(key, value): (&String, &Value)| {
        let tree = match value {
            Value::String(version) if key == "version" => Tree::Quoted(version.clone()),
            value => Tree::of(value),
        };
        (key.clone(), tree)
    };
    Tree::map(object.iter().map(entry).collect()).to_yaml()
}

fn version() -> Tree {
    Tree::Quoted(FORMAT_VERSION.to_owned())
}
