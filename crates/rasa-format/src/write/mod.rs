//! Values back to Rasa's YAML.

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
    let mut entries = vec![("version".to_owned(), version())];
    for (key, value) in domain.dict.iter().filter(|(key, _)| *key != "version") {
        entries.push((key.clone(), Tree::of(value)));
    }
    Tree::map(entries).to_yaml()
}

/// Writes any JSON object as a YAML document in Rasa's style.
pub fn object_yaml(object: &Object) -> String {
    Tree::of(&Value::Object(object.clone())).to_yaml()
}

fn version() -> Tree {
    Tree::Quoted(FORMAT_VERSION.to_owned())
}
