//! Any text, any thread count, any stored bytes.

use intendant_component::training::{Progress, Silent, TrainContext};
use intendant_nlu::{Kind, Pipeline, default_pipeline};
use intendant_numeric::random::Random;
use serde_json::Value;

use crate::{component, small_data, small_domain, talkative, train};

/// Letters of many scripts, marks that join, blanks that are none, pieces of the training data.
const PIECES: [&str; 48] = [
    "hello",
    "from",
    "to",
    "Kiel",
    "Bremen",
    "thai",
    "ABC",
    "l'",
    "don't",
    "Hals-Nasen-Ohren",
    "tomorrow",
    "5 pm",
    "12",
    "5,-",
    "€",
    "/greet",
    "{\"city\": \"Ulm\"}",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "\0",
    "!",
    "'",
    "\u{2019}",
    "-",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "ﬃ",
    "😀",
    "👩\u{200d}🔬",
    "🇩🇪",
    "✊🏿",
    "\u{fe0f}",
    "\u{202e}",
    "漢字",
    "ไทย",
    "한국어",
    "עברית",
    "\u{10ffff}",
];

fn text(random: &mut Random, pieces_max: usize) -> String {
    let mut text = String::new();
    for _ in 0..random.below(pieces_max) {
        match random.below(12) {
            // Any code point at all.
            0 => text.extend(char::from_u32(random.below(0x11_0000) as u32)),
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                text.push_str(&piece.repeat(1 + random.below(40)));
            }
            _ => text.push_str(PIECES[random.below(PIECES.len())]),
        }
    }
    text
}

#[test]
fn spans_lie_in_the_text_in_order() {
    let pipeline = talkative::pipeline();
    let mut random = Random::new(5);
    for (rounds, pieces_max) in [(1_500, 12), (60, 400)] {
        for _ in 0..rounds {
            let text = text(&mut random, pieces_max);
            talkative::check(&pipeline, &text);
        }
    }
}

#[test]
fn long_messages_are_answered() {
    let pipeline = talkative::pipeline();
    for piece in ["bye ", "Kiel", "é", "漢", "- ", "\u{301}", "😀 "] {
        let text = piece.repeat(60_000 / piece.len());
        talkative::check(&pipeline, &text);
    }
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
