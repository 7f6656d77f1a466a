//! Parts of data.

use intendant_rasa_format::nlu;
use intendant_rasa_format::split::{Grouping, LanguagePart, split_language, split_stories};
use intendant_rasa_format::{SourceFile, yaml};
use serde_json::json;

fn language(classes: &[(&str, usize)]) -> LanguagePart {
    let mut text = "version: \"3.1\"\nnlu:\n".to_owned();
    for (name, n_examples) in classes {
        let lines: String = (0..*n_examples).map(|idx| format!("    - {name} {idx}\n")).collect();
        text.push_str(&format!("- intent: {name}\n  examples: |\n{lines}"));
    }
    text.push_str("- lookup: l\n  examples: |\n    - x\nresponses:\n  utter_faq/a: [{text: a}]\n  utter_faq/b: [{text: b}]\n");
    nlu::read(&SourceFile::new("nlu.yml", text), &|_| None, &mut Vec::new()).into()
}

#[test]
fn every_class_keeps_its_share() {
    let language =
        language(&[("big", 80), ("small", 20), ("two", 2), ("one", 1), ("faq/a", 5), ("faq/b", 1)]);
    let mut findings = Vec::new();
    let parts = split_language(&language, Grouping::None, (0.8, 1), &mut findings);
    let count = |data: &intendant_talk::data::NluData, name: &str| {
        data.examples.iter().filter(|example| example.text.starts_with(name)).count()
    };
    let counts: Vec<(usize, usize)> = ["big", "small", "two", "one", "faq/a", "faq/b"]
        .iter()
        .map(|name| (count(&parts.train.data, name), count(&parts.test.data, name)))
        .collect();
    assert_eq!(counts, [(64, 16), (18, 2), (1, 1), (0, 1), (4, 1), (0, 1)]);
    assert_eq!(parts.train.data.lookups.len(), 1);
    assert_eq!(parts.test.data.lookups.len(), 1);
    assert_eq!(json!(parts.train.responses), json!({"utter_faq/a": [{"text": "a"}]}));
    assert_eq!(json!(parts.test.responses).as_object().unwrap().len(), 2);
    assert_eq!(findings, []);
    assert_eq!(split_language(&language, Grouping::None, (0.8, 1), &mut findings), parts);
    assert_ne!(split_language(&language, Grouping::None, (0.8, 2), &mut findings), parts);
}

#[test]
fn templates_stay_on_one_side() {
    let cities = ["Ulm", "Bonn", "Kiel", "Rome", "Oslo"];
    let patterns =
        ["to [C](city)", "from [C](city) please", "is it far to [C](city)", "[C](city)!", "why [C](city)"];
    let lines = |patterns: &[&str]| -> String {
        let all = patterns.iter().flat_map(|pattern| cities.map(|city| pattern.replace('C', city)));
        all.map(|line| format!("    - {line}\n")).collect()
    };
    let text = format!(
        "nlu:\n- intent: go\n  examples: |\n{}- intent: ask\n  examples: |\n{}",
        lines(&patterns),
        lines(&["WHY [C](city)", "how [C](city)"])
    );
    let language: LanguagePart =
        nlu::read(&SourceFile::new("nlu.yml", text), &|_| None, &mut Vec::new()).into();
    for seed in 0..5 {
        let parts = split_language(&language, Grouping::Templates, (0.8, seed), &mut Vec::new());
        let sides = [&parts.train.data.examples, &parts.test.data.examples];
        assert!(
            sides
                .iter()
                .all(|side| side.len() % 5 == 0 && side.iter().any(|e| e.intent.as_deref() == Some("go")))
        );
        for pattern in ["to ", "from ", "is ", "how ", "why "] {
            let with = |side: &[intendant_talk::data::Example]| {
                side.iter().any(|example| example.text.to_lowercase().starts_with(pattern))
            };
            assert!(with(sides[0]) != with(sides[1]), "{pattern}");
        }
    }
}

#[test]
fn too_few_examples_are_told() {
    let mut findings = Vec::new();
    let language = language(&[("a", 2), ("b", 2), ("c", 2)]);
    split_language(&language, Grouping::None, (0.8, 1), &mut findings);
    assert_eq!(findings.len(), 1);
}

#[test]
fn stories_are_split_by_file() {
    let items: String = (0..10).map(|idx| format!("- story: s{idx}\n  steps:\n  - action: a\n")).collect();
    let text = format!("version: \"3.1\"\nrules:\n- rule: r\n  steps:\n  - action: a\nstories:\n{items}");
    let file = SourceFile::new("stories.yml", text);
    let parts = split_stories(&file, &|_| None, (0.8, 3), &mut Vec::new()).unwrap();
    let read = |text: &str| {
        yaml::parse(&SourceFile::new("x.yml", text), &|_| None, &mut Vec::new()).unwrap().to_json()
    };
    let (train, test) = (read(&parts.train), read(&parts.test));
    assert_eq!(train["rules"][0]["rule"], "r");
    assert_eq!(train["stories"].as_array().unwrap().len(), 8);
    assert_eq!(test["stories"].as_array().unwrap().len(), 2);
    assert_eq!(test.as_object().unwrap().len(), 1);
    let none = SourceFile::new("nlu.yml", "nlu: []\n");
    assert_eq!(split_stories(&none, &|_| None, (0.8, 3), &mut Vec::new()), None);
}
