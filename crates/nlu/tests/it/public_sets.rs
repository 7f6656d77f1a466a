//! Floors on public datasets, where they are at hand.

use std::path::PathBuf;

use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::default_pipeline;
use intendant_talk::data::NluData;
use intendant_talk::domain::Domain;
use serde_json::Value;

use crate::example;

/// The folder of a dataset beside the repository.
fn folder(set: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nlu").join(set);
    beside.is_dir().then_some(beside)
}

#[test]
fn ten_examples_per_intent_are_understood() {
    let Some(folder) = folder("banking77_10shot") else {
        println!("skipped: the dataset is not here");
        return;
    };
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
    let (pipeline, _) =
        intendant_nlu::train(&default_pipeline(), "en", &data, &Domain::default(), &context).unwrap();
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
    let accuracy = right as f64 / rows.len() as f64;
    assert!(accuracy > 0.74, "{accuracy}");
}
