//! Behaviour of pipelines at the crate's border.
#![allow(clippy::unwrap_used)]

mod components;
mod configuration;
mod language_models;
mod public_sets;
mod retraining;
mod robustness;
mod solvers;
mod soundness;
mod talkative;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::{Error, Pipeline};
use intendant_talk::data::{ComponentSpec, Example, NluData};
use intendant_talk::domain::{Domain, EntityInfo, IntentInfo};
use intendant_talk::message::{Entity, Object};
use serde_json::Value;

/// Reads `text with [value](entity)` or `[value](entity:role)`.
pub fn example(intent: &str, annotated: &str) -> Example {
    let base = intent.split('/').next().unwrap_or(intent);
    let mut example = Example {
        intent: Some(base.to_owned()),
        intent_response_key: intent.contains('/').then(|| intent.to_owned()),
        ..Example::default()
    };
    let mut rest = annotated;
    while let Some((before, after)) = rest.split_once('[') {
        let (value, after) = after.split_once("](").expect("an annotation has a label");
        let (label, after) = after.split_once(')').expect("a label ends");
        let (entity, role) = label.split_once(':').map_or((label, None), |(name, role)| (name, Some(role)));
        example.text.push_str(before);
        let start = example.text.chars().count();
        example.text.push_str(value);
        example.entities.push(Entity {
            entity: entity.to_owned(),
            value: Value::from(value),
            start_chars: Some(start),
            end_chars: Some(start + value.chars().count()),
            role: role.map(str::to_owned),
            ..Entity::default()
        });
        rest = after;
    }
    example.text.push_str(rest);
    example
}

/// A small assistant that books tables and flights.
pub fn small_data() -> NluData {
    let intents: [(&str, &[&str]); 6] = [
        ("greet", &["hello", "hi there", "good morning", "hey bot", "greetings"]),
        ("bye", &["bye", "goodbye", "see you later", "farewell"]),
        (
            "book",
            &["book a table", "i want a [thai](cuisine) restaurant", "find [greek](cuisine) food please"],
        ),
        (
            "fly",
            &[
                "fly from [Bremen](city:from) to [Kiel](city:to)",
                "a flight from [Ulm](city:from) to [Jena](city:to)",
                "bring me to [Bonn](city:to) by plane",
                "flying from [Kiel](city:from) please",
                "get me from [Jena](city:from) to [Ulm](city:to)",
            ],
        ),
        ("faq/hours", &["when do you open", "opening hours please"]),
        ("faq/place", &["where are you", "what is your address"]),
    ];
    let examples = intents.iter().flat_map(|(intent, texts)| texts.iter().map(|text| example(intent, text)));
    NluData { examples: examples.collect(), ..NluData::default() }
}

/// A domain that knows what [`small_data`] uses.
pub fn small_domain() -> Domain {
    let intent = |name: &str| IntentInfo { name: name.to_owned(), ..IntentInfo::default() };
    let entity = |name: &str| EntityInfo { name: name.to_owned(), ..EntityInfo::default() };
    Domain {
        intents: ["book", "bye", "faq", "fly", "greet"].map(intent).to_vec(),
        entities: ["city", "cuisine"].map(entity).to_vec(),
        ..Domain::default()
    }
}

/// A component with options.
pub fn component(name: &str, options: Value) -> ComponentSpec {
    let options = match options {
        Value::Object(options) => options,
        _ => Object::new(),
    };
    ComponentSpec { name: name.to_owned(), options, ..ComponentSpec::default() }
}

/// Trains quietly with a fixed seed.
pub fn train(specs: &[ComponentSpec], data: &NluData) -> Result<(Pipeline, Vec<Diagnostic>), Error> {
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    intendant_nlu::train(specs, "en", data, &small_domain(), &context)
}
