//! Fingerprints: whether anything that a part of a model was trained from has changed.
//!
//! A fingerprint covers values, not files: comments, order of files and positions do not count. A
//! component's covers its own options, the parts of the data it looks at, the fingerprints of the
//! tokenizers and featurizers before it if it looks at their work, and the code of all trainers.

use std::collections::BTreeMap;

use intendant_nlu::Section;
use intendant_talk::data::{ComponentSpec, NluData};
use intendant_talk::domain::Domain;
use intendant_talk::message::Object;
use intendant_talk::story::{Step, StepKind, Story};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Changes whenever the code that trains changes.
const TRAINERS: &str = concat!(env!("CARGO_PKG_VERSION"), "/", env!("TRAINERS_DIGEST"));

/// What a model's parts are trained from.
pub struct Sources<'a> {
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

/// A part that is trained as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The name under which the part is stored, without the prefix of its kind.
    pub node: String,
    /// The component's name.
    pub name: String,
    /// Hexadecimal.
    pub hex: String,
}

/// Fingerprints of the components of the pipeline, in order.
pub fn pipeline(sources: &Sources<'_>) -> Vec<Fingerprint> {
    let ingredients = intendant_nlu::ingredients(sources.pipeline);
    let sections: BTreeMap<Section, String> =
        Section::ALL.into_iter().map(|section| (section, of_section(section, sources))).collect();
    let mut features = String::new();
    let mut fingerprints = Vec::with_capacity(ingredients.len());
    for component in ingredients {
        let mut print = Print::new().text(&component.node).text(&json(&component.options));
        print = print.text(if component.has_vectors { "vectors" } else { "" });
        for section in &component.sections {
            print = print.text(&format!("{section:?}")).text(&sections[section]);
        }
        if component.reads_features {
            print = print.text(&features);
        }
        let hex = print.hex();
        if component.makes_features {
            features = Print::new().text(&features).text(&hex).hex();
        }
        fingerprints.push(Fingerprint { node: component.node, name: component.name.to_owned(), hex });
    }
    fingerprints
}

fn of_section(section: Section, sources: &Sources<'_>) -> String {
    let nlu = sources.nlu;
    let mut print = Print::new();
    match section {
        Section::Language => print = print.text(sources.language.unwrap_or("")),
        Section::Texts => {
            for example in &nlu.examples {
                print = print.text(&example.text);
            }
        }
        Section::Intents => {
            for example in &nlu.examples {
                print = print.text(example.intent.as_deref().unwrap_or(""));
            }
        }
        Section::ResponseKeys => {
            for example in &nlu.examples {
                print = print.text(example.intent_response_key.as_deref().unwrap_or(""));
            }
        }
        Section::Entities => print = print.entities(nlu),
        Section::Synonyms => {
            for (text, value) in &nlu.synonyms {
                print = print.text(text).text(value);
            }
        }
        Section::Regexes => {
            for regex in &nlu.regexes {
                print = print.text(&regex.name).text(&regex.pattern);
            }
        }
        Section::Lookups => {
            for lookup in &nlu.lookups {
                print = print.text(&lookup.name).text(&lookup.elements.len().to_string());
                for element in &lookup.elements {
                    print = print.text(element);
                }
            }
        }
        Section::Responses => {
            for (name, variations) in sources.domain.responses.iter().filter(|(name, _)| name.contains('/')) {
                print = print.text(name);
                for variation in variations {
                    print = print.text(&json(&variation.dict));
                }
            }
        }
    }
    print.hex()
}

/// Fingerprints of the policies, in order.
pub fn policies(sources: &Sources<'_>) -> Vec<Fingerprint> {
    let domain = sources.domain;
    let mut material = Print::new().text(&sources.augmentation.to_string());
    material = material.text(&format!("{:?} {:?} {:?}", domain.intents, domain.entities, domain.slots));
    material = material.text(&format!("{:?} {:?}", domain.forms, domain.action_names()));
    material = material.text(&domain.store_entities_as_slots.to_string());
    for story in sources.stories {
        material = material.text(&story.name).text(&format!("{:?}", story.kind));
        material = material.steps(&story.condition).text("").steps(&story.steps);
    }
    let material = material.hex();
    let nodes = intendant_policy::nodes(sources.policies).into_iter().zip(sources.policies);
    nodes
        .map(|(node, spec)| {
            let hex = Print::new().text(&node).text(&json(&spec.options)).text(&material).hex();
            let name = spec.name.rsplit('.').next().unwrap_or_default().to_owned();
            Fingerprint { node, name, hex }
        })
        .collect()
}

/// Fingerprint of a configuration as written.
pub fn config(language: Option<&str>, pipeline: &[ComponentSpec], policies: &[ComponentSpec]) -> String {
    Print::new().text(language.unwrap_or("")).specs(pipeline).specs(policies).hex()
}

/// Fingerprint of a domain, responses included.
pub fn domain(domain: &Domain) -> String {
    Print::new().text(&json(&domain.dict)).hex()
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
        Self { hash: Sha256::new() }.text(TRAINERS)
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

    fn entities(mut self, nlu: &NluData) -> Self {
        for (at, example) in
            nlu.examples.iter().enumerate().filter(|(_, example)| !example.entities.is_empty())
        {
            self = self.text(&at.to_string());
            for entity in &example.entities {
                self = self.text(&format!(
                    "{:?} {} {:?} {:?} {:?} {:?}",
                    entity.entity,
                    entity.value,
                    entity.start_chars,
                    entity.end_chars,
                    entity.role,
                    entity.group
                ));
            }
        }
        self
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
