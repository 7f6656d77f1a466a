//! What is not trained again, and that it makes no difference.

use intendant_component::stored::Stored;
use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::{Material, Section, default_pipeline, ingredients, train_again};
use intendant_talk::data::{ComponentSpec, Lookup, NluData, Regex};
use intendant_talk::domain::Domain;
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use crate::language_models::with_model;
use crate::{component, small_data, small_domain};

const CONTEXT: TrainContext<'static> = TrainContext { seed: 1, threads: 1, progress: &Silent };

fn stored(
    specs: &[ComponentSpec],
    material: &Material<'_>,
    known: Vec<(String, Stored)>,
) -> Vec<(String, Stored)> {
    match train_again(specs, material, known, &CONTEXT) {
        Ok(trained) => trained.pipeline.store(),
        Err(error) => panic!("{error}"),
    }
}

/// Every component that exists, as far as one pipeline can hold them.
fn everything() -> Vec<ComponentSpec> {
    let mut specs = default_pipeline();
    let more = [
        ("RegexEntityExtractor", Value::Null),
        ("LogisticRegressionClassifier", Value::Null),
        ("SklearnIntentClassifier", Value::Null),
        ("KeywordIntentClassifier", Value::Null),
        ("CRFEntityExtractor", Value::Null),
        ("DucklingEntityExtractor", Value::Null),
    ];
    specs.splice(5..5, more.map(|(name, options)| component(name, options)));
    specs.insert(5, with_model("LanguageModelFeaturizer", json!({"model_weights": "m"})));
    specs
}

fn data() -> NluData {
    let mut data = small_data();
    data.regexes = vec![Regex { name: "city".into(), pattern: "[A-Z]{3}".into(), ..Regex::default() }];
    data.lookups = vec![Lookup {
        name: "city".into(),
        elements: vec!["Ulm".into(), "Jena".into()],
        ..Lookup::default()
    }];
    data.synonyms.insert("NYC".into(), "New York".into());
    data
}

/// Changes one section so that whoever looks at it learns something else.
fn change(section: Section, data: &mut NluData, domain: &mut Domain) {
    match section {
        Section::Language => {}
        Section::Texts => data.examples[0].text.push_str(" platypus"),
        Section::Intents => data.examples[0].intent = Some("new_intent".into()),
        Section::ResponseKeys => {
            for example in &mut data.examples {
                example.intent_response_key = example.intent_response_key.take().map(|key| key + "_more");
            }
        }
        Section::Entities => {
            let end_chars = Some(data.examples[0].text.chars().count());
            data.examples[0].entities.push(Entity {
                entity: "new_entity".into(),
                value: json!("new value"),
                start_chars: Some(0),
                end_chars,
                ..Entity::default()
            });
        }
        Section::Synonyms => {
            data.synonyms.insert("LA".into(), "Los Angeles".into());
        }
        Section::Regexes => data.regexes[0].pattern.push('?'),
        Section::Lookups => data.lookups[0].elements.push("Bonn".into()),
        Section::Responses => domain.responses.clear(),
    }
}

#[test]
fn what_a_component_does_not_look_at_does_not_change_it() {
    let (specs, data, domain) = (everything(), data(), small_domain());
    let before = stored(&specs, &Material { language: "en", data: &data, domain: &domain }, Vec::new());
    let ingredients = ingredients(&specs);
    assert_eq!(ingredients.len(), specs.len());
    for section in Section::ALL {
        let (mut data, mut domain) = (data.clone(), domain.clone());
        change(section, &mut data, &mut domain);
        let language = if section == Section::Language { "de" } else { "en" };
        let after = stored(&specs, &Material { language, data: &data, domain: &domain }, Vec::new());
        let mut features_changed = false;
        for component in &ingredients {
            let of = |parts: &[(String, Stored)]| {
                parts.iter().find(|(node, _)| *node == component.node).map(|(_, stored)| stored.clone())
            };
            let is_changed = of(&before) != of(&after);
            let may_change =
                component.sections.contains(&section) || (component.reads_features && features_changed);
            assert!(!is_changed || may_change, "{section:?} changes {}", component.node);
            features_changed |= component.makes_features && component.sections.contains(&section);
        }
    }
}

#[test]
fn parts_taken_over_give_the_same_as_training() {
    let (specs, data, domain) = (everything(), data(), small_domain());
    let material = Material { language: "en", data: &data, domain: &domain };
    let cold = stored(&specs, &material, Vec::new());
    // Not `assert_eq`: it would print every weight.
    assert!(stored(&specs, &material, cold.clone()) == cold, "all known");
    for missing in 0..cold.len() {
        let mut known = cold.clone();
        let (node, _) = known.remove(missing);
        assert!(stored(&specs, &material, known) == cold, "without {node}");
    }
}

#[test]
fn options_without_effect_are_no_reason_to_train() {
    let of = |options: Value| ingredients(&[component("DIETClassifier", options)])[0].clone();
    assert_eq!(of(json!({"epochs": 5, "transformer_size": 64})), of(Value::Null));
    assert_eq!(of(json!({"ranking_length": 10})), of(Value::Null));
    assert_ne!(of(json!({"ranking_length": 5})), of(Value::Null));
}
