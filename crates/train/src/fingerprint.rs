//! Fingerprints: whether anything that a part of a model was trained from has changed.
//!
//! A fingerprint covers values, not files: comments, order of files and positions do not count.

use std::collections::BTreeMap;

use intendant_talk::data::{ComponentSpec, NluData};
use intendant_talk::domain::Domain;
use intendant_talk::message::Object;
use intendant_talk::story::{Step, StepKind, Story};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Changes whenever trainers or stored states change so that old parts must not be reused.
const TRAINER_REVISION: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// What a model's parts were trained from.
pub struct Ingredients<'a> {
    /// `language` of the configuration.
    pub language: Option<&'a str>,
    /// The pipeline as used.
    pub pipeline: &'a [ComponentSpec],
    /// The policies as used.
    pub policies: &'a [ComponentSpec],
    /// Examples, synonyms, patterns, lists.
    pub nlu: &'a NluData,
    /// The merged domain.
    pub domain: &'a Domain,
    /// Stories and rules.
    pub stories: &'a [Story],
    /// Stories glued together, at most.
    pub augmentation: usize,
}

/// Fingerprints of the parts `nlu`, `core` and `domain`, hexadecimal.
pub fn fingerprints(ingredients: &Ingredients<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("nlu".to_owned(), nlu(ingredients)),
        ("core".to_owned(), core(ingredients)),
        ("domain".to_owned(), Print::new().text(&json(&ingredients.domain.dict)).hex()),
    ])
}

fn nlu(ingredients: &Ingredients<'_>) -> String {
    let mut print = Print::new().text(ingredients.language.unwrap_or("")).specs(ingredients.pipeline);
    for example in &ingredients.nlu.examples {
        print = print
            .text(&example.text)
            .text(example.intent.as_deref().unwrap_or(""))
            .text(example.intent_response_key.as_deref().unwrap_or(""));
        for entity in &example.entities {
            print = print.text(&format!(
                "{:?} {} {:?} {:?} {:?} {:?}",
                entity.entity, entity.value, entity.start_chars, entity.end_chars, entity.role, entity.group
            ));
        }
    }
    for (text, value) in &ingredients.nlu.synonyms {
        print = print.text(text).text(value);
    }
    for regex in &ingredients.nlu.regexes {
        print = print.text(&regex.name).text(&regex.pattern);
    }
    for lookup in &ingredients.nlu.lookups {
        print = print.text(&lookup.name);
        for element in &lookup.elements {
            print = print.text(element);
        }
    }
    // What understanding takes from the domain: names, and the texts that response selectors answer with.
    for intent in &ingredients.domain.intents {
        print = print.text(&intent.name);
    }
    for entity in &ingredients.domain.entities {
        print = print.text(&format!("{entity:?}"));
    }
    for (name, variations) in ingredients.domain.responses.iter().filter(|(name, _)| name.contains('/')) {
        print = print.text(name);
        for variation in variations {
            print = print.text(&json(&variation.dict));
        }
    }
    print.hex()
}

fn core(ingredients: &Ingredients<'_>) -> String {
    let domain = ingredients.domain;
    let mut print = Print::new().specs(ingredients.policies).text(&ingredients.augmentation.to_string());
    print = print.text(&format!("{:?} {:?} {:?}", domain.intents, domain.entities, domain.slots));
    print = print.text(&format!("{:?} {:?}", domain.forms, domain.action_names()));
    print = print.text(&domain.store_entities_as_slots.to_string());
    for story in ingredients.stories {
        print = print.text(&story.name).text(&format!("{:?}", story.kind));
        print = print.steps(&story.condition).text("").steps(&story.steps);
    }
    print.hex()
}

fn json(object: &Object) -> String {
    Value::Object(object.clone()).to_string()
}

/// A hash over length-prefixed texts, so that neighbours cannot run into each other.
struct Print {
    hash: Sha256,
}

impl Print {
    fn new() -> Self {
        Self { hash: Sha256::new() }.text(TRAINER_REVISION)
    }

    fn text(mut self, text: &str) -> Self {
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text.as_bytes());
        self
    }

    fn specs(mut self, specs: &[ComponentSpec]) -> Self {
        for spec in specs {
            self = self.text(&spec.name).text(&json(&spec.options));
        }
        self.text("")
    }

    fn steps(mut self, steps: &[Step]) -> Self {
        for step in steps {
            self = match &step.kind {
                StepKind::Or(alternatives) => self.text("or").steps(alternatives),
                kind => self.text(&format!("{kind:?}")),
            };
        }
        self.text("")
    }

    fn hex(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
