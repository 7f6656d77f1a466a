//! Any text, any thread count, any stored bytes.

use intendant_component::training::{Progress, Silent, TrainContext};
use intendant_nlu::{Kind, Pipeline, default_pipeline};
use intendant_numeric::random::Random;
use serde_json::Value;

use crate::{component, small_data, small_domain, train};

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 16] = [
        "hello",
        "from",
        "Kiel",
        " ",
        "  ",
        "!",
        "é",
        "e\u{301}",
        "😀",
        "👩\u{200d}🔬",
        "\u{202e}",
        "漢字",
        "'",
        "5,-",
        "\n",
        "ß",
    ];
    (0..random.below(12)).map(|_| PIECES[random.below(PIECES.len())]).collect()
}

#[test]
fn spans_lie_in_the_text_in_order() {
    let mut specs = default_pipeline();
    specs.insert(6, component("RegexEntityExtractor", Value::Null));
    let mut data = small_data();
    data.regexes = vec![intendant_talk::data::Regex {
        name: "city".into(),
        pattern: r"\w\W".into(),
        ..Default::default()
    }];
    let (pipeline, _) = train(&specs, &data).unwrap();
    let mut random = Random::new(5);
    for _ in 0..2_000 {
        let text = text(&mut random);
        let parse = pipeline.parse(&text);
        let length = parse.text.as_ref().unwrap().chars().count();
        let tokens = parse.text_tokens.unwrap();
        assert!(tokens.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{text:?}: {tokens:?}");
        assert!(tokens.iter().all(|(start, end)| start <= end && *end <= length), "{text:?}: {tokens:?}");
        for entity in &parse.entities {
            let (start, end) = (entity.start_chars.unwrap(), entity.end_chars.unwrap());
            assert!(start < end && end <= length, "{text:?}: {entity:?}");
        }
        for intent in parse.intent_ranking.unwrap() {
            assert!((0.0..=1.0).contains(&intent.confidence.unwrap()), "{text:?}: {intent:?}");
        }
    }
}

#[test]
fn long_messages_are_answered() {
    let (pipeline, _) = train(&default_pipeline(), &small_data()).unwrap();
    let parse = pipeline.parse(&"bye ".repeat(20_000));
    assert_eq!(parse.text_tokens.map(|tokens| tokens.len()), Some(20_000));
}

#[test]
fn threads_change_nothing_and_seeds_are_kept() {
    let stored = |threads: usize| {
        let context = TrainContext { seed: 7, threads, progress: &Silent };
        intendant_nlu::train(&default_pipeline(), "en", &small_data(), &small_domain(), &context)
            .unwrap()
            .0
            .store()
    };
    let one = stored(1);
    assert_eq!(one, stored(2));
    assert_eq!(one, stored(1));
}

#[test]
fn stored_pipelines_answer_as_before() {
    let mut specs = default_pipeline();
    specs.insert(6, component("CRFEntityExtractor", Value::Null));
    specs.insert(6, component("DucklingEntityExtractor", Value::Null));
    specs.insert(6, component("KeywordIntentClassifier", Value::Null));
    specs.insert(6, component("LogisticRegressionClassifier", Value::Null));
    specs.insert(6, component("RegexEntityExtractor", Value::Null));
    let mut data = small_data();
    data.regexes = vec![intendant_talk::data::Regex {
        name: "city".into(),
        pattern: "[A-Z]{3}".into(),
        ..Default::default()
    }];
    let (pipeline, _) = train(&specs, &data).unwrap();
    let loaded = Pipeline::load(&specs, pipeline.store()).unwrap();
    for text in ["hello", "from Ulm to Jena", "thai food for 7", "/greet", "zzz", "", "when do you open"] {
        assert_eq!(loaded.parse(text), pipeline.parse(text), "{text}");
    }
}

#[test]
fn damaged_components_are_refused() {
    let (pipeline, _) = train(&default_pipeline(), &small_data()).unwrap();
    let stored = pipeline.store();
    for node in 0..stored.len() {
        let mut missing = stored.clone();
        missing.remove(node);
        assert!(Pipeline::load(&default_pipeline(), missing).is_err(), "{}", stored[node].0);
        for name in stored[node].1.tensors.keys() {
            let mut damaged = stored.clone();
            damaged[node].1.tensors.remove(name);
            assert!(Pipeline::load(&default_pipeline(), damaged).is_err(), "{} {name}", stored[node].0);
        }
    }
}

#[test]
fn training_can_be_cancelled() {
    struct Never;
    impl Progress for Never {
        fn report(&self, _: &str, _: u64, _: u64) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let context = TrainContext { seed: 1, threads: 1, progress: &Never };
    let result = intendant_nlu::train(&default_pipeline(), "en", &small_data(), &small_domain(), &context);
    assert_eq!(result.map(|_| ()).unwrap_err().kind, Kind::Cancelled);
}
