//! What is said about configurations and data.

use intendant_nlu::{Kind, default_pipeline};
use intendant_talk::data::{ComponentSpec, Lookup, NluData, Regex};
use serde_json::{Value, json};

use crate::{component, example, small_data, train};

fn tokenizer() -> ComponentSpec {
    component("WhitespaceTokenizer", Value::Null)
}

#[test]
fn wrong_configurations_are_refused_with_reasons() {
    let check = |specs: &[ComponentSpec], part: &str| {
        let error = train(specs, &small_data()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        assert!(error.to_string().contains(part), "{part}: {error}");
    };
    check(&[component("DIETClasifier", Value::Null)], "did you mean `DIETClassifier`?");
    check(&[component("MitieNLP", json!({"model": "x"}))], "`MitieNLP` is not available");
    check(&[component("my.Component", Value::Null)], "Python code of your own");
    check(&[component("RulePolicy", Value::Null)], "move it to `policies`");
    check(&[tokenizer(), tokenizer()], "second tokenizer");
    check(&[component("DIETClassifier", Value::Null)], "needs a featurizer before it");
    check(&[component("CountVectorsFeaturizer", Value::Null)], "needs a tokenizer before it");
    check(&[component("FallbackClassifier", Value::Null)], "needs an intent classifier before it");
    check(
        &[tokenizer(), component("CountVectorsFeaturizer", json!({"analyser": "char"}))],
        "did you mean `analyzer`?",
    );
    check(
        &[
            tokenizer(),
            component("CountVectorsFeaturizer", json!({"alias": "a"})),
            component("CountVectorsFeaturizer", json!({"alias": "a"})),
        ],
        "alias `a` is given to 2 featurizers",
    );
    check(
        &[
            tokenizer(),
            component("CountVectorsFeaturizer", Value::Null),
            component("DIETClassifier", json!({"featurizers": ["b"]})),
        ],
        "which no alias names",
    );
    check(
        &[tokenizer(), component("CRFEntityExtractor", json!({"features": [["low"], ["low"]]}))],
        "odd number of lists",
    );
    check(
        &[tokenizer(), component("LexicalSyntacticFeaturizer", json!({"features": [["pos"]]}))],
        "has no feature `pos`",
    );
    check(
        &[component("DucklingEntityExtractor", json!({"dimensions": ["tme"]}))],
        "knows no dimension `tme`",
    );
}

#[test]
fn broken_regexes_are_named() {
    let mut data = small_data();
    data.regexes = vec![Regex { name: "city".into(), pattern: "(".into(), ..Regex::default() }];
    let error = train(&default_pipeline(), &data).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("regular expression `(` of `city` is not valid"), "{error}");
}

#[test]
fn unused_data_is_warned_about() {
    let check = |specs: &[ComponentSpec], data: &NluData, part: &str| {
        let (_, warnings) = train(specs, data).unwrap();
        assert!(warnings.iter().any(|w| w.message.contains(part)), "{part}: {warnings:?}");
    };
    let mut data = small_data();
    data.lookups = vec![Lookup { name: "x".into(), elements: vec!["y".into()], ..Lookup::default() }];
    data.synonyms.insert("a".into(), "b".into());
    check(&[tokenizer()], &data, "no `ResponseSelector`");
    check(&[tokenizer()], &data, "annotated entities, but no component");
    check(&[tokenizer()], &data, "roles or groups");
    check(&[tokenizer()], &data, "lookup tables");
    check(&[tokenizer()], &data, "no `EntitySynonymMapper`");
    check(&[component("RegexEntityExtractor", Value::Null)], &data, "finds nothing");
    let mut both = default_pipeline();
    both.push(component("CRFEntityExtractor", Value::Null));
    check(&both, &data, "several components learn the same entities");
    let mut inside = small_data();
    inside.examples.push(example("book", "[thai](cuisine)land food"));
    check(&default_pipeline(), &inside, "does not end where a token ends");
    let (_, warnings) = train(&default_pipeline(), &small_data()).unwrap();
    assert_eq!(warnings, []);
}

#[test]
fn one_intent_is_too_few_and_none_are_fine() {
    let mut data = small_data();
    data.examples.truncate(2);
    let (pipeline, warnings) = train(&default_pipeline(), &data).unwrap();
    assert!(warnings.iter().any(|warning| warning.message.contains("fewer than two")));
    assert_eq!(pipeline.parse("hello").intent_name(), "nlu_fallback");
    let (pipeline, _) = train(&default_pipeline(), &NluData::default()).unwrap();
    assert_eq!(pipeline.parse("hello").entities, []);
    let (pipeline, _) = train(&[], &small_data()).unwrap();
    assert_eq!(pipeline.parse("hello").intent.name, None);
    assert_eq!(pipeline.parse("/greet").intent_name(), "greet");
}
