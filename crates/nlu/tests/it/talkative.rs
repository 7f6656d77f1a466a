//! A pipeline in which every kind of component answers. The fuzz target feeds it, and so do tests.

use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::Pipeline;
use intendant_talk::data::{ComponentSpec, Example, Lookup, NluData, Regex};
use intendant_talk::domain::Domain;
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use crate::soundness;

/// 14 November 2023, 22:13:20 UTC.
const NOW_MS: i64 = 1_700_000_000_000;

/// Understands a text and checks the answer.
pub fn check(pipeline: &Pipeline, text: &str) {
    soundness::check(text, &pipeline.parse_at(text, Some(NOW_MS)).0);
}

/// Trains it.
pub fn pipeline() -> Pipeline {
    let components = [
        ("WhitespaceTokenizer", Value::Null),
        ("RegexFeaturizer", Value::Null),
        ("LexicalSyntacticFeaturizer", Value::Null),
        ("CountVectorsFeaturizer", Value::Null),
        ("CountVectorsFeaturizer", json!({"analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4})),
        ("LogisticRegressionClassifier", Value::Null),
        ("KeywordIntentClassifier", Value::Null),
        ("DIETClassifier", Value::Null),
        ("CRFEntityExtractor", Value::Null),
        ("RegexEntityExtractor", Value::Null),
        ("DucklingEntityExtractor", Value::Null),
        ("EntitySynonymMapper", Value::Null),
        ("ResponseSelector", Value::Null),
        ("FallbackClassifier", Value::Null),
    ];
    let specs: Vec<ComponentSpec> = components
        .into_iter()
        .map(|(name, options)| ComponentSpec {
            name: name.to_owned(),
            options: options.as_object().cloned().unwrap_or_default(),
            ..ComponentSpec::default()
        })
        .collect();
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    let trained = intendant_nlu::train(&specs, "en", &data(), &Domain::default(), &context);
    trained.unwrap_or_else(|error| panic!("{error}")).0
}

fn data() -> NluData {
    let example = |intent: &str, text: &str, city: Option<&str>| {
        let entities = city.map(|city| {
            let start = text.find(city).unwrap_or_default();
            Entity {
                entity: "city".to_owned(),
                value: Value::from(city),
                start_chars: Some(start),
                end_chars: Some(start + city.len()),
                ..Entity::default()
            }
        });
        Example {
            text: text.to_owned(),
            intent: Some(intent.split('/').next().unwrap_or(intent).to_owned()),
            intent_response_key: intent.contains('/').then(|| intent.to_owned()),
            entities: entities.into_iter().collect(),
            ..Example::default()
        }
    };
    NluData {
        examples: vec![
            example("greet", "hello there", None),
            example("greet", "good morning", None),
            example("bye", "see you tomorrow", None),
            example("bye", "goodbye", None),
            example("fly", "a flight to Ulm, please", Some("Ulm")),
            example("fly", "bring me to Kiel", Some("Kiel")),
            example("faq/hours", "when do you open", None),
            example("faq/place", "where are you", None),
        ],
        synonyms: [("HB".to_owned(), "Bremen".to_owned())].into(),
        regexes: vec![Regex { name: "city".into(), pattern: r"\b[A-Z]\w+|\W{2}".into(), ..Regex::default() }],
        lookups: vec![Lookup {
            name: "city".into(),
            elements: vec!["Bad Doberan".into(), "İzmir".into(), "東京".into()],
            ..Lookup::default()
        }],
    }
}
