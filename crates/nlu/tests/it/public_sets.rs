//! Floors on public datasets, where they are at hand.

use std::path::PathBuf;

use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::default_pipeline;
use intendant_talk::data::{ComponentSpec, NluData};
use intendant_talk::domain::Domain;
use serde_json::{Value, json};

use crate::{component, example};

/// The folder of a dataset beside the repository.
fn folder(set: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("INTENDANT_SHARED").map_or(beside, PathBuf::from);
    Some(shared.join("data/nlu").join(set)).filter(|folder| folder.is_dir())
}

/// Trains on a dataset, if it is there, and tells which share of its test messages is understood.
fn accuracy(set: &str, specs: &[ComponentSpec]) -> Option<f64> {
    let folder = folder(set)?;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut data = NluData::default();
    let mut intent = String::new();
    for line in read("train.yml").lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- intent:") {
            intent = name.trim().to_owned();
        } else if let Some(text) = line.strip_prefix("- ") {
            data.examples.push(example(&intent, text));
        }
    }
    let context = TrainContext { seed: 1, threads: 2, progress: &Silent };
    let (pipeline, _) = intendant_nlu::train(specs, "en", &data, &Domain::default(), &context).unwrap();
    let rows: Vec<Value> =
        read("test.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let right = rows
        .iter()
        .filter(|row| {
            let ranking = pipeline.parse(row["text"].as_str().unwrap()).intent_ranking.unwrap();
            let best = ranking.iter().find(|intent| intent.name.as_deref() != Some("nlu_fallback"));
            best.and_then(|intent| intent.name.as_deref()) == row["intent"].as_str()
        })
        .count();
    Some(right as f64 / rows.len() as f64)
}

#[test]
fn ten_examples_per_intent_are_understood() {
    match accuracy("banking77_10shot", &default_pipeline()) {
        Some(accuracy) => assert!(accuracy > 0.74, "{accuracy}"),
        None => println!("skipped: the dataset is not here"),
    }
}

#[test]
fn logistic_regression_is_as_good_as_that_of_scikit_learn() {
    let pieces = json!({"analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4});
    let specs = [
        component("WhitespaceTokenizer", Value::Null),
        component("CountVectorsFeaturizer", Value::Null),
        component("CountVectorsFeaturizer", pieces),
        component("LogisticRegressionClassifier", Value::Null),
    ];
    match accuracy("banking77_10shot", &specs) {
        // Which answers 72.8 % of them from the same counts.
        Some(accuracy) => assert!(accuracy > 0.715, "{accuracy}"),
        None => println!("skipped: the dataset is not here"),
    }
}
